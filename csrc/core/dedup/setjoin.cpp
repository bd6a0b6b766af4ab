#include "core/dedup/setjoin.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "core/dedup/join.hpp"
#include "core/dedup/lsh_index.hpp"
#include "core/dedup/text_sets.hpp"

namespace ctxmem {
namespace {

// Of the signatures, where the join gives up.
constexpr std::size_t kPermutations = 128;
constexpr std::uint64_t kSeed = 1;

void check(const SimilarityOptions& options, std::size_t texts, std::size_t threads) {
    if (!(options.threshold > 0.0 && options.threshold <= 1.0))
        throw std::invalid_argument("threshold must be above 0 and at most 1");
    if (options.ngram < 1) throw std::invalid_argument("ngram must be at least 1");
    if (threads < 1) throw std::invalid_argument("threads must be at least 1");
    if (texts > 0x7FFFFFFFu) throw std::invalid_argument("more than 2**31 - 1 texts");
}

// Beyond so many steps the texts are made to be alike but not alike enough, as when all are of the
// same few words. A step takes 1 to 4 ns: about a second in all, and .01 ms a text.
std::uint64_t most_visits(std::size_t texts) { return 300'000'000 + 3'000 * std::uint64_t{texts}; }

}  // namespace

Pairs near_duplicate_pairs(std::span<const std::string_view> texts,
                           const SimilarityOptions& options, std::size_t threads, StopToken& stop) {
    check(options, texts.size(), threads);
    TextSets sets = sets_of_texts(texts, options.unit, options.ngram, threads, stop);
    Join join(sets, options, threads, stop);
    struct Pair {
        std::int32_t left;
        std::int32_t right;
        double similarity;
    };
    std::vector<Pair> pairs;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::int32_t first = sets.first[sets.of[i]];
        if (first != static_cast<std::int32_t>(i))
            pairs.push_back({first, static_cast<std::int32_t>(i), 1.0});
    }
    for (std::uint32_t x = 0; x < join.size(); ++x)
        join.probe(x, x + 1, [&](std::uint32_t y, double similarity) {
            const std::int32_t a = sets.first[join.node(x)];
            const std::int32_t b = sets.first[join.node(y)];
            pairs.push_back({std::min(a, b), std::max(a, b), similarity});
        });
    std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
        return a.left != b.left ? a.left < b.left : a.right < b.right;
    });
    Pairs out;
    out.left.reserve(pairs.size());
    out.right.reserve(pairs.size());
    out.similarity.reserve(pairs.size());
    for (const Pair& pair : pairs) {
        out.left.push_back(pair.left);
        out.right.push_back(pair.right);
        out.similarity.push_back(pair.similarity);
    }
    return out;
}

namespace {

// All texts of a node have the same set and join the same group, so nodes are enough.
// Nothing, if it would take too long.
std::optional<Groups> gather(TextSets& sets, std::span<const std::int32_t> order,
                             const SimilarityOptions& options, std::size_t threads,
                             StopToken& stop) {
    const bool bounded = options.measure == Measure::jaccard;
    Join join(sets, options, threads, stop);
    std::vector<std::int32_t> centre(sets.slices.size(), -1);
    std::vector<double> similarity(sets.slices.size(), 1.0);
    for (const std::int32_t text : order) {
        const std::uint32_t node = sets.of[static_cast<std::size_t>(text)];
        if (centre[node] >= 0) continue;
        centre[node] = text;
        const std::uint32_t x = join.rank(node);
        if (x == kNone) continue;
        join.forget(x);
        join.probe(x, 0, [&](std::uint32_t y, double found) {
            centre[join.node(y)] = text;
            similarity[join.node(y)] = found;
            join.forget(y);
        });
        if (bounded && join.visits() > most_visits(order.size())) return std::nullopt;
    }
    Groups groups;
    groups.representative.resize(order.size());
    groups.similarity.resize(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        groups.representative[i] = centre[sets.of[i]];
        groups.similarity[i] = similarity[sets.of[i]];
    }
    return groups;
}

}  // namespace

Groups near_duplicate_groups(std::span<const std::string_view> texts,
                             std::span<const double> priority, const SimilarityOptions& options,
                             std::size_t threads, StopToken& stop, const WordKey& key) {
    check(options, texts.size(), threads);
    const std::vector<std::int32_t> order = by_priority(priority, texts.size());
    {
        TextSets sets = sets_of_texts(texts, options.unit, options.ngram, threads, stop, key);
        if (auto groups = gather(sets, order, options, threads, stop)) return *std::move(groups);
    }
    return near_duplicate_groups_sketched(texts, priority, options, kPermutations, kSeed, threads,
                                          stop);
}

}  // namespace ctxmem
