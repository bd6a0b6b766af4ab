"""Keep a LlamaIndex chat within a budget, and find again what has left it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.memory import BaseMemory
from llama_index.core.memory.memory import BaseMemoryBlock

from ctxmem.adapters.journal import Journal
from ctxmem.adapters.llama_index.fields import BudgetField, CounterField
from ctxmem.chat import LOW_WATER, Growing, passages, trim_messages
from ctxmem.errors import BudgetError, InputError
from ctxmem.pipeline import pack
from ctxmem.schema import Budget
from ctxmem.tokens import count_tokens

TENANT = "llama_index"


def _journal(store: Any) -> Journal:
    return Journal(
        store,
        TENANT,
        encode=lambda message: message.model_dump(mode="json"),
        decode=ChatMessage.model_validate,
        remember=True,
    )


class ContextMemory(BaseMemory):
    """A chat history of which a model is never given more than `budget` tokens.

    What `ctxmem.trim_messages` promises holds for every `get`: every block is counted (tool calls,
    results, thoughts, images), a tool call stays with its results, leading system messages, the
    last question and calls in flight are kept, and what was broken is repaired. With `low_water`
    the history is cut in leaps, so that between two of them every request begins with the same
    bytes. Prefix messages, tools and the answer are not seen here: `Budget(tokens, reserve)` keeps
    room for them, and chat engines tell theirs as `initial_token_count`.

    `get_all` returns everything that was put, from the page `store`: ":memory:", the path of an
    SQLite file or any `ctxmem.PageStore`; sessions are kept apart. `to_dict` holds the messages
    themselves where the store is ":memory:".

    Raises `BudgetError` where pins alone do not fit, naming them.

    >>> from llama_index.core.llms import ChatMessage
    >>> memory = ContextMemory(budget=20)
    >>> memory.put_messages([ChatMessage(f"This is question number {i}.") for i in range(5)])
    >>> [message.content for message in memory.get()], len(memory.get_all())
    (['This is question number 4.'], 5)
    """

    budget: BudgetField
    counter: CounterField = "o200k_base"
    provider: str | None = None
    low_water: float | None = LOW_WATER
    store: Any = Field(default=":memory:")
    session: str = "default"

    _pages: Journal = PrivateAttr()
    _growing: Growing = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        # Tells what is wrong with the options now.
        trim_messages([], self.budget, low_water=self.low_water, provider=self.provider)
        self._pages = _journal(self.store)
        self._growing = Growing(self.counter, self.low_water)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that a round trip through a dict goes by."""
        return "ContextMemory"

    @classmethod
    def from_defaults(
        cls,
        chat_history: Sequence[ChatMessage] | None = None,
        llm: Any = None,
        budget: int | Budget | None = None,
        **fields: Any,
    ) -> ContextMemory:
        """Make a memory; without a budget it is the model's window less its answer."""
        if budget is None:
            if llm is None:
                raise InputError("neither budget nor llm is given; expected one of them")
            about = llm.metadata
            budget = Budget(about.context_window, reserve=max(0, about.num_output or 0))
        memory = cls(budget=budget, **fields)
        if chat_history is not None:
            memory.set(list(chat_history))
        return memory

    def get(
        self, input: str | None = None, initial_token_count: int = 0, **_: Any
    ) -> list[ChatMessage]:
        """Return the window: at most `budget` tokens less `initial_token_count`."""
        limit = self.budget.limit - initial_token_count
        if limit < 1:
            raise BudgetError(
                f"budget is {self.budget.limit:,} tokens but initial_token_count is "
                f"{initial_token_count:,}: raise the budget or shorten the prefix messages",
                pinned=("prefix messages",),
            )
        return self._growing.trim(self.get_all(), limit, provider=self.provider).messages

    async def aget(
        self, input: str | None = None, initial_token_count: int = 0, **_: Any
    ) -> list[ChatMessage]:
        """Return the window, found in a worker thread."""
        return await asyncio.to_thread(self.get, input, initial_token_count)

    def get_all(self) -> list[ChatMessage]:
        """Return everything that was put."""
        return self._pages.messages(self.session)

    def put(self, message: ChatMessage) -> None:
        """Add a message; it is in the store when this returns."""
        self._pages.extend(self.session, [message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages, all or none."""
        self._pages.extend(self.session, messages)

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace all messages."""
        self._pages.replace(self.session, messages)

    def reset(self) -> None:
        """Forget all messages."""
        self._pages.replace(self.session, [])

    def recall(self, query: str, k: int = 5) -> list[ChatMessage]:
        """Return up to `k` messages of the whole history, most relevant first."""
        return self._pages.search(self.session, query, k)

    def close(self) -> None:
        """Close the page store, unless it was given as an object."""
        self._pages.close()

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """Return the memory as plain data."""
        data = super().to_dict(**options)
        if self.store == ":memory:":
            data["messages"] = [m.model_dump(mode="json") for m in self.get_all()]
        elif not isinstance(self.store, str):
            data["store"] = str(self.store)
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any], **fields: Any) -> ContextMemory:
        """Return the memory that `to_dict` told of."""
        told = {**data, **fields}
        told.pop("class_name", None)
        messages = told.pop("messages", None)
        memory = cls(**told)
        if messages:
            memory.set([ChatMessage.model_validate(message) for message in messages])
        return memory


class ContextMemoryBlock(BaseMemoryBlock[str]):
    """A memory block that keeps what leaves LlamaIndex's `Memory` and tells what matters of it.

    Messages that are ejected from the short-term memory go to the page `store`, by session. For
    every request the passages of them that have most to do with the last message are packed into
    `budget` tokens, repeats once, in their order. It asks no model and no embedding.

    >>> import asyncio
    >>> from llama_index.core.llms import ChatMessage
    >>> block = ContextMemoryBlock(budget=20)
    >>> said = [ChatMessage("My name is Ann."), ChatMessage("I like to sail on windy days.")]
    >>> asyncio.run(block.aput(said))
    >>> asyncio.run(block.aget([ChatMessage("Do you remember my name?")]))
    'user: My name is Ann.\\n\\nuser: I like to sail on windy days.'
    """

    budget: BudgetField
    name: str = "ctxmem"
    counter: CounterField = "o200k_base"
    store: Any = Field(default=":memory:")

    _pages: Journal = PrivateAttr()
    _last: tuple[str, str] = PrivateAttr(default=("default", ""))

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._pages = _journal(self.store)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        by_session: dict[str, list[ChatMessage]] = {}
        for message in messages:
            session = str(message.additional_kwargs.get("session_id") or "default")
            by_session.setdefault(session, []).append(message)
        for session, told in by_session.items():
            await asyncio.to_thread(self._pages.extend, session, told)

    async def _aget(self, messages: list[ChatMessage] | None = None, **about: Any) -> str:
        asked = next((m.content for m in reversed(messages or []) if m.content), "")
        self._last = (str(about.get("session_id") or "default"), asked or "")
        return await asyncio.to_thread(self._packed, self.budget.limit)

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """Return the same in fewer tokens, None if nothing is left."""
        room = count_tokens(content, self.counter) - tokens_to_truncate
        if room < 1:
            return None
        return await asyncio.to_thread(self._packed, room) or None

    def _packed(self, limit: int) -> str:
        session, asked = self._last
        said = passages(self._pages.messages(session))
        if not said:
            return ""
        return pack(said, limit, query=asked or None, counter=self.counter, order="given").text
