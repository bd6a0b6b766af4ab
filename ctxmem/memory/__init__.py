"""Memory: pages, a resident set, and a window that keeps the prompt cache warm.

`session.Memory` is what users hold. It keeps a log of what happened, whose sum is the state
in `resident`; `layout` decides what the window shows, by the prices in `schedule`.
"""

from __future__ import annotations

from ctxmem.memory.session import Memory
from ctxmem.memory.summary import Missing, verify_summary
from ctxmem.memory.window import Event, MemoryStats, MemoryWindow, Page

__all__ = [
    "Event",
    "Memory",
    "MemoryStats",
    "MemoryWindow",
    "Missing",
    "Page",
    "verify_summary",
]
