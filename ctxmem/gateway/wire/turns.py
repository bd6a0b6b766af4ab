"""The formats in which a reply can take several rounds."""

from __future__ import annotations

from typing import Any

from ctxmem.gateway.wire.anthropic_stream import AnthropicTurn
from ctxmem.gateway.wire.chat_stream import ChatTurn
from ctxmem.gateway.wire.responses_stream import ResponsesTurn
from ctxmem.gateway.wire.rounds import Turn

TURNS: dict[str, type[Turn]] = {
    "chat": ChatTurn,
    "responses": ResponsesTurn,
    "anthropic": AnthropicTurn,
}


def is_said(message: Any) -> bool:
    """Return whether a message is the model's."""
    if not isinstance(message, dict):
        return False
    kind = str(message.get("type"))
    return message.get("role") == "assistant" or kind == "reasoning" or kind.endswith("_call")
