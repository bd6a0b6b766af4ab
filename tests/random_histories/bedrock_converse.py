"""Random histories of Bedrock Converse."""

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


def bedrock_add(dice: Dice, chat: list[dict], role: str, blocks: list[dict]) -> None:
    """Append a message; two of one role are merged, if that is not the fault."""
    same = chat and chat[-1]["role"] == role and chat[-1]["content"]
    if same and not dice.fault(0.6):
        chat[-1]["content"] += blocks
    else:
        chat.append({"role": role, "content": blocks})


def bedrock_user(dice: Dice) -> list[dict]:
    fault = dice.fault_of(("empty", "blank", "document", "mark only", "two keys"), 0.6)
    if fault == "empty":
        return []
    if fault == "blank":
        return [{"text": dice.pick(BLANKS)}]
    if fault == "mark only":
        return [{"cachePoint": {"type": "default"}}]
    if fault == "two keys":
        return [{"text": dice.pick(QUESTIONS), "cachePoint": {"type": "default"}}]
    form = "txt" if dice.fault(1.5) else "pdf"
    document = {"document": {"name": "notes", "format": form, "source": {"bytes": PIXEL}}}
    if fault == "document":
        return [document]
    blocks: list[dict] = [{"text": dice.pick(QUESTIONS)}]
    if dice.chance(0.2):
        image = {"image": {"format": "png", "source": {"bytes": PIXEL}}}
        blocks.append(dice.pick((image, document, {"crystalBall": {"vision": "fog"}})))
    return blocks


def bedrock_thoughts(dice: Dice, share: float) -> list[dict]:
    if not dice.chance(share):
        return []
    thought = {"reasoningText": {"text": "Let me see.", "signature": "Eq1"}}
    blocks = [{"reasoningContent": dice.pick((thought, thought, {"redactedContent": "RW1w"}))}]
    if dice.fault(0.4):
        blocks.append({"cachePoint": {"type": "default"}})
    return blocks


def bedrock_result(dice: Dice, name: str) -> dict:
    content = dice.pick(([{"text": dice.pick(OUTPUTS)}], [{"json": {"rows": [1]}}]))
    result = {"toolUseId": name, "content": content}
    if dice.chance(0.2):
        result["status"] = dice.pick(("success", "error"))
    return {"toolResult": result}


def bedrock_call_turn(dice: Dice, chat: list[dict]) -> None:
    ids = dice.ids("tooluse_")
    kind = dice.fault_of((*RESULT_FAULTS, "text first", "bad id", "old id", "twin id"), 1.6)
    if kind == "bad id":
        ids[0] = dice.pick(("call_1|fc_2", "a b", "x" * 70))
    elif kind == "old id":
        ids[0] = dice.old_id("tooluse_")
    elif kind == "twin id":
        ids.append(ids[0])
    uses = [
        {"toolUse": {"toolUseId": name, "name": dice.pick(TOOLS), "input": {"path": "a.py"}}}
        for name in ids
    ]
    before = [{"text": dice.pick(ANSWERS)}] if dice.chance(0.4) else []
    given = place_results(dice, kind, list(dict.fromkeys(ids)), "tooluse_")
    results = [bedrock_result(dice, name) for name in given]
    note = {"text": dice.pick(NOTES)}
    late = [bedrock_result(dice, ids[0])]
    if kind == "before":
        bedrock_add(dice, chat, "user", late)
    bedrock_add(dice, chat, "assistant", [*bedrock_thoughts(dice, 0.3), *before, *uses])
    if kind == "before":
        return
    if kind == "late":
        chat += [
            {"role": "user", "content": [note]},
            {"role": "assistant", "content": [{"text": "Still waiting."}]},
            {"role": "user", "content": late},
        ]
    elif kind == "note between":
        chat += [{"role": "user", "content": [note]}, {"role": "user", "content": results}]
    elif kind == "split":
        rest = results[1:] or late
        chat += [{"role": "user", "content": results[:1]}, {"role": "user", "content": rest}]
    elif kind == "text first":
        chat.append({"role": "user", "content": [note, *results]})
    else:
        behind = [note] if dice.chance(0.25) or not results else []
        bedrock_add(dice, chat, "user", [*results, *behind])


def bedrock_history(rng: random.Random, size: int) -> list[dict]:
    dice = Dice(rng, 0.3, 0.12)
    chat: list[dict] = []
    if dice.fault(0.5):
        chat.append(
            {
                "role": dice.pick(("system", "assistant")),
                "content": [{"text": dice.pick(SYSTEMS)}],
            }
        )
    bedrock_add(dice, chat, "user", bedrock_user(dice))
    for _ in range(size * 3):
        if len(chat) >= size:
            break
        step = dice.number(0, 9)
        if step <= 2:
            bedrock_add(dice, chat, "user", bedrock_user(dice))
        elif step <= 4:
            said = [*bedrock_thoughts(dice, 0.2), {"text": dice.pick(ANSWERS)}]
            bedrock_add(dice, chat, "assistant", said)
        elif step <= 8:
            bedrock_call_turn(dice, chat)
        elif dice.fault():
            bedrock_add(dice, chat, "user", [bedrock_result(dice, dice.old_id("tooluse_"))])
    if dice.chance(0.15):
        ids = dice.ids("tooluse_")
        uses = [{"toolUse": {"toolUseId": name, "name": "search", "input": {}}} for name in ids]
        bedrock_add(dice, chat, "assistant", uses)
        if ids[1:]:
            chat.append({"role": "user", "content": [bedrock_result(dice, n) for n in ids[1:]]})
    else:
        fault = dice.fault_of(("white space", "thought", "blank"))
        if fault:
            last = {
                "white space": [{"text": "Title: "}],
                "thought": [{"text": "So."}, {"reasoningContent": {"redactedContent": "RW1w"}}],
                "blank": [{"text": " "}],
            }[fault]
            bedrock_add(dice, chat, "assistant", last)
    bedrock_points(dice, chat)
    return chat


def bedrock_points(dice: Dice, chat: list[dict]) -> None:
    """Close some user messages with a cachePoint, more than four where that is the fault."""
    asked = [message for message in chat if message["role"] == "user" and message["content"]]
    there = sum("cachePoint" in block for message in chat for block in message["content"])
    count = dice.number(5, 7) if dice.fault() else dice.pick((0, 0, 1, 2, 4)) - there
    for message in dice.shuffled(asked)[: max(count, 0)]:
        message["content"].append({"cachePoint": {"type": "default"}})
