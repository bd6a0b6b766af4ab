"""AsyncMemory: the interface of `Memory` with await, for asyncio servers.

A memory in the in-process store answers in microseconds, so its calls run in the event loop. Any
other store waits for a disk or a network, so its calls run in one thread that the memory has for
itself, in the order they were made. A call that has begun there cannot be interrupted: a cancelled
`append` was not begun and is not there, or it is done and is there as a whole.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from ctxmem.errors import StoreError
from ctxmem.forking import ForkSafeLock
from ctxmem.intake import read_budget
from ctxmem.memory import tool
from ctxmem.memory.session import Memory
from ctxmem.pricing import Prices, prices_of
from ctxmem.stores import MemoryStore

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

_SIGNATURE = inspect.signature(Memory)


def _with_arguments_of(
    init: Callable[Concatenate[Memory, P], None],
) -> Callable[[Callable[Concatenate[S, ...], R]], Callable[Concatenate[S, P], R]]:
    """Give a function the arguments with which a `Memory` is made."""

    def same(own: Callable[Concatenate[S, ...], R]) -> Callable[Concatenate[S, P], R]:
        own.__signature__ = inspect.signature(init)  # type: ignore[attr-defined]
        return own

    return same


def _awaited(
    method: Callable[Concatenate[Memory, P], R],
) -> Callable[Concatenate[AsyncMemory, P], Coroutine[Any, Any, R]]:
    """Return a method of `Memory` as one that is awaited, with its signature and docstring."""

    @wraps(method)
    async def awaited(self: AsyncMemory, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._call(lambda: _read(method(self._opened(), *args, **kwargs)))

    awaited.__qualname__ = f"AsyncMemory.{method.__name__}"
    awaited.__module__ = __name__
    return awaited


class AsyncMemory:
    """A `Memory` whose methods are awaited; they have its signatures, results and errors.

    The arguments are those of `Memory`. The constructor reads no file: `async with` or `open`
    opens the session, or else the first call. With ":memory:" or a `MemoryStore`, calls run in the
    event loop, and so does what they call, such as a counter of your own. With any other store they
    run in one thread of the memory's own, in the order they were made.

    A call may be cancelled. It was not begun, and then nothing has changed, or it is carried out as
    a whole; the memory can be used further in both cases. After `close` every call raises
    `StoreError`. A memory may be used from several event loops.

    >>> async def talk():
    ...     async with AsyncMemory(1000) as memory:
    ...         await memory.append({"role": "user", "content": "My booking is HAT017."})
    ...         return (await memory.window()).tokens
    >>> asyncio.run(talk())
    14
    """

    budget: int
    """As `Memory.budget`: tokens that a window may have."""
    prices: Prices
    """As `Memory.prices`: the row of the price table."""

    @_with_arguments_of(Memory.__init__)
    def __init__(self, *args: Any, **options: Any) -> None:
        given = _SIGNATURE.bind(*args, **options)
        given.apply_defaults()
        self.budget = read_budget(given.arguments["budget"]).limit
        self.prices = prices_of(given.arguments["prices"])
        store = given.arguments["store"]
        self._in_loop = isinstance(store, MemoryStore) or (
            isinstance(store, str) and store == ":memory:"
        )
        self._open_memory = partial(Memory, *args, **options)
        self._memory: Memory | None = None
        self._offers = False  # whether the model has the tool
        self._opening = ForkSafeLock()  # the loops of several threads may open it at once
        self._lock = ForkSafeLock()  # of the fields below; held for no longer than a hand-over
        self._worker: ThreadPoolExecutor | None = None
        self._process = 0  # that has the worker; a fork copies no threads
        self._closing: Future[None] | None = None

    @classmethod
    @_with_arguments_of(Memory.__init__)
    async def open(cls, *args: Any, **options: Any) -> AsyncMemory:
        """Return a memory that is open; arguments and errors are those of `Memory`."""
        return await cls(*args, **options).__aenter__()

    append = _awaited(Memory.append)
    window = _awaited(Memory.window)
    recall = _awaited(Memory.recall)
    page = _awaited(Memory.page)
    pages = _awaited(Memory.pages)
    messages = _awaited(Memory.messages)
    last_at = _awaited(Memory.last_at)
    answer = _awaited(Memory.answer)
    ledger = _awaited(Memory.ledger)
    receipts = _awaited(Memory.receipts)
    forget = _awaited(Memory.forget)
    export = _awaited(Memory.export)
    pin = _awaited(Memory.pin)
    unpin = _awaited(Memory.unpin)
    stats = _awaited(Memory.stats)

    def tool(self, form: str = "openai") -> dict[str, Any]:
        """Return the definition of the tool, as `Memory.tool` does; it is not awaited."""
        definition = tool.definition(form)
        self._offers = True
        if self._memory is not None:
            self._memory.tool()
        return definition

    async def close(self) -> None:
        """Release the store, if this memory opened it, after the calls made before.

        Closing twice is no error. A `close` that is cancelled is carried out all the same.
        """
        await asyncio.shield(asyncio.wrap_future(self._begin_closing()))

    async def __aenter__(self) -> AsyncMemory:
        try:
            await self._call(self._opened)
        except BaseException:
            self._begin_closing()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Where calls run ------------------------------------------------------------------------------

    def _opened(self) -> Memory:
        """Return the memory, opened if it is not; where calls run only."""
        if self._memory is None:
            with self._opening:
                if self._memory is None:
                    self._memory = self._open_memory()
                    if self._offers:
                        self._memory.tool()
        return self._memory

    async def _call(self, call: Callable[[], R]) -> R:
        """Run a call in the loop or in the worker, behind the calls made before."""
        if self._in_loop:
            self._check_open()
            return call()
        return await asyncio.wrap_future(self._submit(call))

    def _submit(self, call: Callable[[], R]) -> Future[R]:
        """Hand a call to the worker, with the context variables of the caller."""
        with self._lock:
            self._check_open()
            if self._worker is None or self._process != os.getpid():
                self._worker = ThreadPoolExecutor(1, thread_name_prefix="ctxmem-memory")
                self._process = os.getpid()
            return self._worker.submit(contextvars.copy_context().run, _finished, call)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreError("the memory is closed; make a new one")

    def _begin_closing(self) -> Future[None]:
        """Close the memory behind the calls made before; they may take their time."""
        with self._lock:
            if self._closing is not None:
                return self._closing
            if not self._in_loop and self._worker is not None and self._process == os.getpid():
                self._closing = self._submit(self._close_memory)
                self._worker.shutdown(wait=False)
                return self._closing
            self._closing = Future()
        try:
            self._close_memory()
        except BaseException as error:
            self._closing.set_exception(error)
        else:
            self._closing.set_result(None)
        return self._closing

    def _close_memory(self) -> None:
        if self._memory is not None:
            self._memory.close()


def _read(result: R) -> R:
    """Return a result with what an iterator has yet to read, which is read where calls run."""
    if isinstance(result, Generator):
        return cast("R", iter(list(result)))
    return result


def _finished(call: Callable[[], R]) -> R:
    """Return what a call returns; no future can pass on a `StopIteration`."""
    try:
        return call()
    except StopIteration as error:
        raise RuntimeError("a function that the memory called raised StopIteration") from error
