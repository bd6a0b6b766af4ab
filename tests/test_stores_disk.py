"""The store of a session on a disk that fails: at each write and sync, full or with an error."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys

import pytest
from cpp_build import ROOT

COMPILER = shutil.which("g++") or shutil.which("clang++")
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux") or COMPILER is None, reason="preloads a library"
)


@pytest.fixture(scope="module")
def failing_disk(tmp_path_factory):
    """Compile the library that fails writes; return its path."""
    library = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    source = ROOT / "tests" / "cpp" / "failing_disk.cpp"
    command = [COMPILER, "-std=c++20", "-O1", "-Wall", "-shared", "-fPIC", source, "-ldl"]
    subprocess.run([*command, "-o", library], check=True)
    return library


@linux
@pytest.mark.slow
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["full", "input_output"])
def test_what_was_acknowledged_outlives_every_failing_write(failing_disk, tmp_path, error):
    environment = {
        **os.environ,
        "LD_PRELOAD": str(failing_disk),
        "PYTHONPATH": str(ROOT),
    }
    script = ROOT / "tests" / "failing_disk_script.py"
    ran = subprocess.run(
        [sys.executable, script, str(tmp_path), str(error)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result = json.loads(ran.stdout)
    assert result["ended"] and result["failures"] >= 20
