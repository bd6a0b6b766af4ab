"""A window as messages of a provider's request, with cache breakpoints where they pay.

A breakpoint is a mark on a content block. The provider caches the request up to it, charges for
writing the cache, and later reads it at a fraction of the price. The provider's row in
`ctxmem.pricing` has the number of breakpoints, the minimum length and the prices.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.pricing import Prices, prices_of

Provider = Literal["openai", "anthropic"]
"""A provider whose form of messages is known."""

PROVIDERS: tuple[Provider, ...] = get_args(Provider)
_HOUR = 3600.0

# Types of blocks on which providers accept no mark.
_UNMARKED = frozenset({"thinking", "redacted_thinking", "reasoning", "refusal"})


class Part(Protocol):
    """The attributes of a piece that this module uses."""

    @property
    def header(self) -> str:
        """The line before the text."""
        ...

    @property
    def text(self) -> str:
        """The text."""
        ...

    @property
    def tokens(self) -> int:
        """The number of tokens of the text."""
        ...


def rules_of(provider: Provider, prices: str | Prices | None) -> Prices:
    """Return the given prices, else the provider's row of the price table.

    Raises:
        InputError: the provider or the row is not known.
        InputTypeError: the provider or the prices have the wrong type.
    """
    if not isinstance(provider, str) or provider not in PROVIDERS:
        expected = " or ".join(map(repr, PROVIDERS))
        raise InputError(f"provider is {provider!r}; expected {expected}")
    return prices_of(provider if prices is None else prices)


def context_messages(
    text: str,
    parts: Sequence[Part],
    provider: Provider,
    *,
    question: str | None,
    history: Iterable[Mapping[str, Any]],
    before: Sequence[Part],
    calls: float,
    prices: str | Prices | None,
) -> list[dict[str, Any]]:
    """Return the history followed by a user message with the window and the question.

    `parts` are the pieces of `text`; `before` are those of the previous request's window. See
    `Window.to_messages`.
    """
    rules = rules_of(provider, prices)
    if question is not None and not isinstance(question, str):
        raise InputTypeError(f"question is {a_type(question)}; expected a str or None")
    if isinstance(calls, bool) or not isinstance(calls, int | float) or not calls >= 1:
        raise InputError(f"calls is {calls!r}; expected 1 or more, this one included")
    said = [_plain(message) for message in history]
    ends = _ends(text, parts)
    shared = _alike(parts, before)
    wished: dict[int, None] = {}  # offsets in the text, the most useful mark first
    if shared and shared < len(parts) and _lasts(parts[:shared], rules):
        wished[ends[shared]] = None
    if parts and pays(rules, calls) and _lasts(parts, rules):
        wished[ends[-1]] = None
    free = max(0, rules.breakpoints - _marks_in(said)) if rules.marked else 0
    at = sorted(list(wished)[:free])
    if free > len(at) and pays(rules, calls) and _may_last(said, rules):
        said = marked(said, [len(said) - 1], provider, rules)
    content: Any
    if at:
        cuts = [0, *at] if at[-1] == len(text) else [0, *at, len(text)]
        content = [
            {"type": "text", "text": text[a:b], **(_mark(provider, rules) if b in at else {})}
            for a, b in itertools.pairwise(cuts)
        ]
        content += [{"type": "text", "text": question}] if question else []
    else:
        content = "\n\n".join(part for part in (text, question) if part)
    return [*said, {"role": "user", "content": content}] if content else said


def marked(
    messages: Sequence[Mapping[str, Any]], at: Iterable[int], provider: Provider, prices: Prices
) -> list[dict[str, Any]]:
    """Return messages with a breakpoint after each message at the given positions.

    If a message cannot have a mark (a thought, a call without text, for OpenAI every message of the
    assistant), the nearest one before it that can gets the mark. Only changed parts are copied.
    """
    made = [dict(message) for message in messages]
    if not prices.marked:
        return made
    for place in sorted(set(at)):
        for i in range(place, -1, -1):
            changed = _with_mark(made[i], provider, prices)
            if changed is not None:
                made[i] = changed
                break
    return made


def pays(prices: Prices, calls: float) -> bool:
    """Return whether caching a prefix of this many requests costs less than not caching it."""
    return prices.marked and prices.write + prices.read * (calls - 1) < calls


def _mark(provider: Provider, prices: Prices) -> dict[str, Any]:
    if provider == "openai":
        return {"prompt_cache_breakpoint": {"mode": "explicit"}}
    hour = {"ttl": "1h"} if prices.ttl >= _HOUR else {}
    return {"cache_control": {"type": "ephemeral", **hour}}


def _with_mark(
    message: Mapping[str, Any], provider: Provider, prices: Prices
) -> dict[str, Any] | None:
    """Return the message with a mark on its last block that can have one; None if none can."""
    content = message.get("content")
    if provider == "openai" and message.get("role") == "assistant":
        return None
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        return None
    for i in range(len(content) - 1, -1, -1):
        block = content[i]
        if isinstance(block, str):
            block = {"type": "text", "text": block}
        if not isinstance(block, Mapping) or block.get("type") in _UNMARKED:
            continue
        if block.get("type") == "text" and not block.get("text"):
            continue
        borne = {**block, **_mark(provider, prices)}
        return {**message, "content": [*content[:i], borne, *content[i + 1 :]]}
    return None


def _marks_in(messages: Sequence[Mapping[str, Any]]) -> int:
    blocks = (b for m in messages if isinstance(m.get("content"), list) for b in m["content"])
    names = ("cache_control", "prompt_cache_breakpoint")
    return sum(isinstance(b, Mapping) and any(b.get(name) for name in names) for b in blocks)


def _plain(message: Any) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise InputTypeError(
            f"history has {a_type(message)}; expected messages as dicts, the way the "
            "provider takes them"
        )
    return dict(message)


def _ends(text: str, parts: Sequence[Part]) -> list[int]:
    """Return the end of each part's block, including the separator to the next part."""
    starts, at = [], 0
    for part in parts:
        at = text.index(part.header + part.text, at)
        starts.append(at)
        at += len(part.header) + len(part.text)
    return [0, *starts[1:], len(text)]


def _alike(parts: Sequence[Part], before: Sequence[Part]) -> int:
    """Return the length of the common prefix, in parts."""
    for i, (now, then) in enumerate(zip(parts, before, strict=False)):
        if (now.header, now.text) != (then.header, then.text):
            return i
    return min(len(parts), len(before))


def _may_last(messages: Sequence[Mapping[str, Any]], prices: Prices) -> bool:
    """Return whether messages may be long enough: a token is rarely less than a character."""
    return bool(messages) and sum(len(repr(m.get("content"))) for m in messages) >= prices.minimum


def _lasts(parts: Sequence[Part], prices: Prices) -> bool:
    """Return whether parts reach the minimum length; headers are not counted, to be safe."""
    return sum(part.tokens for part in parts) >= prices.minimum
