"""What the messages of a window are: tokens by part, and calls that ask again for what had left."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from ctxmem.chat.counting import Meter
from ctxmem.chat.parts import parts_of
from ctxmem.errors import InputTypeError
from ctxmem.gateway.observe.weighing import split_message
from ctxmem.gateway.wire import Asked

_MOST = 1 << 15
_NEWEST = 32  # messages behind a call that may be its results
_MOST_TEXT = 400  # characters of a question


class Read(Protocol):
    """A message that was read: the key of what it says, and its tokens."""

    @property
    def key(self) -> int:
        """Equal for messages that say the same."""
        ...

    @property
    def tokens(self) -> int:
        """The tokens that it takes."""
        ...


class _Content(NamedTuple):
    parts: dict[str, int]
    calls: tuple[str, ...]


class Contents:
    """Says what messages hold; what was said of one is remembered."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], _Content] = OrderedDict()
        self._lock = threading.Lock()

    def parts(
        self,
        messages: Iterable[tuple[Read, Any]],
        meter: Meter,
        name: str,
        *,
        put_in: Container[int] = (),
    ) -> dict[str, int]:
        """Return the tokens of messages by part; `name` is the meter's.

        Messages with a number in `put_in` are not the client's: excerpts, and notes on what left.
        """
        found: dict[str, int] = {}
        for index, (known, message) in enumerate(messages):
            if index in put_in:
                parts = {"recalled": known.tokens}
            else:
                parts = self._of(known, message, meter, name).parts
            for part, tokens in parts.items():
                found[part] = found.get(part, 0) + tokens
        return found

    def repeated_reads(
        self,
        messages: Sequence[tuple[Read, Any]],
        meter: Meter,
        name: str,
        shown: Container[int],
    ) -> int:
        """Return how many calls of the newest message with calls were made before, and had left.

        Only a call whose results are the end of the request is new; `shown` are the numbers of the
        messages that the window holds.
        """
        end = len(messages)
        while end and not (calls := self._of(*messages[end - 1], meter, name).calls):
            role = messages[end - 1][1].get("role")
            if role == "assistant" or len(messages) - end > _NEWEST:
                return 0
            end -= 1
        if not end:
            return 0
        gone = {
            call
            for index, (known, message) in enumerate(messages[: end - 1])
            if index not in shown
            for call in self._of(known, message, meter, name).calls
        }
        return sum(call in gone for call in calls)

    def _of(self, known: Read, message: Any, meter: Meter, name: str) -> _Content:
        at = (name, known.key)
        content = self._known.get(at)
        if content is None:
            calls = tuple(
                json.dumps([part.name, part.body], sort_keys=True, default=str)
                for part in parts_of(message, 0)
                if part.kind == "call"
            )
            content = _Content(split_message(meter, message, 0, "", known.tokens), calls)
            with self._lock:
                self._known[at] = content
                while len(self._known) > _MOST:
                    self._known.popitem(last=False)
        return content


def question_of(asked: Asked) -> str:
    """Return the beginning of what the user says first, "" if it is no text."""
    for message in asked.messages:
        if isinstance(message, dict) and message.get("role") == "user":
            with suppress(InputTypeError):  # the provider says what is wrong with it
                texts = (part.text for part in parts_of(message, 0) if part.kind == "text")
                return " ".join(texts)[:_MOST_TEXT]
            break
    return ""
