"""Assemble a whole request in one budget: tools, history, memory, passages, code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from ctxmem import tokens
from ctxmem.assembling.asking import HISTORY, TOOLS, Asked, divided, read_asks
from ctxmem.assembling.binding_note import NOTE_MOST, NOTE_SHARE, Bindings
from ctxmem.assembling.blocks import Blocks
from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.decisions import decide
from ctxmem.assembling.deriving import earlier
from ctxmem.assembling.evidence import Search, compared
from ctxmem.assembling.fitting import Fitter
from ctxmem.assembling.inputs import Inputs, read_inputs
from ctxmem.assembling.layout import Layout
from ctxmem.assembling.options import Item, Option
from ctxmem.assembling.recalling import recalled_of, with_pages, without_recalled
from ctxmem.assembling.request import PARTS, PartDecision, Request
from ctxmem.assembling.stability import State, before_of, fit_stable, remember, stayed
from ctxmem.assembling.tool_items import ToolItems
from ctxmem.chat.shapes import shown
from ctxmem.errors import InputError, InputTypeError
from ctxmem.pricing import Prices
from ctxmem.schema import Budget, Section
from ctxmem.telemetry import describe_assemble, traced

__all__ = [
    "NOTE_MOST",
    "NOTE_SHARE",
    "PARTS",
    "Bindings",
    "Item",
    "Option",
    "PartDecision",
    "Request",
    "assemble",
]


@traced("ctxmem.assemble", "assemble", describe_assemble)
def assemble(
    question: str | None,
    budget: int | Budget,
    *,
    system: str | None = None,
    rules: Iterable[Any] = (),
    tools: Iterable[Any] = (),
    history: Iterable[Any] = (),
    memory: Any = None,
    passages: Iterable[Any] = (),
    code: Any = (),
    provider: str = "openai",
    counter: object = "o200k_base",
    sections: Iterable[Section] | None = None,
    previous: Request | Literal["history"] | None = None,
    prices: str | Prices | None = None,
    model: str | None = None,
) -> Request:
    """Assemble a request of at most `budget` tokens.

    Tools, the history, recalled memory, passages and code compete for the same tokens. Each is
    valued by how much of it the answer is expected to use, and what brings most per token is sent:
    a tool in full, with shortened descriptions, as a line of `find_tool`, or not at all; a message
    in full, cut, as a line of an index, or not at all; the best blocks of passages and code. The
    system prompt, the rules, the question and calls that wait for a result are always sent. Tools
    that the history calls are sent in full.

    The parts that the next request begins with come first, so that the provider's prompt cache
    holds them. With `previous`, or a `Memory`, tools and history stay as they were until they no
    longer fit, or until a change brings more than the lost cache costs.

    Args:
        question: the user's message; None if the history ends with it.
        budget: maximum tokens of the request, or a `Budget`; with `auto` an easy question gets a
            small request.
        system: the system prompt.
        rules: texts that must be sent, behind the system prompt.
        tools: schemas in the shape of any provider, frameworks' tools or functions.
        history: messages before the question; those of another provider are converted.
        memory: a `Memory`, whose messages are the history where none is given, or texts and chunks
            that may be recalled.
        passages: what `pack` takes; text that the history shows is named and not sent twice.
        code: a `Codebase`, or paths of files and folders.
        provider: "openai" (chat), "responses" or "anthropic".
        counter: as in `count_tokens`.
        sections: limits of the parts "tools", "history", "memory", "passages" and "code".
        previous: the request of the last call of this conversation; "history" computes an earlier
            one from the history, for callers that keep none.
        prices: a row of `ctxmem.PRICES` by name, or a `Prices`; the default is the model's.
        model: chooses the rows of the tables of overheads and prices.

    Raises:
        BudgetError: what must be sent does not fit; `pinned` names it.
        InputError, InputTypeError: an argument cannot be used.

    >>> request = assemble("When is it due?", 100, system="Be brief.",
    ...                    passages=["The report is due on Monday.", "Bananas are yellow."])
    >>> request.messages[-1]["content"]
    'The report is due on Monday.\\n\\nBananas are yellow.\\n\\nWhen is it due?'
    """
    inputs = read_inputs(
        question,
        budget,
        system=system,
        rules=rules,
        tools=tools,
        history=history,
        memory=memory,
        passages=passages,
        code=code,
        provider=provider,
        counter=counter,
        sections=sections,
        prices=prices,
        model=model,
    )
    if isinstance(previous, str) and previous != "history":
        raise InputError(f"previous is {previous!r}; expected a Request, 'history' or None")
    if not isinstance(previous, str | Request | None):
        raise InputTypeError(
            f"previous is {shown(previous)}; expected a Request, 'history' or None"
        )
    return _assembled(inputs, previous)


def _assembled(inputs: Inputs, previous: Request | str | None) -> Request:
    """Return the request of checked inputs; see `assemble`."""
    provider, model, counter = inputs.provider, inputs.model, inputs.counter
    conversation = Conversation(
        inputs.history,
        provider,
        inputs.meter,
        question=inputs.question,
        model=model,
        memory=inputs.memory if inputs.own_history else None,
    )
    counting = tokens.resolve(counter)
    if isinstance(previous, str):
        previous = earlier(inputs, conversation.asked, _assembled)
    inputs = with_pages(inputs, conversation)
    # A single part has nothing to divide the question with.
    parts = sum(map(bool, (conversation.units, inputs.tools, inputs.chunks)))
    asks = read_asks(conversation.question) if parts > 1 else (conversation.question,)
    search = Search(conversation, asks)
    offered = ToolItems(
        inputs.tools,
        provider,
        inputs.meter,
        asks=asks,
        called=conversation.called,
        found=conversation.found,
        beside_system=bool(inputs.system or inputs.rules or conversation.head)
        and provider != "anthropic",
    )
    asked = Asked(asks, divided(*compared(asks, search, offered, inputs.chunks)))
    offered.weigh(asked.shares[:, TOOLS])
    evidence = search.evidence(asked.shares[:, HISTORY])
    before = before_of(previous, inputs.memory)
    recalled = recalled_of(inputs, conversation, search, evidence)
    inputs = without_recalled(inputs, recalled)
    layout = Layout(inputs, offered, conversation, before.stable if before else 0)
    blocks = Blocks(
        inputs.chunks,
        inputs.budget.limit - layout.always,
        question=asked.of_texts(),
        counter=counting,
        sections=inputs.sections,
        min_density=inputs.budget.min_density,
        titled=bool(recalled.texts),
        share=asked.share_of_texts,
    )
    fitter = Fitter(inputs, offered, conversation, blocks, layout, evidence, recalled)
    fitted, lost = fit_stable(fitter, before)
    choice, window, laid = fitted
    request = Request(
        messages=conversation.copied(laid.messages),
        tools=offered.copied(laid.tools),
        tokens=laid.tokens,
        budget=inputs.budget.limit,
        parts=laid.parts,
        prices=fitter.prices(fitted),
        decisions=decide(
            inputs,
            offered,
            conversation,
            fitter.offers(),
            choice.forms,
            window,
            laid.parts,
            laid.folds,
            stayed(before, conversation, choice.forms),
        ),
        status="optimal" if fitter.proved(fitted) else "feasible",
        gap=fitter.gap(fitted),
        exact=counting.exact,
        counter=counting.name,
        volatile_from=laid.volatile_from,
        breakpoints=laid.breakpoints,
        provider=provider,
        value=fitter.value(fitted),
        upper_bound=fitter.bound(fitted),
        system=laid.system,
        stopped_early=bool(inputs.budget.min_density) and laid.tokens < inputs.budget.limit,
        _deferred=offered.deferred(choice.forms["tools"]),
        _state=State.of(conversation, offered, choice.forms, laid, before, lost),
    )
    blocks.keep()
    remember(inputs.memory, request)
    return request
