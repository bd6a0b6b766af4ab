"""The reports of the benchmarks in one format: rows of times or scores per competitor.

A benchmark with its own report format has a function `comparisons(report)` in its module; the other
reports are read by `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Comparison = dict[str, Any]
Reader = Callable[[Mapping[str, Any]], list[Comparison]]

LARGEST = 3
"""Of the gaps by set and budget, so many are shown."""


def comparison(title: str, unit: str, n: int, *, more_is_better: bool = False) -> Comparison:
    """Return a comparison without rows."""
    return {"title": title, "unit": unit, "n": n, "more_is_better": more_is_better, "rows": []}


def add(found: Comparison, name: str, value: float, *, ours: bool, **more: Any) -> None:
    """Add who was measured; `more` may hold low, high and note."""
    found["rows"].append({"name": name, "value": value, "ours": ours, **more})


def ratio(found: Comparison, row: Mapping[str, Any]) -> float | None:
    """Return how many times worse than our best row a row is; below 1 it wins."""
    best = ours(found)
    if best is None or not row["value"] or not best["value"]:
        return None
    times = row["value"] / best["value"]
    return 1 / times if found["more_is_better"] else times


def ours(found: Comparison) -> Mapping[str, Any] | None:
    """Return our own row, the first of them."""
    return next((row for row in found["rows"] if row["ours"]), None)


def lost(found: Comparison) -> list[Mapping[str, Any]]:
    """Return the rows of others that are better than our own."""
    return [r for r in found["rows"] if not r["ours"] and (ratio(found, r) or 1.0) < 1.0]


# Readers


def of_tokens(report: Mapping[str, Any]) -> list[Comparison]:
    """Read microseconds a chunk, by corpus."""
    found = []
    for corpus, measured in report["corpora"].items():
        one = comparison(f"count a chunk never seen: {corpus}", "us", report["rounds"])
        times = measured["microseconds"]
        add(one, "ctxmem", times["first seen"]["median"], ours=True,
            low=times["first seen"]["low"], high=times["first seen"]["high"])  # fmt: skip
        for name, row in times.items():
            if name.split()[-1][:1].isdigit():
                add(one, name, row["median"], ours=False, low=row["low"], high=row["high"])
        found.append(one)
    return found


def of_dedup(report: Mapping[str, Any]) -> list[Comparison]:
    """Read milliseconds by number of chunks, with recall and precision."""
    found: dict[int, Comparison] = {}
    for row in report["speed"]:
        if "ms" not in row:
            continue
        title = f"near-duplicates among {row['n']:,} chunks"
        one = found.setdefault(row["n"], comparison(title, "ms", 0))
        note = ""
        if "recall" in row:
            note = f"recall {row['recall']:.3f}, precision {row['precision']:.3f}"
        mine = row["who"].startswith("ctxmem")
        name = f"{row['who']} {row['version']}"
        add(one, name, row["ms"], ours=mine, low=row["least"], high=row["most"], note=note)
    return list(found.values())


def of_pack(report: Mapping[str, Any]) -> list[Comparison]:
    """Read milliseconds a pack, with texts new and known."""
    one = comparison(f"pack {report['chunks']:,} chunks, all texts new", "ms", report["rounds"])
    known = comparison(f"pack {report['chunks']:,} chunks, counts known", "ms", report["rounds"])
    for key, name, to in (
        ("new", "ctxmem", one),
        ("plain, new", "plain fill with tiktoken", one),
        ("known", "ctxmem", known),
    ):
        row = report["milliseconds"].get(key)
        if row:
            mine = name == "ctxmem"
            add(to, name, row["median"], ours=mine, low=row["min"], high=row["max"])
    return [one, known]


def of_solver(report: Mapping[str, Any]) -> list[Comparison]:
    """Read milliseconds a problem."""
    found: dict[tuple[Any, ...], Comparison] = {}
    for row in report["rows"]:
        key = (row["question"], row["n"], row.get("budget"), row.get("values"))
        values = f", {row['values']} values" if row.get("values") else ""
        title = f"solve {row['question']}, {row['n']:,} chunks{values}"
        one = found.setdefault(key, comparison(title, "ms", row["runs"]))
        note = f"{row['unproved']} of {row['runs']} not proved" if row["unproved"] else ""
        mine = row["solver"].startswith("ctxmem")
        add(one, row["solver"], row["median_ms"], ours=mine, high=row["worst_ms"], note=note)
    raced = [one for one in found.values() if not all(row["ours"] for row in one["rows"])]
    alone = [one for one in found.values() if all(row["ours"] for row in one["rows"])]
    if alone:
        together = comparison("solve what no peer was asked", "ms", alone[0]["n"])
        for one in alone:
            for row in one["rows"]:
                together["rows"].append({**row, "name": one["title"].removeprefix("solve ")})
        raced.append(together)
    return raced


def of_messages(report: Mapping[str, Any]) -> list[Comparison]:
    """Read milliseconds a trim, by the length of the chat."""
    found = []
    for size in report["sizes"]:
        one = comparison(f"trim a chat of {size['messages']:,} messages", "ms", report["rounds"])
        for name, row in size["milliseconds"].items():
            mine = name.startswith("ctxmem")
            add(one, name, row["median"], ours=mine, low=row["min"], high=row["max"])
        found.append(one)
    return found


def of_audit(report: Mapping[str, Any]) -> list[Comparison]:
    """Read megabytes a second, beside parsing the same lines and doing nothing with them."""
    one = comparison(f"audit {report['megabytes']:,} MB of JSON lines", "MB/s", report["rounds"],
                     more_is_better=True)  # fmt: skip
    short = report["short"]
    two = comparison(f"audit lines of {short['bytes_a_line']} bytes", "MB/s", report["rounds"],
                     more_is_better=True)  # fmt: skip
    for of, speed in ((one, report["speed"]), (two, short["speed"])):
        for name, row in speed.items():
            mine = name.startswith("ctxmem")
            add(of, name, row["median"], ours=mine, low=row["min"], high=row["max"])
    return [one, two]


def of_quality(report: Mapping[str, Any]) -> list[Comparison]:
    """Read the shares of the evidence that windows keep, and where a peer keeps most more."""
    n = sum(report["questions"].values())
    seen = "" if report["left_out"] else ", by weights that may have seen the sets"
    found = []
    for scenario, hits in (("multi", "several lists"), ("single", "one dense list")):
        unit = "mean recall at 512 to 4,096, with its 95 % interval"
        one = comparison(f"evidence kept of {hits}{seen}", unit, n, more_is_better=True)
        results = report["scenarios"][scenario]
        for name in sorted(results, key=lambda name: (name != "ctxmem", -results[name]["aub"])):
            row, mine = results[name], name.startswith("ctxmem")
            note = f"{row['dup']:.0%} repeats at 1,024"
            add(one, name, row["aub"], ours=mine, low=row["low"], high=row["high"], note=note)
        found.append({**one, "curves": results})
    for gap in report["losses"][:LARGEST]:
        one = comparison(f"evidence kept, {gap['set']} at {gap['budget']:,}", "recall",
                         report["questions"][gap["set"]], more_is_better=True)  # fmt: skip
        add(one, "ctxmem", gap["recall"], ours=True)
        add(one, gap["peer"], gap["peer recall"], ours=False)
        found.append(one)
    return found


def of_bill(report: Mapping[str, Any]) -> list[Comparison]:
    """Read bills as shares of that of the untrimmed history."""
    found = []
    for table in report["tables"]:
        title = f"bill of {table['source']}, {table['budget']:,} tokens, {table['prices']} prices"
        one = comparison(title, "of untrimmed", table["runs"])
        for row in table["rows"][:1]:
            note = f"{row['named']:.0%} of what is needed is in the window"
            add(one, f"ctxmem, {row['policy']}", row["bill"], ours=True, note=note)
        add(one, "untrimmed history", 1.0, ours=False)
        for row in table["peers"]:
            recall = row.get("recall")
            note = "" if recall is None else f"{recall:.0%} of what is needed is in the window"
            add(one, row["policy"], row["bill"], ours=False, note=note)
        found.append(one)
    return found


def of_memory(report: Mapping[str, Any]) -> list[Comparison]:
    """Read the share of each request that is a prefix of the next; higher without a budget."""
    together = report["together"]
    title = f"prefix kept from call to call, budget {together['budget']:,}"
    one = comparison(title, "share", 1, more_is_better=True)
    for row in together["rows"]:
        note = f"{row['over_budget']} of {row['calls']} over the budget, {row['torn']} torn"
        mine = row["strategy"].startswith("ctxmem.Memory")
        add(one, row["strategy"], row["prefix_mean"], ours=mine, note=note)
    return [one]


READERS: dict[str, Reader] = {
    "tokens": of_tokens,
    "dedup": of_dedup,
    "pack": of_pack,
    "solver": of_solver,
    "quality": of_quality,
    "bill": of_bill,
    "memory": of_memory,
    "messages": of_messages,
    "audit": of_audit,
}
