"""The vocabularies that come with the package, o200k_base and cl100k_base.

They are packed: every token is stored as its last merge, in a layout that
`csrc/core/tokenizer/vocabulary.hpp` describes and the native core reads;
`csrc/core/tokenizer/generate_vocabularies.py` writes the files.
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from itertools import chain
from pathlib import Path

PACKED = ("o200k_base", "cl100k_base")
MAGIC = b"CTXMBPE\x01"
HEADER = struct.Struct("<8sI32s256s")  # magic, tokens, SHA-256 of the published file, single bytes

_DIRECTORY = Path(__file__).resolve().parent.parent / "vocabularies"


def packed_path(name: str) -> Path:
    """Return where the packed file of a vocabulary of the package is."""
    return _DIRECTORY / f"{name}.bin"


def published_lines(packed: bytes) -> bytes:
    """Return the published .tiktoken file that a packed vocabulary was made from.

    Its SHA-256 is not compared here. Raises ValueError if `packed` is no packed vocabulary.

    >>> published_lines(packed_path("o200k_base").read_bytes())[:14]
    b'IQ== 0\\nIg== 1\\n'
    """
    if len(packed) < HEADER.size or not packed.startswith(MAGIC):
        raise ValueError("these bytes are no packed vocabulary of version 1")
    _, count, _, singles = HEADER.unpack_from(packed)
    merges = count - len(singles)
    planes = [packed[HEADER.size + i * merges :][:merges] for i in range(5)]
    if merges < 0 or len(packed) != HEADER.size + 5 * merges + 4:
        raise ValueError("the packed vocabulary is cut short")
    tokens = [bytes([byte]) for byte in singles]
    for low, low_right, middle, middle_right, high in zip(*planes, strict=True):
        left = tokens[low | middle << 8 | (high & 15) << 16]
        tokens.append(left + tokens[low_right | middle_right << 8 | high >> 4 << 16])
    lines = (
        (b2a_base64(token, newline=False), b" %d\n" % rank) for rank, token in enumerate(tokens)
    )
    return b"".join(chain.from_iterable(lines))
