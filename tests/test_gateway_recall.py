"""Calls of `recall` are answered between the model and the client, which sees none of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from ctxmem.gateway.recalling import Recalling

from recall_rounds import WIRES, Round, Upstream, request

LOOK = [("think", "Hm."), ("text", "Let me look."), ("recall", {"page": "p1"})]
SAID = [("think", "So."), ("text", "Port 8443, naïve.")]


def run(
    upstream: Upstream, *, answer: Any = None, keep: Any = None, tools: int = 1, most: int = 1 << 20
) -> tuple[httpx.Response, bytes, Recalling]:
    """Return the reply that the client of an upstream's script gets."""

    async def all_of() -> tuple[httpx.Response, bytes, Recalling]:
        recalling = Recalling(
            upstream.wire,
            request(upstream.wire, stream=upstream.streams, tools=tools),
            upstream.send,
            answer or (lambda call: "[p1] the port is 8443"),
            keep or (lambda ids, text: None),
            most,
        )
        reply = await recalling.reply(upstream.next())
        got = b"".join([part async for part in reply.stream])
        return reply, got, recalling

    return asyncio.run(all_of())


@pytest.mark.parametrize("wire", WIRES)
def test_a_whole_reply_has_the_texts_of_all_rounds_and_no_call(wire: str) -> None:
    upstream = Upstream(wire, [Round(LOOK), Round(SAID)])
    reply, got, recalling = run(upstream)
    body = json.loads(got)
    assert str(len(got)) == reply.headers["content-length"]
    assert "recall" not in got.decode()
    assert {"recall_calls": 1} == recalling.facts
    if wire == "anthropic":
        kinds = ["thinking", "text", "thinking", "text"]
        assert kinds == [block["type"] for block in body["content"]]
        assert ("msg_1", "m-1", "end_turn") == (body["id"], body["model"], body["stop_reason"])
        # 101 + 102, 2 x 1000, 11 + 12
        usage = body["usage"]
        assert [203, 2000, 23] == [
            usage[f"{k}_tokens"] for k in ("input", "cache_read_input", "output")
        ]
    elif wire == "chat":
        (choice,) = body["choices"]
        assert "Let me look.\n\nPort 8443, naïve." == choice["message"]["content"]
        assert "Hm.So." == choice["message"]["reasoning_content"]
        assert ("chatcmpl-1", "m-1", "stop") == (body["id"], body["model"], choice["finish_reason"])
        assert (203, 20, 128) == (
            body["usage"]["prompt_tokens"],
            body["usage"]["completion_tokens"],
            body["usage"]["prompt_tokens_details"]["cached_tokens"],
        )
    else:
        kinds = ["reasoning", "message", "reasoning", "message"]
        assert kinds == [item["type"] for item in body["output"]]
        assert ("resp_1", "m-1", "completed") == (body["id"], body["model"], body["status"])
        assert (203, 20) == (body["usage"]["input_tokens"], body["usage"]["output_tokens"])
