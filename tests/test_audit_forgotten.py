"""What left a window and was needed later: found where it is so, and nowhere else."""

from __future__ import annotations

import json
import random
import re

import pytest
from chats import assistant as model
from chats import result, user
from ctxmem.bench import forgetting

import ctxmem
from ctxmem import audit
from ctxmem.auditing.conversations import conversations
from ctxmem.auditing.forgetting.losses import Walk
from ctxmem.auditing.forgetting.names import names_in
from ctxmem.auditing.forgetting.sequels import joined
from ctxmem.auditing.forgetting.tool_use import path_read
from ctxmem.auditing.forgetting.violations import check_of, language_of
from ctxmem.auditing.forgotten import KINDS, forgotten
from ctxmem.cli import main
from ctxmem.tokens import resolve

WORDS = resolve(lambda text: len(text.split()))
SYSTEM = {"role": "system", "content": "You help a small team."}


def call(key, name, **arguments):
    function = {"name": name, "arguments": json.dumps(arguments)}
    calls = [{"id": key, "type": "function", "function": function}]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def requests(*messages, drop_at=None, keep_from=0, instead=()):
    """Return a request before each message of the model.

    From message `drop_at` on, windows begin with `instead` and message `keep_from`.
    """
    made = []
    for i, message in enumerate([*messages, model("end")]):
        if message["role"] != "assistant":
            continue
        window = list(messages[:i])
        if drop_at is not None and i >= drop_at:
            window = [*instead, *messages[keep_from:i]]
        made.append({"session_id": "s", "model": "m", "messages": [SYSTEM, *window]})
    return made


def found_in(records):
    return [one for each in joined(conversations(records)) for one in forgotten(each, WORDS)]


FILE = "\n".join(f"def step_{n}(value): return value + {n}" for n in range(310, 330))
WORK = [user("Tidy up the mailer module."), model("The mailer module is tidy now.")]
MORE = [user("Now check the parser module."), model("Nothing is wrong with the parser.")]
READ = [call("c1", "read_file", path="src/ledger.py"), result("c1", FILE)]
READ_AGAIN = [call("c2", "read_file", path="src/ledger.py"), result("c2", FILE)]
BEGIN = [user("What does the ledger do?"), *READ, model("It adds steps.")]
# Windows of what follows begin with the work in between: what was said before has left.
LEFT = {"drop_at": 6, "keep_from": 4}


def test_a_file_that_is_read_again_after_its_text_left_is_found():
    records = requests(*BEGIN, *WORK, user("Go on."), *READ_AGAIN, model("Done."), **LEFT)
    (one,) = found_in(records)
    assert (one.kind, one.title) == ("read_again", "src/ledger.py was read again")
    assert one.tokens == len(FILE.split())
    assert one.gone["by"] == "trimming"
    assert (one.said["call"], one.gone["call"], one.needed["call"]) == (2, 4, 4)
    assert one.left.startswith("def step_310")
    assert "memory.tool()" in one.fix


def test_a_file_that_is_still_in_the_window_may_be_read_again():
    records = requests(*BEGIN, *WORK, user("Go on."), *READ_AGAIN, model("Done."))
    assert found_in(records) == []


def test_a_file_that_was_changed_in_between_is_read_again_for_a_reason():
    changed = result("c2", FILE.replace("310", "999"))
    edit = [call("e", "edit_file", path="src/ledger.py", old="310", new="999"), result("e", "ok")]
    steps = [*BEGIN, *WORK, user("Rename it."), *edit, READ_AGAIN[0], changed, model("Done.")]
    assert found_in(requests(*steps, **LEFT)) == []


def test_a_part_of_a_file_that_was_read_before_is_read_again():
    part = result("c2", "\n".join(FILE.split("\n")[4:9]))
    steps = [*BEGIN, *WORK, user("Go on."), READ_AGAIN[0], part, model("Done.")]
    assert [one.kind for one in found_in(requests(*steps, **LEFT))] == ["read_again"]


def test_a_file_that_the_user_wants_read_again_is_no_forgetting():
    steps = [*BEGIN, *WORK, user("Please read src/ledger.py again."), *READ_AGAIN, model("Done.")]
    assert found_in(requests(*steps, **LEFT)) == []


RUN = [call("c1", "bash", command="grep -c import lib/*"), result("c1", "lib/a.py:3\nlib/b.py:5")]
RUN_AGAIN = [call("c2", "bash", command="grep -c import lib/*"), RUN[1] | {"tool_call_id": "c2"}]
COUNT = [user("How many are open?"), *RUN, model("Eight.")]


def test_a_command_that_is_run_again_with_the_same_result_is_found():
    (one,) = found_in(requests(*COUNT, *WORK, user("Go on."), *RUN_AGAIN, **LEFT))
    assert one.kind == "run_again"
    assert one.title == "`grep -c import lib/*` was run again with the same result"


def test_a_command_that_is_run_again_after_a_change_is_no_forgetting():
    edit = [call("e", "edit_file", path="lib/a.py", old="a", new="b"), result("e", "ok")]
    steps = [*COUNT, *WORK, user("Fix one."), *edit, *RUN_AGAIN, model("Done.")]
    assert found_in(requests(*steps, **LEFT)) == []


def test_a_command_with_another_result_is_no_forgetting():
    steps = [*COUNT, *WORK, user("Go on."), RUN_AGAIN[0], result("c2", "lib/a.py:1")]
    assert found_in(requests(*steps, **LEFT)) == []


def test_what_changes_something_or_watches_something_is_never_run_again_in_vain():
    for name, arguments in (("send_mail", {"to": "a@b.ch"}), ("get_status", {"job": "j-4711"})):
        first = [call("c1", name, **arguments), result("c1", "queued for you")]
        again = [call("c2", name, **arguments), result("c2", "queued for you")]
        steps = [user("Do it."), *first, model("Fine."), *WORK, user("Go on."), *again, model("x")]
        assert [o.kind for o in found_in(requests(*steps, **LEFT)) if o.kind == "run_again"] == []


PORT = [user("Which port does the staging proxy use?"), model("It listens on 8443.")]


def test_a_question_that_is_asked_again_after_its_answer_left_is_found():
    steps = [*PORT, *WORK, *MORE, user("What was the staging proxy port again?")]
    (one,) = found_in(requests(*steps, drop_at=4, keep_from=2))
    assert one.kind == "asked_again"
    assert one.title == "The user asked again: What was the staging proxy port again?"
    assert "8443" in one.left


def test_another_question_is_not_the_same_question():
    steps = [*PORT, *WORK, *MORE, user("Which port does the production proxy use?")]
    assert found_in(requests(*steps, drop_at=4, keep_from=2)) == []


def test_a_question_whose_answer_is_in_the_summary_is_answered():
    summary = [user("Summary of the conversation so far: the staging proxy listens on 8443.")]
    steps = [*PORT, *WORK, *MORE, user("What was the staging proxy port again?")]
    assert found_in(requests(*steps, drop_at=4, keep_from=2, instead=summary)) == []
    summary = [user("Summary of the conversation so far: the mailer module was tidied up.")]
    (one,) = found_in(requests(*steps, drop_at=4, keep_from=2, instead=summary))
    assert one.gone["by"] == "compaction"
    assert "mailer" in one.after


def test_the_model_asks_for_what_the_user_had_given():
    asked = [user("I have a question."), model("What is your customer number?"), user("KD-880417")]
    again = [user("Now close it."), model("Could you please tell me your customer number?")]
    steps = [*asked, model("Thanks."), *WORK, *again, user("KD-880417."), model("Thank you.")]
    (one,) = found_in(requests(*steps, **LEFT))
    assert one.title.startswith("The model asked again: Could you please tell me")
    steps = [user("It is about KD-880417."), model("I see."), *WORK, *MORE, *again]
    steps += [user("As I said, KD-880417."), model("Thank you.")]
    (one,) = found_in(requests(*steps, drop_at=4, keep_from=2))
    assert one.title == "The model asked for KD-880417, which the user had given before"


def test_a_rule_that_is_broken_after_it_left_is_found():
    pushed = [call("p", "bash", command="git push origin main"), result("p", "ok")]
    rule = [user("Never push to main."), model("Understood.")]
    steps = [*rule, *WORK, *MORE, user("Ship it."), *pushed, model("Done.")]
    (one,) = found_in(requests(*steps, drop_at=4, keep_from=2))
    assert (one.kind, one.shown) == ("forgotten_rule", True)
    assert one.title == "The rule “Never push to main.” was broken after it had left the window"
    assert "git push origin main" in one.use
    elsewhere = [call("p", "bash", command="git push origin feature-7"), result("p", "ok")]
    steps = [*rule, *WORK, *MORE, user("Ship it."), *elsewhere, model("Done.")]
    assert found_in(requests(*steps, drop_at=4, keep_from=2)) == []


def test_a_rule_that_the_summary_keeps_or_that_is_in_the_window_is_not_forgotten():
    pushed = [call("p", "bash", command="git push origin main"), result("p", "ok")]
    steps = [user("Never push to main."), model("Understood."), *WORK, *MORE, user("Ship it."),
             *pushed, model("Done.")]  # fmt: skip
    assert found_in(requests(*steps)) == []
    summary = [user("Summary of the earlier conversation: pushing to main is forbidden.")]
    assert found_in(requests(*steps, drop_at=4, keep_from=2, instead=summary)) == []


def test_a_rule_that_was_never_kept_is_not_broken_because_it_left():
    kept = [user("Check the mailer."), model("It is fine.")]
    ignored = [user("Check the mailer."), model("It is fine \U0001f600")]
    late = [*MORE, user("Go on."), model("Done \U0001f680")]
    rule = [user("No emojis please."), model("Noted \U0001f44d")]  # takes note of it, no more
    (one,) = found_in(requests(*rule, *kept, *late, drop_at=4, keep_from=2))
    assert one.kind == "forgotten_rule"
    steps = [*rule, *ignored, *late]
    assert found_in(requests(*steps, drop_at=4, keep_from=2)) == []


def test_a_rule_that_the_user_has_to_say_again_is_found():
    rule = [user("Only ever read from the replica, never from the primary."), model("Sure.")]
    complaint = user("I told you to read from the replica only!")
    (one,) = found_in(requests(*rule, *WORK, *MORE, complaint, drop_at=4, keep_from=2))
    assert one.title.endswith("had to be said again")
    assert one.shown is False
    changed = user("From now on read from the primary.")
    assert found_in(requests(*rule, *WORK, *MORE, changed, drop_at=4, keep_from=2)) == []


def test_an_identifier_that_is_used_again_after_it_left_is_found():
    said = [user("My order is ORD-64078, it arrived damaged."), model("I am sorry.")]
    used = [call("c", "refund", order="ORD-64078"), result("c", "done")]
    (one,) = found_in(
        requests(*said, *WORK, *MORE, user("Refund it."), *used, drop_at=4, keep_from=2)
    )
    assert one.title == "A call of refund used ORD-64078 again after it had left the window"
    (one,) = found_in(requests(*said, *WORK, *MORE, user("And ORD-64078?"), drop_at=4, keep_from=2))
    assert one.title == "The user used ORD-64078 again after it had left the window"


def test_an_identifier_that_a_call_gets_wrong_is_shown_to_be_forgotten():
    said = [user("My order is ORD-64078, it arrived damaged."), model("I am sorry.")]
    used = [call("c", "get_order", order="ORD-64087"), result("c", "error: order not found")]
    steps = [*said, *WORK, *MORE, user("Refund it."), *used, model("Hm.")]
    (one,) = found_in(requests(*steps, drop_at=4, keep_from=2))
    assert one.title == "A call used ORD-64087 where ORD-64078 had been named before"
    assert one.shown is True


def test_requests_without_a_history_forget_nothing():
    ask = [user("Which port does the staging proxy use?")]
    records = [{"session_id": "s", "model": "m", "messages": [SYSTEM, *ask]} for _ in range(3)]
    assert found_in(records) == []


def test_names_are_what_means_one_thing():
    text = "On 2024-05-01 v1.2.3 of TypeScript took 300ms; see user_id, README.md and src/a/b.py."
    assert names_in(text) == ["src/a/b.py"]
    assert names_in("ORD-1 KD-880417, mia_li_3668 and billing@x.example") == [
        "ORD-1",
        "KD-880417",
        "mia_li_3668",
        "billing@x.example",
    ]


@pytest.mark.parametrize(
    ("rule", "kept", "broken", "why"),
    [
        ("No emojis please.", "Done.", "Done \U0001f680", "has an emoji"),
        ("Please don't use bullet points.", "One - two.", "- one\n- two", "has bullet points"),
        ("Keep your answers under 5 words.", "It is done.", "one " * 9, "has 9 words, not 4"),
        ("Answer with JSON only.", '{"a": 1}', "Sure: {}", "is no JSON"),
        ("Never use the word 'synergy'.", "Fine.", "Such synergy.", "has the word 'synergy'"),
        ("I hate emojis.", "Done.", "Done \U0001f680", "has an emoji"),
        ("Write without bullet points.", "One.", "- one\n- two", "has bullet points"),
        ("Replies must fit into 5 words.", "It is done.", "one " * 9, "has 9 words"),
    ],
)
def test_a_rule_about_answers_is_checked(rule, kept, broken, why):
    from ctxmem.auditing.forgetting.blocks import Entry

    check = check_of(rule)
    assert check(Entry(model(kept))) is None
    assert why in check(Entry(model(broken))).why


@pytest.mark.parametrize(
    ("rule", "kept", "broken"),
    [
        ("Never use sudo.", "systemctl --user stop x", "sudo systemctl stop x"),
        ("Hands off prod: no kubectl commands with -n prod.", "kubectl -n dev get po",
         "kubectl -n prod delete po x"),
        ("terraform apply is off limits.", "terraform plan", "cd tf && terraform apply -x"),
        ("Bitte niemals git push --force ausführen.", "git push origin x", "git push x --force"),
        ("Use pnpm here, never npm.", "pnpm add x", "npm install x"),
        ("Do not commit directly to master.", "git checkout -b fix && git commit -m x",
         "git checkout master && git commit -m x"),
        ("Nothing gets pushed to the release branch.", "git push origin x",
         "git push origin release"),
        ("Leave package-lock.json alone.", "cat package-lock.json", "rm package-lock.json"),
        ("The folder assets/own is ours; it must not be changed.", "ls assets/own",
         "touch assets/own/a.png"),
    ],
)  # fmt: skip
def test_a_rule_about_commands_is_checked(rule, kept, broken):
    from ctxmem.auditing.forgetting.blocks import Entry

    check = check_of(rule)
    assert check(Entry(call("c", "bash", command=kept))) is None
    assert check(Entry(call("c", "bash", command=broken))) is not None


@pytest.mark.parametrize(
    ("name", "arguments", "path"),
    [
        ("datei_lesen", {"pfad": "a/b.txt"}, "a/b.txt"),
        ("ReadFile", {"target_file": "a.tsx", "should_read_entire_file": True}, "a.tsx"),
        ("read_many_files", {"paths": ["a/b.go", "a/c.go"]}, "a/b.go, a/c.go"),
        ("retrieve_page", {"page_id": "Travel guide"}, "Travel guide"),
        ("Bash", {"command": "cd /srv && nl -ba a.rb | sed -n '1,60p'"}, "a.rb"),
        ("shell", {"command": "awk 'NR<=60' a.gd"}, "a.gd"),
        ("terminal", {"input": "less a.conf"}, "a.conf"),
        ("editor", {"action": "open", "filename": "a.scss"}, "a.scss"),
        ("Bash", {"command": "cat a.py | grep x"}, ""),
        ("Grep", {"pattern": "x", "path": "a.py"}, ""),
        ("lookup_customer", {"email": "a@example.org"}, ""),
        ("list_directory", {"path": "lib.old"}, ""),
        ("write_file", {"path": "a.py", "text": "x"}, ""),
    ],
)
def test_what_a_call_reads_is_known_by_the_form_of_its_arguments(name, arguments, path):
    from ctxmem.auditing.forgetting.blocks import Block

    assert path_read(Block("call", "assistant", "", "c", name, arguments)) == path


def test_a_result_that_was_cleared_has_left_the_window():
    steps = [user("What does the ledger do?"), *READ, model("It adds."), *WORK]
    late = [user("Go on."), *READ_AGAIN, model("Done.")]
    whole = requests(*steps, *late)
    assert found_in(whole) == []
    for record in whole[3:]:
        record["messages"] = [
            {**one, "content": "[old tool result cleared]"} if one is READ[1] else one
            for one in record["messages"]
        ]
    (one,) = found_in(whole)
    assert one.kind == "read_again"


def test_a_result_that_context_editing_cleared_was_not_shown():
    from ctxmem.traces.clearing import CLEARED, without_cleared

    def told(key, name, text):
        use = {"type": "tool_use", "id": key, "name": name, "input": {}}
        done = {"type": "tool_result", "tool_use_id": key, "content": text}
        return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [done]}]

    messages = [*told("a", "memory", "kept"), *told("b", "read", "old"), *told("c", "read", "new")]
    edits = {"edits": [{"type": "clear_tool_uses_20250919", "exclude_tools": ["memory"]}]}
    applied = {"applied_edits": [{"cleared_tool_uses": 1, "cleared_input_tokens": 90}]}
    shown = without_cleared(
        messages, {"context_management": edits}, {"context_management": applied}
    )
    texts = [m["content"][0]["content"] for m in shown if m["role"] == "user"]
    assert texts == ["kept", CLEARED, "new"]
    assert messages[3]["content"][0]["content"] == "old"
    for nothing in ({}, {"context_management": None}, {"context_management": {"applied_edits": 1}}):
        assert without_cleared(messages, {}, nothing) is messages


def test_a_reminder_of_the_user_is_a_complaint_and_one_of_a_program_is_none():
    rule = [user("Kindly address clients by their last name."), model("Sure.")]
    again = user("Reminder: address clients by their last name.")
    (one,) = found_in(requests(*rule, *WORK, *MORE, again, drop_at=4, keep_from=2))
    assert one.kind == "forgotten_rule"
    note = user("<system-reminder>Address clients by their last name.</system-reminder>")
    assert found_in(requests(*rule, *WORK, *MORE, note, drop_at=4, keep_from=2)) == []


def test_a_rule_in_other_words_is_said_again_and_a_new_task_is_none():
    rule = [user("Prefix each branch name with the ticket key."), model("Sure.")]
    again = user("Branch names need the ticket key as prefix.")
    (one,) = found_in(requests(*rule, *WORK, *MORE, again, drop_at=4, keep_from=2))
    assert one.kind == "forgotten_rule"
    task = [user("Yes, please proceed with canceling this reservation."), model("Done.")]
    more = user("Yes, please proceed with canceling all the reservations.")
    assert found_in(requests(*task, *WORK, *MORE, more, drop_at=4, keep_from=2)) == []


@pytest.mark.parametrize(
    "rule",
    [
        "Never push to main unless I say so.",
        "Commit messages must be under 72 characters.",
        "Write the README in French.",
        "Be nice.",
    ],
)
def test_a_rule_with_a_condition_or_about_other_texts_is_not_checked(rule):
    assert check_of(rule) is None


def test_another_run_that_begins_with_the_same_question_has_forgotten_nothing():
    question = user("Which fee is due for order 48112-77, and never round it?")
    one = [
        question,
        model("That of 48112-77 is 4.50 euro."),
        user("Thanks."),
        model("Bye."),
    ]
    other = [question, model("It is 4.50 euro."), user("For order 48112-77?"), model("Yes.")]
    records = [{"session_id": "s", "messages": run} for run in (one, other)]
    assert audit(records, forgotten=True).forgotten["findings"] == []
    again = [*requests(*one), *requests(*other)]
    assert audit(again, forgotten=True).forgotten["findings"] == []


def test_a_language_is_named_only_where_it_is_plain():
    assert (
        language_of("Der Dienst ist auf dem Server und wird von der Pipeline nicht geladen.")
        == "de"
    )
    assert language_of("def f(x): return x + 1") == ""


# The planted corpus -------------------------------------------------------------------------------


def test_what_was_planted_is_found_and_nothing_else():
    found = forgetting.score(seed=1, count=40)  # twice each kind in each format
    assert found["planted"] == 40
    assert found["missed"] == []
    assert found["false"] == []
    assert found["extra"] == []


@pytest.mark.slow(40)
def test_a_planted_corpus_of_800_sessions_is_found():
    found = forgetting.score(seed=2, count=400)
    assert len(found["missed"]) <= 4
    assert found["false"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_memory_over_the_same_messages_still_has_it(kind):
    for seed in range(4):
        writer = forgetting.Writer(random.Random(f"memory {seed}"))
        planted = forgetting.PLANTERS[kind](writer)
        steps = [*writer.filler(1), *planted.early, *writer.filler(7)]
        memory = ctxmem.Memory(budget=1500)
        for message, _ in forgetting.messages_of(steps, "openai"):
            memory.append(message)
        if kind == "forgotten_rule":
            shown = str(memory.window("Go on.").messages)
            # The ledger shows each sentence that binds in a line of its own.
            assert all(part in shown for part in re.split(r"(?<=[.!?]) ", planted.said))
            continue
        question = planted.truth.about or planted.early[1].text
        pages = memory.recall(question)
        ids = [page.id for page in memory.pages()]
        beside = [memory.page(ids[i]) for page in pages for i in _next(ids, page.id)]
        shown = "\n".join(page.text for page in (*pages, *beside))
        assert planted.said in shown or planted.said.partition("? ")[2] in shown


def _next(ids, one):
    at = ids.index(one)
    return range(at, min(len(ids), at + 2))


# The command --------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    records = requests(*BEGIN, *WORK, user("Go on."), *READ_AGAIN, model("Done."), **LEFT)
    path.write_text("\n".join(map(json.dumps, records)))
    return path


@pytest.fixture
def transcript(tmp_path):
    path = tmp_path / "session.jsonl"
    records, _ = forgetting.plant_forgetting(
        random.Random(7), "session", kind="read_again", form="claude_code"
    )
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_the_command_says_what_was_forgotten(log, capsys, tmp_path):
    page = tmp_path / "page.html"
    assert main(["audit", str(log), "--forgotten", "--prices", "3", "--html", str(page)]) == 0
    shown = capsys.readouterr().out
    assert "Forgotten: 1 thing that left the window and was needed again" in shown
    assert "1. Files read again after their text had left the window: " in shown
    assert "Give the model the recall tool of a Memory" in shown
    assert "src/ledger.py was read again" in shown
    assert "removed by trimming before request 4, needed in request 4" in shown
    assert "What was forgotten" in page.read_text()
    assert main(["audit", str(log)]) == 0
    assert "Forgotten" not in capsys.readouterr().out


def test_what_was_forgotten_is_plain_data_with_its_money(log):
    found = audit(log, forgotten=True, prices=3)
    (one,) = found.to_dict()["forgotten"]["findings"]
    assert one["money"] == pytest.approx(one["tokens"] * 3e-6)
    assert found.metrics["forgotten"] == 1
    assert found.metrics["forgotten_tokens"] == one["tokens"]
    assert audit(log).to_dict()["forgotten"] is None
    assert "forgotten" not in audit(log).metrics
    json.dumps(found.to_dict())


def test_the_gate_knows_what_was_forgotten(log, capsys):
    assert main(["audit", str(log), "--forgotten", "--fail-on", "forgotten>0"]) == 1
    assert main(["audit", str(log), "--forgotten", "--fail-on", "forgotten_tokens>90%"]) == 0
    capsys.readouterr()
    assert main(["audit", str(log), "--fail-on", "forgotten>0"]) == 2
    assert "forgotten>0 needs --forgotten" in capsys.readouterr().err


def test_a_trace_that_was_never_trimmed_says_so(tmp_path, capsys):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, requests(*BEGIN, *WORK))))
    assert main(["audit", str(path), "--forgotten"]) == 0
    said = "Nothing was forgotten: in 1 conversation no message left the window."
    assert said in capsys.readouterr().out
    assert main(["audit", str(path), "--restore", str(tmp_path / "out.md")]) == 2
    assert "there is nothing to restore" in capsys.readouterr().err
    assert not (tmp_path / "out.md").exists()


def test_what_a_compaction_removed_is_restored_as_markdown(transcript, tmp_path, capsys):
    out = tmp_path / "out.md"
    assert main(["audit", str(transcript), "--restore", str(out)]) == 0
    text = out.read_text()
    assert text.startswith("# Session session: removed by compaction")
    assert text.count("Call of `") == text.count("Result:")
    assert "2026-03-02 10:00" in text
    assert text.partition("## The summary that replaced them\n\n> ")[2].count("clean-ups") == 1
    assert main(["audit", str(transcript), "--restore", str(out)]) == 2
    assert "exists; give another name, or --force" in capsys.readouterr().err
    assert main(["audit", str(transcript), "--restore", str(out), "--force"]) == 0


@pytest.mark.parametrize("form", forgetting.FORMATS)
def test_what_left_is_restored_as_messages_that_a_provider_accepts(form, tmp_path):
    records, _ = forgetting.plant_forgetting(random.Random(3), "s", kind="run_again", form=form)
    found = audit(records, forgotten=True)
    messages = json.loads(found.restore(tmp_path / "out.json").read_text())
    assert len(messages) > 3
    # What was said twice is restored twice; nothing else is to be said of the messages.
    findings = ctxmem.check(messages, provider="anthropic")
    assert {finding.kind for finding in findings} <= {"duplicate_message"}
    lines = found.restore(tmp_path / "out.jsonl").read_text().splitlines()
    assert list(map(json.loads, lines)) == messages


def test_what_cannot_be_restored_is_one_line(transcript, tmp_path, capsys):
    for name, message in (("out.txt", "expected .md, .json, .jsonl"), ("no/out.md", "cannot be")):
        assert main(["audit", str(transcript), "--restore", str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(ctxmem.InputError, match="forgotten=True"):
        audit(transcript).restore(tmp_path / "out.md")


def test_hostile_messages_are_walked_through():
    odd = [None, {}, {"role": "user"}, {"role": "user", "content": [{"type": "x"}]}, {"role": 3}]
    records = [{"session_id": "s", "model": "m", "messages": [SYSTEM, *odd[:n]]} for n in (2, 4, 5)]
    walked = list(conversations(records))
    for each in walked:
        assert ["system"] == [moment.entry.role for moment in Walk(each).moments()]
        assert forgotten(each, WORDS) == []
    assert 2 == len(walked)  # a role that is a number is no conversation
