"""What does the gateway add to a request, and how many does a core carry?

A stub upstream and the gateway run as processes of their own, and `wrk` drives them with 50
connections, against the stub and through the gateway in turn. The stub answers after a time that
differs by up to a fifth from request to request, so that the load stays far below what a core
carries: what is measured is the time that is added to a request, not a queue. Where all replies
take the same time ("in step"), the connections send their requests together, and the last of them
waits for the processor time of 49 others; that is measured too. A second part has no delay and
measures the processor time that the gateway takes for a request, from which follows how many a core
carries; a third how its memory grows.

What is added is the difference of medians (and of 99th percentiles) of the two in one round; the
table has the median of the rounds, with the lowest and the highest. Where `wrk` is missing a small
driver in Python takes its place, which takes its own share of the processor.

All connections ask different questions behind one beginning ("forks"), so that the gateway has a
new conversation with every request. Where conversations are kept (`manage`), there is also a row in
which each connection has a conversation of its own that grows by two messages a request ("grows").
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctxmem

from .comparisons import Comparison, add, comparison
from .reporting import print_report

CONNECTIONS = 50
SIZES = {"4 kB": 4_000, "200 kB": 200_000}
FORKS, GROWS = "forks", "grows"
REACH = {"observe": (2.0, 15.0), "guard": (2.0, 15.0), "manage": (8.0, 40.0)}
"""Milliseconds that may be added at the median and at the 99th percentile."""


@dataclass
class Load:
    """Requests of a size; `turns` are those that each growing conversation had."""

    size: int
    shape: str
    model: str
    turns: int = 0

    @property
    def warm_up(self) -> int:
        """Seconds before it is measured: conversations that grow are read whole once."""
        return 8 if self.shape == GROWS else 2


_SCRIPT = """
local filler = string.rep("When does the museum open on a holiday, and how much is it? ", 4000)
local count, thread_id = 0, 0
local size, shape, start, connections = SIZE, "SHAPE", START, CONNECTIONS
local head = '{"model":"MODEL","messages":[{"role":"system","content":"You answer visitors."}'
local talks, turns = {}, {}

local function said(role, text)
  return ',{"role":"' .. role .. '","content":"' .. text .. '"}'
end
local function grow(talk)
  turns[talk] = turns[talk] + 1
  local about = turns[talk] .. " of visit " .. talk
  return said("assistant", "It opens at nine.") .. said("user", "And on day " .. about .. "?")
end
if shape == "grows" then
  for talk = 0, connections - 1 do
    local parts = {said("user", "Visit " .. talk .. " begins.")}
    for at = 1, size, 2000 do
      local role = (#parts % 2 == 1) and "assistant" or "user"
      table.insert(parts, said(role, string.sub(filler, at, math.min(size, at + 1999))))
    end
    if #parts % 2 == 0 then table.insert(parts, said("user", "Go on.")) end
    turns[talk] = 0
    for _ = 1, start do table.insert(parts, grow(talk)) end
    talks[talk] = table.concat(parts)
  end
end
function setup(thread) thread:set("id", thread_id) thread_id = thread_id + 1 end
request = function()
  count = count + 1
  local messages
  if shape == "grows" then
    local talk = count % connections
    talks[talk] = talks[talk] .. grow(talk)
    messages = talks[talk]
  else
    messages = said("user", string.sub(filler, 1, size))
      .. said("user", "question " .. id .. "-" .. count)
  end
  local headers = {["content-type"] = "application/json", ["authorization"] = "Bearer sk-bench"}
  return wrk.format("POST", "/v1/chat/completions", headers, head .. messages .. "]}")
end
done = function(summary, latency, requests)
  local form = 'RESULT {"p50": %f, "p99": %f, "requests": %d, "seconds": %f, "errors": %d}'
  io.write(string.format(form, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.requests, summary.duration / 1000000, summary.errors.status + summary.errors.connect
    + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench gateway_latency", description=__doc__)
    parser.add_argument("--mode", choices=tuple(REACH), default="observe")
    parser.add_argument("--rounds", type=int, default=3, help="of each size (3)")
    parser.add_argument("--seconds", type=int, default=5, help="of a measurement (5)")
    parser.add_argument("--delay", type=float, default=0.25, help="seconds of the upstream (0.25)")
    parser.add_argument("--spread", type=float, default=0.2, help="of the delay (0.2)")
    parser.add_argument("--many", type=int, default=20_000, help="requests for the memory (20,000)")
    parser.add_argument("--model", default="gpt-4o")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report = measure(options)
    print_report(report, show, as_json=options.json)
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured."""
    report: dict[str, Any] = {
        "question": "what does the gateway add to a request, and how many does a core carry?",
        "mode": options.mode,
        "rounds": options.rounds,
        "connections": CONNECTIONS,
        "delay": options.delay,
        "spread": options.spread,
        "versions": versions(),
        "added": {},
        "in_step": {},
        "carried": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        for part, spread in (("added", options.spread), ("in_step", 0.0)):
            with (
                stub(options.delay, spread) as upstream,
                gateway(upstream, where, options.mode) as (url, _),
            ):
                for name, load in loads(options).items():
                    report[part][name] = added(upstream, url, where, load, options)
        with stub(0.0) as upstream, gateway(upstream, where, options.mode) as (url, pid):
            for name, load in loads(options).items():
                report["carried"][name] = carried(url, pid, where, load, options)
            report["memory"] = memory(url, pid, where, options)
    return report


def loads(options: argparse.Namespace) -> dict[str, Load]:
    """Return what is sent, by the names of the rows."""
    shapes = (GROWS, FORKS) if options.mode == "manage" else (FORKS,)
    several = len(shapes) > 1
    return {
        f"{name} {shape}" if several else name: Load(size, shape, options.model)
        for shape in shapes
        for name, size in SIZES.items()
    }


def added(
    upstream: str, url: str, where: Path, load: Load, options: argparse.Namespace
) -> dict[str, Any]:
    """Return what is added to a request of a size, in milliseconds, by rounds."""
    drive(url, where, load, load.warm_up)
    p50, p99, direct, through, errors = [], [], [], [], 0
    for _ in range(options.rounds):
        first = drive(upstream, where, load, options.seconds)
        second = drive(url, where, load, options.seconds)
        p50.append(second["p50"] - first["p50"])
        p99.append(second["p99"] - first["p99"])
        direct.append(first)
        through.append(second)
        errors += second["errors"]
    return {
        "p50": p50,
        "p99": p99,
        "direct_p99": [one["p99"] for one in direct],
        "requests": sum(one["requests"] for one in through),
        "rate": statistics.median(one["requests"] / one["seconds"] for one in through),
        "errors": errors,
    }


def carried(
    url: str, pid: int, where: Path, load: Load, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the processor time of a request and what a core carries."""
    drive(url, where, load, load.warm_up)
    found = []
    for _ in range(options.rounds):
        before = processor(pid)
        result = drive(url, where, load, options.seconds)
        found.append(1000 * (processor(pid) - before) / result["requests"])
    return {
        "milliseconds": found,
        "requests_a_core": 1000 / statistics.median(found),
    }


def memory(url: str, pid: int, where: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the resident memory of the gateway after more and more requests, in MB."""
    load = Load(SIZES["4 kB"], FORKS, options.model)
    sizes, sent = [resident(pid)], 0
    while sent < options.many:
        result = drive(url, where, load, options.seconds)
        sent += result["requests"]
        sizes.append(resident(pid))
    time.sleep(1)
    sizes.append(resident(pid))
    return {"requests": sent, "megabytes": sizes}


def drive(url: str, where: Path, load: Load, seconds: int) -> dict[str, Any]:
    """Send requests for some seconds; the latencies are in milliseconds."""
    if shutil.which("wrk") is None:
        from .gateway_driver import drive as in_python

        return in_python(url, load.size, load.model, seconds, CONNECTIONS)
    script = where / "load.lua"
    text = _SCRIPT.replace("SIZE", str(load.size)).replace("MODEL", load.model)
    text = text.replace("SHAPE", load.shape).replace("START", str(load.turns))
    script.write_text(text.replace("CONNECTIONS", str(CONNECTIONS)))
    made = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", script, url],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"RESULT (\{.*\})", made.stdout)
    if found is None:
        raise RuntimeError(f"wrk printed no result: {made.stdout[-300:]}")
    result: dict[str, Any] = json.loads(found[1])
    if result["errors"] or not (result["requests"] or seconds == load.warm_up):
        raise RuntimeError(f"requests failed: {result}")
    load.turns += result["requests"] // CONNECTIONS + 1
    return result


@contextmanager
def stub(delay: float, spread: float = 0.0) -> Iterator[str]:
    """Run the upstream; its address."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("gateway_stub.py"), str(delay), str(spread)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def gateway(upstream: str, where: Path, mode: str) -> Iterator[tuple[str, int]]:
    """Run a gateway; its address, and its process."""
    command = [sys.executable, "-m", "ctxmem", "serve", "--upstream", upstream, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--mode", mode, "--store", str(where / f"{mode}.db")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CTXMEM_OFFLINE": "1"},
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        if not line.startswith("listening "):
            raise RuntimeError(f"the gateway did not start: {line}{process.stderr.read()}")
        yield line.split()[1], process.pid
    finally:
        process.terminate()
        process.communicate(timeout=30)


def processor(pid: int) -> float:
    """Return the seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def versions() -> dict[str, str]:
    """Return what was measured on."""
    from importlib.metadata import version

    found = {"ctxmem": ctxmem.__version__, "python": platform.python_version()}
    for name in ("uvicorn", "starlette", "httpx", "httptools", "uvloop"):
        found[name] = version(name)
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    found["cpu"] = f"{os.cpu_count()} x {models[0] if models else platform.processor()}"
    return found


def show(report: dict[str, Any]) -> None:
    """Print the tables."""
    print(f"gateway, mode {report['mode']}, {CONNECTIONS} connections")
    print(", ".join(f"{name} {value}" for name, value in report["versions"].items()), "\n")
    most50, most99 = REACH[report["mode"]]
    print(f"added to an upstream of {1000 * report['delay']:.0f} ms, in ms (reach: {most50:g} / "
          f"{most99:g}); median (lowest to highest) of {report['rounds']}")  # fmt: skip
    rows = [*report["added"].items()]
    rows += [(f"{name}, in step", row) for name, row in report["in_step"].items()]
    for name, row in rows:
        print(f"  {name:>21}  p50 {_spread(row['p50'])}   p99 {_spread(row['p99'])}   "
              f"n {row['requests']}, {row['rate']:.0f} requests a second")  # fmt: skip
    print("\nprocessor time of a request, and what a core carries")
    for name, row in report["carried"].items():
        print(f"  {name:>12}  {_spread(row['milliseconds'])} ms   "
              f"{row['requests_a_core']:.0f} requests a second a core")  # fmt: skip
    sizes = report["memory"]["megabytes"]
    print(f"\nresident memory in MB over {report['memory']['requests']} requests: "
          f"{', '.join(map(str, sizes))}")  # fmt: skip


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def comparisons(report: dict[str, Any]) -> list[Comparison]:
    """Return the report as rows."""
    found = []
    for name, row in report["added"].items():
        one = comparison(f"added to a request of {name} (p50)", "ms", row["requests"])
        add(one, "ctxmem serve", statistics.median(row["p50"]), ours=True,
            low=min(row["p50"]), high=max(row["p50"]))  # fmt: skip
        found.append(one)
    return found


if __name__ == "__main__":
    sys.exit(main())
