"""Where conversations are kept if nobody says where."""

from __future__ import annotations

import os
from pathlib import Path


def default_store() -> str:
    """Return the file that `ctxmem serve` writes and `ctxmem mcp` reads if none is named."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(data) / "ctxmem" / "gateway.db")
