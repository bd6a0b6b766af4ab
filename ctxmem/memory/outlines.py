"""Choose the lines of a long result that its outline keeps: code by structure, logs by what failed.

The model has read a result in full once; the outline says what it was, so that the model knows
what to fetch. Code keeps its first line, imports and signatures, the outermost first. Everything
else in lines (logs, listings, output of programs) keeps the lines that report a failure, its last
and its first line and the most frequent form of line; lines that differ only in numbers are one
form, shown once with their count. Data (JSON, tables, rows of ids) has no such lines: its
identifiers are what is needed again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from ctxmem import _native
from ctxmem.memory.identifiers import identifiers

Kind = Literal["data", "code", "lines"]

LINES_MOST = 24
"""The lines of an outline have so many tokens at most, ..."""
LINES_SHARE = 0.08
"""... and at most this share of the tokens of the result."""
LONGEST_LINE = 120
"""Characters of a line that are kept."""
FEWEST_CHARACTERS = 8
"""Shorter lines, as prompts of a shell are, say nothing."""
_FEWEST_LINES = 3
"""A text of fewer lines is data."""
_DENSE_SHARE = 0.5
"""A text is data when its identifiers have this share of its characters, white space aside."""
_FORM_SHARE = 0.3
"""In a log, so many lines are of one form."""
_READ_CHARACTERS = 60_000
"""Of a longer text the first and the last half of so many characters are looked at."""
_UNIT_BYTES = 160
"""The native outline cuts bodies of code into units of this size, which need their signature."""

_NUMBERED = re.compile(r"(?m)^[ \t]*\d+(?:[:|\t] ?|[ \t]{2})")
_IMPORT = re.compile(r"(?:import|from|use|using|require|package|#include)\b")
_DEFINITION = re.compile(
    r"(?:[@\w]+[ \t]+)*?(?:def|class|func|function|fn|struct|enum|trait|impl|interface|type|module|"
    r"namespace|sub|proc)\b"
)
_FUNCTION = re.compile(r"[A-Za-z_][\w:<>,*&\[\] \t]*\([^;]*\)?[^;]*$")
_NO_SIGNATURE = re.compile(
    r"(?:if|elif|else|for|while|switch|case|try|except|catch|finally|with|return|do|match)\b"
)
_FAILURE = re.compile(
    r"(?i:\b(?:error|fail|failed|failure|failures|fatal|panic|traceback|exception|warning|warn|"
    r"denied|refused|not found|no such|cannot|can't|unable|timed out|timeout|abort|aborted|"
    r"segmentation|undefined)\b)|[A-Za-z](?:Error|Exception|Warning)\b|\bE\d{3,}\b"
)
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b(?=\w*\d)[0-9a-fA-F]{6,}\b|\d+")
_RULE = re.compile(r"[\W_]*")

_CODE = _native.SPAN_KINDS.index("code")


class _Line(NamedTuple):
    """A line that may be shown: its place, what is shown, how soon it is chosen, its number."""

    at: int
    text: str
    rank: int
    line: int = 1


def kind_of(text: str) -> Kind:
    """Return how a result reads: as data, as code, or as lines of a log or of a listing."""
    if text.lstrip()[:1] in ("{", "[") and _bracketed(text):
        return "data"
    lines = text.count("\n") + 1
    if lines < _FEWEST_LINES or _is_dense(text):
        return "data"
    plain = _plain(text)
    return "code" if not _repeats_a_form(plain) and _is_code(plain) else "lines"


def lines_room(tokens: int) -> int:
    """Return the tokens that the lines of an outline may have, of a result of `tokens`."""
    return int(min(LINES_MOST, LINES_SHARE * tokens))


def outline_places(
    text: str, kind: Kind, room: int, count: Callable[[str], int]
) -> tuple[list[int], list[str]]:
    """Return the lines of a text that say best what it is, in `room` tokens, and their numbers.

    Both are in the order of the text; numbers begin at 1. Data has none.

    >>> log = "step 1 of 9\\nstep 2 of 9\\nerror: no disk\\nstopped at 12:03"
    >>> outline_places(log, "lines", 40, len)
    ([3, 4], ['error: no disk', 'stopped at 12:03'])
    """
    if kind == "data":
        return [], []
    plain = _plain(text)
    found = _code_lines(plain) if kind == "code" else _log_lines(plain)
    chosen: list[_Line] = []
    for line in sorted(found, key=lambda one: (one.rank, one.at)):
        text = line.text
        while line.rank == 0 and text and count(text) >= room:
            text = _cut(text, len(text) * 3 // 4)
        tokens = count(text) + 1
        if tokens <= room and len(text) >= FEWEST_CHARACTERS:
            chosen.append(line._replace(text=text))
            room -= tokens
    shown = sorted(chosen)
    return [line.line for line in shown], [line.text for line in shown]


def _plain(text: str) -> str:
    """Return a text without the numbers of its lines, its middle left out if it is very long."""
    if len(text) > _READ_CHARACTERS:
        half = _READ_CHARACTERS // 2
        text = text[:half] + "\n" + text[-half:]
    return _NUMBERED.sub("", text)


def _repeats_a_form(text: str) -> bool:
    """Return whether many lines are alike but for their numbers, as those of logs are."""
    forms = _forms(text.split("\n"))
    lines = sum(map(len, forms.values()))
    return max(map(len, forms.values()), default=0) >= max(3, _FORM_SHARE * lines)


def _forms(lines: Sequence[str]) -> dict[str, list[int]]:
    """Return the lines of each form, by their places; lines without letters have none."""
    forms: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        if not _RULE.fullmatch(line):
            forms.setdefault(_VARYING.sub("0", "".join(line.split())), []).append(at)
    return forms


def _bracketed(text: str) -> bool:
    """Return whether a text that begins like JSON ends like it."""
    return text.rstrip()[-1:] in ("}", "]")


def _is_dense(text: str) -> bool:
    """Return whether a text is hardly anything but identifiers, and no list of paths."""
    sample = text[:4000]
    held = sum(len(one) for one in identifiers(sample) if "/" not in one and "." not in one)
    return held >= _DENSE_SHARE * len("".join(sample.split()))


def _units(text: str, code: bool) -> tuple[list[str], Sequence[int], Sequence[int]]:
    """Return the units of a text by the native outline, their kinds, and the units they need."""
    corpus = _native.Corpus([text])
    formats = np.array([3 if code else 0], np.uint8)
    start, end, kind, _, need, _, _, _ = _native.outline(corpus, formats, room=_UNIT_BYTES)
    units = [text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
    return units, kind.tolist(), need.tolist()


def _is_code(text: str) -> bool:
    units, kinds, _ = _units(text[:8000], code=False)
    size = sum(map(len, units))
    return 2 * sum(len(u) for u, k in zip(units, kinds, strict=True) if k == _CODE) >= size > 0


def _is_signature(line: str, needed: bool) -> bool:
    """Return whether a line defines something; `needed` says that a body below needs it."""
    if _NO_SIGNATURE.match(line):
        return False
    return bool(_DEFINITION.match(line) or (needed and _FUNCTION.match(line)))


def _code_lines(text: str) -> list[_Line]:
    """Return first line, imports and signatures of code; the outermost signatures rank first."""
    units, _, need = _units(text, code=True)
    needed = {one for one in need if one >= 0}
    made: list[_Line] = []
    column = 0
    number = 1  # of the first line of a unit
    for at, unit in enumerate(units):
        lines = [line.strip() for line in unit.split("\n")]
        if at == 0 and lines[0]:
            made.append(_Line(at, _cut(lines[0]), 0, number))
        elif _is_signature(lines[0], at in needed):
            made.append(_Line(at, _cut(lines[0]), 2 + min(column, 40), number))
        first = int(bool(made) and made[-1].at == at)
        made += [
            _Line(at, _cut(line), 60, number + i)
            for i, line in enumerate(lines[first:], first)
            if _IMPORT.match(line)
        ]
        number += unit.count("\n")
        # White space, indentation included, belongs to the unit before it.
        column = len(unit) - len(unit.rstrip(" \t"))
    return made


def _log_lines(text: str) -> list[_Line]:
    """Return failures, last and first line, and the most frequent form of line of a log."""
    lines = text.split("\n")
    forms = _forms(lines)
    if not forms:
        return []
    said = sorted(places[0] for places in forms.values())
    ranks = {said[0]: 2, max(places[-1] for places in forms.values()): 1}
    most = max(forms.values(), key=len)
    if len(most) > 2:
        ranks.setdefault(most[0], 3)
    for form, places in forms.items():
        if _FAILURE.search(form):
            ranks[places[0]] = 0
    counts = {places[0]: len(places) for places in forms.values()}
    return [
        _Line(at, _counted(lines[at], counts.get(at, 1)), rank, at + 1)
        for at, rank in ranks.items()
    ]


def _counted(line: str, count: int) -> str:
    return _cut(line.strip()) + (f" ({count} such lines)" if count > 1 else "")


def _cut(line: str, most: int = LONGEST_LINE) -> str:
    return line if len(line) <= most else line[: max(0, most - 1)].rstrip() + "…" * (most > 0)
