"""Tools of a request: their forms, how likely each is needed, and how a model finds the others."""

from ctxmem.toolset.finding import (
    FIND_TOOL,
    answer_find,
    find_tool,
    find_tools,
    listing,
)
from ctxmem.toolset.finding import NAME as FIND_TOOL_NAME
from ctxmem.toolset.forms import Tool, read_tools, shaped
from ctxmem.toolset.ranking import rank_tools

__all__ = [
    "FIND_TOOL",
    "FIND_TOOL_NAME",
    "Tool",
    "answer_find",
    "find_tool",
    "find_tools",
    "listing",
    "rank_tools",
    "read_tools",
    "shaped",
]
