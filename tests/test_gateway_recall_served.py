"""Recall through a served gateway: official clients, real sockets, an upstream that is strict."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pytest
import uvicorn
from upstream.app import App
from upstream.script import Call, Failure, Reply, Text, Thinking, ToolCall
from upstream.server import Upstream

from ctxmem import Memory
from ctxmem.gateway.app import create_app
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.settings import Settings

WIRES = ("anthropic", "chat", "responses")
MODELS = {"anthropic": "claude-haiku-4-5", "chat": "gpt-4.1", "responses": "gpt-5"}
LOOK = {
    "anthropic": {"name": "look", "description": "look", "input_schema": {"type": "object"}},
    "chat": {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}},
    "responses": {
        "type": "function",
        "name": "look",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    },
}


class Stage:
    """Sends what the client wrote, with a conversation's memory; notes each reply."""

    def __init__(self) -> None:
        self.memory = Memory(200)
        for n in range(30):
            text = f"Note {n}: the port of service {n} is {8400 + n}."
            self.memory.append({"role": "user", "content": text})
        self.memory.window()
        self.finished: list[tuple[Exchange, int, Any]] = []

    def prepare(self, exchange: Exchange) -> bytes | None:
        exchange.notes["memory"] = self.memory
        return None

    def finish(self, exchange: Exchange, status: int, reply: Any) -> None:
        self.finished.append((exchange, status, reply))


@contextmanager
def served(upstream: Upstream, stage: Any) -> Iterator[str]:
    """Serve a gateway in front of an upstream."""
    settings = Settings({"": upstream.url}, mode="manage", recall=True, store=":memory:")
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(settings, stage), log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


class Conversation:
    """An official client with its history, which answers its own tool."""

    def __init__(self, wire: str, url: str, streams: bool) -> None:
        self.wire, self.streams = wire, streams
        options: dict[str, Any] = {"api_key": "k", "max_retries": 0}
        if wire == "anthropic":
            self.client: Any = anthropic.Anthropic(base_url=url, **options)
        else:
            self.client = openai.OpenAI(base_url=f"{url}/v1", **options)
        self.history: list[Any] = []

    def ask(self, text: str) -> Any:
        """Ask, answer calls of `look` until there are none, and return the last reply."""
        self.history.append({"role": "user", "content": text})
        for _ in range(5):
            reply = {"anthropic": self._message, "chat": self._chat, "responses": self._response}[
                self.wire
            ]()
            assert "recall" not in reply.model_dump_json(exclude={"tools"})
            if not self._answered(reply):
                return reply
        raise AssertionError("the model goes on and on")

    def _message(self) -> Any:
        asked: dict[str, Any] = {
            "model": MODELS["anthropic"],
            "max_tokens": 2000,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": self.history,
            "tools": [LOOK["anthropic"]],
        }
        if not self.streams:
            return self.client.messages.create(**asked)
        with self.client.messages.stream(**asked) as events:
            return events.get_final_message()

    def _chat(self) -> Any:
        asked: dict[str, Any] = {
            "model": MODELS["chat"],
            "messages": self.history,
            "tools": [LOOK["chat"]],
        }
        if not self.streams:
            return self.client.chat.completions.create(**asked)
        usage = {"include_usage": True}
        with self.client.chat.completions.stream(**asked, stream_options=usage) as events:
            return events.get_final_completion()

    def _response(self) -> Any:
        asked: dict[str, Any] = {
            "model": MODELS["responses"],
            "input": self.history,
            "tools": [LOOK["responses"]],
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
        if not self.streams:
            return self.client.responses.create(**asked)
        with self.client.responses.stream(**asked) as events:
            return events.get_final_response()

    def _answered(self, reply: Any) -> bool:
        """Put a reply into the history with its calls' results; return whether there are calls."""
        if self.wire == "anthropic":
            blocks = [one.model_dump(exclude_none=True) for one in reply.content]
            for block in blocks:
                block.pop("parsed_output", None)
            self.history.append({"role": "assistant", "content": blocks})
            given = [
                {"type": "tool_result", "tool_use_id": one["id"], "content": "seen"}
                for one in blocks
                if one["type"] == "tool_use"
            ]
            self.history += [{"role": "user", "content": given}] if given else []
            return bool(given)
        if self.wire == "chat":
            said = reply.choices[0].message.model_dump(exclude_none=True)
            calls = said.get("tool_calls") or []
            for call in calls:
                call.pop("index", None)
                call["function"].pop("parsed_arguments", None)
            said.pop("parsed", None)
            self.history.append(said)
            self.history += [
                {"role": "tool", "tool_call_id": one["id"], "content": "seen"} for one in calls
            ]
            return bool(calls)
        items = [one.model_dump(exclude_none=True) for one in reply.output]
        for item in items:
            item.pop("parsed_arguments", None)
            for part in item.get("content") or ():
                part.pop("parsed", None)
        self.history += items
        calls = [one for one in items if one["type"] == "function_call"]
        self.history += [
            {"type": "function_call_output", "call_id": one["call_id"], "output": "seen"}
            for one in calls
        ]
        return bool(calls)


def model(call: Call) -> Reply | Failure:
    """Look into the pages, then use the client's tool and `recall` at once, then answer."""
    wire = {"messages": "anthropic"}.get(call.api, call.api)
    thinks = [] if wire == "chat" else [Thinking(f"Thought {len(call.record.body)}.")]
    results = call.results()
    tail = json.dumps(call.items[-1])
    if "Which port" in tail and not results:
        return Reply([*thinks, Text("Let me look."), ToolCall("recall", {"query": "service 7"})])
    if any("8407" in one for one in results):
        both = [ToolCall("recall", {"page": "p9"}), ToolCall("look", {"at": "door"})]
        return Reply([*thinks, Text("It is 8407."), *both])
    if "You called recall" in tail:
        assert "8409" in tail
        return Reply([*thinks, Text("And 8409.")])
    return Reply([*thinks, Text("Fine.")])


def text_of(wire: str, reply: Any) -> str:
    if wire == "anthropic":
        return "|".join(one.text for one in reply.content if one.type == "text")
    return reply.choices[0].message.content if wire == "chat" else reply.output_text


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_a_conversation_goes_on_with_what_its_client_saw(wire: str, streams: bool) -> None:
    stage = Stage()
    with Upstream(App(script=model)) as upstream, served(upstream, stage) as url:
        talk = Conversation(wire, url, streams)
        assert "And 8409." == text_of(wire, talk.ask("Which port has service 7?"))
        said = json.dumps(talk.history)
        assert "Let me look." in said
        assert "It is 8407." in said
        assert "Fine." == text_of(wire, talk.ask("Thanks."))
        refused = [(one.status, one.error) for one in upstream.records if one.status != 200]
        assert [] == refused
        # Look up, both tools, the client's result, thanks.
        assert 4 == len(upstream.records)
    calls = [exchange.facts.get("recall_calls", 0) for exchange, _, _ in stage.finished]
    assert [2, 0, 0] == calls
    assert all("fault" not in exchange.facts for exchange, _, _ in stage.finished)
