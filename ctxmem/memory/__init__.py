"""Memory: pages, a resident set, and a window that keeps the prompt cache warm.

`session.Memory` is what users hold. It keeps a log of what happened, whose sum is the state in
`resident`; `planner` decides what the window shows, by the prices in `schedule`.
"""

from __future__ import annotations

from ctxmem.memory.recall import ranked
from ctxmem.memory.session import Memory
from ctxmem.memory.summary import BINDING, Missing, verify_summary
from ctxmem.memory.window import Event, MemoryStats, MemoryWindow, Page

__all__ = [
    "BINDING",
    "Event",
    "Memory",
    "MemoryStats",
    "MemoryWindow",
    "Missing",
    "Page",
    "ranked",
    "verify_summary",
]
