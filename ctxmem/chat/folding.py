"""Fold text that a history holds twice: the first copy stays, later ones name it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.chat.editing import replaced, with_content, with_result_texts, with_text
from ctxmem.chat.paragraphs import (
    LineIndex,
    has_reference,
    is_passage,
    located,
    paragraphs,
    reference,
    without_references,
)
from ctxmem.chat.parts import Part, parts_of
from ctxmem.chat.rules import wire_format
from ctxmem.chat.shapes import ROLES, listed, role_of, shown
from ctxmem.errors import InputError, InputTypeError

_ROLES = ("system", "user", "assistant", "tool")
_FOLDED_ROLES = ("system", "user", "tool")
_QUOTED = (24, 60)  # characters of a passage that a reference quotes, more if others begin so
_LEAST_QUOTED = 16
_MOST_ALIKE = 32  # passages with a line that begins alike; with more the line is not quoted
_QUOTED_LINES = 12  # lines of a passage of which one is quoted
_QUOTED_WORDS = 64 * 4  # words in which those are looked for that only one passage has


@dataclass(frozen=True, slots=True)
class Fold:
    """One passage that was folded.

    Attributes:
        message: index of the message in which it was folded.
        first: index of the message that shows it in full.
        text: the passage.
        shown: the reference in its place.
        tokens: how many tokens the passage has more than the reference.
    """

    message: int
    first: int
    text: str
    shown: str
    tokens: int


@dataclass(frozen=True, slots=True)
class FoldedMessages:
    """A history without repeats, and what it was before.

    Attributes:
        messages: the history; messages in which nothing was folded are the caller's objects.
        folded: what was folded, in the order of the history.
        tokens_before: tokens of the messages as given, with the provider's overhead.
        tokens_after: tokens of `messages`, never more than before.
        originals: the messages as given.
    """

    messages: list[Any]
    folded: list[Fold]
    tokens_before: int
    tokens_after: int
    originals: tuple[Any, ...]

    def restore(self, *indexes: int) -> list[Any]:
        """Return the history as it was given; with indexes, only those messages unfolded.

        Raises:
            InputError: an index that the history does not have.
        """
        if not indexes:
            return list(self.originals)
        wrong = [i for i in indexes if not -len(self.originals) <= i < len(self.originals)]
        if wrong:
            raise InputError(
                f"there is no message {wrong[0]}; expected an index below {len(self.originals)}"
            )
        made = list(self.messages)
        for i in indexes:
            made[i] = self.originals[i]
        return made


def dedup_messages(
    messages: Iterable[Any],
    *,
    counter: object = "o200k_base",
    provider: str | None = None,
    model: str | None = None,
    passages: Iterable[str] = (),
    roles: Sequence[str] = _FOLDED_ROLES,
    keep_last: int = 0,
) -> FoldedMessages:
    """Replace text that an earlier message, or the same one, already holds by a reference to it.

    A passage is a paragraph, or a run of whole lines that is the greater part of one, of at least
    40 characters and 6 words. The first copy stays as it is, so the beginning of the history stays
    byte for byte the same, for the prompt cache as well. A later copy becomes a line such as
    `[as in message 3: "Refunds are paid within…"]`, where messages are counted from 1.

    - Copies are the same text, but for white space around them. Versions are never folded.
    - A reference quotes what only its passage has; where nothing is so short, the copy stays.
    - The history never has more tokens than before, by the counter.
    - Tool calls, thoughts, media, quoted search results and what providers run are not touched.
    - The question stays: a last message of the user that says nothing new keeps its last passage.
    - Trim first, and fold what is left: a first copy must not leave before what names it.
    - The messages given are not changed. Ids, cache marks and the order of messages stay.

    Args:
        messages: a history of any provider or framework.
        counter: what counts tokens; see `count_messages`.
        provider: whose overhead is counted.
        model: whose overhead is counted, if that of the provider's models differs.
        passages: texts that were retrieved; they are folded wherever they are in a text, whole.
        roles: whose texts are folded. With "assistant", what the model said is folded too.
        keep_last: so many messages at the end stay as they are.

    Raises:
        InputError: an unknown role or provider, or `keep_last` below 0.
        InputTypeError: something is no message, no counter or no text.

    >>> text = "Refunds are paid within thirty days, to the card that was charged, less the fee."
    >>> chat = [{"role": "user", "content": f"{text}\\n\\nWhen?\\n\\n{text}"}]
    >>> folded = dedup_messages(chat)
    >>> print(folded.messages[0]["content"][len(text) :].strip())
    When?
    <BLANKLINE>
    [as above: "Refunds are paid…"]
    >>> folded.restore() == chat, folded.tokens_after < folded.tokens_before
    (True, True)
    """
    wire_format(provider)
    given = listed(messages)
    folder = _Folder(Meter(counter, provider, model), _texts(passages), _roles(roles))
    if isinstance(keep_last, bool) or not isinstance(keep_last, int):
        raise InputTypeError(f"keep_last is {shown(keep_last)}; expected a number of messages")
    if keep_last < 0:
        raise InputError(f"keep_last is {keep_last}; expected at least 0")
    made = [
        folder.fold(message, i, last=i == len(given) - 1, kept=i >= len(given) - keep_last)
        for i, message in enumerate(given)
    ]
    before = folder.meter.request + folder.tokens
    return FoldedMessages(made, folder.folded, before, before - folder.saved, tuple(given))


def fold_text(
    messages: Sequence[Any], text: str, meter: Meter, passages: Iterable[str] = ()
) -> tuple[str, list[Fold]]:
    """Return a text of the user behind messages, with what they show folded, and the folds.

    The rules are those of `dedup_messages`; the messages stay as they are.
    """
    folder = _Folder(meter, _texts(passages), frozenset(("user",)))
    for i, message in enumerate(messages):
        folder.learn(message, i)
    folds: list[Fold] = []
    made = folder.fold_in(text, len(messages), folds)
    return (text, []) if made is None else (made, folds)


def _texts(passages: Any) -> list[str]:
    """Return the retrieved passages without white space around them, the longest first."""
    if isinstance(passages, str):
        raise InputTypeError(f"passages is {shown(passages)}; expected a list of texts")
    texts = [getattr(one, "text", one) for one in passages]
    for text in texts:
        if not isinstance(text, str):
            raise InputTypeError(f"passages has {shown(text)}; expected a text or a Chunk")
    return [text for text in dict.fromkeys(map(str.strip, texts)) if len(text) >= _LEAST_QUOTED]


def _roles(roles: Any) -> frozenset[str]:
    named = (roles,) if isinstance(roles, str) else tuple(roles)
    for role in named:
        if role not in _ROLES:
            raise InputError(f"roles has {shown(role)}; expected some of {', '.join(_ROLES)}")
    return frozenset(named)


@dataclass(slots=True)
class _Piece:
    """A paragraph or a retrieved passage of a text, without the white space around it."""

    start: int
    end: int
    text: str
    passage: bool


class _Folder:
    """Folds one message after another."""

    def __init__(self, meter: Meter, passages: Sequence[str], roles: frozenset[str]) -> None:
        self.meter = meter
        self.folded: list[Fold] = []
        self.tokens = 0
        self.saved = 0
        self._passages = passages
        self._roles = roles
        self._known: dict[str, int] = {}  # passage -> its number
        self._shown: list[tuple[str, int]] = []  # of each number: the text, and its message
        self._lines = LineIndex()
        self._numbers: list[int] = []  # of each paragraph of the line index
        self._begins: dict[str, list[int]] = {}  # beginning of a line -> passages that have it
        self._read = 0  # passages of which the beginnings are noted
        self._quotes: dict[str, tuple[str, int, str | None]] = {}  # and how many began alike then

    def fold(self, message: Any, index: int, *, last: bool, kept: bool) -> Any:
        """Return a message with its repeats folded, itself if it has none."""
        tokens = self.meter.message(message, index)
        self.tokens += tokens
        role = role_of(message, index) or ""
        role = ROLES.get(role, role)
        parts = parts_of(message, index)
        question = self._question(parts, role) if last else None
        folds: list[Fold] = []
        values = []
        for part in parts:
            found: list[Fold] = []
            values.append(self._part(part, part.role or role, index, kept, question, found))
            if values[-1] is not part.value:
                folds += found
        if not folds:
            return message
        made = _with(message, parts, values)
        saved = tokens - self.meter.message(made, index)
        if saved <= 0:
            return message
        self.saved += saved
        self.folded += folds
        return made

    def learn(self, message: Any, index: int) -> None:
        """Note what a message shows."""
        role = role_of(message, index) or ""
        role = ROLES.get(role, role)
        for part in parts_of(message, index):
            self._part(part, part.role or role, index, True, None, [])

    def fold_in(self, text: str, index: int, folds: list[Fold]) -> str | None:
        """Return a text of the user with its repeats folded, None if it has none."""
        return self._text(text, "user", index, False, None, folds)

    def _part(
        self, part: Part, role: str, index: int, kept: bool, question: str | None, folds: list[Fold]
    ) -> Any:
        if part.kind == "text":
            kept = kept or role not in self._roles
            text = self._text(part.text, role, index, kept, question, folds)
            return part.value if text is None else with_text(part.value, text)
        # A tool part of the AI SDK holds a call and, in the end, its output.
        if part.kind != "result" and not (part.kind == "call" and part.settled and not part.whole):
            return part.value
        kept = kept or "tool" not in self._roles
        return with_result_texts(
            part, lambda text: self._text(text, "tool", index, kept, None, folds)
        )

    def _text(
        self, text: str, role: str, index: int, kept: bool, question: str | None, folds: list[Fold]
    ) -> str | None:
        """Return a text with its repeats folded, None if it has none."""
        made: list[str] = []
        found: list[Fold] = []
        at = 0
        for piece in self._pieces(text, role):
            ours = []
            if not kept and piece.passage and piece.text != question:
                ours = self._folds(piece, index)
            shown = piece.text
            for start, end, fold in reversed(ours):
                shown = f"{shown[:start]}{fold.shown}{shown[end:]}"
            self._learn(shown, piece.passage, index)
            made += [text[at : piece.start], shown]
            found += [fold for _, _, fold in ours]
            at = piece.end
        if not found:
            return None
        folds += found
        return "".join(made) + text[at:]

    def _pieces(self, text: str, role: str) -> list[_Piece]:
        """Cut a text at blank lines, and around the passages that were retrieved."""
        found: list[_Piece] = []
        at = 0
        places = located(text, self._passages) if self._passages else []
        for start, end in (*places, (len(text), len(text))):
            for first, behind in paragraphs(text[at:start]):
                piece = text[at + first : at + behind]
                core = piece.strip()
                if core:
                    begin = at + first + piece.index(core)
                    passage = is_passage(core, role)
                    found.append(_Piece(begin, begin + len(core), core, passage))
            if start < end:
                found.append(_Piece(start, end, text[start:end], True))
            at = end
        return found

    def _folds(self, piece: _Piece, index: int) -> list[tuple[int, int, Fold]]:
        """Return where a piece repeats, and how each repeat is folded."""
        number = self._known.get(piece.text)
        if number is not None:
            places = [(0, len(piece.text), number)]
        else:
            runs = self._lines.runs(piece.text)
            places = [(run.start, run.end, self._numbers[run.source]) for run in runs]
        found = []
        for start, end, source in places:
            text = piece.text[start:end].lstrip()
            fold = self._fold(text, source, index)
            if fold is not None:
                found.append((end - len(text), end, fold))
        return found

    def _fold(self, text: str, number: int, index: int) -> Fold | None:
        """Return a passage folded, None if its reference would be no shorter or not clear."""
        quote = self._quote(text, number)
        if quote is None:
            return None
        first = self._shown[number][1]
        instead = reference(quote, None if first == index else first + 1)
        tokens = self.meter.count(text) - self.meter.count(instead)
        if tokens <= 0 or len(instead) >= len(text):
            return None
        return Fold(index, first, text, instead, tokens)

    def _quote(self, text: str, number: int) -> str | None:
        """Return what is said of a passage so that no other can be meant, None if nothing can."""
        self._read_beginnings()
        begins, alike, quote = self._quotes.get(text, ("", -1, None))
        if alike != len(self._begins.get(begins, ())):
            begins, quote = self._found_quote(text, number)
            self._quotes[text] = begins, len(self._begins.get(begins, ())), quote
        return quote

    def _found_quote(self, text: str, number: int) -> tuple[str, str | None]:
        """Return the beginning of a line of a passage, and what is quoted of it."""
        lines = [line for line in text.split("\n") if len(line.strip()) >= _LEAST_QUOTED]
        lines = lines[:_QUOTED_LINES]
        if not lines:
            return "", None
        rivals = [self._rivals(text, _begins(line), number) for line in lines]
        for line, others in zip(lines, rivals, strict=True):
            if others is not None and not others:
                begins = _begins(line)
                whole = len(begins) >= len(text)
                return begins, ("" if line is lines[0] else "…") + begins + ("" if whole else "…")
        for line, others in zip(lines, rivals, strict=True):
            quote = None if others is None else _longer_quote(text, line, others)
            if quote is not None:
                return _begins(line), quote
        return _begins(lines[0]), None

    def _rivals(self, text: str, begins: str, number: int) -> list[str] | None:
        """Return other passages with a line that begins like this, None if there are too many."""
        alike = self._begins.get(begins, [])
        if len(alike) > _MOST_ALIKE:
            return None
        # A paragraph that has the passage in it is meant as well as any other copy.
        texts = [self._shown[one][0] for one in alike if one != number]
        return [" ".join(other.split()) for other in texts if text not in other]

    def _learn(self, text: str, passage: bool, index: int) -> None:
        """Note what a message shows in full."""
        if text in self._known or not without_references(text):
            return
        number = len(self._shown)
        if not has_reference(text):
            self._known[text] = number
        self._shown.append((text, index))
        if passage or has_reference(text):
            self._numbers.append(number)
            self._lines.add(text)

    def _read_beginnings(self) -> None:
        """Note how the lines of all passages begin; a history without repeats needs none of it."""
        for number in range(self._read, len(self._shown)):
            for line in self._shown[number][0].split("\n"):
                if len(line) < _LEAST_QUOTED:
                    continue
                alike = self._begins.setdefault(_begins(line), [])
                if len(alike) <= _MOST_ALIKE and alike[-1:] != [number]:
                    alike.append(number)
        self._read = len(self._shown)

    def _question(self, parts: Sequence[Part], role: str) -> str | None:
        """Return the last passage of a message of the user that says nothing new."""
        texts = [part.text for part in parts if part.kind == "text"]
        if role != "user" or not texts:
            return None
        pieces = [piece.text for text in texts for piece in self._pieces(text, role)]
        new = any(
            not (has_reference(text) or text in self._known or self._lines.runs(text))
            for text in pieces
        )
        return None if new or not pieces else pieces[-1]


def _longer_quote(text: str, line: str, others: Sequence[str]) -> str | None:
    """Return the beginning of a line, and words of the passage that no other one has."""
    longer = _begins(line, _QUOTED[1])
    if not any(longer in other for other in others):
        return f"{longer}…"
    words = text.split(None, _QUOTED_WORDS)[:_QUOTED_WORDS]
    for i in range(0, len(words), 4):
        middle = " ".join(words[i : i + 6])
        if not any(middle in other for other in others):
            return f"{_begins(line)}… {middle}…"
    return None


def _begins(text: str, most: int = _QUOTED[0]) -> str:
    """Return the beginning of the first line of a text, at a word."""
    line = text.split("\n", 1)[0].strip()
    if len(line) > most:
        words = line[:most].rsplit(None, 1)[0]
        line = words if len(words) >= most // 2 else line[:most]
    return " ".join(line.split())


def _with(message: Any, parts: Sequence[Part], values: Sequence[Any]) -> Any:
    """Return a copy of a message with other values in its parts."""
    if isinstance(message, tuple):
        return with_content(message, values[0] if isinstance(message[1], str) else list(values))
    changed = [(p, new) for p, new in zip(parts, values, strict=True) if new is not p.value]
    return replaced(message, changed)
