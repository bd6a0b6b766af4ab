"""Find reads of a file in the window that a newer read of the same file supersedes.

An edit writes everything behind it again in any case, so a superseded read there leaves with it at
no cost, before anything else of its age: a line that names the newer read takes its place. The
newer read is shown in full then, also where it referred to lines of the older one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ctxmem.chat.parts import parts_of
from ctxmem.memory import editing
from ctxmem.memory.items import Item
from ctxmem.memory.session_state import Entry, SessionState
from ctxmem.memory.texts import has_results, result_texts

SAME_SHARE = 2 / 3
"""A result supersedes an earlier one that has this share of its characters in lines of it, ..."""
SAME_CALL_SHARE = 1 / 3
"""... or this share, where both answer the same call with the same arguments."""
_FEWEST_CHARACTERS = 400
"""Shorter results stay: the line in their place would be as long."""


class Reread(NamedTuple):
    """What the window shows in place of an older and a newer read, by their places in it."""

    older: int
    newer: int
    line: Entry
    full: Entry


def rereads(state: SessionState, entries: Sequence[Entry]) -> list[Reread]:
    """Return the reads among entries that are superseded, each with what takes its place.

    Linear in the texts of the results that are shown.
    """
    newest: dict[str, int] = {}  # line -> the newest entry that holds it
    found: list[Reread] = []
    for at in range(len(entries) - 1, -1, -1):
        entry = entries[at]
        item = state.items[entry.item] if entry.item >= 0 else None
        if item is None or not has_results(item.message):
            continue
        lines = [line for text in result_texts(item.message) for line in text.split("\n")]
        one = _superseded(state, entries, at, item, lines, newest) if entry.full else None
        if one is not None:
            found.append(one)
            continue  # it leaves, so it supersedes nothing
        for line in lines:
            newest.setdefault(line, at)
    return found


def _superseded(
    state: SessionState,
    entries: Sequence[Entry],
    at: int,
    item: Item,
    lines: Sequence[str],
    newest: dict[str, int],
) -> Reread | None:
    size = sum(map(len, lines))
    if item.pinned or size < _FEWEST_CHARACTERS or not newest:
        return None
    shared: Counter[int] = Counter()
    for line in lines:
        if line in newest:
            shared[newest[line]] += len(line)
    if not shared:
        return None
    newer, same = shared.most_common(1)[0]
    other = state.items[entries[newer].item]
    if same < SAME_SHARE * size and (
        same < SAME_CALL_SHARE * size or not _same_call(state, item, other)
    ):
        return None
    mark = f"as in {editing.page_range(item.pages)},"
    if any(mark in str(e.shown) for i, e in enumerate(entries) if i != newer and not e.full):
        return None  # others refer to it, too
    names = editing.superseded(item.pages, item.tokens, other.pages, offers=state.offers)
    texts = [names] * len(result_texts(item.message))
    made, full = state.entry([item.index, texts]), state.entry(other.index)
    more = full.tokens - entries[newer].tokens
    return Reread(at, newer, made, full) if made.tokens + more < item.tokens else None


def _same_call(state: SessionState, one: Item, other: Item) -> bool:
    calls = _calls(state, one)
    return bool(calls) and calls == _calls(state, other)


def _calls(state: SessionState, item: Item) -> list[str]:
    """Return the calls that an item answers, with their arguments; none for calls without any."""
    keys = set(item.turn.results)
    found = []
    for index in state.unit(item.unit):
        for part in parts_of(state.items[index].message, index):
            if part.kind == "call" and part.key in keys and part.body not in (None, "", "{}", {}):
                found.append(part.name + json.dumps(part.body, sort_keys=True, default=str))
    return found
