"""The tool `find_tool`, by which a model fetches the schemas of tools that were left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ctxmem.chat.tools import compact_json
from ctxmem.errors import InputError
from ctxmem.toolset.forms import Tool, read_tools, shaped
from ctxmem.toolset.ranking import index_of, prefixes, rank_tools

NAME = "find_tool"

_ABOUT = (
    "Get the full schemas of tools that are listed here by name only, before you call them. Give "
    "names from the list, or say what you want to do."
)
_PARAMETERS = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "description": "names of listed tools, or what you want to do",
        },
    },
    "required": ["query"],
}
_SHOWN = 5  # schemas in an answer to words
_MOST = 12  # schemas in an answer to names
_NAMED = 25  # tools in an answer, those by a line included


def find_tool(
    deferred: Iterable[Any] = (), provider: str = "openai", *, named: Iterable[Any] = ()
) -> dict[str, Any]:
    """Return the schema of `find_tool`, whose description lists the deferred tools.

    Those of `named` are listed by their names alone. Lines and names are sorted, so that the same
    tools give the same bytes.

    Raises:
        InputError: the provider's shape is not known.
    """
    listed = listing(read_tools(deferred), read_tools(named))
    description = f"{_ABOUT}\n{listed}" if listed else _ABOUT
    return shaped({"name": NAME, "description": description, "parameters": _PARAMETERS}, provider)


def listing(tools: Sequence[Tool], named: Sequence[Tool] = ()) -> str:
    """Return the lines that name tools, one for each, under their servers' prefixes.

    Tools of `named` come without what they do, several in a line.

    >>> git = [{"name": "git_log"}, {"name": "git_diff", "description": "Compare two commits."}]
    >>> print(listing(read_tools([*git, {"name": "now"}])))
    now
    git_...
    diff: Compare two commits.
    log
    """
    both = [*tools, *named]
    groups: dict[str, list[str]] = {}
    plain: dict[str, list[str]] = {}
    for i, prefix in enumerate(prefixes([tool.name for tool in both])):
        rest, gist = both[i].name[len(prefix) :], both[i].gist
        held = groups.setdefault(prefix, [])
        if i < len(tools):
            held.append(f"{rest}: {gist}" if gist else rest)
        else:
            plain.setdefault(prefix, []).append(rest)
    lines = []
    for prefix in sorted(groups):
        lines += [f"{prefix}..."] if prefix else []
        lines += sorted(groups[prefix])
        if prefix in plain:
            lines.append(", ".join(sorted(plain[prefix])))
    return "\n".join(lines)


FIND_TOOL = find_tool()
"""The schema of `find_tool` without a list, in the shape of OpenAI's chat API."""


def find_tools(
    query: str, tools: Iterable[Any], k: int = 5, *, recent: Sequence[str] = ()
) -> list[Tool]:
    """Return the k tools that a query means, best first; tools named in it come before others.

    `recent` are the names of the tools that were called, the last call last.

    Raises:
        InputTypeError: the query is no str, or a tool is nothing that a tool can be.
        InputError: k is below 1.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k is {k!r}; expected 1 or more")
    read = read_tools(tools)
    chances = rank_tools(query, read, recent=recent)
    named = index_of(read).named_in(query)
    order = np.lexsort((np.arange(len(read)), -chances, ~named))
    return [read[i] for i in order[: max(k, int(named.sum()))]]


def names_found(answer: str) -> tuple[str, ...]:
    """Return the names of the tools whose schemas an answer of `find_tool` has, () if it has none.

    >>> names_found('[{"name": "git_log", "input_schema": {}}, "If none fits, ask again."]')
    ('git_log',)
    """
    try:
        read = json.loads(answer)
    except (
        ValueError,
        RecursionError,
    ):  # a sentence that says what to give, or a text that was cut
        return ()
    schemas = [one for one in read if isinstance(one, dict)] if isinstance(read, list) else []
    inner = [one["function"] if isinstance(one.get("function"), dict) else one for one in schemas]
    return tuple(one["name"] for one in inner if isinstance(one.get("name"), str))


def answer_find(
    arguments: Mapping[str, Any] | str | None,
    tools: Iterable[Any],
    *,
    recent: Sequence[str] = (),
    provider: str = "openai",
) -> str:
    """Return the answer to a call of `find_tool`: the schemas of what it means, as JSON.

    The list ends with a text that names the next tools with a line each, for which the model may
    call again. `arguments` are those of the call, as a dict or the JSON that the model wrote. What
    cannot be read is answered with a sentence that says what to give; nothing is raised for it.
    """
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            arguments = {"query": arguments}
    given = arguments.get("query") if isinstance(arguments, Mapping) else None
    query = " ".join(map(str, given)) if isinstance(given, list) else given
    if not isinstance(query, str) or not query.strip():
        return "give 'query': names of listed tools, or what you want to do"
    read = read_tools(tools)
    found = find_tools(query, read, _NAMED, recent=recent)
    if not found:
        return "there are no other tools"
    named = int(index_of(read).named_in(query).sum())
    shown = min(max(named, 1), _MOST) if named else _SHOWN
    answer: list[Any] = [shaped(tool.schema, provider) for tool in found[:shown]]
    if more := [tool.line for tool in found[shown:]]:
        answer.append("If none fits, ask find_tool for one of these by name: " + "; ".join(more))
    return compact_json(answer)
