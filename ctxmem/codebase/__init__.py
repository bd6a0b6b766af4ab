"""Code as context: the files of a repository as chunks, ranked for a question.

files      the files: found, read, left out with a reason; `ignoring` reads `.gitignore`
parsing    symbols of a file by its language: `python`, `grammars` or `plain`
index      the words of symbols, with `words`; references: which symbol uses which
recency    when files were changed last
repository `Codebase`, which ranks symbols and makes chunks of them
"""

from ctxmem.codebase.files import kind_of
from ctxmem.codebase.repository import Codebase, code
from ctxmem.codebase.symbols import Skipped, Symbol

__all__ = ["Codebase", "Skipped", "Symbol", "code", "kind_of"]
