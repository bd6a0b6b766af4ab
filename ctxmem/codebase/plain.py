"""Symbols of files without a parser: by indentation, as the outline cuts code.

A line that is not indented begins a part, and lines that are indented, and lines that only close
what it opened, belong to it.
"""

from __future__ import annotations

import re

from ctxmem.codebase.symbols import SMALL_CLASS, Cutter, Import, Parsed

DEFINED = re.compile(
    r"""^[ \t]*(?:(?:export|default|public|private|protected|internal|static|abstract|final|async|
        inline|virtual|override|pub(?:\([^)]*\))?|unsafe|extern|const|sealed|partial|open|local|
        declare|data)\s+)*
    (?P<kind>def|class|function\*?|func|fn|fun|interface|struct|enum|trait|impl|module|namespace|
        type|object|protocol|extension|record|sub|macro_rules!)\s+
    (?:\([^)]*\)\s*)?(?P<name>[\w$.:]+)""",
    re.VERBOSE,
)
"""A line that defines a name by a key word."""

CALLABLE = re.compile(
    r"^(?!\s*(?:if|for|while|switch|return|else|do|catch)\b)[\w\s*&<>,:~]*?"
    r"(?P<name>[A-Za-z_~][\w:~]*)\s*\([^;]*$"
)
"""A line that defines a function as C does: a type, a name, arguments, no semicolon."""

CLASSES = frozenset(
    (
        "class interface struct enum trait impl module namespace object protocol extension record "
        "type"
    ).split()
)

CLOSING = re.compile(r"^[\s)\]}>;,]+$|^(?:end|fi|done|esac|\};?)\s*;?\s*$|^#endif|^\*/")
COMMENT = re.compile(r"^\s*(?://|#(?!include|define|if|endif|else|pragma)|/\*|\*|--|;;|@\w)")
IMPORTED = re.compile(
    r"""^\s*(?:\#\s*include\s*["<]([^">]+)|(?:import|export)\b[^"'\n]*["']([^"']+)["']|
        (?:import|use|using)\s+(?:static\s+)?([\w.:\\]+)|.*\brequire(?:_relative)?\s*\(?\s*
        ["']([^"']+)["'])""",
    re.VERBOSE | re.MULTILINE,
)


def parse_plain(text: str) -> Parsed:
    """Return the symbols of a text of code in any language, by its indentation."""
    cutter = _PlainCutter(text)
    cutter.level(0, len(cutter.starts), -1, 0)
    return Parsed(text, tuple(cutter.symbols), imported(IMPORTED, text))


def imported(pattern: re.Pattern[str], text: str) -> tuple[Import, ...]:
    """Return the modules that lines of a text import."""
    found = (Import(_module(match)) for match in pattern.finditer(text))
    return tuple(dict.fromkeys(one for one in found if one.names))


def _module(match: re.Match[str]) -> tuple[str, ...]:
    name = next(group for group in match.groups() if group)
    return tuple(part for part in re.split(r"[/\\.:]+", name) if part)


def parse_text(text: str) -> Parsed:
    """Return the parts of a text that is no code: sections and paragraphs."""
    cutter = Cutter(text)
    cutter.add_lines(0, len(cutter.starts), kind="text")
    return Parsed(text, tuple(cutter.symbols))


DEEPEST = 3
"""Levels of classes within classes down to which their bodies are cut."""


class _PlainCutter(Cutter):
    def level(self, first: int, last: int, parent: int, depth: int) -> None:
        """Add the parts of the lines `first` to `last`, exclusive, by their least indentation."""
        begin = first  # of the lines that are in no part so far
        line = first
        edge = self._edge(first, last)
        while line < last:
            stop = self._part_end(line, last, edge)
            named = self._named(line, stop)
            if named is not None:
                start = line
                while start > begin and COMMENT.match(self.line(start - 1)):
                    start -= 1
                self.add_lines(begin, start, parent=parent)
                self._define(named, start, line, stop, parent, depth)
                begin = stop
            line = stop
        self.add_lines(begin, last, parent=parent)

    def _edge(self, first: int, last: int) -> int:
        """Return the least indentation of lines that are not blank."""
        shown = [k for k in range(first, last) if self.line(k).strip()]
        return min((self.indent(k) for k in shown), default=0)

    def _part_end(self, line: int, last: int, edge: int) -> int:
        """Return the line after a line and the deeper lines below it, and what closes them."""
        end = line + 1
        for k in range(line + 1, last):
            text = self.line(k)
            if not text.strip():
                continue
            deeper = self.indent(k) > edge
            if not deeper and not (CLOSING.match(text) or text.strip() == "{"):
                break
            end = k + 1
        return end

    def _named(self, line: int, stop: int) -> tuple[str, str] | None:
        """Return the kind and the name of what a line defines, None if it defines nothing."""
        text = self.line(line)
        if len(text) > LONGEST_LINE:
            return None
        match = DEFINED.match(text)
        if match:
            kind = "class" if match["kind"] in CLASSES else "function"
            return kind, match["name"].strip(".:")
        match = CALLABLE.match(text) if stop > line + 1 else None
        return None if match is None else ("function", match["name"].strip(":"))

    def _define(
        self, named: tuple[str, str], start: int, line: int, stop: int, parent: int, depth: int
    ) -> None:
        kind, name = named
        kind = "method" if kind == "function" and parent >= 0 else kind
        head = self._head_end(line, stop)
        signature = (
            self.at(start),
            self.at(head) - 1 if head < len(self.starts) else len(self.text),
        )
        doc = (self.at(start), self.at(line)) if start < line else (0, 0)
        body = stop
        while body > head and (
            CLOSING.match(self.line(body - 1)) or not self.line(body - 1).strip()
        ):
            body -= 1
        large = self.at(stop) - self.at(start) > SMALL_CLASS
        if kind != "class" or not large or depth >= DEEPEST or body <= head:
            self.add(name, kind, start, stop, signature=signature, doc=doc, parent=parent)
            return
        me = self.add(name, kind, start, head, signature=signature, doc=doc, parent=parent)
        self.level(head, stop, me, depth + 1)

    def _head_end(self, line: int, stop: int) -> int:
        """Return the line after a signature: after the line that opens the body."""
        opened = 0
        for k in range(line, min(stop, line + LONGEST_HEAD)):
            text = self.line(k)
            opened += text.count("(") - text.count(")")
            if opened <= 0 and re.search(r"[{:]\s*$", text):
                return k + 1
            if k > line and opened <= 0 and self.indent(k) > self.indent(line):
                return k
        return line + 1


LONGEST_LINE = 400
"""Characters of a line that is searched for a definition; longer lines are data."""

LONGEST_HEAD = 30
"""Lines of a signature, at most."""
