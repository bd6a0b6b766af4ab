"""What a caller asks of a memory that keeps the provider's account itself, as the gateway does."""

from __future__ import annotations

from ctxmem.memory import tracing
from ctxmem.memory.session import Memory
from ctxmem.memory.window import MemoryWindow


@tracing.window_span
def held_window(memory: Memory, query: str | None = None) -> MemoryWindow:
    """Return what `Memory.window` does, with the memory's own messages, which nobody may change.

    A message that stays from window to window is the same object. It is for a caller that has just
    appended: what others have written since is not looked for.
    """
    return memory._held_window(query)


def sent_whole(memory: Memory, *, cold: bool) -> None:
    """Take in that the whole history was sent and no window was made of it.

    What the last answer refers to was in sight, and the call costs what the untrimmed history does.
    `cold` says that the provider had nothing of it in its cache.
    """
    memory._sent_whole(cold=cold)


def show_no_days(memory: Memory) -> None:
    """Leave days out of a memory's windows: its messages have the time of their arrival only.

    A prompt may say another day than that, and all that came at once would have the same.
    """
    memory._session.dated = memory._session.search.dated = False
