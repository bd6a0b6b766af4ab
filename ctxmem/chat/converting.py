"""Write messages of one provider's format in that of another.

A history may come from another provider than the one that is asked next. What a message says,
shows, calls and answers is read by `parts_of` and written anew; a message that has the format is
handed on as it is. Thoughts are signed for the provider that made them, and are left out. What a
format has no place for (sound for Anthropic, a file that another provider keeps) becomes a note.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ctxmem.chat.parts import MEDIA, Part, block_part, inner_parts, parts_of
from ctxmem.chat.shapes import ROLES, first_of, get, kind_of

FORMATS = ("openai", "responses", "anthropic")

_BLOCKS = {
    "openai": frozenset(("text", "image_url", "input_audio", "file", "refusal")),
    "anthropic": frozenset(
        "text image document tool_use tool_result thinking redacted_thinking server_tool_use "
        "search_result container_upload mcp_tool_use".split()
    ),
    "responses": frozenset(
        ("input_text", "input_image", "input_file", "output_text", "refusal", "summary_text")
    ),
}
"""Types of blocks that the messages of a format hold."""
_OF_CHAT = frozenset(
    "parts tool_calls tool_call_id function_call refusal audio annotations name "
    "reasoning_content additional_kwargs".split()
)
_OF_ANTHROPIC = frozenset(("role", "content"))
_LONGEST = 2_000  # characters of a block of no known kind


class Converted(NamedTuple):
    """Messages in one format, and the place of the message that each was made of."""

    messages: list[Any]
    origin: list[int]


class _Said(NamedTuple):
    """What one message says, in the order in which it does: blocks, calls and results."""

    role: str
    parts: list[Part]


def converted(messages: Sequence[Any], provider: str) -> Converted:
    """Return messages in a provider's format; those that have it are the same objects.

    Objects of frameworks are handed on too: their framework converts them. Ids of calls are kept.
    Results that answer one message stay together where the format wants that.

    >>> call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    >>> chat = [{"role": "assistant", "content": None, "tool_calls": [call]},
    ...         {"role": "tool", "tool_call_id": "c1", "content": "noon"}]
    >>> for message in converted(chat, "anthropic").messages:
    ...     print(message["role"], message["content"][0]["type"])
    assistant tool_use
    user tool_result
    """
    foreign = [_is_foreign(message, provider) for message in messages]
    if not any(foreign):
        return Converted(list(messages), list(range(len(messages))))
    made: list[Any] = []
    origin: list[int] = []
    write = _WRITERS[provider]
    ids = _Ids()
    own = False  # whether the last message was joined of several
    for i, message in enumerate(messages):
        new = [message] if not foreign[i] else write(_read(message, i, ids))
        item = foreign[i] and get(message, "role") is None
        for one in new:
            joined = (
                _joined_turn(made[-1], one, provider, item=item, own=own)
                if foreign[i] and made
                else None
            )
            own = joined is not None
            if joined is not None:
                made[-1] = joined
            else:
                made.append(one)
                origin.append(i)
    return Converted(made, origin)


def _is_foreign(message: Any, provider: str) -> bool:
    """Return whether a message is a dict of another format."""
    if not isinstance(message, Mapping):
        return False
    role, kind = message.get("role"), message.get("type")
    if role is None:
        # An item of Responses; dicts that frameworks write have other types.
        return provider != "responses" and isinstance(kind, str) and _is_item(kind)
    if provider != "openai" and role in ("tool", "function"):
        return True
    if provider == "anthropic" and role == "developer":
        return True
    if provider != "responses" and kind == "message":
        return True
    fields = message.keys()
    if provider == "anthropic" and not fields <= _OF_ANTHROPIC:
        return True
    if (provider == "responses" and fields & _OF_CHAT) or "parts" in fields:
        return True
    content = message.get("content")
    if not isinstance(content, list | tuple):
        return False
    known = _BLOCKS[provider]
    for block in content:
        if isinstance(block, str):
            continue
        of = block.get("type") if isinstance(block, Mapping) else None
        of = of if isinstance(of, str) else None
        if of in known or (of is None and not isinstance(block, Mapping)):
            continue
        if of is None or any(of in others for others in _BLOCKS.values()):
            return True
    return False


def _is_item(kind: str) -> bool:
    return kind.endswith(("_call", "_output", "_list_tools")) or kind == "reasoning"


# Reading ------------------------------------------------------------------------------------------


class _Ids:
    """Ids for calls that have none: Gemini's are answered in their order, by the name."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[str]] = {}
        self._count = 0

    def of(self, part: Part) -> str:
        """Return the id of a call, or of the call that a result answers."""
        if not part.key.startswith("function:"):
            return part.key
        waiting = self._waiting.setdefault(part.key, [])
        if part.kind == "result" and waiting:
            return waiting.pop(0)
        self._count += 1
        made = f"call_{self._count}"
        if part.kind == "call":
            waiting.append(made)
        return made


def _read(message: Any, index: int, ids: _Ids) -> _Said:
    parts = []
    for part in parts_of(message, index):
        if part.kind in ("call", "result"):
            parts.append(part._replace(key=ids.of(part)))
        elif part.kind not in ("thought", "mark"):
            parts.append(part)
    role = message.get("role")
    if role is None:
        kinds = {part.kind for part in parts}
        role = "tool" if kinds == {"result"} else "assistant"
    role = ROLES.get(str(role), str(role))
    if role == "tool" and not any(part.kind == "result" for part in parts):
        role = "user"
    return _Said(role, parts)


def _arguments(body: Any) -> str:
    """Return the arguments of a call as JSON; what was no JSON stays as it was written."""
    if isinstance(body, str):
        return body or "{}"
    return json.dumps({} if body is None else body, ensure_ascii=False, default=str)


def _input(body: Any) -> dict[str, Any]:
    """Return the arguments of a call as a dict; what is none is the argument `arguments`."""
    if isinstance(body, str):
        try:
            body = json.loads(body or "{}")
        except (ValueError, RecursionError):
            return {"arguments": body}
    if isinstance(body, Mapping):
        return dict(body)
    return {} if body is None else {"arguments": body}


def _note(part: Part) -> str:
    """Return what is said in place of a part that a format has no place for."""
    if part.kind in MEDIA:
        name = first_of(part.value, "title", "filename") or get(get(part.value, "file"), "filename")
        return f"[{part.kind}{f' {name}' if isinstance(name, str) else ''} that was shown]"
    if part.kind in ("hosted_call", "hosted_result"):
        return f"[{part.name or 'a tool'} of the provider was used]"
    if part.text:
        return part.text
    if isinstance(part.body, str):
        return part.body
    value = part.value if isinstance(part.value, str) else _dumped(part.value)
    return value[:_LONGEST]


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return f"[{type(value).__name__}]"


# Media --------------------------------------------------------------------------------------------


class _Data(NamedTuple):
    """Where an image or a file is: an address, data in base64, or a text."""

    url: str = ""
    mime: str = ""
    data: str = ""
    text: str = ""
    name: str = ""

    @property
    def address(self) -> str:
        """The address, or the data as one."""
        return self.url or f"data:{self.mime};base64,{self.data}"


def _data_of(part: Part) -> _Data | None:
    """Return where an image or a file is; None where only its provider has it."""
    block = part.value
    source = first_of(block, "source", "image_url", "file", "inlineData", "inline_data")
    name = first_of(block, "title", "filename") or get(source, "filename") or ""
    found = _source(source if source is not None else block)
    return found and found._replace(name=name if isinstance(name, str) else "")


def _source(source: Any) -> _Data | None:
    if isinstance(source, str):
        return _of_url(source)
    if kind_of(source) == "text":
        return _Data(text=str(get(source, "data") or ""))
    data, mime = get(source, "data"), first_of(source, "media_type", "mimeType", "mime_type")
    if isinstance(data, str) and isinstance(mime, str):
        return _Data(mime=mime, data=data)
    url = first_of(source, "url", "file_url", "file_data")
    return _of_url(url) if isinstance(url, str) else None


def _of_url(url: str) -> _Data | None:
    if not url.startswith("data:"):
        return _Data(url=url) if url.startswith(("http://", "https://")) else None
    head, comma, data = url[5:].partition(",")
    mime, semicolon, coding = head.partition(";")
    return _Data(mime=mime, data=data) if comma and semicolon and coding == "base64" else None


def _text_block(kind: str) -> Callable[[str], dict[str, Any]]:
    return lambda text: {"type": kind, "text": text}


def _shown(part: Part, provider: str) -> dict[str, Any] | None:
    """Return an image or a file as a block of a format, None if it has no place for it."""
    found = _data_of(part) if part.kind in ("image", "file") else None
    if found is None or found.text:
        return None
    if part.kind == "image":
        return _IMAGES[provider](found)
    return _FILES[provider](found)


def _anthropic_source(found: _Data) -> dict[str, Any]:
    if found.url:
        return {"type": "url", "url": found.url}
    return {"type": "base64", "media_type": found.mime, "data": found.data}


def _anthropic_file(found: _Data) -> dict[str, Any] | None:
    if not found.url and found.mime != "application/pdf":
        return None
    title = {"title": found.name} if found.name else {}
    return {"type": "document", "source": _anthropic_source(found), **title}


def _chat_file(found: _Data) -> dict[str, Any] | None:
    if found.url:
        return None
    named = {"filename": found.name or "file.pdf", "file_data": found.address}
    return {"type": "file", "file": named}


def _item_file(found: _Data) -> dict[str, Any]:
    if found.url:
        return {"type": "input_file", "file_url": found.url}
    name = found.name or "file.pdf"
    return {"type": "input_file", "filename": name, "file_data": found.address}


_IMAGES: dict[str, Callable[[_Data], dict[str, Any] | None]] = {
    "anthropic": lambda found: {"type": "image", "source": _anthropic_source(found)},
    "openai": lambda found: {"type": "image_url", "image_url": {"url": found.address}},
    "responses": lambda found: {
        "type": "input_image",
        "image_url": found.address,
        "detail": "auto",
    },
}
_FILES: dict[str, Callable[[_Data], dict[str, Any] | None]] = {
    "anthropic": _anthropic_file,
    "openai": _chat_file,
    "responses": _item_file,
}


def _blocks(
    parts: Sequence[Part], provider: str, text: Callable[[str], dict[str, Any]], *, shows: bool
) -> list[dict[str, Any]]:
    """Return parts as blocks of a format; without `shows` media are notes."""
    made = []
    for part in parts:
        if part.kind in ("text", "refusal"):
            if part.text.strip():
                made.append(text(part.text))
            continue
        block = _shown(part, provider) if shows else None
        if block is None:
            found = _data_of(part) if part.kind == "file" else None
            block = text(found.text if found is not None and found.text.strip() else _note(part))
        made.append(block)
    return made


def _inner(part: Part) -> list[Part]:
    """Return the content of a result as parts."""
    found = inner_parts(part)
    if found is not None:
        return [one for one in found if one.kind not in ("thought", "mark")]
    return [block_part(_dumped(part.body))]


def _joined(blocks: Sequence[dict[str, Any]]) -> Any:
    """Return blocks as one text where all are texts, else the blocks."""
    if all("text" in block and len(block) == 2 for block in blocks):
        return "\n\n".join(block["text"] for block in blocks)
    return list(blocks)


# Writing ------------------------------------------------------------------------------------------


def _anthropic(said: _Said) -> list[dict[str, Any]]:
    """Return messages of Anthropic: calls and results are blocks, the results first."""
    text = _text_block("text")
    if said.role == "system":
        return [
            {
                "role": "system",
                "content": _joined(_blocks(said.parts, "anthropic", text, shows=False)),
            }
        ]
    results: list[dict[str, Any]] = []
    blocks: list[dict[str, Any]] = []
    spoken = said.role == "assistant"
    for part in said.parts:
        if part.kind == "result":
            inner = _joined(_blocks(_inner(part), "anthropic", text, shows=True))
            failed = {"is_error": True} if get(part.value, "is_error") is True else {}
            results.append(
                {"type": "tool_result", "tool_use_id": part.key, "content": inner, **failed}
            )
        elif part.kind == "call":
            blocks.append(
                {"type": "tool_use", "id": part.key, "name": part.name, "input": _input(part.body)}
            )
        else:
            blocks += _blocks([part], "anthropic", text, shows=not spoken)
    made = []
    if results:
        made.append({"role": "user", "content": results})
    if blocks or not results:
        made.append({"role": "assistant" if spoken else "user", "content": _joined(blocks)})
    return made


def _joined_turn(
    last: Any, new: Any, provider: str, *, item: bool, own: bool
) -> dict[str, Any] | None:
    """Return two messages as one, where the format wants that; None where it does not.

    `item` says that the second was an item of Responses, where each call and each result is one. In
    chat the calls of a turn are in one message, at Anthropic its results, too. `own` says that this
    function made the first; then it is extended, since a turn may have thousands of calls.
    """
    if provider == "responses" or not isinstance(last, Mapping):
        return None
    both = last.get("role"), new["role"]
    if provider == "openai":
        if both != ("assistant", "assistant") or not (item and new.get("tool_calls")):
            return None
        texts = [one["content"] for one in (last, new) if one.get("content")]
        if not all(isinstance(text, str) for text in texts):
            return None
        calls = _extended(last.get("tool_calls") or (), new["tool_calls"], own)
        return {**last, "content": "\n\n".join(texts) or None, "tool_calls": calls}
    called = item and both == ("assistant", "assistant") and _has(new, "tool_use")
    # All that was joined to results is results, so the first block says it.
    results = last["content"][:1] if own else last.get("content")
    if not called and not (_only_results(results) and _only_results(new["content"])):
        return None
    before = last["content"]
    if isinstance(before, str):
        before = [{"type": "text", "text": before}] if before.strip() else []
    return {**last, "content": _extended(before, new["content"], own)}


def _extended(before: Sequence[Any], new: Sequence[Any], own: bool) -> list[Any]:
    """Return both as one list: the first one, extended, if it is our own."""
    if not (own and isinstance(before, list)):
        return [*before, *new]
    before.extend(new)
    return before


def _has(message: Any, kind: str) -> bool:
    content = message["content"]
    return isinstance(content, list) and any(one.get("type") == kind for one in content)


def _only_results(content: Any) -> bool:
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(one, Mapping) and one.get("type") == "tool_result" for one in content)
    )


def _chat(said: _Said) -> list[dict[str, Any]]:
    """Return messages of OpenAI's chat: each result is a message, images of it one of the user."""
    text = _text_block("text")
    if said.role == "system":
        return [
            {"role": "system", "content": _joined(_blocks(said.parts, "openai", text, shows=False))}
        ]
    made: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    rest: list[Part] = []
    calls = []
    for part in said.parts:
        if part.kind == "result":
            inner = _inner(part)
            content = _joined(_blocks(inner, "openai", text, shows=False))
            made.append(
                {"role": "tool", "tool_call_id": part.key, "content": _failed(part, content)}
            )
            images = [one for one in inner if one.kind == "image"]
            shown += [block for one in images if (block := _shown(one, "openai")) is not None]
        elif part.kind == "call":
            function = {"name": part.name, "arguments": _arguments(part.body)}
            calls.append({"id": part.key, "type": "function", "function": function})
        else:
            rest.append(part)
    if said.role == "assistant":
        content = _joined(_blocks(rest, "openai", text, shows=False))
        if calls:
            made.append({"role": "assistant", "content": content or None, "tool_calls": calls})
        elif content or not made:
            made.append({"role": "assistant", "content": content})
        return made
    blocks = [*shown, *_blocks(rest, "openai", text, shows=True)]
    if blocks or not made:
        made.append({"role": "user", "content": _joined(blocks)})
    return made


def _failed(part: Part, content: Any) -> Any:
    """Return a result with what says that it is an error, where no field of the format does."""
    if get(part.value, "is_error") is not True or not isinstance(content, str):
        return content
    return content if content.lower().startswith("error") else f"Error: {content}".rstrip(": ")


def _responses(said: _Said) -> list[dict[str, Any]]:
    """Return items of Responses: each call and each result is one."""
    if said.role == "system":
        text = _text_block("input_text")
        content = _joined(_blocks(said.parts, "responses", text, shows=False))
        return [{"role": "system", "content": content}]
    spoken = said.role == "assistant"
    text = _text_block("output_text" if spoken else "input_text")
    made: list[dict[str, Any]] = []
    waiting: list[Part] = []

    def speak() -> None:
        if waiting:
            content = _joined(_blocks(waiting, "responses", text, shows=not spoken))
            if content:
                made.append({"role": said.role if spoken else "user", "content": content})
            waiting.clear()

    for part in said.parts:
        if part.kind == "result":
            speak()
            within = _text_block("input_text")
            output = _joined(_blocks(_inner(part), "responses", within, shows=True))
            made.append(
                {
                    "type": "function_call_output",
                    "call_id": part.key,
                    "output": _failed(part, output),
                }
            )
        elif part.kind == "call":
            speak()
            called = {"call_id": part.key, "name": part.name, "arguments": _arguments(part.body)}
            made.append({"type": "function_call", **called})
        else:
            waiting.append(part)
    speak()
    return made


_WRITERS: dict[str, Callable[[_Said], list[dict[str, Any]]]] = {
    "openai": _chat,
    "responses": _responses,
    "anthropic": _anthropic,
}
