"""A text of a request as blocks: passages with their labels, without a retriever's list of them.

Cut are elements such as <document>, entries of a JSON list, and else paragraphs, at blank lines, at
rules (-----) and before a line that begins with "Question:". A paragraph of numbered lines is one
block for each line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from ctxmem.traces import passages


class Block(NamedTuple):
    """A part of a text: `start` to `end` with its label and what separates it from the next.

    `text` is what it says, without the label.
    """

    start: int
    end: int
    text: str
    label: str = ""


_TAG = re.compile(
    r"<(/?)(document|doc|passage|chunk|source|result|item|snippet|excerpt|context_item)\b"
    r"([^<>]{0,200})>",
    re.IGNORECASE,
)
_CONTENT = re.compile(r"<(document_content|content|text|body)\b[^<>]{0,200}>", re.IGNORECASE)
_SPACE, _COMMA, _LINE_END = re.compile(r"\s*"), re.compile(r"\s*,\s*"), re.compile(r"[ \t]*\n\s*")
_LINE = re.compile(r"[^\n]+\n?")
_CUT = re.compile(
    r"\n[ \t]*\n\s*"  # blank lines
    r"|(?:^|\n)[ \t]*[-=*_~#]{3,}[ \t]*(?=\n|$)\s*"  # a rule
    r"|\n(?=[ \t]*(?:\W{0,4}(?:\w+ )?(?:question|query|answer|frage|antwort|pregunta|respuesta)"
    r"\W{0,3}:))",  # the question, or where the answer is to begin
    re.IGNORECASE,
)
LABEL = re.compile(  # on the line of its passage, or on a line of its own before it
    r"(?:<[A-Za-z][^<>\n]{0,120}>"
    r"|[\[({#*-]{0,3}\s*(?:document|doc|passage|chunk|source|context|result|excerpt|snippet|hit|ref"
    r"|reference|file|title)\b(?:\s*#?\d+[\])}:.*-]{0,3}|\s*:[ \t]*[^\n]{1,60}(?=\n|\Z))"
    r"|[\[({#*-]{0,3}\s*\d{1,4}[\])}:.*-]{1,3}"
    r"|[-*\u2022](?=\s))[ \t]*",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(r"[^\n]{1,100}:[ \t]*\n\s*")
_LISTED = ("documents", "results", "hits", "chunks", "passages", "contexts", "matches", "nodes")


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a text, in order."""
    return elements_of(text) or _entries(text) or list(_paragraphs(text))


def elements_of(text: str) -> list[Block]:
    """Return the outermost elements, such as <document>, of a text; one pass over its tags."""
    found: list[Block] = []
    opened: re.Match[str] | None = None
    for tag in _TAG.finditer(text):
        if not tag[1]:
            if opened is None or opened[2].lower() == tag[2].lower():
                opened = tag  # an element in one of its own name means that the first is not closed
        elif opened is not None and opened[2].lower() == tag[2].lower():
            said = _content(text[opened.end() : tag.start()])
            found.append(Block(opened.start(), _end(text, tag.end()), said, opened[3].strip()))
            opened = None
    return found


def _content(inside: str) -> str:
    """Return what an element says, without its metadata if the text has an element of its own."""
    opened = _CONTENT.search(inside)
    closed = inside.find(f"</{opened[1]}>", opened.end()) if opened else -1
    return inside[opened.end() : closed].strip() if opened and closed >= 0 else inside.strip()


def _end(text: str, at: int) -> int:
    """Return where the blank space behind a block ends, if it ends its line."""
    blank = _LINE_END.match(text, at)
    return blank.end() if blank else at


def _entries(text: str) -> list[Block]:
    """Return the entries of a JSON list, which may be in an object."""
    start = text.find("[")
    if text.lstrip()[:1] not in ("[", "{") or start < 0:
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if isinstance(value, dict):
        key = next((key for key in _LISTED if isinstance(value.get(key), list)), None)
        if key is None:
            return []
        value, start = value[key], text.find("[", text.find(f'"{key}"'))
    if not isinstance(value, list) or len(value) < 2:
        return []
    return _places(text, start + 1, len(value))


def _places(text: str, at: int, count: int) -> list[Block]:
    """Return where the entries of a list are, with the commas behind them."""
    decoder, found = json.JSONDecoder(), []
    for _ in range(count):
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            return []
        behind = _COMMA.match(text, end)
        passage = passages.passage_of(value)
        said = passage.text if passage and passage.text else text[at:end]
        label = passage.label if passage else ""
        found.append(Block(at, behind.end() if behind else end, said.strip(), label))
        at = behind.end() if behind else end
    return found


def paragraphs_of(text: str) -> list[Block]:
    """Return the paragraphs of a text, without the elements in it."""
    for element in reversed(elements_of(text)):
        text = f"{text[: element.start]}\n\n{text[element.end :]}"
    return list(_paragraphs(text))


def _paragraphs(text: str) -> Iterator[Block]:
    at = 0
    for cut in [*_CUT.finditer(text), None]:
        end = cut.start() if cut else len(text)
        if text[at:end].strip():
            # A rule belongs to no passage: it stays when the passage before it goes.
            behind = end if cut is None or cut[0].strip() else cut.end()
            yield from _lines(text, at, end, behind)
        at = cut.end() if cut else end


def _lines(text: str, start: int, end: int, behind: int) -> Iterator[Block]:
    """Yield a paragraph without a line that introduces it; numbered lines are blocks each."""
    lead = _LEAD_IN.match(text, start, end)
    if lead and text[lead.end() : end].strip() and not LABEL.fullmatch(lead[0].strip()):
        start = lead.end()
    lines = [(m.start(), m.end()) for m in _LINE.finditer(text, start, end)]
    labels = [LABEL.match(text, *line) for line in lines]
    if len(lines) > 1 and all(
        label and label[0].strip() and text[label.end() : line[1]].strip()
        for line, label in zip(lines, labels, strict=True)
    ):
        for number, line in enumerate(lines):
            yield labelled(text, line[0], behind if number == len(lines) - 1 else line[1])
    else:
        yield labelled(text, start, behind)


def labelled(text: str, start: int, end: int) -> Block:
    """Return a block, its label apart from what it says."""
    said = text[start:end].strip()
    label = LABEL.match(said)
    if label and said[label.end() :].strip():
        return Block(start, end, said[label.end() :].strip(), label[0].strip())
    return Block(start, end, said)
