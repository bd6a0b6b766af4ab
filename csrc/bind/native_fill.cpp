#include "bind/native.hpp"
#include "core/dedup/query_words.hpp"

namespace ctxmem::bind {
void bind_fill(py::module_& m) {
    py::class_<AskedWords>(m, "AskedWords", "The words of a query, function words aside.")
        .def(py::init([](const py::str& query) { return AskedWords(Texts(query).views()[0]); }),
             py::arg("query"))
        .def(
            "set_apart",
            [](AskedWords& words, const py::str& text, const py::str& other) {
                return words.set_apart(Texts(text).views()[0], Texts(other).views()[0]);
            },
            py::arg("text"), py::arg("other"),
            "Return whether a text has, beyond the other, mainly words of the query.");
}

}  // namespace ctxmem::bind
