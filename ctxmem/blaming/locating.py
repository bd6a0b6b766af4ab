"""Where the passages of a request are: those that a retriever returned, else blocks of its texts.

A request is instructions, context and a question. Where the trace has what was retrieved, that is
the context. Elsewhere it is the blocks, in this order, of results of tools, of the message with the
question, of the system message, of earlier messages.
"""

from __future__ import annotations

import re
from collections import Counter as Count
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.segments import Cutter, Segment, key_of
from ctxmem.blaming.answers import words
from ctxmem.blaming.blocks import LABEL, blocks_of, elements_of, paragraphs_of
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


_CLOSING = re.compile(r"[ \t]*\n?[ \t]*</[A-Za-z][^<>\n]{0,40}>")
_BLANK = re.compile(r"[ \t]*\n\s*")
_WORD = r"(?:question|query|frage|pregunta|demande|domanda)"
_ASKED = re.compile(rf"\s*[#*<\[]*\s*(?:user(?:'s)? )?{_WORD}\b\W*:", re.IGNORECASE)
_NAMED = re.compile(rf"{_WORD}\b[\s*>\]]{{0,9}}:[\s*]*", re.IGNORECASE)
_ANSWER = re.compile(r"(?:\w+ )?(?:answer|response|antwort|respuesta)\W*", re.IGNORECASE)
_INSTRUCTS = re.compile(
    r"(?=.*\b(?:answer|respond|reply|cite|you are|antworte|beantworte|responde|réponds|rispondi)\b)"
    r"(?=.*\b(?:question|context|passages?|documents?|sources?|information|below|above|following|"
    r"only|assistant|frage|kontext|pregunta|contexto|question|contexte|domanda)\b)",
    re.IGNORECASE | re.DOTALL,
)
_POINTS = re.compile(
    r"(?:.*\b(?:context|information|documents?|passages?|sources?)\b)"
    r"(?:.*\b(?:below|above|following|follows)\b)",
    re.IGNORECASE,
)
_INSTRUCTION_WORDS, _POINTING_WORDS = 80, 12
_LEAST_WORDS = 4
_COMMON, _FEW = 0.8, 5


def question_of(messages: Messages, query: str | None) -> str:
    """Return what the user asked: the retriever's query, else from the last user message."""
    last = last_user_text(messages)
    if last is None:
        return (query or "").strip()
    if query and (not last or query.strip() in last):
        return query.strip()
    said = [block.text for block in paragraphs_of(last) if not _ANSWER.fullmatch(block.text)]
    for text in reversed(said):
        asked = _NAMED.search(text)
        if asked and text[asked.end() :]:
            return text[asked.end() :]
    asking = [text for text in said if text[-1] in "?？؟"]
    if query and len(said) > 1 and not asking:
        return query.strip()
    return (asking or said or [last.strip()])[-1]


def last_user_text(messages: Messages) -> str | None:
    """Return all that the last message of the user says, None if there is no such message."""
    texts = [text for text in texts_in(messages) if text.role == "user"]
    if not texts:
        return None
    return "\n\n".join(text.text for text in texts if text.message == texts[-1].message)


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
            spots = [spot for text in chosen for spot in self._blocks(text, question)]
            if spots:
                return spots
        return []

    def keys_in(self, messages: Messages) -> set[int]:
        """Return the keys of the blocks that may be instructions, to find templates."""
        return {
            key_of(block.text)
            for text in texts_in(messages)
            for number, block in enumerate(blocks_of(text.text))
            if number == 0 or text.role in ("system", "developer")
        }

    def _retrieved(self, text: Text, shown: Sequence[Passage]) -> Iterator[Spot]:
        """Yield the passages of a retriever in a text, with their offsets."""
        message = {"role": "user", "content": text.text}
        call = Call("", None, "", None, "", None, messages=[message], shown=list(shown))
        around = elements_of(text.text)
        at = 0
        for segment in self._cutter.cut(call)[0]:
            if segment.retrieved:
                spot = _spot(text, at, segment)
                for element in around:
                    if element.text == spot.text and element.start <= spot.start < element.end:
                        spot = spot._replace(start=element.start, end=element.end)
                yield spot
            at += len(segment.text)

    def _blocks(self, text: Text, question: str) -> Iterator[Spot]:
        for number, block in enumerate(blocks_of(text.text)):
            said = block.text
            if (
                len(words(said)) < _LEAST_WORDS
                or said.endswith(":")
                or _ASKED.match(said)
                or (question and question in said)
                or self._instructs(said, number == 0, text.role)
            ):
                continue
            yield Spot(text.message, text.block, block.start, block.end, said, block.label)

    def _instructs(self, said: str, first: bool, role: str) -> bool:
        if role == "tool" or len(words(said)) > _INSTRUCTION_WORDS:
            return False
        if first and role in ("system", "developer"):
            return True
        if len(words(said)) <= _POINTING_WORDS and _POINTS.match(said):
            return True
        return key_of(said) in self._templates or _INSTRUCTS.search(said) is not None


def templates_of(keys: Sequence[set[int]]) -> set[int]:
    """Return the blocks that most of several requests share."""
    if len(keys) < _FEW:
        return set()
    count = Count(key for found in keys for key in found)
    return {key for key, number in count.items() if number >= _COMMON * len(keys)}


def _spot(text: Text, at: int, segment: Segment) -> Spot:
    """Return the place of a retrieved passage, with its label and what is behind it."""
    whole, body = text.text, segment.text.strip()
    start = at + len(segment.text) - len(segment.text.lstrip())
    end = start + len(body)
    closing = _CLOSING.match(whole, end)
    end = closing.end() if closing else end
    blank = _BLANK.match(whole, end)
    end = blank.end() if blank else end
    return Spot(text.message, text.block, _before(whole, start), end, body, segment.label)


def _before(whole: str, start: int) -> int:
    """Return where the label of a passage begins, `start` if it has none."""
    line = whole.rfind("\n", 0, start) + 1
    if line == start and line > 0:
        line = whole.rfind("\n", 0, line - 1) + 1
    lead = whole[line:start].strip()
    return line if lead and LABEL.fullmatch(lead) else start
