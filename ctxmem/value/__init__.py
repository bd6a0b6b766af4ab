"""What is a span worth? What speaks for it, in numbers, and what two forests make of them.

question  the query, its variants and their vectors
evidence  what the lists that returned a chunk say of it
shortlist the chunks that are looked at so closely
spans     every span described, drafted and valued
verify    a costly scorer asked where it could change the window
"""

from ctxmem.value.evidence import add_evidence
from ctxmem.value.question import Question, read_question
from ctxmem.value.shortlist import shortlist
from ctxmem.value.spans import describe, estimate, model
from ctxmem.value.verify import read_scorer, verify

__all__ = [
    "Question",
    "add_evidence",
    "describe",
    "estimate",
    "model",
    "read_question",
    "read_scorer",
    "shortlist",
    "verify",
]
