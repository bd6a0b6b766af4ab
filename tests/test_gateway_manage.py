"""The stage of `manage`: what goes out, which conversation it is, and that keys never meet."""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from chats import user
from fuzz_size import some
from provider_rules import problems

import ctxmem
from ctxmem.gateway.exchanges import Exchange
from ctxmem.gateway.manage.managing import Manage
from ctxmem.gateway.manage.splicing import document
from ctxmem.gateway.settings import Settings
from ctxmem.gateway.store_path import ACCOUNTS
from ctxmem.gateway.wire import Reply, Unreadable, wire_of
from ctxmem.pricing import PRICES
from ctxmem.traces.events import Usage

PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
}
WORDS = "ship port crew tide wind map rope sail oar flag chart cargo deck mast hull".split()


class Clock:
    """Seconds that a test moves on."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Client:
    """A client of one conversation, and the stage that its requests go through."""

    def __init__(self, stage: Manage, wire: str = "chat", tenant: str = "t1", **fields: Any):
        self.stage, self.tenant, self.fields = stage, tenant, fields
        self.wire = wire_of("POST", PATHS[wire])
        self.told: list[Any] = []
        self.own = ""
        self.exchange: Exchange

    def body(self) -> dict[str, Any]:
        name = "input" if self.wire.name == "responses" else "messages"
        return {"model": "gpt-5", **self.fields, name: self.told}

    def ask(self, *messages: Any) -> bytes | None:
        """Send the conversation with new messages; return what is sent instead, or None."""
        self.told += messages
        return self.send(json.dumps(self.body(), indent=1).encode())

    def send(self, data: bytes) -> bytes | None:
        self.exchange = Exchange(self.wire, self.tenant, 1, original=[data[:40], data[40:]])
        return self.stage.prepare(self.exchange)

    def finish(self, status: int = 200, usage: Usage | None = None) -> None:
        reply = Reply(usage=usage) if status == 200 else None
        self.stage.finish(self.exchange, status, reply)


def manage(store: str = ":memory:", clock: Clock | None = None, **options: Any) -> Manage:
    given = {"mode": "manage", "budget": 4000, "counter": "o200k_base", **options}
    settings = Settings({"": "http://127.0.0.1:1"}, store=store, **given)
    return Manage(settings, clock=clock or Clock())


def text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


def turns(rng: random.Random, wire: str, count: int, words: int = 120) -> list[list[Any]]:
    """What is new at each request of an agent's loop in a wire format."""
    made: list[list[Any]] = [[user("Load the ships. " + text(rng, 20))]]
    for n in range(count):
        out = f"row_{n}: " + text(rng, words)
        if wire == "chat":
            function = {"name": "look", "arguments": json.dumps({"row": n})}
            call = {"id": f"c{n}", "type": "function", "function": function}
            said = {"role": "assistant", "content": None, "tool_calls": [call]}
            made.append([said, {"role": "tool", "tool_call_id": f"c{n}", "content": out}])
        elif wire == "responses":
            call = {"type": "function_call", "call_id": f"c{n}", "name": "look", "arguments": "{}"}
            made.append([call, {"type": "function_call_output", "call_id": f"c{n}", "output": out}])
        else:
            use = {"type": "tool_use", "id": f"c{n}", "name": "look", "input": {"z": n, "a": 1.0}}
            block = {"type": "tool_result", "tool_use_id": f"c{n}", "content": out}
            made.append(
                [{"role": "assistant", "content": [use]}, {"role": "user", "content": [block]}]
            )
    return made


def test_a_compressed_body_is_managed_and_one_that_cannot_be_read_passes():
    stage, client = manage(budget=600), Client(manage())
    for new in turns(random.Random(2), "chat", 12):
        client.told += new
    data = json.dumps(client.body()).encode()
    for coding, body, taken in (
        ("gzip", gzip.compress(data), True),
        ("deflate", zlib.compress(data), True),
        ("gzip", data, False),
        ("br", data, False),
    ):
        exchange = Exchange(client.wire, "t1", 1, original=[body[:9], body[9:]], coding=coding)
        sent = stage.prepare(exchange)
        assert (sent is not None) is taken
        assert exchange.why == ("" if taken else "unreadable")
        assert sent is None or json.loads(sent)["messages"][-1] == client.told[-1]


@pytest.mark.parametrize("wire", PATHS)
def test_a_long_conversation_is_sent_within_the_budget_and_its_head_as_it_was(wire):
    head = {
        "chat": {"tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]},
        "responses": {"instructions": "Take care.", "temperature": 0.10},
        "anthropic": {"system": "Take care.", "max_tokens": 9, "metadata": {"user_id": "é"}},
    }[wire]
    client = Client(manage(), wire, **head)
    changed = 0
    for new in turns(random.Random(1), wire, 40):
        sent = client.ask(*new)
        client.finish()
        assert client.exchange.facts["bill_sent"] >= 0
        if sent is None:
            assert client.exchange.why == "unchanged"
            continue
        changed += 1
        body, own = json.loads(sent), client.body()
        name = "input" if wire == "responses" else "messages"
        assert {**body, name: 0} == {**own, name: 0}
        raw = json.dumps(own, indent=1)
        assert sent.decode().startswith(raw[: raw.index(f'"{name}"')])  # the client's own bytes
        assert body[name][-1] == new[-1]  # the newest message is whole
        assert not problems(body[name], client.wire.provider)
        assert ctxmem.count_messages(body[name], provider=client.wire.provider) <= 4000
    assert changed > 10
    assert client.exchange.facts["dropped"] > 10


def test_what_left_is_named_and_can_be_recalled():
    for recall in (False, True):
        client = Client(manage(recall=recall))
        for new in turns(random.Random(1), "chat", 40):
            sent = client.ask(*new)
        assert sent is not None
        # A model without the tool is not told to use it.
        assert ("; recall reads" in sent.decode()) is recall
    index = next(
        m["content"] for m in json.loads(sent)["messages"] if "[memory]" in str(m["content"])
    )
    assert "recall reads a page" in index and "row_" in index
    memory = client.exchange.notes["conversation"].memory
    assert client.told[8]["content"] in [page.text for page in memory.recall("row_3", 3)]


def test_messages_that_stay_are_the_clients_own_bytes():
    client = Client(manage(), "anthropic", max_tokens=5)
    for new in turns(random.Random(2), "anthropic", 40):
        sent = client.ask(*new)
    assert sent is not None
    last = client.told[-2]
    # Order of fields, 1.0 and blanks as the client wrote them, but for indentation by json.dumps.
    raw = json.dumps(client.body(), indent=1)
    read = document(raw.encode(), "messages")
    assert read.raw(len(client.told) - 2) in sent.decode()
    assert json.loads(read.raw(len(client.told) - 2)) == last


@pytest.mark.parametrize("row", ["anthropic", "openai", "deepseek"])
def test_the_account_says_that_no_request_cost_more(row):
    clock = Clock()
    wire = "anthropic" if row == "anthropic" else "chat"
    client = Client(manage(clock=clock, prices=row), wire)
    sent = through = 0.0
    for new in turns(random.Random(row), wire, 50):
        clock.now += 20
        client.ask(*new)
        client.finish()
        sent += client.exchange.facts["bill_sent"]
        through += client.exchange.facts["bill_through"]
        assert sent <= through * (1 + 1e-9)
    assert sent < 0.9 * through


def mark(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = message["content"]
    blocks = said if isinstance(said, list) else [{"type": "text", "text": said}]
    control = {"cache_control": {"type": "ephemeral", **more}}
    return {**message, "content": [*blocks[:-1], {**blocks[-1], **control}]}


def test_marks_are_not_part_of_what_a_message_says():
    stage = manage(prices="anthropic")
    rng = random.Random(4)
    names = set()
    told: list[Any] = []
    for new in turns(rng, "anthropic", 12):
        told += new
        client = Client(stage, "anthropic", max_tokens=5)
        sent = client.ask(*told[:-1], mark(told[-1]))  # the mark moves with the last message
        names.add(client.exchange.facts["conversation"])
        if sent is not None:
            assert sent.count(b"cache_control") <= 4
    assert len(names) == 1


def test_marks_for_an_hour_are_answered_by_marks_for_an_hour():
    client = Client(manage(), "anthropic", model="claude-sonnet-4-5", max_tokens=5)
    told: list[Any] = []
    for new in turns(random.Random(5), "anthropic", 40):
        told += new
        client.told = [*told[:-1], mark(told[-1], ttl="1h")]
        sent = client.ask()
    assert sent is not None and sent.count(b"cache_control") == sent.count(b'"ttl":"1h"') > 0


def test_a_client_without_marks_gets_them_when_they_are_paid_for():
    client = Client(manage(prices="anthropic"), "anthropic", max_tokens=5)
    marked = []
    for new in turns(random.Random(6), "anthropic", 40):
        sent = client.ask(*new)
        marked.append(sent is not None and b"cache_control" in sent)
    assert not marked[0] and marked[-1]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[1]", "unreadable"),
        (b'{"messages":', "unreadable"),
        (b'{"messages": [], "model": "m"}', "no messages"),
        (b'{"messages": "hello"}', "unreadable"),
        (b'{"messages": [1, 2]}', "unreadable"),
        (b'{"messages": [], "messages": []}', "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (b'{"a": 1} x', "unreadable"),
        (b"", "unreadable"),
    ],
)
def test_what_cannot_be_read_is_passed_through(data, why):
    client = Client(manage())
    assert client.send(data) is None
    assert client.exchange.why == why
    client.finish()


def test_what_the_provider_keeps_is_passed_through():
    client = Client(manage(), "responses", previous_response_id="resp_1")
    assert client.ask(user("Go on.")) is None
    assert client.exchange.why == "kept by the provider"


def test_a_document_gives_back_what_it_read():
    data = '{ "a":1.50, "messages" : [ {"x": "\\u00e9é"} , 2 ],"z":[]}'
    read = document(data.encode(), "messages")
    assert [read.raw(i) for i in range(2)] == ['{"x": "\\u00e9é"}', "2"]
    assert read.with_elements([read.elements[1]]) == b'{ "a":1.50, "messages" : [2],"z":[]}'
    assert read.body == json.loads(data)


@pytest.mark.parametrize("data", ['{"m":[1,}', '{"m":[1 2]}', "{", '{"m" 1}', '{"m":[],}x', "[[["])
def test_a_document_that_is_no_object_is_unreadable(data):
    with pytest.raises(Unreadable):
        document(data.encode(), "m")


# Which conversation -------------------------------------------------------------------------------


def test_a_retry_gets_the_same_bytes():
    client = Client(manage(prices="openai"))
    for new in turns(random.Random(7), "chat", 30):
        sent = client.ask(*new)
    assert sent is not None
    name = client.exchange.facts["conversation"]
    assert client.ask() == sent
    assert client.exchange.facts["conversation"] == name
    stage_messages = client.exchange.notes["conversation"].memory.messages()
    assert len(stage_messages) == len(client.told)  # nothing twice


def told_to(client: Client) -> list[Any]:
    return client.exchange.notes["conversation"].memory.messages()


def test_a_client_that_edits_goes_back_or_compacts_gets_another_conversation():
    stage = manage()
    client = Client(stage)
    client.ask(user("one"))
    client.ask({"role": "assistant", "content": "1"}, user("two"))
    first = client.exchange.facts["conversation"]
    client.told[1] = {"role": "assistant", "content": "edited"}
    client.ask()
    second = client.exchange.facts["conversation"]
    assert told_to(client) == client.told
    client.told = [user("one")]
    client.ask()
    assert told_to(client) == [user("one")]
    third = client.exchange.facts["conversation"]
    client.told = [user("Summary of what was said."), user("two")]
    client.ask()
    assert told_to(client) == client.told
    assert len({first, second, third, client.exchange.facts["conversation"]}) == 4


def test_branches_that_begin_alike_are_kept_apart():
    stage = manage()
    clients = [Client(stage) for _ in range(6)]
    for client in clients:
        client.ask(user("You are a helper. Begin."))
    for n, client in enumerate(clients):
        client.ask({"role": "assistant", "content": f"branch {n}"}, user("go on"))
    for n, client in enumerate(clients):
        client.ask({"role": "assistant", "content": "ok"}, user(f"still {n}"))
        assert told_to(client) == client.told


def test_two_stages_on_one_file_take_turns(tmp_path: Path):
    clock = Clock()
    stages = [manage(str(tmp_path / "g.db"), clock, prices="anthropic") for _ in range(2)]
    client = Client(stages[0], "anthropic", max_tokens=5)
    sent = through = 0.0
    names = set()
    for n, new in enumerate(turns(random.Random(8), "anthropic", 40)):
        clock.now += 20
        client.stage = stages[n % 2]
        client.ask(*[mark(one) if one["role"] == "user" else one for one in new])
        client.finish()
        names.add(client.exchange.facts["conversation"])
        sent += client.exchange.facts["bill_sent"]
        through += client.exchange.facts["bill_through"]
        for one in client.told[:-2]:
            if one["role"] == "user":
                one["content"][-1].pop("cache_control", None)
    assert len(names) == 1
    assert told_to(client) == [json.loads(json.dumps(m).replace(MARK, "")) for m in client.told]
    assert sent <= through * (1 + 1e-9)


MARK = ', "cache_control": {"type": "ephemeral"}'


def test_two_stages_that_begin_at_once_do_not_mix_conversations(tmp_path: Path):
    path = str(tmp_path / "g.db")
    one, other = Client(manage(path)), Client(manage(path))
    one.ask(user("Begin."))
    other.ask(user("Begin."))
    one.ask({"role": "assistant", "content": "a"}, user("to one"))
    other.ask({"role": "assistant", "content": "b"}, user("to the other"))
    one.ask({"role": "assistant", "content": "c"}, user("again to one"))
    assert told_to(one) == one.told
    assert told_to(other) == other.told


def test_equal_conversations_under_two_keys_never_meet():
    stage = manage()
    one, other = Client(stage, tenant="key-1"), Client(stage, tenant="key-2")
    for client in (one, other):
        client.ask(user("The same."))
    one.ask({"role": "assistant", "content": "x"}, user("secret of one"))
    other.ask({"role": "assistant", "content": "x"}, user("of the other"))
    assert told_to(other) == other.told
    pages = other.exchange.notes["conversation"].memory.recall("secret", 5, scope="tenant")
    assert all("secret" not in page.text for page in pages)


def leaks(stage: Manage, keys: int, conversations: int) -> int:
    """Interleave conversations of several keys, and return how many saw others' words."""
    rng = random.Random(9)
    clients = [Client(stage, tenant=f"key-{n % keys}") for n in range(conversations)]
    for n, client in enumerate(clients):
        client.own = f"word{n}x"
    found = 0
    order = [client for client in clients for _ in range(3)]
    rng.shuffle(order)
    for client in order:
        said = [user("The same beginning.")] if not client.told else []
        if client.told:
            said = [{"role": "assistant", "content": client.own}, user(f"more of {client.own}")]
        sent = client.ask(*said)
        kept = json.dumps(told_to(client))
        found += told_to(client) != client.told
        seen = words_in(kept) | words_in(sent.decode() if sent is not None else "")
        found += bool(seen - {client.own})
    return found


def words_in(said: str) -> set[str]:
    return set(re.findall(r"word\d+x", said))


def test_interleaved_conversations_do_not_see_each_other():
    assert leaks(manage(), keys=5, conversations=60) == 0


@pytest.mark.slow(30)
def test_thousands_of_interleaved_conversations_do_not_see_each_other(tmp_path: Path):
    assert leaks(manage(str(tmp_path / "g.db")), keys=100, conversations=some(10_000, 4)) == 0


# Faults -------------------------------------------------------------------------------------------


def test_a_request_that_was_refused_is_charged_as_the_client_wrote_it():
    client = Client(manage(prices="openai"))
    for new in turns(random.Random(12), "chat", 30):
        sent = client.ask(*new)
        client.finish()
    assert sent is not None
    account = client.exchange.notes["conversation"].account
    before = account.saved
    client.ask({"role": "assistant", "content": "x"}, user("go"))
    client.exchange.why = "refused"
    client.finish()
    assert account.saved <= before


def test_an_error_costs_nothing():
    client = Client(manage())
    client.ask(user("one"))
    client.finish(status=429)
    assert client.exchange.notes["conversation"].account.through.cost == 0


def test_accounts_are_kept_beside_the_sessions_of_a_tenant(tmp_path: Path):
    stage = manage(str(tmp_path / "g.db"))
    client = Client(stage)
    for new in turns(random.Random(13), "chat", 40):
        client.ask(*new)
        client.finish()
    sessions = stage.store.sessions("t1")
    assert len(sessions) == 1
    assert stage.store.sessions("t1" + ACCOUNTS) == sessions


def test_a_provider_that_does_not_cache_is_passed_through_while_that_fits():
    client = Client(manage(prices="openai", budget=8000))
    for new in turns(random.Random(14), "chat", 14):
        client.ask(*new)
        tokens = sum(client.exchange.facts["tokens"].values())
        client.finish(usage=Usage(input=tokens, cached=0))
    assert client.exchange.notes["conversation"].account.misses >= 3
    assert client.ask({"role": "assistant", "content": "x"}, user("go")) is None


@pytest.mark.parametrize(
    ("counter", "rate", "beside"), [("estimate", 0.6, 0), ("o200k_base", 1.3, 350)]
)
def test_tokens_are_shown_as_the_provider_counts_them_within_the_budget(counter, rate, beside):
    """What is shown is what the budget is compared with; else a person takes it for broken."""
    client, near = Client(manage(counter=counter), "anthropic"), 0
    for new in turns(random.Random(16), "anthropic", 40):
        sent = client.ask(*new)
        body = json.loads(sent) if sent else client.body()
        ours = ctxmem.count_messages(body["messages"], counter, provider="anthropic")
        reported = int(rate * ours) + beside
        facts, shown = client.exchange.facts, sum(client.exchange.facts["tokens"].values())
        account = client.exchange.notes["conversation"].account
        assert shown <= 4000
        near += account.seen >= 4 and reported - 40 <= shown <= 1.12 * reported
        assert facts["exact"] == (counter != "estimate" and not account.seen)
        client.finish(usage=Usage(input=reported, cached=0))
    assert near >= 30


def test_without_a_budget_nothing_is_changed():
    client = Client(manage(budget=None))
    assert client.ask(user("one")) is None
    assert client.exchange.why == "no budget"


def test_the_window_of_the_model_is_the_budget_without_one():
    settings = Settings({"": "http://127.0.0.1:1"}, mode="manage", store=":memory:")
    stage = Manage(settings, window_of=lambda model: 9000 if model == "gpt-5" else None)
    client = Client(stage, max_tokens=1000)
    client.ask(user("one"))
    assert client.exchange.facts["budget"] == 8000


def test_every_price_row_has_a_place_in_the_stage():
    for row in PRICES:
        wire = "anthropic" if row.startswith("anthropic") else "chat"
        client = Client(manage(prices=row, budget=3000), wire)
        for new in turns(random.Random(15), wire, 9, 300):
            client.ask(*new)
            client.finish()
        assert client.exchange.facts["bill_sent"] <= client.exchange.facts["bill_through"] * 1.5


# Recall -------------------------------------------------------------------------------------------


def chatted(stage: Manage, **fields: Any) -> Client:
    """A chat whose beginning has left the window."""
    rng = random.Random(3)
    client = Client(stage, **fields)
    client.ask(user("Hello."))
    client.finish()
    said = "Yesterday I saw how the pilot Aurelia lost a blue umbrella near the lighthouse."
    for n in range(60):
        told = said if n == 2 else f"Row {n}: {text(rng, 120)}"
        client.ask({"role": "assistant", "content": f"Noted, {n}."}, user(told))
        client.finish()
    return client


def test_what_left_is_brought_back_for_the_question_that_asks_for_it():
    client = chatted(manage(budget=3000))
    question = user("Where did Aurelia lose the umbrella?")
    sent = client.ask({"role": "assistant", "content": "Noted."}, question)
    assert sent is not None and "near the lighthouse" in sent.decode()
    messages = json.loads(sent)["messages"]
    assert messages[-1] == question or "near the lighthouse" in messages[-1]["content"]
    assert client.exchange.facts["recalled"] >= 1
    assert ctxmem.count_messages(messages) <= 3000
    client.finish()
    sent = client.ask({"role": "assistant", "content": "There."}, user("Thank you, go on."))
    assert sent is not None and "near the lighthouse" not in sent.decode()  # it was for one request


def test_the_tool_is_offered_in_every_request_and_not_counted_against_savings():
    plain, offered = manage(budget=3000), manage(budget=3000, recall=True)
    costs = []
    for stage in (plain, offered):
        client = chatted(stage)
        account = client.exchange.notes.get("account") or stage_account(client)
        assert account.ours.cost <= account.through.cost + account.granted + 1e-6
        costs.append((account.through.cost, account.granted))
        assert ("memory" in client.exchange.notes) is (stage is offered)
        if stage is offered:
            room = client.exchange.notes["room"]
            assert 0 <= room.left < 3000
    assert costs[0][0] == costs[1][0] and costs[0][1] == 0 < costs[1][1]


def stage_account(client: Client) -> Any:
    return client.exchange.notes["conversation"].account


def test_a_window_shows_no_day_that_the_prompt_may_contradict(tmp_path: Path):
    client = Client(manage(str(tmp_path / "g.db"), budget=900))
    day = re.compile(r"^\d{4}-\d\d-\d\d:$", re.MULTILINE)
    seen = False
    for number in range(24):
        facts = " ".join(f"Item {number}{i} of the invoice is for the pump." for i in range(6))
        sent = client.ask(user(f"Today is 2021-03-04. {facts}"))
        seen = seen or b"[memory] From earlier" in (sent or b"")
        if sent is not None:
            shown = json.loads(sent)["messages"]
            assert not day.search("\n".join(str(one["content"]) for one in shown))
        client.told.append({"role": "assistant", "content": f"Noted, {number}."})
    assert seen


def test_the_first_request_with_the_tool_costs_more_by_the_tool_only():
    client = Client(manage(recall=True, budget=9000, prices="anthropic"), "anthropic")
    marked = {"type": "text", "text": text(random.Random(17), 700)}
    client.ask(user([marked | {"cache_control": {"type": "ephemeral"}}]))
    facts = client.exchange.facts
    tokens = sum(facts["tokens"].values())
    assert facts["bill_through"] < 1024 <= tokens  # the tool makes it long enough for the cache
    assert facts["bill_sent"] - facts["bill_recall"] == pytest.approx(facts["bill_through"])
    client.finish(usage=Usage(input=500, cached=0, written=0))
    assert facts["bill_sent"] == tokens  # and the provider says that it was not
    assert facts["bill_sent"] - facts["bill_recall"] == facts["bill_through"]
