"""Comparisons with peers as one page: bars of medians, with spread and ratio."""

from __future__ import annotations

from ctxmem.report.page import page
from ctxmem.report.quality import evidence_curves
from ctxmem.report.words import Data, escape


def bench_page(report: Data) -> str:
    """Return a comparison of ctxmem with its peers as one self-contained HTML page."""
    versions = ", ".join(f"{n} {v}" for n, v in sorted(report["versions"].items()))
    machine = ", ".join(f"{n} {v}" for n, v in report["machine"].items())
    blocks = [
        "<header><h1>ctxmem and its peers</h1>",
        f"<p class='hero'>{escape(_headline(report))}</p></header>",
        f"<p class='soft'>{escape(machine)}</p><p class='soft'>{escape(versions)}</p>",
        "<p class='soft'>Medians of runs side by side on one machine, with the lowest and the "
        "highest; ratios are to ctxmem.</p>",
    ]
    last = None
    for one in report["comparisons"]:
        if one["bench"] != last:
            last = one["bench"]
            blocks.append(f"<h2>{escape(last.capitalize())}</h2>")
        blocks.append(_comparison(one))
    for name, text in report["texts"].items():
        blocks.append(f"<h2>{escape(name.capitalize())}</h2><pre>{escape(text)}</pre>")
    if report["absent"]:
        rows = "".join(
            f"<tr><th scope='row'>{escape(name)}</th><td>{escape(why)}</td></tr>"
            for name, why in report["absent"].items()
        )
        blocks.append(f"<h2>Not measured</h2><table><tbody>{rows}</tbody></table>")
    return page("ctxmem and its peers", "".join(blocks))


def _headline(report: Data) -> str:
    count, lost = len(report["comparisons"]), {row["title"] for row in report["lost"]}
    if not count:
        return "Nothing was measured."
    return f"{count} comparisons; a peer wins {len(lost)} of them."


def _comparison(one: Data) -> str:
    top = max(row["value"] for row in one["rows"]) or 1
    base = next((row for row in one["rows"] if row["ours"]), None)
    best = base["value"] if base and not all(row["ours"] for row in one["rows"]) else 0
    rows = []
    for row in one["rows"]:
        times = row["value"] / best if best else 0
        if one["more_is_better"] and times:
            times = 1 / times
        compared = "" if row is base or not times else f"{times:,.1f}×"
        mark = "new" if row["ours"] else ("lost" if 0 < times < 1 else "stable")
        spread = ""
        if "high" in row:
            low = f"{row['low']:,.3g} " if "low" in row else ""
            spread = f"{low}to {row['high']:,.3g}"
        rows.append(
            f"<tr><th scope='row'>{escape(row['name'])}</th><td class='wide'>"
            f'<svg class="bar" viewBox="0 0 1000 20" preserveAspectRatio="none" '
            f'aria-hidden="true"><rect class="m-{mark}" height="20" '
            f'width="{max(2, 1000 * row["value"] / top):.1f}"/></svg></td>'
            f"<td class='n'>{row['value']:,.3g}</td><td class='n soft'>{escape(spread)}</td>"
            f"<td class='n'>{compared}</td><td class='soft'>{escape(row.get('note', ''))}</td></tr>"
        )
    runs = f", n = {one['n']}" if one["n"] else ""
    better = "more is better" if one["more_is_better"] else "less is better"
    caption = f"{one['title']} ({one['unit']}{runs}, {better})"
    drawn = evidence_curves(one["curves"]) if "curves" in one else ""
    return (
        f"<div class='card'>{drawn}<table class='peers'><caption>{escape(caption)}</caption>"
        "<thead><tr><th scope='col'>who</th><th scope='col'></th>"
        "<th scope='col' class='n'>median</th><th scope='col' class='n'>spread</th>"
        "<th scope='col' class='n'>ratio</th>"
        f"<th scope='col'></th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
