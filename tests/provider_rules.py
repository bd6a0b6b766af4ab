"""Independent checker of chat histories against the rules listed in rules.md.

``problems(messages, provider)`` returns one string per broken rule, as
``"<rule id>: message <n>: ..."``. Every rule is one short generator over plain dicts, written for
clarity and not for speed. Blocks and items of an unknown kind are never judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Found = Iterator[tuple[str, int, str]]

ANTHROPIC_ID = re.compile(r"[a-zA-Z0-9_-]+")
SERVER_ID = re.compile(r"srvtoolu_[a-zA-Z0-9_]+")
BEDROCK_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
MAX_OPENAI_ID = 64
MAX_CACHE_MARKS = 4

# Rules of which sources disagree or only hint: reported with contested=True only.
CONTESTED = {
    "RS-BEFORE",
    "RS-DUP-CALL",
    "RS-DUP-OUTPUT",
    "RS-APPROVAL",
    "AN-BLANK-NESTED",
    "GM-EMPTY-TEXT",
    "GM-ID",
    "GM-LAST",
    "GM-FIRST",
    "BR-DUP-CALL-FAR",
    "BR-RESULT-FIRST",
    "BR-CACHE-FIRST",
    "BR-END-THINK",
}


def problems(
    messages: list,
    provider: str,
    model: str | None = None,
    in_flight_ok: bool = True,
    contested: bool = False,
) -> list[str]:
    """Say what the provider would refuse of this history; an empty list means it is fine."""
    if provider == "anthropic":
        found = list(anthropic_problems(messages, model, in_flight_ok))
    elif provider == "bedrock":
        found = list(bedrock_problems(messages, model, in_flight_ok))
    elif provider == "gemini":
        found = list(gemini_problems(messages, model, in_flight_ok))
    elif provider == "openai":
        found = list(openai_problems(messages, in_flight_ok))
    elif provider == "responses":
        found = list(responses_problems(messages, in_flight_ok))
    else:
        raise ValueError(f"unknown provider: {provider!r}")
    return [
        f"{rule}: message {place}: {text}"
        for rule, place, text in found
        if contested or rule not in CONTESTED
    ]


# ---------------------------------------------------------------- helpers


def blocks_of(message: dict) -> list[dict]:
    """The content blocks of a message; none for plain text or missing content."""
    content = message.get("content")
    if not isinstance(content, list):
        return []
    return [block for block in content if isinstance(block, dict)]


def is_blank(text: object) -> bool:
    return isinstance(text, str) and not text.strip()


def repeated(values: list) -> list:
    """The values that were there before, once per repetition, in order."""
    seen: list = []
    again = []
    for value in values:
        if value in seen:
            again.append(value)
        seen.append(value)
    return again


def claude_version(model: str | None) -> tuple[str, int, int] | None:
    """Family, major and minor version of a Claude model of generation 4 or later."""
    match = re.search(
        r"(opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?!\d)(?:[.-](\d{1,2})(?!\d))?", model or ""
    )
    return (match[1], int(match[2]), int(match[3] or 0)) if match else None


def refuses_prefill(model: str | None) -> bool:
    """Whether the conversation must end with a user message on this model."""
    if model and "mythos-preview" in model:
        return True
    version = claude_version(model)
    return version is not None and version[1:] >= (4, 6)


def takes_system_inside(model: str | None) -> bool:
    """Whether the model knows the system role in the middle; an unknown model may."""
    if model is None:
        return True
    version = claude_version(model)
    if version is None:
        return False
    family, major, minor = version
    return major >= 5 or (family == "opus" and (major, minor) >= (4, 8))


def refuses_model_end(model: str | None) -> bool:
    """Whether this Gemini model is known to refuse contents that end with a model turn."""
    match = re.search(r"gemini-(\d+)(?:\.(\d+))?", model or "")
    if match is None:
        return False
    version = (int(match[1]), int(match[2] or 0))
    return version >= (3, 6) or (version == (3, 5) and "flash-lite" in model)


# ---------------------------------------------------------------- OpenAI Chat Completions

OPENAI_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def openai_problems(messages: list, in_flight_ok: bool) -> Found:
    if not messages:
        yield "OA-NONE", 0, "no message"
    yield from openai_roles(messages)
    yield from openai_content(messages)
    yield from openai_calls(messages)
    yield from openai_results(messages, in_flight_ok)
    yield from openai_legacy(messages)


def openai_roles(messages: list) -> Found:
    for n, message in enumerate(messages):
        if message.get("role") not in OPENAI_ROLES:
            yield "OA-ROLE", n, f"unknown role {message.get('role')!r}"


def openai_content(messages: list) -> Found:
    for n, message in enumerate(messages):
        role = message.get("role")
        calls = any(message.get(key) for key in ("tool_calls", "function_call", "audio"))
        may_lack = role == "function" or (role == "assistant" and calls)
        if message.get("content") is None and not may_lack:
            yield "OA-NULL", n, "content is null"
        if message.get("content") == []:
            yield "OA-EMPTY-PARTS", n, "content is an empty list"


def openai_call_ids(message: dict) -> list[str]:
    if message.get("role") != "assistant":
        return []
    return [call.get("id") for call in message.get("tool_calls") or []]


def openai_calls(messages: list) -> Found:
    for n, message in enumerate(messages):
        if message.get("tool_calls") == []:
            yield "OA-EMPTY-CALLS", n, "tool_calls is an empty list"
        ids = openai_call_ids(message)
        for name in repeated(ids):
            yield "OA-DUP-CALL", n, f"two calls with the id {name!r}"
        for name in ids:
            if len(name or "") > MAX_OPENAI_ID:
                yield "OA-ID-LEN", n, f"id of {len(name)} characters"


def openai_results(messages: list, in_flight_ok: bool) -> Found:
    in_a_run = set()
    for n, message in enumerate(messages):
        ids = openai_call_ids(message)
        if not ids:
            continue
        end = n + 1
        answered: list = []
        while end < len(messages) and messages[end].get("role") == "tool":
            in_a_run.add(end)
            name = messages[end].get("tool_call_id")
            if name not in ids:
                yield "OA-ORPHAN", end, f"result of {name!r}, which the calls before do not have"
            elif name in answered:
                yield "OA-DUP-RESULT", end, f"second result of {name!r}"
            answered.append(name)
            end += 1
        open_ids = [name for name in ids if name not in answered]
        in_flight = end == len(messages)
        if open_ids and not (in_flight and in_flight_ok):
            yield "OA-MISSING", n, f"no result directly behind for {open_ids}"
    for n, message in enumerate(messages):
        if message.get("role") == "tool" and n not in in_a_run:
            yield "OA-ORPHAN", n, f"result of {message.get('tool_call_id')!r} behind no call"


def openai_legacy(messages: list) -> Found:
    for n, message in enumerate(messages):
        if message.get("role") == "function" and not message.get("name"):
            yield "OA-FN-NAME", n, "function message without name"
        if message.get("function_call") and message.get("role") != "assistant":
            yield "OA-FN-ROLE", n, "function_call outside an assistant message"


# ---------------------------------------------------------------- OpenAI Responses

RESPONSES_ROLES = ("user", "assistant", "system", "developer")
OUTPUT_OF = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
    "local_shell_call": "local_shell_call_output",
    "shell_call": "shell_call_output",
    "apply_patch_call": "apply_patch_call_output",
    "computer_call": "computer_call_output",
}
CALL_OF = {output: call for call, output in OUTPUT_OF.items()}
ID_PREFIX = {"message": "msg", "reasoning": "rs", "function_call": "fc"}


def item_kind(item: dict) -> str:
    """The type of an item; a plain role/content pair is a message."""
    return item.get("type") or ("message" if "role" in item else "")


def item_call_id(item: dict) -> object:
    """The call id; outputs of the local shell may carry it as id, as the SDK's type says."""
    if item_kind(item) == "local_shell_call_output" and "call_id" not in item:
        return item.get("id")
    return item.get("call_id")


def responses_problems(items: list, in_flight_ok: bool) -> Found:
    if not items:
        yield "RS-NONE", 0, "no input item"
    yield from responses_messages(items)
    yield from responses_ids(items)
    yield from responses_outputs(items)
    yield from responses_calls(items, in_flight_ok)
    yield from responses_reasoning(items)
    yield from responses_approvals(items)


def responses_messages(items: list) -> Found:
    for n, item in enumerate(items):
        if item_kind(item) != "message":
            continue
        if item.get("role") not in RESPONSES_ROLES:
            yield "RS-ROLE", n, f"unknown role {item.get('role')!r}"
        wrong = "input_text" if item.get("role") == "assistant" else "output_text"
        if any(part.get("type") == wrong for part in blocks_of(item)):
            yield "RS-PART", n, f"{wrong} in a message of {item.get('role')}"


def responses_ids(items: list) -> Found:
    for n, item in enumerate(items):
        kind, name = item_kind(item), item.get("id")
        prefix = ID_PREFIX.get(kind)
        if name is not None and prefix and not str(name).startswith(prefix):
            yield "RS-ID-FORM", n, f"id {name!r} of a {kind} does not begin with {prefix!r}"
        if kind in OUTPUT_OF or kind in CALL_OF:
            call_id = item_call_id(item)
            if not call_id:
                yield "RS-CALLID", n, f"{kind} without call_id"
            elif len(str(call_id)) > MAX_OPENAI_ID:
                yield "RS-CALLID-LEN", n, f"call_id of {len(str(call_id))} characters"
    own_ids = [
        (n, item["id"])
        for n, item in enumerate(items)
        if item.get("id") and item_kind(item) != "local_shell_call_output"
    ]
    for at, (n, name) in enumerate(own_ids):
        if name in [earlier for _, earlier in own_ids[:at]]:
            yield "RS-DUP-ITEM", n, f"second item with the id {name!r}"


def responses_outputs(items: list) -> Found:
    for n, item in enumerate(items):
        kind = item_kind(item)
        if kind not in CALL_OF:
            continue
        calls = [
            at
            for at, other in enumerate(items)
            if item_kind(other) == CALL_OF[kind] and item_call_id(other) == item_call_id(item)
        ]
        referenced = any(
            item_kind(other) == "item_reference"
            and not str(other.get("id")).startswith(("rs", "msg"))
            for other in items
        )
        if not calls and not referenced:
            yield "RS-ORPHAN", n, f"{kind} of {item_call_id(item)!r}, which nothing calls"
        elif calls and min(calls) > n:
            yield "RS-BEFORE", n, f"{kind} of {item_call_id(item)!r} before its call"
        if any(
            item_kind(other) == kind and item_call_id(other) == item_call_id(item)
            for other in items[:n]
        ):
            yield "RS-DUP-OUTPUT", n, f"second output of {item_call_id(item)!r}"


def responses_calls(items: list, in_flight_ok: bool) -> Found:
    for n, item in enumerate(items):
        kind = item_kind(item)
        if kind not in OUTPUT_OF:
            continue
        if any(
            item_kind(other) in OUTPUT_OF and item_call_id(other) == item_call_id(item)
            for other in items[:n]
        ):
            yield "RS-DUP-CALL", n, f"second call of {item_call_id(item)!r}"
        answered = any(
            item_kind(other) == OUTPUT_OF[kind] and item_call_id(other) == item_call_id(item)
            for other in items
        )
        if not answered and not (in_flight_ok and responses_in_flight(items, n)):
            yield "RS-MISSING", n, f"no output of {item_call_id(item)!r}"


def responses_in_flight(items: list, n: int) -> bool:
    """Behind the call stand only further calls and then only outputs."""
    kinds = [item_kind(item) for item in items[n + 1 :]]
    beside = ("reasoning", "mcp_approval_request", "mcp_approval_response")
    while kinds and (kinds[0] in OUTPUT_OF or kinds[0] in beside):
        kinds.pop(0)
    return all(kind in CALL_OF or kind in beside for kind in kinds)


def is_reasoning(item: dict) -> bool:
    """A reasoning item that the server knows by its id, in full or as a reference."""
    if item_kind(item) == "item_reference":
        return str(item.get("id")).startswith("rs")
    return item_kind(item) == "reasoning"


def responses_reasoning(items: list) -> Found:
    for n, item in enumerate(items):
        if not is_reasoning(item) or not item.get("id"):
            continue
        after = n + 1
        while after < len(items) and is_reasoning(items[after]):
            after += 1
        follower = items[after] if after < len(items) else None
        if follower is None or is_from_outside(follower):
            yield "RS-REASONING", n, "reasoning without the item it led to"


def is_from_outside(item: dict) -> bool:
    """An item that the application and not the model wrote."""
    kind = item_kind(item)
    if kind == "message":
        return item.get("role") != "assistant"
    return kind in CALL_OF or kind == "mcp_approval_response"


def responses_approvals(items: list) -> Found:
    for n, item in enumerate(items):
        if item_kind(item) == "mcp_approval_response" and not any(
            item_kind(other) in ("mcp_approval_request", "item_reference")
            and other.get("id") == item.get("approval_request_id")
            for other in items[:n]
        ):
            yield "RS-APPROVAL", n, "approval of no request"


# ---------------------------------------------------------------- Anthropic Messages

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


# ---------------------------------------------------------------- Gemini generateContent

PART_ATTRIBUTES = {
    "thought",
    "thoughtSignature",
    "thought_signature",
    "videoMetadata",
    "video_metadata",
    "partMetadata",
    "part_metadata",
    "mediaResolution",
    "media_resolution",
}


def parts_of(content: dict) -> list[dict]:
    return [part for part in content.get("parts") or [] if isinstance(part, dict)]


def function_calls(content: dict) -> list[dict]:
    """The parts of a content that carry a functionCall."""
    return [part for part in parts_of(content) if "functionCall" in part or "function_call" in part]


def function_responses(content: dict) -> list[dict]:
    return [
        part
        for part in parts_of(content)
        if "functionResponse" in part or "function_response" in part
    ]


def is_model(content: dict) -> bool:
    return content.get("role") == "model"


def gemini_problems(contents: list, model: str | None, in_flight_ok: bool) -> Found:
    if not contents:
        yield "GM-NONE", 0, "no content"
    yield from gemini_roles(contents)
    yield from gemini_parts(contents)
    yield from gemini_turns(contents, in_flight_ok)
    yield from gemini_ends(contents, model, in_flight_ok)
    yield from gemini_signatures(contents, model)


def gemini_roles(contents: list) -> Found:
    for n, content in enumerate(contents):
        if content.get("role") not in ("user", "model", "function", None):
            yield "GM-ROLE", n, f"unknown role {content.get('role')!r}"


def gemini_parts(contents: list) -> Found:
    for n, content in enumerate(contents):
        if not content.get("parts"):
            yield "GM-EMPTY", n, "no parts"
        for part in parts_of(content):
            signed = part.get("thoughtSignature") or part.get("thought_signature")
            if set(part) <= PART_ATTRIBUTES:
                yield "GM-NODATA", n, "part without a data field"
            elif part.get("text") == "" and not signed:
                yield "GM-EMPTY-TEXT", n, "empty text"


def gemini_turns(contents: list, in_flight_ok: bool) -> Found:
    for n, content in enumerate(contents):
        calls, responses = function_calls(content), function_responses(content)
        before = contents[n - 1] if n else None
        after = contents[n + 1] if n + 1 < len(contents) else None
        if calls and (before is None or is_model(before)):
            yield "GM-CALL-TURN", n, "call not behind a user turn or a function response"
        if calls:
            given = len(function_responses(after)) if after else 0
            partial = (
                n + 2 == len(contents) and 0 < given < len(calls) and given == len(after["parts"])
            )
            in_flight = after is None or partial
            if given != len(calls) and not (in_flight and in_flight_ok):
                yield "GM-COUNT", n, f"{len(calls)} calls, {given} responses directly behind"
        if responses and (before is None or not function_calls(before)):
            yield "GM-RESPONSE-TURN", n, "response not behind a call turn"
        elif responses:
            called = [call_id(part) for part in function_calls(before)]
            for part in responses:
                if call_id(part) and call_id(part) not in called:
                    yield "GM-ID", n, f"response with the id {call_id(part)!r} of no call"


def call_id(part: dict) -> object:
    """The id of a functionCall or functionResponse, where there is one."""
    for key in ("functionCall", "function_call", "functionResponse", "function_response"):
        if isinstance(part.get(key), dict):
            return part[key].get("id")
    return None


def gemini_ends(contents: list, model: str | None, in_flight_ok: bool) -> Found:
    if not contents:
        return
    last = contents[-1]
    if is_model(contents[0]) and len(contents) > 1 and not function_calls(contents[0]):
        yield "GM-FIRST", 0, "the first content is the model's"
    open_call = in_flight_ok and function_calls(last)
    if refuses_model_end(model) and is_model(last) and not open_call:
        yield "GM-PREFILL", len(contents) - 1, f"{model} must not end with a model turn"
    if is_model(last) and len(contents) == 1:
        yield "GM-SINGLE", 0, "the only content is the model's"
    elif is_model(last) and not function_calls(last):
        yield "GM-LAST", len(contents) - 1, "the last content is the model's"


def gemini_signatures(contents: list, model: str | None) -> Found:
    """From Gemini 3 on the first call of each step in the current turn is signed."""
    version = re.search(r"gemini-(\d+)", model or "")
    if version is None or int(version[1]) < 3 or "image" in model:
        return
    start = 0
    for n, content in enumerate(contents):
        standard = any(
            key in part
            for part in parts_of(content)
            for key in ("text", "inlineData", "inline_data", "fileData", "file_data")
        )
        if not is_model(content) and standard:
            start = n
    for n in range(start, len(contents)):
        for part in function_calls(contents[n])[:1]:
            if not (part.get("thoughtSignature") or part.get("thought_signature")):
                yield "GM-SIG", n, "first call of the step without thoughtSignature"


# ---------------------------------------------------------------- Bedrock Converse


BEDROCK_KEYS = {
    "text",
    "image",
    "toolUse",
    "toolResult",
    "document",
    "video",
    "cachePoint",
    "reasoningContent",
    "citationsContent",
    "searchResult",
}


def bedrock_ids(message: dict, kind: str) -> list:
    return [
        block[kind].get("toolUseId")
        for block in blocks_of(message)
        if isinstance(block.get(kind), dict)
    ]


def bedrock_problems(messages: list, model: str | None, in_flight_ok: bool) -> Found:
    if not messages:
        yield "BR-NONE", 0, "no message"
    yield from bedrock_roles(messages)
    yield from bedrock_content(messages)
    yield from bedrock_uses(messages, in_flight_ok)
    yield from bedrock_results(messages)
    yield from bedrock_id_forms(messages)
    yield from bedrock_cache_points(messages)
    yield from bedrock_last(messages, model, in_flight_ok)


def bedrock_roles(messages: list) -> Found:
    if messages and messages[0].get("role") == "assistant":
        yield "BR-FIRST", 0, "the first message is the assistant's"
    for n, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant"):
            yield "BR-ROLE", n, f"unknown role {message.get('role')!r}"
        elif n and messages[n - 1].get("role") == message.get("role"):
            yield "BR-ALTERNATE", n, "same role as the message before"


def bedrock_content(messages: list) -> Found:
    for n, message in enumerate(messages):
        blocks = blocks_of(message)
        if not blocks:
            yield "BR-EMPTY", n, "empty content"
        for block in blocks:
            if is_blank(block.get("text")):
                yield "BR-BLANK", n, "blank text"
            if len(BEDROCK_KEYS & set(block)) > 1:
                yield "BR-ONE-KEY", n, f"block with {sorted(BEDROCK_KEYS & set(block))}"
        has_document = any("document" in block for block in blocks)
        has_text = any("text" in block for block in blocks)
        if message.get("role") == "user" and has_document and not has_text:
            yield "BR-DOC-TEXT", n, "document without text"


def bedrock_uses(messages: list, in_flight_ok: bool) -> Found:
    seen: list = []
    for n, message in enumerate(messages):
        ids = bedrock_ids(message, "toolUse")
        for name in repeated(ids):
            yield "BR-DUP-CALL", n, f"two toolUse blocks with the id {name!r}"
        for name in ids:
            if name in seen:
                yield "BR-DUP-CALL-FAR", n, f"toolUse id {name!r} of an earlier message"
        seen += ids
        answered = bedrock_ids(messages[n + 1], "toolResult") if n + 1 < len(messages) else []
        open_ids = [name for name in ids if name not in answered]
        if open_ids and not (in_flight_ok and bedrock_in_flight(messages, n)):
            yield "BR-MISSING", n, f"no toolResult in the next message for {open_ids}"


def bedrock_in_flight(messages: list, n: int) -> bool:
    if n == len(messages) - 1:
        return True
    follower = messages[n + 1]
    given = bedrock_ids(follower, "toolResult")
    others = [b for b in blocks_of(follower) if not {"toolResult", "cachePoint"} & set(b)]
    return (
        n == len(messages) - 2
        and bool(given)
        and not others
        and set(given) <= set(bedrock_ids(messages[n], "toolUse"))
    )


def bedrock_results(messages: list) -> Found:
    for n, message in enumerate(messages):
        called = bedrock_ids(messages[n - 1], "toolUse") if n else []
        given = bedrock_ids(message, "toolResult")
        for name in given:
            if name not in called:
                yield "BR-ORPHAN", n, f"toolResult of {name!r}, not called in the message before"
        for name in repeated(given):
            yield "BR-DUP-RESULT", n, f"second toolResult of {name!r}"
        kinds = ["toolResult" in block for block in blocks_of(message)]
        if given and kinds != sorted(kinds, reverse=True):
            yield "BR-RESULT-FIRST", n, "a toolResult behind another block"


def bedrock_id_forms(messages: list) -> Found:
    for n, message in enumerate(messages):
        for name in bedrock_ids(message, "toolUse") + bedrock_ids(message, "toolResult"):
            if not BEDROCK_ID.fullmatch(str(name or "")):
                yield "BR-ID-FORM", n, f"toolUseId {name!r}"


def bedrock_cache_points(messages: list) -> Found:
    count = 0
    for n, message in enumerate(messages):
        before: dict = {}
        blocks = blocks_of(message)
        if blocks and all(set(block) == {"cachePoint"} for block in blocks):
            yield "BR-CACHE-ONLY", n, "nothing but a cachePoint"
        for at, block in enumerate(blocks):
            if "cachePoint" in block:
                count += 1
                if "document" in before and before["document"].get("format") != "pdf":
                    yield "BR-CACHE-PLACE", n, "cachePoint behind a document that is no PDF"
                if "reasoningContent" in before:
                    yield "BR-CACHE-PLACE", n, "cachePoint behind reasoningContent"
                if at == 0:
                    yield "BR-CACHE-FIRST", n, "cachePoint as the first block"
            before = block
    if count > MAX_CACHE_MARKS:
        yield "BR-CACHE-MAX", len(messages) - 1, f"{count} cache points"


def bedrock_last(messages: list, model: str | None, in_flight_ok: bool) -> Found:
    if not messages or messages[-1].get("role") != "assistant":
        return
    n, last = len(messages) - 1, messages[-1]
    blocks = [block for block in blocks_of(last) if "cachePoint" not in block]
    if refuses_prefill(model) and not (in_flight_ok and bedrock_ids(last, "toolUse")):
        yield "BR-PREFILL", n, f"{model} must end with a user message"
    is_claude = model is None or "claude" in model
    text = blocks[-1].get("text") if blocks else None
    if is_claude and isinstance(text, str) and text != text.rstrip():
        yield "BR-TRAIL-WS", n, "the final assistant text ends in white space"
    if is_claude and blocks and "reasoningContent" in blocks[-1]:
        yield "BR-END-THINK", n, "the final assistant message ends in a thought"
