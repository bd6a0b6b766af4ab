"""Folders of Claude Code transcripts, as they lie under ~/.claude/projects, with known habits.

The agents read files, search, run tests and edit; they read some files again though nothing changed
in them, some sessions are compacted, resumed in a new file, or hand work to an agent of their own.
The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from . import corpus

Line = dict[str, Any]

MODEL = "claude-sonnet-4-5"
COMPACTED = 150_000
"""Tokens of a window, about, at which a session is compacted."""

_PROJECTS = ("shop-backend", "reading-room", "tide-tables")
_VERBS = ("Fix", "Speed up", "Test", "Rename", "Document", "Split")
_PARTS = ("parser", "cache", "invoice", "scheduler", "exporter", "login", "calendar", "search")


@dataclass
class _Session:
    """A session while it is written."""

    rng: random.Random
    name: str
    folder: str
    files: dict[str, str]
    lines: list[Line] = field(default_factory=list)
    parent: str | None = None
    second: int = 0
    window: int = 20_000  # system text and tools
    cached: int = 0
    agent: str = ""

    def say(self, kind: str, content: Any, **more: Any) -> Line:
        """Add a line of the user or of the model."""
        self.second += self.rng.randint(2, 40)
        line = {
            "parentUuid": self.parent,
            "isSidechain": bool(self.agent),
            "sessionId": self.name,
            "cwd": f"/home/dev/{self.folder}",
            "version": "2.0.14",
            "type": kind,
            "message": {"role": kind, "content": content},
            "uuid": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            "timestamp": _time(self.second),
            **({"agentId": self.agent} if self.agent else {}),
            **more,
        }
        self.lines.append(line)
        self.parent = line["uuid"]
        if kind == "user":
            self.window += _tokens(content)
        return line

    def answer(self, content: list[Line]) -> None:
        """Add an answer of the model, a line for each block, as Claude Code writes them."""
        number = f"msg_{self.rng.getrandbits(64):x}"
        fresh = self.window - self.cached
        usage = {
            "input_tokens": 4,
            "cache_creation_input_tokens": fresh,
            "cache_read_input_tokens": self.cached,
            "output_tokens": _tokens(content),
        }
        for block in content:
            line = self.say("assistant", [block], requestId=f"req_{number[4:]}")
            line["message"] |= {"id": number, "type": "message", "model": MODEL, "usage": usage}
        self.cached = self.window
        self.window += _tokens(content)

    def use(self, tool: str, given: Line, result: str) -> None:
        """Add a call of a tool and its result."""
        call = f"toolu_{self.rng.getrandbits(64):x}"
        self.answer([{"type": "tool_use", "id": call, "name": tool, "input": given}])
        self.say("user", [{"type": "tool_result", "tool_use_id": call, "content": result}])

    def compact(self) -> None:
        """Replace the history by a summary."""
        boundary = self.say("system", "Conversation compacted", subtype="compact_boundary")
        boundary["logicalParentUuid"], boundary["parentUuid"] = boundary["parentUuid"], None
        del boundary["message"]
        summary = f"This session is continued from before. The work is on {self.folder}."
        self.window, self.cached = 20_000, 0
        self.say("user", summary, isCompactSummary=True)


def _tokens(content: Any) -> int:
    return len(content if isinstance(content, str) else json.dumps(content)) // 4


def _time(second: int) -> str:
    when = datetime(2026, 3, 2, tzinfo=timezone.utc) + timedelta(seconds=second)
    return f"{when:%Y-%m-%dT%H:%M:%S}.000Z"


def _source(rng: random.Random, words: list[str], functions: int) -> str:
    """Return the text of a module, of which every function is another."""
    made = ['"""A module."""', "", "from __future__ import annotations", ""]
    for _ in range(functions):
        name, one, two, three = (rng.choice(words) for _ in range(4))
        made += [
            f"def {name}_{one}({two}: int, {three}: str) -> list[str]:",
            f'    """{" ".join(rng.choice(words) for _ in range(8)).capitalize()}."""',
            f"    found = [{three!r}] * {two}",
            f"    for {one} in range({rng.randint(2, 900)}):",
            f"        if {one} % {rng.randint(2, 60)} == {rng.randint(0, 9)}:",
            f"            found.append({rng.choice(words)!r} + str({one}))",
            f"    return found[:{rng.randint(1, 99)}]",
            "",
        ]
    return "\n".join(made)


def _numbered(text: str) -> str:
    return "\n".join(f"{i:>6}\t{line}" for i, line in enumerate(text.split("\n"), start=1))


def _work(session: _Session, steps: int, words: list[str]) -> None:
    """Let the agent work on one task."""
    rng, files = session.rng, session.files
    names = list(files)
    for _ in range(steps):
        if session.window > COMPACTED:
            session.compact()
        path = rng.choice(names[: 3 + len(names) // 3])
        what = rng.random()
        if what < 0.45:
            given = {"file_path": f"/home/dev/{session.folder}/{path}"}
            session.use("Read", given, _numbered(files[path]))
        elif what < 0.65:
            word = rng.choice(words)
            found = [f"{name}:{rng.randint(1, 90)}: {word} = {rng.random():.6f}" for name in names]
            session.use("Grep", {"pattern": word}, "\n".join(rng.sample(found, 5)))
        elif what < 0.8:
            passed = (
                f"{rng.randint(20, 400)} passed, {rng.randint(0, 3)} failed in {rng.random():.2f}s"
            )
            session.use("Bash", {"command": f"pytest -q {path}"}, passed)
        else:
            old, new = rng.choice(words), rng.choice(words)
            files[path] = files[path].replace(old, new, 1)
            given = {"file_path": path, "old_string": old, "new_string": new}
            session.use("Edit", given, f"The file {path} has been updated.")
    done = " ".join(rng.choice(words) for _ in range(40))
    session.answer([{"type": "text", "text": f"Done: {done}."}])


def sessions(count: int = 30, *, seed: int = 0) -> Iterator[tuple[str, list[Line]]]:
    """Yield path and lines of each transcript."""
    rng = random.Random(seed)
    words = sorted({w for w in corpus.passages(40, words=120, seed=seed)[0].split() if w.isalpha()})
    words += [f"{a}{b}" for a in _PARTS for b in _PARTS]
    before: _Session | None = None
    for number in range(count):
        folder = _PROJECTS[number % len(_PROJECTS)]
        files = {
            f"src/{part}_{i}.py": _source(rng, words, rng.randint(8, 40))
            for i, part in enumerate(_PARTS)
        }
        name = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        session = _Session(rng, name, folder, files, second=number * 4000)
        if before is not None and number % 7 == 3:
            # A session that is resumed begins with a copy of the lines of the other.
            session.lines = [line | {"sessionId": name} for line in before.lines]
            session.parent, session.folder = before.parent, before.folder
            session.second = max(session.second, before.second + 600)
            session.files, session.window, session.cached = before.files, before.window, 0
        for _ in range(rng.randint(1, 5)):
            part = rng.choice(_PARTS)
            session.say("user", f"{rng.choice(_VERBS)} the {part}, please: {rng.choice(words)}.")
            _work(session, rng.randint(5, 60), words)
        yield f"-home-dev-{session.folder}/{name}.jsonl", session.lines
        before = session


def write(folder: Path, count: int = 30, *, seed: int = 0) -> Path:
    """Write transcripts as files and return the folder."""
    for path, lines in sessions(count, seed=seed):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """Write a folder of transcripts."""
    parser = argparse.ArgumentParser(prog="transcripts", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    write(arguments.folder, arguments.sessions, seed=arguments.seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
