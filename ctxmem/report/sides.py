"""A window as it is sent, beside its sources with what was kept in place."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ctxmem.report.words import Data, cut, escape, is_hash, many

_MOST_OPEN = 8  # sources
_MOST_OPEN_CHARACTERS = 40_000  # of their texts
_COLOURS = 12
_NAMES = 3  # passages that a caption names


class Run(NamedTuple):
    """Characters of a source that are in the window; `number` counts the origins of its pieces."""

    start: int
    end: int
    number: int


@dataclass(slots=True)
class Block:
    """A part of a source without gaps; several passages where they overlap or touch."""

    text: str
    positions: list[int]
    start: int | None = None  # in the source, where known
    runs: list[Run] = field(default_factory=list)


@dataclass(slots=True)
class Source:
    """A source with its passages in their order."""

    name: str | None
    blocks: list[Block]
    passages: int
    kept: int
    pieces: list[int]  # numbers of the pieces that are made of it


def sides(window: Data, texts: Mapping[int, str], starts: Mapping[int, int], *, live: bool) -> str:
    """Return the window and its sources side by side; `live` with links from one to the other."""
    found = sources(window, texts, starts)
    names = [source.name for source in found if source.name is not None]
    colours = {name: f"c{i % _COLOURS}" for i, name in enumerate(names)}
    return (
        '<p class="soft legend"><mark>Marked</mark> in a source: what the window shows of it. '
        'Dimmed: what was left out. <span class="added">Grey in the window</span>: labels, '
        "marks and headers that ctxmem added."
        f"{' Point at or click a text to find it on the other side.' if live else ''}</p>"
        f'<div class="sides"><section aria-label="The window"{_scrolls(live)}>'
        f"<h2>The window, as it is sent</h2>{_sent(window, texts, colours, live)}</section>"
        f'<section aria-label="The sources"{_scrolls(live)}><h2>Where it comes from</h2>'
        f"{_from(window, found, colours, live)}</section></div>"
    )


def _scrolls(live: bool) -> str:
    return ' tabindex="0"' if live else ""


# The window


def _sent(window: Data, texts: Mapping[int, str], colours: Mapping[str, str], live: bool) -> str:
    pieces: Sequence[Data] = window["pieces"]
    if not pieces:
        return '<p class="card">The window is empty: none of the passages was kept.</p>'
    text_of = _text_of(window, texts)
    shown, at, number = [], 0, 0
    for i, piece in enumerate(pieces, 1):
        text = piece["header"] + piece["text"]
        begin = window["text"].find(text, at)
        between = window["text"][at:begin].strip() if begin > at and i > 1 else ""
        at = max(at, begin + len(text))
        if between:
            shown.append(f'<div class="text between added">{escape(between)}</div>')
        source = piece["source"]
        found = _found(piece, text_of, number)
        title = f"{i}. {source or 'no source'}, {many(piece['tokens'], 'token')}"
        if not found and piece["origins"]:  # a summary, or what a compressor made
            title += ", in other words than its source"
            found = [Run(0, len(piece["text"]), number + 1)]
        if live and piece["origins"]:
            title = f'<a href="#from{number + 1}">{escape(title)}</a>'
        else:
            title = escape(title)
        header = f'<span class="added">{escape(piece["header"])}</span>' if piece["header"] else ""
        body = "".join(_parts(piece["text"], found, live))
        number += len(piece["origins"])
        place = f' id="piece{i}"' if live else ""
        shown.append(
            f'<article class="piece {colours.get(source, "")}"{place}><h3>{title}</h3>'
            f'<div class="text">{header}{body}</div></article>'
        )
    return "".join(shown)


def _text_of(window: Data, texts: Mapping[int, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for d in window["decisions"]:
        found.setdefault(d["chunk_id"], texts.get(d["position"], ""))
    return found


def _found(piece: Data, text_of: Mapping[str, str], number: int) -> list[Run]:
    """Return which characters of a piece each of its origins gave; none where it was rewritten."""
    found: list[Run] = []
    at = 0
    for k, (name, start, end) in enumerate(piece["origins"], number + 1):
        part = text_of.get(name, "")[start:end]
        begin = piece["text"].find(part, at) if part else -1
        if begin < 0:
            return []
        at = begin + len(part)
        found.append(Run(begin, at, k))
    return found


def _parts(text: str, found: Sequence[Run], live: bool) -> Iterator[str]:
    """Yield the text of a piece as HTML: what is from a source, and what was added between."""
    at = 0
    for run in found:
        yield _added(text[at : run.start])
        yield _run(text[run.start : run.end], run.number, "sent", "span", live)
        at = run.end
    yield _added(text[at:])


def _added(text: str) -> str:
    return f'<span class="added">{escape(text)}</span>' if text.strip() else escape(text)


def _run(text: str, number: int, side: str, tag: str, live: bool) -> str:
    names = f' id="{side}{number}" data-run="{number}"' if live else ""
    return f"<{tag}{names}>{escape(text)}</{tag}>"


# The sources


def sources(window: Data, texts: Mapping[int, str], starts: Mapping[int, int]) -> list[Source]:
    """Return the sources, those of the window first, in its order, with what it shows of each."""
    by_source: dict[str | None, list[Data]] = {}
    for piece in window["pieces"]:
        by_source.setdefault(piece["source"], [])
    for d in window["decisions"]:
        by_source.setdefault(d["source"], []).append(d)
    runs: dict[str, list[Run]] = defaultdict(list)
    made: dict[str, list[int]] = defaultdict(list)
    number = 0
    for i, piece in enumerate(window["pieces"], 1):
        for name, start, end in piece["origins"]:
            number += 1
            runs[name].append(Run(start, end, number))
            made[name].append(i)
    found = []
    for source, decisions in by_source.items():
        first: dict[str, Data] = {}
        for d in decisions:
            if texts.get(d["position"], "").strip():
                first.setdefault(d["chunk_id"], d)
        blocks = _blocks(first.values(), texts, starts, runs)
        if blocks:
            pieces = sorted({i for name in first for i in made.get(name, ())})
            kept = {d["chunk_id"] for d in decisions if d["kept"]}
            found.append(Source(source, blocks, len(first), len(kept), pieces))
    return found


def _blocks(
    decisions: Iterable[Data],
    texts: Mapping[int, str],
    starts: Mapping[int, int],
    runs: Mapping[str, Sequence[Run]],
) -> list[Block]:
    """Return passages in their order, as one where they overlap in their source."""
    blocks: list[Block] = []
    for d in sorted(decisions, key=lambda d: _order(d, texts, starts)):
        position = d["position"]
        text, start = texts[position], starts.get(position)
        shift = 0
        last = blocks[-1] if blocks else None
        if start is not None and last is not None and last.start is not None:
            offset = start - last.start
            overlap = last.text[offset : offset + len(text)]
            if 0 <= offset <= len(last.text) and text.startswith(overlap):
                last.text += text[len(overlap) :]
                last.positions.append(position)
                shift = offset
            else:
                last = None
        else:
            last = None
        if last is None:
            last = Block(text, [position], start)
            blocks.append(last)
        last.runs += [
            Run(run.start + shift, run.end + shift, run.number)
            for run in runs.get(d["chunk_id"], ())
        ]
    for block in blocks:
        block.runs.sort()
    return blocks


def _order(d: Data, texts: Mapping[int, str], starts: Mapping[int, int]) -> tuple[object, ...]:
    """Return the key that sorts passages: by place, else by id with numbers as numbers."""
    position = d["position"]
    if position in starts:
        return (0, starts[position], -len(texts[position]), position)
    if is_hash(d["chunk_id"]):
        return (2, position)
    parts = re.split(r"([0-9]+)", d["chunk_id"])
    key = [(part if i % 2 == 0 else part.lstrip("0").zfill(20)) for i, part in enumerate(parts)]
    return (1, key, position)


def _from(window: Data, found: Sequence[Source], colours: Mapping[str, str], live: bool) -> str:
    used = [source for source in found if source.pieces]
    others = [source for source in found if not source.pieces]
    decision_at = {d["position"]: d for d in window["decisions"]}
    left = _MOST_OPEN_CHARACTERS
    shown = []
    for i, source in enumerate(used):
        left -= sum(len(block.text) for block in source.blocks)
        is_open = live and i < _MOST_OPEN and (left >= 0 or i == 0)
        shown.append(_source(source, decision_at, colours, live, is_open))
    if others and live:
        title = f"{many(len(others), 'source')} with nothing in the window"
        inner = "".join(_source(s, decision_at, colours, live, False) for s in others)
        shown.append(
            f'<details class="rest"><summary><span class="title">{title}</span></summary>'
            f'<div class="inside">{inner}</div></details>'
        )
    elif others:
        shown.append(
            f'<p class="soft">{many(len(others), "more source")} with nothing in the window; '
            "<code>window.to_html(path)</code> shows all.</p>"
        )
    return "".join(shown) or '<p class="card">There are no passages with text.</p>'


def _source(
    source: Source,
    decision_at: Mapping[int, Data],
    colours: Mapping[str, str],
    live: bool,
    is_open: bool,
) -> str:
    count = f"{source.kept:,} of {many(source.passages, 'passage')} kept"
    back = ""
    if live and source.pieces:
        links = ", ".join(f'<a href="#piece{i}">{i}</a>' for i in source.pieces)
        back = f'<p class="soft">In the window as piece {links}.</p>'
    blocks = []
    end: int | None = None
    for block in source.blocks:
        if block.start is not None and end is not None and block.start > end:
            gap = many(block.start - end, "character")
            blocks.append(f'<p class="soft gap">{gap} between, not among the passages</p>')
        end = block.start + len(block.text) if block.start is not None else None
        blocks.append(_block(block, decision_at, live))
    name = source.name if source.name is not None else "Passages without a source"
    return (
        f'<details class="source {colours.get(source.name or "", "")}"{" open" if is_open else ""}>'
        f'<summary><h3 class="title">{escape(name)}</h3><span class="n">{count}</span></summary>'
        f"{back}{''.join(blocks)}</details>"
    )


def _block(block: Block, decision_at: Mapping[int, Data], live: bool) -> str:
    parts = []
    at = 0
    for run in block.runs:
        start, end = max(run.start, at), min(run.end, len(block.text))
        if start < end:
            parts.append(_left_out(block.text[at:start]))
            parts.append(_run(block.text[start:end], run.number, "from", "mark", live))
            at = end
    parts.append(_left_out(block.text[at:]))
    ids = [decision_at[i]["chunk_id"] for i in block.positions]
    names = [cut(name, 40) for name in ids if not is_hash(name)]
    caption = ", ".join(names[:_NAMES])
    if len(names) > _NAMES:
        caption += f" and {len(names) - _NAMES:,} more"
    caption = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure>{caption}<div class="text">{"".join(parts)}</div></figure>'


def _left_out(text: str) -> str:
    return f'<span class="out">{escape(text)}</span>' if text.strip() else escape(text)
