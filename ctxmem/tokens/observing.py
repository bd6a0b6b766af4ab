"""What was sent to a model, and the input tokens that its provider reported, read and checked."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ctxmem.errors import InputError, InputTypeError, a_type

if TYPE_CHECKING:  # at run time it would cost the first count as much as the vocabulary
    from ctxmem.protocols import Counter

_SETS_OF_MESSAGES = ("messages", "contents", "input")
_BESIDE = ("system", "instructions", "systemInstruction", "system_instruction", "prompt")
_DECLARED = ("tools", "functions", "toolConfig", "tool_config", "response_format")
# Fields of messages that are texts or hold texts; all others are ids, types and settings.
_TEXTS = (
    *("content", "text", "parts", "thinking", "reasoning_content", "refusal", "output", "name"),
    *("arguments", "input", "args", "response", "tool_calls", "function", "function_call"),
    *("functionCall", "functionResponse", "toolUse", "toolResult", "json", "result", "toolName"),
)
_JSON = ("arguments", "input", "args", "response", "json")
_MEDIA = ("image", "audio", "video", "document", "file", "inline")
_MEDIA_FIELDS = ("inlineData", "inline_data", "fileData", "file_data", "image_url", "image")
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Request:
    """The texts that were sent, and how many requests (one, or none for a text) and messages."""

    texts: list[str]
    requests: int
    messages: int


def read_request(sent: object) -> Request:
    """Return the texts of what was sent: a text, texts, messages, or a whole request as a dict.

    Messages are dicts of any provider, or objects with `content`. Roles are not read: they are part
    of what each message costs.

    Raises:
        InputTypeError: it is none of these.
        InputError: it has nothing to count, or holds media, whose tokens are not those of a text.
    """
    if isinstance(sent, str):
        made = Request([sent], 0, 0)
    elif isinstance(sent, Mapping):
        made = _read_body(sent)
    elif isinstance(sent, Sequence) and not isinstance(sent, (bytes, bytearray)):
        if all(isinstance(one, str) for one in sent):
            made = Request(list(sent), 0, 0)
        else:
            made = Request([t for one in sent for t in _texts_of(one, 0)], 1, len(sent))
    else:
        raise InputTypeError(
            f"{type(sent).__name__} was observed; give a text, a list of texts or messages, or the "
            "request as a dict"
        )
    if not any(made.texts):
        raise InputError("what was observed has no text; give what was sent to the model")
    return made


def checked_tokens(tokens: object) -> int:
    """Return the tokens that a provider reported.

    Raises:
        InputTypeError: they are not an int.
        InputError: they are not above zero.
    """
    wrong = f"tokens are {tokens!r}; give the input tokens of the response's usage, an int above 0"
    if isinstance(tokens, (bool, np.bool_)):
        raise InputTypeError(wrong)
    try:
        count = operator.index(tokens)  # type: ignore[arg-type]
    except TypeError:
        raise InputTypeError(wrong) from None
    if not 0 < count < 1 << 40:
        raise InputError(wrong)
    return count


def reported_above(counter: Counter, sent: object, tokens: object) -> int:
    """Return how many more tokens were reported for what was sent than its texts have.

    Raises:
        InputError: what `read_request` and `checked_tokens` raise.
    """
    request = read_request(sent)
    return checked_tokens(tokens) - sum(counter.count_many(request.texts))


def _read_body(body: Mapping[str, Any]) -> Request:
    name = next((name for name in _SETS_OF_MESSAGES if body.get(name)), None)
    if name is None:
        raise InputTypeError(
            f"a dict with {', '.join(map(str, list(body)[:6])) or 'nothing'} was observed; "
            "expected a request with messages, contents or input; a single message goes into a list"
        )
    messages = body[name]
    if isinstance(messages, str):
        messages = [messages]
    if not isinstance(messages, Sequence) or isinstance(messages, (bytes, bytearray)):
        raise InputTypeError(f"{name} of a request is {a_type(messages)}, not a list")
    texts = [t for one in messages for t in _texts_of(one, 0)]
    beside = [t for name in _BESIDE for t in _texts_of(body.get(name), 0)]
    declared = [_as_json(body[name]) for name in _DECLARED if body.get(name)]
    return Request([*texts, *beside, *declared], 1, len(messages) + bool(beside))


def _texts_of(value: object, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise InputError(f"a message is nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, (bool, int, float)):
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts_of_block(value, depth)
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        for one in value:
            yield from _texts_of(one, depth + 1)
    else:
        found = {name: getattr(value, name, None) for name in ("content", "parts", "tool_calls")}
        if not any(found.values()) and not hasattr(value, "content"):
            raise InputTypeError(
                f"a message is {a_type(value)}; expected a dict or an object with content"
            )
        yield from _texts_of_block(found, depth)


def _texts_of_block(block: Mapping[str, Any], depth: int) -> Iterator[str]:
    kind = str(block.get("type") or "")
    media = any(word in kind.lower() for word in _MEDIA) or any(
        block.get(name) for name in _MEDIA_FIELDS
    )
    if media:
        raise InputError(
            "what was observed holds an image or another medium, whose tokens are not those of a "
            "text; observe requests of text only"
        )
    for name in _TEXTS:
        value = block.get(name)
        if name in _JSON and isinstance(value, (Mapping, list)):
            yield _as_json(value)
        elif value is not None:
            yield from _texts_of(value, depth + 1)


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"part of a request cannot be written as JSON: {error}") from None
