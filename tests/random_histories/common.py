"""What random histories of every provider are made of: texts, faults and dice."""

from __future__ import annotations

import random

TOOLS = ("read_file", "search", "run_tests", "get_weather", "edit")
QUESTIONS = (
    "Please mend the failing test of the parser.",
    "What is the weather in Oslo?",
    "hi",
    "Why is the build so slow?",
    "Vielen Dank! Und jetzt die Dokumentation.",
    "続けてください",
    "ok 👍",
)
ANSWERS = (
    "Done.",
    "The test passes now.",
    "I looked at both files; the second one is wrong.",
    "# Result\n\n- one\n- two",
    "Let me check.",
    "Es regnet in Oslo.",
)
OUTPUTS = (
    "ok",
    "def f():\n    return 1\n",
    '{"rows": [1, 2, 3]}',
    "Error: file not found",
    "12 passed",
    "line\n" * 8,
)
NOTES = (
    "<system-reminder>The list of tasks is empty.</system-reminder>",
    "<system-reminder>Files changed on disk.</system-reminder>",
    "Here it is:",
    "wait",
    "[interrupted]",
)
SYSTEMS = ("You are a careful engineer.", "Answer in one sentence.", "Today is Friday.")
BLANKS = ("", " ", "\n\n", "\t")
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Dice:
    """The random choices of one history; ``fault`` is never true in a clean one."""

    def __init__(self, rng: random.Random, clean_share: float, fault_rate: float) -> None:
        self.rng = rng
        self.clean = rng.random() < clean_share
        self.fault_rate = fault_rate
        self.used: list[str] = []

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def fault(self, weight: float = 1.0) -> bool:
        return not self.clean and self.rng.random() < self.fault_rate * weight

    def pick(self, options):
        return self.rng.choice(options)

    def number(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    def fault_of(self, options: tuple[str, ...], weight: float = 1.0) -> str:
        """One of the faults, mostly none."""
        return self.rng.choice(options) if self.fault(weight) else ""

    def new_id(self, prefix: str) -> str:
        name = f"{prefix}{self.rng.getrandbits(40):010x}"
        self.used.append(name)
        return name

    def ids(self, prefix: str, most: int = 3) -> list[str]:
        count = self.rng.choice((1, 1, 1, 2, 2, most))
        return [self.new_id(prefix) for _ in range(count)]

    def old_id(self, prefix: str) -> str:
        return self.rng.choice(self.used) if self.used else self.new_id(prefix)

    def shuffled(self, values: list) -> list:
        values = list(values)
        self.rng.shuffle(values)
        return values


RESULT_FAULTS = (
    "missing",
    "all missing",
    "late",
    "stale",
    "twice",
    "split",
    "before",
    "note between",
)


def place_results(dice: Dice, kind: str, ids: list[str], prefix: str) -> list[str]:
    """The ids that get a result behind their call, with the fault of this kind in it."""
    given = dice.shuffled(ids) if dice.chance(0.4) else list(ids)
    if kind == "missing":
        given.pop()
    elif kind in ("all missing", "late", "before"):
        given = []
    elif kind == "stale":
        given.append(dice.old_id(prefix) if dice.chance(0.5) else dice.new_id(prefix))
    elif kind == "twice":
        given.append(dice.pick(given))
    return given
