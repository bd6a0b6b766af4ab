"""Real clients get through a gateway what they get without it.

Every scenario of every client runs against the upstream directly and through a gateway of each
mode. What the client got is equal; the upstream refuses nothing; and in `observe` the requests that
reach the upstream are those that the client sent, byte for byte.
"""

from __future__ import annotations

from typing import Any

import pytest
from client_drivers.registry import DRIVERS, run
from gateway_doors import COMMON, MODES

SDK = (*COMMON, "overloaded")
LITE = tuple(name for name in COMMON if name != "abort")
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


FAST = ("OpenAIChat", "OpenAIResponses", "AnthropicMessages", "AsyncAnthropicMessages")


def pairs(drivers: dict[str, tuple[str, ...]]) -> list[Any]:
    """Every client with each of its scenarios; some clients are for the fast lane."""
    return [
        pytest.param(driver, scenario, marks=() if driver in FAST else pytest.mark.slow)
        for driver, names in drivers.items()
        for scenario in names
    ]


@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize(("driver", "scenario"), pairs(SCENARIOS))
def test_python_clients(house, driver, scenario, door):
    house.check(door, driver, [scenario], lambda url, keys: run(driver, url, keys))


@pytest.mark.slow  # LiteLLM takes ten seconds to load
@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize(("driver", "scenario"), pairs(LITELLM))
def test_litellm(house, driver, scenario, door):
    house.check(door, driver, [scenario], lambda url, keys: run(driver, url, keys))


def test_every_driver_is_run():
    elsewhere = {"LlamaIndexOpenAI", "LlamaIndexAnthropic"}  # test_gateway_programs.py
    assert set(DRIVERS) == {*SCENARIOS, *LITELLM} | elsewhere
