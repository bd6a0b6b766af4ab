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
