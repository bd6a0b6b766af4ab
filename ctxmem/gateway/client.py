"""The side of the client in one request: what it asks for, and the reply that it gets (ASGI)."""

from __future__ import annotations

from concurrent.futures import Future

from starlette.types import Receive, Scope, Send

from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.http.bodies import Body
from ctxmem.gateway.http.connections import Headers
from ctxmem.gateway.http.refusals import refusal
from ctxmem.gateway.wire import family_of


class Client:
    """A client that waits for a reply."""

    __slots__ = (
        *("body", "exchange", "family", "headers", "keeps_body", "method", "path"),
        *("preparing", "raw_path", "receive", "scope", "send", "started"),
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.headers: Headers = scope["headers"]
        self.path: str = scope["path"]
        self.raw_path: bytes = scope.get("raw_path") or self.path.encode()
        self.method: str = scope["method"]
        self.family = family_of(self.path, self.headers)
        self.body: Body | None = None
        self.exchange: Exchange | None = None
        self.preparing: Future[bytes | None] | None = None
        self.started = False
        self.keeps_body = False

    @property
    def gone(self) -> bool:
        """Whether the client left."""
        return self.body is not None and self.body.client_gone

    def header(self, name: bytes) -> str:
        """Return the first value of a header, "" if there is none."""
        for given, value in self.headers:
            if given == name:
                return value.decode("latin-1")
        return ""

    async def refuse(self, status: int, said: str) -> None:
        """Answer with an error of the gateway."""
        headers, body = refusal(self.family, status, said)
        await self.begin(status, headers)
        await self.write(body, last=True)

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the head of the reply."""
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, part: bytes, *, last: bool) -> None:
        """Send a part of its body."""
        if last:
            self.done()  # the end of a reply looks like the client's leaving
        message = {"type": "http.response.body", "body": part, "more_body": not last}
        await self.send(message)

    def done(self) -> None:
        """Watch the client no longer, and let its body go unless it is still read."""
        if self.body is not None:
            self.body.done()


def leaves(raw_path: bytes) -> bool:
    """Whether a path has a segment `..`, however it is written: it could leave the upstream's."""
    if b".." not in raw_path and b"%" not in raw_path:
        return False
    plain = raw_path.lower().replace(b"%2e", b".").replace(b"%2f", b"/").replace(b"%5c", b"/")
    return b".." in plain.replace(b"\\", b"/").split(b"/")
