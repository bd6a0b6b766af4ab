"""The benchmark of evidence: sums a person can check, windows that break a promise are caught."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ctxmem.bench import comparisons, evidence, frameworks, judge, packers, quality
from question_sets import write_set

import ctxmem
from ctxmem.cli import main

SCORER = '''
"""A scorer in few lines: a gold text is found whole or not at all."""
from pathlib import Path
from types import SimpleNamespace

import ctxmem
from ctxmem.bench.questions import read_set


class Hit(SimpleNamespace):
    pass


def load_set(path, scenario="multi", limit=None):
    path = Path(path)
    tasks = []
    for asked in read_set(path.parent, path.name, single=scenario == "single"):
        texts = {hit.doc: hit for hit in asked.hits}
        chunks = [Hit(**hit._asdict(), tokens=ctxmem.count_tokens(hit.text)) for hit in asked.hits]
        gold = [texts[d].text[a - texts[d].start : b - texts[d].start] for d, a, b in asked.gold]
        tasks.append(
            SimpleNamespace(
                set=asked.set, qid=f"{asked.set}/{asked.number}", query=asked.query, chunks=chunks,
                scores=asked.scores, embeddings=asked.embeddings, gold=gold, goldspans=asked.gold,
            )
        )
    return tasks[:limit]


def score_text(text, gold, budget):
    tokens = ctxmem.count_tokens(text)
    found = sum(one in text for one in gold) / len(gold)
    return dict(recall=found, dup=0.0, over=float(tokens > budget), tokens=tokens)
'''

BASELINES = """
from scorer import load_set  # a file beside the scorer may need it


def dense(query, chunks, scores, embeddings, budget):
    kept, spent = [], 0
    for i in (-scores[:, 0]).argsort(kind="stable"):
        if spent + chunks[i].tokens + 2 <= budget:
            kept.append(chunks[i].text)
            spent += chunks[i].tokens + 2
    return kept


def oracle_that_sees_gold(query, chunks, scores, embeddings, budget):
    raise AssertionError("not a packer of today")
"""


@pytest.fixture
def data(tmp_path):
    """Return a folder of two judged sets and a saturated one, scorer and baselines beside it."""
    folder = tmp_path / "sets"
    folder.mkdir()
    for name in ("first", "nq_easy", "second"):
        write_set(folder, name)
    (tmp_path / "scorer.py").write_text(SCORER, encoding="utf-8")
    (tmp_path / "baselines.py").write_text(BASELINES, encoding="utf-8")
    return folder


@pytest.fixture
def alone(monkeypatch):
    """Leave the frameworks out: they take seconds to import."""
    monkeypatch.setattr(frameworks, "packers", lambda: ({}, {}, ["LangChain (not asked)"]))


@pytest.fixture
def window():
    """Return a window with a cut in it, and the hits that it is made of."""
    sentences = [f"The gate was painted {colour} again. " for colour in ("red", "blue", "green")]
    text = "".join(sentences)
    hits = [
        ctxmem.Chunk(text[:60], id="a", source="gate", span=(0, 60), rank=0, list="dense"),
        ctxmem.Chunk(text[30:], id="b", source="gate", span=(30, len(text)), rank=1, list="dense"),
    ]
    made = ctxmem.pack(hits, 1000, query="What colour was the gate painted?")
    assert packers.contradictions(made, hits, packers.sources_of(hits)) == []
    return made, hits


# The whole ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_table_is_printed_and_drawn(data, tmp_path, capsys, alone):
    left_out = tmp_path / "weights"
    left_out.mkdir()
    shipped = Path(ctxmem.__file__).parent / "weights" / "value-1.json"
    for name in ("first", "second"):
        (left_out / f"{name}.json").write_bytes(shipped.read_bytes())
    page, told = tmp_path / "q.html", tmp_path / "q.json"
    command = ["bench", "quality", "--data", str(data), "--scorer", str(tmp_path / "scorer.py")]
    command += ["--left-out", str(left_out), "--html", str(page), "--json", str(told)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "4 questions: first 2, second 2; 25 of each set at most, --limit 0 takes all" in shown
    assert "not run: LangChain (not asked)" in shown
    report = json.loads(told.read_text())
    curves = report["scenarios"]["multi"]
    assert set(curves) == {"ctxmem", "ctxmem, words and ranks", "ctxmem, shipped weights", "dense"}
    assert curves["ctxmem"]["recall"]["8192"] == curves["dense"]["recall"]["8192"] == 1.0
    # The weights without a set are the shipped ones here, so both packers must agree.
    assert curves["ctxmem"] == curves["ctxmem, shipped weights"]
    rows = {row["what"]: row for row in report["rows"]}
    assert rows["overruns"]["met"] and report["broken"] == []
    # Left-out and shipped, words, and two oracles at 4 or 5 budgets each; single; versions; auto.
    windows = 4 * (5 + 5 + 5 + 4 + 4 + 5 + 5 + 1 + 1)
    assert rows["overruns"]["measured"] == f"0 of {windows} windows"
    speed = next(row for what, row in rows.items() if what.startswith("milliseconds"))
    assert speed["met"] is None and "about 100 hits" in speed["measured"]
    drawn = page.read_text()
    assert drawn.count('<svg class="plot"') == 2 and "ctxmem, words and ranks</text>" in drawn
    assert '"line m-new ours"' in drawn and "<title>ctxmem: " in drawn
    assert "passages by cosine" in drawn and "<script" not in drawn


def test_without_left_out_weights_it_says_how_to_make_them(data, tmp_path, capsys, alone):
    (tmp_path / "scorer.py").rename(tmp_path / "score.py")
    (tmp_path / "baselines.py").unlink()
    assert quality.main(["--data", str(data), "--limit", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    first = report["rows"][0]
    assert first["met"] is None and "fit_value --data PATH --leave-out FOLDER" in first["measured"]
    assert "no baselines.py beside the scorer" in report["absent"][0]
    assert any("not measured: there is no peer" in row["measured"] for row in report["rows"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no question sets are given; give --data PATH, a folder of NAME.json.gz"),
        (["--data", "empty"], "empty holds no question sets; give --data PATH"),
        (["--data", "sets"], "score.py; give --data PATH --scorer FILE"),
        (
            ["--data", "sets", "--scorer", "scorer.py", "--left-out", "empty"],
            "empty has no weights for first, second; expected NAME.json of every set",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(options, said, data, monkeypatch, capsys):
    monkeypatch.chdir(data.parent)
    Path("empty").mkdir()
    assert quality.main(options) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.slow
def test_the_whole_comparison_reads_it(data, tmp_path, capsys, alone):
    assert (
        quality.main(["--data", str(data), "--scorer", str(tmp_path / "scorer.py"), "--json"]) == 0
    )
    report = json.loads(capsys.readouterr().out)
    report["losses"] = [
        {"scenario": "multi", "set": "first", "budget": 512, "peer": "dense", "recall": 0.5,
         "peer recall": 0.8, "margin": -0.3, "low": -0.4, "high": -0.2}
    ]  # fmt: skip
    several, single, gap = comparisons.of_quality(report)
    assert several["rows"][0]["name"] == "ctxmem"
    assert several["more_is_better"] and single["n"] == 4
    assert several["title"].endswith("by weights that may have seen the sets")
    assert comparisons.lost(gap) == [gap["rows"][1]]
    page = import_module("ctxmem.report").bench_page(
        {"versions": {}, "machine": {}, "texts": {}, "absent": {}, "lost": [],
         "comparisons": [{"bench": "quality", **several}]}
    )  # fmt: skip
    assert "<polyline" in page


# Sums ---------------------------------------------------------------------------------------------


def row(of_set, number, budget, recall, dup=0.0):
    name = f"{of_set}/{number}"
    return {"set": of_set, "qid": name, "budget": budget, "recall": recall, "dup": dup}


def test_the_margin_is_to_the_best_peer_at_that_budget():
    ours = [row("a", 0, 512, 1.0), row("a", 1, 512, 0.5), row("b", 0, 512, 0.5)]
    peers = {
        "even": [row("a", 0, 512, 0.5), row("a", 1, 512, 0.0), row("b", 0, 512, 0.5)],
        "odd": [row("a", 0, 512, 0.0), row("a", 1, 512, 0.0), row("b", 0, 512, 0.7)],
    }
    # a: .75, b: .5, so .625; even .25 and .5, so .375; odd 0 and .7, so .35.
    gap = judge.margin(ours, peers, 512)
    assert (gap["peer"], gap["recall"], gap["peer recall"]) == ("even", 0.625, 0.375)
    assert gap["margin"] == 0.25
    # Every question of a is .5 better and that of b equal: no resampling changes the mean.
    assert (gap["low"], gap["high"]) == (0.25, 0.25)
    (lost,) = judge.losses(ours, peers)
    assert (lost["set"], lost["peer"], round(lost["margin"], 9)) == ("b", "odd", -0.2)


def test_aub_is_a_mean_of_means_and_leaves_the_largest_budget_out():
    rows = [row("a", n, budget, 1.0) for n in range(9) for budget in judge.BUDGETS]
    rows += [row("b", 0, budget, 0.0) for budget in judge.BUDGETS[: judge.JUDGED]]
    rows += [row("b", 0, judge.BUDGETS[-1], 0.6)]
    assert judge.aub(rows) == 0.5
    assert judge.macro(rows, "recall", 8192) == 0.8


def test_the_interval_is_narrow_where_questions_agree():
    wide = judge.interval({"a": np.array([0.0, 1.0] * 10), "b": np.ones(20)})
    assert 0.6 < wide[0] < 0.75 < wide[1] < 0.9
    assert judge.interval({"a": np.full(20, 0.3)}) == pytest.approx((0.3, 0.3))


def test_a_scorer_that_sums_up_otherwise_is_told(data, tmp_path):
    rows = [row("a", 0, budget, 0.5) for budget in judge.BUDGETS]
    (tmp_path / "scorer.py").write_text("def aub(rows):\n    return 0.7\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"our mean recall is 0\.5, the scorer's 0\.7"):
        judge.Judge(tmp_path / "scorer.py", data, None).check(rows)


# Windows ------------------------------------------------------------------------------------------


def test_overlapping_hits_become_one_source(window):
    _, hits = window
    ((start, text),) = packers.sources_of([*hits, hits[0]])["gate"]
    assert start == 0 and text.startswith(hits[0].text) and text.endswith(hits[1].text)
    apart = replace(hits[1], span=(500, 500 + len(hits[1].text)))
    assert [at for at, _ in packers.sources_of([hits[0], apart])["gate"]] == [0, 500]
    differs = replace(hits[1], text="X" + hits[1].text[1:])
    assert [at for at, _ in packers.sources_of([hits[0], differs])["gate"]] == [0, 30]


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (
            lambda piece: replace(piece, text=piece.text.replace("blue", "grey")),
            "is not in",
        ),
        (lambda piece: replace(piece, spans=((1, 1 + len(piece.text)),)), "is not in"),
        (lambda piece: replace(piece, header="# Gate\n"), "is before a piece"),
        (lambda piece: replace(piece, source="door"), "is not in"),
        (lambda piece: replace(piece, chunk_ids=("c",)), "kept, or shown, but not both"),
    ],
    ids=["bytes", "place", "header", "source", "decision"],
)
def test_a_planted_violation_is_found(planted, said, window):
    made, hits = window
    pieces = (planted(made.pieces[0]), *made.pieces[1:])
    text = "\n\n".join(piece.header + piece.text for piece in pieces)
    broken = replace(made, pieces=pieces, text=text)
    assert any(
        said in one for one in packers.contradictions(broken, hits, packers.sources_of(hits))
    )


def test_text_that_is_no_piece_and_inputs_without_decision_are_found(window):
    made, hits = window
    sources = packers.sources_of(hits)
    more = replace(made, text=made.text + "\n\nBuy now.")
    assert packers.contradictions(more, hits, sources) == ["the text is not its pieces"]
    told = packers.contradictions(made, [*hits, hits[0]], sources)
    assert told == ["3 hits, 2 decisions"]


def test_other_weights_last_as_long_as_they_are_asked_for(tmp_path):
    rooms = [import_module(f"ctxmem.value.{name}") for name in ("spans", "verify")]
    shipped = [room.model for room in rooms]
    path = tmp_path / "w.json"
    path.write_bytes((Path(ctxmem.__file__).parent / "weights" / "value-1.json").read_bytes())
    with pytest.raises(ZeroDivisionError), packers.valued_by(path):
        other = rooms[0].model()
        assert other is rooms[1].model() and other is not shipped[0]()
        raise ZeroDivisionError
    assert [room.model for room in rooms] == shipped


def test_the_oracle_scores_the_share_that_is_gold_and_may_be_asked_about_all():
    text = "".join(f"Lamp {k} stands by door {k + 1} of the hall. " for k in range(40))
    hit = SimpleNamespace(text=text, doc="hall", start=100, end=100 + len(text))
    at = text.index("Lamp 7 ")
    task = SimpleNamespace(chunks=[hit], goldspans=[("hall", 100 + at, 100 + at + 13)])
    scorer = evidence.oracle(task)
    assert scorer("?", ["Lamp 7 stands", "Lamp 7 stands by door 8 of", "Lamp 8", "no"]) == [
        1.0, 0.5, 0.0, 0.0,
    ]  # fmt: skip
    hits = [ctxmem.Chunk(text, source="hall", span=(100, 100 + len(text)), rank=0, list="dense")]
    options = {"query": "Where is lamp 7?", "scorer": scorer}
    with evidence.asking_all():
        of_all = ctxmem.pack(hits, 60, **options)
    assert ctxmem.pack(hits, 60, **options).scored_count < of_all.scored_count == 40
    assert of_all.passages == 40


def test_only_questions_of_about_a_hundred_hits_are_timed_and_the_first_warms_up():
    def task(hits):
        chunks = [
            SimpleNamespace(text=f"Passage {i} of {hits}.", key=i, source="A.bm25.q", doc=str(i),
                            start=0, end=9, rank=i)
            for i in range(hits)
        ]  # fmt: skip
        query = {"text": "Which passage?", "variants": []}
        return SimpleNamespace(chunks=chunks, scores=np.zeros((hits, 2)), query=query)

    ticks = [iter([0.0, 1.0, 2.0, 2.004]), iter([0.0, 0.5, 7.0, 7.003])]
    clocks = [lambda: next(ticks[0]), lambda: next(ticks[1])]
    wall, processor = evidence.milliseconds([task(n) for n in (20, 90, 110, 300)], clocks)
    assert wall == pytest.approx([4.0]) and processor == pytest.approx([3.0])
    assert evidence.spread([1.0, 2.0, 9.0]) == {"median": 2.0, "low": 1.5, "high": 5.5, "n": 3}


# Frameworks ---------------------------------------------------------------------------------------


def asked(*texts, lists=("dense", "bm25")):
    return [
        SimpleNamespace(text=text, source=name, rank=rank, tokens=10)
        for name in lists
        for rank, text in enumerate(texts)
    ]


def test_ranks_that_begin_again_are_another_list():
    chunks = asked("a", "b", lists=("dense", "bm25", "dense"))
    assert frameworks.lists_of(chunks) == [[0, 1], [4, 5], [2, 3]]


def test_frameworks_order_and_we_fill():
    pytest.importorskip("langchain_classic")
    chunks = [*asked("a", "b", "c", lists=("dense",)), *asked("c", "a", lists=("bm25",))]
    pack = frameworks.filling(frameworks.rank_fusion())
    # Of 1 / (60 + rank): a 1/61 + 1/62, c 1/63 + 1/61, b 1/62 alone.
    assert pack({"text": "?"}, chunks, None, None, 100) == ["a", "c", "b"]
    assert pack({"text": "?"}, chunks, None, None, 24) == ["a", "c"]


def test_llama_index_drops_below_the_cutoff():
    pytest.importorskip("llama_index.core")
    scores = np.array([[0.2, 0], [0.5, 0], [0.9, 0]])
    order = frameworks.similarity_cutoff()
    assert order({}, asked("a", "b", "c", lists=("dense",)), scores, None) == [2, 1]


def test_langchain_drops_what_is_close_by_embedding():
    pytest.importorskip("langchain_community")
    scores = np.array([[0.9, 0], [0.8, 0], [0.7, 0]])
    vectors = np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]])
    order = frameworks.redundant_filter()
    kept = order({}, asked("a", "b", "c", lists=("dense",)), scores, vectors)
    assert len(kept) == 2 and 2 in kept


def test_a_framework_that_is_not_installed_is_named(monkeypatch):
    def missing():
        raise ImportError

    only = {"Peer": (missing, "peer"), "Other": (lambda: lambda *_: [], "numpy")}
    monkeypatch.setattr(frameworks, "FRAMEWORKS", only)
    made, versions, absent = frameworks.packers()
    assert list(made) == ["Other"] and versions == {"numpy": np.__version__}
    assert absent == ["Peer (peer is not installed)"]
