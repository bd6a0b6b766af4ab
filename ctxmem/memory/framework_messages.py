"""Messages of LangChain and LlamaIndex as plain data, and as their frameworks' objects again.

No framework is imported before one of its messages is read back: objects are recognised by the
name of their class. What is stored is JSON, never a pickle::

    {"ctxmem_framework": "langchain", "message": {"type": "human", "data": {...}}}

A dict without a role or a type is no message, so that no message of a caller reads like this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctxmem.errors import InputError, MissingExtraError, PageDamageError, a_type

MARKER = "ctxmem_framework"
"""The key that marks the stored form of a framework's message."""

_CLASSES = {
    ("langchain_core.messages.base", "BaseMessage"): "langchain",
    ("llama_index.core.base.llms.types", "ChatMessage"): "llama_index",
}
_EXTRAS = {
    "langchain": ("langchain-core", "ctxmem[langchain]"),
    "llama_index": ("llama-index-core", "ctxmem[llamaindex]"),
}
_known: dict[type, str] = {}


def framework_of(message: Any) -> str:
    """Return "langchain" or "llama_index" for a message of theirs, "" for anything else."""
    kind = type(message)
    if kind is dict:
        return ""
    found = _known.get(kind)
    if found is None:
        names = ((base.__module__, base.__qualname__) for base in kind.__mro__)
        found = next((_CLASSES[name] for name in names if name in _CLASSES), "")
        if found:
            _known[kind] = found
    return found


def as_plain(message: Any, what: str) -> Any:
    """Return a framework's message in its stored form, anything else as it is.

    Raises `InputError`, with `what` as the name of the message, if the framework cannot write it.
    """
    framework = framework_of(message)
    if not framework:
        return message
    try:
        if framework == "langchain":
            held: Any = {"type": message.type, "data": message.model_dump()}
        else:
            held = message.model_dump(mode="json")
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} is {a_type(message)} that cannot be stored as JSON ({error}); "
            "expected strings, numbers, lists and dicts in its fields: take out the others"
        ) from None
    return {MARKER: framework, "message": held}


def restored(value: Any) -> Any:
    """Return the message whose stored form this is; anything else as it is.

    Raises:
        MissingExtraError: its framework is not installed.
        PageDamageError: the framework that is installed does not read it.
    """
    if type(value) is not dict or MARKER not in value:
        return value
    framework, held = value[MARKER], value.get("message", {})
    if framework not in _EXTRAS:
        raise _unreadable(f"the framework {framework!r}, which this version does not know")
    try:
        if framework == "langchain":
            from langchain_core.messages import messages_from_dict

            return messages_from_dict([dict(held)])[0]
        from llama_index.core.base.llms.types import ChatMessage

        return ChatMessage.model_validate(held)
    except ImportError as error:
        needs, extra = _EXTRAS[framework]
        raise MissingExtraError(
            f"the session holds messages of {needs}, which is not installed; install it with "
            f"pip install '{extra}'"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(
            f"{_EXTRAS[framework][0]}, and the one installed refuses it: {error}"
        ) from (error)


def _unreadable(of: str) -> PageDamageError:
    return PageDamageError(
        f"a stored message is of {of}; read it with the versions that wrote it",
        tenant="",
        session="",
        key=None,
    )


def copied_message(message: Any) -> Any:
    """Return a copy of a framework's message whose blocks the caller may change."""
    made = message.model_copy()
    for name in ("content", "blocks"):
        blocks = made.__dict__.get(name)
        if type(blocks) is list:
            made.__dict__[name] = [
                dict(block)
                if type(block) is dict
                else block.model_copy()
                if hasattr(block, "model_copy")
                else block
                for block in blocks
            ]
    return made


def is_spoken_text(message: Any) -> bool:
    """Return whether a message is a dict with a text of the user's, as notes and passages are."""
    return (
        type(message) is dict
        and len(message) == 2
        and message.get("role") == "user"
        and type(message.get("content")) is str
    )


def spoken(message: Mapping[str, Any], framework: str) -> Any:
    """Return a text of the user's as a message of a framework."""
    data = {"content": message["content"]}
    held: Any = {"type": "human", "data": data} if framework == "langchain" else {**message}
    return restored({MARKER: framework, "message": held})


def refuse_framework(messages: Sequence[Any]) -> None:
    """Raise `InputError` if a window holds messages of a framework, which take no cache marks."""
    names = {name for name in map(framework_of, messages) if name}
    if names:
        raise InputError(
            f"the window holds messages of {', '.join(sorted(names))}, which the framework sends; "
            "pass window.messages to it, with marks by window.breakpoints"
        )
