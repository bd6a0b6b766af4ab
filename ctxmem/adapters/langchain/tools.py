"""Offer an agent the tools that a request needs, and the others by name in `find_tool`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage, ToolMessage

from ctxmem.adapters.langchain.texts import text_of
from ctxmem.assembling import Request, assemble
from ctxmem.chat import count_messages
from ctxmem.errors import BudgetError
from ctxmem.forking import ForkSafeLock
from ctxmem.schema import Section
from ctxmem.toolset import (
    FIND_TOOL_NAME,
    Tool,
    find_tool,
    find_tools,
    rank_tools,
    read_tools,
    shaped,
)

"""The name of the tool that finds the tools that were deferred."""
_FOUND = 3  # tools that a search returns, unless it names more
_THREADS = 256
_OFFERED = "offered_from_now_on"
_SHAPE = "openai"  # which every chat model of LangChain reads
_SHARE = 0.5
"""The most that tools which are chosen may take: into the rest the conversation grows."""
_NEEDED = 0.5
"""Probability from which a tool that is not offered is a reason to choose anew."""


class Offer(NamedTuple):
    """The tools that a request offers, with `find_tool` as the last where some are left out.

    `read` are all tools of the agent, `shown` those offered in full, `hidden` those left out.
    """

    tools: list[Any]
    read: tuple[Tool, ...] = ()
    forms: Mapping[str, str] = {}
    hidden: tuple[Tool, ...] = ()


class Trial(NamedTuple):
    """An offer to try. With `unedited` it is of use only if no message leaves the window for it."""

    make: Callable[[], Offer]
    unedited: bool = False


class ToolChooser:
    """Which tools of an agent each request of a thread offers, by `ctxmem.assemble`.

    Tools that were called or found are offered in full. The others are offered in full, with
    shortened descriptions, by name in `find_tool`, or not at all. The offer stays as it is until
    messages leave the window, or a tool is needed that it lacks. May be used from many threads.
    """

    def __init__(self, counter: object) -> None:
        self._counter = counter
        self._lock = ForkSafeLock()
        self._requests: dict[str, Request] = {}  # what was chosen last for each thread
        self._offers: dict[str, Offer] = {}

    def trials(
        self,
        thread: str,
        tools: Sequence[Any],
        messages: Sequence[BaseMessage],
        limit: int,
        *,
        system: str | None,
        provider: str | None,
        forced: str | None,
    ) -> list[Trial]:
        """Return offers to try, the best first; the last takes as few tokens as possible.

        `limit` are the tokens for tools, system message and messages together. `forced` is the
        tool that the model is made to call.
        """
        read = tuple(read_tools(tools))
        objects = {one.name: tool for one, tool in zip(read, tools, strict=True)}
        wanted = {forced, *_found(messages), *_called(messages)}

        def offer(forms: Mapping[str, str], wanted: Collection[str | None]) -> Offer:
            return _offered(objects, read, {**forms, **{n: "full" for n in wanted if n in objects}})

        def chosen() -> Offer:
            return offer(
                self._chosen(thread, read, wanted, messages, limit, system, provider), wanted
            )

        def fewest(wanted: Collection[str | None]) -> Offer:
            return offer({one.name: "full" if one.hosted else "deferred" for one in read}, wanted)

        def least() -> Offer:
            turn = messages[_question(messages) :]
            return fewest({forced, *_found(turn), *_called(turn)})

        last = [Trial(lambda: fewest(wanted)), Trial(least)]
        if self._count(read) <= _SHARE * limit:
            return [Trial(lambda: offer({}, objects)), Trial(chosen), *last]
        with self._lock:
            before = self._offers.get(thread)
        if before is None or not _holds(before, read, wanted, messages):
            return [Trial(chosen), *last]

        def kept() -> Offer:
            return offer(before.forms, wanted)

        return [Trial(kept, unedited=True), Trial(chosen), Trial(kept), *last]

    def accept(self, thread: str, offer: Offer) -> None:
        """Take an offer as the one that the next request of a thread should have too."""
        with self._lock:
            self._offers.pop(thread, None)
            self._offers[thread] = offer  # the most recent is last
            if len(self._offers) > _THREADS:
                oldest = next(iter(self._offers))
                del self._offers[oldest]
                self._requests.pop(oldest, None)

    def answer(self, thread: str, query: str) -> str:
        """Return which of the tools left out a query means: the next request offers these.

        Their schemas are in that request, so that they are not repeated here.
        """
        with self._lock:
            offer = self._offers.get(thread)
        if not query.strip():
            return "give 'query': names of listed tools, or what you want to do"
        if offer is None or not offer.hidden:
            return "there are no other tools"
        found = find_tools(query, offer.hidden, _FOUND)
        found = [one for one in found if one.name in query] or found
        lines = [{"name": one.name, "description": one.gist} for one in found]
        return json.dumps({_OFFERED: lines}, ensure_ascii=False)

    def _chosen(
        self,
        thread: str,
        read: Sequence[Tool],
        wanted: Collection[str | None],
        messages: Sequence[BaseMessage],
        limit: int,
        system: str | None,
        provider: str | None,
    ) -> dict[str, str]:
        """Return the form of each tool that is not wanted anyway."""
        room = limit - self._count([one for one in read if one.name in wanted])
        if room < 1:
            raise BudgetError("there is no room for other tools", pinned=["tools"])
        with self._lock:
            before = self._requests.get(thread)
        request = assemble(
            None,
            room,
            system=system,
            tools=[one for one in read if one.name not in wanted],
            history=messages,
            provider=provider if provider == "anthropic" else "openai",
            counter=self._counter,
            sections=[Section("tools", share=_SHARE)],
            previous=before,
        )
        with self._lock:
            self._requests[thread] = request
        return {one.key: one.form for one in request.decisions if one.part == "tools"}

    def _count(self, tools: Sequence[Tool]) -> int:
        return count_messages([], self._counter, tools=[one.full for one in tools])


def _holds(
    before: Offer,
    read: Sequence[Tool],
    wanted: Collection[str | None],
    messages: Sequence[BaseMessage],
) -> bool:
    """Return whether an offer is still of these tools and lacks none that is needed."""
    if before.read != read or any(one.name in wanted for one in before.hidden):
        return False
    if not before.hidden:
        return True
    asked = messages[_question(messages)] if messages else None
    recent = [call["name"] for one in messages for call in getattr(one, "tool_calls", ())]
    chances = rank_tools(text_of(asked) if asked is not None else "", read, recent=recent)
    hidden = {one.name for one in before.hidden}
    return not any(
        chance >= _NEEDED and one.name in hidden for one, chance in zip(read, chances, strict=True)
    )


def _offered(objects: Mapping[str, Any], read: tuple[Tool, ...], forms: Mapping[str, str]) -> Offer:
    """Return tools in their forms: in full the objects of the agent, the short ones as dicts."""
    made: list[Any] = []
    hidden = []
    for tool in read:
        form = forms.get(tool.name)
        if form == "full":
            made.append(objects[tool.name])
        elif form == "short":
            made.append(shaped(tool.short, _SHAPE))
        else:
            hidden.append(tool)
    if hidden:
        named = [tool for tool in hidden if forms.get(tool.name) == "deferred"]
        made.append(find_tool(named, _SHAPE))
    return Offer(made, read, forms, tuple(hidden))


def _question(messages: Sequence[BaseMessage]) -> int:
    """Return where the last question is."""
    asked = (i for i in reversed(range(len(messages))) if messages[i].type == "human")
    return next(asked, 0)


def _called(messages: Iterable[BaseMessage]) -> set[str]:
    """Return the names of the tools that these messages call."""
    return {call["name"] for message in messages for call in getattr(message, "tool_calls", ())}


def _found(messages: Iterable[BaseMessage]) -> set[str]:
    """Return the names of the tools that `find_tool` returned in these messages."""
    names: set[str] = set()
    for message in messages:
        if not isinstance(message, ToolMessage) or message.name != FIND_TOOL_NAME:
            continue
        try:
            answer = json.loads(message.content) if isinstance(message.content, str) else None
        except ValueError:  # a sentence that says what to ask
            continue
        offered = answer.get(_OFFERED) if isinstance(answer, dict) else None
        for one in offered if isinstance(offered, list) else ():
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                names.add(one["name"])
    return names
