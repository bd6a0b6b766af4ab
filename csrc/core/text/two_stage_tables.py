"""Split a table over all code points in two stages, and write its arrays as C++."""

from __future__ import annotations

from collections.abc import Sequence

BLOCK = 128  # code points


def two_stage(values: Sequence[int]) -> tuple[list[int], list[tuple[int, ...]]]:
    """Split values into an index of blocks and the distinct blocks, in order of appearance."""
    blocks: dict[tuple[int, ...], int] = {}
    index = [
        blocks.setdefault(tuple(values[start : start + BLOCK]), len(blocks))
        for start in range(0, len(values), BLOCK)
    ]
    return index, list(blocks)


def array(kind: str, name: str, values: Sequence[int]) -> str:
    """Format one constexpr array."""
    lines = [
        ",".join(str(v) for v in values[start : start + 32]) for start in range(0, len(values), 32)
    ]
    return f"inline constexpr {kind} {name}[{len(values)}] = {{\n" + ",\n".join(lines) + "};\n"
