"""Outlines of code and logs, superseded reads, and tables below the shortest cached prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_memory_schedule import call, opening, result

import ctxmem
from ctxmem import Memory, count_tokens
from ctxmem.memory.outlines import kind_of, outline_places

SOURCE = '''"""Loads orders."""
import json
from pathlib import Path


class OrderLoader:
    """Reads the orders of a day."""

    def load_day(self, folder, day):
        path = Path(folder) / f"{day}.json"
        if not path.exists():
            return []
        rows = json.loads(path.read_text())
        return [row for row in rows if row["state"] != "void"]

    def total_amount(self, rows):
        total = 0
        for row in rows:
            total += row["amount"] * row["count"]
        return total


def run_all(folder):
    loader = OrderLoader()
    return sum(loader.total_amount(loader.load_day(folder, day)) for day in range(1, 32))
'''
LOG = "\n".join(
    [
        "build of project harbour begins",
        *(f"[{n:3}/120] compiling src/part_{n}.cc in {n * 7} ms" for n in range(1, 60)),
        "src/part_60.cc:14: error: 'berth' was not declared in this scope",
        *(f"[{n:3}/120] compiling src/part_{n}.cc in {n * 7} ms" for n in range(61, 121)),
        "build stopped after 1 failure",
    ]
)


def outline_lines(text: str, kind: Any, room: int, count: Any = count_tokens) -> list[str]:
    return outline_places(text, kind, room, count)[1]


def test_a_text_is_code_lines_or_data_by_how_it_reads():
    assert kind_of(SOURCE) == "code"
    numbered = "\n".join(f"{n}:{line}" for n, line in enumerate(SOURCE.split("\n"), 1))
    assert kind_of(numbered) == "code"
    assert kind_of(LOG) == "lines"
    assert kind_of('{"id": 1,\n "name": "x",\n "more": [1, 2]\n}') == "data"
    assert kind_of("\n".join(f"{n:032b}" for n in range(2**30, 2**30 + 40))) == "data"
    assert kind_of("one line only") == "data"


def test_the_outline_of_code_keeps_first_line_imports_and_signatures_and_no_body():
    lines = outline_lines(SOURCE, "code", 200)
    assert lines[0] == '"""Loads orders."""'
    assert {"import json", "from pathlib import Path"} < set(lines)
    assert "class OrderLoader:" in lines
    assert "def load_day(self, folder, day):" in lines
    assert "def run_all(folder):" in lines
    assert not [line for line in lines if line.startswith(("return", "rows", "total", "if", "for"))]


def test_outer_signatures_are_kept_before_inner_ones_where_room_is_short():
    lines = outline_lines(SOURCE, "code", 18)
    assert {"class OrderLoader:", "def run_all(folder):"} < set(lines)
    assert not [line for line in lines if "self" in line]


def test_the_outline_of_a_log_keeps_failures_both_ends_and_counts_equal_forms():
    assert outline_lines(LOG, "lines", 200) == [
        "build of project harbour begins",
        "[  1/120] compiling src/part_1.cc in 7 ms (119 such lines)",
        "src/part_60.cc:14: error: 'berth' was not declared in this scope",
        "build stopped after 1 failure",
    ]


def test_the_failure_is_kept_first_where_room_is_short():
    assert outline_lines(LOG, "lines", 22) == [
        "src/part_60.cc:14: error: 'berth' was not declared in this scope"
    ]


def test_a_failure_that_is_longer_than_the_room_is_cut():
    (line,) = outline_lines(LOG, "lines", 16)
    assert line.startswith("src/part_60.cc:14: error:")
    assert line.endswith("…")


@pytest.mark.parametrize("kind", ["code", "lines", "data"])
@pytest.mark.parametrize("text", ["", "\n\n\n", "\ud800\n\x00\nerror", "((((\n" * 50, "x" * 90_000])
def test_an_outline_keeps_its_room_and_shows_lines_of_any_text(kind: Any, text: str):
    def count(line: str) -> int:
        return len(line)

    for room in (0, 10, 130):
        assert sum(count(line) + 1 for line in outline_lines(text, kind, room, count)) <= room


def test_a_log_leaves_behind_its_failure_and_the_page_to_fetch_it_by():
    memory = Memory(8000)
    memory.append(opening(2400))
    memory.window()
    memory.append([call(0), result(0, LOG)])
    assert memory.window().messages[-1]["content"] == LOG
    memory.append([call(1, "It failed."), result(1, "ok")])
    shown = memory.window().messages[3]["content"]
    page = shown.partition(":")[0].lstrip("[").partition("-")[0]
    assert "tokens, stored; " in shown
    assert "'berth' was not declared" in shown
    assert count_tokens(shown) < 0.2 * count_tokens(LOG)
    assert LOG.startswith(memory.page(page).text)


def reading(number: int) -> dict[str, Any]:
    made = call(number)
    made["tool_calls"][0]["function"]["arguments"] = '{"path": "table.txt"}'
    return made


def table(changed: int | None = None) -> str:
    return "\n".join(
        f"row {n} of the harbour: {'corrected' if n == changed else 'as it was in the spring'}"
        for n in range(60)
    )


def test_an_edit_replaces_a_read_that_a_newer_one_supersedes_by_a_line_that_names_it():
    memory = Memory(6000, miss_cost=9.0, policy="slide")
    filler = "Nothing of the kind was found in the harbour books of that year. " * 60
    memory.append([*opening(600), call(8), result(8, filler), reading(0), result(0, table())])
    memory.window()
    memory.append([reading(1), result(1, table(changed=30))])
    memory.window()
    windows = []
    for number in range(2, 6):
        memory.append([call(number), result(number, f"{number} " + filler)])
        windows.append(memory.window())
        if any("newer read" in event.detail for event in windows[-1].events):
            break
    else:
        pytest.fail("no edit replaced the older read")
    contents = [str(message["content"]) for message in windows[-1].messages]
    lines = [text for text in contents if "shows it as it is now" in text]
    assert len(lines) == 1
    assert table(changed=30) in contents  # the newer read is whole, without marks
    assert table() not in contents
    older = lines[0].partition(":")[0].lstrip("[").partition("-")[0]
    assert table().startswith(memory.page(older).text)
    assert not ctxmem.check(windows[-1].messages)


def rows(number: int) -> str:
    return json.dumps([{"order_number": number * 100 + n, "name": f"n{n}"} for n in range(30)])


@pytest.mark.parametrize("before, tabled", [(300, True), (3000, False), (4200, True)])
def test_no_table_takes_a_prompt_below_what_the_provider_caches(before: int, tabled: bool):
    memory = Memory(16_000, prices="gemini")
    memory.append([*opening(int(before / 1.6)), call(0), result(0, rows(1))])
    text = memory.window().messages[-1]["content"]
    assert (text != rows(1)) == tabled


def test_a_budget_below_what_the_provider_caches_has_tables():
    memory = Memory(3_900, prices="gemini")
    memory.append([*opening(1800), call(0), result(0, rows(1))])
    assert memory.window().messages[-1]["content"] != rows(1)
