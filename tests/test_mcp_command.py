"""`ctxmem mcp` on stores that fail or change, as a process, and its document."""

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

from ctxmem import InputError, Memory, StoreError
from ctxmem.cli import main
from ctxmem.gateway.mcp.http import check_token, http_app, is_loopback, listen
from ctxmem.gateway.mcp.read_only import DryRunStore, ReadOnlyStore
from ctxmem.gateway.mcp.server import make_server
from ctxmem.gateway.mcp.session_reader import SessionReader
from ctxmem.stores import MemoryStore, SqliteStore

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it
from mcp_sessions import BUDGET, ROOT, SAID, TOKEN, TOOLS, ask, command, refused, served, trip


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ctxmem.db")


# Stores that fail, or change ----------------------------------------------------------------------


def contents(path: str) -> Any:
    with SqliteStore(path) as store:
        rows = [list(store.export(tenant)) for tenant in store.tenants()]
        sessions = [(t, s) for t in store.tenants() for s in store.sessions(t)]
        return rows, [store.snapshot(*one) for one in sessions], store.usage()


async def test_nothing_is_written(path: str):
    with trip(path) as memory:  # what comes now would be edited out by a window that is written
        memory.append({"role": "user", "content": "Look again. " + "word " * 200})
        edits = len(memory.receipts())
    assert edits > 0
    before = contents(path)
    async with served(path) as client:
        for tool in ("ledger", "budget", "explain", "audit", "budget"):
            await ask(client, tool)
        for _ in range(3):  # what is recalled again and again would be kept in the window
            await ask(client, "recall", query="booking code")
            await ask(client, "page", id="p5")
        assert (await ask(client, "explain"))["total"] == edits
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
    for names, kept_out in (((), True), (("box.example",), False)):
        with TestClient(application(*names), base_url="http://box.example") as client:
            assert (client.post("/mcp", json=body, headers=headers).status_code == 421) is kept_out
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
