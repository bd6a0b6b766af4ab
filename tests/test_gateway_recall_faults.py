"""What goes wrong while calls of `recall` are answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest
from recall_clients import seen
from recall_rounds import (
    LOOK,
    PAGE,
    SAID,
    WIRES,
    Given,
    Round,
    Upstream,
    failing,
    request,
    run,
    stream,
)

from ctxmem.errors import StoreError
from ctxmem.gateway.http.relay import BrokenOff, UpstreamError
from ctxmem.gateway.recall.recalling import Incoming, Recalling


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_that_fails_is_a_result_that_says_so(wire: str, streams: bool) -> None:
    def locked(_: dict[str, Any]) -> str:
        raise StoreError("database is locked: hidden text")

    upstream = Upstream(wire, [Round(LOOK), Round(SAID)], streams=streams)
    _, got, recalling = run(upstream, answer=locked)
    assert {"recall_calls": 1, "fault": "recall"} == recalling.facts
    assert "recall failed (StoreError)" in json.dumps(upstream.requests)
    assert "hidden" not in json.dumps(upstream.requests)
    assert "Port 8443" in json.dumps(seen(wire, got, streams))


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_a_result_that_is_refused_is_sent_once_more_without_its_text(
    wire: str, streams: bool
) -> None:
    refused = failing(413, {"message": "too long"})
    upstream = Upstream(wire, [Round(LOOK), refused, Round(SAID)], streams=streams)
    _, got, _ = run(upstream)
    first, second = upstream.requests
    assert PAGE in json.dumps(first)
    assert PAGE not in json.dumps(second)
    assert "does not fit" in json.dumps(second)
    assert "Port 8443" in json.dumps(seen(wire, got, streams))


@pytest.mark.parametrize("wire", WIRES)
def test_an_error_of_a_further_request_is_the_replys(wire: str) -> None:
    error = {"type": "overloaded_error", "message": "busy now"}
    busy = failing(529, error)
    reply, got, _ = run(Upstream(wire, [Round(LOOK), busy]))
    assert (529, {"type": "error", "error": error}) == (reply.status_code, json.loads(got))


@pytest.mark.parametrize("wire", WIRES)
def test_an_error_of_a_further_request_is_an_event_of_the_stream(wire: str) -> None:
    error = {"type": "overloaded_error", "message": "busy now"}
    busy = failing(529, error)
    _, got, _ = run(Upstream(wire, [Round(LOOK), busy], streams=True))
    if wire == "responses":
        final = seen(wire, got, True)
        assert ("failed", "busy now") == (final["status"], final["error"]["message"])
        assert ["reasoning", "message"] == [item["type"] for item in final["output"]]
    else:
        with pytest.raises((openai.APIError, anthropic.APIStatusError), match="busy now"):
            seen(wire, got, True)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("at", [0, 1])
def test_a_stream_that_is_cut_ends_as_one(wire: str, at: int) -> None:
    upstream = Upstream(wire, [Round(LOOK), Round(SAID)], streams=True, size=50, cut=at)
    with pytest.raises(BrokenOff):
        run(upstream)
    assert all(body.closed for body in upstream.bodies)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_what_cannot_be_put_together_ends_as_a_cut_and_is_counted(wire: str, streams: bool) -> None:
    strange = Given([b"<html>"], "text/html")
    upstream = Upstream(wire, [Round(LOOK), strange], streams=streams)
    facts: dict[str, Any] = {}
    with pytest.raises((UpstreamError, BrokenOff)):
        run(upstream, facts=facts)
    assert "recall" == facts["fault"]


@pytest.mark.parametrize("wire", WIRES)
def test_events_that_cannot_be_read_go_through(wire: str) -> None:
    strange = b'data: {"type": []}\n\ndata: {"index": {}, "output_index": {}}\n\n'
    strange += b'data: {"choices": [{"delta": {"tool_calls": [{"index": []}]}}]}\n\n'
    broken = b'data: {"choices": [\n\n: \xff\n\nid: 7\nretry: 5\n\ndata: [1]\n\n' + strange
    data = broken + stream(wire, Round(LOOK, number=1)) + b"data: {"

    async def through() -> bytes:
        recalling = Recalling(wire, request(wire), None, None, None, 1 << 20)
        reply = await recalling.reply(Given([data]))
        return b"".join([part async for part in reply.parts()])

    assert data == asyncio.run(through())


@pytest.mark.parametrize("wire", WIRES)
def test_an_event_that_is_too_long_goes_through(wire: str) -> None:
    parts = [b"data: {" + b" " * 600, b" " * 600, b'"type": "x"}\n\n', b"data: [DONE]\n\n"]

    async def through() -> list[bytes]:
        recalling = Recalling(wire, request(wire), None, None, None, 1000)
        reply = await recalling.reply(Given(list(parts)))
        return [part async for part in reply.parts()]

    got = asyncio.run(through())
    assert b"".join(parts) == b"".join(got)
    assert parts[2:] == got[-2:]


@pytest.mark.parametrize("wire", WIRES)
def test_a_reply_that_is_too_long_goes_through(wire: str) -> None:
    upstream = Upstream(wire, [Round([*SAID, *LOOK])], size=100)
    _, got, _ = run(upstream, most=300)
    assert b"".join(upstream.bodies[0].body) == got


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_replies_with_a_content_coding_are_read(wire: str, streams: bool) -> None:
    upstream = Upstream(wire, [Round(LOOK), Round(SAID)], streams=streams, gzip=True)
    reply, got, _ = run(upstream)
    assert "" == reply.header(b"content-encoding")
    assert "Port 8443" in json.dumps(seen(wire, got, streams))


@pytest.mark.parametrize("wire", WIRES)
def test_a_client_that_leaves_ends_the_further_request(wire: str) -> None:
    upstream = Upstream(wire, [Round(LOOK), Round(SAID)], streams=True)
    asked, left = asyncio.Event(), []

    async def slow(data: bytes) -> Incoming:
        asked.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            left.append("while it waited")
            raise
        return await upstream.send(data)

    async def leave() -> None:
        recalling = Recalling(wire, request(wire), slow, lambda _: "x", None, 1 << 20)
        reply = await recalling.reply(upstream.next())

        async def read() -> None:
            try:
                async for _ in reply.parts():
                    pass
            finally:
                await reply.aclose()

        task = asyncio.ensure_future(read())
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert ["while it waited"] == left
    assert upstream.bodies[0].closed
