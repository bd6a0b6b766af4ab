"""The benchmark of engines: what it checks, and what it leaves out."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
from gateways import until

bench = import_module("ctxmem.bench.engines")
procfs = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc"
)


@procfs
def test_our_engine_is_measured_and_the_peers_that_are_absent_are_named(capsys):
    line = ["--documents", "1200", "--only", "local", "datatrove split", "text-dedup"]
    assert bench.main([*line, "--datatrove", "/no/such/python"]) == 0
    shown = capsys.readouterr().out
    assert "1,200 documents" in shown and "the same groups of ours" in shown
    assert "datatrove split  left out: /no/such/python is not there" in shown
    assert "text-dedup       left out: no interpreter was given: --text-dedup" in shown
    assert bench.main([*line[:3], "local", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["recall"], row["wrong"], row["lines"]) == (1.0, 0, 3)
    assert row["looked"] > 200 and row["kept"] < 1000


def test_an_engine_that_fails_or_has_no_packages_is_left_out(tmp_path):
    options = argparse.Namespace(limit=60.0, seed=0)
    broken = bench.Engine("broken", "raise SystemExit('no luck')", sys.executable, ("numpy",))
    row = bench.row(broken, tmp_path, tmp_path, [], options)
    assert row["skipped"] == "it failed: no luck" and row["versions"].startswith("numpy ")
    absent = bench.Engine("absent", "", sys.executable, ("no-such-package",))
    assert absent.missing() == "no-such-package is not installed there"
    slow = bench.Engine("slow", "import time; time.sleep(60)", sys.executable, ("numpy",))
    options.limit = 0.1
    assert "more than 0 seconds" in bench.row(slow, tmp_path, tmp_path, [], options)["skipped"]


STARTER = """
import subprocess, sys, time
burn = "import time\\nwhile time.process_time() < 0.6: pass\\nprint(flush=True)\\ntime.sleep({0})"
child = subprocess.Popen([sys.executable, "-c", burn], stdout=subprocess.PIPE)
child.stdout.readline()
open(sys.argv[1] + "/child", "w").write(str(child.pid))
time.sleep({0})
child.wait()
"""


@procfs
def test_seconds_of_the_processor_are_also_those_of_processes_that_ended_unseen(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(bench, "descendants", lambda root: {})
    starter = bench.Engine("starter", STARTER.format(0), sys.executable, ())
    assert bench.measured(starter, tmp_path, tmp_path / "out", 60.0)["cpu_seconds"] >= 0.6


@procfs
def test_a_process_that_an_engine_started_is_killed_with_it(tmp_path):
    line = [sys.executable, "-c", STARTER.format(600), str(tmp_path)]
    process = subprocess.Popen(line)
    try:
        with bench.Watch(process.pid) as watch:
            while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
                assert process.poll() is None
                time.sleep(0.01)
            watch.kill()
        process.wait()
    finally:
        process.kill()
    child = Path("/proc", (tmp_path / "child").read_text(), "stat")

    def ended() -> bool:
        try:
            # Its parent is gone, so it may be left for the system to collect.
            return child.read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    until(ended)


@procfs
def test_at_the_limit_all_processes_are_killed(tmp_path, monkeypatch):
    killed, kill = [], bench.Watch.kill

    def noted(watch):
        killed.append(watch)
        kill(watch)

    monkeypatch.setattr(bench.Watch, "kill", noted)
    slow = bench.Engine("slow", "import time; time.sleep(600)", sys.executable, ())
    with pytest.raises(RuntimeError, match="more than 0 seconds"):
        bench.measured(slow, tmp_path, tmp_path / "out", 0.1)
    assert len(killed) == 1


@pytest.mark.parametrize("name", ["datatrove", "datatrove split", "text-dedup"])
def test_what_a_peer_runs_is_python_and_has_its_own_interpreter(name):
    options = argparse.Namespace(python="a", memory=1, datatrove="", text_dedup="")
    (engine,) = [one for one in bench.engines(options) if one.name == name]
    compile(engine.code, name, "exec")
    assert engine.missing() == f"no interpreter was given: --{name.split()[0]}"
    assert ("Split()" in engine.code) == (name == "datatrove split")


def test_a_removed_document_counts_as_wrong_unless_a_kept_one_is_like_it(tmp_path):
    rows = {
        1: "one two three four five six",
        2: "one two three four five seven",  # three of five trigrams are those of 1
        3: "one two three eight nine ten",  # one of seven
        4: "something else is in this one",
    }
    lines = [json.dumps({"id": id, "text": text}) + "\n" for id, text in rows.items()]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    assert bench.wrongly_removed(tmp_path, {1, 4}, 0) == (2, 1)
    assert bench.wrongly_removed(tmp_path, {1, 3, 4}, 0) == (1, 0)
    assert bench.wrongly_removed(tmp_path, {1, 2, 3}, 0) == (1, 1)


def test_the_corpus_is_cut_into_files_without_loss(tmp_path):
    pairs = bench.write(tmp_path / "corpus", 801, 0)
    assert [id for id, _ in bench.texts_of(tmp_path / "corpus")] == list(range(801))
    assert len(pairs) > 100 and len(list((tmp_path / "corpus").iterdir())) == bench.FILES


def test_ours_that_differ_fail(monkeypatch, capsys):
    rows = iter(["a", "b"])

    def row(engine, *_):
        digest = next(rows)
        numbers = dict.fromkeys(("seconds", "cpu_seconds", "peak_mb", "recall"), 1.0)
        counts = {"lines": 3, "kept": 1, "looked": 1, "wrong": 0}
        return {"engine": engine.name, "versions": "1", "groups": digest, **numbers, **counts}

    monkeypatch.setattr(bench, "row", row)
    assert bench.main(["--documents", "20", "--only", "local", "daft"]) == 1
    assert "OURS DIFFER" in capsys.readouterr().out
