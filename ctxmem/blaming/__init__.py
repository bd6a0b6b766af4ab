"""Is it the model or the context? Ask recorded questions again, in five windows.

recorded    questions of a trace, each with its request and what was retrieved
sendable    recorded messages as an OpenAI-compatible address takes them
locating    where the passages of a request are
expected    what should be answered
evidence    which passages hold what the answer needs
windows     the five windows of a question
functions   functions that the user names
models      what a model has to have; a function as a model
addresses   an OpenAI-compatible address as a model
cache       answers on disk
answers     whether an answer is right
quantities  numbers, units, times and dates in one form
judging     the same, by a function of the user
asking      requests answered in parallel
experiment  what is asked, what that takes, what comes out
verdicts    what was at fault in a question
statistics  shares and differences with intervals
plans       what an experiment takes
results     the experiment as plain data
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ctxmem.blaming.addresses import AddressModel
from ctxmem.blaming.answers import F1, MATCHES, Judge
from ctxmem.blaming.cache import Cache
from ctxmem.blaming.expected import read_expected
from ctxmem.blaming.experiment import Experiment, Progress
from ctxmem.blaming.functions import function_of
from ctxmem.blaming.judging import Judging
from ctxmem.blaming.models import FunctionModel, Model
from ctxmem.blaming.plans import Plan, costs_of, plan_of
from ctxmem.blaming.recorded import read_questions
from ctxmem.blaming.results import Blame, result_of
from ctxmem.errors import InputError, InputTypeError, a_type, refuse_table
from ctxmem.intake import read_budget
from ctxmem.pricing import Prices
from ctxmem.schema import Budget
from ctxmem.tokens import resolve
from ctxmem.traces import ReadStats

__all__ = ["MATCHES", "Blame", "Plan", "Prepared", "blame", "prepare"]

MAX_CALLS = 1000


class Prepared:
    """An experiment that nothing was asked of yet: `plan` says what it takes, `run` asks."""

    def __init__(self, experiment: Experiment, plan: Plan) -> None:
        self._experiment = experiment
        self.plan = plan

    def run(self, progress: Progress | None = None) -> Blame:
        """Ask the model and return what came out.

        Raises:
            InputError: the address cannot be reached, or refuses the key; what was answered until
                then is in the cache.
        """
        self._experiment.run(progress)
        return result_of(self._experiment, self.plan)


def blame(
    source: Any,
    *,
    model: str | Callable[[list[dict[str, Any]]], str] | Model,
    expected: str | Path | Mapping[str, Any] | list[Any] | None = None,
    judge: str | Judge | None = None,
    budget: int | Budget | None = None,
    repeat: int = 1,
    max_calls: int | None = MAX_CALLS,
    seed: int = 0,
    cache: str | Path | None = None,
    counter: object = "o200k_base",
    prices: float | str | Prices | Mapping[str, float] | None = None,
    match: str = "auto",
    threshold: float = F1,
    progress: Progress | None = None,
) -> Blame:
    """Say of each recorded question whether the context, the model or the retriever was at fault.

    Each question is asked again in five windows: as it was sent, without exact repeats, with its
    passages as `pack` packs them, with the evidence alone, and without context. The first that is
    right decides; see `ctxmem.blaming.verdicts`. The model is asked at most `max_calls` times, and
    never for what the cache has.

    Args:
        source: traces as for `audit`: a path, a folder, a pattern, records, or a list of these.
        model: an OpenAI-compatible address ("http://localhost:8000/v1"), "MODULE:FUNCTION", a
            function from messages to an answer, or a `ctxmem.blaming.addresses.AddressModel` with
            options.
        expected: questions with their answers and, if known, their evidence: a file of JSON lines,
            JSON or CSV, a list of dicts, or a dict from questions to answers.
        judge: a function (question, expected, answer) -> bool or number from 0 to 1, or its
            "MODULE:FUNCTION". It is also asked which passage answers a question, if neither the
            expected file nor the text of the passages says so.
        budget: tokens of the request with packed passages; by default, as many as it had.
        repeat: how often each window is asked; the majority counts.
        max_calls: the most calls of the model; above, questions are sampled. None sets no bound.
        seed: of the sample.
        cache: folder for answers, so that a second run asks only what is missing. None: no files.
        counter: an encoding or a model, a function from str to int, or an object that counts.
        prices: dollars of a million input tokens, a row of `ctxmem.pricing`, or a dict with "input"
            and "output".
        match: how an answer is compared: "exact", "contained", "f1", or "auto", which is contained
            or, from three words on, F1.
        threshold: F1 from which an answer is right.
        progress: called with the number of answers and of calls.

    Raises:
        InputError: nothing to compare with, no recorded question that has an expected answer, or a
            model that cannot be asked at all.

    >>> hits = [{"text": "Refunds take 30 days."}, {"text": "Parcels take 3 days."}]
    >>> found = blame(
    ...     [{"query": "How long do refunds take?", "hits": hits}],
    ...     model=lambda messages: "3 days" if "Parcels" in messages[-1]["content"] else "30 days",
    ...     expected={"How long do refunds take?": "30 days"},
    ... )
    >>> found.questions[0].fault, found.questions[0].step
    ('context', 'distraction')
    """
    return prepare(
        source,
        model=model,
        expected=expected,
        judge=judge,
        budget=budget,
        repeat=repeat,
        max_calls=max_calls,
        seed=seed,
        cache=cache,
        counter=counter,
        prices=prices,
        match=match,
        threshold=threshold,
    ).run(progress)


def prepare(
    source: Any,
    *,
    model: str | Callable[[list[dict[str, Any]]], str] | Model,
    expected: str | Path | Mapping[str, Any] | list[Any] | None = None,
    judge: str | Judge | None = None,
    budget: int | Budget | None = None,
    repeat: int = 1,
    max_calls: int | None = MAX_CALLS,
    seed: int = 0,
    cache: str | Path | None = None,
    counter: object = "o200k_base",
    prices: float | str | Prices | Mapping[str, float] | None = None,
    match: str = "auto",
    threshold: float = F1,
    reading: Callable[[ReadStats], None] | None = None,
) -> Prepared:
    """Read the questions and make their windows, and ask nothing; see `blame`."""
    if expected is None and judge is None:
        raise InputError(
            "neither expected answers nor a judge were given, so no answer can be called right; "
            "give --expected FILE with questions and answers, or --judge MODULE:FUNCTION"
        )
    if match not in MATCHES:
        raise InputError(f"match is {match!r}; expected one of {', '.join(MATCHES)}")
    if not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold!r}; expected a number above 0, at most 1")
    _check_whole("repeat", repeat)
    if max_calls is not None:
        _check_whole("max_calls", max_calls)
    asked = _model(model)
    answers = None if expected is None else read_expected(expected)
    costs = costs_of(prices)
    store = Cache(cache)
    resolved = resolve(counter)
    limit = None if budget is None else read_budget(budget).limit
    function = function_of(judge, "judge") if isinstance(judge, str) else judge
    judging = Judging(function, store, match, threshold)
    stats = ReadStats()
    if isinstance(source, Mapping):
        source = [source]
    refuse_table(source, "source")
    questions, skipped = read_questions(source, answers, resolved, stats, progress=reading)
    if not questions:
        raise InputError(_nothing(answers, skipped, stats))
    unnamed = sum(not one.model for one in questions)
    if unnamed and isinstance(asked, AddressModel) and not asked.model:
        raise InputError(
            f"{unnamed:,} of {len(questions):,} questions have no name of a model in the trace, "
            f"and an OpenAI-compatible address needs one; give --name NAME"
        )
    experiment = Experiment(
        questions,
        asked,
        judging,
        store,
        resolved,
        budget=limit,
        repeat=repeat,
        max_calls=max_calls,
        seed=seed,
    )
    if not experiment.trials:
        raise InputError(
            f"max_calls is {max_calls}, and one question takes up to {5 * repeat} calls; raise it"
        )
    plan = plan_of(experiment, questions, skipped, answers, stats, costs, seed, max_calls)
    return Prepared(experiment, plan)


def _model(given: Any) -> Model:
    if isinstance(given, str):
        if given.startswith(("http://", "https://")):
            return AddressModel(given)
        return FunctionModel(function_of(given, "model"), given)
    if hasattr(given, "ask") and hasattr(given, "identity"):
        return given  # type: ignore[no-any-return]
    if callable(given):
        return FunctionModel(given)
    raise InputTypeError(
        f"model is {a_type(given)}; expected an address such as "
        f"http://localhost:8000/v1, MODULE:FUNCTION, or a function"
    )


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number of at least 1")


def _nothing(answers: Any, skipped: Mapping[str, int], stats: ReadStats) -> str:
    """Say why no question is left to ask."""
    reasons = {**skipped, **stats.skipped}
    read = "; ".join(f"{count:,} × {reason}" for reason, count in reasons.items())
    if answers is not None and answers.unmatched and skipped:
        example = answers.unmatched[0][:80]
        return (
            f"no recorded question is one of the {len(answers.entries):,} expected ones, of which "
            f"the first is {example!r} ({read}); expected the same wording, or an id that is the "
            f"trace's"
        )
    return f"no question was found in what was read ({read or 'no records'})"
