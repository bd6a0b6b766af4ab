"""One conversation of a framework as a `ctxmem.Memory`, kept in step with the framework's list."""

from __future__ import annotations

import json
import marshal
import operator
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import xxhash

from ctxmem.chat import read_one
from ctxmem.errors import BudgetError, InputError, SessionDeletedError
from ctxmem.forking import ForkSafeLock
from ctxmem.memory import Memory, MemoryWindow
from ctxmem.protocols import PageStore
from ctxmem.schema import PageId

_SEED = secrets.randbits(63)
_GENERATION = "\x1f"
"""Between the name of a conversation and the number of times its past was changed."""
_FIELDS = ("id", "name", "tool_call_id", "status", "additional_kwargs")


def mark_of(message: Any) -> bytes:
    """Return a hash of what a model is shown of a message, and of its id; keyed by process."""
    if type(message) is dict:
        return _digest(message)
    fields = message.__dict__
    called = (*(fields.get("tool_calls") or ()), *(fields.get("invalid_tool_calls") or ()))
    calls = [(call.get("name"), call.get("args"), call.get("id")) for call in called]
    if "blocks" in fields:
        content: Any = [block.model_dump(mode="json") for block in fields["blocks"]]
        role = str(getattr(fields.get("role"), "value", fields.get("role")))
    else:
        content, role = fields.get("content"), str(fields.get("type"))
    return _digest((role, content, calls, [fields.get(name) for name in _FIELDS]))


def _digest(seen: Any) -> bytes:
    try:
        written = marshal.dumps(seen, 2)
    except ValueError:
        written = json.dumps(seen, default=repr).encode("utf-8", "surrogatepass")
    return xxhash.xxh3_128_digest(written, _SEED)


def _storable(message: Any) -> Any:
    """Return a copy of a message whose fields hold nothing that JSON does not know.

    A model is not shown what is replaced by its `repr`: artifacts and metadata.
    """
    if type(message) is dict:
        return message
    changes = {}
    for name in ("artifact", "response_metadata", "additional_kwargs"):
        value = message.__dict__.get(name)
        if value is not None:
            changes[name] = json.loads(json.dumps(value, default=repr))
    return message.model_copy(update=changes)


class _Past(NamedTuple):
    """What a session holds: its messages, their marks, and which of them were evicted."""

    messages: list[Any]
    marks: list[bytes]
    left: set[int]


class _Synced(NamedTuple):
    """A list as it was when the memory was brought to its state."""

    given: list[Any]
    contents: list[Any]
    places: list[int]
    generation: int


class Conversation:
    """The messages of one conversation in a memory, and how they relate to the framework's list.

    `sync` brings the memory to the state of a list: new messages are appended. Where messages that
    are in the memory are no longer in the list, or others are in their place, a new session with
    the messages of the list takes the place of the old one, so that nothing is shown which the
    conversation does not hold. `left` are the numbers of messages that were evicted: the framework
    need not hold them, and does only where it went back to a list of before; they stay in the
    memory. `here` are the messages that the last list held. May be used from many threads.

    A framework may go back and forth between branches of one conversation. A session of which
    messages were evicted that no other session has is kept, and the branch goes on from it.
    """

    def __init__(
        self,
        store: PageStore,
        tenant: str,
        name: str,
        budget: int,
        options: Mapping[str, Any],
        *,
        decode_old: Callable[[Any], Any],
        lasting: bool = False,
    ) -> None:
        self.store, self.tenant, self.name, self.limit = store, tenant, name, budget
        self.lock = ForkSafeLock()
        self.fixed: int | None = None  # tokens beside the messages at the last call
        self._options = dict(options)
        self._decode_old, self._lasting = decode_old, lasting
        self._last: _Synced | None = None  # the list of the last `sync`
        self._shown: set[int] = set()  # messages in the last window
        self._open()

    @property
    def provider(self) -> str | None:
        """Whose overhead is counted."""
        return self._options.get("provider")

    # Opening --------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._generation = max(self._generations())
        self.messages: list[Any] = []
        self.marks: list[bytes] = []
        self.left: set[int] = set()
        self.here: set[int] = set()
        old = self._old_messages() if self._generation == 0 else None
        if old is not None:
            self.replace(old, left=range(len(old)) if self._lasting else ())
            return
        self.memory = self._memory(self._generation)
        self._read()

    def _generations(self) -> set[int]:
        """Return the numbers of the sessions of this conversation, or 0 alone."""
        prefix = self.name + _GENERATION
        names = {*self.store.sessions(self.tenant), *self.store.sessions(self._side)}
        numbers = [name[len(prefix) :] for name in names if name.startswith(prefix)]
        first = {0} if self.name in names or not numbers else set()
        return {int(number) for number in numbers if number.isdigit()} | first or {0}

    def _memory(self, generation: int) -> Memory:
        return Memory(
            self.limit,
            store=self.store,
            session=self._session(generation),
            tenant=self.tenant,
            **self._options,
        )

    def _session(self, generation: int) -> str:
        return f"{self.name}{_GENERATION}{generation}" if generation else self.name

    def _read(self) -> None:
        self.messages, self.marks, self.left = self._past_of(self.memory, self._generation)
        about = self._about(self._generation)
        if about.get("provider") != self._options.get("provider") and self.messages:
            # Counts in the records are of the other provider's overhead.
            self.replace(self.messages, left=self.left)

    def _past_of(self, memory: Memory, generation: int) -> _Past:
        messages = memory.messages()
        left = set(self._about(generation).get("left", ())) & set(range(len(messages)))
        return _Past(messages, [mark_of(message) for message in messages], left)

    def _about(self, generation: int) -> dict[str, Any]:
        """Return what is written beside a session."""
        names = (self._side, self._session(generation))
        version = self.store.version(*names)
        records = list(self.store.read(*names, after=int(version) - 1)) if version else []
        return dict(json.loads(records[-1].payload)) if records else {}

    @property
    def _side(self) -> str:
        return f"{self.tenant}.left"

    def _write_left(self, generation: int, left: Sequence[int]) -> None:
        about = {"left": sorted(left), "provider": self._options.get("provider")}
        names = (self._side, self._session(generation))
        self.store.append(*names, [json.dumps(about).encode()])

    def _old_messages(self) -> list[Any] | None:
        """Return the messages of a session that ctxmem 0.1 wrote; None if it is none of those."""
        kept: list[PageId] = []
        texts: list[PageId] = []
        records = list(self.store.read(self.tenant, self.name))
        for record in records:
            written = json.loads(record.payload)
            if not isinstance(written, dict) or "v" in written:
                return None
            if written.get("whole"):
                kept = []
            kept += written.get("messages", ())
            texts += [written["text"]] if "text" in written else []
        if not records:
            return None
        wanted = list(dict.fromkeys([*kept, *texts]))
        found = self.store.pages(self.tenant, self.name, wanted)
        if texts:  # the long results beside the messages
            lines = [json.dumps({"text": page}).encode() for page in texts]
            pages = {page: found[page] for page in texts}
            self.store.append(f"{self.tenant}.results", self.name, lines, pages=pages)
        return [self._decode_old(json.loads(found[page])) for page in kept]

    def refresh(self) -> None:
        """Follow what others wrote: messages, a session in the place of this one, or none."""
        with self.lock:
            try:
                if self.store.version(self.tenant, self._session(self._generation)) == 0:
                    self._open()
                    return
                new = self.memory.messages(len(self.messages))
            except SessionDeletedError:
                self._open()
                return
            self.messages += new
            self.marks += map(mark_of, new)

    # Writing --------------------------------------------------------------------------------------

    def use(self, provider: str | None) -> None:
        """Count as a provider does from now on."""
        with self.lock:
            if provider != self._options.get("provider"):
                self._options["provider"] = provider
                self.replace(self.messages, left=self.left)

    def append(self, messages: Sequence[Any]) -> None:
        """Append messages, all or none."""
        if not messages:
            return
        with self.lock:
            if not self.messages:
                self._write_left(self._generation, ())
            self._append(self.memory, messages)
            self.messages += messages
            self.marks += map(mark_of, messages)

    @staticmethod
    def _append(memory: Memory, messages: Sequence[Any]) -> None:
        try:
            memory.append(list(messages))
        except InputError:
            memory.append([_storable(message) for message in messages])

    def replace(self, messages: Sequence[Any], left: Sequence[int] | set[int] | range = ()) -> None:
        """Put messages in the place of all, as a new session; the old one is deleted.

        A session is kept if messages of it were evicted that are not among the new ones: they are
        nowhere else.
        """
        with self.lock:
            old = self._generation
            made = self._memory(old + 1)
            self._write_left(old + 1, sorted(left))
            if messages:
                self._append(made, messages)
            marks = [mark_of(message) for message in messages]
            only_there = {self.marks[i] for i in self.left} - set(marks)
            self.messages, self.marks, self.left = list(messages), marks, set(left)
            self.here = set(range(len(marks))) - self.left
            self.memory, self._generation = made, old + 1
            if not only_there:
                self._delete(old)

    def evict(self, gone: Sequence[int]) -> None:
        """Note that messages leave the framework's list; it is written when this returns."""
        with self.lock:
            left = {*self.left, *gone}
            if left != self.left:
                self._write_left(self._generation, sorted(left))
            self.left = left
            self.here.difference_update(gone)

    @property
    def evicted(self) -> list[int]:
        """The numbers of the messages that were evicted and are not in the framework's list."""
        return sorted(self.left - self.here)

    def sync(self, given: Sequence[Any]) -> list[int]:
        """Bring the memory to the state of a list, and return the number of each message in it."""
        with self.lock:
            self.refresh()
            places = self._grown(given)
            if places is None:
                places = self._aligned(given)
            contents = [message.content for message in given]
            self._last = _Synced(list(given), contents, places, self._generation)
            return list(places)

    def _grown(self, given: Sequence[Any]) -> list[int] | None:
        """Append what is new in the list of the call before; None if that was not all.

        What left the window is compared by its objects and their contents alone.
        """
        last = self._last
        if last is None or last.generation != self._generation or not last.places:
            return None
        size = len(last.given)
        same = size <= len(given) and last.places[-1] == len(self.messages) - 1
        if not (same and all(map(operator.is_, last.given, given))):
            return None
        contents = map(operator.attrgetter("content"), last.given)
        if not all(map(operator.is_, last.contents, contents)):
            return None
        here = zip(last.given, last.places, strict=True)
        if any(mark_of(one) != self.marks[i] for one, i in here if i in self._shown):
            return None
        first = len(self.messages)
        self.append(given[size:])
        return [*last.places, *range(first, len(self.messages))]

    def _aligned(self, given: Sequence[Any]) -> list[int]:
        """Find each message of a list in the memory, and append or branch."""
        past = _Past(self.messages, self.marks, self.left)
        marks = [mark_of(message) for message in given]
        places = _places(marks, past, self.here)
        known = sum(place >= 0 for place in places)
        missing = set(range(len(self.messages))) - self.left - set(places)
        # Where what was evicted last came after all that is known of the list, it went back.
        rewound = 0 <= max(places, default=-1) < max(self.left, default=-1)
        if missing or rewound or -1 in places[:known]:
            places = self._branch(given, marks, past, places)
        else:
            first = len(self.messages)
            self.append(given[known:])
            places[known:] = range(first, first + len(given) - known)
        self.here = set(places)
        for place, message in zip(places, given, strict=True):
            self.messages[place] = message
        return places

    def _branch(
        self, given: Sequence[Any], marks: Sequence[bytes], past: _Past, places: list[int]
    ) -> list[int]:
        """Start a new session for a list whose past was changed, with what had left before it.

        The past is that of the session which knows most of the list. Returns the number of each
        message in the new one. What was evicted in any branch counts as evicted in this one, too.
        """
        generation = self._generation
        others = self._generations() - {generation} if self._lasting else ()
        for number in sorted(others, reverse=True):
            other = self._past_of(self._memory(number), number)
            found = _places(marks, other, set())
            if sum(place >= 0 for place in found) > sum(place >= 0 for place in places):
                generation, past, places = number, other, found
        evicted = sorted(past.left - set(places))
        made: list[Any] = []
        left: list[int] = []
        now: list[int] = []
        for place, message in zip(places, given, strict=True):
            while evicted and evicted[0] < place:
                left.append(len(made))
                made.append(past.messages[evicted.pop(0)])
            if place in past.left:
                left.append(len(made))
            now.append(len(made))
            made.append(message)
        self.replace(made, left=left)
        if generation < self._generation - 1 and not evicted:
            self._delete(generation)
        return now

    def _delete(self, generation: int) -> None:
        self.store.delete_session(self.tenant, self._session(generation))
        self.store.delete_session(self._side, self._session(generation))

    # Reading --------------------------------------------------------------------------------------

    def window(self, beside: int, query: str | None = None) -> MemoryWindow:
        """Return the window beside so many tokens of other things.

        Raises `BudgetError` if what must stay does not fit; its `pinned` are numbers of messages.
        """
        with self.lock:
            room = self.limit - beside
            if room < 1:
                raise BudgetError("there is no room for messages", pinned=())
            if room != self.memory.budget and query is None:
                query = ""  # plan anew, though nothing was appended
            self.memory.budget = room
            try:
                window = self.memory.window(query)
            except BudgetError as error:
                numbers = {self.memory.page(page).message for page in error.pinned}
                raise BudgetError(str(error), pinned=[str(i) for i in sorted(numbers)]) from None
            self._shown = set(window.shown)
            return window

    def as_given(self, window: MemoryWindow) -> list[Any]:
        """Return a window's messages, those shown in full as the objects that were given."""
        same: dict[bytes, list[Any]] = {}
        for i in reversed(window.shown):
            same.setdefault(self.marks[i], []).append(self.messages[i])
        made = []
        for message in window.messages:
            objects = same.get(mark_of(message))
            made.append(objects.pop() if objects else message)
        return made

    def recall(self, query: str, k: int, among: Callable[[int], bool]) -> list[Any]:
        """Return up to k messages that answer a query, most relevant first."""
        if k < 1 or not self.messages:
            return []
        found: dict[int, None] = {}
        for page in self.memory.recall(query, 4 * k + 16):
            if among(page.message):
                found[page.message] = None
        return [self.messages[i] for i in list(found)[:k]]

    def delete(self) -> None:
        """Delete the session."""
        with self.lock:
            session = self._session(self._generation)
            self.store.delete_session(self.tenant, session)
            self.store.delete_session(self._side, session)


def _places(marks: Sequence[bytes], past: _Past, here: set[int]) -> list[int]:
    """Return the number that each message of a list has in a session, rising; -1 for new ones.

    `here` are the messages that the list before held.
    """
    outside = past.left - here
    inside = [i for i in range(len(past.marks)) if i not in outside]
    places: list[int] = []
    for i, mark in zip(inside, marks, strict=False):
        if mark != past.marks[i]:
            break
        places.append(i)
    at: dict[bytes, list[int]] = {}
    if len(places) < min(len(inside), len(marks)):  # most lists only grow
        for i in range(len(past.marks) - 1, -1, -1):
            at.setdefault(past.marks[i], []).append(i)
        places = []
    last = places[-1] if places else -1
    for mark in marks[len(places) :]:
        candidates = at.get(mark, []) if at else []
        while candidates and candidates[-1] <= last:
            candidates.pop()
        place = candidates.pop() if candidates else -1
        last = max(last, place)
        places.append(place)
    return places


def named(
    error: BudgetError,
    conversation: Conversation,
    places: Sequence[int],
    *,
    before: int,
    fixed: int,
) -> BudgetError:
    """Return an error that names messages by their place in a request, `before` ahead of them."""
    at = {place: i + before for i, place in enumerate(places)}
    pins = [
        f"message {at[int(i)]} ({_role(conversation.messages[int(i)])})"
        for i in error.pinned
        if int(i) in at
    ]
    shown = ", ".join(pins) or "the tools or the system message"
    beside = f", of which {fixed:,} are taken by what is beside the messages," if fixed else ""
    return BudgetError(
        f"budget is {conversation.limit:,} tokens{beside} but what must stay does not fit: raise "
        f"the budget or shorten {shown}",
        pinned=pins or ["system message and tools"],
    )


def _role(message: Any) -> str:
    return read_one(message, 0).role
