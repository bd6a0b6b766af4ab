#include "bind/native.hpp"
#include "core/bm25.hpp"
#include "core/span_fill.hpp"

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

py::tuple fill(const py::list& stretches, const Array<std::int64_t>& first,
               const Array<std::int64_t>& start, const Array<std::int64_t>& end,
               const Array<std::uint8_t>& kind, const Array<std::int64_t>& tokens, const Array<std::int64_t>& overhead,
               const Array<double>& worth, const Array<std::uint8_t>& demand, std::int64_t limit,
               double enough, double alike, bool careful) {
    const Texts texts(stretches, Surrogates::kept);
    FillInput input;
    input.stretches = texts.views();
    input.first = view(first);
    input.start = view(start);
    input.end = view(end);
    input.kind = view(kind);
    input.tokens = view(tokens);
    input.overhead = view(overhead);
    input.worth = view(worth);
    input.demand = view(demand);
    input.limit = limit;
    input.enough = enough;
    input.alike = alike;
    input.careful = careful;
    Fill out;
    {
        py::gil_scoped_release unlocked;
        out = fill_spans(input);
    }
    return py::make_tuple(to_array(std::move(out.kept)), to_array(std::move(out.stands_for_it)),
                          out.pins_fit, out.spent, out.value, out.bound, out.price, out.left);
}

}  // namespace

void bind_value(py::module_& m) {
    m.def("bm25", &score_bm25, py::arg("texts"), py::arg("queries"),
          "Return BM25 of every text (rows) against every query (columns).");
    m.def("fill_spans", &fill, py::arg("stretches"), py::arg("first"), py::arg("start"),
          py::arg("end"), py::arg("kind"), py::arg("tokens"), py::arg("overhead"), py::arg("worth"),
          py::arg("demand"), py::arg("limit"), py::kw_only(), py::arg("enough") = 1.0,
          py::arg("alike") = 0.4, py::arg("careful") = true,
          "Return what a window keeps of spans: kept, stands_for_it, pins_fit, spent, value, bound,\n"
          "price of a token and the share of worth left out.");
    m.def("differ_tellingly",
          [](const py::str& a, const py::str& b) {
              return differ_tellingly(Texts(a).views()[0], Texts(b).views()[0]);
          },
          py::arg("a"), py::arg("b"),
          "Return whether two versions differ in numbers, or mainly in number words and negations.");
    m.attr("TELLING_WORDS") = names(telling_words());
}

}  // namespace ctxmem::bind
