"""Who was at fault, as text and as HTML, from plain data alone."""

from __future__ import annotations

import textwrap
from collections import Counter as Count
from collections.abc import Iterator, Mapping, Sequence

from ctxmem.report.page import fragment, page
from ctxmem.report.words import Data, cut, escape, many, money, share, visible

WINDOWS = {
    "sent": "as it was sent",
    "unrepeated": "without exact repeats",
    "packed": "packed by ctxmem",
    "evidence": "the evidence alone",
    "none": "no context",
}
"""What each window is called."""

FAULTS = {
    "context": "the context: a better window answers it",
    "model": "the model: wrong with the evidence alone",
    "retrieval": "the retriever: the evidence was not retrieved",
    "none": "nothing: right as it was sent",
    "unknown": "unknown",
}
"""What each fault is called."""

STEPS = {
    "repeats": "right once exact repeats were removed",
    "packing": "right with the passages as ctxmem packs them",
    "omission": "the evidence was retrieved and left out of the request",
    "distraction": "right with the evidence alone: the other passages distract",
    "packing lost it": "right with the evidence alone, which packing left out",
    "misled": "right without any context: the passages mislead the model",
}
"""What each step of the context is called."""

_SHOWN_IN_TEXT = 12
_REASONS = 5
_SHOWN_ON_PAGE = 200
_WIDTH = 96


# What both say


def headline(blame: Data) -> str:
    """Return the sentence that matters."""
    training = blame["training"]
    total = training["questions"]
    right = blame["faults"]["none"]["count"]
    if right == total:
        return f"{_all(total)} answered right as sent: nothing to fix in the window."
    known = [
        f"{training[key]:,} {said}"
        for key, said in (
            ("better_window", "because of the context"),
            ("could_help", "because of the model"),
            ("better_retriever", "because of the retriever"),
        )
        if training[key]
    ]
    unjudged = sum(one["right"].get("sent") is None for one in blame["questions"])
    unknown = blame["faults"]["unknown"]["count"] - unjudged
    if unknown:
        known.append(f"{unknown:,} for reasons that are not known")
    wrong = total - right - unjudged
    said = []
    if wrong:
        verb = "was" if wrong == 1 else "were"
        of = f"{wrong:,} of {many(total, 'question')}"
        said.append(f"{of} {verb} not answered right: {', '.join(known)}.")
    if unjudged:
        of = f"{unjudged:,} of {many(total, 'question')}"
        said.append(f"Whether the answer is right is not known of {of}.")
    return " ".join(said)


def _all(total: int) -> str:
    return "The question was" if total == 1 else f"All {total:,} questions were"


def training_sentence(blame: Data) -> str:
    """Say what fine-tuning could help, and what it could not."""
    training = blame["training"]
    total = training["questions"]
    could = training["could_help"]
    said = (
        f"Fine-tuning could help at most {could:,} of {many(total, 'question')} "
        f"({share(could, total)}, 95% interval {_interval(training['interval'])}): those that the "
        f"model got wrong with the evidence alone."
    )
    unknown = blame["faults"]["unknown"]["count"]
    if unknown:
        left_out = many(unknown, "question")
        said += f" {left_out} of unknown fault {'is' if unknown == 1 else 'are'} not among them."
    others = []
    if training["better_window"]:
        others.append(_need(training["better_window"], "window"))
    if training["better_retriever"]:
        others.append(_need(training["better_retriever"], "retriever"))
    if others:
        said += f" It would not fix the context: {' and '.join(others)}."
    both = training["retriever_and_model"]
    if both:
        said += (
            f" Of the questions without evidence, the model got {both:,} wrong with the evidence "
            f"too: they need both."
        )
    bare = training["no_context_needed"]
    if bare:
        said += f" {_verb(bare, 'question')} right without any context."
    return said


def _need(count: int, what: str) -> str:
    return f"{count:,} {'needs' if count == 1 else 'need'} a better {what}"


def _verb(count: int, noun: str) -> str:
    return f"{many(count, noun)} {'is' if count == 1 else 'are'} answered"


def _interval(ends: Sequence[float]) -> str:
    return f"{share(ends[0], 1)} to {share(ends[1], 1)}"


def _signed(value: float) -> str:
    return (
        f"{100 * value:+.0f}".replace("-0", "+0") if abs(value) < 0.005 else f"{100 * value:+.0f}"
    )


def _difference(found: Data) -> str:
    low, high = found["interval"]
    return f"{_signed(found['difference'])} ({_signed(low)} to {_signed(high)})"


def _probability(p: float) -> str:
    return "under 0.001" if p < 0.001 else f"{p:.2g}"


def plan_lines(plan: Data) -> Iterator[str]:
    """Yield what an experiment takes, and what is not asked and why."""
    cached = f"; {plan['cached']:,} more are in the cache" if plan["cached"] else ""
    yield (
        f"{many(plan['questions'], 'question')} in up to {len(WINDOWS)} windows: "
        f"{many(plan['calls'], 'call')} of the model{cached}."
    )
    if plan["calls"]:
        output = ""
        if plan["output_tokens"]:
            output = f" and at most {plan['output_tokens']:,} output tokens"
        price = ""
        if plan["dollars"] is not None:
            part = "" if "output" in plan["prices"] else " for the input"
            price = f", at most {money(plan['dollars'])}{part}"
        yield f"They take {plan['input_tokens']:,} input tokens{output}{price}."
    if plan["judge_calls"]:
        yield f"The judge is called at most {plan['judge_calls']:,} times."
    if plan["questions"] < plan["recorded"]:
        yield (
            f"{plan['questions']:,} of {plan['recorded']:,} questions "
            f"{'is' if plan['questions'] == 1 else 'are'} asked, drawn with seed {plan['seed']}, "
            f"so that there are at most {plan['max_calls']:,} calls (--max-calls)."
        )
    yield from _not_asked(plan)


def _not_asked(plan: Data) -> Iterator[str]:
    for reason, count in plan["skipped"].items():
        yield f"Not asked: {many(count, 'recorded request')}: {reason}."
    for reason, count in plan["read"]["skipped"].items():
        yield f"Not read: {many(count, 'record')}: {reason}."
    if plan["unmatched"]:
        example = cut(plan["examples"][0], 60)
        yield (
            f"{many(plan['unmatched'], 'expected answer')} without a recorded question, "
            f"such as {example!r}."
        )
    if plan["made"]:
        yield (
            f"For {many(plan['made'], 'question')} only the retrieval was recorded: the request is "
            f"made of the passages and the question."
        )
    if plan["converted"]:
        yield (
            f"{many(plan['converted'], 'request')} of another provider's form: asked as messages "
            f"with the same texts."
        )
    if plan["without_passages"]:
        yield f"In {many(plan['without_passages'], 'request')} no passage was found."


def _notes(blame: Data) -> Iterator[str]:
    asked = blame["asked"]
    price = f", {money(asked['dollars'])}" if asked["dollars"] is not None else ""
    yield (
        f"{many(asked['calls'], 'call')} of {asked['model']}, {asked['input_tokens']:,} input and "
        f"{asked['output_tokens']:,} output tokens{price}; {asked['cached']:,} answers from the "
        f"cache."
    )
    yield from _failures(asked["failures"], "call", "failed")
    yield from _failures(asked["judge_failures"], "answer", "not judged")
    if asked["empty"]:
        yield f"{many(asked['empty'], 'answer')} empty, counted as wrong."
    for name, what in asked["adapted"].items():
        yield f"{name} was {what}."
    if asked["damaged_in_cache"]:
        yield f"{many(asked['damaged_in_cache'], 'file')} of the cache damaged and asked again."
    if asked["not_written_to_cache"]:
        yield f"{many(asked['not_written_to_cache'], 'answer')} not written to the cache."
    for name, window in blame["windows"].items():
        for reason, count in window["not_asked"].items():
            yield f"Window not asked ({WINDOWS[name]}): {many(count, 'question')}: {reason}."


def _failures(failures: Mapping[str, int], noun: str, what: str) -> Iterator[str]:
    """Yield the commonest reasons: a server may name each request in its message."""
    shown = list(failures.items())[:_REASONS]
    for reason, count in shown:
        yield f"{many(count, noun)} {what}: {reason}"
    rest = sum(failures.values()) - sum(count for _, count in shown)
    if rest:
        yield f"{many(rest, noun)} {what} for other reasons, which --json lists."


def _reasons(row: Data) -> list[tuple[str, int]]:
    """Return the commonest reasons why the fault is unknown, and how many others there are."""
    reasons = list(row.get("reasons", {}).items())
    rest = sum(count for _, count in reasons[_REASONS:])
    return reasons[:_REASONS] + ([("other reasons, which --json lists", rest)] if rest else [])


def _wrong(blame: Data) -> list[Data]:
    """Return the questions with a fault, those of the context first."""
    order = list(FAULTS)
    found = [one for one in blame["questions"] if one["fault"] != "none"]
    return sorted(found, key=lambda one: order.index(one["fault"]))


# Text


def blame_plan_text(plan: Data) -> str:
    """Return what an experiment takes, as text."""
    return visible("\n".join(_filled(plan_lines(plan))))


def blame_text(blame: Data) -> str:
    """Return what was at fault, as text."""
    lines = [*_filled([headline(blame), training_sentence(blame)]), ""]
    lines += ["At fault" + " " * 42 + "questions   share   95% interval"]
    for fault, said in FAULTS.items():
        row = blame["faults"][fault]
        lines.append(
            f"{said:<50}{row['count']:>9,}{share(row['share'], 1):>8}   "
            f"{_interval(row['interval'])}"
        )
        for step, count in row.get("steps", {}).items():
            lines.append(f"    {STEPS[step]}: {count:,}")
        for reason, count in _reasons(row):
            lines += _filled([f"    {count:,}: {reason}"])
    lines += ["", "Window" + " " * 20 + "right      share   tokens   against as sent, in points"]
    for name, window in blame["windows"].items():
        if not window["asked"]:
            lines.append(f"{WINDOWS[name]:<23}{'not asked':>12}")
            continue
        right = f"{window['right']:,} of {window['asked']:,}"
        against = window.get("against_sent")
        compared = f"{_difference(against)}, p {_probability(against['p'])}" if against else ""
        lines.append(
            f"{WINDOWS[name]:<23}{right:>12}{share(window['share'], 1):>8}"
            f"{window['mean_tokens']:>9,.0f}   {compared}".rstrip()
        )
    wrong = _wrong(blame)
    if wrong:
        lines += ["", "Questions"]
        for one in _some_of_each(wrong):
            lines += [f"  {one['fault']:<10}{cut(one['question'], 80)}"]
            lines += [f"            {cut(one['reason'], 110)} ({one['place']})"]
            lines += [f"            {_said_and_expected(one)}"]
        if len(wrong) > _SHOWN_IN_TEXT:
            lines.append(f"  and {len(wrong) - _SHOWN_IN_TEXT:,} more: --html OUT or --json")
    lines += ["", *_filled(_notes(blame)), *_filled(_not_asked(blame["plan"]))]
    return visible("\n".join(lines))


def _some_of_each(wrong: Sequence[Data]) -> list[Data]:
    """Return as many questions as are shown, of every fault some, in the same order."""
    kinds = Count(one["fault"] for one in wrong)
    most = dict.fromkeys(kinds, 0)
    left = min(_SHOWN_IN_TEXT, len(wrong))
    while left:
        for kind in kinds:
            if left and most[kind] < kinds[kind]:
                most[kind] += 1
                left -= 1
    shown = []
    for one in wrong:
        if most[one["fault"]]:
            most[one["fault"]] -= 1
            shown.append(one)
    return shown


def _said_and_expected(one: Data) -> str:
    """Return the answer that decides, beside the expected one, so that a person can compare."""
    name = "evidence" if one["fault"] == "model" else "sent"
    answer = cut(one["answers"].get(name, ""), 45) or "nothing"
    where = "with the evidence alone" if name == "evidence" else "as sent"
    expected = cut(" / ".join(one["expected"]), 35)
    return f"{where}: {answer!r}" + (f"; expected: {expected!r}" if expected else "")


def _filled(lines: Sequence[str] | Iterator[str]) -> list[str]:
    return [
        part
        for line in lines
        for part in textwrap.wrap(
            line, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    ]


# HTML


def blame_html(blame: Data) -> str:
    """Return what was at fault for a notebook."""
    return fragment(_body(blame, live=False))


def blame_page(blame: Data) -> str:
    """Return what was at fault as a page."""
    return page("ctxmem blame", _body(blame, live=True), script=True)


def _body(blame: Data, *, live: bool) -> str:
    return (
        "<header><h1>Is it the model or the context?</h1>"
        f"<p class='hero'>{escape(headline(blame))}</p></header>"
        f"<p>{escape(training_sentence(blame))}</p>"
        f"<h2>At fault</h2><div class='card reached'>{_fault_table(blame)}</div>"
        "<h2>The same questions in each window</h2>"
        f"<div class='card scroll'>{_window_table(blame)}</div>"
        "<p class='soft'>Differences are in points of a hundred questions, paired over the same "
        "questions; intervals are of 95%.</p>"
        f"{_questions(blame, live=live)}{_asked(blame)}"
    )


def _table(head: Sequence[str], rows: Sequence[str], left: int = 1) -> str:
    cells = "".join(
        f"<th scope='col'{'' if i < left else ' class=n'}>{name}</th>"
        for i, name in enumerate(head)
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(name: str, numbers: Sequence[str], soft: bool = False) -> str:
    cells = "".join(f"<td class='n'>{escape(number)}</td>" for number in numbers)
    said = f"<span class='soft'>{escape(name)}</span>" if soft else escape(name)
    return f"<tr><th scope='row'>{said}</th>{cells}</tr>"


def _fault_table(blame: Data) -> str:
    rows = []
    for fault, said in FAULTS.items():
        row = blame["faults"][fault]
        numbers = (f"{row['count']:,}", share(row["share"], 1), _interval(row["interval"]))
        rows.append(_row(said, numbers))
        for step, count in row.get("steps", {}).items():
            rows.append(_row(f"… {STEPS[step]}", (f"{count:,}", "", ""), soft=True))
        for reason, count in _reasons(row):
            rows.append(_row(f"… {reason}", (f"{count:,}", "", ""), soft=True))
    return _table(("what was at fault", "questions", "share", "interval"), rows)


def _window_table(blame: Data) -> str:
    rows = []
    for name, window in blame["windows"].items():
        against = window.get("against_sent")
        if not window["asked"]:
            rows.append(_row(WINDOWS[name], ("not asked", "", "", "", "", "")))
            continue
        rows.append(
            _row(
                WINDOWS[name],
                (
                    f"{window['right']:,} of {window['asked']:,}",
                    share(window["share"], 1),
                    _interval(window["interval"]),
                    f"{window['mean_tokens']:,.0f}",
                    _difference(against) if against else "",
                    f"{_probability(against['p'])}" if against else "",
                ),
            )
        )
    head = ("window", "right", "share", "interval", "mean tokens", "against as sent", "p (McNemar)")
    return _table(head, rows)


def _questions(blame: Data, *, live: bool) -> str:
    wrong = _wrong(blame)
    if not wrong:
        return ""
    kinds = [fault for fault in FAULTS if any(one["fault"] == fault for one in wrong)]
    filters = ""
    if live and len(kinds) > 1:
        buttons = "".join(
            f"<button type='button' data-kind='{kind}' aria-pressed='false'>{kind}</button>"
            for kind in kinds
        )
        filters = (
            "<div class='filters'><button type='button' data-kind='' aria-pressed='true'>all"
            f"</button>{buttons}</div>"
        )
    cards = "".join(map(_question, wrong[:_SHOWN_ON_PAGE]))
    rest = len(wrong) - _SHOWN_ON_PAGE
    more = f"<p class='soft'>{rest:,} more are in --json.</p>" if rest > 0 else ""
    return f"<h2>{many(len(wrong), 'question')} not answered right</h2>{filters}{cards}{more}"


def _question(one: Data) -> str:
    rows = [
        _row_of_texts(
            (
                WINDOWS[name],
                _said(one["right"].get(name)),
                f"{one['tokens'].get(name, 0):,}" if name in one["tokens"] else "",
                cut(one["answers"].get(name, ""), 300),
            )
        )
        for name in WINDOWS
    ]
    expected = " / ".join(one["expected"])
    table = _table(("window", "answer", "tokens", "text"), rows, left=4)
    return (
        f"<details class='finding' data-kind='{escape(one['fault'])}'><summary>"
        f"<span class='chip'>{escape(one['fault'])}</span>"
        f"<span class='title'>{escape(cut(one['question'], 160))}</span></summary>"
        f"<div class='inside'><p>{escape(_sentence(one['reason']))}</p>"
        f"{f'<p>Expected: {escape(cut(expected, 300))}</p>' if expected else ''}"
        f"<div class='scroll'>{table}</div>"
        f"<p class='soft'>{escape(one['place'])}; the evidence: {escape(one['evidence'])}</p>"
        "</div></details>"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _row_of_texts(cells: Sequence[str]) -> str:
    first, *others = cells
    inner = "".join(f"<td>{escape(cell)}</td>" for cell in others)
    return f"<tr><th scope='row'>{escape(first)}</th>{inner}</tr>"


def _said(right: bool | None) -> str:
    return "not known" if right is None else "right" if right else "wrong"


def _asked(blame: Data) -> str:
    lines = [*_notes(blame), *_not_asked(blame["plan"])]
    items = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<h2>What was asked</h2>{items}{_formats(blame['plan']['read'])}"


def _formats(read: Data) -> str:
    formats: Mapping[str, int] = read["formats"]
    said = ", ".join(f"{name} ({count:,})" for name, count in formats.items())
    return f"<p class='soft'>{many(read['records'], 'record')}: {escape(said or 'none')}</p>"
