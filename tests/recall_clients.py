"""What the official clients make of a reply's bytes, streamed or whole."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai

MESSAGES = [{"role": "user", "content": "hello"}]


def client_for(wire: str, data: bytes, kind: str) -> Any:
    """Return an official client whose every request gets these bytes."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=data)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    options: dict[str, Any] = {"api_key": "k", "http_client": http, "max_retries": 0}
    return anthropic.Anthropic(**options) if wire == "anthropic" else openai.OpenAI(**options)


def seen(wire: str, data: bytes, streams: bool) -> dict[str, Any]:
    """Return the final message that a client has, without fields that are None."""
    client = client_for(wire, data, "text/event-stream" if streams else "application/json")
    final = (_streamed if streams else _whole)(wire, client)
    made = final.model_dump(mode="json", exclude_none=True, warnings=False)
    return _plain(made)


def _whole(wire: str, client: Any) -> Any:
    if wire == "anthropic":
        return client.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    if wire == "chat":
        return client.chat.completions.create(model="m", messages=MESSAGES)
    return client.responses.create(model="m", input="hello")


def _streamed(wire: str, client: Any) -> Any:
    if wire == "anthropic":
        with client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as events:
            return events.get_final_message()
    if wire == "chat":
        usage = {"include_usage": True}
        with client.chat.completions.stream(
            model="m", messages=MESSAGES, stream_options=usage
        ) as events:
            try:
                return events.get_final_completion()
            except openai.LengthFinishReasonError as cut:
                return cut.completion
    with client.responses.stream(model="m", input="hello") as events:
        last = None
        for event in events:
            last = event
        assert last is not None
        return last.response


def _plain(value: Any) -> Any:
    """Return what was parsed without what the helpers for streams add to it."""
    if isinstance(value, dict):
        # The helper for chats puts the place of a call beside it.
        extra = ("parsed", "parsed_arguments", "parsed_output", "index", "caller")
        return {name: _plain(inner) for name, inner in value.items() if name not in extra}
    return [_plain(one) for one in value] if isinstance(value, list) else value
