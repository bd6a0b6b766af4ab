"""Make the record of something appended: what is stored of it, and what is sent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ctxmem.chat.counting import Meter
from ctxmem.chat.parts import Part, parts_of
from ctxmem.chat.reading import read_one
from ctxmem.chat.shapes import ROLES, role_of, shown
from ctxmem.errors import InputError, InputTypeError
from ctxmem.memory.encoding import check_shape, decode, plain, sendable_data
from ctxmem.memory.framework_messages import as_plain, framework_of, restored
from ctxmem.memory.items import Content
from ctxmem.memory.schedule import horizon
from ctxmem.memory.session_log import SessionLog
from ctxmem.memory.session_state import page_cuts
from ctxmem.memory.tables import tabled
from ctxmem.memory.texts import said_in, spoken_text, text_of, with_results
from ctxmem.pricing import Prices
from ctxmem.schema import Chunk, PageId

_TABLE_SHARE = 0.9
"""A result is written as a table where that takes at most this share of its tokens."""
_TABLE_CHARACTERS = 120
_SURELY_CACHED = 1.1
"""A prompt is cached whatever the provider counts if it has the minimum by so much."""
_NEAR_SHARE = 0.4
"""A session with this share of the shortest cached prompt is taken to reach it without tables."""


class Prepared(NamedTuple):
    """A record that is not yet written, the pages it names, and what its item is made of."""

    record: dict[str, Any]
    pages: dict[PageId, bytes]
    content: Content


class Progress(NamedTuple):
    """How far a session is: the tokens of all its messages as sent, and the calls there were."""

    tokens: int
    calls: int


class RecordMaker:
    """Makes the records of one session's messages; it changes nothing."""

    def __init__(
        self,
        log: SessionLog,
        meter: Meter,
        prices: Prices,
        budget: int,
        *,
        counter_name: str | None,
        tabulate_json: bool,
    ) -> None:
        self._log, self._meter, self._prices = log, meter, prices
        self.counter_name = counter_name
        self._tabulate_json = tabulate_json
        self._cached_from = prices.minimum if prices.minimum <= budget else 0
        self.ahead: int | None = None
        """Tokens of the request before its messages, where no table may ever cost more than the
        result it is made of; None where it is enough that most do not."""

    def prepared(
        self, given: Any, index: int, *, pinned: bool, at: float, progress: Progress
    ) -> Prepared:
        """Return the record of a message, a chunk or a text; `progress` is that of its session.

        Raises:
            InputTypeError: it is none of them.
            InputError: it holds what JSON cannot, or has a role that no provider knows.
        """
        message, chunk = _as_message(given, index)
        pinned = pinned or (isinstance(given, Chunk) and given.pinned)
        if isinstance(message, Mapping):
            check_shape(message, f"message {index}")  # readers recurse
            _check_role(message, index)
        turn = read_one(message, index)
        data = plain(as_plain(message, f"message {index}"), f"message {index}")
        clean = sendable_data(data)
        if clean is not None:
            message = restored(decode(clean))
        elif (
            type(message) is not dict
            or type(message.get("content")) is not str
            or len(message) != 2
        ):
            message = restored(decode(data))  # a copy that the caller cannot change
        parts = () if said_in(message) is not None else tuple(parts_of(message, index))
        sent = self._with_tables(message, parts, progress)
        tokens = self._meter.message(sent, index)
        text = text_of(message, index, parts)
        page = self._log.page_id(data)
        pages = {page: data}
        record: dict[str, Any] = {
            "op": "append",
            "item": index,
            "page": page,
            "tokens": tokens,
            "at": at,
        }
        if sent is not message or clean is not None:
            shorter = plain(as_plain(sent, f"message {index}"), f"message {index}")
            record["sent"] = self._log.page_id(shorter)
            pages[record["sent"]] = shorter
            if sent is not message:
                record["untabled"] = self._meter.message(message, index)
        if self.counter_name is not None:
            record["counter"] = self.counter_name
        cuts = page_cuts(text, self._meter.count, tokens)
        for name, value in (("cuts", cuts), ("chunk", chunk), ("pinned", pinned)):
            if value:
                record[name] = value
        spoken = spoken_text(message, index, parts)
        return Prepared(record, pages, Content(sent, turn, text, spoken))

    def _with_tables(self, message: Any, parts: Iterable[Part], progress: Progress) -> Any:
        """Return the message with its JSON results written as tables, where that is shorter."""
        if not self._tabulate_json:
            return message
        count = self._meter.count

        def shorter(text: str) -> str | None:
            if len(text) < _TABLE_CHARACTERS:
                return None
            table = tabled(text)
            if table is None:
                return None
            before, after = count(text), count(table)
            # Where caches count in steps, a saving of less than half a step may be lost again.
            shorter = after <= _TABLE_SHARE * before and before - after >= self._prices.step // 2
            return table if shorter and self._stays_cached(before, after, progress) else None

        return with_results(message, shorter, parts)

    def _stays_cached(self, before: int, after: int, progress: Progress) -> bool:
        """Return whether a table of `after` tokens costs less than the result it is made of.

        A shorter prompt costs more where it is too short for the provider's cache. The calls to
        come are compared, if the session grows as it did so far.
        """
        if self.ahead is not None:
            return self.ahead + progress.tokens >= _SURELY_CACHED * self._cached_from
        if progress.tokens + after >= self._cached_from:
            return True
        if progress.tokens >= _NEAR_SHARE * self._cached_from:
            return False
        prices, calls = self._prices, int(horizon(progress.calls))

        def price(tokens: int) -> float:
            growth = (progress.tokens + tokens) / (progress.calls + 1)
            cost = cached = 0.0
            for call in range(calls):
                size = progress.tokens + tokens + growth * call
                if size < self._cached_from:
                    cost += size
                    continue
                cost += prices.read * cached + prices.write * (size - cached)
                cached = size
            return cost

        return price(after) <= price(before)


def _as_message(given: Any, index: int) -> tuple[Any, bool]:
    """Return a message, and whether it is a passage."""
    if isinstance(given, Chunk):
        source = f"[{given.source}]\n" if given.source else ""
        return {"role": "user", "content": source + given.text}, True
    if isinstance(given, str):
        return {"role": "user", "content": given}, True
    if isinstance(given, Mapping):
        return dict(given), False
    if framework_of(given):
        return given, False
    raise InputTypeError(
        f"message {index} is {shown(given)}; expected a dict with 'role' and 'content', a "
        "ctxmem.Chunk, a str, or a message of LangChain or LlamaIndex"
    )


def _check_role(message: Mapping[str, Any], index: int) -> None:
    """Raise `InputError` for a role of a dict that no provider and no framework has."""
    role = role_of(message, index)
    if role is None or role in ROLES:
        return
    known = [name for name in ROLES if name.islower()]
    hint = f": did you mean {role.lower()!r}?" if role.lower() in ROLES else ""
    raise InputError(
        f"message {index} has the role {role!r}; expected one of {', '.join(known)}{hint}"
    )


def check_number(start: Any) -> None:
    """Raise `InputTypeError` or `InputError` for what is no number of a message."""
    if not isinstance(start, int) or isinstance(start, bool):
        raise InputTypeError(f"start is {shown(start)}; expected the number of a message")
    if start < 0:
        raise InputError(f"start is {start}; expected the number of a message, from 0 on")


def seconds_of(at: float | datetime | None) -> float:
    """Return a time in seconds since 1970 (UTC); now for None.

    Raises `InputTypeError` for what is no time. A `datetime` without a zone is taken for UTC.
    """
    if at is None:
        return round(time.time(), 3)
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    if isinstance(at, int | float) and not isinstance(at, bool) and abs(at) < 1e15:
        return float(at)
    raise InputTypeError(f"at is {shown(at)}; expected a datetime or seconds since 1970")
