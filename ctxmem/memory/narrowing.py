"""Whether a newer statement holds only in a case that the older one does not name.

"You don't need to ask me before deploying to staging." is an exception to "Always ask me before
deploying.": both bind. Only a statement that lifts the same thing without a further restriction
replaces the rule. Where that is in doubt, both stay, because a lost rule does more harm than an
old one that is still shown.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from ctxmem.memory.subjects import STOP, content, forbids, stem

_WORD = re.compile(r"[^\W_]+")
_MAIL = re.compile(r"\be-(?=mail)", re.IGNORECASE)
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu)['’](?=\w)", re.IGNORECASE)

_LIFTING = frozenset(
    # English
    "need needs needn needed have having haven don doesn isn aren won t s ll ve re d require "
    "required requirement necessary may welcome fine allowed permitted alright okay again "
    "anymore more any longer henceforth on off onwards before after each every everything "
    "anything something anybody somebody whatever rule rules limit limits restriction ban "
    "constraint instruction earlier thing thanks thank sure really totally perfectly such let "
    "lets ahead safely freely directly like ok us "
    # German
    "musst müssen müsst muss brauchst brauchen braucht brauche nicht nichts mehr kein keine "
    "keinen keiner darfst dürfen dürft darf kannst können könnt kann wieder jetzt nun ab sofort "
    "künftig erlaubt gestattet okay in ist sind sein du dich dir sie ihr ihnen mich mir uns er "
    "es man wir ich immer stets nie niemals bevor vor wenn dass das dies alle alles jede jeder "
    "jedes jeden jedem einer einem einen eines zu zum zur um ohne auch noch schon mal bitte "
    "danke regel vergiss vergessen verwende verwenden benutze benutzen nutze nutzen nimm "
    "ignorieren weglassen so und oder auf an am im von vom mit bei für über aus nach als hast "
    "haben werden wird "
    # French
    "tu te toi vous il elle on nous me moi ne pas plus jamais besoin nécessaire obligatoire as "
    "a avez ai est sont être de des du au aux en et ou que qui quoi avant après toujours chaque "
    "tout tous toute toutes maintenant désormais nouveau peux pouvez peut autorisé autorisée "
    "autorisés autorisées permis permise permises oublie oubliez ignorer ignore règle merci "
    "dois devez doit faut falloir à pour par avec sans dans sur ça ce cela y se si "
    # Spanish
    "tienes tiene tenéis tienen tener necesitas necesita necesitan hace falta que no ya nunca "
    "jamás siempre más antes después cada todo todos toda todas ahora puedes puede pueden otra "
    "vez nuevo permitido permitida permitidos permitidas está están son ser de del al un unos "
    "unas y e o por para con sin en lo se olvida olvídate ignorar regla gracias usted me te nos "
    "os "
    # Italian, Portuguese
    "non devi deve dovete più bisogno serve occorre necessario hai hanno prima dopo sempre mai "
    "ogni tutto tutti tutte ora adesso nuovo puoi può permesso permessi regola grazie di da che "
    "per tra con su ti ci vi uno gli e ed al dal nel c dimentica não já precisa precisas "
    "precisam preciso necessário mais nunca antes depois cada todos todas agora pode podes novo "
    "novamente permitido regra obrigado obrigada em no na nos nas ao à do dos das uma você te "
    "esqueça esquece "
    # to use
    "utilise utilisez utiliser uses usa usar utiliza utilices usare usi gebruik gebruiken "
    # Dutch
    "je u jullie hoeft hoef hoeven niet meer geen mag mogen kunt kan weer nu altijd nooit voor "
    "voordat elke elk alle alles vergeet negeren regel dank te en van met op aan ons mij me is "
    "zijn een dat wat ".split()
)
"""Words with which a statement lifts another, and words that name no case in any language."""
_FIRST = 6
"""Words of a statement among which a verb says that it lifts something: "stop asking"."""
_LIFTS = frozenset(
    "bother worry check stop lift drop remove scrap cancel ignore disregard forget relax use keep "
    "follow mention trust go feel free want wish".split()
)
_ACRONYMS = frozenset({"US", "IT"})
"""Names that are written like words without meaning."""
_REASON = re.compile(
    r"\b(?:because|since|so that|thanks to|weil|denn|parce que|puisque|car|porque|ya que|pues"
    r"|perché|poiché|omdat|want)\b.*|[,;:–—-]\s+(?!(?:I|we) mean\b)(?:I|we|it|that|they|there|you"
    r"|wir|ich|es|das|nous|je|on|c['’]est|yo|io|noi|eu|nós|ik|we)\b.*",
    re.IGNORECASE | re.DOTALL,
)
"""Why it is lifted; that names no case."""
_THIS = re.compile(
    r"\b(?:this|these|diese[nmrs]?|cette|cet|ces|este|esta|estos|estas|esto|questo|questa|questi"
    r"|queste|neste|nesta|deste|desta|deze|dit)\b"
    r"(?! (?:rule|limit|ban|restriction|instruction|regel|règle|regla|regola|regra)\b)",
    re.IGNORECASE,
)
_TO_ME = re.compile(
    r"\b(?:to|for|with|from|an|für|von|mit|à|pour|avec|a|para|con|per|voor|aan)\s+"
    r"(?:me|us|myself|it|them|mich|mir|uns|dich|moi|nous|toi|mí|mi|nosotros|noi|mim|nós|mij|ons)\b"
    r"\W*$",
    re.IGNORECASE,
)

_ALLOWS = re.compile(
    r"\b(?:is|are|it['’]s|ist|sind|est|sont|está|están|es|son|è|sono|são|is|zijn)\b.*"
    r"\b(?:fine|ok|okay|alright|allowed|permitted|welcome|erlaubt|gestattet|in ordnung"
    r"|autoris\w+|permis\w*|permitid\w+|permess\w+|toegestaan)\b",
    re.IGNORECASE,
)
_PUT = tuple(
    map(
        stem,
        "add put write insert include give show send make answer reply response respond output "
        "text message füge schreib schreibe setze antwort antworten mets mettez ajoute ajoutez "
        "ecris reponse pongas pon anadas incluyas escribas metti aggiungere scrivere ponha coloque "
        "schrijf zet".split(),
    )
)
"""Verbs of a ban, and where it holds, that a permission need not repeat."""

_CONDITION = re.compile(
    r"\b(?:if|when|whenever|unless|while|whilst|as (?:long|soon) as|in case"
    r"|once (?=(?:i|we|you|it|they|the)\b)|for the next|wenn|falls|sobald|solange|sofern"
    r"|(?:für|bei) (?:die|den) nächsten|quand|lorsque|lorsqu['’]|dès que|tant que"
    r"|pour les? prochaine?s?|si (?=(?:je|tu|vous|on|nous|il|elle|le|la|les|un|une|ma|mon|te|hay"
    r"|es|el|lo|yo|no|escribo|pregunto|pido|hablo|estoy)\b|[jclm]['’])|cuando|mientras|quando"
    r"|finché|mentre|se (?=(?:ti|io|il|la|lo|scrivo|chiedo|parlo|non|eu|o|a|te|escrevo|peço"
    r"|pergunto|falo|não)\b)|als (?=(?:ik|je|het|de|er|we)\b)|wanneer|zodra|zolang)"
    r"(?! (?:possible|needed|necessary|you (?:can|like|want|please|don['’]t mind)|that['’]?s"
    r"|it['’]?s ok|it is ok|möglich|nötig|du kannst|du magst|es geht|nécessaire|posible"
    r"|es posible|then|now)\b)[^,.;:!?]*",
    re.IGNORECASE,
)
_ONE_TIME = re.compile(
    r"\b(?:(?:just|only|for|but)? ?this (?:time|once)|(?:just|only) (?:this )?once|this one time"
    r"|diesmal|dieses mal|ausnahmsweise|cette fois(?:-ci)?|exceptionnellement|(?:por )?esta vez"
    r"|(?:per )?questa volta|(?:d|n)?esta vez|só desta vez|deze keer|ditmaal)\b",
    re.IGNORECASE,
)
_ONE_ANSWER = re.compile(
    r"\b(?:this|the next|dies(?:e|er|em)|die nächste|der nächsten|cette|la prochaine|esta"
    r"|la próxima|questa|la prossima|a próxima|deze|dit|het volgende) (?:one |single |eine )?"
    r"(?:answer|reply|response|antwort|réponse|respuesta|risposta|resposta|antwoord)\b"
    r"|^\W*(?:please |bitte )?(?:answer|reply to|respond to|beantworte|antworte auf) "
    r"(?:this|diese|das)(?: one| frage| question| message| nachricht)?\b"
    r"|^\W*(?:please )?(?:write|keep|make) this one (?:short|brief|under|below|in|longer|shorter)\b"
    r"|\brépond\w* à (?:celle-ci|cette question)\b|\bresponde a? ?esta(?: pregunta)?\b",
    re.IGNORECASE,
)
_STANDING = re.compile(
    r"\b(?:always|never|from now on|in future|in the future|every|each|all|any|whenever|kind|type"
    r"|sort|like this|immer|nie|niemals|ab jetzt|künftig|jede\w*|toujours|jamais|désormais|chaque"
    r"|siempre|nunca|cada|sempre|mai|ogni|altijd|nooit|elke)\b",
    re.IGNORECASE,
)


def narrows(text: str, old: str) -> bool:
    """Return whether a statement that lifts another names a case that the other does not name.

    >>> narrows("You need not ask before deploying to staging.", "Always ask before deploying.")
    True
    >>> narrows("You need not ask before deploying any more.", "Always ask before deploying.")
    False
    """
    said = _REASON.sub("", text)
    if any(p.search(said) and not p.search(old) for p in (_THIS, _TO_ME, _ONE_TIME)):
        return True
    known = _named(old)
    return any(not _is_known(word, known) for word in _named(said))


def lifts(text: str, old: str) -> bool:
    """Return whether a statement that takes something back may mean all of an older one.

    What is "fine now" lifts a ban of just that: the ban names nothing else.

    >>> lifts("Emojis are fine now.", "Never use emojis.")
    True
    >>> lifts("The server is fine now.", "Never restart the server.")
    False
    """
    if narrows(text, old):
        return False
    if not _ALLOWS.search(text):
        return True
    mine = _named(text)
    known = (*mine, *_PUT)
    return forbids(old) and all(_is_known(word, known) for word in _named(old))


def adds(text: str, old: str) -> bool:
    """Return whether a statement says all that an older one says, and names a further case.

    >>> adds("From now on ask me before deploying to staging.", "Ask me before deploying.")
    True
    >>> adds("Answer in French from now on.", "Answer in German.")
    False
    """
    mine, theirs = _named(text), _named(old)
    return all(_is_known(word, mine) for word in theirs) and narrows(text, old)


def covers(text: str, old: str) -> float:
    """Return the share of what an older statement names that a newer one names, too."""
    mine, theirs = _named(_REASON.sub("", text)), _named(old)
    return sum(_is_known(word, mine) for word in theirs) / len(theirs) if theirs else 0.0


def holds_only_if(text: str, old: str) -> bool:
    """Return whether a statement holds once, or on a condition that the older one has not.

    >>> holds_only_if("Answer in English when I write code.", "Answer in French.")
    True
    """
    if _ONE_TIME.search(text) and not _ONE_TIME.search(old):
        return True
    mine = _condition(text)
    return bool(mine) and mine != _condition(old)


def is_of_one_answer(text: str) -> bool:
    """Return whether an instruction is for one answer only.

    >>> is_of_one_answer("Keep this answer short."), is_of_one_answer("Keep answers short.")
    (True, False)
    """
    return _ONE_ANSWER.search(text) is not None and _STANDING.search(text) is None


def _condition(text: str) -> frozenset[str]:
    return frozenset().union(*(content(found[0]) for found in _CONDITION.finditer(text)))


@lru_cache(maxsize=512)
def _named(text: str) -> tuple[str, ...]:
    """Return the words of a statement that name an action, a thing or a case, without accents."""
    plain = _ELISION.sub("", _MAIL.sub("e", text.lower()))
    words = _WORD.findall(plain.replace("n't", "").replace("n’t", ""))
    named = [word for word in _WORD.findall(text) if word in _ACRONYMS]
    for at, word in enumerate(words):
        lifts = word in _LIFTS and at < _FIRST
        if not (lifts or word in STOP or word in _LIFTING):
            named.append(stem(_without_accents(word)))
    return tuple(dict.fromkeys(named))


def _without_accents(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))


def _is_known(word: str, known: tuple[str, ...]) -> bool:
    """Return whether a word, or an inflection of it, is among others ("frag" and "fragen")."""
    return word in known or any(_inflects(word, other) for other in known)


def _inflects(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    shared = 0
    while shared < shorter and one[shared] == other[shared]:
        shared += 1
    return not one[0].isdigit() and shared >= max(4, shorter - 2) and shared * 2 >= len(one)
