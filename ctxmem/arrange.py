"""Put the chosen text in order, render it, and account for every input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import Candidates, Chunk, Counter, Decision, Layout, Piece, Reason, Section

ORDERS = ("auto", "score", "source", "given")

LONG = 4000
"""Tokens from which on the middle of a window is read less well (Liu et al. 2023, Lost in the
Middle): there, `auto` puts the best evidence at both ends."""


def check_layout(layout: Layout) -> Layout:
    """Return the layout, or raise what is wrong with it."""
    if not isinstance(layout.separator, str):
        raise InputTypeError(
            f"separator is a {type(layout.separator).__name__}; expected a str such as '\\n\\n'"
        )
    if layout.order not in ORDERS:
        raise InputError(f"order is {layout.order!r}; expected one of {', '.join(ORDERS)}")
    if layout.header is not None and not (
        isinstance(layout.header, str) or callable(layout.header)
    ):
        raise InputTypeError(
            f"header is a {type(layout.header).__name__}; expected a template such as "
            f"'[{{source}}]' or a function of the chunk"
        )
    return layout


def header_of(chunk: Chunk, layout: Layout) -> str:
    """Return the header line of a chunk's block, with its newline; empty where there is none."""
    if layout.header is None:
        return ""
    if isinstance(layout.header, str):
        known = {
            "id": chunk.id,
            "source": chunk.source or "",
            "section": chunk.section or "",
            "list": chunk.list or "",
            "start": "" if chunk.span is None else chunk.span[0],
        }
        try:
            header = layout.header.format(**known)
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(
                f"header template {layout.header!r} cannot be filled in ({error!r}); expected only "
                f"the fields {', '.join('{' + name + '}' for name in known)}"
            ) from None
    else:
        header = layout.header(chunk)
        if not isinstance(header, str):
            raise InputTypeError(
                f"header returned a {type(header).__name__} for chunk {chunk.id!r}; expected a str"
            )
    header = header.strip()
    return header + "\n" if header else ""


def headers(table: Candidates, layout: Layout) -> list[str]:
    """Return the header line of every chunk."""
    if layout.header is None:
        return [""] * len(table)
    return [header_of(chunk, layout) for chunk in table.chunks]


@dataclass(frozen=True, slots=True)
class Rendering:
    """Pieces in window order and the text they make."""

    pieces: tuple[Piece, ...]
    text: str


def render(table: Candidates, layout: Layout, resident: Sequence[int] = ()) -> Rendering:
    """Return the chosen rows as pieces, neighbours of one source stitched, and as one text.

    `resident` are chunks that stand first, in this order, up to the first that is not there whole.
    """
    pieces = _ordered(table, _stitched(table, layout), layout)
    alone = {piece.chunk_ids[0]: piece for piece in pieces if len(piece.chunk_ids) == 1}
    first: list[Piece] = []
    for i in resident:
        if table.id(i) not in alone or table.kept_row[i] != table.first_row[i]:
            break
        first.append(alone[table.id(i)])
    pieces = _sectioned(table, first + [p for p in pieces if p not in first], layout)
    text = layout.separator.join(piece.header + piece.text for piece in pieces)
    return Rendering(tuple(pieces), text)


def _stitched(table: Candidates, layout: Layout) -> list[Piece]:
    """Return a piece for each run of chosen segments, and for each chosen alternative."""
    segments: dict[int, list[int]] = defaultdict(list)  # segment -> chosen chunks that hold it
    pieces = []
    for i in np.flatnonzero(table.kept_row >= 0).tolist():
        row = int(table.kept_row[i])
        if table.alternative[row]:
            pieces.append(_piece(table, layout, [i], table.texts[row], None))
            continue
        for s in range(table.first_segment[i], table.last_segment[i]):
            segments[s].append(i)
    run: list[int] = []
    for s in [*sorted(segments), -1]:
        if run and not (s == run[-1] + 1 and table.joined[s]):
            pieces.append(_run_piece(table, layout, run, segments))
            run = []
        run.append(s)
    return pieces


def _run_piece(
    table: Candidates, layout: Layout, run: Sequence[int], segments: dict[int, list[int]]
) -> Piece:
    chunks = list(dict.fromkeys(i for s in run for i in sorted(segments[s])))
    if len(run) == 1 and len(chunks) == 1:
        text = table.text(chunks[0])
    else:
        text = "".join(
            table.chunks[table.segment_chunk[s]].text[slice(*table.segment_span[s].tolist())]
            for s in run
        ).strip()
    first = table.segment_chunk[run[0]]
    span = table.chunks[first].span
    if span is not None:
        start = span[0] + int(table.segment_span[run[0], 0])
        spans = table.segment_span[run]
        span = (start, start + int((spans[:, 1] - spans[:, 0]).sum()))
    return _piece(table, layout, chunks, text, span)


def _piece(
    table: Candidates,
    layout: Layout,
    chunks: Sequence[int],
    text: str,
    span: tuple[int, int] | None,
) -> Piece:
    chunk = table.chunks[chunks[0]]
    return Piece(
        text=text,
        tokens=0,
        chunk_ids=tuple(table.id(i) for i in chunks),
        spans=() if span is None else (span,),
        source=chunk.source,
        header=header_of(chunk, layout),
        relevance=float(table.relevance[list(chunks)].max()),
    )


def _ordered(table: Candidates, pieces: list[Piece], layout: Layout) -> list[Piece]:
    given = {table.id(i): i for i in reversed(range(len(table)))}
    if layout.order == "given" or (layout.order == "auto" and table.conversation):
        return sorted(pieces, key=lambda piece: min(given[name] for name in piece.chunk_ids))
    by_score = sorted(pieces, key=lambda piece: (-piece.relevance, piece.chunk_ids))
    if layout.order == "score":
        return by_score
    sources: dict[object, list[Piece]] = defaultdict(list)  # best source first
    for number, piece in enumerate(by_score):
        sources[piece.source if piece.source is not None else number].append(piece)
    runs = [
        sorted(run, key=lambda piece: (piece.spans, piece.chunk_ids)) for run in sources.values()
    ]
    if layout.order == "source":
        runs.sort(key=lambda run: (run[0].source is None, run[0].source or "", run[0].chunk_ids))
    elif _long(table):
        runs = runs[::2] + runs[1::2][::-1]
    return [piece for run in runs for piece in run]


def _sectioned(table: Candidates, pieces: list[Piece], layout: Layout) -> list[Piece]:
    """Put the pieces of each section together, its header before the first."""
    if not layout.sections:
        return pieces
    place = {section.name: number for number, section in enumerate(layout.sections)}
    chunk_of = {table.id(i): table.chunks[i] for i in range(len(table))}
    named = [(chunk_of[piece.chunk_ids[0]].section, piece) for piece in pieces]
    named.sort(key=lambda pair: -1 if pair[0] is None else place[pair[0]])
    opened: set[str] = set()
    done = []
    for name, piece in named:
        header = ""
        for section in _ancestry(layout, name):
            if section.name not in opened and section.header:
                header += section.header + layout.separator
            opened.add(section.name)
        done.append(replace(piece, header=header + piece.header))
    return done


def _ancestry(layout: Layout, name: str | None) -> list[Section]:
    """Return the section of a name and those that it is a part of, the outermost first."""
    known = {section.name: section for section in layout.sections}
    line: list[Section] = []
    while name is not None:
        line.insert(0, known[name])
        name = known[name].parent
    return line


def _long(table: Candidates) -> bool:
    return int(table.tokens[table.kept_row[table.kept_row >= 0]].sum()) > LONG


def count_pieces(pieces: Iterable[Piece], counter: Counter) -> tuple[Piece, ...]:
    """Return the pieces with their own token counts."""
    pieces = tuple(pieces)
    tokens = counter.count_many([piece.text for piece in pieces])
    return tuple(replace(p, tokens=int(n)) for p, n in zip(pieces, tokens, strict=True))


# Decisions


def decide(
    table: Candidates,
    pieces: Sequence[Piece],
    difference: Callable[[str, str], str],
    prices: Mapping[str, float],
) -> tuple[Decision, ...]:
    """Return what became of every input chunk, in input order.

    `difference` puts into words how a version differs from the passage that stands for it; `prices`
    is what one more token is worth, overall under "" and in each section.
    """
    account = _Account(table, pieces, difference, prices)
    ids, decisions = table.ids, []
    for i, chunk in enumerate(table.chunks):
        kept, reason, detail, other = account.verdict(i)
        decisions.append(
            Decision(
                chunk_id=ids[i],
                kept=kept,
                reason=reason,
                detail=detail,
                represented_by=None if other is None else ids[other],
                position=i,
                tokens=account.tokens[i],
                relevance=account.relevance[i],
                source=chunk.source,
            )
        )
    return tuple(decisions)


class _Verdict(NamedTuple):
    kept: bool
    reason: Reason
    detail: str
    other: int | None = None  # the chunk whose text stands for it


class _Account:
    """What the decisions look up, gathered once for all chunks."""

    def __init__(
        self,
        table: Candidates,
        pieces: Sequence[Piece],
        difference: Callable[[str, str], str],
        prices: Mapping[str, float],
    ) -> None:
        self.table = table
        self.difference = difference
        self.prices = prices
        self.blank = table.blank.tolist()
        self.group = table.group.tolist()
        self.relevance = table.relevance.tolist()
        full = table.tokens[table.first_row[:-1]]
        self.tokens = full.tolist()
        self.worth = (table.worth * (full - table.overhead)).tolist()  # of the whole text
        self.segments = list(
            zip(table.first_segment.tolist(), table.last_segment.tolist(), strict=True)
        )
        self.piece_of = {name: piece for piece in pieces for name in piece.chunk_ids}
        self.repeat_of = table.repeat_of.tolist()
        self.kept_row = table.kept_row.tolist()
        kept = np.flatnonzero(table.kept_row >= 0)
        self.kept_of_group = {self.group[i]: i for i in kept.tolist()}
        self.holder = [-1] * len(table.segment_chunk)  # a kept chunk with the segment's text
        for i in kept[table.alternative[table.kept_row[kept]] == 0].tolist():
            first, last = self.segments[i]
            self.holder[first:last] = [i] * (last - first)
        free = kept[~table.pinned[kept]]
        self.least = float(table.relevance[free].min()) if len(free) else 0.0
        self.askers = {need: i for i in kept.tolist() for need in table.needs[i]}

    def verdict(self, i: int) -> _Verdict:
        table = self.table
        if self.blank[i]:
            return _Verdict(False, Reason.BLANK, "nothing but white space")
        first = self.repeat_of[i]
        if first != i:
            return self._repeat(i, first)
        if self.kept_row[i] >= 0:
            return self._kept(i)
        holders = self.holder[slice(*self.segments[i])]
        if -1 not in holders:
            most = max(holders, key=holders.count)
            return _Verdict(
                False, Reason.CONTAINED, f"all of its text stands with {table.id(most)}", most
            )
        version = self.kept_of_group.get(self.group[i])
        if version is not None:
            by_embedding = table.by_embedding[i] or table.by_embedding[version]
            reason = Reason.SIMILAR if by_embedding else Reason.NEAR_DUPLICATE
            return _Verdict(False, reason, self._version(i, version), version)
        return self._left_out(i)

    def _repeat(self, i: int, first: int) -> _Verdict:
        table = self.table
        shown = self.verdict(first)
        stands = first if shown.other is None else shown.other
        hits = f"returned {table.hits[i]} times"
        if table.id(first) != table.id(i):
            hits = f"same text as {table.id(first)}, {hits}"
        if shown.kept:
            return _Verdict(False, Reason.DUPLICATE, f"{hits}, shown once", stands)
        return _Verdict(False, Reason.DUPLICATE, f"{hits}, not shown: {shown.detail}", stands)

    def _kept(self, i: int) -> _Verdict:
        table = self.table
        details = [f"returned {table.hits[i]} times"] if table.hits[i] > 1 else []
        row = self.kept_row[i]
        if table.alternative[row]:
            option = table.chunks[i].alternatives[table.alternative[row] - 1]
            label = getattr(option, "label", "alternative")
            details.append(f"as its {label} of {table.tokens[row]} tokens")
        neighbours = [name for name in self.piece_of[table.id(i)].chunk_ids if name != table.id(i)]
        if neighbours:
            details.append("stitched with " + ", ".join(neighbours[:3]))
        other = int(table.version_of[i])
        if other >= 0 and self.kept_row[other] >= 0 and table.id(other) not in neighbours:
            details.append(self._version(i, other))
        if table.pinned[i]:
            return _Verdict(True, Reason.PINNED, "; ".join(details))
        asker = self.askers.get(i)
        if asker is not None and table.relevance[asker] > table.relevance[i]:
            details.insert(0, f"required by {table.id(asker)}")
            return _Verdict(True, Reason.REQUIRED, "; ".join(details))
        return _Verdict(True, Reason.SELECTED, "; ".join(details))

    def _left_out(self, i: int) -> _Verdict:
        table = self.table
        for need in table.needs[i]:
            if self.kept_row[need] < 0:
                detail = f"requires {table.id(need)}, which does not fit with it"
                return _Verdict(False, Reason.MISSING_REQUIREMENT, detail)
        tokens, worth = self.tokens[i], self.worth[i]
        price = self.prices.get(table.chunks[i].section or "", self.prices.get("", 0.0))
        if price * tokens > worth:
            detail = (
                f"{tokens} tokens at {price:.3g} a token cost {price * tokens:.3g}, "
                f"more than its worth of {worth:.3g}"
            )
        elif self.relevance[i] < self.least:
            detail = "all that were kept are more relevant"
        else:
            detail = f"no room left for its {tokens} tokens"
        return _Verdict(False, Reason.OVER_BUDGET, detail)

    def _version(self, i: int, other: int) -> str:
        """Say of which passage a chunk is a version, and in which words the two differ."""
        table = self.table
        detail = f"version of {table.id(other)}"
        if other in (table.group[i], table.version_of[i]):
            detail += f", {table.similarity[i]:.0%} alike"
            detail += " by embedding" if table.by_embedding[i] else ""
        return f"{detail}, {self.difference(table.text(i), table.text(other))}"
