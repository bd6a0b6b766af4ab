"""The policy "covered": at every call the windows cost no more than the untrimmed history."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

import ctxmem
from ctxmem import Memory
from ctxmem.memory.cost_tracker import Outlook
from ctxmem.pricing import PRICES, Bill, Block, Prices

WORDS = "ship port crew tide wind map rope sail oar flag chart cargo deck mast hull".split()


def prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


def result_text(rng: random.Random, words: int) -> str:
    if rng.random() < 0.3:
        rows = [{"id": f"R{rng.randrange(9999)}", "port": rng.choice(WORDS)} for _ in range(5)]
        return json.dumps(rows * (1 + words // 60))
    return f"row_{rng.randrange(999)}: " + prose(rng, words)


def history(rng: random.Random, calls: int, kind: str) -> list[list[dict[str, Any]]]:
    """What is new at each call: an agent's calls and results, or a chat."""
    task = {"role": "user", "content": "Load the ships. " + prose(rng, rng.choice((10, 60)))}
    rules = {"role": "system", "content": "Always answer in French. " + prose(rng, 40)}
    made = [[rules, task]]
    for n in range(1, calls):
        if kind == "agent":
            function = {"name": "read", "arguments": json.dumps({"row": n})}
            call = {"id": f"c{n}", "type": "function", "function": function}
            said = {"role": "assistant", "content": prose(rng, 12), "tool_calls": [call]}
            text = result_text(rng, rng.choice((10, 60, 150, 400)))
            made.append([said, {"role": "tool", "tool_call_id": f"c{n}", "content": text}])
        else:
            said = {"role": "assistant", "content": prose(rng, rng.choice((20, 120)))}
            asks = "Never use ropes. " if rng.random() < 0.1 else ""
            made.append([said, {"role": "user", "content": asks + prose(rng, 30) + "?"}])
    return made


def blocks_of(messages: list[Any], head: int) -> list[Block]:
    made = [Block("head", head + 3)]
    for message in messages:
        tokens = ctxmem.count_messages([message]) - ctxmem.count_messages([])
        made.append(Block(json.dumps(message, sort_keys=True), tokens))
    return made


def costs(
    memory: Memory, steps: list[list[dict[str, Any]]], prices: Prices, head: int = 0
) -> list[tuple[float, float, Any]]:
    """Return after each call what the windows and what the whole history cost, and the window."""
    ours, through = Bill(prices), Bill(prices)
    made: list[tuple[float, float, Any]] = []
    told: list[dict[str, Any]] = []
    for new in steps:
        memory.append(new)
        told += new
        window = memory.window()
        assert window.tokens == ctxmem.count_messages(window.messages) + head <= memory.budget
        blocks = blocks_of(window.messages, head)
        ours.call(blocks, breakpoints=[mark + 2 for mark in window.breakpoints])
        whole = blocks_of(told, head)
        through.call(whole, breakpoints=[len(whole)])
        made.append((ours.cost, through.cost, window))
    return made


def check_law(row: str, kind: str, seed: str, calls: int, within: float = 1e-9) -> int:
    """Replay a random history at a random budget, and return how many edits there were.

    The budgets are twice what the provider caches at least, or more: below that a window may have
    to be too short for the cache. `within` is the share by which a call in between may cost more.
    """
    rng = random.Random(f"{row}{kind}{seed}")
    budget, head = rng.choice((2100, 2500, 3500)), rng.choice((0, 200, 1500))
    memory = Memory(budget + head, prices=row, policy="covered", head=head)
    edits = 0
    for call, (ours, through, window) in enumerate(
        costs(memory, history(rng, calls, kind), PRICES[row], head)
    ):
        assert ours <= through * (1 + within), f"call {call}, budget {budget}, head {head}"
        edits += any(event.kind == "edit" for event in window.events)
    assert ours <= through * (1 + 1e-9), f"at the end, budget {budget}, head {head}"
    return edits


@pytest.mark.parametrize("row", ["anthropic", "openai", "deepseek"])
@pytest.mark.parametrize("kind", ["agent", "chat"])
def test_windows_cost_no_more_than_the_untrimmed_history_at_any_call(row, kind):
    assert check_law(row, kind, "fast3", 40)


@pytest.mark.slow
@pytest.mark.parametrize("row", ["anthropic", "anthropic-1h", "openai", "openai-4o", "deepseek"])
@pytest.mark.parametrize("kind", ["agent", "chat"])
def test_the_law_holds_over_many_random_histories(row, kind):
    # The first edit that the budget forces may come before anything was saved.
    assert sum(check_law(row, kind, f"slow{seed}", 50, 0.005) for seed in range(12)) > 12


@pytest.mark.parametrize(
    ("row", "kind"), [("openai", "agent"), ("anthropic", "agent"), ("anthropic", "chat")]
)
def test_receipts_say_that_an_edit_pays_only_if_it_does(row, kind):
    """One that the account demands, such as below what the provider caches, may lose later."""
    receipts = []
    for seed in range(3):
        memory = Memory(1500, prices=row, policy="covered", head=200)
        for new in history(random.Random(f"{row}{kind}{seed}"), 30, kind):
            memory.append(new)
            memory.window()
        receipts += memory.receipts()
    assert all(one.saved > 0 for one in receipts if one.reason == "pays")
    demanded = [one for one in receipts if one.reason == "account"]
    assert demanded and all("untrimmed history" in str(one) for one in demanded)
    # The window grows by some 100 tokens a call and is cached again soon: no loss is larger than
    # a few windows at full price.
    assert min(one.saved for one in receipts) > -4 * 1500


def even_chat(units: int) -> list[list[dict[str, Any]]]:
    """A chat whose units have about 212 tokens each, and no identifiers."""
    made = [[{"role": "user", "content": "Hello."}]]
    for _ in range(units):
        answer = {"role": "assistant", "content": "wind " * 100}
        made.append([answer, {"role": "user", "content": "rope " * 100 + "?"}])
    return made


@pytest.mark.parametrize("policy", ["covered", "auto"])
def test_a_forced_edit_costs_no_more_than_reading_the_whole_would_have(policy):
    # Before the edit everything was sent as the untrimmed history is, so that nothing is saved. Of
    # N cached tokens the untrimmed history costs .1 N, and 1.25 of what is new. An edit that keeps
    # the first K of them and rewrites R costs .1 K + 1.25 R and the same for what is new.
    memory = Memory(6000, prices="anthropic", policy=policy, head=2000)
    before: list[Any] = []
    cached = 0
    for new in even_chat(30):
        memory.append(new)
        window = memory.window()
        if any(event.kind == "edit" for event in window.events):
            break
        before, cached = window.messages, window.tokens
    assert cached > 5700  # it was forced
    same = 0
    while window.messages[same] == before[same]:
        same += 1
    kept = 2000 + ctxmem.count_messages(before[:same])
    added = ctxmem.count_messages(new) - 3
    rewritten = window.tokens - kept - added
    assert (0.1 * kept + 1.25 * rewritten <= 0.1 * cached) == (policy == "covered")
    assert [m["content"] for m in window.messages[-2:]] == [m["content"] for m in new]


@pytest.mark.parametrize("policy", ["covered", "auto"])
def test_a_caller_who_keeps_the_account_says_what_a_window_may_cost(policy):
    memory = Memory(6000, prices="anthropic", policy=policy, head=2000)
    bill = Bill(PRICES["anthropic"])
    for new in even_chat(40):
        memory.append(new)
        memory.outlook = Outlook(700.0)
        window = memory.window()
        marks = [mark + 2 for mark in window.breakpoints]
        charge = bill.call(blocks_of(window.messages, 2000), breakpoints=marks)
        if any(event.kind == "edit" for event in window.events):
            break
    assert (charge.cost <= 700) == (policy == "covered")


def test_recall_for_a_query_takes_no_more_than_was_saved():
    memory = Memory(4000, prices="openai", policy="covered")
    memory.append([{"role": "user", "content": "My berth is K7. " + "rope " * 1500}])
    memory.window()
    for new in even_chat(12)[1:]:
        memory.append(new)
        memory.window()
    saved = memory.stats().untrimmed - memory.stats().cost
    memory.append({"role": "assistant", "content": "Well."})
    memory.append({"role": "user", "content": "Which berth is mine?"})
    window = memory.window("Which berth is mine?")
    assert memory.stats().cost <= memory.stats().untrimmed
    # 205 tokens were saved. Of them a query may spend 30, and no message is as short.
    assert 0 < saved < 500 and window.recalled == ()


def test_a_reopened_session_keeps_to_the_law(tmp_path):
    steps = history(random.Random(3), 25, "agent")
    prices = PRICES["anthropic"]
    ours, through, told = Bill(prices), Bill(prices), []
    for n, new in enumerate(steps):
        with Memory(3000, store=tmp_path / "a.db", policy="covered", head=1500) as memory:
            memory.append(new)
            window = memory.window()
        told += new
        marks = [mark + 2 for mark in window.breakpoints]
        ours.call(blocks_of(window.messages, 1500), breakpoints=marks)
        whole = blocks_of(told, 1500)
        through.call(whole, breakpoints=[len(whole)])
        assert ours.cost <= through.cost * (1 + 1e-9), n


def test_a_budget_below_what_the_provider_caches_is_kept_all_the_same():
    # Of 4,000 tokens nothing is ever cached at these prices, and of the untrimmed history all is:
    # the law cannot be kept, the budget is.
    memory = Memory(4000, prices="anthropic-4096", policy="covered", head=3000)
    made = costs(memory, even_chat(25), PRICES["anthropic-4096"], 3000)
    assert max(window.tokens for _, _, window in made) <= 4000
    assert memory.stats().cost > memory.stats().untrimmed


def test_an_append_that_expects_another_number_of_messages_writes_nothing(tmp_path):
    with (
        Memory(4000, store=tmp_path / "a.db") as one,
        Memory(4000, store=tmp_path / "a.db") as other,
    ):
        one.append(even_chat(1)[0], expect=0)
        with pytest.raises(ctxmem.ConflictError, match="has 1 messages, and 0 are expected"):
            other.append(even_chat(1)[1], expect=0)
        assert len(other.messages()) == 1
        other.append(even_chat(1)[1], expect=1)
        assert len(one.messages()) == 3


@pytest.mark.parametrize("head", [-1, True, 1.5, "2"])
def test_a_head_that_is_no_number_of_tokens_is_refused(head):
    with pytest.raises(ctxmem.InputError, match="expected a number of tokens"):
        Memory(4000, head=head)
