"""The page at /ctxmem/ and the sums that it shows."""
