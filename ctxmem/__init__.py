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

__version__ = "0.2.0"

if TYPE_CHECKING:
    from ctxmem import scale as scale
    from ctxmem.assembling import PartDecision, Request, assemble
    from ctxmem.auditing import Audit, AuditFinding, audit
    from ctxmem.blaming import Blame, blame
    from ctxmem.chat import (
        Finding,
        Fold,
        FoldedMessages,
        check,
        count_messages,
        dedup_messages,
        repair,
        trim_messages,
    )
    from ctxmem.codebase import Codebase, code
    from ctxmem.dedup import (
        DedupIndex,
        Difference,
        Group,
        Match,
        differences,
        find_near_duplicates,
        minhash,
    )
    from ctxmem.errors import (
        BudgetError,
        ConflictError,
        CtxmemError,
        CtxmemWarning,
        InputError,
        InputTypeError,
        MissingExtraError,
        PageDamageError,
        SessionDeletedError,
        StoreError,
        VocabularyError,
    )
    from ctxmem.memory import (
        Event,
        Memory,
        MemoryStats,
        MemoryWindow,
        Missing,
        Page,
        verify_summary,
    )
    from ctxmem.memory.asynchronous import AsyncMemory
    from ctxmem.memory.ledger import Entry
    from ctxmem.memory.receipts import Receipt
    from ctxmem.pipeline import apack, pack
    from ctxmem.pricing import PRICES, Prices
    from ctxmem.protocols import Compressor, Counter, Deleted, Embed, PageStore, Policy, Scorer
    from ctxmem.schema import (
        Alternative,
        Budget,
        Chunk,
        ChunkId,
        Decision,
        Header,
        PageId,
        PageState,
        Piece,
        Reason,
        Record,
        Section,
        Window,
    )
    from ctxmem.selection import Solution, solve
    from ctxmem.tokens import count_tokens, counter

# A type checker reads the names of the package here, and Python when it imports all of them.
__all__ = [
    "PRICES",
    "Alternative",
    "AsyncMemory",
    "Audit",
    "AuditFinding",
    "Blame",
    "Budget",
    "BudgetError",
    "Chunk",
    "ChunkId",
    "Codebase",
    "Compressor",
    "ConflictError",
    "Counter",
    "CtxmemError",
    "CtxmemWarning",
    "Decision",
    "DedupIndex",
    "Deleted",
    "Difference",
    "Embed",
    "Entry",
    "Event",
    "Finding",
    "Fold",
    "FoldedMessages",
    "Group",
    "Header",
    "InputError",
    "InputTypeError",
    "Match",
    "Memory",
    "MemoryStats",
    "MemoryWindow",
    "Missing",
    "MissingExtraError",
    "Page",
    "PageDamageError",
    "PageId",
    "PageState",
    "PageStore",
    "PartDecision",
    "Piece",
    "Policy",
    "Prices",
    "Reason",
    "Receipt",
    "Record",
    "Request",
    "Scorer",
    "Section",
    "SessionDeletedError",
    "Solution",
    "StoreError",
    "VocabularyError",
    "Window",
    "__version__",
    "apack",
    "assemble",
    "audit",
    "blame",
    "check",
    "code",
    "count_messages",
    "count_tokens",
    "counter",
    "dedup_messages",
    "differences",
    "find_near_duplicates",
    "minhash",
    "pack",
    "repair",
    "solve",
    "trim_messages",
    "verify_summary",
]

_NAMES_OF = {
    "assembling": "PartDecision Request assemble",
    "auditing": "Audit AuditFinding audit",
    "blaming": "Blame blame",
    "codebase": "Codebase code",
    "dedup": "DedupIndex Difference Group Match differences find_near_duplicates minhash",
    "errors": (
        "BudgetError ConflictError CtxmemError CtxmemWarning InputError InputTypeError "
        "MissingExtraError PageDamageError SessionDeletedError StoreError VocabularyError"
    ),
    "memory": "Event Memory MemoryStats MemoryWindow Missing Page verify_summary",
    "memory.asynchronous": "AsyncMemory",
    "memory.ledger": "Entry",
    "memory.receipts": "Receipt",
    "chat": (
        "Finding Fold FoldedMessages check count_messages dedup_messages repair trim_messages"
    ),
    "pipeline": "apack pack",
    "pricing": "PRICES Prices",
    "protocols": "Compressor Counter Deleted Embed PageStore Policy Scorer",
    "schema": (
        "Alternative Budget Chunk ChunkId Decision Header PageId PageState Piece Reason "
        "Record Section Window"
    ),
    "selection": "Solution solve",
    "tokens": "count_tokens counter",
}

_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names.split()}


if not TYPE_CHECKING:  # a type checker would accept every name, misspelt ones too

    def __getattr__(name: str) -> Any:
        if name == "scale":  # a module that is used by its name
            return import_module("ctxmem.scale")
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'ctxmem' has no attribute {name!r}")
        value = getattr(import_module(f"ctxmem.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
