"""What calls of our tools are answered with, and results that wait for a later request."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ctxmem.gateway.wire.rounds import dicts_in
from ctxmem.gateway.wire.turns import is_said
from ctxmem.memory import tool

Answer = Callable[[dict[str, Any]], str]

NO_ROOM = "The result does not fit into the request. Answer without it."
_CUT = "\n[cut here: {} of {} lines do not fit; give a narrower 'query']"
_LEAST_WORDS = 8
"""A line that does not fit is shown in part if so many of its words do."""
_BESIDE_A_RESULT = 16
"""Tokens that a call's result has beside its text, at most."""


@dataclass(slots=True)
class RecallBudget:
    """Tokens by which the requests of one exchange may still grow.

    Args:
        left: tokens.
        count: returns a text's tokens.
    """

    left: int
    count: Callable[[str], int]

    def take(self, tokens: int) -> None:
        """Leave room for what the model said."""
        self.left -= tokens

    def fitting(self, text: str) -> str:
        """Return a result, cut where not all of it fits: after a line, or within a long one."""
        made = self._cut(text, self.left - _BESIDE_A_RESULT)
        self.left -= self.count(made) + _BESIDE_A_RESULT
        return made

    def _cut(self, text: str, most: int) -> str:
        if self.count(text) <= most:
            return text
        lines = text.split("\n")
        whole = self._most(len(lines), lambda count: _first(lines, count), most)
        words = lines[whole].split(" ")
        part = self._most(len(words), lambda count: _with_part(lines, whole, words, count), most)
        if part >= _LEAST_WORDS:
            return _with_part(lines, whole, words, part)
        return _first(lines, whole) if whole else NO_ROOM

    def _most(self, size: int, made: Callable[[int], str], most: int) -> int:
        """Return the largest count below `size` for which `made` is not too long, or 0."""
        low, high = 0, size
        while low + 1 < high:
            middle = (low + high) // 2
            if self.count(made(middle)) <= most:
                low = middle
            else:
                high = middle
        return low


def _first(lines: Sequence[str], count: int) -> str:
    return "\n".join(lines[:count]) + _CUT.format(len(lines) - count, len(lines))


def _with_part(lines: Sequence[str], count: int, words: Sequence[str], kept: int) -> str:
    """Return the first lines and the first words of the next one."""
    begun = "\n".join([*lines[:count], " ".join(words[:kept])])
    return begun + " ..." + _CUT.format(len(lines) - count - 1, len(lines))


def called_name(call: dict[str, Any]) -> str:
    """Return the name of the tool that is called, in any of the three forms."""
    inner = call.get("function")
    return str((inner if isinstance(inner, dict) else call).get("name"))


def waiting_text(calls: Sequence[dict[str, Any]], results: Sequence[str]) -> str:
    """Return what the model is shown of calls that stood beside the client's."""
    return "\n\n".join(
        f"You called {called_name(call)} with {_written_arguments(call)}. Its result:\n{text}"
        for call, text in zip(calls, results, strict=True)
    )


def _written_arguments(call: dict[str, Any]) -> str:
    return json.dumps(tool.arguments_of(call), ensure_ascii=False)


def answer_from(memory: Any) -> Answer:
    """Return a function that answers a call from a conversation's `Memory`, as a text."""

    def answer(call: dict[str, Any]) -> str:
        message = memory.answer(call)
        content = message.get("content", message.get("output"))
        return str(content[0]["content"] if isinstance(content, list) else content)

    return answer


class PendingResults:
    """Results of calls that wait for the next request of their conversation.

    They are found by the ids of the client's calls that stood beside them. A request that is sent
    again finds them again; the oldest are dropped.

    Args:
        most: characters of results that are held.
    """

    def __init__(self, most: int = 16 << 20) -> None:
        self._most, self._size = most, 0
        self._held: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = Lock()

    def keep(self, tenant: str, ids: Sequence[str], text: str) -> None:
        """Hold a text until results of the calls `ids` come."""
        with self._lock:
            for one in ids:
                self._drop((tenant, one))
                self._held[tenant, one] = text
                self._size += len(text)
            while self._size > self._most and self._held:
                self._drop(next(iter(self._held)))

    def text_for(self, tenant: str, messages: Any) -> str:
        """Return what waits for the results at the end of a conversation, "" if nothing does."""
        if not isinstance(messages, list):
            return ""
        with self._lock:
            for one in _answered_at_the_end(messages):
                if (tenant, one) in self._held:
                    return self._held[tenant, one]
        return ""

    def _drop(self, key: tuple[str, str]) -> None:
        text = self._held.pop(key, None)
        self._size -= len(text or "")


def _answered_at_the_end(messages: Sequence[Any]) -> list[str]:
    """Return the ids of the calls whose results follow the model's last message."""
    ids: list[str] = []
    for message in reversed(messages):
        if is_said(message):
            break
        if isinstance(message, dict):
            blocks = dicts_in(message.get("content"))
            ids += [str(message.get(name)) for name in ("tool_call_id", "call_id")]
            ids += [str(block.get("tool_use_id")) for block in blocks]
    return [one for one in ids if one != "None"]
