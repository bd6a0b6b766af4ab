"""Choose an edit of the window, and plan it: which units leave, and what replaces them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.memory import editing, schedule
from ctxmem.memory.cost_tracker import CostTracker
from ctxmem.memory.coverage import Coverage
from ctxmem.memory.identifiers import Reuse
from ctxmem.memory.items import Item
from ctxmem.memory.plan import Plan
from ctxmem.memory.policy_eviction import PolicyEviction
from ctxmem.memory.rereads import rereads
from ctxmem.memory.schedule import Cut, Span
from ctxmem.memory.session_state import Entry, SessionState, ids_of, named_in
from ctxmem.memory.visibility import VisibilityTracker
from ctxmem.memory.window import Event
from ctxmem.pricing import Prices

LOW = 0.5
"""The policy "batch" trims to this share of the budget."""
LEAST_SHARE = 0.6
"""An edit frees this share of the room beside the pins, where it can: few edits, not many."""
KEPT_SHARE = 0.3
"""An edit leaves this share of that room in use, where it can: room is there to be used."""
LEAST_TOKENS = 4000
"""While needs are met, an edit that frees so many tokens is large enough, ..."""
KEPT_TOKENS = 1500
"""... and one that leaves so many leaves enough: what is older is seldom needed again."""
FIRST_SHARE = 0.6
"""The first window of a long history uses this share of that room, where it can."""
NOTES_SHARE = 0.15
"""Indexes may take this share of the budget before the oldest of them leave, too."""
_PATIENCE = 16
"""A cut that did not pay is looked for again when the window has grown by one part of so many"""
_PATIENCE_TOKENS = 512
"""... and by so many tokens at least: looking takes time in the size of the window."""
_STARTS = 4
"""A cut that has to be paid for may begin after each of so many parts of the window's units."""


def look_again(tokens: int) -> int:
    """Return the size at which to look for an edit again, if none pays at `tokens`."""
    return tokens + max(_PATIENCE_TOKENS, tokens // _PATIENCE)


class EditPlanner:
    """Plans the edits of one session's window."""

    def __init__(
        self,
        state: SessionState,
        meter: Meter,
        prices: Prices,
        *,
        costs: CostTracker,
        reuse: Reuse,
        visibility: VisibilityTracker,
        eviction: PolicyEviction | None,
        policy: object,
        miss_cost: float,
        coverage: Coverage | None = None,
    ) -> None:
        self.coverage = coverage  # None: what an edit may cost is not limited
        self.state, self.meter, self.prices, self.costs = state, meter, prices, costs
        self.reuse, self.eviction, self.policy = reuse, eviction, policy
        self.visibility = visibility
        self.miss_cost = miss_cost
        self._look_at = 0  # a window smaller than this was found too small for an edit to pay

    def promising(self, stable: int, cold: bool) -> bool:
        """Return whether an edit that is not forced may pay, so that one is looked for."""
        if self.coverage is not None:
            if self.coverage.attempt.edit:
                return True
            return self.coverage.attempt.optional and (cold or stable >= self._look_at)
        if self.policy != "auto" or (stable < self._look_at and not cold):
            return False
        return cold or self.costs.saved > 0

    def edit(
        self, plan: Plan, pins: set[int], behind: int, *, limit: int, excess: int, cold: bool
    ) -> int:
        """Plan the best cut of units before item `behind`, and return the tokens it frees."""
        state = self.state
        entries = state.entries[: plan.keep] + plan.entries
        indexes = sum(e.tokens for e in entries if e.is_index)
        old = indexes > NOTES_SHARE * limit  # then the indexes go first
        held = [self._held(entry, pins, behind, old) for entry in entries]
        first = next((i for i, kept in enumerate(held) if not kept), len(entries))
        if first == len(entries):
            return 0
        cold = cold or not state.entries  # nothing was sent yet: nothing is cached
        if self.eviction is not None:
            return self._cut_by_policy(plan, entries, held, limit=limit, excess=excess)
        groups, named = self._groups(plan, entries, first)
        stable = sum(entry.tokens for entry in entries)
        spans = [self._span(entries, group, held, named, len(state.entries)) for group in groups]
        terse = self.coverage is not None and self.coverage.attempt.terse
        options: dict[str, Any] = {
            "most_noted": 0 if terse else int(NOTES_SHARE * limit),
            "heading": self.meter.count(editing.index_heading(range(100), 100, 10000)) + 8,
            "prices": self.prices,
            "calls": schedule.horizon(self.reuse.calls),
            "reuse": self.reuse,
            "miss_cost": self.miss_cost,
            "cold": cold,
            "growth": max(1.0, state.total / max(1, state.assistants + 1)),
        }
        if self.coverage is not None:
            return self._cut_covered(
                *(plan, entries, groups, spans, held, named),
                stable=stable,
                limit=limit,
                excess=excess,
                options=options,
            )
        found = schedule.cuts(spans, stable=stable, **options)
        stuck = sum(entry.tokens for entry, kept in zip(entries, held, strict=True) if kept)
        chosen = self._chosen(
            found, stable, room=max(0, limit - stuck), limit=limit, excess=excess, cold=cold
        )
        if chosen is None:
            self._look_at = look_again(stable)
            return 0
        gone = [i for group in groups[: chosen.units] for i in group if not held[i]]
        return self._cut(plan, entries, gone, named, chosen, room=int(NOTES_SHARE * limit))

    def _held(self, entry: Entry, pins: set[int], behind: int, old: bool) -> bool:
        items = self.state.items
        if entry.item >= 0:
            unit = items[entry.item].unit
            return unit in pins or unit >= behind
        if entry.again >= 0:
            return items[entry.again].pinned
        return entry.binding or not old

    def _groups(
        self, plan: Plan, entries: Sequence[Entry], first: int
    ) -> tuple[list[list[int]], dict[int, list[str]]]:
        """Return the entries by units, and the identifiers that are last seen in each entry."""
        items = self.state.items
        known = set(named_in(entries[:first], items))
        for index, _, _ in plan.pending:
            known.update(items[index].ids)
        named: dict[int, list[str]] = {}
        groups: list[list[int]] = []
        unit = None
        for i in range(len(entries) - 1, first - 1, -1):
            entry = entries[i]
            ids = ids_of(entry, items)
            named[i] = editing.unshown_ids(ids, known, entry.tokens, self.meter.count)
            known.update(ids)
            here = items[entry.item].unit if entry.item >= 0 else -1 - i
            if here == unit:
                groups[-1].insert(0, i)
            else:
                groups.append([i])
            unit = here
        return groups[::-1], named

    def _span(
        self,
        entries: Sequence[Entry],
        group: Sequence[int],
        held: Sequence[bool],
        named: Mapping[int, Sequence[str]],
        sent: int,
    ) -> Span:
        tokens = index = cached = 0
        for i in group:
            tokens += entries[i].tokens
            cached += entries[i].tokens if i < sent else 0
            if named[i] and entries[i].item >= 0:
                index += 4 + sum(self.meter.count(" " + one) for one in named[i])
        last = entries[group[-1]]
        age = self.state.assistants if last.again < 0 else 1  # what came back was just needed
        if last.item >= 0:
            age -= self.state.items[last.item].created_at
        return Span(tokens, index, max(1, age), cached, any(held[i] for i in group))

    def _chosen(
        self, found: list[Cut], stable: int, *, room: int, limit: int, excess: int, cold: bool
    ) -> Cut | None:
        """Return the cut to make, None for none; `room` is what may be used beside the pins."""
        if not found:
            return None
        enough = [cut for cut in found if cut.removed - cut.noted >= excess]
        if self.policy == "slide" and enough:
            return enough[0]
        if self.policy == "batch" and enough:
            low = [cut for cut in enough if stable - cut.removed + cut.noted <= LOW * limit]
            return low[0] if low else enough[-1]
        if not enough:
            return max(found, key=lambda cut: cut.removed - cut.noted)
        least, kept = self._shares(room)
        if cold:
            least *= 0.2  # a cold edit costs nothing
        if not self.state.entries:
            kept = FIRST_SHARE * room
        best = _best(enough, least, kept, stable - (limit - room))
        if excess > 0:
            return best or max(enough, key=lambda cut: cut.gain)
        # It is not forced: it has to pay, out of what was saved already.
        pays = best is not None and best.pays and best.cost <= self.costs.saved
        return best if pays else None

    def _shares(self, room: int) -> tuple[float, float]:
        """Return the least tokens that an edit takes, and that it keeps beside the pins."""
        least, kept = LEAST_SHARE * room, KEPT_SHARE * room
        if self.visibility.needs_met:
            return min(least, LEAST_TOKENS), min(kept, KEPT_TOKENS)
        return least, kept

    def _cut_covered(
        self,
        plan: Plan,
        entries: Sequence[Entry],
        groups: Sequence[Sequence[int]],
        spans: Sequence[Span],
        held: Sequence[bool],
        named: Mapping[int, Sequence[str]],
        *,
        stable: int,
        limit: int,
        excess: int,
        options: Mapping[str, Any],
    ) -> int:
        """Plan the best cut that costs no more than it may, and return the tokens it frees.

        A cut may begin behind units that stay: they are read from the cache where all that is
        older would be too short for it, or would have to be written again.
        """
        coverage = self.coverage
        assert coverage is not None
        ends = [0, *accumulate(entry.tokens for entry in entries)]
        tail = sum(tokens for _, _, tokens in plan.pending)
        tail += sum(note.tokens for note in plan.notes)
        found: list[tuple[Cut, float]] = []
        for start in self._starts(ends, groups):
            begins = next((i for group in groups[start:] for i in group if not held[i]), None)
            if begins is None:
                continue
            common = min(plan.common, ends[begins])
            for cut in schedule.cuts(spans[start:], stable=coverage.head + stable, **options):
                left = stable - cut.removed + cut.noted
                cost = coverage.cost(common=common, stable=left, tail=tail)
                found.append((cut._replace(start=start, units=start + cut.units), cost))
        stuck = sum(entry.tokens for entry, kept in zip(entries, held, strict=True) if kept)
        room = max(0, limit - stuck)
        chosen = self._covered(found, stable, room=room, limit=limit, excess=excess)
        if chosen is None:
            self._look_at = look_again(stable)
            return 0
        gone = [i for group in groups[chosen.start : chosen.units] for i in group if not held[i]]
        return self._cut(plan, entries, gone, named, chosen, room=options["most_noted"])

    def _starts(self, ends: Sequence[int], groups: Sequence[Sequence[int]]) -> list[int]:
        """Return the units that a cut may begin with: the first, and some that leave a prefix."""
        assert self.coverage is not None
        least = self.coverage.first_read() - self.coverage.head
        firsts = [ends[group[0]] for group in groups]
        enough = next((i for i, before in enumerate(firsts) if before >= least), len(groups))
        count = len(groups)
        starts = {0, enough, *(count * part // _STARTS for part in range(1, _STARTS))}
        return sorted(start for start in starts if start < count)

    def _covered(
        self,
        found: Sequence[tuple[Cut, float]],
        stable: int,
        *,
        room: int,
        limit: int,
        excess: int,
    ) -> Cut | None:
        """Return the cut to make of those given, each with what the window costs after it."""
        coverage = self.coverage
        assert coverage is not None
        attempt = coverage.attempt
        forced = excess > 0 or attempt.edit
        enough = [(cut, cost) for cut, cost in found if cut.removed - cut.noted >= excess]
        if not enough:
            most = max(found, key=lambda one: one[0].removed - one[0].noted, default=None)
            return most[0] if most is not None and forced else None
        lawful = [cut for cut, cost in enough if not coverage.over(cost + attempt.margin)]
        least, kept = self._shares(room)
        best = _best(lawful, least, kept, stable - (limit - room))
        if not forced:
            # It has to pay, out of what was saved already.
            pays = best is not None and best.pays and best.cost <= coverage.spare(0)
            return best if pays else None
        if best is not None:
            return best
        if lawful:
            return max(lawful, key=lambda cut: cut.gain)
        return min(enough, key=lambda one: (one[1], -one[0].gain))[0]

    def _cut_by_policy(
        self,
        plan: Plan,
        entries: Sequence[Entry],
        held: Sequence[bool],
        *,
        limit: int,
        excess: int,
    ) -> int:
        """Plan to take out what a page policy chooses, down to half of the budget."""
        assert self.eviction is not None
        state = self.state
        keep = [e.item for e, kept in zip(entries, held, strict=True) if kept and e.item >= 0]
        keep += range(plan.committed, len(state.items))
        tokens = sum(entry.tokens for entry in entries)
        shown = [entry.item for entry in entries if entry.full]
        free = max(excess, tokens - int(LOW * limit))
        chosen = set(self.eviction.chosen(shown, keep, free))
        gone = [
            i
            for i, (entry, kept) in enumerate(zip(entries, held, strict=True))
            if not kept and (entry.item in chosen or not entry.full)
        ]
        if not gone:
            return 0
        left = set(gone)
        known = set(named_in((e for i, e in enumerate(entries) if i not in left), state.items))
        named: dict[int, list[str]] = {}
        for i in reversed(gone):
            ids = ids_of(entries[i], state.items)
            named[i] = editing.unshown_ids(ids, known, entries[i].tokens, self.meter.count)
            known.update(ids)
        removed = sum(entries[i].tokens for i in gone)
        behind = sum(e.tokens for i, e in enumerate(entries) if i > gone[0] and i not in left)
        cut = Cut(len(gone), removed, 0, behind, 0.0, 0.0, 0.0, 0.0)
        return self._cut(plan, entries, gone, named, cut, room=int(NOTES_SHARE * limit))

    def _cut(
        self,
        plan: Plan,
        entries: Sequence[Entry],
        gone: Sequence[int],
        named: Mapping[int, Sequence[str]],
        chosen: Cut,
        *,
        room: int,
    ) -> int:
        """Take entries out, put an index in their place, and return the tokens that frees.

        The index may have `room` tokens; the lines of the oldest pages are left out first.
        """
        state = self.state
        leaving = [entries[i] for i in gone]
        items = [state.items[entry.item] for entry in leaving if entry.item >= 0]
        left = set(gone)
        first = gone[0]
        rest = [entries[i] for i in range(first, len(entries)) if i not in left]
        freed = sum(entry.tokens for entry in leaving)
        if items:
            lines = [
                editing.index_line(state.items[entries[i].item].pages, named[i])
                for i in gone
                if entries[i].item >= 0 and named[i]
            ]
            pages = [page for item in items for page in item.pages]
            tokens = sum(item.tokens for item in items)
            heading = editing.index_heading(
                *(pages, len(items), tokens),
                older=self._left(pages[0], [*entries[:first], *rest]),
                offers=state.offers,
            )
            note = state.entry({"note": editing.index(heading, lines)})
            while lines and note.tokens > room:
                del lines[: max(1, len(lines) * (note.tokens - room) // note.tokens)]
                note = state.entry({"note": editing.index(heading, lines)})
            if note.tokens < freed:
                rest.insert(0, note)
                freed -= note.tokens
        elif (short := self._short_index(entries[:first], rest)) and 2 * short.tokens < freed:
            rest.insert(0, short)
            freed -= short.tokens
        freed += self._leave_rereads(plan, rest)
        plan.replace_from(entries, first, rest)
        plan.evicted += [item.index for item in items]
        plan.cost += chosen.at_once
        plan.saves += chosen.saves
        plan.edited = True
        self._look_at = 0
        plan.events.append(_edit_event(items, chosen, freed, self.prices))
        return freed

    def _leave_rereads(self, plan: Plan, rest: list[Entry]) -> int:
        """Replace reads that a newer one supersedes by a line each; return the tokens freed."""
        freed = 0
        for one in rereads(self.state, rest):
            older = self.state.items[rest[one.older].item]
            newer = self.state.items[rest[one.newer].item]
            more = one.full.tokens - rest[one.newer].tokens
            less = rest[one.older].tokens - one.line.tokens - more
            rest[one.older], rest[one.newer] = one.line, one.full
            freed += less
            plan.evicted.append(older.index)
            detail = (
                f"{editing.page_range(older.pages)} ({older.tokens:,} tokens) is replaced by a "
                f"line that names {editing.page_range(newer.pages)}, a newer read of the same"
            )
            names = tuple(map(editing.page_name, older.pages))
            plan.events.append(Event("compact", detail, names, less))
        return freed

    def evict_rest(self, plan: Plan, pins: set[int], behind: int) -> int:
        """Take out all units before item `behind` that need not stay, without an index.

        Returns the tokens that frees.
        """
        entries = plan.layout(self.state.entries)
        gone = [i for i, one in enumerate(entries) if not self._held(one, pins, behind, old=True)]
        if not gone:
            return 0
        freed = _take_out(plan, entries, gone)
        items = [self.state.items[entries[i].item] for i in gone if entries[i].item >= 0]
        plan.evicted += [item.index for item in items]
        names = tuple(editing.page_name(page) for item in items for page in item.pages)
        detail = f"{len(items)} messages left for the store, without an index: there is no room"
        plan.events.append(Event("edit", detail, names, freed))
        return freed

    def _short_index(self, ahead: Sequence[Entry], rest: Sequence[Entry]) -> Entry | None:
        """Return an index for the place of indexes that leave; None if there is another."""
        state = self.state
        pages = [state.items[entry.item].first_page for entry in rest if entry.item >= 0]
        entries = [*ahead, *rest]
        if not pages or any(e.is_index for e in entries) or not self._left(pages[0], entries):
            return None
        return state.entry({"note": editing.stored_before(pages[0], offers=state.offers)})

    def _left(self, page: int, entries: Sequence[Entry]) -> bool:
        """Return whether a page before one is in none of these entries in full."""
        indexes = (entry.item if entry.full else entry.again for entry in entries)
        items = [self.state.items[index] for index in indexes if index >= 0]
        return len({one for item in items for one in item.pages if one < page}) < page

    def drop_indexes(self, plan: Plan) -> int:
        """Take out all indexes, and return the tokens that frees."""
        entries = plan.layout(self.state.entries)
        there = [i for i, entry in enumerate(entries) if entry.is_index]
        if not there:
            return 0
        freed = _take_out(plan, entries, there)
        plan.events.append(Event("edit", f"indexes of {freed:,} tokens were dropped", (), freed))
        return freed


def _take_out(plan: Plan, entries: Sequence[Entry], gone: Sequence[int]) -> int:
    """Take entries of the layout out, given their places in order; return the tokens that frees."""
    first, left = gone[0], set(gone)
    rest = [entries[i] for i in range(first, len(entries)) if i not in left]
    plan.replace_from(entries, first, rest)
    plan.edited = True
    return sum(entries[i].tokens for i in gone)


def _edit_event(items: Sequence[Item], cut: Cut, freed: int, prices: Prices) -> Event:
    pages = [page for item in items for page in item.pages]
    if not items:
        return Event("edit", f"indexes of {cut.removed:,} tokens were dropped", (), freed)
    tokens = sum(item.tokens for item in items)
    after = prices.break_even(suffix=cut.rewritten, removed=max(1, cut.removed - cut.noted))
    detail = (
        f"{len(items)} messages ({editing.page_runs(pages)}, {tokens:,} tokens) left for the "
        f"store and are in an index; the {cut.rewritten:,} tokens after them are written again"
    )
    if after != float("inf"):
        detail += (
            f", which pays after {after:.1f} calls" if after >= 0.05 else ", which pays at once"
        )
    return Event("edit", detail, tuple(map(editing.page_name, pages)), freed)


def _best(found: Iterable[Cut], least: float, kept: float, there: int) -> Cut | None:
    """Return the best cut of those that take `least` tokens and keep `kept` of those there."""
    fair = [
        cut
        for cut in found
        if cut.removed - cut.noted >= least and there - cut.removed + cut.noted >= kept
    ]
    return max(fair, key=lambda cut: cut.gain, default=None)
