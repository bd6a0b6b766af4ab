"""A span for every request of a gateway, by the GenAI conventions for calls of a model.

See `ctxmem.telemetry` for when spans are made. The client's `traceparent` is the parent, and is
passed on with its other headers as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from ctxmem.gateway.telemetry.facts import RequestFacts
from ctxmem.telemetry import failed, mark_error, tracer

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[bytes, bytes]]

ATTRIBUTES: Final = {
    "gen_ai.operation.name": "`chat`",
    "gen_ai.provider.name": "`openai` or `anthropic`, by the wire format",
    "gen_ai.request.model": "model that the client asked for",
    "gen_ai.request.stream": "whether the reply came as events",
    "gen_ai.response.model": "model that answered",
    "gen_ai.response.time_to_first_chunk": "seconds to the first byte of a streamed reply",
    "gen_ai.conversation.id": "opaque id of the conversation",
    "gen_ai.usage.input_tokens": "input tokens that the provider reported, cached ones included",
    "gen_ai.usage.output_tokens": "output tokens that the provider reported",
    "gen_ai.usage.cache_read.input_tokens": "input tokens that were read from its cache",
    "gen_ai.usage.cache_creation.input_tokens": "input tokens that were written to its cache",
    "server.address": "host of the upstream",
    "server.port": "port of the upstream",
    "http.response.status_code": "status of the reply",
    "error.type": "the status, if it is 400 or more",
    "ctxmem.wire": "`chat`, `responses` or `anthropic`",
    "ctxmem.mode": "`observe`, `guard` or `manage`",
    "ctxmem.seconds_added": "seconds from the request's arrival to its sending",
    "ctxmem.seconds_upstream": "seconds from then to the first byte of the reply",
    "ctxmem.budget_tokens": "tokens that the request may have",
    "ctxmem.tokens": "tokens of the request that was sent",
    "ctxmem.tokens.PART": "tokens of a part: `system`, `tools`, `history`, ...",
    "ctxmem.kept": "messages of the client that were sent",
    "ctxmem.dropped": "messages of the client that were not sent",
    "ctxmem.recalled": "pages that were brought back",
    "ctxmem.recall.calls": "calls of the recall tool that the gateway answered",
    "ctxmem.find.calls": "calls of `find_tool` that the gateway answered",
    "ctxmem.prefix.reused_tokens": "tokens with which the request before began, too",
    "ctxmem.prefix.broken": "what differs in that part: `model`, `tools`, `system` or `message`",
    "ctxmem.edit": "whether messages left the window",
    "ctxmem.edit.reason": "`full`, `recall`, `cold`, `pays` or `account`",
    "ctxmem.bill": "price of what was sent, in uncached input tokens",
    "ctxmem.bill.through": "price if the client's request had been passed on",
    "ctxmem.bill.uncached": "price of that without the provider's cache",
    "ctxmem.bill.recall": "what the tool `recall` and its calls cost, a part of `ctxmem.bill`",
    "ctxmem.passed_through": "why the client's own body was sent",
    "ctxmem.fault": "stage at which ctxmem failed; the request did not",
}
"""Attributes of the spans of requests, and what they mean."""


class RequestSpan:
    """The span of one request, None inside if nothing is recorded; its methods never raise."""

    __slots__ = ("_span",)

    def __init__(self, span: Any = None) -> None:
        self._span = span

    @property
    def recording(self) -> bool:
        """Whether there is a span to end."""
        return self._span is not None

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make it the parent of spans that are made in the block, by this task or thread."""
        token = None
        if self._span is not None:
            try:
                from opentelemetry import context, trace

                token = context.attach(trace.set_span_in_context(self._span))
            except Exception as error:
                failed(error)
        try:
            yield
        finally:
            if token is not None:
                context.detach(token)

    def finish(self, facts: RequestFacts) -> None:
        """End the span with the facts of its exchange; a second time does nothing."""
        span, self._span = self._span, None
        if span is None:
            return
        try:
            if facts.model:
                span.update_name(f"chat {facts.model}")
            span.set_attributes(attributes_of(facts))
            if facts.status >= 400:
                mark_error(span, str(facts.status))
        except Exception as error:
            failed(error)
        try:
            span.end()
        except Exception as error:
            failed(error)


def begin(headers: Headers = (), facts: RequestFacts | None = None) -> RequestSpan:
    """Return the span of a request that has come, with what is known of it at once.

    The parent is the span that is current, such as that of an instrumented server, or else that of
    the request's `traceparent`.
    """
    try:
        making = tracer()
        if making is None:
            return RequestSpan()
        from opentelemetry.trace import SpanKind

        known = attributes_of(facts) if facts is not None else {"gen_ai.operation.name": "chat"}
        name = f"chat {facts.model}" if facts is not None and facts.model else "chat"
        span = making.start_span(name, _parent(headers), SpanKind.CLIENT, known)
        return RequestSpan(span if span.is_recording() else None)
    except Exception as error:
        failed(error)
        return RequestSpan()


def _parent(headers: Headers) -> Any:
    """Return the context of the parent span, None for the current one."""
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if trace.get_current_span().get_span_context().is_valid:
        return None
    pairs: Any = headers.items() if isinstance(headers, Mapping) else headers
    carrier: dict[str, str] = {}
    for name, value in pairs:
        lower = _text(name).lower()
        if lower in ("traceparent", "tracestate"):
            carrier.setdefault(lower, _text(value))
    return TraceContextTextMapPropagator().extract(carrier)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def attributes_of(facts: RequestFacts) -> dict[str, Any]:
    """Return the attributes of an exchange; what is not known is left out."""
    usage = facts.usage
    found: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": facts.provider,
        "gen_ai.request.model": facts.model or None,
        "gen_ai.request.stream": facts.streamed or None,
        "gen_ai.response.model": facts.response_model or None,
        "gen_ai.response.time_to_first_chunk": facts.seconds_upstream if facts.streamed else None,
        "gen_ai.conversation.id": facts.conversation or None,
        "gen_ai.usage.input_tokens": usage and usage.input,
        "gen_ai.usage.output_tokens": usage and usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage and usage.cached,
        "gen_ai.usage.cache_creation.input_tokens": usage and usage.written,
        "server.address": facts.server_address or None,
        "server.port": facts.server_port or None,
        "http.response.status_code": facts.status or None,
        "ctxmem.wire": facts.wire,
        "ctxmem.mode": facts.mode,
        "ctxmem.seconds_added": facts.seconds_added,
        "ctxmem.seconds_upstream": facts.seconds_upstream,
        "ctxmem.budget_tokens": facts.budget,
        "ctxmem.tokens": sum(facts.tokens.values()) if facts.tokens else None,
        "ctxmem.kept": facts.kept,
        "ctxmem.dropped": facts.dropped,
        "ctxmem.recalled": facts.recalled,
        "ctxmem.recall.calls": facts.recall_calls or None,
        "ctxmem.find.calls": facts.find_calls or None,
        "ctxmem.prefix.reused_tokens": facts.prefix_reused,
        "ctxmem.prefix.broken": facts.prefix_broken or None,
        "ctxmem.edit": facts.edit,
        "ctxmem.edit.reason": facts.edit_reason or None,
        "ctxmem.bill": facts.bill_sent,
        "ctxmem.bill.through": facts.bill_through,
        "ctxmem.bill.uncached": facts.bill_uncached,
        "ctxmem.bill.recall": facts.bill_recall,
        "ctxmem.passed_through": facts.passed_through or None,
        "ctxmem.fault": facts.fault or None,
    }
    found |= {f"ctxmem.tokens.{part}": tokens for part, tokens in facts.tokens.items()}
    return {name: value for name, value in found.items() if value is not None}
