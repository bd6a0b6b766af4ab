#include <pybind11/stl.h>

#include <mutex>

#include "bind/native.hpp"
#include "core/recall/session_index.hpp"
#include "core/support/secret.hpp"

namespace ctxmem::bind {
namespace {

// The index behind a lock, since an interpreter without the GIL may call it from several threads.
class LockedIndex {
public:
    LockedIndex() : index_(random_seed()) {}

    std::size_t add(std::uint32_t message, const std::string& role, const py::str& text,
                    double time, const std::vector<std::int64_t>& edges) {
        const Texts texts(py::list(py::make_tuple(text)), Surrogates::kept);
        const std::lock_guard lock(mutex_);
        return index_.add(message, speaker_of(role), texts.views()[0], time, edges);
    }
    bool remove(std::uint32_t message) {
        const std::lock_guard lock(mutex_);
        return index_.remove(message);
    }
    py::tuple search(const py::str& question, std::size_t limit,
                     const std::array<float, kSpeakers>& weights, float answer, float near,
                     float asked, double since, double until, const py::str& faint) {
        const Texts texts(py::list(py::make_tuple(question, faint)), Surrogates::kept);
        Found found;
        {
            const std::lock_guard lock(mutex_);
            found = index_.search(texts.views()[0], limit,
                                  {weights, answer, near, asked, since, until, texts.views()[1]});
        }
        return py::make_tuple(to_array(std::move(found.message)), to_array(std::move(found.score)),
                              to_array(std::move(found.first)), to_array(std::move(found.start)),
                              to_array(std::move(found.end)),
                              to_array(std::move(found.passage_score)),
                              to_array(std::move(found.speaker)));
    }
    std::vector<std::size_t> frequencies(const py::list& words) {
        const Texts texts(words, Surrogates::kept);
        std::vector<std::size_t> out;
        const std::lock_guard lock(mutex_);
        for (const std::string_view word : texts.views()) out.push_back(index_.frequency(word));
        return out;
    }
    py::bytes segment(std::uint32_t first, std::uint32_t last) {
        const std::lock_guard lock(mutex_);
        return py::bytes(index_.segment(first, last));
    }
    std::size_t load(const py::bytes& bytes) {
        const std::lock_guard lock(mutex_);
        return index_.load(std::string_view(bytes));
    }
    py::tuple messages() {
        const std::lock_guard lock(mutex_);
        MessageColumns live = index_.messages();
        return py::make_tuple(to_array(std::move(live.number)), to_array(std::move(live.speaker)),
                              to_array(std::move(live.time)));
    }
    py::tuple passages() {
        const std::lock_guard lock(mutex_);
        PassageColumns live = index_.passages();
        return py::make_tuple(to_array(std::move(live.message)), to_array(std::move(live.start)),
                              to_array(std::move(live.end)));
    }
    std::size_t size() {
        const std::lock_guard lock(mutex_);
        return index_.size();
    }
    std::size_t memory() {
        const std::lock_guard lock(mutex_);
        return index_.memory();
    }

private:
    std::mutex mutex_;
    SessionIndex index_;
};

}  // namespace

void bind_recall(py::module_& m) {
    const SearchOptions usual;
    py::class_<LockedIndex>(m, "SessionIndex", "Find the messages and passages of a session.")
        .def(py::init<>())
        .def("__len__", &LockedIndex::size)
        .def("add", &LockedIndex::add, py::arg("message"), py::arg("role"), py::arg("text"),
             py::arg("time") = std::numeric_limits<double>::quiet_NaN(),
             py::arg("edges") = std::vector<std::int64_t>{},
             "Add a message with a greater number than those before; return its passages' count.")
        .def("remove", &LockedIndex::remove, py::arg("message"),
             "Forget a message; return whether it was there.")
        .def("search", &LockedIndex::search, py::arg("question"), py::arg("limit"),
             py::arg("weights") = usual.weight, py::arg("answer") = usual.answer,
             py::arg("near") = usual.near, py::arg("asked") = usual.asked,
             py::arg("since") = usual.since, py::arg("until") = usual.until, py::arg("faint") = "",
             "Return messages, scores, first passages, their starts, ends and scores, and the "
             "messages' speakers, best first.")
        .def("frequencies", &LockedIndex::frequencies, py::arg("words"),
             "Return how many messages have each word.")
        .def("segment", &LockedIndex::segment, py::arg("first"), py::arg("last"),
             "Return the messages with these numbers as bytes that `load` reads.")
        .def("load", &LockedIndex::load, py::arg("data"),
             "Append the messages of a segment and return how many there are.")
        .def("messages", &LockedIndex::messages, "Return numbers, speakers and times, in order.")
        .def("passages", &LockedIndex::passages, "Return messages, starts and ends, in order.")
        .def_property_readonly("memory", &LockedIndex::memory, "Bytes that it takes.");
}

}  // namespace ctxmem::bind
