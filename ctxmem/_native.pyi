from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__version__: str

def cpu_level() -> str: ...

# words
def shingles(text: str, n: int, seed: int | None = None) -> NDArray[np.uint64]: ...

# outline
SPAN_KINDS: tuple[str, ...]
SPAN_FLAGS: tuple[str, ...]

class Corpus:
    def __init__(self, texts: list[str]) -> None: ...
    def __len__(self) -> int: ...
    # Start and end of each unit without the white space around it; whether a line break follows.
    def set_units(
        self, first: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]: ...

# start, end, kind, flags, need, also and block of every unit, and where each text's begin.
def outline(
    corpus: Corpus,
    formats: NDArray[np.uint8] = ...,
    named: NDArray[np.uint8] = ...,
    room: int = 1600,
    cut: int | None = None,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.uint8],
    NDArray[np.uint8],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int64],
]: ...

# value
def bm25(texts: list[str], queries: list[str]) -> NDArray[np.float64]: ...

DRAFT_FEATURES: tuple[str, ...]

class SpanFeatures:
    def __init__(
        self,
        corpus: Corpus,
        first: NDArray[np.int64],
        start: NDArray[np.int64],
        end: NDArray[np.int64],
        kind: NDArray[np.uint8],
        flags: NDArray[np.uint8],
        need: NDArray[np.int32],
        block: NDArray[np.int32],
        document: NDArray[np.int32],
        place: NDArray[np.int64],
        names: list[str],
        chunk_first: NDArray[np.int32],
        chunk_last: NDArray[np.int32],
        retrieval: NDArray[np.float64],
        queries: list[str],
        vectors: NDArray[np.float32],
        query_vectors: NDArray[np.float32],
    ) -> None: ...
    def __len__(self) -> int: ...
    def draft(self) -> NDArray[np.float32]: ...
    def definitions(self) -> NDArray[np.float32]: ...

class SpanModel:
    def __init__(self, data: dict[str, Any]) -> None: ...
    def draft(self, features: SpanFeatures) -> NDArray[np.float32]: ...
    def revise(
        self, features: SpanFeatures, density: NDArray[np.float32]
    ) -> NDArray[np.float32]: ...
    def predict(self, features: SpanFeatures) -> NDArray[np.float32]: ...

# fill

def select_units(
    *,
    texts: list[str],
    first: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    flags: NDArray[np.uint8],
    need: NDArray[np.int32],
    also: NDArray[np.int32],
    tokens: NDArray[np.int64],
    density: NDArray[np.float64],
    requirement: NDArray[np.uint8],
    overhead: NDArray[np.int64],
    again: int,
    bundle_first: NDArray[np.int64] = ...,
    bundle_members: NDArray[np.int64] = ...,
    required_bundle: NDArray[np.int32] = ...,
    required: NDArray[np.int32] = ...,
    whole: bool = False,
    candidates: NDArray[np.int32] = ...,
    option_set: NDArray[np.int32] = ...,
    option: NDArray[np.int32] = ...,
    section: NDArray[np.int32] = ...,
    parent: NDArray[np.int32] = ...,
    minimum: NDArray[np.int64] = ...,
    maximum: NDArray[np.int64] = ...,
    header: NDArray[np.int64] = ...,
    limit: int,
    min_density: float = 0.0,
    alike: float = 2.0,
    careful: bool = True,
    query: str = "",
    joint: int = 0,
    joint_whole: int = 0,
    joint_unit: NDArray[np.float64] = ...,
    bounded: bool = True,
) -> tuple[
    str,
    int,
    NDArray[np.uint8],
    NDArray[np.int32],
    int,
    float,
    float,
    float,
    float,
    NDArray[np.float64],
]: ...

class ReadText:
    def __init__(self, text: str) -> None: ...
    def differences(self, other: ReadText, wording: bool = False) -> list[tuple[str, str, str]]: ...

class DifferenceRule:
    def __init__(self, query: str = "") -> None: ...
    def differ(self, text: ReadText, other: ReadText) -> bool: ...

# tokens
class Tokenizer:
    @staticmethod
    def from_sections(
        model: object, normalizer: object, pre_tokenizer: object, added_tokens: object
    ) -> Tokenizer: ...
    @staticmethod
    def from_ranks(tokens: list[bytes], pattern: str) -> Tokenizer: ...
    @staticmethod
    def from_sentencepiece(data: bytes) -> Tokenizer: ...
    @property
    def additive(self) -> bool: ...
    def __init__(self, data: bytes, encoding: str) -> None: ...
    def count(self, text: str) -> int: ...
    def count_many(self, texts: list[str], cache: bool = True) -> NDArray[np.int64]: ...
    def count_units(self, corpus: Corpus, after: str = "") -> NDArray[np.int64]: ...
    def count_spans(self, text: str, spans: NDArray[np.int64]) -> NDArray[np.int64]: ...

def text_amounts(o200k: Tokenizer, cl100k: Tokenizer, texts: list[str]) -> NDArray[np.float64]: ...

TEXT_KINDS: tuple[str, ...]

# dedup
def near_duplicate_groups(
    texts: list[str],
    priority: NDArray[np.float64],
    threshold: float,
    ngram: int,
    characters: bool = False,
    containment: bool = False,
    threads: int = 1,
    key: bytes = b"",
) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
def share_shingles(texts: list[str], group: NDArray[np.int32], ngram: int) -> NDArray[np.uint8]: ...
def text_overlaps(
    texts: list[str], source: NDArray[np.int32], min_chars: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]: ...
def near_duplicate_groups_sketched(
    texts: list[str],
    priority: NDArray[np.float64],
    threshold: float,
    ngram: int,
    characters: bool = False,
    permutations: int = 128,
    seed: int = 1,
    threads: int = 1,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
def minhash_texts(
    texts: list[str],
    ngram: int,
    characters: bool = False,
    permutations: int = 128,
    seed: int = 1,
    threads: int = 1,
) -> NDArray[np.uint32]: ...

class LshIndex:
    def __init__(
        self,
        threshold: float,
        ngram: int,
        characters: bool = False,
        permutations: int = 128,
        seed: int = 1,
    ) -> None: ...
    def __len__(self) -> int: ...
    def add(self, texts: list[str]) -> NDArray[np.int64]: ...
    def remove(self, entries: NDArray[np.int64]) -> None: ...
    def query(
        self, texts: list[str], limit: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...
    def state(
        self,
    ) -> tuple[
        NDArray[np.uint64],
        NDArray[np.uint32],
        NDArray[np.uint64],
        NDArray[np.uint64],
        NDArray[np.int64],
        NDArray[np.uint32],
    ]: ...
    def restore(
        self,
        key: NDArray[np.uint64],
        sizes: NDArray[np.uint32],
        shingles: NDArray[np.uint64],
        band_keys: NDArray[np.uint64],
        entries: NDArray[np.int64],
        nodes: NDArray[np.uint32],
    ) -> None: ...

# solver
class Solution(NamedTuple):
    chosen: NDArray[np.int32]
    value: int
    upper_bound: int
    status: Literal["optimal", "gap", "infeasible"]
    found: bool
    price: float
    section_prices: NDArray[np.float64]

def solve_packing(
    starts: NDArray[np.int64],
    tokens: NDArray[np.int64],
    values: NDArray[np.int64],
    budget: int,
    *,
    separator: int = 0,
    section: NDArray[np.int64] | None = None,
    pin: NDArray[np.int64] | None = None,
    needs: NDArray[np.int64] = ...,
    group_starts: NDArray[np.int64] = ...,
    group_items: NDArray[np.int64] = ...,
    together_starts: NDArray[np.int64] = ...,
    together_items: NDArray[np.int64] = ...,
    section_parent: NDArray[np.int64] = ...,
    section_min: NDArray[np.int64] = ...,
    section_max: NDArray[np.int64] = ...,
    section_header: NDArray[np.int64] = ...,
    redundancy: NDArray[np.int64] = ...,
    concepts: NDArray[np.int64] = ...,
    cover_starts: NDArray[np.int64] = ...,
    cover_concepts: NDArray[np.int64] = ...,
    prefix: NDArray[np.int64] = ...,
    bonus: NDArray[np.int64] = ...,
    states: int = 200000,
    time_limit: float = 0.0,
    gap: float = 0.0,
) -> Solution: ...

class SessionIndex:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def add(
        self,
        message: int,
        role: str,
        text: str,
        time: float = ...,
        edges: Sequence[int] = ...,
    ) -> int: ...
    def remove(self, message: int) -> bool: ...
    def search(
        self,
        question: str,
        limit: int,
        weights: Sequence[float] = ...,
        answer: float = ...,
        near: float = ...,
        asked: float = ...,
        since: float = ...,
        until: float = ...,
        faint: str = ...,
    ) -> tuple[
        NDArray[np.int64],
        NDArray[np.float32],
        NDArray[np.int64],
        NDArray[np.int64],
        NDArray[np.int64],
        NDArray[np.float32],
        NDArray[np.uint8],
    ]: ...
    def frequencies(self, words: list[str]) -> list[int]: ...
    def segment(self, first: int, last: int) -> bytes: ...
    def load(self, data: bytes) -> int: ...
    def messages(self) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.float64]]: ...
    def passages(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]: ...
    @property
    def memory(self) -> int: ...

# The ledger

STATEMENT_KINDS: tuple[str, ...]

def statements(text: str, replies: bool = False, trusted: bool = False) -> NDArray[np.int64]: ...

# stages of a tokenizer
class Unsupported(ValueError): ...
