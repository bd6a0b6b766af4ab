"""The fuzz targets: over their corpus everywhere, and with libFuzzer for some seconds each.

`CTXMEM_FUZZ_SECONDS` is how long each runs in the slow lane where clang is installed, 3 by default.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module

import pytest
from cpp_build import ROOT, compile_and_run, core_sources

sys.path.append(str(ROOT))
from fuzz import __main__ as command
from fuzz import python_target

SECONDS = float(os.environ.get("CTXMEM_FUZZ_SECONDS", "3"))
each_target = pytest.mark.parametrize("target", command.TARGETS)
each_python_target = pytest.mark.parametrize("target", command.PYTHON_TARGETS)
with_clang = pytest.mark.skipif(command.clang() is None, reason="needs clang with libFuzzer")


def over_the_corpus(target: str, *arguments: str) -> int:
    """Run a target under the sanitizers over its corpus; return how many inputs it had."""
    first, *sources = command.sources(target)
    printed = compile_and_run(
        "fuzz/plain.cpp",
        [first, *sources],
        arguments=[*arguments, f"fuzz/corpus/{target}", *command.SAMPLES.get(target, [])],
    )
    found = re.fullmatch(r"(\d+) runs, digest [0-9a-f]{16}\n", printed)
    assert found, printed
    return int(found[1])


@pytest.mark.slow
@each_target
def test_a_target_runs_over_its_corpus_and_changes_of_it(target):
    inputs = len(list((ROOT / "fuzz" / "corpus" / target).iterdir()))
    assert over_the_corpus(target, "-mutants=20") > 20 * inputs > 0


@pytest.mark.slow
@each_target
def test_memory_that_ends_is_an_exception(target):
    first, *sources = command.sources(target)
    arguments = ["-failing=40", f"fuzz/corpus/{target}"]
    printed = compile_and_run("fuzz/plain.cpp", [first, *sources], arguments=arguments)
    assert re.search(r"^[1-9]\d* runs ended by std::bad_alloc$", printed, re.M), printed


@pytest.mark.slow
@with_clang
@each_target
def test_libfuzzer_finds_nothing(target):
    program = command.build_fuzzer(target, command.clang())
    tried, problem = command.run(target, program, SECONDS)
    assert not problem, problem
    assert tried > 0


@each_python_target
def test_the_python_layer_stands_changes_of_its_samples(target):
    module = import_module(f"fuzz.fuzz_{target}")
    assert 400 == python_target.run(module.target, module.seeds(), 60, runs=400)


@each_python_target
def test_what_a_python_target_raises_is_kept_as_an_input(target, monkeypatch, tmp_path):
    monkeypatch.setattr(python_target, "FOUND", tmp_path)
    module = import_module(f"fuzz.fuzz_{target}")

    def fails(data: bytes) -> None:
        raise AssertionError("a law is broken")

    fails.__module__ = module.__name__
    with pytest.raises(AssertionError, match="a law is broken"):
        python_target.run(fails, module.seeds(), 60, runs=1)
    [kept] = tmp_path.iterdir()
    assert kept.name.startswith(f"fuzz_{target}-") and kept.read_bytes() in module.seeds()


def test_every_target_has_a_corpus_and_is_named_in_the_command():
    written = {path.stem.removeprefix("fuzz_") for path in (ROOT / "fuzz").glob("fuzz_*.cpp")}
    assert written == set(command.TARGETS)
    assert written == {path.name for path in (ROOT / "fuzz" / "corpus").iterdir()}
    scripts = {path.stem.removeprefix("fuzz_") for path in (ROOT / "fuzz").glob("fuzz_*.py")}
    assert scripts == set(command.PYTHON_TARGETS)


def test_the_core_of_every_target_is_found():
    for target, folders in command.TARGETS.items():
        assert all(path in command.sources(target) for path in core_sources("sentences")) == (
            "text" in folders
        )
