"""Files read again and commands run again, after what they had returned left the window."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ctxmem.auditing.forgetting.blocks import Block
from ctxmem.auditing.forgetting.findings import Need, Sighting, name_of, need
from ctxmem.auditing.forgetting.losses import Departure, Moment, Walk
from ctxmem.auditing.forgetting.names import names_in
from ctxmem.auditing.forgetting.tool_use import (
    changes,
    command_of,
    is_command,
    path_of,
    path_read,
    purpose,
    same_action,
    values_of,
    watches,
)

_LEAST_FILE = 20  # characters of a file's text; shorter results say that there is none
_LEAST_LINES = 3  # of a part of a file that was read as part of it before
_ASKED = re.compile(
    r"\b(?:again|once more|(?:one|another|a second) (?:more )?time|anew|afresh|fresh(?:ly)?"
    r"|re-?(?:run|read|check|test|try|open|load|fetch|query|do|execute)|refresh|double[- ]check"
    r"|still|noch ?ein ?mal|noch ?mal\w*|erneut|wieder|neu|de nouveau|encore|à nouveau|otra vez"
    r"|de nuevo|nuevamente|di nuovo|ancora)\b"
    # Whoever says that the data are others now asks for a new look at them.
    r"|\b(?:was|were|has|have|been|got|is|are|just|i|we|they|he|she|something) (?:been |just "
    r"|now )*"
    r"(?:updated|changed|modified|refreshed|reloaded|replaced|fixed|edited)\b",
    re.IGNORECASE,
)
_ASKED_TO_READ = re.compile(
    r"\bre-?(?:read|open|load|fetch)\b"
    r"|\b(?:read|open|view|load|print|cat|look (?:at|into|through))\b.{0,80}"
    r"\b(?:again|once more)\b",
    re.IGNORECASE,
)
_KEPT = 50  # runs of one action that are compared


@dataclass(slots=True)
class _Run:
    """A call with its result, and how many calls had changed something before it."""

    call: Block
    result: Sighting
    changes: int


@dataclass(slots=True)
class _Pending:
    """A call whose result is to come, with the earlier runs that had left the window."""

    call: Block
    at: Moment
    about: str
    kind: str
    gone: list[tuple[_Run, Departure]]
    there: list[_Run]
    changes: int
    turn: int  # changes before the user's last message
    asked: bool


class Actions:
    """What calls did, by file and by command."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._runs: dict[str, list[_Run]] = {}
        self._pending: dict[str, _Pending] = {}
        self._changed: list[Block] = []
        # Whether the user has just asked for something to be done or read again.
        self._asked = {"run_again": False, "read_again": False}
        self._turn = 0  # changes before the user's last message

    def take(self, at: Moment) -> Iterator[Need]:
        """Take a message; yield what it shows to be forgotten."""
        said = at.entry.spoken if at.entry.role == "user" else ""
        if said:
            self._asked["run_again"] = bool(_ASKED.search(said))
            self._asked["read_again"] = bool(_ASKED_TO_READ.search(said))
            self._turn = len(self._changed)
        for block in at.entry.blocks:
            if block.kind == "call":
                self._called(block, at)
            elif block.kind == "result":
                yield from self._returned(block, at)

    def returns_again(self, call: Block) -> bool:
        """Return whether a call asks for what an earlier one returned and is gone."""
        waiting = self._pending.get(call.key)
        return waiting is not None and waiting.call is call and bool(waiting.gone)

    def _called(self, call: Block, at: Moment) -> None:
        path = path_read(call)
        about = f"file {_plain(path)}" if path else same_action(call)
        runs = self._runs.get(about, [])
        gone, there = [], []
        for run in runs:
            departure = self._walk.gone.get(run.result.block.content)
            if at.window.holds(run.result.block):
                there.append(run)
            elif departure is not None:
                gone.append((run, departure))
        moment = Moment(at.entry, at.window, at.call, at.place)
        kind = "read_again" if path else "run_again"
        self._pending[call.key] = _Pending(
            call,
            moment,
            about,
            kind,
            gone,
            there,
            len(self._changed),
            self._turn,
            self._asked[kind],
        )
        if changes(call):
            self._changed.append(call)

    def _returned(self, result: Block, at: Moment) -> Iterator[Need]:
        waiting = self._pending.pop(result.key, None)
        if waiting is None:
            return
        found = self._forgotten(waiting, result)
        runs = self._runs.setdefault(waiting.about, [])
        seen = Sighting(result, at.call, at.place)
        runs.append(_Run(waiting.call, seen, waiting.changes))
        del runs[:-_KEPT]
        if found is None:
            return
        run, departure = found
        path = path_read(waiting.call)
        if path:
            title = f"{name_of(path)} was read again"
        else:
            title = f"{_said(waiting.call)} was run again with the same result"
        use = f"{waiting.call.name} {waiting.call.text}"
        yield need(waiting.kind, waiting.about, title, run.result, departure, waiting.at, use,
                   result.text)  # fmt: skip

    def _forgotten(self, waiting: _Pending, result: Block) -> tuple[_Run, Departure] | None:
        """Return the newest run that had returned the same and that the window had lost."""
        if not result.text or changes(waiting.call) or watches(waiting.call):
            return None
        if any(_returned_same(run.result.block, result) for run in waiting.there):
            return None
        for run, departure in reversed(waiting.gone):
            if waiting.asked or not _returned_same(run.result.block, result):
                continue
            if waiting.kind == "read_again":
                return (run, departure) if len(result.text) >= _LEAST_FILE else None
            if not self._may_differ(run, waiting):
                return run, departure
        return None

    def _may_differ(self, run: _Run, waiting: _Pending) -> bool:
        """Return whether there was a reason to run something again: a change in between."""
        between = self._changed[run.changes : waiting.changes]
        what = purpose(waiting.call)
        if what == "check":
            return bool(between)
        just_now = self._changed[max(run.changes, waiting.turn) : waiting.changes]
        if is_command(waiting.call) and just_now:
            return True  # something was changed for this run
        mine = _names(waiting.call)
        places = set(waiting.call.text.replace('"', " ").split())
        return any(mine & _names(call) for call in between) or any(
            places & set(_folders(path_of(call))) for call in just_now
        )


def _names(call: Block) -> set[str]:
    return {name for value in values_of(call.body) for name in (*names_in(value), value.strip())}


def _folders(path: str) -> list[str]:
    """Return a path and the folders that it is in, with and without a slash at the end."""
    parts = path.split("/")
    found = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return [form for one in found if one for form in (one, f"{one}/")]


def _returned_same(before: Block, now: Block) -> bool:
    """Return whether a result is the same as another, or a part of it."""
    if before.content == now.content:
        return True
    if now.text.count("\n") + 1 < _LEAST_LINES:
        return False
    return now.text in before.text


def _plain(path: str) -> str:
    return path.removeprefix("file://").removeprefix("./")


def _said(call: Block) -> str:
    command = command_of(call)
    if command:
        return f"`{name_of(command)}`"
    values = ", ".join(values_of(call.body, 60)[:3])
    return f"{call.name}({name_of(values, 50)})"
