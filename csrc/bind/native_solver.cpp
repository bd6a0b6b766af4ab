#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bind/native_solver.hpp"
#include "core/solver/packing.hpp"

namespace ctxmem::bind {
namespace {

std::vector<std::int64_t> copied(const Numbers& array) {
    if (array.ndim() != 1) throw std::invalid_argument("the arrays must be one-dimensional");
    return {array.data(), array.data() + array.size()};
}

// No starts are no lists.
Lists lists(const Numbers& starts, const Numbers& members) {
    Lists out{copied(starts), copied(members)};
    if (out.starts.empty()) out.starts.push_back(0);
    return out;
}

// One number per item; no array is `missing` for each.
std::vector<std::int64_t> per_item(const std::optional<Numbers>& array, std::size_t items,
                                   std::int64_t missing) {
    return array ? copied(*array) : std::vector<std::int64_t>(items, missing);
}

py::object solve_problem(const Numbers& starts, const Numbers& tokens, const Numbers& values,
                         std::int64_t budget, std::int64_t separator,
                         const std::optional<Numbers>& section, const std::optional<Numbers>& pin,
                         const Numbers& needs, const Numbers& group_starts,
                         const Numbers& group_items, const Numbers& together_starts,
                         const Numbers& together_items, const Numbers& section_parent,
                         const Numbers& section_min, const Numbers& section_max,
                         const Numbers& section_header, const Numbers& redundancy,
                         const Numbers& concepts, const Numbers& cover_starts,
                         const Numbers& cover_concepts, const Numbers& prefix, const Numbers& bonus,
                         std::size_t states, double time_limit, double gap) {
    require_states(states);
    Problem problem;
    problem.budget = budget;
    problem.separator = separator;
    problem.starts = copied(starts);
    if (problem.starts.empty()) throw std::invalid_argument("starts must begin at 0");
    problem.tokens = copied(tokens);
    problem.values = copied(values);
    problem.section = per_item(section, problem.items(), -1);
    problem.pin = per_item(pin, problem.items(), Problem::kFree);
    problem.needs = copied(needs);
    problem.groups = lists(group_starts, group_items);
    problem.together = lists(together_starts, together_items);
    problem.parent = copied(section_parent);
    problem.minimum = copied(section_min);
    problem.maximum = copied(section_max);
    problem.header = copied(section_header);
    problem.redundancy = copied(redundancy);
    problem.concepts = copied(concepts);
    problem.covers = lists(cover_starts, cover_concepts);
    problem.prefix = copied(prefix);
    problem.bonus = copied(bonus);
    Solution solution = run_unlocked(
        [&](StopToken& stop) {
            return solve_packing(problem, {states, gap}, stop);
        },
        time_limit);
    return result("ctxmem._native", "Solution")(
        to_array(std::move(solution.chosen)), solution.value, solution.upper_bound,
        name_of(solution.status), solution.found, solution.price,
        to_array(std::move(solution.prices)));
}

}  // namespace

void bind_solver(py::module_& m) {
    bind_result(m, "Solution", "chosen value upper_bound status found price section_prices");
    const Numbers none(0);
    m.def(
        "solve_packing", &solve_problem, py::arg("starts"), py::arg("tokens"), py::arg("values"),
        py::arg("budget"), py::kw_only(), py::arg("separator") = 0, py::arg("section") = py::none(),
        py::arg("pin") = py::none(), py::arg("needs") = none, py::arg("group_starts") = none,
        py::arg("group_items") = none, py::arg("together_starts") = none,
        py::arg("together_items") = none, py::arg("section_parent") = none,
        py::arg("section_min") = none, py::arg("section_max") = none,
        py::arg("section_header") = none, py::arg("redundancy") = none, py::arg("concepts") = none,
        py::arg("cover_starts") = none, py::arg("cover_concepts") = none, py::arg("prefix") = none,
        py::arg("bonus") = none, py::arg("states") = 200000, py::arg("time_limit") = 0.0,
        py::arg("gap") = 0.0,
        "Solve a packing problem given as int64 arrays.\n\n"
        "Options of item i are starts[i] .. starts[i+1]. section: per item, -1 is none; pin: per\n"
        "item, -2 is free, -1 any option, or an option; needs: pairs; redundancy: item, item,\n"
        "penalty; cover_*: per option. In the result, chosen has an option per item or -1; found\n"
        "says whether it is a packing; no packing has a value above upper_bound; status is\n"
        "'optimal', 'gap' or 'infeasible'; price is the value of one more token. A time_limit of\n"
        "0 seconds is none; gap is relative to the bound; states caps memory. Raises ValueError\n"
        "when an index is out of range or numbers are too large.");
}

}  // namespace ctxmem::bind
