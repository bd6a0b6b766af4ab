"""ctxmem replay: what would this conversation have cost, trimmed by which policy?"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ctxmem.cli.reading import DONE, bytes_of, decoded, print_json, progress, whole
from ctxmem.errors import InputError
from ctxmem.memory.layout import POLICIES
from ctxmem.memory.replaying import Replay, replay
from ctxmem.policies import POLICIES as PAGE_POLICIES
from ctxmem.pricing import PRICES, prices_of
from ctxmem.schema import SCHEMA_VERSION


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "replay",
        help="compare what recorded conversations cost under prompt caching",
        description="Replay recorded conversations through ctxmem.Memory and bill every window by "
        "a provider's cache rules, beside the untrimmed history.",
        epilog="A trace is JSON or JSONL, plain or .gz: a list of messages, an object with "
        "'messages', or one of these a line.",
    )
    parser.add_argument("trace", metavar="TRACE", help="file with conversations; - reads stdin")
    parser.add_argument("--budget", type=whole, default=16_000, help="tokens of a window (16000)")
    parser.add_argument(
        "--policy",
        default=",".join(POLICIES),
        help=f"by commas: {', '.join(dict.fromkeys((*POLICIES, *PAGE_POLICIES)))}",
    )
    parser.add_argument("--prices", default="anthropic", help=f"by commas: {', '.join(PRICES)}")
    parser.add_argument("--counter", default="o200k_base", help="encoding or model name")
    parser.add_argument("--fault", type=float, default=0.25, help="price of a missed token (0.25)")
    parser.add_argument("--verbatim", action="store_true", help="leave JSON results as they are")
    parser.add_argument("--html", metavar="OUT", help="plot bill and window over time")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay, and print a table, JSON or a page."""
    chats = conversations(arguments.trace)
    found: list[list[Replay]] = []
    for name in arguments.prices.split(","):
        prices = prices_of(name.strip())
        for policy in arguments.policy.split(","):
            done = []
            for i, chat in enumerate(chats):
                progress(f"{policy} at {prices.name} prices: {i + 1} of {len(chats)}")
                done.append(
                    replay(
                        chat,
                        arguments.budget,
                        policy=policy.strip(),
                        prices=prices,
                        counter=arguments.counter,
                        fault=arguments.fault,
                        compact=not arguments.verbatim,
                    )
                )
            found.append(done)
    progress("")
    rows = [summed(done) for done in found]
    data = {
        "schema_version": SCHEMA_VERSION,
        "conversations": len(chats),
        "messages": sum(map(len, chats)),
        "budget": arguments.budget,
        "rows": rows,
    }
    if arguments.html:
        Path(arguments.html).write_text(page(data, found), encoding="utf-8")
    if arguments.json:
        print_json({**data, "replays": [[one.to_dict() for one in done] for done in found]})
        return DONE
    show(data)
    if arguments.html:
        print(f"wrote {arguments.html}")
    return DONE


def conversations(path: str) -> list[list[dict[str, Any]]]:
    """Return the conversations of a file, each as chat messages."""
    if path == "-":
        import sys

        data = sys.stdin.buffer.read()
    else:
        data = bytes_of(path)
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    text = decoded(data, path)
    try:
        values = [json.loads(text)]
    except ValueError:
        values = list(_lines(text, path))
    found = [chat for chat in _chats(values, path) if chat]
    if not found:
        raise InputError(f"{path} holds no conversation; expected messages with role and content")
    return found


def _lines(text: str, path: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise InputError(
                    f"{path}, line {number} is not JSON: {error}; expected JSON or JSONL"
                ) from None


def _chats(values: Sequence[Any], path: str) -> Iterator[list[dict[str, Any]]]:
    loose: list[dict[str, Any]] = []
    for value in values:
        if isinstance(value, list):
            if value and isinstance(value[0], list):
                yield from _chats(value, path)
            else:
                yield [_message(one, path) for one in value]
        elif isinstance(value, dict):
            inner = next((value[k] for k in ("messages", "msgs", "turns") if k in value), None)
            if isinstance(inner, list):
                yield [_message(one, path) for one in inner]
            else:
                loose.append(_message(value, path))
        else:
            raise InputError(f"{path} holds a JSON {type(value).__name__}; expected messages")
    if loose:
        yield loose


def _message(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not ("role" in value or "type" in value):
        raise InputError(
            f"{path} holds {json.dumps(value)[:60]} where a message was expected: an object with "
            "role and content"
        )
    if "content" not in value and isinstance(value.get("text"), str):
        return {"role": value["role"], "content": value["text"]}
    return value


def summed(done: Sequence[Replay]) -> dict[str, Any]:
    """Return one row: what a policy came to over all conversations."""
    cost, untrimmed = sum(one.cost for one in done), sum(one.untrimmed for one in done)
    steps = [step for one in done for step in one.steps]
    needs = sum(step.needs for step in steps)
    dollars = PRICES[done[0].prices].dollars if done[0].prices in PRICES else 0.0
    return {
        "policy": done[0].policy,
        "prices": done[0].prices,
        "calls": len(steps),
        "bill": cost,
        "untrimmed": untrimmed,
        "ratio": cost / untrimmed if untrimmed else 1.0,
        "dollars": cost * dollars / 1e6,
        "worst": max((one.cost / one.untrimmed for one in done if one.untrimmed), default=1.0),
        "named": sum(step.named for step in steps) / needs if needs else 1.0,
        "edits": sum(bool(step.edits) for step in steps),
        "mean": sum(step.tokens for step in steps) / max(1, len(steps)),
        "largest": max((step.tokens for step in steps), default=0),
        "history": max((step.history for step in steps), default=0),
    }


def show(data: dict[str, Any]) -> None:
    """Print the table."""
    rows = data["rows"]
    print(
        f"{data['conversations']:,} conversation{'' if data['conversations'] == 1 else 's'}, "
        f"{data['messages']:,} messages, {rows[0]['calls']:,} calls of the model; the longest "
        f"history has {rows[0]['history']:,} tokens, a window {data['budget']:,}"
    )
    print("bill: against sending the whole history every time, in the same cache")
    head = ("policy", "prices", "bill", "worst", "dollars", "in sight", "edits", "mean", "largest")
    print("\n{:<10}{:<16}{:>6}{:>8}{:>10}{:>10}{:>7}{:>9}{:>9}".format(*head))
    for row in rows:
        print(
            f"{row['policy']:<10}{row['prices']:<16}{row['ratio']:>6.2f}{row['worst']:>8.2f}"
            f"{row['dollars']:>10.4f}{row['named']:>10.1%}{row['edits']:>7,}{row['mean']:>9,.0f}"
            f"{row['largest']:>9,}"
        )


# The page -----------------------------------------------------------------------------------------

_COLOURS = ("#1b6ca8", "#c2571a", "#5d8a3a", "#8a4fa3", "#a83250", "#3a8a86")
_WIDE, _HIGH, _LEFT, _LOW = 860, 240, 64, 28

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:56rem;padding:0 1rem;
color:#1d2126;background:#fff}
h1{font-size:1.35rem}h2{font-size:1.05rem;margin-top:2rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #d9dde2}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#59616b}
.key span{margin-right:1.2rem;white-space:nowrap}
.key i{display:inline-block;width:.8rem;height:.8rem;margin-right:.35rem;vertical-align:-.08rem}
@media(prefers-color-scheme:dark){body{color:#e4e7eb;background:#16191d}
th,td{border-color:#363c44}text{fill:#a3abb5}}
"""


def page(data: dict[str, Any], found: Sequence[Sequence[Replay]]) -> str:
    """Return the plots of the longest conversation and the table of all, as one HTML page."""
    longest = max(range(len(found[0])), key=lambda i: len(found[0][i].steps))
    chosen = [done[longest].to_dict() for done in found]
    several = len({one["prices"] for one in chosen}) > 1
    names = [
        f"{one['policy']}, {one['prices']}" if several else str(one["policy"]) for one in chosen
    ]
    colours = [_COLOURS[i % len(_COLOURS)] for i in range(len(chosen))]
    key = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(names, colours, strict=True)
    )
    key += '<span><i style="background:#8b939d"></i>whole history</span>'
    windows = [(one["windows"], c) for one, c in zip(chosen, colours, strict=True)]
    bills = [(_running(one["bills"]), c) for one, c in zip(chosen, colours, strict=True)]
    marks = [(i, colours[0]) for i in chosen[0]["edited"]]
    grey = "#8b939d"
    head = ("policy", "prices", "bill", "worst", "in sight", "edits", "mean window", "largest")
    cells = [
        (
            *(row["policy"], row["prices"], f"{row['ratio']:.2f}", f"{row['worst']:.2f}"),
            *(f"{row['named']:.1%}", f"{row['edits']:,}"),
            *(f"{row['mean']:,.0f}", f"{row['largest']:,}"),
        )
        for row in data["rows"]
    ]
    table = "<tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>"
    for row in cells:
        table += "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
    calls = len(chosen[0]["windows"])
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>ctxmem replay</title><style>{_STYLE}</style>"
        "<h1>What the conversation costs under prompt caching</h1>"
        f"<p>{data['conversations']:,} conversations, {data['messages']:,} messages, budget "
        f"{data['budget']:,} tokens. A bill of 1.00 is that of the whole history, sent every time "
        f"through the same cache.</p><table>{table}</table>"
        f"<h2>The longest conversation, {calls:,} calls</h2>"
        f'<p class="key">{key}</p>'
        + plot(
            [(chosen[0]["histories"], grey), *windows],
            "tokens sent",
            level=data["budget"],
            marks=marks,
        )
        + plot([(_running(chosen[0]["untrimmed_bills"]), grey), *bills], "bill so far")
        + "</html>\n"
    )


def _running(values: Sequence[float]) -> list[float]:
    total, made = 0.0, []
    for value in values:
        total += value
        made.append(total)
    return made


def plot(
    lines: Sequence[tuple[Sequence[float], str]],
    title: str,
    *,
    level: float | None = None,
    marks: Sequence[tuple[int, str]] = (),
) -> str:
    """Return lines over the calls as SVG; `level` is a dashed line, `marks` are edits."""
    count = max((len(values) for values, _ in lines), default=0)
    top = max([1.0, level or 0.0, *(value for values, _ in lines for value in values)]) * 1.05

    def x(i: float) -> float:
        return round(_LEFT + (_WIDE - _LEFT - 8) * i / max(1, count - 1), 1)

    def y(value: float) -> float:
        return round(_HIGH - _LOW - (_HIGH - _LOW - 16) * value / top, 1)

    parts = [f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{escape(title)}">']
    for share in (0.0, 0.5, 1.0):
        value = top / 1.05 * share
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDE - 8}" y1="{y(value)}" y2="{y(value)}" '
            f'stroke="#8b939d" stroke-opacity=".35"/>'
            f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{_short(value)}</text>'
        )
    if level is not None:
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDE - 8}" y1="{y(level)}" y2="{y(level)}" '
            'stroke="#a83250" stroke-dasharray="5 4"/>'
            f'<text x="{_WIDE - 10}" y="{y(level) - 5}" text-anchor="end">budget</text>'
        )
    for i, colour in marks:
        parts.append(
            f'<line x1="{x(i)}" x2="{x(i)}" y1="{_HIGH - _LOW}" y2="{_HIGH - _LOW + 7}" '
            f'stroke="{colour}" stroke-width="2"><title>edit</title></line>'
        )
    for values, colour in lines:
        points = " ".join(f"{x(i)},{y(value)}" for i, value in enumerate(values))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
        )
    parts.append(f'<text x="{_LEFT}" y="12">{escape(title)}</text>')
    parts.append(f'<text x="{_WIDE - 8}" y="{_HIGH - 6}" text-anchor="end">call {count}</text>')
    return "".join(parts) + "</svg>"


def _short(value: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}"
