"""Receipts: what left the window at each edit, why, and where it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ctxmem.memory.editing import page_name
from ctxmem.memory.framework_messages import as_plain
from ctxmem.memory.items import Item
from ctxmem.memory.plan import Plan

REASONS = {
    "full": "the window would have been over its budget",
    "recall": "room was needed for what a query recalled",
    "cold": "the provider's cache had expired, so all is written anew in any case",
    "pays": "it costs less than carrying the tokens along",
    "account": "without it the session would have cost more than its untrimmed history",
}
"""Why an edit was made."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An edit of a window.

    Attributes:
        number: the number of the edit in its session, from 0.
        reason: "full", "recall", "cold", "pays" or "account"; `REASONS` has them in words.
        pages: ids of the pages that left; `Memory.page` returns each of them.
        messages: numbers of the messages they belong to.
        tokens: what left, in tokens. An edit that takes out indexes only has no pages and messages,
            and these are the tokens of the indexes.
        digest: SHA-256 of the messages that left, as JSON, in hexadecimal; those of a framework as
            they are stored.
        binding: the statements that bind and are shown in the window instead.
        cost: what the edit costs at once, in uncached input tokens; below 0 what it saves at once,
            where all would have been written to the cache anew.
        saved: what it is expected to save over the calls to come, less its cost; below 0 what it
            loses, where it was made for another reason than that it pays.
    """

    number: int
    reason: str
    pages: tuple[str, ...]
    messages: tuple[int, ...]
    tokens: int
    digest: str
    binding: tuple[str, ...] = ()
    cost: float = 0.0
    saved: float = 0.0

    def __str__(self) -> str:
        if not self.pages:
            return (
                f"edit {self.number}: indexes of {self.tokens:,} tokens left because "
                f"{REASONS[self.reason]}"
            )
        first, last = self.pages[0], self.pages[-1]
        pages = f"{first} to {last}" if len(self.pages) > 1 else first
        kept = f"; {len(self.binding)} binding statements are shown" if self.binding else ""
        return (
            f"edit {self.number}: {len(self.messages)} messages ({pages}, {self.tokens:,} tokens) "
            f"left because {REASONS[self.reason]}{kept}"
        )


def _freed(plan: Plan) -> int:
    return sum(event.tokens for event in plan.events if event.kind == "edit")


class Receipts:
    """The receipts of one session."""

    def __init__(self) -> None:
        self.issued: list[Receipt] = []

    def made(self, plan: Plan, items: Iterable[Item]) -> Receipt | None:
        """Return the receipt of a plan, None if it is no edit.

        `items` are those that leave; an edit of which none leaves takes out indexes.
        """
        gone = list(items)
        if not gone and not plan.edited:
            return None
        digest = hashlib.sha256()
        for item in gone:
            stored = as_plain(item.message, f"message {item.index}")
            text = json.dumps(stored, ensure_ascii=False, sort_keys=True, default=str)
            digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
        return Receipt(
            number=len(self.issued),
            reason=plan.reason,
            pages=tuple(page_name(page) for item in gone for page in item.pages),
            messages=tuple(item.index for item in gone),
            tokens=sum(item.tokens for item in gone) if gone else _freed(plan),
            digest=digest.hexdigest(),
            binding=tuple(entry.text for entry in plan.binding),
            cost=round(plan.cost, 3),
            saved=round(plan.saves, 3),
        )

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in the receipt of a record of an edit, if it has one."""
        if record.get("receipt"):
            self._add(record["receipt"])

    def without(self, texts: Collection[str]) -> list[dict[str, Any]]:
        """Return them as plain data, without some statements."""
        return [
            {**asdict(one), "binding": [text for text in one.binding if text not in texts]}
            for one in self.issued
        ]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return them as plain data."""
        return [asdict(receipt) for receipt in self.issued]

    def restore(self, state: Iterable[Mapping[str, Any]]) -> None:
        """Take in what `to_dict` returned."""
        for data in state:
            self._add(data)

    def _add(self, data: Mapping[str, Any]) -> None:
        lists = {name: tuple(data[name]) for name in ("pages", "messages", "binding")}
        self.issued.append(Receipt(**{**data, **lists}))
