"""Three hundred tools of twenty-one MCP servers, as JSON schemas, and questions with their tools.

The texts are in `tool_schemas_work`, `_data`, `_cloud` and `_life`, in a short notation:

    = prefix                      a server; its tools' names begin with the prefix
    = -label                      a server whose tools' names have none
    + text                        what every description of the server ends with
    @name type text               an argument: str, int, num, bool, [type], a|b|c for an enum,
                                  {name:type ...} for an object; =value is its default
    name: text                    a tool and its description
    . text                        the line before goes on
      argument! argument          its arguments; ! marks those that are required
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from . import (
    tool_questions,
    tool_questions_train,
    tool_schemas_cloud,
    tool_schemas_data,
    tool_schemas_life,
    tool_schemas_train,
    tool_schemas_work,
)

TEXTS = (
    *(tool_schemas_work.TEXT, tool_schemas_data.TEXT),
    *(tool_schemas_cloud.TEXT, tool_schemas_life.TEXT),
)
_PLAIN = {"str": "string", "int": "integer", "num": "number", "bool": "boolean", "obj": "object"}


class ToolQuestion(NamedTuple):
    """A question or the next step of an agent's run.

    Attributes:
        text: what the person or the agent wrote.
        needed: the names of the tools that the answer needs.
        recent: the names of the tools called before, the last call last; () for a first question.
        server: the server of the first needed tool.
    """

    text: str
    needed: tuple[str, ...]
    recent: tuple[str, ...]
    server: str


@cache
def servers() -> dict[str, list[dict[str, Any]]]:
    """Return the tools of each server as MCP lists them: name, description, inputSchema."""
    found: dict[str, list[dict[str, Any]]] = {}
    for text in TEXTS:
        found.update(_read(text, len(found)))
    return found


def all_tools() -> list[dict[str, Any]]:
    """Return all tools in the shape of OpenAI's chat API, server by server."""
    return _listed(servers())


def _listed(found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {
                "name": tool["name"],
                "description": tool["description"],
                "parameters": tool["inputSchema"],
            },
        }
        for tools in found.values()
        for tool in tools
    ]


@cache
def questions() -> list[ToolQuestion]:
    """Return the questions, in the order in which they were written."""
    return _asked(tool_questions.TEXT, servers())


def _asked(text: str, by_server: dict[str, list[dict[str, Any]]]) -> list[ToolQuestion]:
    server_of = {tool["name"]: server for server, tools in by_server.items() for tool in tools}
    found = []
    for line in _lines(text):
        needed, recent, text = (part.strip() for part in line.split("|", 2))
        names = tuple(needed.split())
        found.append(ToolQuestion(text, names, tuple(recent.split()), server_of[names[0]]))
    return found


@cache
def training_servers() -> dict[str, list[dict[str, Any]]]:
    """Return the tools of the servers on whose questions the ranking is fitted."""
    found: dict[str, list[dict[str, Any]]] = {}
    for text in tool_schemas_train.TEXTS:
        found.update(_read(text, len(found)))
    return found


def training_tools() -> list[dict[str, Any]]:
    """Return the tools of those servers in the shape of OpenAI's chat API."""
    return _listed(training_servers())


@cache
def training_questions() -> list[ToolQuestion]:
    """Return the questions on which the ranking is fitted."""
    return _asked(tool_questions_train.TEXT, training_servers())


def tuned_servers() -> frozenset[str]:
    """Return every second server: an earlier ranking was tuned on their questions.

    The weights of today are fitted on `training_questions`, but groups of words remain from then.
    """
    return frozenset([*servers()][::2])


def _lines(text: str) -> list[str]:
    return text.strip().replace("\n. ", " ").split("\n")


class _Server:
    """What is known of a server while its text is read.

    Half of the servers are written as Python frameworks generate schemas, from signatures and doc
    strings: with titles, `anyOf` for what may be left out, and the arguments in the description
    once more. The others are written as by the TypeScript SDK.
    """

    def __init__(self, label: str, generated: bool) -> None:
        self.label, self.generated = label, generated
        self.prefix = "" if label.startswith("-") else label
        self.note = ""
        self.about: dict[str, dict[str, Any]] = {}
        self.tools: list[dict[str, Any]] = []

    def add_arguments(self, names: list[str]) -> None:
        properties: dict[str, Any] = {}
        for given in names:
            schema = self.about[given.rstrip("!")]
            if self.generated:
                schema = _generated(given, schema)
            properties[given.rstrip("!")] = schema
        required = [name[:-1] for name in names if name.endswith("!")]
        tool = self.tools[-1]
        schema = {"type": "object", "properties": properties}
        schema |= {"required": required} if required else {}
        if self.generated:
            schema["title"] = tool["name"].replace("-", "_") + "Arguments"
            lines = [f"    {name}: {one['description']}" for name, one in properties.items()]
            tool["arguments"] = "\n\nArgs:\n" + "\n".join(lines)
        else:
            schema["additionalProperties"] = False
            schema["$schema"] = "http://json-schema.org/draft-07/schema#"
        tool["inputSchema"] = schema

    def finished(self) -> tuple[str, list[dict[str, Any]]]:
        for tool in self.tools:
            tool["description"] += f"\n\n{self.note}" + tool.pop("arguments", "")
        return self.label, self.tools


def _read(text: str, first: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    server = None
    for line in _lines(text):
        if line.startswith("= "):
            if server is not None:
                yield server.finished()
                first += 1
            server = _Server(line[2:].strip(), first % 4 < 2)
            continue
        assert server is not None, line
        if line.startswith("+ "):
            server.note = f"{server.note} {line[2:]}".strip()
        elif line.startswith("@"):
            name, kind, described = line[1:].split(" ", 2)
            server.about[name] = _argument(kind, described)
        elif line.startswith("  "):
            server.add_arguments(line.split())
        else:
            name, described = line.split(": ", 1)
            none: dict[str, Any] = {"type": "object", "properties": {}}
            server.tools.append(
                {"name": server.prefix + name, "description": described, "inputSchema": none}
            )
    if server is not None:
        yield server.finished()


def _generated(given: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an argument as pydantic writes it."""
    title = {"title": given.rstrip("!").replace("_", " ").title()}
    described = {"description": schema["description"]}
    if given.endswith("!") or "default" in schema:
        return {**schema, **title}
    kind = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [kind, {"type": "null"}], "default": None, **described, **title}


def _argument(kind: str, described: str) -> dict[str, Any]:
    kind, _, default = kind.partition("=")
    schema = {**_type(kind), "description": described}
    if default:
        plain = schema["type"] in ("integer", "number", "boolean")
        schema["default"] = json.loads(default) if plain else default
    return schema


def _type(kind: str) -> dict[str, Any]:
    if kind.startswith("["):
        return {"type": "array", "items": _type(kind[1:-1])}
    if kind.startswith("{"):
        fields = [field.split(":", 1) for field in kind[1:-1].split(",")]
        return {"type": "object", "properties": {name: _type(inner) for name, inner in fields}}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    return {"type": "string", "enum": kind.split("|")}
