"""Folders of agents' transcripts: calls, money and findings are those that were written."""

from __future__ import annotations

import re

import pytest
from ctxmem.bench import transcripts

from ctxmem import audit
from ctxmem.auditing.sessions import Lines
from ctxmem.pricing import PRICES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return transcripts.write(tmp_path_factory.mktemp("projects"), 8)


@pytest.fixture(scope="module")
def found(folder):
    return audit(str(folder), prices="anthropic")


def answers():
    """Return the usage of each answer by its id, and how many lines are copies."""
    usages, lines, copies = {}, set(), 0
    for _, session in transcripts.sessions(8):
        for line in session:
            copies += line["uuid"] in lines
            lines.add(line["uuid"])
            if line["type"] == "assistant":
                usages[line["message"]["id"]] = line["message"]["usage"]
    return usages, copies


def test_every_answer_is_one_call_and_every_copied_line_is_counted_once(found):
    usages, copies = answers()
    assert copies > 0
    assert (found.totals["calls"], found.read["copies"]) == (len(usages), copies)
    assert found.read["skipped"] == {}


def test_the_input_costs_what_the_usage_says(found):
    row = PRICES["anthropic"]
    paid = sum(
        usage["input_tokens"]
        + usage["cache_creation_input_tokens"] * row.write
        + usage["cache_read_input_tokens"] * row.read
        for usage in answers()[0].values()
    )
    money = found.totals["money"]
    assert money["by"] == "usage"
    assert money["paid"] == pytest.approx(paid * row.dollars / 1e6)
    assert sum(money["waste"].values()) <= money["paid"]


def test_files_that_were_read_again_are_found_by_name_and_nothing_is_said_of_their_code(found):
    repeats = [f for f in found.findings if f.kind == "repeat_in_request"]
    assert repeats and all(re.search(r"src/\w+\.py", f.title) for f in repeats), repeats[:3]
    assert {f.kind for f in found.findings} <= {"repeat_in_request", "growth"}


def test_sessions_are_named_by_their_first_question(found):
    named = [session["about"] for session in found.sessions if session["calls"]]
    assert len(named) >= 7 and all(re.search(r"the \w+, please", about) for about in named)


def test_what_repeats_in_sessions_and_their_requests_adds_up_to_the_total(found):
    assert sum(s["repeated"] for s in found.sessions) == found.totals["repeated_tokens"] > 0
    for session in found.sessions:
        assert sum(row["repeated"] for row in session["rows"]) == session["repeated"]


def test_a_copied_line_with_two_events_is_one_copy():
    lines = Lines()
    events = ["restart 1", "turn 1", "turn 2"]
    assert [lines.read(event, "first") for event in events] == ["new"] * 3
    assert [lines.read(event, "second") for event in events] == ["copied"] * 3
    assert lines.copies == 2
