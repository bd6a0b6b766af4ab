"""Show a message in part: a result with a mark where text was left out, a text by its lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ctxmem.chat.editing import content_list, replaced, with_content, with_result_texts
from ctxmem.chat.parts import TEXT_TYPES, parts_of
from ctxmem.chat.reading import Turn
from ctxmem.chat.shapes import get, kind_of

_HEAD = 2 / 3
"""The share of what is shown of a result that its beginning has; the rest is its end."""


def shortened_results(
    item: Any, index: int, target: int, cost: Callable[[Any], int]
) -> tuple[Any, int] | None:
    """Return a message with the texts of its results cut to about `target` tokens, and its cost.

    What is left of each text is its beginning and its end, with a mark between them that says how
    much was left out. The message is never above `target` unless the marks alone are. None if it
    has no results of text.
    """
    parts = [part for part in parts_of(item, index) if part.kind == "result"]
    texts: list[str] = []
    for part in parts:
        with_result_texts(part, texts.append)  # collects them, and rewrites none
    if not any(texts):
        return None

    def cut(keep: int) -> Any:
        changes = []
        for part in parts:
            value = with_result_texts(part, lambda text: excerpt(text, keep))
            if value is not part.value:
                changes.append((part, value))
        return replaced(item, changes) if changes else item

    # How many characters of each text are shown; the most that fits.
    low, high = 0, max(map(len, texts))
    best = cut(0)
    tokens = cost(best)
    if tokens > target:
        return best, tokens
    while low < high:
        middle = (low + high + 1) // 2
        trial = cut(middle)
        spent = cost(trial)
        if spent <= target:
            low, best, tokens = middle, trial, spent
        else:
            high = middle - 1
    return best, tokens


def excerpt(text: str, keep: int) -> str | None:
    """Return the beginning and the end of a text, `keep` characters together, with a mark between.

    None if the text is not longer than that.

    >>> excerpt("one two three four five six seven eight nine ten, and so on to a hundred", 24)
    'one two three fo\\n[... 48 of 72 characters were left out ...]\\n hundred'
    """
    mark = f"[... {len(text) - keep:,} of {len(text):,} characters were left out ...]"
    if len(text) <= keep or (keep and len(text) <= len(mark) + keep):
        return None
    if not keep:
        return mark if len(mark) < len(text) else None
    head = int(keep * _HEAD)
    tail = keep - head
    end = text[len(text) - tail :] if tail else ""
    return f"{text[:head]}\n{mark}\n{end}"


def partial(
    item: Any,
    turn: Turn,
    fits: Callable[[Any], bool],
    split: Callable[[str], list[str]],
    *,
    last: bool,
) -> Any | None:
    """Return the most of a message's blocks, or of the lines of its text, that still fits.

    None if nothing does, or if the message must not be cut: calls, results and thoughts are whole.
    """
    if turn.calls or turn.results or turn.thinks or turn.dialect == "responses":
        return None
    blocks = content_list(item)
    for size in range(len(blocks) - 1, 0, -1):
        part = with_content(item, blocks[-size:] if last else blocks[:size])
        if fits(part):
            return part
    block = blocks[-1 if last else 0] if blocks else ""
    text = block if isinstance(block, str) else get(block, "text")
    if kind_of(block) not in TEXT_TYPES or not isinstance(text, str) or not text:
        return None
    lines = split(text)
    best = None
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        shorter = "".join(lines[-middle:] if last else lines[:middle])
        part = with_content(item, shorter)
        if shorter and fits(part):
            low, best = middle, part
        else:
            high = middle - 1
    return best
