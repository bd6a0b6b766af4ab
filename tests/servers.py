"""PostgreSQL and Redis on loopback, for tests: started in a folder, by an ordinary user.

The programs come with Debian's packages `postgresql` and `redis-server`. Where they are missing,
tests that need them are skipped, and say so.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import glob
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from ctxmem.stores import MemoryStore, PostgresStore, RedisStore, SqliteStore

_numbers = itertools.count()
_SECONDS = 30.0  # until a server that was started answers


@functools.cache
def program(name: str) -> str | None:
    """Return the path of a server's program; Debian keeps those of PostgreSQL off PATH."""
    places = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)
    return shutil.which(name) or (places[0] if places else None)


needs_postgres = pytest.mark.skipif(
    program("initdb") is None or program("postgres") is None,
    reason="no PostgreSQL here; `apt-get install postgresql`, and it is started by the tests",
)
needs_redis = pytest.mark.skipif(
    program("redis-server") is None,
    reason="no Redis here; `apt-get install redis-server`, and it is started by the tests",
)


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A process of a server, in a folder of its own."""

    def __init__(self) -> None:
        # Not under pytest's folders, which other users cannot enter.
        self.folder = Path(tempfile.mkdtemp(prefix="ctxmem-server-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            user = _ordinary_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    def command(self) -> list[str]:
        """Return what starts the server in the foreground."""
        raise AssertionError("each server has its own")

    def answers(self) -> bool:
        """Return whether the server answers."""
        raise AssertionError("each server has its own")

    def run(self, *command: str) -> None:
        """Run a program as the server's user, to its end."""
        subprocess.run(_as_ordinary(command), cwd=self.folder, check=True, capture_output=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                _as_ordinary(self.command()), cwd=self.folder, stdout=log, stderr=log
            )
        end = time.monotonic() + _SECONDS
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End the server with a signal; SIGKILL is a crash."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(_SECONDS)
            self.process = None

    def remove(self) -> None:
        """Stop the server and delete its files."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer(Server):
    """A cluster with a superuser `admin` and an ordinary role `app` that owns the database."""

    def __init__(self) -> None:
        super().__init__()
        self.run(
            *(program("initdb"), "-D", f"{self.folder}/data", "-U", "admin", "-A", "trust"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        self.start()
        import psycopg

        with psycopg.connect(self.dsn("admin", "postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE app LOGIN")
            connection.execute("CREATE DATABASE app OWNER app")

    def command(self) -> list[str]:
        return [
            *(program("postgres"), "-D", f"{self.folder}/data", "-p", str(self.port)),
            *("-c", "listen_addresses=127.0.0.1", "-k", str(self.folder)),
            *("-c", "max_connections=200", "-c", "shared_buffers=32MB"),
        ]

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn("admin", "postgres"), connect_timeout=2).close()
        except psycopg.Error:
            return False
        return True

    def dsn(self, user: str = "app", database: str = "app") -> str:
        """Return the URL for a role and a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"


class RedisServer(Server):
    """A server whose log of commands is synced before a command is acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.start()

    def command(self) -> list[str]:
        return [
            *(program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", str(self.folder), "--save", "", "--daemonize", "no"),
            *("--appendonly", "yes", "--appendfsync", "always"),
        ]

    def answers(self) -> bool:
        import redis

        try:
            return bool(redis.Redis(port=self.port, socket_timeout=2).ping())
        except redis.RedisError:
            return False

    @property
    def url(self) -> str:
        """The URL of the server's first database."""
        return f"redis://127.0.0.1:{self.port}/0"


def _ordinary_user() -> pwd.struct_passwd:
    """Return a user that root may start servers as: PostgreSQL refuses to run as root."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("no user postgres or nobody")


def _as_ordinary(command: list[str] | tuple[str, ...]) -> list[str]:
    if os.getuid() != 0:
        return list(command)
    user = _ordinary_user()
    groups = ("--clear-groups", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}")
    return ["setpriv", *groups, *command]


STORES = [
    "memory",
    "sqlite",
    pytest.param("postgres", marks=needs_postgres),
    pytest.param("redis", marks=needs_redis),
]
"""The stores that hold to one contract, as parameters of a fixture."""


@functools.cache
def postgres() -> PostgresServer:
    """Return the server of this test process, started when it is first wanted."""
    server = PostgresServer()
    atexit.register(server.remove)
    return server


@functools.cache
def redis() -> RedisServer:
    """Return the server of this test process, started when it is first wanted."""
    server = RedisServer()
    atexit.register(server.remove)
    return server


@contextlib.contextmanager
def opened(request, folder: Path, **options):
    """Open an empty store of the kind that a fixture's parameter names."""
    kind = request.param
    if kind == "memory":
        made = MemoryStore(**options)
    elif kind == "sqlite":
        made = SqliteStore(folder / "pages.db", **options)
    elif kind == "postgres":
        made = PostgresStore(postgres().dsn(), schema=f"t{next(_numbers)}", **options)
    else:
        made = RedisStore(redis().url, prefix=f"t{next(_numbers)}", **options)
    with made:
        yield made
