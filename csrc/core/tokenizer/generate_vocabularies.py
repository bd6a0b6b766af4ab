"""Write the packed vocabularies of ctxmem/vocabularies from the files that OpenAI publishes.

    python csrc/core/tokenizer/generate_vocabularies.py FILE...

Each FILE is a published .tiktoken file, known by its SHA-256 whatever its name. vocabulary.hpp
describes the layout. A token of two bytes or more is stored as its last merge: the two tokens that
are left of its bytes after all merges of lower rank. Before a file is written, the published one is
rebuilt from it and compared. A test does so again with the files in the tree.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import sys
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ctxmem.tokens.files import PUBLISHED
from ctxmem.tokens.packed import HEADER, MAGIC, PACKED, packed_path, published_lines

SINGLES = 256
MOST_TOKENS = 1 << 20  # ids have 20 bits


def last_merges(tokens: Sequence[bytes]) -> list[tuple[int, int]]:
    """Return the two tokens that make each token of two bytes or more; tokens are in rank order.

    Raises ValueError if a token is not made by merges of rising rank.
    """
    ranks = {token: rank for rank, token in enumerate(tokens)}
    never = len(tokens)
    merges = []
    for rank, token in enumerate(tokens):
        if len(token) == 1:
            continue
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            pairs = [ranks.get(a + b, never) for a, b in pairwise(parts)]
            lowest = min(pairs)
            if lowest >= rank:
                raise ValueError(f"token {rank}, {token!r}, is not made by merges")
            at = pairs.index(lowest)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        left, right = (ranks[part] for part in parts)
        merges.append((left, right))
    return merges


def pack(published: bytes) -> bytes:
    """Return the packed vocabulary of a .tiktoken file.

    Raises ValueError unless the file can be rebuilt from it.
    """
    lines = [line.split() for line in published.splitlines()]
    tokens = [base64.b64decode(token) for token, _ in lines]
    singles = b"".join(tokens[:SINGLES])
    if len(singles) != SINGLES or len(tokens) > MOST_TOKENS:
        raise ValueError("the first 256 tokens are not single bytes, or there are too many")
    merges = last_merges(tokens)
    planes = [
        bytes(pair[side] >> shift & 255 for pair in merges) for shift in (0, 8) for side in (0, 1)
    ]
    planes.append(bytes(left >> 16 | right >> 16 << 4 for left, right in merges))
    header = HEADER.pack(MAGIC, len(tokens), hashlib.sha256(published).digest(), singles)
    body = header + b"".join(planes)
    packed = body + struct.pack("<I", zlib.crc32(body))
    if published_lines(packed) != published:
        raise ValueError("the published file cannot be rebuilt from its merges")
    return packed


def main(paths: Sequence[str]) -> None:
    """Write the packed vocabulary of each file."""
    names = {PUBLISHED[name].sha256: name for name in PACKED}
    for path in paths:
        published = Path(path).read_bytes()
        name = names.get(hashlib.sha256(published).hexdigest())
        if name is None:
            sys.exit(f"{path} is not a published file of {' or '.join(PACKED)}")
        packed = pack(published)
        packed_path(name).write_bytes(packed)
        print(
            f"{packed_path(name)}: {len(packed)} bytes, {len(zlib.compress(packed, 9))} compressed"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
