# What tests and benchmarks call of the native core and the package does not; only editable
# installations and `setup.py build_ext --inplace` build it.
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctxmem._native import SpanFeatures

# words
def words(text: str, seed: int | None = None) -> NDArray[np.uint64]: ...
def char_classes() -> NDArray[np.uint8]: ...

# differences and value
DIFFERENCE_KINDS: tuple[str, ...]
FINAL_FEATURES: tuple[str, ...]

def final_features(features: SpanFeatures, density: NDArray[np.float32]) -> NDArray[np.float32]: ...

# dedup
def near_duplicate_pairs(
    texts: list[str],
    threshold: float,
    ngram: int,
    characters: bool = False,
    containment: bool = False,
    threads: int = 1,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]: ...
def shingle_sets(
    texts: list[str], ngram: int, characters: bool = False, seed: int | None = None
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]: ...
def minhash(
    shingles: NDArray[np.uint64],
    start: NDArray[np.int64],
    permutations: int = 128,
    seed: int = 1,
) -> NDArray[np.uint32]: ...
def band_plan(
    threshold: float, permutations: int = 128, recall: float = 0.99
) -> tuple[int, int]: ...

# the knapsack
class Packing(NamedTuple):
    chosen: NDArray[np.int32]
    value: int
    upper_bound: int
    status: Literal["optimal", "gap", "infeasible"]
    price: float

def solve_classes(
    starts: NDArray[np.int64],
    tokens: NDArray[np.int64],
    values: NDArray[np.int64],
    mandatory: NDArray[np.bool_],
    budget: int,
    *,
    states: int = 200000,
    time_limit: float = 0.0,
    gap: float = 0.0,
) -> Packing: ...

# stages of a tokenizer
class PreTokeniser:
    def __init__(self, section: object) -> None: ...
    def split(self, text: str, first: bool = True) -> list[bytes]: ...
    @property
    def known(self) -> bool: ...

class Regex:
    def __init__(self, pattern: str, engine: str) -> None: ...
    def split(self, text: str) -> list[bytes]: ...

def known_pieces(pattern: str, text: str, engine: str) -> list[bytes] | None: ...

class TokenModel:
    def __init__(self, section: dict[str, Any], byte_level: bool = False) -> None: ...
    @property
    def quick(self) -> bool: ...
    def count(self, text: str) -> int: ...

class SentencePieceModel:
    def __init__(self, data: bytes) -> None: ...
    @property
    def quick(self) -> bool: ...
    @property
    def normaliser(self) -> dict[str, Any]: ...
    def count(self, text: str) -> int: ...

class Normaliser:
    def __init__(self, section: dict[str, Any] | None) -> None: ...
    @staticmethod
    def sentencepiece(
        charsmap: bytes,
        *,
        add_dummy_prefix: bool = True,
        remove_extra_whitespaces: bool = True,
        escape_whitespaces: bool = True,
        treat_whitespace_as_suffix: bool = False,
        kept: list[str] = [],
    ) -> Normaliser: ...
    def apply(self, text: str) -> str: ...
