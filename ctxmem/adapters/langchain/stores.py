"""A page store as LangChain and LangGraph know stores: by namespace and key, or by key alone."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

import langchain_core.stores
import langgraph.store.base
import xxhash
from langchain_core.documents import Document
from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from ctxmem.errors import InputError, InputTypeError, a_type
from ctxmem.forking import ForkSafeLock
from ctxmem.memory import ranked
from ctxmem.protocols import PageStore
from ctxmem.schema import PageId
from ctxmem.stores import open_store


class PageBaseStore(langgraph.store.base.BaseStore, langchain_core.stores.BaseStore[str, Any]):
    """A page store as a LangGraph `BaseStore`, and as a key-value store of langchain-core.

    As the first it is what `create_agent(store=...)` takes, with `put`, `get`, `search`, `delete`
    and `list_namespaces`, sync and async. Values are dicts of what JSON knows. `search` with a
    query ranks by the words of the values, no embedding needed. As the second it has `mget`,
    `mset`, `mdelete` and `yield_keys` in one `namespace` of its own, for values that are bytes,
    `Document`s or what JSON knows: a cache for embeddings, a docstore for a retriever.

    A namespace is a session of the page store and every write a record in its log: what has
    returned survives the process, writes to one namespace in one batch are all there or none, and
    several processes may share a file. `store` is ":memory:", a path or a `ctxmem.PageStore`.

    Raises `InputTypeError` for values that cannot be written, and what the page store raises.

    >>> store = PageBaseStore()
    >>> store.put(("notes", "ann"), "n1", {"text": "The notice period is thirty days."})
    >>> store.search(("notes",), query="How long is the notice?")[0].value["text"]
    'The notice period is thirty days.'
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | PageStore = ":memory:",
        *,
        tenant: str = "langgraph",
        namespace: tuple[str, ...] = ("key-value",),
    ) -> None:
        self.pages = open_store(store)
        self._owned = self.pages is not store
        self.tenant = tenant
        self.namespace = namespace
        self._known: dict[str, _Space] = {}
        self._lock = ForkSafeLock()

    def close(self) -> None:
        """Close the page store, unless it was given as an object."""
        if self._owned:
            self.pages.close()

    # LangGraph -----------------------------------------------------------------------------------

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations; reads see what was there before the writes of the batch."""
        results: list[Result] = []
        puts: dict[tuple[str, ...], dict[str, Any]] = {}
        for op in ops:
            result: Result = None
            if isinstance(op, GetOp):
                result = self._items(op.namespace, [op.key]).get(op.key)
            elif isinstance(op, SearchOp):
                result = self._search(op)
            elif isinstance(op, ListNamespacesOp):
                result = self._list(op)
            elif isinstance(op, PutOp):
                puts.setdefault(op.namespace, {})[op.key] = op.value
            else:
                raise InputTypeError(
                    f"an operation is {a_type(op)}; expected a GetOp, PutOp, SearchOp or "
                    "ListNamespacesOp of langgraph.store.base"
                )
            results.append(result)
        written = {
            space: {key: None if v is None else _json(v, key) for key, v in values.items()}
            for space, values in puts.items()
        }
        for space, payloads in written.items():
            self._write(space, payloads)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations in a worker thread."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _search(self, op: SearchOp) -> list[SearchItem]:
        found = [
            item
            for space in self._spaces()
            if space[: len(op.namespace_prefix)] == op.namespace_prefix
            for item in self._items(space).values()
            if all(_fits(item.value.get(k), wanted) for k, wanted in (op.filter or {}).items())
        ]
        scores: list[float | None] = [None] * len(found)
        if op.query and found:
            # Values are no neighbours of each other: an empty text is between them.
            texts = [text for item in found for text in (" ".join(_strings(item.value)), "")]
            best = ranked(texts, op.query, len(texts))
            own = {at // 2: score for at, score in best if at % 2 == 0}
            order = sorted(range(len(found)), key=lambda at: -own.get(at, 0.0))
            found = [found[at] for at in order]
            scores = [*(own.get(at, 0.0) for at in order)]
        page = slice(op.offset, op.offset + op.limit)
        return [
            SearchItem(
                item.namespace, item.key, item.value, item.created_at, item.updated_at, score
            )
            for item, score in zip(found[page], scores[page], strict=True)
        ]

    def _list(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        spaces = [
            space
            for space in self._spaces()
            if all(_matches(condition, space) for condition in op.match_conditions or ())
        ]
        if op.max_depth is not None:
            spaces = sorted({space[: op.max_depth] for space in spaces})
        return spaces[op.offset : op.offset + op.limit]

    # langchain-core ------------------------------------------------------------------------------

    def mget(self, keys: Sequence[str]) -> list[Any]:
        """Return the value of each key, None where there is none."""
        found = self._payloads(self.namespace, list(keys))
        return [_decoded(found[key]) if key in found else None for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, Any]]) -> None:
        """Set values, all or none."""
        self._write(self.namespace, {key: _encoded(v, key) for key, v in key_value_pairs})

    def mdelete(self, keys: Sequence[str]) -> None:
        """Delete keys, all or none; a missing one is no error."""
        self._write(self.namespace, dict.fromkeys(keys))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """Yield the keys, or those that begin with a prefix."""
        yield from [k for k in self._space(self.namespace).rows if k.startswith(prefix or "")]

    # Log -----------------------------------------------------------------------------------------

    def _spaces(self) -> list[tuple[str, ...]]:
        spaces = [tuple(json.loads(session)) for session in self.pages.sessions(self.tenant)]
        return sorted(space for space in spaces if self._space(space).rows)

    def _space(self, namespace: tuple[str, ...]) -> _Space:
        """Return what a namespace holds, brought up to date."""
        session = _session(namespace)
        with self._lock:
            space = self._known.get(session)
            version = self.pages.version(self.tenant, session)
            if space is None or version < space.version:
                space = self._known[session] = _Space()
            if version > space.version:
                for record in self.pages.read(self.tenant, session, after=space.version):
                    space.follow(json.loads(record.payload))
                    space.version = record.version
            return space

    def _payloads(self, namespace: tuple[str, ...], keys: Sequence[str]) -> dict[str, bytes]:
        rows = self._space(namespace).rows
        pages = {key: rows[key].page for key in keys if key in rows}
        found = self.pages.pages(self.tenant, _session(namespace), [*set(pages.values())])
        # Another process may have deleted a value since.
        return {key: found[page] for key, page in pages.items() if page in found}

    def _items(self, namespace: tuple[str, ...], keys: Sequence[str] | None = None) -> Any:
        rows = dict(self._space(namespace).rows)
        found = self._payloads(namespace, list(rows) if keys is None else keys)
        return {
            key: Item(
                namespace=namespace,
                key=key,
                value=json.loads(payload),
                created_at=rows[key].created,
                updated_at=rows[key].updated,
            )
            for key, payload in found.items()
        }

    def _write(self, namespace: tuple[str, ...], payloads: Mapping[str, bytes | None]) -> None:
        pages = {page_id(payload): payload for payload in payloads.values() if payload is not None}
        change = {key: None if p is None else page_id(p) for key, p in payloads.items()}
        if change:
            before = {row.page for key, row in self._space(namespace).rows.items() if key in change}
            record = {"at": datetime.now(timezone.utc).isoformat(), "set": change}
            self.pages.append(
                self.tenant, _session(namespace), [json.dumps(record).encode()], pages=pages
            )
            self._drop(namespace, before)

    def _drop(self, namespace: tuple[str, ...], before: set[PageId]) -> None:
        """Delete pages that no value of the namespace is in, where the store can."""
        delete = getattr(self.pages, "delete_pages", None)
        gone = before - {row.page for row in self._space(namespace).rows.values()}
        if delete is not None and gone:
            delete(self.tenant, _session(namespace), sorted(gone))


def page_id(payload: bytes) -> PageId:
    """Return the id of a page: the 128-bit xxh3 of its bytes."""
    return PageId(xxhash.xxh3_128_hexdigest(payload))


class _Row(NamedTuple):
    page: PageId
    created: datetime
    updated: datetime


@dataclass(slots=True)
class _Space:
    """The state of a namespace, from its log."""

    version: int = 0
    rows: dict[str, _Row] = field(default_factory=dict)

    def follow(self, record: Mapping[str, Any]) -> None:
        at = datetime.fromisoformat(record["at"])
        for key, page in record["set"].items():
            if page is None:
                self.rows.pop(key, None)
            else:
                before = self.rows.get(key)
                self.rows[key] = _Row(PageId(page), before.created if before else at, at)


def _session(namespace: tuple[str, ...]) -> str:
    return json.dumps(list(namespace))


def _json(value: Any, key: str) -> bytes:
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputTypeError(
            f"the value of {key!r} cannot be written as JSON ({error}); expected dicts, lists, "
            "strings, numbers, true, false and null"
        ) from None


def _encoded(value: Any, key: str) -> bytes:
    if isinstance(value, bytes):
        return _json({"bytes": base64.b64encode(value).decode()}, key)
    if isinstance(value, Document):
        return _json({"document": value.model_dump()}, key)
    return _json({"value": value}, key)


def _decoded(payload: bytes) -> Any:
    held = json.loads(payload)
    if "bytes" in held:
        return base64.b64decode(held["bytes"])
    return Document(**held["document"]) if "document" in held else held["value"]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: value == wanted,
    "$ne": lambda value, wanted: value != wanted,
    "$gt": lambda value, wanted: float(value) > float(wanted),
    "$gte": lambda value, wanted: float(value) >= float(wanted),
    "$lt": lambda value, wanted: float(value) < float(wanted),
    "$lte": lambda value, wanted: float(value) <= float(wanted),
}


def _fits(value: Any, wanted: Any) -> bool:
    """Return whether a value is as a filter wants it: equal, or by operators such as $gte."""
    if not (isinstance(wanted, Mapping) and any(str(k).startswith("$") for k in wanted)):
        return bool(value == wanted)
    unknown = next((k for k in wanted if k not in _COMPARE), None)
    if unknown is not None:
        raise InputError(
            f"a filter has the operator {unknown!r}; expected one of {', '.join(_COMPARE)}"
        )
    try:
        return all(_COMPARE[k](value, limit) for k, limit in wanted.items())
    except (TypeError, ValueError):  # None, or a text: neither above nor below a number
        return False


def _matches(condition: MatchCondition, space: tuple[str, ...]) -> bool:
    path = tuple(condition.path)
    if len(path) > len(space):
        return False
    part = space[: len(path)] if condition.match_type == "prefix" else space[-len(path) :]
    return all(wanted in ("*", label) for wanted, label in zip(path, part, strict=False))
