"""A request as text and as HTML, from its plain data."""

from __future__ import annotations

import json
import re

import pytest

from ctxmem.assembling import PartDecision, Request
from ctxmem.report import request_html, request_page, request_text
from ctxmem.report.words import escape

HOSTILE = "</pre></script><script>document.title='run'</script><img src=x onerror='run()'>\x1b[2J"


def decision(part, key, form="full", tokens=10, value=0.5, reason=""):
    return {
        "part": part, "key": key, "form": form,
        "tokens": tokens, "value": value, "reason": reason,
    }  # fmt: skip


def data(**changes):
    """Return a small request: one tool in full, one deferred, one message left out."""
    return {
        "schema_version": 1, "provider": "openai", "counter": "o200k_base", "exact": True,
        "tokens": 400, "budget": 500, "status": "feasible", "gap": 0.012,
        # Not in the order in which they are sent.
        "parts": {"question": 20, "tools": 120, "system": 30, "history": 80, "passages": 150},
        "prices": {"": 0.9, "tools": 0.0, "history": 0.21, "passages": 0.04},
        "decisions": [
            decision("tools", "get_weather", tokens=80, value=0.9, reason="it was called before"),
            decision("tools", "send_mail", "deferred", 12, 0.1),
            decision("history", "message 3", "omitted", 0, 0.02, "less value per token"),
            decision("history", "message 4", tokens=70, value=0.4),
        ],
        "volatile_from": 2, "system": None, "breakpoints": [1],
        "tools": [{"type": "function", "function": {"name": "get_weather"}}],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": None,
             "tool_calls": [{"id": "c1", "function": {"name": "get_weather"}}]},
            {"role": "user", "content": [{"type": "text", "text": "What now?"}, {"type": "image"}]},
        ],
    } | changes  # fmt: skip


def test_the_text_says_what_was_sent_and_what_more_tokens_would_add():
    text = request_text(data())
    assert text.startswith("400 of 500 tokens (o200k_base, exact): 3 of 4 inputs sent\n")
    assert "its value is at most 1.2% below the best possible" in text
    assert "100 more tokens would add most to history: a value of about 0.21" in text
    assert "tool definitions: 1 full, 1 deferred" in text
    assert "get_weather, full: it was called before" in text
    assert "message 3, omitted: less value per token" in text
    parts = re.findall(
        r"^(system prompt|tool definitions|history|passages|question) +\d", text, re.M
    )
    assert parts == ["system prompt", "tool definitions", "history", "passages", "question"]


def test_a_proved_choice_and_an_estimated_count_are_named_so():
    text = request_text(data(status="optimal", gap=0.0, exact=False, prices={}))
    assert text.startswith("about 400 of 500 tokens (o200k_base, estimated)")
    assert "proved: no other choice of these options has a higher value" in text
    assert "100 more tokens would" not in text


def test_the_strip_draws_each_part_in_order_and_to_scale():
    shown = request_page(data())
    strip = re.search(r'<svg class="strip".*?</svg>', shown, re.S)[0]
    drawn = [
        (part, float(width))
        for part, width in re.findall(r'class="seg p-(\w+)"[^>]*width="([\d.]+)"', strip)
    ]
    order = list(dict.fromkeys(part for part, _ in drawn))
    assert order == ["system", "tools", "history", "passages", "question"]
    width_of = {part: sum(w for name, w in drawn if name == part) for part in order}
    assert width_of["tools"] == pytest.approx(1000 * 120 / 500)
    assert 'class="free"' in strip  # the budget is not used up
    assert "message 3" not in strip  # it is not sent


def test_the_page_shows_what_is_sent_in_any_shape():
    shown = request_page(data())
    assert "Be brief." in shown and "What now?" in shown and "&quot;id&quot;: &quot;c1" in shown
    assert "3. user, for this call" in shown and "1. system<" in shown
    items = {"type": "function_call_output", "call_id": "c9", "output": "sunny"}
    assert "sunny" in request_page(data(messages=[items]))
    blocks = [{"type": "text", "text": "Be kind."}]
    assert "Be kind." in request_page(data(system=blocks))


def test_a_request_gives_its_data_and_writes_its_page(tmp_path):
    fields = {name: value for name, value in data().items() if name != "schema_version"}
    fields["decisions"] = tuple(PartDecision(**one) for one in fields["decisions"])
    request = Request(**fields | {"breakpoints": (1,)})
    written = json.loads(json.dumps(request.to_dict()))
    for name in data().keys() - {"decisions", "schema_version"}:
        assert written[name] == data()[name], name
    assert written["decisions"] == [one | {"position": 0} for one in data()["decisions"]]
    assert request.explain() == request_text(data())
    assert request.to_html(tmp_path / "r.html").read_text("utf-8") == request_page(data())
    assert request._repr_html_() == request_html(data())


def test_no_text_becomes_markup_or_acts_on_a_terminal():
    hostile = data(
        decisions=[decision("tools", HOSTILE, HOSTILE, 20, 0.1, HOSTILE), decision(HOSTILE, "x")],
        messages=[{"role": HOSTILE, "content": HOSTILE}, {"role": "user", "content": [HOSTILE]}],
        tools=[{"name": HOSTILE}],
        counter=HOSTILE,
        parts={"tools": 10, HOSTILE: 5},
        prices={HOSTILE: 1.0},
    )
    shown = request_page(hostile)
    assert shown.count("<script") == shown.count("</script") == 1  # our own
    assert "<img" not in shown and "\x1b" not in shown and " style=" not in shown
    assert escape(HOSTILE)[:40] in shown
    assert "\x1b" not in request_text(hostile)
    assert "<script" not in request_html(hostile)


def test_the_page_fetches_nothing_and_names_everything_drawn():
    shown = request_page(data())
    assert "://" not in shown and " src=" not in shown
    for svg in re.findall(r"<svg[^>]*>", shown):
        assert 'aria-hidden="true"' in svg or re.search(r'aria-label="[^"]+', svg), svg


def test_long_parts_are_folded_and_cut():
    many = [decision("tools", f"tool_{i}", value=i / 1000) for i in range(900)]
    shown = request_page(data(decisions=many, messages=[{"role": "user", "content": "a" * 50_000}]))
    assert "360 of 860 more" in shown and "30,000 more characters" in shown
    assert len(shown) < 400_000
    assert "and 892 more" in request_text(data(decisions=many))
