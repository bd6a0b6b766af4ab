"""Start a gateway: in this process, or in several workers."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ctxmem.gateway.app import create_app
from ctxmem.gateway.page import page_routes
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.traffic import Traffic

_SETTINGS = "CTXMEM_GATEWAY_SETTINGS"
"""How worker processes are given the options."""
_SHARED = "CTXMEM_GATEWAY_TRAFFIC"
"""The folder in which worker processes write what the page shows."""
_BROKEN_OFF = "ASGI callable returned without completing response."


def serve(settings: Settings) -> None:
    """Serve until the process is interrupted."""
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "log_level": "warning",
        "timeout_graceful_shutdown": 10,
    }
    if settings.workers == 1:
        uvicorn.run(application(settings), **options)
        return
    os.environ[_SETTINGS] = settings.to_json()
    with tempfile.TemporaryDirectory(
        prefix="ctxmem-traffic-", ignore_cleanup_errors=True
    ) as shared:
        os.environ[_SHARED] = shared
        uvicorn.run(
            "ctxmem.gateway.serving:from_environment",
            factory=True,
            workers=settings.workers,
            **options,
        )


def application(settings: Settings, *, shared: Path | None = None, demo: bool = False) -> ASGIApp:
    """Return the gateway as an ASGI application, with the stage of its mode.

    Args:
        settings: the options.
        shared: the folder in which workers write what the page shows; None: there is one worker.
        demo: whether the page says that this is a demonstration.
    """
    traffic = Traffic(folder=shared, show_text=settings.show_text)
    return create_app(
        settings,
        note=traffic.note,
        pages=lambda door: page_routes(settings, door, traffic, demo=demo),
    )


def from_environment() -> ASGIApp:
    """Return the application of a worker process."""
    shared = os.environ.get(_SHARED)
    settings = Settings.from_json(os.environ[_SETTINGS])
    return application(settings, shared=Path(shared) if shared else None)
