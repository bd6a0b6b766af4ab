"""What the tools of `ctxmem mcp` answer, as models from which their schemas are made.

An answer is bounded: what is too long is cut, and `note` says what was cut and which call reads the
rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, Field

from ctxmem.errors import InputError
from ctxmem.gateway.mcp.session_reader import OpenSession
from ctxmem.memory.framework_messages import as_plain
from ctxmem.memory.receipts import REASONS, Receipt
from ctxmem.memory.window import Page
from ctxmem.tokens import resolve

PAGE_CHARACTERS = 12_000
"""A call returns at most so many characters of one page, ..."""
ANSWER_CHARACTERS = 24_000
"""... and of all pages or entries in it."""
STATEMENT_CHARACTERS = 1_000
"""A statement, a title or a detail is cut to so many characters."""
RECEIPTS = 10
"""So many receipts are in one answer."""
PAGE_IDS = 40
"""A receipt names at most so many pages."""
STATEMENTS = 20
"""A receipt has at most so many statements."""
FINDINGS = 25
"""So many findings of each list are in one answer."""


class PageText(BaseModel):
    """The text of a page, or a part of it."""

    id: str = Field(description="id of the page in its session, such as p12")
    role: str = Field(description="who said it: system, user, assistant, tool, or chunk (passage)")
    text: str = Field(description="the text as it was appended, from character `start` on")
    message: int = Field(description="number of the message it belongs to, from 0")
    tokens: int = Field(description="tokens of the whole page")
    in_window: bool = Field(description="whether the session's window shows the page in full")
    score: float | None = Field(None, description="how well it answers the query; higher is better")
    start: int = Field(0, description="the first character of the page that is in `text`")
    characters: int = Field(description="characters of the whole page")
    next_start: int | None = Field(
        None, description="where the rest begins; null if the page is complete"
    )


class Answer(BaseModel):
    """What all answers have."""

    session: str = Field(description="the session that was read")
    note: str = Field("", description="what was cut or left out, and how to read the rest")
    damaged: int = Field(0, description="records and pages of the session that cannot be read")


class RecallAnswer(Answer):
    """Pages that answer a query, best first, or the page that was asked for."""

    pages: list[PageText]


class PageAnswer(Answer):
    """One page."""

    page: PageText


class Statement(BaseModel):
    """A statement that binds."""

    id: int
    kind: str = Field(description="rule, limit, instruction, preference, decision, value, ...")
    text: str
    page: str = Field(description="id of the page that it is in")
    source: str = Field(description="who said it: system, user, assistant or program")
    pinned: bool = Field(description="whether it is always shown")
    contradicts: list[int] = Field(description="ids of statements that say otherwise")


class LedgerAnswer(Answer):
    """The statements of a session that bind, in the order they were said."""

    statements: list[Statement]
    total: int = Field(description="statements in the ledger")
    next_start: int | None = Field(None, description="give it as `start` to read on")


class BudgetAnswer(Answer):
    """What fills the window that the session would send now."""

    budget: int = Field(description="tokens that the window may have")
    tokens: int = Field(description="tokens that it has")
    left: int = Field(description="tokens that are free")
    parts: dict[str, int] = Field(description="tokens by part; they add up to `tokens`")
    stable_tokens: int = Field(
        description="tokens of the part that the next window repeats, which a prompt cache can hold"
    )
    counter: str = Field(description="what counts the tokens")
    exact: bool = Field(description="false if the counts are estimates")
    messages: int = Field(description="messages of the session")
    messages_shown: int = Field(description="messages that the window shows, in full or in part")
    pages: int = Field(description="pages of the session")
    events: list[str] = Field(description="what would be done to get to this window")


class Edit(BaseModel):
    """The receipt of an edit, by which messages left the window."""

    number: int = Field(description="the number of the edit in its session, from 0")
    summary: str
    reason: str = Field(description="full, recall, cold or pays")
    why: str = Field(description="the reason in words")
    pages: list[str] = Field(description="pages that left; `page` reads each of them")
    pages_total: int
    tokens: int = Field(description="tokens that left the window")
    shown_instead: list[str] = Field(
        description="statements that bind, which the window shows instead"
    )
    cost: float = Field(
        description="what the edit costs at once, in uncached input tokens; below 0 what it saves"
    )
    saved: float = Field(
        description="what it is expected to save later, less the cost; below 0 what it loses"
    )
    digest: str = Field(description="SHA-256 of the messages that left")


class ExplainAnswer(Answer):
    """What the next window is made of, and the edits that were made, the latest first."""

    window: str = Field(description="the window that the session would send now, in words")
    edits: list[Edit]
    total: int = Field(description="edits of the session")
    next_before: int | None = Field(None, description="give it as `before` to read older edits")


class Refusal(BaseModel):
    """Something that a provider refuses, or that is wasted, in the messages of a session."""

    kind: str
    message: int | None = Field(description="number of the message, null for the whole request")
    detail: str
    rule: str | None = Field(description="the provider's rule that is broken")


class Waste(BaseModel):
    """Something that costs tokens."""

    kind: str
    title: str
    tokens: int
    extent: str
    detail: str
    advice: str
    messages: list[int] = Field(description="numbers of messages where it was met, the first ones")


class AuditAnswer(Answer):
    """What is wrong and what is wasted in the messages of a session."""

    tokens: int = Field(description="tokens of a request with all messages of the session")
    exact: bool = Field(description="false if the counts are estimates")
    parts: dict[str, int] = Field(description="tokens by part")
    refusals: list[Refusal] = Field(description="what `ctxmem.check` finds in the messages")
    waste: list[Waste] = Field(description="what `ctxmem.audit` finds, the costliest first")


class SessionEntry(BaseModel):
    """A session in the list of sessions."""

    session: str
    ledger: str = Field(description="address of its ledger")
    bytes: int | None
    used_at: float | None = Field(description="last write, in seconds since 1970 (UTC)")


def clean(text: str) -> str:
    """Return a text that can be sent as UTF-8: a lone surrogate becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def cut(text: str, most: int = STATEMENT_CHARACTERS) -> str:
    """Return the beginning of a text, marked where it was cut."""
    text = clean(text)
    return text if len(text) <= most else text[:most] + " [...]"


def recall_answer(opened: OpenSession, query: str, k: int) -> RecallAnswer:
    """Return the pages that answer a query best."""
    found = opened.memory.recall(query, k)
    pages: list[PageText] = []
    room = ANSWER_CHARACTERS
    for page in found:
        if room <= 0:
            break
        text = page_text(page, 0, min(room, PAGE_CHARACTERS))
        pages.append(text)
        room -= len(text.text)
    notes = [_rest(page) for page in pages if page.next_start is not None]
    if len(pages) < len(found):
        names = ", ".join(page.id for page in found[len(pages) :])
        notes.append(f"{names} are left out to keep the answer short; 'page' reads them")
    if not found:
        notes.append("no page of the session answers the query; try other words")
    return RecallAnswer(pages=pages, **_about(opened, notes))


def page_answer(opened: OpenSession, id: str, start: int) -> PageAnswer:
    """Return one page from a character on."""
    page = opened.memory.page(id)
    if start > len(page.text):
        raise InputError(
            f"page {page.id} has {len(page.text):,} characters; 'start' is {start:,}, expected one "
            "of them"
        )
    text = page_text(page, start, PAGE_CHARACTERS)
    notes = [_rest(text)] if text.next_start is not None else _goes_on(opened, page)
    return PageAnswer(page=text, **_about(opened, notes))


def page_text(page: Page, start: int, most: int) -> PageText:
    """Return at most so many characters of a page."""
    end = min(len(page.text), start + most)
    return PageText(
        id=page.id,
        role=clean(page.role),
        text=clean(page.text[start:end]),
        message=page.message,
        tokens=page.tokens,
        in_window=page.resident,
        score=round(page.score, 4) or None,
        start=start,
        characters=len(page.text),
        next_start=end if end < len(page.text) else None,
    )


def ledger_answer(opened: OpenSession, start: int) -> LedgerAnswer:
    """Return the statements that bind, from the number `start` of the list on."""
    entries = opened.memory.ledger()
    statements: list[Statement] = []
    room = ANSWER_CHARACTERS
    for entry in entries[start:]:
        statement = Statement(
            id=entry.id,
            kind=clean(entry.kind),
            text=cut(entry.text),
            page=entry.page,
            source=entry.source,
            pinned=entry.pinned,
            contradicts=list(entry.contradicts),
        )
        room -= len(statement.text)
        if statements and room < 0:
            break
        statements.append(statement)
    end = start + len(statements)
    more = end < len(entries)
    notes = [f"{len(entries) - end:,} more; ledger(start={end}) reads on"] if more else []
    if any(len(one.text) > STATEMENT_CHARACTERS for one in statements):
        notes.append("long statements are cut at [...]; 'page' reads the page they are in")
    return LedgerAnswer(
        statements=statements,
        total=len(entries),
        next_start=end if more else None,
        **_about(opened, notes),
    )


def budget_answer(opened: OpenSession, counter: object) -> BudgetAnswer:
    """Return what fills the window that the session would send now."""
    window, stats = opened.next_window()
    return BudgetAnswer(
        budget=window.budget,
        tokens=window.tokens,
        left=window.budget - window.tokens,
        parts=dict(window.parts),
        stable_tokens=window.stable_tokens,
        counter=clean(resolve(counter).name),
        exact=window.exact,
        messages=stats.messages,
        messages_shown=len(set(window.shown)),
        pages=stats.pages,
        events=[cut(str(event)) for event in window.events[:FINDINGS]],
        **_about(opened, _beyond(window.events, "events")),
    )


def explain_answer(opened: OpenSession, before: int | None) -> ExplainAnswer:
    """Return the next window in words, and the receipts of the edits before a number."""
    receipts = opened.memory.receipts()
    older = receipts if before is None else receipts[: max(0, before)]
    shown = older[-RECEIPTS:][::-1]
    more = len(older) > len(shown)
    notes = [f"explain(before={shown[-1].number}) reads older edits"] if more else []
    if any(len(one.pages) > PAGE_IDS or len(one.binding) > STATEMENTS for one in shown):
        notes.append(
            f"an edit names at most {PAGE_IDS} pages, and {STATEMENTS} statements; pages that left "
            "are numbered in order, and 'ledger' has all statements"
        )
    window, _ = opened.next_window()
    if len(window.events) > FINDINGS:
        notes += _beyond(window.events, "events of the window")
    lines = window.explain().splitlines()[: 2 + FINDINGS]
    return ExplainAnswer(
        window="\n".join(cut(line) for line in lines),
        edits=[_edit(one) for one in shown],
        total=len(receipts),
        next_before=shown[-1].number if more else None,
        **_about(opened, notes),
    )


def _edit(receipt: Receipt) -> Edit:
    binding = receipt.binding[:STATEMENTS]
    return Edit(
        number=receipt.number,
        summary=clean(str(receipt)),
        reason=receipt.reason,
        why=REASONS.get(receipt.reason, receipt.reason),
        pages=list(receipt.pages[:PAGE_IDS]),
        pages_total=len(receipt.pages),
        tokens=receipt.tokens,
        shown_instead=[cut(text, STATEMENT_CHARACTERS // 4) for text in binding],
        cost=receipt.cost,
        saved=receipt.saved,
        digest=receipt.digest,
    )


def audit_answer(opened: OpenSession, counter: object) -> AuditAnswer:
    """Return what is wrong and what is wasted in the messages of a session."""
    # Half of the time that a server takes to start, for one of six tools.
    from ctxmem.auditing import audit
    from ctxmem.chat import check

    messages = [
        as_plain(message, f"message {number}")
        for number, message in enumerate(opened.memory.messages())
        if message is not None
    ]
    if not messages:
        raise InputError(f"session {opened.name!r} has no messages that can be read")
    refusals = check(messages, counter=counter)
    found = audit([_as_one_call(messages)], counter=counter)
    totals = found.totals
    waste = [
        Waste(
            kind=one.kind,
            title=cut(one.title),
            tokens=one.tokens,
            extent=one.extent,
            detail=cut(one.detail),
            advice=cut(one.advice),
            messages=[at["message"] for at in one.places if isinstance(at.get("message"), int)],
        )
        for one in found.findings[:FINDINGS]
    ]
    notes = [*_beyond(refusals, "refusals"), *_beyond(found.findings, "findings of waste")]
    return AuditAnswer(
        tokens=totals["tokens"],
        exact=totals["exact"],
        parts={name: tokens for name, tokens in totals["parts"].items() if tokens},
        refusals=[
            Refusal(
                kind=one.kind,
                message=one.index,
                detail=cut(one.detail),
                rule=None if one.rule is None else cut(one.rule.says),
            )
            for one in refusals[:FINDINGS]
        ],
        waste=waste,
        **_about(opened, notes),
    )


def _as_one_call(messages: Sequence[Any]) -> dict[str, Any]:
    """Return the record of one call that sent all messages.

    Without an answer they would be read as a chat with a call for each answer, and each window
    would be looked through again: quadratic in the length of the session.
    """
    answer = {"role": "assistant", "content": ""}
    return {
        "model": "session",
        "messages": messages,
        "response": {"choices": [{"message": answer}]},
    }


def _about(opened: OpenSession, notes: Iterable[str]) -> dict[str, Any]:
    damaged = len(opened.damage)
    lost = [f"{damaged} damaged records or pages of the session are left out"] if damaged else []
    note = "; ".join([*notes, *lost])
    return {"session": clean(opened.name), "note": clean(note), "damaged": damaged}


def _rest(page: PageText) -> str:
    return (
        f"{page.id} is cut at character {page.next_start:,} of {page.characters:,}; "
        f"page(id={page.id!r}, start={page.next_start}) reads on"
    )


def _goes_on(opened: OpenSession, page: Page) -> list[str]:
    """Return a note on the page that a long message goes on in."""
    try:
        after = opened.memory.page(f"p{int(page.id[1:]) + 1}")
    except InputError:
        return []
    same = after.message == page.message
    return [f"message {page.message} goes on in page {after.id}"] if same else []


def _beyond(found: Sequence[object], what: str) -> list[str]:
    """Return a note on what a list of `FINDINGS` leaves out."""
    left = len(found) - FINDINGS
    return [f"{left:,} more {what} are left out"] if left > 0 else []
