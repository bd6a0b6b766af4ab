"""Which text repeats: the one rule for what an audit reports and what `dedup_messages` folds.

A text is cut at blank lines. A paragraph repeats if the same paragraph, without the white space
around it, came before. So does a run of its whole lines if it is the greater part of what is left
of the paragraph without other repeats: a label in front of one copy ("Context:", "Source: a.rst")
or a question behind it makes the passage no other one; nor does a label in front of a line
("[3] ...", "Document 1: ...") or a mark at its end. Lines of code and of records repeat only if
what they are about is among them: two functions, or two records, share lines by their form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ctxmem.chat.forms import is_prose, subject_of

LEAST_CHARACTERS = 40
"""A shorter paragraph is no repeat; a retrieved passage is one at any length."""

LEAST_WORDS = 6
SPOKEN_CHARACTERS = 200
"""What a model says itself is a repeat from here on: it thanks for every question."""

_BLANK_LINES = re.compile(r"\n[\n\r \t]*\n")
_UNSPACED = re.compile(
    "[\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)  # scripts that are written without spaces between words
_MOST_PARAGRAPHS = 20_000  # that a text is cut into
_LEAST_LINE = 16  # characters; a shorter line is found only beside a longer one
_LABEL = re.compile(
    r"\s*(?:[-*•>#]+\s|\[[^\]\n]{1,40}\][:.]?|\(\w{1,3}\)|\d{1,3}[.):]\s|<[^<>\n]{1,60}>"
    r"|[^\s:][^:\n]{0,40}:\s)\s*"
)
_MARK = re.compile(r"\s*(?:\[[^\[\]\n]{1,40}\]|\([^()\n]{1,40}\)|</\w{1,20}>)\s*\Z")
_MARK_ENDS = ("]", ")", ">")
_MOST_LABELS = 4
_SUBJECT_LINES = 400
_RUN_LINES = 5  # of a run that repeats beside others, in a file that was edited
_REFERENCE = re.compile(r"\[as (?:above|in message \d+): \"[^\n]*?\"\]")


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each paragraph starts and ends, with the blank lines behind it."""
    start = 0
    least = len(text) // _MOST_PARAGRAPHS  # text made of blank lines is cut less finely
    for blank in _BLANK_LINES.finditer(text):
        if blank.end() - start > least:
            yield start, blank.end()
            start = blank.end()
    if start < len(text):
        yield start, len(text)


def is_passage(stripped: str, role: str) -> bool:
    """Return whether a text is long enough that its repetition is waste, and not folded yet."""
    if len(stripped) < (SPOKEN_CHARACTERS if role == "assistant" else LEAST_CHARACTERS):
        return False
    return has_words(stripped) and not has_reference(stripped)


def has_words(text: str) -> bool:
    """Return whether a text has as many words as a passage, also where no spaces part them."""
    if len(text.split(None, LEAST_WORDS)) >= LEAST_WORDS:
        return True
    if text.isascii():
        return False
    # Chinese, Japanese and Thai words are of about two characters.
    return sum(1 for _ in islice(_UNSPACED.finditer(text), 2 * LEAST_WORDS)) == 2 * LEAST_WORDS


def reference(begins: str, message: int | None) -> str:
    """Return what is shown in place of a passage: how it begins, and in which message it is.

    `message` counts from 1; None is the same message.

    >>> reference("Refunds are paid…", 3)
    '[as in message 3: "Refunds are paid…"]'
    """
    where = "above" if message is None else f"in message {message}"
    return f'[as {where}: "{begins}"]'


def has_reference(text: str) -> bool:
    """Return whether a text names a passage in place of showing it."""
    return "[as " in text and _REFERENCE.search(text) is not None


def without_references(text: str) -> str:
    """Return a text without the references in it, and without white space around it."""
    return _REFERENCE.sub("", text).strip()


class Run(NamedTuple):
    """Lines of a paragraph that came before.

    Attributes:
        start: the character at which they start in the paragraph.
        end: the character behind the last of them.
        source: the number of the earlier paragraph.
    """

    start: int
    end: int
    source: int


def body_of(line: str) -> tuple[int, int]:
    """Return where a line starts and ends without its labels.

    >>> line = "[2] Source: a.rst: Refunds are paid within thirty days. [3]"
    >>> line[slice(*body_of(line))]
    'Refunds are paid within thirty days.'
    """
    start = 0
    for _ in range(_MOST_LABELS):
        label = _LABEL.match(line, start)
        if label is None:
            break
        start = label.end()
    end = len(line.rstrip())
    if line[end - 1 : end] in _MARK_ENDS:
        mark = _MARK.search(line, max(start, len(line) - 2 * LEAST_CHARACTERS))
        end = end if mark is None else mark.start()
    return (start, end) if start < end else (0, len(line))


class LineIndex:
    """Finds the lines of a paragraph in earlier ones.

    Adding a paragraph and looking one up take time linear in its text, but for lines that come
    again and again in one paragraph.
    """

    def __init__(self) -> None:
        self._lines: list[list[str]] = []
        self._subjects: dict[int, str] = {}  # of paragraphs that were asked for
        self._at: dict[str, tuple[int, int]] = {}  # line -> the first paragraph with it, and where
        self._bodies: dict[str, tuple[int, int]] = {}  # the same of lines without their labels

    def add(self, paragraph: str) -> int:
        """Take a paragraph in and return its number."""
        number = len(self._lines)
        lines = paragraph.rstrip().split("\n")
        self._lines.append(lines)
        for i, line in enumerate(lines):
            if len(line) >= _LEAST_LINE and not has_reference(line):
                self._at.setdefault(line, (number, i))
                if len(line) >= LEAST_CHARACTERS:
                    start, end = body_of(line)
                    self._bodies.setdefault(line[start:end], (number, i))
        return number

    def runs(self, paragraph: str) -> list[Run]:
        """Return the runs of lines that earlier paragraphs have, in order, where they are repeats.

        Each has more than half of the characters that are left without the longer ones. A file
        without blank lines that was edited in some places has many runs; together they have more
        than half.
        """
        found = self._shared(paragraph.rstrip().split("\n"))
        if not found:
            return []
        left = len(paragraph.strip())
        long = [run for run in found if paragraph.count("\n", *run[:2]) >= _RUN_LINES - 1]
        if (
            len(long) > 1
            and 2 * sum(run.end - run.start for run in long) > left
            and any(self._is_repeat(paragraph, run) for run in long)
        ):
            return long
        kept = []
        for run in sorted(found, key=lambda run: run.start - run.end):
            size = run.end - run.start
            if 2 * size <= left or not self._is_repeat(paragraph, run):
                break
            left -= size + 1
            kept.append(run)
        return sorted(kept)

    def _is_repeat(self, paragraph: str, run: Run) -> bool:
        """Return whether a run says what it is about; sentences do."""
        text = paragraph[run.start : run.end]
        if not is_passage(text.strip(), ""):
            return False
        if is_prose(text):
            return True
        own = subject_of(paragraph)
        return own in text or self._subject(run.source) in text

    def _subject(self, number: int) -> str:
        """Return what an earlier paragraph is about; one that was folded does not say."""
        if number not in self._subjects:
            shown = "\n".join(self._lines[number][:_SUBJECT_LINES])
            self._subjects[number] = subject_of(shown)
        return self._subjects[number]

    def _shared(self, lines: Sequence[str]) -> list[Run]:
        """Return all runs of lines that earlier paragraphs have."""
        found = []
        i = behind = at = 0
        while i < len(lines):
            known = self._at.get(lines[i]) if len(lines[i]) >= _LEAST_LINE else None
            first, end = i, i + 1
            if known is not None:
                first, end = self._extended(lines, behind, i, *known)
            at += sum(map(len, lines[behind:first])) + first - behind
            size = sum(map(len, lines[first:end])) + end - first - 1
            if known is not None:
                found.append(Run(at, at + size, known[0]))
            elif size >= LEAST_CHARACTERS:
                found += self._labelled(lines[i], at)
            at += size + 1
            i = behind = end
        return found

    def _labelled(self, line: str, at: int) -> list[Run]:
        """Return the part of a line that an earlier line has behind another label."""
        start, end = body_of(line)
        known = self._bodies.get(line[start:end])
        return [] if known is None else [Run(at + start, at + end, known[0])]

    def _extended(
        self, lines: Sequence[str], floor: int, at: int, source: int, there: int
    ) -> tuple[int, int]:
        """Return the lines around one that are those around its first copy: first and behind."""
        known, shift = self._lines[source], there - at
        first, behind = at, at + 1
        while first > max(floor, -shift) and lines[first - 1] == known[first - 1 + shift]:
            first -= 1
        most = min(len(lines), len(known) - shift)
        while behind < most and lines[behind] == known[behind + shift]:
            behind += 1
        return first, behind


def located(text: str, passages: Iterable[str]) -> list[tuple[int, int]]:
    """Return where passages are in a text, in order, without those inside of others."""
    found = []
    for passage in passages:
        at = text.find(passage)
        while at >= 0:
            found.append((at, at + len(passage)))
            at = text.find(passage, at + len(passage))
    found.sort(key=lambda place: (place[0], -place[1]))
    kept: list[tuple[int, int]] = []
    for place in found:
        if not kept or place[0] >= kept[-1][1]:
            kept.append(place)
    return kept
