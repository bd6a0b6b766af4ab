"""uvicorn's HTTP protocol with limits on the head of a request, and errors in our form."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ctxmem.gateway.http.refusals import refusal
from ctxmem.gateway.telemetry.logs import Seldom
from ctxmem.gateway.wire import family_of

log = logging.getLogger("ctxmem.gateway")

MOST_HEAD = 64 << 10
"""Bytes of a request's line and headers."""
MOST_HEADERS = 256
_HEAD_SECONDS = 60.0
"""How long a client may take for the head of a request once it began it or connected."""
_TLS = b"\x16\x03"
"""How a client begins that speaks TLS."""
_WARNED = Seldom()


class _HeadTooLarge(Exception):
    pass


class LimitedProtocol(HttpToolsProtocol):
    """Refuses heads that are too large or too slow, and those that are not HTTP."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head = 0
        self._in_head = True
        self._too_large = False
        self._speaks_tls: bool | None = None  # not known before anything came
        self._slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, on which a request has to come soon."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let a connection go."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._speaks_tls is None:
            self._speaks_tls = data.startswith(_TLS)
        if self._in_head:
            if self._slow is None:
                self._wait_for_head()
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > MOST_HEAD and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin the head of a request."""
        super().on_message_begin()
        self._fields = 0

    def on_url(self, url: bytes) -> None:
        """Read a part of the request's path."""
        super().on_url(url)
        self._check(len(self.url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header."""
        if b"\n" in value or b"\r" in value:
            raise _HeadTooLarge  # a header over several lines, which servers read differently
        self._fields += len(name) + len(value) + 4
        self._check(self._fields + len(self.url))
        super().on_header(name, value)

    def _check(self, size: int) -> None:
        if size > MOST_HEAD or len(self.headers) >= MOST_HEADERS:
            self._too_large = True
            raise _HeadTooLarge

    def on_headers_complete(self) -> None:
        """Start on a request."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take in that a request has all come."""
        super().on_message_complete()
        self._in_head, self._head = True, 0

    def _wait_for_head(self) -> None:
        self._slow = self.loop.call_later(_HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: the application answers such requests."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the form of the provider's errors where that is known."""
        status, said = 400, "this is no valid HTTP request"
        if self._too_large:
            status, said = 431, f"the path and the headers have more than {MOST_HEAD} bytes"
        if self._speaks_tls:
            why = "a client speaks TLS to the gateway; use http:// in its address"
        else:
            why = f"a request was refused ({status}): {said}"
        if _WARNED.due(why):
            log.warning("%s", why)
        family = family_of(getattr(self, "url", b"").decode("latin-1"), self.headers or ())
        headers, body = refusal(family, status, said)
        head = [STATUS_LINE[status]]
        for name, value in headers:
            if name != b"connection":
                head += [name, b": ", value, b"\r\n"]
        if self._unanswered():  # else it would be in another reply
            self.transport.write(b"".join([*head, b"connection: close\r\n\r\n", body]))
        self.transport.close()

    def _unanswered(self) -> bool:
        """Return whether a reply can be written here; the application then writes none."""
        if self.pipeline:  # a request before this one waits for its own
            return False
        if self.cycle is None or self.cycle.response_complete:
            return True
        if self.cycle.response_started:
            return False
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return True
