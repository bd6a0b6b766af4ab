"""The data types of a code base: symbols, and the files that they are cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Symbol(NamedTuple):
    """A part of a file: a function, a class, a method, or statements between them.

    The symbols of a file follow each other and do not overlap: each line that is not blank is in
    exactly one. A class that is cut into methods is a symbol of its signature alone, which is the
    `parent` of the rest of its body.

    Attributes:
        name: the name without those of its parents; empty for statements.
        qualified: the name with those of its parents, such as "Session.send".
        kind: "function", "method", "class", "block" (statements) or "text" (no code).
        start, end: character offsets in the text of its file; `start` is the start of a line.
        line: number of its first line, from 1.
        signature: character offsets (start, end) of its signature; empty for a block.
        doc: character offsets of its doc string or the comment above it; empty if there is none.
        parent: position of the class whose body it is in, -1 if there is none.
    """

    name: str
    qualified: str
    kind: str
    start: int
    end: int
    line: int
    signature: tuple[int, int] = (0, 0)
    doc: tuple[int, int] = (0, 0)
    parent: int = -1


class Import(NamedTuple):
    """A module that a file imports: its path of names, and how many levels up it begins."""

    names: tuple[str, ...]
    level: int = 0


class Skipped(NamedTuple):
    """A file or folder that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What is known of the content of a file, whatever its name and place.

    Attributes:
        text: the content, with line ends as "\\n".
        symbols: its parts, in order.
        imports: the modules that it imports.
        note: what went wrong in reading it; empty if nothing did.
    """

    text: str
    symbols: tuple[Symbol, ...]
    imports: tuple[Import, ...] = ()
    note: str = ""


class SourceFile(NamedTuple):
    """A file of a code base: its path relative to the folder that was given, and its content."""

    path: str
    parsed: Parsed


def line_starts(text: str) -> list[int]:
    """Return the character offset of the start of each line.

    >>> line_starts("a\\nbc\\n")
    [0, 2, 5]
    """
    starts = [0]
    at = text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a range of whole lines without its outer blank lines and its last line end."""
    while end > start and text[end - 1].isspace():
        end -= 1
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        if stop < 0 or text[at:stop].strip():
            break
        at = stop + 1
    return at, end


class Cutter:
    """Collects the symbols of one file; the lines between them become blocks."""

    def __init__(self, text: str, starts: Sequence[int] | None = None) -> None:
        self.text = text
        self.starts = line_starts(text) if starts is None else starts
        self.symbols: list[Symbol] = []

    def at(self, line: int) -> int:
        """Return the offset of the start of a line, counted from 0; the end of the text after."""
        return self.starts[line] if line < len(self.starts) else len(self.text)

    def add(
        self,
        name: str,
        kind: str,
        first: int,
        last: int,
        *,
        signature: tuple[int, int] = (0, 0),
        doc: tuple[int, int] = (0, 0),
        parent: int = -1,
    ) -> int:
        """Add the lines `first` to `last`, exclusive, counted from 0; return its position, or -1.

        Blank lines at both ends are left out; blank lines alone are not added.
        """
        start, end = trimmed(self.text, self.at(first), self.at(last))
        if start >= end:
            return -1
        above = self.symbols[parent].qualified if parent >= 0 else ""
        qualified = f"{above}.{name}" if above and name else name or above
        line = first + self.text.count("\n", self.at(first), start) + 1
        self.symbols.append(Symbol(name, qualified, kind, start, end, line, signature, doc, parent))
        return len(self.symbols) - 1

    def add_lines(self, first: int, last: int, *, kind: str = "block", parent: int = -1) -> None:
        """Add lines that are no definition, in blocks of at most `LONGEST_BLOCK` characters.

        They are cut at blank lines before a line that is not indented more than the first one.
        """
        while first < last and not self.line(first).strip():
            first += 1
        begin, cut = first, -1
        edge = self.indent(first) if first < last else 0
        for line in range(first + 1, last):
            if self.at(line) - self.at(begin) > LONGEST_BLOCK and cut > begin:
                self.add("", kind, begin, cut, parent=parent)
                begin, cut = cut, -1
            text = self.line(line)
            blank_above = not self.line(line - 1).strip()
            if text.strip() and blank_above and self.indent(line) <= edge:
                cut = line
        if last > begin:
            if self.at(last) - self.at(begin) > LONGEST_BLOCK and cut > begin:
                self.add("", kind, begin, cut, parent=parent)
                begin = cut
            self.add("", kind, begin, last, parent=parent)

    def line(self, line: int) -> str:
        """Return a line, counted from 0, with its line end."""
        return self.text[self.at(line) : self.at(line + 1)]

    def indent(self, line: int) -> int:
        """Return the number of characters that a line is indented by."""
        text = self.line(line)
        return len(text) - len(text.lstrip(" \t"))


LONGEST_BLOCK = 1200
"""Characters above which statements that follow each other are cut into blocks, about 300 tokens:
a larger block would crowd out functions."""

SMALL_CLASS = 900
"""Characters up to which a class is one symbol, about 225 tokens: its methods are of little use
without each other, and their headers would cost more than the methods left out would save."""
