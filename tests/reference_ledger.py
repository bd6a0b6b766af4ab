"""Slow twin of the scanner's decision whether a sentence with a cue binds: by regular expressions.

It knows the forms of `sentences` only: a rule or preference, alone or behind something that takes
its force (a question, a condition, a report, quotation marks) or leaves it ("and", "please").
"""

from __future__ import annotations

import re

CUES = (
    "never push to main",
    "always run the tests",
    "you must not delete the archive",
    "do not rename the table",
    "I prefer short answers",
    "I'm allergic to peanuts",
    "my budget is 500 euros",
    "let's use Postgres for this",
)
BEFORE = (
    "",
    "please ",
    "and ",
    "also, ",
    "by the way, ",
    "my colleague said that ",
    "the manual says ",
    "she told us ",
    "if ",
    "is it true that ",
    "why do people say that ",
    "the sign reads ",
)
BEHIND = (".", "!", "", " because it broke last week.", ", thanks.", "?")


def binds(before: str, cue: str, behind: str, *, quoted: bool) -> bool:
    """Return whether the sentence of these parts binds."""
    if quoted or re.search(r"\b(?:said|says|told|reads)\b", before):
        return False
    if re.match(r"if\b", before):
        return False
    if behind.endswith("?"):
        # A question binds only by what its author says about himself in a clause of his own.
        own = re.match(r"(?:I|my|let's)\b", cue)
        alone = re.fullmatch(r"(?:please |and |also, |by the way, )?", before)
        return bool(own and alone)
    return not re.search(r"\b(?:is it true|why do)\b", before)
