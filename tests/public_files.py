"""Tokenizer files of public models, in the folder that CTXMEM_TOKENIZERS names.

They are too large for the repository. Without the folder there are none, and pytest reports the
tests over them as skipped, for an empty set of parameters.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

_FOLDER = os.environ.get("CTXMEM_TOKENIZERS")


def public_files(pattern: str) -> list[Path]:
    """Return the files of a pattern."""
    return sorted(Path(_FOLDER).glob(pattern)) if _FOLDER else []


def files_with(section: str) -> list[Path]:
    """Return each tokenizer.json whose section is there and not null."""
    return [path for path in public_files("*.json") if _sections(path).get(section) is not None]


@functools.cache
def _sections(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text("utf-8"))
    return content if isinstance(content, dict) else {}
