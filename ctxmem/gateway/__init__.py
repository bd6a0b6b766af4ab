"""The gateway: ctxmem in front of any client, in any language (`ctxmem serve`, `ctxmem mcp`)."""
