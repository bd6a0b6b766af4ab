#include "bind/native.hpp"
#include "core/dedup/query_words.hpp"
#include "core/solver/span_fill.hpp"

namespace ctxmem::bind {
namespace {

py::tuple fill(const py::list& merged_texts, const Array<std::int64_t>& first,
               const Array<std::int64_t>& start, const Array<std::int64_t>& end,
               const Array<std::uint8_t>& kind, const Array<std::uint8_t>& flags,
               const Array<std::int32_t>& need, const Array<std::int32_t>& also,
               const Array<std::int64_t>& tokens, const Array<std::int32_t>& document,
               const Array<std::int64_t>& overhead, std::int64_t again, const Array<double>& worth,
               const Array<std::uint8_t>& demand, std::int64_t limit, double least, double alike,
               bool careful, const py::str& query) {
    const Texts texts(merged_texts, Surrogates::kept);
    FillInput input;
    input.merged_texts = texts.views();
    input.first = view(first);
    input.start = view(start);
    input.end = view(end);
    input.kind = view(kind);
    input.flags = view(flags);
    input.need = view(need);
    input.also = view(also);
    input.tokens = view(tokens);
    input.document = view(document);
    input.overhead = view(overhead);
    input.again = again;
    input.worth = view(worth);
    input.demand = view(demand);
    input.limit = limit;
    input.least = least;
    input.alike = alike;
    input.careful = careful;
    const Texts asked(query);
    input.query = asked.views()[0];
    Fill out;
    {
        py::gil_scoped_release unlocked;
        out = fill_spans(input);
    }
    return py::make_tuple(to_array(std::move(out.kept)), to_array(std::move(out.duplicate_of)),
                          out.pins_fit, out.spent, out.value, out.bound, out.price, out.left);
}

}  // namespace

void bind_fill(py::module_& m) {
    m.def(
        "fill_spans", &fill, py::arg("merged_texts"), py::arg("first"), py::arg("start"),
        py::arg("end"), py::arg("kind"), py::arg("flags"), py::arg("need"), py::arg("also"),
        py::arg("tokens"), py::arg("document"), py::arg("overhead"), py::arg("again"),
        py::arg("worth"), py::arg("demand"), py::arg("limit"), py::kw_only(),
        py::arg("least") = 0.0, py::arg("alike") = 0.4, py::arg("careful") = true,
        py::arg("query") = "",
        "Return what a window keeps of spans: kept, duplicate_of, pins_fit, spent, value, bound,\n"
        "price of a token and the share of worth left out.");
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
