"""Show a person what was done: windows as text and as HTML, from their plain data alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Data = Mapping[str, Any]

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
    return "\n\n".join(blocks)


def _summary(window: Data) -> str:
    decisions: Sequence[Data] = window["decisions"]
    kept = sum(d["kept"] for d in decisions)
    repeats = [d for d in decisions if d["reason"] in _REPEATED]
    exact = window["exact"]
    estimated = "" if exact or window["counter"].endswith("(estimated)") else ", estimated"
    lines = [
        f"{'' if exact else 'about '}{window['tokens']:,} of {window['budget']:,} tokens "
        f"({window['counter']}{estimated}): {kept} of "
        f"{_many(len(decisions), 'chunk')} kept, in {_many(len(window['pieces']), 'piece')}",
        proof_text(window),
    ]
    if repeats:
        lines.append(
            f"{_many(len(repeats), 'chunk')} of {sum(d['tokens'] for d in repeats):,} tokens only "
            f"repeat{'s' if len(repeats) == 1 else ''} others"
        )
    worth = {name: price for name, price in window["prices"].items() if name and price > 0}
    if worth:
        best = max(worth, key=lambda name: (worth[name], name))
        lines.append(f"more room would help most in section {best}: {worth[best]:.2f} a token")
    return "\n".join(lines)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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
        f"  {_cut(name, width):<{width}}  {tokens:>{number}}  {relevance:>5}  {why}"
        for name, _, tokens, relevance, why in rows
    ]


def short_id(name: str) -> str:
    """Cut a 32-digit content hash to its first eight; leave a caller's id as it is."""
    return name[:8] if re.fullmatch(r"[0-9a-f]{32}", name) else name


def _why(decision: Data) -> str:
    title = _TITLES[decision["reason"]]
    detail = re.sub(r"\b[0-9a-f]{32}\b", lambda match: match[0][:8], decision["detail"])
    return f"{title}: {detail}" if detail else title


def _cut(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


# HTML. Every text is hostile: all of it goes through `escape`, and the page carries a policy under
# which nothing is fetched and no script runs.

_STYLE = """
.ctxmem{--ink:#1b1f24;--soft:#5b6570;--line:#d8dee4;--page:#fff;--drop:#eef1f4;
font:14px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:64rem}
@media (prefers-color-scheme:dark){.ctxmem{--ink:#e6edf3;--soft:#9aa6b2;--line:#3a434d;
--page:#12161b;--drop:#1f262e}}
.ctxmem h1{font-size:1.3rem;margin:0 0 .4em}
.ctxmem h2{font-size:1rem;margin:1.2em 0 .4em}
.ctxmem p{margin:.2em 0;color:var(--soft)}
.ctxmem .strip{display:flex;height:1.6rem;border:1px solid var(--line);border-radius:4px;
overflow:hidden;margin:.6em 0}
.ctxmem .strip span{min-width:2px;border-right:1px solid var(--page)}
.ctxmem table{border-collapse:collapse;width:100%}
.ctxmem th,.ctxmem td{text-align:left;padding:.2em .8em .2em 0;border-bottom:1px solid var(--line);
vertical-align:top}
.ctxmem td.n,.ctxmem th.n{text-align:right;font-variant-numeric:tabular-nums}
.ctxmem pre{white-space:pre-wrap;background:var(--drop);padding:.8em;border-radius:4px;
margin:.3em 0}
.ctxmem summary{cursor:pointer}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def window_html(window: Data) -> str:
    """Return the account of a window as an HTML fragment, for notebooks."""
    decisions: Sequence[Data] = window["decisions"]
    kept = [d for d in decisions if d["kept"]]
    dropped = [d for d in decisions if not d["kept"]]
    summary = "".join(f"<p>{escape(line)}</p>" for line in _summary(window).split("\n"))
    return (
        f'<div class="ctxmem"><style>{_STYLE}</style>{summary}{_strip(window)}'
        f"{_pieces(window)}{_table('Kept', kept)}{_table('Not in the window', dropped)}</div>"
    )


def window_page(window: Data) -> str:
    """Return the account of a window as one self-contained HTML page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        "<title>ctxmem window</title><style>body{margin:2rem auto;max-width:64rem;padding:0 1rem}"
        "@media (prefers-color-scheme:dark){body{background:#12161b}}</style></head>"
        '<body><main class="ctxmem"><h1>Context window</h1>'
        f"{window_html(window)}</main></body></html>"
    )


def _strip(window: Data) -> str:
    """Draw the window as a strip of tokens, a colour a source, free room at the end."""
    hues: dict[str, int] = {}
    parts = []
    for piece in window["pieces"]:
        source = piece["source"] or short_id(piece["chunk_ids"][0])
        hue = hues.setdefault(source, len(hues) * 137 % 360)  # golden angle: neighbours differ
        title = escape(f"{source}: {piece['tokens']} tokens")
        style = f"flex:{max(1, piece['tokens'])};background:hsl({hue} 55% 60%)"
        parts.append(f'<span style="{style}" title="{title}"></span>')
    free = window["budget"] - window["tokens"]
    if free > 0:
        parts.append(f'<span style="flex:{free}" title="{free} tokens free"></span>')
    label = escape(f"{window['tokens']} of {window['budget']} tokens used")
    return f'<div class="strip" role="img" aria-label="{label}">{"".join(parts)}</div>'


def _pieces(window: Data) -> str:
    rows = []
    for piece in window["pieces"]:
        names = ", ".join(short_id(name) for name in piece["chunk_ids"])
        title = " · ".join(filter(None, [piece["source"], names, f"{piece['tokens']} tokens"]))
        rows.append(
            f"<details><summary>{escape(title)}</summary>"
            f"<pre>{escape(piece['header'] + piece['text'])}</pre></details>"
        )
    return f"<h2>Window</h2>{''.join(rows)}"


def _table(title: str, decisions: Sequence[Data]) -> str:
    if not decisions:
        return ""
    reasons = Counter(_TITLES[d["reason"]] for d in decisions)
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    rows = "".join(
        f"<tr><td>{escape(_cut(name, 60))}</td><td>{escape(source)}</td>"
        f'<td class="n">{tokens}</td><td class="n">{relevance}</td><td>{escape(why)}</td></tr>'
        for name, source, tokens, relevance, why in _rows(decisions)
    )
    return (
        f"<h2>{escape(title)} ({len(decisions)})</h2><p>{escape(counts)}</p><table><thead><tr>"
        '<th>chunk</th><th>source</th><th class="n">tokens</th><th class="n">value</th><th>why</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )
