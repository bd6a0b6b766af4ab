"""Which passages hold what the answer needs: as given, or by the expected answer, or by a judge."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ctxmem.blaming.answers import can_be_found, contains, words
from ctxmem.blaming.expected import Expected
from ctxmem.blaming.recorded import Recorded
from ctxmem.traces import Passage

PRESENT, NOT_SENT, ABSENT, UNKNOWN = "sent", "retrieved, not sent", "absent", "unknown"

_LEAST_INSIDE = 6  # words of a passage that may lie inside a longer evidence text
_LEAST_LETTERS = 4  # of a word of the question that passages are compared by
MOST_JUDGED = 50
"""Passages of one question that a judge is asked about."""

JudgePassage = Callable[[str, "Expected | None", str], "bool | None"]
"""Whether a passage answers a question; None if the judge could not say."""


@dataclass(slots=True)
class Evidence:
    """Where the evidence of a question is.

    Attributes:
        state: sent, retrieved and not sent, absent, or unknown.
        how: how that is known, for people.
        spots: numbers of the passages of the request that hold it.
        texts: its texts, where it is not in the request.
        answers: expected answers that are in it; a window that has them has the evidence.
        sure: False if the passages were found by their words and may be about something else.
    """

    state: str
    how: str
    spots: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    sure: bool = True

    def is_in(self, window: str, sent: Sequence[str]) -> bool:
        """Return whether a window has the evidence; `sent` are the texts of the passages."""
        if self.answers:
            return any(contains(window, one) for one in self.answers)
        return all(contains(window, text) for text in self.texts or (sent[i] for i in self.spots))


def find_evidence(one: Recorded, judge: JudgePassage | None = None) -> Evidence:
    """Return where the evidence of a question is."""
    expected = one.expected
    if expected is not None and (expected.evidence or expected.evidence_ids):
        found = _given(one, expected)
    elif expected is not None and can_be_found(expected.answers):
        found = _by_answer(one, expected)
        if found.state != PRESENT and judge is not None:
            found = _by_judge(one, judge)
    elif judge is not None:
        found = _by_judge(one, judge)
    else:
        found = Evidence(
            UNKNOWN,
            "the expected answer is too general to be looked for in passages; give the evidence "
            "in the expected file, or a judge",
        )
    if expected is not None and found.state in (PRESENT, NOT_SENT):
        texts = found.texts or [one.spots[i].text for i in found.spots]
        if can_be_found(expected.answers):
            found.answers = [
                answer for answer in expected.answers if any(contains(t, answer) for t in texts)
            ]
    return found


def _given(one: Recorded, expected: Expected) -> Evidence:
    """Return where the texts and the ids are that the expected file gives: all are needed."""
    texts = list(expected.evidence)
    unknown = []
    for name in expected.evidence_ids:
        text = _text_of(one, name)
        if text is None:
            unknown.append(name)
        else:
            texts.append(text)
    how = "the expected file gives it"
    if unknown:
        names = ", ".join(unknown[:3])
        return Evidence(ABSENT, f"{how}, and no passage has the id {names}", texts=texts)
    places = [[i for i, spot in enumerate(one.spots) if _holds(spot.text, t)] for t in texts]
    if all(places) or (one.spots and _spread(one, texts)):
        return Evidence(PRESENT, how, sorted({i for found in places for i in found}))
    retrieved = _retrieved(one)
    if all(any(_holds(passage, text) for passage in retrieved) for text in texts):
        return Evidence(NOT_SENT, how, texts=texts)
    return Evidence(ABSENT, how, texts=texts)


def _spread(one: Recorded, texts: Sequence[str]) -> bool:
    """Return whether each text is in the passages taken together, when one was cut into several."""
    together = "\n".join(spot.text for spot in one.spots)
    return all(contains(together, text) for text in texts)


def _holds(passage: str, evidence: str) -> bool:
    if contains(passage, evidence):
        return True
    return len(words(passage)) >= _LEAST_INSIDE and contains(evidence, passage)


def _text_of(one: Recorded, name: str) -> str | None:
    """Return the text of the passage with an id, a source or a label."""
    for passage in _passages(one):
        if name in (passage.id, passage.source) and passage.text:
            return str(passage.text)
    return next((spot.text for spot in one.spots if spot.label.strip("[]():.# ") == name), None)


def _passages(one: Recorded) -> list[Passage]:
    return [*one.shown, *(passage for event in one.lists for passage in event.passages)]


def _retrieved(one: Recorded) -> list[str]:
    return [passage.text for passage in _passages(one) if passage.text]


def _by_answer(one: Recorded, expected: Expected) -> Evidence:
    """Return the passages that hold the expected answer and are about the question."""
    sent = [spot.text for spot in one.spots]
    retrieved = list(dict.fromkeys(_retrieved(one)))
    for holds, how in (
        (_has_words, "a passage has the words of the expected answer"),
        (_has_numbers, "a passage has the numbers of the expected answer"),
    ):
        for state, texts in ((PRESENT, sent), (NOT_SENT, retrieved)):
            found = _about(one.question, texts, _where(texts, holds, expected.answers))
            sure = any(_names_it(texts[i], one.question) for i in found)
            if not found or (holds is _has_numbers and not sure):
                continue
            sure = sure and (holds is _has_words or bool(_names(one.question)))
            if state == PRESENT:
                return Evidence(PRESENT, how, found, sure=sure)
            return Evidence(NOT_SENT, how, texts=[texts[i] for i in found], sure=sure)
    if all(len(words(answer)) > _LONGEST_FOUND for answer in expected.answers):
        return Evidence(
            UNKNOWN,
            "no passage has the words of the expected answer, which is long and may be said in "
            "other words; give the evidence in the expected file, or a judge",
        )
    if not one.spots and not one.shown and not one.lists and not one.made:
        return Evidence(
            UNKNOWN,
            "no passage was found in the request, and the trace has no retrieval; give the "
            "evidence in the expected file",
        )
    return Evidence(ABSENT, "no passage has the words of the expected answer")


_LONGEST_FOUND = 8
"""Words of an answer that are expected to be in its evidence as they are."""

_COVERED = 0.75
"""Share of the words of a longer answer that its evidence has."""


def _has_words(text: str, answer: str) -> bool:
    wanted = words(answer)
    if len(wanted) <= _LONGEST_FOUND:
        return contains(text, answer)
    held = set(words(text))
    long = {word for word in wanted if len(word) >= _LEAST_LETTERS}
    return _numbers(answer) <= held and len(long & held) >= _COVERED * max(1, len(long))


def _has_numbers(text: str, answer: str) -> bool:
    numbers = _numbers(answer)
    return bool(numbers) and numbers <= set(words(text))


def _where(
    texts: Sequence[str], holds: Callable[[str, str], bool], answers: Sequence[str]
) -> list[int]:
    return [i for i, text in enumerate(texts) if any(holds(text, one) for one in answers)]


def _numbers(text: str) -> set[str]:
    return {word for word in words(text) if any(map(str.isdigit, word))}


_NAME = re.compile(r"(?<=[\w,;:] )[^\W\d_a-z][\w-]*|\b\w*\d[\w-]*")


def _names(question: str) -> set[str]:
    return {word for name in _NAME.findall(question) for word in words(name)}


def _names_it(text: str, question: str) -> bool:
    """Return whether a passage has half of the names and numbers of a question, if it has any.

    Names are words with a capital letter inside a sentence. A passage without them may be about
    something else: "30 days" is the answer to many questions.
    """
    names = _names(question)
    return 2 * len(names & set(words(text))) >= len(names)


def _about(question: str, texts: Sequence[str], found: Sequence[int]) -> list[int]:
    """Return those that share about as many words of the question as the best.

    Words that all passages have do not count. "30 days" may be in a passage about something else.
    """
    held = [set(words(text)) for text in texts]
    asked = {w for w in words(question) if len(w) >= _LEAST_LETTERS or not w.isascii()}
    asked |= {word for word in words(question) if any(map(str.isdigit, word))}
    number = {word: sum(word in one for one in held) for word in asked}
    rarity = {word: 1.0 / count for word, count in number.items() if 0 < count}
    scores = [sum(rarity.get(word, 0.0) for word in asked & one) for one in held]
    best = max(scores, default=0.0)
    return [i for i in found if scores[i] >= 0.5 * best and (scores[i] > 0 or not best)]


def _by_judge(one: Recorded, judge: JudgePassage) -> Evidence:
    """Return the passages that a judge takes for an answer to the question."""
    how = "the judge says which passage answers the question"
    votes = [judge(one.question, one.expected, spot.text) for spot in one.spots[:MOST_JUDGED]]
    found = [i for i, vote in enumerate(votes) if vote]
    if found:
        return Evidence(PRESENT, how, found)
    if not one.spots:
        return Evidence(ABSENT, "the request has no passages")
    if None in votes or len(votes) < len(one.spots):
        return Evidence(UNKNOWN, "the judge could not say of every passage whether it answers")
    return Evidence(ABSENT, "the judge says that no passage answers the question")


def needs_judge(one: Recorded, evidence: Evidence) -> bool:
    """Return whether only a judge can find the evidence of a question."""
    expected = one.expected
    given = expected is not None and bool(expected.evidence or expected.evidence_ids)
    return not given and evidence.state != PRESENT and bool(one.spots)
