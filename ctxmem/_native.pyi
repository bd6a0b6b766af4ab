import numpy as np
from numpy.typing import NDArray

__version__: str

def cpu_level() -> str: ...

# words
def words(text: str) -> NDArray[np.uint64]: ...
def split_texts(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]: ...
def shingles(text: str, n: int) -> NDArray[np.uint64]: ...
def char_classes() -> NDArray[np.uint8]: ...

# spans
SPAN_KINDS: tuple[str, ...]

def split_spans(
    texts: list[str],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]: ...

# value
def bm25(
    words: NDArray[np.uint64],
    start: NDArray[np.int64],
    query_words: NDArray[np.uint64],
    query_start: NDArray[np.int64],
) -> NDArray[np.float64]: ...

# tokens
class Bpe:
    def __init__(self, data: bytes, encoding: str) -> None: ...
    def __len__(self) -> int: ...
    def count(self, text: str) -> int: ...
    def count_many(self, texts: list[str], cache: bool = True) -> NDArray[np.int64]: ...
    def count_spans(self, text: str, spans: NDArray[np.int64]) -> NDArray[np.int64]: ...
    def count_by_merging(self, piece: str) -> int: ...

def estimate_many(texts: list[str], encoding: str, margin: float) -> NDArray[np.int64]: ...
def estimate_cells(
    text: str, encoding: str
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]: ...

ESTIMATE_CELLS: int
ESTIMATE_LENGTHS: int

# dedup
def near_duplicate_stars(
    words: NDArray[np.uint64],
    start: NDArray[np.int64],
    order: NDArray[np.int32],
    threshold: float,
    n: int = 3,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...

# solver
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
) -> tuple[NDArray[np.int32], int, int, str, float]: ...
