"""Repair where turns of the model and of the user begin, meet and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxmem.chat.editing import merged, renamed, replaced, with_fields, with_text
from ctxmem.chat.faults import Case, Line, changed, first_words, without
from ctxmem.chat.parts import HOSTED, Part, parts_of
from ctxmem.chat.reading import MARKED_THOUGHT, RUN_BY_PROVIDER, UNSPOKEN_FILE, is_plain_document
from ctxmem.chat.shapes import get, inner_of, kind_of

# Items of the Responses API -----------------------------------------------------------------------


def reasoning(case: Case, lines: list[Line]) -> list[Line]:
    """Drop reasoning items that are not followed by the item that they led to."""
    if "reasoning_leads" not in case.rules or not any(line.turn.leads for line in lines):
        return lines
    kept: list[Line] = []
    led = False  # whether the next line is the model's
    for line in reversed(lines):
        turn = line.turn
        if turn.leads and not led:
            wrong = "a reasoning item is not followed by the item that it led to"
            case.note("dangling_thought", line, wrong, "dropped it", "reasoning_leads")
            continue
        led = turn.role == "assistant"
        kept.append(line)
    return kept[::-1]


def items(case: Case, lines: list[Line]) -> list[Line]:
    """Repair ids of Responses items that are used twice or have a wrong form."""
    forms = case.rules.get("item_form")
    if forms is None or not any(line.turn.item for line in lines):
        return lines
    seen: dict[str, Any] = {}
    kept: list[Line] = []
    for line in lines:
        own = line.turn.item
        kind = kind_of(inner_of(line.item))
        if not own:
            kept.append(line)
        elif own in seen:
            kept += _second(case, line, own, kind, seen[own])
        elif not own.startswith(forms.value.get(kind, "")):
            wrong = f"the id {own!r} does not begin with {forms.value[kind]!r}"
            kept += _nameless(case, line, kind, wrong, "item_form")
        else:
            kept.append(line)
        seen.setdefault(own, line.item)
    return kept


def _second(case: Case, line: Line, own: str, kind: str, first: Any) -> list[Line]:
    wrong = f"the id {own!r} is used before"
    if kind in ("item_reference", "reasoning") or line.item == first:
        case.note("call_id", line, wrong, "dropped it", "unique_items")
        return []
    return _nameless(case, line, kind, wrong, "unique_items")


def _nameless(case: Case, line: Line, kind: str, wrong: str, rule: str) -> list[Line]:
    if kind in ("message", "function_call", "custom_tool_call", "function_call_output"):
        case.note("call_id", line, wrong, "took the id out", rule)
        return [changed(line, with_fields(line.item, id=None))]
    case.note("call_id", line, wrong, "", rule)
    return [line]


# Tools that the provider runs ---------------------------------------------------------------------


def hosted(case: Case, lines: list[Line]) -> list[Line]:
    """Drop calls of server tools without their result, and results without their call."""
    if "hosted_pairs" not in case.rules:
        return lines
    if not any(line.turn.odd & RUN_BY_PROVIDER for line in lines):
        return lines
    gone = _unpaired(case, lines)
    kept: list[Line] = []
    for i, line in enumerate(lines):
        kept += without(line, gone[i]) if i in gone else [line]
    return [_with_hosted_ids(case, line) for line in kept]


def _unpaired(case: Case, lines: Sequence[Line]) -> dict[int, list[Part]]:
    gone: dict[int, list[Part]] = {}
    waiting: dict[str, tuple[int, Part]] = {}
    deferred: set[str] = set()  # beside a call of the client: answered behind its results
    for i, line in enumerate(lines):
        turn = line.turn
        if turn.role != "assistant":
            # Consecutive assistant messages are one turn, which ends here.
            for key in [key for key in waiting if key not in deferred or turn.speaks]:
                _lost(case, lines, waiting.pop(key), gone)
            if turn.odd & RUN_BY_PROVIDER:
                gone[i] = _strayed(case, line)
            continue
        for part in parts_of(line.item, line.origin) if turn.odd & RUN_BY_PROVIDER else ():
            if part.kind == "hosted_call":
                waiting[part.key] = (i, part)
            elif part.kind == "hosted_result" and waiting.pop(part.key, None) is None:
                wrong = f"the result of server tool {part.key!r} has no call before it"
                case.note("orphan_result", line, wrong, "dropped it", "hosted_pairs")
                gone.setdefault(i, []).append(part)
        for key in deferred & waiting.keys():
            _lost(case, lines, waiting.pop(key), gone)
        deferred = {key for key, (at, _) in waiting.items() if at == i} if turn.calls else set()
    for key, place in waiting.items():
        # At the very end it goes on: a paused turn is sent again as it is.
        if place[0] + 1 < len(lines) and key not in deferred:
            _lost(case, lines, place, gone)
    return gone


def _strayed(case: Case, line: Line) -> list[Part]:
    """Return what is of server tools in a message that is not the assistant's."""
    parts = [p for p in parts_of(line.item, line.origin) if p.kind in HOSTED]
    for part in parts:
        wrong = f"a block of server tool {part.key!r} is in a message of the {line.turn.role}"
        case.note("refused_block", line, wrong, "dropped it", "hosted_pairs")
    return parts


def _lost(
    case: Case, lines: Sequence[Line], place: tuple[int, Part], gone: dict[int, list[Part]]
) -> None:
    i, part = place
    wrong = f"the server tool call {part.key!r} has no result in its turn"
    case.note("open_call", lines[i], wrong, "dropped it", "hosted_pairs")
    gone.setdefault(i, []).append(part)


def _with_hosted_ids(case: Case, line: Line) -> Line:
    form = case.rules.get("hosted_form")
    if form is None or not line.turn.odd & RUN_BY_PROVIDER:
        return line
    changes: list[tuple[Part, Any]] = []
    for part in parts_of(line.item, line.origin):
        if part.kind not in ("hosted_call", "hosted_result") or form.value.match(part.key):
            continue
        kind = kind_of(part.value)
        if not kind or not part.key or kind.startswith("mcp_") or ":" in part.key:
            continue  # another provider's, or of another form
        new = "srvtoolu_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in part.key)
        changes.append((part, renamed(part.value, part.key, new)))
        if part.kind == "hosted_call":
            wrong = f"the id {part.key!r} of a server tool does not begin with 'srvtoolu_'"
            case.note("call_id", line, wrong, f"made it {new!r}", "hosted_form")
    return changed(line, replaced(line.item, changes)) if changes else line


# The beginning ------------------------------------------------------------------------------------


def beginning(case: Case, lines: list[Line]) -> list[Line]:
    """Drop what precedes the first user message, where that has to be first."""
    turns = [line.turn for line in lines]
    first = first_words(turns)
    if first == len(lines) or "first_user" not in case.rules or turns[first].role == "user":
        if "call_turn" in case.rules:
            return _call_turns(case, lines, first)
        return lines
    user = next((i for i in range(first, len(lines)) if _begins(turns[i])), None)
    if user is None:
        case.note("role_order", lines[first], "no message is the user's", "", "first_user")
        return lines
    between = lines[first:user]
    rules = [line for line in between if line.turn.role == "system"]
    for line in between:
        if line.turn.role == "system":
            continue
        wrong = "it precedes the first user message"
        case.note("role_order", line, wrong, "dropped it", "first_user")
    return [*lines[:first], *rules, *lines[user:]]


def _begins(turn: Any) -> bool:
    """Return whether a message may be first: results are the second half of a unit."""
    return turn.role == "user" and not turn.answers_only


def _call_turns(case: Case, lines: list[Line], first: int) -> list[Line]:
    """Join a turn of function calls to what the model said before; drop one that is first."""
    groups = [[line] for line in lines[:first]]
    for line in lines[first:]:
        before = groups[-1][-1].turn if len(groups) > first else None
        if not line.turn.calls or (before is not None and before.role != "assistant"):
            groups.append([line])
        elif before is None:
            wrong = "function calls precede the first user message"
            case.note("role_order", line, wrong, "dropped them", "call_turn")
            parts = parts_of(line.item, line.origin)
            left = without(line, [part for part in parts if part.kind == "call"])
            groups += [[one] for one in left]
        else:
            wrong = "function calls follow another turn of the model"
            case.note("role_order", line, wrong, "joined the two turns", "call_turn")
            groups[-1].append(line)
    rest = lines[first:]
    if len(rest) == 1 and rest[0].turn.role == "assistant" and "single_user" in case.rules:
        case.note("role_order", rest[0], "the only content is the model's", "", "single_user")
    return [_as_one(group) for group in groups]


def _as_one(group: list[Line]) -> Line:
    """Return lines as one; a question stays a question, although a result is beside it."""
    if len(group) == 1:
        return group[0]
    joined = changed(group[0], merged(*(line.item for line in group)))
    asks = any(line.turn.asks for line in group)
    return joined._replace(turn=joined.turn._replace(asks=asks))


def alternation(case: Case, lines: list[Line]) -> list[Line]:
    """Join neighbouring messages of one role."""
    if "alternate" not in case.rules:
        return lines
    groups: list[list[Line]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        side = _side(line.turn.role)
        joins = isinstance(inner_of(line.item), Mapping) and not line.turn.whole
        if last is None or _side(last.turn.role) != side or side == "system" or not joins:
            groups.append([line])  # frameworks join their own
            continue
        wrong = f"two {line.turn.role} messages follow each other"
        case.note("role_order", line, wrong, "joined the two", "alternate")
        groups[-1].append(line)
    return [_as_one(group) for group in groups]


def _side(role: str) -> str:
    return "user" if role == "tool" else role


# The end ------------------------------------------------------------------------------------------


def ending(case: Case, lines: list[Line]) -> list[Line]:
    """Repair a final message of the assistant: no thought and no white space at its end."""
    if not lines or lines[-1].turn.role != "assistant":
        return lines
    line, rules = lines[-1], case.rules
    prefill = rules.get("no_prefill")
    if prefill and case.model and prefill.value.search(case.model) and not line.turn.calls:
        wrong = f"the last message is the assistant's, which {case.model} refuses"
        case.note("last_message", line, wrong, "", "no_prefill")
    if "final_thought" not in rules:
        return lines
    parts = parts_of(line.item, line.origin)
    thoughts = 0
    while thoughts < len(parts) and parts[-1 - thoughts].kind == "thought":
        thoughts += 1
    if thoughts:
        wrong = "the final message of the assistant ends in a thought"
        case.note("last_message", line, wrong, "dropped the thought", "final_thought")
        return [*lines[:-1], *without(line, parts[-thoughts:])]
    last = parts[-1] if parts else None
    if last is None or last.kind != "text" or not last.text or not last.text[-1].isspace():
        return lines
    wrong = "the final text of the assistant ends in white space"
    case.note("last_message", line, wrong, "took the white space off", "final_space")
    return [*lines[:-1], _stripped(line, last)]


def _stripped(line: Line, part: Part) -> Line:
    if isinstance(line.item, str) or part.whole:
        return changed(line, line.item.rstrip() if isinstance(line.item, str) else
                       (line.item[0], line.item[1].rstrip()))  # fmt: skip
    return changed(line, replaced(line.item, [(part, with_text(part.value, part.text.rstrip()))]))


# Cache marks and files ----------------------------------------------------------------------------


def marks(case: Case, lines: list[Line]) -> list[Line]:
    """Remove cache marks where the provider allows none, and those above its limit."""
    if "mark_place" in case.rules:
        lines = [
            _unmarked(case, line, "mark_place") if line.turn.odd & MARKED_THOUGHT else line
            for line in lines
        ]
    limit = case.rules.get("cache_marks")
    if limit is None:
        return lines
    excess = case.outside_marks + sum(line.turn.marks for line in lines) - limit.value
    if excess <= 0:
        return lines
    kept = list(lines)
    for i, line in enumerate(lines):
        if excess > 0 and line.turn.marks and line.turn.role != "system":
            wrong = f"there are {excess} cache marks more than {limit.value}"
            kept[i] = _unmarked(case, line, "cache_marks", excess, wrong)
            excess -= line.turn.marks - kept[i].turn.marks
    if excess > 0:
        case.note("cache_mark", lines[0], f"there are {excess} cache marks too many", "",
                  "cache_marks")  # fmt: skip
    return [line for line in kept if not line.turn.blank]


def _unmarked(
    case: Case,
    line: Line,
    rule: str,
    most: int = 1 << 30,
    wrong: str = "a mark is on a thought",
) -> Line:
    """Return a line without its first marks, or without those on thoughts and empty texts."""
    item, changes, gone, behind = line.item, [], [], False
    left = most
    for part in parts_of(item, line.origin):
        refused = (
            rule == "cache_marks"
            or part.kind == "thought"
            or (part.kind == "text" and not part.text)
        )
        if part.kind == "mark":
            if left > 0 and (rule == "cache_marks" or behind):
                gone.append(part)
                left -= 1
        elif left > 0 and refused and not isinstance(part.value, str):
            bare, taken = _bare(part, left, inside=rule == "cache_marks")
            changes += [(part, bare)] if taken else []
            left -= taken
        behind = part.kind == "thought" or is_plain_document(part)
    if not changes and not gone:
        return line
    case.note("cache_mark", line, wrong, "took it off", rule)
    if gone:
        left_over = without(line, gone)
        return left_over[0] if left_over else line._replace(turn=line.turn._replace(
            speaks=False, thinks=False, marks=0))  # fmt: skip
    return changed(line, replaced(item, changes))


def _bare(part: Part, most: int, *, inside: bool) -> tuple[Any, int]:
    """Return a block without its cache marks, its own and those inside of a result."""
    block, taken = part.value, 0
    content = get(block, "content") if part.kind == "result" and inside else None
    if isinstance(content, list) and not part.whole:
        blocks = list(content)
        for i, one in enumerate(blocks):
            if taken < most and isinstance(one, Mapping) and one.get("cache_control") is not None:
                blocks[i] = with_fields(one, cache_control=None)
                taken += 1
        if taken:
            block = with_fields(block, content=blocks)
    if taken < most and get(block, "cache_control") is not None:
        block = with_fields(block, cache_control=None)
        taken += 1
    return block, taken


def documents(case: Case, lines: list[Line]) -> list[Line]:
    """Tell documents without a text beside them."""
    if "document_text" in case.rules:
        for line in lines:
            if line.turn.odd & UNSPOKEN_FILE:
                wrong = "a document has no text beside it"
                case.note("refused_block", line, wrong, "", "document_text")
    return lines


def signatures(case: Case, lines: list[Line]) -> list[Line]:
    """Tell function calls of the current turn that lack the signature of their thought."""
    rule = case.rules.get("signature")
    if rule is None or not case.model or not rule.value.search(case.model):
        return lines
    asked = max((i for i, line in enumerate(lines) if line.turn.role == "user"
                 and not line.turn.answers_only), default=-1)  # fmt: skip
    for line in lines[asked + 1 :]:
        if not line.turn.calls:
            continue
        first = next(p for p in parts_of(line.item, line.origin) if p.kind == "call")
        if not (get(first.value, "thoughtSignature") or get(first.value, "thought_signature")):
            wrong = f"the call of {first.name!r} has no thought signature"
            case.note("refused_block", line, wrong, "", "signature")
    return lines
