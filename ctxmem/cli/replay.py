"""ctxmem replay: what would this conversation have cost, trimmed by which policy?"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ctxmem.cli.reading import DONE, bytes_of, decoded, print_json, progress, whole
from ctxmem.errors import InputError
from ctxmem.memory.planner import POLICIES
from ctxmem.memory.replaying import Replay, replay
from ctxmem.policies import POLICIES as PAGE_POLICIES
from ctxmem.pricing import PRICES, prices_of
from ctxmem.report import replay_page
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
    parser.add_argument(
        "--miss-cost",
        "--fault",
        dest="miss_cost",
        type=float,
        default=0.25,
        help="price of a missed token (0.25)",
    )
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
                        miss_cost=arguments.miss_cost,
                        tabulate_json=not arguments.verbatim,
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
        longest = max(range(len(chats)), key=lambda i: len(found[0][i].steps))
        shown = replay_page(data, [done[longest].to_dict() for done in found])
        Path(arguments.html).write_text(shown, encoding="utf-8")
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
