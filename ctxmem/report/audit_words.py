"""What an audit says in words, for the terminal and the page alike."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ctxmem.report.words import Data, many, money, share

KINDS: dict[str, tuple[str, str]] = {
    "repeat_in_request": ("repeat", "The same text occurs several times in one request"),
    "repeat_in_session": ("sent again", "A passage is sent again in a later request"),
    "near_version": ("version", "One request has several versions of a passage"),
    "overlap": ("overlap", "Passages share text, and each copy is paid for"),
    "boilerplate": ("boilerplate", "The same lines are in many passages"),
    "growth": ("growth", "Requests grow and are never trimmed"),
    "unstable_prefix": ("prefix", "The beginning of requests changes, so the cache misses"),
    "broken_pair": ("tool pair", "Tool calls and tool results do not match"),
    "over_budget": ("over budget", "Requests are over the budget"),
    "miscalibrated": ("scores", "Scores of retrievers cannot be compared"),
    "same_budget": ("same budget", "Every query gets the same number of passages"),
}
"""Chip and sentence of each kind of finding."""

PARTS: dict[str, str] = {
    "system": "system prompt",
    "tools": "tool definitions",
    "history": "earlier messages",
    "tool_calls": "tool calls",
    "tool_results": "tool results",
    "passages": "retrieved passages",
    "question": "the user's last message",
    "thoughts": "reasoning sent back",
    "images": "images",
    "files": "files",
    "sound": "sound and video",
    "overhead": "message format",
}
"""Parts of a request, and what a person calls them."""

INFERRED = "chat "
"""How the name of a session begins that no log gave: what follows is a hash of its first words."""

_COUNTED: dict[str, str] = {
    "repeat_in_request": "copies sent",
    "repeat_in_session": "copies sent",
    "near_version": "times",
    "overlap": "times",
    "boilerplate": "copies sent",
}
"""What is counted of a finding beside its requests; of other kinds it is the requests."""

_TOOLS: dict[str, str] = {"Claude Code": "/clear", "Codex CLI": "/new", "Gemini CLI": "/clear"}
"""Formats of tools that make their requests themselves, and their command for an empty window."""

_SHARING = {"growth", "over_budget", "same_budget", "unstable_prefix"}
"""Kinds that count tokens of whole requests, which may repeat others too."""

_OUTWEIGHS = 3  # times the repeats, above which another kind is the headline


def headline(audit: Data) -> str:
    """Return the one sentence that matters."""
    totals = audit["totals"]
    if not totals["calls"]:
        return "No request and no retrieval was found in what was read."
    sent = f"the {totals['tokens']:,} tokens in {many(totals['calls'], 'request')}"
    repeated = totals["repeated_tokens"]
    waste, kind = max((tokens, kind) for kind, tokens in totals["waste"].items())
    if waste > _OUTWEIGHS * repeated and waste > totals["tokens"] / 20:
        what = KINDS[kind][1]
        return f"{share(waste, totals['tokens'])} of {sent}: {what[0].lower()}{what[1:]}."
    if repeated:
        return f"{share(repeated, totals['tokens'])} of {sent} {repeats_words(totals)}."
    found = sum(totals["findings"].values())
    if found:
        return (
            f"{totals['tokens']:,} tokens in {many(totals['calls'], 'request')}: "
            f"{many(found, 'finding')}."
        )
    return f"{totals['tokens']:,} tokens in {many(totals['calls'], 'request')}: nothing found."


def repeats_words(totals: Data) -> str:
    """Return what the repeated tokens repeat: text of their own request, or of one before it."""
    within, across = (totals["waste"][f"repeat_in_{where}"] for where in ("request", "session"))
    if within and across:
        return "repeat text of the same request or of an earlier one"
    return "repeat passages of an earlier request" if across else "repeat text of the same request"


def by_kind(audit: Data) -> list[tuple[str, list[Data]]]:
    """Return the findings of each kind, the kind with most tokens first."""
    found: dict[str, list[Data]] = {kind: [] for kind in KINDS}
    for finding in audit["findings"]:
        found[finding["kind"]].append(finding)
    waste = audit["totals"]["waste"]
    return sorted(
        ((kind, of) for kind, of in found.items() if of),
        key=lambda item: (-waste[item[0]], list(KINDS).index(item[0])),
    )


def common_folder(audit: Data) -> str:
    """Return the folder that all places of findings are in, "" if it is short or there is none."""
    paths = {path for finding in audit["findings"] for path in _paths(finding["places"])}
    forgotten = audit["forgotten"]["findings"] if audit["forgotten"] else ()
    paths.update(path for finding in forgotten for path in _paths((finding["needed"],)))
    if len(paths) < 2:
        return ""
    try:
        folder = os.path.commonpath(paths)
    except ValueError:  # absolute and relative ones
        return ""
    return folder + os.sep if len(folder) > 8 else ""


def _paths(places: Iterable[Data]) -> Iterable[str]:
    for place in places:
        path = str(place["place"]).rpartition(":")[0]
        if os.sep in path:
            yield path


def place_words(place: Data, folder: str = "") -> str:
    """Return where something was found, without the folder that all places share."""
    where = str(place["place"]).removeprefix(folder)
    message = place.get("message")
    if message is not None:
        # What a provider takes beside the messages has no number: Anthropic's `system`.
        where += ", system prompt" if message < 0 else f", message {message}"
    session = str(place.get("session") or "")
    if not session or session in where or session.startswith(INFERRED):
        return where
    return f"{where}, session {session}"


def sources(read: Data) -> str:
    """Return how much was read, and of which formats."""
    formats = ", ".join(f"{name} ({count:,})" for name, count in read["formats"].items())
    files = f" in {many(read['files'], 'file')}" if read["files"] else ""
    # A record may hold several spans or messages, and some hold none.
    held = sum(read["formats"].values())
    entries = f", with {many(held, 'entry')}" if held and held != read["records"] else ""
    return f"{many(read['records'], 'record')}{files}{entries}: {formats or 'no known format'}"


def money_line(totals: Data) -> str:
    """Return what was paid for input, how that is known, and what repeats cost; "" if unknown."""
    spent = totals["money"]
    if spent is None:
        return ""
    line = f"Input cost {money(spent['paid'])}, {_known_by(spent)}"
    if totals["repeated_tokens"]:
        line += f"; what repeats cost {money(spent['repeated'])} of it"
    unknown = spent["usage"]["without_cache_fields"]
    if unknown["calls"] and unknown["money_if_cached"] < 0.99 * unknown["money"]:
        line += (
            f". The usage of {many(unknown['calls'], 'call')} does not say what was cached: they "
            f"cost {money(unknown['money'])} without a cache and "
            f"{money(unknown['money_if_cached'])} with one"
        )
    if spent["logged"]:
        logged = spent["logged"]
        line += (
            f". The log itself states {money(logged['money'])} for "
            f"{many(logged['calls'], 'call')}, output included"
        )
    return f"{line}."


def _known_by(spent: Data) -> str:
    if spent["by"] == "usage":
        return "by the token usage in the log"
    simulated = "a simulation of the provider's prompt cache"
    if spent["by"] == "simulation":
        return f"by {simulated}, as the log has no usage"
    usage, calls = spent["usage"]["calls"], spent["simulation"]["calls"]
    return f"by the usage in the log for {many(usage, 'call')} and by {simulated} for {calls:,}"


def cache_line(totals: Data) -> str:
    """Return how much of a request begins as the one before it did, "" if nothing is known."""
    stable = totals["stable_share"]
    if stable is None:
        return ""
    lost = ""
    if totals["lost_tokens"]:
        lost = (
            f" {totals['lost_tokens']:,} more tokens are unchanged too, but follow something that "
            "changed, so no cache can hold them."
        )
    return (
        f"On average the first {stable:.0%} of a request are the same as in the request before "
        f"it, so a prompt cache can hold them.{lost}"
    )


def copies_line(read: Data) -> str:
    """Return how many lines of transcripts are copies of others."""
    return (
        f"{many(read['copies'], 'line')} had been read before, in a copy of a file or in a "
        "session that was resumed or forked; each is counted once."
    )


def session_name(name: str, about: str) -> str:
    """Return what a person calls a session: the name that its log gave, else its first question."""
    return f'"{about}"' if about and name.startswith(INFERRED) else name


def replayed_into(replay: Data) -> str:
    """Return what the windows of a replay were packed into."""
    if replay["budget"]:
        return f"windows of at most {replay['budget']:,} tokens"
    return "windows no larger than before"


def counted_line(totals: Data) -> str:
    """Return that kinds of findings may share tokens, "" if they cannot."""
    kinds = {kind for kind, tokens in totals["waste"].items() if tokens}
    if len(kinds) < 2 or not kinds & _SHARING:
        return ""
    once = "; its cost is counted once" if totals["money"] else ""
    return f"A token may be counted in several of these{once}."


def tools_line(audit: Data) -> str:
    """Return what helps in a tool that makes its requests itself, "" if none was read."""
    found = [tool for tool in _TOOLS if tool in audit["read"]["formats"]]
    wasted = any(audit["totals"]["findings"].values())
    if not found or not (wasted or (audit["forgotten"] and audit["forgotten"]["findings"])):
        return ""
    names = found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
    makes = "makes its requests itself" if len(found) == 1 else "make their requests themselves"
    commands = ", ".join(dict.fromkeys(_TOOLS[tool] for tool in found))
    return (
        f"{names} {makes}: the lines of code are for agents of your own. In the tool itself, "
        f"begin each task with an empty window ({commands}), and ask for the part of a file that "
        "a task needs: every read stays in all requests that follow."
    )


def reason_words(reason: str, count: int) -> str:
    """Return how much was left out, and why, as a person says it."""
    known = {
        "duplicate": ("repeat", "repeats"),
        "near_duplicate": ("near-duplicate", "near-duplicates"),
        "over_budget": ("passage that did not fit", "passages that did not fit"),
        "trimmed": ("message trimmed", "messages trimmed"),
        "folded": ("repeat folded to a reference", "repeats folded to a reference"),
    }
    one, several = known.get(reason, (reason.replace("_", " "),) * 2)
    return f"{count:,} {one if count == 1 else several}"


def difference_line(replay: Data) -> str:
    """Return in one sentence what leads from the repeats that were found to what was saved."""
    if not replay["repeated"]:
        return ""
    steps = [
        f"{'minus' if step['tokens'] < 0 else 'plus'} {abs(step['tokens']):,} ({step['text']})"
        for step in replay["explained"]
    ]
    found = f"{replay['repeated']:,} repeated tokens"
    spent = replay["money"]
    cost = f"; {money(spent['before'])} -> {money(spent['after'])}" if spent else ""
    return ", ".join([found, *steps]) + f" = {replay['saved']:,} saved{cost}"


def occurrences(finding: Data) -> str:
    """Return how often something occurs, in numbers that a reader can check."""
    count, requests = finding["count"], finding["requests"]
    counted = _COUNTED.get(finding["kind"], "")
    what = f"{count:,} {counted}" if counted and count > 1 else ""
    where = f"in {many(requests, 'request')}" if requests > 1 else ""
    return " ".join(filter(None, (what, where)))


def spent(kind: str, totals: Data) -> float:
    """Return what the tokens of a kind cost."""
    return float(totals["money"]["waste"][kind])


def amount_words(tokens: int, totals: Data, cost: float | None) -> str:
    """Return tokens with their share and, where prices are known, their cost."""
    words = f"{tokens:,} tokens ({share(tokens, totals['tokens'])})"
    return f"{words}, {money(cost)}" if cost is not None else words
