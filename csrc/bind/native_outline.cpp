#include <optional>

#include "bind/native.hpp"
#include "core/text/outline.hpp"

namespace ctxmem::bind {
namespace {

constexpr std::size_t kWorthRelease = 4096;  // bytes that take about 10 us; below, the GIL is kept

py::tuple outline(const py::list& texts, const Array<std::uint8_t>& formats,
                  const Array<std::uint8_t>& named, std::size_t room) {
    const Texts held(texts, Surrogates::kept);
    const std::vector<std::string_view>& views = held.views();
    const std::span<const std::uint8_t> told = view(formats);
    const std::span<const std::uint8_t> with_names = view(named);
    for (const auto& column : {told, with_names})
        if (!column.empty() && column.size() != views.size())
            throw std::invalid_argument("outline: expected a format and a flag a text, or none");
    std::size_t bytes = 0;
    for (const std::string_view text : views) bytes += text.size();
    Outline out;
    {
        std::optional<py::gil_scoped_release> unlocked;
        if (bytes >= kWorthRelease) unlocked.emplace();
        StopToken stop = unlocked ? stop_on_signal() : StopToken();
        for (std::size_t i = 0; i < views.size(); ++i)
            append_outline(views[i],
                           {room, told.empty() ? Format::unknown : static_cast<Format>(told[i]),
                            !with_names.empty() && with_names[i] != 0},
                           out, stop);
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
