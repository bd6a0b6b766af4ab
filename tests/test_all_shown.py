"""Where everything fits, everything is shown, apart from repeats."""

from __future__ import annotations

import re

import pytest

import ctxmem
from ctxmem import Chunk

PAGES = """\
{
  "pagination": {
    "ListA": {
      "input_token": "NextToken",
      "limit_key": "MaxResults"
    },
    "ListB": {
      "input_token": "NextToken",
      "limit_key": "MaxResults"
    }
  }
}
"""

ROOM = 5000  # tokens: more than any text here has


def words_of(text: str) -> list[str]:
    """Return the words of a text."""
    return re.findall(r"\w+", text)


# Both lists say the same, so the second chunk repeats the first; it is no repeat of the text.
@pytest.mark.parametrize("cut", range(90, 140))
@pytest.mark.parametrize("query", ["limit of ListB", "input token", None])
def test_chunk_that_repeats_the_text_it_continues_is_shown(cut: int, query: str | None) -> None:
    parts = PAGES[:cut], PAGES[cut:]
    spans = (0, cut), (cut, len(PAGES))
    chunks = [
        Chunk(part, source="p.json", span=span, rank=k)
        for k, (part, span) in enumerate(zip(parts, spans, strict=True))
    ]
    window = ctxmem.pack(chunks, 500, query=query)
    assert PAGES.strip() == window.text
    assert [True, True] == [decision.kept for decision in window.decisions]
    assert "optimal" == window.status


@pytest.mark.parametrize("cut", [*range(90, 120), *range(122, 140)])
def test_numbered_chunk_that_repeats_the_text_it_continues_is_shown(cut: int) -> None:
    chunks = [
        Chunk(part, source="p.json", id=f"p-{k}")
        for k, part in enumerate((PAGES[:cut], PAGES[cut:]))
    ]
    window = ctxmem.pack(chunks, 500, query="limit of ListB")
    for chunk in chunks:
        assert set(words_of(chunk.text)) <= set(words_of(window.text))


def test_heading_of_a_repeated_chunk_is_shown_with_the_text_below_it() -> None:
    """The second chunk repeats the first, but the third one has its heading in it."""
    advice = "The cache is emptied every night by a job that the server starts at two o'clock."
    chunks = [
        Chunk(f"# Cache\n\n{advice}\n\n", source="a.md", id="first"),
        Chunk(f"# Cache\n\n{advice}\n", source="b.md", span=(0, 91), id="again"),
        Chunk("\nThe owner of the folder must grant the right.", source="b.md", span=(91, 137)),
    ]
    window = ctxmem.pack(chunks, ROOM)
    assert "The owner of the folder must grant the right." in window.text
    assert 1 == window.text.count(advice)
