"""The wire formats of providers: what a request asks, and how one with other messages is written.

Each format is a `Wire`: it reads a request's body into `Asked`, writes a body with other messages,
and puts a stream of events together to the reply that they make.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ctxmem.gateway.wire.anthropic import AnthropicMessages
from ctxmem.gateway.wire.chat import ChatCompletions
from ctxmem.gateway.wire.reading import Asked, Reply, Unreadable
from ctxmem.gateway.wire.responses import Responses

__all__ = ["Asked", "Reply", "Unreadable", "Wire", "family_of", "wire_of"]


class Wire(Protocol):
    """One provider's format of requests and replies."""

    name: str
    """ "chat", "responses" or "anthropic"."""
    provider: str
    """The provider's name in `ctxmem.check` and `ctxmem.count_messages`."""

    def read(self, body: Any) -> Asked:
        """Return what a request's body asks; `Unreadable` if it cannot be read."""
        ...

    def write(self, asked: Asked, messages: list[Any], tools: list[Any]) -> dict[str, Any]:
        """Return the request's body with other messages behind its head, and with these tools."""
        ...

    def reply(self, body: Any) -> Reply:
        """Return what a reply's body says."""
        ...

    def gather(self, events: Iterable[Any]) -> Any:
        """Return the body that the events of a stream make, as it would be without streaming."""
        ...


_WIRES: dict[str, Wire] = {
    "/chat/completions": ChatCompletions(),
    "/responses": Responses(),
    "/messages": AnthropicMessages(),
}

_ASSISTANTS = "/threads/"
"""In paths of OpenAI's Assistants, which has messages too."""


def wire_of(method: str, path: str) -> Wire | None:
    """Return the format of a request that is looked into, None for all that is passed on as is."""
    if method != "POST" or _ASSISTANTS in path:
        return None
    return next((wire for end, wire in _WIRES.items() if path.endswith(end)), None)


def family_of(path: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return whose upstream a request is for: "openai" or "anthropic"."""
    if any(name == b"anthropic-version" for name, _ in headers):
        return "anthropic"
    return "anthropic" if "/messages" in path and _ASSISTANTS not in path else "openai"
