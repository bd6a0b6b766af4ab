"""What was at fault in a recorded question: known faults are named, and nothing is made up."""

from __future__ import annotations

import json
import random
import time

import pytest
from blame_records import ASK, EXPECTED, OLD, PARCEL, REFUND, STAMP, Asked, hits, last, one, request
from call_counts import calls_of
from ctxmem.bench import blame as bench
from ctxmem.bench import blame_questions as made

from ctxmem import blame
from ctxmem.blaming import prepare
from ctxmem.blaming.addresses import AddressModel
from ctxmem.blaming.blocks import blocks_of
from ctxmem.blaming.evidence import ABSENT, NOT_SENT, PRESENT, UNKNOWN, Evidence
from ctxmem.blaming.locating import question_of
from ctxmem.blaming.verdicts import decide

# Known habits


@pytest.mark.parametrize(("count", "seed"), [(60, 0), (40, 7)])
def test_every_fault_of_a_model_of_known_habits_is_named(count, seed):
    asked = made.questions(count, seed)
    found = blame(
        made.records(asked), model=made.Stub(asked), expected=made.expected(asked), max_calls=None
    )
    wrong = bench.named_wrong(found, asked)
    assert len(wrong) <= 0.05 * len(asked), wrong[:3]
    assert {one.shape for one in asked} == set(made.SHAPES)
    known = {one.text for one in asked if one.known == "right"}
    assert known == {one.question for one in found.questions if one.needs_context is False}
    true = bench.Counter(map(made.fault, asked))
    assert found.training["could_help"] == found.faults["model"]["count"]
    assert abs(found.training["could_help"] - true["model"]) <= 0.05 * len(asked)


@pytest.mark.slow(60)
def test_faults_are_named_and_intervals_hold_over_samples():
    found = bench.samples(10, 120)
    assert found["named_right"] >= 0.95
    assert found["held"] >= 0.85  # 95 % of 40 intervals, less three standard deviations


def test_a_server_of_our_own_is_asked_in_parallel():
    found = bench.server_run(24)
    assert found["named_right"] >= 0.95 and found["calls"] > 60


def test_a_random_model_is_not_blamed_on_the_context_alone():
    # Answers drawn anew: no window is better than another, and the intervals say so.
    draw = random.Random(3)
    asked = made.questions(30, 1)
    found = blame(
        made.records(asked),
        model=lambda _: draw.choice(["20 days", "no"]),
        expected=[{"question": one.text, "answer": "20 days"} for one in asked],
        max_calls=None,
        repeat=3,
    )
    low, high = found.windows["packed"]["against_sent"]["interval"]
    assert low < 0 < high


# One question of each kind


def test_a_repeated_older_version_is_a_fault_of_the_context():
    def by_count(text):
        return "ninety days" if text.count("ninety") > text.count("thirty") else "thirty days"

    found = one([hits(OLD, OLD, OLD, REFUND)], by_count)
    assert (found.fault, found.step) == ("context", "repeats")
    assert found.right["sent"] is False and found.right["evidence"] is True


def test_wrong_with_the_evidence_alone_is_a_fault_of_the_model():
    found = one([hits(REFUND, PARCEL)], lambda _: "seven weeks")
    assert (found.fault, found.reason) == ("model", "wrong with the evidence alone")


def test_evidence_that_was_never_retrieved_is_a_fault_of_the_retriever():
    found = one([hits(PARCEL, STAMP)], lambda _: "I cannot say.")
    assert found.fault == "retrieval"
    assert "no passage has the words of the expected answer" in found.reason


def test_evidence_that_is_given_and_missing_is_asked_alone_too():
    rows = [{"question": ASK, "answer": "thirty days", "evidence": REFUND}]
    reads = Asked(lambda text: "thirty days" if "thirty" in text else "unknown")
    found = one([hits(PARCEL)], reads, rows)
    assert found.fault == "retrieval" and "right with the evidence alone" in found.reason
    assert any(REFUND in last(messages) and PARCEL not in last(messages)
               for messages in reads.requests)  # fmt: skip
    result = blame([hits(PARCEL)], model=lambda _: "seven", expected=rows)
    assert result.training["retriever_and_model"] == 1
    assert "they need both" in str(result).replace("\n  ", " ")


def test_right_without_context_is_a_flag_and_no_fault():
    found = one([hits(REFUND)], lambda _: "thirty days")
    assert (found.fault, found.needs_context) == ("none", False)
    assert one([hits(REFUND)], lambda text: "no" if REFUND not in text else REFUND).needs_context


def test_passages_that_mislead_a_model_that_knows_are_a_fault_of_the_context():
    def knows(text):
        return "seven days" if "seven" in text else "thirty days"

    found = one([hits(PARCEL, STAMP)], knows)
    assert (found.fault, found.step) == ("context", "misled")


def test_passages_that_were_retrieved_and_left_out_are_an_omission():
    trace = {"trace_id": "t", "span_id": "1"}
    retrieved = {
        "openinference.span.kind": "RETRIEVER",
        "input.value": ASK,
        "retrieval.documents.0.document.content": PARCEL,
        "retrieval.documents.1.document.content": REFUND,
    }
    sent = {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": f"{PARCEL}\n\nQuestion: {ASK}",
    }
    spans = [
        {"name": "r", "context": trace, "attributes": retrieved, "start_time": 1},
        {"name": "m", "context": {**trace, "span_id": "2"}, "attributes": sent, "start_time": 2},
    ]

    found = one(spans, lambda text: "thirty days" if text.startswith(REFUND) else "?")
    assert found.evidence == "retrieved, not sent"
    assert found.right["packed"] is False  # what was retrieved is packed, and is not first
    assert (found.fault, found.step) == ("context", "omission")


def test_the_first_line_that_holds_decides():
    present, absent = Evidence(PRESENT, "given", [0]), Evidence(ABSENT, "given")
    no = dict.fromkeys(("sent", "unrepeated", "packed", "evidence", "none"), False)

    def fault(right, evidence=present, packed=True):
        found = decide({**no, **right}, evidence, packed, {})
        return found.fault, found.step

    assert fault({"sent": True}) == ("none", "")
    assert fault({"unrepeated": True, "packed": True}) == ("context", "repeats")
    assert fault({"packed": True}) == ("context", "packing")
    assert fault({"packed": True}, absent) == ("context", "packing")
    assert fault({}) == ("model", "")
    assert fault({"none": True}) == ("model", "")
    assert fault({"evidence": True}) == ("context", "distraction")
    assert fault({"evidence": True}, packed=False) == ("context", "packing lost it")
    assert fault({"evidence": True}, Evidence(NOT_SENT, "")) == ("context", "omission")
    assert fault({}, absent) == ("retrieval", "")
    assert fault({"none": True}, absent) == ("context", "misled")
    assert fault({}, Evidence(UNKNOWN, "")) == ("unknown", "")
    assert fault({"sent": None}) == ("unknown", "")
    assert fault({"evidence": None}) == ("unknown", "")


# What is asked


def test_steps_of_an_agent_and_copies_are_one_question():
    first = [{"role": "user", "content": ASK}]
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    second = [
        *first,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": REFUND},
    ]
    records = [
        {"model": "m", "messages": messages, "trace_id": "t"} for messages in (first, second)
    ]
    found = blame([*records, records[1]], model=lambda _: "thirty days", expected=EXPECTED)
    assert len(found.questions) == 1 and found.questions[0].tokens["sent"] > 20
    assert found.plan.skipped == {
        "the same request was recorded before": 1,
        "an earlier step of a question that was asked again with more": 1,
    }


def test_steps_without_a_trace_are_one_question_as_long_as_the_user_says_nothing():
    def step(*results, asked=ASK):
        messages = [{"role": "user", "content": asked}]
        for i, result in enumerate(results):
            call = {"id": str(i), "type": "function", "function": {"name": "f", "arguments": "{}"}}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": str(i), "content": result})
        return {"model": "m", "messages": messages, "session_id": "s"}

    records = [step(), step(PARCEL), step(STAMP, REFUND)]  # the last history was trimmed
    found = blame(records, model=lambda _: "no", expected=EXPECTED)
    assert [one.place for one in found.questions] == ["record 3"]
    again = [request(f"{text}\n\nQuestion: {ASK}", session_id="s") for text in (PARCEL, REFUND)]
    assert len(blame(again, model=lambda _: "no", expected=EXPECTED).questions) == 2


def test_a_chat_that_was_logged_message_by_message_is_asked_where_the_user_asked():
    other = "When are parcels sent back?"
    chat = [
        {"role": "user", "content": f"{REFUND}\n\n{ASK}"},
        {"role": "assistant", "content": "thirty days"},
        {"role": "user", "content": other},
        {"role": "assistant", "content": "after seven days"},
    ]
    model = Asked(lambda _: "no")
    found = blame(chat[:1] + chat[1:], model=model,
                  expected={ASK: "thirty days", other: "seven days"})  # fmt: skip
    assert [one.question for one in found.questions] == [ASK, other]
    assert [len(messages) for messages in model.requests][:1] == [1]


def test_windows_that_are_the_same_text_are_asked_once():
    model = Asked(lambda _: "no")
    found = blame([hits(REFUND)], model=model, expected=EXPECTED)
    assert len(model.requests) == found.asked["calls"] == 2  # with and without the only passage


def test_more_questions_than_calls_are_sampled_with_the_seed_and_said_so():
    asked = made.questions(16, 2)
    records, expected = made.records(asked), made.expected(asked)

    def sample(seed):
        model = made.Stub(asked)
        found = blame(records, model=model, expected=expected, max_calls=40, seed=seed)
        assert model.calls == found.plan.calls <= 40
        return found

    first, again, other = sample(1), sample(1), sample(2)
    names = [[one.question for one in found.questions] for found in (first, again, other)]
    assert names[0] == names[1] != names[2]
    assert f"{len(names[0])} of 16 questions are asked, drawn with seed 1" in str(first.plan)


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    asked = made.questions(12, 3)
    records, expected = made.records(asked), made.expected(asked)
    stub = made.Stub(asked)

    class Stops:
        def __call__(self, messages):
            if stub.calls == 20:
                raise KeyboardInterrupt
            return stub(messages)

    stops = Stops()
    options = {"expected": expected, "cache": tmp_path / "kept", "max_calls": None}
    with pytest.raises(KeyboardInterrupt):
        blame(records, model=stops, **options)
    total = prepare(records, model=made.Stub(asked), expected=expected, max_calls=None).plan.calls
    plan = prepare(records, model=stops, **options).plan
    assert (plan.calls, plan.cached) == (total - 20, 20)
    stub.calls = 100
    found = blame(records, model=stops, **options)
    assert found.asked["calls"] == total - 20 and not bench.named_wrong(found, asked)


def test_a_run_that_was_bounded_is_the_same_when_it_is_printed_again(tmp_path):
    records = [hits(REFUND, f"Number {i} is open.", query=f"{ASK} {i}") for i in range(20)]
    expected = {f"{ASK} {i}": "thirty days" for i in range(20)}
    options = {"expected": expected, "max_calls": 20, "cache": tmp_path / "kept"}
    asked = []

    def answer(messages):
        asked.append(1)
        return "no"

    first = blame(records, model=answer, **options)
    calls = len(asked)
    again = blame(records, model=answer, **options)
    assert 10 < calls <= 20 and len(asked) == calls
    assert again.questions == first.questions and len(first.questions) < 20
    assert again.asked["cached"] == calls


def test_damaged_files_of_the_cache_are_asked_again_and_counted(tmp_path):
    cache = tmp_path / "kept"
    model = Asked(lambda _: "thirty days")
    options = {"expected": EXPECTED, "model": model, "cache": cache}
    blame([hits(REFUND)], **options)
    files = sorted(cache.rglob("*.json"))
    files[0].write_text(files[0].read_text().replace("thirty", "ninety"))
    files[1].write_text("{")
    found = blame([hits(REFUND)], **options)
    assert (found.asked["calls"], found.asked["damaged_in_cache"]) == (2, 2)
    assert found.questions[0].fault == "none" and len(model.requests) == 4
    assert "2 files of the cache damaged" in str(found)


def test_answers_can_be_read_by_their_owner_only(tmp_path):
    blame([hits(REFUND)], model=lambda _: "no", expected=EXPECTED, cache=tmp_path / "kept")
    files = list((tmp_path / "kept").rglob("*.json"))
    assert files and all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert (tmp_path / "kept" / ".gitignore").read_text() == "*\n"
    assert not list((tmp_path / "kept").rglob("*.part"))


def test_a_function_that_raises_costs_one_question():
    def raises(messages):
        if "parcels" in last(messages).partition("Question:")[2]:
            raise RuntimeError("too long")
        return "thirty days"

    records = [hits(REFUND), hits(PARCEL, query="When are parcels sent back?")]
    expected = {**EXPECTED, "When are parcels sent back?": "after seven days"}
    found = blame(records, model=raises, expected=expected)
    assert [one.fault for one in found.questions] == ["none", "unknown"]
    assert found.asked["failures"] == {"the model function raised RuntimeError: too long": 2}
    assert "RuntimeError: too long" in found.questions[1].reason


def test_repetitions_vote_and_a_tie_decides_nothing():
    answers = iter(["thirty days", "no", "thirty days", "no", "no", "no"])
    found = one([hits(REFUND)], lambda _: next(answers), repeat=3)
    assert found.fault == "none" and found.shares == pytest.approx(
        {"sent": 2 / 3, "unrepeated": 2 / 3, "packed": 2 / 3, "evidence": 2 / 3, "none": 0.0}
    )
    answers = iter(["thirty days", "no", "no", "no"])
    found = one([hits(REFUND)], lambda _: next(answers), repeat=2)
    assert found.fault == "unknown" and "repeat more often" in found.reason


def test_empty_answers_are_wrong_and_counted():
    found = blame([hits(REFUND)], model=lambda _: " ", expected=EXPECTED)
    assert found.questions[0].fault == "model" and found.asked["empty"] == 2  # requests


@pytest.mark.parametrize("text", ["Größe 名前 \ud800 \0 \x1b[2J", "x" * 200_000 + "\n\n" + REFUND])
def test_odd_and_huge_passages_are_asked(text):
    found = blame([hits(text, REFUND)], model=lambda _: "no", expected=EXPECTED)
    assert found.questions[0].fault == "model"
    assert "\x1b" not in str(found)
    json.dumps(found.to_dict())


def test_a_question_without_passages_has_two_windows():
    found = one([request(ASK)], lambda _: "no")
    assert found.fault == "unknown" and "no passage was found in the request" in found.reason
    assert set(found.tokens) == {"sent", "unrepeated", "none"}


def test_a_passage_about_something_else_is_no_evidence_though_it_has_the_answer():
    model = Asked(lambda _: "no")
    deposit = "A deposit for a key card is returned within thirty days of moving out."
    ask = "How long do refunds to a card take?"
    one([hits(deposit, REFUND, query=ask)], model, {ask: "thirty days"})
    alone = last(model.requests[2])
    assert REFUND in alone and deposit not in alone


def test_a_passage_that_may_be_about_something_else_leaves_the_question_unknown():
    ask = "How long is the notice period of the Arven contract?"
    expected = {ask: "47 days"}
    other = hits("The notice period of the Corrig contract is 47 days.", query=ask)
    found = one([other], lambda _: "no", expected)
    assert found.fault == "unknown" and "does not name what the question is about" in found.reason
    fact = hits("The notice period of the Arven contract is 47 days.", query=ask)
    assert one([fact], lambda _: "no", expected).fault == "model"
    split = hits("For Arven, the contract has a 47-day notice period.", query=ask)
    assert one([split], lambda _: "no", expected).fault == "model"


def test_a_long_answer_is_found_by_most_of_its_words():
    long = {ASK: "Refunds are paid to the same card within thirty days of the day of purchase."}
    assert one([hits(PARCEL, REFUND)], lambda _: "no", long).fault == "model"
    assert one([hits(PARCEL)], lambda _: "no", long).fault == "unknown"


def test_rules_that_most_requests_have_are_no_passages():
    rule = "Never invent numbers, names or dates."
    names = ["rent", "fees", "keys", "pets", "bins"]
    records = [
        request(f"What about {name}?", f"You help.\n\nAll about {name} is in part two.\n\n{rule}")
        for name in names
    ]
    model = Asked(lambda _: "no")
    blame(records, model=model, expected={f"What about {name}?": "part six" for name in names})
    bare = [
        messages[0]["content"] for messages in model.requests if len(messages[0]["content"]) < 70
    ]
    assert len(bare) == 5 and all(rule in text and "part two" not in text for text in bare)


# What it says


def test_the_report_says_what_fine_tuning_could_and_could_not_help():
    asked = made.questions(30, 6)
    found = blame(made.records(asked), model=made.Stub(asked), expected=made.expected(asked))
    text = " ".join(str(found).split())
    count = found.faults["model"]["count"]
    assert f"Fine-tuning could help at most {count} of 30 questions" in text
    for fault, what in (("context", "window"), ("retrieval", "retriever")):
        count = found.faults[fault]["count"]
        assert f"{count} {'needs' if count == 1 else 'need'} a better {what}" in text
    data = found.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert sum(row["count"] for row in data["faults"].values()) == 30


def test_the_page_shows_texts_and_runs_none_of_them(tmp_path):
    evil = "<script>alert(1)</script> thirty days"
    found = blame([hits(REFUND, evil)], model=lambda _: evil[:20], expected=EXPECTED, prices=3)
    page = found.to_html(tmp_path / "blame.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    assert "Is it the model or the context?" in page
    assert found._repr_html_().startswith('<div class="ctxmem">')


def test_the_plan_counts_tokens_and_money():
    asked = made.questions(10, 1)
    plan = prepare(
        made.records(asked),
        model=AddressModel("http://localhost:1/v1", model="x", max_tokens=100),
        expected=made.expected(asked),
        prices={"input": 2.0, "output": 8.0},
        repeat=2,
    ).plan
    assert plan.output_tokens == 100 * plan.calls
    assert plan.dollars == pytest.approx((2 * plan.input_tokens + 8 * plan.output_tokens) / 1e6)
    assert plan.calls % 2 == 0 and plan.questions == 10


# Hostile texts


HOSTILE = [
    *(" ", "\n", "\n ", "<document>", "</document><document>", "question: ", "- ", "[1] a\n"),
    *('"[{', "a, ", "-----\n", "[[", "Context:\n"),
]


def cut(part, count):
    text = part * count + "?"
    blocks_of(text)
    question_of([{"role": "user", "content": text}], None)


@pytest.mark.parametrize("part", HOSTILE)
def test_the_work_to_cut_a_text_grows_with_its_length(part):
    cut(part, 10)  # what is compiled, is compiled once
    assert calls_of(lambda: cut(part, 8_000)) <= 9 * calls_of(lambda: cut(part, 1_000))


@pytest.mark.perf  # what a regular expression does is no call
@pytest.mark.parametrize("part", HOSTILE)
def test_the_time_to_cut_a_text_grows_with_its_length(part):
    cut(part, 2_000)
    started = time.process_time()
    cut(part, 200_000 // len(part))
    assert time.process_time() - started < 2.0  # quadratic time would take minutes
