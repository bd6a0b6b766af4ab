"""A rule said by the way, within a sentence about something else, binds as one of its own."""

from __future__ import annotations

import pytest

from ctxmem.memory.ledger import Ledger

BINDING = [
    ("Could you fix the login bug and by the way never push to main without asking me?", "never p"),
    ("Thanks, that works, and by the way never push to main directly.", "never push"),
    ("Fix the parser, btw never use eval there.", "never use eval"),
    ("The build is green (by the way, always squash the commits).", "always squash"),
    ("Can you look at the report, and btw don't email it to anybody?", "don't email"),
    ("Great work so far, oh and never touch the billing code.", "never touch"),
    ("Let's look at the tests next, incidentally never mock the clock.", "never mock"),
    ("Please add the endpoint and, as a reminder, always validate the input.", "always validate"),
    ("I saw the draft, it is good, one more thing: never use passive voice.", "never use"),
    ("Could you rename the module, and whatever you do never break the API?", "never break"),
    ("Nice. Could you run the tests - and remember, always use Python 3.12?", "always use"),
    ("Which file was it? By the way never delete logs.", "never delete"),
    ("Could you check the price, and while you are at it always show it in euros?", "always show"),
    ("That's it, and just so you know, never call me before nine.", "never call"),
    ("Add the field to the form, and for the record always store dates in UTC.", "always store"),
    ("Why does it fail, and by the way please always paste the full error?", "always paste"),
    ("Rename it, and from here on please never use abbreviations.", "never use"),
    ("Do the second part too, and in general never leave commented code.", "never leave"),
    ("Could you deploy it and, btw, you must never deploy on Fridays?", "never deploy"),
    ("How long does it take, oh and by the way always answer in German?", "always answer"),
    ("It works now - by the way: don't touch the port.", "don't touch the port"),
    ("Go on with step two; apropos, never rebase shared branches.", "never rebase"),
]


@pytest.mark.parametrize(("said", "part"), BINDING)
def test_a_rule_within_a_sentence_binds(said, part):
    ledger = Ledger()
    ledger.take(0, "user", said)
    texts = [entry.text for entry in ledger.entries() if entry.kind in ("rule", "instruction")]
    assert any(part in text for text in texts), texts
    assert all(text in said for text in texts)


NOT_BINDING = [
    "By the way, the weather is nice.",
    "Thanks, and by the way it never rains here.",
    "By the way, did you never push to main?",
    "He said by the way that he never pushes to main.",
    "The manual says, by the way, that it always restarts.",
    "Why do people, by the way, never read the manual?",
    "I read the docs and by the way they are never up to date.",
    "And by the way, what is the port?",
    "btw I always wondered how it works.",
    "btw the cache was always empty.",
    "Oh and it never finished yesterday.",
    "By the way, I might never use it.",
    "By the way, maybe we should never have started.",
    "In general it always takes an hour.",
    "For the record, she never agreed.",
    "As a reminder pops up, it always beeps.",
    'He wrote "by the way never push to main" in the chat.',
    "Incidentally, do you always answer so fast?",
    "One more thing: is it always this slow?",
    "Just so you know, they never called back.",
]


@pytest.mark.parametrize("said", NOT_BINDING)
def test_a_remark_by_the_way_does_not_bind(said):
    ledger = Ledger()
    ledger.take(0, "user", said)
    assert [e.text for e in ledger.entries() if e.kind in ("rule", "instruction")] == []
