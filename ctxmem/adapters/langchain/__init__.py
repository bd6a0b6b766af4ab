"""ctxmem in LangChain: documents packed, messages counted and windowed, pages stored.

=================== ============================================ ===================
name                what it is to LangChain                      needs
=================== ============================================ ===================
ContextCompressor   a document compressor                        langchain-core
DuplicateFilter     a document transformer                       langchain-core
pack_documents      a Runnable from documents to documents       langchain-core
token_counter       a counter for trim_messages and middleware   langchain-core
ContextMiddleware   an agent's middleware                        langchain >= 1
ContextWindowEdit   an edit for ContextEditingMiddleware         langchain >= 1
summarizer          a summarizer for SummarizationMiddleware     langchain >= 1.4.7
PageBaseStore       a LangGraph store and a key-value store      langgraph
=================== ============================================ ===================

Importing this loads langchain-core and nothing else of LangChain; the rest is loaded by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ctxmem.errors import MissingExtraError

try:
    import langchain_core  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        "ctxmem.adapters.langchain needs langchain-core, which is not installed; install it with "
        "pip install 'ctxmem[langchain]'"
    ) from error

from ctxmem.adapters.langchain.counting import token_counter
from ctxmem.adapters.langchain.documents import ContextCompressor, DuplicateFilter, pack_documents
from ctxmem.adapters.langchain.summaries import summarizer

if TYPE_CHECKING:
    from ctxmem.adapters.langchain.agents import ContextMiddleware
    from ctxmem.adapters.langchain.edits import ContextWindowEdit
    from ctxmem.adapters.langchain.stores import PageBaseStore

_LATER = {
    "ContextMiddleware": ("agents", "langchain"),
    "ContextWindowEdit": ("edits", "langchain"),
    "PageBaseStore": ("stores", "langgraph"),
}

__all__ = [
    "ContextCompressor",
    "ContextMiddleware",
    "ContextWindowEdit",
    "DuplicateFilter",
    "PageBaseStore",
    "pack_documents",
    "summarizer",
    "token_counter",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'ctxmem.adapters.langchain' has no attribute {name!r}")
    module, needs = _LATER[name]
    try:
        value = getattr(import_module(f"ctxmem.adapters.langchain.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("langchain", "langgraph"):
            raise
        raise MissingExtraError(
            f"{name} needs {needs}, which is not installed or too old; install it with "
            "pip install 'ctxmem[langchain-agents]'"
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
