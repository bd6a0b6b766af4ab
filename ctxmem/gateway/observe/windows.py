"""The context windows of models: a dated table, because they change several times a year.

A row says what is refused. Where accounts differ (a larger window behind a header or a tier) it has
the larger number: a request that some account could send is never trimmed. A model that is not in
the table has no window that we know, and nothing is trimmed for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LOOKED_UP = "2026-11-27"
_ANTHROPIC = "platform.claude.com/docs/en/about-claude/models/overview"
_OPENAI = "developers.openai.com/api/docs/models"
_LITELLM = "BerriAI/litellm model_prices_and_context_window.json, as of litellm 1.110.2"


@dataclass(frozen=True, slots=True)
class ModelWindow:
    """What a model takes.

    Attributes:
        models: names without dates.
        window: tokens of the request and its answer together.
        most_input: tokens of the request alone, where the provider has a limit of its own.
        source: where that is published.
        date: when it was looked up.
    """

    models: tuple[str, ...]
    window: int
    most_input: int
    source: str
    date: str = LOOKED_UP

    def room(self, answer: int | None) -> int:
        """Return the tokens that a request may have beside an answer of so many."""
        return max(0, min(self.most_input, self.window - (answer or 0)))


def _row(models: str, window: int, most_input: int = 0, source: str = _LITELLM) -> ModelWindow:
    return ModelWindow(tuple(models.split()), window, most_input or window, source)


WINDOWS = (
    _row("claude-3-opus claude-3-sonnet claude-3-haiku claude-3-5-sonnet claude-3-5-haiku "
         "claude-3-7-sonnet claude-opus-4 claude-opus-4-0 claude-opus-4-1 claude-opus-4-5 "
         "claude-haiku-4-5", 200_000, source=f"{_ANTHROPIC}; {_LITELLM}"),
    # 200,000 without the header `anthropic-beta: context-1m-2025-08-07`.
    _row("claude-sonnet-4 claude-sonnet-4-0 claude-sonnet-4-5", 1_000_000, source=_ANTHROPIC),
    _row("claude-sonnet-4-6 claude-sonnet-5 claude-sonnet-5-5 claude-opus-4-6 claude-opus-4-7 "
         "claude-opus-4-8 claude-opus-5 claude-opus-5-5 claude-fable-5 claude-fable-5-1 "
         "claude-mythos-5 claude-mythos-5-1 claude-haiku-5-5", 1_000_000,
         source=f"{_ANTHROPIC}; {_LITELLM}"),
    _row("gpt-3.5-turbo gpt-3.5-turbo-16k", 16_385, source=f"{_OPENAI}; {_LITELLM}"),
    _row("gpt-4", 8_192, source=f"{_OPENAI}; {_LITELLM}"),
    _row("gpt-4-turbo gpt-4o gpt-4o-mini chatgpt-4o", 128_000, source=f"{_OPENAI}; {_LITELLM}"),
    _row("gpt-4.1 gpt-4.1-mini gpt-4.1-nano", 1_047_576, source=f"{_OPENAI}; {_LITELLM}"),
    _row("o1 o1-pro o3 o3-mini o3-pro o4-mini", 200_000, source=f"{_OPENAI}; {_LITELLM}"),
    _row("gpt-5-chat gpt-5.1-chat gpt-5.2-chat gpt-5.3-chat", 128_000),
    _row("gpt-5 gpt-5-mini gpt-5-nano gpt-5-codex gpt-5.1 gpt-5.2 gpt-5.2-codex gpt-5.2-pro "
         "gpt-5.3-codex gpt-5.4-mini gpt-5.4-nano", 400_000, 272_000),
    # Sources differ on how much of it a request may have.
    _row("gpt-5-pro gpt-5.1-codex gpt-5.1-codex-mini gpt-5.1-codex-max", 400_000),
    _row("gpt-5.4 gpt-5.4-pro gpt-5.5 gpt-5.5-pro gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna",
         1_050_000),
    _row("gpt-6-astra gpt-6-sol gpt-6-luna gpt-6.1-sol gpt-6.1-terra", 1_050_000, 922_000),
)  # fmt: skip
"""The rows that we know."""

_BY_NAME = {name: row for row in WINDOWS for name in row.models}
_DATED = re.compile(r"-(latest|\d{4}-\d\d-\d\d|\d{8}|\d{4})$")


def window_of(model: str) -> ModelWindow | None:
    """Return what a model takes, None if it is not known.

    A date behind the name and a provider before it ("openai/gpt-4o-2024-08-06") change nothing;
    any other addition makes it another model.

    >>> window_of("gpt-4o-2024-08-06").window
    128000
    >>> window_of("gpt-4o-audio-preview") is None
    True
    """
    name = model.lower().rpartition("/")[2]
    return _BY_NAME.get(name) or _BY_NAME.get(_DATED.sub("", name))
