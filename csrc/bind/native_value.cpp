#include "bind/native.hpp"
#include "core/bm25.hpp"
#include "core/span_features.hpp"
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

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <class T>
std::span<const T> view(const Array<T>& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
}

// The features and what they look at, held together.
class Features {
public:
    Features(const py::list& stretches, Array<std::int64_t> first, Array<std::int64_t> start,
             Array<std::int64_t> end, Array<std::uint8_t> kind, Array<std::int32_t> document,
             Array<std::int64_t> place, Array<std::int32_t> chunk_first,
             Array<std::int32_t> chunk_last, Array<double> evidence, const py::list& queries,
             Array<float> vectors, Array<float> query_vectors)
        : held_(py::make_tuple(first, start, end, kind, document, place, chunk_first, chunk_last,
                               evidence, vectors, query_vectors)),
          stretches_(stretches, Surrogates::kept), queries_(queries), features_([&] {
              SpanInput input;
              input.stretches = stretches_.views();
              input.first = view(first);
              input.start = view(start);
              input.end = view(end);
              input.kind = view(kind);
              input.document = view(document);
              input.place = view(place);
              input.chunk_first = view(chunk_first);
              input.chunk_last = view(chunk_last);
              input.evidence = view(evidence);
              input.queries = queries_.views();
              input.vectors = view(vectors);
              input.query_vectors = view(query_vectors);
              input.width = vectors.ndim() == 2 ? static_cast<std::size_t>(vectors.shape(1)) : 0;
              py::gil_scoped_release unlocked;
              return SpanFeatures(input);
          }()) {}

    py::array_t<float> draft() const {
        return rows(std::vector<float>(features_.draft()), SpanFeatures::draft_names().size());
    }
    py::array_t<float> finals(const Array<float>& worth) const {
        return rows(features_.finals(view(worth)), SpanFeatures::final_names().size());
    }

private:
    py::array_t<float> rows(std::vector<float>&& values, std::size_t width) const {
        return to_array(std::move(values))
            .reshape({static_cast<py::ssize_t>(features_.spans()), static_cast<py::ssize_t>(width)});
    }

    py::object held_;
    Texts stretches_;
    Texts queries_;
    SpanFeatures features_;
};

py::tuple fill(const py::list& stretches, const Array<std::int64_t>& first,
               const Array<std::int64_t>& start, const Array<std::int64_t>& end,
               const Array<std::uint8_t>& kind, const Array<std::int64_t>& tokens,
               const Array<std::int32_t>& document, const Array<std::int64_t>& overhead,
               std::int64_t again,
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
    input.document = view(document);
    input.overhead = view(overhead);
    input.again = again;
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

py::tuple names(std::span<const std::string_view> given) {
    py::tuple out(given.size());
    for (std::size_t i = 0; i < given.size(); ++i) out[i] = py::str(given[i].data(), given[i].size());
    return out;
}

}  // namespace

void bind_value(py::module_& m) {
    m.def("bm25", &score_bm25, py::arg("texts"), py::arg("queries"),
          "Return BM25 of every text (rows) against every query (columns).");
    py::class_<Features>(m, "SpanFeatures", "Numbers that speak for spans, a row each.")
        .def(py::init<const py::list&, Array<std::int64_t>, Array<std::int64_t>, Array<std::int64_t>,
                      Array<std::uint8_t>, Array<std::int32_t>, Array<std::int64_t>,
                      Array<std::int32_t>, Array<std::int32_t>, Array<double>, const py::list&,
                      Array<float>, Array<float>>(),
             py::arg("stretches"), py::arg("first"), py::arg("start"), py::arg("end"),
             py::arg("kind"), py::arg("document"), py::arg("place"), py::arg("chunk_first"),
             py::arg("chunk_last"), py::arg("evidence"), py::arg("queries"), py::arg("vectors"),
             py::arg("query_vectors"))
        .def("draft", &Features::draft, "Return spans x DRAFT_FEATURES.")
        .def("finals", &Features::finals, py::arg("worth"),
             "Return spans x FINAL_FEATURES, given a drafted worth for each span.");
    m.def("fill_spans", &fill, py::arg("stretches"), py::arg("first"), py::arg("start"),
          py::arg("end"), py::arg("kind"), py::arg("tokens"), py::arg("document"), py::arg("overhead"), py::arg("again"), py::arg("worth"),
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
    m.attr("DRAFT_FEATURES") = names(SpanFeatures::draft_names());
    m.attr("FINAL_FEATURES") = names(SpanFeatures::final_names());
}

}  // namespace ctxmem::bind
