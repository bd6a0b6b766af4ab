"""Counters of names that are not OpenAI's: older encodings, public models, estimates.

In a module of its own, because what it imports costs as much time as the first count by a
vocabulary of the package.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctxmem.errors import CtxmemWarning, InputError, VocabularyError
from ctxmem.tokens import caches
from ctxmem.tokens.counters import from_encoding
from ctxmem.tokens.estimates import Estimate, model_part
from ctxmem.tokens.files import PUBLISHED, SAME_ORDINARY, places, vocabulary_bytes
from ctxmem.tokens.tokenizer_files import byte_pairs, read_tokenizer

if TYPE_CHECKING:
    from ctxmem.protocols import Counter

# Families whose tokenizers are not public, or not byte pairs we carry.
_ESTIMATED = (
    *("claude", "gemini", "gemma", "llama", "meta-llama", "mistral", "mixtral", "ministral"),
    *("codestral", "qwen", "deepseek", "command", "grok", "nova", "titan", "phi", "glm", "kimi"),
    *("jamba", "granite"),
)

_SHOWN = 100  # characters of a name in an error

_warned = False


def find(name: str, vocabulary: str | Path | None) -> Counter | str | None:
    """Return the counter of a name, another name of the same encoding, or None if it is unknown.

    `vocabulary` is the path of the .tiktoken file of an encoding that OpenAI publishes.

    Raises `VocabularyError` if that file is not the published one.
    """
    if name == "estimate":
        return Estimate(name)
    if name in SAME_ORDINARY:
        return SAME_ORDINARY[name]
    if name in PUBLISHED:
        return _published(name, vocabulary)
    return _cached(name) or _estimated_family(name) or _tiktoken_name(name)


def _published(name: str, vocabulary: str | Path | None) -> Counter:
    """Return the counter of a vocabulary that is not in the package, estimated without its file."""
    data = vocabulary_bytes(name, vocabulary)
    if data is None:
        _warn_missing(name)
        return Estimate(f"{name} (estimated)")
    return byte_pairs(name, data, PUBLISHED[name].pattern)


def _cached(name: str) -> Counter | None:
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


def _estimated_family(name: str) -> Counter | None:
    """Return the estimate for a model whose tokenizer is not public, or not on this machine."""
    known = model_part(name).startswith(_ESTIMATED)
    return Estimate(f"{name} (estimated)") if known else None


def _tiktoken_name(name: str) -> Counter | str | None:
    """Return the counter of what only tiktoken knows: older models, and encodings of plugins."""
    import tiktoken

    try:
        encoding = str(tiktoken.encoding_name_for_model(name))
    except KeyError:
        encoding = name
    if encoding in PUBLISHED or encoding in SAME_ORDINARY:
        return encoding
    if encoding not in tiktoken.list_encoding_names():
        return None
    return from_encoding(encoding, tiktoken.get_encoding(encoding).encode_ordinary)


def unknown(name: str, beginnings: Sequence[str]) -> InputError:
    """Return the error for a name that nothing is known of.

    `beginnings` are those of the names of OpenAI's models.
    """
    encodings = sorted({*PUBLISHED, *SAME_ORDINARY})
    names = [*beginnings, *_ESTIMATED, *encodings, "estimate"]
    near = difflib.get_close_matches(model_part(name[-_SHOWN:]).strip(), names, 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    name = name if len(name) <= _SHOWN else name[:_SHOWN] + "..."
    return InputError(
        f"no encoding, model or tokenizer file is called {name!r}{meant}. Give an encoding "
        f"({', '.join(encodings)}), a model of OpenAI such as {beginnings[0]}, the path of a "
        f"tokenizer file, or a function from str to int. To estimate it, give "
        f"ctxmem.tokens.Estimate({name!r}) or 'estimate'; `ctxmem vocab` lists the files here"
    )


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
