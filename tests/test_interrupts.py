"""Ctrl-C ends every long native call.

Each case runs for 2 s to 90 s. After 0.1 s another thread sends SIGINT, which it can do only if the
call has released the GIL; the call must then end with KeyboardInterrupt, without a result.
"""

from __future__ import annotations

import base64
import gc
import itertools
import json
import signal
import threading
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

import ctxmem
from ctxmem import _native, _testing

BEFORE = 0.1  # seconds until the signal

PROSE = "Each tenant pays the rent on the first day of the month. It rises by 3% in 2027.\n"
WORDS = " ".join(f"w{i * i % 9973}" for i in range(1000))


def bpe(encoding: str = "o200k_base") -> Any:
    """Return a counter with a vocabulary of single bytes and a few pairs."""
    tokens = [bytes([b]) for b in range(256)]
    tokens += [bytes([a, b]) for a in b"abcdefghij" for b in b"abcdefghij"]
    lines = [base64.b64encode(token) + b" %d" % rank for rank, token in enumerate(tokens)]
    return _native.Tokenizer(b"\n".join(lines), encoding)


def spans(texts: int, per_text: int) -> Any:
    """Return the features of texts of many short spans with rare words, in chunks that overlap."""
    n = texts * per_text
    text = "".join(f"Abc{k % 997} def{k % 89}.\n" for k in range(per_text))
    ends = np.cumsum([len(line) + 1 for line in text.splitlines()])
    starts = np.concatenate([[0], ends[:-1]])
    zero = np.zeros(n, np.uint8)
    chunks = 2000
    corpus = _native.Corpus([text] * texts)
    corpus.set_units(np.arange(texts + 1) * per_text, np.tile(starts, texts), np.tile(ends, texts))
    return lambda: _native.SpanFeatures(
        corpus,
        np.arange(texts + 1) * per_text,
        np.tile(starts, texts),
        np.tile(ends, texts),
        zero + 1,
        zero,
        np.full(n, -1, np.int32),
        np.arange(n, dtype=np.int32),
        np.arange(texts, dtype=np.int32),
        np.zeros(texts, np.int64),
        ["source"] * texts,
        np.zeros(chunks, np.int32),
        np.full(chunks, n, np.int32),
        np.ones((chunks, 8)),
        ["abc1 def2 def3", "abc2 def4"],
        np.zeros((0, 0), np.float32),
        np.zeros((0, 0), np.float32),
    )


def outlined(texts: list[str]) -> Callable[[], object]:
    return partial(_native.outline, _native.Corpus(texts))


def similar(count: int) -> list[str]:
    rng = np.random.default_rng(1)
    return [" ".join(map(str, rng.integers(0, 60, 120))) for _ in range(count)]


def index_query() -> Callable[[], object]:
    index = _native.LshIndex(0.5, 1)
    texts = similar(2000)
    index.add(texts)
    return lambda: index.query(texts * 20)


def subset_sum() -> Callable[[], object]:
    tokens = np.random.default_rng(0).integers(1, 2**28, 20_000) * 2
    nothing = np.zeros(20_000, bool)
    return lambda: _testing.solve_classes(
        np.arange(20_001), tokens, tokens, nothing, 2**31 - 1, states=10**6
    )


def packing() -> Callable[[], object]:
    rng = np.random.default_rng(0)
    items = [
        {"options": [{"t": int(t), "v": int(t) + 100}], "needs": [int(n)] if n != i else []}
        for i, (t, n) in enumerate(
            zip(rng.integers(100, 900, 3000), rng.integers(0, 3000, 3000), strict=True)
        )
    ]
    problem = {"budget": 400_000, "items": items}
    return lambda: ctxmem.solve(problem, time_limit=60, states=10**6)


def predict() -> Callable[[], object]:
    text = (files("ctxmem") / "weights" / "value-1.json").read_text(encoding="utf-8")
    model, features = _native.SpanModel(json.loads(text)), spans(1000, 100)()
    return lambda: [model.predict(features) for _ in range(20)]


def texts_that_differ() -> Callable[[], object]:
    a = _native.ReadText("".join(f"Clause {i} is not void. " for i in range(300_000)))
    b = _native.ReadText("".join(f"Clause {i} may be void. " for i in range(300_000)))
    return lambda: [a.differences(b) for _ in range(3)]


# Each returns a call whose input is made.
CASES: dict[str, Callable[[], Callable[[], object]]] = {
    "outline of many texts": lambda: outlined([PROSE] * 2_000_000),
    "outline of prose": lambda: outlined([PROSE * 2_000_000]),
    "outline of JSON": lambda: outlined(["[" + '{"a": [1, 2, "b"]},' * 8_000_000 + "1]"]),
    "count_many": lambda: partial(bpe().count_many, [WORDS] * 100_000, False),
    "count of one word": lambda: partial(bpe().count, "abcdefghij" * 16_000_000),
    "count_spans": lambda: partial(bpe().count_spans, WORDS * 40_000, np.array([[0, 60_000_000]])),
    "text_amounts": lambda: partial(
        _native.text_amounts, bpe(), bpe("cl100k_base"), [WORDS] * 100_000
    ),
    "bm25": lambda: partial(_native.bm25, [WORDS] * 500_000, ["w1 w4", "w9"]),
    "span features": lambda: spans(600, 1000),
    "span model": predict,
    "reading a text": lambda: partial(_native.ReadText, PROSE * 800_000),
    "differences": texts_that_differ,
    "pairs": lambda: partial(_testing.near_duplicate_pairs, similar(12_000), 0.1, 1),
    "sketched groups": lambda: partial(
        _native.near_duplicate_groups_sketched, similar(12_000) * 20, np.zeros(240_000), 0.9, 1
    ),
    "minhash_texts": lambda: partial(_native.minhash_texts, [WORDS] * 250_000, 3),
    "minhash": lambda: partial(
        _testing.minhash,
        np.arange(30_000_000, dtype=np.uint64),
        np.arange(0, 30_000_001, 1000),
        2048,
    ),
    "shingle_sets": lambda: partial(_testing.shingle_sets, [WORDS] * 60_000, 3),
    "overlaps": lambda: partial(
        _native.text_overlaps,
        [WORDS[k % 500 :] * 9 for k in range(20_000)],
        np.zeros(20_000, np.int32),
        20,
    ),
    "index add": lambda: partial(_native.LshIndex(0.5, 1).add, similar(2000) * 300),
    "index query": index_query,
    "solve_classes": subset_sum,
    "solve": packing,
    "find_near_duplicates": lambda: partial(
        ctxmem.find_near_duplicates, similar(12_000) * 20, method="sketch", threshold=0.9, ngram=1
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_ctrl_c_ends_a_long_call(case):
    call = CASES[case]()
    # CP-SAT, which other tests run, leaves the handler of the system behind.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(BEFORE, signal.raise_signal, [signal.SIGINT])
    gc.disable()  # an interrupt in a callback of the collector would be lost
    finished: list[object] = []
    timer.start()
    try:
        # No bytecode runs between the call and the list, so a call that only notices the signal
        # after its work has its result in the list.
        finished.extend(itertools.starmap(call, [()]))
    except KeyboardInterrupt:
        assert not finished
    else:
        pytest.fail("the call ended before the signal")
    finally:
        timer.cancel()
        gc.enable()
