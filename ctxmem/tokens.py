"""Count tokens: exactly where a vocabulary is at hand, by a calibrated estimate where it is not.

`resolve` turns what a user says (an encoding, a model, a function, an object) into a `Counter`;
`count_tokens` and `count_spans` count with it. cl100k_base and o200k_base are counted natively:
exact, without token ids, several times faster than tiktoken (bench/tokens.py), which stays the
reference in the tests. Text is always counted as ordinary text: `<|endoftext|>` in a document is
seven tokens, never a control token and never an error.

A vocabulary is looked for on this machine first, fetched at most once, within ten seconds and only
if `CTXMEM_OFFLINE` is not set; its SHA-256 is always checked. Nothing here runs at import.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import operator
import os
import re
import secrets
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import xxhash
from numpy.typing import ArrayLike, NDArray

from ctxmem import _native, _pages
from ctxmem.errors import CtxmemWarning, InputError, InputTypeError, VocabularyError
from ctxmem.schema import Candidates, Counter

ESTIMATE_MARGIN = 1.3
"""What the calibrated estimate is multiplied by, so that few texts are counted too low.

Before the margin, the estimate of a chunk of 800 characters is 8 % off on average for o200k_base
and 7 % for cl100k_base (5 % for English, 6 to 7 % for source code; held-out halves of 46 corpora,
38 of them in languages other than English). After it, 0.9 % and 0.7 % of the chunks are still
counted too low: those of languages that the table hardly saw, and rare Han. Nothing is measured of
tokenizers that are not public.
"""

_CACHED_TEXTS = 1 << 14  # counts kept for a counter that is not native
_CACHED_FROM = 64  # characters; shorter texts are rarely worth a place in the cache
_CONNECT_SECONDS = 3.0
_FETCH_SECONDS = 10.0
_LARGEST_FILE = 16 << 20


# Counters -----------------------------------------------------------------------------------------


class _Native:
    """cl100k_base or o200k_base, counted by the native core."""

    exact = True
    additive = True

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self._bpe = _native.Bpe(data, name)

    def count(self, text: str) -> int:
        return self._bpe.count(text)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        counts: list[int] = self._bpe.count_many(_as_list(texts)).tolist()
        return counts

    def count_spans(self, text: str, spans: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._bpe.count_spans(text, spans)


class _Estimate:
    """The calibrated estimate with its margin: too low for about one chunk in a hundred."""

    exact = False
    additive = False

    def __init__(self, name: str, like: str) -> None:
        self.name = name
        self._like = like  # the encoding whose pieces and table are used

    def count(self, text: str) -> int:
        return self.count_many([text])[0]

    def count_many(self, texts: Sequence[str]) -> list[int]:
        counts = _native.estimate_many(_as_list(texts), self._like, ESTIMATE_MARGIN)
        result: list[int] = counts.tolist()
        return result


class _Foreign:
    """A counter that is not ours: its answers are checked, and kept by content.

    The key is a 128-bit hash seeded per process, so that no text can be made to take another's
    count. The table is not safe for several threads, so the lock guards it; it is not held while
    the counter counts.
    """

    additive = False

    def __init__(
        self, name: str, count_many: Callable[[list[str]], Sequence[Any]], *, exact: bool = True
    ) -> None:
        self.name = name
        self.exact = exact
        self._count_many = count_many
        self._seed = secrets.randbits(64)
        self._lock = threading.Lock()
        self._table = _pages.CountTable(_CACHED_TEXTS)

    def count(self, text: str) -> int:
        return self.count_many([text])[0]

    def count_many(self, texts: Sequence[str]) -> list[int]:
        texts = _as_list(texts)
        keys = [self._key(text) for text in texts]
        with self._lock:
            counts = [-1 if key is None else self._table.get(key) for key in keys]
        missing = [i for i, count in enumerate(counts) if count < 0]
        if not missing:
            return counts
        answers = self._count_many([texts[i] for i in missing])
        try:
            size = len(answers)
        except TypeError:
            raise InputTypeError(
                f"counter {self.name!r} returned {answers!r} from count_many; "
                "return a sequence with one int for each text"
            ) from None
        if size != len(missing):
            raise InputError(
                f"counter {self.name!r} returned {size} counts for {len(missing)} texts; "
                "return one for each, in the same order"
            )
        checked = [self._checked(answer) for answer in answers]
        with self._lock:
            for i, count in zip(missing, checked, strict=True):
                counts[i] = count
                key = keys[i]
                if key is not None:
                    self._table.put(key, count)
        return counts

    def _key(self, text: str) -> bytes | None:
        if len(text) < _CACHED_FROM:
            return None
        return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"), self._seed)

    def _checked(self, answer: object) -> int:
        wrong = f"counter {self.name!r} returned {answer!r} for a text; a count is an int >= 0"
        if isinstance(answer, (bool, np.bool_)):
            raise InputTypeError(wrong)
        try:
            count = operator.index(answer)  # type: ignore[arg-type]
        except TypeError:
            raise InputTypeError(wrong) from None
        if count < 0 or count >= 1 << 62:
            raise InputError(wrong)
        return count


def _as_list(texts: Sequence[str]) -> list[str]:
    return texts if isinstance(texts, list) else list(texts)


# Names --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Published:
    """A vocabulary file that OpenAI publishes."""

    url: str
    sha256: str
    pattern: str | None = None  # None: the native core knows it

    @property
    def cache_name(self) -> str:
        """Return the file's name in tiktoken's cache and in its copies."""
        return hashlib.sha1(self.url.encode(), usedforsecurity=False).hexdigest()


_BLOB = "https://openaipublic.blob.core.windows.net/encodings/"
# GPT-2's pattern, as Radford et al. (2019) published it.
_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_PUBLISHED = {
    "o200k_base": _Published(
        _BLOB + "o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
    "cl100k_base": _Published(
        _BLOB + "cl100k_base.tiktoken",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "p50k_base": _Published(
        _BLOB + "p50k_base.tiktoken",
        "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
        _GPT2,
    ),
    "r50k_base": _Published(
        _BLOB + "r50k_base.tiktoken",
        "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
        _GPT2,
    ),
}
# Encodings that differ from another in special tokens only, which are not counted as such.
_SAME_ORDINARY = {"o200k_harmony": "o200k_base", "p50k_edit": "p50k_base", "gpt2": "r50k_base"}

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

_resolve_lock = threading.RLock()
_resolved: dict[str, Counter] = {}
_fetch_failed: set[str] = set()
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
    if isinstance(counter, (_Native, _Estimate, _Foreign)):
        return counter
    if isinstance(counter, (bytes, bytearray, list, tuple, dict, set)) or counter is None:
        raise _no_counter(counter)  # a list has a `count`, but not of tokens
    name = getattr(counter, "name", None)
    encode = getattr(counter, "encode_ordinary", None)
    if callable(encode):
        registry = sys.modules.get("tiktoken.registry")
        if name in _MODELS and getattr(registry, "ENCODINGS", {}).get(name) is counter:
            return _resolve_name(str(name), vocabulary)
        return _from_encoding(str(name or "encoding"), encode)
    if not isinstance(name, str):
        name = str(getattr(counter, "__name__", type(counter).__name__))
    exact = bool(getattr(counter, "exact", True))
    many = getattr(counter, "count_many", None)
    if callable(many):
        return _Foreign(name, many, exact=exact)
    one = getattr(counter, "count", None)
    one = one if callable(one) else counter
    if not callable(one):
        raise _no_counter(counter)
    return _Foreign(name, lambda texts: [one(text) for text in texts], exact=exact)


def _no_counter(counter: object) -> InputTypeError:
    return InputTypeError(
        f"{_told(counter)} cannot count tokens; give the name of an encoding or a model, a "
        "function from str to int, or an object with count(text) or count_many(texts)"
    )


def _resolve_name(name: str, vocabulary: str | Path | None) -> Counter:
    known = _resolved.get(name)
    if known is not None and vocabulary is None:
        return known
    with _resolve_lock:
        known = _resolved.get(name)
        if known is None or vocabulary is not None:
            known = _make_named(name, vocabulary)
            _resolved[name] = known
        return known


def _make_named(name: str, vocabulary: str | Path | None) -> Counter:
    if name == "estimate":
        return _Estimate(name, "o200k_base")
    encoding = _encoding_of(name)
    if encoding is None:
        # Their tokenizers are smaller than o200k, so the table of cl100k is the safer one.
        return _Estimate(f"{name} (estimated)", "cl100k_base")
    if encoding != name:
        return _resolve_name(encoding, vocabulary)
    if encoding not in _PUBLISHED:
        import tiktoken

        return _from_encoding(encoding, tiktoken.get_encoding(encoding).encode_ordinary)
    data = _vocabulary_bytes(encoding, vocabulary)
    if data is None:
        _warn_missing(encoding)
        like = encoding if encoding in _MODELS else "cl100k_base"
        return _Estimate(f"{encoding} (estimated)", like)
    pattern = _PUBLISHED[encoding].pattern
    if pattern is None:
        return _Native(encoding, data)
    import tiktoken

    pairs = (line.split() for line in data.splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    made = tiktoken.Encoding(encoding, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return _from_encoding(encoding, made.encode_ordinary)


def _encoding_of(name: str) -> str | None:
    """Return the encoding that a name stands for, None if only an estimate is possible."""
    if name in _PUBLISHED:
        return name
    if name in _SAME_ORDINARY:
        return _SAME_ORDINARY[name]
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
    found = _SAME_ORDINARY.get(found, found)
    if found in _PUBLISHED or found in tiktoken.list_encoding_names():
        return found
    beginnings = [beginning for of in _MODELS.values() for beginning in of]
    raise InputError(
        f"no encoding or model is called {name!r}; known are the encodings "
        f"{', '.join(sorted({*_PUBLISHED, *_SAME_ORDINARY}))}, models that begin with "
        f"{', '.join(beginnings)}, estimates for {', '.join(_ESTIMATED)}, and "
        "'estimate'; or give a function from str to int"
    )


def _begins(model: str, beginning: str) -> bool:
    return re.match(re.escape(beginning) + r"(?![^-.:@])", model) is not None


def _from_encoding(name: str, encode: Callable[[str], Sequence[int]]) -> Counter:
    def count_many(texts: list[str]) -> list[int]:
        return [_count_encoded(name, encode, text) for text in texts]

    return _Foreign(name, count_many)


def _count_encoded(name: str, encode: Callable[[str], Sequence[int]], text: str) -> int:
    try:
        return len(encode(text))
    except BaseException as error:
        # tiktoken's engine panics on runs of about a million characters; pyo3 makes that a
        # BaseException of its own, which nobody who catches Exception would expect.
        if type(error).__name__ != "PanicException":
            raise
        raise InputError(
            f"{name} cannot encode this text of {len(text)} characters: {error}; "
            "shorten its longest run of whitespace or letters, or count it in parts"
        ) from None


# Counting -----------------------------------------------------------------------------------------


@overload
def count_tokens(text: str, counter: object = ...) -> int: ...
@overload
def count_tokens(text: list[str] | tuple[str, ...], counter: object = ...) -> list[int]: ...
def count_tokens(
    text: str | list[str] | tuple[str, ...], counter: object = "o200k_base"
) -> int | list[int]:
    """Count the tokens of a text, or of each text of a list.

    A str gives an int; a list or a tuple of str gives a list of int. Equal to the length of
    tiktoken's `encode_ordinary(text)`; lone surrogates count as U+FFFD, as they do there.

    Raises `InputTypeError` for anything else, and what `resolve` raises for the counter.

    >>> count_tokens(["one", "one two"], counter=lambda text: len(text.split()))
    [1, 2]
    """
    if isinstance(text, str):
        return resolve(counter).count(text)
    if isinstance(text, (list, tuple)):
        for i, one in enumerate(text):
            if not isinstance(one, str):
                raise InputTypeError(
                    f"item {i} is {_told(one)}; count_tokens takes a str or a list of str"
                )
        return list(resolve(counter).count_many(list(text)))
    raise InputTypeError(
        f"text is {_told(text)}; count_tokens takes a str or a list of str "
        "(of a message or a document, pass its content)"
    )


def _told(value: object) -> str:
    told = repr(value)
    return f"{told if len(told) <= 40 else told[:37] + '...'} ({type(value).__name__})"


def count_spans(counter: object, text: str, spans: ArrayLike) -> NDArray[np.int64]:
    """Count the tokens of text[start:end] for each row (start, end) of spans.

    Offsets are characters. The counts are exact wherever the counter is: a span is priced as the
    text it is, not as a share of the whole. Native counters price all spans from one pass over the
    text; others count every slice.

    Raises `InputError` unless spans is a (k, 2) array of integers with 0 <= start <= end <=
    len(text).

    >>> count_spans(len, "abcdef", [(0, 6), (2, 4)]).tolist()
    [6, 2]
    """
    if not isinstance(text, str):
        raise InputTypeError(f"text is {_told(text)}; count_spans takes one str")
    resolved = resolve(counter)
    rows = np.asarray(spans)
    if rows.size == 0:
        return np.zeros(0, dtype=np.int64)
    if rows.ndim != 2 or rows.shape[1] != 2 or rows.dtype.kind not in "iu":
        raise InputError(
            f"spans are of shape {rows.shape} and type {rows.dtype}; "
            "expected integers (start, end), one row for each span"
        )
    wrong = (rows[:, 0] < 0) | (rows[:, 0] > rows[:, 1]) | (rows[:, 1] > len(text))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"span {first} is ({rows[first, 0]}, {rows[first, 1]}); "
            f"expected 0 <= start <= end <= {len(text)}"
        )
    rows = rows.astype(np.int64, copy=False)
    if isinstance(resolved, _Native):
        return resolved.count_spans(text, rows)
    slices = [text[start:end] for start, end in rows.tolist()]
    return np.asarray(resolved.count_many(slices), dtype=np.int64)


# The room -----------------------------------------------------------------------------------------


def price(table: Candidates, counter: Counter, separator: str, headers: Sequence[str]) -> None:
    """Add `tokens` and `overhead`: what each text costs inside a window.

    A row costs what its block counts: header, text and separator together, so that blocks add up
    exactly where the separator ends in a newline.
    """
    rows = table.chunk.tolist()
    blocks = [headers[i] + text + separator for i, text in zip(rows, table.texts, strict=True)]
    table.tokens = np.asarray(counter.count_many(blocks), dtype=np.int64)
    frames = {header: counter.count(header + separator) for header in set(headers)}
    table.overhead = np.array([frames[header] for header in headers], dtype=np.int64)


def price_segments(table: Candidates, counter: Counter) -> None:
    """Add `segment_tokens`: what each segment adds to a block that those before it stand in.

    That is exact within a token or so; what is rendered is counted once more.
    """
    # A line break is paid for where it stands; a space belongs to the word that comes next.
    priced = [
        text + "\n" if broken else text
        for text, broken in zip(table.segment_texts, table.segment_broken.tolist(), strict=True)
    ]
    table.segment_tokens = np.asarray(counter.count_many(priced), dtype=np.int64)


# Vocabularies -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VocabularyFile:
    """A vocabulary and where it was found; `path` is None if it is nowhere on this machine."""

    name: str
    path: Path | None
    place: str  # what led to the path
    size: int  # bytes
    sha256_ok: bool


def vocabularies() -> list[VocabularyFile]:
    """List the vocabularies that ctxmem knows, each with every file found for it.

    The first file of a name with `sha256_ok` is the one that is used; a name without any file has
    one entry with `path` None. Nothing is fetched.
    """
    found = []
    for name, published in _PUBLISHED.items():
        of_name = []
        for place, path in _places(name):
            data = _read(path)
            if data is not None:
                good = hashlib.sha256(data).hexdigest() == published.sha256
                of_name.append(VocabularyFile(name, path, place, len(data), good))
        found += of_name or [VocabularyFile(name, None, "not found", 0, False)]
    return found


def fetch_vocabulary(name: str) -> VocabularyFile:
    """Fetch a vocabulary from where its publisher keeps it, into our cache directory.

    Takes ten seconds at most. Counters resolved later use it.

    Raises `InputError` for a name that is not among `vocabularies()`, and `VocabularyError` if it
    cannot be fetched, is not the published file or cannot be stored.
    """
    name = _SAME_ORDINARY.get(name, name)
    if name not in _PUBLISHED:
        raise InputError(f"no vocabulary is called {name!r}; known: {', '.join(_PUBLISHED)}")
    path = _cache_directory() / f"{name}.tiktoken"
    data = _fetch(name)
    try:
        _store(path, data)
    except OSError as error:
        raise VocabularyError(
            f"{name} was fetched but cannot be stored: {error}; set XDG_CACHE_HOME to a directory "
            "that can be written to",
            tried=[str(path)],
        ) from error
    with _resolve_lock:
        _fetch_failed.discard(name)
        for known, counter in list(_resolved.items()):
            if not counter.exact:
                del _resolved[known]
    return VocabularyFile(name, path, "our cache", len(data), True)


def _vocabulary_bytes(name: str, explicit: str | Path | None) -> bytes | None:
    """Return the published file from the first place that has it, fetched if need be, or None."""
    sha256 = _PUBLISHED[name].sha256
    if explicit is not None:
        data = _read(Path(explicit))
        if data is None:
            raise VocabularyError(f"{explicit} cannot be read", tried=[str(explicit)])
        if hashlib.sha256(data).hexdigest() != sha256:
            raise VocabularyError(
                f"{explicit} is not the published {name}.tiktoken: its SHA-256 differs; fetch it "
                f"from {_PUBLISHED[name].url}",
                tried=[str(explicit)],
            )
        return data
    for _, path in _places(name):
        data = _read(path)
        if data is not None and hashlib.sha256(data).hexdigest() == sha256:
            return data
    if name in _fetch_failed or os.environ.get("CTXMEM_OFFLINE", "") not in ("", "0"):
        return None
    try:
        data = _fetch(name)
    except VocabularyError:
        _fetch_failed.add(name)
        return None
    with contextlib.suppress(OSError):  # a read-only home is no reason not to count
        _store(_cache_directory() / f"{name}.tiktoken", data)
    return data


def _places(name: str) -> Iterator[tuple[str, Path]]:
    """Yield where the file of a vocabulary may lie, in the order they are tried."""
    cache_name = _PUBLISHED[name].cache_name
    own = os.environ.get("CTXMEM_VOCAB")
    if own:
        path = Path(own).expanduser()
        if path.is_dir():
            yield "CTXMEM_VOCAB", path / f"{name}.tiktoken"
            yield "CTXMEM_VOCAB", path / cache_name
        else:
            yield "CTXMEM_VOCAB", path
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if os.environ.get(variable):
            yield variable, Path(os.environ[variable]) / cache_name
    for package, inside in (
        ("llama_index", "core/_static/tiktoken_cache"),
        ("litellm", "litellm_core_utils/tokenizers"),
    ):
        # The spec of a top-level package is found without importing it; a submodule's is not.
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            spec = None
        for root in (spec and spec.submodule_search_locations) or ():
            yield f"installed {package}", Path(root) / inside / cache_name
    yield "tiktoken's cache", Path(tempfile.gettempdir()) / "data-gym-cache" / cache_name
    yield "our cache", _cache_directory() / f"{name}.tiktoken"


def _cache_directory() -> Path:
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "ctxmem"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= _LARGEST_FILE else None
    except OSError:
        return None


def _store(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _fetch(name: str) -> bytes:
    """Return the published file from its address, checked, or raise VocabularyError."""
    published = _PUBLISHED[name]
    outcome: list[bytes | Exception] = []

    def download() -> None:
        try:
            outcome.append(_download(published.url))
        except Exception as error:
            outcome.append(error)

    # In a thread, because looking up a host name takes no time limit of its own.
    thread = threading.Thread(target=download, name="ctxmem-fetch", daemon=True)
    thread.start()
    thread.join(_FETCH_SECONDS)
    result = outcome[0] if outcome else TimeoutError(f"no answer in {_FETCH_SECONDS:.0f} s")
    if isinstance(result, Exception):
        raise VocabularyError(
            f"{name} cannot be fetched from {published.url}: {result}", tried=[published.url]
        ) from result
    if hashlib.sha256(result).hexdigest() != published.sha256:
        raise VocabularyError(
            f"what {published.url} sent is not the published {name}: its SHA-256 differs",
            tried=[published.url],
        )
    return result


def _download(url: str) -> bytes:
    from urllib.request import urlopen

    deadline = time.monotonic() + _FETCH_SECONDS
    data = bytearray()
    with urlopen(url, timeout=_CONNECT_SECONDS) as answer:
        while part := answer.read(1 << 18):
            data += part
            if time.monotonic() > deadline or len(data) > _LARGEST_FILE:
                raise TimeoutError(f"gave up after {len(data)} bytes")
    return bytes(data)


def _warn_missing(name: str) -> None:
    global _warned  # noqa: PLW0603
    if _warned:
        return
    _warned = True
    places = ", ".join(dict.fromkeys(place for place, _ in _places(name)))
    warnings.warn(
        f"the vocabulary of {name} is not on this machine (looked at {places}) and was not "
        f"fetched, so tokens are estimated, with a margin of x{ESTIMATE_MARGIN}, and budgets are "
        f"kept in estimates; run 'ctxmem vocab --fetch {name}', install llama-index-core, or "
        f"set CTXMEM_VOCAB to a directory with {name}.tiktoken ({_PUBLISHED[name].url})",
        CtxmemWarning,
        stacklevel=2,
    )
