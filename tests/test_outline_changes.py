"""The outline of change logs and patches: releases, files and hunks."""

from __future__ import annotations

import pytest
from outlines import FILLER, HIDDEN, flagged, units

# Change logs

RELEASES = [
    "version 1.33 - 2021-01-07",
    "version 1.34 - Sergey Poznyakoff, 2021-02-13",
    "1.2.3 (2024-05-01)",
    "1.2.3 (2024-05-01)\n------------------",
    "1.2.3 (unreleased)",
    "v1.2",
    "[1.2.0] - 2024-05-01",
    "2024-05-01",
    "2024-05-01 - version 1.2",
    "Version 2.1.0",
    "Release 3.4 / 2020-01-01",
    "Changes in 1.2.11 (15 Jan 2017)",
    "Changes with nginx 1.25.0                             23 May 2023",
    "pump 1.2 (May 2020)",
    "gzip (1.10-4) unstable; urgency=medium",
    "2021-01-07  Ann Lee  <ann@x.org>",
    "* Noteworthy changes in release 1.12 (2022-04-07) [stable]",
]


@pytest.mark.parametrize("release", RELEASES)
def test_the_changes_of_a_release_need_its_line(release):
    text = f"Version 9.9.9\n\n- A bell.\n\n{release}\n\n- A pump.\n\n- A gate.\n"
    assert [
        ("heading", "Version 9.9.9", None),
        ("list_item", "- A bell.", "Version 9.9.9"),
        ("heading", release, None),
        ("list_item", "- A pump.", release),
        ("list_item", "- A gate.", release),
    ] == units(text)


@pytest.mark.parametrize("release", RELEASES)
def test_a_text_may_begin_with_a_release(release):
    assert ("list_item", "- A pump.", release) in units(f"{release}\n\n- A pump.\n")
    assert ("list_item", "- A pump.", release) in units(f"{release}\n- A pump.\n")


@pytest.mark.parametrize(
    "line",
    [
        "Version 2 is slow.",
        "Version 2 of the pump",
        "Release 4 was the last",
        "2020 was a good year",
        "1.2 (a) The fee",
        "12.5 - 14.0",
        "12.5",
        "On 2024-05-01",
        "Version 2 from 2020 had:",
    ],
)
def test_a_line_with_a_number_is_no_release(line):
    kind, said, _ = units(f"{line}\n\n- A pump.\n\n- A gate.\n")[0]
    assert ("prose", line) == (kind, said)


def test_a_line_with_a_version_above_running_text_is_no_release():
    assert ["prose", "prose"] == [
        kind for kind, _, _ in units("Version 2.1.0\n\nThe pump runs without a bell.\n")
    ]


def test_sections_of_a_release_need_the_release():
    text = """* Noteworthy changes in release 1.12 (2022-04-07) [stable]

** Changes in behavior

  The bell rings.

** Bug fixes

  The pump stops.

* Noteworthy changes in release 1.11 (2021-09-03) [stable]

** Bug fixes

  The gate opens.
"""
    newer = "* Noteworthy changes in release 1.12 (2022-04-07) [stable]"
    older = "* Noteworthy changes in release 1.11 (2021-09-03) [stable]"
    assert [
        ("heading", newer, None),
        ("heading", "** Changes in behavior", newer),
        ("prose", "The bell rings.", "** Changes in behavior"),
        ("heading", "** Bug fixes", newer),
        ("prose", "The pump stops.", "** Bug fixes"),
        ("heading", older, None),
        ("heading", "** Bug fixes", older),
        ("prose", "The gate opens.", "** Bug fixes"),
    ] == units(text)


def test_underlined_sections_of_a_release_need_the_release():
    text = (
        "1.2.3 (2024-05-01)\n==================\n\nFixes of the pump\n-----------------\n\n- A.\n\n"
        "1.2.2 (2024-04-01)\n==================\n\nFixes of the pump\n-----------------\n\n- B.\n\n"
        "Credits of all\n==============\n\nAnn.\n"
    )
    heads = [(said.split("\n")[0], need) for kind, said, need in units(text) if kind == "heading"]
    assert [
        ("1.2.3 (2024-05-01)", None),
        ("Fixes of the pump", "1.2.3 (2024-05-01)\n=================="),
        ("1.2.2 (2024-04-01)", None),
        ("Fixes of the pump", "1.2.2 (2024-04-01)\n=================="),
        ("Credits of all", None),
    ] == heads


def test_sections_of_a_release_of_markdown_need_the_release():
    text = "# Log\n\n## [2.1.0] - 2024-05-01\n\n### Fixes of the old pump\n\n- A bell.\n"
    release = "## [2.1.0] - 2024-05-01"
    assert ("heading", "### Fixes of the old pump", release) in units(text)


def test_the_signature_of_a_release_says_nothing_alone():
    signature = "-- Ann Lee <ann@x.org>  Tue, 02 Mar 2021 18:30:16 -0500"
    text = f"gzip (1.10-4) sid; urgency=low\n\n  * A bell.\n\n {signature}\n\nOther text.\n"
    assert ("other", signature, "gzip (1.10-4) sid; urgency=low") in units(text)
    assert [signature] == flagged(text, FILLER)
    assert [signature] == flagged(f"  * A bell.\n\n {signature}\n", FILLER)[-1:]


# Patches


PUMP = "diff --git a/pump.c b/pump.c\nindex 8..9 100644\n--- a/pump.c\n+++ b/pump.c"
GATE = "--- a/gate.md\n+++ b/gate.md"
PATCH = f"""{PUMP}
@@ -1,3 +1,4 @@ start
 {{
-    run();
+    ring();
+    run();
 }}
@@ -9 +10 @@ stop
-    halt();
+    halt(1);
{GATE}
@@ -3,3 +3,5 @@
 # Gates
 
+- A gate opens.
+```
 The end.
"""


def test_the_lines_of_a_hunk_need_its_line_which_needs_the_file():
    assert [
        ("name", PUMP, None),
        ("name", "@@ -1,3 +1,4 @@ start", PUMP),
        ("code", "{\n-    run();\n+    ring();\n+    run();\n }", "@@ -1,3 +1,4 @@ start"),
        ("name", "@@ -9 +10 @@ stop", PUMP),
        ("code", "-    halt();\n+    halt(1);", "@@ -9 +10 @@ stop"),
        ("name", GATE, None),
        ("name", "@@ -3,3 +3,5 @@", GATE),
        ("code", "# Gates\n \n+- A gate opens.\n+```\n The end.", "@@ -3,3 +3,5 @@"),
    ] == units(PATCH)


def test_a_patch_needs_the_line_that_introduces_it_and_ends_with_its_hunks():
    found = units(f"The gate opens. Apply this:\n\n{PATCH}\nThen build it.\n")
    assert ("name", PUMP, "Apply this:") in found
    assert ("name", GATE, "Apply this:") in found
    assert ("prose", "Then build it.", None) == found[-1]


@pytest.mark.parametrize("at", ["    run();\n+", "-    run", "+    ring", "   ring", "+    run"])
def test_a_text_that_begins_inside_a_hunk_borrows_no_header(at):
    text = PATCH[PATCH.index(at.strip()) :] if at.startswith("   ") else PATCH[PATCH.index(at) :]
    torn, second, *_ = units(text)
    assert ("code", None) == (torn[0], torn[2])
    assert ("name", "@@ -9 +10 @@ stop", None) == second
    assert ("name", GATE, None) in units(text)


def test_a_text_without_any_header_of_a_patch_may_be_a_piece_of_one():
    text = " {\n-    run();\n+    ring();\n+    run();\n }\n"
    assert ("code", text.strip(), None) == units(text)[-1]
    assert "list_item" == units("+ one\n+ two\n- three\n")[0][0]


def test_a_long_hunk_is_cut_between_its_changes_and_at_empty_lines():
    text = (
        "--- a/x.c\n+++ b/x.c\n@@ -1,9 +1,9 @@\n"
        " int first = 1;\n-int second = 2;\n+int second = 3;\n int third = 3;\n"
        " int fourth = 4;\n+int fifth = 5;\n int sixth = 6;\n\n int seventh = 7;\n"
    )
    assert [
        ("code", "int first = 1;\n-int second = 2;\n+int second = 3;\n int third = 3;"),
        ("code", "int fourth = 4;\n+int fifth = 5;\n int sixth = 6;"),
        ("code", "int seventh = 7;"),
    ] == [unit[:2] for unit in units(text, room=64)[2:]]


def test_the_version_of_git_below_a_patch_is_never_shown():
    assert ["-- \n2.30.2"] == flagged(f"{PATCH}-- \n2.30.2\n", HIDDEN)


def test_a_file_that_is_renamed_is_shown_without_a_hunk():
    moved = "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b"
    assert [("code", moved, None), ("name", PUMP, None)] == units(f"{moved}\n{PATCH}")[:2]
