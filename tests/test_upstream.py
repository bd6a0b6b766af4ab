"""The upstream of the gateway's tests refuses what the providers refuse, and answers as they do."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from upstream.app import App
from upstream.messages_rules import NEW_VERSION, OLD_VERSION
from upstream.published import faults
from upstream.seals import encrypted, signature_of
from upstream.server import Upstream
from upstream_requests import (
    CHAT,
    CHAT_LOOK,
    CLIENT,
    COUNT,
    HI,
    HOUR,
    ITEM_LOOK,
    LOOK,
    MARK,
    MESSAGES,
    RESPONSES,
    assistant,
    chat,
    headers_of,
    image,
    messages,
    post,
    responses,
    result,
    said,
    text,
    thought,
    use,
    user,
    without,
)
from usages import png

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
def test_anthropic_refuses(provider, words, body):
    response = post(provider, MESSAGES, body)
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
def test_anthropic_takes(provider, body):
    response = post(provider, MESSAGES, body)
    assert 200 == response.status_code, response.text
    counted_fields = ("model", "messages", "system", "tools", "tool_choice")
    counted = post(provider, COUNT, {key: body[key] for key in body if key in counted_fields})
    usage = response.json()["usage"]
    kinds = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert sum(usage[kind] for kind in kinds) == counted.json()["input_tokens"]


def test_the_older_version_takes_sampling_parameters(provider):
    headers = headers_of(MESSAGES, version=OLD_VERSION)
    assert 200 == post(provider, MESSAGES, messages(temperature=0.3), headers=headers).status_code
    wrong = post(provider, MESSAGES, messages(temperature=2), headers=headers)
    assert "range: 0..1" in said(wrong)


def test_the_count_takes_no_limit_on_the_answer(provider):
    assert "max_tokens: Extra inputs" in said(post(provider, COUNT, messages()))


def test_fields_of_beta_need_beta(provider):
    body = messages(context_management={"edits": []})
    assert "context_management: Extra inputs" in said(post(provider, MESSAGES, body))
    assert 200 == post(provider, MESSAGES + "?beta=true", body).status_code


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
def test_anthropic_refuses_headers(provider, status, words, headers):
    response = post(provider, MESSAGES, messages(), headers=headers)
    assert status == response.status_code and words in said(response)


@pytest.mark.parametrize("path", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a": NaN}', b"[1]", b'{"a": "\xff"}', b'{"a": "\\ud800"}']
)
def test_what_is_no_json_object_is_refused(provider, path, content):
    headers = headers_of(path) | {"content-type": "application/json"}
    response = CLIENT.post(provider.url + path, content=content, headers=headers)
    assert 400 == response.status_code
    assert "JSON" in said(response)


def test_bodies_may_be_compressed(provider):
    headers = headers_of(CHAT) | {"content-type": "application/json", "content-encoding": "gzip"}
    content = gzip.compress(json.dumps(chat()).encode())
    assert 200 == CLIENT.post(provider.url + CHAT, content=content, headers=headers).status_code
    assert provider.records[-1].body == content
    assert json.loads(provider.records[-1].decoded) == chat()
    wrong = CLIENT.post(provider.url + CHAT, content=b"{}", headers=headers)
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
def test_chat_refuses(provider, words, body):
    response = post(provider, CHAT, body)
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
def test_chat_takes(provider, body):
    response = post(provider, CHAT, body)
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
def test_responses_refuses(provider, status, words, body):
    response = post(provider, RESPONSES, body)
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
def test_responses_takes(provider, body):
    response = post(provider, RESPONSES, body)
    assert 200 == response.status_code, response.text


def test_a_response_that_was_stored_can_be_continued(provider):
    first = post(provider, RESPONSES, responses()).json()
    body = responses(HI, previous_response_id=first["id"])
    assert 200 == post(provider, RESPONSES, body).status_code
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    assert 200 == post(provider, RESPONSES, responses(HI, reference, HI)).status_code
    unstored = post(provider, RESPONSES, responses(store=False)).json()
    body = responses(HI, previous_response_id=unstored["id"])
    assert 400 == post(provider, RESPONSES, body).status_code


@pytest.mark.parametrize("headers", [{}, {"authorization": "k"}, headers_of(CHAT, "invalid")])
def test_openai_refuses_keys(provider, headers):
    assert 401 == post(provider, CHAT, chat(), headers=headers).status_code


def test_other_paths_methods_and_models_are_not_there(provider):
    assert 404 == post(provider, "/v1/completions", {}).status_code
    assert 405 == CLIENT.get(provider.url + CHAT).status_code
    assert 404 == post(provider, MESSAGES, messages(model="gpt-5")).status_code
    assert 404 == post(provider, CHAT, chat(model="llama")).status_code
    head = CLIENT.head(provider.url + "/")
    assert 404 == head.status_code and head.content == b""


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_models_are_listed_in_the_shape_of_the_provider(provider, path):
    listed = CLIENT.get(provider.url + "/v1/models", headers=headers_of(path)).json()
    assert ("has_more" in listed) == (path == MESSAGES)
    one = listed["data"][0]["id"]
    got = CLIENT.get(f"{provider.url}/v1/models/{one}", headers=headers_of(path)).json()
    assert got == listed["data"][0]
    missing = CLIENT.get(f"{provider.url}/v1/models/none", headers=headers_of(path))
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
