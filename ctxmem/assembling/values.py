"""Values of tools and of units of the history, on the scale of the value model.

The unit is an expected token of evidence: text that the answer uses. A passage has density times
tokens; a tool has the probability that it is called times what a call counts. The numbers are in
`weights/request-1.json`; `bench/fit_request.py` fits them.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

WEIGHTS = "request-1.json"


def _read() -> dict[str, Any]:
    text = (files("ctxmem") / "weights" / WEIGHTS).read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


_WEIGHTS = _read()
_SCALE = {name: float(number) for name, number in _WEIGHTS["scale"].items()}

ASKS: dict[str, dict[str, float]] = _WEIGHTS["asks"]
"""Weights by which an ask is divided between the history, the tools and the texts."""
DOUBT = _SCALE["doubt"]
"""Share of an ask that every part has at least."""

CALL = _SCALE["call"]
"""Value of a tool that is called."""
TOOL_SHARPNESS = _SCALE["tool_sharpness"]
"""Exponent of the probabilities of tools, by which they share that one is called."""
SHORT = _SCALE["short"]
"""Share of it that a schema with shortened descriptions keeps."""
DEFERRED = _SCALE["deferred"]
"""Share that a line keeps: the model finds the tool, with one more call."""
HIDDEN = _SCALE["hidden"]
"""Share that a tool keeps which `find_tool` returns, though no line names it."""

FOUND = _SCALE["found"]
"""Value of all messages that the index finds for the question."""
SHARPNESS = _SCALE["sharpness"]
"""Exponent of their scores, by which they share it, ..."""
BROAD_SHARPNESS = _SCALE["broad_sharpness"]
"""... and that of a question that wants many messages, such as a summary."""
RECENT = _SCALE["recent"]
"""Value of the newest unit of a history for being the newest."""
HALF_LIFE = _SCALE["half_life"]
"""Units after which that is half."""
INDEXED = _SCALE["indexed"]
"""Share of its value that a unit keeps as a line of the index."""
RECALLED = _SCALE["recalled"]
"""Share of its value that an excerpt keeps."""
BINDS = _SCALE["binds"]
"""Value of a statement that binds, times its strength (1 to 9)."""
MENTIONS = _SCALE["mentions"]
"""The same for values, facts and the like, which the words of a question find."""
BINDING_SHARE = _SCALE["binding_share"]
"""Share of the budget up to which statements that bind have this value."""
REQUIRED_SHARE = 1 / 3
"""Share of the budget up to which rules, limits and the like must be sent."""

NUMBERS = tuple(name.upper() for name in _SCALE)
"""The names of the numbers."""


def shortened(tokens: NDArray[np.int64], full: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of its value that a text keeps if it is cut to so many tokens."""
    share = np.minimum(1.0, tokens / np.maximum(1, full))
    return np.asarray(share**0.5, dtype=np.float64)


def text(density: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Return the value per token of texts, by their densities and their share of the question."""
    return np.asarray(share * density, dtype=np.float64)


def needed(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each tool, in rows of asks that need one: they add up to 1."""
    weight = chances**TOOL_SHARPNESS
    total = np.maximum(weight.sum(axis=-1, keepdims=True), 1e-12)
    return np.asarray(weight / total, dtype=np.float64)


def recency(age: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the value of units for their age, in units behind them."""
    return np.asarray(RECENT * 0.5 ** (age / HALF_LIFE), dtype=np.float64)


def found(share: NDArray[np.float64], broad: bool = False) -> NDArray[np.float64]:
    """Return the value of units by their scores for a question, as shares of the best score.

    The sum is the same for every question: a question needs a few messages, however many have its
    words. So each is less likely to be one of them the more of them have scores like its own.
    """
    weight = share ** (BROAD_SHARPNESS if broad else SHARPNESS)
    return np.asarray(FOUND * weight / max(1e-12, float(weight.sum())), dtype=np.float64)
