"""Merged texts: the text that overlapping or touching chunks of one source form together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ctxmem import _native
from ctxmem.candidates import Candidates
from ctxmem.outline.neighbours import Overlap, is_definite, true_overlaps
from ctxmem.outline.order import Series, numbered
from ctxmem.places import Place

OVERLAP = 64
"""Minimum overlap, in characters, of the end of one chunk and the beginning of another for chunks
without spans to be neighbours; boilerplate lines are seldom longer."""


GAP = 8
"""Characters between two chunks of one source that count as white space cut off by the splitter."""

SHORT_OVERLAP = 8
"""Characters that consecutive chunks must share to overlap; ids already say that they touch."""

COMMON_LINE = 30
"""Characters of a line that two chunks share if they are versions of a text, not neighbours."""

YEARS = range(1900, 2100)

FILE = re.compile(r"([^/\\]+)\.\w{1,8}(?:[?#].*)?$|[^/]+/([^/]+)/?$")
"""The name of a source that is a file or an address, without its ending."""

LONGEST_NAME = 200
"""Characters of the end of a source in which its name is looked for."""

CHUNK_NAMES = frozenset(
    ("", "c", "chunk", "doc", "document", "node", "p", "page", "part", "passage", "seg", "segment")
)
"""What an id says before its number if it numbers the chunks of a source."""

VERSION = re.compile(r"(?:^|[^a-z])(?:v|ver|version|rev|revision|draft)$")
"""What an id says before its number if it numbers versions."""

FIELD = re.compile(r"\w[\w -]{0,20}:")

HEADED = re.compile(r"\s*(#{1,6} |[^\n]+\n([=\-~^#*])\2{2,}\s*(\n|$))")


COLUMNS = [re.compile(sign) for sign in (r"\|", r"\t", r"[,;](?! )", r"(?<=\S) {2,}(?=\S)")]
"""What separates the columns of a table."""


def white_space(size: int, above: str, below: str) -> str:
    """Return white space of `size` characters that joins two chunks of one source.

    It ends with a blank line, or with one line break between rows of a table, because a blank line
    would end the table.
    """
    breaks = min(size, 1 if _are_rows(above, below) else 2)
    return " " * (size - breaks) + "\n" * breaks


def _are_rows(above: str, below: str) -> bool:
    """Return whether the end of one chunk and the beginning of the next are rows of one table."""
    lines = above[above.rfind("\n") + 1 :], below.split("\n", 1)[0]
    return any(
        min(counts) > 0 and max(counts) > 1
        for counts in ([len(sign.findall(line)) for line in lines] for sign in COLUMNS)
    )


def found_places(table: Candidates, chunks: Sequence[int]) -> dict[int, Place]:
    """Return places for chunks that overlap or contain each other.

    Each chain of overlapping chunks gets an invented source, named after its first chunk.
    """
    if len(chunks) < 2:
        return {}
    # Sorted, so that the order of the input does not break ties.
    chunks = sorted(chunks, key=lambda i: (table.id(i), table.chunks[i].text))
    before = _before(table, chunks)
    placed: dict[int, tuple[int, int]] = {}  # text -> first of its chain, offset from it
    for k in sorted({*before, *(a for a, _ in before.values())}):
        path = [k]
        on_path = {k}
        while path[-1] not in placed and path[-1] in before:
            up = before[path[-1]][0]
            if up in on_path:
                break
            path.append(up)
            on_path.add(up)
        placed.setdefault(path[-1], (path[-1], 0))
        for at, up in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
            root, start = placed[up]
            placed[at] = (root, start + before[at][1])
    return {
        chunks[k]: Place(
            f"\0{table.id(chunks[root])}", start, start + len(table.chunks[chunks[k]].text)
        )
        for k, (root, start) in placed.items()
    }


def _before(table: Candidates, chunks: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return the chunk that each is contained in or goes on from, and where in it it begins.

    Indices are those into `chunks`.
    """
    names = [(table.chunks[i].source, table.chunks[i].section) for i in chunks]
    number = {name: k for k, name in enumerate(dict.fromkeys(names))}
    ids = [table.id(i) for i in chunks]
    texts = [table.chunks[i].text for i in chunks]
    source = [number[name] for name in names]
    overlaps = _overlaps(texts, source)
    contained = {
        o.right: o for o in overlaps if o.offset + len(texts[o.right]) <= len(texts[o.left])
    }
    before = {k: (o.left, o.offset) for k, o in contained.items()}
    pairs = [pair for pair in _consecutive(table, chunks) if pair[1] not in contained]
    overlapping = _pair_overlaps(texts, pairs)
    for pair, offset in overlapping.items():
        if is_definite(texts[pair[0]][offset:]):
            before[pair[1]] = (pair[0], offset)
    others = [o for o in overlaps if o.right not in before]
    within = {k: len(texts[k]) for k in contained}
    within.update((k, len(texts[a]) - at) for k, (a, at) in before.items() if k not in contained)
    for o in true_overlaps(ids, texts, source, others, within):
        before[o.right] = (o.left, o.offset)
    for a, k in pairs:
        if k in before or (a, k) in overlapping:
            continue
        if not (HEADED.match(texts[k]) or _are_records(texts[a], texts[k])):
            before[k] = (a, len(texts[a]) + _step(texts[a], texts[k]))
    return before


def _overlaps(texts: list[str], source: Sequence[int]) -> list[Overlap]:
    """Return the overlaps and contained texts within each source."""
    found = _native.text_overlaps(texts, np.array(source, dtype=np.int32), OVERLAP)
    return [Overlap(*row) for row in zip(*(column.tolist() for column in found), strict=True)]


def _pair_overlaps(
    texts: list[str], pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], int]:
    """Return where the second text of each pair begins in the first, if they overlap."""
    both = [texts[k] for pair in pairs for k in pair]
    found = _overlaps(both, [p for p in range(len(pairs)) for _ in "ab"])
    return {pairs[o.left // 2]: o.offset for o in found if o.left < o.right}


def _consecutive(table: Candidates, chunks: Sequence[int]) -> list[tuple[int, int]]:
    """Return the pairs of chunks of which the second follows the first by its id.

    Splitters number the chunks of a file and cut off the white space between them. So "guide-4"
    goes on with what "guide-3" begins, unless the two look like records of their own: if the second
    has a heading, if both begin alike or share a line.
    """
    position: dict[tuple[object, int], int] = {}  # of the source, section and series; the number
    for k, i in enumerate(chunks):
        chunk, counted = table.chunks[i], numbered(table.id(i))
        if counted is not None and _numbers_chunks(chunk.source, *counted):
            series, number = counted
            position[(chunk.source, chunk.section, series), number] = k
    found = ((position.get((of, number - 1)), k) for (of, number), k in position.items())
    return [(before, k) for before, k in found if before is not None]


def _numbers_chunks(source: str | None, series: Series, number: int) -> bool:
    """Return whether an id is that of a chunk of a file: "guide-3" or "chunk 3" of docs/guide.md.

    Others number records of a collection, versions or years.
    """
    if source is None or number in YEARS:
        return False
    file = FILE.search(source[-LONGEST_NAME:].lower())
    prefix = series[0].lower().rstrip(" _-:#./|")
    if file is None or VERSION.search(prefix):
        return False
    stem = file[1] or file[2]
    return stem in prefix or prefix.split("/")[-1] in CHUNK_NAMES


def _are_records(a: str, b: str) -> bool:
    """Return whether two chunks have the same first line or field, or a long line in common."""
    first, second = (text.strip().split("\n", 1)[0] for text in (a, b))
    field = FIELD.match(first)
    if first == second or (field is not None and second.startswith(field[0])):
        return True
    lines = {line.strip() for line in a.splitlines() if len(line.strip()) >= COMMON_LINE}
    return any(line.strip() in lines for line in b.splitlines())


def _step(above: str, text: str) -> int:
    """Return how far behind the end of one chunk the next begins: less than 0 if they overlap."""
    for size in range(min(OVERLAP - 1, len(above), len(text)), SHORT_OVERLAP - 1, -1):
        if above.endswith(text[:size]):
            return -size
    if above[-1:].isspace() or text[:1] in ("\n", "\r"):  # no white space was cut off
        return 0
    indented = text.startswith(("\t", "  "))
    if text[:1].isspace() and not indented:
        return 0
    return 1 if indented or _are_rows(above, text) else 2


def disagreeing(table: Candidates, places: Mapping[int, Place]) -> set[int]:
    """Return the chunks of one source whose text contradicts earlier chunks at the same place.

    `places` are in the order of the source.
    """
    wrong = set()
    text, start = "", 0  # the merged text so far, and its offset in the source
    for i, where in places.items():
        mine = table.chunks[i].text
        gap = where.start - start - len(text)
        if text and 0 < gap <= GAP:
            text += white_space(gap, text, mine)
        known = text[where.start - start : where.end - start] if text else ""
        if gap > GAP or not text:
            text, start = mine, where.start
        elif mine.startswith(known):
            text += mine[len(known) :]
        else:
            wrong.add(i)
    return wrong
