"""The account of a conversation: two bills, what the provider reports, and what is stored."""

from __future__ import annotations

import random

import pytest
from test_gateway_manage import Client, manage, turns, user

from ctxmem.gateway.manage.accounts import MISSES, Account, Priced
from ctxmem.pricing import PRICES, Bill, Block, row_of
from ctxmem.traces.events import Usage

ANTHROPIC, OPENAI = PRICES["anthropic"], PRICES["openai"]


def priced(*tokens: int, start: int = 1, marks: tuple[int, ...] = ()) -> Priced:
    return Priced([Block(start + i, size) for i, size in enumerate(tokens)], marks)


def test_what_was_saved_is_the_difference_of_the_two_bills():
    account = Account(ANTHROPIC)
    own = priced(2000, 8000, marks=(2,))
    account.charge(own, own, 0.0, same=True)
    assert account.saved == 0 and not account.diverged
    own = priced(2000, 8000, 100, marks=(3,))
    ours = Priced([Block(1, 2000), Block(99, 300), Block(3, 100)], (3,))
    account.charge(ours, own, 10.0, same=False)
    # 10,000 read and 100 written; of ours nothing was written that is a prefix of it: the mark of
    # the first request was behind its second block.
    assert account.through.cost == pytest.approx(12_500 + 1_000 + 125)
    assert account.ours.cost == pytest.approx(12_500 + 1.25 * 2_400)
    assert account.saved == pytest.approx(1_125 - 3_000)
    assert account.diverged


def test_a_quote_is_what_is_charged_then_and_changes_nothing():
    bill = Bill(OPENAI)
    bill.call(priced(2000, 500).blocks)
    request = priced(2000, 500, 300).blocks
    quoted = bill.quote(request)
    assert bill.quote(request) == quoted and bill.calls == 1
    assert bill.call(request) == quoted
    assert bill.held(priced(2000, 9, start=1).blocks) == [1, 2]
    assert Bill(OPENAI).held(request) == []


def test_a_request_that_was_not_answered_costs_nothing_and_leaves_nothing_in_the_cache():
    account = Account(ANTHROPIC)
    own = priced(3000, marks=(1,))
    entry = account.charge(own, own, 0.0, same=True)
    account.take_back(entry)
    assert account.ours.cost == account.through.cost == 0
    assert account.due(own, 1.0) == 3750  # it is written, not read


def test_a_request_that_was_sent_again_as_the_client_wrote_it_is_charged_so():
    account = Account(ANTHROPIC)
    own, ours = priced(3000, 500, marks=(2,)), priced(1500, start=7, marks=(1,))
    entry = account.charge(ours, own, 0.0, same=False)
    account.sent_again(entry, own)
    assert account.saved == 0
    assert account.ours.held(ours.blocks) == []  # the provider keeps nothing of what it refused


def test_a_request_that_was_answered_and_then_refused_is_charged_beside_the_clients():
    """The provider bills the round in which the model called our tool, too."""
    account = Account(ANTHROPIC)
    own, ours = priced(3000, 500, marks=(2,)), priced(1500, start=7, marks=(1,))
    entry = account.charge(ours, own, 0.0, same=False)
    first, due = entry.ours.cost, entry.through.cost
    account.sent_again(entry, own, answered=True)
    assert account.ours.cost == pytest.approx(first + due) and first > 0
    assert account.saved == pytest.approx(-first)


@pytest.mark.parametrize("failed", [True, False])
def test_what_was_granted_for_a_request_that_did_not_go_out_is_taken_back(failed):
    account = Account(ANTHROPIC)
    own, offering = priced(3000, marks=(1,)), priced(3100, start=7, marks=(1,))
    for _ in range(3):
        account.grant(100, offering, 0.0)
        entry = account.charge(offering, own, 0.0, same=False)
        account.take_back(entry) if failed else account.sent_again(entry, own)
    assert (account.granted, account.saved) == (0, pytest.approx(0))


def test_what_was_granted_goes_with_the_bill_that_it_is_part_of():
    left, account = Account(ANTHROPIC), Account(ANTHROPIC)
    left.grant(100, priced(3100, start=7, marks=(1,)), 0.0)
    left.charge(priced(3100, start=7, marks=(1,)), priced(3000, marks=(1,)), 0.0, same=False)
    account.take_over(left)
    assert (left.saved, account.saved) == (0, pytest.approx(0))


def test_a_tool_with_which_a_request_is_long_enough_for_the_cache_is_granted_the_writing():
    """1,000 tokens are not cached and cost 1,000; with a tool of 200 all 1,200 are written."""
    account = Account(ANTHROPIC)
    own, offering = priced(200, 800, marks=(2,)), priced(400, 800, start=7, marks=(2,))
    assert account.grant(200, offering, 0.0) == pytest.approx(1.25 * 1_200 - 1_000)
    account.charge(offering, own, 0.0, same=False)
    assert account.ours.cost == 1_500 and account.through.cost == 1_000
    assert account.saved == pytest.approx(0)  # nothing that ctxmem has to make up for


def test_what_the_provider_did_not_write_is_not_charged_as_written():
    account = Account(ANTHROPIC)
    own, offering = priced(200, 800, marks=(2,)), priced(400, 800, start=7, marks=(2,))
    account.grant(200, offering, 0.0)
    entry = account.charge(offering, own, 0.0, same=False)
    account.observe(entry, Usage(input=400, cached=0, written=0))
    assert (account.ours.cost, account.through.cost, account.granted) == (1_200, 1_000, 200)
    assert (entry.ours.cost, entry.through.cost, entry.granted) == (1_200, 1_000, 200)
    account.take_back(entry)
    assert (account.ours.cost, account.through.cost, account.granted) == (0, 0, 0)


@pytest.mark.parametrize(("longer", "cost"), [(2_000, 2_000), (2_100, 1.25 * 2_100)])
def test_of_the_clients_own_request_it_is_taken_back_where_that_is_no_longer(longer, cost):
    account = Account(ANTHROPIC)
    ours, own = priced(2_000, start=7, marks=(1,)), priced(longer, marks=(1,))
    entry = account.charge(ours, own, 0.0, same=False)
    account.observe(entry, Usage(input=900, cached=0, written=0))
    assert (account.ours.cost, account.through.cost) == (2_000, cost)
    assert account.due(own, 1.0) == pytest.approx(0.1 * longer)  # the stricter way


def test_the_tokens_that_the_provider_counts_correct_ours():
    account = Account(OPENAI)
    own, longer = priced(2000), priced(4000)
    entry = account.charge(own, own, 0.0, same=True)
    account.observe(entry, Usage(input=2400, cached=0))
    assert (account.beside, account.rate) == (400, 1.0)  # a constant part explains it
    entry = account.charge(longer, longer, 1.0, same=True)
    account.observe(entry, Usage(input=4800, cached=0))
    assert (account.beside, account.rate) == (400, pytest.approx(1.1))  # or not all of it
    account.observe(entry, Usage(input=4400, cached=0))
    assert account.rate == pytest.approx(1.05)  # more at once, less by and by
    account.observe(entry, Usage(input=10**9))
    assert account.rate == 3.0  # nobody counts so differently


def test_an_estimate_is_corrected_downwards_after_a_few_requests_only():
    account = Account(OPENAI)
    own = priced(2000)
    for n in range(8):
        assert account.sure == 1.0 or n >= 4
        account.observe(account.charge(own, own, float(n), same=True), Usage(input=1000, cached=0))
    assert 0.5 < account.sure < 0.6  # with a margin


def test_a_provider_that_does_not_read_its_cache_again_and_again_is_not_relied_on():
    account = Account(OPENAI)
    own = priced(2000)
    for n in range(MISSES + 1):
        entry = account.charge(own, own, float(n), same=True)
        account.observe(entry, Usage(input=2000, cached=0))
    assert not account.trusted
    entry = account.charge(own, own, 9.0, same=True)
    account.observe(entry, Usage(input=2000, cached=1920))
    assert account.trusted


def test_what_the_provider_did_not_write_is_not_taken_for_cached():
    account = Account(ANTHROPIC)
    own = priced(1030, marks=(1,))  # by the provider's count it is shorter than 1,024
    entry = account.charge(own, own, 0.0, same=True)
    account.observe(entry, Usage(input=1000, cached=0, written=0))
    assert account.ours.held(own.blocks) == []


@pytest.mark.parametrize("row", ["anthropic", "openai", "openai-5.6", "gemini"])
@pytest.mark.parametrize("same", [True, False])
def test_another_worker_goes_on_with_the_stored_account(row, same):
    prices = PRICES[row]
    account = Account(prices)
    own = priced(5000, 4000, 100, marks=(1, 3))
    ours = own if same else Priced([Block(1, 5000), Block(77, 500), Block(3, 100)], (1, 3))
    account.charge(ours, own, 5.0, same=same)
    account.marking, account.over, account.misses = True, 2, 1
    other = Account(prices)
    grown = priced(5000, 4000, 100, 300, marks=(4,))
    other.restore(account.to_json(), grown.blocks)
    assert (other.saved, other.marking, other.over) == (pytest.approx(account.saved), True, 2)
    assert other.misses == 1 and other.last_at == 5.0
    assert other.due(grown, 20.0) == pytest.approx(account.due(grown, 20.0))
    more = Priced([*ours.blocks, Block(9, 50)], (4,))
    assert other.cost(more, 20.0) == pytest.approx(account.cost(more, 20.0))
    late = 20.0 + prices.ttl
    assert other.cost(more, late) == pytest.approx(account.cost(more, late))


def test_what_was_saved_goes_with_the_client_and_is_spent_once():
    account, other = Account(OPENAI), Account(OPENAI)
    own = priced(5000)
    account.charge(priced(2000), own, 0.0, same=False)
    saved = account.saved
    other.take_over(account)
    assert (other.saved, account.saved) == (saved, 0.0)
    assert other.to_spend == 0.7 * saved > 0
    assert other.due(own, 1.0) < 1000  # it is read


def test_a_prefix_that_may_be_too_short_for_the_cache_is_not_relied_on():
    account = Account(ANTHROPIC)
    own = priced(1040, marks=(1,))
    account.charge(own, own, 0.0, same=True)
    assert account.cost(own, 1.0, own=True) == pytest.approx(104)
    assert account.cost(own, 1.0) == pytest.approx(1300)


def test_a_record_that_is_none_is_refused_and_one_of_other_prices_begins_anew():
    with pytest.raises(ValueError, match="no account"):
        Account(OPENAI).restore(b"[1]", [])
    account = Account(OPENAI)
    own = priced(3000)
    account.charge(own, own, 0.0, same=True)
    other = Account(ANTHROPIC)
    other.restore(account.to_json(), own.blocks)
    assert other.through.cost == 0


@pytest.mark.parametrize(
    ("wire", "model", "hour", "row"),
    [
        ("chat", "gpt-4o-mini", False, "openai-4o"),
        ("chat", "gpt-5.1", False, "openai"),
        ("responses", "gpt-5.6-codex", False, "openai-5.6"),
        ("anthropic", "claude-opus-4-6", False, "anthropic-4096"),
        ("anthropic", "claude-opus-4-5-20251101", True, "anthropic-1h-4096"),
        ("anthropic", "claude-sonnet-4-5", False, "anthropic"),
        ("anthropic", "claude-sonnet-4-5", True, "anthropic-1h"),
        ("anthropic", "somebody-else", False, "anthropic"),
        ("chat", "deepseek-chat", False, "deepseek"),
        ("chat", "gemini-3-pro", False, "gemini"),
        ("chat", "claude-sonnet-4-5", False, "openai"),  # no marks behind this format
        ("chat", "llama-3-70b", False, "openai"),
    ],
)
def test_the_row_is_chosen_by_format_and_model(wire, model, hour, row):
    assert row_of(wire, model, hour=hour).name == row


def test_what_the_provider_did_not_answer_is_not_the_last_request():
    account = Account(OPENAI)
    own = priced(2000)
    account.take_back(account.charge(own, own, 0.5, same=True))
    assert account.last_at == 0.0
    Account(OPENAI).restore(account.to_json(), own.blocks)
    account.charge(own, own, 1.0, same=True)
    account.take_back(account.charge(own, own, 2.0, same=True))
    assert account.last_at == 1.0
    restored = Account(OPENAI)
    restored.restore(account.to_json(), own.blocks)
    assert restored.last_at == 1.0


def test_a_request_that_was_refused_after_a_call_of_ours_is_charged_with_it():
    client = Client(manage(prices="openai"))
    for new in turns(random.Random(12), "chat", 30):
        client.ask(*new)
        client.finish()
    account = client.exchange.notes["conversation"].account
    client.ask({"role": "assistant", "content": "x"}, user("go"))
    facts, before = client.exchange.facts, account.saved
    first = facts["bill_sent"]
    client.exchange.why, facts["recall_calls"] = "refused", 1
    client.finish()
    assert facts["bill_sent"] == pytest.approx(first + facts["bill_through"])
    assert account.saved < before
