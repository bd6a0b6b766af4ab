"""The critical tokens of a sentence: numbers with unit, identifiers, names, content words, force.

Force is what a sentence does with its content: it forbids, requires, allows, releases, weakens,
guards ("only", "never ... without") or states. Two sentences about the same content say the same
only if their forces agree. The tables are English, German, French, Spanish, Italian, Portuguese
and Dutch; in other languages only the rule of `ctxmem.differences` decides.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_RUN = re.compile(r"(?:\w+|(?<!\S)[~.]?/\w+)(?:[./:@#\\-]+\w+|,\d{3}(?!\d))*")
_PLAIN = re.compile(r"\d+(?:[.,]\d+)*")
_JOINED = re.compile(r"(\d+(?:[.,]\d+)*)-?([^\W\d_]+)")
_RANGE = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")
_THOUSANDS = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_TELLING = re.compile(r"[0-9_@]|[a-z][A-Z]|\w/\w.*/|^[~.]?/\w|[a-z0-9]\.[a-z][a-z0-9]{0,4}$")
_AMOUNT = re.compile(
    r"(?<![\w.,/:@#-])(?:([$€£¥₹]|(?:EUR|USD|GBP|CHF)\b)\s?)?(?=([-−]?\d+(?:[.,]\d+)*))\2"
    r"(?!\w*[./:@#_-]\w)[\s-]?(%|[$€£¥₹]|[^\W\d_]+)?"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

_UNIT_ROWS = (
    ("time", 0.001, "ms millisecond milliseconds"),
    ("time", 1, "s sec secs second seconds sekunde sekunden seconde secondes"),
    ("time", 60, "min mins minute minutes minuten"),
    ("time", 3600, "h hr hrs hour hours stunde stunden heure heures"),
    ("time", 86400, "day days tag tage tagen jour jours"),
    ("time", 604800, "week weeks woche wochen semaine semaines"),
    ("months", 1, "month months monat monate monaten mois"),
    ("months", 12, "year years jahr jahre jahren an ans"),
    ("size", 1, "b byte bytes"),
    ("size", 1e3, "kb"),
    ("size", 1e6, "mb"),
    ("size", 1e9, "gb"),
    ("size", 1e12, "tb"),
    ("mass", 1e-6, "µg mcg"),
    ("mass", 0.001, "mg"),
    ("mass", 1, "g gram grams gramm"),
    ("mass", 1000, "kg kilo kilos"),
    ("length", 0.01, "cm"),
    ("length", 1, "m meter meters metre metres"),
    ("length", 1000, "km"),
    ("percent", 1, "% percent prozent pourcent"),
    ("EUR", 1, "€ eur euro euros"),
    ("USD", 1, "$ usd dollar dollars"),
    ("GBP", 1, "£ gbp pound pounds"),
    ("CHF", 1, "chf franken francs"),
    ("JPY", 1, "¥ jpy yen"),
    ("INR", 1, "₹ inr rupees"),
    ("", 1e3, "k"),
    ("", 1, "st nd rd th x"),
)
_UNITS = {word: (name, by) for name, by, words in _UNIT_ROWS for word in words.split()}
_NUMERALS = {
    word: str(n)
    for words in (
        "two three four five six seven eight nine ten eleven twelve",
        "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "deux trois quatre cinq six sept huit neuf dix onze douze",
    )
    for n, word in enumerate(words.split(), 2)
}
_NUMERAL = re.compile(rf"\b(?:{'|'.join(_NUMERALS)})\b", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_MONTHS = {
    word: f"month:{n}"
    for words in (
        "january february march april may june july august september october november december",
        "jan feb mar apr mai jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    )
    for n, word in enumerate(words.split(), 1)
}
_SAME = {
    word: words.split()[0]
    for words in (
        "answer reply replies respond response responses answers write antworten antworte réponds "
        "répondre",
        "delete remove removal deletion erase löschen lösche gelöscht supprimer supprime",
        "budget spend spending budgets",
        "commit commits committing",
        "call called name address named",
        "deadline due frist échéance",
        "refund refunds reimburse",
        "approval approve approved confirmation confirm confirmed consent freigabe zustimmung",
        "fail failed fails failure",
        "try tried attempt attempted attempts",
        "use using used uses verwenden verwende utiliser utilise",
        "buy purchase bought",
        "prefer preference preferred prefers",
        "decide decided decision",
        "choose chose chosen choice pick",
        "ask asking asked fragen frag demander demande",
        "allergic allergy",
        "limit maximum max cap most",
    )
    for word in words.split()
}
_STOP = frozenset(
    "a an the my our your this that these those of for in on at to is are be been being was were "
    "it its now currently please i i'm i'd i've we you me us and but so or as with by from about "
    "will there here just all any what said after user users wants want asked wishes he she they "
    "his her their them him has have had do does did says stated told any anything anyone "
    "may can could must shall should might need needs needed required require requires always "
    "never not no don't doesn't cannot can't only instead allowed permitted permission forbidden "
    "forbids prohibited without unless except sometimes usually often every longer anymore again "
    "if when then than also rule per up under going go before on yes ok okay ja oui sure'"
    " der die das den dem des ein eine einen einem einer mein meine meinen dein deine ihr sein "
    "seine ist sind war wird werden wurde im in am an auf mit für von zu und oder aber ich du er "
    "sie wir es nicht nie niemals immer muss müssen darf dürfen soll sollen kann können kein keine "
    "keinen bitte jetzt nutzer benutzer nur ohne verboten erlaubt manchmal ab als nach bei "
    " le la les l' un une des du de mon ma mes son sa ses est sont a à au aux en dans et ou mais "
    "je tu il elle nous vous ne pas jamais toujours doit dois doivent peut peux peuvent faut "
    "interdit sans sur pour par que qui utilisateur parfois seulement veut "
    " el los las una mi su es son y o del al por para con nunca siempre debe puede usuario".split()
)
_CONTRAST = re.compile(r"^\s*(?:no|nein|non)\s*[,.!:]\s*|,\s*not (?!to\b)|\bnot only\b", re.I)

_FORBID = re.compile(
    r"\bnever\b|(?-i:\bmay|\bMay)\s+(?:not|never|no longer)\b|"
    r"\b(?:must|shall|should|can|could|will)"
    r"(?:\s+(?:not|never|no longer)|n['’]t)\b|\bcan(?:not|['’]t)\b|\b(?:do|does) not\b|"
    r"\b(?:don|doesn)['’]t\b|\bforbid\w*|\bprohibit\w*|\bban(?:s|ned)?\b|\bdisallow\w*|\bavoid\w*|"
    r"\brefrain\w*|\bnot (?:be )?(?:allowed|permitted|acceptable)\b|\boff[- ]limits\b|"
    r"\b(?:nie|niemals|verboten\w*|verbiete\w*|untersagt)\b|"
    r"\bd[aü]rf\w*\b[^.;]{0,60}\b(?:nicht|kein\w*)\b|"
    r"\b(?:jamais|interdit\w*|défen[ds]\w*)\b|\b(?:doi\w+|peu\w+|faut) pas\b|"
    r"\b(?:nunca|jamás|prohibid\w*|vietat\w*|proibid\w*|nooit|verboden)\b",
    re.IGNORECASE,
)
_RELEASE = re.compile(
    r"\bneed not\b|\bneedn['’]t\b|\b(?:do|does|did)(?: not|n['’]t) (?:have|need) to\b|"
    r"\bno(?:t| longer) (?:be )?(?:required|necessary|mandatory|obligatory|needed)\b|\bno need\b|"
    r"\boptional\w*|\bno longer\b|\bnot any ?more\b|\bm[uü]ss\w*\b[^.;]{0,60}\bnicht\b|"
    r"\bnicht (?:mehr|nötig|erforderlich|notwendig)\b|\bbrauch\w* [^.;]{0,40}\bnicht\b|"
    r"\bpas (?:besoin|nécessaire|obligatoire|obligé\w*)\b|\bn['’]est plus\b|\bne \w+ plus\b|"
    r"\bfacultati\w*|\bno es (?:necesario|obligatorio)\b|\bhoeft niet\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not|no|none|neither|nor|nicht|kein\w*|pas|aucun\w*|non|não|niet|geen)\b|n['’]t\b", re.I
)
_ONLY = re.compile(
    r"\b(?:only|exclusively|nur|ausschließlich|seulement|uniquement|solo|sólo|"
    r"alleen|somente|erst (?:nach|wenn|mit)|not until)\b",
    re.I,
)
_CONDITION = re.compile(
    r"\b(?:without|unless|until|before|except|ohne|bevor|außer|bis|sans|sauf|avant|sin|salvo|"
    r"senza|sem|zonder)\b",
    re.I,
)
EXCEPTION = re.compile(
    r"\b(?:unless|except\w*|apart from|außer|es sei denn|sauf|excepto|tranne|exceto|behalve)\b",
    re.I,
)
_WEAK = re.compile(
    r"\b(?:sometimes|usually|occasionally|often|rarely|if possible|where possible|manchmal|"
    r"gelegentlich|meistens|wenn möglich|parfois|souvent|si possible|a veces|a volte|às vezes|soms)"
    r"\b",
    re.I,
)
_REQUIRE = re.compile(
    r"\b(?:must|always|have to|has to|shall|should|need|needs|required?|requires|mandatory|every|"
    r"obligatory|ensure|immer|muss|müssen|soll|sollen|stets|toujours|doit|dois|doivent|il faut|"
    r"obligatoire|siempre|debe\w*|sempre|deve\w*|altijd|moet\w*)\b",
    re.I,
)
_ALLOW = re.compile(
    r"(?-i:\bmay\b)|\b(?:can|could|allow\w*|permit\w*|permission|darf|dürfen|kann|können|erlaubt|"
    r"peut|peux|peuvent|autorisé\w*|puede\w*|può|pode\w*|mag|mogen)\b|\bfree to\b",
    re.I,
)
AGREES = {
    "requires": {"requires", "guards", "states"},
    "states": {"states", "requires", "guards", "allows", "weakens"},
    "forbids": {"forbids", "negates", "guards"},
    "negates": {"negates", "forbids", "guards", "releases"},
    "guards": {"guards", "requires", "forbids"},
    "allows": {"allows", "states"},
    "releases": {"releases", "allows", "negates"},
    "weakens": {"weakens", "states", "allows"},
}
"""By the force of a statement, the forces of sentences that say it again."""


def without_contrast(text: str) -> str:
    """Return a sentence without the "no" and "not" that negate nothing.

    >>> without_contrast("No, use tabs, not spaces.")
    ' use tabs spaces.'
    """
    return _CONTRAST.sub(" ", text)


def force(text: str) -> str:
    """Return the force of a sentence, a key of `AGREES`.

    >>> [force(t) for t in ("Never do it.", "You need not do it.", "You may do it.", "Do it.")]
    ['forbids', 'releases', 'allows', 'states']
    """
    text = without_contrast(text)
    releases, forbids = _RELEASE.search(text), _FORBID.search(text)
    if forbids and releases and forbids.start() <= releases.start() < forbids.end():
        # "do not have to" releases, "may no longer" forbids
        forbids = None if forbids.group().lower().startswith("do") else forbids
        releases = releases if forbids is None else None
    if releases and not forbids:
        return "releases"
    negated = forbids or _NEGATED.search(text)
    if _ONLY.search(text) or (negated and _CONDITION.search(text)):
        return "guards"
    if forbids:
        return "forbids"
    required, allowed = _REQUIRE.search(text), _ALLOW.search(text)
    if negated:
        return "forbids" if required or allowed else "negates"
    if _WEAK.search(text):
        return "weakens"
    if required:
        return "requires"
    return "allows" if allowed else "states"


# Tokens -------------------------------------------------------------------------------------------


def number_key(text: str) -> str:
    """Return the value of a number as it is compared.

    >>> number_key("1,200.50"), number_key("1.200"), number_key("3,5"), number_key("007")
    ('1200.5', '1200', '3.5', '7')
    """
    text = text.replace("−", "-")
    if _THOUSANDS.fullmatch(text.lstrip("-")):
        text = text.replace(",", "").replace(".", "")
    elif "," in text and "." in text:
        decimal = max(text.rfind(","), text.rfind("."))
        whole = text[:decimal].replace(",", "").replace(".", "")
        text = f"{whole}.{text[decimal + 1 :]}"
    else:
        text = text.replace(",", ".")
    sign = "-" if text.startswith("-") else ""
    whole, _, part = text.lstrip("-").partition(".")
    part = part.rstrip("0")
    return f"{sign}{whole.lstrip('0') or '0'}" + (f".{part}" if part else "")


@lru_cache(maxsize=1 << 14)
def tokens_of_run(run: str) -> tuple[tuple[str, str], ...]:
    """Return what a run of characters names: ("number" or "identifier", key) pairs.

    >>> tokens_of_run("8443"), tokens_of_run("src/app.py"), tokens_of_run("24h")
    ((('number', '8443'),), (('identifier', 'src/app.py'),), (('number', '24'),))
    >>> tokens_of_run("2026-05-27"), tokens_of_run("follow-up")
    ((('identifier', 'date:2026-5-27'),), ())
    """
    if len(run) > 120:
        return ()
    if _PLAIN.fullmatch(run) and run.count(".") < 2:
        return (("number", number_key(run)),)
    if not _TELLING.search(run):
        return ()
    if joined := _JOINED.fullmatch(run):
        if joined.group(2).lower() in _UNITS:
            return (("number", number_key(joined.group(1))),)
    elif two := _RANGE.fullmatch(run):
        return (("number", number_key(two.group(1))), ("number", number_key(two.group(2))))
    elif iso := _ISO.fullmatch(run):
        return (("identifier", f"date:{iso.group(1)}-{int(iso.group(2))}-{int(iso.group(3))}"),)
    elif dotted := _DOTTED.fullmatch(run):
        day, month, year = map(int, dotted.groups())
        return (("identifier", f"date:{year}-{month}-{day}"),)
    return (("identifier", run.strip("/").lower()),)


def runs(text: str) -> list[str]:
    """Return the runs of a text that may be a number or an identifier, and its words."""
    return _RUN.findall(text)


def _amounts(text: str) -> dict[tuple[str, str], str]:
    """Return the numbers of a sentence by (value, dimension), as written there."""
    found: dict[tuple[str, str], str] = {}
    for match in _AMOUNT.finditer(text) if _DIGIT.search(text) else ():
        before, digits, after = match.groups()
        name, by = _UNITS.get((before or "").lower(), ("", 1.0))
        end = match.end(2)
        if after and after.lower() in _UNITS and (after != "m" or not name):
            unit, factor = _UNITS[after.lower()]
            name, by, end = unit or name, by * factor, match.end()
        key = number_key(digits)
        if by != 1:
            key = number_key(f"{float(key) * by:.6f}") if len(key) < 16 else key
        found.setdefault((key, name), text[match.start() : end].strip())
    for word in _NUMERAL.findall(text):
        if value := _NUMERALS.get(word.lower()):
            found.setdefault((value, ""), word)
    return found


@lru_cache(maxsize=1 << 14)
def _stem(word: str) -> str:
    shorter = _shortened(word)
    return _SAME.get(word) or _SAME_STEMS.get(shorter) or shorter


def _shortened(word: str) -> str:
    word = word.replace("’", "'").removesuffix("'s")
    if word.startswith("ge") and word.endswith("t") and len(word) > 7:
        word = word[2:-1]
    for ending in ("ing", "ed", "en", "es", "s", "e"):
        if len(word) > len(ending) + 3 and word.endswith(ending) and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    return word[:6]


_SAME_STEMS = {_shortened(word): same for word, same in _SAME.items() if len(word) > 5}


@lru_cache(maxsize=1 << 15)
def _stems_of_word(word: str) -> tuple[str, ...]:
    low = word.lower()
    if _CJK.search(word):
        return tuple(word[i : i + 2] for i in range(max(1, min(len(word), 200) - 1)))
    if low in _MONTHS and word[0].isupper():
        return (_MONTHS[low],)
    if len(low) > 1 and low[1] in "'’":  # French and Italian articles
        low = low[2:]
    if low in _STOP or low in _NUMERALS or low in _UNITS or len(low) < 2:
        return ()
    return (_stem(low),)


def stems(text: str) -> set[str]:
    """Return the stems of a text's content words; of scripts without spaces, pairs of signs."""
    return {stem for word in _WORD.findall(text) for stem in _stems_of_word(word)}


def keys_in(text: str) -> set[str]:
    """Return the keys of the numbers and identifiers of a text, and of its number words."""
    found = {key for run in set(_RUN.findall(text)) for _, key in tokens_of_run(run)}
    return found | {_NUMERALS[word] for word in _NUMERALS.keys() & set(text.lower().split())}


def is_month(word: str) -> bool:
    """Whether a word is the name of a month, "May" and "Mai" among them."""
    return word.lower() in _MONTHS and word[:1].isupper()


class Reading(NamedTuple):
    """A sentence as what has to agree.

    Attributes:
        text: the sentence.
        words: stems of its content words, identifiers and names among them.
        numbers: by value and dimension, as written.
        identifiers: by key, as written.
        names: stems of words with a capital inside the sentence; none in German.
    """

    text: str
    words: frozenset[str]
    numbers: dict[tuple[str, str], str]
    identifiers: dict[str, str]
    names: frozenset[str]


_EITHER = frozenset("and/or he/she his/her him/her yes/no und/oder et/ou er/sie y/o".split())
_GERMAN = re.compile(r"\b(?:der|die|das|und|nicht|ist|ein|eine|auf|mit|für|nie|immer|bitte)\b")
_NAME = re.compile(r"(?<=[\w,'’\"(] )[^\W\d_a-z][\w'’]+")


def read_sentence(text: str) -> Reading:
    """Return the critical tokens of a sentence."""
    identifiers: dict[str, str] = {}
    words = stems(text)
    dates: dict[tuple[str, str], str] = {}
    for run in _RUN.findall(text):
        named = tokens_of_run(run)
        if not named and "/" in run and run.lower() not in _EITHER:
            identifiers[run.lower()] = run  # a path in a statement, words elsewhere
        for kind, key in named:
            if kind == "identifier":
                identifiers[key] = run
                if key.startswith("date:"):
                    year, month, day = key[5:].split("-")
                    words.add(f"month:{month}")
                    dates |= {(day, ""): run, (year, ""): run}
    names: frozenset[str] = frozenset()
    if not _GERMAN.search(text):
        capital = (w for w in _NAME.findall(text) if w[0].isupper() and not is_month(w))
        names = frozenset(stem for word in capital for stem in stems(word))
    return Reading(text, frozenset(words), {**dates, **_amounts(text)}, identifiers, names)
