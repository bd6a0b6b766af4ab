"""A question is divided into what it asks, and each ask between the parts of a request."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctxmem
from ctxmem import Section
from ctxmem.assembling import asking, values
from ctxmem.assembling.menu import Menu
from ctxmem.assembling.options import BOTH, NONE, RECALLED, Offer

LEDGER = "Which colour did I say the roof of the chapel in Turku should get?"
PUMP = "How many litres does the pump Zephyr move in an hour?"
TASK = "Book a table for six at the harbour"

FILLER = [
    {"role": role, "content": f"Note {i} about parcels, depots and trucks of the week. " * 6}
    for i in range(40)
    for role in ("user", "assistant")
]


def crowd():
    """Return a long chat with one message that answers LEDGER."""
    said = [dict(message) for message in FILLER]
    said[10] = {
        "role": "user",
        "content": "The ferry was late as ever, and nobody was at the pier. " * 40
        + "By the way, the roof of the chapel in Turku should get a green colour. "
        + "The trucks were late again, and the depot was full. " * 60,
    }
    return said


TOOLS = [
    {
        "type": "function",
        "function": {
            "name": f"{verb}_{thing}",
            "description": f"{verb.title()} a {thing}. " + "It takes the name of the owner. " * 3,
            "parameters": {"type": "object", "properties": {"name": {"type": "string"}}},
        },
    }
    for verb in ("book", "cancel", "paint", "weigh")
    for thing in ("table", "ferry", "pump", "roof", "lamp", "garden")
]
PASSAGES = [
    "The pump Zephyr moves 4,100 litres in an hour.",
    *(f"Hall {i} was swept and its lamps were changed by team {i % 7}." for i in range(40)),
]


def forms(request, part):
    return {d.key: d.form for d in request.decisions if d.part == part}


def test_paragraphs_are_asks_else_sentences_and_short_ones_stay_with_their_neighbour():
    assert asking.read_asks(f"{LEDGER}\n\n{TASK}") == (LEDGER, TASK)
    assert asking.read_asks("Open the gate at nine. Who is on duty then? Thanks.") == (
        "Open the gate at nine.",
        "Who is on duty then? Thanks.",
    )


@pytest.mark.parametrize("question", ["\n".join("abcdefghij"), "why? " + "x " * 600, "", "  \n "])
def test_material_and_nothing_are_one_ask(question):
    assert asking.read_asks(question) == (question,)


@given(st.text(max_size=300))
def test_asks_have_every_word_of_the_question(question):
    assert " ".join(asking.read_asks(question)).split() == question.split()


@settings(max_examples=50)
@given(
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_shares_add_up_over_the_parts_that_there_are(present, asks, random):
    made = np.array(
        [[[random.uniform(-3, 3) for _ in asking.FEATURES] for _ in range(3)] for _ in range(asks)]
    )
    shares = asking.divided(made, present)
    assert shares.shape == (asks, 3)
    assert shares.sum(axis=1) == pytest.approx([float(any(present))] * asks)
    there = np.array(present)
    assert (shares[:, ~there] == 0).all()
    assert (shares[:, there] >= values.DOUBT - 1e-12).all()


def test_each_part_gets_what_is_asked_of_it():
    question = f"{TASK}\n\n{LEDGER}\n\n{PUMP}"
    request = ctxmem.assemble(
        question, 1000, history=crowd(), tools=TOOLS, passages=PASSAGES, system="Be brief."
    )
    text = str(request.messages)
    assert "green colour" in text and "4,100 litres" in text
    sent = {tool["function"]["name"] for tool in request.tools}
    assert "book_table" in sent
    # The other asks name a roof and a pump, for which no tool is needed.
    assert forms(request, "tools")["weigh_roof"] == forms(request, "tools")["weigh_pump"]
    assert request.tokens <= 1000


def test_an_old_message_is_recalled_as_an_excerpt_with_the_question():
    request = ctxmem.assemble(LEDGER, 500, history=crowd())
    form = forms(request, "history")["10"]
    assert form in (RECALLED, BOTH)
    last = request.messages[-1]["content"]
    assert last.startswith("[memory] From earlier in this conversation:\nuser: ")
    assert "green colour" in last and last.endswith(LEDGER)
    assert 0 < request.parts["memory"] < 200
    assert request.value <= request.upper_bound + 1e-9


def test_what_is_recalled_keeps_the_limits_of_both_parts():
    free = ctxmem.assemble(LEDGER, 900, history=crowd())
    for most in (free.parts["memory"] - 1, 30, 0):
        held = ctxmem.assemble(LEDGER, 900, history=crowd(), sections=[Section("memory", max=most)])
        assert held.parts.get("memory", 0) <= most
    small = ctxmem.assemble(LEDGER, 900, history=crowd(), sections=[Section("history", max=150)])
    assert small.parts["history"] <= 150 and "green colour" in small.messages[-1]["content"]


def test_the_next_question_recalls_something_else_behind_the_same_history():
    said = crowd()
    said[30] = {"role": "user", "content": "The gate code of the mill in Pori is 5519. " * 6}
    first = ctxmem.assemble(LEDGER, 600, history=said)
    second = ctxmem.assemble(
        "What is the gate code of Pori mill?", 600, history=said, previous=first
    )
    assert "5519" in second.messages[-1]["content"]
    stable = first.messages[: first.volatile_from]
    assert second.messages[: second.volatile_from] == stable


@st.composite
def offers(draw):
    n = draw(st.integers(1, 4))
    number = st.integers(1, 12)
    rows = [[draw(number), draw(number)] for _ in range(n)]
    value = [[draw(st.integers(0, 20)), draw(st.integers(0, 20))] for _ in range(n)]
    tokens = np.array(rows, dtype=np.int64)
    inside = tokens.copy()
    inside[:, 1] = 0  # the second form is sent elsewhere
    required = np.array([draw(st.booleans()) for _ in range(n)])
    return Offer(
        "history",
        [str(i) for i in range(n)],
        ("full", RECALLED),
        tokens,
        np.array(value, dtype=np.float64),
        required,
        0,
        inside,
    )


@settings(max_examples=150, deadline=None)
@given(offers(), st.integers(0, 40), st.integers(0, 30))
def test_a_limit_does_not_count_what_is_sent_elsewhere_and_the_bound_holds(offer, budget, most):
    best = None
    for columns in itertools.product([-1, 0, 1], repeat=len(offer.keys)):
        if any(c < 0 and r for c, r in zip(columns, offer.required, strict=True)):
            continue
        taken = [(i, c) for i, c in enumerate(columns) if c >= 0]
        inside = sum(int(offer.counted[i, c]) for i, c in taken)
        if sum(int(offer.tokens[i, c]) for i, c in taken) > budget or inside > most:
            continue
        value = sum(float(offer.value[i, c]) for i, c in taken)
        best = value if best is None else max(best, value)
    picked = Menu([offer], {"history": (0, most)}).at(budget)
    if picked is None:
        return  # what is required is taken in its lightest form
    assert best is not None
    column = picked.columns[0]
    rows = np.flatnonzero(column >= 0)
    assert int(offer.counted[rows, column[rows]].sum()) <= most
    assert picked.tokens <= budget
    assert picked.value <= best + 1e-9 <= picked.bound + 2e-9


def test_units_that_were_left_out_can_be_recalled_and_others_stay_as_they_were():
    forms_ = ("full", "shortened", "indexed", RECALLED, BOTH)
    offer = Offer(
        "history",
        ["0", "1", "2"],
        forms_,
        np.array([[9, NONE, 3, 5, 8]] * 3, dtype=np.int64),
        np.array([[9.0, 0, 1, 5, 6]] * 3),
        np.zeros(3, dtype=np.bool_),
    )
    kept = offer.keeping({"0": "omitted", "1": "indexed", "2": "full"})
    has = [{f for f, t in zip(forms_, row, strict=True) if t < NONE} for row in kept.tokens]
    assert has == [{RECALLED}, {"indexed", BOTH}, {"full"}]
    assert kept.required.tolist() == [False, True, True]
