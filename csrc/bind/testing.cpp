// `ctxmem._testing`: what the tests and benchmarks call of the core and the package does not.
//
// setup.py builds it for installations in place, never into a wheel. It is linked with the objects of
// the core, so it has globals of its own: hashes without a seed have another key than in `_native`.
#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "bind/native_solver.hpp"
#include "bind/native_value.hpp"
#include "bind/similarity.hpp"
#include "bind/testing.hpp"
#include "core/dedup/difference.hpp"
#include "core/dedup/lsh_index.hpp"
#include "core/dedup/minhash.hpp"
#include "core/dedup/setjoin.hpp"
#include "core/text/unicode.hpp"
#include "core/text/words.hpp"

namespace ctxmem::bind {
namespace {

py::array_t<std::uint64_t> words(const py::str& text, std::optional<std::uint64_t> seed) {
    const Texts texts(text);
    std::vector<std::uint64_t> out;
    split_words(texts.views()[0], out, key_of(seed));
    return to_array(std::move(out));
}

py::array_t<std::uint8_t> char_classes() {
    std::vector<std::uint8_t> out(0x110000);
    for (std::size_t c = 0; c < out.size(); ++c) out[c] = class_byte(static_cast<char32_t>(c));
    return to_array(std::move(out));
}

py::tuple pairs(const py::list& list, double threshold, int ngram, bool characters,
                bool containment, std::size_t threads) {
    const Texts texts(list);
    const SimilarityOptions options = similarity_options(threshold, ngram, characters, containment);
    Pairs found = run_unlocked([&](StopToken& stop) {
        return near_duplicate_pairs(texts.views(), options, threads, stop);
    });
    return py::make_tuple(to_array(std::move(found.left)), to_array(std::move(found.right)),
                          to_array(std::move(found.similarity)));
}

py::array_t<std::uint32_t> signatures(const Array<std::uint64_t>& shingles,
                                      const Array<std::int64_t>& start, std::size_t permutations,
                                      std::uint64_t seed) {
    const auto all = column(shingles);
    const auto starts = column(start);
    bool ascending = !starts.empty() && starts.front() == 0 &&
                     starts.back() == static_cast<std::int64_t>(all.size());
    for (std::size_t i = 1; i < starts.size(); ++i) ascending &= starts[i - 1] <= starts[i];
    if (!ascending) throw std::invalid_argument("start must ascend from 0 to the number of hashes");
    const MinHash minhash(permutations, seed);
    py::array_t<std::uint32_t> out({starts.size() - 1, permutations});
    std::uint32_t* rows = out.mutable_data();
    run_unlocked([&](StopToken& stop) {
        for (std::size_t i = 1; i < starts.size(); ++i, rows += permutations) {
            const auto begin = static_cast<std::size_t>(starts[i - 1]);
            const auto set = all.subspan(begin, static_cast<std::size_t>(starts[i]) - begin);
            stop.check(set.size() * permutations / 16);
            minhash.sign(set, rows);
        }
    });
    return out;
}

py::tuple sets_of(const py::list& list, int ngram, bool characters,
                  std::optional<std::uint64_t> seed) {
    const Texts texts(list);
    std::vector<std::uint64_t> shingles;
    std::vector<std::int64_t> start{0};
    run_unlocked([&](StopToken& stop) {
        Arena arena;
        Shingler shingler(characters ? Unit::character : Unit::word, ngram, key_of(seed));
        for (const std::string_view text : texts.views()) {
            stop.check(2 * text.size() + 100);
            shingler.append(text, arena);
            start.push_back(static_cast<std::int64_t>(arena.size()));
        }
        shingles.assign(arena.data(), arena.data() + arena.size());
    });
    return py::make_tuple(to_array(std::move(shingles)), to_array(std::move(start)));
}

py::tuple plan(double threshold, std::size_t permutations, double recall) {
    const BandPlan found = band_plan(threshold, permutations, recall);
    return py::make_tuple(found.bands, found.rows);
}

py::object solve_classes(const Numbers& starts, const Numbers& tokens, const Numbers& values,
                         const Flags& mandatory, std::int64_t budget, std::size_t states,
                         double time_limit, double gap) {
    if (starts.ndim() != 1 || tokens.ndim() != 1 || values.ndim() != 1 || mandatory.ndim() != 1)
        throw std::invalid_argument("starts, tokens, values and mandatory must be one-dimensional");
    if (starts.size() != mandatory.size() + 1 || tokens.size() != values.size() ||
        starts.data()[starts.size() - 1] != tokens.size())
        throw std::invalid_argument(
            "starts must have one entry more than mandatory and end at len(tokens) == len(values)");
    require_states(states);
    const Classes classes{starts.data(), tokens.data(), values.data(), mandatory.data(),
                          static_cast<std::size_t>(mandatory.size())};
    Packing packing = run_unlocked(
        [&](StopToken& stop) {
            return solve_knapsack(classes, budget, {states, gap}, stop);
        },
        time_limit);
    return result("ctxmem._testing", "Packing")(to_array(std::move(packing.chosen)), packing.value,
                                                packing.upper_bound, name_of(packing.status),
                                                packing.price);
}

py::array_t<float> final_features(const Features& features, const Array<float>& density) {
    std::vector<float> columns = features.features().draft();
    const std::vector<float> made = run_unlocked(
        [&](StopToken& stop) { return features.features().finals(view(density), stop); });
    columns.insert(columns.end(), made.begin(), made.end());
    return features.rows(std::move(columns), SpanFeatures::final_names().size());
}

void bind_texts(py::module_& m) {
    m.def("words", &words, py::arg("text"), py::arg("seed") = py::none(),
          "Return the 64-bit hash of every word, in text order; the seed is as for shingles.");
    m.def("char_classes", &char_classes,
          "Return the class byte of every code point, as generated from tiktoken.");
    m.def(
        "shingle_sets", &sets_of, py::arg("texts"), py::arg("ngram"), py::arg("characters") = false,
        py::arg("seed") = py::none(),
        "Return the distinct shingle hashes of all texts, and where each text's begin. The seed is "
        "as for shingles.");
    m.def("minhash", &signatures, py::arg("shingles"), py::arg("start"),
          py::arg("permutations") = 128, py::arg("seed") = 1,
          "Return the MinHash signature of each set, one row each.");
    m.def("band_plan", &plan, py::arg("threshold"), py::arg("permutations") = 128,
          py::arg("recall") = 0.99,
          "Return (bands, rows a band) by which pairs at the threshold are found so often.");
    m.def("near_duplicate_pairs", &pairs, py::arg("texts"), py::arg("threshold"), py::arg("ngram"),
          py::arg("characters") = false, py::arg("containment") = false, py::arg("threads") = 1,
          "Return (left, right, similarity) of every pair at the threshold or above, by left, then "
          "right. Texts of the same set are each paired with the first of them, and only that one "
          "is paired with others.");
}

void bind_classes(py::module_& m) {
    bind_result(m, "Packing", "chosen value upper_bound status price");
    m.def(
        "solve_classes", &solve_classes, py::arg("starts"), py::arg("tokens"), py::arg("values"),
        py::arg("mandatory"), py::arg("budget"), py::kw_only(), py::arg("states") = 200000,
        py::arg("time_limit") = 0.0, py::arg("gap") = 0.0,
        "Choose at most one option of each class, exactly one of a mandatory one, for the most\n"
        "value within the budget.\n\n"
        "Options of class c are starts[c] .. starts[c+1]. In the result, chosen[c] is an index\n"
        "within the class or -1; no packing has a value above upper_bound; status is 'optimal',\n"
        "'gap' or 'infeasible'; price is the value of one more token. A time_limit of 0 seconds\n"
        "is none; gap is relative to the bound; states caps memory. Raises ValueError when starts\n"
        "descend, tokens are negative, the budget is not 0 to 2**31 or the largest values of the\n"
        "classes sum to more than 2**60.");
}

}  // namespace
}  // namespace ctxmem::bind

PYBIND11_MODULE(_testing, m) {
    namespace bind = ctxmem::bind;
    // It takes objects of `_native`, whose types that registers.
    [[maybe_unused]] const pybind11::object native = pybind11::module_::import("ctxmem._native");
    m.doc() = "What tests and benchmarks call of the native core and the package does not.";
    bind::bind_texts(m);
    bind::bind_classes(m);
    m.def("final_features", &bind::final_features, pybind11::arg("features"),
          pybind11::arg("density"),
          "Return spans x FINAL_FEATURES, given a draft density for each span.");
    m.attr("FINAL_FEATURES") = bind::names(ctxmem::SpanFeatures::final_names());
    m.attr("DIFFERENCE_KINDS") = bind::names(ctxmem::kDifferenceKinds);
    bind::bind_stages(m);
}
