"""What users call a counter: names of encodings and models, functions, objects."""

from __future__ import annotations

import base64
import re
import sys
import warnings
from pathlib import Path

from ctxmem.errors import CtxmemWarning, InputError, InputTypeError
from ctxmem.forking import ForkSafeLock
from ctxmem.protocols import Counter
from ctxmem.tokens.counters import (
    Foreign,
    Native,
    from_encoding,
    told,
)
from ctxmem.tokens.estimates import Estimate
from ctxmem.tokens.files import (
    PUBLISHED,
    SAME_ORDINARY,
    VocabularyFile,
    fetch,
    places,
    vocabulary_bytes,
)

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

_lock = ForkSafeLock()
_resolved: dict[str, Counter] = {}
_warned = False


def resolve(counter: object = "o200k_base", *, vocabulary: str | Path | None = None) -> Counter:
    """Return the `Counter` that a name, a function or an object stands for.

    A name is an encoding ("o200k_base"), a model ("gpt-4o-mini", "claude-sonnet-4"), or "estimate".
    Models whose tokenizer is not public get the calibrated estimate: `exact` is False. A function
    takes a text and returns its tokens; an object has `count`, `count_many` or, like a
    `tiktoken.Encoding`, `encode_ordinary`. Their answers are checked, and kept by content.

    `vocabulary` is the path of the encoding's .tiktoken file, for machines where it lies nowhere we
    look. Named counters are kept for the life of the process. Without any vocabulary the counter is
    the estimate, with one `CtxmemWarning`.

    Raises `InputError` for an unknown name, `InputTypeError` for what cannot count, and
    `VocabularyError` if the file at `vocabulary` is not the published one.

    >>> resolve(len).count("four")
    4
    >>> resolve("claude-sonnet-4").exact
    False
    """
    if isinstance(counter, str):
        return _resolve_name(counter, vocabulary)
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


def _no_counter(counter: object) -> InputTypeError:
    return InputTypeError(
        f"{told(counter)} cannot count tokens; give the name of an encoding or a model, a "
        "function from str to int, or an object with count(text) or count_many(texts)"
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
    if name == "estimate":
        return Estimate(name)
    encoding = _encoding_of(name)
    if encoding is None:
        return Estimate(f"{name} (estimated)")
    if encoding != name:
        return _resolve_name(encoding, vocabulary)
    if encoding not in PUBLISHED:
        import tiktoken

        return from_encoding(encoding, tiktoken.get_encoding(encoding).encode_ordinary)
    data = vocabulary_bytes(encoding, vocabulary)
    if data is None:
        _warn_missing(encoding)
        return Estimate(f"{encoding} (estimated)")
    pattern = PUBLISHED[encoding].pattern
    if pattern is None:
        return Native(encoding, data)
    import tiktoken

    pairs = (line.split() for line in data.splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    made = tiktoken.Encoding(encoding, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return from_encoding(encoding, made.encode_ordinary)


def _encoding_of(name: str) -> str | None:
    """Return the encoding that a name stands for, None if only an estimate is possible."""
    if name in PUBLISHED:
        return name
    if name in SAME_ORDINARY:
        return SAME_ORDINARY[name]
    model = name.lower().removeprefix("ft:").rsplit("/", 1)[-1]
    for encoding, models in _MODELS.items():
        if any(_begins(model, beginning) for beginning in models):
            return encoding
    if any(model.startswith(family) for family in _ESTIMATED):
        return None
    import tiktoken

    try:
        found = str(tiktoken.encoding_name_for_model(name))
    except KeyError:
        found = name
    found = SAME_ORDINARY.get(found, found)
    if found in PUBLISHED or found in tiktoken.list_encoding_names():
        return found
    beginnings = [beginning for of in _MODELS.values() for beginning in of]
    raise InputError(
        f"no encoding or model is called {name!r}; known are the encodings "
        f"{', '.join(sorted({*PUBLISHED, *SAME_ORDINARY}))}, models that begin with "
        f"{', '.join(beginnings)}, estimates for {', '.join(_ESTIMATED)}, and "
        "'estimate'; or give a function from str to int"
    )


def _begins(model: str, beginning: str) -> bool:
    return re.match(re.escape(beginning) + r"(?![^-.:@])", model) is not None


def fetch_vocabulary(name: str) -> VocabularyFile:
    """Fetch a vocabulary from where its publisher keeps it, into our cache directory.

    Takes ten seconds at most. Counters resolved later use it.

    Raises `InputError` for a name that is not among `vocabularies()`, and `VocabularyError` if it
    cannot be fetched, is not the published file or cannot be stored.
    """
    found = fetch(name)
    with _lock:
        for known, counter in list(_resolved.items()):
            if not counter.exact:
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
        f"run 'ctxmem vocab --fetch {name}', install llama-index-core, or "
        f"set CTXMEM_VOCAB to a directory with {name}.tiktoken ({PUBLISHED[name].url})",
        CtxmemWarning,
        stacklevel=2,
    )
