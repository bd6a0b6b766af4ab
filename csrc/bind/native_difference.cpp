#include "bind/native.hpp"
#include "core/dedup/difference.hpp"

namespace ctxmem::bind {
namespace {

// A text that was read, with the str whose bytes it is a view of.
struct OwnedText {
    explicit OwnedText(const py::str& text) : owner(text), read(owner.views()[0]) {}
    OwnedText(const OwnedText&) = delete;

    Texts owner;
    ReadText read;
};

py::list differences_of(const OwnedText& a, const OwnedText& b, bool wording) {
    py::list out;
    for (const Difference& one : differences(a.read, b.read, wording))
        out.append(
            py::make_tuple(py::str(one.a.data(), one.a.size()), py::str(one.b.data(), one.b.size()),
                           py::str(kDifferenceKinds[static_cast<std::size_t>(one.kind)].data())));
    return out;
}

}  // namespace

void bind_difference(py::module_& m) {
    py::class_<OwnedText>(m, "ReadText", "A text read once, to be compared with many.")
        .def(py::init<const py::str&>(), py::arg("text"))
        .def("differences", &differences_of, py::arg("other"), py::arg("wording") = false,
             "Return (a, b, kind) of what differs, in text order; `wording`: also of other words.");
    py::class_<DifferenceRule>(m, "DifferenceRule", "The rule of difference, with a query.")
        .def(py::init([](const py::str& query) { return DifferenceRule(Texts(query).views()[0]); }),
             py::arg("query") = "")
        .def(
            "differ",
            [](DifferenceRule& rule, const OwnedText& text, const OwnedText& other) {
                return rule.differ(text.read, other.read);
            },
            py::arg("text"), py::arg("other"),
            "Return whether two texts say different things, or a text has mainly words of the "
            "query.");
    py::tuple kinds(kDifferenceKinds.size());
    for (std::size_t i = 0; i < kDifferenceKinds.size(); ++i)
        kinds[i] = py::str(kDifferenceKinds[i].data());
    m.attr("DIFFERENCE_KINDS") = kinds;
}

}  // namespace ctxmem::bind
