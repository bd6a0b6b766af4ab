"""What does a conversation cost under prompt caching, and is what it needs still in the window?

Recorded agent runs are replayed through `ctxmem.Memory`: message by message, one window wherever
the model was called. Every window is billed by the provider's cache rules and compared with sending
the whole history (bill 1.00). A *need* is an identifier that the model's next message uses and an
earlier one held. It is *named* when the window shows it anywhere, in an index too, and *in full*
when the window shows a message that held it, with all its values. What is not named is fetched at
full price and is part of the bill; "bill, all in full" fetches what is not in full, too.

`--simulator` takes the path of a reference simulator of such bills, a module with PRICES, Bill,
needs, idents, run and the policies of today; they then run on the same runs, and our bill must
agree with its bill. Where we do not win: dialogues far shorter than the budget of text that holds
no JSON come out at 1.00, and so does everything at providers without prompt caching, where the
budget alone decides.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import importlib.util
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ctxmem
from ctxmem import Memory, _native
from ctxmem.errors import InputError
from ctxmem.input_files import decoded, json_lines, read_bytes
from ctxmem.memory.identifiers import identifiers
from ctxmem.pricing import Bill, Block, prices_of

from .reporting import print_json

OPTIONS: dict[str, dict[str, Any]] = {
    "Memory": {},
    "Memory, miss_cost=0": {"miss_cost": 0.0},
    "Memory, miss_cost=1": {"miss_cost": 1.0},
    "Memory, miss_cost=4": {"miss_cost": 4.0},
    "Memory, tabulate_json=False": {"tabulate_json": False},
    'Memory, policy="batch"': {"policy": "batch"},
    'Memory, policy="slide"': {"policy": "slide"},
}
"""The road from cheap to complete, the same in every table; the first row is the default."""

MESSAGE = 4
"""Tokens that the recorded counts have beyond the text, per message; ours are counted so, too."""

Names = Callable[[str], Iterable[str]]
Message = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="ctxmem bench bill", description=__doc__)
    parser.add_argument("--data", required=True, help="agent runs, JSONL or JSONL.GZ")
    parser.add_argument("--simulator", help="path of a reference simulator, run beside")
    parser.add_argument("--budgets", default="4000,6000", help="tokens, by commas")
    parser.add_argument("--prices", default="anthropic,openai", help="rows of the table, by commas")
    parser.add_argument("--runs", type=int, help="of each source, the first so many only")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    sources = runs_in(options.data, options.runs)
    simulator = module_at(options.simulator) if options.simulator else None
    report: dict[str, Any] = {
        "question": "what does a conversation cost, and is what it needs in the window?",
        "versions": {
            "ctxmem": ctxmem.__version__,
            "python": platform.python_version(),
            "cpu_level": _native.cpu_level(),
        },
        "tables": [],
        "short": [],
    }
    for source, runs in sources.items():
        for budget in map(int, options.budgets.split(",")):
            for name in options.prices.split(","):
                table = measure(source, runs, budget, name, simulator)
                if table is not None:
                    report["tables"].append(table)
                    if not options.json:
                        show(table)
                short = shortest(source, runs, budget, name)
                report["short"].append(short)
                if not options.json:
                    show_short(short)
    if options.json:
        print_json(report)
    return 0


def runs_in(path: str, most: int | None) -> dict[str, list[list[dict[str, Any]]]]:
    """Return the messages of the runs of a file, by source."""
    data = read_bytes(path, "JSONL")
    text = decoded(gzip.decompress(data) if path.endswith(".gz") else data, path)
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for run in json_lines(text):
        first = run["msgs"][0]
        if ctxmem.count_tokens(first["text"]) + MESSAGE != first["tok"]:
            raise AssertionError(f"{run['name']} is counted otherwise: {first['tok']} tokens")
        there = found.setdefault(run["src"], [])
        if most is None or len(there) < most:
            there.append(run["msgs"])
    return found


def module_at(path: str) -> Any:
    """Import the reference simulator from its path."""
    spec = importlib.util.spec_from_file_location("reference_simulator", path)
    if spec is None or spec.loader is None or not Path(path).exists():
        raise InputError(f"{path} is no Python file; expected the path of a simulator")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def head_of(run: Sequence[Message]) -> int:
    """Return the number of messages before the first of the assistant."""
    return next((i for i, m in enumerate(run) if m["role"] == "assistant"), len(run))


def tokens_of(run: Sequence[Message]) -> int:
    """Return the tokens of a run's texts."""
    return sum(m["tok"] for m in run)


def is_long(run: Sequence[Message], budget: int) -> bool:
    """Return whether a run needs trimming, and can be: no message takes half of the budget."""
    head = head_of(run)
    return (
        tokens_of(run) > 1.25 * budget
        and tokens_of(run[:head]) < 0.6 * budget
        and max((m["tok"] for m in run[head:]), default=0) < 0.5 * budget
    )


def as_chat(run: Sequence[Message]) -> list[dict[str, Any]]:
    """Return a run as chat messages; a tool's text answers a call of the message before it."""
    made: list[dict[str, Any]] = []
    for i, message in enumerate(run):
        one: dict[str, Any] = {"role": message["role"], "content": message["text"]}
        if one["role"] == "tool":
            if made and made[-1]["role"] == "assistant":
                call = {"id": f"c{i}", "type": "function"}
                made[-1]["tool_calls"] = [{**call, "function": {"name": "do", "arguments": "{}"}}]
                one["tool_call_id"] = f"c{i}"
            else:
                one["role"] = "user"
        made.append(one)
    return made


@dataclass
class Measured:
    """What the replays of one row came to."""

    needs: int = 0
    named: int = 0
    full: int = 0
    cost: float = 0.0
    cost_full: float = 0.0
    untrimmed: float = 0.0
    reference: float = 0.0
    worst: float = 0.0
    peak: int = 0
    edits: int = 0
    calls: int = 0
    seconds: float = 0.0
    ratios: list[float] = field(default_factory=list)

    def row(self, name: str) -> dict[str, Any]:
        """Return the row of the table."""
        return {
            "policy": name,
            "named": self.named / max(1, self.needs),
            "full": self.full / max(1, self.needs),
            "bill": self.cost / self.untrimmed,
            "bill_full": self.cost_full / self.untrimmed,
            "halves": [round(self._half(0), 3), round(self._half(1), 3)],
            "worst": self.worst,
            "peak": self.peak,
            "edits": self.edits,
            "calls": self.calls,
            "ms_per_call": 1e3 * self.seconds / max(1, self.calls),
        }

    def _half(self, parity: int) -> float:
        half = self.ratios[parity::2]
        return sum(half) / max(1, len(half))


def replay(
    run: Sequence[Message],
    measured: Measured,
    names: Names,
    *,
    budget: int,
    price: str,
    options: Mapping[str, Any],
    simulator: Any = None,
) -> None:
    """Replay one run through a memory and add up what it comes to.

    Checked at every call: the budget holds, the count is the count of the messages, and between
    edits the window begins with the stable part of the one before.
    """
    rules = prices_of(price)
    bill, full_bill, whole = Bill(rules), Bill(rules), Bill(rules)
    theirs = simulator.Bill(_row_of(simulator, price)) if simulator else None
    memory = Memory(budget, prices=price, **options)
    chat = as_chat(run)
    head = head_of(run)
    known = {name for message in run[:head] for name in names(message["text"])}
    holders: dict[str, list[int]] = collections.defaultdict(list)
    prefix: list[dict[str, Any]] = []
    for i, message in enumerate(run):
        if message["role"] == "assistant" and i:
            start = time.perf_counter()
            window = memory.window()
            measured.seconds += time.perf_counter() - start
            check(window, budget, prefix)
            prefix = window.messages[: window.volatile_from]
            sizes = [ctxmem.count_tokens(m["content"]) + MESSAGE for m in window.messages]
            shown = _shown(memory, window, run, names)
            needed = [n for n in sorted(set(names(message["text"]))) if n in holders]
            needed = [n for n in needed if n not in known]
            tail = sum(sizes[window.volatile_from :])
            fetched = _fetched(run, holders, [n for n in needed if n not in shown[0]])
            fetched_full = _fetched(run, holders, [n for n in needed if n not in shown[1]])
            blocks = [Block(json.dumps(m), size) for m, size in zip(prefix, sizes, strict=False)]
            marks = [mark + 1 for mark in window.breakpoints]
            bill.call(blocks, breakpoints=marks, volatile=tail + fetched)
            full_bill.call(blocks, breakpoints=marks, volatile=tail + fetched_full)
            whole.call(
                [Block(j, m["tok"]) for j, m in enumerate(run[:i])], breakpoints=(min(2, i), i)
            )
            if theirs is not None:
                theirs.call(list(map(tuple, blocks)), tail + fetched)
            measured.needs += len(needed)
            measured.named += sum(n in shown[0] for n in needed)
            measured.full += sum(n in shown[1] for n in needed)
            measured.peak = max(measured.peak, window.tokens)
            measured.calls += 1
        memory.append(chat[i])
        if i >= head:
            for name in set(names(message["text"])):
                holders[name].append(i)
    measured.edits += memory.stats().edits
    measured.cost += bill.cost
    measured.cost_full += full_bill.cost
    measured.untrimmed += whole.cost
    measured.reference += theirs.cost if theirs is not None else 0.0
    measured.ratios.append(bill.cost / whole.cost)
    measured.worst = max(measured.worst, measured.ratios[-1])


def check(window: ctxmem.MemoryWindow, budget: int, before: Sequence[Any]) -> None:
    """Raise unless the window keeps what every window promises."""
    counted = ctxmem.count_messages(window.messages)
    if not counted == window.tokens <= budget:
        raise AssertionError(
            f"{window.tokens} tokens reported, {counted} counted, {budget} allowed"
        )
    edited = any(event.kind in ("edit", "excerpt") for event in window.events)
    if not edited and window.messages[: len(before)] != list(before):
        raise AssertionError("the prefix changed without an edit")


def _shown(
    memory: Memory, window: ctxmem.MemoryWindow, run: Sequence[Message], names: Names
) -> tuple[set[str], set[str]]:
    """Return the identifiers that a window names, and those of messages that it shows in full.

    A result written as a table is shown in full: the table holds every value.
    """
    full = {
        name
        for page in memory.pages()
        if page.resident
        for name in names(run[page.message]["text"])
    }
    named = {name for message in window.messages for name in names(message["content"])}
    return named | full, full


def _fetched(
    run: Sequence[Message], holders: Mapping[str, Sequence[int]], missing: Sequence[str]
) -> int:
    """Return the tokens of the messages to fetch: for each name the shortest that holds it."""
    paged: set[int] = set()
    for name in missing:
        if not paged.intersection(holders[name]):
            paged.add(min(holders[name], key=lambda i: run[i]["tok"]))
    return sum(run[i]["tok"] for i in paged)


def _row_of(simulator: Any, price: str) -> Any:
    """Return the simulator's row that says the same as ours."""
    rules = prices_of(price)
    for row in simulator.PRICES:
        same = (row.read, row.write, row.minlen, row.gran) == (
            *(rules.read, rules.write, rules.minimum, rules.step),
        )
        if same:
            return row
    raise InputError(f"the simulator has no row like {price}; leave it out for these prices")


def measure(
    source: str, runs: Sequence[Sequence[Message]], budget: int, price: str, simulator: Any
) -> dict[str, Any] | None:
    """Return the table of one source, budget and price, None if no run is long enough."""
    chosen = [run for run in runs if is_long(run, budget)]
    if not chosen:
        return None
    names: Names = simulator.idents if simulator else identifiers
    rows = []
    agreement = None
    for name, options in OPTIONS.items():
        measured = Measured()
        for run in chosen:
            replay(
                run,
                measured,
                names,
                budget=budget,
                price=price,
                options=options,
                simulator=simulator,
            )
        rows.append(measured.row(name))
        if simulator and agreement is None:
            agreement = measured.cost / measured.reference
    peers, whole = peers_of(simulator, chosen, budget, price) if simulator else ([], 0.0)
    if simulator and abs(whole - measured.untrimmed) > 1e-6 * whole:
        raise AssertionError(f"the untrimmed bill is {measured.untrimmed}, the simulator's {whole}")
    return {
        "source": source,
        "budget": budget,
        "prices": price,
        "runs": len(chosen),
        "rows": rows,
        "agreement": agreement,
        "peers": peers,
        "dominated": [peer["policy"] for peer in peers if _beaten(peer, rows, "named")],
        "dominated_in_full": [peer["policy"] for peer in peers if _beaten(peer, rows, "full")],
    }


def _beaten(peer: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], recall: str) -> bool:
    """Return whether a row of ours recalls as much and costs no more."""
    return any(row[recall] >= peer["recall"] - 1e-9 and row["bill"] <= peer["bill"] for row in rows)


def peers_of(
    simulator: Any, runs: Sequence[Sequence[Message]], budget: int, price: str
) -> tuple[list[dict[str, Any]], float]:
    """Return the simulator's policies on the same runs and its optimum, and its untrimmed bill."""
    row = _row_of(simulator, price)
    made = {
        "sliding window every call": lambda: simulator.Slide(budget),
        "trim in batches, low=.75": lambda: simulator.Hyst(budget, 0.75),
        "trim in batches, low=.5": lambda: simulator.Hyst(budget, 0.5),
        "trim in batches, low=.25": lambda: simulator.Hyst(budget, 0.25),
        "clear results each call, keep 3": lambda: simulator.ClearEach(budget),
        "clear in batches, low=.75": lambda: simulator.ClearBatch(budget, 0.75),
        "clear in batches, low=.5": lambda: simulator.ClearBatch(budget, 0.5),
        "clear in batches, low=.25": lambda: simulator.ClearBatch(budget, 0.25),
        "clear the largest first, low=.5": lambda: simulator.ClearBig(budget, 0.5),
        "economic order quantity, low=.25": lambda: simulator.EOQ(budget, 0.25),
        "economic order quantity, low=.5": lambda: simulator.EOQ(budget, 0.5),
        "ski rental, low=.25": lambda: simulator.Ski(budget, 0.25),
        "ski rental, low=.5": lambda: simulator.Ski(budget, 0.5),
        "summarise and restart": lambda: simulator.Summ(budget),
    }
    needs = [(run, list(range(head_of(run)))) for run in runs]
    inputs = [(run, head, simulator.needs(run, head)) for run, head in needs]
    whole = sum(
        simulator.run(run, simulator.Full(budget), [row], need, head)["cost"][0]
        for run, head, need in inputs
    )
    rows = []
    for name, policy in made.items():
        found = [simulator.run(run, policy(), [row], need, head) for run, head, need in inputs]
        rows.append(
            {
                "policy": name,
                "recall": sum(f["hits"] for f in found) / max(1, sum(f["tot"] for f in found)),
                "bill": sum(f["cost"][0] for f in found) / whole,
            }
        )
    best = sum(simulator.oracle_cut(run, head, need, budget, row) for run, head, need in inputs)
    rows.append({"policy": "optimum of cuts, all known", "recall": 1.0, "bill": best / whole})
    return rows, whole


def shortest(
    source: str, runs: Sequence[Sequence[Message]], budget: int, price: str
) -> dict[str, Any]:
    """Return how the runs come out that fit into the budget as they are."""
    ratios = []
    for run in runs:
        if ctxmem.count_messages(as_chat(run)) <= budget and any(
            message["role"] == "assistant" for message in run[1:]
        ):
            measured = Measured()
            replay(run, measured, identifiers, budget=budget, price=price, options={})
            ratios.append(measured.ratios[0])
    return {
        "source": source,
        "budget": budget,
        "prices": price,
        "runs": len(ratios),
        "mean": sum(ratios) / max(1, len(ratios)),
        "worst": max(ratios, default=0.0),
        "above_one": sum(ratio > 1.0 + 1e-9 for ratio in ratios),
    }


def show(table: Mapping[str, Any]) -> None:
    """Print one table."""
    rows = table["rows"]
    print(
        f"\n{table['source']}, budget {table['budget']:,}, {table['prices']} prices: "
        f"{table['runs']} runs, {rows[0]['calls']} calls"
    )
    head = ("policy", "named", "in full", "bill", "all full", "halves", "worst", "edits", "peak")
    print("{:<34}{:>7}{:>9}{:>7}{:>10}{:>14}{:>7}{:>7}{:>8}".format(*head))
    for row in rows:
        halves = "/".join(f"{half:.2f}" for half in row["halves"])
        print(
            f"{row['policy']:<34}{row['named']:>7.3f}{row['full']:>9.3f}{row['bill']:>7.3f}"
            f"{row['bill_full']:>10.3f}{halves:>14}{row['worst']:>7.2f}{row['edits']:>7}"
            f"{row['peak']:>8,}"
        )
    for peer in table["peers"]:
        known = "" if peer["policy"].startswith("optimum") else f"{peer['recall']:.3f}"
        print(f"{peer['policy']:<34}{'':>7}{known:>9}{peer['bill']:>7.3f}")
    if table["peers"]:
        online = [p["policy"] for p in table["peers"] if not p["policy"].startswith("optimum")]
        print(
            f"our bill is the simulator's for the whole history, and {table['agreement']:.4f} of "
            "it for our windows, whose breakpoints we choose"
        )
        for key, what in (("dominated", "named"), ("dominated_in_full", "in full")):
            left = [name for name in online if name not in table[key]]
            print(
                f"{len(online) - len(left)} of its {len(online)} policies have a row of ours that "
                f"recalls as much ({what}) and costs no more"
                + (f"; not so: {', '.join(left)}" if left else "")
            )


def show_short(short: Mapping[str, Any]) -> None:
    """Print how short dialogues come out."""
    if short["runs"]:
        print(
            f"{short['source']}, {short['runs']} runs that fit into {short['budget']:,} tokens, "
            f"{short['prices']} prices: bill {short['mean']:.3f}, worst {short['worst']:.3f}, "
            f"{short['above_one']} above 1.0"
        )


if __name__ == "__main__":
    raise SystemExit(main())
