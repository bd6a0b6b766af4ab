"""The multiple-choice knapsack: proved, bounded in time and memory, equal to brute force."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_solver import (
    best_packing,
)

from ctxmem import _testing

DATA = Path(__file__).parent / "data"

Options = list[list[tuple[int, int]]]


def solve_classes(classes: Options, mandatory: list[bool], budget: int, **limits: float):
    starts = np.cumsum([0, *(len(options) for options in classes)], dtype=np.int64)
    flat = [option for options in classes for option in options]
    tokens = np.array([t for t, _ in flat], dtype=np.int64)
    values = np.array([v for _, v in flat], dtype=np.int64)
    return _testing.solve_classes(
        starts, tokens, values, np.array(mandatory, dtype=bool), budget, **limits
    )


def totals(classes: Options, chosen: np.ndarray) -> tuple[int, int]:
    picked = [classes[c][o] for c, o in enumerate(chosen) if o >= 0]
    return sum(t for t, _ in picked), sum(v for _, v in picked)


@st.composite
def class_problems(draw):
    largest = draw(st.sampled_from([4, 30, 2**31]))
    option = st.tuples(st.integers(0, largest), st.integers(-3, 40))
    if draw(st.booleans()):  # values in step with tokens: nothing but ties
        option = st.integers(0, largest).map(lambda t: (t, 3 * t))
    classes = draw(st.lists(st.lists(option, max_size=4), max_size=6))
    mandatory = [draw(st.integers(0, 4)) == 0 for _ in classes]
    return classes, mandatory, draw(st.integers(0, min(2**31, 3 * largest)))


def check_classes(problem) -> None:
    classes, mandatory, budget = problem
    chosen, value, upper_bound, status, price = solve_classes(classes, mandatory, budget)
    expected = best_packing(classes, mandatory, budget)
    if expected is None:
        assert status == "infeasible"
        return
    tokens, total = totals(classes, chosen)
    assert (expected, expected, expected) == (value, total, upper_bound)
    assert status == "optimal"
    assert tokens <= budget
    assert price >= 0
    assert all(o >= 0 for o, must in zip(chosen, mandatory, strict=True) if must)


@settings(max_examples=300, deadline=None)
@given(class_problems())
def test_classes_equal_brute_force(problem):
    check_classes(problem)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(class_problems())
def test_classes_equal_brute_force_at_length(problem):
    check_classes(problem)


def test_a_case_to_check_by_eye():
    #          full        extract    summary
    classes = [[(60, 100), (30, 80), (10, 40)], [(50, 90), (20, 30)]]
    chosen, value, bound, status, _ = solve_classes(classes, [False, False], 80)
    assert list(chosen) == [1, 0]  # 30 + 50 tokens; the full first chunk leaves 20: 130 < 170
    assert (value, bound, status) == (170, 170, "optimal")


def test_the_first_of_two_equal_options_is_chosen():
    chosen, *_ = solve_classes([[(5, 7), (5, 7)], [(5, 7)]], [False, False], 5)
    assert list(chosen) == [0, -1]


def test_a_mandatory_class_that_cannot_fit_is_a_status():
    *_, status, _ = solve_classes([[(9, 1)]], [True], 8)
    assert status == "infeasible"
    assert solve_classes([[]], [True], 8)[3] == "infeasible"


def test_a_budget_that_does_not_bind_has_no_price():
    chosen, value, _, _, price = solve_classes([[(5, 7)], [(5, 2)]], [False, False], 100)
    assert (list(chosen), value, price) == ([0, 0], 9, 0.0)


@pytest.mark.parametrize(
    "kind", ["subset sum", "even subset sum", "strongly correlated", "inverse strongly correlated"]
)
def test_hard_knapsacks_are_proved_or_bounded_in_time(kind):
    rng = np.random.default_rng(7)
    tokens = rng.integers(1, 10_000, 400)
    gain = {"strongly correlated": 1000, "inverse strongly correlated": -1000}.get(kind, 0)
    tokens = tokens * 2 if kind.startswith("even") else tokens + 1000
    classes = [[(int(t), int(t) + gain)] for t in tokens]
    budget = int(tokens.sum()) // 2 | 1
    chosen, value, bound, status, _ = solve_classes(
        classes, [False] * 400, budget, time_limit=2.0, states=20_000
    )
    weight, total = totals(classes, chosen)
    assert weight <= budget
    assert value == total
    assert value <= bound <= value * 1.001
    assert (status == "optimal") == (bound == value)


def test_the_table_and_the_frontier_agree():
    # Strong correlation at a small budget sends the solver to the dense table; a tiny cap of
    # states makes it go there at once.
    rng = np.random.default_rng(3)
    classes = [[(int(t), int(t) + 100)] for t in rng.integers(1, 1000, 300)]
    answers = {
        solve_classes(classes, [False] * 300, 7001, states=states)[1:4]
        for states in (1, 100, 10**6)
    }
    assert len(answers) == 1


def test_the_table_is_the_same_at_every_cpu_level():
    script = """
    import numpy as np
    from ctxmem import _testing
    tokens = np.random.default_rng(3).integers(1, 1000, 300)
    for scale in (1, 2**33):  # the 32-bit and the 64-bit table
        answer = _testing.solve_classes(np.arange(301), tokens, (tokens + 100) * scale,
                                       np.zeros(300, bool), 7001, states=1)
        print(answer[0].tolist(), *answer[1:])
    """
    outputs = set()
    for level in ("base", "v3", "v4"):
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={**os.environ, "CTXMEM_CPU": level},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0 or "this machine supports" in run.stderr
        outputs |= {run.stdout} - {""}
    assert len(outputs) == 1


def test_values_and_tokens_up_to_the_limit():
    rng = np.random.default_rng(1)
    for top in (2**22, 2**31, 2**40):
        classes = [
            [(int(t), int(v))]
            for t, v in zip(rng.integers(1, top, 900), rng.integers(1, 2**40, 900), strict=True)
        ]
        chosen, value, bound, _, _ = solve_classes(
            classes, [False] * 900, 2**31, time_limit=2.0, states=20_000
        )
        weight, total = totals(classes, chosen)
        assert weight <= 2**31
        assert value == total <= bound <= value * 1.01


@pytest.mark.parametrize(
    ("classes", "budget"),
    [
        ([[(-1, 1)]], 5),
        ([[(1, 2**61)]], 5),
        ([[(1, 2**60)], [(1, 2**60)]], 5),
        ([[(1, 1)]], 2**32),
        ([[(1, 1)]], -1),
        ([], -1),
    ],
)
def test_absurd_input_is_an_error(classes, budget):
    with pytest.raises(ValueError, match=r"tokens|values|budget"):
        solve_classes(classes, [False] * len(classes), budget)


@pytest.mark.parametrize("starts", [[0, 5, 2], [0, -1, 2], [1, 1, 2], [0, 2**62, 2], [2, 0, 2]])
def test_starts_that_do_not_ascend_are_refused_before_any_option_is_read(starts):
    two = np.ones(2, dtype=np.int64)
    with pytest.raises(ValueError, match="starts must"):
        _testing.solve_classes(np.array(starts), two, two, np.zeros(2, dtype=bool), 5)


def test_a_table_takes_no_more_memory_than_it_may():
    # A table of this budget would have three rows of 17 GB.
    script = """
    import numpy as np, resource
    from ctxmem import _testing
    tokens = np.random.default_rng(0).integers(2**27, 2**28, 40) * 2 + 1
    resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
    answer = _testing.solve_classes(np.arange(41), tokens, tokens, np.zeros(40, bool), 2**31,
                                   states=1000)
    print(answer.value <= answer.upper_bound)
    """
    pytest.importorskip("resource")
    run = [sys.executable, "-c", textwrap.dedent(script)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        run, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert "True" == done.stdout.strip(), done.stderr
