"""`ctxmem serve --demo`: a scripted client and a stub of a provider around a gateway."""
