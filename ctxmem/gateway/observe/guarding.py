"""Guard: repair what the provider would refuse, trim what is too long, and nothing else."""

from __future__ import annotations

import json
import logging
from typing import Any

from ctxmem.chat.findings import Finding
from ctxmem.chat.repairing import repair
from ctxmem.chat.trimming import trim_messages
from ctxmem.errors import BudgetError, CtxmemError
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.splicing import written
from ctxmem.gateway.observe.inspecting import in_one_list, refused
from ctxmem.gateway.observe.observing import Observe, finding_facts
from ctxmem.gateway.observe.windows import window_of
from ctxmem.gateway.over_budget import OverBudget
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Asked, Reply, Unreadable

log = logging.getLogger("ctxmem.gateway")

_OF_CHANGES = ("kept", "dropped", "repaired", "edit", "edit_reason")
"""Facts of a changed request, which do not hold if the client's own was sent after all."""
_SHOWN_KINDS = 4
_SPARED = 1.0 / 3
"""Share of the bytes of a window below which a request is not counted.

A text has no more tokens than bytes. Addresses of images may have, but a request that is too long
for that is refused by the provider, as it would be without us.
"""


class Guard:
    """A stage that sends what the provider accepts.

    What it would accept anyway goes out as the client wrote it.

    Args:
        settings: the options; `budget` is a window for all models.
        observe: what fills the facts.
    """

    def __init__(self, settings: Settings, observe: Observe | None = None) -> None:
        self.settings = settings
        self.observe = observe or Observe(settings)
        self._over_budget = OverBudget()

    @property
    def conversations(self) -> int:
        """Conversations that are remembered."""
        return self.observe.conversations

    def prepare(self, exchange: Exchange) -> bytes | None:
        """Return a body that the provider accepts, None if the client's is one."""
        try:
            asked = self.observe.read(exchange).asked
        except (Unreadable, ValueError, RecursionError):
            exchange.why = "unreadable"
            return None
        if asked.kept or not asked.messages:
            exchange.why = "kept" if asked.kept else ""
            return None
        try:
            done, messages = self._repaired(exchange, asked)
            trimmed = self._trimmed(exchange, asked, messages)
        except CtxmemError:
            exchange.why = "unreadable"
            return None
        if not done and trimmed is None:
            return None
        kept = messages if trimmed is None else trimmed
        head = len(in_one_list(asked)) - len(asked.messages)
        if kept[:head] != in_one_list(asked)[:head]:  # the system message is not ours to change
            exchange.why = "system"
            return None
        made = self._written(exchange, asked, kept[head:], done, trimmed is not None)
        if trimmed is not None and not done and self._doubts(exchange, asked):
            exchange.second = made
            return None
        return made

    def _doubts(self, exchange: Exchange, asked: Asked) -> bool:
        """Whether a request that is counted as too long may be none: estimates are upper bounds.

        Then it goes out as the client wrote it, and is trimmed if the provider refuses it.
        """
        if self.settings.budget:
            return False
        return not self.observe.scales.counter(asked.model).exact

    def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
        """Fill the facts of an exchange."""
        if exchange.sent is None:
            for name in _OF_CHANGES:
                exchange.facts.pop(name, None)
        self.observe.finish(exchange, status, reply)

    def _repaired(self, exchange: Exchange, asked: Asked) -> tuple[list[Finding], list[Any]]:
        """Return what was repaired of what the provider refuses, and the messages then."""
        given, provider = in_one_list(asked), exchange.wire.provider
        model = asked.model or None
        faults = refused(exchange.wire, asked, given)
        if not faults:
            return [], given
        done: list[Finding] = []
        messages = repair(given, provider=provider, model=model, log=done)
        done = [one for one in done if one.repaired]
        if not done or len(refused(exchange.wire, asked, messages)) >= len(faults):
            exchange.why = "not repairable"
            return [], given
        return done, messages

    def _trimmed(self, exchange: Exchange, asked: Asked, messages: list[Any]) -> list[Any] | None:
        """Return the messages that the model's window holds, None if it holds all of them."""
        row = window_of(asked.model)
        room = self.settings.budget or (row.room(asked.answer) if row else 0)
        if room <= 0:
            return None
        exchange.facts["budget"] = room
        size = sum(map(len, exchange.original))
        if size < room * _SPARED and not exchange.coding:
            return None
        weight = self.observe.weigh(exchange)
        if weight.total <= room:
            return None
        budget = room - self._beside(exchange, asked)
        try:
            if budget <= 0:
                raise BudgetError("the schema of the answer does not fit")
            return list(
                trim_messages(
                    messages,
                    budget,
                    counter=self.observe.scales.counter(asked.model),
                    tools=asked.tools or None,
                    provider=exchange.wire.provider,
                    model=asked.model or None,
                )
            )
        except BudgetError:  # what has to stay does not fit: the provider says so to the client
            exchange.why = "over the window"
            head = sum(weight.head)
            self._over_budget.note(exchange, tokens=weight.total, head=head, budget=room)
            return None

    def _beside(self, exchange: Exchange, asked: Asked) -> int:
        """Return the tokens of a request that `trim_messages` is not given."""
        if asked.response_format is None:
            return 0
        return self.observe.scales.meter(exchange.wire, asked.model).answer(asked.response_format)

    def _written(
        self,
        exchange: Exchange,
        asked: Asked,
        messages: list[Any],
        done: list[Finding],
        trimmed: bool,
    ) -> bytes | None:
        if not messages:
            exchange.why = "nothing left"
            return None
        body = self._spliced(exchange, asked, messages)
        if body is None:
            exchange.why = "unreadable"
            return None
        dropped = len(asked.messages) - len(messages)
        facts = exchange.facts
        facts["kept"], facts["dropped"] = len(messages), max(0, dropped)
        facts["repaired"] = [finding_facts(one) for one in done]
        said = [exchange.header] if exchange.header else []  # over the budget all the same
        if done:
            kinds = dict.fromkeys(one.kind for one in done)
            shown = " ".join(list(kinds)[:_SHOWN_KINDS])
            said.append(f"repaired={len(done)} ({shown})")
        if trimmed:
            facts["edit"], facts["edit_reason"] = True, "full"
            said.append(f"trimmed={dropped} of {len(asked.messages)} messages")
        exchange.header = "; ".join(said)
        log.info("%s: %s", exchange.wire.name, exchange.header)
        return body

    def _spliced(self, exchange: Exchange, asked: Asked, messages: list[Any]) -> bytes | None:
        """Return the client's body with other messages; all that stays has the client's bytes.

        None if that is not known of a body, or a message that was changed is no JSON: a number
        that is too large was read as none.
        """
        document = self.observe.read(exchange).document
        if document is None:
            return None
        elements = document.elements
        first = len(elements) - len(asked.messages)
        places = {id(one): first + i for i, one in enumerate(asked.messages)}
        made = list(elements[:first])
        for message in messages:
            place = places.get(id(message))
            if place is not None:
                made.append(elements[place])
                continue
            try:
                json.dumps(message, allow_nan=False)
            except ValueError:
                return None
            made.append(written(message))
        return document.with_elements(made)
