"""Count tokens: exactly where the vocabulary is public, by a calibrated estimate where it is not.

`resolve` turns what a user says (an encoding, a model, a function, an object) into a `Counter`;
`count_tokens` and `count_spans` count with it. cl100k_base and o200k_base are counted natively:
exact, without token ids, several times faster than tiktoken (bench/tokens.py), which is the
reference in the tests. They count `<|endoftext|>` in a document as ordinary text: it is seven
tokens, never a control token and never an error.

Tokenizer files on this machine are counted natively too, by the rules of the library that each is
made for (tokenizer_files.py).

The vocabularies of these two come with the package. Those of older encodings are looked for on this
machine, fetched at most once, within ten seconds and only if `CTXMEM_OFFLINE` is not set; their
SHA-256 is always checked. Nothing here runs at import.

counters         native, and those of others
packed           the vocabularies of the package
files            where older vocabularies are, and how one is fetched
tokenizer_files  tokenizer.json, tekken.json, .tiktoken and SentencePiece files
caches           where other libraries keep the files of public models
estimates        upper bounds that learn from reported usage
calibration      the statistics of that
observing        what was sent, and the tokens that were reported for it
names            what a counter is called; models  the names that are not OpenAI's
counting         texts, spans, tables
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ctxmem.tokens.counting import count_spans, count_tokens, price, price_segments
from ctxmem.tokens.names import counter, fetch_vocabulary, resolve

if TYPE_CHECKING:
    from ctxmem.tokens.estimates import Estimate, family_of
    from ctxmem.tokens.files import VocabularyFile, vocabularies

__all__ = [
    "Estimate",
    "VocabularyFile",
    "count_spans",
    "count_tokens",
    "counter",
    "family_of",
    "fetch_vocabulary",
    "price",
    "price_segments",
    "resolve",
    "vocabularies",
]

# Imported when asked for: the first count by a vocabulary of the package needs none of them.
_LATER = {
    "Estimate": "estimates",
    "VocabularyFile": "files",
    "family_of": "estimates",
    "vocabularies": "files",
}

if not TYPE_CHECKING:  # a type checker would accept every name, misspelt ones too

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module 'ctxmem.tokens' has no attribute {name!r}")
        value = getattr(import_module(f"ctxmem.tokens.{_LATER[name]}"), name)
        globals()[name] = value
        return value
