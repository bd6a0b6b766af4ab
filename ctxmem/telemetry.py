"""Spans of OpenTelemetry for `pack`, `assemble` and `Memory`, where the application records any.

Nothing is imported for them: a span is made only if the application has imported OpenTelemetry and
set a tracer provider, or if `enable` or `CTXMEM_TELEMETRY=on` asks for them. Names follow the
GenAI semantic conventions (open-telemetry/semantic-conventions-genai, 2026-11) where one applies;
the others begin with `ctxmem.`. A span has numbers and words of ctxmem, never a text, an id or a
name that a user chose, unless `CTXMEM_CAPTURE_TEXT=1` or `enable(capture_text=True)` asks for it.
A fault here never fails the call that is recorded.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from ctxmem.errors import MissingExtraError
from ctxmem.schema import Decision, Reason, Window

P = ParamSpec("P")
R = TypeVar("R")
Attributes: TypeAlias = Mapping[str, Any]
Arguments: TypeAlias = tuple[Any, ...]
Named: TypeAlias = Mapping[str, Any]
Describe: TypeAlias = Callable[[Arguments, Named, Any, Any], Attributes]
"""Makes attributes of positional and named arguments, the result, and what `before` returned."""

SPANS: Final = {
    "ctxmem.pack": "`pack`, `apack`, and what calls them",
    "ctxmem.assemble": "`assemble`",
    "ctxmem.window": "`Memory.window`",
    "create_memory": "`Memory.append`",
    "search_memory": "`Memory.recall`",
}
"""Names of spans, and what they are of; those of memory operations are the conventions'."""

ATTRIBUTES: Final = {
    "gen_ai.operation.name": "`pack`, `assemble`, `window`, `create_memory` or `search_memory`",
    "gen_ai.conversation.id": "digest of tenant and session; see `conversation_id`",
    "gen_ai.memory.record.count": "pages that were written or found",
    "error.type": "type of the error that the call raised",
    "ctxmem.budget_tokens": "tokens that the window or request may have",
    "ctxmem.tokens": "tokens of the window or request",
    "ctxmem.exact": "whether tokens were counted exactly, not estimated",
    "ctxmem.candidates": "inputs of `pack` or `assemble`",
    "ctxmem.kept": "inputs that are in the window; messages, for a memory",
    "ctxmem.dropped": "inputs or messages that are not in the window",
    "ctxmem.dropped.duplicate": "dropped because another input says the same",
    "ctxmem.dropped.budget": "dropped because the budget was used up",
    "ctxmem.dropped.requirement": "dropped because something they require was dropped",
    "ctxmem.dropped.blank": "dropped because they have no text",
    "ctxmem.tokens.duplicate": "tokens of the inputs that were dropped as duplicates",
    "ctxmem.tokens.stable": "tokens of the part that the next window begins with",
    "ctxmem.tokens.volatile": "tokens behind the stable part, without what was recalled",
    "ctxmem.tokens.recalled": "tokens that were brought back for a query",
    "ctxmem.tokens.appended": "tokens of what was appended",
    "ctxmem.tokens.system": "tokens of the system prompt of a request",
    "ctxmem.tokens.tools": "tokens of its tool definitions",
    "ctxmem.tokens.rules": "tokens of its rules",
    "ctxmem.tokens.history": "tokens of its history",
    "ctxmem.tokens.memory": "tokens of what a memory gave for its question",
    "ctxmem.tokens.passages": "tokens of its passages",
    "ctxmem.tokens.code": "tokens of its code",
    "ctxmem.tokens.question": "tokens of its question",
    "ctxmem.tools.full": "tools of a request that are sent in full",
    "ctxmem.tools.short": "tools that are sent with shortened descriptions",
    "ctxmem.tools.deferred": "tools of which only a line is sent",
    "ctxmem.tools.changed": "whether its tools differ from those of the previous request",
    "ctxmem.pieces": "pieces of the packed window",
    "ctxmem.status": "`optimal` or `feasible`",
    "ctxmem.gap": "how far the value may be below the best, as a share",
    "ctxmem.appended": "messages that were appended",
    "ctxmem.recalled": "pages that were brought back for a query",
    "ctxmem.recall.k": "pages that were asked for",
    "ctxmem.recall.scope": "`session` or `tenant`",
    "ctxmem.recall.faults": "pages found that were not in the window",
    "ctxmem.prefix.reused_tokens": "tokens with which the window before began, too",
    "ctxmem.edit": "whether messages left the window in this call",
    "ctxmem.edit.reason": "`full`, `recall`, `cold`, `pays` or `account`",
    "ctxmem.edit.tokens": "tokens that left the window",
    "ctxmem.bill": "price of the window, in uncached input tokens",
    "ctxmem.bill.untrimmed": "price of the whole history in its place",
}
"""Attributes of the spans of `pack`, `assemble` and `Memory`, and what they mean."""

TEXT_ATTRIBUTES: Final = {
    "gen_ai.retrieval.query.text": "the query of `pack`, the question of `assemble`",
    "gen_ai.memory.query.text": "the query of `window` or `recall`",
    "gen_ai.memory.records": "what was appended or found, as JSON",
    "ctxmem.text": "the window; the messages of a memory or request as JSON",
}
"""Attributes that are there only if texts are asked for."""

_TRACE = "opentelemetry.trace"
_LOADS = "OTEL_PYTHON_TRACER_PROVIDER" in os.environ  # then the first use of it sets a provider
_WORD = re.compile(r"[A-Za-z_][\w.]{0,99}", re.ASCII)
_log = logging.getLogger("ctxmem.telemetry")
_log.addHandler(logging.NullHandler())
_ON, _OFF, _AUTO = "on", "off", "auto"
_inside: ContextVar[str] = ContextVar("ctxmem_span", default="")
"""The span that this thread or task is in: what a call does by calling itself is not recorded."""


class _State:
    """What was asked for; one in a process."""

    def __init__(self) -> None:
        asked = os.environ.get("CTXMEM_TELEMETRY", "").lower()
        self.mode = {"1": _ON, "on": _ON, "0": _OFF, "off": _OFF}.get(asked, _AUTO)
        self.text = os.environ.get("CTXMEM_CAPTURE_TEXT", "").lower() in ("1", "on", "true", "yes")
        self.provider: Any = None  # None: the provider of the process
        self.tracer: tuple[Any, Any] = (None, None)  # the last provider, and its tracer
        self.warned = False


_state = _State()


def enable(tracer_provider: Any = None, *, capture_text: bool | None = None) -> None:
    """Record spans from now on, with a tracer provider of your own or that of the process.

    Without a call of it spans are recorded if the application has imported OpenTelemetry and set a
    provider. `capture_text=True` puts queries, messages and windows into spans, and the names of
    sessions: they may have anything in them that your users wrote.

    Raises:
        MissingExtraError: opentelemetry-api is not installed.
    """
    _imported()
    _state.mode, _state.provider = _ON, tracer_provider
    if capture_text is not None:
        _state.text = capture_text


def disable() -> None:
    """Record nothing from now on, whatever the application records."""
    _state.mode, _state.provider = _OFF, None


def reset() -> None:
    """Go back to what the environment says: `CTXMEM_TELEMETRY` and `CTXMEM_CAPTURE_TEXT`."""
    _state.__init__()  # type: ignore[misc]


def captures_text() -> bool:
    """Return whether texts were asked for."""
    return _state.text


def conversation_id(tenant: str, session: str) -> str:
    """Return the id of a session in spans: a digest, because names of sessions may be private.

    It is the same in every process. Who knows both names can compute it. If texts are asked for it
    is the name of the session.
    """
    if _state.text:
        return session
    named = f"{len(tenant)} {tenant} {session}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(named, digest_size=8, person=b"ctxmem-session").hexdigest()


def error_type(error: BaseException | type[BaseException]) -> str:
    """Return the name of an error's type with its module; nothing of what the error says."""
    kind = error if isinstance(error, type) else type(error)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    return name if _WORD.fullmatch(name) else "_OTHER"


def _imported() -> Any:
    try:
        import opentelemetry.trace
    except ImportError as error:
        raise MissingExtraError(
            "spans need opentelemetry-api; install it with: pip install 'ctxmem[otel]'"
        ) from error
    return opentelemetry.trace


def tracer() -> Any:
    """Return the tracer of ctxmem, None if nothing is recorded.

    It imports OpenTelemetry only if `enable` or the environment asks for it. It may raise what the
    application's provider raises.
    """
    state = _state
    if state.mode == _OFF:
        return None
    trace = sys.modules.get(_TRACE)
    if trace is None:
        if state.mode == _AUTO:
            return None
        trace = _imported()
    provider = state.provider or trace.get_tracer_provider()
    if provider is not state.tracer[0]:
        if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
            return None
        from ctxmem import __version__

        state.tracer = (provider, provider.get_tracer("ctxmem", __version__))
    return state.tracer[1]


def _has_no_provider() -> bool:
    """Return whether the application has OpenTelemetry, but records nothing with it.

    Asking it for its provider takes ten times as many calls, which is a percent of an append.
    """
    try:
        return not _LOADS and sys.modules[_TRACE]._TRACER_PROVIDER is None
    except (AttributeError, KeyError):  # another version has it under another name: ask it
        return False


def failed(error: BaseException) -> None:
    """Log a fault of telemetry, the first as a warning; by its type, as it may quote a text."""
    level = logging.DEBUG if _state.warned else logging.WARNING
    _state.warned = True
    _log.log(level, "telemetry failed with %s", error_type(error))


def traced(
    name: str,
    operation: str,
    describe: Describe,
    *,
    before: Callable[[Arguments], Any] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that records calls of a function as spans of an operation.

    `before` is called with the positional arguments before the call, and `describe` after a call
    that returned, only if the span is recorded.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if _state.mode == _AUTO and (_TRACE not in sys.modules or _has_no_provider()):
                return function(*args, **kwargs)
            span = _Span.begin(name, operation)
            if span is None:
                return function(*args, **kwargs)
            noted = span.note(before, args)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                span.fail(error)
                raise
            span.end(describe, args, kwargs, result, noted)
            return result

        return call

    return decorate


class _Span:
    """A span that is recorded, and the current one of its thread; its methods never raise."""

    __slots__ = ("_inner", "_span", "_token")

    def __init__(self, span: Any, token: Any, name: str) -> None:
        self._span, self._token = span, token
        self._inner = _inside.set(name)

    @classmethod
    def begin(cls, name: str, operation: str) -> _Span | None:
        """Return a span that has begun, None if it is not recorded."""
        try:
            making = tracer()
            if making is None or _inside.get() == name:
                return None
            span = making.start_span(name, attributes={"gen_ai.operation.name": operation})
            if not span.is_recording():
                return None
            from opentelemetry import context, trace

            return cls(span, context.attach(trace.set_span_in_context(span)), name)
        except Exception as error:
            failed(error)
            return None

    def note(self, before: Callable[[Arguments], Any] | None, args: Arguments) -> Any:
        try:
            return before(args) if before is not None else None
        except Exception as error:
            failed(error)
            return None

    def fail(self, error: BaseException) -> None:
        """End the span of a call that raised."""
        try:
            mark_error(self._span, error_type(error))
        except Exception as fault:
            failed(fault)
        self._close()

    def end(
        self, describe: Describe, args: Arguments, kwargs: Named, result: Any, noted: Any
    ) -> None:
        """End the span of a call that returned."""
        try:
            self._span.set_attributes(dict(describe(args, kwargs, result, noted)))
        except Exception as error:
            failed(error)
        self._close()

    def _close(self) -> None:
        try:
            _inside.reset(self._inner)
            from opentelemetry import context

            context.detach(self._token)
        except Exception as error:
            failed(error)
        try:
            self._span.end()
        except Exception as error:
            failed(error)


def mark_error(span: Any, kind: str) -> None:
    """Set the status of a span to an error of a type."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))


def argument(args: Arguments, kwargs: Named, position: int, name: str, default: Any = None) -> Any:
    """Return an argument that was given by its position or its name."""
    return args[position] if len(args) > position else kwargs.get(name, default)


_DROPPED: Final = {
    Reason.DUPLICATE: "duplicate",
    Reason.NEAR_DUPLICATE: "duplicate",
    Reason.SIMILAR: "duplicate",
    Reason.CONTAINED: "duplicate",
    Reason.OVER_BUDGET: "budget",
    Reason.MISSING_REQUIREMENT: "requirement",
    Reason.BLANK: "blank",
}


def _dropped(decisions: Sequence[Decision]) -> dict[str, int]:
    """Return how many inputs were dropped, by reason."""
    found: Counter[str] = Counter(
        _DROPPED[decision.reason] for decision in decisions if not decision.kept
    )
    return {f"ctxmem.dropped.{reason}": found[reason] for reason in set(_DROPPED.values())}


def _reused(window: Window, previous: Window) -> int:
    """Return the tokens of the first pieces that are those of the previous window."""
    tokens = 0
    for piece, old in zip(window.pieces, previous.pieces, strict=False):
        if piece.text != old.text or piece.header != old.header:
            break
        tokens += piece.tokens
    return tokens


def describe_pack(args: Arguments, kwargs: Named, window: Window, _noted: Any) -> Attributes:
    """Return the attributes of a call of `pack`."""
    dropped = [one for one in window.decisions if not one.kept]
    found: dict[str, Any] = {
        "ctxmem.budget_tokens": window.budget,
        "ctxmem.tokens": window.tokens,
        "ctxmem.exact": window.exact,
        "ctxmem.candidates": len(window.decisions),
        "ctxmem.kept": len(window.decisions) - len(dropped),
        "ctxmem.dropped": len(dropped),
        **_dropped(dropped),
        "ctxmem.tokens.duplicate": sum(
            one.tokens for one in dropped if _DROPPED[one.reason] == "duplicate"
        ),
        "ctxmem.pieces": len(window.pieces),
        "ctxmem.status": window.status,
        "ctxmem.gap": float(window.gap),
    }
    previous = kwargs.get("previous_window") or kwargs.get("resident")
    if previous is not None:
        found["ctxmem.prefix.reused_tokens"] = _reused(window, previous)
    if captures_text():
        found["ctxmem.text"] = window.text
        if isinstance(kwargs.get("query"), str):
            found["gen_ai.retrieval.query.text"] = kwargs["query"]
    return found


def describe_assemble(args: Arguments, kwargs: Named, request: Any, _noted: Any) -> Attributes:
    """Return the attributes of a call of `assemble`."""
    decisions = request.decisions
    kept = sum(decision.form not in ("omitted", "duplicate") for decision in decisions)
    forms = Counter(decision.form for decision in decisions if decision.part == "tools")
    found: dict[str, Any] = {
        "ctxmem.budget_tokens": request.budget,
        "ctxmem.tokens": request.tokens,
        "ctxmem.exact": request.exact,
        "ctxmem.candidates": len(decisions),
        "ctxmem.kept": kept,
        "ctxmem.dropped": len(decisions) - kept,
        **{f"ctxmem.tokens.{part}": tokens for part, tokens in request.parts.items()},
        **{f"ctxmem.tools.{form}": forms[form] for form in ("full", "short", "deferred")},
        "ctxmem.status": request.status,
        "ctxmem.gap": float(request.gap),
    }
    previous = kwargs.get("previous")
    if previous is not None:
        found["ctxmem.tools.changed"] = previous.tools != request.tools
    if captures_text():
        found["ctxmem.text"] = json.dumps(request.messages, ensure_ascii=False, default=str)
        question = argument(args, kwargs, 0, "question")
        if isinstance(question, str):
            found["gen_ai.retrieval.query.text"] = question
    return found
