"""The layout of a window: headers, separators, marks and fences around pieces, and their tokens."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.protocols import Counter
from ctxmem.schema import Chunk, Layout, Piece
from ctxmem.selected import RunCosts

AUTO = "auto"
"""The `header` that names a source only if a piece could be read as part of another piece."""

LONGEST_NAME = 60
"""Characters of the name of a source in a label, at most; the last ones are shown."""

FENCE = "```"

JOINT = 2
"""Tokens by which a text may count less than its two parts; byte pair encodings only."""

MEASURED = 64
"""Number of texts on which that is measured for other counters."""

ORDERS = ("auto", "score", "source", "given")

SOURCE = _native.SPAN_KINDS.index("source")
PART = 1 << _native.SPAN_FLAGS.index("part")
TORN = sum(1 << _native.SPAN_FLAGS.index(flag) for flag in ("unopened", "unclosed"))


def check_layout(layout: Layout) -> Layout:
    """Return the layout if it is valid, else raise an error."""
    if not isinstance(layout.separator, str):
        raise InputTypeError(
            f"separator is {a_type(layout.separator)}; expected a str such as '\\n\\n'"
        )
    if layout.order not in ORDERS:
        raise InputError(f"order is {layout.order!r}; expected one of {', '.join(ORDERS)}")
    if layout.header is not None and not (
        isinstance(layout.header, str) or callable(layout.header)
    ):
        raise InputTypeError(
            f"header is {a_type(layout.header)}; expected a template such as "
            f"'[{{source}}]' or a function of the chunk"
        )
    return layout


def header_of(chunk: Chunk, layout: Layout) -> str:
    """Return the header line of a chunk's block with its newline; empty if it has none."""
    if layout.header is None or layout.header == AUTO:
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
        except (LookupError, ValueError, AttributeError) as error:
            why = f"it has {{{error.args[0]}}}" if isinstance(error, KeyError) else str(error)
            raise InputError(
                f"header template {layout.header!r} cannot be filled in ({why}); expected only "
                f"the fields {', '.join('{' + name + '}' for name in known)}"
            ) from None
    else:
        header = layout.header(chunk)
        if not isinstance(header, str):
            raise InputTypeError(
                f"header returned {a_type(header)} for chunk {chunk.id!r}; expected a str"
            )
    header = header.strip()
    return header + "\n" if header else ""


def headers(table: Candidates, layout: Layout) -> list[str]:
    """Return the header line of every chunk."""
    if layout.header == AUTO:
        return [_lines_of_whole(chunk) for chunk in table.chunks]
    if layout.header is None:
        return [""] * len(table)
    return [header_of(chunk, layout) for chunk in table.chunks]


def source_label(source: str | None) -> str:
    """Return the label of a source with its newline: its name, or a rule if it has no name."""
    if source is None:
        return "---\n"
    name = " ".join(source.split())
    name = name.split("://", 1)[-1]
    if len(name) > LONGEST_NAME:
        name = "…" + name[1 - LONGEST_NAME :]
    return f"[{name}]\n"


def first_line(chunk: Chunk) -> int | None:
    """Return the number of a chunk's first line in its source, None if it is not given.

    It is `metadata["line"]`, a whole number from 1.
    """
    if not chunk.metadata or chunk.source is None:
        return None
    line = chunk.metadata.get("line")
    return line if type(line) is int and line > 0 else None


def _lines_of_whole(chunk: Chunk) -> str:
    """Return the label of a whole chunk with its lines; empty if they are not known."""
    line = first_line(chunk)
    if line is None:
        return ""
    return _label(str(chunk.source), [(line, line + chunk.text.count("\n"))])


def piece_lines_label(piece: Piece, chunks: Mapping[str, Chunk]) -> str | None:
    """Return the label of a piece with the lines it shows, None if they are not known.

    Lines that follow each other are one range: `[app.py:3-9,14]`. `chunks` are all chunks by id.
    """
    found: list[tuple[int, int]] = []
    for name, start, end in piece.origins:
        chunk = chunks[name]
        line = first_line(chunk)
        if line is None:
            return None
        line += chunk.text.count("\n", 0, start)
        found.append((line, line + chunk.text.count("\n", start, end)))
    return _label(str(piece.source), found) if found and piece.source is not None else None


def _label(source: str, lines: Sequence[tuple[int, int]]) -> str:
    joined: list[list[int]] = []
    for first, last in sorted(lines):
        if joined and first <= joined[-1][1] + 1:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    numbers = ",".join(f"{a}-{b}" if b > a else str(a) for a, b in joined)
    return f"{source_label(source)[:-2]}:{numbers}]\n"


def gap(layout: Layout) -> str:
    """Return the separator of two parts of a text between which text was left out."""
    return f"\n{layout.ellipsis}\n" if layout.ellipsis else "\n\n"


def opening_fence(layout: Layout) -> str:
    """Return the fence, and a mark, put before code whose opening fence is missing from the input.

    The language of the code is unknown, so the fence says `text`.
    """
    return f"{FENCE}text{gap(layout)}"


def continued(layout: Layout) -> str:
    """Return the line that replaces the header of a piece that continues the source above."""
    return layout.ellipsis + "\n" if layout.ellipsis else ""


def run_costs(
    table: Candidates, layout: Layout, counter: Counter, *, whole: bool, headers: Sequence[int] = ()
) -> RunCosts:
    """Return the tokens around runs of units, which are not part of their text.

    For each merged text, the tokens of header and separator around its first run; for every further
    run, those of the ellipsis between runs. A text of one chunk that is shown whole, or is a single
    unit, costs what its block counts. `headers` are the tokens of the sections' headers.
    """
    chunks = np.array(table.merged_chunk, dtype=np.intp)
    units = np.diff(table.merged_first)
    tokens = np.concatenate(([0], np.cumsum(table.segment_tokens)))[table.merged_first]
    tokens = np.diff(tokens)
    unique = table.unique[table.first_segment[table.unique] < table.last_segment[table.unique]]
    held = np.bincount(
        table.segment_merged[table.first_segment[unique]], minlength=len(table.merged_texts)
    )
    block = table.tokens[table.first_row[chunks]]
    frame = table.overhead[chunks]
    exact = (held == 1) & ((units == 1) | whole)
    overhead = np.where(exact, block - tokens, frame).astype(np.int64)
    texts = [table.texts[row] for row in table.first_row[table.unique].tolist()]
    numbered = layout.header == AUTO and any(first_line(c) is not None for c in table.chunks)
    additive = _adds_up(texts, layout, counter, numbered)
    joint = _joint_tokens(texts, layout, counter)
    # What each unit of a text saves on average is measured where one chunk is the whole text.
    longer = (held == 1) & (units > 1)
    saved = np.maximum(0.0, (tokens + frame - block) / np.maximum(1, units - 1))
    usual = float(saved[longer].mean()) if longer.any() else 0.0
    joint_unit = np.where(longer, saved, np.where(units > 1, usual, 0.0))
    return RunCosts(
        overhead,
        counter.count(gap(layout)),
        headers,
        joint=joint,
        joint_whole=0 if additive else joint,
        joint_unit=np.zeros(len(units)) if whole else joint_unit,
        additive=additive and bool(exact.all()),
        separator=counter.count(layout.separator),
    )


def _adds_up(texts: Sequence[str], layout: Layout, counter: Counter, numbered: bool) -> bool:
    """Return whether the counts of whole blocks add up exactly.

    The counts of blocks that end in a newline do, if a block begins neither with white space nor
    with a slash, which tokenisers join to the newline before it.
    """
    if not (counter.exact and counter.additive and layout.separator.endswith("\n")):
        return False
    if layout.header is not None and layout.header != AUTO:
        return False
    if numbered:  # the label of a part has other numbers than that of the whole
        return False
    return not any(text[:1].isspace() or text[:1] == "/" for text in texts if text)


def _joint_tokens(texts: Sequence[str], layout: Layout, counter: Counter) -> int:
    """Return by how many tokens two blocks may count less together than each by itself.

    For byte pair encodings it was at most `JOINT` in two million cuts; for other counters it is
    measured on these texts, with one token to spare.
    """
    if counter.exact and counter.additive:
        return JOINT
    blocks = [text + layout.separator for text in texts[:MEASURED]]
    pairs = [a + b for a, b in itertools.pairwise(blocks)]
    alone = [int(n) for n in counter.count_many(blocks)]
    joined = [int(n) for n in counter.count_many(pairs)]
    saved = [a + b - both for (a, b), both in zip(itertools.pairwise(alone), joined, strict=True)]
    return max([JOINT if counter.exact else 0, *saved]) + 1


def price_labels(table: Candidates, layout: Layout, counter: Counter) -> None:
    """Add to `segment_tokens` the tokens that the renderer may add: fences of torn code, marks.

    Labels of sources are not priced, because few of the possible ones are needed in the end; the
    final count of the window includes them.
    """
    fence = counter.count(opening_fence(layout))
    torn = (table.segment_flags & TORN) != 0
    table.segment_tokens[torn] += fence
    parts = (table.segment_flags & PART) != 0
    if parts.any():  # one mark at the beginning of a part, one at the end of the part before it
        mark = counter.count(f" {layout.ellipsis}")
        table.segment_tokens[parts] += mark
        table.segment_tokens[:-1][parts[1:]] += mark
