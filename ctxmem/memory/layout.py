"""Lay a window out: settle what is new, take out what must go or had better, note what has left.

`plan` looks and changes nothing; what it returns is recorded first and applied then, so that
nothing leaves the window that is not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.errors import BudgetError, InputError
from ctxmem.memory import editing, schedule
from ctxmem.memory.account import Account
from ctxmem.memory.identifiers import Reuse
from ctxmem.memory.resident import Entry, Item, Resident, Shown, ids_of, named_in, shortened
from ctxmem.memory.schedule import Cut, Span
from ctxmem.memory.sight import Sight
from ctxmem.memory.texts import has_results, with_long_texts, with_results
from ctxmem.memory.victims import Victims
from ctxmem.memory.window import Event
from ctxmem.policies import POLICIES as PAGE_POLICIES
from ctxmem.pricing import Prices
from ctxmem.protocols import Policy

POLICIES = ("auto", "batch", "slide")
"""How much leaves and when; the names in `ctxmem.policies` say which pages do."""
LOW = 0.5
"""The policy "batch" trims to this share of the budget."""
LEAST_SHARE = 0.6
"""An edit frees this share of the room beside the pins, where it can: few edits, not many."""
KEPT_SHARE = 0.3
"""An edit leaves this share of that room in use, where it can: room is there to be used."""
NOTES_SHARE = 0.15
"""Indexes may take this share of the budget before the oldest of them go, too."""
TASK_SHARE = 0.25
"""The first user message stays if it takes at most this share of the budget."""
_PATIENCE = 16
"""A cut that did not pay is looked for again when the window has grown by one part in so many."""
_LEAST = 48
"""Results of fewer tokens are not worth an outline."""


@dataclass(slots=True)
class Plan:
    """A layout that is to be: entries from `keep` on, and what is sent behind them."""

    keep: int
    entries: list[Entry]
    settled: int
    common: int  # tokens of the entries that the window before had, too
    tails: dict[int, list[str | None]] = field(default_factory=dict)
    parts: dict[int, list[str | None]] = field(default_factory=dict)
    fresh: list[tuple[int, dict[str, Any], int]] = field(default_factory=list)
    notes: list[Entry] = field(default_factory=list)  # behind what is fresh, for this call only
    events: list[Event] = field(default_factory=list)
    evicted: int = 0
    edited: bool = False
    record: dict[str, Any] | None = None


class Layout:
    """Plans and applies layouts of one session."""

    def __init__(
        self,
        state: Resident,
        meter: Meter,
        prices: Prices,
        *,
        account: Account,
        reuse: Reuse,
        sight: Sight,
        policy: str | Policy,
        fault: float,
    ) -> None:
        if isinstance(policy, str) and policy not in (*POLICIES, *PAGE_POLICIES):
            known = dict.fromkeys((*POLICIES, *PAGE_POLICIES))
            raise InputError(f"policy is {policy!r}; expected one of {', '.join(known)}")
        named = isinstance(policy, str) and policy in POLICIES
        self.victims = None if named else Victims(state, policy)
        self.state, self.meter, self.prices, self.account = state, meter, prices, account
        self.policy, self.fault = policy, fault
        self.reuse, self.sight = reuse, sight
        self.recorded = 0  # entries there were at the last record
        self.considered = 0  # items whose first showing was thought about
        self._look_at = 0  # a window smaller than this was found not worth an edit

    # Records --------------------------------------------------------------------------------------

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in a layout as it was recorded, by this process or another."""
        for name, there in (("tails", self.state.tails), ("parts", self.state.parts)):
            there.update({int(item): texts for item, texts in record[name].items()})
        made = [self.state.entry(shown) for shown in record["shown"]]
        self.state.lay(record["keep"], made, record["settled"])
        self.recorded = len(self.state.entries)
        self.account.cost, self.account.untrimmed = record["bill"]

    def apply(self, plan: Plan) -> None:
        """Make a plan the layout."""
        self.state.tails.update(plan.tails)
        self.state.parts.update(plan.parts)
        self.state.lay(plan.keep, plan.entries, plan.settled)
        self.state.passing = {note.again for note in plan.notes}
        if plan.record is not None:
            self.recorded = len(self.state.entries)
        self.considered = len(self.state.items)

    # Planning -------------------------------------------------------------------------------------

    def plan(self, limit: int, *, cold: bool, new: bool, wanted: Iterable[int]) -> Plan:
        """Return the layout of the next window of at most `limit` tokens.

        Raises `BudgetError` when what must stay does not fit.
        """
        state = self.state
        plan = Plan(len(state.entries), [], state.settled, state.stable)
        fresh = state.fresh_from()
        self._show_once(plan, fresh)
        self._settle(plan, fresh)
        self._bring_back(plan, wanted)
        pins = self._pins(limit)
        answer = state.last_answer()
        stable = state.stable + sum(entry.tokens for entry in plan.entries)
        tail = sum(tokens for _, _, tokens in plan.fresh)
        tail += sum(note.tokens for note in plan.notes)
        excess = stable + tail - limit
        if excess > 0 or (new and self._promising(stable, cold)):
            excess -= self._edit(plan, pins, answer, limit=limit, excess=excess, cold=cold)
        if excess > 0:
            excess -= self._squeeze(plan, excess)
        if excess > 0:
            # Not even what is new fits; only calls that wait for their results stay with the pins.
            if any(state.items[i].turn.calls for i in state.unit(answer)):
                pins.add(answer)
            excess -= self._edit(
                plan, pins, len(state.items), limit=limit, excess=excess, cold=cold
            )
        if excess > 0:
            excess -= self._drop_indexes(plan)
        if excess > 0:
            self._refuse(plan, limit, excess)
        self._record(plan)
        return plan

    def _show_once(self, plan: Plan, fresh: int) -> None:
        """Choose the new results that are shown in full for one call and by an outline then.

        They stand in the volatile tail, at full price instead of that of a write, and only the
        outline is cached. That pays where results are long and seldom needed again.
        """
        prices, state = self.prices, self.state
        if self.policy != "auto" or state.stable < prices.minimum:
            return
        calls = schedule.horizon(self.reuse.calls)
        again = self.reuse.expected(1, calls) * self.fault
        for item in state.items[max(fresh, self.considered) :]:
            if item.tokens < _LEAST or item.pinned or not has_results(item.message):
                continue
            whole = item.tokens * (prices.write + prices.read * calls)
            once = item.tokens * (1.0 + again)
            if once >= whole:
                continue
            texts, tokens = self._outlined(item)
            if once + tokens * (prices.write + prices.read * calls) < whole:
                plan.tails[item.index] = [*texts]
                detail = (
                    f"{editing.page_range(item.pages)} ({item.tokens:,} tokens) is shown for one "
                    f"call; then {tokens} tokens of identifiers stand for it"
                )
                names = tuple(map(editing.page_name, item.pages))
                plan.events.append(Event("compact", detail, names, item.tokens - tokens))

    def _outlined(self, item: Item) -> tuple[list[str], int]:
        """Return the texts that stand for an item's results, and the tokens of the message then."""
        texts: list[str] = []

        def rewrite(text: str) -> str:
            ids = () if texts else item.ids
            named = editing.telling(ids, self.sight, item.tokens, self.meter.count)
            texts.append(editing.outline(item.pages, item.tokens, named))
            return texts[-1]

        message = with_results(item.message, rewrite)
        return texts, self.meter.message(message, item.index)

    def _settle(self, plan: Plan, fresh: int) -> None:
        """Move items to the stable part, up to the first that is shown for this call only."""
        state = self.state
        tails = {**state.tails, **plan.tails} if plan.tails else state.tails
        for index in range(state.settled, len(state.items)):
            shown = state.shown_by(index, tails)
            if not isinstance(shown, int) and index >= fresh:
                plan.fresh = list(map(state.sent_now, range(index, len(state.items))))
                break
            plan.entries.append(state.entry(shown))
            plan.settled = index + 1

    def _bring_back(self, plan: Plan, wanted: Iterable[int]) -> None:
        """Show items again that have left and are wanted: pinned, or recalled again and again."""
        state = self.state
        there = {entry.item for entry in plan.entries if entry.full}
        settled = plan.settled == len(state.items)
        for index in dict.fromkeys(wanted):
            item = state.items[index]
            if index in state.in_full or index in there or index >= plan.settled:
                continue
            if not settled and not item.pinned:
                continue
            text = editing.again(editing.page_range(item.pages), item.turn.role, item.text)
            note = state.entry({"note": text, "again": index})
            if not settled:
                # Nothing may stand between a call and its results: for this call it is the last.
                plan.notes.append(note)
                continue
            plan.entries.append(note)
            detail = f"{editing.page_range(item.pages)} is back in the stable part"
            names = tuple(map(editing.page_name, item.pages))
            plan.events.append(Event("promote", detail, names, -plan.entries[-1].tokens))

    def _pins(self, limit: int) -> set[int]:
        """Return the units that stay, by their first items."""
        state = self.state
        pins = {state.items[index].unit for index in state.staying}
        if state.task >= 0 and state.items[state.task].tokens <= TASK_SHARE * limit:
            pins.add(state.items[state.task].unit)
        question = state.question if state.question >= 0 else state.note
        if question >= 0:
            pins.add(state.items[question].unit)
        return pins

    # Editing --------------------------------------------------------------------------------------

    def _promising(self, stable: int, cold: bool) -> bool:
        """Return whether it is worth looking for an edit that nobody needs."""
        if self.policy != "auto" or (stable < self._look_at and not cold):
            return False
        return cold or self.account.saved > 0

    def _edit(
        self, plan: Plan, pins: set[int], behind: int, *, limit: int, excess: int, cold: bool
    ) -> int:
        """Plan the best cut of units before item `behind`, and return the tokens it frees."""
        state = self.state
        entries = state.entries[: plan.keep] + plan.entries
        indexes = sum(e.tokens for e in entries if e.item < 0 and e.again < 0)
        old = indexes > NOTES_SHARE * limit  # then the indexes go first
        held = [self._held(entry, pins, behind, old) for entry in entries]
        first = next((i for i, kept in enumerate(held) if not kept), len(entries))
        if first == len(entries):
            return 0
        if self.victims is not None:
            return self._cut_victims(plan, entries, held, limit=limit, excess=excess)
        groups, named = self._groups(plan, entries, first)
        stable = sum(entry.tokens for entry in entries)
        spans = [self._span(entries, group, held, named, len(state.entries)) for group in groups]
        found = schedule.cuts(
            spans,
            stable=stable,
            heading=self.meter.count(editing.index_heading(range(100), 100, 10000)) + 8,
            prices=self.prices,
            calls=schedule.horizon(self.reuse.calls),
            reuse=self.reuse,
            fault=self.fault,
            cold=cold,
        )
        stuck = sum(entry.tokens for entry, kept in zip(entries, held, strict=True) if kept)
        chosen = self._chosen(
            found, stable, room=max(0, limit - stuck), limit=limit, excess=excess, cold=cold
        )
        if chosen is None:
            self._look_at = stable + max(64, stable // _PATIENCE)
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
        return not old

    def _groups(
        self, plan: Plan, entries: Sequence[Entry], first: int
    ) -> tuple[list[list[int]], dict[int, list[str]]]:
        """Return the entries by units, and the identifiers that are last seen in each entry."""
        items = self.state.items
        known = set(named_in(entries[:first], items))
        for index, _, _ in plan.fresh:
            known.update(items[index].ids)
        named: dict[int, list[str]] = {}
        groups: list[list[int]] = []
        unit = None
        for i in range(len(entries) - 1, first - 1, -1):
            entry = entries[i]
            ids = ids_of(entry, items)
            named[i] = editing.telling(ids, known, entry.tokens, self.meter.count)
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
            age -= self.state.items[last.item].born
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
        least = LEAST_SHARE * room * (0.2 if cold else 1.0)  # a cold edit costs nothing
        fair = [
            cut
            for cut in enough
            if cut.removed - cut.noted >= least
            and stable - cut.removed + cut.noted - (limit - room) >= KEPT_SHARE * room
        ]
        best = max(fair, key=lambda cut: cut.gain, default=None)
        if excess > 0:
            return best or max(enough, key=lambda cut: cut.gain)
        # Nobody needs it: it has to pay, out of what was saved already.
        pays = best is not None and best.gain > 0 and best.cost <= self.account.saved
        return best if pays else None

    def _cut_victims(
        self,
        plan: Plan,
        entries: Sequence[Entry],
        held: Sequence[bool],
        *,
        limit: int,
        excess: int,
    ) -> int:
        """Plan to take out what a page policy chooses, down to half of the budget."""
        assert self.victims is not None
        state = self.state
        keep = [e.item for e, kept in zip(entries, held, strict=True) if kept and e.item >= 0]
        keep += range(plan.settled, len(state.items))
        tokens = sum(entry.tokens for entry in entries)
        shown = [entry.item for entry in entries if entry.full]
        free = max(excess, tokens - int(LOW * limit))
        chosen = set(self.victims.chosen(shown, keep, free))
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
            named[i] = editing.telling(ids, known, entries[i].tokens, self.meter.count)
            known.update(ids)
        removed = sum(entries[i].tokens for i in gone)
        behind = sum(e.tokens for i, e in enumerate(entries) if i > gone[0] and i not in left)
        cut = Cut(len(gone), removed, 0, behind, 0.0, 0.0)
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
            pages = [items[0].pages[0], items[-1].pages[-1]]
            tokens = sum(item.tokens for item in items)
            heading = editing.index_heading(pages, len(items), tokens)
            note = state.entry({"note": "\n".join([heading, *lines])})
            while lines and note.tokens > room:
                del lines[: max(1, len(lines) * (note.tokens - room) // note.tokens)]
                note = state.entry({"note": "\n".join([heading, *lines])})
            if note.tokens < freed:
                rest.insert(0, note)
                freed -= note.tokens
        plan.common = min(plan.common, sum(entry.tokens for entry in entries[:first]))
        plan.keep = min(plan.keep, first)
        plan.entries = [*entries[plan.keep : first], *rest]
        plan.evicted += len(items)
        plan.edited = True
        self._look_at = 0
        plan.events.append(_edit_event(items, chosen, freed, self.prices))
        return freed

    def _drop_indexes(self, plan: Plan) -> int:
        """Take out all indexes, and return the tokens that frees."""
        entries = [*self.state.entries[: plan.keep], *plan.entries]
        there = [i for i, entry in enumerate(entries) if entry.item < 0 > entry.again]
        if not there:
            return 0
        plan.common = min(plan.common, sum(entry.tokens for entry in entries[: there[0]]))
        plan.keep = min(plan.keep, there[0])
        left = set(there)
        plan.entries = [entries[i] for i in range(plan.keep, len(entries)) if i not in left]
        plan.edited = True
        freed = sum(entries[i].tokens for i in there)
        plan.events.append(Event("edit", f"indexes of {freed:,} tokens were dropped", (), freed))
        return freed

    def _squeeze(self, plan: Plan, excess: int) -> int:
        """Show in part what is new and long, and return the tokens that frees.

        Results go first, then what the user says, the largest first.
        """
        state = self.state
        freed = 0
        new = state.items[state.fresh_from() :]
        if 0 <= state.question < state.fresh_from() and state.question in state.parts:
            new = [state.items[state.question], *new]  # it was too long when it was new
        entries = [*state.entries[: plan.keep], *plan.entries]
        here = {entry.item for entry in entries} | {index for index, _, _ in plan.fresh}
        new = [
            i
            for i in new
            if i.index in here
            and not i.pinned
            and i.turn.role in ("user", "tool")
            and not i.turn.calls
        ]
        told = {item.index: not has_results(item.message) for item in new}
        for item in sorted(new, key=lambda i: (told[i.index], -i.tokens, i.index)):
            if freed >= excess:
                break
            room = max(2 * _LEAST, item.tokens - (excess - freed))
            found = self._excerpted(item, room)
            if found is None:
                continue
            plan.parts[item.index], message, tokens = found
            self._unsettle(plan, item.index)
            if told[item.index]:
                plan.tails[item.index] = plan.parts[item.index]
            elif item.index not in state.tails:
                plan.tails[item.index] = [*self._outlined(item)[0]]
            at = next(i for i, (index, _, _) in enumerate(plan.fresh) if index == item.index)
            freed += plan.fresh[at][2] - tokens
            plan.fresh[at] = (item.index, message, tokens)
            detail = (
                f"{editing.page_range(item.pages)} has {item.tokens:,} tokens; {tokens:,} of them "
                "are shown"
            )
            names = tuple(map(editing.page_name, item.pages))
            plan.events.append(Event("excerpt", detail, names, item.tokens - tokens))
        return freed

    def _excerpted(
        self, item: Item, room: int
    ) -> tuple[list[str | None], dict[str, Any], int] | None:
        """Return the parts of an item's results that fit, and the message with its tokens then."""
        texts: list[str] = []
        with_long_texts(item.message, texts.append)
        sizes = [self.meter.count(text) for text in texts]
        spare = max(0, room - (item.tokens - sum(sizes)))
        made: list[str | None] = []
        for text, size in zip(texts, sizes, strict=True):
            share = spare * size // max(1, sum(sizes))
            part = None
            if share < size:
                part = editing.excerpt(text, item.pages, item.tokens, share, self.meter.count)
                if part is None:
                    part = editing.outline(item.pages, item.tokens, ())
            made.append(part)
        message = shortened(item.message, made)
        tokens = self.meter.message(message, item.index)
        return (made, message, tokens) if tokens < item.tokens else None

    def _unsettle(self, plan: Plan, index: int) -> None:
        """Move the items from `index` on from the stable part to the tail of this call."""
        if index >= plan.settled:
            return
        entries = [*self.state.entries[: plan.keep], *plan.entries]
        at = next(i for i, entry in enumerate(entries) if entry.item >= index)
        plan.fresh[:0] = map(self.state.sent_now, range(index, plan.settled))
        plan.common = min(plan.common, sum(entry.tokens for entry in entries[:at]))
        plan.keep = min(plan.keep, at)
        plan.entries = entries[plan.keep : at]
        plan.notes += [entry for entry in entries[at:] if entry.again >= 0]
        plan.settled = index

    def _refuse(self, plan: Plan, limit: int, excess: int) -> None:
        entries = [*self.state.entries[: plan.keep], *plan.entries]
        shown = [max(entry.item, entry.again) for entry in [*entries, *plan.notes]]
        shown += [index for index, _, _ in plan.fresh]
        items = [self.state.items[index] for index in shown if index >= 0]
        items.sort(key=lambda item: -item.tokens)
        names = [
            f"{editing.page_range(item.pages)} ({item.turn.role}, {item.tokens:,} tokens)"
            for item in items
        ]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise BudgetError(
            f"the window may have {limit:,} tokens but what must stay needs {limit + excess:,}: "
            f"raise the budget, or unpin or shorten {', '.join(names[:5])}{more}",
            pinned=[editing.page_name(page) for item in items for page in item.pages],
        )

    def as_it_is(self) -> dict[str, Any]:
        """Return the record of the layout as it is now."""
        state = self.state
        shown = [entry.shown for entry in state.entries[self.recorded :]]
        return self._as_record(self.recorded, shown, state.settled, {}, {})

    def _record(self, plan: Plan) -> None:
        """Put into the plan what has to be written before it is applied."""
        state = self.state
        told = plan.edited or bool(plan.tails) or bool(plan.parts)
        told = told or any(not isinstance(e.shown, int | list) for e in plan.entries)
        if not told:
            return
        keep = min(plan.keep, self.recorded)
        shown: list[Shown] = [e.shown for e in state.entries[keep : plan.keep]]
        shown += [e.shown for e in plan.entries]
        plan.record = self._as_record(keep, shown, plan.settled, plan.tails, plan.parts)

    def _as_record(
        self,
        keep: int,
        shown: Sequence[Shown],
        settled: int,
        tails: Mapping[int, Any],
        parts: Mapping[int, Any],
    ) -> dict[str, Any]:
        return {
            "op": "layout",
            "keep": keep,
            "shown": list(shown),
            "settled": settled,
            "tails": {str(item): texts for item, texts in tails.items()},
            "parts": {str(item): texts for item, texts in parts.items()},
            "bill": [round(self.account.cost, 3), round(self.account.untrimmed, 3)],
        }


def _edit_event(items: Sequence[Item], cut: Cut, freed: int, prices: Prices) -> Event:
    pages = [page for item in items for page in item.pages]
    if not items:
        return Event("edit", f"indexes of {cut.removed:,} tokens were dropped", (), freed)
    tokens = sum(item.tokens for item in items)
    after = prices.break_even(suffix=cut.rewritten, removed=max(1, cut.removed - cut.noted))
    detail = (
        f"{len(items)} messages ({editing.page_range(pages)}, {tokens:,} tokens) left for the "
        f"store, an index stands for them; {cut.rewritten:,} tokens behind them are written again"
    )
    if after != float("inf"):
        detail += f", which pays after {after:.1f} calls"
    return Event("edit", detail, tuple(map(editing.page_name, pages)), freed)
