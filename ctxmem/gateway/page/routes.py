"""The page at /ctxmem/: what the gateway sees and does, live, for the person who runs it.

The gateway checks who asks before any of this is reached, as for every request. Nothing can be
changed through the page: there is nothing but GET. Every text is set as text, and the policy allows
our own style and script by their hashes, and no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from ctxmem import __version__
from ctxmem.auditing.findings import KINDS
from ctxmem.gateway.observe.audits import LastAudit
from ctxmem.gateway.page.traffic import Traffic
from ctxmem.gateway.settings import Settings
from ctxmem.memory.receipts import REASONS

_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
_HAVE = "have"


def page_routes(
    settings: Settings, traffic: Traffic, *, audit: LastAudit | None = None, demo: bool = False
) -> list[BaseRoute]:
    """Return the routes of the page; they take every path and method below /ctxmem."""
    page = _Page(settings, traffic, audit, demo)
    inner = Router(
        routes=[
            Route("/", page.shell),
            Route("/state.json", page.state),
            Route("/conversations/{id}.json", page.conversation),
        ],
        default=_not_found,
        redirect_slashes=False,
    )
    return [Route("/ctxmem", _to_page), Mount("/ctxmem", app=inner)]


class _Page:
    """Answers for the page."""

    def __init__(
        self, settings: Settings, traffic: Traffic, audit: LastAudit | None, demo: bool
    ) -> None:
        self._traffic, self._audit = traffic, audit
        self._about = {
            "version": __version__,
            "mode": settings.mode,
            "budget": settings.budget,
            "recall": settings.recall,
            "show_text": settings.show_text,
            "demo": demo,
            "token": settings.token is not None,
            "reasons": REASONS,
            "kinds": KINDS,
            "audited": audit is not None,
        }

    def shell(self, _: Request) -> Response:
        """Return the page without data."""
        document, policy = document_and_policy()
        headers = {**_HEADERS, "content-security-policy": policy}
        return Response(document, media_type="text/html", headers=headers)

    def state(self, request: Request) -> Response:
        """Return sums, conversations, receipts and findings; 204 if the client has them."""
        return self._data(request, self._state)

    def _state(self) -> dict[str, Any]:
        state = self._traffic.state()
        requests = state["sums"].get("requests", 0)
        audit = self._audit.get(requests) if self._audit is not None else None
        return {"about": self._about, **state, "audit": audit}

    def conversation(self, request: Request) -> Response:
        """Return a conversation with its newest requests; 204 if the client has it."""
        return self._data(request, lambda: self._traffic.conversation(request.path_params["id"]))

    def _data(self, request: Request, make: Callable[[], dict[str, Any] | None]) -> Response:
        made = make()
        if made is None:
            return _answer(
                404, {"error": "there is no such conversation, or it is no longer shown"}
            )
        version = hashlib.blake2b(json.dumps(made).encode(), digest_size=8).hexdigest()
        if request.query_params.get(_HAVE) == version:
            return _answer(204)
        return _answer(200, {"version": version, "now": round(time.time(), 3), **made})


def _answer(status: int, data: Any = None) -> Response:
    headers = {**_HEADERS, "content-security-policy": _NOTHING}
    body = None if data is None else json.dumps(data)
    return Response(body, status, media_type="application/json", headers=headers)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await _answer(404, {"error": "there is no such page"})(scope, receive, send)


def _to_page(_: Request) -> Response:
    return RedirectResponse("/ctxmem/", headers=_HEADERS)


# The document -------------------------------------------------------------------------------------


@cache
def document_and_policy() -> tuple[str, str]:
    """Return the page, and the content security policy that lets its style and script run."""
    style, script = _asset("page.css"), _asset("page.js")
    document = _asset("page.html").replace("{{style}}", style).replace("{{script}}", script)
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return document, policy


def _asset(name: str) -> str:
    return (resources.files("ctxmem.gateway.page") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
