#include <span>

#include "bind/native.hpp"
#include "core/overlap.hpp"
#include "core/setjoin.hpp"

namespace ctxmem::bind {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <class T>
std::span<const T> view(const Array<T>& array) {
    if (array.ndim() != 1) throw std::invalid_argument("expected a one-dimensional array");
    return {array.data(), static_cast<std::size_t>(array.size())};
}

// A list of our own: the caller's may lose its strings to another thread while the GIL is off.
Texts hold(const py::list& texts) {
    return Texts(py::reinterpret_steal<py::list>(
        PyList_GetSlice(texts.ptr(), 0, static_cast<Py_ssize_t>(texts.size()))));
}

// Takes the GIL back for a moment, so that Ctrl-C ends the work.
Pulse signals() {
    return Pulse([] {
        const py::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    });
}

Likeness likeness(double threshold, int ngram, bool characters, bool containment) {
    return {threshold, ngram, characters ? Unit::character : Unit::word,
            containment ? Measure::containment : Measure::jaccard};
}

py::tuple pairs(const py::list& list, double threshold, int ngram, bool characters,
                bool containment) {
    const Texts texts = hold(list);
    Pairs found;
    {
        const py::gil_scoped_release release;
        Pulse pulse = signals();
        found = near_duplicate_pairs(
            texts.views(), likeness(threshold, ngram, characters, containment), pulse);
    }
    return py::make_tuple(to_array(std::move(found.left)), to_array(std::move(found.right)),
                          to_array(std::move(found.similarity)));
}

py::tuple stars(const py::list& list, const Array<double>& priority, double threshold, int ngram,
                bool characters, bool containment) {
    const Texts texts = hold(list);
    const auto priorities = view(priority);
    Stars found;
    {
        const py::gil_scoped_release release;
        Pulse pulse = signals();
        found = near_duplicate_stars(
            texts.views(), priorities, likeness(threshold, ngram, characters, containment), pulse);
    }
    return py::make_tuple(to_array(std::move(found.representative)),
                          to_array(std::move(found.similarity)));
}

py::tuple overlaps(const py::list& list, const Array<std::int32_t>& source,
                   std::int64_t min_chars) {
    const Texts texts = hold(list);
    const auto sources = view(source);
    Overlaps found;
    {
        const py::gil_scoped_release release;
        Pulse pulse = signals();
        found = text_overlaps(texts.views(), sources, min_chars, pulse);
    }
    return py::make_tuple(to_array(std::move(found.left)), to_array(std::move(found.right)),
                          to_array(std::move(found.offset)));
}

}  // namespace

void bind_dedup(py::module_& m) {
    m.def("near_duplicate_pairs", &pairs, py::arg("texts"), py::arg("threshold"), py::arg("ngram"),
          py::arg("characters") = false, py::arg("containment") = false,
          "Return (left, right, similarity) of every pair at the threshold or above, by left, then "
          "right. Texts of the same set are each paired with the first of them, and only that one "
          "is paired with others.");
    m.def("near_duplicate_stars", &stars, py::arg("texts"), py::arg("priority"),
          py::arg("threshold"), py::arg("ngram"), py::arg("characters") = false,
          py::arg("containment") = false,
          "Return (representative, similarity to it) of every text: by descending priority, ties by "
          "index, each text not taken yet takes every such text at the threshold or above.");
    m.def("text_overlaps", &overlaps, py::arg("texts"), py::arg("source"), py::arg("min_chars"),
          "Return (left, right, offset): `right` is a copy of `left`, stands inside it, or begins "
          "at that character of it and goes on after its end. One row at most for each right.");
}

}  // namespace ctxmem::bind
