"""Rules of the items of the OpenAI Responses API."""

from __future__ import annotations

from .common import MAX_OPENAI_ID, Found, blocks_of

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
