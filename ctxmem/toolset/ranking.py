"""Rank tools by a question and by what was called before: the probability that each is needed.

Words of a tool count by their field (its name, the first sentence of its description, the rest, its
parameters, its enums) and by their rarity among the given tools: BM25F (Robertson, Zaragoza &
Taylor, CIKM 2004). A logistic model turns this, what the question says of the tool's server,
whether it asks for something that the tool reads, and the last calls into a probability.
`bench/fit_tools.py` fits it.
"""

from __future__ import annotations

import itertools
import math
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.errors import InputTypeError, a_type
from ctxmem.toolset.forms import Tool, brief, read_tools
from ctxmem.toolset.phrases import meant
from ctxmem.toolset.words import (
    ACTIONS,
    READING,
    RELATED,
    asks_something,
    shapes,
    split,
    stem,
    stems,
)

FIELDS = {"name": 3.0, "brief": 2.0, "rest": 0.7, "parameter": 0.8, "about": 0.4, "value": 0.8}
"""Weights of a word by where it is in a tool."""

RELATED_WEIGHT = 0.5
"""Weight of a word of the same meaning as one of the question."""

MEANT_WEIGHT = 0.5
"""Weight of a word that an everyday word or phrase of the question means."""

K1, B = 1.2, 0.4
HALF_LIFE = 4.0
"""Calls after which a call counts half."""

FEATURES = (
    *("bias", "score", "relative", "rank", "name", "name_covered", "asked_by_name"),
    *("server", "server_named", "used", "server_used", "same_thing"),
    *("server_best", "in_server", "server_rank", "used_best", "used_rank"),
    *("reads", "asked_reads", "done_writes", "brief_covered", "doing"),
)
WEIGHTS = (
    *(-7.577, 1.654, 0.789, -0.165, 0.075, 2.251, 4.000),
    *(0.603, -0.052, 0.000, 5.031, 0.279),
    *(0.356, 0.460, 0.102, -0.726, -1.327),
    *(-0.603, 1.202, -0.450, 1.681, -0.752),
)
"""Weights of the features, in their order, as `bench/fit_tools.py` writes them."""

_DEEPEST = 40
_MOST_WORDS = 5_000  # of one tool
_MOST_ASKED = 400  # different words of a question; the first and the last of a longer one
_READ = 20_000  # characters of a question that are looked at for addresses and the like
_RECENT = 32  # calls that are looked at
_MOST_SENTENCES = 12  # of a question, that are ranked by themselves
_BETWEEN = re.compile(r"(?<=[.?!])\s+|\n+")


def rank_tools(
    question: str, tools: Iterable[Any], *, recent: Sequence[str] = ()
) -> NDArray[np.float64]:
    """Return the probability of each tool that it is needed to answer a question.

    Of a question of several sentences each is ranked by itself too, and the best counts.

    Args:
        question: the question or the task of the next step; "" if there is none.
        tools: schemas, frameworks' tools, or what `read_tools` returned.
        recent: the names of the tools that were called, the last call last.

    >>> tools = [{"name": "get_weather", "description": "Forecast for a city."}, {"name": "pay"}]
    >>> p = rank_tools("Will it rain in Oslo?", tools)
    >>> bool(p[0] > p[1])
    True

    Raises:
        InputTypeError: the question is no str, or a tool is nothing that a tool can be.
        InputError: a tool has no name, the name of another, or cannot be written as JSON.
    """
    given = read_tools(tools)
    index = _index_for(question, given, recent)
    calls = index.recent_columns(recent)
    found = _chance(index.rows(question, calls))
    for sentence in sentences(question):
        found = np.maximum(found, _chance(index.rows(sentence, calls)))
    return found


def _chance(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    logits = matrix @ np.asarray(WEIGHTS)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30))))


def sentences(question: str) -> list[str]:
    """Return the sentences of a question that asks several things, [] if it is one sentence.

    Words of the other sentences lower the scores of the tools that one of them needs.
    """
    found = [one for one in _BETWEEN.split(question[:_READ]) if one and not one.isspace()]
    return found[:_MOST_SENTENCES] if len(found) > 1 else []


def features(
    question: str, tools: Iterable[Any], *, recent: Sequence[str] = ()
) -> NDArray[np.float64]:
    """Return a row of `FEATURES` for each tool; `rank_tools` has the arguments."""
    index = _index_for(question, read_tools(tools), recent)
    return index.rows(question, index.recent_columns(recent))


def _index_for(question: str, tools: Sequence[Tool], recent: Sequence[str]) -> ToolIndex:
    """Return the index of tools, for a question and calls of a known type."""
    if not isinstance(question, str):
        raise InputTypeError(f"question is {a_type(question)}; expected a str")
    if isinstance(recent, str | bytes):
        raise InputTypeError("recent is a str; expected the names of tools in a list")
    return index_of(tools)


# The index ----------------------------------------------------------------------------------------


class _Words(NamedTuple):
    """What is known of one tool by itself."""

    weights: dict[str, float]  # stem -> weight by fields
    length: float
    named: tuple[str, ...]  # the stems of the name
    brief: tuple[str, ...]  # the stems of what its description begins with
    name: str  # of small letters without separators


class ToolIndex:
    """The words of a set of tools."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = tuple(tools)
        known = [_words_of(tool) for tool in tools]
        n = len(known)
        mean = sum(one.length for one in known) / max(1, n) or 1.0
        postings: dict[str, list[tuple[int, float]]] = {}
        for i, one in enumerate(known):
            norm = 1 - B + B * one.length / mean
            for word, weight in one.weights.items():
                postings.setdefault(word, []).append((i, weight / norm))
        self.postings = {
            word: (
                np.array([i for i, _ in held], dtype=np.intp),
                np.array([w * (K1 + 1) / (w + K1) for _, w in held]),
                math.log(1 + (n - len(held) + 0.5) / (len(held) + 0.5)),
            )
            for word, held in postings.items()
        }
        self.servers, self.server_of = _servers([tool.name for tool in tools])
        sizes = np.bincount(self.server_of, minlength=len(self.servers)) if n else np.zeros(0)
        self.server_sizes = np.maximum(sizes, 1)
        self.named: dict[str, list[int]] = {}
        self.name_mass = np.full(n, 1e-9)
        self.things: list[frozenset[str]] = []
        for i, one in enumerate(known):
            prefix = self.servers[self.server_of[i]]
            own = dict.fromkeys(word for word in one.named if word not in prefix) or dict.fromkeys(
                one.named
            )
            for word in own:
                self.named.setdefault(word, []).append(i)
                self.name_mass[i] += self._rarity(word)
            self.things.append(frozenset(own) - ACTIONS)
        self.reading = np.array([float(bool(READING.intersection(one.named))) for one in known])
        self.doing = [tuple(ACTIONS.intersection(one.named)) for one in known]
        self.briefs = [{word: self._rarity(word) for word in one.brief} for one in known]
        self.brief_mass = [1e-9 + sum(one.values()) for one in self.briefs]
        self.places = {tool.name: i for i, tool in enumerate(tools)}
        self.plain = [one.name for one in known]

    def _rarity(self, word: str) -> float:
        held = self.postings.get(word)
        return held[2] if held else math.log(1 + 2 * len(self.tools) + 1)

    def rows(self, question: str, calls: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the features of every tool; `calls` are what `recent_columns` returned."""
        n = len(self.tools)
        made = np.zeros((n, len(FEATURES)))
        if not n:
            return made
        asked = _asked(question)
        score, name = np.zeros(n), np.zeros(n)
        mass = 1e-9
        for word, weight in asked.items():
            held = self.postings.get(word)
            if held is None:
                continue
            places, share, rarity = held
            mass += weight * rarity
            score[places] += weight * rarity * share
            if word in self.named:
                name[self.named[word]] += weight * rarity
        top = float(score.max()) or 1.0
        relative = score / top
        made[:, 0] = 1.0
        made[:, 1] = score / math.sqrt(mass) / 2
        made[:, 2] = relative
        made[:, 3] = np.log1p(_places(score))
        made[:, 4] = np.minimum(name / mass, 1.0)
        made[:, 5] = np.minimum(name / self.name_mass, 1.0)
        made[:, 6] = self.named_in(question)
        groups = len(self.servers)
        mean = np.bincount(self.server_of, relative, minlength=groups) / self.server_sizes
        made[:, 7] = (mean / max(1e-9, float(mean.max())))[self.server_of]
        mentioned = [bool(prefix) and prefix <= asked.keys() for prefix in self.servers]
        made[:, 8] = np.array(mentioned, dtype=float)[self.server_of]
        made[:, 9:12], made[:, 19] = calls[:, :3], calls[:, 3]
        self._add_within(made, score)
        self._add_doing(made, asked, asks_something(question[:_READ]))
        return made

    def _add_within(self, made: NDArray[np.float64], score: NDArray[np.float64]) -> None:
        """Add how a tool compares with the others of its server, and its server with others."""
        best = np.zeros(len(self.servers))
        np.maximum.at(best, self.server_of, score)
        own = best[self.server_of]
        made[:, 12] = own / max(1e-9, float(best.max()))
        made[:, 13] = score / np.maximum(1e-9, own)
        made[:, 14] = np.log1p(_places_within(self.server_of, score))
        made[:, 15] = made[:, 10] * made[:, 13]
        made[:, 16] = made[:, 10] * made[:, 14]

    def _add_doing(self, made: NDArray[np.float64], asked: Mapping[str, float], asks: bool) -> None:
        """Add whether a tool reads or writes, and whether the question does."""
        made[:, 17] = self.reading
        made[:, 18] = self.reading if asks else -self.reading
        for i, one in enumerate(self.briefs):
            found = sum(asked[word] * rarity for word, rarity in one.items() if word in asked)
            made[i, 20] = found / self.brief_mass[i]
        for i, words in enumerate(self.doing):
            made[i, 21] = max((asked[word] for word in words if word in asked), default=0.0)

    def named_in(self, question: str) -> NDArray[np.bool_]:
        """Return for each tool whether the question has its name in full."""
        found = np.zeros(len(self.tools), dtype=bool)
        for token in re.split(r"[\s,;]+", question):
            place = self.places.get(token.strip("`'\"().,:;!?[]"))
            if place is not None:
                found[place] = True
        return found

    def recent_columns(self, recent: Sequence[str]) -> NDArray[np.float64]:
        """Return the features of every tool from the last calls: three, and `done_writes`."""
        made = np.zeros((len(self.tools), 4))
        calls = [self.places[name] for name in recent[-_RECENT:] if name in self.places]
        things: dict[str, float] = {}
        for ago, place in enumerate(reversed(calls)):
            weight = 0.5 ** (ago / HALF_LIFE)
            made[place, 0] = max(made[place, 0], weight)
            beside = self.server_of == self.server_of[place]
            made[beside, 1] = np.maximum(made[beside, 1], weight)
            for word in self.things[place]:
                things.setdefault(word, weight)
        for word, weight in things.items():
            same = self.named.get(word, [])
            made[same, 2] = np.maximum(made[same, 2], weight)
        last = next((self.places[one] for one in reversed(recent) if one in self.places), None)
        if last is not None:
            made[:, 3] = self.reading[last] * (1 - self.reading)
        return made


def _places(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the place of each value, the largest first, from 0; equal values share a place."""
    return np.asarray(np.searchsorted(np.sort(-values), -values), dtype=np.intp)


def _places_within(groups: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the place of each value in its group; equal values share one."""
    order = np.lexsort((-values, groups))
    group, value = groups[order], values[order]
    count = np.arange(len(order))
    new = np.ones(len(order), dtype=bool)  # begins a run of equal values
    new[1:] = (group[1:] != group[:-1]) | (value[1:] != value[:-1])
    places = np.empty(len(order), dtype=np.intp)
    first = np.searchsorted(group, group)
    places[order] = np.maximum.accumulate(np.where(new, count, 0)) - first
    return places


_indexes: dict[tuple[int, ...], ToolIndex] = {}
_KEPT_INDEXES = 8
_lock = threading.Lock()


def index_of(tools: Sequence[Tool]) -> ToolIndex:
    """Return the index of these tools, made anew only if it is not one of the last few."""
    key = tuple(map(id, tools))  # an index holds its tools, so no other object has their ids
    found = _indexes.get(key)
    if found is None:
        found = ToolIndex(tools)
        with _lock:
            while len(_indexes) >= _KEPT_INDEXES:
                _indexes.pop(next(iter(_indexes)))
            _indexes[key] = found
    return found


def _asked(question: str) -> dict[str, float]:
    """Return the stems of a question and of words of the same meaning, with their weights."""
    found = [*dict.fromkeys(stems(question))]
    if len(found) > _MOST_ASKED:
        found = found[: _MOST_ASKED // 2] + found[-_MOST_ASKED // 2 :]
    asked = dict.fromkeys(found, 1.0)
    for word in shapes(question[:_READ]):
        asked.setdefault(word, RELATED_WEIGHT)
    related = [other for word in found for other in RELATED.get(word, ())]
    for words, weight in ((meant(question[:_READ]), MEANT_WEIGHT), (related, RELATED_WEIGHT)):
        for word in words:
            if asked.get(word, 0.0) < weight:
                asked[word] = weight
    return asked


_words: dict[int, tuple[Tool, _Words]] = {}
_KEPT_WORDS = 4096


def _words_of(tool: Tool) -> _Words:
    held = _words.get(id(tool))
    if held is not None and held[0] is tool:
        return held[1]
    made = _read_words(tool)
    with _lock:
        if len(_words) >= _KEPT_WORDS:
            _words.clear()
        _words[id(tool)] = (tool, made)
    return made


def _read_words(tool: Tool) -> _Words:
    named = [made for part in split(tool.name) if (made := stem(part))]
    short = brief(tool.description)
    found: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    found["name"].update(named)
    found["brief"].update(stems(short))
    found["rest"].update(stems(tool.description[: 10 * _MOST_WORDS]))
    found["rest"].subtract(found["brief"])
    if tool.parameters is not None:
        _add_schema(tool.parameters, found, _MOST_WORDS)
    weights: dict[str, float] = {}
    for field, weight in FIELDS.items():
        for word, count in found[field].items():
            if count > 0:
                weights[word] = weights.get(word, 0.0) + weight * min(count, 3)
    length = math.sqrt(1 + sum(weights.values()))
    return _Words(
        weights, length, tuple(named), tuple(dict.fromkeys(stems(short))), tool.name.lower()
    )


def _add_schema(schema: Mapping[str, Any], found: dict[str, Counter[str]], most: int) -> None:
    """Add the words of a JSON schema: names, descriptions and values of its properties."""
    waiting: list[tuple[Any, int]] = [(schema, 0)]
    while waiting and most > 0:
        one, depth = waiting.pop()
        if isinstance(one, list):
            waiting += [(inner, depth) for inner in one if isinstance(inner, Mapping)]
            most -= len(one)
            continue
        if not isinstance(one, Mapping) or depth > _DEEPEST:
            continue
        description = one.get("description")
        if isinstance(description, str) and depth:
            words = stems(description[: 10 * most])
            found["about"].update(words)
            most -= len(words)
        values = one.get("enum")
        if isinstance(values, list):
            for value in values[:most]:
                if isinstance(value, str):
                    found["value"].update(made for part in split(value) if (made := stem(part)))
            most -= len(values)
        for field in ("properties", "$defs", "definitions"):
            named = one.get(field)
            if isinstance(named, Mapping):
                for name, inner in itertools.islice(named.items(), most):
                    if field == "properties":
                        parts = split(str(name))
                        found["parameter"].update(made for part in parts if (made := stem(part)))
                    waiting.append((inner, depth + 1))
                most -= len(named)
        waiting += [
            (one[field], depth + 1)
            for field in ("items", "anyOf", "oneOf", "allOf", "additionalProperties")
            if isinstance(one.get(field), Mapping | list)
        ]


# Servers ------------------------------------------------------------------------------------------


_SEPARATORS = ("__", ".", "/", ":")


def server_of(name: str) -> str:
    """Return the part of a name that may be its server's, such as `mcp__git__`; "" if none is."""
    for separator in _SEPARATORS:
        if separator in name.strip(separator):
            return name[: name.rindex(separator) + len(separator)]
    head, mark, _ = name.partition("_")
    if not mark:
        head, mark, _ = name.partition("-")
    return head + mark if mark and head else ""


def prefixes(names: Sequence[str]) -> list[str]:
    """Return the server's prefix of each name, "" where it has none.

    A first word counts as a server if several tools begin with it and it is no verb.
    """
    found = [server_of(name) for name in names]
    shared = Counter(found)
    return [
        one if shared[one] > 1 and stem(one.strip("_-./:")) not in ACTIONS else "" for one in found
    ]


def _servers(names: Sequence[str]) -> tuple[list[frozenset[str]], NDArray[np.intp]]:
    """Return the stems of each server's name, and the server of each tool."""
    places: dict[str, int] = {}
    server = [places.setdefault(prefix, len(places)) for prefix in prefixes(names)]
    words = [frozenset(made for part in split(one) if (made := stem(part))) for one in places]
    return [one - {"mcp"} for one in words], np.array(server, dtype=np.intp)
