"""ctxmem in LiteLLM: requests of the proxy and of the SDK cut to a budget of tokens.

=============== =======================================================
name            what it is to LiteLLM
=============== =======================================================
ContextCallback a `CustomLogger`: `litellm.callbacks`, or the proxy's
=============== =======================================================
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ctxmem.adapters.beside import RequestStats, known_provider, trimmer
from ctxmem.errors import MissingExtraError
from ctxmem.schema import Budget

try:
    import litellm
    from litellm.integrations.custom_logger import CustomLogger
except ImportError as error:
    raise MissingExtraError(
        "ctxmem.adapters.litellm needs litellm, which is not installed; install it with "
        "pip install 'ctxmem[litellm]'"
    ) from error

__all__ = ["ContextCallback", "RequestStats"]

_log = logging.getLogger("ctxmem.adapters.litellm")
_CALLS = {
    **dict.fromkeys(("completion", "acompletion", "anthropic_messages"), "messages"),
    **dict.fromkeys(("aanthropic_messages", "anthropic"), "messages"),
    **dict.fromkeys(("responses", "aresponses"), "input"),
}
"""Kinds of calls that have messages, and the field that holds these."""


class ContextCallback(CustomLogger):
    """Cut the messages of every request to `budget` tokens, system message and tools included.

    In the proxy name an instance under `litellm_settings: callbacks`; in the SDK put it into
    `litellm.callbacks`, which `acompletion`, `aresponses` and the router ask. LiteLLM asks no
    callback for its consent to a synchronous call: pass that one through `prepare`.

    Chat completions, Anthropic's messages and lists of Responses items are cut, by
    `ctxmem.trim_messages`, and a note has what binds of those that leave; a request that fits, and
    every other one, is passed on as it is. So is one where anything goes wrong here, what must stay
    not fitting included: the fault is logged by "ctxmem.adapters.litellm" as a warning, and the
    request goes out as the caller wrote it. With `strict=True` the error is raised instead.

    The caller's lists and messages are not changed. `report` is called with the `RequestStats` of
    every request that was read.

    >>> callback = ContextCallback(80)
    >>> asked = [{"role": "user", "content": f"This is question {i}."} for i in range(20)]
    >>> request = callback.prepare(model="gpt-5", messages=asked, mock_response="Yes.")
    >>> len(request["messages"]) < 12, callback.last.tokens <= 80
    (True, True)
    >>> litellm.completion(**request).choices[0].message.content
    'Yes.'
    """

    last: RequestStats | None = None

    def __init__(
        self,
        budget: int | Budget,
        *,
        counter: object = "o200k_base",
        provider: str | None = None,
        low_water: float | None = 0.5,
        strict: bool = False,
        report: Callable[[RequestStats], object] | None = None,
    ) -> None:
        super().__init__()
        self._trimmer = trimmer(budget, counter, provider, low_water)
        self._strict = strict
        self._report = report

    def prepare(self, **request: Any) -> dict[str, Any]:
        """Return the arguments of a call of `completion` or `responses`, cut to the budget."""
        return self._safely(request, "messages" if "messages" in request else "input")

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> dict[str, Any]:
        """Cut a request of the proxy."""
        return await self._cut_call(data, call_type)

    async def async_pre_call_deployment_hook(
        self, kwargs: dict[str, Any], call_type: Any
    ) -> dict[str, Any]:
        """Cut a request of the SDK."""
        return await self._cut_call(kwargs, call_type)

    async def _cut_call(self, data: dict[str, Any], call_type: Any) -> dict[str, Any]:
        field = _CALLS.get(str(getattr(call_type, "value", call_type)))
        if field is None:
            return data
        return await asyncio.to_thread(self._safely, data, field)

    def _safely(self, data: dict[str, Any], field: str) -> dict[str, Any]:
        try:
            return self._cut(data, field)
        except Exception as error:
            if self._strict:
                raise
            _log.warning("a request was passed on as it is: %s: %s", type(error).__name__, error)
            return data

    def _cut(self, data: dict[str, Any], field: str) -> dict[str, Any]:
        messages = data.get(field)
        if not isinstance(messages, list) or not messages:
            return data  # a text: there is nothing to leave out
        kept, stats = self._trimmer.cut(
            messages,
            instructions=data.get("system") or data.get("instructions"),
            tools=data.get("tools") or (),
            answer=data.get("response_format") or data.get("text"),
            provider=_provider_of(data),
        )
        self.last = stats
        if self._report is not None:
            self._report(stats)
        if len(kept) == len(messages) and all(map(_is, kept, messages)):
            return data
        return {**data, field: kept}


def _provider_of(data: Mapping[str, Any]) -> str | None:
    """Return whose overhead a request has, as far as its model says; an alias says nothing."""
    named = known_provider(data.get("custom_llm_provider"))
    model = data.get("model")
    if named is not None or not isinstance(model, str):
        return named
    known = litellm.model_cost.get(model, {}).get("litellm_provider")
    return known_provider(model.partition("/")[0]) or known_provider(known)


def _is(left: object, right: object) -> bool:
    return left is right
