"""Audits as text for a terminal, from their plain data alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctxmem.report import audit_words as words
from ctxmem.report.forgotten import forgotten_lines
from ctxmem.report.words import Data, cut, many, share, visible, wrapped

_INDENT = " " * 3
_SHOWN = 3  # findings of a kind
_BAR = 24  # characters of the longest bar


def audit_text(audit: Data) -> str:
    """Return the report of an audit for a terminal: what it found, what to do, what was read."""
    totals, read = audit["totals"], audit["read"]
    blocks = [_summary(audit)]
    if totals["calls"]:
        folder = words.common_folder(audit)
        blocks += [_parts(totals), *_kinds(audit, folder)]
        if audit["forgotten"]:
            blocks.append("\n".join(forgotten_lines(audit["forgotten"], folder)))
        for line in (words.counted_line(totals), words.tools_line(audit)):
            blocks.append("\n".join(wrapped(line)))
        if folder:
            blocks.append(f"Places are below {folder}")
        blocks.append(_replay(audit["replay"]))
    blocks.append(_read(read, totals))
    return visible("\n\n".join(filter(None, blocks)))


def _summary(audit: Data) -> str:
    totals = audit["totals"]
    lines = [words.headline(audit)]
    if totals["calls"]:
        lines += [words.money_line(totals), words.cache_line(totals)]
    return "\n".join(line for said in filter(None, lines) for line in wrapped(said))


def _parts(totals: Data) -> str:
    """Return a table of where the tokens are."""
    parts = {name: tokens for name, tokens in totals["parts"].items() if tokens}
    if len(parts) < 2:
        return ""
    most = max(parts.values())
    lines = ["Where the tokens are"]
    for name, tokens in sorted(parts.items(), key=lambda item: -item[1]):
        bar = "█" * round(_BAR * tokens / most) or "▏"
        label = words.PARTS.get(name, name)
        lines.append(
            f"{_INDENT}{label:<24}{tokens:>13,}{share(tokens, totals['tokens']):>6}  {bar}"
        )
    return "\n".join(lines)


def _kinds(audit: Data, folder: str) -> Iterator[str]:
    """Yield what to do about each kind of finding, the one with most tokens first."""
    for number, (kind, findings) in enumerate(words.by_kind(audit), start=1):
        yield "\n".join(_kind(f"{number}. ", kind, findings, audit["totals"], folder))


def _kind(
    number: str, kind: str, findings: Sequence[Data], totals: Data, folder: str
) -> Iterator[str]:
    tokens = totals["waste"][kind]
    head = f"{number}{words.KINDS[kind][1]}"
    if tokens:
        cost = words.spent(kind, totals) if totals["money"] else None
        head += f": {words.amount_words(tokens, totals, cost)}"
    yield head
    yield from wrapped(findings[0]["advice"], _INDENT)
    yield f"{_INDENT}    {findings[0]['fix']}"
    for finding in findings[:_SHOWN]:
        yield from _finding(finding, folder)
    more = totals["findings"][kind] - min(_SHOWN, len(findings))
    if more > 0:
        yield f"{_INDENT}- and {more:,} more"


def _finding(finding: Data, folder: str) -> Iterator[str]:
    said = cut(finding["title"], 100)
    facts = [f"{finding['tokens']:,} tokens"] if finding["tokens"] else []
    facts += filter(None, [words.occurrences(finding)])
    head = f"{said} ({', '.join(facts)})" if facts else said
    first, *rest = wrapped(head, _INDENT + "  ") or [""]
    yield f"{_INDENT}- {first.strip()}"
    yield from rest
    if finding["detail"]:
        detail = finding["detail"].replace(folder, "") if folder else finding["detail"]
        yield from wrapped(detail, _INDENT + "  ")
    if finding["places"]:
        yield f"{_INDENT}  at {words.place_words(finding['places'][0], folder)}"


def _replay(replay: Data | None) -> str:
    if not replay:
        return ""
    saved = replay["before"] - replay["after"]
    what = (
        f"Replay: the same {many(replay['calls'], 'request')} with ctxmem, in "
        f"{words.replayed_into(replay)}: {replay['before']:,} -> {replay['after']:,} tokens "
        f"({share(saved, replay['before'])} fewer)"
    )
    lines = [
        *wrapped(what),
        *wrapped(words.difference_line(replay), _INDENT),
    ]
    if replay["left_out"]:
        reasons = ", ".join(
            words.reason_words(reason, count) for reason, count in replay["left_out"].items()
        )
        lines.append(f"{_INDENT}left out: {reasons}")
    for reason, count in replay["skipped"].items():
        lines.append(f"{_INDENT}{many(count, 'request')} not replayed: {reason}")
    return "\n".join(lines)


def _read(read: Data, totals: Data) -> str:
    lines = [f"Read {words.sources(read)}."]
    if not totals["exact"] and totals["calls"]:
        lines.append(f"Token counts are estimates ({totals['counter']}).")
    if read["copies"]:
        lines += wrapped(words.copies_line(read))
    if read["skipped"]:
        lines.append("Not read, or read in part:")
        for reason, count in read["skipped"].items():
            places = read["places"].get(reason, [])
            where = f" (first at {places[0]})" if places else ""
            lines.append(f"{count:>9,}  {reason}{where}")
    return "\n".join(lines)
