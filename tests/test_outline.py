"""The outline: cut where a person would cut, tied to what is needed, in time linear in the text."""

from __future__ import annotations

import numpy as np
import pytest
import reference_sentences
from cpp_build import ROOT, compile_and_run
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import _native

UNKNOWN, RECORD, TABLE, CODE_FILE = range(4)  # what the name of a source says that a text is
LABEL, LEAD_IN, HIDDEN, FILLER, HEADLESS, UNOPENED, UNCLOSED = (1 << bit for bit in range(7))


def outline(text, form=UNKNOWN, named=False, room=1600):
    """Return the columns of the outline of one text, as lists."""
    forms, names = np.array([form], dtype=np.uint8), np.array([named], dtype=np.uint8)
    return [column.tolist() for column in _native.outline([text], forms, names, room)[:-1]]


def units(text, form=UNKNOWN, room=1600):
    """Return (kind, text, text of what it needs) of every unit, white space around it removed."""
    start, end, kind, _, need, _, _ = outline(text, form, room=room)
    said = [text[a:b].strip() for a, b in zip(start, end, strict=True)]
    return [
        (_native.SPAN_KINDS[k], here, said[n] if n >= 0 else None)
        for k, here, n in zip(kind, said, need, strict=True)
    ]


def tied(text, form=UNKNOWN):
    """Return {text: text of what is shown with it} of the units that are tied to another."""
    start, end, _, _, _, also, _ = outline(text, form)
    said = [text[a:b].strip() for a, b in zip(start, end, strict=True)]
    return {here: said[other] for here, other in zip(said, also, strict=True) if other >= 0}


def flagged(text, flag, form=UNKNOWN):
    """Return the texts of the units that have a flag."""
    start, end, _, flags, _, _, _ = outline(text, form)
    return [text[a:b].strip() for a, b, f in zip(start, end, flags, strict=True) if f & flag]


def spans(text):
    """Return (kind, text) of every unit, white space around it removed."""
    return [(kind, said) for kind, said, _ in units(text)]


def texts(text):
    return [span for _, span in spans(text)]


PROSE = {
    "English contracts": [
        "The Supplier shall pay the fees set out in Art. 9.2, No. 5 and Fig. 3 (Annex B, etc.).",
        "Acme B.V. and Widget Inc. of the U.S. may, e.g. for cause, end it.",
        "This is Widget Inc.",
        "The Client was never told by Dr. J. R. Smith at 5 p.m. on Jan. 5, 2020.",
        "It paid $3.5 million.",
        "No.",
        "It did not!",
    ],
    "English science": [
        "Smith et al. 2019 report approx. 3.2 mm (p < 0.05, cf. Fig. 2a).",
        "Effects were small vs. controls, i.e. below 1 %.[12]",
        '"Is it real?" they asked.',
        "“We think so.”",
        "More work… is needed.",
    ],
    "German": [
        "Am 3. Oktober 1990 trat die DDR bei.",
        "Das gilt z. B. für Dr. Müller bzw. die GmbH.",
        "Im 19. Jahrhundert war es gem. Abs. 2 anders.",
        "„Wirklich?“ fragte er.",
        "Nr. 5 gilt.",
    ],
    "French": ["« Bonjour. »", "Il est 15 h.", "Où est M. Dupont ?", "« Là », dit-elle."],
    "Russian": ["Это г. Москва.", "Население около 13 млн. человек.", "Да!", "Нет?"],
    "Arabic": ["ذهب الولد إلى المدرسة.", "هل تعلم؟", "نعم، أعلم."],
    "Hindi": ["यह एक वाक्य है।", "यह दूसरा है।"],
}


@pytest.mark.parametrize("language", PROSE)
def test_prose_is_cut_into_sentences(language):
    assert PROSE[language] == texts(" ".join(PROSE[language]))
    assert {"prose"} == {kind for kind, _ in spans(" ".join(PROSE[language]))}


@pytest.mark.parametrize(
    "sentences",
    [
        ["今天天气很好。", "我们去公园吧！", "你去吗？", "“好的。”", "他说。", "价格是３．５元。"],
        ["「はい。」と言った。", "東京は首都です。", "「本当？」", "彼は聞いた。"],
    ],
)
def test_chinese_and_japanese_need_no_spaces(sentences):
    assert sentences == texts("".join(sentences))


def test_thai_is_cut_at_a_space_when_a_clause_has_some_length():
    clause = "ประเทศไทยตั้งอยู่ในเอเชีย"  # 25 letters; four of them are above 80
    assert [" ".join([clause] * 4)] * 2 + [clause] == texts(" ".join([clause] * 9))


def test_lower_case_chatter_is_cut_too():
    assert ["hello there.", "how are you?", "fine."] == texts("hello there. how are you? fine.")


def test_a_newline_in_a_paragraph_ends_nothing_and_a_blank_line_does():
    assert ["One sentence\nover two lines.", "No stop here", "but a gap."] == texts(
        "One sentence\nover two lines.\n\nNo stop here\n \nbut a gap."
    )


def test_white_space_belongs_to_the_unit_before_it():
    start, end, kind, *_, first = _native.outline([" \n One.  Two.\n\n", "", "Three"])
    assert [0, 3, 9, 0] == start.tolist()
    assert [3, 9, 15, 5] == end.tolist()
    assert [0, 1, 1, 1] == kind.tolist()  # what stands before the first word, prose, prose, prose
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


def test_contract_clauses_by_hand():
    text = """TERM AND TERMINATION

9.2 Termination. Either party may end this Agreement if:
(a) the fee (as defined below) is not paid;
(b) the other party is insolvent; or
(iii) section
12. of the Act applies.
Section 10. Notices are sent to No. 5."""
    assert [
        ("heading", "TERM AND TERMINATION"),
        ("list_item", "9.2 Termination. Either party may end this Agreement if:"),
        ("list_item", "(a) the fee (as defined below) is not paid;"),
        ("list_item", "(b) the other party is insolvent; or"),
        ("list_item", "(iii) section"),
        ("list_item", "12. of the Act applies.\nSection 10. Notices are sent to No. 5."),
    ] == spans(text)


def test_a_number_at_the_start_of_a_wrapped_line_is_no_list_item():
    text = "It grew by about\n12. The rest is known.\n- but this is one"
    assert ["It grew by about\n12.", "The rest is known.", "- but this is one"] == texts(text)


def test_the_short_first_line_above_a_passage_is_its_title():
    text = "Harbour Rowing Club\nThe Harbour Rowing Club program represents the University."
    assert [("heading", "Harbour Rowing Club")] == spans(text)[:1]


def test_chat_turns_begin_a_unit():
    assert ["User: what is it", "Assistant: a span", "**User:** ok"] == texts(
        "User: what is it\nAssistant: a span\n**User:** ok"
    )


def test_log_lines_begin_a_unit():
    lines = ["2024-05-01 12:00:03 INFO started", "2024-05-01 12:00:04 WARN low disk"]
    assert lines == texts("\n".join(lines))


CODE = {
    "python": [
        "import os\nimport sys",
        "# greets\n@cached\ndef main(args):\n    for a in args:\n        print(a)\n\n    return 0",
        "class A:\n    x: int = 1",
        "main(sys.argv)",
    ],
    "c": [
        "#include <stdio.h>",
        'int main()\n{\n    if (a == 1) {\n        printf("hi. You");\n    }\n\n    return 0;\n}',
    ],
    "javascript": [
        "const a = 1;\nfunction foo(x) {\n  return x + a;\n}",
        "foo(3).then((r) => {\n  console.log(r);\n});",
    ],
}


@pytest.mark.parametrize("language", CODE)
def test_code_without_fences_is_cut_into_statement_blocks(language):
    text = "\n\n".join(["This is how it works.", *CODE[language], "That was all. Thanks."])
    assert [
        ("prose", "This is how it works."),
        *(("code", block) for block in CODE[language]),
        ("prose", "That was all."),
        ("prose", "Thanks."),
    ] == spans(text)


def test_a_dedent_to_the_first_line_begins_a_block_unless_it_closes_one():
    text = "def f(x):\n    return g(x)\ndef g(x):\n    return x\ntry:\n    f(1)\nexcept:\n    f(2)"
    assert [
        "def f(x):\n    return g(x)",
        "def g(x):\n    return x",
        "try:\n    f(1)\nexcept:\n    f(2)",
    ] == texts(text)


def test_code_between_fences_is_one_unit_where_it_fits():
    lines = [f"x{i} = f({i})" for i in range(200)]
    whole = "\n".join(lines[:100])
    assert [("fence", "```"), ("code", whole), ("fence", "```")] == spans(f"```\n{whole}\n```")
    pieces = texts("```\n" + "\n".join(lines) + "\n```")[1:-1]
    assert lines == [line for piece in pieces for line in piece.split("\n")]
    assert max(map(len, pieces)) <= 1600


def test_a_long_function_is_cut_into_statements_that_need_its_signature():
    body = [f"    if x == {i}:\n        return {'f' * 60}({i})" for i in range(40)]
    text = "def choose(x):\n" + "\n".join(body)
    signature, *rest = units(text, CODE_FILE)
    assert ("code", "def choose(x):", None) == signature
    assert [("code", group.strip(), "def choose(x):") for group in body] == rest


def test_blank_lines_below_a_signature_are_no_unit():
    found = texts("```\nx:" + "\n     " * 2000 + "y\n```")
    assert ["```", "x:", "y", "```"] == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"a": 1, "b": [1, 2], "c": {"d": "x, y"}}',
            ['{"a": 1,', '"b": [1, 2],', '"c": {"d": "x, y"}}'],
        ),
        (
            '[{"a": 1, "b": "some words"},\n {"a": "]"}]\n',
            ['[{"a": 1, "b": "some words"},', '{"a": "]"}]'],
        ),
        ('{"x": 1}\n{"x": 2}\n', ['{"x": 1}', '{"x": 2}']),
    ],
)
def test_json_that_has_no_room_is_cut_by_element(text, expected):
    found = units(text, room=32)
    assert [("record", element, None) for element in expected] == found


def test_numbers_of_an_array_stay_together_up_to_a_line():
    pieces = texts("[" + ", ".join(f"{i}.25" for i in range(100, 200)) + "]")
    assert [13, 13, 13, 13, 13, 13, 13, 9] == [piece.count(".25") for piece in pieces]


def test_json_that_has_room_is_one_unit():
    text = '{"a": 1, "b": [1, 2], "c": {"d": "x, y"}}'
    assert [("record", text, None)] == units(text)


def test_json_below_a_line_is_its_own_unit():
    assert [
        ("prose", "Result:", None),
        ("record", '{"x": true,\n "y": null}', "Result:"),
    ] == units('Result:\n{"x": true,\n "y": null}')


def test_long_elements_of_json_are_cut_deeper():
    text = '{"rows": [' + ", ".join(f'{{"id": {i}, "v": "some words"}}' for i in range(99)) + "]}"
    assert 99 == len(texts(text))


def test_brackets_in_prose_are_no_json():
    assert [("prose", "[see below] is a note.")] == spans("[see below] is a note.")
    assert [("prose", "[1] Smith, A.")] == spans("[1] Smith, A.")


def test_long_sentences_are_cut_at_clauses_then_at_spaces():
    clause = "the parties agree on many a thing"
    for mark in (";", ","):
        pieces = texts(f"{mark} ".join([clause] * 200))
        assert all(piece.endswith(mark) for piece in pieces[:-1])
        assert max(map(len, pieces)) <= 1600
    pieces = texts(" ".join(["word"] * 2000))
    assert 7 == len(pieces) and all(1000 <= len(piece) <= 1600 for piece in pieces)


@pytest.mark.parametrize("grapheme", ["e\u0301", "🇦🇹", "👩‍👧", "👍🏽", "กำ", "각", "क्ष"])
def test_graphemes_are_never_cut(grapheme):
    start = _native.outline([grapheme * 3000])[0]
    assert len(start) > 1
    assert all(at % len(grapheme) == 0 for at in start.tolist())


def test_offsets_are_those_of_the_str_whatever_its_surrogates():
    # The first two surrogates are a pair: joined they would be one character, and shift the rest.
    text = "a\ud83d\ude00 be. C\udc00 do. 🎉 e"
    assert ["a\ud83d\ude00 be.", "C\udc00 do.", "🎉 e"] == texts(text)


def test_other_things_than_str_are_refused():
    with pytest.raises(TypeError, match="expected str, got "):
        _native.outline([b"bytes"])


LENT = _native.SPAN_KINDS.index("lent")
SAMPLES = ["Mr. X paid. ", "\n", "\n\n", "- ", "# ", "```\n", "| a | b |\n", '{"a": [1]}\n', "    "]
anything = st.lists(
    st.one_of(st.sampled_from(SAMPLES), st.text(st.characters(), max_size=8)), max_size=30
).map("".join)


@settings(max_examples=500, deadline=None)
@given(st.lists(anything, max_size=3))
def test_units_cover_every_text(given_texts):
    *columns, first = (column.tolist() for column in _native.outline(given_texts))
    start, end, kind, *_ = columns
    assert 0 == first[0]
    assert {first[-1]} == set(map(len, columns))
    assert set(kind) <= set(range(len(_native.SPAN_KINDS)))
    for text, low, high in zip(given_texts, first, first[1:], strict=False):
        assert [0, *end[low:high]] == [*start[low:high], len(text) if high > low else 0]
        said = [k for k in range(low, high) if kind[k] != LENT]
        assert all(start[k] < end[k] for k in said)
        # Every unit but the leading white space starts with a word, a mark, a symbol.
        assert not any(text[start[k]].isspace() and text[start[k]] > "\x1f" for k in said[1:])
        for alone, column in zip(outline(text), columns[:4], strict=False):
            assert column[low:high] == alone  # the texts of a list do not know each other
        for alone, column in zip(outline(text)[4:], columns[4:], strict=True):
            assert [row - low if row >= 0 else row for row in column[low:high]] == alone


WORDS = "The However fee paid is Mr Dr No Fig etc Inc al e.g i.e U.S B.V J x 3 9.2 12 IV".split()
MARKS = [".", ".", ".", ". ", ". ", "!", "?", "...", '"', "'", ")", ",", ";", " ", " ", " ", "  "]
english = st.lists(st.sampled_from(WORDS + MARKS * 2), max_size=60).map(
    lambda parts: "We saw that it was so and then they paid for it all " + "".join(parts)
)


@settings(max_examples=1000, deadline=None)
@given(english)
def test_sentences_equal_their_slow_twin(text):
    start = _native.outline([text])[0].tolist()
    cut = [text[a:b] for a, b in zip(start, [*start[1:], len(text)], strict=True)]
    assert reference_sentences.sentences(text) == cut


@settings(max_examples=300, deadline=None)
@given(english)
def test_a_sentence_alone_is_one_unit(text):
    start, end, *_ = _native.outline([text])
    sentences = [text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    assert list(range(len(sentences) + 1)) == _native.outline(sentences)[-1].tolist()


# One example of each kind: (kind, text, text of what it needs).


def test_a_heading_is_needed_by_what_stands_below_it():
    assert [
        ("heading", "# Pumps", None),
        ("prose", "They move water.", "# Pumps"),
        ("heading", "Gates\n-----", None),
        ("prose", "They hold it.", "Gates\n-----"),
    ] == units("# Pumps\n\nThey move water.\n\nGates\n-----\nThey hold it.")


def test_a_heading_of_restructuredtext_has_its_lines_above_and_below():
    assert [
        ("heading", "=====\nPumps\n=====", None),
        ("prose", "They move water.", "=====\nPumps\n====="),
        ("heading", "Gates\n~~~~~", None),
        ("prose", "They hold it.", "Gates\n~~~~~"),
    ] == units("=====\nPumps\n=====\n\nThey move water.\n\nGates\n~~~~~\n\nThey hold it.")


def test_a_heading_needs_the_heading_above_it():
    text = "## 2.1.0\n\n### Fixed\n\n- The pump no longer runs dry.\n"
    assert ("heading", "### Fixed", "## 2.1.0") in units(text)


def test_the_change_of_a_version_stands_below_its_heading():
    text = "# Changes\n\n## 2.1\n\n- A bell.\n- A pump.\n\n## 2.0\n\n- A gate.\n"
    assert [
        ("heading", "# Changes", None),
        ("heading", "## 2.1", None),
        ("list_item", "- A bell.", "## 2.1"),
        ("list_item", "- A pump.", "## 2.1"),
        ("heading", "## 2.0", None),
        ("list_item", "- A gate.", "## 2.0"),
    ] == units(text)


def test_a_directive_names_its_body():
    text = """.. option:: --wait

   Wait for the gate.

   .. versionadded:: 2.1

   It takes a minute.

.. option:: --all

   Open all gates.
"""
    assert [
        ("name", ".. option:: --wait", None),
        ("prose", "Wait for the gate.", ".. option:: --wait"),
        ("prose", ".. versionadded:: 2.1", ".. option:: --wait"),
        ("prose", "It takes a minute.", ".. option:: --wait"),
        ("name", ".. option:: --all", None),
        ("prose", "Open all gates.", ".. option:: --all"),
    ] == units(text)


def test_an_admonition_is_shown_with_what_it_says():
    text = ".. warning::\n\n   Keep clear.\n\n.. note:: Gates close at night.\n"
    assert [
        ("name", ".. warning::", None),
        ("prose", "Keep clear.", ".. warning::"),
        ("prose", ".. note:: Gates close at night.", None),
    ] == units(text)


def test_a_bold_item_names_what_is_nested_below_it():
    text = "Options:\n\n- **wait**\n\n  - how long\n  - and why\n\n- **all**: every gate\n"
    assert [
        ("prose", "Options:", None),
        ("list_item", "- **wait**", "Options:"),
        ("list_item", "- how long", "- **wait**"),
        ("list_item", "- and why", "- **wait**"),
        ("list_item", "- **all**: every gate", "Options:"),
    ] == units(text)


def test_options_of_a_man_page_name_what_they_do():
    text = """OPTIONS

       -a, --all
              Open all gates.

       -n NUM
              Open NUM gates.
              The default is 1.
"""
    assert [
        ("heading", "OPTIONS", None),
        ("name", "-a, --all", "OPTIONS"),
        ("prose", "Open all gates.", "-a, --all"),
        ("name", "-n NUM", "OPTIONS"),
        ("prose", "Open NUM gates.", "-n NUM"),
        ("prose", "The default is 1.", "-n NUM"),
    ] == units(text)


def test_an_option_directly_below_its_heading_is_a_name():
    text = "OPTIONS\n       -a, --all\n              Open all gates.\n"
    assert [
        ("heading", "OPTIONS", None),
        ("name", "-a, --all", "OPTIONS"),
        ("prose", "Open all gates.", "-a, --all"),
    ] == units(text)


def test_a_term_names_its_indented_body():
    text = "Names\n-----\n\nname\n    Of the pump.\n    In English.\nsize : int\n    Metres.\n"
    assert [
        ("heading", "Names\n-----", None),
        ("name", "name", "Names\n-----"),
        ("prose", "Of the pump.", "name"),
        ("prose", "In English.", "name"),
        ("name", "size : int", "Names\n-----"),
        ("prose", "Metres.", "size : int"),
    ] == units(text)


def test_a_list_needs_the_line_that_introduces_it():
    text = "The fare is low. These are free:\n\n- children\n- dogs\n\nAll others pay."
    assert [
        ("prose", "The fare is low.", None),
        ("prose", "These are free:", None),
        ("list_item", "- children", "These are free:"),
        ("list_item", "- dogs", "These are free:"),
        ("prose", "All others pay.", None),
    ] == units(text)
    assert ["These are free:"] == flagged(text, LEAD_IN)
    assert {"- children": "- dogs", "- dogs": "- children"} == tied(text)


def test_a_colon_at_the_end_of_a_piece_introduces_what_is_not_there():
    assert ["These are free:"] == flagged("The fare is low. These are free:", LEAD_IN)


def test_a_line_above_a_rule_introduces_nothing():
    assert [] == flagged("The end:\n\n---\n\nAnother text.", LEAD_IN)


def test_steps_of_a_short_procedure_are_tied_to_each_other():
    text = "1. Open the valve.\n2. Start the pump.\n3. Close the valve."
    assert {
        "1. Open the valve.": "2. Start the pump.",
        "2. Start the pump.": "3. Close the valve.",
        "3. Close the valve.": "1. Open the valve.",
    } == tied(text)


LONG_PROCEDURE = [f"{k}. Wait until lamp {k} is on." for k in range(4, 12)]


@pytest.mark.parametrize(
    "step", ["3. Do not do step 2 while the gate is open.", "3. Never start the pump again."]
)
def test_a_warning_is_tied_to_every_step_of_its_procedure(step):
    others = ["1. Open the valve.", "2. Start the pump.", *LONG_PROCEDURE]
    text = "\n".join([*others[:2], step, *others[2:]])
    assert dict.fromkeys(others, step) == tied(text)


STEPS = ["1. Open the valve.", "2. Start the pump.", *LONG_PROCEDURE]


@pytest.mark.parametrize("rule", ["\n\n", "\n\n***\n\n", "\n===\n"])
def test_what_follows_a_procedure_is_no_warning_of_its_last_step(rule):
    assert {} == tied("\n".join(STEPS) + rule + "Never skip a step of the other procedure.")


def test_a_warning_below_the_last_step_is_tied_to_every_step():
    below = "- Never leave the room before."
    text = "\n".join([*STEPS, "", f"   {below}", "", "Then rest."])
    assert dict.fromkeys(STEPS, below) == tied(text)


def test_items_with_another_marker_are_another_list():
    text = "1. Open the valve.\n2. Start the pump.\n\n- oil\n- water\n"
    assert "- oil" not in tied(text).values()


def test_clauses_need_the_clause_that_introduces_them():
    text = "9.2 Either party may end this Agreement if:\n(a) the Fee is not paid;\n(b) it fails."
    lead = "9.2 Either party may end this Agreement if:"
    assert [lead, lead] == [need for _, _, need in units(text)[1:]]


# Tables


def test_rows_need_the_header_of_a_table_between_bars():
    text = (
        "Fares:\n\n| Trip | Fare |\n|------|------|\n| single | 4.20 |\n| return | 7.00 |\n\nDone."
    )
    header = "| Trip | Fare |\n|------|------|"
    assert [
        ("prose", "Fares:", None),
        ("header", header, "Fares:"),
        ("table_row", "| single | 4.20 |", header),
        ("table_row", "| return | 7.00 |", header),
        ("prose", "Done.", None),
    ] == units(text)
    assert [header] == flagged(text, LABEL)


def test_bars_without_a_rule_have_a_header_too():
    text = "Fares of today.\n\n| Trip | Fare |\n| single | 4.20 |\n| return | 7.00 |\n\nDone."
    assert [
        ("prose", "Fares of today.", None),
        ("header", "| Trip | Fare |", None),
        ("table_row", "| single | 4.20 |", "| Trip | Fare |"),
        ("table_row", "| return | 7.00 |", "| Trip | Fare |"),
        ("prose", "Done.", None),
    ] == units(text)


def test_rows_of_a_grid_end_with_the_border_below_them():
    header = "+------+------+\n| Gate | Wide |\n+======+======+"
    rows = ["| 1    | 12 m |\n+------+------+", "| 2    | 9 m  |\n|      | deep |\n+------+------+"]
    assert [
        ("header", header, None),
        *(("table_row", row, header) for row in rows),
        ("prose", "Done.", None),
    ] == units("\n".join([header, *rows, "", "Done."]))


def test_a_simple_table_is_shown_with_its_last_border():
    header = "=====  =====\nGate   Opens\n=====  ====="
    text = f"{header}\n1      06:00\n2      07:30\n=====  =====\n\nDone.\n"
    assert [
        ("header", header, None),
        ("table_row", "1      06:00", header),
        ("table_row", "2      07:30", header),
        ("header", "=====  =====", header),
        ("prose", "Done.", None),
    ] == units(text)
    assert {header: "=====  ====="} == tied(text)


def test_rows_of_html_need_their_header_and_that_the_table():
    text = """Fares:

<table>
<tr><th>Trip</th><th>Fare</th></tr>
<tr><td>single</td><td>4.20</td></tr>
</table>

Done."""
    assert [
        ("prose", "Fares:", None),
        ("header", "<table>", "Fares:"),
        ("header", "<tr><th>Trip</th><th>Fare</th></tr>", "<table>"),
        (
            "table_row",
            "<tr><td>single</td><td>4.20</td></tr>",
            "<tr><th>Trip</th><th>Fare</th></tr>",
        ),
        ("header", "</table>", "<table>"),
        ("prose", "Done.", None),
    ] == units(text)
    assert {"<table>": "</table>"} == tied(text)


def test_a_table_of_html_directly_below_a_paragraph_is_a_table():
    text = (
        "<p>All fares.</p>\n<table>\n<tr><th>Trip</th></tr>\n<tr><td>single</td></tr>\n</table>\n"
    )
    assert ("table_row", "<tr><td>single</td></tr>", "<tr><th>Trip</th></tr>") in units(text)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("form", [UNKNOWN, TABLE])
def test_separated_values_need_the_names_of_their_columns(separator, form):
    header, *rows = [
        separator.join(row)
        for row in [("trip", "fare", "seats"), ("single", "4.20", "120"), ("return", "7.00", "60")]
    ]
    assert [
        ("header", header, None),
        *(("table_row", row, header) for row in rows),
    ] == units("\n".join([header, *rows]), form)


# Code


def test_fences_are_shown_with_their_code_and_the_line_that_introduces_it():
    text = "To open it, run:\n\n```sh\ngate open \\\n    --wait\n```\n\nIt opens."
    assert [
        ("prose", "To open it, run:", None),
        ("fence", "```sh", "To open it, run:"),
        ("code", "gate open \\\n    --wait", "```sh"),
        ("fence", "```", "```sh"),
        ("prose", "It opens.", None),
    ] == units(text)
    assert {"```sh": "```"} == tied(text)


def test_a_literal_block_needs_the_paragraph_that_announces_it():
    text = "Open the gate as follows::\n\n    open it\n      slowly\n\nIt opens."
    assert [
        ("prose", "Open the gate as follows::", None),
        ("code", "open it\n      slowly", "Open the gate as follows::"),
        ("prose", "It opens.", None),
    ] == units(text)


def test_a_literal_block_that_is_announced_with_a_role_is_code():
    text = "Use :func:`open_gate` as follows::\n\n    gate = open_gate(3)\n"
    assert [
        ("prose", "Use :func:`open_gate` as follows::", None),
        ("code", "gate = open_gate(3)", "Use :func:`open_gate` as follows::"),
    ] == units(text)


def test_code_of_a_directive_needs_the_directive():
    text = "Then:\n\n.. code-block:: python\n   :linenos:\n\n   close_gate(1)\n\nIt closes.\n"
    assert [
        ("prose", "Then:", None),
        ("fence", ".. code-block:: python", "Then:"),
        ("other", ":linenos:", ".. code-block:: python"),
        ("code", "close_gate(1)", ".. code-block:: python"),
        ("prose", "It closes.", None),
    ] == units(text)


def test_indented_code_needs_the_line_that_introduces_it():
    text = "Open the gate with\n\n    gate = open_gate(3)\n    gate.wait()\n\nIt opens."
    assert [
        ("prose", "Open the gate with", None),
        ("code", "gate = open_gate(3)\n    gate.wait()", None),
        ("prose", "It opens.", None),
    ] == units(text)
    lead = "Open the gate like this:"
    assert lead == units(text.replace("Open the gate with", lead))[1][2]


def test_a_session_of_python_is_one_unit_with_its_output():
    text = "Pumps have names:\n\n>>> pump = Pump()\n>>> pump.name\n'north'\n\nThey are short."
    session = ">>> pump = Pump()\n>>> pump.name\n'north'"
    assert [
        ("prose", "Pumps have names:", None),
        ("code", session, "Pumps have names:"),
        ("prose", "They are short.", None),
    ] == units(text)


def test_a_file_of_code_is_cut_into_its_statements():
    text = """import time

# Metres.
LEVEL = 3.0


class Pump:
    name = "north"

    def start(self):
        return True


if LEVEL:
    Pump().start()
else:
    time.sleep(1)
"""
    assert [
        ("code", "import time", None),
        ("code", "# Metres.\nLEVEL = 3.0", None),
        (
            "code",
            'class Pump:\n    name = "north"\n\n    def start(self):\n        return True',
            None,
        ),
        ("code", "if LEVEL:\n    Pump().start()\nelse:\n    time.sleep(1)", None),
    ] == units(text, CODE_FILE)


# Records


PRETTY = """{
  "name": "Anna",
  "limits": {
    "speed": 12.5,
    "load": null
  },
  "tags": ["old", "blue"]
}
"""


def test_members_of_an_object_need_its_key():
    assert [
        ("fence", "{", None),
        ("record", '"name": "Anna",', "{"),
        ("name", '"limits": {', "{"),
        ("record", '"speed": 12.5,', '"limits": {'),
        ("record", '"load": null', '"limits": {'),
        ("fence", "},", '"limits": {'),
        ("record", '"tags": ["old", "blue"]', "{"),
        ("fence", "}", "{"),
    ] == units(PRETTY)
    assert {"{": "}", '"limits": {': "},"} == tied(PRETTY)


def test_tabs_indent_json_as_spaces_do():
    assert {"{": "}", '"limits": {': "},"} == tied(PRETTY.replace("  ", "\t"))


def test_members_of_objects_in_an_array_need_the_key_of_the_array():
    text = '{\n  "crew": [\n    {\n      "role": "mate",\n      "name": "Kim"\n    }\n  ]\n}\n'
    needs = {said: need for _, said, need in units(text)}
    assert "{" == needs['"role": "mate",']
    assert ("name", '"crew": [', "{") in units(text)


def test_members_are_shown_between_brackets():
    assert ("record", '"name": "Anna",', "{") in units(PRETTY)


def test_each_line_of_json_is_a_record():
    lines = ['{"id": 1, "seats": 3}', '{"id": 2, "seats": 1}', '{"id": 3, "seats": 2}']
    assert [("record", line, None) for line in lines] == units("\n".join(lines) + "\n")


def test_keys_of_yaml_are_names_of_what_is_deeper():
    text = """version: 2
gates:
  - name: north
    opens: "06:00"
  - name: south
pump:
  level: 3.0
  alarm:
    bell: true
"""
    assert [
        ("record", "version: 2", None),
        ("name", "gates:", None),
        ("name", "- name: north", "gates:"),
        ("record", 'opens: "06:00"', "- name: north"),
        ("record", "- name: south", "gates:"),
        ("name", "pump:", None),
        ("record", "level: 3.0", "pump:"),
        ("name", "alarm:", "pump:"),
        ("record", "bell: true", "alarm:"),
    ] == units(text)


def test_a_comment_at_the_top_of_yaml_is_a_comment():
    text = "# How gates open.\nversion: 2\ngates:\n  north: 06:00\n"
    assert "heading" not in [kind for kind, _, _ in units(text)]


def test_members_of_toml_need_their_table():
    text = '[pump]\nlevel = 3.0\nhosts = [\n  "north",\n]\n\n[[gate]]\nname = "south"\n'
    assert [
        ("heading", "[pump]", None),
        ("record", "level = 3.0", "[pump]"),
        ("name", "hosts = [", "[pump]"),
        ("record", '"north",', "hosts = ["),
        ("fence", "]", "hosts = ["),
        ("heading", "[[gate]]", None),
        ("record", 'name = "south"', "[[gate]]"),
    ] == units(text)
    assert {"hosts = [": "]"} == tied(text)


def test_members_of_ini_need_their_section():
    text = "[north]\nopens = 06:00\n; wide\nwidth = 12\n\n[south]\nwidth = 9\n"
    assert [
        ("heading", "[north]", None),
        ("record", "opens = 06:00", "[north]"),
        ("record", "; wide", "[north]"),
        ("record", "width = 12", "[north]"),
        ("heading", "[south]", None),
        ("record", "width = 9", "[south]"),
    ] == units(text)
    assert ["; wide"] == flagged(text, FILLER)


def test_a_comment_above_the_first_section_hides_nothing():
    text = "; gates\n[north]\nopens = 06:00\nwidth = 12\n"
    assert ("record", "width = 12", "[north]") in units(text)


@pytest.mark.parametrize("form", [UNKNOWN, RECORD])
def test_elements_of_xml_need_the_element_around_them(form):
    text = '<fleet>\n  <ship id="7">\n    <name>Anna</name>\n  </ship>\n</fleet>\n'
    assert ("record", "<name>Anna</name>", '<ship id="7">') in units(text, form)


def test_each_row_that_sql_inserts_is_a_record():
    lines = [f"INSERT INTO trip VALUES ({k}, {k}.20);" for k in range(1, 5)]
    assert [("record", line, None) for line in lines] == units("\n".join(lines))


def test_each_line_of_a_log_is_a_record():
    lines = [f"2024-05-01 06:00:0{k} INFO gate {k} opened" for k in range(4)]
    assert [("record", line, None) for line in lines] == units("\n".join(lines))


def test_a_traceback_needs_the_line_of_the_log_above_it():
    error = "2024-05-01 06:01:00 ERROR pump stopped"
    trace = 'Traceback (most recent call last):\n  File "pump.py", line 3\nStopped: dry'
    lines = [f"2024-05-01 06:00:0{k} INFO gate {k} opened" for k in range(3)]
    found = units("\n".join([*lines, error, trace, *lines]))
    assert [error] == [need for _, said, need in found if said.startswith("Traceback")]
    assert 2 * lines == [said for kind, said, _ in found if kind == "record" and "INFO" in said]


def test_records_need_the_line_that_introduces_them():
    assert [
        ("prose", "These are the defaults:", None),
        ("record", "host = a", "These are the defaults:"),
        ("record", "port = 3", "These are the defaults:"),
    ] == units("These are the defaults:\n\nhost = a\nport = 3\n")


def test_turns_of_a_dialogue_are_units():
    text = "Ann Lee: Did the pump run?\n\nBo Kim: It did. Then it stopped.\n\nAnn Lee: Good.\n"
    assert [
        ("turn", "Ann Lee: Did the pump run?", None),
        ("turn", "Bo Kim: It did. Then it stopped.", None),
        ("turn", "Ann Lee: Good.", None),
    ] == units(text)


def test_turns_on_lines_of_their_own_are_turns():
    text = "Ann Lee: Did the pump run?\nBo Kim: It did.\nAnn Lee: Good.\nCy Roe: So be it.\n"
    assert ["turn"] * 4 == [kind for kind, _, _ in units(text)]


def test_the_second_paragraph_of_a_turn_needs_the_first():
    text = "User: When?\n\nAssistant: At six.\n\nNot on Sundays.\n\nUser: And the pump?\n"
    assert "Assistant: At six." == {said: need for _, said, need in units(text)}["Not on Sundays."]


# Pieces of documents


def test_a_piece_may_begin_inside_of_fenced_code():
    text = (
        "    return x + 1\n\ndef g():\n    pass\n```\n\n## More\n\nText below the code is here.\n"
    )
    code = "return x + 1\n\ndef g():\n    pass"
    assert [
        ("other", "", None),
        ("code", code, None),
        ("fence", "```", code),
        ("heading", "## More", None),
        ("prose", "Text below the code is here.", "## More"),
    ] == units(text)
    assert [code] == flagged(text, UNOPENED)
    assert {code: "```"} == tied(text)


def test_a_piece_may_end_inside_of_fenced_code():
    text = "Run:\n\n```sh\ngate open\ngate close"
    assert [
        ("prose", "Run:", None),
        ("fence", "```sh", "Run:"),
        ("code", "gate open\ngate close", "```sh"),
    ] == units(text)
    assert ["gate open\ngate close"] == flagged(text, UNCLOSED)


TORN = {
    "bars": ["| single | 4.20 |", "| return | 7.00 |"],
    "grid": ["| 1    | 12 m |\n+------+------+", "| 2    | 9 m  |\n+------+------+"],
    "HTML": ["<tr><td>single</td><td>4</td></tr>", "<tr><td>return</td><td>7</td></tr>"],
    "columns": ["single  4.20", "return  7.00", "night   9.50"],
    "commas": ["single,4.20,120", "return,7.00,120", "night,9.50,60"],
}


@pytest.mark.parametrize("drawn", TORN)
def test_rows_that_lost_their_header_may_be_lent_one(drawn):
    rows = TORN[drawn]
    text = "\n".join([*rows, "", "Children pay half."])
    assert [
        ("lent", "", None),
        *(("table_row", row, "") for row in rows),
        ("prose", "Children pay half.", None),
    ] == units(text)
    assert rows == flagged(text, HEADLESS)


def test_a_piece_may_end_inside_of_a_row():
    text = "| Trip | Fare |\n|---|---|\n| single | 4.20 |\n| ret"
    header = "| Trip | Fare |\n|---|---|"
    assert [
        ("header", header, None),
        ("table_row", "| single | 4.20 |", header),
        ("table_row", "| ret", header),
    ] == units(text)


def test_what_stands_below_no_heading_needs_the_name_of_its_source():
    start, end, kind, flags, need, _, _ = outline("One.\n\n# Two\n\nThree.", named=True)
    assert [(0, 0), (0, 6), (6, 13), (13, 19)] == list(zip(start, end, strict=True))
    assert ["source", "prose", "heading", "prose"] == [_native.SPAN_KINDS[k] for k in kind]
    assert [LABEL, 0, LABEL, 0] == flags
    assert [-1, 0, -1, 2] == need


# Texts in many formats: what holds for every text, and what it costs

CORE = [*sorted(ROOT.glob("csrc/core/outline*.cpp"))]
CORE += [ROOT / f"csrc/core/{name}.cpp" for name in ("sentences", "lines", "json_cuts", "openers")]
SOURCES = [str(path.relative_to(ROOT)) for path in CORE]
FORMATS = {path.stem: path for path in sorted((ROOT / "tests/data/formats").glob("*.txt"))}
LABELS = {"heading", "name", "header", "fence", "source", "lent"}


def broken_laws(text, form=UNKNOWN, named=False, room=1600):
    """Return the laws of outline.hpp that the outline of a text breaks."""
    start, end, kind, flags, need, also, block = outline(text, form, named, room)
    n = len(start)
    kinds = [_native.SPAN_KINDS[k] for k in kind]
    rows = range(n)
    laws = {
        "units cover the text": [0, *end] == [*start, len(text)] if n else not text,
        "needs are units of the text": all(-1 <= row < n for row in [*need, *also]),
        "no unit needs itself": not any(u in (need[u], also[u]) for u in rows),
        "blocks begin before their rows": all(0 <= block[u] <= u for u in rows),
        "needs stand before, but of what closes": all(
            need[u] < u or kinds[u] in ("fence", "header") for u in rows
        ),
        "labels are what names": all((kinds[u] in LABELS) == bool(flags[u] & LABEL) for u in rows),
        "rows alone are headless": all(
            kinds[u] == "table_row" for u in rows if flags[u] & HEADLESS
        ),
        "code alone lost a fence": all(
            kinds[u] == "code" for u in rows if flags[u] & (UNOPENED | UNCLOSED)
        ),
        "what is needed can be shown": not any(
            flags[row] & HIDDEN and kinds[row] != "lent" for row in [*need, *also] if 0 <= row < n
        ),
        "names and what is lent are empty": all(
            (start[u] == end[u]) == (kinds[u] in ("source", "lent")) for u in rows
        ),
    }
    return [law for law, holds in laws.items() if not holds]


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


def test_outlines_are_clean_under_sanitizers():
    compile_and_run("test_outline", SOURCES, arguments=["2000", "tests/data/formats"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_quarter_of_a_million_texts_are_clean_under_sanitizers(seed):
    compile_and_run("test_outline", SOURCES, arguments=["250000", "tests/data/formats", str(seed)])


COUNTED = ["-fsanitize-coverage=trace-pc"]


@pytest.mark.slow
def test_twice_the_text_costs_at_most_2_3_times_the_work():
    compile_and_run("test_outline_cost", SOURCES, flags=COUNTED, sanitize="")


@pytest.mark.slow
def test_twice_a_random_text_costs_at_most_2_3_times_the_work():
    compile_and_run(
        "test_outline_cost", SOURCES, flags=COUNTED, sanitize="", arguments=["3000", "1"]
    )


@pytest.mark.slow
def test_the_fuzz_target_runs_over_the_samples():
    compile_and_run(
        "test_fuzz_outline",
        ["csrc/fuzz/fuzz_outline.cpp", *SOURCES],
        arguments=["tests/data/formats"],
    )
