"""A message of a shape that no provider has is read or reported, and never taken for empty."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from ctxmem import Memory, assemble, audit, check, count_messages, repair, trim_messages
from ctxmem.auditing.auditor import Auditor
from ctxmem.cli import main

RULE = "We deploy to AWS only, never Azure."
NAMES = ("text", "message", "value", "body", "output", "result")


def chat(name: str, turns: int = 8) -> list[dict]:
    """Return a chat whose texts are in a field of this name."""
    sides = ("user", "assistant")
    return [
        {"role": sides[i % 2], name: f"{i}. {RULE} Module {i} reads table {i}."}
        for i in range(turns)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_reader_reads_a_text_under_another_name(name):
    given, usual = chat(name), chat("content")
    assert count_messages(given) == count_messages(usual)
    assert trim_messages(given, 60) == trim_messages(usual, 60)
    memories = [Memory(400), Memory(400)]
    for memory, messages in zip(memories, (given, usual), strict=True):
        for message in messages:
            memory.append(message)
    texts = [[entry.text for entry in memory.ledger()] for memory in memories]
    assert texts[0] == texts[1] != []
    question = "What does module 3 read?"
    windows = [memory.window(question) for memory in memories]
    assert windows[0].messages == windows[1].messages
    asked = [assemble(question, 300, history=messages) for messages in (given, usual)]
    assert asked[0].messages == asked[1].messages
    assert asked[0].parts == asked[1].parts


@pytest.mark.parametrize("name", NAMES)
def test_repair_puts_the_text_where_a_provider_reads_it(name):
    message = {"role": "user", name: RULE, "id": "m1"}
    (finding,) = check([message])
    assert (finding.kind, finding.index) == ("refused_block", 0)
    assert repr(name) in finding.detail
    repaired = repair([message])
    assert repaired == [{"role": "user", "content": RULE, "id": "m1"}]
    assert check(repaired) == []


@pytest.mark.parametrize("empty", [None, "", []])
def test_a_text_beside_an_empty_content_is_read(empty):
    message = {"role": "user", "content": empty, "text": RULE}
    assert count_messages([message]) == count_messages([{"role": "user", "content": RULE}])
    assert repair([message]) == [{"role": "user", "content": RULE}]


def test_an_object_with_a_text_is_read_as_a_dict_is():
    @dataclass
    class Message:
        role: str
        text: str

    usual = [{"role": "user", "content": RULE}]
    assert count_messages([Message("user", RULE)]) == count_messages(usual)


def test_a_content_is_the_text_whatever_is_beside_it():
    message = {"role": "user", "content": "Hello.", "text": RULE}
    assert count_messages([message]) == count_messages([{"role": "user", "content": "Hello."}])
    assert repair([message])[0] is message


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "utterance": RULE},
        {"role": "user", "payload": {"words": RULE}},
        {"role": "user", "content": [{"type": "text", "words": RULE}]},
        {"role": "user", "content": [{"type": "text", "value": RULE}]},
        {"role": "tool", "tool_call_id": "c1", "answer": RULE},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "said": RULE}]},
    ],
)
def test_what_nobody_knows_counts_in_full_and_stays(message):
    usual = {"role": "user", "content": RULE}
    assert count_messages([message]) >= count_messages([usual])
    blocks = message.get("content", [{}])
    if message["role"] == "tool" or blocks[0].get("type") == "tool_result":
        return  # it answers no call, and leaves for that
    memory = Memory(400)
    memory.append(message)
    assert memory.window().tokens >= count_messages([usual]) - 3
    assert repair([message]) == [message]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user"},
        {"role": "user", "id": "m1", "created_at": "2026-01-01", "metadata": {"a": 1}},
    ],
)
def test_what_is_beside_a_text_is_none(message):
    assert count_messages([message]) == count_messages([{"role": "user", "content": ""}])
    assert repair([message]) == []


# The audit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ("text", "message", "value", "body"))
def test_the_audit_counts_a_text_under_another_name(name):
    given, usual = audit([{"messages": chat(name)}]), audit([{"messages": chat("content")}])
    assert given.totals == usual.totals
    lines, others = audit(chat(name)), audit(chat("content"))
    assert lines.totals == others.totals
    assert lines.totals["tokens"] > 100


@pytest.mark.parametrize(
    "message",
    [
        {"from": "human", "value": RULE},
        {"role": "user", "segments": [{"said": RULE}]},
        {"role": "user", "content": {"said": RULE}},
        {"role": "user", "content": 5},
    ],
)
def test_the_audit_says_which_messages_it_could_not_read(message, tmp_path, capsys):
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"messages": [message, {"role": "user", "content": "Hello."}]}))
    found = audit(str(path))
    assert found.read["skipped"] == {"messages of no known shape": 1}
    assert found.read["places"] == {"messages of no known shape": [f"{path}:1"]}
    assert main(["audit", str(path), "--fail-on", "unread>0"]) == 1
    assert "messages of no known shape" in capsys.readouterr().out


def test_the_audit_of_empty_messages_has_nothing_unread():
    found = audit([{"messages": [{"role": "user", "content": ""}, {"role": "assistant"}]}])
    assert found.read["skipped"] == {}


def test_a_finding_about_messages_without_a_text_has_a_place(tmp_path, capsys):
    blank = [{"role": side, "content": ""} for _ in range(400) for side in ("user", "assistant")]
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"messages": blank}))
    (finding,) = audit(str(path)).findings
    assert finding.kind == "growth"
    assert [place["place"] for place in finding.places] == [f"{path}:1"]
    assert main(["audit", str(path), "--html", str(tmp_path / "page.html")]) == 0
    assert f"at {path}:1" in capsys.readouterr().out.replace("\n", "")


def test_a_fault_of_the_audit_does_not_look_like_a_failed_gate(tmp_path, capsys, monkeypatch):
    def broken(self, call):
        raise KeyError("place")

    monkeypatch.setattr(Auditor, "add", broken)
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"messages": chat("content")}))
    assert main(["audit", str(path), "--fail-on", "tokens>1"]) == 3
    said = capsys.readouterr().err
    assert "KeyError: 'place'" in said
    assert said.endswith("ctxmem audit: this is a fault of ctxmem; please report it\n")
