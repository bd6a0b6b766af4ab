"""What the upstream answers: replies, failures, and scripts that choose among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .record import Record


@dataclass(frozen=True)
class Text:
    """Text of the assistant."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool of the client; `custom`: free text as input (Responses only)."""

    name: str
    arguments: dict | str
    custom: bool = False


@dataclass(frozen=True)
class Thinking:
    """A thought with signature, or a reasoning item with its summary."""

    text: str


@dataclass(frozen=True)
class Refused:
    """The model refuses: `refusal` of OpenAI, the stop reason of Anthropic."""

    text: str


Part = Text | ToolCall | Thinking | Refused


@dataclass(frozen=True)
class Reply:
    """An answer, and how its bytes come.

    Attributes:
        parts: what the assistant says; a string is one `Text`.
        delay: seconds before the headers.
        pause: seconds before each event of a stream.
        chunk: body bytes are sent in pieces of this size, wherever that cuts; None: an event each.
        cut: the connection ends behind this many bytes of the body; -1: before the headers.
        reset: the cut is a TCP reset and not an end of the stream.
        mangle: what is done to the bytes of the body, for malformed events.
        gzip: compress the body, if the client takes that.
        fail_inside: after the first text of a stream comes an error event with this text.
        max_tokens: the answer was cut off by the limit on its tokens.
    """

    parts: Sequence[Part] | str = "Hello."
    delay: float = 0.0
    pause: float = 0.0
    chunk: int | None = None
    cut: int | None = None
    reset: bool = False
    mangle: Callable[[bytes], bytes] | None = None
    gzip: bool = False
    fail_inside: str | None = None
    max_tokens: bool = False

    @property
    def content(self) -> list[Part]:
        """The parts, as a list."""
        return [Text(self.parts)] if isinstance(self.parts, str) else list(self.parts)


@dataclass(frozen=True)
class Failure:
    """An error of the provider: status, text, seconds in `retry-after`."""

    status: int
    message: str = "failed by the script"
    retry_after: float | None = None
    delay: float = 0.0


@dataclass(frozen=True)
class Raw:
    """Any answer at all, as a proxy or a broken server may send it."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()


@dataclass
class Call:
    """A request that has passed all checks, for the script to answer.

    Attributes:
        api: chat, responses or messages.
        body: the parsed body.
        items: messages, or for Responses the whole input with what was stored before.
        number: how many calls came before with this key.
        record: all about the request.
    """

    api: str
    body: dict
    items: list
    number: int
    record: Record

    def tools(self) -> list[str]:
        """Return the names of the tools offered."""
        offered = self.body.get("tools") or []
        return [tool.get("name") or (tool.get("function") or {}).get("name") for tool in offered]

    def results(self) -> list[str]:
        """Return the outputs of tools behind the last call, as text, in order."""
        found: list[str] = []
        for item in reversed(self.items):
            content = item.get("content")
            if item.get("role") == "tool":
                found.insert(0, text_of(content))
            elif str(item.get("type")).endswith("_output"):
                found.insert(0, text_of(item.get("output")))
            elif item.get("role") == "user" and isinstance(content, list):
                inside = [b for b in content if b.get("type") == "tool_result"]
                if not inside:
                    break
                found[:0] = [text_of(block.get("content")) for block in inside]
            else:
                break
        return found


def text_of(content: object) -> str:
    """Return the text of a content: a string, or parts of which some have text."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return "" if content is None else str(content)


Answer = Reply | Failure | Raw | str
Script = Callable[[Call], Answer] | Sequence[Answer]


def answer_of(script: Script, call: Call) -> Reply | Failure | Raw:
    """Return what a script says to a call; the last answer of a list is repeated."""
    answer = script(call) if callable(script) else script[min(call.number, len(script) - 1)]
    return Reply(answer) if isinstance(answer, str) else answer


def echo(call: Call) -> Answer:
    """Answer with the length of the conversation, so that every turn is another."""
    return f"Answer {call.number} to {len(call.items)} messages."


@dataclass
class ToolLoop:
    """Make calls one after another, each in a turn with a thought, then say what came back last."""

    calls: Sequence[ToolCall]
    pause: float = 0.0
    made: dict[str, int] = field(default_factory=dict)

    def __call__(self, call: Call) -> Answer:
        """Answer a call; a request that does not offer the tool gets text."""
        key = call.record.key or ""
        done = self.made.get(key, 0)
        if done >= len(self.calls):
            return Reply("The tool said: " + " ".join(call.results()), pause=self.pause)
        if self.calls[done].name not in call.tools():
            return "No tool."
        self.made[key] = done + 1
        return Reply([Thinking("I look."), self.calls[done]])
