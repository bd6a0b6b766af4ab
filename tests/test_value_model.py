"""Features of spans and the trees that read them: twins, damage, hand-made multi-hop questions."""

from __future__ import annotations

import gc
import json
import math
import random
import weakref
from importlib.resources import files

import numpy as np
import pytest
import reference_value
from cpp_build import compile_and_run, core_sources
from hypothesis import given
from hypothesis import strategies as st
from reference_value import tree_value

from ctxmem import Chunk, _native, _testing, intake, value
from ctxmem.dedup import find_repeats
from ctxmem.outline import cut_segments
from ctxmem.value.retrieval import EVIDENCE

NOTHING = np.zeros((0, 0), dtype=np.float32)


def describe(
    documents, queries=(), evidence=None, vectors=NOTHING, asked=NOTHING, needs=None, names=()
):
    """Return the features of documents, each a list of spans and a chunk of its own."""
    first = np.cumsum([0, *map(len, documents)])
    start = [sum(map(len, spans[:k])) for spans in documents for k in range(len(spans))]
    end = [
        at + len(span)
        for at, span in zip(start, [span for spans in documents for span in spans], strict=True)
    ]
    if evidence is None:
        evidence = np.full((len(documents), len(EVIDENCE)), np.nan)
    return _native.SpanFeatures(
        _native.Corpus(["".join(spans) for spans in documents]),
        first.astype(np.int64),
        np.array(start, dtype=np.int64),
        np.array(end, dtype=np.int64),
        np.ones(first[-1], dtype=np.uint8),
        np.zeros(first[-1], dtype=np.uint8),
        np.full(first[-1], -1, dtype=np.int32) if needs is None else np.array(needs, np.int32),
        np.arange(first[-1], dtype=np.int32),
        np.arange(len(documents), dtype=np.int32),
        np.zeros(len(documents), dtype=np.int64),
        list(names),
        first[:-1].astype(np.int32),
        first[1:].astype(np.int32),
        np.asarray(evidence, dtype=np.float64),
        list(queries),
        vectors,
        asked,
    )


def column(features, name):
    return features.draft()[:, _native.DRAFT_FEATURES.index(name)].tolist()


def final(features, density, name):
    made = _testing.final_features(features, np.array(density, dtype=np.float32))
    return made[:, _testing.FINAL_FEATURES.index(name)].tolist()


def weights():
    return json.loads((files("ctxmem") / "weights" / "value-1.json").read_text(encoding="utf-8"))


# Words


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("termination", "terminates"),
        ("notify", "notifies"),
        ("agreement", "agreed"),
        ("stopped", "stop"),
        ("obligations", "obligation"),
        ("confidentiality", "confidential"),
        ("PARTIES", "party"),
    ],
)
def test_words_meet_their_other_forms(asked, written):
    features = describe([[f"It {written} here. ", "Nothing else. "]], [asked])
    assert column(features, "matches") == [1, 0]


@pytest.mark.parametrize(
    ("asked", "written"), [("process", "proces"), ("2019", "201"), ("the", "the"), ("red", "reds5")]
)
def test_other_words_and_function_words_do_not_meet(asked, written):
    features = describe([[f"It {written} here. ", "Nothing else. "]], [f"{asked} unmet"])
    assert column(features, "matches") == [0, 0]


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("كتاب", "والكتاب"),  # Arabic: book, and the book
        ("المدرسة", "مدرسه"),  # the school, school with a final heh
        ("مُعَلِّم", "معلمون"),  # a teacher with vowel signs, teachers
        ("أحمد", "احـمد"),  # alef with hamza, tatweel
        ("लड़का", "लड़कों"),  # Hindi: boy, boys
        ("हिंदी", "हिन्दी"),  # bindu, and a nasal consonant with virama
        ("किताब", "किताबें"),  # book, books
        ("договор", "договорами"),  # Russian: contract, with contracts
        ("ёлка", "елки"),  # yo, ye
        ("родился", "родилась"),  # he was born, she was born
        ("task queues", "task_queues"),
        ("max overflow", "maxOverflow"),
        ("maxOverflow", "max_overflow"),
        ("max-overflow", "maxOverflow"),
        ("session permanent", "session.permanent"),
        ("email", "E-Mail"),
        ("HTTP server", "HTTPServer"),
        ("base64 encode", "base64Encode"),
        ("pdf", "PDFs"),
        ("us", "U.S."),
        ("санктпетербург", "Санкт-Петербург"),
    ],
)
def test_words_meet_across_forms_and_ways_to_write_them(asked, written):
    features = describe([[f"{written}! ", "Nothing else. "]], [asked])
    assert column(features, "coverage") == [1, 0]


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("42", "4.2"),  # a number with a point is not another without
        ("20190501", "2019-05-01"),
        ("ab", "a - b"),  # a dash, an ellipsis and an end of a sentence join nothing
        ("ab", "a...b"),
        ("ab", "a. b"),
        ("ก", "กขค"),  # Thai: a letter alone is in no pair
        ("запи", "запись"),  # a noun, not a reflexive verb
    ],
)
def test_what_is_not_the_same_does_not_meet(asked, written):
    features = describe([[f"{written}! ", "Nothing else. "]], [asked])
    assert column(features, "coverage") == [0, 0]


def test_terms_by_hand():
    def written(text):
        return " ".join(term.text + "+" * term.extra for term in reference_value.terms(text))

    assert written("Set maxOverflow") == "set max+ overflow+ maxoverflow"
    assert written("task_queues") == "task queu taskqueu+"
    assert written("x.bC-4.2") == "x b+ c+ bc 4 2 xbc4.2+"
    assert written("HTTPServers' PDFs") == "http+ server+ httpserver pdf"
    assert written("กาขี่") == "กา าขี่"  # letters ก, า, ขี่; a mark stays with its letter
    assert written("ก 東京x") == "ก 東 京 x"


def test_an_identifier_makes_a_span_no_longer_and_counts_once():
    # Beside the words it is cut into, its whole has no length: as many terms as plain words have.
    features = describe([["set task_queues. ", "set task queues. ", "other. "]], ["other"])
    assert column(features, "terms") == pytest.approx([math.log1p(3)] * 2 + [math.log1p(1)])
    # Nor does it come between words: "queues" and "open" are a pair in both.
    features = describe([["task_queues open. ", "task queues open. "]], ["queues open"])
    assert column(features, "pairs") == [1, 1]
    # The question's own spelling is in a text, so its parts are not asked for beside it.
    features = describe([["max. ", "maxOverflow. "]], ["maxOverflow"])
    assert column(features, "matches") == [0, 1]


WORDS = st.sampled_from(
    """the cat cats running run agreement agreed 2019 A-1 é 東京 party parties of ? Red maxCats
    max_cats cats.max HTTPCats 4.2 4_2 ab1Cd aÉb والكتاب كِتاب ـ लड़कों हिन्दी न् договоров ёлок
    родилась กินข้าว ก ี""".split()
)
LETTERS = st.text("aBcD1_-.é́กี東نُـن्ёя\ud800 ", max_size=12)
PIECE = st.one_of(WORDS, LETTERS)
SPAN = st.lists(PIECE, max_size=6).map(lambda words: " ".join(words) + " ")


@given(st.lists(SPAN, min_size=1, max_size=7), st.lists(PIECE, max_size=5).map(" ".join))
def test_words_of_spans_equal_their_slow_twin(spans, query):
    features = describe([spans], [query + " cat"])
    for name, expected in reference_value.words_of_spans(spans, query + " cat").items():
        assert column(features, name) == pytest.approx(expected, abs=1e-5), name


def test_coverage_by_hand():
    # "harbor" is in two of three spans, "blue" in one: rarer, so it counts more.
    features = describe([["Blue harbor. ", "A harbor. ", "Green. "]], ["blue harbor"])
    blue, harbor = math.log(1 + 2.5 / 1.5), math.log(1 + 1.5 / 2.5)
    assert column(features, "coverage") == pytest.approx([1, harbor / (blue + harbor), 0])
    assert column(features, "coverage_around") == [1, 1, 1]
    assert column(features, "pairs") == [1, 0, 0]


def test_words_of_what_a_unit_needs_count_for_it():
    # "fare" is in one of three units, "dogs" in one: each is half of the question.
    spans = ["Fares of dogs. ", "Half of it. ", "Whole. "]
    features = describe([spans], ["fares of dogs"], needs=[-1, 0, -1])
    assert column(features, "coverage") == [1, 0, 0]
    assert column(features, "coverage_labels") == [0, 1, 0]
    assert column(features, "coverage_closure") == [1, 1, 0]
    assert column(features, "coverage_nearest") == [0, 1, 0]
    assert column(features, "depth") == [0, 1, 0]
    assert column(features, "is_first") == [0, 1, 0]


def test_words_of_the_name_of_a_source_count_for_its_units():
    features = describe([["Half. "], ["Whole. "]], ["fares"], names=["fares.md", "gates.md"])
    assert column(features, "coverage_source") == [1, 0]


def test_the_name_of_an_empty_text_counts_for_nothing():
    features = describe([["Half. "], []], ["fares"], names=["gates.md", "fares.md"])
    assert column(features, "coverage_source") == [0]


# Evidence


def test_evidence_is_scaled_by_the_best_and_missing_where_there_is_none():
    evidence = np.full((3, len(EVIDENCE)), np.nan)
    evidence[:2, EVIDENCE.index("consensus")] = [0.02, 0.01]
    evidence[:2, EVIDENCE.index("cosine")] = [0.9, -0.9]
    features = describe([["a. ", "b. "], ["c. "], ["d. "]], evidence=evidence)
    assert column(features, "consensus") == [1, 1, 0.5, -1]
    assert column(features, "consensus_place") == [1, 1, pytest.approx(1 / 3), -1]
    assert column(features, "cosine") == [1, 1, 0, -1]
    assert column(features, "score") == [-1, -1, -1, -1]


# Bridges

HOPS = [
    ["Blue Harbor is a film directed by Anna Kowalska. "],
    ["Anna Kowalska was born in Gdansk. "],
    ["The film festival of Sopot shows a film a day. "],
]


def test_a_name_leads_to_the_document_that_it_opens():
    features = describe(HOPS, ["Where was the director of Blue Harbor born?"])
    density = [0.9, 0.1, 0.1]
    named = final(features, density, "named_in_opening")
    assert named[1] > 0  # and, the other way round, named[0]
    assert named[2] == 0
    there, back = final(features, density, "opening_named")[1:]
    assert there > back


def test_what_the_question_names_itself_is_no_bridge():
    features = describe(HOPS, ["Blue Harbor by Anna Kowalska"])
    assert final(features, [0.9, 0.1, 0.1], "named_in_opening") == [0, 0, 0]


def test_a_span_looks_at_the_density_around_it():
    features = describe([["a. ", "b. ", "c. "], ["d. "]])
    density = [0.5, 0.25, 0.0, 0.125]
    assert final(features, density, "density_before") == [0, 0.5, 0.25, 0]
    assert final(features, density, "density_after") == [0.25, 0, 0, 0]
    assert final(features, density, "density_around") == [0.25, 0.5, 0.5, 0]
    assert final(features, density, "density_place") == pytest.approx([1, 1 / 2, 1 / 4, 1 / 3])
    assert final(features, density, "density_document") == [0.25, 0.25, 0.25, 0.125]
    assert final(features, density, "density_in_document") == pytest.approx([1, 1 / 2, 1 / 3, 1])


# Hostile input


@pytest.mark.parametrize("queries", [[], [""], ["the of"], ["?", "\ud800"], ["cat", ""]])
@pytest.mark.parametrize(
    "documents", [[[]], [[" \n "]], [["\ud83d lone. ", "\x00. "]], [["cat "], [], ["\u0301"]]]
)
def test_odd_texts_and_questions_have_finite_features(documents, queries):
    evidence = np.full((len(documents), len(EVIDENCE)), np.inf)
    features = describe(documents, queries, evidence)
    assert features.draft().shape == (sum(map(len, documents)), len(_native.DRAFT_FEATURES))
    assert np.isfinite(features.draft()).all()
    made = _testing.final_features(features, np.zeros(len(features.draft()), dtype=np.float32))
    assert made.shape[1] == len(_testing.FINAL_FEATURES)
    assert np.isfinite(made).all()
    density = value.model().predict(features)
    assert ((density >= 0) & (density <= 1)).all()


def test_arrays_that_do_not_belong_together_are_refused():
    features = describe([["a. "]])
    with pytest.raises(ValueError, match="one value per span"):
        _testing.final_features(features, np.zeros(2, dtype=np.float32))
    with pytest.raises(ValueError, match="inconsistent lengths"):
        describe([["a. "]], evidence=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="inconsistent lengths"):
        describe([["a. "]], names=["a", "b"])
    with pytest.raises(ValueError, match="needs a unit that does not exist"):
        describe([["a. "]], needs=[1])
    with pytest.raises(ValueError, match="one vector per span"):
        describe(
            [["a. "]], vectors=np.zeros((2, 4), np.float32), asked=np.zeros((1, 4), np.float32)
        )


# Trees


def random_trees(seed, features, trees=5):
    rng = random.Random(seed)
    made = {"features": list(features), "bias": rng.uniform(-1, 1), "leaves": []}
    made |= {"feature": [], "threshold": [], "left": [], "value": []}

    def grow(leaves):
        if leaves > 1:
            left = rng.randint(1, leaves - 1)
            made["left"].append(left)
            made["feature"].append(rng.randrange(len(features)))
            made["threshold"].append(rng.choice([-0.5, 0.25, 0.5, 1.0]))
            grow(left)
            grow(leaves - left)
        else:
            made["value"].append(float(np.float32(rng.uniform(-1, 1))))

    for _ in range(trees):
        made["leaves"].append(rng.randint(1, 32))
        grow(made["leaves"][-1])
    return made


@given(st.integers(0, 10**6))
def test_trees_equal_trees_walked_node_by_node(seed):
    rng = random.Random(seed)
    spans = [
        f"{rng.choice(['red', 'blue', 'The'])} fox {k % 3}. "
        for k in range(rng.choice([1, 5, 9, 40]))
    ]
    features = describe([spans, ["Other. "]], ["red fox"])
    data = {"version": 1, "blend": 0.25, "draft": random_trees(seed, _native.DRAFT_FEATURES)}
    data["final"] = random_trees(seed + 1, _testing.FINAL_FEATURES)
    model = _native.SpanModel(data)
    odds = np.array([tree_value(data["draft"], row) for row in features.draft()])
    drafted = 1 / (1 + np.exp(-odds))
    assert model.draft(features) == pytest.approx(drafted, abs=1e-5)
    given_density = np.linspace(0, 1, len(odds)).astype(np.float32)
    rows = _testing.final_features(features, given_density)
    revised = np.array([tree_value(data["final"], row) for row in rows])
    expected = 1 / (1 + np.exp(-(0.25 * odds + 0.75 * revised)))
    assert model.revise(features, given_density) == pytest.approx(expected, abs=1e-5)
    np.testing.assert_array_equal(
        model.predict(features), model.revise(features, model.draft(features))
    )


def test_a_row_takes_the_leaf_that_a_person_finds():
    made = {
        "features": ["matches", "coverage"],
        "bias": 0.0,
        "leaves": [3],  # matches > 0.5 ? (coverage > 0.75 ? 3 : 2) : 1
        "feature": [0, 1],
        "threshold": [0.5, 0.75],
        "left": [1, 1],
        "value": [1.0, 2.0, 3.0],
    }
    none = {"features": [], "bias": 0.0, "leaves": [], "feature": [], "threshold": []}
    model = _native.SpanModel(
        {"version": 1, "blend": 1.0, "draft": made, "final": {**none, "left": [], "value": []}}
    )
    features = describe([["Blue harbor. ", "A harbor. ", "Green. "]], ["blue harbor"])
    odds = np.log(model.draft(features) / (1 - model.draft(features)))
    assert odds == pytest.approx([3, 2, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "has version 3; expected 1 or 2"),
        ({"version": 2}, "is missing"),
        ({"version": "one"}, "'version' is not a number"),
        ({"blend": 1.5}, "between 0 and 1"),
        ({"blend": float("nan")}, "between 0 and 1"),
        ({"draft": 3}, "'draft' is no mapping"),
        ({"draft": {}}, "'features' is missing"),
        ({"draft.features": [1]}, "not a list of names"),
        ({"draft.features": ["smell"]}, "'smell' is not computed by this version"),
        ({"draft.leaves": [33]}, "expected 1 to 32"),
        ({"draft.leaves": [0]}, "expected 1 to 32"),
        ({"draft.leaves": [4]}, "more leaves than there are nodes"),
        ({"draft.leaves": [2]}, "fewer leaves than there are nodes"),
        ({"draft.left": [3, 1]}, "no leaf on one side"),
        ({"draft.left": [0, 1]}, "no leaf on one side"),
        ({"draft.left": [1]}, "different lengths"),
        ({"draft.left": [1, -1]}, "'left' is not a list of numbers in its range"),
        ({"draft.feature": [0, 2]}, "a feature there is not"),
        ({"draft.threshold": [0.5, float("inf")]}, "not finite"),
        ({"draft.value": ["a", "b", "c"]}, "'value' is not a list of numbers"),
        ({"draft.value": 3}, "'value' is not a list of numbers"),
    ],
)
def test_a_damaged_file_is_refused_by_what_is_wrong(change, message):
    made = {
        "features": ["matches", "coverage"],
        "bias": 0.0,
        "leaves": [3],
        "feature": [0, 1],
        "threshold": [0.5, 0.75],
        "left": [1, 1],
        "value": [1.0, 2.0, 3.0],
    }
    data = {"version": 1, "blend": 0.5, "draft": dict(made), "final": dict(made)}
    _native.SpanModel(data)  # whole, it is taken
    for path, wrong in change.items():
        *inside, key = path.split(".")
        (data[inside[0]] if inside else data)[key] = wrong
    with pytest.raises(ValueError, match=message):
        _native.SpanModel(data)


# The weights that are shipped


def test_weights_say_where_they_come_from():
    data = weights()
    assert {"date", "sets", "views", "lightgbm", "judged"} <= set(data["provenance"])
    assert data["version"] == 2
    assert (files("ctxmem") / "weights" / "value-1.json").stat().st_size < 500_000


RISING = ("consensus", "leading", "best_rank", "score", "cosine", "bm25", "coverage", "density")


@pytest.mark.parametrize("expert", ["prose", "structured"])
@pytest.mark.parametrize("part", ["draft", "final"])
def test_more_evidence_never_lowers_the_density(expert, part):
    """Raise one feature of a row that is a sign of relevance, and the density does not fall."""
    made = weights()[expert][part]
    rng = np.random.default_rng(0)
    rising = [k for k, name in enumerate(made["features"]) if name.startswith(RISING)]
    for _ in range(60):
        row = rng.choice([-1, 0, 0.02, 0.1, 0.3, 0.7, 1.0, 3.0], len(made["features"]))
        more = row.copy()
        raised = rng.choice(rising, rng.integers(1, len(rising)), replace=False)
        more[raised] = np.maximum(more[raised], rng.choice([0.05, 0.5, 1.0], len(raised)))
        assert tree_value(made, more) >= tree_value(made, row) - 1e-9


def chunks_of(documents, seed=None):
    chunks = [
        Chunk(text, source=f"d{k % 5}", rank=k // 2, list="ab"[k % 2])
        for k, text in enumerate(documents)
    ]
    if seed is not None:
        random.Random(seed).shuffle(chunks)
    return chunks


def valued(chunks, query):
    table = intake.read(chunks)
    find_repeats(table)
    value.add_rank_fusion(table)
    cut_segments(table, spans=True)
    features = value.describe(table, value.read_question(query))
    return sorted(zip(table.segment_texts, value.model().predict(features).tolist(), strict=True))


@given(st.integers(0, 10**6))
def test_order_of_the_input_does_not_change_a_density(seed):
    rng = random.Random(seed)
    words = "Harbor film Anna born in Gdansk the agreement ends 2019 party".split()
    documents = [
        " ".join(rng.choices(words, k=6)) + ". " + " ".join(rng.choices(words, k=4)) + "."
        for _ in range(10)
    ]
    query = "When does the agreement end?"
    assert valued(chunks_of(documents), query) == valued(chunks_of(documents, seed), query)


def test_a_span_of_the_answer_has_a_higher_density_than_others():
    documents = [
        "The agreement ends on 1 May 2019. Notices are sent by post.",
        "Bananas are yellow. The harbor is blue.",
        "Fees are due monthly. Late fees bear interest.",
    ]
    density = dict(valued(chunks_of(documents), "When does the agreement end?"))
    assert max(density, key=density.get) == "The agreement ends on 1 May 2019."


@pytest.mark.slow
def test_features_and_trees_are_clean_under_sanitizers():
    names = ("span_*", "features_*", "definition*", "gradient_boosted_trees", "terms", "stems")
    compile_and_run("test_span_model", [f for f in core_sources(*names) if "ranking" in f])


def test_features_keep_their_corpus():
    corpus = _native.Corpus(["The fox is red. "])
    alive = weakref.ref(corpus)
    one = np.array([0], dtype=np.int32)
    features = _native.SpanFeatures(
        corpus,
        np.array([0, 1], dtype=np.int64),
        np.array([0], dtype=np.int64),
        np.array([16], dtype=np.int64),
        np.ones(1, dtype=np.uint8),
        np.zeros(1, dtype=np.uint8),
        one - 1,
        one,
        one,
        np.array([0], dtype=np.int64),
        [],
        one,
        one + 1,
        np.full((1, len(EVIDENCE)), np.nan),
        ["fox"],
        NOTHING,
        NOTHING,
    )
    del corpus
    gc.collect()
    assert alive() is not None
    assert len(features) == 1
