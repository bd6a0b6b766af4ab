#include <optional>

#include "bind/native.hpp"
#include "core/spans.hpp"

namespace ctxmem::bind {
namespace {

// Bytes that take about 10 us and 50 ms: below the first the GIL is kept, Ctrl-C is looked for
// between texts after the second.
constexpr std::size_t kWorthRelease = 4096;
constexpr std::size_t kBetweenSignals = 16u << 20;

py::tuple split_spans(const py::list& texts) {
    const Texts held(texts, Surrogates::kept);
    const std::vector<std::string_view>& views = held.views();
    Spans spans;
    for (std::size_t i = 0; i < views.size();) {
        std::size_t stop = i;
        std::size_t bytes = 0;
        while (stop < views.size() && bytes < kBetweenSignals) bytes += views[stop++].size();
        {
            std::optional<py::gil_scoped_release> unlocked;
            if (bytes >= kWorthRelease) unlocked.emplace();
            for (; i < stop; ++i) append_spans(views[i], spans);
        }
        if (i < views.size() && PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
    return py::make_tuple(to_array(std::move(spans.start)), to_array(std::move(spans.end)),
                          to_array(std::move(spans.kind)), to_array(std::move(spans.first)));
}

}  // namespace

void bind_spans(py::module_& m) {
    m.attr("SPAN_KINDS") = py::make_tuple("other", "prose", "heading", "list_item", "table_row",
                                          "code", "json");
    m.def("split_spans", &split_spans, py::arg("texts"),
          "Return start, end and kind of every span of every text, and where each text's begin.\n\n"
          "Offsets are characters; the spans of a text cover it; kinds are indices of SPAN_KINDS.");
}

}  // namespace ctxmem::bind
