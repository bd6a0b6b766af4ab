"""What a caller asks of a memory that keeps the provider's account itself, as the gateway does."""

from __future__ import annotations

from typing import Any

from ctxmem.memory import tracing
from ctxmem.memory.edits import look_again
from ctxmem.memory.excerpts import LEAST
from ctxmem.memory.session import Memory
from ctxmem.memory.texts import has_results
from ctxmem.memory.window import MemoryWindow

__all__ = ["held_window", "look_again", "may_be_shortened", "sent_whole", "show_no_days"]


@tracing.window_span
def held_window(memory: Memory, query: str | None = None) -> MemoryWindow:
    """Return what `Memory.window` does, with the memory's own messages, which nobody may change.

    A message that stays from window to window is the same object. It is for a caller that has just
    appended: what others have written since is not looked for.
    """
    return memory._held_window(query)


def may_be_shortened(message: dict[str, Any], tokens: int) -> bool:
    """Return whether a window may show a new message in fewer tokens than the given ones."""
    return tokens >= LEAST and has_results(message)


def sent_whole(memory: Memory, *, cold: bool) -> None:
    """Note that the whole history was sent, without a window.

    The model saw all that its last answer refers to, and the call costs what the history costs.
    `cold` says that the provider had nothing of it in its cache.
    """
    memory._sent_whole(cold=cold)


def show_no_days(memory: Memory) -> None:
    """Leave days out of a memory's windows: its messages have the time of their arrival only.

    A prompt may say another day than that, and all that came at once would have the same.
    """
    memory._session.dated = memory._session.search.dated = False
