"""Vocabularies that OpenAI publishes: those of the package, where others are, how one is fetched.

Modules that only a search or a fetch needs are imported there: they would double the time to the
first count.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ctxmem.errors import InputError, VocabularyError
from ctxmem.tokens.packed import PACKED, packed_path, published_lines

_CONNECT_SECONDS = 3.0
_FETCH_SECONDS = 10.0
_LARGEST_FILE = 16 << 20


@dataclass(frozen=True, slots=True)
class Published:
    """A vocabulary file that OpenAI publishes."""

    url: str
    sha256: str
    pattern: str = ""  # of those in the package: the native core knows it

    @property
    def cache_name(self) -> str:
        """Return the file's name in tiktoken's cache and in its copies."""
        import hashlib

        return hashlib.sha1(self.url.encode(), usedforsecurity=False).hexdigest()


_BLOB = "https://openaipublic.blob.core.windows.net/encodings/"
# GPT-2's pattern, as Radford et al. (2019) published it.
_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PUBLISHED = {
    "o200k_base": Published(
        _BLOB + "o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
    "cl100k_base": Published(
        _BLOB + "cl100k_base.tiktoken",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "p50k_base": Published(
        _BLOB + "p50k_base.tiktoken",
        "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
        _GPT2,
    ),
    "r50k_base": Published(
        _BLOB + "r50k_base.tiktoken",
        "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
        _GPT2,
    ),
}
# Encodings that differ from another in special tokens only, which are not counted as such.
SAME_ORDINARY = {"o200k_harmony": "o200k_base", "p50k_edit": "p50k_base", "gpt2": "r50k_base"}

_failed: set[str] = set()  # names that could not be fetched: not tried again in this process


@dataclass(frozen=True, slots=True)
class VocabularyFile:
    """A vocabulary and where it was found; `path` is None if it is nowhere on this machine.

    `sha256_ok` says that the file is the published one, or for a vocabulary of the package that the
    published file can be rebuilt from it.
    """

    name: str
    path: Path | None
    place: str  # what led to the path
    size: int  # bytes
    sha256_ok: bool


def vocabularies() -> list[VocabularyFile]:
    """List the vocabularies that ctxmem knows, each with every file found for it.

    o200k_base and cl100k_base are in the package. Of the others, the first file of a name with
    `sha256_ok` is the one that is used; a name without any file has one entry with `path` None.
    Nothing is fetched. Takes about half a second.
    """
    found = []
    for name in PUBLISHED:
        if name in PACKED:
            found.append(_in_package(name))
            continue
        of_name = []
        for place, path in places(name):
            data = _read(path)
            if data is not None:
                of_name.append(VocabularyFile(name, path, place, len(data), _is(name, data)))
        found += of_name or [VocabularyFile(name, None, "not found", 0, False)]
    return found


def _in_package(name: str) -> VocabularyFile:
    path = packed_path(name)
    data = _read(path) or b""
    try:
        good = _is(name, published_lines(data))
    except (ValueError, IndexError):
        good = False
    return VocabularyFile(name, path, "in the package", len(data), good)


def _is(name: str, data: bytes) -> bool:
    """Return whether these are the bytes of the published file."""
    import hashlib

    return hashlib.sha256(data).hexdigest() == PUBLISHED[name].sha256


def fetch(name: str) -> VocabularyFile:
    """Fetch a vocabulary into our cache directory, unless it is in the package.

    Raises what `ctxmem.tokens.fetch_vocabulary` does.
    """
    name = SAME_ORDINARY.get(name, name)
    if name not in PUBLISHED:
        raise InputError(f"no vocabulary is called {name!r}; known: {', '.join(PUBLISHED)}")
    if name in PACKED:
        return _in_package(name)
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
    _failed.discard(name)
    return VocabularyFile(name, path, "our cache", len(data), True)


def vocabulary_bytes(name: str, explicit: str | Path | None = None) -> bytes | None:
    """Return the bytes of a vocabulary, or None if they cannot be had.

    An explicit file must be the published one. Otherwise they are those of the package, or of the
    published file in the first place that has it, fetched if need be.
    """
    if explicit is not None:
        return _explicit_bytes(name, Path(explicit))
    if name in PACKED:
        return packed_path(name).read_bytes()
    for _, path in places(name):
        data = _read(path)
        if data is not None and _is(name, data):
            return data
    if name in _failed or os.environ.get("CTXMEM_OFFLINE", "") not in ("", "0"):
        return None
    try:
        data = _fetch(name)
    except VocabularyError:
        _failed.add(name)
        return None
    with contextlib.suppress(OSError):  # a read-only home is no reason not to count
        _store(_cache_directory() / f"{name}.tiktoken", data)
    return data


def _explicit_bytes(name: str, path: Path) -> bytes:
    data = _read(path)
    if data is None:
        raise VocabularyError(f"{path} cannot be read", tried=[str(path)])
    if not _is(name, data):
        raise VocabularyError(
            f"{path} is not the published {name}.tiktoken: its SHA-256 differs; fetch it "
            f"from {PUBLISHED[name].url}",
            tried=[str(path)],
        )
    return data


def places(name: str) -> Iterator[tuple[str, Path]]:
    """Yield where the file of a vocabulary may lie, in the order they are tried."""
    import importlib.util
    import tempfile

    cache_name = PUBLISHED[name].cache_name
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
    # The spec of a top-level package is found without importing it; a submodule's is not.
    try:
        spec = importlib.util.find_spec("litellm")
    except (ImportError, ValueError):
        spec = None
    for root in (spec and spec.submodule_search_locations) or ():
        yield "installed litellm", Path(root) / "litellm_core_utils/tokenizers" / cache_name
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
    import tempfile

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
    import threading

    published = PUBLISHED[name]
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
    if not _is(name, result):
        raise VocabularyError(
            f"what {published.url} sent is not the published {name}: its SHA-256 differs",
            tried=[published.url],
        )
    return result


def _download(url: str) -> bytes:
    import time
    from urllib.request import urlopen

    deadline = time.monotonic() + _FETCH_SECONDS
    data = bytearray()
    with urlopen(url, timeout=_CONNECT_SECONDS) as answer:
        while part := answer.read(1 << 18):
            data += part
            if time.monotonic() > deadline or len(data) > _LARGEST_FILE:
                raise TimeoutError(f"gave up after {len(data)} bytes")
    return bytes(data)
