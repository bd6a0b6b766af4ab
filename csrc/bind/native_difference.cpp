#include <mutex>

#include "bind/native.hpp"
#include "core/dedup/difference.hpp"

namespace ctxmem::bind {
namespace {

std::size_t bytes_of(const ReadText& a, const ReadText& b) {
    return a.text().size() + b.text().size();
}

// A text that was read, with the str whose bytes it is a view of.
struct OwnedText {
    explicit OwnedText(const py::str& text)
        : owner(text), read(run_stoppable(owner.views()[0].size(), [&](StopToken& stop) {
              return ReadText(owner.views()[0], stop);
          })) {}
    OwnedText(const OwnedText&) = delete;

    Texts owner;
    ReadText read;
};

// A rule keeps buffers, so threads take turns. The GIL is released before the lock is taken: its
// holder may need the GIL to look for signals.
class SharedRule {
public:
    explicit SharedRule(const py::str& query) : rule_(Texts(query).views()[0]) {}
    bool differ(const OwnedText& text, const OwnedText& other) {
        const py::gil_scoped_release release;
        const std::lock_guard hold(lock_);
        StopToken stop = stop_on_signal();
        return rule_.differ(text.read, other.read, stop);
    }

private:
    DifferenceRule rule_;
    std::mutex lock_;
};

py::list differences_of(const OwnedText& a, const OwnedText& b, bool wording) {
    const std::vector<Difference> found =
        run_stoppable(bytes_of(a.read, b.read),
                      [&](StopToken& stop) { return differences(a.read, b.read, wording, stop); });
    py::list out;
    for (const Difference& one : found)
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
    py::class_<SharedRule>(m, "DifferenceRule", "The rule of difference, with a query.")
        .def(py::init<const py::str&>(), py::arg("query") = "")
        .def("differ", &SharedRule::differ, py::arg("text"), py::arg("other"),
             "Return whether two texts say different things, or a text has mainly words of the "
             "query.");
}

}  // namespace ctxmem::bind
