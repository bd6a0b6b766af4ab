"""What was forgotten, as text and as HTML, from its plain data alone."""

from __future__ import annotations

from collections.abc import Sequence

from ctxmem.report.words import Data, beside, cut, escape, many, money, share

KINDS: dict[str, tuple[str, str]] = {
    "forgotten_rule": ("rule", "Rules that left the window and were broken or said again"),
    "asked_again": ("question", "Questions asked again after their answers had left the window"),
    "read_again": ("file", "Files read again after their text had left the window"),
    "run_again": ("command", "Commands run again for a result that had left the window"),
    "forgotten_identifier": ("identifier", "Identifiers used again after they had left the window"),
}
"""Chip and sentence of each kind."""

_TOP = 3
_SHOWN = 60


def sentence(forgotten: Data) -> str:
    """Return the one sentence that matters."""
    trimmed, conversations = forgotten["trimmed"], forgotten["conversations"]
    all_of_them = many(conversations, "conversation")
    of = f"{trimmed:,} of {all_of_them}"
    if not trimmed:
        return f"Nothing was forgotten: no message left the window in {all_of_them}."
    count = len(forgotten["findings"])
    if not count:
        return (
            f"Nothing was forgotten: messages left the window in {of}, and none was needed again."
        )
    cost = f", {money(forgotten['money'])}" if forgotten["money"] is not None else ""
    return (
        f"Forgotten: {many(count, 'thing')} that left the window and {_was(count)} needed again "
        f"({forgotten['tokens']:,} tokens{cost}); messages left the window in {of}."
    )


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _by_kind(forgotten: Data) -> list[tuple[str, list[Data]]]:
    found = [(kind, [f for f in forgotten["findings"] if f["kind"] == kind]) for kind in KINDS]
    return [(kind, of) for kind, of in found if of]


def _story(finding: Data) -> str:
    """Return where something was said, when it left, and where it was needed."""
    said, gone, needed = finding["said"], finding["gone"], finding["needed"]
    return (
        f"said in call {said['call']} ({said['place']}), "
        f"left by {gone['by']} before call {gone['call']}, "
        f"needed in call {needed['call']} ({needed['place']})"
    )


def forgotten_lines(forgotten: Data) -> list[str]:
    """Return the block of a terminal."""
    lines = [sentence(forgotten)]
    for kind, findings in _by_kind(forgotten):
        tokens = forgotten["kinds"][kind]["tokens"]
        lines.append(f"{KINDS[kind][1]}: {many(len(findings), 'finding')}, {tokens:,} tokens")
        for finding in findings[:_TOP]:
            times = f" x{finding['count']}" if finding["count"] > 1 else ""
            lines.append(f"{finding['tokens']:>9,}  {cut(finding['title'], 100)}{times}")
            lines.append(f"{'':11}{_story(finding)}")
        if len(findings) > _TOP:
            lines.append(f"{'':11}and {len(findings) - _TOP:,} more")
        lines.append(f"   fix: {findings[0]['fix']}")
    return lines


def forgotten_section(forgotten: Data | None) -> str:
    """Return the section of a page; "" if nobody asked."""
    if forgotten is None:
        return ""
    blocks = [f"<p>{escape(sentence(forgotten))}</p>"]
    for kind, findings in _by_kind(forgotten):
        tokens = forgotten["kinds"][kind]["tokens"]
        part = share(tokens, forgotten["tokens"])
        said = f"{many(len(findings), 'finding')}, {tokens:,} tokens ({part})"
        rows = "".join(map(_row, findings[:_SHOWN]))
        more = len(findings) - _SHOWN
        rest = f"<p class='soft'>and {more:,} more</p>" if more > 0 else ""
        blocks.append(
            f'<div class="card"><h3>{escape(KINDS[kind][1])}<span class="soft">{escape(said)}'
            f"</span></h3><pre><code>{escape(findings[0]['fix'])}</code></pre>{rows}{rest}</div>"
        )
    return f"<section><h2>What was forgotten</h2>{''.join(blocks)}</section>"


def _row(finding: Data) -> str:
    times = f" ×{finding['count']}" if finding["count"] > 1 else ""
    cost = f", {money(finding['money'])}" if finding["money"] is not None else ""
    titles = ["what left the window", "what the window had instead", "what needed it"]
    texts = [finding["left"], finding["after"] or "(nothing)", finding["use"]]
    return (
        f'<details><summary><span class="title">{escape(cut(finding["title"], 120))}{times}</span>'
        f'<span class="n">{finding["tokens"]:,} tokens{escape(cost)}</span></summary>'
        f'<div class="inside"><p class="soft">{escape(_story(finding))}</p>'
        f"{_columns(texts, titles)}</div></details>"
    )


def _columns(texts: Sequence[str], titles: Sequence[str]) -> str:
    return beside(texts, titles, mark=False)
