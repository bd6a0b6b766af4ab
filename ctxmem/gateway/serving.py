"""Start a gateway: in this process, or in several workers."""

from __future__ import annotations

import atexit
import gc
import inspect
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.supervisors import Multiprocess

from ctxmem.errors import InputError
from ctxmem.gateway.app import Gateway
from ctxmem.gateway.exchanges import Stage
from ctxmem.gateway.http.protocol import LimitedProtocol
from ctxmem.gateway.http.security import SECRET_VARIABLE, secret_of
from ctxmem.gateway.manage.managing import Manage
from ctxmem.gateway.observe.audits import LastAudit
from ctxmem.gateway.observe.guarding import Guard
from ctxmem.gateway.observe.observing import Observe
from ctxmem.gateway.observe.windows import window_of
from ctxmem.gateway.page.routes import page_routes
from ctxmem.gateway.page.traffic import Traffic
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.telemetry.facts import RequestFacts
from ctxmem.gateway.telemetry.logs import log_request, log_to_stderr
from ctxmem.gateway.telemetry.metrics import Metrics, forget_worker, share_between_workers
from ctxmem.pricing import prices_of, row_of

_SETTINGS = "CTXMEM_GATEWAY_SETTINGS"
"""How worker processes are given the options."""
_SHARED = "CTXMEM_GATEWAY_TRAFFIC"
"""The folder in which worker processes write what the page shows."""
_SAID_BY_US = frozenset(
    ("ASGI callable returned without completing response.", "Invalid HTTP request received.")
)
_BACKLOG = 2048
_GRACE_SECONDS = 10
_IDLE_SECONDS = 75  # longer than clients keep theirs, so that none is closed as it is used
_SWITCH_SECONDS = 0.0005
"""How long a worker thread may hold the interpreter while a request waits to be passed on.

The loop gives it up each time it asks the system for news, several times a request.
"""

OPTIONS: dict[str, Any] = {
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
"""How uvicorn serves a gateway."""


def serve(
    settings: Settings,
    ready: Callable[[Settings], None] | None = None,
    *,
    demo: bool = False,
) -> None:
    """Serve until the process is stopped; open replies then have ten seconds.

    `ready` is called with the settings, the port that was taken among them, as soon as clients can
    connect. With `demo` the page says that this is a demonstration.

    Raises:
        InputError: nothing can listen there, or the key of the store cannot be kept.
        KeyboardInterrupt: SIGINT has stopped it, after its own clean end; SIGTERM raises nothing.
    """
    if settings.workers == 1:
        log_to_stderr(settings.log)
    _make_secret(settings.store)  # once, for all workers
    listening = listen(settings)
    settings = settings.with_port(listening.getsockname()[1])
    # After its own clean end uvicorn raises the signal once more, for whoever waits for it.
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: None)
    if settings.workers == 1:
        config = uvicorn.Config(_settled(application(settings, demo=demo)), **OPTIONS)
        run: Callable[[], None] = lambda: uvicorn.Server(config).run([listening])  # noqa: E731
    else:
        os.environ[_SETTINGS] = settings.to_json()
        share_between_workers()
        factory = "ctxmem.gateway.serving:from_environment"
        config = uvicorn.Config(factory, factory=True, workers=settings.workers, **OPTIONS)
        # Older versions of uvicorn also want what a worker runs.
        workers: Any = _Workers
        older = "target" in inspect.signature(Multiprocess).parameters
        target = {"target": uvicorn.Server(config).run} if older else {}
        run = workers(config, sockets=[listening], **target).run
    with _shared_folder(settings.workers):
        if ready is not None:
            ready(settings)
        run()


class _Workers(Multiprocess):
    """Worker processes whose end by SIGINT is a `KeyboardInterrupt`, as that of one process is."""

    _interrupted = False

    def handle_int(self) -> None:
        self._interrupted = True
        super().handle_int()

    def run(self) -> None:
        super().run()
        if self._interrupted:
            raise KeyboardInterrupt


def _make_secret(store: str) -> None:
    """Make the key of the digests that name tenants, which is kept beside a store."""
    try:
        secret_of(store)
    except OSError as error:
        raise InputError(
            f"the key of the store cannot be kept beside {store!r}: {error.strerror or error}; "
            f"name another file (--store), or set the variable {SECRET_VARIABLE}"
        ) from error


@contextmanager
def _shared_folder(workers: int) -> Iterator[None]:
    """Give several workers a private folder in which each writes what the page shows."""
    if workers == 1:
        yield
        return
    prefix = "ctxmem-traffic-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
        os.environ[_SHARED] = folder
        try:
            yield
        finally:
            del os.environ[_SHARED]


def listen(settings: Settings) -> socket.socket:
    """Return a socket on which clients can connect.

    Raises:
        InputError: nothing can listen there.
    """
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


def application(settings: Settings, *, shared: Path | None = None, demo: bool = False) -> Gateway:
    """Return the gateway as an ASGI application.

    Here the stage of the mode, the gateway's own pages and what is done with the facts of each
    exchange are put together.

    Args:
        settings: the options.
        shared: the folder in which workers write what the page shows; None: there is one worker.
        demo: whether the page says that this is a demonstration.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    logging.getLogger("uvicorn.error").addFilter(is_news)
    stage = stage_of(settings)
    row = None if settings.prices is None else prices_of(settings.prices)
    traffic = Traffic(
        folder=shared,
        show_text=settings.show_text,
        prices=lambda wire, model: row or row_of(wire, model),
    )
    metrics = Metrics()
    every_second = _Every(1.0)

    def note(facts: Mapping[str, Any]) -> None:
        traffic.note(facts)
        known = RequestFacts.read(facts)
        metrics.note(known)
        if every_second():
            metrics.set_conversations(stage.conversations)
        log_request(known)

    async def show_metrics(request: Request) -> Response:
        metrics.set_conversations(stage.conversations)
        body, kind = metrics.render(request.headers.get("accept", ""))
        return Response(body, media_type=kind)

    pages = page_routes(settings, traffic, audit=_audit_of(stage, settings), demo=demo)
    routes = [*pages, Route("/metrics", show_metrics)]
    return Gateway(settings, stage, note, routes, metrics.stream)


def _audit_of(stage: Stage, settings: Settings) -> LastAudit | None:
    """Return the audit of what a stage has seen, None if it keeps nothing to audit."""
    made = getattr(getattr(stage, "observe", stage), "audit", None)
    return None if made is None else LastAudit(made, show_text=settings.show_text)


class _Every:
    """True when it is called, but not more often than once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._due = seconds, 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + self._seconds
        return True


def stage_of(settings: Settings) -> Manage | Guard | Observe:
    """Return what a mode does with an exchange."""
    if settings.mode == "manage":
        return Manage(settings, window_of=_room_of)
    return Guard(settings) if settings.mode == "guard" else Observe(settings)


def _room_of(model: str) -> int | None:
    """Return the tokens that a request to a model may have, None if they are not known."""
    known = window_of(model)
    return None if known is None else known.most_input


def from_environment() -> Gateway:
    """Return the application of a worker process."""
    shared = os.environ.get(_SHARED)
    atexit.register(forget_worker, os.getpid())
    settings = Settings.from_json(os.environ[_SETTINGS])
    log_to_stderr(settings.log)
    return _settled(application(settings, shared=Path(shared) if shared else None))


def _settled(gateway: Gateway) -> Gateway:
    """Return a gateway after what lives as long as the process was taken from the collector.

    Else every full collection looks at all modules again while requests wait.
    """
    gc.collect()
    gc.freeze()
    return gateway


def is_news(record: logging.LogRecord) -> bool:
    """Whether a record of uvicorn says what the gateway does not say itself."""
    return record.msg not in _SAID_BY_US
