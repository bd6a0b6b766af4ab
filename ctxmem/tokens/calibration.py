"""How an estimate learns: tokens per kind of text, from counts that a provider reported.

The tokens of a text are modelled as the sum over kinds (`_native.TEXT_KINDS`) of what the prior
expects of each kind, times a ratio that is unknown but near one, plus an overhead for each request
and message, plus noise in proportion to each kind. Ratios and overheads have a normal prior whose
spread is that between public tokenizers; an observation updates mean and covariance in closed form
(Bayesian linear regression: Raiffa and Schlaifer 1961; recursive form: Kalman 1960). Noise is
learned per kind by the share that each kind has in an observation.

A count is the upper end of the one-sided predictive interval, with Student's quantile (1908) for
the degrees of freedom that noise was learned with: `mean + t * sqrt(variance)`. It tightens with
observations of a kind. Kinds that were never observed keep the ceiling of the prior, which is that
of the tokenizer with most tokens, since the prior has no correlation between kinds; a kind for
which more than its ceiling was observed has none any more.

Observations that fall short are clipped (Huber 1964), so that one request that was cut off does
not pull counts down; those above count in full, and move the mean until the bound covers them.
Everything is a pure function of states that do not change: memory is bounded, and the same
observations in the same order give the same counts on one platform.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native
from ctxmem.errors import InputError

Floats = NDArray[np.float64]

KINDS: tuple[str, ...] = _native.TEXT_KINDS
OVERHEADS = ("request", "message")
"""Tokens that are added to each request, and to each message of it."""

FORMAT = "ctxmem calibration"
VERSION = 1

_OVERHEAD_MEAN = (4.0, 4.0)
_OVERHEAD_SPREAD = (30.0, 3.0)  # tokens; of a proxy's own prompt see `_with_unknown_overhead`
_CONSTANT_NOISE = 3.0  # tokens of any observation that belong to nothing in particular
_NORMAL = 2.5758  # one-sided 99.5 %
_FREEDOM = 12.0  # degrees of freedom of the prior's noise, in Student's quantile
_MOST_NOISE = 100.0  # times the prior's, squared, that is learned from reports that contradict
_MOST_SEEN = 1 << 50  # observations that anybody can have made
_NOISE_WEIGHT = 3.0  # observations that the prior's noise counts as when noise is learned
_CLIPPED = 3.0  # standard deviations below the expected tokens
_LEAST_RATIO = 0.02
_FLOOR = 2e-3  # spread of a ratio that never gets certain: tokenizers change
_PLAUSIBLE = 4.0  # times the prior, either way
_UNEXPLAINED = 2000.0  # tokens beyond that of a request with messages: hidden prompts
_LARGE = 0.05  # share of a kind in what was observed, from which it is answerable for the whole
_SETTLED = 5  # observations after which outliers are refused
_OUTLIER = 8.0  # standard deviations


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a family of tokenizers before any observation (weights/estimate-1.json).

    Attributes:
        family: its name.
        weights: tokens for each amount of each kind, kinds x amounts.
        mean: by kind, the expected ratio of a tokenizer to that.
        spread: by kind, the standard deviation of the ratio between tokenizers.
        ceiling: by kind, the highest ratio that is expected.
        ceiling_noise: by kind, the standard deviation of texts that is added to it.
        noise: by kind, that between texts of one tokenizer, of windows of 1,000 tokens.
        at_most_bytes: whether no text has more tokens than bytes.
    """

    family: str
    weights: Floats
    mean: Floats
    spread: Floats
    ceiling: Floats
    ceiling_noise: Floats
    noise: Floats
    at_most_bytes: bool


@dataclass(frozen=True, slots=True)
class State:
    """Ratios and overheads after some observations.

    Attributes:
        mean: of the ratio of each kind, then the overheads.
        covariance: of the same.
        noise: by kind, squared, in units of the prior's; a sum weighted by `seen`.
        seen: by kind, how many observations its noise was learned from; the prior's included.
        exceeded: by kind, whether more than the prior's ceiling was observed.
        observations: how many there were.
        above_bytes: whether one had more tokens than bytes, so that bytes are no bound.
    """

    mean: Floats
    covariance: Floats
    noise: Floats
    seen: Floats
    exceeded: NDArray[np.bool_]
    observations: int = 0
    above_bytes: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What a request was made of, and the tokens that were reported for it."""

    expected: Floats  # tokens by kind, as the prior expects them; then requests and messages
    size: int  # bytes of its texts
    tokens: int


def initial(prior: Prior) -> State:
    """Return the state without observations."""
    spread = np.concatenate((prior.spread, _OVERHEAD_SPREAD))
    mean = np.concatenate((prior.mean, _OVERHEAD_MEAN))
    weight = np.full(len(KINDS), _NOISE_WEIGHT)
    return State(mean, np.diag(spread**2), weight, weight, np.zeros(len(KINDS), dtype=bool))


def bounds(prior: Prior, state: State, expected: Floats) -> Floats:
    """Return the upper bound of the tokens of each text, from its expected tokens by kind."""
    learned = _learned(prior, state, expected)
    under = expected * ~state.exceeded
    ceiling = under @ prior.ceiling + QUANTILE * np.sqrt(under**2 @ prior.ceiling_noise**2)
    if state.exceeded.any():
        ceiling += _learned(prior, state, expected * state.exceeded)
    found: Floats = np.minimum(learned, ceiling)
    return found


def _learned(prior: Prior, state: State, expected: Floats) -> Floats:
    size = len(KINDS)
    variance = np.einsum("nk,nk->n", expected @ state.covariance[:size, :size], expected)
    variance = np.maximum(variance, 0.0) + expected**2 @ _noise(prior, state)
    mean = expected @ state.mean[:size]
    found: Floats = mean + _quantile(state.observations) * np.sqrt(variance)
    return found


def margins(prior: Prior, state: State) -> Floats:
    """Return by kind how many times the prior's expected tokens a text of that kind counts as."""
    return bounds(prior, state, np.eye(len(KINDS)))


def update(prior: Prior, state: State, observed: Observed) -> State:
    """Return the state after one more observation.

    Raises:
        InputError: the tokens cannot be those of the text.
    """
    x, tokens = observed.expected, float(observed.tokens)
    _refuse_implausible(prior, state, observed)
    above = tokens > _bound_of_request(prior, state, x)
    state = _with_unknown_overhead(prior, state, x, tokens)
    gain = state.covariance @ x
    known = max(float(x @ gain), 0.0)
    kinds = x[: len(KINDS)]
    noises = kinds**2 * _noise(prior, state)
    variance = known + float(noises.sum()) + _CONSTANT_NOISE**2
    error = tokens - float(x @ state.mean)
    error = max(error, -_CLIPPED * math.sqrt(variance))
    mean = np.maximum(state.mean + gain * (error / variance), _LEAST_RATIO)
    covariance = state.covariance - np.outer(gain, gain) / variance
    covariance = (covariance + covariance.T) / 2
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), _FLOOR**2))
    share = noises / variance
    learned = share * (error * error / variance) * (state.noise / state.seen)
    seen = state.seen + share
    large = kinds > _LARGE * kinds.sum()
    made = State(
        mean,
        covariance,
        np.minimum(state.noise + learned, _MOST_NOISE * seen),
        seen,
        state.exceeded | (large & above),
        state.observations + 1,
        state.above_bytes or tokens > observed.size + _overhead_bound(state, x),
    )
    lacking = tokens - _bound_of_request(prior, made, x)
    if lacking > 0 and known > 0:
        moved = np.maximum(made.mean + gain * (lacking / known), _LEAST_RATIO)
        made = replace(made, mean=moved)
    return made


def _with_unknown_overhead(prior: Prior, state: State, x: Floats, tokens: float) -> State:
    """Return a state that is less certain of the overhead, if a request has more than expected.

    A proxy's prompt may have any length. 300 tokens are ten times the prior's spread, so texts
    would be given nearly all of them, and be counted several times too high. The spread becomes
    that of the error, as in a prior with heavy tails (a scale mixture: West 1984); requests of
    different sizes then tell the overhead from the texts.
    """
    at = len(KINDS)
    error = tokens - float(x @ state.mean)
    if x[at] == 0 or error <= math.sqrt(_variance(prior, state, x)):
        return state
    covariance = state.covariance.copy()
    covariance[at, at] += error * error
    return replace(state, covariance=covariance)


def _variance(prior: Prior, state: State, x: Floats) -> float:
    """Return the variance of the tokens that are reported for `x`."""
    noise = float(x[: len(KINDS)] ** 2 @ _noise(prior, state))
    return max(float(x @ state.covariance @ x), 0.0) + noise + _CONSTANT_NOISE**2


def _noise(prior: Prior, state: State) -> Floats:
    found: Floats = prior.noise**2 * (state.noise / state.seen)
    return found


def _quantile(observations: int) -> float:
    """Return Student's quantile for 99.5 % (expansion of Cornish and Fisher 1938)."""
    z, freedom = _NORMAL, _FREEDOM + observations
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return z + (z**3 + z) / (4 * freedom) + second


QUANTILE = _quantile(0)
"""Standard deviations between what the prior expects and what is counted."""


def _bound_of_request(prior: Prior, state: State, x: Floats) -> float:
    texts = float(bounds(prior, state, x[None, : len(KINDS)])[0])
    return texts + _overhead_bound(state, x)


def _overhead_bound(state: State, x: Floats) -> float:
    added = x[len(KINDS) :]
    variance = float(added @ state.covariance[len(KINDS) :, len(KINDS) :] @ added)
    return float(added @ state.mean[len(KINDS) :]) + QUANTILE * math.sqrt(max(variance, 0.0))


def _refuse_implausible(prior: Prior, state: State, observed: Observed) -> None:
    """Refuse tokens that are another request's: far from the prior, or from what was learned."""
    x, tokens = observed.expected, observed.tokens
    first = initial(prior)
    messages = x[len(KINDS)] > 0
    low = float(x[: len(KINDS)] @ first.mean[: len(KINDS)]) / _PLAUSIBLE
    # A vocabulary without a script takes its bytes, which may be more than four times the prior.
    most = max(_PLAUSIBLE * _bound_of_request(prior, first, x), float(observed.size))
    most += _UNEXPLAINED if messages else _CONSTANT_NOISE * _PLAUSIBLE
    if state.observations >= _SETTLED:
        expected = float(x @ state.mean)
        far = max(_OUTLIER * math.sqrt(_variance(prior, state, x)), 0.1 * expected)
        most = min(most, expected + far)
    if not low - _CONSTANT_NOISE * _PLAUSIBLE <= tokens <= most:
        raise InputError(
            f"{tokens} tokens were reported for what this estimate expects "
            f"{float(x @ state.mean):.0f} tokens of, and would believe {max(low, 1):.0f} to "
            f"{most:.0f}; give the input tokens of exactly this text or request, or start a new "
            "counter if the model has changed"
        )


# As data ------------------------------------------------------------------------------------------


def to_dict(prior: Prior, state: State) -> dict[str, Any]:
    """Return a state as plain data; kinds that were never observed are left out."""
    names = (*KINDS, *OVERHEADS)
    start = initial(prior)
    changed = (state.mean != start.mean) | (np.diag(state.covariance) != np.diag(start.covariance))
    changed[: len(KINDS)] |= state.seen != start.seen
    rows = np.flatnonzero(changed)
    kinds = [row for row in rows.tolist() if row < len(KINDS)]
    return {
        "format": FORMAT,
        "version": VERSION,
        "family": prior.family,
        "observations": state.observations,
        "above_bytes": state.above_bytes,
        "mean": {names[row]: float(state.mean[row]) for row in rows},
        "covariance": [state.covariance[row, rows[: i + 1]].tolist() for i, row in enumerate(rows)],
        "exceeded": [KINDS[row] for row in np.flatnonzero(state.exceeded)],
        "noise": {names[row]: [float(state.noise[row]), float(state.seen[row])] for row in kinds},
    }


def from_dict(prior: Prior, data: object) -> State:
    """Return the state that `to_dict` made data of.

    Raises:
        InputError: it is damaged, of another version or of another family of tokenizers.
    """
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise _damaged("it is not what `counter.calibration` returns")
    if data.get("version") != VERSION:
        raise _damaged(f"its version is {data.get('version')!r}; this ctxmem reads {VERSION}")
    if data.get("family") != prior.family:
        raise InputError(
            f"the calibration is of {data.get('family')!r} tokenizers, but the counter is of "
            f"{prior.family!r}; calibrate each by its own observations"
        )
    try:
        return _read(prior, data)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(repr(error)) from None


def _read(prior: Prior, data: Mapping[str, Any]) -> State:
    names = (*KINDS, *OVERHEADS)
    start = initial(prior)
    mean, covariance = start.mean.copy(), start.covariance.copy()
    noise, seen = start.noise.copy(), start.seen.copy()
    rows = [names.index(name) for name in data["mean"]]
    mean[rows] = [float(value) for value in data["mean"].values()]
    if [len(row) for row in data["covariance"]] != list(range(1, len(rows) + 1)):
        raise _damaged("its covariance is not a triangle")
    for row, values in zip(rows, data["covariance"], strict=True):
        covariance[row, rows[: len(values)]] = covariance[rows[: len(values)], row] = [
            float(value) for value in values
        ]
    for name, (learned, weight) in data["noise"].items():
        at = KINDS.index(name)
        noise[at], seen[at] = float(learned), float(weight)
    exceeded = np.zeros(len(KINDS), dtype=bool)
    exceeded[[KINDS.index(name) for name in data["exceeded"]]] = True
    observations = data["observations"]
    if isinstance(observations, bool) or not isinstance(observations, int):
        raise _damaged(f"observations are {observations!r}")
    if not 0 <= observations < _MOST_SEEN:
        raise _damaged(f"observations are {observations!r}")
    if not isinstance(data["above_bytes"], bool):
        raise _damaged("above_bytes is neither true nor false")
    finite = all(np.isfinite(part).all() for part in (mean, covariance, noise, seen))
    if not finite or mean.min() < _LEAST_RATIO or mean.max() > 1e5 or noise.min() <= 0:
        raise _damaged("its numbers are out of range")
    if seen.min() < _NOISE_WEIGHT or seen.max() > _MOST_SEEN or (noise > _MOST_NOISE * seen).any():
        raise _damaged("its noise is out of range")
    most = np.diag(start.covariance) + _FLOOR**2  # observations make it smaller
    if (np.diag(covariance) > 1.000001 * most).any():
        raise _damaged("its covariance is larger than before any observation")
    if np.linalg.eigvalsh(covariance).min() < -1e-9 or np.diag(covariance).min() <= 0:
        raise _damaged("its covariance is none")
    return State(mean, covariance, noise, seen, exceeded, observations, data["above_bytes"])


def _damaged(why: str) -> InputError:
    return InputError(f"the calibration cannot be used: {why}; observe again, or leave it out")
