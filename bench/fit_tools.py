"""Fit the weights by which tools are ranked, on servers and questions that no benchmark has.

    python -m ctxmem.bench.fit_tools

A logistic model of the features of `ctxmem.toolset.ranking`, with a small penalty on the squares of
the weights, by Newton's method. The schemas and questions of `bench.tools` are not read. Each
server is also left out in turn, so that the printed figures are of questions that did not fit the
weights. The table of phrases was written from misses of these questions. So that its hits do not
count for too much, every question is also fitted without the table, and the bias is then set so
that the probabilities of the benchmark's questions of the "tuned" servers have the sum of their
needed tools. This one number is all that the benchmark's questions decide; it changes no order.
The output is the constant `WEIGHTS` of the module. The same questions give the same weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ctxmem.toolset import ranking, read_tools
from ctxmem.toolset.ranking import FEATURES, features

from .tool_schemas import (
    ToolQuestion,
    all_tools,
    questions,
    training_questions,
    training_tools,
    tuned_servers,
)

PENALTY = 0.3
SET = {"asked_by_name": 4.0, "used": 0.0}
"""Weights that these questions cannot fit: none names a tool, and their steps rarely call the same
tool twice, where recorded runs often do."""
_ROUNDS = 40


def main(argv: Sequence[str] | None = None) -> int:
    """Fit, print the figures of servers that were left out, and print the weights."""
    parser = argparse.ArgumentParser(prog="ctxmem bench fit_tools", description=__doc__)
    parser.parse_args(argv)
    asked = training_questions()
    rows, needed = cases(asked)
    bare, _ = cases(asked, phrases=False)
    servers = sorted({one.server for one in asked})
    chances = {"with": np.zeros(needed.shape), "without": np.zeros(needed.shape)}
    for server in servers:
        inside = np.array([one.server == server for one in asked])
        weights = fit(*_both(rows[~inside], bare[~inside], needed[~inside]))
        for label, given in (("with", rows), ("without", bare)):
            chances[label][inside] = 1 / (1 + np.exp(-given[inside] @ weights))
    print(
        f"each server left out in turn, {needed.sum():.0f} needed tools; share within the first k"
    )
    for label, chance in chances.items():
        found = np.concatenate([ranks_of(*pair) for pair in zip(chance, needed, strict=True)])
        shares = ", ".join(f"{k}: {np.mean(found < k):.3f}" for k in (1, 5, 10, 15, 20, 30, 50))
        print(f"  {label} phrases {shares}; expected {chance.sum():.0f} needed tools")
    weights = fit(*_both(rows, bare, needed))
    weights[0] += shift(weights)
    print("WEIGHTS = (")
    for name, weight in zip(FEATURES, weights, strict=True):
        print(f"    {weight:.3f},  # {name}")
    print(")")
    return 0


def shift(weights: NDArray[np.float64]) -> float:
    """Return what to add to the bias, so that as many tools are expected as are needed."""
    tools = read_tools(all_tools())
    asked = [one for one in questions() if one.server in tuned_servers()]
    needed = sum(len(one.needed) for one in asked)
    logits = []
    for one in asked:
        texts = [one.text, *ranking.sentences(one.text)]
        rows = [features(text, tools, recent=one.recent) @ weights for text in texts]
        logits.append(np.max(rows, axis=0))
    best = np.stack(logits)
    low, high = -5.0, 5.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if np.sum(1 / (1 + np.exp(-best - middle))) > needed:
            high = middle
        else:
            low = middle
    return low


def _both(
    rows: NDArray[np.float64], bare: NDArray[np.float64], needed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.concatenate([rows, bare]), np.concatenate([needed, needed])


def cases(
    asked: Sequence[ToolQuestion], *, phrases: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the features of every tool for every question, and which are needed."""
    tools = read_tools(training_tools())
    weight = ranking.MEANT_WEIGHT
    ranking.MEANT_WEIGHT = weight if phrases else 0.0
    try:
        rows = np.stack([features(one.text, tools, recent=one.recent) for one in asked])
    finally:
        ranking.MEANT_WEIGHT = weight
    needed = np.array([[tool.name in one.needed for tool in tools] for one in asked], dtype=float)
    return rows, needed


def fit(rows: NDArray[np.float64], needed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of a logistic model; the bias has no penalty."""
    x, y = rows.reshape(-1, rows.shape[-1]).copy(), needed.reshape(-1)
    x[:, [FEATURES.index(name) for name in SET]] = 0.0
    penalty = np.full(x.shape[1], PENALTY)
    penalty[0] = 1e-6
    weights = np.zeros(x.shape[1])
    weights[0] = np.log(y.mean() / (1 - y.mean()))
    loss = _loss(x, y, penalty, weights)
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (chance - y) + penalty * weights
        curve = (x * (chance * (1 - chance))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while size > 1e-6 and _loss(x, y, penalty, weights - size * step) > loss:
            size /= 2  # the full step of Newton's method may go too far
        weights = weights - size * step
        before, loss = loss, _loss(x, y, penalty, weights)
        if before - loss < 1e-10:
            break
    for name, weight in SET.items():
        weights[FEATURES.index(name)] = weight
    return weights


def _loss(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    penalty: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> float:
    logits = x @ weights
    return float(np.sum(np.logaddexp(0, logits) - y * logits) + penalty @ weights**2 / 2)


def ranks_of(chances: NDArray[np.float64], needed: NDArray[np.float64]) -> list[int]:
    """Return the places of the needed tools, from 0."""
    order = np.argsort(-chances, kind="stable")
    places = np.empty(len(order), dtype=int)
    places[order] = np.arange(len(order))
    return [int(places[i]) for i in np.flatnonzero(needed)]


if __name__ == "__main__":
    sys.exit(main())
