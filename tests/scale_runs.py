"""Runs of `deduplicate` on small corpora that are cut into many portions."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from unittest import mock

import ctxmem.scale.local
from ctxmem.input_files import json_lines
from ctxmem.scale import deduplicate, sources

WORDS = [f"word{i}" for i in range(400)]


def corpus(count, seed=0, least=8, most=30):
    """Return texts of which about half are copies of others with up to three words replaced."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        if texts and rng.random() < 0.5:
            words = rng.choice(texts).split()
            for _ in range(rng.randrange(4)):
                words[rng.randrange(len(words))] = rng.choice(WORDS)
        else:
            words = rng.choices(WORDS, k=rng.randint(least, most))
        texts.append(" ".join(words))
    return texts


def write_lines(path, texts):
    """Write texts as JSON lines whose ids are their numbers."""
    rows = [json.dumps({"id": i, "text": text}) for i, text in enumerate(texts)]
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def groups(out):
    """Return the groups as sorted lists of ids."""
    return [sorted(row) for row in star_rows(out)]


def star_rows(out):
    """Return of each group {id: (similarity, kind)}; the representative has no similarity."""
    found = []
    for group in json_lines((out / "groups.jsonl").read_text(encoding="utf-8")):
        row = {m["id"]: (m["similarity"], m["kind"]) for m in group["members"]}
        found.append({group["representative"]["id"]: None, **row})
    return found


def results(out):
    """Return the bytes of every file of the results."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


class SmallPortions:
    """Portions of about 8 kB, and clusters by links; a record of each band if asked for."""

    def __init__(self, linked=True, checkpoint=20.0):
        self._patches = [
            mock.patch.object(sources, "_STEP", 8000),
            mock.patch.object(ctxmem.scale, "_LEAST_PORTION", 8000),
            mock.patch.object(ctxmem.scale, "_MOST_PORTION", 8000),
            mock.patch.object(ctxmem.scale.local, "CHECKPOINT", checkpoint),
        ]
        if linked:
            run = ctxmem.scale.local.Run
            self._patches.append(mock.patch.object(run, "in_memory", lambda self, sizes: False))

    def __enter__(self):
        for patch in self._patches:
            patch.start()

    def __exit__(self, *_):
        for patch in self._patches:
            patch.stop()


def main(source, out, stage, number):
    """Run, and kill this process at a step of a stage."""

    def kill(at, done, of):
        kill.steps += at == stage
        if kill.steps > int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    kill.steps = 0
    with SmallPortions(checkpoint=0.0):
        deduplicate(source, Path(out), progress=kill)


if __name__ == "__main__":
    main(*sys.argv[1:])
