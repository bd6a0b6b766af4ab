"""What OpenAI refuses of a Chat Completions or Responses request, beside the types of its fields.

Sources: developers.openai.com/api/reference/resources/chat and /responses, /api/docs/guides
(function-calling, reasoning, error-codes, prompt-caching); texts as the API sends them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from provider_rules import problems

from .published import Fault, faults
from .refusal import Refusal
from .seals import decrypted

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MODEL = re.compile(r"(gpt|o\d|chatgpt|codex)")
REASONING_MODEL = re.compile(r"(gpt-5|o\d)")
DATA_URL = re.compile(r"data:image/(png|jpeg|jpg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}")
# What the types lack and the API takes: a message of a chat response as it came, and two fields
# that OpenAI's own `codex` sends (0.171).
ALSO_TAKEN = re.compile(r"messages\.\d+\.annotations|input\.\d+\.id|client_metadata")
# What the types require and the API does not: ids of items that are not stored, and defaults of
# functions and images.
NOT_NEEDED = re.compile(
    r"input\.\d+\.(id|status|content\.\d+\.detail)|(tools\.\d+\.)+(strict|parameters)"
)

Found = Iterator[tuple[str, str | None]]


def check_headers(headers: Mapping[str, str]) -> str:
    """Return the API key of a request, or refuse its headers."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not key.strip():
        raise Refusal("You didn't provide an API key.", 401)
    if key.startswith("invalid"):
        raise Refusal(f"Incorrect API key provided: {key[:8]}***.", 401, code="invalid_api_key")
    return key.strip()


def check_chat(body: dict) -> None:
    """Refuse a Chat Completions body that OpenAI would refuse, by its first fault."""
    _check_types(body, CompletionCreateParamsBase)
    _check_model(body)
    for rule in (_chat_options, _chat_tools, _chat_images, _chat_json):
        for text, param in rule(body):
            raise Refusal(text, param=param)
    for text in problems(body["messages"], "openai", body["model"], in_flight_ok=False):
        raise Refusal(text, param="messages")


def check_responses(body: dict, items: list[dict]) -> None:
    """Refuse a Responses body that OpenAI would refuse; `items` is its whole input."""
    given = body.get("input")
    if isinstance(given, list):
        _check_types(body | {"input": [_filled(item) for item in given]}, ResponseCreateParamsBase)
    else:
        _check_types(body, ResponseCreateParamsBase)
    _check_model(body)
    if "input" not in body and "prompt" not in body:
        raise Refusal("Missing required parameter: 'input'.", param="input")
    for text, param in _responses_tools(body):
        raise Refusal(text, param=param)
    for item in items:
        if item.get("type") == "reasoning" and item.get("encrypted_content"):
            decrypted(item["encrypted_content"])
    for text in problems(items, "responses", body["model"], in_flight_ok=False):
        raise Refusal(text, param="input")


def _filled(item: object) -> object:
    """Return an item of the model with the defaults of what the API lets a client leave out.

    The types know parts of `output_text` in whole output messages only; npm `ai` sends them
    without id, status and annotations. `codex` sends a reasoning's content as null.
    """
    if isinstance(item, dict) and item.get("type") == "reasoning":
        return {key: value for key, value in item.items() if value is not None}
    if not isinstance(item, dict) or item.get("role") != "assistant":
        return item
    content = item.get("content")
    if not isinstance(content, list):
        return item
    parts = [
        {"annotations": []} | part
        if isinstance(part, dict) and part.get("type") == "output_text"
        else part
        for part in content
    ]
    return {"type": "message", "id": "msg_0", "status": "completed"} | item | {"content": parts}


def _check_types(body: dict, form: object) -> None:
    stream = body.get("stream")
    if stream not in (None, True, False):
        raise Refusal("Invalid type for 'stream': expected a boolean.", param="stream")
    rest = {key: body[key] for key in body if key != "stream"}
    for fault in faults(rest, form):
        if ALSO_TAKEN.fullmatch(fault.path):
            continue
        if fault.kind == "missing" and NOT_NEEDED.fullmatch(fault.path):
            continue
        raise _as_openai(fault)


def _as_openai(fault: Fault) -> Refusal:
    param = re.sub(r"\.(\d+)", r"[\1]", fault.path)
    if fault.kind == "missing":
        text, code = f"Missing required parameter: '{param}'.", "missing_required_parameter"
    elif fault.kind == "extra":
        text, code = f"Unknown parameter: '{param}'.", "unknown_parameter"
    elif fault.kind == "type":
        text, code = f"Invalid type for '{param}': {fault.text}.", "invalid_type"
    else:
        text, code = f"Invalid value for '{param}': {fault.text}.", "invalid_value"
    return Refusal(text, param=param, code=code)


def _check_model(body: dict) -> None:
    model = body.get("model")
    if not model:
        raise Refusal("you must provide a model parameter", param="model")
    if not MODEL.match(model):
        raise Refusal(
            f"The model `{model}` does not exist or you do not have access to it.",
            404,
            code="model_not_found",
        )


def _chat_options(body: dict) -> Found:
    if "stream_options" in body and body["stream_options"] is not None and not body.get("stream"):
        yield (
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    if body.get("max_tokens") is not None and REASONING_MODEL.match(body["model"]):
        yield (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
        )
    for name in ("max_tokens", "max_completion_tokens", "n"):
        if body.get(name) is not None and body[name] < 1:
            yield f"Invalid '{name}': integer below minimum value.", name
    if not 0 <= (body.get("temperature") or 0) <= 2:
        yield "Invalid 'temperature': decimal above maximum value.", "temperature"


def _function_faults(function: dict, place: str) -> Found:
    name = function["name"]
    if not TOOL_NAME.fullmatch(name):
        yield (
            f"Invalid '{place}.name': string does not match pattern. Expected a string that "
            "matches the pattern '^[a-zA-Z0-9_-]+$'.",
            f"{place}.name",
        )
    schema = function.get("parameters")
    if schema and schema.get("type") != "object":
        kind = json.dumps(schema.get("type"))
        yield (
            f"Invalid schema for function '{name}': schema must be a JSON Schema of "
            f"'type: \"object\"', got 'type: {kind}'.",
            f"{place}.parameters",
        )


def _chat_tools(body: dict) -> Found:
    tools = body.get("tools")
    if tools == []:
        yield "Invalid 'tools': empty array. Expected an array with minimum length 1.", "tools"
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in body and not tools and body[name] is not None:
            yield f"'{name}' is only allowed when 'tools' are specified.", name
    names = []
    for n, tool in enumerate(tools or []):
        if tool["type"] == "function":
            names.append(tool["function"]["name"])
            yield from _function_faults(tool["function"], f"tools[{n}].function")
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] == "function":
        name = choice["function"]["name"]
        if name not in names:
            yield f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice"


def _chat_images(body: dict) -> Found:
    for n, message in enumerate(body["messages"]):
        content = message.get("content")
        for at, part in enumerate(content if isinstance(content, list) else []):
            if part["type"] == "image_url":
                yield from _url_faults(
                    part["image_url"]["url"], f"messages[{n}].content[{at}].image_url.url"
                )


def _url_faults(url: str, param: str) -> Found:
    if url.startswith("data:") and not DATA_URL.fullmatch(url):
        yield f"Invalid base64 image_url in '{param}'.", param
    elif not url.startswith(("data:", "http://", "https://")):
        yield (
            f"Invalid '{param}'. Expected a valid URL, but got a value with an invalid format.",
            param,
        )


def _chat_json(body: dict) -> Found:
    form = body.get("response_format") or {}
    if form.get("type") == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        yield (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of "
            "type 'json_object'.",
            "messages",
        )


def _responses_tools(body: dict) -> Found:
    tools = body.get("tools") or []
    names = []
    for n, tool in enumerate(tools):
        if tool["type"] == "function":
            yield from _function_faults(tool, f"tools[{n}]")
        if tool["type"] in ("function", "custom"):
            names.append(tool["name"])
    choice = body.get("tool_choice")
    named = isinstance(choice, dict) and choice.get("type") in ("function", "custom")
    if named and choice["name"] not in names:
        yield f"Tool choice '{choice['name']}' not found in 'tools' parameter.", "tool_choice"
    if choice == "required" and not tools:
        yield "Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice"


def check_length(tokens: int, window: int, param: str) -> None:
    """Refuse a prompt that is too long for the model."""
    if tokens > window:
        text = (
            f"This model's maximum context length is {window} tokens. However, your messages "
            f"resulted in {tokens} tokens. Please reduce the length of the messages."
            if param == "messages"
            else "Your input exceeds the context window of this model. Please adjust your input "
            "and try again."
        )
        raise Refusal(text, param=param, code="context_length_exceeded")
