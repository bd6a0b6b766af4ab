"""Shorter versions of a chunk, and a check that they agree with it.

alternatives  the output of compressors, as alternatives of chunks
faithful      finds numbers, quotations and negations that contradict the chunk
"""

from ctxmem.compress.alternatives import BLOCKS, add_alternatives, read_compressors
from ctxmem.compress.faithful import untrue

__all__ = ["BLOCKS", "add_alternatives", "read_compressors", "untrue"]
