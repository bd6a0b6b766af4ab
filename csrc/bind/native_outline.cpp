#include <optional>

#include "bind/native.hpp"
#include "core/text/outline.hpp"

namespace ctxmem::bind {
namespace {

// Bytes that take about 10 us and 50 ms: below the first the GIL is kept, Ctrl-C is looked for
// between texts after the second.
constexpr std::size_t kWorthRelease = 4096;
constexpr std::size_t kBetweenSignals = 16u << 20;

py::tuple outline(const py::list& texts, const Array<std::uint8_t>& formats,
                  const Array<std::uint8_t>& named, std::size_t room) {
    const Texts held(texts, Surrogates::kept);
    const std::vector<std::string_view>& views = held.views();
    const std::span<const std::uint8_t> told = view(formats);
    const std::span<const std::uint8_t> with_names = view(named);
    for (const auto& column : {told, with_names})
        if (!column.empty() && column.size() != views.size())
            throw std::invalid_argument("outline: expected a format and a flag a text, or none");
    Outline out;
    for (std::size_t i = 0; i < views.size();) {
        std::size_t stop = i;
        std::size_t bytes = 0;
        while (stop < views.size() && bytes < kBetweenSignals) bytes += views[stop++].size();
        {
            std::optional<py::gil_scoped_release> unlocked;
            if (bytes >= kWorthRelease) unlocked.emplace();
            for (; i < stop; ++i)
                append_outline(views[i],
                               {room, told.empty() ? Format::unknown : static_cast<Format>(told[i]),
                                !with_names.empty() && with_names[i] != 0},
                               out);
        }
        if (i < views.size() && PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
    return py::make_tuple(to_array(std::move(out.start)), to_array(std::move(out.end)),
                          to_array(std::move(out.kind)), to_array(std::move(out.flags)),
                          to_array(std::move(out.need)), to_array(std::move(out.also)),
                          to_array(std::move(out.block)), to_array(std::move(out.first)));
}

}  // namespace

void bind_outline(py::module_& m) {
    m.attr("SPAN_KINDS") =
        py::make_tuple("other", "prose", "heading", "list_item", "table_row", "code", "record",
                       "name", "header", "fence", "turn", "source", "lent");
    m.attr("SPAN_FLAGS") = py::make_tuple("label", "lead_in", "hidden", "filler", "headless",
                                          "unopened", "unclosed", "part");
    m.def("outline", &outline, py::arg("texts"), py::arg("formats") = Array<std::uint8_t>(0),
          py::arg("named") = Array<std::uint8_t>(0), py::arg("room") = std::size_t{1600},
          "Return start, end, kind, flags, need, also and block of every unit of every text, and\n"
          "where each text's begin.\n\n"
          "Offsets are characters; the units of a text cover it; kinds are indices of SPAN_KINDS;\n"
          "need, also and block are rows of the whole, -1 for none.");
}

}  // namespace ctxmem::bind
