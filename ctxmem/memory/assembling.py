"""A plan that was applied as the messages to send, with marks for the provider's cache."""

from __future__ import annotations

from ctxmem.chat.counting import Meter
from ctxmem.chat.reading import fingerprint
from ctxmem.memory.breakpoints import Breakpoints
from ctxmem.memory.page_reader import PageReader
from ctxmem.memory.plan import Plan
from ctxmem.memory.search import Recalled
from ctxmem.memory.sending import Sender, Sent
from ctxmem.memory.session_state import SessionState
from ctxmem.memory.stored_session import StoredSession
from ctxmem.memory.window import Event, MemoryWindow, Page, no_room
from ctxmem.memory.window_parts import tokens_by_part
from ctxmem.pricing import Prices


class WindowAssembler:
    """Makes the windows of one session from its plans."""

    def __init__(
        self, session: StoredSession, pages: PageReader, meter: Meter, provider: str | None
    ) -> None:
        self._session, self._pages, self._meter = session, pages, meter
        self._sender = Sender(provider)
        self.breakpoints = Breakpoints()
        self._unshown: tuple[str, ...] = ()  # what the window before had no room for

    @property
    def _state(self) -> SessionState:
        return self._session.state

    def window(
        self,
        plan: Plan,
        found: Recalled | None,
        budget: int,
        request: int,
        *,
        prices: Prices,
        exact: bool,
    ) -> MemoryWindow:
        """Return the window of a plan that was applied, with what was recalled for a query.

        `request` are the tokens beside the messages.
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
        unshown = self._without_room(plan, found)
        if unshown and unshown != self._unshown:
            events = [*events, Event("unshown", no_room(unshown))]
        self._unshown = unshown
        marks = self.breakpoints.places(state, prices, volatile_from)
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
            unshown=unshown,
        )

    def _without_room(self, plan: Plan, found: Recalled | None) -> tuple[str, ...]:
        """Return the statements that bind and that the window of a plan does not show."""
        entries = [*self._state.entries, *plan.notes]
        visible = plan.visible(entries)
        block = next((entry for entry in entries if entry.binding), None)
        beside = str(found.message["content"]) if found else ""
        return tuple(one.text for one in self._session.binding.unshown(visible, block, beside))
