"""Cut a history in LangChain's `ContextEditingMiddleware`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage, BaseMessage

from ctxmem.adapters.conversation import Conversation, mark_of, named
from ctxmem.adapters.langchain.texts import text_of
from ctxmem.adapters.policies import policy_of
from ctxmem.chat import trim_messages
from ctxmem.errors import BudgetError
from ctxmem.intake import read_budget
from ctxmem.schema import Budget
from ctxmem.stores import MemoryStore

TENANT = "langchain"
_THREADS = 256  # whose windows are remembered


@dataclass(slots=True)
class ContextWindowEdit:
    """Cut the history to a budget, as an edit of LangChain's `ContextEditingMiddleware`.

    A `ctxmem.Memory` of each conversation, which is known by its first message, decides what
    stays; an edit of messages has no tool, so that indexes of what has left are not shown, and no
    block of statements that bind. The budget is of the messages alone, which is all that an edit
    sees: take system message and tools off it, or use `ContextMiddleware`. `policy` is that of
    `ctxmem.Memory`; "batch" cuts down to half the budget. With `counter=None` the middleware's own
    counter is asked, and `ctxmem.trim_messages` cuts. `low_water` is deprecated, as in
    `ContextMiddleware`.

    >>> from langchain_core.messages import AIMessage, HumanMessage
    >>> asked = [HumanMessage(f"This is question {i}.") for i in range(20)]
    >>> chat = [message for one in asked for message in (one, AIMessage("Yes."))][:-1]
    >>> ContextWindowEdit(budget=80).apply(chat, count_tokens=len)
    >>> len(chat) < 12, chat[-1].text
    (True, 'This is question 19.')
    """

    budget: int | Budget
    low_water: Any = ...
    counter: object | None = "o200k_base"
    provider: str | None = None
    policy: str = "batch"
    _conversations: dict[bytes, Conversation] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        read_budget(self.budget)
        if self.low_water is not ...:
            self.policy = policy_of(self.low_water, "ContextWindowEdit")

    def apply(
        self, messages: list[AnyMessage], *, count_tokens: Callable[[Sequence[BaseMessage]], int]
    ) -> None:
        """Cut the list in place."""
        if self.counter is None:
            options: dict[str, Any] = {"token_counter": count_tokens, "provider": self.provider}
            messages[:] = trim_messages(messages, self.budget, **options)
        elif messages:
            conversation = self._conversation(mark_of(messages[0]))
            with conversation.lock:
                places = conversation.sync(messages)
                try:
                    window = conversation.window(0)
                except BudgetError as error:
                    raise named(error, conversation, places, before=0, fixed=0) from None
                made = conversation.as_given(window)
            messages[:] = [message for message in made if not _is_index(message)]

    def _conversation(self, key: bytes) -> Conversation:
        found = self._conversations.pop(key, None) or Conversation(
            *(MemoryStore(), TENANT, "edit", read_budget(self.budget).limit),
            {"counter": self.counter, "provider": self.provider, "policy": self.policy},
            decode_old=lambda old: old,
        )
        self._conversations[key] = found
        if len(self._conversations) > _THREADS:
            del self._conversations[next(iter(self._conversations))]
        return found


def _is_index(message: BaseMessage) -> bool:
    return message.type == "human" and text_of(message).startswith("[memory] ")
