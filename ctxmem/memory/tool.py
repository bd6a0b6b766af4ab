"""A tool by which a model fetches what has left its window."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ctxmem.chat.shapes import shown
from ctxmem.chat.tools import one_call, result_message
from ctxmem.errors import InputError, InputTypeError
from ctxmem.memory import editing
from ctxmem.memory.window import Page

NAME = "recall"

DESCRIPTION = (
    "Read earlier parts of this conversation that have left the context window. Indexes and "
    "placeholders name them: give 'page' (such as 'p12') to read one in full, or 'query' to search "
    "all of them."
)

_PARAMETERS = {
    "type": "object",
    "properties": {
        "page": {"type": "string", "description": "id of a page, such as p12"},
        "query": {"type": "string", "description": "words to search for, if no page is named"},
    },
}


def definition(form: str) -> dict[str, Any]:
    """Return the tool as a provider wants it declared: "openai", "responses" or "anthropic"."""
    if form == "anthropic":
        return {"name": NAME, "description": DESCRIPTION, "input_schema": _PARAMETERS}
    function = {"name": NAME, "description": DESCRIPTION, "parameters": _PARAMETERS}
    if form == "responses":
        # Strict is the default there, and would make both parameters required.
        return {"type": "function", **function, "strict": False}
    if form == "openai":
        return {"type": "function", "function": function}
    raise InputError(f"form is {form!r}; expected 'openai', 'responses' or 'anthropic'")


def checked_call(given: Any) -> Mapping[str, Any]:
    """Return a call of the tool, which may be given with the message that holds it.

    Raises:
        InputTypeError: what is no call.
        InputError: a call of another tool, or a message without exactly one call of this tool.
    """
    if not isinstance(given, Mapping):
        raise InputTypeError(
            f"call is {shown(given)}; expected a call of the tool {NAME!r} as the model wrote it: "
            "a dict in the form of OpenAI (chat or Responses) or Anthropic"
        )
    call = one_call(given, NAME)
    inner = call.get("function", call)
    name = inner.get("name", NAME) if isinstance(inner, Mapping) else inner
    if name != NAME:
        raise InputError(f"the call is of the tool {shown(name)}; expected a call of {NAME!r}")
    return call


def answer(
    call: Mapping[str, Any], read: Callable[[str], Page], search: Callable[[str, int], list[Page]]
) -> dict[str, Any]:
    """Return the message that answers a call, with what `read` and `search` return of pages."""
    call = checked_call(call)
    given = arguments_of(dict(call))
    page, query = given.get("page"), given.get("query")
    if isinstance(page, str) and page:
        try:
            found = [read(page.strip())]
        except InputError as error:
            return result_message(call, str(error))
    elif isinstance(query, str) and query:
        # What the window shows need not be read again, unless there is nothing else.
        ranked = search(query, 12)
        found = ([one for one in ranked if not one.resident] or ranked)[:3]
    else:
        return result_message(call, "give 'page', such as 'p12', or 'query'")
    if not found:
        return result_message(call, f"no page answers {query!r}")
    texts = [editing.again(one.id, one.role, one.text) for one in found]
    return result_message(call, "\n\n".join(texts))


def arguments_of(call: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call in any of the three forms; {} if they cannot be read."""
    inner = call.get("function", call)
    given = inner.get("input", inner.get("arguments"))
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except ValueError:
            return {}
    return given if isinstance(given, dict) else {}
