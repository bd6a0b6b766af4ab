"""What the page shows: sums over all exchanges, and the newest of them one by one.

Memory is bounded: the newest conversations with the newest requests of each; what is older is in
the sums. With several workers each writes what it knows into a folder of its own, in a private one
that all of them share, and whichever is asked for the page merges them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctxmem.pricing import Prices

CONVERSATIONS = 200
"""Conversations that are shown one by one, by worker."""
REQUESTS = 200
"""Requests of a conversation that are shown one by one, by worker."""
PARTS: Mapping[str, str] = {
    "system": "system",
    "tools": "tools",
    "history": "history",
    "user": "user",
    "question": "user",
    "assistant": "assistant",
    "tool_calls": "assistant",
    "thoughts": "assistant",
    "tool_results": "tool_results",
    "recalled": "recalled",
    "passages": "recalled",
    "images": "media",
    "files": "media",
    "sound": "media",
    "overhead": "overhead",
}
"""Parts of a request, and the part in which each is drawn; any other is drawn as overhead."""
DRAWN = tuple(dict.fromkeys(PARTS.values()))
"""Parts in the order in which they are drawn."""
ROW = (
    "at",
    "status",
    "tokens",
    "parts",
    "dropped",
    "recalled",
    "reused",
    "input",
    "cached",
    "output",
    "sent",
    "through",
    "why",
    "fault",
    "edit",
    "added",
)
"""Columns of a request in `Traffic.conversation`."""

_RECEIPTS = 60
_CHECKED = 100  # exchanges whose findings are shown
_FINDINGS = 12  # of one exchange
_NAMES = 40  # different models, reasons and so on that are counted one by one
_LONGEST = 80  # characters of a name
_LONGEST_MODEL = 256  # characters of a model whose prices are kept
_DETAIL = 300  # characters of a finding's detail
_WORDS = 80  # characters of a question
_NOTHING = 0.5  # uncached input tokens: what is saved below it is rounding
_ID = re.compile(r"[0-9a-f]{12}")
_WRITE_SECONDS = 1.0
_OTHER = "other"
_NUMBER = (int, float)


@dataclass(slots=True)
class _Conversation:
    """A conversation: what is known of it, its sums, and its newest requests."""

    id: str
    first: float
    last: float = 0.0
    model: str = ""
    mode: str = ""
    wire: str = ""
    title: str = ""
    budget: int | None = None
    sums: dict[str, float] = field(default_factory=dict)
    rows: deque[tuple[Any, ...]] = field(default_factory=lambda: deque(maxlen=REQUESTS))
    written: bool = False

    def head(self) -> dict[str, Any]:
        """Return all but the requests, as plain data."""
        names = ("id", "first", "last", "model", "mode", "wire", "title", "budget")
        made: dict[str, Any] = {name: getattr(self, name) for name in names}
        made["sums"] = dict(self.sums)
        made["parts"] = list(self.rows[-1][ROW.index("parts")]) if self.rows else []
        return made


@dataclass(slots=True)
class _WorkerTotals:
    """What one worker knows beside the conversations."""

    since: float
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, dict[str, float]] = field(default_factory=dict)
    receipts: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_RECEIPTS))
    checked: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_CHECKED))

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "since": self.since,
            "sums": dict(self.sums),
            "counts": {name: dict(counts) for name, counts in self.counts.items()},
            "receipts": list(self.receipts),
            "checked": list(self.checked),
        }


class Traffic:
    """Keeps what the page shows. All methods may be called from any thread.

    Args:
        folder: a private folder that all workers share; None: there is one worker.
        show_text: keep the first words of questions. Without it no text of a client is kept.
        prices: a function from a wire format and a model to its prices. In mode observe, where
            nothing is changed and no stage keeps an account, the bill follows from them and from
            the usage that the provider reports.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        show_text: bool = False,
        prices: Callable[[str, str], Prices | None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lock = threading.Lock()
        self._clock, self._show_text, self._prices = clock, show_text, prices
        self._rows: dict[tuple[str, str], Prices | None] = {}  # of the models seen so far
        self._known = _WorkerTotals(since=clock())
        self._talks: OrderedDict[str, _Conversation] = OrderedDict()
        self._timer: threading.Timer | None = None
        self._folder = folder
        self._own = f"{os.getpid()}-{secrets.token_hex(4)}"
        if folder is not None:
            (folder / self._own).mkdir(mode=0o700, parents=True)

    # Taking in ------------------------------------------------------------------------------------

    def note(self, facts: Mapping[str, Any]) -> None:
        """Take in the facts of an exchange; see `facts.RequestFacts` for their names.

        Beside those it takes "budget" (tokens that the request may have), "question" (text),
        "repeated_reads" (results of tools that were asked for again after they had left),
        "receipts" (such as `Memory.receipts` returns), "findings" (what `ctxmem.check` finds, as
        mappings) and "bill_uncached".
        """
        now = self._clock()
        facts = self._priced(facts)
        row = _row(facts, now)
        with self._lock:
            talk = self._talk(facts, now)
            for name, amount in _amounts(facts, row).items():
                if amount:
                    talk.sums[name] = talk.sums.get(name, 0) + amount
                    self._known.sums[name] = self._known.sums.get(name, 0) + amount
            talk.rows.append(row)
            self._count_names(facts)
            for receipt in _receipts(facts):
                self._known.receipts.append({"at": now, "conversation": talk.id, **receipt})
            found = [
                _finding(one, text=self._show_text)
                for one in _listed(facts.get("findings"))[:_FINDINGS]
            ]
            if facts.get("findings") is not None:
                self._known.checked.append({"at": now, "findings": found})
            talk.written = False
            self._write_soon()

    def _priced(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return facts with the bill of a request that was not changed."""
        known = facts.get("bill_through") is not None or facts.get("mode") != "observe"
        spent = _number(_field(facts.get("usage"), "input"))
        if known or self._prices is None or not spent:
            return facts
        prices = self._row_of(_name(facts.get("wire")), _text(facts.get("model")))
        if prices is None:
            return facts
        read, written = (_of(facts.get("usage"), name) or 0 for name in ("cached", "written"))
        bill = spent - read - written + prices.read * read + prices.write * written
        return {**facts, "bill_sent": bill, "bill_through": bill, "bill_uncached": spent}

    def _row_of(self, wire: str, model: str) -> Prices | None:
        """Return the prices of a model, which are found by patterns; so they are kept."""
        assert self._prices is not None
        key = (wire, model)
        if key in self._rows:
            return self._rows[key]
        found = self._prices(wire, model)
        if len(self._rows) < _NAMES and len(model) <= _LONGEST_MODEL:
            self._rows[key] = found
        return found

    def _talk(self, facts: Mapping[str, Any], now: float) -> _Conversation:
        made = _short(_text(facts.get("conversation")))
        talk = self._talks.pop(made, None) or _Conversation(made, now)
        self._talks[made] = talk
        while len(self._talks) > CONVERSATIONS:
            dropped, _ = self._talks.popitem(last=False)
            if self._folder is not None:
                with suppress(OSError):
                    (self._folder / self._own / f"{dropped}.json").unlink()
        talk.last = now
        talk.model = _name(facts.get("model")) or talk.model
        talk.mode = _name(facts.get("mode")) or talk.mode
        talk.wire = _name(facts.get("wire")) or talk.wire
        budget = facts.get("budget")
        talk.budget = budget if isinstance(budget, int) else talk.budget
        if self._show_text and not talk.title:
            talk.title = " ".join(_text(facts.get("question"))[: 4 * _WORDS].split())[:_WORDS]
        return talk

    def _count_names(self, facts: Mapping[str, Any]) -> None:
        for counted, given in (
            ("models", facts.get("model")),
            ("passed", facts.get("passed_through")),
            ("faults", facts.get("fault")),
            ("errors", _status(facts) if _status(facts) >= 400 else ""),
        ):
            name = _name(given)
            if not name:
                continue
            counts = self._known.counts.setdefault(counted, {})
            if name not in counts and len(counts) >= _NAMES:
                name = _OTHER
            counts[name] = counts.get(name, 0) + 1

    # Printing -------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return sums, the conversations without their requests, receipts and findings."""
        with self._lock:
            own = self._known.plain()
            heads = [talk.head() for talk in self._talks.values()]
        known, workers = [own], 1
        for read in self._others("all.json"):
            known.append(read)
            heads += read.get("conversations") or ()
            workers += 1
        merged: dict[str, dict[str, Any]] = {}
        for head in heads:
            _merge_head(merged, head)
        newest = sorted(merged.values(), key=lambda head: -float(head["last"]))[:CONVERSATIONS]
        sums: dict[str, float] = {}
        counts: dict[str, dict[str, float]] = {}
        for one in known:
            _add(sums, one["sums"])
            for name, counted in one["counts"].items():
                _add(counts.setdefault(name, {}), counted)
        listed = sum(head["sums"].get("requests", 0) for head in newest)
        return {
            "since": min(one["since"] for one in known),
            "workers": workers,
            "sums": sums,
            "counts": counts,
            "older_requests": max(0, sums.get("requests", 0) - listed),
            "conversations": newest,
            "receipts": _newest(known, "receipts", _RECEIPTS),
            "checks": _checks(_newest(known, "checked", _CHECKED)),
        }

    def conversation(self, id: str) -> dict[str, Any] | None:
        """Return a conversation with its newest requests, None if it is not shown."""
        if not _ID.fullmatch(id):
            return None
        with self._lock:
            talk = self._talks.get(id)
            found: list[dict[str, Any]] = []
            if talk is not None:
                found.append({"head": talk.head(), "rows": list(talk.rows)})
        found += self._others(f"{id}.json")
        merged: dict[str, dict[str, Any]] = {}
        for one in found:
            _merge_head(merged, one["head"])
        if not merged:
            return None
        rows = sorted((tuple(row) for one in found for row in one["rows"]), key=lambda row: row[0])
        return {**merged[id], "columns": ROW, "drawn": DRAWN, "rows": rows[-REQUESTS:]}

    # Several workers ------------------------------------------------------------------------------

    def _write_soon(self) -> None:
        """Have what is new written within a second; called with the lock held."""
        if self._folder is None or self._timer is not None:
            return
        self._timer = threading.Timer(_WRITE_SECONDS, self.write)
        self._timer.daemon = True
        self._timer.start()

    def write(self) -> None:
        """Write what is new for the other workers; nothing if there are none."""
        if self._folder is None:
            return
        with self._lock:
            self._timer = None
            talks = [talk for talk in self._talks.values() if not talk.written]
            files: dict[str, dict[str, Any]] = {
                f"{talk.id}.json": {"head": talk.head(), "rows": list(talk.rows)} for talk in talks
            }
            heads = [talk.head() for talk in self._talks.values()]
            files["all.json"] = {**self._known.plain(), "conversations": heads}
            for talk in talks:
                talk.written = True
        with suppress(OSError):  # a page that is not up to date is no reason to fail anything
            for name, data in files.items():
                _replace(self._folder / self._own / name, json.dumps(data))

    def _others(self, name: str) -> list[dict[str, Any]]:
        """Return what the other workers wrote last."""
        if self._folder is None:
            return []
        found = []
        for path in sorted(self._folder.glob(f"*/{name}")):
            if path.parent.name == self._own:
                continue
            with suppress(OSError, ValueError):
                found.append(json.loads(path.read_bytes()))
        return found


# Facts --------------------------------------------------------------------------------------------


def _row(facts: Mapping[str, Any], now: float) -> tuple[Any, ...]:
    given = facts.get("tokens")
    parts = dict.fromkeys(DRAWN, 0)
    if isinstance(given, Mapping):
        for name, tokens in given.items():
            parts[PARTS.get(name, "overhead")] += int(_number(tokens) or 0)
    usage = facts.get("usage")
    tokens = sum(parts.values()) or int(_number(given) or 0)
    return (
        round(now, 3),
        _status(facts),
        tokens,
        tuple(parts.values()),
        int(_number(facts.get("dropped")) or 0),
        int(_number(facts.get("recalled")) or 0),
        int(_number(facts.get("prefix_reused")) or 0),
        _of(usage, "input"),
        _of(usage, "cached"),
        _of(usage, "output"),
        _number(facts.get("bill_sent")),
        _number(facts.get("bill_through")),
        _name(facts.get("passed_through")),
        _name(facts.get("fault")),
        _name(facts.get("edit_reason") or ("edit" if facts.get("edit") else "")),
        round(_number(facts.get("seconds_added")) or 0.0, 5),
    )


def _amounts(facts: Mapping[str, Any], row: tuple[Any, ...]) -> dict[str, float]:
    """Return what an exchange adds to the sums."""
    of: dict[str, Any] = dict(zip(ROW, row, strict=True))
    made: dict[str, float] = {
        "requests": 1,
        "tokens": of["tokens"],
        "counted": 1 if of["tokens"] else 0,
        "dropped": of["dropped"],
        "recalled": of["recalled"],
        "reused": of["reused"],
        "edits": 1 if of["edit"] else 0,
        "recall_calls": _number(facts.get("recall_calls")) or 0,
        "recall": _number(facts.get("bill_recall")) or 0,
        "repeated_reads": _number(facts.get("repeated_reads")) or 0,
        "passed": 1 if of["why"] else 0,
        "faults": 1 if of["fault"] else 0,
        "errors": 1 if of["status"] >= 400 else 0,
        "added": of["added"],
        "timed": 1 if facts.get("seconds_added") is not None else 0,
    }
    if of["input"] is not None:
        made |= {
            "billed": 1,
            "input": of["input"],
            "cached": of["cached"] or 0,
            "output": of["output"] or 0,
        }
    if of["sent"] is not None and of["through"] is not None:
        made |= _saved(of, _number(facts.get("bill_uncached")))
    return made


def _saved(of: Mapping[str, Any], uncached: float | None) -> dict[str, float]:
    """Return who saved what of a request, in uncached input tokens.

    What the provider's cache takes from the price of the client's own request is the provider's;
    only the difference between that and the price of what was sent is ours. Where the price
    without a cache is not known, it is the tokens, if the request is the client's own.
    """
    whole: float
    if uncached is not None:
        whole = uncached
    else:
        whole = of["tokens"] if of["sent"] == of["through"] and of["tokens"] else of["through"]
    provider, ours = whole - of["through"], of["through"] - of["sent"]
    by_provider, by_us = provider > _NOTHING, ours > _NOTHING
    return {
        "priced": 1,
        "whole": whole,
        "through": of["through"],
        "sent": of["sent"],
        "provider": provider,
        "ours": ours,
        "by_provider": int(by_provider),
        "by_us": int(by_us),
        "by_nobody": int(not by_provider and not by_us),
    }


def _receipts(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is shown of the edits of an exchange."""
    given = _listed(facts.get("receipts"))
    if not given and facts.get("edit"):
        given = [{"reason": facts.get("edit_reason")}]
    return [
        {
            "reason": _name(_field(one, "reason")),
            "messages": len(_listed(_field(one, "messages"))),
            "pages": len(_listed(_field(one, "pages"))),
            "binding": len(_listed(_field(one, "binding"))),
            "tokens": _number(_field(one, "tokens")),
            "cost": _number(_field(one, "cost")),
            "saved": _number(_field(one, "saved")),
        }
        for one in given
    ]


def _finding(given: Any, *, text: bool) -> dict[str, Any]:
    """Return what is shown of a finding; its detail may quote a client."""
    return {
        "kind": _name(_field(given, "kind")),
        "refused": _field(given, "refused") is True,
        "detail": _text(_field(given, "advice"))[:_DETAIL] if text else "",
    }


def _checks(checked: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the findings of the last exchanges by kind, those that are refused first."""
    kinds: dict[tuple[str, bool], dict[str, Any]] = {}
    exchanges = 0
    for one in checked:  # the newest first, so that its detail is shown
        exchanges += 1
        of = {(found["kind"], found["refused"]): found for found in one["findings"]}
        for key, found in of.items():
            kind = kinds.setdefault(key, {**found, "requests": 0})
            kind["requests"] += 1
    ordered = sorted(
        kinds.values(), key=lambda kind: (not kind["refused"], -kind["requests"], kind["kind"])
    )
    return {"exchanges": exchanges, "findings": ordered}


def _short(conversation: str) -> str:
    """Return an opaque short name of a conversation."""
    return hashlib.blake2b(conversation.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _status(facts: Mapping[str, Any]) -> int:
    return int(_number(facts.get("status")) or 0)


def _number(given: Any) -> float | int | None:
    """Return a number that JSON can hold; None for all else."""
    if given is None or isinstance(given, bool) or not isinstance(given, _NUMBER):
        return None
    return given if abs(given) < 1e18 else None  # not an infinity, nor a NaN


def _of(usage: Any, name: str) -> float | int | None:
    return _number(_field(usage, name))


def _field(given: Any, name: str) -> Any:
    if isinstance(given, dict):  # as a rule; asking an abstract class takes longer
        return given.get(name)
    return given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else []


def _text(given: Any) -> str:
    """Return a text that UTF-8 can hold, "" for all else."""
    if not isinstance(given, str):
        return ""
    return given if given.isascii() else given.encode("utf-8", "replace").decode()


def _name(given: Any) -> str:
    if isinstance(given, str):
        return _text(given)[:_LONGEST]
    return str(given) if isinstance(given, int) and given else ""


# Merging ------------------------------------------------------------------------------------------


def _add(sums: dict[str, float], more: Mapping[str, float]) -> None:
    for name, amount in more.items():
        sums[name] = sums.get(name, 0) + amount


def _merge_head(merged: dict[str, dict[str, Any]], head: Mapping[str, Any]) -> None:
    """Add what a worker knows of a conversation to what others do."""
    there = merged.get(head["id"])
    if there is None:
        merged[head["id"]] = {**head, "sums": dict(head["sums"])}
        return
    sums = there["sums"]
    _add(sums, head["sums"])
    newer, older = (head, there) if head["last"] > there["last"] else (there, head)
    title = older["title"] if older["first"] <= newer["first"] else newer["title"]
    first = min(head["first"], there["first"])
    merged[head["id"]] = {**newer, "title": title, "first": first, "sums": sums}


def _newest(known: Iterable[Mapping[str, Any]], name: str, most: int) -> list[dict[str, Any]]:
    found = [one for of in known for one in of[name]]
    found.sort(key=lambda one: -float(one["at"]))
    return found[:most]


def _replace(path: Path, text: str) -> None:
    """Write a file so that whoever reads it finds the old one or the new one."""
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="ascii")
    beside.replace(path)
