"""Which call a tool result answers, in words: so that a file that is read again has one name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ctxmem.chat.parts import parts_of, ui_output
from ctxmem.errors import InputError

_SHOWN = 60  # characters of an argument that a title shows


class ToolCall(NamedTuple):
    """A call that a result answers.

    Attributes:
        name: the tool.
        about: its first argument that is a text: the file, the command, the question.
        result: the result, as far as it is text.
    """

    name: str
    about: str
    result: str

    @property
    def title(self) -> str:
        """What a person calls it."""
        about = " ".join(self.about[: 4 * _SHOWN].split())
        about = about if len(about) <= _SHOWN else about[: _SHOWN - 1] + "…"
        return f"{self.name} {about}".strip() or "a tool"


class ToolResults:
    """The calls that the results of a history answer, found when the first one is asked for."""

    def __init__(self, messages: Sequence[Any]) -> None:
        self._messages = messages
        self._answered: list[list[ToolCall]] | None = None

    def call(self, message: int | None, text: str) -> ToolCall | None:
        """Return the call that a text in a message answers, None if the history does not say."""
        if message is None or message >= len(self._messages):
            return None
        if self._answered is None:
            self._answered = list(_answered(self._messages))
        calls = self._answered[message]
        if len(calls) > 1:
            return next((call for call in calls if text in call.result), calls[0])
        return calls[0] if calls else None


def _answered(messages: Sequence[Any]) -> Iterator[list[ToolCall]]:
    """Yield for each message the calls that are answered in it."""
    asked: dict[str, tuple[str, str]] = {}
    for message in messages:
        found = []
        try:
            parts = parts_of(message, 0)
        except InputError:
            parts = []
        for part in parts:
            if part.kind == "call":
                asked[part.key] = (part.name, _first_text(part.body))
                if part.settled:
                    found.append(ToolCall(*asked[part.key], _text(ui_output(part))))
            elif part.kind == "result":
                name, about = asked.get(part.key, (part.name, ""))
                if name or about:
                    found.append(ToolCall(name, about, _text(part.body)))
        yield found


def _text(body: Any) -> str:
    """Return the texts of a result, joined."""
    if isinstance(body, str):
        return body
    if isinstance(body, dict):
        return "\n".join(_text(value) for value in body.values())
    if isinstance(body, list | tuple):
        return "\n".join(_text(value) for value in body)
    return ""


def _first_text(arguments: Any) -> str:
    """Return the first argument that is a text, all of them as they are written if none is."""
    if isinstance(arguments, str):
        try:
            read = json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
        return _first_text(read) if isinstance(read, dict) else arguments
    if isinstance(arguments, dict):
        texts = (one for one in arguments.values() if isinstance(one, str) and one)
        found = next(texts, None)
        return found if found is not None else (json.dumps(arguments, default=str)[:200])
    return "" if arguments is None else str(arguments)[:200]
