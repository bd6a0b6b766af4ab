"""Where the passages of a request are: those that a retriever returned, else paragraphs.

A request is instructions, context and a question. Where the trace has what was retrieved, that is
the context. Elsewhere it is, in this order: results of tools, the other paragraphs of the message
with the question, of the system message, of earlier messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.segments import Cutter, Segment
from ctxmem.blaming.answers import words
from ctxmem.blaming.sendable import Messages, Text, texts_in
from ctxmem.traces import Passage


class Spot(NamedTuple):
    """A passage in a text, with its label and the blank lines behind it; `text` is without."""

    message: int
    block: int
    start: int
    end: int
    text: str
    label: str = ""


_LEAD = re.compile(  # a label, on the line of its passage or on a line of its own before it
    r"(?:<[A-Za-z][^<>\n]{0,120}>"
    r"|[\[({#*-]{0,3}\s*(?:document|doc|passage|chunk|source|context|result|excerpt|snippet|hit|ref"
    r"|reference|file|title)\b[^\n.?!]{0,60}?[\])}:.*-]{0,3}"
    r"|[\[({#*-]{0,3}\s*\d{1,4}[\])}:.*-]{1,3}"
    r"|[-*\u2022])[ \t]*",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"[ \t]*\n?[ \t]*</[A-Za-z][^<>\n]{0,40}>")
_BLANK = re.compile(r"[ \t]*\n\s*")
_ASKED = re.compile(
    r"^\s*(?:[#*<\[]*\s*)?(?:user(?:'s)? )?(?:question|query|frage|pregunta|demande|domanda)\b\W*",
    re.IGNORECASE,
)
_INSTRUCTS = re.compile(
    r"(?=.*\b(?:answer|respond|reply|cite|you are|antworte|beantworte|responde|réponds|rispondi)\b)"
    r"(?=.*\b(?:question|context|passages?|documents?|sources?|information|below|above|following|"
    r"only|assistant|frage|kontext|pregunta|contexto|question|contexte|domanda)\b)",
    re.IGNORECASE | re.DOTALL,
)
_INSTRUCTION_WORDS = 80
_LEAST_WORDS = 4
_COMMON, _FEW = 0.8, 5


def question_of(messages: Messages, query: str | None) -> str:
    """Return what the user asked: the retriever's query, else from the last user message."""
    last = last_user_text(messages)
    if last is None:
        return (query or "").strip()
    if query and (not last or query.strip() in last):
        return query.strip()
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n|\n(?=\s*Question\b)", last)]
    paragraphs = [part for part in paragraphs if part]
    for part in reversed(paragraphs):
        if _ASKED.match(part) and _ASKED.sub("", part).strip():
            return _ASKED.sub("", part).strip()
    asking = [part for part in paragraphs if part[-1] in "?？؟"]
    if query and len(paragraphs) > 1 and not asking:
        return query.strip()
    return (asking or paragraphs or [""])[-1]


def last_user_text(messages: Messages) -> str | None:
    """Return all that the last message of the user says, None if there is no such message."""
    for message in reversed(messages):
        if message["role"] == "user":
            return "\n\n".join(text.text for text in texts_in([message]))
    return None


class Locator:
    """Finds the passages of requests; `templates` are paragraphs that most requests share."""

    def __init__(self, cutter: Cutter, templates: Iterable[int] = ()) -> None:
        self._cutter = cutter
        self._templates = frozenset(templates)

    def locate(self, messages: Messages, shown: Sequence[Passage], question: str) -> list[Spot]:
        """Return the passages in the order of the request."""
        texts = list(texts_in(messages))
        if shown:
            spots = [spot for text in texts for spot in self._retrieved(text, shown)]
            if spots:
                return spots
        asked = max((text.message for text in texts if text.role == "user"), default=-1)
        for chosen in (
            [text for text in texts if text.role == "tool"],
            [text for text in texts if text.message == asked],
            [text for text in texts if text.role in ("system", "developer")],
            [text for text in texts if text.role in ("user", "assistant") and text.message < asked],
        ):
            spots = [spot for text in chosen for spot in self._paragraphs(text, question)]
            if spots:
                return spots
        return []

    def keys_in(self, messages: Messages) -> set[int]:
        """Return the keys of the paragraphs that may be instructions, to find templates."""
        return {
            segment.key
            for text in texts_in(messages)
            for number, (_, segment) in enumerate(self._cut(text, ()))
            if number == 0 or text.role in ("system", "developer")
        }

    def _cut(self, text: Text, shown: Sequence[Passage]) -> Iterator[tuple[int, Segment]]:
        """Yield the segments of a text with their offsets."""
        message = {"role": text.role if text.role != "tool" else "user", "content": text.text}
        call = Call("", None, "", None, "", None, messages=[message], shown=list(shown))
        at = 0
        for segment in self._cutter.cut(call)[0]:
            yield at, segment
            at += len(segment.text)

    def _retrieved(self, text: Text, shown: Sequence[Passage]) -> Iterator[Spot]:
        for at, segment in self._cut(text, shown):
            if segment.retrieved:
                yield _spot(text, at, segment, segment.label)

    def _paragraphs(self, text: Text, question: str) -> Iterator[Spot]:
        for number, (at, segment) in enumerate(self._cut(text, ())):
            said = segment.text.strip()
            if (
                len(words(said)) < _LEAST_WORDS
                or said.endswith(":")
                or (question and question in said)
                or self._instructs(said, segment.key, number == 0, text.role)
            ):
                continue
            yield _spot(text, at, segment, "")

    def _instructs(self, said: str, key: int, first: bool, role: str) -> bool:
        if role == "tool" or len(words(said)) > _INSTRUCTION_WORDS:
            return False
        if first and role in ("system", "developer"):
            return True
        return key in self._templates or _INSTRUCTS.search(said) is not None


def templates_of(keys: Sequence[set[int]]) -> set[int]:
    """Return the paragraphs that most of several requests share."""
    if len(keys) < _FEW:
        return set()
    count: dict[int, int] = {}
    for found in keys:
        for key in found:
            count[key] = count.get(key, 0) + 1
    return {key for key, number in count.items() if number >= _COMMON * len(keys)}


def _spot(text: Text, at: int, segment: Segment, label: str) -> Spot:
    """Return the place of a passage, with its label and what separates it from the next."""
    whole = text.text
    body = segment.text.strip()
    start = at + len(segment.text) - len(segment.text.lstrip())
    end = start + len(body)
    if not label:  # a paragraph begins with its label
        lead = _LEAD.match(body)
        if lead and lead.end() < len(body):
            label, body = lead[0].strip(), body[lead.end() :].strip()
    start = _before(whole, start)
    closing = _CLOSING.match(whole, end)
    end = closing.end() if closing else end
    blank = _BLANK.match(whole, end)
    return Spot(text.message, text.block, start, blank.end() if blank else end, body, label)


def _before(whole: str, start: int) -> int:
    """Return where the label of a passage begins, `start` if it has none."""
    line = whole.rfind("\n", 0, start) + 1
    if line == start and line > 0:
        line = whole.rfind("\n", 0, line - 1) + 1
    lead = whole[line:start].strip()
    if lead and _LEAD.fullmatch(lead):
        return line
    return start
