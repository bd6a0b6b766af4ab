"""Spans say what happened to a context, in numbers; they have no text, and never fail a call."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import ctxmem
from ctxmem import telemetry
from ctxmem.stores import MemoryStore

ROOT = Path(__file__).resolve().parent.parent
MARK = "xq7secret"
"""What is in every text, name and error that a user may have written."""


def recorder():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


@pytest.fixture
def spans():
    """Record spans; the return value gives those that have ended."""
    provider, exporter = recorder()
    telemetry.enable(provider, capture_text=False)
    yield exporter.get_finished_spans
    telemetry.reset()


def said(number, role="user"):
    text = f"Number {number} is explained here at some length, in words that fill the window."
    return {"role": role, "content": text}


def talk(memory, turns):
    for number in range(turns):
        memory.append(said(number, "assistant" if number % 2 else "user"))
        memory.window()


# What spans say -----------------------------------------------------------------------------------


def test_pack_says_what_was_kept_and_why_the_rest_was_not(spans):
    chunks = ["Paris is the capital of France."] * 2 + ["Bananas are yellow.", " "]
    window = ctxmem.pack(chunks, 8, query="capital of France")
    (span,) = spans()
    found = span.attributes
    assert "ctxmem.pack" == span.name
    assert (4, 1, 3) == tuple(found[f"ctxmem.{n}"] for n in ("candidates", "kept", "dropped"))
    reasons = ("duplicate", "budget", "requirement", "blank")
    assert [1, 1, 0, 1] == [found[f"ctxmem.dropped.{reason}"] for reason in reasons]
    assert (7, 8) == (found["ctxmem.tokens"], found["ctxmem.budget_tokens"])
    assert 7 == found["ctxmem.tokens.duplicate"]  # the second "Paris ..."
    assert "optimal" == found["ctxmem.status"] == window.status
    assert StatusCode.UNSET == span.status.status_code


def test_a_request_says_its_parts_and_the_forms_of_its_tools(spans):
    first = assembled("blue", 900)
    assembled("blue", 900, previous=first)
    begun, again = (span.attributes for span in spans() if span.name == "ctxmem.assemble")
    parts = {name: begun[f"ctxmem.tokens.{name}"] for name in first.parts}
    assert first.parts == parts and sum(parts.values()) == begun["ctxmem.tokens"] == first.tokens
    assert 900 == begun["ctxmem.budget_tokens"]
    assert [1, 0, 0] == [begun[f"ctxmem.tools.{f}"] for f in ("full", "short", "deferred")]
    assert len(first.decisions) == begun["ctxmem.candidates"] == begun["ctxmem.kept"]
    assert "ctxmem.tools.changed" not in begun
    assert again["ctxmem.tools.changed"] is False


def test_every_reason_of_a_decision_has_an_attribute():
    dropping = set(ctxmem.schema.Reason) - {"pinned", "selected", "required"}
    assert dropping == set(telemetry._DROPPED)


def test_pack_says_how_much_of_the_previous_window_stands(spans):
    chunks = ["The museum opens at nine.", "Tickets cost ten euros."]
    first = ctxmem.pack(chunks, 20)
    second = ctxmem.pack([*chunks, "Dogs stay outside."], 40, previous_window=first)
    assert first.text == second.text[: len(first.text)]
    assert "ctxmem.prefix.reused_tokens" not in spans()[0].attributes
    reused = sum(piece.tokens for piece in first.pieces)
    assert reused == spans()[1].attributes["ctxmem.prefix.reused_tokens"] > 0


def test_bills_and_edits_of_windows_add_up_to_the_stats(spans):
    memory = ctxmem.Memory(300)
    talk(memory, 30)
    memory.window("number 3")
    found = [span.attributes for span in spans() if span.name == "ctxmem.window"]
    stats, receipts = memory.stats(), memory.receipts()
    assert sum(one.get("ctxmem.bill", 0) for one in found) == pytest.approx(stats.cost)
    untrimmed = sum(one.get("ctxmem.bill.untrimmed", 0) for one in found)
    assert untrimmed == pytest.approx(stats.untrimmed)
    assert sum(one["ctxmem.edit"] for one in found) == len(receipts) == stats.edits > 2
    reasons = [one["ctxmem.edit.reason"] for one in found if one["ctxmem.edit"]]
    assert reasons == [receipt.reason for receipt in receipts]
    freed = sum(one.get("ctxmem.edit.tokens", 0) for one in found)
    assert freed == sum(receipt.tokens for receipt in receipts)


def test_a_window_says_its_parts(spans):
    memory = ctxmem.Memory(300, session="s", tenant="t")
    talk(memory, 30)
    window = memory.window("number 3")
    found = spans()[-1].attributes
    parts = [found[f"ctxmem.tokens.{part}"] for part in ("stable", "volatile", "recalled")]
    assert sum(parts) == window.tokens == found["ctxmem.tokens"]
    assert [window.stable_tokens] == parts[:1]
    assert found["ctxmem.recalled"] == len(window.recalled) > 0
    assert 30 == found["ctxmem.kept"] + found["ctxmem.dropped"]
    assert telemetry.conversation_id("t", "s") == found["gen_ai.conversation.id"]
    assert telemetry.conversation_id("t", "s") != telemetry.conversation_id("t s", "")


def test_a_window_that_is_asked_for_again_has_no_bill(spans):
    memory = ctxmem.Memory(300)
    memory.append(said(1))
    memory.window()
    memory.window()
    first, again = spans()[1:]
    assert "ctxmem.bill" in first.attributes
    assert "ctxmem.bill" not in again.attributes


def test_append_and_recall_are_memory_operations_of_the_conventions(spans):
    memory = ctxmem.Memory(10_000)
    pages = memory.append([said(1), said(2)])
    found = memory.recall("number 2", 1)
    append, recall = spans()
    assert ("create_memory", "search_memory") == (append.name, recall.name)
    for span in (append, recall):
        assert span.name == span.attributes["gen_ai.operation.name"]
    assert 2 == len(pages) == append.attributes["gen_ai.memory.record.count"]
    assert 2 == append.attributes["ctxmem.appended"]
    assert memory.stats().messages == 2
    assert append.attributes["ctxmem.tokens.appended"] == 2 * found[0].tokens + 8  # and overhead
    assert 1 == len(found) == recall.attributes["gen_ai.memory.record.count"]
    assert found[0].tokens == recall.attributes["ctxmem.tokens.recalled"]


def test_recall_over_a_tenant_is_one_span(spans):
    store = MemoryStore()
    for session in ("a", "b", "c"):
        ctxmem.Memory(1000, store=store, session=session).append(said(1))
    found = ctxmem.Memory(1000, store=store, session="a").recall("number 1", scope="tenant")
    assert {"a", "b", "c"} == {page.session or "a" for page in found}
    recalls = [span for span in spans() if span.name == "search_memory"]
    assert ["tenant"] == [span.attributes["ctxmem.recall.scope"] for span in recalls]


def test_spans_are_children_of_the_current_span_in_threads_too(spans):
    provider = telemetry._state.provider

    async def ask():
        with provider.get_tracer("app").start_as_current_span("outer") as outer:
            async with ctxmem.AsyncMemory(1000) as memory:
                await memory.append(said(1))
            await ctxmem.apack(["Paris is the capital of France."], 8)
            return outer.get_span_context().span_id

    outer = asyncio.run(ask())
    inner = [span for span in spans() if span.name != "outer"]
    assert ["create_memory", "ctxmem.pack"] == [span.name for span in inner]
    assert [outer, outer] == [span.parent.span_id for span in inner]


def test_an_error_gives_its_type_and_nothing_it_says(spans):
    with pytest.raises(ctxmem.BudgetError):
        ctxmem.pack([ctxmem.Chunk("words " * 50, id=MARK, pinned=True)], 5)
    (span,) = spans()
    assert StatusCode.ERROR == span.status.status_code
    name = "ctxmem.errors.BudgetError"
    assert (name, name) == (span.status.description, span.attributes["error.type"])
    assert () == span.events
    assert MARK not in span.to_json()
    assert trace.get_current_span() is trace.INVALID_SPAN  # it is current no longer


def test_names_of_types_are_names():
    assert "ValueError" == telemetry.error_type(ValueError(MARK))
    assert "json.decoder.JSONDecodeError" == telemetry.error_type(json.JSONDecodeError)
    assert "_OTHER" == telemetry.error_type(type("what a user wrote", (Exception,), {}))


# No text ------------------------------------------------------------------------------------------


class LeakyError(Exception):
    pass


def leaky(*_):
    raise LeakyError(f"could not count {MARK}")


def assembled(mark, budget, **more):
    """Assemble a request of all parts, with a mark in each."""
    function = {"name": "mark", "description": mark, "parameters": {"title": mark}}
    return ctxmem.assemble(
        f"what is {mark}?",
        budget,
        system=mark,
        rules=[f"never say {mark}"],
        tools=[{"type": "function", "function": function}],
        history=[{"role": "user", "content": mark}, {"role": "assistant", "content": mark}],
        passages=[ctxmem.Chunk(f"{mark} is here.", id=mark, source=mark)],
        code=[ctxmem.Chunk(f"def f():\n    return {mark!r}", id=f"{mark}.py:1-2")],
        **more,
    )


def hostile_calls():
    """Make calls with the mark in everything that a user chooses; some of them fail."""
    chunks = [
        ctxmem.Chunk(
            f"{MARK} text {i}. It goes on.",
            id=f"{MARK}-{i}",
            source=f"{MARK}.md",
            section=MARK,
            list=MARK,
            metadata={MARK: MARK},
        )
        for i in range(4)
    ]
    section = ctxmem.Section(MARK, header=f"# {MARK}")
    first = ctxmem.pack(chunks, 30, query=f"what is {MARK}?", sections=[section])
    ctxmem.pack(chunks, 60, query=MARK, sections=[section], previous_window=first)
    memory = ctxmem.Memory(400, session=MARK, tenant=MARK, counter="o200k_base")
    call = {"id": MARK, "type": "function", "function": {"name": MARK, "arguments": f'"{MARK}"'}}
    for i in range(20):
        memory.append({"role": "user", "content": f"{MARK} never do {i} " + "and so on " * 9})
        memory.append({"role": "assistant", "content": None, "tool_calls": [call]})
        memory.append({"role": "tool", "tool_call_id": MARK, "content": f"{MARK} {i}"})
        memory.window()
    memory.window(MARK)
    memory.recall(MARK, scope="tenant")
    request = assembled(MARK, 900, memory=[f"{MARK} was said."])
    assembled(MARK, 900, previous=request)
    for fails in (
        lambda: assembled(MARK, 5),
        lambda: ctxmem.pack(chunks, 30, counter=leaky),
        lambda: ctxmem.pack([{MARK: MARK}], 30),
        lambda: memory.append({"role": MARK, "content": MARK}),
        lambda: memory.recall(MARK, scope=MARK),
        lambda: memory.recall(MARK, MARK),
        lambda: memory.window(MARK.encode()),
    ):
        with pytest.raises((ctxmem.CtxmemError, LeakyError)):
            fails()


def test_no_text_id_key_or_error_is_in_a_span(spans, caplog):
    caplog.set_level(logging.DEBUG)
    hostile_calls()
    assert len(spans()) > 60
    assert {StatusCode.UNSET, StatusCode.ERROR} == {span.status.status_code for span in spans()}
    for span in spans():
        assert MARK not in span.to_json()
    assert MARK not in caplog.text


def test_texts_are_in_spans_if_they_are_asked_for():
    provider, exporter = recorder()
    telemetry.enable(provider, capture_text=True)
    try:
        hostile_calls()
    finally:
        telemetry.reset()
    assert not telemetry.captures_text()
    ended = exporter.get_finished_spans()
    good = [span for span in ended if span.status.status_code == StatusCode.UNSET]
    assert all(MARK in span.to_json() for span in good)
    assert all(MARK not in span.to_json() for span in ended if span not in good)
    emitted = {name for span in good for name in span.attributes}
    assert emitted >= set(telemetry.TEXT_ATTRIBUTES)


def test_a_fault_of_telemetry_is_logged_by_its_type(caplog):
    class Broken(TracerProvider):
        get_tracer = leaky

    telemetry.enable(Broken())
    try:
        hostile_calls()
    finally:
        telemetry.reset()
    assert "telemetry failed with " in caplog.text and "LeakyError" in caplog.text
    assert MARK not in caplog.text


# No harm ------------------------------------------------------------------------------------------


class FaultySpan:
    """A span whose methods raise, from the one on that is named."""

    def __init__(self, span, method):
        self._span, self._method = span, method

    def __getattr__(self, name):
        if name == self._method:
            return leaky
        return getattr(self._span, name)


class FaultyProvider(TracerProvider):
    def __init__(self, method):
        super().__init__()
        self._method = method

    def get_tracer(self, *args, **kwargs):
        if self._method == "get_tracer":
            leaky()
        tracer, method = super().get_tracer(*args, **kwargs), self._method
        start = tracer.start_span

        def start_span(*args, **kwargs):
            if method == "start_span":
                leaky()
            return FaultySpan(start(*args, **kwargs), method)

        tracer.start_span = start_span
        return tracer


METHODS = ["get_tracer", "start_span", "is_recording", "set_attributes", "set_attribute"]


@pytest.mark.parametrize("method", [*METHODS, "set_status", "end", "get_span_context"])
def test_a_fault_of_telemetry_fails_no_call(method):
    chunks = ["Paris is the capital of France."] * 2 + ["Bananas are yellow."]
    expected = ctxmem.pack(chunks, 8, query="capital")
    calls = []

    def counter(text):
        calls.append(text)
        return len(text)

    ctxmem.pack(chunks, 40, counter=counter)
    usual, calls[:] = len(calls), []
    telemetry.enable(FaultyProvider(method))
    try:
        assert expected == ctxmem.pack(chunks, 8, query="capital")
        ctxmem.pack(chunks, 40, counter=counter)
        with pytest.raises(LeakyError):
            ctxmem.pack(chunks, 40, counter=leaky)
        memory = ctxmem.Memory(300)
        talk(memory, 9)
        assert 9 == memory.stats().messages
        assert trace.get_current_span() is trace.INVALID_SPAN
    finally:
        telemetry.reset()
    assert usual == len(calls)


def test_a_description_that_fails_fails_no_call(spans, caplog, monkeypatch):
    monkeypatch.setattr(telemetry._state, "warned", False)
    caplog.set_level(logging.DEBUG, "ctxmem.telemetry")

    @telemetry.traced("ctxmem.pack", "pack", leaky, before=leaky)
    def double(number):
        """Return twice a number."""
        return 2 * number

    assert 6 == double(3)
    assert ("double", "Return twice a number.") == (double.__name__, double.__doc__)
    assert ["ctxmem.pack"] == [span.name for span in spans()]
    # The first as a warning, before the call; the second, after it, for who looks for it.
    assert ["WARNING", "DEBUG"] == [record.levelname for record in caplog.records]


def test_signatures_are_those_of_the_functions():
    assert list(inspect.signature(ctxmem.pack).parameters)[:3] == ["chunks", "budget", "query"]
    assert str(inspect.signature(ctxmem.Memory.window)).startswith("(self, query: 'str | None'")


def run_python(code, **environment):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**kept, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


WORK = """
import sys
sys.path.insert(0, "tests")
from call_counts import calls_of
import ctxmem
chunks = [f"Passage {i} says that the gate of hall {i} opens at {i % 12}." for i in range(20)]
def said(i):
    return {"role": "user", "content": f"Number {i} is explained here at length, in many words."}
memory = ctxmem.Memory(300)
def turns():
    for i in range(40):
        memory.append(said(i))
        memory.window()
def pack():
    ctxmem.pack(chunks, 60, query="hall 7")
def plain_pack():
    ctxmem.pack.__wrapped__(chunks, 60, query="hall 7")
def plain_turns():
    for i in range(40):
        ctxmem.Memory.append.__wrapped__(memory, said(i))
        ctxmem.Memory.window.__wrapped__(memory)
"""


def test_an_application_that_records_nothing_pays_less_than_a_hundredth():
    code = f"""{WORK}
def shares():
    global memory
    for run, plain in ((pack, plain_pack), (turns, plain_turns)):
        plain()  # fills the caches
        memory = ctxmem.Memory(300)
        spent = calls_of(run)
        memory = ctxmem.Memory(300)
        print(spent / calls_of(plain))
shares()
print(any(name.startswith("opentelemetry") for name in sys.modules))
import opentelemetry.trace  # as many libraries do
shares()
"""
    *unused, imported, pack, turns = run_python(code, CTXMEM_TELEMETRY="", CTXMEM_CAPTURE_TEXT="")
    assert "False" == imported
    for share in (*unused, pack, turns):
        assert 1 < float(share) <= 1.01


@pytest.mark.parametrize(
    ("asked", "text", "recorded"),
    [("", "", 1), ("on", "1", 1), ("ON", "no", 1), ("off", "", 0), ("0", "true", 0)],
)
def test_the_environment_switches_spans_and_texts(asked, text, recorded, monkeypatch):
    monkeypatch.setenv("CTXMEM_TELEMETRY", asked)
    monkeypatch.setenv("CTXMEM_CAPTURE_TEXT", text)
    telemetry.reset()
    try:
        provider, exporter = recorder()
        ctxmem.pack(["before a provider is set"], 9)
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # set_tracer_provider works once
        ctxmem.pack(["Paris is the capital of France."], 9)
        assert recorded == len(exporter.get_finished_spans())
        assert (text in ("1", "true")) == telemetry.captures_text()
    finally:
        monkeypatch.undo()
        telemetry.reset()


def test_without_the_library_nothing_fails_and_enable_names_the_extra():
    code = """
import sys
sys.modules["opentelemetry"] = None
import ctxmem
from ctxmem import telemetry
print(ctxmem.pack(["Paris."], 9).tokens)
try:
    telemetry.enable()
except ctxmem.errors.MissingExtraError as error:
    print("ctxmem[otel]" in str(error))
"""
    assert ["2", "True"] == run_python(code, CTXMEM_TELEMETRY="on")


# The page -----------------------------------------------------------------------------------------


def rows_under(heading):
    """Return the first two cells of the rows of the table under a heading of the page."""
    page = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    part = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)[1]
    cells = [line.split(" | ") for line in part.splitlines() if line.startswith("| `")]
    return {row[0].strip("|` "): row[1].removesuffix(" |") for row in cells}


def test_the_page_lists_every_span_and_attribute():
    assert telemetry.SPANS == rows_under("Spans of pack, assemble and Memory")
    assert telemetry.ATTRIBUTES == rows_under("Their attributes")
    assert telemetry.TEXT_ATTRIBUTES == rows_under("Texts")


def test_every_attribute_of_the_page_is_recorded_and_no_other(spans):
    hostile_calls()
    memory = ctxmem.Memory(300)
    talk(memory, 30)
    emitted = {name for span in spans() for name in span.attributes}
    assert set(telemetry.ATTRIBUTES) == emitted
    assert set(telemetry.SPANS) == {span.name for span in spans()}
