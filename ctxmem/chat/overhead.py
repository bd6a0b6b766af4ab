"""What a request costs beyond its texts: its messages, calls, results, tools and answer schema.

Facts of providers, as a table with source and date; those of media are in `ctxmem.chat.media`.
`exact` names what reproduces recorded usages. What a provider does not publish was measured, and
holds a number on the safe side: the count of a request is not below its usage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ctxmem.chat.rules import wire_format


@dataclass(frozen=True, slots=True)
class Overhead:
    """Tokens that a provider adds, beyond the texts themselves.

    Attributes:
        request: once per request.
        message: per message, beside its role.
        name: per message with a name, beside the name.
        call: per tool call, beside id, name and arguments.
        result: per tool result that is a block, beside id and content.
        tools: once, if there are tools.
        tool: per tool, beside its schema.
        source: where it is published or measured.
        date: when that was looked up.
        forced: in place of `tools`, if the model has to call a tool (OpenAI: a certain one).
        system_saves: what of `tools` is not added where there is a system message.
        together: once per message with several calls, in place of `call` per call; 0 if it is not
            known to be less.
        schema: once, if the answer has a JSON schema, beside that schema.
        hosted: per tool that the provider runs, beside what is said of it as JSON.
        cited: per message with a document or search result whose citations are enabled.
        item: per Responses item that has no role, in place of one.
        roles: whether the role counts as a text.
        ids: whether ids of calls and results, and names of results, are sent to the model.
        exact: the fields that reproduce recorded usages; the others are upper bounds.
    """

    request: int
    message: int
    name: int
    call: int
    result: int
    tools: int
    tool: int
    source: str
    date: str
    forced: int = 0
    system_saves: int = 0
    together: int = 0
    schema: int = 0
    hosted: int = 0
    cited: int = 0
    item: int = 0
    roles: bool = True
    ids: bool = True
    exact: frozenset[str] = frozenset()


_DATE = "2026-11"
_OPENAI_SOURCE = (
    "request, message, name: OpenAI cookbook, How to count tokens with tiktoken; call, tools, "
    "schema: not published, measured on 118 recorded usages"
)
_CLAUDE_SOURCE = (
    "tools, forced: platform.claude.com/docs tool use overview, table of 2026-09; the rest is not "
    "published and above 56 recorded usages; request: 28 of it where thinking is enabled"
)
_COOKBOOK = frozenset({"request", "message", "name"})
_MEASURED = _COOKBOOK | {"call", "result", "tools", "tool", "forced", "together", "ids"}

OVERHEAD = {
    "openai": Overhead(
        *(3, 3, 1, 12, 4, 11, 0, _OPENAI_SOURCE, _DATE),
        forced=18,
        schema=12,
        hosted=24,
        item=1,
        ids=False,
        exact=_COOKBOOK,
    ),
    "anthropic": Overhead(
        *(36, 5, 1, 12, 12, 675, 16, _CLAUDE_SOURCE, _DATE), forced=804, schema=180, cited=560
    ),
    "gemini": Overhead(
        *(8, 0, 1, 2, 2, 0, 0),
        "not published; recorded usages have nothing per message, 8 per request with "
        "gemini-2.5-pro-preview",
        _DATE,
        roles=False,
    ),
    "bedrock": Overhead(
        *(36, 5, 1, 12, 12, 675, 16),
        "not published; the larger of Anthropic's and of recorded usages of Nova, Mistral and "
        "DeepSeek",
        _DATE,
        forced=804,
        schema=180,
        cited=560,
    ),
}
"""Per provider: what holds where the model is not known, the largest of its rows in `MODELS`.

Counts of Claude and Gemini are estimates in any case: their tokenizers are not public.
"""


def _claude(tools: int, forced: int, request: int = 36) -> Overhead:
    return replace(OVERHEAD["anthropic"], tools=tools, forced=forced, request=request)


_OPENAI, _GEMINI = OVERHEAD["openai"], OVERHEAD["gemini"]
_CLAUDE_MODELS = (
    ("opus-5(?![-.]\\d)", _claude(286, 406)),
    ("sonnet-5(?![-.]\\d)", _claude(354, 474)),
    ("opus-4-8", _claude(290, 410)),
    ("opus-4-7", _claude(675, 804)),
    ("(?:opus|sonnet)-4-6", _claude(497, 589)),
    ("(?:opus|sonnet|haiku)-4-5", _claude(496, 588)),
    ("(?:opus|sonnet)-4(?:-[01](?!\\d)|-2025|@|$)", _claude(346, 346)),
    ("3[-.]7-sonnet", _claude(346, 346)),
    ("3[-.]5-haiku", _claude(346, 355, request=8)),
    ("3[-.]5-sonnet", _claude(346, 313, request=8)),
    ("3-opus", _claude(530, 281, request=8)),
    ("3-sonnet", _claude(159, 235, request=8)),
    ("3-haiku", _claude(264, 340, request=8)),
)
MODELS: dict[str, tuple[tuple[str, Overhead], ...]] = {
    "openai": (
        # With nothing but functions, tools cost 5 and their text, 4 more without system message.
        (
            "gpt-(?:3\\.5|35|4(?![.o]))",
            replace(_OPENAI, call=5, tools=11, forced=18, system_saves=4, together=24,
                    exact=_MEASURED),
        ),
        (
            "gpt-4",
            replace(_OPENAI, call=5, tools=10, forced=17, system_saves=4, together=24,
                    exact=_MEASURED),
        ),
        ("gpt-[5-9]|(?:^|/)o[1-9](?:-|$)", replace(_OPENAI, tools=9, forced=16, exact=_MEASURED)),
    ),
    "anthropic": _CLAUDE_MODELS,
    "gemini": (
        ("gemini-2\\.5-pro-preview", _GEMINI),
        ("gemini", replace(_GEMINI, request=0)),
    ),
    "bedrock": (
        *_CLAUDE_MODELS,
        ("nova", replace(OVERHEAD["bedrock"], request=0, message=0, tools=400, forced=400,
                         roles=False)),
    ),
}  # fmt: skip
"""Per provider: patterns in the names of models, and their rows; the first that is found holds.

Where Anthropic published two tables for a model, the larger number holds.
"""


def overhead_of(provider: str, model: str | None) -> Overhead:
    """Return the row of a model, or the provider's own where the table does not know it."""
    for pattern, row in MODELS[provider] if model else ():
        if re.search(pattern, str(model), re.IGNORECASE):
            return row
    return OVERHEAD[provider]


def provider_of(provider: str | None, counter: str) -> str:
    """Return the provider whose overhead holds: the one named, else the counter's."""
    named = wire_format(provider)
    if named is not None:
        return "openai" if named == "responses" else named
    if counter.startswith("claude"):
        return "anthropic"
    return "gemini" if counter.startswith("gemini") else "openai"
