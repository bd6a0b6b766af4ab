"""`ctxmem mcp --http`: the server on streamable HTTP, for clients on this machine or with a token.

A page in a browser may reach servers on the loopback address. So the Host and Origin headers must
name an address that is served (a page that rebinds its own name sends that name), and any address
beyond loopback needs a token.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ctxmem.errors import InputError

PATH = "/mcp"
TOKEN_CHARACTERS = 16
"""A token for other addresses than loopback has at least so many characters."""
PATIENCE = 2
"""Seconds that calls have to end when the server is stopped."""
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


class TokenGate:
    """Lets only requests with a bearer token pass on to an application."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 without the token; the comparison takes the same time for any other."""
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                refused = PlainTextResponse(
                    "this server needs its token: Authorization: Bearer ...\n",
                    401,
                    {"www-authenticate": 'Bearer realm="ctxmem"'},
                )
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_token(host: str, token: str | None) -> None:
    """Raise `InputError` unless the address may be served with that token.

    >>> check_token("127.0.0.1", None)
    >>> check_token("0.0.0.0", "secret")
    Traceback (most recent call last):
    ...
    ctxmem.errors.InputError: the token has 6 characters; expected at least 16 for 0.0.0.0
    """
    if token is not None and (not token.isascii() or not token.isprintable() or " " in token):
        raise InputError("the token has characters that a header cannot have; expected ASCII")
    if is_loopback(host):
        if token == "":
            raise InputError("the token is empty; leave --token out, or give one")
        return
    if not token:
        raise InputError(
            f"{host} can be reached from other machines; expected a token: give --token, or set "
            "CTXMEM_MCP_TOKEN"
        )
    if len(token) < TOKEN_CHARACTERS:
        raise InputError(
            f"the token has {len(token)} characters; expected at least {TOKEN_CHARACTERS} for "
            f"{host}"
        )


def http_app(
    server: MCPServer[None], host: str, token: str | None, *, names: Sequence[str] = ()
) -> ASGIApp:
    """Return the application that serves an address.

    `names` are host names beside the address itself by which clients reach it.

    Raises `InputError` for an address that needs a token and has none.
    """
    check_token(host, token)
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    hosts = list(dict.fromkeys([*_LOCAL, shown, *names]))
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*hosts, *(f"{name}:*" for name in hosts)],
        allowed_origins=[
            f"{scheme}://{name}{port}"
            for scheme in ("http", "https")
            for name in hosts
            for port in ("", ":*")
        ],
    )
    app: ASGIApp = server.streamable_http_app(
        streamable_http_path=PATH, host=host, transport_security=security
    )
    return app if token is None else TokenGate(app, token)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any free one.

    Raises `InputError` if the address cannot be had.
    """
    name = host.strip("[]")
    try:
        family = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((name, port), family=family, backlog=128)
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(
            f"{host}, port {port} cannot be listened on ({error}); give another --host or --port"
        ) from None


def run_http(app: ASGIApp, sock: socket.socket) -> None:
    """Serve on a socket until interrupted. Requests are not logged."""
    config: dict[str, Any] = {"log_config": None, "access_log": False, "log_level": "critical"}
    # Clients hold streams open for events that never come: nobody waits for them at the end.
    config |= {"lifespan": "on", "timeout_graceful_shutdown": PATIENCE}
    uvicorn.Server(uvicorn.Config(app, server_header=False, **config)).run(sockets=[sock])
