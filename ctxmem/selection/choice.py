"""Select whole chunks: pins, at most one chunk per group, within the limit, with a bound."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.errors import BudgetError
from ctxmem.schema import Alternative, Candidates, Section
from ctxmem.selection.problems import solve

SCALE = 2**20
"""The solver uses integer values: a token of density 1 has this value."""

JOINT = 3
"""Tokens that a cut may add: T(a) + T(b) - T(a + b) was at most 3 in two million cuts."""

UNLIMITED = 2**62

RESIDENT = 0.25
"""Extra density of a cached token, as a share of the greatest density: new text must exceed cached
text by this much to displace it."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The value of a selection, an upper bound on the value of any selection, and its tokens.

    Headers and separators count as tokens, not as value.
    """

    value: float
    upper_bound: float
    spent: int
    prices: Mapping[str, float] = field(default_factory=dict)  # value of one token, by section
    unselected_share: float = 0.0  # share of the total value that is not in the window
    stopped_early: bool = False  # every option left out has less than the minimum density


def choose(
    table: Candidates,
    limit: int,
    sections: Sequence[Section] = (),
    headers: Sequence[int] = (),
    resident: Sequence[int] = (),
    least: float = 0.0,
) -> Proof | None:
    """Add `kept_row`: the selected row of each chunk, -1 if the chunk is not selected.

    If no chunks share text, the selection is optimal up to the solver's limits, requirements
    included. If chunks share text, it is a greedy fill by relevance that pays for shared text once
    or, with sections, the optimum at the price of each chunk alone. The bound then treats every
    merged text as selectable by itself.

    Args:
        table: the candidates, priced and valued.
        limit: tokens of all blocks.
        sections: limits of parts of the window.
        headers: the tokens of each section's header.
        resident: chunks in the model's cache, in order; the unbroken prefix of kept chunks gains
            `RESIDENT` per token.
        least: minimum density: the solver maximises value - least * tokens. Pins, minima and
            requirements hold regardless.

    Returns:
        Value and bound of the selection; None if the pinned chunks do not fit (then nothing is
        selected).

    Raises:
        BudgetError: the sections cannot be satisfied; the message names the conflicting
            constraints.
    """
    problem = _Problem(table, least)
    proof = _choose(problem, limit, sections, headers, resident)
    _mark_segments(table)
    if proof is None:
        return None
    return replace(
        proof,
        unselected_share=problem.left(proof.value),
        stopped_early=problem.stopped(),
    )


def _mark_segments(table: Candidates) -> None:
    """Add `segment_kept` and `duplicate_of` from the chunks that are kept whole."""
    table.segment_kept = np.zeros(len(table.segment_span), dtype=np.bool_)
    table.duplicate_of = np.full(len(table.segment_span), -1, dtype=np.int32)
    for i in np.flatnonzero(table.kept_row == table.first_row[:-1]).tolist():
        table.segment_kept[table.first_segment[i] : table.last_segment[i]] = True


def _choose(
    problem: _Problem,
    limit: int,
    sections: Sequence[Section],
    headers: Sequence[int],
    resident: Sequence[int],
) -> Proof | None:
    table = problem.table
    if sections or resident or (any(table.needs) and not problem.shares):
        return _solve_constrained(problem, limit, sections, headers, resident)
    if not problem.shares:
        return _solve(problem, limit)
    bound, price = _bound(problem, limit)
    fills = []
    for least in dict.fromkeys((problem.least, max(problem.least, price))):
        fill = _Fill(problem, limit)
        if not fill.take_pins():
            table.kept_row = np.full(len(table), -1, dtype=np.int32)
            return None
        fill.take_best(least)  # chunks above the price first
        if least > problem.least:
            fill.take_best(problem.least)
        fills.append(fill)
    best = max(fills, key=lambda fill: fill.value - problem.least * fill.spent)
    table.kept_row = best.kept_row
    if problem.least:
        bound, _ = _bound(problem, best.spent)
    return Proof(best.value, max(best.value, bound), best.spent)


def keep(table: Candidates, chunks: Iterable[int]) -> float:
    """Add `kept_row` with the pins and these chunks at any cost; return their value."""
    fill = _Fill(_Problem(table), UNLIMITED)
    fill.take_pins()
    for i in chunks:
        fill.take(i)
    table.kept_row = fill.kept_row
    _mark_segments(table)
    return fill.value


def over_pinned(table: Candidates, budget: int, needed: int) -> BudgetError:
    """Return the error that names the pins that do not fit."""
    names = [table.id(i) for i in range(len(table)) if table.chunks[i].pinned]
    shown = ", ".join(repr(name) for name in names[:8]) + (", ..." if len(names) > 8 else "")
    return BudgetError(
        f"budget is {budget} tokens but the pinned chunks, with what they require, need {needed}; "
        f"raise the budget or unpin: {shown}",
        pinned=names,
    )


class _Problem:
    """The table as an optimisation problem: the options and their values."""

    def __init__(self, table: Candidates, least: float = 0.0) -> None:
        self.table = table
        self.least = least
        choosable = (table.repeat_of == np.arange(len(table))) & ~table.blank
        # Worth first; of a group, whose members are worth the same, the representative. Ids break
        # ties, so that the order of the input does not.
        represented = table.group != np.arange(len(table))
        keys = list(zip((-table.density).tolist(), represented.tolist(), table.ids, strict=True))
        self.chunks = sorted(np.flatnonzero(choosable).tolist(), key=keys.__getitem__)
        joined = table.segment_merged[1:] == table.segment_merged[:-1]
        self.joined = np.concatenate(([False], joined, [False]))
        # Chunks of one merged text touch or overlap.
        self.stitched = np.zeros(len(table), dtype=np.bool_)
        chosen = np.flatnonzero(choosable)
        merged_text = table.segment_merged[table.first_segment[chosen]]
        self.stitched[chosen] = (
            np.bincount(merged_text, minlength=len(table.merged_texts))[merged_text] > 1
        )
        self.shares = bool(self.stitched.any())
        self.values = self._values()
        self.net = self.values - least * table.tokens

    def left(self, value: float) -> float:
        """Return the share of the total value (shared text counted once) beyond `value`."""
        table = self.table
        each = np.zeros(len(table.segment_span))
        for i in self.chunks:
            if table.group[i] == i:
                at = self.segments(i)
                np.maximum(each[at], table.density[i], out=each[at])
        total = float(each @ table.segment_tokens)
        left = 1 - value / total if total > 0 else 0.0
        return left if left > 1e-5 else 0.0  # the solver's values are whole numbers

    def stopped(self) -> bool:
        """Return whether chunks are left out, all because of the minimum density."""
        table = self.table
        if self.least <= 0:
            return False
        taken = set(table.group[table.kept_row >= 0].tolist())
        left_out = [
            i
            for i in self.chunks
            if int(table.group[i]) not in taken and not table.segment_kept[self.segments(i)].all()
        ]
        rows = [r for i in left_out for r in range(table.first_row[i], table.first_row[i + 1])]
        return bool(rows) and bool((self.net[rows] < 0).all())

    def _values(self) -> NDArray[np.float64]:
        """Return the value of each row: the tokens of its text times their density."""
        table = self.table
        full = table.first_row[:-1]
        total = np.concatenate(([0], np.cumsum(table.segment_tokens)))
        text = (total[table.last_segment] - total[table.first_segment]).astype(np.float64)
        # A longer near-duplicate has no more value than its representative.
        values = (table.density * np.minimum(text, text[table.group]))[table.chunk]
        for row in np.flatnonzero(table.alternative > 0).tolist():
            i = table.chunk[row]
            option = table.chunks[i].alternatives[table.alternative[row] - 1]
            share = option.share if isinstance(option, Alternative) else None
            if share is None:
                share = min(1.0, float(table.tokens[row] / table.tokens[full[i]])) ** 0.5
            values[row] *= share
        return values

    def worth_of(self, rows: Sequence[int]) -> float:
        """Return the joint value of rows; text that several rows share counts once."""
        table = self.table
        each = np.zeros(len(table.segment_span))
        alone = 0.0
        for row in rows:
            i = int(table.chunk[row])
            if self.stitched[i] and not table.alternative[row]:
                at = self.segments(i)
                np.maximum(each[at], table.density[i], out=each[at])
            else:
                alone += float(self.values[row])
        return alone + float(each @ table.segment_tokens)

    def segments(self, chunk: int) -> slice:
        """Return the range of the chunk's segments."""
        return slice(int(self.table.first_segment[chunk]), int(self.table.last_segment[chunk]))


def _solve(problem: _Problem, limit: int) -> Proof | None:
    """Solve the multiple-choice knapsack: a class for each group, an option for each row."""
    table = problem.table
    classes: dict[int, list[int]] = {}
    for i in problem.chunks:
        classes.setdefault(int(table.group[i]), []).append(i)
    for star, group in classes.items():
        if table.pinned[star]:
            group[:] = [star]  # a pin cannot be replaced by another version
    members = np.array([i for chosen in classes.values() for i in chosen], dtype=np.intp)
    count = table.first_row[members + 1] - table.first_row[members]
    ends = np.cumsum(count)
    options = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
        table.first_row[members] - (ends - count), count
    )
    last = np.cumsum([len(chosen) for chosen in classes.values()], dtype=np.int64)
    starts = np.concatenate(([0], ends[last - 1])).astype(np.int64)
    pinned = table.pinned[list(classes)]
    values = np.rint(problem.net[options] * SCALE).astype(np.int64)
    chosen, value, bound, status, price = _native.solve_classes(
        starts,
        table.tokens[options],
        values,
        pinned,
        limit,
    )
    table.kept_row = np.full(len(table), -1, dtype=np.int32)
    if status == "infeasible":
        return None
    kept = options[starts[:-1][chosen >= 0] + chosen[chosen >= 0]]
    table.kept_row[table.chunk[kept]] = kept
    spent = int(table.tokens[kept].sum())
    paid = problem.least * spent
    return Proof(value / SCALE + paid, bound / SCALE + paid, spent, {"": price / SCALE})


def _solve_constrained(
    problem: _Problem,
    limit: int,
    sections: Sequence[Section],
    headers: Sequence[int],
    resident: Sequence[int],
) -> Proof | None:
    """Solve with requirements, sections and a prefix, as a packing problem of `problems.solve`."""
    table = problem.table
    number = {i: item for item, i in enumerate(problem.chunks)}
    rows = [range(int(table.first_row[i]), int(table.first_row[i + 1])) for i in problem.chunks]
    groups: dict[int, list[int]] = {}
    for i in problem.chunks:
        groups.setdefault(int(table.group[i]), []).append(number[i])
    known = {section.name for section in sections}
    saved = RESIDENT * SCALE * float(table.density.max())
    bonus = [round(saved * int(table.tokens[table.first_row[i]])) for i in resident]
    packing = {
        "budget": limit,
        "items": [
            {
                "options": [
                    {"t": max(1, int(table.tokens[row])), "v": round(problem.net[row] * SCALE)}
                    for row in rows[item]
                ],
                "section": table.chunks[i].section if table.chunks[i].section in known else None,
                "pin": "any" if table.pinned[i] else None,
                "needs": [number[need] for need in table.needs[i]],
            }
            for i, item in number.items()
        ],
        "groups": [group for group in groups.values() if len(group) > 1],
        "sections": [
            {
                "id": section.name,
                "parent": section.parent,
                "min": section.min,
                "max": limit if section.max is None else section.max,
                "header": header,
            }
            for section, header in zip(sections, headers, strict=True)
        ],
        "prefix": {"order": [number[i] for i in resident], "bonus": bonus},
    }
    solution = solve(packing, time_limit=None)
    table.kept_row = np.full(len(table), -1, dtype=np.int32)
    if solution.status == "infeasible":
        if not any(section.min for section in sections):
            return None
        raise BudgetError(
            "these constraints conflict: "
            + "; ".join(_with_ids(problem, sentence) for sentence in solution.conflict)
            + ". Lower a minimum, unpin, or raise the budget"
        )
    kept = [rows[item][option] for item, option in solution.choose.items()]
    table.kept_row[table.chunk[kept]] = kept
    cost = int(table.tokens[kept].sum())
    value = (solution.value or 0) / SCALE + problem.least * cost
    bound = (solution.upper_bound or 0) / SCALE + problem.least * cost
    if problem.shares:
        value += problem.worth_of(kept) - float(problem.values[kept].sum())
        bound = _bound(problem, cost if problem.least else limit)[0] + sum(bonus) / SCALE
    opened = _opened({table.chunks[table.chunk[row]].section for row in kept}, sections)
    paid = [header for part, header in zip(sections, headers, strict=True) if part.name in opened]
    spent = cost + sum(paid)
    prices = {name or "": price / SCALE for name, price in solution.prices.items()}
    return Proof(value, max(value, bound), spent, prices)


def _opened(names: set[str | None], sections: Sequence[Section]) -> set[str | None]:
    """Return these names of sections with the names of all their ancestors."""
    opened = set(names)
    for section in reversed(sections):  # a parent precedes its parts
        if section.name in opened:
            opened.add(section.parent)
    return opened


def _with_ids(problem: _Problem, sentence: str) -> str:
    """Replace the solver's item numbers by the ids of the chunks."""

    def named(match: re.Match[str]) -> str:
        numbers = re.findall(r"\d+", match[0])
        ids = ", ".join(repr(problem.table.id(problem.chunks[int(n)])) for n in numbers)
        return f"chunk{'s' if len(numbers) > 1 else ''} {ids}"

    return re.sub(r"\bitems? \d+(?:, \d+)*", named, sentence)


def _bound(problem: _Problem, limit: int) -> tuple[float, float]:
    """Return an upper bound on the value of any selection, and the value of one more token.

    The bound is the optimum of a relaxed problem. In it, a segment that chunks of several groups
    contain can be selected by itself, at no more than its tokens and at the density of its best
    chunk. Segments of a single group are selected with one chunk of the group. Requirements are
    ignored.
    """
    table = problem.table
    size = len(table.segment_span)
    owner = np.full(size, -1)  # the group that contains the segment, -2 if several groups do
    each = np.zeros(size)
    cost = table.segment_tokens.copy()
    for i in problem.chunks:
        at = problem.segments(i)
        owner[at] = np.where(np.isin(owner[at], (-1, table.group[i])), table.group[i], -2)
        np.maximum(each[at], table.density[i], out=each[at])
        if problem.stitched[i]:
            cost[at] = np.maximum(1, table.segment_tokens[at] - JOINT)
    worth = each * table.segment_tokens
    classes: dict[int, list[tuple[int, float]]] = {}
    for i in problem.chunks:
        at = problem.segments(i)
        own = owner[at] >= 0
        options = classes.setdefault(int(table.group[i]), [])
        options.append((int(cost[at][own].sum()), float(worth[at][own].sum())))
        rows = range(int(table.first_row[i]) + 1, int(table.first_row[i + 1]))
        options.extend((int(table.tokens[row]), float(problem.values[row])) for row in rows)
    shared = [[(int(cost[s]), float(worth[s]))] for s in np.flatnonzero(owner == -2)]
    choices = [*classes.values(), *shared]
    starts = np.concatenate(([0], np.cumsum([len(choice) for choice in choices])))
    flat = [option for choice in choices for option in choice]
    _, _, bound, _, price = _native.solve_classes(
        starts.astype(np.int64),
        np.array([option[0] for option in flat], dtype=np.int64),
        np.ceil(np.array([option[1] for option in flat]) * SCALE).astype(np.int64),
        np.zeros(len(choices), dtype=np.bool_),
        limit,
        gap=0.002,
    )
    return bound / SCALE, price / SCALE


class _Fill:
    """A greedy fill of the window, which pays for shared text once."""

    def __init__(self, problem: _Problem, limit: int) -> None:
        self.problem = problem
        self.limit = limit
        self.least = 0.0  # pins are taken at any price
        self.spent = 0
        self.value = 0.0
        self.kept_row = np.full(len(problem.table), -1, dtype=np.int32)
        self.taken_groups: set[int] = set()
        self.covered = np.zeros(len(problem.table.segment_span) + 1, dtype=np.bool_)

    def take_pins(self) -> bool:
        """Take every pinned chunk with its requirements; return whether they fit."""
        pinned = self.problem.table.pinned
        return all(self.take(i) for i in self.problem.chunks if pinned[i])

    def take_best(self, least: float) -> None:
        """Take chunks that still fit and have at least this density, the most relevant first."""
        self.least = least
        for i in self.problem.chunks:
            self.take(i)

    def take(self, chunk: int) -> bool:
        """Take a chunk with its requirements, whole or else as the alternative of most value.

        Returns whether the window now holds the chunk; if it does not fit, nothing has changed.
        """
        if self.holds(chunk):
            return True
        table = self.problem.table
        others = [i for i in self.closure(chunk) if i != chunk and not self.holds(i)]
        if any(int(table.group[i]) in self.taken_groups for i in [chunk, *others]):
            return False
        full = int(table.first_row[chunk])
        rows = range(full, int(table.first_row[chunk + 1]))

        def order(row: int) -> tuple[bool, float]:
            """Sort the whole text first, then by value; with a minimum density, by net value."""
            return row > full and not self.least, float(
                self.least * table.tokens[row] - self.problem.values[row]
            )

        for row in sorted(rows, key=order):
            if self.take_rows([row, *(int(table.first_row[i]) for i in others)]):
                return True
        return False

    def take_rows(self, rows: list[int]) -> bool:
        """Take all these rows, or none if they do not fit or their density is below the minimum."""
        table = self.problem.table
        covered = self.covered.copy()
        cost, value = 0, 0.0
        for row in rows:
            i = int(table.chunk[row])
            if not self.problem.stitched[i] or table.alternative[row]:
                cost += int(table.tokens[row])
                value += float(self.problem.values[row])
                covered[self.problem.segments(i)] |= not table.alternative[row]
                continue
            at = self.problem.segments(i)
            new = ~covered[at]
            before = covered[at.start - 1] and self.problem.joined[at.start]
            after = covered[at.stop] and self.problem.joined[at.stop]
            opens_block = not (before or after or not new.all())
            tokens = table.segment_tokens[at][new].sum()
            cost += int(tokens + (table.overhead[i] if opens_block else 0))
            value += float(table.density[i] * tokens)
            covered[at] = True
        if self.spent + cost > self.limit or value < self.least * cost:
            return False
        self.covered = covered
        self.spent += cost
        self.value += value
        for row in rows:
            self.kept_row[table.chunk[row]] = row
            self.taken_groups.add(int(table.group[table.chunk[row]]))
        return True

    def holds(self, chunk: int) -> bool:
        """Return whether the window contains the chunk, by itself or inside its neighbours."""
        if self.kept_row[chunk] >= 0:
            return True
        return bool(
            self.problem.stitched[chunk] and self.covered[self.problem.segments(chunk)].all()
        )

    def closure(self, chunk: int) -> list[int]:
        """Return the chunk with its direct and indirect requirements."""
        seen = {chunk}
        stack = [chunk]
        while stack:
            for need in self.problem.table.needs[stack.pop()]:
                if need not in seen:
                    seen.add(need)
                    stack.append(need)
        return sorted(seen)
