"""Vocabularies of tokens: where they are found, fetched and checked."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import pytest
from cpp_build import ROOT
from installed_vocabularies import published

from ctxmem import _native, tokens
from ctxmem.errors import CtxmemWarning, InputError, VocabularyError
from ctxmem.tokens import files, names


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Forget what was resolved, and hide every vocabulary of this machine and the network."""
    monkeypatch.setattr(names, "_resolved", {})
    monkeypatch.setattr(files, "_failed", set())
    monkeypatch.setattr(names, "_warned", False)
    for variable in ("CTXMEM_VOCAB", "TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CTXMEM_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    def no_network(url: str) -> bytes:
        raise AssertionError(f"the network was asked for {url}")

    monkeypatch.setattr(files, "_download", no_network)
    return monkeypatch


def test_missing_vocabulary_is_estimated_with_one_warning(fresh: pytest.MonkeyPatch) -> None:
    with pytest.warns(CtxmemWarning, match=r"o200k_base is not on this machine.*CTXMEM_VOCAB"):
        counter = tokens.resolve("o200k_base")
    assert not counter.exact
    assert counter.count("Hello world") >= 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once a process, not once a name
        assert tokens.resolve("gpt-4o") is counter
        assert not tokens.resolve("cl100k_base").exact
        assert not tokens.resolve("r50k_base").exact


def test_failed_fetch_is_not_tried_again(fresh: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(url: str) -> bytes:
        asked.append(url)
        raise OSError("no route to host")

    fresh.setenv("CTXMEM_OFFLINE", "0")
    fresh.setattr(files, "_download", fail)
    with pytest.warns(CtxmemWarning):
        tokens.resolve("gpt-4o")
    tokens.resolve("gpt-4.1")
    tokens.resolve("o200k_base")
    assert len(asked) == 1


def test_fetch_that_hangs_is_given_up(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("CTXMEM_OFFLINE", "")
    fresh.setattr(files, "_FETCH_SECONDS", 0.05)
    hang, ended = threading.Event(), threading.Event()

    def download(url: str) -> bytes:
        hang.wait(60)
        ended.set()
        return b""

    fresh.setattr(files, "_download", download)
    with pytest.warns(CtxmemWarning):
        tokens.resolve("o200k_base")
    assert not ended.is_set()  # it was not waited for
    hang.set()


@pytest.fixture
def data() -> bytes:
    found = published("cl100k_base")
    assert found.path is not None
    return found.path.read_bytes()


def test_fetch_is_checked_stored_and_used(data: bytes, fresh: pytest.MonkeyPatch) -> None:
    fresh.setattr(files, "_download", lambda url: b"<html>captive portal</html>")
    with pytest.raises(VocabularyError, match="SHA-256 differs"):
        tokens.fetch_vocabulary("cl100k_base")
    with pytest.warns(CtxmemWarning):
        assert not tokens.resolve("gpt-4").exact
    fresh.setattr(files, "_download", lambda url: data)
    stored = tokens.fetch_vocabulary("cl100k_base")
    assert stored.path is not None and stored.path.read_bytes() == data
    assert [p.name for p in stored.path.parent.iterdir()] == ["cl100k_base.tiktoken"]
    assert tokens.resolve("gpt-4").exact  # the estimate made before is forgotten
    assert stored in tokens.vocabularies()


def test_unknown_vocabulary_cannot_be_fetched(fresh: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no vocabulary is called 'claude'"):
        tokens.fetch_vocabulary("claude")


def test_fetched_vocabulary_counts_even_if_it_cannot_be_stored(
    data: bytes, fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no directory")
    fresh.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    fresh.setenv("CTXMEM_OFFLINE", "0")
    fresh.setattr(files, "_download", lambda url: data)
    assert tokens.resolve("cl100k_base").exact
    with pytest.raises(VocabularyError, match="cannot be stored"):
        tokens.fetch_vocabulary("cl100k_base")


def test_damaged_file_is_never_used(data: bytes, fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = tmp_path / "own"
    cache.mkdir()
    damaged = cache / files.PUBLISHED["cl100k_base"].cache_name
    damaged.write_bytes(data[:-100])
    fresh.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    with pytest.warns(CtxmemWarning):
        assert not tokens.resolve("cl100k_base").exact
    listed = next(found for found in tokens.vocabularies() if found.path == damaged)
    assert ("TIKTOKEN_CACHE_DIR", False) == (listed.place, listed.sha256_ok)
    with pytest.raises(VocabularyError, match="is not the published cl100k_base"):
        tokens.resolve("cl100k_base", vocabulary=damaged)
    with pytest.raises(VocabularyError, match="cannot be read"):
        tokens.resolve("cl100k_base", vocabulary=tmp_path / "nowhere")


@pytest.mark.parametrize(
    "place", ["argument", "file", "directory", "tiktoken", "temporary", "ours"]
)
def test_vocabulary_is_found_where_it_lies(
    data: bytes, fresh: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    cache_name = files.PUBLISHED["cl100k_base"].cache_name
    path = {
        "temporary": tmp_path / "temporary/data-gym-cache" / cache_name,
        "ours": tmp_path / "cache/ctxmem/cl100k_base.tiktoken",
        "tiktoken": tmp_path / "own" / cache_name,
    }.get(place, tmp_path / "own/cl100k_base.tiktoken")
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    if place == "file":
        fresh.setenv("CTXMEM_VOCAB", str(path))
    elif place == "directory":
        fresh.setenv("CTXMEM_VOCAB", str(path.parent))
    elif place == "tiktoken":
        fresh.setenv("TIKTOKEN_CACHE_DIR", str(path.parent))
    counter = tokens.resolve("cl100k_base", vocabulary=path if place == "argument" else None)
    assert counter.exact
    assert 2 == counter.count("Hello world")


def test_damaged_bytes_are_refused_by_the_core() -> None:
    for wrong in (b"", b"x", b"YQ== 0\n", b"!!!! 0\n"):
        with pytest.raises(ValueError, match="vocabulary"):
            _native.Bpe(wrong, "o200k_base")
    with pytest.raises(ValueError, match="encoding is 'p50k_base'"):
        _native.Bpe(b"", "p50k_base")


def test_import_and_lookup_import_no_heavy_package() -> None:
    code = """
        import sys
        from ctxmem import tokens
        tokens.count_tokens("Hello world")
        heavy = {"tiktoken", "llama_index.core", "litellm", "requests", "urllib.request", "ssl"}
        print(sorted(heavy & sys.modules.keys()))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[]" == ran.stdout.strip()
