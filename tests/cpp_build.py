"""Compile and run the C++ tests under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compile_and_run(name: str, sources: Sequence[str], *, flags: Sequence[str] = ()) -> None:
    """Build tests/cpp/<name>.cpp with the given files of csrc/; its main() must return 0."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/{name}"
        files = [f"tests/cpp/{name}.cpp", *(f"csrc/{source}" for source in sources)]
        options = ["-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-pthread", "-Icsrc"]
        built = subprocess.run(
            [compiler, *options, *SANITIZERS, *flags, *files, "-o", program],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert built.returncode == 0, built.stderr
        ran = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
