"""Mend how calls and results stand: each call answered once, each answer where it belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxmem.chat.editing import content_list, merged, with_content, with_id, without_parts
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
    for (i, kind, nth), key in new.items():
        part = _parts_by_kind(kept[i])[kind][nth]
        kept[i] = changed(kept[i], with_id(part, kept[i].item, key))
    return kept


def _repeated(lines: Sequence[Line]) -> bool:
    keys = [key for line in lines for key in line.turn.calls if not key.startswith("function:")]
    return len(set(keys)) < len(keys)


def _new_ids(
    case: Case, lines: Sequence[Line], pairing: Pairing
) -> dict[tuple[int, str, int], str]:
    """Return new ids by message, kind and place, for calls and for the results that answer them."""
    rules = case.rules
    form = rules["id_form"].value if "id_form" in rules else None
    unique = rules.get("unique_calls")
    answers: dict[Spot, list[Spot]] = {}
    for call, result in pairing.links:
        answers.setdefault(call, []).append(result)
    taken = {key for line in lines for key in (*line.turn.calls, *line.turn.results)}
    seen: set[Any] = set()
    new: dict[tuple[int, str, int], str] = {}
    for i, line in enumerate(lines):
        for nth, key in enumerate(line.turn.calls):
            nameless = key.startswith("function:")
            if nameless and not _takes_id(case, line, nth):
                continue
            call = Spot(i, nth, key)
            scope = key if unique and unique.value == "request" else (i, key)
            again = unique is not None and scope in seen
            seen.add(scope)
            raw = key.partition(" (")[0] if line.turn.dialect == "responses" else key
            wrong = nameless or (form is not None and form.match(raw) is None)
            if not (again or wrong):
                continue
            name = _fresh("" if nameless else raw, form, taken)
            if not _renames(line, nth, name):
                continue  # there is no field for an id
            taken.add(name)
            seen.add(name if scope == key else (i, name))
            again = again and not wrong
            what = "is used before" if again else "is of no form that the provider takes"
            rule = "unique_calls" if again else "id_form"
            given = "" if nameless else raw
            case.note("call_id", line, f"the id {given!r} {what}", f"made it {name!r}", rule)
            new[i, "call", nth] = name
            for result in answers.get(call, ()):
                new[result.message, "result", result.nth] = name
    return new


_NAMED = frozenset({"anthropic", "bedrock"})
"""Wire formats in which every call has an id; others may go by the function's name."""


def _renames(line: Line, nth: int, name: str) -> bool:
    part = _parts_by_kind(line)["call"][nth]
    return changed(line, with_id(part, line.item, name)).turn.calls != line.turn.calls


def _takes_id(case: Case, line: Line, nth: int) -> bool:
    """Return whether a call without an id is written in a format in which it should have one."""
    if case.dialect not in _NAMED or line.turn.whole:
        return False
    block = _parts_by_kind(line)["call"][nth].value
    return kind_of(block) == "tool_use" or isinstance(get(block, "toolUse"), Mapping)


def _fresh(key: str, form: Any, taken: set[str]) -> str:
    """Return an id like this one that is of the right form and not taken."""
    clean = "".join(c if (c.isascii() and c.isalnum()) or c in "_-" else "_" for c in key)[:48]
    if clean and clean not in taken and (form is None or form.match(clean)):
        return clean
    n = 2
    while f"{clean or 'call'}_{n}" in taken:
        n += 1
    return f"{clean or 'call'}_{n}"


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
    others = [
        p for p in parts_of(line.item, line.origin) if p.places not in {q.places for q in parts}
    ]
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
    item = first.item
    for line in lines[1:]:
        item = merged(item, line.item)
    return changed(first, item)


# The order within a message -----------------------------------------------------------------------


def results_first(case: Case, lines: list[Line]) -> list[Line]:
    """Put results before all else in their message."""
    if "results_first" not in case.rules:
        return lines
    return [_results_first(case, line) if line.turn.late else line for line in lines]


def _results_first(case: Case, line: Line) -> Line:
    wrong = "a result stands behind other blocks of its message"
    case.note("misplaced_result", line, wrong, "moved it to the front", "results_first")
    parts = parts_of(line.item, line.origin)
    blocks = content_list(line.item)
    assert isinstance(content_of(line.item), list)
    front = [part.places[0][1] for part in parts if part.kind == "result"]
    order = [*front, *(i for i in range(len(blocks)) if i not in set(front))]
    return changed(line, with_content(line.item, [blocks[i] for i in order]))
