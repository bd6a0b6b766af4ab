"""Audits as text and as HTML, from their plain data alone."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ctxmem.report import drawing
from ctxmem.report.forgotten import forgotten_lines, forgotten_section
from ctxmem.report.page import fragment, page
from ctxmem.report.words import Data, beside, cut, escape, many, money, share, visible

KINDS: dict[str, tuple[str, str]] = {
    "repeat_in_request": ("repeat", "The same passage stands several times in one request"),
    "repeat_in_session": ("sent again", "A passage is sent again in a later request"),
    "near_version": ("version", "Versions of one passage stand side by side"),
    "overlap": ("overlap", "Passages share a stretch of text, and both are paid for"),
    "boilerplate": ("boilerplate", "The same lines stand in many passages"),
    "growth": ("growth", "Windows grow and are never trimmed"),
    "unstable_prefix": ("prefix", "The beginning changes, so that the prompt cache is lost"),
    "broken_pair": ("tool pair", "Tool calls and results do not belong together"),
    "over_budget": ("over budget", "Windows are over the budget"),
    "miscalibrated": ("scores", "Scores do not mean the same from list to list"),
    "same_budget": ("same budget", "Every query gets as many passages, however hard it is"),
}
"""Chip and sentence of each kind of finding."""

_OUTWEIGHS = 3  # times the repeats, from which on another kind is what the page begins with
_SHOWN_FINDINGS = 150
_MARKED_FINDINGS = 60
_PLACES = 4
_TOP = 3


# What both say


def headline(audit: Data) -> str:
    """Return the one sentence that matters."""
    totals = audit["totals"]
    if not totals["calls"]:
        return "No request and no retrieval was found in what was read."
    calls = many(totals["calls"], "request")
    repeated, sent = totals["repeated_tokens"], f"the {totals['tokens']:,} tokens of {calls}"
    waste, kind = max((tokens, kind) for kind, tokens in totals["waste"].items())
    if waste > _OUTWEIGHS * repeated and waste > totals["tokens"] / 20:
        what = KINDS[kind][1]
        return f"{share(waste, totals['tokens'])} of {sent}: {what[0].lower()}{what[1:]}."
    if repeated:
        return f"{share(repeated, totals['tokens'])} of {sent} only repeat others."
    wrong = sum(totals["findings"].values())
    if wrong:
        return f"{totals['tokens']:,} tokens in {calls}: {many(wrong, 'thing')} to look at."
    return f"{totals['tokens']:,} tokens in {calls}, and nothing of it is waste that we know."


def _worst(audit: Data) -> str:
    """Return the dearest repeat in words, "" if there is none."""
    for finding in audit["findings"]:
        if finding["kind"] in ("repeat_in_request", "repeat_in_session") and finding["tokens"]:
            times = many(finding["count"], "time")
            return f"Worst: {cut(finding['title'], 60)}, {times} too often."
    return ""


def _by_kind(audit: Data) -> list[tuple[str, list[Data]]]:
    """Return the findings of each kind, the dearest kind first."""
    found: dict[str, list[Data]] = {kind: [] for kind in KINDS}
    for finding in audit["findings"]:
        found[finding["kind"]].append(finding)
    waste = audit["totals"]["waste"]
    return sorted(
        ((kind, of) for kind, of in found.items() if of),
        key=lambda item: (-waste[item[0]], list(KINDS).index(item[0])),
    )


def _sources(read: Data) -> str:
    formats = ", ".join(f"{name} ({count:,})" for name, count in read["formats"].items())
    files = f" in {many(read['files'], 'file')}" if read["files"] else ""
    return f"{many(read['records'], 'record')}{files}: {formats or 'of no known format'}"


def _cache_line(totals: Data) -> str:
    stable = totals["stable_share"]
    if stable is None:
        return ""
    lost = ""
    if totals["lost_tokens"]:
        lost = f"; {totals['lost_tokens']:,} tokens stood behind something that changed"
    return f"{stable:.0%} of a window begins as the one before it did{lost}"


def _billed_line(totals: Data) -> str:
    billed = totals["billed"]
    if not billed["calls"]:
        return ""
    cached = ""
    if billed["cached"] is not None:
        cached = f", {share(billed['cached'], billed['input'])} of it read from the cache"
    return f"{billed['input']:,} input tokens billed in {many(billed['calls'], 'call')}{cached}"


def _place(place: Data) -> str:
    where = str(place["place"])
    if "message" in place:
        where += f", message {place['message']}"
    return f"{where}, session {place['session']}" if place.get("session") else where


# Text


def audit_text(audit: Data) -> str:
    """Return the account of an audit for a terminal."""
    totals, read = audit["totals"], audit["read"]
    spent = totals["money"]
    lines = [
        headline(audit),
        *filter(None, [_worst(audit), _cache_line(totals), _billed_line(totals)]),
        _sources(read),
    ]
    if spent is not None and totals["calls"]:
        lines.insert(
            1,
            f"At {money(spent['input'])} a million that is {money(spent['repeated'])} of "
            f"{money(spent['sent'])}.",
        )
    if not totals["exact"]:
        lines.append(f"tokens are estimates ({totals['counter']})")
    blocks = ["\n".join(lines)]
    for kind, findings in _by_kind(audit):
        blocks.append("\n".join(_kind_lines(kind, findings, totals)))
    if audit["forgotten"]:
        blocks.append("\n".join(forgotten_lines(audit["forgotten"])))
    if audit["replay"]:
        blocks.append("\n".join(_replay_lines(audit["replay"])))
    if read["copies"]:
        blocks.append(_copies(read))
    if read["skipped"]:
        blocks.append("\n".join(_skipped_lines(read)))
    return visible("\n\n".join(blocks))


def _kind_lines(kind: str, findings: Sequence[Data], totals: Data) -> list[str]:
    tokens = totals["waste"][kind]
    count = totals["findings"][kind]
    cost = f", {tokens:,} tokens ({share(tokens, totals['tokens'])})" if tokens else ""
    if tokens and totals["money"]:
        cost += f", {money(_spent(kind, totals))}"
    lines = [f"{KINDS[kind][1]}: {many(count, 'finding')}{cost}"]
    for finding in findings[:_TOP]:
        amount = f"{finding['tokens']:>9,}" if finding["tokens"] else " " * 9
        times = f" x{finding['count']}" if finding["count"] > 1 else ""
        lines.append(f"{amount}  {cut(finding['title'], 70)}{times}")
        if finding["detail"]:
            lines += textwrap.wrap(
                finding["detail"], 88, initial_indent=" " * 11, subsequent_indent=" " * 11
            )
        if finding["places"]:
            lines.append(f"{'':11}at {_place(finding['places'][0])}")
    if count > _TOP:
        lines.append(f"{'':11}and {count - _TOP:,} more")
    lines.append(f"   fix: {findings[0]['fix']}")
    return lines


def _spent(kind: str, totals: Data) -> float:
    """Return what the tokens of a kind cost; those that a cache would have held cost less."""
    if kind == "unstable_prefix":
        return float(totals["money"]["lost"])
    return float(totals["waste"][kind] * totals["money"]["input"] / 1e6)


def _replay_lines(replay: Data) -> list[str]:
    saved = replay["before"] - replay["after"]
    into = f"a budget of {replay['budget']:,}" if replay["budget"] else "as much room"
    lines = [
        f"Replay: {many(replay['calls'], 'request')} packed with ctxmem into {into}: "
        f"{replay['before']:,} -> {replay['after']:,} tokens "
        f"({share(saved, replay['before'])} fewer)"
    ]
    if replay["left_out"]:
        reasons = ", ".join(
            f"{count:,} {_reason(reason)}" for reason, count in replay["left_out"].items()
        )
        lines.append(f"{'':11}left out: {reasons}")
    for reason, count in replay["skipped"].items():
        lines.append(f"{'':11}{many(count, 'request')} not replayed: {reason}")
    return lines


def _reason(reason: str) -> str:
    known = {
        "duplicate": "repeats",
        "near_duplicate": "near-duplicates",
        "over_budget": "did not fit",
        "trimmed": "messages trimmed",
    }
    return known.get(reason, reason.replace("_", " "))


def _copies(read: Data) -> str:
    return (
        f"{many(read['copies'], 'line')} had been read before, in a file that is there twice or "
        "in a session that was resumed or forked; each is counted once."
    )


def _skipped_lines(read: Data) -> list[str]:
    lines = ["Not read, or not as it stands:"]
    for reason, count in read["skipped"].items():
        places = read["places"].get(reason, [])
        where = f" (first at {places[0]})" if places else ""
        lines.append(f"{count:>9,}  {reason}{where}")
    return lines


# HTML


def audit_html(audit: Data) -> str:
    """Return an audit as an HTML fragment, for notebooks."""
    return fragment(_body(audit, live=False))


def audit_page(audit: Data) -> str:
    """Return an audit as one self-contained HTML page."""
    return page("ctxmem audit", _body(audit, live=True), script=True)


def _body(audit: Data, *, live: bool) -> str:
    return "".join(
        (
            "<header><h1>What your context wastes</h1>",
            _hero(audit),
            "</header>",
            _tiles(audit),
            _composition(audit["totals"]),
            _changes(audit),
            forgotten_section(audit["forgotten"]),
            _replay(audit["replay"]),
            _windows(audit),
            _sessions(audit),
            _findings(audit, live=live),
            _read(audit["read"]),
            "<footer class='soft'>Tokens are counted with "
            f"{escape(audit['totals']['counter'])}"
            f"{'' if audit['totals']['exact'] else ', an estimate'}. "
            "Nothing on this page is fetched from anywhere.</footer>",
        )
    )


def _hero(audit: Data) -> str:
    text = escape(headline(audit))
    number, space, rest = text.partition(" ")
    if number.endswith("%"):
        text = f"<b>{number}</b>{space}{rest}"
    worst = _worst(audit)
    return f'<p class="hero">{text}</p>' + (f"<p>{escape(worst)}</p>" if worst else "")


def _tiles(audit: Data) -> str:
    totals = audit["totals"]
    spent = totals["money"]
    tiles = [
        (f"{totals['tokens']:,}", "tokens sent" + (f", {money(spent['sent'])}" if spent else "")),
        (
            f"{totals['repeated_tokens']:,}",
            "of them repeat others" + (f", {money(spent['repeated'])}" if spent else ""),
        ),
    ]
    if totals["stable_share"] is not None:
        tiles.append(
            (f"{totals['stable_share']:.0%}", "of a window begins as the one before it did")
        )
        lost = "tokens lost to the prompt cache"
        lost += f", about {money(spent['lost'])}" if spent else ""
        tiles.append((f"{totals['waste']['unstable_prefix']:,}", lost))
    largest = "tokens in the largest window"
    if totals["budget"]:
        over = totals["findings"]["over_budget"]
        largest += f"; the budget is {totals['budget']:,}, {many(over, 'session')} over it"
    tiles.append((f"{totals['largest']:,}", largest))
    tiles.append((f"{totals['calls']:,}", f"requests in {many(totals['sessions'], 'session')}"))
    billed = totals["billed"]
    if billed["calls"]:
        cached = ""
        if billed["cached"] is not None:
            cached = f", {share(billed['cached'], billed['input'])} read from the cache"
        tiles.append((f"{billed['input']:,}", f"input tokens billed{cached}"))
    items = "".join(f"<li><b>{escape(n)}</b><span>{escape(t)}</span></li>" for n, t in tiles)
    return f'<ul class="tiles">{items}</ul>'


_PARTS = (
    ("repeat", "repeat_in_request", "repeats within a request"),
    ("resent", "repeat_in_session", "sent again in a session"),
    ("version", "near_version", "versions of other passages"),
    ("overlap", "overlap", "text shared with neighbours"),
    ("boilerplate", "boilerplate", "boilerplate"),
)


def _composition(totals: Data) -> str:
    if not totals["tokens"]:
        return ""
    waste = [(mark, totals["waste"][kind], text) for mark, kind, text in _PARTS]
    rest = max(0, totals["tokens"] - sum(tokens for _, tokens, _ in waste))
    parts = [(mark, tokens, text) for mark, tokens, text in waste if tokens]
    parts.append(("new", rest, "everything else"))
    said = [
        (mark, f"{text}: {tokens:,} ({share(tokens, totals['tokens'])})")
        for mark, tokens, text in parts
    ]
    label = "; ".join(text for _, text in said)
    drawn = drawing.bar([(mark, tokens) for mark, tokens, _ in parts], label)
    return f'<section class="card">{drawn}{drawing.key(said)}</section>'


def _changes(audit: Data) -> str:
    """Tell what to change, the dearest first, each with its line of code."""
    totals = audit["totals"]
    rows = []
    for kind, findings in _by_kind(audit):
        tokens = totals["waste"][kind]
        cost = many(totals["findings"][kind], "finding")
        if tokens:
            cost = f"{tokens:,} tokens ({share(tokens, totals['tokens'])}), {cost}"
            if totals["money"]:
                cost = f"{money(_spent(kind, totals))}, {cost}"
        rows.append(
            f'<div class="change"><span>{escape(KINDS[kind][1])}</span>'
            f'<span class="n soft">{escape(cost)}</span>'
            f"<pre><code>{escape(findings[0]['fix'])}</code></pre></div>"
        )
    if not rows:
        return ""
    return (
        f'<section><h2>What to change first</h2><div class="card">{"".join(rows)}</div></section>'
    )


def _replay(replay: Data | None) -> str:
    if not replay or not replay["calls"]:
        return ""
    reasons = [f"{count:,} {_reason(reason)}" for reason, count in replay["left_out"].items()]
    left = f"<p class='soft'>Left out: {escape(', '.join(reasons))}.</p>" if reasons else ""
    skipped = "".join(
        f"<p class='soft'>{escape(many(count, 'request'))} not replayed: {escape(reason)}.</p>"
        for reason, count in replay["skipped"].items()
    )
    into = f"into {replay['budget']:,} tokens" if replay["budget"] else "into as much room"
    return (
        f"<section><h2>The same requests, packed with ctxmem {into}</h2>"
        f'<div class="card">{drawing.before_after(replay["before"], replay["after"])}'
        f"{left}{skipped}</div></section>"
    )


def _findings(audit: Data, *, live: bool) -> str:
    findings = audit["findings"]
    if not findings:
        return ""
    counts = {kind: len(of) for kind, of in _by_kind(audit)}
    filters = ""
    if live and len(counts) > 1:
        buttons = [("", f"all {len(findings):,}")]
        buttons += [(kind, f"{KINDS[kind][0]} {count:,}") for kind, count in counts.items()]
        drawn = "".join(
            f'<button type="button" data-kind="{kind}" '
            f'aria-pressed="{str(not kind).lower()}">{escape(text)}</button>'
            for kind, text in buttons
        )
        filters = f'<div class="filters" role="group" aria-label="Kinds of findings">{drawn}</div>'
    # Of each kind some, however dear the others are.
    shown: list[Data] = []
    for _, of in _by_kind(audit):
        shown += of[: max(10, _SHOWN_FINDINGS * len(of) // len(findings))]
    shown.sort(key=lambda finding: -finding["tokens"])
    cards = "".join(_finding(finding, i < _MARKED_FINDINGS) for i, finding in enumerate(shown))
    left = len(findings) - len(shown) + audit["findings_left_out"]
    more = f"<p class='soft'>{left:,} cheaper ones are in the JSON.</p>" if left else ""
    return f"<section><h2>Findings, the dearest first</h2>{filters}{cards}{more}</section>"


def _finding(finding: Data, mark: bool) -> str:
    cost = f"{finding['tokens']:,} tokens" if finding["tokens"] else ""
    if finding["tokens"] and finding["money"] is not None:
        cost += f", {money(finding['money'])}"
    times = f" <span class='soft'>×{finding['count']:,}</span>" if finding["count"] > 1 else ""
    places = "".join(f"<li>{escape(_place(place))}</li>" for place in finding["places"][:_PLACES])
    more = finding["count"] - min(_PLACES, len(finding["places"]))
    if more > 0:
        places += f"<li class='soft'>and {more:,} more</li>"
    titles: Sequence[str] = ()
    if finding["kind"] == "unstable_prefix":
        titles = ("the call before", "this call")
    elif finding["kind"] == "near_version":
        titles = ("one version", "the other")
    texts = beside(finding["texts"], titles, mark=mark) if finding["texts"] else ""
    return (
        f'<details class="finding" data-kind="{finding["kind"]}"><summary>'
        f'<span class="chip">{escape(KINDS[finding["kind"]][0])}</span>'
        f'<span class="title">{escape(cut(finding["title"], 110))}{times}</span>'
        f'<span class="n">{escape(cost)}</span></summary><div class="inside">'
        f"<p>{escape(finding['detail'])}</p>{texts}"
        f"<p class='soft'>Where:</p><ul>{places}</ul>"
        f"<p class='soft'>What mends it:</p><pre><code>{escape(finding['fix'])}</code></pre>"
        "</div></details>"
    )


def _windows(audit: Data) -> str:
    """Draw the most wasteful windows token by token."""
    windows = [window for window in audit["windows"] if window["waste"]]
    if not windows:
        return ""
    used = {segment["mark"] for window in windows for segment in window["segments"]}
    marks = [(mark, drawing.MARKS[mark]) for mark in drawing.MARKS if mark and mark in used]
    blocks = []
    for i, window in enumerate(windows):
        title = f"Request {window['call']} of {cut(window['session'], 60)}"
        said = f"{window['tokens']:,} tokens, {window['waste']:,} of them repeated or not cached"
        query = f"<p class='soft'>{escape(window['query'])}</p>" if window["query"] else ""
        left = (
            f"<p class='soft'>{window['left_out']:,} more segments are not drawn.</p>"
            if window["left_out"]
            else ""
        )
        drawn = drawing.strip(window["segments"], None, f"{title}: {said}")
        block = f"{query}{drawn}{left}{_segments_table(window)}"
        if i < _TOP:
            blocks.append(
                f'<div class="card"><h3>{escape(title)}<span class="soft">{escape(said)}</span>'
                f"</h3>{block}</div>"
            )
        else:
            blocks.append(
                f'<details><summary><span class="title">{escape(title)}</span>'
                f'<span class="n">{escape(said)}</span></summary>'
                f'<div class="inside">{block}</div></details>'
            )
    return (
        "<section><h2>The most wasteful windows, token by token</h2>"
        "<p class='soft'>Above, a colour for each source and for each text that comes again, "
        "the rest in grey; below, what need not be there. Point at a part, or use the arrow keys, "
        "to read it.</p>"
        f"{drawing.key(marks)}{''.join(blocks)}</section>"
    )


def _segments_table(window: Data) -> str:
    rows = "".join(
        f'<tr><td class="n">{s["tokens"]:,}</td>'
        f'<td class="s">{escape(cut(s["label"] or s["role"], 40))}</td>'
        f"<td class='s'>{escape(drawing.MARKS.get(s['mark'], s['mark']))}</td>"
        f"<td>{drawing.told(s['text'])}</td></tr>"
        for s in window["segments"]
    )
    return (
        '<details><summary><span class="title soft">as a table</span></summary>'
        '<table><thead><tr><th scope="col" class="n">tokens</th><th scope="col">source</th>'
        f'<th scope="col">what</th><th scope="col">text</th></tr></thead><tbody>{rows}</tbody>'
        "</table></details>"
    )


def _sessions(audit: Data) -> str:
    """Draw tokens per call and how much of each window stayed as it was."""
    sessions = [session for session in audit["sessions"] if session["rows"] and session["tokens"]]
    if not sessions:
        return ""
    marks = [
        ("repeat", "repeated"),
        ("lost", drawing.MARKS["lost"]),
        ("new", "new"),
        ("stable", "as in the call before"),
    ]
    price = audit["totals"]["money"]
    blocks = []
    for i, session in enumerate(sessions):
        said = f"{many(session['calls'], 'call')}, {session['tokens']:,} tokens"
        if price:
            said += f", {money(session['tokens'] * price['input'] / 1e6)}"
        if session["repeated"]:
            said += f", {share(session['repeated'], session['tokens'])} repeated"
        drawn = drawing.columns(
            session["rows"], audit["totals"]["budget"], f"Tokens per call: {said}"
        )
        head = escape(cut(session["session"], 70))
        if i < _TOP:
            blocks.append(
                f'<div class="card"><h3>{head}<span class="soft">{escape(said)}</span></h3>'
                f"{drawn}</div>"
            )
        else:
            blocks.append(
                f'<details><summary><span class="title">{head}</span><span class="n">'
                f'{escape(said)}</span></summary><div class="inside">{drawn}</div></details>'
            )
    left = audit["totals"]["sessions"] - len(sessions)
    more = f"<p class='soft'>{many(left, 'session')} with less waste not drawn.</p>" if left else ""
    return (
        "<section><h2>Sessions, call by call</h2>"
        f"{drawing.key(marks)}{''.join(blocks)}{more}</section>"
    )


def _read(read: Data) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{count:,}</td></tr>'
        for name, count in read["formats"].items()
    )
    skipped = "".join(
        f'<tr><td>{escape(reason)}</td><td class="n">{count:,}</td>'
        f"<td>{escape(', '.join(read['places'].get(reason, [])))}</td></tr>"
        for reason, count in read["skipped"].items()
    )
    table = (
        '<table><caption>Not read, or not as it stands</caption><thead><tr><th scope="col">reason'
        '</th><th scope="col" class="n">records</th><th scope="col">where</th></tr></thead>'
        f"<tbody>{skipped}</tbody></table>"
        if skipped
        else "<p class='soft'>Everything was read.</p>"
    )
    size = f", {read['bytes']:,} bytes" if read["bytes"] else ""
    if read["copies"]:
        table = f"<p>{escape(_copies(read))}</p>{table}"
    return (
        f"<section><h2>What was read</h2><p>{escape(_sources(read))}{size}.</p>"
        f'<table><thead><tr><th scope="col">format</th><th scope="col" class="n">events</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>{table}</section>"
    )
