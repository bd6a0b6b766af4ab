"""What looks like waste and is none: code, records, logs, lists and speech of one form."""

from __future__ import annotations

import json
import random

import pytest
from chats import say

import ctxmem
from ctxmem import audit

PAID = (
    "Refunds are paid within thirty days of purchase, to the card that was charged, less the fee."
)
SENT = "Parcels over twenty kilos are collected by a carrier on weekdays between eight and six."

LICENCE = """# Licensed to the Example Foundation under one or more contributor licence agreements.
# See the NOTICE file distributed with this work for more on who owns what of it.
# You may not use this file except in compliance with the licence.
import os
from collections.abc import Iterator, Mapping
"""
GET = """def get_{0}(self, {0}_id: int) -> {1}:
    row = self.session.execute(select({1}).where({1}.id == {0}_id)).one_or_none()
    if row is None:
        raise NotFound(f"no {0} has the id {{{0}_id}}")
    return {1}.from_row(row)"""
CLASS = """@dataclass(frozen=True)
class {0}Request:
    id: int
    account: str
    created_at: datetime
    updated_at: datetime"""
ROUTE = """  {0}:
    summary: Returns the {0} of an account
    operationId: get_{0}
    parameters: [account, page, limit]
    responses: ok, not found, forbidden"""
NAMES = ["order", "invoice", "parcel", "customer", "refund", "address"]

ALIKE = {
    "functions": [GET.format(name, name.title()) for name in NAMES],
    "files with one licence": [f"{LICENCE}\n{GET.format(n, n.title())}" for n in NAMES],
    "generated classes": [CLASS.format(name.title()) for name in NAMES],
    "entries of a specification": [ROUTE.format(name) for name in NAMES],
    "records": [
        json.dumps({"id": 1000 + i, "state": "sent", "carrier": "post", "parcels": 1, "to": "Oslo"})
        for i in range(6)
    ],
    "records on lines": [
        json.dumps({"id": 1000 + i, "state": "sent", "carrier": "post", "to": "Oslo"}, indent=1)
        for i in range(6)
    ],
    "rows": [f"{1000 + i},sent,post,1,express,Oslo,2024-05-0{i + 1},paid,EUR" for i in range(6)],
    "log lines": [
        f"2024-05-01T10:00:0{i}Z INFO http.server: GET /orders/{i} 200 in {12 + i} ms for client 7"
        for i in range(6)
    ],
}


@pytest.mark.parametrize("form", ALIKE)
@pytest.mark.parametrize("where", ["hits", "system", "user", "tools"])
def test_texts_of_one_form_are_no_versions_and_no_boilerplate(form, where):
    texts = ALIKE[form]
    if where == "hits":
        record = {"query": "q", "hits": [{"text": text} for text in texts]}
    elif where == "tools":
        messages = [say("user", "What is there?")]
        for i, text in enumerate(texts):
            messages += called(f"c{i}", {"name": NAMES[i]}, text)
        record = request(*messages)
    else:
        messages = [say(where, "\n\n".join([*texts, "Which of them is it?"]))]
        record = request(*messages, *([say("user", "q")] if where == "system" else []))
    found = audit([record])
    kinds = {finding.kind for finding in found.findings}
    # A licence that is sent six times is waste; that the functions below it are alike is none.
    assert kinds <= ({"boilerplate", "repeat_in_request"} if "licence" in form else set())
    texts = [text for finding in found.findings for text in finding.texts]
    assert all("icence" in text and "def " not in text for text in texts)


def request(*messages):
    return {"model": "gpt-4o", "messages": list(messages), "session_id": "s"}


def called(key, arguments, result, name="read"):
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": key, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": key, "content": result},
    ]


def test_the_same_function_with_another_limit_is_a_version():
    old = GET.format("order", "Order")
    new = old.replace("one_or_none()", "one_or_none(timeout=30)")
    (finding,) = audit([{"query": "q", "hits": [{"text": old}, {"text": new}]}]).findings
    assert finding.kind == "near_version"


def test_the_same_record_with_another_state_is_a_version():
    rows = [
        json.dumps({"id": 7, **dict.fromkeys("abcdefg", "post"), "state": state, "to": "Oslo"})
        for state in ("packed", "sent")
    ]
    (finding,) = audit([{"query": "q", "hits": [{"text": row} for row in rows]}]).findings
    assert finding.kind == "near_version"


def test_rules_of_one_list_are_no_versions():
    rules = [
        f"- If the flight is {what}, the agent may offer a voucher of {money} after the facts are "
        "confirmed, and never more than one for each passenger."
        for what, money in (("delayed", "$50"), ("cancelled", "$100"))
    ]
    messages = [say("system", "\n\n".join(rules)), say("user", "q")]
    assert audit([request(*messages)]).findings == []


def test_what_people_and_models_say_again_in_other_words_is_no_version():
    history = []
    for end in ("as soon as I have it.", "as soon as I can find it.", "when I have found it."):
        history.append(say("user", f"I'll look for my reservation and will come back {end}"))
        history.append(
            say("assistant", f"Take your time, I will be here and help you with it all {end}")
        )
    assert audit([request(*history)]).findings == []


def listing(functions, edits):
    """Return a file as a tool prints it, with numbers of lines."""
    rng = random.Random(edits)
    lines = []
    for i in functions:
        body = GET.format(f"thing{i}", f"Thing{i}").split("\n")
        if rng.random() < 0.2:
            body.insert(2, f"    log.debug({edits}, thing{i}_id)")
        lines += [*body, ""]
    return "\n".join(f"{number + 1:>5}\t{line}" for number, line in enumerate(lines))


@pytest.mark.parametrize("numbered", [False, True])
def test_a_file_that_is_read_eight_times_is_one_finding(numbered):
    history = [say("user", "Why does the lookup of thing 3 fail?")]
    for i in range(8):
        # What is inserted moves the numbers of the lines behind it: those are other lines.
        text = listing(range(12), i if i > 3 and not numbered else 0)
        if not numbered:
            text = "\n".join(line.partition("\t")[2] for line in text.split("\n"))
        history += called(f"c{i}", {"path": "src/things.py"}, text)
    found = audit([request(*history)])
    assert [finding.title for finding in found.findings] == [
        "read src/things.py: the same result again"
    ]
    (finding,) = found.findings
    assert finding.kind == "repeat_in_request"
    assert finding.extent == "in 1 of 1 request, 7 copies"


def test_a_file_that_is_read_again_in_a_transcript_is_one_finding_too():
    records = [turn(0, "user", "Why does the lookup of thing 3 fail?")]
    for i in range(8):
        use = {"type": "tool_use", "id": f"t{i}", "name": "Read", "input": {"file_path": "a.py"}}
        records.append(turn(2 * i + 1, "assistant", [use], id=f"m{i}"))
        result = {"type": "tool_result", "tool_use_id": f"t{i}", "content": listing(range(12), 0)}
        records.append(turn(2 * i + 2, "user", [result]))
    records.append(turn(99, "assistant", "It does not fail.", id="m99"))
    found = audit(records)
    repeats = [finding for finding in found.findings if finding.kind != "growth"]
    assert [finding.title for finding in repeats] == ["Read a.py: the same result again"]
    assert repeats[0].extent.startswith("in 7 of 9 requests")


def turn(number, role, content, **more):
    message = {"role": role, "content": content, **more}
    return {"type": role, "uuid": f"u{number}", "sessionId": "s", "message": message}


def test_parts_of_a_file_that_is_read_in_pieces_are_one_finding():
    whole = listing(range(40), 0).split("\n")
    history = [say("user", "Why does the lookup of thing 3 fail?")]
    for i in range(6):
        part = "\n".join(whole[20 * i : 20 * i + 80])
        history += called(f"c{i}", {"path": "src/things.py", "offset": 20 * i}, part)
    (finding,) = audit([request(*history)]).findings
    assert finding.title == "read src/things.py: mostly the same result again"


def test_counts_are_of_requests_and_of_copies():
    history, records = [say("system", "Answer.")], []
    for i in range(12):
        history = [*history, say("user", f"{PAID}\n\nQuestion {i}?")]
        records.append(request(*history))
        history = [*history, say("assistant", f"Answer {i}.")]
    (finding,) = [f for f in audit(records).findings if f.kind == "repeat_in_request"]
    assert (finding.requests, finding.of, finding.count) == (11, 12, 66)
    assert finding.extent == "in 11 of 12 requests, 66 copies"
    assert finding.to_dict()["extent"] == finding.extent


def test_a_history_that_is_summarised_once_breaks_nothing():
    text = " ".join(f"word{i}" for i in range(300))
    history, records = [say("system", f"{PAID} {text}")], []
    for i in range(24):
        if i == 12:
            history = [history[0], say("user", f"What happened so far: {SENT}"), *history[-6:]]
        history = [
            *history,
            say("user", f"Question {i}? " + " ".join(f"q{i}w{k}" for k in range(80))),
        ]
        records.append(request(*history))
        history = [*history, say("assistant", f"Answer {i}.")]
    assert audit(records).findings == []


def test_what_a_prompt_quotes_from_a_tool_is_no_overlap():
    history = [say("user", "Run it."), *called("c1", {"cmd": "ls"}, f"total 3\n{SENT}\ndone $")]
    history += called("c2", {"cmd": "pwd"}, f"{SENT} and then something else that is new here")
    assert {f.kind for f in audit([request(*history)]).findings} <= {"repeat_in_request"}
    assert ctxmem.dedup_messages(history).tokens_after > 0


def test_hits_of_two_retrievers_in_one_record_are_two_lists_of_one_request():
    records = []
    for i in range(12):
        hits = [
            {"text": f"{PAID} {name} {i} {k}", "score": top - k / 10, "retriever": name}
            for name, top in (("dense", 0.9), ("bm25", 18.0))
            for k in range(3)
        ]
        records.append({"query": f"question {i}?", "hits": hits})
    found = audit(records, near=False)
    assert found.totals["calls"] == 12
    # Scores of one list are not half of the best of another, but they cannot be compared.
    titles = [finding.title for finding in found.findings]
    assert "scores of 'bm25' and 'dense' are on different scales" in titles
    assert [f.tokens for f in found.findings if f.kind == "same_budget"] == [0, 0]


TASK = "Classify the sentiment of this review as positive, negative or neutral:"
REVIEWS = [
    "The parcel came a week late, the box was wet, and the shop did not answer for four days.",
    "A fine kettle, quiet and quick to boil; my sister bought the same one and likes hers too.",
    "It does what it says on the box, though the lead is so short that it has to be by the wall.",
    "The lid broke on the second day of use, and of the two spare ones that came neither fits.",
]


def test_examples_of_a_prompt_and_questions_from_a_template_are_no_boilerplate():
    shots = []
    for review in REVIEWS:
        shots += [say("user", f"{TASK}\n{review}"), say("assistant", "positive")]
    asked = [say("user", f"{TASK}\n{word} {REVIEWS[0]}") for word in ("First", "Then", "Last")]
    assert audit([request(*shots, one) for one in asked]).findings == []
    # Beside one another, in one message, they are passages that somebody put together.
    together = say("user", "\n\n".join(f"{TASK}\n{review}" for review in REVIEWS))
    assert audit([request(together)]).findings


def test_results_of_one_command_that_share_a_head_are_called_partly_the_same():
    head = "============ test session starts ============\nplatform linux, Python 3.11\n\n"
    history = [say("user", "Why does it fail?")]
    for i in range(2):
        lines = [f"tests/test_{name}_{i}.py::test_{i} FAILED in {i} s" for name in NAMES]
        history += called(f"c{i}", {"command": "pytest"}, head + "\n".join(lines), name="bash")
    (finding,) = audit([request(*history)]).findings
    assert finding.title == "bash pytest: partly the same result again"
    assert "2 of the 8 lines" in finding.detail
