"""The outline of tracebacks: no frame, and no entry of a log above it, without the exception."""

from __future__ import annotations

import pytest
from outlines import broken_laws, tied, units

from ctxmem import Chunk, pack

FRAMES = [
    'File "/srv/app/order.py", line 41, in process\n    charge(order)',
    'File "/srv/app/stock.py", line 88, in reserve\n    raise StockError("sku 55-A out of stock")',
]
EXCEPTION = "stock.StockError: sku 55-A out of stock"
HEAD = "Traceback (most recent call last):"
TRACE = f"{HEAD}\n  {FRAMES[0]}\n  {FRAMES[1]}\n{EXCEPTION}\n"
FAILED = "2026-03-01 10:01:15 ERROR order.process id=7732 failed"
LOG = (
    "2026-03-01 10:00:01 INFO  app.start version=1.4.2 pid=811\n"
    "2026-03-01 10:00:09 WARN  cache.miss ratio=0.82\n"
    "2026-03-01 10:01:12 ERROR order.process id=7731 failed\n"
    f"{HEAD}\n  {FRAMES[0]}\n"
    '  File "/srv/app/pay.py", line 17, in charge\n    raise CardError("declined: no funds")\n'
    "pay.CardError: declined: no funds\n"
    "2026-03-01 10:01:13 INFO  order.retry id=7731 attempt=2\n"
    f"{FAILED}\n{TRACE}"
    "2026-03-01 10:02:00 INFO  app.stop code=0\n"
)


def test_the_frames_of_a_traceback_need_the_exception():
    text = "It fails with this:\n\n" + TRACE
    lead = "It fails with this:"
    needs = {said: need for _, said, need in units(text)}
    assert {HEAD: lead, EXCEPTION: lead} == {said: needs[said] for said in (HEAD, EXCEPTION)}
    assert [HEAD, HEAD] == [needs[frame] for frame in FRAMES]
    assert EXCEPTION == tied(text)[HEAD]
    assert [] == broken_laws(text) + broken_laws(text, room=32)


def test_an_entry_of_a_log_needs_the_exception_below_it():
    needs = {said: need for _, said, need in units(LOG)}
    assert FAILED == needs[HEAD] == needs[EXCEPTION]
    assert EXCEPTION == tied(LOG)[FAILED]
    assert needs["2026-03-01 10:02:00 INFO  app.stop code=0"] is None
    assert [] == broken_laws(LOG) + broken_laws(LOG, room=32)


def test_a_log_of_java_needs_the_exception_and_its_cause():
    error = "2026-03-01 10:01:15 ERROR order 7732"
    text = (
        f"2026-03-01 10:00:01 INFO start\n{error}\napp.OrderError: failed\n"
        "\tat app.Order.run(Order.java:41)\n\tat app.Main.main(Main.java:7)\n"
        "Caused by: app.StockError: out of stock\n\tat app.Stock.take(Stock.java:88)\n"
        "\t... 2 more\n"
        "2026-03-01 10:02:00 INFO stop\n"
    )
    cause = "Caused by: app.StockError: out of stock"
    needs = {said: need for _, said, need in units(text)}
    assert "app.OrderError: failed" == tied(text)[error] == needs["at app.Main.main(Main.java:7)"]
    assert cause == tied(text)["app.OrderError: failed"] == needs["... 2 more"]
    assert [] == broken_laws(text)


@pytest.mark.parametrize("source", [None, "app.log"])
@pytest.mark.parametrize("budget", range(20, 130, 10))
def test_a_failure_is_never_shown_without_its_exception(budget, source):
    shown = pack([Chunk(LOG, source=source)], budget, query="Why did order 7732 fail?").text
    if FAILED in shown or FRAMES[1].split("\n")[0] in shown:
        assert EXCEPTION in shown


def test_a_traceback_that_is_cut_off_has_an_outline():
    for size in range(len(LOG)):
        assert [] == broken_laws(LOG[:size]) + broken_laws(LOG[size:])
