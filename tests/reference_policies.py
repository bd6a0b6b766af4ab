"""Slow twins of the eviction policies, as objects that a page table can be given.

Lists are in order of age, the oldest first, unless a name says otherwise.
"""

from __future__ import annotations

import math


class Lru:
    """Evict the page unused for longest."""

    def __init__(self):
        self.pages: list[int] = []

    def on_insert(self, slot):
        self.pages.append(slot)

    def on_touch(self, slot):
        self.pages.remove(slot)
        self.pages.append(slot)

    def on_evict(self, slot):
        self.on_remove(slot)

    def on_remove(self, slot):
        if slot in self.pages:
            self.pages.remove(slot)

    def victim(self):
        return self.pages[0]


class Fifo(Lru):
    """Evict the oldest page."""

    def on_touch(self, slot):
        assert slot in self.pages


class Sieve(Lru):
    """Evict the first page without a mark that the hand comes to."""

    def __init__(self):
        super().__init__()
        self.marked: set[int] = set()
        self.hand: int | None = None

    def on_touch(self, slot):
        self.marked.add(slot)

    def on_remove(self, slot):
        if slot in self.pages:
            if slot == self.hand:
                self.hand = self._next(slot)
            self.pages.remove(slot)
            self.marked.discard(slot)

    def _next(self, slot):
        at = self.pages.index(slot) + 1
        return self.pages[at] if at < len(self.pages) else None

    def victim(self):
        while True:
            if self.hand is None:
                self.hand = self.pages[0]
            if self.hand not in self.marked:
                return self.hand
            self.marked.remove(self.hand)
            self.hand = self._next(self.hand)


class S3Fifo:
    """Evict newcomers early unless they were used twice."""

    def __init__(self):
        self.small: list[int] = []
        self.main: list[int] = []
        self.ghosts: list[int] = []
        self.uses: dict[int, int] = {}

    def on_insert(self, slot):
        queue = self.main if slot in self.ghosts else self.small
        self.on_remove(slot)
        queue.append(slot)
        self.uses[slot] = 0

    def on_touch(self, slot):
        self.uses[slot] = min(3, self.uses[slot] + 1)

    def on_evict(self, slot):
        room = len(self.small) + len(self.main)
        newcomer = slot in self.small
        self.on_remove(slot)
        if newcomer:
            self.ghosts.append(slot)
            del self.ghosts[: max(0, len(self.ghosts) - (room - room // 10))]

    def on_remove(self, slot):
        for queue in (self.small, self.main, self.ghosts):
            if slot in queue:
                queue.remove(slot)

    def victim(self):
        full = max(1, (len(self.small) + len(self.main)) // 10)
        while self.small and (len(self.small) >= full or not self.main):
            if self.uses[self.small[0]] < 2:
                return self.small[0]
            self.uses[self.small[0]] = 0
            self.main.append(self.small.pop(0))
        while self.uses[self.main[0]] > 0:
            self.uses[self.main[0]] -= 1
            self.main.append(self.main.pop(0))
        return self.main[0]


class Arc:
    """Balance pages used once and pages used again by the ghosts that come back."""

    def __init__(self):
        self.once: list[int] = []
        self.again: list[int] = []
        self.once_ghosts: list[int] = []
        self.again_ghosts: list[int] = []
        self.target = 0.0
        self.returned = False

    def on_insert(self, slot):
        once, again = len(self.once_ghosts), len(self.again_ghosts)
        room = len(self.once) + len(self.again) + 1
        known = slot in self.once_ghosts or slot in self.again_ghosts
        if slot in self.once_ghosts:
            self.target = min(self.target + max(1.0, again / once), room)
        if slot in self.again_ghosts:
            self.target = max(self.target - max(1.0, once / again), 0.0)
        self.returned = slot in self.again_ghosts
        self.on_remove(slot)
        (self.again if known else self.once).append(slot)

    def on_touch(self, slot):
        self.on_remove(slot)
        self.again.append(slot)

    def on_evict(self, slot):
        room = len(self.once) + len(self.again)
        ghosts = self.once_ghosts if slot in self.once else self.again_ghosts
        self.on_remove(slot)
        ghosts.append(slot)
        while self.once_ghosts and len(self.once) + len(self.once_ghosts) > room:
            self.once_ghosts.pop(0)
        while len(self.once_ghosts) + len(self.again_ghosts) > room:
            (self.again_ghosts or self.once_ghosts).pop(0)

    def on_remove(self, slot):
        for queue in (self.once, self.again, self.once_ghosts, self.again_ghosts):
            if slot in queue:
                queue.remove(slot)

    def victim(self):
        first = self.once and (
            len(self.once) > self.target or (self.returned and len(self.once) == self.target)
        )
        return (self.once if first else self.again or self.once)[0]


class Gdsf:
    """Evict the page with the fewest uses per token, on a floor that rises."""

    def __init__(self):
        self.table = None  # to be set: sizes are asked of it
        self.pages: dict[int, tuple[float, int, int]] = {}  # priority, time, uses
        self.floor = 0.0
        self.time = 0

    def _set(self, slot, uses):
        self.time += 1
        tokens = max(1, self.table.page(slot).tokens)
        self.pages[slot] = (self.floor + uses / tokens, self.time, uses)

    def on_insert(self, slot):
        self._set(slot, 1)

    def on_touch(self, slot):
        self._set(slot, self.pages[slot][2] + 1)

    def on_evict(self, slot):
        self.floor = max(self.floor, self.pages.pop(slot)[0])

    def on_remove(self, slot):
        self.pages.pop(slot, None)

    def victim(self):
        return min(self.pages, key=lambda slot: self.pages[slot][:2])


class Auto:
    """Evict the page of least worth, all ages exact: no lists, every page looked at every time."""

    KINDS = 6

    def __init__(self):
        self.clock = 0
        self.pages: dict[int, tuple[int, int]] = {}  # last use, uses
        self.ghosts: dict[int, tuple[int, int]] = {}
        self.lives: list[tuple[int, int, bool]] = []  # kind, gap, ended in a use
        self.worth: dict[tuple[int, int], float] = {}
        self.evictions = 0

    @staticmethod
    def kind(uses):
        return uses - 1 if uses < 4 else min(int(math.log2(uses)) + 1, 5)

    @staticmethod
    def age(gap):
        return gap.bit_length() - 1

    def _use(self, slot, past):
        if past:
            self.lives.append((self.kind(past[1]), self.clock + 1 - past[0], True))
        self.clock += 1
        self.pages[slot] = (self.clock, (past[1] if past else 0) + 1)

    def on_insert(self, slot):
        self._use(slot, self.ghosts.pop(slot, None))

    def on_touch(self, slot):
        self._use(slot, self.pages[slot])

    def on_evict(self, slot):
        self.evictions += 1
        self.ghosts[slot] = self.pages.pop(slot)
        while len(self.ghosts) > 6 * (len(self.pages) + 1):
            self.on_remove(min(self.ghosts, key=self.ghosts.get))

    def on_remove(self, slot):
        past = self.pages.pop(slot, None) or self.ghosts.pop(slot, None)
        if past:
            self.lives.append((self.kind(past[1]), self.clock + 1 - past[0], False))

    def victim(self):
        if self.evictions % 16 == 0 or not self.worth:
            self._learn()
        return min(self.pages, key=self._worth_of)

    def _worth_of(self, slot):
        last, uses = self.pages[slot]
        age = self.age(self.clock + 1 - last)
        return self.worth.get((self.kind(uses), age), 0.0), -age, last

    def _learn(self):
        pages = len(self.pages)
        # Old lives fade; here the oldest are simply dropped.
        self.lives = self.lives[-4 * (pages + len(self.ghosts)) :]
        waiting = [
            (self.kind(uses), self.clock + 1 - last, False)
            for past in (self.pages, self.ghosts)
            for last, uses in past.values()
        ]
        ages = self.age(2 * self.clock) + 1
        used = [[0.0] * ages for _ in range(self.KINDS)]
        risk = [[0.0] * ages for _ in range(self.KINDS)]
        for kind, gap, ended in [*self.lives, *waiting]:
            age = self.age(gap)
            for earlier in range(age):
                risk[kind][earlier] += 1
            way = (gap - 2**age) / 2**age
            risk[kind][age] += 1 if ended else way
            used[kind][age] += ended
        weight = 0.1 * pages + 4
        pooled, before, evidence = [], 0.02, 0.0
        for age in range(ages):
            guess = 1 - (1 - before) ** (2 ** (evidence / (evidence + weight)))
            evidence = sum(row[age] for row in risk)
            before = (sum(row[age] for row in used) + weight * guess) / (evidence + weight)
            pooled.append(before)
        for kind in range(self.KINDS):
            lean = 0.05 * pages + 2
            seen = lean * (kind + 1) / 2 + sum(used[kind])
            expected = lean + sum(r * p for r, p in zip(risk[kind], pooled, strict=True))
            hazards = [
                (u + weight * min(0.95, seen / expected * p)) / (r + weight)
                for u, r, p in zip(used[kind], risk[kind], pooled, strict=True)
            ]
            for age in range(ages):
                alive, uses, time, best = 1.0, 0.0, 0.0, 0.0
                for at in range(age, ages):
                    uses += alive * hazards[at]
                    time += alive * (1 - hazards[at] / 2) * 2**at
                    alive *= 1 - hazards[at]
                    best = max(best, uses / time)
                self.worth[kind, age] = best


TWINS = {"lru": Lru, "fifo": Fifo, "sieve": Sieve, "s3fifo": S3Fifo, "arc": Arc, "gdsf": Gdsf}
