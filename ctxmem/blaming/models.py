"""The model that is asked: what it has to have, and a function as a model."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ctxmem.blaming.functions import fingerprint, name_of
from ctxmem.errors import a_type


class Answer(NamedTuple):
    """What a model answered; tokens are those that it says it used, None if it says none."""

    text: str
    input: int | None = None
    output: int | None = None


class AskError(Exception):
    """One question could not be asked; the message says why."""


class RefusedError(AskError):
    """No question can be asked: the address or the key is wrong."""


class LostError(AskError):
    """The connection to a server was lost before it answered."""


class Model(Protocol):
    """What can be asked.

    `identity` is what a cached answer depends on besides the messages.
    """

    name: str
    output_tokens: int | None
    parallel: int

    def identity(self, recorded: str) -> Any:
        """Return what is hashed with the messages; `recorded` is the model named in the trace."""
        ...

    def ask(self, messages: list[dict[str, Any]], recorded: str) -> Answer:
        """Answer, or raise `AskError`."""
        ...


@dataclass(slots=True)
class FunctionModel:
    """A function of the messages that returns a text."""

    function: Callable[[list[dict[str, Any]]], Any]
    name: str = ""
    output_tokens: int | None = None
    parallel: int = 1

    def __post_init__(self) -> None:
        self.name = self.name or name_of(self.function)

    def identity(self, recorded: str) -> Any:
        """Return its name and a hash of its code: another function has other answers."""
        return ["function", self.name, fingerprint(self.function)]

    def ask(self, messages: list[dict[str, Any]], recorded: str) -> Answer:
        """Call the function; whatever it raises concerns one question."""
        try:
            answer = self.function(messages)
        except Exception as error:
            said = without_secrets(str(error))
            raise AskError(f"the model function raised {type(error).__name__}: {said}") from None
        if answer is None:
            return Answer("")
        if inspect.iscoroutine(answer):
            answer.close()
            raise AskError("the model function is async; give one that returns the answer itself")
        if isinstance(answer, Mapping):
            return read_answer(answer)
        if hasattr(answer, "choices") and hasattr(answer, "model_dump"):
            return read_answer(answer.model_dump())  # what OpenAI's client returns
        text = _text_of(getattr(answer, "content", answer))  # LangChain's client: a message
        if text is None:
            raise AskError(f"the model function returned {a_type(answer)}; expected a str")
        return Answer(_without_thoughts(text))


def read_answer(record: Any) -> Answer:
    """Return the answer of a chat completion.

    Raises:
        AskError: it is none.
    """
    try:
        choice = record["choices"][0]
        message = choice["message"]
        content, ended = message.get("content"), choice.get("finish_reason")
    except (LookupError, TypeError, AttributeError):
        raise AskError("the answer has no choices[0].message, as chat completions have") from None
    text = _without_thoughts(_text_of(content) or _text_of(message.get("refusal")) or "")
    if not text.strip() and ended in _STOPPED:
        raise AskError(_STOPPED[ended])
    usage = record.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(
        text,
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


_STOPPED = {
    "length": "the answer ended at the largest number of tokens before it said anything, as models "
    "that think do; raise --max-tokens",
    "content_filter": "the server's content filter held the answer back",
}
"""Why an answer is empty, though the model did not say nothing."""

_THOUGHTS = re.compile(r"\s*<(think|thinking|thought|reasoning)>.*?(?:</\1>|$)\s*", re.DOTALL)
_END_OF_THOUGHTS = re.compile(r"(?s).*</think>\s*")  # where the server's template began them


def _without_thoughts(text: str) -> str:
    """Return what a model answers, without what it thinks before: a thought may name any answer."""
    found = _THOUGHTS.match(text) or _END_OF_THOUGHTS.match(text)
    return text if found is None else text[found.end() :]


def _text_of(content: Any) -> str | None:
    """Return the text of a message's content, a string or blocks; None if it is neither."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        return None
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
    return "".join(part for part in parts if isinstance(part, str))


_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_LEAST_SECRET = 8  # characters; shorter values are flags and numbers


def without_secrets(text: str) -> str:
    """Return a text without the values of environment variables that hold keys or passwords."""
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _LEAST_SECRET:
            text = text.replace(value, "***")
    return cut(text)


_SHOWN = 300  # characters of a message that an error quotes


def cut(text: str) -> str:
    """Return the beginning of a message, in one line."""
    return " ".join(text.split())[:_SHOWN]


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
