"""How much of the evidence windows keep, as one page: what was to be reached, curves, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxmem.report.curves import choose_curves, curves
from ctxmem.report.page import page
from ctxmem.report.words import Data, escape, many

SCENARIOS = {"multi": "Several lists, with their repeats", "single": "A single dense list"}
OURS, WORDS = "ctxmem", "ctxmem, words and ranks"
BEST = 2
KNOWN = ("LangChain EnsembleRetriever", "dense")
"""Peers drawn by name: the best of all, and what most people run."""

_LOSSES = 12


def quality_page(report: Data) -> str:
    """Return the report of `ctxmem bench quality` as one self-contained page."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    counts = report["questions"]
    sets = ", ".join(f"{name} {count}" for name, count in counts.items())
    blocks = [
        "<header><h1>How much of the evidence does the window keep?</h1>",
        f"<p class='hero'>{escape(_headline(report))}</p></header>",
        f"<p class='soft'>{many(sum(counts.values()), 'question')}: {escape(sets)}"
        f"{escape(report['sample'])}</p>",
        f"<p class='soft'>{escape(versions)}</p>",
        f"<div class='card'>{_reached(report['rows'])}</div>",
    ]
    for scenario, title in SCENARIOS.items():
        results = report["scenarios"][scenario]
        blocks.append(
            f"<h2>{title}</h2><div class='card'>{evidence_curves(results)}</div>"
            f"<div class='card'>{_table(results, title, report['packers'])}</div>"
        )
    blocks.append(f"<h2>Where a peer keeps more</h2>{_losses(report)}")
    blocks += [f"<p class='soft'>not run: {escape(one)}</p>" for one in report["absent"]]
    return page("ctxmem bench quality", "".join(blocks))


def evidence_curves(results: Mapping[str, Any]) -> str:
    """Draw recall over the budget, of ctxmem and its peers; some of them by name, others grey."""
    lines = {
        name: {int(budget): share for budget, share in one["recall"].items()}
        for name, one in results.items()
    }
    ours = [name for name in (OURS, WORDS) if name in lines]
    peers = sorted(
        (name for name in lines if not name.startswith(OURS)),
        key=lambda name: -results[name]["aub"],
    )
    best = peers[:BEST]
    known = [name for name in KNOWN if name in peers and name not in best]
    peers = [*best, *known, *(name for name in peers if name not in {*best, *known})]
    drawn = choose_curves([(n, lines[n]) for n in ours], [(n, lines[n]) for n in peers])
    grey = sum(not line.named for line in drawn)
    caption = f"<figcaption>grey: {many(grey, 'other peer')}</figcaption>" if grey else ""
    plot = curves(drawn, "share of the evidence kept, by budget", "tokens")
    return f"<figure>{plot}{caption}</figure>"


def _headline(report: Data) -> str:
    results = report["scenarios"]["multi"]
    peers = [name for name in results if not name.startswith(OURS)]
    mine = f"{results[OURS]['aub']:.1%} of the evidence at 512 to 4,096 tokens"
    if not peers:
        return f"{mine}."
    best = max(peers, key=lambda name: float(results[name]["aub"]))
    return f"{mine}; the best of {len(peers)} peers, {best}, keeps {results[best]['aub']:.1%}."


def _reached(rows: Sequence[Data]) -> str:
    lines = "".join(
        f"<tr><th scope='row'>{escape(row['what'])}</th><td class='s'>{escape(row['reach'])}</td>"
        f"<td>{escape(row['measured'])}</td><td class='s'>{_met(row['met'])}</td></tr>"
        for row in rows
    )
    return (
        "<table class='reached'><thead><tr><th scope='col'>what</th><th scope='col'>to reach</th>"
        "<th scope='col'>measured</th><th scope='col'></th></tr></thead>"
        f"<tbody>{lines}</tbody></table>"
    )


def _met(met: bool | None) -> str:
    return {True: "reached", False: "<mark>missed</mark>", None: ""}[met]


def _table(results: Mapping[str, Any], title: str, packers: Mapping[str, str]) -> str:
    budgets = list(next(iter(results.values()))["recall"])
    head = "".join(f"<th scope='col' class='n'>{int(budget):,}</th>" for budget in budgets)
    lines = []
    for name in sorted(results, key=lambda name: -results[name]["aub"]):
        one = results[name]
        shares = "".join(f"<td class='n'>{one['recall'][budget]:.3f}</td>" for budget in budgets)
        weight = f"<b>{escape(name)}</b>" if name.startswith(OURS) else escape(name)
        about = f"<br><span class='soft'>{escape(packers[name])}</span>" if name in packers else ""
        lines.append(
            f"<tr><th scope='row'>{weight}{about}</th>{shares}<td class='n'>{one['aub']:.3f}</td>"
            f"<td class='n soft'>{one['low']:.3f} to {one['high']:.3f}</td>"
            f"<td class='n'>{one['dup']:.3f}</td><td class='n'>{one['overruns']}</td></tr>"
        )
    return (
        f"<table><caption>{escape(title)}: recall by budget; AUB is the mean at 512 to 4,096, with "
        "its 95 % interval; then the share of repeats at 1,024, and windows over the budget"
        f"</caption><thead><tr><th scope='col'>who</th>{head}<th scope='col' class='n'>AUB</th>"
        "<th scope='col' class='n'>interval</th><th scope='col' class='n'>repeats</th>"
        f"<th scope='col' class='n'>over</th></tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def _losses(report: Data) -> str:
    found = report["losses"]
    said = f"<p>At {len(found)} of {report['compared']} pairs of set and budget.</p>"
    if not found:
        return said
    lines = "".join(
        f"<tr><th scope='row'>{escape(gap['set'])}</th>"
        f"<td>{escape(SCENARIOS[gap['scenario']].lower())}</td>"
        f"<td class='n'>{gap['budget']:,}</td><td>{escape(gap['peer'])}</td>"
        f"<td class='n'>{gap['peer recall']:.3f}</td><td class='n'>{gap['recall']:.3f}</td></tr>"
        for gap in found[:_LOSSES]
    )
    return (
        f"{said}<div class='card'><table><caption>The largest gaps</caption><thead><tr>"
        "<th scope='col'>set</th><th scope='col'>hits</th><th scope='col' class='n'>tokens</th>"
        "<th scope='col'>best peer</th><th scope='col' class='n'>keeps</th>"
        f"<th scope='col' class='n'>ctxmem</th></tr></thead><tbody>{lines}</tbody></table></div>"
    )
