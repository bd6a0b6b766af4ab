"""Put the chosen text in order, render it, and account for every input."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.errors import InputError, InputTypeError
from ctxmem.schema import (
    EXTRACT,
    Candidates,
    Chunk,
    Counter,
    Decision,
    Layout,
    Piece,
    Reason,
    Section,
    trim,
)

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


class _Placed(NamedTuple):
    """A piece and where it stands: in which document, at which character of it."""

    piece: Piece
    document: int
    place: int
    chunk: int  # the first of those it is taken from


def render(table: Candidates, layout: Layout, resident: Sequence[int] = ()) -> Rendering:
    """Return what was chosen as pieces, neighbours of one source stitched, and as one text.

    `resident` are chunks that stand first, in this order, up to the first that is not there whole.
    """
    placed = _ordered(table, _stitched(table, layout), layout)
    alone = {p.piece.chunk_ids[0]: p for p in placed if len(p.piece.chunk_ids) == 1}
    first: list[_Placed] = []
    for i in resident:
        if table.id(i) not in alone or alone[table.id(i)].piece.text != table.text(i):
            break
        first.append(alone[table.id(i)])
    rest = [p for p in placed if p not in first] if first else placed
    pieces = _sectioned(table, _continue(first + rest, layout), layout)
    text = layout.separator.join(piece.header + piece.text for piece in pieces)
    return Rendering(tuple(pieces), text)


def _continue(placed: Sequence[_Placed], layout: Layout) -> list[_Placed]:
    """Put an ellipsis, instead of the header again, where a document goes on after a gap."""
    mark = _continued(layout)
    done: list[_Placed] = []
    for before, p in zip([None, *placed], placed, strict=False):
        goes_on = (
            before is not None
            and before.document == p.document
            and before.place < p.place
            and p.piece.header in ("", before.piece.header)
        )
        done.append(p._replace(piece=replace(p.piece, header=mark)) if mark and goes_on else p)
    return done


def gap(layout: Layout) -> str:
    """Return what stands between two pieces of one document where text was left out."""
    return layout.separator + _continued(layout)


def run_overhead(table: Candidates, layout: Layout, counter: Counter) -> tuple[list[int], int]:
    """Return the tokens of what stands around a run of spans.

    For each stretch, those around the first run of its document: header and separator; and those
    around every further run, which an ellipsis begins.
    """
    known: dict[str, int] = {}
    overhead = [0] * len(table.stretches)
    unique = table.unique
    held = unique[table.first_segment[unique] < table.last_segment[unique]]
    stretches = table.segment_stretch[table.first_segment[held]]
    for i, stretch in zip(held.tolist(), stretches.tolist(), strict=True):
        header = header_of(table.chunks[i], layout)
        if header not in known:
            known[header] = counter.count(header + layout.separator)
        overhead[stretch] = known[header]
    return overhead, counter.count(_continued(layout) + layout.separator)


def _stitched(table: Candidates, layout: Layout) -> list[_Placed]:
    """Return a piece for each run of kept segments, and for each chosen alternative."""
    placed = []
    firsts, lasts = table.first_segment.tolist(), table.last_segment.tolist()
    runs = _runs(table)
    holders: list[list[int]] = [[] for _ in runs]
    starts = [run[0] for run in runs]
    for i in np.flatnonzero(table.kept_row >= 0).tolist():
        row = int(table.kept_row[i])
        first, last = firsts[i], lasts[i]
        if table.alternative[row]:
            document, place = _place(table, first)
            for part in _parts(table, i, row, gap(layout)):
                piece = _piece(table, layout, [i], part, None, float(table.relevance[i]))
                placed.append(_Placed(piece, document, place, i))
                place += 1  # an extract's chunk stands alone: nothing else comes between
            continue
        for number in range(max(0, bisect_right(starts, first) - 1), len(runs)):
            if runs[number][0] >= last:
                break
            if runs[number][1] > first:
                holders[number].append(i)
    # Every other group is a run; the last may end where the segments do, so there is one more.
    bounds = np.array(runs, dtype=np.intp).ravel()
    worth = np.maximum.reduceat(np.append(table.segment_worth, 0.0), bounds)[::2].tolist()
    for (first, last), chunks, best in zip(runs, holders, worth, strict=True):
        if chunks:
            chunks.sort(key=lambda i: (firsts[i], lasts[i], table.id(i)))
            piece = _run_piece(table, layout, first, last, chunks, best)
            placed.append(_Placed(piece, *_place(table, first), chunks[0]))
    return placed


def _parts(table: Candidates, i: int, row: int, between: str) -> list[str]:
    """Return an alternative as pieces: the runs of spans of an extract, any other whole."""
    text = table.texts[row]
    option = table.chunks[i].alternatives[table.alternative[row] - 1]
    if getattr(option, "label", None) != EXTRACT or not between:
        return [text]
    return text.split(between)


def _place(table: Candidates, segment: int) -> tuple[int, int]:
    stretch = int(table.segment_stretch[segment])
    start = int(table.stretch_place[stretch] + table.segment_span[segment, 0])
    return int(table.document[stretch]), start


def _runs(table: Candidates) -> list[tuple[int, int]]:
    """Return the runs of kept segments that touch in one stretch, as (first, last), exclusive."""
    kept = np.flatnonzero(table.segment_kept)
    stretch = table.segment_stretch[kept]
    cut = np.flatnonzero((np.diff(kept) > 1) | (np.diff(stretch) > 0)) + 1
    ends = [0, *cut.tolist(), len(kept)] if len(kept) else []
    return [(int(kept[a]), int(kept[b - 1]) + 1) for a, b in itertools.pairwise(ends)]


def _run_piece(
    table: Candidates, layout: Layout, first: int, last: int, chunks: Sequence[int], worth: float
) -> Piece:
    stretch = table.segment_stretch[first]
    start, end = int(table.segment_span[first, 0]), int(table.segment_span[last - 1, 1])
    start = _line_start(table.stretches[stretch], start)
    whole = table.stretches[stretch][start:end]
    text = trim(whole)
    span = None
    if table.chunks[chunks[0]].span is not None:
        start += int(table.stretch_place[stretch]) + whole.find(text)
        span = (start, start + len(text))
    return _piece(table, layout, chunks, text, span, worth)


def _line_start(text: str, at: int) -> int:
    """Return where the line begins if only indentation stands before, else the place itself."""
    line = text.rfind("\n", 0, at) + 1
    return at if text[line:at].strip(" \t") else line


def _piece(
    table: Candidates,
    layout: Layout,
    chunks: Sequence[int],
    text: str,
    span: tuple[int, int] | None,
    relevance: float,
) -> Piece:
    chunk = table.chunks[chunks[0]]
    return Piece(
        text=text,
        tokens=0,
        chunk_ids=tuple(table.id(i) for i in chunks),
        spans=() if span is None else (span,),
        source=chunk.source,
        header=header_of(chunk, layout),
        relevance=relevance,
    )


def _continued(layout: Layout) -> str:
    """Return what stands, instead of a header, before text whose source goes on after a gap."""
    return layout.ellipsis + "\n" if layout.ellipsis else ""


def _ordered(table: Candidates, placed: list[_Placed], layout: Layout) -> list[_Placed]:
    if layout.order == "given" or (layout.order == "auto" and table.conversation):
        given = {table.id(i): i for i in reversed(range(len(table)))}
        return sorted(
            placed, key=lambda p: (min(given[name] for name in p.piece.chunk_ids), p.place)
        )
    by_score = sorted(placed, key=lambda p: (-p.piece.relevance, p.piece.chunk_ids, p.place))
    if layout.order == "score":
        return by_score
    documents: dict[int, list[_Placed]] = defaultdict(list)  # best document first
    for p in by_score:
        documents[p.document].append(p)
    runs = [sorted(run, key=lambda p: (p.place, p.piece.chunk_ids)) for run in documents.values()]
    if layout.order == "source":
        runs.sort(
            key=lambda run: (
                run[0].piece.source is None,
                run[0].piece.source or "",
                run[0].piece.chunk_ids,
            )
        )
    elif _long(table):
        runs = runs[::2] + runs[1::2][::-1]
    return [p for run in runs for p in run]


def _sectioned(table: Candidates, placed: list[_Placed], layout: Layout) -> list[Piece]:
    """Put the pieces of each section together, its header before the first."""
    if not layout.sections:
        return [p.piece for p in placed]
    number = {section.name: k for k, section in enumerate(layout.sections)}
    named = [(table.chunks[p.chunk].section, p.piece) for p in placed]
    named.sort(key=lambda pair: -1 if pair[0] is None else number[pair[0]])
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
    return int(table.segment_tokens[table.segment_kept].sum()) > LONG


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
    enough: bool = False,
) -> tuple[Decision, ...]:
    """Return what became of every input chunk, in input order.

    `difference` puts into words how a version differs from the passage that stands for it; `prices`
    is what one more token is worth, overall under "" and in each section; `enough` says that the
    window stopped before its budget did.
    """
    account = _Account(table, pieces, difference, prices, enough)
    ids, decisions = table.ids, []
    for i, chunk in enumerate(table.chunks):
        kept, reason, detail, other = account.verdict(i)
        if i in table.refused:
            detail = "; ".join(filter(None, [detail, *table.refused[i]]))
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


def _sums(table: Candidates, column: NDArray[Any]) -> list[int]:
    """Return the sum of a column of segments over those of each chunk."""
    total = np.concatenate(([0], np.cumsum(column)))
    sums: list[int] = (total[table.last_segment] - total[table.first_segment]).tolist()
    return sums


class _Account:
    """What the decisions look up, gathered once for all chunks."""

    def __init__(
        self,
        table: Candidates,
        pieces: Sequence[Piece],
        difference: Callable[[str, str], str],
        prices: Mapping[str, float],
        enough: bool,
    ) -> None:
        self.table = table
        self.ids = table.ids
        self.enough = enough
        self.difference = difference
        self.prices = prices
        self.blank = table.blank.tolist()
        self.group = table.group.tolist()
        self.hits = table.hits.tolist()
        self.pinned = table.pinned.tolist()
        self.version_of = table.version_of.tolist()
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
        self.stands_for_it = table.stands_for_it.tolist()
        self.shown = _sums(table, table.segment_kept)
        self.shown_tokens = _sums(table, table.segment_kept * table.segment_tokens)
        self.all_tokens = _sums(table, table.segment_tokens)
        self.folded = _sums(table, table.stands_for_it >= 0)
        self.holder = self._holders(kept[table.alternative[table.kept_row[kept]] == 0])
        free = kept[~table.pinned[kept]]
        self.least = float(table.relevance[free].min()) if len(free) else 0.0
        self.askers = {need: i for i in kept.tolist() for need in table.needs[i]}
        self.verdicts: dict[int, _Verdict] = {}

    def verdict(self, i: int) -> _Verdict:
        """Return what became of a chunk; a repeat asks for that of the first with its text."""
        if i not in self.verdicts:
            self.verdicts[i] = self._verdict(i)
        return self.verdicts[i]

    def _verdict(self, i: int) -> _Verdict:
        table = self.table
        if self.blank[i]:
            return _Verdict(False, Reason.BLANK, "nothing but white space")
        first = self.repeat_of[i]
        if first != i:
            return self._repeat(i, first)
        if self.kept_row[i] >= 0:
            return self._kept(i)
        first_segment, last_segment = self.segments[i]
        kept: list[int] = []
        if self.shown[i]:
            kept = [h for h in self.holder[first_segment:last_segment] if h >= 0]
        if kept and len(kept) == last_segment - first_segment:
            most = max(kept, key=kept.count)
            detail = f"all of its text stands with {self.ids[most]}"
            return _Verdict(False, Reason.CONTAINED, detail, most)
        version = self.kept_of_group.get(self.group[i])
        if version is not None:
            by_embedding = table.by_embedding[i] or table.by_embedding[version]
            reason = Reason.SIMILAR if by_embedding else Reason.NEAR_DUPLICATE
            return _Verdict(False, reason, self._version(i, version), version)
        if kept:
            most = max(kept, key=kept.count)
            detail = f"what the window shows of it stands with {self.ids[most]}"
            return _Verdict(False, Reason.CONTAINED, detail, most)
        if 2 * self.folded[i] >= last_segment - first_segment > 0:
            folded = self._folded(i)
            if 2 * sum(folded.values()) >= last_segment - first_segment:
                most = max(folded, key=lambda other: (folded[other], -other))
                return _Verdict(False, Reason.NEAR_DUPLICATE, self._version(i, most), most)
        return self._left_out(i)

    def _holders(self, kept: NDArray[np.intp]) -> list[int]:
        """Return, for each segment in the window, a kept chunk that it stands with; else -1."""
        holder = np.full(len(self.table.segment_kept), -1)
        for i in reversed(kept.tolist()):
            holder[slice(*self.segments[i])] = i
        holder[~self.table.segment_kept] = -1
        held: list[int] = holder.tolist()
        return held

    def _folded(self, i: int) -> Counts[int]:
        """Return how many segments of a chunk kept chunks stand for."""
        first, last = self.segments[i]
        others = self.stands_for_it[first:last]
        return Counts(self.holder[s] for s in others if s >= 0 and self.holder[s] >= 0)

    def _repeat(self, i: int, first: int) -> _Verdict:
        shown = self.verdict(first)
        stands = first if shown.other is None else shown.other
        hits = f"returned {self.hits[i]} times"
        if self.ids[first] != self.ids[i]:
            hits = f"same text as {self.ids[first]}, {hits}"
        if shown.kept:
            return _Verdict(False, Reason.DUPLICATE, f"{hits}, shown once", stands)
        return _Verdict(False, Reason.DUPLICATE, f"{hits}, not shown: {shown.detail}", stands)

    def _kept(self, i: int) -> _Verdict:
        table = self.table
        details = [f"returned {self.hits[i]} times"] if self.hits[i] > 1 else []
        row = self.kept_row[i]
        if table.alternative[row]:
            option = table.chunks[i].alternatives[table.alternative[row] - 1]
            label = getattr(option, "label", "alternative")
            details.append(f"as its {label} of {table.tokens[row]} tokens")
        else:
            details += self._shown(i)
        mine = self.ids[i]
        neighbours = [name for name in self.piece_of[mine].chunk_ids if name != mine]
        if neighbours:
            details.append("stitched with " + ", ".join(neighbours[:3]))
        other = self.version_of[i]
        if other >= 0 and self.kept_row[other] >= 0 and self.ids[other] not in neighbours:
            details.append(self._version(i, other))
        if self.pinned[i]:
            return _Verdict(True, Reason.PINNED, "; ".join(details))
        asker = self.askers.get(i)
        if asker is not None and self.relevance[asker] > self.relevance[i]:
            details.insert(0, f"required by {self.ids[asker]}")
            return _Verdict(True, Reason.REQUIRED, "; ".join(details))
        return _Verdict(True, Reason.SELECTED, "; ".join(details))

    def _shown(self, i: int) -> list[str]:
        """Say how much of a chunk is in the window, where that is not all."""
        first, last = self.segments[i]
        if self.shown[i] == last - first:
            return []
        details = [f"the best {self.shown_tokens[i]} of its {self.all_tokens[i]} tokens"]
        folded = self._folded(i)
        folded.pop(i, None)
        if folded:
            names = ", ".join(self.ids[other] for other, _ in folded.most_common(2))
            details.append(f"{sum(folded.values())} of its passages stand with {names}")
        return details

    def _left_out(self, i: int) -> _Verdict:
        table = self.table
        for need in table.needs[i]:
            if self.kept_row[need] < 0:
                detail = f"requires {self.ids[need]}, which does not fit with it"
                return _Verdict(False, Reason.MISSING_REQUIREMENT, detail)
        tokens, worth = self.tokens[i], self.worth[i]
        if self.enough:
            return _Verdict(False, Reason.OVER_BUDGET, "the window holds enough without it")
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
        detail = f"version of {self.ids[other]}"
        if other in (table.group[i], table.version_of[i]):
            detail += f", {table.similarity[i]:.0%} alike"
            detail += " by embedding" if table.by_embedding[i] else ""
        return f"{detail}, {self.difference(table.text(i), table.text(other))}"
