"""The fit of the value model: evidence where it stands, and weights that the package reads."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from ctxmem.bench import fit_value
from ctxmem.bench.packers import Embedder
from ctxmem.bench.questions import read_set
from question_sets import write_set

from ctxmem import _native


@pytest.fixture
def data(tmp_path):
    """Return a folder of three sets, of which one is not judged."""
    for name in ("first_public", "nq_public", "second_public"):
        write_set(tmp_path, name)
    return tmp_path


def case_of(data, view):
    asked = next(iter(read_set(data, "first_public")))
    random = np.random.default_rng(0)
    return fit_value.read_case(asked, view, Embedder(asked.query, asked.hits), random)


def test_evidence_is_the_gold_of_each_span(data):
    case = case_of(data, fit_value.FULL)
    gold = [k for k, found in enumerate(case.evidence) if found > 0]
    assert [case.table.segment_texts[k][:24] for k in gold] == ["The harbour of first_pub"]
    (document, start, end), *_ = case.asked.gold
    assert document == "harbour"
    assert case.evidence[gold[0]] == end - start


@pytest.mark.parametrize("view", fit_value.JUDGED + fit_value.OTHERS, ids=lambda view: view.name)
def test_a_view_gives_what_it_says(data, view):
    case = case_of(data, view)
    known = dict(zip(_native.DRAFT_FEATURES, (case.draft >= 0).any(axis=0), strict=True))
    assert known["bm25"] == view.query
    assert known["cosine"] == view.embeddings
    assert known["span_cosine"] == view.vectors
    assert known["score"] == view.scores
    assert known["consensus"] == (view.ranks or view.scores)  # ranks follow from scores


def test_a_threshold_is_rounded_down_to_what_rows_are_compared_with():
    for threshold in (0.1, 1 / 3, 2.5, -0.7, 1e-30):
        rounded = fit_value._rounded_down(threshold)
        assert rounded <= threshold
        assert np.float32(rounded) == rounded
        assert float(np.nextafter(np.float32(rounded), np.float32(np.inf))) > threshold


def test_weights_are_fitted_judged_and_written_the_same_every_time(data, tmp_path, capsys):
    pytest.importorskip("lightgbm")
    small = {**fit_value.FOREST, "min_data_in_leaf": 2, "lambda_l2": 0.0}
    written = []
    for run in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fit_value, "FOREST", small)
            patch.setattr(fit_value, "TREES", 3)
            out, folder = tmp_path / f"all{run}.json", tmp_path / f"out{run}"
            options = ["--data", str(data), "--out", str(out), "--leave-out", str(folder)]
            assert fit_value.main(options) == 0
        written.append(out.read_bytes())
        assert sorted(p.stem for p in folder.iterdir()) == ["first_public", "second_public"]
    assert written[0] == written[1]
    weights = json.loads(written[0])
    assert set(weights["provenance"]["judged"]["full"]) == {"first", "second"}
    for expert in ("prose", "structured"):
        trees = weights[expert]
        assert len(trees["draft"]["leaves"]) == len(trees["final"]["leaves"]) == 3
    case = case_of(data, fit_value.FULL)
    density = np.asarray(_native.SpanModel(weights).predict(case.features))
    assert ((density > 0) & (density < 1)).all()
    assert "full: mean of all" in capsys.readouterr().out


def test_a_judge_keeps_all_evidence_where_all_fits(data):
    case = case_of(data, fit_value.WORDS)
    weights = json.loads((files("ctxmem") / "weights" / "value-1.json").read_text("utf-8"))
    shares = fit_value.judge(weights, [case])
    assert len(shares) == len(fit_value.BUDGETS)
    assert shares[-1] == 1.0
