"""Errors of the command line name the option or the file that the user typed."""

from __future__ import annotations

import io
import json
import sys

import pytest

from ctxmem import pack
from ctxmem.cli import main
from ctxmem.cli import pack as cli_pack

ROWS = [{"text": "The fee is due in May."}, {"text": "Lunch is at noon."}]


@pytest.fixture
def hits(tmp_path):
    path = tmp_path / "hits.json"
    path.write_text(json.dumps(ROWS))
    return str(path)


def said(capsys, *arguments):
    """Return the exit code of a command and what it wrote to standard error."""
    code = main([str(one) for one in arguments])
    return code, capsys.readouterr().err


def misused(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "missing/page.html"])
def test_a_page_of_pack_that_cannot_be_written_is_named_behind_the_result(
    hits, tmp_path, capsys, name
):
    path = tmp_path / name
    assert main(["pack", hits, "--budget", "10", "--text", "--html", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "The fee is due in May.\n"
    assert printed.err.startswith(f"ctxmem pack: {path} cannot be written (")
    assert printed.err.count("\n") == 1


def test_several_files_of_passages_are_read_together(hits, tmp_path, capsys):
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "Coffee is free."}\n"The lift is broken."\n')
    assert main(["pack", hits, str(other), "--budget", "80", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["text"]
    for text in ("The fee is due in May.", "Coffee is free.", "The lift is broken."):
        assert text in shown
    assert "{" not in shown


def test_sorted_files_of_passages_are_lists_of_their_own(hits, tmp_path, capsys, monkeypatch):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"passages": ["Coffee is free.", "The lift is broken."]}))
    given = []

    def packed(items, *arguments, **options):
        given.extend(items)
        return pack(items, *arguments, **options)

    monkeypatch.setattr(cli_pack, "pack", packed)
    assert main(["pack", hits, str(other), "--budget", "80", "--ranked"]) == 0
    assert [(one["list"], one["rank"]) for one in given] == [
        (name, rank) for name in (hits, str(other)) for rank in (0, 1)
    ]


def test_files_with_different_questions_need_the_option(tmp_path, capsys):
    paths = []
    for query in ("When is the fee due?", "When is lunch?"):
        path = tmp_path / f"{len(paths)}.json"
        path.write_text(json.dumps({"query": query, "passages": ROWS}))
        paths.append(str(path))
    code, err = said(capsys, "pack", *paths, "--budget", "30")
    assert code == 2
    assert err == (
        f"ctxmem pack: {paths[1]} has another query than a file before it; expected --query\n"
    )
    assert main(["pack", *paths, "--budget", "30", "--query", "When is lunch?"]) == 0


def test_passages_beside_code_are_read_as_code_and_said_so(hits, tmp_path, capsys):
    code = tmp_path / "main.py"
    code.write_text("def fee():\n    return 5\n")
    done, err = said(capsys, "pack", hits, code, "--budget", "60")
    assert done == 0
    assert err.startswith(f"ctxmem pack: {hits} has passages; it is read as source code")


def test_a_folder_without_files_is_named(tmp_path, capsys):
    code, err = said(capsys, "pack", tmp_path, "--budget", "10")
    assert code == 2
    assert err == (
        f"ctxmem pack: {tmp_path}: no file is read; expected source code or texts, such as .py, "
        ".md or .txt\n"
    )


@pytest.mark.parametrize("text", ["[]", '{"passages": []}'])
def test_a_file_without_passages_is_named(tmp_path, capsys, text):
    path = tmp_path / "none.json"
    path.write_text(text)
    code, err = said(capsys, "pack", path, "--budget", "10")
    assert (code, err) == (2, f"ctxmem pack: {path} holds no passages; expected at least one\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "standard input is empty; expected passages as JSON or JSONL"),
        ("[]", "standard input holds no passages; expected at least one"),
        ("5", "standard input holds a number without passages; expected a list"),
        ('{"a": {}}', "standard input holds an object without passages; expected a list"),
        ("null", "standard input holds null without passages; expected a list"),
        ("[5]", "chunk 0 is an int; expected"),
        ("{a", "standard input is not JSON"),
    ],
)
def test_standard_input_is_called_so(monkeypatch, capsys, text, expected):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, err = said(capsys, "pack", "-", "--budget", "10")
    assert code == 2
    assert err.startswith(f"ctxmem pack: {expected}")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("[{foo}]", "it has {foo}"),
        ("[{}]", "a field has no name"),
        ("[{source", "expected '}' before end of string"),
        ("[{source.name}]", "'str' object has no attribute 'name'"),
    ],
)
def test_a_header_that_cannot_be_filled_in_says_why(hits, capsys, template, why):
    code, err = said(capsys, "pack", hits, "--budget", "40", "--header", template)
    assert code == 2
    assert err.startswith(
        f"ctxmem pack: header template {template!r} cannot be filled in ({why}); expected only "
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("pack", "x", "--budget", "10k"), "argument --budget: '10k' is not a number of tokens"),
        (("pack", "x", "--auto", "5"), "argument --auto: '5' is no value per token; expected a nu"),
        (("pack", "--auto", "x"), "argument --auto: 'x' is no value per token; expected a number"),
        (("serve", "--mode", "foo"), "argument --mode: invalid choice: 'foo'"),
    ],
)
def test_misuse_is_one_line(capsys, arguments, reason):
    name = arguments[0]
    err = misused(capsys, *arguments)
    assert err.startswith(f"ctxmem {name}: {reason}")
    assert err.endswith(f"; ctxmem {name} --help explains the options\n")
    assert err.count("\n") == 1
    assert ("put FILE before --auto" in err) is (arguments[1:] == ("--auto", "x"))


def test_a_store_that_is_no_database_is_refused_at_the_start(tmp_path, capsys):
    pytest.importorskip("mcp.server.mcpserver")
    path = tmp_path / "bin.dat"
    path.write_bytes(bytes(range(256)) * 20)
    code, err = said(capsys, "mcp", "--store", path)
    assert code == 2
    assert "file is not a database" in err
    assert path.read_bytes() == bytes(range(256)) * 20


def test_a_line_that_is_no_text_is_counted_once(tmp_path, capsys):
    path = tmp_path / "bin.jsonl"
    path.write_bytes(b"\xfd {\n" + b'{"role": "user", "content": "caf\xe9"}\n')
    assert main(["audit", str(path), "--json"]) == 2
    read = json.loads(capsys.readouterr().out)["read"]
    latin = "lines with bytes that are not UTF-8, read as U+FFFD"
    assert read["skipped"] == {"not JSON": 1, latin: 1}
    assert read["places"] == {"not JSON": [f"{path}:1"], latin: [f"{path}:2"]}


def test_passages_without_a_question_are_said_to_be_guessed(tmp_path, capsys):
    path = tmp_path / "mixed.jsonl"
    path.write_text('{"text": "one alpha"}\n{"text": "two beta"}\n')
    assert main(["audit", str(path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 passages without a question; those of one file are taken for one request" in printed
    path.write_text('{"text": "one alpha", "query": "q"}\n')
    assert main(["audit", str(path)]) == 0
    assert "without a question" not in capsys.readouterr().out


def test_traces_that_are_missing_are_said_before_anything_else(tmp_path, capsys):
    path = tmp_path / "missing.json"
    code, err = said(capsys, "blame", path, "--model", "app:answer")
    assert code == 2
    assert err.startswith(f"ctxmem blame: {path} cannot be read (no such file)")


def test_what_vocab_does_not_know_is_said_in_few_words(tmp_path, capsys, monkeypatch):
    code, err = said(capsys, "vocab", "nosuch")
    assert code == 2
    assert "is called 'nosuch'" in err
    assert len(err.split()) < 60
    (tmp_path / "bin.dat").write_bytes(b"\0\1\2")
    monkeypatch.chdir(tmp_path)
    code, err = said(capsys, "vocab", "bin.dat")
    assert code == 2
    assert err.startswith("ctxmem vocab: bin.dat is no tokenizer file; expected a tokenizer.json")


def test_the_help_of_audit_names_every_source(capsys):
    with pytest.raises(SystemExit):
        main(["audit", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for name in (
        *("Phoenix", "OpenInference", "OpenLLMetry", "Vercel", "LangSmith", "Langfuse", "MLflow"),
        *("Weave", "Agents SDK", "OpenAI", "Anthropic", "Gemini", "Bedrock", "LiteLLM"),
        *("Helicone", "Claude Code", "Codex", "Gemini CLI", "messages", "retrieval hits"),
    ):
        assert name in shown
