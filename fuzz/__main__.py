"""Build the fuzz targets with clang and run each for some seconds: `python -m fuzz`.

Each target is fuzz/fuzz_NAME.cpp, with the core under AddressSanitizer and UBSan. New inputs that
reach new code go to build/fuzz/corpus/NAME, what breaks a law to build/fuzz/found; fuzz/corpus/NAME
holds the seeds and every input that once broke something. With --plain a target is built without
libFuzzer, by any compiler, and runs over its corpus only: it prints a digest of its results.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "fuzz"
# What each target needs of csrc/core: folders, or sources in one.
DEDUP = ["dedup", "ranking/terms", "ranking/stems", "text"]
TARGETS = {
    "count": ["tokenizer", "text"],
    "difference": DEDUP,
    "index": [*DEDUP, "recall"],
    "join": DEDUP,
    "json": ["text"],
    "outline": ["text"],
    "pages": [],
    "solver": ["solver", *DEDUP],
    "vocabulary": ["tokenizer", "text"],
}
SAMPLES = {"outline": ["tests/data/formats"]}
"""Further seeds, by target."""
PYTHON_TARGETS = ["readers", "repair"]
DEFINES = ["-std=c++20", "-I.", "-Icsrc", "-DCTXMEM_HAS_BASE=1"]
SANITIZERS = "address,undefined"


def clang() -> str | None:
    """Return the newest clang++ with libFuzzer, or None."""
    names = ["clang++", *(f"clang++-{version}" for version in range(22, 13, -1))]
    for found in filter(None, map(shutil.which, [os.environ.get("CXX", ""), *names])):
        probe = [found, "-fsanitize=fuzzer", "-x", "c++", "-", "-o", os.devnull]
        main = 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }'
        if not subprocess.run(
            probe, input=main, capture_output=True, text=True, check=False
        ).returncode:
            return found
    return None


def sources(name: str) -> list[str]:
    """Return the paths of what a target is built from, relative to the root."""
    patterns = [part if "/" in part else f"{part}/*" for part in TARGETS[name]]
    paths = [path for pattern in patterns for path in ROOT.glob(f"csrc/core/{pattern}.cpp")]
    kernels = ["csrc/kernels/dispatch.cpp", "csrc/kernels/level.cpp"] if paths else []
    return [
        f"fuzz/fuzz_{name}.cpp",
        *kernels,
        *sorted(str(path.relative_to(ROOT)) for path in paths),
    ]


def build(name: str, compiler: list[str], folder: Path, flags: list[str], link: list[str]) -> Path:
    """Compile a target into a folder; objects newer than their source and all headers stay.

    Without libFuzzer in the flags of the linker, the main program is plain.cpp.
    """
    folder.mkdir(parents=True, exist_ok=True)
    headers = max(
        path.stat().st_mtime for tree in ("csrc", "fuzz") for path in (ROOT / tree).rglob("*.hpp")
    )
    objects = []
    plain = not any("fuzzer" in flag for flag in link)
    for source in [*sources(name), *(["fuzz/plain.cpp"] if plain else [])]:
        made = folder / (source.replace("/", "_") + ".o")
        objects.append(str(made))
        newest = max(headers, (ROOT / source).stat().st_mtime)
        if not made.exists() or made.stat().st_mtime < newest:
            command = [*compiler, *DEFINES, *flags, "-c", source, "-o", str(made)]
            subprocess.run(command, cwd=ROOT, check=True)
    program = folder / name
    subprocess.run(
        [*compiler, *link, *objects, "-pthread", "-o", str(program)], cwd=ROOT, check=True
    )
    return program


def build_fuzzer(name: str, compiler: str) -> Path:
    """Compile a target with libFuzzer and the sanitizers."""
    flags = ["-O1", "-g1", "-fno-sanitize-recover=all"]
    return build(
        name,
        [compiler],
        BUILD / Path(compiler).name,
        [*flags, f"-fsanitize=fuzzer-no-link,{SANITIZERS}"],
        [*flags, f"-fsanitize=fuzzer,{SANITIZERS}"],
    )


def run(name: str, program: Path, seconds: float) -> tuple[int, str]:
    """Run a target with libFuzzer; return how many inputs it tried, and what it found or ''."""
    grown = BUILD / "corpus" / name
    found = BUILD / "found"
    grown.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    ran = subprocess.run(
        [
            str(program),
            f"-max_total_time={max(1, round(seconds))}",
            f"-artifact_prefix={found}/{name}-",
            "-max_len=4096",
            "-timeout=25",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            "-verbosity=0",
            str(grown),
            f"fuzz/corpus/{name}",
            *SAMPLES.get(name, []),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", ran.stderr)
    return int(tried[1]) if tried else 0, ran.stderr[-4000:] if ran.returncode else ""


def run_python(name: str, seconds: float) -> tuple[int, str]:
    """Run a target of the Python layer; the same figures."""
    ran = subprocess.run(
        [sys.executable, "-m", f"fuzz.fuzz_{name}", f"--seconds={seconds}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    tried = re.search(r"(\d+) runs|executed_units:\s*(\d+)", ran.stdout + ran.stderr)
    return int(tried[1] or tried[2]) if tried else 0, (ran.stdout + ran.stderr)[-4000:] * bool(
        ran.returncode
    )


def main() -> int:
    """Run the command; the exit code is 1 if a target found something."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", help=f"of {', '.join([*TARGETS, *PYTHON_TARGETS])}")
    parser.add_argument("--seconds", type=float, default=60, help="for each target (60)")
    parser.add_argument("--plain", action="store_true", help="run the corpus without libFuzzer")
    parser.add_argument("--cxx", help="the compiler of --plain, with flags (c++ -O1)")
    parser.add_argument("--emulator", help="what runs the programs of --plain, with its options")
    parser.add_argument("--mutants", type=int, default=0, help="of each input, with --plain")
    parser.add_argument("--json", metavar="PATH", help="write the figures of the run to a file")
    given = parser.parse_args()
    names = given.targets or [*TARGETS, *PYTHON_TARGETS]
    if unknown := set(names) - {*TARGETS, *PYTHON_TARGETS}:
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    if given.plain:
        return run_plain(names, given)
    compiler = clang() if set(names) & set(TARGETS) else ""
    if compiler is None:
        parser.error("clang with libFuzzer is needed: apt install clang libclang-rt-dev")
    figures = {}
    for name in names:
        began = time.monotonic()
        if name in PYTHON_TARGETS:
            tried, problem = run_python(name, given.seconds)
        else:
            program = build_fuzzer(name, compiler)
            tried, problem = run(name, program, given.seconds)
        figures[name] = {"runs": tried, "found": bool(problem)}
        elapsed = time.monotonic() - began
        print(f"{name}: {tried:,} runs, {elapsed:.0f} s{', FOUND' if problem else ''}", flush=True)
        if problem:
            print(problem)
    if given.json:
        Path(given.json).write_text(json.dumps(figures))
    return int(any(one["found"] for one in figures.values()))


def run_plain(names: list[str], given: argparse.Namespace) -> int:
    """Build targets without libFuzzer, run each over its corpus, and print its digest."""
    compiler = (given.cxx or "c++ -O1").split()
    folder = BUILD / "plain" / re.sub(r"\W+", "_", " ".join(compiler))
    worst = 0
    for name in names:
        if name in PYTHON_TARGETS:
            continue
        program = build(name, compiler, folder, ["-ffp-contract=off"], [])
        command = [*(given.emulator or "").split(), str(program), f"-mutants={given.mutants}"]
        command += [f"fuzz/corpus/{name}", *SAMPLES.get(name, [])]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"{name}: {ran.stdout.strip() or ran.stderr.strip()}", flush=True)
        worst = max(worst, abs(ran.returncode))
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
