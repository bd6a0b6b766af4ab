"""Recorded messages as an OpenAI-compatible address takes them, and their texts, to be edited.

Requests in OpenAI's shape are asked as they were recorded. Those of other providers become messages
of texts with the same words: calls and results of tools are written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ctxmem.auditing.segments import texts_of
from ctxmem.chat.parts import parts_of
from ctxmem.errors import InputError

Messages = list[dict[str, Any]]

_ROLES = frozenset(("system", "developer", "user", "assistant", "tool"))
_FIELDS = ("role", "content", "name", "tool_calls", "tool_call_id")
_BLOCKS = frozenset(("text", "image_url", "input_audio", "file", "refusal"))
_MEDIA = frozenset(("image", "audio", "video", "file"))
_RESULT = "Result of a tool:\n"
_SAID_AS = {"system": "system", "assistant": "assistant", "call": "assistant"}


class Text(NamedTuple):
    """One text of a request: of which message, of which block (-1: its whole content)."""

    message: int
    block: int
    role: str
    text: str


def sendable(messages: Sequence[Any]) -> tuple[Messages, bool]:
    """Return messages that can be sent, and whether they are as they were recorded.

    Raises:
        InputError: they hold an image or a file in the form of another provider.
    """
    if all(map(_is_chat, messages)):
        return [_kept(message) for message in messages], True
    made: Messages = []
    for index, message in enumerate(messages):
        if _has_media(message, index):
            raise InputError("it holds an image or a file in a form that cannot be sent on")
        for role, text in texts_of(message):
            if role == "call" and text.strip() in ("", "{}"):
                continue  # a call without arguments
            said = f"{_RESULT}{text}" if role == "tool" else text
            made.append({"role": _SAID_AS.get(role, "user"), "content": said})
    return made, False


def _is_chat(message: Any) -> bool:
    if not isinstance(message, dict) or not _is_one_of(message.get("role"), _ROLES):
        return False
    content = message.get("content")
    if isinstance(content, list):
        return all(
            isinstance(block, dict)
            and _is_one_of(block.get("type"), _BLOCKS)
            and (block["type"] != "text" or isinstance(block.get("text"), str))
            for block in content
        )
    if message["role"] == "tool" and not message.get("tool_call_id"):
        return False
    return isinstance(content, str) or bool(content is None and message.get("tool_calls"))


def _is_one_of(value: Any, known: frozenset[str]) -> bool:
    """Return whether a value is one of the known names; a damaged log may have a list there."""
    return isinstance(value, str) and value in known


def _kept(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are sent: logs add times and ids, which servers refuse."""
    return {name: message[name] for name in _FIELDS if name in message}


def _has_media(message: Any, index: int) -> bool:
    try:
        return any(part.kind in _MEDIA for part in parts_of(message, index))
    except InputError:
        return False


def texts_in(messages: Messages) -> Iterator[Text]:
    """Yield the texts of sendable messages; results of tools that were written out are a tool's."""
    for at, message in enumerate(messages):
        content = message.get("content")
        if isinstance(content, str):
            written = message["role"] == "user" and content.startswith(_RESULT)
            yield Text(at, -1, "tool" if written else message["role"], content)
        elif isinstance(content, list):
            for i, block in enumerate(content):
                if block.get("type") == "text":
                    yield Text(at, i, message["role"], block["text"])


def with_texts(messages: Messages, texts: Mapping[tuple[int, int], str]) -> Messages:
    """Return messages with other texts, by (message, block); what is left empty is left out."""
    made: Messages = []
    for at, message in enumerate(messages):
        content = message.get("content")
        if isinstance(content, str) and (at, -1) in texts:
            content = texts[at, -1]
        elif isinstance(content, list):
            content = [_block(block, texts.get((at, i))) for i, block in enumerate(content)]
            content = [block for block in content if block is not None]
        if message.get("content") and not _says(content):
            if message["role"] != "tool" and not message.get("tool_calls"):
                continue
            content = "(nothing)"  # a call without its result would be refused
        made.append({**message, "content": content} if "content" in message else message)
    return made


def _block(block: dict[str, Any], text: str | None) -> dict[str, Any] | None:
    if text is None:
        return block
    return {**block, "text": text} if text.strip() else None


def _says(content: Any) -> bool:
    return bool(content.strip()) if isinstance(content, str) else bool(content)
