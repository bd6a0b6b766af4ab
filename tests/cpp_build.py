"""Compile a C++ test with the sanitizers and run it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

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
    """Build a test, once a process, and return its program."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    # The programs of two workers, or of other flags, do not take each other's place.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    kind = "".join(character for character in "".join(given) if character.isalnum())
    target = ROOT / "build" / "cpp" / worker / f"{name}-{sanitize}-{kind}"
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Icsrc", *given]
    if sanitize:
        flags += [f"-fsanitize={sanitize}", "-fno-sanitize-recover=all"]
    flags += ["-pthread", "-DCTXMEM_HAS_BASE=1"]
    files = dict.fromkeys([f"tests/cpp/{name}.cpp", *sources, *KERNELS])
    command = [compiler, *flags, *files, "-o", str(target)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return target
