"""How much time do the adapters save, compared with the components of their frameworks?

Five tasks, each on the same objects, in the same process, ours and theirs in turn: trim a chat to a
quarter of its tokens; drop the documents that repeat others; keep an agent's request within a
budget, also where it grows by two messages a call; read a chat memory. All caches have the counts
of the texts; "first call" is the first call with a history. Answers are checked before a time is
reported, and peers that exceed the budget are named. Times are CPU seconds of all threads.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import ctxmem

from .corpus import passages
from .messages import chat
from .reporting import print_report, versions
from .token_peers import reference

SIZES = (100, 1000, 5000)
PEERS = ("langchain-core", "langchain", "langchain-community", "llama-index-core", "numpy")
PATIENCE = 4.0
"""Seconds after which a peer is not timed again."""
QUADRATIC = 1000
"""Messages up to which a peer that counts all of them for each is run; `--patient` runs it on."""

Runs = dict[str, Callable[[], Any]]
Check = Callable[[str, Any], str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="ctxmem bench adapters", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each (default 5)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--patient", action="store_true", help="run quadratic peers at any size")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    tasks = {
        "trim a chat": trims,
        "drop repeated documents": filters,
        "an agent's request": requests,
        "an agent's request that grows": growing,
        "read a chat memory": memories,
    }
    rows: list[dict[str, Any]] = []
    for task, prepare in tasks.items():
        for size in options.sizes:
            try:
                runs, check, note = prepare(size, options.patient)
            except ImportError as error:
                rows.append({"task": task, "size": size, "missing": str(error)})
                continue
            rows.append({"task": task, "size": size, **measure(runs, check, options.rounds)})
            rows[-1]["note"] = note
    report = {"versions": versions(*PEERS), "rounds": options.rounds, "rows": rows}
    print_report(report, show, as_json=options.json)
    return 0


def measure(runs: Runs, check: Check, rounds: int) -> dict[str, Any]:
    """Check every answer, then time all in turn."""
    remarks = {name: check(name, run()) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            if sum(times[name]) > PATIENCE:
                continue
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {
        "milliseconds": {
            name: {
                "median": round(1e3 * statistics.median(values), 3),
                "min": round(1e3 * min(values), 3),
                "max": round(1e3 * max(values), 3),
                "rounds": len(values),
                "remark": remarks[name],
            }
            for name, values in times.items()
        }
    }


def within(budget: int, tokens: int, ours: bool) -> str:
    """Return an answer's tokens relative to the budget; ours must not exceed it."""
    if tokens <= budget:
        return f"{tokens:,} tokens"
    if ours:
        raise AssertionError(f"{tokens:,} tokens where {budget:,} are allowed")
    return f"{tokens:,} tokens, over by {tokens - budget:,}"


# The tasks ----------------------------------------------------------------------------------------


def trims(size: int, patient: bool) -> tuple[Runs, Check, str]:
    """Trim LangChain's messages to a quarter of their tokens."""
    from langchain_core.messages import convert_to_messages
    from langchain_core.messages import trim_messages as theirs

    from ctxmem.adapters.langchain import token_counter

    messages = convert_to_messages(chat(random.Random(size), size))
    budget = ctxmem.count_messages(messages) // 4
    options = {"max_tokens": budget, "include_system": True, "start_on": "human"}
    runs: Runs = {
        "ctxmem.trim_messages": lambda: ctxmem.trim_messages(messages, budget),
        "ctxmem.trim_messages, low_water": lambda: ctxmem.trim_messages(
            messages, budget, low_water=0.5
        ),
        "LangChain, approximate": lambda: theirs(messages, token_counter="approximate", **options),
        "LangChain, our token_counter": lambda: theirs(
            messages, token_counter=token_counter, **options
        ),
    }
    encoding = reference("o200k_base")

    def count(given: Sequence[Any]) -> int:
        texts = [str(message.content) for message in given]
        texts += [json.dumps(c["args"]) for m in given for c in getattr(m, "tool_calls", ())]
        return sum(len(encoding.encode_ordinary(text)) + 4 for text in texts)

    runs["LangChain, tiktoken"] = lambda: theirs(messages, token_counter=count, **options)

    def check(name: str, kept: Any) -> str:
        return within(budget, ctxmem.count_messages(kept), name.startswith("ctxmem"))

    return runs, check, f"{ctxmem.count_messages(messages):,} tokens to {budget:,}"


def filters(size: int, patient: bool) -> tuple[Runs, Check, str]:
    """Drop near-copies; embeddings are given, so that no model is timed."""
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    from ctxmem.adapters.langchain import DuplicateFilter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.document_transformers import EmbeddingsRedundantFilter

    originals = size * 7 // 10
    rng = np.random.default_rng(size)
    vectors = rng.normal(size=(originals, 384))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = list(passages(originals))
    copies = rng.integers(0, originals, size - originals)
    texts += [f"{texts[i]} Copy {n}." for n, i in enumerate(copies)]
    near = vectors[copies] + rng.normal(scale=0.002, size=(len(copies), 384))
    vectors = np.concatenate([vectors, near]).astype(np.float32)
    order = rng.permutation(size)
    documents = [Document(texts[i], metadata={"original": int(i)}) for i in order]
    given = vectors[order].tolist()  # what an `Embeddings` returns

    class Given(Embeddings):
        def embed_documents(self, texts: list[str]) -> Any:
            return given

        def embed_query(self, text: str) -> list[float]:
            raise AssertionError("the filter compares documents with each other, not with a query")

    words = DuplicateFilter(careful=False)
    meaning = DuplicateFilter(careful=False, embeddings=Given())
    theirs = EmbeddingsRedundantFilter(embeddings=Given(), similarity_threshold=0.95)
    runs: Runs = {
        "DuplicateFilter, words": lambda: words.transform_documents(documents),
        "DuplicateFilter, words and embeddings": lambda: meaning.transform_documents(documents),
        "EmbeddingsRedundantFilter": lambda: theirs.transform_documents(documents),
    }
    originals_of = [int(copies[i - originals]) if i >= originals else int(i) for i in order]
    best = {first: at for at, first in reversed(list(enumerate(originals_of)))}
    at = {document.page_content: i for i, document in enumerate(documents)}

    def check(name: str, kept: Any) -> str:
        places = [at[document.page_content] for document in kept]
        groups = {originals_of[place] for place in places}
        if not name.startswith("Embeddings") and sorted(best.values()) != places:
            raise AssertionError(f"{name} keeps {len(places)} documents, not the best of each")
        worse = sum(best[originals_of[place]] != place for place in places)
        lost = originals - len(groups)
        shown = f"{len(places):,} kept"
        shown += f", {worse:,} of them not the best-ranked copy" if worse else ""
        return shown + (f", {lost:,} lost altogether" if lost else "")

    return runs, check, f"{size - originals:,} of {size:,} are near-copies"


def requests(size: int, patient: bool) -> tuple[Runs, Check, str]:
    """Bring an agent's request within a quarter of its history."""
    from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware
    from langchain.agents.middleware.types import ModelRequest
    from langchain_core.messages import AIMessage, convert_to_messages

    from ctxmem.adapters.langchain import ContextMiddleware

    messages = convert_to_messages(chat(random.Random(size), size))
    budget = ctxmem.count_messages(messages) // 4
    request = ModelRequest(
        model=None,  # type: ignore[arg-type]
        messages=messages[1:],
        system_message=messages[0],  # type: ignore[arg-type]
        state={"messages": messages[1:]},
    )
    sent: list[Any] = []

    def model(changed: Any) -> Any:
        sent[:] = [changed.system_message, *changed.messages]
        return AIMessage("said")

    def called(middleware: Any) -> list[Any]:
        middleware.wrap_model_call(request, model)
        return list(sent)

    ours = ContextMiddleware(budget=budget)
    clear = ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=budget)])
    step = ContextEditingMiddleware(
        edits=[ClearToolUsesEdit(trigger=budget, clear_at_least=budget // 2)]
    )
    runs: Runs = {
        "ContextMiddleware": lambda: called(ours),
        "ContextMiddleware, first call": lambda: called(ContextMiddleware(budget=budget)),
        "ContextEditingMiddleware": lambda: called(clear),
        "ContextEditingMiddleware, clear_at_least": lambda: called(step),
    }

    def check(name: str, kept: Any) -> str:
        return within(budget, ctxmem.count_messages(kept), name.startswith("ContextMiddleware"))

    return runs, check, f"budget {budget:,} tokens"


def growing(size: int, patient: bool) -> tuple[Runs, Check, str]:
    """Bring an agent's request within 8,000 tokens, two messages more at each call."""
    from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware
    from langchain.agents.middleware.types import ModelRequest
    from langchain_core.messages import AIMessage, HumanMessage, convert_to_messages

    from ctxmem.adapters.langchain import ContextMiddleware

    budget = 8000
    given = convert_to_messages(chat(random.Random(size), size))[1:]
    sent: list[Any] = []

    def model(changed: Any) -> Any:
        sent[:] = changed.messages
        return AIMessage("said")

    def caller(middleware: Any) -> Callable[[], list[Any]]:
        state = list(given)

        def call() -> list[Any]:
            state.extend([AIMessage("Done."), HumanMessage(f"And {len(state)}?")])
            request = ModelRequest(
                model=None,  # type: ignore[arg-type]
                messages=list(state),
                state={"messages": state},  # type: ignore[typeddict-item]
            )
            middleware.wrap_model_call(request, model)
            return list(sent)

        call()
        return call

    runs: Runs = {
        "ContextMiddleware": caller(ContextMiddleware(budget=budget)),
        "ContextEditingMiddleware": caller(
            ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=budget)])
        ),
    }

    def check(name: str, kept: Any) -> str:
        return within(budget, ctxmem.count_messages(kept), name.startswith("ContextMiddleware"))

    return runs, check, f"budget {budget:,} tokens"


def memories(size: int, patient: bool) -> tuple[Runs, Check, str]:
    """Read the window of a chat memory."""
    from llama_index.core.llms import ChatMessage
    from llama_index.core.memory import ChatMemoryBuffer

    from ctxmem.adapters.llama_index import ContextMemory

    messages = [
        ChatMessage(role=message["role"], content=message["content"] or "Looking.")
        for message in chat(random.Random(size), size)
        if message["role"] in ("user", "assistant")
    ]
    budget = ctxmem.count_messages(messages) // 4
    ours = ContextMemory.from_defaults(chat_history=messages, budget=budget)

    def first() -> list[Any]:
        return ContextMemory.from_defaults(chat_history=messages, budget=budget).get()

    runs: Runs = {"ContextMemory.get": ours.get, "ContextMemory, made, filled, get": first}
    note = f"{len(messages):,} messages, budget {budget:,} tokens"
    if size <= QUADRATIC or patient:
        encode = reference("o200k_base").encode_ordinary
        theirs = ChatMemoryBuffer.from_defaults(
            chat_history=messages, token_limit=budget, tokenizer_fn=encode
        )
        runs["ChatMemoryBuffer.get"] = theirs.get
    else:
        note += f"; ChatMemoryBuffer, quadratic, is run up to {QUADRATIC:,}: --patient runs it on"

    def check(name: str, kept: Any) -> str:
        return within(budget, ctxmem.count_messages(kept), name.startswith("ContextMemory"))

    return runs, check, note


# Printing -----------------------------------------------------------------------------------------


def show(report: dict[str, Any]) -> None:
    """Print the figures for a person."""
    print(", ".join(f"{name} {version}" for name, version in report["versions"].items()))
    task = ""
    for row in report["rows"]:
        if row["task"] != task:
            task = row["task"]
            print(f"\n{task}: ms of processor time, median of {report['rounds']} (min to max)")
        if "missing" in row:
            print(f"  {row['size']:,}: not run, {row['missing']}")
            continue
        print(f"  {row['size']:,}  {row['note']}")
        times = row["milliseconds"]
        ours = next(iter(times.values()))["median"]
        for name, value in times.items():
            spread = f"({value['min']:,.2f} to {value['max']:,.2f})"
            print(
                f"    {name:<42}{value['median']:>11,.2f}  {spread:<26}"
                f"{value['median'] / ours:>9,.1f}x  {value['remark']}"
            )


if __name__ == "__main__":
    raise SystemExit(main())
