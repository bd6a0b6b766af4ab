"""Say a chat in fewer tokens, in its own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ctxmem.intake import read_budget
from ctxmem.messages import as_chunks
from ctxmem.pack import pack
from ctxmem.schema import Budget, Chunk


def summarizer(
    budget: int | Budget = 1000, *, query: str | None = None, **options: Any
) -> Callable[[Sequence[Any]], str]:
    """Return a summarizer for `SummarizationMiddleware(summarizer=...)` that invents nothing.

    The summary is made of the chat's own paragraphs, each under the name of who said it, in their
    order: those that say most about `query`, or about the last question if that is left out.
    Repeats are said once. It asks no model, and has at most `budget` tokens. Other options are
    those of `ctxmem.pack`.

    >>> from langchain_core.messages import AIMessage, HumanMessage
    >>> said = [HumanMessage("Which port?"), AIMessage("The server listens on port 8080.")]
    >>> print(summarizer(40)(said))
    [user]
    Which port?
    <BLANKLINE>
    [assistant]
    The server listens on port 8080.
    """
    read_budget(budget)
    settings = {"header": "[{source}]", "order": "given", **options}

    def summarize(messages: Sequence[Any]) -> str:
        turns, _ = as_chunks(list(messages))
        asked = query
        passages = []
        for turn in turns:
            role, _, text = turn.text.partition(": ")
            if query is None and role == "user":
                asked = text
            passages += [Chunk(part, source=role) for part in text.split("\n\n") if part.strip()]
        if not passages:
            return ""
        return pack(passages, budget, query=asked, **settings).text

    return summarize
