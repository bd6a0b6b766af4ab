"""The store for many processes and machines: a Redis server.

An `append` is one script, so one round trip that other commands do not come between. How much of it
survives a crash of the server is the server's setting: with `appendonly yes` and
`appendfsync always` all that was acknowledged, else up to all that came since the last save. A
store says so when it is opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from ctxmem.errors import (
    CtxmemError,
    CtxmemWarning,
    InputError,
    MissingExtraError,
    StoreError,
    warn_caller,
)
from ctxmem.protocols import SessionVersion
from ctxmem.stores.redis import scripts
from ctxmem.stores.seal import Seal, tenant_key
from ctxmem.stores.shared import Batch, Head, HeadRow, Outcome, SharedStore, SnapshotRows

T = TypeVar("T")

_WRITER, _SUM = 16, 8  # bytes before a payload
_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds between tries while the server is away
_AT_A_TIME = 500  # sessions in one round trip
_REWRITE = 60.0  # seconds for which `vacuum` waits for the server to rewrite its log
_LOST = b"\xff"  # no name: it is not UTF-8
_HEAD = ("number", "version", "checksum", "created", "used")


class RedisStore(SharedStore):
    """A `PageStore`, `SnapshotStore` and `ManagedStore` in a Redis server, or one that is alike.

    Any number of threads, processes and machines may use it. All keys of a tenant have one hash
    tag, so they are in one slot.

    Args:
        url: such as "redis://host:6379/0" or "rediss://...".
        prefix: begins every key.
        ttl: seconds after its last append when a session is deleted by the server; None keeps it.
        timeout: seconds for which a call waits for a server that restarts, before it raises
            `StoreError`.
        durable: warn when the server may lose what it acknowledged, or evict keys.
        clock: gives the time in seconds since 1970.

    Raises:
        MissingExtraError: redis is not installed.
        InputError: `ttl` is no time above 0.
        StoreError: the server cannot be reached.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "ctxmem",
        ttl: float | timedelta | None = None,
        timeout: float = 30.0,
        durable: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(timeout, clock)
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingExtraError('RedisStore needs redis; install "ctxmem[redis]"') from error
        self._redis: Any = redis
        self._ttl = _milliseconds(ttl)
        self._prefix = prefix.encode()
        self._closed = False
        # Calls are repeated here, where it is known which of them have written.
        self._client: Any = redis.Redis.from_url(
            url, decode_responses=False, retry=Retry(NoBackoff(), 0), socket_timeout=timeout
        )
        self._scripts: dict[str, Any] = {}
        try:
            self._run(lambda client: client.ping())
            self._settings = self._read_settings()
        except BaseException:
            self.close()
            raise
        if durable:
            self._warn_of_loss()

    def __enter__(self) -> RedisStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of this process."""
        self._closed = True
        self._client.close()

    @property
    def held(self) -> str:
        """What keeps deleted text in the files of the server, as far as its settings say."""
        files = [
            *(["its log until that is rewritten"] if self._settings["appendonly"] else []),
            *(["its last snapshot"] if self._settings["save"] else []),
        ]
        if not files and self._settings["known"]:
            return ""
        return f"Redis keeps deleted keys in {' and '.join(files) or 'its files'}; see vacuum()"

    def vacuum(self) -> str:
        """Have the server rewrite its log and its snapshot; return what could not be done."""
        try:
            if self._settings["appendonly"]:
                self._rewritten("bgrewriteaof", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
            if self._settings["save"]:
                self._rewritten("bgsave", "rdb_bgsave_in_progress")
        except StoreError as error:
            return f"the server did not rewrite its files: {error}"
        return "" if self._settings["known"] else "the files of the server are not known"

    def _rewritten(self, command: str, *running: str) -> None:
        """Begin a rewriting of the server's files and wait for its end."""
        end = time.monotonic() + _REWRITE

        def begin(client: Any) -> None:
            try:
                getattr(client, command)()
            except self._redis.ResponseError as error:
                if "already in progress" not in str(error) and "progress" not in str(error):
                    raise

        def runs(client: Any) -> bool:
            about = client.info("persistence")
            return any(about.get(name) for name in running)

        while self._run(runs):
            time.sleep(_PAUSE)
        self._run(begin)
        while self._run(runs):
            if time.monotonic() > end:
                raise StoreError(f"it takes more than {_REWRITE:g} s")
            time.sleep(_PAUSE)

    def _read_settings(self) -> dict[str, Any]:
        """Return what the server keeps, as far as it says."""
        names = ("appendonly", "appendfsync", "save", "maxmemory-policy")

        def read(client: Any) -> dict[str, str]:
            try:
                found = client.config_get(*names)
            except self._redis.ResponseError:
                return {}
            return {_text(name): _text(value) for name, value in found.items()}

        found = self._run(read)
        return {
            "known": bool(found),
            "appendonly": found.get("appendonly") == "yes",
            "always": found.get("appendfsync") == "always",
            "save": found.get("save", ""),
            "evicts": found.get("maxmemory-policy", "noeviction") != "noeviction",
        }

    def _warn_of_loss(self) -> None:
        about = self._settings
        if about["known"] and not (about["appendonly"] and about["always"]):
            warn_caller(
                "this Redis server may lose what it acknowledged when it crashes; set appendonly "
                "yes and appendfsync always, or open the store with durable=False",
                CtxmemWarning,
            )
        if about["evicts"]:
            warn_caller(
                "this Redis server may evict sessions when its memory is full; set "
                "maxmemory-policy noeviction, or open the store with durable=False",
                CtxmemWarning,
            )

    # Calls of the server --------------------------------------------------------------------------

    def _write(self, seal: Seal, batch: Batch, start: int, now: float, overwrite: bool) -> Outcome:
        behind, end = int(start), int(start) + len(batch.records)
        incarnation = start.incarnation if isinstance(start, SessionVersion) else ""
        writers = [batch.writer, *[b"\0" * _WRITER] * len(batch.records)]
        sums = batch.record_sums(seal, behind)
        records = map(b"".join, zip(writers, sums, batch.records, strict=False))
        pages = zip(batch.pages, batch.page_sums(seal), batch.pages.values(), strict=True)
        keys = self._keys(seal.tenant, seal.key())
        shared = self._of_tenant(seal.tenant)
        values = (
            *(behind, incarnation, seal.of_session(behind), seal.of_session(end)),
            *(seal.times(now, now), seal.key(), *seal.names, batch.writer, int(overwrite)),
            *(self._ttl, len(batch.records), *records),
            *(part for id, checksum, payload in pages for part in (id, checksum + payload)),
        )
        if not behind:  # before the session, so that none is in a tenant that is not listed
            name = self._prefix + b":tenants"
            self._run(lambda client: client.sadd(name, tenant_key(seal.tenant)))
        what, *found = self._script(scripts.APPEND, [*keys, *shared], values)
        number, version = map(int, found) if found else (None, None)
        return Outcome(what.decode(), number, version)

    def _head_row(self, seal: Seal) -> HeadRow | None:
        head = self._keys(seal.tenant, seal.key())[0]
        found = self._run(lambda client: client.hmget(head, *_HEAD))
        return None if found[0] is None else _head_row(found)

    def _head_rows(self, tenant: str | None) -> list[HeadRow]:
        rows: list[HeadRow] = []
        for owner in self._tenants(tenant):
            sessions = self._shared(owner)[0]
            names = self._members(sessions)
            for start in range(0, len(names), _AT_A_TIME):
                rows += self._some_heads(owner, names[start : start + _AT_A_TIME])
        return rows

    def _some_heads(self, owner: bytes, names: Sequence[bytes]) -> list[HeadRow]:
        def read(client: Any) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.hmget(self._session(owner, name)[0], *_HEAD, "tenant", "session")
            found: list[Any] = pipe.execute()
            return found

        rows = []
        for name, found in zip(names, self._run(read), strict=True):
            if found[0] is None:  # it has expired
                at = [self._session(owner, name)[0], self._shared(owner)[0]]
                self._script(scripts.FORGET, at, [name])
            else:
                names = [_LOST if one is None else one for one in found[-2:]]
                rows.append(HeadRow(*_head_row(found[: len(_HEAD)])[:5], name, *names))
        return rows

    def _record_rows(
        self, seal: Seal, number: int, first: int, last: int
    ) -> dict[int, tuple[bytes, bytes]]:
        head, records, *_ = self._keys(seal.tenant, seal.key())
        found = self._script(scripts.RECORDS, [head, records], [number, first, last])
        end = _WRITER + _SUM
        return {at: (one[_WRITER:end], one[end:]) for at, one in enumerate(found, first)}

    def _last_version(self, seal: Seal, number: int) -> int:
        records = self._keys(seal.tenant, seal.key())[1]
        return int(self._run(lambda client: client.llen(records)))

    def _page_rows(self, seal: Seal, ids: Sequence[bytes]) -> list[tuple[bytes, bytes, bytes]]:
        pages = self._keys(seal.tenant, seal.key())[2]
        found = self._run(lambda client: client.hmget(pages, list(ids)))
        return [
            (id, one[:_SUM], one[_SUM:])
            for id, one in zip(ids, found, strict=True)
            if one is not None
        ]

    def _page_ids(self, seal: Seal, number: int) -> list[bytes]:
        pages = self._keys(seal.tenant, seal.key())[2]
        return sorted(self._run(lambda client: client.hkeys(pages)))

    def _snapshot_rows(self, seal: Seal, *, payloads: bool) -> SnapshotRows | None:
        head, _, _, snapshot = self._keys(seal.tenant, seal.key())
        found = self._script(scripts.SNAPSHOT, [head, snapshot], [])
        if not found:
            return None
        fields = dict(zip(found[2][::2], found[2][1::2], strict=True))
        parts = {
            name[1:]: (part[:_SUM], part[_SUM:] if payloads else b"")
            for name, part in fields.items()
            if name.startswith(b"+")
        }
        version, checksum = _number(fields.get(b"version")), fields.get(b"checksum", b"")
        return SnapshotRows(_number(found[0]), _number(found[1]), version, checksum, parts)

    def _replace_snapshot(
        self,
        seal: Seal,
        there: SnapshotRows,
        version: int,
        checksum: bytes,
        parts: Mapping[bytes, tuple[bytes, bytes]],
        drop: Iterable[bytes],
    ) -> bool:
        head, _, _, snapshot = self._keys(seal.tenant, seal.key())
        dropped = list(drop)
        new = [field for name, part in parts.items() for field in (name, b"".join(part))]
        values = (there.number, there.checksum, version, checksum, len(dropped), *dropped, *new)
        return bool(self._script(scripts.REPLACE, [head, snapshot], values))

    def _drop_snapshot(self, seal: Seal) -> None:
        snapshot = self._keys(seal.tenant, seal.key())[3]
        self._run(lambda client: client.delete(snapshot))

    def _sizes(self, tenant: str | None, heads: Sequence[Head]) -> list[tuple[int, int, int]]:
        found = []
        for head in heads:
            owner = tenant_key(head.row.tenant_name.decode("utf-8", "surrogatepass"))
            keys = self._session(owner, head.row.key)
            found.append(tuple(self._script(scripts.SIZE, keys, [head.number])))
        return found

    def _delete(self, tenant: str | None, rows: Sequence[HeadRow], *, unused: bool) -> list[Any]:
        counts = []
        for row in rows:
            owner = tenant_key(
                row.tenant_name.decode("utf-8", "surrogatepass") if tenant is None else tenant
            )
            keys = [*self._session(owner, row.key), self._shared(owner)[0]]
            values = [row.key, row.number, row.used if unused else b""]
            counts.append(self._script(scripts.DELETE, keys, values))
        return counts

    def _delete_pages(self, seal: Seal, ids: Sequence[bytes]) -> int:
        head, _, pages, snapshot = self._keys(seal.tenant, seal.key())
        return int(self._script(scripts.DELETE_PAGES, [head, pages, snapshot], ids))

    # Inside ---------------------------------------------------------------------------------------

    def _keys(self, tenant: str, key: bytes) -> list[bytes]:
        return self._session(tenant_key(tenant), key)

    def _session(self, owner: bytes, key: bytes) -> list[bytes]:
        """Return the keys of a session: head, records, pages, snapshot."""
        start = b"%b:{%b}:%b:" % (self._prefix, owner.hex().encode(), key.hex().encode())
        return [start + name for name in (b"head", b"records", b"pages", b"snapshot")]

    def _of_tenant(self, tenant: str) -> list[bytes]:
        return self._shared(tenant_key(tenant))

    def _shared(self, owner: bytes) -> list[bytes]:
        """Return the keys of a tenant: sessions, numbers."""
        start = b"%b:{%b}:" % (self._prefix, owner.hex().encode())
        return [start + b"sessions", start + b"numbers"]

    def _tenants(self, tenant: str | None) -> list[bytes]:
        if tenant is not None:
            return [tenant_key(tenant)]
        return self._members(self._prefix + b":tenants")

    def _members(self, key: bytes) -> list[bytes]:
        return sorted(self._run(lambda client: client.smembers(key)))

    def _script(self, text: str, keys: Sequence[bytes], values: Sequence[Any]) -> Any:
        """Run a script as one step of the server."""
        script = self._scripts.get(text)
        if script is None:
            script = self._scripts[text] = self._client.register_script(text)
        return self._run(lambda client: script(keys=keys, args=values, client=client))

    def _run(self, call: Callable[[Any], T]) -> T:
        """Return what a function of a client returns; again where the server went away."""
        if self._closed:
            raise StoreError("the store is closed; open a new one")
        end = time.monotonic() + self.timeout
        pause = _PAUSE
        while True:
            try:
                return call(self._client)
            except CtxmemError:
                raise
            except self._redis.RedisError as error:
                known = self._redis.exceptions
                away = isinstance(error, known.ConnectionError | known.TimeoutError)
                away = away and not isinstance(error, known.AuthenticationError)
                left = end - time.monotonic()
                if not away or left <= 0:
                    raise StoreError(f"Redis cannot be used: {error}") from error
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE)


def _head_row(found: Sequence[Any]) -> HeadRow:
    number, version, checksum, created, used = found
    return HeadRow(_number(number), _number(version), checksum or b"", created or b"", used or b"")


def _number(field: bytes | None) -> int:
    """Return a number that a script wrote, 0 for anything else."""
    return int(field) if field is not None and field.isdigit() else 0


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _milliseconds(ttl: float | timedelta | None) -> int:
    if ttl is None:
        return 0
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InputError(f"ttl is {ttl!r}; expected seconds above 0, a timedelta, or None")
    return max(1, round(seconds * 1000))
