"""How much faster than tiktoken is counting chunks of 200 tokens that were never seen before?

    python -m bench.tokens [--json] [--encoding o200k_base] [--chunks 1000] [--rounds 7]

Texts are what every machine has or what is composed here: prose from the docstrings of Python's
standard library, its source code, generated JSON, Chinese from a bank of phrases. One half of each
corpus warms the counters up, as a process that has run for a while; the other half is cut into the
chunks that are timed, so that no chunk was counted before ("first seen"; `fresh` is the same in a
process that has counted nothing). `repeat` counts the same chunks again, from the cache by content.

Every count is checked against tiktoken's before anything is timed. Baselines are timed in the same
run, in turn with ours; medians of the rounds are reported with the spread from the lowest to the
highest. The cases where a baseline is as fast or faster are named at the end.
"""

from __future__ import annotations

import argparse
import ast
import glob
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ctxmem import VocabularyError, _native, tokens
from ctxmem.tokens.files import PUBLISHED

CHUNK = 200  # tokens
Count = Callable[[Sequence[str]], list[int]]


# Texts --------------------------------------------------------------------------------------------


def library() -> list[str]:
    """Return the sources of the standard library, in a fixed order that mixes its packages."""
    root = sysconfig.get_path("stdlib")
    files = glob.glob(f"{root}/*.py") + glob.glob(f"{root}/*/*.py")
    files = [file for file in sorted(files) if "/test" not in file and "-packages" not in file]
    random.Random(0).shuffle(files)
    return [Path(file).read_text("utf-8", errors="replace") for file in files[:500]]


def prose(sources: Sequence[str]) -> str:
    """Return the docstrings of the sources that are longer than a line."""
    found = []
    for source in sources:
        try:
            tree = ast.parse(source)
        except SyntaxError:
            continue
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        strings = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
        found += [string for string in strings if string and len(string) > 120]
    return "\n\n".join(dict.fromkeys(found))


def records(words: Sequence[str]) -> str:
    """Return JSON as an API answers with, its words taken from the prose."""
    rng = random.Random(1)
    rows = [
        {
            "id": f"{rng.getrandbits(64):016x}",
            "user": {"name": rng.choice(words).title(), "active": rng.random() < 0.5},
            "created_at": f"202{rng.randrange(7)}-{rng.randrange(1, 13):02}-11T08:30:00Z",
            "score": round(rng.random() * 100, 3),
            "tags": rng.sample(list(words), 3),
            "text": " ".join(rng.choices(words, k=12)),
            "next": None,
        }
        for _ in range(6000)
    ]
    return json.dumps(rows, indent=2)


# Phrases that Chinese sentences are put together from: who, when, where, how, does, what, and so.
BANK = [
    "研究人员 市政府 这家公司 许多家长 记者 两名工程师 当地居民 图书馆馆长 年轻的医生 "
    "考古学家 银行经理 環保組織 大学教授 航空公司 消费者协会 村里的老人 国家气象局 "
    "软件开发团队 博物馆 警方 编辑部 参赛选手",
    "昨天上午 去年冬天 本月初 在会议结束以后 过去十年里 春节期间 凌晨三点左右 最近几周 "
    "二零二三年 暴雨过后 开学第一天 与此同时 按照原定计划 经过长时间讨论 雖然預算有限 "
    "下个季度",
    "在北京 于上海浦东 在长江沿岸 从云南山区 在广州火车站附近 在实验室里 在海外市场 "
    "在社交平台上 在新落成的体育馆 在偏远的县城 沿着旧铁路 在联合国总部 在臺北 向全国各地 "
    "在厨房与餐厅之间",
    "首次 仔细地 悄悄 正式 共同 不得不 反复 迅速 意外地 逐步 公开 免费 主动 勉强 继续 认真",
    "公布了 发现了 测量了 修复了 取消了 讨论了 改进了 出版了 收集了 拒绝了 展示了 分析了 "
    "购买了 运输了 翻译了 种植了 批评了 记录了 庆祝了 销毁了 重建了 检查了",
    "一份关于空气质量的报告 三千五百吨钢材 古代青铜器的碎片 手机应用程序的漏洞 "
    "新的税收政策 八十年前的老照片 小麦和玉米的价格 电动汽车充电网络 癌症早期诊断方法 "
    "学生的心理健康问题 一座横跨峡谷的桥梁 太阳能电池板 濒危鸟类的迁徙路线 传统戏曲剧本 "
    "地下水污染数据 人工智能训练所需的语料 疫苗接种记录 城市交通拥堵的原因 一批进口葡萄酒 "
    "冰川融化速度",
    "以便减少开支 从而提高了效率 这引起了广泛关注 但是效果并不明显 为今后的合作奠定了基础 "
    "希望更多人能够参与 结果令人鼓舞 专家对此表示怀疑 引发网民热烈争论 使整个行业受益匪浅 "
    "因此需要进一步调查 预计明年春天完工 损失超过两亿元 至今仍没有答案 確保資料安全 "
    "避免类似事故再次发生",
]
STOPS = ["。", "。", "。", "；", "！", "？", "。\n\n"]


def chinese() -> str:
    """Return 12,000 sentences put together from the bank."""
    rng = random.Random(2)
    bank = [part.split() for part in BANK]
    out = []
    for _ in range(12000):
        who, when, where, how, does, what, so = (rng.choice(phrases) for phrases in bank)
        sentence = rng.choice(
            (
                f"{when}，{who}{where}{how}{does}{what}，{so}",
                f"{who}{where}{does}{what}",
                f"据{who}介绍，{when}{how}{does}{what}的{rng.choice(bank[0])}已达{rng.randrange(999)}人",
                f"“{what}”，{who}{when}说，“{so}”",
                f"{who}和{rng.choice(bank[0])}{how}{does}{what}、{rng.choice(bank[5])}，{so}",
            )
        )
        out.append(sentence + rng.choice(STOPS))
    return "".join(out)


def corpora() -> dict[str, str]:
    """Return the texts by name."""
    sources = library()
    english = prose(sources)
    words = sorted({word.strip(".,()") for word in english.split() if word.isalpha()})
    return {
        "english": english,
        "code": "".join(sources)[:4_000_000],
        "json": records(words),
        "chinese": chinese(),
    }


def cut(encoding: Any, text: str, most: int) -> tuple[str, list[str]]:
    """Return the warm-up half of a text, and different chunks of CHUNK tokens of the other."""
    half = len(text) // 2
    ids = encoding.encode_ordinary(text[half:])
    starts = range(0, len(ids) - CHUNK, CHUNK)
    chunks = (encoding.decode(ids[at : at + CHUNK], errors="ignore") for at in starts)
    return text[:half], list(dict.fromkeys(chunks))[:most]


# Counters -----------------------------------------------------------------------------------------


def one_by_one(count: Callable[[str], int]) -> Count:
    """Return a counter of many texts from one of one text."""
    return lambda texts: [count(text) for text in texts]


def many(counter: _native.Bpe) -> Count:
    """Return the native counter of many texts, with its cache by content."""
    return lambda texts: counter.count_many(list(texts)).tolist()


def peers(encoding: str) -> dict[str, Count | None]:
    """Return the installed counters to compare with, by name and version."""
    found: dict[str, Count | None] = {}
    try:
        import quicktok

        quick = quicktok.get_encoding(encoding)
        found[f"quicktok {version('quicktok-v1')}"] = one_by_one(quick.count)
    except (ImportError, PackageNotFoundError):
        found["quicktok: not installed"] = None
    try:
        from rs_bpe.bpe import openai

        rust = getattr(openai, encoding)()
        found[f"rs_bpe {version('rs_bpe')}"] = one_by_one(rust.count)
    except (ImportError, AttributeError, PackageNotFoundError):
        found["rs_bpe: not installed"] = None
    return found


def vocabulary(encoding: str) -> Path:
    """Return the path of the encoding's vocabulary on this machine."""
    for found in tokens.vocabularies():
        if found.name == encoding and found.sha256_ok and found.path is not None:
            return found.path
    raise VocabularyError(
        f"the vocabulary of {encoding} is not on this machine; run: pip install llama-index-core"
    )


def reference(encoding: str, path: Path) -> Any:
    """Return tiktoken's encoding, made from the file at `path`, without a network."""
    import tiktoken

    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / PUBLISHED[encoding].cache_name).write_bytes(path.read_bytes())
        os.environ["TIKTOKEN_CACHE_DIR"] = folder
        try:
            return tiktoken.get_encoding(encoding)
        finally:
            del os.environ["TIKTOKEN_CACHE_DIR"]
            if before is not None:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


# Measures -----------------------------------------------------------------------------------------


def timed(count: Count, texts: list[str]) -> float:
    """Return microseconds of processor time for each text."""
    start = time.thread_time()
    count(texts)
    return (time.thread_time() - start) * 1e6 / len(texts)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the range."""
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }


def measure_corpus(tik: Any, data: bytes, *, text: str, chunks: int, rounds: int) -> dict[str, Any]:
    """Check and time one corpus."""
    encoding = str(tik.name)
    warm_up, texts = cut(tik, text, chunks)
    expected = [len(tik.encode_ordinary(one)) for one in texts]
    counters: dict[str, Count] = {
        f"tiktoken {version('tiktoken')}": one_by_one(lambda one: len(tik.encode_ordinary(one)))
    }
    absent = []
    for name, count in peers(encoding).items():
        if count is None:
            absent.append(name)
        else:
            counters[name] = count
    for name, count in {**counters, "ctxmem": many(_native.Bpe(data, encoding))}.items():
        wrong = sum(a != b for a, b in zip(count(texts), expected, strict=True))
        if wrong:
            sys.exit(f"{name} counts {wrong} of {len(texts)} chunks differently from tiktoken")
    for count in counters.values():
        count([warm_up])
    times: dict[str, list[float]] = {name: [] for name in counters}
    times |= {"fresh": [], "first seen": [], "one by one": [], "repeat": []}
    for _ in range(rounds):
        for name, count in counters.items():
            times[name].append(timed(count, texts))
        # A chunk can be seen for the first time once only, so every round has new counters.
        times["fresh"].append(timed(many(_native.Bpe(data, encoding)), texts))
        warm = _native.Bpe(data, encoding)
        warm.count_many([warm_up])
        times["first seen"].append(timed(many(warm), texts))
        times["repeat"].append(timed(many(warm), texts))
        single = _native.Bpe(data, encoding)
        single.count_many([warm_up])
        times["one by one"].append(timed(one_by_one(single.count), texts))
    base = statistics.median(times["first seen"])
    return {
        "chunks": len(texts),
        "bytes": round(sum(len(one.encode()) for one in texts) / len(texts)),
        "characters": len(set("".join(texts))),
        "microseconds": {name: spread(values) for name, values in times.items()},
        "ratio": {name: round(statistics.median(times[name]) / base, 2) for name in counters},
        "absent": absent,
    }


LOAD = """
import json, resource, sys, time
import numpy, tiktoken
from ctxmem import _native
kind, encoding, path = sys.argv[1:]
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
_native.bm25(["warm"], ["warm"])
before = resident()
start = time.perf_counter()
if kind == "ctxmem":
    counter = _native.Bpe(open(path, "rb").read(), encoding)
    counter.count_many(["Hello world"])
else:
    counter = tiktoken.get_encoding(encoding)
    counter.encode_ordinary("Hello world")
seconds = time.perf_counter() - start
print(json.dumps({"milliseconds": seconds * 1e3, "resident_mb": resident() - before}))
"""


def measure_load(encoding: str, path: Path, rounds: int) -> dict[str, Any]:
    """Time loading the vocabulary and take its memory, each in a process of its own."""
    results: dict[str, list[dict[str, float]]] = {"ctxmem": [], "tiktoken": []}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / PUBLISHED[encoding].cache_name).write_bytes(path.read_bytes())
        environment = {**os.environ, "TIKTOKEN_CACHE_DIR": folder}
        for _ in range(rounds):
            for kind, measured in results.items():
                ran = subprocess.run(
                    [sys.executable, "-c", LOAD, kind, encoding, str(path)],
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                measured.append(json.loads(ran.stdout))
    return {
        kind: {key: spread([one[key] for one in measured]) for key in measured[0]}
        for kind, measured in results.items()
    }


def run(encoding: str = "o200k_base", *, chunks: int = 1000, rounds: int = 7) -> dict[str, Any]:
    """Measure everything and return it."""
    path = vocabulary(encoding)
    tik = reference(encoding, path)
    data = path.read_bytes()
    texts = corpora()
    return {
        "question": (__doc__ or "").splitlines()[0],
        "encoding": encoding,
        "versions": {
            "ctxmem": _native.__version__,
            "tiktoken": version("tiktoken"),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpu_level": _native.cpu_level(),
        },
        "rounds": rounds,
        "corpora": {
            name: measure_corpus(tik, data, text=text, chunks=chunks, rounds=rounds)
            for name, text in texts.items()
        },
        "load": measure_load(encoding, path, min(rounds, 5)),
    }


def losses(result: dict[str, Any]) -> list[str]:
    """Name the cases where a baseline is as fast as we are, or faster."""
    lost = []
    for corpus, measured in result["corpora"].items():
        times = {name: value["median"] for name, value in measured["microseconds"].items()}
        lost += [
            f"{name} on {corpus}, {ours}: {times[name]:.1f} us against our {times[ours]:.1f} us"
            for name in measured["ratio"]
            for ours in ("first seen", "fresh", "one by one")
            if times[name] <= times[ours]
        ]
    return lost


def show(result: dict[str, Any]) -> None:
    """Print the result as tables."""
    print(result["question"])
    print(
        f"{result['encoding']}, chunks of {CHUNK} tokens, median of {result['rounds']} rounds "
        "(lowest-highest), microseconds of processor time a chunk; x = times ours first seen"
    )
    print(", ".join(f"{name} {value}" for name, value in result["versions"].items()) + "\n")
    for corpus, measured in result["corpora"].items():
        print(
            f"{corpus}: {measured['chunks']} chunks of {measured['bytes']} bytes, "
            f"{measured['characters']} different characters"
        )
        for name, value in measured["microseconds"].items():
            ratio = f"x{measured['ratio'][name]:.1f}" if name in measured["ratio"] else ""
            told = name if ratio else f"ctxmem, {name}"
            between = f"({value['low']:.2f}-{value['high']:.2f})"
            print(f"  {told:22} {value['median']:8.2f} {between} {ratio}")
        for name in measured["absent"]:
            print(f"  {name}")
    print("\nloading the vocabulary (a process each):")
    for kind, measured in result["load"].items():
        told = ", ".join(f"{value['median']:.1f} {key}" for key, value in measured.items())
        print(f"  {kind:22} {told}")
    print("\nwhere we lose:")
    for line in losses(result) or ["nowhere in this run"]:
        print(f"  {line}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="ctxmem bench tokens", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--encoding", default="o200k_base", choices=["o200k_base", "cl100k_base"])
    parser.add_argument("--chunks", type=int, default=1000, help="at most, of each corpus")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(argv)
    result = run(options.encoding, chunks=options.chunks, rounds=options.rounds)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
