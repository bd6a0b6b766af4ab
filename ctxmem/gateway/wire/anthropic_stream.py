"""Rounds of Anthropic's Messages, whole and as events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ctxmem.chat.tools import result_message
from ctxmem.gateway.wire.anthropic import AnthropicMessages
from ctxmem.gateway.wire.frames import Frame, named_frame
from ctxmem.gateway.wire.rounds import Round, Turn, dicts_in, summed

_ENDED = frozenset(("tool_use", "end_turn", "stop_sequence"))
_OF_THE_FIRST = ("id", "type", "role", "model")
_USAGE_AT_THE_END = frozenset(
    (
        "input_tokens",
        "output_tokens",
        "output_tokens_details",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "server_tool_use",
    )
)


class AnthropicTurn(Turn):
    """A reply of POST /v1/messages in rounds."""

    form = "anthropic"
    gather = staticmethod(AnthropicMessages().gather)

    def __init__(self, sent: dict[str, Any], most: int, *ours: frozenset[str]) -> None:
        super().__init__(sent, most, *ours)
        self._shown = 0
        self._places: dict[Any, int] = {}

    def read(self, body: dict[str, Any]) -> Round:
        """Return what a message calls."""
        uses = [one for one in dicts_in(body.get("content")) if one.get("type") == "tool_use"]
        return Round(
            body,
            [one for one in uses if self._is_ours(one)],
            [str(one.get("id")) for one in uses if not self._is_ours(one)],
            body.get("stop_reason") in _ENDED and "error" not in body,
        )

    def together(self, bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return one body of several, without calls of ours."""
        first, last = bodies[0], bodies[-1]
        made = {**last, **{name: first[name] for name in _OF_THE_FIRST if name in first}}
        blocks = [block for body in bodies for block in body.get("content") or ()]
        made["content"] = [block for block in blocks if not self._is_our_use(block)]
        if made.get("stop_reason") == "tool_use" and not _calls_a_tool(made["content"]):
            made["stop_reason"] = "end_turn"
        if len(bodies) > 1 and any("usage" in body for body in bodies):
            made["usage"] = summed(body.get("usage") for body in bodies)
        return made

    def followed(
        self, sent: dict[str, Any], round_: Round, results: Sequence[str], last: bool
    ) -> dict[str, Any]:
        """Return the request with the message and the results behind it."""
        said = [_sendable(one) for one in dicts_in(round_.body.get("content"))]
        given = [
            result_message(call, text)["content"][0]
            for call, text in zip(round_.calls, results, strict=True)
        ]
        messages = [
            *sent["messages"],
            {"role": "assistant", "content": said},
            {"role": "user", "content": given},
        ]
        made = {**sent, "messages": messages}
        if not last:
            return made
        names = [one.get("name", "") for one in dicts_in(sent.get("tools"))]
        return self._without_ours(made, names, {"type": "none"})

    def with_text(self, sent: dict[str, Any], text: str) -> dict[str, Any]:
        """Return a request with a text behind the last message of the user."""
        block = {"type": "text", "text": text}
        *before, message = sent["messages"]
        if message.get("role") != "user":
            added = [message, {"role": "user", "content": [block]}]
        else:
            content = message.get("content")
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            added = [{**message, "content": [*blocks, block]}]
        return {**sent, "messages": [*before, *added]}

    # A stream -------------------------------------------------------------------------------------

    def take_event(self, frame: Frame, event: dict[str, Any]) -> bytes:
        """Return what the client gets of an event now."""
        self._keep(frame)
        kind = event.get("type")
        if kind in ("message_delta", "message_stop") and self.changed:
            self._held.append(frame)
            return b""
        if kind == "message_start" and self.rounds:
            return b""
        if "index" not in event:
            return frame.raw
        index = event["index"]
        if kind == "content_block_start":
            if self._is_our_use(event.get("content_block")):
                self._withheld = True
                self._places[index] = -1
                return b""
            self._places[index] = self._shown
            self._shown += 1
        place: Any = self._places.get(index, index)
        if place < 0:
            return b""
        return frame.raw if place == index else frame.with_event({**event, "index": place})

    def ends(self, frame: Frame) -> bool:
        """Return whether an event is the last of a round."""
        return frame.event is not None and frame.event.get("type") == "message_stop"

    def begin_round(self, round_: Round) -> None:
        """Go on after a round that another follows."""
        super().begin_round(round_)
        self._places = {}

    def last_frames(self, round_: Round) -> bytes:
        """Return the end of the message, with the usage of all rounds."""
        rounds = [one.body for one in self.rounds] + [round_.body]
        whole = self.together(rounds)
        made = []
        for frame in self._held:
            event = frame.event or {}
            delta = event.get("delta")
            if event.get("type") != "message_delta" or not isinstance(delta, dict):
                made.append(frame.raw)
                continue
            new = {**event, "delta": {**delta}}
            if delta.get("stop_reason") is not None:
                new["delta"]["stop_reason"] = whole.get("stop_reason")
            if len(rounds) > 1 and isinstance(event.get("usage"), dict):
                names = _USAGE_AT_THE_END | event["usage"].keys()
                usage = whole.get("usage") or {}
                new["usage"] = {k: v for k, v in usage.items() if k in names}
            made.append(frame.raw if new == event else frame.with_event(new))
        return b"".join(made)

    def failed(self, error: dict[str, Any]) -> bytes:
        """Return the event `error`."""
        return named_frame({"type": "error", "error": error}, "error")

    def _is_our_use(self, block: Any) -> bool:
        return self._is_ours(block) and block.get("type") == "tool_use"


def _sendable(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block of a reply as a request may have it: an input that is no JSON is empty."""
    if block.get("type") == "tool_use" and not isinstance(block.get("input"), dict):
        return {**block, "input": {}}
    return block


def _calls_a_tool(blocks: list[Any]) -> bool:
    return any(block.get("type") == "tool_use" for block in dicts_in(blocks))
