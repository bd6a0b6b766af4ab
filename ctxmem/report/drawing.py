"""Windows and calls as SVG that stretches with the page; colours are classes of the page's style.

Everything drawn is also written: in a label, by titles, and by the tables beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ctxmem.report.words import cut, escape, share

MARKS: Mapping[str, str] = {
    "": "new",
    "stable": "unchanged since the call before",
    "repeat": "is in this request already",
    "resent": "was sent in an earlier call",
    "version": "version of another passage",
    "overlap": "shares text with another passage",
    "lost": "behind what changed, so not cached",
}
"""Marks of segments, and what they mean."""

_ROLES = {"system": 212, "user": 205, "assistant": 150, "tool": 30, "call": 45}
_COLUMNS = 120  # columns of a chart; more calls share them

Segments = Sequence[Mapping[str, Any]]


def hues(names: Iterable[str]) -> dict[str, int]:
    """Return a hue for each name, neighbours far apart."""
    found: dict[str, int] = {}
    for name in names:
        found.setdefault(name, len(found) * 137 % 360)  # golden angle
    return found


def strip(segments: Segments, budget: int | None = None, label: str = "") -> str:
    """Draw a window as a strip of tokens: above by source, below by what repeats.

    Segments have tokens, label, role, mark and text.
    """
    total = max(1, sum(segment["tokens"] for segment in segments), budget or 0)
    times = Counter(segment["text"] for segment in segments)
    names = [s["label"] or (s["text"] if times[s["text"]] > 1 else "") for s in segments]
    colours = hues(filter(None, names))
    at = 0.0
    drawn = []
    for segment, name in zip(segments, names, strict=True):
        width = 1000 * segment["tokens"] / total
        if width > 0:
            mark = segment["mark"]
            fill = (
                f"hsl({colours[name]} 52% 62%)"
                if name
                else f"hsl({_ROLES.get(segment['role'], 205)} 16% 64%)"
            )
            title = f"{segment['label'] or segment['role']}, {segment['tokens']:,} tokens"
            title += f": {MARKS.get(mark, mark)}" if mark else ""
            title += f"\n{segment['text']}" if segment["text"] else ""
            below = f'<rect class="m-{mark}" y="31" height="11" {_x(at, width)}/>' if mark else ""
            drawn.append(
                f'<g><title>{escape(title)}</title><rect class="seg" height="28" fill="{fill}" '
                f"{_x(at, width)}/>{below}</g>"
            )
        at += width
    free = ""
    if budget and at < 1000:
        free = f'<rect class="free" height="28" {_x(at, 1000 - at)}/>'
    return (
        f'<svg class="strip" viewBox="0 0 1000 42" preserveAspectRatio="none" role="img" '
        f'tabindex="0" aria-label="{escape(label)}">{"".join(drawn)}{free}</svg>'
        '<p class="readout" aria-live="polite"></p>'
    )


def _x(at: float, width: float) -> str:
    return f'x="{at:.2f}" width="{width:.2f}"'


def bar(parts: Sequence[tuple[str, int]], label: str) -> str:
    """Draw one stacked bar of (mark, tokens)."""
    total = max(1, sum(tokens for _, tokens in parts))
    at = 0.0
    drawn = []
    for mark, tokens in parts:
        width = 1000 * tokens / total
        if width > 0:
            drawn.append(f'<rect class="m-{mark or "new"}" height="20" {_x(at, width)}/>')
        at += width
    return (
        f'<svg class="bar" viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{"".join(drawn)}</svg>'
    )


def part_bar(name: str, tokens: int, most: int) -> str:
    """Draw the tokens of one part of requests, against those of the largest part."""
    return (
        '<svg class="bar" viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="p-{escape(name)}" height="20" width="{1000 * tokens / max(1, most):.1f}"/>'
        "</svg>"
    )


def part_strip(
    segments: Segments, budget: int | None, called: Mapping[str, str], label: str
) -> str:
    """Draw a request as a strip of tokens, each part in its colour.

    Segments have part, tokens and text, in the order in which they are sent.
    """
    total = max(1, sum(segment["tokens"] for segment in segments), budget or 0)
    at = 0.0
    drawn = []
    for segment in segments:
        width = 1000 * segment["tokens"] / total
        if width > 0:
            part = segment["part"]
            title = f"{called.get(part, part)}, {segment['tokens']:,} tokens"
            title += f"\n{segment['text']}" if segment["text"] else ""
            drawn.append(
                f'<g><title>{escape(title)}</title><rect class="seg p-{escape(part)}" height="42" '
                f"{_x(at, width)}/></g>"
            )
        at += width
    free = ""
    if budget and at < 1000:
        free = f'<rect class="free" height="42" {_x(at, 1000 - at)}/>'
    return (
        f'<svg class="strip" viewBox="0 0 1000 42" preserveAspectRatio="none" role="img" '
        f'tabindex="0" aria-label="{escape(label)}">{"".join(drawn)}{free}</svg>'
        '<p class="readout" aria-live="polite"></p>'
    )


def key(marks: Iterable[tuple[str, str]]) -> str:
    """Return the key of a drawing: (mark or class of a part, what it says)."""
    items = "".join(
        f'<li><svg class="dot" viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect class="{escape(_class(mark))}" width="10" height="10"/></svg>{escape(text)}</li>'
        for mark, text in marks
    )
    return f'<ul class="key">{items}</ul>'


def _class(mark: str) -> str:
    return mark if mark.startswith("p-") else f"m-{mark or 'new'}"


def stacked(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], called: Mapping[str, str]
) -> str:
    """Draw requests as columns, each a stack of its parts."""
    size = -(-len(rows) // _COLUMNS)
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    means = [
        {name: sum(row["parts"].get(name, 0) for row in group) // len(group) for name in names}
        for group in groups
    ]
    top = max([1, *(sum(parts.values()) for parts in means)])
    step = 1000 / len(means)
    paths: dict[str, list[str]] = {}
    for i, parts in enumerate(means):
        y = 100.0
        for name, tokens in parts.items():
            height = 100 * tokens / top
            if height > 0:
                column = _column(i * step, y, step - min(2.0, step / 5), height)
                paths.setdefault(name, []).append(column)
                y -= height
    drawn = "".join(f'<path class="p-{name}" d="{"".join(d)}"/>' for name, d in paths.items())
    last = ", ".join(f"{called[name]} {tokens:,}" for name, tokens in means[-1].items() if tokens)
    return (
        f'<div class="chart"><span class="top">{top:,}</span>'
        f'<svg class="stack" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" '
        f'aria-label="Parts of each request; of the last: {escape(last)}">{drawn}</svg></div>'
    )


def columns(rows: Sequence[Mapping[str, Any]], budget: int | None = None, label: str = "") -> str:
    """Draw calls as columns of tokens, and under them how much of each window stayed as it was."""
    shared = _shared(rows)
    top = max([1, *(row["tokens"] for row in shared), budget or 0])
    step = 1000 / len(shared)
    gap = min(2.0, step / 5)
    paths: dict[str, list[str]] = {}
    stable_path: list[str] = []
    shares: list[float] = []
    before = 0
    for i, row in enumerate(shared):
        # A repeat may be in what is stable or lost too; drawn, it is a repeat alone.
        repeated = min(row["repeated"], row["tokens"])
        stable = min(row["stable"], row["tokens"] - repeated)
        lost = min(row["lost"], row["tokens"] - repeated - stable)
        fresh = row["tokens"] - repeated - stable - lost
        y = 100.0
        for mark, tokens in (
            ("stable", stable),
            ("new", fresh),
            ("lost", lost),
            ("repeat", repeated),
        ):
            height = 100 * tokens / top
            if height > 0:
                path = _column(i * step, y, step - gap, height)
                paths.setdefault(mark, []).append(path)
                y -= height
        if i:
            kept = min(1.0, row["stable"] / before) if before else 0.0
            shares.append(kept)
            stable_path.append(_column(i * step, 20.0, step - gap, 20 * kept))
        before = row["tokens"]
    drawn = "".join(f'<path class="m-{mark}" d="{"".join(d)}"/>' for mark, d in paths.items())
    line = ""
    if budget:
        at = 100 - 100 * budget / top
        line = f'<path class="budget" d="M0 {at:.1f}H1000"/>'
    data = ";".join(
        f"{row['calls']},{row['tokens']},{row['stable']},{row['repeated']},{row['lost']}"
        for row in shared
    )
    return (
        f'<div class="chart"><span class="top">{top:,}</span>'
        f'<svg class="columns" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" '
        f'tabindex="0" aria-label="{escape(label)}" data-rows="{data}">{drawn}{line}</svg>'
        f'<span class="axis">{_kept(shares)}</span>'
        f'<svg class="kept" viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="m-stable" d="{"".join(stable_path)}"/></svg></div>'
        '<p class="readout" aria-live="polite"></p>'
    )


def _kept(shares: Sequence[float]) -> str:
    if not shares:
        return ""
    return (
        f"of each window {sum(shares) / len(shares):.0%} stayed as it was in the next, on average"
    )


def _column(x: float, bottom: float, width: float, height: float) -> str:
    return f"M{x:.1f} {bottom - height:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"


def _shared(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return at most as many columns as can be distinguished, each the mean of its calls."""
    size = -(-len(rows) // _COLUMNS)
    found: list[dict[str, Any]] = []
    for start in range(0, len(rows), size):
        group = rows[start : start + size]
        column: dict[str, Any] = {
            name: sum(row[name] for row in group) // len(group)
            for name in ("tokens", "stable", "repeated", "lost")
        }
        last = start + len(group)
        column["calls"] = f"{start + 1}" if len(group) == 1 else f"{start + 1} to {last}"
        found.append(column)
    return found


def before_after(before: int, after: int) -> str:
    """Draw two bars, one above the other."""
    top = max(1, before, after)
    rows = "".join(
        f"<tr><th scope='row'>{name}</th><td class='n'>{tokens:,}</td><td class='wide'>"
        f'<svg class="bar" viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="m-{mark}" height="20" width="{1000 * tokens / top:.1f}"/></svg></td></tr>'
        for name, tokens, mark in (("as sent", before, "lost"), ("with ctxmem", after, "new"))
    )
    saved = share(before - after, before)
    return (
        f'<table class="compare"><caption>{saved} fewer tokens for the same passages</caption>'
        f"<tbody>{rows}</tbody></table>"
    )


def one_line(text: str) -> str:
    """Return a text as one escaped line."""
    return escape(cut(text, 90))
