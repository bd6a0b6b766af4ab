"""Does any entry take more than linear time, whatever the input is?

    python -m ctxmem.bench.growth [--only ENTRY ...] [--inputs INPUT ...] [--leaks CALLS]

Each entry is called with each input at n, 2n, 4n and 8n, where n is the size at which a call takes
some milliseconds. The output is a row for each pair whose time grows by more than 2.3 a doubling,
on the (geometric) mean over its three doublings, or that takes more than 10 s, and a last line with
the number of pairs. Times are of the processor, the best of several calls; a pair that is above is
measured twice more, and the best of all counts. With `--leaks`, each
entry is called so often with a small input, and the output is the growth of the resident memory
between the first tenth of the calls and the end.

The exit code is 1 if a pair grows too fast or memory grows by more than 4 MB.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import ctxmem

MOST = 2.3  # a doubling
SECONDS = 10.0
ENOUGH = 0.02  # seconds of the smallest call
MOST_UNITS = 4096  # of it, however short it is
AGAIN = 2  # more measurements of a pair that grows too fast: other work only makes times longer
LEAK = 4 << 20  # bytes

Texts = list[str]
Call = Callable[[], object]
QUERY = "Which fee is due on the first day of the month?"
_WORDS = (
    "the a of and is in to fee due month day meter read tenant notice period thirty rent "
    "water heat contract party may not must shall first last account balance payment transfer "
    "service invoice limit report every each page table value option server request timeout "
    "retry error log file "
).split()


# Frequent words, and rare ones as a real text has them.
_RARE = [f"{a}{b}{c}" for a in _WORDS[20:] for b in ("", "re", "un") for c in _WORDS[30:]]
_VOCABULARY = _WORDS + _RARE
_WEIGHTS = [1 / (rank + 2) for rank in range(len(_VOCABULARY))]


def _prose(random_words: random.Random, words: int) -> str:
    parts = []
    while words > 0:
        length = min(words, random_words.randint(6, 16))
        sentence = " ".join(random_words.choices(_VOCABULARY, _WEIGHTS, k=length))
        parts.append(f"{sentence.capitalize()} {random_words.randint(1, 999)}.")
        words -= length
    return " ".join(parts)


def prose(n: int) -> Texts:
    """Return passages of 40 words."""
    made = random.Random(1)
    return [_prose(made, 40) for _ in range(n)]


def documents(n: int) -> Texts:
    """Return Markdown with headings, lists and a fence."""
    made = random.Random(2)
    return [
        f"# Part {i}\n\n{_prose(made, 15)}\n\n- {_prose(made, 5)}\n- {_prose(made, 5)}\n\n"
        f"```python\nx = {i}\n```\n"
        for i in range(n)
    ]


def tables(n: int) -> Texts:
    """Return tables of five rows, and one of many."""
    row = "| {} | {} | open |\n"
    head = "| id | fee | state |\n|---|---|---|\n"
    some = [head + "".join(row.format(i, k) for k in range(5)) for i in range(n // 2)]
    return [*some, head + "".join(row.format(k, k * 7) for k in range(2 * n))]


def programs(n: int) -> Texts:
    """Return functions that call each other."""
    body = "def part_{0}(x):\n    if x > {0}:\n        return part_{1}(x - 1)\n    return x\n"
    return [body.format(i, i // 2) for i in range(n)]


def records(n: int) -> Texts:
    """Return JSON records."""
    return [json.dumps({"id": i, "fee": i % 97, "tags": ["a", "b"], "by": "x"}) for i in range(n)]


def chinese(n: int) -> Texts:
    """Return Chinese without spaces."""
    made = random.Random(3)
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]
    weights = [1 / (rank + 8) for rank in range(2000)]
    return ["".join(made.choices(letters, weights, k=60)) + "。" for _ in range(n)]


def logs(n: int) -> Texts:
    """Return lines of a log."""
    line = "2024-01-01T00:00:{:02d}Z ERROR server-{} timeout after {} ms"
    return ["\n".join(line.format(i % 60, k, i * k) for k in range(4)) for i in range(n)]


def one_word(n: int) -> Texts:
    """Return one word without end."""
    return ["a" * (200 * n)]


def one_line(n: int) -> Texts:
    """Return one line of words without a full stop."""
    return [" ".join(random.Random(4).choices(_WORDS, k=40 * n))]


def spaces(n: int) -> Texts:
    """Return words far apart."""
    return ["fee" + " " * (200 * n) + "due" + "\n" * (100 * n) + "now"]


def controls(n: int) -> Texts:
    """Return control characters between words."""
    return ["fee \x00\x1b[0m\x07 due\u200b\u202e now " * 8 for _ in range(n)]


def brackets(n: int) -> Texts:
    """Return brackets that are opened and not closed."""
    return ["[({<" * (50 * n)]


def nested_json(n: int) -> Texts:
    """Return lists within lists and objects within objects."""
    return ["[" * (50 * n) + "]" * (50 * n), '{"a":' * (30 * n) + "1" + "}" * (30 * n)]


def quotes(n: int) -> Texts:
    """Return quotations within quotations, and lists within lists."""
    deep = "\n".join("> " * k + "said" for k in range(60))
    lists = "\n".join("  " * k + "- item" for k in range(60))
    return [deep + "\n" + lists for _ in range(max(1, n // 16))] + ["> " * (100 * n) + "x"]


def fences(n: int) -> Texts:
    """Return fences, most of them not closed."""
    return ["```\nx\n~~~~\n" * (20 * n), *("`" * (k % 50) for k in range(n))]


def marks(n: int) -> Texts:
    """Return the marks of Markdown and HTML without what they mark."""
    return ["*_**__~~|#-<b><!--&amp;" * (10 * n)]


def equal(n: int) -> Texts:
    """Return one passage many times."""
    return ["The meter is read on the first day of every month by the tenant."] * n


def near_equal(n: int) -> Texts:
    """Return one passage with another number each time."""
    return [f"The fee of {i} is due on the first day of every month, or later." for i in range(n)]


def shuffled(n: int) -> Texts:
    """Return the same few words in other orders."""
    made = random.Random(5)
    return [" ".join(made.choices(_WORDS[:12], k=12)) for _ in range(n)]


def tiny(n: int) -> Texts:
    """Return texts of a character or two, and many lines of one."""
    return [*("ab"[k % 2] + str(k % 7) for k in range(n)), "x\n" * (40 * n)]


def numbers(n: int) -> Texts:
    """Return numbers, dates, identifiers and amounts."""
    return [f"X-{i} v1.{i}.{i % 9} $ {i}.50 = {i}% != 2024-01-{i % 28 + 1:02d}" for i in range(n)]


def accents(n: int) -> Texts:
    """Return letters with many marks, joined emoji and lone surrogates."""
    return ["e" + "\u0301" * (40 * n), "👩\u200d" * (20 * n), "\ud800x" * (20 * n)]


INPUTS = (
    *(prose, documents, tables, programs, records, chinese, logs, one_word, one_line, spaces),
    *(controls, brackets, nested_json, quotes, fences, marks, equal, near_equal, shuffled, tiny),
    *(numbers, accents),
)


def _messages(texts: Texts) -> list[dict[str, Any]]:
    """Return a chat in which every third answer is a tool call and its result."""
    chat: list[dict[str, Any]] = []
    for i, text in enumerate(texts):
        if i % 3 == 2:
            call = {"id": f"c{i}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            chat.append({"role": "assistant", "content": None, "tool_calls": [call]})
            chat.append({"role": "tool", "tool_call_id": f"c{i}", "content": text})
        else:
            chat.append({"role": ("user", "assistant")[i % 3], "content": text})
    return chat


def _pack(texts: Texts) -> Call:
    return lambda: ctxmem.pack(texts, 2000, query=QUERY)


def _pack_whole(texts: Texts) -> Call:
    return lambda: ctxmem.pack(texts, 2000, query=QUERY, compress=False)


def _pack_one(texts: Texts) -> Call:
    text = "\n\n".join(texts)
    return lambda: ctxmem.pack([text], 2000, query=QUERY)


def _pack_requires(texts: Texts) -> Call:
    chain = [
        ctxmem.Chunk(text, id=str(i), requires=[str(i + 1)] if i + 1 < len(texts) else [])
        for i, text in enumerate(texts)
    ]
    return lambda: ctxmem.pack(chain, 2000, query=QUERY)


def _trim(texts: Texts) -> Call:
    chat = _messages(texts)
    return lambda: ctxmem.trim_messages(chat, 2000)


def _filled(texts: Texts) -> ctxmem.Memory:
    memory = ctxmem.Memory(4000)
    for message in _messages(texts):
        memory.append(message)
    return memory


def _append(texts: Texts) -> Call:
    return lambda: _filled(texts).close()


def _window(texts: Texts) -> Call:
    memory = _filled(texts)
    return lambda: memory.window(QUERY)


def _recall(texts: Texts) -> Call:
    memory = _filled(texts)
    return lambda: [memory.recall(QUERY), memory.recall(texts[-1][:2000]), memory.ledger()]


def _near(texts: Texts) -> Call:
    return lambda: ctxmem.find_near_duplicates(texts)


def _near_sketch(texts: Texts) -> Call:
    return lambda: ctxmem.find_near_duplicates(texts, method="sketch")


def _near_careful(texts: Texts) -> Call:
    return lambda: ctxmem.find_near_duplicates(texts, careful=True)


def _index_add(texts: Texts) -> Call:
    def call() -> None:
        index = ctxmem.DedupIndex()
        index.add(range(len(texts)), texts)
        index.remove(range(0, len(texts), 2))

    return call


def _index_query(texts: Texts) -> Call:
    index = ctxmem.DedupIndex()
    index.add(range(len(texts)), texts)
    # With a hundred answers to each text, most of the time would be theirs.
    return lambda: index.query(texts, limit=10)


def _count(texts: Texts) -> Call:
    counter = ctxmem.counter("o200k_base")
    return lambda: counter.count("".join(texts)) + sum(counter.count_many(texts))


def _count_messages(texts: Texts) -> Call:
    chat = _messages(texts)
    return lambda: ctxmem.count_messages(chat)


def _differences(texts: Texts) -> Call:
    one = "\n".join(texts)
    other = "\n".join(
        text.replace("e", "a", 1) if i % 3 == 0 else text for i, text in enumerate(texts[::-1])
    )
    return lambda: ctxmem.differences(one, other)


def _audit(texts: Texts) -> Call:
    chat = _messages(texts)
    rows: list[dict[str, Any]] = []
    for i in range(0, len(chat), 8):
        about = {"model": "gpt-4o", "messages": chat[max(0, i - 8) : i + 4]}
        rows.append({"request": about, "response": {"choices": [{"message": chat[i]}]}})
    return lambda: ctxmem.audit(rows)


def _repair(texts: Texts) -> Call:
    broken = [message for i, message in enumerate(_messages(texts)) if i % 5 != 3]
    return lambda: ctxmem.check(ctxmem.repair(broken, provider="openai"), provider="openai")


def _assemble(texts: Texts) -> Call:
    half = len(texts) // 2
    tools = [
        {"type": "function", "function": {"name": f"f{i}", "description": text[:200]}}
        for i, text in enumerate(texts[: min(len(texts), 60)])
    ]
    return lambda: ctxmem.assemble(
        QUERY, 4000, history=_messages(texts[:half]), passages=texts[half:], tools=tools
    )


def _fold(texts: Texts) -> Call:
    chat = _messages(texts)
    return lambda: ctxmem.dedup_messages(chat)


def _verify(texts: Texts) -> Call:
    chat = _messages(texts)
    return lambda: ctxmem.verify_summary("\n".join(texts[::2]), chat)


def _code(texts: Texts) -> Call:
    folder = tempfile.TemporaryDirectory()
    for i in range(0, len(texts), 20):
        data = "\n".join(texts[i : i + 20]).encode("utf-8", "replace")
        (Path(folder.name) / f"part{i}.{('py', 'md', 'js')[i // 20 % 3]}").write_bytes(data)

    def call() -> object:
        known = ctxmem.code(folder.name)
        return ctxmem.assemble(QUERY, 4000, code=known)

    call.folder = folder  # type: ignore[attr-defined]  # lives as long as the call
    return call


ENTRIES: dict[str, Callable[[Texts], Call]] = {
    "pack": _pack,
    "pack compress=False": _pack_whole,
    "pack of one text": _pack_one,
    "pack requires": _pack_requires,
    "trim_messages": _trim,
    "Memory.append": _append,
    "Memory.window": _window,
    "Memory.recall": _recall,
    "find_near_duplicates": _near,
    "find_near_duplicates sketch": _near_sketch,
    "find_near_duplicates careful": _near_careful,
    "DedupIndex.add": _index_add,
    "DedupIndex.query": _index_query,
    "count_tokens": _count,
    "count_messages": _count_messages,
    "differences": _differences,
    "audit": _audit,
    "repair and check": _repair,
    "assemble": _assemble,
    "dedup_messages": _fold,
    "verify_summary": _verify,
    "code": _code,
}


# A session of so many texts is made before the call that is timed; more would take too long.
FILLED = {"Memory.window": 256, "Memory.recall": 256}


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def seconds(entry: Callable[[Texts], Call], texts: Texts, calls: int = 3) -> float:
    """Return the processor time of a call, the least of several.

    What an entry prepares is not timed, unless it refuses the input: an error is an answer too.
    """
    best = float("inf")
    with _quiet():
        begin = time.process_time()
        try:
            call = entry(texts)
            for _ in range(calls):
                begin = time.process_time()
                call()
                best = min(best, time.process_time() - begin)
                if best > 0.5:
                    break
        except ctxmem.CtxmemError:
            best = min(best, time.process_time() - begin)
    return best


def measure(
    entry: Callable[[Texts], Call], made: Callable[[int], Texts], most: int = MOST_UNITS
) -> list[float]:
    """Return the times at n, 2n, 4n and 8n, fewer if one takes more than 10 s.

    Where a step takes more than six times as long, as it does where a cache or a limit spared the
    work until then, n is what it was a step to.
    """
    seconds(entry, made(32), 1)  # what is loaded on first use
    n = 128
    while seconds(entry, made(n), 2) < ENOUGH and n < most:
        n *= 2
    times: dict[int, float] = {}  # by size
    while len(times) < 4 and n <= 8 * most:
        step = seconds(entry, made(n))
        if times and step > 6 * times[n // 2] and step < ENOUGH * 100:
            times.clear()
        times[n] = step
        if step > SECONDS:
            break
        n *= 2
    for _ in range(AGAIN):
        if growth([*times.values()]) <= MOST:
            break
        times = {n: min(step, seconds(entry, made(n))) for n, step in times.items()}
    return [*times.values()]


def growth(times: Sequence[float]) -> float:
    """Return by how much the time grows a doubling, on the mean."""
    return float((times[-1] / max(times[0], 1e-6)) ** (1 / max(1, len(times) - 1)))


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def leak(entry: Callable[[Texts], Call], calls: int) -> int:
    """Return by how many bytes the resident memory grows between a tenth of the calls and all."""
    texts = prose(4)
    call = entry(texts)
    before = 0
    with _quiet():
        for i in range(calls):
            if i == calls // 10:
                before = _resident()
            call()
    return _resident() - before


def _leaks(entries: Sequence[str], calls: int) -> int:
    worst = 0
    for name in entries:
        grown = leak(ENTRIES[name], calls)
        worst = max(worst, grown)
        print(f"{name:30} {grown / 1024:8.0f} kB in {calls:,} calls", flush=True)
    return 1 if worst > LEAK else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    inputs = {made.__name__: made for made in INPUTS}
    parser.add_argument("--only", nargs="*", choices=list(ENTRIES), default=list(ENTRIES))
    parser.add_argument("--inputs", nargs="*", choices=list(inputs), default=list(inputs))
    parser.add_argument("--leaks", type=int, default=0, metavar="CALLS")
    parser.add_argument("--all", action="store_true", help="print every pair")
    asked = parser.parse_args(argv)
    if asked.leaks:
        return _leaks(asked.only, asked.leaks)
    pairs = bad = 0
    rates = []
    for name in asked.only:
        for made in asked.inputs:
            times = measure(ENTRIES[name], inputs[made], FILLED.get(name, MOST_UNITS))
            rate = growth(times)
            rates.append(rate)
            pairs += 1
            wrong = rate > MOST or times[-1] > SECONDS
            bad += wrong
            if wrong or asked.all:
                steps = " ".join(f"{b / max(a, 1e-6):.1f}x" for a, b in pairwise(times))
                print(f"{name:30} {made:12} {times[-1]:7.3f} s  {rate:.2f}x ({steps})", flush=True)
    mean = sum(rates) / max(1, len(rates))
    print(f"{pairs} pairs, {bad} above {MOST}x a doubling or {SECONDS:.0f} s; mean {mean:.2f}x")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
