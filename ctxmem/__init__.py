"""ctxmem puts the right context, not too much, in front of a language model.

>>> import ctxmem
>>> window = ctxmem.pack(["Rome is in Italy.", "Rome is in Italy.", "Oslo is in Norway."], 20)
>>> window.tokens, [decision.reason.value for decision in window.decisions]
(11, ['selected', 'duplicate', 'selected'])
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

# A source tree first on sys.path would otherwise hide the compiled extensions of the installed
# package. With this, they are found in both.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ctxmem.auditing import Audit, AuditFinding, audit
    from ctxmem.dedup import DedupIndex, Difference, differences, find_near_duplicates, minhash
    from ctxmem.errors import (
        BudgetError,
        ConflictError,
        CtxmemError,
        CtxmemWarning,
        InputError,
        InputTypeError,
        MissingExtraError,
        PageDamageError,
        StoreError,
        VocabularyError,
    )
    from ctxmem.memory import Event, Memory, MemoryStats, MemoryWindow, Page
    from ctxmem.messages import Finding, check, count_messages, repair, trim_messages
    from ctxmem.pipeline import apack, pack
    from ctxmem.pricing import PRICES, Prices
    from ctxmem.protocols import Counter, PageStore, Policy
    from ctxmem.schema import (
        Alternative,
        Budget,
        Chunk,
        ChunkId,
        Decision,
        PageId,
        PageState,
        Piece,
        Reason,
        Record,
        Section,
        Window,
    )
    from ctxmem.selection import Solution, solve
    from ctxmem.tokens import count_tokens

_MODULE_OF = {
    "pack": "pipeline",
    "apack": "pipeline",
    **dict.fromkeys(("Audit", "AuditFinding", "audit"), "auditing"),
    "count_tokens": "tokens",
    **dict.fromkeys(
        ("DedupIndex", "Difference", "differences", "find_near_duplicates", "minhash"), "dedup"
    ),
    "solve": "selection",
    "Solution": "selection",
    **dict.fromkeys(("Event", "Memory", "MemoryStats", "MemoryWindow", "Page"), "memory"),
    **dict.fromkeys(("PRICES", "Prices"), "pricing"),
    **dict.fromkeys(("Counter", "PageStore", "Policy"), "protocols"),
    **dict.fromkeys(
        ("Finding", "check", "count_messages", "repair", "trim_messages"),
        "messages",
    ),
    **dict.fromkeys(
        (
            "Alternative",
            "Budget",
            "Chunk",
            "ChunkId",
            "Decision",
            "PageId",
            "PageState",
            "Piece",
            "Reason",
            "Record",
            "Section",
            "Window",
        ),
        "schema",
    ),
    **dict.fromkeys(
        (
            "BudgetError",
            "ConflictError",
            "CtxmemError",
            "CtxmemWarning",
            "InputError",
            "InputTypeError",
            "MissingExtraError",
            "PageDamageError",
            "StoreError",
            "VocabularyError",
        ),
        "errors",
    ),
}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ctxmem' has no attribute {name!r}")
    value = getattr(import_module(f"ctxmem.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
