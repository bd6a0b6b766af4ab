"""`assemble`: one budget for tools, history, memory, passages and code."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctxmem
from ctxmem import Budget, BudgetError, Chunk, InputError, InputTypeError, Memory, Section

QUESTION = "What is the weather in Oslo tomorrow?"


def tool(name: str, description: str, **fields: str) -> dict:
    properties = {
        field: {"type": "string", "description": about} for field, about in fields.items()
    }
    parameters = {"type": "object", "properties": properties, "required": list(fields)}
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS = [
    tool(
        "get_weather",
        "Get the weather forecast of a city. The forecast has temperature, rain and wind.",
        city="the name of the city whose weather is wanted, such as Oslo",
    ),
    *(
        tool(
            f"ledger_{verb}",
            f"{verb.capitalize()} an entry of the ledger. Entries are numbered from one on and are "
            "kept for ten years, as the law wants it.",
            entry="the number of the entry in the ledger, as the list of entries shows it",
        )
        for verb in ("add", "close", "export", "audit", "lock", "merge", "print", "sign")
    ),
]


def chat(turns: int, words: int = 30) -> list[dict]:
    made = []
    for i in range(turns):
        text = " ".join(f"word{i}x{j}" for j in range(words))
        made.append({"role": "user", "content": f"Question {i}: {text}?"})
        made.append({"role": "assistant", "content": f"Answer {i}: {text}."})
    return made


def counted(request) -> int:
    """Count what is sent by the public counter alone."""
    messages = list(request.messages)
    if request.system is not None:
        messages.insert(0, {"role": "system", "content": request.system})
    return ctxmem.count_messages(messages, tools=request.tools or None, provider=request.provider)


def forms(request, part: str) -> dict[str, str]:
    return {d.key: d.form for d in request.decisions if d.part == part}


def text_of(request) -> str:
    return json.dumps([request.system, request.messages, request.tools], ensure_ascii=False)


# By hand ------------------------------------------------------------------------------------------


def test_everything_is_sent_in_full_where_it_fits():
    request = ctxmem.assemble(
        QUESTION,
        4000,
        system="Be brief.",
        rules=["Never guess."],
        tools=TOOLS,
        history=chat(2),
        passages=["Oslo is in Norway."],
    )
    assert [message["role"] for message in request.messages] == [
        *("system", "system", "user", "assistant", "user", "assistant", "user")
    ]
    assert request.messages[0]["content"] == "Be brief."
    assert request.messages[1]["content"] == "Never guess."
    assert request.messages[2:6] == chat(2)
    assert request.messages[-1]["content"] == f"Oslo is in Norway.\n\n{QUESTION}"
    assert request.tools == sorted(TOOLS, key=lambda one: one["function"]["name"])
    assert {d.form for d in request.decisions} == {"full"}
    assert request.volatile_from == 6
    assert request.status == "optimal" and request.gap == 0
    assert not any(request.prices.values())
    assert request.tokens == counted(request) == sum(request.parts.values())


def test_the_one_tool_that_is_needed_is_in_full_and_the_others_can_be_found():
    request = ctxmem.assemble(QUESTION, 230, system="Be brief.", tools=TOOLS)
    names = [one["function"]["name"] for one in request.tools]
    assert names[0] == "get_weather" and names[-1] == "find_tool"
    assert request.tools[0] == TOOLS[0]
    assert forms(request, "tools")["get_weather"] == "full"
    assert forms(request, "tools")["ledger_add"] in ("deferred", "omitted")
    assert request.prices["tools"] > 0
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "find_tool", "arguments": '{"query": "ledger_add"}'},
    }
    answer = request.answer(call)
    assert answer["role"] == "tool" and answer["tool_call_id"] == "c1"
    assert "ledger_add" in answer["content"] and "the number of the entry" in answer["content"]


def test_tools_that_the_history_calls_are_sent_in_full():
    call = {"id": "c1", "type": "function", "function": {"name": "ledger_lock", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "Lock it."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "assistant", "content": "It is locked."},
    ]
    request = ctxmem.assemble(QUESTION, 420, tools=TOOLS, history=history)
    assert forms(request, "tools")["ledger_lock"] == "full"
    assert next(d.reason for d in request.decisions if d.key == "ledger_lock") == (
        "the history calls it"
    )


def test_a_history_that_does_not_fit_keeps_its_end_and_says_what_is_left_out():
    history = chat(20)
    request = ctxmem.assemble("And now?", 1200, history=history)
    kept = forms(request, "history")
    assert kept["39"] == kept["38"] == "full" and kept["0"] == "omitted"
    assert request.messages[0]["content"].startswith("[memory] Earlier messages")
    assert request.messages[-1] == {"role": "user", "content": "And now?"}
    assert 1100 < request.tokens <= 1200
    assert ctxmem.check(request.messages, provider="openai") == []


def test_a_relevant_old_message_is_sent_or_recalled_and_others_are_not():
    history = chat(20)
    history[6] = {"role": "user", "content": "The access code of the archive in Turku is 7731."}
    request = ctxmem.assemble("Which access code has the archive in Turku?", 700, history=history)
    assert "7731" in text_of(request)
    assert "word12x1 " not in text_of(request)


def test_what_binds_stays_where_its_message_is_left_out():
    history = chat(20)
    history[2] = {
        "role": "user",
        "content": "Never delete a file without asking me first. " + " ".join(["Thanks."] * 120),
    }
    request = ctxmem.assemble("Tidy up now.", 900, history=history)
    assert forms(request, "history")["2"] == "indexed"
    assert "Never delete a file without asking me first." in text_of(request)


CROWD = [
    tool(f"desk_{i}", f"Get weather forecast {i} of a city.", city="the name of the city")
    for i in range(40)
]


@pytest.mark.parametrize("budget", [1000, 2000, 4000])
@pytest.mark.parametrize("kind", ["history", "memory"])
def test_rules_said_early_are_in_every_request_however_much_else_competes(budget, kind):
    things = "tables lists emojis slang jokes rhymes quotes dashes acronyms headings".split()
    rules = [f"From now on, never use {thing} in your answers." for thing in things]
    said = [{"role": "user", "content": rule} for rule in rules]
    weather = {"role": "user", "content": "The weather in Oslo tomorrow matters. " * 4}
    history = [*said, {"role": "assistant", "content": "Fine."}, *chat(100), *[weather] * 20]
    given = {"history": history}
    if kind == "memory":
        memory = Memory(budget)
        memory.append(history)
        given = {"memory": memory}
    request = ctxmem.assemble(
        QUESTION,
        budget,
        tools=CROWD,
        passages=[f"{QUESTION} In Oslo the weather of day {i} is fine." for i in range(60)],
        **given,
    )
    sent = "\n".join(message["content"] for message in request.messages)
    assert [thing for thing in things if f"never use {thing}" not in sent] == []
    assert request.tokens == counted(request) <= budget


def test_rules_give_way_where_they_do_not_fit_beside_what_is_required():
    history = [
        {"role": "user", "content": f"Never use word {i} in your answers."} for i in range(60)
    ]
    last = {"role": "user", "content": "Why? " * 150}
    least = ctxmem.assemble(None, 4000, history=[last]).tokens
    for budget in (least + 40, least + 80):  # a third of the room is more than that
        request = ctxmem.assemble(None, budget, history=[*history, last])
        assert request.messages[-1]["content"].endswith(last["content"])
        assert request.tokens == counted(request) <= budget


@pytest.mark.parametrize("budget", [300, 800, 2000, 4000])
@pytest.mark.parametrize("kind", ["history", "memory"])
def test_a_rule_said_early_is_in_requests_of_every_size(budget, kind):
    rule = "From now on always answer in French, and never mention Zorblatt by name."
    history = [
        {"role": "user", "content": rule},
        {"role": "assistant", "content": "D'accord."},
        *chat(40),
    ]
    given = {"history": history}
    if kind == "memory":
        given = {"memory": Memory(4000)}
        given["memory"].append(history)
    request = ctxmem.assemble("Which museum has clocks?", budget, system="You guide.", **given)
    assert counted(request) <= budget
    assert "always answer in French" in str(request.messages)
    assert "never mention Zorblatt" in str(request.messages)


def test_statements_that_do_not_fit_leave_room_for_the_question():
    history = [
        {"role": "user", "content": f"Always file the reports of branch {i} under B-{i}."}
        for i in range(200)
    ]
    request = ctxmem.assemble("What is due?", 200, history=history, passages=["Rent is due."])
    assert counted(request) <= 200
    assert "Always file the reports of branch 199 under B-199." in str(request.messages)


def test_long_results_are_cut_before_messages_are_left_out():
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    result = "\n".join(f"line {i} of the log of the pump" for i in range(400))
    history = [
        {"role": "user", "content": "Read the log."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": result},
        {"role": "assistant", "content": "The pump runs."},
    ]
    request = ctxmem.assemble("Is the pump fine?", 500, history=history)
    assert forms(request, "history") == {"0": "full", "1-2": "shortened", "3": "full"}
    assert "characters were left out" in text_of(request)


def test_sections_limit_parts_and_their_price_is_that_of_the_part():
    limits = [Section("history", max=300), Section("tools", max=250)]  # about half of each
    question = "Sign, lock and merge the entry of the ledger, then print and close it."
    free = ctxmem.assemble(question, 2000, tools=TOOLS, history=chat(20))
    held = ctxmem.assemble(question, 2000, tools=TOOLS, history=chat(20), sections=limits)
    assert free.parts["history"] > 300 and free.parts["tools"] > 250
    assert 200 < held.parts["history"] <= 300 and held.parts["tools"] <= 250
    assert held.prices["history"] > 0 and held.prices["tools"] > 0


def test_a_minimum_gives_a_part_tokens_that_it_would_not_get():
    passages = [f"Note {i} says that sample {i} was green." for i in range(60)]
    free = ctxmem.assemble(QUESTION, 900, history=chat(20), passages=passages)
    held = ctxmem.assemble(
        QUESTION, 900, history=chat(20), passages=passages, sections=[Section("passages", min=600)]
    )
    assert free.parts["passages"] < 500 and held.parts["passages"] >= 600


def test_prices_say_what_more_tokens_bring():
    history = chat(30)
    requests = [ctxmem.assemble("And now?", budget, history=history) for budget in (1000, 1400)]
    gain = (requests[1].value - requests[0].value) / 4
    assert requests[0].prices["history"] >= requests[1].prices["history"] > 0
    # A price holds at the margin: 400 more tokens bring less for each than the first.
    assert 0.2 * requests[0].prices["history"] < gain <= requests[0].prices["history"] * 1.05


def test_an_easy_question_gets_a_small_request():
    passages = [f"Log {i}: the pump of hall {i} was checked by team {i % 7}." for i in range(80)]
    question = "When was the archive in Turku opened?"
    passages[40] = "The archive in Turku was opened on 3 May 1987."
    whole = ctxmem.assemble(question, 1500, passages=passages, tools=TOOLS)
    small = ctxmem.assemble(question, Budget(1500, auto=True), passages=passages, tools=TOOLS)
    assert "3 May 1987" in text_of(small)
    assert small.tokens < whole.tokens / 2 and small.stopped_early


def test_the_question_is_not_repeated_where_the_history_ends_with_it():
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    history = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    for question in (QUESTION, None):
        request = ctxmem.assemble(question, 1000, tools=TOOLS, history=history)
        assert request.messages == history


def test_a_call_that_waits_for_its_result_stays_last():
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    waiting = {"role": "assistant", "content": None, "tool_calls": [call]}
    history = [*chat(20), {"role": "user", "content": QUESTION}, waiting]
    request = ctxmem.assemble(None, 500, tools=TOOLS, history=history, passages=["Oslo is wet."])
    assert request.messages[-1] == waiting
    assert {"role": "user", "content": QUESTION} in request.messages


@pytest.mark.parametrize("budget", [500, 3000])
def test_a_call_is_closed_where_a_question_comes_before_its_result(budget):
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    waiting = {"role": "assistant", "content": None, "tool_calls": [call]}
    history = [*chat(20), {"role": "user", "content": QUESTION}, waiting]
    request = ctxmem.assemble("Forget it. What is due?", budget, tools=TOOLS, history=history)
    assert [] == ctxmem.check(request.messages, provider="openai")
    assert "Forget it. What is due?" in request.messages[-1]["content"]
    if waiting in request.messages:
        after = request.messages[request.messages.index(waiting) + 1]
        assert ("tool", "c1") == (after["role"], after["tool_call_id"])


def test_memory_gives_history_and_recalls():
    memory = Memory(4000)
    memory.append(chat(3))
    request = ctxmem.assemble("And now?", 2000, memory=memory)
    assert request.messages[:-1] == chat(3)
    other = Memory(4000)
    other.append({"role": "user", "content": "The access code of the archive is 7731."})
    question = "What is the access code of the archive?"
    request = ctxmem.assemble(question, 2000, memory=other, history=chat(2))
    assert "7731" in request.messages[-1]["content"] and request.parts["memory"] > 0


def test_memory_as_texts_is_a_part_with_a_heading():
    request = ctxmem.assemble(
        "When does the shop open?",
        300,
        memory=["user: the shop opens at nine"],
        passages=["The shop sells shoes."],
    )
    text = request.messages[-1]["content"]
    assert text.startswith("[memory] From earlier in this conversation:\n\nuser: the shop opens")
    assert "Passages:\n\nThe shop sells shoes." in text
    assert request.parts["memory"] > 0 and request.parts["passages"] > 0


def test_code_chunks_are_a_part():
    code = [Chunk("def area(r):\n    return 3.14 * r * r", source="shapes.py:1-2")]
    request = ctxmem.assemble("How is the area computed?", 200, code=code)
    assert "return 3.14" in request.messages[-1]["content"] and request.parts["code"] > 0


@pytest.mark.parametrize(
    ("provider", "field"),
    [("openai", "function"), ("responses", "parameters"), ("anthropic", "input_schema")],
)
def test_tools_have_the_shape_of_the_provider(provider, field):
    request = ctxmem.assemble(QUESTION, 1500, system="Be brief.", tools=TOOLS, provider=provider)
    assert all(field in one for one in request.tools)
    body = request.body()
    assert body["input" if provider == "responses" else "messages"] == request.messages
    assert ("system" in body) == (provider == "anthropic")


def test_breakpoints_are_set_where_the_price_table_has_marks():
    history = chat(30, words=60)
    given = {"system": "Be brief.", "history": history, "provider": "anthropic"}
    request = ctxmem.assemble("And now?", 20_000, **given)
    assert request.breakpoints == (request.volatile_from - 1,)
    last = request.messages[request.breakpoints[0]]["content"][-1]
    assert last["cache_control"] == {"type": "ephemeral"}
    assert request.system[-1]["cache_control"] == {"type": "ephemeral"}
    plain = ctxmem.assemble("And now?", 20_000, **given, prices="openai")
    assert plain.breakpoints == () and "cache_control" not in text_of(plain)


def test_a_request_has_a_report_a_page_and_plain_data(tmp_path):
    request = ctxmem.assemble(QUESTION, 400, tools=TOOLS, history=chat(4))
    assert "tool definitions" in request.explain()
    assert request.to_html(tmp_path / "request.html").read_text("utf-8").startswith("<!doctype")
    assert json.loads(json.dumps(request.to_dict()))["tokens"] == request.tokens


# Failures -----------------------------------------------------------------------------------------


def test_what_is_required_and_does_not_fit_is_named():
    with pytest.raises(BudgetError, match=r"system: 108, question: 12") as caught:
        ctxmem.assemble(QUESTION, 60, system="very " * 103, history=chat(3), tools=TOOLS)
    assert list(caught.value.pinned) == ["system", "question"]
    with pytest.raises(BudgetError, match="pinned"):
        ctxmem.assemble(QUESTION, 60, passages=[Chunk("long " * 100, id="a", pinned=True)])


def test_an_overfull_input_never_raises():
    request = ctxmem.assemble(
        QUESTION, 40, history=chat(30), tools=TOOLS, passages=["Oslo is far in the north."] * 9
    )
    assert request.tokens <= 40 and QUESTION in request.messages[-1]["content"]


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"provider": "gemini"}, InputError, "provider is 'gemini'"),
        ({"sections": [Section("rules", max=5)]}, InputError, "sections has 'rules'"),
        ({"sections": [Section("passages", min=600)]}, InputError, "minimum"),
        ({"rules": "Be kind."}, InputTypeError, "rules is"),
        ({"tools": [3]}, InputTypeError, "tool 0"),
        ({"history": 3}, InputTypeError, "history is 3"),
        ({"history": "Hi."}, InputTypeError, "history is 'Hi.'"),
        ({"history": [{"role": "robot", "content": "Hi."}]}, InputError, "message 0 .*'robot'"),
        ({"question": None}, InputError, "no message of the user"),
        ({"question": " "}, InputError, "no message of the user"),
        ({"code": 5}, InputTypeError, "code is 5"),
        ({"code": [5]}, InputTypeError, "code has 5"),
        ({"code": b"src"}, InputTypeError, "code is b'src'"),
        ({"previous": 5}, InputTypeError, "previous is 5"),
        ({"previous": {}}, InputTypeError, "previous is {}"),
        ({"model": 5}, InputTypeError, "model is 5"),
        ({"system": 3}, InputTypeError, "system is 3"),
        ({"tools": [TOOLS[0], TOOLS[0]]}, InputError, "both named"),
        ({"budget": 0}, BudgetError, "budget"),
        ({"question": 3}, InputTypeError, "question is 3"),
    ],
)
def test_what_cannot_be_used_is_refused(given, error, match):
    arguments = {"question": QUESTION, "budget": 500, **given}
    with pytest.raises(error, match=match):
        ctxmem.assemble(**arguments)


def test_answer_refuses_a_call_of_another_tool():
    request = ctxmem.assemble(QUESTION, 200, tools=TOOLS)
    call = {"type": "function", "id": "c", "function": {"name": "get_weather", "arguments": "{}"}}
    with pytest.raises(InputError, match="get_weather"):
        request.answer(call)
    with pytest.raises(InputTypeError, match="the call is None"):
        request.answer(None)


@pytest.mark.parametrize("provider", ["openai", "responses", "anthropic"])
def test_messages_that_no_provider_takes_have_a_decision(provider):
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "Is it cold?"},
        {"role": "tool", "tool_call_id": "c0", "content": "No."},  # answers nothing
        {"role": "user", "content": None},  # says nothing
        {"role": "assistant", "content": None, "tool_calls": [call]},  # is never answered
        {"role": "assistant", "content": "It is cold."},
    ]
    request = ctxmem.assemble(QUESTION, 500, history=history, provider=provider)
    found = {one.key: one for one in request.decisions if one.part == "history"}
    assert sorted(found) == ["0", "1", "2", "3", "4"]
    assert [found[key].form for key in "01234"] == ["full", *["omitted"] * 3, "full"]
    assert "answers no open call" in found["1"].reason
    assert "empty" in found["2"].reason
    assert "has no result" in found["3"].reason


def test_a_history_may_be_none_and_may_have_results_without_a_question():
    assert ctxmem.assemble(QUESTION, 200, history=None).messages[0]["content"] == QUESTION
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    steps = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
    ]
    assert ctxmem.assemble(None, 200, history=steps).messages == steps


# Stability ----------------------------------------------------------------------------------------


def grown(turns: int, budget: int, **given):
    """Yield the requests of a session that grows by a question and an answer."""
    history: list[dict] = []
    previous = None
    memory = given.get("memory")
    for i in range(turns):
        question = f"Tell me about entry {i} of the ledger."
        said = {} if memory is not None else {"history": list(history), "previous": previous}
        previous = ctxmem.assemble(question, budget, **given, **said)
        yield previous
        answer = f"Entry {i}: " + " ".join(f"fact{i}n{j}" for j in range(25))
        new = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        history += new
        if memory is not None:
            memory.append(new)


@pytest.mark.parametrize("kind", [pytest.param("previous", marks=pytest.mark.slow), "memory"])
def test_a_growing_session_keeps_its_prefix_and_its_tools(kind):
    given = {"system": "Be brief.", "tools": TOOLS}
    if kind == "memory":
        given["memory"] = Memory(2000)
    requests = list(grown(24, 2000, **given))
    reuse = []
    for before, after in itertools.pairwise(requests):
        stable = before.messages[: before.volatile_from]
        same = [a == b for a, b in zip(stable, after.messages, strict=False)]
        reuse.append(same.index(False) / len(stable) if False in same else 1.0)
    assert sum(reuse) / len(reuse) >= 0.9
    assert min(reuse) < 1.0  # the history was cut: the test sees an edit
    assert requests[0].tools and all(r.tools == requests[0].tools for r in requests)
    assert all(request.tokens <= 2000 for request in requests)


def test_an_equal_call_keeps_what_the_request_before_had():
    given = {"system": "Be brief.", "tools": TOOLS, "history": chat(20)}
    first = ctxmem.assemble(QUESTION, 900, **given)
    other = ctxmem.assemble("Sign the ledger.", 900, **given, previous=first)
    assert other.tools == first.tools
    assert other.messages[: other.volatile_from] == first.messages[: first.volatile_from]


def test_what_stays_as_it_was_says_so():
    """The ledger's tools are in full for the first question, which the second has no use for."""
    first = ctxmem.assemble("Lock and print the entry of the ledger.", 420, tools=TOOLS)
    kept = [one.key for one in first.decisions if one.form == "full" and one.part == "tools"]
    history = [
        {"role": "user", "content": "Lock and print the entry of the ledger."},
        {"role": "assistant", "content": "Done."},
    ]
    second = ctxmem.assemble("Thank you.", 460, tools=TOOLS, history=history, previous=first)
    assert second.tools == first.tools
    reasons = {one.key: one.reason for one in second.decisions if one.part == "tools"}
    assert kept and all("it stays as in the request before" in reasons[key] for key in kept)
    assert not any("worth" in reason for reason in reasons.values())
    alone = ctxmem.assemble("Thank you.", 460, tools=TOOLS, history=history)
    assert not any("request before" in one.reason for one in alone.decisions)


def test_a_tool_that_is_called_comes_into_the_set_in_full():
    first = ctxmem.assemble(QUESTION, 330, tools=TOOLS)
    assert forms(first, "tools")["ledger_sign"] != "full"
    call = {"id": "c1", "type": "function", "function": {"name": "ledger_sign", "arguments": "{}"}}
    history = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    second = ctxmem.assemble("Thanks.", 330, tools=TOOLS, history=history, previous=first)
    assert forms(second, "tools")["ledger_sign"] == "full"


# Laws ---------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_bytes_in_any_order_of_tools_and_passages():
    passages = [f"Fact {i}: Oslo has {i * 37} rainy days in hall {i}." for i in range(30)]
    given = {"system": "Be brief.", "history": chat(8)}
    first = ctxmem.assemble(QUESTION, 900, tools=TOOLS, passages=passages, **given)
    again = ctxmem.assemble(QUESTION, 900, tools=TOOLS, passages=passages, **given)
    turned = ctxmem.assemble(QUESTION, 900, tools=TOOLS[::-1], passages=passages[::-1], **given)
    assert first.messages == again.messages and first.tools == again.tools == turned.tools
    kept = [{d.key for d in r.decisions if d.form != "omitted"} for r in (first, turned)]
    assert kept[0] == kept[1]
    assert first.decisions == again.decisions


def test_nothing_of_the_input_is_changed():
    history, tools = chat(6), json.loads(json.dumps(TOOLS))
    ctxmem.assemble(QUESTION, 400, history=history, tools=tools, provider="anthropic")
    assert history == chat(6) and tools == TOOLS


WORDS = "parcel depot Oslo weather ledger sign rain lock harbour crane".split()


@st.composite
def inputs(draw):
    sentence = st.lists(st.sampled_from(WORDS), min_size=2, max_size=14).map(" ".join)
    turns = draw(st.lists(st.tuples(sentence, sentence), max_size=6))
    history = []
    for question, answer in turns:
        history.append({"role": "user", "content": question})
        history.append({"role": "assistant", "content": answer})
    return {
        "question": draw(sentence),
        "budget": draw(st.integers(40, 1200)),
        "system": draw(st.sampled_from([None, "Be brief."])),
        "rules": draw(st.lists(sentence, max_size=2)),
        "tools": draw(st.lists(st.sampled_from(TOOLS), unique_by=id, max_size=9)),
        "history": history,
        "passages": draw(st.lists(sentence, max_size=6)),
        "provider": draw(st.sampled_from(["openai", "responses", "anthropic"])),
    }


@settings(deadline=None, max_examples=60)
@given(inputs())
def test_a_request_keeps_the_budget_and_its_bound_holds(given):
    try:
        request = ctxmem.assemble(**given)
    except BudgetError as error:
        assert error.pinned  # names what is required
        return
    assert request.tokens == counted(request) == sum(request.parts.values()) <= given["budget"]
    found = ctxmem.check(request.messages, tools=request.tools, provider=given["provider"])
    assert [f for f in found if f.kind not in ("duplicate_message", "repeated_passage")] == []
    assert request.value <= request.upper_bound * (1 + 1e-9)
    assert 0 <= request.gap <= 1 and (request.status == "optimal") == (request.gap == 0)


# The knapsack of items against brute force --------------------------------------------------------


@pytest.mark.parametrize("provider", ["openai", "responses", "anthropic"])
def test_a_note_about_the_history_that_does_not_fit_gives_way_to_the_question(provider):
    """The question fits alone, so no budget from there on raises."""
    alone = ctxmem.assemble(QUESTION, 200, system="Be brief.", provider=provider).tokens
    for budget in range(alone, alone + 30):
        request = ctxmem.assemble(
            QUESTION, budget, system="Be brief.", history=chat(3), provider=provider
        )
        assert counted(request) == request.tokens <= budget
        assert QUESTION in json.dumps(request.messages)
        assert len([one for one in request.decisions if one.part == "history"]) == 6
    with pytest.raises(BudgetError, match="question"):
        ctxmem.assemble(QUESTION, alone - 1, system="Be brief.", history=chat(3), provider=provider)


def test_a_section_without_tokens_sends_nothing_of_its_part():
    request = ctxmem.assemble(
        QUESTION, 300, history=chat(3), tools=TOOLS, sections=[Section("history", max=0)]
    )
    assert request.parts["history"] == 0
    assert [message["content"] for message in request.messages] == [QUESTION]
    reasons = {one.reason for one in request.decisions if one.part == "history"}
    assert reasons == {"no tokens are left for it, nor for a note that says so"}


def test_a_section_that_is_too_small_for_what_waits_is_named():
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    waiting = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    with pytest.raises(BudgetError, match="maximum of the section 'history'"):
        ctxmem.assemble(None, 300, history=waiting, sections=[Section("history", max=0)])
