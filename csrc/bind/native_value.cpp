#include "bind/native.hpp"
#include "core/bm25.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<double> score_bm25(const py::list& texts, const py::list& queries) {
    const Texts text(texts);
    const Texts query(queries);
    std::vector<double> scores;
    {
        py::gil_scoped_release unlocked;
        scores = bm25(text.views(), query.views());
    }
    const auto rows = static_cast<py::ssize_t>(text.views().size());
    const auto columns = static_cast<py::ssize_t>(query.views().size());
    return to_array(std::move(scores)).reshape({rows, columns});
}

}  // namespace

void bind_value(py::module_& m) {
    m.def("bm25", &score_bm25, py::arg("texts"), py::arg("queries"),
          "Return BM25 of every text (rows) against every query (columns).");
}

}  // namespace ctxmem::bind
