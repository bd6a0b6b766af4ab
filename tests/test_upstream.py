"""The upstream of the gateway's tests refuses what the providers refuse, and answers as they do."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from upstream.app import App
from upstream.messages_rules import NEW_VERSION, OLD_VERSION
from upstream.published import faults
from upstream.script import Failure, Refused, Reply, Text, Thinking, ToolCall, ToolLoop, echo
from upstream.seals import encrypted, signature_of
from upstream.server import Upstream
from usages import png

from ctxmem import PRICES

MESSAGES, CHAT, RESPONSES = "/v1/messages", "/v1/chat/completions", "/v1/responses"
COUNT = "/v1/messages/count_tokens"
HI = {"role": "user", "content": "hi"}
LOOK = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
CHAT_LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
ITEM_LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


CLIENT = httpx.Client(verify=False)  # one, because certificates are slow to load


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as running:
        yield running


@pytest.fixture
def scripted(upstream):
    """Return a function that makes a key of its own for a script, as a server each is slow."""

    def key_of(*answers) -> str:
        key = f"key-{len(upstream.app.scripts)}"
        upstream.app.scripts[key] = answers
        return key

    return key_of


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


# Anthropic Messages: what is refused, and the words by which

ANTHROPIC_REFUSED = [
    ("max_tokens: Field required", without(messages(), "max_tokens")),
    ("messages: Field required", without(messages(), "messages")),
    ("model: Field required", without(messages(), "model")),
    ("max_tokens: must be greater", messages(max_tokens=0)),
    ("max_tokens: Input should be a valid integer", messages(max_tokens="9")),
    ("stream: Input should be a valid boolean", messages(stream="yes")),
    ("session_id: Extra inputs are not permitted", messages(session_id="s")),
    ("messages.0.name: Extra inputs are not permitted", messages(HI | {"name": "x"})),
    ("messages.0.content.0.id: Extra inputs", messages(user(text(id="b")))),
    ("'nope' found using 'type' does not match", messages(user({"type": "nope"}))),
    ("messages.0", messages({"role": "tool", "content": "x"})),
    ("AN-EMPTY", messages(user())),
    ("AN-BLANK", messages(user(text(" ")))),
    ("AN-FIRST", messages(assistant(text()), HI)),
    ("AN-PREFILL", messages(HI, assistant(text()))),
    ("AN-MISSING", messages(HI, assistant(use()), HI, tools=[LOOK])),
    ("AN-ORPHAN", messages(HI, assistant(text()), user(result()), tools=[LOOK])),
    ("system.0: text content blocks must be non-empty", messages(system=[text("")])),
    ("system: Input should be a valid string", messages(system=3)),
    ("tools.0.custom.name", messages(tools=[LOOK | {"name": "a b"}])),
    ("input_schema.type: Field required", messages(tools=[LOOK | {"input_schema": {}}])),
    ("Tool names must be unique", messages(tools=[LOOK, LOOK])),
    ("Tool 'see' not found", messages(tools=[LOOK], tool_choice={"type": "tool", "name": "see"})),
    ("only be specified while providing tools", messages(tool_choice={"type": "any"})),
    ("A maximum of 4 blocks", messages(user(*[text(cache_control=MARK)] * 5))),
    (
        "A maximum of 4 blocks",  # the automatic mark counts too
        messages(user(*[text(cache_control=MARK)] * 4), cache_control=MARK),
    ),
    ("cannot be set for empty text", messages(user(text("", cache_control=MARK), text()))),
    (
        "cache_control: Extra inputs",
        messages(HI, assistant(thought() | {"cache_control": MARK}, text()), HI),
    ),
    (
        "a ttl='1h' cache_control block must not come after a ttl='5m'",
        messages(user(text(cache_control=HOUR)), system=[text(cache_control=MARK)]),
    ),
    ("cache_control.ttl", messages(user(text(cache_control=MARK | {"ttl": "2h"})))),
    ("budget_tokens", messages(thinking={"type": "enabled", "budget_tokens": 9}, max_tokens=2000)),
    ("must be greater than", messages(thinking={"type": "enabled", "budget_tokens": 1024})),
    ("Invalid `signature`", messages(HI, assistant(thought(signature="c2ln"), text()), HI)),
    ("Invalid `signature`", messages(HI, assistant(thought("A", signature_of("B")), text()), HI)),
    (
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
        messages(
            *(HI, assistant(use()), user(result())),
            tools=[LOOK],
            max_tokens=2000,
            thinking={"type": "enabled", "budget_tokens": 1024},
        ),
    ),
    ("invalid base64", messages(user(image("%%%")))),
    ("does not match the provided media type", messages(user(image(kind="image/jpeg")))),
    ("Could not process image", messages(user(image("AAAA")))),
    ("temperature: Extra inputs are not permitted", messages(temperature=1.0)),
    ("citations are not allowed in user", messages(user(text(citations=[{
        "type": "char_location", "cited_text": "x", "document_index": 0, "document_title": "t",
        "start_char_index": 0, "end_char_index": 1}])))),
    ("stop_sequences.0", messages(stop_sequences=[" "])),
]  # fmt: skip


@pytest.mark.parametrize(("words", "body"), ANTHROPIC_REFUSED)
def test_anthropic_refuses(upstream, words, body):
    response = post(upstream, MESSAGES, body)
    assert (400, "invalid_request_error") == (
        response.status_code,
        response.json()["error"]["type"],
    )
    assert words in said(response)
    assert response.json()["type"] == "error" and response.json()["request_id"]


ANTHROPIC_TAKEN = [
    messages(),
    messages(system="s", tools=[LOOK], tool_choice={"type": "tool", "name": "look"}),
    messages(system=[text(cache_control=HOUR)], cache_control=MARK),
    messages(user(*[text(f"{n}", cache_control=MARK) for n in range(4)])),
    messages(HI, assistant(thought(), use()), user(result(), text()), tools=[LOOK]),
    messages(HI, assistant(use("a"), use("b")), user(result("b"), result("a")), tools=[LOOK]),
    messages(user(image(), text())),
    messages(thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2000),
    messages(metadata={"user_id": "u"}, stop_sequences=["x"], service_tier="auto"),
    messages(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
]


@pytest.mark.parametrize("body", ANTHROPIC_TAKEN)
def test_anthropic_takes(upstream, body):
    response = post(upstream, MESSAGES, body)
    assert 200 == response.status_code, response.text
    counted_fields = ("model", "messages", "system", "tools", "tool_choice")
    counted = post(upstream, COUNT, {key: body[key] for key in body if key in counted_fields})
    usage = response.json()["usage"]
    kinds = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert sum(usage[kind] for kind in kinds) == counted.json()["input_tokens"]


def test_the_older_version_takes_sampling_parameters(upstream):
    headers = headers_of(MESSAGES, version=OLD_VERSION)
    assert 200 == post(upstream, MESSAGES, messages(temperature=0.3), headers=headers).status_code
    wrong = post(upstream, MESSAGES, messages(temperature=2), headers=headers)
    assert "range: 0..1" in said(wrong)


def test_the_count_takes_no_limit_on_the_answer(upstream):
    assert "max_tokens: Extra inputs" in said(post(upstream, COUNT, messages()))


def test_fields_of_beta_need_beta(upstream):
    body = messages(context_management={"edits": []})
    assert "context_management: Extra inputs" in said(post(upstream, MESSAGES, body))
    assert 200 == post(upstream, MESSAGES + "?beta=true", body).status_code


@pytest.mark.parametrize(
    ("status", "words", "headers"),
    [
        (401, "x-api-key header is required", {"anthropic-version": NEW_VERSION}),
        (401, "invalid x-api-key", headers_of(MESSAGES, "invalid")),
        (400, "anthropic-version: header is required", {"x-api-key": "k"}),
        (400, "not a valid version", headers_of(MESSAGES, version="2022-01-01")),
        (400, "anthropic-beta", headers_of(MESSAGES) | {"anthropic-beta": "anything"}),
    ],
)
def test_anthropic_refuses_headers(upstream, status, words, headers):
    response = post(upstream, MESSAGES, messages(), headers=headers)
    assert status == response.status_code and words in said(response)


@pytest.mark.parametrize("path", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a": NaN}', b"[1]", b'{"a": "\xff"}', b'{"a": "\\ud800"}']
)
def test_what_is_no_json_object_is_refused(upstream, path, content):
    headers = headers_of(path) | {"content-type": "application/json"}
    response = CLIENT.post(upstream.url + path, content=content, headers=headers)
    assert 400 == response.status_code
    assert "JSON" in said(response)


def test_bodies_may_be_compressed(upstream):
    headers = headers_of(CHAT) | {"content-type": "application/json", "content-encoding": "gzip"}
    content = gzip.compress(json.dumps(chat()).encode())
    assert 200 == CLIENT.post(upstream.url + CHAT, content=content, headers=headers).status_code
    assert upstream.records[-1].body == content
    assert json.loads(upstream.records[-1].decoded) == chat()
    wrong = CLIENT.post(upstream.url + CHAT, content=b"{}", headers=headers)
    assert 400 == wrong.status_code and "gzip" in said(wrong)


# OpenAI: what is refused, and the words by which


def asks(name="call_1") -> dict:
    call = {"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def tool(name="call_1") -> dict:
    return {"role": "tool", "tool_call_id": name, "content": "seen"}


def picture(url) -> dict:
    return user({"type": "image_url", "image_url": {"url": url}})


CHAT_REFUSED = [
    ("Missing required parameter: 'messages'", without(chat(), "messages")),
    ("Missing required parameter: 'model'", without(chat(), "model")),
    ("Unknown parameter: 'session'", chat(session=1)),
    ("Unknown parameter: 'messages[0].cache_control'", chat(HI | {"cache_control": MARK})),
    ("'messages[0]'", chat({"role": "robot", "content": "x"})),
    ("'messages[0].content[0]'", chat(user({"type": "nope"}))),
    ("parameter: 'messages[0].tool_call_id'", chat(without(tool(), "tool_call_id"))),
    ("OA-NONE", {"model": "gpt-4o-mini", "messages": []}),
    ("OA-ORPHAN", chat(HI, tool())),
    ("OA-MISSING", chat(HI, asks(), HI, tools=[CHAT_LOOK])),
    ("OA-MISSING", chat(HI, asks(), tools=[CHAT_LOOK])),
    ("OA-NULL", chat({"role": "assistant", "content": None}, HI)),
    ("empty array", chat(tools=[])),
    ("'tool_choice' is only allowed when", chat(tool_choice="auto")),
    ("'parallel_tool_calls' is only allowed", chat(parallel_tool_calls=False)),
    (
        "Tool choice 'see' not found",
        chat(tools=[CHAT_LOOK], tool_choice={"type": "function", "function": {"name": "see"}}),
    ),
    ("does not match pattern", chat(tools=[{"type": "function", "function": {"name": "a b"}}])),
    (
        "Invalid schema for function 'f'",
        chat(tools=[CHAT_LOOK | {"function": {"name": "f", "parameters": {"type": "string"}}}]),
    ),
    ("only allowed when 'stream' is enabled", chat(stream_options={"include_usage": True})),
    ("'max_tokens' is not supported with this model", chat(model="gpt-5", max_tokens=5)),
    ("integer below minimum", chat(max_tokens=0)),
    ("Invalid 'temperature'", chat(temperature=3)),
    ("Invalid base64 image_url", chat(picture("data:image/png;base64,%%"))),
    ("Expected a valid URL", chat(picture("picture.png"))),
    ("must contain the word 'json'", chat(response_format={"type": "json_object"})),
]  # fmt: skip


@pytest.mark.parametrize(("words", "body"), CHAT_REFUSED)
def test_chat_refuses(upstream, words, body):
    response = post(upstream, CHAT, body)
    assert (400, "invalid_request_error") == (
        response.status_code,
        response.json()["error"]["type"],
    )
    assert words in said(response)


@pytest.mark.parametrize(
    "body",
    [
        chat({"role": "developer", "content": "s"}, HI, temperature=0, seed=1, n=1),
        chat(
            HI, asks(), tool(), tools=[CHAT_LOOK], tool_choice="required", parallel_tool_calls=True
        ),
        chat(HI, {"role": "assistant", "content": "x", "refusal": None, "annotations": []}, HI),
        chat(picture("data:image/png;base64," + png(2, 2))),
        chat(stream=True, stream_options={"include_usage": True}, prompt_cache_key="c"),
    ],
)
def test_chat_takes(upstream, body):
    response = post(upstream, CHAT, body)
    assert 200 == response.status_code, response.text


def called(name="call_1", **more) -> dict:
    call = {"type": "function_call", "call_id": name, "name": "look", "arguments": "{}"}
    return call | more


def output(name="call_1") -> dict:
    return {"type": "function_call_output", "call_id": name, "output": "seen"}


def reasoning(**more) -> dict:
    return {"type": "reasoning", "summary": []} | more


RESPONSES_REFUSED = [
    (400, "Missing required parameter: 'input'", without(responses(), "input")),
    (400, "Unknown parameter: 'messages'", responses(messages=[HI])),
    (400, "Unknown parameter: 'input[0].cache_control'", responses(HI | {"cache_control": MARK})),
    (400, "'input[0]", responses({"type": "nope"})),
    (400, "'input[0]", responses({"role": "tool", "content": "x"})),
    (400, "RS-ORPHAN", responses(HI, output(), tools=[ITEM_LOOK])),
    (400, "RS-MISSING", responses(HI, called(), HI, tools=[ITEM_LOOK])),
    (400, "RS-CALLID-LEN", responses(HI, called("x" * 65), output("x" * 65))),
    (400, "RS-REASONING", responses(HI, reasoning(id="rs_1"))),
    (400, "could not be verified", responses(HI, reasoning(encrypted_content="gAAAAAx"), HI)),
    (400, "Previous response with id 'resp_9' not found", responses(previous_response_id="resp_9")),
    (404, "Item with id 'msg_9' not found", responses({"type": "item_reference", "id": "msg_9"})),
    (
        400,
        "Tool choice 'see' not found",
        responses(tools=[ITEM_LOOK], tool_choice={"type": "function", "name": "see"}),
    ),
    (400, "must be specified with 'tools'", responses(tool_choice="required")),
    (400, "does not match pattern", responses(tools=[ITEM_LOOK | {"name": "a b"}])),
    (404, "The model `claude-x` does not exist", responses(model="claude-x")),
]


@pytest.mark.parametrize(("status", "words", "body"), RESPONSES_REFUSED)
def test_responses_refuses(upstream, status, words, body):
    response = post(upstream, RESPONSES, body)
    assert status == response.status_code, response.text
    assert words in said(response)


@pytest.mark.parametrize(
    "body",
    [
        responses(),
        responses({"role": "developer", "content": "s"}, HI, instructions="be kind"),
        responses(HI, called(), output(), tools=[ITEM_LOOK], tool_choice="auto"),
        responses(HI, reasoning(encrypted_content=encrypted("why")), called(), output()),
        responses(user({"type": "input_text", "text": "x"})),
    ],
)
def test_responses_takes(upstream, body):
    response = post(upstream, RESPONSES, body)
    assert 200 == response.status_code, response.text


def test_a_response_that_was_stored_can_be_continued(upstream):
    first = post(upstream, RESPONSES, responses()).json()
    body = responses(HI, previous_response_id=first["id"])
    assert 200 == post(upstream, RESPONSES, body).status_code
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    assert 200 == post(upstream, RESPONSES, responses(HI, reference, HI)).status_code
    unstored = post(upstream, RESPONSES, responses(store=False)).json()
    body = responses(HI, previous_response_id=unstored["id"])
    assert 400 == post(upstream, RESPONSES, body).status_code


@pytest.mark.parametrize("headers", [{}, {"authorization": "k"}, headers_of(CHAT, "invalid")])
def test_openai_refuses_keys(upstream, headers):
    assert 401 == post(upstream, CHAT, chat(), headers=headers).status_code


def test_other_paths_methods_and_models_are_not_there(upstream):
    assert 404 == post(upstream, "/v1/completions", {}).status_code
    assert 405 == CLIENT.get(upstream.url + CHAT).status_code
    assert 404 == post(upstream, MESSAGES, messages(model="gpt-5")).status_code
    assert 404 == post(upstream, CHAT, chat(model="llama")).status_code
    head = CLIENT.head(upstream.url + "/")
    assert 404 == head.status_code and head.content == b""


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_models_are_listed_in_the_shape_of_the_provider(upstream, path):
    listed = CLIENT.get(upstream.url + "/v1/models", headers=headers_of(path)).json()
    assert ("has_more" in listed) == (path == MESSAGES)
    one = listed["data"][0]["id"]
    got = CLIENT.get(f"{upstream.url}/v1/models/{one}", headers=headers_of(path)).json()
    assert got == listed["data"][0]
    missing = CLIENT.get(f"{upstream.url}/v1/models/none", headers=headers_of(path))
    assert 404 == missing.status_code


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (MESSAGES, messages(user(text("word " * 300))), "prompt is too long"),
        (MESSAGES, messages(max_tokens=250), "exceed context limit"),
        (CHAT, chat({"role": "user", "content": "word " * 300}), "maximum context length is 200"),
        (RESPONSES, responses(input="word " * 300), "exceeds the context window"),
    ],
)
def test_the_window_of_the_model_is_kept(path, body, words):
    with Upstream(App(window=200)) as small:
        refused = post(small, path, body)
        assert 400 == refused.status_code and words in said(refused)
        fine = {MESSAGES: messages(), CHAT: chat(), RESPONSES: responses()}[path]
        assert 200 == post(small, path, fine).status_code


# Answers


PARTS = [Thinking("I think twice."), Text("Größe, 大小. "), ToolCall("look", {"at": "Ümlaut"})]


def body_of(path: str, **more) -> dict:
    makers = {MESSAGES: messages, CHAT: chat, RESPONSES: responses}
    tools = {MESSAGES: LOOK, CHAT: CHAT_LOOK, RESPONSES: ITEM_LOOK}
    return makers[path](tools=[tools[path]], **more)


def events_of(data: bytes) -> list[dict]:
    """The JSON of every event, read without any client."""
    found = []
    for block in data.decode().split("\n\n"):
        lines = [line[6:] for line in block.split("\n") if line.startswith("data: ")]
        if lines and lines[0] != "[DONE]":
            found.append(json.loads(lines[0]))
    return found


def test_events_of_anthropic_come_in_the_documented_order(upstream, scripted):
    body = body_of(MESSAGES, stream=True)
    got = events_of(post(upstream, MESSAGES, body, key=scripted(Reply(PARTS))).content)
    kinds = [one["type"] for one in got]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    inputs = [one["delta"].get("partial_json", "") for one in got if "delta" in one]
    assert json.loads("".join(inputs)) == {"at": "Ümlaut"}
    signed = [one["delta"]["signature"] for one in got if "signature" in one.get("delta", {})]
    assert signed == [signature_of("I think twice.")]
    assert got[-2]["delta"]["stop_reason"] == "tool_use"


def test_chunks_of_chat_end_with_the_usage_if_it_is_asked_for(upstream, scripted):
    key, body = scripted(Reply(PARTS)), body_of(CHAT, stream=True)
    plain = post(upstream, CHAT, body, key=key).content
    body |= {"stream_options": {"include_usage": True}}
    counted = post(upstream, CHAT, body, key=key).content
    assert plain.endswith(b"data: [DONE]\n\n") and b"usage" not in plain
    last = events_of(counted)[-1]
    assert last["choices"] == [] and last["usage"]["completion_tokens"] > 0
    assert {None} == {one["usage"] for one in events_of(counted)[:-1]}
    spoken = [one["choices"][0]["delta"].get("content") or "" for one in events_of(plain)]
    assert "".join(spoken) == "Größe, 大小. "


def test_events_of_responses_are_numbered(upstream, scripted):
    key = scripted(Reply(PARTS))
    got = events_of(post(upstream, RESPONSES, body_of(RESPONSES, stream=True), key=key).content)
    whole = post(upstream, RESPONSES, body_of(RESPONSES), key=key).json()
    assert [one["sequence_number"] for one in got] == list(range(len(got)))
    assert got[0]["type"] == "response.created" and got[-1]["type"] == "response.completed"
    done = [one["item"] for one in got if one["type"] == "response.output_item.done"]
    assert [item["type"] for item in done] == ["reasoning", "message", "function_call"]
    assert [one["output_index"] for one in got if one["type"].endswith("item.done")] == [0, 1, 2]
    assert got[-1]["response"]["output"] == done
    assert [item["type"] for item in whole["output"]] == [item["type"] for item in done]


@pytest.mark.parametrize(
    ("path", "reason"),
    [(MESSAGES, '"stop_reason":"refusal"'), (CHAT, '"refusal":"No."'), (RESPONSES, '"refusal"')],
)
def test_refusals(upstream, scripted, path, reason):
    key = scripted(Reply([Refused("No.")]))
    assert reason in post(upstream, path, body_of(path), key=key).text


@pytest.mark.parametrize("path", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_failures_have_the_shape_of_the_provider(upstream, scripted, path, status):
    key = scripted(Failure(status, "on purpose", retry_after=2))
    response = post(upstream, path, body_of(path), key=key)
    assert status == response.status_code and "on purpose" == said(response)
    assert "2" == response.headers["retry-after"]
    assert ("request_id" in response.json()) == (path == MESSAGES)


@pytest.mark.parametrize("path", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cut", [-1, 0, 40])
@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_is_seen_by_the_client(upstream, scripted, path, stream, cut, reset):
    key = scripted(Reply(PARTS, cut=cut, reset=reset))
    body, headers = body_of(path, stream=stream), headers_of(path, key)
    got = bytearray()
    with (
        pytest.raises(httpx.TransportError),
        CLIENT.stream("POST", upstream.url + path, json=body, headers=headers) as response,
    ):
        for part in response.iter_raw():
            got += part
    assert len(got) <= max(cut, 0)  # a reset may take what was on its way
    assert reset or len(got) == max(cut, 0)
    assert not upstream.of(key)[0].complete and not upstream.of(key)[0].disconnected


@pytest.mark.parametrize("path", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize("stream", [False, True])
def test_chunks_and_compression_do_not_change_the_bytes(upstream, scripted, path, stream):
    shapes = [{}, {"chunk": 1}, {"gzip": True}, {"gzip": True, "chunk": 3}]
    bodies = []
    for shape in shapes:
        key = scripted(Reply(PARTS, **shape))
        response = post(upstream, path, body_of(path, stream=stream), key=key)
        assert ("content-encoding" in response.headers) == ("gzip" in shape)
        bodies.append(response.content)
    assert bodies[0] and {bodies[0]} == set(bodies)


def test_malformed_bytes_and_errors_inside_a_stream(upstream, scripted):
    broken = Reply("One two.", mangle=lambda data: data.replace(b'{"type"', b'{"typ', 1))
    key = scripted(broken, Reply("One two.", fail_inside="too busy"))
    first = post(upstream, MESSAGES, messages(stream=True), key=key).content
    second = post(upstream, MESSAGES, messages(stream=True), key=key).content
    assert b'{"typ:' in first and b"message_stop" in first
    assert events_of(second)[-1]["error"]["type"] == "overloaded_error"
    assert b"message_stop" not in second


def test_a_client_that_goes_away_is_seen(upstream, scripted):
    key = scripted(Reply("One two three four.", pause=0.02))
    request = {"json": chat(stream=True), "headers": headers_of(CHAT, key)}
    with CLIENT.stream("POST", upstream.url + CHAT, **request) as response:
        next(response.iter_raw())
    record = upstream.of(key)[0]
    for _ in range(500):
        if not record.disconnected:
            time.sleep(0.01)
    assert record.disconnected and not record.complete


# Scripts, records, bills


def test_scripts_by_key_and_by_number_of_the_call():
    with Upstream(App(script=echo, scripts={"mine": ["One.", "Two."]})) as upstream:
        texts = [
            post(upstream, CHAT, chat(), key=key).json()["choices"][0]["message"]["content"]
            for key in ("mine", "other", "mine", "mine")
        ]
        assert [len(upstream.of(key)) for key in ("mine", "other")] == [3, 1]
    assert texts == ["One.", "Answer 0 to 1 messages.", "Two.", "Two."]


def test_a_tool_loop_ends_with_what_the_tool_said():
    with Upstream(App(script=ToolLoop([ToolCall("look", {"at": 1})]))) as upstream:
        said = post(upstream, MESSAGES, messages(tools=[LOOK])).json()["content"]
        call = said[-1]
        answer = user({"type": "tool_result", "tool_use_id": call["id"], "content": "a cat"})
        again = messages(HI, assistant(*said), answer, tools=[LOOK])
        assert "a cat" in post(upstream, MESSAGES, again).json()["content"][0]["text"]


def test_requests_are_kept_byte_for_byte():
    with Upstream() as upstream:
        body = b'{"model" :"gpt-4o-mini",\n "messages":[{"content":"\\u00e9","role":"user"}]}'
        request = (
            b"POST /v1/chat/completions?a=%%20b HTTP/1.1\r\nHost: x\r\nX-Odd:  Caf\xe9 \r\n"
            b"Authorization: Bearer k\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        with socket.create_connection(("127.0.0.1", upstream.port)) as raw:
            raw.sendall(request + body)
            while raw.recv(65536):
                pass
    record = upstream.records[0]
    assert (record.status, record.body, record.query) == (200, body, "a=%20b")
    assert (b"x-odd", b"Caf\xe9") in [(name, value.strip()) for name, value in record.headers]


def test_the_bill_of_anthropic_by_hand():
    """1,500 tokens written, then read with 1,000 more written; then an unmarked call."""
    long, more = "word " * 1500, "more " * 1000
    marked = user(text(long, cache_control=MARK))
    now = [0.0]
    with Upstream(App(clock=lambda: now[0])) as upstream:
        first = post(upstream, MESSAGES, messages(marked)).json()["usage"]
        size = first["cache_creation_input_tokens"]
        assert first["input_tokens"] == 0 and 1500 <= size <= 1510
        grown = messages(marked, assistant(text("ok")), user(text(more, cache_control=MARK)))
        second = post(upstream, MESSAGES, grown).json()["usage"]
        assert second["cache_read_input_tokens"] == size
        assert 1000 <= second["cache_creation_input_tokens"] <= 1020
        now[0] += 301  # idle for longer than the five minutes
        third = post(upstream, MESSAGES, grown).json()["usage"]
        assert third["cache_read_input_tokens"] == 0
        written = sum(u["cache_creation_input_tokens"] for u in (first, second, third))
        assert upstream.app.accounts.total("k") == pytest.approx(1.25 * written + 0.1 * size)
        assert upstream.app.accounts.total("another") == 0


def test_an_hour_in_the_cache_costs_twice():
    body = messages(user(text("word " * 1500, cache_control=HOUR)))
    now = [0.0]
    with Upstream(App(clock=lambda: now[0])) as upstream:
        usage = post(upstream, MESSAGES, body).json()["usage"]
        size = usage["cache_creation"]["ephemeral_1h_input_tokens"]
        assert size == usage["cache_creation_input_tokens"] > 1500
        now[0] += 3000
        assert post(upstream, MESSAGES, body).json()["usage"]["cache_read_input_tokens"] == size
        assert upstream.app.accounts.total("k") == pytest.approx(2 * size + 0.1 * size)


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_openai_finds_prefixes_in_steps_of_128(path):
    long = {"role": "user", "content": "word " * 1500}
    maker = chat if path == CHAT else responses
    with Upstream(App(prices=PRICES["openai"])) as upstream:
        post(upstream, path, maker(long))
        usage = post(upstream, path, maker(long, HI)).json()["usage"]
        other = post(upstream, path, maker(long, HI), key="other").json()["usage"]
    details = usage.get("prompt_tokens_details") or usage["input_tokens_details"]
    assert details["cached_tokens"] == 1408  # 11 whole steps of the 1,504 tokens
    details = other.get("prompt_tokens_details") or other["input_tokens_details"]
    assert details["cached_tokens"] == 0


# The types of the SDKs as a check, and the command line


def test_types_of_the_sdk_are_walked_to_the_ground():
    from anthropic.types import ToolResultBlockParam

    block = result() | {"content": [text(), {"type": "image", "source": {"type": "base64"}}]}
    assert [(fault.path, fault.kind) for fault in faults(block, ToolResultBlockParam, "b")] == [
        ("b.content.1.source.data", "missing"),
        ("b.content.1.source.media_type", "missing"),
    ]
    assert faults(result() | {"is_error": 1}, ToolResultBlockParam)[0].kind == "type"
    assert faults(result(), ToolResultBlockParam) == []


@pytest.mark.parametrize("script", [pytest.param("hello", marks=pytest.mark.slow), "stub"])
def test_the_command_line(script):
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "tests.upstream", "--script", script]
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE) as process:
        try:
            url = process.stdout.readline().decode().strip()
            with httpx.Client(base_url=url) as client:
                for path in (MESSAGES, CHAT, RESPONSES):  # over one connection
                    body = {MESSAGES: messages(), CHAT: chat(), RESPONSES: responses()}[path]
                    got = client.post(path, json=body, headers=headers_of(path))
                    assert 200 == got.status_code and got.json()["id"]
        finally:
            process.terminate()
