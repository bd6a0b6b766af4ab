"""Which of a client's tools a conversation sends, by `ctxmem.assemble`.

Tools are the beginning of what a provider caches, so the choice is made once for a conversation,
from the client's tools and the first message of the user: every process makes the same. It grows by
tools that the model calls or finds, where the account can pay for the lost cache.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ctxmem.assembling import assemble
from ctxmem.chat.parts import parts_of
from ctxmem.errors import BudgetError, InputError, InputTypeError
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.accounts import Account, Priced
from ctxmem.gateway.manage.conversations import Conversation
from ctxmem.gateway.manage.knowing import unmarked
from ctxmem.gateway.manage.requests import Request, RequestReader
from ctxmem.gateway.manage.splicing import written
from ctxmem.gateway.recall.answering import RecallBudget
from ctxmem.gateway.recall.offering import may_answer
from ctxmem.gateway.wire.rounds import dicts_in
from ctxmem.memory.tool import arguments_of
from ctxmem.pricing import prefixes_of
from ctxmem.schema import Section
from ctxmem.toolset import Tool, answer_find, find_tool, find_tools, read_tools, shaped
from ctxmem.toolset.finding import NAME

_SHAPES = {"chat": "openai", "responses": "responses", "anthropic": "anthropic"}
_PLAIN = {
    "chat": frozenset(("type", "function")),
    "responses": frozenset(("type", "name", "description", "parameters", "strict")),
    "anthropic": frozenset(("type", "name", "description", "input_schema", "strict")),
}
"""Fields of a tool that may be left out; one with other fields is sent as it is."""
_IN_A_FUNCTION = frozenset(("name", "description", "parameters", "strict"))
_LEAST_LEFT_OUT = 0.1
"""Share of the tokens of all tools that a choice has to leave out."""
_LEAST_ROOM = 200  # tokens to choose for
_OVER_MINIMUM = 1.25
"""A choice may have so many times the least number of tokens that a provider caches.

A request below that number is not cached, and costs more than a larger one that is.
"""
_MOST_READ = 8_000  # characters of the user's first message
_FOUND = 3  # tools that a search declares, unless it names more
_ANSWER = 2_000  # tokens that a call of `find_tool` may bring
_MOST_HELD = 1 << 12  # conversations
_MOST_BYTES = 32 << 20
"""Bytes of their tools as clients write them; what is read of them takes some three times that."""


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The tools of a client in the forms in which they are sent.

    Attributes:
        given: the client's tools.
        tools: the same, as they were read.
        forms: "full", "short", "deferred" or "omitted", by name.
        shape: of tools in the wire format.
        order: what is sent: the place of a tool that is sent as the client wrote it, or a schema.
    """

    given: Sequence[Any]
    tools: tuple[Tool, ...]
    forms: Mapping[str, str]
    shape: str
    order: tuple[Any, ...]

    @classmethod
    def of(
        cls, given: Sequence[Any], tools: Sequence[Tool], forms: Mapping[str, str], shape: str
    ) -> Chosen:
        """Return tools in their forms; `find_tool` is where the first is left out."""
        listed = [tool for tool in tools if forms[tool.name] == "deferred"]
        order: list[Any] = []
        finder = False
        for i, tool in enumerate(tools):
            form = forms[tool.name]
            if form == "full":
                order.append(i)
            elif form == "short":
                order.append(shaped(tool.short, shape))
            elif not finder:
                order.append(find_tool(listed, shape))
                finder = True
        return cls(given, tuple(tools), forms, shape, tuple(order))

    @property
    def schemas(self) -> list[Any]:
        """The tools as they are sent."""
        return [self.given[one] if isinstance(one, int) else one for one in self.order]

    @property
    def hidden(self) -> tuple[Tool, ...]:
        """The tools that are sent without a schema."""
        return tuple(one for one in self.tools if self.forms[one.name] in ("deferred", "omitted"))

    def written(self, elements: Sequence[bytes]) -> list[bytes]:
        """Return the tools as JSON; those of the client as they are written."""
        return [elements[one] if isinstance(one, int) else written(one) for one in self.order]

    def lacking(self, names: Collection[str]) -> set[str]:
        """Return which of these tools are not sent in full."""
        return {name for name in names if self.forms.get(name, "full") != "full"}

    def with_full(self, names: Collection[str]) -> Chosen:
        """Return the choice with more tools in full."""
        forms = {**self.forms, **dict.fromkeys(self.lacking(names), "full")}
        return Chosen.of(self.given, self.tools, forms, self.shape)


class Finder:
    """The choice of tools for one exchange; it answers calls of `find_tool`.

    Args:
        chosen: the tools that are sent.
        declares: whether tools that are found are declared in the request that goes on. That loses
            the cached prefix; else their schemas are in the answer.
        room: what the request may still grow by.
    """

    def __init__(self, chosen: Chosen, *, declares: bool, room: RecallBudget) -> None:
        self.first = self.chosen = chosen
        self._declares, self._room = declares, room
        self.found: set[str] = set()
        """Names of the tools that the model was promised."""

    @property
    def schemas(self) -> list[Any]:
        """The tools that are sent."""
        return self.chosen.schemas

    def written(self, elements: Sequence[bytes]) -> list[bytes]:
        """Return these tools as JSON; `elements` are the client's tools as they are written."""
        return self.chosen.written(elements)

    def answer(self, call: dict[str, Any]) -> str:
        """Return what a call of `find_tool` is answered with."""
        arguments = arguments_of(call)
        given = arguments.get("query")
        query = " ".join(map(str, given)) if isinstance(given, list) else given
        hidden = self.chosen.hidden
        if not self._declares or not hidden or not isinstance(query, str) or not query.strip():
            return answer_find(arguments, hidden, provider=self.chosen.shape)
        found = find_tools(query, hidden, _FOUND)
        found = [one for one in found if one.name in query] or found
        self.found.update(one.name for one in found)
        lines = [{"name": one.name, "description": one.gist} for one in found]
        return json.dumps({"offered_from_now_on": lines}, ensure_ascii=False)

    def declared(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Return a request with the tools that were found."""
        if not self.chosen.lacking(self.found):
            return sent
        before, self.chosen = self.chosen, self.chosen.with_full(self.found)
        added = json.dumps([one.schema for one in before.hidden if one.name in self.found])
        self._room.take(self._room.count(added))
        return {**sent, "tools": [*self.chosen.schemas, *sent["tools"][len(before.order) :]]}


@dataclass(slots=True)
class _Held:
    """What is known of one conversation: its choice, whether it is sent, and what was found.

    A `tool_choice` may need all tools. The provider may keep them until `whole_until`, also for
    requests with another one, and to change them before would cost that cache. `size` is that of
    the client's request without its messages, in bytes.
    """

    given: Sequence[Any]
    chosen: Chosen | None
    size: int
    sent: bool = False
    off: bool = False
    whole_until: float = 0.0
    found: frozenset[str] = frozenset()


class ToolSets:
    """The choices of all conversations; whoever asks for one holds the lock of its family."""

    def __init__(self, budget: int | None, requests: RequestReader) -> None:
        self._budget, self._requests = budget, requests
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def concern(self, request: Request) -> bool:
        """Return whether a request may be sent with a choice of its tools."""
        return self._budget is not None and bool(request.asked.tools)

    def managed(self, request: Request, conversation: Conversation, account: Account) -> Request:
        """Return a request with the tools of its conversation, or as it is."""
        asked, wire = request.asked, request.exchange.wire.name
        if not self.concern(request) or not may_answer(asked, wire, NAME):
            return request
        held = self._of(request, conversation)
        called = _called(asked.messages) | held.found
        if held.off or held.chosen is None:
            return request
        choice = asked.tool_choice
        if not held.sent:
            if choice not in _FREE or held.whole_until >= request.now:
                held.whole_until = request.now + request.prices.ttl
                return request
            made = self._first(request, held.chosen.with_full(called), account)
            if made is None:
                return request
            held.chosen, held.sent = made[0], True
            return self._with(*made)
        if not _may_keep(choice, held.chosen):
            return request
        return self._again(request, held, called, account)

    def _of(self, request: Request, conversation: Conversation) -> _Held:
        key = (request.exchange.tenant, conversation.session)
        given = request.asked.tools
        with self._lock:
            held = self._held.get(key)
            if held is not None and (held.given is given or held.given == given):
                self._held.move_to_end(key)
                return held
        size = request.document.around
        held = _Held(given, self._chosen(request), size)
        with self._lock:
            before = self._held.pop(key, None)
            self._bytes += size - (before.size if before is not None else 0)
            self._held[key] = held
            while len(self._held) > _MOST_HELD or (
                self._bytes > _MOST_BYTES and len(self._held) > 1
            ):
                self._bytes -= self._held.popitem(last=False)[1].size
        return held

    # Choosing -------------------------------------------------------------------------------------

    def _chosen(self, request: Request) -> Chosen | None:
        """Return the choice of a conversation, None where all tools have to be sent.

        Calls play no part, so that the choice is the same at every request of a conversation.
        """
        given, wire = request.asked.tools, request.exchange.wire.name
        shape, count = _SHAPES[wire], request.meter.tools
        limit = max(self._budget or 0, int(_OVER_MINIMUM * request.prices.minimum))
        whole = count(given)
        if whole <= limit or not all(isinstance(one, dict) for one in given):
            return None
        try:
            tools = read_tools(given)
        except (InputError, InputTypeError):
            return None
        if any(_finds(one) for one in given):
            return None  # the client lets the provider find tools
        kept = {
            tool.name
            for tool, one in zip(tools, given, strict=True)
            if tool.hosted or not _is_plain(one, wire)
        }
        free = [tool for tool in tools if tool.name not in kept]
        always = [one for tool, one in zip(tools, given, strict=True) if tool.name in kept]
        room = limit - (count(always) if always else 0)
        forms = self._forms(request, free, max(_LEAST_ROOM, room), shape)
        if forms is None:
            return None
        chosen = Chosen.of(given, tools, {**dict.fromkeys(kept, "full"), **forms}, shape)
        least = (1 - _LEAST_LEFT_OUT) * whole
        return chosen if chosen.hidden and count(chosen.schemas) <= least else None

    def _forms(
        self, request: Request, free: Sequence[Tool], room: int, shape: str
    ) -> dict[str, str] | None:
        opening = request.asked.messages[request.opening]
        texts = [part.text for part in parts_of(opening, 0) if part.kind == "text"]
        question = "\n".join(texts)[:_MOST_READ].strip() or "."
        try:
            made = assemble(
                question,
                room + request.meter.count(question) + _LEAST_ROOM,
                tools=free,
                provider=shape,
                counter=request.counter,
                sections=[Section("tools", max=room)],
            )
        except (BudgetError, InputError, InputTypeError):
            return None
        forms = {one.key: one.form for one in made.decisions if one.part == "tools"}
        return {tool.name: forms.get(tool.name, "omitted") for tool in free}

    # Deciding -------------------------------------------------------------------------------------

    def _first(
        self, request: Request, chosen: Chosen, account: Account
    ) -> tuple[Chosen, Request] | None:
        """Return the choice and the request with it, None where it does not pay.

        What it saves at once has to pay for a call of `find_tool`, too. A conversation that sent it
        before, by another process, goes on with it where it is the cheaper.
        """
        made = self._requests.with_tools(request, chosen.schemas, chosen)
        least = account.minimum()
        if made.passed.tokens < least <= request.own.tokens:
            return None
        due = account.due(request.own, request.now)
        cost = account.cost(made.passed, request.now)
        reserve = account.margin(due) + _rewriting(made, made.passed.tokens)
        own = account.cost(request.passed, request.now, own=not request.offering)
        pays = account.within(cost + reserve, account.to_spend + due)
        return (chosen, made) if pays or (account.diverged and cost < own) else None

    def _again(
        self, request: Request, held: _Held, called: Collection[str], account: Account
    ) -> Request:
        """Return a request with the choice that the one before had, where called tools are added.

        Where even that costs more than the client's tools, these are sent from now on.
        """
        assert held.chosen is not None
        due = account.due(request.own, request.now)
        allowance = account.to_spend + due
        if held.chosen.lacking(called):
            more = held.chosen.with_full(called)
            made = self._requests.with_tools(request, more.schemas, more)
            cost = account.cost(made.passed, request.now) + account.margin(due)
            if account.within(cost, allowance):
                held.chosen = more
                return self._with(more, made)
        made = self._requests.with_tools(request, held.chosen.schemas, held.chosen)
        cost = account.cost(made.passed, request.now)
        own = account.cost(request.passed, request.now, own=not request.offering)
        if not account.within(cost, allowance) and own < cost:
            held.off = True
            return request
        return self._with(held.chosen, made)

    @staticmethod
    def _with(chosen: Chosen, request: Request) -> Request:
        request.exchange.notes["chosen"] = chosen
        return request

    @staticmethod
    def said(request: Request) -> str:
        """Return what the client is shown of the choice, in a header."""
        finder: Finder | None = request.exchange.notes.get("finder")
        if finder is None:
            return ""
        hidden, count = len(finder.first.hidden), len(finder.first.tools)
        return f"; {count - hidden} of {count} tools"

    # Around an exchange ---------------------------------------------------------------------------

    def begin(self, request: Request, sent: Priced, account: Account, room: RecallBudget) -> None:
        """Have calls of `find_tool` answered; the request was charged."""
        notes = request.exchange.notes
        chosen: Chosen | None = notes.pop("chosen", None)
        if chosen is None:
            return
        declares = _rewriting(request, sent.tokens + _ANSWER) <= account.to_spend
        notes["finder"] = Finder(chosen, declares=declares, room=room)
        notes["tools"] = (request, sent)

    def finish(self, exchange: Exchange, conversation: Conversation, account: Account) -> None:
        """Take in which tools were found, or that the provider refused the choice."""
        finder: Finder | None = exchange.notes.pop("finder", None)
        if finder is None:
            return
        request, sent = exchange.notes.pop("tools")
        with self._lock:
            held = self._held.get((exchange.tenant, conversation.session))
        if held is None:
            return
        # Beside a call of the client no request goes on: its next one declares what was found.
        held.found |= finder.found
        if held.chosen is not finder.first:
            return
        if exchange.why == "refused":
            held.off = True
        elif finder.chosen is not finder.first:
            held.chosen = finder.chosen
            made = self._requests.with_tools(request, finder.chosen.schemas, finder.chosen)
            _hold(account, made, sent, whole=sent.prefixes.keys == request.passed.prefixes.keys)


_FREE = (None, "auto", {"type": "auto"})
_NONE = ("none", {"type": "none"})
_ANY = ("required", {"type": "any"})


def _may_keep(choice: Any, chosen: Chosen) -> bool:
    """Return whether a choice of tools can be sent with the client's `tool_choice`."""
    if isinstance(choice, dict) and choice.get("type") in ("auto", "any", "none"):
        return True
    if choice in _FREE or choice in _NONE or choice in _ANY:
        return True
    inner = choice.get("function", choice) if isinstance(choice, dict) else None
    name = inner.get("name") if isinstance(inner, dict) else None
    return isinstance(name, str) and name in chosen.forms and not chosen.lacking({name})


def _rewriting(request: Request, tokens: int) -> float:
    """Return what a request costs of which the cache holds nothing."""
    return max(1.0, request.prices.write) * tokens


def _hold(account: Account, request: Request, sent: Priced, *, whole: bool) -> None:
    """Take the provider's cache to hold what a request with other tools begins with.

    `whole` says that the client's messages were sent; else no more than the head is known.
    """
    held = request.passed.prefixes if whole else prefixes_of(request.head.blocks)
    keys = held.keys[1:]
    if request.prices.marked:
        keys = [held.keys[place] for place in sent.marks if place < len(held.keys)]
    account.ours.entries.update(dict.fromkeys(keys, request.now))


def _called(messages: Sequence[Any]) -> set[str]:
    """Return the names of the tools that a history calls, in any wire format."""
    found: set[str] = set()
    for message in dicts_in(messages):
        calls: list[Any] = [message] if message.get("type") == "function_call" else []
        calls += [one.get("function") for one in dicts_in(message.get("tool_calls"))]
        calls += [one for one in dicts_in(message.get("content")) if one.get("type") == "tool_use"]
        found.update(one["name"] for one in dicts_in(calls) if isinstance(one.get("name"), str))
    return found


def _is_plain(tool: dict[str, Any], wire: str) -> bool:
    """Return whether a tool is a function that nothing is asked of but to be offered."""
    if unmarked(tool) is not tool or tool.keys() - _PLAIN[wire]:
        return False
    inner = tool.get("function", tool)
    if not isinstance(inner, dict) or inner.get("strict") is True:
        return False
    if wire == "anthropic":
        return tool.get("type") in (None, "custom")
    in_chat = wire == "chat"
    return tool.get("type") == "function" and (not in_chat or not inner.keys() - _IN_A_FUNCTION)


def _finds(tool: dict[str, Any]) -> bool:
    """Return whether a tool is found by the provider, or finds others there."""
    return bool(tool.get("defer_loading")) or str(tool.get("type")).startswith("tool_search")
