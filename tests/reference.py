"""Slow twins of the native code: short, obvious, and the judges of the fast ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def best_packing(
    classes: Sequence[Sequence[tuple[int, int]]], mandatory: Sequence[bool], budget: int
) -> int | None:
    """Return the most value of one (tokens, value) option per class, or None if nothing fits."""
    best: int | None = None
    choices = [
        [*options, *([] if must else [(0, 0)])]
        for options, must in zip(classes, mandatory, strict=True)
    ]
    for chosen in itertools.product(*choices):
        if sum(tokens for tokens, _ in chosen) <= budget:
            value = sum(value for _, value in chosen)
            best = value if best is None else max(best, value)
    return best


def evaluate_packing(problem: dict, choose: dict[int, int]) -> int | None:
    """Return the value of a choice for a ctxmem-pack/1 problem, or None if it is not allowed."""
    items, sep = problem["items"], problem["sep"]
    sections = {section["id"]: section for section in problem["sections"]}
    for i, item in enumerate(items):
        pin = item["pin"]
        if pin is not None and i not in choose:
            return None
        if pin not in (None, "any") and choose[i] != pin:
            return None
        if i in choose and any(need not in choose for need in item["needs"]):
            return None
    if any(sum(i in choose for i in group) > 1 for group in problem["groups"]):
        return None
    if any(0 < sum(i in choose for i in unit) < len(unit) for unit in problem["together"]):
        return None

    tokens = dict.fromkeys([None, *sections], 0)

    def pay(section: str | None, amount: int) -> None:
        while section is not None:
            tokens[section] += amount
            section = sections[section]["parent"]
        tokens[None] += amount

    for i, option in choose.items():
        pay(items[i]["section"], items[i]["options"][option]["t"] + sep)
    for name in [name for name in sections if tokens[name] > 0]:
        if sections[name]["header"] > 0:
            pay(name, sections[name]["header"] + sep)
    if tokens[None] > problem["budget"]:
        return None
    if any(not s["min"] <= tokens[name] <= s["max"] for name, s in sections.items()):
        return None

    chosen = [items[i]["options"][option] for i, option in choose.items()]
    value = sum(option["v"] for option in chosen)
    covered = {concept for option in chosen for concept in option.get("c", ())}
    value += sum(problem["concepts"][concept] for concept in covered)
    value -= sum(p for i, j, p in problem["redundancy"] if i in choose and j in choose)
    if problem["prefix"]:
        for i, bonus in zip(problem["prefix"]["order"], problem["prefix"]["bonus"], strict=True):
            if choose.get(i) != 0:
                break
            value += bonus
    return value


def best_choice(problem: dict) -> int | None:
    """Return the most value of any allowed choice, or None if there is none."""
    best: int | None = None
    options = [range(-1, len(item["options"])) for item in problem["items"]]
    for chosen in itertools.product(*options):
        value = evaluate_packing(problem, {i: o for i, o in enumerate(chosen) if o >= 0})
        if value is not None and (best is None or value > best):
            best = value
    return best
