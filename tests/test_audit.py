"""What an audit finds: everything that is planted, and nothing in what is clean."""

from __future__ import annotations

import ast
import json
import random
from collections import Counter

import pytest
from chats import say, words
from ctxmem.bench import traces

import ctxmem
import ctxmem.pricing
from ctxmem import BudgetError, InputError, InputTypeError, audit
from ctxmem.auditing import KINDS
from ctxmem.auditing.findings import FIXES

ONE = "A parcel that nobody takes in goes back to the shop after seven days at the latest."
TWO = "Whoever moves tells the post office two weeks ahead and leaves the new address."
THREE = "Stamps without a year stay valid for as long as the currency they were bought in."


def kinds(found):
    return {finding.kind for finding in found.findings}


def hits(*texts, query="q", **more):
    return {"query": query, "hits": [{"text": text} for text in texts], **more}


def request(*messages, **more):
    return {"model": "m", "messages": list(messages), "session_id": "s", **more}


# The planted corpus


@pytest.fixture(scope="module", params=[0, 1])
def planted(request):
    corpus = traces.planted(400, seed=request.param)
    return corpus, audit(corpus.records, budget=traces.BUDGET)


def test_what_is_planted_is_found(planted):
    corpus, found = planted
    missed = traces.missed(corpus, found)
    assert len(corpus.truth) >= 260
    assert len(missed) <= 0.01 * len(corpus.truth), missed


def test_nothing_is_found_in_clean_sessions(planted):
    assert traces.alarms(planted[1]) == []


def test_planted_sessions_have_what_was_planted_and_what_follows_from_it(planted):
    _, found = planted
    met = Counter(
        (place["session"].split("-")[0], finding.kind)
        for finding in found.findings
        for place in finding.places
    )
    follows = {("orphan", "unstable_prefix")}  # who takes a call out of the history breaks it
    expected = {
        *(("repeat", "repeat_in_request"), ("resent", "repeat_in_session")),
        *(("version", "near_version"), ("overlap", "overlap"), ("boilerplate", "boilerplate")),
        *(("growth", "growth"), ("clock", "unstable_prefix"), ("cut", "unstable_prefix")),
        *(("orphan", "broken_pair"), ("over", "over_budget")),
    }
    assert set(met) - follows == expected


def test_rankers_are_told_whose_scores_or_sizes_are_wrong():
    corpus = traces.ranked(40)
    found = audit(corpus.records)
    for plant in corpus.truth:
        assert any(f.kind == plant.kind and plant.text in f.title for f in found.findings), plant
    told = [f for f in found.findings if f.kind in ("miscalibrated", "same_budget")]
    assert not any("'clean'" in f.title for f in told)
    assert sum(f.kind == "same_budget" for f in told) == 1


def test_the_order_of_records_and_how_much_is_held_change_nothing():
    corpus = traces.planted(60)
    expected = audit(corpus.records, budget=traces.BUDGET).to_dict()
    backwards = audit(corpus.records[::-1], budget=traces.BUDGET).to_dict()
    assert backwards["totals"]["waste"] == expected["totals"]["waste"]
    shuffled = random.Random(0).sample(corpus.records, len(corpus.records))
    assert audit(shuffled, budget=traces.BUDGET).to_dict()["totals"] == expected["totals"]
    assert audit(corpus.records, budget=traces.BUDGET).to_dict() == expected
    streamed = audit(corpus.records, budget=traces.BUDGET, held=300_000).to_dict()
    assert streamed["totals"]["waste"] == expected["totals"]["waste"]


# One by one


def test_a_repeat_is_told_with_tokens_place_and_fix():
    found = audit([hits(ONE, TWO, ONE)], counter=words, prices=2.0)
    (finding,) = found.findings
    assert (finding.kind, finding.tokens, finding.count) == ("repeat_in_request", 17, 1)
    assert finding.money == 17 * 2.0 / 1e6
    assert finding.texts == [ONE]
    assert finding.places == [{"place": "record 1", "session": "record 1"}]
    assert "ctxmem.pack(" in finding.fix
    assert found.totals["repeated_share"] == 17 / found.totals["tokens"]


def test_a_trace_with_its_request_is_counted_once():
    run = {"trace_id": "t", "extra": {"metadata": {"thread_id": "s"}}}
    documents = [{"page_content": ONE, "id": "a"}, {"page_content": TWO, "id": "b"}]
    prompt = f"Use this:\n{ONE}\n{TWO}"
    records = [
        {**run, "id": "1", "run_type": "retriever", "inputs": {"query": "q"},
         "outputs": {"documents": documents}},
        {**run, "id": "2", "run_type": "llm", "outputs": {},
         "inputs": {"messages": [[say("system", prompt), say("user", "q")]]}},
    ]  # fmt: skip
    found = audit(records, counter=words)
    assert found.totals["calls"] == 1 and found.findings == []
    window = [say("system", prompt), say("user", "q")]
    assert found.totals["tokens"] == ctxmem.count_messages(window, words)
    labels = [segment["label"] for segment in found.windows[0]["segments"]]
    assert labels == ["", "a", "", "b", ""]  # found in the prompt, wherever it stands


def test_a_retriever_inside_a_retriever_is_counted_once():
    def retriever(span, parent):
        return {
            "context": {"trace_id": "t", "span_id": span},
            "parent_id": parent,
            "attributes": {
                "openinference.span.kind": "RETRIEVER",
                "retrieval.documents.0.document.content": ONE,
            },
        }

    between = {"context": {"trace_id": "t", "span_id": "b"}, "parent_id": "a", "attributes": {}}
    between["attributes"]["openinference.span.kind"] = "CHAIN"
    found = audit([retriever("c", "b"), between, retriever("a", None)])
    assert found.findings == [] and found.totals["calls"] == 1
    assert kinds(audit([retriever("c", "x"), retriever("a", None)])) == {"repeat_in_request"}


def test_the_session_of_any_span_is_that_of_its_trace():
    def spans(trace):
        yield {
            "context": {"trace_id": trace, "span_id": "1"},
            "attributes": {"gen_ai.operation.name": "retrieval",
                           "gen_ai.retrieval.documents": '[{"id": "faq#1"}]'},
        }  # fmt: skip
        yield {
            "context": {"trace_id": trace, "span_id": "2"},
            "attributes": {"gen_ai.operation.name": "invoke_workflow",
                           "gen_ai.conversation.id": "s"},
        }  # fmt: skip

    (finding,) = audit([*spans("a"), *spans("b")]).findings
    assert (finding.kind, finding.title, finding.tokens) == ("repeat_in_session", "faq#1", 0)
    assert "only its id is in the trace" in finding.detail


def test_what_stays_in_a_cached_beginning_is_not_sent_again():
    long = " ".join(f"word{i}" for i in range(1500))
    run = {"extra": {"metadata": {"thread_id": "s"}}}
    records = []
    for turn in range(2):
        prompt = [say("system", f"{long}\n\n{ONE}"), say("user", f"question {turn}")]
        records += [
            {**run, "id": f"{turn}a", "trace_id": f"t{turn}", "run_type": "retriever",
             "inputs": {"query": "q"}, "outputs": {"documents": [{"page_content": ONE}]}},
            {**run, "id": f"{turn}b", "trace_id": f"t{turn}", "run_type": "llm",
             "inputs": {"messages": [prompt]}, "outputs": {}},
        ]  # fmt: skip
    assert audit(records, counter=words).findings == []


def test_versions_say_what_differs_and_that_a_number_does():
    base = "The reminder of an unpaid bill costs {} euro and is sent after fourteen days at most."
    found = audit([hits(base.format(3), base.format(5))])
    (finding,) = found.findings
    assert finding.kind == "near_version"
    assert "'5 euro'" in finding.detail and "'3 euro'" in finding.detail
    assert "which one is valid" in finding.detail and len(finding.texts) == 2


def test_records_of_one_form_that_tools_return_are_no_versions():
    form = '{"order": %d, "state": "sent", "carrier": "post", "parcels": 1, "express": false}'
    history = [say("user", "Where are my orders?")]
    for i in range(3):
        function = {"name": "f", "arguments": f'{{"order": {i}}}'}
        call = {"id": f"c{i}", "type": "function", "function": function}
        history += [{"role": "assistant", "content": None, "tool_calls": [call]}]
        history += [{"role": "tool", "tool_call_id": f"c{i}", "content": form % (1000 + i)}]
    assert audit([request(*history)]).findings == []


def test_overlaps_are_told_with_what_is_shared():
    found = audit([hits(f"{ONE} {TWO}", f"{TWO} {THREE}")])
    (finding,) = found.findings
    assert finding.kind == "overlap" and finding.texts == [TWO]
    assert f"the last {len(TWO)} characters" in finding.detail
    inside = audit([hits(f"{ONE} {TWO} {THREE}", TWO)])
    assert "are in the second too" in inside.findings[0].detail


def test_logs_of_two_formats_are_no_one_conversation():
    chat = [{"role": "user", "content": "Where is parcel 4711?"}]
    chat += [{"role": "assistant", "content": "In Hamburg."}, {"role": "user", "content": "When?"}]
    logged = {"model": "gpt-4o", "messages": chat}
    trace = {"type": "generation", "model": "gpt-4o", "input": chat, "id": "g", "traceId": "t"}
    found = audit([logged, trace, logged], forgotten=True)
    assert (found.totals["calls"], found.forgotten["conversations"]) == (3, 2)


UNSPACED = {
    "Chinese": "退款政策：购买后三十天内可以退款，款项将退回到付款所用的卡上，请附上订单和收据。",
    "Japanese": "返金はご購入から三十日以内に、お支払いのカードへ行います。領収書も添えてください",
    "Thai": "การคืนเงินจะดำเนินการภายในสามสิบวันหลังจากการซื้อไปยังบัตรที่ใช้ชำระเงิน",
}


@pytest.mark.parametrize("language", UNSPACED)
def test_a_repeat_is_found_and_folded_where_no_spaces_part_words(language):
    text = UNSPACED[language]
    messages = [{"role": "user", "content": f"{text}\n\n{text}\n\nWhen?"}]
    (finding,) = audit([{"model": "gpt-4o", "messages": messages}]).findings
    assert finding.kind == "repeat_in_request" and finding.texts == [text]
    folded = ctxmem.dedup_messages(messages).messages
    assert folded[0]["content"].count(text) == 1


def test_counts_below_zero_are_no_usage():
    usage = {"prompt_tokens": -5, "prompt_tokens_details": {"cached_tokens": -7}}
    messages = [{"role": "user", "content": "When?"}]
    found = audit([{"model": "gpt-4o", "messages": messages, "usage": usage}], prices=3)
    assert found.totals["billed"]["calls"] == 0 and found.totals["money"]["by"] == "simulation"


def test_boilerplate_is_a_line_of_many_passages():
    passages = [
        f"Given without guarantee, see the terms of supply.\n{t}" for t in (ONE, TWO, THREE)
    ]
    passages.append("Given without guarantee, see the terms of supply.\nA fourth one, on its own.")
    (finding,) = audit([hits(*passages)], counter=words).findings
    assert finding.kind == "boilerplate" and finding.texts == [passages[0].split("\n")[0]]


@pytest.mark.parametrize(("rules", "costs"), [(100, False), (1500, True)])
def test_a_clock_in_the_beginning_is_named_as_what_breaks_the_prefix(rules, costs):
    said = f"{ONE} {TWO} {THREE}\n\n" + " ".join(f"rule{i}" for i in range(rules))
    found = audit(
        [request(say("system", f"Now 10:0{i}:30\n\n{said}"), say("user", "q")) for i in range(3)],
        counter=words,
        prices={"input": 3.0, "cache_read": 0.5},
    )
    (finding,) = found.findings
    assert finding.kind == "unstable_prefix" and finding.count == 2
    assert "a time or an id" in finding.detail
    lost = 2 * (rules + words(f"{ONE} {TWO} {THREE}") + 1)
    assert found.totals["stable_share"] == 0 and found.totals["lost_tokens"] == lost
    # What no provider caches costs nothing; what one would have costs what the cache saves.
    assert finding.tokens == (lost if costs else 0)
    assert finding.money == pytest.approx(finding.tokens * 2.5 / 1e6)
    assert found.totals["money"]["lost"] == finding.money
    assert ("it costs nothing yet" in finding.detail) != costs


@pytest.mark.parametrize("more", [{}, {"model": "gpt-4o"}, {"session_id": "s"}])
def test_a_clock_in_plain_lines_of_a_growing_chat_is_found_as_in_those_with_a_model(more):
    records, history = [], []
    for i in range(8):
        history = [*history, say("user", f"Question {i}: {THREE}")]
        clock = say("system", f"Now 10:0{i}:30\n\n" + "Answer by the manual. " * 500)
        records.append({**more, "messages": [clock, *history]})
        history = [*history, say("assistant", f"Answer {i}.")]
    found = audit(records, counter=words, prices=3.0)
    assert (found.totals["requests"], found.totals["sessions"]) == (8, 1)
    sent = sum(len(message["content"].split()) for r in records for message in r["messages"])
    assert found.totals["tokens"] - found.totals["parts"]["overhead"] == sent
    (finding,) = [one for one in found.findings if one.kind == "unstable_prefix"]
    assert finding.count == 7 and "a time or an id" in finding.detail


def test_questions_of_one_form_are_no_versions():
    asked = [f"Could you tell me what number {i} on my letter of last May means?" for i in range(3)]
    history = [say("system", ONE)]
    for text in asked:
        history += [say("user", text), say("assistant", "It is your contract's.")]
    assert audit([request(*history)]).findings == []
    assert audit(history).findings == []
    pasted = "\n\n".join([asked[0], asked[1], "Which of them holds?"])
    assert kinds(audit([request(say("user", pasted))])) == {"near_version"}


def test_a_file_read_anew_with_other_layout_is_a_version_that_memory_mends():
    read = " ".join(f"word{i}" for i in range(40))
    calls = [{"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}]
    turns = [say("user", "q")]
    for text in (read, read.replace("word7", "word7,")):
        turns += [{"role": "assistant", "content": None, "tool_calls": calls}]
        turns += [{"role": "tool", "tool_call_id": "c", "content": text}]
    (finding,) = [f for f in audit([request(*turns)]).findings if f.kind == "near_version"]
    assert "ctxmem.Memory" in finding.fix


def test_a_request_that_is_logged_when_it_starts_and_when_it_ends_is_one():
    started = request(say("system", ONE), say("user", TWO), id="r1")
    ended = started | {"usage": {"prompt_tokens": 40, "completion_tokens": 2}}
    found = audit([started, ended, started | {"id": "r2"}, ended | {"id": "r3"}])
    assert found.totals["calls"] == 3
    assert found.totals["billed"]["calls"] == 2
    # Two with usage were billed twice, whatever their ids.
    assert audit([ended, ended]).totals["calls"] == 2


def test_a_history_that_only_grows_keeps_its_prefix():
    history = [say("system", ONE)]
    records = []
    for i in range(4):
        history = [*history, say("user", f"question {i}?")]
        records.append(request(*history))
        history = [*history, say("assistant", f"answer {i}.")]
    found = audit(records)
    assert found.findings == [] and found.totals["stable_share"] > 0.6
    assert [row["lost"] for row in found.sessions[0]["rows"]] == [0, 0, 0, 0]


def test_two_agents_of_one_session_do_not_break_each_others_prefix():
    long = " ".join(f"rule{i}" for i in range(200))
    other = " ".join(f"law{i}" for i in range(200))
    records = [request(say("system", text), say("user", f"q{i}"))
               for i in range(3) for text in (long, other)]  # fmt: skip
    assert audit(records).findings == []


def test_chats_without_a_session_are_told_apart_by_their_first_question():
    def chat(question, *rest):
        return {"model": "m", "messages": [say("user", question), *rest]}

    found = audit(
        [chat("one?"), chat("two?"), chat("one?", say("assistant", "x"), say("user", "y"))]
    )
    assert found.totals["sessions"] == 2
    assert [len(session["rows"]) for session in found.sessions] == [2, 1]


def test_broken_pairs_are_those_of_check():
    orphan = {"role": "tool", "tool_call_id": "gone", "content": "42"}
    (finding,) = audit([request(say("user", "q"), orphan)]).findings
    assert finding.kind == "broken_pair" and "'gone'" in finding.detail
    assert finding.fix == "messages = ctxmem.repair(messages)"


def test_windows_over_the_budget_are_told():
    found = audit([hits(ONE, TWO)], counter=words, budget=20)
    (finding,) = found.findings
    assert (finding.kind, finding.tokens) == ("over_budget", words(ONE) + words(TWO) - 20)
    with pytest.raises(BudgetError):
        audit([], budget=0)


# Transcripts


def turn(role, content, **more):
    message = {"role": role, "content": content, **more.pop("message", {})}
    return {"type": role, "sessionId": "s", "message": message, **more}


def test_a_transcript_is_priced_by_how_often_it_was_sent():
    records = [turn("user", ONE)]
    records += [turn("user", ONE)]
    records += [turn("assistant", [{"type": "text", "text": text}], message={"id": i})
                for text, i in (("a", "m1"), ("b", "m1"), ("a", "m2"), ("a", "m3"))]  # fmt: skip
    found = audit(records, counter=words)
    (finding,) = found.findings
    assert found.totals["calls"] == 3  # one answer was told in two lines
    assert finding.kind == "repeat_in_request" and finding.tokens == 3 * words(ONE)
    assert [row["tokens"] for row in found.sessions[0]["rows"]] == [45, 51, 56]
    # 3 for the request, and for each message 3, its role and its words: 34, then 2 and 1.
    assert [row["stable"] for row in found.sessions[0]["rows"]] == [0, 45, 51]


def test_a_transcript_begins_anew_when_it_was_compacted():
    records = [turn("user", ONE), turn("assistant", "a", message={"id": "m1"})]
    records += [turn("user", ONE, isCompactSummary=True)]
    records += [turn("assistant", "b", message={"id": "m2"})]
    assert audit(records, counter=words).findings == []


def test_a_result_without_its_call_is_told_in_a_transcript_too():
    call = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
    other = {"type": "tool_use", "id": "c2", "name": "f", "input": {}}
    results = [{"type": "tool_result", "tool_use_id": key, "content": "ok"} for key in ("c1", "c2")]
    records = [turn("user", ONE)]
    # One answer in two lines, as it is told; its results are not misplaced by that.
    records += [turn("assistant", [block], message={"id": "m1"}) for block in (call, other)]
    records += [turn("user", [result]) for result in results]
    records += [turn("assistant", "done", message={"id": "m2"})]
    assert audit(records).findings == []
    (finding,) = audit([*records[:1], *records[2:]]).findings
    assert finding.kind == "broken_pair" and "'c1'" in finding.detail


# The gate, prices, replay


def test_conditions_are_read_and_hold_or_not():
    found = audit([hits(ONE, TWO, ONE)], counter=words)
    assert found.fails("dup_tokens>10%,over_budget>0") == ["dup_tokens>10%"]
    assert found.fails("dup_tokens<=17, calls==1, near_version>=1") == [
        "dup_tokens<=17",
        "calls==1",
    ]
    assert set(KINDS) <= set(found.metrics)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("dup_tokens", "'dup_tokens' is no condition; expected such as dup_tokens>10%"),
        ("dup>10%", "there is no metric 'dup'; there are: boilerplate, "),
        ("", "no condition given"),
        ("calls>1.2.3", "is no condition"),
    ],
)
def test_conditions_that_are_none_are_explained(conditions, message):
    with pytest.raises(InputError, match=message):
        audit([hits(ONE)]).fails(conditions)


def test_prices_may_be_those_of_a_provider():
    found = audit([hits(ONE, ONE)], counter=words, prices="anthropic")
    assert found.totals["money"]["input"] == ctxmem.pricing.PRICES["anthropic"].dollars
    assert found.findings[0].money == 17 * found.totals["money"]["input"] / 1e6


@pytest.mark.parametrize("prices", [-1, "three", {"output": 3}, {"input": float("nan")}, True])
def test_prices_that_are_none_are_explained(prices):
    with pytest.raises(InputError, match="price"):
        audit([], prices=prices)


def test_replay_packs_the_same_passages_into_less():
    found = audit([hits(ONE, TWO, ONE, query="parcel")], counter=words, replay=True)
    assert (found.replay["before"], found.replay["after"]) == (48, 31)
    assert found.replay["left_out"] == {"duplicate": 1}
    tight = audit([hits(ONE, TWO, THREE, query="parcel")], counter=words, replay=True, budget=20)
    assert tight.replay["after"] <= 20
    assert audit([hits(ONE)]).replay is None


def test_replay_trims_histories_that_are_over_the_budget():
    history = [say("user", f"{ONE} {i}") for i in range(20)]
    found = audit([request(*history)], replay=True, budget=200)
    assert found.replay["after"] <= 200 < found.replay["before"]


def test_sources_that_are_none_are_explained():
    with pytest.raises(InputTypeError, match="source is an int; expected a path"):
        audit(7)
    assert audit([]).totals["calls"] == 0
    assert audit(hits(ONE)).totals["calls"] == 1  # one record alone


def test_hostile_records_are_counted_and_the_rest_audited():
    nested = json.loads("[" * 900 + "]" * 900)
    records = [
        *(None, 3, [], {}, {"messages": [3, None, {}]}, {"run_type": 7, "inputs": nested}),
        {
            "model": "m",
            "messages": [{"role": 3, "content": {"a": nested}}, say("user", "\ud83d" * 9)],
        },
        {"model": "m", "messages": [{"role": "user", "content": [nested, {"type": "text"}]}]},
        {"query": "q", "hits": [{"text": "x\x00y" * 30, "score": float("nan")}] * 3},
        {"query": "q", "hits": [{"text": " " * 100_000}, {"text": "a" * 100_000, "score": 1e308}]},
        hits(ONE, ONE),
    ]
    found = audit(records, replay=True)
    assert "repeat_in_request" in kinds(found)
    json.dumps(found.to_dict())
    assert str(found)


def test_floods_are_bounded_in_time_and_memory():
    flood = "\n\n".join(["x"] * 300_000)
    records = [
        request(say("user", flood), say("user", flood)),
        {"query": "q", "hits": [{"text": ONE}] * 60_000},
        {"query": "q", "hits": [{"text": f"{TWO} {'a b ' * 400}{i}"} for i in range(200)]},
    ]
    found = audit(records, counter=words)
    assert found.read["skipped"] == {"of more than 50,000 messages or passages, read in part": 1}
    assert max(len(window["segments"]) for window in found.windows) <= 400
    assert found._repr_html_()


def test_a_window_of_pack_is_audited_as_it_stands():
    window = ctxmem.pack([ONE, TWO, ONE], 100, dedup=False)
    assert kinds(audit(window)) == {"repeat_in_request"}
    assert audit([ctxmem.pack([ONE, TWO, ONE], 100)]).findings == []


def test_the_plain_data_have_a_schema_version_and_every_kind():
    data = audit([hits(ONE, ONE)]).to_dict()
    assert data["schema_version"] == 2
    assert list(data["totals"]["waste"]) == list(data["totals"]["findings"]) == list(KINDS)
    assert data == json.loads(json.dumps(data))


@pytest.mark.parametrize("kind", KINDS)
def test_what_mends_it_is_a_line_of_python(kind):
    (statement,) = ast.parse(FIXES[kind]).body
    assert isinstance(statement, ast.Assign)


def test_an_audit_is_public():
    assert ctxmem.Audit.__module__ == "ctxmem.auditing" and callable(ctxmem.audit)


ODD = [
    *(None, True, -1, 1.5, float("nan"), 2**70, "", "[1]", '"', "\ud800", "\x00"),
    *([], [[]], [None], [1, "a"], {}, {"type": ["x"]}, [{"type": {}}], {"content": [[]]}),
]
"""Values where a format has others."""


def damaged(value, rng):
    """Return a record with some of its values gone and others in place of some."""
    if rng.random() < 0.04:
        return rng.choice(ODD)
    if isinstance(value, dict):
        return {key: damaged(one, rng) for key, one in value.items() if rng.random() > 0.02}
    return [damaged(one, rng) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(4))
def test_no_record_stops_an_audit(seed):
    rng = random.Random(seed)
    records = traces.planted(40, seed=seed).records
    records += [
        {"type": "user", "sessionId": "a", "message": say("user", [{"type": "tool_result"}])},
        {"type": "summary", "leafUuid": "x"},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": "a"}]}]}]}]},
    ] * 40
    records = [{"data": [damaged(record, rng)], "meta": {}} for record in records]
    found = audit(records, budget=200, prices=2.0, replay=True)
    assert json.loads(json.dumps(found.to_dict()))["totals"]["calls"] > 0
    assert str(found) and found._repr_html_()


def test_a_chat_without_a_word_is_audited():
    chat = [say("user", None), {"role": "assistant", "content": "", "tool_calls": "x"}]
    assert audit(chat).totals["calls"] == 1


# Transcripts


def line(number, role, content, *, session="s", answer=None):
    message = {"role": role, "content": content}
    if answer is not None:
        message |= {"id": answer, "model": "m", "usage": {"input_tokens": 90, "output_tokens": 5}}
    return {
        "type": role,
        "uuid": f"{role}{number}",
        "sessionId": session,
        "timestamp": f"2026-01-01T00:{number:02d}:00Z",
        "message": message,
    }


def chat(first, last, session="s"):
    made = []
    for number in range(first, last):
        made.append(line(2 * number, "user", f"Question {number}? {ONE}", session=session))
        said = f"Answer {number}. {TWO}"
        made.append(line(2 * number + 1, "assistant", said, session=session, answer=f"m{number}"))
    return made


def test_lines_that_are_there_twice_are_counted_once():
    once = audit(chat(0, 3), counter=words)
    twice = audit(chat(0, 3) * 2, counter=words)
    assert twice.totals == once.totals
    assert [one.to_dict() for one in twice.findings] == [one.to_dict() for one in once.findings]
    assert (once.read["copies"], twice.read["copies"]) == (0, 6)
    assert "6 lines had been read before" in str(twice)


def test_a_resumed_session_adds_its_own_calls_with_the_history_that_they_were_sent():
    whole = audit(chat(0, 5), counter=words)
    copied = [{**record, "sessionId": "t"} for record in chat(0, 3)]
    resumed = audit([*chat(0, 3), *copied, *chat(3, 5, "t")], counter=words)
    assert resumed.totals["calls"] == whole.totals["calls"] == 5
    assert resumed.totals["tokens"] == whole.totals["tokens"]
    assert resumed.totals["billed"] == whole.totals["billed"]
    assert resumed.read["copies"] == 6


def test_a_transcript_that_grows_from_nothing_is_drawn(tmp_path):
    records = []
    for number in range(10):
        call = {"type": "tool_use", "id": f"t{number}", "name": "Read", "input": {"n": number}}
        result = " ".join(f"word{number}_{k}" for k in range(250))
        answer = {"type": "tool_result", "tool_use_id": f"t{number}", "content": result}
        records.append(line(2 * number, "assistant", [call], answer=f"m{number}"))
        records.append(line(2 * number + 1, "user", [answer]))
    found = audit(records)
    assert kinds(found) == {"growth"}
    assert "at record 1, session s" in str(found)
    assert "growth" in found.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
