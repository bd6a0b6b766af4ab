"""What a window is made of: passages that are found again by their text.

Texts are cut at blank lines and around the passages that were retrieved for them, so that a passage
is the same segment wherever it is. Every distinct message is cut and counted once. Tools, images,
files, sound and thoughts are segments too, and what a provider adds to a message is counted beside
them, so that a window has the tokens that `ctxmem.count_messages` counts.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import xxhash

from ctxmem.auditing.assembly import Call
from ctxmem.chat.counting import Meter
from ctxmem.chat.paragraphs import is_passage, paragraphs
from ctxmem.chat.parts import MEDIA, Part, inner_parts, parts_of, ui_output
from ctxmem.chat.reading import fingerprint
from ctxmem.chat.shapes import ROLES, role_of, unread_fields
from ctxmem.chat.uniform import arguments_text
from ctxmem.errors import InputError
from ctxmem.protocols import Counter
from ctxmem.traces import Passage, ReadStats

PARTS: Mapping[str, str] = {
    "system": "instructions of the system",
    "tools": "definitions of tools",
    "history": "earlier turns of the user and the model",
    "question": "the user's last message",
    "passages": "retrieved passages",
    "tool_calls": "calls of tools and their arguments",
    "tool_results": "what tools returned",
    "thoughts": "thoughts of the model that are sent back",
    "images": "images",
    "files": "files such as PDF",
    "sound": "sound and video",
    "overhead": "what the provider adds to messages, calls and tools",
}
"""The parts of a request in which its tokens are counted, each token in one of them."""

PART_OF: Mapping[str, str] = {
    "system": "system",
    "call": "tool_calls",
    "tool": "tool_results",
    "passage": "passages",
    "thought": "thoughts",
    "image": "images",
    "file": "files",
    "audio": "sound",
    "video": "sound",
}
"""The part that segments of a role are, except those of users and of the model."""

_SILENT = frozenset({"call", "thought", "tools", *MEDIA})
"""Roles of segments whose repetition is not reported: nothing that a person reads as a passage."""

_SPEAKERS = ("user", "assistant", "system", "developer")
_PLAIN_FIELDS = frozenset(
    ("role", "content", "id", "session", "session_id", "time", "timestamp", "model")
)
_FOREIGN = re.compile(
    "claude|gemini|gemma|llama|mi[sx]tral|deepseek|qwen|command-r|grok|nova|glm|kimi|phi-",
    re.IGNORECASE,
)
_NO_TEXT = _SILENT - {"call"}
PASSAGE_ROLE = "\0"
"""The role of retrieved passages where texts are kept by role: none that a message has."""

_SEED = secrets.randbits(64)
_KEPT_CHARACTERS = 16 << 20
_MOST_LOCATED = 200  # passages of a trace that are looked for in each text
_DEEPEST = 8
_MOST_METERS = 64  # models whose rows of overhead are kept


class Segment:
    """A part of a window.

    Attributes:
        key: hash of its text without outer white space.
        text: the text.
        tokens: its count, -1 until it is counted.
        role: who brings it: system, user, assistant, tool, call, or passage where no message is
            known; or what it is: thought, image, audio, video, file, tools.
        label: name of a retrieved passage, "" for others.
        retrieved: a retriever returned it.
        comparable: long enough that its repetition is waste.
        units: hashes of its lines and sentences, None until asked for.
    """

    __slots__ = ("comparable", "key", "label", "retrieved", "role", "text", "tokens", "units")

    def __init__(self, text: str, role: str, label: str = "", retrieved: bool = False) -> None:
        stripped = text.strip()
        self.text = text
        self.key = key_of(stripped)
        self.tokens = -1
        self.role = role
        self.label = label
        self.retrieved = retrieved
        self.comparable = retrieved or (role not in _SILENT and is_passage(stripped, role))
        self.units: tuple[int, ...] | None = None

    def as_retrieved(self, label: str) -> Segment:
        """Return it as a passage that a retriever returned."""
        other = Segment.__new__(Segment)
        other.text, other.key, other.tokens, other.role = (
            self.text, self.key, self.tokens, self.role
        )  # fmt: skip
        other.label, other.retrieved, other.comparable, other.units = label, True, True, self.units
        return other

    @property
    def name(self) -> str:
        """What a person calls it: its label, or how it begins."""
        if self.label:
            return self.label
        begins = " ".join(self.text[:200].split())
        return begins if len(begins) <= 60 else begins[:59] + "…"


def key_of(text: str) -> int:
    """Return a hash of a text, seeded per process, so that no outsider can make texts collide."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return xxhash.xxh3_64_intdigest(data, _SEED)


Marks = dict[int, str]
"""Segments of a window that are marked as waste, and as what."""


@dataclass(slots=True)
class Window:
    """What a call was given, cut into segments.

    `places` says where each segment is; `unique` lists the comparable ones that occur for the first
    time; the first `common` ones, of `stable` tokens, begin the call before too, and `lost` tokens,
    the `moved` ones, were in it behind what changed.

    `message_of` is the message of each segment, -1 for tools. `sizes` are the tokens of each
    message with its overhead and `head` those in front of the first message: tools, and what the
    provider adds to a request. So `tokens` is what `count_messages` counts.
    """

    call: Call
    session: str
    segments: list[Segment]
    places: list[dict[str, Any]] = field(default_factory=list)
    marks: Marks = field(default_factory=dict)
    partly: dict[int, int] = field(default_factory=dict)  # tokens of lines that repeat others
    unique: list[int] = field(default_factory=list)
    common: int = 0
    stable: int = 0
    lost: int = 0
    moved: frozenset[int] = frozenset()
    message_of: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    head: int = 0
    tokens: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    uses_tools: bool = False
    _starts: list[int] = field(default_factory=list)

    def start_of(self, number: int) -> int:
        """Return the tokens in front of a segment; all tokens for the number of segments."""
        if not self._starts:
            self._starts = [*self._positions(), self.tokens]
        return self._starts[number]

    def _positions(self) -> Iterator[int]:
        """Yield where each segment begins; what a message has beside its texts is behind them."""
        bounds = list(accumulate(self.sizes, initial=self.head))
        message, at = -2, 0
        for number, segment in zip(self.message_of, self.segments, strict=True):
            if number != message and self.sizes:
                message, at = number, bounds[number] if number >= 0 else 0
            yield min(at, bounds[number + 1]) if self.sizes else at
            at += segment.tokens

    def unmarked(self) -> list[int]:
        """Return the unique segments that nothing was found about so far."""
        return [i for i in self.unique if i not in self.marks]


Shown = dict[int, tuple[str, Passage]]
"""Retrieved passages and their texts, by the key of the text."""


@dataclass(slots=True)
class Message:
    """A message that was cut.

    Attributes:
        texts: role, text and segments of all that it holds.
        segments: all of these.
        tokens: with overhead, -1 until it is counted.
        roles: tokens of its segments by role.
        uses_tools: it calls a tool or holds a result.
        unread: it is of no known shape.
    """

    texts: list[tuple[str, str, list[Segment]]]
    segments: list[Segment]
    tokens: int = -1
    roles: dict[str, int] = field(default_factory=dict)
    uses_tools: bool = False
    unread: bool = False


UNREAD = "messages of no known shape"
"""Why messages are not read whose text is nowhere where one is looked for."""


class Cutter:
    """Cuts calls into segments; what was cut before is kept, within bounds.

    A history comes again with every request, so most messages were cut before.
    """

    def __init__(self, counter: Counter, stats: ReadStats | None = None) -> None:
        self._counter = counter
        self._stats = stats
        self._known: dict[tuple[str, str], list[Segment]] = {}  # by role and text
        self._characters = 0
        self._messages: dict[Any, Message] = {}  # by meter and content
        self._held = 0
        self._tools: dict[Any, Segment] = {}  # by meter and content
        self._meters: dict[str, Meter] = {}

    def meter(self, model: str) -> Meter:
        """Return what counts messages for a model, as `count_messages` does by its name."""
        meter = self._meters.get(model)
        if meter is None:
            if len(self._meters) >= _MOST_METERS:
                self._meters.clear()
                self._messages.clear()
            meter = self._meters[model] = Meter(self._counter, None, model or None)
        return meter

    def prepare(self, calls: Iterable[Call]) -> None:
        """Cut and count at once the plain messages and the passages of calls that come next."""
        fresh: list[Segment] = []
        for call in calls:
            if not call.messages:
                call.cut = list(map(self._passage, call.shown))
                fresh += call.cut
            elif call.turn is None:
                continue
            elif len(call.messages) == 1 and is_plain(call.messages[0]):
                text, role = call.messages[0]["content"], ROLES[call.messages[0]["role"]]
                if text and "\n" not in text:  # a transcript has each text once: it is not kept
                    pieces = [Segment(text, role)]
                    call.cut = Message([(role, text, pieces)], pieces)
                    fresh += pieces
        self._count(fresh)

    def cut(self, call: Call) -> Window:
        """Return the window of a call; its session and its places are for the caller to fill."""
        window = Window(call, "", [])
        if call.messages:
            self._cut_messages(call, window)
        else:
            window.segments = call.cut or list(map(self._passage, call.shown))
            window.message_of = [0] * len(window.segments)
            self._count(window.segments)
            window.tokens = sum(segment.tokens for segment in window.segments)
            window.parts = dict.fromkeys(PARTS, 0) | {"passages": window.tokens}
        return window

    def _cut_messages(self, call: Call, window: Window) -> None:
        meter = self.meter(call.model)
        messages = self.messages(call)
        window.head = meter.request
        if call.tools:
            self._add_tools(call, window, meter, messages)
        shown = _locatable(call.shown)
        for i, message in enumerate(messages):
            pieces = self._located(message, shown) if shown else message.segments
            window.segments += pieces
            window.message_of += [i] * len(pieces)
        self._count(window.segments)
        window.sizes = [message.tokens for message in messages]
        window.tokens = window.head + sum(window.sizes)
        window.parts = _parts(window, messages, bool(shown))
        window.uses_tools = any(message.uses_tools for message in messages)

    def messages(self, call: Call) -> list[Message]:
        """Return the messages of a call, cut and counted."""
        meter = self.meter(call.model)
        if call.cut:
            self._price(call.cut, call.messages[0]["role"], meter)
            return [call.cut]
        messages = [self._message(message, meter) for message in call.messages]
        fresh = [i for i, message in enumerate(messages) if message.tokens < 0]
        if fresh:
            self._count([segment for i in fresh for segment in messages[i].segments])
            for i in fresh:
                if messages[i].tokens < 0:  # the same message twice is one
                    if messages[i].unread and self._stats is not None:
                        self._stats.skip(UNREAD, call.place)
                    self._weigh(messages[i], call.messages[i], i, meter)
        return messages

    def _add_tools(
        self, call: Call, window: Window, meter: Meter, messages: Sequence[Message]
    ) -> None:
        beside = any("system" in (text[0] for text in message.texts) for message in messages)
        mark = fingerprint({"": call.tools}) or secrets.token_bytes(16)
        key = (id(meter), beside, mark)
        segment = self._tools.get(key)
        if segment is None:
            if len(self._tools) > _MOST_METERS:
                self._tools.clear()
            count = f"{len(call.tools):,} tool" + ("s" if len(call.tools) > 1 else "")
            segment = self._tools[key] = Segment("", "tools", count)
            segment.key, segment.tokens = hash(mark), _tools_tokens(call.tools, meter, beside)
        window.segments.append(segment)
        window.message_of.append(-1)
        window.head += segment.tokens

    def _message(self, message: Any, meter: Meter) -> Message:
        """Return a message as it was cut before, or cut now and not weighed yet."""
        if is_plain(message):
            return self._plain(message["role"], message["content"], meter)
        mark = fingerprint(message)
        key = None if mark is None else (id(meter), mark)
        known = self._messages.get(key) if key is not None else None
        if known is not None:
            return known
        texts = [
            (role, text, [self._silent(part, text, meter)] if part else self._pieces(text, role))
            for role, text, part in contents_of(message)
        ]
        made = Message(texts, [piece for *_, pieces in texts for piece in pieces])
        made.uses_tools = any(role in ("call", "tool") for role, *_ in texts)
        made.unread = not texts and _is_unread(message)
        if key is not None:
            self._remember(key, made, sum(len(text) for _, text, _ in texts))
        return made

    def _plain(self, named: str, text: str, meter: Meter) -> Message:
        """Return a message of a role and a text, as most are; its texts are not looked for."""
        key = (id(meter), named, text)
        known = self._messages.get(key)
        if known is not None:
            return known
        role = ROLES[named]
        pieces = self._pieces(text, role) if text else []
        made = Message([(role, text, pieces)] if text else [], pieces)
        if len(pieces) == 1:
            # Counted here as `_weigh` would, which takes half of the time of short messages.
            self._count(pieces)
            self._price(made, named, meter)
        self._remember(key, made, 2 * len(text))
        return made

    def _price(self, message: Message, named: str, meter: Meter) -> None:
        """Fill in the tokens of a message of a role and a text of one segment, which is counted."""
        segment = message.segments[0]
        message.roles[segment.role] = segment.tokens
        message.tokens = meter.plain(named, segment.tokens)

    def _remember(self, key: Any, message: Message, characters: int) -> None:
        self._held += characters + 400
        if self._held > _KEPT_CHARACTERS:
            self._messages.clear()
            self._held = 0
        self._messages[key] = message

    def _silent(self, part: Part, text: str, meter: Meter) -> Segment:
        """Return the segment of an image, a file, a sound or a thought."""
        segment = Segment(text, part.kind, "" if text else part.kind)
        mark = fingerprint({"": part.value})
        segment.key = hash(mark) if mark is not None else secrets.randbits(60)
        try:
            segment.tokens = meter.part(part, 0)
        except InputError:
            segment.tokens = 0
        return segment

    def _weigh(self, message: Message, given: Any, number: int, meter: Meter) -> None:
        """Count a message with its overhead; texts that were cut are not counted again."""
        roles = message.roles
        for segment in message.segments:
            roles[segment.role] = roles.get(segment.role, 0) + segment.tokens
        try:
            if len(message.segments) == 1 and is_plain(given):
                message.tokens = meter.plain(given["role"], message.segments[0].tokens)
                return
            for role, text, pieces in message.texts:
                if role not in _NO_TEXT and (len(pieces) == 1 or self._add_up(pieces)):
                    meter.know(text, sum(piece.tokens for piece in pieces))
            message.tokens = meter.message(given, number)
        except (InputError, RecursionError):  # of no known form: its texts are all that is known
            message.tokens = sum(roles.values())

    def _add_up(self, pieces: Sequence[Segment]) -> bool:
        """Whether the counts of the pieces of a text add up to that of the text."""
        if not self._counter.additive or not pieces:
            return False
        return all(p.text[:1] != "/" and not p.text[:1].isspace() for p in pieces[1:])

    def _count(self, segments: Sequence[Segment]) -> None:
        fresh = [segment for segment in segments if segment.tokens < 0]
        if len(fresh) == 1:
            fresh[0].tokens = self._counter.count(fresh[0].text)
        elif fresh:
            counts = self._counter.count_many([segment.text for segment in fresh])
            for segment, tokens in zip(fresh, counts, strict=True):
                segment.tokens = tokens

    def _passage(self, passage: Passage) -> Segment:
        """Return the segment of a passage; retrievers return the same ones again and again."""
        if passage.text is None:
            return passage_segment(passage)
        known = self._known.get((PASSAGE_ROLE, passage.text))
        if known is None:  # a message with that text would be cut
            known = self._keep(PASSAGE_ROLE, passage.text, [passage_segment(passage)])
        label = passage.label
        return known[0] if known[0].label == label else known[0].as_retrieved(label)

    def _keep(self, role: str, text: str, segments: list[Segment]) -> list[Segment]:
        self._characters += len(text)
        if self._characters > _KEPT_CHARACTERS:
            self._known.clear()
            self._characters = len(text)
        self._known[role, text] = segments
        return segments

    def _pieces(self, text: str, role: str) -> list[Segment]:
        known = self._known.get((role, text))
        if known is not None:
            return known
        cut = list(_paragraphs(text, role)) if "\n" in text else [Segment(text, role)]
        return self._keep(role, text, cut)

    def _located(self, message: Message, shown: Shown) -> list[Segment]:
        """Return the segments of a message with the passages that were retrieved for it."""
        found: list[Segment] = []
        for role, text, known in message.texts:
            found += known if role in _NO_TEXT else _with_passages(text, role, known, shown)
        return found


def _tools_tokens(tools: list[Any], meter: Meter, beside_system: bool) -> int:
    try:
        return meter.tools(tools, beside_system=beside_system)
    except InputError:  # in a form that no provider has
        return meter.count(arguments_text(tools))


def is_foreign(model: str) -> bool:
    """Whether a model is known to have another tokenizer than OpenAI's."""
    return _FOREIGN.search(model) is not None


def _with_passages(
    text: str, role: str, known: Sequence[Segment], shown: Shown
) -> Iterable[Segment]:
    # Most passages are paragraphs; those that are not are looked for.
    pieces = [s.as_retrieved(shown[s.key][1].label) if s.key in shown else s for s in known]
    here = {segment.key for segment in pieces if segment.retrieved}
    missing = [one for key, one in shown.items() if key not in here and len(one[0]) < len(text)]
    del missing[_MOST_LOCATED:]
    if missing and _locate(text, missing):
        return _around(text, role, _locate(text, shown.values()))
    return pieces


def _parts(window: Window, messages: Sequence[Message], located: bool) -> dict[str, int]:
    """Return the tokens of a window by part; they add up to all that it has."""
    found = dict.fromkeys(PARTS, 0)
    question = next(
        (i for i in range(len(messages) - 1, -1, -1) if messages[i].roles.get("user")), -1
    )
    if window.message_of and window.message_of[0] < 0:
        found["tools"] = window.segments[0].tokens
    if located:
        for at, segment in zip(window.message_of, window.segments, strict=True):
            if at >= 0:
                found[_part_of(segment, at == question)] += segment.tokens
    else:
        for at, message in enumerate(messages):
            for role, tokens in message.roles.items():
                part = PART_OF.get(role)
                part = part or ("question" if at == question and role == "user" else "history")
                found[part] += tokens
    found["overhead"] = window.tokens - sum(found.values())
    return found


def _part_of(segment: Segment, asked: bool) -> str:
    if segment.retrieved:
        return "passages"
    part = PART_OF.get(segment.role)
    return part or ("question" if asked and segment.role == "user" else "history")


def passage_segment(passage: Passage) -> Segment:
    """Return the segment of a retrieved passage; one without text is known by its id alone."""
    if passage.text is None:
        segment = Segment("", "passage", passage.label, retrieved=True)
        segment.key = key_of(f"\0id {passage.id}")
        segment.tokens = 0
        return segment
    return Segment(passage.text, "passage", passage.label, retrieved=True)


def _paragraphs(text: str, role: str) -> Iterator[Segment]:
    """Cut at blank lines; a cut leaves the newlines before it, so that counts add up exactly."""
    for start, end in paragraphs(text):
        yield Segment(text[start:end], role)


def _locatable(shown: Sequence[Passage]) -> Shown:
    found: Shown = {}
    for passage in shown:
        text = passage.text.strip() if passage.text else ""
        if len(text) >= 8:
            found.setdefault(key_of(text), (text, passage))
    return found


def _locate(text: str, shown: Iterable[tuple[str, Passage]]) -> list[tuple[int, int, Passage]]:
    """Return where passages are in a text, without those inside of others."""
    found = []
    for passage, known in shown:
        at = text.find(passage)
        while at >= 0:
            found.append((at, at + len(passage), known))
            at = text.find(passage, at + len(passage))
    found.sort(key=lambda place: (place[0], -place[1]))
    kept: list[tuple[int, int, Passage]] = []
    for place in found:
        if not kept or place[0] >= kept[-1][1]:
            kept.append(place)
    return kept


def _around(text: str, role: str, located: Sequence[tuple[int, int, Passage]]) -> Iterator[Segment]:
    at = 0
    for start, end, passage in located:
        if start > at:
            yield from _paragraphs(text[at:start], role)
        yield Segment(text[start:end], role, passage.label, retrieved=True)
        at = end
    if at < len(text):
        yield from _paragraphs(text[at:], role)


# Messages


def texts_of(message: Any) -> Iterator[tuple[str, str]]:
    """Yield role and text of all that a message says, calls and answers, without thoughts.

    A trace may hold anything: what is no message has no texts.
    """
    for role, text, part in contents_of(message):
        if part is None:
            yield role, text


def contents_of(message: Any) -> Iterator[tuple[str, str, Part | None]]:
    """Yield role, text and part of all that a message holds.

    A text has no part. Images, files, sound and thoughts have, and their kind as the role; of a
    thought the text is what can be read of it.
    """
    if is_plain(message):
        if message["content"]:
            yield ROLES[message["role"]], message["content"], None
        return
    try:
        role = role_of(message, 0) or "user"
        parts = parts_of(message, 0)
    except InputError:
        return
    role = ROLES.get(role, role)
    for part in parts:
        yield from _contents(part, part.role or role, 0)


def is_plain(message: Any) -> bool:
    """Whether a message is a role and a text, and nothing else that counts."""
    return (
        type(message) is dict
        and type(message.get("content")) is str
        and message.get("role") in _SPEAKERS
        and message.keys() <= _PLAIN_FIELDS
    )


def _contents(part: Part, role: str, depth: int) -> Iterator[tuple[str, str, Part | None]]:
    if part.kind in ("text", "refusal"):
        if part.text:
            yield role, part.text, None
    elif part.kind == "thought" or part.kind in MEDIA:
        yield part.kind, part.text, part
    elif part.kind in ("call", "hosted_call"):
        yield "call", arguments_text(part.body), None
        output = ui_output(part) if part.settled and not part.whole else None
        if output is not None and depth < _DEEPEST:
            yield from _contents(part._replace(kind="result", body=output), "tool", depth + 1)
    elif part.kind in ("result", "hosted_result", "quoted", "prompt") and depth < _DEEPEST:
        inside = inner_parts(part)
        if not inside and part.kind in ("result", "hosted_result"):
            yield "tool", arguments_text(part.body), None
        within = role if part.kind in ("quoted", "prompt") else "tool"
        for one in inside or ():
            yield from _contents(one, within, depth + 1)
    elif part.kind == "unknown":
        yield from _contents_of_unknown(part, role, depth)


def _contents_of_unknown(
    part: Part, role: str, depth: int
) -> Iterator[tuple[str, str, Part | None]]:
    """Yield what is in a block of unknown type, as far as it has a content."""
    block = part.value
    content = block.get("content") if isinstance(block, dict) else None
    if isinstance(content, str):
        yield role, content, None
    elif isinstance(content, list) and depth < _DEEPEST:
        for one in inner_parts(part._replace(body=content)) or ():
            yield from _contents(one, role, depth + 1)
    elif part.whole and content is None:
        texts = unread_fields(block).values() if "role" in block else ()
        yield from ((role, text, None) for text in texts if isinstance(text, str))


def _is_unread(message: Any) -> bool:
    """Return whether a message of which there is no text is of no known shape, not empty."""
    try:
        named = role_of(message, 0) is not None
        return named and any(part.kind == "unknown" for part in parts_of(message, 0))
    except InputError:
        return True
