"""The audit on the command line: what a person reads, and what a gate does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ctxmem.bench import traces

from ctxmem import audit
from ctxmem.auditing import METRICS
from ctxmem.cli import main

ROOT = Path(__file__).parent.parent
ONE = "A parcel that nobody takes in goes back to the shop after seven days at the latest."
TWO = "Whoever moves tells the post office two weeks ahead and leaves the new address."


def hits(*texts, query="q", **more):
    return {"query": query, "hits": [{"text": text} for text in texts], **more}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "hits.jsonl"
    path.write_text(json.dumps(hits(ONE, TWO, ONE)) + "\n{oops\n")
    return path


def test_the_command_says_what_is_wrong_and_how_to_mend_it(file, capsys):
    assert main(["audit", str(file), "--prices", "3", "--replay"]) == 0
    shown = capsys.readouterr().out
    assert "35% of the 52 tokens in 1 request repeat text of the same request." in shown
    assert "1. The same text occurs several times in one request: 18 tokens (35%)" in shown
    assert "window = ctxmem.pack(hits, budget=4000, query=question)" in shown
    assert "Replay: the same 1 request with ctxmem" in shown
    assert f"not JSON (first at {file}:2)" in shown


def test_the_command_is_a_gate(file, capsys):
    assert main(["audit", str(file), "--fail-on", "dup_tokens>10%", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["totals"]["calls"] == 1
    assert "failed: dup_tokens>10%, measured 34.6%" in err
    assert main(["audit", str(file), "--fail-on", "dup_tokens>90%,over_budget>0"]) == 0
    err = capsys.readouterr().err
    assert "passed: dup_tokens>90%, measured 34.6%" in err
    assert "passed: over_budget>0, measured 0" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fail-on", "waste>1"], "there is no metric 'waste'"),
        (["--prices", "dear"], "--prices is 'dear'; expected dollars a million"),
        (["--html", "/no/such/folder/a.html"], "cannot be written"),
        (["--budget", "0"], "budget is 0 tokens"),
        (["nowhere.jsonl"], "nowhere.jsonl cannot be read"),
    ],
)
def test_misuse_of_the_command_is_explained(file, capsys, options, message):
    assert main(["audit", str(file), *options]) == 2
    assert message in capsys.readouterr().err


ACTING = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eesrever\x00\r\ud800"


def acting(value):
    """Put what a terminal obeys in front of every text."""
    if isinstance(value, dict):
        return {key: acting(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [acting(inner) for inner in value]
    structural = ("assistant", "user", "system", "tool", "function", "retriever", "llm", "text")
    return ACTING + value if isinstance(value, str) and value not in structural else value


def test_no_terminal_obeys_what_is_in_a_trace(tmp_path, capsys):
    file = tmp_path / "a.jsonl"
    records = acting(traces.planted(40).records)
    records += [acting(hits(ONE, TWO, ONE)), {**acting(hits(ONE, ONE)), "session": ACTING}]
    file.write_text("\n".join(map(json.dumps, records)))
    main(["audit", str(file), "--budget", "50"])
    shown = capsys.readouterr()
    assert "␛]0;owned␇" in shown.out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", shown.out)
    main(["dedup", str(file)])
    assert "\x1b" not in capsys.readouterr().out


def test_a_terminal_of_few_characters_is_no_reason_to_stop(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(hits("\u20ac " + ONE, "\u20ac " + ONE)))
    code = "import sys; from ctxmem.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", str(file)],
        env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "- ? A parcel" in done.stdout and not done.stderr


def test_nothing_to_audit_passes_no_gate(tmp_path, capsys):
    file = tmp_path / "a.jsonl"
    file.write_text("id,text\n1,hello\n")
    assert main(["audit", str(file), "--prices", "3", "--fail-on", "dup_tokens>0"]) == 2
    out, err = capsys.readouterr()
    assert "No request and no retrieval was found" in out and "$" not in out
    assert f"nothing to audit in {file}; expected traces or logs" in err


def test_a_page_that_cannot_be_written_does_not_take_the_account_with_it(file, capsys):
    assert main(["audit", str(file), "--html", "/no/such/folder/a.html"]) == 2
    assert "repeat text of the same request" in capsys.readouterr().out


def test_a_wrong_condition_is_told_before_anything_is_read(tmp_path, capsys):
    assert main(["audit", str(tmp_path / "no"), "--fail-on", "waste>1"]) == 2
    assert "there is no metric 'waste'" in capsys.readouterr().err
    assert set(METRICS) == set(audit([]).metrics)


KEYS = {
    "": "schema_version totals findings findings_left_out sessions windows replay forgotten read",
    "totals": "calls requests sessions passages tokens counter exact estimated_calls parts "
    "repeated_tokens repeated_share waste findings stable_tokens stable_share lost_tokens largest "
    "budget near billed models money",
    "findings": "kind title tokens money requests of count extent detail places texts advice fix",
    "sessions": "session about calls tokens repeated lost first last money rows",
    "windows": "session place call query tokens waste left_out segments",
    "replay": "calls budget before after saved repeated explained money left_out skipped rows",
    "forgotten": "conversations trimmed tokens money kinds findings",
    "read": "files bytes records formats skipped copies places",
}


def test_the_json_of_an_audit_has_these_fields_and_the_same_bytes_in_every_process(file):
    arguments = ("audit", file, "--json", "--prices", "3", "--replay", "--forgotten")
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "ctxmem", *arguments],
            env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert outputs[0] == outputs[1]
    data = json.loads(outputs[0])
    for name, keys in KEYS.items():
        held = data[name] if name else data
        assert list(held[0] if isinstance(held, list) else held) == keys.split(), name


def test_the_owner_of_a_transcript_is_shown_what_to_do_in_the_tool_that_wrote_it(tmp_path, capsys):
    records = []
    for i in range(3):
        use = {"type": "tool_use", "id": f"t{i}", "name": "Read", "input": {"file_path": "a.md"}}
        result = {"type": "tool_result", "tool_use_id": f"t{i}", "content": f"{ONE}\n{TWO}"}
        for role, block, more in (("assistant", use, {"id": f"m{i}"}), ("user", result, {})):
            message = {"role": role, "content": [block], **more}
            uuid = f"{role}{i}"
            records.append({"type": role, "uuid": uuid, "sessionId": "s", "message": message})
    path, page = tmp_path / "transcript.jsonl", tmp_path / "page.html"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    assert main(["audit", str(path), "--html", str(page)]) == 0
    advice = "Claude Code makes its requests itself: the lines of code are for agents of your own."
    assert advice in " ".join(capsys.readouterr().out.split())
    assert advice in page.read_text(encoding="utf-8")
    path.write_text(json.dumps(hits(ONE, ONE)), encoding="utf-8")
    assert main(["audit", str(path)]) == 0
    assert "agents of your own" not in capsys.readouterr().out


def test_the_readme_shows_what_the_example_prints(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.partition("ctxmem audit examples/traces")[2].partition("```text\n")[2]
    shown = block.partition("```")[0].strip().split("...")
    folder = str(ROOT / "examples/traces")
    assert main(["audit", folder, "--prices", "2.5,0.25", "--replay"]) == 0
    printed = capsys.readouterr().out
    assert len(shown) > 2 and all(part.strip() in printed for part in shown)
