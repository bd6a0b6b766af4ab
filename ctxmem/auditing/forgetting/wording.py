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
    r"\b(?:i|we)(?:['’]ve| have| had|['’]d)?(?: \w+ly| already| just| once| clearly)? (?:told|said"
    r"|asked|mentioned|agreed|decided|explained|wrote|specified|requested|wanted|made clear"
    r"|did say)\b"
    r"|\b(?:as|like) (?:(?:i|we)(?:['’]ve| have| had)? )?(?:said|told|mentioned|asked|agreed|stated"
    r"|discussed|before)\b|\balready\b"
    r"|\b(?:you (?:forgot|keep|ignored|left out|were (?:supposed|meant|to))|you['’]ve forgotten)\b"
    r"|\b(?:i|we) did (?:say|tell|ask|mention|write|explain|specify)\b|\bwie (?:besprochen"
    r"|vereinbart)\b"
    r"|\bdon['’]t forget\b|\bhow (?:many times|often)\b|\b(?:remember|reminder)\s*[,:.!?]"
    r"|^\W*(?:(?:once )?again|once more|one more time|remember|reminder|just to repeat|i repeat"
    r"|(?:noch ?mals?|ich wiederhole|wie gesagt)\b|encore une fois|je (?:le )?répète|otra vez"
    r"|lo repito|repito|ancora una volta|ripeto)\b"
    r"|\b(?:once more|still (?:applies|holds|valid))\b|[,.!] again[.!]"
    r"|\b(?:wie gesagt|schon (?:\w+ )?(?:gesagt|erwähnt|geschrieben)|bereits (?:gesagt|erwähnt)"
    r"|hab(?:e|en|t)? (?:ich|wir|dir|es|doch)\b[^.!?]{0,40}\bgesagt|hatten? (?:ich"
    r"|wir)\b[^.!?]{0,40}"
    r"\b(?:gesagt|gebeten|ausgemacht)|(?:ich|wir) hatten? [^.!?]{0,40}(?:gesagt|gebeten|ausgemacht)"
    r"|du (?:hast|solltest) [^.!?]{0,40}(?:vergessen|doch)|denk(?:e"
    r"|en)? (?:sie )?(?:bitte )?(?:daran|dran)"
    r"|comme je (?:l['’]ai )?d\w+|comme convenu|(?:je|on|nous) (?:te |vous |l['’]|t['’]|le |la )*"
    r"(?:ai|avais|avait|avons|avions) (?:bien |déjà |pourtant )*(?:dit|demandé|précisé|écrit"
    r"|expliqué)"
    r"|je (?:le |te l['’]|t['’])?(?:ai|avais) [^.!?]{0,12}dit|n['’]oublie\w* pas|rappelle-toi"
    r"|(?:ya )?(?:te|le|os|les) (?:dije|pedí|he dicho|había dicho|expliqué)|ya (?:te|le|lo|se"
    r"|os) \w+"
    r"|como (?:te )?(?:dije|pedí|acordamos)|no olvides|recuerda que"
    r"|come (?:ho |ti ho )?detto|te l['’]ho (?:già )?detto|ti avevo (?:già )?detto)\b",
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
        "mir nenn nennen gib geben ihnen donner moi pouvez vous indiquer puedes puede "
        "dime rappelle dis quoi "
        "noch gleich eigentlich denn qué cuál cuánto dónde qui combien für welche wie wo wer wann "
        "warum quel quelle comment cual como donde doch schon gesagt war nochmal"
    )
) - frozenset(stems("chat order orders list item items session point key"))
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
_OTHER_WORDS = {
    other: word
    for word, *others in (
        group.split("/")
        for group in "memory/ram price/cost/costs/fee phone/telephone email/mail/e-mail "
        "depth/deep length/long height/high/tall width/wide weight/heavy "
        "participants/people fund/funded/paid/pay/pays photo/picture/image car/vehicle "
        "doctor/physician firm/company surname/lastname postcode/zip zipcode/zip house/home".split()
    )
    for other in others
}
"""Synonyms, each with the word that represents them."""
_GERMAN = re.compile(
    r"\b(?:der|die|das|den|dem|ein|eine|für|und|ist|war|wird|wann|wie|wo|wer|welche\w*|nicht|zu"
    r"|im)\b"
)
_LEAST_STEM = 3
_PAST = re.compile(rf"\b(?:{'|'.join(_IRREGULAR)})\b", re.IGNORECASE)
_OTHER = re.compile(rf"\b(?:{'|'.join(_OTHER_WORDS)})\b", re.IGNORECASE)
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_ASKED_WITH = (
    ("how many", r"how (?:many|much)|wie ?viele?|combien|cu[aá]nt[oa]s?|quant[oaie]"),
    ("how long", r"how (?:long|often)|wie (?:lange|oft)"),
    ("who", r"who|whom|whose|wer|wen|wem|wessen|qui|qui[eé]n(?:es)?|chi"),
    ("where", r"where|wo|wohin|woher|où|d[oó]nde|dove"),
    ("when", r"when|wann|quand|cu[aá]ndo|quando"),
    ("why", r"why|warum|wieso|weshalb|pourquoi|por qu[eé]|perché"),
    ("what", r"what|which|was|welche\w*|quel\w*|qu[eé]|cu[aá]l(?:es)?|quale?|nenn\w*|give|tell"
     r"|provide|share|send|need|specify"),
    ("how", r"how|wie|comment|c[oó]mo|come"),
)  # fmt: skip
"""What a question asks for; whoever asks to be given a thing asks what it is."""
_ASKED = re.compile(
    "|".join(rf"(?P<w{i}>\b(?:{words})\b)" for i, (_, words) in enumerate(_ASKED_WITH)), re.I
)
_MEASURES = re.compile(
    r"\b(?:francs?|franken|euros?|dollars?|pounds?|yen|rupees|celsius|fahrenheit|kelvin|kilom\w+"
    r"|miles?|meters?|metres?|feet|inch\w*|hours?|minutes?|days?|weeks?|percent|kg|kilos?)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])\d[\d.,]*(?![\w])")


@lru_cache(maxsize=4096)
def gist(text: str) -> frozenset[str]:
    """Return the stems that say what a sentence is about."""
    plain = _OTHER.sub(lambda m: _OTHER_WORDS[m.group().lower()], text)
    plain = _PAST.sub(lambda m: _IRREGULAR[m.group().lower()], _HYPHEN.sub(" ", plain))
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
    if only_one and only_other and _nouns(before) and _nouns(before) == _nouns(now):
        only_one = only_other = 0  # two verbs of one question
        shared = max(shared, len(one))
    if again:
        return (
            shared >= 2 and shared >= 0.6 * min(len(one), len(other)) and (shared >= 0.5 * len(one))
        )
    if mine != theirs or shared < 2:
        return one == other and mine == theirs and _asked_alike(before, now)
    if only_one and only_other:
        return shared >= 0.8 * len(one | other)
    return shared >= 0.5 * max(len(one), len(other))


def _nouns(text: str) -> frozenset[str]:
    """Return the nouns of a German sentence, "" of one in another language."""
    if len(_GERMAN.findall(text)) < 2:
        return frozenset()
    words = re.findall(r"(?<=[^\W_] )[A-ZÄÖÜ]\w+", text)
    return frozenset(stems(" ".join(words))) if len(words) >= 2 else frozenset()


def _matched(one: frozenset[str], other: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return two sets of stems in which a stem and its beginning are the same: env, environ."""
    long = {
        b: a
        for a in one - other
        for b in other - one
        if min(len(a), len(b)) >= _LEAST_STEM and (a.startswith(b) or b.startswith(a))
    }
    return one, frozenset(long.get(word, word) for word in other)


def shared_run(before: str, now: str) -> int:
    """Return how many words one after another two sentences have in common, at most.

    >>> shared_run("Ask me before you book anything.", "You had to ask me before you book it!")
    5
    """
    one, other = (re.findall(r"\w+", text.lower()) for text in (before, now))
    longest = 0
    ends = [0] * (len(other) + 1)
    for word in one[:200]:
        last = ends
        ends = [0, *(last[i] + 1 if word == theirs else 0 for i, theirs in enumerate(other))]
        longest = max(longest, *ends)
    return longest


def _asked_alike(before: str, now: str) -> bool:
    """Return whether two short sentences ask for the same thing about their one word."""
    mine, theirs = _asked_for(before), _asked_for(now)
    return mine == theirs and (bool(mine) or _plain(before) == _plain(now))


def _asked_for(text: str) -> str:
    found = _ASKED.search(text)
    return _ASKED_WITH[int((found.lastgroup or "w0")[1:])][0] if found else ""


def measures(text: str) -> frozenset[str]:
    """Return the units that a sentence names, which are no content words of it."""
    return frozenset(m.lower().rstrip("s") for m in _MEASURES.findall(text))


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
