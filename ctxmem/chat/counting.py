"""Count what messages cost: every part, and what the provider adds around it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from ctxmem.chat.overhead import (
    OVERHEAD,
    audio_tokens,
    file_tokens,
    image_tokens,
    opaque_tokens,
    provider_of,
    video_tokens,
)
from ctxmem.chat.parts import Part, block_part, inner_parts, parts_of, ui_output
from ctxmem.chat.reading import read_marked
from ctxmem.chat.shapes import (
    ROLES,
    as_json,
    first_of,
    get,
    inner_of,
    kind_of,
    listed,
    role_of,
    shown,
)
from ctxmem.errors import InputError, InputTypeError
from ctxmem.protocols import Counter
from ctxmem.tokens import resolve

_ENCRYPTED = ("signature", "thought_signature", "thoughtSignature", "encrypted_content", "data")
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
        self.messages: dict[str, dict[bytes, int]] = {}  # by provider, then by fingerprint
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
        self._messages = known.messages.setdefault(self.provider, {})

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
        known = self._messages.get(mark)
        if known is None:
            known = self.message(message, index)
            if len(self._messages) >= _KEPT_TEXTS:
                self._messages.clear()
            self._messages[mark] = known
        return known

    def message(self, message: Any, index: int) -> int:
        """Return the tokens of a message with its overhead; `index` names it in errors."""
        role = role_of(message, index)
        if role == "remove":
            return 0  # an order to a program, which is not sent
        tokens = self.overhead.message
        if role is not None:
            tokens += self.count(_SHORT.get(role, role))
            if type(message) is dict and len(message) == 2:
                content = message.get("content")
                if type(content) is str:
                    return tokens + self.count(content)
            if not isinstance(message, str | tuple):
                inner = inner_of(message)
                name = get(inner, "name")
                if isinstance(name, str) and name and ROLES.get(role) != "tool":
                    tokens += self.overhead.name + self.count(name)
                instructions = get(inner, "instructions")
                if isinstance(instructions, str):
                    tokens += self.count(instructions)
        for part in parts_of(message, index):
            tokens += self._part(part, index, 0)
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

    def _part(self, part: Part, index: int, depth: int) -> int:
        """Return the tokens of one part of a message."""
        kind = part.kind
        if kind == "text":
            extra = self._cited(part, index) if not isinstance(part.value, str) else 0
            return self.count(part.text) + extra
        if kind == "call" or kind == "hosted_call":
            return self._call(part, index, depth)
        if kind == "result" or kind == "hosted_result":
            # A whole message has its overhead already, but for Responses items, which have a type.
            around = 0 if part.whole and kind_of(part.value) in ("", "tool") else None
            return self._result(part, index, depth, around)
        if kind == "thought":
            return self._thought(part)
        if kind == "image":
            return image_tokens(part.value, self.provider)
        if kind == "audio":
            return audio_tokens(part.value)
        if kind == "video":
            return video_tokens(part.value)
        if kind == "file":
            return self._file(part.value, index, depth)
        if kind == "refusal":
            return self.count(part.text)
        if kind == "mark":
            return 0
        if kind in ("prompt", "quoted"):
            return self._inside(part, index, depth)
        encrypted = get(part.value, "encrypted_content")
        if isinstance(encrypted, str) and not get(part.value, "content"):
            return opaque_tokens(encrypted)
        return self._unknown(part.value, index)

    def _cited(self, part: Part, index: int) -> int:
        """Return the tokens of what is sent beside a text: what it quotes, as JSON."""
        cited = get(part.value, "citations")
        return self.count(as_json(cited, index)) if cited else 0

    def _call(self, part: Part, index: int, depth: int) -> int:
        body = part.body
        if not isinstance(body, str):
            body = as_json(body, index) if body is not None else ""
        tokens = (
            self.overhead.call + self.count(part.key) + self.count(part.name) + self.count(body)
        )
        hidden = opaque_tokens(first_of(part.value, "thoughtSignature", "thought_signature"))
        if part.settled and not part.whole:
            output = ui_output(part)
            if output is not None:
                answer = part._replace(kind="result", body=output)
                tokens += self._result(answer, index, depth, None)
        return tokens + hidden

    def _result(self, part: Part, index: int, depth: int, around: int | None) -> int:
        tokens = self.overhead.result if around is None else around
        tokens += self.count(part.key) + (self.count(part.name) if part.name else 0)
        return tokens + self._inside(part, index, depth)

    def _inside(self, part: Part, index: int, depth: int) -> int:
        inside = inner_parts(part, index) if depth < _DEEPEST else None
        if inside is None:
            return self._unknown(part.body, index)
        return sum(self._part(inner, index, depth + 1) for inner in inside)

    def _thought(self, part: Part) -> int:
        """Return the larger of the readable thought and the encrypted one, of which it is part."""
        block = part.value
        readable = self.count(part.text)
        sources = (
            *(block, get(block, "reasoningContent"), get(block, "additional_information")),
            *(get(block, "extras"), get(get(block, "reasoningContent"), "reasoningText")),
        )
        hidden = [opaque_tokens(get(of, field)) for of in sources if of for field in _ENCRYPTED]
        redacted = get(get(block, "reasoningContent"), "redactedContent")
        return max([readable, opaque_tokens(redacted), *hidden])

    def _file(self, block: Any, index: int, depth: int) -> int:
        tokens = 0
        inner = first_of(block, "document", "inlineData", "inline_data", "fileData") or block
        for field in ("title", "context", "name", "filename"):
            text = get(inner, field)
            if isinstance(text, str):
                tokens += self.count(text)
        source = get(inner, "source")
        kind = kind_of(source) if source is not None else ""
        for text in (get(source, "data") if kind == "text" else None, get(source, "text")):
            if isinstance(text, str):
                return tokens + self.count(text)
        content = get(source, "content")
        if isinstance(content, str):
            return tokens + self.count(content)
        if isinstance(content, list) and depth < _DEEPEST:
            return tokens + sum(self._part(block_part(one), index, depth + 1) for one in content)
        return tokens + file_tokens(inner)

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
    `ctxmem.chat.OVERHEAD`, by provider; without `provider` it follows the
    counter's name. Counts of texts are kept, so that a chat is counted once and then by its new
    messages.

    Raises `InputTypeError` for what is no message, and what `resolve` raises for the counter.

    >>> count_messages([{"role": "user", "content": "hi"}], lambda text: len(text.split()))
    8
    """
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
            f"token_counter is {shown(token_counter)}; expected a function of a list of messages, a "
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
                f"token_counter returned {shown(tokens)} for {len(messages)} messages; a count is a "
                "number >= 0"
            )
        return int(-(-tokens // 1))

    return counted
