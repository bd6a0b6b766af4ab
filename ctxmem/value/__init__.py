"""Estimate the value of every span from numeric features, with gradient-boosted trees.

question   the query, its variants and their vectors
retrieval  features of chunks: ranks, scores and agreement of the lists
shortlist  the chunks that are cut into spans
spans      features and values of spans
verify     calls an expensive scorer where its answer could change the window
"""

from ctxmem.value.question import Question, read_question
from ctxmem.value.retrieval import add_rank_fusion
from ctxmem.value.shortlist import shortlist
from ctxmem.value.spans import describe, estimate, model
from ctxmem.value.verify import read_scorer, verify

__all__ = [
    "Question",
    "add_rank_fusion",
    "describe",
    "estimate",
    "model",
    "read_question",
    "read_scorer",
    "shortlist",
    "verify",
]
