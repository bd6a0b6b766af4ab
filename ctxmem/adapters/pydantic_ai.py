"""ctxmem in Pydantic AI: an agent's messages within a budget of tokens.

================ ==================================================== =============================
name             what it is to Pydantic AI                            the budget is of
================ ==================================================== =============================
HistoryProcessor a history processor                                  messages and instructions
ContextWindow    a capability, whose history stays whole              the whole request, tools too
================ ==================================================== =============================
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ctxmem.adapters.beside import RequestStats, known_provider, trimmer
from ctxmem.errors import MissingExtraError
from ctxmem.schema import Budget

try:
    import pydantic_ai  # noqa: F401
    from pydantic_ai.messages import ModelMessage, ModelRequest
except ImportError as error:
    raise MissingExtraError(
        "ctxmem.adapters.pydantic_ai needs pydantic-ai, which is not installed; install it with "
        "pip install 'ctxmem[pydantic-ai]'"
    ) from error

try:
    from pydantic_ai.capabilities import AbstractCapability
except ImportError:  # before Pydantic AI 1.71
    AbstractCapability = None

if TYPE_CHECKING:
    from pydantic_ai.models import ModelRequestContext
    from pydantic_ai.tools import RunContext

__all__ = ["ContextWindow", "HistoryProcessor", "RequestStats"]

_ORIGIN = "ctxmem_origin"


class _Trimming:
    """What both have: the options of a trimmer, and the figures of its last call."""

    last: RequestStats | None = None

    def __init__(
        self,
        budget: int | Budget,
        *,
        counter: object = "o200k_base",
        provider: str | None = None,
        low_water: float | None = 0.5,
    ) -> None:
        super().__init__()
        self._trimmer = trimmer(budget, counter, provider, low_water)


class HistoryProcessor(_Trimming):
    """Cut the history of an agent to `budget` tokens, by `ctxmem.trim_messages`.

    Use it as `Agent(..., capabilities=[ProcessHistory(HistoryProcessor(8000))])`, or before
    Pydantic AI 2 as `history_processors=[...]`. The agent's history is then the cut one, for that
    is what history processors are; `ContextWindow` leaves it whole.

    The budget is of the messages and the instructions, which is all that a processor sees: take
    tools off it. Calls stay with their returns, the last question, calls in flight and system
    prompts are kept, a broken history is repaired, and the messages are the ones given, except for
    a return that is shown in part. A note has what binds of messages that leave. If what must stay
    does not fit, `BudgetError` names it. `last` says what the last call was given; among concurrent
    runs, whichever was last.

    >>> from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart
    >>> asked = [ModelRequest.user_text_prompt(f"This is question {i}.") for i in range(20)]
    >>> said = [one for request in asked for one in (request, ModelResponse([TextPart("Yes.")]))]
    >>> kept = HistoryProcessor(80)(said[:-1])
    >>> len(kept) < 12, kept[-1] is asked[-1]
    (True, True)
    """

    def __call__(self, messages: list[ModelMessage]) -> list[ModelMessage]:
        """Return the messages that fit, oldest first."""
        kept, self.last = self._trimmer.cut(
            _views(messages), instructions=_instructions_in(messages), note=_note
        )
        return _originals(kept)


def _note(text: str) -> ModelMessage:
    return ModelRequest.user_text_prompt(text)


def _instructions_in(messages: list[ModelMessage]) -> str | None:
    """Return the instructions that are sent: those of the newest request that has some."""
    requests = (one for one in reversed(messages) if one.kind == "request")
    return next((one.instructions for one in requests if one.instructions), None)


def _views(messages: list[ModelMessage]) -> list[Any]:
    """Return copies without instructions: only the last are sent, and once.

    Parts are shared. Each copy remembers which message it is of, and so does a copy of it.
    """
    views = []
    for message in messages:
        view: Any = copy.copy(message)
        if message.kind == "request":
            view.instructions = None
        view.__dict__[_ORIGIN] = message
        views.append(view)
    return views


def _originals(kept: list[Any]) -> list[ModelMessage]:
    """Return the messages of which these are views; of a changed one a copy with its new parts."""
    made = []
    for view in kept:
        origin = view.__dict__.get(_ORIGIN)
        if origin is None:
            made.append(view)
        elif _same_parts(view, origin):
            made.append(origin)
        else:
            made.append(replace(origin, parts=view.parts))
    return made


def _same_parts(view: Any, origin: Any) -> bool:
    return view.parts is origin.parts or (
        len(view.parts) == len(origin.parts)
        and all(one is other for one, other in zip(view.parts, origin.parts, strict=True))
    )


if AbstractCapability is not None:

    class ContextWindow(_Trimming, AbstractCapability[Any]):
        """Keep every request of an agent within `budget` tokens: instructions, tools, messages.

        Use it as `Agent(..., capabilities=[ContextWindow(8000)])`, with `run`, `run_sync` and
        `run_stream` alike. The history of the run stays whole, only the request is cut; in older
        versions, such as 2.0, the history is what the hooks made of the request. What is
        kept is as in `HistoryProcessor`; schemas of tools and of the output are counted too. Where
        `provider` is None, it is that of the model, as far as its overhead is known.

        >>> from pydantic_ai import Agent
        >>> from pydantic_ai.models.test import TestModel
        >>> window = ContextWindow(8000)
        >>> Agent(TestModel(), capabilities=[window]).run_sync("Is it raining?").output
        'success (no tool calls)'
        >>> window.last.kept, window.last.budget
        (1, 8000)
        """

        @classmethod
        def get_serialization_name(cls) -> str | None:
            """Return None: a counter may be a function, which no file of settings holds."""
            return None

        async def before_model_request(
            self, ctx: RunContext[Any], request_context: ModelRequestContext
        ) -> ModelRequestContext:
            """Send what fits; the history of the run is not changed."""
            messages = list(request_context.messages)
            kept = await asyncio.to_thread(self._cut, messages, request_context)
            if not (len(kept) == len(messages) and all(map(_is, kept, messages))):
                request_context.messages = kept
            return request_context

        def _cut(
            self, messages: list[ModelMessage], request: ModelRequestContext
        ) -> list[ModelMessage]:
            parameters = request.model_request_parameters
            parts = parameters.instruction_parts
            if parts is None:
                instructions = _instructions_in(messages)
            else:
                instructions = "\n\n".join(part.content for part in parts)
            tools = [
                {
                    "name": tool.name,
                    "description": tool.description or "",
                    "parameters": tool.parameters_json_schema,
                }
                for tool in (*parameters.function_tools, *parameters.output_tools)
            ]
            answer = parameters.output_object
            kept, self.last = self._trimmer.cut(
                _views(messages),
                instructions=instructions,
                tools=tools,
                answer=None if answer is None else answer.json_schema,
                provider=known_provider(request.model.system),
                note=_note,
            )
            return _originals(kept)

else:

    def __getattr__(name: str) -> Any:
        if name == "ContextWindow":
            raise MissingExtraError(
                "ContextWindow needs a newer pydantic-ai, with capabilities; install it with "
                "pip install -U 'ctxmem[pydantic-ai]'"
            )
        raise AttributeError(f"module 'ctxmem.adapters.pydantic_ai' has no attribute {name!r}")


def _is(left: object, right: object) -> bool:
    return left is right
