"""One question is read from the many shapes in which exports and tables hold it."""

from __future__ import annotations

import json

import pytest

from ctxmem.auditing.segments import texts_of
from ctxmem.chat.parts import parts_of
from ctxmem.traces import Kind, Passage, ReadStats, Usage, read_events

ASKED = "Where is parcel 4711?"
USER = {"role": "user", "content": ASKED}
TURN = {"role": "user", "parts": [{"text": ASKED}]}
PARTS = [{"role": "user", "parts": [{"type": "text", "content": ASKED}]}]
IDS = {"trace_id": "t", "span_id": "a"}
GENAI = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(PARTS)}
ALL = json.dumps([{"event.name": "gen_ai.user.message", "content": ASKED, "role": "user"}])


def told(*records):
    """Return the events of records without links, none of which may be skipped."""
    stats = ReadStats()
    found = list(read_events(((r, f"r:{i}") for i, r in enumerate(records, 1)), stats))
    assert not stats.skipped
    return [event for event in found if event.kind is not Kind.LINK]


def said(event):
    return [text for message in event.messages for _, text in texts_of(message) if text]


def typed(attributes):
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]


def event(name, **fields):
    return {**IDS, "attributes": {}, "events": [{"name": name, "attributes": fields}]}


SPANS = {
    "attributes as JSON": {**IDS, "attributes": json.dumps(GENAI)},
    "Logfire's table": {**IDS, "span_name": "chat", "attributes": GENAI, "start_timestamp": "2026"},
    "the collector's table": {"TraceId": "t", "SpanId": "a", "SpanAttributes": GENAI},
    "JavaScript's console": {"traceId": "t", "id": "a", "attributes": GENAI, "timestamp": 1},
    "JavaScript's span": {"_spanContext": {"traceId": "t", "spanId": "a"}, "attributes": GENAI},
    "Tempo": {
        "batches": [
            {
                "scopeSpans": [
                    {"spans": [{"traceId": "t", "spanId": "a", "attributes": typed(GENAI)}]}
                ]
            }
        ]
    },
    "Jaeger": {
        "data": [
            {
                "traceID": "t",
                "spans": [
                    {
                        "traceID": "t",
                        "spanID": "a",
                        "operationName": "chat",
                        "tags": [{"key": key, "value": value} for key, value in GENAI.items()],
                    }
                ],
            }
        ]
    },
    "an event with JSON, as Azure's SDK": {
        **event("gen_ai.user.message", **{"gen_ai.event.content": json.dumps({"content": ASKED})}),
        "attributes": {"gen_ai.system": "az.ai.inference"},
    },
    "an event with blocks, as Strands": {
        **event("gen_ai.user.message", content=json.dumps([{"text": ASKED}])),
        "attributes": {"gen_ai.system": "strands-agents"},
    },
    "an event of older conventions": {
        **event("gen_ai.content.prompt", **{"gen_ai.prompt": json.dumps([USER])}),
        "attributes": {"gen_ai.system": "openai", "gen_ai.operation.name": "chat"},
    },
    "Logfire's request_data": {
        **IDS,
        "attributes": {"gen_ai.system": "openai", "request_data": json.dumps({"messages": [USER]})},
    },
    "Pydantic AI's events": {
        **IDS,
        "attributes": {"gen_ai.operation.name": "invoke_agent", "all_messages_events": ALL},
    },
    "the AI SDK before version 5": {
        **IDS,
        "attributes": {
            "ai.operationId": "ai.streamText.doStream",
            "ai.prompt.messages": json.dumps(
                [{"role": "user", "content": [{"type": "text", "text": ASKED}]}]
            ),
        },
    },
    "MLflow before version 3": {
        "info": {"request_id": "t", "timestamp_ms": 1},
        "data": {
            "spans": [
                {
                    "context": IDS,
                    "attributes": {
                        "mlflow.spanType": '"CHAT_MODEL"',
                        "mlflow.spanInputs": json.dumps([[{"type": "human", "content": ASKED}]]),
                    },
                }
            ]
        },
    },
}


@pytest.mark.parametrize("shape", SPANS)
def test_a_span_is_read_in_the_shape_of_its_export(shape):
    (found,) = told(SPANS[shape])
    assert found.kind is Kind.REQUEST
    assert said(found) == [ASKED]
    assert (found.trace, found.span) == ("t", "a")


REQUESTS = {
    "messages as JSON": {"model": "m", "messages": json.dumps([USER])},
    "pairs": {"model": "m", "messages": [["user", ASKED]]},
    "a prompt": {"model": "m", "prompt": ASKED},
    "an input": {"model": "m", "input": ASKED},
    "Gemini's text": {"model": "m", "contents": ASKED},
    "Vertex": {"model": "m", "full_request": {"contents": [TURN]}, "full_response": {}},
    "Bedrock's Titan": {"modelId": "m", "input": {"inputBodyJson": {"inputText": ASKED}}},
    "Bedrock's Claude": {"modelId": "m", "input": {"inputBodyJson": {"messages": [USER]}}},
    "LangChain": {"model": "m", "messages": [{"type": "human", "data": {"content": ASKED}}]},
    "arguments of a function": {"model": "m", "kwargs": {"messages": [USER]}},
}


@pytest.mark.parametrize("shape", REQUESTS)
def test_a_request_is_read_in_the_shape_of_its_log(shape):
    (found,) = told(REQUESTS[shape])
    assert said(found) == [ASKED]
    assert found.name == "m"


INPUTS = {
    "Python": str({"messages": [USER]}),
    "JSON of Python": json.dumps(str([USER])),
    "arguments": {"args": [], "kwargs": {"messages": [USER]}},
    "text that looks like a list": "['a', 'b']",
    "text that is JSON": '["a", "b"]',
}


@pytest.mark.parametrize("shape", INPUTS)
def test_an_observation_is_read_in_the_shape_of_its_input(shape):
    (found,) = told({"id": "o", "type": "GENERATION", "traceId": "t", "input": INPUTS[shape]})
    assert said(found) in ([ASKED], ["a", "b"])


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}, (9, None, 4, None)),
        ({"input_tokens": 5, "cache_read_input_tokens": 4}, (9, None, 4, 0)),
        # LiteLLM's count includes what Anthropic's leaves out.
        ({"prompt_tokens": 9, "cache_read_input_tokens": 4}, (9, None, 4, None)),
        ({"promptTokenCount": 9, "cachedContentTokenCount": 4}, (9, None, 4, None)),
        ({"candidatesTokenCount": 1, "thoughtsTokenCount": 2}, (None, 3, None, None)),
        ({"inputTokens": 5, "outputTokens": 1, "cacheReadInputTokens": 4}, (9, 1, 4, 0)),
        ({"inputTokens": 9, "outputTokens": 1, "cachedInputTokens": 4}, (9, 1, 4, None)),
        (
            {"input_tokens": 9, "input_token_details": {"cache_read": 4, "cache_creation": 2}},
            (9, None, 4, 2),
        ),
        ({"input_tokens": 3, "input_tokens_details": {"cached_tokens": 4}}, (7, None, 4, None)),
    ],
)
def test_the_input_includes_what_was_read_from_the_cache(usage, expected):
    (found,) = told({"model": "m", "messages": [USER], "usage": usage})
    assert found.usage == Usage(*expected)


def test_what_is_embedded_is_no_question():
    stats = ReadStats()
    record = {"model": "text-embedding-3-small", "input": [ASKED]}
    assert list(read_events([(record, "r:1")], stats)) == []
    assert stats.skipped == {"of no known format": 1}


def test_retrievers_of_weave_return_passages():
    call = {"op_name": "weave:///a/b/op/retrieve:1", "id": "a", "trace_id": "t"}
    documents = [{"page_content": "In locker 12.", "metadata": {"source": "office.md"}}]
    (found,) = told({**call, "inputs": {"query": ASKED}, "output": documents})
    assert (found.kind, found.query) == (Kind.RETRIEVAL, ASKED)
    assert found.passages == [Passage("In locker 12.", None, None, "office.md")]


def test_one_response_that_two_tracers_write_is_one_call():
    known = {"gen_ai.response.id": "r", "gen_ai.usage.input_tokens": "9"}
    client = {
        "trace_id": "u",
        "span_id": "b",
        "attributes": {"gen_ai.operation.name": "chat", **known},
    }
    both = [{**IDS, "attributes": {**GENAI, **known}}, client]
    assert [found.span for found in told(*both)] == ["a"]
    assert [found.span for found in told(*reversed(both))] == ["a"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"session.id": "s"},
        {"gen_ai.conversation.id": "s"},
        {"traceloop.association.properties.session_id": "s"},
        {"traceloop": {"association": {"properties": {"thread_id": "s"}}}},
        {"ai.telemetry.metadata.chatId": "s"},
        {"langfuse.trace.metadata.session_id": '"s"'},
        {"metadata": '{"conversation_id": "s"}'},
    ],
)
def test_a_session_is_found_under_the_names_that_tracers_give_it(attributes):
    (found,) = told({**IDS, "attributes": {**GENAI, **attributes}})
    assert found.session == "s"


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="},
            "image",
        ),
        ({"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}, "image"),
        (
            {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "aGk="},
            "audio",
        ),
        ({"type": "blob", "mime_type": "application/pdf", "content": "aGk="}, "file"),
        ({"type": "reasoning", "content": "Let me see."}, "thought"),
        ({"type": "text", "content": "a"}, "text"),
        ({"type": "tool_call", "id": "c", "name": "f", "arguments": {}}, "call"),
        ({"type": "tool_call_response", "id": "c", "response": {"a": 1}}, "result"),
    ],
)
def test_parts_of_a_message_are_what_their_type_says(part, kind):
    messages = [{"role": "user", "parts": [part]}]
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(messages)}
    (found,) = told({**IDS, "attributes": attributes})
    assert [inner.kind for inner in parts_of(found.messages[0], 0)] == [kind]


def test_images_of_openinference_are_images():
    message = "llm.input_messages.0.message."
    part = f"{message}contents.0.message_content."
    attributes = {
        "openinference.span.kind": "LLM",
        f"{message}role": "user",
        f"{part}type": "image",
        f"{part}image.image.url": "data:image/png;base64,aGk=",
    }
    (found,) = told({**IDS, "attributes": attributes})
    assert [inner.kind for inner in parts_of(found.messages[0], 0)] == ["image"]
