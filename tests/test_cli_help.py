"""What surrounds the commands: help, examples, completion, settings, signals and full disks."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from unittest import mock

import pytest

from ctxmem import cli
from ctxmem.cli import COMMANDS, main, make_parser
from ctxmem.cli.bench import with_name
from ctxmem.cli.completion import SHELLS

ROOT = Path(__file__).resolve().parent.parent
NAMES = list(make_parser()[1])
EXAMPLES = [
    (name, example)
    for name, command in zip(NAMES, COMMANDS, strict=True)
    for example in command.EXAMPLES
]
HITS = ["The fee is due on the first day.", "Notice is thirty days.", "Parking is free."]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a folder with passages, in which the command runs, and a way to write its settings."""
    (tmp_path / "hits.json").write_text(json.dumps(HITS))
    inner = tmp_path / "src" / "deep"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)

    def write(settings: str) -> None:
        (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")

    return write


def packed(capsys, *options):
    """Return exit code and, as data or text, what a pack of the project's passages prints."""
    code = main([*options, "pack", "../../hits.json", "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if code == 0 else captured.err


# Help and completion ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, ""])
def test_help_ends_with_examples(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*filter(None, [name]), "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert re.search(rf"\nexamples?:\n\n(  .*\bctxmem {name}.*\n)+$", shown), shown


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_help_text(name):
    parser = make_parser()[1][name]
    options = [action for action in parser._actions if action.dest != "help"]
    assert options
    bare = [action.dest for action in options if len((action.help or "").split()) < 3]
    assert bare == []


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_is_a_command_that_the_parser_accepts(name, example):
    line = example.partition(" | ")[2] or example.partition(" > ")[0]
    program, *words = shlex.split(line)
    parsed = make_parser()[0].parse_args(with_name(words))
    assert (program, parsed.command) == ("ctxmem", name)


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert re.fullmatch(r"ctxmem \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_has_every_command_and_its_options(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in NAMES:
        assert name in script
    assert "fail-on" in script and "gateway_latency" in script


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_bash_completes_options_with_the_script(tmp_path):
    script = tmp_path / "ctxmem.bash"
    done = subprocess.run(
        [sys.executable, "-m", "ctxmem", "completion", "bash"], capture_output=True, check=True
    )
    script.write_bytes(done.stdout)
    ask = "COMP_WORDS=(ctxmem pack --sep); COMP_CWORD=2; _shtab_ctxmem; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["/bin/bash", "-c", f"source {script}; {ask}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["--separator"]


def test_without_shtab_the_error_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'ctxmem[cli]'" in capsys.readouterr().err


# Settings -----------------------------------------------------------------------------------------


def test_settings_of_the_project_are_defaults_and_options_override_them(project, capsys):
    project("[tool.ctxmem]\nbudget = 12\n")
    assert packed(capsys)[1]["budget"] == 12
    assert packed(capsys, "--no-config")[0] == 2  # no budget
    assert main(["pack", "../../hits.json", "--json", "--budget", "9"]) == 0
    assert json.loads(capsys.readouterr().out)["budget"] == 9


def test_a_table_of_a_command_overrides_the_section(project, capsys):
    project('[tool.ctxmem]\nbudget = "1_000"\n[tool.ctxmem.pack]\nbudget = 20\ndedup = "off"\n')
    assert packed(capsys)[1]["budget"] == 20


def test_the_nearest_file_with_a_section_counts(project, capsys, tmp_path):
    project("[tool.ctxmem]\nbudget = 12\n")
    (tmp_path / "src" / "pyproject.toml").write_text("[project]\nname = 'inner'\n")
    assert packed(capsys)[1]["budget"] == 12
    (tmp_path / "src" / "pyproject.toml").write_text("[tool.ctxmem]\nbudget = 15\n")
    assert packed(capsys)[1]["budget"] == 15


def test_flags_numbers_and_options_without_a_value_are_read(project, capsys, tmp_path):
    project("[tool.ctxmem.pack]\nbudget = 99\nwhole = true\nauto = 0.5\ndedup-threshold = 0.4\n")
    arguments = []

    def keep(given):
        arguments.append(given)
        return 0

    with mock.patch("ctxmem.cli.pack.run", keep):
        assert main(["pack", "../../hits.json"]) == 0
        project("[tool.ctxmem.pack]\nwhole = false\nauto = true\n")
        assert main(["pack", "../../hits.json"]) == 0
    first, second = arguments
    assert (first.budget, first.whole, first.auto, first.dedup_threshold) == (99, True, 0.5, 0.4)
    assert (second.budget, second.whole, second.auto) == (None, False, True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("[tool.ctxmem]\nbudjet = 3", r"has the key 'budjet'; expected one of budget, counter"),
        ("[tool.ctxmem.pack]\nhtml = 'a'", r"\[tool.ctxmem.pack\] has the key 'html'; expected"),
        ("[tool.ctxmem.serve]\nupstream = 'a'", r"has the key 'serve'"),
        ("[tool.ctxmem]\npack = 3", r"tool.ctxmem.pack is 3; expected a table"),
        ("[tool.ctxmem.pack]\nbudget = 'many'", r"budget is 'many': 'many' is not a number"),
        ("[tool.ctxmem.pack]\nbudget = true", r"budget is True; expected a value"),
        ("[tool.ctxmem.pack]\nwhole = 'yes'", r"whole is 'yes'; expected true or false"),
        ("[tool.ctxmem.pack]\norder = 'best'", r"order is 'best'; expected one of auto, score"),
        ("[tool.ctxmem.pack]\nbudget = [1]", r"budget is \[1\]; expected a string or a number"),
        ("[tool.ctxmem\n", r"pyproject.toml is not TOML"),
    ],
)
def test_wrong_settings_are_explained(project, capsys, settings, message):
    project(settings)
    code, error = packed(capsys)
    assert code == 2
    assert error.startswith("ctxmem pack: ") and error.count("\n") == 1
    assert re.search(message, error)


def test_a_broken_file_of_other_tools_is_none_of_our_business(project, capsys):
    project("[tool.other\nbudget = 3")
    assert main(["pack", "../../hits.json", "--budget", "9", "--json"]) == 0


def test_a_folder_that_was_deleted_has_no_settings(tmp_path, monkeypatch, capsys):
    (tmp_path / "hits.json").write_text(json.dumps(HITS))
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    if os.name != "nt":  # there a folder in use stays
        (tmp_path / "gone").rmdir()
    assert main(["pack", str(tmp_path / "hits.json"), "--budget", "9", "--json"]) == 0


def test_every_setting_is_an_option_that_writes_runs_and_sends_nothing():
    forbidden = {"html", "keep", "out", "restore", "force", "model", "judge", "key-env", "cache"}
    parsers = make_parser()[1]
    assert cli._SETTINGS.keys() == {"audit", "blame", "pack", "dedup", "replay"}
    for name, options in cli._SETTINGS.items():
        assert forbidden.isdisjoint(options)
        known = {text for action in parsers[name]._actions for text in action.option_strings}
        assert {f"--{option}" for option in options} <= known


# Ends ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="no signal of this kind")
def test_an_interrupt_while_the_program_is_imported_is_one_line_too():
    code = (
        "import sys, signal; from importlib.abc import MetaPathFinder\n"
        "class Stop(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'ctxmem.cli': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Stop()); from ctxmem.__main__ import run; sys.exit(run())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "ctxmem: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="no signal of this kind")
def test_a_server_ends_with_one_line_and_its_code():
    with subprocess.Popen(
        [sys.executable, "-m", "ctxmem", "serve", "--upstream", "http://127.0.0.1:9", "--port=0"],
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        word, address = run.stderr.readline().split()
        assert word == "listening" and "mode observe" in run.stderr.readline()
        with urllib.request.urlopen(f"{address}/ctxmem/", timeout=60) as page:
            assert b"ctxmem" in page.read()
        run.send_signal(signal.SIGINT)
        rest = run.communicate(timeout=60)[1]
    assert (run.returncode, rest) == (130, "ctxmem serve: interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", ["--help", "vocab"])
def test_a_full_disk_is_one_line(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ctxmem", arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    expected = "ctxmem: the output cannot be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (2, expected)


@pytest.mark.skipif(os.name == "nt", reason="no pipe of this kind")
@pytest.mark.parametrize("arguments", ["--help", "completion bash"])
def test_a_reader_that_left_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "ctxmem", *arguments.split()],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
