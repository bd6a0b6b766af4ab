"""A value replaces another only where it holds for the same thing, with all that qualifies it."""

from __future__ import annotations

import pytest

from ctxmem.memory.ledger import Ledger

BOTH = (
    ("The limit for free users is 10 requests.", "The limit for paid users is 500 requests."),
    ("The limit for admin users is 10 requests.", "The limit for guest users is 9 requests."),
    ("The limit for team A is 10 requests.", "The limit for team B is 500 requests."),
    ("For free users the limit is 10 requests.", "For paid users the limit is 500 requests."),
    ("The limit per user is 10 requests.", "The limit per team is 500 requests."),
    ("Max 10 uploads for free users.", "Max 100 uploads for paid users."),
    ("The deadline for part A is 12 May.", "The deadline for part B is 19 May."),
    ("The deadline of milestone 1 is 12 May.", "The deadline of milestone 2 is 19 May."),
    ("The deadline for phase 1 is 12 May.", "The deadline for phase 2 is 19 May."),
    ("The deadline for phase 1 is 12 May.", "The deadline for phase 2 was moved to 19 May."),
    ("Phase I is due on 12 May.", "Phase II is due on 19 May."),
    ("Phase 1 deadline is 12 May.", "Phase 2 deadline is 19 May."),
    ("The budget for Q1 is 500 euros.", "The budget for Q2 is 700 euros."),
    ("Team A's budget is 100 euros.", "Team B's budget is 300 euros now."),
    ("The word limit for chapter one is 500.", "The word limit for chapter two is 800."),
    ("The owner of repo A is Anna.", "The owner of repo B is Ben."),
    ("Das Budget für die Küche beträgt 500 Euro.", "Das Budget für das Bad beträgt 700 Euro."),
)
ONE = (
    ("The limit for free users is 10 requests.", "The limit for free users is 20 requests."),
    ("The limit for free users is 10 requests.", "For free users the limit is 20 requests now."),
    ("The limit is 10 requests.", "The limit is now 20 requests."),
    ("The deadline for part A is 12 May.", "The deadline for part A is 19 May now."),
    ("The deadline for phase 1 is 12 May.", "The deadline for phase 1 was moved to 19 May."),
    ("The deadline of milestone 2 is 12 May.", "The milestone 2 deadline is 19 May now."),
    ("The budget for the kitchen is 500 euros.", "The kitchen budget is now 700 euros."),
    ("The meeting is on Monday at 9.", "The meeting is on Tuesday at 10."),
    ("We'll go with vendor C.", "We'll go with vendor A instead."),
)


def said(older: str, newer: str) -> list[str]:
    ledger = Ledger()
    ledger.take(0, "user", older)
    ledger.take(1, "user", newer)
    return [entry.text for entry in ledger.entries()]


@pytest.mark.parametrize(("older", "newer"), BOTH)
def test_values_that_hold_for_different_things_both_stay(older, newer):
    assert said(older, newer) == [older, newer]
    assert said(newer, older) == [newer, older]


@pytest.mark.parametrize(("older", "newer"), ONE)
def test_a_newer_value_of_the_same_thing_replaces_the_older_one(older, newer):
    assert said(older, newer) == [newer]


def test_a_deadline_is_the_date_behind_the_number_of_its_phase():
    ledger = Ledger()
    [entry] = ledger.take(0, "user", "The deadline for phase 2 was moved to 19 May.")
    assert entry.value == "19 May"
