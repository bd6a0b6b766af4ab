"""How far above the true counts are estimates, and how often below, before and after observations?

    python -m bench.estimates [--json] [--windows 40] [--tokenizers FOLDER]

For each of 16 scripts and kinds of text, windows of about 1,000 tokens are composed here; none was
used to fit the estimates. The truth is counted with o200k_base, with a vocabulary that is trained
on the spot, and with the files of a folder (CTXMEM_TOKENIZERS: tokenizer.json files,
named as in `NAMED`). Each is estimated under the name of a model that has it,
and as "estimate", which knows nothing of it. An estimate observes 5, then 20 windows of one kind
before it counts other windows of that kind.

By kind are reported the share of windows that were counted too low, the mean margin (estimate /
truth), and the lowest of all.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ctxmem import tokens

from .phrases import PHRASES, sentences
from .token_texts import library, prose, records

WINDOW = 1000
STEPS = (0, 5, 20)
Truth = Callable[[list[str]], list[int]]

NAMED = {
    "claude": "claude-2.1",
    "gemini": "gemini-2.5-pro",
    "gemma3": "gemma-3-27b",
    "llama2": "llama-2-70b",
    "llama3": "llama-3.1-8b",
    "qwen3": "qwen3-32b",
    "deepseek_v3": "deepseek-v3",
    "deepseek_v4": "deepseek-v4",
}
"""Files that are looked for, by their names without the ending, and models that count so."""

SYMBOLS = "←↑→↓⇒∀∂∃∈∑−√∞∧∩∫≈≠≤≥⊂⊕─│┌┐└┘├┤■□▲▼◆●★☆♪✓✗"


# Texts --------------------------------------------------------------------------------------------


def numbers(rng: random.Random) -> str:
    """Return a line of a log with times, sizes and measurements."""
    at = f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:15:09"
    values = ", ".join(f"{rng.gauss(0, 1000):.3f}" for _ in range(4))
    return f"{at} worker-{rng.randrange(64)} took {rng.randrange(9999)} ms [{values}]"


def symbols(rng: random.Random) -> str:
    """Return a line with emoji, arrows and operators among short words."""
    emoji = "".join(chr(rng.randrange(0x1F600, 0x1F640)) for _ in range(rng.randrange(1, 4)))
    signs = " ".join(rng.choice(SYMBOLS) for _ in range(rng.randrange(1, 5)))
    return f"{rng.choice(['done', 'see the notes', 'build failed', 'thanks'])} {emoji} {signs}"


@functools.cache
def docstrings() -> str:
    """Return the prose of the standard library; parsing it takes seconds."""
    return prose(library())


def parts_of(kind: str) -> Iterator[str]:
    """Yield lines, sentences or blocks of a kind, in a fixed order."""
    if kind in PHRASES:
        yield from sentences(kind, 6000, 11)
    elif kind in ("numbers", "symbols"):
        rng = random.Random(kind)
        line = numbers if kind == "numbers" else symbols
        yield from (line(rng) for _ in range(6000))
    elif kind == "english":
        yield from docstrings().split("\n\n")
    elif kind == "code":
        yield from "".join(library())[:1_200_000].split("\n\n")
    else:
        words = sorted({word.strip(".,()") for word in docstrings().split() if word.isalpha()})
        yield from records(words)[:400_000].split("\n  },")


KINDS = ("english", "code", "json", "numbers", "symbols", *PHRASES)


def windows(kind: str, count: int) -> list[str]:
    """Return windows of about 1,000 tokens of o200k_base; fewer if there is too little text."""
    parts = [part for part in parts_of(kind) if part.strip()]
    joint = "\n\n" if kind in ("english", "code") else "\n  }," if kind == "json" else "\n"
    made: list[str] = []
    window: list[str] = []
    size = 0
    for part, own in zip(parts, tokens.count_tokens(parts), strict=True):
        if own > WINDOW // 2:
            continue
        window.append(part)
        size += own
        if size >= WINDOW:
            made.append(joint.join(window))
            window, size = [], 0
            if len(made) == count:
                break
    random.Random(kind).shuffle(made)
    return made


# Truth --------------------------------------------------------------------------------------------


def truths(folder: str | None) -> dict[str, tuple[str, Truth]]:
    """Return what counts exactly, by name: the model to estimate it as, and the function."""
    found: dict[str, tuple[str, Truth]] = {
        "o200k_base": ("estimate", lambda texts: list(tokens.count_tokens(texts)))
    }
    try:
        import tokenizers
    except ImportError:
        return found
    found["English only"] = ("estimate", trained(tokenizers))
    for name, model in NAMED.items():
        path = Path(folder or "") / f"{name}.json"
        if folder and path.is_file():
            found[name] = (model, counting(tokenizers.Tokenizer.from_file(str(path))))
    return found


def counting(tokenizer: Any) -> Truth:
    """Return the function that counts with a tokenizer of `tokenizers`."""
    return lambda texts: [
        len(one.ids) for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    ]


def trained(tokenizers: Any) -> Truth:
    """Return a byte-level vocabulary of 24,000 tokens, trained on program sources only.

    It has two to four times the tokens of others for texts that are not English: nothing can know
    that before the first observation, and estimates have to learn it.
    """
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=24_000,
        show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator((text[:20_000] for text in library()[300:]), trainer)
    return counting(tokenizer)


# Measures -----------------------------------------------------------------------------------------


def measure_kind(model: str, texts: Sequence[str], counts: Sequence[int]) -> dict[str, Any]:
    """Return the shares and margins of one kind, after each number of observations."""
    first = max(STEPS)
    estimate = tokens.Estimate(model)
    row: dict[str, Any] = {}
    for observed, (text, count) in enumerate(zip(texts[:first], counts[:first], strict=True)):
        if observed in STEPS:
            row[str(observed)] = margins(estimate, texts[first:], counts[first:])
        estimate.observe(text, count)
    row[str(first)] = margins(estimate, texts[first:], counts[first:])
    return row


def margins(
    estimate: tokens.Estimate, texts: Sequence[str], counts: Sequence[int]
) -> dict[str, float]:
    """Return the share of texts that are counted too low, the mean margin and the lowest."""
    found = [made / true for made, true in zip(estimate.count_many(texts), counts, strict=True)]
    return {
        "under": round(sum(one < 1 for one in found) / len(found), 4),
        "mean": round(sum(found) / len(found), 3),
        "lowest": round(min(found), 3),
    }


def measure(count: int, folder: str | None) -> dict[str, Any]:
    """Measure every truth on every kind, under its model's name and as an unknown one."""
    texts = {kind: windows(kind, count + max(STEPS)) for kind in KINDS}
    report: dict[str, Any] = {"windows": count, "rows": []}
    for name, (model, truth) in truths(folder).items():
        counts = {kind: truth(of) for kind, of in texts.items()}
        for estimated in dict.fromkeys((model, "estimate")):
            kinds = {
                kind: measure_kind(estimated, texts[kind], counts[kind])
                for kind in KINDS
                if len(texts[kind]) > max(STEPS)
            }
            report["rows"].append({"truth": name, "estimate": estimated, "kinds": kinds})
    return report


def shown(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the report."""
    steps = [str(step) for step in STEPS]
    for row in report["rows"]:
        yield f"\n{row['truth']}, estimated as {row['estimate']!r}"
        yield "kind         " + "".join(
            f"| {'before' if step == '0' else 'after ' + step:^21} " for step in steps
        )
        yield "             " + "| under   mean  lowest " * len(steps)
        for kind, of in row["kinds"].items():
            cells = [of[step] for step in steps]
            yield f"{kind:13}" + "".join(
                f"| {c['under']:5.1%} {c['mean']:6.3f} {c['lowest']:7.3f} " for c in cells
            )
        yield "all          " + "".join(
            f"| {mean_of(row, step, 'under'):5.1%} {mean_of(row, step, 'mean'):6.3f} "
            f"{min(of[step]['lowest'] for of in row['kinds'].values()):7.3f} "
            for step in steps
        )


def mean_of(row: dict[str, Any], step: str, what: str) -> float:
    """Return the mean over kinds."""
    values = [float(of[step][what]) for of in row["kinds"].values()]
    return sum(values) / len(values)


def main(argv: Sequence[str] | None = None) -> int:
    """Print shares and margins by kind."""
    parser = argparse.ArgumentParser(prog="ctxmem bench estimates", description=__doc__)
    parser.add_argument("--windows", type=int, default=40, help="of each kind (40)")
    parser.add_argument(
        "--tokenizers", default=os.environ.get("CTXMEM_TOKENIZERS"), metavar="FOLDER"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report = measure(options.windows, options.tokenizers)
    print(json.dumps(report) if options.json else "\n".join(shown(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
