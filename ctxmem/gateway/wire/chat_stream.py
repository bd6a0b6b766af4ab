"""Rounds of OpenAI's Chat Completions, whole and as chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ctxmem.chat.tools import result_message
from ctxmem.gateway.wire.chat import ChatCompletions
from ctxmem.gateway.wire.frames import Frame, named_frame
from ctxmem.gateway.wire.rounds import Round, Turn, dicts_in, summed

_ENDED = frozenset(("tool_calls", "stop"))
_OF_THE_FIRST = ("id", "object", "created", "model", "system_fingerprint")
_BETWEEN = "\n\n"
"""What separates the texts of two rounds, which are one text for the client."""


class ChatTurn(Turn):
    """A reply of POST /v1/chat/completions in rounds."""

    form = "openai"
    gather = staticmethod(ChatCompletions().gather)

    def __init__(self, sent: dict[str, Any], most: int, *ours: frozenset[str]) -> None:
        super().__init__(sent, most, *ours)
        self._first: dict[str, Any] = {}
        self._shown = 0
        self._places: dict[Any, int] = {}
        self._between = ""

    def read(self, body: dict[str, Any]) -> Round:
        """Return what a completion calls."""
        choices = dicts_in(body.get("choices"))
        first = choices[0] if choices else {}
        calls = dicts_in(_message(first).get("tool_calls"))
        return Round(
            body,
            [call for call in calls if self._is_our_call(call)],
            [str(call.get("id")) for call in calls if not self._is_our_call(call)],
            first.get("finish_reason") in _ENDED and len(choices) == 1 and "error" not in body,
        )

    def together(self, bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return one body of several, without calls of ours."""
        first, last = bodies[0], bodies[-1]
        made = {**last, **{name: first[name] for name in _OF_THE_FIRST if name in first}}
        made["choices"] = [
            self._without_our_calls({**choice, "message": _message(choice)})
            for choice in dicts_in(last.get("choices"))
        ]
        if len(bodies) > 1 and made["choices"]:
            said = [_message(one) for body in bodies for one in dicts_in(body.get("choices"))[:1]]
            calls = made["choices"][0]["message"].get("tool_calls")
            made["choices"][0]["message"] = _one_message(said, calls)
        if len(bodies) > 1 and any(body.get("usage") is not None for body in bodies):
            made["usage"] = summed(body.get("usage") for body in bodies)
        return made

    def followed(
        self, sent: dict[str, Any], round_: Round, results: Sequence[str], last: bool
    ) -> dict[str, Any]:
        """Return the request with the message and the results behind it."""
        message = _message(dicts_in(round_.body.get("choices"))[0])
        said = {
            name: value for name, value in message.items() if value is not None or name == "content"
        }
        said.setdefault("role", "assistant")
        given = [
            result_message(call, text) for call, text in zip(round_.calls, results, strict=True)
        ]
        made = {**sent, "messages": [*sent["messages"], said, *given]}
        if not last:
            return made
        functions = [one.get("function") for one in dicts_in(sent.get("tools"))]
        names = [one.get("name", "") if isinstance(one, dict) else "" for one in functions]
        return self._without_ours(made, names, "none")

    def with_text(self, sent: dict[str, Any], text: str) -> dict[str, Any]:
        """Return a request with a message of the user at its end."""
        return {**sent, "messages": [*sent["messages"], {"role": "user", "content": text}]}

    # A stream -------------------------------------------------------------------------------------

    def take_event(self, frame: Frame, event: dict[str, Any]) -> bytes:
        """Return what the client gets of an event now."""
        self._keep(frame)
        if not self.rounds and not self._first:
            self._first = {name: event[name] for name in _OF_THE_FIRST if name in event}
        if "choices" not in event:
            return frame.raw
        new = {**event, **self._first} if self.rounds else event
        choices = dicts_in(new["choices"])
        shown = [self._relayed(choice) for choice in choices]
        ending = not choices and new.get("usage") is not None
        if self.changed and (ending or any(one.get("finish_reason") for one in choices)):
            self._held.append(Frame(frame.raw, {**new, "choices": [_end(one) for one in choices]}))
            shown = [{**one, "finish_reason": None} for one in shown if one and one.get("delta")]
            new = {name: value for name, value in new.items() if name != "usage"}
            return frame.with_event({**new, "choices": shown}) if shown else b""
        if shown == choices:
            return frame.raw if new is event else frame.with_event(new)
        shown = [one for one in shown if one is not None]
        return frame.with_event({**new, "choices": shown}) if shown else b""

    def _relayed(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        """Return a part of a choice as the client gets it, None if nothing of it is left."""
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return choice
        made = {**delta}
        if isinstance(delta.get("tool_calls"), list):
            made["tool_calls"] = self._relayed_calls(delta["tool_calls"])
            if not made["tool_calls"] and delta["tool_calls"]:
                del made["tool_calls"]
        text = made.get("content")
        if self.rounds:
            made.pop("role", None)
            if isinstance(text, str) and text and self._between:
                made["content"], self._between = self._between + text, ""
        if made == delta:
            return choice
        empty = not any(value is not None for value in made.values())
        return None if empty and not choice.get("finish_reason") else {**choice, "delta": made}

    def _relayed_calls(self, parts: list[Any]) -> list[Any]:
        made = []
        for part in dicts_in(parts):
            index = part.get("index", 0)
            if index not in self._places:
                if self._is_our_call(part):
                    self._withheld = True
                    self._places[index] = -1
                else:
                    self._places[index] = self._shown
                    self._shown += 1
            place = self._places[index]
            if place >= 0:
                made.append(part if place == index else {**part, "index": place})
        return made

    def ends(self, frame: Frame) -> bool:
        """Return whether an event is the last of a round."""
        return frame.done

    def begin_round(self, round_: Round) -> None:
        """Go on after a round that another follows."""
        super().begin_round(round_)
        self._places = {}
        self._between = _BETWEEN if _text(self.joined()) else ""

    def last_frames(self, round_: Round) -> bytes:
        """Return the end of the completion, with the usage of all rounds."""
        whole = self.together([*(one.body for one in self.rounds), round_.body])
        choices = dicts_in(whole.get("choices"))
        reason = choices[0].get("finish_reason") if choices else None
        made = []
        for frame in self._held:
            if frame.event is None:
                made.append(frame.raw)
                continue
            new = {**frame.event}
            new["choices"] = [
                {**one, "finish_reason": reason} if one.get("finish_reason") else one
                for one in new["choices"]
            ]
            if new.get("usage") is not None:
                new["usage"] = whole.get("usage")
            made.append(frame.with_event(new))
        return b"".join(made)

    def failed(self, error: dict[str, Any]) -> bytes:
        """Return a chunk with an error."""
        return named_frame({"error": error})

    def _is_our_call(self, call: dict[str, Any]) -> bool:
        return self._is_ours(call.get("function"))

    def _without_our_calls(self, choice: dict[str, Any]) -> dict[str, Any]:
        calls = dicts_in(choice["message"].get("tool_calls"))
        left = [call for call in calls if not self._is_our_call(call)]
        if len(left) == len(calls):
            return choice
        message = {name: value for name, value in choice["message"].items() if name != "tool_calls"}
        if left:
            return {**choice, "message": {**message, "tool_calls": left}}
        reason = (
            "stop" if choice.get("finish_reason") == "tool_calls" else choice.get("finish_reason")
        )
        return {**choice, "message": message, "finish_reason": reason}


def _message(choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    return message if isinstance(message, dict) else {}


def _end(choice: dict[str, Any]) -> dict[str, Any]:
    return {**choice, "delta": {}}


def _text(body: dict[str, Any]) -> str:
    choices = dicts_in(body.get("choices"))
    text = _message(choices[0]).get("content") if choices else None
    return text if isinstance(text, str) else ""


def _one_message(said: Sequence[dict[str, Any]], calls: Any) -> dict[str, Any]:
    """Return the messages of rounds as one: texts are joined, of all else the last is taken."""
    made: dict[str, Any] = {}
    for message in said:
        for name, value in message.items():
            before = made.get(name)
            if name in ("role", "tool_calls") or not before or value is None:
                made[name] = before if name in made and value is None else value
            elif isinstance(before, str) and isinstance(value, str):
                made[name] = before + (_BETWEEN if name == "content" and value else "") + value
            elif isinstance(before, list) and isinstance(value, list):
                made[name] = before + value
            else:
                made[name] = value
    made.pop("tool_calls", None)
    return {**made, "tool_calls": calls} if calls else made
