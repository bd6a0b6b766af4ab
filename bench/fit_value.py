"""Which weights predict the value of spans best on unseen questions? Fits and evaluates them.

    python -m ctxmem.bench.fit_value --data PATH [--out FILE] [--leave-out FOLDER]

The trees of `ctxmem.value` are fitted on sets of questions with marked evidence, separately for
running text and for technical texts. Each question is used in several views (with and without
vectors, scores, variants, ranks), so that one model serves all callers. A model is evaluated on
each set with weights fitted without that set. The same seed and data give the same file.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ctxmem.bench.native_testing import native as testing
from ctxmem.bench.packers import Embedder
from ctxmem.bench.questions import Asked, read_set, sets_in
from ctxmem.bench.structure import read_questions
from numpy.typing import NDArray

import ctxmem
from ctxmem import _native, intake, tokens
from ctxmem.dedup import find_repeats
from ctxmem.outline import cut_segments
from ctxmem.value import add_rank_fusion, describe, read_question

BUDGETS = (512, 1024, 2048, 4096)

SATURATED = "nq_public"
"""A set of which every packer finds all evidence: used for fitting, not for evaluation."""

SOURCES = {
    "2wiki_public": "2WikiMultihopQA (Apache-2.0)",
    "chroma_public": "chunking_evaluation by Chroma (MIT)",
    "cuad_public": "CUAD v1, The Atticus Project (CC BY 4.0)",
    "hotpot_public": "HotpotQA (CC BY-SA 4.0)",
    "nda_public": "ContractNLI, Stanford NLP (CC BY 4.0)",
    "nq_public": "Natural Questions open, via lost-in-the-middle (CC BY-SA 3.0, MIT)",
    "pycode": "functions of the Python standard library (PSF-2.0)",
    "qmsum": "QMSum (MIT)",
    "tatqa": "TAT-QA (CC BY 4.0)",
    **{f"xquad_{code}": "XQuAD (CC BY-SA 4.0)" for code in ("ar", "en", "th", "zh")},
    **{
        f"structure_{kind}": "documentation of Python projects, by their licences"
        for kind in ("code", "config", "option", "prose", "steps", "table")
    },
}

STRUCTURED = ("pycode", "qmsum", "tatqa")
"""Sets of tables, code and dialogue."""


BOOSTING = {
    "objective": "cross_entropy",
    "learning_rate": 0.05,
    "num_leaves": 12,
    "min_data_in_leaf": 300,
    "lambda_l2": 50.0,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 63,
    "use_missing": False,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
TREES = 200
BLEND = 0.25
EVEN = 2.0
SPANS = 3.0
"""Questions with this many spans of evidence weigh 1; others up to `EVEN` times more or less."""

NEGATIVES = 0.2
"""Share of the spans without evidence used for fitting; they are weighted up to all of them."""

MORE_IS_BETTER = (
    "consensus",
    "leading",
    "best_rank",
    "lists",
    "score",
    "cosine",
    "span_cosine",
    "variant_cosine",
    "bm25",
    "coverage",
    "density",
)
"""Prefixes of the names of features with a monotone constraint: more never lowers the value."""


FINAL_BESIDE = (
    "consensus_sum",
    "bm25_variants",
    "coverage",
    "span_cosine",
    "terms",
    "document_consensus",
    "consensus_even",
    "documents",
    "spans",
)
"""First-round features of the second stage, in addition to those computed from drafts."""


class View(NamedTuple):
    """The part of the data that a caller passes."""

    name: str
    weight: float
    query: bool = True
    variants: bool = True
    ranks: bool = True
    scores: bool = True
    embeddings: bool = True
    vectors: bool = True  # an embed function, and so vectors of spans
    single: bool = False  # one dense list
    part: bool = False  # only some of the lists and of their hits


FULL = View("full", 1.0)
WORDS = View("words and ranks", 1.0, scores=False, embeddings=False, vectors=False)
NO_EMBEDDING = View("no embedding", 0.5, embeddings=False, vectors=False)
SINGLE = View("single list", 0.7, single=True)
JUDGED = (FULL, NO_EMBEDDING, WORDS, SINGLE)
OTHERS = (
    View("no vectors of spans", 0.7, vectors=False),
    View("no variants", 0.7, variants=False),
    View("no variants, no vectors", 0.7, variants=False, vectors=False),
    View("query and ranks", 0.7, variants=False, scores=False, embeddings=False, vectors=False),
    View("query and scores", 0.7, variants=False, ranks=False, embeddings=False, vectors=False),
    View("query", 0.7, variants=False, ranks=False, scores=False, embeddings=False, vectors=False),
    View("ranks", 0.5, query=False, variants=False, scores=False, embeddings=False, vectors=False),
    View("vectors", 0.5, ranks=False, scores=False, variants=False),
    View("part", 0.7, part=True),
    View("part in words", 0.7, scores=False, embeddings=False, vectors=False, part=True),
    View("single, words", 0.7, scores=False, embeddings=False, vectors=False, single=True),
    View("single, scores", 0.7, ranks=False, variants=False, vectors=False, single=True),
)
OF_WORDS = tuple(view for view in OTHERS if not (view.scores or view.embeddings or view.vectors))
"""Views without scores and vectors, since hits of technical texts have none."""

ROOMS = (450, 900, 1600)
"""Maximum unit sizes in bytes, as for small and large budgets."""

LABEL = 1 << _native.SPAN_FLAGS.index("label")
"""The flag of units that are labels: they have no value of their own."""

Shares = Callable[[str], float]


def of_prose(name: str) -> float:
    """Return the weight of a set in the model for running text."""
    if name.startswith("xquad"):
        return 0.15  # four languages of the same paragraphs
    return 1.0 if name not in STRUCTURED and not name.startswith("structure") else 0.0


def of_structured(name: str) -> float:
    """Return the weight of a set in the model for technical texts, tables, code and dialogue."""
    return 0.5 if name.startswith("structure") else 0.7 if name in STRUCTURED else 0.0


SHARES: dict[str, Shares] = {"prose": of_prose, "structured": of_structured}
"""The two models (csrc/core/ranking) and the weights of the sets they are fitted on."""

FOLDS = 4
"""Number of groups of sets; drafts for each group come from trees fitted on the others."""

SAMPLED = 3
"""Of the others, how many each question is seen in."""


class Case(NamedTuple):
    """A question in one view: the features of its spans, and which of the spans are evidence."""

    asked: Asked
    view: View
    features: _native.SpanFeatures
    draft: NDArray[np.float32]
    evidence: NDArray[np.float64]  # characters of gold in each span
    length: NDArray[np.float64]
    table: ctxmem.candidates.Candidates


def read_case(asked: Asked, view: View, embed: Any, random: np.random.Generator) -> Case:
    """Run the steps of `pack` on the hits, up to their features."""
    lists = sorted({hit.source for hit in asked.hits})
    kept_lists = set(lists)
    if view.part and len(lists) > 1:
        kept_lists = set(random.choice(lists, random.integers(1, len(lists)), replace=False))
    depth = int(random.integers(8, 40)) if view.part else 10**9
    hits = [
        ctxmem.Chunk(
            hit.text,
            id=str(hit.key),
            score=float(asked.scores[i, int("bm25" in hit.source)]) if view.scores else None,
            embedding=asked.embeddings[i] if view.embeddings else None,
            source=hit.doc,
            span=(hit.start, hit.end),
            rank=hit.rank if view.ranks else None,
            list=hit.source if view.ranks or view.scores else None,
        )
        for i, hit in enumerate(asked.hits)
        if hit.source in kept_lists and hit.rank < depth
    ]
    table = intake.read(hits)
    find_repeats(table)
    add_rank_fusion(table)
    cut_segments(table, spans=True, labels=True, room=int(random.choice(ROOMS)))
    tokens.price_segments(table, tokens.resolve("o200k_base"))
    question = read_question(
        asked.query["text"] if view.query else None,
        asked.query["variants"] if view.variants else (),
        asked.query["emb"] if view.embeddings or view.vectors else None,
        embed if view.vectors else None,
    )
    features = describe(table, question)
    length = np.maximum(1, np.diff(table.segment_span, axis=1)[:, 0]).astype(np.float64)
    return Case(asked, view, features, features.draft(), _evidence(table, asked), length, table)


def _evidence(table: ctxmem.candidates.Candidates, asked: Asked) -> NDArray[np.float64]:
    source = {}
    for i in table.unique.tolist():
        if table.first_segment[i] < table.last_segment[i]:
            source[int(table.segment_merged[table.first_segment[i]])] = table.chunks[i].source
    found = np.zeros(len(table.segment_span))
    for s, (start, end) in enumerate(table.segment_span.tolist()):
        merged_text = int(table.segment_merged[s])
        at = int(table.merged_place[merged_text])
        for document, first, last in asked.gold:
            if document == source.get(merged_text):
                found[s] += max(0, min(end + at, last) - max(start + at, first))
    return found


def collect(folders: Sequence[Path], structure: Path | None = None, seed: int = 0) -> list[Case]:
    """Return every question in the evaluated views and in some of the other views."""
    random = np.random.default_rng(seed)
    cases = []
    named = [(folder, name) for folder in folders for name in sets_in(folder)]
    for folder, name in named:
        singles = {asked.number: asked for asked in read_set(folder, name, single=True)}
        for asked in read_set(folder, name):
            embed = Embedder(asked.query, asked.hits)
            others = [OTHERS[k] for k in random.choice(len(OTHERS), SAMPLED, replace=False)]
            for view in (*JUDGED, *others):
                seen = singles[asked.number] if view.single else asked
                if seen.hits:
                    cases.append(read_case(seen, view, embed, random))
    for asked in read_questions(structure) if structure is not None else ():
        others = [OF_WORDS[k] for k in random.choice(len(OF_WORDS), SAMPLED, replace=False)]
        cases.extend(read_case(asked, view, None, random) for view in (WORDS, *others))
    return cases


FINAL_NAMES = [
    name
    for name in testing.FINAL_FEATURES
    if name in FINAL_BESIDE or name not in _native.DRAFT_FEATURES
]
FINAL_COLUMNS = [testing.FINAL_FEATURES.index(name) for name in FINAL_NAMES]


# Fitting ------------------------------------------------------------------------------------------


def fit(
    cases: Sequence[Case],
    rows: Sequence[NDArray[np.float32]],
    names: Sequence[str],
    seed: int = 0,
) -> Any:
    """Return a booster that predicts the share of a span that is evidence."""
    import lightgbm

    random = np.random.default_rng(seed)
    questions: dict[str, set[int]] = {}
    for case in cases:
        questions.setdefault(case.asked.set, set()).add(case.asked.number)
    kept, target, weight = [], [], []
    for case, row in zip(cases, rows, strict=True):
        y = np.minimum(1.0, case.evidence / case.length)
        chosen = (y > 0) | (random.random(len(y)) < NEGATIVES)
        chosen &= (case.table.segment_flags & LABEL) == 0
        of_span = np.sqrt(case.length / case.length.mean()) * case.view.weight
        # Every set has the same weight, regardless of its number of questions.
        of_span = of_span / len(questions[case.asked.set]) / len(y)
        # A question with little evidence has a slightly higher weight, one with much a lower one.
        gold = float((y * case.length).sum() / case.length.mean())
        of_span = of_span * min(EVEN, max(1 / EVEN, SPANS / max(gold, 0.3)))
        kept.append(row[chosen])
        target.append(y[chosen])
        weight.append((of_span * np.where(y > 0, 1.0, 1 / NEGATIVES))[chosen])
    weights = np.concatenate(weight)
    monotone = [int(name.startswith(MORE_IS_BETTER)) for name in names]
    data = lightgbm.Dataset(
        np.concatenate(kept),
        np.concatenate(target),
        weight=weights / weights.mean(),
        feature_name=list(names),
    )
    return lightgbm.train({"seed": seed, "monotone_constraints": monotone, **BOOSTING}, data, TREES)


class Model(NamedTuple):
    """Both stages, as boosters."""

    draft: Any
    final: Any


class Experts:
    """The models of both kinds of text, fitted once for each choice of left-out sets."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases
        self.fitted: dict[tuple[str, frozenset[str]], Model] = {}

    def without(self, *left_out: str) -> dict[str, Model]:
        """Return the model of each kind of text, fitted without some sets."""
        return {kind: self._fit(kind, share_of, left_out) for kind, share_of in SHARES.items()}

    def _fit(self, kind: str, share_of: Shares, left_out: Sequence[str]) -> Model:
        unseen = frozenset(name for name in left_out if share_of(name) > 0)
        if (kind, unseen) not in self.fitted:
            cases = [
                case._replace(view=case.view._replace(weight=case.view.weight * share))
                for case in self.cases
                if (share := share_of(case.asked.set)) > 0 and case.asked.set not in unseen
            ]
            # Without a set of this kind, the model is fitted on all sets.
            others = [case for case in self.cases if case.asked.set not in left_out]
            self.fitted[kind, unseen] = fit_model(cases or others)
        return self.fitted[kind, unseen]


def fit_model(cases: Sequence[Case]) -> Model:
    """Fit both stages of a model.

    The second stage is fitted on drafts of trees that have not seen the set, by cross-fitting over
    `FOLDS` groups of sets (Chernozhukov et al. 2018), since in-sample drafts would be too accurate.
    """
    names = list(_native.DRAFT_FEATURES)
    sets = sorted({case.asked.set for case in cases})
    fold = {name: number % FOLDS for number, name in enumerate(sets)}
    rows: list[NDArray[np.float32]] = [np.zeros((0, 0), dtype=np.float32)] * len(cases)
    for held in range(min(FOLDS, len(sets))):
        seen = [case for case in cases if fold[case.asked.set] != held]
        blind = fit(seen, [case.draft for case in seen], names)
        for k, case in enumerate(cases):
            if fold[case.asked.set] == held:
                drafted = np.asarray(blind.predict(case.draft), dtype=np.float32)
                rows[k] = testing.final_features(case.features, drafted)[:, FINAL_COLUMNS]
    draft = fit(cases, [case.draft for case in cases], names)
    return Model(draft, fit(cases, rows, FINAL_NAMES))


# Judging ------------------------------------------------------------------------------------------


def judge(data: Mapping[str, Any], cases: Iterable[Case]) -> list[float]:
    """Return the share of the evidence, in characters, that a fill keeps at each of `BUDGETS`.

    `data` is the content of a weights file, so the evaluated model is the one the package reads.
    """
    model = _native.SpanModel(data)
    found = [
        _kept_evidence(case, model.predict(case.features).astype(np.float64)) for case in cases
    ]
    return [round(float(share), 4) for share in np.mean(found, axis=0)]


def _kept_evidence(case: Case, density: NDArray[np.float64]) -> list[float]:
    table = case.table
    gold = max(1, sum(end - start for _, start, end in case.asked.gold))
    shares = []
    for budget in BUDGETS:
        _, _, kept, *_ = _native.select_units(
            texts=table.merged_texts,
            first=table.merged_first,
            start=np.ascontiguousarray(table.segment_span[:, 0]),
            end=np.ascontiguousarray(table.segment_span[:, 1]),
            flags=table.segment_flags,
            need=table.segment_need,
            also=table.segment_also,
            tokens=table.segment_tokens,
            density=density,
            requirement=np.zeros(len(density), dtype=np.uint8),
            overhead=np.full(len(table.merged_texts), 2, dtype=np.int64),
            again=2,
            limit=budget,
            bounded=False,
        )
        shares.append(float(case.evidence[kept.astype(bool)].sum()) / gold)
    return shares


# Writing ------------------------------------------------------------------------------------------


def as_data(models: Mapping[str, Model], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights file: nodes of a tree before those under them, left before right."""
    experts = {
        kind: {
            "blend": BLEND,
            "draft": _trees(model.draft, _native.DRAFT_FEATURES),
            "final": _trees(model.final, FINAL_NAMES),
        }
        for kind, model in models.items()
    }
    return {"version": 2, "provenance": dict(provenance), **experts}


def _trees(booster: Any, names: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "features": list(names),
        "bias": 0.0,
        **{name: [] for name in ("leaves", "left", "feature", "threshold", "value")},
    }

    def walk(node: Mapping[str, Any]) -> int:
        """Append a node with its subtree; return its number of leaves."""
        if "split_feature" not in node:
            made["value"].append(float(f"{node['leaf_value']:.5g}"))
            return 1
        at = len(made["left"])
        made["left"].append(0)
        made["feature"].append(node["split_feature"])
        made["threshold"].append(_rounded_down(node["threshold"]))
        made["left"][at] = walk(node["left_child"])
        return int(made["left"][at]) + walk(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        made["leaves"].append(walk(tree["tree_structure"]))
    return made


def _rounded_down(threshold: float) -> float:
    """Return the greatest 32-bit float that is not greater; features are 32-bit floats."""
    near = np.float32(threshold)
    if float(near) > threshold:
        near = np.nextafter(near, np.float32(-np.inf))
    return float(str(near))


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate with left-out sets, then fit on all sets and write the weights."""
    parser = argparse.ArgumentParser(prog="ctxmem bench fit_value", description=__doc__)
    parser.add_argument(
        "--data", required=True, type=Path, nargs="+", help="folders of the question sets"
    )
    parser.add_argument("--structure", type=Path, help="file of questions to technical texts")
    parser.add_argument("--only", nargs="*", help="leave out only these sets; all if not given")
    parser.add_argument("--out", type=Path, help="write the weights of all sets here")
    parser.add_argument("--leave-out", type=Path, help="write one file here for each left-out set")
    options = parser.parse_args(argv)
    cases = collect(options.data, options.structure)
    experts = Experts(cases)
    judged: dict[str, dict[str, list[float]]] = {view.name: {} for view in JUDGED}
    of_all = {
        "date": datetime.date.today().isoformat(),
        "sets": [SOURCES.get(name, name) for name in sorted({case.asked.set for case in cases})],
        "views": [view.name for view in (*JUDGED, *OTHERS)],
        "lightgbm": _lightgbm_version(),
    }
    print(f"{'left out':16s}{'view':18s}" + "".join(f"{budget:>8}" for budget in BUDGETS))
    sets = sorted({case.asked.set for case in cases} - {SATURATED})
    for name in sets if options.only is None else options.only:
        data = as_data(experts.without(name), {**of_all, "left_out": [name]})
        for view in JUDGED:
            seen = [case for case in cases if case.asked.set == name and case.view == view]
            if not seen:
                continue
            judged[view.name][name.removesuffix("_public")] = shares = judge(data, seen)
            print(f"{name:16s}{view.name:18s}" + "".join(f"{share:8.3f}" for share in shares))
        if options.leave_out is not None:
            _write(options.leave_out / f"{name}.json", data)
    for view_name, sets in judged.items():
        print(f"{view_name}: mean of all {np.mean(list(sets.values())):.4f}")
    if options.out is not None:
        _write(options.out, as_data(experts.without(), {**of_all, "judged": judged}))
    return 0


def _lightgbm_version() -> str:
    import lightgbm

    return str(lightgbm.__version__)


def _write(path: Path, data: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
