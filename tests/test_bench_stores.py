"""The benchmark of stores: rounds in pairs, and what it prints."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

bench = import_module("ctxmem.bench.stores")


def turns(*took):
    return [(each, each / 10) for each in took]


def test_the_ratio_is_that_of_the_rounds_though_the_machine_became_slow():
    ours = [turns(2, 2, 9), turns(20, 20, 90), turns(200, 200, 900)]
    bare = [turns(1, 1, 1), turns(10, 10, 10), turns(100, 100, 100)]
    assert bench.ratio(ours, bare) == 2.0


def test_a_summary_has_the_medians_of_rounds_and_the_percentile_of_all_turns():
    rounds = [turns(*range(1, 101)), turns(*range(101, 201))]
    found = bench.summary(rounds)
    assert (found["low"], found["p50"], found["high"]) == (50.5, 100.5, 150.5)
    assert (found["p99"], found["client"]) == (198, 10.05)


def test_a_file_is_measured_with_one_process_and_with_two(capsys):
    line = ["--turns", "3", "--rounds", "2", "--processes", "1", "2"]
    assert bench.main([*line, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    # A bare write to one file by several waits as an append does, so it is left out.
    expected = [("append", 1), ("bare", 1), ("window", 1), ("append", 2), ("window", 2)]
    assert expected == [(row["way"], row["processes"]) for row in report["rows"]]
    for row in report["rows"]:
        assert 0 < row["low"] <= row["p50"] <= row["high"] <= row["p99"]
        assert 0 < row["client"]
    assert ["ratio" in row for row in report["rows"]] == [True, False, False, False, False]
    bench.show(report)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 2 + len(expected)
    (compared,) = bench.comparisons(report)
    assert ["ctxmem", "bare sqlite"] == [row["name"] for row in compared["rows"]]


@pytest.mark.parametrize("first", [1, 77])
def test_a_window_is_measured_in_sessions_of_limited_length(tmp_path, first):
    one = bench.windowing("sqlite", str(tmp_path / "pages.db"), "x")
    for turn in range(first, first + 2 * bench.MESSAGES):
        took, worked = one(turn)
        assert took > 0 and worked >= 0
    with bench.open_store(str(tmp_path / "pages.db")) as store:
        sizes = [info.records for info in store.usage("bench")]
    assert len(sizes) == 3 and max(sizes) <= bench.MESSAGES
