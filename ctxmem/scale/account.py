"""What a run did: the report for the caller, and the account that lies beside the results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Capped:
    """A group that would have removed more than `max_loss` of a source, and so removed less.

    Of this source, `kept` texts are kept although they are near-duplicates of `representative`; the
    group removed only those with the same words as it.
    """

    representative: str | int
    source: str
    documents: int
    kept: int


@dataclass(frozen=True, slots=True)
class Report:
    """What `deduplicate` found and wrote.

    `documents` are all that were read, of which `kept` were written and `removed` were not:
    `exact` with the same text as their representative and `near` with a similar one. `rejected`
    records are no documents; they are in the folder `rejected`. `problems` counts what was not as
    expected, by reason, and `places` has the first places of each.

    `in_memory` says that all texts fitted into memory and the groups are those of
    `find_near_duplicates`. Otherwise `recall` is the probability that a pair at the threshold, and
    `recall_at_80` that a pair of similarity .8, shares a band; every pair found is exact. `notes`
    has what was less exact than that.

    `resumed` says that an unfinished run was continued, `restarted` why an earlier one was not.
    """

    out: str
    engine: str
    documents: int
    kept: int
    removed: int
    exact: int
    near: int
    groups: int
    largest_group: int
    rejected: int
    problems: dict[str, int]
    places: dict[str, list[str]]
    capped: tuple[Capped, ...]
    in_memory: bool
    recall: float
    recall_at_80: float
    notes: tuple[str, ...]
    resumed: bool = False
    restarted: str = ""
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


TIMED = ("resumed", "restarted", "seconds", "stages")
"""Fields that depend on how the run went, not on its input; the account leaves them out."""


def restored(data: dict[str, Any]) -> Report:
    """Return the report that `to_dict` was made of."""
    capped = tuple(Capped(**one) for one in data["capped"])
    return Report(**{**data, "capped": capped, "notes": tuple(data["notes"])})


def in_words(report: Report) -> str:
    """Return a report as a person reads it."""
    lines = [
        f"{report.documents:,} documents: {report.kept:,} kept, {report.removed:,} removed "
        f"({report.exact:,} the same text, {report.near:,} similar) in {report.groups:,} groups"
    ]
    if report.rejected:
        lines.append(f"{report.rejected:,} records are no documents; see {report.out}/rejected")
    for reason, count in report.problems.items():
        places = report.places[reason]
        lines.append(f"{count:,} x {reason} ({places[0]}{', ...' if count > 1 else ''})")
    for one in report.capped:
        lines.append(
            f"{one.kept:,} of {one.documents:,} documents of {one.source} repeat "
            f"{one.representative!r} and were kept: max_loss"
        )
    if report.in_memory:
        lines.append("all texts fitted into memory: no pair was missed")
    else:
        lines.append(
            f"a pair at the threshold is found with a probability of {report.recall:.3f} or more, "
            f"one of similarity .8 with {report.recall_at_80:.4f} or more"
        )
    return "\n".join([*lines, *report.notes])
