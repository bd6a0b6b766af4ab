"""Whether two sentences say the same, near enough to call one the other again."""

from __future__ import annotations

import re
from functools import lru_cache

from ctxmem.auditing.forgetting.names import names_in
from ctxmem.memory.critical_tokens import AGREES, force, stems
from ctxmem.memory.questions import FAINT

AGAIN = re.compile(
    r"\b(?:again|already|(?:i|we)(?:['’]ve| have| had)? (?:told|said|asked|mentioned|gave|given"
    r"|wrote|written|explained|decided|agreed)|as (?:i|we) (?:said|told|mentioned|asked|agreed)"
    r"|like (?:i|we) said|i said|remind(?:er| me)?|remember|you forgot|you['’]ve forgotten"
    r"|don['’]t forget|once more|repeat(?:ing)?|how (?:many times|often) (?:do|must|have)"
    r"|earlier|previously|before|as before|still"
    r"|noch ?mal\w*|bereits|schon|wie gesagt|erneut|d[ée]j[àa]|encore|comme je|ya (?:te|le|lo)"
    r"|otra vez|già|ancora|come detto)\b",
    re.IGNORECASE,
)
"""Words by which people say that they say something again."""

INSISTS = re.compile(
    r"\b(?:i|we)(?:['’]ve| have| had)?(?: \w+ly| already| just| once)? (?:told|said|asked|mentioned"
    r"|agreed|decided|explained|wrote|specified|made clear)\b"
    r"|\b(?:as|like) (?:(?:i|we)(?:['’]ve| have| had)? )?(?:said|told|mentioned|asked|agreed|stated"
    r"|discussed|before)\b|\balready\b|\b(?:you (?:forgot|keep|ignored)|you['’]ve forgotten)\b"
    r"|\bdon['’]t forget\b|\bhow (?:many times|often)\b|\b(?:remember|reminder)\s*[,:.!?]"
    r"|^\W*(?:again|once more|one more time|remember|reminder|just to repeat)\b"
    r"|\b(?:once more|still (?:applies|holds|valid))\b|[,.!] again[.!]"
    r"|\b(?:wie gesagt|schon (?:mal )?(?:gesagt|erwähnt)|bereits gesagt|hatte(?:n)? ich gesagt"
    r"|comme je|je l['’]ai d[ée]j[àa] dit|ya (?:te|le|lo)|come (?:ho )?detto|nochmal:)\b",
    re.IGNORECASE,
)
"""Words by which people say that a rule was said before; "Hi again" is none."""

NOW = re.compile(
    r"\b(?:now|currently|at the moment|yet|latest|today|so far|next|else|anything|done|ready|left"
    r"|remain\w*|missing|pending|finished|status|progress|other|another|more"
    r"|different|any (?:news|update|luck|idea)"
    r"|jetzt|aktuell|heute|nächste\w*|weitere\w*|sonst)\b",
    re.IGNORECASE,
)
"""Words of questions whose answer changes with time, or that ask for something else."""

_FAINT = frozenset(
    stems(
        f"{FAINT} which how where who when why whose whom there please want would like could can "
        "remind again need know let me give us was were did say said use used got get have had "
        "this is agree agreed told already before previous wrote explain into so first sorry wait "
        "welche wie wo wer wann warum quel quelle comment cual como donde doch schon gesagt war "
        "nochmal"
    )
)
_IRREGULAR = {
    past: present
    for present, past in (
        pair.split("/")
        for pair in "keep/kept hold/held send/sent leave/left go/went make/made build/built "
        "pay/paid lose/lost begin/began find/found get/got give/gave take/took break/broke "
        "choose/chose speak/spoke meet/met sell/sold bring/brought teach/taught think/thought "
        "drive/drove".split()
    )
}
_LEAST_STEM = 3
_PAST = re.compile(rf"\b(?:{'|'.join(_IRREGULAR)})\b", re.IGNORECASE)
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_ASKED_WITH = re.compile(
    r"\b(?:what|which|who|whom|whose|where|when|how (?:many|much|long|often)|how|why)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])\d[\d.,]*(?![\w])")


@lru_cache(maxsize=4096)
def gist(text: str) -> frozenset[str]:
    """Return the stems that say what a sentence is about."""
    plain = _PAST.sub(lambda m: _IRREGULAR[m.group().lower()], _HYPHEN.sub(" ", text))
    return frozenset(stems(plain)) - _FAINT


@lru_cache(maxsize=4096)
def particulars(text: str) -> frozenset[str]:
    """Return the identifiers and numbers of a sentence."""
    names = {name.lower() for name in names_in(text)}
    return frozenset(names | {n.rstrip(".,") for n in _NUMBER.findall(text)})


def same_said(before: str, now: str, *, again: bool) -> bool:
    """Return whether a sentence says what an earlier one says.

    Two sentences in which one content word is put in place of another are about different things,
    unless the speaker says that it is said again (`again`).

    >>> same_said("Which port does staging use?", "What was the staging port?", again=False)
    True
    >>> same_said("How do I deploy to staging?", "How do I deploy to production?", again=False)
    False
    """
    one, other = gist(before), gist(now)
    mine, theirs = particulars(before), particulars(now)
    if mine and theirs and mine != theirs and not (again and mine <= theirs):
        return False
    one, other = _matched(one, other)
    shared = len(one & other)
    if not shared:
        return False
    only_one, only_other = len(one - other), len(other - one)
    if again:
        return (
            shared >= 2 and shared >= 0.6 * min(len(one), len(other)) and (shared >= 0.5 * len(one))
        )
    if mine != theirs or shared < 2:
        return one == other and mine == theirs and _asked_alike(before, now)
    if only_one and only_other:
        return shared >= 0.8 * len(one | other)
    return shared >= 0.5 * max(len(one), len(other))


def _matched(one: frozenset[str], other: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return two sets of stems in which a stem and its beginning are the same: env, environ."""
    long = {
        b: a
        for a in one - other
        for b in other - one
        if min(len(a), len(b)) >= _LEAST_STEM and (a.startswith(b) or b.startswith(a))
    }
    return one, frozenset(long.get(word, word) for word in other)


def _asked_alike(before: str, now: str) -> bool:
    """Return whether two short sentences ask for the same thing about their one word."""
    mine, theirs = (_ASKED_WITH.findall(text.lower()) for text in (before, now))
    return mine[:1] == theirs[:1] and (bool(mine) or _plain(before) == _plain(now))


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def same_force(before: str, now: str) -> bool:
    """Return whether two sentences do the same with their content: forbid it, require it."""
    mine, theirs = force(before), force(now)
    return mine == theirs or theirs in AGREES[mine]


def held_by(text: str, window_text: str) -> bool:
    """Return whether a text has what another says: its particulars and most of its words."""
    if text in window_text:
        return True
    low = window_text.lower()
    named = particulars(text)
    if named:
        return all(name in low for name in named)
    words = gist(text)
    return bool(words) and len(words & frozenset(stems(window_text))) >= 0.8 * len(words)
