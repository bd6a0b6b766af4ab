"""Which of an assistant's proposals a user's answer accepts: all, one of several options, or none.

A yes to a list to choose from decides nothing; it takes a number, a place or a name. A yes to the
steps of a plan accepts them all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ctxmem.memory.statements import Found, restricts
from ctxmem.memory.subjects import content, forbids, stem

OPTION = re.compile(
    r"\b(?:option|plan|variant|number|alternative|choice)\s+(\w+)|#(\d{1,2})\b", re.IGNORECASE
)
"""Names an option."""
_LABEL = re.compile(
    r"[ \t]*[*_#>]{0,3}[ \t]*(?:(?:option|plan|variant|alternative|choice)[ \t]+(\w{1,3})\b"
    r"|\(?(\d{1,2}|[A-Za-z])[.):]|([-*•+]))",
    re.IGNORECASE,
)
_CHOICE = re.compile(
    r"\b(?:options?|alternatives?|alternatively|either|choose|choice|pick|which|prefer|rather"
    r"|one of|ideas?|ways to|could|might)\b",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\b(?:alternatively|otherwise|could also|might also|another (?:option|way|possibility)"
    r"|or (?:else )?(?:let['’]s|we|I|you|should))\b|\binstead\W*$",
    re.IGNORECASE,
)
_SHORT_REPLY = re.compile(
    r"\W*(?:(?:yes|ok|okay|sure|great|please|let['’]s (?:do|go with|take)|go (?:with|for)"
    r"|i['’]?(?:ll| will)? (?:take|prefer|choose|pick))[,.!\s]+)*(?:the )?(\d{1,2}|[a-h])\b"
    r"\W*(?:please|then|it is|thanks)?\W*",
    re.IGNORECASE,
)
_PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")
_PLACE = re.compile(
    rf"\b(?:the )(?:({'|'.join(_PLACES)}|last|former|latter)|([1-6])(?:st|nd|rd|th))\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not|never|no|neither|nor|without|except|skip|drop|avoid|against|forget|cannot|dislike"
    r"|instead of|rather than|other than|(?:any|every)(?:thing|one)? but|all but|\w+n['’]t)\b"
    r"[^,.;:!\n]*$",
    re.IGNORECASE,
)
"""What a reply says before an option that it does not want."""
_MOST_WORDS = 8
"""A reply of more words names an option only by its number or place."""


def accepted(
    text: str, proposals: Sequence[Found], reply: str, *, agrees: bool
) -> list[tuple[Found, str]]:
    """Return the proposals of an answer that a reply accepts, each with the reply's terms.

    `agrees` says that it says yes.
    """
    each = {(one.start, one.end): one for one in reversed(proposals)}  # one sentence, once
    offered = [
        (one, _label(text, one))
        for one in reversed(each.values())
        if not text[one.start : one.end].rstrip().endswith(":")  # it leads to what is proposed
    ]
    open_ = _are_options(text, offered)
    names = OPTION.search(reply[:400]) is not None
    if open_ or names:
        chosen = _chosen(text, offered, reply)
        return [(chosen, terms_of(reply, None))] if chosen is not None else []
    whole = [one for one, _ in offered] if agrees else []
    return [(one, terms_of(reply, text[one.start : one.end])) for one in whole]


_AGREES = frozenset(
    map(
        stem,
        "yes yeah yep yup sure absolutely definitely certainly correct right exactly agreed great "
        "good perfect fine excellent awesome cool thanks thank sounds looks go ahead proceed "
        "continue let's lets them those these both everything do so option plan number variant "
        "choice course idea way works ja genau bitte gerne gern klar danke gut oui d'accord merci "
        "bien sí si claro vale gracias certo bene grazie sim obrigado prima graag goed "
        "dank".split(),
    )
)
"""Words of an answer that only agrees."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\W*[^\W_])|\n+")
_LONGEST_ANSWER = 200
"""Characters of a sentence of an answer that is shown with what it accepts."""


def terms_of(reply: str, proposed: str | None) -> str:
    """Return what an answer says beside its yes: which of two, or on what condition.

    Where it chose from a list, `proposed` is None, and only conditions are returned.

    >>> terms_of("Yes, but keep those of March. Thanks!", "Shall I delete the old backups?")
    'Yes, but keep those of March.'
    >>> terms_of("Yes, please delete them.", "Shall I delete the old backups?")
    ''
    """
    kept: list[str] = []
    for at, sentence in enumerate(_SENTENCE.split(reply[:400].strip())):
        if sentence.rstrip().endswith("?") or len(sentence) > _LONGEST_ANSWER:
            break
        said = content(sentence) - _AGREES - content(proposed or "")
        says = bool(said) and at == 0 and proposed is not None
        if says or any(restricts(part) for part in [sentence, *_after_commas(sentence)]):
            kept.append(sentence.strip())
        elif said and at:
            break
    return " ".join(kept)


def _after_commas(sentence: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,;–—]", sentence)[1:]]


def _label(text: str, one: Found) -> str:
    """Return the number or letter in front of a proposal, "*" behind a bullet, "" where none is."""
    begin = text.rfind("\n", 0, one.start) + 1
    found = _LABEL.match(text, begin, max(one.start, begin + 1) + 12)
    if found is None or found.start() > one.start:
        own = OPTION.search(text[one.start : one.end])
        return (own[1] or own[2]).lower() if own else ""
    if found.end() > one.start and not found[1]:
        return ""
    return (found[1] or found[2] or "*").lower()


def _are_options(text: str, offered: Sequence[tuple[Found, str]]) -> bool:
    """Return whether proposals exclude each other, or one leaves open what it proposes."""
    if any(_OTHER.search(text[one.start : one.end]) for one, _ in offered):
        return True
    listed = [one for one, label in offered if label]
    if len(listed) < 2:
        return False
    if all(label.isalpha() for _, label in offered if label):
        return True  # what has letters is to be chosen from, steps have numbers
    beside = text[: listed[0].start] + text[listed[-1].end :]
    inside = "".join(text[one.start : one.end] for one in listed)
    return bool(_CHOICE.search(beside) or _CHOICE.search(inside))


def _chosen(text: str, offered: Sequence[tuple[Found, str]], reply: str) -> Found | None:
    """Return the one proposal that a reply names, None if it names none."""
    start = reply[:400]
    if "?" in start:
        return None
    labels = [label if label != "*" else str(i + 1) for i, (_, label) in enumerate(offered)]
    named = next(_wanted(OPTION, start), None)
    short = _SHORT_REPLY.fullmatch(start.strip())
    wanted = (named[1] or named[2]) if named else short[1] if short else None
    if wanted is not None:
        found = [
            one for (one, _), label in zip(offered, labels, strict=True) if label == wanted.lower()
        ]
        return found[0] if len(found) == 1 else None
    place = next(_wanted(_PLACE, start[:120]), None)
    if place is not None:
        at = _place(place, len(offered))
        return offered[at][0] if at < len(offered) else None
    words = content(start)
    if len(start.split()) > _MOST_WORDS or forbids(start) or _DENIED.search(start):
        return None
    about = [content(text[one.start : one.end]) for one, _ in offered]
    said = Counter(word for each in about for word in each)
    met = [
        one
        for (one, _), own in zip(offered, about, strict=True)
        if any(said[word] == 1 for word in words & own)
    ]
    return met[0] if len(met) == 1 else None


def _wanted(pattern: re.Pattern[str], reply: str) -> Iterator[re.Match[str]]:
    """Yield the places of a reply that name an option and do not deny it."""
    return (one for one in pattern.finditer(reply) if not _DENIED.search(reply[: one.start()]))


def _place(found: re.Match[str], count: int) -> int:
    if found[2]:
        return int(found[2]) - 1
    word = found[1].lower()
    if word in ("last", "latter"):
        return count - 1
    return 0 if word == "former" else _PLACES.index(word)
