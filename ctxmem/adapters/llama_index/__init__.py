"""ctxmem in LlamaIndex: nodes packed, chats kept within a budget, memory that is searched.

==================== ============================================
name                 what it is to LlamaIndex
==================== ============================================
ContextPostprocessor a node postprocessor, for any query engine
ContextMemory        a memory, for chat engines and agents
ContextMemoryBlock   a block of LlamaIndex's own `Memory`
==================== ============================================
"""

from __future__ import annotations

from ctxmem.errors import MissingExtraError

try:
    import llama_index.core  # noqa: F401
except ImportError as error:
    raise MissingExtraError(
        "ctxmem.adapters.llama_index needs llama-index-core, which is not installed; install it "
        "with pip install 'ctxmem[llamaindex]'"
    ) from error

from ctxmem.adapters.llama_index.memory import ContextMemory, ContextMemoryBlock
from ctxmem.adapters.llama_index.nodes import ContextPostprocessor

__all__ = ["ContextMemory", "ContextMemoryBlock", "ContextPostprocessor"]
