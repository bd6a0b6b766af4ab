"""What users call a counter: names of encodings and models, functions, objects."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError, VocabularyError
from ctxmem.forking import ForkSafeLock
from ctxmem.tokens.counters import Foreign, Made, Native, from_encoding, quoted
from ctxmem.tokens.packed import PACKED, packed_path

if TYPE_CHECKING:
    from ctxmem.protocols import Counter
    from ctxmem.tokens.files import VocabularyFile

# A model by the beginning of its name; what follows is nothing, or starts with - . : or @.
_MODELS = {
    "o200k_base": (
        *("gpt-4o", "chatgpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss"),
        *("o1", "o3", "o4"),
    ),
    "cl100k_base": (
        *("gpt-4", "gpt-3.5", "gpt-35"),
        *("text-embedding-3", "text-embedding-ada-002"),
    ),
}
_lock = ForkSafeLock()
_resolved: dict[str, Counter] = {}


def resolve(counter: object = "o200k_base", *, vocabulary: str | Path | None = None) -> Counter:
    """Return the `Counter` that a name, a function or an object means.

    A name is an encoding ("o200k_base"), a model ("gpt-4o-mini", "claude-sonnet-4"), the path of a
    tokenizer file (`counter` says which) or "estimate". OpenAI's models are counted exactly, by the
    vocabularies of the package. Models whose tokenizer is not public get the calibrated estimate:
    `exact` is False. A function takes a text and returns its tokens; an object has `count`,
    `count_many` or, like a `tiktoken.Encoding`, `encode_ordinary`. Their answers are checked, and
    kept by content.

    `vocabulary` is the path of the encoding's .tiktoken file, for p50k_base and r50k_base on
    machines where it lies nowhere we look; without it their counter is the estimate, with one
    `CtxmemWarning`. Counters of names and paths are kept for the life of the process; a file that
    was written again is read again.

    Raises `InputError` for an unknown name, `InputTypeError` for what cannot count, and
    `VocabularyError` if the file at `vocabulary` is not the published one, or a tokenizer file
    cannot be read.

    >>> resolve("gpt-4o").count("Hello world")
    2
    >>> resolve(len).count("four")
    4
    >>> resolve("claude-sonnet-4").exact
    False
    """
    if isinstance(counter, (str, os.PathLike)):
        known = _resolved.get(counter) if isinstance(counter, str) else None
        if known is not None and vocabulary is None:
            return known
        found = None if _is_name(counter) else _at_path(counter)
        return _resolve_name(str(counter), vocabulary) if found is None else found
    if isinstance(counter, Made):
        return counter
    if isinstance(counter, (bytes, bytearray, list, tuple, dict, set)) or counter is None:
        raise _no_counter(counter)  # a list has a `count`, but not of tokens
    name = getattr(counter, "name", None)
    encode = getattr(counter, "encode_ordinary", None)
    if callable(encode):
        registry = sys.modules.get("tiktoken.registry")
        if name in _MODELS and getattr(registry, "ENCODINGS", {}).get(name) is counter:
            return _resolve_name(str(name), vocabulary)
        return from_encoding(str(name or "encoding"), cast("Any", encode))
    if not isinstance(name, str):
        name = str(getattr(counter, "__name__", type(counter).__name__))
    exact = bool(getattr(counter, "exact", True))
    many = getattr(counter, "count_many", None)
    if callable(many):
        return Foreign(name, cast("Any", many), exact=exact)
    one = getattr(counter, "count", None)
    one = one if callable(one) else counter
    if not callable(one):
        raise _no_counter(counter)
    return Foreign(name, lambda texts: [one(text) for text in texts], exact=exact)


def counter(
    model: object = "o200k_base",
    *,
    pattern: str | None = None,
    vocabulary: str | Path | None = None,
    calibration: object = None,
) -> Counter:
    """Return a counter of tokens: of a model, an encoding, a tokenizer's file, or your own.

    `model` is what `resolve` takes, as is `counter=` of every function: also the path of a
    tokenizer file or of a folder that has one (tokenizer.json, tekken.json, a .tiktoken file, a
    SentencePiece .model). What a file is, its content says. A str is a path if it is written as one
    ("./llama", "/models/llama"), ends with .json, .tiktoken or .model, or has a slash and exists;
    "llama" is a name. The name of a public model ("Qwen/Qwen3-8B", "qwen3-8b") is counted exactly
    if its file is in a cache of the Hugging Face hub, of transformers or of litellm on this
    machine; where it is not, or no vocabulary is public (Claude, Gemini), by an estimate.

    An estimate is your own: `observe` changes what this object counts and nothing else, and
    `calibration` (a dict, or the path of a JSON file with it) starts it with what another one has
    learned. `pattern` is for .tiktoken files that are not known: the regular expression that cuts
    texts. `vocabulary` is as for `resolve`.

    Raises what `resolve` and `read_tokenizer` do, and `InputError` for a calibration of an exact
    counter.

    >>> counter("gpt-4o").exact, counter("claude-sonnet-4-5").exact
    (True, False)
    >>> counter("gpt-4o").count("Hello world")
    2
    """
    if pattern is None:
        found = resolve(model, vocabulary=vocabulary)
    else:
        found = _with_pattern(model, pattern)
    if calibration is None and (found.exact or not isinstance(model, str)):
        return found
    from ctxmem.tokens.estimates import Estimate

    if not isinstance(found, Estimate):
        if calibration is None:
            return found
        raise InputError(f"{found.name} is not estimated; a calibration changes estimates only")
    return Estimate(found.name, calibration=calibration) if isinstance(model, str) else found


# What paths, public models and estimates need is imported where such a name is met: it costs as
# much time as the first count by a vocabulary of the package.


def _is_name(counter: object) -> bool:
    """Return whether a str cannot be a path; `tokenizer_files.path_of` looks at all others."""
    return (
        isinstance(counter, str)
        and "/" not in counter
        and os.sep not in counter
        and not counter.startswith("~")
        and not counter.endswith((".json", ".tiktoken", ".model"))
    )


def _at_path(counter: object) -> Counter | None:
    from ctxmem.tokens.tokenizer_files import path_of, read_path

    path = path_of(counter)
    return None if path is None else read_path(path)


def _with_pattern(model: object, pattern: str) -> Counter:
    from ctxmem.tokens.tokenizer_files import path_of, read_tokenizer

    path = path_of(model)
    if path is None:
        raise InputError(f"pattern is for the path of a .tiktoken file, not for {quoted(model)}")
    return read_tokenizer(path, pattern=pattern)


def tokenizer_path(model: str) -> Path | None:
    """Return the file by which `resolve(model)` counts, None if it estimates or has no file.

    Raises what `resolve` does.
    """
    found = resolve(model)
    if not found.exact:
        return None
    if found.name in PACKED:
        return packed_path(found.name)
    from ctxmem.tokens import caches
    from ctxmem.tokens.tokenizer_files import path_of

    return path_of(model) or caches.find(model) or caches.litellm_file(model)


def _no_counter(counter: object) -> InputTypeError:
    return InputTypeError(
        f"{quoted(counter)} cannot count tokens; give the name of an encoding or a model, the "
        "path of a tokenizer file, a function from str to int, or an object with count(text) or "
        "count_many(texts)"
    )


def _resolve_name(name: str, vocabulary: str | Path | None) -> Counter:
    known = _resolved.get(name)
    if known is not None and vocabulary is None:
        return known
    with _lock:
        known = _resolved.get(name)
        if known is None or vocabulary is not None:
            known = _make_named(name, vocabulary)
            _resolved[name] = known
        return known


def _make_named(name: str, vocabulary: str | Path | None) -> Counter:
    if name in PACKED:
        return _packed(name, vocabulary)
    encoding = _encoding_of(name)
    if encoding is not None:
        return _resolve_name(encoding, vocabulary)
    from ctxmem.tokens import models

    found = models.find(name, vocabulary)
    if found is None:
        raise models.unknown(name, [beginning for of in _MODELS.values() for beginning in of])
    return _resolve_name(found, vocabulary) if isinstance(found, str) else found


def _encoding_of(name: str) -> str | None:
    """Return the encoding of a model of OpenAI, None for other names."""
    model = name.lower().removeprefix("ft:").rsplit("/", 1)[-1]
    for encoding, models in _MODELS.items():
        if any(_begins(model, beginning) for beginning in models):
            return encoding
    return None


def _packed(name: str, vocabulary: str | Path | None) -> Counter:
    """Return the counter of a vocabulary of the package."""
    try:
        return Native(name, _native.Tokenizer(_packed_bytes(name, vocabulary), name))
    except (OSError, ValueError) as error:
        path = packed_path(name)
        raise VocabularyError(
            f"the vocabulary of {name} in the package cannot be read: {error}; install ctxmem "
            "again",
            tried=[str(path)],
        ) from error


def _packed_bytes(name: str, vocabulary: str | Path | None) -> bytes:
    if vocabulary is None:
        return packed_path(name).read_bytes()
    from ctxmem.tokens.files import vocabulary_bytes

    return vocabulary_bytes(name, vocabulary) or b""


def _begins(model: str, beginning: str) -> bool:
    return re.match(re.escape(beginning) + r"(?![^-.:@])", model) is not None


def fetch_vocabulary(name: str) -> VocabularyFile:
    """Fetch a vocabulary from where its publisher keeps it, into our cache directory.

    Takes ten seconds at most. Counters resolved later use it. What is in the package is not
    fetched.

    Raises `InputError` for a name that is not among `vocabularies()`, and `VocabularyError` if it
    cannot be fetched, is not the published file or cannot be stored.
    """
    from ctxmem.tokens.files import fetch

    found = fetch(name)
    with _lock:  # estimates of other names stay, with what they have learned
        for known, counter in list(_resolved.items()):
            if counter.name == f"{found.name} (estimated)":
                del _resolved[known]
    return found
