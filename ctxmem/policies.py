"""Eviction policies by name, and a page table that asks one of them.

=======  =========================================================================================
auto     learns when pages like it were used again, and keeps those soon used again; the default
lru      the page unused for longest goes
fifo     the oldest page goes
sieve    the oldest page not used since a hand last passed it goes
s3fifo   newcomers go early unless they are used twice
arc      recency and frequency, balanced by what was evicted too early
gdsf     the page with the fewest uses per token goes
=======  =========================================================================================

An object with the methods of `ctxmem.Policy` will do as well:

>>> class MostRecent:
...     def __init__(self): self.stack = []
...     def on_insert(self, slot): self.stack.append(slot)
...     def on_touch(self, slot): self.stack.remove(slot); self.stack.append(slot)
...     def on_evict(self, slot): self.stack.remove(slot)
...     def on_remove(self, slot):
...         if slot in self.stack: self.stack.remove(slot)
...     def victim(self): return self.stack[-1]
>>> table = page_table(100, MostRecent())
>>> table.access("0" * 32, 60), table.access("1" * 32, 40), table.access("2" * 32, 10)
(False, False, False)
>>> [table.page(table.slot(key * 32)).state for key in "012"]
[0, 3, 0]
"""

from __future__ import annotations

from ctxmem._pages import PageTable
from ctxmem.errors import BudgetError, InputError, InputTypeError, a_type
from ctxmem.protocols import Policy

POLICIES = ("auto", "lru", "fifo", "sieve", "s3fifo", "arc", "gdsf")
"""The names of the policies that come with ctxmem."""


def page_table(
    budget: int, policy: str | Policy = "auto", *, remember: int | None = None
) -> PageTable:
    """Return an empty page table of so many tokens that evicts as the policy says.

    `remember` bounds how many evicted pages it knows, None for all of them; policies learn from
    these, and "auto" from six for each page in the window.
    """
    if isinstance(budget, bool) or not isinstance(budget, int):
        raise InputTypeError(f"a budget is an int, this one is {budget!r}")
    if not 1 <= budget < 2**62:
        raise BudgetError(f"a budget is 1 to 2**62 - 1 tokens, this one is {budget}")
    if isinstance(policy, str):
        if policy not in POLICIES:
            raise InputError(f"no policy is called {policy!r}; there are {', '.join(POLICIES)}")
    elif not isinstance(policy, Policy):
        raise InputTypeError(
            f"a policy is a name or an object with the methods of ctxmem.Policy, "
            f"this one is {a_type(policy)}"
        )
    if remember is not None and remember < 0:
        raise InputError(f"a table remembers 0 evicted pages or more, not {remember}")
    return PageTable(budget, policy, remember=-1 if remember is None else remember)
