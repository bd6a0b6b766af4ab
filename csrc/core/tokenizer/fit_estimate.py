"""Write ctxmem/weights/estimate-1.json: what estimates expect of each family of tokenizers.

    python csrc/core/tokenizer/fit_estimate.py WINDOWS.json COUNTS.json [--all] [--loo] > OUT.json

WINDOWS.json is a list of [label, split, text], texts of about 1,000 tokens; COUNTS.json maps the
name of a tokenizer to its count of each text. Texts of split "A" are fitted; the errors on the
others are printed to stderr, by label with `--labels`. With `--loo` the family "unknown" is fitted
once without each of its tokenizers, and measured on it.

The texts used for the file in the tree were message catalogues of a Debian system in 150 languages,
source code, documentation and JSON of installed packages, public question sets, and generated
texts: numbers, hashes, tables, emoji, decomposed and pointed letters, letters of rare blocks. The
counts were made with `tokenizers`, `sentencepiece` and tiktoken from the published files. Claude's
tokenizers since version 3 are not published: their counts are those of ctok 1.3.0 (pypi.org), a
reconstruction that reports equality with the recorded answers of Anthropic's count_tokens on 350
languages and on program sources that it was not made from.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctxmem import _native, tokens
from ctxmem.tokens import calibration
from ctxmem.tokens.calibration import KINDS, Prior

Floats = NDArray[np.float64]

# Vocabularies of 2024 and later; older ones have two to three times their tokens of many scripts.
UNKNOWN = ("o200k_base", "llama3", "qwen3", "deepseek_v3", "gemma3", "tekken_240911")
FAMILIES: dict[str, tuple[str, ...]] = {
    "claude_2": ("claude_2",),
    "claude_3": ("claude_3",),
    "claude_4_7": ("claude_4_7",),
    "gemini": ("gemini", "gemma3"),
    "llama_2": ("llama2",),
    "llama_3": ("llama3",),
    "qwen": ("qwen3",),
    "deepseek": ("deepseek_v3", "deepseek_v4"),
    "mistral_v3": ("mistral_v1", "mistral_v3"),
    "mistral_tekken": ("tekken_240911",),
    "mistral": ("tekken_240911", "mistral_v1", "mistral_v3"),
    "estimate": UNKNOWN,
    "unknown": UNKNOWN,
}
# Byte-level pairs without a normaliser. NFC and NFKC can make a text longer; SentencePiece adds a
# blank to its front.
AT_MOST_BYTES = ("llama_3", "mistral_tekken", "deepseek", "estimate", "unknown")
RIDGE = 2e-5
SPREAD = 0.15  # at least: what one tokenizer is fitted on is not all that it will be used for
USUAL_ALLOWANCE = 0.96  # of "estimate": its margin above o200k_base is then 1.25 in the mean
# Families of tokenizers that differ, so that the ceiling is above each by itself.
SEVERAL = ("gemini", "mistral", "estimate", "unknown")
ASCII = KINDS[: KINDS.index("latin")]
VARIED = ("symbols", "emoji", "typographic", "math_letters", "letters", "letters_far")
SLACK = 1.01  # between the bound and the tokens of every text that is fitted
STEP = 5e-5  # of the variance of a kind, while a text of it is under
ALLOWANCE = 1.02  # above the highest tokenizer of a family of several


def non_negative(matrix: Floats, target: Floats, start: Floats) -> Floats:
    """Return w >= 0 that minimises w'Mw/2 - t'w, by cyclic coordinate descent."""
    w = start.copy()
    gradient = matrix @ w - target
    diagonal = np.diag(matrix)
    for _ in range(400):
        largest = 0.0
        for j in np.flatnonzero(diagonal > 0):
            step = max(0.0, w[j] - gradient[j] / diagonal[j]) - w[j]
            if step:
                gradient += step * matrix[:, j]
                w[j] += step
                largest = max(largest, abs(step) * diagonal[j] ** 0.5)
        if largest < 1e-7:
            break
    return w


def balanced(labels: Sequence[str]) -> Floats:
    """Return weights of texts by which no label counts more than 20 of its texts."""
    names, inverse, counts = np.unique(np.array(labels), return_inverse=True, return_counts=True)
    del names
    return np.minimum(1.0, 20.0 / counts[inverse])


def fit_weights(amounts: Floats, counts: Floats, weight: Floats) -> Floats:
    """Return the tokens of each amount of each kind, by relative error.

    Kinds with few texts lean on their ratio to the mean of both native counts.
    """
    kinds, size = amounts.shape[1:]
    root = np.sqrt(weight)
    pull = RIDGE * weight.sum()
    base = (amounts[:, :, 0] + amounts[:, :, 1]) / 2
    rows = base * (root / counts)[:, None]
    ratio = non_negative(rows.T @ rows + pull * np.eye(kinds), rows.T @ root + pull, np.ones(kinds))
    prior = np.zeros((kinds, size))
    prior[:, :2] = ratio[:, None] / 2
    per_token = amounts.sum(0) / np.maximum(base.sum(0), 1)[:, None]
    pulls = (pull * np.maximum(per_token, 0.05) ** 2).ravel()
    rows = amounts.reshape(len(counts), -1) * (root / counts)[:, None]
    found = non_negative(
        rows.T @ rows + np.diag(pulls), rows.T @ root + pulls * prior.ravel(), prior.ravel()
    )
    return found.reshape(kinds, size)


def fit_ratios(expected: Floats, counts: Floats, weight: Floats) -> Floats:
    """Return the ratio of one tokenizer to its family, by kind."""
    root = np.sqrt(weight)
    pull = 10 * RIDGE * weight.sum()
    rows = expected * (root / counts)[:, None]
    size = expected.shape[1]
    return non_negative(rows.T @ rows + pull * np.eye(size), rows.T @ root + pull, np.ones(size))


def fit_noise(expected: Floats, counts: Floats, weight: Floats) -> Floats:
    """Return by kind the standard deviation that explains what is left of the errors."""
    errors = np.minimum(np.square(expected.sum(1) / counts - 1), 0.25)
    root = np.sqrt(weight)
    rows = np.square(expected / counts[:, None]) * root[:, None]
    size = expected.shape[1]
    pull = RIDGE * weight.sum()
    found = non_negative(
        rows.T @ rows + pull * np.eye(size),
        rows.T @ (errors * root) + pull * 0.03**2,
        np.full(size, 1e-3),
    )
    return np.sqrt(np.maximum(found, 0.01**2))


def fit_family(family: str, members: Sequence[Floats], amounts: Floats, weight: Floats) -> Prior:
    """Return the prior of a family from the counts of its tokenizers.

    The bound is to cover the tokenizer that has most tokens of a kind; that of "estimate", which
    no model was named for, the one with the third most of six, without its least usual languages.
    """
    place = -3 if family == "estimate" else -1
    # The weights are those of the tokenizer at this place for each text, the highest if there is
    # one; the ratios of the others to it are below one.
    target = np.sort(members, axis=0)[place]
    weights = fit_weights(amounts, target, weight)
    expected = np.einsum("nka,ka->nk", amounts, weights)
    ratios = np.array([fit_ratios(expected, counts, weight) for counts in members])
    noise = np.array(
        [
            fit_noise(expected * ratio, counts, weight)
            for ratio, counts in zip(ratios, members, strict=True)
        ]
    )
    mean = np.minimum(ratios.mean(axis=0), 1.0)
    spread = np.maximum(SPREAD, 2 * ratios.std(axis=0))
    usual = family == "estimate"
    ceiling = np.ones(len(KINDS))
    if len(members) > 1:
        ceiling = np.maximum(np.sort(ratios, axis=0)[place], 1.0)
        ceiling *= USUAL_ALLOWANCE if usual else ALLOWANCE
    script = 0.035 if family in SEVERAL else 0.05
    least = [0.09 if k in VARIED else 0.01 if k in ASCII else script for k in KINDS]
    noise = np.maximum(noise, least)
    of_ceiling = np.maximum(noise.min(axis=0), 0.01)
    noise = np.sqrt(np.mean(noise**2, axis=0))
    if not usual:
        of_ceiling = noise
    prior = Prior(
        family, weights, mean, spread, ceiling, of_ceiling, noise, family in AT_MOST_BYTES
    )
    for _ in range(0 if usual else 100):
        found = calibration.bounds(prior, calibration.initial(prior), expected)
        under = found < SLACK * target
        if not under.any():
            break
        # Kinds that some language needs more of than the others of its script.
        share = np.square(expected[under] / expected[under].sum(1, keepdims=True))
        noise = np.sqrt(prior.noise**2 + STEP * share.max(axis=0))
        prior = replace(prior, noise=noise, ceiling_noise=noise)
    return prior


def bound(prior: Prior, amounts: Floats, texts: Sequence[str]) -> Floats:
    """Return what is counted before any observation."""
    expected = np.einsum("nka,ka->nk", amounts, prior.weights)
    found = np.ceil(calibration.bounds(prior, calibration.initial(prior), expected))
    if prior.family in ("estimate", "unknown"):
        found = np.maximum(found, amounts[:, :, 0].sum(1))
    return np.minimum(found, [len(t.encode()) for t in texts]) if prior.at_most_bytes else found


def report(title: str, margin: Floats, labels: Sequence[str], *, by_label: bool) -> None:
    """Print the share under and the mean margin, of all texts and of the worst labels."""
    print(
        f"{title:32} under {np.mean(margin < 1):6.2%}  mean margin {margin.mean():.3f}  "
        f"lowest {margin.min():.3f}",
        file=sys.stderr,
    )
    if not by_label:
        return
    names = np.array(labels)
    for name in np.unique(names):
        own = margin[names == name]
        if own.min() < 1 or own.mean() > 1.4:
            print(
                f"    {name:20} n={own.size:3} under {np.mean(own < 1):7.2%} mean {own.mean():.3f} "
                f"lowest {own.min():.3f}",
                file=sys.stderr,
            )


def main(arguments: Sequence[str]) -> int:
    """Print the weights as JSON; errors go to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("windows", type=Path)
    parser.add_argument("counts", type=Path)
    parser.add_argument("--loo", action="store_true")
    parser.add_argument("--all", action="store_true", help="fit all texts; errors are not held out")
    parser.add_argument("--families", nargs="*", default=[*FAMILIES], help="only these")
    parser.add_argument("--labels", action="store_true")
    options = parser.parse_args(arguments)
    windows = json.loads(options.windows.read_text(encoding="utf-8"))
    counts: Mapping[str, Floats] = {
        name: np.asarray(of, dtype=np.float64)
        for name, of in json.loads(options.counts.read_text(encoding="utf-8")).items()
    }
    labels, texts = [row[0] for row in windows], [row[2] for row in windows]
    native = [tokens.resolve(name) for name in ("o200k_base", "cl100k_base")]
    amounts = _native.text_amounts(native[0].core, native[1].core, texts)
    counts = {
        "o200k_base": amounts[:, :, 0].sum(1),
        "cl100k_base": amounts[:, :, 1].sum(1),
        **counts,
    }
    test = np.array([row[1] != "A" for row in windows])
    train = ~test | options.all
    weight = balanced([label for label, own in zip(labels, train, strict=True) if own])
    held_labels = [label for label, own in zip(labels, test, strict=True) if own]
    held_texts = [text for text, own in zip(texts, test, strict=True) if own]
    families = {}
    for family in options.families:
        names = FAMILIES[family]
        prior = fit_family(family, [counts[n][train] for n in names], amounts[train], weight)
        found = bound(prior, amounts[test], held_texts)
        for name in names:
            title = f"{family}: {name}"
            report(title, found / counts[name][test], held_labels, by_label=options.labels)
        families[family] = {
            "weights": [[round(float(v), 4) for v in row] for row in prior.weights],
            "mean": [round(float(v), 4) for v in prior.mean],
            "spread": [round(float(v), 4) for v in prior.spread],
            "ceiling": [round(float(v), 4) for v in prior.ceiling],
            "ceiling_noise": [round(float(v), 4) for v in prior.ceiling_noise],
            "noise": [round(float(v), 4) for v in prior.noise],
            "at_most_bytes": prior.at_most_bytes,
        }
    for left in UNKNOWN if options.loo else ():
        others = [counts[name][train] for name in UNKNOWN if name != left]
        prior = fit_family("unknown", others, amounts[train], weight)
        found = bound(prior, amounts[test], held_texts)
        title = f"unknown without {left}"
        report(title, found / counts[left][test], held_labels, by_label=options.labels)
    json.dump(
        {"format": "ctxmem estimate", "version": 1, "kinds": KINDS, "families": families},
        sys.stdout,
        separators=(",", ":"),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
