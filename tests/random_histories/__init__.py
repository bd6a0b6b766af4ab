"""Random agent histories in each provider's own JSON shape, many of them broken on purpose.

``random_history(rng, provider, size)`` is seeded by ``rng`` only. A share of the histories is drawn
without any fault, the others break one or a few rules in the ways real agents do: cancelled calls,
late, lost, stale and repeated results, notes in the wrong place, thoughts that lead nowhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .anthropic_messages import anthropic_history
from .bedrock_converse import bedrock_history
from .gemini_contents import gemini_history
from .openai_chat import openai_history
from .openai_responses import responses_history
from .ui_messages import random_ui_history

__all__ = ["random_history", "random_ui_history"]


def random_history(rng: random.Random, provider: str, size: int) -> list[dict]:
    """A history of about ``size`` messages, valid or broken in some places."""
    makers: dict[str, Callable[[random.Random, int], list[dict]]] = {
        "openai": openai_history,
        "responses": responses_history,
        "anthropic": anthropic_history,
        "gemini": gemini_history,
        "bedrock": bedrock_history,
    }
    return makers[provider](rng, size)
