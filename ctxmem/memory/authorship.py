"""Which words of a message are its author's, and which a program printed.

Many agents send what a tool returned in a message of the user's role, with a line in front that
says so, or in an element. What a page, a file or a command says there must never become a rule: it
may have been written by an attacker. So such a part ends only where it surely does: one that a
program put there at the end of its element or of the message, one that a person pasted before the
last paragraph, if a person speaks in it.
"""

from __future__ import annotations

import re
from bisect import bisect_left

_MAKERS = (
    r"(?:tool|function|command|shell|bash|terminal|execution|code|script|console|program|test|build"
    r"|api|mcp|jupyter|python|sandbox|interpreter|plugin|agent|browser|search|web|query|grep|fetch"
    r"|sql|database|lookup|retrieval|file|page)"
)
_PRODUCTS = r"(?:results?|outputs?|responses?|observations?|returned|return value|contents?|says)"
_OF = (
    r"(?:[ \t]*(?:\([^)\n]*\)|\[[^\]\n]*\]|`[^`\n]*`|'[^'\n]*'|\"[^\"\n]*\""
    r"|(?:of|for|from|by|with|after|to|on)\b[^\n:]{1,120}))?"
)
_PROGRAM = re.compile(
    r"[ \t]*(?:"
    r"observation:"
    rf"|\[[ \t]*(?:{_MAKERS}[ _-]+){{1,3}}{_PRODUCTS}\b[^\]\n]*\]"
    rf"|(?:{_MAKERS}[ _-]+){{1,3}}{_PRODUCTS}{_OF}[ \t]*:"
    rf"|(?:results?|outputs?|contents?)[ \t]+(?:of|for|from)[ \t][^\n]{{1,200}}:[ \t]*$"
    r"|(?:result of calling|called) the [\w.-]+ tool\b"
    r"|\[[\w.-]+ for '[^\n]*'\]"
    r"|(?:the )?(?:command|process|program|script)\b[^\n]{0,60}\b(?:exited|finished|completed"
    r"|failed|terminated) with (?:exit )?(?:code|status)\b"
    r"|(?:exit[ _-]?(?:code|status)|return ?code)[: ]+-?\d"
    r"|(?:stdout|stderr|outputs?|results?|response):[ \t]*$"
    r"|file(?: path| name)?:[ \t]*[\w./\\~-]*[./\\][\w./\\-]+[ \t]*$"
    r")",
    re.IGNORECASE | re.MULTILINE,
)
"""How a line begins with which programs announce what a tool returned."""
_PASTED = re.compile(
    r"[ \t]*(?:\$ [a-z./~]|[\w.-]+@[\w.-]+:[^\n$#]{0,60}[$#] |PS [A-Z]:\\[^\n>]{0,80}>|>>> |"
    r"(?:In|Out) ?\[\d+\]:)"
    r"|[^\n]{0,200}\b(?:got|get|gives|gave|prints|printed|returns|returned|outputs?|shows|showed"
    r"|logged|logs?|errors?|traceback|stack trace)(?: (?:is|was|this|it|me|back|now|below|here"
    r"|message|the following|as follows)){0,3}:[ \t]*$",
    re.MULTILINE,
)
"""How a line begins, or ends, behind which people paste what a program printed."""

_RESULT_TAGS = (
    r"output|outputs|stdout|stderr|return_?code|exit_?code|tool[_-](?:results?|outputs?|responses?)"
    r"|function[_-](?:results?|outputs?|responses?)|(?:command|bash|shell|execution|terminal)"
    r"[_-](?:results?|outputs?)|observations?|results?|search[_-]results?|web[_-]results?"
    r"|fetch[_-]results?"
)
_PERSON_TAGS = (
    r"user[_-](?:query|message|request|input|prompt|feedback)|task|feedback|question|query|request"
)
_RESULT = re.compile(rf"<({_RESULT_TAGS})(?:[ \t][^<>\n]*)?>", re.IGNORECASE)
_ELEMENT = re.compile(r"[ \t]*<([A-Za-z][\w-]{0,39})(?:[ \t][^<>\n]*)?>")
_END = re.compile(r"</([A-Za-z][\w-]{0,39})>")
_WHITE = re.compile(r"\s*")
_PERSON = re.compile(_PERSON_TAGS, re.IGNORECASE)
_SPEAKS = re.compile(
    r"\b(?:I|I['’](?:m|d|ll|ve)|[Ww]e|[Oo]ur|[Mm]y|[Pp]lease|[Ll]et['’]s|[Tt]hanks"
    r"|(?:[Cc]an|[Cc]ould|[Ww]ould) you)\b"
)
_SOMEBODY = (
    r"(?!(?:i|we|ich|wir|je|nous|yo|nosotros|io|noi|eu|nós|ik|wij|you|du|ihr|vous|it|that|this|as|so"
    r"|or)\b)[^\W\d_][\w.'’-]*(?: (?!(?:and|but|so|und|et|y|e|en|i|we)\b)[\w.'’-]+){0,4}"
)
_SAID = (
    r"(?:said|says|told (?:me|us)|wrote|insisted|warned|sagte|sagt|meinte|meint|schrieb|disait|dit"
    r"|a dit|dijo|decía|dice|disse|diceva|dizia|diz|zei|zegt)"
)
_REPORTED = re.compile(
    rf"[,;–—-]\s*(?:[\"”’'»]\s*)?(?:(?:as |so |that's what |that’s what |or so )?"
    rf"(?:{_SAID} {_SOMEBODY}|{_SOMEBODY} (?:always |once |often |used to )?(?:{_SAID}|say)"
    rf"(?: (?:me|us|once|always|back then))?)|according to {_SOMEBODY})\s*[.!]?\s*",
    re.IGNORECASE,
)
"""What is behind a sentence that somebody else said: ", said my old boss."."""
_LONGEST = 600
"""Characters of a last paragraph that may be the author's, behind what is pasted."""
_MAYBE = re.compile(r"[:\]$>]|exit|returncode|called the", re.IGNORECASE)


def own_words(text: str) -> str:
    """Return a message's text with spaces for all that a program printed; it is as long as before.

    >>> own_words("Never push.\\n\\nObservation: ok\\nAlways push.").rstrip()
    'Never push.'
    """
    if not _MAYBE.search(text):
        return text
    tags = _Tags(text)
    kept: list[str] = []
    levels = [_Level(0, len(text), len(text))]
    at = line_end = 0
    while levels:
        level = levels[-1]
        if at >= level.end:
            levels.pop()
            kept.append(_blank(text[at : level.behind]))
            at = level.behind
            continue
        if at >= line_end:
            line_end = text.find("\n", at) + 1 or len(text)
        end = min(line_end, level.end)
        after = _printed_to(text, at, end, level, tags)
        if after > at:
            kept.append(_blank(text[at:after]))
            at = after
            continue
        element = _ELEMENT.match(text, at, end)
        close = tags.first_end(element[1], element.end(), level.end) if element else -1
        if element is None or close < 0:
            after = end
        elif _PERSON.fullmatch(element[1]):
            after = element.end()
            levels.append(_Level(after, close, _behind(close, element[1])))
            kept.append(_blank(text[at:after]))
            at = after
            continue
        else:
            after = _behind(close, element[1])  # the scanner leaves the element out
        kept.append(text[at:after])
        at = after
    return "".join(kept)


def reported(sentence: str) -> bool:
    """Return whether a sentence ends with who else said it.

    >>> reported("Never push to main, said my old boss."), reported("Never push, as I said.")
    (True, False)
    """
    at = max(map(sentence.rfind, ",;–—-"))
    return at >= 0 and _REPORTED.fullmatch(sentence, at) is not None


class _Level:
    """What is inside an element of a person's words, or the whole text: its begin, and its end.

    `behind` is the place behind the end of the element.
    """

    __slots__ = ("_last_words", "begin", "behind", "end")

    def __init__(self, begin: int, end: int, behind: int) -> None:
        self.begin, self.end, self.behind = begin, end, behind
        self._last_words = -1

    def last_words(self, text: str) -> int:
        """Return where the last paragraph begins, if a person speaks in it; else the end."""
        if self._last_words < 0:
            rest = text[self.begin : self.end].rstrip()
            begin = rest.rfind("\n\n") + 2
            said = rest[begin:]
            speaks = 2 <= begin and len(said) <= _LONGEST and _SPEAKS.search(said)
            self._last_words = self.begin + begin if speaks else self.end
        return self._last_words


class _Tags:
    """The places of tags, found once: a text may have many that are never closed."""

    def __init__(self, text: str) -> None:
        self._ends: dict[str, list[int]] = {}
        for found in _END.finditer(text):
            self._ends.setdefault(found[1], []).append(found.start())
        self._results = list(_RESULT.finditer(text))
        self._starts = [found.start() for found in self._results]
        self._ends_line: tuple[int, int, bool] = (-1, -1, False)  # of the last result asked for

    def result(self, at: int, end: int) -> re.Match[str] | None:
        """Return the first element of a result that begins between two places."""
        found = bisect_left(self._starts, at)
        known = found < len(self._starts) and self._starts[found] < end
        return self._results[found] if known else None

    def ends_line(self, text: str, result: re.Match[str], end: int) -> bool:
        """Return whether nothing is behind the tag of a result until the end of its line."""
        if self._ends_line[:2] != (result.end(), end):
            self._ends_line = result.end(), end, _is_white(text, result.end(), end)
        return self._ends_line[2]

    def first_end(self, tag: str, begin: int, end: int) -> int:
        """Return where the first end of an element is between two places; -1 if there is none."""
        places = self._ends.get(tag, [])
        found = bisect_left(places, begin)
        return places[found] if found < len(places) and places[found] < end else -1

    def last_end(self, tag: str, begin: int, end: int) -> int:
        """Return where the last end of an element is between two places; -1 if there is none."""
        places = self._ends.get(tag, [])
        found = bisect_left(places, end) - 1
        return places[found] if found >= 0 and places[found] >= begin else -1


def _printed_to(text: str, at: int, end: int, level: _Level, tags: _Tags) -> int:
    """Return where that ends which a program printed from a line on; the line's start if none."""
    opened = tags.result(at, end)
    if opened and (_is_white(text, at, opened.start()) or tags.ends_line(text, opened, end)):
        # A result may write the end of its element itself: the last end is the true one.
        close = tags.last_end(opened[1], opened.end(), level.end)
        return _behind(close, opened[1]) if close >= 0 else level.end
    if _PROGRAM.match(text, at, end):
        return level.end
    if _PASTED.match(text, at, end):
        return max(end, level.last_words(text))
    return at


def _is_white(text: str, begin: int, end: int) -> bool:
    return _WHITE.fullmatch(text, begin, end) is not None


def _behind(close: int, tag: str) -> int:
    """Return the place behind the end of an element that begins at `close`."""
    return close + len(tag) + 3


def _blank(text: str) -> str:
    """Return white space of the same length that ends every paragraph."""
    return "\n" * len(text)
