"""The bench of whole requests: its splits, its judge of tools, and the fit of recency."""

from __future__ import annotations

import numpy as np
import pytest
from ctxmem.bench import episodes, fit_request, growing

import ctxmem
from ctxmem.assembling import asking, values


def said(role, text):
    return {"role": role, "text": text}


def test_the_splits_share_out_the_whole_budget():
    found = [tuple(split.values()) for split in episodes.splits(2)]
    assert found == [(0, 0, 2), (0, 1, 1), (0, 2, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0)]


class Table:
    """Parts that hold their evidence from a number of tokens on."""

    def __init__(self, **needs):
        self.needs = needs

    def shares(self, split, budget):
        return {p: float(budget * split[p] // 10 >= need) for p, need in self.needs.items()}


def test_the_best_fixed_split_is_that_of_the_mean():
    same = Table(chat=500, tools=300, passages=200)
    split, mean = episodes.best_split([same, same], 1000)
    assert (split, mean) == ({"chat": 5, "tools": 3, "passages": 2}, 1.0)
    other = Table(chat=300, tools=500, passages=200)
    assert episodes.best_split([same, other], 1000)[1] == pytest.approx(5 / 6)


def test_an_answer_of_find_tool_counts_what_it_has_schemas_of():
    tools = [
        {"type": "function", "function": {"name": f"t{i}", "description": f"Report {i} on trees."}}
        for i in range(60)
    ]
    request = ctxmem.assemble("What is the weather?", 200, tools=tools)
    if any(episodes.name_of(tool) == episodes.FINDER for tool in request.tools):
        assert "t7" in episodes.found_by(request, "t7")


def test_uses_count_for_the_newest_unit_and_not_if_the_question_has_it():
    run = {"msgs": [
        said("user", "My order is AB-1234, pay with card_77."),
        said("assistant", "Order AB-1234 is noted."),
        said("user", "Ship it, and refund XY-9."),
        said("assistant", '[{"name": "ship", "order": "AB-1234", "card": "card_77", "r": "XY-9"}]'),
        said("tool", "shipped AB-1234"),
    ]}  # fmt: skip
    found = [(use.age, use.tokens > 0) for use in fit_request.uses(run, len)]
    assert found == [(0, True), (1, True)]  # the order of the newest, the card of the first


def test_recency_is_recovered_from_what_was_used():
    uses = [
        fit_request.Use(age, int(k < 1000 * 0.4 * 0.5 ** (age / 3)))
        for age in range(12)
        for k in range(1000)
    ]
    found = fit_request.recency(uses)
    assert found.value == pytest.approx(0.4, abs=0.01)
    assert found.half_life == pytest.approx(3, abs=0.2)


def test_a_growing_session_keeps_its_prefix(monkeypatch):
    monkeypatch.setattr(growing, "REQUESTS", 6)
    row = growing.session(1, 12)
    assert row["over"] == 0 and row["tool_changes"] == 0 and row["prefix"] > 0.5


def test_exponents_and_weights_are_recovered_from_what_was_needed():
    random = np.random.default_rng(1)
    scores = random.uniform(0.05, 1.0, (400, 12))
    drawn = {
        power: [(s, [int(random.choice(12, p=s**power / (s**power).sum()))]) for s in scores]
        for power in (1.0, 2.0, 4.0)
    }
    features = random.normal(size=(400, 3, len(asking.FEATURES)))
    parts = features[:, :, 0].argmax(axis=1)  # the part that covers most is right
    asks = fit_request.Asks(
        features,
        parts,
        drawn[2.0],
        [(s, at, broad) for power, broad in ((4.0, False), (1.0, True)) for s, at in drawn[power]],
    )
    found = fit_request.exponents(asks)
    assert found["tool_sharpness"] == pytest.approx(2, abs=0.5)
    assert found["sharpness"] == pytest.approx(4, abs=1)
    assert found["broad_sharpness"] == pytest.approx(1, abs=0.4)
    weights = fit_request.divide_weights(asks)
    for row in weights.values():
        assert row["covered"] > 5 * abs(row["lists"])


def test_the_search_stops_at_the_best_numbers(monkeypatch):
    for number in fit_request.SEARCHED:
        monkeypatch.setattr(values, number.name, getattr(values, number.name))
    start = values.CALL
    target = start * 1.6 * 1.6

    def judged():
        return 1 - abs(values.CALL - target) / target

    found, best = fit_request.search(judged, lambda text: None)
    assert found["CALL"] == pytest.approx(target) and best == pytest.approx(1)
