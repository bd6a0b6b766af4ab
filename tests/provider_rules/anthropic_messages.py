"""Rules of Anthropic Messages."""

from __future__ import annotations

from .common import (
    ANTHROPIC_ID,
    MAX_CACHE_MARKS,
    SERVER_ID,
    Found,
    blocks_of,
    is_blank,
    refuses_prefill,
    repeated,
    takes_system_inside,
)

THOUGHTS = ("thinking", "redacted_thinking")
SERVER_USES = ("server_tool_use", "mcp_tool_use")


def is_server_result(block: dict) -> bool:
    return str(block.get("type")).endswith("_tool_result")


def use_ids(message: dict) -> list:
    """Ids of the client's tools that an assistant message calls."""
    if message.get("role") != "assistant":
        return []
    return [block.get("id") for block in blocks_of(message) if block.get("type") == "tool_use"]


def result_ids(message: dict) -> list:
    if message.get("role") != "user":
        return []
    results = [block for block in blocks_of(message) if block.get("type") == "tool_result"]
    return [block.get("tool_use_id") for block in results]


def only_results(message: dict) -> bool:
    blocks = blocks_of(message)
    return bool(blocks) and all(block.get("type") == "tool_result" for block in blocks)


def anthropic_problems(messages: list, model: str | None, in_flight_ok: bool) -> Found:
    start = 0
    while start < len(messages) and messages[start].get("role") == "system":
        start += 1
    chat = messages[start:]
    rules = [
        anthropic_roles(chat, model),
        anthropic_content(chat),
        anthropic_uses(chat, in_flight_ok),
        anthropic_results(chat),
        anthropic_ids(chat),
        anthropic_thoughts(chat),
        anthropic_server_tools(chat, in_flight_ok),
        anthropic_last(chat, model, in_flight_ok),
    ]
    if not chat:
        yield "AN-NONE", start, "no message besides system"
    for rule in rules:
        for name, n, text in rule:
            yield name, n + start, text
    yield from anthropic_cache_marks(messages)


def anthropic_roles(chat: list, model: str | None) -> Found:
    if chat and chat[0].get("role") == "assistant":
        yield "AN-FIRST", 0, "the first message is the assistant's"
    for n, message in enumerate(chat):
        role = message.get("role")
        if role not in ("user", "assistant", "system"):
            yield "AN-ROLE", n, f"unknown role {role!r}"
        if role == "system":
            yield from anthropic_system(chat, n, model)


def anthropic_system(chat: list, n: int, model: str | None) -> Found:
    """A system message in the middle stands between a user and an assistant turn, or last."""
    before, after = n - 1, n + 1
    while chat[before].get("role") == "system":
        before -= 1
    while after < len(chat) and chat[after].get("role") == "system":
        after += 1
    if not takes_system_inside(model):
        yield "AN-SYSTEM", n, f"{model} takes no system message inside"
    elif chat[before].get("role") != "user":
        yield "AN-SYSTEM", n, "system message not behind a user turn"
    elif after < len(chat) and chat[after].get("role") != "assistant":
        yield "AN-SYSTEM", n, "system message not before an assistant turn"


def anthropic_content(chat: list) -> Found:
    for n, message in enumerate(chat):
        content = message.get("content")
        final_assistant = n == len(chat) - 1 and message.get("role") == "assistant"
        if content in ("", [], None):
            if not final_assistant:
                yield "AN-EMPTY", n, "empty content"
        elif is_blank(content):
            yield "AN-BLANK", n, "content of white space only"
        for block in blocks_of(message):
            if block.get("type") == "text" and is_blank(block.get("text")):
                yield "AN-BLANK", n, "blank text block"
            if (
                block.get("type") == "tool_result"
                and block.get("is_error")
                and block.get("content") in ("", [], None)
            ):
                yield "AN-ERROR-EMPTY", n, "tool_result with is_error and no content"
            if block.get("type") == "tool_result" and any(
                inner.get("type") == "text" and is_blank(inner.get("text"))
                for inner in blocks_of(block)
            ):
                yield "AN-BLANK-NESTED", n, "blank text block inside a tool_result"


def anthropic_uses(chat: list, in_flight_ok: bool) -> Found:
    seen: list = []
    for n, message in enumerate(chat):
        ids = use_ids(message)
        for at, name in enumerate(ids):
            if name in seen or name in ids[:at]:
                yield "AN-DUP-CALL", n, f"tool_use id {name!r} was there before"
        seen += ids
        answered = result_ids(chat[n + 1]) if n + 1 < len(chat) else []
        open_ids = [name for name in ids if name not in answered]
        if open_ids and not (in_flight_ok and anthropic_in_flight(chat, n)):
            yield "AN-MISSING", n, f"no tool_result in the next message for {open_ids}"


def anthropic_in_flight(chat: list, n: int) -> bool:
    """The calling message is the last one, or only results of its calls follow in one message."""
    if n == len(chat) - 1:
        return True
    return (
        n == len(chat) - 2
        and only_results(chat[n + 1])
        and set(result_ids(chat[n + 1])) <= set(use_ids(chat[n]))
    )


def anthropic_results(chat: list) -> Found:
    for n, message in enumerate(chat):
        called = use_ids(chat[n - 1]) if n else []
        given = result_ids(message)
        for name in given:
            if name not in called:
                yield "AN-ORPHAN", n, f"tool_result of {name!r}, not called in the message before"
        for name in repeated(given):
            yield "AN-DUP-RESULT", n, f"second tool_result of {name!r}"
        kinds = [block.get("type") == "tool_result" for block in blocks_of(message)]
        if given and kinds != sorted(kinds, reverse=True):
            yield "AN-RESULT-FIRST", n, "a tool_result behind another block"


def anthropic_ids(chat: list) -> Found:
    for n, message in enumerate(chat):
        for block in blocks_of(message):
            kind = block.get("type")
            name = block.get("tool_use_id") if kind == "tool_result" else block.get("id")
            named = kind in ("tool_use", "tool_result", "mcp_tool_use")
            if named and not ANTHROPIC_ID.fullmatch(str(name or "")):
                yield "AN-ID-FORM", n, f"{kind} with the id {name!r}"
            if kind == "server_tool_use" and not SERVER_ID.fullmatch(str(name or "")):
                yield "AN-SERVER-ID", n, f"server_tool_use with the id {name!r}"
            if kind == "tool_use" and message.get("role") != "assistant":
                yield "AN-BLOCK-ROLE", n, "tool_use outside an assistant message"
            if kind == "tool_result" and message.get("role") != "user":
                yield "AN-BLOCK-ROLE", n, "tool_result outside a user message"


def anthropic_thoughts(chat: list) -> Found:
    for n, message in enumerate(chat):
        for block in blocks_of(message):
            if block.get("type") == "thinking" and not isinstance(block.get("signature"), str):
                yield "AN-THINK-SIG", n, "thinking without signature"
            if block.get("type") == "redacted_thinking" and not isinstance(block.get("data"), str):
                yield "AN-THINK-SIG", n, "redacted_thinking without data"


def anthropic_turns(chat: list) -> list[tuple[int, int]]:
    """First and last index of every run of assistant messages."""
    turns: list[tuple[int, int]] = []
    for n, message in enumerate(chat):
        if message.get("role") != "assistant":
            continue
        if turns and turns[-1][1] == n - 1:
            turns[-1] = (turns[-1][0], n)
        else:
            turns.append((n, n))
    return turns


def anthropic_server_tools(chat: list, in_flight_ok: bool) -> Found:
    """Uses of server tools and their results pair inside one assistant turn.

    A use beside calls of the client's tools may wait: a user message of tool_results only comes
    between, and the result stands in the next assistant turn.
    """
    waiting: list[tuple[int, object]] = []
    for n, message in enumerate(chat):
        if message.get("role") != "assistant":
            for block in blocks_of(message):
                if is_server_result(block):
                    yield "AN-SERVER-ORPHAN", n, f"{block.get('type')} outside an assistant message"
    for first, last in anthropic_turns(chat):
        for n in range(first, last + 1):
            for block in blocks_of(chat[n]):
                if block.get("type") in SERVER_USES:
                    waiting.append((n, block.get("id")))
                if is_server_result(block):
                    name = block.get("tool_use_id")
                    if name not in [use for _, use in waiting]:
                        yield "AN-SERVER-ORPHAN", n, f"{block.get('type')} of {name!r} without use"
                    waiting = [pair for pair in waiting if pair[1] != name]
        ends_here = last == len(chat) - 1
        may_wait = bool(use_ids(chat[last])) and not ends_here and only_results(chat[last + 1])
        if may_wait or (ends_here and in_flight_ok):
            continue
        for n, name in waiting:
            yield "AN-SERVER-MISSING", n, f"server tool use {name!r} without its result"
        waiting = []


def anthropic_last(chat: list, model: str | None, in_flight_ok: bool) -> Found:
    if not chat or chat[-1].get("role") != "assistant":
        return
    n, last = len(chat) - 1, chat[-1]
    content, blocks = last.get("content"), blocks_of(last)
    if refuses_prefill(model) and not (in_flight_ok and use_ids(last)):
        yield "AN-PREFILL", n, f"{model} must end with a user message"
    text = content if isinstance(content, str) else ""
    if blocks and blocks[-1].get("type") == "text":
        text = blocks[-1].get("text") or ""
    if text != text.rstrip():
        yield "AN-TRAIL-WS", n, "the final assistant text ends in white space"
    if blocks and blocks[-1].get("type") in THOUGHTS:
        yield "AN-END-THINK", n, "the final assistant message ends in a thought"


def anthropic_cache_marks(messages: list) -> Found:
    count = 0
    for n, message in enumerate(messages):
        blocks = blocks_of(message)
        nested = [inner for block in blocks for inner in blocks_of(block)]
        for block in blocks + nested:
            if not block.get("cache_control"):
                continue
            count += 1
            if block.get("type") in THOUGHTS:
                yield "AN-CACHE-PLACE", n, "cache_control on a thought"
            if block.get("type") == "text" and not block.get("text"):
                yield "AN-CACHE-PLACE", n, "cache_control on an empty text"
    if count > MAX_CACHE_MARKS:
        yield "AN-CACHE-MAX", len(messages) - 1, f"{count} cache marks"
