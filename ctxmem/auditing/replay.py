"""Pack the same requests with ctxmem: is it the model or the context?"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any

from ctxmem.auditing.assembly import Call
from ctxmem.auditing.segments import Segment
from ctxmem.chat import count_messages, trim_messages
from ctxmem.errors import BudgetError, CtxmemError, InputError
from ctxmem.pipeline import pack
from ctxmem.protocols import Counter
from ctxmem.schema import Chunk
from ctxmem.traces import Passage

_KEPT_ROWS = 400
_MOST_PASSAGES = 2000


class Replay:
    """Packs what was retrieved and trims what was sent; adds up before and after.

    Retrieved passages are packed into the budget, or, without one, into the tokens that they took:
    then nothing but what repeats is left out. Histories over the budget are trimmed to it.
    """

    def __init__(self, counter: Counter, budget: int | None) -> None:
        self._counter = counter
        self._budget = budget
        self.calls = 0
        self.before = 0
        self.after = 0
        self.skipped: Tally[str] = Tally()
        self.reasons: Tally[str] = Tally()
        self.rows: list[dict[str, Any]] = []

    def add(self, call: Call, segments: Sequence[Segment], tokens: int, session: str) -> None:
        """Replay one call."""
        retrieved = [segment for segment in segments if segment.retrieved and segment.text]
        try:
            if retrieved:
                after = tokens - self._saved(call, retrieved, tokens)
            elif self._budget is not None and call.messages and tokens > self._budget:
                kept = trim_messages(call.messages, self._budget, counter=self._counter)
                after = min(tokens, count_messages(kept, self._counter))
                self.reasons["trimmed"] += len(call.messages) - len(kept)
            else:
                after = tokens
        except BudgetError:
            self.skipped["what has to stay does not fit the budget"] += 1
            return
        except CtxmemError as error:
            self.skipped[type(error).__name__] += 1
            return
        self.calls += 1
        self.before += tokens
        self.after += after
        if len(self.rows) < _KEPT_ROWS:
            self.rows.append(
                {"session": session, "place": call.place, "before": tokens, "after": after}
            )

    def _saved(self, call: Call, retrieved: Sequence[Segment], tokens: int) -> int:
        """Return the tokens that packing leaves out of the passages of a window."""
        took = sum(segment.tokens for segment in retrieved)
        budget = took
        if self._budget is not None:
            budget = max(1, min(took, self._budget - (tokens - took)))
        chunks = _chunks(call) or [Chunk(segment.text) for segment in retrieved]
        # Separators between passages are priced by pack; the trace's were not counted as passages.
        window = pack(
            chunks[:_MOST_PASSAGES],
            budget + 2 * len(chunks),
            query=call.query,
            counter=self._counter,
            separator="\n\n",
        )
        for decision in window.decisions:
            if not decision.kept:
                self.reasons[decision.reason.value] += 1
        return max(0, took - window.tokens)

    def to_dict(self) -> dict[str, Any]:
        """Return before and after as plain data."""
        return {
            "calls": self.calls,
            "budget": self._budget,
            "before": self.before,
            "after": self.after,
            "left_out": dict(self.reasons.most_common()),
            "skipped": dict(self.skipped),
            "rows": self.rows,
        }


def _chunks(call: Call) -> list[Chunk]:
    """Return the passages as they were retrieved, with list, rank and score."""
    lists = call.lists or []
    made = [
        _chunk(passage, rank, event.name)
        for event in lists
        for rank, passage in enumerate(event.passages)
        if passage.text and passage.text.strip()
    ]
    return made


def _chunk(passage: Passage, rank: int, name: str) -> Chunk:
    # The id of a trace may name two texts; the text's own hash does not.
    if passage.text is None:
        raise InputError("a passage without text cannot be packed")
    return Chunk(
        passage.text, score=passage.score, rank=rank, list=name or None, source=passage.source
    )
