"""Find what is wasted in a history, and what prevents reads from the prompt cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ctxmem.chat.faults import first_words
from ctxmem.chat.findings import Finding
from ctxmem.chat.reading import (
    REPEATED_CHARACTERS,
    Turn,
    hash_of,
    passages_in,
    texts_of,
)


def of_repeats(items: Sequence[Any], turns: Sequence[Turn]) -> list[Finding]:
    """Find long messages and paragraphs that repeat an earlier message."""
    repeats = Repeats()
    repeats.add(items, turns)
    return repeats.found


class Repeats:
    """Finds long messages and paragraphs that repeat an earlier message, in a history that grows.

    Attributes:
        found: what was found so far.
        count: the messages that were looked at.
    """

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.count = 0
        self._messages: dict[tuple[str, int], int] = {}
        self._passages: dict[int, int] = {}

    def add(self, items: Sequence[Any], turns: Sequence[Turn]) -> None:
        """Look at the messages that come next."""
        for i, (item, turn) in enumerate(zip(items, turns, strict=True), self.count):
            hashes = turn.passages
            if type(item) is dict and len(item) == 2:
                content = item.get("content")
                if type(content) is str and len(content) >= REPEATED_CHARACTERS:
                    hashes = passages_in((content,))
            if not hashes:
                continue
            first = self._messages.setdefault((turn.role, hashes[0]), i)
            if first != i:
                said = f"says again what message {first} said"
                self.found.append(Finding("duplicate_message", i, said))
                continue
            for passage in hashes[1:]:
                first = self._passages.setdefault(passage, i)
                if first != i:
                    self.found.append(_repeat(item, i, passage, first))
        self.count += len(items)


def _repeat(item: Any, index: int, passage: int, first: int) -> Finding:
    for text in texts_of(item, index):
        for paragraph in text.split("\n\n"):
            stripped = paragraph.strip()
            if len(stripped) >= REPEATED_CHARACTERS and hash_of(stripped) == passage:
                begins = " ".join(stripped[:60].split())
                detail = f"repeats {len(stripped):,} characters of message {first}: {begins!r}"
                return Finding("repeated_passage", index, detail)
    return Finding("repeated_passage", index, f"repeats a paragraph of message {first}")


_BREAKERS = {
    "a time of day": re.compile(
        # Office hours are stable; the time that is now is not.
        r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\b[0-2]?\d:[0-5]\d:[0-5]\d\b"
        r"|\b(?:time|now)(?: is)?\W{1,3}[0-2]?\d:[0-5]\d",
        re.ASCII | re.I,
    ),
    "a UUID": re.compile(
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.ASCII | re.I
    ),
    "a Unix time": re.compile(r"\b1[5-9]\d{8}(?:\d{3})?(?:\.\d+)?\b", re.ASCII),
}


def of_prefix(items: Sequence[Any], turns: Sequence[Turn]) -> Iterator[Finding]:
    """Find text near the beginning that changes from request to request."""
    first = first_words(turns)
    # The first user message too: templates put the date and a request id there.
    last = first + 1 if first < len(turns) and turns[first].role == "user" else first
    for i in range(last):
        for text in texts_of(items[i], i):
            for what, pattern in _BREAKERS.items():
                found = pattern.search(text)
                if found:
                    detail = (
                        f"{what}, {found.group()!r}, in a message that every request begins with: "
                        "if it changes, nothing behind it is cached; move it to the last message"
                    )
                    yield Finding("prefix_breaker", i, detail)


def of_changes(items: Sequence[Any], previous: Sequence[Any]) -> Iterator[Finding]:
    """Tell the first message that is not byte for byte what it was; all behind it is read anew."""
    behind = "nothing from here on is cached"
    for i, (now, before) in enumerate(zip(items, previous, strict=False)):
        if now is before or _written(now) == _written(before):
            continue
        if _canonical(now) == _canonical(before):
            detail = "its keys have another order than in the previous request"
        else:
            detail = "it differs from this message of the previous request"
        yield Finding("prefix_breaker", i, f"{detail}: {behind}")
        return
    if len(items) < len(previous):
        detail = f"{len(previous) - len(items)} messages of the request before are gone at the end"
        yield Finding("prefix_breaker", None, detail)


def of_tools(tools: Sequence[Any], previous: Sequence[Any]) -> Iterator[Finding]:
    """Find tools that are given twice, or differently from the previous request."""
    written: dict[str, tuple[int, str]] = {}
    for i, tool in enumerate(tools):
        value, bytes_of = _canonical(tool), _written(tool)
        first, spelling = written.setdefault(value, (i, bytes_of))
        if first == i:
            continue
        how = "in another order of keys" if spelling != bytes_of else "word for word"
        detail = f"tool {i} is tool {first} once more, {how}: give each tool once"
        yield Finding("prefix_breaker", None, detail)
    if not previous:
        return
    before = {_canonical(tool): _written(tool) for tool in previous}
    for i, tool in enumerate(tools):
        known = before.get(_canonical(tool))
        if known is not None and known != _written(tool):
            detail = f"tool {i} has its keys in another order than in the request before"
            yield Finding("prefix_breaker", None, f"{detail}: nothing of the request is cached")
    if [*map(_canonical, tools)] != [*before] and {*map(_canonical, tools)} == {*before}:
        detail = "the tools have another order than in the previous request"
        yield Finding("prefix_breaker", None, f"{detail}: nothing of the request is cached")


def _written(value: Any) -> str:
    return json.dumps(value, default=repr)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)
