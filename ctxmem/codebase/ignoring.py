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

    Consecutive stars are one star, so that a hostile pattern does not make matching slow.
    """
    parts = []
    at = 0
    glob = re.sub(r"(?<![/*])\*{2,}|(?<=[^/])\*{2,}(?=[^/])", "*", glob)
    while at < len(glob):
        rest = glob[at:]
        sign = glob[at]
        if rest.startswith("**/"):
            parts.append("(?:.*/)?")
            at += len(re.match(r"(?:\*\*/)+", rest)[0])  # type: ignore[index]
            continue
        if rest == "**":
            parts.append(".*")
            break
        if sign == "*":
            parts.append("[^/]*")
        elif sign == "?":
            parts.append("[^/]")
        elif sign == "[" and (found := re.match(r"\[(!|\^)?(\]?[^\]/]*)\]", rest)):
            body = found[2].replace("\\", "\\\\").replace("[", "\\[")
            parts.append(f"[{'^' if found[1] else ''}{body}]")
            at += len(found[0])
            continue
        elif sign == "\\" and len(rest) > 1:
            at += 1
            parts.append(re.escape(glob[at]))
        else:
            parts.append(re.escape(sign))
        at += 1
    return "".join(parts)
