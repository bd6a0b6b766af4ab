"""Short calls are audited in batches: the result is that of one call after another."""

from __future__ import annotations

import pytest
from sample_texts import passages

from ctxmem import audit
from ctxmem.auditing.assembly import Call
from ctxmem.auditing.auditor import Auditor
from ctxmem.auditing.batches import batches
from ctxmem.traces import Passage


def turn(text: str) -> Call:
    message = {"role": "user", "content": text}
    return Call("a:1", "s", "s", None, "", None, [message], turn="1")


def hits(*texts: str) -> Call:
    return Call("a:1", "s", "", None, "", "why?", shown=[Passage(text) for text in texts])


def request(text: str) -> Call:
    return Call("a:1", "s", "", None, "", None, [{"role": "user", "content": text}])


def test_turns_and_passages_share_a_batch_that_a_request_ends():
    calls = [turn("one"), hits("two"), request("three"), turn("four")]
    assert list(batches(calls)) == [calls[:3], calls[3:]]


def test_a_turn_in_blocks_ends_its_batch():
    blocks = Call("a:1", "s", "s", None, "", None, [{"role": "user", "content": []}], turn="1")
    assert list(batches([blocks, turn("one")])) == [[blocks], [turn("one")]]


def test_a_batch_is_bounded_in_characters_and_in_calls():
    long = [turn("x" * 50_000) for _ in range(7)]
    assert [len(batch) for batch in batches(long)] == [3, 3, 1]
    assert [len(batch) for batch in batches([hits()] * 1025)] == [512, 512, 1]


def log(texts: list[str]) -> list[dict[str, object]]:
    """Return chats with a retrieval between question and answer, and requests of another client."""
    made: list[dict[str, object]] = []
    for i in range(0, len(texts) - 4, 5):
        ask, one, two, three, answer = texts[i : i + 5]
        found = [one, two, three, f"{one} again"] if i % 4 == 0 else [one, two, three]
        made += [
            {"session": f"s{i % 3}", "role": "user", "content": ask},
            {
                "session": f"s{i % 3}",
                "query": ask,
                "hits": [{"text": text} for text in found],
            },
            {"session": f"s{i % 3}", "role": "assistant", "content": answer},
            {"session": "r", "model": "gpt-4o", "messages": [{"role": "user", "content": two}]},
        ]
    return made


@pytest.mark.parametrize("near", [False, True])
def test_the_result_is_that_of_one_call_after_another(near, monkeypatch):
    records = log(passages(400, 25, seed=1) * 2)
    with monkeypatch.context() as patch:
        patch.setattr(Auditor, "prepare", lambda self, calls: None)
        expected = audit(records, near=near).to_dict()
    assert expected["totals"]["findings"]["repeat_in_session"]
    assert bool(expected["totals"]["findings"]["near_version"]) is near
    assert audit(records, near=near).to_dict() == expected


def test_versions_and_overlaps_are_found_in_the_midst_of_lists_without():
    base = (
        "the meter in the cellar is read on the first day of every month by the landlord himself "
        "unless he is away, and then a neighbour who has the key goes down and writes it on a card"
    )
    cases = {
        "near_version": base.replace("first", "second"),
        "overlap": f"{base[100:]} and the reading is sent to everybody who lives in the house",
    }
    plain = [{"query": str(i), "hits": [{"text": f"{i} a {i}"}, {"text": "b"}]} for i in range(9)]
    for kind, other in cases.items():
        record = {"query": "when?", "hits": [{"text": base}, {"text": other}]}
        found = audit([*plain, record, *plain]).totals["findings"]
        assert found[kind] == 1, kind
