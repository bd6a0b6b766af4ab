"""What came out of an experiment, as plain data."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ctxmem import report
from ctxmem.blaming.experiment import Experiment, Trial, compared
from ctxmem.blaming.plans import Plan, dollars_of
from ctxmem.blaming.statistics import compare, wilson
from ctxmem.blaming.verdicts import CONTEXT, FAULTS, MODEL, RETRIEVAL, UNDECIDED
from ctxmem.blaming.windows import EVIDENCE, SENT, WINDOWS
from ctxmem.schema import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class BlamedQuestion:
    """One question and what was at fault.

    Attributes:
        place, trace: where it was recorded.
        question, expected: what was asked, and the answers that are right.
        fault: "context", "model", "retrieval", "none" or "unknown".
        step: what was wrong with the context, "" for other faults.
        reason: the same in words.
        needs_context: False if the answer is right without context, None if that is not known.
        evidence: where the evidence is.
        right: whether the answer is right, by window; None if that is not known.
        shares: share of right answers, by window.
        answers: the first answer, by window.
        tokens: of each window.
    """

    place: str
    trace: str
    question: str
    expected: list[str]
    fault: str
    step: str
    reason: str
    needs_context: bool | None
    evidence: str
    right: dict[str, bool | None]
    shares: dict[str, float]
    answers: dict[str, str]
    tokens: dict[str, int]


@dataclass(frozen=True, slots=True)
class Blame:
    """What was at fault in recorded questions.

    Attributes:
        questions: each question with its fault.
        faults: of each fault the count, the share, its 95 % interval, and the steps of the context.
        windows: of each window how many answers are right, and the comparison with the sent one.
        training: how many questions fine-tuning could help at most, and those it could not.
        asked: calls, tokens, dollars, failures.
        plan: what was planned.
    """

    questions: list[BlamedQuestion]
    faults: dict[str, dict[str, Any]]
    windows: dict[str, dict[str, Any]]
    training: dict[str, Any]
    asked: dict[str, Any]
    plan: Plan

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON, with a schema version."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    def __str__(self) -> str:
        return report.blame_text(self.to_dict())

    def to_html(self, path: str | Path) -> Path:
        """Write it as a page of one file and return the path."""
        target = Path(path)
        target.write_text(report.blame_page(self.to_dict()), encoding="utf-8")
        return target

    def _repr_html_(self) -> str:
        return report.blame_html(self.to_dict())


def result_of(experiment: Experiment, plan: Plan) -> Blame:
    """Return what came out of an experiment that was run."""
    trials = experiment.trials
    asked = experiment.asked
    return Blame(
        [_question(trial) for trial in trials],
        _faults(trials),
        {name: _window(trials, name) for name in WINDOWS},
        _training(trials),
        {
            "calls": asked.calls,
            "cached": experiment.cached,
            "input_tokens": asked.input,
            "output_tokens": asked.output,
            "dollars": dollars_of(experiment.costs, asked.input, asked.output),
            "empty": asked.empty,
            "failures": dict(asked.failures.most_common()),
            **experiment.notes,
        },
        plan,
    )


def _question(trial: Trial) -> BlamedQuestion:
    one, verdict = trial.recorded, trial.verdict
    assert verdict is not None
    return BlamedQuestion(
        one.place,
        one.trace,
        one.question,
        list(one.expected.answers) if one.expected is not None else [],
        verdict.fault,
        verdict.step,
        verdict.reason,
        verdict.needs_context,
        trial.evidence.state,
        {name: trial.right.get(name) for name in WINDOWS},
        trial.shares,
        {name: answers[0] for name, answers in trial.answers.items()},
        trial.windows.tokens,
    )


def _faults(trials: Sequence[Trial]) -> dict[str, dict[str, Any]]:
    total = len(trials)
    verdicts = [trial.verdict for trial in trials if trial.verdict is not None]
    counts = Count(verdict.fault for verdict in verdicts)
    found: dict[str, dict[str, Any]] = {}
    for fault in FAULTS:
        count = counts[fault]
        found[fault] = {
            "count": count,
            "share": count / total if total else 0.0,
            "interval": list(wilson(count, total)),
        }
    steps = Count(verdict.step for verdict in verdicts if verdict.fault == CONTEXT)
    found[CONTEXT]["steps"] = dict(steps.most_common())
    reasons = Count(verdict.reason for verdict in verdicts if verdict.fault == UNDECIDED)
    found[UNDECIDED]["reasons"] = dict(reasons.most_common())
    return found


def _window(trials: Sequence[Trial], name: str) -> dict[str, Any]:
    known = [trial.right[name] for trial in trials if trial.right.get(name) is not None]
    right = sum(map(bool, known))
    tokens = [trial.windows.tokens[name] for trial in trials if name in trial.windows.tokens]
    missing = Count(
        trial.windows.missing[name] for trial in trials if name in trial.windows.missing
    )
    found: dict[str, Any] = {
        "asked": len(known),
        "right": right,
        "share": right / len(known) if known else 0.0,
        "interval": list(wilson(right, len(known))),
        "mean_tokens": sum(tokens) / len(tokens) if tokens else 0.0,
        "not_asked": dict(missing.most_common()),
    }
    if name != SENT:
        found["against_sent"] = compare(*compared(trials, name)).to_dict()
    return found


def _training(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return how many questions fine-tuning could help: those of the model, and at most those that
    lack evidence too."""
    total = len(trials)
    faults = Count(trial.verdict.fault for trial in trials if trial.verdict is not None)
    both = sum(
        trial.verdict is not None
        and trial.verdict.fault == RETRIEVAL
        and trial.right.get(EVIDENCE) is False
        for trial in trials
    )
    known = sum(
        trial.verdict is not None and trial.verdict.needs_context is False for trial in trials
    )
    return {
        "questions": total,
        "could_help": faults[MODEL],
        "share": faults[MODEL] / total if total else 0.0,
        "interval": list(wilson(faults[MODEL], total)),
        "better_window": faults[CONTEXT],
        "better_retriever": faults[RETRIEVAL],
        "retriever_and_model": both,
        "no_context_needed": known,
    }
