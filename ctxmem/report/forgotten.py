"""What was forgotten, as text and as HTML, from its plain data alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctxmem.report.words import Data, beside, cut, escape, many, money, share, wrapped

KINDS: dict[str, tuple[str, str]] = {
    "forgotten_rule": ("rule", "Rules that left the window and were broken or said again"),
    "asked_again": ("question", "Questions asked again after their answers had left the window"),
    "read_again": ("file", "Files read again after their text had left the window"),
    "run_again": ("command", "Commands run again for a result that had left the window"),
    "forgotten_identifier": ("identifier", "Identifiers used again after they had left the window"),
}
"""Chip and sentence of each kind."""

_INDENT = " " * 3
_TOP = 3
_OPEN = 8  # rows of a kind that a page shows, before the rest is folded
_SHOWN = 60


def sentence(forgotten: Data) -> str:
    """Return the one sentence that matters."""
    trimmed, conversations = forgotten["trimmed"], forgotten["conversations"]
    all_of_them = many(conversations, "conversation")
    of = f"{trimmed:,} of {all_of_them}"
    if not trimmed:
        return f"Nothing was forgotten: in {all_of_them} no message left the window."
    count = len(forgotten["findings"])
    if not count:
        return (
            f"Nothing was forgotten: messages left the window in {of}, and no later request needed "
            "them."
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
    """Return when something was said, when it left, and when it was needed."""
    said, gone, needed = finding["said"], finding["gone"], finding["needed"]
    return (
        f"first in request {said['call']:,}, removed by {gone['by']} before request "
        f"{gone['call']:,}, needed in request {needed['call']:,}"
    )


def _where(finding: Data, folder: str = "") -> str:
    """Return where something was needed, and where it was said."""
    needed, said = (str(finding[at]["place"]) for at in ("needed", "said"))
    first = said.removeprefix(folder)
    file, _, line = said.rpartition(":")
    if file and file == needed.rpartition(":")[0]:
        first = f"line {line}"
    return f"{needed.removeprefix(folder)}, first at {first}"


def forgotten_lines(forgotten: Data, folder: str = "") -> Iterator[str]:
    """Yield the lines of a terminal: of each kind what to do, the code, and what was forgotten."""
    yield from wrapped(sentence(forgotten))
    for number, (kind, findings) in enumerate(_by_kind(forgotten), start=1):
        tokens = forgotten["kinds"][kind]["tokens"]
        yield ""
        yield f"{number}. {KINDS[kind][1]}: {tokens:,} tokens"
        yield from wrapped(findings[0]["advice"], _INDENT)
        yield f"{_INDENT}    {findings[0]['fix']}"
        for finding in findings[:_TOP]:
            yield from _lines(finding, folder)
        if len(findings) > _TOP:
            yield f"{_INDENT}- and {len(findings) - _TOP:,} more"
    if forgotten["findings"]:
        yield ""
        yield "To read what was removed: ctxmem audit PATH --restore removed.md"


def _lines(finding: Data, folder: str) -> Iterator[str]:
    inner = _INDENT + "  "
    times = f", {finding['count']:,} times" if finding["count"] > 1 else ""
    head = f"{cut(finding['title'], 100)} ({finding['tokens']:,} tokens{times})"
    first, *rest = wrapped(head, inner)
    yield f"{_INDENT}- {first.strip()}"
    yield from rest
    yield from wrapped(_story(finding), inner)
    yield f"{inner}at {_where(finding, folder)}"


def forgotten_section(forgotten: Data | None) -> str:
    """Return the section of a page; "" if the audit did not look for it."""
    if forgotten is None:
        return ""
    blocks = [f"<p>{escape(sentence(forgotten))}</p>"]
    for kind, findings in _by_kind(forgotten):
        tokens = forgotten["kinds"][kind]["tokens"]
        part = share(tokens, forgotten["tokens"])
        said = f"{many(len(findings), 'finding')}, {tokens:,} tokens ({part})"
        rows = "".join(map(_row, findings[:_OPEN]))
        if len(findings) > _OPEN:
            folded = "".join(map(_row, findings[_OPEN:_SHOWN]))
            rows += (
                f"<details><summary><span class='title soft'>{len(findings) - _OPEN:,} more"
                f"</span></summary><div class='inside'>{folded}</div></details>"
            )
        more = len(findings) - _SHOWN
        rest = f"<p class='soft'>and {more:,} more</p>" if more > 0 else ""
        blocks.append(
            f'<div class="card"><h3>{escape(KINDS[kind][1])}<span class="soft">{escape(said)}'
            f"</span></h3><p>{escape(findings[0]['advice'])}</p><pre><code>{escape(findings[0]['fix'])}</code></pre>{rows}{rest}</div>"
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
        f'<div class="inside"><p class="soft">{escape(_story(finding))}; '
        f"at {escape(_where(finding))}</p>"
        f"{_columns(texts, titles)}</div></details>"
    )


def _columns(texts: Sequence[str], titles: Sequence[str]) -> str:
    return beside(texts, titles, mark=False)
