"""The corridor: what goes in as chunks comes out as a window."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem import arrange, intake, messages, tokens
from ctxmem.arrange import Rendering
from ctxmem.dedup import check_dedup, cut_segments, difference, find_repeats, group, group_similar
from ctxmem.schema import Budget, Candidates, Counter, Embed, Header, Layout, Section, Window
from ctxmem.selection import choose, keep, over_pinned
from ctxmem.value import add_evidence, estimate

ROUNDS = 6
"""Tries at making blocks that do not add up exactly fit; the first is nearly always enough."""


def pack(
    chunks: Iterable[Any],
    budget: int | Budget,
    *,
    query: str | None = None,
    query_embedding: Any = None,
    embed: Embed | None = None,
    counter: Any = "o200k_base",
    dedup: bool | float = True,
    similar: float | None = None,
    compress: bool = True,
    order: str = "auto",
    separator: str = "\n\n",
    header: Header | None = None,
    sections: Iterable[Section] | None = None,
    resident: Window | None = None,
    ranked: bool = False,
) -> Window:
    r"""Pack passages into a window of at most `budget` tokens.

    Repeats are counted as evidence and paid for once, near-duplicates represented by one of them,
    overlapping neighbours of one source stitched. What is left is ranked by the evidence there is
    (agreement of lists, scores, BM25 and cosine to the query) and chosen within the budget. With an
    exact counter the window never exceeds it, separators and headers included. The order of the
    input does not change what is chosen, unless `ranked` says that it is a ranking.

    Args:
        chunks: str, `Chunk`, dict, LangChain Document, LlamaIndex node, (item, score) pairs, or the
            messages of a chat.
        budget: tokens the window may have.
        query: the question; passages that share its rarer words rank higher.
        query_embedding: its vector, compared with the chunks' embeddings.
        embed: makes vectors for the query and for chunks that have none.
        counter: an encoding or model name, a function from str to int, or an object with `count`.
        dedup: False keeps every repeat. True folds passages that share half of their word 3-grams
            and agree in numbers and negations; a number folds from that share on, whatever differs.
        similar: cosine of embeddings from which on passages are taken to say the same; not done
            unless asked for, since it takes distinct evidence for redundant.
        compress: whether a chunk's `alternatives` may stand for it.
        order: "auto", "score", "source" or "given".
        separator: stands between pieces.
        header: a line before each piece: a template such as "[{source}]", or a function.
        sections: parts of the window with limits and headers of their own, in the order in which
            they stand; chunks of no section come before them.
        resident: the window that the model was given last. Its pieces stay where they stand, from
            the first on, as long as new ones are not worth more than the prompt cache saves.
        ranked: the input is in order of relevance, best first.

    Returns:
        The window, with a decision for every input.

    Raises:
        InputError: a chunk or an option that cannot be used.
        BudgetError: no budget, or pinned chunks that do not fit into it.

    >>> window = pack(["Paris is the capital of France.", "Bananas are yellow."], 8,
    ...               query="capital of France")
    >>> print(window)
    Paris is the capital of France.
    >>> window.decisions[1].reason.value
    'over_budget'
    """
    allowed = intake.read_budget(budget)
    layout = arrange.check_layout(Layout(separator, header, order))
    dedup = check_dedup(dedup)
    counting = tokens.resolve(counter)
    given, chat = messages.as_chunks(intake.listed(chunks))
    table = intake.read(given, ranked=ranked, alternatives=compress, conversation=chat)
    parts = intake.read_sections(sections, table.chunks, allowed.limit)
    layout = replace(layout, sections=parts)
    find_repeats(table, enabled=dedup is not False)
    add_evidence(table)
    group(table, dedup)
    group_similar(table, similar)
    cut_segments(table, enabled=dedup is not False)
    tokens.price(table, counting, separator, arrange.headers(table, layout))
    estimate(table, query, query_embedding=query_embedding, embed=embed)
    kept_before = intake.read_resident(resident, table)
    return _fit(table, allowed, layout, counting, kept_before)


async def apack(chunks: Iterable[Any], budget: int | Budget, **options: Any) -> Window:
    """Pack in a worker thread; same arguments, result and errors as `pack`."""
    return await asyncio.to_thread(pack, chunks, budget, **options)


def _fit(
    table: Candidates, budget: Budget, layout: Layout, counter: Counter, resident: Sequence[int]
) -> Window:
    """Choose and render until the count of the whole window is within the budget.

    Blocks that start on a line of their own add up exactly, and the first choice stands. Where they
    do not (other separators, other counters, text that neighbours share), the limit moves by what
    the prices were off, and the best window that fitted is kept.
    """
    slack = counter.count(layout.separator)  # the last block of a window has no separator
    headers = [
        counter.count(section.header + layout.separator) if section.header else 0
        for section in layout.sections
    ]
    limit = budget.limit + slack
    best: _Fitted | None = None
    bound = 0.0
    prices: Mapping[str, float] = {}
    for tried in range(ROUNDS):
        proof = choose(table, limit, layout.sections, headers, resident)
        if proof is None:
            break
        if not tried:
            bound, prices = proof.upper_bound, proof.prices
        rendering = arrange.render(table, layout, resident)
        spent = counter.count(rendering.text)
        if spent <= budget.limit and (best is None or proof.value > best.value):
            best = _Fitted(proof.value, table.kept_row, rendering, spent)
        overpriced = proof.spent - slack - spent
        if spent <= budget.limit and overpriced <= 0:
            break
        limit += overpriced if spent <= budget.limit else budget.limit - spent
    if best is None:
        best = _fit_by_dropping(table, budget, layout, counter, resident)
        bound = max(bound, best.value)
    table.kept_row = best.kept_row
    bound = max(bound, best.value)
    return Window(
        text=best.rendering.text,
        tokens=best.tokens,
        budget=budget.limit,
        pieces=arrange.count_pieces(best.rendering.pieces, counter),
        decisions=arrange.decide(table, best.rendering.pieces, difference, prices),
        status="optimal" if best.value >= bound else "feasible",
        value=best.value,
        upper_bound=bound,
        gap=1 - best.value / bound if bound > best.value else 0.0,
        exact=counter.exact,
        counter=counter.name,
        prices=prices,
        table=table,
    )


class _Fitted(NamedTuple):
    value: float
    kept_row: NDArray[np.int32]
    rendering: Rendering
    tokens: int


def _fit_by_dropping(
    table: Candidates, budget: Budget, layout: Layout, counter: Counter, resident: Sequence[int]
) -> _Fitted:
    """Halve what was chosen until the window fits; raise when the pins alone do not."""
    kept = np.flatnonzero((table.kept_row >= 0) & ~table.pinned)
    kept = kept[np.argsort(-table.relevance[kept], kind="stable")].tolist()
    while True:
        kept = kept[: len(kept) // 2]
        value = keep(table, kept)
        rendering = arrange.render(table, layout, resident)
        spent = counter.count(rendering.text)
        if spent <= budget.limit:
            return _Fitted(value, table.kept_row, rendering, spent)
        if not kept:
            raise over_pinned(table, budget.limit, spent)
