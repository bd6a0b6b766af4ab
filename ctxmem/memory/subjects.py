"""What a statement is about: its stems, its subject, and what its words can be replaced by."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’._/@:-][^\W_]+)*")
_ELIDED = re.compile(r"^(?:[cdjlmnst]|qu)'(?=\w{2})")
"""Short French words before a vowel: "d'emojis"."""
_ENDINGS = ("ing", "ed", "es", "s")

STOP = frozenset(
    "a an the my our your this that these those of for in on at to is are be been being it its "
    "now currently please i i'm i'd i've i'll we we're we've we'd we'll you you're me us and but "
    "so or as with by from no not never always only don't do does did actually instead longer "
    "anymore again about will can could would must should may might it's there there's here just "
    "all any what said after more than moved changed make forget ignore get got have has had am "
    "was were they he she they've correction sorry wrong rather still also too then if when "
    "whenever everything mind ok okay yes well today "
    "der die das den dem ein eine mein meine unser jetzt nicht ist le la les mon ma un une "
    "est el los mi es ahora il mio è ora o os meu minha é agora de het mijn nu ich wir".split()
)
"""Words that say nothing about what a statement is about."""

NEWER = frozenset(
    "new newest current latest updated revised corrected neu neue neuer neues neuen aktuelle "
    "aktueller aktuelles nouveau nouvel nouvelle actuel actuelle nueva nuevo actual nuova nuovo "
    "attuale nova novo atual nieuw nieuwe huidige".split()
)
"""Words that say of a subject only that its value is the newer one."""
_SAME = re.compile(
    r"\b(?:(e-?mail|mail)(?: address)?|(phone|telephone)(?: number)?|(port|version) number)\b"
)
_PLAIN = {"e-mail": "email", "mail": "email", "telephone": "phone"}

_CUES = frozenset(
    "prefer preference like love enjoy want hate use go going let's lets decide decided agreed "
    "switching switched switch settled need limit max maximum minimum most least cap "
    "remember sure note plan rule allowed fine feel free tried attempted keep stay under below "
    "within over above up down".split()
)
"""Words that many statements of a kind share, whatever they are about."""

_UNSAYING = STOP | _CUES

_CANONICAL = {
    "spend": "budget",
    "budget": "budget",
    "afford": "budget",
    "stretch": "budget",
    "due": "deadline",
    "deadline": "deadline",
    "frist": "deadline",
    "extension": "deadline",
    "quota": "quota",
    "ceiling": "cap",
    "cap": "cap",
}
"""Cue words that name what they limit."""

_FAMILIES = (
    "postgres postgresql mysql mariadb sqlite mongodb mongo oracle cockroachdb dynamodb duckdb",
    "redis memcached valkey",
    "kafka rabbitmq nats sqs pulsar",
    "python rust go java kotlin typescript javascript ruby php scala",
    "react vue svelte angular",
    "django flask fastapi rails laravel express",
    "aws gcp azure heroku",
    "npm yarn pnpm bun",
    "poetry pip uv conda",
    "docker podman",
    "jest vitest mocha pytest unittest",
    "rest graphql grpc",
    "tabs spaces",
    "english french german spanish italian portuguese dutch japanese chinese korean polish russian",
    "aisle window middle",
    "train bus plane car ferry",
    "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays "
    "thursdays fridays saturdays sundays",
    "mornings afternoons evenings nights morning afternoon evening night",
    "refund voucher replacement",
    "median mean mode",
    "json yaml toml xml csv parquet",
    "merge rebase squash",
    "light dark",
    "metric imperial",
)
"""Words of which one replaces another."""
FAMILY = {word: i for i, words in enumerate(_FAMILIES) for word in words.split()}

_SLOTS = (
    (
        "address",
        r"(?:^|[^\w\s]\s*|\b(?:please|just|can|could|to|you|and|so|now|then|but|always|rather"
        r"|may|should) )(?:call|address) me (?:by |as )?"
        r"(?!(?:now|again|back|at|on|if|when(?:ever)?|after"
        r"|before|any(?:more|time)?|today|tomorrow|tonight|later|for|in|once|please|until|unless|between"
        r"|about|every|only|during|to|with|without|and|or|but|first|directly|instead|out|up|the"
        r"|phone|over|via)\b)\w|\bnenn\w* mich\b",
    ),
    ("name", r"\bmy name\b|\bnoem m"),
    (
        "home",
        r"\b(?:i|we) (?:now |currently )?live in\b|\b(?:i|we)(?:['’]ve| have)? (?:just )?"
        r"(?:moved|relocated) to [A-Z]|\bwohne\b|\bwoon\b",
    ),
    ("weight", r"\bi weigh\b|\bich wiege\b"),
    (
        "language",
        r"\b(?:(?:reply|answer|respond|write|speak|talk|antworte)(?: \w+){0,3}? (?:in|auf)|"
        r"switch(?: back)? to) "
        r"(?:english|french|german|spanish|italian|portuguese|dutch|japanese|chinese|korean|polish"
        r"|russian|deutsch|englisch)\b",
    ),
)
_SLOT_WORDS = frozenset(
    "call address nenn nenne nennt name noem live moved relocated wohne woon weigh wiege english "
    "french german spanish italian portuguese dutch japanese chinese korean polish russian deutsch "
    "englisch".split()
)
"""One of these is in every text that a pattern of a slot matches; likewise below."""
_SLOT_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _SLOTS)
SINGLE = frozenset({"address", "home", "weight", "language"})
"""Slots of which a person has one value: the newest."""

_NAMED = (
    re.compile(r"\binstead of (?:the |using )?([\w.+-]+)", re.IGNORECASE),
    re.compile(r"\brather than (?:the |using )?([\w.+-]+)", re.IGNORECASE),
    re.compile(r"\bfrom (?:the )?([\w.+-]+) (?:over )?to\b", re.IGNORECASE),
    re.compile(
        r"\b(?:replaced?|drop|dropp(?:ed|ing)|replacing|ditch(?:ed)?|abandon(?:ed)?|leaving) "
        r"(?:the )?([\w.+-]+)",
        re.I,
    ),
    re.compile(r",? not (?:the )?([\w.+-]+)", re.IGNORECASE),
    re.compile(r"\bno longer (?:use |using |on |with )?(?:the )?([\w.+-]+)", re.IGNORECASE),
)
_NAMING_WORDS = frozenset(
    "instead rather from replace replaced drop dropped dropping replacing ditch ditched abandon "
    "abandoned leaving not longer".split()
)
_SWITCH_WORDS = frozenset(
    "all of now today switch switching switched mind plan plans instead thought scratch moving "
    "moved migrating migrated after since following".split()
)
_SWITCHES = re.compile(
    r"\b(?:after all|as of (?:today|now|this)|from now on|starting (?:today|now)|"
    r"switch(?:ing|ed)? (?:over )?to|chang\w+ (?:my|our) mind|changes? of plans?|instead|"
    r"on second thought|scratch that|new plan|mov(?:ing|ed) (?:over )?to|migrat(?:ing|ed) to)\b",
    re.IGNORECASE,
)
_OPTIONS = frozenset({"option", "plan", "variant", "alternative", "number"})
_OPTION = re.compile(r"\b(option|plan|variant|alternative|number) (\w{1,2})\b")
_FORBIDS = frozenset(
    "never not no don't dont cannot can't avoid stop without nie niemals nicht kein keine keinen "
    "ne pas jamais nunca jamás mai non não nooit niet geen".split()
)
_DENIED = re.compile(r"\b(?:not|never|no longer)\b|n['’]t\b", re.IGNORECASE)
_LATER = re.compile(r"\W*(?:after|since|following) (?:the|that|a|our|my|we|i)\b", re.IGNORECASE)
_ARTICLE = re.compile(r"(?<![\w'])(?:the|my|our|this|your|its)\s+", re.IGNORECASE)
_SCOPE = re.compile(r"\s+(?:for|of) (?:the |my |our )?([^\W\d_]+)", re.IGNORECASE)
DAYS = frozenset(
    "january february march april may june july august september october november december jan feb "
    "mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday "
    "sunday option plan variant alternative".split()
)
_IT = re.compile(r"\b(?:it|that|them) (?:from|to)\b", re.IGNORECASE)
_CHANGED = (
    r"(?:set|mov|chang|rais|lower|bump|reduc|increas|decreas|updat|postpon|push|shift|extend|delay"
    r"|re?schedul|renam|migrat|swap|replac|switch|upgrad|downgrad|relocat|bring|brought|cut)\w*"
)
_SET = re.compile(
    rf"{_CHANGED} (?:the |my |our )?(?!(?:it|that|back|up|down)\b)([^\d]+?) "
    r"(?:back |up |down |out )?(?:from \S+ )?(?:to|until|for|with|by)\b",
    re.IGNORECASE,
)
_CHANGED_BEFORE = re.compile(
    rf"\b{_CHANGED} (?:the|my|our) ((?:[^\W\d_]+ ?){{1,3}})[,;] (?:and )?(?:it|that)\b",
    re.IGNORECASE,
)
_KIND_OF = re.compile(
    r"\b(port|version|branch|room|gate|platform|seat|region|channel|page|line|row|floor) \S+$",
    re.IGNORECASE,
)
_AS = re.compile(r"\s+as (?:the|our|my) (\w+)", re.IGNORECASE)
_VERSION = re.compile(r"\s+(v?\d[\w.]*\w|\d)")
_NAMES = re.compile(r"(?: (?:[A-Z][\w.-]*\w|\d[\w.]*\w|\d)\b)+")
_UNIT = re.compile(r"\s?([^\W\d_]{2,})")
_OF = re.compile(r"\b(?:of|for|in|on|to|from|with|at|by|and|or)\s*$", re.IGNORECASE)
_OWN = re.compile(r"(?:i|we|you|they|he|she|it)(?:['’](?:ve|m|re|ll|d|s))?$", re.IGNORECASE)


_SHORT_ANSWER = 500
"""Characters; an answer that is no longer is accepted as a whole."""


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Return a word without its inflection, for comparing only."""
    word = _ELIDED.sub("", word.lower().replace("’", "'").removesuffix("'s"))
    for ending in _ENDINGS:
        if len(word) > len(ending) + 2 and word.endswith(ending) and not word.endswith("ss"):
            return word[: -len(ending)].removesuffix("e")
    return word.removesuffix("e") if len(word) > 3 else word


@lru_cache(maxsize=128)
def words_of(text: str) -> frozenset[str]:
    """Return the words of a text in lower case."""
    return frozenset(_WORD.findall(text.lower()))


@lru_cache(maxsize=128)
def content(text: str) -> frozenset[str]:
    """Return the stems of a text that say what it is about."""
    return frozenset(map(stem, words_of(text) - _UNSAYING))


def family_words(text: str) -> dict[int | str, str]:
    """Return the words of a text that others of their family replace, by family."""
    words = words_of(text)
    families: dict[int | str, str] = {FAMILY[word]: word for word in sorted(words & FAMILY.keys())}
    if not words.isdisjoint(_OPTIONS):
        for option in _OPTION.finditer(text.lower()):
            families[option.group(1)] = option.group(2)
    return families


def about(subject: str) -> frozenset[str]:
    """Return the stems of a subject that name it: two subjects are the same if these are."""
    plain = _SAME.sub(_plain, subject.lower())
    words = [word for word in plain.split() if word not in STOP]
    named = [word for word in words if word not in NEWER]
    return frozenset(map(stem, named or words))


def _plain(found: re.Match[str]) -> str:
    word: str = next(filter(None, found.groups()))
    return _PLAIN.get(word, word)


def names_nothing(text: str, subject: str, value: str) -> bool:
    """Return whether a value has no subject but its own unit: "make that 700 euros"."""
    behind = text.partition(value)[2].lstrip()
    return not subject or behind.startswith(subject)


def without_newer(subject: str) -> str:
    """Return a subject without the words that mark its value as newer: "new address".

    "New York" is a name; a subject of such words only stays as it is.
    """
    words = subject.split()
    kept = [
        word
        for word, behind in zip(words, [*words, ""][1:], strict=True)
        if word.lower() not in NEWER or (word[:1].isupper() and behind[:1].isupper())
    ]
    return " ".join(kept) if kept and len(kept) < len(words) else subject


def slot(text: str) -> str:
    """Return the name of the one thing about a person that a statement sets, or ""."""
    if words_of(text).isdisjoint(_SLOT_WORDS):
        return ""
    for name, pattern in _SLOT_PATTERNS:
        if pattern.search(text):
            return name
    return ""


def replaced_names(text: str) -> set[str]:
    """Return the words that a statement names as replaced: "instead of X", "from X to Y"."""
    if words_of(text).isdisjoint(_NAMING_WORDS):
        return set()
    return {m.group(1).strip(".-").lower() for p in _NAMED for m in p.finditer(text)}


def forbids(text: str) -> bool:
    """Return whether a statement forbids: what it names is not what is chosen."""
    return not words_of(text).isdisjoint(_FORBIDS)


def switches(text: str) -> bool:
    """Return whether a statement says that it replaces a decision."""
    if words_of(text).isdisjoint(_SWITCH_WORDS):
        return False
    return _SWITCHES.search(text) is not None or _LATER.match(text) is not None


def denies(between: str) -> bool:
    """Return whether the words from the cue of a value up to the value deny it."""
    return _DENIED.search(between) is not None


_MOVED = re.compile(
    r"\b(?:moved|pushed|postponed|extended|brought|rescheduled|shifted|delayed|bumped|raised|lowered"
    r"|increased|reduced|changed|updated)\s+(?:the|our|my|your)\s+(.+?)\s+(?:(?:back|forward|up|out|down)"
    r"\s+)?(?:to|until|till)\b",
    re.IGNORECASE,
)


def subject_of(before: str, cue: str) -> str:
    """Return the subject of a value, from the words before its cue and those of the cue.

    "After the new filter the dataset" is about the dataset: an article begins a new noun, unless
    a preposition is before it. Pronouns are no subjects; then the noun of the cue is.
    """
    moved = _MOVED.search(f"{before} {cue}")
    if moved:  # "the client moved the deadline to": the client is no part of the subject
        return " ".join(word for word in moved[1].split() if word.lower() not in STOP)
    words = before.strip(" \n\t,;:")
    for found in reversed(list(_ARTICLE.finditer(words))):
        if found.start() > 0 and not _OF.search(words[: found.start()]):
            words = words[found.end() :]
            break
    while words:
        first, _, rest = words.partition(" ")
        if not (_OWN.match(first) or first.lower() in STOP):
            break
        words = rest.strip()
    while words.rpartition(" ")[2].lower() in STOP and words:
        words = words.rpartition(" ")[0]
    if words and not all(word.lower() in STOP for word in words.split()):
        head, _, last = words.rpartition(" ")
        words = f"{head} {_CANONICAL.get(last.lower(), last)}".lstrip()
        named = _named_by(cue, strict=True)
        return f"{words} {named}" if named and named not in words.lower() else words
    return _named_by(cue)


def meant_by_it(text: str) -> str:
    """Return what "it" is where the clause before changes it: "moved the call, it is at 9"."""
    found = _CHANGED_BEFORE.search(text)
    return found.group(1).strip() if found else ""


def adjusted(cue: str, behind: str, subject: str, value: str) -> tuple[str, str]:
    """Return subject and value of a statement by what is in its cue and behind its value.

    "Set the retries to 8" and "gpt-5 as the model" name the subject there; of "Python 3.12" the
    name is the subject; of "it" the unit is ("changed it to 90 minutes").
    """
    if _IT.search(cue):
        subject = ""
    elif named := _KIND_OF.search(cue):
        noun = named.group(1)
        if noun.lower() not in subject.lower().split():
            subject = f"{subject} {noun}".lstrip()
    if (found := _SET.match(cue)) or (found := _AS.match(behind)):
        subject = found.group(1)
    elif not (value.isalpha() and value.lower() not in DAYS):
        pass
    elif subject and (found := _NAMES.match(behind)):
        value += found.group(0)
    elif not subject and (found := _VERSION.match(behind)):
        subject, value = value, found.group(1)
    if subject:
        return subject, value
    if value[:1].isdigit() and (found := _UNIT.match(behind)):
        subject = found.group(1)
    return subject, value


def _named_by(cue: str, *, strict: bool = False) -> str:
    for found in _WORD.finditer(cue.lower()):
        if found.group(0) in _CANONICAL:
            scope = _SCOPE.match(cue, found.end())
            return _CANONICAL[found.group(0)] + (f" {scope.group(1)}" if scope else "")
    if strict:
        return ""
    article = _ARTICLE.search(cue)
    if article is None:
        return ""
    noun = _WORD.match(cue, article.end())
    return noun.group(0) if noun else ""


def last_paragraph(text: str) -> int:
    """Return where the part of an answer begins that a "yes" refers to; a short one is such a part.

    What is proposed before it is the body of an explanation, unless the user names the option.
    """
    text = text.rstrip()
    return -1 if len(text) <= _SHORT_ANSWER else text.rfind("\n\n") + 1
