"""Keep an agent's context within a budget, whatever its history and its tools grow to."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import Annotated, Any

import xxhash
from langchain.agents.middleware import types
from langchain.agents.middleware.types import AgentMiddleware, AgentState, OmitFromInput
from langchain_core.messages import (
    AnyMessage,
    BaseMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    messages_from_dict,
)
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command
from typing_extensions import NotRequired, TypedDict

from ctxmem.adapters.conversation import Conversation, named
from ctxmem.adapters.langchain.texts import text_of, texts_and_others
from ctxmem.adapters.langchain.tools import Offer, ToolChooser, Trial
from ctxmem.adapters.policies import policy_of
from ctxmem.chat import OVERHEAD, count_messages, forced_name
from ctxmem.errors import BudgetError, InputError
from ctxmem.forking import ForkSafeLock
from ctxmem.intake import read_budget
from ctxmem.memory import Memory, MemoryWindow
from ctxmem.protocols import PageStore
from ctxmem.schema import Budget, PageId
from ctxmem.stores import MemoryStore, open_store
from ctxmem.tokens import count_tokens, resolve
from ctxmem.toolset import FIND_TOOL_NAME

# Came with langchain 1.2.10; before, a model call could not write to the state.
_Extended: Any = getattr(types, "ExtendedModelResponse", None)


TENANT = "langchain"
RESULTS = "langchain.results"
_LEAST_RESULT = 100
_RECALL_SHARE = 0.25  # of the budget, for what the tool `recall` returns at once
_THREADS = 256  # whose windows are remembered; of others they are found again


_MEMORY_OPTIONS = frozenset(inspect.signature(Memory).parameters)


class ContextStats(TypedDict):
    """What the last model call was given, under "ctxmem" in the agent's state.

    `messages` were in the state. The window has `kept` messages, notes of the memory included; with
    system message and tools (`fixed`) it has `tokens` of the `budget`. `evicted` messages have left
    the state, in all. With `tools=True`, `deferred` tools are not offered themselves: the model
    finds them with `find_tool`.
    """

    messages: int
    kept: int
    tokens: int
    fixed: int
    budget: int
    evicted: int
    deferred: NotRequired[int]


def _newest(_: ContextStats, stats: ContextStats) -> ContextStats:
    return stats  # of several instances in one agent the outermost is heard last


class ContextState(AgentState[Any]):
    """The state of an agent with a `ContextMiddleware`."""

    ctxmem: NotRequired[Annotated[ContextStats, OmitFromInput, _newest]]


class ContextMiddleware(AgentMiddleware):
    """Give the model a window of at most `budget` tokens: system message, tools and history.

    A `ctxmem.Memory` of the thread decides what the window holds: the edit schedule by `prices`,
    tables, indexes of what has left, and a tool `recall` that reads it. Between edits every request
    begins with the whole previous one, so that the prompt cache keeps hitting. Calls stay with
    their results, the last question and calls in flight are kept, a broken history is repaired. A
    state that was edited, rewound or branched gets a memory of its own. If what must stay does not
    fit, `BudgetError` names it.

    - `mode="ephemeral"`: the state keeps the whole history, the model sees the window.
    - `mode="persistent"`: what leaves the window leaves the state too, into the page `store`. Every
      page is written before it is dropped; where that fails nothing is dropped. `evicted` and
      `recall` here return them.
    - `tool_result_tokens`: a tool result longer than this goes to the page store before it enters
      the state; its beginning stays, with a note how the tool `read_page` reads the rest.

    - `tools=True`: every request offers the tools that its question needs, chosen by
      `ctxmem.assemble` within the budget, and the tool `find_tool`, by which the model finds
      the others. Tools that were called or found are offered in full. The set stays as it is from
      request to request until a change saves more than the cached prefix.

    Pages are kept per thread (`configurable.thread_id`). `store` is ":memory:", the path of an
    SQLite file or any `ctxmem.PageStore`. The state's "ctxmem" holds `ContextStats` of the last
    call (langchain 1.2.10 or newer). Give instances in one agent different names.

    `prices`, `policy` and every other option are those of `ctxmem.Memory`. `recall_tool=False`
    offers no tool; otherwise the model is offered it once something has left the window, if its
    schema takes at most a quarter of the budget. `low_water` is deprecated: `policy="batch"` cuts
    down to half the budget, `policy="slide"` as little as possible (None).

    Raises `BudgetError`, `InputError` or `InputTypeError` for options that cannot be used.
    """

    state_schema = ContextState

    def __init__(
        self,
        budget: int | Budget,
        *,
        mode: str = "ephemeral",
        low_water: Any = ...,
        tool_result_tokens: int | None = None,
        store: str | os.PathLike[str] | PageStore = ":memory:",
        counter: object = "o200k_base",
        provider: str | None = None,
        name: str = "ContextMiddleware",
        recall_tool: bool = True,
        tools: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        if mode not in ("ephemeral", "persistent"):
            raise InputError(f"mode is {mode!r}; expected 'ephemeral' or 'persistent'")
        if tool_result_tokens is not None and read_budget(tool_result_tokens).limit < _LEAST_RESULT:
            raise InputError(
                f"tool_result_tokens is {tool_result_tokens}; expected {_LEAST_RESULT} or more: "
                "the note that says where the rest is takes some of them"
            )
        if not isinstance(tools, bool):
            raise InputError(
                f"tools is {tools!r}; expected True or False: the tools are given to the agent"
            )
        self.limit = read_budget(budget).limit
        self.mode = mode
        self.tool_result_tokens = tool_result_tokens
        self.counter = resolve(counter)
        self.provider = provider
        self._name = name
        self._recall_tool = recall_tool
        if low_water is not ...:
            options["policy"] = policy_of(low_water, "ContextMiddleware")
        unknown = [one for one in options if one not in _MEMORY_OPTIONS]
        if unknown:
            raise TypeError(
                f"ContextMiddleware.__init__() got an unexpected keyword argument {unknown[0]!r}"
            )
        self._options = {"counter": counter, "provider": provider, **options}
        Memory(self.limit, **self._options)  # raises for options that cannot be used
        self._owned = not isinstance(store, PageStore)
        self._store = open_store(store)
        self._threads: dict[str, Conversation] = {}
        self._offered: dict[str, bool] = {}  # threads in which the tool `recall` is offered
        self._lock = ForkSafeLock()
        self._chooser = ToolChooser(counter) if tools else None
        self.tools = self._tools()

    @property
    def name(self) -> str:
        """The name of this instance in the agent."""
        return self._name

    def evicted(self, thread_id: str = "default") -> list[BaseMessage]:
        """Return the messages that have left a thread's state, oldest first."""
        conversation = self._conversation(thread_id)
        conversation.refresh()
        return [conversation.messages[i] for i in conversation.evicted]

    def recall(self, query: str, k: int = 5, *, thread_id: str = "default") -> list[BaseMessage]:
        """Return up to `k` messages that have left a thread's state, most relevant first."""
        conversation = self._conversation(thread_id)
        conversation.refresh()
        return conversation.recall(query, k, set(conversation.evicted).__contains__)

    def close(self) -> None:
        """Close the page store, unless it was given as an object."""
        if self._owned:
            self._store.close()

    # The window ----------------------------------------------------------------------------------

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Call the model with the window."""
        view, stats = self._view(request)
        return _with_stats(handler(view), stats)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model with the window."""
        if isinstance(self._store, MemoryStore) and self._chooser is None:
            view, stats = self._view(request)
        else:
            view, stats = await asyncio.to_thread(self._view, request)
        return _with_stats(await handler(view), stats)

    def _view(self, request: Any) -> tuple[Any, ContextStats]:
        system = _system_of(request)
        provider = self.provider or _provider_of(request.model)
        thread = _thread_of(request.runtime)
        conversation = self._conversation(thread, provider)
        given: list[AnyMessage] = request.messages
        schemas = _answer_schemas(request.response_format)
        with conversation.lock:
            places = conversation.sync(given)
            offer, tools, fixed, window = self._tried(
                thread, request, system, schemas, provider, conversation, places
            )
            conversation.fixed = fixed
            messages = conversation.as_given(window)
        before = request.state.get("ctxmem") or {}
        stats = ContextStats(
            messages=len(given),
            kept=len(messages),
            tokens=window.tokens + fixed - self._request(provider),
            fixed=fixed,
            budget=self.limit,
            evicted=before.get("evicted", 0),
        )
        if self._chooser is not None:
            stats["deferred"] = len(offer.hidden)
        changes: dict[str, Any] = {}
        if not (len(messages) == len(given) and all(map(_is, messages, given))):
            changes["messages"] = messages
        if not (len(tools) == len(request.tools) and all(map(_is, tools, request.tools))):
            changes["tools"] = tools
        return (request.override(**changes) if changes else request), stats

    def _tried(
        self,
        thread: str,
        request: Any,
        system: list[Any],
        schemas: list[Any],
        provider: str | None,
        conversation: Conversation,
        places: list[int],
    ) -> tuple[Offer, list[Any], int, MemoryWindow]:
        """Return the first offer of tools that leaves room for a window, with that."""
        own, trials = self._trials(thread, request, system, schemas, provider)
        for trial in trials:
            try:
                offer = trial.make()
                tools, fixed, window = self._fitted(
                    thread,
                    request,
                    [*own, *offer.tools],
                    schemas,
                    system,
                    provider,
                    conversation,
                    places,
                )
            except BudgetError:
                if trial is trials[-1]:
                    raise
                continue
            if not (trial.unedited and any(event.kind == "edit" for event in window.events)):
                break
        if self._chooser is not None:
            self._chooser.accept(thread, offer)
        return offer, tools, fixed, window

    def _fitted(
        self,
        thread: str,
        request: Any,
        given: list[Any],
        schemas: list[Any],
        system: list[Any],
        provider: str | None,
        conversation: Conversation,
        places: list[int],
    ) -> tuple[list[Any], int, MemoryWindow]:
        """Return tools, the tokens beside the messages and the window; with `recall` if need be."""
        always = self.mode == "persistent" or self._offered.get(thread, False)
        for offered in dict.fromkeys([always, True]):
            tools = [t for t in given if offered or not self._is_recall(t)]
            fixed = self._fixed(system, [*tools, *schemas], provider)
            window = self._window(conversation, fixed, places, len(system))
            gone = len(window.shown) < len(conversation.messages) or window.events
            if offered or not gone or not self._affordable(request, provider):
                break
        self._offered[thread] = offered
        return tools, fixed, window

    def _trials(
        self,
        thread: str,
        request: Any,
        system: list[Any],
        schemas: list[Any],
        provider: str | None,
    ) -> tuple[list[Any], list[Trial]]:
        """Return the tools that are always offered, and offers of the others to try."""
        if self._chooser is None:
            return [], [Trial(partial(Offer, request.tools))]
        mine = [tool for tool in request.tools if any(map(_is, self.tools, repeat(tool)))]
        own = [tool for tool in mine if tool.name != FIND_TOOL_NAME]
        choice = request.tool_choice
        return own, self._chooser.trials(
            thread,
            [tool for tool in request.tools if not any(map(_is, mine, repeat(tool)))],
            request.messages,
            self.limit - self._fixed([], [*own, *schemas], provider),
            system=text_of(system[0]) if system else None,
            provider=provider,
            forced=choice if isinstance(choice, str) else forced_name(choice),
        )

    def _fixed(self, system: list[Any], tools: list[Any], provider: str | None) -> int:
        """Return the tokens of a request without its history."""
        return count_messages(system, self.counter, tools=tools, provider=provider)

    def _request(self, provider: str | None) -> int:
        return count_messages([], self.counter, provider=provider)

    def _window(
        self, conversation: Conversation, fixed: int, places: list[int], before: int
    ) -> MemoryWindow:
        """Return the window beside system message and tools; errors name messages by place."""
        try:
            return conversation.window(fixed - self._request(conversation.provider))
        except BudgetError as error:
            raise named(error, conversation, places, before=before, fixed=fixed) from None

    def _is_recall(self, given: Any) -> bool:
        return (getattr(given, "metadata", None) or {}).get("ctxmem") == "recall"

    def _affordable(self, request: Any, provider: str | None) -> bool:
        """Return whether there is a tool `recall`, of at most a quarter of the budget."""
        own = [tool for tool in request.tools if self._is_recall(tool)]
        return bool(own) and self._fixed([], own, provider) <= _RECALL_SHARE * self.limit

    def _conversation(self, thread: str, provider: str | None = None) -> Conversation:
        """Return the memory of a thread."""
        with self._lock:
            found = self._threads.pop(thread, None)
            if found is None:
                found = Conversation(
                    *(self._store, TENANT, thread, self.limit),
                    {**self._options, "provider": provider or self.provider},
                    decode_old=lambda old: messages_from_dict([old])[0],
                    lasting=self.mode == "persistent",
                )
            self._threads[thread] = found  # the most recent is last
            if len(self._threads) > _THREADS:
                name = next(iter(self._threads))
                oldest = self._threads.pop(name)
                self._offered.pop(name, None)
                if self.mode == "ephemeral" and isinstance(self._store, MemoryStore):
                    oldest.delete()  # the state has it all
        if provider is not None:
            found.use(provider)
        return found

    # Eviction ------------------------------------------------------------------------------------

    def before_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Move what leaves the window to the page store, in persistent mode."""
        return self._evict(state, _thread_of(runtime))

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Move what leaves the window to the page store, in persistent mode."""
        if self.mode == "ephemeral":
            return None
        return await asyncio.to_thread(self._evict, state, _thread_of(runtime))

    def _evict(self, state: Any, thread: str) -> dict[str, Any] | None:
        if self.mode == "ephemeral":
            return None
        messages: list[AnyMessage] = state["messages"]
        stats = state.get("ctxmem") or {}
        conversation = self._conversation(thread)
        fixed = conversation.fixed if conversation.fixed is not None else stats.get("fixed")
        if fixed is None:
            return None  # system message, tools and provider are known from the first call on
        with conversation.lock:
            places = conversation.sync(messages)
            shown = set(self._window(conversation, fixed, places, 0).shown)
            gone = [place for place in places if place not in shown]
            if not gone:
                return None
            conversation.evict(gone)
        kept = [m for m, place in zip(messages, places, strict=True) if place in shown]
        counted = {**stats, "evicted": stats.get("evicted", 0) + len(gone)}
        return {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), *kept], "ctxmem": counted}

    # Tool results --------------------------------------------------------------------------------

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Page what a tool returned, if that is too long."""
        return self._paged(handler(request), request)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Page what a tool returned, if that is too long."""
        result = await handler(request)
        return await asyncio.to_thread(self._paged, result, request)

    def _paged(self, result: Any, request: Any) -> Any:
        limit = self.tool_result_tokens
        own = {given.name for given in self.tools}
        if limit is None or not isinstance(result, ToolMessage) or result.name in own:
            return result
        texts, others = texts_and_others(result)
        text = "\n".join(texts)
        tokens = count_tokens(text, self.counter)
        if tokens <= limit:
            return result
        page = self._write_text(_thread_of(request.runtime), text)
        shown = self._beginning(
            text,
            lambda end: (
                f"{text[:end]}\n\n[the first {end:,} of {len(text):,} characters; to read on call "
                f"read_page with page_id {page!r} and start {end}]"
            ),
            limit,
        )
        content: Any = [{"type": "text", "text": shown}, *others] if others else shown
        return result.model_copy(update={"content": content})

    def _write_text(self, thread: str, text: str) -> str:
        payload = text.encode("utf-8", "surrogatepass")
        page = PageId(xxhash.xxh3_128_hexdigest(payload))
        record = json.dumps({"text": page}).encode()
        self._store.append(RESULTS, thread, [record], pages={page: payload})
        return page

    def _text(self, thread: str, page: str) -> str | None:
        for tenant in (RESULTS, TENANT):  # the second is where ctxmem 0.1 wrote them
            found = self._store.pages(tenant, thread, [PageId(page)]).get(PageId(page))
            if found is not None:
                return found.decode("utf-8", "surrogatepass")
        return None

    def _beginning(self, text: str, shown: Callable[[int], str], limit: int) -> str:
        """Return the longest beginning that, shown with its note, is within the limit."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if count_tokens(shown(middle), self.counter) <= limit:
                low = middle
            else:
                high = middle - 1
        line = text.rfind("\n", 0, low)
        return shown(line + 1 if line > low // 2 else low)

    def _tools(self) -> list[BaseTool]:
        limit, recalled = self.tool_result_tokens, int(_RECALL_SHARE * self.limit)
        tools: list[BaseTool] = []
        if limit is not None:

            def read_page(page_id: str, config: RunnableConfig, start: int = 0) -> str:
                """Read a long tool result from the character `start` on."""
                text = self._text(_thread_in(config), page_id)
                if text is None:
                    return f"there is no page {page_id!r} in this conversation"
                begin = max(0, start)
                rest = text[begin:]
                return self._beginning(
                    rest,
                    lambda end: (
                        rest
                        if end == len(rest)
                        else f"{rest[:end]}\n\n[to read on call read_page with start {begin + end}]"
                    ),
                    limit,
                )

            tools.append(_as_tool(read_page))
        if self._recall_tool:

            def recall(config: RunnableConfig, page: str = "", query: str = "") -> str:
                """Read what has left this conversation: `page` (such as p12), or search `query`."""
                conversation = self._conversation(_thread_in(config))
                call = {"name": "recall", "input": {"page": page, "query": query}}
                text: str = conversation.memory.answer(call)["content"]
                return self._beginning(text, lambda end: text[:end], limit or recalled)

            made = _as_tool(recall)
            made.metadata = {"ctxmem": "recall"}
            tools.append(made)
        chooser = self._chooser
        if chooser is not None:

            def find_tool(query: str, config: RunnableConfig) -> str:
                """Find tools by their names, or by what they have to do."""
                return chooser.answer(_thread_in(config), query)

            tools.append(_as_tool(find_tool))
        return tools


_schemas: dict[str, Any] = {}


def _as_tool(function: Callable[..., str]) -> BaseTool:
    """Return a tool of a function; the schema is inferred once, which takes milliseconds."""
    made = tool(function, args_schema=_schemas.get(function.__name__))
    _schemas[function.__name__] = made.args_schema
    return made


def _is(left: object, right: object) -> bool:
    return left is right


def _with_stats(response: Any, stats: ContextStats) -> Any:
    if _Extended is None:
        return response
    if isinstance(response, _Extended):
        update = {**(getattr(response.command, "update", None) or {}), "ctxmem": stats}
        return replace(response, command=Command(update=update))
    if isinstance(response, BaseMessage):
        response = types.ModelResponse(result=[response])
    return _Extended(model_response=response, command=Command(update={"ctxmem": stats}))


def _system_of(request: Any) -> list[AnyMessage]:
    """Return the system message of a request; before langchain 1.1 it was a text."""
    message = getattr(request, "system_message", None)
    if message is not None:
        return [message]
    text = getattr(request, "system_prompt", None)
    return [SystemMessage(text)] if text else []


def _provider_of(model: Any) -> str | None:
    """Return the provider whose overhead a model has, as far as we know it."""
    params: Any = getattr(model, "_get_ls_params", None)
    described: Any = params() if callable(params) else {}
    name = described.get("ls_provider")
    return name if name in OVERHEAD else None


def _answer_schemas(answer: Any) -> list[Any]:
    """Return the schemas that a structured answer is asked for with; they are sent like tools."""
    if answer is None:
        return []
    specs = getattr(answer, "schema_specs", None)
    if specs is None and hasattr(answer, "schema_spec"):
        specs = [answer.schema_spec]
    if specs is None:
        return [getattr(answer, "schema", answer)]
    return [
        {"name": spec.name, "description": spec.description, "parameters": spec.json_schema}
        for spec in specs
    ]


def _thread_of(runtime: Any) -> str:
    """Return the thread that a run belongs to, "default" where there is none."""
    config = getattr(runtime, "config", None)
    if config is not None:
        return _thread_in(config)
    thread = getattr(getattr(runtime, "execution_info", None), "thread_id", None)
    if thread is not None:
        return str(thread)
    from langgraph.config import get_config

    try:
        return _thread_in(get_config())
    except RuntimeError:  # outside of a graph
        return "default"


def _thread_in(config: RunnableConfig) -> str:
    return str((config.get("configurable") or {}).get("thread_id") or "default")
