"""Tokenizer files of public models in the caches of other libraries."""

from __future__ import annotations

import json
import os
import types
from pathlib import Path

import pytest
from trained_tokenizers import trained

import ctxmem
from ctxmem import InputError, VocabularyError, tokens
from ctxmem.tokens import caches, names, tokenizer_files
from ctxmem.tokens.counters import Native


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty hub cache, the only place that is looked at."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(names, "_resolved", {})
    monkeypatch.setattr(tokenizer_files, "_read", {})
    monkeypatch.setattr(caches.importlib.util, "find_spec", lambda name: None)
    return tmp_path / "hub"


def cached(hub: Path, repository: str, revision: str = "abc", content: str = "{}") -> Path:
    folder = hub / ("models--" + repository.replace("/", "--"))
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    path = snapshot / "tokenizer.json"
    path.write_text(content, "utf-8")
    return path


def test_model_is_found_by_repository_and_by_its_last_part(hub: Path) -> None:
    path = cached(hub, "Qwen/Qwen3-8B")
    for name in ("Qwen/Qwen3-8B", "qwen/qwen3-8b", "qwen3-8b", "together_ai/Qwen/Qwen3-8B"):
        assert path == caches.find(name)
    for name in ("Qwen3", "Qwen3-8B-Base", "other/Qwen3", ""):
        assert caches.find(name) is None


def test_whole_name_goes_before_the_last_part(hub: Path) -> None:
    cached(hub, "aaa/model")
    mine = cached(hub, "zzz/model")
    assert mine == caches.find("zzz/model")


def test_main_goes_before_newer_snapshots(hub: Path) -> None:
    old, new = cached(hub, "a/b", "old"), cached(hub, "a/b", "new")
    os.utime(old.parent, (1, 1))
    assert new == caches.find("a/b")
    references = hub / "models--a--b" / "refs"
    references.mkdir()
    (references / "main").write_text("old\n")
    assert old == caches.find("a/b")
    (references / "main").write_text("../../elsewhere")  # a damaged reference leads nowhere
    assert new == caches.find("a/b")


def test_folders_named_by_variables_are_looked_at(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
        root = tmp_path / variable
        monkeypatch.setenv(variable, str(root))
        path = cached(root, f"x/{variable}")
        assert path == caches.find(f"x/{variable}")
    assert len(caches.places()) == 3  # folders that do not exist are left out


def test_old_cache_of_transformers(hub: Path, tmp_path: Path, monkeypatch) -> None:
    root = tmp_path / "transformers"
    root.mkdir()
    monkeypatch.setenv("TRANSFORMERS_CACHE", str(root))
    (root / "0f1e").write_text("{}")
    url = "https://example.invalid/Org/Model/resolve/main/tokenizer.json"
    (root / "0f1e.json").write_text(json.dumps({"url": url}))
    (root / "broken.json").write_text("{")
    (root / "list.json").write_text("[]")
    assert root / "0f1e" == caches.find("org/model")
    assert caches.find("org/other") is None


def test_litellm_carries_one_of_deepseek(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "litellm_core_utils" / "tokenizers"
    folder.mkdir(parents=True)
    (folder / "deepseek_tokenizer.json").write_text("{}")
    spec = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(caches.importlib.util, "find_spec", lambda name: spec)
    assert folder / "deepseek_tokenizer.json" == caches.litellm_file("deepseek/deepseek-chat")
    assert caches.litellm_file("deepseek-r1-distill-llama-8b") is None
    assert caches.litellm_file("qwen3-8b") is None


# What `counter` makes of it -----------------------------------------------------------------------


def test_cached_model_is_counted_exactly(hub: Path) -> None:
    cached(hub, "Qwen/Qwen3-8B", content=trained("qwen"))
    counter = ctxmem.counter("qwen3-8b")
    assert isinstance(counter, Native) and counter.exact and "qwen3-8b" == counter.name
    assert not ctxmem.counter("qwen3-9b").exact  # its file is nowhere: an estimate


def test_folder_of_a_model_is_a_path(hub: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "tokenizer.json").write_text(trained("qwen"), "utf-8")
    assert ctxmem.counter(folder).exact
    assert ctxmem.counter(str(folder)).count("abc") == ctxmem.counter(
        str(folder / "tokenizer.json")
    ).count("abc")


def test_damaged_file_of_a_cached_model_is_not_counted_by(hub: Path) -> None:
    cached(hub, "Qwen/Qwen3-8B", content="{}")
    with pytest.warns(ctxmem.CtxmemWarning, match="neither a tokenizer.json"):
        counter = ctxmem.counter("Qwen/Qwen3-8B")
    assert not counter.exact


def test_counter_of_a_function_may_be_a_path(hub: Path, tmp_path: Path) -> None:
    path = tmp_path / "llama" / "tokenizer.json"
    path.parent.mkdir()
    path.write_text(trained("qwen"), "utf-8")
    count = ctxmem.counter(path).count("Notice is thirty days.")
    for name in (path, str(path), str(path.parent), f"{path.parent}/"):
        assert count == ctxmem.count_tokens("Notice is thirty days.", name)
        assert ctxmem.pack(["Notice is thirty days."], 100, counter=name).tokens == count
    assert tokens.resolve(str(path)) is tokens.resolve(path)  # read once


def test_file_that_is_written_again_is_read_again(hub: Path, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    words = {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}
    path.write_text(json.dumps({"model": words}), "utf-8")
    assert ctxmem.count_tokens("one two three", str(path)) == 1
    path.write_text(json.dumps({"model": words, "pre_tokenizer": {"type": "Whitespace"}}), "utf-8")
    assert ctxmem.count_tokens("one two three", str(path)) == 3


def test_file_of_any_name_is_a_path_where_it_exists(hub: Path, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json.v3"
    path.write_text(trained("qwen"), "utf-8")
    assert ctxmem.counter(str(path)).exact
    for missing in (str(tmp_path / "missing"), "./missing", "~/missing-folder"):
        with pytest.raises(VocabularyError, match="cannot be read"):
            ctxmem.counter(missing)
    with pytest.raises(VocabularyError, match="has no tokenizer file"):
        ctxmem.counter(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude_3"),
        ("bedrock/anthropic.claude-opus-4-7", "claude_4_7"),
        ("meta.llama3-1-8b-instruct-v1:0", "llama_3"),
        ("models/gemini-2.5-flash", "gemini"),
    ],
)
def test_names_of_routers_and_clouds_are_known(hub: Path, name: str, family: str) -> None:
    counter = ctxmem.counter(name)
    assert isinstance(counter, tokens.Estimate)
    assert counter.family == family


def test_unknown_name_says_what_to_give(hub: Path) -> None:
    with pytest.raises(InputError, match=r"did you mean 'gpt-4o'\?\)\. Give an encoding"):
        ctxmem.counter("gpt4o")
    with pytest.raises(InputError, match=r"Estimate\('MiniMax-M2'\)"):
        ctxmem.counter("MiniMax-M2")


def test_path_is_a_counter_wherever_one_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(trained("qwen"), "utf-8")
    first = ctxmem.count_tokens("Hello world", str(path))
    assert ctxmem.counter(path).count("Hello world") == first
    window = ctxmem.pack(["The museum opens at nine."], 100, counter=str(path))
    assert ctxmem.count_tokens(window.text, path) == window.tokens
    path.write_text(trained("gpt2"), "utf-8")  # a changed file is read again
    assert ctxmem.counter(path).count("<tool_call>") > 1
