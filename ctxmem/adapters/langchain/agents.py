"""Keep an agent's context within a budget, whatever its history and its tools grow to."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from langchain.agents.middleware import types
from langchain.agents.middleware.types import AgentMiddleware, AgentState, OmitFromInput
from langchain_core.messages import (
    AnyMessage,
    BaseMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    message_to_dict,
    messages_from_dict,
)
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command
from typing_extensions import NotRequired, TypedDict

from ctxmem.adapters.journal import Journal
from ctxmem.chat import LOW_WATER, OVERHEAD, Growing, trim_messages
from ctxmem.errors import InputError
from ctxmem.intake import read_budget
from ctxmem.protocols import PageStore
from ctxmem.schema import Budget
from ctxmem.tokens import count_tokens, resolve

# Came with langchain 1.2.10; before, a model call could not write to the state.
_Extended: Any = getattr(types, "ExtendedModelResponse", None)


_LEAST_RESULT = 100
_RECALL_SHARE = 0.25  # of the budget, for what the tool `recall` tells at once
_THREADS = 256  # whose windows are remembered; of others they are found again


class ContextStats(TypedDict):
    """What the last model call was given, under "ctxmem" in the agent's state.

    `messages` were in the state and `kept` of them in the window, which with system message and
    tools (`fixed`) has `tokens` of the `budget`. `evicted` went to the page store, in all.
    """

    messages: int
    kept: int
    tokens: int
    fixed: int
    budget: int
    evicted: int


def _newest(_: ContextStats, stats: ContextStats) -> ContextStats:
    return stats  # of several instances in one agent the outermost is heard last


class ContextState(AgentState[Any]):
    """The state of an agent with a `ContextMiddleware`."""

    ctxmem: NotRequired[Annotated[ContextStats, OmitFromInput, _newest]]


class ContextMiddleware(AgentMiddleware):
    """Give the model a window of at most `budget` tokens: system message, tools and history.

    What `ctxmem.trim_messages` promises holds for every model call, sync and async: units whole,
    the last question and calls in flight kept, a broken history repaired. With `low_water` the
    history is cut in leaps, so that between two of them every request begins with the same bytes
    and the prompt cache stays warm. If the pins alone do not fit, `BudgetError` names them.

    - `mode="ephemeral"`: the state keeps the whole history, the model sees the window.
    - `mode="persistent"`: what leaves the window leaves the state too, into the page `store`. Every
      page is written before it is dropped; where that fails nothing is dropped. A tool `recall`
      finds it again, and so do `evicted` and `recall` here.
    - `tool_result_tokens`: a tool result longer than this goes to the page store before it enters
      the state; its beginning stays, with a note how the tool `read_page` reads the rest.

    Pages are kept per thread (`configurable.thread_id`). `store` is ":memory:", the path of an
    SQLite file or any `ctxmem.PageStore`. The state's "ctxmem" holds `ContextStats` of the last
    call (langchain 1.2.10 or newer). Give instances in one agent different names.

    Raises `BudgetError`, `InputError` or `InputTypeError` for options that cannot be used.
    """

    state_schema = ContextState

    def __init__(
        self,
        budget: int | Budget,
        *,
        mode: str = "ephemeral",
        low_water: float | None = LOW_WATER,
        tool_result_tokens: int | None = None,
        store: str | os.PathLike[str] | PageStore = ":memory:",
        counter: object = "o200k_base",
        provider: str | None = None,
        name: str = "ContextMiddleware",
    ) -> None:
        super().__init__()
        if mode not in ("ephemeral", "persistent"):
            raise InputError(f"mode is {mode!r}; expected 'ephemeral' or 'persistent'")
        if tool_result_tokens is not None and read_budget(tool_result_tokens).limit < _LEAST_RESULT:
            raise InputError(
                f"tool_result_tokens is {tool_result_tokens}; expected {_LEAST_RESULT} or more: "
                "the note that tells where the rest is takes some of them"
            )
        self.limit = read_budget(budget).limit
        self.mode = mode
        self.tool_result_tokens = tool_result_tokens
        self.counter = resolve(counter)
        self.provider = provider
        self._name = name
        self._low_water = low_water
        # Tells what is wrong with the options now.
        trim_messages([], self.limit, low_water=low_water, provider=provider)
        self._threads: dict[str, Growing] = {}
        self._lock = threading.Lock()
        self._pages = Journal(
            store,
            "langchain",
            encode=message_to_dict,
            decode=lambda told: messages_from_dict([told])[0],
            remember=False,
        )
        self.tools = self._tools()

    @property
    def name(self) -> str:
        """The name of this instance in the agent."""
        return self._name

    def evicted(self, thread_id: str = "default") -> list[BaseMessage]:
        """Return the messages that have left a thread's state, oldest first."""
        return self._pages.messages(thread_id)

    def recall(self, query: str, k: int = 5, *, thread_id: str = "default") -> list[BaseMessage]:
        """Return up to `k` messages that have left a thread's state, most relevant first."""
        return self._pages.search(thread_id, query, k)

    def close(self) -> None:
        """Close the page store, unless it was given as an object."""
        self._pages.close()

    # The window ----------------------------------------------------------------------------------

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Call the model with the window."""
        view, stats = self._view(request)
        return _with_stats(handler(view), stats)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model with the window."""
        view, stats = self._view(request)
        return _with_stats(await handler(view), stats)

    def _view(self, request: Any) -> tuple[Any, ContextStats]:
        system = _system_of(request)
        tools = [*request.tools, *_answer_schemas(request.response_format)]
        provider = self.provider or _provider_of(request.model)
        given: list[AnyMessage] = request.messages
        trimmed = self._growing(_thread_of(request.runtime)).trim(
            [*system, *given], self.limit, tools=tools, provider=provider
        )
        window = trimmed.messages[len(system) :]
        before = request.state.get("ctxmem") or {}
        stats = ContextStats(
            messages=len(given),
            kept=len(window),
            tokens=trimmed.tokens,
            fixed=trimmed.fixed,
            budget=self.limit,
            evicted=before.get("evicted", 0),
        )
        same = len(window) == len(given) and all(map(_is, window, given))
        return (request if same else request.override(messages=window)), stats

    def _growing(self, thread: str) -> Growing:
        """Return what remembers where a thread's window stood."""
        with self._lock:
            growing = self._threads.pop(thread, None) or Growing(self.counter, self._low_water)
            self._threads[thread] = growing  # the most recent is last
            if len(self._threads) > _THREADS:
                del self._threads[next(iter(self._threads))]
        return growing

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
        # System message and tools are known from the call before; the first one sees to itself.
        limit = max(1, self.limit - stats.get("fixed", 0))
        kept = trim_messages(
            messages,
            limit,
            counter=self.counter,
            low_water=self._low_water,
            provider=self.provider,
        )
        here = {id(message) for message in kept}
        gone = [message for message in messages if id(message) not in here]
        if not gone:
            return None
        self._pages.extend(thread, gone)
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
        texts, others = _texts_and_others(result)
        text = "\n".join(texts)
        tokens = count_tokens(text, self.counter)
        if tokens <= limit:
            return result
        page = self._pages.write_text(_thread_of(request.runtime), text)
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

            @tool
            def read_page(page_id: str, config: RunnableConfig, start: int = 0) -> str:
                """Read a long tool result from the character `start` on."""
                text = self._pages.text(_thread_in(config), page_id)
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

            tools.append(read_page)
        if self.mode == "persistent":

            @tool
            def recall(query: str, config: RunnableConfig) -> str:
                """Find what was said earlier in this conversation and is out of sight now."""
                found = self._pages.search(_thread_in(config), query, 5)
                told = "\n\n".join(f"[{message.type}]\n{_text_of(message)}" for message in found)
                if not told:
                    return "nothing has left this conversation yet"
                return self._beginning(told, lambda end: told[:end], limit or recalled)

            tools.append(recall)
        return tools


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
    params = getattr(model, "_get_ls_params", None)
    name = params().get("ls_provider") if callable(params) else None
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


def _texts_and_others(message: ToolMessage) -> tuple[list[str], list[Any]]:
    """Return the texts of a tool's answer, and its blocks that are none."""
    if isinstance(message.content, str):
        return [message.content], []
    texts, others = [], []
    for block in message.content:
        if isinstance(block, str):
            texts.append(block)
        elif block.get("type") == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
        else:
            others.append(block)
    return texts, others


def _text_of(message: BaseMessage) -> str:
    text = message.text
    return str(text() if callable(text) and not isinstance(text, str) else text)


@dataclass(slots=True)
class ContextWindowEdit:
    """Cut the history to a budget, as an edit of LangChain's `ContextEditingMiddleware`.

    It keeps what `ctxmem.trim_messages` keeps, in leaps down to `low_water`. The budget is of the
    messages alone, which is all that an edit sees: take system message and tools off it, or use
    `ContextMiddleware`. With `counter=None` the middleware's own counter is asked, and leaps are
    not possible.

    >>> from langchain_core.messages import HumanMessage
    >>> chat = [HumanMessage("The first question."), HumanMessage("The second one.")]
    >>> ContextWindowEdit(budget=14).apply(chat, count_tokens=len)
    >>> [message.text for message in chat]
    ['The second one.']
    """

    budget: int | Budget
    low_water: float | None = LOW_WATER
    counter: object | None = "o200k_base"
    provider: str | None = None

    def apply(
        self, messages: list[AnyMessage], *, count_tokens: Callable[[Sequence[BaseMessage]], int]
    ) -> None:
        """Cut the list in place."""
        options: dict[str, Any] = {"provider": self.provider}
        if self.counter is None:
            options["token_counter"] = count_tokens
        else:
            options |= {"counter": self.counter, "low_water": self.low_water}
        messages[:] = trim_messages(messages, self.budget, **options)
