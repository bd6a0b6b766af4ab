"""What the window shows instead of what has left it: outlines, indexes, excerpts.

Each is a function of what it replaces and of the identifiers that the window shows elsewhere,
and of nothing else; once made it is recorded and never made again. With `offers` it names the tool
by which the model reads a page; without, the model has no such tool.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from ctxmem.memory.blocks import PartialText

Count = Callable[[str], int]

_MENTION = " They mention:"
_READS = "; recall reads it"
_MOST_RUNS = 6
"""Of pages in more runs an index names the first and the last only."""
INDEX_SHARE = 0.3
"""An index line may have this share of the tokens it replaces, ..."""
INDEX_LEAST = 24
"""... or so many tokens, ..."""
INDEX_MOST = 240
"""... and no more than so many."""


def page_name(number: int) -> str:
    """Return the id of a page."""
    return f"p{number}"


def page_range(pages: Sequence[int]) -> str:
    """Return the ids of a run of pages as a person writes them."""
    first, last = page_name(pages[0]), page_name(pages[-1])
    return first if first == last else f"{first}-{last}"


def unshown_ids(ids: Iterable[str], known: Container[str], tokens: int, count: Count) -> list[str]:
    """Return identifiers that the window does not show, up to a share of the tokens."""
    room = min(INDEX_MOST, max(INDEX_LEAST, INDEX_SHARE * tokens))
    named = []
    for one in ids:
        if one in known:
            continue
        room -= count(" " + one)
        if room < 0:
            break
        named.append(one)
    return named


def outline(
    pages: Sequence[int],
    tokens: int,
    ids: Sequence[str],
    lines: Sequence[str] = (),
    *,
    of: Sequence[int] = (),
    total: int = 0,
    offers: bool = True,
) -> str:
    """Return the outline of a result whose text is stored: identifiers, and lines of it.

    `of` are the numbers of the lines, from 1, and `total` is how many the result has.

    >>> outline(range(9, 10), 379, ["HAT017", "OI5L9G"])
    '[p9: 379 tokens, stored; recall reads it] HAT017 OI5L9G'
    >>> print(outline([9], 379, [], ["# f2.py", "def f39(x):"], of=[1, 40], total=41))
    [p9: 379 tokens, stored; lines 1, 40 of 41; recall reads it]
    # f2.py
    def f39(x):
    """
    said = ""
    if lines and len(of) > _MOST_RUNS:
        said = f"; {len(of)} of {total:,} lines"
    elif lines and of:
        said = f"; line{'s' * (len(of) > 1)} {', '.join(map(str, of))} of {total:,}"
    head = f"[{page_range(pages)}: {tokens:,} tokens, stored{said}{_READS * offers}]"
    return "\n".join([" ".join([head, *ids]), *lines])


def superseded(
    pages: Sequence[int], tokens: int, newer: Sequence[int], *, offers: bool = True
) -> str:
    """Return what is shown for a result that a newer one supersedes.

    >>> superseded(range(9, 10), 379, range(12, 14))
    '[p9: 379 tokens, stored; p12-p13 shows it as it is now; recall reads it]'
    """
    return (
        f"[{page_range(pages)}: {tokens:,} tokens, stored; {page_range(newer)} shows it as it is "
        f"now{_READS * offers}]"
    )


def page_runs(pages: Sequence[int]) -> str:
    """Return the ids of pages, in order, as runs; of many runs the first and the last id.

    Indexes of other pages may be of the time between, so only runs without a gap name them.

    >>> page_runs([3, 4, 5, 9]), page_runs([1, 3, 5, 7, 9, 11, 13])
    ('p3-p5, p9', 'some of p1-p13')
    """
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    if len(runs) > _MOST_RUNS:
        return f"some of {page_range([pages[0], pages[-1]])}"
    return ", ".join(map(page_range, runs))


def index_heading(
    pages: Sequence[int], messages: int, tokens: int, *, older: bool = False, offers: bool = True
) -> str:
    """Return the first line of an index; with `older`, it says that pages before it have left, too.

    >>> heading = index_heading([147, 148], 2, 90, older=True, offers=False)
    >>> heading.removesuffix(" They mention:")
    '[memory] 2 earlier messages (p147-p148, 90 tokens) are stored, as are p0-p146.'
    """
    more = f", as are {page_range([0, pages[0] - 1])}" if older else ""
    return (
        f"[memory] {messages} earlier message{'' if messages == 1 else 's'} ({page_runs(pages)}, "
        f"{tokens:,} tokens) are stored{more}{'; recall reads a page' * offers}.{_MENTION}"
    )


def stored_before(page: int, *, offers: bool = True) -> str:
    """Return an index that says only that the pages before one are stored.

    >>> stored_before(126, offers=False)
    '[memory] The earlier pages p0-p125 are stored.'
    """
    reads = "; recall reads a page" * offers
    return f"[memory] The earlier pages {page_range([0, page - 1])} are stored{reads}."


def index(heading: str, lines: Sequence[str]) -> str:
    """Return an index of what has left; one without lines does not announce any.

    >>> index("[memory] p3 is stored. They mention:", [])
    '[memory] p3 is stored.'
    """
    return "\n".join([heading, *lines]) if lines else heading.removesuffix(_MENTION)


def index_line(pages: Sequence[int], ids: Sequence[str]) -> str:
    """Return a line of an index.

    >>> index_line(range(3, 5), ["a_b", "c/d"])
    'p3-p4: a_b c/d'
    """
    return f"{page_range(pages)}: {' '.join(ids)}"


def excerpt(
    text: str,
    pages: Sequence[int],
    tokens: int,
    room: int,
    count: Count,
    *,
    kind: str = "",
    offers: bool = True,
) -> str | None:
    """Return the beginning and the end of a text in `room` tokens, None if that is not enough.

    Two thirds are its beginning. Sentences, lines, rows, members of JSON and statements are whole,
    with what is needed to read them; see `PartialText`, also for `kind`.
    """
    head = f"[{page_range(pages)}: {tokens:,} tokens, shown in part{_READS * offers}]\n"
    least = count(head)
    if least >= room:
        return None
    high = min(len(text), 8 * (room - least))
    partial = PartialText(text, min(high, 4 * (room - least)), kind=kind)
    made, low = None, 0
    while high - low > 8:
        middle = (low + high + 1) // 2
        body = partial.part(middle)
        if body and count(head + body) <= room:
            low, made = middle, head + body
        else:
            high = middle
    return made


def again(page: str, role: str, text: str) -> str:
    """Return the note by which a stored page is back in the window."""
    return f"[{page}, said earlier by {role}, from memory]\n{text}"
