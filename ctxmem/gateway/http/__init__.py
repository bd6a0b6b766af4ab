"""Requests and replies as bytes: limits, tokens, errors, and the connections to the upstream."""
