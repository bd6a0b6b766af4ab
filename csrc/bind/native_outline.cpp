#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "bind/native.hpp"
#include "core/text/outline.hpp"

namespace ctxmem::bind {
namespace {

py::tuple outline(const HeldCorpus& held, const Array<std::uint8_t>& formats,
                  const Array<std::uint8_t>& named, std::size_t room,
                  const std::optional<std::size_t>& cut) {
    OutlinesOptions options;
    options.room = room;
    options.formats = view(formats);
    options.named = view(named);
    if (cut) options.cut = *cut;
    Outline out = run_stoppable(held.bytes(), [&](StopToken& stop) {
        return outline_texts(held.corpus().views(), options, stop);
    });
    return py::make_tuple(to_array(std::move(out.start)), to_array(std::move(out.end)),
                          to_array(std::move(out.kind)), to_array(std::move(out.flags)),
                          to_array(std::move(out.need)), to_array(std::move(out.also)),
                          to_array(std::move(out.block)), to_array(std::move(out.first)));
}

py::tuple set_units(HeldCorpus& held, const Array<std::int64_t>& first,
                    const Array<std::int64_t>& start, const Array<std::int64_t>& end) {
    held.set_units(first, start, end);
    const Corpus& corpus = held.corpus();
    std::vector<std::int64_t> bodies(2 * corpus.units());
    std::vector<std::uint8_t> broken(corpus.units());
    for (std::size_t u = 0; u < corpus.units(); ++u) {
        bodies[2 * u] = corpus.body(u).start;
        bodies[2 * u + 1] = corpus.body(u).stop;
        broken[u] = corpus.body(u).broken;
    }
    const auto rows = static_cast<py::ssize_t>(corpus.units());
    return py::make_tuple(to_array(std::move(bodies)).reshape({rows, py::ssize_t{2}}),
                          to_array(std::move(broken)));
}

}  // namespace

void bind_outline(py::module_& m) {
    m.attr("SPAN_KINDS") = names(kSpanKindNames);
    m.attr("SPAN_FLAGS") = names(kSpanFlagNames);
    py::class_<HeldCorpus>(m, "Corpus", "The merged texts of one pack, decoded once.")
        .def(py::init<const py::list&>(), py::arg("texts"))
        .def("__len__", [](const HeldCorpus& held) { return held.corpus().texts(); })
        .def("set_units", &set_units, py::arg("first"), py::arg("start"), py::arg("end"),
             "Set the units: those of text t are rows first[t] .. first[t + 1]. Return the start\n"
             "and end of each without the white space around it, and whether a line break follows.")
        .def(py::pickle([](const HeldCorpus& held) { return held.state(); },
                        [](const py::tuple& state) {
                            auto made = std::make_unique<HeldCorpus>(state[0].cast<py::list>());
                            const auto units = state[1].cast<py::tuple>();
                            using Column = Array<std::int64_t>;
                            if (!units.empty())
                                made->set_units(units[0].cast<Column>(), units[1].cast<Column>(),
                                                units[2].cast<Column>());
                            return made;
                        }));
    m.def(
        "outline", &outline, py::arg("corpus"), py::arg("formats") = Array<std::uint8_t>(0),
        py::arg("named") = Array<std::uint8_t>(0), py::arg("room") = std::size_t{1600},
        py::arg("cut") = std::optional<std::size_t>{},
        "Return start, end, kind, flags, need, also and block of every unit of every text, and\n"
        "where each text's begin.\n\n"
        "Offsets are characters; the units of a text cover it; kinds are indices of SPAN_KINDS;\n"
        "need, also and block are rows of the whole, -1 for none. Only the first `cut` texts are\n"
        "cut; each of the others is one unit of prose.");
}

}  // namespace ctxmem::bind
