"""Run a target of the Python layer: with atheris if it is installed, else with changes at random.

A target is a function of bytes that raises what ctxmem documents, or nothing; anything else that it
raises is a fault, and the input is written to build/fuzz/found.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOUND = ROOT / "build" / "fuzz" / "found"
PIECES = [b"null", b"{}", b"[]", b'""', b"-1", b"1e999", b"\xff", b'"\\ud800"', b"[" * 40, b"true"]


def mutants(seeds: list[bytes], random_: random.Random) -> Iterator[bytes]:
    """Yield the seeds, then changes of them without end."""
    yield from seeds
    while True:
        data = bytearray(random_.choice(seeds))
        for _ in range(random_.randrange(1, 6)):
            at = random_.randrange(len(data) + 1)
            end = at + random_.randrange(12)
            match random_.randrange(5):
                case 0:
                    del data[at:end]
                case 1:
                    data[at:at] = random_.choice(PIECES)
                case 2:
                    data[at:end] = random_.choice(PIECES)
                case 3:
                    other = random_.choice(seeds)
                    start = random_.randrange(len(other) + 1)
                    data[at:at] = other[start : start + random_.randrange(200)]
                case _:
                    data[at : at + 1] = bytes([random_.randrange(256)])
        yield bytes(data[:8192])


def run(target: Callable[[bytes], None], seeds: list[bytes], seconds: float, runs: int = 0) -> int:
    """Call a target with changed seeds until time, or a number of runs, is over; count them."""
    end = time.monotonic() + seconds
    done = 0
    for data in mutants(seeds, random.Random(1)):
        if done >= runs if runs else time.monotonic() > end:
            break
        try:
            target(data)
        except BaseException:
            FOUND.mkdir(parents=True, exist_ok=True)
            name = hashlib.blake2b(data, digest_size=8).hexdigest()
            (FOUND / f"{target.__module__.rpartition('.')[2]}-{name}").write_bytes(data)
            raise
        done += 1
    return done


def main(target: Callable[[bytes], None], seeds: list[bytes]) -> None:
    """Run a target from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(f"{run(target, seeds, given.seconds)} runs, without atheris")
        return
    import atheris

    corpus = FOUND.parent / "corpus" / target.__module__.rpartition(".")[2]
    corpus.mkdir(parents=True, exist_ok=True)
    FOUND.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed_{number}").write_bytes(seed)
    atheris.instrument_all()
    options = [f"-max_total_time={max(1, round(given.seconds))}", f"-artifact_prefix={FOUND}/"]
    options += ["-max_len=8192", "-verbosity=0", "-print_final_stats=1"]
    atheris.Setup(["fuzz", *options, str(corpus)], target)
    atheris.Fuzz()
