"""How answers are judged: by what was expected, or by a judge."""

from __future__ import annotations

import pytest
from blame_records import ASK, EXPECTED, PARCEL, REFUND, hits, one, request

from ctxmem import blame
from ctxmem.blaming import prepare
from ctxmem.blaming.answers import contains, is_right
from ctxmem.blaming.expected import read_expected
from ctxmem.errors import InputError, InputTypeError


def test_a_judge_decides_and_finds_the_evidence():
    calls = []

    def judge(question, expected, answer):
        calls.append((expected, answer))
        return 1.0 if "thirty" in answer or "a month" in answer else 0

    found = blame([hits(REFUND, PARCEL)], model=lambda text: "a month", judge=judge)
    assert found.questions[0].fault == "none"
    assert found.plan.judge_calls >= len(calls) == 3  # two passages, one answer
    assert {expected for expected, _ in calls} == {None}
    found = blame([hits(REFUND, PARCEL)], model=lambda text: "no", judge=judge)
    assert found.questions[0].fault == "model"
    assert blame([hits(PARCEL)], model=lambda _: "no", judge=judge).questions[0].fault == (
        "retrieval"
    )


def test_a_judge_is_not_called_before_the_run():
    def judge(*_):
        raise AssertionError("called")

    assert prepare([hits(REFUND)], model=len, judge=judge).plan.judge_calls == 6


@pytest.mark.parametrize("answer", [7, "yes please", None])
def test_a_judge_that_says_nothing_usable_leaves_the_question_unknown(answer):
    found = blame([hits(REFUND)], model=lambda _: "no", judge=lambda *_: answer)
    assert found.questions[0].fault == "unknown" and "the judge" in found.questions[0].reason
    assert sum(found.asked["judge_failures"].values()) >= 2


def test_an_answer_such_as_yes_is_not_looked_for_in_passages():
    found = one([hits(REFUND)], lambda _: "no", {ASK: "yes"})
    assert found.fault == "unknown" and "too general" in found.reason


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"question": "How long do refunds take", "answers": ["thirty days", "30"]}\n'),
        ("a.json", '{"How long do refunds take?": "thirty days"}'),
        ("a.json", '[{"query": "how long do REFUNDS take", "ground_truth": "thirty days"}]'),
        ("a.csv", 'question,answer,evidence\n"How long do refunds take?",thirty days,\n'),
        ("a.json", '{"data": [{"id": "t-1", "expected_answer": "thirty days"}]}'),
    ],
)
def test_expected_answers_are_read_from_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_text("\ufeff" + text)
    found = one([hits(REFUND, trace_id="t-1")], lambda _: "It takes thirty days.", str(path))
    assert found.fault == "none"


def test_a_question_inside_a_message_is_found_by_the_expected_one():
    prompt = f"{PARCEL}\n\n{REFUND}\n\nHello! {ASK} Thanks, and have a good day."
    found = one([request(prompt)], lambda _: "no")
    assert found.question == ASK and found.fault == "model"


def test_evidence_may_be_named_by_the_ids_of_passages():
    rows = [{"question": ASK, "answer": "a month", "evidence_ids": [REFUND[:6]]}]
    assert one([hits(PARCEL, REFUND)], lambda _: "no", rows).fault == "model"
    assert one([hits(PARCEL)], lambda _: "no", rows).fault == "retrieval"


def test_what_is_not_matched_is_counted_and_told():
    other = hits(PARCEL, query="When are parcels sent back?")
    expected = {**EXPECTED, "Who may park here?": "nobody"}
    plan = prepare([hits(REFUND), other], model=len, expected=expected).plan
    assert plan.skipped == {"no expected answer was given for the question": 1}
    assert (plan.unmatched, plan.examples) == (1, ["Who may park here?"])
    assert "such as 'Who may park here?'" in str(plan)


def test_without_anything_to_compare_with_the_error_says_what_to_give():
    with pytest.raises(InputError, match=r"--expected FILE .*or --judge MODULE:FUNCTION"):
        blame([hits(REFUND)], model=len)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expected": {"Who?": "me"}}, "no recorded question is one of the 1 expected ones"),
        ({"expected": []}, "holds no entry"),
        ({"expected": [{"answer": "x"}]}, "neither a question nor an id"),
        ({"expected": [{"question": "x"}]}, "has no answer"),
        ({"expected": "nowhere.json"}, "cannot be read"),
        ({"repeat": 0}, "repeat is 0"),
        ({"max_calls": 1}, "one question takes up to 5 calls"),
        ({"match": "fuzzy"}, "expected one of auto"),
        ({"prices": -1}, "expected a number of at least 0"),
        ({"model": "no_such_module:f"}, "importing no_such_module raised"),
        ({"model": "json:no_such"}, "has no function no_such"),
        ({"model": "json"}, "expected MODULE:FUNCTION"),
        ({"judge": "json"}, "judge is 'json'"),
        ({"cache": __file__}, "a file; expected the path of a folder"),
    ],
)
def test_what_cannot_be_used_is_named(options, message):
    with pytest.raises(InputError, match=message):
        blame([hits(REFUND)], **{"model": lambda _: "x", "expected": EXPECTED, **options})


def test_a_model_that_is_none_is_a_type_error():
    with pytest.raises(InputTypeError, match="model is an int"):
        blame([hits(REFUND)], model=3, expected=EXPECTED)
    with pytest.raises(InputTypeError, match="expected is an int"):
        read_expected(3)


# Answers


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        ("Thirty days.", "thirty days", True),
        ("It takes the thirty days", "thirty days", True),
        ("130 days", "30 days", False),
        ("1,500 euros", "1500 euros", True),
        ("-5 degrees", "5 degrees", False),
        ("３０日です", "30日", True),
        ("45 days after the notice was sent", "30 days after the notice was sent", False),
        ("within 30 days after the notice was given", "30 days after the notice was sent", True),
        ("no", "yes", False),
        ("47 days", "It is 47 days", True),
        ("ninety days notice", "thirty days notice", False),
        ("It takes thirty days to be paid back", "Paid back within thirty days", True),
        ("The customer may not cancel in May", "The customer may cancel in May", False),
        ("The customer may cancel, for 5 euros", "The customer may cancel", True),
        ("?", "?", True),
    ],
)
def test_answers_are_compared_by_words(answer, expected, right):
    assert is_right(answer, [expected]) is right


def test_an_exact_match_is_stricter_than_a_contained_one():
    assert not is_right("It is Rome.", ["Rome"], match="exact")
    assert is_right("It is Rome.", ["Rome"], match="contained")
    assert not contains("Romeo", "Rome")
