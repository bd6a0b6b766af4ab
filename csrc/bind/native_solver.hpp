// What the bindings of the solvers share.
#pragma once
#include "bind/native.hpp"
#include "core/solver/knapsack.hpp"

namespace ctxmem::bind {

// Arrays of other types are refused rather than converted.
using Numbers = py::array_t<std::int64_t, py::array::c_style>;
using Flags = py::array_t<bool, py::array::c_style>;

inline const char* name_of(Status status) {
    switch (status) {
        case Status::kOptimal: return "optimal";
        case Status::kGap: return "gap";
        default: return "infeasible";
    }
}

// A named tuple of a module, so that a caller may read a result by name or unpack it.
inline py::object result(const char* module, const char* name) {
    return py::module_::import(module).attr(name);
}

inline void bind_result(py::module_& m, const char* name, const char* fields) {
    using namespace py::literals;
    m.attr(name) = py::module_::import("collections")
                       .attr("namedtuple")(name, fields, "module"_a = m.attr("__name__"));
}

inline void require_states(std::size_t states) {
    if (states < 1) throw std::invalid_argument("states must be at least 1");
}

}  // namespace ctxmem::bind
