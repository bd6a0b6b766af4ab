"""Questions to code: the first sentence of a doc string, or a line of a change log, and a function.

The functions are those of source distributions. Doc strings are taken out of the source, or what is
asked would be there word for word; with `keep_docs` they stay, and the line that is asked for is
found with them. The change log is left out of the code either way.
"""

from __future__ import annotations

import ast
import gzip
import json
import random
import re
import tarfile
import warnings
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

CHANGES = re.compile(r"^(?:changes|changelog|history|news|releases?)\b[^/]*$", re.IGNORECASE)
CODE = re.compile(r"\.(?:py|pyi)$")
ASIDE = re.compile(r"(?:^|/)(?:tests?|testing|docs?|examples?|benchmarks?|scripts?|tools?)(?:/|$)")

FEWEST_WORDS, FEWEST_LINES, MOST_LINES = 4, 3, 150
"""Words of a question at least; lines of a function without its doc string."""


class Question(NamedTuple):
    """What is asked, of which kind, and the lines that answer: (first, last), from 1."""

    text: str
    kind: str
    path: str
    name: str
    lines: tuple[int, int]


class Repository(NamedTuple):
    """A folder of source files, and questions to it."""

    name: str
    folder: Path
    questions: list[Question]


def read_archives(
    archives: Sequence[Path], folder: Path, count: int, *, keep_docs: bool, seed: int = 7
) -> Iterator[Repository]:
    """Yield the repositories of source distributions, written to a folder without doc strings."""
    for archive in archives:
        name = re.sub(r"-\d.*", "", archive.name)
        target = folder / f"{name}-{'with' if keep_docs else 'without'}-docs"
        logs = []
        documented: list[Question] = []
        defined: dict[str, list[Question]] = defaultdict(list)
        for path, given in _texts(archive):
            text = given
            if CHANGES.match(path.rsplit("/", 1)[-1]):
                logs.append(text)
                continue
            if CODE.search(path):
                text, found, asked = _without_docs(path, text, keep_docs)
                for one in found:
                    defined[one.name].append(one)
                if not ASIDE.search(path):
                    documented += asked
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        often = Counter(one.text for one in documented)
        unique = [one for one in documented if often[one.text] == 1]
        chosen = random.Random(seed)
        questions = chosen.sample(unique, min(count, len(unique)))
        logged = list(_logged("\n".join(logs), defined))
        questions += chosen.sample(logged, min(count, len(logged)))
        yield Repository(name, target, questions)


def _texts(archive: Path) -> Iterator[tuple[str, str]]:
    """Yield the text files of an archive, by their paths in it; nothing is unpacked elsewhere."""
    for path, data in _members(archive):
        parts = path.split("/")[1:]
        if not parts or ".." in parts or parts[0].startswith("/"):
            continue
        try:
            yield "/".join(parts), data.decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError:
            continue


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if not name.endswith("/"):
                    yield name, opened.read(name)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            data = tar.extractfile(member) if member.isfile() else None
            if data is not None:
                yield member.name, data.read()


def _without_docs(path: str, text: str, keep: bool) -> tuple[str, list[Question], list[Question]]:
    """Return a text without doc strings, its functions, and the questions about them.

    A doc string that is a whole body is replaced by `pass`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text, [], []
    lines = text.split("\n")
    new_lines: list[str | None] = [*lines]
    functions = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            continue
        doc = ast.get_docstring(node)
        drops = 0
        if doc is not None and not keep:
            drops = _drop(node, lines, new_lines)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append((node, doc, drops))
    places: list[int] = []  # number of each old line in the new text
    at = 0
    for line in new_lines:
        at += line is not None
        places.append(at)
    found, asked = [], []
    for node, doc, drops in functions:
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        last = node.end_lineno or node.lineno
        size = last - first + 1 - drops
        question = Question("", "", path, node.name, (places[first - 1], places[last - 1]))
        if FEWEST_LINES <= size <= MOST_LINES:
            found.append(question)
            sentence = _first_sentence(doc or "")
            if len(sentence.split()) >= FEWEST_WORDS:
                asked.append(question._replace(text=sentence, kind="docstring"))
    return "\n".join(line for line in new_lines if line is not None), found, asked


def _drop(node: ast.AST, lines: Sequence[str], new: list[str | None]) -> int:
    """Take a doc string out of the lines; return how many lines are gone."""
    doc = node.body[0]  # type: ignore[attr-defined]
    first, last = doc.lineno - 1, (doc.end_lineno or doc.lineno) - 1
    rest = lines[last].encode()[doc.end_col_offset :].decode().strip()
    if lines[first].encode()[: doc.col_offset].decode().strip() or (
        rest and not rest.startswith("#")
    ):
        return 0  # on one line with other code
    for k in range(first, last + 1):
        new[k] = None
    if len(node.body) == 1:  # type: ignore[attr-defined]
        new[first] = " " * doc.col_offset + "pass"
        return last - first
    return last - first + 1


def _first_sentence(doc: str) -> str:
    paragraph = " ".join(doc.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s", paragraph)[0][:300]


def _logged(text: str, defined: dict[str, list[Question]]) -> Iterator[Question]:
    """Yield the entries of change logs that name one function of the code in back quotes."""
    seen = set()
    for entry in re.split(r"\n(?=\s*[-*] )", text):
        words = " ".join(entry.split("\n\n")[0].split()).lstrip("-* ")
        marked = re.findall(r"`+~?\.?(?:[\w.]*\.)?(\w+)(?:\(\))?`+", words)
        known = [name for name in marked if len(defined.get(name, ())) == 1]
        if len(set(known)) == 1 and 6 <= len(words.split()) <= 60 and known[0] not in seen:
            seen.add(known[0])
            yield defined[known[0]][0]._replace(text=words, kind="changelog")


def read_functions(path: Path, folder: Path) -> Repository:
    """Return the questions of a file of documents, queries and marked ranges, as a repository."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        data = json.load(file)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(data["doc_names"], data["docs"], strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    questions = []
    for asked in data["queries"]:
        for doc, start, end in asked["gold"]:
            text = data["docs"][doc]
            shown = len(text[start:end].rstrip())
            first, last = (text.count("\n", 0, at) + 1 for at in (start, start + shown))
            questions.append(
                Question(
                    asked["q"], "docstring", data["doc_names"][doc], asked["name"], (first, last)
                )
            )
    return Repository("pycode", folder, questions)
