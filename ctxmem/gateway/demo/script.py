"""What the scripted client of `ctxmem serve --demo` says, and what its tools return.

All of it is made up, and the same in every run: a text depends on its name alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PATHS = (
    *("src/billing/invoice.py", "src/billing/tax.py", "src/api/routes.py", "src/api/errors.py"),
    *("src/db/pool.py", "src/db/models.py", "tests/test_invoice.py", "src/jobs/retry.py"),
)
_NOUNS = ("invoice", "customer", "payment", "refund", "session", "order", "ledger", "export")
_VERBS = ("load", "check", "total", "store", "send", "round", "merge", "cancel")
_ARTICLES = {
    "refunds": "Refunds are paid to the card that was charged. A request within 30 days of "
    "delivery is accepted without a reason; after that only for faults. It takes three to five "
    "working days until the bank shows the amount.",
    "delivery": "Parcels leave the warehouse within one working day. Standard delivery takes two "
    "to four days, express one. A parcel that has not moved for five days counts as lost and is "
    "sent again at no cost.",
    "invoices": "The invoice is sent by mail when the parcel leaves. A company's name and its tax "
    "number can be added for 14 days after the order; later a new invoice has to be asked for.",
    "accounts": "A password is set anew by a link that holds for one hour. Two wrong codes lock "
    "the account for 15 minutes. An account without orders can be deleted at once, others after "
    "the last warranty has ended.",
}


@dataclass(frozen=True, slots=True)
class Story:
    """A conversation: who the assistant is, its tools, and what is asked one after the other."""

    name: str
    system: str
    tools: Mapping[str, str]
    questions: Sequence[str]


CODING = Story(
    "coding",
    "You are a coding agent in the repository of an invoicing service. Read before you change. "
    "Never change a migration that was released. Answer in a few sentences. "
    + " ".join(
        f"Rule {n}: functions named {verb}_* return a value or raise, and never print."
        for n, verb in enumerate(_VERBS, 1)
    ),
    {
        "read_file": "Return the text of a file of the repository, with line numbers.",
        "run_tests": "Run the tests and return their output.",
        "search": "Search the repository for a word and return the lines that have it.",
    },
    (
        "The nightly run fails since Monday. Find out why.",
        "Remember: amounts must never be floats. Where do we still use them?",
        "Fix the rounding of the tax and run the tests.",
        "The pool runs out of connections under load. Read how it is made.",
        "Which function retries, and how often?",
        "Add a timeout of ten seconds to the retries.",
        "What did the first test run say about the invoice totals earlier?",
        "Read the invoice module again and name what is left to do.",
        "Does the error handler hide the reason of a refused refund?",
        "Run all tests once more, and sum up what was changed.",
    ),
)
SUPPORT = Story(
    "support",
    "You answer customers of a shop. Look things up before you answer, and quote the article that "
    "you rely on. Be brief and polite. Never promise a date that no article names.",
    {
        "find_order": "Return an order and its history by its number.",
        "search_help": "Return the articles of the help pages about a subject.",
    },
    (
        "Where is my order 4711? It was due on Tuesday.",
        "I only write at weekends, so please do not call me. Can I change the address?",
        "And the invoice has to have our tax number DE811111.",
        "If it does not come by Friday I want my money back. How long does that take?",
        "Is the second order 4712 the same parcel?",
        "What was the date that you named for the first order earlier?",
        "Please sum up what we agreed.",
    ),
)


def schema(name: str, does: str) -> dict[str, Any]:
    """Return what a tool takes, as JSON schema."""
    return {
        "name": name,
        "description": does,
        "parameters": {
            "type": "object",
            "properties": {"what": {"type": "string", "description": "a path, number or word"}},
            "required": ["what"],
        },
    }


def asked_of(tool: str, question: str, turn: int) -> str:
    """Return what the stub asks a tool for."""
    chosen = random.Random(f"{tool} {question} {turn}")
    if tool == "read_file":
        return chosen.choice(_PATHS[:4] if turn else _PATHS)
    if tool == "find_order":
        return "4712" if "4712" in question else "4711"
    if tool == "search_help":
        return chosen.choice(list(_ARTICLES))
    return chosen.choice(_NOUNS)


def result_of(tool: str, what: str, turn: int) -> str:
    """Return what a tool returns."""
    if tool == "read_file":
        return _file(what)
    if tool == "run_tests":
        return _tests(turn)
    if tool == "search":
        return _found(what)
    if tool == "find_order":
        return _order(what)
    return "\n\n".join(
        f"# {title}\n{text}"
        for title, text in _ARTICLES.items()
        if what in (title, "") or title in ("refunds", "delivery")
    )


def reply_to(question: str, results: int) -> str:
    """Return what the stub says when it has looked at enough."""
    chosen = random.Random(question)
    found = [
        f"The {chosen.choice(_NOUNS)} is handled by {chosen.choice(_VERBS)}_"
        f"{chosen.choice(_NOUNS)} in {chosen.choice(_PATHS)}."
        for _ in range(chosen.randint(3, 7))
    ]
    looked = f"I looked at {results} results. " if results else ""
    return f"(This is a stub, not a model.) {looked}{' '.join(found)}"


def _file(path: str) -> str:
    """Return a module of about 1,500 tokens."""
    chosen = random.Random(path)
    lines = [f'"""Part of {path}."""', "", "from decimal import Decimal", ""]
    for number in range(chosen.randint(9, 16)):
        verb, noun = chosen.choice(_VERBS), chosen.choice(_NOUNS)
        lines += [
            "",
            f"def {verb}_{noun}_{number}(rows, *, limit={chosen.randint(5, 500)}):",
            f'    """Return the {noun}s that {verb} takes, at most `limit` of them."""',
            f"    total = Decimal({chosen.randint(1, 99)})",
            "    for row in rows[:limit]:",
            f"        if row['{noun}'] is None:",
            f"            raise ValueError('{noun} is missing in row ' + str(row['id']))",
            f"        total += row['{noun}'] * Decimal('0.{chosen.randint(10, 99)}')",
            f"    return total.quantize(Decimal('0.0{chosen.randint(1, 9)}'))",
            "",
        ]
    return "\n".join(f"{number:>4}  {line}" for number, line in enumerate(lines, 1))


def _tests(turn: int) -> str:
    chosen = random.Random(f"tests {turn}")
    lines = ["collected 148 items", ""]
    for number in range(70):
        took = chosen.randint(2, 900)
        state = "FAILED" if chosen.random() < 0.06 else "PASSED"
        lines.append(
            f"tests/test_{chosen.choice(_NOUNS)}.py::test_{chosen.choice(_VERBS)}_{number} "
            f"{state} ({took} ms)"
        )
    failed = sum("FAILED" in line for line in lines)
    return "\n".join([*lines, "", f"{failed} failed, {148 - failed} passed"])


def _found(word: str) -> str:
    chosen = random.Random(f"found {word}")
    return "\n".join(
        f"{chosen.choice(_PATHS)}:{chosen.randint(1, 400)}: "
        f"{chosen.choice(_VERBS)}_{word}(rows, limit={chosen.randint(1, 90)})"
        for _ in range(chosen.randint(15, 40))
    )


def _order(number: str) -> str:
    chosen = random.Random(number)
    events = [
        f"2026-11-{day:02} {chosen.randint(6, 21):02}:{chosen.randint(0, 59):02}  "
        f"{chosen.choice(('scanned', 'loaded', 'moved', 'held'))} in depot {chosen.randint(1, 40)}"
        for day in range(3, 27)
    ]
    return f"order {number}, 3 items, 149.90 EUR, paid by card\n" + "\n".join(events)
