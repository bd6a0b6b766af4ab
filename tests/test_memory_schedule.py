"""The edit schedule: what is shown once, what is left out, and that it costs no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ctxmem import Memory
from ctxmem.chat.counting import Meter
from ctxmem.memory import schedule
from ctxmem.memory.identifiers import Reuse
from ctxmem.memory.repeats import RepeatIndex
from ctxmem.memory.session_state import SessionState
from ctxmem.memory.visibility import MISS_SHARE, VisibilityTracker
from ctxmem.pricing import PRICES, Bill, Block

LISTING = "\n".join(
    f"{n}: the value of row {n} in the table of {word}"
    for n, word in enumerate("ships ports crews tides winds maps ropes sails oars flags".split())
)


def call(number: int, text: str = "I look.") -> dict[str, Any]:
    function = {"name": "read", "arguments": "{}"}
    calls = [{"id": f"c{number}", "type": "function", "function": function}]
    return {"role": "assistant", "content": text, "tool_calls": calls}


def result(number: int, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": text}


def opening(words: int = 1200) -> list[dict[str, Any]]:
    rules = {"role": "system", "content": "Take care. " * (words // 2)}
    return [rules, {"role": "user", "content": "Correct the table."}]


def read_twice(memory: Memory, second: str) -> Any:
    """Read the listing, which stays in the window, and then the second text."""
    # Few calls behind and a miss that costs much: the first result is cached in full.
    memory.append([*opening(), call(0), result(0, LISTING)])
    memory.window()
    memory.append([call(1), result(1, second)])
    return memory.window()


def test_lines_that_the_window_shows_are_replaced_by_a_mark_that_names_them():
    memory = Memory(8000, miss_cost=9.0)
    window = read_twice(memory, f"before\n{LISTING}\nafter")
    mark = "[10 lines as in p6, its lines 1-10]"
    assert window.messages[-1]["content"] == f"before\n{mark}\nafter"
    assert memory.page("p8").text == f"before\n{LISTING}\nafter"
    assert any(event.kind == "compact" for event in window.events)


def test_a_line_that_changed_is_shown_and_only_equal_runs_are_left_out():
    memory = Memory(8000, miss_cost=9.0)
    lines = LISTING.split("\n")
    changed = [*lines[:8], "8: not 8", lines[9]]
    window = read_twice(memory, "\n".join(changed))
    assert window.messages[-1]["content"].split("\n") == [
        "[8 lines as in p6, its lines 1-8]",
        "8: not 8",
        lines[9],  # one line alone is shown
    ]


@pytest.mark.parametrize(("lines", "tool"), [(3, True), (2, False)])
def test_short_runs_are_shown(lines, tool):
    memory = Memory(8000, miss_cost=9.0)
    if tool:
        memory.tool()  # its name makes the mark longer, so that it saves less
    window = read_twice(memory, "\n".join([*LISTING.split("\n")[:lines], *(["other"] * 60)]))
    assert "as in" not in window.messages[-1]["content"]


def test_no_mark_names_a_page_that_the_window_does_not_show():
    state = SessionState(Meter("o200k_base", None).message, list)
    index = RepeatIndex(state)
    memory = Memory(8000)
    memory.append([call(0), result(0, LISTING), call(1), result(1, LISTING)])
    first, second = memory._state.items[1], memory._state.items[3]
    state.items = memory._state.items
    index.add(first)
    assert index.without_repeats(second, {1}) is not None
    assert index.without_repeats(second, set()) is None


def test_no_mark_names_a_page_that_leaves_in_the_same_edit():
    memory = Memory(1800, miss_cost=9.0)
    memory.append([*opening(words=300), call(0), result(0, LISTING)])
    memory.window()
    marks = 0
    for n in range(1, 12):
        memory.append([call(n), result(n, f"{LISTING}\n{n} " + "more words " * 60)])
        window = memory.window()
        texts = [str(message["content"]) for message in window.messages]
        for text in texts[window.volatile_from - 1 :]:  # what is new
            if "its lines" in text:
                page = text.split("as in ")[1].split(",")[0]
                assert memory.page(page).resident
                marks += 1
    assert marks >= 3, marks


def test_a_reopened_session_shows_the_same_marks_and_finds_repeats_again(tmp_path: Path):
    with Memory(8000, store=tmp_path / "chat.db", miss_cost=9.0) as memory:
        before = read_twice(memory, f"before\n{LISTING}\nafter")
    with Memory(8000, store=tmp_path / "chat.db", miss_cost=9.0) as memory:
        assert memory.window().messages == before.messages
        memory.append([call(2), result(2, LISTING)])
        window = memory.window()
        assert window.messages[-1]["content"].startswith("[10 lines as in p6")
        assert window.messages[: len(before.messages)] == before.messages  # append-only


def test_what_the_end_of_a_window_showed_counts_as_shown():
    memory = Memory(8000, miss_cost=0.0)
    memory.append(opening())
    memory.window()
    memory.append([call(0), result(0, "There is nothing of note here. " * 60 + "row_88_88")])
    window = memory.window()
    assert window.volatile_from < len(window.messages)  # shown for one call
    memory.append(call(1, "I change row_88_88."))
    assert (memory.stats().hits, memory.stats().misses) == (0, 0)
    memory.window()
    assert (memory.stats().hits, memory.stats().misses) == (1, 0)


def test_needs_are_met_until_one_in_so_many_is_missed():
    tracker = VisibilityTracker(SessionState(len, list), Reuse())
    assert tracker.needs_met
    tracker.misses = 2
    assert not tracker.needs_met
    tracker.hits = round(2 / MISS_SHARE)
    assert tracker.needs_met


def chatter(calls: int) -> list[dict[str, Any]]:
    """A run of long results that are all different, each named by the next message."""
    made = opening()
    for n in range(calls):
        rows = "\n".join(f"file_{n}_{row}.py holds {row * n} lines" for row in range(40))
        made += [call(n, f"I read file_{n - 1}_7.py."), result(n, rows)]
    return [*made, {"role": "assistant", "content": "Done."}]


@pytest.mark.parametrize("prices", ["anthropic", "openai", "openai-5.6", "deepseek"])
def test_a_chat_that_ends_at_any_call_costs_no_more_than_its_whole_history(prices: str):
    """The adversary ends the chat right after an edit or an outline; the bill is checked there."""
    memory = Memory(100_000, prices=prices)
    bill, whole = Bill(memory.prices), Bill(memory.prices)
    meter = Meter("o200k_base", None)
    history: list[Block] = []
    edits = 0
    for i, message in enumerate(chatter(25)):
        if message["role"] == "assistant":
            window = memory.window()
            sizes = [meter.message(m, 0) for m in window.messages]
            blocks = [Block(str(m), size) for m, size in zip(window.messages, sizes, strict=True)]
            stable = blocks[: window.volatile_from]
            tail = sum(sizes[window.volatile_from :])
            bill.call(stable, breakpoints=[m + 1 for m in window.breakpoints], volatile=tail)
            whole.call(history, breakpoints=[1, max(1, len(history) - 2), len(history)])
            edits += any(event.kind in ("edit", "compact") for event in window.events)
            assert bill.cost <= 1.02 * whole.cost
        memory.append(message)
        history.append(Block(i, meter.message(message, i)))
    assert edits or prices == "deepseek"  # where a hit costs a fiftieth, no edit pays
    assert bill.cost <= 1.005 * whole.cost


# What an edit is said to cost and to save ---------------------------------------------------------


def carried(tokens: float, growth: float, calls: int, write: float, least: int) -> float:
    """The price of so many calls, one after the other; the first finds what it has in the cache."""
    cost, cached = 0.0, tokens >= least
    for call in range(calls):
        size = tokens + call * growth
        cost += size * ((0.1 if cached else write) if size >= least else 1.0)
        cached = size >= least
    return cost


@pytest.mark.parametrize("row", ["openai", "anthropic"])
@pytest.mark.parametrize("growth", [0.0, 30.0, 150.0])
@pytest.mark.parametrize("tokens", [100, 1000, 1023, 1024, 5000])
def test_a_window_too_short_for_the_cache_has_the_full_price_until_it_has_grown(
    row, growth, tokens
):
    prices = PRICES[row]
    expected = carried(tokens, growth, 10, prices.write, prices.minimum)
    assert schedule.carrying(tokens, prices, 10.0, growth) == pytest.approx(expected)


def test_an_edit_that_leaves_too_little_for_the_cache_loses_until_the_window_has_grown():
    [cut] = schedule.cuts(
        [schedule.Span(200, 0, 3, 200)], stable=1100, heading=20, most_noted=100,
        prices=PRICES["openai"], calls=10.0, reuse=Reuse(), miss_cost=0.0, growth=104.0,
    )  # fmt: skip
    # 920 tokens are left. Without the edit this call reads 1,100 at a tenth.
    assert cut.at_once == pytest.approx(920 - 110)
    # The next call has 1,024 and writes them, the 8 behind it read; each would read 180 more.
    assert cut.saves == pytest.approx(-810 - 0.9 * 1024 + 9 * 0.1 * 180)
    assert not cut.pays


def test_an_edit_that_leaves_enough_is_shown_as_it_is_ranked():
    spans = [schedule.Span(500, 10, 3, 500), schedule.Span(2500, 10, 1, 2500)]
    first = schedule.cuts(
        spans, stable=3000, heading=20, most_noted=100, prices=PRICES["anthropic"], calls=10.0,
        reuse=Reuse(), miss_cost=0.1, growth=50.0,
    )[0]  # fmt: skip
    assert (first.at_once, first.saves) == pytest.approx((first.cost, first.gain))
