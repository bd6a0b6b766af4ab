"""What Anthropic refuses of a Messages request, beside the types of its fields.

Sources: platform.claude.com/docs/en/api/messages, /api/errors, /build-with-claude/prompt-caching,
/build-with-claude/extended-thinking and /agents-and-tools/tool-use; texts as the API sends them.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterator, Mapping

from anthropic.types.beta.message_count_tokens_params import (
    MessageCountTokensParams as BetaCountParams,
)
from anthropic.types.beta.message_create_params import (
    MessageCreateParamsBase as BetaCreateParams,
)
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsBase
from provider_rules import problems

from .published import faults
from .refusal import Refusal
from .seals import signature_of

# platform.claude.com/docs/en/api/versioning and /api/migration-2026-10-21
OLD_VERSION, NEW_VERSION = "2023-06-01", "2026-10-21"
# The newer version takes them no more, "even at their defaults"; the SDK's types lack them.
SAMPLING = ("temperature", "top_p", "top_k")
BETA = re.compile(r"[a-z0-9.-]+-\d{4}-?\d{2}-?\d{2}")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
MAX_MARKS = 4
MAX_BODY = 32 * 2**20
IMAGE_HEADS = {
    "image/png": b"\x89PNG",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}


def check_headers(headers: Mapping[str, str]) -> str:
    """Return the API key of a request, or refuse its headers."""
    bearer = headers.get("authorization", "")
    key = headers.get("x-api-key") or bearer.removeprefix("Bearer ").strip()
    if not key:
        raise Refusal("x-api-key header is required", 401)
    if key.startswith("invalid"):
        raise Refusal("invalid x-api-key", 401)
    version = headers.get("anthropic-version")
    if version is None:
        raise Refusal("anthropic-version: header is required")
    if version not in (OLD_VERSION, NEW_VERSION):
        raise Refusal(f"anthropic-version: {version!r} is not a valid version")
    for beta in filter(None, (one.strip() for one in headers.get("anthropic-beta", "").split(","))):
        if not BETA.fullmatch(beta):
            raise Refusal(f"Unexpected value(s) `{beta}` for the `anthropic-beta` header.")
    return key


def check_body(
    body: dict, *, beta: bool, counting: bool = False, version: str = NEW_VERSION
) -> None:
    """Refuse a body that Anthropic would refuse, by the first fault that is found."""
    forms = {
        (False, False): MessageCreateParamsBase,
        (True, False): BetaCreateParams,
        (False, True): MessageCountTokensParams,
        (True, True): BetaCountParams,
    }
    apart = [] if counting else ["stream"]
    if not counting and version == OLD_VERSION:
        apart += SAMPLING
    typed = {key: body[key] for key in body if key not in apart}
    if body.get("stream") not in (None, True, False):
        raise Refusal("stream: Input should be a valid boolean")
    for fault in faults(typed, forms[beta, counting]):
        raise Refusal(f"{fault.path}: {fault.text}")
    if not str(body["model"]).startswith("claude"):
        raise Refusal(f"model: {body['model']}", 404)
    newer = [] if version == OLD_VERSION else [_places]
    for rule in (_numbers, _tools, _marks, _thinking, _images, _history, *newer):
        for text in rule(body):
            raise Refusal(text)


def _numbers(body: dict) -> Iterator[str]:
    if body.get("max_tokens", 1) < 1:
        yield "max_tokens: must be greater than or equal to 1"
    for name in ("temperature", "top_p"):
        if not 0 <= body.get(name, 0) <= 1:
            yield f"{name}: range: 0..1"
    for n, sequence in enumerate(body.get("stop_sequences") or []):
        if not sequence.strip():
            yield f"stop_sequences.{n}: each stop sequence must contain non-whitespace"


def _places(body: dict) -> Iterator[str]:
    """What the version of 2026-10-21 refuses: documents of the assistant, citations of the user."""
    for n, message in enumerate(body["messages"]):
        for at, block in enumerate(_blocks(message)):
            place = f"messages.{n}.content.{at}"
            if message["role"] == "assistant" and block["type"] == "document":
                yield f"{place}: `document` blocks are not allowed in assistant messages"
            if message["role"] == "user" and block["type"] == "text" and block.get("citations"):
                yield f"{place}.citations: citations are not allowed in user messages"


def _tools(body: dict) -> Iterator[str]:
    tools = body.get("tools") or []
    names = [tool.get("name") for tool in tools if tool.get("name")]
    for n, tool in enumerate(tools):
        if tool.get("type", "custom") not in (None, "custom"):
            continue
        if not TOOL_NAME.fullmatch(tool["name"]):
            yield f"tools.{n}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        kind = tool["input_schema"].get("type")
        if kind != "object":
            yield f"tools.{n}.custom.input_schema.type: " + (
                "Field required" if kind is None else "Input should be 'object'"
            )
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."
    choice = body.get("tool_choice")
    if choice and not tools and choice["type"] != "none":
        yield "tool_choice: tool_choice may only be specified while providing tools."
    if choice and choice["type"] == "tool" and choice["name"] not in names:
        yield f"Tool '{choice['name']}' not found in provided tools"


def marked_blocks(body: dict) -> Iterator[tuple[str, dict]]:
    """Yield every block that can bear a cache mark, in the order of the prompt."""
    for n, tool in enumerate(body.get("tools") or []):
        yield f"tools.{n}", tool
    if isinstance(body.get("system"), list):
        for n, block in enumerate(body["system"]):
            yield f"system.{n}", block
    for n, message in enumerate(body["messages"]):
        if not isinstance(message["content"], list):
            continue
        for at, block in enumerate(message["content"]):
            yield f"messages.{n}.content.{at}", block
            if isinstance(block.get("content"), list):
                for inside, inner in enumerate(block["content"]):
                    yield f"messages.{n}.content.{at}.content.{inside}", inner


def _marks(body: dict) -> Iterator[str]:
    marks = [(path, block) for path, block in marked_blocks(body) if block.get("cache_control")]
    ttls = [block["cache_control"].get("ttl", "5m") for _, block in marks]
    if body.get("cache_control"):
        ttls.append(body["cache_control"].get("ttl", "5m"))
    if len(ttls) > MAX_MARKS:
        yield (
            f"A maximum of {MAX_MARKS} blocks with cache_control may be provided. "
            f"Found {len(ttls)}."
        )
    for path, block in marks:
        if block.get("type") == "text" and not block["text"]:
            yield f"{path}: cache_control cannot be set for empty text blocks"
        if block.get("type") in ("thinking", "redacted_thinking"):
            yield f"{path}.{block['type']}.cache_control: Extra inputs are not permitted"
    for before, after in itertools.pairwise(ttls):
        if before == "5m" and after == "1h":
            yield (
                "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
                "block. Note that blocks are processed in the following order: `tools`, "
                "`system`, `messages`."
            )


def _thinking(body: dict) -> Iterator[str]:
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        if thinking["budget_tokens"] < 1024:
            yield "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        if thinking["budget_tokens"] >= body.get("max_tokens", 10**9):
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
        if body.get("temperature", 1) != 1:
            yield "`temperature` may only be set to 1 when thinking is enabled."
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            yield "Thinking may not be enabled when tool_choice forces tool use."
        yield from _first_thought(body["messages"])
    for n, message in enumerate(body["messages"]):
        for at, block in enumerate(_blocks(message)):
            if block.get("type") == "thinking" and block["signature"] != signature_of(
                block["thinking"]
            ):
                yield f"messages.{n}.content.{at}: Invalid `signature` in `thinking` block"


def _first_thought(messages: list) -> Iterator[str]:
    """While a tool loop is under way, its assistant message begins with its thought."""
    if len(messages) < 2 or messages[-2]["role"] != "assistant":
        return
    blocks = _blocks(messages[-2])
    if any(block["type"] == "tool_use" for block in blocks) and blocks[0]["type"] not in (
        "thinking",
        "redacted_thinking",
    ):
        yield (
            f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or "
            f"`redacted_thinking`, but found `{blocks[0]['type']}`. When `thinking` is enabled, a "
            "final `assistant` message must start with a thinking block"
        )


def _blocks(message: dict) -> list[dict]:
    content = message["content"]
    return content if isinstance(content, list) else []


def _images(body: dict) -> Iterator[str]:
    for path, block in marked_blocks(body):
        source = block.get("source")
        if block.get("type") != "image" or source["type"] != "base64":
            continue
        try:
            data = base64.b64decode(source["data"], validate=True)
        except binascii.Error:
            yield f"{path}.image.source.base64: invalid base64 data"
            continue
        for kind, head in IMAGE_HEADS.items():
            if data.startswith(head) and kind != source["media_type"]:
                yield (
                    f"{path}.image.source.base64.data: Image does not match the provided media "
                    f"type {source['media_type']}"
                )
        if not data.startswith(tuple(IMAGE_HEADS.values())):
            yield f"{path}.image.source.base64.data: Could not process image"


def _history(body: dict) -> Iterator[str]:
    messages = body["messages"]
    if isinstance(body.get("system"), list):
        for n, block in enumerate(body["system"]):
            if not block["text"]:
                yield f"system.{n}: text content blocks must be non-empty"
    yield from problems(messages, "anthropic", body["model"], in_flight_ok=False)


def check_length(body: dict, tokens: int, window: int) -> None:
    """Refuse a prompt that is too long for the model, or leaves no place for its answer."""
    if tokens > window:
        raise Refusal(f"prompt is too long: {tokens} tokens > {window} maximum")
    most = body.get("max_tokens", 0)
    if tokens + most > window:
        raise Refusal(
            f"input length and `max_tokens` exceed context limit: {tokens} + {most} > {window}, "
            "decrease input length or `max_tokens` and try again"
        )
