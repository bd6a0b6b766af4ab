"""ctxmem mcp: the sessions of a store for any client of the Model Context Protocol."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from importlib import import_module
from typing import Any

from ctxmem.cli.reading import DONE, INTERRUPTED, add_counter, whole
from ctxmem.errors import InputError, MissingExtraError
from ctxmem.gateway.store_path import default_store
from ctxmem.report import visible

TOKEN = "CTXMEM_MCP_TOKEN"
"""The variable that has the token, where it shall not be seen in a list of processes."""

EXAMPLES = (
    "ctxmem mcp --store chat.db",
    "ctxmem mcp --http --port 8788 --token SECRET",
)


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    mcp = commands.add_parser(
        "mcp",
        help="serve recall, ledger, budget, explain and audit to MCP clients",
        description="Serve the sessions of a store to a client of the Model Context Protocol, on "
        "standard input and output, or with --http on an address. Nothing is written to the store.",
        epilog=f"A token may also be given in the variable {TOKEN}.",
    )
    mcp.add_argument(
        "--store",
        metavar="PATH",
        default=default_store(),
        help="the store (default: that of ctxmem serve)",
    )
    mcp.add_argument(
        "--tenant",
        metavar="T",
        help="tenant whose sessions are read ('default', or the only tenant)",
    )
    mcp.add_argument(
        *("--key-env",),
        metavar="NAME",
        help="instead of --tenant: environment variable with the key that a client of ctxmem serve "
        "uses; the sessions of that client are read",
    )
    mcp.add_argument("--session", metavar="S", help="session that is read if a client names none")
    mcp.add_argument(
        "--budget", metavar="N", type=whole, default=128_000, help="tokens of the window (128000)"
    )
    add_counter(mcp)
    mcp.add_argument("--http", action="store_true", help="serve over HTTP, at /mcp")
    mcp.add_argument(
        "--host", metavar="ADDRESS", help="with --http: address to listen on (127.0.0.1)"
    )
    mcp.add_argument(
        "--port", metavar="N", type=int, help="with --http: port; 0 takes a free one (8788)"
    )
    mcp.add_argument(
        "--token", metavar="T", help="with --http: bearer token that clients must send"
    )
    mcp.add_argument(
        *("--allow-host",),
        metavar="NAME",
        action="append",
        help="with --http: a further host name of this server; may be repeated",
    )
    mcp.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until the client leaves, or until interrupted."""
    # It brings Memory: for this command only.
    from ctxmem.gateway.mcp.session_reader import SessionReader

    _check(arguments)
    server = _load()
    # Nothing but the protocol may be on stdout, and no text of a session in a log.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    reader = SessionReader(
        arguments.store,
        tenant=_tenant(arguments),
        session=arguments.session,
        budget=arguments.budget,
        counter=arguments.counter,
    )
    made = server.make_server(reader, counter=arguments.counter)
    if not os.path.exists(arguments.store) and "://" not in arguments.store:
        _say(f"{arguments.store} is not there yet; it is read as soon as it is")
    elif os.path.isfile(arguments.store):
        reader.store.sessions("")  # a file that is no store is said now, not at the first request
    try:
        if arguments.http:
            _serve(import_module("ctxmem.gateway.mcp.http"), made, arguments)
        else:
            if sys.stdin.isatty():
                _say("waiting for an MCP client on standard input; docs/mcp.md has configurations")
            _leave_at_once_when_interrupted()
            server.run_stdio(made)
    finally:
        reader.close()
    return DONE


def _tenant(arguments: argparse.Namespace) -> str | None:
    """Return the tenant that is named, or that a key makes in the gateway; None: neither."""
    if arguments.key_env is None:
        return None if arguments.tenant is None else str(arguments.tenant)
    from ctxmem.gateway.http.security import tenants_of
    from ctxmem.protocols import ManagedStore
    from ctxmem.stores import open_store

    key = os.environ.get(arguments.key_env, "")
    if arguments.tenant is not None or not key:
        wrong = "--tenant is given too" if key else "the variable is empty"
        raise InputError(f"--key-env {arguments.key_env}: {wrong}")
    if not os.path.exists(arguments.store):
        raise InputError(f"{arguments.store} is not there yet: no client used the key so far")
    store = open_store(arguments.store)
    known = set(store.tenants()) if isinstance(store, ManagedStore) else set()
    found = next((one for one in tenants_of(key, arguments.store) if one in known), None)
    if found is None:
        raise InputError(f"no sessions in {arguments.store} are of the key in {arguments.key_env}")
    return found


def _check(arguments: argparse.Namespace) -> None:
    """Raise `InputError` for options that have no effect."""
    if arguments.http:
        return
    for name in ("host", "port", "token", "allow_host"):
        if getattr(arguments, name) is not None:
            option = name.replace("_", "-")
            raise InputError(f"--{option} is for --http; give both, or leave it out")


def _serve(http: Any, server: Any, arguments: argparse.Namespace) -> None:
    host = "127.0.0.1" if arguments.host is None else arguments.host
    port = 8788 if arguments.port is None else arguments.port
    token = arguments.token if arguments.token is not None else os.environ.get(TOKEN)
    app = http.http_app(server, host, token, names=arguments.allow_host or ())
    sock = http.listen(host, port)
    bound = sock.getsockname()[1]
    shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
    _say(f"serving MCP at http://{shown}:{bound}{http.PATH}")
    if not http.is_loopback(host):
        _say(
            f"{host} can be reached from other machines: clients need the token, and it crosses "
            "the network unencrypted unless there is TLS in front"
        )
    http.run_http(app, sock)


def _leave_at_once_when_interrupted() -> None:
    """Let Ctrl-C end the process.

    A thread waits for a line of standard input, which nothing can cancel, and the interpreter would
    wait for the thread. Nothing is lost: the store is only read.
    """

    def leave(*_: object) -> None:
        _say("interrupted")
        os._exit(INTERRUPTED)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, leave)


def _load() -> Any:
    """Return the module of the server, which needs the SDK.

    Raises `MissingExtraError` if it is not installed, or too old.
    """
    try:
        import_module("mcp.server.mcpserver")
    except ImportError:
        raise MissingExtraError(
            "ctxmem mcp needs the Model Context Protocol's SDK, version 2: pip install "
            "'ctxmem[mcp]'"
        ) from None
    return import_module("ctxmem.gateway.mcp.server")


def _say(text: str) -> None:
    print(f"ctxmem mcp: {visible(text)}", file=sys.stderr, flush=True)
