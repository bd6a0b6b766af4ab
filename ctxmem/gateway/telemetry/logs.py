"""One log record for every request of a gateway, on the logger "ctxmem.gateway".

A record has the numbers of the exchange in its attribute `ctxmem`; `JsonFormatter` writes them as
one JSON object a line. There is no text and no key in them.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone

from ctxmem.gateway.telemetry.facts import RequestFacts
from ctxmem.telemetry import error_type, failed

log = logging.getLogger("ctxmem.gateway")
log.addHandler(logging.NullHandler())


def log_to_stderr(form: str) -> None:
    """Write the log to stderr: warnings and faults as text, or every request too, as JSON."""
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(JsonFormatter())
        log.setLevel(logging.INFO)
    else:
        handler.setFormatter(logging.Formatter("ctxmem serve: %(message)s"))
        handler.setLevel(logging.WARNING)
    log.addHandler(handler)
    log.propagate = False


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
