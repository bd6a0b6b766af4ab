"""Whether answers are right, by the expected ones or by a judge, which is asked once for each."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable
from typing import Any

from ctxmem.blaming.answers import is_right, may_be_either, verdict_of_judge
from ctxmem.blaming.cache import Cache, hash_of
from ctxmem.blaming.expected import Expected
from ctxmem.blaming.functions import fingerprint, name_of
from ctxmem.blaming.models import without_secrets
from ctxmem.blaming.recorded import Recorded
from ctxmem.errors import InputError

_GIVE_UP = 10  # failures without one judgement, after which a run ends


class Judging:
    """Decides on answers; a judge that raises leaves one answer undecided.

    Attributes:
        function: of question, expected answer and answer; None compares texts.
        calls: how often it was called; what it said before is in the cache.
        failures: what it raised.
        why: why the last answer could not be decided.
    """

    def __init__(
        self, function: Callable[..., Any] | None, cache: Cache, match: str, threshold: float
    ) -> None:
        self.function = function
        self._cache = cache
        self._match = match
        self._threshold = threshold
        self._identity = None if function is None else [name_of(function), fingerprint(function)]
        self._judged = False
        self.calls = 0
        self.failures: Count[str] = Count()
        self.why = ""

    def answer(self, one: Recorded, text: str) -> bool | None:
        """Return whether an answer is right, None if the judge could not say.

        Raises:
            InputError: the judge has failed again and again, and has never judged.
        """
        expected = one.expected
        if not text.strip():
            return False
        if self.function is not None:
            return self._asked(one.question, expected, text)
        if expected is None or not expected.answers:
            self.why = "the expected file gives evidence and no answer"
            return None
        if self._match != "exact" and may_be_either(text, expected.answers):
            self.why = (
                "the expected answer is yes or no, and the model's answer says neither; a judge "
                "(--judge) can decide"
            )
            return None
        return is_right(text, expected.answers, match=self._match, threshold=self._threshold)

    def passage(self, question: str, expected: Expected | None, text: str) -> bool | None:
        """Return whether the judge takes a passage for an answer, None if it could not say."""
        return self._asked(question, expected, text)

    def _asked(self, question: str, expected: Expected | None, text: str) -> bool | None:
        answers = expected.answers if expected is not None else []
        wanted: Any = answers[0] if len(answers) == 1 else (list(answers) or None)
        key = hash_of(["judge", self._identity, question, wanted, text])
        known = self._cache.get(key)
        if known is not None:
            self._judged = True
            return bool(known["right"])
        assert self.function is not None
        self.calls += 1
        try:
            right = verdict_of_judge(self.function(question, wanted, text))
        except Exception as error:
            said = without_secrets(str(error))
            self.why = f"the judge raised {type(error).__name__}: {said}"
            self.failures[self.why] += 1
            if not self._judged and self.calls >= _GIVE_UP:
                raise InputError(f"none of {self.calls} judgements came: {self.why}") from None
            return None
        self._judged = True
        self._cache.put(key, {"right": right})
        return right
