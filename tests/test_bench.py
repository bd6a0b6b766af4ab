"""The comparison of everything: ratios are right, who loses is told, who is absent is told."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ctxmem.bench import comparisons, constraints, everything, history, packers
from question_sets import write_set

import ctxmem
from ctxmem.cli import main
from ctxmem.cli.bench import BENCHES, with_name

ROOT = Path(__file__).resolve().parent.parent

TOKENS = {
    "rounds": 5,
    "versions": {"ctxmem": "9.9", "tiktoken": "1.2"},
    "corpora": {
        "english": {
            "microseconds": {
                "first seen": {"median": 2.0, "low": 1.0, "high": 3.0},
                "repeat": {"median": 0.1, "low": 0.1, "high": 0.1},
                "tiktoken 1.2": {"median": 20.0, "low": 19.0, "high": 21.0},
                "rival 0.1": {"median": 1.0, "low": 0.9, "high": 1.1},
            }
        }
    },
}


@pytest.fixture
def canned(monkeypatch):
    """Let benchmarks print what the test says instead of running; return what they were given."""
    answers: dict[str, tuple[int, str, str]] = {}
    given: dict[str, list[str]] = {}

    def run(command, **_):
        name = command[2].split("ctxmem.bench.")[1].split("'")[0]
        given[name] = command[3:]
        code, out, err = answers[name]
        if code == -1:
            raise subprocess.TimeoutExpired(command, 1)
        return subprocess.CompletedProcess(command, code, out, err)

    monkeypatch.setattr(everything.subprocess, "run", run)
    return answers, given


def test_ratios_are_to_our_row_and_losses_are_told(canned, capsys, tmp_path):
    answers, given = canned
    answers["tokens"] = (0, json.dumps(TOKENS), "")
    answers["pack"] = (2, "", "line\nno vocabulary here")
    answers["solver"] = (-1, "", "")
    page = tmp_path / "b.html"
    names = ["tokens", "pack", "solver"]
    assert everything.main(["--html", str(page)], names=names) == 0
    shown = capsys.readouterr().out
    assert "tiktoken 1.2" in shown and "10.0x" in shown
    assert "WHERE A PEER WINS\n  count a chunk never seen: english: rival 0.1, 2.0x" in shown
    assert "pack: no vocabulary here" in shown
    assert "solver: took longer than" in shown
    assert "quality: not in this version" in shown
    assert given["tokens"][-1] == "--json" and "--rounds" in given["tokens"]
    assert "1 comparisons; a peer wins 1 of them." in page.read_text()


def test_data_is_handed_on_and_asked_for(canned, capsys):
    answers, given = canned
    answers["dedup"] = (2, "", "error: the following arguments are required: --data")
    assert (
        everything.main(["--only", "dedup", "--data", "dedup=x.gz", "--full"], names=["dedup"]) == 0
    )
    assert given["dedup"] == ["--data", "x.gz", "--json"]
    assert "give it with --data dedup=PATH" in capsys.readouterr().out


def test_reports_without_a_reader_are_shown_as_they_are(canned, capsys, monkeypatch):
    answers, _ = canned
    monkeypatch.delitem(comparisons.READERS, "pack")
    answers["pack"] = (0, "a table of its own\n", "")
    assert everything.main(["--only", "pack", "--json"], names=["pack"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"] == {"pack": "a table of its own\n"}


def test_a_run_is_appended_to_the_history_as_one_line(canned, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "_commit", lambda: "abc1234")
    answers, _ = canned
    answers["tokens"] = (0, json.dumps(TOKENS), "")
    file = tmp_path / "history.jsonl"
    for _ in range(2):
        chosen = ["--only", "tokens", "--history", str(file)]
        assert everything.main(chosen, names=["tokens"]) == 0
    first, second = map(json.loads, file.read_text().splitlines())
    assert first["comparisons"] == second["comparisons"]
    assert (first["ctxmem"], first["commit"]) == (ctxmem.__version__, "abc1234")
    assert first["versions"] == {"tiktoken": "1.2"}
    (row,) = first["comparisons"]
    assert (row["bench"], row["value"], row["unit"], row["n"]) == ("tokens", 2.0, "us", 5)
    assert row["ratios"] == {"tiktoken 1.2": 10.0, "rival 0.1": 0.5}


def test_the_history_of_the_repository_is_readable():
    lines = (ROOT / "bench" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines
    for line in map(json.loads, lines):
        assert line["history"] == history.VERSION
        assert line["comparisons"] and line["machine"] and line["at"]


def test_more_may_be_better():
    one = comparisons.comparison("speed", "MB/s", 1, more_is_better=True)
    comparisons.add(one, "ctxmem", 50.0, ours=True)
    comparisons.add(one, "fast", 100.0, ours=False)
    assert comparisons.ratio(one, one["rows"][1]) == 0.5
    assert [row["name"] for row in comparisons.lost(one)] == ["fast"]


def test_what_has_no_peer_is_told_apart():
    rows = [
        {"question": "groups", "n": 50, "solver": "ctxmem", "median_ms": 1, "worst_ms": 2,
         "runs": 3, "unproved": 0},
        {"question": "groups", "n": 50, "solver": "cp-sat", "median_ms": 9, "worst_ms": 9,
         "runs": 1, "unproved": 1},
        {"question": "sections", "n": 50, "solver": "ctxmem.solve", "median_ms": 4, "worst_ms": 5,
         "runs": 3, "unproved": 0},
    ]  # fmt: skip
    raced, alone = comparisons.of_solver({"rows": rows})
    assert [row["name"] for row in raced["rows"]] == ["ctxmem", "cp-sat"]
    assert raced["rows"][1]["note"] == "1 of 1 not proved"
    assert [row["name"] for row in alone["rows"]] == ["sections, 50 chunks"]
    assert comparisons.lost(alone) == []


def test_a_name_may_be_left_out(capsys):
    assert with_name(["bench"]) == ["bench", "all"]
    assert with_name(["bench", "--only", "x"]) == ["bench", "all", "--only", "x"]
    assert with_name(["bench", "tokens", "--json"]) == ["bench", "tokens", "--json"]
    assert with_name(["pack", "-"]) == ["pack", "-"]
    assert main(["bench", "speed"]) == 2
    assert f"there is no benchmark 'speed'; there are: {', '.join(BENCHES)}" in (
        capsys.readouterr().err
    )


def test_every_benchmark_has_a_question():
    assert all(question.endswith("?") for question in BENCHES.values())


def test_constraints_are_checked_on_the_windows_themselves(tmp_path, capsys, monkeypatch):
    write_set(tmp_path, "library")
    monkeypatch.setattr(constraints, "BUDGETS", (400, 900, 1200, 2000))
    assert constraints.main(["--data", str(tmp_path), "--limit", "4"]) == 0
    shown = capsys.readouterr().out
    assert "library" in shown and "every constraint was kept" in shown
    assert constraints.main([]) == 2
    # A window without its pin is no window of these constraints.
    pack = ctxmem.pack

    def forgetful(chunks, budget, **options):
        unpinned = [replace(chunk, pinned=False) for chunk in chunks]
        return pack(unpinned, budget // 8, **options)

    monkeypatch.setattr(packers.ctxmem, "pack", forgetful)
    with pytest.raises(AssertionError, match=r"the pin .* is cut"):
        constraints.main(["--data", str(tmp_path), "--limit", "4"])


def test_a_benchmark_that_needs_the_module_for_tests_says_so(monkeypatch, capsys):
    for name in ("ctxmem.bench.native_testing", "ctxmem.bench.dedup"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "ctxmem._testing", None)  # as in a wheel
    monkeypatch.delattr(ctxmem, "_testing", raising=False)
    assert main(["bench", "dedup"]) == 2
    assert "pip install -e ." in capsys.readouterr().err
