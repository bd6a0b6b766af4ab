#include <pybind11/stl.h>

#include <optional>

#include "bind/native.hpp"
#include "core/text/words.hpp"
#include "kernels/kernels.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<std::uint64_t> shingles(const py::str& text, int n, std::optional<std::uint64_t> seed) {
    if (n < 1) throw std::invalid_argument("n must be at least 1");
    const Texts texts(text);
    std::vector<std::uint64_t> words;
    split_words(texts.views()[0], words, key_of(seed));
    if (words.size() < static_cast<std::size_t>(n)) return py::array_t<std::uint64_t>(0);
    std::vector<std::uint64_t> out(words.size() - static_cast<std::size_t>(n) + 1);
    kernels().shingle(words.data(), words.size(), n, out.data());
    return to_array(std::move(out));
}

}  // namespace

void bind_words(py::module_& m) {
    m.def("shingles", &shingles, py::arg("text"), py::arg("n"), py::arg("seed") = py::none(),
          "Return the hash of every window of n words, in text order; none if there are fewer.\n\n"
          "Hashes of one seed are equal in every process; without a seed they are keyed at random\n"
          "in each process.");
}

}  // namespace ctxmem::bind
