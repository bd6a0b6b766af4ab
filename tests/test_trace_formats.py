"""The same conversation is read from the samples of all formats in tests/data/traces."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from chats import words

from ctxmem import audit, count_messages
from ctxmem.auditing.segments import texts_of
from ctxmem.traces import Kind, ReadStats, Usage, read_events, read_records
from ctxmem.traces.attrs import parsed
from ctxmem.traces.joining import Joiner

SAMPLES = Path(__file__).parent / "data" / "traces"
SYSTEM = ("system", "You answer for the parcel office. Be terse.")
WHERE = ("user", "Where is parcel 4711?")
CALL = ("call", {"number": 4711})
FOUND = ("tool", "It waits in locker 12.")
WHEN = ("user", "And until when?")
ALL = [SYSTEM, WHERE, CALL, FOUND, WHEN]
ANSWER = [("assistant", "Until Friday noon.")]
LOOKED_UP = [("call", {"number": 4711})]


def read(name):
    """Return the events of a sample without links, and what was counted while reading."""
    stats = ReadStats()
    records = read_records(str(SAMPLES / name), stats)
    return [e for e in read_events(records, stats) if e.kind is not Kind.LINK], stats


def said(messages):
    """Return roles and texts of messages; arguments of calls and results as values."""
    return [
        (role, _value(text)) for message in messages for role, text in texts_of(message) if text
    ]


def _value(text):
    if text.startswith("{"):
        value = json.loads(text)
        return value.get("result", value.get("output", value))
    return text


REQUESTS = {
    # name of the file: events of (messages, answer, cached tokens, written tokens, tools)
    "ai-sdk.jsonl": [
        ([SYSTEM, WHERE], LOOKED_UP, 32, None, 1),
        ([SYSTEM, WHERE, CALL, FOUND], ANSWER, 32, None, 1),
        ([SYSTEM, WHEN], ANSWER, 32, None, 1),
    ],
    "bedrock.jsonl": [
        (ALL, ANSWER, 32, 20, 1),
        ([], [], 32, 20, 0),  # the body is in S3; the tokens are counted
        (ALL, ANSWER, 32, 20, 1),
    ],
    "gemini.jsonl": [(ALL, ANSWER, 32, None, 1)] * 2,
    "genai-logs.jsonl": [(ALL, ANSWER, None, None, 0)],
    "genai-logs-otlp.jsonl": [(ALL, ANSWER, None, None, 0)],
    "helicone.jsonl": [(ALL, ANSWER, 32, None, 1), ([], [], 32, None, 0)],
    "langchain-langfuse.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "langchain-langsmith.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "langchain-mlflow.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "langchain-openinference.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "langfuse.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "langfuse-export.jsonl": [(ALL, ANSWER, 32, None, 1)] * 3,
    "langsmith.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "langsmith-nested.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "litellm.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "litellm-spend.jsonl": [([], [], None, None, 0), (ALL, ANSWER, 32, None, 1)],
    "logfire.jsonl": [(ALL, ANSWER, 32, None, 1), (ALL, ANSWER, 32, None, 0)],
    "mlflow.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "openai-agents.jsonl": [
        ([SYSTEM, WHERE], LOOKED_UP, 32, 0, 0),
        ([SYSTEM, WHERE, CALL, FOUND], ANSWER, 32, 0, 0),
        ([], [], 32, 0, 0),  # spans of the Responses API have no messages
        ([], [], 32, 0, 0),
    ],
    "openai.jsonl": [(ALL, ANSWER, 32, None, 1)] * 2,
    "openinference.jsonl": [(ALL, ANSWER, 32, None, 1), (ALL, ANSWER, 32, None, 0)],
    "pydantic-ai.jsonl": [
        ([SYSTEM, WHERE], LOOKED_UP, 32, None, 1),
        ([SYSTEM, WHERE, CALL, FOUND], ANSWER, 32, None, 1),
    ],
    "traceloop.jsonl": [(ALL, ANSWER, 32, None, 1)],
    "traceloop-anthropic.jsonl": [(ALL, ANSWER, 32, 20, 1)],
    "weave.jsonl": [(ALL, ANSWER, 32, None, 1)],
}
NO_SESSION = {
    "openai-agents.jsonl",  # a record of the trace names the session
    *("genai-logs.jsonl", "genai-logs-otlp.jsonl", "langfuse.jsonl", "litellm.jsonl"),
    *("logfire.jsonl", "openinference.jsonl", "traceloop.jsonl", "traceloop-anthropic.jsonl"),
}
COSTS = {
    *("helicone.jsonl", "langfuse-export.jsonl", "litellm.jsonl", "litellm-spend.jsonl"),
    *("logfire.jsonl", "pydantic-ai.jsonl", "weave.jsonl"),
}
TRANSCRIPTS = ("codex.jsonl", "gemini-cli.jsonl", "gemini-cli-lines.jsonl")
OTHERS = ("gemini-cli-logs.jsonl", "gemini-cli-telemetry.json", "mlflow-retriever.jsonl")


def test_every_sample_has_a_test_and_a_line_in_its_readme():
    names = {path.name for path in SAMPLES.iterdir()} - {"README.md"}
    assert names == {*REQUESTS, *TRANSCRIPTS, *OTHERS}
    about = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if name not in about and not name.startswith("gemini-cli")] == []


@pytest.mark.parametrize("name", REQUESTS)
def test_samples_say_what_the_model_was_asked_and_what_it_answered(name):
    events, stats = read(name)
    unlogged = sum(not messages for messages, *_ in REQUESTS[name])
    assert sum(stats.skipped.values()) == unlogged
    assert [event.kind for event in events] == [Kind.REQUEST] * len(REQUESTS[name])
    for event, (messages, answer, cached, written, tools) in zip(
        events, REQUESTS[name], strict=True
    ):
        assert said(event.messages) == messages
        assert said(event.answer) == answer
        assert event.usage == Usage(61, 5, cached, written)
        assert len(event.tools) == tools
        assert not tools or "find_parcel" in json.dumps(event.tools)
        assert not messages or event.name.startswith(
            ("gpt-4o-mini", "claude", "gemini", "anthropic.claude")
        )
        assert (event.session is None) == (name in NO_SESSION)
        assert event.cost == (pytest.approx(9.75e-06) if name in COSTS else None)


@pytest.mark.parametrize("name", [*REQUESTS, "codex.jsonl", "gemini-cli.jsonl"])
def test_samples_have_no_faults(name):
    assert audit(str(SAMPLES / name), counter=words).findings == []


@pytest.mark.parametrize("name", REQUESTS)
def test_as_many_tokens_are_audited_as_were_sent(name):
    found = audit(str(SAMPLES / name), counter=words, near=False)
    events = [event for event in read(name)[0] if event.messages]
    sent = [
        count_messages(event.messages, tools=event.tools or None, model=event.name, counter=words)
        for event in events
    ]
    assert found.totals["calls"] == len(REQUESTS[name])
    assert found.totals["tokens"] == sum(sent)


def test_ids_of_responses_are_read():
    events, _ = read("openai.jsonl")
    assert [(event.response, event.previous) for event in events] == [
        ("chatcmpl-1", ""),
        ("resp_1", "resp_0"),
    ]


def test_retrievers_of_mlflow_return_passages():
    (event,), _ = read("mlflow-retriever.jsonl")
    assert (event.kind, event.query) == (Kind.RETRIEVAL, "when?")
    assert event.passages[0].id == "post#1"


# Transcripts


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcripts_are_turns_of_the_session_that_they_name(name):
    events, stats = read(name)
    assert not stats.skipped
    assert {event.session for event in events} == {"office-1"}
    turns = [event for event in events if event.kind is Kind.TURN]
    system = [SYSTEM] if name == "codex.jsonl" else []
    more = [("assistant", "It waits for you."), WHEN, *ANSWER]
    spoken = said([message for turn in turns for message in turn.messages])
    assert spoken[: len(system) + 6] == [*system, WHERE, CALL, FOUND, *more]
    answers = {turn.turn: turn for turn in turns if turn.usage is not None}
    assert [turn.usage for turn in answers.values()] == [
        *(Usage(40, 20, 0), Usage(50, 5, 40), Usage(61, 5, 32)),
    ]
    assert all(turn.name.startswith(("gpt-5", "gemini")) for turn in answers.values())


@pytest.mark.parametrize(("name", "calls"), [("codex.jsonl", 4), ("gemini-cli.jsonl", 3)])
def test_an_answer_in_several_lines_is_one_call(name, calls):
    assert audit(str(SAMPLES / name), counter=words).totals["calls"] == calls


def test_a_compaction_of_codex_begins_anew_with_what_it_kept():
    events, _ = read("codex.jsonl")
    at = [event.kind for event in events].index(Kind.RESTART)
    assert said(events[at + 1].messages) == [SYSTEM]
    assert said(events[at + 2].messages) == [("user", "The parcel is in locker 12.")]


def test_a_history_that_codex_put_in_place_of_another_is_no_new_answer():
    kept = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
    ]
    line = {"type": "compacted", "payload": {"message": "", "replacement_history": kept}}
    stats = ReadStats()
    events = list(read_events([(line, "x.jsonl:3")], stats))
    assert [event.kind for event in events] == [Kind.RESTART, Kind.TURN, Kind.TURN]
    assert all(event.turn for event in events)


def test_lines_of_an_older_codex_have_no_payload():
    call = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}
    output = {"type": "function_call_output", "call_id": "c", "output": {"content": "ok"}}
    stats = ReadStats()
    events = list(read_events([(call, "x:1"), (output, "x:2")], stats))
    assert said([m for e in events for m in e.messages]) == [("call", {}), ("tool", "ok")]
    assert not stats.skipped


def test_what_was_typed_alone_is_counted_as_not_read():
    events, stats = read("gemini-cli-logs.jsonl")
    assert sum(stats.skipped.values()) == 1
    assert [event.unread for event in events] == []


def test_tokens_of_gemini_clis_telemetry_belong_to_its_requests_in_order():
    events, stats = read("gemini-cli-telemetry.json")
    assert not stats.skipped
    assert [event.usage for event in events] == [Usage(40, 20, 0), Usage(61, 5, 32)]
    assert said(events[1].messages) == [WHERE, CALL, FOUND, WHEN]
    assert said(events[1].answer) == ANSWER
    assert {event.session for event in events} == {"office-1"}


# Records of one call


def _span(name, span, attributes, parent=None):
    context = {"trace_id": "t", "span_id": span}
    return {"name": name, "context": context, "parent_id": parent, "attributes": attributes}


def _said(span, name, **body):
    attributes = {"event.name": name, "gen_ai.system": "openai"}
    return {"trace_id": "t", "span_id": span, "body": body, "attributes": attributes}


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 9}


def _events(records):
    stats = ReadStats()
    found = list(read_events(((r, f"r:{i}") for i, r in enumerate(records, 1)), stats))
    return [event for event in found if event.kind is not Kind.LINK], stats


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 1, 2), (1, 3, 0, 2)])
def test_log_records_are_joined_with_their_span_in_any_order(order):
    records = [
        {**_said("a", "gen_ai.system.message", content="s"), "timestamp": "2026-03-02T10:00:00Z"},
        {**_said("a", "gen_ai.user.message", content="q"), "timestamp": "2026-03-02T10:00:01Z"},
        _said("b", "gen_ai.user.message", content="of another call"),
        _span("chat", "a", CHAT),
    ]
    events, stats = _events([records[i] for i in order])
    assert not stats.skipped
    by_span = {event.span: event for event in events}
    assert [m["content"] for m in by_span["a"].messages] == ["s", "q"]
    assert by_span["a"].usage.input == 9
    assert [m["content"] for m in by_span["b"].messages] == ["of another call"]


def test_one_log_record_may_hold_all_of_a_call():
    asked = [{"role": "user", "parts": [{"type": "text", "content": "q"}]}]
    details = {
        "event.name": "gen_ai.client.inference.operation.details",
        "gen_ai.request.model": "m",
        "gen_ai.input.messages": asked,
        "gen_ai.usage.input_tokens": 7,
    }
    record = {"traceId": "t", "spanId": "a", "timeUnixNano": "1772445600000000000"}
    (event,), _ = _events([{**record, "attributes": details}])
    assert (event.kind, event.name, event.usage.input) == (Kind.REQUEST, "m", 7)
    assert said(event.messages) == [("user", "q")]


def test_log_records_without_content_leave_the_call_unread():
    events, stats = _events(
        [_said("a", "gen_ai.user.message"), _span("chat", "a", {"gen_ai.operation.name": "chat"})]
    )
    assert events == []
    assert stats.skipped == {"a call of a model without messages in a known form": 1}


def test_a_step_around_calls_counts_only_where_they_are_not_there():
    around = {"ai.operationId": "ai.generateText", "ai.prompt": '{"prompt": "q"}'}
    inner = {"ai.operationId": "ai.generateText.doGenerate"}
    inner["ai.prompt.messages"] = '[{"role": "user", "content": "q"}]'
    outer = _span("ai.generateText", "a", around)
    events, _ = _events([outer, _span("ai.generateText.doGenerate", "b", inner, "a")])
    assert [event.span for event in events] == ["b"]
    events, _ = _events([outer])
    assert [(event.span, said(event.messages)) for event in events] == [("a", [("user", "q")])]


def test_what_is_held_is_bounded_and_nothing_is_lost():
    joiner = Joiner(held=20_000)
    events, _ = _events([_span("chat", f"{i}", CHAT) for i in range(100)])
    released = [e for event in events for e in joiner.add(event)]
    assert 0 < len(released) < 100
    rest = list(joiner.rest())
    assert {e.span for e in (*released, *rest)} == {f"{i}" for i in range(100)}


# Damage

ODD = (
    None,
    0,
    -1,
    1e308,
    True,
    "",
    "x",
    "{}",
    '"',
    "['a']",
    [],
    [None],
    [[]],
    {},
    {"a": {}},
    2**70,
)


def _damaged(rng, value):
    """Return a value with some of what it holds left out, renamed or of another kind."""
    if rng.random() < 0.03:
        return rng.choice(ODD)
    if isinstance(value, dict):
        names = list(value)
        return {
            (rng.choice(names) if rng.random() < 0.02 else name): _damaged(rng, inner)
            for name, inner in value.items()
            if rng.random() > 0.02
        }
    if isinstance(value, list):
        return [_damaged(rng, inner) for inner in value]
    if isinstance(value, str) and value[:1] in ("{", "[") and rng.random() < 0.3:
        return rng.choice((json.dumps, str))(_damaged(rng, parsed(value)))
    return value


@pytest.mark.parametrize("seed", range(4))
def test_damaged_records_are_read_or_counted_and_never_fatal(seed):
    rng = random.Random(seed)
    lines = [line for path in SAMPLES.glob("*.jsonl") for line in path.open(encoding="utf-8")]
    records = [json.loads(line) for line in lines]
    read = 0
    for _ in range(150):
        damaged = [(_damaged(rng, record), "r:1") for record in rng.sample(records, 6)]
        stats = ReadStats()
        for event in read_events(damaged, stats):
            assert event.kind not in (Kind.PART, Kind.AROUND, Kind.HEADER)
            assert all(isinstance(name, str) for name in (event.name, event.trace, event.response))
            assert event.session is None or isinstance(event.session, str)
            assert event.cost is None or isinstance(event.cost, float)
            read += 1
    assert read > 100, read


@pytest.mark.parametrize("seed", range(2))
def test_damaged_records_are_audited_and_replayed(seed):
    rng = random.Random(seed)
    lines = [line for path in SAMPLES.glob("*.jsonl") for line in path.open(encoding="utf-8")]
    records = [json.loads(line) for line in lines if line.startswith("{")]
    for _ in range(20):
        damaged = [_damaged(rng, record) for record in rng.sample(records, 8)]
        damaged = [record for record in damaged if isinstance(record, dict)]
        found = audit(damaged, counter=words, replay=True)
        assert found.totals["calls"] + sum(found.read["skipped"].values()) > 0


# Values as people have them


def test_python_in_a_string_is_read_as_what_it_says():
    given = str([{"role": "user", "content": "It's 5 o'clock", "name": None, "cached": True}])
    record = {"id": "o", "type": "GENERATION", "traceId": "t", "input": given, "output": ""}
    (event,), _ = _events([record])
    assert said(event.messages) == [("user", "It's 5 o'clock")]


@pytest.mark.parametrize(
    "text",
    ["['" + "[" * 5000, "['a'" + ", 'a'" * 300_000 + "]", "{'a': print('b')}", "['\\d' 1]"],
    ids=["deep", "long", "code", "escape"],
)
def test_python_that_is_no_value_stays_a_text(text):
    record = {"id": "o", "type": "GENERATION", "traceId": "t", "input": text, "output": ""}
    (event,), _ = _events([record])
    assert event.messages == [{"role": "user", "content": text}]


def test_rows_of_tables_have_arrays_decimals_bytes_and_nothing():
    row = {
        "context.span_id": "b",
        "context.trace_id": b"a",
        "span_kind": "LLM",
        "start_time": np.datetime64("2026-03-02T10:00:00.000000000"),
        "attributes.llm.input_messages": np.array(
            [{"message.role": "user", "message.content": b"When?"}], dtype=object
        ),
        "attributes.llm.tools": None,
        "attributes.llm.token_count.prompt": Decimal("9"),
        "attributes.llm.token_count.completion": float("nan"),
        "attributes.session.id": np.str_("s"),
    }
    stats = ReadStats()
    (event,) = read_events(read_records([row], stats), stats)
    assert said(event.messages) == [("user", "When?")]
    assert event.usage == Usage(9, None, None, None)
    assert (event.trace, event.session, event.time) == ("a", "s", 1772445600.0)


def test_parquet_has_structs_maps_times_and_decimals(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    table = pa.table(
        {
            "name": ["chat"],
            "trace_id": [b"\x61"],
            "span_id": ["b"],
            "start_time": pa.array([1772445600000], pa.timestamp("ms", tz="UTC")),
            "attributes": pa.array(
                [[("gen_ai.operation.name", "chat"), ("gen_ai.conversation.id", "s")]],
                pa.map_(pa.string(), pa.string()),
            ),
        }
    )
    requests = pa.table(
        {
            "model": ["m"],
            "messages": pa.array([[{"role": "user", "content": "q"}]], pa.list_(message)),
            "cost": pa.array([Decimal("0.25")], pa.decimal128(5, 2)),
        }
    )
    parquet.write_table(table, tmp_path / "spans.parquet")
    parquet.write_table(requests, tmp_path / "requests.parquet")
    stats = ReadStats()
    request, span = read_events(read_records(str(tmp_path), stats), stats)
    assert (said(request.messages), request.cost) == ([("user", "q")], 0.25)
    assert (span.trace, span.session, span.time) == ("a", "s", 1772445600.0)


def test_rows_of_data_frames_have_arrays_times_and_gaps():
    pd = pytest.importorskip("pandas")
    message = np.array([{"message.role": "user", "message.content": "q"}], dtype=object)
    table = pd.DataFrame(
        {
            "context.trace_id": ["t"],
            "span_kind": ["LLM"],
            "start_time": [pd.Timestamp("2026-03-02T10:00:00Z")],
            "end_time": [pd.NaT],
            "attributes.llm.input_messages": [message],
        },
        index=pd.Index(["b"], name="context.span_id"),  # as Phoenix's spans have it
    )
    rows = table.reset_index().to_dict("records")
    stats = ReadStats()
    (event,) = read_events(read_records(rows, stats), stats)
    assert (event.span, event.time, said(event.messages)) == ("b", 1772445600.0, [("user", "q")])
    assert audit(rows, counter=words).totals["calls"] == 1
