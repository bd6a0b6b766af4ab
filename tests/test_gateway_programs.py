"""Clients that are programs of their own: npm's SDKs, LlamaIndex, Claude Code and Codex.

They need `npm ci` in tests/clients; LlamaIndex, whose models want older SDKs than the other tests,
needs an environment in tests/clients/venv (tests/clients/README.md has the commands).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import time
import zlib
from pathlib import Path

import pytest
from gateway_doors import COMMON, MODES
from upstream.script import Failure, Reply, ToolCall, ToolLoop

TESTS = Path(__file__).resolve().parent
CLIENTS = TESTS / "clients"
MODULES = CLIENTS / "node_modules"
OLDER_PYTHON = CLIENTS / "venv" / "bin" / "python"
CLAUDE = MODULES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
CODEX = MODULES / "@openai" / "codex" / "bin" / "codex.js"

pytestmark = pytest.mark.slow
needs_npm = pytest.mark.skipif(
    shutil.which("node") is None or not MODULES.is_dir(),
    reason="needs node, and `npm ci --ignore-scripts` in tests/clients",
)
needs_older = pytest.mark.skipif(
    not OLDER_PYTHON.exists(), reason="needs the environment of tests/clients/README.md"
)

SDK = (*COMMON, "overloaded")
NODE = {
    "openai": (*SDK, "responses"),
    "anthropic": (*SDK, "thinking"),
    "ai/chat": COMMON,
    "ai/responses": COMMON,
    "ai/anthropic": COMMON,
}
LLAMA = ("text", "stream", "tools", "image", "retry", "refused")
# Neither program may ask anyone but the upstream, and each has a home of its own.
CLAUDE_OPTIONS = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
}
CODEX_CONFIG = """\
model = "gpt-5"
model_provider = "local"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.local]
name = "local"
base_url = "{url}/v1"
env_key = "LOCAL_KEY"
wire_api = "responses"
"""
NOTE = "the cat sat on the mat"
SECONDS = 120


def output_of(command: list[str], **more) -> str:
    """Run a program that must succeed, and return what it prints."""
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True} | more
    done = subprocess.run(command, check=False, timeout=SECONDS, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Libraries


@needs_npm
@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("client", NODE)
def test_npm_clients(house, client, door):
    name, _, provider = client.partition("/")

    def call(url: str, keys: dict[str, str]) -> dict:
        pairs = [f"{scenario}={key}" for scenario, key in keys.items()]
        environment = os.environ | {"AI_PROVIDER": provider}
        command = ["node", f"{name}.mjs", url, *pairs]
        return json.loads(output_of(command, cwd=CLIENTS, env=environment))

    house.check(door, client, NODE[client], call)


@needs_older
@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("driver", ["LlamaIndexOpenAI", "LlamaIndexAnthropic"])
def test_llama_index(house, driver, door):
    def call(url: str, keys: dict[str, str]) -> dict:
        pairs = [f"{scenario}={key}" for scenario, key in keys.items()]
        command = [str(OLDER_PYTHON), "-m", "client_drivers", driver, url, *pairs]
        environment = os.environ | {"PYTHONPATH": str(TESTS)}
        return json.loads(output_of(command, cwd=TESTS, env=environment))

    house.check(door, driver, LLAMA, call)


# Agents


def picture() -> bytes:
    """A PNG of 8 by 8 grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    rows = zlib.compress((b"\0" + b"\x80" * 8) * 8)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def work(tmp_path):
    """A folder for an agent to work in, with a home beside it."""
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "home").mkdir()
    (folder / "note.txt").write_text(NOTE, encoding="utf-8")
    (folder / "picture.png").write_bytes(picture())
    return folder


def environment_of(work: Path, **more: str) -> dict[str, str]:
    """The variables of an agent: nothing of this process but the path."""
    home = str(work.parent / "home")
    return {"PATH": os.environ["PATH"], "HOME": home, "NO_PROXY": "127.0.0.1", **more}


def claude(work: Path, url: str, key: str) -> tuple[list[str], dict[str, str]]:
    """The command line and the variables of Claude Code."""
    command = ["node", str(CLAUDE), "-p", "What is in note.txt?", "--output-format", "json"]
    command += ["--allowedTools", "Bash,Read"]
    variables = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key} | CLAUDE_OPTIONS
    return command, environment_of(work, **variables)


def codex(work: Path, url: str, key: str) -> tuple[list[str], dict[str, str]]:
    """The command line and the variables of Codex; its settings are a file."""
    home = work.parent / "home" / "codex"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(CODEX_CONFIG.format(url=url), encoding="utf-8")
    command = ["node", str(CODEX), "exec", "--json", "--skip-git-repo-check"]
    command += ["--dangerously-bypass-approvals-and-sandbox", "What is in note.txt?"]
    return command, environment_of(work, LOCAL_KEY=key, CODEX_HOME=str(home))


def claude_said(output: str) -> list:
    """What does not change from run to run."""
    result = json.loads(output)
    return [result["result"], result["num_turns"], result["is_error"], result["permission_denials"]]


def codex_said(output: str) -> list:
    """What does not change from run to run: its outputs of tools have times and ids."""
    events = [json.loads(line) for line in output.splitlines()]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    said = [item["text"].split("Output:")[-1] for item in items if item["type"] == "agent_message"]
    ran = [item["aggregated_output"] for item in items if item["type"] == "command_execution"]
    return [[event["type"] for event in events], ran, said]


AGENTS = {"claude": (claude, claude_said), "codex": (codex, codex_said)}


def steps_of(agent: str, work: Path) -> list[ToolCall]:
    """The tools that the script lets the agent call: a shell, a file, an image."""
    image = str(work / "picture.png")
    if agent == "claude":
        read = [ToolCall("Read", {"file_path": path}) for path in (image, str(work / "note.txt"))]
        return [ToolCall("Bash", {"command": "cat note.txt", "description": "Read"}), *read]
    run = ToolCall("exec_command", {"cmd": "cat note.txt"})
    return [run, ToolCall("view_image", {"path": image}), run]


@needs_npm
@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("agent", AGENTS)
def test_agents_loop_over_tools(house, work, agent, door):
    make, said = AGENTS[agent]

    def call(url: str, keys: dict[str, str]) -> dict:
        command, environment = make(work, url, keys["loop"])
        return {"loop": said(output_of(command, cwd=work, env=environment))}

    house.scripts["loop"] = ToolLoop(steps_of(agent, work))
    # Its folder is in the prompt, so that each run asks the upstream without a gateway once more.
    direct = house.through("direct", f"{agent}-{door}", ["loop"], call)
    through = house.through(door, f"{agent}-{door}", ["loop"], call)
    assert NOTE in str(direct) and direct == through
    bodies = [record.decoded for record in house.upstream.of(f"sk-{door}-{agent}-{door}-loop-key")]
    assert len(bodies) == 4 and b"image/png" in bodies[-1]


@needs_npm
@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("agent", AGENTS)
def test_agents_try_again(house, work, agent, door):
    make, said = AGENTS[agent]

    def call(url: str, keys: dict[str, str]) -> dict:
        command, environment = make(work, url, keys["retry"])
        return {"retry": said(output_of(command, cwd=work, env=environment))}

    house.scripts["retry"] = [Failure(429, "slow down", retry_after=0.02), "After all."]
    assert "After all." in str(house.through(door, f"{agent}-{door}", ["retry"], call))


@needs_npm
@pytest.mark.parametrize("door", MODES)
@pytest.mark.parametrize("agent", AGENTS)
def test_agents_that_are_stopped_leave_the_upstream(house, work, agent, door):
    make, _ = AGENTS[agent]

    def call(url: str, keys: dict[str, str]) -> dict:
        command, environment = make(work, url, keys["abort"])
        process = subprocess.Popen(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + SECONDS
        while not any(record.sent for record in house.upstream.of(keys["abort"])):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return {}

    house.scripts["abort"] = [Reply("word " * 3000, pause=0.02)]
    house.through(door, f"{agent}-{door}", ["abort"], call)
