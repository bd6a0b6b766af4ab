"""Rules that can be checked: language, length, form, words, commands and paths that are forbidden.

A rule is only checked where its text says plainly what would break it. A rule with a condition or
an exception is not: whether that was met is not in the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from ctxmem.auditing.forgetting.blocks import Block, Entry
from ctxmem.auditing.forgetting.commands import Spec, commands_in, runs
from ctxmem.auditing.forgetting.tool_use import changes, command_of, path_of, values_of

_CONDITION = re.compile(
    r"\b(?:unless|except|if|when(?:ever)?|until|before|after|without|while|once|only then|for now"
    r"|wenn|außer|bevor|ohne|sauf|sans|avant|salvo|sin|antes)\b",
    re.IGNORECASE,
)
_AFTERWARDS = (
    r"no-go|a no|read-only|nobody but me|forbidden|prohibited|banned|taboo|off[- ]limits"
    r"|not (?:be )?(?:allowed|permitted|used|touched"
    r"|run)|not to be \w+|not ours|alone|untouched|verboten|tabu|untersagt|interdit\w*|prohibid\w*"
    r"|vietat\w*|proibid\w*|in ruhe|unberührt|tranquille|en paz"
)
"""What a rule says behind what it forbids: "X is off limits", "leave X alone"."""
_FORBIDS = re.compile(
    r"\b(?:never|do ?n[o']?t|don’t|do not|must ?n[o']t|must not|may not|should not|shouldn['’]t"
    r"|cannot|can['’]t|no longer|avoid|refrain from|stop|skip|drop|omit|hate|dislike|leave out"
    r"|leave (?=.{1,60}\bout\b)|hands off|stay away from|keep (?:out of|away from|clear of)"
    r"|steer clear of|under no circumstances|nothing|free of|spar\w*|verzicht\w*|vermeid\w*"
    r"|no|nie|niemals|nicht|kein\w*|nichts|hände weg|jamais|ne|pas|évite\w*|sans|rien|nunca"
    rf"|jam[aá]s|nada|evita\w*|mai|niente|non|{_AFTERWARDS})\b",
    re.IGNORECASE,
)
_BEHIND = re.compile(rf"\b(?:{_AFTERWARDS})\b|\b(?:stop|them|sie|les|los)\b", re.IGNORECASE)
_PASSIVE = re.compile(
    r"^[\w’']+(?: not)? (?:be|get) \w+(?:e[dn]|t)\b|\b(?:it|them)\b(?=\W*$)", re.IGNORECASE
)
"""Prohibitions whose object comes before: "X must not be changed", "X is ours, leave it"."""
_WHENEVER = re.compile(
    r",?\s*\b(?:when(?:ever)?|if) (?:you|we) (?:write|answer|reply|respond|talk"
    r"|speak)\b(?: (?:to|me|us))*"
    r"|,?\s*\bwithout (?:me|us)\b(?=\W*$)|,?\s*\bwenn du (?:mir )?(?:antwortest|schreibst)\b"
    r"|,?\s*\bquand tu (?:me )?(?:réponds|écris)\b|,?\s*\bcuando (?:me )?(?:respondas|escribas)\b",
    re.IGNORECASE,
)
"""Conditions that are always met."""
_CLAUSE = re.compile(
    r"[;:–—]\s|\.\s|,?\s(?:but|aber|mais|pero)\s"
    r"|\b(?:use|can|may|allowed|fine|ok)\b[^,]*,\s",  # "Use npm, yarn is forbidden."
    re.IGNORECASE,
)
_WITHOUT = re.compile(
    r"\b(?:without|ohne|sans|sin|senza|sem)\s+(?:any |using "
    r"|irgendwelche )?(?P<what>[^,.;!?]{3,40})",
    re.IGNORECASE,
)
_ANSWERS = re.compile(
    r"\b(?:answer\w*|repl(?:y|ies)|respon[ds]\w*|writ\w*|speak|talk|messages? to me|output"
    r"|explain\w*|antwort\w*|schreib\w*|r[ée]pon\w*|respon\w*|rispond\w*)\b",
    re.IGNORECASE,
)
_OTHER_TEXTS = re.compile(
    r"\b(?:commits?|titles?|subjects?|functions?|lines? of code|files?|docstrings?|comments?"
    r"|variables?|tweets?|posts?|emails?|e-mails?|articles?|summar\w+|descriptions?|paragraphs?"
    r"|branch\w*|names?|headlines?|captions?|slides?|chapters?|sections?|changelog|readme)\b",
    re.IGNORECASE,
)
"""What a limit of length may be about beside the answers."""


class Violation(NamedTuple):
    """How a rule was broken: by which words of the message, and why that breaks it."""

    what: str
    why: str


Check = Callable[[Entry], Violation | None]


def check_of(rule: str) -> Check | None:
    """Return a function that says whether a message of the model breaks a rule, None if none can.

    >>> from ctxmem.auditing.forgetting.blocks import Entry
    >>> said = Entry({"role": "assistant", "content": "Sure! \\U0001f389"})
    >>> check_of("No emojis please.")(said).why
    'has an emoji'
    >>> check_of("Ask me before you push.") is None
    True
    """
    language = language_asked(rule)
    if language:
        return lambda entry: _wrong_language(entry, language)
    without = _WITHOUT.search(rule)
    rule = _WHENEVER.sub("", rule)
    if without is not None and not _CONDITION.search(rule[: without.start()]):
        unwanted = next((one for one in _FORMS if one.named.match(without["what"])), None)
        if unwanted is not None:
            return lambda entry: _has_form(entry, unwanted)
    if _CONDITION.search(rule):
        return None
    limit = _limit_in(rule)
    if limit:
        return lambda entry: _too_long(entry, *limit)
    if _JSON_ONLY.search(rule):
        return _no_json
    instead = _INSTEAD.search(rule)
    if instead is not None:
        return lambda entry: _ran(entry, [(instead["not"].lower(),)], [])
    if not _FORBIDS.search(rule):
        return None
    form = next((one for one in _FORMS if one.named.search(rule)), None)
    if form is not None:
        return lambda entry: _has_form(entry, form)
    word = _WORD.search(rule)
    if word is not None:
        return lambda entry: _says(entry, word["word"])
    return _forbidden_action(rule)


# Language -----------------------------------------------------------------------------------------

_LANGUAGES = {
    "en": "english englisch anglais inglés ingles inglese",
    "de": "german deutsch allemand alemán tedesco",
    "fr": "french französisch français francais francés francese",
    "es": "spanish spanisch espagnol español espanol spagnolo",
    "it": "italian italienisch italien italiano",
    "pt": "portuguese portugiesisch portugais portugués português",
    "nl": "dutch niederländisch néerlandais holandés nederlands",
}
_LANGUAGE = {name: code for code, names in _LANGUAGES.items() for name in names.split()}
_IN_LANGUAGE = re.compile(
    r"\b(?:answer\w*|repl(?:y|ies)\w*|respon[ds]\w*|writ\w*|speak|talk|communicat\w*|antwort\w*"
    r"|schreib\w*|r[ée]pon\w*|respond\w*|rispond\w*|everything|always|only|immer|toujours"
    r"|siempre)\b"
    rf"[^.!?\n]{{0,60}}?\b(?:in|auf|en|em)\s+(?P<language>{'|'.join(_LANGUAGE)})\b",
    re.IGNORECASE,
)
_SPEAKS = re.compile(
    r"\b(?:answer|repl|respon[ds]|writ|speak|talk|communicat|convers|say|message|antwort|schreib"
    r"|sprich"
    r"|spreche|rede|r[ée]pon|respuest|parle|écri|rédig|h[áa]bl|contest|escrib|rispo|parl|scriv|fale"
    r"|escrev|praat|schrijf)",
    re.IGNORECASE,
)
_SPOKEN_IN = re.compile(rf"\b(?:in|auf|en|em|to)\s+(?P<language>{'|'.join(_LANGUAGE)})\b", re.I)
_SOLELY = re.compile(
    rf"\b(?:only|nur|ausschließlich|seulement|solo|sólo|stick to|switch to)\s+(?:in\s+|auf\s+"
    rf"|en\s+)?"
    rf"(?P<language>{'|'.join(_LANGUAGE)})\b(?=\W*(?:$|please|bitte|from|s'il|por favor))",
    re.IGNORECASE,
)
_COMMON_WORDS = {
    "en": "the and is are was to of that this with for you have has will not be on it",
    "de": "der die das und ist sind nicht mit für auf ein eine ich sie wird den von zu dem wir",
    "fr": "le les et est sont des une dans pour avec vous que qui pas sur du ce nous",
    "es": "el los las y es son una para con que por del se está en su como más",
    "it": "il lo gli e è sono una per con che di della nel non si ho questo come",
    "pt": "o os as e é são uma para com que não por do da em está você seu",
    "nl": "de het en is zijn een van voor met niet op dat je wij aan te deze",
}
_COMMON = {code: frozenset(words.split()) for code, words in _COMMON_WORDS.items()}
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_LEAST_WORDS = 12  # of a text whose language is recognised


def language_asked(rule: str) -> str:
    """Return the language in which a rule wants the answers, "" if it wants none."""
    if _OTHER_TEXTS.search(rule):
        return ""
    found = _IN_LANGUAGE.search(rule) or _SOLELY.search(rule)
    if found is None and _SPEAKS.search(rule):
        found = _SPOKEN_IN.search(rule)
    if found is None or _FORBIDS.search(rule[: found.start("language")]):
        return ""
    return _LANGUAGE[found["language"].lower()]


def languages_named(text: str) -> set[str]:
    """Return the languages that a text names."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    return {_LANGUAGE[word] for word in words if word in _LANGUAGE}


def language_of(text: str) -> str:
    """Return the language of a text, "" where that is not plain.

    >>> language_of("The port is open and the service is up, so you have nothing to do for this.")
    'en'
    """
    words = re.findall(r"[^\W\d_]+", _CODE.sub(" ", text).lower())
    if len(words) < _LEAST_WORDS:
        return ""
    counts = {code: sum(word in common for word in words) for code, common in _COMMON.items()}
    first, second = sorted(counts, key=lambda code: -counts[code])[:2]
    plain = counts[first] >= max(4, 0.15 * len(words)) and counts[first] >= 2 * counts[second]
    return first if plain else ""


def _wrong_language(entry: Entry, wanted: str) -> Violation | None:
    text = entry.spoken
    found = language_of(text)
    if not found or found == wanted:
        return None
    names = {code: words.split()[0].capitalize() for code, words in _LANGUAGES.items()}
    return Violation(text, f"is written in {names[found]}, not in {names[wanted]}")


# Length -------------------------------------------------------------------------------------------

_NUMERALS = {
    word: number
    for number, words in enumerate(
        ("one a single", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1
    )
    for word in words.split()
}
_COUNTED = (
    r"(?P<number{0}>\d[\d,]*|"
    + "|".join(_NUMERALS)
    + r")\s+(?P<unit{0}>words?|sentences?|lines?|characters?|wörtern?|sätzen?|mots|phrases"
    r"|palabras|bullet points?|bullets?)\b"
)
_LIMIT = re.compile(
    r"\b(?:at most|no more than|not more than|max(?:imum)?(?: of)?|under|below|within|up to"
    r"|less than|fewer than|shorter than|exceed(?:ing)?|limit\w*[^.\d]{0,30}? (?:to|of)"
    r"|keep[^.\d]{0,40}? to|fit[^.\d]{0,20}? (?:in|into|on)|(?:not|never|n['’]t)[^.\d]{0,40}"
    r"(?:longer|more) than|not[^.\d]{0,30}over|capp?(?:ed)? at|cap[^.\d]{0,30} at"
    r"|(?:always|every|all|each|replies|answers|responses|messages)\b[^.\d]{0,40}? in"
    r"|höchstens|maximal|unter|nicht mehr als|nicht länger als|au plus|au maximum|moins de|pas"
    r" plus de|como máximo|menos de|no más de|hasta)\s+"
    + _COUNTED.format("")
    + "|\\b"
    + _COUNTED.format("_before")
    + r"\s+(?:at (?:the )?most|max(?:imum)?|or less|or fewer|tops|is (?:the|my) (?:limit|maximum)"
    r"|(?:per|an?) (?:reply|answer|response|message)"
    r"|höchstens|au plus|au maximum|como máximo)\b",
    re.IGNORECASE,
)
_STRICT = re.compile(r"\b(?:under|below|less than|fewer than)\b", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+\S", re.MULTILINE)
_ALLOWANCE = 1.1  # counts of words differ by how words are separated


def _limit_in(rule: str) -> tuple[int, str] | None:
    found = _LIMIT.search(rule)
    if found is None or _OTHER_TEXTS.search(rule):
        return None
    if not _ANSWERS.search(rule) and not re.search(r"\bkeep\b|\bbe\b", rule, re.IGNORECASE):
        return None
    said = (found["number"] or found["number_before"]).lower().replace(",", "")
    number = _NUMERALS.get(said) or int(said)
    unit = (found["unit"] or found["unit_before"]).lower()
    for name, words in (
        ("words", "word wört mots palab"),
        ("sentences", "sentence sätz phrase"),
        ("characters", "character"),
        ("lines", "line"),
        ("points", "bullet"),
    ):
        if unit.startswith(tuple(words.split())):
            return number - bool(_STRICT.search(found.group())), name
    return None


def _too_long(entry: Entry, most: int, unit: str) -> Violation | None:
    text = _CODE.sub(" ", entry.spoken).strip()
    if not text or _calls(entry):
        return None
    if unit == "words":
        count = len(re.findall(r"\w+(?:['’.-]\w+)*", text))
    elif unit == "sentences":
        count = len(re.findall(r"[^.!?\n]{3,}[.!?]+(?=\s|$)", text))
    elif unit == "characters":
        count = len(text)
    elif unit == "lines":
        count = sum(bool(line.strip()) for line in text.split("\n"))
    else:
        count = len(_BULLET.findall(text))
    allowed = most * _ALLOWANCE if unit == "words" else most
    return Violation(text, f"has {count} {unit}, not {most} at most") if count > allowed else None


# Form ---------------------------------------------------------------------------------------------


class _Form(NamedTuple):
    named: re.Pattern[str]
    found: re.Pattern[str]
    why: str


_JSON_ONLY = re.compile(
    r"\b(?:only|nothing but|just|always|strictly)\b[^.!?\n]{0,40}\bJSON\b(?! files?)"
    r"|\bJSON\b[^.!?\n]{0,12}\b(?:only|and nothing else)\b",
    re.IGNORECASE,
)
_FORMS = (
    _Form(
        re.compile(r"\b(?:bullet(?:s| points?| lists?)?|bulleted lists?|aufzählung\w*)\b", re.I),
        _BULLET,
        "has bullet points",
    ),
    _Form(
        re.compile(r"\bemojis?\b", re.IGNORECASE),
        re.compile("[\U0001f300-\U0001faff\u2705\u274c\u2728\u26a1\u2b50\u2714\u26a0]"),
        "has an emoji",
    ),
    _Form(
        re.compile(r"\b(?:markdown )?tables?\b(?! [a-z_]+\b(?<!please))", re.IGNORECASE),
        re.compile(r"^\s*\|.+\|\s*\n\s*\|[\s:|-]+\|", re.MULTILINE),
        "has a table",
    ),
    _Form(
        re.compile(r"\b(?:headings?|headlines|headers) (?:in|please)|\bno headings?\b", re.I),
        re.compile(r"^#{1,6} \S", re.MULTILINE),
        "has a heading",
    ),
    _Form(
        re.compile(r"\bexclamation (?:marks?|points?)\b", re.IGNORECASE),
        re.compile(r"\w!(?!=)"),
        "has an exclamation mark",
    ),
    _Form(
        re.compile(r"\bcode (?:blocks?|fences?)\b", re.IGNORECASE),
        re.compile(r"^```", re.MULTILINE),
        "has a code block",
    ),
)


def _has_form(entry: Entry, form: _Form) -> Violation | None:
    text = entry.spoken
    if form.why != "has a code block":
        text = _CODE.sub(" ", text)
    return Violation(entry.spoken, form.why) if form.found.search(text) else None


def _no_json(entry: Entry) -> Violation | None:
    text = entry.spoken.strip()
    if not text or _calls(entry):
        return None
    inner = re.sub(r"^```(?:json)?\s*|\s*```$", "", text)
    try:
        json.loads(inner)
    except (ValueError, RecursionError):
        return Violation(text, "is no JSON")
    return None


_WORD = re.compile(
    r"\b(?:words?|terms?|phrases?|expression)\s+[\"'“‘„«](?P<word>[^\"'”’“»\n]{2,40})[\"'”’“»]",
    re.IGNORECASE,
)


def _says(entry: Entry, word: str) -> Violation | None:
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", entry.spoken, re.IGNORECASE)
    if found is None:
        return None
    start = max(0, found.start() - 60)
    return Violation(entry.spoken[start : found.end() + 60], f"has the word {word!r}")


# Actions ------------------------------------------------------------------------------------------

_TICKED = re.compile(r"`([^`\n]{2,80})`")
_GIT_VERB = re.compile(
    r"\b(?P<verb>push|commit|merge|rebase)(?:ing|e?d|e?s|t?ed)?\b(?:\s+(?:anything|code|changes"
    r"|straight"
    r"|directly|ever))*(?:\s+(?:to|into|on|onto|in)\s+(?:the\s+)?(?P<to>[\w./-]*\w))?",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"\b(?P<use>\w+)\b(?:,| and)? (?:not|never|no|instead of|rather than|over|statt|nicht|nie"
    r"|pas|jamais"
    r"|nunca) (?P<not>npm|yarn|pnpm|bun|pip|poetry|uv|conda|docker|podman|unittest|curl|wget|jest"
    r"|mocha|vitest|pytest)\b",
    re.IGNORECASE,
)
_TOUCHING = re.compile(
    r"\b(?:touch|edit|modif\w+|chang\w+|writ\w+|delet\w+|remov\w+|alter\w*|updat\w+|overwrit\w+"
    r"|anfass\w*|änder\w*|modifi\w+|touche\w*|toques|modific\w+)\b",
    re.IGNORECASE,
)
_LEAVE = re.compile(
    r"\bleave\b.{1,60}\b(?:alone|untouched|as (?:it|they) (?:is|are))\b|\bhands off\b"
    r"|\b(?:off[- ]limits|read-only|in ruhe|hände weg|tranquille|stay away from|keep out of)\b",
    re.IGNORECASE,
)
_SQL_VERB = re.compile(r"\b(?:DELETE|DROP|TRUNCATE|UPDATE|INSERT|ALTER|MERGE|GRANT)\b")
"""Statements of SQL as rules name them, in capitals."""
_PATH = re.compile(
    r"(?<![\w./-])(?:\.{0,2}/)?[\w.-]+(?:/[\w.*-]*)+|(?<![\w./-])[\w-]+\.[a-z]{1,5}\b"
)
_TOOL = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")


def _forbidden_action(rule: str) -> Check | None:
    """Return a check of what a rule forbids to do: to change a path, to run or call something."""
    behind = _forbidden_part(rule)
    ticked = _TICKED.findall(behind)
    if _TOUCHING.search(behind) or _LEAVE.search(rule):
        paths = [p for p in ticked if "/" in p or "." in p] or _PATH.findall(behind)
        if paths:
            return lambda entry: _touched(entry, paths)
    verb = _GIT_VERB.search(behind)
    if verb is not None and verb["to"]:
        return lambda entry: _used_git(entry, verb["verb"].lower(), verb["to"])
    named = [t for t in ticked if "/" not in t.split(" ")[0]]
    commands = [tuple(t.split()) for t in named] or commands_in(behind)
    if commands:
        return lambda entry: _ran(entry, commands, named)
    if verb is not None:
        return lambda entry: _used_git(entry, verb["verb"].lower(), "")
    statements = _SQL_VERB.findall(behind)
    if statements:
        return lambda entry: _queried(entry, statements)
    tools = _TOOL.findall(behind)
    if tools:
        return lambda entry: _called(entry, tools)
    return None


def _forbidden_part(rule: str) -> str:
    """Return what of a rule says what is forbidden: what comes behind "never", or its clause."""
    forbids = _FORBIDS.search(rule)
    assert forbids is not None
    starts = [m.end() for m in _CLAUSE.finditer(rule) if m.end() <= forbids.start()]
    clause = rule[starts[-1] if starts else 0 :]
    behind = rule[forbids.end() :]
    if _PASSIVE.search(rule[forbids.start() :]) or _BEHIND.search(rule[forbids.start() :]):
        named = _PATH.search(clause) or _TICKED.search(clause) or commands_in(clause)
        return clause if named else rule
    return behind if behind.strip(" .!") else clause


def _ran(entry: Entry, forbidden: list[Spec], tools: list[str]) -> Violation | None:
    for call in _calls(entry):
        command = command_of(call)
        for spec in forbidden if command else ():
            if runs(command, spec):
                return Violation(f"$ {command}", f"runs {' '.join(spec).strip()}")
        if call.name and call.name in tools:
            return Violation(f"{call.name} {call.text}", f"calls {call.name}")
    return None


def _queried(entry: Entry, verbs: list[str]) -> Violation | None:
    """Return the statement of SQL by which a message does what is forbidden."""
    for call in _calls(entry):
        for value in values_of(call.body, 4000):
            for verb in verbs:
                if re.search(rf"(?:^|;)\s*{verb}\s+\w", value, re.IGNORECASE):
                    return Violation(f"{call.name} {value}", f"runs {verb}")
    return None


def _used_git(entry: Entry, verb: str, to: str) -> Violation | None:
    for call in _calls(entry):
        command = command_of(call)
        found = re.search(rf"\bgit\s+(?:-\S+\s+)*{verb}\b(?P<rest>[^;&|\n]*)", command)
        branch = rf"(?<![\w-]){re.escape(to)}(?![\w-])"
        # Whoever goes to a branch and commits there commits to it.
        there = rf"\bgit\s+(?:checkout|switch)\s+{re.escape(to)}(?![\w/-])"
        if found and (not to or re.search(branch, found["rest"])
                      or re.search(there, command[: found.start()])):  # fmt: skip
            return Violation(f"$ {command}", f"runs git {verb}")
    return None


def _touched(entry: Entry, paths: list[str]) -> Violation | None:
    for call in _calls(entry):
        if not changes(call):
            continue
        about = path_of(call) or command_of(call)
        for path in paths:
            plain = path.strip("./*").rstrip("/")
            if plain and re.search(rf"(?:^|[\s/'\"=]){re.escape(plain)}(?:$|[\s/'\"])", about):
                return Violation(f"{call.name} {about}", f"changes {about}")
    return None


def _called(entry: Entry, tools: list[str]) -> Violation | None:
    for call in _calls(entry):
        if call.name in tools:
            return Violation(f"{call.name} {call.text}", f"calls {call.name}")
    return None


def _calls(entry: Entry) -> list[Block]:
    return [block for block in entry.blocks if block.kind == "call"]
