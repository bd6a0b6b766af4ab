"""The outline: offsets, laws that hold for every text, and time linear in the text."""

from __future__ import annotations

import pytest
from cpp_build import COUNT_BLOCKS, ROOT, compile_and_run, core_sources
from fuzz_size import some
from hypothesis import given, settings
from hypothesis import strategies as st
from outlines import broken_laws, outline, texts, units

from ctxmem import _native


def test_white_space_belongs_to_the_unit_before_it():
    start, end, kind, *_, first = _native.outline(
        _native.Corpus([" \n One.  Two.\n\n", "", "Three"])
    )
    assert [0, 3, 9, 0] == start.tolist()
    assert [3, 9, 15, 5] == end.tolist()
    assert [0, 1, 1, 1] == kind.tolist()  # what is before the first word, prose, prose, prose
    assert [0, 3, 3, 4] == first.tolist()


def test_markdown_by_hand():
    text = """# Terms

Some *words.* More words.

Scope
=====
- first item
- second item. It has two
  sentences
  * nested
1. one
2) two

| a | b |
|---|---|
| 1. | 2 |

x | y
--|--
3 | 4

---
```python
def f(x):
    return x

def g(): pass
```
Done."""
    assert [
        ("heading", "# Terms", None),
        ("prose", "Some *words.*", "# Terms"),
        ("prose", "More words.", "# Terms"),
        ("heading", "Scope\n=====", None),
        ("list_item", "- first item", "Scope\n====="),
        ("list_item", "- second item. It has two\n  sentences", "Scope\n====="),
        ("list_item", "* nested", "- second item. It has two\n  sentences"),
        ("list_item", "1. one", "Scope\n====="),
        ("list_item", "2) two", "Scope\n====="),
        ("header", "| a | b |\n|---|---|", "Scope\n====="),
        ("table_row", "| 1. | 2 |", "| a | b |\n|---|---|"),
        ("header", "x | y\n--|--", "Scope\n====="),
        ("table_row", "3 | 4", "x | y\n--|--"),
        ("other", "---", None),
        ("fence", "```python", "Scope\n====="),
        ("code", "def f(x):\n    return x\n\ndef g(): pass", "```python"),
        ("fence", "```", "```python"),
        ("prose", "Done.", "Scope\n====="),
    ] == units(text)


def test_offsets_are_those_of_the_str_whatever_its_surrogates():
    # The first two surrogates are a pair: joined they would be one character, and shift the rest.
    text = "a\ud83d\ude00 be. C\udc00 do. 🎉 e"
    assert ["a\ud83d\ude00 be.", "C\udc00 do.", "🎉 e"] == texts(text)


def test_other_things_than_str_are_refused():
    with pytest.raises(TypeError, match="expected str, got "):
        _native.outline(_native.Corpus([b"bytes"]))


# Laws that hold for every text


LENT = _native.SPAN_KINDS.index("lent")
SAMPLES = ["Mr. X paid. ", "\n", "\n\n", "- ", "# ", "```\n", "| a | b |\n", '{"a": [1]}\n', "    "]
anything = st.lists(
    st.one_of(st.sampled_from(SAMPLES), st.text(st.characters(), max_size=8)), max_size=30
).map("".join)


@settings(max_examples=500, deadline=None)
@given(st.lists(anything, max_size=3))
def test_units_cover_every_text(given_texts):
    *columns, first = (column.tolist() for column in _native.outline(_native.Corpus(given_texts)))
    start, end, kind, *_ = columns
    assert 0 == first[0]
    assert {first[-1]} == set(map(len, columns))
    assert set(kind) <= set(range(len(_native.SPAN_KINDS)))
    for text, low, high in zip(given_texts, first, first[1:], strict=False):
        assert [0, *end[low:high]] == [*start[low:high], len(text) if high > low else 0]
        said = [k for k in range(low, high) if kind[k] != LENT]
        assert all(start[k] < end[k] for k in said)
        # Every unit except leading white space begins with a word, a mark or a symbol.
        assert not any(text[start[k]].isspace() and text[start[k]] > "\x1f" for k in said[1:])
        for alone, column in zip(outline(text), columns[:4], strict=False):
            assert column[low:high] == alone  # each text of a list is cut as if alone
        for alone, column in zip(outline(text)[4:], columns[4:], strict=True):
            assert [row - low if row >= 0 else row for row in column[low:high]] == alone


FORMATS = {path.stem: path for path in sorted((ROOT / "tests/data/formats").glob("*.txt"))}


@pytest.mark.parametrize("name", FORMATS)
def test_the_outline_of_every_format_keeps_the_laws(name):
    text = FORMATS[name].read_text(encoding="utf-8")
    for form in range(4):
        for room in (64, 1600):
            assert [] == broken_laws(text, form, named=form % 2 == 0, room=room)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_piece_of_a_format_begins_or_ends_with_breaks_no_law(name):
    text = FORMATS[name].read_text(encoding="utf-8")
    for at in range(0, len(text), 11):
        assert [] == broken_laws(text[at:]) + broken_laws(text[:at], named=True)


lines_of_formats = st.sampled_from(
    [
        line
        for path in FORMATS.values()
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True)
    ]
)
shuffled = st.lists(
    st.tuples(
        st.integers(0, 8).map(lambda size: " " * size), st.one_of(lines_of_formats, anything)
    ),
    max_size=20,
).map(lambda pairs: "".join(part for pair in pairs for part in pair))


@settings(max_examples=300, deadline=None)
@given(shuffled, st.integers(0, 3), st.booleans(), st.sampled_from([32, 200, 1600]))
def test_lines_of_many_formats_in_any_order_break_no_law(text, form, named, room):
    assert [] == broken_laws(text, form, named, room)


# Sanitizers and cost


SOURCES = core_sources("outline*", "sentences", "line_classifier", "json_cuts", "openers")


@pytest.mark.slow(40)
def test_outlines_are_clean_under_sanitizers():
    compile_and_run("test_outline", SOURCES, arguments=["2000", "tests/data/formats"])


@pytest.mark.slow(25)
@pytest.mark.parametrize("seed", range(4))
def test_many_texts_are_clean_under_sanitizers(seed):
    texts = str(some(250_000, 5))
    compile_and_run("test_outline", SOURCES, arguments=[texts, "tests/data/formats", str(seed)])


@pytest.mark.slow
def test_twice_the_text_costs_at_most_2_3_times_the_work():
    compile_and_run("test_outline_cost", SOURCES, flags=COUNT_BLOCKS, sanitize="")


@pytest.mark.slow
def test_twice_a_random_text_costs_at_most_2_3_times_the_work():
    compile_and_run(
        "test_outline_cost", SOURCES, flags=COUNT_BLOCKS, sanitize="", arguments=["3000", "1"]
    )
