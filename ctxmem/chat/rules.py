"""What providers refuse in a history: a dated table, each rule with its source.

`check` cites a rule by its `Finding.rule`. A rule holds for a wire format: OpenAI has two. What
depends on the model has the models in its value, and holds where `model` is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ctxmem.chat.shapes import shown
from ctxmem.errors import InputError

LOOKED_UP = "2026-11-27"
"""When every row was last compared with its source."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a provider refuses.

    Attributes:
        name: what it is about; equal names mean the same thing at every provider.
        provider: the wire format it holds for: openai (Chat Completions), responses, anthropic,
            gemini or bedrock.
        says: the rule as a sentence.
        source: the documentation, or the report with the error message.
        published: whether the provider documents it; else it is known from its error messages.
        value: its number, pattern or models, None where it has none.
        date: when the source was last looked up.
    """

    name: str
    provider: str
    says: str
    source: str
    published: bool = True
    value: Any = None
    date: str = LOOKED_UP

    def __str__(self) -> str:
        return f"{self.provider}.{self.name}: {self.says} ({self.source}, {self.date})"


_ANTHROPIC = "platform.claude.com/docs"
_CONVERSE = "docs.aws.amazon.com Converse"
_GEMINI = "ai.google.dev/gemini-api/docs"
_OPENAI = "platform.openai.com/docs API reference"

# Claude Opus 4.6 to 4.8, Sonnet 4.6, Mythos and every model of the fifth generation.
_NO_PREFILL = re.compile(
    r"(?:^|[./:])claude-(?:opus-4-[6-8]|sonnet-4-6|mythos|(?:opus|sonnet|haiku|fable|mythos)-5)",
    re.IGNORECASE,
)
_SYSTEM_INSIDE = re.compile(
    r"(?:^|[./:])claude-(?:opus-4-[89]|(?:opus|sonnet|haiku|fable|mythos)-5)", re.IGNORECASE
)
_GEMINI_3 = re.compile(r"(?:^|/)gemini-[3-9](?!.*image)", re.IGNORECASE)
_GEMINI_NO_PREFILL = re.compile(r"(?:^|/)gemini-(?:3\.5-flash-lite|3\.[6-9]|[4-9])", re.IGNORECASE)
_CLAUDE_ID = re.compile(r"[a-zA-Z0-9_-]+\Z")
_BEDROCK_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}\Z")
_OPENAI_ID = re.compile(r"(?s).{1,64}\Z")
_HOSTED_ID = re.compile(r"srvtoolu_[a-zA-Z0-9_]+\Z")


def _rows(provider: str, *rows: tuple[Any, ...]) -> list[Rule]:
    return [Rule(row[0], provider, row[1], row[2], *row[3:]) for row in rows]


RULES: tuple[Rule, ...] = (
    *_rows(
        "openai",
        ("roles", "roles are system, developer, user, assistant, tool and function", _OPENAI),
        (
            "result_follows",
            "tool messages directly follow the assistant message with their calls",
            "FoundationAgents/OpenManus#744, simonw/llm#937",
            False,
        ),
        (
            "call_answered",
            "every id in tool_calls has a tool message directly after it",
            "BerriAI/litellm#10083",
            False,
        ),
        ("one_result", "a call has one tool message", "agno-agi/agno#5116", False),
        ("unique_calls", "an id occurs once in a tool_calls", "agno-agi/agno#5116", False, "turn"),
        ("id_form", "an id has at most 64 characters", "decolua/9router#3167", False, _OPENAI_ID),
        ("no_empty_calls", "tool_calls is not empty", "openai/openai-python#2061", False),
        ("content", "content is no null without tool_calls, and no empty list", _OPENAI),
        ("legacy", "a function message has a name", "langchain-ai/langchainjs#6570", False),
    ),
    *_rows(
        "responses",
        ("roles", "roles are system, developer, user and assistant", _OPENAI),
        (
            "result_follows",
            "an output has its call before it",
            "continuedev/continue#10092, microsoft/vscode#320060",
            False,
        ),
        (
            "call_answered",
            "every call has an output",
            "router-for-me/CLIProxyAPI#2368, openai/openai-agents-python#1855",
            False,
        ),
        ("one_result", "a call has one output", "openai/gpt-oss#309", False),
        ("unique_calls", "a call_id occurs in one call", "openai/gpt-oss#309", False, "request"),
        ("id_form", "a call_id has at most 64 characters", "RooCodeInc/Roo-Code#10763", False,
         _OPENAI_ID),
        ("call_id", "calls and outputs have a call_id", _OPENAI),
        ("unique_items", "an item id occurs once", "vercel/ai#13307", False),
        (
            "item_form",
            "ids of messages begin with msg, of reasoning with rs, of function calls with fc",
            "openai/codex#33176, Wei-Shaw/sub2api#3981",
            False,
            {"message": "msg", "reasoning": "rs", "function_call": "fc"},
        ),
        (
            "reasoning_leads",
            "a reasoning item is followed by the item that it led to",
            "vercel/ai#7099, openai/openai-agents-python#1611, continuedev/continue#8933",
            False,
        ),
        ("text_type", "input_text is the user's, output_text the assistant's", _OPENAI),
        ("empty", "a message holds something", _OPENAI),
    ),
    *_rows(
        "anthropic",
        ("roles", "roles are user and assistant", f"{_ANTHROPIC}/en/api/messages"),
        (
            "system_place",
            "system instructions precede all messages; newer models accept them after a user "
            "message too, as the last message or before an assistant message",
            f"{_ANTHROPIC}/en/build-with-claude/mid-conversation-system-messages",
            True,
            _SYSTEM_INSIDE,
        ),
        (
            "first_user",
            "the first message is the user's",
            "langchain-ai/langchain4j#940, lobehub/lobe-chat#1601",
            False,
        ),
        (
            "result_follows",
            "results are in the message after their calls",
            f"{_ANTHROPIC}/en/agents-and-tools/tool-use/handle-tool-calls",
        ),
        (
            "call_answered",
            "every tool_use has a tool_result in the next message",
            f"{_ANTHROPIC}/en/agents-and-tools/tool-use/handle-tool-calls",
        ),
        (
            "results_together",
            "all results of a message's calls are in one message",
            "MoonshotAI/kosong#45, anthropics/claude-code#8210",
            False,
        ),
        (
            "results_first",
            "results precede all other blocks of their message",
            f"{_ANTHROPIC}/en/agents-and-tools/tool-use/handle-tool-calls",
        ),
        ("one_result", "a tool_use has one tool_result", "anthropics/claude-code#14110", False),
        (
            "unique_calls",
            "an id occurs in one tool_use of the request",
            "anthropics/claude-code#28515",
            False,
            "request",
        ),
        (
            "id_form",
            "an id is made of letters, digits, _ and -",
            "sst/opencode#1279",
            False,
            _CLAUDE_ID,
        ),
        ("call_side", "calls are the assistant's, results the user's",
         f"{_ANTHROPIC}/en/api/messages"),
        (
            "empty",
            "messages have content, except a final one of the assistant",
            "anthropics/claude-code#6774",
            False,
        ),
        (
            "not_blank",
            "texts hold more than white space",
            "anthropics/claude-code#59812, anomalyco/opencode#31259",
            False,
        ),
        ("cache_marks", "a request has at most 4 cache marks, its tools' included",
         f"{_ANTHROPIC}/en/build-with-claude/prompt-caching", True, 4),
        ("mark_place", "thoughts and empty texts have no cache mark",
         f"{_ANTHROPIC}/en/build-with-claude/prompt-caching"),
        (
            "no_prefill",
            "the last message is the user's: the model completes no answer",
            f"{_ANTHROPIC}/en/about-claude/models/migrating-to-claude-4, vercel/ai#12296",
            True,
            _NO_PREFILL,
        ),
        (
            "final_space",
            "a final text of the assistant does not end in white space",
            "langchain-ai/langchain#35072, crewAIInc/crewAI#4430",
            False,
        ),
        (
            "final_thought",
            "a final message of the assistant does not end in a thought",
            "tailcallhq/forgecode#2107, router-for-me/CLIProxyAPI#5321",
            False,
        ),
        ("error_text", "a result that is an error has content", "bytedance/trae-agent#231", False),
        ("signed", "thoughts have their signature", f"{_ANTHROPIC}/en/api/messages"),
        (
            "hosted_pairs",
            "the call and the result of a server tool are in one assistant turn",
            "pydantic/pydantic-ai#2600, anthropics/anthropic-sdk-python#961",
            False,
        ),
        (
            "hosted_form",
            "an id of a server tool begins with srvtoolu_",
            "Anthropic's OpenAPI schema",
            True,
            _HOSTED_ID,
        ),
    ),
    *_rows(
        "gemini",
        ("roles", "roles are user and model", f"{_GEMINI}/api/generate-content"),
        ("system_place", "system instructions are outside of the contents",
         f"{_GEMINI}/api/generate-content"),
        ("empty", "a content has parts", "vercel/ai#3775", False),
        ("not_blank", "a text part has text or a signature", "router-for-me/CLIProxyAPI#1293",
         False, "empty"),
        ("data", "a part has data", "router-for-me/CLIProxyAPI#1293", False),
        (
            "call_turn",
            "a turn of function calls directly follows a user turn or function responses",
            "google-gemini/gemini-cli#11814",
            False,
        ),
        (
            "result_follows",
            "function responses directly follow the turn of their calls",
            "langchain-ai/langchain#27799",
            False,
        ),
        ("call_answered", "every function call has a response", "google-gemini/gemini-cli#16415",
         False),
        (
            "results_together",
            "a turn has as many function responses as the turn before has calls",
            "google-gemini/gemini-cli#16415",
            False,
        ),
        ("one_result", "a function call has one response", "google-gemini/gemini-cli#4217", False),
        ("no_prefill", "the last content is the user's: the model completes no answer",
         "LibreChat-AI/agents#323, pipecat-ai/pipecat#5821", False, _GEMINI_NO_PREFILL),
        ("single_user", "a single content is the user's", "microsoft/semantic-kernel#13262", False),
        (
            "signature",
            "the first function call of each step of the current turn has its thought signature",
            f"{_GEMINI}/thought-signatures",
            True,
            _GEMINI_3,
        ),
    ),
    *_rows(
        "bedrock",
        ("roles", "roles are user and assistant", _CONVERSE),
        ("system_place", "system instructions are outside of the messages", _CONVERSE),
        ("first_user", "the first message is the user's", "langgenius/dify#12340", False),
        ("alternate", "user and assistant take turns", "langchain-ai/langchainjs#6724", False),
        ("result_follows", "results are in the message after their calls", _CONVERSE),
        ("call_answered", "every toolUse has a toolResult in the next message",
         "agentjido/req_llm#243", False),
        ("results_together", "all results of a message's calls are in one message",
         "pydantic/pydantic-ai#2327", False),
        ("results_first", "results precede all other blocks of their message",
         f"{_ANTHROPIC}/en/agents-and-tools/tool-use/handle-tool-calls"),
        ("one_result", "a toolUse has one toolResult", "pydantic/pydantic-ai#2327", False),
        ("unique_calls", "an id occurs in one toolUse of the request",
         "westonbrown/Cyber-AutoAgent#72, anthropics/claude-code#28515", False, "request"),
        ("id_form", "an id has 1 to 64 letters, digits, _ . : and -", _CONVERSE, True, _BEDROCK_ID),
        ("call_side", "calls are the assistant's, results the user's", _CONVERSE),
        ("empty", "a message has content", "earendil-works/pi#3443", False),
        ("not_blank", "texts hold more than white space", "continuedev/continue#9767", False),
        ("cache_marks", "a request has at most 4 cache points",
         "docs.aws.amazon.com/bedrock Prompt caching", True, 4),
        ("mark_place", "no cache point directly follows a thought", "0xPlaygrounds/rig#1673",
         False),
        ("one_field", "a block has one field", _CONVERSE),
        ("document_text", "a message with a document has a text", _CONVERSE),
        ("no_prefill", "the last message is the user's: the model completes no answer",
         "anomalyco/opencode#29760", False, _NO_PREFILL),
        ("final_space", "a final text of the assistant does not end in white space",
         "langchain-ai/langchain-aws#599", False),
        ("final_thought", "a final message of the assistant does not end in a thought",
         "tailcallhq/forgecode#2107", False),
    ),
)  # fmt: skip
"""Every rule, by wire format."""

PROVIDERS = {
    **{name: name for name in ("openai", "anthropic", "gemini", "bedrock", "responses")},
    **dict.fromkeys(("google", "google_genai", "google_vertexai", "vertex", "vertexai"), "gemini"),
    **dict.fromkeys(("amazon_bedrock", "bedrock_converse", "aws"), "bedrock"),
    **dict.fromkeys(("azure", "azure_openai"), "openai"),
    "claude": "anthropic",
}
"""Wire formats by the names that providers go by."""

Rules = dict[str, Rule]
"""The rules of one wire format, by name."""

_BY_PROVIDER: dict[str, Rules] = {
    provider: {rule.name: rule for rule in RULES if rule.provider == provider}
    for provider in dict.fromkeys(PROVIDERS.values())
}


def wire_format(provider: object) -> str | None:
    """Return the wire format of a provider by any of its names, None for None.

    Raises:
        InputError: no provider goes by this name.
    """
    if provider is None:
        return None
    found = PROVIDERS.get(provider) if isinstance(provider, str) else None
    if found is None:
        known = ", ".join(dict.fromkeys(PROVIDERS.values()))
        raise InputError(
            f"provider is {shown(provider)}; expected one of {known}, or None to take it from the "
            "messages"
        )
    return found


def rules_of(dialect: str) -> Rules:
    """Return the rules of a wire format, by name."""
    return _BY_PROVIDER[dialect]


def dialect_in(dialects: Iterable[str], provider: str | None) -> str:
    """Return the wire format of a history: the one given, else the newest that a message shows.

    `dialects` are those of its messages, the newest first. OpenAI's is the Responses API where the
    messages are items of it.
    """
    named = wire_format(provider)
    if named not in (None, "openai"):
        return str(named)
    for dialect in dialects:
        if dialect == "responses" or (dialect and named is None):
            return dialect
    return "openai"
