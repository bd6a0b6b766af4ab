"""Random UI messages of the AI SDK."""

from __future__ import annotations

import random

from .common import ANSWERS, BLANKS, OUTPUTS, PIXEL, QUESTIONS, SYSTEMS, TOOLS, Dice

UI_STATES = (
    "input-streaming",
    "input-available",
    "output-available",
    "output-available",
    "output-available",
    "output-available",
    "output-error",
    "approval-requested",
    "approval-responded",
    "output-denied",
)


def ui_tool_part(dice: Dice) -> dict:
    name, state = dice.pick(TOOLS), dice.pick(UI_STATES)
    call_id = dice.old_id("call_") if dice.fault(0.5) else dice.new_id("call_")
    if dice.chance(0.1):
        invocation = {
            "state": dice.pick(("call", "result")),
            "toolCallId": call_id,
            "toolName": name,
            "args": {},
        }
        if invocation["state"] == "result":
            invocation["result"] = dice.pick(OUTPUTS)
        return {"type": "tool-invocation", "toolInvocation": invocation}
    part: dict = {"type": f"tool-{name}", "toolCallId": call_id, "state": state, "input": {}}
    if dice.chance(0.15):
        part |= {"type": "dynamic-tool", "toolName": name}
    if state == "output-available":
        part["output"] = dice.pick((*OUTPUTS, {"rows": [1, 2]}))
    elif state == "output-error":
        part["errorText"] = "not found"
    elif state.startswith("approval") or state == "output-denied":
        part["approval"] = {"id": dice.new_id("approval_")}
        if state != "approval-requested":
            part["approval"]["approved"] = state == "approval-responded"
    if dice.chance(0.1):
        part |= {"providerExecuted": True}
    if dice.fault(0.4):
        part.pop(dice.pick(("input", "state")))
    return part


def ui_part(dice: Dice) -> dict:
    step = dice.number(0, 11)
    if step <= 3:
        return {"type": "text", "text": dice.pick(ANSWERS), "state": "done"}
    if step <= 7:
        return ui_tool_part(dice)
    if step == 8:
        return {"type": "step-start"}
    if step == 9:
        signed = {"anthropic": {"signature": "Eq1"}} if dice.chance(0.6) else {}
        return {"type": "reasoning", "text": "Let me see.", "providerMetadata": signed}
    if step == 10:
        return dice.pick(
            (
                {"type": "source-url", "sourceId": "s1", "url": "https://example.org"},
                {"type": "data-progress", "id": "d1", "data": {"done": 3}},
                {"type": "crystal-ball", "vision": "fog"},
            )
        )
    return {"type": "text", "text": dice.pick(BLANKS)}


def random_ui_history(rng: random.Random, size: int) -> list[dict]:
    """UI messages of the Vercel AI SDK with tool parts in every state."""
    dice = Dice(rng, 0.3, 0.25)
    chat: list[dict] = []
    if dice.chance(0.3):
        text = {"type": "text", "text": dice.pick(SYSTEMS)}
        chat.append({"id": dice.new_id("m"), "role": "system", "parts": [text]})
    while len(chat) < size:
        message: dict = {"id": dice.new_id("m")}
        if dice.chance(0.5):
            parts: list[dict] = [{"type": "text", "text": dice.pick(QUESTIONS)}]
            if dice.chance(0.2):
                url = "data:image/png;base64," + PIXEL
                parts.append({"type": "file", "mediaType": "image/png", "url": url})
            message |= {"role": "user", "parts": parts}
        else:
            parts = [ui_part(dice) for _ in range(dice.number(1, 5))]
            message |= {"role": "assistant", "parts": parts}
        if dice.fault(0.4):
            message["parts"] = []
        if dice.fault(0.2):
            message["role"] = dice.pick(("tool", "data", "function"))
        if dice.fault(0.2) and chat:
            message["id"] = chat[-1]["id"]
        chat.append(message)
    return chat
