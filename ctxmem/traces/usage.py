"""Tokens that a provider billed, by whatever names it gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctxmem.traces.attrs import as_int
from ctxmem.traces.events import Usage

_APART = (
    ("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount"),
    ("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"),
)
"""Anthropic's and Bedrock's names of what was read from the cache and written to it.

Where they are, `input_tokens` is without them.
"""
_DETAILS = (
    *("prompt_tokens_details", "input_tokens_details"),
    *("input_token_details", "inputTokenDetails", "prompt_token_details"),
)
_READ = ("cached_tokens", "cache_read", "cacheReadTokens", "cache_read_tokens")
_WRITTEN = ("cache_creation", "cache_creation_tokens", "cache_write_tokens", "cacheWriteTokens")
_WHOLE = ("prompt_tokens", "promptTokens", "promptTokenCount", "prompt_token_count")
_INPUT = ("input_tokens", "inputTokens", "input", "inputTokenCount", "input_token_count")
_OUTPUT = (
    *("output_tokens", "completion_tokens", "outputTokens", "completionTokens", "output"),
    *("candidatesTokenCount", "candidates_token_count", "outputTokenCount", "output_token_count"),
)
_THOUGHT = ("thoughtsTokenCount", "thoughts_token_count")
_CACHED = (
    *("cachedContentTokenCount", "cached_content_token_count"),
    *("cached_input_tokens", "cachedInputTokens"),
    "prompt_cache_hit_tokens",  # DeepSeek
)
_WRITTEN_BESIDE = ("cache_write_input_tokens",)


def count_of(fields: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """Return the first of several fields that holds a count; none is below zero."""
    for name in names:
        value = fields.get(name)
        if value is not None:
            found = as_int(value)
            if found is not None and found >= 0:
                return found
    return None


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Return a provider's usage, whose input includes what was read from and written to a cache.

    OpenAI's, Gemini's and LangChain's input includes it; Anthropic's and Bedrock's does not.
    """
    made = count_of(usage, _OUTPUT)
    thought = count_of(usage, _THOUGHT)
    if thought:
        made = (made or 0) + thought
    apart = [count_of(usage, names) for names in _APART]
    whole = count_of(usage, _WHOLE)
    if whole is None and any(n is not None for n in apart):
        fresh, *cache = (n or 0 for n in (count_of(usage, _INPUT), *apart))
        return Usage(fresh + sum(cache), made, *cache)
    details = next((d for d in map(usage.get, _DETAILS) if isinstance(d, dict)), {})
    read, stored = count_of(details, _READ), count_of(details, _WRITTEN)
    given = whole if whole is not None else count_of(usage, _INPUT)
    cached = _either(read, count_of(usage, _CACHED), apart[0])
    return including_cache(
        Usage(given, made, cached, _either(stored, apart[1], count_of(usage, _WRITTEN_BESIDE)))
    )


def including_cache(usage: Usage) -> Usage:
    """Return a usage whose input is no smaller than its cached part: else it was left out of it."""
    apart = (usage.cached or 0) + (usage.written or 0)
    if usage.input is not None and apart > usage.input:
        return usage._replace(input=usage.input + apart)
    return usage


def _either(*counts: int | None) -> int | None:
    return next((n for n in counts if n is not None), None)


def details_usage(usage: Any) -> Usage | None:
    """Return the usage that Langfuse's details tell; `input` is there without the cached part."""
    if not isinstance(usage, dict):
        return None
    if "input" not in usage:
        return usage_of(usage) if usage else None
    read = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")
    stored = ("cache_creation_input_tokens", "input_cache_creation", "input_cache_write")
    cached, written = count_of(usage, read), count_of(usage, stored)
    fresh = count_of(usage, ("input",))
    total = None if fresh is None else fresh + (cached or 0) + (written or 0)
    return Usage(total, count_of(usage, ("output",)), cached, written)
