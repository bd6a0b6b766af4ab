"""Trim the messages of a request to what its instructions and tools leave of the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ctxmem.assembling import NOTE_MOST, NOTE_SHARE, Bindings
from ctxmem.chat import OVERHEAD, count_messages, read_one, trim_messages
from ctxmem.errors import BudgetError
from ctxmem.intake import read_budget
from ctxmem.schema import Budget
from ctxmem.tokens import resolve


@dataclass(frozen=True, slots=True)
class RequestStats:
    """What a model call was given.

    Attributes:
        messages: how many messages there were.
        kept: how many of these were sent.
        tokens: the tokens of the request, instructions and tools included.
        fixed: the tokens of instructions and tools, and what a request without messages costs.
        budget: the budget, in tokens.
    """

    messages: int
    kept: int
    tokens: int
    fixed: int
    budget: int


@dataclass(frozen=True, slots=True)
class Trimmer:
    """The options of `trim_messages` that an adapter was made with.

    `provider` names whose overhead is counted where a call does not say. `low_water` is that of
    `trim_messages`: whenever the budget is reached the oldest units leave until that share of it is
    left, so that the requests between two cuts begin with the same bytes.
    """

    limit: int
    counter: object
    provider: str | None
    low_water: float | None

    def cut(
        self,
        messages: Sequence[Any],
        *,
        instructions: Any = None,
        tools: Iterable[Any] = (),
        answer: Any = None,
        provider: str | None = None,
        note: Callable[[str], Any] | None = None,
    ) -> tuple[list[Any], RequestStats]:
        """Return the messages that fit beside instructions and tools, and what was counted.

        What binds of the messages that leave (rules, limits, decisions, values) is in a note behind
        the system messages, as long as nothing supersedes it; `note` makes a message of its text.

        `answer` is what a request says of a JSON schema for its answer, or the schema itself.
        The list begins with a question of the user where that is possible: some providers take no
        other. Raises `BudgetError` if what must stay does not fit; its `pinned` names it.
        """
        provider = self.provider or provider
        system = [{"role": "system", "content": instructions}] if instructions else []
        fixed = count_messages(
            system, self.counter, tools=list(tools), response_format=answer, provider=provider
        )
        beside = fixed - count_messages([], self.counter, provider=provider)
        given = list(messages)
        kept = self._trimmed(given, beside, provider)
        sent = kept
        if len(kept) < len(given):
            kept, sent = self._with_note(given, kept, beside, provider, note or _user)
        tokens = count_messages(sent, self.counter, provider=provider) + beside
        stats = RequestStats(len(given), len(kept), tokens, fixed, self.limit)
        return sent, stats

    def _with_note(
        self,
        given: list[Any],
        kept: list[Any],
        beside: int,
        provider: str | None,
        make: Callable[[str], Any],
    ) -> tuple[list[Any], list[Any]]:
        """Return the messages that are kept beside a note of what binds in others, and both.

        The note has a fixed share of the budget, so that what is kept does not depend on it: the
        requests between two cuts begin with the same bytes.
        """
        bindings = Bindings(given)
        if not bindings:
            return kept, kept

        def priced(messages: list[Any]) -> int:
            return count_messages(messages, self.counter, provider=provider)

        around = priced([make("")]) - priced([])
        share = min(NOTE_MOST, int(NOTE_SHARE * (self.limit - beside)))
        try:
            kept = self._trimmed(given, beside + share, provider)
        except BudgetError:  # what must stay needs the share, or a part of it
            share = self.limit - beside - priced(kept)
        text = bindings.note(kept, share - around, resolve(self.counter).count)
        if not text:
            return kept, kept
        roles = [read_one(message, i) for i, message in enumerate(kept)]
        at = next((i for i, turn in enumerate(roles) if not turn.rules), len(kept))
        sent = [*kept[:at], make(text), *kept[at:]]
        return (kept, sent) if priced(sent) + beside <= self.limit else (kept, kept)

    def _trimmed(self, messages: list[Any], beside: int, provider: str | None) -> list[Any]:
        taken = f", of which {beside:,} are taken by instructions and tools," if beside else ""
        if beside >= self.limit:
            raise BudgetError(
                f"budget is {self.limit:,} tokens{taken} but messages need some too: raise the "
                "budget, or shorten the instructions or the schemas of the tools",
                pinned=["instructions and tools"],
            )
        options: dict[str, Any] = {
            "counter": self.counter,
            "provider": provider,
            "low_water": self.low_water,
        }
        try:
            kept = trim_messages(messages, self.limit - beside, **options)
            if not _begins_with_user(kept):
                begun = trim_messages(messages, self.limit - beside, start_on="user", **options)
                kept = begun if _begins_with_user(begun) else kept
            return kept
        except BudgetError as error:
            if not error.pinned or not beside:
                raise
            raise BudgetError(
                f"budget is {self.limit:,} tokens{taken} but what must stay does not fit: raise "
                f"the budget or shorten {', '.join(error.pinned)}",
                pinned=error.pinned,
            ) from None


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _begins_with_user(messages: Sequence[Any]) -> bool:
    roles = (read_one(message, i).role for i, message in enumerate(messages))
    return next((role for role in roles if role != "system"), "") == "user"


def trimmer(
    budget: int | Budget, counter: object, provider: str | None, low_water: float | None
) -> Trimmer:
    """Return a trimmer of checked options.

    Raises `BudgetError`, `InputError` or `InputTypeError` for options that cannot be used.
    """
    limit = read_budget(budget).limit
    resolve(counter)
    trim_messages([], limit, counter=counter, provider=provider, low_water=low_water)
    return Trimmer(limit, counter, provider, low_water)


def known_provider(name: object) -> str | None:
    """Return the provider whose overhead is known by a name, None for others.

    >>> known_provider("openai"), known_provider("test")
    ('openai', None)
    """
    return name if isinstance(name, str) and name in OVERHEAD else None
