"""ctxmem audit: say what the context of recorded requests wastes."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from typing import Any

from ctxmem.auditing import FORGOTTEN_METRICS, METRICS, audit
from ctxmem.auditing.gate import read_conditions
from ctxmem.cli.reading import DONE, FOUND, add_counter, print_json, progress, whole, write_page
from ctxmem.errors import InputError
from ctxmem.pricing import PRICES
from ctxmem.traces import ReadStats

EXAMPLES = (
    "ctxmem audit traces/ --prices 2.5,0.25 --html audit.html",
    "ctxmem audit ~/.claude/projects --forgotten",
    'ctxmem audit logs/*.jsonl --fail-on "dup_tokens>10%,over_budget>0"',
)
SETTINGS = ("budget", "counter", "prices", "replay", "forgotten", "no-near", "fail-on")
"""Options whose defaults may be in pyproject.toml."""


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    auditing = commands.add_parser(
        "audit",
        help="report what recorded requests waste, in tokens and money",
        description="Read your traces and logs and report what is wasted in the context of their "
        "requests: what repeats, what grows, what breaks the prompt cache, and the line of code "
        "that fixes it.",
        epilog="Traces are exports of OpenTelemetry (GenAI, OpenInference, OpenLLMetry, Vercel's "
        "AI SDK), Phoenix, LangSmith, Langfuse, MLflow, Weave or OpenAI's Agents SDK; logs of "
        "OpenAI, Anthropic, Gemini or Bedrock requests, of LiteLLM or Helicone; transcripts of "
        "Claude Code, Codex or Gemini CLI; messages; or retrieval hits; as JSON lines, JSON, gzip "
        "or Parquet. Each record is read in the format that it has. Nothing leaves this machine.",
    )
    auditing.add_argument(
        "paths", metavar="PATH", nargs="+", help="files, folders or patterns; - is standard input"
    )
    auditing.add_argument(
        "--budget", type=whole, help="tokens that a request may have; larger ones are reported"
    )
    add_counter(auditing)
    auditing.add_argument(
        "--prices",
        metavar="PRICE",
        help=f"dollars per million input tokens, such as 3; with those for cache reads and writes: "
        f"3,0.3,3.75; or the name of a price row: {', '.join(PRICES)}",
    )
    auditing.add_argument(
        "--replay", action="store_true", help="pack the same requests with ctxmem and compare"
    )
    auditing.add_argument(
        "--forgotten",
        action="store_true",
        help="also report what trimming or compaction removed and a later request needed",
    )
    auditing.add_argument(
        "--restore",
        metavar="OUT",
        help="write the messages that left the window to OUT: .md for people, .json or .jsonl for "
        "sending",
    )
    auditing.add_argument(
        "--force", action="store_true", help="let --restore replace a file that exists"
    )
    auditing.add_argument(
        "--no-near", action="store_true", help="do not look for versions, overlaps and boilerplate"
    )
    auditing.add_argument("--html", metavar="OUT", help="also write the audit as a page")
    auditing.add_argument("--json", action="store_true", help="print the whole result as JSON")
    auditing.add_argument(
        "--fail-on",
        metavar="CONDITIONS",
        help="exit with code 1 if any condition holds, such as dup_tokens>10%%,over_budget>0",
    )
    auditing.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Audit files and print the account or JSON."""
    # What is held back are hundreds of thousands of objects without cycles: looking for some in
    # them over and over takes a fifth of the time where lines are short.
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 50)
    if arguments.fail_on is not None:
        # What is wrong with the conditions is said before the wait.
        _check_conditions(arguments.fail_on, forgotten=arguments.forgotten)
    found = audit(
        arguments.paths,
        budget=arguments.budget,
        counter=arguments.counter,
        prices=_prices(arguments.prices),
        near=not arguments.no_near,
        replay=arguments.replay,
        forgotten=arguments.forgotten or arguments.restore is not None,
        progress=_Progress(),
    )
    progress("")
    gate = found.measured(arguments.fail_on) if arguments.fail_on is not None else []
    if arguments.json:
        print_json(found.to_dict())
    else:
        print(found)
    if arguments.html:
        write_page(found.to_html, arguments.html)
    if not found.totals["calls"]:
        raise InputError(
            f"nothing to audit in {', '.join(arguments.paths)}; expected traces or logs of one of "
            f"the formats that ctxmem audit --help names, with what was retrieved or sent"
        )
    if arguments.restore is not None:
        written = found.restore(arguments.restore, force=arguments.force)
        count = sum(len(one.entries) for one in found.removed)
        print(f"wrote {written}, {count:,} messages that had left the window", file=sys.stderr)
    for failed, condition in gate:
        print(f"ctxmem audit: {'failed' if failed else 'passed'}: {condition}", file=sys.stderr)
    return FOUND if any(failed for failed, _ in gate) else DONE


def _check_conditions(text: str, *, forgotten: bool) -> None:
    conditions = read_conditions(text, (*METRICS, *FORGOTTEN_METRICS))
    for condition in conditions if not forgotten else ():
        if condition.metric in FORGOTTEN_METRICS:
            raise InputError(f"{condition} needs --forgotten; expected both options")


def _prices(text: str | None) -> dict[str, float] | str | None:
    if text is None or text in PRICES:
        return text
    parts = text.split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if not 1 <= len(values) <= 3:
        raise InputError(
            f"--prices is {text!r}; expected dollars a million input tokens, such as 3, with those "
            f"a million tokens cost to read from the cache, such as 3,0.3, and to write to it, "
            f"such as 3,0.3,3.75, or one of {', '.join(PRICES)}"
        )
    return dict(zip(("input", "cache_read", "cache_write"), values, strict=False))


class _Progress:
    """Shows how much was read and how fast, where somebody watches."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, stats: ReadStats) -> None:
        read = stats.bytes / 1e6
        speed = read / max(1e-3, time.monotonic() - self._start)
        progress(f"{stats.records:,} records, {read:,.0f} MB, {speed:,.0f} MB a second")
