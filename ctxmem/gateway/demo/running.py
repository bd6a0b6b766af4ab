"""`ctxmem serve --demo`: the gateway between a scripted client and a stub, so that the page lives.

Nothing leaves the machine: client, gateway and stub talk on the loopback address, and what is kept
goes to a folder that is removed at the end.
"""

from __future__ import annotations

import logging
import random
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from ctxmem.gateway.demo.script import CODING, SUPPORT, Story, result_of, schema
from ctxmem.gateway.demo.upstream import StubUpstream
from ctxmem.gateway.exchanges import reply_of
from ctxmem.gateway.serving import serve
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import Reply, Wire, wire_of

log = logging.getLogger("ctxmem.gateway")

BUDGET = 12_000
"""Tokens of a request of the demonstration: small, so that something leaves soon."""
_AT_ONCE = 4  # conversations that go on side by side
_QUICK = 40  # requests that come fast, so that the page has something to show
_QUICK_SECONDS, _SLOW_SECONDS = 0.1, 0.9
_TALKS = (
    (CODING, "/v1/messages", "claude-sonnet-5", True),
    (SUPPORT, "/v1/chat/completions", "gpt-5", False),
    (CODING, "/v1/chat/completions", "gpt-5", True),
    (SUPPORT, "/v1/messages", "claude-sonnet-5", True),
)
"""Which story is played in which format, with which model, streamed or not."""


def run_demo(*, port: int, ready: Callable[[Settings], None], seconds: float | None = None) -> None:
    """Run the demonstration until it is interrupted, or for some seconds.

    Args:
        port: where the gateway listens; another one if it is taken.
        ready: called with the settings as soon as the page is there.
        seconds: when to end by itself; None: not at all.
    """
    with tempfile.TemporaryDirectory(prefix="ctxmem-demo-") as folder, _stub() as upstream:
        settings = Settings(
            upstreams={"": upstream},
            port=port if _is_free(port) else 0,
            mode="manage",
            budget=BUDGET,
            recall=True,
            store=str(Path(folder) / "gateway.db"),
            show_text=True,
        )
        stop = threading.Event()
        client: list[threading.Thread] = []

        def started(settings: Settings) -> None:
            ready(settings)
            address = f"http://{settings.host}:{settings.port}"
            client.append(threading.Thread(target=play, args=(address, stop), daemon=True))
            client[0].start()
            if seconds is not None:
                timer = threading.Timer(seconds, signal.raise_signal, (signal.SIGTERM,))
                timer.daemon = True
                timer.start()

        try:
            serve(settings, started, demo=True)
        finally:
            stop.set()
            for thread in client:
                thread.join(timeout=5)


@contextmanager
def _stub() -> Iterator[str]:
    """Run the stub in a thread and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(StubUpstream().app(), log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=5)


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


# The client ---------------------------------------------------------------------------------------


def play(address: str, stop: threading.Event) -> None:
    """Go on with several conversations, one request after the other, until `stop` is set."""
    chosen = random.Random(7)
    talks: list[_ScriptedConversation] = []
    made = sent = 0
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        while not stop.is_set():
            while len(talks) < _AT_ONCE:
                talks.append(_ScriptedConversation(made, *_TALKS[made % len(_TALKS)]))
                made += 1
            talk = chosen.choice(talks)
            try:
                talk.step(client)
            except (httpx.HTTPError, ValueError, KeyError) as error:
                log.warning("a request of the demonstration failed (%s)", type(error).__name__)
                talk.over = True
            if talk.over:
                talks.remove(talk)
            sent += 1
            stop.wait(_QUICK_SECONDS if sent < _QUICK else _SLOW_SECONDS)


class _ScriptedConversation:
    """A conversation as a client has it: it sends all of it again with every request."""

    def __init__(self, number: int, story: Story, path: str, model: str, stream: bool) -> None:
        self._number, self._story, self._path = number, story, path
        self._model, self._stream = model, stream
        wire = wire_of("POST", path)
        assert wire is not None
        self._wire: Wire = wire
        self._questions = iter(story.questions)
        self._messages: list[Any] = []
        self._reply: Reply | None = None
        self._turn = 0
        self.over = False

    def step(self, client: httpx.Client) -> None:
        """Send what comes next: results of the tools that were called, or the next question."""
        calls = self._reply.calls if self._reply is not None else []
        if calls:
            self._messages += self._results(calls)
        else:
            question = next(self._questions, None)
            if question is None:
                self.over = True
                return
            if not self._messages:
                question = f"({self._story.name} {self._number + 1}) {question}"
            self._messages.append({"role": "user", "content": question})
        self._turn += 1
        answer = client.post(self._path, json=self._body(), headers=self._headers())
        answer.raise_for_status()
        kind = answer.headers.get("content-type", "")
        self._reply = reply_of(self._wire, kind, "", [answer.content])
        self._messages += self._reply.messages

    def _headers(self) -> dict[str, str]:
        if self._wire.provider == "anthropic":
            return {"x-api-key": "demo", "anthropic-version": "2023-06-01"}
        return {"authorization": "Bearer demo"}

    def _body(self) -> dict[str, Any]:
        tools = [schema(name, does) for name, does in self._story.tools.items()]
        body: dict[str, Any] = {"model": self._model, "stream": self._stream}
        if self._wire.provider == "anthropic":
            for tool in tools:
                tool["input_schema"] = tool.pop("parameters")
            mark = {"cache_control": {"type": "ephemeral"}}
            system = [{"type": "text", "text": self._story.system, **mark}]
            messages = [*self._messages[:-1], _marked(self._messages[-1], mark)]
            return body | {
                "max_tokens": 1024,
                "system": system,
                "tools": tools,
                "messages": messages,
            }
        if self._stream:
            body["stream_options"] = {"include_usage": True}
        return body | {
            "tools": [{"type": "function", "function": tool} for tool in tools],
            "messages": [{"role": "system", "content": self._story.system}, *self._messages],
        }

    def _results(self, calls: list[Any]) -> list[Any]:
        results = []
        for call in calls:
            given = call.arguments if isinstance(call.arguments, dict) else {}
            text = result_of(call.name, str(given.get("what", "")), self._turn)
            results.append((call.id, text))
        if self._wire.provider == "anthropic":
            content = [
                {"type": "tool_result", "tool_use_id": id, "content": text} for id, text in results
            ]
            return [{"role": "user", "content": content}]
        return [{"role": "tool", "tool_call_id": id, "content": text} for id, text in results]


def _marked(message: dict[str, Any], mark: dict[str, Any]) -> dict[str, Any]:
    """Return a message whose end the provider keeps in its cache, as coding agents mark it."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    blocks[-1] = {**blocks[-1], **mark}
    return {**message, "content": blocks}
