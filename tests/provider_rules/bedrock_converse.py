"""Rules of Bedrock Converse."""

from __future__ import annotations

from .common import (
    BEDROCK_ID,
    MAX_CACHE_MARKS,
    Found,
    blocks_of,
    is_blank,
    refuses_prefill,
    repeated,
)

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
