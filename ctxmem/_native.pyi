import numpy as np
from numpy.typing import NDArray

__version__: str

def cpu_level() -> str: ...

# words
def words(text: str) -> NDArray[np.uint64]: ...
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
def near_duplicate_stars(
    texts: list[str],
    priority: NDArray[np.float64],
    threshold: float,
    ngram: int,
    characters: bool = False,
    containment: bool = False,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]: ...
def text_overlaps(
    texts: list[str], source: NDArray[np.int32], min_chars: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]: ...

# solver
