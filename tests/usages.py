"""Recorded usages of requests, and the arguments with which they are counted.

`python tests/usages.py` prints the residuals by provider and kind.
"""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import ctxmem

USAGES = json.loads((Path(__file__).parent / "data" / "usages.json").read_text(encoding="utf-8"))


def png(wide, high):
    """Return the beginning of a PNG of this size, as base64."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", wide, high)
    return base64.b64encode(head).decode()


def wav(seconds):
    """Return a WAV of this duration, as base64."""
    data = bytes(8000 * seconds)
    head = struct.pack("<4sI4s4sIHHII", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000)
    return base64.b64encode(head + struct.pack("<HH4sI", 1, 8, b"data", len(data)) + data).decode()


def mp4(seconds):
    """Return the headers of an MP4 of this duration, as base64."""
    movie = struct.pack(">I4sIIIII", 108, b"mvhd", 0, 0, 0, 1000, 1000 * seconds)
    return base64.b64encode(struct.pack(">I4s4s", 12, b"ftyp", b"mp42") + movie).decode()


def pdf(pages):
    """Return a PDF that shows this many pages, as base64."""
    return base64.b64encode(
        b"%PDF-1.4\n" + b"<</Type /Page>>\n" * pages + b"<</Type /Pages>>"
    ).decode()


def restored(value):
    """Return a request with media of the recorded size in place of what was taken out."""
    if isinstance(value, dict):
        return {key: restored(one) for key, one in value.items()}
    if isinstance(value, list):
        return [restored(one) for one in value]
    if isinstance(value, str) and "<image " in value:
        before, _, told = value.partition("<image ")
        wide, high = told.rstrip(">").split("x")
        return before + png(int(wide), int(high))
    return value


def counter_of(entry):
    """Return the name of the counter for a model."""
    if entry["provider"] not in ("openai", "responses"):
        return "gemini" if entry["provider"] == "gemini" else "claude"
    old = entry["model"].startswith(("gpt-4-", "gpt-3.5")) or entry["model"] == "gpt-4"
    return "cl100k_base" if old else "o200k_base"


def arguments_of(entry):
    """Return the messages of a request, and the options that belong to them."""
    request = restored(entry["request"])
    provider = entry["provider"]
    config = request.get("generationConfig") or {}
    system = request.get("system") or request.get("systemInstruction")
    system = system or request.get("system_instruction")
    if provider == "openai":
        messages = request["messages"]
        options = {"response_format": request.get("response_format")}
    elif provider == "responses":
        messages = request["input"]
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        if request.get("instructions"):
            system = request["instructions"]
        options = {"response_format": request.get("text")}
    elif provider == "gemini":
        messages = request["contents"]
        system = {"role": "system", "parts": system["parts"]} if system else None
        schema = config.get("responseSchema") or config.get("responseJsonSchema")
        options = {"response_format": schema}
    else:
        messages = request["messages"]
        told = request.get("output_config") or {"format": request.get("output_format")}
        options = {"response_format": told if told.get("format") else None}
    if system:
        messages = [
            system if "parts" in system else {"role": "system", "content": system},
            *messages,
        ]
    choice = request.get("tool_choice")
    tools = request.get("tools")
    if "toolConfig" in request and provider == "bedrock":
        tools = request["toolConfig"].get("tools")
        choice = request["toolConfig"].get("toolChoice")
    return messages, {**options, "tools": tools or None, "tool_choice": choice}


def component_tokens(entry, model):
    """Return what a documented part of a request costs: an image, sound, a page, a tool prompt."""
    given, provider = entry["request"], entry["provider"]
    kind, about = next(iter(given.items()))
    options = {"provider": provider, "model": model}

    def cost(block, role="user"):
        empty = ctxmem.count_messages([{"role": role, "content": []}], len, **options)
        return ctxmem.count_messages([{"role": role, "content": [block]}], len, **options) - empty

    if kind == "tool_system_prompt":
        plain = ctxmem.count_messages([], len, **options)
        tools = {"tools": [{}], "tool_choice": {"type": about["tool_choice"]}}
        return ctxmem.count_messages([], len, **tools, **options) - plain - len("{}") - 16
    high = {"media_resolution": about.get("media_resolution")} if kind in ("video", "pdf") else {}
    if kind == "image":
        size = (about.get("width", 3000), about.get("height", 3000))
        block = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png(*size)}"}}
        if "detail" in about:
            block["image_url"]["detail"] = about["detail"]
        if "media_resolution" in about:
            block["media_resolution"] = about["media_resolution"]
        return cost(block)
    if kind == "audio":
        block = {"type": "input_audio", "input_audio": {"data": wav(about["seconds"])}}
        return cost(block, about.get("role", "user"))
    if kind == "video":
        seconds = about.get("seconds") or about["frames"]
        return cost({"inlineData": {"mimeType": "video/mp4", "data": mp4(seconds)}, **high})
    return cost(
        {"inlineData": {"mimeType": "application/pdf", "data": pdf(about["pages"])}, **high}
    )


def counted(entry, *, named=True):
    """Return the count of an entry; without the model's name if it is not `named`."""
    model = entry["model"] if named else None
    if entry.get("component"):
        return component_tokens(entry, model)
    messages, options = arguments_of(entry)
    return ctxmem.count_messages(
        messages, counter_of(entry), provider=entry["provider"], model=model, **options
    )


def main():
    """Print what counts are above recorded usages, by provider and kind."""
    groups = {}
    for entry in USAGES:
        groups.setdefault((entry["provider"], entry["kind"]), []).append(entry)
    print("| provider | kind | n | below | exact claimed | of these within 5 % | residuals |")
    print("|---|---|---|---|---|---|---|")
    for (provider, kind), entries in sorted(groups.items()):
        more = [counted(entry) - entry["tokens"] for entry in entries]
        claims = [
            abs(over) <= max(2, entry["tokens"] * 0.05)
            for over, entry in zip(more, entries, strict=True)
            if entry["exact"]
        ]
        below = sum(over < 0 for over in more)
        shown = f"{min(more)} to {max(more)}"
        row = (provider, kind, len(more), below, len(claims), sum(claims), shown)
        print("|", " | ".join(map(str, row)), "|")


if __name__ == "__main__":
    main()
