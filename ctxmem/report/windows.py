"""Windows as text and as HTML, from their plain data and the texts of their inputs alone."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ctxmem.report import drawing
from ctxmem.report.page import fragment, page
from ctxmem.report.sides import sides
from ctxmem.report.words import (
    Data,
    beside,
    cut,
    escape,
    first_words,
    is_hash,
    many,
    passage_names,
    visible,
)

_ALIKE = ("near_duplicate", "similar", "contained")
_SHOWN = 2000  # characters of a text beside its version
_MOST_VERSIONS = 40
_MOST_ROWS = 50  # of a table that is open
_LINE = 100  # characters of a line of text
_LEAST_WORDS = 20  # characters; fewer of the first words say nothing
_WORDS = 50  # characters of the first words beside an id
_REPEATED = ("duplicate", "near_duplicate", "similar", "contained")
_TITLES = {
    "pinned": "pinned",
    "selected": "selected",
    "required": "required by another",
    "duplicate": "duplicate",
    "near_duplicate": "near-duplicate",
    "similar": "similar",
    "contained": "contained",
    "over_budget": "not selected",
    "missing_requirement": "missing requirement",
    "blank": "blank",
}

Texts = Mapping[int, str]


def window_text(window: Data, texts: Texts | None = None) -> str:
    """Return what was kept, what repeated and what was left out of a window, and why.

    `texts` holds inputs by their position; passages without an id of their own are named by their
    first words.
    """
    decisions: Sequence[Data] = window["decisions"]
    labels = _labels(decisions, texts or {})
    blocks = [_summary(window)]
    for title, chosen in (
        ("kept", [d for d in decisions if d["kept"]]),
        ("duplicates", [d for d in decisions if d["reason"] in _REPEATED]),
        ("left out", [d for d in decisions if not d["kept"] and d["reason"] not in _REPEATED]),
    ):
        if chosen:
            blocks.append("\n".join([f"{title} ({len(chosen):,})", *_lines(chosen, labels)]))
    return visible("\n\n".join(blocks))


def _summary(window: Data) -> str:
    decisions: Sequence[Data] = window["decisions"]
    kept = sum(d["kept"] for d in decisions)
    repeats = [d for d in decisions if d["reason"] in _REPEATED]
    exact = window["exact"]
    counter = window["counter"]
    if not counter.endswith("(estimated)"):
        counter += ", exact" if exact else ", estimated"
    lines = [
        f"{'' if exact else 'about '}{window['tokens']:,} of {window['budget']:,} tokens "
        f"({counter}): {kept:,} of "
        f"{many(len(decisions), 'chunk')} kept, in {many(len(window['pieces']), 'piece')}",
        proof_text(window),
    ]
    if window["stopped_early"]:
        shown = 1 - window["unselected_share"]
        lines.append(
            f"stopped early: the window holds {shown:.0%} of the evidence expected in the input, "
            f"and the rest has less value per token than Budget(auto=...) requires"
        )
    if window["scored_count"]:
        lines.append(
            f"the scorer scored {window['scored_count']:,} of {window['passages']:,} sentences "
            f"and blocks"
        )
    if repeats:
        says = "repeats or overlaps" if len(repeats) == 1 else "repeat or overlap"
        lines.append(
            f"{many(len(repeats), 'chunk')} ({many(sum(d['tokens'] for d in repeats), 'token')}) "
            f"{says} others"
        )
    gains = {name: price for name, price in window["prices"].items() if name and price > 0}
    if gains:
        best = max(gains, key=lambda name: (gains[name], name))
        lines.append(
            f"one more token would add most value in section {best}: about {gains[best]:.2f}"
        )
    return "\n".join(lines)


def proof_text(window: Data) -> str:
    """Say how good the selection is known to be."""
    if not window["pieces"]:
        return "the window is empty: no passage was kept"
    if window["status"] == "optimal":
        return "proved: no other selection of these chunks has a higher value"
    return f"its value is at most {window['gap']:.1%} below the best possible"


def _labels(decisions: Sequence[Data], texts: Texts) -> dict[str, str]:
    """Return, by id, how a passage is shown where there is room: its id, source and first words."""
    names = passage_names(
        (d["chunk_id"], d["source"], texts.get(d["position"], "")) for d in decisions
    )
    labels: dict[str, str] = {}
    for d in decisions:
        name, source = d["chunk_id"], d["source"] or ""
        if name in labels:
            continue
        shown = names[name]
        if is_hash(name):
            labels[name] = shown
            continue
        if source and source.rsplit(".", 1)[0] not in name:
            shown += f" ({source})"
        text = texts.get(d["position"], "")
        room = min(_WORDS, _LINE - len(shown))
        if room >= _LEAST_WORDS and text.strip():
            shown += f" {first_words(text, room)}"
        labels[name] = shown
    return labels


def _rows(
    decisions: Iterable[Data], labels: Mapping[str, str]
) -> list[tuple[str, str, str, str, str]]:
    """Return name, source, tokens, density and why, best first.

    Hits with the same text and the same reason share a row.
    """
    same: dict[tuple[str, str, str], list[Data]] = {}
    for d in sorted(decisions, key=lambda d: (-d["relevance"], d["position"])):
        same.setdefault((d["chunk_id"], d["source"] or "", _why(d)), []).append(d)
    return [
        (
            labels[name] + (f", {len(hits):,} hits" if len(hits) > 1 else ""),
            source,
            f"{sum(d['tokens'] for d in hits):,}",
            f"{hits[0]['relevance']:.3f}",
            why,
        )
        for (name, source, why), hits in same.items()
    ]


def _lines(decisions: Iterable[Data], labels: Mapping[str, str]) -> list[str]:
    rows = _rows(decisions, labels)
    number = max(6, *(len(row[2]) for row in rows))
    indent = " " * (number + 13)
    lines = [f"  {'tokens':>{number}}  density  passage"]
    for name, _, tokens, density, why in rows:
        lines.append(f"  {tokens:>{number}}  {density:>7}  {cut(name, _LINE)}")
        lines += textwrap.wrap(
            why,
            _LINE,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _why(decision: Data) -> str:
    title = _TITLES[decision["reason"]]
    return f"{title}: {decision['detail']}" if decision["detail"] else title


# HTML


def window_html(
    window: Data, texts: Texts | None = None, starts: Mapping[int, int] | None = None
) -> str:
    """Return a window as an HTML fragment, for notebooks.

    `texts` holds inputs by their position, `starts` the offset of each in its source, where known.
    """
    return fragment(_body(window, texts or {}, starts or {}, live=False))


def window_page(
    window: Data, texts: Texts | None = None, starts: Mapping[int, int] | None = None
) -> str:
    """Return a window as one self-contained HTML page."""
    body = _body(window, texts or {}, starts or {}, live=True)
    return page("ctxmem window", f"<h1>Context window</h1>{body}", script=True)


def _body(window: Data, texts: Texts, starts: Mapping[int, int], *, live: bool) -> str:
    decisions: Sequence[Data] = window["decisions"]
    labels = _labels(decisions, texts)
    kept = [d for d in decisions if d["kept"]]
    repeats = [d for d in decisions if d["reason"] in _REPEATED]
    rest = [d for d in decisions if not d["kept"] and d["reason"] not in _REPEATED]
    first, *more = _summary(window).split("\n")
    summary = f'<p class="hero">{escape(first)}</p>'
    summary += "".join(f'<p class="soft">{escape(line)}</p>' for line in more)
    tables = "".join(
        _table(title, chosen, labels)
        for title, chosen in (("Kept", kept), ("Duplicates", repeats), ("Left out", rest))
    )
    note = ""
    if tables:
        note = (
            '<p class="soft">Density is the estimated value per token of the best sentence or '
            "block of a passage, from 0 to 1.</p>"
        )
    return (
        f"{summary}{_strip(window)}{sides(window, texts, starts, live=live)}"
        f"<h2>What became of each passage</h2>{note}{tables}{_versions(decisions, texts, labels)}"
    )


def _strip(window: Data) -> str:
    segments = [
        {
            "tokens": piece["tokens"],
            "label": piece["source"] or "",
            "role": f"piece {number}, no source",
            "mark": "",
            "text": cut(piece["text"], 160),
        }
        for number, piece in enumerate(window["pieces"], 1)
    ]
    label = (
        f"{window['tokens']:,} of {window['budget']:,} tokens used; each source has its own colour"
    )
    return drawing.strip(segments, window["budget"], label)


def _table(title: str, decisions: Sequence[Data], labels: Mapping[str, str]) -> str:
    if not decisions:
        return ""
    reasons = Counter(_TITLES[d["reason"]] for d in decisions)
    counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    rows = _rows(decisions, labels)
    shown = f"<h3>{escape(title)} ({len(decisions):,})</h3>{_grid(rows[:_MOST_ROWS], counts)}"
    more = rows[_MOST_ROWS:]
    if more:
        shown += (
            f'<details><summary><span class="title">{len(more):,} more</span></summary>'
            f"{_grid(more, f'{title}, continued')}</details>"
        )
    return shown


def _grid(rows: Sequence[tuple[str, str, str, str, str]], caption: str) -> str:
    cells = "".join(
        f"<tr><td>{escape(cut(name, 120))}</td>"
        f'<td class="n">{tokens}</td><td class="n">{density}</td><td>{escape(why)}</td></tr>'
        for name, _, tokens, density, why in rows
    )
    return (
        f'<table class="decisions"><caption>{escape(caption)}</caption><thead><tr>'
        '<th scope="col">passage</th><th scope="col" class="n">tokens</th>'
        '<th scope="col" class="n">density</th><th scope="col">why</th>'
        f"</tr></thead><tbody>{cells}</tbody></table>"
    )


def _versions(decisions: Sequence[Data], texts: Texts, labels: Mapping[str, str]) -> str:
    """Show near-duplicates beside the passage that is shown instead, with differences marked."""
    first: dict[str, int] = {}
    for d in decisions:
        if d["kept"]:
            first.setdefault(d["chunk_id"], d["position"])
    shown: dict[tuple[str, str], None] = {}
    for d in decisions:
        other = first.get(d["represented_by"] or "")
        if d["reason"] in _ALIKE and other is not None and len(shown) < _MOST_VERSIONS:
            mine, theirs = texts.get(d["position"], "").strip(), texts.get(other, "").strip()
            if mine and theirs:
                instead = f"shown instead: {cut(labels[d['represented_by']], 60)}"
                titles = (f"left out: {cut(labels[d['chunk_id']], 60)}", instead)
                block = beside([mine[:_SHOWN], theirs[:_SHOWN]], titles)
                shown.setdefault((d["chunk_id"], block))
    blocks = "".join(block for _, block in shown)
    return f"<h2>Where versions differ</h2>{blocks}" if blocks else ""
