"""The text that benchmarks measure on: generated, or real text of the person who measures."""

from __future__ import annotations

import json

import pytest
from ctxmem.bench import corpus
from ctxmem.bench import dedup as bench


def words(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{i}" for i in range(count))


def test_real_text_is_cut_into_passages(tmp_path):
    (tmp_path / "notes.txt").write_text(words("t", 320), encoding="utf-8")
    (tmp_path / "code.py").write_text(f'x = 1\n\n\ndef f():\n    """{words("d", 160)}"""\n')
    rows = [{"id": "7", "text": words("j", 90)}, {"hits": [{"text": words("k", 70)}]}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    made = corpus.real_passages((str(tmp_path),))
    expected = [
        words("d", 150),
        " ".join(f"{'j' if i < 90 else 'k'}{i if i < 90 else i - 90}" for i in range(150)),
        words("t", 150),
        " ".join(f"t{i}" for i in range(150, 300)),
    ]
    assert sorted(expected) == sorted(made)


def test_chunks_of_real_text_are_those_passages_and_edited_copies(tmp_path):
    file = tmp_path / "notes.md"
    file.write_text(words("w", 150 * 20), encoding="utf-8")
    chunks = corpus.chunks(30, paths=[str(file)])
    assert len(chunks) == 30
    assert len(set(chunks) & set(corpus.real_passages((str(file),)))) >= 18
    assert chunks == corpus.chunks(30, paths=[str(file)])
    with pytest.raises(ValueError, match=r"20 passages; expected 60 for 100 chunks"):
        corpus.chunks(100, paths=[str(file)])


def test_a_corpus_without_text_is_refused_before_anything_is_measured(tmp_path, capsys):
    with pytest.raises(SystemExit):
        bench.main(["--corpus", str(tmp_path / "none")])
    assert "does not exist" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bench.main(["--corpus", str(tmp_path)])
    assert "no text of 150 words" in capsys.readouterr().err


def test_a_corpus_too_small_is_named_and_the_rest_goes_on(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text(words("w", 150 * 200), encoding="utf-8")
    measured = bench.measure([50, 5000], 1, [str(file)], large=False)
    assert {row["n"] for row in measured["speed"]} == {50}
    assert [row["recall"] for row in measured["speed"][:1]] == [1.0]
    assert all("name more text" in reason for reason in measured["left out"])
    assert len(measured["left out"]) == 2
