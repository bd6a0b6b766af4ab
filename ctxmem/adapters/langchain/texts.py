"""The texts of LangChain's messages."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage


def texts_and_others(message: ToolMessage) -> tuple[list[str], list[Any]]:
    """Return the texts of a tool's answer, and its blocks that are none."""
    if isinstance(message.content, str):
        return [message.content], []
    texts, others = [], []
    for block in message.content:
        if isinstance(block, str):
            texts.append(block)
        elif block.get("type") == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
        else:
            others.append(block)
    return texts, others


def text_of(message: BaseMessage) -> str:
    """Return the text of a message; in older versions it is a method."""
    text = message.text
    return str(text() if callable(text) and not isinstance(text, str) else text)
