"""Where a wrong answer comes from, decided from the windows in which it is right.

    right as sent                                    none
    right without repeats, or packed                 context
    the evidence was not retrieved                   retrieval
    wrong with the evidence alone                    model; unknown if it may be no evidence
    right with the evidence alone, wrong as sent     context
    else                                             unknown, with the reason

The first line that holds decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctxmem.blaming.evidence import ABSENT, NOT_SENT, UNKNOWN, Evidence
from ctxmem.blaming.windows import EVIDENCE, NONE, PACKED, SENT, UNREPEATED

NO_FAULT, CONTEXT, MODEL, RETRIEVAL, UNDECIDED = "none", "context", "model", "retrieval", "unknown"
FAULTS = (CONTEXT, MODEL, RETRIEVAL, NO_FAULT, UNDECIDED)

STEPS = {
    "repeats": "right once exact repeats were removed",
    "packing": "right with the passages as ctxmem packs them",
    "omission": "the evidence was retrieved and left out of the request",
    "distraction": "right with the evidence alone; the other passages distract from it",
    "packing lost it": "right with the evidence alone; packing left the evidence out",
    "misled": "right without any context; the passages mislead the model",
}
"""What was wrong with the context."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was at fault in one question.

    Attributes:
        fault: context, model, retrieval, none or unknown.
        step: what was wrong with the context, "" for other faults.
        reason: the same in words.
        needs_context: False if the answer is right without context; None if that is not known.
    """

    fault: str
    step: str
    reason: str
    needs_context: bool | None


_UNSURE = (
    "it has what the expected answer says, and it does not name what the question is about or says "
    "it in other words; give the evidence in the expected file, or a judge"
)

Right = Mapping[str, "bool | None"]
"""Whether the answer in a window is right; None, or no entry, if that is not known."""


def decide(
    right: Right,
    evidence: Evidence,
    packed_evidence: bool | None,
    why_unknown: Mapping[str, str],
) -> Verdict:
    """Return what was at fault; `why_unknown` says why the answer in a window is not known."""
    bare = right.get(NONE)
    needs = None if bare is None else not bare

    def found(fault: str, reason: str, step: str = "") -> Verdict:
        return Verdict(fault, step, reason, needs)

    def context(step: str) -> Verdict:
        return found(CONTEXT, STEPS[step], step)

    if right.get(SENT) is None:
        return found(UNDECIDED, why_unknown.get(SENT, "the answer as sent is not known"))
    if right[SENT]:
        return found(NO_FAULT, "right as it was sent")
    if right.get(UNREPEATED):
        return context("repeats")
    if right.get(PACKED):
        return context("packing")
    if evidence.state in (ABSENT, UNKNOWN) and bare:
        return context("misled")
    if evidence.state == ABSENT:
        return found(RETRIEVAL, _absent(right, evidence))
    if evidence.state == UNKNOWN:
        return found(UNDECIDED, f"wrong as sent; {evidence.how}")
    alone = right.get(EVIDENCE)
    if alone is None:
        return found(UNDECIDED, why_unknown.get(EVIDENCE, "the evidence alone was not asked"))
    if not alone and not evidence.sure:
        return found(UNDECIDED, f"wrong with the passage that may be the evidence: {_UNSURE}")
    if not alone:
        return found(MODEL, "wrong with the evidence alone")
    if evidence.state == NOT_SENT:
        return context("omission")
    return context("packing lost it" if packed_evidence is False else "distraction")


def _absent(right: Right, evidence: Evidence) -> str:
    reason = f"the evidence was not retrieved ({evidence.how})"
    if right.get(EVIDENCE) is False:
        reason += "; the answer is wrong with the evidence alone too"
    elif right.get(EVIDENCE):
        reason += "; the answer is right with the evidence alone"
    return reason
