"""The pipeline of `pack`: chunks in, a window out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import intake, messages, render, tokens
from ctxmem.compress import BLOCKS, Compressor, add_alternatives, read_compressors
from ctxmem.dedup import (
    check_dedup,
    difference,
    find_repeats,
    folded_although,
    group,
    group_similar,
)
from ctxmem.explain import decide
from ctxmem.outline import count_units, cut_segments
from ctxmem.protocols import Counter
from ctxmem.render import Rendering
from ctxmem.schema import (
    Budget,
    Candidates,
    Embed,
    Header,
    Layout,
    Scorer,
    Section,
    Window,
)
from ctxmem.selection import (
    Proof,
    Range,
    SpanChoice,
    choose,
    keep,
    kept_ranges,
    over_pinned,
    represent_by_what_fits,
    shows,
)
from ctxmem.value import add_rank_fusion, estimate, read_question, read_scorer, shortlist, verify

ROUNDS = 6
"""Attempts to fit a window whose parts do not sum exactly; one or two are nearly always enough."""

MOST_BYTES, LEAST_BYTES = 1600, 48
"""Maximum size of a unit in bytes, at first and at last: about 400 tokens and about 12 tokens."""

BYTES_A_TOKEN = 6
"""Bytes per token of running text, at most. Units are cut by bytes, counted, and cut again if they
are too long."""

FULL = 0.75
"""Share of the budget below which units that did not fit are cut into smaller parts."""

FINER = 2
"""How often that is done."""

LEAST_ADDED = 120
"""Maximum size in bytes of the parts that are added so; below it, most lines would be cut."""

FINE = 64
"""Tokens above which a limit that was too high is lowered by an eighth, not halved."""

TOLERANCE = 0.01
"""Share of the budget that may remain unused because token counts of parts were too high."""


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
    dedup: bool | float = True,
    similar: float | None = None,
    compress: bool | Literal["blocks"] | Compressor | Sequence[Compressor] = True,
    order: str = "auto",
    separator: str = "\n\n",
    header: Header | None = "auto",
    sections: Iterable[Section] | None = None,
    resident: Window | None = None,
    ranked: bool = False,
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
        dedup: False keeps every repeat. True folds passages that share half of their word 3-grams,
            say the same by `differences`, and do not differ mainly in words of the query. A number
            is the share of 3-grams from which all passages are folded; decisions name the
            differences.
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
        resident: the previous window. Its pieces keep their position, from the first on, unless new
            ones have more value than the prompt cache saves.
        ranked: the input is in order of relevance, best first. Scores that rise in that order, or
            with the ranks of a list, are read as distances, with a `CtxmemWarning`; without ranks
            higher is better.

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
    allowed = intake.read_budget(budget)
    layout = render.check_layout(Layout(separator, header, order))
    dedup = check_dedup(dedup)
    counting = tokens.resolve(counter)
    question = read_question(query, variants, query_embedding, embed)
    asked = read_scorer(scorer, calls, question)
    compressing, compressors = read_compressors(compress)
    given, chat = messages.as_chunks(intake.listed(chunks))
    table = intake.read(given, ranked=ranked, alternatives=compressing, conversation=chat)
    parts = intake.read_sections(sections, table.chunks, allowed.limit)
    layout = replace(layout, sections=parts)
    find_repeats(table, enabled=dedup is not False)
    add_rank_fusion(table)
    group(table, dedup, query)
    group_similar(table, similar, query)
    kept_before = intake.read_resident(resident, table)
    shortlist(table, question, allowed.limit)
    by_span = compressing and not (parts or kept_before or compressors or _whole(table))
    enabled = dedup is not False
    folded = difference
    if not isinstance(dedup, bool):
        folded = partial(folded_although, threshold=dedup)
    longest = min(MOST_BYTES, max(LEAST_BYTES, BYTES_A_TOKEN * allowed.limit))
    sizes = _UnitSizes(longest, fill_up=asked is None and compress != BLOCKS)
    while True:
        if by_span:
            sizes.room = _cut_to_room(
                table, layout, counting, allowed.limit, sizes.room, enabled, compress == BLOCKS
            )
        if by_span and len(table.segment_span) == len(table.merged_texts):
            by_span = False  # each text is one span: the solver selects the same units optimally
        if not by_span:
            cut_segments(table, enabled=enabled)
            tokens.price_segments(table, counting, separator)
        features = estimate(table, question)
        if asked is not None and features is not None:
            verify(table, question, features, asked, allowed.limit, calls)
        if compressing and not (by_span or table.conversation):
            gap = render.gap(layout)
            add_alternatives(table, compressors, query=query, limit=allowed.limit, gap=gap)
        tokens.price(table, counting, separator, render.headers(table, layout))
        if by_span:
            represent_by_what_fits(table, allowed.limit)
            overhead, again = render.run_overhead(table, layout, counting)
            choosing: Callable[[int], Proof | None] = SpanChoice(
                table, overhead, again, dedup, allowed.min_density, query, sizes.held
            )
        else:
            headers = [
                counting.count(part.header + separator) if part.header else 0 for part in parts
            ]
            choosing = partial(
                choose,
                table,
                sections=parts,
                headers=headers,
                resident=kept_before,
                least=allowed.min_density,
            )
        window = _fit(table, allowed, layout, counting, kept_before, choosing, folded)
        if not by_span or allowed.min_density > 0 or not sizes.finer(window, table):
            return window


class _UnitSizes:
    """The maximum size of a unit, in bytes, while it is lowered.

    Units are cut into smaller parts if none fits with its dependencies. They are also cut if a
    large part of the budget is unused because units did not fit; the text of the window is then
    held, and the parts are added to it.
    """

    def __init__(self, room: int, *, fill_up: bool) -> None:
        self.room = room
        self.fill_up = fill_up
        self.held: list[Range] = []
        self.good: tuple[int, list[Range]] | None = None  # those of the last window that is kept
        self.last = False
        self.added = 0  # windows to which parts were added

    def finer(self, window: Window, table: Candidates) -> bool:
        """Lower the size after a window, or return to the one before; False if it is the result."""
        if self.last:
            return False
        if not shows(table, self.held):
            assert self.good is not None
            self.room, self.held = self.good
            self.last = True
            return True
        self.good = (self.room, self.held)
        if self.room <= LEAST_BYTES or (window.pieces and not self._may_add(window)):
            return False
        self.added += bool(window.pieces)
        self.held = kept_ranges(table)
        self.room = max(LEAST_BYTES, self.room // 2)
        return True

    def _may_add(self, window: Window) -> bool:
        unused = window.tokens < FULL * window.budget and any(window.prices.values())
        parts = self.room // 2 >= LEAST_ADDED and self.added < FINER
        return self.fill_up and unused and parts


def _cut_to_room(
    table: Candidates,
    layout: Layout,
    counter: Counter,
    limit: int,
    room: int,
    enabled: bool,
    blocks: bool,
) -> int:
    """Cut texts into units that fit into the budget; return their maximum size in bytes."""
    while True:
        labels = layout.header == render.AUTO
        cut_segments(table, enabled=enabled, spans=True, labels=labels, room=room, blocks=blocks)
        tokens.price_segments(table, counter, layout.separator)
        render.price_labels(table, layout, counter)
        if room <= LEAST_BYTES or table.segment_tokens.max(initial=0) <= limit:
            return room
        room = max(LEAST_BYTES, room // 2)


def _whole(table: Candidates) -> bool:
    """Return whether whole chunks are selected: in a chat, with requirements or alternatives."""
    return table.conversation or any(table.needs) or len(table.texts) > len(table)


async def apack(chunks: Iterable[Any], budget: int | Budget, **options: Any) -> Window:
    """Pack in a worker thread; same arguments, result and errors as `pack`."""
    return await asyncio.to_thread(pack, chunks, budget, **options)


def _fit(
    table: Candidates,
    budget: Budget,
    layout: Layout,
    counter: Counter,
    resident: Sequence[int],
    choosing: Callable[[int], Proof | None],
    folded: Callable[[str, str], str],
) -> Window:
    """Select and render until the token count of the whole window is within the budget.

    The tokens of blocks that start on a new line sum exactly, and the first selection is final.
    Otherwise (other separators, other counters, parts of a text) the limit is corrected by the
    error of the sum, and the best window that fits is kept.
    """
    slack = counter.count(layout.separator)  # the last block of a window has no separator
    limit = budget.limit + slack
    best: _Fitted | None = None
    bound = 0.0
    prices: Mapping[str, float] = {}
    for tried in range(ROUNDS):
        proof = choosing(limit)
        if proof is None:
            break
        if not tried:
            bound, prices = proof.upper_bound, proof.prices
        rendering = render.render(table, layout, resident)
        spent = counter.count(rendering.text)
        if spent <= budget.limit and (best is None or proof.value > best.proof.value):
            best = _Fitted.of(table, proof, rendering, spent)
        overpriced = proof.spent - slack - spent
        left = budget.limit - spent
        full = overpriced <= 0 or left <= TOLERANCE * budget.limit
        if left >= 0 and (full or not any(proof.prices.values())):  # a higher limit adds nothing
            break
        limit += overpriced if spent <= budget.limit else budget.limit - spent
    if best is None:
        best = _fit_by_halving(table, budget, layout, counter, resident, choosing)
    best.restore(table)
    value = best.proof.value
    bound = max(bound, value)
    stopped = best.proof.stopped_early
    return Window(
        text=best.rendering.text,
        tokens=best.tokens,
        budget=budget.limit,
        pieces=render.count_pieces(best.rendering.pieces, counter),
        decisions=decide(table, best.rendering.pieces, difference, prices, stopped, folded=folded),
        status="optimal" if value >= bound else "feasible",
        value=value,
        upper_bound=bound,
        gap=1 - value / bound if bound > value else 0.0,
        exact=counter.exact,
        counter=counter.name,
        prices=prices,
        unselected_share=best.proof.unselected_share,
        stopped_early=stopped,
        scored_count=table.scored_count,
        passages=count_units(table),
        table=table,
    )


class _Fitted(NamedTuple):
    """A selection that fits, with the columns of the table that it set."""

    proof: Proof
    rendering: Rendering
    tokens: int
    kept_row: NDArray[np.int32]
    segment_kept: NDArray[np.bool_]
    duplicate_of: NDArray[np.int32]

    @classmethod
    def of(cls, table: Candidates, proof: Proof, rendering: Rendering, tokens: int) -> _Fitted:
        return cls(proof, rendering, tokens, table.kept_row, table.segment_kept, table.duplicate_of)

    def restore(self, table: Candidates) -> None:
        table.kept_row = self.kept_row
        table.segment_kept = self.segment_kept
        table.duplicate_of = self.duplicate_of


def _fit_by_halving(
    table: Candidates,
    budget: Budget,
    layout: Layout,
    counter: Counter,
    resident: Sequence[int],
    choosing: Callable[[int], Proof | None],
) -> _Fitted:
    """Lower the limit until the window fits; raise if the pins alone do not fit."""
    limit = budget.limit
    while True:
        limit = limit * 7 // 8 if limit > FINE else limit // 2
        proof = choosing(limit) if limit else None
        if proof is None:
            proof = Proof(keep(table, []), 0.0, 0)
            limit = 0
        rendering = render.render(table, layout, resident)
        spent = counter.count(rendering.text)
        if spent <= budget.limit:
            return _Fitted.of(table, proof, rendering, spent)
        if not limit:
            raise over_pinned(table, budget.limit, spent)
