"""A plan that was applied as the messages to send, with marks for the provider's cache."""

from __future__ import annotations

from ctxmem.chat.counting import Meter
from ctxmem.chat.reading import fingerprint
from ctxmem.memory.page_reader import PageReader
from ctxmem.memory.plan import Plan
from ctxmem.memory.resident import Resident
from ctxmem.memory.search import Recalled
from ctxmem.memory.sending import Sender, Sent
from ctxmem.memory.stored_session import StoredSession
from ctxmem.memory.window import Event, MemoryWindow, Page
from ctxmem.memory.window_parts import tokens_by_part
from ctxmem.pricing import Prices


class WindowAssembler:
    """Makes the windows of one session from its plans."""

    def __init__(
        self, session: StoredSession, pages: PageReader, meter: Meter, provider: str | None
    ) -> None:
        self._session, self._pages, self._meter = session, pages, meter
        self._sender = Sender(provider)
        self._last_index, self._index_at = 0, -1  # where the last index ends

    @property
    def _state(self) -> Resident:
        return self._session.state

    def window(
        self,
        plan: Plan,
        found: Recalled | None,
        budget: int,
        request: int,
        *,
        known: int,
        prices: Prices,
        exact: bool,
    ) -> MemoryWindow:
        """Return the window of a plan that was applied, with what was recalled for a query.

        `request` are the tokens beside the messages; `known` is how many entries the window before
        the last had, too.
        """
        state = self._state
        messages = [entry.message for entry in state.entries]
        volatile_from = len(messages)
        messages += [message for _, message, _ in plan.pending]
        notes = [note.message for note in plan.notes]
        tokens = state.stable + sum(tokens for _, _, tokens in plan.pending)
        tokens += sum(note.tokens for note in plan.notes)
        events = plan.events
        recalled: list[Page] = []
        if found is not None:
            recalled = [self._pages.page(page) for page in dict.fromkeys(found.pages)]
            notes.append(found.message)
            tokens += found.tokens
            names = tuple(page.id for page in recalled)
            what = ", ".join(names) or "statements that bind"
            detail = f"{what} brought back for this call ({found.tokens:,} tokens)"
            events = [*events, Event("recall", detail, names, -found.tokens)]
        marks = self._breakpoints(volatile_from, known, prices)
        messages, begins = self._sender.with_notes(messages, notes, volatile_from)
        said = (state.task, state.question, len(state.items) - 1)
        others = [state.items[i].message for i in said if i >= 0]
        messages = self._sender.in_one_framework(messages, others)
        sent = Sent(messages, begins, tuple(mark for mark in marks if mark < begins))
        accepted = self._sender.sendable(sent)
        stable = state.stable
        if accepted is not sent or begins < volatile_from:
            costs = [
                self._meter.marked(message, i, fingerprint(message))
                for i, message in enumerate(accepted.messages)
            ]
            tokens, stable = sum(costs), sum(costs[: accepted.volatile_from])
        tokens += request
        return MemoryWindow(
            messages=accepted.messages,
            tokens=tokens,
            budget=budget,
            stable_tokens=stable + request,
            volatile_from=accepted.volatile_from,
            breakpoints=accepted.breakpoints,
            events=tuple(events),
            recalled=tuple(recalled),
            exact=exact,
            shown=(
                *(entry.item for entry in state.entries if entry.item >= 0),
                *(index for index, _, _ in plan.pending),
            ),
            parts=tokens_by_part(state, plan, found.tokens if found else 0, tokens),
        )

    def _breakpoints(self, stable: int, known: int, prices: Prices) -> tuple[int, ...]:
        """Return the messages behind which a cache mark belongs.

        The end of the stable part always; where it ended before, from which a provider that looks
        only some blocks back would not find it; the end of the last index and of the head.
        """
        if not stable or not prices.marked:
            return ()
        entries = self._state.entries
        head = 0
        while head < stable and entries[head].item >= 0 and self._is_head(entries[head].item):
            head += 1
        if self._index_at != self._state.shorts:
            ends = (i + 1 for i, entry in enumerate(entries) if entry.item < 0 > entry.again)
            self._last_index, self._index_at = max(ends, default=0), self._state.shorts
        wished = [stable, known, self._last_index, head]
        marks: dict[int, None] = dict.fromkeys(mark for mark in wished if 0 < mark <= stable)
        return tuple(sorted(mark - 1 for mark in list(marks)[: prices.breakpoints]))

    def _is_head(self, index: int) -> bool:
        role = self._state.items[index].turn.role
        return role == "system" or (role == "user" and self._state.items[index].created_at == 0)
