"""When the upstream fails, a client sees through a gateway what it would have seen without it."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket

import httpx
import openai
import pytest
from gateway_doors import MODES, gateways
from upstream.script import Failure, Raw, Reply, Text, Thinking, ToolCall

PATHS = {
    "/v1/messages": {
        "model": "claude-sonnet-5",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "hi"}],
    },
    "/v1/chat/completions": {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "hi"}],
    },
    "/v1/responses": {"model": "gpt-5", "input": "hi"},
}
CHAT = "/v1/chat/completions"
PARTS = [Thinking("I think."), Text("Größe and 大小. "), ToolCall("look", {"at": "Ümlaut"})]
CLIENT = httpx.Client(verify=False, timeout=30)
# What a server adds for the connection to its own client.
HOP_HEADERS = {"date", "server", "connection", "keep-alive", "transfer-encoding"}


keys = (f"sk-fault-{number}-key" for number in itertools.count())


def headers_of(key: str) -> dict[str, str]:
    return {"x-api-key": key, "authorization": f"Bearer {key}", "anthropic-version": "2026-10-21"}


def outcome(url: str, key: str, path: str, **more) -> tuple:
    """What a client sees: status, headers, bytes, and whether the end was as it should be."""
    got, end, status, headers = bytearray(), "clean", None, []
    try:
        with CLIENT.stream(
            "POST", url + path, json=PATHS[path] | more, headers=headers_of(key)
        ) as response:
            status, headers = response.status_code, response.headers.multi_items()
            for part in response.iter_raw():
                got += part
    except httpx.TransportError:
        end = "broken off"
    kept = [(name, value) for name, value in headers if name not in HOP_HEADERS]
    return status, kept, bytes(got), end


def both(house, door: str, path: str, *answers, **more) -> tuple[tuple, tuple]:
    """What a client sees directly and through a door, of the same answers."""
    seen = []
    for name in ("direct", door):
        key = next(keys)
        house.upstream.app.scripts[key] = answers
        seen.append(outcome(house.address(name), key, path, **more))
    return seen[0], seen[1]


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cut", [0, 1, 100])
def test_a_cut_is_a_cut(house, door, path, stream, cut):
    direct, through = both(house, door, path, Reply(PARTS, cut=cut), stream=stream)
    assert direct == through
    assert (200, cut, "broken off") == (through[0], len(through[2]), through[3])


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_reset_is_no_clean_end(house, door, path, stream):
    answer = Reply(PARTS, cut=150, reset=True)
    direct, through = both(house, door, path, answer, stream=stream)
    assert "broken off" == direct[3] == through[3]
    assert len(through[2]) <= 150  # a reset may take what was on its way


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
def test_a_cut_of_a_compressed_body(house, door, path):
    direct, through = both(house, door, path, Reply(PARTS, cut=60, gzip=True), stream=True)
    assert direct == through and "broken off" == through[3] and 60 == len(through[2])


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("reset", [False, True])
def test_an_upstream_that_says_nothing(house, door, path, reset):
    """The gateway has no status to pass on: it breaks off, or says 502 in the API's shape."""
    direct, through = both(house, door, path, Reply(cut=-1, reset=reset))
    assert (None, "broken off") == (direct[0], direct[3])
    if through[3] == "clean":
        assert 502 == through[0]
        assert json.loads(through[2])["error"]["message"]


@pytest.mark.parametrize("door", MODES)
def test_a_client_tries_again_as_it_would(house, door):
    """A connection that breaks before the headers is retried by the SDK in both cases."""
    answers = []
    for name in ("direct", door):
        key = next(keys)
        house.upstream.app.scripts[key] = [Reply(cut=-1), "After all."]
        url = house.address(name) + "/v1"
        with openai.OpenAI(base_url=url, api_key=key, max_retries=1) as client:
            answer = client.chat.completions.create(**PATHS[CHAT])
        answers.append(answer.choices[0].message.content)
        assert 2 == len(house.upstream.of(key))
    assert ["After all."] * 2 == answers


def test_an_upstream_that_cannot_be_reached():
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with gateways(url) as addresses:
            for address, path in itertools.product(addresses.values(), PATHS):
                status, _, body, end = outcome(address, "sk-none", path)
                assert (502, "clean") == (status, end)
                error = json.loads(body)["error"]
                assert error["message"] and error["type"]


MANGLED = {
    "no JSON": lambda data: data.replace(b'{"', b'{"\x00', 1),
    "no UTF-8": lambda data: data.replace("ö".encode(), b"\xff\xfe"),
    "no end": lambda data: data.rstrip(b"\n"),
    "other line ends": lambda data: data.replace(b"\n", b"\r\n"),
    "no events": lambda data: b"<html>busy</html>",
    "nothing": lambda data: b"",
    "a long line": lambda data: b": " + b"x" * 3_000_000 + b"\n\n" + data,
    "data behind the end": lambda data: data + b'data: {"type":"late"}\n\n',
    "unknown events": lambda data: b"event: new\nid: 7\nretry: 1\ndata: {}\n\n" + data,
}


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", MANGLED)
def test_malformed_streams_pass_as_they_are(house, door, path, how):
    direct, through = both(house, door, path, Reply(PARTS, mangle=MANGLED[how]), stream=True)
    assert direct == through and "clean" == through[3]


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
def test_pieces_pass_wherever_they_are_cut(house, door, path):
    for shape in ({"chunk": 1}, {"chunk": 7, "gzip": True}):
        direct, through = both(house, door, path, Reply(PARTS, **shape), stream=True)
        assert direct == through and "clean" == through[3]


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
def test_a_slow_stream_comes_piece_by_piece(house, door, path):
    key = next(keys)
    house.upstream.app.scripts[key] = [Reply("word " * 40, pause=0.01)]
    body = PATHS[path] | {"stream": True}
    url = house.address(door) + path
    with CLIENT.stream("POST", url, json=body, headers=headers_of(key)) as response:
        parts = response.iter_raw()
        first = next(parts)
        assert first and not house.upstream.of(key)[0].complete  # read before it was all sent
        whole = first + b"".join(parts)
    assert house.upstream.of(key)[0].sent == whole


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 503, 529])
def test_errors_pass_unchanged(house, door, path, status):
    direct, through = both(house, door, path, Failure(status, "as it is", retry_after=2))
    assert direct == through and status == through[0]
    assert ("retry-after", "2") in through[1]


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
def test_errors_inside_a_stream_pass_unchanged(house, door, path):
    direct, through = both(house, door, path, Reply(PARTS, fail_inside="too busy"), stream=True)
    assert direct == through and b"too busy" in through[2]


RAW = {
    "a page of a proxy": Raw(502, b"<html>Bad gateway</html>", [("content-type", "text/html")]),
    "no content": Raw(204),
    "a redirect": Raw(307, b"", [("location", "https://example.invalid/v1")]),
    "no JSON": Raw(200, b"{", [("content-type", "application/json")]),
    "an empty body": Raw(200, b"", [("content-type", "application/json"), ("content-length", "0")]),
    "headers twice": Raw(200, b"{}", [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-a", "")]),
    "an unknown coding": Raw(200, b"\x01\x02", [("content-encoding", "br")]),
    "a wrong coding": Raw(200, b"no gzip", [("content-encoding", "gzip")]),
    "an unknown status": Raw(599, b"odd"),
}


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("what", RAW)
def test_any_answer_passes_unchanged(house, door, path, what):
    direct, through = both(house, door, path, RAW[what])
    assert direct == through and "clean" == through[3]


@pytest.mark.parametrize("door", MODES)
def test_a_client_that_leaves_is_seen_by_the_upstream(house, door):
    key = next(keys)
    house.upstream.app.scripts[key] = [Reply("word " * 3000, pause=0.01)]
    body = PATHS[CHAT] | {"stream": True}
    url = house.address(door) + CHAT
    with (
        contextlib.suppress(httpx.StreamError),
        CLIENT.stream("POST", url, json=body, headers=headers_of(key)) as response,
    ):
        next(response.iter_raw())
    house.wait_until_left(house.upstream.of(key)[0])
