"""The counters that are compared with ours, each with the same vocabulary and the same rules.

A peer that keeps what it has counted is made to forget between rounds where it can, so that the
chunks are new to it each time; one that cannot is marked, and its row is for information only.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ctxmem.tokens.files import PUBLISHED
from ctxmem.tokens.packed import packed_path, published_lines

Count = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A counter of many texts; `forget` empties its caches, `warm` says that it cannot be done."""

    count: Count
    forget: Callable[[], object] = lambda: None
    warm: bool = False


def one_by_one(count: Callable[[str], int]) -> Count:
    """Return a counter of many texts from one of one text."""
    return lambda texts: [count(text) for text in texts]


def by_encoding(encode: Callable[[str], Any]) -> Count:
    """Return a counter of many texts from an encoder of one text."""
    return lambda texts: [len(encode(text)) for text in texts]


# Vocabularies -------------------------------------------------------------------------------------


def write_for_tiktoken(encoding: str, folder: str) -> None:
    """Write the published file, rebuilt from the data of the package, into a cache of tiktoken."""
    lines = published_lines(packed_path(encoding).read_bytes())
    (Path(folder) / PUBLISHED[encoding].cache_name).write_bytes(lines)


@functools.cache
def reference(encoding: str) -> Any:
    """Return tiktoken's encoding, without a network."""
    import tiktoken

    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        write_for_tiktoken(encoding, folder)
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        try:
            return tiktoken.get_encoding(encoding)
        finally:
            del os.environ["TIKTOKEN_CACHE_DIR"]
            if before is not None:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


def split_of(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """Return the two tokens that the last merge of a token joins."""
    rank = ranks[token]
    below = [
        at
        for at in range(1, len(token))
        if ranks.get(token[:at], rank) < rank and ranks.get(token[at:], rank) < rank
    ]
    if len(below) == 1:
        return token[: below[0]], token[below[0] :]
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = (ranks.get(a + b, rank) for a, b in itertools.pairwise(parts))
        least, at = min((pair, i) for i, pair in enumerate(pairs))
        if least >= rank:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], b"".join(parts[1:])


def byte_names() -> dict[int, str]:
    """Return the characters that tokenizer.json writes for bytes: printable ones are themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    names = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in names)
    return names | {byte: chr(256 + i) for i, byte in enumerate(others)}


@functools.cache
def tokenizer_json(encoding: str) -> str:
    """Return the encoding as a tokenizer.json, its merges found from the ranks."""
    data = published_lines(packed_path(encoding).read_bytes())
    lines = (line.split() for line in data.splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    names = byte_names()

    def name(token: bytes) -> str:
        return "".join(names[byte] for byte in token)

    long = sorted((token for token in ranks if len(token) > 1), key=ranks.__getitem__)
    # The quantifier {1,3}+ is possessive in tiktoken's dialect and a repetition in that of
    # tokenizers; after it nothing can fail, so the plain one does the same.
    pattern = reference(encoding)._pat_str.replace("{1,3}+", "{1,3}")
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {
                        "type": "Split",
                        "pattern": {"Regex": pattern},
                        "behavior": "Isolated",
                        "invert": False,
                    },
                    byte_level,
                ],
            },
            "post_processor": None,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "ignore_merges": True,
                "vocab": {name(token): rank for token, rank in ranks.items()},
                "merges": [[name(part) for part in split_of(token, ranks)] for token in long],
            },
        }
    )


# Peers --------------------------------------------------------------------------------------------


def of_tiktoken(encoding: str) -> Peer:
    """Return tiktoken's encoder."""
    return Peer(by_encoding(reference(encoding).encode_ordinary))


def of_quicktok(encoding: str) -> Peer:
    """Return quicktok's counter."""
    import quicktok

    return Peer(one_by_one(quicktok.get_encoding(encoding).count))


def of_rs_bpe(encoding: str) -> Peer:
    """Return the counter of rs_bpe."""
    from rs_bpe.bpe import openai

    return Peer(one_by_one(getattr(openai, encoding)().count))


def of_bpe_openai(encoding: str) -> Peer:
    """Return the encoder of bpe-openai."""
    import bpe_openai

    return Peer(by_encoding(bpe_openai.get_encoding(encoding).encode_ordinary))


def of_riptoken(encoding: str) -> Peer:
    """Return riptoken's encoder."""
    import riptoken

    reference(encoding)  # riptoken takes the vocabulary from tiktoken
    return Peer(by_encoding(riptoken.get_encoding(encoding).encode_ordinary))


def of_tokenizers(encoding: str) -> Peer:
    """Return the encoder of Hugging Face's tokenizers."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(tokenizer_json(encoding))
    encode = functools.partial(made.encode, add_special_tokens=False)
    return Peer(by_encoding(encode), made.model._clear_cache)


def of_nanotok(encoding: str) -> Peer:
    """Return nanotok's encoder."""
    from nanotok import Tokenizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(tokenizer_json(encoding), encoding="utf-8")
        made = Tokenizer.from_file(str(path))
    return Peer(by_encoding(made.encode), made.clear_cache)


def of_gigatoken(encoding: str) -> Peer:
    """Return gigatoken's encoder, whose cache cannot be emptied."""
    import gigatoken

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{encoding}.tiktoken"
        path.write_bytes(published_lines(packed_path(encoding).read_bytes()))
        made = gigatoken.Tokenizer.from_tiktoken(path).as_tiktoken()
    return Peer(by_encoding(made.encode_ordinary), warm=True)


MAKERS: dict[str, Callable[[str], Peer]] = {
    "tiktoken": of_tiktoken,
    "quicktok-v1": of_quicktok,
    "rs_bpe": of_rs_bpe,
    "bpe-openai": of_bpe_openai,
    "riptoken": of_riptoken,
    "nanotok": of_nanotok,
    "tokenizers": of_tokenizers,
    "gigatoken": of_gigatoken,
}


def title(name: str) -> str:
    """Return the name of a peer with its version."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name


def peers(encoding: str) -> tuple[dict[str, Peer], list[str]]:
    """Return the installed counters by name and version, and a line on each that is absent."""
    found: dict[str, Peer] = {}
    absent = []
    for name, make in MAKERS.items():
        try:
            found[title(name)] = make(encoding)
        except (ImportError, PackageNotFoundError):
            absent.append(f"{name}: not installed")
        except Exception as error:
            absent.append(f"{name}: {type(error).__name__}: {error}"[:100])
    return found, absent
