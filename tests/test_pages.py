"""The count table: never a wrong count, never more than its capacity."""

from __future__ import annotations

import pytest
from cpp_build import compile_and_run
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ctxmem._pages import CountTable

CAPACITY = 4
# Keys that share their low half collide in the index; equal low bits probe the same places.
keys = st.builds(
    lambda low, high: low.to_bytes(8, "little") + high.to_bytes(8, "little"),
    st.sampled_from([0, 1, 8, 16]),
    st.integers(0, 3),
)


class CountTableAgainstDict(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.table = CountTable(CAPACITY)
        self.stored: dict[bytes, int] = {}

    @rule(key=keys, count=st.integers(0, 2**40))
    def put(self, key, count):
        self.table.put(key, count)
        self.stored[key] = count
        assert count == self.table.get(key)

    @rule(key=keys)
    def get(self, key):
        assert self.table.get(key) in (-1, self.stored.get(key, -1))

    @invariant()
    def holds_as_much_as_it_can(self):
        assert len(self.table) == min(CAPACITY, len(self.stored))
        assert len(self.table) == sum(self.table.get(key) >= 0 for key in self.stored)


TestCountTable = CountTableAgainstDict.TestCase
TestCountTable.settings = settings(max_examples=60, stateful_step_count=40)


def test_what_was_asked_for_lately_stays():
    table = CountTable(2)
    a, b, c = (bytes([i]) * 16 for i in range(3))
    table.put(a, 1)
    table.put(b, 2)
    assert table.get(a) == 1
    table.put(c, 3)  # the hand passes a, which was asked for, and takes b
    assert (table.get(a), table.get(b), table.get(c)) == (1, -1, 3)


def test_wrong_keys_and_counts_are_refused():
    table = CountTable(2)
    with pytest.raises(ValueError, match="16 bytes, this one is 3"):
        table.get(b"abc")
    with pytest.raises(ValueError, match="not negative"):
        table.put(b"0" * 16, -1)
    with pytest.raises(ValueError, match="between 1 and"):
        CountTable(0)


def test_count_table_is_clean_under_sanitizers():
    compile_and_run("test_count_table", [])
