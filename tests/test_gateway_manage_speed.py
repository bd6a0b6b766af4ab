"""What a managed request does not do again, and that nothing is mistaken for what was before."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gateway_manage import PATHS, Client, manage, turns, user

import ctxmem
from ctxmem.gateway.manage.requests import RequestReader
from ctxmem.gateway.manage.splicing import document
from ctxmem.gateway.manage.syncing import Syncer
from ctxmem.gateway.manage.transcripts import Transcript, Transcripts
from ctxmem.gateway.wire import Unreadable
from ctxmem.memory.identifiers import identifiers
from ctxmem.memory.long_texts import LONG, LongTexts
from ctxmem.memory.statements import scan
from ctxmem.pricing import Block, prefixes_of
from ctxmem.stores import SqliteStore

# Reading on --------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text('a"\\é,]}{[ ', max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
MESSAGES = st.lists(
    st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2) | st.integers(0, 99), max_size=5
)


def body_of(messages: list[Any], more: dict[str, Any], indent: int | None, ascii: bool) -> bytes:
    body = {"model": "m", "messages": messages, **more}
    return json.dumps(body, indent=indent, ensure_ascii=ascii).encode()


@settings(max_examples=300)
@given(
    MESSAGES, MESSAGES, st.integers(0, 5), st.booleans(), st.sampled_from([None, 1]), st.booleans()
)
def test_a_body_that_goes_on_is_read_as_if_it_were_the_first(
    old, new, kept, changes, indent, ascii
):
    before = body_of(old, {"stream": True}, indent, ascii)
    after = body_of(old[:kept] + new, {"stream": not changes}, indent, ascii)
    read, fresh = (
        document(after, "messages", document(before, "messages")),
        document(after, "messages"),
    )
    assert json.dumps(read.body) == json.dumps(fresh.body) == json.dumps(json.loads(after))
    for part in ("data", "places", "begin", "end", "objects"):
        assert getattr(read, part) == getattr(fresh, part)
    assert list(map(json.loads, read.elements)) == read.body["messages"]
    assert not (changes and read.framed)


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_byte_that_differs_anywhere_is_noticed():
    messages = [{"role": "user", "content": f"m{n} abcdef"} for n in range(4)]
    data = body_of(messages, {"tools": [{"n": 1.0}]}, None, True)
    last, more = (
        document(data, "messages"),
        body_of([*messages, {"x": 1}], {"tools": []}, None, True),
    )
    assert last.common(more)[0] == 4
    wrong = 0
    for at in range(len(data)):
        other = changed(data, at)
        try:
            expected = json.dumps(json.loads(other))
        except ValueError:
            with pytest.raises(Unreadable):
                document(other, "messages", last)
            continue
        try:
            assert json.dumps(document(other, "messages", last).body) == expected
        except Unreadable:
            with pytest.raises(Unreadable):
                document(other, "messages")
        wrong += 1
    assert wrong > 100


def test_a_message_of_the_same_length_that_says_something_else_makes_another_conversation():
    client = Client(manage())
    for new in turns(random.Random(3), "chat", 6):
        client.ask(*new)
        client.finish()
    name, count = client.exchange.facts["conversation"], len(client.told)
    right = client.told
    client.told = [*right[:4], {**right[4], "content": "R" + right[4]["content"][1:]}, *right[5:]]
    assert len(json.dumps(client.told)) == len(json.dumps(right))
    client.ask()
    assert client.exchange.facts["conversation"] != name
    held = client.exchange.notes["conversation"].memory.messages()
    assert held == client.told and held != right and len(held) == count
    client.told = right
    client.ask()
    assert client.exchange.facts["conversation"] == name


@pytest.mark.parametrize("wire", PATHS)
def test_what_is_remembered_of_requests_changes_nothing_of_what_is_sent(wire, monkeypatch):
    """The oracle is a stage that remembers no request."""
    steps = turns(random.Random(4), wire, 30)

    def sent() -> list[Any]:
        client, found = Client(manage(prices="openai"), wire), []
        for number, new in enumerate(steps):
            if number == 20:  # the client goes back
                del client.told[9:]
            found.append(client.ask(*new))
            client.finish()
            facts = {k: v for k, v in client.exchange.facts.items() if k != "receipts"}
            facts["conversation"] = facts["conversation"].rpartition("-")[2]  # the key is random
            found.append((client.exchange.why, facts))
        return found

    remembering = sent()
    monkeypatch.setattr(Transcripts, "find", lambda *_: None)
    assert remembering == sent()


def test_only_what_is_new_is_read(monkeypatch):
    read: list[int] = []
    transcript = RequestReader._transcript

    def counted(self: Any, document: Any, asked: Any, *more: Any) -> Transcript:
        read.append(len(asked.messages) - more[-1])
        return transcript(self, document, asked, *more)

    monkeypatch.setattr(RequestReader, "_transcript", counted)
    one, other = Client(manage()), Client(manage())
    other.stage = one.stage
    for new in turns(random.Random(5), "chat", 8):
        one.ask(*new)
        other.ask(user("Another one."), *new)
    assert read == [1, 2, *[2, 3] * 8]


def test_requests_are_remembered_in_so_many_bytes():
    held = Transcripts(most_bytes=4_000, most=5)
    for n in range(20):
        data = body_of([{"role": "user", "content": f"{n}" * 100}], {}, None, True)
        made = Transcript(document(data, "messages"), "l", 0, [], [], [])
        held.keep("t", "chat", made, None)
        assert held.bytes <= 4_000 and len(held) <= 5
        assert held.find("t", "chat", data) is made
        assert held.find("u", "chat", data) is held.find("t", "responses", data) is None
    huge = body_of([{"content": "x" * 1_001}], {}, None, True)
    held.keep("t", "chat", Transcript(document(huge, "messages"), "l", 0, [], [], []), None)
    assert held.find("t", "chat", huge) is None


def test_a_request_that_goes_on_takes_the_place_of_the_one_before():
    held, messages, last = Transcripts(), list[Any](), None
    for n in range(9):
        messages.append({"role": "user", "content": f"{n}"})
        data = body_of(messages, {}, None, True)
        last = held.find("t", "chat", data)
        read = document(data, "messages", None if last is None else last.document)
        held.keep("t", "chat", Transcript(read, "l", 0, [], [], []), last)
        assert len(held) == 1
        assert read.shared == n


# Blocks ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(), st.integers(0, 99)), max_size=9), st.integers(0, 9))
def test_prefixes_that_go_on_are_those_of_all_blocks(pairs, cut):
    blocks = [Block(*pair) for pair in pairs]
    cut = min(cut, len(blocks))
    whole = prefixes_of(blocks)
    half = prefixes_of([*blocks[:cut], Block(7, 7)]).then(blocks[cut:], cut)
    assert (half.keys, half.ends, len(half)) == (whole.keys, whole.ends, len(blocks))


# Texts -------------------------------------------------------------------------------------------


def test_a_long_text_is_read_once_and_a_short_one_every_time():
    found, texts = [], LongTexts[int](most=3 * LONG)
    long = ["x" * LONG, "y" * LONG, "z" * LONG, "w" * LONG]

    def find() -> int:
        found.append(1)
        return len(found)

    assert [texts.get(long[0], 1, find), texts.get("x" * LONG, 1, find)] == [1, 1]
    assert texts.get(long[0], 2, find) == 2
    assert [texts.get("s", 1, find), texts.get("s", 1, find)] == [3, 4]
    for text in long[1:]:  # the first leaves
        texts.get(text, 1, find)
    assert texts.get(long[0], 1, find) == 8


def test_what_is_found_in_a_long_text_is_not_shared_with_who_changes_it():
    text = "You must always use port 8443 for the api_gateway. " * 60
    scan(text).clear()
    assert scan(text) and scan(text) == scan(text + "")
    assert "api_gateway" in identifiers(text)


# The disk ----------------------------------------------------------------------------------------


def test_one_sync_is_for_all_that_ask_meanwhile():
    begun, go, calls = threading.Event(), threading.Event(), []

    def sync() -> None:
        calls.append(1)
        begun.set()
        assert go.wait(10)

    syncer = Syncer(sync)
    first = syncer.soon()
    assert begun.wait(10)
    others = [syncer.soon() for _ in range(50)]
    assert not first.done()
    go.set()
    for one in (first, *others):
        one.result(10)
    assert len(calls) == 2  # what came while the first was under way was not a part of it
    syncer.close()


def test_a_sync_that_fails_is_an_error_of_those_that_waited_and_not_of_the_next():
    errors = [ctxmem.StoreError("disk"), None]

    def sync() -> None:
        error = errors.pop(0)
        if error is not None:
            raise error

    syncer = Syncer(sync)
    with pytest.raises(ctxmem.StoreError):
        syncer.soon().result(10)
    syncer.soon().result(10)
    syncer.close()


def test_a_window_that_leaves_anything_out_waits_for_the_disk():
    """Law 10: a page is written before it is dropped; here the disk never takes it."""
    stage = manage(":memory:", prices="openai")
    client = Client(stage)
    stage._syncer = Syncer(lambda: None)
    steps = iter(turns(random.Random(6), "chat", 40))
    for new in steps:
        sent = client.ask(*new)
        client.finish()
        if sent is not None:
            break
    stage._syncer.close()

    def broken() -> None:
        raise ctxmem.StoreError("disk full")

    stage._syncer = Syncer(broken)
    failed = 0
    for new in steps:
        try:
            client.ask(*new)
        except ctxmem.StoreError:
            failed += 1
            account, entry, *_ = client.exchange.notes["account"]
            assert entry.own  # it is charged as the client's own bytes, which go out
            assert account.within(account.ours.cost, account.through.cost)
        client.finish()
    assert failed > 5
    stage._syncer.close()


def test_a_store_that_syncs_later_holds_the_same_and_moves_its_log(tmp_path: Path):
    with SqliteStore(tmp_path / "a.db", sync_later=True) as store:
        store.sync()
        for n in range(60):
            store.append("t", "s", [b"x" * 100_000], pages={f"{n:016x}": b"p"})
            store.sync()
        size = (tmp_path / "a.db-wal").stat().st_size
        assert size < 5_000_000  # not the six million bytes that were written
        assert store.version("t", "s") == 60
        with SqliteStore(tmp_path / "a.db") as other:
            other.sync()  # nothing is left to do
            assert len(list(other.read("t", "s"))) == 60
