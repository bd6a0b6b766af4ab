"""Real clients get through a gateway what they get without it.

Every scenario of every client runs against the upstream directly and through a gateway of each
mode. What the client got is equal; the upstream refuses nothing; and in `observe` the requests that
reach the upstream are those that the client sent, byte for byte.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from client_drivers.registry import DRIVERS, run
from gateway_doors import MODES, gateway
from upstream.relay import Relay
from upstream.script import Failure, Reply, Text, Thinking, ToolCall
from upstream.server import Upstream

TESTS = Path(__file__).resolve().parent
CLIENTS = TESTS / "clients"
NODE_MODULES = CLIENTS / "node_modules"
OLDER_PYTHON = CLIENTS / "venv" / "bin" / "python"

CALLS = [ToolCall("weather", {"city": "Zürich"}), ToolCall("weather", {"city": "東京"})]
SCRIPTS = {
    "text": ["Größe and 大小."],
    "stream": [Reply("Größe and 大小 in a stream.", chunk=11)],
    "tools": [Reply([Text("I look."), *CALLS]), "Sunny in both."],
    "tools_stream": [Reply([Text("I look."), *CALLS]), "Sunny in both."],
    "thinking": [Reply([Thinking("A city first."), CALLS[0]]), "Sunny."],
    "image": ["A very small image."],
    "retry": [Failure(429, "slow down", retry_after=0.02), "After all."],
    "refused": [Failure(400, "not like this")],
    "overloaded": [Failure(529, "Overloaded")],
    "abort": [Reply("word " * 300, pause=0.01)],
}
# What the scripts refuse; anything else that is refused is a fault.
ERRORS = {"retry": ["slow down"], "refused": ["not like this"], "overloaded": ["Overloaded"]}
# What every hop has of its own: the other side's name, and what holds for one connection.
HOP_HEADERS = {b"host", b"connection", b"keep-alive", b"transfer-encoding"}
ABORT_SECONDS = 5.0

COMMON = ("text", "stream", "tools", "tools_stream", "image", "retry", "refused", "abort")
SDK = (*COMMON, "overloaded")
LITE = tuple(name for name in COMMON if name != "abort")
LLAMA = ("text", "stream", "tools", "image", "retry", "refused")
SCENARIOS = {
    "OpenAIChat": SDK,
    "AsyncOpenAIChat": SDK,
    "OpenAIResponses": (*SDK, "thinking"),
    "AsyncOpenAIResponses": (*SDK, "thinking"),
    "AnthropicMessages": (*SDK, "thinking"),
    "AsyncAnthropicMessages": (*SDK, "thinking"),
    "LangChainOpenAI": COMMON,
    "LangChainResponses": COMMON,
    "LangChainAnthropic": COMMON,
}
LITELLM = {"LiteLLMOpenAI": LITE, "LiteLLMAnthropic": LITE}
LLAMA_INDEX = {"LlamaIndexOpenAI": LLAMA, "LlamaIndexAnthropic": LLAMA}


def pairs(drivers: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Every client with each of its scenarios."""
    return [(driver, scenario) for driver, names in drivers.items() for scenario in names]


class House:
    """The upstream, the doors to it, and what each client got directly."""

    def __init__(self, upstream: Upstream, stack: contextlib.ExitStack) -> None:
        self.upstream, self._stack = upstream, stack
        self._relays: dict[str, Relay] = {}
        self._direct: dict[tuple, object] = {}

    def door(self, name: str) -> Relay:
        """Return the relay before a door, which is opened at its first use."""
        if name not in self._relays:
            url = self.upstream.url
            if name in MODES:
                url = self._stack.enter_context(gateway(url, name))
            self._relays[name] = self._stack.enter_context(Relay(url))
        return self._relays[name]

    def through(self, door: str, client: str, scenario: str, call) -> object:
        """Return what `call(url, key)` got through a door, after the checks of all doors."""
        key = f"sk-{door}-{client}-{scenario}-key"
        self.upstream.app.scripts[key] = SCRIPTS.get(scenario, SCRIPTS["tools"])
        got = call(self.door(door).url, key)
        records = self.upstream.of(key)
        assert records, "nothing reached the upstream"
        errors = [record.error for record in records if record.error is not None]
        assert errors == ERRORS.get(scenario, [])
        if scenario == "abort":
            self.wait_until_left(records[-1])
        if door == "observe":
            self.compare(key, records)
        return got

    def wait_until_left(self, record) -> None:
        """Wait until the upstream has seen that the client left."""
        end = time.monotonic() + ABORT_SECONDS
        while not record.disconnected and time.monotonic() < end:
            time.sleep(0.005)
        assert record.disconnected and not record.complete

    def compare(self, key: str, records: list) -> None:
        """Compare what the client sent with what the upstream got, byte for byte."""
        sent = self.door("observe").sent(key)
        assert len(sent) == len(records)
        for ours, theirs in zip(sent, records, strict=True):
            query = f"?{theirs.query}" if theirs.query else ""
            assert (ours.method, ours.target) == (theirs.method, theirs.path + query)
            assert ours.body == theirs.body
            assert end_to_end(ours.headers) == end_to_end(theirs.headers)

    def check(self, door: str, client: str, scenario: str, call) -> None:
        """Check that a client gets through a door what it gets directly."""
        if (client, scenario) not in self._direct:
            direct = self.through("direct", client, scenario, call)
            self._direct[client, scenario] = direct
        expected = self._direct[client, scenario]
        got = self.through(door, client, scenario, call)
        if door == "manage":  # a managed request may be shorter
            expected, got = without_usage(expected), without_usage(got)
        assert expected == got


def end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers that no hop may change."""
    return [(name, value) for name, value in headers if name not in HOP_HEADERS]


def without_usage(value: object) -> object:
    """JSON without counts of tokens."""
    if isinstance(value, list):
        return [without_usage(one) for one in value]
    if isinstance(value, dict):
        return {key: without_usage(one) for key, one in value.items() if "usage" not in key}
    return value


@pytest.fixture(scope="module")
def house():
    with (
        pytest.MonkeyPatch.context() as patch,
        Upstream() as upstream,
        contextlib.ExitStack() as stack,  # relays and gateways are closed before the upstream
    ):
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield House(upstream, stack)


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize(("driver", "scenario"), pairs(SCENARIOS))
def test_python_clients(house, driver, scenario, door):
    house.check(door, driver, scenario, lambda url, key: run(driver, scenario, url, key))


@pytest.mark.slow  # LiteLLM takes ten seconds to load
@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize(("driver", "scenario"), pairs(LITELLM))
def test_litellm(house, driver, scenario, door):
    house.check(door, driver, scenario, lambda url, key: run(driver, scenario, url, key))


def test_every_driver_is_run():
    assert set(DRIVERS) == {*SCENARIOS, *LITELLM, *LLAMA_INDEX}
