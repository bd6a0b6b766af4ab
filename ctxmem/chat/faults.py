"""Find what a provider refuses in a history, and how to repair it by the smallest change.

Each step looks for faults of one kind and returns the lines without them. `check` runs every step
on the history as it is and reports; `repair` runs them in turn until none finds anything to do, so
that what it returns has no fault that it could repair, and is the same when repaired again.

Nothing is invented and no text is rewritten, but for white space at the end of a final text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import Any, NamedTuple

from ctxmem.chat import pairing as pairs
from ctxmem.chat.editing import edited, replaced, with_fields, without_parts
from ctxmem.chat.pairing import Pairing
from ctxmem.chat.parts import Part, parts_of
from ctxmem.chat.reading import (
    BLANK_INSIDE,
    EMPTY_CALLS,
    EMPTY_ERROR,
    FOREIGN_ROLE,
    LEGACY,
    MISNAMED,
    NO_CONTENT,
    NO_DATA,
    UNSIGNED,
    WRONG_PART,
    WRONG_SIDE,
    Turn,
    read_one,
)
from ctxmem.chat.rules import Rule, Rules
from ctxmem.chat.shapes import (
    ROLES,
    content_field,
    content_of,
    get,
    inner_of,
    kind_of,
    misnamed_field,
    rewrapped,
    role_of,
)


class Line(NamedTuple):
    """A message of a history that is being repaired: its original index, itself, its turn."""

    origin: int
    item: Any
    turn: Turn


class Fault(NamedTuple):
    """Something that a provider refuses.

    Attributes:
        kind: as `check` names it.
        message: where it was, in the history as given.
        wrong: what is wrong, as a sentence.
        done: what repair does about it, "" if nothing can be done.
        rule: the rule that is broken, None where every provider refuses it.
    """

    kind: str
    message: int
    wrong: str
    done: str
    rule: Rule | None = None


@dataclass(slots=True)
class Case:
    """A history in hand: whose rules hold for it, and the faults found so far."""

    rules: Rules
    dialect: str
    model: str | None = None
    continued: bool = False
    outside_marks: int = 0  # cache marks of the tools
    named: bool = False  # the provider is given, not taken from the messages
    faults: list[Fault] = field(default_factory=list)
    paired: tuple[Sequence[Turn], Pairing] | None = None  # what was paired last

    def note(self, kind: str, line: Line, wrong: str, done: str, rule: str = "") -> None:
        """Add a fault of a line."""
        self.faults.append(Fault(kind, line.origin, wrong, done, self.rules.get(rule)))

    def pair(self, lines: Sequence[Line]) -> Pairing:
        """Pair the calls and results of lines by the rules."""
        return self.pair_turns([line.turn for line in lines])

    def pair_turns(self, turns: Sequence[Turn]) -> Pairing:
        """Pair the calls and results of messages by the rules; the same ones are paired once."""
        last = self.paired
        if last is None or len(last[0]) != len(turns) or not all(map(is_, last[0], turns)):
            pairing = pairs.pair_up(turns, self.rules, continued=self.continued)
            last = self.paired = (turns, pairing)
        return last[1]


Step = Callable[[Case, list[Line]], list[Line]]


def changed(line: Line, item: Any) -> Line:
    """Return a line with another message in it; only what was a question is one still."""
    turn = read_one(item, line.origin)
    asks = line.turn.asks and turn.speaks
    beside = turn.beside or (line.turn.beside and turn.speaks)
    return Line(line.origin, item, turn._replace(asks=asks, beside=beside))


def without(line: Line, parts: Iterable[Part]) -> list[Line]:
    """Return a line without some parts: none if nothing is left of it."""
    item = without_parts(line.item, parts)
    if item is None:
        return []
    left = changed(line, item)
    return [] if left.turn.blank else [left]


# Roles --------------------------------------------------------------------------------------------


def removals(case: Case, lines: list[Line]) -> list[Line]:
    """Carry LangChain's orders to remove messages out."""
    if not any(line.turn.role == "remove" for line in lines):
        return lines
    kept: list[Line] = []
    for line in lines:
        if line.turn.role != "remove":
            kept.append(line)
            continue
        name = get(inner_of(line.item), "id")
        wrong = f"an order to remove message {name!r} is no message: apply it before sending"
        case.note("role_order", line, wrong, "carried it out")
        if name == "__remove_all__":
            kept = []
        else:
            kept = [one for one in kept if get(inner_of(one.item), "id") != name or name is None]
    return kept


_NAMES = {"gemini": {"assistant": "model", "tool": "user"}}


def role_names(case: Case, lines: list[Line]) -> list[Line]:
    """Give plain messages the provider's name of their role; frameworks have names of their own."""
    if not case.named:
        return lines
    names = _NAMES.get(case.dialect, {})
    return [_renamed_role(case, line, names) for line in lines]


def _renamed_role(case: Case, line: Line, names: dict[str, str]) -> Line:
    turn = line.turn
    if turn.role not in ("user", "assistant", "tool"):
        return line
    if not (turn.odd & FOREIGN_ROLE or turn.role in names) or type(line.item) is not dict:
        return line
    given, right = line.item.get("role"), names.get(turn.role, turn.role)
    if given in (right, None, "function"):
        return line
    wrong = f"{case.dialect} knows no role {given!r}"
    case.note("role_order", line, wrong, f"made it {right!r}", "roles")
    return changed(line, edited(line.item, role=right))


_KNOWN = {
    "openai": frozenset({"system", "user", "assistant", "tool"}),
    "responses": frozenset({"system", "user", "assistant"}),
}


def roles(case: Case, lines: list[Line]) -> list[Line]:
    """Report unknown roles; move system instructions to where they belong."""
    known = _KNOWN.get(case.dialect, frozenset(ROLES.values()))
    head = first_words([line.turn for line in lines])
    kept = lines[:head]
    moved: list[Line] = []
    rest: list[Line] = []
    for i in range(head, len(lines)):
        line = lines[i]
        role = line.turn.role
        if role not in known and not (role == "tool" and role_of(line.item, 0) is None):
            wrong = f"{case.dialect} knows no role {role!r}"
            if role not in ROLES.values():
                wrong = f"no provider knows the role {role!r}"
            case.note("role_order", line, wrong, "", "roles")
        if line.turn.odd & LEGACY and case.dialect == "openai":
            _legacy(case, line)
        if role == "system" and "system_place" in case.rules and _system_refused(case, lines, i):
            wrong = "system instructions are between other messages"
            case.note("role_order", line, wrong, "moved it to the beginning", "system_place")
            moved.append(line)
        else:
            rest.append(line)
    return [*kept, *moved, *rest] if moved else lines


def _system_refused(case: Case, lines: Sequence[Line], i: int) -> bool:
    if case.dialect != "anthropic":
        return True
    if case.model and not case.rules["system_place"].value.search(case.model):
        return True
    before, behind = lines[i - 1].turn, lines[i + 1].turn if i + 1 < len(lines) else None
    if before.role not in ("user", "tool") or before.calls:
        return True
    return behind is not None and behind.role != "assistant"


def _legacy(case: Case, line: Line) -> None:
    inner = inner_of(line.item)
    if inner.get("role") == "function" and not isinstance(inner.get("name"), str):
        case.note("role_order", line, "a function message has no name", "", "legacy")
    if inner.get("function_call") and line.turn.role != "assistant":
        case.note("role_order", line, "only the assistant calls functions", "", "legacy")


def leading_rules(turns: Sequence[Turn], origin: Sequence[int]) -> int:
    """Return how many messages at the beginning hold system instructions, alone or with others.

    Those that were moved there (`origin` has each one's original index) are none of them.
    """
    moved = (i for i, turn in enumerate(turns) if not turn.rules or origin[i] != i)
    return next(moved, len(turns))


def first_words(turns: Sequence[Turn]) -> int:
    """Return the index of the first message that is not a system message."""
    return next((i for i, turn in enumerate(turns) if turn.role != "system"), len(turns))


# Blocks and fields --------------------------------------------------------------------------------

_REFUSED = EMPTY_CALLS | EMPTY_ERROR | NO_CONTENT | NO_DATA | UNSIGNED | WRONG_PART | WRONG_SIDE
_REFUSED |= MISNAMED


def blocks(case: Case, lines: list[Line]) -> list[Line]:
    """Take out blocks and fields that the provider does not accept as they are."""
    if not any(line.turn.odd & _REFUSED for line in lines):
        return lines
    kept: list[Line] = []
    for line in lines:
        kept += _accepted(case, line) if line.turn.odd & _REFUSED else [line]
    return kept


def _accepted(case: Case, line: Line) -> list[Line]:
    odd, rules = line.turn.odd, case.rules
    if odd & MISNAMED:
        line = _with_content(case, line)
    if odd & EMPTY_CALLS and "no_empty_calls" in rules and _is_chat(line.item):
        wrong = "tool_calls is an empty list"
        case.note("refused_block", line, wrong, "took the field out", "no_empty_calls")
        line = changed(line, edited(line.item, tool_calls=None))
    if odd & NO_CONTENT and "content" in rules and line.turn.whole and _is_chat(line.item):
        case.note("refused_block", line, "a tool message has no content", "put '' there", "content")
        line = changed(line, edited(line.item, content=""))
    if odd & EMPTY_ERROR and "error_text" in rules:
        line = _with_error_text(case, line)
    gone = list(_refused_parts(case, line))
    if gone:
        return without(line, gone)
    for part in parts_of(line.item, line.origin) if odd & NO_DATA else ():
        if part.kind == "unknown" and "beside" in part.name and "one_field" in rules:
            case.note("refused_block", line, f"a block has {part.name}", "", "one_field")
    if odd & WRONG_PART and case.dialect == "responses":
        return [_of_its_side(case, line)]
    return [line]


def _with_content(case: Case, line: Line) -> Line:
    """Put the text of a message into the field where a provider reads it."""
    inner = inner_of(line.item)
    field = misnamed_field(inner)
    if field is None:
        names = parts_of(line.item, line.origin)[0].name
        case.note("refused_block", line, f"no provider reads its fields: {names}", "")
        return line
    wrong = f"the text is in {field!r}, which no provider reads"
    case.note("refused_block", line, wrong, "moved it to 'content'")
    old = {name: value for name, value in inner.items() if name not in ("content", "parts")}
    made = {"content" if name == field else name: value for name, value in old.items()}
    return changed(line, made if inner is line.item else rewrapped(line.item, made))


def _with_error_text(case: Case, line: Line) -> Line:
    changes = []
    for part in parts_of(line.item, line.origin):
        if part.kind == "result" and get(part.value, "is_error") and not part.body:
            wrong = f"the result of {part.key!r} is an error without a text"
            case.note("refused_block", line, wrong, "wrote 'error' there", "error_text")
            changes.append((part, with_fields(part.value, content="error")))
    return changed(line, replaced(line.item, changes)) if changes else line


def _refused_parts(case: Case, line: Line) -> Iterator[Part]:
    rules, odd = case.rules, line.turn.odd
    if not (
        (odd & UNSIGNED and "signed" in rules)
        or (odd & NO_DATA and "data" in rules)
        or (odd & WRONG_SIDE and "call_side" in rules)
    ):
        return
    for part in parts_of(line.item, line.origin):
        block = part.value
        if part.kind == "thought" and "signed" in rules and kind_of(block) == "thinking":
            if get(block, "signature") is None:
                case.note(
                    "refused_block", line, "a thought has no signature", "dropped it", "signed"
                )
                yield part
        elif part.kind == "thought" and "signed" in rules and kind_of(block) == "redacted_thinking":
            if get(block, "data") is None:
                case.note("refused_block", line, "a redacted thought has no data", "dropped it",
                          "signed")  # fmt: skip
                yield part
        elif "data" in rules and _no_data(part):
            case.note("refused_block", line, "a part has no data", "dropped it", "data")
            yield part
        elif "call_side" in rules and _on_wrong_side(part, line):
            whose = "is not the assistant's" if part.kind == "call" else "is the assistant's"
            wrong = f"the {part.kind} {part.key!r} {whose}"
            case.note("refused_block", line, wrong, "dropped it", "call_side")
            yield part


def _on_wrong_side(part: Part, line: Line) -> bool:
    if part.kind not in ("call", "result") or part.whole:
        return False
    return (part.kind == "call") != (line.turn.role == "assistant")


def _no_data(part: Part) -> bool:
    if part.kind == "unknown":
        return bool(part.value == {})
    block = part.value
    held = bool(part.text or get(block, "text"))
    return part.kind == "thought" and not kind_of(block) and not held


def _is_chat(item: Any) -> bool:
    inner = inner_of(item)
    return type(inner) is dict and "role" in inner and inner is item


def _of_its_side(case: Case, line: Line) -> Line:
    """Give texts of a Responses message the type of their side."""
    if kind_of(line.item) in ("function_call", "custom_tool_call"):
        case.note("refused_block", line, "a call has no call_id", "", "call_id")
        return line
    right = "output_text" if line.turn.role == "assistant" else "input_text"
    field = content_field(line.item) or "content"
    blocks = [
        with_fields(block, type=right) if kind_of(block) in ("input_text", "output_text") else block
        for block in get(line.item, field)
    ]
    wrong = f"a text of the {line.turn.role}'s is not of the type {right}"
    case.note("refused_block", line, wrong, "gave it that type", "text_type")
    return changed(line, edited(line.item, **{field: blocks}))


# Nothing in it ------------------------------------------------------------------------------------


def empties(case: Case, lines: list[Line]) -> list[Line]:
    """Take out empty messages and empty texts."""
    spaces = case.rules.get("not_blank")
    least = 2 if spaces is None or spaces.value == "empty" else 1
    nulls = NO_CONTENT if "content" in case.rules else 0
    inside = BLANK_INSIDE if spaces is not None and spaces.value is None else 0
    kept: list[Line] = []
    for i, line in enumerate(lines):
        turn = line.turn
        if not (turn.blanks >= least or turn.blank or turn.odd & (nulls | inside)):
            kept.append(line)
        elif turn.blank or (nulls and turn.odd & nulls and _null(line)):
            last = i + 1 == len(lines) and case.dialect == "anthropic"
            if last and turn.role == "assistant" and not get(inner_of(line.item), "content"):
                kept.append(line)  # the beginning of an answer may be empty
                continue
            rule = "content" if turn.odd & nulls else "empty"
            case.note(
                "empty_content", line, f"the {turn.role} message is empty", "dropped it", rule
            )
        elif turn.blanks >= least:
            kept += _without_blanks(case, line, least)
        else:
            kept += _without_blanks_inside(case, line) if turn.odd & inside else [line]
    return kept


def _null(line: Line) -> bool:
    """Return whether a chat message has neither content nor calls; thoughts are no content."""
    turn = line.turn
    return _is_chat(line.item) and not (turn.calls or turn.results or turn.speaks)


def _without_blanks(case: Case, line: Line, least: int) -> list[Line]:
    turn = line.turn
    rule = "not_blank" if "not_blank" in case.rules else "empty"
    if isinstance(content_of(line.item), str):
        if turn.blanks < 2 and not (turn.calls or turn.results or turn.thinks):
            case.note("empty_content", line, "the text is white space", "dropped it", rule)
            return []
        return [line]  # beside calls a text may be empty
    gone = [
        part
        for part in parts_of(line.item, line.origin)
        if part.kind == "text"
        and (not part.text or (least == 1 and part.text.isspace()))
        and not (case.dialect == "gemini" and _signature_of(part.value))
    ]
    if not gone:
        return [line]
    case.note("empty_content", line, "a text block of the message is empty", "dropped it", rule)
    return without(line, gone)


def _without_blanks_inside(case: Case, line: Line) -> list[Line]:
    inner = inner_of(line.item)
    field = content_field(inner) or "content"
    blocks = [_without_blank_texts(block) for block in get(inner, field)]
    if all(a is b for a, b in zip(blocks, get(inner, field), strict=True)):
        return [line]
    case.note("empty_content", line, "a text in a result is empty", "dropped it", "not_blank")
    return [changed(line, edited(line.item, **{field: blocks}))]


def _without_blank_texts(block: Any) -> Any:
    content = get(block, "content") if kind_of(block) == "tool_result" else None
    if not isinstance(content, list):
        return block
    left = [one for one in content if kind_of(one) != "text" or _says(one)]
    return block if len(left) == len(content) else with_fields(block, content=left)


def _says(block: Any) -> bool:
    text = block if isinstance(block, str) else get(block, "text")
    return isinstance(text, str) and bool(text) and not text.isspace()


def _signature_of(block: Any) -> Any:
    return get(block, "thoughtSignature") or get(block, "thought_signature")
