"""Make a history valid by the smallest change: what is refused goes, everything else stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ctxmem.messages.checking import (
    Finding,
    Trouble,
    dialect_of,
    first_words,
    trouble_in,
)
from ctxmem.messages.overhead import provider_of
from ctxmem.messages.reading import (
    TEXT_BLOCKS,
    Turn,
    get,
    keep_blocks,
    kind_of,
    listed,
    read,
    read_one,
    without_calls,
)


def repair(
    messages: Iterable[Any], *, provider: str | None = None, log: list[Finding] | None = None
) -> list[Any]:
    """Return a history that providers accept, by the smallest change.

    Results that answer no call are dropped, and so are calls that were never answered although the
    chat went on, empty messages and empty text blocks; a result that stands apart from its call is
    moved behind it. For Anthropic (`provider`, or known by the blocks) what stands before the first
    user message is dropped as well. Calls at the very end stay: they are in flight.

    Nothing is invented and no text is changed. Messages that need no change are the same objects,
    in a new list; of the others a shallow copy is changed, whose remaining blocks (thoughts and
    their signatures, cache_control, whatever we do not know) are the same objects.

    What was done is appended to `log`, as findings of the kinds that `check` tells, with the
    index in the history as given.

    Raises `InputTypeError` for what is no message, `InputError` for a provider we do not know.

    >>> done: list[Finding] = []
    >>> repair([{"role": "tool", "tool_call_id": "c1", "content": "12:00"}], log=done)
    []
    >>> done[0].detail
    "dropped the result of 'c1': it answers no open call before it"
    """
    provider_of(provider, "")
    items = listed(messages)
    return list(mend(items, read(items), provider, log if log is not None else []).items)


class Mended(NamedTuple):
    """A repaired history: its messages, their turns and pairs, and where each message stood."""

    items: list[Any]
    turns: list[Turn]
    origin: Sequence[int]
    trouble: Trouble


def mend(items: list[Any], turns: list[Turn], provider: str | None, log: list[Finding]) -> Mended:
    """Return the repaired messages and what is known of them; see `repair`."""
    trouble = trouble_in(turns)
    if not (
        (trouble.orphans or trouble.open or trouble.misplaced)
        or any(turn.hollow or (not turn.speaks and turn.blank) for turn in turns)
        or _begins_wrong(turns, provider)
    ):
        return Mended(items, turns, range(len(items)), trouble)
    done: list[Finding] = []
    kept = list(enumerate(zip(items, turns, strict=True)))
    if trouble.orphans or trouble.open or trouble.misplaced:
        kept = _pair_up(kept, trouble, done)
    kept = _drop_empty(kept, done)
    kept = _drop_before_user(kept, provider, done)
    done.sort(key=lambda finding: finding.index or 0)
    log += done
    turns = [turn for _, (_, turn) in kept]
    items = [item for _, (item, _) in kept]
    return Mended(items, turns, [i for i, _ in kept], trouble_in(turns))


_Kept = list[tuple[int, tuple[Any, Turn]]]


def _pair_up(kept: _Kept, trouble: Trouble, done: list[Finding]) -> _Kept:
    lost: dict[int, set[str]] = {}
    for i, key in trouble.orphans:
        lost.setdefault(i, set()).add(key)
        detail = f"dropped the result of {key!r}: it answers no open call before it"
        done.append(Finding("orphan_result", i, detail))
    unanswered: dict[int, set[str]] = {}
    for i, key in trouble.open:
        unanswered.setdefault(i, set()).add(key)
        detail = f"dropped the call {key!r}: it has no result, though the chat went on"
        done.append(Finding("open_call", i, detail))
    late: dict[int, set[str]] = {}
    goes_to: dict[tuple[int, str], int] = {}
    for (i, key), call in trouble.misplaced.items():
        late.setdefault(i, set()).add(key)
        goes_to[i, key] = call
        detail = f"moved the result of {key!r} behind its call in message {call}"
        done.append(Finding("misplaced_result", i, detail))

    stays: _Kept = []
    moved: dict[int, _Kept] = {}
    for i, (item, turn) in kept:
        by_call: dict[int, set[str]] = {}
        for key in late.get(i, ()):
            by_call.setdefault(goes_to[i, key], set()).add(key)
        for call, keys in by_call.items():
            part = _only_results(item, turn, keys)
            moved.setdefault(call, []).append((i, (part, read_one(part, i))))
        gone = lost.get(i, set()) | late.get(i, set())
        if not gone and i not in unanswered:
            stays.append((i, (item, turn)))
            continue
        left = _without_results(item, turn, gone) if gone else item
        if left is not None and i in unanswered:
            left = _without_calls(left, turn, unanswered[i])
        if left is not None:
            stays.append((i, (left, read_one(left, i))))
    stays = _without_bare_thoughts(stays, kept)

    paired: _Kept = []
    waiting: _Kept = []
    for i, (item, turn) in stays:
        if waiting and not turn.answers_only:
            paired += waiting
            waiting = []
        paired.append((i, (item, turn)))
        waiting += moved.get(i, [])
    return paired + waiting


def _only_results(item: Any, turn: Turn, keys: set[str]) -> Any:
    """Return a message with these results alone: itself, if that is all it holds."""
    if turn.answers_only and set(turn.results) == keys:
        return item
    return keep_blocks(item, lambda block: get(block, "tool_use_id") in keys)


def _without_results(item: Any, turn: Turn, keys: set[str]) -> Any:
    """Return a message without these results, None if nothing is left."""
    if set(turn.results) <= keys and not turn.speaks and not turn.calls:
        return None
    return keep_blocks(
        item,
        lambda block: kind_of(block) != "tool_result" or get(block, "tool_use_id") not in keys,
    )


def _without_calls(item: Any, turn: Turn, keys: set[str]) -> Any:
    """Return a message without these calls, None if nothing but thoughts is left.

    Providers refuse thoughts that lead to nothing, and the thoughts led to the call.
    """
    if set(turn.calls) <= keys and not turn.speaks:
        return None
    return without_calls(item, keys)


def _without_bare_thoughts(stays: _Kept, before: _Kept) -> _Kept:
    """Drop reasoning items whose next item, to which they led, has been dropped."""
    if len(stays) == len(before):
        return stays
    here = {i for i, _ in stays}
    gone: set[int] = set()
    for i, (_, turn) in reversed(before):
        if turn.leads and (i + 1 in gone or (i + 1 not in here and i + 1 < len(before))):
            gone.add(i)
    return [(i, pair) for i, pair in stays if i not in gone]


def _drop_empty(kept: _Kept, done: list[Finding]) -> _Kept:
    full: _Kept = []
    for i, (item, turn) in kept:
        if turn.blank:
            done.append(Finding("empty_content", i, f"dropped the empty {turn.role} message"))
        elif turn.hollow:
            done.append(Finding("empty_content", i, "dropped an empty text block"))
            slim = keep_blocks(item, _says_something)
            full.append((i, (slim, read_one(slim, i))))
        else:
            full.append((i, (item, turn)))
    return full


def _says_something(block: Any) -> bool:
    return kind_of(block) not in TEXT_BLOCKS or bool(
        block if isinstance(block, str) else get(block, "text")
    )


def _begins_wrong(turns: Sequence[Turn], provider: str | None) -> bool:
    first = first_words(turns)
    if first == len(turns) or turns[first].role == "user":
        return False
    return dialect_of(turns, provider) == "anthropic"


def _drop_before_user(kept: _Kept, provider: str | None, done: list[Finding]) -> _Kept:
    turns = [turn for _, (_, turn) in kept]
    if not _begins_wrong(turns, provider):
        return kept
    first = first_words(turns)
    # A user message that answers a call is the second half of a unit, not a beginning.
    user = next((i for i, t in enumerate(turns) if t.role == "user" and not t.results), None)
    if user is None:
        return kept
    for i, _ in kept[first:user]:
        detail = "dropped it: Anthropic wants a user message first"
        done.append(Finding("role_order", i, detail))
    return kept[:first] + kept[user:]
