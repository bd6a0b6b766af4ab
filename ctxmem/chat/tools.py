"""Write tools as OpenAI's models read them, and the JSON schema of an answer.

OpenAI does not publish the text. The rendering as TypeScript below reproduces 65 of 74 recorded
usages with 1 to 19 tools and is at most 2 tokens below the others; it is one of several texts of
equal length. Parts of a schema that no recording covers may be longer than their rendering, so
that the larger of the rendering and the compact JSON counts there.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ctxmem.chat.shapes import as_json, first_of, get, shown
from ctxmem.errors import InputError, InputTypeError

Count = Callable[[str], int]

_DEEPEST = 20  # objects within objects; a schema may refer to itself
_HEAD = "namespace functions {\n\n"
_FOOT = "} // namespace functions"
_COVERED = frozenset(
    "type description title properties required enum default items additionalProperties".split()
)
_SCHEMA = frozenset(
    "type properties items enum const anyOf oneOf allOf $ref $defs definitions".split()
)
_PLAIN = frozenset(("string", "number", "integer", "boolean"))


def schemas_of(tools: Iterable[Any] | None) -> list[Any]:
    """Return what is sent of each tool: its dict, or one made from a framework's tool.

    Raises:
        InputTypeError: `tools` is no list, or one of them is nothing that a tool can be.
    """
    if tools is None:
        return []
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Iterable):
        raise InputTypeError(
            f"tools is {shown(tools)}; expected a list of schemas: wrap a single one in a list"
        )
    return [_schema_of(tool, i) for i, tool in enumerate(tools)]


def _schema_of(tool: Any, index: int) -> Any:
    if isinstance(tool, Mapping):
        return tool
    for field in ("tool_call_schema", "args_schema"):
        schema = getattr(tool, field, None)
        if schema is not None:
            described = getattr(schema, "model_json_schema", None)
            parameters = described() if callable(described) else schema
            return {"name": tool.name, "description": tool.description, "parameters": parameters}
    metadata = getattr(tool, "metadata", None)
    described = getattr(metadata, "get_parameters_dict", None)
    if callable(described):
        about = (get(metadata, "name"), get(metadata, "description"))
        return {"name": about[0], "description": about[1], "parameters": described()}
    described = getattr(tool, "model_json_schema", None)
    if callable(described):
        return described()
    if callable(tool) and hasattr(tool, "__name__"):
        return {
            "name": tool.__name__,
            "description": inspect.getdoc(tool) or "",
            "parameters": str(inspect.signature(tool)),
        }
    raise InputTypeError(
        f"tool {index} is {shown(tool)}; expected its schema as a dict, a framework's tool or a "
        "function"
    )


def forced_name(choice: Any) -> str | None:
    """Return the tool that a `tool_choice` names, "" if it asks for any, None for neither."""
    if isinstance(choice, str):
        return "" if choice in ("any", "required", "tool") else None
    if not isinstance(choice, Mapping):
        return None
    if "any" in choice:  # Bedrock: {"any": {}} or {"tool": {"name": ...}}
        return ""
    name = get(first_of(choice, "function", "tool") or choice, "name")
    if isinstance(name, str):
        return name
    return "" if choice.get("type") in ("any", "required", "tool", "function") else None


def one_call(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the call of a tool: what is given, or the only call of it in a message of the model.

    Raises:
        InputError: a message with no call of the tool, or with several.

    >>> call = {"type": "function", "id": "c", "function": {"name": "now", "arguments": "{}"}}
    >>> one_call({"role": "assistant", "tool_calls": [call]}, "now")["id"]
    'c'
    """
    if not ("role" in given or "tool_calls" in given):
        return given  # a call has neither
    made = [
        call
        for key in ("tool_calls", "content")
        if isinstance(given.get(key), list)
        for call in given[key]
        if isinstance(call, Mapping) and _named_in(call) == name
    ]
    if len(made) == 1:
        found: Mapping[str, Any] = made[0]
        return found
    raise InputError(
        f"call is a whole message with {len(made)} calls of {name!r}; expected one call: pass one "
        "entry of tool_calls, or one tool_use block of the content"
    )


def _named_in(call: Mapping[str, Any]) -> Any:
    function = call.get("function")
    return (function if isinstance(function, Mapping) else call).get("name")


def result_message(call: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return the message that answers a call, in the form of the call."""
    if call.get("type") == "tool_use":
        block = {"type": "tool_result", "tool_use_id": call.get("id"), "content": text}
        return {"role": "user", "content": [block]}
    if call.get("type") == "function_call":
        return {"type": "function_call_output", "call_id": call.get("call_id"), "output": text}
    return {"role": "tool", "tool_call_id": call.get("id"), "content": text}


# The rendering of OpenAI's tools ------------------------------------------------------------------


class OpenaiTool(NamedTuple):
    """What OpenAI's models read of a tool.

    Attributes:
        text: the tool as TypeScript; "" for a tool of the provider's.
        compact: its JSON, where that counts or may be longer; "" if the text is all that counts.
    """

    text: str
    compact: str


def openai_tool(schema: Any) -> OpenaiTool:
    """Return what OpenAI's models read of a tool.

    >>> print(openai_tool({"name": "now", "description": "Tell the time."}).text, end="")
    // Tell the time.
    type now = () => any;
    <BLANKLINE>
    """
    function = _function_of(schema)
    if function is None:
        return OpenaiTool("", as_json(schema, -1))
    return OpenaiTool(_rendered(schema), "" if _is_covered(schema) else compact_json(function))


def openai_tools_tokens(tools: Sequence[OpenaiTool], count: Count, hosted: int) -> int:
    """Return the tokens of tools at OpenAI; `hosted` are added to the JSON of its own tools."""
    texts = [tool.text for tool in tools if tool.text]
    total = count(f"{_HEAD}{''.join(texts)}{_FOOT}") if texts else 0
    for text, compact in tools:
        if not text:
            total += hosted + count(compact)
        elif compact:
            total += max(0, count(compact) - count(text))
    return total


def compact_json(value: Any) -> str:
    """Return a value as JSON without spaces; as text where it has no JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=repr)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"a schema cannot be written as JSON ({error}); providers take nothing else: pass "
            "plain dicts, lists, strings and numbers"
        ) from None


def _function_of(schema: Any) -> Any:
    """Return the part of a tool with its name and parameters, None for a tool of the provider's."""
    inner = first_of(schema, "function", "toolSpec", "custom")
    inner = schema if not isinstance(inner, Mapping) else inner
    if isinstance(get(inner, "name"), str):
        kind = get(schema, "type")
        hosted = isinstance(kind, str) and kind not in ("function", "custom", "object")
        return None if hosted and _parameters(inner) is None else inner
    if isinstance(get(inner, "title"), str) and get(inner, "properties") is not None:
        return {  # a pydantic model
            "name": inner["title"],
            "description": get(inner, "description"),
            "parameters": inner,
        }
    return None


def _parameters(function: Any) -> Any:
    found = first_of(function, "parameters", "input_schema", "inputSchema")
    inner = get(found, "json")
    return inner if isinstance(inner, Mapping) and "type" not in found else found


def _rendered(schema: Any) -> str:
    function = _function_of(schema)
    text = _comment(get(function, "description")) + f"type {function['name']} = "
    parameters = _parameters(function)
    if not isinstance(get(parameters, "properties"), Mapping) or not parameters["properties"]:
        return text + "() => any;\n\n"
    definitions = first_of(parameters, "$defs", "definitions") or {}
    return text + "(_:{\n" + _properties(parameters, definitions, 0) + "}) => any;\n\n"


def _comment(text: Any) -> str:
    if not isinstance(text, str):
        return ""
    lines = (line.strip() for line in text.strip().split("\n"))
    return "".join(f"// {line}\n" for line in lines if line)


def _properties(schema: Any, definitions: Any, depth: int) -> str:
    text = f"// {schema['title']}\n" if schema.get("title") else ""
    required = schema.get("required")
    required = required if isinstance(required, list | tuple) else ()
    for key, value in schema["properties"].items():
        if get(value, "title"):
            text += f"// {get(value, 'title')}\n"
        text += _comment(get(value, "description"))
        text += f"{key}{'' if key in required else '?'}: {_type(value, definitions, depth)},"
        default = get(value, "default")
        text += (f" // default: {compact_json(default)}" if default is not None else "") + "\n"
    return text


def _type(schema: Any, definitions: Any, depth: int) -> str:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return "any"
    if isinstance(schema.get("$ref"), str):
        known = get(definitions, schema["$ref"].rsplit("/", 1)[-1])
        return _type(known, definitions, depth + 1)
    if "const" in schema:
        return compact_json(schema["const"])
    if isinstance(schema.get("enum"), list | tuple):
        return " | ".join(map(compact_json, schema["enum"]))
    for field in ("anyOf", "oneOf"):
        if isinstance(schema.get(field), list | tuple):
            return " | ".join(_type(one, definitions, depth + 1) for one in schema[field])
    return _simple_type(schema, definitions, depth)


def _simple_type(schema: Any, definitions: Any, depth: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, list | tuple):
        each = ({**schema, "type": one} for one in kind)
        return " | ".join(_type(one, definitions, depth + 1) for one in each)
    if kind in ("integer", "number"):
        return "number"
    if kind == "array":
        items = schema.get("items")
        return (_type(items, definitions, depth + 1) if items else "any") + "[]"
    if isinstance(schema.get("properties"), Mapping) and schema["properties"]:
        return "{\n" + _properties(schema, definitions, depth + 1) + "}"
    return str(kind or "any")


def _is_covered(schema: Any) -> bool:
    """Return whether recordings cover every field of a tool's parameters."""
    parameters = _parameters(_function_of(schema))
    if parameters is None or parameters == {}:
        return True
    if not isinstance(parameters, Mapping) or not parameters.keys() <= _COVERED:
        return False
    properties = parameters.get("properties") or {}
    return isinstance(properties, Mapping) and all(map(_is_plain, properties.values()))


def _is_plain(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or not schema.keys() <= _COVERED:
        return False
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        return items is None or (_is_plain(items) and items.get("type") not in (None, "array"))
    # Several types, such as ["string", "null"], are a list.
    return kind is None or (isinstance(kind, str) and kind in _PLAIN)


# The schema of an answer --------------------------------------------------------------------------


def answer_schema(response_format: Any) -> Any:
    """Return the name, description and schema of an answer, None where it has no schema.

    Raises:
        InputTypeError: it is neither a dict nor a class with a JSON schema.
    """
    described: Any = getattr(response_format, "model_json_schema", None)
    if callable(described):
        schema: Any = described()
        return {"name": schema.get("title"), "schema": schema}
    if not isinstance(response_format, Mapping):
        raise InputTypeError(
            f"response_format is {shown(response_format)}; expected the dict that is sent, a JSON "
            "schema or a pydantic model class"
        )
    inner = first_of(response_format, "format", "json_schema", "responseSchema", "response_schema")
    if inner is not None:
        return answer_schema(inner)
    if response_format.get("type") in ("json_object", "text"):
        return None
    if isinstance(response_format.get("schema"), Mapping):
        return response_format
    return None if _SCHEMA.isdisjoint(response_format) else {"schema": response_format}


def answer_text(answer: Any, *, openai: bool) -> str:
    """Return the schema of an answer as JSON; OpenAI counts neither what is required nor closed."""
    schema = answer["schema"]
    return compact_json(_stripped(schema, 0) if openai else answer)


def _stripped(schema: Any, depth: int) -> Any:
    if depth > 4 * _DEEPEST:
        return schema
    if isinstance(schema, Mapping):
        return {
            key: _stripped(value, depth + 1)
            for key, value in schema.items()
            if key != "additionalProperties" and not (key == "required" and isinstance(value, list))
        }
    return [_stripped(one, depth + 1) for one in schema] if isinstance(schema, list) else schema
