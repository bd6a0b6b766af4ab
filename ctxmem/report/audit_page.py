"""Audits as an HTML page, from their plain data alone."""

from __future__ import annotations

from collections.abc import Sequence

from ctxmem.report import audit_words as words
from ctxmem.report import drawing
from ctxmem.report.forgotten import forgotten_section
from ctxmem.report.page import fragment, page
from ctxmem.report.words import Data, beside, brief, cut, escape, many, money, share

_SHOWN_FINDINGS = 150
_MARKED_FINDINGS = 60
_PLACES = 4
_TOP = 3  # sessions and requests that are open; the rest is folded


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
            *(_report(audit, live) if audit["totals"]["calls"] else ()),
            _read(audit["read"]),
            "<footer class='soft'>Tokens are counted with "
            f"{escape(audit['totals']['counter'])}"
            f"{'' if audit['totals']['exact'] else ', an estimate'}. "
            "This page loads nothing from anywhere.</footer>",
        )
    )


def _report(audit: Data, live: bool) -> tuple[str, ...]:
    return (
        _tiles(audit["totals"]),
        _changes(audit),
        forgotten_section(audit["forgotten"]),
        _parts(audit["totals"]),
        _replay(audit["replay"]),
        _sessions(audit),
        _windows(audit),
        _findings(audit, live=live),
    )


def _hero(audit: Data) -> str:
    text = escape(words.headline(audit))
    number, space, rest = text.partition(" ")
    if number.endswith("%"):
        text = f"<b>{number}</b>{space}{rest}"
    spent = words.money_line(audit["totals"])
    return f'<p class="hero">{text}</p>' + (f"<p>{escape(spent)}</p>" if spent else "")


def _tiles(totals: Data) -> str:
    tiles = [
        (brief(totals["calls"]), f"requests in {many(totals['sessions'], 'session')}"),
        (brief(totals["tokens"]), "tokens sent"),
        (brief(totals["repeated_tokens"]), f"of them {words.repeats_words(totals)}"),
    ]
    if totals["money"]:
        tiles.insert(3, (money(totals["money"]["paid"]), "paid for input"))
    if totals["stable_share"] is not None:
        begins = "of a request are the same as in the one before it, so a cache can hold them"
        tiles.append((f"{totals['stable_share']:.0%}", begins))
    billed = totals["billed"]
    if billed["calls"] and billed["cached"] is not None:
        read = "of the input was read from the cache, as the log says"
        tiles.append((share(billed["cached"], billed["input"]), read))
    largest = "tokens in the largest request"
    if totals["budget"]:
        largest += f"; the budget is {totals['budget']:,}"
    tiles.append((brief(totals["largest"]), largest))
    items = "".join(f"<li><b>{escape(n)}</b><span>{escape(t)}</span></li>" for n, t in tiles)
    return f'<ul class="tiles">{items}</ul>'


def _parts(totals: Data) -> str:
    """Show where the tokens of requests are, as a table with bars."""
    parts = {name: tokens for name, tokens in totals["parts"].items() if tokens}
    if not parts:
        return ""
    most = max(parts.values())
    rows = "".join(
        f"<tr><th scope='row'>{escape(words.PARTS.get(name, name))}</th>"
        f"<td class='n'>{tokens:,}</td><td class='n'>{share(tokens, totals['tokens'])}</td>"
        f"<td class='n'>{tokens / totals['calls']:,.0f}</td>"
        f"<td class='wide'>{drawing.part_bar(name, tokens, most)}</td></tr>"
        for name, tokens in sorted(parts.items(), key=lambda item: -item[1])
    )
    return (
        "<section><h2>Where the tokens are</h2><div class='card'><table class='parts'><thead><tr>"
        "<th scope='col'>part of a request</th><th scope='col' class='n'>tokens</th>"
        "<th scope='col' class='n'>share</th><th scope='col' class='n'>per request</th>"
        f"<th scope='col'></th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _changes(audit: Data) -> str:
    """Say what to do about each kind of finding, the one with most tokens first."""
    totals = audit["totals"]
    rows = []
    for kind, findings in words.by_kind(audit):
        tokens = totals["waste"][kind]
        cost = many(totals["findings"][kind], "finding")
        if tokens:
            spent = words.spent(kind, totals) if totals["money"] else None
            cost = f"{words.amount_words(tokens, totals, spent)}, {cost}"
        rows.append(
            f'<div class="change"><b>{escape(words.KINDS[kind][1])}</b>'
            f'<span class="n soft">{escape(cost)}</span>'
            f"<p>{escape(findings[0]['advice'])}</p>"
            f"<pre><code>{escape(findings[0]['fix'])}</code></pre></div>"
        )
    if not rows:
        return "<p class='card'>Nothing was found that wastes tokens or would be refused.</p>"
    notes = filter(None, (words.counted_line(totals), words.tools_line(audit)))
    rows += [f"<p class='soft'>{escape(note)}</p>" for note in notes]
    return f'<section><h2>What to do first</h2><div class="card">{"".join(rows)}</div></section>'


def _replay(replay: Data | None) -> str:
    if not replay or not replay["calls"]:
        return ""
    reasons = [words.reason_words(reason, count) for reason, count in replay["left_out"].items()]
    left = f"<p class='soft'>Left out: {escape(', '.join(reasons))}.</p>" if reasons else ""
    skipped = "".join(
        f"<p class='soft'>{escape(many(count, 'request'))} not replayed: {escape(reason)}.</p>"
        for reason, count in replay["skipped"].items()
    )
    difference = words.difference_line(replay)
    how = f"<p>{escape(difference)}.</p>" if difference else ""
    into = words.replayed_into(replay)
    return (
        f"<section><h2>The same requests with ctxmem, in {into}</h2>"
        f'<div class="card">{drawing.before_after(replay["before"], replay["after"])}'
        f"{how}{left}{skipped}</div></section>"
    )


def _findings(audit: Data, *, live: bool) -> str:
    findings = audit["findings"]
    if not findings:
        return ""
    counts = {kind: len(of) for kind, of in words.by_kind(audit)}
    filters = ""
    if live and len(counts) > 1:
        buttons = [("", f"all {len(findings):,}")]
        buttons += [(kind, f"{words.KINDS[kind][0]} {count:,}") for kind, count in counts.items()]
        drawn = "".join(
            f'<button type="button" data-kind="{kind}" '
            f'aria-pressed="{str(not kind).lower()}">{escape(text)}</button>'
            for kind, text in buttons
        )
        filters = f'<div class="filters" role="group" aria-label="Kinds of findings">{drawn}</div>'
    # Some of each kind, whatever the others cost.
    shown: list[Data] = []
    for _, of in words.by_kind(audit):
        shown += of[: max(10, _SHOWN_FINDINGS * len(of) // len(findings))]
    shown.sort(key=lambda finding: -finding["tokens"])
    cards = "".join(_finding(finding, i < _MARKED_FINDINGS) for i, finding in enumerate(shown))
    left = len(findings) - len(shown) + audit["findings_left_out"]
    more = f"<p class='soft'>{left:,} more are in the output of --json.</p>" if left else ""
    head = "<h2>All findings, those with most tokens first</h2>"
    return f"<section>{head}{filters}{cards}{more}</section>"


def _finding(finding: Data, mark: bool) -> str:
    cost = f"{finding['tokens']:,} tokens" if finding["tokens"] else ""
    if finding["tokens"] and finding["money"] is not None:
        cost += f", {money(finding['money'])}"
    met = words.occurrences(finding)
    times = f" <span class='soft'>{escape(met)}</span>" if met else ""
    places = "".join(
        f"<li>{escape(words.place_words(place))}</li>" for place in finding["places"][:_PLACES]
    )
    more = finding["count"] - min(_PLACES, len(finding["places"]))
    if more > 0:
        places += f"<li class='soft'>and {more:,} more</li>"
    titles: Sequence[str] = ()
    if finding["kind"] == "unstable_prefix":
        titles = ("the request before", "this request")
    elif finding["kind"] == "near_version":
        titles = ("one version", "the other")
    texts = beside(finding["texts"], titles, mark=mark) if finding["texts"] else ""
    return (
        f'<details class="finding" data-kind="{finding["kind"]}"><summary>'
        f'<span class="chip">{escape(words.KINDS[finding["kind"]][0])}</span>'
        f'<span class="title">{escape(cut(finding["title"], 110))}{times}</span>'
        f'<span class="n">{escape(cost)}</span></summary><div class="inside">'
        f"<p>{escape(finding['advice'])}</p><pre><code>{escape(finding['fix'])}</code></pre>"
        f"<p>{escape(finding['detail'])}</p>{texts}"
        f"<p class='soft'>Where:</p><ul>{places}</ul>"
        "</div></details>"
    )


def _windows(audit: Data) -> str:
    """Draw the most wasteful windows token by token."""
    windows = [window for window in audit["windows"] if window["waste"]]
    if not windows:
        return ""
    used = {segment["mark"] for window in windows for segment in window["segments"]}
    marks = [(mark, drawing.MARKS[mark]) for mark in drawing.MARKS if mark and mark in used]
    named = {session["session"]: session["about"] for session in audit["sessions"]}
    blocks = []
    for i, window in enumerate(windows):
        session = words.session_name(window["session"], named.get(window["session"], ""))
        title = f"Request {window['call']} of {cut(session, 60)}"
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
        "<section><h2>The most wasteful requests, token by token</h2>"
        "<p class='soft'>The upper row has a colour for each source and for each text that occurs "
        "again, and grey for the rest; the lower row marks what need not be there. Point at a "
        "part, or use the arrow keys, to read it.</p>"
        f"{drawing.key(marks)}{''.join(blocks)}</section>"
    )


def _segments_table(window: Data) -> str:
    rows = "".join(
        f'<tr><td class="n">{s["tokens"]:,}</td>'
        f'<td class="s">{escape(cut(s["label"] or s["role"], 40))}</td>'
        f"<td class='s'>{escape(drawing.MARKS.get(s['mark'], s['mark']))}</td>"
        f"<td>{drawing.one_line(s['text'])}</td></tr>"
        for s in window["segments"]
    )
    return (
        '<details><summary><span class="title soft">as a table</span></summary>'
        '<table><thead><tr><th scope="col" class="n">tokens</th><th scope="col">source</th>'
        f'<th scope="col">what</th><th scope="col">text</th></tr></thead><tbody>{rows}</tbody>'
        "</table></details>"
    )


def _sessions(audit: Data) -> str:
    """Draw the tokens of each request of the longest sessions, and what of them is new."""
    sessions = [session for session in audit["sessions"] if session["rows"] and session["tokens"]]
    if not sessions:
        return ""
    sessions.sort(key=lambda session: -session["tokens"])
    marks = [
        ("repeat", "repeated"),
        ("lost", drawing.MARKS["lost"]),
        ("new", "new"),
        ("stable", "as in the request before"),
    ]
    blocks = [_session(session, audit, i) for i, session in enumerate(sessions)]
    left = audit["totals"]["sessions"] - len(sessions)
    more = f"<p class='soft'>{many(left, 'shorter session')} not drawn.</p>" if left else ""
    return (
        "<section><h2>Sessions, request by request</h2>"
        f"{drawing.key(marks)}{''.join(blocks)}{more}</section>"
    )


def _session(session: Data, audit: Data, number: int) -> str:
    said = f"{many(session['calls'], 'request')}, {session['tokens']:,} tokens"
    if session["money"] is not None:
        said += f", {money(session['money'])}"
    if session["repeated"]:
        said += f", {share(session['repeated'], session['tokens'])} repeated"
    drawn = drawing.columns(session["rows"], audit["totals"]["budget"], f"Tokens: {said}")
    drawn += _over_time(session)
    head = escape(cut(session["about"] or session["session"], 70))
    if session["about"] and not session["session"].startswith(words.INFERRED):
        drawn = f"<p class='soft'>session {escape(session['session'])}</p>{drawn}"
    if number < _TOP:
        return (
            f'<div class="card"><h3>{head}<span class="soft">{escape(said)}</span></h3>'
            f"{drawn}</div>"
        )
    return (
        f'<details><summary><span class="title">{head}</span><span class="n">{escape(said)}</span>'
        f'</summary><div class="inside">{drawn}</div></details>'
    )


def _over_time(session: Data) -> str:
    """Draw what the requests of a session are made of, from the first to the last."""
    rows = [row for row in session["rows"] if row["parts"]]
    names = [name for name in words.PARTS if any(row["parts"].get(name) for row in rows)]
    if len(rows) < 2 or len(names) < 2:
        return ""
    shown = [(f"p-{name}", words.PARTS[name]) for name in names]
    return (
        "<details><summary><span class='title soft'>what they are made of</span></summary>"
        f"<div class='inside'>{drawing.stacked(rows, names, words.PARTS)}{drawing.key(shown)}"
        "</div></details>"
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
        '<table><caption>Not read, or read in part</caption><thead><tr><th scope="col">reason'
        '</th><th scope="col" class="n">records</th><th scope="col">where</th></tr></thead>'
        f"<tbody>{skipped}</tbody></table>"
        if skipped
        else "<p class='soft'>Everything was read.</p>"
    )
    size = f", {read['bytes']:,} bytes" if read["bytes"] else ""
    if read["copies"]:
        table = f"<p>{escape(words.copies_line(read))}</p>{table}"
    return (
        f"<section><h2>What was read</h2><p>{escape(words.sources(read))}{size}.</p>"
        f'<table><thead><tr><th scope="col">format</th><th scope="col" class="n">entries</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>{table}</section>"
    )
