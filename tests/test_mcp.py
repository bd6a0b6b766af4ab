"""`ctxmem mcp`, asked by the client of the official SDK, in process, on stdio and on HTTP."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
from mcp import MCPError
from mcp_sessions import BUDGET, SAID, TOOLS, ask, refused, served, trip

import ctxmem
from ctxmem import Memory
from ctxmem.gateway.mcp.answers import ANSWER_CHARACTERS, PAGE_CHARACTERS
from ctxmem.gateway.mcp.server import session_uri
from ctxmem.gateway.mcp.session_reader import OPEN_SESSIONS, SessionReader
from ctxmem.gateway.store_path import ACCOUNTS
from ctxmem.stores import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ctxmem.db")


# Tools --------------------------------------------------------------------------------------------


async def test_every_tool_reads_only_and_has_schemas(path: str):
    trip(path).close()
    async with served(path) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == TOOLS
        for tool in tools:
            assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint
            assert tool.output_schema["type"] == "object"
            assert len(tool.description) > 80
            for name, schema in tool.input_schema["properties"].items():
                assert schema["description"], (tool.name, name)
        assert "session" in tools[0].input_schema["properties"]
        assert "it is data" in client.instructions.casefold()


async def test_recall_finds_what_was_said_and_reads_a_page_by_its_id(path: str):
    trip(path).close()
    async with served(path) as client:
        found = await ask(client, "recall", query="What is my booking code?")
        assert found["session"] == "trip"
        assert found["pages"][0]["text"] == "My booking code is HAT017."
        assert found["pages"][0]["id"] == "p1"
        assert len((await ask(client, "recall", query="city", k=2))["pages"]) == 2
        by_id = await ask(client, "recall", page="p2")
        assert [page["text"] for page in by_id["pages"]] == ["Noted, HAT017."]
        one = (await ask(client, "page", id="p1", start=11))["page"]
        assert (one["text"], one["start"], one["characters"]) == ("code is HAT017.", 11, 26)
        nothing = await ask(client, "recall", query="zebra")
        assert nothing["pages"] == [] and "try other words" in nothing["note"]


async def test_ledger_has_what_binds(path: str):
    trip(path).close()
    async with served(path) as client:
        found = await ask(client, "ledger")
    assert [(one["kind"], one["text"], one["page"]) for one in found["statements"]] == [
        ("rule", "Never charge a card without asking.", "p0"),
        ("value", "My booking code is HAT017.", "p1"),
    ]
    assert found["total"] == 2 and found["next_start"] is None


async def test_budget_is_that_of_the_window_that_the_session_sends(path: str):
    with trip(path) as memory:
        window = memory.window()
        async with served(path) as client:
            found = await ask(client, "budget")
            assert (found["budget"], found["tokens"]) == (BUDGET, window.tokens)
            assert found["left"] == BUDGET - window.tokens > 0
            assert found["parts"] == dict(window.parts)
            assert sum(found["parts"].values()) == window.tokens
            assert found["parts"]["system"] > 10 < found["parts"]["index"]
            assert found["messages"] == 27 and found["messages_shown"] == len(set(window.shown))
            memory.append({"role": "user", "content": "And what about city 99?"})
            again = await ask(client, "budget")
            assert again["messages"] == 28 and again["tokens"] > found["tokens"]


async def test_explain_has_the_receipts_the_latest_first(path: str):
    with trip(path) as memory:
        receipts = memory.receipts()
        pages = {page.id: page.text for page in memory.pages()}
    assert len(receipts) > 1
    async with served(path) as client:
        found = await ask(client, "explain")
        numbers = list(range(len(receipts)))
        assert [one["number"] for one in found["edits"]] == numbers[::-1]
        assert [one["digest"] for one in found["edits"]] == [one.digest for one in receipts[::-1]]
        assert found["edits"][0]["why"] == "the window would have been over its budget"
        assert f"of {BUDGET} tokens" in found["window"]
        left = found["edits"][0]["pages"][0]
        assert (await ask(client, "page", id=left))["page"]["text"] == pages[left]
        older = await ask(client, "explain", before=1)
        assert [one["number"] for one in older["edits"]] == [0]


async def test_explain_reads_on_where_there_are_many_edits(path: str):
    with trip(path, turns=70) as memory:
        total = len(memory.receipts())
    assert total > 10
    async with served(path) as client:
        numbers, before = [], None
        for _ in range(total):
            found = await ask(client, "explain", before=before)
            numbers += [one["number"] for one in found["edits"]]
            before = found["next_before"]
            if before is None:
                break
            assert f"explain(before={before})" in found["note"]
    assert numbers == list(range(total))[::-1]


async def test_audit_finds_a_call_without_result_and_a_repeat(path: str):
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    report = "The harbour museum opens at nine and closes at five on every day but Monday. " * 8
    with Memory(4_000, store=path, session="faulty") as memory:
        memory.append(
            [
                {"role": "user", "content": "What time is it?"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "user", "content": report},
                {"role": "user", "content": report},
            ]
        )
    async with served(path) as client:
        found = await ask(client, "audit")
    assert ("open_call", 1) in [(one["kind"], one["message"]) for one in found["refusals"]]
    waste = {one["kind"]: one for one in found["waste"]}
    assert waste["repeat_in_request"]["messages"] == [3]
    assert waste["repeat_in_request"]["tokens"] == ctxmem.count_tokens(report)
    assert found["tokens"] > 2 * waste["repeat_in_request"]["tokens"]


# Sessions and tenants -----------------------------------------------------------------------------


async def test_a_session_is_named_or_the_only_one(path: str):
    trip(path, session="a").close()
    with Memory(BUDGET, store=path, session="b") as memory:
        memory.append({"role": "user", "content": "I am in b."})
    async with served(path) as client:
        said = await refused(client, "ledger")
        assert "give 'session'" in said and "'b', 'a'" in said  # the latest first
        assert (await ask(client, "page", id="p0", session="b"))["page"]["text"] == "I am in b."
    async with served(path, session="a") as client:
        assert (await ask(client, "ledger"))["session"] == "a"
        assert (await ask(client, "ledger", session="b"))["session"] == "b"


def test_the_accounts_of_a_gateway_are_no_tenant_of_their_own(path: str):
    store = SqliteStore(path)
    for tenant in ("gateway-a", "gateway-a" + ACCOUNTS):
        store.append(tenant, "one", [b"{}"])
    store.close()
    reader = SessionReader(path)
    assert reader.tenant() == "gateway-a"
    reader.close()


async def test_a_tenant_sees_nothing_of_another(path: str):
    with Memory(BUDGET, store=path, session="s", tenant="acme") as memory:
        memory.append({"role": "user", "content": "The secret of one is MAPLE."})
    async with served(path) as client:  # the only tenant
        assert (await ask(client, "page", id="p0"))["page"]["text"].endswith("MAPLE.")
        with Memory(BUDGET, store=path, session="s", tenant="two") as memory:
            memory.append({"role": "user", "content": "I am of two."})
        assert (await ask(client, "page", id="p0"))["page"]["text"].endswith("MAPLE.")
    async with served(path, tenant="two") as client:
        assert (await ask(client, "page", id="p0", session="s"))["page"]["text"] == "I am of two."
        assert (await ask(client, "recall", query="secret MAPLE"))["pages"] == []
    async with served(path) as client:  # two tenants, none named
        said = await refused(client, "ledger", session="s")
        assert "2 tenants" in said and "--tenant" in said and "acme" not in said
    with Memory(BUDGET, store=path, session="s") as memory:
        memory.append({"role": "user", "content": "I am of the default tenant."})
    async with served(path) as client:  # several tenants, one of them the default
        said = (await ask(client, "page", id="p0"))["page"]["text"]
        assert said == "I am of the default tenant."
    async with served(path, tenant="three") as client:
        assert "there is no session yet" in await refused(client, "ledger")
        listed = await client.read_resource("ctxmem://sessions")
        assert json.loads(listed.contents[0].text)["sessions"] == []


async def test_more_sessions_than_are_kept_open(path: str):
    names = [f"s{i}" for i in range(OPEN_SESSIONS + 3)]
    for name in names:
        with Memory(BUDGET, store=path, session=name) as memory:
            memory.append({"role": "user", "content": f"I am {name}."})
    async with served(path) as client:
        for name in names * 2:
            page = await ask(client, "page", id="p0", session=name)
            assert page["page"]["text"] == f"I am {name}."


# Resources ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Trip-1", "team/chat 1", "../../etc/passwd", "/etc/passwd", "ü?#%41", "sessions"]
)
async def test_resources_of_any_session_are_read_by_their_address(path: str, name: str):
    trip(path, session=name).close()
    async with served(path) as client:
        listed = json.loads((await client.read_resource("ctxmem://sessions")).contents[0].text)
        assert [one["session"] for one in listed["sessions"]] == [name]
        assert listed["sessions"][0]["bytes"] > 1_000 and listed["total"] == 1
        ledger = await client.read_resource(listed["sessions"][0]["ledger"])
        assert json.loads(ledger.contents[0].text) == await ask(client, "ledger")
        page = await client.read_resource(session_uri(name, "pages/p1"))
        assert page.contents[0].text == "My booking code is HAT017."
        assert page.contents[0].mime_type == "text/plain"


@pytest.mark.parametrize(
    "address",
    [
        "ctxmem://trip/pages/p999",
        "ctxmem://trip/pages/..%2f..%2fetc%2fpasswd",
        "ctxmem://trip/pages/p1%00",
        "ctxmem://nobody/ledger",
        "ctxmem:///ledger",
        "ctxmem://trip/other",
        "file:///etc/passwd",
        "ctxmem://%ff%fe/ledger",
        "",
    ],
)
async def test_addresses_that_lead_nowhere_are_errors(path: str, address: str):
    trip(path).close()
    async with served(path) as client:
        with pytest.raises(MCPError):
            await client.read_resource(address)
        assert (await client.read_resource("ctxmem://trip/pages/p1")).contents


# Bounds -------------------------------------------------------------------------------------------


async def test_a_page_that_is_cut_is_read_to_its_end(path: str):
    text = "".join(f"{i:>200}" for i in range(600))  # few tokens a character: one long page
    with Memory(100_000, store=path, session="s") as memory:
        memory.append({"role": "user", "content": text})
        pages = [page.text for page in memory.pages()]
    assert max(map(len, pages)) > PAGE_CHARACTERS
    async with served(path) as client:
        whole = []
        for number in range(len(pages)):
            start: int | None = 0
            while start is not None:
                answer = await ask(client, "page", id=f"p{number}", start=start)
                assert 0 < len(answer["page"]["text"]) <= PAGE_CHARACTERS
                whole.append(answer["page"]["text"])
                start = answer["page"]["next_start"]
                assert start is None or f"start={start}) reads on" in answer["note"]
            last = number + 1 == len(pages)
            assert last or f"goes on in page p{number + 1}" in answer["note"]
        assert "".join(whole) == text
        said = await refused(client, "page", id="p0", start=10**9)
        assert "expected one" in said


async def test_answers_are_bounded_and_say_what_is_left_out(path: str):
    with Memory(200_000, store=path, session="s") as memory:
        for i in range(20):
            memory.append(
                {"role": "user", "content": f"harbour {i}: " + "the harbour is open " * 200}
            )
        for i in range(60):
            rule = f"Never sell item {i} " + "to anyone who asks for it nicely " * 20
            memory.append({"role": "user", "content": rule.strip() + "."})
    async with served(path) as client:
        found = await ask(client, "recall", query="harbour", k=20)
        assert sum(len(page["text"]) for page in found["pages"]) <= ANSWER_CHARACTERS
        assert "left out to keep the answer short" in found["note"]
        texts, start = [], 0
        while start is not None:
            part = await ask(client, "ledger", start=start)
            assert sum(len(one["text"]) for one in part["statements"]) <= ANSWER_CHARACTERS
            texts += [one["text"] for one in part["statements"]]
            start = part["next_start"]
        with Memory(200_000, store=path, session="s") as memory:
            assert texts == [entry.text for entry in memory.ledger()]
        assert len(texts) > 50


# Hostile arguments --------------------------------------------------------------------------------

HOSTILE = [
    ("ledger", {"session": "../../../etc/passwd"}),
    ("ledger", {"session": "/etc/passwd"}),
    ("ledger", {"session": "'; DROP TABLE head; --"}),
    ("ledger", {"session": "trip\x00"}),
    ("ledger", {"session": "x" * 2_001}),
    ("ledger", {"session": "\x1b[2J" * 400}),
    ("ledger", {"session": ["trip"]}),
    ("ledger", {"session": 7}),
    ("ledger", {"start": -1}),
    ("ledger", {"start": 10**40}),
    ("ledger", {"start": "a"}),
    ("ledger", {"start": float("1e300")}),
    ("page", {}),
    ("page", {"id": ""}),
    ("page", {"id": "p-1"}),
    ("page", {"id": "p999999999999"}),
    ("page", {"id": "p1; DROP TABLE page"}),
    ("page", {"id": "../ctxmem.db"}),
    ("page", {"id": "p٣"}),
    ("page", {"id": {"$ne": 1}}),
    ("page", {"id": "p1", "start": 27}),
    ("recall", {}),
    ("recall", {"query": "   "}),
    ("recall", {"query": "x" * 20_001}),
    ("recall", {"query": "x", "k": 0}),
    ("recall", {"query": "x", "k": 21}),
    ("recall", {"query": "x", "k": "many"}),
    ("recall", {"page": "p99"}),
    ("recall", {"query": ["a"]}),
    ("explain", {"before": -1}),
    ("explain", {"before": "then"}),
    ("budget", {"session": {"a": 1}}),
    ("audit", {"session": "/dev/zero"}),
    ("drop_table", {}),
]


async def test_a_hostile_call_is_an_error_and_the_server_goes_on(
    path: str, caplog: pytest.LogCaptureFixture
):
    trip(path, turns=1).close()
    caplog.set_level(logging.DEBUG)
    async with served(path) as client:
        for tool, arguments in HOSTILE:
            said = await refused(client, tool, **arguments)
            case = (tool, arguments, said)
            assert len(said) < 10_000 and "\x1b" not in said and path not in said, case
            assert "fault in ctxmem" not in said, case
            page = await ask(client, "page", id="p1")
            assert page["page"]["text"] == SAID[1]["content"], case
    known = {"ctxmem.db", "ctxmem.db-wal", "ctxmem.db-shm"}
    assert set(os.listdir(os.path.dirname(path))) <= known
    for text in ("HAT017", "DROP", "passwd", path):
        assert text not in caplog.text


async def test_a_query_is_words_whatever_it_looks_like(path: str):
    trip(path, turns=1).close()
    async with served(path) as client:
        for query in (
            *('{"error": 5}', '["a"]', "null", "123", "' OR 1=1 --", "* NEAR(a b)"),
            *("booking\x00 code", "\u202e\ufeff", "-" * 20_000, "[" * 20_000, "a " * 10_000),
        ):
            await ask(client, "recall", query=query)
            found = await ask(client, "recall", query=query[:19_000] + " booking code")
            assert found["pages"][0]["id"] == "p1", query[:40]


async def test_null_is_an_argument_that_was_left_out(path: str):
    trip(path, turns=1).close()
    async with served(path) as client:
        found = await ask(client, "recall", query="booking code", page=None, session=None)
        assert found["pages"][0]["id"] == "p1"


async def test_lone_surrogates_are_shown_as_replacement_characters(path: str):
    with Memory(BUDGET, store=path, session="s\ud800") as memory:
        memory.append({"role": "user", "content": "Never say \ud800 again. It is rude."})
    async with served(path) as client:
        page = await ask(client, "page", id="p0")
        assert page["session"] == "s\ufffd"
        assert "\ufffd" in page["page"]["text"] and "\ud800" not in page["page"]["text"]
        for tool in ("ledger", "budget", "explain", "audit"):
            await ask(client, tool)
        listed = (await client.read_resource("ctxmem://sessions")).contents[0].text
        assert json.loads(listed)["sessions"][0]["session"] == "s\ufffd"
        assert "there is 's" in await refused(client, "page", id="p0", session="x")
