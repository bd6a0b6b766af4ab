"""Rules of Gemini contents."""

from __future__ import annotations

import re

from .common import Found, refuses_model_end

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
