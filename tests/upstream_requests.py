"""Requests to the upstream, and how they are sent without any client."""

from __future__ import annotations

import httpx
from upstream.messages_rules import NEW_VERSION
from upstream.seals import signature_of
from usages import png

MESSAGES, CHAT, RESPONSES = "/v1/messages", "/v1/chat/completions", "/v1/responses"
COUNT = "/v1/messages/count_tokens"
HI = {"role": "user", "content": "hi"}
LOOK = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
CHAT_LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
ITEM_LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


CLIENT = httpx.Client(verify=False)  # one, because certificates are slow to load


def headers_of(path: str, key: str = "k", version: str = NEW_VERSION) -> dict:
    if path.startswith(MESSAGES):
        return {"x-api-key": key, "anthropic-version": version}
    return {"authorization": f"Bearer {key}"}


def post(upstream, path: str, body: object, **more) -> httpx.Response:
    headers = more.pop("headers", headers_of(path, more.pop("key", "k")))
    return CLIENT.post(upstream.url + path, json=body, headers=headers, **more)


def said(response: httpx.Response) -> str:
    """What an error says, in whichever shape it has."""
    return response.json()["error"]["message"]


def messages(*chat, **more) -> dict:
    return {"model": "claude-sonnet-5", "max_tokens": 50, "messages": [*chat] or [HI]} | more


def chat(*history, **more) -> dict:
    return {"model": "gpt-4o-mini", "messages": [*history] or [HI]} | more


def responses(*items, **more) -> dict:
    return {"model": "gpt-5", "input": [*items] or "hi"} | more


def text(words="words", **more) -> dict:
    return {"type": "text", "text": words} | more


def user(*blocks) -> dict:
    return {"role": "user", "content": [*blocks]}


def assistant(*blocks) -> dict:
    return {"role": "assistant", "content": [*blocks]}


def use(name="toolu_1") -> dict:
    return {"type": "tool_use", "id": name, "name": "look", "input": {}}


def result(name="toolu_1") -> dict:
    return {"type": "tool_result", "tool_use_id": name, "content": "seen"}


def thought(words="I think.", signature=None) -> dict:
    signature = signature_of(words) if signature is None else signature
    return {"type": "thinking", "thinking": words, "signature": signature}


def image(data=None, kind="image/png") -> dict:
    source = {"type": "base64", "media_type": kind, "data": png(2, 2) if data is None else data}
    return {"type": "image", "source": source}


def without(body: dict, name: str) -> dict:
    return {key: value for key, value in body.items() if key != name}
