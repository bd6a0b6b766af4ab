"""Which overlaps show that two chunks of one source are neighbours in it.

The end of one chunk may be the beginning of another because a splitter repeats text, or because
the source does: a licence, a footer, the members of a record. Only the first are neighbours, and
the text between the chunks that are given is unknown. So an overlap counts only with further
evidence:

- ids with numbers decide where they can: consecutive numbers, numbers that count in equal steps,
  and offsets that fit the overlap are those of neighbours, others are not; the overlap has a word
  or phrase that occurs nowhere else in the chunks of the source;
- without such ids, the overlap has several such words, and it is as long as others or has no
  phrase that occurs elsewhere;
- a text that repeats itself does not say how far two chunks overlap;
- where a source was split in two ways, a third chunk that has the overlap between the same
  characters on both sides shows that the two are neighbours, and one that has it between the same
  characters as far as it goes is the same place, not another one.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ctxmem.outline.order import Series, numbered

WORD = re.compile(r"\w+")

REPEAT = 16
"""Characters that an overlap must not begin and end with: it could be shorter by one period."""

TRIES = 32
"""Places at which the end of an overlap is compared with its beginning."""

DISTINCT_WORDS = 3
"""Words that an overlap must have: a row of dots is on many lines."""

RARE_WORDS = 5
RARE_CHARACTERS = 32
RARE_SHARE = 0.3
"""Words of an overlap that occur nowhere else: their number or their characters, and their share
of its distinct words."""

PHRASE = 4
"""Words of a phrase."""

RARE_PHRASES = 12
"""Phrases that are enough if none occurs elsewhere: an overlap of 15 words."""

FEW_RARE_WORDS = 3
FEW_RARE_PHRASES = 8
MORE_RARE = 2
"""Such words and phrases are enough, too, if the phrases are more than those that occur elsewhere,
by this factor."""

SAME_LENGTH = 3
"""Overlaps of one length that show what the splitter repeats; these need fewer rare words."""

LONGEST_SHARE = 0.6
"""Maximum share of a chunk that a splitter repeats."""

CONTEXT = 24
"""Characters beside an overlap that show that a third chunk has the same place of the source."""

HOLDERS = 16
"""Chunks with a phrase that are looked at for that; a phrase of more chunks is boilerplate."""

STRIDE = 8
"""Minimum step of ids that count something else than chunks, such as words."""


class Overlap(NamedTuple):
    """Text `right` begins at character `offset` of text `left` and goes on after its end."""

    left: int
    right: int
    offset: int


class Evidence(NamedTuple):
    """What an overlap has that other texts do not: see `_evidence`."""

    rare: int
    rare_characters: int
    distinct: int
    rare_phrases: int
    common_phrases: int
    bridged: bool

    @property
    def is_unique(self) -> bool:
        """Whether the overlap is nowhere else in the texts."""
        return self.rare > 0 or self.rare_phrases > 0


def true_overlaps(
    ids: Sequence[str],
    texts: Sequence[str],
    source: Sequence[int],
    overlaps: Iterable[Overlap],
    within: Mapping[int, int],
) -> list[Overlap]:
    """Return the overlaps of neighbours.

    `source` has the number of the source of each text. The texts of `within` are contained in
    others. Costs O(n) in the characters.
    """
    strides = _strides(ids, source)
    by_ids = {o: _ids_agree(ids, o, strides.get(source[o.left], {})) for o in overlaps}
    possible = [o for o, agree in by_ids.items() if agree is not False]
    possible = _with_one_follower(texts, possible)
    skipped = {o.right: len(texts[o.left]) - o.offset for o in possible}
    found = _evidence(texts, source, possible, {**skipped, **within})
    lengths = Counter(
        (source[o.right], skipped[o.right])
        for o in possible
        if by_ids[o] is None and found[o].is_unique
    )
    return [
        o
        for o in possible
        if is_definite(texts[o.right][: skipped[o.right]])
        and (
            found[o].bridged or found[o].is_unique
            if by_ids[o]
            else skipped[o.right] <= LONGEST_SHARE * len(texts[o.left])
            and _identifies(found[o], lengths[source[o.right], skipped[o.right]])
        )
    ]


def is_definite(shared: str) -> bool:
    """Return whether a text can be an overlap of one length only, and is more than a ruler."""
    return len(set(WORD.findall(shared))) >= DISTINCT_WORDS and not _repeats(shared)


def _repeats(text: str) -> bool:
    """Return whether a text ends as it begins, with at least `REPEAT` characters.

    So does one that has its first characters at more than `TRIES` places, to be on the safe side.
    """
    at = 0
    for _ in range(TRIES):
        at = text.find(text[:REPEAT], at + 1)
        if at < 0 or text.startswith(text[at:]):
            return at > 0
    return True


def _strides(ids: Sequence[str], source: Sequence[int]) -> dict[int, dict[Series, int]]:
    """Return the greatest common divisor of the steps of each series of at least three ids."""
    numbers: dict[int, dict[Series, list[int]]] = defaultdict(lambda: defaultdict(list))
    for of, name in zip(source, ids, strict=True):
        if counted := numbered(name):
            numbers[of][counted[0]].append(counted[1])
    return {
        of: {
            name: math.gcd(*(number - found[0] for number in found))
            for name, found in series.items()
            if len(found) > 2
        }
        for of, series in numbers.items()
    }


def _ids_agree(ids: Sequence[str], overlap: Overlap, strides: Mapping[Series, int]) -> bool | None:
    """Return whether the numbers of two ids are those of neighbours; None if they do not say."""
    left, right = numbered(ids[overlap.left]), numbered(ids[overlap.right])
    if left is None or right is None or left[0] != right[0]:
        return None
    step = right[1] - left[1]
    return step in (1, overlap.offset) or step == strides.get(left[0], 0) >= STRIDE


def _identifies(found: Evidence, of_this_length: int) -> bool:
    """Return whether the text of an overlap alone shows that its chunks are neighbours."""
    if found.rare >= FEW_RARE_WORDS and of_this_length >= SAME_LENGTH:
        return True
    mostly_rare = found.rare_phrases >= max(FEW_RARE_PHRASES, MORE_RARE * found.common_phrases)
    if found.rare >= FEW_RARE_WORDS and mostly_rare:
        return True
    if found.common_phrases > 0:
        return False
    many = found.rare >= RARE_WORDS or found.rare_characters >= RARE_CHARACTERS
    return found.rare_phrases >= RARE_PHRASES or (
        many and found.rare >= RARE_SHARE * found.distinct
    )


def _with_one_follower(texts: Sequence[str], overlaps: Sequence[Overlap]) -> list[Overlap]:
    """Return the overlaps without those of chunks that different texts could follow."""
    followers: dict[int, list[Overlap]] = defaultdict(list)
    for o in overlaps:
        followers[o.left].append(o)
    return [
        o
        for of_left in followers.values()
        for o in of_left
        if all(_agree(texts, o, other) for other in of_left)
    ]


def _agree(texts: Sequence[str], a: Overlap, b: Overlap) -> bool:
    """Return whether two chunks go on from a third with the same text."""
    if a == b:
        return True
    a, b = sorted((a, b), key=lambda o: o.offset)
    rest = texts[a.right][b.offset - a.offset :]
    common = min(len(rest), len(texts[b.right]))
    beyond = common - (len(texts[b.left]) - b.offset)
    return beyond >= CONTEXT and rest[:common] == texts[b.right][:common]


def _evidence(
    texts: Sequence[str],
    source: Sequence[int],
    overlaps: Sequence[Overlap],
    skipped: Mapping[int, int],
) -> dict[Overlap, Evidence]:
    """Return which words and phrases of overlaps occur elsewhere in the texts of their source.

    The first `skipped` characters of a text are in another one, too, and are counted there.
    """
    shared = {o: _words_shared(texts, o) for o in overlaps}
    wanted: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    for o, inside in shared.items():
        wanted[source[o.right]].update(_phrases(inside))
    words: dict[int, Counter[str]] = defaultdict(Counter)
    phrases: dict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
    holders: dict[tuple[int, tuple[str, ...]], set[int]] = defaultdict(set)
    of_text: dict[int, tuple[Counter[str], Counter[tuple[str, ...]]]] = {}
    for k, text in enumerate(texts):
        of = source[k]
        if of in wanted:
            new = WORD.findall(text, _start_of_word(text, skipped.get(k, 0)))
            met = Counter(filter(wanted[of].__contains__, _phrases(new)))
            of_text[k] = Counter(new), met
            words[of].update(of_text[k][0])
            phrases[of].update(met)
            for phrase in met:
                holders[of, phrase].add(k)
    found = {}
    for o, inside in shared.items():
        of, distinct = source[o.right], set(inside)
        same, bridged = _same_place(texts, o, [holders[of, p] for p in _phrases(inside)])
        there = [of_text[k] for k in same]
        rare = [w for w in distinct if words[of][w] - sum(n[w] for n, _ in there) == 1]
        counts = [phrases[of][p] - sum(n[p] for _, n in there) for p in _phrases(inside)]
        found[o] = Evidence(
            rare=len(rare),
            rare_characters=sum(map(len, rare)),
            distinct=len(distinct),
            rare_phrases=counts.count(1),
            common_phrases=len(counts) - counts.count(1),
            bridged=bridged,
        )
    return found


def _same_place(
    texts: Sequence[str], overlap: Overlap, holders: Sequence[set[int]]
) -> tuple[list[int], bool]:
    """Return the other texts that have the place of an overlap, and whether one shows both sides.

    `holders` are the texts with each phrase of the overlap.
    """
    left, right = texts[overlap.left], texts[overlap.right]
    size = len(left) - overlap.offset
    few = min((h for h in holders if h), key=len, default=set())
    same, bridged = [], False
    for k in sorted(few - {overlap.left, overlap.right} if len(few) <= HOLDERS else ()):
        at = texts[k].find(right[:size])
        if at < 0:
            continue
        before, after = min(at, overlap.offset), min(len(texts[k]) - at, len(right)) - size
        agree = (
            texts[k][at - before : at] == left[overlap.offset - before : overlap.offset]
            and texts[k][at + size : at + size + after] == right[size : size + after]
        )
        if agree and max(before, after) >= CONTEXT:
            same.append(k)
            bridged = bridged or min(before, after) >= CONTEXT
    return same, bridged


def _words_shared(texts: Sequence[str], overlap: Overlap) -> list[str]:
    """Return the words of an overlap without those that its ends cut."""
    left, right = texts[overlap.left], texts[overlap.right]
    start, end = overlap.offset, len(left) - overlap.offset
    words = WORD.findall(right[:end])
    if words and WORD.match(right, end) and WORD.match(right, end - 1):
        words.pop()
    if words and WORD.match(left, start) and WORD.match(left, start - 1):
        words.pop(0)
    return words


def _start_of_word(text: str, at: int) -> int:
    """Return where the word begins that character `at` is within, else `at`."""
    if not WORD.match(text, at):
        return at
    while at > 0 and WORD.match(text[at - 1]):
        at -= 1
    return at


def _phrases(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[k:] for k in range(PHRASE)), strict=False)
