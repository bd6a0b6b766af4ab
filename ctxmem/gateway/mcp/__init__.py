"""`ctxmem mcp`: the sessions of a store for clients of the Model Context Protocol."""
