"""Random histories of Anthropic Messages."""

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


def text_block(said: str) -> dict:
    return {"type": "text", "text": said}


def anthropic_extra(dice: Dice) -> dict:
    return dice.pick(
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
            },
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a"},
            },
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "crystal_ball", "vision": "fog"},
        )
    )


def anthropic_user(dice: Dice) -> dict:
    fault = dice.fault_of(("empty", "empty list", "blank", "blank block"), 0.5)
    if fault == "empty":
        return {"role": "user", "content": ""}
    if fault == "empty list":
        return {"role": "user", "content": []}
    if fault == "blank":
        return {"role": "user", "content": dice.pick(BLANKS[1:])}
    if fault == "blank block":
        blocks = [text_block(dice.pick(BLANKS)), text_block(dice.pick(QUESTIONS))]
        return {"role": "user", "content": dice.shuffled(blocks)}
    if dice.chance(0.5):
        return {"role": "user", "content": dice.pick(QUESTIONS)}
    blocks = [text_block(dice.pick(QUESTIONS))]
    if dice.chance(0.3):
        blocks.insert(dice.number(0, 1), anthropic_extra(dice))
    return {"role": "user", "content": blocks}


def anthropic_thoughts(dice: Dice, share: float) -> list[dict]:
    if not dice.chance(share):
        return []
    signature = f"Eq{dice.number(0, 99)}"
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": signature}
    if dice.fault(0.3):
        del thought["signature"]
    hidden = {"type": "redacted_thinking", "data": "EmwKAh"}
    return dice.pick(([thought], [thought], [hidden], [thought, hidden]))


def anthropic_answer(dice: Dice) -> dict:
    thoughts = anthropic_thoughts(dice, 0.25)
    if not thoughts and dice.chance(0.5):
        return {"role": "assistant", "content": dice.pick(ANSWERS)}
    blocks = [*thoughts, text_block(dice.pick(ANSWERS))]
    if dice.fault(0.3):
        blocks.append(text_block(dice.pick(BLANKS)))
    if dice.chance(0.05):
        blocks = anthropic_thoughts(dice, 1.0) + blocks
    return {"role": "assistant", "content": blocks}


def anthropic_use(dice: Dice, name: str) -> dict:
    return {"type": "tool_use", "id": name, "name": dice.pick(TOOLS), "input": {"path": "a.py"}}


def anthropic_result(dice: Dice, name: str) -> dict:
    block: dict = {"type": "tool_result", "tool_use_id": name}
    shape = dice.number(0, 9)
    if shape <= 5:
        block["content"] = dice.pick(OUTPUTS)
    elif shape == 6:
        block["content"] = dice.pick(("", []))
    elif shape == 7:
        said = "" if dice.fault() else "Error: not found"
        block |= {"content": said, "is_error": True}
    elif shape == 8:
        image = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        block["content"] = [text_block("a picture"), {"type": "image", "source": image}]
    return block


def anthropic_call_turn(dice: Dice) -> list[dict]:
    ids = dice.ids("toolu_")
    kind = dice.fault_of(
        (*RESULT_FAULTS, "text first", "text first", "bad id", "old id", "twin id"), 1.6
    )
    if kind == "bad id":
        ids[0] = dice.pick(("functions.read:0", "call 1", "", "a|b"))
    elif kind == "old id":
        ids[0] = dice.old_id("toolu_")
    elif kind == "twin id":
        ids.append(ids[0])
    before = [text_block(dice.pick(ANSWERS))] if dice.chance(0.4) else []
    uses = [anthropic_use(dice, name) for name in ids]
    ask = {"role": "assistant", "content": [*anthropic_thoughts(dice, 0.35), *before, *uses]}
    given = place_results(dice, kind, list(dict.fromkeys(ids)), "toolu_")
    results = [anthropic_result(dice, name) for name in given]
    note = text_block(dice.pick(NOTES))
    late = {"role": "user", "content": [anthropic_result(dice, ids[0])]}
    if kind == "late":
        return [ask, {"role": "user", "content": [note]}, late]
    if kind == "before":
        return [late, ask]
    if kind == "note between":
        return [
            ask,
            {"role": dice.pick(("user", "system")), "content": [note]},
            {"role": "user", "content": results},
        ]
    if kind == "split":
        parts = [results[:1], results[1:] or [note, anthropic_result(dice, ids[0])]]
        return [ask, *({"role": "user", "content": part} for part in parts)]
    if kind == "text first":
        return [ask, {"role": "user", "content": [note, *results]}]
    behind = [note] if dice.chance(0.3) or not results else []
    return [ask, {"role": "user", "content": [*results, *behind]}]


def anthropic_server_turn(dice: Dice) -> list[dict]:
    name = dice.new_id("srvtoolu_")
    if dice.chance(0.25):
        name = dice.new_id("mcptoolu_")
        use = {"type": "mcp_tool_use", "id": name, "name": "ask", "input": {}}
        use["server_name"] = "wiki"
        done = {"type": "mcp_tool_result", "tool_use_id": name, "content": [text_block("found")]}
    else:
        tool = dice.pick(("web_search", "web_fetch", "code_execution"))
        use = {"type": "server_tool_use", "id": name, "name": tool, "input": {"query": "x"}}
        done = {"type": tool + "_tool_result", "tool_use_id": name, "content": []}
    say, answer = text_block(dice.pick(ANSWERS)), text_block(dice.pick(ANSWERS))
    fault = dice.fault_of(("no result", "no use", "in user", "bad id", "deferred, text"), 1.5)
    if fault == "no result":
        return [{"role": "assistant", "content": [say, use]}, anthropic_user(dice)]
    if fault == "no use":
        return [{"role": "assistant", "content": [done, answer]}]
    if fault == "in user":
        return [{"role": "assistant", "content": [say, use]}, {"role": "user", "content": [done]}]
    if fault == "bad id" and use["type"] == "server_tool_use":
        use["id"] = done["tool_use_id"] = "call_" + name
    if fault == "deferred, text" or dice.chance(0.2):
        own = dice.new_id("toolu_")
        results = [anthropic_result(dice, own)]
        if fault == "deferred, text":
            results.append(text_block(dice.pick(NOTES)))
        return [
            {"role": "assistant", "content": [say, use, anthropic_use(dice, own)]},
            {"role": "user", "content": results},
            {"role": "assistant", "content": [done, answer]},
        ]
    return [{"role": "assistant", "content": [say, use, done, answer]}]


def anthropic_history(rng: random.Random, size: int) -> list[dict]:
    dice = Dice(rng, 0.28, 0.15)
    chat = [
        {"role": "system", "content": dice.pick((text, [text_block(text)]))}
        for text in SYSTEMS[: dice.pick((0, 0, 1, 1, 2))]
    ]
    chat.append(anthropic_answer(dice) if dice.fault(0.4) else anthropic_user(dice))
    while len(chat) < size:
        step = dice.number(0, 11)
        if step <= 2:
            chat.append(anthropic_user(dice))
        elif step <= 4:
            chat.append(anthropic_answer(dice))
        elif step <= 8:
            chat += anthropic_call_turn(dice)
        elif step == 9:
            chat += anthropic_server_turn(dice)
        elif step == 10 and dice.chance(0.4):
            note = {"role": "system", "content": dice.pick(NOTES)}
            chat += [anthropic_user(dice), note, anthropic_answer(dice)]
        elif dice.fault():
            chat += dice.pick(
                (
                    [{"role": "system", "content": dice.pick(NOTES)}, anthropic_user(dice)],
                    [{"role": "user", "content": [anthropic_result(dice, dice.old_id("toolu_"))]}],
                    [{"role": "assistant", "content": []}, anthropic_user(dice)],
                    [{"role": "tool", "tool_call_id": "call_1", "content": "ok"}],
                )
            )
        elif dice.chance(0.2):
            thoughts = anthropic_thoughts(dice, 1.0)
            chat += [{"role": "assistant", "content": thoughts}, anthropic_user(dice)]
    anthropic_end(dice, chat)
    anthropic_marks(dice, chat)
    return chat


def anthropic_end(dice: Dice, chat: list[dict]) -> None:
    """Close the history: in the middle of a call, with a prefill, with a dangling thought."""
    if dice.chance(0.15):
        ids = dice.ids("toolu_")
        chat.append({"role": "assistant", "content": [anthropic_use(dice, name) for name in ids]})
        if ids[1:]:
            results = [anthropic_result(dice, name) for name in ids[1:]]
            chat.append({"role": "user", "content": results})
        return
    fault = dice.fault_of(("white space", "thought", "empty text"), 1.2)
    if fault == "white space":
        said = dice.pick(("Title: ", "{\n", "Answer:\t"))
        chat.append({"role": "assistant", "content": dice.pick((said, [text_block(said)]))})
    elif fault == "thought":
        said = [text_block(dice.pick(ANSWERS))] if dice.chance(0.5) else []
        chat.append({"role": "assistant", "content": said + anthropic_thoughts(dice, 1.0)})
    elif fault == "empty text":
        chat.append({"role": "assistant", "content": [text_block("")]})
    elif dice.chance(0.08):
        chat.append({"role": "assistant", "content": dice.pick(("", []))})


def anthropic_marks(dice: Dice, chat: list[dict]) -> None:
    """Put cache marks on some blocks, more than allowed where that is the fault."""
    blocks = [
        block
        for message in chat
        if isinstance(message["content"], list)
        for block in message["content"]
    ]
    plain = [block for block in blocks if block["type"] in ("text", "tool_use", "tool_result")]
    plain = [block for block in plain if block.get("text") != ""]
    count = dice.number(5, 8) if dice.fault() else dice.pick((0, 0, 0, 1, 2, 4))
    for block in dice.shuffled(plain)[:count]:
        block["cache_control"] = {"type": "ephemeral"}
    thoughts = ("thinking", "redacted_thinking")
    others = [b for b in blocks if b["type"] in thoughts or b.get("text") == ""]
    if others and dice.fault(0.7):
        dice.pick(others)["cache_control"] = {"type": "ephemeral"}
