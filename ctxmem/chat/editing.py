"""Change a message as little as possible: leave parts out, put parts in, write parts otherwise.

Every function returns a copy of what it changes and hands all else on: the caller's message is
never written to, and parts that stay are the same objects.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ctxmem.chat.parts import Part
from ctxmem.chat.shapes import content_field, get, inner_of, kind_of, rewrapped

_TEXT_FIELDS = ("text", "content", "value")
_ID_FIELDS = ("call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "id")


def with_fields(message: Any, **fields: Any) -> Any:
    """Return a copy of a message or a block with some fields changed; one of None is taken out."""
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
        object.__setattr__(shallow, name, new)
    return shallow


def edited(message: Any, **fields: Any) -> Any:
    """Return a copy of a message, wrapped or not, with some fields changed."""
    inner = inner_of(message)
    if inner is message:
        return with_fields(message, **fields)
    return rewrapped(message, with_fields(inner, **fields))


def content_list(message: Any) -> list[Any]:
    """Return the blocks of a message's content; a str is one block."""
    if isinstance(message, str):
        return [message]
    inner = inner_of(message)
    content = inner[1] if isinstance(inner, tuple) else get(inner, content_field(inner) or "")
    if content is None:
        return []
    return list(content) if isinstance(content, list | tuple) else [content]


def with_content(message: Any, content: Any) -> Any:
    """Return a copy of a message with other content, in the field where this one keeps it."""
    inner = inner_of(message)
    if isinstance(inner, str | tuple):
        return with_fields(inner, content=content)
    field = content_field(inner) or "content"
    if isinstance(content, str) and field in ("parts", "blocks"):
        # These contents are lists of blocks: the first text of it carries the new one.
        blocks = content_list(message)
        text = next(block for block in blocks if isinstance(get(block, "text"), str))
        content = [with_fields(text, text=content)]
    return edited(message, **{field: content})


def without_parts(message: Any, parts: Iterable[Part]) -> Any | None:
    """Return a copy of a message without some of its parts, wherever it names them.

    None if a part is the whole message.
    """
    gone: dict[str, set[int]] = {}
    for part in parts:
        if part.whole:
            return None
        for field, at in part.places:
            gone.setdefault(field, set()).add(at)
    inner = inner_of(message)
    fields: dict[str, Any] = {}
    for field, places in gone.items():
        if field.startswith("additional_kwargs."):
            _without_extra(inner, field.partition(".")[2], places, fields)
            continue
        value = get(inner, field)
        if isinstance(value, list | tuple):
            left: Any = [one for i, one in enumerate(value) if i not in places]
            if field == content_field(inner):
                fields[field] = left
            else:
                fields[field] = left or None
        else:
            # A text as content is one block, a call or a refusal beside it one value.
            fields[field] = None if field != "content" or get(inner, "tool_calls") else ""
    if isinstance(inner, dict) and fields.get("content", 0) is None:
        return _with_null(message, inner, fields)
    return edited(message, **fields)


def _with_null(message: Any, inner: dict[str, Any], fields: dict[str, Any]) -> Any:
    rest = {name: new for name, new in fields.items() if name != "content"}
    made = {**with_fields(inner, **rest), "content": None}
    return made if inner is message else rewrapped(message, made)


def _without_extra(inner: Any, name: str, places: set[int], fields: dict[str, Any]) -> None:
    extra = fields.get("additional_kwargs", get(inner, "additional_kwargs"))
    value = extra[name]
    left = (
        [one for i, one in enumerate(value) if i not in places] if isinstance(value, list) else None
    )
    fields["additional_kwargs"] = with_fields(extra, **{name: left or None})


def replaced(message: Any, changes: Iterable[tuple[Part, Any]]) -> Any:
    """Return a copy of a message with other values in the first places of some parts."""
    inner = inner_of(message)
    lists: dict[str, list[Any]] = {}
    fields: dict[str, Any] = {}
    for part, value in changes:
        if part.whole:
            return value if inner is message else rewrapped(message, value)
        field, at = part.places[0]
        held = get(inner, field)
        if isinstance(held, list | tuple):
            lists.setdefault(field, list(held))[at] = value
        else:
            fields[field] = value
    return edited(message, **fields, **lists)


def with_text(block: Any, text: str) -> Any:
    """Return a copy of a text block with another text."""
    if isinstance(block, str):
        return text
    for field in _TEXT_FIELDS:
        if isinstance(get(block, field), str):
            return with_fields(block, **{field: text})
    return block


def with_id(part: Part, message: Any, key: str) -> Any:
    """Return a copy of a message in which a call or a result has another id, wherever named."""
    inner = inner_of(message)
    if part.whole:
        return edited(message, **_renamed_fields(inner, part.key, key))
    fields: dict[str, Any] = {}
    for field, at in part.places:
        name, _, rest = field.partition(".")
        if rest:
            extra = fields.get(name, get(inner, name))
            fields[name] = with_fields(extra, **{rest: _at(extra[rest], at, part.key, key)})
        else:
            held = fields.get(field, get(inner, field))
            fields[field] = _at(held, at, part.key, key)
    return edited(message, **fields)


def _at(held: Any, at: int, old: str, new: str) -> list[Any]:
    made = list(held)
    made[at] = renamed(made[at], old, new)
    return made


def renamed(block: Any, old: str, new: str) -> Any:
    """Return a copy of a call or result block with another id, in whatever field it has it."""
    for name in ("toolUse", "toolResult"):
        inner = get(block, name)
        if isinstance(inner, Mapping):
            return with_fields(block, **{name: with_fields(inner, toolUseId=new)})
    fields = _renamed_fields(block, old, new)
    if fields:
        return with_fields(block, **fields)
    for name in ("functionCall", "functionResponse", "function_call", "function_response"):
        inner = get(block, name)
        if inner is not None:
            fields = _renamed_fields(inner, old, new)
            return with_fields(block, **{name: with_fields(inner, **fields)})
    return block


_NEW_IDS = {"tool_use": "id", "tool_result": "tool_use_id"}


def _renamed_fields(block: Any, old: str, new: str) -> dict[str, Any]:
    if old.startswith("function:"):  # there is no id so far
        field = _NEW_IDS.get(kind_of(block))
        return {field: new} if field else {}
    for field in _ID_FIELDS:
        if get(block, field) == old:
            return {field: new}
    extra = get(block, "additional_kwargs")
    if extra and get(extra, "tool_call_id") == old:
        return {"additional_kwargs": with_fields(extra, tool_call_id=new)}
    return {}


def merged(first: Any, *others: Any) -> Any:
    """Return a copy of a message with the blocks of others behind its own, and their calls."""
    as_block = _as_block(first)
    blocks = [as_block(block) for one in (first, *others) for block in content_list(one)]
    joined = with_content(first, blocks)
    lists = [get(inner_of(one), "tool_calls") for one in (first, *others)]
    if any(isinstance(calls, list) and calls for calls in lists[1:]):
        calls = [call for held in lists if isinstance(held, list) for call in held]
        joined = edited(joined, tool_calls=calls)
    return joined


def _as_block(message: Any) -> Callable[[Any], Any]:
    """Return what makes a text a block as the content of this message takes it."""
    inner = inner_of(message)
    if not isinstance(inner, Mapping):
        return lambda block: block
    blocks = [block for block in content_list(message) if not isinstance(block, str)]
    typed = any(kind_of(block) for block in blocks)
    untyped = not typed and ("parts" in inner or any(isinstance(b, Mapping) for b in blocks))
    around = {} if untyped else {"type": "text"}
    return lambda block: {**around, "text": block} if isinstance(block, str) else block


def with_result_texts(part: Part, rewrite: Callable[[str], str | None]) -> Any:
    """Return the value of a result with its texts rewritten, itself if none was.

    `rewrite` returns None to leave a text. Images and blocks we do not know stay beside the texts.
    """
    value = part.value
    for name in ("functionResponse", "function_response"):
        response = get(get(value, name), "response")
        if isinstance(response, Mapping):
            new = _with_values(response, rewrite)
            return value if new is None else _with_path(value, (name, "response"), new)
    for path in _content_paths(part):
        held = value
        for name in path:
            held = get(held, name)
        new = _rewritten(held, rewrite)
        return value if new is None else _with_path(value, path, new)
    return value


def _with_values(
    response: Mapping[str, Any], rewrite: Callable[[str], str | None]
) -> dict[str, Any] | None:
    """Return Gemini's object of a result with the texts that are its values rewritten."""
    texts = {name: rewrite(text) for name, text in response.items() if isinstance(text, str)}
    changed = {name: text for name, text in texts.items() if text is not None}
    return {**response, **changed} if changed else None


def _content_paths(part: Part) -> Iterable[tuple[str, ...]]:
    value = part.value
    for path in (
        ("toolResult", "content"),
        ("blocks",),
        ("content",),
        ("output", "value"),
        ("output",),
        ("result",),
    ):
        held = value
        for name in path:
            held = get(held, name) if held is not None else None
        if isinstance(held, str | list):
            yield path


def _rewritten(held: Any, rewrite: Callable[[str], str | None]) -> Any | None:
    if isinstance(held, str):
        return rewrite(held)
    texts = [block if isinstance(block, str) else get(block, "text") for block in held]
    new = [rewrite(text) if isinstance(text, str) else None for text in texts]
    if all(text is None for text in new):
        return None
    return [
        block if text is None else with_text(block, text)
        for block, text in zip(held, new, strict=True)
    ]


def _with_path(value: Any, path: Sequence[str], new: Any) -> Any:
    if len(path) == 1:
        return with_fields(value, **{path[0]: new})
    return with_fields(value, **{path[0]: _with_path(get(value, path[0]), path[1:], new)})
