"""A TCP relay that keeps what a client sends, to compare it with what the upstream got."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import NamedTuple
from urllib.parse import urlsplit

import h11


class Sent(NamedTuple):
    """One request, as the client sent it."""

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Relay:
    """Forwards every connection to `url` and keeps the bytes of the client; a context manager."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname, parts.port)
        self._streams: list[bytearray] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Relay:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(self._to)
            except OSError:
                return
            kept = bytearray()
            self._streams.append(kept)
            for args in ((client, server, kept), (server, client, None)):
                threading.Thread(target=_forward, args=args, daemon=True).start()

    def sent(self, key: str = "") -> list[Sent]:
        """Return all complete requests, connection by connection; only those with this API key."""
        word = key.encode()
        streams = [bytes(stream) for stream in self._streams if word in stream]
        found = [request for stream in streams for request in _requests(stream)]
        return [one for one in found if any(word in value for _, value in one.headers)]


def _forward(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if kept is not None:
                kept += data
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _requests(data: bytes) -> list[Sent]:
    found: list[Sent] = []
    while data:
        reader = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
        reader.receive_data(data)
        request, body = None, b""
        while True:
            event = reader.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                break
        if not isinstance(event, h11.EndOfMessage) or request is None:
            break
        headers = [(bytes(name), bytes(value)) for name, value in request.headers]
        method, target = request.method.decode(), request.target.decode("latin-1")
        found.append(Sent(method, target, headers, body))
        data = bytes(reader.trailing_data[0])
    return found
