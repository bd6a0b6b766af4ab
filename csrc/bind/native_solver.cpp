#include "bind/native.hpp"
#include "core/solver/knapsack.hpp"
#include "core/solver/packing.hpp"

namespace ctxmem::bind {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

const char* name_of(Status status) {
    switch (status) {
        case Status::kOptimal: return "optimal";
        case Status::kGap: return "gap";
        default: return "infeasible";
    }
}

py::tuple solve_classes(const Array<std::int64_t>& starts, const Array<std::int64_t>& tokens,
                        const Array<std::int64_t>& values, const Array<bool>& mandatory,
                        std::int64_t budget, std::size_t states, double time_limit, double gap) {
    if (starts.ndim() != 1 || tokens.ndim() != 1 || values.ndim() != 1 || mandatory.ndim() != 1)
        throw std::invalid_argument("starts, tokens, values and mandatory must be one-dimensional");
    if (starts.size() != mandatory.size() + 1 || tokens.size() != values.size() ||
        starts.data()[starts.size() - 1] != tokens.size())
        throw std::invalid_argument(
            "starts must have one entry more than mandatory and end at len(tokens) == len(values)");
    if (states < 1) throw std::invalid_argument("states must be at least 1");
    const Classes classes{starts.data(), tokens.data(), values.data(), mandatory.data(),
                          static_cast<std::size_t>(mandatory.size())};
    Packing packing;
    {
        const py::gil_scoped_release release;
        StopToken stop = stop_on_signal(time_limit);
        packing = solve_knapsack(classes, budget, {states, gap}, stop);
    }
    return py::make_tuple(to_array(std::move(packing.chosen)), packing.value, packing.upper_bound,
                          name_of(packing.status), packing.price);
}

// The named array of a problem, or an empty one.
std::vector<std::int64_t> column(const py::dict& problem, const char* name) {
    if (!problem.contains(name)) return {};
    const auto array = problem[name].cast<Array<std::int64_t>>();
    if (array.ndim() != 1)
        throw std::invalid_argument(std::string(name) + " must be one-dimensional");
    return {array.data(), array.data() + array.size()};
}

Lists lists(const py::dict& problem, const char* starts, const char* members) {
    if (!problem.contains(starts)) return {};
    return {column(problem, starts), column(problem, members)};
}

py::dict solve_packing(const py::dict& arrays, std::int64_t budget, std::int64_t separator,
                       std::size_t states, double time_limit, double gap) {
    if (states < 1) throw std::invalid_argument("states must be at least 1");
    Problem problem;
    problem.budget = budget;
    problem.separator = separator;
    problem.starts = column(arrays, "starts");
    if (problem.starts.empty()) throw std::invalid_argument("starts must begin at 0");
    problem.tokens = column(arrays, "tokens");
    problem.values = column(arrays, "values");
    problem.section = column(arrays, "section");
    problem.pin = column(arrays, "pin");
    if (!arrays.contains("section")) problem.section.assign(problem.items(), -1);
    if (!arrays.contains("pin")) problem.pin.assign(problem.items(), Problem::kFree);
    problem.needs = column(arrays, "needs");
    problem.groups = lists(arrays, "group_starts", "group_items");
    problem.together = lists(arrays, "together_starts", "together_items");
    problem.parent = column(arrays, "section_parent");
    problem.minimum = column(arrays, "section_min");
    problem.maximum = column(arrays, "section_max");
    problem.header = column(arrays, "section_header");
    problem.redundancy = column(arrays, "redundancy");
    problem.concepts = column(arrays, "concepts");
    problem.covers = lists(arrays, "cover_starts", "cover_concepts");
    problem.prefix = column(arrays, "prefix");
    problem.bonus = column(arrays, "bonus");
    Solution solution;
    {
        const py::gil_scoped_release release;
        StopToken stop = stop_on_signal(time_limit);
        solution = solve_packing(problem, {states, gap}, stop);
    }
    py::dict out;
    out["chosen"] = to_array(std::move(solution.chosen));
    out["value"] = solution.value;
    out["upper_bound"] = solution.upper_bound;
    out["status"] = name_of(solution.status);
    out["found"] = solution.found;
    out["price"] = solution.price;
    out["section_prices"] = to_array(std::move(solution.prices));
    return out;
}

}  // namespace

void bind_solver(py::module_& m) {
    m.def("solve_classes", &solve_classes, py::arg("starts"), py::arg("tokens"), py::arg("values"),
          py::arg("mandatory"), py::arg("budget"), py::kw_only(), py::arg("states") = 200000,
          py::arg("time_limit") = 0.0, py::arg("gap") = 0.0,
          "Choose at most one option of each class, exactly one of a mandatory one, for the most\n"
          "value within the budget.\n\n"
          "Options of class c are starts[c] .. starts[c+1]. Returns (chosen, value, upper_bound,\n"
          "status, price): chosen[c] is an index within the class or -1; no packing is worth\n"
          "more than upper_bound; status is 'optimal', 'gap' or 'infeasible'; price is the value\n"
          "of one more token. A time_limit of 0 seconds is none; gap is relative to the bound;\n"
          "states caps memory. Raises ValueError when tokens are negative, the budget passes\n"
          "2**31 or the largest values of the classes sum to more than 2**60.");
    m.def("solve_packing", &solve_packing, py::arg("problem"), py::arg("budget"),
          py::arg("separator") = 0, py::kw_only(), py::arg("states") = 200000,
          py::arg("time_limit") = 0.0, py::arg("gap") = 0.0,
          "Solve a packing problem given as flat int64 arrays.\n\n"
          "Required: starts (options of item i: starts[i] .. starts[i+1]), tokens, values (per\n"
          "option). Optional: section (per item, -1 = none), pin (per item: -2 free, -1 any\n"
          "option, or an option), needs (pairs), group_starts/group_items,\n"
          "together_starts/together_items, section_parent/_min/_max/_header, redundancy (item,\n"
          "item, penalty), concepts, cover_starts/cover_concepts (per option), prefix, bonus.\n"
          "Returns a dict: chosen (option per item or -1), value, upper_bound, status, found\n"
          "(whether there is a packing in chosen), price, section_prices. Limits are those of\n"
          "solve_classes. Raises ValueError when an index is out of range or numbers are too\n"
          "large.");
}

}  // namespace ctxmem::bind
