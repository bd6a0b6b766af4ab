"""What a message is to its neighbours, read once for each content and kept.

Histories come again with every turn, so what was read is kept by what the message holds. No
framework is imported, and nothing is converted: the caller's objects are looked at and handed on.
"""

from __future__ import annotations

import marshal
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import xxhash

from ctxmem.chat.notes import is_note
from ctxmem.chat.parts import HOSTED, MEDIA, Part, inner_parts, parts_of
from ctxmem.chat.shapes import ROLES, content_field, content_of, get, inner_of, kind_of, role_of

REPEATED_CHARACTERS = 200
"""A passage shorter than this may occur twice in a history without a finding."""

_SEED = secrets.randbits(64)
_KEPT_TURNS = 1 << 16
_digest, _written = xxhash.xxh3_128_digest, marshal.dumps
_PLAIN_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")

# Odd things, which only some providers refuse; what exactly is read when it matters.
ODD_ID = 1 << 0
"""An id that is not of 1 to 64 letters, digits, _ and -, or used twice in the message."""
EMPTY_CALLS = 1 << 1
"""`tool_calls: []`."""
NO_CONTENT = 1 << 2
"""Content of None or [], or content that is not there, in a message without calls."""
MARKED_THOUGHT = 1 << 3
"""A cache mark on a thought or directly behind one, or on an empty text."""
UNSIGNED = 1 << 4
"""A thought without signature."""
NO_DATA = 1 << 5
"""A block without data."""
WRONG_SIDE = 1 << 6
"""A call that is not the assistant's, or a result that is."""
RUN_BY_PROVIDER = 1 << 7
"""Calls or results of tools that the provider runs."""
UNSPOKEN_FILE = 1 << 8
"""A document without text beside it."""
BLANK_INSIDE = 1 << 9
"""A blank text inside of a result."""
WRONG_PART = 1 << 10
"""A text block of the other side's type, or an item without what it needs."""
LEGACY = 1 << 11
"""A function message, or a function call of the old form."""
NAMELESS = 1 << 12
"""A call or a result without an id."""
EMPTY_ERROR = 1 << 13
"""A result that says it is an error and nothing else."""
FOREIGN_ROLE = 1 << 14
"""A role by another provider's name."""
MISNAMED = 1 << 16
"""A text in a field that no provider reads, or unknown fields and no content."""
UNUSUAL = 1 << 15
"""Anything else that only some provider takes: what is empty, late, unknown or an item."""


class Turn(NamedTuple):
    """What a message is to its neighbours.

    Attributes:
        role: system, user, assistant or tool; another name if the message has one we do not know.
        calls: ids of the tool calls that it makes and that a result has to answer.
        results: ids of the tool calls that it answers, each as often as it does.
        speaks: it holds something other than calls, results and thoughts.
        thinks: it holds thoughts.
        leads: a Responses reasoning item, which the provider wants together with the next item.
        asks: a user's question: text that is no note, and no result beside it.
        beside: what may be the user's or a program's: text that is no note beside a result, or
            media without a word.
        blanks: 2 if a text block of it is empty, 1 if one is white space only.
        late: a result follows another block.
        dialect: the wire format that the shape shows, else "".
        whole: the message is one result.
        marks: cache marks in it.
        odd: what of it some provider may refuse, as bits.
        item: the id of a Responses item.
        unknown: types of blocks that no provider's list has.
        passages: hashes of its long paragraphs, after that of the whole if it is long.
        rules: it holds system instructions, whatever its role.
    """

    role: str
    calls: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    speaks: bool = True
    thinks: bool = False
    leads: bool = False
    asks: bool = False
    beside: bool = False
    blanks: int = 0
    late: bool = False
    dialect: str = ""
    whole: bool = False
    marks: int = 0
    odd: int = 0
    item: str = ""
    unknown: tuple[str, ...] = ()
    passages: tuple[int, ...] = ()
    rules: bool = False

    @property
    def blank(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.speaks or self.thinks or self.calls or self.results)

    @property
    def answers_only(self) -> bool:
        """Whether it holds results and nothing else."""
        return bool(self.results) and not self.speaks and not self.calls


# Most messages of most histories are a role and a text; they share their turns.
_SPOKEN = {
    name: Turn(role, asks=role == "user", rules=role == "system")
    for name, role in ROLES.items()
    if role not in ("tool", "remove")
}
for _name in ("human", "ai", "model", "chatbot"):
    _SPOKEN[_name] = _SPOKEN[_name]._replace(odd=FOREIGN_ROLE)
_NOTES = {name: turn._replace(asks=False) for name, turn in _SPOKEN.items()}
_SILENT = {
    name: turn._replace(speaks=False, asks=False, blanks=2, odd=turn.odd | UNUSUAL)
    for name, turn in _SPOKEN.items()
}
_SPACES = {
    name: turn._replace(asks=False, blanks=1, odd=turn.odd | UNUSUAL)
    for name, turn in _SPOKEN.items()
}
_known: dict[bytes, Turn] = {}


def fingerprint(message: Any) -> bytes | None:
    """Return a hash of everything in a message, None where there is no cheap one.

    Messages are mutable, so what was read is kept by content: written out and hashed to 128 bits,
    seeded per process, in about a microsecond. marshal is used because it writes plain data faster
    than all else and refuses everything that is not; nothing is ever read back.
    """
    kind = type(message)
    whole: Any = message
    if kind is not dict:
        if not hasattr(message, "__pydantic_fields_set__"):
            return None  # of other objects it is not known where all their fields are
        fields = message.__dict__
        if "blocks" in fields:
            fields = _unfolded(fields)
        whole = (kind.__module__, kind.__qualname__, fields, message.__pydantic_extra__)
    try:
        # Version 2 writes every value in full: equal bytes mean equal messages.
        return _digest(_written(whole, 2), _SEED)
    except ValueError:
        return None


def _unfolded(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a LlamaIndex message's fields with its role and its blocks as plain data."""
    blocks = fields["blocks"]
    if isinstance(blocks, list):
        blocks = [
            (type(block).__qualname__, block.__dict__, getattr(block, "__pydantic_extra__", None))
            if hasattr(block, "__pydantic_fields_set__")
            else block
            for block in blocks
        ]
    role = fields.get("role")
    return {**fields, "blocks": blocks, "role": getattr(role, "value", role)}


def read(messages: Sequence[Any]) -> list[Turn]:
    """Return the turn of each message.

    Raises:
        InputTypeError: a message, its role, its content or a block of it is of no known type.
    """
    return [read_marked(message, i)[0] for i, message in enumerate(messages)]


def read_marked(message: Any, index: int) -> tuple[Turn, bytes | None]:
    """Return the turn of a message, and its fingerprint where that saves time."""
    if type(message) is dict:
        if len(message) == 2:
            turn = _plain_turn(message)
            if turn is not None:
                return turn, None
        try:
            mark = _digest(_written(message, 2), _SEED)
        except ValueError:
            return _read(message, index), None
    else:
        found = fingerprint(message)
        if found is None:
            return _read(message, index), None
        mark = found
    turn = _known.get(mark)
    if turn is None:
        turn = _read(message, index)
        if len(_known) >= _KEPT_TURNS:
            _known.clear()
        _known[mark] = turn
    return turn, mark


def read_one(message: Any, index: int) -> Turn:
    """Return the turn of one message; `index` names it in errors."""
    return read_marked(message, index)[0]


def _plain_turn(message: dict[str, Any]) -> Turn | None:
    """Return the turn of a role and a text, which most messages are, None for any other."""
    content, role = message.get("content"), message.get("role")
    if type(content) is not str or type(role) is not str:
        return None
    if not content:
        return _SILENT.get(role)
    if content.isspace():
        return _SPACES.get(role)
    if role == "user" and content[0] in "<[( \n\trRsS" and is_note(content):
        return _NOTES[role]
    return _SPOKEN.get(role)


# Reading ------------------------------------------------------------------------------------------

_ROLES = frozenset({"system", "user", "assistant", "tool"})


def _read(message: Any, index: int) -> Turn:
    inner = inner_of(message)
    named = role_of(message, index)
    if named is None:
        return _read_item(inner)
    role = ROLES.get(named, named)
    parts = parts_of(message, index)
    speaks = thinks = late = asks = shows = marked = False
    calls: list[str] = []
    results: list[str] = []
    blanks = odd = 0
    roles: set[str] = set()
    unknown: list[str] = []
    for part in parts:
        kind = part.kind
        roles.add(part.role)
        if kind == "call":
            calls += [] if part.settled else [part.key]
            speaks = speaks or part.settled
        elif kind == "result":
            late = late or marked
            results.append(part.key)
            odd |= _odd_result(part)
        elif kind == "thought":
            thinks = True
        elif kind == "text":
            blank = _blank(part.text)
            blanks = max(blanks, blank)
            speaks = speaks or blank < 2
            asks = asks or (part.role in ("", "user") and not blank and not is_note(part.text))
        elif kind != "mark":
            speaks = True
            asks = asks or (kind == "prompt" and bool(part.text) and not is_note(part.text))
            shows = shows or kind in MEDIA
            odd |= RUN_BY_PROVIDER if kind in HOSTED else 0
            unknown += [part.name] if kind == "unknown" else []
        marked = marked or kind not in ("result", "mark")
    roles.discard("")
    if roles:
        role = _mixed(roles, role, bool(results))
    elif role not in ROLES.values():
        speaks = True
    if (calls or thinks) and isinstance(content_of(message), str):
        blanks = 0  # beside calls a text may be empty
    speaks = speaks or role == "remove"
    unusual = blanks or late or unknown or not (speaks or thinks or calls or results)
    if unusual or role not in _ROLES or _item_id(inner):
        odd |= UNUSUAL
    return Turn(
        role=role,
        calls=tuple(calls),
        results=tuple(results),
        speaks=speaks,
        thinks=thinks,
        asks=asks and role == "user" and not results,
        beside=role == "user" and ((asks and bool(results)) or (shows and not asks)),
        blanks=blanks,
        late=late,
        dialect=_dialect(inner, parts),
        whole=bool(parts) and parts[0].whole and parts[0].kind == "result",
        marks=_marks(parts),
        odd=odd | _oddities(inner, role, parts),
        item=_item_id(inner),
        unknown=tuple(unknown),
        passages=_passages(parts),
        rules=role == "system" or "system" in roles,
    )


def _blank(text: str) -> int:
    return 2 if not text else 1 if text.isspace() else 0


def _mixed(roles: set[str], role: str, answers: bool) -> str:
    """Return the role of a Pydantic AI request, whose parts have roles of their own."""
    if roles == {"system"} and not answers:
        return "system"
    return role


def _read_item(item: Any) -> Turn:
    """Read a Responses item that is not a message."""
    part = parts_of(item, 0)[0]
    own = _item_id(item)
    odd = ODD_ID if part.kind in ("call", "result") and not _PLAIN_ID.match(part.key) else 0
    if part.settled and kind_of(item) in ("function_call", "custom_tool_call"):
        odd |= WRONG_PART  # a call without a call_id
    passages = _passages([part]) if part.kind == "result" else ()
    odd |= UNUSUAL if own or part.kind in ("thought", "unknown") else 0
    turn = Turn("assistant", dialect="responses", odd=odd, item=own, passages=passages)
    if part.kind == "call":
        return turn._replace(calls=(_typed_key(part),), speaks=False)
    if part.kind == "result":
        return turn._replace(role="tool", results=(_typed_key(part),), speaks=False, whole=True)
    if part.kind == "thought":
        return turn._replace(speaks=False, thinks=True, leads=True)
    if kind_of(item) == "item_reference" and own.startswith("rs_"):
        return turn._replace(speaks=False, thinks=True, leads=True, unknown=(part.name,))
    # Compactions, references, what the provider ran: its own, and left alone.
    return turn._replace(unknown=(part.name,) if part.kind == "unknown" else ())


def _typed_key(part: Part) -> str:
    """Return the id of a call or an output with its type: a shell's output answers no function."""
    kind = kind_of(part.value).removesuffix("_output").replace("_response", "_request")
    return part.key if kind == "function_call" else f"{part.key} ({kind})"


def _item_id(inner: Any) -> str:
    """Return the id of a Responses item; other messages' ids are no business of the provider."""
    if kind_of(inner) in ROLES or not kind_of(inner):
        return ""
    own = get(inner, "id")
    return own if isinstance(own, str) else ""


# Blocks whose type shows the provider; frameworks keep them as they are.
_TYPE_DIALECTS = {
    **dict.fromkeys(("tool_use", "tool_result", "thinking", "redacted_thinking"), "anthropic"),
    **dict.fromkeys(("server_tool_use", "mcp_tool_use", "search_result"), "anthropic"),
    **dict.fromkeys(("input_text", "output_text"), "responses"),
}
_FIELD_DIALECTS = {
    **dict.fromkeys(("functionCall", "functionResponse", "inlineData", "fileData"), "gemini"),
    **dict.fromkeys(("function_call", "function_response", "inline_data", "file_data"), "gemini"),
    **dict.fromkeys(("executableCode", "codeExecutionResult", "thoughtSignature"), "gemini"),
    **dict.fromkeys(("toolUse", "toolResult", "reasoningContent", "cachePoint"), "bedrock"),
}


def _dialect(inner: Any, parts: Sequence[Part]) -> str:
    """Return the wire format that a message is written in, as far as its shape shows it."""
    if kind_of(inner) == "message":
        return "responses"
    parted = content_field(inner) == "parts"
    for part in parts:
        block = part.value
        if isinstance(block, str):
            continue
        kind = kind_of(block)
        if kind:
            found = _TYPE_DIALECTS.get(kind) or ("anthropic" if part.kind in HOSTED else "")
            if found and not get(block, "part_kind"):
                return found
            continue
        fields = block if isinstance(block, Mapping) else getattr(block, "__dict__", {})
        for field in fields:
            if field in _FIELD_DIALECTS and fields[field] is not None:
                return _FIELD_DIALECTS[field]
        if parted and part.kind in ("text", "thought"):
            return "gemini"
        if isinstance(block, Mapping) and part.kind in ("text", *MEDIA) and not part.whole:
            return "bedrock"
    return ""


def _marks(parts: Sequence[Part]) -> int:
    """Return how many cache marks a message has, inside of results too."""
    found = 0
    for part in parts:
        if part.kind == "mark":
            found += kind_of(part.value) != "step-start"
        elif not isinstance(part.value, str):
            found += get(part.value, "cache_control") is not None
            content = get(part.value, "content") if part.kind == "result" else None
            if isinstance(content, list):
                found += sum(
                    isinstance(b, Mapping) and b.get("cache_control") is not None for b in content
                )
    return found


def _odd_result(part: Part) -> int:
    inside = inner_parts(part) if isinstance(part.body, list) else None
    return BLANK_INSIDE if any(p.kind == "text" and _blank(p.text) for p in inside or ()) else 0


def _oddities(inner: Any, role: str, parts: Sequence[Part]) -> int:
    """Return what in a message some provider may refuse."""
    odd = 0
    seen: set[tuple[str, str]] = set()
    unmarkable = False  # a cache point is not allowed here
    for part in parts:
        kind = part.kind
        if kind in ("call", "result"):
            pair = (kind, part.key)
            if part.key.startswith("function:"):
                odd |= NAMELESS
            elif pair in seen or not _PLAIN_ID.match(part.key):
                odd |= ODD_ID
            seen.add(pair)
            if kind == "result" and get(part.value, "is_error") and not part.body:
                odd |= EMPTY_ERROR
            if (kind == "call") != (role == "assistant") and not part.settled:
                odd |= WRONG_SIDE
        elif kind == "thought":
            odd |= UNSIGNED if _unsigned(part.value) else 0
            odd |= NO_DATA if not part.text and _only_signed(part.value) else 0
            odd |= MARKED_THOUGHT if get(part.value, "cache_control") is not None else 0
        elif kind == "mark":
            odd |= MARKED_THOUGHT if unmarkable else 0
        elif kind == "unknown":
            odd |= NO_DATA if part.value == {} or "beside" in part.name else 0
        elif kind == "file" and role == "user":
            odd |= UNSPOKEN_FILE if not any(p.kind == "text" for p in parts) else 0
        elif kind == "text":
            odd |= _odd_text(part, role)
        unmarkable = kind == "thought" or is_plain_document(part)
    if type(inner) is dict:
        calls = inner.get("tool_calls")
        odd |= EMPTY_CALLS if isinstance(calls, list) and not calls else 0
        field = content_field(inner) or "content"
        unread = bool(parts) and parts[0].whole and parts[0].kind == "unknown"
        if unread or field not in ("content", "parts"):
            odd |= MISNAMED
        elif not inner.get(field) and inner.get(field) != "":
            # Beside calls there need not be any: so OpenAI's own client writes them.
            odd |= 0 if any(part.kind == "call" for part in parts) else NO_CONTENT
        odd |= FOREIGN_ROLE if inner.get("role") in _FOREIGN else 0
        legacy = inner.get("role") == "function" or inner.get("function_call")
        odd |= LEGACY if legacy and field == "content" else 0
    return odd


_FOREIGN = frozenset(ROLES) - {"system", "user", "assistant", "tool", "developer", "function"}


def is_plain_document(part: Part) -> bool:
    """Return whether a part is one of Bedrock's documents other than a PDF."""
    document = get(part.value, "document") if part.kind == "file" else None
    return document is not None and get(document, "format") != "pdf"


def _odd_text(part: Part, role: str) -> int:
    odd = 0
    if not isinstance(part.value, str):
        if not part.text and get(part.value, "cache_control") is not None:
            odd |= MARKED_THOUGHT
        kind = kind_of(part.value)
        if kind in ("input_text", "output_text") and (kind == "output_text") != (
            role == "assistant"
        ):
            odd |= WRONG_PART
    return odd


def _unsigned(block: Any) -> bool:
    if not isinstance(block, Mapping):
        return False
    kind = block.get("type")
    missing = {"thinking": "signature", "redacted_thinking": "data"}.get(str(kind))
    return missing is not None and block.get(missing) is None


def _only_signed(block: Any) -> bool:
    """Return whether a Gemini part has a signature and nothing that it signs."""
    return isinstance(block, Mapping) and not kind_of(block) and not block.get("reasoningContent")


# Long texts ---------------------------------------------------------------------------------------


def texts_of(message: Any, index: int) -> Iterable[str]:
    """Yield the texts that a message says or answers, not its thoughts."""
    for part in parts_of(message, index):
        if part.kind == "text" and part.text:
            yield part.text
        elif part.kind == "result":
            for inner in inner_parts(part) or ():
                if inner.kind == "text" and inner.text:
                    yield inner.text


def _passages(parts: Sequence[Part]) -> tuple[int, ...]:
    texts: list[str] = []
    for part in parts:
        inside = [part] if part.kind != "result" else inner_parts(part) or ()
        texts += [p.text for p in inside if p.kind == "text" and len(p.text) >= REPEATED_CHARACTERS]
    return passages_in(texts) if texts else ()


def passages_in(texts: Sequence[str]) -> tuple[int, ...]:
    """Return hashes of long texts as a whole and of the long paragraphs in them, none for none."""
    found = [hash_of("\n\n".join(texts))]
    for text in texts:
        for paragraph in text.split("\n\n") if "\n\n" in text else (text,):
            stripped = paragraph.strip()
            if len(stripped) >= REPEATED_CHARACTERS:
                found.append(hash_of(stripped))
    return tuple(found)


def hash_of(text: str) -> int:
    """Return a hash of a text, seeded per process, so that nobody can make two texts collide."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), _SEED)
