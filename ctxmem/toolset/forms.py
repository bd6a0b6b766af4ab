"""A tool in the forms in which a request can hold it: full, short, or one line of a list.

The short form is the schema with shorter descriptions. Names, types, enums, what is required and
every other rule of the JSON schema stay, so that both forms accept the same arguments. A sentence
that forbids or demands something ("Never ...", "must ...") is kept wherever it is: without it the
tool would be used wrongly.
"""

from __future__ import annotations

import inspect
import json
import marshal
import re
import secrets
import threading
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xxhash

from ctxmem.chat.shapes import shown
from ctxmem.chat.tools import compact_json, schemas_of
from ctxmem.errors import InputError, InputTypeError

SHAPES = ("openai", "responses", "anthropic")
"""The shapes of a tool in requests: OpenAI's chat and Responses APIs, and Anthropic's."""

_PARAMETERS = (
    *("parameters", "input_schema", "inputSchema"),
    *("params_json_schema", "parameters_json_schema"),
)
_MAPS = frozenset(
    ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"),
)
_LISTS = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_INNER = frozenset(
    "items additionalProperties additionalItems unevaluatedItems unevaluatedProperties contains "
    "propertyNames not if then else".split()
)
_NOTES = frozenset(("title", "examples", "example", "$comment", "markdownDescription"))
_DEEPEST = 200  # schemas within schemas; what is deeper is left as it is
_LONGEST = 240  # characters of the first sentence of a description
_GIST = 90  # characters of what a line says about a tool
_READ = 4000  # characters of a description that are looked at for sentences


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A tool that can be offered to a model.

    Attributes:
        name: its name, unique among the tools of a request.
        description: its description, "" if it has none.
        schema: the tool as it was given; a framework's tool as a dict with name, description and
            parameters.
        parameters: the JSON schema of its arguments; None if it has none.
        hosted: it is a tool of the provider's or has no JSON schema of arguments, so that it has
            the full form only.
        short: the schema with shortened descriptions.
        gist: what it does, in one short phrase, "" where the name says as much.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    parameters: Mapping[str, Any] | None
    hosted: bool
    short: Mapping[str, Any]
    gist: str

    @property
    def full(self) -> Mapping[str, Any]:
        """The schema, as it was given."""
        return self.schema

    @property
    def line(self) -> str:
        """The name and one line of what it does."""
        return f"{self.name}: {self.gist}" if self.gist else self.name


def read_tools(tools: Iterable[Any] | None) -> list[Tool]:
    """Return the tools of a request, in their order.

    A tool is a dict in the shape of OpenAI's chat or Responses API, of Anthropic, MCP or Bedrock, a
    tool of a framework, a pydantic model or a function with a signature. Tools that were read
    before are remembered by their content, so reading 300 schemas again takes about a millisecond.

    >>> [tool.line for tool in read_tools([{"name": "now", "description": "Tell the time. UTC."}])]
    ['now: Tell the time.']

    Raises:
        InputTypeError: `tools` is no list, or one is nothing that a tool can be.
        InputError: a tool has no name, the name of another, or cannot be written as JSON.
    """
    listed = tools if type(tools) is list else None
    key = _known.key_of(listed) if listed else None
    if key is not None and (known := _known.lists.get(key)) is not None:
        return list(known)
    if isinstance(tools, Iterable) and not isinstance(tools, str | bytes | Mapping):
        read = [_read(tool, i) for i, tool in enumerate(tools)]
    else:
        read = [_read(tool, i) for i, tool in enumerate(schemas_of(tools))]
    places: dict[str, int] = {}
    for i, tool in enumerate(read):
        first = places.setdefault(tool.name, i)
        if first != i:
            raise InputError(
                f"tools {first} and {i} are both named {tool.name!r}; providers refuse that: "
                "rename one or pass it once"
            )
    if key is not None:
        _known.add_list(key, read)
    return read


def shaped(schema: Mapping[str, Any], provider: str) -> dict[str, Any]:
    """Return a tool's schema in the shape that a provider's API takes.

    `provider` is "openai" (chat), "responses" or "anthropic". A schema that already has the shape,
    or a tool of the provider's own, is returned as it is.

    Raises:
        InputError: the shape is not known.
    """
    if provider not in SHAPES:
        raise InputError(f"provider is {provider!r}; expected 'openai', 'responses' or 'anthropic'")
    inner, field = _function_of(schema)
    if inner is None or _shape_of(schema, field) == provider:
        return dict(schema)
    parameters = _schema_in(inner, field)
    about: dict[str, Any] = {"name": inner["name"]}
    if isinstance(inner.get("description"), str):
        about["description"] = inner["description"]
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    elif "type" not in parameters:
        parameters = {"type": "object", **parameters}
    if provider == "anthropic":
        return {**about, "input_schema": parameters}
    function = {**about, "parameters": parameters}
    strict = inner.get("strict")
    if provider == "responses":
        # Strict is the default there, and would make every parameter required.
        return {"type": "function", **function, "strict": strict is True}
    return {
        "type": "function",
        "function": {**function, **({"strict": True} if strict is True else {})},
    }


# Reading ------------------------------------------------------------------------------------------


class _Known:
    """Tools that were read, by the bytes of their schemas; emptied when it holds too much."""

    limit = 16 << 20  # bytes of all schemas
    largest = 1 << 18  # bytes of one; a larger one is read again every time
    kept_lists = 8
    seed = secrets.randbits(64)

    def __init__(self) -> None:
        self.tools: dict[bytes, Tool] = {}
        self.lists: dict[bytes, tuple[Tool, ...]] = {}
        self.size = 0
        self.lock = threading.Lock()

    def key_of(self, tools: list[Any]) -> bytes | None:
        """Return a key of a list of plain dicts: equal lists have equal keys; None for others."""
        if not all(type(tool) is dict for tool in tools):
            return None
        try:
            written = marshal.dumps(tools, 2)
        except (ValueError, TypeError, OverflowError):
            return None
        return xxhash.xxh3_128_digest(written, self.seed)

    def add_list(self, key: bytes, tools: Sequence[Tool]) -> None:
        """Remember the tools of a whole list."""
        with self.lock:
            while len(self.lists) >= self.kept_lists:
                del self.lists[next(iter(self.lists))]
            self.lists[key] = tuple(tools)

    def add(self, key: bytes, tool: Tool) -> None:
        """Remember a tool."""
        if len(key) > self.largest:
            return
        with self.lock:
            if self.size > self.limit:
                self.tools, self.size = {}, 0
            self.tools[key] = tool
            self.size += len(key)


_known = _Known()


def _read(tool: Any, index: int) -> Tool:
    if isinstance(tool, Tool):
        return tool
    schema = _as_mapping(tool, index)
    try:
        key = marshal.dumps(schema, 2)  # type: ignore[arg-type]  # 2: equal dicts, equal bytes
    except (ValueError, TypeError, OverflowError):
        key = compact_json(schema).encode("utf-8", "surrogatepass")  # raises for what is no JSON
        plain = False
    else:
        plain = True
    found = _known.tools.get(key)
    if found is None:
        # The caller may change the dict that was given; what is remembered is a copy.
        found = _made(marshal.loads(key) if plain else schema, index)
        _known.add(key, found)
    return found


def _as_mapping(tool: Any, index: int) -> Mapping[str, Any]:
    """Return a tool as a dict with its name and the JSON schema of its arguments."""
    inner: Any
    if isinstance(tool, Mapping):
        inner = tool
    elif inspect.isfunction(tool) or inspect.ismethod(tool):
        if tool.__name__ == "<lambda>":
            raise InputError(f"tool {index} is a lambda; expected a function with a name")
        return _of_function(tool)
    else:
        inner = _of_object(tool)
        if inner is None and not isinstance(tool, str | bytes):
            inner = _of_framework(tool)
        if not isinstance(inner, Mapping):
            raise InputTypeError(
                f"tool {index} is {shown(tool)}; expected its schema as a dict, a framework's tool "
                "or a function"
            )
    made: Mapping[str, Any] = inner
    if "name" not in inner and "function" not in inner and "title" in inner:
        properties = inner.get("properties")
        if isinstance(properties, Mapping):  # the JSON schema of a pydantic model
            about = {"name": inner["title"], "description": inner.get("description") or ""}
            return {**about, "parameters": inner}
    return made


def _of_framework(tool: Any) -> Any:
    """Return a framework's tool or a callable as a dict, None if it is neither."""
    try:
        made = schemas_of([tool])[0]
        return made if isinstance(made.get("parameters"), Mapping) else _of_function(tool)
    except (TypeError, ValueError, AttributeError):  # no tool, or a callable without a signature
        return None


def _of_object(tool: Any) -> dict[str, Any] | None:
    """Return a framework's tool as a dict, None where `schemas_of` has to read it."""
    if isinstance(tool, type):
        return None
    name = getattr(tool, "name", None)
    if not isinstance(name, str) or getattr(tool, "tool_call_schema", None) is not None:
        return None
    for field in _PARAMETERS:
        parameters = getattr(tool, field, None)
        if isinstance(parameters, Mapping):
            description = getattr(tool, "description", None)
            return {"name": name, "description": description or "", "parameters": parameters}
    return None


_TYPES: dict[Any, str] = {
    **{str: "string", int: "integer", float: "number", bool: "boolean"},
    **{list: "array", tuple: "array", dict: "object"},
}


def _of_function(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the schema of a function, from its signature and doc string."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # an annotation that names what is not there
        hints = {}
    properties, required = {}, []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        hint = hints.get(name)
        kind = _TYPES.get(typing.get_origin(hint) or hint)
        properties[name] = {"type": kind} if kind else {}
        if parameter.default is parameter.empty:
            required.append(name)
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        parameters["required"] = required
    description = inspect.getdoc(function) or ""
    return {"name": function.__name__, "description": description, "parameters": parameters}


def _function_of(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """Return the part with the name and arguments and the field of the arguments.

    The part is None for a tool of the provider's own.
    """
    for holder in ("function", "toolSpec"):
        inner = schema.get(holder)
        if isinstance(inner, Mapping):
            break
    else:
        inner = schema
    if not isinstance(inner.get("name"), str):
        return None, ""
    for field in _PARAMETERS:
        if isinstance(inner.get(field), Mapping):
            return inner, field
    kind = schema.get("type")
    if inner is schema and kind not in (None, "function", "tool"):
        return None, ""  # such as {"type": "web_search_20250305", "name": "web_search"}
    return inner, ""


def _schema_in(inner: Mapping[str, Any], field: str) -> Mapping[str, Any] | None:
    found = inner.get(field) if field else None
    if isinstance(found, Mapping) and "type" not in found and isinstance(found.get("json"), dict):
        found = found["json"]  # Bedrock
    return found if isinstance(found, Mapping) else None


def _shape_of(schema: Mapping[str, Any], field: str) -> str:
    if isinstance(schema.get("function"), Mapping):
        return "openai" if schema.get("type") == "function" else ""
    if schema.get("type") == "function":
        return "responses"
    return "anthropic" if field == "input_schema" else ""


def _made(schema: Mapping[str, Any], index: int) -> Tool:
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"tool {index} cannot be written as JSON ({error}); providers take nothing else: pass "
            "plain dicts, lists, strings and finite numbers"
        ) from None
    inner, field = _function_of(schema)
    if inner is None:
        own = schema.get("type") != "function"  # such as {"type": "web_search"}
        name = schema.get("name") or (schema.get("type") if own else None)
        custom = schema.get("custom")
        if isinstance(custom, Mapping):
            name = custom.get("name") or name
        if not isinstance(name, str) or not name:
            raise InputError(
                f"tool {index} has no name: {shown(dict(schema))}; expected a str in 'name'"
            )
        return Tool(name, _text(schema.get("description")), schema, None, True, schema, "")
    name = inner["name"]
    if not name:
        raise InputError(f"tool {index} has an empty name; expected a str of 1 character or more")
    description = _text(inner.get("description"))
    return Tool(
        name,
        description,
        schema,
        _schema_in(inner, field),
        False,
        _shortened(schema, inner, field),
        _gist(name, description),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# Shortening ---------------------------------------------------------------------------------------


def _shortened(schema: Mapping[str, Any], inner: Mapping[str, Any], field: str) -> dict[str, Any]:
    changed: dict[str, Any] = dict(inner)
    if isinstance(inner.get("description"), str):
        changed["description"] = brief(inner["description"])
    parameters = _schema_in(inner, field)
    if parameters is not None:
        short = _short_schema(parameters, 0)
        short.pop("description", None)  # of the arguments as a whole: the tool has its own
        changed[field] = short if parameters is inner[field] else {**inner[field], "json": short}
    if inner is schema:
        return changed
    return {key: changed if value is inner else value for key, value in schema.items()}


def _short_schema(schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Return a JSON schema with shorter descriptions that accepts the same values."""
    if depth > _DEEPEST:
        return dict(schema)
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NOTES:
            continue
        if key == "description" and isinstance(value, str):
            if short := brief(value):
                made[key] = short
        elif key in _MAPS and isinstance(value, Mapping):
            made[key] = {name: _short_value(one, depth + 1) for name, one in value.items()}
        elif key in _INNER or key in _LISTS:
            made[key] = _short_value(value, depth + 1)
        else:
            made[key] = value
    return made


def _short_value(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _short_schema(value, depth)
    if isinstance(value, list):
        return [_short_schema(one, depth) if isinstance(one, Mapping) else one for one in value]
    return value


_END = re.compile(r"(?:[.!?][\"')\]]*(?=\s)|\n[ \t]*\n|\n(?=[ \t]*(?:[-*•#]|\d+[.)]|\w+:)\s))")
_ABBREVIATION = re.compile(
    r"(?:\b(?i:e\.g|i\.e|etc|vs|cf|approx|incl|resp|no|fig|max|min)|\b[A-Z])\.$"
)
_BINDING = re.compile(
    r"\b(?:must|never|do not|don't|irreversible|undone|only (?:if|when|after))\b", re.I
)


def brief(text: str) -> str:
    """Return the first sentence of a description and those that forbid or demand something.

    >>> brief("Delete a file. See the guide for examples. Never call it without asking.")
    'Delete a file. Never call it without asking.'
    """
    sentences = _sentences(text)
    kept = sentences[:1] + [one for one in sentences[1:] if _BINDING.search(one)]
    return " ".join(kept)


def _sentences(text: str) -> list[str]:
    found, start = [], 0
    text = text[:_READ].strip()
    for match in _END.finditer(text):
        end = match.end()
        if text[match.start()] in ".!?" and _ABBREVIATION.search(text, max(0, end - 12), end):
            continue
        one = _one_line(text[start:end])
        if one:
            found.append(one)
        start = end
    last = _one_line(text[start:])
    return [*found, last] if last else found


def _one_line(text: str) -> str:
    return _cut(" ".join(text.split()), _LONGEST)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    return (cut[: cut.rfind(" ")] if " " in cut else cut) + "…"


_WORD = re.compile(r"[^\W_]+")
_SAID = frozenset(
    "a an the of to in on for with and or by from your this that it its all new given one existing "
    "specific some any".split()
)


def _gist(name: str, description: str) -> str:
    """Return what a line adds to a name, "" if every word of it is in the name already."""
    sentences = _sentences(description)
    gist = _cut(sentences[0], _GIST) if sentences else ""
    named = name.lower()
    words = (word.lower() for word in _WORD.findall(gist))
    if all(word in _SAID or word.rstrip("s") in named for word in words):
        return ""
    return gist
