"""A checker of chat histories, written from the published rules and apart from the code.

``problems(messages, provider)`` returns one string per broken rule, as
``"<rule id>: message <n>: ..."``. Every rule is one short generator over plain dicts, written for
clarity and not for speed. Blocks and items of an unknown kind are never judged.
"""

from __future__ import annotations

from .anthropic_messages import anthropic_problems
from .bedrock_converse import bedrock_problems
from .common import refuses_prefill, takes_system_inside
from .gemini_contents import gemini_problems
from .openai_chat import openai_problems
from .openai_responses import responses_problems

__all__ = ["CONTESTED", "problems", "refuses_prefill", "takes_system_inside"]

# Rules of which sources disagree or only hint: reported with contested=True only.
CONTESTED = {
    "RS-BEFORE",
    "RS-DUP-CALL",
    "RS-DUP-OUTPUT",
    "RS-APPROVAL",
    "AN-BLANK-NESTED",
    "GM-EMPTY-TEXT",
    "GM-ID",
    "GM-LAST",
    "GM-FIRST",
    "BR-DUP-CALL-FAR",
    "BR-RESULT-FIRST",
    "BR-CACHE-FIRST",
    "BR-END-THINK",
}


def problems(
    messages: list,
    provider: str,
    model: str | None = None,
    in_flight_ok: bool = True,
    contested: bool = False,
) -> list[str]:
    """Say what the provider would refuse of this history; an empty list means it is fine."""
    if provider == "anthropic":
        found = list(anthropic_problems(messages, model, in_flight_ok))
    elif provider == "bedrock":
        found = list(bedrock_problems(messages, model, in_flight_ok))
    elif provider == "gemini":
        found = list(gemini_problems(messages, model, in_flight_ok))
    elif provider == "openai":
        found = list(openai_problems(messages, in_flight_ok))
    elif provider == "responses":
        found = list(responses_problems(messages, in_flight_ok))
    else:
        raise ValueError(f"unknown provider: {provider!r}")
    return [
        f"{rule}: message {place}: {text}"
        for rule, place, text in found
        if contested or rule not in CONTESTED
    ]
