"""Random items of the OpenAI Responses API."""

from __future__ import annotations

import copy
import random

from .common import (
    ANSWERS,
    NOTES,
    OUTPUTS,
    PIXEL,
    QUESTIONS,
    RESULT_FAULTS,
    SYSTEMS,
    TOOLS,
    Dice,
    place_results,
)


def responses_said(dice: Dice) -> dict:
    text = dice.pick(ANSWERS)
    if dice.chance(0.3):
        return {"role": "assistant", "content": text}
    kind = "input_text" if dice.fault(0.3) else "output_text"
    name = dice.new_id("item_" if dice.fault(0.4) else "msg_")
    return {
        "type": "message",
        "id": name,
        "role": "assistant",
        "status": "completed",
        "content": [{"type": kind, "text": text, "annotations": []}],
    }


def responses_user(dice: Dice) -> dict:
    if dice.chance(0.6):
        return {"role": "user", "content": dice.pick(QUESTIONS)}
    parts = [{"type": "input_text", "text": dice.pick(QUESTIONS)}]
    if dice.chance(0.4):
        parts.append(
            dice.pick(
                (
                    {"type": "input_image", "image_url": "data:image/png;base64," + PIXEL},
                    {"type": "input_file", "file_id": "file-1"},
                )
            )
        )
    role = dice.pick(("tool", "function")) if dice.fault(0.3) else "user"
    return {"type": "message", "role": role, "content": parts}


def responses_reasoning(dice: Dice) -> dict:
    item = {"type": "reasoning", "id": dice.new_id("rs_"), "summary": []}
    if dice.chance(0.4):
        item["encrypted_content"] = "gAAAA" + str(dice.number(1000, 9999))
    if dice.chance(0.3):
        item["summary"] = [{"type": "summary_text", "text": "Looking at the parser."}]
    if dice.fault(0.2):
        item["id"] = dice.new_id("item_")
    return item


def responses_call(dice: Dice, kind: str, call_id: str) -> dict:
    item = {"type": kind, "call_id": call_id, "status": "completed"}
    if kind == "function_call":
        item |= {"name": dice.pick(TOOLS), "arguments": '{"path": "a.py"}'}
        if dice.chance(0.6):
            item["id"] = dice.new_id("item_" if dice.fault(0.2) else "fc_")
    elif kind == "custom_tool_call":
        item |= {"name": "patch", "input": "*** Begin Patch", "id": dice.new_id("ctc_")}
    elif kind == "computer_call":
        item |= {"id": dice.new_id("cu_"), "action": {"type": "screenshot"}}
        item["pending_safety_checks"] = []
    elif kind == "apply_patch_call":
        item |= {"id": dice.new_id("apc_"), "operation": {"type": "delete_file", "path": "a"}}
    else:
        item |= {"id": dice.new_id("sh_"), "action": {"type": "exec", "command": ["ls"]}}
    return item


def responses_output(dice: Dice, kind: str, call_id: str) -> dict:
    if kind == "computer_call":
        shot = {"type": "computer_screenshot", "image_url": "data:image/png;base64," + PIXEL}
        return {"type": "computer_call_output", "call_id": call_id, "output": shot}
    if kind == "local_shell_call" and dice.chance(0.5):
        return {"type": "local_shell_call_output", "id": call_id, "output": dice.pick(OUTPUTS)}
    return {"type": kind + "_output", "call_id": call_id, "output": dice.pick(OUTPUTS)}


RESPONSES_CALLS = (
    "function_call",
    "function_call",
    "function_call",
    "function_call",
    "custom_tool_call",
    "local_shell_call",
    "shell_call",
    "apply_patch_call",
    "computer_call",
)


def responses_call_turn(dice: Dice) -> list[dict]:
    fault = dice.fault_of((*RESULT_FAULTS, "long id", "other kind"), 1.4)
    kind = dice.pick(RESPONSES_CALLS)
    ids = dice.ids("call_")
    if fault == "long id":
        ids[0] = "call_" + "x" * dice.number(60, 90)
    calls = [responses_call(dice, kind, name) for name in ids]
    given = place_results(dice, fault, ids, "call_")
    outputs = [responses_output(dice, kind, name) for name in given]
    if fault == "other kind":
        other = "custom_tool_call" if kind != "custom_tool_call" else "function_call"
        outputs[0] = responses_output(dice, other, given[0])
    before = [responses_reasoning(dice)] if dice.chance(0.4) else []
    note = {"role": dice.pick(("user", "developer")), "content": dice.pick(NOTES)}
    late = responses_output(dice, kind, ids[0])
    if fault == "late":
        return [*before, *calls, note, late]
    if fault == "before":
        return [late, *before, *calls]
    if fault == "split":
        return [*before, *calls, *outputs[:1], note, *outputs[1:]]
    if fault == "note between" or dice.chance(0.1):
        return [*before, *calls, note, *outputs]
    return [*before, *calls, *outputs]


def responses_hosted_turn(dice: Dice) -> list[dict]:
    """Tools that run at the provider, approvals and references."""
    step = dice.number(0, 5)
    if step == 0:
        search = {"type": "web_search_call", "id": dice.new_id("ws_"), "status": "completed"}
        return [responses_reasoning(dice), search, responses_said(dice)]
    if step == 1:
        return [
            {
                "type": "mcp_call",
                "id": dice.new_id("mcp_"),
                "server_label": "deepwiki",
                "name": "ask",
                "arguments": "{}",
                "output": dice.pick(OUTPUTS),
            }
        ]
    if step == 2:
        name = dice.new_id("mcpr_")
        request = {
            "type": "mcp_approval_request",
            "id": name,
            "server_label": "deepwiki",
            "name": "ask",
            "arguments": "{}",
        }
        reply = {"type": "mcp_approval_response", "approval_request_id": name, "approve": True}
        if dice.fault():
            return dice.pick(([request], [reply]))
        return [request, reply]
    if step == 3:
        return [{"type": "item_reference", "id": dice.new_id(dice.pick(("msg_", "fc_")))}]
    if step == 4:
        return [{"type": "image_generation_call", "id": dice.new_id("ig_"), "result": PIXEL}]
    return [{"type": "crystal_ball_call", "id": dice.new_id("cb_"), "vision": "fog"}]


def responses_history(rng: random.Random, size: int) -> list[dict]:
    dice = Dice(rng, 0.16, 0.3)
    items = [
        {"role": dice.pick(("system", "developer")), "content": dice.pick(SYSTEMS)}
        for _ in range(dice.pick((0, 1, 1)))
    ]
    while len(items) < size:
        step = dice.number(0, 11)
        if step <= 2:
            items.append(responses_user(dice))
        elif step <= 4:
            if dice.chance(0.4):
                items += [responses_reasoning(dice) for _ in range(dice.pick((1, 1, 2)))]
            items.append(responses_said(dice))
        elif step <= 7:
            items += responses_call_turn(dice)
        elif step == 8:
            items += responses_hosted_turn(dice)
        elif step == 9 and dice.chance(0.3):
            items.append({"role": "developer", "content": dice.pick(NOTES)})
        elif dice.fault():
            step = dice.number(0, 4)
            if step == 0:
                items += [responses_reasoning(dice), responses_user(dice)]
            elif step == 1:
                items.append(responses_output(dice, "function_call", dice.old_id("call_")))
            elif step == 2 and items:
                items.append(copy.deepcopy(dice.pick(items)))
            elif step == 3:
                reference = {"type": "item_reference", "id": dice.new_id("rs_")}
                items += [reference, responses_user(dice)]
            else:
                items += [
                    responses_call(dice, "function_call", dice.old_id("call_")),
                    responses_user(dice),
                ]
    if dice.chance(0.12):
        ids = dice.ids("call_")
        items += [responses_call(dice, "function_call", name) for name in ids]
        items += [responses_output(dice, "function_call", name) for name in ids[1:]]
    elif dice.fault(0.6):
        items.append(responses_reasoning(dice))
    return items
