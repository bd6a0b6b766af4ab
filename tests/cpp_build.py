"""Compile a C++ test with the sanitizers and run it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ["csrc/kernels/dispatch.cpp", "csrc/kernels/level.cpp"]
COUNT_BLOCKS = ["-fsanitize-coverage=trace-pc", "-g0"]
"""Flags of tests that measure work by `block_count.hpp`, never by a clock."""


def core_sources(*patterns: str) -> list[str]:
    """Return the paths of the sources of the core with these names, in any of its folders."""
    found = []
    for pattern in patterns:
        paths = sorted(ROOT.glob(f"csrc/core/*/{pattern}.cpp"))
        assert paths, f"no source is named {pattern}"
        found += [str(path.relative_to(ROOT)) for path in paths]
    return found


def compile_and_run(
    name: str,
    sources: Sequence[str],
    *,
    flags: Sequence[str] = (),
    sanitize: str = "address,undefined",
    arguments: Sequence[str] = (),
) -> str:
    """Build tests/cpp/<name>.cpp with `sources` and run it; fail with what it prints, or return it.

    A name that ends in .cpp is a path from the root.
    `sanitize` names the sanitizers, none if it is empty.
    """
    target = _compiled(name, tuple(sources), tuple(flags), sanitize)
    ran = subprocess.run(
        [str(target), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@functools.cache
def _compiled(name: str, sources: tuple[str, ...], given: tuple[str, ...], sanitize: str) -> Path:
    """Build a test, once a session, and return its program."""
    # With the sanitizers -Og compiles in half the time of -O1, and no slower than -O0.
    optimise = "-Og" if sanitize else "-O1"
    flags = ["-std=c++20", optimise, "-g1", "-Wall", "-Wextra", "-Werror", "-I.", "-Icsrc", *given]
    if sanitize:
        flags += [f"-fsanitize={sanitize}", "-fno-sanitize-recover=all"]
    flags += ["-pthread", "-DCTXMEM_HAS_BASE=1"]
    main = name if name.endswith(".cpp") else f"tests/cpp/{name}.cpp"
    files = dict.fromkeys([main, *sources, *KERNELS])
    objects = [str(path) for path in _objects(files, flags)]
    # Each worker links a program of its own, and one for each set of flags.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    target = _tree() / f"{Path(name).stem}-{_digest(*flags, *objects)}{worker}"
    _run([_compiler(), *flags, *objects, "-o", str(target)])
    return target


def _objects(sources: Iterable[str], flags: Sequence[str]) -> list[Path]:
    """Compile sources; the tests of all workers that want them with these flags share the objects.

    Those that another worker is compiling are waited for when all others are done.
    """
    tree = _tree()
    made = {path: tree / f"{Path(path).stem}-{_digest(path, *flags)}.o" for path in sources}
    for timeout in (0, -1):
        for source, path in made.items():
            with contextlib.suppress(Timeout), FileLock(f"{path}.lock", timeout=timeout):
                if not path.exists():
                    unfinished = path.with_suffix(".part")
                    _run([_compiler(), *flags, "-c", source, "-o", str(unfinished)])
                    unfinished.rename(path)
    return list(made.values())


def _run(command: Sequence[str]) -> None:
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


@functools.cache
def _compiler() -> str:
    compiler = shutil.which("g++") or shutil.which("clang++")
    assert compiler is not None, "the tests of the core need g++ or clang++"
    return compiler


@functools.cache
def _tree() -> Path:
    """Return the folder of what is built from the sources as they are; drop what came of others."""
    paths = sorted(
        path
        for folder in ("csrc", "fuzz", "tests/cpp")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".cpp", ".hpp")
    )
    folder = ROOT / "build" / "cpp" / _digest(_compiler(), *(path.read_text() for path in paths))
    folder.mkdir(parents=True, exist_ok=True)
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
