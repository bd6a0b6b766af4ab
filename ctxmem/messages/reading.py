"""Read a message of any kind by its shape: who speaks, what it calls, what it answers.

OpenAI chat messages and Responses items, Anthropic messages, LangChain messages and LlamaIndex
ChatMessages differ in names only. No framework is imported, and nothing is converted: the caller's
objects are looked at and handed on.
"""

from __future__ import annotations

import copy
import json
import marshal
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import xxhash

from ctxmem.errors import InputError, InputTypeError, refuse_table

ROLES = {
    **{role: role for role in ("system", "user", "assistant", "tool")},
    "developer": "system",
    "human": "user",
    "ai": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "function": "tool",
    "HumanMessageChunk": "user",
    "AIMessageChunk": "assistant",
    "SystemMessageChunk": "system",
    "ToolMessageChunk": "tool",
    "FunctionMessageChunk": "tool",
}
"""What frameworks and providers call the four roles."""

CALL_BLOCKS = frozenset({"tool_use", "tool_call", "function_call"})
THOUGHT_BLOCKS = frozenset({"thinking", "redacted_thinking", "reasoning"})
TEXT_BLOCKS = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text"})
# Only Anthropic has blocks with these names; frameworks keep them as they are.
_ANTHROPIC_BLOCKS = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking"})

_SEED = secrets.randbits(64)
_KEPT_TURNS = 1 << 16

_EXPECTED = (
    "a dict with 'role' and 'content', a Responses item with 'type', a LangChain message or a "
    "LlamaIndex ChatMessage"
)


class Turn(NamedTuple):
    """What a message is to its neighbours.

    Attributes:
        role: system, user, assistant or tool; another name if the message has one we do not know.
        calls: ids of the tool calls that it makes and that somebody has to answer.
        results: ids of the tool calls that it answers.
        speaks: it holds something other than calls, results and thoughts.
        thinks: it holds thoughts.
        leads: a Responses reasoning item, which the provider wants together with the next item.
        hollow: a text block of it is empty.
        dialect: "anthropic" or "responses" where the shape tells, else "".
    """

    role: str
    calls: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    speaks: bool = True
    thinks: bool = False
    leads: bool = False
    hollow: bool = False
    dialect: str = ""

    @property
    def blank(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.speaks or self.thinks or self.calls or self.results)

    @property
    def answers_only(self) -> bool:
        """Whether it holds results and nothing else."""
        return bool(self.results) and not self.speaks and not self.calls


# Most messages of most histories are a role and a text; they share their turn.
_SPOKEN = {name: Turn(role) for name, role in ROLES.items() if role != "tool"}
_read_before: dict[bytes, Turn] = {}
_SILENT = {name: turn._replace(speaks=False) for name, turn in _SPOKEN.items()}


def listed(messages: Any) -> list[Any]:
    """Return the messages as a list, or raise InputTypeError for what is no series of messages."""
    if isinstance(messages, list):
        return messages
    refuse_table(messages, "messages")
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        hint = "pass its 'messages'" if isinstance(messages, Mapping) else "wrap it in a list"
        raise InputTypeError(
            f"messages is {told(messages)}; expected a list of messages, each {_EXPECTED}: {hint}"
        )
    return list(messages)


def fingerprint(message: Any) -> bytes | None:
    """Return what stands for everything in a message, None where there is no cheap one.

    Messages are mutable and histories come again with every turn, so what was read is kept by
    content: written out and hashed to 128 bits, seeded per process, in about a microsecond.
    marshal is used because it writes plain data faster than all else and refuses everything that
    is not; nothing is ever read back.
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
        data = marshal.dumps(whole, 2)
    except ValueError:
        return None
    return xxhash.xxh3_128_digest(data, _SEED)


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
    return [read_one(message, i) for i, message in enumerate(messages)]


def read_marked(message: Any, index: int) -> tuple[Turn, bytes | None]:
    """Return the turn of a message, and its fingerprint where that is worth having."""
    turn = _plain_turn(message)
    if turn is not None:
        return turn, None
    mark = fingerprint(message)
    if mark is None:
        return read_one(message, index), None
    turn = _read_before.get(mark)
    if turn is None:
        turn = read_one(message, index)
        if len(_read_before) >= _KEPT_TURNS:
            _read_before.clear()
        _read_before[mark] = turn
    return turn, mark


def _plain_turn(message: Any) -> Turn | None:
    """Return the turn of a role and a text, which most messages are, None for any other."""
    if type(message) is dict and len(message) == 2:
        content, role = message.get("content"), message.get("role")
        if type(content) is str and type(role) is str:
            return (_SPOKEN if content else _SILENT).get(role)
    return None


def read_one(message: Any, index: int) -> Turn:
    """Return the turn of one message; `index` names it in errors."""
    plain = _plain_turn(message)
    if plain is not None:
        return plain
    role = role_of(message, index)
    if role is None:
        return _read_item(message)
    calls = [call_key(call) for call in calls_of(message)]
    named = set(calls)
    results: dict[str, None] = {}
    answered = result_key(message, role)
    if answered is not None:
        results[answered] = None
    speaks = thinks = hollow = False
    dialect = ""
    whole = isinstance(content_of(message), str)
    for block in blocks_of(message, index):
        kind = kind_of(block)
        if kind in CALL_BLOCKS:
            # Frameworks name a call twice: in the provider's block and in their own list.
            key = call_key(block)
            calls += [] if key in named else [key]
        elif kind == "tool_result":
            results[str(get(block, "tool_use_id") or "")] = None
        elif kind in THOUGHT_BLOCKS:
            thinks = True
        elif _is_empty_text(block, kind):
            hollow = hollow or not whole
        elif answered is None:
            speaks = True
        if kind in _ANTHROPIC_BLOCKS:
            dialect = "anthropic"
    if not speaks and role != "tool":
        speaks = any(get(message, name) for name in ("refusal", "audio")) or role not in ROLES
        thinks = thinks or bool(get(message, "reasoning_content"))
    return Turn(
        role=ROLES.get(role, role),
        calls=tuple(calls),
        results=tuple(results),
        speaks=speaks,
        thinks=thinks,
        hollow=hollow,
        dialect=dialect,
    )


def _read_item(item: Any) -> Turn:
    """Read a Responses item that is not a message."""
    kind = kind_of(item)
    call = get(item, "call_id")
    if kind == "mcp_approval_request":
        return Turn("assistant", (str(get(item, "id")),), (), False, dialect="responses")
    if kind == "mcp_approval_response":
        asked = str(get(item, "approval_request_id"))
        return Turn("tool", (), (asked,), False, dialect="responses")
    if isinstance(call, str) and kind.endswith("_call"):
        return Turn("assistant", (call,), (), False, dialect="responses")
    if isinstance(call, str) and kind.endswith("_output"):
        return Turn("tool", (), (call,), False, dialect="responses")
    if kind == "reasoning":
        return Turn("assistant", (), (), False, True, True, dialect="responses")
    return Turn("assistant", dialect="responses")  # compaction, searches: theirs, left alone


def role_of(message: Any, index: int) -> str | None:
    """Return the role as it stands in the message, None if it is a Responses item without one."""
    if isinstance(message, str):
        return "user"
    if isinstance(message, tuple) and len(message) == 2 and isinstance(message[0], str):
        return message[0]
    role = get(message, "role")
    role = getattr(role, "value", role)
    if role is None:
        kind = get(message, "type")
        if isinstance(kind, str):
            # LangChain's messages have a type for a role, whatever it is; items have not.
            known = kind in ROLES or hasattr(message, "additional_kwargs")
            return kind if known else None
    if not isinstance(role, str):
        given = f"has the role {told(role)}" if role is not None else f"is {told(message)}"
        raise InputTypeError(f"message {index} {given}; expected {_EXPECTED}")
    return role


def blocks_of(message: Any, index: int) -> Iterator[Any]:
    """Yield the blocks of the content: str, dict or a framework's block object."""
    content = content_of(message)
    if isinstance(content, str):
        yield content
        return
    if content is None:
        return
    if isinstance(content, Mapping) or not isinstance(content, Iterable):
        raise InputTypeError(
            f"message {index} has the content {told(content)}; expected a str, a list of blocks "
            "or None"
        )
    for block in content:
        if not isinstance(block, str | Mapping) and not kind_of(block):
            raise InputTypeError(
                f"message {index} has the block {told(block)}; expected a str, a dict with 'type' "
                "or a framework's block"
            )
        yield block


def content_of(message: Any) -> Any:
    """Return what a message holds as content: a str, blocks or None."""
    if isinstance(message, str):
        return message
    if isinstance(message, tuple):
        return message[1]
    if isinstance(message, Mapping):
        return message.get("content")
    # Asking a pydantic object for a field that it has not takes it microseconds.
    fields = getattr(message, "__dict__", None) or {}
    for name in ("blocks", "content"):
        if name in fields:
            return fields[name]
    return getattr(message, "content", None)


def calls_of(message: Any) -> list[Any]:
    """Return the tool calls that stand beside the content, each once."""
    if isinstance(message, str | tuple):
        return []
    calls = get(message, "tool_calls")
    if not calls:
        extra = get(message, "additional_kwargs")
        calls = get(extra, "tool_calls") if extra else None
    found = list(calls) if isinstance(calls, list | tuple) else []
    found += get(message, "invalid_tool_calls") or []
    legacy = get(message, "function_call")
    if legacy:
        found.append({"type": "legacy", "function": legacy})
    return found


def call_key(call: Any) -> str:
    """Return what a result names to answer a call: its id, or the function where there is none."""
    key = get(call, "call_id") or get(call, "tool_call_id") or get(call, "id")
    return key if isinstance(key, str) else f"function:{call_name(call)}"


def call_name(call: Any) -> str:
    """Return the name of the function that is called."""
    inner = get(call, "function") or get(call, "custom") or call
    return str(get(inner, "name") or get(inner, "tool_name") or "")


def result_key(message: Any, role: str) -> str | None:
    """Return the call that a whole message answers, None if it is not a tool's answer."""
    if isinstance(message, str | tuple):
        return None
    key = get(message, "tool_call_id")
    if key is None:
        extra = get(message, "additional_kwargs")
        key = get(extra, "tool_call_id") if extra else None
    if ROLES.get(role) != "tool":
        return None
    if isinstance(key, str):
        return key
    return f"function:{get(message, 'name') or get(message, 'tool_name') or ''}"


def kind_of(block: Any) -> str:
    """Return the type of a block or an item, "" if it has none."""
    if isinstance(block, str):
        return "text"
    kind = get(block, "type")
    if kind is None:
        kind = get(block, "block_type")
    return kind if isinstance(kind, str) else ""


def _is_empty_text(block: Any, kind: str) -> bool:
    if kind not in TEXT_BLOCKS:
        return False
    return not (block if isinstance(block, str) else get(block, "text"))


def get(value: Any, name: str) -> Any:
    """Return a field of a dict or an attribute of an object, None if it has none."""
    if type(value) is dict or isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def told(value: object) -> str:
    """Return a value as an error message shows it."""
    shown = repr(value)
    return f"{shown if len(shown) <= 60 else shown[:57] + '...'} ({type(value).__name__})"


def as_json(value: Any, index: int) -> str:
    """Return a value as JSON text, objects by their own dump.

    Raises:
        InputError: it contains itself, is nested too deeply, or has keys JSON does not know.
    """
    try:
        return json.dumps(value, ensure_ascii=False, default=_dump)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"message {index} holds a value that cannot be written as JSON ({error}); providers "
            "take nothing else: pass plain dicts, lists, strings and numbers"
        ) from None


def _dump(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump()
    return value.hex() if isinstance(value, bytes) else repr(value)


# Changing -----------------------------------------------------------------------------------------


def with_fields(message: Any, **fields: Any) -> Any:
    """Return a copy of a message with some fields changed; a field of None is taken out."""
    if isinstance(message, tuple):
        return (message[0], fields.get("content", message[1]))
    if isinstance(message, str):
        return fields.get("content", message)
    if isinstance(message, Mapping):
        changed = {**message, **fields}
        return {name: changed[name] for name in changed if fields.get(name, "") is not None}
    if hasattr(message, "additional_kwargs"):
        # LangChain's lists are empty where OpenAI's objects have None.
        fields = {name: [] if new is None else new for name, new in fields.items()}
    clone = getattr(message, "model_copy", None)
    if callable(clone):
        return clone(update=fields)
    shallow = copy.copy(message)
    for name, new in fields.items():
        setattr(shallow, name, new)
    return shallow


def with_content(message: Any, content: Any) -> Any:
    """Return a copy of a message with other content, in the field where this one keeps it."""
    blocks = getattr(message, "blocks", None)
    if not isinstance(message, Mapping) and isinstance(blocks, list):
        if isinstance(content, str):
            text = next(block for block in blocks if kind_of(block) in TEXT_BLOCKS)
            content = [with_fields(text, text=content)]
        return with_fields(message, blocks=content)
    return with_fields(message, content=content)


def keep_blocks(message: Any, keep: Callable[[Any], bool]) -> Any:
    """Return a copy of a message with only some of its blocks, each as it was."""
    content = content_of(message)
    if isinstance(content, str) or content is None:
        return message
    kept = [block for block in content if keep(block)]
    return message if len(kept) == len(content) else with_content(message, kept)


def without_calls(message: Any, keys: set[str]) -> Any:
    """Return a copy of a message that does not make these calls, wherever it names them."""
    message = keep_blocks(
        message, lambda block: kind_of(block) not in CALL_BLOCKS or call_key(block) not in keys
    )
    fields: dict[str, Any] = {}
    for name in ("tool_calls", "invalid_tool_calls"):
        calls = get(message, name)
        if isinstance(calls, list) and calls:
            fields[name] = [call for call in calls if call_key(call) not in keys] or None
    legacy = get(message, "function_call")
    if legacy and call_key({"function": legacy}) in keys:
        fields["function_call"] = None
    extra = get(message, "additional_kwargs")
    if isinstance(extra, Mapping) and extra.get("tool_calls"):
        left = [call for call in extra["tool_calls"] if call_key(call) not in keys]
        fields["additional_kwargs"] = with_fields(extra, tool_calls=left or None)
    return with_fields(message, **fields) if fields else message
