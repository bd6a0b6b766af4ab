"""Reads back the tables that memory shows in place of JSON: the oracle of their round trip."""

from __future__ import annotations

import json
import re
from typing import Any

_TABLE_KEY = re.compile(r'[A-Za-z0-9_.-]+|"(?:[^"\\]|\\.)*"')


def read_table(text: str) -> Any:
    """Read back what `ctxmem.memory.tables.tabled` wrote."""
    value, end = _TableReader(text).whole()
    assert end == len(text), text[end:]
    return value


class _TableReader:
    def __init__(self, text: str) -> None:
        self.text = text

    def whole(self) -> tuple[Any, int]:
        return self.list(0) if self.text[0] == "[" else self.fields(0)

    def at(self, i: int) -> str:
        return self.text[i : i + 1]

    def key(self, i: int) -> tuple[str, int]:
        found = _TABLE_KEY.match(self.text, i)
        assert found, self.text[i : i + 40]
        word = found.group()
        return (json.loads(word) if word[0] == '"' else word), found.end()

    def fields(self, i: int) -> tuple[dict[str, Any], int]:
        made: dict[str, Any] = {}
        while self.at(i) not in ("", "}"):
            key, i = self.key(i)
            if self.at(i) == "{":
                made[key], i = self.fields(i + 1)
                assert self.at(i) == "}"
                i += 1
            else:
                assert self.at(i) == "="
                made[key], i = self.value(i + 1)
            if self.at(i) == " ":
                i += 1
        return made, i

    def value(self, i: int) -> tuple[Any, int]:
        if self.at(i) == "[":
            return self.list(i)
        if self.at(i) == "{":
            made, i = self.fields(i + 1)
            assert self.at(i) == "}"
            return made, i + 1
        if self.at(i) == '"':
            return json.JSONDecoder().raw_decode(self.text, i)
        end = i
        while self.at(end) not in ("", ",", "|", "]", "}", "\n"):
            if self.at(end) == " ":
                after = _TABLE_KEY.match(self.text, end + 1)
                if after and self.at(after.end()) in ("=", "{"):
                    break
            end += 1
        word = self.text[i:end]
        try:
            return json.loads(word), end
        except ValueError:
            return word, end

    def list(self, i: int) -> tuple[list[Any], int]:
        assert self.at(i) == "["
        header = self.header(i + 1)
        if header is not None:
            return self.table(*header)
        i += 1
        made = []
        while self.at(i) != "]":
            value, i = self.value(i)
            made.append(value)
            if self.at(i) == ",":
                i += 1
        return made, i + 1

    def header(self, i: int) -> tuple[list[list[str]], int] | None:
        paths: list[list[str]] = [[]]
        while True:
            if not _TABLE_KEY.match(self.text, i):
                return None
            key, i = self.key(i)
            paths[-1].append(key)
            mark, i = self.at(i), i + 1
            if mark == "|":
                paths.append([])
            elif mark == "\n":
                return paths, i
            elif mark != ">":
                return None

    def table(self, paths: list[list[str]], i: int) -> tuple[list[Any], int]:
        groups: list[list[Any]] = [[]]
        while True:
            if self.at(i) == "\n":
                groups.append([])
                i += 1
                continue
            row: dict[str, Any] = {}
            for at, path in enumerate(paths):
                value, i = self.value(i + (at > 0))
                inner = row
                for key in path[:-1]:
                    inner = inner.setdefault(key, {})
                inner[path[-1]] = value
            groups[-1].append(row)
            if self.at(i) == "]":
                return (groups if len(groups) > 1 else groups[0]), i + 1
            assert self.at(i) == "\n"
            i += 1
