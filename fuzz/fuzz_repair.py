"""The readers of chats: `check`, `repair` and `count_messages` on any JSON.

They raise what they document or return; what `repair` returns is not worse, and repairing again
changes nothing.
"""

from __future__ import annotations

import json

import ctxmem
from fuzz import python_target

PROVIDERS = (None, "openai", "responses", "anthropic", "gemini", "bedrock")
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHATS: list[object] = [
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the port?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "8443"},
        {"role": "assistant", "content": "8443."},
    ],
    [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "b"}]},
    ],
    [
        {"type": "message", "role": "user", "content": "a"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "b"},
        {"type": "reasoning", "id": "r", "summary": []},
    ],
    [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"b": 1}}}]},
    ],
    [
        {"role": "user", "content": [{"text": "a"}]},
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "b"}]}}],
        },
    ],
]


def seeds() -> list[bytes]:
    """Return a chat of each form, behind a byte for the provider."""
    return [
        bytes([number]) + json.dumps(chat).encode()
        for chat in CHATS
        for number in range(len(PROVIDERS))
    ]


def target(data: bytes) -> None:
    """Read the bytes as JSON of a chat and repair it."""
    provider = PROVIDERS[data[0] % len(PROVIDERS)] if data else None
    try:
        messages = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    if not isinstance(messages, list):
        return
    try:
        found = ctxmem.check(messages, provider=provider)
        repaired = ctxmem.repair(messages, provider=provider)
    except ctxmem.CtxmemError:
        return
    assert found or repaired == messages, "what is sound stays as it is"
    assert ctxmem.repair(repaired, provider=provider) == repaired, "repairing again changes nothing"


if __name__ == "__main__":
    python_target.main(target, seeds())
