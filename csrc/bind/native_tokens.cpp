#include "bind/native.hpp"

namespace ctxmem::bind {

void bind_tokens(py::module_& m) {
    (void)m;
}

}  // namespace ctxmem::bind
