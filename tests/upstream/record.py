"""What came in and what went out, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Record:
    """One request and its answer.

    Attributes:
        method, path, query, headers, body: as they came; names of headers in lower case.
        decoded: the body without content-encoding.
        api: chat, responses, messages, count_tokens, models or other.
        key: the API key.
        status: of the answer; None if none was sent.
        error: what was refused.
        usage: as reported.
        sent: bytes of the answer's body.
        disconnected: the client went away before the answer was complete.
        complete: the answer was sent to its end.
    """

    method: str
    path: str
    query: str
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    decoded: bytes = b""
    api: str = "other"
    key: str | None = None
    status: int | None = None
    error: str | None = None
    usage: dict = field(default_factory=dict)
    sent: bytes = b""
    disconnected: bool = False
    complete: bool = False

    def header(self, name: str) -> str:
        """Return a header's value, or nothing."""
        values = [value for key, value in self.headers if key == name.encode()]
        return values[0].decode("latin-1") if values else ""
