"""What to do about a finding: a sentence for a person, and the line of code that removes it.

`tests/test_audit_fixes.py` runs each line on the input of its finding and audits the result. The
names in the lines are those of the caller: `hits` is what the retriever returned, `earlier_hits`
what it returned for the requests before, `messages` the history, `question` what the user asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ctxmem.chat import trim_messages
from ctxmem.errors import CtxmemError
from ctxmem.protocols import Counter

ROOM = 4000
"""Tokens of a budget that is shown where none is given and the window is smaller."""

_PHRASE_WORDS = 8
_MOST_CHARACTERS = 8000  # of a text in which words are looked for
_LEAST_MEMORY = 500


class Fix(NamedTuple):
    """What to do about a finding.

    Attributes:
        advice: what to do, in words.
        line: the line of code that does it.
    """

    advice: str
    line: str


def room_of(budget: int | None, tokens: int) -> int:
    """Return the budget that a line shows: the caller's, or one that the window fits in."""
    if budget is not None:
        return budget
    return ROOM if tokens <= ROOM else -(-tokens // 1000) * 1000


def packed(room: int) -> Fix:
    """Pack what was retrieved."""
    return Fix(
        "Pack the hits before you send them: a passage that was returned several times is then "
        "sent once.",
        f"window = ctxmem.pack(hits, budget={room}, query=question)",
    )


def packed_anew(room: int) -> Fix:
    """Pack what was retrieved behind the window before."""
    return Fix(
        "Pack the passages of a session into one window that only grows: what an earlier request "
        "showed stays first, byte for byte, so that it is read from the cache.",
        f"window = ctxmem.pack([*earlier_hits, *hits], budget={room}, query=question, "
        "previous_window=last_window, compress=False)",
    )


def packed_carefully(room: int) -> Fix:
    """Pack what was retrieved, and fold passages that differ in layout only."""
    return Fix(
        "Pack the hits before you send them: of two passages that say the same in another layout, "
        "one is then sent.",
        f"window = ctxmem.pack(hits, budget={room}, query=question, dedup='careful', "
        "dedup_threshold=0.5)",
    )


def without_version(one: str, other: str) -> Fix:
    """Leave out one of two texts that say different things."""
    phrase = _phrase_of(one, other)
    return Fix(
        "Find out which of the two texts is valid, and take the other one out of the index. The "
        "line of code leaves out the first one; pack keeps both, since they say different things.",
        f"hits = [hit for hit in hits if {phrase!r} not in str(hit)]",
    )


def _phrase_of(one: str, other: str) -> str:
    """Return words of one text that the other has not, without quotes and on one line."""
    for phrase in _phrases(one):
        if phrase not in other and not any(sign in phrase for sign in "'\"\\"):
            return phrase
    return one.strip()


def _phrases(text: str) -> Iterator[str]:
    for line in text[:_MOST_CHARACTERS].split("\n"):
        words = line.split(" ")
        for i in range(0, max(1, len(words) - _PHRASE_WORDS + 1)):
            yield " ".join(words[i : i + _PHRASE_WORDS]).strip()


def folded(*, passages: bool = False, said: bool = False) -> Fix:
    """Fold what a history holds twice."""
    options = ", passages=hits" if passages else ""
    if said:
        options += ', roles=("system", "user", "assistant", "tool")'
    return Fix(
        "Fold the repeats before you send the messages: the first copy stays, and each later one "
        "becomes a short reference to it.",
        f"messages = ctxmem.dedup_messages(messages{options}).messages",
    )


def spanned(room: int) -> Fix:
    """Pack passages with their places in the document."""
    return Fix(
        "Give pack the place of each passage in its document: text that two neighbours share is "
        "then sent once.",
        "window = ctxmem.pack([ctxmem.Chunk(text, source=document, span=(start, end)) for "
        f"text, document, start, end in cuts], budget={room}, query=question)",
    )


def without_line(line: str) -> Fix:
    """Take boilerplate out of the documents."""
    return Fix(
        "Take this line out of the documents before you cut and index them, or out of what the "
        "tool returns.",
        f"text = text.replace({line!r}, '')",
    )


def remembered(tokens: int) -> Fix:
    """Keep the history in a memory of half the size."""
    return Fix(
        "Keep the history in a Memory with a budget: old messages leave the window, and are "
        "recalled when they are needed again.",
        f"memory = ctxmem.Memory(budget={max(_LEAST_MEMORY, tokens)})",
    )


def appended() -> Fix:
    """Put what changes behind the history."""
    return Fix(
        "Put what changes from request to request (a time, an id, the state of the task) behind "
        "the history: what is in front of it is then read from the cache.",
        "messages = [*instructions, *history, *what_changes]",
    )


def cut_in_steps(tokens: int) -> Fix:
    """Trim a history in large steps."""
    return Fix(
        "Let the history grow to twice its size and cut it in large steps, not at every request: "
        "between two cuts the cache holds its beginning.",
        f"messages = ctxmem.trim_messages(messages, {tokens}, low_water=0.5)",
    )


def repaired() -> Fix:
    """Repair a history."""
    return Fix(
        "Repair the history before you send it: calls and results that do not belong together are "
        "refused by the provider, or misread by the model.",
        "messages = ctxmem.repair(messages)",
    )


def within(budget: int | None, messages: Sequence[Any], counter: Counter) -> Fix:
    """Bring a window under the budget: trim its history, or pack what is too long alone."""
    room = room_of(budget, 0)
    if not messages:
        return Fix(
            "Pack the hits into the budget: pack chooses what the question needs.",
            f"window = ctxmem.pack(hits, budget={room}, query=question)",
        )
    try:
        trim_messages(messages, room, counter=counter)
    except CtxmemError:
        return Fix(
            "Pack the text of the message that is over the budget alone: trimming the history "
            "cannot make it smaller.",
            r"text = ctxmem.pack(text.split('\n\n'), "
            f"budget={max(1, room // 2)}, query=question).text",
        )
    return trimmed(room)


def trimmed(room: int) -> Fix:
    """Trim a history to the budget."""
    return Fix(
        "Trim the history to the budget before you send it: calls stay with their results, and "
        "the question stays.",
        f"messages = ctxmem.trim_messages(messages, {room})",
    )


def ranked() -> Fix:
    """Give ranks in place of scores."""
    return Fix(
        "Give pack the rank of each passage in its list, and no scores: ranks of two lists mean "
        "the same.",
        "hits = [ctxmem.Chunk(text, rank=i, list=name) for i, text in enumerate(ranked)]",
    )


def sized(room: int) -> Fix:
    """Let the budget follow the question."""
    return Fix(
        "Let pack choose how much a question needs: an easy one gets fewer passages than a hard "
        "one.",
        f"window = ctxmem.pack(hits, budget=ctxmem.Budget({room}, auto=True), query=question)",
    )


def usual(budget: int | None = None) -> Mapping[str, Fix]:
    """Return the fix of each kind of finding where nothing more is known of it."""
    room = room_of(budget, 0)
    return {
        "repeat_in_request": packed(room),
        "repeat_in_session": packed_anew(room),
        "near_version": packed_carefully(room),
        "overlap": spanned(room),
        "boilerplate": without_line("..."),
        "growth": remembered(2 * room),
        "unstable_prefix": appended(),
        "broken_pair": repaired(),
        "over_budget": trimmed(room),
        "miscalibrated": ranked(),
        "same_budget": sized(room),
    }
