"""`ctxmem mcp`, asked by the client of the official SDK, in process, on stdio and on HTTP."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from starlette.testclient import TestClient

import ctxmem
from ctxmem import InputError, Memory, StoreError
from ctxmem.cli import main
from ctxmem.gateway.mcp.answers import ANSWER_CHARACTERS, PAGE_CHARACTERS
from ctxmem.gateway.mcp.http import check_token, http_app, is_loopback, listen
from ctxmem.gateway.mcp.read_only import DryRunStore, ReadOnlyStore
from ctxmem.gateway.mcp.server import make_server, session_uri
from ctxmem.gateway.mcp.session_reader import OPEN_SESSIONS, SessionReader
from ctxmem.gateway.store_path import ACCOUNTS
from ctxmem.stores import MemoryStore, SqliteStore

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ["recall", "page", "ledger", "budget", "explain", "audit"]
TOKEN = "a-token-of-the-test-7"
BUDGET = 400

SAID = [
    {"role": "system", "content": "You book trips. Never charge a card without asking."},
    {"role": "user", "content": "My booking code is HAT017."},
    {"role": "assistant", "content": "Noted, HAT017."},
]


def trip(store: Any, *, session: str = "trip", tenant: str = "default", turns: int = 12) -> Memory:
    """Return a memory whose window had to be edited."""
    memory = Memory(BUDGET, store=store, session=session, tenant=tenant)
    memory.append(SAID)
    for i in range(turns):
        memory.append(
            [
                {"role": "user", "content": f"Question {i}: what is there to see in city {i}?"},
                {"role": "assistant", "content": f"City {i} has a lot " + "to see " * 20},
            ]
        )
        memory.window()
    return memory


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ctxmem.db")


def served(store: Any, **options: Any) -> Client:
    """Return a client, to be entered, of a server in this process."""
    return Client(make_server(SessionReader(store, budget=BUDGET, **options)))


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Return the structured answer of a tool, which must not be an error."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """Return the text of the error that a call of a tool is answered by."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return result.content[0].text


def command(store: str, *options: str) -> dict[str, Any]:
    """Return what starts `ctxmem mcp` as a process of its own."""
    arguments = ["-m", "ctxmem", "mcp", "--store", store, "--budget", str(BUDGET), *options]
    environment = {"PYTHONPATH": str(ROOT), "CTXMEM_OFFLINE": "1"}
    return {"command": sys.executable, "args": arguments, "env": environment}


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
        assert "It is data" in client.instructions or "it is data" in client.instructions


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
        assert [one["number"] for one in found["edits"]] == [2, 1, 0]
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


# Stores that fail, or change ----------------------------------------------------------------------


def contents(path: str) -> Any:
    with SqliteStore(path) as store:
        rows = [list(store.export(tenant)) for tenant in store.tenants()]
        sessions = [(t, s) for t in store.tenants() for s in store.sessions(t)]
        return rows, [store.snapshot(*one) for one in sessions], store.usage()


async def test_nothing_is_written(path: str):
    with trip(path) as memory:  # what comes now would be edited out by a window that is written
        memory.append({"role": "user", "content": "Look again. " + "word " * 200})
    before = contents(path)
    async with served(path) as client:
        for tool in ("ledger", "budget", "explain", "audit", "budget"):
            await ask(client, tool)
        for _ in range(3):  # what is recalled again and again would be kept in the window
            await ask(client, "recall", query="booking code")
            await ask(client, "page", id="p5")
        assert (await ask(client, "explain"))["total"] == 3
    assert contents(path) == before


async def test_a_store_that_is_not_there_is_not_made_and_is_read_once_it_is(path: str):
    async with served(path) as client:
        assert "not there yet" in await refused(client, "ledger")
        with pytest.raises(MCPError, match="not there yet"):
            await client.read_resource("ctxmem://sessions")
        assert not os.path.exists(path)
        trip(path, turns=0).close()
        assert (await ask(client, "ledger"))["total"] == 2


async def test_a_store_that_is_none_is_an_error_without_its_place(path: str):
    Path(path).write_bytes(b"this is no database" * 100)
    async with served(path) as client:
        for tool in ("ledger", "budget", "audit"):
            said = await refused(client, tool)
            assert "the store" in said and path not in said


async def test_what_is_damaged_is_left_out_and_counted(path: str):
    trip(path, turns=0).close()
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT rowid, payload FROM page ORDER BY rowid").fetchall()
        broken = next(row for row in rows if b"Noted" in row[1])
        changed = broken[1].replace(b"Noted", b"Noooo")
        connection.execute("UPDATE page SET payload = ? WHERE rowid = ?", (changed, broken[0]))
    connection.close()
    async with served(path) as client:
        found = await ask(client, "ledger")
        assert found["total"] == 2 and found["damaged"] == 1
        assert "1 damaged" in found["note"]
        assert (await ask(client, "page", id="p1"))["page"]["text"].endswith("HAT017.")
        for tool in ("budget", "explain", "audit"):
            assert (await ask(client, tool))["damaged"] == 1


async def test_a_session_that_is_deleted_under_the_server(path: str):
    trip(path, turns=2).close()
    async with served(path) as client:
        await ask(client, "ledger", session="trip")
        await ask(client, "budget", session="trip")
        with SqliteStore(path) as store:
            store.delete_session("default", "trip")
        for tool in ("ledger", "budget", "explain", "audit"):
            assert "there is no session 'trip'" in await refused(client, tool, session="trip")
        with Memory(BUDGET, store=path, session="trip") as memory:  # another one of that name
            memory.append({"role": "user", "content": "I am new. Always answer in French."})
        page = await ask(client, "page", id="p0", session="trip")
        assert page["page"]["text"].startswith("I am new.")
        assert "HAT017" not in json.dumps(await ask(client, "recall", query="booking HAT017"))
        assert (await ask(client, "budget"))["messages"] == 1


async def test_a_page_that_is_forgotten_is_gone(path: str):
    with trip(path, turns=1) as memory:
        async with served(path) as client:
            assert (await ask(client, "recall", query="booking code"))["pages"][0]["id"] == "p1"
            memory.forget("p1")
            answer = await ask(client, "recall", query="booking code")
            assert "booking code is" not in json.dumps(answer)
            assert (await ask(client, "page", id="p1"))["page"]["text"] == ""
            assert (await ask(client, "ledger"))["total"] == 1


async def test_a_window_that_cannot_be_is_an_error_that_names_the_budget(path: str):
    with Memory(4_000, store=path, session="s") as memory:
        memory.append({"role": "system", "content": "Rules. " * 600})
    async with served(path) as client:
        assert "budget" in await refused(client, "budget")
        assert (await ask(client, "ledger"))["session"] == "s"


async def test_a_fault_inside_is_an_error_that_shows_and_logs_no_text(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    trip(path, turns=1).close()
    caplog.set_level(logging.DEBUG)

    def broken(*_: object) -> None:
        raise RuntimeError("text of a session: HAT017")

    async with served(path) as client:
        monkeypatch.setattr(Memory, "ledger", broken)
        said = await refused(client, "ledger")
        assert "RuntimeError" in said and "HAT017" not in said
        with pytest.raises(MCPError) as caught:
            await client.read_resource("ctxmem://trip/ledger")
        assert "HAT017" not in str(caught.value)
        assert (await ask(client, "page", id="p1"))["page"]["text"].endswith("HAT017.")
    assert "HAT017" not in caplog.text
    assert "ledger: RuntimeError in " in caplog.text  # and it was logged


def test_read_only_stores_write_nothing():
    inner = MemoryStore()
    inner.append("t", "s", [b"one"])
    store = ReadOnlyStore(inner)
    for write in (
        lambda: store.append("t", "s", [b"two"]),
        lambda: store.delete_session("t", "s"),
        lambda: store.put_snapshot("t", "s", 1, {"state": b""}),
    ):
        with pytest.raises(StoreError):
            write()
    store.drop_snapshot("t", "s")
    store.close()
    dry = DryRunStore(inner)
    assert dry.append("t", "s", [b"two", b"three"], expect=1) == 3
    assert [record.payload for record in inner.read("t", "s")] == [b"one"]
    assert inner.version("t", "s") == store.version("t", "s") == 1
    with pytest.raises(InputError, match=":memory:"):
        SessionReader(":memory:")


# The command, as a process ------------------------------------------------------------------------


async def test_the_command_of_every_configuration_serves_while_another_process_writes(
    path: str, tmp_path: Path
):
    memory = trip(path)
    given = {(one["command"], *one["args"]) for one in configurations().values()}
    [(program, *arguments)] = given  # the same in all of them
    assert program == "ctxmem"
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "ctxmem", *arguments, "--budget", str(BUDGET)],
        env={"PYTHONPATH": str(ROOT), "CTXMEM_OFFLINE": "1"},
        cwd=tmp_path,
    )
    with open(tmp_path / "stderr", "w+") as errors:
        transport = stdio_client(parameters, errlog=errors)
        async with Client(transport) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
            found = await ask(client, "recall", query="booking code")
            assert found["pages"][0]["text"] == "My booking code is HAT017."
            for i in range(5):  # this process writes, that one reads
                [page] = memory.append({"role": "user", "content": f"The password is PINE{i}."})
                memory.window()
                answer = await ask(client, "recall", query=f"password PINE{i}", k=1)
                assert (answer["pages"][0]["id"], answer["pages"][0]["text"][-6:]) == (
                    page,
                    f"PINE{i}.",
                )
            assert (await ask(client, "budget"))["tokens"] == memory.window().tokens
            assert "no session" in await refused(client, "page", id="p0", session="../x")
        errors.seek(0)
        assert errors.read() == ""


def test_stdout_is_the_protocol_and_nothing_else(path: str):
    trip(path, turns=0).close()
    asked = [
        "this is no JSON",
        '{"jsonrpc": "2.0", "id": 1}',
        '{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
        '"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}',
        '{"jsonrpc":"2.0","method":"notifications/initialized"}',
        '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"page","arguments":'
        '{"id":"p1"}}}',
        '{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"page","arguments":'
        '{"id":"HAT017"}}}',
        '{"jsonrpc":"2.0","id":5,"method":"no/such/method"}',
    ]
    run = command(path)
    process = subprocess.Popen(
        [run["command"], *run["args"]],
        env={**os.environ, **run["env"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.stdin.write("\n".join(asked) + "\n")
        process.stdin.flush()
        answers: dict[int, Any] = {}
        while not {2, 3, 4, 5} <= answers.keys():
            line = process.stdout.readline()
            assert line, "the server ended"
            message = json.loads(line)
            answers[message.get("id")] = message
        out, errors = process.communicate(timeout=30)  # closes stdin: the client leaves
    finally:
        process.kill()
    assert out == "" and process.returncode == 0
    assert answers[3]["result"]["structuredContent"]["page"]["text"] == SAID[1]["content"]
    assert answers[4]["result"]["isError"] and "error" in answers[5]
    assert "HAT017" not in errors and "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--http", "--port", "0")])
def test_ctrl_c_ends_it_at_once(path: str, options: tuple[str, ...]):
    run = command(path, *options)  # there is no store, which it says when it is about to serve
    process = subprocess.Popen(
        [run["command"], *run["args"]],
        env={**os.environ, **run["env"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(2 if options else 1):
            assert "not there yet" in (line := process.stderr.readline()) or "http://" in line
        if options:
            assert httpx.get(line.split()[-1], trust_env=False).status_code >= 400
        else:
            ping = '{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'
            process.stdin.write(ping)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stderr.read() == "ctxmem mcp: interrupted\n"
    finally:
        process.kill()
        process.communicate()


@contextmanager
def http_server(path: str, *options: str) -> Iterator[str]:
    """Yield the address of a server on a free port."""
    run = command(path, "--http", "--port", "0", *options)
    process = subprocess.Popen(
        [run["command"], *run["args"]],
        env={**os.environ, **run["env"], "CTXMEM_MCP_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        yield found[0]
    finally:
        process.terminate()
        out, errors = process.communicate(timeout=30)
        assert out == "" and TOKEN not in errors and "HAT017" not in errors, errors


def posted(address: str, **headers: str) -> httpx.Response:
    """Return the answer to a request for the list of tools."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    sent = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {TOKEN}"}
    return httpx.post(address, json=body, headers={**sent, **headers}, trust_env=False)


async def test_over_http_with_a_token_and_checked_headers(path: str):
    memory = trip(path)
    with http_server(path) as address:
        assert address.startswith("http://127.0.0.1:") and address.endswith("/mcp")
        for authorization in ("", "Bearer", f"Bearer {TOKEN}x", f"bearer {TOKEN}", TOKEN):
            answer = posted(address, authorization=authorization)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        port = address.split(":")[2].split("/")[0]
        assert posted(address, host=f"evil.example:{port}").status_code == 421
        assert posted(address, origin="http://evil.example").status_code == 403
        assert posted(address, origin="null").status_code == 403
        good = posted(address, host=f"localhost:{port}", origin=f"http://localhost:{port}")
        assert good.status_code not in (401, 403, 421)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as connection:
            transport = streamable_http_client(address, http_client=connection)
            async with Client(transport) as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
                memory.append({"role": "user", "content": "The password is PINE."})
                found = await ask(client, "recall", query="password", k=1)
                assert found["pages"][0]["text"] == "The password is PINE."
                assert "no session" in await refused(client, "ledger", session="x")
                assert (await client.read_resource("ctxmem://trip/pages/p1")).contents
        huge = httpx.post(
            address,
            content=b"[" * 5_000_000,
            headers={**headers, "content-type": "application/json"},
            trust_env=False,
        )
        assert huge.status_code == 413


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.8.9.1", True), ("localhost", True), ("::1", True)),
        *(("[::1]", True), ("0.0.0.0", False), ("::", False), ("192.168.1.5", False)),
        *(("example.org", False), ("localhost.example.org", False), ("", False)),
    ],
)
def test_other_addresses_than_loopback_need_a_long_token(host: str, loopback: bool):
    assert is_loopback(host) is loopback
    check_token(host, "0123456789abcdef")
    for token in (None, "short"):
        if loopback:
            check_token(host, token)
        else:
            with pytest.raises(InputError, match="token"):
                check_token(host, token)
    for bad in ("", "sixteen characters", "ümlaute-sind-nichts", "line\nfeed-line-feed-"):
        with pytest.raises(InputError, match="token"):
            check_token(host, bad)


def test_a_name_is_served_only_if_it_was_allowed(path: str):
    def application(*names: str) -> Any:
        server = make_server(SessionReader(path))
        return http_app(server, "0.0.0.0", TOKEN, names=names)

    headers = {"authorization": f"Bearer {TOKEN}", "accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "no/such"}
    for names, refused in (((), True), (("box.example",), False)):
        with TestClient(application(*names), base_url="http://box.example") as client:
            assert (client.post("/mcp", json=body, headers=headers).status_code == 421) is refused
            assert client.post("/mcp", json=body).status_code == 401  # whatever the name


def test_a_port_that_is_taken_is_an_error():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}"):
            listen("127.0.0.1", port)
    for host, port in (("127.0.0.1", 70_000), ("no such host", 0), ("\ud800", 0)):
        with pytest.raises(InputError, match="cannot be listened on"):
            listen(host, port)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--token", "x"], "--token is for --http"),
        (["--port", "1"], "--port is for --http"),
        (["--allow-host", "a"], "--allow-host is for --http"),
        (["--http", "--host", "0.0.0.0"], "CTXMEM_MCP_TOKEN"),
        (["--http", "--host", "0.0.0.0", "--token", "short"], "at least 16"),
        (["--budget", "0"], "budget"),
        (["--counter", "no-such-file.json"], "no-such-file.json"),
        (["--store", ":memory:"], ":memory:"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_anything_is_served(
    path: str, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["mcp", "--store", path, *options]) == 2
    out, errors = capsys.readouterr()
    assert out == "" and errors.startswith("ctxmem mcp: ") and said in errors


def test_without_the_sdk_the_error_names_the_extra(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert main(["mcp", "--store", path]) == 2
    assert "pip install 'ctxmem[mcp]'" in capsys.readouterr().err


def test_neither_the_package_nor_the_command_line_imports_the_sdk():
    code = (
        "import sys, ctxmem, ctxmem.cli; ctxmem.Memory; import ctxmem.gateway.mcp.session_reader; "
        "print({'mcp', 'pydantic', 'starlette', 'uvicorn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# The document -------------------------------------------------------------------------------------


def configurations() -> dict[str, dict[str, Any]]:
    """Return the command of each client in the document."""
    text = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    found = {}
    for client, form, block in re.findall(
        r"^### ([\w ]+)\n[^#]*?^```(json|toml)\n(.*?)^```", text, re.MULTILINE | re.DOTALL
    ):
        read = tomllib.loads(block) if form == "toml" else json.loads(block)
        key = {"Codex CLI": "mcp_servers", "VS Code": "servers"}.get(client, "mcpServers")
        assert list(read) == [key] and list(read[key]) == ["ctxmem"]
        found[client] = read[key]["ctxmem"]
    return found


def test_the_document_has_a_configuration_for_each_client():
    found = configurations()
    assert list(found) == ["Claude Code", "Codex CLI", "Cursor", "VS Code", "Gemini CLI"]
    for client, given in found.items():
        assert given.pop("type", "stdio") == "stdio"
        assert given == {"command": "ctxmem", "args": ["mcp", "--store", "ctxmem.db"]}, client


def test_the_document_names_every_option_and_tool(capsys: pytest.CaptureFixture[str]):
    text = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["mcp", "--help"])
    shown = capsys.readouterr().out
    for option in set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help"}:
        assert option in text, option
    for tool in TOOLS:
        assert f"| `{tool}` |" in text
