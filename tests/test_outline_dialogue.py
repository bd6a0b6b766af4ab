"""The outline of dialogue: no sentence of a turn is shown without the name of its speaker."""

from __future__ import annotations

import pytest
from outlines import broken_laws, texts, units

from ctxmem import pack

# Three turns each; the one in the middle has two sentences.
FORMS = {
    "name": "Ann: {}\nBo Kim: {}\nAnn: {}\n",
    "bold": "**Ann:** {}\n\n**Bo Kim:** {}\n\n**Ann:** {}\n",
    "bold name": "**Ann**: {}\n**Bo Kim**: {}\n**Ann**: {}\n",
    "bold with a time": "**Ann** (10:01): {}\n**Bo Kim** (10:02): {}\n**Cleo** (10:04): {}\n",
    "time in brackets": "Ann (10:01): {}\nBo Kim (10:02): {}\nCleo (10:04): {}\n",
    "time before": "10:01 Ann: {}\n10:02 Bo Kim: {}\n10:04 Cleo: {}\n",
    "angle brackets": "<ann> {}\n<bo> {}\n<ann> {}\n",
    "angle brackets and a time": "[10:01] <@ann> {}\n[10:02] <bo> {}\n[10:04] <cleo> {}\n",
    "dash": "Ann \u2014 {}\nBo Kim \u2014 {}\nAnn \u2014 {}\n",
    "export": "12/05/24, 10:01 - Ann: {}\n12/05/24, 10:02 - Bo Kim: {}\n"
    "12/05/24, 10:04 - Ann: {}\n",
    "export in brackets": "[12.05.24, 10:01:33] Ann: {}\n[12.05.24, 10:02:40] +49 170 12: {}\n"
    "[12.05.24, 10:04:00] Ann: {}\n",
    "half days": "[12/05/24, 10:01:33\u202fAM] ~ Ann: {}\n[12/05/24, 10:02:40\u202fAM] ~ Bo: {}\n"
    "[12/05/24, 1:04:00\u202fPM] ~ Ann: {}\n",
    "name and time on a line": "Ann Lee  10:01 AM\n{}\n\nBo Kim  10:02 AM\n{}\n\n"
    "Cleo  10:04 AM\n{}\n",
    "name on a line": "**Ann:**\n{}\n\n**Bo Kim:**\n{}\n\n**Ann:**\n{}\n",
    "subtitles": "WEBVTT\n\n00:01:02.000 --> 00:01:05.000\n<v Ann>{}</v>\n\n"
    "00:01:05.000 --> 00:01:08.000\n<v Bo>{}</v>\n\n00:01:08.000 --> 00:01:09.000\n<v Ann>{}</v>\n",
    "numbered subtitles": "1\n00:01:02,000 --> 00:01:05,000\nAnn: {}\n\n"
    "2\n00:01:05,000 --> 00:01:08,000\nBo: {}\n\n3\n00:01:08,000 --> 00:01:09,000\nAnn: {}\n",
}
SAID = ["We ship on Friday.", "I disagree. Marketing has announced Monday.", "Friday it is."]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_short_turn_is_one_unit(form):
    turns = [said for kind, said, _ in units(form.format(*SAID)) if kind == "turn"]
    assert 3 == len(turns)
    for turn, said in zip(turns, SAID, strict=True):
        assert said in turn


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_sentence_of_a_long_turn_needs_its_name(form):
    long = "I disagree. " + "The pump of the north hall has been out of order. " * 12
    text = form.format("We ship.", long + "Marketing knows.", "Friday it is.")
    need = {said: need for _, said, need in units(text)}
    named = next(said for said in texts(text) if "I disagree." in said)
    assert "I disagree." != named
    assert named == need["The pump of the north hall has been out of order."]
    assert named == next(of for said, of in need.items() if said.startswith("Marketing knows."))
    assert [] == broken_laws(text) + broken_laws(text, room=32)


@pytest.mark.parametrize("budget", range(8, 60, 4))
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_words_of_one_speaker_never_appear_under_another(form, budget):
    text = form.format(*SAID)
    shown = pack([text], budget=budget, query="When has marketing announced it?").text
    if "Marketing has announced" in shown:
        assert "I disagree." in shown


def test_a_message_without_a_speaker_ends_a_turn():
    text = (
        "12/05/24, 10:00 - Messages are encrypted.\n12/05/24, 10:01 - Ann: Hi.\nAll well?\n"
        "12/05/24, 10:02 - Bo left\n12/05/24, 10:03 - Ann: Oh.\n"
    )
    assert [
        "12/05/24, 10:00 - Messages are encrypted.",
        "12/05/24, 10:01 - Ann: Hi.\nAll well?",
        "12/05/24, 10:02 - Bo left",
        "12/05/24, 10:03 - Ann: Oh.",
    ] == texts(text)


def test_a_cue_without_a_name_needs_the_last_one_with_a_name():
    text = (
        "00:01.000 --> 00:02.000\n<v Ann>We ship\n\n00:02.000 --> 00:03.000\non Friday.\n\n"
        "00:03.000 --> 00:04.000\n<v Bo>No.\n"
    )
    first, second, third = texts(text)
    assert [None, first, None] == [need for _, _, need in units(text)]
    assert "<v Ann>" in first and "on Friday." in second and "<v Bo>" in third


def test_a_list_in_a_turn_needs_the_turn_and_what_follows_a_rule_does_not():
    text = (
        "Bo (10:00): What now?\n\nAnn (10:01): Do this\n\n- pump\n- valve\n\nThen rest.\n\n"
        "Bo (10:02): Yes.\n\n---\n\nEnd."
    )
    needs = {said: need for _, said, need in units(text)}
    for said in ("- pump", "- valve", "Then rest."):
        assert "Ann (10:01): Do this" == needs[said]
    assert needs["End."] is None


def test_a_name_and_a_time_alone_are_a_label():
    text = "**Ann** (10:01)\n\nWe ship.\n\n**Bo** (10:02)\n\nI disagree.\n"
    assert [
        ("name", "**Ann** (10:01)", None),
        ("turn", "We ship.", "**Ann** (10:01)"),
        ("name", "**Bo** (10:02)", None),
        ("turn", "I disagree.", "**Bo** (10:02)"),
    ] == units(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01 10:00:00 INFO: started\n2024-05-01 10:00:01 WARN: slow\n"
        "2024-05-01 10:00:02 INFO: done\n",
        "Pump \u2014 a device.\n\nValve \u2014 another device.\n\nHose \u2014 a part of both.\n",
        "<p>One.</p>\n<p>Two.</p>\n<p>Three.</p>\n",
        "<b>One</b> is here.\n\n<b>Two</b> is there.\n\n<b>Three</b> is gone.\n",
    ],
)
def test_a_log_a_glossary_and_a_page_are_no_dialogue(text):
    assert "turn" not in [kind for kind, _, _ in units(text)]
