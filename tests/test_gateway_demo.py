"""`ctxmem serve --demo`: two commands, and the page lives."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest
from starlette.testclient import TestClient

from ctxmem import check
from ctxmem.gateway.demo.running import _ScriptedConversation
from ctxmem.gateway.demo.script import CODING, SUPPORT, result_of
from ctxmem.gateway.demo.upstream import StubUpstream, _next

PATHS = ("/v1/messages", "/v1/chat/completions")


@pytest.mark.parametrize("story", [CODING, SUPPORT], ids=lambda story: story.name)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_a_conversation_is_one_that_a_provider_would_take(path, stream, story):
    model = "claude-sonnet-5" if path == PATHS[0] else "gpt-5"
    talk = _ScriptedConversation(0, story, path, model, stream)
    steps = 0
    with TestClient(StubUpstream().app()) as client:
        while not talk.over:
            talk.step(client)
            steps += 1
    provider = "anthropic" if path == PATHS[0] else "openai"
    assert steps > len(story.questions)  # tools were called
    assert [f for f in check(talk._messages, provider=provider) if f.rule] == []
    assert "This is a stub, not a model" in str(talk._messages[-1])


def test_the_stub_bills_by_the_rules_of_the_providers_cache():
    talk = _ScriptedConversation(0, CODING, PATHS[0], "claude-sonnet-5", False)
    with TestClient(StubUpstream().app()) as client:
        used = []
        while not talk.over:
            talk.step(client)
            used.append(talk._reply.usage)
    assert used[0].cached == 0
    assert used[-1].cached > 0.5 * used[-1].input
    assert max(one.input for one in used) > 12_000  # more than the budget of the demonstration


QUESTION = "What did the first test run say about the invoice totals earlier?"
NOTES = (
    "[memory] From earlier in this conversation:\np7 assistant: search(...)",
    "[memory] 2 earlier messages (p22-p23, 904 tokens) are stored",
    "[p23, user, from memory]\nsrc/billing/tax.py:385",
)


@pytest.mark.parametrize("note", NOTES)
def test_the_stub_takes_no_note_of_ctxmem_for_a_question(note):
    blocks = [{"type": "text", "text": note}]
    for content in (note, blocks):
        last = {"role": "user", "content": content}
        plain = [{"role": "user", "content": "Which function retries?"}, last]
        assert _next(plain, ["search", "recall"]) == _next(plain[:1], ["search", "recall"])
        asked = [{"role": "user", "content": QUESTION}, last]
        assert _next(asked, ["search", "recall"]) == ("", ("recall", QUESTION))
    both = {"role": "user", "content": [*blocks, {"type": "text", "text": QUESTION}]}
    assert _next([both], ["search", "recall"]) == ("", ("recall", QUESTION))


def test_results_of_tools_are_the_same_in_every_run():
    assert result_of("read_file", "src/api/routes.py", 3) == result_of(
        "read_file", "src/api/routes.py", 9
    )
    assert result_of("run_tests", "", 3) != result_of("run_tests", "", 9)


def started():
    command = [sys.executable, "-m", "ctxmem", "serve", "--demo", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--demo-seconds", "100"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "CTXMEM_OFFLINE": "1"},
    )
    said = ""
    for line in process.stderr:
        said += line
        found = re.search(r"page at (http://127\.0\.0\.1:\d+/ctxmem/)", said)
        if found:
            return process, found[1]
    raise AssertionError(said)


@pytest.mark.slow
def test_the_page_of_the_demonstration_fills_and_ends_cleanly():
    process, address = started()
    try:
        with httpx.Client(trust_env=False, timeout=30) as client:
            assert "ctxmem" in client.get(address).text
            until = time.monotonic() + 60
            state = {}
            while time.monotonic() < until:
                state = client.get(f"{address}state.json").json()
                if state["sums"].get("requests", 0) >= 12:
                    break
                time.sleep(0.2)
        assert state["about"]["demo"] is True
        assert state["sums"]["requests"] >= 12
        assert len(state["conversations"]) >= 3
        assert {talk["model"] for talk in state["conversations"]} == {"claude-sonnet-5", "gpt-5"}
        assert state["sums"].get("faults", 0) == 0 and state["sums"].get("errors", 0) == 0
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "Traceback" not in rest
