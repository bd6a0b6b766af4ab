"""The examples are short, run offline, and say what they promise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ctxmem.bench import adapters

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))

SAID = {
    "rag_chain": r"before: 3,\d{3} tokens\nafter: 4[0-5]\d tokens\nThirty days",
    "agent_memory": r"the model saw \d{3} of 900\n\d+ messages are in the page store(.|\n)*day 3,",
    "query_engine": r"before: 43 nodes, 3,\d{3} tokens\nafter: \d nodes, (3\d\d|400) tokens",
}


def test_every_example_is_looked_at():
    assert set(SAID) == {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_runs(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40
    blocked = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **blocked},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAID[path.stem], done.stdout), done.stdout


def test_the_benchmark_checks_its_answers_and_tells_what_is_missing(capsys):
    assert 0 == adapters.main(["--sizes", "60", "--rounds", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    tasks = {row["task"] for row in told["rows"]}
    assert 5 == len(tasks) == len(told["rows"])
    for row in told["rows"]:
        assert "missing" in row or all(t["median"] > 0 for t in row["milliseconds"].values())
    assert 0 == adapters.main(["--sizes", "60", "--rounds", "1"])
    assert "ContextMiddleware" in capsys.readouterr().out


PACKING = Path(__file__).parent.parent / "docs" / "pack.md"
PRINTED = re.compile(
    r"^```python\n(.*?)^```\n(?:\n(`{3,})text\n(.*?)^\2$)?", re.DOTALL | re.MULTILINE
)


def printed_blocks():
    """Return the python of the page and, where a block of text follows directly, that text."""
    return [(m[1], m[3]) for m in PRINTED.finditer(PACKING.read_text(encoding="utf-8"))]


def test_what_the_page_about_packing_prints_is_what_it_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # what the page writes, it writes there
    scope: dict[str, object] = {}
    for code, shown in printed_blocks():
        exec(compile(code, PACKING.name, "exec"), scope)
        printed = capsys.readouterr().out
        assert shown is None or shown == printed
    assert sum(shown is not None for _, shown in printed_blocks()) >= 5


def test_every_kind_of_passage_has_an_example_with_the_window_that_it_prints():
    page = PACKING.read_text(encoding="utf-8")
    section = re.search(r"^## What a passage needs.*?(?=^##)", page, re.DOTALL | re.MULTILINE)[0]
    table = section[: section.index("```")]
    kinds = re.findall(r"^\| (?!kind)(\w[^|]*) \|", table, re.MULTILINE)
    shown = [match[3] for match in PRINTED.finditer(section) if match[3]]
    assert 13 == len(kinds)
    assert len(kinds) + 1 == len(shown)  # lists and steps have one each
