"""Return a decision with a reason for every input."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem.candidates import Candidates
from ctxmem.errors import BudgetError
from ctxmem.report import first_words, passage_names
from ctxmem.schema import Decision, Piece, Reason
from ctxmem.selected import SelectionResult, Withheld


def decide(
    table: Candidates,
    selection: SelectionResult,
    pieces: Sequence[Piece],
    difference: Callable[[str, str], str],
    *,
    folded: Callable[[str, str], str] | None = None,
    alone: NDArray[np.bool_] | None = None,
    withheld: Mapping[int, Withheld] | None = None,
) -> tuple[Decision, ...]:
    """Return a decision for every input chunk, in input order.

    `difference` describes the words in which a version differs from the passage that is shown, and
    `folded` does so for passages folded by a threshold that the caller gave. `alone` are the units
    that are shown without a text that they belong to, by default all. `withheld` are, by chunk,
    texts that are left out because one that they need does not fit with them. Details name a
    passage by the caller's id, or else by its source and first words.
    """
    if alone is None:
        alone = np.ones(len(table.segment_span), dtype=np.bool_)
    account = _Account(
        table, selection, pieces, difference, folded or difference, alone, withheld or {}
    )
    verdicts = [account.verdict(i) for i in range(len(table))]
    details = [verdict.detail for verdict in verdicts]
    for i, reasons in table.refused.items():
        details[i] = "; ".join(filter(None, [details[i], *reasons]))
    ids = table.ids
    columns = zip(
        ids,
        [verdict.kept for verdict in verdicts],
        [verdict.reason for verdict in verdicts],
        details,
        [None if verdict.other is None else ids[verdict.other] for verdict in verdicts],
        range(len(table)),
        account.tokens,
        account.relevance,
        [chunk.source for chunk in table.chunks],
        strict=True,
    )
    return tuple(Decision(*row) for row in columns)


STOPPED = "stopped early: the rest has less value per token than Budget(auto=...) requires"
"""The reason where the minimum density, not the budget, ended the selection."""


NO_TEXT = (
    "it has only headings, keys, brackets or rules, which are not shown without the text that they "
    "belong to"
)
"""The detail of a chunk that has nothing to show by itself."""


class _Verdict(NamedTuple):
    kept: bool
    reason: Reason
    detail: str
    other: int | None = None  # the chunk whose text is shown instead


def _sums(table: Candidates, column: NDArray[Any]) -> NDArray[np.int64]:
    """Return, for each chunk, the sum of a segment column over the chunk's segments."""
    total = np.concatenate(([0], np.cumsum(column)))
    sums: NDArray[np.int64] = total[table.last_segment] - total[table.first_segment]
    return sums


def _equal_to(table: Candidates, segment_kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, for segments that are left out, one in the window with the same text, or -1.

    Only chunks of which all may be in the window, by the sizes of their segments, are looked at.
    """
    found = np.full(len(segment_kept), -1)
    kept, sizes = np.flatnonzero(segment_kept), table.segment_tokens
    possible = segment_kept | np.isin(sizes, sizes[kept])
    whole = _sums(table, possible) == table.last_segment - table.first_segment
    left_out = np.flatnonzero(whole & (_sums(table, ~segment_kept) > 0)).tolist()
    if not left_out:
        return found
    texts = table.segment_texts
    by_text = {texts[at]: at for at in reversed(kept.tolist())}
    for i in left_out:
        for at in range(int(table.first_segment[i]), int(table.last_segment[i])):
            if not segment_kept[at]:
                found[at] = by_text.get(texts[at], -1)
                if found[at] < 0:
                    break
    return found


def over_pinned(table: Candidates, budget: int, needed: int) -> BudgetError:
    """Return the error that names the pins that do not fit."""
    pinned = [i for i in range(len(table)) if table.chunks[i].pinned]
    names = [table.id(i) for i in pinned]
    shown = ", ".join(
        f"{table.id(i)!r} (chunk {i}, {first_words(table.chunks[i].text)})" for i in pinned[:8]
    )
    shown += ", ..." if len(pinned) > 8 else ""
    return BudgetError(
        f"budget is {budget} tokens but the pinned chunks, with what they require, need {needed}; "
        f"raise the budget or unpin: {shown}",
        pinned=names,
    )


class _Account:
    """Per-chunk data that the decisions use, computed once."""

    def __init__(
        self,
        table: Candidates,
        selection: SelectionResult,
        pieces: Sequence[Piece],
        difference: Callable[[str, str], str],
        folded_difference: Callable[[str, str], str],
        alone: NDArray[np.bool_],
        withheld: Mapping[int, Withheld],
    ) -> None:
        kept_row, segment_kept = selection.kept_row, selection.segment_kept
        duplicate_of = selection.duplicate_of
        self.table = table
        self.withheld = withheld
        self.ids = table.ids
        self.enough = selection.stopped_early
        self.difference = difference
        self.folded_difference = folded_difference
        self.prices = selection.prices
        self.blank = table.blank.tolist()
        self.group = table.group.tolist()
        self.hits = table.hits.tolist()
        self.pinned = table.pinned.tolist()
        self.version_of = table.version_of.tolist()
        self.relevance: list[float] = table.relevance.tolist()
        full = table.tokens[table.first_row[:-1]]
        self.tokens: list[int] = full.tolist()
        self.values = (table.density * (full - table.overhead)).tolist()  # of the whole text
        self.segments = list(
            zip(table.first_segment.tolist(), table.last_segment.tolist(), strict=True)
        )
        self.piece_of = {name: piece for piece in pieces for name in piece.chunk_ids}
        self.repeat_of = table.repeat_of.tolist()
        self.kept_row = kept_row.tolist()
        kept = np.flatnonzero(kept_row >= 0)
        self.kept_of_group = {self.group[i]: i for i in kept.tolist()}
        self.duplicate_of = duplicate_of.tolist()
        shown = _sums(table, segment_kept)
        self.shown = shown.tolist()
        characters = table.segment_span[:, 1] - table.segment_span[:, 0]
        self.shown_characters = _sums(table, segment_kept * characters).tolist()
        self.all_characters = _sums(table, characters).tolist()
        folded = _sums(table, duplicate_of >= 0)
        self.folded = folded.tolist()
        self.density_kept = _average(
            table.segment_density[segment_kept], table.segment_tokens[segment_kept]
        )
        self.average = _density(self.density_kept)
        self.holder = self._holders(kept[table.alternative[kept_row[kept]] == 0], segment_kept)
        free = kept[~table.pinned[kept]]
        self.lowest_kept = float(table.relevance[free].min()) if len(free) else 0.0
        self.askers = {need: i for i in kept.tolist() for need in table.needs[i]}
        # Nothing of most chunks is shown, nor of their groups: these need no further look.
        segments = table.last_segment - table.first_segment
        self.says = ((_sums(table, alone) > 0) | (segments <= 0)).tolist()
        own = ~table.blank & (table.repeat_of == np.arange(len(table)))
        self.equal_to = _equal_to(table, segment_kept)
        seen = _sums(table, segment_kept | (self.equal_to >= 0)) == segments
        unseen = (shown == 0) & ((2 * folded < segments) | (segments <= 0)) & ~seen
        grouped = np.isin(table.group, table.group[kept])
        plain = np.flatnonzero(own & (kept_row < 0) & unseen & ~grouped)
        needless = [i for i in plain.tolist() if not table.needs[i] and self.says[i]]
        self.verdicts = dict(zip(needless, self._over_budget(needless), strict=True))

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of each passage for people, by its id."""
        table = self.table
        sources = [chunk.source for chunk in table.chunks]
        return passage_names(zip(self.ids, sources, table.full_texts(), strict=True))

    def name(self, i: int) -> str:
        """Return the name of a chunk for people."""
        return self.names[self.ids[i]]

    def verdict(self, i: int) -> _Verdict:
        """Return the verdict on a chunk; that on a repeat depends on the first occurrence."""
        verdict = self.verdicts.get(i)
        if verdict is None:
            verdict = self.verdicts[i] = self._verdict(i)
        return verdict

    def _verdict(self, i: int) -> _Verdict:
        table = self.table
        if self.blank[i]:
            return _Verdict(False, Reason.BLANK, "only white space")
        first = self.repeat_of[i]
        if first != i:
            return self._repeat(i, first)
        if self.kept_row[i] >= 0:
            return self._kept(i)
        first_segment, last_segment = self.segments[i]
        kept: list[int] = []
        if self.shown[i]:
            kept = [h for h in self.holder[first_segment:last_segment] if h >= 0]
        everywhere = self._shown_in(i)
        if everywhere:
            most = max(everywhere, key=everywhere.count)
            detail = f"all of its text is shown in {self.name(most)}"
            return _Verdict(False, Reason.CONTAINED, detail, most)
        version = self.kept_of_group.get(self.group[i])
        if version is not None:
            by_embedding = table.by_embedding[i] or table.by_embedding[version]
            reason = Reason.SIMILAR if by_embedding else Reason.NEAR_DUPLICATE
            return _Verdict(False, reason, self._version(i, version, folded=True), version)
        if kept:
            most = max(kept, key=kept.count)
            detail = f"the window shows a part of it, in {self.name(most)}"
            return _Verdict(False, Reason.CONTAINED, detail, most)
        if 2 * self.folded[i] >= last_segment - first_segment > 0:
            folded = self._folded(i)
            if 2 * sum(folded.values()) >= last_segment - first_segment:
                most = max(folded, key=lambda other: (folded[other], -other))
                detail = self._version(i, most, folded=True)
                return _Verdict(False, Reason.NEAR_DUPLICATE, detail, most)
        return self._left_out(i)

    def _shown_in(self, i: int) -> list[int]:
        """Return the kept chunks that show a chunk's segments, or the same text; [] if not all."""
        holders = []
        for at in range(*self.segments[i]):
            equal = at if self.holder[at] >= 0 else int(self.equal_to[at])
            if equal < 0 or self.holder[equal] < 0:
                return []
            holders.append(self.holder[equal])
        return holders

    def _holders(self, kept: NDArray[np.intp], segment_kept: NDArray[np.bool_]) -> list[int]:
        """Return, for each segment in the window, a kept chunk that contains it; else -1."""
        holder = np.full(len(segment_kept), -1)
        for i in reversed(kept.tolist()):
            holder[slice(*self.segments[i])] = i
        holder[~segment_kept] = -1
        held: list[int] = holder.tolist()
        return held

    def _folded(self, i: int) -> Counts[int]:
        """Return how many segments of a chunk are duplicates of segments of each kept chunk."""
        first, last = self.segments[i]
        others = self.duplicate_of[first:last]
        return Counts(self.holder[s] for s in others if s >= 0 and self.holder[s] >= 0)

    def _repeat(self, i: int, first: int) -> _Verdict:
        shown = self.verdict(first)
        shown_instead = first if shown.other is None else shown.other
        hits = f"returned {self.hits[i]} times"
        if self.ids[first] != self.ids[i]:
            hits = f"same text as {self.name(first)}, {hits}"
        if shown.kept:
            return _Verdict(False, Reason.DUPLICATE, f"{hits}, shown once", shown_instead)
        if shown.other is not None:
            return _Verdict(False, Reason.DUPLICATE, f"{hits}; {shown.detail}", shown_instead)
        return _Verdict(
            False, Reason.DUPLICATE, f"{hits}, not shown: {shown.detail}", shown_instead
        )

    def _kept(self, i: int) -> _Verdict:
        table = self.table
        details = [f"returned {self.hits[i]} times"] if self.hits[i] > 1 else []
        row = self.kept_row[i]
        if table.alternative[row]:
            option = table.chunks[i].alternatives[int(table.alternative[row]) - 1]
            label = getattr(option, "label", "alternative")
            details.append(f"shown as its {label} of {_tokens(int(table.tokens[row]))}")
        else:
            details += self._shown(i)
        mine = self.ids[i]
        neighbours = [name for name in self.piece_of[mine].chunk_ids if name != mine]
        if neighbours:
            details.append("in one piece with " + _list([self.names[name] for name in neighbours]))
        other = self.version_of[i]
        if other >= 0 and self.kept_row[other] >= 0 and self.ids[other] not in neighbours:
            details.append(self._version(i, other))
        if self.pinned[i]:
            return _Verdict(True, Reason.PINNED, "; ".join(details))
        asker = self.askers.get(i)
        if asker is not None and self.relevance[asker] > self.relevance[i]:
            details.insert(0, f"required by {self.name(asker)}")
            return _Verdict(True, Reason.REQUIRED, "; ".join(details))
        return _Verdict(True, Reason.SELECTED, "; ".join(details))

    def _shown(self, i: int) -> list[str]:
        """Describe how much of a chunk is in the window; empty if all of it is."""
        if self.shown_characters[i] == self.all_characters[i]:
            return []
        share = self.shown_characters[i] / max(1, self.all_characters[i])
        tokens = self.tokens[i]
        about = min(round(share * tokens), self.piece_of[self.ids[i]].tokens)
        details = [f"about {about:,} of its {_tokens(tokens)} are shown"]
        folded = self._folded(i)
        folded.pop(i, None)
        if folded:
            names = _list([self.name(other) for other, _ in folded.most_common()])
            count = sum(folded.values())
            details.append(f"{count} of its sentences or blocks shown in {names} instead")
        if i in self.withheld:
            details.append(_withheld(self.withheld[i]))
        return details

    def _left_out(self, i: int) -> _Verdict:
        table = self.table
        for need in table.needs[i] if not self.enough else ():
            if not self._whole(need):
                detail = f"requires {self.name(need)}, which does not fit with it"
                return _Verdict(False, Reason.MISSING_REQUIREMENT, detail)
        if not self.says[i]:
            return _Verdict(False, Reason.MISSING_REQUIREMENT, NO_TEXT)
        return next(self._over_budget([i]))

    def _over_budget(self, chunks: Iterable[int]) -> Iterator[_Verdict]:
        """Yield the verdicts on chunks that the budget leaves out, which are most of them."""
        tokens_of, value_of, relevance = self.tokens, self.values, self.relevance
        prices, kept_density = self.prices, self.density_kept
        anywhere = prices.get("", 0.0)
        beside = " beside what was kept" if self.piece_of else ""
        for i in chunks:
            tokens, value = tokens_of[i], value_of[i]
            section = self.table.chunks[i].section or ""
            price = prices.get(section, anywhere)
            if self.enough:
                detail = STOPPED
            elif price * tokens > value and kept_density * tokens > value:
                goes = f"budget of section {section}" if price > anywhere else "budget"
                detail = (
                    f"{_tokens(tokens)}; the {goes} goes to passages of more value per token "
                    f"(value per token: {_density(value / tokens)} here, {self.average} in the "
                    f"window on average)"
                )
            elif relevance[i] < self.lowest_kept:
                detail = f"{_tokens(tokens)}; every passage that was kept is more relevant"
            else:
                detail = f"its {_tokens(tokens)} do not fit{beside}"
            if i in self.withheld and not self.enough:
                detail += f"; {_withheld(self.withheld[i])}"
            yield _Verdict(False, Reason.OVER_BUDGET, detail)

    def _whole(self, i: int) -> bool:
        """Return whether a chunk is in the window, whole or as an alternative."""
        row = self.kept_row[self.repeat_of[i]]
        if row >= 0 and self.table.alternative[row]:
            return True
        shown, everything = self.shown_characters[i], self.all_characters[i]
        return bool(everything and shown == everything)

    def _version(self, i: int, other: int, *, folded: bool = False) -> str:
        """Name the passage that a chunk is a version of, and the words in which they differ."""
        table = self.table
        detail = f"version of {self.name(other)}"
        if other in (table.group[i], table.version_of[i]):
            detail += f", {table.similarity[i]:.0%} similar"
            detail += " by embedding" if table.by_embedding[i] else ""
        describe = self.folded_difference if folded else self.difference
        return f"{detail}, {describe(table.text(i), table.text(other))}"


def _withheld(withheld: Withheld) -> str:
    """Return why a text is left out that needs another one."""
    said = first_words(withheld.text)
    if not withheld.needed:
        return f"{said} is left out: it needs the rest of its sentence, which does not fit with it"
    other = first_words(withheld.needed)
    needs = f"its exception {other}" if withheld.excepts else other
    return f"{said} is left out: it is not shown without {needs}, which does not fit with it"


def _average(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float:
    total = int(weights.sum())
    return float(values @ weights) / total if total else 0.0


_LISTED = 3


def _list(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _tokens(count: int) -> str:
    """Return a count of tokens with its unit."""
    return f"{count:,} tokens" if count != 1 else "1 token"


def _density(value: float) -> str:
    """Return a value per token, with two significant digits if it is small.

    >>> _density(0.0514), _density(0.00012), _density(0.0)
    ('0.051', '0.00012', '0')
    """
    return f"{value:.2g}" if value < 1e-3 else f"{value:.3f}"
