"""A request of `assemble` as text and as HTML, from its plain data alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ctxmem.report import drawing
from ctxmem.report.page import fragment, page
from ctxmem.report.words import Data, brief, cut, escape, many, share, visible

PARTS: dict[str, str] = {
    "system": "system prompt",
    "tools": "tool definitions",
    "rules": "rules",
    "history": "history",
    "memory": "recalled memory",
    "passages": "passages",
    "code": "code",
    "question": "question",
}
"""Parts of a request in the order in which they are sent, and what a person calls them."""

STABLE = ("system", "tools", "rules", "history")
"""Parts that the next request of a session begins with, too; the others are for one call."""

UNSENT = ("omitted", "duplicate")
"""Forms of what is not in the request."""

WHOLE = ""
"""The name of the whole request among the prices of its parts."""

_SHOWN = 40  # rows of a part that are open on the page
_MOST_ROWS = 400  # rows of a part on the page; the rest is counted
_MOST_TEXT = 20_000  # characters of a message or of all tools on the page
_NAMED = 8  # decisions of a part in the text
_KEY = 60  # characters of a key in the text


def request_text(request: Data) -> str:
    """Return the parts of a request, what became of each input, and what more tokens would add."""
    blocks = ["\n".join(_summary(request)), "\n".join(_part_lines(request))]
    for part, decisions in _by_part(request):
        blocks.append("\n".join(_decision_lines(part, decisions)))
    return visible("\n\n".join(blocks))


def _summary(request: Data) -> list[str]:
    decisions: Sequence[Data] = request["decisions"]
    sent = sum(map(_is_sent, decisions))
    lines = [
        f"{_tokens_line(request)}: {sent:,} of {many(len(decisions), 'input')} sent",
        _proof(request),
    ]
    gain = _best_gain(request)
    if gain:
        part, value = gain
        name = PARTS.get(part, part)
        lines.append(f"100 more tokens would add most to {name}: a value of about {value:.2f}")
    return lines


def _tokens_line(request: Data) -> str:
    exact = request["exact"]
    counter = request["counter"]
    if not counter.endswith("(estimated)"):
        counter += ", exact" if exact else ", estimated"
    about = "" if exact else "about "
    return f"{about}{request['tokens']:,} of {request['budget']:,} tokens ({counter})"


def _proof(request: Data) -> str:
    """Say how good the choice is known to be."""
    if request["status"] == "optimal":
        return "proved: no other choice of these options has a higher value"
    return f"its value is at most {request['gap']:.1%} below the best possible"


def _best_gain(request: Data) -> tuple[str, float] | None:
    prices: Data = request["prices"]
    gains = {part: value for part, value in prices.items() if value > 0 and part != WHOLE}
    if not gains:
        return None
    part = max(gains, key=lambda name: (gains[name], name))
    return part, gains[part]


def _is_sent(decision: Data) -> bool:
    return decision["form"] not in UNSENT


def _parts(request: Data) -> list[tuple[str, int]]:
    """Return parts and their tokens, in the order in which they are sent."""
    parts = request["parts"]
    order = [*(name for name in PARTS if name in parts), *(n for n in parts if n not in PARTS)]
    return [(name, parts[name]) for name in order]


def _by_part(request: Data) -> list[tuple[str, list[Data]]]:
    """Return the decisions of each part that has any, in the order in which parts are sent."""
    found: dict[str, list[Data]] = {name: [] for name in PARTS}
    for decision in request["decisions"]:
        found.setdefault(decision["part"], []).append(decision)
    return [(part, decisions) for part, decisions in found.items() if decisions]


def _part_lines(request: Data) -> list[str]:
    lines = [f"{'part':17}{'tokens':>8}{'share':>8}  value of 100 more tokens"]
    prices = request["prices"]
    for part, tokens in _parts(request):
        price = prices.get(part)
        gain = f"  {price:.3f}" if price is not None else ""
        name = cut(PARTS.get(part, part), 16)
        lines.append(f"{name:17}{tokens:>8,}{share(tokens, request['tokens']):>8}{gain}")
    return lines


def _forms(decisions: Iterable[Data]) -> str:
    """Count decisions by form: "3 full, 12 deferred, 2 omitted"."""
    counts: dict[str, int] = {}
    for decision in decisions:
        counts[decision["form"]] = counts.get(decision["form"], 0) + 1
    order = [*(form for form in counts if form not in UNSENT), *UNSENT]
    return ", ".join(f"{counts[form]:,} {form}" for form in order if form in counts)


def _ranked(decisions: Sequence[Data]) -> list[Data]:
    """Return what is sent before what is not, each by value; equal ones in input order."""
    return sorted(decisions, key=lambda d: (not _is_sent(d), -d["value"]))


def _decision_lines(part: str, decisions: Sequence[Data]) -> list[str]:
    lines = [f"{PARTS.get(part, part)}: {_forms(decisions)}"]
    for decision in _ranked(decisions)[:_NAMED]:
        reason = f": {decision['reason']}" if decision["reason"] else ""
        lines.append(
            f"  {decision['tokens']:>6,}  {cut(decision['key'], _KEY)}, {decision['form']}{reason}"
        )
    if len(decisions) > _NAMED:
        lines.append(f"  {'':>6}  and {len(decisions) - _NAMED:,} more")
    return lines


# HTML


def request_html(request: Data) -> str:
    """Return a request as an HTML fragment, for notebooks."""
    return fragment(_body(request))


def request_page(request: Data) -> str:
    """Return a request as one self-contained HTML page."""
    return page("ctxmem request", f"<h1>What the model sees</h1>{_body(request)}", script=True)


def _body(request: Data) -> str:
    first, *more = _summary(request)
    lines = "".join(f'<p class="soft">{escape(line)}</p>' for line in more)
    return "".join(
        (
            f'<p class="hero">{escape(first)}</p>{lines}',
            _strip(request),
            _key(request),
            _tiles(request),
            _part_table(request),
            _decisions(request),
            _sent(request),
        )
    )


def _strip(request: Data) -> str:
    """Draw the request as a strip of tokens, by part; parts of one input are one segment."""
    segments = []
    decisions = dict(_by_part(request))
    for part, tokens in _parts(request):
        left = tokens
        for decision in filter(_is_sent, decisions.get(part, ())):
            size = min(left, decision["tokens"])
            left -= size
            named = f"{decision['key']}, {decision['form']}"
            segments.append({"part": part, "tokens": size, "text": cut(named, 160)})
        # Labels, marks and the format of messages belong to a part and to none of its inputs.
        if left:
            segments.append({"part": part, "tokens": left, "text": ""})
    label = f"{request['tokens']:,} of {request['budget']:,} tokens used, by part"
    return drawing.part_strip(segments, request["budget"], PARTS, label)


def _key(request: Data) -> str:
    named = [(f"p-{part}", PARTS.get(part, part)) for part, tokens in _parts(request) if tokens]
    return drawing.key(named)


def _tiles(request: Data) -> str:
    parts = request["parts"]
    stable = sum(parts.get(part, 0) for part in STABLE)
    tiles = [
        (brief(request["tokens"]), f"tokens of {request['budget']:,}"),
        (brief(stable), "tokens of the prefix that later requests can share"),
        (brief(request["tokens"] - stable), "tokens for this question alone"),
        (brief(len(request["tools"])), "tool definitions sent"),
        (brief(len(request["messages"])), "messages sent"),
    ]
    items = "".join(f"<li><b>{escape(n)}</b><span>{escape(t)}</span></li>" for n, t in tiles)
    return f'<ul class="tiles">{items}</ul>'


def _part_table(request: Data) -> str:
    parts = _parts(request)
    most = max([1, *(tokens for _, tokens in parts)])
    decisions = dict(_by_part(request))
    rows = ""
    for part, tokens in parts:
        price = request["prices"].get(part)
        gain = f"{price:.3f}" if price is not None else ""
        rows += (
            f"<tr><th scope='row'>{escape(PARTS.get(part, part))}</th>"
            f"<td class='n'>{tokens:,}</td>"
            f"<td class='n'>{share(tokens, request['tokens'])}</td><td class='n'>{gain}</td>"
            f"<td>{escape(_forms(decisions.get(part, ())))}</td>"
            f"<td class='wide'>{drawing.part_bar(part, tokens, most)}</td></tr>"
        )
    return (
        "<h2>Parts</h2><div class='card'><table class='parts'><caption>The value of "
        "100 more tokens is highest where the budget binds most. Its unit is a token of evidence "
        "that the answer is expected to use.</caption><thead><tr><th scope='col'>part</th>"
        "<th scope='col' class='n'>tokens</th>"
        "<th scope='col' class='n'>share</th><th scope='col' class='n'>100 more</th>"
        "<th scope='col'>inputs</th><th scope='col'></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _decisions(request: Data) -> str:
    shown = ""
    for part, decisions in _by_part(request):
        ranked = _ranked(decisions)
        name = PARTS.get(part, part)
        shown += f"<h3>{escape(name)} ({len(ranked):,})</h3>"
        shown += _grid(ranked[:_SHOWN], _forms(decisions))
        more = ranked[_SHOWN:_MOST_ROWS]
        if more:
            cropped = f" of {len(ranked) - _SHOWN:,}" if len(ranked) > _MOST_ROWS else ""
            shown += (
                f'<details><summary><span class="title">{len(more):,}{cropped} more</span>'
                f"</summary>{_grid(more, f'{name}, continued')}</details>"
            )
    return f"<h2>What became of each input</h2>{shown}" if shown else ""


def _grid(decisions: Sequence[Data], caption: str) -> str:
    rows = "".join(
        f"<tr><td>{escape(cut(d['key'], 120))}</td><td class='s'>{escape(d['form'])}</td>"
        f"<td class='n'>{d['tokens']:,}</td><td class='n'>{d['value']:.3f}</td>"
        f"<td>{escape(d['reason'])}</td></tr>"
        for d in decisions
    )
    return (
        f'<table class="decisions"><caption>{escape(caption)}</caption><thead><tr>'
        '<th scope="col">input</th><th scope="col">form</th>'
        '<th scope="col" class="n">tokens</th><th scope="col" class="n">value</th>'
        f'<th scope="col">why</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _sent(request: Data) -> str:
    """Show what is sent, message by message, closed until a person opens it."""
    blocks = []
    if request["system"]:
        text = _text_of({"content": request["system"]})
        blocks.append(_closed("system", cut(text, 90), text))
    if request["tools"]:
        written = json.dumps(request["tools"], indent=2, ensure_ascii=False)
        blocks.append(_closed(many(len(request["tools"]), "tool"), "", written))
    for number, message in enumerate(request["messages"]):
        text = _text_of(message)
        role = str(message.get("role") or message.get("type") or "message")
        volatile = "" if number < request["volatile_from"] else ", for this call"
        blocks.append(_closed(f"{number + 1}. {role}{volatile}", cut(text, 90), text))
    return f"<h2>What is sent</h2>{''.join(blocks)}"


def _closed(title: str, beginning: str, text: str) -> str:
    rest = len(text) - _MOST_TEXT
    cropped = f"\n… {rest:,} more characters" if rest > 0 else ""
    return (
        f'<details><summary><span class="chip">{escape(title)}</span>'
        f'<span class="title soft">{escape(beginning)}</span></summary>'
        f'<div class="inside"><pre tabindex="0">{escape(text[:_MOST_TEXT] + cropped)}</pre></div>'
        "</details>"
    )


def _text_of(message: Data) -> str:
    """Return the text of a message in any provider's shape; what is no text as JSON."""
    rest = {k: v for k, v in message.items() if k not in ("role", "content") and v is not None}
    content: Any = message.get("content")
    if isinstance(content, str):
        texts = [content]
    else:
        texts = [_block_text(block) for block in content or ()]
    if rest and set(rest) != {"type"}:
        texts.append(json.dumps(rest, ensure_ascii=False, default=str))
    return "\n\n".join(filter(None, texts))


def _block_text(block: Any) -> str:
    if isinstance(block, str):
        return block
    text = block.get("text") if isinstance(block, dict) else None
    return text if isinstance(text, str) else json.dumps(block, ensure_ascii=False, default=str)
