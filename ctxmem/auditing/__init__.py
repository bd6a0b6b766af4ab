"""Find what a context wastes in the traces that are there already.

assembly   events to calls of a model, in order
transcripts  lines to the messages that each call was sent
lineage    what a request continues, and which calls a chat had
conversations  calls to whole conversations
messages   what all of these have to know of a message
batches    short calls, whose texts are counted at once
segments   what a window is made of
passages   what repeats within a window
sessions   what changes from call to call
rankers    what scores and sizes of lists mean
findings   findings, added up
auditor    one walk through all of it
paying     what was paid for input, and what findings cost of it
replay     the same requests, packed with ctxmem
gate       conditions under which an audit fails
forgotten  what left a window and was needed later
restoring  what left a window, written to a file
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctxmem import report
from ctxmem.auditing.assembly import HELD
from ctxmem.auditing.auditor import Auditor
from ctxmem.auditing.batches import batches
from ctxmem.auditing.conversations import calls_in
from ctxmem.auditing.findings import KINDS, AuditFinding
from ctxmem.auditing.forgotten import Forgetting
from ctxmem.auditing.gate import Condition, failed, measured_words, read_conditions
from ctxmem.auditing.lineage import Lineage
from ctxmem.auditing.paying import Payer
from ctxmem.auditing.replay import Replay
from ctxmem.auditing.restoring import Removal, restore
from ctxmem.auditing.segments import PARTS
from ctxmem.errors import CtxmemWarning, InputError, InputTypeError, a_type, refuse_table
from ctxmem.intake import read_budget
from ctxmem.pricing import Prices
from ctxmem.schema import SCHEMA_VERSION, Budget, Window
from ctxmem.tokens import resolve
from ctxmem.traces import MAX_LINE, ReadStats

__all__ = ["KINDS", "METRICS", "Audit", "AuditFinding", "Condition", "audit"]

METRICS = (
    *KINDS,
    *(f"{kind}_tokens" for kind in KINDS),
    *("dup_tokens", "tokens", "calls", "unread"),
)
"""Names of the numbers that conditions may be about."""

FORGOTTEN_METRICS = ("forgotten", "forgotten_tokens")
"""Names of those numbers that there are with `forgotten` only."""

_TOLD = 1000  # findings that the plain data holds; the rest is in the totals


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        findings: what costs tokens or is wrong, those of most tokens first.
        totals: sums: calls, tokens, what of them is waste and of which kind, money.
        read: what was read: files, formats, and what could not be read and why.
        sessions: the longest sessions, call by call.
        windows: the most wasteful windows, segment by segment.
        replay: before and after packing with ctxmem, None unless asked for.
        forgotten: what left the windows and was needed later, None unless asked for.
        removed: the messages that left the windows, empty unless asked for.
        calibration: what the estimate that counted would learn from the usage that the log has of
            calls of its family (`Estimate.from_calibration`); None for other counters.
    """

    findings: list[AuditFinding]
    totals: dict[str, Any]
    read: dict[str, Any]
    sessions: list[dict[str, Any]]
    windows: list[dict[str, Any]]
    replay: dict[str, Any] | None = None
    forgotten: dict[str, Any] | None = None
    removed: list[Removal] = field(default_factory=list, repr=False)
    calibration: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers that conditions are about: sums of tokens, and how many findings of each kind."""
        counts = {kind: float(self.totals["findings"][kind]) for kind in KINDS}
        tokens = {f"{kind}_tokens": float(self.totals["waste"][kind]) for kind in KINDS}
        forgotten = {}
        if self.forgotten is not None:
            counted = (len(self.forgotten["findings"]), self.forgotten["tokens"])
            forgotten = dict(zip(FORGOTTEN_METRICS, map(float, counted), strict=True))
        return {
            **counts,
            **tokens,
            **forgotten,
            "dup_tokens": float(self.totals["repeated_tokens"]),
            "tokens": float(self.totals["tokens"]),
            "calls": float(self.totals["calls"]),
            "unread": float(sum(self.read["skipped"].values())),
        }

    def fails(self, conditions: str) -> list[str]:
        """Return which conditions hold of a list such as "dup_tokens>10%,over_budget>0".

        Raises:
            InputError: something that is no condition, or a metric that there is not.
        """
        metrics = self.metrics
        return [str(c) for c in read_conditions(conditions, metrics) if failed(c, metrics)]

    def measured(self, conditions: str) -> list[tuple[bool, str]]:
        """Return for each condition of a list whether it holds, and its value in words.

        Raises:
            InputError: something that is no condition, or an unknown metric.
        """
        metrics = self.metrics
        return [
            (failed(c, metrics), measured_words(c, metrics))
            for c in read_conditions(conditions, metrics)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as plain data, ready for JSON, with a schema version."""
        return {
            "schema_version": SCHEMA_VERSION,
            "totals": self.totals,
            "findings": [finding.to_dict() for finding in self.findings[:_TOLD]],
            "findings_left_out": max(0, len(self.findings) - _TOLD),
            "sessions": self.sessions,
            "windows": self.windows,
            "replay": self.replay,
            "forgotten": self.forgotten,
            "read": self.read,
        }

    def __str__(self) -> str:
        return report.audit_text(self.to_dict())

    def to_html(self, path: str | Path) -> Path:
        """Write the audit as one self-contained HTML page and return its path."""
        target = Path(path)
        target.write_text(report.audit_page(self.to_dict()), encoding="utf-8")
        return target

    def restore(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the messages that left the windows and return the path; see `restoring.restore`.

        Raises:
            InputError: nothing left any window, `audit` was not asked for what was forgotten, the
                file exists and `force` is not set, or it cannot be written.
        """
        if self.forgotten is None:
            raise InputError("the audit did not look for what left; expected audit(forgotten=True)")
        return restore(self.removed, path, force=force)

    def _repr_html_(self) -> str:
        return report.audit_html(self.to_dict())


def audit(
    source: Any,
    *,
    budget: int | Budget | None = None,
    counter: object = "o200k_base",
    prices: float | str | Prices | Mapping[str, float] | None = None,
    near: bool = True,
    replay: bool = False,
    forgotten: bool = False,
    progress: Callable[[ReadStats], None] | None = None,
    max_line: int = MAX_LINE,
    held: int = HELD,
) -> Audit:
    """Say what the context of recorded requests wastes.

    Reads what is there already: OpenInference (Phoenix), LangSmith, Langfuse, OpenTelemetry GenAI,
    requests of OpenAI and Anthropic, Claude Code's transcripts, plain messages and retrieval hits,
    as JSON lines, JSON, gzip or Parquet. Each record is read in its own format; what is unknown or
    damaged is counted in `read` and never fatal. Files are streamed: memory does not grow with
    them.

    Args:
        source: a path, a folder, a pattern, "-" for standard input, records as dicts, a `Window`
            that `pack` made, or a list of any of these.
        budget: tokens that a window may have; without it no window is over it.
        counter: an encoding or a model, a function from str to int, or an object that counts.
        prices: of a million input tokens; or the name of a row of `ctxmem.pricing`, or a row; or a
            dict with "input" and, where known, "cache_read", "cache_write" and "output". Those
            that are not given follow from the rules of the model's cache.
        near: also look for versions, overlaps and boilerplate; about half of the time.
        replay: also pack the same requests with ctxmem, into the budget, or as large as they were,
            and fold what repeats in their messages.
        forgotten: also look for what trimming or compaction took out of a window and a later
            message or call needed; conversations are held for it, 128 MB of them at most.
        progress: called with what was read so far, about every megabyte.
        max_line: bytes of the longest line that is read.
        held: bytes of input that are held back to join spans of a trace and to put them in order.

    Raises:
        InputError: a path that leads nowhere, or a price that is none.
        InputTypeError: a source that is neither path nor records.
        BudgetError: a budget that is no budget.

    >>> hit = {"text": "Refunds are paid within thirty days of purchase."}
    >>> found = audit([{"query": "When?", "hits": [hit, hit]}], counter=lambda t: len(t.split()))
    >>> found.findings[0].kind, found.totals["tokens"], found.totals["repeated_tokens"]
    ('repeat_in_request', 16, 8)
    """
    if isinstance(source, Mapping | Window):
        source = [source]
    refuse_table(source, "source")
    if isinstance(source, bytes) or (
        not hasattr(source, "__iter__") and not isinstance(source, Path)
    ):
        raise InputTypeError(
            f"source is {a_type(source)}; expected a path, a list of paths, or records"
        )
    limit = None if budget is None else read_budget(budget).limit
    payer = None if prices is None else Payer(prices)
    resolved = resolve(counter)
    stats = ReadStats()
    auditor = Auditor(
        resolved,
        budget=limit,
        near=near,
        replay=Replay(resolved, limit) if replay else None,
        payer=payer,
        stats=stats,
    )
    forgetting = Forgetting(resolved) if forgotten else None
    with warnings.catch_warnings():
        # Texts made to be alike are compared by sketch; who audits does not care how.
        warnings.filterwarnings("ignore", category=CtxmemWarning)
        lineage = Lineage(stats)
        calls = calls_in(source, stats, lineage, progress=progress, max_line=max_line, held=held)
        for batch in batches(calls):
            auditor.prepare(batch)
            for call in batch:
                auditor.add(call)
                if forgetting is not None:
                    forgetting.add(call)
        if forgetting is not None:
            forgetting.finish()
        sessions, windows = auditor.finish()
    findings = auditor.findings.sorted()
    return Audit(
        findings,
        _totals(auditor, resolved.name, resolved.exact),
        _read(stats, auditor, lineage.copies),
        sessions,
        windows,
        auditor.replay.to_dict() if auditor.replay else None,
        forgetting.to_dict(None if payer is None else payer.given["input"]) if forgetting else None,
        forgetting.removed if forgetting else [],
        auditor.learned.calibration if auditor.learned is not None else None,
    )


def _totals(auditor: Auditor, counter: str, exact: bool) -> dict[str, Any]:
    totals, findings = auditor.totals, auditor.findings
    repeated = findings.tokens["repeat_in_request"] + findings.tokens["repeat_in_session"]
    return {
        "calls": totals.calls,
        "requests": totals.requests,
        "sessions": totals.sessions,
        "passages": totals.passages,
        "tokens": totals.tokens,
        "counter": counter,
        "exact": exact and not totals.estimated,
        "estimated_calls": totals.estimated,
        "parts": dict(zip(PARTS, totals.parts, strict=True)),
        "repeated_tokens": repeated,
        "repeated_share": repeated / max(1, totals.tokens),
        "waste": dict(findings.tokens),
        "findings": findings.found(),
        "stable_tokens": totals.stable,
        "stable_share": totals.stable / totals.compared if totals.compared else None,
        "lost_tokens": totals.lost,
        "largest": totals.largest,
        "budget": auditor.budget,
        "near": auditor.near,
        "billed": {
            "calls": totals.billed_calls,
            "input": totals.billed,
            "counted": totals.counted,
            "cached": totals.cached if totals.cached_told else None,
            "written": totals.written,
            "output": totals.output,
            "cost": totals.logged if totals.logged_calls else None,
            "cost_calls": totals.logged_calls,
        },
        "models": dict(sorted(totals.models.items(), key=lambda item: (-item[1], item[0]))[:10]),
        "money": _money(auditor),
    }


def _money(auditor: Auditor) -> dict[str, Any] | None:
    """Return what was paid for input, and what findings cost of it; None without prices."""
    payer, totals, spent = auditor.payer, auditor.totals, auditor.findings.money
    if payer is None:
        return None
    logged = {"calls": totals.logged_calls, "money": totals.logged}
    return {
        **payer.to_dict(),
        "sent": totals.tokens * payer.given["input"] / 1e6,
        "repeated": spent["repeat_in_request"] + spent["repeat_in_session"],
        "lost": spent["unstable_prefix"],
        "waste": dict(spent),
        "logged": logged if totals.logged_calls else None,
    }


def _read(stats: ReadStats, auditor: Auditor, copies: int) -> dict[str, Any]:
    skipped = dict(stats.skipped.most_common())
    if auditor.totals.unreadable:
        skipped["messages of no known shape, not checked"] = auditor.totals.unreadable
    return {
        "files": stats.files,
        "bytes": stats.bytes,
        "records": stats.records,
        "formats": dict(stats.formats.most_common()),
        "skipped": skipped,
        "copies": copies,
        "places": stats.places,
    }
