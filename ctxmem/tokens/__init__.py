"""Count tokens: exactly where a vocabulary is at hand, by a calibrated estimate where it is not.

`resolve` turns what a user says (an encoding, a model, a function, an object) into a `Counter`;
`count_tokens` and `count_spans` count with it. cl100k_base and o200k_base are counted natively:
exact, without token ids, several times faster than tiktoken (bench/tokens.py), which stays the
reference in the tests. Text is always counted as ordinary text: `<|endoftext|>` in a document is
seven tokens, never a control token and never an error.

A vocabulary is looked for on this machine first, fetched at most once, within ten seconds and only
if `CTXMEM_OFFLINE` is not set; its SHA-256 is always checked. Nothing here runs at import.

counters     native, and those of others
estimates    upper bounds that learn from reported usage
calibration  the statistics of that; observing  what was sent
files     where vocabularies lie, and how one is fetched
names     what a counter is called
counting  texts, spans, tables
"""

from ctxmem.tokens.counting import count_spans, count_tokens, price, price_segments
from ctxmem.tokens.estimates import Estimate, family_of
from ctxmem.tokens.files import VocabularyFile, vocabularies
from ctxmem.tokens.names import fetch_vocabulary, resolve

__all__ = [
    "Estimate",
    "VocabularyFile",
    "count_spans",
    "count_tokens",
    "family_of",
    "fetch_vocabulary",
    "price",
    "price_segments",
    "resolve",
    "vocabularies",
]
