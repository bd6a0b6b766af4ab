"""Where everything fits, everything is shown, apart from repeats."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter

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


# Texts that have only headings, keys or comments


def test_chunk_that_is_only_a_heading_is_shown() -> None:
    window = ctxmem.pack(["## Never run this as root", "Some other text here."], ROOM)
    assert {"## Never run this as root", "Some other text here."} == set(window.text.split("\n\n"))
    assert [True, True] == [decision.kept for decision in window.decisions]


def test_chunk_that_ends_with_a_lead_in_is_shown() -> None:
    said = "# Histories\n\nThe functions accept the messages of every provider, also mixed:"
    window = ctxmem.pack([Chunk(said, source="a.md"), Chunk("Cats sleep.", source="b.md")], ROOM)
    assert said in window.text
    assert "Cats sleep." in window.text


def test_settings_that_are_only_comments_are_shown() -> None:
    said = "# The port of the server\n# port = 80\n# the address\n# listen = all"
    window = ctxmem.pack(
        [Chunk(said, source="service.conf"), Chunk("Cats sleep.", source="b.md")], ROOM
    )
    assert said in window.text


def test_heading_at_the_end_of_a_chunk_is_shown_if_all_else_is() -> None:
    said = "The cache is emptied every night.\n\n## Rights of the owner"
    assert said == ctxmem.pack([said, "Cats sleep."], ROOM, query="cache").pieces[0].text
    below = ctxmem.pack([said, "Cats sleep all day long. " * 20], 16, query="cache")
    assert "Cats sleep all day long." in below.text
    assert "Rights of the owner" not in below.text  # there is room, but not all else is shown


def test_fences_and_rules_alone_are_not_shown() -> None:
    window = ctxmem.pack(["```\n", "---\n", "Some text here."], ROOM)
    assert "Some text here." == window.text
    assert all("only headings, keys, brackets" in d.detail for d in window.decisions[:2])


def test_reason_of_a_heading_without_room_is_the_budget() -> None:
    window = ctxmem.pack(
        ["## Never run this as root", "The cache is emptied."], 6, query="cache emptied"
    )
    assert "The cache is emptied." == window.text
    assert ctxmem.Reason.OVER_BUDGET == window.decisions[0].reason


# Texts of each format, whole and cut anywhere

TEXTS = {
    "guide.md": """\
# Install

Run the installer. It needs the rights of the owner.

| Option | Meaning |
|---|---|
| port | where the server listens |
| host | its address |

Then:

1. Open the panel.
2. Press start:

   ```sh
   start --all
   ```

## Notes

- Cats sleep.
- Dogs bark:
  - loudly
""",
    "service.conf": """\
# Who may connect
# address = all
[server]
port = 80
# The limit of memory
limit = 512

[client]
#retries = 3
""",
    "p.json": PAGES,
    "rules.yaml": """\
category: "religion"
description: |
  Blocks questions on belief.
rules:
  - name: first
    action: block
    # too strict
  - name: second
""",
    "METADATA": """\
Metadata-Version: 2.4
Name: pump
Project-URL: Home, https://pump.example
Classifier: Programming Language
Requires-Python: >=3.10

Pump
====

A pump for water.
""",
    "pump.py": '''\
"""Run a pump."""

import time

LIMIT = 3


class Pump:
    """A pump."""

    def run(self, speed):
        # slowly
        for _ in range(speed):
            time.sleep(1)
        return LIMIT
''',
    "rows.csv": "name,age,town\nAnn,31,Oslo\nBob,42,Rome\nCy,53,Bern\n",
}


def lines_of(text: str, rng: random.Random) -> list[str]:
    """Return a text cut at a few ends of lines."""
    lines = text.splitlines(keepends=True)
    cuts = sorted({0, len(lines), *(rng.randrange(len(lines)) for _ in range(rng.randrange(4)))})
    parts = ["".join(lines[a:b]) for a, b in itertools.pairwise(cuts)]
    return [part for part in parts if part.strip()]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("sourced", [True, False])
def test_every_word_is_shown_where_all_fits(name: str, sourced: bool) -> None:
    rng = random.Random(7)
    for _ in range(40):
        parts = lines_of(TEXTS[name], rng)
        if rng.random() < 0.5:
            rng.shuffle(parts)
        query = " ".join(rng.sample(words_of(TEXTS[name]), 3))
        chunks = [
            Chunk(part, source=name if sourced else None, rank=k) for k, part in enumerate(parts)
        ]
        window = ctxmem.pack(chunks, ROOM, query=query, dedup=False)
        lost = Counter(words_of(TEXTS[name])) - Counter(words_of(window.text))
        del lost["sh"]  # of a fence whose code is in another chunk
        assert not lost, (parts, query, window.text)
