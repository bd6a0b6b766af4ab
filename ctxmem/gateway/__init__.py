"""ctxmem in front of other programs: what serves clients over a wire."""
