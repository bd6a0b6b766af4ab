from typing import Any

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
def solve_packing(
    problem: dict[str, NDArray[np.int64]],
    budget: int,
    separator: int = 0,
    *,
    states: int = 200000,
    time_limit: float = 0.0,
    gap: float = 0.0,
) -> dict[str, Any]: ...
