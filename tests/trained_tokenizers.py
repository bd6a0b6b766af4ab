"""Small tokenizers like those of public models, trained here on texts of our own.

Each maker returns the content of a tokenizer.json. The stages are written as the public files have
them; the vocabularies are trained on the texts of `corpus`, so that every stage has work to do.
"""

from __future__ import annotations

import functools
import glob
import inspect
import io
import json
import random
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sample_texts import PROSE

GPT4O_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
)
PATTERNS = {
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "gpt4o": GPT4O_WORDS + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "deepseek digits": r"\p{N}{1,3}",
    "deepseek han": "[一-龥぀-ゟ゠-ヿ]+",
    "deepseek rest": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
    "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "clip": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
SPACE = "▁"


@functools.cache
def corpus() -> tuple[str, ...]:
    """Return a few hundred kB of prose, code and 20 scripts."""
    files = sorted(glob.glob(sysconfig.get_path("stdlib") + "/*.py"))[:25]
    sources = [Path(file).read_text("utf-8", errors="replace") for file in files]
    prose = [inspect.getdoc(value) or "" for value in vars(random.Random).values()]
    scripts = [text * 40 for text in PROSE.values()]
    records = [json.dumps({"id": i, "name": f"item {i}", "ok": i % 2 == 0}) for i in range(800)]
    return (*sources, *prose, *scripts, *records)


def little() -> tuple[str, ...]:
    """Return a small part of the corpus: unigrams take long to train."""
    return (corpus()[0][:40_000], *PROSE.values(), *corpus()[-200:])


def split(pattern: str, behavior: str = "Isolated", *, invert: bool = False) -> dict[str, Any]:
    """Return a Split step by a regular expression."""
    found = {"Regex": pattern}
    return {"type": "Split", "pattern": found, "behavior": behavior, "invert": invert}


def sequence(key: str, *steps: dict[str, Any]) -> dict[str, Any]:
    """Return a Sequence of normalizers or pretokenizers."""
    return {"type": "Sequence", key: list(steps)}


def added(content: str, index: int, **flags: bool) -> dict[str, Any]:
    """Return an added token."""
    base = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return {"id": index, "content": content, **base, **flags}


def tokenizer_json(model: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Return a tokenizer.json."""
    empty: dict[str, Any] = dict.fromkeys(
        ("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder")
    )
    return {"version": "1.0", **empty, "added_tokens": [], **sections, "model": model}


def train(
    sections: dict[str, Any], model: Any, trainer: Any, texts: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Train a model behind the given normaliser and pre-tokeniser; return its section."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer(model)
    content = json.loads(tokenizer.to_str()) | sections
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.train_from_iterator(texts or corpus(), trainer)
    trained: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return trained


def byte_level(sections: dict[str, Any], size: int = 3000, **options: Any) -> dict[str, Any]:
    """Return a tokenizer of byte pairs over bytes."""
    from tokenizers import models, pre_tokenizers, trainers

    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        **{key: options.pop(key) for key in ("end_of_word_suffix",) if key in options},
    )
    model = train({k: v for k, v in sections.items() if k != "added_tokens"}, models.BPE(), trainer)
    return tokenizer_json(model | options, **sections)


@functools.cache
def character_model() -> dict[str, Any]:
    """Return the section of byte pairs over characters, unknown ones as bytes."""
    from tokenizers import models, trainers

    trained_behind = {
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": SPACE,
            "prepend_scheme": "always",
            "split": True,
        },
    }
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=3000, special_tokens=names, limit_alphabet=300, show_progress=False
    )
    model = train(trained_behind, models.BPE(unk_token="<unk>"), trainer)
    return model | {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}


# As public models have them -----------------------------------------------------------------------


def gpt2_like() -> dict[str, Any]:
    """GPT-2, RoBERTa, early Claude: the pattern is ByteLevel's own."""
    step = BYTES | {"use_regex": True}
    return byte_level({"pre_tokenizer": step, "added_tokens": [added("<|endoftext|>", 3000)]})


def llama3_like() -> dict[str, Any]:
    """Llama 3: a piece that is a token is that token, whatever the merges say."""
    steps = sequence("pretokenizers", split(PATTERNS["llama3"]), BYTES)
    tokens = [
        added("<|begin_of_text|>", 3000, special=True),
        added("<|eot_id|>", 3001, special=True),
    ]
    return byte_level({"pre_tokenizer": steps, "added_tokens": tokens}, ignore_merges=True)


def qwen_like() -> dict[str, Any]:
    """Qwen 2 and 3: composed text, single digits."""
    steps = sequence("pretokenizers", split(PATTERNS["qwen2"]), BYTES)
    tokens = [added("<|im_start|>", 3000, special=True), added("<tool_call>", 3001)]
    return byte_level(
        {"normalizer": {"type": "NFC"}, "pre_tokenizer": steps, "added_tokens": tokens}
    )


def gpt_oss_like() -> dict[str, Any]:
    """gpt-oss, and with it o200k_base and o200k_harmony."""
    steps = sequence("pretokenizers", split(PATTERNS["gpt4o"]), BYTES)
    return byte_level({"pre_tokenizer": steps}, ignore_merges=True)


def deepseek_like() -> dict[str, Any]:
    """DeepSeek V3: three patterns, one after the other."""
    parts = ("deepseek digits", "deepseek han", "deepseek rest")
    steps = sequence("pretokenizers", *(split(PATTERNS[part]) for part in parts), BYTES)
    tokens = [added("<｜User｜>", 3000), added("<｜tool▁sep｜>", 3001)]
    return byte_level({"pre_tokenizer": steps, "added_tokens": tokens})


def starcoder_like() -> dict[str, Any]:
    """StarCoder, SmolLM: digits by themselves, then ByteLevel's pattern."""
    steps = sequence(
        "pretokenizers", {"type": "Digits", "individual_digits": True}, BYTES | {"use_regex": True}
    )
    return byte_level({"pre_tokenizer": steps})


def clip_like() -> dict[str, Any]:
    """CLIP: lower case, white space folded, the end of a word marked."""
    normal = sequence(
        "normalizers",
        {"type": "NFC"},
        {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
        {"type": "Lowercase"},
    )
    steps = sequence("pretokenizers", split(PATTERNS["clip"], "Removed", invert=True), BYTES)
    made = byte_level({"normalizer": normal, "pre_tokenizer": steps}, end_of_word_suffix="</w>")
    made["model"] |= {"end_of_word_suffix": "</w>", "unk_token": None}
    return made


def llama2_like() -> dict[str, Any]:
    """Llama 2, Mistral 7B: a blank is a character of words, the whole text is one piece."""
    normal = sequence(
        "normalizers",
        {"type": "Prepend", "prepend": SPACE},
        {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
    )
    tokens = [added("<s>", 1, special=True), added("</s>", 2, special=True)]
    return tokenizer_json(character_model(), normalizer=normal, added_tokens=tokens)


def mistral_like() -> dict[str, Any]:
    """Mistral 7B v0.3: Metaspace, at the beginning of the text only, without a split."""
    step = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False}
    tokens = [added("[INST]", 3, special=True)]
    return tokenizer_json(character_model(), pre_tokenizer=step, added_tokens=tokens)


def gemma_like() -> dict[str, Any]:
    """Gemma: blanks stay with the word before them; added tokens of line breaks and tags."""
    normal = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    step = {
        "type": "Split",
        "pattern": {"String": " "},
        "behavior": "MergedWithPrevious",
        "invert": False,
    }
    tokens = [
        *(added("\n" * n, 3000 + n) for n in range(2, 6)),
        *(added(SPACE * n, 3010 + n) for n in range(2, 6)),
        added("<table>", 3020),
    ]
    return tokenizer_json(
        character_model(), normalizer=normal, pre_tokenizer=step, added_tokens=tokens
    )


def bert_like(*, lowercase: bool = True) -> dict[str, Any]:
    """BERT and most embedding models: word pieces."""
    from tokenizers import models, trainers

    normal = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": lowercase,
    }
    sections = {"normalizer": normal, "pre_tokenizer": {"type": "BertPreTokenizer"}}
    trainer = trainers.WordPieceTrainer(
        vocab_size=3000, special_tokens=["[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False
    )
    model = train(sections, models.WordPiece(unk_token="[UNK]"), trainer)
    tokens = [added("[CLS]", 1, special=True), added("[MASK]", 3, special=True, lstrip=True)]
    return tokenizer_json(model, **sections, added_tokens=tokens)


def bert_cased_like() -> dict[str, Any]:
    """BERT with case and accents."""
    return bert_like(lowercase=False)


def unigram(sections: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Return a tokenizer of a unigram model."""
    from tokenizers import models, trainers

    trainer = trainers.UnigramTrainer(
        vocab_size=800, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    model = train(sections, models.Unigram(), trainer, little())
    return tokenizer_json(model | options, **sections)


@functools.cache
def charsmap() -> str:
    """Return SentencePiece's nmt_nfkc map in base64, out of a model trained here."""
    import base64

    from ctxmem import _testing

    model = _testing.SentencePieceModel(sentencepiece_model("unigram"))
    return base64.b64encode(model.normaliser["precompiled_charsmap"]).decode("ascii")


def t5_like() -> dict[str, Any]:
    """T5, XLM-RoBERTa, BGE-M3: SentencePiece's normaliser, unigrams."""
    normal = sequence(
        "normalizers",
        {"type": "Precompiled", "precompiled_charsmap": charsmap()},
        {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE},
    )
    step = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    return unigram({"normalizer": normal, "pre_tokenizer": step})


def albert_like() -> dict[str, Any]:
    """ALBERT: quotes replaced, accents stripped, lower case, unigrams."""
    normal = sequence(
        "normalizers",
        {"type": "Replace", "pattern": {"String": "``"}, "content": '"'},
        {"type": "Replace", "pattern": {"String": "''"}, "content": '"'},
        {"type": "NFKD"},
        {"type": "StripAccents"},
        {"type": "Lowercase"},
    )
    steps = sequence(
        "pretokenizers",
        {"type": "WhitespaceSplit"},
        {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True},
    )
    return unigram({"normalizer": normal, "pre_tokenizer": steps})


def byte_fallback_unigram() -> dict[str, Any]:
    """A unigram model that spells unknown characters in bytes."""
    from tokenizers import models, trainers

    step = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": True}
    names = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.UnigramTrainer(
        vocab_size=1000, special_tokens=names, unk_token="<unk>", show_progress=False
    )
    model = train({"pre_tokenizer": step}, models.Unigram(), trainer, little())
    return tokenizer_json(model | {"byte_fallback": True}, pre_tokenizer=step)


MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "gpt2": gpt2_like,
    "llama3": llama3_like,
    "qwen": qwen_like,
    "gpt-oss": gpt_oss_like,
    "deepseek": deepseek_like,
    "starcoder": starcoder_like,
    "clip": clip_like,
    "llama2": llama2_like,
    "mistral": mistral_like,
    "gemma": gemma_like,
    "bert": bert_like,
    "bert-cased": bert_cased_like,
    "t5": t5_like,
    "albert": albert_like,
    "byte-fallback-unigram": byte_fallback_unigram,
}


@functools.cache
def trained(name: str) -> str:
    """Return the tokenizer.json of a maker, made once a process."""
    return json.dumps(MAKERS[name](), ensure_ascii=False)


@functools.cache
def sentencepiece_model(kind: str, **options: Any) -> bytes:
    """Return a SentencePiece model trained on the corpus: unigram, bpe, word or char."""
    import sentencepiece

    lines = [line for text in corpus() for line in text.split("\n") if line.strip()]
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines[:4000]),
        model_writer=out,
        model_type=kind,
        vocab_size=1500,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return out.getvalue()
