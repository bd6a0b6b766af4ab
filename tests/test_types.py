"""The public names are typed: for programs under `mypy --strict`, and for readers."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import ctxmem

ROOT = Path(__file__).resolve().parent.parent

TUTORIALS = [f"docs/tutorials/{path.name}" for path in (ROOT / "docs/tutorials").glob("*.md")]

PROGRAM = """
import asyncio
from collections.abc import Sequence

import ctxmem
from ctxmem import Compressor, Counter, Embed, Group, Header, Match, Policy, Scorer


def embed(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


class Reranker:
    def __call__(self, query: str, texts: Sequence[str]) -> list[float]:
        return [float(query in text) for text in texts]


def shorter(text: str, query: str | None = None) -> str:
    return text[:9]


def header(chunk: ctxmem.Chunk) -> str:
    return chunk.source or ""


plugged: tuple[Embed, Scorer, Compressor, Header] = (embed, Reranker(), shorter, header)
groups: list[Group] = ctxmem.find_near_duplicates(["a b c", "a b c"])
kinds: list[str] = [str(kind) for group in groups for kind in group.kinds]
index = ctxmem.DedupIndex()
matches: list[list[Match]] = index.query(["a b c"])


def packed(previous: ctxmem.Window | None) -> ctxmem.Window:
    return ctxmem.pack(
        [ctxmem.Chunk("a", source="b"), "c", {"text": "d"}],
        ctxmem.Budget(10, reserve=1, auto=True),
        query="a",
        embed=embed,
        scorer=Reranker(),
        counter=len,
        dedup="exact",
        compress=[shorter],
        order="source",
        header=header,
        sections=[ctxmem.Section("s", share=0.5)],
        previous_window=previous,
    )


window: ctxmem.Window = asyncio.run(ctxmem.apack(["a"], 9, dedup=False, compress="blocks"))
decisions: tuple[ctxmem.Decision, ...] = window.decisions
messages = window.to_messages("anthropic", "why?")
"""

FAULTS = {
    "ctxmem.pack(['a'], 9, order='best')": "Literal",
    "ctxmem.pack(['a'], 9, dedup='yes')": "Literal",
    "ctxmem.pack(['a'], 9, compress='half')": "Literal",
    "ctxmem.pack(['a'], 9, scorer=embed)": "Scorer",
    "ctxmem.pack(['a'], 9, embed=shorter)": "Embed",
    "window.to_messages('mistral')": "Literal",
    "ctxmem.apack(['a'], 9, sepparator='')": "sepparator",
    "ctxmem.knapsack": "knapsack",
    "window.table": "table",
}
"""Lines that a type checker must refuse, with a word of its message."""


def check_types(folder: Path, programs: dict[str, str]) -> dict[str, list[str]]:
    """Return the lines that `mypy --strict` prints about programs, by their names."""
    pytest.importorskip("mypy")
    for name, text in programs.items():
        (folder / name).write_text(text, encoding="utf-8")
    options = ["--strict", "--follow-imports=silent", "--no-error-summary", "--no-incremental"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *programs],
        cwd=folder,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    printed = done.stdout.splitlines()
    assert {line.partition(":")[0] for line in printed} <= set(programs)
    return {name: [line for line in printed if line.startswith(f"{name}:")] for name in programs}


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """Return what is printed about two programs that import ctxmem.

    It is checked once for both: most of the time is reading ctxmem.
    """
    names = list(enumerate(ctxmem.__all__))
    lines = [
        *(f"from ctxmem import {name} as name_{i}" for i, name in names),
        *(f"value_{i} = ctxmem.{name}" for i, name in names),
    ]
    sound, faulty = ("\n".join([PROGRAM, *more, ""]) for more in (lines, FAULTS))
    return check_types(
        tmp_path_factory.mktemp("programs"), {"sound.py": sound, "faulty.py": faulty}
    )


def test_a_strict_type_checker_accepts_every_public_name(checked):
    assert checked["sound.py"] == []


def test_a_strict_type_checker_refuses_what_ctxmem_would(checked):
    start = len(PROGRAM.splitlines()) + 1
    messages = [line for line in checked["faulty.py"] if ": error:" in line]
    for number, (line, word) in enumerate(FAULTS.items(), start + 1):
        about = [text for text in messages if text.startswith(f"faulty.py:{number}:")]
        assert any(word in text for text in about), (line, about)
    assert {int(text.split(":")[1]) for text in messages} == {
        start + 1 + k for k in range(len(FAULTS))
    }


@pytest.mark.slow
def test_what_newcomers_copy_passes_a_strict_type_checker(tmp_path):
    programs = {}
    for page in ["README.md", *sorted(TUTORIALS)]:
        text = (ROOT / page).read_text(encoding="utf-8")
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        programs[f"{Path(page).stem.replace('-', '_')}.py"] = "\n".join(blocks)
    assert programs["README.py"]
    assert not any(check_types(tmp_path, programs).values())


def test_type_checkers_and_python_import_the_same_names_from_the_same_modules():
    tree = ast.parse((ROOT / "ctxmem" / "__init__.py").read_text(encoding="utf-8"))
    read = {
        alias.name: (node.module or "").removeprefix("ctxmem.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ctxmem.")
        for alias in node.names
    }
    assert read == ctxmem._MODULE_OF
    assert sorted([*read, "__version__"]) == sorted(ctxmem.__all__)
    assert len(ctxmem.__all__) == len(set(ctxmem.__all__))
    assert (ROOT / "ctxmem" / "py.typed").exists()


@pytest.mark.parametrize(
    "name", ["Compressor", "Counter", "Embed", "PageStore", "Policy", "Scorer"]
)
def test_protocols_say_what_they_are_for(name):
    protocol = getattr(ctxmem, name)
    assert typing.is_protocol(protocol) if sys.version_info >= (3, 13) else protocol._is_protocol
    assert len(inspect.getdoc(protocol)) > 100


@pytest.mark.parametrize("name", ["pack", "apack"])
def test_annotations_of_the_pipeline_can_be_read_at_run_time(name):
    function = getattr(importlib.import_module("ctxmem.pipeline"), name)
    assert typing.get_type_hints(function)["return"] is ctxmem.Window
