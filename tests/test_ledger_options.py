"""What an assistant offers to choose from is no decision until the user chooses."""

from __future__ import annotations

import pytest

from ctxmem.memory.ledger import Ledger

TWO = "You have two options:\n1. Let's use Redis for the cache.\n2. Let's use Postgres.\n\n"
COULD = "1. We could use Redis.\n2. We could use Postgres."
STEPS = "My plan:\n1. I'll add the index.\n2. I'll run the migration on Friday.\n\nShall I go on?"


def decided(answer: str, reply: str) -> list[str]:
    ledger = Ledger()
    ledger.take(0, "user", "What do you suggest?")
    ledger.take(1, "assistant", answer)
    ledger.take(2, "user", reply)
    return [entry.text for entry in ledger.entries() if entry.source == "assistant"]


UNDECIDED = [
    (TWO + "Which one do you prefer?", "yes"),
    (TWO + "Which one do you prefer?", "yes please"),
    (TWO, "ok"),
    (COULD, "Sounds good"),
    ("I suggest:\n1. use Redis\n2. use Postgres", "ok"),
    ("I propose one of these:\n- Let's use Redis.\n- Let's use Kafka.", "sure"),
    ("Either:\n* I suggest we use Redis.\n* I suggest we use Kafka.", "ok, sounds good"),
    ("a) Let's deploy today.\nb) Let's deploy on Monday.\n\nWhich?", "yes"),
    ("Alternatives:\n- Let's use npm.\n- Let's use yarn.", "fine"),
    ("I propose we use Redis. Alternatively, we could use Postgres.", "yes"),
    ("Let's use Redis, or let's use Kafka. What do you think?", "ok"),
    ("I suggest Redis. We could also use Postgres instead.", "yes"),
    ("Option A: I suggest we use Redis.\nOption B: I suggest we use Kafka.", "ok"),
    ("1. Let's use Redis\n2. Let's use Kafka\n3. Let's use NATS\nPick one.", "sounds good"),
    ("We could:\n1. Let's rewrite it.\n2. Let's patch it.", "yes, go ahead"),
    ("Would you rather:\n- Let's fly?\n- Let's take the train.", "yes"),
    ("**Option 1:** Let's use Redis.\n**Option 2:** Let's use Kafka.", "yes"),
    ("There are two ways to do it.\n1. Let's use a queue.\n2. Let's use a cron job.", "ok"),
    ("Here are some ideas:\n- Let's add a cache.\n- Let's add an index.", "great"),
    ("Which do you want?\n1. Let's use tabs.\n2. Let's use spaces.", "ok"),
]


@pytest.mark.parametrize(("answer", "reply"), UNDECIDED)
def test_a_yes_to_several_options_decides_nothing(answer, reply):
    assert decided(answer, reply) == []


DECIDED = [
    (TWO + "Which one?", "option 2 please", ["Let's use Postgres."]),
    (TWO + "Which one?", "2", ["Let's use Postgres."]),
    (TWO + "Which one?", "2.", ["Let's use Postgres."]),
    (TWO + "Which one?", "the first one", ["Let's use Redis for the cache."]),
    (TWO + "Which one?", "Yes, the second.", ["Let's use Postgres."]),
    (TWO + "Which one?", "number 1, please", ["Let's use Redis for the cache."]),
    (TWO + "Which one?", "#2", ["Let's use Postgres."]),
    (TWO + "Which one?", "Yes, Postgres.", ["Let's use Postgres."]),
    (COULD, "ok, redis then", ["We could use Redis."]),
    ("a) Let's deploy today.\nb) Let's deploy on Monday.", "b", ["Let's deploy on Monday."]),
    (STEPS, "ok", ["I'll add the index.", "I'll run the migration on Friday."]),
    (STEPS, "yes, go ahead", ["I'll add the index.", "I'll run the migration on Friday."]),
    ("I'd go with Redis. Shall I proceed?", "Yes, go ahead.", ["I'd go with Redis."]),
    ("I suggest we use Redis.", "sounds good", ["I suggest we use Redis."]),
    ("1. Let's use Redis for the cache.", "ok", ["Let's use Redis for the cache."]),
    ("I propose we use Redis for sessions.", "yes", ["I propose we use Redis for sessions."]),
]


@pytest.mark.parametrize(("answer", "reply", "expected"), DECIDED)
def test_what_is_chosen_or_the_only_proposal_is_a_decision(answer, reply, expected):
    assert decided(answer, reply) == expected


DENIED = [
    "I don't want the first",
    "I don’t like option 1",
    "not the second one",
    "please avoid option 2",
    "anything but Redis",
    "whatever, except Postgres",
]


@pytest.mark.parametrize("reply", DENIED)
def test_an_option_that_a_reply_does_not_want_is_no_decision(reply):
    assert decided(TWO + "Which one?", reply) == []


@pytest.mark.parametrize(
    "reply",
    [
        "I don't like option 1, take option 2",
        "Let's not do the first, go with the second",
        "the second, not the first",
    ],
)
def test_beside_an_option_that_is_not_wanted_the_other_is_the_decision(reply):
    assert decided(TWO + "Which one?", reply) == ["Let's use Postgres."]


@pytest.mark.parametrize("reply", ["no", "neither", "3", "What is Redis?", "Add the 2 files.", "c"])
def test_what_chooses_none_decides_nothing(reply):
    assert decided(TWO + "Which one?", reply) == []


def test_one_of_many_proposals_is_found_by_the_word_that_only_it_has() -> None:
    # If each were compared with all others, this would take minutes.
    many = "\n".join(f"- Let's use redis{n}, the fast one." for n in range(20_000))
    assert decided(f"You could choose:\n{many}", "redis7 is fine") == [
        "Let's use redis7, the fast one."
    ]
    assert decided(f"You could choose:\n{many}", "the fast one") == []
