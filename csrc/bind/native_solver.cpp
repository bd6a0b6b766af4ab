#include "bind/native.hpp"
#include "core/knapsack.hpp"

namespace ctxmem::bind {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

// Ctrl-C during a solve that has released the GIL: Python's handler has run and its exception is
// pending when this says true.
bool interrupted() {
    const py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
}

const char* name_of(Proof proof) {
    switch (proof) {
        case Proof::kOptimal: return "optimal";
        case Proof::kGap: return "gap";
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
        Watch watch(time_limit, interrupted);
        packing = solve_knapsack(classes, budget, {states, gap}, watch);
    }
    if (PyErr_Occurred()) throw py::error_already_set();
    return py::make_tuple(to_array(std::move(packing.chosen)), packing.value, packing.upper_bound,
                          name_of(packing.proof), packing.price);
}

}  // namespace

void bind_solver(py::module_& m) {
    m.def("solve_classes", &solve_classes, py::arg("starts"), py::arg("tokens"), py::arg("values"),
          py::arg("mandatory"), py::arg("budget"), py::kw_only(), py::arg("states") = 200000,
          py::arg("time_limit") = 0.0, py::arg("gap") = 0.0,
          "Choose at most one option of each class, exactly one of a mandatory one, for the most\n"
          "value within the budget.\n\n"
          "Options of class c are starts[c] .. starts[c+1]. Returns (chosen, value, upper_bound,\n"
          "status, price): chosen[c] is an index within the class or -1; no packing is worth more\n"
          "than upper_bound; status is 'optimal', 'gap' or 'infeasible'; price is the value of one\n"
          "more token. A time_limit of 0 seconds is none; gap is relative to the bound; states caps\n"
          "memory. Raises ValueError when tokens are negative, the budget passes 2**31 or the\n"
          "largest values of the classes sum to more than 2**60.");
}

}  // namespace ctxmem::bind
