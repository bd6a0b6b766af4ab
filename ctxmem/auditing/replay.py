"""Pack the same requests with ctxmem: is it the model or the context?"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.paying import Paid
from ctxmem.auditing.segments import Segment, Window
from ctxmem.auditing.sessions import Transcript
from ctxmem.chat import count_messages, dedup_messages, trim_messages
from ctxmem.chat.counting import Meter
from ctxmem.errors import BudgetError, CtxmemError, InputError
from ctxmem.pipeline import pack
from ctxmem.protocols import Counter
from ctxmem.schema import Chunk, Reason
from ctxmem.traces import Passage

REASONS = {
    "not_replayed": "repeats of requests that were not replayed",
    "sent_again": "passages sent again in a later request, since each request is packed by itself",
    "kept": "repeats that stay, such as those that a short reference could not name",
    "also_repeated": "repeats that only packing and folding count, such as separators beside them",
    "references": "references to first copies, in place of what is left out",
    "near_duplicates": "versions of other passages, left out beside the repeats",
    "did_not_fit": "passages that did not fit the budget or add nothing",
    "trimmed": "messages trimmed to the budget",
    "separators": "separators, labels and shortened text of what was packed",
}
"""Why a replay does not save the tokens that an audit counts as repeats, in the order reported."""

ROLES = ("system", "user", "tool", "assistant")
"""Whose texts are folded: all that an audit finds repeats in."""

_KEPT_ROWS = 400
_MOST_PASSAGES = 2000
_NO_ROOM = "what has to stay does not fit the budget"
_NO_SHAPE = "messages of no known shape"
_TRANSCRIPT = "calls of a transcript over the budget, which ctxmem replay sends through a memory"


class Found(NamedTuple):
    """Tokens of a request that an audit counted as repeats: inside of it, and of earlier ones."""

    inside: int = 0
    again: int = 0


@dataclass(slots=True)
class _Saved:
    """What one request saves, by why."""

    repeats: int = 0
    references: int = 0
    near: int = 0
    unfit: int = 0
    rest: int = 0
    trimmed: int = 0
    money: float = 0.0

    @property
    def tokens(self) -> int:
        gone = self.repeats + self.near + self.unfit + self.rest + self.trimmed
        return gone - self.references


class Replay:
    """Packs what was retrieved, folds and trims what was sent; adds up before and after.

    Retrieved passages are packed into the budget, or, without one, into the tokens that they took:
    then nothing but what repeats is left out. Repeats elsewhere in the messages are folded as
    `ctxmem.dedup_messages` folds them. Histories over the budget are trimmed to it first.
    """

    def __init__(self, counter: Counter, budget: int | None) -> None:
        self._counter = counter
        self._budget = budget
        self.calls = 0
        self.before = 0
        self.after = 0
        self.paid: float | None = None
        self.saved_money = 0.0
        self.found = 0
        self.skipped: Counts[str] = Counts()
        self.reasons: Counts[str] = Counts()
        self.explained: Counts[str] = Counts()
        self.rows: list[dict[str, Any]] = []

    def add(self, window: Window, found: Found, paid: Paid | None) -> None:
        """Replay one request of which an audit found so much to repeat."""
        self.found += sum(found)
        try:
            saved = self._replayed(window, paid)
        except BudgetError:
            self._skip(_NO_ROOM, found)
        except InputError:
            self._skip(_NO_SHAPE, found)
        except CtxmemError as error:
            self._skip(type(error).__name__, found)
        else:
            self._count(window.session, window.call.place, window.tokens, paid, saved)
            self._explain(found, saved)

    def add_chat(self, session: str, chat: Transcript, found: int, meter: Meter) -> None:
        """Replay all calls of a chat that was logged message by message.

        It is folded once: references name earlier messages alone, so that each of its windows is
        the beginning of the folded chat, as it was the beginning of the chat.
        """
        self.found += found
        try:
            folded = dedup_messages(
                chat.messages, counter=self._counter, model=chat.model or None, roles=ROLES
            )
            made, named = folded.messages, [0] * len(chat.messages)
            for fold in folded.folded:
                named[fold.message] += meter.count(fold.shown)
            shorter = [
                0 if new is old else meter.message(old, i) - meter.message(new, i)
                for i, (old, new) in enumerate(zip(chat.messages, made, strict=True))
            ]
        except (InputError, RecursionError):
            self.skipped[_NO_SHAPE] += len(chat.sizes)
            self.explained["not_replayed"] -= found
            return
        total, at = _Saved(), 0
        saving = references = 0
        for number, (until, tokens) in enumerate(chat.sizes):
            saving += sum(shorter[at:until])
            references += sum(named[at:until])
            at = until
            paid = chat.paid[number] if chat.paid else None
            if self._budget is not None and tokens - saving > self._budget:
                self.skipped[_TRANSCRIPT] += 1
                continue
            saved = _Saved(repeats=saving + references, references=references)
            # Copies are behind the first ones, so most of them are in the part that is cached.
            saved.money = paid.mean * saving if paid is not None else 0.0
            total.repeats += saving + references
            total.references += references
            self._count(session, chat.places[0] if chat.places else "", tokens, paid, saved)
        self._explain(Found(found), total)

    def _count(
        self, session: str, place: str, tokens: int, paid: Paid | None, saved: _Saved
    ) -> None:
        self.calls += 1
        self.before += tokens
        self.after += tokens - saved.tokens
        if paid is not None:
            self.paid = (self.paid or 0.0) + paid.money
            self.saved_money += max(0.0, min(saved.money, paid.money))
        if len(self.rows) < _KEPT_ROWS:
            after = tokens - saved.tokens
            self.rows.append({"session": session, "place": place, "before": tokens, "after": after})

    def _skip(self, reason: str, found: Found) -> None:
        self.skipped[reason] += 1
        self.explained["not_replayed"] -= sum(found)

    def _explain(self, found: Found, saved: _Saved) -> None:
        """Add what leads from the repeats that were found to the tokens that were saved."""
        self.explained["sent_again"] -= found.again
        self.explained["kept"] += saved.repeats - found.inside
        self.explained["references"] -= saved.references
        self.explained["near_duplicates"] += saved.near
        self.explained["did_not_fit"] += saved.unfit
        self.explained["separators"] += saved.rest
        self.explained["trimmed"] += saved.trimmed

    # One request

    def _replayed(self, window: Window, paid: Paid | None) -> _Saved:
        call, saved = window.call, _Saved()
        retrieved = [i for i, one in enumerate(window.segments) if one.retrieved and one.text]
        repeats = [
            i
            for i, mark in window.marks.items()
            if mark == "repeat" and not window.segments[i].retrieved
        ]
        messages = call.messages
        if retrieved:
            self._pack(window, retrieved, saved)
            saved.money += saved.tokens * _price(window, retrieved, paid)
        elif self._budget is not None and messages and window.tokens > self._budget:
            messages = self._trim(call, window.tokens, saved)
            saved.money += saved.trimmed * (paid.mean if paid is not None else 0.0)
        if repeats and messages:
            packed = {window.segments[i].text.strip() for i in retrieved}
            folded = self._fold(call, messages, packed, saved)
            saved.money += folded * _price(window, repeats, paid)
        return saved

    def _pack(self, window: Window, retrieved: Sequence[int], saved: _Saved) -> None:
        """Pack the passages of a window; note what packing leaves out of them, and why."""
        call = window.call
        took = sum(window.segments[i].tokens for i in retrieved)
        budget = took
        if self._budget is not None:
            budget = max(1, min(took, self._budget - (window.tokens - took)))
        chunks = _chunks(call, [window.segments[i] for i in retrieved])
        # Separators between passages are priced by pack; the trace's were not counted as passages.
        packed = pack(
            chunks[:_MOST_PASSAGES],
            budget + 2 * len(chunks),
            query=call.query,
            counter=self._counter,
            separator="\n\n",
        )
        for decision in packed.decisions:
            if decision.kept:
                continue
            self.reasons[decision.reason.value] += 1
            if decision.reason is Reason.DUPLICATE:
                saved.repeats += decision.tokens
            elif decision.reason is Reason.NEAR_DUPLICATE:
                saved.near += decision.tokens
            else:
                saved.unfit += decision.tokens
        saved.rest = max(0, took - packed.tokens) - saved.tokens

    def _trim(self, call: Call, tokens: int, saved: _Saved) -> list[Any]:
        assert self._budget is not None
        counter, tools, model = self._counter, call.tools or None, call.model or None
        kept = trim_messages(call.messages, self._budget, counter=counter, tools=tools, model=model)
        after = count_messages(kept, counter, tools=tools, model=model)
        saved.trimmed = max(0, tokens - after)
        self.reasons["trimmed"] += len(call.messages) - len(kept)
        return kept

    def _fold(
        self, call: Call, messages: Sequence[Any], packed: AbstractSet[str], saved: _Saved
    ) -> int:
        """Fold repeats outside of what was packed; return the tokens that this saves."""
        done = dedup_messages(
            messages, counter=self._counter, model=call.model or None, roles=ROLES
        )
        self.reasons["folded"] += len(done.folded)
        ours = [fold for fold in done.folded if fold.text not in packed]
        twice = sum(fold.tokens for fold in done.folded) - sum(fold.tokens for fold in ours)
        folded = max(0, done.tokens_before - done.tokens_after - twice)
        references = sum(self._counter.count_many([fold.shown for fold in ours])) if folded else 0
        saved.repeats += folded + references
        saved.references += references
        return folded

    # The account

    def to_dict(self) -> dict[str, Any]:
        """Return before and after as plain data, with what leads from repeats to savings.

        `repeated` are the tokens that the audit counts as repeats; with those of `explained` added
        they are `saved` exactly.
        """
        steps = dict(self.explained)
        if steps.get("kept", 0) > 0:
            steps["also_repeated"] = steps.pop("kept")
        explained = [
            {"reason": reason, "tokens": steps[reason], "text": text}
            for reason, text in REASONS.items()
            if steps.get(reason)
        ]
        money = None
        if self.paid is not None:
            money = {"before": self.paid, "after": self.paid - self.saved_money}
        return {
            "calls": self.calls,
            "budget": self._budget,
            "before": self.before,
            "after": self.after,
            "saved": self.before - self.after,
            "repeated": self.found,
            "explained": explained,
            "money": money,
            "left_out": dict(self.reasons.most_common()),
            "skipped": dict(self.skipped),
            "rows": self.rows,
        }


def _price(window: Window, segments: Sequence[int], paid: Paid | None) -> float:
    """Return what a token of these segments cost on average."""
    if paid is None:
        return 0.0
    tokens = sum(window.segments[i].tokens for i in segments)
    starts = ((window.start_of(i), window.segments[i].tokens) for i in segments)
    cost = sum(paid.between(start, start + size) for start, size in starts)
    return cost / tokens if tokens else 0.0


def _chunks(call: Call, shown: Sequence[Segment]) -> list[Chunk]:
    """Return the passages as they were retrieved, with list, rank and score.

    Where the window shows others, such as some of several lists, it is those that are packed.
    """
    made = [
        _chunk(passage, rank, event.name)
        for event in call.lists
        for rank, passage in enumerate(event.passages)
        if passage.text and passage.text.strip()
    ]
    if len(made) == len(shown):
        return made
    known = {chunk.text.strip(): chunk for chunk in reversed(made)}
    return [known.get(segment.text.strip()) or Chunk(segment.text) for segment in shown]


def _chunk(passage: Passage, rank: int, name: str) -> Chunk:
    # The id of a trace may name two texts; the text's own hash does not.
    if passage.text is None:
        raise InputError("a passage without text cannot be packed")
    return Chunk(
        passage.text, score=passage.score, rank=rank, list=name or None, source=passage.source
    )
