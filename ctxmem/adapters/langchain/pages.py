"""What has left an agent's state: messages and long texts, as pages of a thread's session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import xxhash
from langchain_core.messages import BaseMessage, messages_from_dict, messages_to_dict

from ctxmem.intake import MAX_BUDGET
from ctxmem.messages import as_chunks
from ctxmem.pack import pack
from ctxmem.schema import PageId, PageStore

TENANT = "langchain"


class Pages:
    """The pages of all threads in one store."""

    def __init__(self, store: PageStore) -> None:
        self.store = store

    def write(self, thread: str, messages: Sequence[BaseMessage]) -> None:
        """Write messages, all or none; they are read back in the order of writing."""
        # An artifact may be anything; no model ever sees it.
        payloads = [json.dumps(t, default=repr).encode() for t in messages_to_dict(messages)]
        pages = {page_id(payload): payload for payload in payloads}
        record = json.dumps({"messages": [page_id(payload) for payload in payloads]}).encode()
        self.store.append(TENANT, thread, [record], pages=pages)

    def write_text(self, thread: str, text: str) -> PageId:
        """Write a text and return its id."""
        payload = text.encode("utf-8", "surrogatepass")
        page = page_id(payload)
        record = json.dumps({"text": page}).encode()
        self.store.append(TENANT, thread, [record], pages={page: payload})
        return page

    def text(self, thread: str, page: str) -> str | None:
        """Return a text, None if the thread has none of that id."""
        found = self.store.pages(TENANT, thread, [PageId(page)]).get(PageId(page))
        return None if found is None else found.decode("utf-8", "surrogatepass")

    def messages(self, thread: str) -> list[BaseMessage]:
        """Return all messages of a thread, oldest first."""
        order = [
            PageId(page)
            for record in self.store.read(TENANT, thread)
            for page in json.loads(record.payload).get("messages", ())
        ]
        found = self.store.pages(TENANT, thread, order)
        return messages_from_dict([json.loads(found[page]) for page in order])

    def search(self, thread: str, query: str, k: int) -> list[BaseMessage]:
        """Return the messages that have most to do with a query, most relevant first."""
        messages = self.messages(thread)
        if not messages or k < 1:
            return []
        # Each a passage of its own, not a chat: what counts is what they say, not when.
        passages: list[Any] = [as_chunks([message])[0][0].text for message in messages]
        ranked = pack(passages, MAX_BUDGET, query=query, dedup=False)
        best = sorted(ranked.decisions, key=lambda decision: -decision.relevance)[:k]
        return [messages[decision.position] for decision in best]


def page_id(payload: bytes) -> PageId:
    """Return the id of a page: the 128-bit xxh3 of its bytes."""
    return PageId(xxhash.xxh3_128_hexdigest(payload))
