"""Words of questions and tools: identifiers split, endings removed, words of one meaning grouped.

The groups below are of general English as people speak of software and offices; they name no tool
of any server. A word of a group also counts, at a lower weight, for the others of its group.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")
_TOKEN = re.compile(r"[^\W_]+(?:'[a-z]+)?")

STOP = frozenset(
    "a about all also am an and any are as at be been being but by can could did do does doing "
    "done each either else for from had has have he her here hers him his how i if in into is it "
    "its "
    "just like may me might mine more most my no nor not now of off on one or other our out over "
    "own per please shall she should so some such than that the their them then there these they "
    "this those through to too under up us very want wants was we were what when where whether "
    "which while who whom why will with would you your yours let lets need needs via within "
    "using use used e g etc".split()
)
"""Words that say nothing about what a tool does."""

_ACTIONS = """
create add new make open start generate insert compose write draft build register provision launch
delete remove erase drop destroy clear purge wipe trash discard rid kill terminate
update edit change modify alter set adjust rename correct fix patch revise amend
list show display enumerate overview
get fetch read view retrieve look see inspect check open
search find query lookup locate filter grep hunt
send post publish share notify deliver ping tell message announce
reply respond answer
cancel abort stop halt revoke withdraw void
schedule book plan arrange reserve slot
move transfer migrate relocate
copy duplicate clone replicate
merge combine join
upload attach put push
download export save
start run execute trigger launch invoke
restart reboot rerun retry redo
stop shut halt pause suspend disable
resume continue unpause enable
approve accept sign
reject decline refuse deny
close resolve finish complete done
mute silence snooze quiet
refund reimburse money back return
share let allow permit give access
tell inform notify know announce
put add insert place
write record note enter keep
save store keep
throw delete trash bin
call phone ring dial speak talk
sort order rank arrange first last biggest
restrict limit allow validate valid rule
check review look inspect
"""

_THINGS = """
scale resize grow shrink replica
assign delegate owner responsible assignee
invite add member attendee participant guest
comment note remark feedback annotate
charge bill pay payment
invoice bill receipt
customer client buyer account
contact person lead prospect
deal opportunity sale pipeline
company organization organisation business account
user member person people employee colleague
team group
issue ticket bug task defect problem story
task todo ticket card
pull merge pr request review
repository repo codebase project
branch ref
commit change revision sha
file document doc attachment
folder directory path
page article document wiki
table sheet grid
spreadsheet workbook sheet
row record line entry
column field attribute
cell value
chart graph plot visual diagram
email mail message inbox
message chat dm conversation thread
channel room
meeting event appointment call calendar sync
calendar agenda schedule availability free busy
time hour when date
alert alarm alerting warning incident page pager
incident outage down
metric measure measurement graph usage cpu memory latency
log logs output trace stderr stdout
dashboard board overview
monitor watch observe uptime
server machine instance vm host box node
cluster kubernetes k8s
container pod image
deploy deployment release rollout ship
rollback revert undo restore previous
pipeline workflow build ci job run
secret credential token password key
database db sql
query sql select
schema structure column definition
backup snapshot dump restore
bucket storage blob object
disk volume storage
network firewall port ip
dns domain record hostname
cost spend spending price bill expense
weather forecast rain temperature sunny wind cold hot
map route direction navigate way drive walk
place restaurant cafe shop business location near nearby
address location coordinate geocode
distance far travel long commute
web internet online site website
page website url link
click press tap button
type fill enter input form
screenshot picture image capture screen
light lamp bulb
thermostat temperature heating heat warm cool cold climate
lock door secure unlock
device appliance gadget
music song play audio
video film clip
translate language
summary summarise summarize overview digest
label tag category
priority urgent severity important
status state progress
history changelog log past
subscription plan recurring renewal
coupon discount promo
product item sku catalog
order purchase
permission access role grant allow
setting configuration config preference option
notification alert reminder
reminder remind
report statistics analytics stats
error exception failure crash fail fault broken
test check verify validate
compare diff difference
version release tag
link connect associate relate
webhook callback hook
template boilerplate
image picture photo
diary calendar event appointment meeting lunch dinner breakfast
day date week month today tomorrow yesterday weekend
room place somewhere space venue
link address url
train bus transit route journey travel
slow sluggish latency performance fast speed second
private privately direct personal dm
oncall call duty wake pager
code source function
freezing cold heat temperature
total sum count number many
form field name address phone
csv table export
alarm alert notification
problem incident outage broken
"""

LONGEST = 40
"""Characters of a word that are looked at."""


def _grouped() -> dict[str, tuple[str, ...]]:
    known: dict[str, dict[str, None]] = {}
    for line in (_ACTIONS + _THINGS).split("\n"):
        stems = dict.fromkeys(stem(word) for word in line.split())
        for one in stems:
            known.setdefault(one, {}).update(stems)
    return {one: tuple(other for other in others if other != one) for one, others in known.items()}


def split(identifier: str) -> list[str]:
    """Return the lower-case words of an identifier.

    >>> split("github.createPullRequest_v2")
    ['github', 'create', 'pull', 'request', 'v', '2']
    """
    return [part.lower() for part in _PART.findall(identifier)]


def stems(text: str) -> list[str]:
    """Return the stems of the words of a text, without those that say nothing, in their order.

    >>> stems("Which of the invoices were cancelled?")
    ['invoic', 'cancel']
    """
    found = []
    for token in _TOKEN.findall(text):
        for part in (token,) if token.islower() or len(token) > LONGEST else _cased(token):
            made = stem(part)
            if made:
                found.append(made)
    return found


def word_list(text: str) -> list[str]:
    """Return all words of a text, in their order.

    >>> word_list("What's in it?")
    ["What's", 'in', 'it']
    """
    return _TOKEN.findall(text)


@lru_cache(maxsize=1 << 14)
def _cased(token: str) -> tuple[str, ...]:
    return tuple(split(token)) or (token.lower(),)


@lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """Return a word without its ending, "" for a word that says nothing.

    A light stemmer: plurals, -ing, -ed, -er, -ion, -ment and a final e. Two words of one family may
    get different stems; two families rarely get one.
    """
    word = word.lower()[:LONGEST]
    if "'" in word:
        word = word.split("'", 1)[0]
    if word in STOP or (len(word) < 2 and not word.isdigit()):
        return ""
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word[:-1] if len(word) == 3 and word.endswith("s") and word[1] not in "su" else word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("s") and word[-2] not in "su":
        word = word[:-1]
    for ending in ("ization", "isation", "ation", "ition", "ment", "ing", "ed", "ion", "er", "or"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and _has_vowel(word, ending):
            word = word[: -len(ending)]
            if ending in ("ization", "isation"):
                word += "iz"
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeious":
        word = word[:-1]
    if len(word) > 4 and word.endswith("at"):
        word = word[:-2]
    if word.endswith("is") and len(word) > 4:
        word = word[:-1] + "z"
    return word[:-1] + "i" if len(word) > 2 and word.endswith("y") else word


def _has_vowel(word: str, ending: str) -> bool:
    return any(letter in "aeiouy" for letter in word[: -len(ending)])


_SHAPES = tuple(
    (re.compile(pattern), tuple(map(stem, words.split())))
    for pattern, words in (
        (r"\b[\w.+-]+@[\w-]+\.\w", "email address user"),
        (r"https?://|\bwww\.|\b[\w-]+\.(?:com|org|net|io|dev)\b", "url web page site domain"),
        (r"(?<!\w)#[a-z]", "channel message"),
        (r"(?<!\w)#\d", "number issue request"),
        (r"\b[A-Z]{2,9}-\d+\b", "issue ticket key"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "ip address network"),
        (r"(?:^|\s)~?(?:[\w.-]+/)+[\w.-]+|\b\w+\.[a-z]{1,5}\b", "file path"),
        (r"\b\d{1,2}(?::\d\d| ?(?:am|pm|o.clock))\b|\bnoon\b", "time event"),
        (r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b", "day date event"),
        (r"[$€£]\s?\d|\b\d+ (?:euros?|dollars?|pounds?|cents)\b", "amount price payment"),
        (r"\b[A-Z]{1,2}\d{1,4}\b", "cell range sheet"),
        (r"\b\d+(?:\.\d+)? ?%|\bper cent\b", "rate share percentage"),
        (r"\bv\d+\.\d", "version release tag"),
    )
)


def shapes(text: str) -> list[str]:
    """Return stems of what a text has by its form: addresses, paths, times, amounts, keys.

    >>> shapes("Meet me at 12:30")
    ['tim', 'event']
    """
    return [word for pattern, words in _SHAPES if pattern.search(text) for word in words]


RELATED: dict[str, tuple[str, ...]] = _grouped()
"""The other stems of the groups of a stem."""

ACTIONS = frozenset(stem(word) for word in _ACTIONS.split())
"""Stems of words that say what is done, not to what."""

READING = frozenset(
    stem(word)
    for word in (
        "get list read search find query fetch show describe view lookup look browse check explain "
        "count retrieve inspect compare diff suggest status summarize recommend preview"
    ).split()
)
"""Stems of words of names by which a tool returns something and changes nothing."""

_ASKS = re.compile(
    r"\?|^\W*(?:what|which|who|whose|where|when|why|how|is|are|was|were|does|did|do|has|have|any|can"
    r"|could|show|find|look|list|read|check|see|compare|count)\b",
    re.I,
)


def asks_something(text: str) -> bool:
    """Return whether a text asks for information rather than for something to be done.

    >>> asks_something("Who was at the meeting?"), asks_something("Cancel the meeting.")
    (True, False)
    """
    return _ASKS.search(text) is not None
