// What the bindings share: each part of the core is bound in a file of its own, so that they compile
// side by side, and strings cross as views of CPython's own UTF-8.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/secret.hpp"
#include "core/support/stop_token.hpp"
#include "core/text/corpus.hpp"

namespace ctxmem::bind {

namespace py = pybind11;

// Bytes of text that take some 10 to 100 us to read; for fewer, the GIL is kept.
inline constexpr std::size_t kReleaseFrom = 4096;

// What becomes of surrogates, which have no UTF-8. `repaired`: pairs are joined and lone ones
// become U+FFFD, as tokenisers do. `kept`: each is three bytes, so that characters count as
// Python counts them.
enum class Surrogates { repaired, kept };

// The UTF-8 of every str of a list, valid as long as the list is. A str with surrogates is copied,
// and `Texts` keeps the copy.
class Texts {
public:
    explicit Texts(const py::list& texts, Surrogates surrogates = Surrogates::repaired);
    explicit Texts(const py::str& text, Surrogates surrogates = Surrogates::repaired);
    const std::vector<std::string_view>& views() const { return views_; }
    std::size_t bytes() const;  // of all texts
    bool had_surrogates() const { return had_surrogates_; }

private:
    void add(PyObject* text);

    Surrogates surrogates_ = Surrogates::repaired;
    std::vector<std::string_view> views_;
    bool had_surrogates_ = false;
    std::vector<py::object> owners_;  // the list or str, and every copy
};

// The elements of an array, row by row, in a copy of our own: another thread may change or resize the
// caller's array while the GIL is off, after its numbers were checked. Another kind is converted.
constexpr int kAlwaysCopied = 0x0020;  // NPY_ARRAY_ENSURECOPY
template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast | kAlwaysCopied>;

// The merged texts of one pack, with the strings that their views look at.
class HeldCorpus {
public:
    explicit HeldCorpus(const py::list& texts)
        : given_(texts), held_(py::list(given_), Surrogates::kept), corpus_(held_.views()) {}
    const Corpus& corpus() const { return corpus_; }
    std::size_t bytes() const { return held_.bytes(); }
    void set_units(const Array<std::int64_t>& first, const Array<std::int64_t>& start,
                   const Array<std::int64_t>& end) {
        corpus_.set_units({first.data(), static_cast<std::size_t>(first.size())},
                          {start.data(), static_cast<std::size_t>(start.size())},
                          {end.data(), static_cast<std::size_t>(end.size())});
        units_ = py::make_tuple(first, start, end);
    }
    py::tuple state() const { return py::make_tuple(py::list(given_), units_); }

private:
    py::tuple given_;
    Texts held_;
    Corpus corpus_;
    py::tuple units_;  // as they were set
};

// The key of word hashes: of a seed, or else of this process.
inline WordKey key_of(std::optional<std::uint64_t> seed) {
    return seed ? word_key_of_seed(*seed) : process_key();
}

// A one-dimensional array that takes over the vector's memory.
template <class T>
py::array_t<T> to_array(std::vector<T>&& values) {
    auto* owned = new std::vector<T>(std::move(values));
    py::capsule owner(owned, [](void* p) { delete static_cast<std::vector<T>*>(p); });
    return py::array_t<T>(static_cast<py::ssize_t>(owned->size()), owned->data(), owner);
}

template <class T>
std::span<const T> view(const Array<T>& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
}

// Names as a tuple of str.
inline py::tuple names(std::span<const std::string_view> given) {
    py::tuple out(given.size());
    for (std::size_t i = 0; i < given.size(); ++i)
        out[i] = py::str(given[i].data(), given[i].size());
    return out;
}

// The elements of a one-dimensional array. Throws std::invalid_argument for one of another shape.
template <class T>
std::span<const T> column(const Array<T>& array) {
    if (array.ndim() != 1) throw std::invalid_argument("expected a one-dimensional array");
    return view(array);
}

// A token that cancels work which has released the GIL when Ctrl-C (or another signal whose handler
// raises) arrives; it throws the exception of the handler. A time limit of 0 seconds is none.
StopToken stop_on_signal(double time_limit = 0);

// The result of work(stop): without the GIL, and ended by Ctrl-C or after a time limit in seconds,
// where 0 is none.
template <class Work>
auto run_unlocked(Work&& work, double time_limit = 0) {
    const py::gil_scoped_release unlocked;
    StopToken stop = stop_on_signal(time_limit);
    return work(stop);
}

// The same if the texts are large; for small ones the GIL is kept.
template <class Work>
auto run_stoppable(std::size_t bytes, Work&& work) {
    if (bytes < kReleaseFrom) return work(StopToken::none());
    return run_unlocked(work);
}

void bind_words(py::module_& m);
void bind_outline(py::module_& m);
void bind_tokens(py::module_& m);
void bind_dedup(py::module_& m);
void bind_solver(py::module_& m);
void bind_value(py::module_& m);
void bind_selection(py::module_& m);
void bind_difference(py::module_& m);
void bind_recall(py::module_& m);
void bind_ledger(py::module_& m);

}  // namespace ctxmem::bind
