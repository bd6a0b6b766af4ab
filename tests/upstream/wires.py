"""What every wire format needs: events, and texts in the pieces in which models send them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Ids:
    """Ids of one answer: the same for the n-th call of any key, so that runs can be compared."""

    number: int

    def of(self, prefix: str, part: int = 0) -> str:
        """Return the id of a part of the answer."""
        return f"{prefix}{self.number:06d}{part:03d}".ljust(len(prefix) + 24, "0")


def compact(value: object) -> str:
    """Return JSON without spaces and with its characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def event(data: object, name: str | None = None) -> bytes:
    """Return a server-sent event."""
    head = f"event: {name}\n" if name else ""
    body = data if isinstance(data, str) else compact(data)
    return f"{head}data: {body}\n\n".encode()


def pieces(text: str) -> list[str]:
    """Return a text in words with the space before them; joined again they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def json_pieces(arguments: dict | str, size: int = 7) -> list[str]:
    """Return arguments as JSON in pieces of a few characters."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]
