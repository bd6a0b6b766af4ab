"""Part what a person says by the way from the sentence in which it is said.

"Could you fix the login and by the way never push to main?" asks one thing and rules another. The
rule binds as a sentence of its own.
"""

from __future__ import annotations

import re

_ASIDE = re.compile(
    r"(?:[-–—,;(][ \t]{0,2})?(?P<joined>(?:\b(?:and|but|oh|also)\b[ \t,]{1,3}){0,2})"
    r"\b(?:by the way|btw|incidentally|apropos|as a reminder|one more thing|whatever you do"
    r"|and remember|while (?:you(?:['’]re| are)|we(?:['’]re| are)) at it|for the record|in general"
    r"|just so you know|for your information|fyi|from here on)\b[ \t]?[,:–-]?[ \t]{0,2}"
    r"(?=(?:(?:please|you|we|just)[ \t]){0,2}"
    r"(?:always|never|don['’]?t|do not|must|make sure|be sure|ensure|only|avoid)\b)",
    re.IGNORECASE,
)
_MENTIONED = re.compile(
    r"by the way|btw|incidentally|apropos|reminder|one more|whatever|remember|at it|record|general"
    r"|you know|information|fyi|from here",
    re.IGNORECASE,
)
_FAR = 400
"""Characters before and behind an aside that are looked at."""
_END = re.compile(r"[.!?](?=\s|$|[)\"'])|\n")


def asides_apart(text: str) -> str:
    """Return a text of the same length in which each aside that rules begins a paragraph.

    >>> asides_apart("Fix it, and by the way never push?").split()
    ['Fix', 'it', 'never', 'push.']
    """
    if not _MENTIONED.search(text):
        return text
    made: list[str] = []
    at = 0
    for found in _ASIDE.finditer(text):
        start, end = found.span()
        before = text[max(at, start - _FAR) : start].rpartition("\n")[2]
        closed = _END.search(text, end, end + _FAR)
        asks = closed is not None and closed[0] == "?"
        if before.count('"') % 2 or before.lstrip()[:1] == ">":
            continue  # somebody else's words
        joined = found["joined"] or found[0].lower().lstrip("-–—,;( ").startswith("and ")
        if asks and not joined:
            continue  # "why do people, by the way, never ask?"
        made += [text[at:start], "\n" * (end - start)]
        at = end
        if asks and closed is not None:
            made += [text[end : closed.start()], "."]
            at = closed.end()
    return "".join([*made, text[at:]])
