"""Find what a provider refuses in a history, what is wasted and what breaks caches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ctxmem.chat import advice
from ctxmem.chat.counting import Meter
from ctxmem.chat.findings import Finding
from ctxmem.chat.pairing import pair_up, units_of
from ctxmem.chat.reading import Turn, read
from ctxmem.chat.shapes import listed
from ctxmem.chat.steps import case_of, find
from ctxmem.chat.tools import schemas_of
from ctxmem.intake import read_budget
from ctxmem.schema import Budget


def units(messages: Iterable[Any]) -> list[range]:
    """Group messages into units, the smallest runs that can be kept or dropped as a whole.

    A tool call and all its results are one unit, and so are a reasoning item and the item it leads
    to; any other message is a unit of its own. Units are ranges of indices, without gaps.

    Raises `InputTypeError` for what is no message.

    >>> call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    >>> units([
    ...     {"role": "user", "content": "What time is it?"},
    ...     {"role": "assistant", "content": None, "tool_calls": [call]},
    ...     {"role": "tool", "tool_call_id": "c1", "content": "12:00"},
    ... ])
    [range(0, 1), range(1, 3)]
    """
    turns = read(listed(messages))
    return units_of(turns, pair_up(turns))


def is_refused(
    messages: Sequence[Any], turns: Sequence[Turn], provider: str | None, model: str | None
) -> bool:
    """Return whether messages break a rule that `check` knows; `turns` are what they are."""
    case = case_of(turns, provider, model=model)
    return any(fault.rule is not None for fault in find(case, messages, turns))


def check(
    messages: Iterable[Any],
    *,
    budget: int | Budget | None = None,
    counter: object = "o200k_base",
    tools: Iterable[Any] | None = None,
    previous: Iterable[Any] | None = None,
    previous_tools: Iterable[Any] | None = None,
    provider: str | None = None,
    model: str | None = None,
    previous_response_id: str | None = None,
) -> list[Finding]:
    """Say what is wrong with a history, as findings in the order of the messages.

    ==================== ======================================================== ==========
    kind                 what it means                                            `repair`
    ==================== ======================================================== ==========
    orphan_result        a tool result that answers no call, or one answered      drops it
    open_call            a tool call without result; at the very end it is in     drops it,
                         flight: the history is valid once its result is there    or leaves
    misplaced_result     a result at a place that the provider refuses            moves it
    call_id              an id that is used twice, or of a form that is refused   renames it
    empty_content        a message or a text block with nothing in it             drops it
    refused_block        a block or a field that the provider refuses             drops it
    dangling_thought     a Responses reasoning item that leads to nothing         drops it
    role_order           a role, or a place of it, that the provider refuses      moves, joins
                                                                                  or drops it
    last_message         a last message of the assistant as it is refused         cuts its end
    cache_mark           more cache marks than allowed, or on a thought           takes it off
    duplicate_message    a long message that says what an earlier one said        leaves it
    repeated_passage     a long paragraph that repeats an earlier message         leaves it
    prefix_breaker       what changes from request to request near the            leaves it
                         beginning, so that nothing behind it can be cached
    over_budget          more tokens than `budget`; see `trim_messages`           leaves it
    ==================== ======================================================== ==========

    The rules are those of `provider` ("openai", "anthropic", "gemini", "bedrock" or "responses"),
    or of the wire format that the newest messages are written in; each finding of the kinds above
    `duplicate_message` cites the rule with its source in `Finding.rule`. `ctxmem.chat.RULES` has
    all of them. Rules that depend on the model hold where `model` is given.

    `tools` are counted, and looked through for equal schemas that are written differently. With the
    messages and tools of the request before, `previous` and `previous_tools`, the first difference
    is reported: what cannot be read from the prompt cache, and why. With `previous_response_id` the
    history goes on from one that OpenAI keeps: outputs may answer calls there.

    Raises `InputTypeError` for what is no message, `InputError` for a provider we do not know,
    `BudgetError` for what is no budget, and what `resolve` raises for the counter.

    >>> check([{"role": "tool", "tool_call_id": "c1", "content": "12:00"}])[0].kind
    'orphan_result'
    """
    items = listed(messages)
    turns = read(items)
    schemas = schemas_of(tools)
    case = case_of(
        turns,
        provider,
        model=model,
        continued=previous_response_id is not None,
        outside_marks=sum(isinstance(t, Mapping) and bool(t.get("cache_control")) for t in schemas),
    )
    found = [
        Finding(fault.kind, fault.message, fault.wrong, fault.rule)
        for fault in find(case, items, turns)
    ]
    found += advice.of_repeats(items, turns)
    found += advice.of_prefix(items, turns)
    if previous is not None:
        found += advice.of_changes(items, listed(previous))
    found.sort(key=lambda finding: finding.index or 0)  # stable: kinds in the order of the table
    found += advice.of_tools(schemas, schemas_of(previous_tools))
    if budget is not None:
        limit = read_budget(budget).limit
        meter = Meter(counter, provider, model)
        total = meter.request + meter.tools(tools)
        total += sum(meter.message(item, i) for i, item in enumerate(items))
        if total > limit:
            detail = f"{total:,} tokens where {limit:,} are allowed; call trim_messages"
            found.append(Finding("over_budget", None, detail))
    return found
