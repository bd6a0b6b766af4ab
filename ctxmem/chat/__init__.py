"""Chat histories: count, check, repair and trim them, whichever framework they come from.

Messages are read by their shape and handed back as the same objects. `units` says which of them
belong together; `RULES` holds what providers refuse, `OVERHEAD` what they add to the texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctxmem.chat.checking import check, units
from ctxmem.chat.chunks import as_chunks, kept_messages, passages
from ctxmem.chat.counting import count_messages
from ctxmem.chat.findings import Finding
from ctxmem.chat.folding import Fold, FoldedMessages, dedup_messages
from ctxmem.chat.incremental import LOW_WATER, IncrementalTrimmer, Trimmed
from ctxmem.chat.media import MEDIA_RULES
from ctxmem.chat.overhead import OVERHEAD, Overhead
from ctxmem.chat.reading import read_one
from ctxmem.chat.repairing import repair
from ctxmem.chat.rules import RULES, Rule
from ctxmem.chat.tools import forced_name
from ctxmem.chat.trimming import trim_messages
from ctxmem.errors import former_names

__all__ = [
    "LOW_WATER",
    "MEDIA_RULES",
    "OVERHEAD",
    "RULES",
    "Finding",
    "Fold",
    "FoldedMessages",
    "IncrementalTrimmer",
    "Overhead",
    "Rule",
    "Trimmed",
    "as_chunks",
    "check",
    "count_messages",
    "dedup_messages",
    "forced_name",
    "kept_messages",
    "passages",
    "read_one",
    "repair",
    "trim_messages",
    "units",
]

if not TYPE_CHECKING:  # a type checker would accept every name, misspelt ones too
    __getattr__ = former_names(__name__, {"Growing": ("IncrementalTrimmer", IncrementalTrimmer)})
