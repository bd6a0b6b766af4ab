"""Random Gemini contents."""

from __future__ import annotations

import random

from .common import ANSWERS, BLANKS, NOTES, PIXEL, QUESTIONS, RESULT_FAULTS, TOOLS, Dice


def gemini_user(dice: Dice) -> dict:
    fault = dice.fault_of(("no parts", "no data", "role", "signature only", "empty text"), 0.7)
    if fault == "no parts":
        return {"role": "user", "parts": []}
    if fault == "no data":
        return {"role": "user", "parts": [{"text": dice.pick(QUESTIONS)}, {}]}
    if fault == "role":
        return {"role": dice.pick(("system", "assistant", "tool")), "parts": [{"text": "x"}]}
    if fault == "signature only":
        return {"role": "model", "parts": [{"thoughtSignature": "sig"}]}
    if fault == "empty text":
        return {"role": "user", "parts": [{"text": ""}, *([{"text": "go on"}] * dice.number(0, 1))]}
    parts: list[dict] = [{"text": dice.pick(QUESTIONS + BLANKS[1:])}]
    if dice.chance(0.2):
        parts.append(
            dice.pick(
                (
                    {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
                    {"fileData": {"mimeType": "application/pdf", "fileUri": "files/1"}},
                    {"crystalBall": {"vision": "fog"}},
                )
            )
        )
    return {"role": "user", "parts": parts}


def gemini_answer(dice: Dice) -> dict:
    parts: list[dict] = []
    if dice.chance(0.2):
        parts.append({"text": "Let me see.", "thought": True})
    parts.append({"text": dice.pick(ANSWERS)})
    if dice.chance(0.15):
        parts += [
            {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        ]
    if dice.chance(0.2):
        parts.append({"text": "", "thoughtSignature": f"sig{dice.number(0, 99)}"})
    return {"role": "model", "parts": parts}


def gemini_response(name: str, call_id: str) -> dict:
    response: dict = {"name": name, "response": {"result": "ok"}}
    if call_id:
        response["id"] = call_id
    return {"functionResponse": response}


def gemini_call_turn(dice: Dice, chat: list[dict]) -> None:
    count = dice.pick((1, 1, 1, 2, 2, 3))
    names = [dice.pick(TOOLS) for _ in range(count)]
    with_ids = dice.chance(0.4)
    ids = [dice.new_id("fc-") if with_ids else "" for _ in names]
    kind = dice.fault_of((*RESULT_FAULTS, "behind model"), 1.5)
    if not chat or chat[-1]["role"] not in ("user", "function") or "parts" not in chat[-1]:
        chat.append(gemini_answer(dice) if kind == "behind model" else gemini_user(dice))
    calls = []
    for n, name in enumerate(names):
        call: dict = {"name": name, "args": {"path": "a.py"}}
        if ids[n]:
            call["id"] = ids[n]
        calls.append({"functionCall": call})
        if n == 0 and dice.chance(0.7):
            calls[0]["thoughtSignature"] = f"sig{dice.number(0, 99)}"
    before = [{"text": dice.pick(ANSWERS)}] if dice.chance(0.2) else []
    ask = {"role": "model", "parts": before + calls}
    pairs = [gemini_response(name, call_id) for name, call_id in zip(names, ids, strict=True)]
    again = gemini_response(names[0], ids[0])
    late = {"role": "user", "parts": [again]}
    role = dice.pick(("user", "user", "user", "function"))
    note = {"text": dice.pick(NOTES)}
    if kind == "missing":
        pairs.pop()
    elif kind == "all missing":
        pairs = []
    elif kind in ("stale", "twice"):
        pairs.append(gemini_response(dice.pick(TOOLS), "") if kind == "stale" else again)
    if kind == "late":
        chat += [ask, {"role": "user", "parts": [note]}, late]
    elif kind == "before":
        chat += [late, ask]
    elif kind == "split":
        rest = pairs[1:] or [again]
        chat += [ask, {"role": role, "parts": pairs[:1]}, {"role": role, "parts": rest}]
    elif kind == "note between":
        chat += [ask, {"role": "user", "parts": [note]}, {"role": role, "parts": pairs}]
    elif kind == "behind model":
        chat += [gemini_answer(dice), ask, {"role": role, "parts": pairs}]
    else:
        behind = [note] if dice.chance(0.15) or not pairs else []
        chat += [ask, {"role": role, "parts": pairs + behind}]


def gemini_history(rng: random.Random, size: int) -> list[dict]:
    dice = Dice(rng, 0.24, 0.18)
    chat = [gemini_answer(dice)] if dice.fault(0.4) else [gemini_user(dice)]
    while len(chat) < size:
        step = dice.number(0, 9)
        if step <= 2:
            chat.append(gemini_user(dice))
        elif step <= 4:
            chat.append(gemini_answer(dice))
        elif step <= 8:
            gemini_call_turn(dice, chat)
        elif dice.fault():
            chat.append({"role": "user", "parts": [gemini_response(dice.pick(TOOLS), "")]})
    if dice.chance(0.15):
        if chat[-1]["role"] == "model":
            chat.append(gemini_user(dice))
        names = [dice.pick(TOOLS) for _ in range(dice.number(1, 3))]
        calls = [{"functionCall": {"name": name, "args": {}}} for name in names]
        chat.append({"role": "model", "parts": calls})
        if len(names) > 1 and dice.chance(0.5):
            chat.append({"role": "user", "parts": [gemini_response(names[0], "")]})
    return chat
