"""Tools of a request: forms that accept the same, a ranking, and `find_tool`."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import numpy as np
import pytest
from ctxmem.bench.fit_tools import cases
from ctxmem.bench.tool_schemas import (
    all_tools,
    questions,
    servers,
    training_questions,
    training_tools,
    tuned_servers,
)
from ctxmem.bench.tools import Sizes, by_value, by_words, ours, steps, top_k

import ctxmem
from ctxmem.chat.tools import compact_json
from ctxmem.errors import InputError, InputTypeError
from ctxmem.toolset import (
    FIND_TOOL,
    answer_find,
    find_tool,
    find_tools,
    listing,
    rank_tools,
    read_tools,
    shaped,
)
from ctxmem.toolset.forms import brief
from ctxmem.toolset.words import stems

DELETE = {
    "name": "files_delete",
    "description": "Delete a file. There is no trash, e.g. on a server. Never call it unasked.",
    "input_schema": {
        "type": "object",
        "title": "Delete",
        "properties": {
            "path": {"type": "string", "description": "Path of the file. See `list` for paths."},
            "description": {"type": "string", "enum": ["title", "examples"]},
            "mode": {
                "anyOf": [{"type": "integer", "title": "A"}, {"type": "null"}],
                "default": {"title": "kept"},
                "examples": [1, 2],
            },
        },
        "required": ["path"],
    },
}
"""A tool in Anthropic's shape, with traps: properties and values with names of annotations."""


def test_short_form_written_by_hand():
    (tool,) = read_tools([DELETE])
    assert tool.short == {
        "name": "files_delete",
        "description": "Delete a file. Never call it unasked.",
        "input_schema": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "Path of the file."},
                "description": {"type": "string", "enum": ["title", "examples"]},
                "mode": {
                    "anyOf": [{"type": "integer"}, {"type": "null"}],
                    "default": {"title": "kept"},
                },
            },
            "required": ["path"],
        },
    }
    assert tool.full == DELETE  # a copy, which does not change with what was given
    assert tool.line == "files_delete"  # its first sentence says nothing that the name does not


def rules(schema: Any) -> Any:
    """Return what a JSON schema demands: everything but its annotations."""
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key in ("title", "description", "examples"):
            continue
        if key in ("properties", "$defs"):
            made[key] = {name: rules(inner) for name, inner in value.items()}
        elif key in ("anyOf", "allOf"):
            made[key] = [rules(inner) for inner in value]
        else:
            made[key] = rules(value) if key in ("items", "additionalProperties") else value
    return made


def test_short_form_demands_the_same_and_is_shorter():
    shorter = 0
    for tool in read_tools(all_tools()):
        full, short = tool.full["function"], tool.short["function"]
        assert rules(short["parameters"]) == rules(full["parameters"])
        assert full["description"].startswith(short["description"][:8])
        assert len(compact_json(tool.short)) <= len(compact_json(tool.full))
        shorter += len(compact_json(tool.short)) < len(compact_json(tool.full))
    assert shorter > 290


def test_reading_changes_nothing_and_a_changed_schema_is_read_again():
    given = copy.deepcopy(DELETE)
    read_tools([given])
    assert given == DELETE
    given["description"] = "Wipe a disk."
    assert read_tools([given])[0].description == "Wipe a disk."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("One", "One"),
        ("Use e.g. a name. More of it.", "Use e.g. a name."),
        ("List\nof two lines.\n\nArgs:\n    a: b", "List of two lines."),
        ("Items are:\n- one\n- two", "Items are:"),
        ("Send it. You must ask first. It is fast.", "Send it. You must ask first."),
    ],
)
def test_first_sentence_and_what_binds(text, expected):
    assert brief(text) == expected


@pytest.mark.parametrize("provider", ["openai", "responses", "anthropic"])
def test_every_shape_becomes_the_shape_of_the_provider(provider):
    function = {"name": "now", "description": "Tell the time.", "parameters": {"type": "object"}}
    parameters = function["parameters"]
    given = [
        {"type": "function", "function": function},
        {"type": "function", **function, "strict": False},
        {"name": "now", "description": "Tell the time.", "input_schema": parameters},
        {"name": "now", "description": "Tell the time.", "inputSchema": parameters},
    ]
    expected = {"openai": given[0], "responses": given[1], "anthropic": given[2]}[provider]
    assert [shaped(one, provider) for one in given] == [expected] * 4


def test_a_tool_of_the_provider_stays_as_it_is():
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    (tool,) = read_tools([search])
    assert (tool.hosted, tool.full, tool.short) == (True, search, search)
    assert shaped(search, "anthropic") == search
    with pytest.raises(InputError, match="provider is 'bedrock'"):
        shaped(search, "bedrock")


class FrameworkTool:
    """A tool as several frameworks have it."""

    name = "pay"
    description = "Pay a bill."

    def __init__(self) -> None:
        self.params_json_schema = {"type": "object", "properties": {"sum": {"type": "number"}}}


def add(a: int, b: float = 0.0, *rest: str) -> float:
    """Add two numbers."""
    return a + b


def test_objects_and_functions_are_tools():
    pay, plus = read_tools([FrameworkTool(), add])
    assert (pay.name, pay.parameters) == ("pay", FrameworkTool().params_json_schema)
    assert (plus.name, plus.description) == ("add", "Add two numbers.")
    assert plus.parameters == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "number"}},
        "required": ["a"],
    }


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def circular() -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    schema["properties"]["self"] = schema
    return schema


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ("now", "expected a list of schemas"),
        ({"name": "now"}, "expected a list of schemas"),
        ([7], "tool 0 is 7"),
        ([{"name": "a"}, 7], "tool 1 is 7"),
        ([int], "tool 0 is <class 'int'>"),
        ([{"name": "a"}, lambda x: x], "tool 1 is a lambda"),
        ([{"type": "function", "function": {}}], "tool 0 has no name"),
        ([{"type": "function", "name": ""}], "tool 0 has .* name"),
        (["now"], "tool 0 is 'now'"),
        ([{"description": "no name"}], "tool 0 has no name"),
        ([{"name": ""}], "tool 0 has no name|empty name"),
        ([{"name": "a"}, {"name": "a"}], "tools 0 and 1 are both named 'a'"),
        ([{"name": "a", "parameters": {"enum": [{1, 2}]}}], "tool 0 cannot be written as JSON"),
        ([{"name": "a", "parameters": {"default": float("nan")}}], "cannot be written as JSON"),
        ([{"name": "a", "parameters": circular()}], "cannot be written as JSON"),
        ([{"name": "a", "parameters": nested(100_000)}], "cannot be written as JSON"),
    ],
)
def test_what_is_no_tool_is_a_clear_error(tools, message):
    with pytest.raises(InputError, match=message):
        read_tools(tools)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        nested(150),
        nested(300),
        {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": circular}},
        {"type": "object", "properties": {"a": {"description": 5}, "b": True}, "required": "a"},
        {"type": "object", "description": "word " * 2_000_000},
        {"type": "object", "properties": {f"p{i}": {"enum": [f"v{i}"]} for i in range(5_000)}},
        {"type": ["object", "null"], "properties": [1, 2], "anyOf": {"a": 1}, "items": [{}, 3]},
    ],
)
def test_hostile_schemas_are_read_and_ranked(parameters):
    if "$defs" in parameters:
        parameters["$defs"]["n"] = {"properties": {"n": {"$ref": "#/$defs/n"}}}
    given = [{"name": "odd", "parameters": parameters}, {"name": "weather", "description": 3}]
    odd, _ = read_tools(given)
    assert json.loads(compact_json(odd.short))["name"] == "odd"
    chances = rank_tools("what is the weather?", given)
    assert chances[1] > chances[0]


def test_a_tool_is_ranked_by_its_words_its_name_and_the_last_calls():
    tools = read_tools(all_tools())
    names = [tool.name for tool in tools]

    def best(question: str, *recent: str) -> str:
        return names[int(rank_tools(question, tools, recent=recent).argmax())]

    assert best("Refund the payment of this customer") == "stripe_create_refund"
    assert best("call `weather_history` for it") == "weather_history"
    both = [names.index("github_list_issue_comments"), names.index("notion_list_comments")]
    after_git = rank_tools("the comments", tools, recent=["jira_get_issue", "github_get_issue"])
    after_page = rank_tools("the comments", tools, recent=["jira_get_issue", "notion_get_page"])
    assert after_git[both[0]] > after_git[both[1]]
    assert after_page[both[0]] < after_page[both[1]]


def test_order_of_tools_changes_no_probability():
    tools = read_tools(all_tools())
    question = "Put the invoice into the spreadsheet"
    chances = rank_tools(question, tools, recent=["sheets_read_range"])
    order = list(range(len(tools)))
    random.Random(7).shuffle(order)
    shuffled = rank_tools(question, [tools[i] for i in order], recent=["sheets_read_range"])
    assert np.allclose(shuffled, chances[order], rtol=1e-9, atol=0)
    assert np.all((chances > 0) & (chances < 1))


def test_probabilities_of_servers_that_fitted_nothing_are_calibrated():
    held_out = [one for one in questions() if one.server not in tuned_servers()]
    tools = read_tools(all_tools())
    expected = sum(rank_tools(one.text, tools, recent=one.recent).sum() for one in held_out)
    assert 0.6 < expected / sum(len(one.needed) for one in held_out) < 1.6


def test_nothing_to_rank_and_wrong_arguments():
    assert rank_tools("anything", []).shape == (0,)
    assert rank_tools("", [DELETE]).shape == (1,)
    assert rank_tools("?" * 1_000_000, [DELETE], recent=["gone"] * 10_000).shape == (1,)
    with pytest.raises(InputTypeError, match="question is an int"):
        rank_tools(3, [DELETE])
    with pytest.raises(InputTypeError, match="recent is a str"):
        rank_tools("x", [DELETE], recent="files_delete")


def test_words_of_identifiers_and_sentences():
    assert stems("createPullRequest") == stems("creating pull requests")
    assert stems("cancelled") == stems("cancel") == stems("CANCEL")
    assert stems("What is it to you?") == []


def test_find_tool_lists_the_same_bytes_in_any_order():
    tools = read_tools(all_tools())
    mixed = random.Random(3).sample(tools, len(tools))
    assert find_tool(mixed[:200], named=mixed[200:]) == find_tool(
        sorted(mixed[:200], key=lambda tool: tool.name), named=reversed(mixed[200:])
    )
    assert FIND_TOOL["function"]["name"] == find_tool((), "anthropic")["name"] == "find_tool"
    git = [{"name": "git_log"}, {"name": "git_diff", "description": "Compare two commits."}]
    text = listing(read_tools(git), read_tools([{"name": "git_add"}, {"name": "now"}]))
    assert text.split("\n") == ["now", "git_...", "diff: Compare two commits.", "log", "add"]


def test_find_tool_returns_what_is_named_and_what_is_meant():
    tools = read_tools(all_tools())
    found = find_tools("ci_get_job_log and k8s_drain_node, please", tools)
    assert {tool.name for tool in found[:2]} == {"ci_get_job_log", "k8s_drain_node"}
    for one in random.Random(5).sample(tools, 40):
        first, *_ = json.loads(answer_find({"query": one.name}, tools))
        assert first == one.schema
    answer = json.loads(answer_find('{"query": "open a bug report"}', tools, provider="anthropic"))
    assert len(answer) == 6
    assert all({"name", "input_schema"} <= schema.keys() for schema in answer[:5])
    assert "by name: " in answer[5]


@pytest.mark.parametrize("arguments", [None, {}, {"query": 5}, "", "{}", "[1]", {"query": " "}])
def test_a_call_that_cannot_be_read_is_answered(arguments):
    assert answer_find(arguments, [DELETE]).startswith("give 'query'")


def test_a_call_that_is_no_json_is_a_query():
    assert json.loads(answer_find("delete a file", [DELETE]))[0]["function"]["name"] == (
        "files_delete"
    )
    assert answer_find({"query": "x"}, []) == "there are no other tools"
    with pytest.raises(InputError, match="k is 0"):
        find_tools("x", [DELETE], 0)


def test_the_data_of_the_bench():
    tools, asked = all_tools(), questions()
    assert (len(servers()), len(tools), len(asked)) == (21, 300, 200)
    names = {tool["function"]["name"] for tool in tools}
    assert all(set(one.needed) | set(one.recent) <= names for one in asked)
    assert sum(bool(one.recent) for one in asked) == 100
    rows, needed = cases(training_questions()[:3])
    assert rows.shape[:2] == needed.shape == (3, len(training_tools()))


def test_choosers_keep_the_budget_and_ours_holds_more_than_words_alone():
    tools = read_tools(all_tools())
    sizes = Sizes(tools)
    places = {tool.name: i for i, tool in enumerate(tools)}
    budget = sum(sizes.full) // 10
    held = {}
    for choose in (by_value(ours(tools), tools, sizes), top_k(by_words(tools), tools, sizes)):
        found = 0
        for one in questions()[::8]:
            chosen = choose(one, budget)
            spent = sum(sizes.full[places[name]] for name in chosen.full)
            spent += sum(sizes.short[places[name]] for name in chosen.short)
            assert spent <= budget
            found += sum(name in chosen.full | chosen.short for name in one.needed)
        held[choose] = found
    better, words = held.values()
    assert better > words


def test_steps_fall_in_value_and_end_in_full():
    made = steps(0.5, 10, 60, 100)
    assert [step[2] for step in made] == ["line", "short", "full"]
    assert sum(step[1] for step in made) == 100
    assert sorted(made, reverse=True) == made
    assert [step[2] for step in steps(0.5, 10, 100, 100)][-1] == "full"


def test_everyday_words_and_phrases_find_the_tool_that_interfaces_name_otherwise():
    tools = [{"name": "get_volume"}, {"name": "list_flights"}, {"name": "refund_order"}]
    asked = ("How do I fly to Oslo?", "She wants her money back.")
    assert [find_tools(one, tools)[0].name for one in asked] == ["list_flights", "refund_order"]


def test_a_question_prefers_tools_that_read_and_an_order_those_that_write():
    tools = [{"name": "list_meetings"}, {"name": "change_meetings"}]
    first, second = rank_tools("Which meetings are there?", tools)
    assert first > second
    first, second = rank_tools("The meetings start at nine now.", tools)
    assert first < second


def test_training_tools_and_questions_are_none_of_the_benchmark():
    assert not {tool["function"]["name"] for tool in training_tools()} & {
        tool["function"]["name"] for tool in all_tools()
    }
    assert not {one.text for one in training_questions()} & {one.text for one in questions()}
    assert len(training_questions()) >= 250


def after_finding(provider: str, answer: str | None = None) -> list[str]:
    """Return the forms of a tool that `find_tool` returned: at once and after another question."""
    tools = [{"name": f"tool_{i}", "description": f"Handle case {i}. " * 40} for i in range(30)]
    said = '{"query": "tool_17"}'
    text = answer or answer_find(said, tools, provider=provider)
    budget = 1700 if provider == "anthropic" else 1000  # Anthropic's tools have more overhead
    if provider == "openai":
        function = {"name": "find_tool", "arguments": said}
        calls = [{"id": "c1", "type": "function", "function": function}]
        asked = {"role": "assistant", "content": None, "tool_calls": calls}
        result = {"role": "tool", "tool_call_id": "c1", "content": text}
    elif provider == "anthropic":
        call = {"type": "tool_use", "id": "c1", "name": "find_tool", "input": json.loads(said)}
        asked = {"role": "assistant", "content": [call]}
        blocks = [{"type": "text", "text": text}]
        inner = {"type": "tool_result", "tool_use_id": "c1", "content": blocks}
        result = {"role": "user", "content": [inner]}
    else:
        asked = {"type": "function_call", "call_id": "c1", "name": "find_tool", "arguments": said}
        result = {"type": "function_call_output", "call_id": "c1", "output": text}
    history = [{"role": "user", "content": "Hello there"}, asked, result]
    more = [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "Thanks, bye."}]
    requests = [
        ctxmem.assemble(None, budget, tools=tools, provider=provider, history=given)
        for given in (history, [*history, *more])
    ]
    return [
        next(one.form for one in request.decisions if one.key == "tool_17") for request in requests
    ]


@pytest.mark.parametrize("provider", ["openai", "responses", "anthropic"])
def test_tools_that_find_tool_returned_are_in_full_until_the_next_question(provider):
    behind, later = after_finding(provider)
    assert behind == "full" and later != "full"


@pytest.mark.parametrize("answer", ["give 'query'", "[", "{}", "[3, null, {}]", '[{"name": 3}]'])
def test_an_answer_of_find_tool_without_schemas_promotes_nothing(answer):
    behind, _ = after_finding("openai", answer)
    assert behind != "full"
