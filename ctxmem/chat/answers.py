"""Pair calls with results: each call answered once, each result where it belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxmem.chat.editing import (
    content_list,
    merged,
    renamed,
    with_content,
    with_id,
    without_parts,
)
from ctxmem.chat.faults import Case, Line, changed, without
from ctxmem.chat.pairing import Pairing, Spot, ordered_units
from ctxmem.chat.parts import Part, parts_of
from ctxmem.chat.reading import NAMELESS, ODD_ID
from ctxmem.chat.rules import Rules
from ctxmem.chat.shapes import content_of, get, kind_of


def _parts_by_kind(line: Line) -> dict[str, list[Part]]:
    """Return the calls that wait for an answer and the results of a line, in their order."""
    found: dict[str, list[Part]] = {"call": [], "result": []}
    for part in parts_of(line.item, line.origin):
        if part.kind in found and not part.settled:
            found[part.kind].append(part)
    return found


# Ids ----------------------------------------------------------------------------------------------


def ids(case: Case, lines: list[Line]) -> list[Line]:
    """Give calls and their results other ids where an id is used twice or has a wrong form."""
    form, unique = case.rules.get("id_form"), case.rules.get("unique_calls")
    if form is None and unique is None:
        return lines
    odd = any(line.turn.odd & (ODD_ID | NAMELESS) for line in lines)
    if not odd and not (unique and unique.value == "request" and _repeated(lines)):
        return lines
    new = _new_ids(case, lines, case.pair(lines))
    if not new:
        return lines
    kept = list(lines)
    for i, changes in new.items():
        parts, item = _parts_by_kind(kept[i]), kept[i].item
        for kind, nth, key in changes:
            item = with_id(parts[kind][nth], item, key)
        kept[i] = changed(kept[i], item)
    return kept


def _repeated(lines: Sequence[Line]) -> bool:
    keys = [key for line in lines for key in line.turn.calls if not key.startswith("function:")]
    return len(set(keys)) < len(keys)


def _new_ids(
    case: Case, lines: Sequence[Line], pairing: Pairing
) -> dict[int, list[tuple[str, int, str]]]:
    """Return by message the kind, the place and the new id of calls and of their results."""
    form = case.rules["id_form"].value if "id_form" in case.rules else None
    unique = case.rules.get("unique_calls")
    answers: dict[Spot, list[Spot]] = {}
    for call, result in pairing.links:
        answers.setdefault(call, []).append(result)
    keys = {key for line in lines for key in (*line.turn.calls, *line.turn.results)}
    names = _Names(form, keys | {key.partition(" (")[0] for key in keys})  # items have a type
    seen: set[Any] = set()
    new: dict[int, list[tuple[str, int, str]]] = {}
    for i, line in enumerate(lines):
        parts: list[Part] | None = None
        for nth, key in enumerate(line.turn.calls):
            nameless = key.startswith("function:")
            raw = key.partition(" (")[0] if line.turn.dialect == "responses" else key
            scope = key if unique and unique.value == "request" else (i, key)
            again = not nameless and unique is not None and scope in seen
            seen.add(scope)
            if not (nameless or again or (form is not None and form.match(raw) is None)):
                continue
            parts = parts or _parts_by_kind(line)["call"]
            if nameless and not _takes_id(case, parts[nth]):
                continue
            name = names.fresh("" if nameless else raw)
            if not _renames(parts[nth], name):
                continue  # there is no field for an id
            what = "is used before" if again else "is of no form that the provider takes"
            rule = "unique_calls" if again else "id_form"
            given = "" if nameless else raw
            case.note("call_id", line, f"the id {given!r} {what}", f"made it {name!r}", rule)
            new.setdefault(i, []).append(("call", nth, name))
            for result in answers.get(Spot(i, nth, key), ()):
                new.setdefault(result.message, []).append(("result", result.nth, name))
    return new


class _Names:
    """Ids that nothing has, made from those that are not to stay."""

    def __init__(self, form: Any, taken: set[str]) -> None:
        self._form, self._taken = form, taken
        self._next: dict[str, int] = {}

    def fresh(self, key: str) -> str:
        """Return an id like this one that is of the right form and not taken, and take it."""
        clean = "".join(c if (c.isascii() and c.isalnum()) or c in "_-" else "_" for c in key)[:48]
        name = clean
        if not clean or clean in self._taken or (self._form and not self._form.match(clean)):
            clean = clean or "call"
            n = self._next.get(clean, 2)
            while f"{clean}_{n}" in self._taken:
                n += 1
            self._next[clean] = n + 1
            name = f"{clean}_{n}"
        self._taken.add(name)
        return name


def _renames(part: Part, name: str) -> bool:
    """Return whether a call has a field for its id."""
    return renamed(part.value, part.key, name) is not part.value


def _takes_id(case: Case, part: Part) -> bool:
    """Return whether a call without an id is written in a format in which it should have one."""
    if case.dialect not in _NAMED or part.whole:
        return False
    block = part.value
    return kind_of(block) == "tool_use" or isinstance(get(block, "toolUse"), Mapping)


_NAMED = frozenset({"anthropic", "bedrock"})
"""Wire formats in which every call has an id; others may go by the function's name."""


# Pairs --------------------------------------------------------------------------------------------


def answers(case: Case, lines: list[Line]) -> list[Line]:
    """Drop results without call and calls without result, and move results behind their calls."""
    if ordered_units([line.turn for line in lines], case.rules) is not None:
        return lines
    pairing = case.pair(lines)
    for call in pairing.in_flight:
        wrong = f"the call {call.key!r} is in flight: its result is to come"
        case.note("open_call", lines[call.message], wrong, "", "call_answered")
    if pairing.clean:
        return lines
    calls = {key for line in lines for key in line.turn.calls}
    gone: dict[int, list[tuple[str, int]]] = {}
    for spot in pairing.orphans:
        rule = "one_result" if spot.key in calls else "result_follows"
        wrong = f"the result of {spot.key!r} answers no open call before it"
        case.note("orphan_result", lines[spot.message], wrong, "dropped it", rule)
        gone.setdefault(spot.message, []).append(("result", spot.nth))
    for spot in pairing.open:
        wrong = f"the call {spot.key!r} has no result, though the chat went on"
        case.note("open_call", lines[spot.message], wrong, "dropped it", "call_answered")
        gone.setdefault(spot.message, []).append(("call", spot.nth))
    leaving: dict[int, list[tuple[int, int]]] = {}  # by message: (place, message of the call)
    for spot, call in pairing.misplaced.items():
        of = lines[call.message].origin
        wrong = f"the result of {spot.key!r} does not directly follow its call in message {of}"
        rule = "results_together" if _split(spot, call, lines, case.rules) else "result_follows"
        case.note("misplaced_result", lines[spot.message], wrong, "moved it there", rule)
        leaving.setdefault(spot.message, []).append((spot.nth, call.message))
    return _arranged(lines, gone, leaving, together="results_together" in case.rules)


def _split(result: Spot, call: Spot, lines: Sequence[Line], rules: Rules) -> bool:
    between = lines[call.message + 1 : result.message]
    return "results_together" in rules and all(line.turn.results for line in between)


def _arranged(
    lines: Sequence[Line],
    gone: dict[int, list[tuple[str, int]]],
    leaving: dict[int, list[tuple[int, int]]],
    *,
    together: bool,
) -> list[Line]:
    """Return the lines with some parts gone and some results behind their calls."""
    stays: list[tuple[int, Line]] = []
    moved: dict[int, list[Line]] = {}
    for i, line in enumerate(lines):
        if i not in gone and i not in leaving:
            stays.append((i, line))
            continue
        parts = _parts_by_kind(line)
        out = [parts[kind][nth] for kind, nth in gone.get(i, ())]
        by_call: dict[int, list[Part]] = {}
        for nth, call in leaving.get(i, ()):
            by_call.setdefault(call, []).append(parts["result"][nth])
        for call, results in by_call.items():
            moved.setdefault(call, []).append(_only(line, results))
            out += results
        stays += [(i, left) for left in without(line, out)]
    return _with_moved(stays, moved, together)


def _only(line: Line, parts: list[Part]) -> Line:
    """Return a line of some of its parts alone: itself, if that is all it holds."""
    taken = {part.places for part in parts}
    others = [p for p in parts_of(line.item, line.origin) if p.places not in taken]
    if parts[0].whole or not others:
        return line
    return changed(line, without_parts(line.item, others))


def _with_moved(
    stays: list[tuple[int, Line]], moved: dict[int, list[Line]], together: bool
) -> list[Line]:
    """Put moved results behind their calls: into the results there, or as messages of their own."""
    kept: list[Line] = []
    waiting: list[Line] = []
    for i, line in stays:
        if waiting and together and line.turn.results and not line.turn.whole:
            kept.append(_joined([line, *waiting]))
            waiting = []
        else:
            if waiting and not line.turn.answers_only:
                kept += [_joined(waiting)] if together else waiting
                waiting = []
            kept.append(line)
        waiting += moved.get(i, [])
    if waiting:
        kept += [_joined(waiting)] if together else waiting
    return kept


def _joined(lines: list[Line]) -> Line:
    """Return lines of results as one; results that are whole messages stay apart."""
    first = lines[0]
    if len(lines) == 1 or any(line.turn.whole for line in lines):
        return first
    return changed(first, merged(*(line.item for line in lines)))


# The order within a message -----------------------------------------------------------------------


def results_first(case: Case, lines: list[Line]) -> list[Line]:
    """Put results before all else in their message."""
    if "results_first" not in case.rules:
        return lines
    return [_results_first(case, line) if line.turn.late else line for line in lines]


def _results_first(case: Case, line: Line) -> Line:
    wrong = "a result follows other blocks of its message"
    case.note("misplaced_result", line, wrong, "moved it to the front", "results_first")
    parts = parts_of(line.item, line.origin)
    blocks = content_list(line.item)
    assert isinstance(content_of(line.item), list)
    front = [part.places[0][1] for part in parts if part.kind == "result"]
    order = [*front, *(i for i in range(len(blocks)) if i not in set(front))]
    return changed(line, with_content(line.item, [blocks[i] for i in order]))
