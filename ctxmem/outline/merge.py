"""Merged texts: the text that overlapping or touching chunks of one source form together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ctxmem import _native
from ctxmem.schema import Candidates, Place

OVERLAP = 64
"""Minimum overlap, in characters, of the end of one chunk and the beginning of another for chunks
without spans to be neighbours; boilerplate lines are seldom longer."""


def found_places(table: Candidates, chunks: Sequence[int]) -> dict[int, Place]:
    """Return places for chunks that overlap or contain each other.

    Each chain of overlapping chunks gets an invented source, named after its first chunk.
    """
    if len(chunks) < 2:
        return {}
    names = [(table.chunks[i].source, table.chunks[i].section) for i in chunks]
    number = {name: k for k, name in enumerate(dict.fromkeys(names))}
    texts = [table.chunks[i].text for i in chunks]
    source = np.array([number[name] for name in names], dtype=np.int32)
    left, right, offset = _native.text_overlaps(texts, source, OVERLAP)
    before = {
        b: (a, at) for a, b, at in zip(left.tolist(), right.tolist(), offset.tolist(), strict=True)
    }
    if not before:
        return {}
    placed: dict[int, tuple[int, int]] = {}  # text -> first of its chain, offset from it
    for k in {*before, *(a for a, _ in before.values())}:
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
        chunks[k]: Place(f"\0{table.id(chunks[root])}", start, start + len(texts[k]))
        for k, (root, start) in placed.items()
    }


def disagreeing(table: Candidates, places: Mapping[int, Place]) -> set[int]:
    """Return the chunks of one source whose text contradicts earlier chunks at the same place.

    `places` are in the order of the source.
    """
    wrong = set()
    text, start = "", 0  # the merged text so far, and its offset in the source
    for i, where in places.items():
        mine = table.chunks[i].text
        known = text[where.start - start : where.end - start] if text else ""
        if where.start > start + len(text) or not text:
            text, start = mine, where.start
        elif mine.startswith(known):
            text += mine[len(known) :]
        else:
            wrong.add(i)
    return wrong
