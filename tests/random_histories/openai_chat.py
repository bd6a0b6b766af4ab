"""Random histories of OpenAI Chat Completions."""

from __future__ import annotations

import random

from .common import (
    ANSWERS,
    BLANKS,
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


def openai_user(dice: Dice) -> dict:
    if dice.chance(0.75):
        return {"role": "user", "content": dice.pick(QUESTIONS)}
    extra = dice.pick(
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "hologram", "hologram": {"id": "h1"}},
        )
    )
    return {"role": "user", "content": [{"type": "text", "text": dice.pick(QUESTIONS)}, extra]}


def openai_answer(dice: Dice) -> dict:
    content: object = dice.pick(ANSWERS)
    if dice.chance(0.15):
        content = dice.pick(BLANKS)
    elif dice.chance(0.15):
        content = [{"type": "text", "text": content}]
    message = {"role": "assistant", "content": content}
    fault = dice.fault_of(("empty calls", "null", "empty parts", "role"), 0.7)
    if fault == "empty calls":
        message["tool_calls"] = []
    elif fault == "null":
        message["content"] = None
    elif fault == "empty parts":
        message["content"] = []
    elif fault == "role":
        message["role"] = dice.pick(("model", "ai", "bot"))
    return message


def openai_call_turn(dice: Dice) -> list[dict]:
    ids = dice.ids("call_")
    kind = dice.fault_of((*RESULT_FAULTS, "long id", "twin id"), 1.6)
    if kind == "long id":
        ids[0] = "call_" + "x" * dice.number(60, 90)
    elif kind == "twin id":
        ids.append(ids[0])
    elif dice.chance(0.1):
        ids[0] = dice.old_id("call_") if len(ids) == 1 else ids[0]
    calls = [
        {
            "id": name,
            "type": "function",
            "function": {"name": dice.pick(TOOLS), "arguments": '{"path": "a.py"}'},
        }
        for name in ids
    ]
    ask = {
        "role": "assistant",
        "tool_calls": calls,
        "content": dice.pick((None, "", *ANSWERS)),
    }
    given = place_results(dice, kind, list(dict.fromkeys(ids)), "call_")
    results = [
        {"role": "tool", "tool_call_id": name, "content": dice.pick((*OUTPUTS, ""))}
        for name in given
    ]
    note = {"role": dice.pick(("user", "system")), "content": dice.pick(NOTES)}
    late = {"role": "tool", "tool_call_id": ids[0], "content": dice.pick(OUTPUTS)}
    if kind == "late":
        return [ask, note, late]
    if kind == "before":
        return [late, ask]
    if kind == "note between":
        return [ask, note, *results]
    if kind == "split":
        return [ask, *results[:1], note, *results[1:], *([late] if len(results) == 1 else [])]
    behind = [note] if dice.chance(0.2) else []
    return [ask, *results, *behind]


def openai_legacy_turn(dice: Dice) -> list[dict]:
    name = dice.pick(TOOLS)
    ask = {
        "role": "assistant",
        "content": None,
        "function_call": {"name": name, "arguments": "{}"},
    }
    result = {"role": "function", "name": name, "content": dice.pick(OUTPUTS)}
    fault = dice.fault_of(("no name", "user calls"))
    if fault == "no name":
        del result["name"]
    elif fault == "user calls":
        ask = {**ask, "role": "user", "content": "call it"}
    return [ask, result] if dice.chance(0.85) else [ask]


def openai_history(rng: random.Random, size: int) -> list[dict]:
    dice = Dice(rng, 0.18, 0.2)
    chat = [
        {"role": dice.pick(("system", "system", "developer")), "content": dice.pick(SYSTEMS)}
        for _ in range(dice.pick((0, 1, 1, 1, 2)))
    ]
    if dice.chance(0.1):
        chat.append(openai_answer(dice))
    while len(chat) < size:
        step = dice.number(0, 11)
        if step <= 2:
            chat.append(openai_user(dice))
        elif step <= 4:
            chat.append(openai_answer(dice))
        elif step <= 8:
            chat += openai_call_turn(dice)
        elif step == 9 and dice.chance(0.4):
            chat += openai_legacy_turn(dice)
        elif step == 10 and dice.chance(0.4):
            chat.append({"role": "system", "content": dice.pick(NOTES + BLANKS)})
        elif dice.fault():
            stale = dice.old_id("call_")
            chat.append({"role": "tool", "tool_call_id": stale, "content": dice.pick(OUTPUTS)})
    if dice.chance(0.15):
        ids = dice.ids("call_")
        calls = [
            {"id": name, "type": "function", "function": {"name": "search", "arguments": "{}"}}
            for name in ids
        ]
        chat.append({"role": "assistant", "content": None, "tool_calls": calls})
        chat += [{"role": "tool", "tool_call_id": name, "content": "ok"} for name in ids[1:]]
    return chat
