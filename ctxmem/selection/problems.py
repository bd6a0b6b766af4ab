"""Packing problems as data: read, check, solve and explain them.

A problem is a mapping (or its JSON) in the format ``ctxmem-pack/1``; all numbers are integers::

    {"format": "ctxmem-pack/1",
     "budget": 2000,                        # tokens for everything that is emitted
     "sep": 2,                              # tokens added to every chosen item and open header
     "items": [                             # at most one option of each is chosen
       {"id": 0,                            # its position
        "options": [{"t": 310, "v": 900, "c": [0, 2]},   # tokens, value, concepts it covers
                    {"t": 80, "v": 500, "label": "extract"}],
        "section": "docs",                  # or null
        "pin": null,                        # "any": must be in; a number: with that option
        "needs": [3]}],                     # in only if these are in
     "groups": [[0, 4]],                    # near-duplicates: at most one of each group
     "together": [[1, 2]],                  # all or none (a tool call and its results)
     "sections": [{"id": "docs", "parent": null, "min": 0, "max": 1200, "header": 6}],
     "redundancy": [[0, 5, 150]],           # value lost when both are in
     "concepts": [400, 250, 90],            # value of each concept that is covered
     "prefix": {"order": [2, 1], "bonus": [60, 40]}}   # gained while items up to it keep option 0

The tokens of a section are those of all items below it, separators and open headers included.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.errors import BudgetError, InputError, InputTypeError, a_type

FORMAT = "ctxmem-pack/1"
LARGEST = 2**40  # token counts and values
LARGEST_BUDGET = 2**31

Status = Literal["optimal", "gap", "infeasible", "unknown"]
Arrays = dict[str, NDArray[np.int64]]

_KEYS = frozenset(
    [
        "format",
        "budget",
        "sep",
        "items",
        "groups",
        "together",
        "sections",
        "redundancy",
        "concepts",
        "prefix",
    ]
)
_NOTES = frozenset(["name", "kind", "seed", "status", "optimum", "solution", "proof"])  # for people
_ITEM_KEYS = frozenset(["id", "options", "section", "pin", "needs"])
_OPTION_KEYS = frozenset(["t", "v", "c", "label"])
_SECTION_KEYS = frozenset(["id", "parent", "min", "max", "header"])


@dataclass(frozen=True, slots=True)
class Solution:
    """The outcome of `solve`.

    `status` is ``"optimal"`` (proved), ``"gap"`` (no packing has a value above `upper_bound`),
    ``"infeasible"`` (proved; see `conflict`) or ``"unknown"`` (no packing was found in time).
    """

    choose: Mapping[int, int]  # item id -> option
    value: int | None
    upper_bound: int | None
    status: Status
    prices: Mapping[str | None, float]  # value of one more token, by section; None: overall
    conflict: tuple[str, ...] = field(default=())  # conflicting constraints, as few as found

    @property
    def gap(self) -> float | None:
        """Largest possible distance of the value from the optimum, as a share of the bound."""
        if self.value is None or self.upper_bound is None:
            return None
        return (self.upper_bound - self.value) / max(1, abs(self.upper_bound))


def solve(
    problem: Mapping[str, Any] | str | os.PathLike[str],
    *,
    time_limit: float | None = 10.0,
    gap: float = 0.0,
    states: int = 200_000,
) -> Solution:
    """Choose the options with the greatest value that satisfy all constraints of a problem.

    The answer is proved optimal, or comes with an upper bound that no packing exceeds. It depends
    on the problem alone, unless the time limit ends the search.

    Arguments:
        problem: a mapping in the format of this module, its JSON, or the path of a JSON file.
        time_limit: seconds after which the best packing so far is returned; None for no limit.
        gap: stop when the value is within this share of the bound, for example 0.005.
        states: maximum number of partial packings kept at a time; bounds memory.

    Raises:
        InputError: the problem or an argument cannot be used; the message says which part.
        InputTypeError: the problem or an argument has the wrong type.
        BudgetError: the budget is not a number of tokens from 0 to 2**31.

    >>> solve({"budget": 80, "items": [
    ...     {"id": 0, "options": [{"t": 60, "v": 100}, {"t": 30, "v": 80}]},
    ...     {"id": 1, "options": [{"t": 50, "v": 90}]}]}).choose
    {0: 1, 1: 0}
    """
    limits = _limits(time_limit, gap, states)
    read = _read(problem)
    try:
        found = _packing(read.arrays, read.budget, read.sep, limits)
    except ValueError as error:
        raise InputError(f"the problem cannot be solved as given: {error}") from error
    if found.status == "infeasible":
        return Solution({}, None, None, "infeasible", {}, tuple(_conflict(read, limits)))
    prices: dict[str | None, float] = {None: found.price}
    prices.update(zip(read.sections, found.section_prices.tolist(), strict=True))
    if not found.found:
        return Solution({}, None, found.upper_bound, "unknown", prices)
    choose = {int(i): int(found.chosen[i]) for i in np.flatnonzero(found.chosen >= 0)}
    return Solution(choose, found.value, found.upper_bound, found.status, prices)


def _packing(arrays: Arrays, budget: int, sep: int, limits: dict[str, Any]) -> _native.Solution:
    arguments: dict[str, Any] = {**arrays, "budget": budget, "separator": sep, **limits}
    return _native.solve_packing(**arguments)


def explain(problem: Mapping[str, Any] | str | os.PathLike[str], solution: Solution) -> list[str]:
    """Explain in one sentence per item why it is in or out, and where more budget would help.

    The sentences use the prices of the solution: an option pays for its tokens if its value is
    above tokens times price.
    """
    read = _read(problem)
    if solution.status == "infeasible":
        return ["no packing exists; these constraints conflict:", *solution.conflict]
    kept: dict[int, int | None] = {}  # for each item of a group, the one that is in
    for group in read.lists["group"]:
        kept |= dict.fromkeys(group, next((i for i in group if i in solution.choose), None))
    sentences = [
        _explain_item(read, item, solution, kept.get(item)) for item in range(len(read.items))
    ]
    overall = solution.prices.get(None, 0.0)
    if overall > 0:
        sentences.append(f"one more token of budget adds about {overall:,.4g}")
    for name, section in read.sections.items():
        price = solution.prices.get(name, overall)
        above = solution.prices.get(section["parent"], overall)
        if price > above:
            sentences.append(
                f"section {name!r} is held at its maximum of {section['max']:,} tokens: one more "
                f"adds about {price:,.4g} there, {above:,.4g} around it"
            )
        elif price < above:
            sentences.append(
                f"section {name!r} is held at its minimum of {section['min']:,} tokens: the last "
                f"one adds about {price:,.4g} there, {above:,.4g} around it"
            )
    return sentences


def _explain_item(read: _Read, item: int, solution: Solution, kept: int | None) -> str:
    record = read.items[item]
    price = solution.prices.get(record.get("section"), 0.0)
    option = solution.choose.get(item)
    if option is not None:
        tokens, value = read.option(item, option)
        pinned = ", pinned" if record.get("pin") is not None else ""
        return (
            f"item {item}: in with option {option}{pinned}: {tokens:,} tokens at {price:,.4g} a "
            f"token cost {tokens * price:,.0f}, value {value:,}"
        )
    if kept is not None:
        return f"item {item}: out: item {kept} of the same group is in"
    missing = [need for need in record.get("needs", ()) if need not in solution.choose]
    if missing:
        return f"item {item}: out: it needs item {missing[0]}, which is out"
    options = [read.option(item, o) for o in range(len(record["options"]))]
    if not options:
        return f"item {item}: out: it has no option"
    tokens, value = max(options, key=lambda option: option[1] - option[0] * price)
    cost = tokens * price
    verdict = "cost more than its value" if cost > value else "do not fit beside the others, value"
    return (
        f"item {item}: out: {tokens:,} tokens at {price:,.4g} a token ({cost:,.0f}) "
        f"{verdict} {value:,}"
    )


# --- reading ---


@dataclass(frozen=True, slots=True)
class _Read:
    """A problem that has been checked, and its flat arrays."""

    budget: int
    sep: int
    items: Sequence[Mapping[str, Any]]
    sections: Mapping[str, Mapping[str, Any]]
    lists: Mapping[str, list[list[int]]]
    arrays: Arrays

    def option(self, item: int, option: int) -> tuple[int, int]:
        at = int(self.arrays["starts"][item]) + option
        return int(self.arrays["tokens"][at]) + self.sep, int(self.arrays["values"][at])


def _read(problem: Mapping[str, Any] | str | os.PathLike[str]) -> _Read:
    record = _record(problem)
    _known_keys(record, _KEYS | _NOTES, "problem")
    if record.get("format", FORMAT) != FORMAT:
        raise InputError(f"problem: format is {record['format']!r}; this reads {FORMAT!r}")
    for key in ("budget", "items"):
        if key not in record:
            raise InputError(f"problem: {key!r} is missing; it must be given")
    budget = record["budget"]
    if isinstance(budget, bool) or not hasattr(budget, "__index__"):
        raise BudgetError(f"budget is {budget!r}; it must be a whole number of tokens")
    if not 0 <= budget <= LARGEST_BUDGET:
        raise BudgetError(f"budget is {budget:,} tokens; it must be 0 to 2**31")
    sep = _integer(record.get("sep", 0), "sep", 0)

    items = _sequence(record["items"], "items")
    sections = _read_sections(_sequence(record.get("sections", ()), "sections"))
    concepts = _integers(record.get("concepts", ()), "concepts", 0)
    numbers = {name: number for number, name in enumerate(sections)}
    tokens: list[int] = []
    values: list[int] = []
    covers: list[list[int]] = []
    starts, section, pin, needs = [0], [], [], []
    for i, item in enumerate(items):
        where = f"items[{i}]"
        _known_keys(_mapping(item, where), _ITEM_KEYS, where)
        if item.get("id", i) != i:
            raise InputError(f"{where}: id is {item['id']!r}; an item's id is its position, {i}")
        for o, option in enumerate(_sequence(item.get("options"), f"{where}.options")):
            at = f"{where}.options[{o}]"
            _known_keys(_mapping(option, at), _OPTION_KEYS, at)
            tokens.append(_integer(option.get("t"), f"{at}.t", 1))
            values.append(_integer(option.get("v"), f"{at}.v", -LARGEST))
            covers.append(_indices(option.get("c") or (), f"{at}.c", len(concepts), "concept"))
        starts.append(len(tokens))
        name = item.get("section")
        if name is not None and name not in numbers:
            raise InputError(f"{where}: section is {name!r}; there is no such section")
        section.append(-1 if name is None else numbers[name])
        pin.append(_read_pin(item.get("pin"), len(item["options"]), where))
        for need in _indices(item.get("needs") or (), f"{where}.needs", len(items), "item"):
            needs += [i, need]

    groups = _item_lists(record.get("groups") or (), "groups", len(items))
    members = Counter(itertools.chain.from_iterable(dict.fromkeys(group) for group in groups))
    twice = next((item for item, count in members.items() if count > 1), None)
    if twice is not None:
        raise InputError(f"groups: item {twice} is in two groups; join them, or take it out of one")
    together = _item_lists(record.get("together") or (), "together", len(items))
    redundancy = _read_redundancy(record.get("redundancy") or (), len(items))
    prefix = _mapping(record.get("prefix") or {"order": (), "bonus": ()}, "prefix")
    _known_keys(prefix, frozenset(("order", "bonus")), "prefix")
    order = _indices(prefix.get("order", ()), "prefix.order", len(items), "item")
    bonus = _integers(prefix.get("bonus", ()), "prefix.bonus", 0)
    if len(order) != len(bonus):
        raise InputError(
            f"prefix: order has {len(order)} items and bonus {len(bonus)}; give one bonus per item"
        )
    if len(set(order)) != len(order):
        raise InputError("prefix: order names an item twice; list each item once")

    arrays = {
        "starts": _array(starts),
        "tokens": _array(tokens),
        "values": _array(values),
        "section": _array(section),
        "pin": _array(pin),
        "needs": _array(needs),
        "section_parent": _array(
            -1 if s["parent"] is None else numbers[s["parent"]] for s in sections.values()
        ),
        "section_min": _array(s["min"] for s in sections.values()),
        "section_max": _array(s["max"] for s in sections.values()),
        "section_header": _array(s["header"] for s in sections.values()),
        "redundancy": _array(redundancy),
        "concepts": _array(concepts),
        "prefix": _array(order),
        "bonus": _array(bonus),
    }
    arrays["group_starts"], arrays["group_items"] = _flat(groups)
    arrays["together_starts"], arrays["together_items"] = _flat(together)
    if concepts:
        arrays["cover_starts"], arrays["cover_concepts"] = _flat(covers)
    lists = {"group": groups, "together": together}
    return _Read(int(budget), sep, items, sections, lists, arrays)


def _record(problem: Mapping[str, Any] | str | os.PathLike[str]) -> Mapping[str, Any]:
    if isinstance(problem, Mapping):
        return problem
    if isinstance(problem, str) and problem.lstrip().startswith("{"):
        text, where = problem, "the text"
    elif isinstance(problem, (str, os.PathLike)):
        where = os.fspath(problem)
        try:
            text = Path(problem).read_text("utf-8")
        except (OSError, ValueError) as error:
            raise InputError(f"problem {where!r} cannot be read: {error}") from error
    else:
        raise InputTypeError(f"problem is {a_type(problem)}; give a mapping, its JSON or a path")
    try:
        return _mapping(json.loads(text), "problem")
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where} is not valid JSON: {error}") from error


def _read_sections(records: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    sections: dict[str, Mapping[str, Any]] = {}
    for k, record in enumerate(records):
        where = f"sections[{k}]"
        _known_keys(_mapping(record, where), _SECTION_KEYS, where)
        name = record.get("id")
        if not isinstance(name, str):
            raise InputTypeError(f"{where}: id is {name!r}; it must be a string")
        if name in sections:
            raise InputError(f"{where}: id {name!r} is taken by an earlier section; rename one")
        sections[name] = {
            "parent": record.get("parent"),
            "min": _integer(record.get("min", 0), f"{where}.min", 0),
            "max": _integer(record.get("max", LARGEST), f"{where}.max", 0),
            "header": _integer(record.get("header", 0), f"{where}.header", 0),
        }
    for name, section in sections.items():
        parent = section["parent"]
        if parent is not None and parent not in sections:
            raise InputError(f"section {name!r}: parent is {parent!r}; there is no such section")
    rooted: set[str | None] = {None}  # sections from which a path leads to the top
    for name in sections:
        path: dict[str, None] = {}
        above: str | None = name
        while above is not None and above not in rooted:
            if above in path:
                raise InputError(f"section {above!r} lies within itself; sections must form a tree")
            path[above] = None
            above = sections[above]["parent"]
        rooted.update(path)
    return sections


def _read_pin(pin: Any, options: int, where: str) -> int:
    if pin is None:
        return -2
    if pin == "any":
        return -1
    if isinstance(pin, str) or not hasattr(pin, "__index__") or isinstance(pin, bool):
        raise InputTypeError(f'{where}: pin is {pin!r}; it must be null, "any" or an option number')
    if not 0 <= pin < options:
        raise InputError(f"{where}: pin is option {pin}; the item has {options} options, from 0")
    return operator.index(pin)


def _read_redundancy(records: Any, items: int) -> list[int]:
    flat: list[int] = []
    for k, record in enumerate(_sequence(records, "redundancy")):
        where = f"redundancy[{k}]"
        if len(_sequence(record, where)) != 3:
            raise InputError(f"{where} has {len(record)} entries; it must be [item, item, penalty]")
        pair = _indices(record[:2], where, items, "item")
        if pair[0] == pair[1]:
            raise InputError(f"{where} pairs item {pair[0]} with itself; it must name two items")
        flat += [*pair, _integer(record[2], f"{where} penalty", 0)]
    return flat


def _known_keys(record: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = [key for key in record if key not in known]
    if unknown:
        raise InputError(f"{where} has {unknown[0]!r}; it may have: {', '.join(sorted(known))}")


def _wrong_type(value: Any, where: str, expected: str) -> NoReturn:
    raise InputTypeError(f"{where} is {a_type(value)}; it must be {expected}")


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        _wrong_type(value, where, "an object")
    return value


def _sequence(value: Any, where: str) -> Sequence[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        _wrong_type(value, where, "a list")
    return value


def _integer(value: Any, where: str, low: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        _wrong_type(value, where, "a whole number")
    number = operator.index(value)
    if not low <= number <= LARGEST:
        raise InputError(f"{where} is {number:,}; it must be {low:,} to {LARGEST:,}")
    return number


def _integers(values: Any, where: str, low: int) -> list[int]:
    return [_integer(v, f"{where}[{k}]", low) for k, v in enumerate(_sequence(values, where))]


def _indices(values: Any, where: str, count: int, noun: str) -> list[int]:
    indices = []
    for value in _sequence(values, where):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            _wrong_type(value, f"{where}: {value!r}", f"the number of an {noun}")
        if not 0 <= value < count:
            raise InputError(f"{where}: there is no {noun} {value}; there are {count}, from 0")
        indices.append(operator.index(value))
    return indices


def _item_lists(lists: Any, where: str, items: int) -> list[list[int]]:
    return [
        _indices(list_, f"{where}[{k}]", items, "item")
        for k, list_ in enumerate(_sequence(lists, where))
    ]


def _array(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(numbers, dtype=np.int64)


def _flat(lists: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts = itertools.accumulate((len(list_) for list_ in lists), initial=0)
    return _array(starts), _array(itertools.chain.from_iterable(lists))


def _limits(time_limit: float | None, gap: float, states: int) -> dict[str, Any]:
    for name, value in (("time_limit", time_limit or 0), ("gap", gap)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            _wrong_type(value, name, "a number")
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit is {time_limit!r}; give seconds above 0, or None for none")
    if not gap >= 0:
        raise InputError(f"gap is {gap!r}; it must be a share of the bound, 0 or more")
    return {
        "time_limit": 0.0 if time_limit is None else float(time_limit),
        "gap": float(gap),
        "states": _integer(states, "states", 1),
    }


# --- conflicts ---


def _conflict(read: _Read, limits: dict[str, Any]) -> list[str]:
    """Return a minimal set of constraints that conflict: without any of them a packing exists.

    QuickXplain (Junker 2004) over pins, minima, maxima, groups, pairs, needs and the budget. Values
    are set to zero, so that the first packing found proves feasibility.
    """
    parts: list[tuple[str, int]] = [("budget", 0)]
    arrays = read.arrays
    parts += [("max", s) for s in range(len(read.sections))]
    parts += [("group", g) for g in range(len(read.lists["group"]))]
    parts += [("together", g) for g in range(len(read.lists["together"]))]
    parts += [("need", e) for e in range(len(arrays["needs"]) // 2)]
    parts += [("min", s) for s in np.flatnonzero(arrays["section_min"] > 0).tolist()]
    parts += [("pin", i) for i in np.flatnonzero(arrays["pin"] >= -1).tolist()]

    # A timeout counts as feasible; the conflict may then name more constraints than needed.
    patience = min(limits["time_limit"] or 5.0, 5.0)
    deadline = time.monotonic() + patience
    limits = limits | {"time_limit": patience / 5}

    def impossible(kept: Sequence[tuple[str, int]]) -> bool:
        if time.monotonic() > deadline:
            return False
        relaxed, budget = _relaxed(read, set(kept))
        found = _packing(relaxed, budget, read.sep, limits)
        return found.status == "infeasible"

    def explain_from(
        background: list[tuple[str, int]], grown: bool, candidates: list[tuple[str, int]]
    ) -> list[tuple[str, int]]:
        if grown and impossible(background):
            return []
        if len(candidates) == 1:
            return candidates
        half = len(candidates) // 2
        first, second = candidates[:half], candidates[half:]
        needed = explain_from(background + first, bool(first), second)
        return explain_from(background + needed, bool(needed), first) + needed

    # Without constraints the empty packing is feasible, so the candidates contain the conflict.
    return [_say(read, kind, index) for kind, index in explain_from([], False, parts)]


def _relaxed(read: _Read, kept: set[tuple[str, int]]) -> tuple[Arrays, int]:
    arrays = dict(read.arrays)
    for name in ("redundancy", "concepts", "prefix", "bonus", "cover_starts", "cover_concepts"):
        arrays.pop(name, None)
    arrays["values"] = np.zeros_like(arrays["values"])
    for name, kind, free in (
        ("section_min", "min", 0),
        ("section_max", "max", LARGEST),
        ("pin", "pin", -2),
    ):
        keep = np.fromiter(((kind, i) in kept for i in range(len(arrays[name]))), dtype=bool)
        arrays[name] = np.where(keep, arrays[name], free)
    pairs = arrays["needs"].reshape(-1, 2)
    arrays["needs"] = pairs[[("need", e) in kept for e in range(len(pairs))]].ravel()
    for kind in ("group", "together"):
        lists = [part for g, part in enumerate(read.lists[kind]) if (kind, g) in kept]
        arrays[f"{kind}_starts"], arrays[f"{kind}_items"] = _flat(lists)
    return arrays, read.budget if ("budget", 0) in kept else LARGEST_BUDGET


def _say(read: _Read, kind: str, index: int) -> str:
    if kind == "budget":
        return f"the budget is {read.budget:,} tokens"
    if kind in ("min", "max"):
        name = list(read.sections)[index]
        return f"section {name!r} has a {kind}imum of {read.sections[name][kind]:,} tokens"
    if kind == "group":
        members = ", ".join(map(str, read.lists["group"][index]))
        return f"items {members} are one group: at most one is in"
    if kind == "together":
        members = ", ".join(map(str, read.lists["together"][index]))
        return f"items {members} belong together: all are in or none"
    if kind == "need":
        item, need = read.arrays["needs"][2 * index : 2 * index + 2].tolist()
        return f"item {item} needs item {need}"
    pin = int(read.arrays["pin"][index])
    options = len(read.items[index]["options"])
    if options == 0:
        return f"item {index} is pinned but has no option"
    lightest = min(read.option(index, o)[0] for o in (range(options) if pin < 0 else (pin,)))
    which = "" if pin < 0 else f" with option {pin}"
    return f"item {index} is pinned{which}: at least {lightest:,} tokens"
