"""What a finding says is to be done is done, line by line: then the finding is gone."""

from __future__ import annotations

import ast
import random
from collections import Counter

import pytest
from chats import say
from ctxmem.bench import traces
from fuzz_size import some

import ctxmem
from ctxmem import audit
from ctxmem.auditing import KINDS

PAID = (
    "Refunds are paid within thirty days of purchase, to the card that was charged, less the fee."
)
SENT = "Parcels over twenty kilos are collected by a carrier on weekdays between eight and six."
MOVED = "Whoever moves gives the post office the new address two weeks ahead, in writing, for free."
STAMP = "Stamps without a year stay valid for as long as the currency that they were bought in."


def run(finding, **names):
    """Run the line of a finding with the names that it uses; return what it assigned."""
    (statement,) = ast.parse(finding.fix).body
    assert isinstance(statement, ast.Assign)
    space = {"ctxmem": ctxmem, **names}
    exec(finding.fix, space)
    return space[statement.targets[0].id]


def request(*messages, session="s"):
    return {"model": "gpt-4o", "messages": list(messages), "session_id": session}


def retrieved(*texts, query="q", session="s", **more):
    return {"query": query, "hits": [{"text": t} for t in texts], "session_id": session, **more}


def prompt(window, question="When are refunds paid?"):
    return request(say("system", f"Answer.\n\n{window.text}"), say("user", question))


def only(found, kind):
    """Return the one finding of a kind, and check that it is the only one of all kinds."""
    (finding,) = found.findings
    assert finding.kind == kind
    assert finding.advice[0].isupper() and finding.advice.endswith(".")
    return finding


def kinds(records, **options):
    return Counter(finding.kind for finding in audit(records, **options).findings)


# One by one


def test_hits_that_repeat_are_packed():
    hits = [PAID, SENT, PAID]
    finding = only(audit([retrieved(*hits)]), "repeat_in_request")
    assert finding.advice.startswith("Pack the hits before you send them")
    window = run(finding, hits=hits, question="When are refunds paid?")
    assert kinds(window) == {} and PAID in window.text and SENT in window.text


@pytest.mark.parametrize(
    "text",
    [
        f"Context:\n\n{PAID}\n\n{SENT}\n\n{PAID}\n\nWhen are refunds paid?",
        f"Context:\nSource: a.rst\n{PAID}\n\n---\n\nSource: b.rst\n{SENT}\n\n---\n\n"
        f"Source: a.rst\n{PAID}\n\nQuestion: When?",
        f"Document 1:\n{PAID}\n\nDocument 2:\n{SENT}\n\nDocument 3:\n{PAID}\nQuestion: When?",
        f'<doc id="7">\n{PAID}\n</doc>\n\n{SENT}\n\n<doc id="9">\n{PAID}\n</doc>',
        f"[1] {PAID}\n\n[2] {SENT}\n\n[3] {PAID}\n\nWhen are refunds paid?",
        f"Document 1: {PAID}\r\n\r\nDocument 2: {SENT}\r\n \r\nDocument 3: {PAID} [faq.md]\r\n",
        f'<doc id="7">{PAID}</doc>\n\n{SENT}\n\n<doc id="9" by="b">{PAID}</doc>\n\nWhen?',
        f"{PAID}\n\n{SENT}\n\n- Source: b.md: {PAID} (2024)",
        f"[1] Refunds\n{PAID}\n\n[2] Parcels\n{SENT}\n\n{PAID}\nSo when are refunds of gifts paid?",
    ],
)
def test_passages_that_repeat_in_a_prompt_are_folded_whatever_their_labels(text):
    messages = [say("user", text)]
    finding = only(audit([request(*messages)]), "repeat_in_request")
    assert finding.extent == "in 1 of 1 request, 1 copy"
    folded = run(finding, messages=messages)
    assert kinds([request(*folded)]) == {}
    assert str(folded).count("to the card that was charged") == 1
    assert audit([request(*folded)]).totals["tokens"] < audit([request(*messages)]).totals["tokens"]


def test_passages_of_an_earlier_turn_that_are_retrieved_again_are_folded():
    history = [say("user", f"{PAID}\n\nWhen?"), say("assistant", "Soon.")]
    history.append(say("user", f"Now by the rules:\n{PAID} {SENT}\n\nHow heavy?"))
    run_of = {"trace_id": "t", "extra": {"metadata": {"thread_id": "s"}}}
    documents = [{"page_content": text, "id": text[:4]} for text in (PAID, SENT)]

    def records(messages):
        return [
            {**run_of, "id": "1", "run_type": "retriever", "inputs": {"query": "q"},
             "outputs": {"documents": documents}},
            {**run_of, "id": "2", "run_type": "llm", "outputs": {},
             "inputs": {"messages": [messages]}},
        ]  # fmt: skip

    finding = only(audit(records(history)), "repeat_in_request")
    folded = run(finding, messages=history, hits=[PAID, SENT])
    assert kinds(records(folded)) == {}


def test_what_the_model_said_again_is_folded():
    answer = say("assistant", f"{PAID} {SENT} {MOVED}")
    history = [say("user", "a?"), answer, say("user", "b?"), answer, say("user", "c?")]
    finding = only(audit([request(*history)]), "repeat_in_request")
    assert kinds([request(*run(finding, messages=history))]) == {}


def called(key, path, result, name="read_file"):
    arguments = f'{{"path": "{path}"}}'
    call = {"id": key, "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": key, "content": result},
    ]


def source(functions):
    return "\n\n".join(
        f"def step_{i}(order, invoice):\n    total = order.total(invoice.currency, {i})\n"
        f"    return ship(order, invoice, total, priority={i})"
        for i in functions
    )


def script(edits):
    """Return a file without blank lines, edited in some places."""
    lines = [f"value_{i} = compute(value_{i - 1}, factor={i}, unit='EUR')" for i in range(120)]
    for k in range(edits):
        lines[16 * k + 7] = f"changed_{k} = {edits}"
    return "\n".join(lines)


@pytest.mark.parametrize("text", [lambda i: source([*range(12), 90 + i]), script])
def test_a_file_that_is_read_eight_times_is_one_finding_and_folded(text):
    history = [say("user", "Why does step 3 fail?")]
    for i in range(8):
        # The file is edited in between, so some of it is new each time.
        history += called(f"c{i}", "src/steps.py", text(i))
    finding = only(audit([request(*history)]), "repeat_in_request")
    assert finding.title == "read_file src/steps.py: mostly the same result again"
    assert finding.extent == "in 1 of 1 request, 7 copies"
    folded = run(finding, messages=history)
    assert kinds([request(*folded)]) == {} and ctxmem.check(folded) == []


def test_a_passage_that_is_retrieved_again_stays_in_the_cached_beginning():
    first, second = [MOVED, PAID, SENT], [STAMP, PAID]
    records = [retrieved(*first), retrieved(*second)]
    finding = only(audit(records), "repeat_in_session")
    last_window = ctxmem.pack(first, budget=4000, query="q")
    names = {"earlier_hits": first, "hits": second, "last_window": last_window}
    window = run(finding, question="q", **names)
    prompts = [prompt(last_window), prompt(window)]
    left = audit(prompts)
    assert left.findings == [] and PAID in window.text
    assert window.text.startswith(PAID) == last_window.text.startswith(PAID)


def test_versions_of_which_one_holds_are_left_out_by_what_only_they_say():
    old, new = (PAID.replace("thirty", number) for number in ("thirty", "sixty"))
    finding = only(audit([retrieved(old, SENT, new)]), "near_version")
    assert "Find out which of the two texts is valid" in finding.advice
    hits = run(finding, hits=[{"text": text} for text in (old, SENT, new)])
    assert kinds([retrieved(*(hit["text"] for hit in hits))]) == {}
    assert finding.texts[0] not in str(hits) and finding.texts[1] in str(hits)


def test_versions_that_differ_in_layout_are_packed():
    hits = [f"{PAID} {SENT}", SENT + "\n" + PAID.replace(", ", " ,  ")]
    hits = [hits[0], hits[0].replace(", ", " , ").replace(". ", ".\n")]
    finding = only(audit([retrieved(*hits)]), "near_version")
    assert kinds(run(finding, hits=hits, question="refunds")) == {}


def test_a_file_in_another_layout_leaves_the_memory():
    history = [say("user", "What is in it?")]
    words = [f"word{i}" for i in range(900)]
    history += called("c1", "a.txt", " ".join(words))
    history += called("c2", "b.txt", " , ".join(words))
    history += [say("assistant", "Nothing."), say("user", "Sure?")]
    finding = only(audit([request(*history)]), "near_version")
    memory = run(finding)
    for message in history:
        memory.append(message)
    assert kinds([request(*memory.window().messages)]) == {}


def test_overlaps_are_shown_once_where_places_are_given():
    document = f"{PAID} {SENT} {MOVED}"
    middle = document.index(MOVED)
    cuts = [(document[:middle], "a.md", 0, middle)]
    start = document.index(SENT)
    cuts.append((document[start:], "a.md", start, len(document)))
    finding = only(audit([retrieved(*(text for text, *_ in cuts))]), "overlap")
    window = run(finding, cuts=cuts, question="refunds")
    assert kinds(window) == {} and window.text.count(SENT) == 1


def test_boilerplate_is_taken_out_of_the_texts():
    line = "Given without guarantee, see the terms of supply."
    texts = [f"{line}\n{text}" for text in (PAID, SENT, MOVED, STAMP)]
    finding = only(audit([retrieved(*texts)]), "boilerplate")
    cleaned = [run(finding, text=text) for text in texts]
    assert kinds([retrieved(*cleaned)]) == {} and PAID in cleaned[0]


def chats(turns, words=250):
    history = [say("system", PAID)]
    for i in range(turns):
        history.append(say("user", f"Question {i}? " + " ".join(f"a{i}b{k}" for k in range(words))))
        yield list(history)
        history.append(say("assistant", f"Answer {i}."))


def test_a_history_that_grows_is_kept_in_a_memory():
    requests = list(chats(12))
    finding = only(audit([request(*one) for one in requests]), "growth")
    memory = run(finding)
    windows, appended = [], 0
    for messages in requests:
        for message in messages[appended:]:
            memory.append(message)
        appended = len(messages)
        windows.append(request(*memory.window().messages))
    assert kinds(windows) == {}  # an edit now and then breaks the cache on purpose


def test_what_changes_goes_behind_the_history():
    rules = " ".join(f"rule{i}" for i in range(1500))
    questions = ["One?", "Two?", "Three?"]

    def system(i):
        return say("system", f"It is 10:0{i}:30.\n\n{PAID}\n\n{rules}")

    records = [request(system(i), say("user", text)) for i, text in enumerate(questions)]
    finding = only(audit(records), "unstable_prefix")
    assert "a time or an id" in finding.detail
    made = [
        run(
            finding,
            instructions=[say("system", f"{PAID}\n\n{rules}")],
            history=[],
            what_changes=[say("user", f"It is 10:0{i}:30.\n\n{text}")],
        )
        for i, text in enumerate(questions)
    ]
    assert kinds([request(*messages) for messages in made]) == {}


def test_a_passage_that_was_put_in_front_goes_behind():
    requests = list(chats(4, 400))
    changed = [
        [one[0], say("user", f"Note {i}: {SENT}"), *one[1:]] for i, one in enumerate(requests)
    ]
    finding = only(audit([request(*one) for one in changed]), "unstable_prefix")
    made = [
        run(finding, instructions=one[:1], history=one[2:], what_changes=one[1:2])
        for one in changed
    ]
    assert audit([request(*one) for one in made]).totals["lost_tokens"] == 0


def test_a_history_that_is_cut_every_time_is_cut_in_steps():
    whole = list(chats(24, 150))
    cut = [[one[0], *one[max(1, len(one) - 11) :]] for one in whole]
    finding = only(audit([request(*one) for one in cut]), "unstable_prefix")
    assert finding.title.startswith("the history is cut at its beginning: ")
    made = [run(finding, messages=one) for one in whole]
    assert kinds([request(*one) for one in made]) == {}
    assert max(map(ctxmem.count_messages, made)) <= 2 * max(map(ctxmem.count_messages, cut))


def test_broken_pairs_are_repaired():
    history = [say("user", "q"), {"role": "tool", "tool_call_id": "gone", "content": "42"}]
    finding = only(audit([request(*history)]), "broken_pair")
    assert kinds([request(*run(finding, messages=history))]) == {}


def test_histories_over_the_budget_are_trimmed():
    history = list(chats(9, 100))[-1]
    finding = only(audit([request(*history)], budget=1500), "over_budget")
    assert "1500" in finding.fix
    assert kinds([request(*run(finding, messages=history))], budget=1500) == {}


def test_hits_over_the_budget_are_packed():
    hits = [f"{text} {i}" for i in range(9) for text in (PAID, SENT, MOVED, STAMP)]
    texts = [" ".join(random.Random(i).sample(text.split(), 12)) for i, text in enumerate(hits)]
    found = audit([retrieved(*texts)], budget=200)
    finding = next(one for one in found.findings if one.kind == "over_budget")
    window = run(finding, hits=texts, question="refunds")
    assert kinds(window, budget=200)["over_budget"] == 0


def test_a_message_that_is_over_the_budget_alone_is_packed():
    text = "\n\n".join(" ".join(f"w{i}x{k}" for k in range(20)) for i in range(60))
    finding = only(audit([request(say("user", text))], budget=1500), "over_budget")
    packed = run(finding, text=text, question="w7x7")
    assert kinds([request(say("user", packed))], budget=1500) == {}


def passages(rng, count):
    """Return passages of made-up words, none like another."""
    return [
        " ".join(
            "".join(rng.choices("abdefgiklmnoprstu", k=rng.randrange(3, 9))) for _ in range(40)
        )
        for _ in range(count)
    ]


def test_ranks_have_no_scales():
    rng = random.Random(2)
    lists = []
    for number in range(8):
        for name, level, step in (("words", 20, -1), ("vectors", 0.9, -0.1), ("far", 0.1, 0.1)):
            scores = [level + step * i for i in range(4)]
            texts = passages(rng, 4)
            lists.append((f"question {number}", name, texts, scores))

    def records(scored):
        for query, name, texts, scores in lists:
            rows = [{"text": t, "score": s} for t, s in zip(texts, scores, strict=True)]
            yield {"query": query, "list": name, "trace": query, "hits": rows if scored else texts}

    found = audit(list(records(True)))
    findings = [finding for finding in found.findings if finding.kind == "miscalibrated"]
    assert any("rise" in finding.title for finding in findings)
    ranked = []
    for query, name, texts, _ in lists:
        hits = run(findings[0], ranked=texts, name=name)
        assert [(hit.list, hit.rank) for hit in hits] == [(name, i) for i in range(4)]
        rows = [{"text": hit.text, "rank": hit.rank} for hit in hits]
        ranked.append({"query": query, "list": name, "hits": rows})
    assert kinds(ranked)["miscalibrated"] == 0


def test_a_budget_that_follows_the_question_gives_each_as_much_as_it_needs():
    rng = random.Random(1)
    lists = []
    for i in range(24):
        texts = passages(rng, 8)
        rows = [{"text": text} for text in texts]
        # Some questions are answered by one passage, others by several.
        query = " ".join(" ".join(text.split()[:6]) for text in texts[: 1 + i % 4])
        lists.append({"query": query, "hits": rows, "list": "dense"})
    finding = only(audit(lists), "same_budget")
    made = []
    for one in lists:
        window = run(finding, hits=one["hits"], question=one["query"])
        made.append({**one, "hits": [{"text": piece.text} for piece in window.pieces]})
    assert len({len(one["hits"]) for one in made}) > 1
    assert kinds(made)["same_budget"] == 0


# Planted sessions


def remade(kind, finding, steps):
    """Return the steps of a planted session with the line of a finding run on each."""
    made, earlier, window = [], [], None
    for step in steps:
        hits = [hit.text for of in step.lists.values() for hit in of]
        names = {"hits": hits, "messages": step.messages, "question": step.query}
        names |= {"earlier_hits": list(earlier), "last_window": window}
        if kind == "boilerplate":
            window = ctxmem.pack([run(finding, text=text) for text in hits], 6000)
        elif kind == "version":
            # Each finding has its own phrase; the other passages stay.
            window = ctxmem.pack(run(finding, **names), 6000)
        elif kind == "overlap":
            window = run(finding, **names, cuts=placed(hits))
        elif kind == "over":
            text = step.messages[-1]["content"]
            packed = run(finding, **names, text=text)
            made.append(traces.Step(step.query, {}, [say("user", packed)]))
            continue
        elif finding.fix.startswith("window"):
            window = run(finding, **names)
        else:
            made.append(traces.Step(step.query, step.lists, run(finding, **names)))
            continue
        earlier += hits
        messages = prompt(window, step.query)["messages"]
        made.append(traces.Step(step.query, {"dense": shown(window)}, messages))
    return made


def shown(window):
    return [traces.Hit(f"h{i}", piece.text, None) for i, piece in enumerate(window.pieces)]


def placed(hits):
    """Return passages with their places in documents of which neighbours share their ends."""
    cuts = []
    for text in hits:
        for other, document, start, _ in list(cuts):
            shared = next((n for n in range(200, 59, -1) if other[-n:] == text[:n]), 0)
            if shared:
                begin = start + len(other) - shared
                cuts.append((text, document, begin, begin + len(text)))
                break
        else:
            cuts.append((text, f"d{len(cuts)}.md", 0, len(text)))
    return cuts


@pytest.mark.parametrize(
    "seed", [0, 7, *(pytest.param(i, marks=pytest.mark.slow) for i in range(8, 8 + some(32)))]
)
@pytest.mark.parametrize(
    "kind", ["repeat", "resent", "version", "overlap", "boilerplate", "orphan", "over"]
)
def test_what_is_planted_is_gone_after_its_own_line(kind, seed):
    rng = random.Random(seed)
    steps, truth = traces.PLANTS[kind](traces.Prose(rng, 200, seed), rng, f"{kind}-0")
    wanted = truth[0].kind
    found = audit(list(written(kind, steps)), budget=traces.BUDGET)
    findings = [finding for finding in found.findings if finding.kind == wanted]
    assert findings
    for finding in findings:
        steps = remade(kind, finding, steps)
    assert kinds(list(written(kind, steps)), budget=traces.BUDGET)[wanted] == 0


def written(kind, steps):
    write = traces.langsmith if steps[0].lists else traces.openai
    return write(f"{kind}-0", steps)


def test_every_kind_has_a_line_that_was_run_here():
    text = open(__file__, encoding="utf-8").read()  # noqa: SIM115
    for kind in KINDS:
        assert f'"{kind}"' in text, kind
