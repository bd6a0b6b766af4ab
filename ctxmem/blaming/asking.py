"""Requests answered in parallel, so that Ctrl-C ends the wait at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ctxmem.blaming.models import Answer, AskError
from ctxmem.blaming.sendable import Messages

_WAKE = 0.2  # seconds after which a wait looks for Ctrl-C


@dataclass(slots=True)
class Request:
    """One request that a model has to answer."""

    key: str
    messages: Messages
    model: str
    tokens: int


def in_parallel(
    ask: Callable[[Request], Answer | AskError], todo: Sequence[Request], workers: int
) -> Iterator[tuple[Request, Answer | AskError]]:
    """Yield answers as they come.

    The threads are daemons: after Ctrl-C the process does not wait for requests under way.
    """
    waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Request, Answer | AskError]] = queue.SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        while (request := waiting.get()) is not None and not stopped.is_set():
            try:
                done.put((request, ask(request)))
            except Exception as error:  # a fault of ours must not leave the reader waiting
                done.put((request, AskError(f"{type(error).__name__}: {error}")))

    for request in todo:
        waiting.put(request)
    for _ in range(min(workers, len(todo))):
        waiting.put(None)
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in todo:
            while True:
                try:
                    yield done.get(timeout=_WAKE)
                    break
                except queue.Empty:
                    continue
    finally:
        stopped.set()
