"""ctxmem in OpenAI's Agents SDK: a session in a page store, and model input within a budget.

============== ===========================================================
name           what it is to the Agents SDK
============== ===========================================================
ContextSession a session: `Runner.run(agent, ..., session=...)`
ContextFilter  a `call_model_input_filter` of `RunConfig`
============== ===========================================================
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ctxmem.adapters.beside import RequestStats, trimmer
from ctxmem.adapters.conversation import Conversation
from ctxmem.errors import MissingExtraError
from ctxmem.memory import Memory
from ctxmem.protocols import PageStore
from ctxmem.schema import Budget
from ctxmem.stores import open_store

try:
    from agents.run import CallModelData, ModelInputData
except ImportError as error:
    raise MissingExtraError(
        "ctxmem.adapters.openai_agents needs openai-agents, which is not installed; install it "
        "with pip install 'ctxmem[openai-agents]'"
    ) from error

if TYPE_CHECKING:
    from agents.items import TResponseInputItem
    from agents.memory import SessionSettings

__all__ = ["ContextFilter", "ContextSession", "RequestStats"]

TENANT = "openai-agents"
_SEARCHED = 8000
"""The budget of the memory of a session that was given none; `get_items` does not depend on it."""


class ContextSession:
    """A session of the Agents SDK whose items are in a page store of ctxmem.

    `get_items` returns every item that was added, as the SDK's own sessions do; `ContextFilter`
    cuts what a model is sent. `store` is ":memory:", the path of an SQLite file or any
    `ctxmem.PageStore`. Items are written before `add_items` returns. In a file, several processes
    may use one session: each reads what the others wrote.

    The items are in a `ctxmem.Memory` too, with a window of `budget` tokens: `memory` returns it,
    `recall` searches it.

    >>> import asyncio
    >>> session = ContextSession("ann")
    >>> asyncio.run(session.add_items([{"role": "user", "content": "My booking is HAT017."}]))
    >>> asyncio.run(session.get_items())
    [{'role': 'user', 'content': 'My booking is HAT017.'}]
    >>> session.memory.window().tokens
    14
    """

    def __init__(
        self,
        session_id: str,
        *,
        store: str | os.PathLike[str] | PageStore = ":memory:",
        budget: int | Budget = _SEARCHED,
        session_settings: SessionSettings | None = None,
        **options: Any,
    ) -> None:
        limit = Memory(budget, **options).budget  # raises for options that cannot be used
        self.session_id = session_id
        self.session_settings = session_settings
        self._owned = not isinstance(store, PageStore)
        self._store = open_store(store)
        self._conversation = Conversation(
            *(self._store, TENANT, session_id, limit), options, decode_old=lambda old: old
        )

    @property
    def memory(self) -> Memory:
        """The memory of the session, for its windows, its ledger and its pages."""
        self._conversation.refresh()
        return self._conversation.memory

    def recall(self, query: str, k: int = 5) -> list[TResponseInputItem]:
        """Return up to `k` items that answer a query, most relevant first."""
        self._conversation.refresh()
        return self._conversation.recall(query, k, lambda _: True)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return all items, or the newest `limit` of them, oldest first.

        Where neither `limit` nor the session's settings name a limit, all are returned; as in the
        SDK's SQLite session a negative limit is none.
        """
        if limit is None:
            limit = getattr(self.session_settings, "limit", None)
        items = await asyncio.to_thread(self._items)
        if limit is None or limit < 0:
            return items
        return items[len(items) - min(limit, len(items)) :]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Append items, all or none."""
        await asyncio.to_thread(self._add, list(items))

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the newest item out and return it, None if there is none."""
        return await asyncio.to_thread(self._pop)

    async def clear_session(self) -> None:
        """Delete all items."""
        await asyncio.to_thread(self._clear)

    def close(self) -> None:
        """Close the page store, unless it was given as an object."""
        if self._owned:
            self._store.close()

    def _items(self) -> list[Any]:
        with self._conversation.lock:
            self._conversation.refresh()
            return self._conversation.memory.messages()  # copies, which the SDK may change

    def _add(self, items: list[Any]) -> None:
        with self._conversation.lock:
            self._conversation.refresh()
            self._conversation.append(items)

    def _pop(self) -> Any:
        with self._conversation.lock:
            items = self._items()
            if not items:
                return None
            self._conversation.replace(items[:-1])
            return items[-1]

    def _clear(self) -> None:
        with self._conversation.lock:
            self._conversation.refresh()
            self._conversation.replace([])


class ContextFilter:
    """Keep every model call of a run within `budget` tokens: instructions, tools and items.

    Use it as `RunConfig(call_model_input_filter=ContextFilter(8000))`, with `run`, `run_sync` and
    `run_streamed` alike. Session and result of the run stay whole: only what the model is sent is
    cut, by `ctxmem.trim_messages`. Calls stay with their outputs and with the reasoning before
    them, the last question and calls in flight are kept, and items are the objects given, except
    for an output that is shown in part, and a note with what binds of items that leave. If what
    must stay does not fit, `BudgetError` names it before the model is called.

    The agent's tools, handoffs and output schema are counted; a filter cannot change them.
    `mcp=False` counts no tools of MCP servers, which are listed once more for it unless the server
    caches its list. `report` is called with the `RequestStats` of each call; `last` has those of
    the last one.

    >>> from agents import Agent
    >>> from agents.run import CallModelData, ModelInputData
    >>> asked = [{"role": "user", "content": f"This is question {i}."} for i in range(20)]
    >>> cut, agent = ContextFilter(80), Agent("assistant")
    >>> given = CallModelData(ModelInputData(asked, "Be brief."), agent, None)
    >>> sent = asyncio.run(cut(given))
    >>> len(sent.input) < 12, sent.input[-1] is asked[-1], cut.last.tokens <= 80
    (True, True, True)
    """

    last: RequestStats | None = None

    def __init__(
        self,
        budget: int | Budget,
        *,
        counter: object = "o200k_base",
        provider: str | None = "openai",
        low_water: float | None = 0.5,
        mcp: bool = True,
        report: Callable[[RequestStats], object] | None = None,
    ) -> None:
        self._trimmer = trimmer(budget, counter, provider, low_water)
        self._mcp = mcp
        self._report = report

    async def __call__(self, data: CallModelData[Any]) -> ModelInputData:
        """Return what fits of a model's input."""
        given = data.model_data
        kept, stats = await asyncio.to_thread(
            self._trimmer.cut,
            given.input,
            instructions=given.instructions,
            tools=await _schemas(data.agent, data.context, mcp=self._mcp),
            answer=_answer(data.agent.output_type),
        )
        self.last = stats
        if self._report is not None:
            self._report(stats)
        return ModelInputData(input=kept, instructions=given.instructions)


async def _schemas(agent: Any, context: Any, *, mcp: bool) -> list[dict[str, Any]]:
    """Return what is sent of an agent's tools and handoffs."""
    from agents import Handoff, handoff
    from agents.run_context import RunContextWrapper

    tools = agent.tools
    if mcp and agent.mcp_servers:
        tools = await agent.get_all_tools(RunContextWrapper(context))
    schemas = [_schema(tool) for tool in tools]
    for given in agent.handoffs:
        to = given if isinstance(given, Handoff) else handoff(given)
        schemas.append(_function(to.tool_name, to.tool_description, to.input_json_schema))
    return schemas


def _answer(output_type: Any) -> Any:
    """Return the schema of an agent's output, None for a text."""
    from agents import AgentOutputSchema, AgentOutputSchemaBase

    if output_type is None or output_type is str:
        return None
    given = isinstance(output_type, AgentOutputSchemaBase)
    read = output_type if given else AgentOutputSchema(output_type)
    return None if read.is_plain_text() else read.json_schema()


def _schema(tool: Any) -> dict[str, Any]:
    parameters = getattr(tool, "params_json_schema", None)
    if parameters is None:
        return {"type": tool.name}  # what the provider runs
    return _function(tool.name, tool.description, parameters)


def _function(name: str, description: str, parameters: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": parameters,
    }
