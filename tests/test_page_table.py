"""The page table against a plain model, and policies against their slow twins."""

from __future__ import annotations

import doctest
import gzip
import json
import random
from dataclasses import dataclass

import numpy as np
import pytest
from cpp_build import compile_and_run
from ctxmem.bench import eviction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from reference_policies import TWINS, Auto, Gdsf, Lru

import ctxmem
from ctxmem import _pages
from ctxmem.policies import POLICIES, page_table
from ctxmem.schema import PageState
from ctxmem.stores import MemoryStore

BUDGET = 100
RESIDENT, COMPRESSED, PLACEHOLDER, STORED = PageState
# Content keys whose low halves collide, so that they crowd the same places of the index.
KEYS = [(n % 2).to_bytes(8, "little") + n.to_bytes(8, "little") for n in range(12)]


@dataclass
class Entry:
    id: str
    state: int
    tokens: int
    full_tokens: int
    unit: int
    pinned: bool
    held: bool
    references: int
    uses: int
    last_touch: int
    faults: int


class TableAgainstModel(RuleBasedStateMachine):
    """Every rule does the same to a table, to one with the policy's twin, and to dicts."""

    policy: str

    @initialize()
    def begin(self):
        self.table = page_table(BUDGET, self.policy)
        twin = TWINS.get(self.policy)
        self.tables = [self.table]
        if twin:
            judge = twin()
            self.tables.append(page_table(BUDGET, judge))
            if isinstance(judge, Gdsf):
                judge.table = self.tables[1]
        self.model: dict[int, Entry] = {}
        self.clock = 0
        self.store = MemoryStore()
        self.appended: set[str] = set()
        self.released: set[str] = set()

    # what the model knows

    def tokens(self):
        return sum(entry.tokens for entry in self.model.values() if entry.state != STORED)

    def tracked(self, entry):
        return entry.state <= COMPRESSED and not entry.held

    def evictable(self):
        return sum(entry.tokens for entry in self.model.values() if self.tracked(entry))

    def unit_of(self, slot):
        entry = self.model[slot]
        if entry.unit < 0:
            return [slot]
        return [other for other, fellow in self.model.items() if fellow.unit == entry.unit]

    def both(self, name, *arguments, **options):
        """Call all tables; they answer alike, or refuse alike."""
        answers = []
        for table in self.tables:
            try:
                answers.append(getattr(table, name)(*arguments, **options))
            except ValueError as error:
                answers.append(str(error))
        assert all(answer == answers[0] for answer in answers), answers
        return answers[0]

    def use(self, slot):
        self.clock += 1
        self.model[slot].uses += 1
        self.model[slot].last_touch = self.clock

    def bring_in(self, slot):
        entry = self.model[slot]
        entry.state, entry.tokens = RESIDENT, entry.full_tokens

    def take_out(self, slot):
        entry = self.model[slot]
        entry.state, entry.tokens = STORED, 0

    def hold(self, slot):
        held = any(self.model[one].pinned for one in self.unit_of(slot))
        for one in self.unit_of(slot):
            self.model[one].held = held

    def slots(self, *states):
        return [slot for slot, entry in self.model.items() if not states or entry.state in states]

    # what can be done

    @rule(
        key=st.sampled_from(KEYS),
        tokens=st.integers(0, 40),
        unit=st.sampled_from([-1, -1, -1, 0, 1]),
        pinned=st.sampled_from([False, False, False, True]),
    )
    def insert(self, key, tokens, unit, pinned):
        fellows = [entry for entry in self.model.values() if entry.unit == unit and unit >= 0]
        answer = self.both("insert", key, tokens, unit=unit, pinned=pinned)
        if key.hex() in [entry.id for entry in self.model.values()]:
            assert "known already" in answer
        elif any(entry.state == STORED for entry in fellows):
            assert "restore it before it grows" in answer
        elif self.tokens() + tokens > BUDGET:
            assert "evict first" in answer
        else:
            assert answer not in self.model
            entry = Entry(key.hex(), RESIDENT, tokens, tokens, unit, pinned, False, 1, 0, 0, 0)
            self.model[answer] = entry
            self.store.append("t", "s", [], pages={key.hex(): key.hex().encode()})
            self.appended.add(key.hex())
            self.released.discard(key.hex())
            self.use(answer)
            self.hold(answer)

    @rule(key=st.sampled_from(KEYS))
    def touch(self, key):
        answer = self.both("touch", key)
        slot = self.table.slot(key)
        if slot < 0:
            assert -1 == answer
            return
        assert self.model[slot].state == answer
        self.use(slot)
        self.model[slot].faults += self.model[slot].state > COMPRESSED

    @rule(needed=st.integers(0, BUDGET))
    def evict(self, needed):
        possible = BUDGET - self.tokens() + self.evictable() >= needed
        evicted = self.both("evict", needed)
        if not possible:
            assert "pinned pages and placeholders take" in evicted
            return
        while evicted:
            assert BUDGET - self.tokens() < needed, "more was evicted than needed"
            unit = self.unit_of(evicted[0])
            assert self.tracked(self.model[evicted[0]])
            assert sorted(unit) == sorted(evicted[: len(unit)])
            for slot in unit:
                assert not self.model[slot].held
                self.take_out(slot)
            evicted = evicted[len(unit) :]
        assert BUDGET - self.tokens() >= needed

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def store_or_restore(self, data):
        slot = data.draw(st.sampled_from(sorted(self.model)))
        unit = self.unit_of(slot)
        if self.model[slot].state == STORED:
            answer = self.both("restore", slot)
            if self.tokens() + sum(self.model[one].full_tokens for one in unit) > BUDGET:
                assert "evict first" in answer
                return
            for one in unit:
                self.bring_in(one)
            self.use(slot)
        elif self.model[slot].held:
            assert "unpin it" in self.both("store", slot)
        else:
            self.both("store", slot)
            for one in unit:
                self.take_out(one)

    @precondition(lambda self: self.slots(RESIDENT, COMPRESSED, PLACEHOLDER))
    @rule(data=st.data(), state=st.sampled_from([0, 1, 2]), tokens=st.integers(0, 40))
    def set_state(self, data, state, tokens):
        slot = data.draw(st.sampled_from(self.slots(RESIDENT, COMPRESSED, PLACEHOLDER)))
        entry = self.model[slot]
        answer = self.both("set_state", slot, state, tokens)
        if self.tokens() - entry.tokens + tokens > BUDGET:
            assert "evict first" in answer
            return
        entry.state, entry.tokens = state, tokens
        if state == RESIDENT:
            entry.full_tokens = tokens

    @precondition(lambda self: self.model)
    @rule(data=st.data(), pinned=st.booleans())
    def pin_or_unpin(self, data, pinned):
        slot = data.draw(st.sampled_from(sorted(self.model)))
        answer = self.both("pin" if pinned else "unpin", slot)
        if pinned and self.model[slot].state == STORED:
            assert "restore it before it is pinned" in answer
            return
        self.model[slot].pinned = pinned
        self.hold(slot)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def refer(self, data):
        slot = data.draw(st.sampled_from(sorted(self.model)))
        self.both("refer", slot)
        self.model[slot].references += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def release(self, data):
        slot = data.draw(st.sampled_from(sorted(self.model)))
        gone = self.both("release", slot)
        self.model[slot].references -= 1
        assert (self.model[slot].references == 0) == gone
        if gone:
            self.model[slot].pinned = False
            self.hold(slot)
            self.released.add(self.model.pop(slot).id)

    # what always holds

    @invariant()
    def agrees_with_the_model(self):
        for table in self.tables:
            assert len(self.model) == len(table)
            assert self.tokens() == table.tokens <= table.budget
            assert self.evictable() == table.evictable
            assert len(self.slots(STORED)) == table.stored
            assert self.clock == table.clock
            for slot, entry in self.model.items():
                assert Entry(*table.page(slot)) == entry
                assert slot == table.slot(entry.id)

    @invariant()
    def pins_are_in_the_window_and_units_are_whole(self):
        for slot, entry in self.model.items():
            assert entry.state != STORED or not entry.pinned
            assert len({self.model[one].state == STORED for one in self.unit_of(slot)}) == 1

    @invariant()
    def table_and_store_hold_everything_that_was_appended(self):
        for table in self.tables:
            known = {table.page(slot).id for slot in self.model}
            assert self.appended - self.released == known
        held = self.store.pages("t", "s", sorted(self.appended))
        assert {id: id.encode() for id in self.appended} == held


@pytest.mark.parametrize("policy", POLICIES)
def test_table_agrees_with_a_plain_model(policy):
    machine = type("Machine", (TableAgainstModel,), {"policy": policy})
    test = machine.TestCase
    test.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
    test("runTest").runTest()


# by hand


def test_a_unit_leaves_whole_and_pins_stay():
    table = page_table(100, "lru")
    call = table.insert("a" * 32, 20, unit=7)
    result = table.insert("b" * 32, 30, unit=7)
    pinned = table.insert("c" * 32, 40, pinned=True)
    assert [call, result] == table.evict(60)
    assert (40, 2) == (table.tokens, table.stored)
    with pytest.raises(ValueError, match="pinned pages and placeholders take 40"):
        table.evict(61)
    table.restore(result)
    assert [0, 0, 0] == [table.page(slot).state for slot in (call, result, pinned)]


# policies


def golden_trace():
    """Return (page, tokens) of a session of agents: hot pages, chats that go on, scans, loops."""
    rng = random.Random(6)
    draw = lambda n: int(rng.random() * n)  # noqa: E731
    trace: list[int] = []
    chats = [[10_000 * n] for n in range(1, 30)]
    while len(trace) < 20_000:
        kind = draw(10)
        if kind < 6:
            chat = chats[draw(len(chats))]
            chat.extend(chat[-1] + i for i in range(1, 2 + draw(4)))
            trace += [0, 1, 2, *chat]
            if draw(6) == 0:
                chat[:] = [chat[-1] + 100]
        elif kind < 8:
            trace += [500 + int(400 * rng.random() ** 3) for _ in range(20)]
        else:
            start = 1_000_000 + len(trace) if kind == 8 else 2000
            trace += range(start, start + 30)
    return [(page, 50 + page * 37 % 400) for page in trace]


GOLDEN = {
    "auto": 11795,
    "lru": 13811,
    "fifo": 14348,
    "sieve": 12378,
    "s3fifo": 12011,
    "arc": 12090,
    "gdsf": 11803,
}


def misses(policy, budget=40_000):
    table = page_table(budget, policy, remember=2000)
    return sum(not table.access(f"{page:032x}", tokens) for page, tokens in golden_trace())


@pytest.mark.parametrize("policy", POLICIES)
def test_misses_on_the_golden_trace(policy):
    # "auto" works with powers and logarithms, whose last bits are each platform's own.
    slack = GOLDEN[policy] // 100 if policy == "auto" else 0
    assert GOLDEN[policy] == pytest.approx(misses(policy), abs=slack)


def test_auto_is_among_the_best_on_the_golden_trace():
    # Only gdsf, which spares small pages to miss fewer of any size, comes as close.
    assert GOLDEN["auto"] <= 1.01 * min(GOLDEN.values())


def zipf(n, pages, seed):
    weights = 1 / np.arange(1, pages + 1) ** 0.9
    return np.random.default_rng(seed).choice(pages, n, p=weights / weights.sum())


WORKLOADS = {
    "popular pages": zipf(6000, 800, 1),
    "popular pages and scans": np.concatenate(
        [part for i in range(20) for part in (zipf(250, 400, i), 10**6 * i + np.arange(100))]
    ),
    "a loop too long": np.arange(6000) % 90,
    "a working set that moves": np.arange(6000) // 20 + zipf(6000, 100, 2),
}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_auto_does_as_its_slow_twin(workload):
    # The lists of the native policy move on a little late and its evidence fades smoothly, so hits
    # agree in number, not one by one.
    trace = WORKLOADS[workload].astype(np.uint64)
    native = page_table(60, "auto").replay(trace)
    twin = page_table(60, Auto()).replay(trace)
    assert native == pytest.approx(twin, abs=max(60, 0.05 * twin))


@pytest.mark.parametrize("workload", WORKLOADS)
def test_auto_is_near_the_best_or_better(workload):
    trace = WORKLOADS[workload].astype(np.uint64)
    hits = {policy: page_table(60, policy).replay(trace) for policy in POLICIES}
    assert hits["auto"] >= max(hits.values()) - 0.02 * len(trace)


def test_auto_waits_for_a_loop_that_does_not_fit():
    trace = WORKLOADS["a loop too long"].astype(np.uint64)
    assert 0 == page_table(60, "lru").replay(trace)
    assert page_table(60, "auto").replay(trace) > len(trace) / 3


def test_without_evidence_auto_is_recency():
    table = page_table(40, "auto")
    slots = [table.insert(key, 1) for key in KEYS]
    assert slots == table.evict(40)


def test_auto_learns_which_pages_come_back():
    table = page_table(10, "auto")
    kept = 0
    for n in range(3000):  # page 1 is used every 40 steps, the others never again
        kept += table.access("%032x" % (1 if n % 40 == 0 else n + 2), 1)
    assert kept > 60  # of 74; lru keeps none


def test_evicted_pages_are_forgotten_beyond_the_bound():
    table = page_table(10, "auto", remember=5)
    table.replay(np.arange(1000, dtype=np.uint64))
    assert (10, 5, 15) == (table.tokens, table.stored, len(table))


def test_a_unit_is_forgotten_whole():
    table = page_table(10, "lru", remember=2)
    slots = [table.insert(f"{n:032x}", 1, unit=7) for n in range(3)]
    table.store(slots[1])  # three pages, one above the bound: none can come back alone
    assert (0, 0) == (table.stored, len(table))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_replay_is_so_many_accesses(policy):
    trace = WORKLOADS["popular pages"][:2000].astype(np.uint64)
    one, many = page_table(50, policy), page_table(50, policy)
    spread = 0x9E3779B97F4A7C15
    keys = [(int(n) * spread % 2**64).to_bytes(8, "little") + bytes(8) for n in trace]
    assert sum(one.access(key, 1) for key in keys) == many.replay(trace)


# policies of one's own


def test_a_policy_in_python_decides():
    class Newest(Lru):
        def victim(self):
            return self.pages[-1]

    assert isinstance(Newest(), ctxmem.Policy)
    table = page_table(3, Newest())
    assert "Newest" == table.policy
    a, b, c = (table.insert(key, 1) for key in KEYS[:3])
    table.pin(c)
    assert [b, a] == table.evict(2)


def test_what_a_policy_raises_is_raised_and_nothing_is_lost():
    class Broken(Lru):
        def victim(self):
            raise LookupError("I cannot decide")

        def on_touch(self, slot):
            raise LookupError("leave me alone")

    table = page_table(3, Broken())
    table.insert(KEYS[0], 2)
    with pytest.raises(LookupError, match="I cannot decide"):
        table.evict(3)
    with pytest.raises(LookupError, match="I cannot decide"):
        table.access(KEYS[1], 2)
    with pytest.raises(LookupError, match="leave me alone"):
        table.touch(KEYS[0])
    assert (1, 2) == (len(table), table.tokens)


@pytest.mark.parametrize("answer", [7, -1, 2**40, None, "a"])
def test_a_victim_that_cannot_go_is_refused(answer):
    class Wrong(Lru):
        def victim(self):
            return answer

    table = page_table(3, Wrong())
    table.insert(KEYS[0], 2)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        table.evict(3)
    assert (1, 2) == (len(table), table.tokens)


def test_a_policy_does_not_change_the_table_that_asks_it():
    class Meddler(Lru):
        def on_touch(self, slot):
            table.evict(3)

    table = page_table(3, Meddler())
    table.insert(KEYS[0], 2)
    with pytest.raises(RuntimeError, match="does not change the table"):
        table.touch(KEYS[0])
    assert [0] == table.evict(3)


# what is refused


def test_arguments_that_make_no_sense_are_refused_by_name():
    with pytest.raises(ctxmem.InputError, match="no policy is called 'mru'; there are auto, lru"):
        page_table(10, "mru")
    with pytest.raises(ctxmem.InputTypeError, match=r"this one is 1\.5"):
        page_table(1.5)
    for budget in (0, -3, 2**63):
        with pytest.raises(ctxmem.BudgetError, match=f"this one is {budget}"):
            page_table(budget)
    with pytest.raises(ctxmem.InputTypeError, match=r"methods of ctxmem\.Policy"):
        page_table(10, object())
    with pytest.raises(ctxmem.InputError, match="not -1"):
        page_table(10, remember=-1)


@pytest.mark.parametrize("id", [b"short", "f" * 31, "F" * 32, "é" * 32, "g" * 32, 5, None])
def test_what_is_no_page_id_is_refused(id):
    table = page_table(10)
    for call in (table.touch, table.slot, lambda id: table.insert(id, 1), lambda i: i in table):
        with pytest.raises(ValueError, match="16 bytes or 32 lower-case hexadecimal digits"):
            call(id)


def test_slots_that_no_page_has_are_refused():
    table = page_table(10)
    slot = table.insert(KEYS[0], 1)
    table.release(slot)
    for call in (table.page, table.pin, table.unpin, table.store, table.restore):
        with pytest.raises(IndexError, match="no page has slot 0"):
            call(slot)
    for needed in (11, 2**63 - 1):
        with pytest.raises(ValueError, match=f"{needed} tokens are needed of a budget of 10"):
            table.evict(needed)
    assert [] == table.evict(-(2**63))
    for tokens in (-1, 2**31):
        with pytest.raises(ValueError, match=f"not {tokens}"):
            table.insert(KEYS[0], tokens)
    with pytest.raises(ValueError, match="state 0, 1 or 2, not 3"):
        table.set_state(table.insert(KEYS[0], 1), 3, 0)


def test_a_budget_shrinks_to_what_is_taken_and_no_further():
    table = page_table(10, "lru")
    table.insert(KEYS[0], 6)
    table.budget = 6
    with pytest.raises(ValueError, match="takes 6 tokens, evict down to 5"):
        table.budget = 5
    assert 6 == table.budget


# the benchmark


def best_hits(references, size):
    """Count the hits of the best evictions there are, by trying all of them."""
    states = {frozenset(): 0}
    for page in references:
        after: dict[frozenset, int] = {}
        for held, hits in states.items():
            if page in held:
                ways = [held]
            else:
                room = [held] if len(held) < size else [held - {out} for out in held]
                ways = [kept | {page} for kept in room]
            for way in ways:
                after[way] = max(after.get(way, 0), hits + (page in held))
        states = after
    return max(states.values())


@given(st.lists(st.integers(0, 6), max_size=24), st.integers(1, 4))
def test_belady_is_the_best_there_is(references, size):
    assert best_hits(references, size) == eviction.belady(references, size)


def test_the_benchmark_runs_on_traces_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(eviction, "made_workloads", dict)
    monkeypatch.setattr(eviction, "time_touches", lambda pages, rounds: {"pages": 1, "ns": {}})
    requests = [{"hash_ids": [0, 1, 2, n % 7 + 3]} for n in range(40)]
    with gzip.open(tmp_path / "small.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(request) + "\n" for request in requests)
    (tmp_path / "other.jsonl").write_text('{"src": "no trace"}\n')
    options = ["--data", str(tmp_path), "--sizes", "4", "--no-peers", "--json"]
    assert 0 == eviction.main(options)
    (row,) = json.loads(capsys.readouterr().out)["traces"]
    assert ("small.jsonl.gz", 160, 10) == (row["trace"], row["uses"], row["pages"])
    assert (117, 117) == (row["belady"], row["hits"]["lru"])  # 0, 1, 2 after their first use
    assert row["hits"]["auto"] <= 117
    assert 0 == eviction.main(["--data", str(tmp_path / "other.jsonl"), "--no-peers", "--json"])
    assert "no .jsonl or .jsonl.gz with hash_ids there" in capsys.readouterr().err


def test_examples_in_the_extension():
    assert doctest.testmod(_pages).failed == 0


@pytest.mark.slow
def test_page_table_is_clean_under_sanitizers():
    compile_and_run("test_page_table", [])
