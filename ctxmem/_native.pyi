from typing import overload

import numpy as np
from numpy.typing import NDArray

__version__: str

def cpu_level() -> str: ...

# words
def words(text: str) -> NDArray[np.uint64]: ...
def split_texts(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]: ...
def shingles(text: str, n: int) -> NDArray[np.uint64]: ...
def char_classes() -> NDArray[np.uint8]: ...

# tokens

# dedup
def near_duplicate_pairs(
    texts: list[str],
    threshold: float,
    ngram: int,
    characters: bool = False,
    containment: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]: ...
@overload
def near_duplicate_stars(
    texts: list[str],
    priority: NDArray[np.float64],
    threshold: float,
    ngram: int,
    characters: bool = False,
    containment: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
@overload
def near_duplicate_stars(
    words: NDArray[np.uint64],
    start: NDArray[np.int64],
    order: NDArray[np.int32],
    threshold: float,
    n: int = 3,
    containment: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
def text_overlaps(
    texts: list[str], source: NDArray[np.int32], min_chars: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]: ...
def near_duplicate_stars_sketched(
    texts: list[str],
    priority: NDArray[np.float64],
    threshold: float,
    ngram: int,
    characters: bool = False,
    permutations: int = 128,
    seed: int = 1,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
def shingle_sets(
    texts: list[str], ngram: int, characters: bool = False
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
        self, texts: list[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...
    def state(
        self,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint32]]: ...
    def restore(
        self,
        sizes: NDArray[np.uint32],
        shingles: NDArray[np.uint64],
        entries: NDArray[np.int64],
        nodes: NDArray[np.uint32],
    ) -> None: ...

# solver
