"""Fixtures of all modules, and how long properties are tried."""

from __future__ import annotations

import json
import logging
import math
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# Frameworks that would ask the network when they are imported or run.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")

# No test fails because a machine is busy.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("patient", _PATIENT)
settings.load_profile("patient")
# The slow lane's: `pytest -m "slow or hypothesis" --hypothesis-profile=many`.
settings.register_profile("many", _PATIENT, max_examples=500)


@pytest.hookimpl(trylast=True)  # of the tests that -m and -k leave
def pytest_collection_modifyitems(items):
    """Put the longest tests at the start of what each worker is given, so that none is the last.

    A marker `slow(90)` says that a test takes about so many seconds; those of a file stay together,
    because they share what a fixture of the module builds.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1:
        return
    files, others = {}, []
    for item in items:
        marker = item.get_closest_marker("slow")
        if marker is None or not marker.args:
            others.append(item)
        else:
            files.setdefault(item.path, []).append((marker.args[0], item))
    shares = [(0, []) for _ in range(workers)]
    for timed in sorted(files.values(), key=lambda timed: -sum(s for s, _ in timed)):
        least = min(range(workers), key=lambda worker: shares[worker][0])
        seconds, share = shares[least]
        shares[least] = (seconds + sum(s for s, _ in timed), [*share, *(item for _, item in timed)])
    # pytest-xdist gives each worker as many tests, of the order that they have here.
    ordered, count = [], len(items)
    for left, (_, share) in zip(range(workers, 0, -1), shares, strict=True):
        room = max((count - len(ordered)) // left - len(share), 0)
        ordered += [*share, *others[:room]]
        del others[:room]
    items[:] = ordered + others


@pytest.fixture(scope="session", autouse=True)
def interrupts():
    """Let SIGINT reach the programs that tests start.

    A shell without job control starts what it puts in the background with SIGINT ignored, which
    programs inherit, and Python then leaves it ignored.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def empty_caches(tmp_path_factory):
    """Let no model be counted by a tokenizer file that happens to be in a cache on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
            patch.delenv(variable, raising=False)
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiktoken_encoding():
    """Return a function from a name to tiktoken's encoding, the oracle of all counts."""
    from tiktoken_oracle import encoding

    return encoding


@pytest.fixture(scope="session")
def recount(tiktoken_encoding):
    """Return a slow twin of the count of chat messages, with the documented overhead of OpenAI."""
    encoding = tiktoken_encoding("o200k_base")

    def count(text):
        return len(encoding.encode_ordinary(text))

    def call(name, arguments):
        return 12 + 2 * count(name) + count(arguments)  # as measured with gpt-5; ids are not sent

    def block(told):
        if isinstance(told, str):
            return count(told)
        if told["type"] == "tool_use":
            return call(told["name"], json.dumps(told["input"]))
        if told["type"] == "tool_result":
            return 4 + count(told.get("content", ""))  # a message of its own, of the role "tool"
        if told["type"] == "thinking":
            return max(count(told["thinking"]), math.ceil(len(told["signature"]) / 4))
        return count(told["text"])

    def one(message):
        total = 3 + count(message["role"])  # per message, OpenAI's cookbook
        content = message.get("content") or []
        total += sum(map(block, [content] if isinstance(content, str) else content))
        if "name" in message and message["role"] != "tool":
            total += 1 + count(message["name"])
        for made in message.get("tool_calls", []):
            total += call(made["function"]["name"], made["function"]["arguments"])
        return total

    return lambda messages: 3 + sum(map(one, messages))


@pytest.fixture
def upstream():
    """Return an upstream of the gateway, every byte of which a test decides."""
    from gateways import Upstream

    made = Upstream()
    yield made
    made.close()


@pytest.fixture(scope="module")
def provider():
    """Return an upstream that refuses what a provider refuses, and else answers as one."""
    from upstream.server import Upstream

    with Upstream() as running:
        yield running


@pytest.fixture(scope="module")
def strict():
    """Return such an upstream that always answers "Done."."""
    from upstream.app import App
    from upstream.server import Upstream

    with Upstream(App(script="Done.")) as running:
        yield running


@pytest.fixture(scope="module")
def house():
    """Return gateways of every mode, each with an upstream."""
    from gateway_doors import open_house

    with open_house() as opened:
        yield opened


@pytest.fixture
def no_traceback(caplog):
    """Fail if anything that a client or an upstream did has made a traceback."""
    caplog.set_level(logging.WARNING)
    yield
    shown = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in shown] == []
