"""What the tests of the gateway's page share."""

from __future__ import annotations

import httpx

from ctxmem.gateway.app import Gateway
from ctxmem.gateway.page.routes import page_routes
from ctxmem.gateway.settings import Settings
from ctxmem.traces.events import Usage

HOSTILE = "</script><img src=http://leak.example/x onerror=\"document.title='run'\">&'\x00\ud83d"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def facts(conversation="a", **more):
    return {
        "wire": "anthropic",
        "mode": "manage",
        "model": "claude-sonnet-5",
        "status": 200,
        "seconds_added": 0.002,
        "tokens": {"system": 100, "tools": 200, "user": 50, "tool_calls": 20, "thoughts": 30},
        "usage": Usage(input=400, output=20, cached=300),
        "conversation": conversation,
        **more,
    }


def settings(**more):
    return Settings(upstreams={"": "http://127.0.0.1:9"}, store=":memory:", **more)


def asked(app, path, method="GET", **headers):
    """Return the app's answer to a request from this machine."""
    host = headers.pop("host", "127.0.0.1:8787")

    async def ask():
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:8787"
        ) as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers={"host": host, **named})

    import asyncio

    return asyncio.run(ask())


def app_of(traffic, **more):
    options = settings(**more)
    return Gateway(options, routes=page_routes(options, traffic))
