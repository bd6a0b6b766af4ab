"""Rounds of OpenAI's Responses, whole and as events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ctxmem.chat.tools import result_message
from ctxmem.gateway.wire.frames import Frame, named_frame
from ctxmem.gateway.wire.responses import Responses
from ctxmem.gateway.wire.rounds import Round, Turn, dicts_in, summed

_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))
_STARTS = frozenset(("response.created", "response.queued", "response.in_progress"))
_OF_THE_FIRST = ("id", "created_at", "model", "tools", "tool_choice", "previous_response_id")
_BY_THE_PROVIDER = frozenset(
    (
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_call",
    )
)
"""Calls that the provider answers itself."""


class ResponsesTurn(Turn):
    """A reply of POST /v1/responses in rounds."""

    form = "responses"
    gather = staticmethod(Responses().gather)

    def __init__(self, sent: dict[str, Any], most: int, *ours: frozenset[str]) -> None:
        super().__init__(sent, most, *ours)
        self._keeps = sent.get("store") is not False
        self._shown = 0
        self._places: dict[Any, int] = {}
        self._number = 0

    def read(self, body: dict[str, Any]) -> Round:
        """Return what a response calls."""
        items = dicts_in(body.get("output"))
        return Round(
            body,
            [item for item in items if self._is_our_call(item)],
            [
                str(item.get("call_id") or item.get("id"))
                for item in items
                if self._is_clients(item)
            ],
            body.get("status") == "completed" and not body.get("error"),
        )

    def together(self, bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return one body of several, without calls of ours."""
        first, last = bodies[0], bodies[-1]
        made = {**last, **{name: first[name] for name in _OF_THE_FIRST if name in first}}
        items = [item for body in bodies for item in body.get("output") or ()]
        made["output"] = [item for item in items if not self._is_our_call(item)]
        if len(bodies) > 1 and any(body.get("usage") is not None for body in bodies):
            made["usage"] = summed(body.get("usage") for body in bodies)
        return made

    def followed(
        self, sent: dict[str, Any], round_: Round, results: Sequence[str], last: bool
    ) -> dict[str, Any]:
        """Return the request with the items and the results behind it."""
        given = sent.get("input")
        before = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
        said = dicts_in(round_.body.get("output"))
        if not self._keeps:
            said = _self_contained(said)
        results_ = [
            result_message(call, text) for call, text in zip(round_.calls, results, strict=True)
        ]
        made = {**sent, "input": [*before, *said, *results_]}
        if not last:
            return made
        names = [one.get("name", "") for one in dicts_in(sent.get("tools"))]
        return self._without_ours(made, names, "none")

    def with_text(self, sent: dict[str, Any], text: str) -> dict[str, Any]:
        """Return a request with a message of the user at its end."""
        given = sent.get("input")
        before = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
        return {**sent, "input": [*before, {"role": "user", "content": text}]}

    # A stream -------------------------------------------------------------------------------------

    def take_event(self, frame: Frame, event: dict[str, Any]) -> bytes:
        """Return what the client gets of an event now."""
        kind = event.get("type")
        if kind in _ENDS or kind in _STARTS or kind == "response.output_item.done":
            self._keep(frame)
        if kind in _ENDS and self.changed:
            self._held.append(frame)
            return b""
        if kind in _STARTS and self.rounds:
            return b""
        new = event
        if "output_index" in event:
            place = self._place(event["output_index"], event)
            if place < 0:
                return b""
            if place != event["output_index"]:
                new = {**event, "output_index": place}
        return self._numbered(frame, new)

    def _place(self, index: Any, event: dict[str, Any]) -> int:
        """Return where the client sees an item, -1 if it does not."""
        if index not in self._places:
            if self._is_our_call(event.get("item")):
                self._withheld = True
                self._places[index] = -1
            else:
                self._places[index] = self._shown
                self._shown += 1
        return self._places[index]

    def _numbered(self, frame: Frame, event: dict[str, Any]) -> bytes:
        """Return an event with the number that follows the last one that was shown."""
        number = event.get("sequence_number")
        if isinstance(number, int):
            if self.changed and number != self._number:
                event = {**event, "sequence_number": self._number}
                number = self._number
            self._number = number + 1
        return frame.raw if event is frame.event else frame.with_event(event)

    def ends(self, frame: Frame) -> bool:
        """Return whether an event is the last of a round."""
        return frame.done or (frame.event is not None and frame.event.get("type") in _ENDS)

    def begin_round(self, round_: Round) -> None:
        """Go on after a round that another follows."""
        super().begin_round(round_)
        self._places = {}

    def last_frames(self, round_: Round) -> bytes:
        """Return the end of the response, which holds all that was shown."""
        whole = self.together([*(one.body for one in self.rounds), round_.body])
        made = []
        for frame in self._held:
            if frame.event is None:
                made.append(frame.raw)
            else:
                made.append(self._numbered(frame, {**frame.event, "response": whole}))
        return b"".join(made)

    def failed(self, error: dict[str, Any]) -> bytes:
        """Return the event `response.failed`."""
        said = {
            "code": error.get("code") or error.get("type") or "server_error",
            "message": error.get("message") or "",
        }
        response = {**self.joined(), "status": "failed", "error": said}
        event = {
            "type": "response.failed",
            "sequence_number": self._number,
            "response": response,
        }
        return named_frame(event, "response.failed")

    def _is_our_call(self, item: Any) -> bool:
        return self._is_ours(item) and item.get("type") == "function_call"

    def _is_clients(self, item: dict[str, Any]) -> bool:
        """Return whether an item waits for an answer of the client."""
        kind = str(item.get("type"))
        if kind == "mcp_approval_request":
            return True
        ours = kind in _BY_THE_PROVIDER or self._is_our_call(item)
        return kind.endswith("_call") and not ours


def _self_contained(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items as they can be sent where the provider keeps none.

    A reasoning without its encrypted content exists only at the provider, so it is left out, and
    with it the ids by which the provider would ask for it.
    """
    reasoning = [item for item in items if item.get("type") == "reasoning"]
    if all(item.get("encrypted_content") for item in reasoning):
        return list(items)
    return [
        {name: value for name, value in item.items() if name != "id"}
        for item in items
        if item.get("type") != "reasoning"
    ]
