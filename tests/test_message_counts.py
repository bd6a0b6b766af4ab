"""Counts of requests against what providers recorded or document, and the text of tools."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from usages import USAGES, counted, mp4, pdf, png, wav

import ctxmem
from ctxmem.chat import MEDIA_RULES, OVERHEAD
from ctxmem.chat.media import file_tokens, media_rows
from ctxmem.chat.overhead import MODELS, overhead_of
from ctxmem.chat.sizes import image_size, mp4_seconds, pdf_pages, wav_seconds
from ctxmem.chat.tools import openai_tool

RECORDED = [pytest.param(entry, id=f"{entry['id']}-{entry['kind']}") for entry in USAGES]


def of_provider(provider):
    return [entry for entry in USAGES if entry["provider"] == provider]


@pytest.mark.parametrize("entry", RECORDED)
def test_no_request_counts_less_than_its_usage(entry):
    assert counted(entry) >= entry["tokens"], entry["source"]


def needs_its_model(entry):
    """Return whether a request is of the one row that counts too low without the model's name.

    Images cost gpt-4o-mini 33 times what they cost other models; if that row held wherever no
    model is named, every image would.
    """
    of_mini = entry["model"] == "gpt-4o-mini" and entry["kind"] == "image"
    return of_mini and entry["tokens"] > 2833  # what an image of low detail costs


@pytest.mark.parametrize("entry", [e for e in RECORDED if not needs_its_model(e.values[0])])
def test_without_a_model_the_largest_row_holds(entry):
    assert counted(entry, named=False) >= entry["tokens"], entry["source"]


def test_one_row_holds_only_where_the_model_is_named():
    entries = [entry for entry in USAGES if needs_its_model(entry)]
    assert len(entries) == 2
    assert all(counted(entry, named=False) < entry["tokens"] for entry in entries)


@pytest.mark.parametrize("entry", [entry for entry in RECORDED if entry.values[0]["exact"]])
def test_what_is_exact_is_within_five_percent(entry):
    allowed = max(2, entry["tokens"] * 0.05)
    assert abs(counted(entry) - entry["tokens"]) <= allowed, entry["source"]


def test_the_recorded_usages_cover_every_provider_and_kind():
    assert len(USAGES) >= 80
    kinds = {
        "openai": {"text", "chat", "tools", "tool_result", "structured_output", "image", "audio"},
        "responses": {"text", "chat", "tools", "tool_result", "structured_output", "image"},
        "anthropic": {"text", "tools", "tool_result", "structured_output", "image", "thinking"},
        "gemini": {"text", "tools", "tool_result", "structured_output", "image", "audio", "video"},
        "bedrock": {"text", "chat", "tools", "tool_result", "image", "pdf"},
    }
    for provider, expected in kinds.items():
        assert expected <= {entry["kind"] for entry in of_provider(provider)}


def test_tools_are_written_as_typescript():
    parameters = {
        "type": "object",
        "title": "Weather",
        "properties": {
            "city": {"type": "string", "description": "The city,\n  without country."},
            "unit": {"enum": ["C", "F"], "default": "C", "title": "Unit"},
            "days": {"type": "array", "items": {"type": "integer"}},
            "place": {"type": "object", "properties": {"lat": {"type": ["number", "null"]}}},
        },
        "required": ["city"],
    }
    tools = [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Tell it.", "parameters": parameters},
        },
        {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}},
    ]
    expected = """\
// Tell it.
type weather = (_:{
// Weather
// The city,
// without country.
city: string,
// Unit
unit?: "C" | "F", // default: "C"
days?: number[],
place?: {
lat?: number | null,
},
}) => any;

type now = () => any;

"""
    assert expected == "".join(openai_tool(tool).text for tool in tools)


@pytest.mark.parametrize(
    "field",
    [
        {"$ref": "#/$defs/Node"},
        {"allOf": [{"type": "object", "properties": {"deep": {"const": "word " * 99}}}]},
        {"type": "string", "pattern": "word " * 99},
        {"type": "object", "patternProperties": {"word " * 99: {"type": "string"}}},
    ],
    ids=lambda field: next(iter(field)),
)
def test_an_unusual_schema_counts_at_least_its_json(field):
    node = {"type": "object", "description": "word " * 99, "properties": {"next": {}}}
    node["properties"]["next"] = {"$ref": "#/$defs/Node"}
    parameters = {"type": "object", "properties": {"value": field}, "$defs": {"Node": node}}
    tool = {"name": "keep", "description": "", "parameters": parameters}
    chat = [{"role": "user", "content": "hi"}]
    more = ctxmem.count_messages(chat, tools=[tool]) - ctxmem.count_messages(chat)
    assert more >= ctxmem.count_tokens(json.dumps(tool, separators=(",", ":")), "o200k_base")


def test_a_pair_of_call_and_result_costs_what_was_measured():
    chat = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_nobody_counts_this",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_nobody_counts_this", "content": "ok"},
    ]
    # 13 or 20, the name twice, the arguments, the result, and 3 for the request
    assert 3 + 13 + 2 + 1 + 1 == ctxmem.count_messages(chat, model="gpt-4o")
    assert 3 + 20 + 2 + 1 + 1 == ctxmem.count_messages(chat, model="gpt-5.2")
    assert 3 + 20 + 2 + 1 + 1 == ctxmem.count_messages(chat)


def test_an_encoding_does_not_choose_a_model():
    for name in ("o200k_base", "cl100k_base", "estimate"):
        assert OVERHEAD["openai"] is overhead_of("openai", name)
        assert media_rows("openai", name) == media_rows("openai", None)


def test_a_counter_named_by_a_model_tells_the_model():
    block = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png(1024, 1024)}"}}
    chat = [{"role": "user", "content": [block]}]
    assert 3 + 4 + 765 == ctxmem.count_messages(chat, "gpt-4o")
    assert 3 + 4 + 25501 == ctxmem.count_messages(chat, "gpt-4o-mini")
    assert 3 + 4 + 630 == ctxmem.count_messages(chat, model="gpt-5")


def test_an_answer_schema_counts_in_every_form():
    from pydantic import BaseModel

    class Answer(BaseModel):
        city: str

    chat = [{"role": "user", "content": "hi"}]
    plain = ctxmem.count_messages(chat)
    schema = Answer.model_json_schema()
    chat_form = {"type": "json_schema", "json_schema": {"name": "Answer", "schema": schema}}
    responses = {"format": {"type": "json_schema", "name": "Answer", "schema": schema}}
    counts = {
        ctxmem.count_messages(chat, response_format=form) for form in (Answer, chat_form, responses)
    }
    assert 1 == len(counts) and plain + 20 < counts.pop() < plain + 60
    assert plain + 20 < ctxmem.count_messages(chat, response_format=schema) < plain + 60
    for nothing in ({"type": "json_object"}, {"format": {"type": "text"}}, None):
        assert plain == ctxmem.count_messages(chat, response_format=nothing)
    with pytest.raises(ctxmem.InputTypeError, match=r"response_format is 5 \(int\)"):
        ctxmem.count_messages(chat, response_format=5)


def test_the_rows_without_a_model_hold_the_largest_numbers():
    for provider, rows in MODELS.items():
        largest = OVERHEAD[provider]
        for pattern, row in rows:
            re.compile(pattern)
            for field in dataclasses.fields(row):
                value = getattr(row, field.name)
                if type(value) is int and field.name not in ("system_saves", "together"):
                    assert value <= getattr(largest, field.name), (provider, pattern, field.name)


def test_every_row_has_its_source_and_date():
    rows = [row for of in MODELS.values() for _, row in of]
    rows += [*OVERHEAD.values(), *(row for of in MEDIA_RULES.values() for row in of)]
    assert all(row.source and re.fullmatch(r"20\d\d-\d\d", row.date) for row in rows)
    names = {field.name for field in dataclasses.fields(OVERHEAD["openai"])}
    assert all(row.exact <= names for row in OVERHEAD.values())


def test_sizes_of_media_are_read_from_their_bytes():
    bmp = b"BM" + bytes(16) + (7).to_bytes(4, "little") + (9).to_bytes(4, "little")
    assert (7, 9) == image_size(bmp)
    assert (1, 2) == image_size(png(1, 2))
    assert 3 == wav_seconds(wav(3))
    assert 4 == mp4_seconds(mp4(4))
    assert 5 == pdf_pages(pdf(5))
    for broken in ("", "%%%", b"RIFF", b"%PDF-1.7 /ObjStm", b"\0\0\0\x0cftypmp42mvhd", "QUJD"):
        assert image_size(broken) is wav_seconds(broken) is mp4_seconds(broken) is None
        assert pdf_pages(broken) is None


def test_a_pdf_costs_its_pages():
    block = {"type": "document", "source": {"type": "base64", "data": pdf(3)}}
    assert 3 * (3000 + 1551) == file_tokens(block, media_rows("anthropic", "claude-sonnet-4-5"))
    block = {"inlineData": {"mimeType": "application/pdf", "data": pdf(3)}}
    assert 3 * 258 == file_tokens(block, media_rows("gemini", "gemini-2.5-flash"))
    assert 3 * 560 == file_tokens(block, media_rows("gemini", "gemini-3-pro"))


@pytest.mark.parametrize("kind", [["string", "null"], {"odd": 1}, 3])
def test_tools_whose_arguments_have_several_types_are_counted(kind):
    function = {
        "name": "f",
        "parameters": {"type": "object", "properties": {"a": {"type": kind}}},
    }
    tools = [{"type": "function", "function": function}]
    question = [{"role": "user", "content": "q"}]
    counted = ctxmem.count_messages(question, tools=tools, counter=len)
    assert counted > ctxmem.count_messages(question, counter=len)
