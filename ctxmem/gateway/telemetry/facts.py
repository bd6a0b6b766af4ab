"""The numbers of one exchange, from which metrics, spans and log lines are made.

They leave the machine, so nothing in them was written by a user: words are those of ctxmem, and
what comes from outside (models, hosts, the numbers of a provider) is let through only in the form
that such names and numbers have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any, Final

WIRES: Final = {"chat": "openai", "responses": "openai", "anthropic": "anthropic"}
"""Wire formats, and the name of their provider in the GenAI conventions."""
MODES: Final = ("observe", "guard", "manage")
EDIT_REASONS: Final = ("full", "recall", "cold", "pays", "account")
PREFIX_ENDS: Final = ("model", "tools", "system", "message")
OTHER: Final = "other"
"""What a word is replaced by that is not one of ours, or not in the form of a name."""

_WORD = re.compile(r"[a-z][a-z0-9_. -]{0,31}", re.ASCII)
_MODEL = re.compile(r"[A-Za-z0-9][\w./:@+-]{0,95}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,253}", re.ASCII)
_OPAQUE = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

_FORMS = {
    "passed_through": _WORD,
    "fault": _WORD,
    "model": _MODEL,
    "response_model": _MODEL,
    "server_address": _HOST,
    "conversation": _OPAQUE,
}
_USAGE = ("input", "cached", "written", "output")
_COUNTS = ("server_port", "status", "recall_calls", "find_calls")
_NUMBERS = (
    *("seconds_added", "seconds_upstream", "budget", "kept", "dropped", "recalled"),
    *("prefix_reused", "bill_sent", "bill_through", "bill_uncached", "bill_recall"),
)
_NUMBER = (int, float)
_MOST = 2**62
"""Numbers from here on are none of ours, and larger than what a span can hold."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that a provider reports for one exchange.

    Attributes:
        input: of the request, cached ones included.
        cached: of these, read from the provider's cache.
        written: of these, written to it.
        output: of the reply.
    """

    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0

    def __post_init__(self) -> None:
        for name in _USAGE:
            value = getattr(self, name)
            made = _number(value) or 0
            if made is not value:
                object.__setattr__(self, name, made)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """What is known of one exchange in numbers and fixed words; None or "" is not known.

    It is never refused: a word that is not in the form of one becomes "other", because facts are
    noted behind requests that were already answered.

    Attributes:
        wire: format of the request: "chat", "responses" or "anthropic".
        mode: "observe", "guard" or "manage".
        model, response_model: of the request and of the reply.
        server_address, server_port: of the upstream.
        streamed: whether the reply came as events.
        status: of the reply, 0 if there is none.
        seconds_added: between the request's arrival and its sending, in seconds.
        seconds_upstream: from then to the first byte of the reply, in seconds.
        tokens: of the request that was sent, by part (system, tools, history, ...).
        budget: tokens that the request may have.
        kept, dropped, recalled: messages of the client that were sent, that were not, and pages
            that were brought back.
        prefix_reused: tokens with which the request before began, too.
        prefix_broken: what differs from the request before it in the part that should be the same:
            "model", "tools", "system" or "message"; "" if nothing does.
        edit, edit_reason: whether messages left the window, and why; see `memory.receipts.REASONS`.
        usage: the tokens that the provider reports.
        bill_sent: price of what was sent, in uncached input tokens.
        bill_through: price if the client's request had been passed on.
        bill_uncached: price of that without the provider's cache.
        bill_recall: what the tool `recall` and its calls cost, a part of `bill_sent`.
        passed_through: why the client's own body was sent.
        fault: the stage at which ctxmem failed.
        reply_unreadable: whether the upstream's reply was not in the form of its format.
        recall_calls, find_calls: of the tools `recall` and `find_tool`, answered by the gateway.
        conversation: a short opaque id.
    """

    wire: str = OTHER
    mode: str = OTHER
    model: str = ""
    response_model: str = ""
    server_address: str = ""
    server_port: int = 0
    streamed: bool = False
    status: int = 0
    seconds_added: float | None = None
    seconds_upstream: float | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    budget: int | None = None
    kept: int | None = None
    dropped: int | None = None
    recalled: int | None = None
    prefix_reused: int | None = None
    prefix_broken: str = ""
    edit: bool = False
    edit_reason: str = ""
    usage: Usage | None = None
    bill_sent: float | None = None
    bill_through: float | None = None
    bill_uncached: float | None = None
    bill_recall: float | None = None
    passed_through: str = ""
    fault: str = ""
    reply_unreadable: bool = False
    recall_calls: int = 0
    find_calls: int = 0
    conversation: str = ""

    def __post_init__(self) -> None:
        for name, unset, clean in _CLEANING:
            value = getattr(self, name)
            if value is unset:
                continue
            made = clean(value)
            if made is not value:
                object.__setattr__(self, name, made)

    @classmethod
    def read(cls, known: Mapping[str, Any]) -> RequestFacts:
        """Return the facts of a mapping with their names; others are left out, and so is None.

        The usage may be a mapping or any object with the names of `Usage`.
        """
        given = {
            name: value for name, value in known.items() if value is not None and name in _NAMES
        }
        usage = given.get("usage")
        if usage is not None and not isinstance(usage, Usage):
            get = usage.get if isinstance(usage, Mapping) else partial(getattr, usage)
            given["usage"] = Usage(*(get(name, 0) for name in _USAGE))
        return cls(**given)

    @property
    def provider(self) -> str:
        """The provider by the GenAI conventions, "_OTHER" if it is not known."""
        return WIRES.get(self.wire, "_OTHER")

    @property
    def status_class(self) -> str:
        """The class of the status, such as "2xx"; "none" without a reply."""
        return f"{self.status // 100}xx" if 100 <= self.status < 600 else "none"

    @property
    def saved(self) -> dict[str, float]:
        """What was saved, in uncached input tokens: by the provider's cache, and by ctxmem.

        Below 0 what was spent: writing to a cache costs more than not doing so.
        """
        found = {}
        if self.bill_uncached is not None and self.bill_through is not None:
            found["provider"] = self.bill_uncached - self.bill_through
        if self.bill_through is not None and self.bill_sent is not None:
            found["ctxmem"] = self.bill_through - self.bill_sent + (self.bill_recall or 0.0)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return what is known as plain data, with the parts and the usage as dicts."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "", {})}


def _parts(tokens: object) -> dict[str, int]:
    """Return the tokens by part, with all parts that are no word as "other"."""
    found: dict[str, int] = {}
    for part, number in tokens.items() if isinstance(tokens, Mapping) else ():
        name = _matching(_WORD, part) or OTHER
        found[name] = found.get(name, 0) + (_number(number) or 0)
    return found


def _number(value: Any) -> Any:
    """Return a number as it is, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, _NUMBER):
        return None
    return value if abs(value) < _MOST else None  # neither is nan


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not value:
        return ""
    return value if isinstance(value, str) and pattern.fullmatch(value) else OTHER


def _named(value: object, names: Collection[str]) -> str:
    if not value:
        return ""
    return value if isinstance(value, str) and value in names else OTHER


def _cleaning() -> tuple[tuple[str, Any, Callable[[Any], Any]], ...]:
    """Return the names of facts, what each is as long as it is not known, and how it is cleaned."""
    made: list[tuple[str, Any, Callable[[Any], Any]]] = [
        ("wire", None, lambda value: _named(value, WIRES) or OTHER),
        ("mode", None, lambda value: _named(value, MODES) or OTHER),
        ("edit_reason", "", lambda value: _named(value, EDIT_REASONS)),
        ("prefix_broken", "", lambda value: _named(value, PREFIX_ENDS)),
        ("usage", None, lambda value: value if isinstance(value, Usage) else None),
        ("tokens", None, _parts),
    ]
    made += [(name, "", partial(_matching, pattern)) for name, pattern in _FORMS.items()]
    made += [(name, None, lambda value: _number(value) or 0) for name in _COUNTS]
    made += [(name, None, _number) for name in _NUMBERS]
    flags = ("streamed", "edit", "reply_unreadable")
    made += [(name, False, lambda value: value is True) for name in flags]
    return tuple(made)


_CLEANING: Final = _cleaning()
_NAMES: Final = frozenset(one.name for one in fields(RequestFacts))
