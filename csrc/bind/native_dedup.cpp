#include "bind/native.hpp"
#include "core/stars.hpp"

namespace ctxmem::bind {
namespace {

py::tuple stars(const Hashes& words, const Offsets& start,
                const py::array_t<std::int32_t, py::array::c_style>& order, double threshold, int n) {
    const WordView texts = word_view(words, start);
    const std::span<const std::int32_t> best(order.data(), static_cast<std::size_t>(order.size()));
    Stars found;
    {
        py::gil_scoped_release unlocked;
        found = near_duplicate_stars(texts, best, threshold, n);
    }
    return py::make_tuple(to_array(std::move(found.representative)),
                          to_array(std::move(found.similarity)));
}

}  // namespace

void bind_dedup(py::module_& m) {
    m.def("near_duplicate_stars", &stars, py::arg("words"), py::arg("start"), py::arg("order"),
          py::arg("threshold"), py::arg("n") = 3,
          "Return each text's representative and its Jaccard similarity to it, over word n-grams;\n"
          "texts are taken in the given order, and an earlier one represents later ones.");
}

}  // namespace ctxmem::bind
