"""Say a chat in fewer tokens, in its own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ctxmem.chat import passages
from ctxmem.intake import read_budget
from ctxmem.memory import Missing, verify_summary
from ctxmem.pipeline import pack
from ctxmem.schema import Budget, Chunk
from ctxmem.tokens import count_tokens

_BINDING = "[still binding]"
_SHARE = 0.5
"""Statements that bind may take this share of the budget."""
_ROUNDS = 3
"""How often a summary is made again, because the statements take room from the rest."""


def summarizer(
    budget: int | Budget = 1000, *, query: str | None = None, **options: Any
) -> Callable[[Sequence[Any]], str]:
    """Return a summarizer for `SummarizationMiddleware(summarizer=...)` that invents nothing.

    The summary is made of the chat's own paragraphs, each under the name of who said it, in their
    order: those that say most about `query`, or about the last question if that is left out.
    Repeats are said once. Statements that bind and that it would leave out are added word for word
    at its end, as `verify_summary` finds them, those of least tokens first, in up to half of the
    budget. It asks no model, and has at most `budget` tokens. Other options are those of
    `ctxmem.pack`.

    >>> from langchain_core.messages import AIMessage, HumanMessage
    >>> said = [HumanMessage("Which port?"), AIMessage("The server listens on port 8080.")]
    >>> print(summarizer(40)(said))
    [user]
    Which port?
    <BLANKLINE>
    [assistant]
    The server listens on port 8080.
    >>> said = [HumanMessage("Never restart the server."), HumanMessage("Which port do tests use?")]
    >>> print(summarizer(19)(said))
    [user]
    Never restart the server.
    <BLANKLINE>
    [user]
    Which port do tests use?
    """
    whole = read_budget(budget)
    settings = {"header": "[{source}]", "order": "given", **options}
    counter = settings.get("counter", "o200k_base")

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
        added: list[str] = []
        best = ""
        for _ in range(_ROUNDS):
            room = replace(whole, reserve=whole.tokens - whole.limit + _cost(added, counter))
            chosen = pack(paragraphs, room, query=asked or None, **settings).text
            lost = dict.fromkeys(m.text for m in _statements(chosen, messages))
            text = "\n\n".join(filter(None, (chosen, _block([m for m in added if m in lost]))))
            if count_tokens(text, counter) > whole.limit:
                break
            best = text
            more = _fitting(added, list(lost), int(_SHARE * whole.limit), counter)
            if more == added:
                break
            added = more
        return best

    return summarize


def _statements(summary: str, messages: Sequence[Any]) -> list[Missing]:
    found = verify_summary(summary, messages, identifiers=False, numbers=False)
    return [one for one in found if one.text]


def _block(statements: Sequence[str]) -> str:
    return "\n".join([_BINDING, *statements]) if statements else ""


def _cost(statements: Sequence[str], counter: object) -> int:
    return count_tokens(f"\n\n{_block(statements)}", counter) + 1 if statements else 0


def _fitting(added: list[str], lost: list[str], room: int, counter: object) -> list[str]:
    """Return the statements that are added, and of the lost ones those that still fit."""
    fitting = list(added)
    by_cost = sorted((count_tokens(f"\n{one}", counter), i, one) for i, one in enumerate(lost))
    for _, _, text in by_cost:
        if text not in fitting:
            if _cost([*fitting, text], counter) > room:
                break
            fitting.append(text)
    return fitting
