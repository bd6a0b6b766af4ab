"""What the workflows name exists: scripts, extras, fuzz targets, Python versions, tests."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="the sdist has no workflows")


def jobs(name):
    """Return the jobs of a workflow by their names."""
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text("utf-8"))["jobs"]


def steps():
    """Return the steps of all jobs of all workflows."""
    return [step for path in WORKFLOWS for job in jobs(path.stem).values() for step in job["steps"]]


def test_every_action_is_pinned_to_a_commit_and_names_its_version():
    lines = [
        line for path in WORKFLOWS for line in re.findall("uses: (.*)", path.read_text("utf-8"))
    ]
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in lines if not pinned.fullmatch(line)] == []
    assert 20 < len(lines) == sum("uses" in step for step in steps())


def commands():
    """Return the commands of all steps, as one text."""
    return "\n".join(step.get("run", "") for step in steps())


def test_every_script_that_a_step_runs_is_there_and_can_be_run():
    scripts = set(re.findall(r"\.ci/\w+", commands()))
    assert {".ci/oldest", ".ci/versions", ".ci/run", ".ci/arm64"} <= scripts
    assert [name for name in scripts if not os.access(ROOT / name, os.X_OK)] == []


def test_every_extra_that_a_step_installs_is_declared():
    named = re.findall(r'pip install -e "\.\[([\w,-]+)\]"', commands())
    assert {"docs", "test"} <= set(named)
    for extra in ",".join(named).split(","):
        assert re.search(rf"^{re.escape(extra)} = \[", PROJECT, re.MULTILINE), extra


def test_every_fuzz_target_has_a_job():
    fuzz = runpy.run_path(str(ROOT / "fuzz" / "__main__.py"))
    listed = jobs("fuzz")["fuzz"]["strategy"]["matrix"]["target"]
    assert listed == [*fuzz["TARGETS"], *fuzz["PYTHON_TARGETS"]]


def test_the_pythons_that_are_tested_are_those_that_have_wheels():
    tested = jobs("tests")["fast"]["strategy"]["matrix"]["python"]
    build = re.search(r'^build = "(.*)"', PROJECT, re.MULTILINE)[1].split()
    assert build == [f"cp{version.replace('.', '')}-*" for version in tested]
    oldest, newest = tested[0], tested[-1]
    assert f'requires-python = ">={oldest}"' in PROJECT
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"| Python | {oldest} to {newest} |" in readme


def test_the_oldest_clang_that_is_tested_is_the_one_that_is_documented():
    oldest = min(map(int, jobs("tests")["clang"]["strategy"]["matrix"]["version"]))
    for name in ("README.md", "CONTRIBUTING.md", "setup.py"):
        named = set(re.findall(r"\bclang (\d+)", (ROOT / name).read_text(encoding="utf-8")))
        assert named == {str(oldest)}, name


def test_the_tests_of_a_wheel_are_there():
    command = re.search(r'^test-command = "(.*)"', PROJECT, re.MULTILINE)[1]
    named = re.findall(r"\{project\}/(\S+)", command)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
