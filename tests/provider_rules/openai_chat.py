"""Rules of OpenAI Chat Completions."""

from __future__ import annotations

from .common import MAX_OPENAI_ID, Found, repeated

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
