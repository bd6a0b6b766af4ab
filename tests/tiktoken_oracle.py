"""tiktoken's encodings, the oracle of all counts, without a network."""

from __future__ import annotations

import base64
import functools


@functools.cache
def encoding(name: str = "o200k_base"):
    """Return tiktoken's own pattern and special tokens, with the ranks that come with ctxmem."""
    import tiktoken
    from tiktoken_ext import openai_public

    from ctxmem.tokens.packed import packed_path, published_lines

    lines = published_lines(packed_path(name).read_bytes()).splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
    original = openai_public.load_tiktoken_bpe
    openai_public.load_tiktoken_bpe = lambda *_, **__: ranks
    try:
        return tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[name]())
    finally:
        openai_public.load_tiktoken_bpe = original
