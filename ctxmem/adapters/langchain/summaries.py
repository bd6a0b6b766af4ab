"""Say a chat in fewer tokens, in its own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ctxmem.chat import passages
from ctxmem.intake import read_budget
from ctxmem.pipeline import pack
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
        asked = query
        paragraphs = []
        for said in passages(messages):
            role = str(said.metadata["role"])
            text = said.text.removeprefix(f"{role}: ")
            if query is None and role == "user":
                asked = text
            paragraphs += [Chunk(p, source=role) for p in text.split("\n\n") if p.strip()]
        if not paragraphs:
            return ""
        return pack(paragraphs, budget, query=asked or None, **settings).text

    return summarize
