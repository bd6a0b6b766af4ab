"""Replayed conversations as one page: what they cost, and how large their windows were."""

from __future__ import annotations

from collections.abc import Sequence

from ctxmem.report.drawing import key
from ctxmem.report.page import page
from ctxmem.report.words import Data, escape, many

Line = tuple[Sequence[float], str]
"""Values over the calls, and the mark that they are drawn as."""

_MARKS = ("new", "resent", "overlap", "version", "repeat", "lost")
_HISTORY = "boilerplate"
_WIDE, _HIGH, _LEFT, _LOW = 860, 240, 64, 28
_HEAD = ("policy", "prices", "bill", "worst", "named", "edits", "mean window", "largest")


def replay_page(data: Data, chosen: Sequence[Data]) -> str:
    """Return the table of all conversations and the plots of one, replayed by several policies.

    `data` holds conversations, messages, budget and a row for each policy; `chosen` what each
    policy made of one conversation: windows, histories, bills and untrimmed_bills by call, edited.
    """
    several = len({one["prices"] for one in chosen}) > 1
    names = [
        f"{one['policy']}, {one['prices']}" if several else str(one["policy"]) for one in chosen
    ]
    marks = [_MARKS[i % len(_MARKS)] for i in range(len(chosen))]
    first = chosen[0]
    windows: list[Line] = [(first["histories"], _HISTORY)]
    windows += [(one["windows"], mark) for one, mark in zip(chosen, marks, strict=True)]
    bills: list[Line] = [(_running(first["untrimmed_bills"]), _HISTORY)]
    bills += [(_running(one["bills"]), mark) for one, mark in zip(chosen, marks, strict=True)]
    said = [*zip(marks, names, strict=True), (_HISTORY, "whole history")]
    return page(
        "ctxmem replay",
        "<header><h1>What conversations cost under prompt caching</h1>"
        f"<p class='hero'>{_headline(data)}</p></header>"
        f"<p class='soft'>{many(data['conversations'], 'conversation')}, "
        f"{many(data['messages'], 'message')}, a budget of {data['budget']:,} tokens. A bill of "
        "1.00 is that of the whole history, sent every time through the same cache.</p>"
        f"<div class='card'>{_table(data)}</div>"
        f"<h2>The longest conversation, {many(len(first['windows']), 'call')}</h2>{key(said)}"
        f"<div class='card'>{plot(windows, 'tokens sent', data['budget'], first['edited'])}</div>"
        f"<div class='card'>{plot(bills, 'bill so far')}</div>",
    )


def _headline(data: Data) -> str:
    best = min(data["rows"], key=lambda row: row["ratio"])
    return escape(
        f"{best['policy']} costs {best['ratio']:.2f} of the untrimmed bill at {best['prices']} "
        f"prices."
    )


def _table(data: Data) -> str:
    head = "".join(
        f"<th scope='col'{'' if i < 2 else ' class=n'}>{name}</th>" for i, name in enumerate(_HEAD)
    )
    rows = []
    for row in data["rows"]:
        numbers = (
            f"{row['ratio']:.2f}",
            f"{row['worst']:.2f}",
            f"{row['named']:.1%}",
            f"{row['edits']:,}",
            f"{row['mean']:,.0f}",
            f"{row['largest']:,}",
        )
        cells = "".join(f"<td class='n'>{number}</td>" for number in numbers)
        rows.append(
            f"<tr><th scope='row'>{escape(row['policy'])}</th><td>{escape(row['prices'])}</td>"
            f"{cells}</tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _running(values: Sequence[float]) -> list[float]:
    total, made = 0.0, []
    for value in values:
        total += value
        made.append(total)
    return made


def plot(
    lines: Sequence[Line], title: str, level: float | None = None, edits: Sequence[int] = ()
) -> str:
    """Draw lines over the calls; `level` is a dashed line, `edits` are marked below."""
    count = max((len(values) for values, _ in lines), default=0)
    top = max([1.0, level or 0.0, *(value for values, _ in lines for value in values)]) * 1.05

    def x(i: float) -> float:
        return round(_LEFT + (_WIDE - _LEFT - 8) * i / max(1, count - 1), 1)

    def y(value: float) -> float:
        return round(_HIGH - _LOW - (_HIGH - _LOW - 16) * value / top, 1)

    parts = [
        f'<svg class="plot" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{escape(title)}">'
    ]
    for share in (0.0, 0.5, 1.0):
        value = top / 1.05 * share
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y(value)}H{_WIDE - 8}"/>'
            f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{_short(value)}</text>'
        )
    if level is not None:
        parts.append(
            f'<path class="budget" d="M{_LEFT} {y(level)}H{_WIDE - 8}"/>'
            f'<text x="{_WIDE - 10}" y="{y(level) - 5}" text-anchor="end">budget</text>'
        )
    for i in edits:
        parts.append(
            f'<path class="line m-new" d="M{x(i)} {_HIGH - _LOW}v7"><title>edit</title></path>'
        )
    for values, mark in lines:
        points = " ".join(f"{x(i)},{y(value)}" for i, value in enumerate(values))
        parts.append(f'<polyline class="line m-{mark}" points="{points}"/>')
    parts.append(f'<text x="{_LEFT}" y="12">{escape(title)}</text>')
    parts.append(f'<text x="{_WIDE - 8}" y="{_HIGH - 6}" text-anchor="end">call {count}</text>')
    return "".join(parts) + "</svg>"


def _short(value: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}"
