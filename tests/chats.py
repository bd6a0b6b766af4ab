"""Chats for tests: made by hand, made at random, and looked at by a walk of their own."""

from __future__ import annotations

WORDS = "notice period thirty days 契約 срок 🚀 {} [] \n\n the of amendment 2025 </doc>".split(" ")


def call(key, name="look_up", arguments="{}"):
    return {"id": key, "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant(content, *keys):
    message = {"role": "assistant", "content": content}
    return {**message, "tool_calls": [call(key) for key in keys]} if keys else message


def result(key, content="found"):
    return {"role": "tool", "tool_call_id": key, "content": content}


def user(content):
    return {"role": "user", "content": content}


def say(role, content, **more):
    return {"role": role, "content": content, **more}


def random_chat(rng, size):
    """Return OpenAI messages with calls, results late, missing, twice and out of nowhere."""
    chat = [{"role": "system", "content": "You help."}] if rng.random() < 0.7 else []
    pending = []
    for i in range(size):
        text = " ".join(rng.choices(WORDS, k=rng.randrange(40)))
        what = rng.random()
        if what < 0.3:
            chat.append(user(text or "?"))
        elif what < 0.5:
            chat.append(assistant(text or "!"))
        else:
            keys = [f"c{rng.randrange(6)}" if rng.random() < 0.2 else f"c{i}_{k}" for k in range(3)]
            keys = list(dict.fromkeys(keys))[: rng.randrange(1, 4)]
            chat.append(assistant(None, *keys))
            for key in keys:
                if rng.random() < 0.9:
                    chat.append(result(key, text))
                elif rng.random() < 0.7:
                    pending.append(result(key, text))
        if pending and rng.random() < 0.3:
            chat.append(pending.pop())
        if rng.random() < 0.05:
            chat.append(result(f"nowhere{i}", text))
    return chat


def random_anthropic(rng, size):
    chat = []
    for i in range(size):
        keys = [f"t{i}_{k}" for k in range(rng.randrange(3))]
        blocks = [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}] * (i % 2)
        blocks += [{"type": "tool_use", "id": key, "name": "f", "input": {"i": i}} for key in keys]
        if not keys or rng.random() < 0.5:
            blocks.append({"type": "text", "text": " ".join(rng.choices(WORDS, k=9)) + "."})
        answered = [key for key in keys if rng.random() < 0.9]
        if rng.random() < 0.05:
            answered.append(f"nowhere{i}")
        chat.append(user("word " * rng.randrange(1, 30)))
        chat.append({"role": "assistant", "content": blocks})
        if answered:
            results = [{"type": "tool_result", "tool_use_id": key} for key in answered]
            if rng.random() < 0.3:
                results.append({"type": "text", "text": "And then?"})
            chat.append({"role": "user", "content": results})
    return chat


def no_half_pairs(chat):
    """Say by a walk of its own that every result follows its call, and every call is answered."""
    waiting = set()
    for message in chat:
        content = message["content"] if isinstance(message["content"], list) else []
        answers = {b["tool_use_id"] for b in content if b["type"] == "tool_result"}
        answers |= {message["tool_call_id"]} if message["role"] == "tool" else set()
        if not answers <= waiting or (waiting and not answers):
            return False
        waiting -= answers
        waiting |= {b["id"] for b in content if b["type"] == "tool_use"}
        waiting |= {made["id"] for made in message.get("tool_calls", [])}
    return True  # what waits at the end is in flight


def words(text):
    return len(text.split())


def same_objects(left, right):
    return len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))
