"""Answers on disk, so that a run that was stopped goes on where it was.

A file is named by the hash of the request. It holds the answer and never the request, so neither a
prompt nor a key is in it; the answers themselves may be confidential, so only their owner may read
them. A file is written beside its place and then renamed, so it is whole or not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ctxmem.errors import InputError

VERSION = 1


def hash_of(request: Any) -> str:
    """Return the hash of plain data, the same in every process and whatever the order of keys."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """What was answered, by the hash of what was asked.

    Attributes:
        damaged: files that could not be used; what they held is asked again.
        unwritten: answers that could not be written, and are lost when the process ends.
    """

    def __init__(self, folder: str | Path | None) -> None:
        """Open a folder, which is made when the first answer is kept; None keeps no files.

        Raises:
            InputError: the path is a file.
        """
        self._folder = None if folder is None else Path(folder)
        self._kept: dict[str, dict[str, Any]] = {}
        self.damaged = 0
        self.unwritten = 0
        if self._folder is not None and self._folder.exists() and not self._folder.is_dir():
            raise InputError(f"cache is {str(folder)!r}, a file; expected the path of a folder")

    def check(self) -> None:
        """Make the folder, before anything is asked whose answer would be lost.

        Raises:
            InputError: nothing can be written there.
        """
        if self._folder is None:
            return
        try:
            self._make()
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise InputError(
                f"cache {str(self._folder)!r} cannot be written ({error.strerror}), so a run that "
                f"stops would begin again; give another folder, or None (--no-cache)"
            ) from None

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under a key, None if nothing was or it is damaged."""
        known = self._kept.get(key)
        if known is not None or self._folder is None:
            return known
        try:
            record = json.loads(self._path(key).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            self.damaged += 1
            return None
        value = record.get("value") if isinstance(record, dict) else None
        if (
            not isinstance(value, dict)
            or record.get("check") != hash_of([key, value])
            or record.get("version") != VERSION
        ):
            self.damaged += 1
            return None
        self._kept[key] = value
        return value

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep a value; a disk that is full costs the file, not the run."""
        self._kept[key] = value
        if self._folder is None:
            return
        record = {"version": VERSION, "check": hash_of([key, value]), "value": value}
        try:
            self._write(self._path(key), json.dumps(record))
        except OSError:
            self.unwritten += 1

    def _path(self, key: str) -> Path:
        assert self._folder is not None
        return self._folder / key[:2] / f"{key}.json"

    def _make(self) -> None:
        assert self._folder is not None
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700, parents=True)
            (self._folder / ".gitignore").write_text("*\n", encoding="utf-8")

    def _write(self, path: Path, text: str) -> None:
        self._make()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # mkstemp's files may be read by their owner only.
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
