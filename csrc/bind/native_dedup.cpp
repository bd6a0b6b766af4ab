#include "bind/native.hpp"

namespace ctxmem::bind {

void bind_dedup(py::module_& m) {
    (void)m;
}

}  // namespace ctxmem::bind
