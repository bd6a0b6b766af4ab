"""What is shipped: a source archive that builds, a wheel that works where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow(60)


def run(*command, cwd):
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Build the sdist from the tree, and the wheel from the sdist, in environments of their own."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, ROOT, cwd=out)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_generated(archives):
    names = zipfile.ZipFile(archives[1]).namelist()
    page = "ctxmem/gateway/page/assets/"
    inside = [name for name in names if name.startswith("ctxmem/")]
    assert not [name for name in inside if name.startswith("ctxmem/_testing")]
    suffixes = {Path(name).suffix for name in inside if not name.startswith(page)}
    assert suffixes <= {".py", ".pyi", ".so", ".pyd", ".typed", ".json", ".bin", ""}
    assets = {Path(name).suffix for name in inside if name.startswith(page)}
    assert assets == {".html", ".css", ".js"}
    code = (
        "ctxmem/adapters/langchain/agents.py",
        "ctxmem/chat/trimming.py",
        "ctxmem/bench/pack.py",
        "ctxmem/weights/request-1.json",
        "ctxmem/weights/value-1.json",
    )
    for needed in ("ctxmem/py.typed", "ctxmem/_native.pyi", *code):
        assert needed in names
    metadata = next(name for name in names if name.endswith("METADATA"))
    text = zipfile.ZipFile(archives[1]).read(metadata).decode()
    assert "License-Expression: Apache-2.0 AND MIT" in text


VOCABULARIES = ["o200k_base.bin", "cl100k_base.bin", "NOTICE"]


def test_the_vocabularies_and_their_notice_are_shipped(archives):
    with zipfile.ZipFile(archives[1]) as wheel:
        names = wheel.namelist()
        notice = wheel.read("ctxmem/vocabularies/NOTICE").decode()
        packed = sum(row.compress_size for row in wheel.infolist() if row.filename.endswith(".bin"))
    with tarfile.open(archives[0]) as sdist:
        sources = sdist.getnames()
    for name in VOCABULARIES:
        path = f"ctxmem/vocabularies/{name}"
        assert path in names
        assert any(source.endswith(path) for source in sources)
        assert name == "NOTICE" or name in notice
    assert "Copyright (c) 2022 OpenAI" in notice
    assert any(name.endswith("licenses/ctxmem/vocabularies/NOTICE") for name in names)
    assert packed <= 1_200_000
    assert archives[1].stat().st_size <= 6_000_000


def test_the_sdist_holds_sources_and_no_generated_source(archives):
    with tarfile.open(archives[0]) as archive:
        names = archive.getnames()
    assert any(name.endswith("csrc/bind/pages.pyx") for name in names)
    assert any(name.endswith("examples/contract_review.json") for name in names)
    assert not any(name.endswith(("/pages.cpp", ".so")) for name in names)


def test_the_wheel_works_in_an_empty_environment(archives, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    scripts = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    run(scripts / "python", "-m", "pip", "install", "-q", archives[1], cwd=tmp_path)
    shown = run(scripts / "ctxmem", "pack", ROOT / "examples/contract_review.json", cwd=tmp_path)
    assert "of 400 tokens (o200k_base, exact)" in shown and "duplicate: returned" in shown
    # A source tree in front of the installed package does not hide its extensions.
    code = "import ctxmem; print(ctxmem.count_tokens('a b c') > 0, ctxmem.__file__)"
    assert run(scripts / "python", "-c", code, cwd=ROOT).startswith("True")
