"""The five windows in which a question is asked."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ctxmem.blaming.evidence import ABSENT, PRESENT, Evidence
from ctxmem.blaming.locating import Spot
from ctxmem.blaming.recorded import Recorded
from ctxmem.blaming.sendable import Messages, texts_in, with_texts
from ctxmem.chat import count_messages
from ctxmem.errors import CtxmemError, InputError
from ctxmem.pipeline import pack
from ctxmem.protocols import Counter
from ctxmem.schema import Chunk
from ctxmem.traces import Passage

SENT, UNREPEATED, PACKED, EVIDENCE, NONE = "sent", "unrepeated", "packed", "evidence", "none"
WINDOWS = (SENT, UNREPEATED, PACKED, EVIDENCE, NONE)

MOST_PASSAGES = 20_000
"""Passages of one question that are packed; of more, the packed window is not asked."""


@dataclass(slots=True)
class Windows:
    """The windows of one question.

    Attributes:
        messages: by the name of the window.
        missing: why a window was not made.
        tokens: of each window.
        packed_evidence: the packed window has the evidence; None if that is not known.
    """

    messages: dict[str, Messages] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    packed_evidence: bool | None = None


def windows_of(
    one: Recorded, evidence: Evidence, counter: Counter, budget: int | None = None
) -> Windows:
    """Return the windows of a question.

    Without a budget, the packed passages get the tokens that the passages of the request took.
    """
    made = Windows()
    spots = one.spots
    everything = range(len(spots))
    made.messages[SENT] = one.messages
    made.messages[NONE] = without(one.messages, spots, everything)
    made.messages[UNREPEATED] = without(one.messages, spots, repeats_in(spots))
    if not _says(made.messages[NONE]):
        del made.messages[NONE]
        made.missing[NONE] = "the request is nothing but passages"
    _add_packed(made, one, evidence, counter, budget)
    _add_evidence(made, one, evidence)
    for name, messages in made.messages.items():
        made.tokens[name] = tokens_of(messages, counter)
    return made


def _says(messages: Messages) -> bool:
    return any(text.text.strip() for text in texts_in(messages) if text.role == "user")


def repeats_in(spots: Sequence[Spot]) -> set[int]:
    """Return the passages whose text is in the request before."""
    seen: set[str] = set()
    found = set()
    for i, spot in enumerate(spots):
        if spot.text in seen:
            found.add(i)
        seen.add(spot.text)
    return found


def without(
    messages: Messages, spots: Sequence[Spot], dropped: Collection[int], instead: str = ""
) -> Messages:
    """Return messages without some of their passages, all else byte for byte.

    `instead` takes the place of the first dropped passage of the text that loses most.
    """
    if not dropped:
        return messages
    place = _fullest(spots, dropped) if instead else None
    texts = {}
    for text in texts_in(messages):
        here = [i for i in dropped if spots[i][:2] == (text.message, text.block)]
        if not here:
            continue
        kept, at, mark = "", 0, -1
        for i in sorted(here, key=lambda i: spots[i].start):
            kept += text.text[at : spots[i].start]
            if i == place:
                mark = len(kept)
            at = max(at, spots[i].end)
            kept = _closed(kept, text.text[spots[i].start : spots[i].end], text.text[at : at + 1])
        kept += text.text[at:]
        if mark >= 0:
            behind = kept[mark:].lstrip("\n")
            kept = kept[:mark] + instead + ("\n\n" + behind if behind.strip() else "")
        texts[text.message, text.block] = kept
    return with_texts(messages, texts)


def _closed(kept: str, dropped: str, following: str) -> str:
    """Return what is before a dropped passage, ended as the passage was.

    The last passage is set apart from what follows; the last entry of a JSON list has no comma.
    """
    head, tail = kept.rstrip(), dropped[len(dropped.rstrip()) :]
    if following == "]" and head.endswith(","):
        return head[:-1]
    if head and tail.count("\n") > kept[len(head) :].count("\n") > 0:
        return head + tail
    return kept


def _fullest(spots: Sequence[Spot], dropped: Collection[int]) -> int:
    """Return the first dropped passage of the text from which most characters are dropped."""
    size: Count[tuple[int, int]] = Count()
    for i in dropped:
        size[spots[i].message, spots[i].block] += spots[i].end - spots[i].start
    best = size.most_common(1)[0][0]
    return min(
        (i for i in dropped if (spots[i].message, spots[i].block) == best),
        key=lambda i: spots[i].start,
    )


def _add_packed(
    made: Windows, one: Recorded, evidence: Evidence, counter: Counter, budget: int | None
) -> None:
    chunks = _chunks(one)
    if not chunks:
        made.missing[PACKED] = "the request has no passages"
        return
    if len(chunks) > MOST_PASSAGES:
        made.missing[PACKED] = f"more than {MOST_PASSAGES:,} passages"
        return
    took = tokens_of(one.messages, counter) - tokens_of(without_all(one), counter)
    room = took if budget is None else budget - tokens_of(without_all(one), counter)
    if room < 1:
        made.missing[PACKED] = "the question and the rules alone are over the budget"
        return
    try:
        window = pack(chunks, room, query=one.question, counter=counter)
    except CtxmemError as error:
        made.missing[PACKED] = f"packing raised {type(error).__name__}: {error}"
        return
    text = window.text
    made.messages[PACKED] = (
        without(one.messages, one.spots, range(len(one.spots)), text)
        if one.spots
        else before_question(one.messages, text)
    )
    if evidence.state != "unknown" and (evidence.spots or evidence.texts):
        made.packed_evidence = evidence.is_in(text, [spot.text for spot in one.spots])


def without_all(one: Recorded) -> Messages:
    """Return the request without its passages."""
    return without(one.messages, one.spots, range(len(one.spots)))


def _chunks(one: Recorded) -> list[Chunk]:
    """Return what was retrieved, with list, rank and score; else the passages of the request."""
    # The lists of a trace are with its first request, what was retrieved with all of them.
    lists = [(event.name, event.passages) for event in one.lists] or [("", one.shown)]
    retrieved = [
        _chunk(passage, rank, name)
        for name, passages in lists
        for rank, passage in enumerate(passages)
        if passage.text and passage.text.strip()
    ]
    if retrieved:
        return retrieved
    return [Chunk(spot.text) for spot in one.spots]


def _chunk(passage: Passage, rank: int, name: str) -> Chunk:
    # The id of a trace may name two texts; the text's own hash does not.
    return Chunk(
        str(passage.text), score=passage.score, rank=rank, list=name or None, source=passage.source
    )


def _add_evidence(made: Windows, one: Recorded, evidence: Evidence) -> None:
    spots = one.spots
    if evidence.state == PRESENT and evidence.spots:
        dropped = repeats_in(spots) | (set(range(len(spots))) - set(evidence.spots))
        kept = [i for i in evidence.spots if i not in dropped]
        made.messages[EVIDENCE] = without(one.messages, spots, dropped if kept else set())
    elif evidence.texts:
        text = "\n\n".join(evidence.texts)
        made.messages[EVIDENCE] = (
            without(one.messages, spots, range(len(spots)), text)
            if spots
            else before_question(one.messages, text)
        )
    else:
        what = "was not retrieved" if evidence.state == ABSENT else "is not known"
        made.missing[EVIDENCE] = f"the evidence {what}: {evidence.how}"


def before_question(messages: Messages, text: str) -> Messages:
    """Return messages with a text before the last message of the user."""
    last = max((t.message for t in texts_in(messages) if t.role == "user"), default=-1)
    first = next((t for t in texts_in(messages) if t.message == last), None)
    if first is None:
        return [*messages, {"role": "user", "content": text}]
    return with_texts(messages, {(first.message, first.block): f"{text}\n\n{first.text}"})


def tokens_of(messages: Messages, counter: Counter) -> int:
    """Count a request; what no rule knows is counted by its texts."""
    try:
        return count_messages(messages, counter)
    except InputError:
        return sum(counter.count_many([text.text for text in texts_in(messages)]))
