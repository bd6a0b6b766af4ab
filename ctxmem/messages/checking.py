"""Find what is wrong with a history: what a provider refuses, what is wasted, what breaks caches.

`trouble_in` pairs calls with results; `check` tells, `repair` mends and `trim_messages` relies on
what it finds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.intake import read_budget
from ctxmem.messages.counting import Meter, schemas_of
from ctxmem.messages.overhead import provider_of
from ctxmem.messages.reading import (
    ROLES,
    TEXT_BLOCKS,
    Turn,
    blocks_of,
    get,
    kind_of,
    listed,
    read,
)
from ctxmem.schema import Budget

REPEATED_CHARACTERS = 200
"""A passage shorter than this may stand in a history twice without being told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a history, or that was done to mend it.

    Attributes:
        kind: what it is; see `check` and `repair`.
        index: the message it is about, None if it is about the whole request.
        detail: a sentence for a person.
    """

    kind: str
    index: int | None
    detail: str


@dataclass(slots=True)
class Trouble:
    """How calls and results of a history pair up, and where they do not.

    Attributes:
        links: (call, result): messages that belong together, in the order of the results.
        orphans: (message, key) of results that answer no call, or one answered before.
        open: (message, key) of calls that nobody answered, though the chat went on.
        in_flight: (message, key) of calls at the very end, whose results are still to come.
        misplaced: (message, key) -> call, of results that do not directly follow their call.
        tail: from here to the end there is nothing but calls in flight and their results.
    """

    links: list[tuple[int, int]] = field(default_factory=list)
    orphans: list[tuple[int, str]] = field(default_factory=list)
    open: list[tuple[int, str]] = field(default_factory=list)
    in_flight: list[tuple[int, str]] = field(default_factory=list)
    misplaced: dict[tuple[int, str], int] = field(default_factory=dict)
    tail: int = 0


def trouble_in(turns: Sequence[Turn]) -> Trouble:
    """Pair calls with results, each result with the latest open call of its key before it.

    Some models number their calls anew in every turn, so a key alone does not tell the call. A
    result that stands before its call is paired too, if the call has no other.
    """
    trouble = Trouble(tail=_tail(turns))
    waiting = _Waiting()
    early: list[tuple[int, str]] = []
    answered: set[tuple[int, str]] = set()
    apart = -1  # where a message stood last that was not made of results alone
    for i, turn in enumerate(turns):
        for key in turn.calls:
            waiting.add(key, i)
        for key in turn.results:
            found = waiting.take(key)
            if found is None:
                early.append((i, key))
                continue
            trouble.links.append((found, i))
            answered.add((found, key))
            if found < apart and not (turn.dialect == turns[found].dialect == "responses"):
                trouble.misplaced[i, key] = found
        if not turn.results:
            apart = i
    for key, calls in waiting.left():
        for i in calls:
            # Of calls without ids to one function, in one message, it is enough that one has a
            # result: nobody can tell them apart.
            if (i, key) not in answered:
                (trouble.in_flight if i >= trouble.tail else trouble.open).append((i, key))
    # A call in flight is not answered by what was said before it was made.
    unanswered = {key: i for i, key in trouble.open}
    for i, key in early:
        call = unanswered.pop(key, None)
        if call is None:
            trouble.orphans.append((i, key))
        else:
            trouble.links.append((call, i))
            trouble.misplaced[i, key] = call
            answered.add((call, key))
    trouble.open = sorted(pair for pair in trouble.open if pair not in answered)
    trouble.in_flight.sort()
    return trouble


class _Waiting:
    """Calls that wait for a result, by key."""

    def __init__(self) -> None:
        self._calls: dict[str, list[int]] = {}
        self._without_id: dict[str, None] = {}  # keys that are names of functions, in order

    def add(self, key: str, message: int) -> None:
        self._calls.setdefault(key, []).append(message)
        if key.startswith("function:"):
            self._without_id[key] = None

    def take(self, key: str) -> int | None:
        """Return the message of the latest call of a key, which waits no longer.

        A result without id and name takes the first call without id.
        """
        if key == "function:" and key not in self._calls:
            key = next(iter(self._without_id), key)
        calls = self._calls.get(key)
        if not calls:
            return None
        found = calls.pop()
        if not calls:
            del self._calls[key]
            self._without_id.pop(key, None)
        return found

    def left(self) -> Iterable[tuple[str, list[int]]]:
        return self._calls.items()


def _tail(turns: Sequence[Turn]) -> int:
    at = len(turns)
    while at and turns[at - 1].answers_only:
        at -= 1
    while at and turns[at - 1].dialect == "responses" and not turns[at - 1].speaks:
        at -= 1
    if at and turns[at - 1].calls:
        at -= 1
    return at


def units_of(turns: Sequence[Turn], trouble: Trouble) -> list[range]:
    """Return the units: the shortest runs of messages that no call, result or thought crosses."""
    reach: dict[int, int] = {}
    for call, result in trouble.links:
        first, last = (call, result) if call < result else (result, call)
        reach[first] = max(reach.get(first, 0), last)
    units: list[range] = []
    start = end = 0
    for i, turn in enumerate(turns):
        if i > end:
            start = end = i
        if i in reach and reach[i] > end:
            end = reach[i]
        if turn.leads and i == end and i + 1 < len(turns):
            end = i + 1
        if i == end:
            units.append(range(start, i + 1))
    return units


def units(messages: Iterable[Any]) -> list[range]:
    """Group messages into units, the smallest runs that can be kept or dropped as a whole.

    A tool call and all its results are one unit, and so are a reasoning item and the item it leads
    to; any other message is a unit of its own. Units are ranges of indices, without gaps.

    Raises `InputTypeError` for what is no message.

    >>> call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    >>> units([
    ...     {"role": "user", "content": "What time is it?"},
    ...     {"role": "assistant", "content": None, "tool_calls": [call]},
    ...     {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
    ... ])
    [range(0, 1), range(1, 3)]
    """
    turns = read(listed(messages))
    return units_of(turns, trouble_in(turns))


def dialect_of(turns: Sequence[Turn], provider: str | None) -> str:
    """Return whom the messages are meant for, as said or as the newest that tells it does."""
    if provider is not None:
        return provider_of(provider, "")
    return next((turn.dialect for turn in reversed(turns) if turn.dialect), "openai")


def first_words(turns: Sequence[Turn]) -> int:
    """Return the index of the first message that is not a system message."""
    return next((i for i, turn in enumerate(turns) if turn.role != "system"), len(turns))


def check(
    messages: Iterable[Any],
    *,
    budget: int | Budget | None = None,
    counter: object = "o200k_base",
    tools: Iterable[Any] | None = None,
    previous: Iterable[Any] | None = None,
    previous_tools: Iterable[Any] | None = None,
    provider: str | None = None,
) -> list[Finding]:
    """Say what is wrong with a history, as findings in the order of the messages.

    ==================== ======================================================== ==========
    kind                 what it means                                            `repair`
    ==================== ======================================================== ==========
    orphan_result        a tool result that answers no call, or one answered      drops it
    open_call            a tool call without result; at the very end it is in     drops it,
                         flight and valid                                         or leaves
    misplaced_result     a result that does not directly follow its call          moves it
    empty_content        a message or a text block with nothing in it             drops it
    role_order           a role at a place where the provider refuses it          drops it
    duplicate_message    a long message that says what an earlier one said        leaves it
    repeated_passage     a long paragraph that stands in an earlier message       leaves it
    prefix_breaker       what changes from request to request near the            leaves it
                         beginning, so that nothing behind it can be cached
    over_budget          more tokens than `budget`; see `trim_messages`           leaves it
    ==================== ======================================================== ==========

    `tools` are counted, and looked through for equal schemas that are written differently. With the
    messages and tools of the request before, `previous` and `previous_tools`, the first difference
    to it is told: what cannot come from the prompt cache, and why.

    Raises `InputTypeError` for what is no message, `InputError` for a provider we do not know,
    `BudgetError` for what is no budget, and what `resolve` raises for the counter.

    >>> check([{"role": "tool", "tool_call_id": "c1", "content": "12:00"}])[0].kind
    'orphan_result'
    """
    provider_of(provider, "")
    items = listed(messages)
    turns = read(items)
    found = [
        *_of_pairs(turns, trouble_in(turns)),
        *_of_content(turns),
        *_of_roles(turns, provider),
        *_of_repeats(items, turns),
        *_of_prefix(items, turns),
    ]
    if previous is not None:
        found += _of_changes(items, listed(previous))
    found.sort(key=lambda finding: finding.index or 0)  # stable: kinds in the order of the table
    found += _of_tools(schemas_of(tools), schemas_of(previous_tools))
    if budget is not None:
        limit = read_budget(budget).limit
        meter = Meter(counter, provider)
        total = meter.request + meter.tools(tools)
        total += sum(meter.message(item, i) for i, item in enumerate(items))
        if total > limit:
            detail = f"{total:,} tokens where {limit:,} are allowed; call trim_messages"
            found.append(Finding("over_budget", None, detail))
    return found


def _of_pairs(turns: Sequence[Turn], trouble: Trouble) -> Iterator[Finding]:
    for i, key in trouble.orphans:
        detail = f"the result of {key!r} answers no open call before it"
        yield Finding("orphan_result", i, detail)
    for i, key in trouble.open:
        detail = f"the call {key!r} has no result, though the chat went on"
        yield Finding("open_call", i, detail)
    for i, key in trouble.in_flight:
        yield Finding("open_call", i, f"the call {key!r} is in flight: its result is to come")
    for (i, key), call in trouble.misplaced.items():
        detail = f"the result of {key!r} does not directly follow its call in message {call}"
        yield Finding("misplaced_result", i, detail)


def _of_content(turns: Sequence[Turn]) -> Iterator[Finding]:
    for i, turn in enumerate(turns):
        if turn.blank:
            yield Finding("empty_content", i, f"the {turn.role} message is empty")
        elif turn.hollow:
            yield Finding("empty_content", i, "a text block of the message is empty")


def _of_roles(turns: Sequence[Turn], provider: str | None) -> Iterator[Finding]:
    for i, turn in enumerate(turns):
        if turn.role not in ROLES:
            yield Finding("role_order", i, f"no provider knows the role {turn.role!r}")
    first = first_words(turns)
    if (
        first < len(turns)
        and turns[first].role == "assistant"
        and dialect_of(turns, provider) == "anthropic"
    ):
        detail = "the first message is the assistant's; Anthropic wants a user message first"
        yield Finding("role_order", first, detail)


def _of_repeats(items: Sequence[Any], turns: Sequence[Turn]) -> Iterator[Finding]:
    messages: dict[tuple[str, str], int] = {}
    passages: dict[str, int] = {}
    for i, (item, turn) in enumerate(zip(items, turns, strict=True)):
        texts = [text for text in texts_of(item, i) if len(text) >= REPEATED_CHARACTERS]
        if not texts:
            continue
        whole = (turn.role, "\n\n".join(texts))
        first = messages.setdefault(whole, i)
        if first != i:
            yield Finding("duplicate_message", i, f"says again what message {first} said")
            continue
        for text in texts:
            for passage in text.split("\n\n"):
                stripped = passage.strip()
                if len(stripped) < REPEATED_CHARACTERS:
                    continue
                first = passages.setdefault(stripped, i)
                if first != i:
                    shown = " ".join(stripped[:60].split())
                    detail = f"repeats {len(stripped):,} characters of message {first}: {shown!r}"
                    yield Finding("repeated_passage", i, detail)


def texts_of(item: Any, index: int) -> Iterator[str]:
    """Yield the texts that a message says or answers, not its thoughts."""
    if kind_of(item).endswith("_output"):
        output = get(item, "output")
        if isinstance(output, str):
            yield output
        return
    for block in blocks_of(item, index):
        kind = kind_of(block)
        if kind == "tool_result":
            inner = get(block, "content")
            if isinstance(inner, str):
                yield inner
            elif isinstance(inner, list | tuple):
                yield from (t for t in map(_text_of, inner) if t)
        elif kind in TEXT_BLOCKS:
            text = _text_of(block)
            if text:
                yield text


def _text_of(block: Any) -> str:
    text = block if isinstance(block, str) else get(block, "text")
    return text if isinstance(text, str) else ""


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


def _of_prefix(items: Sequence[Any], turns: Sequence[Turn]) -> Iterator[Finding]:
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


def _of_changes(items: Sequence[Any], previous: Sequence[Any]) -> Iterator[Finding]:
    """Tell the first message that is not byte for byte what it was; all behind it is read anew."""
    behind = "nothing from here on is cached"
    for i, (now, before) in enumerate(zip(items, previous, strict=False)):
        if now is before or _written(now) == _written(before):
            continue
        if _canonical(now) == _canonical(before):
            detail = "its keys stand in another order than in the request before"
        else:
            detail = "it is not what stood here in the request before"
        yield Finding("prefix_breaker", i, f"{detail}: {behind}")
        return
    if len(items) < len(previous):
        detail = f"{len(previous) - len(items)} messages of the request before are gone at the end"
        yield Finding("prefix_breaker", None, detail)


def _of_tools(tools: Sequence[Any], previous: Sequence[Any]) -> Iterator[Finding]:
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
        detail = "the tools stand in another order than in the request before"
        yield Finding("prefix_breaker", None, f"{detail}: nothing of the request is cached")


def _written(value: Any) -> str:
    return json.dumps(value, default=repr)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)
