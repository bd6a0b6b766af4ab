// What Python's json module has read, as the core takes it.
#pragma once
#include "bind/native.hpp"
#include "core/support/json.hpp"

namespace ctxmem::bind {

// Strings are views of the caller's, so the result is valid as long as `given` is, unchanged.
// Throws std::invalid_argument for what is not of a type that JSON has, Unsupported for what is
// nested more than 200 deep. Requires the GIL.
Json json_of(const py::handle& given);

}  // namespace ctxmem::bind
