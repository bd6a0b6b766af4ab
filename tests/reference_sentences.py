"""Slow twin of the native cut of prose into sentences, for a small set of English words."""

from __future__ import annotations

import re

GOES_ON = {"mr", "dr", "e.g", "i.e"}
NUMBERED = {"no", "fig", "etc"}
EITHER = {"inc", "al"}
OPENERS = {"The", "However", "No"}


def sentences(text: str) -> list[str]:
    """Return the sentences of a line of plain English with no other abbreviations than the above.

    Each sentence ends with the white space after it.
    """
    found, begin = [], 0
    for stop in re.finditer(r"[.!?][.!?\"')]*\s+(?=\S)", text):
        if _ends(text, begin, stop):
            found.append(text[begin : stop.end()])
            begin = stop.end()
    return [*found, text[begin:]]


def _ends(text: str, begin: int, stop: re.Match[str]) -> bool:
    run, rest = stop.group().rstrip(), text[stop.end() :]
    lower = rest[0].islower()
    if rest[0] in ",;:)]}":
        return False
    if "!" in run or "?" in run:
        return not (lower and set(run) & set("\"')"))
    if len(run) > 1:
        return not lower
    word = _word_before(text, begin, stop.start())
    at = stop.start() - len(word)
    opener = re.match(r"[\"']?([A-Za-z]*)", rest).group(1)
    if not word:
        return not lower
    if re.fullmatch(r"[\d.]+", word):
        return at > begin and not lower
    if at == begin and re.fullmatch(r"(?i)[ivxlc]{1,6}", word):
        return False
    if len(word) == 1:
        before = text[begin:at]
        if (before and before[-1] not in ' "(.') or re.search(r"\d $", before):
            return not lower
        chained = before.endswith(". ") and len(_word_before(text, begin, at - 2)) == 1
        if chained and not _word_before(text, begin, at - 2).isdigit():
            return False
        return at > begin and opener in OPENERS
    if at + len(word) - begin >= 16 and len(_tail(text, begin, stop.start())) >= 16:
        return True
    acronym = re.fullmatch(r"[^.\d](?:\.[^.])+", word)
    if acronym or len(word) <= 6:
        if word.lower() in GOES_ON:
            return False
        if word.lower() in NUMBERED:
            counts = rest[0].isdigit() or rest[0] in "([" or re.fullmatch("[IVXLCivxlc]+", opener)
            single = len(opener) == 1 and opener not in "IA"
            return not (lower or single or (counts and opener not in ("I", "A")))
        if acronym or word.lower() in EITHER:
            return opener in OPENERS
    return not lower or len(word) >= 4


def _tail(text: str, begin: int, at: int) -> str:
    return re.search(r"[A-Za-z0-9.']*$", text[max(begin, at - 16) : at]).group()


def _word_before(text: str, begin: int, at: int) -> str:
    return _tail(text, begin, at).lstrip("'.")
