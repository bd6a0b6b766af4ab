"""What pack is given: bad input is named, old names warn, hostile text is packed."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import inspect
import json
from unittest import mock

import pytest

import ctxmem
from ctxmem import BudgetError, Chunk, InputError, InputTypeError, pack
from ctxmem.candidates import Candidates

# Bad input: what was given, what was expected, what to do


@pytest.mark.parametrize(
    ("chunks", "error", "message"),
    [
        ([], InputError, "chunks is empty; expected at least one passage"),
        ("text", InputTypeError, "chunks is a str; expected a list .* wrap a single one"),
        (None, InputTypeError, "chunks is a NoneType"),
        ({"text": "a"}, InputTypeError, "chunks is a dict"),
        ([""], InputError, "chunk 0 has an empty text; .* leave it out"),
        (["a", 7], InputTypeError, "chunk 1 is an int; expected a str"),
        (["a", None], InputTypeError, "chunk 1 is a NoneType"),
        ([{"body": "a"}], InputTypeError, r"chunk 0 is a dict with the keys \['body'\]"),
        ([Chunk("a", id="x"), Chunk("b", id="x")], InputError, "chunks 0 and 1 have the id 'x'"),
        ([Chunk("a", requires=["z"])], InputError, "requires 'z', which is not among the chunks"),
    ],
)
def test_bad_chunks_are_named(chunks, error, message):
    with pytest.raises(error, match=message):
        pack(chunks, 100)


@pytest.mark.parametrize(
    ("budget", "error"),
    [
        (0, BudgetError),
        (-5, BudgetError),
        (2**63, BudgetError),
        (10**9 + 1, BudgetError),
        (1.5, InputTypeError),
        ("100", InputTypeError),
        (True, InputTypeError),
        (None, InputTypeError),
    ],
)
def test_absurd_budgets_are_refused(budget, error):
    with pytest.raises(error, match="expected"):
        pack(["a"], budget)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"order": "best"}, InputError, "order is 'best'; expected one of auto"),
        ({"separator": None}, InputTypeError, "separator is a NoneType"),
        ({"header": 3}, InputTypeError, "header is an int"),
        ({"header": "{page}"}, InputError, r"cannot be filled in .* only the fields \{id\}"),
        ({"header": lambda chunk: None}, InputTypeError, "header returned a NoneType"),
        ({"dedup": "yes"}, InputError, "dedup is 'yes'; expected 'careful', 'exact' or False"),
        ({"dedup": None}, InputTypeError, "dedup is a NoneType; expected 'careful'"),
        ({"dedup_threshold": 1.5}, InputError, "dedup_threshold is 1.5; expected a share"),
        ({"dedup_threshold": 0}, InputError, "dedup_threshold is 0"),
        ({"dedup_threshold": "half"}, InputTypeError, "dedup_threshold is a str"),
        ({"dedup_threshold": True}, InputTypeError, "dedup_threshold is a bool"),
        (
            {"dedup_threshold": 0.5, "dedup": "exact"},
            InputError,
            "dedup_threshold is 0.5, and dedup is 'exact'",
        ),
        ({"dedup_threshold": 0.5, "dedup": False}, InputError, "and dedup is False"),
        ({"query": 3}, InputTypeError, "query is an int"),
        ({"query_embedding": [[1, 2]]}, InputError, "query_embedding has the shape"),
        ({"query_embedding": [float("nan")]}, InputError, "not finite"),
        ({"query": "a", "embed": lambda texts: [1, 2]}, InputTypeError, "embed returned"),
        ({"query": "a", "embed": lambda texts: "abc"}, InputTypeError, "embed did not return"),
        ({"query": "a", "embed": lambda texts: [[float("nan")]]}, InputError, "not finite"),
        ({"query": "a", "embed": 3}, InputTypeError, "embed is an int; expected a function"),
        ({"counter": "o300k"}, InputError, "o300k"),
        ({"counter": lambda text: -1}, InputError, "-1"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        pack(["a"], 100, **options)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [("ctxmem.traces", "Tally", "ReadStats"), ("ctxmem.chat", "Growing", "IncrementalTrimmer")],
)
def test_a_former_name_of_a_module_warns_and_is_the_new_one(module, old, new):
    found = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=f"{module}.{old} is deprecated .* use {new}"):
        assert getattr(found, old) is getattr(found, new)
    assert old not in found.__all__
    with pytest.raises(AttributeError, match="has no attribute 'Misspelt'"):
        _ = found.Misspelt


@pytest.mark.parametrize(
    ("old", "new"),
    [("left", "unselected_share"), ("stopped", "stopped_early"), ("asked", "scored_count")],
)
def test_old_names_of_a_windows_fields_work_and_warn_where_they_are_used(old, new):
    window = pack(["Rome is in Italy.", "Oslo is in Norway."], 6)
    with pytest.warns(DeprecationWarning, match=f"Window.{old} is deprecated .* use {new}") as seen:
        assert getattr(window, old) == getattr(window, new)
    assert seen[0].filename == __file__
    assert old not in window.to_dict() and new in window.to_dict()


def test_a_window_does_not_hold_the_columns_of_the_pipeline():
    window = pack(["Rome is in Italy."], 9)
    assert not hasattr(window, "table")
    held = [getattr(window, field.name) for field in dataclasses.fields(window)]
    assert not any(isinstance(value, Candidates) for value in held)


def test_errors_are_of_the_types_people_catch():
    assert issubclass(InputTypeError, TypeError) and issubclass(InputTypeError, ValueError)
    assert issubclass(BudgetError, ValueError)


# Hostile text is normal


@pytest.mark.parametrize(
    "text",
    [
        "<|endoftext|> and <|im_start|>",
        "lone \ud83d surrogate",
        "nul \x00 inside",
        " " * 1_000_000 + "x",
        "\u3000" * 1_000_000 + "x",
        "a" * 200_000,
        "\u202eright to left\u202c \u200d\u200d",
    ],
)
def test_hostile_text_is_packed(text):
    window = pack([text, "a plain passage"], 10**6)
    assert window.tokens <= 10**6
    assert all(decision.kept for decision in window.decisions)
    json.dumps(window.to_dict())
    window._repr_html_()


def test_many_identical_chunks_are_one():
    window = pack(["the same passage again"] * 20_000, 100)
    assert window.text == "the same passage again"
    assert len(window.decisions) == 20_000


def test_apack_is_pack():
    assert asyncio.run(ctxmem.apack(["a b c"], 10)).text == "a b c"


def test_apack_has_the_signature_of_pack_and_passes_every_option_on():
    of_pack, of_apack = inspect.signature(pack), inspect.signature(ctxmem.apack)
    assert of_apack == of_pack
    names = [name for name in of_pack.parameters if name != "resident"]
    given = {name: "careful" if name == "dedup" else object() for name in names}
    with mock.patch("ctxmem.pipeline.pack", return_value="window") as packed:
        assert asyncio.run(ctxmem.apack(**given)) == "window"
    positional, named = packed.call_args
    assert {**dict(zip(("chunks", "budget"), positional, strict=True)), **named} == given
