"""Do statements that bind stay in a window that is far smaller than the session?

Sessions of 40 to 400 messages in six domains, generated from `binding_templates`: statements of
twelve kinds, a fifth of them replaced later, between ordinary questions and answers. Tool results,
documents and the assistant's answers hold sentences that look like rules. A window is taken after
each user message, with a budget of 10, 20 and 30 % of the session's tokens.

Survival counts statements that bind at the end and are verbatim in the final window; `afterwards`
counts them in every window that their message has left. `stale` counts values that were replaced
and are in the final window outside the message that first said them. `from outside` counts entries
of the ledger that only a tool or a document said. Beside `Memory` without a ledger there is
a checklist: the user's sentences with one of ten phrases, the newest first, in 30 % of the budget,
and the last messages in the rest.

Where we lose: the phrases of the ledger and these templates have authors who know each other; in
ordinary chats it finds fewer. And a session in which binding statements are more than a thirtieth
of all tokens has no room for all of them in 30 % of a tenth.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ctxmem
from ctxmem import Chunk, Memory, _native

from . import binding_templates as templates
from .binding_templates import Template
from .messages import text
from .reporting import print_report

SHARES = (0.1, 0.2, 0.3)
DOMAINS = ("coding", "support", "travel", "diet", "writing", "data")
REPLACED = 0.2
"""So many of the statements are replaced later, where their template says how."""
EDITS = 5
CHECKLIST_SHARE = 0.3
PHRASES = (
    *("always", "never", "from now on", "i prefer", "call me", "my budget", "deadline", "must"),
    *("remember", "let's"),
)


@dataclass
class Said:
    """A statement of a session: where it was said and where it was replaced, -1 if nowhere."""

    kind: str
    text: str
    message: int
    replaced: int = -1


@dataclass
class Session:
    """Messages and passages of a session, and what was said in it that binds."""

    messages: list[Any]
    said: list[Said]
    outside: list[str] = field(default_factory=list)
    tokens: int = 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="ctxmem bench binding", description=__doc__)
    parser.add_argument("--sessions", type=int, default=60, help="how many sessions (60)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sessions (0)")
    parser.add_argument("--missing", action="store_true", help="print the statements that are lost")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    report = {
        "question": "do statements that bind stay in the window?",
        "versions": {
            "ctxmem": ctxmem.__version__,
            "python": platform.python_version(),
            "cpu_level": _native.cpu_level(),
        },
        **measure(options.sessions, options.seed, missing=options.missing),
    }
    print_report(report, show, as_json=options.json)
    return 0


# Sessions -----------------------------------------------------------------------------------------


def make_session(seed: int) -> Session:
    """Return a session that a seed determines."""
    rng = random.Random(seed)
    domain = DOMAINS[seed % len(DOMAINS)]
    size = rng.randrange(40, 401)
    planned = _plan(rng, domain, size)
    session = Session([{"role": "system", "content": "You are a careful assistant."}], [])
    by_turn: dict[int, list[tuple[str, Said | None, Said | None]]] = {}
    for turn, words, made, replaces in planned:
        by_turn.setdefault(turn, []).append((words, made, replaces))
    turn = 0
    while len(session.messages) < size:
        at = len(session.messages)
        sentences = [rng.choice(templates.NARRATIVE_LINES), _prose(rng, rng.randrange(8, 40))]
        for words, made, replaces in by_turn.get(turn, ()):
            sentences.insert(rng.randrange(len(sentences) + 1), words)
            if made is not None:
                made.message = at
                session.said.append(made)
            if replaces is not None:
                replaces.replaced = at
        session.messages.append({"role": "user", "content": " ".join(sentences)})
        _answer(rng, session, turn)
        turn += 1
    session.tokens = ctxmem.count_messages([m for m in session.messages if isinstance(m, dict)])
    session.tokens += sum(
        ctxmem.count_tokens(m.text) for m in session.messages if isinstance(m, Chunk)
    )
    return session


def _plan(rng: random.Random, domain: str, size: int) -> list[Any]:
    """Return (turn, sentence, statement made, statement replaced) of the statements of a session.

    No two statements of a session come from one template, and no two are of one subject.
    """
    turns = size * 2 // 7
    fitting = [t for t in templates.ENGLISH if t.domain in ("", domain)]
    rng.shuffle(fitting)
    by_kind: dict[str, list[Template]] = {}
    for template in fitting:
        by_kind.setdefault(template.kind, []).append(template)
    wanted = max(8, min(30, size // 10))
    chosen: list[Template] = []
    while len(chosen) < wanted and any(by_kind.values()):
        for kind in sorted(by_kind):
            if by_kind[kind] and len(chosen) < wanted:
                template = by_kind[kind].pop()
                if not template.slot or template.slot not in {t.slot for t in chosen}:
                    chosen.append(template)
    replaceable = [t for t in chosen if t.update]
    replaced = set(rng.sample(replaceable, min(len(replaceable), round(REPLACED * len(chosen)))))
    planned: list[Any] = []
    for template in chosen:
        old, new = rng.choice(template.values)
        turn = rng.randrange(1, max(2, turns - 8))
        first = Said(template.kind, template.text.format(a=old, b=new), -1)
        planned.append((turn, first.text, first, None))
        if template in replaced:
            later = rng.randrange(turn + 1, max(turn + 2, turns - 3))
            update = Said(template.kind, template.update.format(a=old, b=new), -1)
            planned.append((later, update.text, update, first))
    return planned


def _answer(rng: random.Random, session: Session, turn: int) -> None:
    """Add what follows a user message: calls and results, now and then a document, an answer."""
    if turn % 2 == 0:
        key = f"call_{turn}"
        function = {"name": "look_up", "arguments": json.dumps({"topic": text(rng, 2)})}
        call = {"id": key, "type": "function", "function": function}
        asks = {"role": "assistant", "content": None, "tool_calls": [call]}
        line = rng.choice(templates.TOOL_LINES)
        result = f"{_prose(rng, rng.randrange(40, 260))} {line} {_prose(rng, 30)}"
        session.messages += [asks, {"role": "tool", "tool_call_id": key, "content": result}]
        session.outside.append(line)
    if turn % 5 == 3:
        line = rng.choice(templates.DOCUMENT_LINES)
        passage = f"{_prose(rng, rng.randrange(60, 200))} {line} {_prose(rng, 40)}"
        session.messages.append(Chunk(passage))
        session.outside.append(line)
    line = rng.choice(templates.ASSISTANT_LINES)
    answer = f"{_prose(rng, rng.randrange(30, 160))} {line} {_prose(rng, 20)}"
    session.messages.append({"role": "assistant", "content": answer})


def _prose(rng: random.Random, words: int) -> str:
    """Return words that say nothing, in sentences."""
    flat = text(rng, words).split()
    parts = [" ".join(flat[at : at + 12]) for at in range(0, len(flat), 12)]
    return " ".join(f"{part[:1].upper()}{part[1:]}." for part in parts)


# Measuring ----------------------------------------------------------------------------------------


def measure(sessions: int, seed: int, *, missing: bool = False) -> dict[str, Any]:
    """Return how many statements stay in the windows of every strategy and budget."""
    made = [make_session(seed + i) for i in range(sessions)]
    rows = []
    for share in SHARES:
        for name, run in (
            ("Memory", lambda s, b: with_memory(s, b, ledger=True)),
            ("Memory(ledger=False)", lambda s, b: with_memory(s, b, ledger=False)),
            ("checklist", with_checklist),
        ):
            results = [run(session, int(share * session.tokens)) for session in made]
            row = {"strategy": name, "share": share, **summed(results)}
            if not missing:
                row.pop("lost")
            rows.append(row)
    return {
        "sessions": sessions,
        "messages": sum(len(s.messages) for s in made),
        "statements": sum(len(s.said) for s in made),
        "replaced": sum(one.replaced >= 0 for s in made for one in s.said),
        "from_outside": sum(len(s.outside) for s in made),
        "rows": rows,
    }


def with_memory(session: Session, budget: int, *, ledger: bool) -> dict[str, Any]:
    """Return what a `Memory` keeps of a session."""
    memory = Memory(budget, ledger=ledger)
    later = [0, 0]
    shown: list[str] = []
    over = windows = 0
    for at, message in enumerate(session.messages):
        memory.append(message)
        if not isinstance(message, dict) or message["role"] != "user":
            continue
        window = memory.window()
        windows += 1
        over += window.tokens > budget
        shown = _texts(window.messages)
        held = _held(session, shown, at)
        gone = [one for one, there in held if not there]
        block = _joined(_without_messages(session, shown))
        later[0] += sum(_plain(one.text) in block for one in gone)
        later[1] += len(gone)
    entries = memory.ledger()
    _go_on(memory)
    shown = _texts(memory.window().messages)
    return {
        **_final(session, shown),
        "later": later,
        "windows": windows,
        "over": over,
        "edits": memory.stats().edits,
        "entries": len(entries),
        "outside": sum(not _may_bind(session, entry.text) for entry in entries),
    }


def _go_on(memory: Memory) -> None:
    """Go on with a session until its window was edited five times."""
    rng = random.Random(0)
    for _ in range(400):
        if memory.stats().edits >= EDITS:
            break
        memory.append({"role": "user", "content": _prose(rng, 40)})
        memory.append({"role": "assistant", "content": _prose(rng, 120)})
        memory.window()


def with_checklist(session: Session, budget: int) -> dict[str, Any]:
    """Return what a list of sentences with trigger phrases keeps, beside the last messages."""
    later = [0, 0]
    shown: list[str] = []
    listed: list[str] = []
    texts: list[str] = []
    windows = 0
    for at, message in enumerate(session.messages):
        spoken = message.text if isinstance(message, Chunk) else message["content"] or ""
        texts.append(spoken)
        if not isinstance(message, dict) or message["role"] != "user":
            continue
        for sentence in re.split(r"(?<=[.!?])\s+", spoken):
            if any(phrase in sentence.lower() for phrase in PHRASES):
                listed.append(sentence)
        windows += 1
        kept = _newest(listed, int(CHECKLIST_SHARE * budget))
        used = sum(map(ctxmem.count_tokens, kept))
        recent = _newest(texts, budget - used)
        shown = [*kept, *recent]
        gone = [one for one, there in _held(session, recent, at) if not there]
        block = _joined(kept)
        later[0] += sum(_plain(one.text) in block for one in gone)
        later[1] += len(gone)
    return {**_final(session, shown), "later": later, "windows": windows, "over": 0}


def _newest(texts: list[str], room: int) -> list[str]:
    kept: list[str] = []
    for one in reversed(texts):
        room -= ctxmem.count_tokens(one) + 4
        if room < 0:
            break
        kept.append(one)
    return kept[::-1]


def _final(session: Session, shown: list[str]) -> dict[str, Any]:
    """Return survival and stale values in the final window."""
    whole = _joined(shown)
    binding = [one for one in session.said if one.replaced < 0]
    lost = [f"{one.kind}: {one.text}" for one in binding if _plain(one.text) not in whole]
    rest = _joined(_without_messages(session, shown))
    stale = [one for one in session.said if one.replaced >= 0 and _plain(one.text) in rest]
    return {
        "binding": len(binding),
        "kept": len(binding) - len(lost),
        "lost": lost,
        "stale": len(stale),
        "stale_texts": [one.text for one in stale],
    }


def _held(session: Session, shown: list[str], until: int) -> list[tuple[Said, bool]]:
    """Return the statements that bind after a message, and whether theirs is in the window."""
    there = set(shown)
    return [
        (one, session.messages[one.message]["content"] in there)
        for one in session.said
        if one.message <= until and not 0 <= one.replaced <= until
    ]


def _without_messages(session: Session, shown: list[str]) -> list[str]:
    spoken = {m["content"] for m in session.messages if isinstance(m, dict)}
    return [one for one in shown if one not in spoken]


def _may_bind(session: Session, sentence: str) -> bool:
    """Return whether a person or the model said a sentence, rather than a tool or a document."""
    return any(
        sentence in (message["content"] or "")
        for message in session.messages
        if isinstance(message, dict) and message["role"] != "tool"
    )


def _texts(messages: list[Any]) -> list[str]:
    texts = []
    for message in messages:
        content = message.get("content") or ""
        parts = content if isinstance(content, list) else [content]
        texts += [part if isinstance(part, str) else part.get("text", "") for part in parts]
    return texts


def _plain(sentence: str) -> str:
    return " ".join(sentence.split())


def _joined(texts: list[str]) -> str:
    return "\n".join(map(_plain, texts))


def summed(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the shares of all sessions together."""
    binding = sum(r["binding"] for r in results)
    gone = sum(r["later"][1] for r in results)
    return {
        "survival": sum(r["kept"] for r in results) / binding,
        "afterwards": sum(r["later"][0] for r in results) / gone if gone else 1.0,
        "stale": sum(r["stale"] for r in results),
        "from_outside": sum(r.get("outside", 0) for r in results),
        "entries": sum(r.get("entries", 0) for r in results),
        "edits": min((r["edits"] for r in results if "edits" in r), default=0),
        "few_edits": sum(r.get("edits", EDITS) < EDITS for r in results),
        "over": sum(r["over"] for r in results),
        "windows": sum(r["windows"] for r in results),
        "lost": sorted(
            [line for r in results for line in r["lost"]]
            + [f"stale: {line}" for r in results for line in r["stale_texts"]]
        ),
    }


def show(report: dict[str, Any]) -> None:
    """Print the report as a table."""
    print(
        f"{report['sessions']} sessions, {report['messages']:,} messages, "
        f"{report['statements']:,} statements ({report['replaced']:,} replaced later), "
        f"{report['from_outside']:,} sentences from outside that look like them"
    )
    print(
        f"{'budget':>6}  {'strategy':22}{'survival':>9}{'afterwards':>12}{'stale':>7}"
        f"{'from outside':>14}{'entries':>9}{'edits >=':>10}{'< 5':>5}{'over':>6}"
    )
    for row in report["rows"]:
        print(
            f"{row['share']:>6.0%}  {row['strategy']:22}{row['survival']:>9.3f}"
            f"{row['afterwards']:>12.3f}{row['stale']:>7}{row['from_outside']:>14}"
            f"{row['entries']:>9}{row['edits']:>10}{row['few_edits']:>5}{row['over']:>6}"
        )
        counted: dict[str, int] = {}
        for line in row.get("lost", ()):
            counted[line] = counted.get(line, 0) + 1
        if row["strategy"] != "Memory":
            continue
        for line, count in sorted(counted.items(), key=lambda pair: -pair[1])[:40]:
            print(f"        {count:3} {line}")


if __name__ == "__main__":
    raise SystemExit(main())
