"""Code as context: what is read, how it is cut, what is found, what a window says of it."""

from __future__ import annotations

import ast
import os
import random
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctxmem
from ctxmem.cli import main
from ctxmem.codebase import grammars, kind_of
from ctxmem.codebase.files import MAX_BYTES
from ctxmem.codebase.ignoring import Patterns
from ctxmem.codebase.parsing import ParseCache, parse
from ctxmem.codebase.recency import last_changes

ROOT = Path(__file__).resolve().parent.parent

APP = '''\
"""Orders of a shop."""

import os
from shop.tax import rate_of

LIMIT = 3


class Basket:
    """What a customer is about to buy."""

    def __init__(self, items):
        self.items = items

    # In cents.
    def total(self, country):
        """Return the sum of all prices with tax."""
        net = sum(item.price for item in self.items)
        return net + net * rate_of(country)

    def ship(self, address):
        label = f"{address}"
        for item in self.items:
            print(label, item, "is packed and sent to where it was ordered from")
        for item in self.items:
            print(label, item, "is packed and sent to where it was ordered from, once more")
        for item in self.items:
            print(label, item, "is packed and sent to where it was ordered from, a third time")
            print("and what is left over goes back to the shelf that it was taken from")
            print("where the next customer may find it, if there is one before the shop closes")
        return len(self.items)


def main(): return Basket([]).total("no")
'''

TAX = """\
RATES = {"no": 0.25, "dk": 0.25}


def rate_of(country):
    return RATES.get(country, 0.2)


def unrelated(value):
    return os.path.join(value, "x")
"""


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def shop(tmp_path):
    return written(tmp_path / "repo", shop__app_py=APP, shop__tax_py=TAX)


def names(codebase: ctxmem.Codebase) -> dict[str, str]:
    return {str(c.id): c.metadata["name"] for c in codebase.chunks(limit=10_000)}


# Cutting


def test_python_is_cut_into_functions_methods_and_what_is_between(shop):
    assert names(ctxmem.code(shop / "shop" / "app.py")).keys() == {
        f"{shop}/shop/app.py:{lines}"
        # imports and LIMIT, the class's line, its doc string, methods with comments, main
        for lines in ("1-6", "9-9", "10-10", "12-13", "15-19", "21-31", "34-34")
    }


def test_a_method_requires_the_signature_of_its_class(shop):
    chunks = {c.metadata["name"]: c for c in ctxmem.code(shop).chunks("sum of prices with tax")}
    assert list(chunks["Basket.total"].requires) == ["shop/app.py:9-9"]
    assert list(chunks["rate_of"].requires) == []


def assert_covers(text: str, symbols) -> None:
    """Each line that is not blank is in exactly one symbol, and lines are numbered right."""
    last = 0
    for symbol in symbols:
        assert symbol.start >= last and not text[last : symbol.start].strip()
        assert text.count("\n", 0, symbol.start) + 1 == symbol.line
        assert symbol.signature[0] <= symbol.signature[1]
        last = symbol.end
    assert not text[last:].strip()


SOURCES = sorted([*(ROOT / "ctxmem").rglob("*.py"), *(ROOT / "csrc/core").rglob("*.?pp")])[::20]


@pytest.mark.parametrize("ending", ["as it is", "py", "js", "rs", "md", "lua"])
def test_no_line_is_lost_whatever_the_language(ending):
    for path in SOURCES[:: 1 if ending == "as it is" else 3]:
        name = path.name if ending == "as it is" else f"x.{ending}"
        known = parse(path.read_bytes(), name, named=True)
        assert_covers(known.parsed.text, known.parsed.symbols)


PIECES = [
    "def f(x):\n",
    "class A:\n",
    "    def g(self): pass\n",
    "    x = 1\n",
    "\n",
    "@d\n",
    "}\n",
]
PIECES += [
    "function f() {\n",
    "# note\n",
    "if x:\n",
    "\t",
    "  ",
    '"""',
    "é",
    "\\\n",
    "(",
    "\f",
    ";",
]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.sampled_from(["py", "ts", "rb", "q"]),
)
def test_no_line_is_lost_of_any_text(text, ending):
    known = parse(text.encode(), f"x.{ending}", named=True)
    assert_covers(known.parsed.text, known.parsed.symbols)


JAVASCRIPT = "// Adds.\nexport function add(a, b) {\n  return a + b;\n}\n\nconst x = 1;\n"
RUST = "impl Shape {\n    fn area(&self) -> i32 {\n        1\n    }\n%s}\n" % (
    "    fn side(&self) -> i32 {\n        2\n    }\n" * 30
)


NO_GRAMMAR = pytest.mark.skipif(find_spec("tree_sitter_rust") is None, reason="needs the extra")


@pytest.mark.parametrize("extra", [pytest.param(True, marks=NO_GRAMMAR), False])
def test_other_languages_with_and_without_the_grammars(extra, monkeypatch):
    if not extra:
        monkeypatch.setattr(grammars, "language_of", lambda ending: None)
    symbols = parse(JAVASCRIPT.encode(), "a.js", named=True).parsed.symbols
    assert [(s.kind, s.name, s.line) for s in symbols] == [("function", "add", 1), ("block", "", 6)]
    symbols = parse(RUST.encode(), "a.rs", named=True).parsed.symbols
    assert [(s.kind, s.qualified) for s in symbols[:2]] == [
        ("class", "Shape"),
        ("method", "Shape.area"),
    ]
    assert symbols[1].parent == 0


# Finding


def test_the_function_that_is_asked_for_comes_first(shop):
    codebase = ctxmem.code(shop)
    for question, name in {
        "What is the sum of the prices with tax?": "Basket.total",
        "tax rates of a country": "rate_of",
        "pack and send items to an address": "Basket.ship",
    }.items():
        assert codebase.chunks(question)[0].metadata["name"] == name


def test_what_a_found_function_calls_ranks_above_what_it_does_not(tmp_path):
    folder = written(
        tmp_path,
        a_py="from b import helper\n\ndef parse_header(line):\n    return helper(line)\n",
        b_py="def helper(x):\n    return x.strip()\n\ndef another(x):\n    return x.lower()\n",
    )
    chunks = ctxmem.code(folder).chunks("parse a header")
    ranked = [chunk.metadata["name"] for chunk in chunks]
    assert ranked.index("helper") < ranked.index("another")


def test_densities_are_probabilities(shop):
    chunks = ctxmem.code(shop).chunks("sum of prices with tax")
    assert 0.5 < sum(chunk.density for chunk in chunks) <= 1.0 + 1e-9
    assert chunks[0].density == max(chunk.density for chunk in chunks)


def test_same_files_same_chunks(shop):
    def plain(chunks):
        return [(c.id, c.text, c.score, c.density, tuple(c.requires)) for c in chunks]

    assert plain(ctxmem.code(shop).chunks("tax")) == plain(ctxmem.code(shop).chunks("tax"))


def git(folder, *arguments, **environment):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
    )


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_recency_is_that_of_commits_and_no_program_of_the_repository_runs(tmp_path):
    body = "def read_{0}(path):\n    return open(path)\n"
    written(tmp_path, old_py=body.format("a"), new_py=body.format("b"))
    git(tmp_path, "init", "-q")
    for name, day in (("old.py", "2020-01-01T00:00:00Z"), ("new.py", "2024-01-01T00:00:00Z")):
        git(tmp_path, "add", name)
        git(tmp_path, "commit", "-qm", name, GIT_COMMITTER_DATE=day, GIT_AUTHOR_DATE=day)
    marker = tmp_path / "ran"
    for key in ("core.fsmonitor", "gpg.program", "core.pager", "core.sshCommand"):
        git(tmp_path, "config", key, f"touch {marker}; true")
    git(tmp_path, "config", "log.showSignature", "true")
    os.utime(tmp_path / "old.py", (2e9, 2e9))  # time stamps of files are not used
    assert last_changes(tmp_path) == {"old.py": 1577836800, "new.py": 1704067200}
    assert [c.source for c in ctxmem.code(tmp_path).chunks("read a path")] == ["new.py", "old.py"]
    assert not marker.exists()


def test_without_a_question_there_is_a_map(shop):
    window = ctxmem.pack(ctxmem.code(shop).chunks(), 60)
    assert "def rate_of(country):" in window.text


# Windows


def labelled(window: ctxmem.Window, root: Path) -> int:
    """Check that each label names exactly the lines below it; return the number of lines."""
    count = 0
    for piece in window.pieces:
        found = re.fullmatch(r"\[(.*):([\d,-]+)\]\n", piece.header)
        assert found and found[1] == piece.source
        lines = (root / found[1]).read_text(encoding="utf-8").split("\n")
        numbers = [
            k
            for part in found[2].split(",")
            for k in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)
        ]
        said = [lines[k - 1].strip() for k in numbers]
        shown = [line.strip() for line in piece.text.split("\n") if line.strip() != "…"]
        assert [line for line in shown if line] == [line for line in said if line]
        count += len(shown)
    return count


@pytest.mark.parametrize("budget", [40, 80, 150, 400, 2000])
def test_labels_have_exactly_the_lines_shown(budget, shop):
    for question in ("sum of prices with tax", "send items", None):
        window = ctxmem.pack(ctxmem.code(shop).chunks(question), budget, query=question)
        assert window.tokens <= budget
        assert ctxmem.count_tokens(window.text) == window.tokens
        assert labelled(window, shop) > 0


def test_blocks_of_a_real_package_are_whole():
    root = ROOT / "ctxmem" / "render"
    codebase = ctxmem.code(root)
    for question in ("label of a source", "lines left out between two pieces", "closing fence"):
        for budget in (300, 1500):
            chunks = codebase.chunks(question)
            window = ctxmem.pack(chunks, budget, query=question)
            assert labelled(window, root) > 5
            by_id = {chunk.id: chunk for chunk in chunks}
            shown = [
                by_id[name].text
                for piece in window.pieces
                for name, start, end in piece.origins
                if (start, end) == (0, len(by_id[name].text))
                and not by_id[name].text.startswith(("class", "@"))
            ]
            assert shown
            for text in shown:  # what is shown of code parses by itself
                ast.parse("if 1:\n" + text if text.startswith(" ") else text)


def test_a_parse_that_python_gave_up_is_made_again(monkeypatch):
    parse_once, failures = ast.parse, [SystemError("recursion depth mismatch")] * 3

    def disturbed(*args, **options):
        if failures:
            raise failures.pop()
        return parse_once(*args, **options)

    monkeypatch.setattr(ast, "parse", disturbed)
    symbols = parse(b"def one():\n    return 1\n", "a.py", named=True).parsed.symbols
    assert ["one"] == [symbol.name for symbol in symbols if symbol.name]
    assert failures == []


def test_a_given_density_is_the_order_of_a_window():
    chunks = [
        ctxmem.Chunk("Rome is the capital of Italy.", id="a", density=0.1),
        ctxmem.Chunk("Bananas are yellow, and grow in bunches.", id="b", density=0.9),
    ]
    window = ctxmem.pack(chunks, 12, query="capital of Italy")
    assert [piece.chunk_ids for piece in window.pieces] == [("b",)]
    mixed = [*chunks, ctxmem.Chunk("The capital of Italy is Rome, a city.", id="c")]
    kept = {
        d.chunk_id for d in ctxmem.pack(mixed, 24, query="capital of Italy").decisions if d.kept
    }
    assert kept == {"b", "c"}
    with pytest.raises(ctxmem.InputError, match=r"density is 1\.5; expected a number from 0 to 1"):
        ctxmem.Chunk("x", density=1.5)


# Files


def skipped(codebase: ctxmem.Codebase) -> dict[str, str]:
    return {one.path: one.reason for one in codebase.skipped}


def test_what_is_left_out_has_a_reason(tmp_path):
    folder = written(tmp_path / "r", a_py="x = 1\n", b_py="y = 2\n", sub__c_py="z = 3\n")
    (folder / ".gitignore").write_text("b.*\n/sub/*.py\n!sub/d.py\n")
    written(folder, sub__d_py="d = 1\n", node_modules__m_py="m\n".replace("m\n", "m = 1\n"))
    (folder / "photo.png").write_bytes(b"\x89PNG")
    (folder / "zeros.py").write_bytes(b"x = 1\0\0")
    (folder / "huge.py").write_bytes(b"x = 1\n" * (MAX_BYTES // 5))
    (folder / "made.py").write_text("# Code generated by a tool. DO NOT EDIT.\nx = 1\n")
    (folder / "lib.min.js").write_text("var a=1\n")
    (folder / "packed.js").write_text("var a=1;" * 2000)
    (folder / "empty.py").write_text("\n")
    codebase = ctxmem.code(folder)
    assert [file.path for file in codebase.files] == ["a.py", "sub/d.py"]
    assert skipped(codebase) == {
        ".gitignore": "no kind of source file that is known; name it in include=",
        "b.py": ".gitignore says b.*",
        "sub/c.py": ".gitignore says /sub/*.py",
        "node_modules/": "vendored or built",
        "photo.png": "no kind of source file that is known; name it in include=",
        "zeros.py": "binary",
        "huge.py": "larger than 1,000,000 bytes",
        "made.py": "generated",
        "lib.min.js": "generated or minified",
        "packed.js": "minified, or data",
        "empty.py": "empty",
    }
    report = codebase.explain()
    assert report.startswith("2 files read, 2 symbols\n")
    assert "1 left out, larger than 1,000,000 bytes: huge.py" in report


def test_include_and_exclude(tmp_path):
    folder = written(tmp_path, a_py="a = 1\n", b_py="b = 1\n", sub__c_py="c = 1\n")
    (folder / "d.json").write_text('{"d": 1}\n')

    def read(**options):
        return [file.path for file in ctxmem.code(folder, **options).files]

    assert read(exclude=["sub/"]) == ["a.py", "b.py"]
    assert read(exclude=["?.py"]) == []
    assert read(include=["*.json"]) == ["d.json"]
    assert read(include=["*.py"], exclude=["b.*"]) == ["a.py", "sub/c.py"]
    assert read(include=["sub/"]) == ["sub/c.py"]


def test_hostile_folders_end_with_a_note(tmp_path):
    folder = written(tmp_path, a_py="a = 1\n")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "self.py").symlink_to(folder / "self.py")
    (folder / "gone.py").symlink_to(folder / "nothing.py")
    (folder / "latin.py").write_bytes("# caf\xe9\nx = 1\n".encode("latin-1"))
    (folder / "broken.py").write_text("def f(:\n    return 1\n\ndef g():\n    return 2\n")
    (folder / "deep.py").write_text("x = " + "(" * 50_000 + "\n")
    (folder / "minus.py").write_text("x = " + "-" * 50_000 + "1\n")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.py")
    codebase = ctxmem.code(folder)
    notes = {file.path: file.parsed.note for file in codebase.files}
    assert notes["latin.py"] == "has bytes that are no UTF-8, shown as U+FFFD"
    assert notes["broken.py"] == "not parsed: cut by its indentation"
    assert skipped(codebase)["loop/"] == "a symbolic link to a folder"
    assert {"self.py", "gone.py"} <= skipped(codebase).keys()
    assert skipped(codebase).get("pipe.py", "not a regular file") == "not a regular file"
    assert {"f", "g"} <= set(names(codebase).values())


@pytest.mark.parametrize(
    ("pattern", "path", "folder", "matches"),
    [
        ("*.py", "a/b.py", False, True),
        ("/*.py", "a/b.py", False, False),
        ("a/*.py", "a/b.py", False, True),
        ("a/*.py", "x/a/b.py", False, False),
        ("**/b.py", "x/y/b.py", False, True),
        ("a/**", "a/x/y", False, True),
        ("a/**/z", "a/z", False, True),
        ("a/**/z", "a/b/c/z", False, True),
        ("build/", "build", False, False),
        ("build/", "x/build", True, True),
        ("[ab]?.py", "ax.py", False, True),
        ("[!a].py", "a.py", False, False),
        ("a*b*c", "axbxc", False, True),
        ("a*b*c", "axcxb", False, False),
        ("*a*", "banana", False, True),
        ("a*b", "a/b", False, False),
        (r"\!x", "!x", False, True),
        ("# note", "# note", False, False),
        ("[z-a]", "z", False, False),
    ],
)
def test_patterns_are_those_of_gitignore(pattern, path, folder, matches):
    assert (Patterns([pattern]).match(path, folder=folder) is not None) == matches


def test_a_pattern_of_many_stars_comes_to_an_end():
    patterns = Patterns(["*a" * 100 + "b"])
    # Exponential without the care that is taken: it would not be seen to end.
    assert patterns.match("a" * 255, folder=False) is None


def test_a_path_that_is_not_there_and_wrong_options_are_refused(tmp_path):
    with pytest.raises(ctxmem.InputError, match="nowhere cannot be read"):
        ctxmem.code(tmp_path / "nowhere")
    with pytest.raises(ctxmem.InputError, match="no path is given"):
        ctxmem.code([])
    with pytest.raises(ctxmem.InputTypeError, match="include is a str"):
        ctxmem.code(tmp_path, include="*.py")
    codebase = ctxmem.code(tmp_path)
    assert codebase.chunks("anything") == []
    with pytest.raises(ctxmem.InputTypeError, match="question is an int"):
        codebase.chunks(3)
    with pytest.raises(ctxmem.InputError, match="limit is 0"):
        codebase.chunks("x", limit=0)


def test_several_folders_are_told_apart_by_their_names(tmp_path):
    for name in ("one", "two"):
        written(tmp_path / name, a_py=f"def {name}():\n    return 1\n")
    codebase = ctxmem.code([tmp_path / "one", tmp_path / "two"])
    assert [file.path for file in codebase.files] == ["one/a.py", "two/a.py"]


def test_the_cache_of_parsed_files_is_bounded_and_goes_by_content():
    cache = ParseCache(limit=100)
    texts = [f"value_{i} = {i}\n".encode() * 3 for i in range(9)]
    random.Random(3).shuffle(texts)
    for text in texts:
        cache.read(text, "a.py", named=True)
        assert sum(len(key[2]) for key in cache._known) <= 100
    last = texts[-1]
    assert cache.read(last, "b.py", named=True) is cache.read(last, "c.py", named=True)
    assert cache.read(last, "b.js", named=True) is not cache.read(last, "c.py", named=True)


# The command


def test_pack_on_a_folder_and_on_files(shop, capsys):
    assert (
        main(["pack", str(shop), "--query", "sum of prices with tax", "--budget", "200", "--text"])
        == 0
    )
    out = capsys.readouterr()
    assert "[shop/app.py:" in out.out and "def total(self, country):" in out.out
    assert out.err.startswith("2 files read, ")
    (shop / "note.txt").write_text("Rates change in May.", encoding="utf-8")
    assert main(["pack", str(shop / "note.txt"), "--budget", "99", "--text"]) == 0
    assert capsys.readouterr().err == "1 file read, 1 symbol\n"
    assert (
        main(["pack", str(shop / "shop/tax.py"), "--query", "rate", "--budget", "99", "--text"])
        == 0
    )
    assert "def rate_of(country):" in capsys.readouterr().out
    assert (
        main(
            ["pack", str(shop), "--exclude", "app.py", "--query", "tax", "--budget", "99", "--text"]
        )
        == 0
    )
    assert "app.py" not in capsys.readouterr().out


def test_pack_still_reads_passages(tmp_path, capsys):
    file = tmp_path / "hits.jsonl"
    file.write_text('{"text": "Rome is in Italy."}\n')
    assert main(["pack", str(file), "--budget", "99", "--text"]) == 0
    assert capsys.readouterr().out == "Rome is in Italy.\n"
    assert kind_of("hits.jsonl") is None and kind_of("hits.json") is None
