"""Parse files by their language, once for each content."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from ctxmem.codebase.files import decode, ending, kind_of, why_not_written
from ctxmem.codebase.grammars import parse_by_grammar
from ctxmem.codebase.index import Fields, fields_of
from ctxmem.codebase.plain import parse_plain, parse_text
from ctxmem.codebase.python import parse_python
from ctxmem.codebase.symbols import Parsed

CACHED_BYTES = 64_000_000
"""Size of the files whose symbols are kept between calls."""

PYTHON = frozenset(("py", "pyi"))


class Known(NamedTuple):
    """A parsed file with the words of its symbols, or why it is left out."""

    parsed: Parsed
    fields: tuple[Fields, ...]
    reason: str = ""


class ParseCache:
    """Parsed files by their bytes and ending; the least recently used are dropped.

    Keys are the bytes themselves, not a hash that the author of a file could choose.
    """

    def __init__(self, limit: int = CACHED_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._known: OrderedDict[tuple[str, bool, bytes], Known] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, data: bytes, path: str, *, named: bool) -> Known:
        """Return the symbols of a file; `named` files are read whoever wrote them."""
        key = (language(path), named, data)
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        known = parse(data, path, named=named)
        with self._lock:
            if key not in self._known:
                self._known[key] = known
                self._size += len(data)
            while self._size > self._limit and self._known:
                (_, _, dropped), _ = self._known.popitem(last=False)
                self._size -= len(dropped)
        return known


CACHE = ParseCache()


def language(path: str) -> str:
    """Return the language of a path: an ending of code, or "text"."""
    return ending(path) if kind_of(path) == "code" else "text"


def parse(data: bytes, path: str, *, named: bool) -> Known:
    """Return the symbols of a file and their words."""
    text, note, reason = decode(data)
    if not reason and not named:
        reason = why_not_written(text)
    if reason:
        return Known(Parsed("", ()), (), reason)
    parsed = _parse_text(text, language(path))
    if note:
        parsed = Parsed(
            text, parsed.symbols, parsed.imports, "; ".join(filter(None, (parsed.note, note)))
        )
    return Known(parsed, tuple(fields_of(text, symbol) for symbol in parsed.symbols))


def _parse_text(text: str, of: str) -> Parsed:
    if of == "text":
        return parse_text(text)
    if of in PYTHON:
        found = parse_python(text)
        if found is not None:
            return found
        plain = parse_plain(text)
        return Parsed(text, plain.symbols, plain.imports, "not parsed: cut by its indentation")
    return parse_by_grammar(text, of) or parse_plain(text)
