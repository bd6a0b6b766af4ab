"""What users call a counter: names of encodings and models, functions, objects."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ctxmem import _native
from ctxmem.errors import CtxmemWarning, InputError, InputTypeError, VocabularyError
from ctxmem.forking import ForkSafeLock
from ctxmem.tokens import caches
from ctxmem.tokens.counters import Foreign, Native, from_encoding, told
from ctxmem.tokens.estimates import Estimate, model_part
from ctxmem.tokens.files import (
    PUBLISHED,
    SAME_ORDINARY,
    VocabularyFile,
    fetch,
    places,
    vocabulary_bytes,
)
from ctxmem.tokens.packed import PACKED, packed_path
from ctxmem.tokens.tokenizer_files import byte_pairs, read_tokenizer

if TYPE_CHECKING:
    from ctxmem.protocols import Counter

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
# Families whose tokenizers are not public, or not byte pairs we carry.
_ESTIMATED = (
    *("claude", "gemini", "gemma", "llama", "meta-llama", "mistral", "mixtral", "ministral"),
    *("codestral", "qwen", "deepseek", "command", "grok", "nova", "titan", "phi", "glm", "kimi"),
    *("jamba", "granite"),
)

_SUFFIXES = (".json", ".tiktoken", ".model")  # a str that ends so is a path, never a name

_SHOWN = 100  # characters of a name in an error

_lock = ForkSafeLock()
_resolved: dict[str, Counter] = {}
_read: dict[str, tuple[tuple[int, int], Counter]] = {}  # by path, with when it was written
_warned = False


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
        path = _path_of(counter)
        return _resolve_name(str(counter), vocabulary) if path is None else _read_path(path)
    if isinstance(counter, (Native, Estimate, Foreign)):
        return counter
    if isinstance(counter, (bytes, bytearray, list, tuple, dict, set)) or counter is None:
        raise _no_counter(counter)  # a list has a `count`, but not of tokens
    name = getattr(counter, "name", None)
    encode = getattr(counter, "encode_ordinary", None)
    if callable(encode):
        registry = sys.modules.get("tiktoken.registry")
        if name in _MODELS and getattr(registry, "ENCODINGS", {}).get(name) is counter:
            return _resolve_name(str(name), vocabulary)
        return from_encoding(str(name or "encoding"), encode)
    if not isinstance(name, str):
        name = str(getattr(counter, "__name__", type(counter).__name__))
    exact = bool(getattr(counter, "exact", True))
    many = getattr(counter, "count_many", None)
    if callable(many):
        return Foreign(name, many, exact=exact)
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
    path = _path_of(model)
    if pattern is None:
        found = resolve(model, vocabulary=vocabulary)
    elif path is not None:
        found = read_tokenizer(path, pattern=pattern)
    else:
        raise InputError(f"pattern is for the path of a .tiktoken file, not for {told(model)}")
    if calibration is not None and not isinstance(found, Estimate):
        raise InputError(f"{found.name} is not estimated; a calibration changes estimates only")
    if isinstance(found, Estimate) and isinstance(model, str):
        return Estimate(found.name, calibration=calibration)
    return found


def _path_of(model: object) -> Path | None:
    """Return the file that a path or a str means, None for what is a name or no path at all."""
    if not isinstance(model, (str, os.PathLike)):
        return None
    path = Path(os.path.expanduser(os.fsdecode(model)))  # a home that is not there stays "~name"
    if isinstance(model, str) and not model.endswith(_SUFFIXES) and not _written_as_path(model):
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


def _read_path(path: Path) -> Counter:
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


def tokenizer_path(model: str) -> Path | None:
    """Return the file by which `resolve(model)` counts, None if it estimates or has no file.

    Raises what `resolve` does.
    """
    found = resolve(model)
    if not found.exact:
        return None
    if found.name in PACKED:
        return packed_path(found.name)
    return _path_of(model) or caches.find(model) or caches.litellm_file(model)


def _no_counter(counter: object) -> InputTypeError:
    return InputTypeError(
        f"{told(counter)} cannot count tokens; give the name of an encoding or a model, the "
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
    """Return the counter of a name, made by the first way that knows it."""
    for way in (_plain_estimate, _encoding, _model, _cached, _estimated_family, _tiktoken_name):
        counter = way(name, vocabulary)
        if counter is not None:
            return counter
    raise _unknown(name)


def _unknown(name: str) -> InputError:
    import difflib

    beginnings = [beginning for of in _MODELS.values() for beginning in of]
    encodings = sorted({*PUBLISHED, *SAME_ORDINARY})
    names = [*beginnings, *_ESTIMATED, *encodings, "estimate"]
    near = difflib.get_close_matches(_bare(name[-_SHOWN:]).strip(), names, 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    name = name if len(name) <= _SHOWN else name[:_SHOWN] + "..."
    return InputError(
        f"no encoding, model or tokenizer file is called {name!r}{meant}. Give the path of its "
        "tokenizer file, such as tokenizer.json, or of the folder that has it; or a function from "
        f"str to int; or, to estimate it, ctxmem.tokens.Estimate({name!r}). Names that are known: "
        f"encodings {', '.join(encodings)}; models that begin with {', '.join(beginnings)}; for "
        f"estimates {', '.join(_ESTIMATED)}; 'estimate'; models in a cache of Hugging Face, which "
        "`ctxmem vocab` lists"
    )


def _plain_estimate(name: str, vocabulary: str | Path | None) -> Counter | None:
    return Estimate(name) if name == "estimate" else None


def _encoding(name: str, vocabulary: str | Path | None) -> Counter | None:
    """Return the counter of an encoding that OpenAI publishes."""
    if name in SAME_ORDINARY:
        return _resolve_name(SAME_ORDINARY[name], vocabulary)
    if name in PACKED:
        return _packed(name, vocabulary)
    return _published(name, vocabulary) if name in PUBLISHED else None


def _model(name: str, vocabulary: str | Path | None) -> Counter | None:
    """Return the counter of a model of OpenAI."""
    model = _bare(name)
    for encoding, models in _MODELS.items():
        if any(_begins(model, beginning) for beginning in models):
            return _resolve_name(encoding, vocabulary)
    return None


def _cached(name: str, vocabulary: str | Path | None) -> Counter | None:
    """Return the counter of a public model whose tokenizer file is in a cache on this machine."""
    path = caches.find(name) or caches.litellm_file(name)
    if path is None:
        return None
    try:
        return read_tokenizer(path, name)
    except (VocabularyError, InputError) as error:
        warnings.warn(
            f"the tokenizer of {name} in a cache cannot be used: {error}; its tokens are estimated",
            CtxmemWarning,
            stacklevel=2,
        )
        return Estimate(f"{name} (estimated)")


def _estimated_family(name: str, vocabulary: str | Path | None) -> Counter | None:
    """Return the estimate for a model whose tokenizer is not public, or not on this machine."""
    known = model_part(name).startswith(_ESTIMATED)
    return Estimate(f"{name} (estimated)") if known else None


def _tiktoken_name(name: str, vocabulary: str | Path | None) -> Counter | None:
    """Return the counter of what only tiktoken knows: older models, and encodings of plugins."""
    import tiktoken

    try:
        encoding = str(tiktoken.encoding_name_for_model(name))
    except KeyError:
        encoding = name
    if encoding in PUBLISHED or encoding in SAME_ORDINARY:
        return _resolve_name(encoding, vocabulary)
    if encoding not in tiktoken.list_encoding_names():
        return None
    return from_encoding(encoding, tiktoken.get_encoding(encoding).encode_ordinary)


def _packed(name: str, vocabulary: str | Path | None) -> Counter:
    """Return the counter of a vocabulary of the package."""
    try:
        return Native(name, _native.Tokenizer(vocabulary_bytes(name, vocabulary) or b"", name))
    except (OSError, ValueError) as error:
        path = packed_path(name)
        raise VocabularyError(
            f"the vocabulary of {name} in the package cannot be read: {error}; install ctxmem "
            "again",
            tried=[str(path)],
        ) from error


def _published(name: str, vocabulary: str | Path | None) -> Counter:
    """Return the counter of a vocabulary that is not in the package, estimated without its file."""
    data = vocabulary_bytes(name, vocabulary)
    if data is None:
        _warn_missing(name)
        return Estimate(f"{name} (estimated)")
    return byte_pairs(name, data, PUBLISHED[name].pattern)


def _bare(name: str) -> str:
    """Return the name of a model without its provider or the mark of a fine-tuned one."""
    return name.lower().removeprefix("ft:").rsplit("/", 1)[-1]


def _begins(model: str, beginning: str) -> bool:
    return re.match(re.escape(beginning) + r"(?![^-.:@])", model) is not None


def fetch_vocabulary(name: str) -> VocabularyFile:
    """Fetch a vocabulary from where its publisher keeps it, into our cache directory.

    Takes ten seconds at most. Counters resolved later use it. What is in the package is not
    fetched.

    Raises `InputError` for a name that is not among `vocabularies()`, and `VocabularyError` if it
    cannot be fetched, is not the published file or cannot be stored.
    """
    found = fetch(name)
    with _lock:  # estimates of other names stay, with what they have learned
        for known, counter in list(_resolved.items()):
            if counter.name == f"{found.name} (estimated)":
                del _resolved[known]
    return found


def _warn_missing(name: str) -> None:
    global _warned  # noqa: PLW0603
    if _warned:
        return
    _warned = True
    looked_at = ", ".join(dict.fromkeys(place for place, _ in places(name)))
    warnings.warn(
        f"the vocabulary of {name} is not on this machine (looked at {looked_at}) and was not "
        f"fetched, so tokens are estimated, on the safe side, and budgets are kept in estimates; "
        f"run 'ctxmem vocab --fetch {name}' or "
        f"set CTXMEM_VOCAB to a directory with {name}.tiktoken ({PUBLISHED[name].url})",
        CtxmemWarning,
        stacklevel=2,
    )
