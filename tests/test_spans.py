"""Spans: cut where a person would cut, cover every text, in time linear in it."""

from __future__ import annotations

import time

import pytest
import reference
from cpp_build import compile_and_run
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem import _native


def spans(text):
    """Return (kind, text) of every span, white space around it removed."""
    start, end, kind, _ = _native.split_spans([text])
    return [
        (_native.SPAN_KINDS[k], text[a:b].strip())
        for a, b, k in zip(start.tolist(), end.tolist(), kind.tolist(), strict=True)
    ]


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


def test_white_space_belongs_to_the_span_before_it():
    start, end, kind, first = _native.split_spans([" \n One.  Two.\n\n", "", "Three"])
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
        ("heading", "# Terms"),
        ("prose", "Some *words.*"),
        ("prose", "More words."),
        ("heading", "Scope\n====="),
        ("list_item", "- first item"),
        ("list_item", "- second item."),
        ("list_item", "It has two\n  sentences"),
        ("list_item", "* nested"),
        ("list_item", "1. one"),
        ("list_item", "2) two"),
        ("table_row", "| a | b |"),
        ("table_row", "|---|---|"),
        ("table_row", "| 1. | 2 |"),
        ("table_row", "x | y"),
        ("table_row", "--|--"),
        ("table_row", "3 | 4"),
        ("other", "---"),
        ("code", "```python\ndef f(x):\n    return x"),
        ("code", "def g(): pass\n```"),
        ("prose", "Done."),
    ] == spans(text)


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
        ("list_item", "9.2 Termination."),
        ("list_item", "Either party may end this Agreement if:"),
        ("list_item", "(a) the fee (as defined below) is not paid;"),
        ("list_item", "(b) the other party is insolvent; or"),
        ("list_item", "(iii) section"),
        ("list_item", "12. of the Act applies."),
        ("list_item", "Section 10. Notices are sent to No. 5."),
    ] == spans(text)


def test_a_number_at_the_start_of_a_wrapped_line_is_no_list_item():
    text = "It grew by about\n12. The rest is known.\n- but this is one"
    assert ["It grew by about\n12.", "The rest is known.", "- but this is one"] == texts(text)


def test_the_short_first_line_above_a_passage_is_its_title():
    text = "Harbour Rowing Club\nThe Harbour Rowing Club program represents the University."
    assert [("heading", "Harbour Rowing Club")] == spans(text)[:1]


def test_chat_turns_begin_a_span():
    assert ["User: what is it", "Assistant: a span", "**User:** ok"] == texts(
        "User: what is it\nAssistant: a span\n**User:** ok"
    )


def test_log_lines_begin_a_span():
    lines = ["2024-05-01 12:00:03 INFO started", "2024-05-01 12:00:04 WARN low disk"]
    assert lines == texts("\n".join(lines))


CODE = {
    "python": [
        "import os\nimport sys",
        "# greets\n@cached\ndef main(args):\n    for a in args:\n        print(a)",
        "return 0",
        "class A:\n    x: int = 1",
        "main(sys.argv)",
    ],
    "c": [
        "#include <stdio.h>",
        'int main(void)\n{\n    if (argc == 1) {\n        printf("hi. You");\n    }',
        "return 0;\n}",
    ],
    "javascript": [
        "const a = 1;\nfunction foo(x) {\n  return x + a;\n}",
        "foo(3).then((r) => {\n  console.log(r);\n});",
    ],
}


@pytest.mark.parametrize("language", CODE)
def test_code_without_fences_is_cut_into_statement_blocks(language):
    between = ["\n\n    " if block.startswith("return") else "\n\n" for block in CODE[language]]
    code = "".join(gap + block for gap, block in zip(between, CODE[language], strict=True))
    text = f"This is how it works.{code}\n\nThat was all. Thanks."
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


def test_blocks_of_code_end_after_thirty_lines():
    text = "```\n" + "\n".join(f"x{i} = f({i})" for i in range(70)) + "\n```"
    assert [31, 30, 11] == [span.count("\n") + 1 for span in texts(text)]  # fences with their block


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"a": 1, "b": [1, 2], "c": {"d": "x, y"}}',
            ['{"a": 1,', '"b": [1, 2],', '"c": {"d": "x, y"}}'],
        ),
        ('[{"a": 1},\n {"a": "]"}]\n', ['[{"a": 1},', '{"a": "]"}]']),
        ('{"x": 1}\n{"x": 2}\n', ['{"x": 1}', '{"x": 2}']),
        ('Result:\n{"x": true,\n "y": null}', ["Result:", '{"x": true,', '"y": null}']),
        ("[0.25, -1e-3, 17]", ["[0.25, -1e-3, 17]"]),  # numbers stay together
    ],
)
def test_json_is_cut_by_element(text, expected):
    assert expected == texts(text)
    assert {"json"} == {kind for kind, span in spans(text) if span != "Result:"}


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
    start = _native.split_spans([grapheme * 3000])[0]
    assert len(start) > 1
    assert all(at % len(grapheme) == 0 for at in start.tolist())


def test_offsets_are_those_of_the_str_whatever_its_surrogates():
    # The first two surrogates are a pair: joined they would be one character, and shift the rest.
    text = "a\ud83d\ude00 be. C\udc00 do. 🎉 e"
    assert ["a\ud83d\ude00 be.", "C\udc00 do.", "🎉 e"] == texts(text)


def test_other_things_than_str_are_refused():
    with pytest.raises(TypeError, match="expected str, got "):
        _native.split_spans([b"bytes"])


SAMPLES = ["Mr. X paid. ", "\n", "\n\n", "- ", "# ", "```\n", "| a | b |\n", '{"a": [1]}\n', "    "]
anything = st.lists(
    st.one_of(st.sampled_from(SAMPLES), st.text(st.characters(), max_size=8)), max_size=30
).map("".join)


@settings(max_examples=500, deadline=None)
@given(st.lists(anything, max_size=3))
def test_spans_cover_every_text(given_texts):
    start, end, kind, first = (column.tolist() for column in _native.split_spans(given_texts))
    assert 0 == first[0] and len(start) == first[-1] == len(end) == len(kind)
    assert set(kind) <= set(range(len(_native.SPAN_KINDS)))
    for text, low, high in zip(given_texts, first, first[1:], strict=False):
        assert [0, *end[low:high]] == [*start[low:high], len(text)]
        assert all(a < b for a, b in zip(start[low:high], end[low:high], strict=True))
        # Every span but the leading white space starts with a word, a mark, a symbol.
        assert not any(text[a].isspace() and text[a] > "\x1f" for a in start[low + 1 : high])
        alone = _native.split_spans([text])
        assert start[low:high] == alone[0].tolist()  # the texts of a list do not know each other


WORDS = "The However fee paid is Mr Dr No Fig etc Inc al e.g i.e U.S B.V J x 3 9.2 12 IV".split()
MARKS = [".", ".", ".", ". ", ". ", "!", "?", "...", '"', "'", ")", ",", ";", " ", " ", " ", "  "]
english = st.lists(st.sampled_from(WORDS + MARKS * 2), max_size=60).map(
    lambda parts: "We saw that it was so and then they paid for it all " + "".join(parts)
)


@settings(max_examples=1000, deadline=None)
@given(english)
def test_sentences_equal_their_slow_twin(text):
    start = _native.split_spans([text])[0].tolist()
    cut = [text[a:b] for a, b in zip(start, [*start[1:], len(text)], strict=True)]
    assert reference.sentences(text) == cut


@settings(max_examples=300, deadline=None)
@given(english)
def test_a_sentence_alone_is_one_span(text):
    start, end, _, _ = _native.split_spans([text])
    sentences = [text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    assert list(range(len(sentences) + 1)) == _native.split_spans(sentences)[3].tolist()


HOSTILE = [
    "a",
    " ",
    ". ",
    ".'",
    "[",
    "[\n",
    '["\n',
    '{"a":\n',
    "# a\n",
    "|\n",
    "a | b\n",
    "if:\n ",
    "x = 1\n",
    "{}x\n",
    "e\u0301",
    "🇦",
    "ก ",
    "1.",
    "\0",
    "\ud83d",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit):
    def cost(size):
        text = unit * (size // len(unit))
        best = float("inf")
        for _ in range(3):
            begin = time.perf_counter()
            _native.split_spans([text])
            best = min(best, time.perf_counter() - begin)
        return best

    # 16 times the text: 16 times the time if linear, and new memory; 256 times if quadratic.
    assert min(cost(400_000) / cost(25_000) for _ in range(3)) < 80


def test_spans_are_clean_under_sanitizers():
    names = ("spans", "sentences", "lines", "json_cuts")
    compile_and_run("test_spans", [f"csrc/core/{name}.cpp" for name in names])
