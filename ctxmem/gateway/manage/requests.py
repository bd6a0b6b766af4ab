"""A client's request, read so that it can be managed; what was read before is not read again."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from threading import Lock
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.errors import CtxmemError
from ctxmem.gateway.exchanges import Exchange, decoded
from ctxmem.gateway.manage.accounts import Priced
from ctxmem.gateway.manage.knowing import Known, Reader, unmarked
from ctxmem.gateway.manage.marking import Marks, client_marks
from ctxmem.gateway.manage.splicing import Document, document, document_after
from ctxmem.gateway.manage.transcripts import Head, Transcript, Transcripts
from ctxmem.gateway.observe.weighing import FALLBACK, MOST_MODELS
from ctxmem.gateway.recall.offering import offered
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Asked, Unreadable
from ctxmem.pricing import Block, Prefixes, Prices, prefixes_of, prices_of, row_of

_MOST_IN_LOOP = 1 << 20  # bytes of a request that is read in the event loop, ...
_MOST_NEW = 16 << 10  # ... if no more than so many of them are new
_LISTS = {"chat": "messages", "responses": "input", "anthropic": "messages"}


@dataclass(slots=True)
class Request:
    """A request while it is prepared.

    Attributes:
        exchange: it is the request of.
        asked: what it asks.
        transcript: what was read of it.
        before: the transcript of the request that it goes on with, None if there is none.
        shared: how many of the first messages are those of `before`.
        meter, counter, label: what counts it, and the names of that.
        prices, marks: what it is priced by, and the client's cache marks.
        head: what is before the conversation.
        own: the client's own bytes.
        passed: the same, with the tool `recall` where that is offered, and a choice of tools.
        recall: the tool `recall` in a list, an empty one where it is not offered.
        recall_tokens: of the tool.
        budget: in tokens.
        now: in seconds since 1970.
    """

    exchange: Exchange
    asked: Asked
    transcript: Transcript
    before: Transcript | None
    shared: int
    meter: Meter
    counter: str
    label: str
    prices: Prices
    marks: Marks
    head: Head
    own: Priced
    passed: Priced
    budget: int
    now: float
    recall: Sequence[Any] = ()
    recall_tokens: int = 0
    _places: dict[bytes, int] | None = None

    @property
    def places(self) -> dict[bytes, int]:
        """The numbers of the messages by their digests; of equal ones, that of the last."""
        if self._places is None:
            digests = self.transcript.digests
            self._places = dict(zip(digests, range(len(digests)), strict=True))
        return self._places

    @property
    def model(self) -> str:
        """The model that is asked."""
        return self.asked.model

    @property
    def document(self) -> Document:
        """The body."""
        return self.transcript.document

    @property
    def known(self) -> list[Known]:
        """What is known of each message."""
        return self.transcript.known

    @property
    def offering(self) -> bool:
        """Whether the model is offered the tool `recall`."""
        return bool(self.recall)

    @property
    def changed(self) -> bool:
        """Whether the tools are not those of the client."""
        return self.passed is not self.own

    @property
    def opening(self) -> int:
        """The first message of the user; the first of all, if there is none."""
        users = (i for i, one in enumerate(self.asked.messages) if one.get("role") == "user")
        return next(users, 0)


class RequestReader:
    """Reads requests; for many threads.

    Args:
        settings: the options.
        reader: knows messages by what they say.
        window_of: a function from a model to the tokens that it takes, None where that is not
            known.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        reader: Reader,
        *,
        window_of: Callable[[str], int | None] | None,
        clock: Callable[[], float],
    ) -> None:
        self.settings, self._reader = settings, reader
        self._window_of, self._clock = window_of, clock
        self._meters: OrderedDict[tuple[str, str], tuple[str, Meter]] = OrderedDict()
        self._heads: dict[tuple[str, int], Head] = {}
        self._transcripts = Transcripts()
        self._lock = Lock()

    def read(self, exchange: Exchange) -> Request | None:
        """Return a request that can be managed; None, and why, for another.

        Raises:
            Unreadable: it is not of its format.
        """
        wire = exchange.wire
        try:
            data = decoded(exchange.coding, exchange.original)
        except (ValueError, zlib.error):
            raise Unreadable("the body is not of the coding that it names") from None
        before = self._transcripts.find(exchange.tenant, wire.name, data)
        read = document(data, _LISTS[wire.name], None if before is None else before.document)
        return self._read(exchange, read, before)

    def read_on(self, exchange: Exchange) -> Request | None:
        """Return a request that continues one that was read, with few new bytes; else None.

        This is quick enough for the event loop. `read` reads the other requests.

        Raises:
            Unreadable: it is not of its format.
        """
        if sum(map(len, exchange.original)) > _MOST_IN_LOOP:
            return None
        data = decoded("", exchange.original)
        before = self._transcripts.find(exchange.tenant, exchange.wire.name, data)
        if before is None or len(data) - len(before.document.data) > _MOST_NEW:
            return None
        read = document_after(data, before.document)
        return None if read is None else self._read(exchange, read, before)

    def _read(
        self, exchange: Exchange, read: Document, before: Transcript | None
    ) -> Request | None:
        """Return a request whose body was read; `before` is what it may go on with."""
        wire, facts = exchange.wire, exchange.facts
        asked = exchange.asked = wire.read(read.body)
        facts["model"] = asked.model
        if asked.kept:
            exchange.why = "kept by the provider"
            return None
        if not asked.messages or read.objects < len(read.places):
            exchange.why = "no messages" if not asked.messages else "unreadable"
            return None
        counter, meter = self._meter(self.settings.counter or asked.model, wire.provider)
        label = f"{wire.name} {counter}"
        first = len(read.places) - len(asked.messages)
        if before is None or (before.label, before.first) != (label, first) or not read.framed:
            before = None
        shared = 0 if before is None else max(0, read.shared - first)
        made = self._transcript(read, asked, meter, label, before, shared)
        marks = client_marks(wire.name, asked, made.marked)
        tools = offered(asked, wire.name) if self.settings.recall else asked.tools
        offering = tools is not asked.tools
        head = self._head(made, before, asked, tools, meter, wire.name, offering)
        prices = self._prices(wire.name, asked.model, marks)
        at = marks.of(
            prices, len(asked.system), len(head.blocks), len(head.blocks) + len(made.known)
        )
        own = passed = Priced(self._blocks(made, head, before, shared, offering), at)
        if offering:
            plain = self._head(made, before, asked, asked.tools, meter, wire.name, False)
            own = Priced(self._blocks(made, plain, before, shared, False), at)
        self._transcripts.keep(exchange.tenant, wire.name, made, before)
        budget = self._budget(asked)
        if budget is None:
            exchange.why = "no budget"
            return None
        facts["budget"] = budget
        return Request(
            *(exchange, asked, made, before, shared, meter, counter, label, prices, marks),
            head=head,
            own=own,
            passed=passed,
            budget=budget,
            now=self._clock(),
            recall=tools[len(asked.tools) :],
            recall_tokens=passed.tokens - own.tokens,
        )

    def with_tools(self, request: Request, schemas: Sequence[Any], key: Hashable) -> Request:
        """Return a request with a choice of the client's tools; `key` is the same for the same."""
        made, before, asked = request.transcript, request.before, request.asked
        tools, at = [*schemas, *request.recall], (key, request.offering)
        head = self._head(made, before, asked, tools, request.meter, request.exchange.wire.name, at)
        blocks = self._blocks(made, head, before, request.shared, at)
        return replace(request, head=head, passed=Priced(blocks, request.own.marks))

    def _transcript(
        self,
        read: Document,
        asked: Asked,
        meter: Meter,
        label: str,
        before: Transcript | None,
        shared: int,
    ) -> Transcript:
        """Return what is known of a request, of which the first `shared` messages are known."""
        first = len(read.places) - len(asked.messages)
        new = [
            self._reader.read(raw, message, meter, label)
            for raw, message in zip(
                read.elements[first + shared :],
                asked.messages[shared:],
                strict=True,
            )
        ]
        known: list[Known] = []
        digests: list[bytes] = []
        marked: list[int] = []
        if before is not None:
            known, digests = before.known[:shared], before.digests[:shared]
            marked = [place for place in before.marked if place < shared]
        marked += [shared + i for i, one in enumerate(new) if one.marked]
        digests += [one.digest for one in new]
        return Transcript(read, label, first, [*known, *new], digests, marked)

    def _blocks(
        self,
        made: Transcript,
        head: Head,
        before: Transcript | None,
        shared: int,
        key: Hashable,
    ) -> Prefixes:
        """Return the blocks of a request behind a head."""
        ahead = len(head.blocks)
        last = None if before is None else before.blocks.get(key)
        if last is not None and before is not None and before.heads.get(key) is head:
            new = (Block(one.key, one.tokens) for one in islice(made.known, shared, None))
            found = last.then(new, ahead + shared)
        else:
            found = prefixes_of([*head.blocks, *(Block(one.key, one.tokens) for one in made.known)])
        made.blocks[key] = found
        return found

    def _meter(self, counter: str, provider: str) -> tuple[str, Meter]:
        """Return the name of a model's counter, and what counts messages by it."""
        at = (counter, provider)
        with self._lock:
            found = self._meters.get(at)
            if found is None:
                name = counter or FALLBACK
                try:
                    found = name, Meter(name, provider)
                except (CtxmemError, OSError, ValueError):
                    found = FALLBACK, Meter(FALLBACK, provider)
                self._meters[at] = found
                if len(self._meters) > MOST_MODELS:
                    self._meters.popitem(last=False)
            return found

    def _prices(self, wire: str, model: str, marks: Marks) -> Prices:
        if self.settings.prices is not None:
            return prices_of(self.settings.prices)
        return row_of(wire, model, hour=marks.hour)

    def _budget(self, asked: Asked) -> int | None:
        if self.settings.budget is not None:
            return self.settings.budget
        window = self._window_of(asked.model) if self._window_of is not None else None
        return None if window is None else max(1, window - (asked.answer or 0))

    def _head(
        self,
        made: Transcript,
        before: Transcript | None,
        asked: Asked,
        schemas: Sequence[Any],
        meter: Meter,
        wire: str,
        key: Hashable,
    ) -> Head:
        """Return what is before the conversation, as it was if its bytes are those of before."""
        found = None
        if before is not None and made.document.shared >= made.first:
            found = before.heads.get(key)
        if found is None:
            found = self._counted(asked, schemas, meter, made.label, wire)
        made.heads[key] = found
        return found

    def _counted(
        self, asked: Asked, schemas: Sequence[Any], meter: Meter, label: str, wire: str
    ) -> Head:
        about = [unmarked(one) for one in asked.system]
        tools = [unmarked(one) for one in schemas]
        at = (label, self._reader.key([about, tools, asked.tool_choice, asked.response_format]))
        held = self._heads.get(at)
        if held is None:
            held = self._counted_head(asked, about, tools, meter, wire)
            with self._lock:
                if len(self._heads) > 1 << 10:
                    self._heads.clear()
                self._heads[at] = held
        return held

    def _counted_head(
        self, asked: Asked, about: Sequence[Any], tools: Sequence[Any], meter: Meter, wire: str
    ) -> Head:
        beside = meter.tools(tools, asked.tool_choice) + meter.answer(asked.response_format)
        beside += meter.request
        blocks = [Block(self._reader.key([tools, asked.tool_choice]), beside)]
        for one in about:
            message = one if wire != "anthropic" else {"role": "user", "content": [one]}
            blocks.append(Block(self._reader.key(one), meter.message(message, 0)))
        system = sum(block.tokens for block in blocks[1:])
        return Head(blocks, {"tools": beside, "system": system})
