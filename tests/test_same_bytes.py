"""The same input gives the same bytes in every process, though each has a hash key of its own."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import random
import ctxmem
from ctxmem import _native

rng = random.Random(3)
words = "fee due month must may not thirty sixty day tenant EUR 12 3.5 refund shall pays".split()
one = [" ".join(rng.choices(words, k=rng.randint(3, 40))) for _ in range(120)]
other = [" ".join(rng.choice(words) if rng.random() < 0.3 else w for w in t.split()) for t in one]
for left, right in zip(one, other):
    print(_native.ReadText(left).differences(_native.ReadText(right), wording=True))
window = ctxmem.pack([*one, *other], 300, query="Which fee must the tenant pay?")
print(window.text, window.explain())
print(ctxmem.find_near_duplicates([*one, *other]))
index = ctxmem.DedupIndex()
index.add(range(len(one)), one)
print(index.query(other))
chat = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(other)]
print(ctxmem.verify_summary("\\n".join(one), chat), ctxmem.dedup_messages(chat))
"""


def printed(seed: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


def test_two_processes_print_the_same():
    first = printed("1")
    assert "'thirty'" in first and first == printed("2") == printed("3")
