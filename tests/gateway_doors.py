"""The ways from a client to the upstream: directly, and through a gateway of each mode."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODES = ("observe", "guard", "manage")
DOORS = ("direct", *MODES)


@contextlib.contextmanager
def gateway(upstream: str, mode: str, *options: str) -> Iterator[str]:
    """Start `ctxmem serve` as a user would, and yield its address."""
    command = [sys.executable, "-m", "ctxmem", "serve", "--upstream", upstream, "--port", "0"]
    command += ["--mode", mode, "--store", ":memory:", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CTXMEM_OFFLINE": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield _address(process)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen) -> str:
    """Read the line that says where the gateway listens, and keep reading what follows."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        word, _, address = line.strip().partition(" ")
        if word == "listening":
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return address
    raise RuntimeError("the gateway did not start: " + "".join(said))
