"""The vocabularies that are installed with the test dependencies."""

from __future__ import annotations

import pytest

from ctxmem import tokens


def published(encoding: str) -> tokens.VocabularyFile:
    """Return the installed copy of a vocabulary."""
    for found in tokens.vocabularies():
        if found.name == encoding and found.sha256_ok:
            return found
    pytest.fail(f"the tests need the vocabulary of {encoding}: install llama-index-core")
