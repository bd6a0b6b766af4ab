"""The pipeline of `pack`: chunks in, a window out."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import intake, render, tokens
from ctxmem.candidates import Candidates
from ctxmem.chat import as_chunks, kept_messages
from ctxmem.compress import BLOCKS, add_alternatives, read_compressors
from ctxmem.cutting import LEAST_BYTES, Cutter, UnitSizes
from ctxmem.dedup import (
    check_dedup,
    difference,
    find_repeats,
    folded_although,
    group,
    group_similar,
    with_shown_versions,
)
from ctxmem.errors import InputError, warn_deprecated
from ctxmem.explain import decide, over_pinned
from ctxmem.outline import count_units, cut_segments, units_shown_alone, withheld_units
from ctxmem.places import texts_and_starts
from ctxmem.protocols import Compressor, Counter, Embed, Scorer
from ctxmem.render import Rendering
from ctxmem.schema import Budget, Dedup, Header, Layout, Order, Section, Window
from ctxmem.selected import Prefix, SelectionResult, Withheld
from ctxmem.selection import (
    WindowSelection,
    empty_selection,
    left_out,
    represent_by_what_fits,
    shows_all,
)
from ctxmem.telemetry import describe_pack, traced
from ctxmem.value import add_rank_fusion, estimate, read_question, read_scorer, shortlist, verify

ROUNDS = 6
"""Attempts to fit a window whose parts do not sum exactly; one or two are nearly always enough."""

MOST_BYTES = 1600
"""Maximum size of a unit in bytes, at first: about 400 tokens."""

BYTES_A_TOKEN = 6
"""Bytes per token of running text, at most. Units are cut by bytes, counted, and cut again if they
are too long."""

FINE = 64
"""Tokens above which a limit that was too high is lowered by an eighth, not halved."""

TINY = 1e-8
"""Relative difference at which two values are the same."""

TOLERANCE = 0.01
"""Share of the budget that may remain unused because token counts of parts were too high."""


@traced("ctxmem.pack", "pack", describe_pack)
def pack(
    chunks: Iterable[Any],
    budget: int | Budget,
    *,
    query: str | None = None,
    variants: Sequence[str] = (),
    query_embedding: Any = None,
    embed: Embed | None = None,
    scorer: Scorer | None = None,
    calls: int | None = None,
    counter: Any = "o200k_base",
    dedup: Literal["careful", "exact"] | bool | float = "careful",
    dedup_threshold: float | None = None,
    similar: float | None = None,
    compress: bool | Literal["blocks"] | Compressor | Sequence[Compressor] = True,
    order: Order = "auto",
    separator: str = "\n\n",
    header: Header | None = "auto",
    sections: Iterable[Section] | None = None,
    previous_window: Window | None = None,
    ranked: bool = False,
    resident: Window | None = None,
) -> Window:
    r"""Pack passages into a window of at most `budget` tokens.

    Repeats of a passage count towards its relevance and are shown once. One of several
    near-duplicates represents the others. Overlapping passages of one source are merged. The
    remaining text is scored by agreement of lists, scores, BM25 and cosine to the query, and
    selected within the budget. With an exact counter the window never exceeds the budget,
    separators and headers included. The order of the input does not affect the selection, unless
    `ranked` is set.

    Args:
        chunks: str, `Chunk`, dict, LangChain Document, LlamaIndex node, (item, score) pairs, or the
            messages of a chat.
        budget: maximum number of tokens of the window.
        query: the question; passages that share its rarer words rank higher.
        variants: other wordings of the question, as multi-query retrievers make them.
        query_embedding: vector of the query, compared with the chunks' embeddings.
        embed: function that returns vectors for the query and for every sentence of the chunks.
        scorer: an expensive reranker, (query, texts) -> one number per text, such as a
            cross-encoder or a language model. It is called only for texts whose score could change
            the window.
        calls: maximum number of texts that the scorer sees. By default as many as may matter: about
            a quarter of all sentences, at most six in ten.
        counter: an encoding or model name, a function from str to int, or an object with `count`.
        dedup: "careful" folds passages that share half of their word 3-grams, say the same by
            `differences`, and do not differ mainly in words of the query. "exact" folds passages
            with the same text only. False keeps every repeat. True is the same as "careful"; a
            number is deprecated and means `dedup_threshold`.
        dedup_threshold: the share of word 3-grams from which all passages are folded, whatever they
            say; decisions name the differences.
        similar: cosine of embeddings from which passages are folded. Off by default, since it also
            folds distinct evidence.
        compress: True selects parts of a chunk: its best sentences, items, rows and blocks of code,
            each with the text it depends on, or one of its `alternatives`. "blocks" leaves out
            whole paragraphs, lists, tables and blocks of code, and does not cut a block that fits.
            False keeps each chunk whole or leaves it out. A function (text, query) -> str, or an
            object with LLMLingua's `compress_prompt`, makes more alternatives of the best chunks.
        order: "auto", "score", "source" or "given".
        separator: text between pieces.
        header: "auto" puts a line with the source before a piece that has no title of its own and
            could be read as part of the piece above. A template such as "[{source}]", or a function
            of the chunk, puts a line before each piece; None puts none.
        sections: parts of the window with limits and headers of their own, in window order; chunks
            without a section come first.
        previous_window: the window of the last call. Its pieces keep their position, from the first
            on, unless new ones have more value than the prompt cache saves.
        ranked: the input is in order of relevance, best first. Scores that rise in that order, or
            with the ranks of a list, are read as distances, with a `CtxmemWarning`; without ranks
            higher is better.
        resident: deprecated name of `previous_window`.

    Returns:
        The window, with a decision for every input.

    Raises:
        InputError: a chunk or an option that cannot be used.
        BudgetError: an invalid budget, or pinned chunks that do not fit into it.

    >>> window = pack(["Paris is the capital of France.", "Bananas are yellow."], 8,
    ...               query="capital of France")
    >>> print(window)
    Paris is the capital of France.
    >>> window.decisions[1].reason.value
    'over_budget'
    """
    dedup, dedup_threshold, previous_window = _current_options(
        dedup, dedup_threshold, previous_window, resident
    )
    allowed = intake.read_budget(budget)
    problem = PackProblem(
        chunks,
        allowed.limit,
        query=query,
        variants=variants,
        query_embedding=query_embedding,
        embed=embed,
        scorer=scorer,
        calls=calls,
        counter=counter,
        dedup=dedup,
        dedup_threshold=dedup_threshold,
        similar=similar,
        compress=compress,
        order=order,
        separator=separator,
        header=header,
        sections=sections,
        previous_window=previous_window,
        ranked=ranked,
    )
    return problem.window(allowed)


class PackProblem:
    """What `pack` selects from: chunks read, grouped, cut into units, priced and valued.

    It can be solved for several budgets of at most `limit` tokens; arguments are those of `pack`.
    With `keeps_cuts` the units are kept in memory for other questions and budgets. `weigh` maps the
    densities of units to those by which they are selected.
    """

    def __init__(
        self,
        chunks: Iterable[Any],
        limit: int,
        *,
        query: str | None = None,
        variants: Sequence[str] = (),
        query_embedding: Any = None,
        embed: Embed | None = None,
        scorer: Scorer | None = None,
        calls: int | None = None,
        counter: Any = "o200k_base",
        dedup: Dedup = "careful",
        dedup_threshold: float | None = None,
        similar: float | None = None,
        compress: bool | Literal["blocks"] | Compressor | Sequence[Compressor] = True,
        order: Order = "auto",
        separator: str = "\n\n",
        header: Header | None = "auto",
        sections: Iterable[Section] | None = None,
        previous_window: Window | None = None,
        ranked: bool = False,
        keeps_cuts: bool = False,
        weigh: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    ) -> None:
        layout = render.check_layout(Layout(separator, header, order))
        folding = check_dedup(dedup, dedup_threshold)
        self.limit, self.query, self.calls = limit, query, calls
        self.weigh = weigh
        self.counter: Counter = tokens.resolve(counter)
        self.question = read_question(query, variants, query_embedding, embed)
        self.scorer = read_scorer(scorer, calls, self.question)
        compressing, self.compressors = read_compressors(compress)
        self.listed = intake.listed(chunks)
        given, self.conversation = as_chunks(self.listed)
        self.table = table = intake.read(
            given, ranked=ranked, alternatives=compressing, conversation=self.conversation
        )
        self.sections = intake.read_sections(sections, table.chunks, limit)
        self.layout = replace(layout, sections=self.sections)
        find_repeats(table, enabled=folding is not False)
        add_rank_fusion(table)
        self.whole = not compressing or table.conversation
        self.dedup = folding
        self.folds = folding is not False
        self.folded: Callable[[str, str], str] = difference
        if not isinstance(folding, bool):
            self.folded = partial(folded_although, threshold=folding)
        self.blocks = compress == BLOCKS
        self.similar = similar
        keeps = keeps_cuts and not self.compressors
        self.cutter = Cutter(self.counter, folds=self.folds, blocks=self.blocks, keeps=keeps)
        self._compare()
        self.previous = previous_window
        self._room = 0  # maximum size in bytes of the units that the table is cut into
        self.cuts = 0
        """How often the texts were cut; a selection problem holds until they are cut again."""
        self.fill_up = (
            self.scorer is None and not self.blocks and previous_window is None and not self.whole
        )

    def _compare(self) -> None:
        """Group near-duplicates and make the shortlist, which depend on the question."""
        table = self.table
        group(table, self.dedup, self.query)
        group_similar(table, self.similar, self.query)
        shortlist(table, self.question, self.limit)
        self.longest = min(MOST_BYTES, max(LEAST_BYTES, BYTES_A_TOKEN * self.limit))
        if self.compressors or len(table.texts) > len(table):
            self.longest = MOST_BYTES  # a shorter version is better than a part of a sentence

    def asked(
        self,
        query: str | None,
        limit: int,
        sections: Iterable[Section],
        weigh: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    ) -> PackProblem:
        """Return the problem of another question about the same chunks.

        What does not depend on the question is shared, and this problem does not change. It must
        have no variants, vectors, scorer or compressors.
        """
        made = self.apart()
        made.query, made.limit, made.weigh = query, limit, weigh
        made.question = read_question(query, (), None, None)
        made.sections = intake.read_sections(sections, made.table.chunks, limit)
        made.layout = replace(self.layout, sections=made.sections)
        made._compare()
        return made

    def apart(self) -> PackProblem:
        """Return a copy that can be cut and solved without changing this problem."""
        made = copy.copy(self)
        made.table = copy.copy(self.table)
        made.table.group = self.table.group.copy()
        return made

    def window(
        self,
        budget: Budget,
        *,
        first: WindowSelection | None = None,
        solved: SelectionResult | None = None,
    ) -> Window:
        """Return the window for a budget.

        `first` is what `selecting` returned; it is used if its units fit into this budget, too.
        `solved` is what it was solved to for this budget, if it was.
        """
        sizes = UnitSizes(self.longest, fill_up=self.fill_up)
        if first is not None and first.longest > budget.limit:
            first = solved = None
        if first is not None:
            sizes.room = self._room
        while True:
            selecting = first or self.selecting(budget, sizes)
            window, selection = _fit(
                self.table, budget, self.layout, self.counter, selecting, self, solved
            )
            first = solved = None
            if self.conversation:
                kept = kept_messages(self.listed, window.decisions)
                window = replace(window, messages=kept)
            if self.whole or budget.min_density > 0:
                return window
            if not sizes.finer(window, selecting, selection):
                return sizes.window

    def selecting(self, budget: Budget, sizes: UnitSizes | None = None) -> WindowSelection:
        """Return the selection problem, cut into units that fit into a budget."""
        sizes = sizes or UnitSizes(self.longest, fill_up=self.fill_up)
        self._cut(budget.limit, sizes)
        table, layout, counter = self.table, self.layout, self.counter
        features = estimate(table, self.question)
        if self.scorer is not None and features is not None:
            verify(table, self.question, features, self.scorer, budget.limit, self.calls)
        if self.weigh is not None:
            table.segment_density = self.weigh(table.segment_density)
        add_alternatives(table, self.compressors, query=self.query, limit=budget.limit)
        self.compressors = ()  # once: their texts are rows of the table now
        self.cutter.price_rows(table, layout)
        represent_by_what_fits(table, budget.limit)
        costs = self.cutter.run_costs(
            table,
            layout,
            whole=self.whole,
            headers=_section_headers(self.sections, layout, counter),
        )
        return WindowSelection(
            table,
            costs,
            whole=self.whole,
            sections=self.sections,
            dedup=self.dedup,
            min_density=budget.min_density,
            query=self.query,
            held=sizes.held,
            sentences=sizes.sentences,
            prefix=_prefix(table, layout, counter, self.previous),
        )

    def _cut(self, limit: int, sizes: UnitSizes) -> None:
        """Cut the texts of the table into units and count them."""
        self.cuts += 1
        if self.whole:
            cut_segments(self.table, enabled=self.folds)
            tokens.price_segments(self.table, self.counter, self.layout.separator)
            return
        sizes.room = self.cutter.cut_to_room(
            self.table, self.layout, limit, sizes.room, compressed=bool(self.compressors)
        )
        self._room = sizes.room


def _section_headers(parts: Sequence[Section], layout: Layout, counter: Counter) -> list[int]:
    """Return the tokens of the headers of sections."""
    return [counter.count(part.header + layout.separator) if part.header else 0 for part in parts]


def _prefix(
    table: Candidates, layout: Layout, counter: Counter, previous: Window | None
) -> list[Prefix]:
    """Return the first pieces of the previous window whose text can be shown unchanged."""
    if previous is None:
        return []
    found = intake.read_previous(previous, table)
    kept = np.zeros(len(table.segment_span), dtype=np.bool_)
    kept_row = np.full(len(table), -1, dtype=np.int32)
    for piece in found:
        kept[list(piece.segments)] = True
        kept_row[piece.chunk] = piece.row if piece.row >= 0 else table.first_row[piece.chunk]
    shown = replace(
        empty_selection(table), segment_kept=kept, kept_row=kept_row, prefix=tuple(found)
    )
    same = len(render.unchanged_pieces(table, shown, layout))
    texts = [piece.header + piece.text + layout.separator for piece in found[:same]]
    counts = counter.count_many(texts)
    return [piece._replace(tokens=int(n)) for piece, n in zip(found[:same], counts, strict=True)]


async def apack(
    chunks: Iterable[Any],
    budget: int | Budget,
    *,
    query: str | None = None,
    variants: Sequence[str] = (),
    query_embedding: Any = None,
    embed: Embed | None = None,
    scorer: Scorer | None = None,
    calls: int | None = None,
    counter: Any = "o200k_base",
    dedup: Literal["careful", "exact"] | bool | float = "careful",
    dedup_threshold: float | None = None,
    similar: float | None = None,
    compress: bool | Literal["blocks"] | Compressor | Sequence[Compressor] = True,
    order: Order = "auto",
    separator: str = "\n\n",
    header: Header | None = "auto",
    sections: Iterable[Section] | None = None,
    previous_window: Window | None = None,
    ranked: bool = False,
    resident: Window | None = None,
) -> Window:
    """Pack in a worker thread; same arguments, result and errors as `pack`."""
    dedup, dedup_threshold, previous_window = _current_options(
        dedup, dedup_threshold, previous_window, resident
    )
    return await asyncio.to_thread(
        pack,
        chunks,
        budget,
        query=query,
        variants=variants,
        query_embedding=query_embedding,
        embed=embed,
        scorer=scorer,
        calls=calls,
        counter=counter,
        dedup=dedup,
        dedup_threshold=dedup_threshold,
        similar=similar,
        compress=compress,
        order=order,
        separator=separator,
        header=header,
        sections=sections,
        previous_window=previous_window,
        ranked=ranked,
    )


def _current_options(
    dedup: Dedup | float,
    threshold: float | None,
    previous: Window | None,
    resident: Window | None,
) -> tuple[Dedup, float | None, Window | None]:
    """Return deprecated options of `pack` by their current names, with a warning."""
    if resident is not None:
        warn_deprecated("resident=", "previous_window=")
        if previous is not None:
            raise InputError(
                "previous_window and resident are both given; expected one window: leave out "
                "resident, the old name"
            )
        previous = resident
    if isinstance(dedup, int | float) and not isinstance(dedup, bool):
        warn_deprecated(f"dedup={dedup!r}", f"dedup_threshold={dedup!r}")
        if threshold is not None:
            raise InputError(
                f"dedup is {dedup!r} and dedup_threshold is {threshold!r}; expected one number: "
                f"leave out dedup"
            )
        return "careful", dedup, previous
    return dedup, threshold, previous


def _fit(
    table: Candidates,
    budget: Budget,
    layout: Layout,
    counter: Counter,
    selecting: WindowSelection,
    given: PackProblem,
    solved: SelectionResult | None = None,
) -> tuple[Window, SelectionResult]:
    """Select and render until the token count of the whole window is within the budget.

    The tokens of blocks that start on a new line sum exactly, and the first selection is final.
    Otherwise (other separators, other counters, parts of a text) the limit is corrected by the
    error of the sum, and the best window that fits is kept. The limits of sections are corrected in
    the same way. `solved` is the first selection, if it was made before.
    """

    def shown_by(selection: SelectionResult) -> Candidates:
        return with_shown_versions(table, selection.kept_row, given.dedup)

    slack = selecting.costs.separator  # the last block of a window has no separator
    limit = budget.limit + slack
    most = 0  # the least limit whose window was too long, 0 if there is none
    best: _Fitted | None = None
    bound = 0.0
    prices: Mapping[str, float] = {}
    for tried in range(ROUNDS):
        selection = selecting.solve_at(limit) if tried or solved is None else solved
        if selection is None:
            break
        if selection.bound < math.inf:
            bound = max(bound, selection.bound)
        prices = prices if tried else selection.prices
        shown = shown_by(selection)
        rendering = render.render(shown, selection, layout)
        spent = counter.count(rendering.text)
        held = selecting.hold(render.section_tokens(table, rendering, layout, counter))
        if spent <= budget.limit and held:
            if best is None or selection.value > best.selection.value:
                best = _Fitted(selection, rendering, spent, shown)
            if not any(selection.prices.values()):  # more tokens add nothing
                break
        room = budget.limit - spent
        overpriced = selection.spent - slack - spent
        if room < 0:
            most = min(most or limit, limit)
            limit += room
            continue
        if not held:
            continue
        if selecting.costs.additive or (overpriced <= 0 and not selecting.few):
            break
        if room <= TOLERANCE * budget.limit and not selecting.few:
            break
        higher = limit + max(1, overpriced, room if selecting.few else 0)
        if most and higher >= most:
            higher = (limit + most) // 2
        if higher <= limit:
            break
        limit = higher
    if best is None:
        best = _fit_by_halving(table, budget, layout, counter, selecting, shown_by)
    selection = best.selection
    value = selection.value
    bound = max(bound or min(selection.bound, selection.total), value)
    all_shown = selection.total > 0 and value >= selection.total * (1 - TINY)
    all_shown = all_shown or shows_all(table, selection, selecting.requirement)
    proved = all_shown or (selecting.costs.additive and value >= bound * (1 - TINY))
    bound = value if proved else bound
    pieces = render.count_pieces(best.rendering.pieces, counter)
    alone = units_shown_alone(best.table)
    window = Window(
        text=best.rendering.text,
        tokens=best.tokens,
        budget=budget.limit,
        pieces=pieces,
        decisions=decide(
            best.table,
            replace(selection, prices=prices),
            pieces,
            difference,
            folded=given.folded,
            alone=alone,
            withheld=_withheld(best.table, selection, alone, selecting, budget.limit),
        ),
        status="optimal" if proved else "feasible",
        value=value,
        upper_bound=bound,
        gap=1 - value / bound if bound > value else 0.0,
        exact=counter.exact,
        counter=counter.name,
        prices=prices,
        unselected_share=selection.unselected_share,
        stopped_early=selection.stopped_early,
        scored_count=table.scored_count,
        passages=count_units(table),
        _inputs=texts_and_starts(table.chunks),
    )
    return window, selection


def _withheld(
    table: Candidates,
    selection: SelectionResult,
    alone: NDArray[np.bool_],
    selecting: WindowSelection,
    limit: int,
) -> Mapping[int, Withheld]:
    """Return, by chunk, what is left out because a text that it needs does not fit with it.

    Only texts of more density than the window has on average count.
    """
    if selecting.whole:
        return {}
    out = left_out(table, selection, selecting.requirement) & alone
    shown = int(table.segment_tokens[selection.segment_kept].sum())
    return withheld_units(table, out, limit, selection.value / max(1, shown))


class _Fitted(NamedTuple):
    """A selection that fits, as rendered."""

    selection: SelectionResult
    rendering: Rendering
    tokens: int
    table: Candidates  # with the versions that the window shows


def _fit_by_halving(
    table: Candidates,
    budget: Budget,
    layout: Layout,
    counter: Counter,
    selecting: WindowSelection,
    shown_by: Callable[[SelectionResult], Candidates],
) -> _Fitted:
    """Lower the limit until the window fits; raise if the pins alone do not fit."""
    limit = budget.limit
    while True:
        limit = limit * 7 // 8 if limit > FINE else limit // 2
        selection = selecting.solve_at(limit) if limit else None
        if selection is None:
            selection = selecting.required_alone()
            limit = 0
        shown = shown_by(selection)
        rendering = render.render(shown, selection, layout)
        spent = counter.count(rendering.text)
        held = selecting.hold(render.section_tokens(table, rendering, layout, counter))
        if spent <= budget.limit and held:
            return _Fitted(selection, rendering, spent, shown)
        if not limit:
            if spent > budget.limit:
                raise over_pinned(table, budget.limit, spent)
            raise selecting.conflict(budget.limit + selecting.costs.separator)
