"""Read a message as parts: what it says, thinks, shows, calls and answers.

`parts_of` is the only walker over the contents of messages. It knows the blocks of OpenAI's Chat
Completions and Responses, Anthropic's Messages, Gemini's contents, Bedrock's Converse, the AI SDK,
LangChain, LlamaIndex and Pydantic AI by their shapes. A block of no known shape becomes a part of
the kind "unknown": it is counted in full, kept as it is, and never taken for empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ctxmem.chat.shapes import (
    ROLES,
    blocks_in,
    content_field,
    first_of,
    get,
    inner_of,
    kind_of,
    role_of,
    unread_fields,
)

MEDIA = frozenset({"image", "audio", "video", "file"})
"""Kinds of parts that are no text."""
HOSTED = frozenset({"hosted_call", "hosted_result"})
"""Kinds of parts for tools that the provider itself runs."""

Place = tuple[str, int]
"""A field of a message and an index in it; ("", 0) is the message itself."""
_WHOLE: Place = ("", 0)

_KINDS = {
    **dict.fromkeys(
        ("text", "input_text", "output_text", "summary_text", "reasoning_text"), "text"
    ),
    **dict.fromkeys(("tool_use", "tool_call", "function_call", "tool-call"), "call"),
    **dict.fromkeys(("tool_result", "tool-result", "tool-return"), "result"),
    **dict.fromkeys(("thinking", "redacted_thinking", "reasoning", "thought"), "thought"),
    **dict.fromkeys(("server_tool_use", "mcp_tool_use", "server_tool_call"), "hosted_call"),
    **dict.fromkeys(("image", "image_url", "input_image", "computer_screenshot"), "image"),
    **dict.fromkeys(("image-url", "image_file"), "image"),
    **dict.fromkeys(("audio", "input_audio", "audio-url"), "audio"),
    **dict.fromkeys(("video", "input_video", "video_url", "video-url"), "video"),
    **dict.fromkeys(("file", "input_file", "document", "container_upload"), "file"),
    **dict.fromkeys(("document-url", "binary", "source-document", "uploaded-file"), "file"),
    "refusal": "refusal",
    **dict.fromkeys(("cachePoint", "cache", "cache-point", "step-start"), "mark"),
    **dict.fromkeys(("system-prompt", "user-prompt"), "text"),
}
"""Kinds of parts by the types that providers and frameworks give their blocks."""

TEXT_TYPES = frozenset(kind for kind, meaning in _KINDS.items() if meaning == "text")
"""Types of blocks that are text."""

_BEDROCK = {
    "toolUse": "call",
    "toolResult": "result",
    "reasoningContent": "thought",
    "image": "image",
    "document": "file",
    "video": "video",
    "audio": "audio",
    "cachePoint": "mark",
}
_GEMINI = {
    "functionCall": "call",
    "function_call": "call",
    "functionResponse": "result",
    "function_response": "result",
    "toolCall": "hosted_call",
    "tool_call": "hosted_call",
    "toolResponse": "hosted_result",
    "tool_response": "hosted_result",
    "executableCode": "hosted_call",
    "executable_code": "hosted_call",
    "codeExecutionResult": "hosted_result",
    "code_execution_result": "hosted_result",
    "inlineData": "data",
    "inline_data": "data",
    "fileData": "data",
    "file_data": "data",
}
_UNTYPED = {**_GEMINI, **_BEDROCK}
_UNCODED = frozenset({"executableCode", "executable_code", "codeExecutionResult"}) | {
    "code_execution_result"
}


class Part(NamedTuple):
    """One thing in a message.

    Attributes:
        kind: text, thought, refusal, call, result, hosted_call, hosted_result, image, audio, video,
            file, quoted (a search result), prompt (text with media in it), mark (a cache point or
            a step), or unknown.
        value: the block, call or message as it was given.
        places: where it is; frameworks name a call twice.
        role: who says it; "" where that is the message's role.
        text: what can be read, of a text, a thought or a refusal.
        key: the id of a call, or of the call that is answered; "function:name" where there is none.
        name: of the function, or the type of an unknown block.
        body: the arguments of a call, the content of a result.
        settled: a call that holds its own result, or needs none.
    """

    kind: str
    value: Any
    places: tuple[Place, ...]
    role: str = ""
    text: str = ""
    key: str = ""
    name: str = ""
    body: Any = None
    settled: bool = False

    @property
    def whole(self) -> bool:
        """Whether the part is the whole message."""
        return self.places[0] == _WHOLE


def parts_of(message: Any, index: int) -> list[Part]:
    """Return the parts of a message in their order; `index` names the message in errors.

    Raises:
        InputTypeError: it is no message, or holds what is no block.
    """
    role = role_of(message, index)
    if isinstance(message, str | tuple):
        content = message if isinstance(message, str) else message[1]
        return [_block(b, (("", 0),)) for b in blocks_in(content, index)]
    inner = inner_of(message)
    if role is None:
        return [_item(inner)]
    role = ROLES.get(role, role)
    field = content_field(inner) or "content"
    # Pydantic AI's messages list the calls in their parts once more.
    calls = _calls_beside(inner) if field != "parts" else []
    if role == "tool":
        answer = _whole_result(inner)
        if answer is not None:
            return [answer, *calls]
    beside = {part.key: part for part in calls}
    parts: list[Part] = []
    for i, block in enumerate(blocks_in(get(inner, field), index)):
        part = _block(block, ((field, i),))
        if part.kind == "call" and part.key in beside:
            # Frameworks name a call twice: in the provider's block and in their own list.
            other = beside.pop(part.key)
            part = part._replace(places=(*part.places, *other.places))
        parts.append(part)
    parts += [part for part in calls if part.key in beside]
    parts += _fields_beside(inner, role, parts)
    return parts or _unread(inner, role)


def _unread(inner: Any, role: str) -> list[Part]:
    """Return a message whose text is in unknown fields only, as one unknown part."""
    if role == "remove" or get(inner, "content") is not None or get(inner, "parts") is not None:
        return []
    fields = unread_fields(inner)
    return [Part("unknown", inner, (_WHOLE,), name=", ".join(sorted(fields)))] if fields else []


def _fields_beside(inner: Any, role: str, parts: list[Part]) -> Iterator[Part]:
    """Yield what is beside content and calls: refusals, thoughts, sound, older tool parts."""
    if role != "assistant":
        return
    extra = get(inner, "additional_kwargs") or None
    for field, kind in (("refusal", "refusal"), ("reasoning_content", "thought")):
        text = get(inner, field) or (extra and get(extra, field))
        if isinstance(text, str) and text:
            yield Part(kind, text, ((field, 0),), text=text)
    sound = get(inner, "audio")
    if sound:
        yield Part("audio", sound, (("audio", 0),))
    invocations = get(inner, "toolInvocations")
    if isinstance(invocations, list) and not any(part.kind == "call" for part in parts):
        for i, one in enumerate(invocations):
            yield _ui_call(one, one, str(get(one, "toolName") or ""), (("toolInvocations", i),))


# Calls beside the content -------------------------------------------------------------------------


def _calls_beside(inner: Any) -> list[Part]:
    """Return the calls beside the content, each once."""
    extra = get(inner, "additional_kwargs")
    own, invalid = get(inner, "tool_calls"), get(inner, "invalid_tool_calls")
    if not (own or invalid or extra) and get(inner, "function_call") is None:
        return []  # as most messages
    seen: dict[str, Part] = {}
    lists = [
        ("tool_calls", own),
        ("invalid_tool_calls", invalid),
        ("additional_kwargs.tool_calls", get(extra, "tool_calls") if extra else None),
    ]
    parts: list[Part] = []
    for field, calls in lists:
        for i, call in enumerate(calls if isinstance(calls, list | tuple) else ()):
            part = _call(call, ((field, i),))
            known = seen.get(part.key) if field.startswith("additional") else None
            if known is None:
                seen.setdefault(part.key, part)
                parts.append(part)
            else:
                at = parts.index(known)
                parts[at] = known._replace(places=(*known.places, *part.places))
    if not parts:
        for field in ("function_call", "additional_kwargs.function_call"):
            legacy = get(extra if "." in field else inner, "function_call")
            if get(legacy, "name") is not None:
                call = {"type": "legacy", "function": legacy}
                parts.append(_call(call, ((field, 0),))._replace(value=legacy))
                break
    return parts


def _call(call: Any, places: tuple[Place, ...]) -> Part:
    inner = first_of(call, "function", "custom") or call
    key = first_of(call, "call_id", "tool_call_id", "toolCallId", "toolUseId", "id")
    name = str(first_of(inner, "name", "tool_name", "toolName") or "")
    body = first_of(inner, "arguments", "args", "input", "tool_kwargs", "parameters")
    hosted = get(call, "providerExecuted") is True
    return Part(
        "hosted_call" if hosted else "call",
        call,
        places,
        key=key if isinstance(key, str) and key else f"function:{name}",
        name=name,
        body=body,
        settled=hosted,
    )


def _whole_result(inner: Any) -> Part | None:
    """Return the answer that a whole message is, None if its answers are blocks of it."""
    extra = get(inner, "additional_kwargs")
    key = get(inner, "tool_call_id")
    if key is None and extra:
        key = get(extra, "tool_call_id")
    field = content_field(inner) or "content"
    content = get(inner, field)
    if not isinstance(key, str):
        if field == "parts":
            return None  # Gemini's old role for function responses
        if isinstance(content, list) and _are_results(content):
            return None
        key = f"function:{first_of(inner, 'name', 'tool_name') or ''}"
    name = str(get(inner, "name") or "")
    body = unread_fields(inner) or None if content is None else content
    return Part("result", inner, (_WHOLE,), key=key, name=name, body=body)


def _are_results(content: list[Any]) -> bool:
    """Return whether a tool message holds its results as blocks, as the AI SDK writes them."""
    return not content or any(_block(block, (_WHOLE,)).key for block in content)


# Items of the Responses API -----------------------------------------------------------------------


def _item(item: Any) -> Part:
    """Read an item that is no message: a call, an output, a thought, or what the provider ran."""
    kind = kind_of(item)
    where = (_WHOLE,)
    call = get(item, "call_id")
    own = get(item, "id")
    own = own if isinstance(own, str) else ""
    if kind == "mcp_approval_request":
        return Part("call", item, where, key=own, name=str(get(item, "name") or ""), body=item)
    if kind == "mcp_approval_response":
        return Part("result", item, where, key=str(get(item, "approval_request_id")), body=item)
    if kind == "reasoning":
        return Part("thought", item, where, text=_thought_text(item), key=own)
    if kind.endswith("_output"):
        # A local shell's output has an id alone: that of its call.
        key = call if isinstance(call, str) else own
        return Part("result", item, where, key=key, name=kind, body=get(item, "output"))
    if kind.endswith("_call") and isinstance(call, str):
        part = _call(item, where)
        if part.body is None:
            part = part._replace(body=first_of(item, "action", "operation"))
        return part._replace(name=part.name or kind)
    if kind.endswith(("_call", "_list_tools")) or kind in ("mcp_list_tools", "program_output"):
        return Part("hosted_call", item, where, key=own, name=kind, body=item, settled=True)
    return Part("unknown", item, where, name=kind)


# Blocks -------------------------------------------------------------------------------------------


def inner_parts(part: Part) -> list[Part] | None:
    """Return the content of a result as parts, None if it is no text and no blocks.

    A content that is a dict or another value, as Gemini's `response` is, has no parts.
    """
    content = part.body
    if isinstance(content, str):
        return [_block(content, (("content", 0),))]
    if isinstance(content, Mapping) and isinstance(content.get("type"), str):
        # The AI SDK: {"type": "text", "value": ...} or {"type": "content", "value": [blocks]}.
        value = content.get("value")
        if isinstance(value, str):
            return [_block(value, (("value", 0),))]
        if isinstance(value, list) and content["type"] == "content":
            return [_block(block, (("value", i),)) for i, block in enumerate(value)]
    if content is None:
        return []
    if isinstance(content, list | tuple) and all(
        isinstance(block, str | Mapping) or hasattr(block, "__dict__") for block in content
    ):
        return [_block(block, (("content", i),)) for i, block in enumerate(content)]
    return None


def block_part(block: Any) -> Part:
    """Read a block that belongs to no message."""
    return _block(block, (("content", 0),))


def _block(block: Any, places: tuple[Place, ...]) -> Part:
    """Read one block of a content."""
    if isinstance(block, str):
        return Part("text", block, places, text=block)
    kind = kind_of(block)
    if not kind:
        kind = str(get(block, "kind") or "")
        if kind not in _KINDS:
            return _untyped(block, places)
    meaning = _KINDS.get(kind)
    if meaning is None:
        return _unlisted(block, kind, places)
    if meaning == "text":
        return _text(block, kind, places)
    if meaning == "thought":
        return Part("thought", block, places, text=_thought_text(block))
    if meaning == "call":
        return _call(block, places)
    if meaning == "result":
        key = first_of(block, "tool_use_id", "toolCallId", "tool_call_id", "call_id")
        name = str(first_of(block, "toolName", "tool_name", "name") or "")
        body = first_of(block, "content", "output", "result", "text", "value")
        body = unread_fields(block) or None if body is None else body
        key = key if isinstance(key, str) and key else f"function:{name}"
        return Part("result", block, places, key=key, name=name, body=body)
    if meaning == "hosted_call":
        return _call(block, places)._replace(kind="hosted_call")
    text = get(block, "refusal") if meaning == "refusal" else ""
    return Part(meaning, block, places, text=text if isinstance(text, str) else "", name=kind)


def _text(block: Any, kind: str, places: tuple[Place, ...]) -> Part:
    text = get(block, "text")
    if text is None and kind == "text":
        text = first_of(block, "content", "value")  # Pydantic AI; others
    role = {"system-prompt": "system", "user-prompt": "user"}.get(kind, "")
    if role:
        return _prompt(block, role, places)
    if not isinstance(text, str):
        # A text block without text: nobody knows what it is.
        unknown = text is not None or unread_fields(block)
        return Part("unknown" if unknown else "text", block, places, name=kind)
    if get(block, "thought") is True:
        return Part("thought", block, places, text=text)
    return Part("text", block, places, text=text)


def _prompt(block: Any, role: str, places: tuple[Place, ...]) -> Part:
    """Read Pydantic AI's prompts, which hold a text or a list of texts and media."""
    content = get(block, "content")
    if isinstance(content, str):
        return Part("text", block, places, role=role, text=content)
    blocks = content if isinstance(content, list | tuple) else ()
    texts = [one if isinstance(one, str) else str(get(one, "text") or "") for one in blocks]
    if all(isinstance(one, str) for one in blocks):
        return Part("text", block, places, role=role, text="\n".join(texts))
    return Part("prompt", block, places, role=role, text="\n".join(texts).strip(), body=content)


def _unlisted(block: Any, kind: str, places: tuple[Place, ...]) -> Part:
    """Read a block whose type follows a pattern: results of hosted tools, parts of the AI SDK."""
    if kind in ("retry-prompt", "retry-feedback"):
        name = get(block, "tool_name")
        if not name:
            text = get(block, "content")
            text = text if isinstance(text, str) else ""
            return Part("text", block, places, role="user", text=text)
        key = get(block, "tool_call_id")
        return Part(
            "result", block, places, key=str(key), name=str(name), body=get(block, "content")
        )
    if kind == "tool-invocation":
        one = get(block, "toolInvocation")
        return _ui_call(block, one, str(get(one, "toolName") or ""), places)
    if kind == "dynamic-tool":
        return _ui_call(block, block, str(get(block, "toolName") or ""), places)
    if kind.startswith("tool-") and get(block, "toolCallId") is not None:
        return _ui_call(block, block, kind.removeprefix("tool-"), places)
    if kind.endswith(("_tool_result", "-tool-return")) or kind == "server_tool_result":
        key = first_of(block, "tool_use_id", "tool_call_id")
        body = first_of(block, "content", "output")
        return Part("hosted_result", block, places, key=str(key or ""), name=kind, body=body)
    if kind.endswith("-tool-call"):
        return _call(block, places)._replace(kind="hosted_call")
    if kind == "text-plain":
        text = get(block, "text")
        if isinstance(text, str):
            return Part("text", block, places, text=text)
        return Part("file", block, places, name=kind)
    if kind == "search_result":
        return Part("quoted", block, places, name=kind, body=get(block, "content"))
    return Part("unknown", block, places, name=kind)


def _ui_call(block: Any, one: Any, name: str, places: tuple[Place, ...]) -> Part:
    """Read a tool part of the AI SDK, which holds a call and, in the end, its output."""
    state = str(get(one, "state") or "")
    key = first_of(one, "toolCallId", "id")
    settled = state.startswith("output") or state in ("result", "error")
    body = first_of(one, "input", "args", "rawInput")
    key = key if isinstance(key, str) and key else f"function:{name}"
    return Part("call", block, places, key=key, name=name, body=body, settled=settled)


def ui_output(part: Part) -> Any:
    """Return the output that a settled tool part of the AI SDK holds, None if there is none."""
    one = first_of(part.value, "toolInvocation") or part.value
    return first_of(one, "output", "result", "errorText")


def _untyped(block: Any, places: tuple[Place, ...]) -> Part:
    """Read a block that is known by its fields: Gemini's and Bedrock's."""
    text = get(block, "text")
    for field, kind in _UNTYPED.items():
        value = get(block, field)
        if value is None or callable(value):
            continue
        if isinstance(text, str) or _two(block, field):
            return Part("unknown", block, places, name=f"{field} beside another field")
        if kind == "call":
            part = _call(value, places)
            return part._replace(value=block)
        if kind == "result":
            return _untyped_result(block, value, places)
        if kind in HOSTED:
            key = first_of(value, "id") if field not in _UNCODED else None
            return Part(kind, block, places, key=str(key or ""), name=field, body=value)
        if kind == "thought":
            return Part("thought", block, places, text=_thought_text(value))
        if kind == "data":
            mime = str(first_of(value, "mimeType", "mime_type") or "")
            of = mime.partition("/")[0]
            return Part(of if of in MEDIA else "file", block, places, name=field)
        return Part(kind, block, places, name=field)
    if isinstance(text, str):
        return Part("thought" if get(block, "thought") else "text", block, places, text=text)
    if get(block, "thought") or first_of(block, "thoughtSignature", "thought_signature"):
        return Part("thought", block, places)
    fields = sorted(block)[:3] if isinstance(block, Mapping) else [type(block).__name__]
    return Part("unknown", block, places, name=", ".join(map(str, fields)))


def _two(block: Any, first: str) -> bool:
    """Return whether a dict has two of the fields of which it may have one."""
    return isinstance(block, Mapping) and any(
        field in _UNTYPED and field != first and value is not None for field, value in block.items()
    )


def _untyped_result(block: Any, value: Any, places: tuple[Place, ...]) -> Part:
    name = str(get(value, "name") or "")
    key = first_of(value, "toolUseId", "id")
    key = key if isinstance(key, str) and key else f"function:{name}"
    body = first_of(value, "content", "response")
    return Part("result", block, places, key=key, name=name, body=body)


_THOUGHTS = ("thinking", "reasoning", "content", "text")


def _thought_text(block: Any) -> str:
    """Return the readable text of a thought: itself, its summary, or Bedrock's reasoning text."""
    inner = get(block, "reasoningText")
    if inner is not None:
        return str(get(inner, "text") or "")
    texts: list[str] = []
    sources = [get(block, field) for field in _THOUGHTS]
    for source in [*sources, get(block, "summary")]:
        if isinstance(source, str):
            texts.append(source)
        elif isinstance(source, list | tuple):
            lines = (one if isinstance(one, str) else get(one, "text") for one in source)
            texts += [text for text in lines if isinstance(text, str)]
    return "\n".join(texts)
