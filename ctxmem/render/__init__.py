"""Order the selection and render it as pieces and as one text.

layout   headers, labels, separators and marks, and their tokens
pieces   the kept parts of each merged text
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from ctxmem.candidates import Candidates
from ctxmem.protocols import Counter
from ctxmem.render.layout import (
    AUTO,
    ORDERS,
    check_layout,
    continued,
    first_line,
    gap,
    headers,
    piece_lines_label,
    price_labels,
    run_costs,
    source_label,
)
from ctxmem.render.pieces import Placed, stitch
from ctxmem.schema import Chunk, ChunkId, Layout, Piece, Section
from ctxmem.selected import SelectionResult

__all__ = [
    "AUTO",
    "ORDERS",
    "Rendering",
    "check_layout",
    "count_pieces",
    "gap",
    "headers",
    "price_labels",
    "render",
    "run_costs",
    "section_tokens",
    "unchanged_pieces",
]

LONG = 4000
"""Tokens above which models use the middle of a window less (Liu et al. 2023, Lost in the Middle);
`auto` then puts the best documents at both ends."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """Pieces in window order, and the text of the window."""

    pieces: tuple[Piece, ...]
    text: str


def render(table: Candidates, selection: SelectionResult, layout: Layout) -> Rendering:
    """Return the selection as pieces, with neighbours of one source joined, and as one text.

    The pieces of its prefix come first, with the text and the header they had.
    """
    placed = _ordered(table, selection, stitch(table, selection, layout), layout)
    first = _unchanged(placed, selection)
    rest = [p for p in placed if p not in first] if first else placed
    placed = _by_section(table, first + rest, layout)
    placed = _headed(placed, layout, _numbered(table, layout), _versions(table, selection, placed))
    pieces = _with_section_headers(table, placed, layout)
    for k, (before, p) in enumerate(zip(selection.prefix, first, strict=False)):
        if k >= len(pieces) or pieces[k].chunk_ids != p.piece.chunk_ids:
            break  # a piece of an earlier section comes before it
        pieces[k] = _changed(pieces[k], header=before.header)
    text = layout.separator.join(piece.header + piece.text for piece in pieces)
    return Rendering(tuple(pieces), text)


def unchanged_pieces(table: Candidates, selection: SelectionResult, layout: Layout) -> list[Placed]:
    """Return the pieces of the prefix that this selection shows as they were."""
    return _unchanged(stitch(table, selection, layout), selection)


def _unchanged(placed: Sequence[Placed], selection: SelectionResult) -> list[Placed]:
    """Return the pieces of the prefix, up to the first that has another text now."""
    found: list[Placed] = []
    for before in selection.prefix:
        same = [p for p in placed if p.piece.text == before.text and p not in found]
        same.sort(key=lambda p: p.chunk != before.chunk)
        if not same:
            break
        found.append(same[0])
    return found


def section_tokens(
    table: Candidates, rendering: Rendering, layout: Layout, counter: Counter
) -> list[int]:
    """Return the tokens of each section as rendered: its headers, pieces and subsections."""
    chunks = {table.id(i): i for i in reversed(range(len(table)))}
    parts: list[list[str]] = [[] for _ in layout.sections]
    number = {section.name: k for k, section in enumerate(layout.sections)}
    for piece in rendering.pieces:
        name = table.chunks[chunks[piece.chunk_ids[0]]].section
        for section in _ancestry(layout, name):
            parts[number[section.name]].append(piece.header + piece.text)
    return [int(n) for n in counter.count_many([layout.separator.join(part) for part in parts])]


def _numbered(table: Candidates, layout: Layout) -> dict[str, Chunk]:
    """Return the chunks by id if one of them has line numbers for its label, else nothing."""
    if layout.header != AUTO or all(first_line(chunk) is None for chunk in table.chunks):
        return {}
    return {table.ids[i]: chunk for i, chunk in enumerate(table.chunks)}


def _versions(
    table: Candidates, selection: SelectionResult, placed: Sequence[Placed]
) -> set[ChunkId]:
    """Return the kept chunks of which another source has a version in the window."""
    document = {name: p.document for p in placed for name in p.piece.chunk_ids}
    found: set[ChunkId] = set()
    for i in np.flatnonzero((selection.kept_row >= 0) & (table.version_of >= 0)).tolist():
        pair = table.ids[i], table.ids[int(table.version_of[i])]
        if len({document.get(name) for name in pair} - {None}) > 1:
            found.update(pair)
    return found


def _headed(
    placed: Sequence[Placed],
    layout: Layout,
    numbered: Mapping[str, Chunk],
    versions: Set[ChunkId],
) -> list[Placed]:
    """Add the header that separates each piece from the piece above.

    A piece whose lines are known is labelled with its source and their numbers.

    If a document continues after a gap, this is an ellipsis. With `header="auto"` it is the name of
    the source if the piece has no heading of its own and could be read as part of another piece, or
    has a version of a text of another source: what contradicts each other has names.
    """
    mark = continued(layout)
    done: list[Placed] = []
    # A name or list anywhere in the window makes pieces ambiguous, so pieces are labelled.
    several = len({p.document for p in placed}) > 1
    named = several and any(p.names for p in placed)
    above = False  # a piece above has a name or a list, so this piece could be read as part of it
    labelled: int | None = None  # the document that the label above names
    for before, p in zip([None, *placed], placed, strict=False):
        goes_on = before is not None and before.document == p.document and before.place < p.place
        header = p.piece.header
        if layout.header == AUTO:
            nameless = p.nameless and (above or (named and p.piece.source is not None))
            # A heading at the beginning of a source is its title, and says where another begins.
            foreign = labelled not in (None, p.document) and not (p.piece.spans and p.place == 0)
            version = p.nameless and not versions.isdisjoint(p.piece.chunk_ids)
            label = nameless or foreign or (version and p.piece.source is not None)
            header = source_label(p.piece.source) if label else mark if goes_on else ""
            lines = piece_lines_label(p.piece, numbered) if numbered else None
            header, label = (header, label) if lines is None else (lines, True)
            labelled = p.document if label else labelled
        elif mark and goes_on and header in ("", before.piece.header if before else ""):
            header = mark
        above = above or p.names
        same = header == p.piece.header
        done.append(p if same else p._replace(piece=_changed(p.piece, header=header)))
    return done


def _ordered(
    table: Candidates, selection: SelectionResult, placed: list[Placed], layout: Layout
) -> list[Placed]:
    if layout.order == "given" or (layout.order == "auto" and table.conversation):
        given = {table.id(i): i for i in reversed(range(len(table)))}
        return sorted(
            placed, key=lambda p: (min(given[name] for name in p.piece.chunk_ids), p.place)
        )
    by_score = sorted(placed, key=lambda p: (-p.piece.relevance, p.piece.chunk_ids, p.place))
    if layout.order == "score":
        return by_score
    documents: dict[int, list[Placed]] = defaultdict(list)  # best document first
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
    elif _long(table, selection):
        runs = runs[::2] + runs[1::2][::-1]
    return [p for run in runs for p in run]


def _by_section(table: Candidates, placed: list[Placed], layout: Layout) -> list[Placed]:
    """Return the pieces in the order of the sections; those without a section come first."""
    number = {section.name: k for k, section in enumerate(layout.sections)}

    def place(p: Placed) -> int:
        name = table.chunks[p.chunk].section
        return -1 if name is None else number.get(name, -1)

    return sorted(placed, key=place)


def _with_section_headers(
    table: Candidates, placed: Sequence[Placed], layout: Layout
) -> list[Piece]:
    """Return the pieces with the header of each section before its first piece."""
    opened: set[str] = set()
    done = []
    for p in placed:
        header = ""
        for section in _ancestry(layout, table.chunks[p.chunk].section):
            if section.name not in opened and section.header:
                header += section.header + layout.separator
            opened.add(section.name)
        headed = _changed(p.piece, header=header + p.piece.header) if header else p.piece
        done.append(headed)
    return done


def _ancestry(layout: Layout, name: str | None) -> list[Section]:
    """Return the section with this name and its ancestors, the outermost first."""
    known = {section.name: section for section in layout.sections}
    line: list[Section] = []
    while name is not None:
        line.insert(0, known[name])
        name = known[name].parent
    return line


def _long(table: Candidates, selection: SelectionResult) -> bool:
    return int(table.segment_tokens[selection.segment_kept].sum()) > LONG


def count_pieces(pieces: Iterable[Piece], counter: Counter) -> tuple[Piece, ...]:
    """Return the pieces with their own token counts."""
    pieces = tuple(pieces)
    tokens = counter.count_many([piece.text for piece in pieces])
    return tuple(_changed(p, tokens=int(n)) for p, n in zip(pieces, tokens, strict=True))


def _changed(piece: Piece, *, header: str | None = None, tokens: int | None = None) -> Piece:
    """Return the piece with another header or count, sooner than `dataclasses.replace` does."""
    return Piece(
        piece.text,
        piece.tokens if tokens is None else tokens,
        piece.chunk_ids,
        piece.spans,
        piece.source,
        piece.header if header is None else header,
        piece.relevance,
        piece.origins,
    )
