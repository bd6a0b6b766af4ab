"""A chat as chunks, so that `pack` chooses among its messages as among passages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ctxmem.chat.pairing import pair_up, units_of
from ctxmem.chat.parts import MEDIA, Part, inner_parts, parts_of
from ctxmem.chat.reading import read
from ctxmem.chat.repairing import repair
from ctxmem.chat.shapes import ROLES, as_json, role_of
from ctxmem.schema import Chunk, ChunkId, Decision

CONVERSATION = "conversation"
"""The list name that chat messages are ranked under: the latest comes first."""

_TEXT_KEYS = ("text", "page_content", "content")


def as_chunks(items: Sequence[Any]) -> tuple[list[Any], bool]:
    """Return the items with messages as chunks, and whether all of them are one chat.

    In a chat the later message ranks higher, units require each other, and what `trim_messages`
    pins is pinned: leading system messages, the last user turn and calls in flight. A message among
    other things is a passage like them. What is no message is handed on.

    >>> chunks, chat = as_chunks([{"role": "user", "content": "hi"}])
    >>> chunks[0].text, chunks[0].pinned, chat
    ('user: hi', True, True)
    """
    if items and all(map(_is_message, items)):
        return _chat(items), True
    return [_passage(item, i) if _is_message(item) else item for i, item in enumerate(items)], False


def kept_messages(items: Sequence[Any], decisions: Iterable[Decision]) -> tuple[Any, ...]:
    """Return the messages of a chat that a window keeps, in their order, as a valid history.

    They are as they were given; a chat that was broken is repaired.
    """
    kept = {decision.chunk_id for decision in decisions if decision.kept}
    return tuple(repair([item for i, item in enumerate(items) if _name(i) in kept]))


def _name(index: int) -> ChunkId:
    return ChunkId(f"message-{index}")


def passages(messages: Sequence[Any]) -> list[Chunk]:
    """Return messages as passages: what counts is what each says, not when, and none must stay.

    >>> [chunk.text for chunk in passages(["hi", ("ai", "Hello.")])]
    ['user: hi', 'assistant: Hello.']
    """
    return [
        Chunk(chunk.text, id=chunk.id, metadata=chunk.metadata) for chunk in _chat(list(messages))
    ]


def _is_message(item: Any) -> bool:
    if isinstance(item, str | Chunk | tuple):
        return False
    if isinstance(item, Mapping):
        if isinstance(item.get("role"), str):
            return True
        # An item of the Responses API has a type and none of the names a passage goes by; a message
        # of LangChain's as a dict has one of its own.
        kind = item.get("type")
        return isinstance(kind, str) and (
            kind in ROLES or not any(key in item for key in _TEXT_KEYS)
        )
    if hasattr(item, "page_content") or hasattr(item, "get_content"):
        return False
    role = getattr(item, "role", None)
    if isinstance(getattr(role, "value", role), str):
        return True
    return isinstance(getattr(item, "type", None), str) and (
        hasattr(item, "additional_kwargs") or hasattr(item, "call_id")
    )


def _chat(messages: Sequence[Any]) -> list[Chunk]:
    turns = read(messages)
    pairing = pair_up(turns)
    in_flight = {call.message for call in pairing.in_flight}
    asked = [i for i, turn in enumerate(turns) if turn.asks][-1:]
    name = [_name(i) for i in range(len(messages))]
    chunks = []
    for unit in units_of(turns, pairing):
        pinned = any(turns[i].role == "system" or i in asked or i in in_flight for i in unit)
        chunks += [
            Chunk(
                _text(messages[i], turns[i].role, i),
                id=name[i],
                rank=len(messages) - 1 - i,
                list=CONVERSATION,
                pinned=pinned,
                requires=tuple(name[j] for j in unit if j != i),
                metadata={"role": turns[i].role},
            )
            for i in unit
        ]
    return chunks


def _passage(item: Any, index: int) -> Any:
    """Return a message among other inputs as a passage, a plain one as it is."""
    if isinstance(item, Mapping) and any(isinstance(item.get(key), str) for key in _TEXT_KEYS):
        return item
    return Chunk(_text(item, read([item])[0].role, index))


def _text(message: Any, role: str, index: int) -> str:
    """Return a message as text: its role, what it says, its calls and its results."""
    if role_of(message, index) is None:
        return f"{role}: {as_json(message, index)}"
    shown = [_shown(part, index) for part in parts_of(message, index)]
    return f"{role}: " + "\n".join(text for text in shown if text)


def _shown(part: Part, index: int) -> str:
    if part.kind == "text":
        return part.text
    if part.kind in MEDIA:
        return f"[{part.name}]"  # the bytes of an image would be useless as text, and long
    if part.whole and part.kind == "result":
        inside = inner_parts(part)
        if inside is not None:
            return "\n".join(text for text in (_shown(one, index) for one in inside) if text)
        return as_json(part.body, index)
    return "" if part.kind == "mark" else as_json(part.value, index)
