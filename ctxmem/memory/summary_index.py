"""A summary as an index: its sentences, and which of them is about a statement."""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple

from ctxmem import _native
from ctxmem.memory.critical_tokens import (
    AGREES,
    EXCEPTION,
    Reading,
    bound,
    force,
    is_month,
    keys_in,
    read_sentence,
    stems,
    without_contrast,
)

_ENDS = re.compile(
    r"(?<=[.!?…])(?!(?<=\b(?i:max|min)\.)\s+\d)(?!(?<=\b(?i:ca|nr)\.)\s+\d)"
    r"(?!(?<=\b(?i:approx)\.)\s+\d)[\"')\]]*\s+(?=\S)"
    r"(?!(?<=\d\.\s)(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez))|(?<=[。！？])|\n+|;\s+"
)
_ITEM = re.compile(r"\s*(?:[-*•>#]+|\d{1,3}[.)])\s+")
_CLAUSE = re.compile(
    r"[,;:–—]\s+|\s-\s|\s(?:and|but|while|und|aber|et|mais|y|pero|e|ma)\s(?!\w+\s*$)"
)
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*\w*|\w+|[^\w\s]")
_WORDS = re.compile(r"\w+")
LONGEST = 1200  # characters of a sentence; longer ones are cut between words
_VISITED = 400  # sentences that one statement is compared with by their words
_JUDGED = 4  # sentences that are compared in full
_PLACES = 64  # places at which a verbatim copy is looked for
_SOLID = frozenset({"opposite", "weekday"})  # months and units are critical tokens
_LEADS = frozenset({"negation", "quantifier", "condition", "modal"})


class Verdict(NamedTuple):
    """What a sentence of the summary says about a statement.

    `outcome` is held, turned (another force), changed (another value), lacks (a critical token
    is left out) or apart (about something else); `lost` are the tokens that it does not have,
    `instead` those that it has in their place.
    """

    outcome: str
    sentence: int = -1
    share: float = 0.0
    lost: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


_ORDER = ("held", "turned", "changed", "lacks", "apart")


def sentences_of(text: str) -> list[tuple[str, str]]:
    """Return the sentences of a text, each with the line that leads its list in, or "".

    >>> sentences_of("Never:\\n- push to main\\nDone. Next.")
    [('Never:', ''), ('push to main', 'Never:'), ('Done.', ''), ('Next.', '')]
    """
    found = []
    lead = ""
    for piece in _ENDS.split(text):
        item = _ITEM.match(piece)
        said = piece[item.end() :].strip() if item else piece.strip()
        if not said:
            continue
        if len(said) > LONGEST:
            found += [(part, "") for part in _cut(said)]
            continue
        found.append((said, lead if item and not said.endswith(":") else ""))
        if said.endswith(":") and len(said) < 120:
            lead = said
        elif not item:
            lead = ""
    return found


def _cut(said: str) -> list[str]:
    """Return a sentence in parts that are short enough to compare."""
    parts, at = [], 0
    while at < len(said):
        end = at + LONGEST
        space = said.rfind(" ", at + LONGEST // 2, end) if end < len(said) else -1
        end = space if space > 0 else end
        parts.append(said[at:end].strip())
        at = end
    return [part for part in parts if part]


class SummaryIndex:
    """The sentences of a summary, by their words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.shown: list[str] = []
        self.sentences: list[str] = []
        for said, lead in dict.fromkeys(sentences_of(text)):
            self.shown.append(said)
            self.sentences.append(said)
            if lead:
                self.shown.append(said)
                self.sentences.append(f"{lead} {said}")
        self.words = [stems(sentence) for sentence in self.sentences]
        self._with: dict[str, list[int]] = {}
        for i, sentence in enumerate(self.sentences):
            for word in self.words[i] | keys_in(sentence):
                self._with.setdefault(word, []).append(i)
        self._readings: dict[int, Reading] = {}
        self._clauses: dict[int, list[tuple[int, int, Reading]]] = {}

    def reading(self, i: int) -> Reading:
        """Return the critical tokens of a sentence."""
        if i not in self._readings:
            self._readings[i] = read_sentence(self.sentences[i])
        return self._readings[i]

    # Verbatim copies ------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> tuple[list[str], list[int], dict[str, list[int]]]:
        tokens, starts = [], []
        at: dict[str, list[int]] = {}
        for i, match in enumerate(_TOKEN.finditer(self.text)):
            token = match.group().lower()
            tokens.append(token)
            starts.append(match.start())
            at.setdefault(token, []).append(i)
        return tokens, starts, at

    def copies(self, said: str) -> list[tuple[int, int]]:
        """Return where the summary has a text word for word, as (start, end) in characters."""
        wanted = [match.group().lower() for match in _TOKEN.finditer(said)]
        while wanted and wanted[-1] in ".!?。,;":
            wanted.pop()
        tokens, starts, at = self._places
        if not wanted or any(token not in at for token in wanted):
            return []
        rarest = min(range(len(wanted)), key=lambda i: len(at[wanted[i]]))
        found = []
        for place in at[wanted[rarest]][:_PLACES]:
            first, last = place - rarest, place - rarest + len(wanted)
            if first >= 0 and tokens[first:last] == wanted:
                found.append((starts[first], starts[last - 1] + len(tokens[last - 1])))
        return found

    # Comparison -----------------------------------------------------------------------------------

    def judge(self, said: Reading, *, strict: bool) -> Verdict:
        """Return what the sentence that is nearest to a statement says about it."""
        shared: dict[int, int] = {}
        visited = 0
        marks = said.words | keys_in(said.text)
        for word in sorted(marks, key=lambda w: (len(self._with.get(w, ())), w)):
            places = self._with.get(word, ())
            if visited and visited + len(places) > _VISITED:
                break
            visited += len(places)
            for i in places[:_VISITED]:
                shared[i] = shared.get(i, 0) + 1
        nearest = sorted(shared, key=lambda i: (-shared[i], len(self.words[i]), i))
        best = Verdict("apart")
        for i in nearest[:_JUDGED]:
            verdict = self._compared(said, i, strict)
            if verdict.outcome == "held":
                return verdict
            best = min(best, verdict, key=lambda v: (_ORDER.index(v.outcome), -v.share))
        return best

    def _compared(self, said: Reading, i: int, strict: bool) -> Verdict:
        other = self.reading(i)
        plain = said.words - _parts(said)
        share = len(plain & other.words) / len(plain) if plain else 1.0
        lost = lost_tokens(said, other)
        critical = len(said.numbers) + len(said.identifiers) + len(said.names)
        if not lost and not critical and share >= 0.5 and not _close(share, len(plain)):
            region = self._region(said, i)
            verdict = self._forced(said, region, i, share, strict)
            if verdict.outcome == "turned" and share >= 0.6:
                return verdict
            words = tuple(w for w in _WORDS.findall(said.text) if stems(w) & (plain - other.words))
            return Verdict("lacks", i, share, words)
        if not lost and critical:
            near = share >= (0.3 if len(plain) > 1 else 0.0)
        else:
            near = _close(share, len(plain))
            near = near or (bool(lost) and share >= 0.5 and bool(plain & other.words))
        if not near:
            return Verdict("apart", i, share)
        region = self._region(said, i)
        if not lost:
            lost = self._swapped(said, region, i)
        if lost:
            instead = _instead(said, read_sentence(region), lost) or _instead(said, other, lost)
            return Verdict("changed" if instead else "lacks", i, share, lost, instead)
        return self._forced(said, region, i, share, strict)

    def _forced(self, said: Reading, region: str, i: int, share: float, strict: bool) -> Verdict:
        mine, theirs = force(said.text), force(region)
        agreed = AGREES[mine] - ({"allows", "weakens"} if strict else set())
        bounds = {bound(said.text), bound(region)} - {""}
        excepted = bool(EXCEPTION.search(said.text)), bool(EXCEPTION.search(self.sentences[i]))
        if theirs not in agreed | {mine} or len(bounds) > 1:
            return Verdict("turned", i, share)
        if excepted[0] != excepted[1] and not (excepted[0] and theirs == "guards"):
            return Verdict("turned", i, share)
        found = _native.ReadText(without_contrast(said.text)).differences(
            _native.ReadText(without_contrast(region))
        )
        mine_only = {a.lower() for a, _, _ in found}
        theirs_only = {b.lower() for _, b, _ in found}
        for a, b, kind in found:
            moved = a.lower() in theirs_only or b.lower() in mine_only or is_month(a or b)
            if kind in _SOLID and a and b and not moved:
                return Verdict("changed", i, share, (a,), (b,))
            if kind in _LEADS and mine == theirs == "states" and share >= 0.8 and not moved:
                return Verdict("turned", i, share)
        return Verdict("held", i, share)

    def _region(self, said: Reading, i: int) -> str:
        """Return the clauses of a sentence that are about a statement."""
        sentence = self.sentences[i]
        if i not in self._clauses:
            ends = [(m.start(), m.end()) for m in _CLAUSE.finditer(sentence)]
            starts = [0, *(end for _, end in ends)]
            stops = [*(start for start, _ in ends), len(sentence)]
            self._clauses[i] = [
                (a, b, read_sentence(sentence[a:b])) for a, b in zip(starts, stops, strict=True)
            ]
        clauses = self._clauses[i]
        if len(clauses) == 1:
            return sentence
        wanted = said.words
        whole = len(wanted & self.reading(i).words)
        touched = [k for k, (_, _, one) in enumerate(clauses) if wanted & one.words]
        if not touched:
            return sentence
        best = max(touched, key=lambda k: (len(wanted & clauses[k][2].words), -k))
        first, last = touched[0], touched[-1]
        if len(wanted & clauses[best][2].words) == whole:
            first = last = best
        region = sentence[clauses[first][0] : clauses[last][1]]
        joined = first > 0 and sentence[clauses[first - 1][1] : clauses[first][0]]
        if joined and (joined.strip().isalpha() or ":" in joined) and force(region) == "states":
            region = sentence[clauses[first - 1][0] : clauses[last][1]]
        return region

    def _swapped(self, said: Reading, region: str, i: int) -> tuple[str, ...]:
        """Return the numbers and identifiers that the sentence has, but of something else."""
        if region == self.sentences[i]:
            return ()
        here = read_sentence(region)
        lost = lost_tokens(said, here)
        return lost if lost and _instead(said, here, lost) else ()


def _close(share: float, words: int) -> bool:
    """Whether a sentence has enough of a statement's words; of a few, one can change all."""
    return bool(words) and share >= (0.75 if words < 5 else 0.6 if words < 12 else 0.5)


def _parts(reading: Reading) -> frozenset[str]:
    """Return the stems that identifiers and names consist of."""
    return reading.names | _parts_of_identifiers(reading)


def _has_number(key: tuple[str, str], other: Reading) -> bool:
    value, name = key
    if key in other.numbers:
        return True
    return any(v == value and (not n or not name) for v, n in other.numbers)


def _has_identifier(key: str, other: Reading) -> bool:
    if key in other.identifiers:
        return True
    if key.startswith("date:"):
        _, month, day = key[5:].split("-")
        return (day, "") in other.numbers and f"month:{month}" in other.words
    name = key.rpartition("/")[2]
    if "/" in key and not any(sign in key for sign in "._0123456789") and stems(key) <= other.words:
        return True
    return "/" in key and name in {k.rpartition("/")[2] for k in other.identifiers}


def lost_tokens(said: Reading, other: Reading) -> tuple[str, ...]:
    """Return the critical tokens of a statement that a sentence lacks, as written."""
    lost = [
        shown
        for key, shown in said.numbers.items()
        if shown not in said.identifiers.values() and not _has_number(key, other)
    ]
    lost += [run for key, run in said.identifiers.items() if not _has_identifier(key, other)]
    lost += sorted(said.names - _parts_of_identifiers(said) - other.words)
    lost += sorted(word for word in said.words - other.words if word.startswith("month:"))
    return tuple(dict.fromkeys(lost))


def _parts_of_identifiers(reading: Reading) -> set[str]:
    found: set[str] = set()
    for run in reading.identifiers.values():
        found |= stems(run)
    return found


def _priced(name: str, dimensions: set[str]) -> bool:
    return name.isupper() and any(one.isupper() for one in dimensions)


def _instead(said: Reading, other: Reading, lost: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tokens of a sentence that are in the place of the lost ones."""
    missing = set(lost)
    found: list[str] = []
    dimensions = {name for (_, name), shown in said.numbers.items() if shown in missing}
    if dimensions:
        found += [
            shown
            for key, shown in other.numbers.items()
            if not _has_number(key, said)
            and (key[1] in dimensions or "" in {key[1], *dimensions} or _priced(key[1], dimensions))
        ]
    if missing & set(said.identifiers.values()):
        found += [run for key, run in other.identifiers.items() if not _has_identifier(key, said)]
    if missing & said.names:
        found += sorted(other.names - said.words)
    if any(word.startswith("month:") for word in missing):
        found += [w for w in sorted(other.words) if w[:6] == "month:" and w not in said.words]
    return tuple(dict.fromkeys(found))
