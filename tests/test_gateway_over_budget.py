"""What the gateway says of requests that are passed on although they are over the budget."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from gateways import (
    ANSWER,
    Request,
    Upstream,
    body_of,
    headers_of,
    raw,
    reply,
    request,
    running,
    status_of,
)

from ctxmem.cli import main
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.managing import Manage
from ctxmem.gateway.observe.guarding import Guard
from ctxmem.gateway.over_budget import OverBudget
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.wire import wire_of

WORDS = "ship port crew tide wind map rope sail oar flag"
SYSTEM = {"role": "system", "content": "The rules. " + WORDS * 60}
SMALL, LARGE = 400, 100_000


def chat(turns: int) -> list[dict[str, Any]]:
    said = [SYSTEM]
    for number in range(turns):
        said += [
            {"role": "user", "content": f"Question {number}. {WORDS}"},
            {"role": "assistant", "content": f"Answer {number}. {WORDS}"},
        ]
    return [*said, {"role": "user", "content": "The last question."}]


def body(turns: int) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": chat(turns)}).encode()


async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(reply(ANSWER))


@pytest.mark.parametrize(("mode", "stage"), [("manage", Manage), ("guard", Guard)])
def test_a_request_that_stays_over_the_budget_is_passed_on_and_said_so(
    upstream: Upstream, caplog: pytest.LogCaptureFixture, mode: str, stage: Any
) -> None:
    upstream.handler = answer
    caplog.set_level(logging.WARNING, "ctxmem.gateway")
    with running(upstream.url, stage=stage, mode=mode, budget=SMALL, counter="o200k_base") as one:
        came = [raw(one.port, request(body=body(turns))) for turns in range(5)]
    assert [seen.body for seen in upstream.requests] == [body(turns) for turns in range(5)]
    for reply_ in came:
        assert (status_of(reply_), body_of(reply_)) == (200, ANSWER)
        shown = dict(headers_of(reply_))["x-ctxmem"]
        tokens, of, budget = shown.removeprefix("over budget; ").split(" ")[:3]
        assert (of, budget) == ("of", str(SMALL))
        assert int(tokens) > SMALL
        assert shown.endswith("of system message and tools; passed on")
    said = [one.getMessage() for one in caplog.records if "budget" in one.getMessage()]
    assert len(said) == 1  # not one for each request
    assert said[0].startswith("1 request is over the budget of 400 tokens and passed on")


@pytest.mark.parametrize(("mode", "stage"), [("manage", Manage), ("guard", Guard)])
def test_a_request_within_the_budget_has_no_such_header(
    upstream: Upstream, caplog: pytest.LogCaptureFixture, mode: str, stage: Any
) -> None:
    upstream.handler = answer
    with running(upstream.url, stage=stage, mode=mode, budget=LARGE) as one:
        came = raw(one.port, request(body=body(3)))
    assert "x-ctxmem" not in dict(headers_of(came))
    assert not [one for one in caplog.records if "budget" in one.getMessage()]


def test_a_warning_has_the_count_of_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    said = OverBudget(lambda: now[0])
    wire = wire_of("POST", "/v1/chat/completions")
    assert wire is not None
    for second in range(0, 130, 10):
        now[0] = second
        exchange = Exchange(wire, "t", 1)
        said.note(exchange, tokens=2876, head=2812, budget=2000)
        assert exchange.header == (
            "over budget; 2876 of 2000 tokens; 2812 of system message and tools; passed on"
        )
    texts = [one.getMessage() for one in caplog.records]
    assert [text.partition(" are over ")[0].partition(" is over ")[0] for text in texts] == [
        "1 request",
        "6 requests",
        "6 requests",
    ]
    assert "the last has 2,876 tokens, of which 2,812 are" in texts[0]


def test_a_budget_that_no_request_can_meet_is_refused() -> None:
    for name, least in (("", 8), ("openai", 8), ("anthropic", 43)):
        upstreams = {name: "http://127.0.0.1:1"}
        with pytest.raises(ValueError, match=f"no request has less than {least};"):
            Settings(upstreams, mode="manage", budget=least - 1)
        assert Settings(upstreams, mode="manage", budget=least).budget == least


def test_a_budget_in_a_mode_that_changes_nothing_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--upstream", "http://127.0.0.1:1", "--budget", "500", "--store", ":memory:"]
    assert main(["serve", *options]) == 2
    assert capsys.readouterr().err == (
        "ctxmem serve: budget works in the modes 'guard' and 'manage', and the mode is 'observe', "
        "which changes no request\n"
    )
    assert main(["serve", *options, "--mode", "manage", "--budget", "5"]) == 2
    assert "no request has less than 8" in capsys.readouterr().err
