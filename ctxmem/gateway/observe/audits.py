"""The audit of the last exchanges, made in the background while somebody looks at the page."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ctxmem.auditing.fixes import usual
from ctxmem.gateway.exchanges import Exchange

log = logging.getLogger("ctxmem.gateway")

_EVERY_SECONDS = 30.0
_SHARE = 0.05  # of the time that audits may take
_SHOWN = 12
_MOST_LOGGED = 200  # exchanges that are audited
_MOST_LOGGED_BYTES = 32 << 20


class ExchangeLog:
    """Holds the last requests as the clients wrote them, in memory only, to audit them."""

    def __init__(self) -> None:
        self._held: deque[tuple[bytes, str, Any]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def add(self, exchange: Exchange) -> None:
        """Take in a request, with what is known of it; not one that could not be read."""
        if exchange.asked is None:
            return
        body = b"".join(exchange.original) if not exchange.coding else b""
        if not body or len(body) > _MOST_LOGGED_BYTES >> 2:
            return
        facts = exchange.facts
        with self._lock:
            self._held.append((body, str(facts.get("conversation", "")), facts.get("usage")))
            self._bytes += len(body)
            while self._bytes > _MOST_LOGGED_BYTES or len(self._held) > _MOST_LOGGED:
                self._bytes -= len(self._held.popleft()[0])

    def audit(self) -> Any:
        """Return `ctxmem.audit` of the requests; it takes seconds, and is not for a loop."""
        from ctxmem.auditing import audit

        with self._lock:
            held = list(self._held)
        return audit([_record(*one) for one in held], near=False)


def _record(body: bytes, conversation: str, usage: Any) -> dict[str, Any]:
    record = {"request": json.loads(body), "session_id": conversation}
    if usage:
        spent = usage if isinstance(usage, dict) else usage._asdict()
        record["usage"] = {
            "prompt_tokens": spent["input"] or 0,
            "completion_tokens": spent["output"] or 0,
            "prompt_tokens_details": {"cached_tokens": spent["cached"] or 0},
        }
    return record


class LastAudit:
    """Keeps the newest audit, and makes another when it is asked for and the last one is old.

    Args:
        audit: returns a `ctxmem.Audit` of the last exchanges; takes seconds.
        show_text: also show titles, details and lines of code that have a client's text in them.
        clock: seconds.
    """

    def __init__(
        self,
        audit: Callable[[], Any],
        *,
        show_text: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._audit, self._show_text, self._clock = audit, show_text, clock
        self._lock = threading.Lock()
        self._found: dict[str, Any] | None = None
        self._seen, self._due = -1.0, 0.0
        self._thread: threading.Thread | None = None

    def get(self, requests: float) -> dict[str, Any] | None:
        """Return the newest audit, None if there is none yet.

        `requests` is how many there were so far: without new ones the last audit still holds.
        """
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            news = requests > 0 and requests != self._seen
            if news and not running and self._clock() >= self._due:
                self._seen = requests
                self._thread = threading.Thread(target=self._make, daemon=True)
                self._thread.start()
            return self._found

    def wait(self) -> None:
        """Wait for an audit that is being made."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _make(self) -> None:
        began = self._clock()
        try:
            found: dict[str, Any] | None = self._plain(self._audit())
        except Exception as error:  # the page goes on without it
            log.error("the audit failed: %s", type(error).__name__)
            found = None
        now = self._clock()
        with self._lock:
            self._found = found or self._found
            self._due = now + max(_EVERY_SECONDS, (now - began) / _SHARE)

    def _plain(self, audit: Any) -> dict[str, Any]:
        """Return the costliest finding of each kind, and the tokens of all of that kind."""
        made = audit.to_dict()
        fixes = usual(made["totals"]["budget"])
        kinds: dict[str, dict[str, Any]] = {}
        for one in made["findings"]:
            if one["kind"] in kinds:
                continue
            kinds[one["kind"]] = {
                "kind": one["kind"],
                "count": made["totals"]["findings"][one["kind"]],
                "tokens": made["totals"]["waste"][one["kind"]],
                "title": one["title"] if self._show_text else "",
                "advice": one["advice"] if self._show_text else fixes[one["kind"]].advice,
                "fix": one["fix"] if self._show_text else fixes[one["kind"]].line,
            }
        return {
            "exchanges": made["totals"]["calls"],
            "tokens": made["totals"]["tokens"],
            "findings": list(kinds.values())[:_SHOWN],
        }
