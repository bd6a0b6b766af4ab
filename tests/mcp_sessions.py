"""What the tests of `ctxmem mcp` share: a session, a client, a process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mcp import Client

from ctxmem import Memory
from ctxmem.gateway.mcp.server import make_server
from ctxmem.gateway.mcp.session_reader import SessionReader

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
