"""ctxmem blame on the command line: what a person reads before, while and after it asks."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from ctxmem.bench import blame as bench
from ctxmem.bench import blame_questions as made

from ctxmem.cli import main

MODEL = '''
import os, time
def answer(messages):
    """Answer slowly if the environment says so."""
    time.sleep(float(os.environ.get("SLOW", "0")))
    return "thirty days" if "thirty" in messages[-1]["content"] else "I do not know"
def judge(question, expected, answer):
    return "thirty" in answer
'''
REFUND = "Refunds are paid within thirty days of the purchase, to the same card."
ASK = "How long do refunds take?"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("answering", None)
    (tmp_path / "answering.py").write_text(MODEL)
    rows = [{"query": ASK, "hits": [{"text": REFUND}]}]
    rows += [{"query": f"{ASK} Case {i}?", "hits": [{"text": f"Nothing {i}."}]} for i in range(20)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{oops\n")
    answers = [{"question": row["query"], "answer": "thirty days"} for row in rows]
    (tmp_path / "e.json").write_text(json.dumps(answers))
    return tmp_path


ARGS = ["blame", "t.jsonl", "--model", "answering:answer", "--expected", "e.json"]


def test_the_plan_is_printed_and_nothing_is_asked(folder, capsys):
    assert main([*ARGS, "--plan", "--prices", "3"]) == 0
    shown = capsys.readouterr().out
    assert "21 questions in up to 5 windows: 42 calls of the model." in shown
    assert re.search(r"They take [\d,]+ input tokens, at most \$[\d.]+ for the input", shown)
    assert "Not read: 1 record: not JSON" in shown
    assert not (folder / ".ctxmem-blame").exists()
    assert main([*ARGS, "--plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 42


def test_where_nobody_can_answer_it_asks_only_with_yes(folder, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(ARGS) == 2
    out, err = capsys.readouterr()
    assert out == "" and "42 calls of the model" in err and "give --yes to agree in advance" in err
    assert main([*ARGS, "--yes", "--html", "out.html"]) == 0
    out, err = capsys.readouterr()
    assert "20 of 21 questions were not answered right: 20 because of the retriever." in out
    assert "It would not fix the context: 20 need a better retriever." in " ".join(out.split())
    assert "wrote out.html" in err and (folder / "out.html").stat().st_size > 5000
    assert main(ARGS) == 0  # all answers are kept: nothing is left to agree to
    assert "0 calls of answering:answer" in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("\n", 2), ("no\n", 2)])
def test_a_person_is_asked_before_anything_is_sent(folder, capsys, monkeypatch, typed, code):
    stdin = io.StringIO(typed)
    stdin.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", stdin)
    assert main([*ARGS, "--no-cache"]) == code
    out, err = capsys.readouterr()
    assert "Ask the model? [y/N]" in err and bool(out) is (code == 0)
    assert not (folder / ".ctxmem-blame").exists()


def test_json_has_every_question(folder, capsys):
    assert main([*ARGS, "--yes", "--json", "--judge", "answering:judge"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["questions"]) == 21 and data["schema_version"]
    assert data["faults"]["none"]["count"] == 1
    assert data["asked"]["judge_calls"] > 0


def test_ctrl_c_ends_with_one_line_and_the_answers_are_kept(folder):
    environment = {**os.environ, "SLOW": "0.1"}
    command = [sys.executable, "-m", "ctxmem", *ARGS, "--yes"]
    run = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    kept = folder / ".ctxmem-blame"
    for _ in range(300):
        if len(list(kept.rglob("*.json"))) >= 3:
            break
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 130 and out == ""
    assert "stopped; answers are kept in .ctxmem-blame" in err and "Traceback" not in err
    environment["SLOW"] = "0"
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0
    calls = int(re.search(r"(\d+) calls? of answering", done.stdout)[1])
    assert 0 < calls <= 39


def test_a_server_of_our_own_is_asked(folder, capsys):
    asked = made.questions(12, 4)
    (folder / "q.json").write_text(json.dumps(made.records(asked)))
    (folder / "a.json").write_text(json.dumps(made.expected(asked)))
    with bench.serve(made.Stub(asked)) as address:
        code = main(["blame", "q.json", "--expected", "a.json", "--model", address,
                     "--name", "stub", "--yes", "--json"])  # fmt: skip
    assert code == 0
    found = {q["question"]: q["fault"] for q in json.loads(capsys.readouterr().out)["questions"]}
    assert found == {one.text: made.fault(one) for one in asked}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "answering:answer"], "give --expected FILE"),
        (["--model", "answering:nothing", "--expected", "e.json"], "has no function nothing"),
        (["--model", "http://127.0.0.1:9/v1", "--name", "m", "--retries", "0", "--yes",
          "--expected", "e.json"], "http://127.0.0.1:9/v1/chat/completions cannot be reached"),
        (["--model", "http://127.0.0.1:9/v1", "--yes", "--expected", "e.json"],
         "21 of 21 questions have no name of a model in the trace"),
        (["--model", "http://127.0.0.1:9/v1", "--parallel", "0", "--expected", "e.json"],
         "--parallel is 0"),
        (["--model", "http://127.0.0.1:9/v1", "--timeout", "nan", "--expected", "e.json"],
         "--timeout is nan; expected 0.001 to 86,400"),
        (["--model", "http://127.0.0.1:9/v1", "--key-env", "NO_SUCH_KEY", "--expected", "e.json"],
         "no such variable is set"),
        (["--model", "answering:answer", "--expected", "e.json", "--threshold", "nan"],
         "threshold is nan"),
        (["--model", "answering:answer", "--expected", "e.json", "--html", "no/such/page.html"],
         "there is no such folder"),
        (["--model", "answering:answer", "--expected", "e.json", "--output-price", "3"],
         "needs --prices"),
        (["--model", "answering:answer", "--expected", "e.json", "--prices", "x"],
         "expected dollars a million input tokens"),
        (["--model", "answering:answer", "--expected", "t.jsonl"], "line 22 is not JSON"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_a_sentence_and_code_2(folder, capsys, arguments, message):
    assert main(["blame", "t.jsonl", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


def test_nothing_leaves_the_machine_without_an_address(folder, monkeypatch):
    def no_network(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket", no_network)
    assert main([*ARGS, "--yes"]) == 0
