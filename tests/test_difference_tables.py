"""The tables that the rule of difference reads are those that their scripts write."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import reference

CORE = Path(__file__).resolve().parent.parent / "csrc/core"


def test_the_generated_words_are_up_to_date():
    lists = reference.load_generator("generate_difference_words")
    assert (CORE / "dedup/difference_words.hpp").read_text(
        encoding="utf-8"
    ) == lists.header() + "\n"


@pytest.mark.slow
def test_the_generated_tables_of_letters_are_up_to_date():
    written = (CORE / "text/fold_tables.hpp").read_text(encoding="utf-8")
    if f"// Unicode {unicodedata.unidata_version}." in written:
        assert written == reference.load_generator("generate_fold_tables").header() + "\n"
