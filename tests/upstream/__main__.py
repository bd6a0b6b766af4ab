"""Start the upstream from the command line, for programs in other languages and for wrk.

python -m tests.upstream --port 9000 --script echo
python -m tests.upstream --port 9000 --script stub --delay 0.02 [--stream]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from upstream.script import Failure, Reply, Text, Thinking, ToolCall, ToolLoop, echo
from upstream.stub import serve_stub

SCRIPTS = {
    "hello": lambda: ["Hello."],
    "echo": lambda: echo,
    "thinking": lambda: [Reply([Thinking("I think."), Text("I say.")])],
    "look": lambda: [Reply([ToolCall("look", {"at": "this"})]), "Seen."],
    "bash": lambda: ToolLoop([ToolCall("Bash", {"command": "cat note.txt"})]),
    "slow": lambda: [Reply("One two three four five.", pause=0.5)],
    "busy": lambda: [Failure(429, "slow down", retry_after=1), "Hello."],
    "overloaded": lambda: [Failure(529, "Overloaded")],
}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", choices=[*SCRIPTS, "stub"], default="echo")
    parser.add_argument("--window", type=int, help="context length in tokens of every model")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds; with --script stub")
    parser.add_argument("--stream", action="store_true", help="events; with --script stub")
    options = parser.parse_args()
    if options.script == "stub":
        _run_stub(options)
        return
    # Only here, because the types of the SDKs take seconds to load.
    from upstream.app import App
    from upstream.server import Upstream

    app = App(script=SCRIPTS[options.script](), window=options.window)
    with Upstream(app, port=options.port) as upstream:
        print(upstream.url, flush=True)
        while True:
            time.sleep(3600)


def _run_stub(options: argparse.Namespace) -> None:
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run

    def ready(port: int) -> None:
        print(f"http://127.0.0.1:{port}", flush=True)

    run(serve_stub(options.port, delay=options.delay, stream=options.stream, ready=ready))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
