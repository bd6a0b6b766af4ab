"""Fixtures of all rooms: vocabularies found without a network."""

from __future__ import annotations

import functools

import pytest


@pytest.fixture(scope="session")
def tiktoken_encoding():
    """Return a function from a name to tiktoken's encoding, the oracle of all counts."""
    import tiktoken
    from tiktoken_ext import openai_public

    from ctxmem import tokens

    @functools.cache
    def load(name):
        path = next(row.path for row in tokens.vocabularies() if row.name == name)
        if path is None:
            pytest.fail(f"no vocabulary for {name}; the test extra brings it")
        # tiktoken's own pattern and special tokens, with ranks read from the file that we found.
        original = tiktoken.load.load_tiktoken_bpe
        ranks = original(str(path))
        openai_public.load_tiktoken_bpe = lambda *_, **__: ranks
        try:
            return tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[name]())
        finally:
            openai_public.load_tiktoken_bpe = original

    return load
