from __future__ import annotations

from dataclasses import replace

import pytest

from ctxmem import PRICES, InputError, InputTypeError
from ctxmem.pricing import Bill, Block, prices_of


def blocks(*tokens: int, start: int = 0) -> list[Block]:
    return [Block(start + i, size) for i, size in enumerate(tokens)]


def test_every_row_says_where_it_is_from_and_when():
    for name, prices in PRICES.items():
        assert prices.name == name
        assert prices.source and prices.models and prices.date.startswith("2026-")
        assert 0 <= prices.read <= 1 <= prices.write
        assert prices.step >= 1


def test_break_even_of_an_edit():
    # 1.15 x 9,000 tokens written again, 0.1 x 1,500 saved by every call.
    assert PRICES["anthropic"].break_even(suffix=9000, removed=1500) == pytest.approx(69)
    assert PRICES["openai-4o"].break_even(suffix=9000, removed=9000) == pytest.approx(1)
    assert PRICES["anthropic"].break_even(suffix=9000, removed=0) == float("inf")


def test_a_growing_prompt_is_read_as_far_as_it_was_written():
    bill = Bill(PRICES["anthropic"])
    first = bill.call(blocks(1500, 500), breakpoints=[1, 2])
    assert first == (0, 2000, 0, 2500.0)
    second = bill.call(blocks(1500, 500, 100), breakpoints=[3], volatile=50)
    assert second == (2000, 100, 50, pytest.approx(200 + 125 + 50))
    assert bill.calls == 2 and bill.read == 2000 and bill.written == 2100 and bill.plain == 50


def test_an_edit_costs_what_stands_behind_it():
    bill = Bill(PRICES["anthropic"])
    bill.call(blocks(1500, 500, 300), breakpoints=[1, 3])
    after = bill.call([*blocks(1500), Block("note", 40), Block(2, 300)], breakpoints=[2, 3])
    assert after == (1500, 340, 0, pytest.approx(150 + 1.25 * 340))


def test_a_prefix_without_breakpoint_is_found_only_where_rules_say_so():
    long, short = blocks(1500, 500, 300), blocks(1500, 500)
    marked, anywhere = Bill(PRICES["anthropic"]), Bill(PRICES["openai"])
    for bill in (marked, anywhere):
        bill.call(long, breakpoints=[3])
    assert marked.call(short, breakpoints=[2]).read == 0
    assert anywhere.call(short).read == 1920  # whole steps of 128


def test_a_breakpoint_is_found_within_the_lookback_only():
    bill = Bill(PRICES["anthropic"])
    bill.call(blocks(2000), breakpoints=[1])
    assert bill.call(blocks(2000, *[10] * 21), breakpoints=[22]).read == 0
    bill = Bill(PRICES["anthropic"])
    bill.call(blocks(2000), breakpoints=[1])
    assert bill.call(blocks(2000, *[10] * 20), breakpoints=[21]).read == 2000


def test_short_prompts_are_plain_input():
    bill = Bill(PRICES["anthropic"])
    assert bill.call(blocks(500), breakpoints=[1]) == (0, 0, 500, 500.0)
    assert bill.call(blocks(500, 100), breakpoints=[2]).cost == 600


def test_a_prefix_that_was_not_used_in_time_is_gone():
    bill = Bill(PRICES["anthropic"])
    bill.call(blocks(2000), breakpoints=[1], now=0)
    assert bill.call(blocks(2000), breakpoints=[1], now=200).read == 2000
    assert bill.call(blocks(2000), breakpoints=[1], now=400).read == 2000  # renewed at 200
    assert bill.call(blocks(2000), breakpoints=[1], now=701).read == 0


def test_dollars_are_by_the_row():
    bill = Bill(replace(PRICES["anthropic"], dollars=10.0))
    bill.call(blocks(1_000_000), breakpoints=[1])
    assert bill.dollars == pytest.approx(12.5)


def test_a_miss_at_deepseek_costs_fifty_hits_in_units_of_64_tokens():
    bill = Bill(PRICES["deepseek"])
    assert bill.call([Block("a", 1000)]).cost == 1000  # no surcharge for the write
    again = bill.call([Block("a", 1000), Block("b", 100)])
    assert (again.read, again.written) == (960, 140)  # 15 units of 64
    assert again.cost == pytest.approx(960 / 50 + 140)


def test_unknown_prices_are_refused_by_name():
    assert prices_of("openai") is prices_of(PRICES["openai"])
    with pytest.raises(InputError, match="prices is 'acme'; expected one of anthropic, "):
        prices_of("acme")
    with pytest.raises(InputTypeError, match=r"prices is 0.1 \(float\)"):
        prices_of(0.1)
