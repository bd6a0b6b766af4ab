"""Vocabularies: those of the package, and those that are found, fetched and checked."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import random
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import warnings
import zlib
from pathlib import Path

import pytest
from cpp_build import ROOT, compile_and_run, core_sources
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import byte_pairs, load_generator

from ctxmem import _native, tokens
from ctxmem.errors import CtxmemWarning, InputError, VocabularyError
from ctxmem.tokens import files, models, names, packed

both = pytest.mark.parametrize("name", packed.PACKED)
generator = load_generator("generate_vocabularies")


def lines_of(tokens: list[bytes]) -> bytes:
    """Return the .tiktoken file of all bytes and these tokens, in order of rank."""
    every = [*(bytes([byte]) for byte in range(256)), *tokens]
    return b"".join(b"%s %d\n" % (base64.b64encode(token), i) for i, token in enumerate(every))


def sealed(body: bytes) -> bytes:
    """Return packed data with a checksum that is right."""
    return body + struct.pack("<I", zlib.crc32(body))


# Packed vocabularies ------------------------------------------------------------------------------


@both
def test_the_published_file_is_rebuilt_byte_for_byte(name: str) -> None:
    data = packed.packed_path(name).read_bytes()
    lines = packed.published_lines(data)
    sha256 = hashlib.sha256(lines).hexdigest()
    assert files.PUBLISHED[name].sha256 == sha256
    assert sha256 == data[12:44].hex()
    assert len(lines.splitlines()) == int.from_bytes(data[8:12], "little")
    assert files.PUBLISHED[name].sha256 in packed.packed_path("NOTICE").with_suffix("").read_text()


@both
@pytest.mark.slow
def test_the_generator_writes_the_data_of_the_package(name: str) -> None:
    data = packed.packed_path(name).read_bytes()
    assert data == generator.pack(packed.published_lines(data))


def test_the_generator_takes_published_files_only(tmp_path: Path) -> None:
    (tmp_path / "o200k_base.tiktoken").write_bytes(lines_of([b"ab"]))
    with pytest.raises(SystemExit, match="is not a published file of o200k_base or cl100k_base"):
        generator.main([str(tmp_path / "o200k_base.tiktoken")])


@both
def test_packed_and_published_files_count_alike(name: str) -> None:
    data = packed.packed_path(name).read_bytes()
    published = _native.Tokenizer(packed.published_lines(data), name)
    rng = random.Random(3)
    alphabet = [
        *"ab zeE'1\n.=/ ",
        "é",
        "Ж",
        "中",
        "文",
        "한",
        "😀",
        " the",
        "ing",
        "    ",
        "中国",
        "的",
    ]
    texts = ["".join(rng.choices(alphabet, k=60)) for _ in range(2000)]
    expected = published.count_many(texts, cache=False)
    assert (
        expected.tolist() == _native.Tokenizer(data, name).count_many(texts, cache=False).tolist()
    )


def test_a_hand_written_vocabulary_is_packed_as_described() -> None:
    lines = lines_of([b"ab", b"abc", b"abab", "中".encode()[:2], "中".encode()])
    data = generator.pack(lines)
    assert b"CTXMBPE\x01" == data[:8]
    assert struct.pack("<I", 261) == data[8:12]
    assert bytes(range(256)) == data[44:300]
    # ab = a + b; abc = 256 + c; abab = 256 + 256; 中 is E4 B8 AD: E4 + B8, then 259 + AD.
    assert bytes([0x61, 0, 0, 0xE4, 3]) == data[300:305]  # left tokens, bits 0-7
    assert bytes([0x62, 0x63, 0, 0xB8, 0xAD]) == data[305:310]  # right tokens
    assert bytes([0, 1, 1, 0, 1]) == data[310:315]  # left, bits 8-15
    assert bytes([0, 0, 1, 0, 0]) == data[315:320]  # right
    assert bytes(5) == data[320:325]  # bits 16-19 of both
    assert struct.pack("<I", zlib.crc32(data[:325])) == data[325:]
    assert lines == packed.published_lines(data)
    bpe = _native.Tokenizer(data, "o200k_base")
    assert [1, 1, 2, 1, 3] == [bpe.count(text) for text in ("ab", "abc", "ababab", "中", "文")]


@st.composite
def merged_vocabularies(draw: st.DrawFn) -> list[bytes]:
    """Draw all bytes and tokens that are pairs of earlier ones, mostly of 'a', 'b' and 'é'."""
    made = [bytes([byte]) for byte in range(256)]
    few = [made[byte] for byte in (*b"ab", *"é".encode())]
    for _ in range(draw(st.integers(0, 12))):
        token = draw(st.sampled_from(few)) + draw(st.sampled_from(few))
        if token not in made:
            made.append(token)
            few.append(token)
    return made


@settings(max_examples=150, deadline=None)
@given(vocabulary=merged_vocabularies(), texts=st.lists(st.text("abé", max_size=30), max_size=5))
def test_any_packed_vocabulary_counts_as_its_lines(
    vocabulary: list[bytes], texts: list[str]
) -> None:
    lines = lines_of(vocabulary[256:])
    try:
        data = generator.pack(lines)
    except ValueError:
        assume(False)
    bpe = _native.Tokenizer(data, "cl100k_base")
    ranks = {token: rank for rank, token in enumerate(vocabulary)}
    assert [len(byte_pairs(text.encode(), ranks)) for text in texts] == bpe.count_many(
        texts
    ).tolist()


def test_a_token_that_no_merges_make_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match=r"token 256, b'abc', is not made by merges"):
        generator.pack(lines_of([b"abc", b"ab"]))


def packed_of(merges: list[tuple[int, int]], singles: bytes = bytes(range(256))) -> bytes:
    """Return packed data with these merges, sensible or not."""
    planes = [bytes(m[side] >> shift & 255 for m in merges) for shift in (0, 8) for side in (0, 1)]
    planes.append(bytes(left >> 16 | right >> 16 << 4 for left, right in merges))
    header = packed.HEADER.pack(packed.MAGIC, 256 + len(merges), bytes(32), singles)
    return sealed(header + b"".join(planes))


SMALL = packed_of([(97, 98), (256, 99), (256, 256)])
LONG = [(97, 97), *((i, i) for i in range(256, 263))]  # a twice, 4 times ... 256 times


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (SMALL[:7], "cut short"),
        (SMALL[:303], "cut short"),
        (SMALL[:-1], "size is wrong"),
        (SMALL + b"\0", "size is wrong"),
        (SMALL[:7] + b"\x02" + SMALL[8:], "has version 2; this release reads version 1"),
        (sealed(SMALL[:8] + struct.pack("<I", 255) + SMALL[12:-4]), "number of tokens is wrong"),
        (sealed(SMALL[:8] + b"\xff\xff\xff\xff" + SMALL[12:-4]), "number of tokens is wrong"),
        (SMALL[:300] + b"\x62" + SMALL[301:], "checksum is wrong"),
        (packed_of([(97, 256)]), "token 256 is made of a later one"),
        (packed_of([(97, 98), (0xFFFFF, 99)]), "token 257 is made of a later one"),
        (packed_of([(97, 98), (97, 98)]), "token of rank 257 is given twice"),
        (packed_of([], b"a" + bytes(range(1, 256))), "token of rank 97 is given twice"),
        (packed_of(LONG), "token 263 has more than 255 bytes"),
    ],
)
def test_damaged_packed_data_are_refused_and_say_why(damaged: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _native.Tokenizer(damaged, "o200k_base")


def test_undamaged_packed_data_are_read() -> None:
    assert 2 == _native.Tokenizer(SMALL, "o200k_base").count("ababab")
    assert 2 == _native.Tokenizer(packed_of(LONG[:-1]), "o200k_base").count("a" * 129)


@pytest.mark.slow(20)
def test_vocabularies_are_clean_under_sanitizers() -> None:
    compile_and_run("test_vocabulary", core_sources("bpe", "vocabulary", "pretokenise"))


# In the package -----------------------------------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Forget what was resolved, and hide every vocabulary of this machine and the network."""
    monkeypatch.setattr(names, "_resolved", {})
    monkeypatch.setattr(files, "_failed", set())
    monkeypatch.setattr(models, "_warned", False)
    for variable in ("CTXMEM_VOCAB", "TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CTXMEM_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    def no_network(url: str) -> bytes:
        raise AssertionError(f"the network was asked for {url}")

    monkeypatch.setattr(files, "_download", no_network)
    return monkeypatch


@both
def test_vocabularies_of_the_package_need_no_search_and_no_network(
    name: str, fresh: pytest.MonkeyPatch
) -> None:
    def searched(name: str) -> None:
        raise AssertionError(f"a file of {name} was searched")

    fresh.setenv("CTXMEM_OFFLINE", "0")
    fresh.setattr(files, "places", searched)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counter = tokens.resolve(name)
    assert counter.exact
    assert 2 == counter.count("Hello world")
    found = tokens.fetch_vocabulary(name)
    assert ("in the package", True) == (found.place, found.sha256_ok)
    assert packed.packed_path(name) == found.path


def test_harmony_and_models_of_openai_use_the_package(fresh: pytest.MonkeyPatch) -> None:
    shipped = tokens.resolve("o200k_base")
    for name in ("o200k_harmony", "gpt-oss-120b", "gpt-4o", "openai/o3-mini", "gpt-5.1"):
        assert tokens.resolve(name) is shipped
    assert tokens.resolve("gpt-4-turbo") is tokens.resolve("cl100k_base")


def test_damaged_or_missing_data_of_the_package_are_an_error(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = packed.packed_path("cl100k_base").read_bytes()
    fresh.setattr(packed, "_DIRECTORY", tmp_path)
    with pytest.raises(VocabularyError, match=r"in the package cannot be read.*install ctxmem"):
        tokens.resolve("gpt-4")
    for damaged in (b"", good[:-1000], good[:5000] + b"x" + good[5001:]):
        (tmp_path / "cl100k_base.bin").write_bytes(damaged)
        with pytest.raises(VocabularyError, match=r"in the package cannot be read.*install ctxmem"):
            tokens.resolve("gpt-4")
        row = next(row for row in tokens.vocabularies() if row.name == "cl100k_base")
        assert ("in the package", len(damaged), False) == (row.place, row.size, row.sha256_ok)


def test_an_explicit_file_must_be_the_published_one(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "some.tiktoken"
    path.write_bytes(packed.published_lines(packed.packed_path("cl100k_base").read_bytes()))
    assert 2 == tokens.resolve("gpt-4", vocabulary=path).count("Hello world")
    with pytest.raises(VocabularyError, match="is not the published o200k_base"):
        tokens.resolve("gpt-4o", vocabulary=path)


# Of others ----------------------------------------------------------------------------------------


def test_missing_vocabulary_is_estimated_with_one_warning(fresh: pytest.MonkeyPatch) -> None:
    with pytest.warns(CtxmemWarning, match=r"p50k_base is not on this machine.*CTXMEM_VOCAB"):
        counter = tokens.resolve("p50k_base")
    assert not counter.exact
    assert counter.count("Hello world") >= 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once a process, not once a name
        assert tokens.resolve("text-davinci-003") is counter
        assert not tokens.resolve("r50k_base").exact
        assert tokens.resolve("gpt2") is tokens.resolve("r50k_base")


def test_failed_fetch_is_not_tried_again(fresh: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(url: str) -> bytes:
        asked.append(url)
        raise OSError("no route to host")

    fresh.setenv("CTXMEM_OFFLINE", "0")
    fresh.setattr(files, "_download", fail)
    with pytest.warns(CtxmemWarning):
        tokens.resolve("p50k_base")
    tokens.resolve("p50k_edit")
    tokens.resolve("text-davinci-003")
    assert len(asked) == 1


def test_fetch_that_hangs_is_given_up(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("CTXMEM_OFFLINE", "")
    fresh.setattr(files, "_FETCH_SECONDS", 0.05)
    hang, ended = threading.Event(), threading.Event()

    def download(url: str) -> bytes:
        hang.wait(60)
        ended.set()
        return b""

    fresh.setattr(files, "_download", download)
    with pytest.warns(CtxmemWarning):
        tokens.resolve("p50k_base")
    assert not ended.is_set()  # it was not waited for
    hang.set()


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return a small file, and say that it is what OpenAI publishes as p50k_base."""
    lines = lines_of([b"Hello", b" world", b"He", b"ll", b"Hell", b" w", b"or", b"ld"])
    published = files.PUBLISHED["p50k_base"]
    small = files.Published(published.url, hashlib.sha256(lines).hexdigest(), published.pattern)
    monkeypatch.setitem(files.PUBLISHED, "p50k_base", small)
    return lines


def test_fetch_is_checked_stored_and_used(data: bytes, fresh: pytest.MonkeyPatch) -> None:
    fresh.setattr(files, "_download", lambda url: b"<html>captive portal</html>")
    with pytest.raises(VocabularyError, match="SHA-256 differs"):
        tokens.fetch_vocabulary("p50k_base")
    with pytest.warns(CtxmemWarning):
        assert not tokens.resolve("text-davinci-003").exact
    claude = tokens.resolve("claude-3-opus")
    fresh.setattr(files, "_download", lambda url: data)
    stored = tokens.fetch_vocabulary("p50k_base")
    assert stored.path is not None and stored.path.read_bytes() == data
    assert [p.name for p in stored.path.parent.iterdir()] == ["p50k_base.tiktoken"]
    assert tokens.resolve("text-davinci-003").exact  # the estimate made before is forgotten
    assert tokens.resolve("claude-3-opus") is claude  # and those of others keep what they learned
    assert stored in tokens.vocabularies()


def test_unknown_vocabulary_cannot_be_fetched(fresh: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no vocabulary is called 'claude'"):
        tokens.fetch_vocabulary("claude")


def test_fetched_vocabulary_counts_even_if_it_cannot_be_stored(
    data: bytes, fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no directory")
    fresh.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    fresh.setenv("CTXMEM_OFFLINE", "0")
    fresh.setattr(files, "_download", lambda url: data)
    assert tokens.resolve("p50k_base").exact
    with pytest.raises(VocabularyError, match="cannot be stored"):
        tokens.fetch_vocabulary("p50k_base")


def test_damaged_file_is_never_used(data: bytes, fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = tmp_path / "own"
    cache.mkdir()
    damaged = cache / files.PUBLISHED["p50k_base"].cache_name
    damaged.write_bytes(data[:-100])
    fresh.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    with pytest.warns(CtxmemWarning):
        assert not tokens.resolve("p50k_base").exact
    listed = next(found for found in tokens.vocabularies() if found.path == damaged)
    assert ("TIKTOKEN_CACHE_DIR", False) == (listed.place, listed.sha256_ok)
    with pytest.raises(VocabularyError, match="is not the published p50k_base"):
        tokens.resolve("p50k_base", vocabulary=damaged)
    with pytest.raises(VocabularyError, match="cannot be read"):
        tokens.resolve("p50k_base", vocabulary=tmp_path / "nowhere")


@pytest.mark.parametrize(
    "place", ["argument", "file", "directory", "tiktoken", "temporary", "ours"]
)
def test_vocabulary_is_found_where_it_lies(
    data: bytes, fresh: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    cache_name = files.PUBLISHED["p50k_base"].cache_name
    path = {
        "temporary": tmp_path / "temporary/data-gym-cache" / cache_name,
        "ours": tmp_path / "cache/ctxmem/p50k_base.tiktoken",
        "tiktoken": tmp_path / "own" / cache_name,
    }.get(place, tmp_path / "own/p50k_base.tiktoken")
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    if place == "file":
        fresh.setenv("CTXMEM_VOCAB", str(path))
    elif place == "directory":
        fresh.setenv("CTXMEM_VOCAB", str(path.parent))
    elif place == "tiktoken":
        fresh.setenv("TIKTOKEN_CACHE_DIR", str(path.parent))
    counter = tokens.resolve("p50k_base", vocabulary=path if place == "argument" else None)
    assert counter.exact
    assert 2 == counter.count("Hello world")


def test_damaged_bytes_are_refused_by_the_core() -> None:
    for wrong in (b"", b"x", b"YQ== 0\n", b"!!!! 0\n"):
        with pytest.raises(ValueError, match="vocabulary"):
            _native.Tokenizer(wrong, "o200k_base")
    with pytest.raises(ValueError, match="encoding is 'p50k_base'"):
        _native.Tokenizer(b"", "p50k_base")


def test_import_and_lookup_import_no_heavy_package() -> None:
    code = """
        import sys
        from ctxmem import tokens
        tokens.count_tokens("Hello world")
        heavy = {"tiktoken", "llama_index.core", "litellm", "requests", "urllib.request", "ssl"}
        heavy |= {"ctxmem.schema", "ctxmem.report", "tempfile"}
        heavy |= {f"ctxmem.tokens.{name}" for name in ("models", "estimates", "files", "caches")}
        print(sorted(heavy & sys.modules.keys()))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[]" == ran.stdout.strip()
