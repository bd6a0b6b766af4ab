"""The engine on Daft has the bytes of the local engine, on one machine and on Ray."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scale_runs import SmallPortions, corpus, groups, results, write_lines

import ctxmem
from ctxmem.cli import main as command
from ctxmem.scale import daft_engine, deduplicate, linking, sources, tasks
from ctxmem.scale.joining import Rule
from ctxmem.scale.local import Run
from ctxmem.scale.sources import Segment, SourceFile

needs_daft = pytest.mark.skipif(
    not (find_spec("daft") and find_spec("pyarrow")),
    reason="needs Daft: pip install 'ctxmem[scale]'",
)
needs_ray = pytest.mark.skipif(
    not (find_spec("daft") and find_spec("ray")), reason="needs Ray: pip install 'daft[ray]'"
)
words = st.lists(st.sampled_from("a b c d e f".split()), max_size=9).map(" ".join)


def same_results(local, daft):
    """Check that two runs wrote the same bytes; return how many files that were."""
    one, other = results(local), results(daft)
    for files in (one, other):
        account = json.loads(files.pop("account.json"))
        assert account.pop("engine") in ("local", "daft")
        files["account"] = account
        files.pop("manifest.json")
    assert one == other
    return len(one)


def both(source, folder, **options):
    """Run both engines; return the report of that on Daft."""
    deduplicate(source, folder / "local", engine="local", **options)
    report = deduplicate(source, folder / "daft", engine="daft", **options)
    assert report.engine == "daft" and same_results(folder / "local", folder / "daft") >= 2
    return report


# The work on tasks, without Daft


def test_a_task_is_the_same_after_its_way_to_another_machine():
    file = SourceFile("a.jsonl", "/data/a.jsonl", "lines", 70, 123)
    task = tasks.Task([tasks.Part(3, 40, 2, [Segment(1, 0, 70, 1, "")])], {1: file})
    assert task == tasks.Task.from_json(task.to_json())


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 40), max_size=30),
    st.integers(1, 3),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_slots_have_the_pairs_of_the_local_engine(drawn, parts, slices, rng):
    spread = np.uint64(0x9E3779B97F4A7C15)
    keys = (np.array(drawn, np.uint64) << np.uint64(30)) * spread
    texts = np.arange(len(keys), dtype=np.uint64)
    expected = set()
    for part in range(parts):
        mine = np.flatnonzero(keys % np.uint64(parts) == np.uint64(part))
        for left, right in linking.bucket_pairs(keys[mine], texts[mine], 5):
            expected |= set(zip(left.tolist(), right.tolist(), strict=True))
    of = tasks.slots_of(keys, parts, slices)
    found = set()
    for slot in set(of.tolist()):
        mine = np.flatnonzero(of == slot)
        rng.shuffle(order := mine.tolist())  # portions come in any order
        left, right = tasks.pairs_of(keys[order], texts[order], 5)
        found |= set(zip(left.tolist(), right.tolist(), strict=True))
    assert expected == found


def test_texts_of_a_batch_are_in_the_order_of_the_corpus():
    held = tasks.Held(
        [
            tasks.Batched(0, np.array([7, 9]), np.array([0, 2, 2]), "é".encode()),
            tasks.Batched(0, np.array([2]), np.array([0, 3]), "\ud800".encode(errors=SURROGATES)),
        ]
    )
    assert held.numbers.tolist() == [2, 7, 9] and held.sizes.tolist() == [3, 2, 0]
    assert held.texts(np.array([2, 0, 1])) == ["", "\ud800", "é"]


SURROGATES = "surrogatepass"


def worker(folder, path):
    """Return a worker and the task of a file of lines, of one portion."""
    (file,), _ = sources.list_files(path)
    rule = Rule(0.5, 3, "word", "longest", 1)
    made = tasks.Worker(str(folder), "id", "text", 1 << 20, rule)
    (folder / "_work/sketched").mkdir(parents=True)
    found = made.segments(tasks.Task([], {0: file}))
    return made, tasks.Task([tasks.Part(0, 0, 0, [one for one, _, _ in found])], {0: file})


@pytest.mark.parametrize("left", [b"", b"\0" * 5000, None])
def test_a_sketched_file_that_a_loss_of_power_emptied_is_made_again(tmp_path, left):
    made, task = worker(tmp_path, write_lines(tmp_path / "corpus.jsonl", corpus(30)))
    (first,) = made.read(task)
    path = tmp_path / tasks.sketched(0)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if left is None else left)
    assert made.read(task) == [first] and path.read_bytes() == whole


def test_a_file_that_changes_before_its_segments_are_read_is_an_error(tmp_path):
    path = write_lines(tmp_path / "corpus.jsonl", corpus(30))
    made, task = worker(tmp_path, path)
    text = path.read_text()
    for change in (lambda: path.write_text(text.replace("\n", "\n\n", 9)), path.unlink):
        change()
        with pytest.raises(ctxmem.InputError, match=r"corpus\.jsonl changed since the run began"):
            made.read(task)
    assert not list(tmp_path.rglob("*.npz"))


def test_portions_of_an_archive_are_one_task_and_those_of_another_are_another():
    names = ["a.jsonl", "b.jsonl.gz", "c.jsonl.gz", "d.jsonl.gz", "e.jsonl", "f.jsonl"]
    files = [SourceFile(name, name, "lines", 1, 1) for name in names]
    run = Run(None, files, None, None, 0, 0.0, None)
    run = daft_engine.DaftRun(*(getattr(run, name) for name in Run.__slots__))
    held = ["a", "ab", "b", "bc", "c", "cde", "e", "ef", "f"]  # of each portion
    parts = [
        tasks.Part(i, 0, 0, [Segment("abcdef".index(one), 0, 1, 1) for one in some])
        for i, some in enumerate(held)
    ]
    found = run._in_tasks(parts)
    assert [[held[part.number] for part in task.parts] for task in found] == [
        *(["a"], ["ab"], ["b", "bc"], ["c", "cde"], ["e"], ["ef"], ["f"])
    ]
    assert [set(task.files) for task in found][2:4] == [{1, 2}, {2, 3, 4}]


def test_daft_that_is_missing_is_an_error_that_names_the_extra(tmp_path, monkeypatch, capsys):
    source = write_lines(tmp_path / "corpus.jsonl", corpus(5))
    monkeypatch.setitem(sys.modules, "daft", None)
    with pytest.raises(ctxmem.MissingExtraError, match=r"ctxmem\[scale\]"):
        deduplicate(source, tmp_path / "out", engine="daft")
    assert command(["dedup", str(source), "--out", str(tmp_path / "out"), "--engine", "daft"]) == 2
    assert "ctxmem[scale]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_auto_is_daft_where_daft_is_configured_for_ray(tmp_path, monkeypatch):
    source = write_lines(tmp_path / "corpus.jsonl", corpus(5))
    monkeypatch.delitem(sys.modules, "daft", raising=False)
    for value, expected in (("", False), ("native", False), ("Ray", True)):
        monkeypatch.setenv("DAFT_RUNNER", value)
        assert daft_engine.on_cluster() is expected
    monkeypatch.setenv("DAFT_RUNNER", "native")
    monkeypatch.setitem(sys.modules, "daft", None)
    assert deduplicate(source, tmp_path / "out").engine == "local"
    stub = mock.Mock()
    stub.get_or_infer_runner_type.return_value = "ray"
    monkeypatch.setitem(sys.modules, "daft", stub)
    assert daft_engine.on_cluster()


# On one machine


@needs_daft
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(words, st.sampled_from([None, "x", 1, 2])), max_size=25),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
    st.sampled_from(["longest", "first"]),
    st.booleans(),
)
@example([("a b c", 1), ("", 1), ("\ud800", None), ("A, b c", "x"), ("", 2)], 0.5, "longest", True)
@example([("a b c d", 1)] * 9, 0.5, "first", True)  # a flood of copies
@example([], 0.5, "first", True)
def test_results_are_those_of_the_local_engine(listed, threshold, prefer, linked):
    with tempfile.TemporaryDirectory() as name, SmallPortions(linked=linked):
        folder = Path(name)
        rows = [json.dumps({"id": id, "text": text}) + "\n" for text, id in listed]
        (folder / "in").mkdir()
        for part in range(3):  # a portion cannot begin in the middle of so small a file
            (folder / f"in/{part}.jsonl").write_text("".join(rows[part::3]))
        with mock.patch.multiple(ctxmem.scale, _MOST_PORTION=1, _LEAST_PORTION=1):
            both(folder / "in", folder, threshold=threshold, prefer=prefer)


@needs_daft
def test_copies_of_three_files_are_one_group(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "abc":
        lines = [{"id": f"{name}1", "text": "the meter is read on the first of the month"}]
        lines.append({"id": f"{name}2", "text": f"nothing but {name} and {name} is in this text"})
        (tmp_path / f"in/{name}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    report = both(tmp_path / "in", tmp_path)
    assert [["a1", "b1", "c1"]] == groups(tmp_path / "daft")
    assert (report.documents, report.kept, report.exact) == (6, 4, 2)


@needs_daft
def test_every_kind_of_source_is_read_as_by_the_local_engine(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "in"
    (folder / "texts").mkdir(parents=True)
    listed = corpus(600, 7)
    write_lines(folder / "a.jsonl", listed[:200])
    (folder / "b.jsonl").write_bytes(b'no JSON\n\n{"id": 1}\n{"id": 2, "text": "caf\xff"}')
    data = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in listed[200:400])
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(data))
    (folder / "d.jsonl.gz").write_bytes(gzip.compress(data)[:4000])
    (folder / "e.jsonl").write_bytes(b"")
    table = pa.table({"id": range(201), "text": [*listed[400:], None], "n": ["x"] * 201})
    pq.write_table(table, folder / "f.parquet", row_group_size=50)
    pq.write_table(table.slice(0, 0), folder / "g.parquet")
    for i, text in enumerate(listed[:20]):
        (folder / f"texts/{i}.txt").write_text(text)
    (folder / "texts/z.png").write_bytes(b"\0")
    (folder / ".hidden").write_bytes(b"")
    with SmallPortions():
        report = both(folder, tmp_path)
    assert report.documents > 600 and report.groups > 100 and report.rejected >= 5
    with mock.patch.object(ctxmem.scale.sources, "LONGEST", 5000), SmallPortions():
        (folder / "e.jsonl").write_text(json.dumps({"text": "long " * 3000}) + "\n")
        report = both(folder, tmp_path / "long")
    assert "a line or file of more than 64 MiB" in report.problems


@needs_daft
@pytest.mark.parametrize("careful", [False, True])
def test_clusters_that_do_not_fit_and_caps_are_those_of_the_local_engine(tmp_path, careful):
    form = "Dear customer {}, the meter at your flat is read on the first day of every month."
    listed = [*corpus(300, 5), *(form.format(f"number{i}") for i in range(400))]
    path = write_lines(tmp_path / "corpus.jsonl", listed)
    small = linking.batches

    def batches(parent, sizes, budget, each):
        return small(parent, sizes, 100_000, each)

    with SmallPortions(), mock.patch.object(linking, "batches", batches):
        report = both(path, tmp_path, careful=careful)
    assert "did not fit into memory" in report.notes[0]
    assert careful or report.capped[0].kept > 300


@needs_daft
def test_many_slots_of_a_band_have_the_groups_of_one(tmp_path):
    path = write_lines(tmp_path / "corpus.jsonl", corpus(120))
    parts = mock.patch.object(ctxmem.scale.local.Run, "parts", lambda self: 3)
    with SmallPortions(), mock.patch.object(daft_engine, "SLOT", 40), parts:
        both(path, tmp_path)


class Stopped(Exception):
    pass


@needs_daft
@pytest.mark.parametrize("stage", ["read", "link", "join", "write"])
def test_a_stopped_run_goes_on_with_the_same_bytes(tmp_path, stage):
    path = write_lines(tmp_path / "corpus.jsonl", corpus(300))
    with SmallPortions():
        deduplicate(path, tmp_path / "local", engine="local")
        for steps in (0, 2):

            def stop(at, done, of, steps=steps):
                stop.steps += at == stage
                if stop.steps > steps:
                    raise Stopped

            stop.steps = 0
            try:
                deduplicate(path, tmp_path / "daft", engine="daft", progress=stop)
            except Stopped:
                pass
            else:
                assert stage in ("link", "join") and steps == 2  # they have fewer steps
        read = {file.name: file.stat().st_mtime_ns for file in sketches(tmp_path)}
        seen = {}

        def look(at, done, of):
            seen.update({file.name: file.stat().st_mtime_ns for file in sketches(tmp_path)})

        report = deduplicate(path, tmp_path / "daft", engine="daft", progress=look)
    assert report.resumed and not report.restarted
    assert same_results(tmp_path / "local", tmp_path / "daft") > 2
    # What was read before is not read again, even if the stage had not ended.
    assert (read or stage in ("link", "join")) and {name: seen[name] for name in read} == read
    assert not (tmp_path / "daft/_work").exists()


def sketches(folder):
    return list((folder / "daft/_work/sketched").glob("*.npz"))


@needs_daft
def test_damage_other_engines_and_sources_that_change_are_seen(tmp_path):
    path = write_lines(tmp_path / "corpus.jsonl", corpus(60))
    out = tmp_path / "daft"

    def stop(at, done, of):
        if at == "write":
            raise Stopped

    def change(at, done, of):
        if at == "write":
            path.write_bytes(path.read_bytes()[::-1])

    with pytest.raises(Stopped):
        deduplicate(path, out, engine="daft", progress=stop)
    (file,) = sketches(tmp_path)
    file.write_bytes(file.read_bytes()[:-1] + b"#")
    with pytest.warns(ctxmem.CtxmemWarning, match=f"{file.name} is not as it was written"):
        deduplicate(path, out, engine="daft")
    with pytest.warns(ctxmem.CtxmemWarning, match="its engine differ"):
        deduplicate(path, out, engine="local")
    with pytest.raises(ctxmem.InputError, match=r"corpus\.jsonl changed since the run began"):
        deduplicate(path, tmp_path / "other", engine="daft", progress=change)


# On Ray


@pytest.mark.slow
@needs_ray
def test_results_on_ray_are_those_of_the_local_engine(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(6):  # of 1.5 MB each, so that there are several portions
        listed = corpus(8000, number % 4, least=20, most=40)
        write_lines(tmp_path / f"in/{number}.jsonl", listed)
    deduplicate(tmp_path / "in", tmp_path / "local", engine="local", memory=64 << 20)
    script = (
        "import sys, ctxmem.scale as scale; "
        "report = scale.deduplicate(sys.argv[1], sys.argv[2], memory=64 << 20); "
        "import daft; print(report.engine, daft.get_or_infer_runner_type(), report.in_memory)"
    )
    environment = {**os.environ, "DAFT_RUNNER": "ray", "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("RAY_ADDRESS", None)  # a cluster of its own on this machine
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "in", tmp_path / "daft"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
        check=True,
    )
    assert "daft ray False" in done.stdout
    assert same_results(tmp_path / "local", tmp_path / "daft") > 5
