"""Chunks to measure with: English-like ones that every machine can make, or real text of yours.

The same seed gives the same bytes.

The words and what may follow them come from the docstrings of Python's standard library. Passages
are walks over that bigram chain that jump now and then: without jumps few word trigrams would be
said once, unlike in prose. Of 90 thousand words 88 trigrams in 100 are, of 9 million 43. More jumps
make an easier join, so times on your own text may differ. Four chunks in ten are edited copies of
others.

Real text is what you name: text files, JSON Lines with passages, and the docstrings of Python
files; "installed" means the standard library and the packages installed beside it. It repeats
itself as people do, which no generator does.
"""

from __future__ import annotations

import ast
import functools
import json
import random
import re
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WORDS = 150  # about 1 kB
JUMP = 0.3  # share of the words that do not follow from the one before
KINDS = ("exact", "format", "edit 2%", "edit 5%", "edit 10%", "edit 20%", "cut", "wrapped", "typos")
HEADER = "Confidential. This document is provided for information only and may change at any time."
FOOTER = "All rights reserved. No part of it may be reproduced without written permission."


@functools.cache
def prose() -> list[str]:
    """Return the words of the standard library's docstrings, in order of path."""
    words: list[str] = []
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.glob("*.py")) + sorted(root.glob("[a-z]*/*.py")):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                words += (ast.get_docstring(node) or "").split()
    return words


@functools.cache
def _chain() -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct words, and the followers of each as slices of one array."""
    vocabulary, ids = np.unique(np.array(prose(), dtype=object).astype(str), return_inverse=True)
    order = np.argsort(ids[:-1], kind="stable")
    followers = ids[1:][order]
    degree = np.bincount(ids[:-1], minlength=len(vocabulary))
    start = np.cumsum(degree) - degree
    degree[degree == 0] = 1  # the last word of all, if it is there once: any follower will do
    start[start >= len(followers)] = 0
    return vocabulary.astype(object), followers, start, degree


def passages(count: int, *, words: int = WORDS, seed: int = 0) -> list[str]:
    """Return passages that repeat one another only as prose does."""
    vocabulary, followers, start, degree = _chain()
    rng = np.random.default_rng(seed)
    at = rng.integers(0, len(followers), count)
    state = followers[at]
    walk = np.empty((words, count), np.int64)
    for step in range(words):
        walk[step] = state
        state = followers[start[state] + (rng.random(count) * degree[state]).astype(np.int64)]
        jump = followers[rng.integers(0, len(followers), count)]
        state = np.where(rng.random(count) < JUMP, jump, state)
    return [" ".join(row) for row in vocabulary[walk.T].tolist()]


_TRIPLE_QUOTED = re.compile(r'"""(.*?)"""', re.DOTALL)
_TEXT = (".txt", ".md", ".rst")


@functools.cache
def real_passages(paths: tuple[str, ...]) -> list[str]:
    """Return all passages of `WORDS` words of files, folders or "installed", shuffled.

    Raises:
        OSError: A path does not exist.
        ValueError: There is no text at the paths.
    """
    made = []
    for text in _texts(paths):
        words = text.split()
        made += [" ".join(words[i : i + WORDS]) for i in range(0, len(words) - WORDS + 1, WORDS)]
    if not made:
        raise ValueError(
            f"{', '.join(paths)}: no text of {WORDS} words; expected .txt, .md, .rst, .json, "
            ".jsonl or .py files, folders of them, or installed"
        )
    random.Random(0).shuffle(made)
    return made


def _texts(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        installed = [sysconfig.get_paths()[name] for name in ("stdlib", "purelib")]
        roots = map(Path, dict.fromkeys(installed) if path == "installed" else [path])
        for root in roots:
            if not root.exists():
                raise FileNotFoundError(f"{root} does not exist; expected a file or a folder")
            for file in sorted(root.rglob("*")) if root.is_dir() else [root]:
                if file.suffix in (*_TEXT, ".json", ".jsonl", ".py") and file.is_file():
                    yield from _texts_of(file)


def _texts_of(file: Path) -> Iterator[str]:
    content = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".py":
        # Docstrings, nearly all of them; parsing every module would take minutes.
        yield " ".join(_TRIPLE_QUOTED.findall(content))
    elif file.suffix == ".jsonl":
        yield "\n".join(_strings(json.loads(line)) for line in content.splitlines() if line.strip())
    elif file.suffix == ".json":
        try:
            yield _strings(json.loads(content))
        except json.JSONDecodeError:
            return
    else:
        yield content


def _strings(data: object) -> str:
    """Return every string of several words in a JSON value, in order."""
    if isinstance(data, str):
        return data if " " in data else ""
    if isinstance(data, dict):
        data = list(data.values())
    return " ".join(filter(None, map(_strings, data))) if isinstance(data, list) else ""


def edited(text: str, kind: str, rng: random.Random) -> str:
    """Return a near-duplicate of the text."""
    words = text.split()
    if kind == "exact":
        return text
    if kind == "format":
        return text.upper().replace(". ", " -- ") if rng.random() < 0.5 else "  ".join(words) + "!"
    if kind == "cut":
        return " ".join(words[: len(words) * 7 // 10])
    if kind == "wrapped":
        return f"{HEADER} {text} {FOOTER}"
    if kind == "typos":
        for _ in range(max(1, len(text) // 50)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice("etaoinshr") + text[at + 1 :]
        return text
    share = int(kind.split()[1][:-1]) / 100
    pool = prose()
    return " ".join(rng.choice(pool) if rng.random() < share else word for word in words)


def chunks(
    count: int, *, repeated: float = 0.4, seed: int = 0, paths: Sequence[str] = ()
) -> list[str]:
    """Return `count` chunks of about 1 kB, the given share of them edited copies, shuffled.

    They are generated, or cut from the real text at `paths`.

    Raises:
        ValueError: The real text has too few passages.
    """
    rng = random.Random(seed)
    copies = int(count * repeated)
    if paths:
        made = real_passages(tuple(paths))[: count - copies]
        if len(made) < count - copies:
            raise ValueError(
                f"{', '.join(paths)}: {len(made):,} passages; expected {count - copies:,} for "
                f"{count:,} chunks: name more text, or ask for less"
            )
    else:
        made = passages(count - copies, seed=seed)
    made += [edited(made[rng.randrange(count - copies)], KINDS[i % len(KINDS)], rng)
             for i in range(copies)]  # fmt: skip
    rng.shuffle(made)
    return made
