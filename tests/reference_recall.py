"""Slow twin of the index of a session: the scores of all messages, from the texts themselves."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

SATURATION, LENGTH = 1.2, 0.75


class Said(NamedTuple):
    """One message; `passages` are its texts, as the index cuts them."""

    number: int
    role: str
    passages: list[str]
    time: float


def words_of(text: str) -> list[str]:
    """Return the words with a digit, which have no stems; the texts of the tests have no others."""
    return re.findall(r"[a-z]*[0-9][a-z0-9]*", text.lower())


def _gain(idf: float, frequency: int, length: float) -> float:
    return idf * frequency / (frequency + SATURATION * (1 - LENGTH + LENGTH * length))


def _mean(lengths: list[int]) -> float:
    return max(1.0, sum(lengths) / max(1, len(lengths)))


def own_scores(said: list[Said], question: str, faint: str = "") -> list[float]:
    """Return the mean of the score of a message as a whole and of its best passage.

    Words of `faint` have three tenths of the weight of others.
    """
    passages = [[words_of(text) for text in one.passages] for one in said]
    whole = [[word for part in parts for word in part] for parts in passages]
    users = [len(words) for words, one in zip(whole, said, strict=True) if one.role == "user"]
    usual_user, usual = _mean(users), _mean([len(words) for words in whole])
    usual_passage = _mean([len(part) for parts in passages for part in parts])
    scores = []
    for one, parts, words in zip(said, passages, whole, strict=True):
        total, best = 0.0, [0.0] * len(parts)
        for term in dict.fromkeys(words_of(question)):
            df = sum(term in other for other in whole)
            idf = math.log(1 + (len(said) - df + 0.5) / (df + 0.5)) * (SATURATION + 1)
            idf *= 0.3 if term in words_of(faint) else 1.0
            counts = [min(15, Counter(part)[term]) for part in parts]
            mean = usual_user if one.role == "user" else usual
            total += _gain(idf, sum(counts), len(words) / mean)
            for at, count in enumerate(counts):
                best[at] += _gain(idf, count, len(parts[at]) / usual_passage)
        scores.append(0.5 * total + 0.5 * max(best, default=0.0))
    return scores


def search(
    said: list[Said],
    question: str,
    weights: dict[str, float],
    *,
    answer: float,
    near: float,
    asked: float,
    faint: str = "",
) -> dict[int, float]:
    """Return the score of every message that has one, by its number."""
    own = own_scores(said, question, faint)
    users = [at for at, one in enumerate(said) if one.role == "user"]
    total = [0.0] * len(said)
    asker = {at: max((u for u in users if u < at), default=-1) for at in range(len(said))}
    for at in users:
        follows = at + 1 < len(said) and said[at + 1].role != "user"
        beside = [own[asker[at]]] if 0 <= asker[at] >= at - 2 else [0.0]
        beside += [own[u] for u in users if at < u <= at + 2]
        gained = own[at] + answer * (own[at + 1] if follows else 0.0)
        total[at] = weights["user"] * gained + near * max(beside)
    for at, one in enumerate(said):
        if one.role != "user":
            close = asker[at] >= 0 and at - asker[at] <= 2
            gained = own[at] + asked * (total[asker[at]] if close else 0.0)
            total[at] = weights[one.role] * gained
    return {one.number: score for one, score in zip(said, total, strict=True) if score > 0}
