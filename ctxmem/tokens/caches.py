"""Tokenizer files of public models, where other libraries keep them on this machine.

Looked at are the folders of the Hugging Face hub (`HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`,
`HF_HOME`, `~/.cache/huggingface/hub`), of transformers (`TRANSFORMERS_CACHE`, also as it was before
2022: files named by a hash, with a .json beside them that says where they are from) and the
tokenizers that litellm carries. Nothing is imported, fetched or written.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path

FILES = (
    "tokenizer.json",
    "tekken.json",
    "tokenizer.model",
    "tiktoken.model",
    "qwen.tiktoken",
    "spiece.model",
    "sentencepiece.bpe.model",
)
"""The names that tokenizer files have in a model's folder, the one to prefer first."""

# Of a model by the beginning of its name. DeepSeek's distilled models keep those they came from.
_LITELLM = {
    "deepseek_tokenizer.json": (
        *("deepseek-v3", "deepseek-v4", "deepseek-chat", "deepseek-reasoner", "deepseek-r1"),
    ),
}


def in_folder(folder: Path) -> Path | None:
    """Return the tokenizer file in a model's folder, or None."""
    for name in FILES:
        if os.path.isfile(folder / name):  # unlike Path.is_file, of any name whatever
            return folder / name
    return None


def find(model: str) -> Path | None:
    """Return the tokenizer file of a model, or None if no cache has it.

    `model` is the name of a repository ("Qwen/Qwen3-8B") or its last part, in any case, after the
    prefixes of routers ("groq/", "together_ai/"). The whole name goes before the last part; the
    revision called main before others, then the newest.
    """
    wanted = model.lower()
    last = wanted.rsplit("/", 1)[-1]
    by_last: list[Path] = []
    for root in _hub_folders():
        for folder in sorted(_folders(root)):
            parts = folder.name.split("--")
            if parts[0] != "models" or len(parts) < 2:
                continue
            repository = "/".join(parts[1:]).lower()
            if wanted == repository or wanted.endswith("/" + repository):
                found = _newest_revision(folder)
                if found is not None:
                    return found
            elif repository.rsplit("/", 1)[-1] == last:
                by_last.append(folder)
    for folder in by_last:
        found = _newest_revision(folder)
        if found is not None:
            return found
    return _hashed(wanted)


def models() -> Iterator[tuple[str, Path]]:
    """Yield the names of the models whose tokenizer file is in a hub's cache, with that file."""
    for root in _hub_folders():
        for folder in sorted(_folders(root)):
            kind, _, repository = folder.name.partition("--")
            found = _newest_revision(folder) if kind == "models" and repository else None
            if found is not None:
                yield repository.replace("--", "/"), found


def places() -> list[Path]:
    """Return the folders that are looked at and exist."""
    return [root for root in _hub_folders() if root.is_dir()]


def _hub_folders() -> Iterator[Path]:
    seen = set()
    for root in _candidates():
        if root not in seen:
            seen.add(root)
            yield root


def _candidates() -> Iterator[Path]:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
        if os.environ.get(variable):
            yield Path(os.environ[variable]).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        yield Path(home).expanduser() / "hub"
        return
    cache = os.environ.get("XDG_CACHE_HOME")
    base = Path(cache) if cache else Path.home() / ".cache"
    yield base / "huggingface" / "hub"
    yield base / "huggingface" / "transformers"


def _folders(root: Path) -> list[Path]:
    try:
        return [path for path in root.iterdir() if path.name.startswith("models--")]
    except OSError:
        return []


def _newest_revision(folder: Path) -> Path | None:
    """Return the tokenizer file of a cached repository: of main, else of its newest snapshot."""
    snapshots = folder / "snapshots"
    try:
        revision = (folder / "refs" / "main").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        revision = ""
    if revision and "/" not in revision:
        found = in_folder(snapshots / revision)
        if found is not None:
            return found
    try:
        others = sorted(snapshots.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return None
    return next((found for path in others if (found := in_folder(path)) is not None), None)


def _hashed(wanted: str) -> Path | None:
    """Return a file of transformers' cache as it was before it took the hub's layout."""
    for root in _hub_folders():
        for described in sorted(root.glob("*.json")) if root.is_dir() else ():
            path = described.with_suffix("")
            try:
                url = json.loads(described.read_text("utf-8"))["url"]
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
            parts = str(url).lower().split("/")
            if parts[-1] in FILES and "/".join(parts[3:5]) == wanted and path.is_file():
                return path
    return None


def litellm_file(model: str) -> Path | None:
    """Return the tokenizer that litellm carries for a model, or None."""
    last = model.lower().rsplit("/", 1)[-1]
    if "distill" in last:
        return None
    try:
        spec = importlib.util.find_spec("litellm")
    except (ImportError, ValueError):
        return None
    for root in (spec and spec.submodule_search_locations) or ():
        for name, models in _LITELLM.items():
            path = Path(root) / "litellm_core_utils" / "tokenizers" / name
            if last.startswith(models) and path.is_file():
                return path
    return None
