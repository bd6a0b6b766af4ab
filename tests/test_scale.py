"""Near-duplicates of corpora on disk: the groups of the join in memory, and nothing lost."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scale_runs import (
    SmallPortions,
    corpus,
    groups,
    results,
    star_rows,
    write_lines,
)

import ctxmem
from ctxmem.cli import main as command
from ctxmem.cli.corpus import size
from ctxmem.scale import deduplicate, in_words, linking, sources
from ctxmem.scale.joining import Routed, Rule, join_large
from ctxmem.scale.results import cap
from ctxmem.scale.sketches import PLACES, plan_for

STAGES = ("read", "link", "route", "join", "write")
parquet = pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs pyarrow")


@pytest.fixture
def source(tmp_path):
    return write_lines(tmp_path / "corpus.jsonl", corpus(300))


def kept_lines(out):
    return b"".join(path.read_bytes() for path in sorted((out / "kept").iterdir()))


# Groups

texts = st.lists(
    st.lists(st.sampled_from("a b c d e f g h".split()), max_size=9).map(" ".join), max_size=25
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts, st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.sampled_from(["longest", "first"]))
@example(["", "", "\ud800", "a b c", "A, b c"], 0.5, "longest")
def test_groups_are_those_of_the_join_in_memory(listed, threshold, prefer):
    with tempfile.TemporaryDirectory() as folder, SmallPortions(linked=False):
        path = write_lines(Path(folder) / "corpus.jsonl", listed)
        report = deduplicate(path, f"{folder}/out", threshold=threshold, prefer=prefer)
        found = star_rows(Path(folder) / "out")
        kept = [json.loads(line)["id"] for line in kept_lines(Path(folder) / "out").splitlines()]
    expected = ctxmem.find_near_duplicates(listed, threshold, prefer=prefer)
    assert [
        {group.representative: None}
        | {
            i: row
            for i, *row in zip(group, group.similarities, group.kinds, strict=True)
            if i != group.representative
        }
        for group in expected
    ] == [{i: row and list(row) for i, row in one.items()} for one in found]
    gone = {i for one in found for i, row in one.items() if row}
    assert kept == [i for i in range(len(listed)) if i not in gone]
    assert (report.documents, report.kept, report.in_memory) == (len(listed), len(kept), True)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("prefer", ["longest", "first"])
def test_linked_clusters_have_the_groups_of_the_join_in_memory(tmp_path, seed, prefer):
    listed = corpus(800, seed, least=30, most=60)  # copies are at .8 and above
    path = write_lines(tmp_path / "corpus.jsonl", listed)
    with SmallPortions():
        report = deduplicate(path, tmp_path / "out", prefer=prefer)
    assert [list(g) for g in ctxmem.find_near_duplicates(listed, prefer=prefer)] == groups(
        tmp_path / "out"
    )
    assert not report.in_memory and report.groups > 100
    assert "probability of 0.984" in in_words(report)


def test_a_flood_of_copies_is_one_group(tmp_path):
    listed = ["the same words in every one of these texts"] * 500 + corpus(50)
    path = write_lines(tmp_path / "corpus.jsonl", listed)
    with SmallPortions():
        report = deduplicate(path, tmp_path / "out", max_loss=1.0)
    assert list(range(500)) in groups(tmp_path / "out")
    assert report.largest_group == 500


def test_a_cluster_that_does_not_fit_has_the_groups_of_the_join_in_memory(tmp_path):
    listed = corpus(400, 5)
    routed = routed_texts(tmp_path, listed)
    lengths = np.fromiter(map(len, listed), np.int64)
    for prefer in ("longest", "first"):
        rule = Rule(0.5, 3, "word", prefer, 1)
        found = join_large(routed, lengths, rule, 64_000)
        expected = {
            (i, group.representative, similarity, kind == "exact")
            for group in ctxmem.find_near_duplicates(listed, prefer=prefer)
            for i, similarity, kind in zip(group, group.similarities, group.kinds, strict=True)
            if i != group.representative
        }
        # With so little memory representatives are dropped, and the notes say so. What is found
        # then is still exact, but has other representatives.
        assert "were dropped" in found.notes[1]
        for i, head, share, same in found.rows.tolist():
            (pair,) = ctxmem.find_near_duplicates([listed[head], listed[i]], prefer="first")
            assert (share, same) == (pair.similarities[1], pair.kinds[1] == "exact")
        found = join_large(routed, lengths, rule, 8_000_000)
        assert {tuple(row) for row in found.rows.tolist()} == expected
        assert len(found.notes) == 1


def test_versions_are_in_no_group_if_careful(tmp_path):
    form = "The fee of {} euro is due on the first day of May, at the desk in the hall."
    listed = [form.format(fee) for fee in (30, 45, 30, 60, 45)]
    path = write_lines(tmp_path / "corpus.jsonl", listed)
    deduplicate(path, tmp_path / "out")
    deduplicate(path, tmp_path / "careful", careful=True)
    assert [[0, 1, 2, 3, 4]] == groups(tmp_path / "out")
    assert [[0, 2], [1, 4]] == groups(tmp_path / "careful")
    lengths = np.fromiter(map(len, listed), np.int64)
    for memory in (16_000, 8_000_000):  # in parts of one text, and in one part
        rule = Rule(0.5, 3, "word", "first", 1, careful=True)
        found = join_large(routed_texts(tmp_path / str(memory), listed), lengths, rule, memory)
        assert [(2, 0, 1.0, True), (4, 1, 1.0, True)] == found.rows.tolist()


def routed_texts(folder, listed):
    from ctxmem.scale.joining import route_bytes
    from ctxmem.scale.workspace import Workspace

    workspace = Workspace(folder / "routed_out")
    (workspace.folder / "routed").mkdir(parents=True)
    content, arrays = route_bytes(listed, np.zeros(len(listed), np.int32), 1)
    (workspace.folder / "routed/00000.bin").write_bytes(content)
    with open(workspace.folder / "routed/00000.npy", "wb") as file:
        for array in arrays:
            np.save(file, array)
    return Routed(workspace, 0, 1)


# Linking


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39))))
def test_unite_finds_the_components(count, pairs):
    pairs = [(a % count, b % count) for a, b in pairs]
    parent = np.arange(count)
    linking.unite(parent, *np.array([*pairs, (0, 0)], np.int64).T)
    linking.flatten(parent)
    names = list(range(count))
    for a, b in pairs:
        low, high = sorted((names[a], names[b]))
        names = [low if name == high else name for name in names]
    assert names == parent.tolist()


@given(st.lists(st.integers(0, 5), max_size=30))
@example([0] * 12)
def test_a_bucket_is_linked_whole_by_few_pairs(buckets):
    keys = np.array(buckets, np.uint64) << np.uint64(32)
    numbers = np.arange(len(keys), dtype=np.uint64)
    parent = np.arange(len(keys))
    looked = 0
    pairs = set()
    for left, right in linking.bucket_pairs(keys, numbers, 5):
        assert (keys[left] == keys[right]).all()
        looked += len(left)
        pairs |= set(zip(left.tolist(), right.tolist(), strict=True))
        linking.unite(parent, left, right)
    linking.flatten(parent)
    assert [buckets.index(bucket) for bucket in buckets] == parent.tolist()
    assert looked <= (linking.NEIGHBOURS + 1) * len(keys)
    firsts = {(buckets.index(bucket), i) for i, bucket in enumerate(buckets)}
    assert {(a, b) for a, b in firsts if a != b} <= pairs


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 50)), min_size=1), st.integers(10, 200))
def test_clusters_stay_whole_in_batches_of_bounded_size(rows, budget):
    first = {}
    parent = np.array([first.setdefault(name, i) for i, (name, _) in enumerate(rows)])
    sizes = np.array([each for _, each in rows])
    of, large = linking.batches(parent, sizes, budget, 1)
    alone = np.bincount(parent, minlength=len(parent))[parent] == 1
    assert (of[alone] == -1).all() and (of[~alone] >= 0).all()
    assert (of == of[parent]).all()
    for batch, over in enumerate(large):
        cost = (sizes[of == batch] + 1).sum()
        assert cost > budget if over else cost <= 2 * budget


@pytest.mark.parametrize(
    ("threshold", "rows", "bands", "at_threshold"),
    [(0.3, 4, 64, 0.406), (0.5, 4, 64, 0.984), (0.7, 6, 42, 0.995), (0.8, 8, 32, 0.997)],
)
def test_the_plan_is_that_of_the_table(threshold, rows, bands, at_threshold):
    plan = plan_for(threshold)
    assert (bands, rows) == plan
    assert round(1 - (1 - threshold**rows) ** bands, 3) == pytest.approx(at_threshold, abs=6e-4)


@given(st.floats(0.01, 1.0))
def test_every_plan_finds_pairs_at_eight_tenths(threshold):
    plan = plan_for(threshold)
    assert plan.bands * plan.rows <= PLACES
    assert plan.recall(max(threshold, 0.8)) >= 0.995


# Input


def test_what_is_no_document_is_counted_with_its_place_and_kept_apart(tmp_path):
    lines = [
        b'\xef\xbb\xbf{"id": 1, "text": "the first text of all"}\r',
        b"no JSON",
        b'["a list"]',
        b"",
        b'{"id": 2}',
        b'{"id": 3, "text": 7}',
        b'{"text": "without an id"}',
        b'{"id": 1, "text": "an id that is there"}',
        b'{"id": 5, "text": "bytes \xff here"}',
        b'{"id": 6, "text": " "}',
        b'{"id": [7], "text": "an id that is a list"}',
        b"[" * 100_000,
        b'{"id": 8, "text": "\\ud800 a lone surrogate", "other": 1}',
    ]
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "in/.hidden.jsonl").write_bytes(lines[0])
    report = deduplicate(tmp_path / "in", tmp_path / "out")
    assert {
        sources.NOT_JSON: ["a.jsonl:2", "a.jsonl:3", "a.jsonl:12"],
        sources.NO_TEXT: ["a.jsonl:5", "a.jsonl:6"],
        sources.NO_ID: ["a.jsonl:7", "a.jsonl:11"],
        "an id that several documents have": ["a.jsonl:8"],
        sources.NOT_UTF8: ["a.jsonl:9"],
        sources.EMPTY: ["a.jsonl:10"],
        sources.SKIPPED: [".hidden.jsonl"],
    } == report.places
    assert (report.documents, report.kept, report.rejected) == (7, 7, 5)
    kept = [lines[0][3:-1], *lines[6:11], lines[12]]
    assert b"".join(line + b"\n" for line in kept) == kept_lines(tmp_path / "out")
    rejected = (tmp_path / "out/rejected/part-00000.jsonl").read_text().splitlines()
    again = [json.loads(row)["line"].encode("utf-8", "surrogateescape") for row in rejected]
    assert [lines[i] for i in (1, 2, 4, 5, 11)] == again
    assert "a.jsonl:2, ..." in in_words(report)


def test_bytes_that_are_not_utf8_are_compared_as_they_were_sketched(tmp_path):
    lines = [b'{"id": %d, "text": "a wo%srd here and there"}' % (i, x) for i, x in enumerate(BYTES)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    deduplicate(tmp_path / "a.jsonl", tmp_path / "out", threshold=1.0)
    assert [[0, 2]] == groups(tmp_path / "out")


BYTES = (b"\xff", b"", "\ufffd".encode())


def test_a_line_too_long_is_passed_over_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LONGEST", 5000)
    monkeypatch.setattr(sources, "_STEP", 300)
    path = write_lines(tmp_path / "corpus.jsonl", [*corpus(20), "word " * 3000, *corpus(20, 1)])
    report = deduplicate(path, tmp_path / "out", threshold=1.0)
    assert report.places[sources.TOO_LONG] == ["corpus.jsonl:21"]
    expected = ctxmem.find_near_duplicates([*corpus(20), "x " * 2, *corpus(20, 1)], 1.0)
    assert [list(group) for group in expected] == groups(tmp_path / "out")
    assert report.documents == 40


def test_a_damaged_archive_is_read_as_far_as_it_goes_and_named(tmp_path):
    data = gzip.compress(write_lines(tmp_path / "corpus.jsonl", corpus(300)).read_bytes())
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jsonl.gz").write_bytes(data[: len(data) // 2])
    write_lines(tmp_path / "in/b.jsonl", corpus(20))
    report = deduplicate(tmp_path / "in", tmp_path / "out")
    assert report.places[sources.UNREADABLE][0].startswith("a.jsonl.gz:")
    assert report.documents >= 20 and report.rejected == 1


def test_archives_and_lists_give_the_same_groups(tmp_path, source):
    deduplicate(source, tmp_path / "plain")
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    with SmallPortions(linked=False):
        deduplicate(packed, tmp_path / "packed")
    lines = source.read_bytes().splitlines(keepends=True)
    halves = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    for half, part in zip(halves, (lines[:99], lines[99:]), strict=True):
        half.write_bytes(b"".join(part))
    deduplicate(halves, tmp_path / "halves")
    assert groups(tmp_path / "plain") == groups(tmp_path / "packed") == groups(tmp_path / "halves")
    assert kept_lines(tmp_path / "plain") == kept_lines(tmp_path / "packed")


def test_a_folder_of_texts_becomes_lines_with_names(tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("the meter is read every month", encoding="utf-8")
    (folder / "sub/b.md").write_text("The meter is read every month!", encoding="utf-8")
    (folder / "c.txt").write_bytes(b"caf\xe9 at the corner")
    (folder / "d.bin").write_bytes(b"\0\1\2")
    (folder / "e.png").write_bytes(b"no picture")
    report = deduplicate(folder, tmp_path / "out")
    rows = [json.loads(line) for line in kept_lines(tmp_path / "out").splitlines()]
    assert [
        {"id": "c.txt", "text": "caf� at the corner"},
        {"id": "sub/b.md", "text": "The meter is read every month!"},
    ] == rows
    assert report.places == {
        sources.NOT_UTF8: ["c.txt"],
        sources.NOT_A_TEXT: ["d.bin", "e.png"],
    }
    rejected = (tmp_path / "out/rejected/part-00000.jsonl").read_text().splitlines()
    assert ["d.bin", "e.png"] == [json.loads(row)["place"] for row in rejected]


@parquet
def test_parquet_gives_the_groups_of_lines_and_keeps_its_columns(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ctxmem.scale import columnar

    monkeypatch.setattr(columnar, "_ROWS", 7)
    listed = [*corpus(200), None]
    table = pa.table({"n": range(201), "id": [f"d{i}" for i in range(201)], "text": listed})
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in/a.parquet", row_group_size=30)
    with SmallPortions():
        report = deduplicate(tmp_path / "in", tmp_path / "out")
    expected = ctxmem.find_near_duplicates(listed[:-1])
    assert [sorted(f"d{i}" for i in group) for group in expected] == groups(tmp_path / "out")
    kept = pa.concat_tables(map(pq.read_table, sorted((tmp_path / "out/kept").iterdir())))
    gone = {i for group in expected for i in group if i != group.representative}
    assert kept == table.filter(pa.array([i not in gone and i < 200 for i in range(201)]))
    (rejected,) = (tmp_path / "out/rejected").iterdir()
    assert pq.read_table(rejected) == table.slice(200)
    assert report.places[sources.NO_TEXT] == ["a.parquet:201"]


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ctxmem.MissingExtraError, match=r"ctxmem\[parquet\]"):
        deduplicate(tmp_path / "a.parquet", tmp_path / "out")


# Caps


def test_a_group_takes_no_more_than_its_share_of_a_source(tmp_path):
    (tmp_path / "in").mkdir()
    form = "Dear customer {}, the meter at your flat is read on the first day of every month."
    page = [*(form.format(f"number{i}") for i in range(80)), *corpus(40, 3)]
    write_lines(tmp_path / "in/forms.jsonl", [*page, form.format("number1")])
    write_lines(tmp_path / "in/other.jsonl", [form.format("of the other file")] * 3)
    report = deduplicate(tmp_path / "in", tmp_path / "out", prefer="first")
    (one,) = report.capped
    assert (one.representative, one.source, one.documents, one.kept) == (0, "forms.jsonl", 121, 80)
    assert "were kept: max_loss" in in_words(report)
    account = json.loads((tmp_path / "out/account.json").read_text())
    assert account["sources"][0] == {"source": "other.jsonl", "documents": 3, "removed": 3}
    everything = deduplicate(tmp_path / "in", tmp_path / "all", prefer="first", max_loss=1.0)
    assert everything.removed == report.removed + 80
    assert '"kept": true' in (tmp_path / "out/groups.jsonl").read_text()


def test_copies_of_the_representative_are_removed_from_a_capped_source():
    rows = np.array(
        [(i, 0, 1.0 if i < 10 else 0.6, i < 10) for i in range(1, 90)],
        [("member", "<i8"), ("head", "<i8"), ("similarity", "<f8"), ("exact", "?")],
    )
    outcome = cap(rows, np.zeros(120, np.uint32), 0.5)
    assert outcome.removed().tolist() == list(range(1, 10))
    assert outcome.swallowed == [(0, 0, 120, 80)]


# Continuing


class Stopped(Exception):
    pass


@pytest.mark.parametrize("stage", STAGES)
def test_a_stopped_run_goes_on_with_the_same_bytes(tmp_path, source, stage):
    with SmallPortions(checkpoint=0.0 if stage == "link" else 20.0):
        deduplicate(source, tmp_path / "whole")
        for number in (0, 1):  # stopped twice, at the first step and behind it

            def stop(at, done, of, number=number):
                stop.steps += at == stage
                if stop.steps > number:
                    raise Stopped

            stop.steps = 0
            try:
                deduplicate(source, tmp_path / "out", progress=stop)
            except Stopped:
                pass
            else:
                assert stage == "join" and number == 1  # it has one batch
        report = deduplicate(source, tmp_path / "out")
    assert report.resumed and not report.restarted
    assert results(tmp_path / "whole") == results(tmp_path / "out")
    assert not (tmp_path / "out/_work").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 3])
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_run_goes_on_with_the_same_bytes(tmp_path, source, stage, number):
    with SmallPortions():
        deduplicate(source, tmp_path / "whole")
        script = Path(__file__).resolve().parent / "scale_runs.py"
        line = [sys.executable, script, source, tmp_path / "out", stage, str(number)]
        for _ in range(2):
            done = subprocess.run(line, check=False)
            assert done.returncode == -9 or stage == "join"
        deduplicate(source, tmp_path / "out")
    assert results(tmp_path / "whole") == results(tmp_path / "out")


def test_a_finished_run_is_not_repeated(tmp_path, source):
    first = deduplicate(source, tmp_path / "out")
    calls = []
    again = deduplicate(source, tmp_path / "out", progress=lambda *step: calls.append(step))
    assert (again.kept, again.resumed, calls) == (first.kept, True, [])


def stopped(source, out, stage="write"):
    def stop(at, done, of):
        if at == stage:
            raise Stopped

    with pytest.raises(Stopped):
        deduplicate(source, out, progress=stop)


def test_other_options_or_input_or_damage_start_anew_and_say_so(tmp_path, source):
    out = tmp_path / "out"
    stopped(source, out)
    with pytest.warns(ctxmem.CtxmemWarning, match="its options differ; it starts anew"):
        report = deduplicate(source, out, threshold=0.6)
    assert report.restarted == "its options differ"
    with pytest.warns(ctxmem.CtxmemWarning, match="its options"):
        stopped(source, out)
    with open(source, "a") as file:
        file.write('{"id": "new", "text": "a new text"}\n')
    with pytest.warns(ctxmem.CtxmemWarning, match="its input differ"):
        stopped(source, out, "join")
    for name in ("band-03.u64", "runs/00000.json", "routed/00000.bin"):
        path = out / "_work" / name
        path.write_bytes(path.read_bytes()[:-1] + b"#")
        with pytest.warns(ctxmem.CtxmemWarning, match="is not as it was written|describes"):
            stopped(source, out, "join")
    report = deduplicate(source, out)
    assert report.resumed
    deduplicate(source, tmp_path / "whole")
    assert results(tmp_path / "whole") == results(out)
    part = next((out / "kept").iterdir())
    part.write_bytes(b"")
    with pytest.warns(ctxmem.CtxmemWarning, match=part.name):
        deduplicate(source, out)
    assert results(tmp_path / "whole") == results(out)
    (out / "manifest.json").write_bytes(
        (out / "manifest.json").read_bytes().replace(b"0.5", b"0.4")
    )
    with pytest.warns(ctxmem.CtxmemWarning, match="manifest is damaged"):
        deduplicate(source, out)


def test_a_second_run_in_the_same_folder_is_refused(tmp_path, source):
    def again(stage, done, of):
        if stage == "write":
            with pytest.raises(ctxmem.InputError, match="another run is writing"):
                deduplicate(source, tmp_path / "out")
            again.tried = True

    deduplicate(source, tmp_path / "out", progress=again)
    assert again.tried
    assert deduplicate(source, tmp_path / "out").documents == 300
    assert not (tmp_path / "out/.lock").exists()


def test_a_source_that_changes_during_a_run_is_an_error(tmp_path, source):
    def change(stage, done, of):
        if stage == "write":
            source.write_bytes(source.read_bytes()[::-1])

    with pytest.raises(ctxmem.InputError, match=r"corpus\.jsonl changed since the run began"):
        deduplicate(source, tmp_path / "out", progress=change)


def test_an_archive_of_one_text_is_unpacked_up_to_the_limit(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    monkeypatch.setattr(ctxmem.scale.sources, "LONGEST", 5000)
    for name, many in (("a", 5000), ("b", 5001), ("c", 4_000_000)):
        (tmp_path / f"in/{name}.txt.gz").write_bytes(gzip.compress(b"a" * many))
    sizes = []
    read = gzip.GzipFile.read

    def spied(file, most=-1):
        found = read(file, most)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(gzip.GzipFile, "read", spied)
    report = deduplicate(tmp_path / "in", tmp_path / "out")
    assert (report.documents, report.rejected) == (1, 2)
    assert {"a line or file of more than 64 MiB": 2} == report.problems
    assert max(sizes) == 5001


@pytest.mark.parametrize("change", [lambda data: data[:-2000], lambda data: data[:99] + data[300:]])
def test_an_archive_that_is_damaged_during_a_run_has_changed(tmp_path, change):
    path = tmp_path / "corpus.jsonl.gz"
    rows = (json.dumps({"text": text}) + "\n" for text in corpus(300))
    path.write_bytes(gzip.compress("".join(rows).encode()))

    def damage(stage, done, of):
        if stage == "write":
            path.write_bytes(change(path.read_bytes()))

    with pytest.raises(ctxmem.InputError, match=r"corpus\.jsonl\.gz changed since the run began"):
        deduplicate(path, tmp_path / "out", progress=damage)


def test_folders_of_others_are_refused_and_stay(tmp_path, source):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(ctxmem.InputError, match=r"such as 'notes\.txt'"):
        deduplicate(source, tmp_path / "mine")
    with pytest.raises(ctxmem.InputError, match=r"such as 'corpus\.jsonl'"):
        deduplicate(source, source)
    (tmp_path / "mine/manifest.json").write_text("{}")
    with pytest.raises(ctxmem.InputError, match="not a manifest"):
        deduplicate(source, tmp_path / "mine")
    with pytest.raises(ctxmem.InputError, match="expected a folder apart"):
        deduplicate(source, tmp_path)
    assert {"notes.txt", "manifest.json"} == {path.name for path in (tmp_path / "mine").iterdir()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "spark"}, "engine is 'spark'"),
        ({"threshold": 0}, "threshold is 0"),
        ({"memory": 1000}, "memory is 1,000 bytes"),
        ({"memory": 1e9}, "memory is of type float"),
        ({"max_loss": 2}, "max_loss is 2"),
        ({"max_loss": "all"}, "max_loss is of type str"),
        ({"prefer": "best"}, "prefer is 'best'"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_written(
    tmp_path, source, options, message
):
    with pytest.raises(ctxmem.InputError, match=message):
        deduplicate(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", ["nowhere", [], 7, [3]])
def test_a_source_that_is_none_is_refused(tmp_path, given):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ctxmem.InputError, match="expected"):
        deduplicate(given, tmp_path / "out")
    with pytest.raises(ctxmem.InputError, match="no files"):
        deduplicate(tmp_path / "empty", tmp_path / "out")


def test_a_corpus_without_documents_gives_empty_results(tmp_path):
    (tmp_path / "empty.jsonl").write_text("")
    report = deduplicate(tmp_path / "empty.jsonl", tmp_path / "out")
    assert (report.documents, report.kept, report.groups) == (0, 0, 0)
    assert (tmp_path / "out/groups.jsonl").read_bytes() == b""


# The command and the benchmark


def test_the_benchmark_checks_what_it_measures(tmp_path, capsys):
    bench = import_module("ctxmem.bench.scale")
    texts, pairs = bench.write(tmp_path / "corpus.jsonl", 1500, 3)
    row = bench.measure(tmp_path / "corpus.jsonl", tmp_path / "out", 64 << 20, 1)
    found = bench.quality(tmp_path / "out", texts, pairs)
    assert (row["documents"], found["wrong"], found["recall"]) == (1500, 0, 1.0)
    assert found["pairs"] > 200 and found["looked"] > 150
    bench.show(row | found)
    assert "1,500" in capsys.readouterr().out
    groups_file = tmp_path / "out/groups.jsonl"
    groups_file.write_text(
        groups_file.read_text().replace('"similarity": 1.0', '"similarity": 0.9')
    )
    assert bench.quality(tmp_path / "out", texts, pairs)["wrong"] > 0
    groups_file.write_text("")
    assert bench.quality(tmp_path / "out", texts, pairs)["recall"] == 0.0


def test_the_command_writes_results_and_exits_with_what_it_found(tmp_path, source, capsys):
    out = str(tmp_path / "out")
    assert command(["dedup", str(source), "--out", out, "--engine", "local"]) == 1
    assert "300 documents" in capsys.readouterr().out
    assert command(["dedup", str(source), "--out", out, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["documents"] == 300
    assert command(["dedup", f"{out}/kept", "--out", f"{out}2", "--threshold", "1"]) == 0
    bad = tmp_path / "bad.jsonl"
    bad.write_text("no JSON\n")
    assert command(["dedup", str(bad), "--out", f"{out}3"]) == 2
    assert command(["dedup", str(source), "--engine", "local"]) == 2
    assert "needs --out" in capsys.readouterr().err
    assert command(["dedup", str(source), "--out", f"{out}4", "--paragraphs"]) == 2
    assert command(["dedup", "-", "--out", f"{out}4"]) == 2


@pytest.mark.parametrize(("text", "bytes_"), [("512M", 512 << 20), ("2GB", 2 << 30), ("70", 70)])
def test_memory_is_given_as_people_write_it(text, bytes_):
    assert bytes_ == size(text)
