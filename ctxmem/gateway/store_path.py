"""Where the gateway keeps conversations, and under which names."""

from __future__ import annotations

import os
from pathlib import Path

ACCOUNTS = ".accounts"
"""What is behind a tenant's name in the name of the tenant that has its accounts in the store."""


def default_store() -> str:
    """Return the file that `ctxmem serve` writes and `ctxmem mcp` reads if none is named."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(data) / "ctxmem" / "gateway.db")
