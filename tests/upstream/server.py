"""The upstream in a thread of this process, on a free port of the loopback interface."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType

import uvicorn

from .app import App
from .usage import encoding

START_SECONDS = 10.0


class Upstream:
    """A running upstream; a context manager. All attributes of `App` are there as `.app`.

    >>> with Upstream(App(script=["Hi."])) as upstream:  # doctest: +SKIP
    ...     client = openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="k", max_retries=0)
    """

    def __init__(self, app: App | None = None, *, port: int = 0) -> None:
        self.app = app or App()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self.app,
            lifespan="off",
            log_level="error",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> Upstream:
        """Start, and wait until connections are taken."""
        encoding()  # takes a second, which no client should wait for
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise RuntimeError("the upstream did not start")
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and close all connections."""
        self._server.should_exit = True
        self._thread.join(START_SECONDS)
        self._socket.close()

    @property
    def records(self) -> list:
        """All requests, in order of arrival."""
        return self.app.records

    def of(self, key: str) -> list:
        """Return the requests with this API key."""
        return [record for record in self.app.records if record.key == key]
