"""Read and check what `assemble` is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ctxmem import intake
from ctxmem.chat.counting import Meter
from ctxmem.chat.parts import parts_of
from ctxmem.chat.shapes import listed, shown
from ctxmem.errors import InputError, InputTypeError
from ctxmem.memory import Memory
from ctxmem.pricing import Prices, prices_of, row_of
from ctxmem.schema import Budget, Chunk, Section
from ctxmem.toolset import Tool, read_tools

PROVIDERS = ("openai", "responses", "anthropic")
LIMITED = ("tools", "history", "memory", "passages", "code")
"""Parts that can have limits; the others are always sent."""

_LONG = 1 << 13
"""Characters of a text from which its chunk is not kept."""

BLOCKS = ("memory", "passages", "code")
"""Parts of which blocks are chosen, behind the stable part of the request."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What `assemble` was given, checked.

    `chunks` are the texts of memory, passages and code, each with the part as its section.
    `own_history` says that the history is the memory's.
    """

    question: str | None
    budget: Budget
    system: str
    rules: tuple[str, ...]
    tools: tuple[Tool, ...]
    history: list[Any]
    memory: Memory | None
    own_history: bool
    chunks: tuple[Chunk, ...]
    provider: str
    model: str | None
    counter: object
    meter: Meter
    sections: dict[str, Section]
    prices: Prices


def read_inputs(
    question: str | None,
    budget: int | Budget,
    *,
    system: Any,
    rules: Any,
    tools: Any,
    history: Any,
    memory: Any,
    passages: Any,
    code: Any,
    provider: str,
    counter: object,
    sections: Iterable[Section] | None,
    prices: str | Prices | None,
    model: str | None,
) -> Inputs:
    """Return the arguments of `assemble`, checked and in one shape.

    Raises:
        InputError, InputTypeError, BudgetError: an argument cannot be used.
    """
    if question is not None and not isinstance(question, str):
        raise InputTypeError(f"question is {shown(question)}; expected a str, or None")
    if provider not in PROVIDERS:
        expected = ", ".join(map(repr, PROVIDERS))
        raise InputError(f"provider is {shown(provider)}; expected one of {expected}")
    if model is not None and not isinstance(model, str):
        raise InputTypeError(f"model is {shown(model)}; expected the name of a model, or None")
    limit = intake.read_budget(budget)
    kept = memory if isinstance(memory, Memory) else None
    said = [] if history is None else listed(history, "history")
    own = kept is not None and not said
    if kept is not None and own:
        said = kept.messages()
    wire = "chat" if provider == "openai" else provider
    row = row_of(wire, model or "") if prices is None else prices_of(prices)
    chunks = [
        *_chunks((memory or ()) if kept is None else (), "memory"),
        *_chunks(passages, "passages"),
        *_code_chunks(code, question),
    ]
    return Inputs(
        question=question,
        budget=limit,
        system=_text_of(system, "system"),
        rules=tuple(_text_of(rule, "a rule") for rule in _several(rules, "rules")),
        tools=tuple(sorted(read_tools(tools), key=lambda tool: tool.name)),
        history=said,
        memory=kept,
        own_history=own,
        chunks=tuple(chunks),
        provider=provider,
        model=model,
        counter=counter,
        meter=Meter(counter, provider, model),
        sections=_read_sections(sections, limit.limit),
        prices=row,
    )


def _several(given: Any, name: str) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InputTypeError(f"{name} is {shown(given)}; expected a list: wrap a single one in one")
    return list(given)


def _text_of(given: Any, name: str) -> str:
    """Return the text of a system prompt or rule: a str, a message, or an object with a text."""
    if given is None:
        return ""
    if isinstance(given, str):
        return given.strip("\n")
    if isinstance(getattr(given, "text", None), str):
        return str(given.text).strip("\n")
    if isinstance(given, Mapping) and "content" in given:
        texts = [part.text for part in parts_of(given, 0) if part.kind == "text"]
        return "\n\n".join(texts).strip("\n")
    raise InputTypeError(f"{name} is {shown(given)}; expected a str")


def _chunks(given: Any, part: str) -> list[Chunk]:
    items = _several(given, part)
    if all(type(item) is str and item.strip() for item in items):
        return [text_chunk(item, part) for item in items]
    table = intake.read(intake.listed(items), ranked=False, alternatives=True, conversation=False)
    return [replace(chunk, section=part) for chunk in table.chunks]


@lru_cache(maxsize=1 << 11)
def _kept_chunk(text: str, part: str) -> Chunk:
    return Chunk(text, intake.content_id(text), section=part)


def text_chunk(text: str, part: str) -> Chunk:
    """Return a text as a chunk, which is shared with other calls and not changed."""
    if len(text) > _LONG:
        return Chunk(text, intake.content_id(text), section=part)
    return _kept_chunk(text, part)


def _code_chunks(code: Any, question: str | None) -> list[Chunk]:
    """Return the chunks of a `Codebase`, of paths, or chunks as they are."""
    if code is None or (isinstance(code, Sequence) and not code):
        return []
    if not callable(getattr(code, "chunks", None)):
        single = isinstance(code, str) or hasattr(code, "__fspath__")
        items: list[Any] = [code] if single else _several(code, "code")
        if all(isinstance(item, Chunk) for item in items):
            return [replace(item, section="code") for item in items]
        for item in items:
            if not isinstance(item, str) and not hasattr(item, "__fspath__"):
                raise InputTypeError(
                    f"code has {shown(item)}; expected paths of files and folders, or a Codebase"
                )
        from ctxmem.codebase import code as read_code

        code = read_code(items)
    codebase: Any = code
    return [replace(chunk, section="code") for chunk in codebase.chunks(question)]


def _read_sections(sections: Iterable[Section] | None, limit: int) -> dict[str, Section]:
    """Return the limits of parts by their names, with shares as tokens."""
    read: dict[str, Section] = {}
    for section in intake.read_sections(sections, (), limit):
        if section.name not in LIMITED or section.parent is not None:
            expected = ", ".join(map(repr, LIMITED))
            raise InputError(
                f"sections has {section.name!r}; expected parts of the request without parents: "
                f"{expected}"
            )
        read[section.name] = section
    return read
