"""When the stage of `manage` plans a window; a request without one is kept all the same."""

from __future__ import annotations

import random

import pytest
from chats import user
from test_gateway_manage import Client, Clock, manage, text, turns

from ctxmem.gateway.manage import windows
from ctxmem.gateway.manage.conversations import Conversation
from ctxmem.memory import Memory
from ctxmem.memory.edits import look_again
from ctxmem.memory.managed import held_window, sent_whole

MINIMUM = 1024
"""Tokens from which the provider of these tests caches a prompt."""


@pytest.fixture
def planned(monkeypatch) -> list[int]:
    """How many messages the conversation had at each request that a window was planned for."""
    found: list[int] = []

    def noted(memory: Memory, query: str | None = None):
        found.append(memory.stats().messages)
        return held_window(memory, query)

    monkeypatch.setattr(windows, "held_window", noted)
    return found


def said(role: str, words: int, rng: random.Random) -> dict[str, str]:
    return {"role": role, "content": text(rng, words)}


def conversation_of(client: Client) -> Conversation:
    return client.exchange.notes["conversation"]


def grown(client: Client, rng: random.Random, requests: int, words: int = 30) -> None:
    """Send so many requests, each with an answer and a question more."""
    for _ in range(requests):
        assert client.ask(said("assistant", words, rng), said("user", words, rng)) is None
        client.finish()


def test_a_request_shorter_than_what_is_cached_is_kept_and_not_planned(planned):
    rng, client = random.Random(1), Client(manage(budget=100_000))
    client.ask(user("Load the ships."))
    grown(client, rng, 8)
    assert client.exchange.facts["tokens"] and sum(client.exchange.facts["tokens"].values()) < 1000
    assert planned == []
    conversation = conversation_of(client)
    assert conversation.memory.messages() == client.told
    account = conversation.account
    assert account is not None and account.ours.cost == account.through.cost > 0


def test_a_window_that_did_not_pay_is_planned_again_when_the_request_has_grown(planned):
    rng, client = random.Random(2), Client(manage(budget=100_000))
    client.ask(user(text(rng, 2000)))
    client.finish()
    sizes, due, expected = [], 0, []
    for _ in range(40):
        grown(client, rng, 1)
        size = client.stage._requests.read(client.exchange).passed.tokens
        sizes.append(size)
        if size >= due:
            due = look_again(size)
            expected.append(len(client.told))
    assert sizes[0] > MINIMUM and len(expected) > 2
    # Two messages or fewer stay in every window, so the first request is not planned.
    assert planned == expected


def test_a_new_result_is_planned_for_and_a_short_one_is_not(planned):
    rng, client = random.Random(3), Client(manage(budget=100_000))
    client.ask(user(text(rng, 2000)))
    client.finish()
    grown(client, rng, 1)
    before = len(planned)
    for words, more in ((5, 0), (120, 1), (5, 0)):
        at = len(planned)
        client.ask(*turns(rng, "chat", 1, words)[1])
        client.finish()
        assert len(planned) == at + more
    assert before == 1


def test_a_window_is_planned_when_the_cache_is_cold_and_when_the_request_does_not_fit(planned):
    clock = Clock()
    rng, client = random.Random(4), Client(manage(budget=5000, clock=clock))
    client.ask(user(text(rng, 1500)))
    client.finish()
    grown(client, rng, 2)
    assert len(planned) == 1
    clock.now += 3600
    client.ask(said("assistant", 10, rng), said("user", 10, rng))
    client.finish()
    assert len(planned) == 2
    client.ask(said("assistant", 3000, rng), said("user", 3000, rng))
    assert len(planned) == 3
    assert client.exchange.facts["budget"] == 5000


def test_a_client_without_marks_is_planned_for_where_they_may_be_set(planned):
    rng, client = random.Random(5), Client(manage(prices="anthropic", budget=100_000), "anthropic")
    client.ask(user(text(rng, 2000)))
    client.finish()
    assert len(planned) == 1


def test_what_was_sent_whole_is_learned_from_and_costs_what_the_history_does():
    planning, whole = Memory(100_000, prices="openai"), Memory(100_000, prices="openai")
    for n in range(12):
        for memory in (planning, whole):
            memory.append(
                [
                    {"role": "user", "content": f"Look at order HAT{n:03d} and file_{n}.py."},
                    {"role": "assistant", "content": f"HAT{max(0, n - 3):03d} is paid. " * 40},
                ]
            )
        planning.window()
        sent_whole(whole, cold=False)
    one, other = planning.stats(), whole.stats()
    assert (one.cost, one.untrimmed) == (other.cost, other.untrimmed)
    assert one.stable_share == pytest.approx(other.stable_share, abs=0.02)
    tracker, expected = whole._session.visibility, planning._session.visibility
    assert (tracker.hits, tracker.misses) == (expected.hits, expected.misses)
    assert tracker.hits > 5
