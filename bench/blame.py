"""Is the fault of each question named right, and do the intervals hold?

A model of known habits answers questions of our own (`blame_questions`): it reads the first words
of its context, believes what is said most often, and answers a third of the questions without
reading. What is at fault in each follows from these habits. Every seed is another sample of
questions; the share of each fault in all that could be drawn is known from a large sample, and 95 %
of the intervals should hold it. The same is asked of a server on this machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import ctxmem
from ctxmem import Blame, blame
from ctxmem.blaming.addresses import AddressModel

from . import blame_questions as made
from .reporting import print_report

FAULTS = ("context", "model", "retrieval", "none")
_LARGE = 60  # samples from which the shares of the faults are known


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench blame", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="samples of questions (20)")
    parser.add_argument("--questions", type=int, default=120, help="of each sample (120)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report = {
        "question": "is the fault of each question named right, and do the intervals hold?",
        "versions": {"ctxmem": ctxmem.__version__, "python": platform.python_version()},
        "samples": samples(options.seeds, options.questions),
        "server": server_run(options.questions),
    }
    print_report(report, show, as_json=options.json)
    return 0


def named_wrong(found: Blame, asked: Sequence[made.Question]) -> list[tuple[str, str, str]]:
    """Return question, fault and true fault, where the two differ or nothing was found."""
    named = {one.question: one.fault for one in found.questions}
    return [
        (one.text, named.get(one.text, "not asked"), made.fault(one))
        for one in asked
        if named.get(one.text) != made.fault(one)
    ]


def shares() -> dict[str, float]:
    """Return the share of each fault in all questions that could be drawn."""
    count: Counter[str] = Counter()
    for seed in range(1000, 1000 + _LARGE):
        count.update(map(made.fault, made.questions(250, seed)))
    return {fault: count[fault] / count.total() for fault in FAULTS}


def samples(seeds: int, size: int) -> dict[str, Any]:
    """Blame several samples and return how many faults are named right and intervals hold."""
    true = shares()
    wrong, held, seconds = 0, 0, 0.0
    confused: Counter[str] = Counter()
    for seed in range(seeds):
        asked = made.questions(size, seed)
        records, expected = made.records(asked), made.expected(asked)
        started = time.process_time()
        found = blame(records, model=made.Stub(asked), expected=expected, max_calls=None)
        seconds += time.process_time() - started
        bad = named_wrong(found, asked)
        wrong += len(bad)
        confused.update(f"{right} named {named}" for _, named, right in bad)
        for fault in FAULTS:
            low, high = found.faults[fault]["interval"]
            held += low <= true[fault] <= high
    total = seeds * size
    return {
        "seeds": seeds,
        "questions": total,
        "named_right": (total - wrong) / total,
        "confused": dict(confused.most_common()),
        "intervals": seeds * len(FAULTS),
        "held": held / (seeds * len(FAULTS)),
        "milliseconds_a_question": 1000 * seconds / total,
    }


def server_run(size: int) -> dict[str, Any]:
    """Ask a server on this machine, which answers as the stub does."""
    asked = made.questions(size, 0)
    stub = made.Stub(asked)
    with serve(stub) as address:
        started = time.perf_counter()
        found = blame(
            made.records(asked),
            model=AddressModel(address, model="stub"),
            expected=made.expected(asked),
            max_calls=None,
        )
    return {
        "questions": size,
        "calls": stub.calls,
        "seconds": time.perf_counter() - started,
        "named_right": 1 - len(named_wrong(found, asked)) / size,
    }


@contextmanager
def serve(answer: Callable[[list[dict[str, Any]]], str]) -> Iterator[str]:
    """Serve chat completions on this machine; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            message = {"role": "assistant", "content": answer(body["messages"])}
            data = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Write no line for each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def show(report: dict[str, Any]) -> None:
    """Print the table."""
    found, server = report["samples"], report["server"]
    print(f"{report['question']}  (ctxmem {report['versions']['ctxmem']})")
    print(
        f"  faults named right            {found['named_right']:.4f} of {found['questions']:,} "
        f"questions in {found['seeds']} samples"
    )
    for what, count in found["confused"].items():
        print(f"    {what}: {count}")
    print(f"  95 % intervals that hold      {found['held']:.3f} of {found['intervals']}")
    print(f"  CPU time without the model    {found['milliseconds_a_question']:.1f} ms a question")
    print(
        f"  server on this machine        {server['named_right']:.4f} of {server['questions']} "
        f"questions, {server['calls']:,} calls in {server['seconds']:.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
