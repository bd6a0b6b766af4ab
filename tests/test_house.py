"""The house keeps its own rules: imports go down, names stay, levels agree, docs are true."""

from __future__ import annotations

import ast
import doctest
import gc
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import ctxmem

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ctxmem"
BENCHES = sorted((ROOT / "bench").glob("*.py"))

# Low to high; a module imports from lower layers only, rooms not from each other.
NOUNS = [
    "errors",
    "fields",
    "forking",
    "input_files",
    "pricing",
    "request",
    "report",
    "schema",
    "places",
    "candidates",
    "selected",
    "protocols",
    "telemetry",
]
ROOMS = [
    *(
        "intake",
        "tokens",
        "dedup",
        "value",
        "outline",
        "compress",
        "selection",
        "render",
        "explain",
    ),
    *("policies", "stores", "traces", "codebase"),
]
# chat imports intake and tokens, because its functions take a counter by name; pipeline imports
# chat, because a chat is packed by its units.
# cutting brings outline, tokens and render together for pipeline.
# toolset reads frameworks' tools through chat.
COMPOSERS = [
    "chat",
    "toolset",
    "cutting",
    "pipeline",
    "memory",
    "assembling",
    "auditing",
    "blaming",
    "scale",
]
EDGE = ["adapters", "cli", "gateway", "messages", "__main__", "__init__"]
# What of the edge each part of the edge may import. `ctxmem/bench` is the folder bench/, which
# measures what users call; the command line finds a benchmark by its name, when it is run.
OF_THE_EDGE = {
    "adapters": set(),
    "gateway": set(),
    "messages": set(),
    "__init__": set(),
    "cli": {"gateway", "bench"},
    "__main__": {"cli"},
    "bench": {"adapters", "gateway"},
}
# A library that only its adapter, its door or its store imports.
OWNERS = {
    "agents": ["adapters/openai_agents.py"],
    "haystack": ["adapters/haystack.py"],
    "langchain": ["adapters/langchain"],
    "langchain_core": ["adapters/langchain", "memory/framework_messages.py"],
    "litellm": ["adapters/litellm.py"],
    "llama_index": ["adapters/llama_index", "memory/framework_messages.py"],
    "pydantic_ai": ["adapters/pydantic_ai.py"],
    "httpx": ["gateway"],
    "mcp": ["cli/mcp.py", "gateway/mcp"],
    "opentelemetry": ["gateway/telemetry", "telemetry.py"],
    "prometheus_client": ["gateway/telemetry"],
    "starlette": ["gateway"],
    "uvicorn": ["gateway"],
    "psycopg": ["stores/postgres"],
    "redis": ["stores/redis"],
    "rich": ["cli"],
}
NATIVE_IN = {
    "_native": {
        *("tokens", "dedup", "outline", "value", "compress", "selection", "render", "memory"),
        *("assembling", "scale"),
    },
    "_pages": {"tokens", "policies"},
}


def modules() -> list[tuple[str, Path]]:
    """Return (name of the room, file) of every module; a room may be a package."""
    files = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).with_suffix("").parts[0], path) for path in files]


def parsed(path: Path) -> ast.Module:
    """Parse a file while no garbage is collected.

    CPython 3.11 before 3.11.8 counts the depth of all parses in one place: a finaliser that parses,
    as one that logs a traceback does, or another thread that it lets run, makes this parse raise a
    SystemError (python/cpython#106905). Earlier tests of the worker leave such garbage.
    """
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, at any place in the file.

    Those of `import_module` count too, as far as their names are written there.
    """
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            # What is imported may be a module too, as in `from ctxmem import chat`.
            found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            # The name, or the beginning of f"ctxmem.bench.{name}".
            found.update(re.findall(r"^f?'([\w.]+)", ast.unparse(node.args[0])))
    return found


def imports_of(path: Path) -> set[str]:
    """Return the ctxmem modules that a file imports, by the names of their rooms."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("ctxmem.")}


def test_imports_go_down_only():
    layers = [[noun] for noun in NOUNS] + [ROOMS, *([name] for name in COMPOSERS), EDGE]
    level = {name: depth for depth, layer in enumerate(layers) for name in layer}
    for room, path in modules():
        assert room in level, f"{room} has no layer: name it in this test"
        if room in EDGE:
            continue
        for name in imports_of(path) - {"__version__", room}:
            if name in NATIVE_IN:
                assert room in NATIVE_IN[name], f"{room} must not import {name}"
            else:
                assert level[name] < level[room], f"{room} must not import {name}"


def test_the_edge_imports_of_itself_what_is_named():
    doors = [(room, path) for room, path in modules() if room in EDGE]
    seen = set()
    for room, path in [*doors, *(("bench", path) for path in BENCHES)]:
        for name in (imports_of(path) & OF_THE_EDGE.keys()) - {room}:
            assert name in OF_THE_EDGE[room], f"{path.relative_to(ROOT)} must not import {name}"
            seen.add((room, name))
        if room in ("adapters", "gateway", "cli"):
            assert imports_of(path).isdisjoint(NATIVE_IN), f"{path.name} goes past the rooms"
    assert seen == {(room, name) for room, names in OF_THE_EDGE.items() for name in names}


def test_adapters_of_two_frameworks_do_not_know_each_other():
    frameworks = {"haystack", "langchain", "litellm", "llama_index", "openai_agents", "pydantic_ai"}
    folder = PACKAGE / "adapters"
    assert frameworks < {path.stem for path in folder.iterdir()}
    for path in folder.rglob("*.py"):
        own = path.relative_to(folder).with_suffix("").parts[0]
        names = {n.split(".")[2] for n in imported(path) if n.startswith("ctxmem.adapters.")}
        assert not (names & frameworks) - {own}, f"{path.relative_to(ROOT)} imports {names}"


def test_adapters_import_no_inner_modules():
    """An adapter imports what a package gives in its `__init__`, not the modules inside."""
    for path in (PACKAGE / "adapters").rglob("*.py"):
        for name in imported(path):
            parts = name.split(".")[1:]
            if name.startswith("ctxmem.") and parts[0] != "adapters" and len(parts) > 1:
                inner = PACKAGE.joinpath(*parts)
                found = inner.is_dir() or inner.with_suffix(".py").exists()
                assert not found, f"{path.relative_to(ROOT)} imports {name}"


def test_a_library_is_imported_by_its_owner_alone():
    used = {library: set() for library in OWNERS}
    for _, path in modules():
        place = path.relative_to(PACKAGE).as_posix()
        for library in {name.split(".")[0] for name in imported(path)} & OWNERS.keys():
            owner = next((one for one in OWNERS[library] if place.startswith(one)), None)
            assert owner is not None, f"{place} must not import {library}"
            used[library].add(owner)
    assert used == {library: set(owners) for library, owners in OWNERS.items()}


def test_no_import_is_relative():
    for _, path in modules():
        nodes = ast.walk(parsed(path))
        assert not [one for one in nodes if isinstance(one, ast.ImportFrom) and one.level], path


def test_core_never_sees_python():
    sources = [
        path
        for folder in ("csrc/core", "csrc/kernels")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".hpp", ".cpp")
    ]
    assert len(sources) > 100, "the sources are in other folders"
    for path in sources:
        text = path.read_text(encoding="utf-8")
        assert "Python.h" not in text and "pybind11" not in text, path.name


def unused_names(extension: str, paths: Iterable[Path]) -> set[str]:
    """Return the names of an extension, and the members of its classes, that no file uses."""
    module = importlib.import_module(f"ctxmem.{extension}")
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    used = set(re.findall(rf"\b{extension}\.(\w+)", text))
    names = {name for name in vars(module) if not name.startswith("_")}
    classes = [getattr(module, name) for name in names if isinstance(vars(module)[name], type)]
    members = {name for one in classes for name in vars(one) if not name.startswith("_")}
    # Results are read by their fields, or unpacked.
    members -= {name for one in classes for name in getattr(one, "_fields", ())}
    return (names - used) | (members - set(re.findall(r"\.(\w+)", text)))


def test_every_native_function_has_a_use_in_the_package():
    """What only tests call is in `_testing`, which no wheel has."""
    shipped = [path for _, path in modules()] + BENCHES
    assert unused_names("_native", shipped) == set()
    assert unused_names("_testing", shipped) >= {"TokenModel", "known_pieces", "words"}


def test_the_module_for_tests_is_imported_by_tests_and_for_benchmarks_alone():
    shipped = [path for _, path in modules()] + BENCHES
    found = [p for p in shipped if re.search(r"import _testing|\._testing", p.read_text("utf-8"))]
    assert [ROOT / "bench" / "native_testing.py"] == found


def test_what_is_run_on_a_wheel_needs_no_module_for_tests():
    scripts = [ROOT / "pyproject.toml", ROOT / ".ci" / "versions"]
    pattern = r"tests/(test_\w+\.py)"
    files = {name for path in scripts for name in re.findall(pattern, path.read_text("utf-8"))}
    assert {"test_pack.py", "test_langchain.py"} < files
    for name in files:
        reached, waiting = set(), {name.removesuffix(".py"), "conftest"}
        while waiting:
            module = waiting.pop()
            reached.add(module)
            found = imported(ROOT / "tests" / f"{module}.py")
            assert "ctxmem._testing" not in found, f"{name} needs ctxmem._testing"
            local = {one for one in found if (ROOT / "tests" / f"{one}.py").exists()}
            waiting |= local - reached


def test_each_type_of_the_core_has_a_name_of_its_own():
    # Two types of one name are linked as one, although no compiler sees both: a std::vector of the
    # one then has the code of the other.
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "csrc").rglob("*.[hc]pp")):
        inside: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if opened := re.match(r"namespace ?([\w:]*) ?\{", line):
                inside.append(opened[1] or str(path))  # without a name: of this file alone
            elif line.startswith("}  // namespace") and inside:
                inside.pop()
            elif named := re.match(r"(?:struct|class|enum class|enum) (\w+)(?![\w:])[^;]*\{", line):
                found.setdefault("::".join([*inside, named[1]]), []).append(path.name)
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
    assert len(found) > 200


def test_kernels_include_no_standard_library():
    for path in (ROOT / "csrc/kernels").iterdir():
        if path.name in ("dispatch.cpp", "kernels.hpp"):
            continue
        headers = re.findall(r"#include\s+<(\w+)>", path.read_text(encoding="utf-8"))
        assert set(headers) <= {"cstdint", "cstddef"}, path.name


def test_every_public_name_is_there_and_lazy():
    for name in ctxmem.__all__:
        assert getattr(ctxmem, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'knapsack'"):
        ctxmem.knapsack  # noqa: B018


def test_no_module_has_the_name_of_a_public_function():
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert names.isdisjoint(set(ctxmem.__all__) - {"__version__"})
    assert names >= {"pipeline", "auditing"}


def test_public_functions_can_be_patched_by_their_names():
    code = """
from unittest import mock
import ctxmem.pipeline, ctxmem.auditing
with mock.patch("ctxmem.pack", return_value="patched"):
    print(ctxmem.pack([], 9) == "patched")
with mock.patch("ctxmem.audit", return_value="patched"):
    print(ctxmem.audit([]) == "patched")
print(ctxmem.pack is ctxmem.pipeline.pack, ctxmem.audit is ctxmem.auditing.audit)
"""
    assert run_python(code).split() == ["True"] * 4


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_brings_no_heavy_library():
    code = "import sys, ctxmem; ctxmem.pack; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(run_python(code).split())
    assert not loaded & {"faiss", "tiktoken", "langchain_core", "llama_index", "rich", "requests"}


def test_import_costs_little_more_than_numpy():
    # Functions called in the interpreter, which are the same on every machine.
    code = (
        "import sys; sys.path.insert(0, 'tests'); from call_counts import calls_of; "
        "numpy = calls_of(lambda: __import__('numpy')); "
        "print(calls_of(lambda: __import__('ctxmem')) / numpy)"
    )
    assert float(run_python(code)) <= 0.03  # 0.007 measured


@pytest.mark.parametrize("level", ["base", "v3", "v4"])
def test_kernels_agree_at_every_cpu_level(level):
    code = """
import ctxmem, hashlib
from ctxmem import _native, intake
tables, read = [], intake.read
def keep(*arguments, **named):
    tables.append(read(*arguments, **named))
    return tables[-1]
intake.read = keep
digest = hashlib.sha256()
text = " ".join(f"word{i * i % 97}" for i in range(300))
for size in (0, 1, 2, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 127, 128, 129, 300):
    for n in (1, 2, 3, 5):
        digest.update(_native.shingles(" ".join(text.split()[:size]), n, 1).tobytes())
for size in (1, 7, 33, 300):
    given = [f"It says {word}. Then it says no more of {i}." for i, word in enumerate(text.split())]
    ctxmem.pack(given[:size], 99, query="says word25", counter=len)
    digest.update(tables[-1].segment_density.tobytes())
print(_native.cpu_level(), digest.hexdigest())
"""
    try:
        used, digest = run_python(code, CTXMEM_CPU=level).split()
    except AssertionError as error:
        assert "this machine supports" in str(error)
        pytest.skip(f"this machine has no {level}")
    assert used == level
    assert digest == run_python(code, CTXMEM_CPU="base").split()[1]


def test_unknown_cpu_level_is_refused_by_name():
    with pytest.raises(AssertionError, match=r"CTXMEM_CPU is 'v9'; this machine supports: base"):
        run_python("from ctxmem import _native; _native.cpu_level()", CTXMEM_CPU="v9")


def test_version_is_the_same_everywhere():
    from ctxmem import _native

    assert ctxmem.__version__ == _native.__version__
    assert f"## {ctxmem.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path", [path for room, path in modules() if room != "__main__"], ids=lambda path: path.stem
)
def test_examples_in_docstrings(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


def code_blocks(path: Path, language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```"
    return re.findall(pattern, path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_in_the_documentation_runs(page, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)  # what a page writes, it writes there
    scope: dict[str, object] = {}
    for block in code_blocks(page, "python"):
        exec(compile(block, page.name, "exec"), scope)


def test_pages_have_python_and_links_that_lead_somewhere():
    assert sum(bool(code_blocks(page, "python")) for page in PAGES) >= 5
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_generated_source_is_in_the_tree():
    assert not list(PACKAGE.glob("*.cpp")) + list((ROOT / "csrc/bind").glob("pages.cpp"))


@pytest.mark.slow(30)
def test_stubs_agree_with_the_extensions():
    allowed = ["--allowlist", "tests/stubtest_allowlist.txt", "--ignore-unused-allowlist"]
    extensions = ["ctxmem._native", "ctxmem._pages", "ctxmem._testing"]
    command = [sys.executable, "-m", "mypy.stubtest", *allowed, *extensions]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_is_in_the_wheel():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.findall(r'^  "(ctxmem[\w.]*)",$', text, re.MULTILINE)
    folders = [path.parent.relative_to(ROOT) for path in PACKAGE.rglob("__init__.py")]
    assert sorted(listed) == sorted([".".join(f.parts) for f in folders] + ["ctxmem.bench"])


@pytest.mark.slow(100)
def test_types_and_style():
    for command in (["mypy"], ["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
