"""The folder of a run: its manifest, and the files that its stages leave for those behind them.

A stage writes files and then enters them into the manifest, which is replaced as a whole. So a run
that is killed at any moment finds what it had finished, and no more, in the manifest; what was
written and not entered is written again. Every file has a checksum there. It is read again when a
run goes on, and a file that does not fit starts the run anew.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ctxmem.errors import InputError

FORMAT = 1
"""Version of the manifest and of the files that it names."""

MANIFEST = "manifest.json"
_LOCK = ".lock"
_PIECE = 1 << 24


def digest_of(data: bytes) -> str:
    """Return the checksum of bytes as it is in a manifest."""
    return xxhash.xxh3_128_hexdigest(data)


def replace_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that it is there as a whole or as it was.

    If `durable`, that holds after a loss of power too. Files of stages need not be: one that was
    lost does not fit its checksum, and the run starts anew.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.with_name(f"{path.name}.new")
    with open(name, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    name.replace(path)


def canonical(value: Any) -> str:
    """Return JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class Workspace:
    """The files of one run in the folder `out`: results there, files of the stages in `_work`."""

    def __init__(self, out: Path) -> None:
        """Name the folder; nothing is read or written."""
        self.out = out
        self.folder = out / "_work"
        self.state: dict[str, Any] = {}

    # The manifest

    def load(self, identity: dict[str, Any]) -> str | None:
        """Read the manifest of an earlier run; return why it cannot be continued, "" if it can.

        None means that there is none. `identity` is what two runs must share: options, input.

        Raises:
            InputError: If the folder has files and none of them is a manifest of ours.
        """
        path = self.out / MANIFEST
        if not path.exists():
            inside = sorted(self.out.iterdir()) if self.out.is_dir() else []
            others = [path for path in inside if path.name != _LOCK]
            if others or (self.out.exists() and not self.out.is_dir()):
                named = others[0].name if others else self.out.name
                raise InputError(
                    f"{self.out} has files that are no run of deduplicate, such as {named!r}; "
                    "expected a new or an empty folder"
                )
            return None
        try:
            whole = json.loads(path.read_bytes())
            body, digest = whole["body"], whole["xxh3"]
            foreign = whole["format"] != FORMAT
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"{path} is not a manifest of deduplicate; expected a new or an empty folder"
            ) from None
        if foreign:
            return "it is of another version of ctxmem"
        if digest_of(canonical(body).encode()) != digest:
            return "its manifest is damaged"
        for name, value in identity.items():
            if body["identity"].get(name) != value:
                return f"its {name} differ"
        self.state = body
        return ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder. The lock ends with this process, however it ends.

        Raises:
            InputError: If another run is at work there.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        with open(self.out / _LOCK, "a+b") as file:
            try:
                _lock(file.fileno())
            except OSError:
                raise InputError(
                    f"another run is writing to {self.out}; wait for it, or use another folder"
                ) from None
            yield
            with suppress(OSError):  # it cannot be deleted while it is open on Windows
                (self.out / _LOCK).unlink()

    def begin(self, identity: dict[str, Any]) -> None:
        """Forget an earlier run and its results, and start one."""
        self.clear_work()
        for name in ("kept", "rejected"):
            shutil.rmtree(self.out / name, ignore_errors=True)
        for name in ("groups.jsonl", "account.json"):
            with suppress(FileNotFoundError):
                (self.out / name).unlink()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = {"identity": identity, "files": {}}
        self.save()

    def save(self) -> None:
        """Write the manifest."""
        body = self.state
        whole = {"format": FORMAT, "xxh3": digest_of(canonical(body).encode()), "body": body}
        replace_file(self.out / MANIFEST, canonical(whole).encode())

    def clear_work(self) -> None:
        """Delete the files of the stages."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # Files that are written whole

    def write(self, name: str, data: bytes) -> None:
        """Write a file of a stage; it counts once `save` is called."""
        replace_file(self.folder / name, data, durable=False)
        self.enter(self.folder / name, digest_of(data))

    def write_result(self, name: str, data: bytes) -> None:
        """Write a file of the results, as `write` does."""
        replace_file(self.out / name, data)
        self.enter(self.out / name, digest_of(data))

    def finish(self) -> None:
        """Enter the results that are written last, forget the stages and delete their files."""
        for name in ("groups.jsonl", "account.json"):
            self.enter(self.out / name, _digest_file(self.out / name))
        files = self.state["files"]
        self.state["files"] = {k: v for k, v in files.items() if not k.startswith("_work/")}
        self.state["runs"] = []
        self.save()
        self.clear_work()

    def enter(self, path: Path, digest: str) -> None:
        """Enter a file that was written into the manifest."""
        record = [path.stat().st_size, digest]
        self.state["files"][path.relative_to(self.out).as_posix()] = record

    def read(self, name: str) -> bytes:
        """Return the content of a file of a stage."""
        return (self.folder / name).read_bytes()

    def leave(self, names: Callable[[str], bool]) -> None:
        """Delete the files of stages whose names fit: no later stage reads them.

        They leave the manifest first, so that a run killed here does not miss them.
        """
        gone = [name for name in self.state["files"] if names(name)]
        for name in gone:
            del self.state["files"][name]
        self.save()
        for name in gone:
            with suppress(FileNotFoundError):
                (self.out / name).unlink()

    def damaged(self) -> str | None:
        """Return the name of a file that is not as it was written, None if all are."""
        for name, (size, digest) in sorted(self.state["files"].items()):
            path = self.out / name
            if not path.is_file() or path.stat().st_size != size or _digest_file(path) != digest:
                return str(name)
            if name.startswith("_work/runs/"):
                run = json.loads(path.read_bytes())
                if _digest_parts(self.folder, run["columns"]) != run["xxh3"]:
                    return f"the part of the columns that {name} describes"
        return None

    # Columns: one value a document, written run after run

    def write_columns(
        self, parts: Sequence[tuple[str, int, NDArray[Any] | bytes]]
    ) -> dict[str, Any]:
        """Write parts of columns, each at its place in bytes; return their record."""
        digest = xxhash.xxh3_128()
        places = []
        for name, at, values in parts:
            data = values if isinstance(values, bytes) else values.tobytes()
            path = self.folder / name
            path.touch()
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(data)
            digest.update(data)
            places.append([name, at, len(data)])
        return {"columns": places, "xxh3": digest.hexdigest()}

    def column(self, name: str, dtype: Any, count: int) -> NDArray[Any]:
        """Return the first `count` values of a column."""
        if count == 0:  # nothing was read, so there is no file
            return np.empty(0, dtype)
        return np.fromfile(self.folder / name, dtype, count)

    def mapped(self, name: str, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return a column as a view of its file, to be read in places."""
        if 0 in shape:
            return np.zeros(shape, dtype)
        # As a plain array: each access to a memmap costs as much as the rest of a look-up.
        return np.asarray(np.memmap(self.folder / name, dtype, "r", shape=shape))


def _lock(descriptor: int) -> None:
    """Take the lock of an open file, or raise an OSError if another process has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _digest_file(path: Path) -> str:
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        while data := file.read(_PIECE):
            digest.update(data)
    return digest.hexdigest()


def _digest_parts(folder: Path, places: Sequence[tuple[str, int, int]]) -> str | None:
    digest = xxhash.xxh3_128()
    for name, at, size in places:
        try:
            with open(folder / name, "rb") as file:
                file.seek(at)
                digest.update(file.read(size))
        except OSError:
            return None
    return digest.hexdigest()
