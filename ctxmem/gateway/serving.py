"""Start a gateway: in this process, or in several workers."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from ctxmem.errors import InputError
from ctxmem.gateway.app import Gateway, create_app
from ctxmem.gateway.protocol import LimitedProtocol
from ctxmem.gateway.security import secret_of
from ctxmem.gateway.settings import Settings

_SETTINGS = "CTXMEM_GATEWAY_SETTINGS"
"""How worker processes are given the options."""
_BROKEN_OFF = "ASGI callable returned without completing response."
_BACKLOG = 2048
_GRACE_SECONDS = 10
_IDLE_SECONDS = 75  # longer than clients keep theirs, so that none is closed as it is used
_SWITCH_SECONDS = 0.0005
"""How long a worker thread may hold the interpreter while a request waits to be passed on."""


def serve(settings: Settings, ready: Callable[[Settings], None] | None = None) -> None:
    """Serve until the process is interrupted; open replies then have ten seconds.

    `ready` is called with the settings, the port that was taken among them, as soon as clients can
    connect.

    Raises:
        InputError: nothing can listen there.
    """
    listening = _listen(settings)
    settings = settings.with_port(listening.getsockname()[1])
    options: dict[str, Any] = {
        "http": LimitedProtocol,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "date_header": False,
        "log_config": None,
        "log_level": "warning",
        "timeout_keep_alive": _IDLE_SECONDS,
        "timeout_graceful_shutdown": _GRACE_SECONDS,
    }
    # After its own clean end uvicorn raises the signal once more, for whoever waits for it.
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: None)
    if settings.workers == 1:
        config = uvicorn.Config(application(settings), **options)
        run: Callable[[], None] = lambda: uvicorn.Server(config).run([listening])  # noqa: E731
    else:
        secret_of(settings.store)  # made once, for all workers
        os.environ[_SETTINGS] = settings.to_json()
        factory = "ctxmem.gateway.serving:from_environment"
        config = uvicorn.Config(factory, factory=True, workers=settings.workers, **options)
        run = Multiprocess(config, [listening]).run
    if ready is not None:
        ready(settings)
    with suppress(KeyboardInterrupt):
        run()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        made = socket.create_server(
            (settings.host, settings.port), family=family, backlog=_BACKLOG, reuse_port=False
        )
    except OSError as error:
        raise InputError(
            f"nothing can listen at {settings.host}:{settings.port}: {error.strerror or error}"
        ) from error
    made.setblocking(False)
    return made


def application(settings: Settings) -> Gateway:
    """Return the gateway as an ASGI application.

    Here the stage of the mode, the gateway's own pages and what is done with the facts of each
    exchange are put together.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    return create_app(settings)


def from_environment() -> Gateway:
    """Return the application of a worker process."""
    return application(Settings.from_json(os.environ[_SETTINGS]))


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record of uvicorn says what the gateway does not say itself."""
    return record.msg != _BROKEN_OFF
