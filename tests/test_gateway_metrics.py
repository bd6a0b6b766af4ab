"""Metrics, spans and log lines of the gateway: numbers of exchanges, and nothing a user wrote."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.parser import text_string_to_metric_families

import ctxmem
from ctxmem import telemetry
from ctxmem.gateway.telemetry import logs, spans
from ctxmem.gateway.telemetry.facts import EDIT_REASONS, MODES, OTHER, WIRES, RequestFacts, Usage
from ctxmem.gateway.telemetry.metrics import METRICS, MODELS, WORDS, Metrics
from ctxmem.memory.receipts import REASONS

ROOT = Path(__file__).resolve().parent.parent
MARK = "XQ7 secret: of-a-user"

FULL = RequestFacts(
    wire="anthropic",
    mode="manage",
    model="claude-opus-4-5",
    response_model="claude-opus-4-5-20251101",
    server_address="api.anthropic.com",
    server_port=443,
    streamed=True,
    status=200,
    seconds_added=0.003,
    seconds_upstream=0.7,
    tokens={"system": 100, "history": 900},
    budget=4000,
    kept=8,
    dropped=12,
    recalled=2,
    prefix_reused=600,
    prefix_broken="tools",
    edit=True,
    edit_reason="pays",
    usage=Usage(input=1000, cached=600, written=300, output=50),
    bill_sent=540.0,
    bill_through=800.0,
    bill_uncached=2500.0,
    bill_recall=7.0,
    passed_through="too long",
    fault="read reply",
    recall_calls=3,
    find_calls=2,
    conversation="c0ffee",
)
"""Everything that can be known of an exchange, also what does not go together."""


def samples(metrics):
    """Return every sample of the exposition, by name and labels."""
    text = metrics.render()[0].decode()
    return {
        (sample.name.removeprefix("ctxmem_gateway_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.fixture
def ended():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.enable(provider, capture_text=False)
    yield exporter.get_finished_spans
    telemetry.reset()


# Facts --------------------------------------------------------------------------------------------


def test_facts_know_the_words_of_the_rest_of_the_package():
    assert set(EDIT_REASONS) == set(REASONS)
    assert {"observe", "guard", "manage"} == set(MODES)


def test_words_that_are_not_ours_become_other():
    given = dict.fromkeys(
        ("wire", "mode", "edit_reason", "passed_through", "fault", "model", "conversation"), MARK
    )
    facts = RequestFacts(**given, response_model="a" * 97, server_address=f"x/{MARK}")
    for name in (*given, "response_model", "server_address"):
        assert OTHER == getattr(facts, name), name
    assert {OTHER: 5} == RequestFacts(tokens={MARK: 5}).tokens
    assert {OTHER: 5, "tools": 1} == RequestFacts(tokens={MARK: 2, "tools": 1, "": 3}).tokens
    assert OTHER == RequestFacts(model=["a", "list"]).model
    kept = RequestFacts(model="Qwen/Qwen3-8B:free", wire="chat", fault="read reply")
    assert ("Qwen/Qwen3-8B:free", "chat", "read reply") == (kept.model, kept.wire, kept.fault)


def test_numbers_that_are_none_are_not_known():
    facts = RequestFacts(status=MARK, kept=10**400, bill_sent=math.nan, seconds_added=True)
    assert RequestFacts() == facts
    assert Usage() == Usage(input=MARK, cached=None, output=math.inf)
    assert RequestFacts(budget=0).budget == 0  # 0 is known


def test_facts_are_read_from_what_stages_note():
    noted = {
        "wire": "chat",
        "mode": "guard",
        "model": None,
        "unknown": MARK,
        "usage": {"input": 7, "cached": None, "other": MARK},
    }
    facts = RequestFacts.read(noted)
    assert RequestFacts(wire="chat", mode="guard", usage=Usage(input=7)) == facts
    assert FULL == RequestFacts.read(FULL.to_dict())
    usage = SimpleNamespace(input=7, cached=None, output=2)  # as a wire format reads it
    assert Usage(input=7, output=2) == RequestFacts.read({"usage": usage}).usage
    assert Usage() == RequestFacts.read({"usage": MARK}).usage


def test_savings_are_split_between_the_providers_cache_and_ctxmem():
    assert {"provider": 1700.0, "ctxmem": 267.0} == FULL.saved
    assert {} == RequestFacts(bill_sent=5.0).saved
    written = RequestFacts(bill_sent=125.0, bill_through=125.0, bill_uncached=100.0)
    assert {"provider": -25.0, "ctxmem": 0.0} == written.saved


# Metrics ------------------------------------------------------------------------------------------


def test_an_exchange_is_counted_once_in_every_metric():
    metrics = Metrics()
    metrics.note(FULL)
    metrics.note(RequestFacts(wire="chat", mode="observe", status=429, seconds_added=0.0003))
    metrics.set_conversations(7)
    with metrics.stream():
        found = samples(metrics)
    expected = {
        ("requests_total", "manage", "2xx", "anthropic"): 1,
        ("requests_total", "observe", "4xx", "chat"): 1,
        ("added_seconds_count", "manage", "anthropic"): 1,
        ("added_seconds_sum", "manage", "anthropic"): 0.003,
        ("added_seconds_bucket", "0.002", "manage", "anthropic"): 0,
        ("added_seconds_bucket", "0.004", "manage", "anthropic"): 1,
        ("added_seconds_bucket", "0.0005", "observe", "chat"): 1,
        ("upstream_seconds_count", "anthropic"): 1,
        ("sent_tokens_total", "history"): 900,
        ("sent_tokens_total", "system"): 100,
        ("usage_tokens_total", "input", FULL.response_model): 1000,
        ("usage_tokens_total", "cached", FULL.response_model): 600,
        ("usage_tokens_total", "written", FULL.response_model): 300,
        ("usage_tokens_total", "output", FULL.response_model): 50,
        ("prefix_breaks_total", "tools"): 1,
        ("edits_total", "pays"): 1,
        ("passed_through_total", "too long"): 1,
        ("faults_total", "read reply"): 1,
        ("recall_calls_total",): 3,
        ("find_calls_total",): 2,
        ("cost_units_total", "sent"): 540,
        ("cost_units_total", "through"): 800,
        ("cost_units_total", "uncached"): 2500,
        ("saved_cost_units", "provider"): 1700,
        ("saved_cost_units", "ctxmem"): 267,
        ("streams",): 1,
        ("conversations",): 7,
    }
    sorted_labels = {(key[0], *sorted(key[1:])): value for key, value in found.items()}
    for key, value in expected.items():
        assert value == sorted_labels[(key[0], *sorted(key[1:]))], key
    assert 0 == samples(metrics)["streams",]


def test_gateways_of_one_process_count_apart():
    one, two = Metrics(), Metrics()
    one.note(FULL)
    assert 3 == samples(one)["recall_calls_total",]
    assert 0 == samples(two)["recall_calls_total",]


def test_models_and_words_of_labels_are_bounded():
    metrics = Metrics()
    for i in range(500):
        metrics.note(
            RequestFacts(
                model=f"model-{i}",
                usage=Usage(input=1),
                fault=f"stage {i}",
                passed_through=f"reason {i}",
                tokens={f"part {i}": 1},
            )
        )
    found = samples(metrics)
    for name, most in (
        ("usage_tokens_total", 4 * (MODELS + 1)),
        ("faults_total", WORDS + 1),
        ("passed_through_total", WORDS + 1),
        ("sent_tokens_total", WORDS + 1),
    ):
        assert most == sum(key[0] == name for key in found), name
    inputs = [value for key, value in found.items() if key[0] == "usage_tokens_total"]
    assert 500 == sum(inputs)


@pytest.mark.parametrize(
    "wrong",
    [
        {"wire": ["chat"], "mode": {}, "edit": True, "edit_reason": []},
        {"seconds_added": math.nan, "seconds_upstream": -1.0},
        {"bill_sent": math.inf, "bill_through": 1.0, "bill_uncached": math.nan},
        {"tokens": {"history": -5}, "recall_calls": -1},
        {"usage": Usage(input=-1)},
        {"usage": "none"},
        {"tokens": {"history": "many"}},
        {"status": "ok"},
    ],
)
def test_numbers_that_are_none_fail_nothing(wrong):
    metrics = Metrics()
    metrics.note(RequestFacts(**wrong))
    logs.log_request(RequestFacts(**wrong))
    spans.begin().finish(RequestFacts(**wrong))
    metrics.note(FULL)
    assert 1700 == samples(metrics)["saved_cost_units", "provider"]
    assert 3 == samples(metrics)["recall_calls_total",]
    assert all(math.isfinite(value) and value >= 0 for value in samples(metrics).values())


def test_what_is_no_facts_fails_nothing(ended, caplog):
    Metrics().note(MARK)
    logs.log.setLevel(logging.INFO)
    logs.log_request(MARK)
    logs.log.setLevel(logging.NOTSET)
    spans.begin((), MARK).finish(FULL)
    spans.begin().finish(MARK)
    assert ["chat"] == [span.name for span in ended()]
    assert MARK not in caplog.text


def test_a_scrape_chooses_its_format():
    metrics = Metrics()
    assert metrics.render()[1].startswith("text/plain")
    body, kind = metrics.render("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


WORKERS = """
import os
from ctxmem.gateway.telemetry import metrics
from ctxmem.gateway.telemetry.facts import RequestFacts
print(metrics.share_between_workers(), flush=True)
facts = RequestFacts(wire="chat", mode="manage", status=200, seconds_added=.001, recall_calls=2,
                     bill_sent=10.0, bill_through=7.0)
for number in (3, 4, 5):
    worker = os.fork()
    if not worker:
        own = metrics.Metrics()
        for _ in range(number):
            own.note(facts)
        own.set_conversations(number)
        with own.stream():
            if number == 4:
                print(own.render()[0].decode(), flush=True)
            os._exit(0)
    os.waitpid(worker, 0)
    if number == 5:
        metrics.forget_worker(worker)
print("in the end", metrics.Metrics().render()[0].decode())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked here")
def test_workers_share_their_numbers(tmp_path):
    (tmp_path / "counter_1.db").write_bytes(b"of an earlier run")
    (tmp_path / "notes.txt").write_text("of somebody else")
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WORKERS],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    second, last = re.findall(r"requests_total{.*} (.*)", done.stdout)
    assert (3 + 4, 3 + 4 + 5) == (float(second), float(last))
    text = done.stdout.partition("in the end")[2]
    for line in (
        'added_seconds_count{mode="manage",wire="chat"} 12.0',
        "recall_calls_total 24.0",
        'saved_cost_units{by="ctxmem"} -36.0',
        "gateway_conversations 4.0",  # the largest of those that are alive
        "gateway_streams 2.0",  # without the worker that has ended
    ):
        assert line in text
    assert (tmp_path / "notes.txt").exists()


def test_sharing_after_the_first_metric_is_refused(monkeypatch):
    from ctxmem.gateway.telemetry.metrics import share_between_workers

    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    with pytest.raises(RuntimeError, match="before they were shared"):
        share_between_workers()
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


# Spans --------------------------------------------------------------------------------------------


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "headers",
    [
        {"TraceParent": PARENT, "tracestate": "vendor=1", "authorization": MARK},
        [(b"traceparent", PARENT.encode()), (b"Tracestate", b"vendor=1"), (b"x-key", b"\xff")],
    ],
)
def test_a_request_is_a_child_of_the_clients_span(ended, headers, caplog):
    before = list(headers)
    span = spans.begin(headers, RequestFacts(wire="chat", mode="observe", model="gpt-5"))
    with span.current():
        ctxmem.pack(["Paris."], 9)
    span.finish(FULL)
    span.finish(FULL)
    inner, outer = ended()
    assert "" == caplog.text  # ending twice is no fault
    assert before == list(headers)
    assert 0x0AF7651916CD43DD8448EB211C80319C == outer.context.trace_id
    assert 0xB7AD6B7169203331 == outer.parent.span_id
    assert "1" == outer.context.trace_state["vendor"]
    assert outer.context.span_id == inner.parent.span_id
    assert SpanKind.CLIENT == outer.kind
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("parent", ["", "00-0-0-01", MARK, "00-" + "0" * 32 + "-" + "0" * 16])
def test_a_parent_that_cannot_be_read_is_none(ended, parent):
    spans.begin([(b"traceparent", parent.encode())]).finish(FULL)
    assert ended()[0].parent is None


def test_a_span_that_is_current_is_the_parent(ended):
    with telemetry.tracer().start_as_current_span("server"):
        spans.begin({"traceparent": PARENT}).finish(FULL)
    request, server = ended()
    assert server.context.span_id == request.parent.span_id


def test_a_span_has_the_attributes_of_the_conventions(ended):
    spans.begin((), RequestFacts(wire="anthropic", mode="manage")).finish(FULL)
    (span,) = ended()
    assert "chat claude-opus-4-5" == span.name
    assert StatusCode.UNSET == span.status.status_code
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-opus-4-5",
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.7,
        "gen_ai.usage.input_tokens": 1000,  # cached ones included
        "gen_ai.usage.cache_read.input_tokens": 600,
        "gen_ai.usage.cache_creation.input_tokens": 300,
        "gen_ai.usage.output_tokens": 50,
        "server.address": "api.anthropic.com",
        "ctxmem.tokens": 1000,
        "ctxmem.tokens.history": 900,
        "ctxmem.bill": 540.0,
        "ctxmem.edit.reason": "pays",
    }
    assert expected == {name: span.attributes[name] for name in expected}


def test_a_reply_that_is_an_error_is_an_error_of_its_status(ended):
    spans.begin().finish(RequestFacts(wire="chat", mode="observe", status=429))
    (span,) = ended()
    assert (StatusCode.ERROR, "429") == (span.status.status_code, span.attributes["error.type"])
    assert "gen_ai.usage.input_tokens" not in span.attributes  # not known is not 0


def test_without_a_recorder_a_request_has_no_span():
    telemetry.disable()
    try:
        span = spans.begin({"traceparent": PARENT})
        with span.current():
            assert trace.get_current_span() is trace.INVALID_SPAN
        span.finish(FULL)
    finally:
        telemetry.reset()
    assert span._span is None


def test_a_fault_of_the_tracer_fails_no_request(monkeypatch, caplog):
    class Broken(TracerProvider):
        def get_tracer(self, *_, **__):
            raise ValueError(MARK)

    telemetry.enable(Broken())
    try:
        spans.begin({"traceparent": PARENT}).finish(FULL)
    finally:
        telemetry.reset()
    assert "ValueError" in caplog.text
    assert MARK not in caplog.text


# Logs ---------------------------------------------------------------------------------------------


@pytest.fixture
def lines():
    """Return what the JSON formatter writes, as objects."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logs.log.addHandler(handler)
    logs.log.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logs.log.removeHandler(handler)
    logs.log.setLevel(logging.NOTSET)


def test_a_line_has_the_facts_of_one_exchange(lines):
    logs.log_request(FULL)
    logs.log_request(RequestFacts(wire="chat", mode="observe", status=200))
    full, plain = lines()
    assert {"history": 900, "system": 100} == full["tokens"]
    assert 600 == full["usage"]["cached"]
    assert "warning" == full["level"]  # ctxmem failed in it
    assert "info" == plain["level"]
    assert "chat observe 200 0 tokens" == plain["message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", plain["time"])
    assert "usage" not in plain


def test_lines_of_errors_have_their_type_only(lines):
    try:
        raise ValueError(MARK)
    except ValueError:
        logs.log.exception("prepare failed")
    assert "ValueError" == lines()[0]["error"]
    assert MARK not in json.dumps(lines())


def test_a_formatter_that_knows_no_facts_writes_the_message(caplog):
    caplog.set_level(logging.INFO, "ctxmem.gateway")
    logs.log_request(FULL)
    assert "anthropic manage 200 1000 tokens, fault at read reply" in caplog.text
    assert FULL.to_dict() == caplog.records[0].ctxmem


# No text ------------------------------------------------------------------------------------------


def test_nothing_that_a_user_wrote_is_in_metrics_spans_or_lines(ended, lines, caplog):
    caplog.set_level(logging.DEBUG)
    texts = {name: MARK for name in RequestFacts.__slots__ if isinstance(getattr(FULL, name), str)}
    assert 10 == len(texts)
    facts = RequestFacts(**texts, tokens={MARK: 3}, usage=Usage(input=3), edit=True, status=400)
    metrics = Metrics()
    metrics.note(facts)
    headers = {"traceparent": MARK, "tracestate": MARK, "authorization": MARK, "x-api-key": MARK}
    spans.begin(headers, facts).finish(facts)
    logs.log_request(facts)
    assert 1 == len(ended()) == len(lines())
    written = [ended()[0].to_json(), json.dumps(lines()), caplog.text]
    written.append(metrics.render()[0].decode())
    for text in written:
        for part in (*MARK.split(), "XQ7"):
            assert part not in text


def test_stray_values_of_numbers_are_not_written_as_text(ended, lines):
    numbers = {
        name: MARK
        for name in ("status", "seconds_added", "kept", "bill_sent", "usage", "recall_calls")
    }
    facts = RequestFacts(**numbers, streamed=MARK, edit=MARK)
    metrics = Metrics()
    metrics.note(facts)
    spans.begin((), facts).finish(facts)
    logs.log_request(facts)
    for text in (*(one.to_json() for one in ended()), json.dumps(lines())):
        assert "XQ7" not in text
    assert b"XQ7" not in metrics.render()[0]


# The page -----------------------------------------------------------------------------------------


def cells_under(heading):
    page = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    part = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)[1]
    rows = [line.removesuffix(" |").split(" | ") for line in part.splitlines()]
    return [[row[0].strip("|` "), *row[1:]] for row in rows if row[0].startswith("| `")]


def test_the_page_lists_every_metric():
    expected = [
        [name, metric.kind, ", ".join(metric.labels) or "-", metric.help]
        for name, metric in METRICS.items()
    ]
    assert expected == cells_under("Metrics of the gateway")


def test_the_page_lists_every_attribute_of_a_request(ended):
    assert spans.ATTRIBUTES == dict(cells_under("Spans of the gateway"))
    spans.begin().finish(FULL)
    spans.begin().finish(RequestFacts(status=500))
    emitted = {name for span in ended() for name in span.attributes}
    parts = {f"ctxmem.tokens.{part}" for part in FULL.tokens}
    assert set(spans.ATTRIBUTES) == emitted - parts | {"ctxmem.tokens.PART"}


def test_wires_and_reasons_are_named_on_the_page():
    page = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    for word in (*WIRES, *MODES, *REASONS):
        assert f"`{word}`" in page


@pytest.mark.parametrize(
    ("form", "lines"), [("text", ["ctxmem serve: x failed"]), ("json", ["warning", "info"])]
)
def test_the_log_goes_to_stderr(form, lines):
    code = (
        "from ctxmem.gateway.telemetry import logs;"
        "from ctxmem.gateway.telemetry.facts import RequestFacts;"
        f"logs.log_to_stderr({form!r}); logs.log.warning('%s failed', 'x');"
        "logs.log_request(RequestFacts(wire='chat', mode='manage', status=200))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    written = run.stderr.splitlines()
    assert (written if form == "text" else [json.loads(one)["level"] for one in written]) == lines
    assert run.stdout == ""


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_the_server_says_is_in_the_same_form(form):
    code = (
        "import logging; from ctxmem.gateway.telemetry import logs;"
        f"logs.log_to_stderr({form!r}); logging.getLogger('uvicorn.error').warning('odd')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if form == "text":
        assert run.stderr == "ctxmem serve: odd\n"
    else:
        assert json.loads(run.stderr)["message"] == "odd"


@pytest.mark.parametrize("records", [3000, 20_000])
def test_a_log_that_nobody_reads_holds_nobody(records):
    code = (
        "import sys; from ctxmem.gateway.telemetry import logs; logs.log_to_stderr('text');"
        f"[logs.log.warning('x' * 100) for _ in range({records})]; print('went on', flush=True);"
        "sys.stdin.read(1)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin and process.stdout and process.stderr
    assert process.stdout.readline() == "went on\n"  # its pipe of 64 kB is full
    lines, dropped = list[str](), list[int]()
    while len(lines) < records - sum(dropped) + len(dropped):  # all is written before it ends
        line = process.stderr.readline()
        assert line, "it ended before"
        lines.append(line.rstrip("\n"))
        if "records were dropped" in lines[-1]:
            dropped.append(int(lines[-1].split()[2]))
    process.stdin.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0
    assert bool(dropped) == (records == 20_000)
    assert lines.count(f"ctxmem serve: {'x' * 100}") == records - sum(dropped)


def test_a_process_ends_although_nobody_reads_its_log():
    code = (
        "from ctxmem.gateway.telemetry import logs; logs.log_to_stderr('text');"
        "[logs.log.warning('x' * 100) for _ in range(2000)]"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    code = process.wait()
    assert process.stderr
    process.stderr.close()
    assert code == 0
