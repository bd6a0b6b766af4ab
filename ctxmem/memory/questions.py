"""What a question wants: which kind of answer, from which end of a session, from which time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import numpy as np

_ORDER = re.compile(
    r"\b(?:in (?:what|which) order|in order\b(?! to)|the order|order in which|sequence of"
    r"|chronolog\w*|timeline|reihenfolge|dans quel ordre|en qu[eé] orden|in che ordine)\b",
    re.IGNORECASE,
)
_SUMMARY = re.compile(
    r"\b(?:summar\w*|overview|recap|everything|progress(?:ed)?|evolv\w*|developed|over time"
    r"|so far|zusammenfass\w*|fass\w* .* zusammen|r[eé]sum[eé]\w*|resum\w*|riassum\w*)\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?:how many|how often|in total|number of|list (?:all|every)|wie viele|wie oft|combien"
    r"|cu[aá]nt[oa]s|quant[ie])\b",
    re.IGNORECASE,
)
_EARLIEST = re.compile(
    r"\b(?:first|earliest|initial(?:ly)?|original(?:ly)?|(?:at|in|from) the (?:start|beginning)"
    r"|to (?:start|begin) (?:with|my|our|the)|am anfang|zuerst|anfangs|premi[eè]re?|au d[eé]but"
    r"|primer[oa]?|al principio|all'inizio)\b",
    re.IGNORECASE,
)
_LATEST = re.compile(
    r"\b(?:last|latest|most recent(?:ly)?|newest|current(?:ly)?|zuletzt|dernier|[uú]ltim[oa])\b",
    re.IGNORECASE,
)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_SPAN = re.compile(
    r"\b(?P<how>before|until|after|since|in|during) "
    rf"(?:(?P<month>{'|'.join(_MONTHS)})(?:,? (?P<of>(?:19|20)\d\d))?|(?P<year>(?:19|20)\d\d))\b",
    re.IGNORECASE,
)
_DAY = re.compile(r"\b(?:yesterday|today)\b", re.IGNORECASE)

FAINT = """
ask asked bring brought chat conversation discuss discussion mention say said session talk tell
told remind remember recall earlier previously throughout across ever order list item sequence walk
summary summarize summarise overview recap provide give detailed comprehensive thorough complete
entire everything cover capture different various aspect main key point include full scope total
distinct consider given progress topic many much
erwähnt besprochen gespräch reihenfolge zusammenfassung überblick verschiedene
mentionné conversation ordre résumé différents aspects
mencioné conversación orden resumen diferentes aspectos
menzionato conversazione ordine riassunto diversi aspetti
"""
"""Words of questions about a conversation that say little of what the question is about."""


class Ask(NamedTuple):
    """What kind of question it is: "fact", "count", "order" or "summary", and which end it wants.

    `end` is -1 for the earliest messages, 1 for the latest, 0 for any.
    """

    kind: str
    end: int = 0


def read_question(question: str) -> Ask:
    """Return what kind of answer a question wants, by its words.

    >>> read_question("How many tickets did we open?")
    Ask(kind='count', end=0)
    """
    end = 1 if _LATEST.search(question) else -1 if _EARLIEST.search(question) else 0
    for kind, pattern in (("order", _ORDER), ("summary", _SUMMARY), ("count", _COUNT)):
        if pattern.search(question):
            return Ask(kind, end)
    return Ask("fact", end)


def period(question: str, now: float) -> tuple[float, float] | None:
    """Return the span of time in seconds that a question names, or None; days and months are UTC.

    A month without a year is the last one that has begun.

    >>> period("What did we decide before March?", 1716000000.0)
    (-inf, 1709251200.0)
    """
    moment = datetime.fromtimestamp(now, timezone.utc)
    day = _DAY.search(question)
    if day:
        start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        start -= timedelta(days=day[0].lower() == "yesterday")
        return start.timestamp(), (start + timedelta(days=1)).timestamp()
    found = _SPAN.search(question)
    if found is None:
        return None
    if found["year"]:
        start = datetime(int(found["year"]), 1, 1, tzinfo=timezone.utc)
        end = datetime(start.year + 1, 1, 1, tzinfo=timezone.utc)
    else:
        month = _MONTHS.index(found["month"].lower()) + 1
        year = int(found["of"]) if found["of"] else moment.year - (month > moment.month)
        start = datetime(year, month, 1, tzinfo=timezone.utc)
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=timezone.utc)
    how = found["how"].lower()
    return (
        -np.inf if how in ("before", "until") else (end if how == "after" else start).timestamp(),
        np.inf if how in ("after", "since") else (start if how == "before" else end).timestamp(),
    )
