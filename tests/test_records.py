"""Files of any kind are read, streaming; what is damaged is counted and what is around it read."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import sys

import pytest

from ctxmem import InputError, MissingExtraError
from ctxmem.traces import Kind, Passage, ReadStats, read_events, read_records, records

FIRST = "A parcel that nobody takes in goes back to the shop after seven days."


def read(path, **options):
    stats = ReadStats()
    return list(read_events(read_records(str(path), stats, **options), stats)), stats


HIT = json.dumps({"query": "q", "hits": [{"text": FIRST}]}).encode()
PRETTY = b'{\n "query": "q",\n "hits": [\n  {"text": "' + FIRST.encode() + b'"}\n ]}'


def test_what_is_unknown_or_damaged_is_counted_and_the_rest_read(tmp_path):
    deep = b'{"hits":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    lines = [HIT, b"{not json", b'{"what": 1}', b"[1, 2]", deep, b"", HIT[:-5] + b"\xff" + HIT[-5:]]
    lines += [b'{"run_type": "retriever", "inputs": [], "outputs": {"documents": 7}}', HIT]
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"\n".join(lines))
    found, stats = read(file)
    assert sum(event.kind is Kind.RETRIEVAL for event in found) >= 2
    assert stats.skipped["not JSON"] >= 1
    assert stats.skipped["nested too deeply"] == 1
    assert stats.skipped["lines with bytes that are not UTF-8, read as U+FFFD"] == 1
    assert stats.skipped["of no known format"] == 3
    assert stats.places["nested too deeply"] == [f"{file}:5"]


def test_long_lines_are_passed_over_without_being_held(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(HIT + b"\n" + b'"' + b"x" * 5_000_000 + b'"\n' + HIT + b"\n")
    found, stats = read(file, max_line=1 << 20)
    assert len(found) == 2
    assert stats.places == {
        "a line of more than 1 MB: write one record a line, such as with jq -c '.[]'": [f"{file}:2"]
    }


@pytest.mark.parametrize("indent", [None, 2])
def test_one_document_is_read_as_lines_are(tmp_path, indent):
    file = tmp_path / "a.json"
    file.write_text(json.dumps([json.loads(HIT)] * 3, indent=indent))
    assert len(read(file)[0]) == 3


def test_a_damaged_first_line_does_not_hide_the_others(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"cut off":\n' + HIT + b"\n" + HIT)
    found, stats = read(file)
    assert len(found) == 2 and stats.skipped == {"not JSON": 1}


def test_a_damaged_first_line_of_a_large_file_does_not_hide_the_others(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"{\n" + (HIT + b"\n") * 3000)
    found, stats = read(file, max_line=1 << 16)
    assert len(found) == 3000 and stats.skipped == {"not JSON": 1}


def test_gzip_is_told_by_its_first_bytes_and_a_cut_one_is_reported(tmp_path):
    packed = gzip.compress(b"\n".join([HIT] * 2000))
    whole, part = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"
    whole.write_bytes(packed)
    part.write_bytes(packed[: len(packed) // 2])
    assert len(read(whole)[0]) == 2000
    _, stats = read(part)
    assert any("could not be read, or not to its end" in reason for reason in stats.skipped)


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(HIT))))
    assert len(read("-")[0]) == 1


def test_folders_and_patterns_are_searched(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jsonl").write_bytes(HIT)
    (tmp_path / "notes.txt").write_text("no trace")
    assert len(read(tmp_path)[0]) == 1
    assert len(read(tmp_path / "*" / "*.jsonl")[0]) == 1


def test_paths_that_lead_nowhere_are_explained(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.jsonl cannot be read \(no such file\)"):
        read(tmp_path / "nothing.jsonl")
    with pytest.raises(InputError, match=r"holds no traces; expected files that end in \.jsonl"):
        read(tmp_path)


def test_parquet_is_read_with_its_extra(tmp_path, monkeypatch):
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ctxmem\[parquet\]'"):
        read(file)
    (tmp_path / "b.jsonl").write_bytes(HIT)
    found, stats = read(tmp_path)  # found in a folder it is one file among others
    assert len(found) == 1
    assert list(stats.skipped) == ["Parquet, which needs pyarrow: pip install 'ctxmem[parquet]'"]


def test_a_file_that_may_not_be_read_is_told_with_why(tmp_path, monkeypatch):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(HIT)

    def refuse(path, mode):
        if path.endswith("a.jsonl"):
            raise PermissionError(13, "Permission denied")
        return open(path, mode)

    monkeypatch.setattr(records, "open", refuse, raising=False)
    found, stats = read(tmp_path)
    assert len(found) == 1
    assert list(stats.places.items()) == [
        ("the file could not be read, or not to its end (Permission denied)",
         [str(tmp_path / "a.jsonl")])
    ]  # fmt: skip


def test_parquet_rows_are_records(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"run_type": "retriever", "id": "1", "inputs": '{"query": "q"}',
             "outputs": json.dumps({"documents": [{"page_content": FIRST}]})}]  # fmt: skip
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    (event,), _ = read(tmp_path / "a.parquet")
    assert event.passages == [Passage(FIRST)]


def test_progress_is_told_about_every_megabyte(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes((HIT + b"\n") * 40_000)
    seen = []
    read(file, progress=lambda stats: seen.append(stats.bytes))
    assert len(seen) == file.stat().st_size // (1 << 20) and seen == sorted(seen)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (HIT + HIT + b" " + HIT, ["1#1", "1#2", "1#3"]),
        (b"\r".join([HIT, HIT]), ["1#1", "1#2"]),
        (b"\n\n" + PRETTY + b"\n" + PRETTY, ["3", "8"]),  # as jq writes it
        (PRETTY + b"\n" + HIT, ["1", "6"]),
        (codecs.BOM_UTF8 + PRETTY, ["1"]),
        ((HIT.decode() + "\r\n" + HIT.decode()).encode("utf-16"), ["1", "2"]),
        (codecs.BOM_UTF16_BE + PRETTY.decode().encode("utf-16-be"), ["1"]),
        (gzip.compress(HIT.decode().encode("utf-16")), ["1"]),
    ],
    ids="row carriage-returns documents document-and-line bom utf-16 utf-16-be packed".split(),
)
def test_json_is_read_however_it_is_written(tmp_path, data, lines):
    file = tmp_path / "a.json"
    file.write_bytes(data)
    found, stats = read(file)
    assert [event.place for event in found] == [f"{file}:{line}" for line in lines]
    assert all(event.passages[0].text == FIRST for event in found)
    assert not stats.skipped and stats.records == len(lines)


def test_what_comes_before_damage_is_read(tmp_path):
    packed, documents, row = (tmp_path / name for name in ("a.gz", "b.json", "c.jsonl"))
    packed.write_bytes(gzip.compress(b"\n".join([HIT] * 2000))[:-20])
    documents.write_bytes(PRETTY + b"\n" + PRETTY[:-2])
    row.write_bytes(HIT + b"oops\n" + HIT)
    found, stats = read(packed)
    assert 1000 < len(found) < 2000
    assert [reason[:45] for reason in stats.skipped] == [
        "the file could not be read, or not to its end"
    ]
    for file, place, count in ((documents, f"{documents}:6", 1), (row, f"{row}:1", 2)):
        found, stats = read(file)
        assert len(found) == count and stats.places == {"not JSON": [place]}


def test_a_large_document_is_passed_over_with_what_to_do(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(json.dumps([json.loads(HIT)] * 2000, indent=1).encode())
    found, stats = read(file, max_line=1 << 16)
    (reason,) = stats.skipped
    assert not found and "a document of more than 0 MB" in reason and "jq -c '.[]'" in reason
