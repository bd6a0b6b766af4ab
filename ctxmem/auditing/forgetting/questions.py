"""Questions asked again, by the user or by the model, after their answers left the window."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ctxmem.auditing.forgetting.blocks import Block, Entry
from ctxmem.auditing.forgetting.findings import Need, Sighting, name_of, need
from ctxmem.auditing.forgetting.losses import Departure, Moment, Walk, Window
from ctxmem.auditing.forgetting.names import names_in
from ctxmem.auditing.forgetting.wording import AGAIN, NOW, gist, held_by, particulars, same_said

_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!](?=\w)[^.!?\n]*)*[?？]|[^.!?\n]+[.!]?")
_ASKS = re.compile(
    r"[?？]\s*$|^\W*(?:(?:so|and|ok|okay|sorry|hm+|wait|please|quick question)\W+)*(?:what|which"
    r"|who|whom|whose|where|when|how|why|remind me|tell me|was|welche\w*|wie|wo|wer|wann|warum"
    r"|quel\w*|comment|rappelle[- ]moi|dis[- ]moi|redis[- ]moi|erinner\w* mich|sag mir"
    r"|recu[eé]rdame|dime|qu[eé]|cu[aá]l|d[oó]nde)\b",
    re.IGNORECASE,
)
_REQUESTS = re.compile(
    r"\b(?:provide|share|send|give|tell|supply|specify|enter|remind)\b|\bneed (?:your|the)\b"
    r"|\bmay i have\b|\b(?:what|which)(?:['’]s| is| are| was)?\b"
    r"|\blet me know (?:your|the|which|what)\b|\bnenn\w*\b|\bwelche\w*\b|\bwie lautet\b",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"\W*(?:yes|yeah|yep|ok|okay|sure|no|nope|correct|right|please|go ahead|perfect|great|ja|nein"
    r"|oui|s[ií])\b",
    re.IGNORECASE,
)
_POLITELY = re.compile(
    r"\b(?:please|bitte|kindly|s['’]il (?:vous|te) pla[iî]t|veuillez|por favor|per favore)\b"
    r"|\b(?:i|we)(?:['’]ll| will| still| would)?(?: also)? need (?:to know )?(?:your|the|which"
    r"|what)\b"
    r"|\blet me know (?:your|the|which|what)\b|\bich (?:brauche|benötige)\b|\bj['’]ai besoin d"
    r"|\bnecesito (?:el|la|los|las|su|tu|saber)\b",
    re.IGNORECASE,
)
_GIVES = re.compile(
    r"\b(?:provide|share|send|give|tell|supply|specify|enter|state|name|need|let me know|nenn\w*"
    r"|geben|gib|teil\w*|schick\w*|brauche|benötige|donne\w*|indique\w*|communique\w*|besoin"
    r"|d[ií]g\w*|d[aeé]me|indi\w+|proporcion\w*|necesito|fornisc\w*|dimmi|mi dica)\b",
    re.IGNORECASE,
)
"""By what a model asks without a question mark: "Please give me the address."."""
_CHOICE = re.compile(
    r"\b(?:or|oder|ou|o)\b (?!(?:not|nicht|non|no|anything|something|someone|else|is|are|do|does"
    r"|did|shall|should|would|can|could|stop|skip|leave|cancel|just|if|any|other|another|more)\b)"
    r"[^?,]{1,40}[?]\s*$",
    re.IGNORECASE,
)
"""Questions that put two things to choose from: CSV or Excel?"""
_OFFERS = re.compile(
    r"\b(?:would you like|do you want|shall i|should i|want me to|anything else|can i help"
    r"|may i help|is there anything|how can i|how may i|what else|what would you like|proceed"
    r"|go ahead|continue|sounds? good|make sense|look (?:good|right|ok)|any (?:other|questions)"
    r"|ready|confirm|correct\?|right\?|okay\?|ok\?|möchten sie|soll ich|kann ich)\b",
    re.IGNORECASE,
)
"""Questions that a model asks as a matter of form: whether to go on, whether there is more."""
_PARTICULAR = re.compile(
    r"\b(?:which|whom|wen|wem|qui|qui[eé]n|who|whose|where|when|how (?:many|much|long|often)"
    r"|what(?:['’]s| is| are| was)?"
    r" (?:the|your|its|their)|what (?!else|would|do|should)\w+(?: \w+)? (?:do|does|should|shall"
    r"|is|are)"
    r"|welche\w*|wer|wann|quel\w*|cu[aá]l\w*|qu[eé] \w+)\b",
    re.IGNORECASE,
)
"""Questions that ask for one thing, even if they offer something too."""
_NO_ANSWER = re.compile(
    r"\b(?:don['’]?t know|not sure|no idea|can['’]?t remember|don['’]?t remember|don['’]?t have"
    r"|you (?:decide|choose)|up to you|whatever|later|let me check|skip|weiß (?:ich )?nicht"
    r"|je ne sais pas|no s[eé])\b",
    re.IGNORECASE,
)
_LONGEST = 400  # characters of a message whose every sentence may be a question
_MOST = 400  # questions of each side that are compared


@dataclass(slots=True)
class _Question:
    text: str
    asked: Sighting
    answer: Sighting | None = None

    @property
    def answer_text(self) -> str:
        return "" if self.answer is None else self.answer.block.text


class Questions:
    """The questions of a conversation and their answers."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._asked: dict[str, list[_Question]] = {"user": [], "assistant": []}
        self._open: dict[str, list[_Question]] = {"user": [], "assistant": []}
        self._given: dict[str, Sighting] = {}  # identifiers that the user named, where last
        self.given_again: list[str] = []
        """Answers that the model asked for once more: the user's next message repeats them."""
        self._reported: set[str] = set()  # questions
        self._missed: set[str] = set()  # of them, those that the window lacked when asked for

    def take(self, at: Moment) -> Iterator[Need]:
        """Take a message; yield what was asked in it although it had been answered."""
        role = at.entry.role
        if role not in self._asked:
            return
        block = _speech(at.entry)
        if block is None:
            return
        seen = Sighting(block, at.call, at.place)
        other = "assistant" if role == "user" else "user"
        for question in self._open[other]:
            if role == "assistant" or not _NO_ANSWER.search(block.text[:300]):
                question.answer = seen
        if role == "user":
            yield from self._given_again(block, at)
            yield from self._answered_again(block, at)
        asked = _questions(block.text, role) if role == "assistant" or block.typed else []
        found = [_Question(text, seen) for text in asked]
        reported: list[str] = []
        for question in found:
            again = self._answered(question, role, at.window)
            if again is not None:
                yield _need(again, question, role, at)
                reported.append(again[0].answer_text)
                self._reported.add(question.text)
        self._asked[role] = (self._asked[role] + found)[-_MOST:]
        if found or role == "user":
            self._open[role] = found
        if role == "assistant":
            self.given_again = reported
            self._missed = set() if reported else self._missing(block, at.window)
        elif block.typed:
            self._given.update((name.lower(), seen) for name in names_in(block.text))

    def _answered(
        self, question: _Question, role: str, window: Window
    ) -> tuple[_Question, Departure] | None:
        """Return the question that had the same answer, if the window has lost both."""
        again = bool(AGAIN.search(question.text))
        if role == "user" and not again and NOW.search(question.text):
            return None
        for other in reversed(self._asked[role]):
            if not same_said(other.text, question.text, again=again and role == "user"):
                continue
            answer = other.answer
            if answer is None:
                continue
            departure = self._walk.gone.get(answer.block.content)
            if departure is None or window.holds(answer.block):
                return None  # the newest answer is there: nothing was forgotten
            if _answer_is_there(answer.block, other, window):
                return None
            return other, departure
        return None

    def _answered_again(self, block: Block, at: Moment) -> Iterator[Need]:
        """Yield what the model asked for in other words, where the user gives the same answer."""
        asked, self._open["assistant"] = self._open["assistant"], []
        given = gist(block.text)
        if not block.typed or not given or _AGREES.fullmatch(block.text):
            return
        for question in asked:
            if question.text in self._reported:
                continue
            for other in reversed(self._asked["assistant"]):
                answer = other.answer
                if answer is None or other is question or answer.block is block:
                    continue
                if gist(answer.block.text) != given or not gist(other.text) & gist(question.text):
                    continue
                departure = self._walk.gone.get(answer.block.content)
                there = departure is None or at.window.holds(answer.block)
                if (
                    departure is None
                    or there
                    or _answer_is_there(answer.block, other, at.window, question.asked.block)
                ):
                    return
                yield _need((other, departure), question, "assistant", at)
                return

    # What the user gave, and gives again because the model asks for it

    def _missing(self, block: Block, window: Window) -> set[str]:
        """Return the identifiers that the window lacks when the model asks for something."""
        if not any(map(_REQUESTS.search, _requests(block.text))):
            return set()
        return {
            name
            for name, given in self._given.items()
            if given.block.content in self._walk.gone and not window.names(name)
        }

    def _given_again(self, block: Block, at: Moment) -> Iterator[Need]:
        again = [n for n in names_in(block.text) if n.lower() in self._missed]
        self._missed = set()
        if not block.typed or _AGREES.match(block.text):
            return
        for name in again[:1]:
            given = self._given[name.lower()]
            departure = self._walk.gone.get(given.block.content)
            if departure is None:
                continue
            title = f"The model asked for {name_of(name)}, which the user had given before"
            found = need("asked_again", ("given", name.lower()), title, given, departure, at,
                         block.text, block.text)  # fmt: skip
            found.texts = [block.text]
            yield found


def _need(again: tuple[_Question, Departure], question: _Question, role: str, at: Moment) -> Need:
    other, departure = again
    answer = other.answer
    assert answer is not None
    who = "The user" if role == "user" else "The model"
    title = f"{who} asked again: {name_of(question.text, 80)}"
    left = f"{other.text}\n→ {answer.block.text}"
    about = ("question", gist(other.text), particulars(other.text))
    found = need("asked_again", about, title, answer, departure, at, question.text,
                 f"{question.text}\n{answer.block.text}", left)  # fmt: skip
    found.texts = [question.text, other.text, answer.block.text]
    return found


def _answer_is_there(
    answer: Block, question: _Question, window: Window, asked: Block | None = None
) -> bool:
    """Return whether a summary, or another message, says what the answer said."""
    about = gist(question.text)
    key = particulars(answer.text) - particulars(question.text)
    for block in window.blocks():
        if block is asked or block.content in (answer.content, question.asked.block.content):
            continue
        if not key and block.kind == "text" and held_by(answer.text, block.text):
            return True
        if key and 2 * len(about & block.stems) >= len(about) and _has(key, block.text):
            return True
    return False


def _has(key: frozenset[str], text: str) -> bool:
    """Return whether a text names most of what an answer named, whole words only."""
    low = text.lower()
    there = sum(
        bool(re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", low)) for name in key if name in low
    )
    return there >= (len(key) if len(key) <= 2 else 0.6 * len(key))


def _speech(entry: Entry) -> Block | None:
    """Return what a person or the model says in a message, as one block."""
    spoken = [block for block in entry.blocks if block.spoken and block.text]
    return max(spoken, key=lambda block: len(block.text)) if spoken else None


def _questions(text: str, role: str) -> list[str]:
    """Return the questions of a text that ask for something in particular."""
    found = []
    for match in _SENTENCE.finditer(text[-4000:] if role == "assistant" else text[:4000]):
        said = match.group().strip()
        if len(said) > _LONGEST or not _asks(said, role):
            continue
        particular = _PARTICULAR.search(said) or _CHOICE.search(said)
        if role == "assistant" and _OFFERS.search(said) and not particular:
            continue
        if gist(said):
            found.append(said)
    return found[:8]


def _asks(said: str, role: str) -> bool:
    if role == "assistant":
        wants = _POLITELY.search(said) and _GIVES.search(said)
        return (bool(wants) and not _OFFERS.search(said)) or said.endswith(("?", "？"))
    return bool(_ASKS.search(said))


def _requests(text: str) -> list[str]:
    """Return the sentences of a message of the model that may ask the user for something."""
    said = [match.group() for match in _SENTENCE.finditer(text[-1500:])]
    return [one for one in said if "?" in one or re.search(r"\b(?:please|bitte|need)\b", one, re.I)]
