"""The model that is asked: what it has to have, and a function as a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ctxmem.blaming.functions import fingerprint, name_of


class Answer(NamedTuple):
    """What a model answered; tokens are those that it says it used, None if it says none."""

    text: str
    input: int | None = None
    output: int | None = None


class AskError(Exception):
    """One question could not be asked; the message says why."""


class RefusedError(AskError):
    """No question can be asked: the address or the key is wrong."""


class Model(Protocol):
    """What can be asked.

    `identity` is what a cached answer depends on besides the messages.
    """

    name: str
    output_tokens: int | None
    sends: bool
    parallel: int

    def identity(self, recorded: str) -> Any:
        """Return what is hashed with the messages; `recorded` is the model named in the trace."""

    def ask(self, messages: list[dict[str, Any]], recorded: str) -> Answer:
        """Answer, or raise `AskError`."""


@dataclass(slots=True)
class FunctionModel:
    """A function of the messages that returns a text."""

    function: Callable[[list[dict[str, Any]]], Any]
    name: str = ""
    output_tokens: int | None = None
    sends: bool = False
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
            raise AskError(f"the model function raised {type(error).__name__}: {error}") from None
        if answer is None:
            return Answer("")
        if isinstance(answer, Mapping):
            return read_answer(answer)
        if not isinstance(answer, str):
            raise AskError(f"the model function returned a {type(answer).__name__}; expected a str")
        return Answer(answer)


def read_answer(record: Any) -> Answer:
    """Return the answer of a chat completion.

    Raises:
        AskError: it is none.
    """
    try:
        message = record["choices"][0]["message"]
        content = message.get("content")
    except (LookupError, TypeError, AttributeError):
        raise AskError("the answer has no choices[0].message, as chat completions have") from None
    if isinstance(content, list):
        content = "".join(
            block["text"]
            for block in content
            if isinstance(block, dict) and isinstance(block.get("text"), str)
        )
    usage = record.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(
        content if isinstance(content, str) else "",
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
