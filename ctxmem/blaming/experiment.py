"""The experiment: which questions are asked, what that takes, and what comes out of it."""

from __future__ import annotations

import random
from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ctxmem.blaming.asking import Request, in_parallel
from ctxmem.blaming.cache import Cache, hash_of
from ctxmem.blaming.evidence import MOST_JUDGED, Evidence, find_evidence, needs_judge
from ctxmem.blaming.judging import Judging
from ctxmem.blaming.models import Answer, AskError, LostError, Model, RefusedError
from ctxmem.blaming.recorded import Recorded
from ctxmem.blaming.verdicts import Verdict, decide
from ctxmem.blaming.windows import SENT, WINDOWS, Windows, windows_of
from ctxmem.errors import InputError
from ctxmem.protocols import Counter

_GIVE_UP = 10  # failures without one answer, or connections lost in a row, that end a run

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Trial:
    """One question and its windows.

    `keys` holds the hashes of the requests of a window, one for each repetition. Where `waits`, a
    judge has to find the evidence first.
    """

    recorded: Recorded
    evidence: Evidence
    windows: Windows
    waits: bool = False
    keys: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)
    right: dict[str, bool | None] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    why_unknown: dict[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None


@dataclass(slots=True)
class Asked:
    """What asking came to."""

    calls: int = 0
    input: int = 0
    output: int = 0
    empty: int = 0
    lost: int = 0
    failures: Count[str] = field(default_factory=Count)
    failed: dict[str, str] = field(default_factory=dict)


class Experiment:
    """Chooses the questions, asks them and decides.

    Windows that are the same text are one request, and what the cache has is not asked again.
    """

    def __init__(
        self,
        questions: Sequence[Recorded],
        model: Model,
        judging: Judging,
        cache: Cache,
        counter: Counter,
        *,
        budget: int | None,
        repeat: int,
        max_calls: int | None,
        seed: int,
    ) -> None:
        self._model = model
        self._judging = judging
        self._cache = cache
        self._counter = counter
        self._budget = budget
        self._repeat = repeat
        self.trials: list[Trial] = []
        self.requests: dict[str, Request] = {}
        self.cached = 0
        self.asked = Asked()
        self.costs: Mapping[str, float] | None = None
        self._choose(questions, max_calls, seed)

    def _choose(self, questions: Sequence[Recorded], most: int | None, seed: int) -> None:
        """Take questions, in an order drawn with the seed, while their calls are within bounds.

        What the cache has counts too, so that a run that goes on, or is printed in another form,
        has the same sample and asks nothing that was not planned.
        """
        order = list(range(len(questions)))
        if most is not None:
            random.Random(seed).shuffle(order)
        chosen: dict[int, Trial] = {}
        known: set[str] = set()
        for i in order:
            trial = self._trial(questions[i])
            new = {
                request.key: request
                for request in self._requests_of(trial)
                if request.key not in self.requests and request.key not in known
            }
            kept = {key for key in new if self._cache.get(key) is not None}
            later = self._repeat * sum(t.waits for t in (*chosen.values(), trial))
            calls = len(self.requests) + len(known) + len(new) + later
            if most is not None and calls > most:
                break
            self.requests.update((key, r) for key, r in new.items() if key not in kept)
            known |= kept
            chosen[i] = trial
        self.cached = len(known)
        self.trials = [chosen[i] for i in sorted(chosen)]

    def _trial(self, one: Recorded) -> Trial:
        evidence = find_evidence(one)
        waits = self._judging.function is not None and needs_judge(one, evidence)
        windows = windows_of(one, evidence, self._counter, self._budget)
        return Trial(one, evidence, windows, waits)

    @property
    def plan(self) -> dict[str, int]:
        """What asking takes at most: calls, tokens, and calls of the judge."""
        waiting = [trial for trial in self.trials if trial.waits]
        later = [trial.windows.tokens[SENT] * self._repeat for trial in waiting]
        calls = len(self.requests) + self._repeat * len(waiting)
        passages = sum(min(MOST_JUDGED, len(trial.recorded.spots)) for trial in waiting)
        answers = sum(len(keys) for trial in self.trials for keys in trial.keys.values())
        answers += self._repeat * len(waiting)
        return {
            "questions": len(self.trials),
            "calls": calls,
            "cached": self.cached,
            "input_tokens": sum(r.tokens for r in self.requests.values()) + sum(later),
            "output_tokens": calls * (self._model.output_tokens or 0),
            "judge_calls": passages + answers if self._judging.function is not None else 0,
        }

    def _requests_of(self, trial: Trial) -> Iterator[Request]:
        recorded = trial.recorded.model
        identity = self._model.identity(recorded)
        for name in WINDOWS:
            messages = trial.windows.messages.get(name)
            if messages is None:
                trial.why_unknown[name] = trial.windows.missing[name]
                continue
            base = hash_of([identity, messages])
            tokens = trial.windows.tokens[name]
            for number in range(self._repeat):
                key = hash_of([base, number])
                trial.keys.setdefault(name, []).append(key)
                yield Request(key, messages, recorded, tokens)

    @property
    def notes(self) -> dict[str, Any]:
        """What else a reader should know: of the judge, of the cache, of the address."""
        return {
            "judge_calls": self._judging.calls,
            "judge_failures": dict(self._judging.failures.most_common()),
            "damaged_in_cache": self._cache.damaged,
            "not_written_to_cache": self._cache.unwritten,
            "model": self._model.name,
            "adapted": dict(getattr(self._model, "notes", {})),
        }

    # Asking

    def run(self, progress: Progress | None = None) -> None:
        """Ask what is not in the cache, then judge and decide.

        Raises:
            InputError: the address or the key is wrong; what was answered is kept. Or the cache
                cannot be written; then nothing was asked.
        """
        if self.requests:
            self._cache.check()
        for trial in self.trials:
            if trial.waits:
                self._find_evidence(trial)
        todo = list(self.requests.values())
        for done, (request, answer) in enumerate(self._answers(todo), start=1):
            self._keep(request, answer)
            if progress is not None:
                progress(done, len(todo))
        for trial in self.trials:
            self._judge(trial)
        used = {key for trial in self.trials for keys in trial.keys.values() for key in keys}
        self.asked.empty = sum(
            not str(value.get("text", "")).strip()
            for value in map(self._cache.get, used)
            if value is not None
        )

    def _find_evidence(self, trial: Trial) -> None:
        """Let the judge find the evidence, and add the window that has nothing else."""
        one = trial.recorded
        trial.evidence = find_evidence(one, self._judging.passage)
        trial.windows = windows_of(one, trial.evidence, self._counter, self._budget)
        trial.keys, trial.why_unknown, trial.waits = {}, {}, False
        for request in self._requests_of(trial):
            if self._cache.get(request.key) is None:
                self.requests.setdefault(request.key, request)

    def _answers(self, todo: Sequence[Request]) -> Iterator[tuple[Request, Answer | AskError]]:
        if self._model.parallel < 2 or len(todo) < 2:
            for request in todo:
                yield request, self._ask(request)
            return
        yield from in_parallel(self._ask, todo, self._model.parallel)

    def _ask(self, request: Request) -> Answer | AskError:
        try:
            return self._model.ask(request.messages, request.model)
        except AskError as error:
            return error

    def _keep(self, request: Request, answer: Answer | AskError) -> None:
        asked = self.asked
        asked.calls += 1
        if isinstance(answer, AskError):
            reason = str(answer)
            if isinstance(answer, RefusedError):
                raise InputError(reason)
            asked.failures[reason] += 1
            asked.failed[request.key] = reason
            asked.lost = asked.lost + 1 if isinstance(answer, LostError) else 0
            failed = sum(asked.failures.values())
            # What failed before is asked again beside a cache, and may well fail again.
            if not self.cached and asked.calls == failed >= _GIVE_UP:
                raise InputError(f"{self._model.name} answered none of {failed} requests: {reason}")
            if asked.lost >= _GIVE_UP:
                raise InputError(
                    f"{self._model.name} answered none of the last {asked.lost} requests: {reason}"
                )
            return
        asked.lost = 0
        asked.input += request.tokens if answer.input is None else answer.input
        asked.output += (
            self._counter.count_many([answer.text])[0] if answer.output is None else answer.output
        )
        self._cache.put(request.key, {"text": answer.text})

    # Judging

    def _judge(self, trial: Trial) -> None:
        for name, keys in trial.keys.items():
            votes: list[bool] = []
            for key in keys:
                value = self._cache.get(key)
                if value is None:
                    failed = self.asked.failed.get(key, "it was not asked")
                    trial.why_unknown[name] = f"the {name} window: {failed}"
                    continue
                text = str(value.get("text", ""))
                trial.answers.setdefault(name, []).append(text)
                vote = self._judging.answer(trial.recorded, text)
                if vote is None:
                    trial.why_unknown[name] = self._judging.why
                else:
                    votes.append(vote)
            self._count(trial, name, votes)
        trial.verdict = decide(
            trial.right, trial.evidence, trial.windows.packed_evidence, trial.why_unknown
        )

    def _count(self, trial: Trial, name: str, votes: Sequence[bool]) -> None:
        """Take the majority of the repetitions; half of them right decides nothing."""
        trial.right[name] = None
        if not votes:
            return
        trial.shares[name] = sum(votes) / len(votes)
        if 2 * sum(votes) == len(votes):
            trial.why_unknown[name] = (
                f"half of the {len(votes)} answers in the {name} window are right; repeat more "
                f"often, an odd number of times"
            )
        else:
            trial.right[name] = 2 * sum(votes) > len(votes)


def compared(trials: Sequence[Trial], name: str) -> tuple[list[bool], list[bool]]:
    """Return the answers as sent and in another window, of the questions that have both."""
    pairs = [
        (first, second)
        for trial in trials
        if (first := trial.right.get(SENT)) is not None
        and (second := trial.right.get(name)) is not None
    ]
    return [first for first, _ in pairs], [second for _, second in pairs]
