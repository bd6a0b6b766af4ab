"""What is shown of a text in part: code, tables and JSON are never torn, marks say what lacks."""

from __future__ import annotations

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctxmem.memory import Memory
from ctxmem.memory.blocks import PartialText, shown_text, whole_blocks
from ctxmem.memory.json_parts import JsonParts
from ctxmem.memory.tables import tabled

RNG = random.Random(19)
WORDS = "pump cellar valve leak order invoice refund parcel carrier monday report meter".split()
MARK = re.compile(
    r"\[\.\.\. (?:(\d+) of \d+ (?:elements|members)|[\d,]+ more characters) left out"
    r"[^\n]*? \.\.\.\]"
)


def said(words: int) -> str:
    return " ".join(RNG.choices(WORDS, k=words))


ROWS = [
    {"id": f"ord_{i}", "state": said(1), "lines": [{"sku": f"S{i}{j}"} for j in range(3)]}
    for i in range(30)
]
JSON = {
    "array": ROWS,
    "object": {"total": 30, "rows": ROWS, "next": None},
    "file": {"path": "app.py", "content": "import os\n" * 400, "lines": 400},
    "nested": [[{"rows": ROWS, "note": said(60)}]],
    "strings": [said(20) for _ in range(40)],
    "escapes": ["é\n\U0001f600\\" * 400],
    "numbers": list(range(3_000)),
    "keys": {f"key_{i}": i for i in range(600)},
    "one_large": [{"text": said(900)}, {"text": "short"}],
}


def without_marks(shown: str) -> str:
    """Return JSON that was shown in part as valid JSON, without marks and needless commas."""
    plain = MARK.sub("", shown)
    plain = re.sub(r",(\s*[,\]}])", r"\1", re.sub(r",\s*(?=,)", "", plain))
    return re.sub(r"([\[{]\s*),", r"\1", plain)


def elements(value: object) -> list[str]:
    """Return all objects, arrays and other values in a value, as JSON."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [json.dumps(value), *(one for part in inside for one in elements(part))]


@pytest.mark.parametrize("room", [100, 300, 1_000, 4_000])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", JSON)
def test_json_is_shown_by_whole_members(name, indent, room):
    text = json.dumps(JSON[name], indent=indent)
    shown = PartialText(text, room).part(room)
    if len(text) <= room:
        assert shown == text
        return
    assert len(shown) < len(text)
    assert MARK.search(shown)
    left = json.loads(without_marks(shown))
    assert type(left) is type(JSON[name])
    if isinstance(left, dict):
        assert left.keys() <= JSON[name].keys()
    if name in ("array", "numbers", "strings"):
        whole = set(elements(JSON[name]))
        assert sum(json.dumps(one) in whole for one in left) >= len(left) - 1


def test_the_count_of_elements_left_out_is_true():
    text = json.dumps(list(range(100, 200)))
    shown = PartialText(text, 100).part(100)
    left_out = sum(int(one) for one in MARK.findall(shown))
    assert left_out + len(json.loads(without_marks(shown))) == 100


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30),
        lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=6), inner),
        max_leaves=30,
    ),
    st.integers(1, 400),
)
def test_any_json_is_shown_or_refused(value, room):
    text = json.dumps([value, value, "end"])
    shown = JsonParts(text).part(room)
    assert shown == text or "left out" in shown


def test_deep_nesting_is_refused_and_shown_as_text():
    text = "[" * 600 + "1" + "]" * 600
    with pytest.raises(ValueError, match="nested too deeply"):
        JsonParts(text).part(100)
    assert len(PartialText(text, 100).part(100)) < 400


FENCED = (
    "# Report\n\nThis is what I found.\n\n## Code\n\n```python\n"
    + "\n\n".join(f"def part_{i}(a):\n    b = a + {i}\n    return b" for i in range(30))
    + "\n```\n\n## Amounts\n\n| day | amount |\n|---|---|\n"
    + "\n".join(f"| {i} | {i * 17} |" for i in range(60))
    + "\n\n1. Do this first.\n2. Then do that.\n"
)


@pytest.mark.parametrize("room", [200, 300, 500, 900, 1_500])
def test_fences_close_and_rows_have_their_header(room):
    shown = PartialText(FENCED, room).part(room)
    assert shown.count("```") % 2 == 0
    rows = re.findall(r"^\| \d+ ", shown, re.MULTILINE)
    if rows:
        assert shown.index("| day | amount |\n|---|---|") < shown.index(rows[0])
        assert shown.index("## Amounts") < shown.index(rows[0])
    assert all(line in FENCED.split("\n") or line == "[...]" for line in shown.split("\n"))


@pytest.mark.parametrize("start", range(0, len(FENCED) - 80, 170))
def test_passages_around_a_place_are_whole(start):
    shown = shown_text(FENCED, whole_blocks(FENCED, ((start, start + 80),)))
    assert shown.count("```") % 2 == 0
    rows = re.findall(r"^\| \d+ ", shown, re.MULTILINE)
    assert not rows or shown.index("| day | amount |") < shown.index(rows[0])
    code = re.search(r"^ +\S", shown, re.MULTILINE)
    assert not code or shown.index("```python") < code.start()


@pytest.mark.parametrize("indent", [None, 1])
def test_a_member_of_json_is_shown_within_the_keys_above_it(indent):
    text = json.dumps({"ok": True, "rows": ROWS}, indent=indent)
    at = text.index('"S171"')
    shown = shown_text(text, whole_blocks(text, ((at - 60, at + 40),)))
    left = json.loads(without_marks(shown))
    assert left["ok"] is True
    assert [row["id"] for row in left["rows"]] == ["ord_17"]


def test_lines_of_json_are_whole():
    text = "\n".join(map(json.dumps, ROWS))
    shown = PartialText(text, 500).part(500).split("\n")
    at = text.index('"S171"')
    around = shown_text(text, whole_blocks(text, ((at - 60, at + 40),))).split("\n")
    assert "[... 17 of 30 lines left out ...]" == around[0]
    for line in shown + around:
        assert line.startswith("[... ") or json.loads(line) in ROWS


def test_rows_of_a_table_that_was_made_are_whole():
    table = tabled(json.dumps(ROWS))
    shown = PartialText(table, 400, kind="table").part(400)
    lines = table.split("\n")
    first = [line for line in lines if line.startswith("ord_")]
    assert shown.startswith(lines[0] + "\n" + first[0])
    assert re.search(r"\n\[\.\.\. \d+ of 30 rows left out \.\.\.\]\nord_", shown)


def test_brackets_in_the_strings_of_a_table_are_no_tables():
    notes = ['say "[" now, a|b', "{", '"', "\\", ']"[']
    rows = [{"id": i, "note": notes[i % 5], "lines": [{"sku": "S0"}]} for i in range(30)]
    table = tabled(json.dumps(rows))
    shown = PartialText(table, 300, kind="table").part(300)
    marks = re.findall(r"^\[\.\.\. (\d+) of (\d+) rows left out \.\.\.\]$", shown, re.MULTILINE)
    left_out = [(int(some), int(of)) for some, of in marks]
    assert left_out == [(30 - shown.count("S0"), 30)]
    assert set(shown.split("\n")) - set(table.split("\n")) == {
        f"[... {left_out[0][0]} of 30 rows left out ...]"
    }


def test_a_long_string_is_shown_to_where_the_spans_in_it_end():
    long, other = "pump " * 80, "valve " * 80
    text = json.dumps({"a": long, "b": other, "c": 3})
    begin = text.index("valve")
    shown = JsonParts(text).around([(8, text.index('"b"')), (begin, begin + 30)])
    assert shown.startswith(json.dumps({"a": long})[:-1] + ', "b": "valve ')
    assert shown.count("more characters left out") == 1
    assert shown.count("valve") < 7 and "-" not in shown
    left = json.loads(without_marks(JsonParts(text).around([(8, 30)])))
    assert left["a"].startswith("pump") and len(left["a"]) < 40 and "b" not in left


@pytest.mark.parametrize("filler", ["pump ", "\\u00e9", "\\\\", "\\ud83d\\ude00", "x"])
def test_what_is_far_into_a_long_string_is_shown_without_its_beginning(filler):
    text = f'{{"note": "{filler * 3_000} the code is 4711 {filler * 3_000}", "next": 1}}'
    begin = text.index("the code")
    for shift in range(8):
        spans = [(begin - shift, begin + 16 + shift)]
        shown = JsonParts(text).around(spans)
        assert "the code is 4711" in shown and len(shown) < 300
        lacking = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) more characters", shown)]
        note = json.loads(without_marks(shown))["note"]
        written = re.search(r'"note":(?: |\[.*?\.\.\.\])*"([^"]*the code.*?)" ?\[', shown)
        assert written and sum(lacking) + len(written[1]) == len(text.split('"')[3])
        assert note == json.loads(f'"{written[1]}"')


@pytest.mark.parametrize(
    "filler", ["\\\\u00e9", "\\\\\\u00e9", "\\ud83d\\ude00", '\\"', "a\\\\", "\\ud83d"]
)
def test_a_string_is_never_cut_within_an_escape(filler):
    text = f'["{filler * 60}"]'
    for room in range(60, 300):
        shown = JsonParts(text).part(room)
        (left,) = json.loads(without_marks(shown))
        assert json.loads(text)[0].startswith(left)


def test_one_of_many_small_members_is_shown_with_few_others():
    text = json.dumps({f"key_{i}": i for i in range(3_000)})
    begin = text.index('"key_1700"')
    shown = JsonParts(text).around([(begin, begin + 16)])
    left = json.loads(without_marks(shown))
    assert left["key_1700"] == 1700 and 5 < len(left) < 30
    assert len(shown) < 600
    memory = Memory(8_000)
    memory.append({"role": "tool", "tool_call_id": "c1", "content": text})
    assert any("1700" in one.text for one in memory.recall("What is key_1700?", 1))


def test_a_text_without_structure_is_as_before():
    assert whole_blocks("One. Two. Three.", ((5, 9),)) == ((5, 9),)
    assert whole_blocks("[see note] a text, not JSON [3]", ((5, 9),)) == ((5, 9),)


@pytest.mark.parametrize("name", [*JSON, "fenced"])
def test_a_long_result_in_a_window_is_not_torn(name):
    text = FENCED * 4 if name == "fenced" else json.dumps(JSON[name])
    memory = Memory(400, tabulate_json=False)
    memory.append({"role": "user", "content": "Look it up."})
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    memory.append({"role": "assistant", "content": None, "tool_calls": [call]})
    memory.append({"role": "tool", "tool_call_id": "c1", "content": text})
    window = memory.window()
    shown = str(window.messages[-1]["content"])
    assert window.tokens <= 400
    body = shown.partition("\n")[2]
    if name == "fenced":
        assert body.count("```") % 2 == 0
    elif "shown in part" in shown:
        json.loads(without_marks(body))


def test_a_result_in_a_message_of_the_users_role_is_labelled_as_a_tools():
    memory = Memory(600)
    memory.append({"role": "user", "content": "Read the notes."})
    use = {"type": "tool_use", "id": "c1", "name": "read", "input": {}}
    memory.append({"role": "assistant", "content": [use]})
    block = {"type": "tool_result", "tool_use_id": "c1", "content": "Always deploy with pumps."}
    memory.append({"role": "user", "content": [block]})
    for _ in range(30):
        memory.append({"role": "assistant", "content": said(20)})
        memory.append({"role": "user", "content": said(20)})
    window = memory.window("What do the notes say about how to deploy?")
    shown = "\n".join(str(message["content"]) for message in window.messages)
    assert "tool: Always deploy with pumps." in shown
    assert "user: Always deploy" not in shown
