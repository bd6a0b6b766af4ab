"""The layout of a window: headers, separators, marks and fences around pieces, and their tokens."""

from __future__ import annotations

from ctxmem import _native
from ctxmem.errors import InputError, InputTypeError
from ctxmem.protocols import Counter
from ctxmem.schema import Candidates, Chunk, Layout

AUTO = "auto"
"""The `header` that names a source only if a piece could be read as part of another piece."""

LONGEST_NAME = 60
"""Characters of the name of a source in a label, at most; the last ones are shown."""

FENCE = "```"

ORDERS = ("auto", "score", "source", "given")

SOURCE = _native.SPAN_KINDS.index("source")
PART = 1 << _native.SPAN_FLAGS.index("part")
TORN = sum(1 << _native.SPAN_FLAGS.index(flag) for flag in ("unopened", "unclosed"))


def check_layout(layout: Layout) -> Layout:
    """Return the layout if it is valid, else raise an error."""
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
    if layout.header is None or layout.header == AUTO:
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


def run_overhead(table: Candidates, layout: Layout, counter: Counter) -> tuple[list[int], int]:
    """Return the tokens around a run of spans, which are not part of its text.

    For each merged text: the tokens of header and separator around the first run of its document.
    And for every further run: the tokens of the ellipsis between runs.
    """
    known: dict[str, int] = {}
    overhead = [0] * len(table.merged_texts)
    unique = table.unique
    held = unique[table.first_segment[unique] < table.last_segment[unique]]
    merged_texts = table.segment_merged[table.first_segment[held]]
    for i, merged_text in zip(held.tolist(), merged_texts.tolist(), strict=True):
        header = header_of(table.chunks[i], layout)
        if header not in known:
            known[header] = counter.count(header + layout.separator)
        overhead[merged_text] = known[header]
    return overhead, counter.count(gap(layout))


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
