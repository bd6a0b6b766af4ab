"""A summary is checked against what its messages say, not against how they say it."""

from __future__ import annotations

import random

import pytest
from call_counts import calls_of
from chats import assistant, user
from hypothesis import given, settings
from hypothesis import strategies as st

import ctxmem
from ctxmem import verify_summary
from ctxmem.errors import InputTypeError
from ctxmem.memory.ledger import Ledger


def tool(text: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": "c1", "content": text}


def kinds(summary: str, *said: str) -> list[str]:
    return [one.kind for one in verify_summary(summary, [user(text) for text in said])]


HELD = [
    ("Never push to main.", "Direct pushes to the main branch are forbidden."),
    ("Never push to main.", "Never:\n- delete branches\n- push to main"),
    ("My budget is 500 EUR.", "Budget: €500"),
    ("My budget is 1,200 EUR.", "The user can spend 1200 euros."),
    (
        "You must ask me before deleting anything.",
        "It has to ask the user before it deletes files.",
    ),
    ("You may share the report with Bob.", "Sharing the report with Bob is allowed."),
    ("Always run tests before a commit.", "Tests have to run before every commit."),
    ("From now on answer in French.", "Replies are to be in French."),
    ("Call me Anna.", "The user's name is Anna."),
    ("The deadline is May 27.", "Deadline: 2026-05-27."),
    ("We go with PostgreSQL instead of MongoDB.", "Decision: PostgreSQL rather than MongoDB."),
    ("Use tabs, not spaces, always.", "Always use tabs instead of spaces."),
    ("The staging port is 8443.", "Staging listens on port 8443, production elsewhere."),
    ("Antworte immer auf Deutsch.", "Antworten müssen auf Deutsch sein."),
    (
        "Die Rechnung darf nie ohne Freigabe gesendet werden.",
        "Rechnungen erst nach Freigabe senden.",
    ),
    ("Mein Budget ist 800 EUR.", "Budget des Nutzers: 800 €."),
    ("Ne supprime jamais les fichiers.", "Il est interdit de supprimer les fichiers."),
    ("Mon budget est de 300 €.", "Budget : 300 EUR."),
]


@pytest.mark.parametrize(("said", "summary"), HELD)
def test_a_paraphrase_holds_a_statement(said, summary):
    assert kinds(summary, said) == []


TURNED = [
    ("Never push to main.", "The user pushes to main."),
    ("Never push to main.", "Never push to main except for hotfixes."),
    ("You may share the report with Bob.", "The report may not be shared with Bob."),
    ("You must ask me before deleting anything.", "It need not ask before deleting."),
    ("You must ask me before deleting anything.", "It no longer has to ask before deleting."),
    ("Always run tests before a commit.", "Sometimes tests run before a commit."),
    ("Always run tests before a commit.", "Tests before a commit are optional."),
    ("Die Rechnung darf nie ohne Freigabe gesendet werden.", "Rechnung ohne Freigabe senden."),
    ("Antworte immer auf Deutsch.", "Die Antwort muss nicht auf Deutsch sein."),
    ("Ne supprime jamais les fichiers.", "Les fichiers peuvent être supprimés."),
    ("The build does not fail on Linux machines.", "The build fails on Linux machines."),
]


@pytest.mark.parametrize(("said", "summary"), TURNED)
def test_a_statement_that_is_turned_round_is_reported_with_what_the_summary_says(said, summary):
    (one,) = verify_summary(summary, [user(said)])
    assert (one.kind, one.text, one.message, one.found) == ("negation", said, 0, summary)


CHANGED = [
    ("My budget is 500 EUR.", "The budget is 600 EUR."),
    ("My budget is 500 EUR.", "The budget is 500 USD."),
    ("The staging port is 8443.", "The staging port is 8444."),
    ("The deadline is May 27.", "The deadline is June 27."),
    ("You may share the report with Bob.", "The report may be shared with Alice."),
    ("Never delete files in src/core.", "Files in src/docs must never be deleted."),
    ("Mein Budget ist 800 EUR.", "Das Budget ist 900 EUR."),
    ("Mon budget est de 300 €.", "Le budget est de 3000 €."),
]


@pytest.mark.parametrize(("said", "summary"), CHANGED)
def test_another_value_is_reported_as_changed_and_not_as_invented(said, summary):
    (one,) = verify_summary(summary, [user(said)])
    assert (one.kind, one.text, one.found) == ("changed", said, summary)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Never push to main.", "rule"),
        ("My budget is 500 EUR.", "limit"),
        ("From now on answer in French.", "instruction"),
        ("I prefer window seats.", "preference"),
        ("The port is 8443 now.", "value"),
        ("Nunca borres nada.", "rule"),
    ],
)
def test_a_statement_that_is_left_out_is_reported_with_its_kind(said, kind):
    (one,) = verify_summary("They talked about the weather.", [user("Hello."), user(said)])
    assert (one.kind, one.text, one.message, one.found) == (kind, said, 1, "")
    assert repr(said) in str(one)


def test_a_statement_without_its_number_is_reported_with_the_sentence_that_lacks_it():
    (one,) = verify_summary("The budget is limited.", [user("My budget is 500 EUR.")])
    assert (one.kind, one.found) == ("limit", "The budget is limited.")
    assert "lacks '500 EUR'" in one.detail


def test_values_that_are_swapped_between_two_subjects_are_changed():
    said = ["The staging port is 8443.", "The production port is 9443."]
    assert "changed" in kinds("The staging port is 9443 and the production port is 8443.", *said)
    assert kinds("Staging uses port 8443, and production uses port 9443.", *said) == []


def test_a_superseded_value_is_not_due_but_reported_where_it_is_stated_alone():
    said = ["The staging port is 8443.", "The staging port is 8500 now."]
    assert kinds("The staging port is 8500.", *said) == []
    assert kinds("The staging port is 8500 (it was 8443).", *said) == []
    (one,) = verify_summary("The staging port is 8443.", [user(text) for text in said])
    assert (one.kind, one.text, one.message) == ("changed", said[1], 1)
    assert one.found == "The staging port is 8443."


def test_a_correction_without_a_subject_is_checked_with_that_of_what_it_corrects():
    said = ["The staging port is 8443.", "No, it is 8500."]
    assert kinds("The staging port is 8500.", *said) == []
    assert kinds("The staging port is 8443.", *said) == ["changed"]


def test_a_permission_given_later_is_not_a_rule_turned_round():
    said = ["Never push to main.", "You may push to main now."]
    assert kinds("Pushing to main is allowed now.", *said) == []
    assert kinds("Pushing to main is forbidden.", *said) == ["negation"]


def test_what_tools_and_documents_say_does_not_bind():
    said = [user("Read it."), tool("Never push to main."), ctxmem.Chunk("You must never reply.")]
    assert verify_summary("Nothing.", said) == []


def test_a_proposal_binds_once_the_user_accepts_it():
    said = [user("Which store?"), assistant("Shall we use PostgreSQL?"), user("Yes, go with that.")]
    assert verify_summary("The store is PostgreSQL: that is decided, use it.", said) == []
    assert "decision" in [one.kind for one in verify_summary("The store was discussed.", said)]


# Identifiers and numbers --------------------------------------------------------------------------


def test_identifiers_and_numbers_of_the_user_are_wanted_and_can_be_left_out():
    said = [user("Please fix src/app.py, it fails on line 120.")]
    found = verify_summary("There is a fault.", said)
    assert [(one.kind, one.text) for one in found] == [
        ("identifier", "src/app.py"),
        ("number", "120"),
    ]
    assert verify_summary("There is a fault.", said, identifiers=False, numbers=False) == []
    assert [o.kind for o in verify_summary("A fault.", said, numbers=False)] == ["identifier"]
    assert verify_summary("A fault in app.py, line 120.", said) == []


def test_of_tools_only_identifiers_that_are_named_again_are_wanted():
    said = [
        user("Search."),
        tool("src/a1.py src/b2.py src/c3.py 5512 7788"),
        assistant("The fault is in src/b2.py."),
        *[user("Go on."), assistant("Fine.")] * 4,
    ]
    assert [one.text for one in verify_summary("It goes on.", said)] == ["src/b2.py"]


def test_at_most_forty_identifiers_are_reported_and_all_statements():
    said = [user(f"See file_{i}.py. Never touch table_{i}.") for i in range(60)]
    found = [one.kind for one in verify_summary("", said)]
    assert (found.count("rule"), found.count("identifier")) == (60, 40)


def test_what_no_message_has_is_invented():
    said = [user("Please fix src/app.py, it fails on line 120, since 2026-05-27.")]
    found = verify_summary(
        "src/app.py fails on line 120 since 27 May 2026; see src/x.py, 455.", said
    )
    assert [(one.kind, one.text, one.message, one.found) for one in found] == [
        ("identifier", "2026-05-27", 0, ""),
        ("invented", "", -1, "src/x.py"),
        ("invented", "", -1, "455"),
    ]


# Inputs -------------------------------------------------------------------------------------------


def test_messages_of_every_shape_are_read():
    langchain = pytest.importorskip("langchain_core.messages")
    shapes = [
        "Never push to main.",
        ("human", "Never push to main."),
        user("Never push to main."),
        {"role": "user", "content": [{"type": "text", "text": "Never push to main."}]},
        {"role": "user", "parts": [{"text": "Never push to main."}]},
        langchain.HumanMessage("Never push to main."),
    ]
    for shape in shapes:
        assert [one.kind for one in verify_summary("Nothing.", [shape])] == ["rule"], shape
    assert [one.kind for one in verify_summary("Nothing.", "Never push to main.")] == ["rule"]
    summary = langchain.AIMessage("Pushing to main is forbidden.")
    assert verify_summary(summary, shapes) == []
    assert verify_summary(ctxmem.Chunk("Pushing to main is forbidden."), shapes) == []


@pytest.mark.parametrize(("summary", "messages"), [(3, []), ("", [3]), ("", None), (None, ["a"])])
def test_wrong_types_are_refused(summary, messages):
    with pytest.raises(InputTypeError):
        verify_summary(summary, messages)


HOSTILE = [
    "9" * 20_000,
    "1." * 10_000,
    "never " * 5_000,
    "Never push. " * 5_000,
    "a/b" * 10_000,
    "\ud800 \x00 " * 2_000,
    "-" * 20_000,
    "Never do x-" + "1-" * 5_000,
    " " * 20_000 + "!)))" + ")" * 20_000,
    "The port is 1. " * 2_000 + "No, it is 2. " * 2_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_read(text):
    verify_summary(text, [user(text[:2_000]), assistant(text[:2_000])])
    verify_summary("Never push. The port is 1.", [user(text)])
    assert verify_summary(text, [user(text)]) == []


# Properties ---------------------------------------------------------------------------------------

SAID = [
    *(said for said, _ in [*HELD, *TURNED, *CHANGED]),
    "The port of api is 9000 now.",
    "No, it is 9100.",
    "See src/app.py, line 44, since 2026-05-27.",
    "Forget the rule about the main branch.",
    "It is 12 degrees. Do not open ticket AB-123!",
    "请叫我小李。",
    "Yes, go with that.",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SAID), st.booleans()), max_size=12))
def test_all_messages_together_lack_nothing_and_no_message_holds_no_statement(said):
    messages = [(user if by_user else assistant)(text) for text, by_user in said]
    assert verify_summary("\n".join(text for text, _ in said), messages) == []
    ledger = Ledger()
    for i, message in enumerate(messages):
        ledger.take(i, message["role"], message["content"])
    found = verify_summary("", messages, identifiers=False, numbers=False)
    assert [(e.kind, e.text, e.message) for e in ledger.entries()] == [
        (one.kind, one.text, one.message) for one in found
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(
        ["The budget is {} EUR", "Never order more than {} items", "Call room {} first"]
    ),
    st.integers(2, 10**6),
    st.integers(2, 10**6),
    st.sampled_from(["{}.", "The user says: {}.", "Agreed, and {}, until further notice."]),
)
def test_another_number_in_a_statement_that_is_held_is_found(statement, number, other, frame):
    said = [user(statement.format(number) + ".")]
    assert [one for one in verify_summary(frame.format(statement.format(number)), said)] == []
    found = verify_summary(frame.format(statement.format(other)), said)
    assert bool(found) == (number != other)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=300), max_size=3))
def test_any_text_is_read(summary, said):
    verify_summary(summary, [user(text) for text in said])


# A small measurement: 60 mutated summaries --------------------------------------------------------

FACTS = [
    ("Never restart server db-7.", "Server db-7 must never be restarted.", "db-7", "db-9"),
    ("The budget is 750 EUR.", "There is a budget of 750 EUR.", "750", "570"),
    (
        "You must call me before shipping.",
        "A call to the user before shipping is required.",
        "",
        "",
    ),
    ("The timeout is 30 seconds now.", "The current timeout is 30 s.", "30", "90"),
    (
        "You may edit config/app.yaml.",
        "Editing config/app.yaml is allowed.",
        "app.yaml",
        "web.yaml",
    ),
    ("Always log errors to sentry.", "All errors must be logged to sentry.", "", ""),
    ("The deadline is March 14.", "The work is due: deadline March 14.", "14", "24"),
    (
        "Don't upgrade to version 3.2.1.",
        "Version 3.2.1 must not be used for upgrades.",
        "3.2.1",
        "3.1.2",
    ),
    ("Refunds must not exceed 90 USD.", "No refund may exceed 90 USD.", "90", "900"),
    ("I never fly on Sunday.", "The user never flies on Sunday.", "Sunday", "Monday"),
]
NEGATED = [
    ("must never be", "may be"),
    ("is required", "is not required"),
    ("is allowed", "is not allowed"),
    ("All errors must be", "Errors need not be"),
    ("must not be used", "may be used"),
    ("No refund may", "Refunds may"),
    ("never flies", "flies"),
]


def mutants() -> list[tuple[str, str, str]]:
    """Return (kind, summary, the statement that it loses or turns round): drop, value, negate."""
    rng = random.Random(7)
    whole = [paraphrase for _, paraphrase, _, _ in FACTS]
    made = []
    for said, paraphrase, token, other in FACTS:
        rest = [one for one in whole if one != paraphrase]
        changes = [("drop", "")]
        if token:
            changes.append(("value", paraphrase.replace(token, other)))
        changes += [("negate", paraphrase.replace(a, b)) for a, b in NEGATED if a in paraphrase]
        for kind, text in changes:
            for _ in range(3):
                lines = [*rest, text] if text else list(rest)
                rng.shuffle(lines)
                made.append((kind, " ".join(lines), said))
    return made[: 20 * 3 + 15]


def measure() -> tuple[dict[str, tuple[int, int]], int, int]:
    """Return found and all mutants by kind, false alarms, and statements that could raise one."""
    messages = [user(said) for said, *_ in FACTS]
    found: dict[str, tuple[int, int]] = {}
    false = could = 0
    for kind, summary, said in mutants():
        reported = verify_summary(summary, messages)
        hit, n = found.get(kind, (0, 0))
        found[kind] = (hit + any(one.text == said for one in reported), n + 1)
        false += sum(one.text != said for one in reported)
        could += len(FACTS) - 1
    return found, false, could


def test_losses_in_mutated_summaries_are_found_without_false_alarms():
    found, false, could = measure()
    print(found, false, could)  # pytest -s shows the figures
    assert sum(n for _, n in found.values()) >= 60
    assert all(hit >= 0.95 * n for hit, n in found.values()), found
    assert false <= 0.01 * could


# The summarizer for LangChain ---------------------------------------------------------------------


def test_the_summarizer_adds_statements_that_it_would_leave_out_within_its_budget():
    messages = pytest.importorskip("langchain_core.messages")
    from ctxmem.adapters.langchain import summarizer

    said = [
        messages.HumanMessage("Never restart the server."),
        messages.HumanMessage("Which port?"),
        messages.AIMessage("It listens on port 8080, as the file of settings says."),
        messages.HumanMessage("And which port do the tests use?"),
    ]
    asked = "[user]\nWhich port?\n\n…\nAnd which port do the tests use?"
    assert summarizer(28)(said) == f"{asked}\n\n[still binding]\nNever restart the server."
    for budget in range(28, 80):
        summary = summarizer(budget)(said)
        assert ctxmem.count_tokens(summary) <= budget
        assert summary.count("Never restart the server.") == 1


def wrapped(summary):
    """As `SummarizationMiddleware` puts a summary into the history."""
    from langchain_core.messages import HumanMessage

    return HumanMessage(
        f"Here is a summary of the conversation to date:\n\n{summary}",
        additional_kwargs={"lc_source": "summarization"},
    )


def files(name):
    return [
        one
        for i in range(20)
        for one in (
            user(f"Read the file {name}{i} and tell me about its contents."),
            assistant(f"File {name}{i} has {i * 7} lines."),
        )
    ]


@pytest.mark.parametrize("wrap", [wrapped, lambda text: user(wrapped(text).text), user])
def test_the_summarizer_carries_statements_through_five_summaries(wrap):
    pytest.importorskip("langchain_core")
    from ctxmem.adapters.langchain import summarizer

    said = [user("Never touch vendor/."), assistant("Ok."), user("My name is Anna.")]
    said += [assistant("Shall we use PostgreSQL?"), user("Yes, go with that."), *files("f")]
    summarize = summarizer(400)
    summary = summarize(said)
    for name in "ghijk":
        said = [wrap(summary), *files(name)]
        summary = summarize(said)
        assert ctxmem.count_tokens(summary) <= 400
        assert "Never touch vendor/." in summary
        assert "My name is Anna." in summary
        assert "use PostgreSQL" in summary


def test_the_summarizer_adds_an_offer_that_was_accepted_where_it_shows_the_offer_alone():
    pytest.importorskip("langchain_core")
    from ctxmem.adapters.langchain import summarizer

    said = [assistant("Shall we use PostgreSQL?"), user("Yes, go with that."), *files("f")]
    summary = summarizer(200, query="Shall we use PostgreSQL?")(said)
    shown, _, block = summary.partition("[still binding]")
    assert "Shall we use PostgreSQL?" in shown and "Yes, go with that." not in shown
    assert "Shall we use PostgreSQL?" in block.splitlines()


def test_the_summarizer_does_not_carry_on_what_was_superseded():
    pytest.importorskip("langchain_core")
    from ctxmem.adapters.langchain import summarizer

    summarize = summarizer(400)
    summary = summarize([user("The staging port is 8080."), *files("f")])
    assert "8080" in summary
    newer = [user("The staging port is 8443 now."), assistant("Ok."), *files("g")]
    summary = summarize([wrapped(summary), *newer])
    for name in "hij":
        block = summary.partition("[still binding]")[2]
        assert "8443" in block
        assert "8080" not in summary
        summary = summarize([wrapped(summary), *files(name)])


def test_the_words_of_the_assistant_in_an_earlier_summary_do_not_bind_the_user():
    pytest.importorskip("langchain_core")
    from ctxmem.adapters.langchain import summarizer

    earlier = "[user]\nWhich port?\n\n[assistant]\nNever use port 22."
    summary = summarizer(60)([wrapped(earlier), *files("g")])
    assert "[still binding]" not in summary


def test_statements_under_the_line_still_binding_are_the_users():
    said = [user("Some text.\n\n[still binding]\nNever push to main.\nPostgreSQL, then.")]
    found = verify_summary("Nothing.", said)
    assert [(one.kind, one.text) for one in found] == [
        ("rule", "Never push to main."),
        ("decision", "PostgreSQL, then."),
    ]
    assert verify_summary("[still binding]\nNever push to main.\nPostgreSQL, then.", said) == []
    theirs = [assistant(said[0]["content"])]
    assert verify_summary("Nothing.", theirs, identifiers=False, numbers=False) == []


@pytest.mark.parametrize("short", ["Max.", "max.", "ca.", "approx."])
def test_an_abbreviation_before_a_number_ends_no_sentence(short):
    said = user("The limit is 300 EUR per night.")
    assert verify_summary(f"Limit per night: {short} 300 EUR.", [said]) == []


def test_sentences_of_the_summary_with_the_same_words_are_each_turned_round():
    said = ["The build does not restart.", "The build of 3 does not restart."]
    summary = (
        "The build of 7 does restart. The build of 8 does restart. The build does not restart."
    )
    turned = [one for one in verify_summary(summary, said) if one.kind == "negation"]
    expected = ["The build of 7 does restart.", "The build of 8 does restart."]
    assert expected == [one.found for one in turned]


def test_a_summary_that_repeats_itself_costs_each_message_no_more_than_another():
    def calls(messages: int) -> int:
        lines = [f"ERROR server-{i} timeout after {7 * i} ms" for i in range(messages)]
        said = [{"role": "assistant", "content": line} for line in lines]
        return calls_of(lambda: verify_summary("\n".join(lines[:100]), said))

    calls(10)
    assert calls(400) - calls(200) < 200 * 120
