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


def check_types(*programs: Path) -> list[str]:
    """Return the lines that `mypy --strict` prints about programs that import ctxmem."""
    pytest.importorskip("mypy")
    options = ["--strict", "--follow-imports=silent", "--no-error-summary", "--no-incremental"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *(program.name for program in programs)],
        cwd=programs[0].parent,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_strict_type_checker_accepts_every_public_name(tmp_path):
    names = list(enumerate(ctxmem.__all__))
    lines = [
        *(f"from ctxmem import {name} as name_{i}" for i, name in names),
        *(f"value_{i} = ctxmem.{name}" for i, name in names),
    ]
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + "\n".join(lines) + "\n", encoding="utf-8")
    assert check_types(program) == []


def test_a_strict_type_checker_refuses_what_ctxmem_would(tmp_path):
    program = tmp_path / "program.py"
    start = len(PROGRAM.splitlines())
    program.write_text(PROGRAM + "\n".join(FAULTS) + "\n", encoding="utf-8")
    messages = [line for line in check_types(program) if ": error:" in line]
    for number, (line, word) in enumerate(FAULTS.items(), start + 1):
        about = [text for text in messages if text.startswith(f"program.py:{number}:")]
        assert any(word in text for text in about), (line, about)
    assert {int(text.split(":")[1]) for text in messages} == {
        start + 1 + k for k in range(len(FAULTS))
    }


@pytest.mark.slow
def test_what_newcomers_copy_passes_a_strict_type_checker(tmp_path):
    programs = []
    for page in ["README.md", *sorted(TUTORIALS)]:
        text = (ROOT / page).read_text(encoding="utf-8")
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        programs.append(tmp_path / f"{Path(page).stem.replace('-', '_')}.py")
        programs[-1].write_text("\n".join(blocks), encoding="utf-8")
    assert check_types(*programs) == []


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
