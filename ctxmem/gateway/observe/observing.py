"""Observe: look at what passes through, and change nothing."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from ctxmem.chat.findings import Finding
from ctxmem.chat.reading import fingerprint
from ctxmem.errors import CtxmemError
from ctxmem.gateway.exchanges import Exchange, common_prefix
from ctxmem.gateway.observe.audits import ExchangeLog
from ctxmem.gateway.observe.inspecting import Inspector
from ctxmem.gateway.observe.readings import Reading, Readings
from ctxmem.gateway.observe.weighing import Scales, Weight
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Asked, Reply, Unreadable

_MOST_FAMILIES = 2048  # conversations that are remembered, by their beginnings
_MOST_CHATS = 8  # of the same beginning
_MOST_MARKS = 1 << 18  # of their messages, each some 60 bytes
_MOST_FINDINGS = 20


@dataclass(slots=True)
class _Chat:
    """What a conversation's last request was, without its texts."""

    model: str
    tools: bytes
    system: bytes
    marks: list[bytes]
    tokens: int


class Observe:
    """A stage that counts, checks and compares, and sends what the client wrote.

    Args:
        settings: the options.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.scales = Scales(settings.counter)
        self._inspector = Inspector()
        self._readings = Readings()
        self._families: OrderedDict[bytes, list[_Chat]] = OrderedDict()
        self._marks = 0
        self.conversations = 0
        """Conversations that are remembered."""
        self._log = ExchangeLog()
        self._lock = threading.Lock()

    def prepare(self, exchange: Exchange) -> bytes | None:
        """Change nothing."""
        return None

    def finish(self, exchange: Exchange, status: int, reply: Reply | None) -> None:
        """Fill the facts of an exchange."""
        facts = exchange.facts
        try:
            asked = self.read(exchange).asked
        except (Unreadable, ValueError, RecursionError):
            exchange.why = exchange.why or "unreadable"
            return
        facts["model"], facts["streamed"] = asked.model, asked.stream
        if reply is not None:
            facts["response_model"] = reply.model
            if reply.usage is not None:
                facts["usage"] = usage_facts(reply)
        try:
            weight = self.weigh(exchange)
        except CtxmemError:
            exchange.why = exchange.why or "unreadable"
            return
        facts["tokens"], facts["exact"] = weight.parts, weight.exact
        facts["messages"] = len(asked.messages)
        facts.setdefault("findings", self._findings(exchange))
        with self._lock:
            self._compare(exchange, asked, weight)
        self._log.add(exchange)
        if reply is not None and reply.usage is not None and exchange.sent is None:
            reported = reply.usage.input
            if reported:
                self.scales.learn(asked, weight.total, reported)

    def read(self, exchange: Exchange) -> Reading:
        """Return what an exchange asks; `Unreadable` or ValueError if it cannot be read."""
        return self._readings.read(exchange)

    def weigh(self, exchange: Exchange) -> Weight:
        """Return the tokens of a request."""
        reading = self.read(exchange)
        return self.scales.weigh(exchange.wire, reading.asked, reading.marks)

    def _findings(self, exchange: Exchange) -> list[dict[str, Any]]:
        """Return what `ctxmem.check` finds in a request; without texts unless they are shown."""
        found = self._inspector.inspect(exchange.wire, self.read(exchange))
        return [finding_facts(one, texts=self.settings.show_text) for one in found[:_MOST_FINDINGS]]

    # Prefixes -------------------------------------------------------------------------------------

    def _compare(self, exchange: Exchange, asked: Asked, weight: Weight) -> None:
        """Say what of a request could be read from the cache of the conversation's one before."""
        key = exchange.tenant.encode()[:64]
        first = weight.marks[0] if weight.marks else b""
        family = hashlib.blake2b(
            exchange.wire.name.encode() + first, key=key, digest_size=12
        ).digest()
        chats = self._families.setdefault(family, [])
        self._families.move_to_end(family)
        count, held = len(chats), sum(len(chat.marks) for chat in chats)
        now = _Chat(
            asked.model,
            fingerprint({"tools": asked.tools}) or b"",
            fingerprint({"system": asked.system}) or b"",
            weight.marks,
            weight.total,
        )
        shared = [common_prefix(chat.marks, now.marks) for chat in chats]
        best = max(range(len(chats)), key=lambda i: (shared[i], i), default=-1)
        facts = exchange.facts
        facts.setdefault("conversation", family.hex())
        if best >= 0:
            before = chats.pop(best)
            reused, broken = _reused(before, now, weight, shared[best])
            facts["prefix_reused"], facts["prefix_broken"] = reused, broken
            if broken and shared[best] < len(before.marks):
                facts["prefix_broken_at"] = shared[best]
            goes_on = shared[best] == len(before.marks)
            if not goes_on and len(before.marks) > len(now.marks):
                chats.append(before)  # another branch, which may go on
        chats.append(now)
        del chats[:-_MOST_CHATS]
        self._marks += sum(len(chat.marks) for chat in chats) - held
        self.conversations += len(chats) - count
        while len(self._families) > 1 and (
            len(self._families) > _MOST_FAMILIES or self._marks > _MOST_MARKS
        ):
            _, gone = self._families.popitem(last=False)
            self._marks -= sum(len(chat.marks) for chat in gone)
            self.conversations -= len(gone)

    def audit(self) -> Any:
        """Return `ctxmem.audit` of the last exchanges; it takes seconds, and is not for a loop."""
        return self._log.audit()


def usage_facts(reply: Reply) -> dict[str, int]:
    """Return the tokens that a provider reports; what it does not say is 0."""
    usage = reply.usage
    if usage is None:
        return {}
    return {
        "input": usage.input or 0,
        "cached": usage.cached or 0,
        "written": usage.written or 0,
        "output": usage.output or 0,
    }


def finding_facts(finding: Finding, *, texts: bool = False) -> dict[str, Any]:
    """Return a finding as plain data; what quotes a message has its words only with `texts`."""
    return {
        "kind": finding.kind,
        "count": 1,
        "index": finding.index,
        "refused": finding.rule is not None,
        "advice": finding.detail if texts or finding.rule is not None else "",
    }


def _reused(before: _Chat, now: _Chat, weight: Weight, shared: int) -> tuple[int, str]:
    """Return the tokens of the common prefix, and what ended it: "" if nothing did.

    Tools are sent before the system message, and that before the conversation.
    """
    tools, system = weight.head
    if before.model != now.model:
        return 0, "model"
    if before.tools != now.tools:
        return 0, "tools"
    if before.system != now.system:
        return tools, "system"
    reused = tools + system + sum(weight.messages[:shared])
    return reused, "" if shared == len(before.marks) else "message"
