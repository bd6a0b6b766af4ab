#include "bind/native.hpp"
#include "core/bm25.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<double> score_bm25(const Hashes& words, const Offsets& start, const Hashes& query_words,
                               const Offsets& query_start) {
    const WordView texts = word_view(words, start);
    const WordView queries = word_view(query_words, query_start);
    std::vector<double> scores;
    {
        py::gil_scoped_release unlocked;
        scores = bm25(texts, queries);
    }
    const auto rows = static_cast<py::ssize_t>(texts.size());
    const auto columns = static_cast<py::ssize_t>(queries.size());
    return to_array(std::move(scores)).reshape({rows, columns});
}

}  // namespace

void bind_value(py::module_& m) {
    m.def("bm25", &score_bm25, py::arg("words"), py::arg("start"), py::arg("query_words"),
          py::arg("query_start"),
          "Return BM25 of every text (rows) against every query (columns), both split into words.");
}

}  // namespace ctxmem::bind
