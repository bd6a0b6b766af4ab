"""One log record for every request of a gateway, on the logger "ctxmem.gateway".

A record has the numbers of the exchange in its attribute `ctxmem`; `JsonFormatter` writes them as
one JSON object a line. There is no text and no key in them.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from datetime import datetime, timezone

from ctxmem.gateway.telemetry.facts import RequestFacts
from ctxmem.telemetry import error_type, failed

log = logging.getLogger("ctxmem.gateway")
log.addHandler(logging.NullHandler())


_MOST_WAITING = 4096  # records
_LAST_SECONDS = 1.0
"""What waits when the process ends has so long to be written."""


_SELDOM_SECONDS = 60.0


class Seldom:
    """Lets a message through once in so many seconds, for each thing that it is about.

    Args:
        seconds: between two messages about the same.
        clock: seconds, of any beginning.
    """

    def __init__(
        self, seconds: float = _SELDOM_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._due: dict[Hashable, float] = {}

    def due(self, about: Hashable) -> bool:
        """Return whether it is time for a message about something; the next one has to wait."""
        now = self._clock()
        if now < self._due.get(about, now):
            return False
        self._due[about] = now + self._seconds
        return True


def log_to_stderr(form: str) -> None:
    """Write the log to stderr: warnings and faults as text, or every request too, as JSON.

    What the server below the gateway warns of is written in the same form.
    """
    handler = PatientHandler(sys.stderr.fileno())
    if form == "json":
        handler.setFormatter(JsonFormatter())
        log.setLevel(logging.INFO)
    else:
        handler.setFormatter(logging.Formatter("ctxmem serve: %(message)s"))
        handler.setLevel(logging.WARNING)
    for one in (log, logging.getLogger("uvicorn.error")):
        one.addHandler(handler)
        one.propagate = False


class PatientHandler(logging.Handler):
    """Writes records to a file descriptor in a thread of its own: no request waits for a reader.

    A halted terminal and a pipe that nobody reads hold whoever writes to them. Records beyond
    `most` that wait are dropped, and how many is written when the reader is back. Nothing here is
    locked while it writes, so that the process can end.
    """

    def __init__(self, file: int, most: int = _MOST_WAITING) -> None:
        super().__init__()
        self._file = file
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(most)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="ctxmem-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written, or count it as dropped."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, unless that takes long."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_LAST_SECONDS)
            self._thread.join(_LAST_SECONDS)
        super().close()

    def _run(self) -> None:
        while (record := self._waiting.get()) is not None:
            self._write(record)
            dropped, self._dropped = self._dropped, 0
            if dropped:
                note = f"{dropped} records were dropped: nobody read the log"
                self._write(logging.LogRecord(log.name, logging.WARNING, "", 0, note, None, None))

    def _write(self, record: logging.LogRecord) -> None:
        try:
            left = f"{self.format(record)}\n".encode(errors="backslashreplace")
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:  # the reader has left
            return
        except Exception as error:
            failed(error)


def log_request(facts: RequestFacts) -> None:
    """Log one exchange: as information, or as a warning if ctxmem failed in it. Never raises."""
    try:
        level = logging.WARNING if facts.fault else logging.INFO
        if not log.isEnabledFor(level):
            return
        tokens = sum(facts.tokens.values())
        log.log(
            level,
            "%s %s %s %d tokens%s",
            *(facts.wire, facts.mode, facts.status or "no reply", tokens, _remark(facts)),
            extra={"ctxmem": facts.to_dict()},
        )
    except Exception as error:
        failed(error)


def _remark(facts: RequestFacts) -> str:
    if facts.fault:
        return f", fault at {facts.fault}"
    if facts.edit:
        return f", edit ({facts.edit_reason or 'other'})"
    return f", passed through ({facts.passed_through})" if facts.passed_through else ""


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON: time, level, logger, message, and facts beside them.

    Of an exception it writes the type only, because the text may quote what a client sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = error_type(record.exc_info[0])
        facts = getattr(record, "ctxmem", None)
        if isinstance(facts, dict):
            line = {**facts, **line}
        return json.dumps(line, default=str)
