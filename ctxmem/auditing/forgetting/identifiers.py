"""Identifiers and numbers with a meaning that left the window and are used again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ctxmem.auditing.forgetting.blocks import Block
from ctxmem.auditing.forgetting.findings import Need, Sighting, name_of, need
from ctxmem.auditing.forgetting.losses import Departure, Moment, Walk, Window
from ctxmem.auditing.forgetting.names import is_code, last_part, mistaken, names_in
from ctxmem.auditing.forgetting.tool_use import values_of
from ctxmem.auditing.forgetting.wording import AGAIN, gist
from ctxmem.memory.statements import scan

_PASTED = 30  # a message with more identifiers is a document, and names none in particular
_SHOWN = 3  # identifiers that a title names
_POINTS = re.compile(r"[\d@/]|\.\w")
"""What an argument of a call points at something by; "one_way" and "dryRun" are options."""
_KINDS = frozenset({"value", "limit", "correction", "deadline"})
_DIGITS = re.compile(r"\d")
_NUMBER = re.compile(r"(?<![\w./-])\d[\d.,]*\d(?![\w/-])")
_ERROR = re.compile(
    r"\b(?:error|not found|unknown|invalid|no such|does ?n[o']t exist|404|missing|failed|nicht "
    r"gefunden|ungültig)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Known:
    """An identifier, and what named it last."""

    name: str
    last: Sighting
    about: frozenset[str] = frozenset()  # of a number: what it is the value of


class Identifiers:
    """Where identifiers were named, and where they are used again."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._known: dict[str, _Known] = {}
        self._numbers: dict[str, _Known] = {}
        # Parts of a program that tools showed or took: whoever works with them sees them again.
        self._worked_on: set[str] = set()
        # Of calls: the names that are new.
        self._unknown: dict[str, tuple[list[str], Moment]] = {}

    def take(
        self, at: Moment, settled: Collection[str], skipped: Collection[int]
    ) -> Iterator[Need]:
        """Take a message; yield the identifiers that it uses and its window lacks.

        What is part of a text of `settled` is reported otherwise already, and so are the calls
        whose id() is in `skipped`.
        """
        used: list[Need] = []
        for block in at.entry.blocks:
            if block.kind == "result":
                used += self._failed(block, at)
            elif id(block) not in skipped and self._uses(block):
                used += self._used(block, at)
        yield from (n for n in used if not any(n.about[1] in text.lower() for text in settled))
        for block in at.entry.blocks:
            self._note(block, at)

    def _uses(self, block: Block) -> bool:
        return block.kind == "call" or block.typed

    def _used(self, block: Block, at: Moment) -> Iterator[Need]:
        """Yield what a message or a call uses; what left at one point is one finding."""
        lost: dict[int, list[tuple[str, _Known, Departure]]] = {}
        for name, known in self._named(block, at):
            departure = self._departure(known, at.window)
            if departure is not None:
                lost.setdefault(departure.call, []).append((name, known, departure))
        for found in lost.values():
            yield self._need(found, block, at)

    def _named(self, block: Block, at: Moment) -> Iterator[tuple[str, _Known]]:
        """Yield the identifiers and numbers of a block that were named before and are gone."""
        called = block.kind == "call"
        said = "\n".join(values_of(block.body)) if called else block.text
        names = names_in(said)
        if len(names) > _PASTED:
            return
        for name in names:
            if last_part(name.lower()) in self._worked_on or (called and not _POINTS.search(name)):
                continue
            if not called and is_code(name) and not _refers_back(block.text):
                continue  # a new task names what it is about
            known = self._known.get(name.lower())
            if known is not None and not _is_there(name, at.window):
                yield name, known
            elif known is None and called:
                self._unknown.setdefault(block.key, ([], at))[0].append(name)
        low = {name.lower() for name in names}
        for number in dict.fromkeys(_NUMBER.findall(said)):
            known = self._numbers.get(_plain(number))
            if known is None or number in low or (not called and not known.about & gist(said)):
                continue
            if not _has_number(_plain(number), at.window):
                yield number, known

    def _departure(self, known: _Known, window: Window) -> Departure | None:
        """Return when the last message that names it left; None while one is there."""
        found = self._walk.gone.get(known.last.block.content)
        if found is None or window.holds(known.last.block):
            return None
        return found

    def _need(self, lost: list[tuple[str, _Known, Departure]], block: Block, at: Moment) -> Need:
        names = [name for name, _, _ in lost]
        shown = ", ".join(map(name_of, names[:_SHOWN]))
        shown += f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        who = "The user" if block.kind == "text" else f"A call of {block.name or 'a tool'}"
        pronoun = "it" if len(names) == 1 else "they"
        title = f"{who} used {shown} again after {pronoun} had left the window"
        use = block.text if block.kind == "text" else f"{block.name} {block.text}"
        first = lost[0][1]
        lines = dict.fromkeys(_around(known.last.block.text, name) for name, known, _ in lost)
        said = "\n".join(list(lines)[:_SHOWN])
        return need("forgotten_identifier", ("name", names[0].lower()), title, first.last,
                    lost[0][2], at, use, said, said)  # fmt: skip

    # Used wrongly

    def _failed(self, result: Block, at: Moment) -> Iterator[Need]:
        """Yield the identifier that a call got wrong, where the tool says that it is none."""
        unknown, asked = self._unknown.pop(result.key, ([], at))
        if not unknown or not _ERROR.search(result.text[:500]):
            return
        for name in unknown:
            for known in self._known.values():
                if not mistaken(name.lower(), known.name.lower()) or at.window.names(known.name):
                    continue
                departure = self._departure(known, at.window)
                if departure is None:
                    continue
                meant = known.name
                title = f"A call used {name_of(name)} where {name_of(meant)} had been named before"
                said = _around(known.last.block.text, meant)
                yield need("forgotten_identifier", ("name", meant.lower()), title, known.last,
                           departure, asked, f"{name} → {result.text}", said, said,
                           shown=True)  # fmt: skip
                return

    # What there is

    def _note(self, block: Block, at: Moment) -> None:
        if block.kind == "text" and not block.spoken:
            return
        seen = Sighting(block, at.call, at.place)
        said = "\n".join(values_of(block.body)) if block.kind == "call" else block.text
        if block.kind != "text":
            names_of_files = (name.removeprefix("file://") for name in block.names)
            self._worked_on |= {last_part(name) for name in names_of_files if is_code(name)}
        names = names_in(said)
        for name in names if len(names) <= _PASTED else ():
            if block.kind == "call" and name.isdecimal():
                continue  # a timeout or a limit, if only the model named it
            known = self._known.setdefault(name.lower(), _Known(name, seen))
            known.last = seen
        if block.role not in ("user", "system") or block.kind != "text":
            return
        for found in scan(block.text[:20_000]):
            number = _plain(found.value)
            if (
                found.kind in _KINDS
                and len(_DIGITS.findall(number)) >= 3
                and _NUMBER.search(number)
            ):
                about = gist(block.text[found.start : found.end])
                self._numbers[number] = _Known(found.value, seen, about=about)


def _refers_back(text: str) -> bool:
    return "?" in text or bool(AGAIN.search(text))


def _plain(number: str) -> str:
    return number.replace(",", "").strip(" .$€£")


def _is_there(name: str, window: Window) -> bool:
    """Return whether a window names an identifier, or a file by the last part of its path."""
    last = last_part(name)
    return window.names(name) or (last != name and window.names(last))


def _has_number(number: str, window: Window) -> bool:
    pattern = re.compile(rf"(?<!\d){re.escape(number)}(?!\d)")
    return any(pattern.search(block.text.replace(",", "")) for block in window.blocks())


def _around(text: str, name: str) -> str:
    """Return the line of a text that names something, cut around it."""
    at = text.lower().find(name.lower())
    if at < 0:
        return text[:300]
    start = max(text.rfind("\n", 0, at) + 1, at - 150)
    end = text.find("\n", at)
    return text[start : min(end if end >= 0 else len(text), at + 150)]
