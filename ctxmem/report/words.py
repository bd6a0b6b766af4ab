"""Numbers, names and differences as a person reads them."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from html import escape as _escape
from typing import Any

Data = Mapping[str, Any]

# Controls of terminals, and those that turn the direction of the text around them.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

TERMINAL = 96
"""Characters of a line in a terminal."""

_BULLET = re.compile(r"[-*+>|•·‣◦–—#]+")

_HASH_LENGTH = 32
_HASH = re.compile(r"[0-9a-f]{32}")

_COMPARED_WORDS = 600
_MEETINGS = 20_000  # pairs of equal words, each looked at again for every difference


def many(count: int, noun: str) -> str:
    """Return a count with its noun: 1 chunk, 1,234 chunks.

    >>> many(1, "chunk"), many(1234, "query")
    ('1 chunk', '1,234 queries')
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith(("ry", "py")) else f"{count:,} {noun}s"


def brief(count: int) -> str:
    """Return a count in at most six characters, for where there is little room.

    >>> brief(12_345), brief(144_296_389), brief(2_000_000_000)
    ('12,345', '144M', '2.00G')
    """
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= max(size, 10**5):
            scaled = count / size
            return f"{scaled:.{max(0, 3 - len(str(int(scaled))))}f}{unit}"
    return f"{count:,}"


def share(part: float, whole: float) -> str:
    """Return a part as a percentage, with a decimal where it is small.

    >>> share(1, 3), share(1, 300), share(0, 0)
    ('33%', '0.3%', '0%')
    """
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.1f}%" if 0 < percent < 9.95 else f"{percent:.0f}%"


def money(amount: float | None) -> str:
    """Return an amount with as many decimals as say something; "" for none.

    >>> money(1234.5), money(0.5), money(0.0312), money(0.00002), money(None)
    ('$1,234.50', '$0.50', '$0.031', 'under $0.0001', '')
    """
    if amount is None:
        return ""
    if amount == 0 or amount >= 0.1:
        return f"${amount:,.2f}"
    return f"${amount:.2g}" if amount >= 1e-4 else "under $0.0001"


def cut(text: str, width: int) -> str:
    """Return a text on one line, cut to a width."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return a text as the lines of a terminal."""
    return textwrap.wrap(
        text, TERMINAL, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def is_hash(name: str) -> bool:
    """Return whether an id is a content hash, which says nothing to a person."""
    return len(name) == _HASH_LENGTH and _HASH.fullmatch(name) is not None


def first_words(text: str, width: int = 40) -> str:
    """Return the beginning of a text in quotes, cut between words, without rules and bullets.

    Operators are words.

    >>> first_words("Notice is thirty days, in writing.", 25)
    '"Notice is thirty days,…"'
    >>> first_words("Notice is\\nthirty days.")
    '"Notice is thirty days."'
    >>> first_words("Terms\\n=====\\n- Notice")
    '"Terms Notice"'
    >>> first_words("- x = 1 if count < 5 else x - 1")
    '"x = 1 if count < 5 else x - 1"'
    """
    read = 4 * width + 4
    words = text[:read].split()
    named = [word for line in text[:read].splitlines() for word in _named(line)]
    begin = " ".join(named or words)
    if len(begin) > width or len(text) > read:
        begin = begin[:width]
        space = begin.rfind(" ")
        begin = (begin[:space] if 2 * space > width else begin).rstrip() + "…"
    return f'"{begin}"'


def _named(line: str) -> list[str]:
    """Return the words of a line without a bullet before them and the borders of a table.

    A line without a letter or digit is a rule, and has none.
    """
    if not any(map(str.isalnum, line)):
        return []
    words = line.split()
    if "|" in (words[0], words[-1]):
        words = [word for word in words if word != "|"]
    return words[bool(_BULLET.fullmatch(words[0])) :]


def passage_name(name: str, source: str | None, text: str) -> str:
    """Return what a person calls a passage: the caller's id, else its source and first words.

    >>> passage_name("msa#9", "msa.md", "Notice is thirty days.")
    'msa#9'
    >>> passage_name("ec7726b98e115e7be59d2054ce87e577", "msa.md", "Notice is thirty days.")
    'msa.md: "Notice is thirty days."'
    """
    if not is_hash(name):
        return name
    if not text.strip():
        return f"{source}: no text" if source else "no text"
    return f"{source}: {first_words(text)}" if source else first_words(text)


def passage_names(passages: Iterable[tuple[str, str | None, str]]) -> dict[str, str]:
    """Return the name of each passage, given as (id, source, text), by its id.

    Passages that begin with the same words are numbered by their place in the input.

    >>> passage_names([("a" * 32, None, "The fee is due."), ("b" * 32, None, "The fee is  due.")])
    ... # doctest: +ELLIPSIS
    {'aaa...': '"The fee is due." (input 1)', 'bbb...': '"The fee is due." (input 2)'}
    """
    names: dict[str, str] = {}
    place: dict[str, int] = {}
    for number, (name, source, text) in enumerate(passages, 1):
        if name not in names:
            names[name] = name if len(name) != _HASH_LENGTH else passage_name(name, source, text)
            place[name] = number
    same = Counter(names.values())
    if len(same) == len(names):
        return names
    return {
        name: f"{shown} (input {place[name]})" if same[shown] > 1 else shown
        for name, shown in names.items()
    }


def visible(text: str) -> str:
    """Return a text that a terminal shows and does not obey; what acts is shown by its picture.

    >>> visible("\\x1b[2J is no order\\n")
    '␛[2J is no order\\n'
    """
    return _UNSEEN.sub(_picture, text.replace("\r\n", "\n"))


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def escape(text: object) -> str:
    """Return a text as HTML that shows it: nothing in it acts, and it can be written as UTF-8."""
    return _escape(visible(str(text)), quote=True)


def marked(one: str, other: str) -> tuple[str, str]:
    """Return two texts as HTML with what differs marked, word by word.

    >>> marked("within 30 days", "within 45 days")
    ('within <mark>30</mark> days', 'within <mark>45</mark> days')
    """
    mine, theirs = (re.findall(r"\s+|\S+\s*", text) for text in (one, other))
    left: list[str] = []
    right: list[str] = []
    for same, a, b in _parts(mine, theirs):
        for parts, words in ((left, a), (right, b)):
            text = escape("".join(words))
            space = text[len(text.rstrip()) :]
            text = text.rstrip()
            parts.append(text + space if same or not text else f"<mark>{text}</mark>{space}")
    return "".join(left), "".join(right)


def _parts(mine: list[str], theirs: list[str]) -> Iterator[tuple[bool, list[str], list[str]]]:
    """Yield runs of words, the same in both or not; only of the ends if the texts are long."""
    pairs = Counter(mine)
    meetings = sum(pairs[word] for word in theirs)
    if meetings <= _MEETINGS and max(len(mine), len(theirs)) <= _COMPARED_WORDS:
        matcher = SequenceMatcher(None, mine, theirs, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            yield tag == "equal", mine[a:b], theirs[c:d]
        return
    shorter = min(len(mine), len(theirs))
    head = next((i for i in range(shorter) if mine[i] != theirs[i]), shorter)
    tail = next(
        (i for i in range(shorter - head) if mine[-1 - i] != theirs[-1 - i]), shorter - head
    )
    yield True, mine[:head], theirs[:head]
    yield False, mine[head : len(mine) - tail], theirs[head : len(theirs) - tail]
    yield True, mine[len(mine) - tail :], theirs[len(theirs) - tail :]


def beside(texts: Sequence[str], titles: Sequence[str] = (), *, mark: bool = True) -> str:
    """Return texts side by side; two of them with their differences marked."""
    shown = list(map(escape, texts))
    if mark and len(texts) == 2:
        shown = list(marked(texts[0], texts[1]))
    columns = "".join(
        f"<figure>{f'<figcaption>{escape(titles[i])}</figcaption>' if i < len(titles) else ''}"
        f'<pre tabindex="0">{text}</pre></figure>'
        for i, text in enumerate(shown)
    )
    return f'<div class="beside">{columns}</div>'
