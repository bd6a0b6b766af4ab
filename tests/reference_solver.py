"""Slow twins of the native solvers: every choice tried, and OR-tools CP-SAT."""

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


def solve_with_cp_sat(problem: dict, time_limit: float = 20.0) -> tuple[str, int, int]:
    """Return (status, value, bound) of a ctxmem-pack/1 problem as OR-tools CP-SAT sees it."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    items, sep = problem["items"], problem["sep"]
    sections = {section["id"]: section for section in problem["sections"]}
    x = [[model.new_bool_var("") for _ in item["options"]] for item in items]
    chosen = [sum(options) if options else 0 for options in x]
    terms: dict[str | None, list] = {None: [], **{name: [] for name in sections}}
    opened: dict[str, list] = {name: [] for name in sections}

    def up(section: str | None):
        while section is not None:
            yield section
            section = sections[section]["parent"]

    for i, item in enumerate(items):
        model.add(chosen[i] <= 1) if item["options"] else None
        if item["pin"] is not None:
            model.add(sum(x[i]) == 1)
            if item["pin"] != "any":
                model.add(x[i][item["pin"]] == 1)
        for need in item["needs"]:
            model.add(sum(x[i]) <= sum(x[need]))
        for variable, option in zip(x[i], item["options"], strict=True):
            for name in (None, *up(item["section"])):
                terms[name].append((option["t"] + sep) * variable)
            for name in up(item["section"]):
                opened[name].append(variable)
    for group in problem["groups"]:
        model.add(sum(sum(x[i]) for i in set(group)) <= 1)
    for unit in problem["together"]:
        for i in unit[1:]:
            model.add(sum(x[i]) == sum(x[unit[0]]))
    for name, section in sections.items():
        if section["header"] > 0:
            is_open = model.new_bool_var("")
            model.add_max_equality(is_open, [*opened[name], model.new_constant(0)])
            for above in (None, *up(name)):
                terms[above].append((section["header"] + sep) * is_open)
    for name, section in sections.items():
        model.add_linear_constraint(sum(terms[name]), section["min"], section["max"])
    model.add(sum(terms[None]) <= problem["budget"])

    value = [
        option["v"] * variable
        for i, item in enumerate(items)
        for variable, option in zip(x[i], item["options"], strict=True)
    ]
    for concept, weight in enumerate(problem["concepts"]):
        covering = [
            variable
            for i, item in enumerate(items)
            for variable, option in zip(x[i], item["options"], strict=True)
            if concept in option.get("c", ())
        ]
        covered = model.new_bool_var("")
        model.add(covered <= sum(covering))
        value.append(weight * covered)
    for i, j, penalty in problem["redundancy"]:
        both = model.new_bool_var("")
        model.add(both >= sum(x[i]) + sum(x[j]) - 1)
        value.append(-penalty * both)
    if problem["prefix"]:
        before = None
        pairs = zip(problem["prefix"]["order"], problem["prefix"]["bonus"], strict=True)
        for i, bonus in pairs:
            kept = model.new_bool_var("")
            model.add(kept <= (x[i][0] if x[i] else 0))
            if before is not None:
                model.add(kept <= before)
            value.append(bonus * kept)
            before = kept
    model.maximize(sum(value))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit
    solver.parameters.num_workers = 1
    status = solver.status_name(solver.solve(model)).lower()
    if status == "infeasible":
        return status, 0, 0
    return status, round(solver.objective_value), round(solver.best_objective_bound)
