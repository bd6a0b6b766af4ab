"""What all clients ask."""

from __future__ import annotations

CHAT_MODEL, RESPONSES_MODEL, CLAUDE = "gpt-4o-mini", "gpt-5", "claude-sonnet-5"
QUESTION = "Where does the sun shine?"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAAC"  # the beginning of one of 2 x 2 pixels


def weather(city: str) -> str:
    """Say the weather of a city."""
    return f"{city}: sunny"
