// The parts of `ctxmem._testing`.
#pragma once
#include "bind/native.hpp"

namespace ctxmem::bind {

void bind_stages(py::module_& m);

}  // namespace ctxmem::bind
