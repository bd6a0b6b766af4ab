"""What a request's parts cost in tokens, counted once for each message of a growing history."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

from ctxmem.chat.counting import Meter
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import fingerprint
from ctxmem.errors import CtxmemError
from ctxmem.gateway.wire import Asked, Wire
from ctxmem.protocols import Counter
from ctxmem.tokens import Estimate, resolve

_ROLES = {
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
    "model": "assistant",
    "tool": "tool_results",
    "function": "tool_results",
}
_KINDS = {
    "call": "tool_calls",
    "hosted_call": "tool_calls",
    "result": "tool_results",
    "hosted_result": "tool_results",
    "thought": "thoughts",
    "image": "images",
    "audio": "sound",
    "video": "images",
    "file": "files",
}
MOST_MODELS = 64
_MOST_WEIGHED = 1 << 16
FALLBACK = "estimate"
_LEARNED_AT_FIRST = 16
_LEARNED_LATER = 16
"""After the first observations an estimate learns from every so many requests only.

Each makes it count all texts again, and teaches it little by then.
"""
_MOST_LEARNED = 100_000  # tokens of a request from which it learns


class Weight(NamedTuple):
    """The tokens of a request.

    Attributes:
        parts: by part; they add up to all of it.
        messages: of each message of the conversation.
        head: of tools, and of the system message, in the order in which they are sent.
        exact: whether the counter is.
        marks: what tells the messages apart, equal for equal ones.
    """

    parts: dict[str, int]
    messages: list[int]
    head: tuple[int, int]
    exact: bool
    marks: list[bytes]

    @property
    def total(self) -> int:
        """All of its tokens."""
        return sum(self.parts.values())


class Scales:
    """Weighs requests by the counters of their models.

    A counter that is an estimate is a copy of the gateway's own, which learns from the usage that
    comes back.

    Args:
        counter: as in `count_tokens`, for all models; None: by the model.
    """

    def __init__(self, counter: str | None = None) -> None:
        self._named = counter
        self._counters: OrderedDict[str, Counter] = OrderedDict()
        self._meters: OrderedDict[tuple[str, str], Meter] = OrderedDict()
        self._weighed: dict[tuple[Any, ...], dict[str, int]] = {}
        self._lock = threading.Lock()
        self._seen: dict[str, int] = {}

    def counter(self, model: str) -> Counter:
        """Return the counter of a model, of the gateway's own if it is an estimate."""
        name = self._named or model or FALLBACK
        with self._lock:
            known = self._counters.get(name)
            if known is None:
                try:
                    known = resolve(name)
                except (CtxmemError, OSError, ValueError):
                    known = resolve(FALLBACK)
                if isinstance(known, Estimate):
                    known = known.copy()
                self._counters[name] = known
                if len(self._counters) > MOST_MODELS:
                    gone, _ = self._counters.popitem(last=False)
                    self._seen.pop(gone, None)
            return known

    def meter(self, wire: Wire, model: str) -> Meter:
        """Return what counts messages for a model of a provider."""
        key = (wire.provider, model)
        found = self._meters.get(key)
        if found is None:
            found = Meter(self.counter(model), wire.provider, model or None)
            self._meters[key] = found
            if len(self._meters) > MOST_MODELS:
                self._meters.popitem(last=False)
        return found

    def weigh(self, wire: Wire, asked: Asked, marks: list[bytes]) -> Weight:
        """Return the tokens of a request; `marks` are those of its messages (`readings.marks_of`).

        Raises:
            InputError, InputTypeError: something in it is no message or no tool.
        """
        meter = self.meter(wire, asked.model)
        counter = self.counter(asked.model)
        rows = (wire.provider, asked.model, getattr(counter, "observations", 0))
        found: dict[str, int] = {}
        system = [self._split(meter, rows, one, i, "system") for i, one in enumerate(asked.system)]
        tools = self._tools(meter, rows, asked, bool(system))
        sizes = []
        for i, (message, mark) in enumerate(zip(asked.messages, marks, strict=True)):
            split = self._split(meter, rows, message, i, "", mark)
            sizes.append(sum(split.values()))
            _add(found, split)
        for split in system:
            _add(found, split)
        _add(found, {"tools": tools, "overhead": meter.request})
        if asked.response_format is not None:
            _add(found, {"overhead": meter.answer(asked.response_format)})
        head = (tools, sum(sum(split.values()) for split in system))
        return Weight(
            {name: tokens for name, tokens in found.items() if tokens},
            *(sizes, head, counter.exact, marks),
        )

    def _tools(self, meter: Meter, rows: tuple[Any, ...], asked: Asked, beside_system: bool) -> int:
        if not asked.tools:
            return 0
        mark = fingerprint({"tools": asked.tools, "choice": asked.tool_choice})
        key = (*rows, "tools", beside_system, mark)
        known = self._weighed.get(key) if mark is not None else None
        if known is None:
            tokens = meter.tools(asked.tools, asked.tool_choice, beside_system=beside_system)
            known = {"tools": tokens}
            self._keep(key, known)
        return known["tools"]

    def _split(
        self,
        meter: Meter,
        rows: tuple[Any, ...],
        message: Any,
        index: int,
        place: str,
        mark: bytes | None = None,
    ) -> dict[str, int]:
        """Return the tokens of a message by part."""
        if place and isinstance(message, dict) and "role" not in message:  # a block of Anthropic's
            message = {"role": "system", "content": [message]}
        mark = mark or fingerprint(message)
        key = (*rows, place, mark)
        known = self._weighed.get(key) if mark is not None else None
        if known is None:
            known = split_message(meter, message, index, place)
            self._keep(key, known)
        return known

    def _keep(self, key: tuple[Any, ...], made: dict[str, int]) -> None:
        if len(self._weighed) >= _MOST_WEIGHED:
            self._weighed.clear()
        self._weighed[key] = made

    def learn(self, asked: Asked, tokens: int, reported: int) -> bool:
        """Let an estimate learn from the input tokens that a provider reported; whether it did."""
        counter = self.counter(asked.model)
        if not isinstance(counter, Estimate) or tokens > _MOST_LEARNED or asked.kept:
            return False
        name = self._named or asked.model
        seen = self._seen[name] = self._seen.get(name, 0) + 1
        if seen > _LEARNED_AT_FIRST and seen % _LEARNED_LATER:
            return False
        try:
            counter.observe({**asked.body}, reported)
        except CtxmemError:  # media, or a report that cannot be of this request
            return False
        return True


def split_message(
    meter: Meter, message: Any, index: int, place: str, total: int | None = None
) -> dict[str, int]:
    """Return the tokens of a message by part; what is around its parts goes to the first.

    `place` is the part of its text, "" for that of its role; `total` are its tokens where they are
    known.
    """
    total = meter.message(message, index) if total is None else total
    role = message.get("role") if isinstance(message, dict) else None
    own = place or _ROLES.get(str(role), "user" if role is not None else "assistant")
    parts = parts_of(message, index)
    names = [_KINDS.get(part.kind, own) for part in parts]
    if len(set(names)) < 2:
        return {next(iter(names), own): total}
    made: dict[str, int] = {}
    for name, part in zip(names, parts, strict=True):
        made[name] = made.get(name, 0) + meter.part(part, index)
    made[names[0]] += total - sum(made.values())
    if made[names[0]] < 0:  # parts that cost less together than each by itself
        return {names[0]: total}
    return made


def _add(found: dict[str, int], more: dict[str, int]) -> None:
    for name, tokens in more.items():
        found[name] = found.get(name, 0) + tokens
