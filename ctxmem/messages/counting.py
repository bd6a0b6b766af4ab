"""Count what messages cost: every block, and what the provider adds around it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from ctxmem.errors import InputError, InputTypeError
from ctxmem.messages.overhead import (
    OVERHEAD,
    audio_tokens,
    file_tokens,
    image_tokens,
    opaque_tokens,
    provider_of,
)
from ctxmem.messages.reading import (
    CALL_BLOCKS,
    ROLES,
    TEXT_BLOCKS,
    as_json,
    blocks_of,
    call_key,
    call_name,
    calls_of,
    get,
    kind_of,
    listed,
    read_marked,
    result_key,
    role_of,
    told,
)
from ctxmem.protocols import Counter
from ctxmem.tokens import resolve

_IMAGES = frozenset({"image", "image_url", "input_image", "computer_screenshot"})
_SOUNDS = frozenset({"audio", "input_audio"})
_FILES = frozenset({"file", "input_file", "document", "video", "input_video", "container_upload"})
MEDIA = _IMAGES | _SOUNDS | _FILES
"""Blocks that are no text."""
_ENCRYPTED = ("signature", "thought_signature", "encrypted_content", "data")
_DEEPEST = 50  # results within results; nobody nests them

_KEPT_TEXTS = 1 << 15
_KEPT_CHARACTERS = 1 << 25


class _Texts:
    """Counts of texts seen before, by one counter.

    A chat sends the same texts again with every turn. The key is the text itself, whose hash Python
    keeps with it, so that finding it again costs less than hashing it; what the table holds alive
    is bounded by characters too. When full it is emptied: a chat fills it again in one turn.
    """

    __slots__ = ("characters", "counts", "messages")

    def __init__(self) -> None:
        self.messages: dict[tuple[str, bytes], int] = {}  # by provider and fingerprint
        self.counts: dict[str, int] = {}
        self.characters = 0

    def keep(self, text: str, count: int) -> None:
        if len(text) > _KEPT_CHARACTERS >> 4:
            return
        self.characters += len(text)
        if len(self.counts) >= _KEPT_TEXTS or self.characters > _KEPT_CHARACTERS:
            self.counts = {}
            self.characters = len(text)
        self.counts[text] = count


# The tables do not know their counters, or none of the two would ever be freed.
_texts: WeakKeyDictionary[Counter, _Texts] = WeakKeyDictionary()


class Meter:
    """Counts messages by one counter and one provider's overhead."""

    def __init__(self, counter: object, provider: str | None) -> None:
        self._counter = resolve(counter)
        known = _texts.get(self._counter)
        if known is None:
            known = _texts[self._counter] = _Texts()
        self._texts = known
        self.provider = provider_of(provider, self._counter.name)
        self.overhead = OVERHEAD[self.provider]
        self.request = self.overhead.request

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        known = self._texts.counts.get(text)
        if known is None:
            known = self._counter.count(text)
            self._texts.keep(text, known)
        return known

    def marked(self, message: Any, index: int, mark: bytes | None) -> int:
        """Return the tokens of a message, from those counted before where it has a fingerprint."""
        if mark is None:
            return self.message(message, index)
        known = self._texts.messages.get((self.provider, mark))
        if known is None:
            known = self.message(message, index)
            if len(self._texts.messages) >= _KEPT_TEXTS:
                self._texts.messages = {}
            self._texts.messages[self.provider, mark] = known
        return known

    def message(self, message: Any, index: int) -> int:
        """Return the tokens of a message with its overhead; `index` names it in errors."""
        role = role_of(message, index)
        if role is None:
            return self.overhead.message + self._item(message, index)
        tokens = self.overhead.message + self.count(_SHORT.get(role, role))
        if type(message) is dict and len(message) == 2:
            content = message.get("content")
            if type(content) is str:
                return tokens + self.count(content)
        seen: set[str] = set()
        for call in calls_of(message):
            tokens += self._call(call, index)
            seen.add(call_key(call))
        answered = result_key(message, role)
        if answered is not None:
            tokens += self.count(answered)
        if not isinstance(message, str | tuple):
            name = get(message, "name")
            if isinstance(name, str) and name:
                tokens += self.overhead.name + self.count(name)
            for field in ("refusal", "reasoning_content"):
                text = get(message, field) or get(get(message, "additional_kwargs"), field)
                if isinstance(text, str):
                    tokens += self.count(text)
            if get(message, "audio"):
                tokens += audio_tokens(get(message, "audio"))
        for block in blocks_of(message, index):
            # Frameworks name a call twice: in the provider's block and in their own list.
            if kind_of(block) in CALL_BLOCKS and call_key(block) in seen:
                continue
            tokens += self._block(block, index, 0)
        return tokens

    def tools(self, tools: Iterable[Any] | None) -> int:
        """Return the tokens of tool schemas.

        Raises:
            InputTypeError: `tools` is no list, or one of them is nothing that a tool can be.
        """
        total = 0
        for schema in schemas_of(tools):
            total += self.overhead.tool + self.count(as_json(schema, -1))
        return total + self.overhead.tools if total else 0

    def _call(self, call: Any, index: int) -> int:
        inner = get(call, "function") or get(call, "custom") or call
        arguments = None
        for field in ("arguments", "args", "input", "tool_kwargs"):
            arguments = get(inner, field)
            if arguments is not None:
                break
        if not isinstance(arguments, str):
            arguments = as_json(arguments, index) if arguments is not None else ""
        return (
            self.overhead.call
            + self.count(call_key(call))
            + self.count(call_name(call))
            + self.count(arguments)
        )

    def _item(self, item: Any, index: int) -> int:
        """Return the tokens of a Responses item that is not a message."""
        kind = kind_of(item)
        if kind == "reasoning":
            return self._thought(item, index)
        if kind in ("function_call", "custom_tool_call"):
            return self._call(item, index)
        if kind in ("function_call_output", "custom_tool_call_output"):
            return self._result(item, str(get(item, "call_id")), get(item, "output"), index, 0)
        return self._block(item, index, 0)

    def _block(self, block: Any, index: int, depth: int) -> int:
        if isinstance(block, str):
            return self.count(block)
        kind = kind_of(block)
        if kind in TEXT_BLOCKS:
            text = get(block, "text")
            return self.count(text) if isinstance(text, str) else self._unknown(block, index)
        if kind in CALL_BLOCKS or kind == "server_tool_use":
            return self._call(block, index)
        if kind == "tool_result":
            key = str(get(block, "tool_use_id"))
            return self._result(block, key, get(block, "content"), index, depth)
        if kind in ("thinking", "redacted_thinking", "reasoning"):
            return self._thought(block, index)
        if kind in _IMAGES:
            return image_tokens(block, self.provider)
        if kind in _SOUNDS:
            return audio_tokens(block)
        if kind in _FILES:
            return self._file(block, index, depth)
        if kind == "refusal":
            return self.count(str(get(block, "refusal") or ""))
        encrypted = get(block, "encrypted_content")
        if isinstance(encrypted, str) and not get(block, "content"):
            return opaque_tokens(encrypted)
        return self._unknown(block, index)

    def _result(self, block: Any, key: str, content: Any, index: int, depth: int) -> int:
        tokens = self.overhead.result + self.count(key)
        if content is None:
            return tokens
        if isinstance(content, str):
            return tokens + self.count(content)
        if not isinstance(content, list | tuple) or depth >= _DEEPEST:
            return tokens + self._unknown(content, index)
        return tokens + sum(self._block(inner, index, depth + 1) for inner in content)

    def _thought(self, block: Any, index: int) -> int:
        """Return the larger of the readable thought and the encrypted one, of which it is part."""
        texts = [get(block, field) for field in ("thinking", "reasoning", "content", "text")]
        for part in get(block, "summary") or ():
            texts.append(part if isinstance(part, str) else get(part, "text"))
        readable = 0
        for text in texts:
            if isinstance(text, str):
                readable += self.count(text)
            elif isinstance(text, list | tuple):
                readable += sum(self._block(inner, index, _DEEPEST) for inner in text)
        sources = (block, get(block, "additional_information"), get(block, "extras"))
        hidden = [opaque_tokens(get(of, field)) for of in sources if of for field in _ENCRYPTED]
        return max([readable, *hidden])

    def _file(self, block: Any, index: int, depth: int) -> int:
        tokens = 0
        for field in ("title", "context"):
            text = get(block, field)
            if isinstance(text, str):
                tokens += self.count(text)
        source = get(block, "source")
        kind = kind_of(source) if source is not None else ""
        if kind == "text" and isinstance(get(source, "data"), str):
            return tokens + self.count(get(source, "data"))
        content = get(source, "content") if kind == "content" else None
        if isinstance(content, str):
            return tokens + self.count(content)
        if isinstance(content, list) and depth < _DEEPEST:
            return tokens + sum(self._block(inner, index, depth + 1) for inner in content)
        return tokens + file_tokens(block)

    def _unknown(self, value: Any, index: int) -> int:
        """Return the tokens of everything that is in it: more than any provider makes of it."""
        return self.overhead.call + self.count(as_json(value, index))


# OpenAI's names, which count as one token each; a provider knows no "human".
_SHORT = {name: role if name != "developer" else name for name, role in ROLES.items()}


def schemas_of(tools: Iterable[Any] | None) -> list[Any]:
    """Return what is sent of each tool: its dict, or one made from a framework's tool.

    Raises:
        InputTypeError: `tools` is no list, or one of them is nothing that a tool can be.
    """
    if tools is None:
        return []
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Iterable):
        raise InputTypeError(
            f"tools is {told(tools)}; expected a list of schemas: wrap a single one in a list"
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
        f"tool {index} is {told(tool)}; expected its schema as a dict, a framework's tool or a "
        "function"
    )


def count_messages(
    messages: Iterable[Any],
    counter: object = "o200k_base",
    *,
    tools: Iterable[Any] | None = None,
    provider: str | None = None,
) -> int:
    """Count the tokens of a request: its messages, its tools and what the provider adds.

    Every kind of block is counted: text, tool calls with their arguments, tool results, thoughts,
    images by the provider's published rule. Sound, files and blocks we do not know are counted on
    the safe side. What is added per request, message and call stands in
    `ctxmem.messages.OVERHEAD`, for "openai" and "anthropic"; without `provider` it follows the
    counter's name. Counts of texts are kept, so that a chat is counted once and then by its new
    messages.

    Raises `InputTypeError` for what is no message, and what `resolve` raises for the counter.

    >>> count_messages([{"role": "user", "content": "hi"}], lambda text: len(text.split()))
    8
    """
    if provider is not None:
        provider_of(provider, "")
    meter = Meter(counter, provider)
    total = meter.request + meter.tools(tools)
    for i, message in enumerate(listed(messages)):
        _, mark = read_marked(message, i)
        total += meter.marked(message, i, mark)
    return total


def list_meter(token_counter: Any) -> Any:
    """Return a function from a list of messages to tokens, for what LangChain calls token_counter.

    That is a function of a list, a function of one message that says so in its annotation, or a
    model with `get_num_tokens_from_messages`.

    Raises:
        InputTypeError: it is none of these.
    """
    of_model = getattr(token_counter, "get_num_tokens_from_messages", None)
    if callable(of_model):
        return _checked(of_model)
    if not callable(token_counter):
        raise InputTypeError(
            f"token_counter is {told(token_counter)}; expected a function of a list of messages, a "
            "model with get_num_tokens_from_messages, or the name of a counter"
        )
    try:
        first = next(iter(inspect.signature(token_counter).parameters.values()), None)
    except (TypeError, ValueError):  # a builtin that does not tell
        first = None
    annotation = getattr(first, "annotation", None)
    if getattr(annotation, "__name__", annotation) == "BaseMessage":
        return _checked(lambda messages: sum(token_counter(message) for message in messages))
    return _checked(token_counter)


def _checked(count: Any) -> Any:
    def counted(messages: list[Any]) -> int:
        tokens = count(messages)
        if isinstance(tokens, bool) or not isinstance(tokens, int | float) or not tokens >= 0:
            raise InputError(
                f"token_counter returned {told(tokens)} for {len(messages)} messages; a count is a "
                "number >= 0"
            )
        return int(-(-tokens // 1))

    return counted
