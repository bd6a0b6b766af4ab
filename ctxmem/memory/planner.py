"""Plan a window: commit what is new, evict what must or should leave, keep an index of it.

`plan` looks and changes nothing; what it returns is recorded first and applied then, so that
nothing leaves the window before it is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ctxmem.chat.counting import Meter
from ctxmem.errors import BudgetError, InputError
from ctxmem.memory import editing, schedule
from ctxmem.memory.binding import Binding, share_of
from ctxmem.memory.cost_tracker import CostTracker
from ctxmem.memory.coverage import Coverage, PlanAttempt
from ctxmem.memory.edits import EditPlanner
from ctxmem.memory.excerpts import FEWEST, LEAST, UNNAMED, ExcerptPlanner
from ctxmem.memory.identifiers import Reuse
from ctxmem.memory.items import Item
from ctxmem.memory.plan import Plan
from ctxmem.memory.policy_eviction import PolicyEviction
from ctxmem.memory.receipts import Receipts
from ctxmem.memory.repeats import LEAST_SAVED, RepeatIndex
from ctxmem.memory.session_state import SessionState, Shown, shortened
from ctxmem.memory.texts import has_results
from ctxmem.memory.visibility import VisibilityTracker
from ctxmem.memory.window import Event
from ctxmem.policies import POLICIES as PAGE_POLICIES
from ctxmem.pricing import Prices
from ctxmem.protocols import Policy

POLICIES = ("auto", "covered", "batch", "slide")
"""How much leaves and when; the names in `ctxmem.policies` say which pages do."""
_EDITS = 3
"""What leaves may bind and then takes room again; an edit is planned so many times."""
CROWDED_SHARE = 0.7
"""A window is crowded above this share of the budget: what is kept then ..."""
CROWDED_PRICE = 0.5
"""... costs this much a token besides, since it brings the next forced edit nearer."""
REPEATS_SHARE = 0.85
"""A result is kept for the sake of later repeats while so much of the budget is in use."""
RISK_SHARE = 0.01
"""Outlines may lose this share of the untrimmed bill, where nothing was saved yet."""
TASK_SHARE = 0.25
"""The first user message stays if it takes at most this share of the budget."""


class WindowPlanner:
    """Plans and applies layouts of one session."""

    def __init__(
        self,
        state: SessionState,
        meter: Meter,
        prices: Prices,
        *,
        costs: CostTracker,
        reuse: Reuse,
        visibility: VisibilityTracker,
        binding: Binding,
        receipts: Receipts,
        policy: str | Policy,
        miss_cost: float,
    ) -> None:
        if isinstance(policy, str) and policy not in (*POLICIES, *PAGE_POLICIES):
            known = dict.fromkeys((*POLICIES, *PAGE_POLICIES))
            raise InputError(f"policy is {policy!r}; expected one of {', '.join(known)}")
        named = isinstance(policy, str) and policy in POLICIES
        self.eviction = None if named else PolicyEviction(state, policy)
        self.state, self.prices, self.costs, self.reuse = state, prices, costs, reuse
        self.policy, self.miss_cost = policy, miss_cost
        self.coverage = Coverage(state, prices, costs)
        self.covers = policy == "covered"
        self.edits = EditPlanner(
            *(state, meter, prices),
            costs=costs,
            reuse=reuse,
            visibility=visibility,
            eviction=self.eviction,
            policy=policy,
            miss_cost=miss_cost,
            coverage=self.coverage if self.covers else None,
        )
        self.binding, self.receipts = binding, receipts
        self.excerpts = ExcerptPlanner(state, meter, visibility)
        self.repeats = RepeatIndex(state)
        self.recorded = 0  # entries there were at the last record
        self.considered = 0  # items whose first showing was thought about
        self._overspent = 0.0  # what the last try costs more than it may

    # Records --------------------------------------------------------------------------------------

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in a layout as it was recorded, by this process or another."""
        if "receipts" in record:
            self.receipts.issued.clear()
            self.receipts.restore(record["receipts"])
        for name, there in (("tails", self.state.excerpts), ("parts", self.state.parts)):
            there.update({int(item): texts for item, texts in record[name].items()})
        made = [self.state.entry(shown) for shown in record["shown"]]
        self.state.replace_from(record["keep"], made, record["settled"])
        self.state.absent = set(record.get("absent", ()))
        self.state.asked = record.get("asked", [])
        self.recorded = len(self.state.entries)
        self.costs.cost, self.costs.untrimmed = record["bill"]
        self.receipts.take(record)

    def restored(self) -> None:
        """Go on from a layout that was restored from a snapshot."""
        self.recorded = len(self.state.entries)
        self.considered = len(self.state.items)

    def resume(self, seen: int) -> None:
        """Go on where the windows of another process ended, which saw the first `seen` items.

        The layout has what the last of them had in its stable part. Each of them ended before an
        assistant message, as the last did, with a breakpoint there; an edit moves all behind it.
        """
        state, recorded = self.state, self.recorded
        plan = Plan(len(state.entries), [], state.committed, state.stable)
        pending = next((i + 1 for i in reversed(range(seen)) if state.answers(i)), 0)
        self._commit(plan, pending, seen)
        state.replace_from(plan.keep, plan.entries, plan.committed)
        marks, run = {recorded}, recorded
        for at, entry in enumerate(state.entries[recorded:], start=recorded):
            if entry.item >= 0 and state.answers(entry.item):
                marks.add(run)
                run = at + 1
            elif run == at and entry.full:
                run = at + 1
        self.coverage.sent(0, (marks | {run}) - {0})

    def apply(self, plan: Plan) -> None:
        """Make a plan the layout."""
        self.coverage.sent(plan.keep, ())
        self.state.excerpts.update(plan.excerpts)
        self.state.parts.update(plan.parts)
        self.state.replace_from(plan.keep, plan.entries, plan.committed)
        for entry in plan.entries:
            if entry.full and entry.item in self.state.parts:
                self.repeats.add(self.state.items[entry.item])  # it was shown with marks before
        self.state.passing = {note.again for note in plan.notes}
        self.state.absent = self._absent(plan)
        if plan.record is not None:
            self.recorded = len(self.state.entries)
            self.state.asked = plan.record.get("asked", [])
            self.receipts.take(plan.record)
        self.considered = len(self.state.items)

    # Planning -------------------------------------------------------------------------------------

    def plan(
        self,
        limit: int,
        *,
        cold: bool,
        new: bool,
        wanted: Iterable[int],
        spare: int = 0,
        continues: bool = True,
        repeats: bool = True,
    ) -> Plan:
        """Return the layout of the next window of at most `limit` tokens.

        `spare` tokens of them are wanted for what a query recalls: old units leave for it, but
        nothing new is shortened; the last answer leaves, too, unless the query `continues` from
        it. Without `repeats`, new results are shown with lines that the
        window shows already. Raises `BudgetError` when what must stay does not fit.
        """
        options: dict[str, Any] = {
            "cold": cold,
            "new": new,
            "wanted": wanted,
            "spare": spare,
            "continues": continues,
            "repeats": repeats,
        }
        if not self.covers:
            return self._planned(limit, **options)
        coverage, least = self.coverage, float("inf")
        coverage.begin(limit, cold=cold)
        best: Plan | None = None
        refused: BudgetError | None = None
        for attempt in self._attempts(limit, new=new):
            coverage.attempt = attempt
            try:
                plan = self._planned(limit, **options)
            except BudgetError as error:
                refused = refused or error
                continue
            cost = coverage.cost_of(plan)
            if cost < least:
                best, least = plan, cost
            self._overspent = coverage.over(cost)
            if not self._overspent or not (new or plan.edited):
                break
        if best is None:
            assert refused is not None
            raise refused
        return best

    def _attempts(self, limit: int, *, new: bool) -> Iterator[PlanAttempt]:
        """Yield the attempts at a plan in order, until one costs no more than it may.

        Where nothing is new, the window before is the first: it was sent and paid for.
        """
        if new:
            yield PlanAttempt()
        yield PlanAttempt(optional=False)
        more = self._overspent
        yield PlanAttempt(optional=False, edit=True, margin=more)
        yield PlanAttempt(optional=False, edit=True, margin=2 * more)
        yield PlanAttempt(optional=False, edit=True, terse=True)
        block = share_of(limit)  # taken from what binds if nothing else can be paid for
        for part in (2, 1):
            less = block - block * part // 4
            yield PlanAttempt(optional=False, edit=True, margin=more, terse=True, less=less)
        yield PlanAttempt(optional=False, edit=True, less=block, everything=True)

    def _planned(
        self,
        limit: int,
        *,
        cold: bool,
        new: bool,
        wanted: Iterable[int],
        spare: int,
        continues: bool,
        repeats: bool,
    ) -> Plan:
        """Return the layout of the next window, as `plan` does, by the options of this attempt."""
        state = self.state
        plan = Plan(len(state.entries), [], state.committed, state.stable)
        pending = state.pending_from()
        self._show_once(plan, pending, repeats, limit)
        self._commit(plan, pending, len(state.items))
        self._bring_back(plan, wanted)
        pins = self._pins(limit)
        if self.covers:
            plan.common = self.coverage.common(plan.entries)
            self.coverage.stuck = sum(map(self._size, pins))
        answer = state.last_answer()
        stable = state.stable + sum(entry.tokens for entry in plan.entries)
        tail = sum(tokens for _, _, tokens in plan.pending)
        tail += sum(note.tokens for note in plan.notes)
        excess = stable + tail + spare - limit
        plan.reason = "cold" if cold else "pays"
        if self.covers and self.coverage.attempt.edit:
            plan.reason = "account"
        if excess > 0:
            plan.reason = "full" if excess > spare else "recall"
        if excess > 0 or (new and self.edits.promising(stable, cold)):
            excess -= self._edit(plan, pins, answer, limit, excess, cold=cold, question=spare > 0)
        if excess > spare:
            self.excerpts.squeeze(plan, excess - spare)
            excess = self.tokens(plan) + spare - limit
        dispensable = not continues or self._size(answer) > TASK_SHARE * limit
        if excess > spare or (excess > 0 and dispensable):
            # Not even what is new fits; only calls that wait for their results stay with the pins.
            if any(state.items[i].turn.calls for i in state.unit(answer)):
                pins.add(answer)
            behind = len(state.items)
            excess -= self._edit(plan, pins, behind, limit, excess, cold=cold, question=spare > 0)
        if excess > 0:
            excess -= self.edits.drop_indexes(plan)
        if self.covers and self.coverage.attempt.everything:
            excess -= self.edits.evict_rest(plan, pins, answer)
        if excess > spare:
            excess -= self.edits.evict_rest(plan, pins, len(state.items))
        if excess > spare:
            excess += self.binding.place(plan, limit, less=excess - spare)
        if excess > spare:
            self.excerpts.squeeze(plan, excess - spare, FEWEST)
            excess = self.tokens(plan) + spare - limit
        if excess > spare:
            self._refuse(plan, limit, excess - spare)
        if plan.sources and not plan.sources <= self._shown_in_full(plan):
            # An edit takes out what a new result was to refer to.
            options: dict[str, Any] = {"cold": cold, "new": new, "wanted": wanted}
            return self._planned(limit, **options, spare=spare, continues=continues, repeats=False)
        self._record(plan)
        return plan

    def _edit(
        self,
        plan: Plan,
        pins: set[int],
        behind: int,
        limit: int,
        excess: int,
        *,
        cold: bool,
        question: bool,
    ) -> int:
        """Plan an edit and the block of what binds after it; return the tokens that frees."""
        freed = 0
        for _ in range(_EDITS):
            more = self.edits.edit(
                plan, pins, behind, limit=limit, excess=excess - freed, cold=cold
            )
            if not more:
                break
            less = self.coverage.attempt.less if self.covers else 0
            freed += more - self.binding.place(
                plan, limit, less=less, question=question, late=self.covers
            )
            if freed >= excess:
                break
        return freed

    def common(self, kept: int, stable: int) -> int:
        """Return how much of a stable part the provider has, if so much of it was kept."""
        common = min(kept, stable)
        return self.coverage.reads(common) if self.covers else common

    def tokens(self, plan: Plan) -> int:
        """Return the tokens of a plan's window."""
        entries = [*self.state.entries[: plan.keep], *plan.entries, *plan.notes]
        pending = sum(tokens for _, _, tokens in plan.pending)
        return sum(entry.tokens for entry in entries) + pending

    def visible(self, plan: Plan) -> set[int]:
        """Return the items that a plan's window shows in full."""
        return plan.visible([*self.state.entries[: plan.keep], *plan.entries, *plan.notes])

    def _absent(self, plan: Plan) -> set[int]:
        """Return the items of the volatile tail that a plan's window leaves out."""
        pending = {index for index, _, _ in plan.pending}
        return set(range(plan.committed, len(self.state.items))) - pending

    def _size(self, unit: int) -> int:
        """Return the tokens of a unit."""
        return sum(self.state.items[index].tokens for index in self.state.unit(unit))

    def _shown_in_full(self, plan: Plan) -> set[int]:
        """Return the items that the stable part of a plan shows in full."""
        entries = plan.layout(self.state.entries)
        return {entry.item for entry in entries if entry.full}

    def _show_once(self, plan: Plan, pending: int, repeats: bool, limit: int) -> None:
        """Choose the new results that are shown in full for one call and by an outline then.

        They are in the volatile tail, at full price instead of that of a write, and only the
        outline is cached. That pays where results are long and seldom needed again.
        """
        prices, state = self.prices, self.state
        if self.covers:
            if not self.coverage.once():
                return
        elif self.policy != "auto" or state.stable < prices.minimum:
            return
        calls = schedule.horizon(self.reuse.calls)
        needed = self.reuse.expected(1, calls)
        spare = max(0.0, self.costs.saved) + RISK_SHARE * self.costs.untrimmed
        tail = 1.0
        if self.covers:
            new = sum(item.tokens for item in state.items[state.committed :])
            spare, tail = self.coverage.spare(new), self.coverage.tail
        for item in state.items[max(pending, self.considered) :]:
            if item.tokens < LEAST or item.pinned or not has_results(item.message):
                continue
            size = self._without_repeats(plan, item) if repeats else item.tokens
            whole = self._price_of_keeping(plan, item, size, calls, limit)
            if size >= whole:
                self._show_in_full(plan, item)
                continue
            texts, tokens, unnamed = self.excerpts.outlined(item)
            once = size * (tail + needed * self.miss_cost * unnamed / UNNAMED)
            # What is lost if the chat ends a call later must have been saved before, or be little.
            loss = size * tail + prices.write * tokens - (prices.write + prices.read) * size
            if self.covers:
                loss = max(loss, self.coverage.lost_by_retry(size))
            pays = once + tokens * (prices.write + prices.read * calls) < whole
            if not pays or loss > spare:
                self._show_in_full(plan, item)
            else:
                spare -= max(0.0, loss)
                plan.excerpts[item.index] = [*texts]
                detail = (
                    f"{editing.page_range(item.pages)} ({item.tokens:,} tokens) is shown for one "
                    f"call; then {tokens} tokens of identifiers replace it"
                )
                names = tuple(map(editing.page_name, item.pages))
                plan.events.append(Event("compact", detail, names, item.tokens - tokens))

    def _price_of_keeping(
        self, plan: Plan, item: Item, size: int, calls: float, limit: int
    ) -> float:
        """Return what it costs to keep a new result of `size` tokens for the calls to come."""
        price = self.prices.write + self.prices.read * calls
        used = self.state.stable + size
        if used > CROWDED_SHARE * limit:
            price += CROWDED_PRICE
        whole = size * price
        if item.index not in plan.parts and used <= REPEATS_SHARE * limit:
            # What is repeated again and again is kept once, and referred to then.
            whole -= self.repeats.expected(item)
        return whole

    def _without_repeats(self, plan: Plan, item: Item) -> int:
        """Leave out of a new item what the window shows already; return the tokens it has then."""
        found = self.repeats.without_repeats(item, self.state.in_full)
        if found is None:
            return item.tokens
        texts, sources = found
        message = shortened(item.message, texts)
        tokens = self.excerpts.meter.message(message, item.index)
        if tokens + LEAST_SAVED > item.tokens:
            return item.tokens
        plan.parts[item.index] = texts
        plan.excerpts[item.index] = texts
        plan.sources |= sources
        detail = (
            f"{editing.page_range(item.pages)} ({item.tokens:,} tokens) is shown without the lines "
            f"that the window shows already, in {tokens:,} tokens"
        )
        names = tuple(map(editing.page_name, item.pages))
        plan.events.append(Event("compact", detail, names, item.tokens - tokens))
        return tokens

    def _show_in_full(self, plan: Plan, item: Item) -> None:
        """Let later results refer to an item that stays in the window as it is."""
        if item.index not in plan.parts:
            self.repeats.add(item)

    def _commit(self, plan: Plan, pending: int, end: int) -> None:
        """Move items before `end` to the stable part, up to the first shown for this call only."""
        state = self.state
        excerpts = {**state.excerpts, **plan.excerpts} if plan.excerpts else state.excerpts
        parts = {**state.parts, **plan.parts} if plan.parts else state.parts
        state.items.loaded(range(state.committed, end))  # at once, not one by one
        for index in range(state.committed, end):
            if index in state.absent or state.items[index].lost:
                plan.committed = index + 1
                continue
            shown = state.shown_by(index, excerpts)
            lasting = not isinstance(shown, list) or parts.get(index) == shown[1]
            if not lasting and index >= pending:
                rest = [i for i in range(index, end) if i not in state.absent]
                plan.pending = [state.sent_now(i, parts) for i in rest]
                break
            plan.entries.append(state.entry(shown))
            plan.committed = index + 1

    def _bring_back(self, plan: Plan, wanted: Iterable[int]) -> None:
        """Show items again that have left and are wanted: pinned, or recalled again and again.

        They come before a new question. Between a question and its answer the answer would follow
        what is older; until the next question, what is pinned is at the end, for one call each.
        """
        state = self.state
        there = {entry.item for entry in plan.entries if entry.full}
        place = self._before_question(plan)
        for index in dict.fromkeys(wanted):
            item = state.items[index]
            if index in state.in_full or index in there or index >= plan.committed:
                continue
            if place is None and not item.pinned:
                continue
            text = editing.again(editing.page_range(item.pages), item.role, item.text)
            note = state.entry({"note": text, "again": index})
            if place is None:
                plan.notes.append(note)
                continue
            plan.entries.insert(place, note)
            place += 1
            detail = f"{editing.page_range(item.pages)} is back in the stable part"
            names = tuple(map(editing.page_name, item.pages))
            plan.events.append(Event("promote", detail, names, -note.tokens))

    def _before_question(self, plan: Plan) -> int | None:
        """Return where in a plan's new entries a question begins that no other one precedes."""
        state = self.state
        for place, entry in enumerate(plan.entries):
            if entry.item > 0 and state.opens_turn(entry.item):
                return place
        return None

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

    def _refuse(self, plan: Plan, limit: int, excess: int) -> None:
        entries = plan.layout(self.state.entries)
        shown = [max(entry.item, entry.again) for entry in [*entries, *plan.notes]]
        shown += [index for index, _, _ in plan.pending]
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
        record = self._as_record(self.recorded, shown, state.committed, {}, {})
        return {**record, "absent": sorted(state.absent)}

    def without(self, gone: Collection[int]) -> dict[str, Any]:
        """Return the record of the layout as it is, without items and any text made of them."""
        state = self.state
        lines = {editing.page_range(item.pages) + ":" for item in state.items.loaded(gone)}
        shown: list[Shown] = []
        for entry in state.entries:
            if entry.item in gone or entry.again in gone:
                continue
            if entry.binding:
                block = self.binding.without(entry, gone)
                shown += [block] if block else []
            elif entry.is_index and isinstance(entry.shown, dict):
                kept = [
                    line
                    for line in entry.shown["note"].split("\n")
                    if line.partition(" ")[0] not in lines
                ]
                shown.append({"note": "\n".join(kept)})
            else:
                shown.append(entry.shown)
        excerpts, parts = (
            {item: texts for item, texts in held.items() if item not in gone}
            for held in (state.excerpts, state.parts)
        )
        record = self._as_record(0, shown, state.committed, excerpts, parts)
        record["absent"] = sorted(state.absent)
        texts = self.binding.texts_of(gone)
        return {**record, "receipts": self.receipts.without(texts)}

    def note_question(self, plan: Plan, asked: list[Any]) -> None:
        """Put into a plan's record the question that it has room for, so that others find it."""
        if plan.record is None:
            self._record(plan, always=True)
        assert plan.record is not None
        plan.record["asked"] = asked

    def _record(self, plan: Plan, *, always: bool = False) -> None:
        """Put into the plan what has to be written before it is applied."""
        state = self.state
        changed = plan.edited or bool(plan.excerpts) or bool(plan.parts)
        changed = changed or any(not isinstance(e.shown, int | list) for e in plan.entries)
        if not changed and not always:
            return
        keep = min(plan.keep, self.recorded)
        shown: list[Shown] = [e.shown for e in state.entries[keep : plan.keep]]
        shown += [e.shown for e in plan.entries]
        plan.record = self._as_record(keep, shown, plan.committed, plan.excerpts, plan.parts)
        absent = self._absent(plan)
        if absent:
            plan.record["absent"] = sorted(absent)
        visible = self.visible(plan)
        gone = [one for one in dict.fromkeys(plan.evicted) if one not in visible]
        receipt = self.receipts.made(plan, self.state.items.loaded(gone))
        if receipt is not None:
            plan.record["receipt"] = asdict(receipt)

    def _as_record(
        self,
        keep: int,
        shown: Sequence[Shown],
        committed: int,
        excerpts: Mapping[int, Any],
        parts: Mapping[int, Any],
    ) -> dict[str, Any]:
        return {
            "op": "layout",
            "keep": keep,
            "shown": list(shown),
            "settled": committed,
            "tails": {str(item): texts for item, texts in excerpts.items()},
            "parts": {str(item): texts for item, texts in parts.items()},
            "bill": [round(self.costs.cost, 3), round(self.costs.untrimmed, 3)],
        }


def request_too_long(budget: int, request: int) -> BudgetError:
    """Return the error of a budget that a request without messages does not fit into."""
    tokens = f"{budget:,} token{'s' * (budget != 1)}"
    return BudgetError(
        f"budget is {tokens}, and the request alone has {request:,}, its tools included, before "
        "any message: raise the budget"
    )
