"""Read the files that tokenizers are published in: tokenizer.json, tekken.json, .tiktoken, .model.

What a file is, its content says, not its name: Llama 3 keeps lines of byte pairs in a file called
tokenizer.model. Counts are those of the library that the file is made for: `tokenizers` for
tokenizer.json, tiktoken for byte pairs with a pattern, `sentencepiece` for .model files. Like
`tokenizers` does, added tokens of a tokenizer.json (`<|im_start|>`) count as one wherever a text
has them; tokens that a template puts around a text are not counted.

What the native core does not know (`_native.Unsupported`) is counted by `tokenizers` itself where
it is installed, and the counter's name says so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctxmem import _native
from ctxmem.errors import InputError, VocabularyError
from ctxmem.forking import ForkSafeLock
from ctxmem.tokens import caches
from ctxmem.tokens.counters import Foreign, Native, from_encoding, is_panic, quoted

if TYPE_CHECKING:  # at run time it would cost the first count as much as the vocabulary
    from ctxmem.protocols import Counter

_LARGEST_FILE = 256 << 20
SUFFIXES = (".json", ".tiktoken", ".model")
"""A str that ends so is a path, never a name."""

_lock = ForkSafeLock()
_read: dict[str, tuple[tuple[int, int], Counter]] = {}  # by path, with when it was written
_MARK = b"\xef\xbb\xbf"  # the byte-order mark that some editors put before JSON

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_OTHERS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {
    "llama3": rf"{_WORDS}|\p{{N}}{{1,3}}|{_OTHERS}",
    "qwen2": rf"{_WORDS}|\p{{N}}|{_OTHERS}",
}
"""Patterns of .tiktoken files that do not hold their own, by name."""

# Published files of byte pairs whose pattern is known, by SHA-256.
_PATTERN_OF = {
    "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55": "llama3",
    "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186": "qwen2",
}


def read_tokenizer(path: Path, name: str | None = None, *, pattern: str | None = None) -> Counter:
    """Return the counter of a tokenizer file, called `name` or by the path.

    `pattern` is for .tiktoken files, which hold byte pairs only: the regular expression that cuts
    texts into pieces, or a name of `PATTERNS`. Files of Llama 3 and Qwen are known by their hash.

    Raises `VocabularyError` for a file that cannot be read, is damaged or of no known format, or
    that only `tokenizers` can count where that is not installed; `InputError` for a .tiktoken file
    without a pattern, a pattern that cannot be used, or one with another file.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # of a pipe or a device there may be no end
            raise VocabularyError(f"{path} is no regular file", tried=[str(path)])
        if found.st_size > _LARGEST_FILE:
            raise VocabularyError(
                f"{path} has {found.st_size} bytes; no tokenizer is that large", tried=[str(path)]
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: no name that a file can have
        raise VocabularyError(f"{path} cannot be read: {error}", tried=[str(path)]) from error
    name = name or str(path)
    read = _format_of(path, data)
    if read is not _read_byte_pairs and pattern is not None:
        raise InputError(f"{path} holds its own rules; a pattern is for .tiktoken files")
    if read is _read_byte_pairs:
        return _read_byte_pairs(path, data, name, pattern)
    return read(path, data, name)


def _format_of(path: Path, data: bytes) -> Callable[..., Counter]:
    start = data[:256].removeprefix(_MARK).lstrip()
    if start.startswith(b"{"):
        return _read_json
    first, _, rest = start.partition(b" ")
    if rest[:1].isdigit() and _decoded(first) is not None:
        return _read_byte_pairs
    if data.startswith(b"\n"):  # field 1 of a protocol buffer, a piece
        return _read_sentencepiece
    raise VocabularyError(
        f"{path} is no tokenizer that ctxmem knows; expected tokenizer.json, tekken.json, lines of "
        "byte pairs (.tiktoken) or a SentencePiece .model",
        tried=[str(path)],
    )


def _read_json(path: Path, data: bytes, name: str) -> Counter:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"{path} is not JSON: {error}", tried=[str(path)]) from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        return _read_tokenizer_json(path, content, name)
    if isinstance(content, dict) and isinstance(content.get("vocab"), list):
        return _read_tekken(path, content, name)
    raise VocabularyError(
        f"{path} is JSON, but neither a tokenizer.json (no `model`) nor a tekken.json (no `vocab`)",
        tried=[str(path)],
    )


# tokenizer.json -----------------------------------------------------------------------------------


def _read_tokenizer_json(path: Path, content: dict[str, Any], name: str) -> Counter:
    try:
        core = _native.Tokenizer.from_sections(
            content["model"],
            content.get("normalizer"),
            content.get("pre_tokenizer"),
            content.get("added_tokens") or [],
        )
    except _native.Unsupported as error:
        return by_tokenizers(path, name, str(error))
    except (ValueError, TypeError, KeyError) as error:
        raise VocabularyError(f"{path} is damaged: {error}", tried=[str(path)]) from error
    return Native(name, core)


def by_tokenizers(path: Path, name: str, reason: str) -> Counter:
    """Return a counter that asks the library `tokenizers`, for what the core does not know.

    Raises `VocabularyError` if it is not installed or cannot read the file.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise VocabularyError(
            f"{path} cannot be counted natively ({reason}), and tokenizers is not installed; "
            "run: pip install tokenizers",
            tried=[str(path)],
        ) from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except BaseException as error:  # the library raises Exception itself, or panics
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise VocabularyError(f"{path} is damaged: {error}", tried=[str(path)]) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count_many(texts: list[str]) -> Sequence[int]:
        # Lone surrogates have no UTF-8; they count as U+FFFD, as they do natively.
        clean = [
            text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts
        ]
        try:
            made = tokenizer.encode_batch(clean, add_special_tokens=False)
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            raise InputError(f"{path} cannot count this text: tokenizers says: {error}") from error
        return [len(one.ids) for one in made]

    return Foreign(f"{name} (by tokenizers: {reason})", count_many)


# Byte pairs with a pattern ------------------------------------------------------------------------


def _read_byte_pairs(path: Path, data: bytes, name: str, pattern: str | None) -> Counter:
    if pattern is None:
        pattern = _PATTERN_OF.get(hashlib.sha256(data).hexdigest())
    if pattern is None:
        raise InputError(
            f"{path} holds byte pairs but not the pattern that cuts texts; pass pattern=, a "
            f"regular expression or one of {', '.join(PATTERNS)}"
        )
    if pattern not in PATTERNS and re.fullmatch(
        r"[\w-]*", pattern
    ):  # it would match next to nothing
        raise InputError(
            f"no pattern is called {pattern!r}; give one of {', '.join(PATTERNS)}, or a regular "
            "expression that matches every part of a text"
        )
    try:
        return byte_pairs(name, data, PATTERNS.get(pattern, pattern))
    except InputError:
        raise
    except ValueError as error:
        raise VocabularyError(f"{path} is damaged: {error}", tried=[str(path)]) from error


def byte_pairs(name: str, data: bytes, pattern: str) -> Counter:
    """Return the counter of a .tiktoken file with its pattern, in tiktoken's dialect.

    Raises ValueError for a damaged file.
    """
    tokens = []
    for number, line in enumerate(data.splitlines()):
        if not line:
            continue
        encoded, _, rank = line.partition(b" ")
        token = _decoded(encoded)
        if token is None or not rank.isdigit():
            raise ValueError(f"line {number + 1} is no token with a rank")
        tokens.append((int(rank), token))
    return _from_ranks([token for _, token in sorted(tokens)], pattern, name)


def _read_tekken(path: Path, content: dict[str, Any], name: str) -> Counter:
    """Read Mistral's tekken.json; ids of special tokens come before those of the vocabulary."""
    try:
        config = content["config"]
        size = config["default_vocab_size"] - config["default_num_special_tokens"]
        entries = sorted(content["vocab"], key=lambda entry: entry["rank"])[:size]
        tokens = [base64.b64decode(entry["token_bytes"], validate=True) for entry in entries]
        pattern = config["pattern"]
        if not isinstance(pattern, str):
            raise TypeError(f"its pattern is {quoted(pattern)}")
        pattern.encode("utf-8")  # which a lone surrogate is not
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VocabularyError(f"{path} is damaged: {error!r}", tried=[str(path)]) from error
    try:
        return _from_ranks(tokens, pattern, name)
    except ValueError as error:
        raise VocabularyError(f"{path} is damaged: {error}", tried=[str(path)]) from error


def _from_ranks(tokens: list[bytes], pattern: str, name: str) -> Counter:
    try:
        return Native(name, _native.Tokenizer.from_ranks(tokens, pattern))
    except _native.Unsupported as error:
        return _by_tiktoken(tokens, pattern, f"{name} (by tiktoken: {error})")


def _by_tiktoken(tokens: list[bytes], pattern: str, name: str) -> Counter:
    import tiktoken

    ranks = {token: rank for rank, token in enumerate(tokens)}
    try:
        made = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    except ValueError as error:
        raise InputError(f"the pattern {pattern!r} cannot be used: {error}") from None
    return from_encoding(name, made.encode_ordinary)


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) or None
    except (binascii.Error, ValueError):
        return None


# SentencePiece ------------------------------------------------------------------------------------


def _read_sentencepiece(path: Path, data: bytes, name: str) -> Counter:
    try:
        return Native(name, _native.Tokenizer.from_sentencepiece(data))
    except ValueError as error:
        raise VocabularyError(f"{path} is damaged: {error}", tried=[str(path)]) from error


# Paths --------------------------------------------------------------------------------------------


def path_of(model: object) -> Path | None:
    """Return the file that a path or a str means, None for what is a name or no path at all."""
    if not isinstance(model, (str, os.PathLike)):
        return None
    path = Path(os.path.expanduser(os.fsdecode(model)))  # a home that is not there stays "~name"
    if isinstance(model, str) and not model.endswith(SUFFIXES) and not _written_as_path(model):
        # "Qwen/Qwen3-8B" is the name of a model, unless such a file or folder is there.
        if "/" not in model and os.sep not in model:
            return None
        return path if os.path.isfile(path) else caches.in_folder(path)
    if os.path.isdir(path):  # unlike Path.is_dir, of any name whatever
        found = caches.in_folder(path)
        if found is None:
            raise VocabularyError(
                f"{path} has no tokenizer file; looked for {', '.join(caches.FILES)}",
                tried=[str(path)],
            )
        return found
    return path


def _written_as_path(model: str) -> bool:
    return model.startswith(("./", "../", "~")) or Path(model).is_absolute()


def read_path(path: Path) -> Counter:
    """Return the counter of a file, which is read once as long as it does not change."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return read_tokenizer(path)  # which says why
    stamp = found.st_mtime_ns, found.st_size
    with _lock:
        known = _read.get(str(path))
        if known is None or known[0] != stamp:
            known = _read[str(path)] = stamp, read_tokenizer(path)
        return known[1]
