"""What messages say, as blocks: texts, calls and results, each with what it names.

A block is what is compared from window to window. Two blocks of the same text are the same content,
wherever they are and whatever ids their messages have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ctxmem.auditing.forgetting.names import names_in
from ctxmem.auditing.segments import key_of
from ctxmem.chat.notes import is_note
from ctxmem.chat.parts import Part, inner_parts, parts_of, ui_output
from ctxmem.chat.shapes import ROLES, role_of
from ctxmem.errors import InputError
from ctxmem.memory.critical_tokens import stems

_REMINDER = re.compile(r"\s*<system-reminder>.*?</system-reminder>\s*", re.DOTALL)
_LINE_END = re.compile(r"[ \t\r]+$", re.MULTILINE)
_LONGEST = 20_000  # characters of a text whose words are compared
_TYPED = 1500  # characters of a message that a person types
_SHORT = 200  # characters of a message that is typed whatever it consists of
_PASTED = 12  # identifiers of one; a text with more is pasted
_REMINDS = re.compile(r"\s*reminder\s*:", re.IGNORECASE)
"""How a person may begin, too; what a program says so it says over and over."""
_OUTPUT = re.compile(
    r"\s*(?:[{\[<]|observation\b|output\b|exit code|traceback|```|\$ )", re.IGNORECASE
)
_DEEPEST = 8


class Block:
    """One thing that a message says.

    Attributes:
        kind: text, call or result.
        role: system, user, assistant or tool.
        text: the text, or what the call or the result says as text.
        key: the id of the call, "" of a text.
        name: the tool of a call.
        body: the arguments of a call, as a dict where they are one.
        content: hash of the text without reminders and outer white space.
    """

    def __init__(
        self, kind: str, role: str, text: str, key: str = "", name: str = "", body: Any = None
    ) -> None:
        self.kind, self.role, self.key, self.name, self.body = kind, role, key, name, body
        if "<system-reminder>" in text:
            text = _REMINDER.sub("\n", text)
        self.text = _LINE_END.sub("", text).strip("\n")
        self.content = key_of(self.text.strip())

    @cached_property
    def low(self) -> str:
        """Its text in lower case."""
        return self.text.lower()

    @cached_property
    def names(self) -> frozenset[str]:
        """The identifiers in it, in lower case."""
        return frozenset(name.lower() for name in names_in(self.text))

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of its content words."""
        return frozenset(stems(self.text[:_LONGEST]))

    @property
    def spoken(self) -> bool:
        """Whether a person or the model says it, in words."""
        if self.kind != "text":
            return False
        reminds = _REMINDS.match(self.text) and len(self.text) <= _SHORT
        return bool(reminds) or not is_note(self.text)

    @cached_property
    def typed(self) -> bool:
        """Whether a person may have typed it: no output, no document, no data in a user's name."""
        if self.role != "user" or not self.spoken or not 0 < len(self.text) <= _TYPED:
            return False
        if _OUTPUT.match(self.text) or len(self.names) > _PASTED:
            return False
        if len(self.text) < _SHORT:
            return True
        plain = sum(map(str.isalpha, self.text)) + self.text.count(" ")
        return plain >= 0.55 * len(self.text)


class Entry:
    """A message of a window: its role, its blocks, and by what it is found again."""

    __slots__ = ("blocks", "message", "role", "sign", "summary", "text", "time")

    def __init__(self, message: Any) -> None:
        self.message = message
        self.summary = False
        self.time: float | None = None  # seconds since 1970, of the call that was first sent it
        self.role, self.blocks = _read(message)
        self.text = "\n".join(block.text for block in self.blocks)
        self.sign = _sign(self.role, self.blocks)

    @property
    def content(self) -> tuple[int, ...]:
        """Hashes of all that it says."""
        return tuple(block.content for block in self.blocks)

    @property
    def spoken(self) -> str:
        """What a person or the model says in it."""
        return "\n".join(block.text for block in self.blocks if block.spoken and block.text)


def _sign(role: str, blocks: list[Block]) -> tuple[Any, ...]:
    """Return what a message is found again by: the ids of its calls, else its text."""
    keys = tuple(b.key for b in blocks if b.key and not b.key.startswith("function:"))
    if keys:
        return (role, *keys)
    return (role, *(block.content for block in blocks))


def _read(message: Any) -> tuple[str, list[Block]]:
    try:
        role = role_of(message, 0) or ""
        parts = parts_of(message, 0)
    except InputError:
        return "", []
    role = ROLES.get(role, role)
    blocks: list[Block] = []
    for part in parts:
        blocks += _blocks(part, part.role or role)
    role = role or (blocks[0].role if blocks else "")
    if role == "user" and blocks and all(block.kind == "result" for block in blocks):
        role = "tool"
    return role, blocks


def _blocks(part: Part, role: str) -> list[Block]:
    if part.kind in ("text", "prompt", "refusal"):
        return [Block("text", role or "user", part.text)] if part.text.strip() else []
    if part.kind in ("call", "hosted_call"):
        body = arguments_of(part.body)
        made = [Block("call", "assistant", written(body), part.key, part.name, body)]
        output = ui_output(part) if part.settled and not part.whole else None
        if output is not None:
            made.append(Block("result", "tool", written(output), part.key))
        return made
    if part.kind in ("result", "hosted_result"):
        return [Block("result", "tool", _result(part, 0), part.key)]
    return []


def _result(part: Part, depth: int) -> str:
    inside = inner_parts(part)
    if inside is None:
        return written(part.body)
    texts = []
    for one in inside:
        if one.text:
            texts.append(one.text)
        elif one.kind in ("result", "hosted_result") and depth < _DEEPEST:
            texts.append(_result(one, depth + 1))
        elif one.kind not in ("text", "mark"):
            texts.append(written(one.value))  # an image or the like: the same if its data are
    return "\n".join(texts)


def arguments_of(body: Any) -> Any:
    """Return the arguments of a call as a dict, if they are one or a text of one."""
    if isinstance(body, str):
        try:
            read = json.loads(body)
        except (ValueError, RecursionError):
            return body
        return read if isinstance(read, dict) else body
    return dict(body) if isinstance(body, Mapping) else body


def written(value: Any) -> str:
    """Return a value as text, dicts with their keys in order."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return str(value)
