"""Prometheus metrics of a gateway (extra `serve`), in a registry of its own.

Labels have few values: formats, modes, reasons and stages are words of ctxmem, and of models the
first 32 are named. There is no label with a session, a key or a text.

With several workers each process writes its numbers to files in one folder, and any of them renders
the sum: call `share_between_workers` before they start. In that mode a process has one gateway.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from ctxmem.errors import MissingExtraError
from ctxmem.gateway.telemetry.facts import OTHER, RequestFacts
from ctxmem.telemetry import failed

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with the folder that workers share, as prometheus-client names it."""

ADDED_SECONDS: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.025, 0.04, 0.1, 0.25, 1.0, 5.0)
UPSTREAM_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)

MODELS, WORDS = 32, 24
"""How many values a label of models, and of other words, has at most beside "other"."""


class Metric(NamedTuple):
    """One metric: its kind, its labels, and what it counts."""

    kind: str
    labels: tuple[str, ...]
    help: str
    buckets: Sequence[float] = ()
    over_workers: str = "sum"


METRICS: Final = {
    "ctxmem_gateway_requests_total": Metric(
        "counter", ("wire", "mode", "status"), "Requests, by the class of the reply's status."
    ),
    "ctxmem_gateway_added_seconds": Metric(
        *("histogram", ("wire", "mode")),
        "Time from the arrival of a request to its sending, in seconds.",
        ADDED_SECONDS,
    ),
    "ctxmem_gateway_upstream_seconds": Metric(
        *("histogram", ("wire",)),
        "Time from sending a request to the first byte of its reply, in seconds.",
        UPSTREAM_SECONDS,
    ),
    "ctxmem_gateway_sent_tokens_total": Metric(
        "counter", ("part",), "Tokens of the requests that were sent, by part."
    ),
    "ctxmem_gateway_usage_tokens_total": Metric(
        *("counter", ("kind", "model")),
        "Tokens that providers reported: input (cached ones included), cached, written, output.",
    ),
    "ctxmem_gateway_prefix_breaks_total": Metric(
        *("counter", ("by",)),
        "Requests whose beginning differs from the one before: by model, tools, system or message.",
    ),
    "ctxmem_gateway_edits_total": Metric("counter", ("reason",), "Edits of windows."),
    "ctxmem_gateway_passed_through_total": Metric(
        "counter", ("reason",), "Requests that were passed on as the client wrote them."
    ),
    "ctxmem_gateway_faults_total": Metric(
        "counter", ("stage",), "Faults of ctxmem, none of which failed a request."
    ),
    "ctxmem_gateway_unreadable_replies_total": Metric(
        *("counter", ("wire",)),
        "Replies of the upstream that are not in the form of their format; they are passed on.",
    ),
    "ctxmem_gateway_recall_calls_total": Metric(
        "counter", (), "Calls of the recall tool that the gateway answered."
    ),
    "ctxmem_gateway_find_calls_total": Metric(
        "counter", (), "Calls of `find_tool` that the gateway answered."
    ),
    "ctxmem_gateway_cost_units_total": Metric(
        *("counter", ("bill",)),
        "Price in uncached input tokens: sent; passed through; uncached, without any cache.",
    ),
    "ctxmem_gateway_saved_cost_units": Metric(
        *("gauge", ("by",)),
        "Saved in uncached input tokens, by the provider's cache and by ctxmem; below 0: spent.",
    ),
    "ctxmem_gateway_streams": Metric(
        "gauge", (), "Replies that are being relayed.", over_workers="livesum"
    ),
    "ctxmem_gateway_conversations": Metric(
        "gauge", (), "Conversations that are kept.", over_workers="livemax"
    ),
}
"""All metrics, by name."""


class _Bounded:
    """The first values of a label; all later ones are "other"."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()
        self._lock = Lock()

    def __call__(self, value: str) -> str:
        if value in self._seen:
            return value
        with self._lock:
            if value and len(self._seen) < self._most:
                self._seen.add(value)
                return value
        return OTHER


def _client() -> Any:
    try:
        import prometheus_client
    except ImportError as error:
        raise MissingExtraError(
            "metrics need prometheus-client; install it with: pip install 'ctxmem[serve]'"
        ) from error
    return prometheus_client


class _Counted:
    """Counts a block in a gauge as long as it runs; made for each reply, so it is no generator."""

    __slots__ = ("_gauge",)

    def __init__(self, gauge: Any) -> None:
        self._gauge = gauge

    def __enter__(self) -> None:
        self._gauge.inc()

    def __exit__(self, *_: object) -> None:
        self._gauge.dec()


class Metrics:
    """The metrics of one gateway.

    Raises `MissingExtraError` without prometheus-client; its other methods never raise, because a
    request is not to fail for its numbers.

    >>> metrics = Metrics()
    >>> metrics.note(RequestFacts(wire="chat", mode="observe", status=200))
    >>> b'requests_total{mode="observe",status="2xx",wire="chat"} 1.0' in metrics.render()[0]
    True
    """

    def __init__(self) -> None:
        client = _client()
        from prometheus_client import values

        self.registry = client.CollectorRegistry()
        self._shared = bool(getattr(values.ValueClass, "_multiprocess", False))
        self._all = {name: self._made(client, name, metric) for name, metric in METRICS.items()}
        self._labelled: dict[tuple[str, ...], Any] = {}  # few: labels have few values
        self._model = _Bounded(MODELS)
        self._words = {name: _Bounded(WORDS) for name in ("part", "reason", "stage")}
        for name, by in (("saved_cost_units", "provider"), ("saved_cost_units", "ctxmem")):
            self._of(name, by)  # 0 from the start

    def _made(self, client: Any, name: str, metric: Metric) -> Any:
        given = (name, metric.help, metric.labels)
        if metric.kind == "counter":
            return client.Counter(*given, registry=self.registry)
        if metric.kind == "histogram":
            return client.Histogram(*given, buckets=metric.buckets, registry=self.registry)
        mode = metric.over_workers
        return client.Gauge(*given, multiprocess_mode=mode, registry=self.registry)

    def _of(self, name: str, *labels: str) -> Any:
        key = (name, *labels)
        found = self._labelled.get(key)
        if found is None:
            found = self._all[f"ctxmem_gateway_{name}"]
            found = self._labelled[key] = found.labels(*labels) if labels else found
        return found

    def note(self, facts: RequestFacts) -> None:
        """Count one exchange."""
        try:
            self._count(facts)
        except Exception as error:
            failed(error)

    def _count(self, facts: RequestFacts) -> None:
        self._of("requests_total", facts.wire, facts.mode, facts.status_class).inc()
        if _is_amount(facts.seconds_added):
            self._of("added_seconds", facts.wire, facts.mode).observe(facts.seconds_added)
        if _is_amount(facts.seconds_upstream):
            self._of("upstream_seconds", facts.wire).observe(facts.seconds_upstream)
        for part, tokens in facts.tokens.items():
            self._add(tokens, "sent_tokens_total", self._words["part"](part))
        if facts.usage is not None:
            model = self._model(facts.response_model or facts.model)
            for kind in ("input", "cached", "written", "output"):
                self._add(getattr(facts.usage, kind), "usage_tokens_total", kind, model)
        if facts.prefix_broken:
            self._of("prefix_breaks_total", facts.prefix_broken).inc()
        if facts.edit:
            self._of("edits_total", facts.edit_reason or OTHER).inc()
        if facts.passed_through:
            reason = self._words["reason"](facts.passed_through)
            self._of("passed_through_total", reason).inc()
        if facts.fault:
            self._of("faults_total", self._words["stage"](facts.fault)).inc()
        if facts.reply_unreadable:
            self._of("unreadable_replies_total", facts.wire).inc()
        self._add(facts.recall_calls, "recall_calls_total")
        self._add(facts.find_calls, "find_calls_total")
        bills = (facts.bill_sent, facts.bill_through, facts.bill_uncached)
        for bill, units in zip(("sent", "through", "uncached"), bills, strict=True):
            self._add(units, "cost_units_total", bill)
        for by, units in facts.saved.items():
            self._of("saved_cost_units", by).inc(units)

    def _add(self, amount: float | None, name: str, *labels: str) -> None:
        if _is_amount(amount):
            self._of(name, *labels).inc(amount)

    def stream(self) -> AbstractContextManager[None]:
        """Count a reply that is being relayed, as long as the block runs."""
        return _Counted(self._of("streams"))

    def set_conversations(self, number: int) -> None:
        """Set how many conversations are kept."""
        self._of("conversations").set(number)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition text and its content type, for the Accept header of a scrape."""
        client = _client()
        registry = self.registry
        if self._shared:
            from prometheus_client import multiprocess

            registry = client.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        encode, content_type = client.exposition.choose_encoder(accept)
        return encode(registry), content_type


def _is_amount(value: float | None) -> bool:
    return value is not None and value >= 0


def share_between_workers() -> str:
    """Make a folder in which workers share their metrics, and return it.

    To be called once, before workers are spawned. A folder that `PROMETHEUS_MULTIPROC_DIR` names is
    used, and the numbers of an earlier run are deleted from it.

    Raises:
        RuntimeError: prometheus-client is in use already, without a folder.
    """
    folder = os.environ.get(FOLDER)
    if folder is None:
        if "prometheus_client.values" in sys.modules:
            raise RuntimeError(
                f"metrics were made before they were shared: call share_between_workers first, or "
                f"set {FOLDER}"
            )
        folder = os.environ[FOLDER] = tempfile.mkdtemp(prefix="ctxmem-metrics-")
        atexit.register(_remove, folder, os.getpid())
    for kind in ("counter", "histogram", "gauge_*"):
        for path in Path(folder).glob(f"{kind}_*.db"):
            path.unlink(missing_ok=True)
    return folder


def _remove(folder: str, pid: int) -> None:
    """Delete the folder when the process that made it ends, not when its children do."""
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def forget_worker(pid: int) -> None:
    """Take a worker that has ended out of the numbers of what is going on now."""
    if os.environ.get(FOLDER):
        _client()
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
