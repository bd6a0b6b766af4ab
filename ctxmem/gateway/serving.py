"""Start a gateway: in this process, or in several workers."""

from __future__ import annotations

import os
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ctxmem.gateway.app import create_app
from ctxmem.gateway.settings import Settings

_SETTINGS = "CTXMEM_GATEWAY_SETTINGS"
"""How worker processes are given the options."""
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
    uvicorn.run(
        "ctxmem.gateway.serving:from_environment",
        factory=True,
        workers=settings.workers,
        **options,
    )


def application(settings: Settings) -> ASGIApp:
    """Return the gateway as an ASGI application, with the stage of its mode."""
    return create_app(settings)


def from_environment() -> ASGIApp:
    """Return the application of a worker process."""
    return application(Settings.from_json(os.environ[_SETTINGS]))
