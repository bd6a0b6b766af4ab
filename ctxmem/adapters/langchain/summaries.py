"""Say a chat in fewer tokens, in its own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ctxmem.chat import passages
from ctxmem.intake import read_budget
from ctxmem.memory import BINDING, Missing, verify_summary
from ctxmem.pipeline import pack
from ctxmem.schema import Budget, Chunk
from ctxmem.tokens import count_tokens

_SHARE = 0.5
"""Statements that bind may take this share of the budget."""
_ROUNDS = 6
"""How often a summary is made again, because the statements take room from the rest."""
_WRAPPED = "Here is a summary of the conversation to date:"
"""How the summary of `SummarizationMiddleware` begins in the history."""
_SECTION = re.compile(r"^\[(user|assistant|system|tool)\]$", re.MULTILINE)
_LEFT_OUT = re.compile(r"^…$\n?", re.MULTILINE)


def summarizer(
    budget: int | Budget = 1000, *, query: str | None = None, **options: Any
) -> Callable[[Sequence[Any]], str]:
    """Return a summarizer for `SummarizationMiddleware(summarizer=...)` that invents nothing.

    The summary is made of the chat's own paragraphs, each under the name of who said it, in their
    order: those that say most about `query`, or about the last question if that is left out.
    Repeats are said once. Statements that bind and that it would leave out are added word for word
    at its end, as `verify_summary` finds them, those of least tokens first, in up to half of the
    budget, under the line "[still binding]". It asks no model, and has at most `budget` tokens.
    Other options are those of `ctxmem.pack`.

    Of messages that begin with an earlier summary, what it says is read as said by whom it names,
    and its statements that bind are carried on until newer ones replace them. The middleware hands
    over the last 4,000 tokens only, which may leave the earlier summary out: give it
    `trim_tokens_to_summarize=None`.

    >>> from langchain_core.messages import AIMessage, HumanMessage
    >>> said = [HumanMessage("Which port?"), AIMessage("The server listens on port 8080.")]
    >>> print(summarizer(40)(said))
    [user]
    Which port?
    <BLANKLINE>
    [assistant]
    The server listens on port 8080.
    """
    whole = read_budget(budget)
    settings = {"header": "[{source}]", "order": "given", **options}
    counter = settings.get("counter", "o200k_base")

    def summarize(messages: Sequence[Any]) -> str:
        messages = _unfolded(messages)
        asked = query
        paragraphs: list[Chunk] = []
        for said in passages(messages):
            role = str(said.metadata["role"])
            text = said.text.removeprefix(f"{role}: ")
            if text.startswith(f"{BINDING}\n"):
                continue  # those that the new summary lacks are added at its end
            if query is None and role == "user":
                asked = text
            # Numbers as ids, so that of equally good ones the earlier is chosen.
            new = enumerate(filter(str.strip, text.split("\n\n")), len(paragraphs))
            paragraphs += [Chunk(p, id=f"{n:06}", source=role) for n, p in new]
        if not messages:
            return ""
        added: list[str] = []
        best = ""
        for _ in range(_ROUNDS):
            room = replace(whole, reserve=whole.tokens - whole.limit + _cost(added, counter))
            packed = pack(paragraphs, room, query=asked or None, **settings) if paragraphs else None
            chosen = packed.text if packed is not None else ""
            lost = dict.fromkeys(_lost(chosen, messages))
            text = "\n\n".join(filter(None, (chosen, _block([m for m in lost if m in added]))))
            if count_tokens(text, counter) > whole.limit:
                break
            best = text
            more = _fitting(added, list(lost), int(_SHARE * whole.limit), counter)
            if more == added:
                break
            added = more
        return best

    return summarize


def _unfolded(messages: Sequence[Any]) -> list[Any]:
    """Return messages with earlier summaries as what they are made of: who said what, and a block.

    The block of statements that bind is a message of the user's of its own.
    """
    found: list[Any] = []
    for message in messages:
        text = _summary_in(message)
        if text is None:
            found.append(message)
            continue
        found += _sections(text)
    return found


def _sections(text: str) -> list[Any]:
    """Return the text of a summary as messages."""
    text, _, block = text.partition(f"\n{BINDING}\n")
    before, *sections = _SECTION.split(_LEFT_OUT.sub("", text))
    said = [("user", before), *zip(sections[::2], sections[1::2], strict=True)]
    if block:
        said.append(("user", f"{BINDING}\n{block}"))
    return [
        {"role": "assistant" if role == "tool" else role, "content": one.strip()}
        for role, one in said
        if one.strip()
    ]


def _summary_in(message: Any) -> str | None:
    """Return the text of an earlier summary; None for any other message."""
    said = passages([message])
    if len(said) != 1 or said[0].metadata["role"] != "user":
        return None
    text = said[0].text.removeprefix("user: ")
    marks = getattr(message, "additional_kwargs", None) or {}
    if text.startswith(_WRAPPED):
        text = text[len(_WRAPPED) :]
    elif marks.get("lc_source") != "summarization" and f"\n{BINDING}\n" not in text:
        return None
    return f"\n{text.strip()}\n"


def _lost(summary: str, messages: Sequence[Any]) -> list[str]:
    """Return statements that bind in messages, and are not in a summary or no longer bind in it.

    An offer that was accepted does not bind where the summary shows the offer alone.
    """
    binding = [one.text for one in _statements("", _sections(summary))]
    return [one.text for one in _statements("\n".join(binding), messages)]


def _statements(summary: str, messages: Sequence[Any]) -> list[Missing]:
    found = verify_summary(summary, messages, identifiers=False, numbers=False)
    return [one for one in found if one.text]


def _block(statements: Sequence[str]) -> str:
    lines = (" ".join(one.split()) for one in statements)
    return "\n".join([BINDING, *lines]) if statements else ""


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
