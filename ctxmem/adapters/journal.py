"""What has left a framework's sight: messages and long texts, as pages of a session."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import xxhash

from ctxmem.chat import passages
from ctxmem.fields import MAX_BUDGET
from ctxmem.pipeline import pack
from ctxmem.protocols import PageStore
from ctxmem.schema import PageId
from ctxmem.stores import open_store


@dataclass(slots=True)
class _Session:
    version: int = 0
    messages: list[Any] = field(default_factory=list)


class Journal:
    """Messages of sessions in a page store, in the order in which they were written.

    `encode` makes a message plain data for JSON, `decode` makes it a message again. With `remember`
    what was written or read stays at hand, as the caller's own objects; what others write to the
    session is read on the next call. Every write is there whole when the call returns, or not at
    all.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | PageStore,
        tenant: str,
        *,
        encode: Callable[[Any], Any],
        decode: Callable[[Any], Any],
        remember: bool,
    ) -> None:
        self.store = open_store(store)
        self._owned = self.store is not store
        self.tenant = tenant
        self._encode = encode
        self._decode = decode
        self._known: dict[str, _Session] | None = {} if remember else None
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the store, unless it was given as an object."""
        if self._owned:
            self.store.close()

    def extend(self, session: str, messages: Sequence[Any]) -> None:
        """Write messages behind those that are there."""
        self._write(session, messages, whole=False)

    def replace(self, session: str, messages: Sequence[Any]) -> None:
        """Write messages in the place of those that are there."""
        self._write(session, messages, whole=True)

    def _write(self, session: str, messages: Sequence[Any], *, whole: bool) -> None:
        # What JSON does not know is no part of what a model sees; it is kept for people to read.
        payloads = [json.dumps(self._encode(m), default=repr).encode() for m in messages]
        order = [page_id(payload) for payload in payloads]
        record = json.dumps({"whole": whole, "messages": order}).encode()
        pages = dict(zip(order, payloads, strict=True))
        with self._lock:
            version = self.store.append(self.tenant, session, [record], pages=pages)
            known = (self._known or {}).get(session)
            if known is not None and known.version == version - 1:
                known.messages = [*messages] if whole else [*known.messages, *messages]
                known.version = version

    def messages(self, session: str) -> list[Any]:
        """Return the messages of a session, oldest first."""
        with self._lock:
            known = (self._known or {}).get(session) or _Session()
            if self._known is not None:
                self._known[session] = known
            version = self.store.version(self.tenant, session)
            if version < known.version:  # somebody forgot the session
                known.version, known.messages = 0, []
            if version > known.version:
                self._follow(session, known)
            return list(known.messages)

    def _follow(self, session: str, known: _Session) -> None:
        kept: list[Any] = list(known.messages)
        new: list[PageId] = []
        for record in self.store.read(self.tenant, session, after=known.version):
            told = json.loads(record.payload)
            if told.get("whole"):
                kept, new = [], []
            new += [PageId(page) for page in told.get("messages", ())]
            known.version = record.version
        found = self.store.pages(self.tenant, session, list(dict.fromkeys(new)))
        known.messages = kept + [self._decode(json.loads(found[page])) for page in new]

    def search(self, session: str, query: str, k: int) -> list[Any]:
        """Return the messages that have most to do with a query, most relevant first."""
        messages = self.messages(session)
        if not messages or k < 1:
            return []
        ranked = pack(passages(messages), MAX_BUDGET, query=query, dedup=False)
        best = sorted(ranked.decisions, key=lambda decision: -decision.relevance)[:k]
        return [messages[decision.position] for decision in best]

    def write_text(self, session: str, text: str) -> PageId:
        """Write a text beside the messages and return its id."""
        payload = text.encode("utf-8", "surrogatepass")
        page = page_id(payload)
        record = json.dumps({"text": page}).encode()
        self.store.append(self.tenant, session, [record], pages={page: payload})
        return page

    def text(self, session: str, page: str) -> str | None:
        """Return a text, None if the session has none of that id."""
        found = self.store.pages(self.tenant, session, [PageId(page)]).get(PageId(page))
        return None if found is None else found.decode("utf-8", "surrogatepass")


def page_id(payload: bytes) -> PageId:
    """Return the id of a page: the 128-bit xxh3 of its bytes."""
    return PageId(xxhash.xxh3_128_hexdigest(payload))
