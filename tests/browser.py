"""A headless browser, for tests of pages that run a script."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
browser = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")


def visit(address: str, folder: Path, *flags: str, milliseconds: int = 2000) -> tuple[str, str]:
    """Return the document after the page has run, and what the console says.

    What the network does is logged in `net.json` of the folder. The page has so many virtual
    `milliseconds` for its timers.
    """
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--no-first-run", "--enable-logging=stderr",
         f"--log-net-log={folder / 'net.json'}", f"--user-data-dir={folder / 'profile'}",
         f"--virtual-time-budget={milliseconds}", *flags, "--dump-dom", address],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    log = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return done.stdout, log
