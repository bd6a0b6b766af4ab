"""What an experiment takes, as plain data, before anything is asked."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ctxmem import report
from ctxmem.blaming.expected import ExpectedAnswers
from ctxmem.blaming.experiment import Experiment
from ctxmem.blaming.recorded import Recorded
from ctxmem.errors import InputError
from ctxmem.pricing import Prices, prices_of
from ctxmem.traces import ReadStats

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What an experiment takes at most, before anything is asked.

    Attributes:
        questions, recorded: how many are asked, of how many that can be.
        calls, cached: requests that are sent, and those that the cache answers.
        input_tokens, output_tokens: of the calls; the output is the largest that is allowed.
        dollars: their price, None without prices; without an output price, that of the input. No
            prompt cache is assumed.
        prices: dollars of a million tokens, by "input" and "output".
        judge_calls: calls of the judge, at most.
        max_calls, seed: bound of the calls, and what the sample was drawn with.
        skipped: recorded questions that are not asked, by reason.
        unmatched, examples: expected answers without a recorded question.
        converted, made: requests of another provider's form, and those made of retrieved passages.
        without_passages: questions in whose requests no passage was found.
        read: what was read: files, formats, records that could not be read.
    """

    questions: int
    recorded: int
    calls: int
    cached: int
    input_tokens: int
    output_tokens: int
    dollars: float | None
    prices: dict[str, float] | None
    judge_calls: int
    max_calls: int | None
    seed: int
    skipped: dict[str, int]
    unmatched: int
    examples: list[str]
    converted: int
    made: int
    without_passages: int
    read: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        return report.blame_plan_text(self.to_dict())


def costs_of(prices: object) -> dict[str, float] | None:
    """Return the dollars of a million input and output tokens.

    Raises:
        InputError: a name of no row, or a price that is no number.
    """
    if prices is None:
        return None
    if isinstance(prices, str | Prices):
        return {"input": prices_of(prices).dollars}
    given: dict[Any, Any] = {"input": prices} if not isinstance(prices, Mapping) else dict(prices)
    if "input" not in given:
        raise InputError(f"prices is {prices!r}; expected a number, or a dict with 'input'")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise InputError(f"the price {name!r} is {value!r}; expected a number of at least 0")
    return {str(name): float(value) for name, value in given.items()}


def dollars_of(costs: Mapping[str, float] | None, given: int, made: int) -> float | None:
    """Return the price of input and output tokens, None without prices."""
    if costs is None:
        return None
    return (given * costs["input"] + made * costs.get("output", 0.0)) / 1e6


def plan_of(
    experiment: Experiment,
    questions: Sequence[Recorded],
    skipped: Mapping[str, int],
    answers: ExpectedAnswers | None,
    stats: ReadStats,
    costs: Mapping[str, float] | None,
    seed: int,
    max_calls: int | None,
) -> Plan:
    """Return what an experiment takes."""
    numbers = experiment.plan
    chosen = [trial.recorded for trial in experiment.trials]
    unmatched = [] if answers is None else answers.unmatched
    experiment.costs = costs
    return Plan(
        **numbers,
        recorded=len(questions),
        dollars=dollars_of(costs, numbers["input_tokens"], numbers["output_tokens"]),
        prices=None if costs is None else dict(costs),
        max_calls=max_calls,
        seed=seed,
        skipped=dict(Count(skipped).most_common()),
        unmatched=len(unmatched),
        examples=unmatched[:_EXAMPLES],
        converted=sum(not one.verbatim and not one.made for one in chosen),
        made=sum(one.made for one in chosen),
        without_passages=sum(not one.spots for one in chosen),
        read={
            "files": stats.files,
            "records": stats.records,
            "formats": dict(stats.formats.most_common()),
            "skipped": dict(stats.skipped.most_common()),
        },
    )
