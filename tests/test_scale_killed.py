"""A run that is killed from outside, at any moment, goes on with the same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec

import pytest
from scale_runs import results

from ctxmem.scale import deduplicate

bench = import_module("ctxmem.bench.scale")

RUN = (
    "import sys; from ctxmem.scale import deduplicate; "
    "deduplicate(sys.argv[1], sys.argv[2], engine=sys.argv[3], memory=64 << 20, threads=1)"
)
needs_daft = pytest.mark.skipif(
    not (find_spec("daft") and find_spec("pyarrow")), reason="needs Daft: ctxmem[scale]"
)


def killed(source, out, engine, seen, within=300.0):
    """Start a run, kill it as soon as `seen` is true of its folder; return whether it was killed.

    A run that ends before that was too fast for the kill.
    """
    process = subprocess.Popen([sys.executable, "-c", RUN, source, out, engine])
    try:
        until = time.monotonic() + within
        while process.poll() is None and not seen(out):
            assert time.monotonic() < until
            time.sleep(0.001)
        process.kill()
    finally:
        process.kill()
        process.wait()
    return process.returncode == -signal.SIGKILL


def many(pattern, count):
    """Return whether a folder has so many files of a pattern."""
    return lambda out: len(list(out.glob(pattern))) >= count


STAGES = {
    "read": many("_work/runs/*.json", 3),
    "link": many("_work/parent-*", 1),
    "route": many("_work/routed/*.npy", 2),
    "join": many("_work/joined/*", 1),
    "write": many("kept/*", 2),
}


def check(tmp_path, source, stages, engine="local"):
    """Kill runs in the stages one after the other, and compare the result with an unbroken run."""
    whole = deduplicate(source, tmp_path / "whole", engine=engine, memory=64 << 20, threads=1)
    stopped = [stage for stage in stages if killed(source, tmp_path / "out", engine, STAGES[stage])]
    report = deduplicate(source, tmp_path / "out", engine=engine, memory=64 << 20, threads=1)
    assert report.resumed and not report.restarted
    assert not whole.in_memory and whole.groups > 500
    assert results(tmp_path / "whole") == results(tmp_path / "out")
    return stopped


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    # As few as do not fit into the least memory, so that all stages are passed through.
    path = tmp_path_factory.mktemp("killed") / "corpus.jsonl"
    bench.write(path, 18_000, 1)
    return path


def test_a_run_that_is_killed_in_two_stages_ends_with_the_same_bytes(tmp_path, source):
    stopped = check(tmp_path, source, ["read", "write"])
    assert "read" in stopped  # the last stage may be over before it is killed


@pytest.mark.slow
@needs_daft
def test_a_run_on_daft_that_is_killed_ends_with_the_same_bytes(tmp_path, source):
    STAGES["sketch"] = many("_work/sketched/*.npz", 2)
    assert "sketch" in check(tmp_path, source, ["sketch", "join", "write"], "daft")


@pytest.mark.slow
def test_200_000_documents_are_kept_right_through_kills_in_every_stage(tmp_path):
    path = tmp_path / "corpus.jsonl"
    texts, pairs = bench.write(path, 200_000, 11)
    stopped = check(tmp_path, path, list(STAGES))
    assert len(stopped) >= 4
    found = bench.quality(tmp_path / "out", texts, pairs)
    assert (found["wrong"], found["recall"]) == (0, 1.0)
    account = json.loads((tmp_path / "out/account.json").read_text())
    assert account["documents"] == 200_000
