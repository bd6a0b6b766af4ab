"""Chat histories: count, check, repair and trim them, whichever framework they come from.

Messages are read by their shape and handed back as the same objects. `units` says which of them
belong together; `OVERHEAD` holds what providers add to the texts.
"""

from __future__ import annotations

from ctxmem.messages.checking import Finding, check, units
from ctxmem.messages.chunks import as_chunks, kept_messages, passages
from ctxmem.messages.counting import count_messages
from ctxmem.messages.growing import LOW_WATER, Growing, Trimmed
from ctxmem.messages.overhead import OVERHEAD, Overhead
from ctxmem.messages.repairing import repair
from ctxmem.messages.trimming import trim_messages

__all__ = [
    "LOW_WATER",
    "OVERHEAD",
    "Finding",
    "Growing",
    "Overhead",
    "Trimmed",
    "as_chunks",
    "check",
    "count_messages",
    "kept_messages",
    "passages",
    "repair",
    "trim_messages",
    "units",
]
