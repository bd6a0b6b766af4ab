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
import httpx
import openai
import pytest
import uvicorn
from upstream.app import App
from upstream.script import Call, Failure, Reply, Text, Thinking, ToolCall
from upstream.server import Upstream

from ctxmem import Memory, count_messages
from ctxmem.gateway.app import Gateway
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.managing import Manage
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire.anthropic import AnthropicMessages
from ctxmem.gateway.wire.chat import ChatCompletions
from ctxmem.gateway.wire.responses import Responses

WIRES = ("anthropic", "chat", "responses")
WIRE_OF = {"anthropic": AnthropicMessages(), "chat": ChatCompletions(), "responses": Responses()}
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
def served(upstream: Upstream, stage: Any, **options: Any) -> Iterator[str]:
    """Serve a gateway in front of an upstream."""
    given = {"mode": "manage", "recall": True, **options}
    settings = Settings({"": upstream.url}, store=":memory:", **given)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(Gateway(settings, stage), log_level="error")
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

    def __init__(
        self, wire: str, url: str, streams: bool, *, thinks: bool = False, tools: Any = None
    ) -> None:
        self.wire, self.streams, self.thinks = wire, streams, thinks
        self.tools = tools or [LOOK[wire]]
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
            "messages": self.history,
            "tools": self.tools,
        }
        if self.thinks:
            asked["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if not self.streams:
            return self.client.messages.create(**asked)
        with self.client.messages.stream(**asked) as events:
            return events.get_final_message()

    def _chat(self) -> Any:
        asked: dict[str, Any] = {
            "model": MODELS["chat"],
            "messages": self.history,
            "tools": self.tools,
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
            "tools": self.tools,
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
        talk = Conversation(wire, url, streams, thinks=True)
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


BILLED = {  # what a reply names, and what the upstream calls it
    "anthropic": {
        name: name
        for name in (
            *("input_tokens", "cache_creation_input_tokens"),
            *("cache_read_input_tokens", "output_tokens"),
        )
    },
    "chat": {"prompt_tokens": "input", "completion_tokens": "output"},
    "responses": {"input_tokens": "input", "output_tokens": "output"},
}
TWICE = [Reply([Text("Wait."), ToolCall("recall", {"query": f"service {n}"})]) for n in (3, 4)]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_the_client_is_told_all_tokens_that_were_billed(wire: str, streams: bool) -> None:
    stage = Stage()
    with Upstream(App(script=[*TWICE, "It is so."])) as upstream, served(upstream, stage) as url:
        reply = Conversation(wire, url, streams).ask("Which port?")
        billed = [record.usage for record in upstream.records]
    assert 3 == len(billed)
    for name, ours in BILLED[wire].items():
        assert sum(usage[ours] for usage in billed) == getattr(reply.usage, name)
    ((exchange, status, seen),) = stage.finished
    assert (200, 2) == (status, exchange.facts["recall_calls"])
    assert sum(usage[ours] for usage in billed) == seen.usage.output


@pytest.mark.parametrize("wire", WIRES)
def test_a_client_that_leaves_ends_the_request_that_goes_on(wire: str) -> None:
    stage = Stage()
    script = [TWICE[0], Reply("Late.", delay=20)]
    with Upstream(App(script=script)) as upstream, served(upstream, stage) as url:
        with leaving(wire, url) as response:
            for _ in response.iter_raw():
                if len(upstream.records) == 2:
                    break
                until(lambda: len(upstream.records) == 2, 0.05)
        until(lambda: len(upstream.records) == 2 and upstream.records[1].disconnected, 5)
        assert [False, True] == [record.disconnected for record in upstream.records]


@contextmanager
def leaving(wire: str, url: str) -> Iterator[httpx.Response]:
    """Begin a stream without an official client, which can be left at any time."""
    paths = {"anthropic": "messages", "chat": "chat/completions", "responses": "responses"}
    said = [{"role": "user", "content": "Which port?"}]
    body = {"model": MODELS[wire], "stream": True, "tools": [LOOK[wire]]}
    body |= {"input": said, "store": False} if wire == "responses" else {"messages": said}
    body |= {"max_tokens": 100} if wire == "anthropic" else {}
    headers = {"authorization": "Bearer k", "x-api-key": "k", "anthropic-version": "2023-06-01"}
    if wire != "anthropic":
        del headers["anthropic-version"]
    with httpx.stream("POST", f"{url}/v1/{paths[wire]}", json=body, headers=headers) as response:
        yield response


def until(holds: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_a_failure_after_a_call_is_the_clients_error(wire: str, streams: bool) -> None:
    script = [TWICE[0], Failure(503, "busy now")]
    with Upstream(App(script=script)) as upstream, served(upstream, Stage()) as url:
        talk = Conversation(wire, url, streams)
        if wire == "responses" and streams:
            with pytest.raises(Exception, match=r"completed|failed|busy"):
                talk.ask("Which port?")
        else:
            with pytest.raises((anthropic.APIStatusError, openai.APIError), match="busy now"):
                talk.ask("Which port?")
        assert 2 == len(upstream.records)


@pytest.mark.parametrize("cut", [-1, 0, 150])
@pytest.mark.parametrize("wire", WIRES)
def test_a_cut_after_a_call_is_a_cut(wire: str, cut: int) -> None:
    script = [TWICE[0], Reply("Never said.", cut=cut)]
    with (
        Upstream(App(script=script)) as upstream,
        served(upstream, Stage()) as url,
        leaving(wire, url) as response,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        for _ in response.iter_raw():
            pass


@pytest.mark.parametrize("wire", WIRES)
def test_what_the_upstream_refuses_with_the_tool_is_sent_as_the_client_wrote_it(wire: str) -> None:
    def script(call: Call) -> Reply | Failure:
        return Failure(400, "no tools, please") if "recall" in call.tools() else Reply("Plain.")

    stage = Stage()
    with Upstream(App(script=script)) as upstream, served(upstream, stage) as url:
        assert "Plain." == text_of(wire, Conversation(wire, url, False).ask("Which port?"))
        assert [400, 200] == [record.status for record in upstream.records]
    assert "refused" == stage.finished[0][0].why


def test_a_further_request_is_not_taken_for_the_first_one_again() -> None:
    with Upstream(App(script=[*TWICE, "So."])) as upstream, served(upstream, Stage()) as url:
        talk = Conversation("anthropic", url, False)
        talk.client = talk.client.with_options(
            default_headers={"idempotency-key": "once", "x-mine": "kept"}
        )
        talk.ask("Which port?")
        sent = [(one.header("idempotency-key"), one.header("x-mine")) for one in upstream.records]
        assert [("once", "kept"), ("", "kept"), ("", "kept")] == sent


def asks_for_what_left(call: Call) -> Reply:
    """Answer each note, and look for the note that the last question is about."""
    results = call.results()
    if any("umbrella of note 3" in one for one in results):
        return Reply([Text("It is green.")])
    if "Which colour" in json.dumps(call.items[-1]) or "Which colour" in json.dumps(
        call.items[-2:]
    ):
        return Reply([Text("Let me look."), ToolCall("recall", {"query": "umbrella of note 3"})])
    return Reply([Text("Noted.")])


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_a_managed_conversation_recalls_what_left_within_its_budget(wire, streams) -> None:
    budget = 2500
    settings = Settings(
        {"": "http://127.0.0.1:1"}, mode="manage", recall=True, budget=budget, store=":memory:"
    )
    stage = Manage(settings)
    facts: list[dict[str, Any]] = []
    finish = stage.finish

    def noting(exchange: Exchange, status: int, reply: Any) -> None:
        finish(exchange, status, reply)
        facts.append(exchange.facts)

    stage.finish = noting  # type: ignore[method-assign]
    with (
        Upstream(App(script=asks_for_what_left)) as upstream,
        served(upstream, stage) as url,
    ):
        talk = Conversation(wire, url, streams)
        for n in range(24):
            colour = "green" if n == 3 else "grey"
            rest = " ".join(f"rope{n}x{i}" for i in range(60))
            talk.ask(f"The umbrella of note {n} is {colour}. {rest}")
        assert text_of(wire, talk.ask("Which colour has that one?")).endswith("It is green.")
        assert [] == [one.error for one in upstream.records if one.status != 200]
        bodies = [json.loads(one.body) for one in upstream.records]
    assert facts[-1]["recall_calls"] == 1 and not any("fault" in one for one in facts)
    assert any(one["dropped"] for one in facts)
    for body in bodies if wire != "anthropic" else ():  # whose tokens are estimated
        messages, tools = body.get("messages", body.get("input")), body["tools"]
        options = {"counter": MODELS[wire], "provider": WIRE_OF[wire].provider}
        assert count_messages(messages, tools=tools, **options) <= budget
