"""Count LangChain messages for whoever asks for a token counter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctxmem.chat import count_messages


def token_counter(
    messages: Iterable[Any],
    counter: object = "o200k_base",
    *,
    tools: Iterable[Any] | None = None,
    provider: str | None = None,
) -> int:
    """Count messages exactly, each once; a text that was seen before costs a look-up.

    It is what LangChain calls a `token_counter`: pass it to its `trim_messages`, to
    `SummarizationMiddleware` or to `ContextEditingMiddleware`, which ask for the count of the same
    messages again and again. For another encoding bind it:
    `functools.partial(token_counter, counter="gpt-4")`. What is counted is listed in
    `docs/messages.md`; errors are those of `ctxmem.count_messages`.

    >>> from langchain_core.messages import HumanMessage, trim_messages
    >>> chat = [HumanMessage("The first question."), HumanMessage("The second one.")]
    >>> [m.text for m in trim_messages(chat, max_tokens=14, token_counter=token_counter)]
    ['The second one.']
    """
    return count_messages(messages, counter, tools=tools, provider=provider)
