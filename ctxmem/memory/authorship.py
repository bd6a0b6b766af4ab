"""Which words of a message are its author's, and which a program printed.

Many agents send what a tool returned in a message of the user's role, with a line in front that
says so, or in an element. What a page, a file or a command says there must never become a rule: it
may have been written by an attacker. So such a part ends only where it surely does: one that a
program put there at the end of its element or of the message, one that a person pasted before the
last paragraph, if a person speaks in it.
"""

from __future__ import annotations

import re

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
_PERSON = re.compile(_PERSON_TAGS, re.IGNORECASE)
_SPEAKS = re.compile(
    r"\b(?:I|I['’](?:m|d|ll|ve)|[Ww]e|[Oo]ur|[Mm]y|[Pp]lease|[Ll]et['’]s|[Tt]hanks"
    r"|(?:[Cc]an|[Cc]ould|[Ww]ould) you)\b"
)
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
    kept: list[str] = []
    open_tags: set[str] = set()  # of which no end is left
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end + 1
        after = _printed_to(text, at, end)
        if after > at:
            kept.append(_blank(text[at:after]))
            at = after
            continue
        element = _ELEMENT.match(text, at, end)
        if element is None or element[1] in open_tags:
            kept.append(text[at:end])
            at = end
            continue
        close = text.find(f"</{element[1]}>", element.end())
        after = close + len(element[1]) + 3
        if close < 0:
            open_tags.add(element[1])
            after = end
        if close < 0 or not _PERSON.fullmatch(element[1]):
            kept.append(text[at:after])  # the scanner leaves the element out
        else:
            inside = own_words(text[element.end() : close])
            kept.append(_blank(text[at : element.end()]) + inside + _blank(text[close:after]))
        at = after
    return "".join(kept)


def _printed_to(text: str, at: int, end: int) -> int:
    """Return where that ends which a program printed from a line on; the line's start if none."""
    line = text[at:end]
    opened = _RESULT.search(line)
    if opened and (not line[: opened.start()].strip() or not line[opened.end() :].strip()):
        # A result may write the end of its element itself: the last end is the true one.
        close = text.rfind(f"</{opened[1]}>", at + opened.end())
        return close + len(opened[1]) + 3 if close >= 0 else len(text)
    if _PROGRAM.match(line):
        return len(text)
    if _PASTED.match(line):
        return max(end, _last_words(text))
    return at


def _last_words(text: str) -> int:
    """Return where the last paragraph begins, if a person speaks in it; else the end."""
    rest = text.rstrip()
    begin = rest.rfind("\n\n") + 2
    said = rest[begin:]
    return begin if 2 <= begin and len(said) <= _LONGEST and _SPEAKS.search(said) else len(text)


def _blank(text: str) -> str:
    """Return white space of the same length that ends every paragraph."""
    return "\n" * len(text)
