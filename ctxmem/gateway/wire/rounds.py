"""A reply that takes several rounds: the model calls a tool of ours, is answered, and goes on.

A `Turn` is what one request of a client gets. It reads each round's reply, writes the request that
goes on, and puts the rounds together to the one reply that the client sees: whole, or as a stream
while it comes.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.gateway.wire.frames import Frame, read_frame
from ctxmem.memory.tool import NAME


@dataclass(slots=True)
class Round:
    """What one round's reply calls.

    Attributes:
        body: the reply as it would be without streaming.
        calls: calls of tools of ours, as the model wrote them.
        others: ids of calls that the client has to answer.
        ended: whether the model ended it; false if it was cut, refused or filtered.
    """

    body: dict[str, Any]
    calls: list[dict[str, Any]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    ended: bool = False

    def said(self, count: Callable[[str], int]) -> int:
        """Return the tokens of the reply: as billed, or counted where the reply does not say."""
        usage = self.body.get("usage")
        if isinstance(usage, dict):
            billed = usage.get("output_tokens", usage.get("completion_tokens"))
            if isinstance(billed, int):
                return billed
        return count(json.dumps(self.body, ensure_ascii=False))


class Turn(ABC):
    """Rounds of one format; the formats fill in what is theirs.

    `ours` are the names of the tools that are answered here. In the first round frames are passed
    on as they came until a call of one begins; from then on what ends the round is held until it is
    known whether another follows.
    """

    form = ""
    """The format's name in `ctxmem.memory.tool.definition`."""
    gather: Any

    def __init__(
        self, sent: dict[str, Any], most: int, ours: frozenset[str] = frozenset({NAME})
    ) -> None:
        self.sent, self.ours = sent, ours
        self.rounds: list[Round] = []
        self._most, self._size = most, 0
        # Bytes, and not what they say: dicts would take several times their memory.
        self._kept: list[bytes] = []
        self._held: list[Frame] = []
        self._withheld = False

    # A whole reply --------------------------------------------------------------------------------

    @abstractmethod
    def read(self, body: dict[str, Any]) -> Round:
        """Return what a reply's body calls."""

    @abstractmethod
    def together(self, bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return one body of several: the first's name, the last's end, no call of ours."""

    def without(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a reply's body without calls of ours."""
        return self.together([body])

    def joined(self) -> dict[str, Any]:
        """Return the body of the rounds together, without calls of ours."""
        return self.together([one.body for one in self.rounds])

    @abstractmethod
    def followed(
        self, sent: dict[str, Any], round_: Round, results: Sequence[str], last: bool
    ) -> dict[str, Any]:
        """Return the request that goes on: what was sent, the reply, and the calls' results.

        With `last` the model cannot call a tool of ours again.
        """

    @abstractmethod
    def with_text(self, sent: dict[str, Any], text: str) -> dict[str, Any]:
        """Return a request with a text behind its messages."""

    # A stream -------------------------------------------------------------------------------------

    @property
    def changed(self) -> bool:
        """Whether the client's stream is no longer the upstream's."""
        return self._withheld or bool(self.rounds)

    def take(self, frame: Frame) -> bytes:
        """Return what the client gets of a frame now."""
        if frame.done and self.changed:
            self._held.append(frame)
            return b""
        return frame.raw if frame.event is None else self.take_event(frame, frame.event)

    @abstractmethod
    def take_event(self, frame: Frame, event: dict[str, Any]) -> bytes:
        """Return what the client gets of an event now."""

    @abstractmethod
    def ends(self, frame: Frame) -> bool:
        """Return whether an event is the last of a round."""

    def close_round(self) -> Round | None:
        """Return what the round's events called; None if nothing had to be withheld so far.

        Raises:
            ValueError: they are more than what is held of a reply.
        """
        if not self.changed:
            return None
        if self._size > self._most:
            raise ValueError(f"a reply has more than {self._most} bytes")
        return self.read(self.gather(read_frame(raw).event for raw in self._kept))

    def begin_round(self, round_: Round) -> None:
        """Go on after a round that another follows; its end is not shown."""
        self.rounds.append(round_)
        self._kept, self._held, self._withheld = [], [], False

    @abstractmethod
    def last_frames(self, round_: Round) -> bytes:
        """Return what the client gets of the held end of the last round."""

    @abstractmethod
    def failed(self, error: dict[str, Any]) -> bytes:
        """Return how a stream of this format says that the upstream failed."""

    def _is_ours(self, function: Any) -> bool:
        """Return whether a call, or a part of one, is of a tool of ours."""
        name = function.get("name") if isinstance(function, dict) else None
        return isinstance(name, str) and name in self.ours

    def _without_ours(
        self, sent: dict[str, Any], names: Sequence[str], nothing: Any
    ) -> dict[str, Any]:
        """Return a request in which the model cannot call our tools, but still the client's.

        Ours are left out if there are others. The last tool of a history with calls has to stay
        declared, so a choice of no tool (`nothing`) is made there.
        """
        others = [
            tool
            for tool, name in zip(sent.get("tools") or (), names, strict=True)
            if name not in self.ours
        ]
        return {**sent, "tools": others} if others else {**sent, "tool_choice": nothing}

    def _keep(self, frame: Frame) -> None:
        """Hold an event until the round's end, as long as there is room."""
        self._size += len(frame.raw)
        if self._size > self._most:
            self._kept = []
        else:
            self._kept.append(frame.raw)


def dicts_in(value: Any) -> list[dict[str, Any]]:
    """Return the dicts of a list; of anything else none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def summed(usages: Iterable[Any]) -> Any:
    """Return several rounds' usage as one: numbers are added, of all else the last is taken."""
    made: Any = None
    for usage in usages:
        made = usage if made is None else _added(made, usage)
    return made


def _added(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{k: _added(one[k], v) if k in one else v for k, v in other.items()}}
    if _is_number(one) and _is_number(other):
        return one + other
    if isinstance(one, list) and isinstance(other, list):
        return one + other
    return one if other is None else other


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
