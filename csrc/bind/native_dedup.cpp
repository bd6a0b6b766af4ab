#include <pybind11/stl.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

#include "bind/native.hpp"
#include "bind/similarity.hpp"
#include "core/dedup/lsh_index.hpp"
#include "core/dedup/minhash.hpp"
#include "core/dedup/overlap.hpp"
#include "core/dedup/setjoin.hpp"
#include "core/dedup/shared_shingles.hpp"

namespace ctxmem::bind {
namespace {

void warn(const char* message) {
    const auto category = py::module_::import("ctxmem.errors").attr("CtxmemWarning");
    if (PyErr_WarnEx(category.ptr(), message, 1) != 0) throw py::error_already_set();
}

py::tuple columns_of(Groups&& found) {
    return py::make_tuple(to_array(std::move(found.representative)),
                          to_array(std::move(found.similarity)));
}

py::tuple groups(const py::list& list, const Array<double>& priority, double threshold, int ngram,
                 bool characters, bool containment, std::size_t threads, const py::bytes& key) {
    const Texts texts(list);
    const auto priorities = column(priority);
    const WordKey word_key = word_key_of_digest(std::string_view(key));
    const SimilarityOptions options = similarity_options(threshold, ngram, characters, containment);
    Groups found = run_unlocked([&](StopToken& stop) {
        return near_duplicate_groups(texts.views(), priorities, options, threads, stop, word_key);
    });
    if (!found.exact)
        warn(
            "the texts share so many shingles that an exact comparison would be quadratic; "
            "candidates come from MinHash, so 1 in 100 of the pairs at the threshold is missed: "
            "raise ngram or the threshold for an exact answer");
    return columns_of(std::move(found));
}

py::tuple overlaps(const py::list& list, const Array<std::int32_t>& source,
                   std::int64_t min_chars) {
    const Texts texts(list);
    const auto sources = column(source);
    Overlaps found = run_unlocked(
        [&](StopToken& stop) { return text_overlaps(texts.views(), sources, min_chars, stop); });
    return py::make_tuple(to_array(std::move(found.left)), to_array(std::move(found.right)),
                          to_array(std::move(found.offset)));
}

py::array_t<std::uint8_t> shared_shingles(const py::list& list, const Array<std::int32_t>& group,
                                          int ngram) {
    const Texts texts(list);
    const auto groups = column(group);
    return to_array(run_unlocked(
        [&](StopToken& stop) { return share_shingles(texts.views(), groups, ngram, stop); }));
}

py::tuple sketched_groups(const py::list& list, const Array<double>& priority, double threshold,
                          int ngram, bool characters, std::size_t permutations, std::uint64_t seed,
                          std::size_t threads) {
    const Texts texts(list);
    const auto priorities = column(priority);
    const SimilarityOptions options = similarity_options(threshold, ngram, characters, false);
    return columns_of(run_unlocked([&](StopToken& stop) {
        return near_duplicate_groups_sketched(texts.views(), priorities, options, permutations,
                                              seed, threads, stop);
    }));
}

py::array_t<std::uint32_t> signatures_of_texts(const py::list& list, int ngram, bool characters,
                                               std::size_t permutations, std::uint64_t seed,
                                               std::size_t threads) {
    const Texts texts(list);
    const MinHash minhash(permutations, seed);
    py::array_t<std::uint32_t> out({texts.views().size(), permutations});
    std::uint32_t* rows = out.mutable_data();
    run_unlocked([&](StopToken& stop) {
        sign_texts(texts.views(), characters ? Unit::character : Unit::word, ngram, minhash,
                   threads, stop, rows);
    });
    return out;
}

py::array_t<std::int64_t> index_add(LshIndex& index, const py::list& list) {
    const Texts texts(list);
    return to_array(run_unlocked([&](StopToken& stop) { return index.add(texts.views(), stop); }));
}

void index_remove(LshIndex& index, const Array<std::int64_t>& entries) {
    const auto gone = column(entries);
    const py::gil_scoped_release release;
    index.remove(gone);
}

py::tuple index_query(const LshIndex& index, const py::list& list,
                      std::optional<std::size_t> limit) {
    const Texts texts(list);
    LshIndex::Matches found = run_unlocked([&](StopToken& stop) {
        return index.query(texts.views(), limit.value_or(LshIndex::kNoLimit), stop);
    });
    return py::make_tuple(to_array(std::move(found.start)), to_array(std::move(found.entry)),
                          to_array(std::move(found.similarity)));
}

py::tuple index_state(const LshIndex& index) {
    LshIndex::State state;
    {
        const py::gil_scoped_release release;
        state = index.state();
    }
    std::vector<std::uint64_t> key(std::begin(state.key.words), std::end(state.key.words));
    return py::make_tuple(to_array(std::move(key)), to_array(std::move(state.sizes)),
                          to_array(std::move(state.shingles)), to_array(std::move(state.band_keys)),
                          to_array(std::move(state.entries)), to_array(std::move(state.nodes)));
}

void index_restore(LshIndex& index, const Array<std::uint64_t>& key,
                   const Array<std::uint32_t>& sizes, const Array<std::uint64_t>& shingles,
                   const Array<std::uint64_t>& band_keys, const Array<std::int64_t>& entries,
                   const Array<std::uint32_t>& nodes) {
    const auto copy = [](const auto& array) {
        const auto values = column(array);
        return std::vector(values.begin(), values.end());
    };
    LshIndex::State state{{},         copy(sizes), copy(shingles), copy(band_keys), copy(entries),
                          copy(nodes)};
    const auto words = column(key);
    if (words.size() != std::size(state.key.words))
        throw std::invalid_argument("expected a key of four words");
    std::copy(words.begin(), words.end(), std::begin(state.key.words));
    run_unlocked([&](StopToken& stop) { index.restore(state, stop); });
}

}  // namespace

void bind_dedup(py::module_& m) {
    m.def("near_duplicate_groups_sketched", &sketched_groups, py::arg("texts"), py::arg("priority"),
          py::arg("threshold"), py::arg("ngram"), py::arg("characters") = false,
          py::arg("permutations") = 128, py::arg("seed") = 1, py::arg("threads") = 1,
          "Return what near_duplicate_groups returns, by MinHash: in less memory, with 1 in 100 of "
          "the pairs at the threshold missed.");
    m.def("minhash_texts", &signatures_of_texts, py::arg("texts"), py::arg("ngram"),
          py::arg("characters") = false, py::arg("permutations") = 128, py::arg("seed") = 1,
          py::arg("threads") = 1, "Return the MinHash signature of each text, one row each.");
    py::class_<LshIndex>(m, "LshIndex", "Near-duplicates of texts that come and go, by MinHash.")
        .def(py::init([](double threshold, int ngram, bool characters, std::size_t permutations,
                         std::uint64_t seed) {
                 return std::make_unique<LshIndex>(
                     similarity_options(threshold, ngram, characters, false), permutations, seed);
             }),
             py::arg("threshold"), py::arg("ngram"), py::arg("characters") = false,
             py::arg("permutations") = 128, py::arg("seed") = 1)
        // Without the GIL: whoever holds the lock of the index may need it to look for signals.
        .def("__len__", &LshIndex::size, py::call_guard<py::gil_scoped_release>())
        .def("add", &index_add, py::arg("texts"),
             "Enter texts; return their entry numbers, which ascend and never come twice.")
        .def("remove", &index_remove, py::arg("entries"), "Remove entries, all or none.")
        .def("query", &index_query, py::arg("texts"), py::arg("limit") = py::none(),
             "Return (start, entry, similarity): the matches of text i are the rows from start[i] "
             "to start[i + 1], `limit` of them at most, the most similar first, ties by entry.")
        .def("state", &index_state,
             "Return (key, sizes, shingles, band_keys, entries, nodes), all that `restore` needs.")
        .def("restore", &index_restore, py::arg("key"), py::arg("sizes"), py::arg("shingles"),
             py::arg("band_keys"), py::arg("entries"), py::arg("nodes"),
             "Replace all entries by those of a state. Not while another thread uses the index.");
    m.def(
        "near_duplicate_groups", &groups, py::arg("texts"), py::arg("priority"),
        py::arg("threshold"), py::arg("ngram"), py::arg("characters") = false,
        py::arg("containment") = false, py::arg("threads") = 1, py::arg("key") = py::bytes(),
        "Return (representative, similarity to it) of every text: by descending priority, "
        "ties by index, each text not taken yet takes every such text at the "
        "threshold or above. The key, 16 bytes, decides only where the comparison is given up for "
        "MinHash; a digest of the texts makes that the same in every process.");
    m.def(
        "share_shingles", &shared_shingles, py::arg("texts"), py::arg("group"), py::arg("ngram"),
        "Return for each text 1 if two texts of its group, a run of equal numbers, share a shingle "
        "of `ngram` words, else 0: then the group has no near-duplicates.");
    m.def("text_overlaps", &overlaps, py::arg("texts"), py::arg("source"), py::arg("min_chars"),
          "Return (left, right, offset): `right` is a copy of `left`, lies inside it, or begins "
          "at that character of it and goes on after its end. One row at most for each right.");
}

}  // namespace ctxmem::bind
