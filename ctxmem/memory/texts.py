"""The texts of messages: what pages are cut from, and where results may be written otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ctxmem.chat.editing import replaced, with_result_texts, with_text
from ctxmem.chat.notes import is_note
from ctxmem.chat.parts import Part, inner_parts, parts_of, ui_output
from ctxmem.memory.framework_messages import copied_message

Rewrite = Callable[[str], str | None]
"""A function from the text of a result to another text for it, or None to leave it."""


def copied(message: Any) -> Any:
    """Return a copy of a message whose fields and blocks the caller may change.

    Whoever sends messages puts cache marks on them, and on their last blocks.
    """
    if type(message) is not dict:
        return copied_message(message)
    made = dict(message)
    for name, value in message.items():
        if type(value) is list:
            made[name] = [dict(one) if type(one) is dict else one for one in value]
    return made


def said_in(message: Any) -> str | None:
    """Return what a message says that is a role and a text, as most are; None for any other."""
    if type(message) is dict and len(message) == 2 and message.get("role") in _SPEAKERS:
        content = message.get("content")
        return content if type(content) is str else None
    return None


_SPEAKERS = ("user", "assistant", "system")


def text_of(message: Any, index: int, parts: Iterable[Part] | None = None) -> str:
    """Return everything in a message that a person could read, blocks by lines.

    `parts` are those of the message, if they were read already.
    """
    said = said_in(message)
    if said is not None:
        return said
    found = parts_of(message, index) if parts is None else parts
    return "\n".join(text for part in found for text in _readable(part, index) if text)


def spoken_text(message: Any, index: int, parts: Iterable[Part] | None = None) -> str:
    """Return what a person or the model says in a message: no results, no notes of programs.

    `parts` are those of the message, if they were read already.
    """
    said = said_in(message)
    if said is not None:
        return "" if is_note(said) else said
    found = parts_of(message, index) if parts is None else parts
    texts = [part.text for part in found if part.kind == "text" and part.text]
    return "\n".join(text for text in texts if not is_note(text))


def _readable(part: Part, index: int) -> Iterator[str]:
    if part.kind in ("text", "thought", "refusal", "prompt"):
        yield part.text
    elif part.kind in ("call", "hosted_call"):
        yield f"{part.name}({_written(part.body)})"
        output = ui_output(part) if part.settled and not part.whole else None
        if output is not None:
            yield from _readable(part._replace(kind="result", body=output), index)
    elif part.kind in ("result", "hosted_result", "quoted"):
        inside = inner_parts(part)
        if inside is None:
            yield _written(part.body)
        for one in inside or ():
            yield from _readable(one, index)
    elif part.kind == "unknown" and not isinstance(part.value, str):
        yield _written(part.value)


def _written(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def with_results(message: Any, rewrite: Rewrite, parts: Iterable[Part] | None = None) -> Any:
    """Return the message with the texts of its tool results rewritten; itself if none was.

    Everything else in it stays as it is: ids, cache marks, images, blocks we do not know. `parts`
    are those of the message, if they were read already.
    """
    if said_in(message) is not None:
        return message
    changes = []
    for part in parts_of(message, 0) if parts is None else parts:
        if part.kind == "result":
            value = with_result_texts(part, rewrite)
            if value is not part.value:
                changes.append((part, value))
    return replaced(message, changes) if changes else message


def result_texts(message: Any) -> list[str]:
    """Return the texts of a message's tool results, in order."""
    texts: list[str] = []

    def note(text: str) -> None:
        texts.append(text)

    with_results(message, note)
    return texts


def with_long_texts(message: Any, rewrite: Rewrite) -> Any:
    """Return the message with the texts rewritten that make it long: its results, or what it says.

    What is beside results is left, as are calls and thoughts.
    """
    if has_results(message):
        return with_results(message, rewrite)
    changes = []
    for part in parts_of(message, 0):
        new = rewrite(part.text) if part.kind == "text" and part.text else None
        if new is not None:
            changes.append((part, with_text(part.value, new)))
    return replaced(message, changes) if changes else message


def has_results(message: dict[str, Any]) -> bool:
    """Return whether the message holds the text of a tool result."""
    found = False

    def note(_: str) -> None:
        nonlocal found
        found = True

    with_results(message, note)
    return found
