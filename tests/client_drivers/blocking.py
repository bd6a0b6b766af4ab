"""Call an asynchronous client as if it were a blocking one, so that scenarios are written once."""

from __future__ import annotations

import asyncio
import functools
import inspect


@functools.cache
def loop() -> asyncio.AbstractEventLoop:
    """Return the one loop, which is never closed: clients are kept as long as the process."""
    return asyncio.new_event_loop()


class Blocking:
    """An object of an asynchronous client, whose coroutines are run to their end."""

    def __init__(self, thing: object) -> None:
        self._thing, self._loop = thing, loop()

    def __getattr__(self, name: str) -> object:
        return self._wrapped(getattr(self._thing, name))

    def __call__(self, *args: object, **options: object) -> object:
        return self._wrapped(self._thing(*args, **options))

    def __iter__(self):
        iterator = self._thing.__aiter__()
        while True:
            try:
                yield self._loop.run_until_complete(iterator.__anext__())
            except StopAsyncIteration:
                return

    def __enter__(self) -> object:
        return self._wrapped(self._thing.__aenter__())

    def __exit__(self, *error: object) -> None:
        self._loop.run_until_complete(self._thing.__aexit__(*error))

    def _wrapped(self, value: object) -> object:
        if inspect.isawaitable(value):
            value = self._loop.run_until_complete(value)
        awaits = any(hasattr(value, name) for name in ("__aiter__", "__aenter__"))
        is_part = type(value).__module__.split(".")[0] in ("openai", "anthropic") and not hasattr(
            value, "model_dump"
        )
        return Blocking(value) if awaits or is_part or callable(value) else value
