#include "bind/native.hpp"

#include <string>

#include "core/tokenizer/stages.hpp"
#include "kernels/kernels.hpp"

// No module of ours declares that it needs no GIL: no free-threaded build has run the tests.
PYBIND11_MODULE(_native, m) {
    if (const char* missing = ctxmem::missing_instructions())
        throw pybind11::import_error(
            std::string("ctxmem is compiled for x86-64-v2, as processors since 2009 are; this one, "
                        "or the machine that emulates it, lacks ") +
            missing +
            ". Build it for older ones: CTXMEM_BUILD_BASE=x86-64 pip install --no-binary ctxmem "
            "ctxmem");
    m.doc() = "The native core of ctxmem: lists of str and arrays in, arrays out.";
    m.attr("__version__") = CTXMEM_VERSION;
    m.def("cpu_level", &ctxmem::cpu_level, "Return the CPU level in use: 'base', 'v3' or 'v4'.");
    pybind11::register_exception<ctxmem::Unsupported>(m, "Unsupported", PyExc_ValueError).doc() =
        "What a tokenizer file asks for and the native core does not do.";
    ctxmem::bind::bind_words(m);
    ctxmem::bind::bind_outline(m);
    ctxmem::bind::bind_tokens(m);
    ctxmem::bind::bind_dedup(m);
    ctxmem::bind::bind_solver(m);
    ctxmem::bind::bind_value(m);
    ctxmem::bind::bind_selection(m);
    ctxmem::bind::bind_difference(m);
    ctxmem::bind::bind_recall(m);
    ctxmem::bind::bind_ledger(m);
}
