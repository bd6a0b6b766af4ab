"""Server-sent events as bytes: each is passed on as it came, or with other data.

Libraries decode events and drop their bytes; a relay that has to be exact needs both. So the bytes
are cut at blank lines, and of each event only the data are read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Frame:
    """One event.

    Attributes:
        raw: its bytes, with the blank line at its end.
        event: its data as JSON; None if they are no JSON object, as in a comment.
        done: whether it is OpenAI's last, `[DONE]`.
    """

    raw: bytes
    event: dict[str, Any] | None = None
    done: bool = False

    def with_event(self, event: dict[str, Any]) -> bytes:
        """Return the bytes with other data; the event's name and its other fields stay."""
        end = b"\r\n" if b"\r\n" in self.raw else b"\n"
        lines = [x for x in self.raw.splitlines() if x and not x.startswith(b"data:")]
        return end.join([*lines, b"data: " + json_bytes(event), b"", b""])


class Frames:
    """Cuts a stream into its events, wherever its parts begin and end.

    Args:
        most: bytes of one event that are held.
    """

    def __init__(self, most: int) -> None:
        self._held, self._most = bytearray(), most

    @property
    def too_long(self) -> bool:
        """Whether more is held of an event than may be."""
        return len(self._held) > self._most

    def feed(self, part: bytes) -> list[Frame]:
        """Return the events that end with this part."""
        start = max(0, len(self._held) - 3)  # a blank line may have begun in the part before
        self._held += part
        made, end = [], 0
        for blank in _BLANK.finditer(self._held, start):
            made.append(read_frame(bytes(self._held[end : blank.end()])))
            end = blank.end()
        del self._held[:end]
        return made

    def rest(self) -> bytes:
        """Return what came after the last blank line, which is forgotten."""
        rest = bytes(self._held)
        self._held.clear()
        return rest


def read_frame(raw: bytes) -> Frame:
    """Return an event from its bytes."""
    data = b"\n".join(
        line[5:].removeprefix(b" ") for line in raw.splitlines() if line.startswith(b"data:")
    )
    if data[:1] != b"{":
        return Frame(raw, done=data == _DONE)
    try:
        event = json.loads(data)
    except ValueError:
        return Frame(raw)
    return Frame(raw, event)


def named_frame(event: dict[str, Any], name: str = "") -> bytes:
    """Return the bytes of a new event."""
    head = b"event: %s\n" % name.encode() if name else b""
    return head + b"data: " + json_bytes(event) + b"\n\n"


def json_bytes(value: Any) -> bytes:
    """Return compact JSON; where a text has half of a surrogate pair, as deltas may, in ASCII."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
