"""Windows as text and as HTML, from their plain data alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ctxmem.report import drawing
from ctxmem.report.page import fragment, page
from ctxmem.report.words import Data, beside, cut, escape, many, short_id, visible

_ALIKE = ("near_duplicate", "similar", "contained")
_SHOWN = 2000  # characters of a text beside its version
_MOST_VERSIONS = 40
_REPEATED = ("duplicate", "near_duplicate", "similar", "contained")
_TITLES = {
    "pinned": "pinned",
    "selected": "selected",
    "required": "required by another",
    "duplicate": "repeat",
    "near_duplicate": "near-duplicate",
    "similar": "similar",
    "contained": "contained",
    "over_budget": "did not fit",
    "missing_requirement": "requirement did not fit",
    "blank": "blank",
}


def window_text(window: Data) -> str:
    """Return the account of a window: what was kept, what repeated, what was dropped and why."""
    decisions: Sequence[Data] = window["decisions"]
    blocks = [_summary(window)]
    for title, chosen in (
        ("kept", [d for d in decisions if d["kept"]]),
        ("repeats", [d for d in decisions if d["reason"] in _REPEATED]),
        ("dropped", [d for d in decisions if not d["kept"] and d["reason"] not in _REPEATED]),
    ):
        if chosen:
            blocks.append("\n".join([f"{title} ({len(chosen)})", *_lines(chosen)]))
    return visible("\n\n".join(blocks))


def _summary(window: Data) -> str:
    decisions: Sequence[Data] = window["decisions"]
    kept = sum(d["kept"] for d in decisions)
    repeats = [d for d in decisions if d["reason"] in _REPEATED]
    exact = window["exact"]
    estimated = "" if exact or window["counter"].endswith("(estimated)") else ", estimated"
    lines = [
        f"{'' if exact else 'about '}{window['tokens']:,} of {window['budget']:,} tokens "
        f"({window['counter']}{estimated}): {kept} of "
        f"{many(len(decisions), 'chunk')} kept, in {many(len(window['pieces']), 'piece')}",
        proof_text(window),
    ]
    if window["stopped"]:
        lines.append(
            f"stopped there: it holds {1 - window['left']:.0%} of the evidence expected in the "
            f"input, and more is not worth its tokens"
        )
    if window["asked"]:
        lines.append(
            f"the scorer was asked about {window['asked']:,} of "
            f"{many(window['passages'], 'passage')}"
        )
    if repeats:
        lines.append(
            f"{many(len(repeats), 'chunk')} of {sum(d['tokens'] for d in repeats):,} tokens only "
            f"repeat{'s' if len(repeats) == 1 else ''} others"
        )
    worth = {name: price for name, price in window["prices"].items() if name and price > 0}
    if worth:
        best = max(worth, key=lambda name: (worth[name], name))
        lines.append(f"more room would help most in section {best}: {worth[best]:.2f} a token")
    return "\n".join(lines)


def proof_text(window: Data) -> str:
    """Say how good the selection is known to be."""
    if window["status"] == "optimal":
        return "proved: no other selection of these chunks is worth more"
    return f"within {window['gap']:.1%} of the bound on what any selection could be worth"


def _rows(decisions: Iterable[Data]) -> list[tuple[str, str, str, str, str]]:
    """Return name, source, tokens, relevance and why, best first.

    Hits that say the same share a row.
    """
    same: dict[tuple[str, str, str], list[Data]] = {}
    for d in sorted(decisions, key=lambda d: (-d["relevance"], d["position"])):
        same.setdefault((short_id(d["chunk_id"]), d["source"] or "", _why(d)), []).append(d)
    return [
        (
            name + (f" x{len(hits)}" if len(hits) > 1 else ""),
            source,
            f"{sum(d['tokens'] for d in hits):,}",
            f"{hits[0]['relevance']:.2f}",
            why,
        )
        for (name, source, why), hits in same.items()
    ]


def _lines(decisions: Iterable[Data]) -> list[str]:
    rows = _rows(decisions)
    width = min(40, max(len("chunk"), *(len(row[0]) for row in rows)))
    number = max(6, *(len(row[2]) for row in rows))
    head = f"  {'chunk':<{width}}  {'tokens':>{number}}  value  why"
    return [head] + [
        f"  {cut(name, width):<{width}}  {tokens:>{number}}  {relevance:>5}  {why}"
        for name, _, tokens, relevance, why in rows
    ]


def _why(decision: Data) -> str:
    title = _TITLES[decision["reason"]]
    detail = re.sub(r"\b[0-9a-f]{32}\b", lambda match: match[0][:8], decision["detail"])
    return f"{title}: {detail}" if detail else title


# HTML


def window_html(window: Data, texts: Mapping[int, str] | None = None) -> str:
    """Return the account of a window as an HTML fragment, for notebooks.

    `texts` holds inputs by their position; versions are shown side by side where it has both.
    """
    return fragment(_body(window, texts or {}))


def window_page(window: Data, texts: Mapping[int, str] | None = None) -> str:
    """Return the account of a window as one self-contained HTML page."""
    return page("ctxmem window", f"<h1>Context window</h1>{_body(window, texts or {})}")


def _body(window: Data, texts: Mapping[int, str]) -> str:
    decisions: Sequence[Data] = window["decisions"]
    kept = [d for d in decisions if d["kept"]]
    dropped = [d for d in decisions if not d["kept"]]
    first, *rest = _summary(window).split("\n")
    summary = f'<p class="hero">{escape(first)}</p>'
    summary += "".join(f'<p class="soft">{escape(line)}</p>' for line in rest)
    return (
        f"{summary}{_strip(window)}{_pieces(window)}{_table('Kept', kept)}"
        f"{_table('Not in the window', dropped)}{_versions(decisions, texts)}"
    )


def _strip(window: Data) -> str:
    segments = [
        {
            "tokens": piece["tokens"],
            "label": piece["source"] or short_id(piece["chunk_ids"][0]),
            "role": "",
            "mark": "",
            "text": cut(piece["text"], 160),
        }
        for piece in window["pieces"]
    ]
    label = f"{window['tokens']} of {window['budget']} tokens used, a colour a source"
    return drawing.strip(segments, window["budget"], label)


def _pieces(window: Data) -> str:
    rows = []
    for piece in window["pieces"]:
        names = ", ".join(short_id(name) for name in piece["chunk_ids"])
        title = " · ".join(filter(None, [piece["source"], names]))
        rows.append(
            f'<details><summary><span class="title">{escape(title)}</span>'
            f'<span class="n">{piece["tokens"]:,} tokens</span></summary>'
            f'<div class="inside"><pre>{escape(piece["header"] + piece["text"])}</pre></div>'
            "</details>"
        )
    return f"<h2>Window</h2>{''.join(rows)}"


def _table(title: str, decisions: Sequence[Data]) -> str:
    if not decisions:
        return ""
    reasons = Counter(_TITLES[d["reason"]] for d in decisions)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    rows = "".join(
        f"<tr><td>{escape(cut(name, 60))}</td><td>{escape(source)}</td>"
        f'<td class="n">{tokens}</td><td class="n">{relevance}</td><td>{escape(why)}</td></tr>'
        for name, source, tokens, relevance, why in _rows(decisions)
    )
    return (
        f"<h2>{escape(title)} ({len(decisions)})</h2>"
        f'<table><caption>{escape(counts)}</caption><thead><tr><th scope="col">chunk</th>'
        '<th scope="col">source</th><th scope="col" class="n">tokens</th>'
        '<th scope="col" class="n">value</th><th scope="col">why</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _versions(decisions: Sequence[Data], texts: Mapping[int, str]) -> str:
    """Show near-duplicates beside what represents them, with what differs marked."""
    first: dict[str, int] = {}
    for d in decisions:
        if d["kept"]:
            first.setdefault(d["chunk_id"], d["position"])
    shown: dict[tuple[str, str], None] = {}
    for d in decisions:
        other = first.get(d["represented_by"] or "")
        if d["reason"] in _ALIKE and other is not None:
            mine, theirs = texts.get(d["position"], ""), texts.get(other, "")
            if mine and theirs:
                titles = (f"{short_id(d['chunk_id'])}, left out", "shown in its place")
                block = beside([mine[:_SHOWN], theirs[:_SHOWN]], titles)
                shown.setdefault((d["chunk_id"], block))
    blocks = "".join(block for _, block in list(shown)[:_MOST_VERSIONS])
    return f"<h2>What versions differ in</h2>{blocks}" if blocks else ""
