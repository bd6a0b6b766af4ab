#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bind/native.hpp"
#include "core/solver/knapsack.hpp"
#include "core/solver/packing.hpp"

namespace ctxmem::bind {
namespace {

// Arrays of other types are refused rather than converted.
using Numbers = py::array_t<std::int64_t, py::array::c_style>;
using Flags = py::array_t<bool, py::array::c_style>;

const char* name_of(Status status) {
    switch (status) {
        case Status::kOptimal: return "optimal";
        case Status::kGap: return "gap";
        default: return "infeasible";
    }
}

// A named tuple of the module, so that a caller may read a result by name or unpack it.
py::object result(const char* name) { return py::module_::import("ctxmem._native").attr(name); }

void bind_result(py::module_& m, const char* name, const char* fields) {
    using namespace py::literals;
    m.attr(name) = py::module_::import("collections")
                       .attr("namedtuple")(name, fields, "module"_a = "ctxmem._native");
}

void require_states(std::size_t states) {
    if (states < 1) throw std::invalid_argument("states must be at least 1");
}

py::object solve_classes(const Numbers& starts, const Numbers& tokens, const Numbers& values,
                         const Flags& mandatory, std::int64_t budget, std::size_t states,
                         double time_limit, double gap) {
    if (starts.ndim() != 1 || tokens.ndim() != 1 || values.ndim() != 1 || mandatory.ndim() != 1)
        throw std::invalid_argument("starts, tokens, values and mandatory must be one-dimensional");
    if (starts.size() != mandatory.size() + 1 || tokens.size() != values.size() ||
        starts.data()[starts.size() - 1] != tokens.size())
        throw std::invalid_argument(
            "starts must have one entry more than mandatory and end at len(tokens) == len(values)");
    require_states(states);
    const Classes classes{starts.data(), tokens.data(), values.data(), mandatory.data(),
                          static_cast<std::size_t>(mandatory.size())};
    Packing packing;
    {
        const py::gil_scoped_release release;
        StopToken stop = stop_on_signal(time_limit);
        packing = solve_knapsack(classes, budget, {states, gap}, stop);
    }
    return result("Packing")(to_array(std::move(packing.chosen)), packing.value,
                             packing.upper_bound, name_of(packing.status), packing.price);
}

std::vector<std::int64_t> column(const Numbers& array) {
    if (array.ndim() != 1) throw std::invalid_argument("the arrays must be one-dimensional");
    return {array.data(), array.data() + array.size()};
}

// No starts are no lists.
Lists lists(const Numbers& starts, const Numbers& members) {
    Lists out{column(starts), column(members)};
    if (out.starts.empty()) out.starts.push_back(0);
    return out;
}

// One number per item; no array is `missing` for each.
std::vector<std::int64_t> per_item(const std::optional<Numbers>& array, std::size_t items,
                                   std::int64_t missing) {
    return array ? column(*array) : std::vector<std::int64_t>(items, missing);
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
    problem.starts = column(starts);
    if (problem.starts.empty()) throw std::invalid_argument("starts must begin at 0");
    problem.tokens = column(tokens);
    problem.values = column(values);
    problem.section = per_item(section, problem.items(), -1);
    problem.pin = per_item(pin, problem.items(), Problem::kFree);
    problem.needs = column(needs);
    problem.groups = lists(group_starts, group_items);
    problem.together = lists(together_starts, together_items);
    problem.parent = column(section_parent);
    problem.minimum = column(section_min);
    problem.maximum = column(section_max);
    problem.header = column(section_header);
    problem.redundancy = column(redundancy);
    problem.concepts = column(concepts);
    problem.covers = lists(cover_starts, cover_concepts);
    problem.prefix = column(prefix);
    problem.bonus = column(bonus);
    Solution solution;
    {
        const py::gil_scoped_release release;
        StopToken stop = stop_on_signal(time_limit);
        solution = solve_packing(problem, {states, gap}, stop);
    }
    return result("Solution")(to_array(std::move(solution.chosen)), solution.value,
                              solution.upper_bound, name_of(solution.status), solution.found,
                              solution.price, to_array(std::move(solution.prices)));
}

}  // namespace

void bind_solver(py::module_& m) {
    bind_result(m, "Packing", "chosen value upper_bound status price");
    bind_result(m, "Solution", "chosen value upper_bound status found price section_prices");
    m.def(
        "solve_classes", &solve_classes, py::arg("starts"), py::arg("tokens"), py::arg("values"),
        py::arg("mandatory"), py::arg("budget"), py::kw_only(), py::arg("states") = 200000,
        py::arg("time_limit") = 0.0, py::arg("gap") = 0.0,
        "Choose at most one option of each class, exactly one of a mandatory one, for the most\n"
        "value within the budget.\n\n"
        "Options of class c are starts[c] .. starts[c+1]. In the result, chosen[c] is an index\n"
        "within the class or -1; no packing has a value above upper_bound; status is 'optimal',\n"
        "'gap' or 'infeasible'; price is the value of one more token. A time_limit of 0 seconds\n"
        "is none; gap is relative to the bound; states caps memory. Raises ValueError when starts\n"
        "descend, tokens are negative, the budget is not 0 to 2**31 or the largest values of the\n"
        "classes sum to more than 2**60.");
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
        "says whether it is a packing. Limits are those of solve_classes. Raises ValueError when\n"
        "an index is out of range or numbers are too large.");
}

}  // namespace ctxmem::bind
