"""Lay out a request by volatility, in the form of its provider, and count each part of it.

System, rules and the history come first, since the next request begins with them, too; what is for
this call follows: recalled texts, passages, code and the question. Tools precede all of them at
every provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from ctxmem import request as marking
from ctxmem.assembling.conversation import Conversation
from ctxmem.assembling.inputs import BLOCKS, Inputs
from ctxmem.assembling.recalling import Recalled
from ctxmem.assembling.repeats import folded, repeated, tokens_saved
from ctxmem.assembling.tool_items import ToolItems
from ctxmem.chat.counting import Meter
from ctxmem.chat.folding import Fold
from ctxmem.chat.parts import parts_of
from ctxmem.chat.reading import fingerprint, read_one
from ctxmem.chat.steps import repair_history
from ctxmem.pricing import Prices
from ctxmem.request import Provider
from ctxmem.schema import Window

CALLS = 2.0
"""A stable part is taken to be sent so many times at least."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A request as it is sent, and the tokens of its parts."""

    messages: list[Any]
    tools: list[Any]
    system: Any
    parts: dict[str, int]
    volatile_from: int
    breakpoints: tuple[int, ...]
    folds: tuple[Fold, ...] = ()

    @property
    def tokens(self) -> int:
        """The tokens of the whole request."""
        return sum(self.parts.values())


class Layout:
    """Makes requests of one set of inputs."""

    def __init__(
        self, inputs: Inputs, tools: ToolItems, conversation: Conversation, known: int
    ) -> None:
        self.inputs, self.tools, self.conversation = inputs, tools, conversation
        self.meter: Meter = inputs.meter
        self.part_of: Mapping[str, str] = {}  # of chunks, by their ids
        self.recalled = Recalled()
        self.known = known  # messages of the stable part that the request before had, too
        self.beside = inputs.provider == "anthropic"
        self.repeats = repeated(inputs.chunks, conversation)
        self.system = self._system_messages()
        self.question = "" if conversation.asked else conversation.question.strip("\n")

    @property
    def always(self) -> int:
        """The tokens of what is always sent, without tools, history and blocks."""
        return self.meter.request + sum(self.heads().values()) + self._asked_tokens("")

    def heads(self) -> dict[str, int]:
        """Return the tokens of system prompt, rules and leading system messages, by part."""
        found: dict[str, int] = {}
        for part, message in self.system:
            found[part] = found.get(part, 0) + self.count(message)
        if not self.beside or not found:
            return found
        # They are sent as the blocks of one message.
        role = self.count({"role": "system", "content": ""})
        found = {part: tokens for part, tokens in found.items()}
        for part, _ in self.system:
            found[part] -= role
        whole = self.count({"role": "system", "content": self._system_blocks()})
        first = self.system[0][0]
        found[first] += whole - sum(found.values())
        return found

    def _system_messages(self) -> list[tuple[str, Any]]:
        """Return (part, message) of the system prompt, the rules, and leading system messages."""
        inputs = self.inputs
        made: list[tuple[str, Any]] = []
        if inputs.system:
            made.append(("system", {"role": "system", "content": inputs.system}))
        rules = [rule for rule in inputs.rules if rule.strip()]
        if rules:
            made.append(("rules", {"role": "system", "content": "\n".join(rules)}))
        head = self.conversation.messages[: self.conversation.head]
        return [*made, *(("history", message) for message in head)]

    def count(self, message: Any) -> int:
        """Return the tokens of a message."""
        return self.meter.marked(message, 0, fingerprint(message))

    def between(self, blocks: bool) -> int:
        """Return about the tokens that blocks add beside their own."""
        if not blocks:
            return 0
        return 1 if self.question else self.count({"role": "user", "content": ""})

    def _asked_tokens(self, context: str) -> int:
        """Return the tokens of the last message, which has the context and the question."""
        text = self._last_text(context)
        return self.count({"role": "user", "content": text}) if text else 0

    def _last_text(self, context: str) -> str:
        return "\n\n".join(part for part in (context, self.question) if part)

    def lay(self, forms: Mapping[str, Mapping[str, str]], window: Window | None) -> Laid:
        """Return the request with items in their forms and the blocks of a window."""
        conversation = self.conversation
        tools = self.tools.sent(forms["tools"])
        parts: dict[str, int] = dict.fromkeys(
            ("system", "tools", "rules", "history", "memory", "passages", "code", "question"), 0
        )
        parts["tools"] = self.tools.count(forms["tools"], tools)
        note = conversation.note_for(forms["history"])
        placed = conversation.sent(forms["history"])
        tail = len(placed)
        while tail and placed[tail - 1][0] in conversation.in_flight:
            tail -= 1
        body: list[tuple[str, Any]] = [("history", note)] if note is not None else []
        body += [("history", message) for _, message in placed[:tail]]
        volatile = len(body)
        recalled = self.recalled.text(conversation.recalled(forms["history"]))
        blocks = window.text if window is not None else ""
        context = "\n\n".join(text for text in (recalled, blocks) if text)
        text = self._last_text(context)
        if text:
            body.append(("question", {"role": "user", "content": text}))
        body += [("history", message) for _, message in placed[tail:]]
        heads = [] if self.beside else self.system
        named = [*heads, *body]
        volatile += len(heads)
        named, volatile = self._sendable(named, volatile)
        folds: tuple[Fold, ...] = ()
        if window is not None and self.repeats:
            named, folds = self._folded(named, text, context, window)
        for part, tokens in self.heads().items() if self.beside else ():
            parts[part] += tokens
        for part, message in named:
            parts[part] += self.count(message)
        if recalled:
            own = min(self.meter.count(recalled), parts["question"])
            parts["memory"] += own
            parts["question"] -= own
        if window is not None:
            self._divide(parts, window, folds)
        self._add_overhead(parts)
        messages = [message for _, message in named]
        stable = sum(parts[name] for name in ("system", "tools", "rules", "history"))
        marks = self._marks(messages, volatile, stable)
        return Laid(
            self._marked(messages, marks),
            tools,
            self._system(stable) if self.beside else None,
            {name: n for name, n in parts.items() if n or self._given(name)},
            volatile,
            marks,
            folds,
        )

    def _given(self, part: str) -> bool:
        inputs = self.inputs
        given = {
            "system": bool(inputs.system),
            "tools": bool(inputs.tools),
            "rules": bool(inputs.rules),
            "history": bool(inputs.history),
            "question": True,
        }
        return given.get(part, any(chunk.section == part for chunk in inputs.chunks))

    def _sendable(
        self, named: list[tuple[str, Any]], volatile: int
    ) -> tuple[list[tuple[str, Any]], int]:
        """Return the messages as the provider accepts them, which most are as they are."""
        messages = [message for _, message in named]
        turns = [read_one(message, i) for i, message in enumerate(messages)]
        case = replace(self.conversation.case, faults=[])
        repaired = repair_history(case, messages, turns)
        if repaired.items is messages:
            return named, volatile
        stable = next(
            (i for i, old in enumerate(repaired.origin) if old >= volatile), len(repaired.items)
        )
        parts = [
            (named[old][0], item) for old, item in zip(repaired.origin, repaired.items, strict=True)
        ]
        return parts, stable

    def _folded(
        self, named: list[tuple[str, Any]], text: str, context: str, window: Window
    ) -> tuple[list[tuple[str, Any]], tuple[Fold, ...]]:
        """Return the messages with references in place of blocks that the history shows."""
        asked = ("question", {"role": "user", "content": text})
        if asked not in named:
            return named, ()  # it was joined with another message
        at = named.index(asked)
        before = [message for _, message in named[:at]]
        made = folded(before, context, window, self.repeats, self.meter)
        if made.folds:
            content = self._last_text(made.context)
            named[at] = ("question", {"role": "user", "content": content})
        return named, made.folds

    def _divide(self, parts: dict[str, int], window: Window, folds: tuple[Fold, ...] = ()) -> None:
        """Give the tokens of blocks to their parts; what is between them is the question's."""
        found: dict[str, int] = dict.fromkeys(BLOCKS, 0)
        for piece in window.pieces:
            part = self.part_of[piece.chunk_ids[0]]
            head = self.meter.count(piece.header) if piece.header else 0
            found[part] += piece.tokens + head
            found[part] -= tokens_saved(piece.text, folds) if folds else 0
        left = parts["question"]
        for part, tokens in found.items():
            taken = min(tokens, left)
            parts[part] += taken
            left -= taken
        parts["question"] = left

    def _add_overhead(self, parts: dict[str, int]) -> None:
        parts["question"] += self.meter.request

    # Marks ----------------------------------------------------------------------------------------

    def _caches(self, stable: int) -> bool:
        row = self.inputs.prices
        if self.inputs.provider == "responses":
            return False  # no marks in this format
        return marking.pays(row, CALLS) and stable >= row.minimum

    def _marks(self, messages: Sequence[Any], volatile: int, stable: int) -> tuple[int, ...]:
        """Return the messages behind which the provider is asked to cache."""
        if not self._caches(stable) or not volatile:
            return ()
        row: Prices = self.inputs.prices
        most = row.breakpoints - (1 if self.beside and self.system else 0)
        most -= sum(read_one(message, i).marks for i, message in enumerate(messages))
        heads = 0 if self.beside else len(self.system)
        wished = dict.fromkeys(at for at in (volatile, self.known, heads) if 0 < at <= volatile)
        return tuple(sorted(at - 1 for at in list(wished)[: max(0, most)]))

    def _marked(self, messages: list[Any], marks: Sequence[int]) -> list[Any]:
        if not marks:
            return messages
        plain = [message for message in messages if isinstance(message, Mapping)]
        if len(plain) < len(messages):
            return messages  # a framework's messages; it sets marks of its own
        provider = cast(Provider, self.inputs.provider)
        made = marking.marked(messages, marks, provider, self.inputs.prices)
        return [old if new == old else new for old, new in zip(messages, made, strict=True)]

    def _system(self, stable: int) -> Any:
        """Return the system prompt that is sent beside the messages, as blocks."""
        blocks = self._system_blocks()
        if not blocks:
            return None
        if self._caches(stable):
            message = {"role": "system", "content": blocks}
            made = marking.marked([message], [0], "anthropic", self.inputs.prices)
            blocks = made[0]["content"]
        return blocks

    def _system_blocks(self) -> list[dict[str, Any]]:
        return [
            {"type": "text", "text": part.text}
            for _, message in self.system
            for part in parts_of(message, 0)
            if part.kind == "text" and part.text.strip()
        ]
