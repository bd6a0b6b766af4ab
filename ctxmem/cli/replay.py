"""ctxmem replay: what would this conversation have cost, trimmed by which policy?"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ctxmem.auditing.conversations import Conversation, Exchange, conversations
from ctxmem.auditing.messages import is_answer
from ctxmem.chat.uniform import put_together, uniform
from ctxmem.cli.reading import DONE, add_counter, print_json, progress, whole
from ctxmem.errors import BudgetError, InputError
from ctxmem.memory import Memory
from ctxmem.memory.planner import POLICIES
from ctxmem.memory.replaying import Replay, replay
from ctxmem.policies import POLICIES as PAGE_POLICIES
from ctxmem.pricing import PRICES, prices_of
from ctxmem.report import replay_page
from ctxmem.report.words import many
from ctxmem.schema import SCHEMA_VERSION
from ctxmem.traces import ReadStats

EXAMPLES = (
    "ctxmem replay sessions.jsonl --budget 16000 --prices anthropic,openai --html bill.html",
)
SETTINGS = ("budget", "counter", "prices", "policy", "miss-cost", "verbatim")
"""Options whose defaults may be in pyproject.toml."""


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "replay",
        help="compare what recorded conversations cost under prompt caching",
        description="Replay recorded conversations through ctxmem.Memory and bill every window by "
        "a provider's cache rules, beside the untrimmed history.",
        epilog="Reads what ctxmem audit reads: lists of messages, logged requests, transcripts, "
        "exports of tracing platforms and OpenTelemetry spans. Requests that repeat a growing "
        "history are one conversation. What no bill includes is counted, with its reason.",
    )
    parser.add_argument(
        "trace", metavar="TRACE", nargs="+", help="files, folders or patterns; - is standard input"
    )
    parser.add_argument(
        "--budget", type=whole, default=16_000, help="tokens that a window may have (16000)"
    )
    parser.add_argument(
        "--policy",
        default=",".join(POLICIES),
        help=f"trimming policies, separated by commas: "
        f"{', '.join(dict.fromkeys((*POLICIES, *PAGE_POLICIES)))}",
    )
    parser.add_argument(
        "--prices",
        default="anthropic",
        help=f"price rows, separated by commas: {', '.join(PRICES)}",
    )
    add_counter(parser)
    parser.add_argument(
        "--miss-cost",
        "--fault",
        dest="miss_cost",
        type=float,
        default=0.25,
        help="cost of a needed token that is not in the window, in input tokens (0.25)",
    )
    parser.add_argument(
        "--verbatim", action="store_true", help="do not write JSON results as tables"
    )
    parser.add_argument(
        "--html", metavar="OUT", help="also write a page that plots bill and window over time"
    )
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Replay, and print a table, JSON or a page."""
    stats = ReadStats()
    recorded = Recorded(arguments.trace, stats)
    options = _options(arguments)
    found: list[list[Replay]] = [[] for _ in options]
    shown: list[Replay] = []  # of the longest conversation
    for chat in recorded:
        made = _replayed(chat, options, arguments.budget, recorded)
        for done, one in zip(found, made, strict=bool(made)):
            done.append(one)
        if made and (not shown or len(made[0].steps) > len(shown[0].steps)):
            shown = made
    progress("")
    if not found[0]:
        raise InputError(_nothing(arguments.trace, recorded, stats))
    data = {
        "schema_version": SCHEMA_VERSION,
        "conversations": len(found[0]),
        "messages": sum(one.messages for one in found[0]) + recorded.answers,
        "calls": sum(len(one.steps) for one in found[0]),
        "budget": arguments.budget,
        "rows": [summed(done) for done in found],
        "left_out": dict(recorded.left_out),
        "read": {
            "files": stats.files,
            "records": stats.records,
            "formats": dict(stats.formats.most_common()),
            "skipped": dict(stats.skipped.most_common()),
            "places": stats.places,
        },
    }
    if arguments.json:
        print_json({**data, "replays": [[one.to_dict() for one in done] for done in found]})
    else:
        show(data)
    if arguments.html:
        _write_page(arguments.html, replay_page(data, [one.to_dict() for one in shown]))
        print(f"wrote {arguments.html}", file=sys.stderr if arguments.json else sys.stdout)
    return DONE


def _write_page(path: str, page: str) -> None:
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from None


def _options(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the options of a memory for each policy and price; wrong ones are an `InputError`."""
    options = [
        {
            "policy": policy.strip(),
            "prices": prices_of(name.strip()),
            "counter": arguments.counter,
            "miss_cost": arguments.miss_cost,
            "tabulate_json": not arguments.verbatim,
        }
        for name in arguments.prices.split(",")
        for policy in arguments.policy.split(",")
    ]
    for option in options:
        Memory(arguments.budget, **option)  # what is wrong with them is said before the wait
    return options


def _replayed(
    chat: Chat, options: Sequence[dict[str, Any]], budget: int, recorded: Recorded
) -> list[Replay]:
    """Return what each policy makes of a conversation, [] if it cannot be replayed."""
    made = []
    for number, option in enumerate(options, start=1):
        progress(f"conversation {recorded.number:,}, policy {number} of {len(options)}")
        try:
            one = replay(chat.windows(), budget, **option)
        except BudgetError as error:
            recorded.leave_out(TOO_LARGE, len(chat.exchanges), str(error))
            return []
        except InputError as error:
            recorded.leave_out(UNREADABLE, len(chat.exchanges), str(error))
            return []
        made.append(one)
    recorded.answers += chat.answers
    return made


TOO_LARGE = "calls of conversations whose pinned messages do not fit the budget"
UNREADABLE = "calls of conversations with a message of no known shape"
UNSENT = "messages behind the last answer of a conversation, which were sent with no call"
NO_WINDOW = "calls whose messages the log does not hold"
RETRIEVED = "retrievals without a request to a model"
EARLIER = "answers in the first window of a conversation whose own calls are not in the log"
TOOLS = "calls that offered tools, whose definitions are in no bill"


class Chat:
    """The calls of one conversation, in one shape whatever the log's is."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.exchanges = exchanges
        self._shapes: dict[int, list[Any]] = {}  # by the id of a message, which calls share

    def windows(self) -> Iterator[tuple[list[Any], list[Any]]]:
        """Yield window and answer of every call."""
        for one in self.exchanges:
            yield self._shaped(one.messages), self._shaped(one.answer)

    @property
    def answers(self) -> int:
        """How many messages the last answer has, which no window holds."""
        return len(self._shaped(self.exchanges[-1].answer))

    def _shaped(self, messages: Sequence[Any]) -> list[Any]:
        made = []
        for message in messages:
            known = self._shapes.get(id(message))
            if known is None:
                known = self._shapes[id(message)] = uniform(message)
            made += known
        return put_together(made)


class Recorded:
    """The conversations of a source that can be replayed; counts what is left out and why."""

    def __init__(self, source: Sequence[str], stats: ReadStats) -> None:
        self._source = source
        self._stats = stats
        self.number = 0
        self.answers = 0
        self.left_out: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def leave_out(self, reason: str, count: int, example: str = "") -> None:
        """Count what is in no bill."""
        if count:
            self.left_out[reason] += count
            self.examples.setdefault(reason, example)

    def __iter__(self) -> Iterator[Chat]:
        for conversation in conversations(self._source, stats=self._stats, progress=_show_read):
            self.number += 1
            sent = [one for one in conversation.exchanges if one.until]
            self._note(conversation, sent)
            if sent:
                yield Chat(sent)

    def _note(self, conversation: Conversation, sent: Sequence[Exchange]) -> None:
        empty = [one for one in conversation.exchanges if not one.until]
        retrieved = sum(bool(one.lists or one.shown) for one in empty)
        self.leave_out(RETRIEVED, retrieved)
        self.leave_out(NO_WINDOW, len(empty) - retrieved)
        self.leave_out(UNSENT, len(conversation.unanswered))
        self.leave_out(TOOLS, sum(bool(one.tools) for one in sent))
        if sent and not empty:
            self.leave_out(EARLIER, sum(map(is_answer, sent[0].messages)))


def _show_read(stats: ReadStats) -> None:
    progress(f"{stats.records:,} records, {stats.bytes / 1e6:,.0f} MB read")


def _nothing(paths: Sequence[str], recorded: Recorded, stats: ReadStats) -> str:
    """Say why nothing was replayed."""
    reasons = [
        *(f"{count:,} {reason}" for reason, count in recorded.left_out.items()),
        *(
            f"{count:,} {'record' if count == 1 else 'records'} skipped: {reason}, such as "
            f"{stats.places[reason][0]}"
            for reason, count in stats.skipped.items()
        ),
    ]
    reasons += [example for example in recorded.examples.values() if example]
    return (
        f"{', '.join(paths)} holds no conversation; expected messages with role and content, or "
        f"one of the formats that ctxmem audit --help names{''.join(f'; {one}' for one in reasons)}"
    )


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
        f"{many(data['conversations'], 'conversation')}, {many(data['messages'], 'message')}, "
        f"{many(data['calls'], 'call')} of the model. The longest history has "
        f"{rows[0]['history']:,} tokens; a window may have {data['budget']:,}."
    )
    _show_counts("In no bill", data["left_out"], {})
    _show_counts("Not read", data["read"]["skipped"], data["read"]["places"])
    head = ("policy", "prices", "bill", "worst", "dollars", "named", "edits", "mean", "largest")
    print("\n{:<10}{:<16}{:>6}{:>8}{:>10}{:>10}{:>7}{:>9}{:>9}".format(*head))
    for row in rows:
        print(
            f"{row['policy']:<10}{row['prices']:<16}{row['ratio']:>6.2f}{row['worst']:>8.2f}"
            f"{row['dollars']:>10.4f}{row['named']:>10.1%}{row['edits']:>7,}{row['mean']:>9,.0f}"
            f"{row['largest']:>9,}"
        )
    print(f"\n{_LEGEND}")


def _show_counts(title: str, counts: dict[str, int], places: dict[str, list[str]]) -> None:
    """Print what was left out, with the place of the first."""
    if counts:
        print(f"\n{title}:")
    for reason, count in counts.items():
        where = f" (first at {places[reason][0]})" if places.get(reason) else ""
        print(f"{count:>9,}  {reason}{where}")


_LEGEND = """\
bill      cost of the input, 1 for sending the whole history every time with the same cache
worst     the bill of the conversation that it is highest for
named     share of the identifiers used by a message, and said before, that its window had
edits     calls whose window changed an earlier part, which costs the cache
mean, largest  tokens of a window"""
