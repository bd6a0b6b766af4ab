"""Shorter texts that may stand for a chunk, and whether they say what it says.

alternatives  extracts of the best spans, and what compressors make of a chunk
faithful      what a shorter text says that the whole does not bear out
"""

from ctxmem.compress.alternatives import BLOCKS, Compressor, add_alternatives, read_compressors
from ctxmem.compress.faithful import untrue

__all__ = ["BLOCKS", "Compressor", "add_alternatives", "read_compressors", "untrue"]
