#include "bind/native.hpp"

namespace ctxmem::bind {

void bind_solver(py::module_& m) {
    (void)m;
}

}  // namespace ctxmem::bind
