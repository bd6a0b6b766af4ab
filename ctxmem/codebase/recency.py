"""When files were changed last, by the log of git.

The time stamps of the files themselves are not used: after a checkout they say when it was made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

COMMITS = 1_000
"""Commits that are read, the last ones."""

PATIENCE = 10.0
"""Seconds that git may take."""

SAFE = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "log.showSignature=no"),
    *("-c", "protocol.allow=never", "-c", "core.quotePath=false", "--no-pager"),
)
"""Options with which the configuration of a repository starts no program and no download."""


def last_changes(folder: Path) -> Mapping[str, int]:
    """Return when files below a folder were changed last, by path, in seconds since 1970.

    Empty where the folder is not in a repository, git is not installed, or it fails.
    """
    git = shutil.which("git")
    if git is None or not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return {}
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("GIT_")},
        **{"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
    }
    command = [git, *SAFE, "log", f"-{COMMITS}", "--format=%x01%ct", "--name-only", "-z"]
    command += ["--no-renames", "--no-ext-diff", "--no-textconv", "--relative", "--", "."]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return _read_log(done.stdout) if done.returncode == 0 else {}


def _read_log(data: bytes) -> dict[str, int]:
    """Return the first time, the latest, at which each path is named."""
    found: dict[str, int] = {}
    for entry in data.split(b"\x01")[1:]:
        head, _, names = entry.partition(b"\0")
        stamp, _, first = head.partition(b"\n")
        for name in (first, *names.split(b"\0")):
            path = name.strip(b"\n").decode("utf-8", "replace")
            if path and stamp.isdigit():
                found.setdefault(path, int(stamp))
    return found
