"""Every format is read, its traps included; what cannot be read is counted and never fatal."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ctxmem.bench import traces

from ctxmem import audit
from ctxmem.traces import (
    FORMATS,
    Kind,
    Passage,
    ReadStats,
    Usage,
    read_events,
)

FIRST = "A parcel that nobody takes in goes back to the shop after seven days."
SECOND = "Whoever moves tells the post office two weeks ahead."


def events(*records, links=False):
    stats = ReadStats()
    found = list(read_events(((r, f"r:{i}") for i, r in enumerate(records, 1)), stats))
    return [e for e in found if links or e.kind is not Kind.LINK]


def only(*records):
    (event,) = events(*records)
    return event


def span(attributes, **more):
    context = {"trace_id": "0x01", "span_id": "0x02"}
    return {"name": "s", "context": context, "parent_id": None, "attributes": attributes} | more


# OpenInference

FLAT = {
    "openinference.span.kind": "RETRIEVER",
    "input.value": "when?",
    "session.id": "s",
    "retrieval.documents.0.document.content": FIRST,
    "retrieval.documents.0.document.metadata": '{"source": "post.md"}',
    "retrieval.documents.1.document.content": SECOND,
    "retrieval.documents.1.document.score": 0.5,
}


def test_flattened_documents_are_put_together_again():
    event = only(span(FLAT))
    assert event.kind is Kind.RETRIEVAL
    assert (event.query, event.session) == ("when?", "s")
    assert event.passages == [
        Passage(FIRST, None, None, "post.md"),
        Passage(SECOND, None, 0.5, None),
    ]


def test_ids_that_langchain_leaves_out_are_taken_from_the_output():
    output = {
        "documents": [
            {"id": "post#1", "page_content": FIRST},
            {"id": "post#2", "page_content": SECOND},
        ]
    }
    event = only(span(FLAT | {"output.value": json.dumps(output)}))
    assert [passage.id for passage in event.passages] == ["post#1", "post#2"]


def test_the_inner_retriever_span_without_documents_is_no_retrieval():
    assert events(span({"openinference.span.kind": "RETRIEVER", "input.value": "{}"})) == []


def test_chains_repeat_the_text_and_are_not_counted():
    chain = {"openinference.span.kind": "CHAIN", "output.value": FIRST, "input.value": FIRST}
    (event,) = events(span(chain), links=True)
    assert event.kind is Kind.LINK and not event.passages and not event.messages


def test_phoenix_tables_have_dotted_columns_and_nested_lists():
    row = {
        "name": "retrieve",
        "span_kind": "RETRIEVER",
        "context.trace_id": "t",
        "context.span_id": "a",
        "parent_id": "root",
        "start_time": "2026-03-02T10:00:00+00:00",
        "attributes.input.value": "when?",
        "attributes.retrieval.documents": [{"document.content": FIRST, "document.score": 0.9}],
    }
    event = only(row)
    assert (event.trace, event.span, event.parent) == ("t", "a", "root")
    assert event.passages == [Passage(FIRST, None, 0.9, None)]


def test_phoenix_nested_attributes_are_read_like_flattened_ones():
    nested = {
        "openinference": {"span": {"kind": "RETRIEVER"}},
        "input": {"value": "when?"},
        "retrieval": {"documents": [{"document": {"content": FIRST, "id": "1"}}]},
    }
    event = only(span(nested))
    assert event.passages == [Passage(FIRST, "1", None, None)] and event.query == "when?"


def test_model_spans_give_messages_calls_and_usage():
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "m-1",
        "llm.token_count.prompt": 100,
        "llm.token_count.prompt_details.cache_read": 64,
        "llm.input_messages.0.message.role": "assistant",
        "llm.input_messages.0.message.tool_calls.0.tool_call.id": "c",
        "llm.input_messages.0.message.tool_calls.0.tool_call.function.name": "f",
        "llm.input_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
        "llm.input_messages.1.message.role": "tool",
        "llm.input_messages.1.message.content": FIRST,
        "llm.input_messages.1.message.tool_call_id": "c",
        "llm.input_messages.10.message.role": "user",
        "llm.input_messages.10.message.contents.0.message_content.type": "text",
        "llm.input_messages.10.message.contents.0.message_content.text": SECOND,
    }
    event = only(span(attributes))
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert event.messages == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": FIRST, "tool_call_id": "c"},
        {"role": "user", "content": [{"type": "text", "text": SECOND}]},
    ]
    assert (event.name, event.usage) == ("m-1", Usage(100, None, 64, None))


def test_rerankers_give_what_they_let_through():
    attributes = {
        "openinference.span.kind": "RERANKER",
        "reranker.query": "when?",
        "reranker.output_documents.0.document.content": FIRST,
    }
    event = only(span(attributes))
    assert (event.kind, event.query) == (Kind.RERANKED, "when?")


def otlp(key, value):
    return {"key": key, "value": value}


def test_otlp_documents_are_unpacked_with_typed_values():
    attributes = [
        otlp("openinference.span.kind", {"stringValue": "RETRIEVER"}),
        otlp("retrieval.documents.0.document.content", {"stringValue": FIRST}),
        otlp("retrieval.documents.0.document.score", {"doubleValue": 0.25}),
        otlp("n", {"intValue": "7"}),
        otlp("list", {"arrayValue": {"values": [{"boolValue": True}]}}),
    ]
    spans = [{"traceId": "t", "spanId": "s", "attributes": attributes}]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    event = only(document)
    assert event.passages == [Passage(FIRST, None, 0.25, None)]
    assert event.place == "r:1#1"


# Langfuse


def test_langfuse_spans_hold_json_in_strings():
    documents = json.dumps([{"id": "a", "page_content": FIRST, "metadata": {"source": "x.md"}}])
    event = only(
        span(
            {
                "langfuse.observation.type": "retriever",
                "langfuse.observation.input": "when?",
                "langfuse.observation.output": documents,
                "langfuse.trace.metadata.session_id": '"s-7"',
            }
        )
    )
    assert event.passages == [Passage(FIRST, "a", None, "x.md")]
    assert (event.query, event.session) == ("when?", "s-7")


@pytest.mark.parametrize("camel", [False, True])
def test_langfuse_exports_have_snake_case_and_the_api_camel_case(camel):
    names = ("trace_id", "session_id", "usage_details", "start_time")
    trace, session, usage, start = (
        (name.split("_")[0] + name.split("_")[1].title() if camel else name) for name in names
    )
    record = {
        "id": "o",
        "type": "GENERATION",
        trace: "t",
        session: "s",
        start: "2026-03-02T10:00:00Z",
        usage: {"input": 10, "input_cached_tokens": 90, "output": 5},
        "input": json.dumps([{"role": "user", "content": FIRST}]),
        "output": "",
    }
    event = only(record)
    assert (event.trace, event.session) == ("t", "s")
    assert event.messages == [{"role": "user", "content": FIRST}]
    assert event.usage == Usage(100, 5, 90, None)


def test_langfuse_empty_strings_are_unset():
    record = {"id": "o", "type": "RETRIEVER", "trace_id": "t", "session_id": "", "input": "q"}
    record["output"] = json.dumps({"documents": [FIRST]})
    event = only(record)
    assert event.session is None and event.passages == [Passage(FIRST)]


# LangSmith


def run(kind, **more):
    return {"id": "r", "trace_id": "t", "run_type": kind, "inputs": {}, "outputs": {}} | more


def test_langsmith_retrievers_give_documents_and_the_callers_session():
    documents = [{"id": "a", "page_content": FIRST, "metadata": {}, "type": "Document"}]
    record = run(
        "retriever",
        inputs={"query": "when?"},
        outputs={"documents": documents},
        session_id="the project, not the session",
        extra={"metadata": {"thread_id": "s"}},
    )
    event = only(record)
    assert (event.session, event.query) == ("s", "when?")
    assert event.passages == [Passage(FIRST, "a", None, None)]


@pytest.mark.parametrize(
    "outputs",
    [
        {"output": [{"page_content": FIRST}]},
        [{"page_content": FIRST}],
        json.dumps({"documents": [{"page_content": FIRST}]}),
    ],
    ids=["list under output", "list", "text, as in Parquet"],
)
def test_langsmith_outputs_come_in_several_shapes(outputs):
    assert only(run("retriever", outputs=outputs)).passages == [Passage(FIRST)]


def test_langsmith_messages_are_unwrapped():
    message = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "SystemMessage"],
        "kwargs": {"content": FIRST, "type": "system"},
    }
    event = only(run("llm", inputs={"messages": [[message]]}))
    assert event.messages == [{"content": FIRST, "type": "system", "role": "system"}]
    prompts = only(run("llm", inputs={"prompts": [f"Human: {FIRST}"]}))
    assert prompts.messages == [{"role": "user", "content": f"Human: {FIRST}"}]


# OpenTelemetry GenAI


def test_genai_retrievals_have_ids_and_no_text():
    event = only(
        span(
            {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.retrieval.query.text": "when?",
                "gen_ai.retrieval.documents": '[{"id":"a","score":null},{"id":"b","score":0.5}]',
            }
        )
    )
    assert event.passages == [Passage(None, "a"), Passage(None, "b", 0.5)]


def test_genai_chats_have_parts():
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": FIRST}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "f",
                                         "arguments": {"a": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "ok"}]},
    ]  # fmt: skip
    event = only(
        span(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.system_instructions": json.dumps([{"type": "text", "content": SECOND}]),
                "gen_ai.input.messages": json.dumps(messages),
                "gen_ai.conversation.id": "s",
                "gen_ai.usage.input_tokens": 12,
                "gen_ai.usage.cache_read.input_tokens": 4,
            }
        )
    )
    assert [message["role"] for message in event.messages] == [
        *("system", "user", "assistant", "user"),
    ]
    assert event.messages[0]["content"] == [{"type": "text", "text": SECOND}]
    assert event.messages[2]["content"][0]["type"] == "tool_use"
    assert event.messages[3]["content"][0]["tool_use_id"] == "c"
    assert event.usage == Usage(12, None, 4, None)


def test_genai_messages_may_stand_in_an_event_of_the_span():
    told = {
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "q"}]}]
    }
    record = span({"gen_ai.operation.name": "chat"}, events=[{"name": "e", "attributes": told}])
    assert only(record).messages == [{"role": "user", "content": [{"type": "text", "text": "q"}]}]


# Requests

QUESTION = {"role": "user", "content": FIRST}


def test_openai_requests_give_messages_and_cached_tokens():
    usage = {"prompt_tokens": 50, "prompt_tokens_details": {"cached_tokens": 32}}
    record = {"model": "gpt-4o", "messages": [QUESTION], "usage": usage, "user": "u"}
    event = only(record)
    assert (event.format, event.name) == ("OpenAI requests", "gpt-4o")
    assert event.usage == Usage(50, None, 32, None)


@pytest.mark.parametrize(
    "record",
    [
        {"request": {"model": "m", "messages": [QUESTION]}, "response": {}},
        {"custom_id": "1", "method": "POST", "body": {"model": "m", "messages": [QUESTION]}},
        {"request": {"body": json.dumps({"model": "m", "messages": [QUESTION]})}},
        {"model": "m", "input": [QUESTION]},
        {"messages": [QUESTION, {"role": "assistant", "content": "an answer, not sent"}]},
        [QUESTION],
    ],
    ids=["wrapped", "batch", "body as text", "responses", "with its answer", "bare list"],
)
def test_requests_are_found_where_logs_put_them(record):
    assert only(record).messages == [QUESTION]


def test_anthropic_requests_have_the_system_text_apart_and_usage_without_the_cache():
    record = {
        "request": {"model": "claude-x", "system": SECOND, "messages": [QUESTION]},
        "response": {
            "usage": {
                "input_tokens": 5,
                "cache_read_input_tokens": 90,
                "cache_creation_input_tokens": 5,
                "output_tokens": 7,
            }
        },
    }
    event = only(record)
    assert event.format == "Anthropic requests"
    assert event.messages == [{"role": "system", "content": SECOND}, QUESTION]
    assert event.usage == Usage(100, 7, 90, 5)


# Claude Code


def line(kind, message=None, **more):
    record = {"type": kind, "sessionId": "s", "uuid": "u", "timestamp": "2026-03-02T10:00:00.5Z"}
    return record | ({"message": message} if message else {}) | more


def test_claude_code_lines_are_turns_and_side_chains_are_sessions_of_their_own():
    answer = {"id": "m1", "role": "assistant", "model": "claude-x", "content": []}
    answer["usage"] = {"input_tokens": 3, "cache_read_input_tokens": 7}
    found = events(
        line("user", {"role": "user", "content": "a text"}),
        line("assistant", answer | {"content": [{"type": "text", "text": "one"}]}),
        line("assistant", answer | {"content": [{"type": "text", "text": "two"}]}),
        line(
            "user", {"role": "user", "content": [{"type": "text", "text": "x"}]}, isSidechain=True
        ),
        {"type": "summary", "summary": "about", "leafUuid": "u"},
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}},
    )
    assert [event.session for event in found] == ["s", "s", "s", "s (agent side chain)"]
    assert [event.turn for event in found][1:3] == ["m1", "m1"]
    assert found[1].usage == Usage(10, None, 7, 0)


def test_claude_code_compaction_begins_anew():
    message = {"role": "user", "content": "so far: ..."}
    found = events(line("user", message, isCompactSummary=True))
    assert [event.kind for event in found] == [Kind.RESTART, Kind.TURN]


# Messages and hits


def test_lines_of_messages_are_a_chat():
    found = events(QUESTION, {"role": "assistant", "content": "yes"})
    assert [event.kind for event in found] == [Kind.TURN, Kind.TURN]
    assert {event.session for event in found} == {"r"}


def test_hits_come_as_lists_or_one_by_one():
    whole = only({"query": "q", "hits": [{"text": FIRST, "score": 1}, [SECOND, 0.5]]})
    assert whole.passages == [Passage(FIRST, None, 1.0), Passage(SECOND, None, 0.5)]
    one, two = events({"text": FIRST, "query": "q"}, {"text": SECOND, "query": "q"})
    assert one.trace == two.trace != ""


def test_llama_index_nodes_are_passages():
    node = {"node": {"id_": "n", "text": FIRST, "metadata": {"file_name": "a.md"}}, "score": 0.5}
    assert only({"query": "q", "nodes": [node], "results": [node]}).passages == [
        Passage(FIRST, "n", 0.5, "a.md")
    ]


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_formats_that_are_not_asked_recognise_nothing(form):
    records = traces.planted(60).records + traces.ranked(3).records
    others = [record for record in records if not form.keys & {k.partition(".")[0] for k in record}]
    assert others or form.name == "requests"
    assert not any(form.recognises(record) for record in others)


def test_lone_surrogates_become_text():
    event = only({"query": "q\ud83d", "hits": [{"text": "a\ud83d", "id": "\ud83d"}]})
    for text in (event.query, *event.passages[0][:2]):
        text.encode()


# Formats that hold the messages elsewhere


def model_span(attributes, **more):
    context = {"trace_id": "a", "span_id": "b"}
    return {"name": "chat", "context": context, "attributes": attributes, **more}


SYSTEM, ASKED = "You are terse.", "Where is the parcel?"
SAID = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASKED}]


def test_openllmetry_numbers_the_messages():
    attributes = {
        "gen_ai.system": "openai",
        "llm.request.type": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": SYSTEM,
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": json.dumps([{"type": "text", "text": ASKED}]),
        "gen_ai.prompt.2.role": "assistant",
        "gen_ai.prompt.2.tool_calls.0.id": "c1",
        "gen_ai.prompt.2.tool_calls.0.name": "find",
        "gen_ai.prompt.2.tool_calls.0.arguments": "{}",
        "gen_ai.prompt.3.role": "tool",
        "gen_ai.prompt.3.tool_call_id": "c1",
        "gen_ai.prompt.3.content": '{"at": "the shop"}',
        "gen_ai.usage.prompt_tokens": 40,
        "gen_ai.usage.completion_tokens": 2,
    }
    event = only(model_span(attributes))
    assert event.kind is Kind.REQUEST
    assert (event.usage.input, event.usage.output) == (40, 2)
    assert event.messages[0] == SAID[0]
    assert event.messages[1]["content"] == [{"type": "text", "text": ASKED}]
    assert event.messages[2]["tool_calls"][0]["function"] == {"name": "find", "arguments": "{}"}
    assert event.messages[3]["content"] == '{"at": "the shop"}'


@pytest.mark.parametrize("logged", [False, True])
def test_genai_messages_may_be_events_of_their_own(logged):
    told = [
        ("gen_ai.system.message", {"content": SYSTEM}),
        ("gen_ai.user.message", {"content": ASKED}),
        ("gen_ai.choice", {"message": "It is in the shop."}),
    ]
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai"}
    if logged:
        attributes["events"] = json.dumps([{"event.name": name, **said} for name, said in told])
        told_span = model_span(attributes)
    else:
        inside = [{"name": name, "attributes": said} for name, said in told]
        told_span = model_span(attributes, events=inside)
    assert only(told_span).messages == SAID


def test_a_run_holds_the_runs_in_it():
    model = {"id": "2", "run_type": "llm", "parent_run_id": "1", "inputs": {"messages": SAID}}
    chain = {"id": "1", "run_type": "chain", "inputs": {"q": 1}, "child_runs": [model]}
    found = events(chain, links=True)
    assert [event.kind for event in found] == [Kind.LINK, Kind.REQUEST]
    assert found[1].messages == SAID


@pytest.mark.parametrize(
    "given",
    [
        {"system": SYSTEM, "messages": SAID[1:]},
        json.dumps(json.dumps(SAID)),
        {
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "contents": [{"role": "user", "parts": [{"text": ASKED}]}],
        },
    ],
)
def test_an_observation_holds_a_request_as_its_provider_has_it(given):
    record = {"id": "o", "type": "GENERATION", "traceId": "t", "model": "m", "input": given}
    found = audit([record], counter=lambda text: len(text.split()))
    texts = found.totals["tokens"] - found.totals["parts"]["overhead"]
    assert (found.totals["calls"], texts) == (1, 7)


def test_rows_of_numpy_are_lists():
    message = {"message.role": "user", "message.content": ASKED}
    row = {
        "context.span_id": "b",
        "context.trace_id": "a",
        "span_kind": "LLM",
        "attributes.llm.input_messages": np.array([message], dtype=object),
        "attributes.llm.token_count.prompt": np.int64(9),
    }
    found = audit([row], counter=lambda text: len(text.split()))
    assert (found.totals["parts"]["question"], found.totals["billed"]["input"]) == (4, 9)


def test_a_call_of_a_model_without_messages_is_counted_as_unread():
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai"}
    records = [
        model_span(attributes),
        {"id": "o", "type": "GENERATION", "traceId": "t", "input": {"odd": 1}, "output": "x"},
        {"id": "2", "run_type": "llm", "inputs": {"odd": 1}},
    ]
    found = audit(records)
    assert found.totals["calls"] == 0
    assert found.read["skipped"] == {"a call of a model without messages in a known form": 3}
