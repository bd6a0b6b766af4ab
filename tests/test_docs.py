"""The documentation is true: its code runs, what it shows is printed, its commands exist.

`tests/test_house.py` runs the Python of every page; here is the rest.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_house import PAGES, ROOT, code_blocks

import ctxmem
from ctxmem.cli import main, make_parser
from ctxmem.cli.bench import with_name

DOCS = ROOT / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
PRINTED = re.compile(
    r"^```python\n(.*?)^```\n(?:\n(`{3,})text\n(.*?)^\2$)?", re.DOTALL | re.MULTILINE
)
SHELL = re.compile(r"^```sh\n(.*?)^```\n((?:\n.*?)??)(?=\n```sh|\Z)", re.DOTALL | re.MULTILINE)
TEXT = re.compile(r"^```text\n(.*?)^```", re.DOTALL | re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with the examples, so that what a page writes is written there."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands(page: Path) -> list[list[str]]:
    """Return the words of each line of a page's shell blocks that calls ctxmem."""
    lines = [line for block in code_blocks(page, "(?:sh|bash)") for line in block.splitlines()]
    parts = [part for line in lines for part in re.split(r"&&|\|", line.partition(" > ")[0])]
    words = [shlex.split(part, comments=True) for part in parts]
    return [line[1:] for line in words if line[:1] == ["ctxmem"]]


@pytest.mark.parametrize("page", [ROOT / "README.md", *TUTORIALS], ids=lambda page: page.stem)
def test_a_page_for_newcomers_prints_what_it_shows(page, folder, capsys):
    scope: dict[str, object] = {}
    for code, fence, shown in PRINTED.findall(page.read_text(encoding="utf-8")):
        exec(compile(code, page.name, "exec"), scope)
        printed = capsys.readouterr().out
        assert printed == shown or (page.stem == "README" and not fence)


def test_the_pack_of_the_readme_prints_what_it_shows(folder, capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = TEXT.findall(text.partition("ctxmem pack examples/contract_review.json")[2])[0]
    assert main(["pack", "examples/contract_review.json"]) == 0
    printed = capsys.readouterr().out
    parts = [part.rstrip() for part in shown.split("...\n") if part.strip()]
    assert len(parts) == 3 and all(part in printed for part in parts)


def test_the_audit_of_the_tutorial_prints_what_it_shows(folder, capsys):
    text = (DOCS / "tutorials" / "first-audit.md").read_text(encoding="utf-8")
    checked = 0
    for block, rest in SHELL.findall(text):
        command, *more = shlex.split(block.splitlines()[0])
        if command != "ctxmem" or "examples/traces" not in more:
            continue
        assert main(more) == 0
        printed = capsys.readouterr().out
        for shown in TEXT.findall(rest.partition("```python")[0]):
            parts = [part.strip() for part in shown.split("...\n") if part.strip()]
            assert parts and all(part in printed for part in parts)
            checked += 1
    assert checked == 3
    assert (folder / "audit.html").exists()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_page_are_accepted(page):
    for words in commands(page):
        if words[-1] not in ("--help", "--version", "COMMAND"):
            # Each benchmark has its own options.
            given = with_name(words[:2] if words[0] == "bench" else words)
            assert make_parser()[0].parse_args(given).command in words


def test_commands_of_pages_are_found():
    found = [words for page in PAGES for words in commands(page)]
    assert len(found) >= 30
    assert {words[0] for words in found} >= {"audit", "blame", "dedup", "mcp", "pack", "serve"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_data_on_a_page_is_well_formed(page):
    for block in code_blocks(page, "json"):
        json.loads(block)
    for block in code_blocks(page, "jsonl"):
        assert [json.loads(line) for line in block.splitlines()]
    if sys.version_info >= (3, 11):
        import tomllib

        for block in code_blocks(page, "toml"):
            tomllib.loads(block)


def test_settings_of_the_page_about_the_command_line_are_taken(folder, capsys):
    (block,) = code_blocks(DOCS / "command-line.md", "toml")
    (folder / "pyproject.toml").write_text(block, encoding="utf-8")
    hits = folder / "hits.json"
    hits.write_text(json.dumps([{"text": "Notice is thirty days.", "source": "a.md"}]))
    assert main(["pack", str(hits), "--json"]) == 0
    window = json.loads(capsys.readouterr().out)
    assert (window["budget"], window["exact"]) == (8000, False)
    assert window["text"].startswith("[a.md]\n")
    assert main(["audit", "examples/traces"]) == 1
    assert "failed: dup_tokens>10%" in capsys.readouterr().err


def test_every_public_name_is_in_the_reference_once():
    pages = sorted((DOCS / "reference").glob("*.md"))
    names = [
        name
        for page in pages
        for name in re.findall(r"^::: ctxmem\.([\w.]+)$", page.read_text("utf-8"), re.MULTILINE)
    ]
    assert len(names) == len(set(names))
    deeper = {name for name in names if "." in name}
    assert set(names) - deeper == set(ctxmem.__all__) - {"__version__"}
    assert deeper == {"scale.deduplicate", "stores.PostgresStore", "stores.RedisStore"}


def test_every_page_is_in_the_navigation():
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    generated = ["index.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
    assert sorted(listed) == sorted([*pages, *generated])


def test_the_model_card_names_every_set_of_the_weights():
    weights = json.loads((ROOT / "ctxmem/weights/value-1.json").read_text())
    card = (DOCS / "model-card.md").read_text(encoding="utf-8")
    for given in weights["provenance"]["sets"]:
        name, _, licence = given.rstrip(")").rpartition(" (")
        assert name in card and licence in card, given


def test_terms_of_the_glossary_are_in_order():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(\w.*)\n: ", text, re.MULTILINE)
    assert len(terms) >= 30
    assert terms == sorted(terms, key=str.lower)


def test_hooks_of_the_site_are_python_that_older_versions_read():
    for path in DOCS.glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs the extra docs")
def test_the_site_is_built_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reference" / "packing.html").read_text(encoding="utf-8")
    assert 'id="ctxmem.pack"' in page and "&gt;&gt;&gt;" in page
    front = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="pack.html"' in front and 'href="docs/' not in front
    for file in tmp_path.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]*"(https?:[^"]+)"', file.read_text("utf-8"))
        assert not loaded, f"{file.name} loads from other servers"
