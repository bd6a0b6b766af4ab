"""Patterns of files to leave out, in the syntax of `.gitignore`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple


class Pattern(NamedTuple):
    """A line of a `.gitignore` as a regular expression over paths with `/`.

    `negated` patterns take a path in again; those for `folders` match no file.
    """

    regex: re.Pattern[str]
    negated: bool
    folders: bool
    line: str


class Patterns:
    """Several patterns, of which the last that matches decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.patterns = [p for p in map(_pattern, lines) if p is not None]

    def match(self, path: str, *, folder: bool) -> Pattern | None:
        """Return the pattern that decides about a path, None if none matches."""
        for pattern in reversed(self.patterns):
            if (folder or not pattern.folders) and pattern.regex.fullmatch(path):
                return pattern
        return None


LONGEST_PATTERN = 1000
"""Characters of a pattern; a longer line is no pattern that a person wrote, and is not used."""


@lru_cache(maxsize=4096)
def _pattern(line: str) -> Pattern | None:
    line = line.rstrip("\r\n")
    line = re.sub(r"(?<!\\)[ \t]+$", "", line)
    if not line or line.startswith("#") or len(line) > LONGEST_PATTERN:
        return None
    given = line
    negated = line.startswith("!")
    line = line[negated:]
    folders = line.endswith("/")
    line = line.rstrip("/")
    anchored = "/" in line
    line = line.lstrip("/")
    if not line:
        return None
    try:
        regex = re.compile(("" if anchored else "(?:.*/)?") + _expression(line))
    except re.error:  # a class such as [z-a]
        return None
    return Pattern(regex, negated, folders, given)


def _expression(glob: str) -> str:
    """Return a glob as a regular expression: `*` and `?` stay within a name, `**` does not.

    What is between two stars is matched at its first place for good, which is enough within a name,
    so that a hostile pattern with many stars takes no more time than a short one.
    """
    parts = []
    names = glob.split("/")
    for k, name in enumerate(names):
        last = k == len(names) - 1
        if name == "**":
            if k and names[k - 1] == "**" and not last:
                continue
            parts.append(".*" if last else "(?:.*/)?")
            continue
        parts.append(_name_expression(name, len(parts)) + ("" if last else "/"))
    return "".join(parts)


def _name_expression(name: str, number: int) -> str:
    """Return the expression of one name of a path; `number` makes its groups' names its own."""
    pieces: list[list[str]] = [[]]
    at = 0
    while at < len(name):
        sign = name[at]
        found = re.match(r"\[(!|\^)?(\]?[^\]]*)\]", name[at:]) if sign == "[" else None
        if sign == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append([])
        elif sign == "?":
            pieces[-1].append("[^/]")
        elif found is not None:
            body = found[2].replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
            body = re.sub(r"([&~|])", r"\\\1", body)  # signs that later versions of re may use
            pieces[-1].append(f"(?!/)[{'^' if found[1] else ''}{body}]")
            at += len(found[0]) - 1
        elif sign == "\\" and at + 1 < len(name):
            at += 1
            pieces[-1].append(re.escape(name[at]))
        else:
            pieces[-1].append(re.escape(sign))
        at += 1
    texts = ["".join(piece) for piece in pieces]
    if len(texts) == 1:
        return texts[0]
    middle = "".join(
        f"(?=(?P<g{number}_{k}>[^/]*?{text}))(?P=g{number}_{k})"
        for k, text in enumerate(texts[1:-1])
    )
    return f"{texts[0]}{middle}[^/]*{texts[-1]}(?![^/])"
