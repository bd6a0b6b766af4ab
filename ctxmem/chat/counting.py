"""Count what messages cost: every part, and what the provider adds around it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ctxmem.chat.media import (
    Media,
    audio_tokens,
    file_tokens,
    image_tokens,
    media_rows,
    opaque_tokens,
    video_tokens,
)
from ctxmem.chat.overhead import overhead_of, provider_of
from ctxmem.chat.parts import MEDIA, Part, block_part, inner_parts, parts_of, ui_output
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
from ctxmem.chat.tools import (
    OpenaiTool,
    answer_schema,
    answer_text,
    forced_name,
    openai_tool,
    openai_tools_tokens,
    schemas_of,
)
from ctxmem.errors import InputError, InputTypeError
from ctxmem.protocols import Counter
from ctxmem.tokens import Estimate, resolve

_ENCRYPTED = ("signature", "thought_signature", "thoughtSignature", "encrypted_content", "data")
_DEEPEST = 50  # results within results; nobody nests them

_CALLS = frozenset({"call", "hosted_call"})
_RESULTS = frozenset({"result", "hosted_result"})

_KEPT_TEXTS = 1 << 15
_KEPT_CHARACTERS = 1 << 25
_KEPT_MODELS = 1 << 4


class _Texts:
    """Counts of texts seen before, by one counter.

    A chat sends the same texts again with every turn. The key is the text itself, whose hash Python
    keeps with it, so that finding it again costs less than hashing it; what the table holds alive
    is bounded by characters too. When full it is emptied: a chat fills it again in one turn.
    """

    __slots__ = ("characters", "counts", "memos", "messages", "observations")

    def __init__(self) -> None:
        # By provider and the rows of the model, then by fingerprint.
        self.messages: dict[Any, dict[bytes, int]] = {}
        self.counts: dict[str, int] = {}
        self.memos: dict[Any, dict[Any, Any]] = {}  # counts that other modules keep
        self.characters = 0
        self.observations = 0  # of an estimate, when these were counted

    def forget(self, observations: int) -> None:
        """Drop the counts of an estimate that has learned since."""
        self.counts = {}
        self.characters = 0
        for kept in (*self.messages.values(), *self.memos.values()):
            kept.clear()
        self.observations = observations

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
    """Counts messages by one counter and what one provider, or one model of it, adds.

    A counter named after a model also selects the model's rows.
    """

    def __init__(self, counter: object, provider: str | None, model: str | None = None) -> None:
        self._counter = resolve(counter)
        known = _texts.get(self._counter)
        if known is None:
            known = _texts[self._counter] = _Texts()
        self._texts = known
        self._learning = self._counter if isinstance(self._counter, Estimate) else None
        self.provider = provider_of(provider, self._counter.name)
        if model is None and isinstance(counter, str):
            model = counter
        self.overhead = overhead_of(self.provider, model)
        self._media = media_rows(self.provider, model)
        self._named = provider is not None or self.provider != "openai" or len(self._media) == 1
        self.request = self.overhead.request
        rows = (self.provider, self._named, self.overhead, self._media)
        if len(known.messages) >= _KEPT_MODELS:
            known.messages.clear()
            known.memos.clear()
        self._messages = known.messages.setdefault(rows, {})
        self._memo = known.memos.setdefault(rows, {})

    @property
    def memo(self) -> dict[Any, Any]:
        """Counts that a caller keeps for this meter, under keys of its own.

        The caller bounds them. An estimate that learns forgets them with the counts of texts.
        """
        self._follow()
        return self._memo

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        self._follow()
        known = self._texts.counts.get(text)
        if known is None:
            known = self._counter.count(text)
            self._texts.keep(text, known)
        return known

    def _follow(self) -> None:
        """Forget counts that an estimate would not give any more."""
        if self._learning is not None:
            observations = self._learning.observations
            if observations != self._texts.observations:
                self._texts.forget(observations)

    def is_exact(self, *, calls: bool) -> bool:
        """Whether what is added to texts is what the provider adds, for calls of tools too."""
        known = self.overhead.exact
        return {"request", "message"} <= known and (not calls or {"call", "tools"} <= known)

    def plain(self, role: str, tokens: int) -> int:
        """Return the tokens of a message that has a role and a text of so many, nothing else."""
        tokens += self.overhead.message
        return tokens + self.count(_SHORT.get(role, role)) if self.overhead.roles else tokens

    def know(self, text: str, tokens: int) -> None:
        """Take in the count of a text that was counted elsewhere by the same counter."""
        if text not in self._texts.counts:
            self._texts.keep(text, tokens)

    def part(self, part: Part, index: int) -> int:
        """Return the tokens of one part of a message; `index` names the message in errors.

        Raises:
            InputError: it holds what no provider takes.
        """
        return self._part(part, index, 0)

    def marked(self, message: Any, index: int, mark: bytes | None) -> int:
        """Return the tokens of a message, from those counted before where it has a fingerprint."""
        self._follow()
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
        if role is None:
            tokens += self.overhead.item
        else:
            if self.overhead.roles:
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
                phase = get(inner, "phase")
                if isinstance(phase, str):
                    tokens += self.count(phase)
                instructions = get(inner, "instructions")
                if isinstance(instructions, str):
                    tokens += self.count(instructions)
        parts = parts_of(message, index)
        calls = [part for part in parts if part.kind == "call"] if len(parts) > 1 else []
        if len(calls) > 1 and self.provider == "openai":
            tokens += self._calls(calls, index)
            parts = [part for part in parts if part.kind != "call"]
        if self.overhead.cited and any(_cites(part.value, 0) for part in parts):
            tokens += self.overhead.cited
        spoken = self.provider == "openai" and role is not None and ROLES.get(role) == "assistant"
        for part in parts:
            if spoken and part.kind == "audio":
                tokens += audio_tokens(part.value, self._media, spoken=True)
            else:
                tokens += self._part(part, index, 0)
        return tokens

    def tools(
        self, tools: Iterable[Any] | None, choice: Any = None, *, beside_system: bool = False
    ) -> int:
        """Return the tokens of tool schemas, and of the choice of a tool.

        Raises:
            InputTypeError: `tools` is no list, or one of them is nothing that a tool can be.
        """
        return self.read_tools(
            [self.tool(schema) for schema in schemas_of(tools)], choice, beside_system=beside_system
        )

    def tool(self, schema: Any) -> OpenaiTool | str:
        """Return what is counted of a tool, for `read_tools`."""
        return openai_tool(schema) if self.provider == "openai" else as_json(schema, -1)

    def read_tools(
        self, tools: Sequence[Any], choice: Any = None, *, beside_system: bool = False
    ) -> int:
        """Return the tokens of tools that `tool` returned, and of the choice of a tool."""
        if not tools:
            return 0
        row, forced = self.overhead, forced_name(choice)
        total = row.tool * len(tools)
        if self.provider != "openai":
            total += sum(map(self.count, tools))
            if choice is None:  # what the request says of it is not known
                return total + max(row.tools, row.forced)
            return total + (row.tools if forced is None else row.forced)
        total += openai_tools_tokens(tools, self.count, row.hosted)
        total += row.forced + self.count(forced) if forced else row.tools
        return total - (row.system_saves if beside_system else 0)

    def answer(self, response_format: Any) -> int:
        """Return the tokens of the JSON schema that the answer has to follow.

        Raises:
            InputTypeError: it is no schema.
        """
        answer = answer_schema(response_format) if response_format is not None else None
        if answer is None:
            return 0
        openai = self.provider == "openai"
        total = self.overhead.schema + self.count(answer_text(answer, openai=openai))
        for text in (answer.get("name"), answer.get("description")) if openai else ():
            total += self.count(text) if isinstance(text, str) else 0
        return total

    def _part(self, part: Part, index: int, depth: int) -> int:
        """Return the tokens of one part of a message."""
        kind = part.kind
        if kind == "text":
            extra = self._cited(part, index) if not isinstance(part.value, str) else 0
            return self.count(part.text) + extra
        if kind in _CALLS:
            return self._call(part, index, depth)
        if kind in _RESULTS:
            # A whole message has its overhead already, but for Responses items, which have a type.
            headed = kind_of(part.value) in ("", "tool") or self.provider == "openai"
            around = 0 if part.whole and headed else None
            return self._result(part, index, depth, around)
        if kind == "thought":
            return self._thought(part)
        if kind == "image":
            return image_tokens(part.value, self._image_rows(part.value))
        if kind == "audio":
            return audio_tokens(part.value, self._media)
        if kind == "video":
            return video_tokens(part.value, self._media)
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

    def _image_rows(self, block: Any) -> tuple[Media, ...]:
        """Return the rules for an image: Anthropic's for its shape, if no provider is named."""
        if self._named or get(block, "source") is None:
            return self._media
        return media_rows("anthropic", None)

    def _cited(self, part: Part, index: int) -> int:
        """Return the tokens of what is sent beside a text: what it quotes, as JSON."""
        cited = get(part.value, "citations")
        return self.count(as_json(cited, index)) if cited else 0

    def _call(self, part: Part, index: int, depth: int) -> int:
        row, name = self.overhead, self.count(part.name)
        tokens = row.call + name + self.count(_arguments(part, index))
        # OpenAI names the function with the call and with the result, and sends no ids.
        tokens += self.count(part.key) if row.ids else name
        return tokens + self._beside_call(part, index, depth)

    def _calls(self, calls: Sequence[Part], index: int) -> int:
        """Return the tokens of several calls in one message of OpenAI's, without its header.

        They are written as one call of a tool that calls them all. Their results cost no headers,
        which `message` counts for each of them, so that these are taken off here.
        """
        singles = sum(self._call(part, index, 0) for part in calls)
        if not self.overhead.together:
            return singles
        uses = ",".join(
            f'{{"recipient_name":"functions.{part.name}","parameters":{_arguments(part, index)}}}'
            for part in calls
        )
        header = self.overhead.message + 1
        tokens = self.count(f'{{"tool_uses":[{uses}]}}') + self.overhead.together
        tokens -= header * (len(calls) + 1)
        return tokens + sum(self._beside_call(part, index, 0) for part in calls)

    def _beside_call(self, part: Part, index: int, depth: int) -> int:
        """Return the tokens of what a call holds beside it: its signature, its own result."""
        tokens = opaque_tokens(first_of(part.value, "thoughtSignature", "thought_signature"))
        if part.settled and not part.whole:
            output = ui_output(part)
            if output is not None:
                answer = part._replace(kind="result", body=output)
                tokens += self._result(answer, index, depth, None)
        return tokens

    def _result(self, part: Part, index: int, depth: int, around: int | None) -> int:
        tokens = self.overhead.result if around is None else around
        if self.overhead.ids:
            tokens += self.count(part.key) + (self.count(part.name) if part.name else 0)
        elif any(inner.kind in MEDIA for inner in inner_parts(part) or ()):
            tokens += self.overhead.result  # which go on in a message of their own
        return tokens + self._inside(part, index, depth)

    def _inside(self, part: Part, index: int, depth: int) -> int:
        inside = inner_parts(part) if depth < _DEEPEST else None
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
        return tokens + file_tokens(block, self._media)

    def _unknown(self, value: Any, index: int) -> int:
        """Return the tokens of everything that is in it: more than any provider makes of it."""
        added = kind_of(value) == "tool_addition"  # Anthropic's, of a tool during a conversation
        added_tools = max(self.overhead.tools, self.overhead.forced) if added else 0
        return added_tools + self.overhead.call + self.count(as_json(value, index))


def _cites(value: Any, depth: int) -> bool:
    """Whether a block, or one in it, is a source whose citations are enabled."""
    if isinstance(value, str) or depth > 3:
        return False
    if get(get(value, "citations"), "enabled") is True:
        return True
    inside = get(value, "content")
    return isinstance(inside, list) and any(_cites(one, depth + 1) for one in inside)


def _arguments(part: Part, index: int) -> str:
    body = part.body
    if isinstance(body, str):
        return body
    return as_json(body, index) if body is not None else ""


# OpenAI's names, which count as one token each; a provider knows no "human".
_SHORT = {name: role if name != "developer" else name for name, role in ROLES.items()}


def count_messages(
    messages: Iterable[Any],
    counter: object = "o200k_base",
    *,
    tools: Iterable[Any] | None = None,
    tool_choice: Any = None,
    response_format: Any = None,
    provider: str | None = None,
    model: str | None = None,
) -> int:
    """Count the tokens of a request: its messages, its tools and what the provider adds.

    Every kind of block is counted: text, tool calls with their arguments, tool results, thoughts,
    images, sound, video and files. What a provider adds per request, message, call and tool is in
    `ctxmem.chat.OVERHEAD`, what media cost in `ctxmem.chat.MEDIA_RULES`; both say which numbers
    reproduce recorded usages. The other ones are upper bounds. Without `provider` the counter's
    name tells it. `model` chooses its rows of the tables, as does a model's name as counter;
    without one the largest numbers of the provider hold.

    `response_format` is what the request says of a JSON schema for the answer: OpenAI's
    `response_format` or `text`, Anthropic's `output_config`, Gemini's generation config, a bare
    schema or a pydantic model class. `tool_choice` is the request's too.

    Counts of texts are kept, so that a chat is counted once and then by its new messages.

    Raises `InputTypeError` for what is no message, tool or schema, and what `resolve` raises for
    the counter.

    >>> count_messages([{"role": "user", "content": "hi"}], lambda text: len(text.split()))
    8
    """
    meter = Meter(counter, provider, model)
    items = listed(messages)
    total = meter.request + meter.answer(response_format)
    if tools is not None:
        beside = any(_is_system(item, i) for i, item in enumerate(items))
        total += meter.tools(tools, tool_choice, beside_system=beside)
    for i, message in enumerate(items):
        _, mark = read_marked(message, i)
        total += meter.marked(message, i, mark)
    return total


def _is_system(message: Any, index: int) -> bool:
    role = role_of(message, index)
    return role is not None and ROLES.get(role) == "system"


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
            f"token_counter is {shown(token_counter)}; expected a function of a list of messages, "
            "a model with get_num_tokens_from_messages, or the name of a counter"
        )
    try:
        first = next(iter(inspect.signature(token_counter).parameters.values()), None)
    except (TypeError, ValueError):  # a builtin without a signature
        first = None
    annotation = getattr(first, "annotation", None)
    if getattr(annotation, "__name__", annotation) == "BaseMessage":
        of_one: Any = token_counter
        return _checked(lambda messages: sum(of_one(message) for message in messages))
    return _checked(token_counter)


def _checked(count: Any) -> Any:
    def counted(messages: list[Any]) -> int:
        tokens = count(messages)
        if isinstance(tokens, bool) or not isinstance(tokens, int | float) or not tokens >= 0:
            raise InputError(
                f"token_counter returned {shown(tokens)} for {len(messages)} messages; a count is "
                "a number >= 0"
            )
        return int(-(-tokens // 1))

    return counted
