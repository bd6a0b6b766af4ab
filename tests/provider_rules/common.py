"""What the rules of several providers need: blocks, models, forms of ids."""

from __future__ import annotations

import re
from collections.abc import Iterator

Found = Iterator[tuple[str, int, str]]

ANTHROPIC_ID = re.compile(r"[a-zA-Z0-9_-]+")
SERVER_ID = re.compile(r"srvtoolu_[a-zA-Z0-9_]+")
BEDROCK_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
MAX_OPENAI_ID = 64
MAX_CACHE_MARKS = 4


def blocks_of(message: dict) -> list[dict]:
    """The content blocks of a message; none for plain text or missing content."""
    content = message.get("content")
    if not isinstance(content, list):
        return []
    return [block for block in content if isinstance(block, dict)]


def is_blank(text: object) -> bool:
    return isinstance(text, str) and not text.strip()


def repeated(values: list) -> list:
    """The values that were there before, once per repetition, in order."""
    seen: list = []
    again = []
    for value in values:
        if value in seen:
            again.append(value)
        seen.append(value)
    return again


def claude_version(model: str | None) -> tuple[str, int, int] | None:
    """Family, major and minor version of a Claude model of generation 4 or later."""
    match = re.search(
        r"(opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?!\d)(?:[.-](\d{1,2})(?!\d))?", model or ""
    )
    return (match[1], int(match[2]), int(match[3] or 0)) if match else None


def refuses_prefill(model: str | None) -> bool:
    """Whether the conversation must end with a user message on this model."""
    if model and "mythos-preview" in model:
        return True
    version = claude_version(model)
    return version is not None and version[1:] >= (4, 6)


def takes_system_inside(model: str | None) -> bool:
    """Whether the model knows the system role in the middle; an unknown model may."""
    if model is None:
        return True
    version = claude_version(model)
    if version is None:
        return False
    family, major, minor = version
    return major >= 5 or (family == "opus" and (major, minor) >= (4, 8))


def refuses_model_end(model: str | None) -> bool:
    """Whether this Gemini model is known to refuse contents that end with a model turn."""
    match = re.search(r"gemini-(\d+)(?:\.(\d+))?", model or "")
    if match is None:
        return False
    version = (int(match[1]), int(match[2] or 0))
    return version >= (3, 6) or (version == (3, 5) and "flash-lite" in model)
