"""Keep a LlamaIndex chat within a budget, and find again what has left it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.memory import BaseMemory
from llama_index.core.memory.memory import BaseMemoryBlock

from ctxmem.adapters.conversation import Conversation, named
from ctxmem.adapters.llama_index.fields import BudgetField, CounterField
from ctxmem.adapters.policies import policy_of
from ctxmem.chat import LOW_WATER
from ctxmem.errors import BudgetError, InputError
from ctxmem.pipeline import pack
from ctxmem.protocols import PageStore
from ctxmem.schema import Budget, Chunk
from ctxmem.stores import open_store
from ctxmem.tokens import count_tokens

TENANT = "llama_index"
_PAGES = 64
"""A block packs so many pages: those that answer best, or the newest."""


class ContextMemory(BaseMemory):
    """A chat history of which a model is never given more than `budget` tokens.

    A `ctxmem.Memory` of the session decides what a `get` holds: every block is counted (tool calls,
    results, thoughts, images), a tool call stays with its results, system messages, the last
    question and calls in flight are kept, and what was broken is repaired. Between edits each
    window begins with the stable part of the one before; an edit leaves an index. `get(input)`
    brings back stored pages that answer the input, in front of the question. Prefix messages, tools
    and the answer are not seen here: `Budget(tokens, reserve)` keeps room for them, and chat
    engines pass theirs as `initial_token_count`. `policy`, `prices` and what is in `options` are
    those of `ctxmem.Memory`; `low_water` is deprecated for `policy`.

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
    policy: str = "auto"
    prices: str = "anthropic"
    store: Any = Field(default=":memory:")
    session: str = "default"
    options: dict[str, Any] = Field(default_factory=dict)

    _pages: PageStore = PrivateAttr()
    _conversation: Conversation = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        policy = self.policy
        if "low_water" in self.model_fields_set:
            policy = policy_of(self.low_water, "ContextMemory")
        self._pages = open_store(self.store)
        settings = {"policy": policy, "prices": self.prices, **self.options}
        self._conversation = Conversation(
            *(self._pages, TENANT, self.session, self.budget.limit),
            {"counter": self.counter, "provider": self.provider, **settings},
            decode_old=ChatMessage.model_validate,
        )

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
        conversation = self._conversation
        with conversation.lock:
            conversation.refresh()
            query = input if isinstance(input, str) and input else None
            try:
                window = conversation.window(initial_token_count, query)
            except BudgetError as error:
                places = range(len(conversation.messages))
                raise named(error, conversation, places, before=0, fixed=0) from None
            made = conversation.as_given(window)
        if window.recalled and len(made) > 1 and made[-2].role == "user":
            made[-2:] = [made[-1], made[-2]]  # the question is last
        return made

    async def aget(
        self, input: str | None = None, initial_token_count: int = 0, **_: Any
    ) -> list[ChatMessage]:
        """Return the window, found in a worker thread."""
        return await asyncio.to_thread(self.get, input, initial_token_count)

    def get_all(self) -> list[ChatMessage]:
        """Return everything that was put."""
        self._conversation.refresh()
        return list(self._conversation.messages)

    def put(self, message: ChatMessage) -> None:
        """Add a message; it is in the store when this returns."""
        self.put_messages([message])

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages, all or none."""
        self._conversation.refresh()
        self._conversation.append(messages)

    def set(self, messages: list[ChatMessage]) -> None:
        """Replace all messages."""
        self._conversation.replace(messages)

    def reset(self) -> None:
        """Forget all messages."""
        self._conversation.replace([])

    def recall(self, query: str, k: int = 5) -> list[ChatMessage]:
        """Return up to `k` messages of the whole history, most relevant first."""
        self._conversation.refresh()
        return self._conversation.recall(query, k, lambda _: True)

    def close(self) -> None:
        """Close the page store, unless it was given as an object."""
        if self._pages is not self.store:
            self._pages.close()

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """Return the memory as plain data."""
        data = super().to_dict(**options)
        if "low_water" not in self.model_fields_set:
            data.pop("low_water", None)
        if self.store == ":memory:":
            data["messages"] = [m.model_dump(mode="json") for m in self.get_all()]
        elif not isinstance(self.store, str):
            data["store"] = str(self.store)
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any], **fields: Any) -> ContextMemory:
        """Return the memory that `to_dict` described."""
        held = {**data, **fields}
        held.pop("class_name", None)
        if held.get("low_water") == LOW_WATER and "policy" not in held:
            del held["low_water"]  # the default that ctxmem 0.1 wrote
        messages = held.pop("messages", None)
        memory = cls(**held)
        if messages:
            memory.set([ChatMessage.model_validate(message) for message in messages])
        return memory


class ContextMemoryBlock(BaseMemoryBlock[str]):
    """A memory block that keeps what leaves LlamaIndex's `Memory` and returns what matters of it.

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

    _pages: PageStore = PrivateAttr()
    _conversations: dict[str, Conversation] = PrivateAttr(default_factory=dict)
    _last: tuple[str, str] = PrivateAttr(default=("default", ""))

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._pages = open_store(self.store)

    def _conversation(self, session: str) -> Conversation:
        if session not in self._conversations:
            self._conversations[session] = Conversation(
                *(self._pages, TENANT, session, self.budget.limit),
                {"counter": self.counter},
                decode_old=ChatMessage.model_validate,
            )
        return self._conversations[session]

    def _put(self, session: str, messages: list[ChatMessage]) -> None:
        conversation = self._conversation(session)
        conversation.refresh()
        conversation.append(messages)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        by_session: dict[str, list[ChatMessage]] = {}
        for message in messages:
            session = str(message.additional_kwargs.get("session_id") or "default")
            by_session.setdefault(session, []).append(message)
        for session, ejected in by_session.items():
            await asyncio.to_thread(self._put, session, ejected)

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
        conversation = self._conversation(session)
        conversation.refresh()
        memory = conversation.memory
        pages = memory.recall(asked, _PAGES) if asked else []
        pages = pages or memory.pages()[-_PAGES:]
        if not pages:
            return ""
        pages.sort(key=lambda page: int(page.id[1:]))
        said = [Chunk(f"{page.role}: {page.text}", id=page.id) for page in pages]
        return pack(said, limit, query=asked or None, counter=self.counter, order="given").text
