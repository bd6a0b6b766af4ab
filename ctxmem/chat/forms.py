"""What form a text has: two records of one form, or two functions, are no versions of one text.

A version of a passage says the same with other words or numbers. Records, rows, logs and code look
alike because they have one form; they are versions only if they are about the same thing, which
their first line names: a key, an id, a function.
"""

from __future__ import annotations

import re

_MOST_LINES = 400  # that are looked at of one text
_MOST_CHARACTERS = 8000

_WORD = re.compile(r"[\"'(\[]?[^\W\d_]+(?:['’-][^\W\d_]+)*[.,;:!?)\]\"'…]*")
_KEY = re.compile(r"\s*(?:[-*]\s+)?[\"']?[\w.$/<>-]{1,40}[\"']?\s*[:=]")
_FRAME = re.compile(
    r"\s*(?:\d+[:|\t]\s*)?(?:$|#|//|/\*|\*|--|;|<!--|\"\"\"|import\b|from\b.*\bimport\b|using\b|package\b|include\b"
    r"|require|use\s|@|[{}()\[\]<>`~=*-]+\s*$)"
)
_CODE = re.compile(
    r"\s*\d+[:|]\s{2,}|.*(?:[{};]|\(.*\).*:)\s*$|.*(?:=>|->|::)"
    r"|\s*(?:\d+:\s*)?(?:import\s|from\s+[\w.]+\s+import\b|using\s|package\s|#\s*include\b|require\b)"
)
_COMMENT = re.compile(r"\s*(?:#(?!#*\s)|# .*[a-z]|//|/\*|\*\s|--\s|;|<!--)")
_ITEM = re.compile(r"\s*(?:[-*•+]|\d+[.)])\s")
_FIELD = re.compile(r"[,;|\t]")
_PROSE = 0.7  # the least share of words in prose
_SAME_LINES = 0.7  # that two versions of a record or of code share


def is_prose(text: str) -> bool:
    """Return whether a text is sentences; code, records, tables and logs are not.

    >>> is_prose("Refunds are paid within 30 days, to the card that was charged.")
    True
    >>> is_prose('{"order": 1000, "state": "sent", "parcels": 1}')
    False
    """
    lines = [line for line in text[:_MOST_CHARACTERS].split("\n") if line.strip()]
    keyed = sum(_KEY.match(line) is not None for line in lines)
    if len(lines) > 2 and 2 * keyed > len(lines):
        return False
    if text.lstrip()[:1] in ("{", "[", "<") and text.rstrip()[-1:] in ("}", "]", ">"):
        return False
    words = spoken = 0
    for line in lines:
        said = line.split()
        words += len(said)
        if _CODE.match(line) is None and _COMMENT.match(line) is None:
            spoken += sum(_WORD.fullmatch(word) is not None for word in said)
    return spoken >= _PROSE * words


def subject_of(text: str) -> str:
    """Return what a record or a piece of code is about, as far as its beginning says.

    It is the first line that is no comment, no import and no bracket; of a single line it is the
    first field.

    >>> subject_of("# (c) 2024\\nimport os\\n\\ndef area(shape):\\n    return shape.a")
    'def area(shape):'
    >>> subject_of('{"order": 1000, "state": "sent"}')
    '{"order": 1000'
    """
    lines = text.strip().split("\n", _MOST_LINES)
    if len(lines) == 1:
        return _FIELD.split(lines[0], maxsplit=1)[0].strip()
    named = (line for line in lines if _FRAME.match(line) is None)
    return next(named, lines[0]).strip()


def is_of_one_form(one: str, other: str) -> bool:
    """Return whether two texts are alike because both are records, or code, about two things.

    >>> is_of_one_form("def a(x):\\n    return f(x, 1)", "def b(x):\\n    return f(x, 2)")
    True
    """
    if is_prose(one) and is_prose(other):
        return False
    if subject_of(one) != subject_of(other):
        return True
    lines, others = _lines_of(one), _lines_of(other)
    return len(lines & others) < _SAME_LINES * min(len(lines), len(others)) and len(lines) > 1


def _lines_of(text: str) -> set[str]:
    return {line.strip() for line in text[:_MOST_CHARACTERS].split("\n") if line.strip()}


def are_items(one: str, other: str) -> bool:
    """Return whether two texts are items of lists, which are written alike on purpose."""
    return _ITEM.match(one) is not None and _ITEM.match(other) is not None


def say_the_same(one: str, other: str) -> bool:
    """Return whether two texts have the same words, in another layout.

    >>> say_the_same("Paid within 30 days!", "paid  within\\n30 days")
    True
    """
    return re.findall(r"\w+", one.casefold()) == re.findall(r"\w+", other.casefold())
