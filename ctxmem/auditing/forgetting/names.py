"""Identifiers that mean one thing: order numbers, paths, ids, addresses, functions.

What `ctxmem.memory.identifiers` returns is what may refer to something. For a finding that is not
enough: a date, a version, a quantity or the name of a language is written again because it is
common and not because anybody remembers it.
"""

from __future__ import annotations

import re

from ctxmem.memory.identifiers import identifiers

LEAST_LENGTH = 5

_COMMON = re.compile(
    r"""
      \d{1,4}([-./:]\d{1,4})+ (t\d[\d:.]*)? z?   # dates, times, versions, ratios
    | v?\d{1,4}([._-]\d{1,4})+ ([._-]?(rc|a|b|alpha|beta|dev|post)\d*)?
    | \d+ (\.\d+)? [a-z%]{1,5}                   # 16GB, 300ms, 10th
    | [a-z]{1,2}\d{1,2}                          # q3, v2
    | (19|20)\d\d
    | (utf|iso|sha|md|http|rfc|gpt|o|claude|python|py|base|int|float|uint)[-_]?\d[\w.-]*
    | [a-z]+/[a-z]+                              # and/or, input/output
    | \d+/\d+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PLACEHOLDERS = re.compile(
    r"(\w+_)?(id|name|type|path|key|url|date|time|at|code|number|count|size|text)|__\w+__|self\.\w+"
    r"|e\.g|i\.e",
    re.IGNORECASE,
)
"""Names of fields, which say what kind of thing is meant and not which."""
_EXTENSION = re.compile(r"\w\.[a-z][a-z0-9]{0,4}$", re.IGNORECASE)
_TOP_LEVEL = frozenset("com org net io dev ai de uk eu co fr ch".split())
_CONVENTIONAL = frozenset(
    "readme.md readme makefile dockerfile package.json package-lock.json pyproject.toml setup.py "
    "setup.cfg requirements.txt tsconfig.json cargo.toml go.mod claude.md agents.md .gitignore "
    ".env index.html index.js index.ts __init__.py main.py changelog.md license node.js".split()
)
"""Files that every repository has: they are opened by convention."""


_FOUR_DIGITS = re.compile(r"\d{4}")
_FIVE_DIGITS = re.compile(r"\d{5}|#\d{3}")
_PLAIN_NUMBER = re.compile(
    r"(?:#(?=\d{3})|(?<![\w.,:/#$€£+*=<>-]))(?P<number>\d{5,}|(?<=#)\d{3,})"
    r"(?![\w/:%]|[.,-]\d|\s?(?:tokens?|words?|lines?|rows?|bytes|[km]?b|ms|seconds?|characters?"
    r"|eur|usd|chf|euros?|dollars?|francs|items?|people|users|requests|records|files|km|miles)\b)",
    re.IGNORECASE,
)
"""A number of an order, a customer or an issue: of five digits or behind a sign, and no amount."""


_SPACED = re.compile(
    r"(?<![\w+])(?:"
    r"\+\d{1,3}(?:[ /.-]?\(?\d{1,5}\)?){2,6}"  # a phone number with its country
    r"|\(\d{2,5}\) ?\d[\d -]{4,}\d"  # a phone number with its area
    r"|[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} \d{1,4}"  # a number plate
    r"|0(?=(?:[- ]?\d){8})\d{1,4}[- ]\d{2,4}(?: \d{2,4}){1,4}"  # 08-123 45 67
    r"|[A-Z]{2,5}-\d{3,}/\d{2,4}"
    r"|10\.\d{4,9}/[\w./()-]*\w"  # a DOI
    r"|(?!(?:19|20)\d\d-\d\d)(?=(?:-?\d){9})\d{2,}(?:-\d{2,})+"  # 4917-33-208
    r"|[A-Z]{2}\d{2}(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?"  # an IBAN in groups
    r"|(?<=[A-Z]{2} )(?!(?:19|20)\d\d/(?:(?:19|20)?\d\d)\b)\d{2,}/\d{3,}"  # RMA 2026/1177
    r")(?![\w-])"
)
"""Numbers that are written in groups, with spaces or with a slash between them."""
_GROUPS = re.compile(
    r"\+\d|\b10\.\d{4}|\d-\d\d|[A-Z]-\d{3,}/\d|\b0\d+[- ]\d|[A-Z]-[A-Z]{1,2} \d|\(\d\d"
    r"|[A-Z]{2}\d\d [A-Z0-9]{4}|[A-Z]{2} \d+/\d"
)


def names_in(text: str) -> list[str]:
    """Return the identifiers of a text that mean one thing, each once, in order.

    >>> names_in("Order ORD-4471 of 2024-05-01, src/app.py and user_id; GitHub v1.2, 16GB; getUser")
    ['ORD-4471', 'src/app.py', 'getUser']
    """
    names = [name for name in map(_trimmed, identifiers(text)) if is_specific(name)]
    if _GROUPS.search(text):
        spaced = dict.fromkeys(m.group() for m in _SPACED.finditer(text))
        names = [n for n in names if not any(n in one for one in spaced)]
        names += [one for one in spaced if sum(map(str.isdigit, one)) >= 7 or one[0].isalpha()]
        text = _SPACED.sub(" ", text)
    if _FIVE_DIGITS.search(text):
        numbers = [m["number"] for m in _PLAIN_NUMBER.finditer(text)]
        names += [n for n in dict.fromkeys(numbers) if n not in names and not n.endswith("00")]
    return names


def _trimmed(name: str) -> str:
    return name.rstrip(".:-/")


def is_specific(name: str) -> bool:
    """Return whether an identifier means one thing, and not a kind of things.

    >>> [is_specific(name) for name in ("8831-22-AC", "mia_li_3668", "user_id", "TypeScript")]
    [True, True, False, False]
    """
    if len(name) < LEAST_LENGTH or _COMMON.fullmatch(name) or _PLACEHOLDERS.fullmatch(name):
        return False
    if name.lower().rpartition("/")[2] in _CONVENTIONAL:
        return False
    if "@" in name or "://" in name:
        return True
    if "/" in name:
        return bool(_EXTENSION.search(name)) or name.count("/") >= 2
    if any(map(str.isdigit, name)):
        return True
    if "_" in name:
        return True
    if "." in name:
        return bool(_EXTENSION.search(name)) and name.rpartition(".")[2].lower() not in _TOP_LEVEL
    return name[0].islower() and bool(re.search("[a-z][A-Z]", name))


def is_file(name: str) -> bool:
    """Return whether an identifier is the name of a file or a folder."""
    if "://" in name or "@" in name:
        return False
    return bool(_EXTENSION.search(name)) or ("/" in name and not _FOUR_DIGITS.search(name))


_CODE_NAME = re.compile(
    r"_*[A-Za-z][a-z]*(?:_[A-Za-z]+)*(?:_?\d{1,3})?(?:\(\))?|[a-z]+(?:[A-Z][a-z0-9]*)+"
    r"|(?:[A-Z][a-z0-9]+){2,}|[\w.]+\.\w+"
)


def is_code(name: str) -> bool:
    """Return whether an identifier names a part of a program: a file, a function, a module.

    >>> [is_code(name) for name in ("src/app.py", "getUser", "run_tests", "run_43831", "ORD-4471")]
    [True, True, True, False, False]
    """
    return "@" not in name and (is_file(name) or bool(_CODE_NAME.fullmatch(name)))


def last_part(name: str) -> str:
    """Return the last part of a path, the whole of what is no path."""
    return name.rstrip("/").rpartition("/")[2]


def mistaken(name: str, known: str) -> bool:
    """Return whether a name is another one written wrong: the same form, one or two signs off.

    >>> mistaken("ORD-4417", "ORD-4471"), mistaken("ORD-4471", "ORD-4471"), mistaken("A-1", "A-2")
    (True, False, False)
    """
    if name == known or len(name) < 6 or abs(len(name) - len(known)) > 1:
        return False
    if _form(name) != _form(known) and len(name) == len(known):
        return False
    if len(name) == len(known):
        off = [i for i in range(len(name)) if name[i] != known[i]]
        swapped = len(off) == 2 and name[off[0]] == known[off[1]] and name[off[1]] == known[off[0]]
        return len(off) == 1 or swapped
    longer, shorter = sorted((name, known), key=len, reverse=True)
    return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def _form(name: str) -> str:
    return re.sub(r"\d", "0", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", name)))
