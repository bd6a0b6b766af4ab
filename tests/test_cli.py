"""The command line, run as a person would."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ctxmem import pack
from ctxmem.cli import main
from ctxmem.cli.reading import progress

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "contract_review.json"


def run(*arguments, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", "ctxmem", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_needs_nothing_but_its_file():
    done = run("pack", EXAMPLE)
    assert done.returncode == 0, done.stderr
    assert "of 400 tokens (o200k_base, exact)" in done.stdout
    assert "duplicate: returned 5 times, shown once" in done.stdout
    assert "thirty days' written notice" in done.stdout


def test_json_is_the_window_as_plain_data(capsys):
    assert main(["pack", str(EXAMPLE), "--json", "--budget", "300"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["schema_version"], data["budget"], len(data["decisions"])) == (2, 300, 43)
    assert data["tokens"] <= 300


def test_what_is_folded_is_an_option(tmp_path, capsys):
    file = tmp_path / "hits.json"
    clause = "The fee of {} euro is due on the first day of each month"
    texts = [clause.format(30), clause.format(30), clause.format(45), clause.format(30) + " or so"]
    file.write_text(json.dumps(texts))

    def kept(*options):
        assert main(["pack", str(file), "--budget", "500", "--json", *options]) == 0
        return [decision["kept"] for decision in json.loads(capsys.readouterr().out)["decisions"]]

    assert kept() == kept("--dedup", "careful") == [True, False, True, False]
    assert kept("--dedup", "exact") == [True, False, True, True]
    assert kept("--dedup", "off") == kept("--no-dedup") == [True] * 4
    assert kept("--dedup-threshold", "0.4") == [True, False, False, False]
    assert main(["pack", str(file), "--budget", "9", "--dedup-threshold", "2"]) == 2
    assert "dedup_threshold is 2.0; expected a share" in capsys.readouterr().err


def test_text_prints_the_window_alone(capsys):
    assert main(["pack", str(EXAMPLE), "--text", "--header", "[{source}]"]) == 0
    assert capsys.readouterr().out.startswith("[memo-2026-01.md]\n")


def test_a_pack_stops_where_more_is_not_worth_its_tokens(capsys):
    tokens, stopped = [], []
    for more in ([], ["--auto"], ["--auto", "0.02"], ["--auto", "0.2"]):
        assert main(["pack", str(EXAMPLE), "--budget", "2000", "--json", *more]) == 0
        window = json.loads(capsys.readouterr().out)
        tokens.append(window["tokens"])
        stopped.append(window["stopped_early"])
    assert tokens[0] >= tokens[1] > tokens[2] > tokens[3] > 0
    assert stopped[2:] == [True, True] and not stopped[0]


@pytest.mark.parametrize("worth", [str(EXAMPLE), "0", "-1", "2", "nan"])
def test_what_is_no_worth_is_explained(capsys, worth):
    with pytest.raises(SystemExit):
        main(["pack", str(EXAMPLE), f"--auto={worth}"])
    assert f"{worth!r} is no value per token; expected a number" in capsys.readouterr().err


def test_passages_may_be_kept_whole(capsys):
    cut = []
    for more in ([], ["--whole"]):
        assert main(["pack", str(EXAMPLE), "--json", *more]) == 0
        decisions = json.loads(capsys.readouterr().out)["decisions"]
        cut.append([d for d in decisions if d["kept"] and "tokens are shown" in d["detail"]])
    assert cut[0] and not cut[1]


def test_variants_of_the_question_come_by_option_or_file(tmp_path, capsys):
    data = json.loads(EXAMPLE.read_text())
    variants = ["How is the fee paid?", "Which invoices are due?"]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(data | {"variants": variants}))
    plain = pack(data["chunks"], data["budget"], query=data["query"])
    asked = pack(data["chunks"], data["budget"], query=data["query"], variants=variants)
    assert plain.to_dict() != asked.to_dict()
    options = [part for text in variants for part in ("--variant", text)]
    for given in ([str(EXAMPLE), *options], [str(file)]):
        assert main(["pack", *given, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(asked.to_dict()))


def test_jsonl_comes_through_standard_input(monkeypatch, capsys):
    lines = b'{"text": "one thing"}\n\n"another thing"\n'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert main(["pack", "-", "--budget", "50", "--text"]) == 0
    assert {"one thing", "another thing"} == set(capsys.readouterr().out.strip().split("\n\n"))


@pytest.mark.parametrize(
    "passage",
    [{"text": "one thing"}, {"page_content": "one thing"}, {"content": "one thing"}, "one thing"],
    ids=["text", "page_content", "content", "str"],
)
@pytest.mark.parametrize("count", [1, 2])
def test_a_file_of_one_line_is_read_as_one_of_many_is(tmp_path, capsys, passage, count):
    file = tmp_path / "hits.jsonl"
    file.write_text("\n".join([json.dumps(passage)] * count), encoding="utf-8")
    assert main(["pack", str(file), "--budget", "50", "--text"]) == 0
    assert capsys.readouterr().out.strip() == "one thing"


@pytest.mark.parametrize(
    "key",
    ["passages", "chunks", "hits", "documents", "results", "contexts", "retrieved"],
)
def test_a_query_with_its_passages_is_read_under_every_usual_key(tmp_path, capsys, key):
    file = tmp_path / "hits.json"
    data = {"query": "When is it due?", "budget": 9, key: ["It is due in May.", "Pay by card."]}
    file.write_text(json.dumps(data), encoding="utf-8")
    assert main(["pack", str(file), "--text"]) == 0
    assert capsys.readouterr().out.strip() == "It is due in May."


def test_html_is_written(tmp_path, capsys):
    page = tmp_path / "window.html"
    assert main(["pack", str(EXAMPLE), "--html", str(page), "--text"]) == 0
    assert f"wrote {page}" in capsys.readouterr().err
    assert "Content-Security-Policy" in page.read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected passages"),
        (b"{not json", "is not JSON"),
        (b'{"text": "a"}\n{oops\n', "line 2 is not JSON"),
        (b"[" * 100_000, "is nested too deep"),
        (b"\n" + b'{"text": "a"}\n' + b"[" * 100_000, "line 3 is not JSON: nested too deep"),
        (b'{"query": "a"}', "holds an object without passages"),
        (b'{"text": 3}', "expected a list, one passage, or an object with a list under one of"),
        (b'""', "holds an empty text without passages"),
        (b"3", "holds a number without passages"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[]", "holds no passages"),
        (b'["a"]', "no budget given"),
    ],
)
def test_bad_files_are_explained(tmp_path, capsys, content, message):
    file = tmp_path / "hits.json"
    file.write_bytes(content)
    budget = [] if content == b'["a"]' else ["--budget", "10"]
    assert main(["pack", str(file), *budget]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ctxmem pack: ") and message in error


def test_a_missing_file_is_explained(capsys):
    assert main(["pack", "nowhere.json", "--budget", "5"]) == 2
    assert "nowhere.json cannot be read (No such file" in capsys.readouterr().err


def test_misuse_exits_with_two(capsys):
    for arguments in (["pack"], ["pack", "x", "--budget", "many"], ["fold"], []):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert "'many' is not a number of tokens" in capsys.readouterr().err


def test_vocab_lists_where_vocabularies_are(capsys):
    assert main(["vocab", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["vocabularies"]
    places = {row["name"]: (row["place"], row["sha256_ok"]) for row in rows}
    assert ("in the package", True) == places["o200k_base"] == places["cl100k_base"]
    assert {"p50k_base", "r50k_base"} <= places.keys()
    assert main(["vocab"]) == 0
    assert re.search(r"^o200k_base +in the package: .*\(1\.0 MB\)$", capsys.readouterr().out, re.M)
    assert main(["vocab", "--fetch", "o200k_base"]) == 0  # nothing to fetch
    assert "(in the package)" in capsys.readouterr().err


def test_vocab_says_how_models_are_counted(tmp_path, capsys, monkeypatch):
    snapshot = tmp_path / "hub" / "models--some--tiny-model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    tiny = {"model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}
    path = snapshot / "tokenizer.json"
    path.write_text(json.dumps(tiny), "utf-8")
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert main(["vocab"]) == 0
    assert f"some/tiny-model in a cache: {path}" in capsys.readouterr().out
    assert main(["vocab", "gpt-4o", "some/tiny-model", str(path), "claude-sonnet-4-5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"gpt-4o: exact as o200k_base, by .*o200k_base\.bin", lines[0])
    assert [f"some/tiny-model: exact, by {path}", f"{path}: exact, by {path}"] == lines[1:3]
    assert re.match(
        r"claude-sonnet-4-5: estimated, as family claude_3; .*English 1\.\d\d", lines[3]
    )
    assert main(["vocab", "--json", "claude-sonnet-4-5", "gpt-4o"]) == 0
    claude, gpt = json.loads(capsys.readouterr().out)["models"]
    assert (claude["exact"], claude["path"], claude["family"]) == (False, None, "claude_3")
    assert claude["margins"]["words"] > 1
    assert (gpt["exact"], gpt["margins"]) == (True, None)
    assert main(["vocab", "gpt4o"]) == 2
    assert "did you mean 'gpt-4o'?" in capsys.readouterr().err


def test_a_tokenizer_file_is_a_counter_on_the_command_line(tmp_path, capsys):
    path = tmp_path / "tokenizer.json"
    tiny = {"model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}
    path.write_text(json.dumps({**tiny, "pre_tokenizer": {"type": "Whitespace"}}), "utf-8")
    assert main(["pack", str(EXAMPLE), "--counter", str(path)]) == 0
    assert f"({path}, exact)" in capsys.readouterr().out


def test_a_reader_that_leaves_early_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m ctxmem pack {EXAMPLE} | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="no signal of this kind")
@pytest.mark.parametrize("command", ["audit", "replay", "dedup", "pack"])
def test_an_interrupt_ends_with_one_line_and_its_code(command):
    line = b'{"role": "user", "content": "' + b"word " * 200 + b'"}\n'
    with subprocess.Popen(
        [sys.executable, "-m", "ctxmem", command, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as run:
        run.stdin.write(line * 500)  # more than a pipe holds: the command is reading by now
        run.stdin.flush()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (130, b"")
    assert err.decode() == f"ctxmem {command}: interrupted\n"


def test_a_reader_that_leaves_early_does_not_open_the_gate(tmp_path):
    hit = {"text": "Refunds are paid within thirty days of purchase."}
    (tmp_path / "a.jsonl").write_text(json.dumps({"query": "When?", "hits": [hit, hit]}) + "\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ctxmem",
            "audit",
            tmp_path / "a.jsonl",
            "--json",
            "--fail-on",
            "repeat_in_request>0",
        ],
        stdout=closed_pipe(),
        stderr=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode().startswith("ctxmem audit: failed: repeat_in_request")
    assert done.stderr.count(b"\n") == 1
    rows = [json.dumps({"text": hit["text"]})] * 2
    (tmp_path / "b.jsonl").write_text("\n".join(rows))
    done = subprocess.run(
        [sys.executable, "-m", "ctxmem", "dedup", tmp_path / "b.jsonl"],
        stdout=closed_pipe(),
        stderr=subprocess.PIPE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")


def closed_pipe():
    """Return a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_dedup_groups_and_prices_what_repeats(tmp_path, capsys):
    passage = "The early termination charge is equal to 25 per cent of the remaining fees."
    lines = [passage, "Something else entirely stands here.", passage, passage + " Or not."]
    hits = tmp_path / "hits.jsonl"
    hits.write_text("\n".join(json.dumps({"text": line}) for line in lines))
    kept = tmp_path / "kept.jsonl"
    assert main(["dedup", str(hits), "--keep", str(kept)]) == 1
    shown = capsys.readouterr().out
    assert "4 texts" in shown and "2 of the texts repeat others, in 1 group" in shown
    assert f"{hits}:4  (19 tokens, kept)" in shown
    assert "lacks 'not', 'Or', which that has" in shown
    assert [json.loads(line)["text"] for line in kept.read_text().splitlines()] == lines[1::2]


def test_dedup_json_and_folders(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("one two three four five six\n\nsomething else here")
    (tmp_path / "b.txt").write_text("one two three four five six")
    assert main(["dedup", str(tmp_path), "--paragraphs", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["texts"], data["saved_tokens"], len(data["groups"])) == (3, 6, 1)
    assert main(["dedup", str(tmp_path / "b.txt")]) == 0
    assert "none repeats another" in capsys.readouterr().out


def test_dedup_says_what_each_member_is_and_keeps_whom_it_is_told_to(tmp_path, capsys, monkeypatch):
    lines = ["one two three four five", "One two three four five, six", "one two three four five"]
    rows = "\n".join(json.dumps({"text": line}) for line in lines)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(rows.encode())))
    assert main(["dedup", "-", "--prefer", "first", "--threads", "2", "--json"]) == 1
    (group,) = json.loads(capsys.readouterr().out)["groups"]
    assert group["keep"] == "-:1"
    said = [(member["id"], member["kind"], member["similarity"]) for member in group["members"]]
    assert said == [("-:1", "exact", 1.0), ("-:2", "near", 0.75), ("-:3", "exact", 1.0)]
    (tmp_path / "a.txt").write_text("text")
    assert main(["dedup", str(tmp_path / "a.txt"), "--threads", "0"]) == 2
    assert "threads is 0; expected 1 to" in capsys.readouterr().err


def test_dedup_skips_what_is_no_text_in_a_folder_and_says_so(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("one two three four")
    (tmp_path / "b.txt").write_text("one two three four")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / "d.json").write_text('{"name": "no passages"}')
    assert main(["dedup", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "2 texts" in printed.out and "same text" in printed.out
    assert f"skipped 2 files without text: {tmp_path / 'c.png'}" in printed.err
    assert main(["dedup", str(tmp_path / "c.png")]) == 2


ROWS = [
    '{"text": "The fee is due on the first day of the month."}',
    '{"text": "the fee is due on the first day of the month!"}',
]


def test_one_bad_line_does_not_hide_the_repeats_of_its_file(tmp_path, capsys):
    bad = tmp_path / "passages.jsonl"
    bad.write_text("\n".join([ROWS[0], "oops", ROWS[1]]))
    (tmp_path / "other.txt").write_text("Anything else.")
    for path in (tmp_path, bad):
        assert main(["dedup", str(path)]) == 1
        printed = capsys.readouterr()
        assert "1 of the texts repeats others" in printed.out and f"{bad}:3" in printed.out
        assert printed.err == f"ctxmem dedup: 1 not read: not JSON ({bad}:2)\n"


def test_no_gate_is_green_for_what_could_not_be_read(tmp_path, capsys):
    bad = tmp_path / "passages.jsonl"
    bad.write_text("\n".join([ROWS[0], "oops"]))
    assert main(["dedup", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.err == (
        f"ctxmem dedup: nothing repeats in what could be read; 1 not read: not JSON ({bad}:2)\n"
    )
    assert main(["dedup", str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["unread"] == {"not JSON": 1}


def test_texts_in_latin_1_are_compared_and_reported(tmp_path, capsys):
    text = "Die Gebühr ist am ersten Tag des Monats fällig.\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "b.txt").write_text("Kopf\n", encoding="latin-1")
    (tmp_path / "c.txt").write_text(text, encoding="latin-1")
    assert main(["dedup", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "same text" in printed.out
    assert f"read as Windows-1252: 1 ({tmp_path / 'c.txt'}:1)" in printed.err
    rows = [row.replace("fee", "Gebühr") for row in ROWS]
    (tmp_path / "d.jsonl").write_text("\n".join(rows), encoding="latin-1")
    assert main(["dedup", str(tmp_path / "d.jsonl")]) == 1
    said = "lines with bytes that are not UTF-8, read as U+FFFD: 2"
    assert f"{said} ({tmp_path / 'd.jsonl'}:1" in capsys.readouterr().err


def test_what_was_retrieved_twice_in_traces_repeats(tmp_path, capsys):
    passage = "Refunds are paid within thirty days of purchase, to the card that was charged."
    runs = [
        {
            "id": f"r{i}",
            "trace_id": f"t{i}",
            "run_type": "retriever",
            "inputs": {"query": "When?"},
            "outputs": {"documents": [{"page_content": text, "metadata": {}}]},
        }
        for i, text in enumerate((passage, "Something else entirely.", passage))
    ]
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(map(json.dumps, runs)))
    assert main(["dedup", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "3 texts" in shown and f"{path}:1" in shown and f"{path}:3" in shown


def test_progress_is_a_bar_where_somebody_watches(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress("counting", 512, 1024)
    progress("")
    assert "counting [############............] 512 of 1,024" in capsys.readouterr().err


def test_dedup_explains_bad_input(tmp_path, capsys):
    assert main(["dedup", str(tmp_path / "nothing")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "blank.txt").write_text(" \n")
    assert main(["dedup", str(tmp_path)]) == 2
    assert "no text" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("text")
    assert main(["dedup", str(tmp_path), "--threshold", "3"]) == 2
    assert "threshold is 3.0; expected" in capsys.readouterr().err


# replay -------------------------------------------------------------------------------------------


def chats(turns=30):
    made = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Find it."}]
    for i in range(turns):
        made.append({"role": "assistant", "content": f"Open file_{i}.py."})
        made.append({"role": "user", "content": f"file_{i}.py: " + "some words of code " * 20})
    return [made, made[:20]]


def test_replay_compares_policies_at_several_prices(tmp_path, capsys):
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(json.dumps({"messages": chat}) for chat in chats()))
    page = tmp_path / "out.html"
    arguments = ["replay", str(path), "--budget", "1_500", "--prices", "anthropic,openai"]
    assert main([*arguments, "--policy", "auto,slide", "--html", str(page)]) == 0
    out = capsys.readouterr().out
    # Both chats end with a question, whose window was sent too; the shorter is a chat of its own.
    assert "2 conversations, 82 messages, 41 calls of the model" in out
    assert out.count("slide") == 2 and f"wrote {page}" in out
    html = page.read_text()
    # At each of two prices: bill and window, a line for each of two policies and the whole history.
    assert html.count("<polyline") == 10 and "budget" in html


def test_files_that_cannot_be_written_are_named(tmp_path, capsys):
    path, there = tmp_path / "trace.jsonl", str(tmp_path / "no" / "out")
    path.write_text(json.dumps({"messages": chats()[1]}), encoding="utf-8")
    assert main(["replay", str(path), "--html", there]) == 2
    assert f"ctxmem replay: {there} cannot be written (No such file" in capsys.readouterr().err
    path.write_text(json.dumps({"text": "A parcel."}), encoding="utf-8")
    assert main(["dedup", str(path), "--keep", there]) == 2
    assert f"ctxmem dedup: {there} cannot be written (No such file" in capsys.readouterr().err


def test_replay_as_json_adds_up(tmp_path, capsys):
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(chats()[0]))
    assert main(["replay", str(path), "--budget", "1500", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [row["policy"] for row in data["rows"]] == ["auto", "covered", "batch", "slide"]
    for row, (one,) in zip(data["rows"], data["replays"], strict=True):
        assert row["bill"] == pytest.approx(sum(one["bills"]))
        assert row["ratio"] == pytest.approx(row["bill"] / row["untrimmed"])
        assert row["largest"] == max(one["windows"]) <= 1500
        assert row["edits"] == len(one["edited"]) > 0
    auto, covered, _, slide = data["rows"]
    assert auto["ratio"] < slide["ratio"] and covered["ratio"] <= 1.0 + 1e-9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7", "1 record skipped: of no known format"),
        ("[]", "holds no conversation; expected messages with role and content"),
        ('[{"text": "x"}]', "1 retrievals without a request to a model"),
        ('{"role": "user", "content": "x"}\n{', "1 record skipped: not JSON, such as"),
        ('{"role": "user", "content": "x"}', "1 messages behind the last answer"),
    ],
)
def test_what_is_no_trace_is_said_so(tmp_path, capsys, text, message):
    path = tmp_path / "trace.jsonl"
    path.write_text(text)
    assert main(["replay", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_replay_refuses_unknown_prices_and_policies(tmp_path, capsys):
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(chats()[0]))
    assert main(["replay", str(path), "--prices", "free"]) == 2
    assert "prices is 'free'; expected one of anthropic" in capsys.readouterr().err
    assert main(["replay", str(path), "--policy", "best"]) == 2
    assert "policy is 'best'; expected one of auto" in capsys.readouterr().err


@pytest.mark.slow
def test_the_bill_benchmark_checks_and_reports(tmp_path, capsys):
    from ctxmem.bench import bill

    from ctxmem import count_tokens

    path = tmp_path / "runs.jsonl"
    runs = []
    for name in ("one", "two"):
        messages = [
            {"role": m["role"], "text": m["content"], "tok": count_tokens(m["content"]) + 4}
            for m in chats(60)[0]
        ]
        runs.append(json.dumps({"src": "made up", "name": name, "msgs": messages}))
    path.write_text("\n".join(runs))
    arguments = ["--data", str(path), "--budgets", "2000", "--prices", "anthropic"]
    assert bill.main([*arguments, "--json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    rows = {row["policy"]: row for row in table["rows"]}
    assert table["runs"] == 2 and rows["Memory"]["peak"] <= 2000
    assert rows["Memory"]["bill"] < rows['Memory, policy="slide"']["bill"]
    assert 0 <= rows["Memory"]["full"] <= rows["Memory"]["named"] <= 1
    assert bill.main(arguments) == 0
    assert "made up, budget 2,000, anthropic prices: 2 runs, 120 calls" in capsys.readouterr().out
