"""Select what a window shows: the table of candidates as one native selection problem."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.errors import BudgetError, InputError
from ctxmem.schema import Alternative, Section
from ctxmem.selected import Prefix, RunCosts, SelectionResult
from ctxmem.selection.conflicts import conflict
from ctxmem.selection.holders import Holders
from ctxmem.selection.requirement import (
    EXCLUDED,
    OPTIONAL,
    REQUIRED,
    segment_requirement,
    with_held,
)
from ctxmem.selection.result import NativeSelection, Range, inside

ALIKE = 0.35
"""Share of a unit's 5-word shingles in the window from which the unit counts as a duplicate. If one
word in twelve is edited, about half of the shingles remain."""

UNFOLDED = 2.0
"""Above any share of shingles: nothing is folded."""

CACHED = 0.25
"""Extra density of a cached token, as a share of the mean density of the window: new text must
exceed cached text by this much to displace it."""

LARGEST_COUNT = 2**30
"""Maximum number of tokens of a unit."""

FEW = 64
"""Number of units up to which a problem is small."""

CUTS = 8
"""Number of lengths of the previous window's prefix that are compared."""


class WindowSelection:
    """Selects units within a limit of tokens; can be called with several limits.

    With `dedup=True` a unit is folded if the window has most of its shingles, the two say the same
    by `differences`, and they do not differ mainly in words of the query.

    Args:
        table: the candidates, cut into units, priced and valued.
        costs: tokens of headers and separators.
        whole: select whole chunks.
        sections: limits of parts of the window.
        dedup: False folds nothing; a number is the share of shingles from which every unit is
            folded.
        min_density: a unit below it is not taken, however much budget is left; pins, minima and
            requirements hold regardless.
        query: the question.
        held: ranges of merged texts that are taken first if they fit.
        sentences: parts of sentences and lines are not added to these.
        prefix: pieces of the previous window; the first of them stay unless others have more value.
    """

    def __init__(
        self,
        table: Candidates,
        costs: RunCosts,
        *,
        whole: bool = False,
        sections: Sequence[Section] = (),
        dedup: bool | float = True,
        min_density: float = 0.0,
        query: str | None = None,
        held: Sequence[Range] = (),
        sentences: bool = False,
        prefix: Sequence[Prefix] = (),
    ) -> None:
        self.table = table
        self.costs = costs
        self.whole = whole
        self.sections = tuple(sections)
        # The last block of a section has no separator, and sums may exceed what is counted.
        spare = costs.separator + (0 if costs.additive else costs.joint)
        self.maxima = np.array([part.max for part in sections], dtype=np.int64) + spare
        self.minima = np.array([part.min for part in sections], dtype=np.int64)
        self.alike = ALIKE if dedup is True else float(dedup) if dedup else UNFOLDED
        self.careful = dedup is True
        self.min_density = min_density
        self.query = query or ""
        self.prefix = tuple(prefix)
        self.bounded_at = -1  # the highest limit for which the bound is known
        self.relaxed = False  # the maxima of sections are raised for pins
        self.cut: int | None = None  # number of pieces of the prefix that stay
        self.holders = Holders(table, self.pinned())
        self.rows = self._alternative_rows()
        self._read_units()
        self._read_bundles()
        self.requirement = self._requirement()
        self.held = with_held(self.requirement, table, inside(table, held), sentences=sentences)
        self.holds = bool(held)
        self.narrowed = sentences and self.holds

    @property
    def few(self) -> bool:
        """Whether the problem is so small that more limits may be tried."""
        return len(self.tokens) <= FEW

    @property
    def longest(self) -> int:
        """The tokens of the longest unit that may be selected."""
        return int(self.tokens[self.requirement != EXCLUDED].max(initial=0))

    def solve_at(self, limit: int) -> SelectionResult | None:
        """Return the selection for a window of `limit` tokens; None if the pins do not fit.

        Its bound is infinite if the bound for a limit at least as high was returned before.

        Raises:
            BudgetError: the sections cannot be satisfied; the message names the constraints.
        """
        if self.prefix:
            return self._solve_with_prefix(limit)
        for requirement in (self.held, self.requirement):  # the held ranges may not fit
            narrowed, bounded = self.narrowed and requirement is self.held, limit > self.bounded_at
            found = self._select(requirement, limit, bounded=bounded and not narrowed)
            if found.outcome == "found":
                if narrowed:
                    found = found.among(self._select(self.requirement, limit, bounded=bounded))
                self.bounded_at = max(self.bounded_at, limit)
                return self._result(found)
            if not self.holds:
                break
        if found.outcome == "over_required" and found.section >= 0 and not self.relaxed:
            # Sums exceed counts: whether the pins fit into the section shows when it is rendered.
            self.relaxed = True
            self.maxima = self.maxima + self.maxima // 8
            return self.solve_at(limit)
        if self.few and not self.costs.additive:
            # The same for the budget: a joined text may count less than its parts.
            spare = self.costs.joint * len(self.texts)
            found = self._select(self.requirement, limit + spare)
            if found.outcome == "found":
                return self._result(found)
        if found.outcome == "over_required" and found.section < 0 and not self.minima.any():
            return None
        raise self.conflict(limit)

    def without(self, chunks: Collection[int]) -> WindowSelection:
        """Return the problem without some chunks, for limits of its own; pins stay."""
        made = copy.copy(self)
        made.bounded_at = -1
        made.maxima, made.minima = self.maxima.copy(), self.minima.copy()
        if len(chunks):
            gone = np.zeros(len(self.tokens), dtype=np.bool_)
            for i in chunks:
                gone[self._members(i)] = True
                gone[[len(self.table.segment_span) + k for k in self._options_of(i)]] = True
            gone &= self.requirement == OPTIONAL
            made.requirement = np.where(gone, EXCLUDED, self.requirement).astype(np.uint8)
            made.held = np.where(gone, EXCLUDED, self.held).astype(np.uint8)
        return made

    def hold(self, counted: Sequence[int]) -> bool:
        """Return whether sections keep their limits as counted; else correct the limits.

        `counted` are the tokens of each section as rendered. Counts of parts may differ from those
        of the whole, so a limit that was missed is moved by what it was missed by.
        """
        held = True
        for k, (part, tokens) in enumerate(zip(self.sections, counted, strict=True)):
            if part.max is not None and tokens > part.max:
                self.maxima[k] -= tokens - part.max
                held = False
            elif tokens < part.min:
                self.minima[k] += part.min - tokens
                held = False
        return held

    def required_alone(self) -> SelectionResult:
        """Return the selection of the pins, at any cost."""
        requirement = np.where(self.requirement == REQUIRED, REQUIRED, EXCLUDED).astype(np.uint8)
        segments = len(self.table.segment_span)
        for i in self.disjunctive:
            units = [*self._members(i), *(segments + k for k in self._options_of(i))]
            requirement[units] = np.where(requirement[units] == REQUIRED, REQUIRED, OPTIONAL)
        everything = 2**31
        found = self._select(requirement, everything, limited=False)
        if found.outcome != "found":
            raise self.conflict(everything)
        total = self._select(self.requirement, everything, limited=False).total
        return replace(self._result(found), total=total, bound=total)

    # Columns

    def _alternative_rows(self) -> NDArray[np.intp]:
        """Return the rows of alternatives that may be shown.

        A chunk all of whose text is in other chunks has none: they could show it beside them.
        """
        table = self.table
        alone = np.concatenate(([0], np.cumsum(self._covers() == 1)))
        rows = np.flatnonzero(table.alternative > 0)
        chunk = table.chunk[rows]
        shown = (table.group[chunk] == chunk) & (table.repeat_of[chunk] == chunk)
        shown &= alone[table.last_segment[chunk]] > alone[table.first_segment[chunk]]
        shown_rows: NDArray[np.intp] = rows[shown & ~table.blank[chunk]]
        return shown_rows

    def _read_units(self) -> None:
        """Set the columns of units: the segments, then a unit for each alternative."""
        table, rows = self.table, self.rows
        lengths = [len(table.texts[row]) for row in rows.tolist()]
        extra = len(rows)
        self.texts = [*table.merged_texts, *(table.texts[row] for row in rows.tolist())]
        ends = int(table.merged_first[-1]) + np.arange(1, extra + 1, dtype=np.int64)
        self.first = np.concatenate([table.merged_first, ends]).astype(np.int64)
        self.start = np.concatenate([table.segment_span[:, 0], np.zeros(extra, dtype=np.int64)])
        self.end = np.concatenate([table.segment_span[:, 1], np.array(lengths, dtype=np.int64)])
        self.flags = np.concatenate([table.segment_flags, np.zeros(extra, dtype=np.uint8)])
        none = np.full(extra, -1, dtype=np.int32)
        self.need = np.concatenate([table.segment_need, none])
        self.also = np.concatenate([table.segment_also, none])
        own = table.tokens[rows] - table.overhead[table.chunk[rows]]
        own = np.maximum(0, own)
        self.tokens = np.concatenate([table.segment_tokens, own]).astype(np.int64)
        self.overhead = np.concatenate([self.costs.overhead, table.tokens[rows] - own])
        self.density = np.concatenate([table.segment_density, self._alternative_density(own)])
        self.option_set = self.option = np.zeros(0, dtype=np.int32)
        if extra:
            # Text that several chunks share is shown beside an alternative of one of them.
            sets = np.full(len(table), -1, dtype=np.int32)
            chunks = np.unique(table.chunk[rows])
            sets[chunks] = np.arange(len(chunks))
            of = np.where(self._covers() == 1, sets[self.holders.holder], -1)
            of[self.holders.holder < 0] = -1
            self.option_set = np.concatenate([of, sets[table.chunk[rows]]]).astype(np.int32)
            option = np.where(self.option_set >= 0, 0, -1)
            option[len(of) :] = table.alternative[rows]
            self.option = option.astype(np.int32)
        self.section = self._section_of_texts()
        self.joint_unit = self.costs.joint_unit
        if len(self.joint_unit):
            self.joint_unit = np.concatenate([self.joint_unit, np.zeros(extra)])

    def _covers(self) -> NDArray[np.int64]:
        """Return how many chunks have a part of each segment."""
        table = self.table
        held = table.unique[table.group[table.unique] == table.unique]
        change = np.zeros(len(table.segment_span) + 1, dtype=np.int64)
        np.add.at(change, table.first_segment[held], 1)
        np.add.at(change, table.last_segment[held], -1)
        count: NDArray[np.int64] = np.cumsum(change)[:-1]
        return count

    def _alternative_density(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the density of alternatives: the share of the chunk's value that each keeps."""
        table = self.table
        total = np.concatenate(([0.0], np.cumsum(table.segment_density * table.segment_tokens)))
        value = total[table.last_segment] - total[table.first_segment]
        density = np.zeros(len(self.rows))
        for k, row in enumerate(self.rows.tolist()):
            i = int(table.chunk[row])
            given = table.chunks[i].alternatives[int(table.alternative[row]) - 1]
            share = given.share if isinstance(given, Alternative) else None
            if share is None:
                full = max(1, int(table.tokens[table.first_row[i]]))
                share = min(1.0, float(table.tokens[row]) / full) ** 0.5
            density[k] = share * value[i] / max(1, int(tokens[k]))
        return density

    def _section_of_texts(self) -> NDArray[np.int32]:
        table = self.table
        if not self.sections:
            return np.zeros(0, dtype=np.int32)
        number = {part.name: k for k, part in enumerate(self.sections)}
        chunks = [*table.merged_chunk, *table.chunk[self.rows].tolist()]
        names = [table.chunks[i].section for i in chunks]
        return np.array([-1 if name is None else number[name] for name in names], dtype=np.int32)

    def _read_bundles(self) -> None:
        """Set the bundles: chunks that are required, or all chunks if they are shown whole.

        The bundle of a chunk is its segments; a chunk with requirements also has a bundle of what
        it requires.
        """
        table = self.table
        needs = {i: self._needs_of(i) for i in table.unique.tolist() if table.needs[i]}
        required = {need for others in needs.values() for need in others}
        # A pinned chunk with alternatives may be shown as one of them.
        with_rows = set(table.chunk[self.rows].tolist())
        self.disjunctive = [i for i in self.pinned() if i in with_rows]
        required.update(self.disjunctive)
        represented = table.unique[table.group[table.unique] == table.unique].tolist()
        chunks = sorted({*(represented if self.whole else ()), *required})
        number = {i: k for k, i in enumerate(chunks)}
        n = len(self.tokens)
        members = [self._members(i) for i in chunks]
        self.required_bundle = np.zeros(0, dtype=np.int32)
        if self.whole:
            for i, others in needs.items():
                if i in number:
                    members[number[i]] += [n + number[other] for other in others]
        elif needs:
            self.required_bundle = np.full(n, -1, dtype=np.int32)
            self._require(needs, number, members)
        self.candidates = np.zeros(0, dtype=np.int32)
        if self.whole:
            self.candidates = np.array([number[i] for i in represented], dtype=np.int32)
        self.required = np.array([number[i] for i in self.disjunctive], dtype=np.int32)
        sizes = [len(part) for part in members]
        self.bundle_first = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        flat = [node for part in members for node in part]
        self.bundle_members = np.array(flat, dtype=np.int64)

    def _needs_of(self, i: int) -> list[int]:
        """Return the chunks that a chunk requires directly; a repeat is its first copy."""
        repeat_of = self.table.repeat_of
        return list(dict.fromkeys(int(repeat_of[need]) for need in self.table.needs[i]))

    def _members(self, i: int) -> list[int]:
        """Return the units that show a chunk whole."""
        table = self.table
        segments = range(int(table.first_segment[i]), int(table.last_segment[i]))
        body = table.segment_body
        return [s for s in segments if self.whole or body[s, 0] < body[s, 1]]

    def _require(
        self, needs: dict[int, list[int]], number: dict[int, int], members: list[list[int]]
    ) -> None:
        """Give each unit the bundle that its chunks require; several make a new bundle."""
        n = len(self.tokens)
        wanted: dict[int, set[int]] = {}
        for i, others in needs.items():
            units = self.holders.segments_of(i)
            units += [len(self.table.segment_span) + k for k in self._options_of(i)]
            for s in units:
                wanted.setdefault(s, set()).update(other for other in others if other != i)
        known: dict[tuple[int, ...], int] = {}
        for s, chunks in wanted.items():
            key = tuple(sorted(chunks))
            if not key:
                continue
            if len(key) == 1:
                self.required_bundle[s] = number[key[0]]
                continue
            if key not in known:
                known[key] = len(members)
                members.append([n + number[i] for i in key])
            self.required_bundle[s] = known[key]

    def _options_of(self, i: int) -> list[int]:
        """Return the positions of a chunk's rows among the rows of alternatives."""
        positions: list[int] = np.flatnonzero(self.table.chunk[self.rows] == i).tolist()
        return positions

    def _requirement(self) -> NDArray[np.uint8]:
        """Return the requirement of each unit."""
        requirement = np.full(len(self.tokens), OPTIONAL, dtype=np.uint8)
        segments = segment_requirement(self.table, whole=self.whole, careful=self.careful)
        requirement[: len(segments)] = segments
        for i in self.pinned():
            if i not in self.disjunctive:
                requirement[self._members(i)] = REQUIRED
        return requirement

    def pinned(self) -> list[int]:
        """Return the pinned chunks and all that they require, directly or not."""
        table = self.table
        found = dict.fromkeys(table.unique[table.pinned[table.unique]].tolist())
        stack = list(found)
        while stack:
            for need in self._needs_of(stack.pop()):
                if need not in found:
                    found[need] = None
                    stack.append(need)
        return sorted(found)

    # Solving

    def _select(
        self,
        requirement: NDArray[np.uint8],
        limit: int,
        *,
        limited: bool = True,
        without: Iterable[int] = (),
        bounded: bool = False,
    ) -> NativeSelection:
        """Call the native solver; `without` are sections whose limits do not hold."""
        costs, sections = self.costs, self.sections
        number = {part.name: k for k, part in enumerate(sections)}
        maxima = self.maxima if limited else np.full(len(sections), 2**31)
        minima = self.minima if limited else np.zeros(len(sections))
        minima = minima.astype(np.int64)
        minima[list(without)] = 0
        if len(self.tokens) and self.tokens.max() > LARGEST_COUNT:
            raise InputError(
                f"the counter counts {int(self.tokens.max()):,} tokens in a sentence; expected at "
                f"most {LARGEST_COUNT:,}"
            )
        return NativeSelection(
            *_native.select_units(
                texts=self.texts,
                first=self.first,
                start=self.start,
                end=self.end,
                flags=self.flags,
                need=self.need,
                also=self.also,
                tokens=self.tokens,
                density=self.density,
                requirement=requirement,
                overhead=self.overhead.astype(np.int64),
                again=costs.again,
                bundle_first=self.bundle_first,
                bundle_members=self.bundle_members,
                required_bundle=self.required_bundle,
                required=self.required,
                whole=self.whole,
                candidates=self.candidates,
                option_set=self.option_set,
                option=self.option,
                section=self.section,
                parent=np.array(
                    [-1 if part.parent is None else number[part.parent] for part in sections],
                    dtype=np.int32,
                ),
                minimum=minima,
                maximum=maxima.astype(np.int64),
                header=np.array(costs.headers, dtype=np.int64),
                limit=limit,
                min_density=self.min_density,
                alike=self.alike,
                careful=self.careful,
                query=self.query,
                joint=costs.joint,
                joint_whole=costs.joint_whole,
                joint_unit=self.joint_unit,
                bounded=bounded,
            )
        )

    def _result(self, found: NativeSelection) -> SelectionResult:
        table = self.table
        segments = len(table.segment_span)
        kept = found.kept.astype(np.bool_)
        segment_kept = kept[:segments]
        kept_row = np.full(len(table), -1, dtype=np.int32)
        holders = self.holders
        chosen = (holders.shown_whole if self.whole else holders.of)(segment_kept)
        kept_row[chosen] = table.first_row[chosen]
        rows = self.rows[kept[segments:]]
        kept_row[table.chunk[rows]] = rows
        prices = {"": found.price}
        for part, price in zip(self.sections, found.section_prices.tolist(), strict=True):
            prices[part.name] = max(price, found.price)
        duplicate_of = found.duplicate_of[:segments].copy()
        duplicate_of[duplicate_of >= segments] = -1
        out = ~kept[:segments] & (duplicate_of < 0) & (self.requirement[:segments] == OPTIONAL)
        return SelectionResult(
            segment_kept,
            duplicate_of,
            kept_row,
            value=found.value,
            bound=found.bound,
            total=found.total,
            spent=found.spent,
            prices=prices,
            stopped_early=self.min_density > 0 and bool(out.any()) and not any(prices.values()),
        )

    def conflict(self, limit: int) -> BudgetError:
        """Return the error that names constraints that cannot be satisfied together."""
        return conflict(self, limit)

    def fails(self, requirement: NDArray[np.uint8], limit: int, without: Iterable[int]) -> bool:
        """Return whether there is no selection, if sections do not have their minima."""
        return self._select(requirement, limit, without=without).outcome != "found"

    # The previous window

    def _solve_with_prefix(self, limit: int) -> SelectionResult | None:
        """Return the best selection that keeps the first pieces of the previous window.

        The number of pieces is the one with the most value, plus `CACHED` of the mean density for
        each cached token. It is found at the first limit, and lowered if it no longer fits.
        """
        count = len(self.prefix)
        cuts: Iterable[int] = range(count, -1, -1)
        if self.cut is not None:
            cuts = range(self.cut, -1, -1)
        elif count > CUTS:
            cuts = sorted({round(k * count / CUTS) for k in range(CUTS + 1)}, reverse=True)
        free = self._select(self.requirement, limit, bounded=True)
        saved = CACHED * free.value / max(1, free.spent)
        best: tuple[float, int, SelectionResult] | None = None
        for cut in cuts:
            found = self._select(self._with_prefix(cut), limit)
            if found.outcome != "found" or (cut and not self._requirements_hold(found)):
                continue
            gain = found.value + saved * sum(piece.tokens for piece in self.prefix[:cut])
            if best is None or gain > best[0]:
                best = gain, cut, self._result(found)
            if self.cut is not None:
                break
        if best is None:
            if not self.minima.any():
                return None
            raise self.conflict(limit)
        _, self.cut, result = best
        unchanged = self.prefix[: self.cut]
        # A selection without the prefix may have more value: the bound is that of any selection.
        bound = max(result.value, free.bound if free.outcome == "found" else free.total)
        return replace(result, prefix=unchanged, bound=bound)

    def _requirements_hold(self, found: NativeSelection) -> bool:
        """Return whether each kept unit has the chunks that it requires.

        Pieces of the previous window may lack them.
        """
        kept = found.kept.astype(np.bool_)
        if self.whole:
            return all(
                self._bundle_shown(int(bundle), kept, set())
                for bundle in self.candidates
                if self._own_shown(int(bundle), kept)
            )
        if not len(self.required_bundle):
            return True
        shown = {int(i) for i in self.table.chunk[self.rows[kept[len(self.table.segment_span) :]]]}
        return all(
            self._bundle_shown(int(bundle), kept, shown)
            for bundle in np.unique(self.required_bundle[kept & (self.required_bundle >= 0)])
        )

    def _own_shown(self, bundle: int, kept: NDArray[np.bool_]) -> bool:
        """Return whether the segments of a bundle, without the bundles in it, are kept."""
        members = self.bundle_members[self.bundle_first[bundle] : self.bundle_first[bundle + 1]]
        own = members[members < len(self.tokens)]
        return bool(len(own) and kept[own].all())

    def _bundle_shown(self, bundle: int, kept: NDArray[np.bool_], shown: set[int]) -> bool:
        """Return whether a bundle is kept whole, or as an alternative of its chunk (`shown`)."""
        n = len(self.tokens)
        at = slice(int(self.bundle_first[bundle]), int(self.bundle_first[bundle + 1]))
        members = self.bundle_members[at].tolist()
        if any(node < n and self._chunk_of(node) in shown for node in members):
            return True
        return all(
            kept[node] if node < n else self._bundle_shown(node - n, kept, shown)
            for node in members
        )

    def _chunk_of(self, unit: int) -> int:
        holder = self.holders.holder
        return int(holder[unit]) if unit < len(holder) else -1

    def _with_prefix(self, cut: int) -> NDArray[np.uint8]:
        """Return the requirement that keeps pieces of the prefix, and their texts, unchanged."""
        table = self.table
        requirement: NDArray[np.uint8] = self.requirement.copy()
        for piece in self.prefix[:cut]:
            if piece.row >= 0:
                at = np.flatnonzero(self.rows == piece.row)
                requirement[len(table.segment_span) + at] = REQUIRED
                continue
            merged = int(table.segment_merged[piece.segments[0]])
            text = slice(int(table.merged_first[merged]), int(table.merged_first[merged + 1]))
            free = requirement[text]
            free[free == OPTIONAL] = EXCLUDED
            requirement[list(piece.segments)] = REQUIRED
        return requirement


def represent_by_what_fits(table: Candidates, limit: int) -> None:
    """Choose another representative for groups whose representative exceeds the budget."""
    total = np.concatenate(([0], np.cumsum(table.segment_tokens)))
    tokens = total[table.last_segment] - total[table.first_segment]
    unique = table.unique
    for rep in unique[(table.group[unique] == unique) & (tokens[unique] > limit)].tolist():
        members = [i for i in unique[table.group[unique] == rep].tolist() if tokens[i] <= limit]
        if members and not table.pinned[rep]:
            best = min(members, key=lambda i: (-table.rrf_score[i], table.id(i)))
            table.group[table.group == rep] = best
