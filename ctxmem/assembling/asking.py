"""Which part of a request answers which of the things that a question asks.

A question may ask several things, one of the conversation, one of the documents, one that needs a
tool. For each ask the parts are compared: by how much of its rarer words the best message, the best
text and the best tool have, by the probability of the best tool, and by words that speak of the
conversation or ask for an action. A logistic model divides each ask between the parts;
`bench/fit_request.py` fits it.

What an ask looks for in a part that another part answers would only take tokens there, so each part
is ranked by its own asks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.assembling import values
from ctxmem.memory.questions import read_question
from ctxmem.toolset.words import ACTIONS, STOP, stem

COLUMNS = ("history", "tools", "texts")
HISTORY, TOOLS, TEXTS = range(3)
"""The parts that are compared, as columns: the history, tools, and texts to cut blocks from."""

MOST_ASKS = 8
"""A question of more paragraphs or sentences is taken as one ask."""
LONGEST_ASK = 1_000
"""So are those with a longer one: they bring material with them."""
LEAST_SHARE = 0.25
"""Share of an ask from which texts are ranked by it."""
LEAST_WORDS = 3
"""A shorter sentence belongs to the one before."""

FEATURES = ("covered", "beyond", "chance", "person", "recalls", "lists", "acts", "asks")
"""Features of an ask and a part. `covered` is the share of the ask's words that the best item has,
by rarity; `beyond` what it has more than the best of the other parts; `chance` the log-odds of the
best tool; `person` whether the ask is in the first person, `recalls` whether it speaks of what was
said, `lists` whether it wants an order or a summary; `acts` whether it begins with an action,
`asks` whether it is a question."""

_WORD = re.compile(r"[^\W_]+")
_PARAGRAPH = re.compile(r"\n+")
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=\S)")
_PERSON = re.compile(r"\b(?:i|i'm|i've|i'd|my|mine|we've)\b", re.IGNORECASE)
_RECALLS = re.compile(
    r"\b(?:said|mention\w*|told|discuss\w*|talk\w*|spoke\w*|brought up|bring up|decided|agreed|"
    r"remember\w*|recall|earlier|previously|conversations?|sessions?|chats?|so far)\b",
    re.IGNORECASE,
)


def read_asks(question: str) -> tuple[str, ...]:
    """Return what a question asks: its paragraphs, or the sentences of a single one.

    >>> read_asks("When is it due? Send it to Mia Brown.")
    ('When is it due?', 'Send it to Mia Brown.')
    """
    parts = [part.strip() for part in _PARAGRAPH.split(question.strip()) if part.strip()]
    if len(parts) == 1:
        parts = _sentences(parts[0])
    if len(parts) > MOST_ASKS or any(len(part) > LONGEST_ASK for part in parts):
        return (question,)
    return tuple(parts) or (question,)


def _sentences(text: str) -> list[str]:
    made: list[str] = []
    for sentence in _SENTENCE.split(text):
        if made and (len(sentence.split()) < LEAST_WORDS or len(made[-1].split()) < LEAST_WORDS):
            made[-1] += " " + sentence
        else:
            made.append(sentence)
    return made


class Asked(NamedTuple):
    """What a question asks, and the share of each ask that each part has."""

    asks: tuple[str, ...]
    shares: NDArray[np.float64]

    @property
    def share_of_texts(self) -> float:
        """The probability that texts answer one of the asks."""
        return float(self.shares[:, TEXTS].max(initial=0.0))

    def of_texts(self) -> str:
        """Return the asks that texts may answer, as one question."""
        share = self.shares[:, TEXTS]
        least = min(LEAST_SHARE, float(share.max(initial=0.0)))
        return "\n\n".join(ask for ask, own in zip(self.asks, share, strict=True) if own >= least)


class Holdings(NamedTuple):
    """What a part has: texts, among them the best for each ask, and the share with each word.

    `shares` are of all texts of the part, and None if these are all.
    """

    texts: list[str]
    shares: NDArray[np.float64] | None = None


def words_of(asks: Sequence[str]) -> list[list[str]]:
    """Return the different words of each ask that say something."""
    found = []
    for ask in asks:
        words = (word for word in _WORD.findall(ask[:LONGEST_ASK].lower()) if word not in STOP)
        found.append(list(dict.fromkeys(words)))
    return found


def features(
    asks: Sequence[str],
    words: Sequence[Sequence[str]],
    parts: Sequence[Holdings | None],
    chances: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the features of every ask and part.

    Args:
        asks: what is asked.
        words: of each ask, as `words_of` returns them.
        parts: what each part has; None for a part that the request does not have.
        chances: the probability of each tool, a row for each ask.
    """
    made = np.zeros((len(asks), len(parts), len(FEATURES)))
    covered = _covered(words, parts)
    best = np.clip(chances.max(axis=1, initial=0.0), 1e-4, 1 - 1e-4)
    made[:, TOOLS, 2] = np.log(best / (1 - best))
    for p in range(len(parts)):
        made[:, p, 0] = covered[:, p]
        made[:, p, 1] = covered[:, p] - np.delete(covered, p, axis=1).max(axis=1, initial=0.0)
    for a, ask in enumerate(asks):
        made[a, HISTORY, 3] = bool(_PERSON.search(ask))
        made[a, HISTORY, 4] = bool(_RECALLS.search(ask))
        made[a, HISTORY, 5] = read_question(ask).kind in ("order", "summary")
        made[a, TOOLS, 6] = bool(words[a]) and stem(words[a][0]) in ACTIONS
        made[a, TOOLS, 7] = ask.endswith("?")
    return made


def _covered(
    words: Sequence[Sequence[str]], parts: Sequence[Holdings | None]
) -> NDArray[np.float64]:
    """Return how much of each ask the best text of each part has, by the rarity of the words.

    A word is as rare as the parts say on the mean, however many texts each has.
    """
    every = list(dict.fromkeys(word for own in words for word in own))
    made = np.zeros((len(words), len(parts)))
    held: dict[int, NDArray[np.bool_]] = {}
    shares = []
    for p, part in enumerate(parts):
        if part is None or not every:
            continue
        held[p] = (
            _native.bm25(part.texts, every) > 0
            if part.texts
            else np.zeros((1, len(every)), dtype=np.bool_)
        )
        own = (0.5 + held[p].sum(axis=0)) / (len(part.texts) + 1)
        shares.append(own if part.shares is None else part.shares)
    if not shares:
        return made
    rarity = -np.log(np.clip(np.mean(shares, axis=0), 1e-3, 1.0))
    place = {word: i for i, word in enumerate(every)}
    for a, own in enumerate(words):
        of = [place[word] for word in own]
        total = float(rarity[of].sum()) or 1.0
        for p, has in held.items():
            made[a, p] = float((has[:, of] @ rarity[of]).max(initial=0.0)) / total
    return made


def divided(made: NDArray[np.float64], present: Sequence[bool]) -> NDArray[np.float64]:
    """Return the share of each ask that each part has, by the features; absent parts have none."""
    there = np.array(present, dtype=np.bool_)
    count = int(there.sum())
    if not count:
        return np.zeros(made.shape[:2])
    weights = np.array(
        [[values.ASKS[part].get(name, 0.0) for name in FEATURES] for part in COLUMNS]
    )
    bias = np.array([values.ASKS[part]["bias"] for part in COLUMNS])
    odds = np.einsum("apf,pf->ap", made, weights) + bias
    odds = np.where(there, odds, -np.inf)
    share = np.exp(odds - odds.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    doubt = min(values.DOUBT, 1 / count)
    return np.asarray(np.where(there, doubt + (1 - count * doubt) * share, 0.0), dtype=np.float64)
