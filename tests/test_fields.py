"""`Budget`, `Chunk`, `Section` and `Alternative` check themselves when they are made."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal

import numpy as np
import pytest

from ctxmem import (
    Alternative,
    Budget,
    BudgetError,
    Chunk,
    InputError,
    InputTypeError,
    Section,
    pack,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"tokens": 0}, BudgetError, "budget is 0 tokens; expected 1 to"),
        ({"tokens": -1}, BudgetError, "budget is -1 tokens"),
        ({"tokens": 10**9 + 1}, BudgetError, "expected 1 to 1,000,000,000"),
        ({"tokens": 1.5}, InputTypeError, r"budget is 1.5 \(float\); expected an int"),
        ({"tokens": "5"}, InputTypeError, r"budget is '5' \(str\)"),
        ({"tokens": True}, InputTypeError, r"budget is True \(bool\)"),
        ({"tokens": None}, InputTypeError, "budget is None"),
        ({"tokens": 10, "reserve": 10}, BudgetError, "10 are reserved; .* from 0 to 9"),
        ({"tokens": 10, "reserve": 11}, BudgetError, "11 are reserved"),
        ({"tokens": 10, "reserve": -1}, BudgetError, "-1 are reserved"),
        ({"tokens": 10, "reserve": "1"}, InputTypeError, "reserve is '1'"),
        ({"tokens": 10, "auto": 0}, BudgetError, "auto is 0; expected a minimum density"),
        ({"tokens": 10, "auto": -1}, BudgetError, "auto is -1"),
        ({"tokens": 10, "auto": 1.5}, BudgetError, "auto is 1.5"),
        ({"tokens": 10, "auto": NAN}, BudgetError, "auto is nan"),
        ({"tokens": 10, "auto": "yes"}, InputTypeError, "auto is a str; expected True"),
    ],
)
def test_a_budget_that_is_no_budget_cannot_be_made(fields, error, message):
    with pytest.raises(error, match=message):
        Budget(**fields)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"name": ""}, InputError, "section has an empty name"),
        ({"name": None}, InputTypeError, "name is not a str"),
        ({"name": "law", "min": -1}, InputError, "section 'law': min is -1"),
        ({"name": "law", "min": 1.5}, InputTypeError, "section 'law': min is 1.5"),
        ({"name": "law", "min": 9, "max": 3}, InputError, "minimum of 9 and a maximum of 3"),
        ({"name": "law", "max": -1}, InputError, "minimum of 0 and a maximum of -1"),
        ({"name": "law", "max": "3"}, InputTypeError, "max is '3'"),
        ({"name": "law", "share": 1.5}, InputError, "section 'law' has the share 1.5"),
        ({"name": "law", "share": 0}, InputError, "has the share 0"),
        ({"name": "law", "share": NAN}, InputError, "has the share nan"),
        ({"name": "law", "share": True}, InputTypeError, "share is a bool"),
        ({"name": "law", "share": 0.5, "max": 3}, InputError, "expected one of the two"),
        ({"name": "law", "header": 3}, InputTypeError, "header is an int"),
        ({"name": "law", "parent": 1.5}, InputTypeError, "parent is not a str"),
    ],
)
def test_a_section_with_limits_that_cannot_hold_cannot_be_made(fields, error, message):
    with pytest.raises(error, match=message):
        Section(**fields)


CHUNKS = [
    ({"text": 5}, InputTypeError, "has a text of type int; expected str"),
    ({"text": None}, InputTypeError, "has a text of type NoneType"),
    ({"text": ""}, InputError, "has an empty text; expected a passage"),
    ({"id": 1.5}, InputTypeError, "id is not a str but of type float"),
    ({"id": True}, InputTypeError, "id is not a str but of type bool"),
    ({"score": "high"}, InputTypeError, "score of type str; expected a number"),
    ({"score": True}, InputTypeError, "score of type bool"),
    ({"score": [1]}, InputTypeError, "score of type list"),
    ({"score": NAN}, InputError, "score nan; expected a finite number"),
    ({"score": math.inf}, InputError, "score inf"),
    ({"score": 10**400}, InputError, "score inf"),
    ({"rank": -1}, InputError, "rank -1; expected an int from 0"),
    ({"rank": True}, InputError, "rank True"),
    ({"rank": 1.5}, InputError, "rank 1.5"),
    ({"rank": "1"}, InputError, "rank '1'"),
    ({"span": 3}, InputError, r"span 3; expected \(start, end\)"),
    ({"span": (1,)}, InputError, r"span \(1,\)"),
    ({"span": (2, 1)}, InputError, r"span \(2, 1\)"),
    ({"span": (-1, 1)}, InputError, r"span \(-1, 1\)"),
    ({"span": (0.0, 1.0)}, InputError, r"span \(0.0, 1.0\)"),
    ({"span": (False, True)}, InputError, r"span \(False, True\)"),
    ({"pinned": "no"}, InputTypeError, r"pinned is 'no' \(str\); expected True or False"),
    ({"pinned": 1}, InputTypeError, "pinned is 1"),
    ({"requires": "a"}, InputTypeError, r"requires is the str 'a'; .*: \['a'\]"),
    ({"requires": 3}, InputTypeError, "requires is an int; expected a list of ids"),
    ({"requires": [1.5]}, InputTypeError, "an id in requires is not a str but of type float"),
    ({"alternatives": "short"}, InputTypeError, "alternatives is the str 'short'"),
    ({"alternatives": [3]}, InputTypeError, "has an alternative of type int"),
    ({"alternatives": [" "]}, InputError, "has an empty alternative"),
]


@pytest.mark.parametrize(("fields", "error", "message"), CHUNKS)
def test_a_chunk_with_a_field_that_cannot_be_used_cannot_be_made(fields, error, message):
    with pytest.raises(error, match=f"^chunk \\(.*source 'a.md'\\).* ?{message}"):
        Chunk(**{"text": "a passage", "source": "a.md", **fields})


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [row for row in CHUNKS if isinstance(row[0].get("text", ""), str)],
)
def test_pack_says_which_dict_has_a_field_that_cannot_be_used(fields, error, message):
    wrong = {"text": "a passage", "source": "a.md", **fields}
    with pytest.raises(error, match=f"^chunk 1 \\(.*source 'a.md'\\).* ?{message}"):
        pack(["first", wrong], 10, counter=len)


def test_pack_says_which_pair_and_which_document_cannot_be_used():
    class Document:
        page_content, metadata = "", {"source": "a.md"}

    with pytest.raises(InputError, match=r"^chunk 2 has score nan"):
        pack(["first", ("second", 0.5), ("third", NAN)], 10, counter=len)
    with pytest.raises(InputError, match=r"^chunk 1 \(source 'a.md'\) has an empty text"):
        pack(["first", Document()], 10, counter=len)
    with pytest.raises(InputError, match=r"^chunk 0 has an empty text"):
        pack([""], 10, counter=len)


def test_a_changed_copy_is_checked_too():
    with pytest.raises(InputError, match="rank -1"):
        dataclasses.replace(Chunk("a"), rank=-1)
    with pytest.raises(BudgetError, match="11 are reserved"):
        dataclasses.replace(Budget(10), reserve=11)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"text": 5}, InputTypeError, "text of type int"),
        ({"text": "\n"}, InputError, "empty text"),
        ({"text": "a", "share": 1.5}, InputError, "share of an alternative is 1.5"),
        ({"text": "a", "share": NAN}, InputError, "share of an alternative is nan"),
        ({"text": "a", "share": "half"}, InputTypeError, "share of an alternative is of type str"),
        ({"text": "a", "label": None}, InputTypeError, "label of an alternative is a NoneType"),
        ({"text": "a", "spans": [(2, 1)]}, InputError, r"span \(2, 1\)"),
        ({"text": "a", "spans": 3}, InputTypeError, "spans is an int"),
    ],
)
def test_an_alternative_that_cannot_replace_a_chunk_cannot_be_made(fields, error, message):
    with pytest.raises(error, match=message):
        Alternative(**fields)


def test_fields_are_stored_as_plain_values():
    chunk = Chunk(
        np.str_("a passage"),
        id=np.int64(7),
        score=Decimal("0.5"),
        source=np.str_("a.md"),
        span=[np.int64(0), np.int64(9)],
        rank=3.0,
        pinned=np.bool_(True),
        requires=[8],
        alternatives=["short", Alternative("shorter")],
    )
    stored = (chunk.text, chunk.id, chunk.score, chunk.source, chunk.span, chunk.rank)
    assert stored == ("a passage", "7", 0.5, "a.md", (0, 9), 3)
    assert [*map(type, stored)] == [str, str, float, str, tuple, int]
    assert (chunk.pinned, chunk.requires) == (True, ("8",))
    assert chunk.alternatives == (Alternative("short"), Alternative("shorter"))
    budget = Budget(np.int64(10), reserve=np.int32(2), auto=np.float32(0.5))
    assert repr(budget) == "Budget(tokens=10, reserve=2, auto=0.5)"
    section = Section(np.str_("law"), min=np.int64(1), share=np.float32(0.5))
    assert repr(section).startswith("Section(name='law', min=1, max=None, share=0.5,")


def test_lists_that_are_left_out_are_empty():
    chunk = Chunk("a", requires=None, alternatives=None)
    assert (chunk.requires, chunk.alternatives) == ((), ())


def test_scores_of_text_rows_are_numbers():
    decisions = pack([{"text": "a", "score": "0.5"}, ("b", "1")], 10, counter=len).decisions
    assert all(decision.kept for decision in decisions)
