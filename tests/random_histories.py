"""Random agent histories in each provider's own JSON shape, many of them broken on purpose.

``random_history(rng, provider, size)`` is seeded by ``rng`` only. A share of the histories is drawn
without any fault, the others break one or a few rules in the ways real agents do: cancelled calls,
late, lost, stale and repeated results, notes in the wrong place, thoughts that lead nowhere.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

TOOLS = ("read_file", "search", "run_tests", "get_weather", "edit")
QUESTIONS = (
    "Please mend the failing test of the parser.",
    "What is the weather in Oslo?",
    "hi",
    "Why is the build so slow?",
    "Vielen Dank! Und jetzt die Dokumentation.",
    "続けてください",
    "ok 👍",
)
ANSWERS = (
    "Done.",
    "The test passes now.",
    "I looked at both files; the second one is wrong.",
    "# Result\n\n- one\n- two",
    "Let me check.",
    "Es regnet in Oslo.",
)
OUTPUTS = (
    "ok",
    "def f():\n    return 1\n",
    '{"rows": [1, 2, 3]}',
    "Error: file not found",
    "12 passed",
    "line\n" * 8,
)
NOTES = (
    "<system-reminder>The list of tasks is empty.</system-reminder>",
    "<system-reminder>Files changed on disk.</system-reminder>",
    "Here it is:",
    "wait",
    "[interrupted]",
)
SYSTEMS = ("You are a careful engineer.", "Answer in one sentence.", "Today is Friday.")
BLANKS = ("", " ", "\n\n", "\t")
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Dice:
    """The random choices of one history; ``fault`` is never true in a clean one."""

    def __init__(self, rng: random.Random, clean_share: float, fault_rate: float) -> None:
        self.rng = rng
        self.clean = rng.random() < clean_share
        self.fault_rate = fault_rate
        self.used: list[str] = []

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def fault(self, weight: float = 1.0) -> bool:
        return not self.clean and self.rng.random() < self.fault_rate * weight

    def pick(self, options):
        return self.rng.choice(options)

    def number(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    def fault_of(self, options: tuple[str, ...], weight: float = 1.0) -> str:
        """One of the faults, mostly none."""
        return self.rng.choice(options) if self.fault(weight) else ""

    def new_id(self, prefix: str) -> str:
        name = f"{prefix}{self.rng.getrandbits(40):010x}"
        self.used.append(name)
        return name

    def ids(self, prefix: str, most: int = 3) -> list[str]:
        count = self.rng.choice((1, 1, 1, 2, 2, most))
        return [self.new_id(prefix) for _ in range(count)]

    def old_id(self, prefix: str) -> str:
        return self.rng.choice(self.used) if self.used else self.new_id(prefix)

    def shuffled(self, values: list) -> list:
        values = list(values)
        self.rng.shuffle(values)
        return values


def random_history(rng: random.Random, provider: str, size: int) -> list[dict]:
    """A history of about ``size`` messages, valid or broken in some places."""
    makers: dict[str, Callable[[random.Random, int], list[dict]]] = {
        "openai": openai_history,
        "responses": responses_history,
        "anthropic": anthropic_history,
        "gemini": gemini_history,
        "bedrock": bedrock_history,
    }
    return makers[provider](rng, size)


RESULT_FAULTS = (
    "missing",
    "all missing",
    "late",
    "stale",
    "twice",
    "split",
    "before",
    "note between",
)


def place_results(dice: Dice, kind: str, ids: list[str], prefix: str) -> list[str]:
    """The ids that get a result behind their call, with the fault of this kind in it."""
    given = dice.shuffled(ids) if dice.chance(0.4) else list(ids)
    if kind == "missing":
        given.pop()
    elif kind in ("all missing", "late", "before"):
        given = []
    elif kind == "stale":
        given.append(dice.old_id(prefix) if dice.chance(0.5) else dice.new_id(prefix))
    elif kind == "twice":
        given.append(dice.pick(given))
    return given


# ---------------------------------------------------------------- OpenAI Chat Completions


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


# ---------------------------------------------------------------- OpenAI Responses


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


# ---------------------------------------------------------------- Anthropic Messages


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


# ---------------------------------------------------------------- Gemini generateContent


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


# ---------------------------------------------------------------- Bedrock Converse


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


# ---------------------------------------------------------------- Vercel AI SDK UI messages

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
