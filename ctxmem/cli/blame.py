"""ctxmem blame: is it the model, the context or the retriever?"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import Any

from ctxmem.blaming import MATCHES, MAX_CALLS, Blame, Prepared, prepare
from ctxmem.blaming.addresses import KEY_ENV, MAX_TOKENS, AddressModel
from ctxmem.blaming.answers import F1
from ctxmem.blaming.models import Model
from ctxmem.cli.reading import (
    DONE,
    INTERRUPTED,
    MISUSED,
    add_counter,
    print_json,
    progress,
    whole,
    write_page,
)
from ctxmem.errors import InputError
from ctxmem.pricing import PRICES
from ctxmem.traces import ReadStats
from ctxmem.traces.records import files_of

CACHE = ".ctxmem-blame"

EXAMPLES = (
    "ctxmem blame traces.jsonl --model http://localhost:8000/v1 --expected answers.csv",
    "ctxmem blame traces.jsonl --model app:answer --expected answers.csv --plan",
)
SETTINGS = ("budget", "counter", "prices", "output-price", "match", "threshold", "repeat", "seed")
"""Options whose defaults may be in pyproject.toml."""


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "blame",
        help="ask recorded questions again: is it the model, the context or the retriever?",
        description="Ask each recorded question again in five windows: as it was sent, without "
        "exact repeats, as ctxmem packs it, with the evidence alone, and without context. From the "
        "answers it says what was at fault for each question, and which questions fine-tuning "
        "could help.",
        epilog="Traces are those that ctxmem audit reads. The number of calls and tokens is "
        "printed before anything is asked. Answers are stored, so the same command continues after "
        "an interruption. Nothing leaves this machine unless --model is an address.",
    )
    parser.add_argument(
        "paths", metavar="TRACES", nargs="+", help="files, folders or patterns; - is standard input"
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="URL|MODULE:FUNCTION",
        help="an OpenAI-compatible address such as http://localhost:8000/v1, or a function from "
        "messages to a text",
    )
    parser.add_argument(
        "--expected",
        metavar="FILE",
        help="JSON lines, JSON or CSV with question (or id), answer and, if known, evidence",
    )
    parser.add_argument(
        "--judge",
        metavar="MODULE:FUNCTION",
        help="a function (question, expected, answer) that returns a bool or a number from 0 to 1",
    )
    _add_asking(parser)
    _add_address(parser)
    parser.add_argument("--html", metavar="OUT", help="also write the result as a page")
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    parser.set_defaults(run=run)


def _add_asking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plan",
        action="store_true",
        help="print how many calls and tokens it takes, and ask nothing",
    )
    parser.add_argument("--yes", action="store_true", help="start without a confirmation")
    parser.add_argument(
        "--max-calls",
        type=whole,
        default=MAX_CALLS,
        help=f"maximum number of calls of the model; if more are needed, questions are sampled "
        f"({MAX_CALLS})",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of that sample (0)")
    parser.add_argument(
        "--repeat",
        type=int,
        default=1,
        help="how often each window is asked; the majority counts (1)",
    )
    parser.add_argument(
        "--budget",
        type=whole,
        help="tokens of the request with packed passages (default: as many as were sent)",
    )
    parser.add_argument(
        "--match",
        choices=MATCHES,
        default="auto",
        help="how answers are compared: auto means contained, or F1 if the expected answer is long "
        "(auto)",
    )
    parser.add_argument(
        "--threshold", type=float, default=F1, help=f"smallest F1 of a right answer ({F1})"
    )
    add_counter(parser)
    parser.add_argument(
        "--prices",
        metavar="PRICE",
        help=f"dollars per million input tokens, such as 3, or the name of a price row: "
        f"{', '.join(PRICES)}",
    )
    parser.add_argument(
        "--output-price", type=float, metavar="PRICE", help="dollars per million output tokens"
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        default=CACHE,
        help=f"folder in which answers are stored ({CACHE})",
    )
    parser.add_argument("--no-cache", action="store_true", help="store no answers")


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="name of the model (default: that in the trace)")
    parser.add_argument(
        "--key-env",
        metavar="NAME",
        help=f"environment variable with the key ({KEY_ENV}, which is used for https and this "
        f"machine only)",
    )
    parser.add_argument(
        "--timeout", type=float, default=120.0, help="seconds that one attempt may take (120)"
    )
    parser.add_argument(
        "--retries", type=int, default=4, help="further attempts after a failure (4)"
    )
    parser.add_argument(
        "--max-tokens",
        type=whole,
        default=MAX_TOKENS,
        help=f"maximum length of an answer ({MAX_TOKENS})",
    )
    parser.add_argument(
        "--temperature",
        type=_temperature,
        default=0.0,
        help="temperature of the request; none sends no temperature (0)",
    )
    parser.add_argument("--parallel", type=int, default=4, help="requests at the same time (4)")


def run(arguments: argparse.Namespace) -> int:
    """Print what it takes, ask, and print what was at fault."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        progress("")
        kept = "" if arguments.no_cache else f"; answers are kept in {arguments.cache}"
        print(
            f"ctxmem blame: stopped{kept}; the same command continues from there", file=sys.stderr
        )
        return INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    if arguments.html and not Path(arguments.html).absolute().parent.is_dir():
        raise InputError(f"--html is {arguments.html!r}, and there is no such folder")
    for path in arguments.paths:
        files_of(path)  # one that is not there is said first
    prepared = prepare(
        arguments.paths,
        model=_model(arguments),
        expected=arguments.expected,
        judge=arguments.judge,
        budget=arguments.budget,
        repeat=arguments.repeat,
        max_calls=arguments.max_calls,
        seed=arguments.seed,
        cache=None if arguments.no_cache else arguments.cache,
        counter=arguments.counter,
        prices=_prices(arguments.prices, arguments.output_price),
        match=arguments.match,
        threshold=arguments.threshold,
        reading=_reading,
    )
    progress("")
    if arguments.plan:
        _print_plan(prepared, arguments.json)
        return DONE
    if not _agreed(prepared, arguments.yes):
        return MISUSED
    found = prepared.run(lambda done, of: progress("asking", done, of))
    progress("")
    _print(found, arguments)
    return DONE


def _model(arguments: argparse.Namespace) -> str | Model:
    if not arguments.model.startswith(("http://", "https://")):
        return str(arguments.model)
    for name, least, most in (
        ("timeout", 0.001, 86_400),
        ("retries", 0, 1000),
        ("parallel", 1, 256),
        ("max_tokens", 1, 10_000_000),
    ):
        value = getattr(arguments, name)
        if not least <= value <= most:
            raise InputError(
                f"--{name.replace('_', '-')} is {value}; expected {least:g} to {most:,}"
            )
    if arguments.key_env and not os.environ.get(arguments.key_env, "").strip():
        raise InputError(
            f"--key-env is {arguments.key_env!r}, and no such variable is set; expected the name "
            f"of the variable that holds the key"
        )
    return AddressModel(
        arguments.model,
        model=arguments.name,
        key_env=arguments.key_env,
        timeout=arguments.timeout,
        retries=arguments.retries,
        max_tokens=arguments.max_tokens,
        temperature=arguments.temperature,
        parallel=arguments.parallel,
    )


def _agreed(prepared: Prepared, yes: bool) -> bool:
    """Print the plan, and ask where somebody is there to answer and something is to be sent."""
    plan = prepared.plan
    print(f"{plan}\n", file=sys.stderr)
    if yes or not (plan.calls or plan.judge_calls):
        return True
    if not sys.stdin.isatty():
        print(
            "ctxmem blame: nothing was asked, because standard input is no terminal where a person "
            "could agree; give --yes to agree in advance, or --plan to print this alone",
            file=sys.stderr,
        )
        return False
    print("Ask the model? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print_plan(prepared: Prepared, as_json: bool) -> None:
    if as_json:
        print_json(prepared.plan.to_dict())
    else:
        print(prepared.plan)


def _print(found: Blame, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(found.to_dict())
    else:
        print(found)
    if arguments.html:
        write_page(found.to_html, arguments.html, "; the answers are kept")


def _prices(text: str | None, output: float | None) -> dict[str, float] | str | None:
    if text is None:
        if output is not None:
            raise InputError("--output-price needs --prices, the price of input tokens")
        return None
    if text in PRICES:
        costs = {"input": PRICES[text].dollars}
    else:
        try:
            costs = {"input": float(text.partition(",")[0])}
        except ValueError:
            raise InputError(
                f"--prices is {text!r}; expected dollars a million input tokens, such as 3, or one "
                f"of {', '.join(PRICES)}"
            ) from None
    return costs if output is None else {**costs, "output": output}


def _temperature(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0, and not none")
    return number


def _reading(stats: ReadStats) -> None:
    progress(f"{stats.records:,} records, {stats.bytes / 1e6:,.0f} MB")
