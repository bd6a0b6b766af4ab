"""Which conversation a request goes on with, and its memory.

Clients send the whole history every time, so a request belongs to the conversation whose messages
it begins with. Conversations that begin alike (the same client, model and first message of the
user) are a family; its sessions have the family's name and a number, so that any process finds
them in the store. A request that goes on with none of them, because the client went back, changed
or shortened its history, gets a session of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock, RLock
from typing import Any, NamedTuple

from ctxmem.errors import ConflictError, SessionDeletedError, StoreError
from ctxmem.gateway.exchanges import common_prefix
from ctxmem.gateway.manage.accounts import Account
from ctxmem.gateway.manage.knowing import Reader, canonical, unmarked
from ctxmem.gateway.manage.shown import ShownMessages
from ctxmem.memory import Memory
from ctxmem.memory.managed import sent_whole
from ctxmem.protocols import PageStore

MOST_OPEN = 256
"""Families that are held open; others are found in the store again."""
MOST_LOOKED_AT = 16
"""Sessions of a family that are looked at in the store, the newest first."""
_TRIES = 8


class Pending(NamedTuple):
    """What is new in a request that was sent as it came, and is yet to be appended.

    `cold` says that the provider had nothing of it in its cache.
    """

    messages: list[Any]
    cold: bool


class Conversation:
    """One conversation: its memory, the digests of its messages, and its account."""

    def __init__(self, family: str, number: int, memory: Memory) -> None:
        self.family, self.number, self.memory = family, number, memory
        self.digests: list[bytes] = []
        self.pending: list[Pending] = []  # new messages that its memory does not have yet
        self.account: Account | None = None
        self.left: Conversation | None = None  # that the client left for this one
        self.before = 0  # messages that it had before this request
        self.asked_at = 0.0
        self.look_at = 0  # a window is planned again for a request of so many tokens
        self.shown = ShownMessages()
        self.stored: Future[None] | None = None  # done when what it has is on the disk

    def defer(self, digests: Sequence[bytes], messages: Sequence[Any], *, cold: bool) -> None:
        """Take in what is new in a request that goes on with it; `keep` appends it later."""
        known = self.before = len(self.digests)
        self.pending.append(Pending([unmarked(one) for one in messages[known:]], cold))
        self.digests += digests[known:]

    def keep(self) -> None:
        """Append the pending messages. Raises what `Memory.append` raises."""
        while self.pending:
            new, cold = self.pending[0]
            if new:
                kept = len(self.digests) - sum(len(one.messages) for one in self.pending)
                self.memory.append(new, expect=kept)
            sent_whole(self.memory, cold=cold)
            del self.pending[0]

    @property
    def session(self) -> str:
        """Its name in the store."""
        return f"{self.family}.{self.number}"

    @property
    def name(self) -> str:
        """A short name without anything of what is said in it."""
        return f"{self.family[:16]}-{self.number}"


class Family:
    """Conversations that begin alike; whoever uses one of them holds the lock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = RLock()
        self.open: dict[int, Conversation] = {}
        self.count = 0  # sessions that are known to be in the store


class Conversations:
    """Finds conversations, in this process and in the store.

    Args:
        store: where they are kept.
        reader: knows messages by what they say.
        open_memory: opens the memory of a tenant's session.
    """

    def __init__(
        self,
        store: PageStore,
        reader: Reader,
        open_memory: Callable[[str, str], Memory],
        most: int = MOST_OPEN,
    ) -> None:
        self.store, self._reader, self._open_memory = store, reader, open_memory
        self._most = most
        self._families: OrderedDict[tuple[str, str], Family] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """The number of conversations that are open."""
        with self._lock:
            return sum(len(one.open) for one in self._families.values())

    def family(self, tenant: str, *about: str) -> Family:
        """Return the family of conversations of a tenant that begin as `about` says."""
        at = self._place(tenant, about)
        with self._lock:
            found = self._families.get(at)
            if found is None:
                found = self._families[at] = Family(at[1])
            self._families.move_to_end(at)
            old = []
            while len(self._families) > self._most:
                old.append(self._families.popitem(last=False)[1])
        for one in old:
            self._close(one)
        return found

    def open_family(self, tenant: str, *about: str) -> Family | None:
        """Return that family if any of it is open."""
        with self._lock:
            return self._families.get(self._place(tenant, about))

    def _place(self, tenant: str, about: Sequence[str]) -> tuple[str, str]:
        return tenant, self._reader.digest("\x1f".join(about)).hex()

    def _close(self, family: Family) -> None:
        with family.lock:
            for conversation in family.open.values():
                _end(conversation)
            family.open.clear()

    def close(self) -> None:
        """Close all conversations."""
        with self._lock:
            families = list(self._families.values())
            self._families.clear()
        for family in families:
            self._close(family)

    def find(
        self,
        tenant: str,
        family: Family,
        digests: Sequence[bytes],
        messages: Sequence[Any],
    ) -> Conversation:
        """Return the conversation that a request goes on with, after what is new was appended.

        The lock of the family is held. Raises what a memory raises that cannot be read or written.
        """
        for tried in range(_TRIES):
            try:
                found = self._longest(tenant, family, digests, refresh=tried > 0)
                if found is None:
                    found = self._new(tenant, family, digests)
                found.keep()
                found.before = len(found.digests)
                self._append(found, digests, messages)
                return found
            except (ConflictError, SessionDeletedError) as error:
                # Another process wrote to it, or it was deleted: look again.
                pending = any(one.pending for one in family.open.values())
                if tried or pending or isinstance(error, SessionDeletedError):
                    self._reopen(family)
        raise ConflictError("others write to the conversation", expected=0, actual=0)

    def known(self, family: Family, digests: Sequence[bytes]) -> Conversation | None:
        """Return the open conversation that a request goes on with; the lock of the family is held.

        The store is not looked into: it refuses what is appended if others wrote to it.
        """
        return self._best(family, digests)

    def keep(
        self,
        tenant: str,
        family: Family,
        conversation: Conversation,
        digests: Sequence[bytes],
        messages: Sequence[Any],
    ) -> None:
        """Append what is pending of a conversation that a request goes on with.

        Waits for the family's lock. Raises what `Memory.append` raises: after a `StoreError` the
        messages stay pending, after other errors the next request looks into the store again.
        """
        with family.lock:
            try:
                if family.open.get(conversation.number) is conversation:
                    conversation.keep()
                else:  # it was closed meanwhile, and opened again
                    self.find(tenant, family, digests, messages)
            except (ConflictError, SessionDeletedError):
                # Another process wrote to it, or it was deleted: append what is missing.
                self._reopen(family)
                self.find(tenant, family, digests, messages)
            except StoreError:
                raise
            except Exception:
                self._reopen(family)
                raise

    def _reopen(self, family: Family) -> None:
        """Close a family, so that the next request looks into the store; drop pending messages."""
        family.count = 0
        for one in family.open.values():
            one.pending.clear()
        self._close(family)

    def _append(
        self, found: Conversation, digests: Sequence[bytes], messages: Sequence[Any]
    ) -> None:
        known = len(found.digests)
        if len(messages) > known:
            new = [unmarked(message) for message in messages[known:]]
            found.memory.append(new, expect=known)
            found.digests += digests[known:]

    def _longest(
        self, tenant: str, family: Family, digests: Sequence[bytes], *, refresh: bool
    ) -> Conversation | None:
        best = self._best(family, digests)
        if not refresh and best is not None and len(best.digests) < len(digests):
            return best  # the store refuses what is appended if others wrote to it
        # What others appended never makes a beginning of the request of one that is none.
        for conversation in self._fitting(family, digests):
            self._refresh(conversation)
        best = self._best(family, digests)
        if best is not None:
            return best
        self._look_into_store(tenant, family)
        return self._best(family, digests)

    def _fitting(self, family: Family, digests: Sequence[bytes]) -> list[Conversation]:
        """Return the conversations that a request begins with, as far as they are known here."""
        return [
            one
            for one in family.open.values()
            if len(one.digests) <= len(digests) and one.digests == digests[: len(one.digests)]
        ]

    def _best(self, family: Family, digests: Sequence[bytes]) -> Conversation | None:
        fitting = self._fitting(family, digests)
        return max(fitting, key=lambda one: (len(one.digests), -one.number), default=None)

    def _refresh(self, conversation: Conversation) -> None:
        """Take in what other processes appended."""
        conversation.keep()
        new = conversation.memory.messages(len(conversation.digests))
        conversation.digests += [self._reader.digest(canonical(one)) for one in new]
        if new:
            conversation.account = None  # it is in the store

    def _look_into_store(self, tenant: str, family: Family) -> None:
        """Open the newest sessions of a family that are not open."""
        while self.store.version(tenant, f"{family.name}.{family.count}"):
            family.count += 1
        for number in range(family.count - 1, max(-1, family.count - 1 - MOST_LOOKED_AT), -1):
            if number not in family.open:
                self._open(tenant, family, number)

    def _open(self, tenant: str, family: Family, number: int) -> Conversation:
        memory = self._open_memory(tenant, f"{family.name}.{number}")
        made = family.open[number] = Conversation(family.name, number, memory)
        self._refresh(made)
        return made

    def _new(self, tenant: str, family: Family, digests: Sequence[bytes]) -> Conversation:
        """Make a conversation for a request that goes on with none of the family."""
        made = self._open(tenant, family, family.count)
        family.count += 1
        nearest = max(
            (one for one in family.open.values() if one is not made and one.account is not None),
            key=lambda one: common_prefix(one.digests, digests),
            default=None,
        )
        made.left = nearest
        while len(family.open) > MOST_LOOKED_AT:
            oldest = min(family.open)
            _end(family.open.pop(oldest))
        return made


def _end(conversation: Conversation) -> None:
    """Close a conversation; the client has what cannot be written, and sends it again."""
    with suppress(Exception):
        conversation.keep()
    with suppress(Exception):
        conversation.memory.close()
