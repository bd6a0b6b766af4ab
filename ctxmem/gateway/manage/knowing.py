"""Knows messages by what they say, whoever writes them and however."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from threading import Lock
from typing import Any, NamedTuple

import xxhash

from ctxmem.chat.counting import Meter
from ctxmem.chat.reading import fingerprint

_MOST_READ = 1 << 15  # messages whose digests are remembered
_MARKS = ("cache_control", "prompt_cache_breakpoint")
_WRITTEN_MARKS = tuple(mark.encode() for mark in _MARKS)
_SEED = int.from_bytes(hashlib.blake2b(b"ctxmem gateway").digest()[:6], "little")


class Known(NamedTuple):
    """What is known of a message: what it says, as a digest and as a block's key, and its size."""

    digest: bytes
    key: int
    tokens: int
    marked: bool = False  # whether a cache mark is on it


def unmarked(message: Any) -> Any:
    """Return a message without cache marks: clients move them from request to request."""
    if not isinstance(message, dict):
        return message
    made = message
    if any(name in message for name in _MARKS):
        made = {name: value for name, value in message.items() if name not in _MARKS}
    for name in ("content", "output"):
        blocks = made.get(name)
        if isinstance(blocks, list) and any(isinstance(block, dict) for block in blocks):
            bare = [unmarked(block) for block in blocks]
            if any(new is not old for new, old in zip(bare, blocks, strict=True)):
                made = {**made, name: bare}
    return made


def is_marked(message: Any) -> bool:
    """Return whether a message has a cache mark."""
    return unmarked(message) is not message


class Reader:
    """Knows messages by what they say; those that were read before are found by their bytes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._known: OrderedDict[tuple[str, bytes], Known] = OrderedDict()
        self._lock = Lock()

    def read(self, raw: bytes, message: Any, meter: Meter, name: str) -> Known:
        """Return what is known of a message that is written as `raw`; `name` is the meter's."""
        at = (name, xxhash.xxh3_128_digest(raw, _SEED))
        known = self._known.get(at)
        if known is None:
            known = self._remember(at, message, meter, any(mark in raw for mark in _WRITTEN_MARKS))
        return known

    def of(self, message: Any, meter: Meter, name: str) -> Known:
        """Return what is known of a message of a window, which has no marks."""
        mark = fingerprint(message)
        if mark is None:
            return self._known_of(message, meter)
        known = self._known.get((name, mark))
        return known if known is not None else self._remember((name, mark), message, meter, False)

    def _remember(
        self, at: tuple[str, bytes], message: Any, meter: Meter, may_be_marked: bool
    ) -> Known:
        bare = unmarked(message) if may_be_marked else message
        known = self._known_of(bare, meter)._replace(marked=bare is not message)
        with self._lock:
            self._known[at] = known
            while len(self._known) > _MOST_READ:
                self._known.popitem(last=False)
        return known

    def _known_of(self, message: Any, meter: Meter) -> Known:
        digest = self.digest(canonical(message))
        key = int.from_bytes(digest[:7], "little")
        return Known(digest, key, meter.message(message, 0))

    def key(self, value: Any) -> int:
        """Return the key of a block that is no message."""
        return int.from_bytes(self.digest(canonical(value))[:7], "little")

    def digest(self, text: str) -> bytes:
        """Return a keyed digest of a text."""
        data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._secret, digest_size=16).digest()


def canonical(message: Any) -> str:
    """Return a message as JSON that is the same however the client writes the same message."""
    if isinstance(message, dict):
        content = message.get("content")
        if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
            block = content[0]
            kinds = ("text", "input_text")
            if len(block) == 2 and block.get("type") in kinds and type(block.get("text")) is str:
                message = {**message, "content": block["text"]}
    return _written(message)


_written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
"""Made once: `json.dumps` makes an encoder for each call."""
