#include <pybind11/stl.h>

#include <optional>

#include "bind/native.hpp"
#include "core/dedup/shingles.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<std::uint64_t> shingles(const py::str& text, int n, std::optional<std::uint64_t> seed) {
    return to_array(word_shingles(Texts(text).views()[0], n, key_of(seed)));
}

}  // namespace

void bind_words(py::module_& m) {
    m.def("shingles", &shingles, py::arg("text"), py::arg("n"), py::arg("seed") = py::none(),
          "Return the hash of every window of n words, in text order; none if there are fewer.\n\n"
          "Hashes of one seed are equal in every process; without a seed they are keyed at random\n"
          "in each process.");
}

}  // namespace ctxmem::bind
