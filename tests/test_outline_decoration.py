"""Badges, logos, comments and lines of tags: shown only next to units that are shown."""

from __future__ import annotations

import pytest
from outlines import CODE_FILE, FILLER, LEAD_IN, flagged, units

from ctxmem import pack

BADGE = "[![Build](https://example.org/a.svg?branch=main)](https://example.org/a)"

DECORATION = {
    "badge": BADGE,
    "badges": f"{BADGE} {BADGE} | {BADGE}&nbsp;{BADGE}",
    "badge by name": "[![Build][build-image]][build-link]",
    "image": "![The gate, drawn](https://example.org/gate_(open).png)",
    "logo": '<img alt="A gate" src="https://example.org/gate.svg" height="150">',
    "logo on several lines": '<img\n  alt="A gate"\n  src="https://example.org/gate.svg"\n>',
    "linked logo": '<p align="center"><a href="https://example.org"><img src="a.svg" /></a></p>',
    "tags in capitals": '<P ALIGN="center"><IMG SRC="a.svg"></P>',
    "comment": "<!-- generated, do not edit -->",
    "comment on several lines": "<!---\nCopyright 2023 The Gate.\n\nAll rights reserved.\n-->",
    "lone tag": '<div align="center">',
}


@pytest.mark.parametrize("case", DECORATION)
def test_decoration_is_one_unit_without_value(case):
    decoration = DECORATION[case]
    text = f"# Gate\n\n{decoration}\n\nGate opens doors.\n"
    assert [
        ("heading", "# Gate", None),
        ("other", decoration, None),
        ("prose", "Gate opens doors.", "# Gate"),
    ] == units(text)
    assert [decoration] == flagged(text, FILLER)


@pytest.mark.parametrize(
    "line",
    [
        f"{BADGE} tells whether it works.",
        "![The gate",
        "[!WARNING]",
        "<gate>open</gate>",
        "<https://example.org>",
        "<b>Gate</b> opens doors.",
        "<img alt='a gate'",
        "<p align=center",
        "<!-- never closed",
        "<3 Gate",
    ],
)
def test_a_line_with_text_is_no_decoration(line):
    assert [] == flagged(f"# Gate\n\n{line}\n\nGate opens doors.\n", FILLER)


def test_a_line_introduces_what_is_below_the_decoration():
    text = "To open it, run:\n\n<!-- code-begin -->\n\n```sh\ngate open\n```\n"
    assert ("fence", "```sh", "To open it, run:") in units(text)
    assert ["To open it, run:"] == flagged(text, LEAD_IN)


def test_in_a_file_of_code_nothing_is_decoration():
    assert [] == flagged("<div>\n<!-- a -->\n</div>\n", FILLER, CODE_FILE)


def test_each_line_of_badges_is_a_unit():
    text = f"# Gate\n\n{BADGE}\n{BADGE}\nGate opens doors.\n"
    assert [BADGE, BADGE] == flagged(text, FILLER)
    assert ("prose", "Gate opens doors.", "# Gate") == units(text)[-1]


def test_a_small_window_has_no_badge():
    badges = "\n".join(BADGE.replace("a.svg", f"gate{i}.svg") for i in range(6))
    text = f"# Gate\n\n{badges}\n\nGate is software for doors.\n\nIt has a licence.\n"
    window = pack([text], 30, query="What does gate do?")
    assert "Gate is software for doors." in window.text
    assert "example.org" not in window.text


def test_reading_comments_that_never_end_is_linear():
    # Each line is looked at once and reading ahead is limited, so this ends at once.
    assert units("<!-- a\n" * 20_000)
