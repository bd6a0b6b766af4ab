// The join: pairs and groups are those that comparing every two sets finds, and so are the answers
// of an index of as many bands. Texts are separated by bytes 0xFF; the first bytes choose the
// options. Work on two threads gives the same.
#include <algorithm>
#include <set>
#include <stdexcept>
#include <vector>

#include "core/dedup/lsh_index.hpp"
#include "core/dedup/setjoin.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace ctxmem;
using Set = std::set<std::uint64_t>;

Set set_of(std::string_view text, const SimilarityOptions& options) {
    Arena arena;
    Shingler shingler(options.unit, options.ngram);
    const std::size_t size = shingler.append(text, arena);
    Set set(arena.data(), arena.data() + arena.size());
    LAW(set.size() == size && size >= 1 && !set.contains(0));
    return set;
}

double similarity(const Set& a, const Set& b, Measure measure) {
    std::size_t shared = 0;
    for (const auto hash : a) shared += b.contains(hash);
    const std::size_t base = measure == Measure::containment ? std::min(a.size(), b.size())
                                                             : a.size() + b.size() - shared;
    return static_cast<double>(shared) / static_cast<double>(base);
}

void check_pairs(const std::vector<std::string_view>& texts, const std::vector<Set>& sets,
                 const SimilarityOptions& options) {
    StopToken stop;
    const Pairs pairs = near_duplicate_pairs(texts, options, 1, stop);
    const auto first = [&](std::size_t i) {
        return static_cast<std::size_t>(std::find(sets.begin(), sets.end(), sets[i]) -
                                        sets.begin());
    };
    std::size_t row = 0;
    for (std::size_t i = 0; i < texts.size(); ++i)
        for (std::size_t j = i + 1; j < texts.size(); ++j) {
            if (first(i) != i || (first(j) != j && first(j) != i)) continue;
            const double alike = similarity(sets[i], sets[j], options.measure);
            if (alike < options.threshold) continue;
            LAW(row < pairs.left.size());
            LAW(pairs.left[row] == static_cast<std::int32_t>(i));
            LAW(pairs.right[row] == static_cast<std::int32_t>(j));
            LAW(pairs.similarity[row] == alike);
            ++row;
        }
    LAW(row == pairs.left.size());
    fuzz::note_all(pairs.left);
    fuzz::note_all(pairs.right);
    fuzz::note_all(pairs.similarity);
    const Pairs threaded = near_duplicate_pairs(texts, options, 2, stop);
    LAW(threaded.left == pairs.left && threaded.right == pairs.right);
}

void check_stars(const std::vector<std::string_view>& texts, const std::vector<Set>& sets,
                 const std::vector<double>& priority, const SimilarityOptions& options) {
    StopToken stop;
    const Groups groups = near_duplicate_groups(texts, priority, options, 1, stop);
    // By priority, each text that is free takes those that are like it and free.
    std::vector<std::size_t> order(texts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return priority[a] != priority[b] ? priority[a] > priority[b] : a < b;
    });
    std::vector<std::int32_t> taken(texts.size(), -1);
    for (const std::size_t centre : order) {
        if (taken[centre] >= 0) continue;
        for (std::size_t i = 0; i < texts.size(); ++i)
            if (taken[i] < 0 &&
                similarity(sets[centre], sets[i], options.measure) >= options.threshold)
                taken[i] = static_cast<std::int32_t>(centre);
    }
    LAW(groups.exact && groups.representative == taken);
    for (std::size_t i = 0; i < texts.size(); ++i)
        LAW(groups.similarity[i] == similarity(sets[static_cast<std::size_t>(taken[i])], sets[i],
                                              options.measure));
    fuzz::note_all(groups.representative);
}

// What the index returns is exact; it may miss a pair, but never a copy.
void check_index(const std::vector<std::string_view>& texts, const std::vector<Set>& sets,
                 const SimilarityOptions& options, std::uint64_t removed) {
    StopToken stop;
    LshIndex index(options, 64, 1);
    index.add(texts, stop);
    std::vector<std::int64_t> gone;
    for (std::size_t i = 0; i < texts.size(); ++i)
        if (removed >> i % 64 & 1) gone.push_back(static_cast<std::int64_t>(i));
    index.remove(gone);
    LAW(index.size() == texts.size() - gone.size());
    const LshIndex::Matches matches = index.query(texts, texts.size(), stop);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        std::set<std::int64_t> found;
        for (auto row = matches.start[i]; row < matches.start[i + 1]; ++row) {
            const auto at = static_cast<std::size_t>(row);
            const std::int64_t entry = matches.entry[at];
            LAW(found.insert(entry).second);
            LAW(std::find(gone.begin(), gone.end(), entry) == gone.end());
            const double alike =
                similarity(sets[static_cast<std::size_t>(entry)], sets[i], options.measure);
            LAW(matches.similarity[at] == alike && alike >= options.threshold);
        }
        for (std::size_t j = 0; j < texts.size(); ++j)
            if (sets[j] == sets[i] && (removed >> j % 64 & 1) == 0)
                LAW(found.contains(static_cast<std::int64_t>(j)));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::uint8_t choice = input.byte();
    SimilarityOptions options{};
    options.threshold = (1 + input.byte() % 20) / 20.0;
    options.ngram = 1 + (choice & 3);
    options.unit = (choice & 4) != 0 ? Unit::character : Unit::word;
    options.measure = (choice & 8) != 0 ? Measure::containment : Measure::jaccard;
    const std::uint64_t removed = input.byte() * 0x0101010101010101ull;
    std::vector<std::string> owned;
    while (!input.empty() && owned.size() < 24) owned.emplace_back(input.field().substr(0, 400));
    const std::vector<std::string_view> texts(owned.begin(), owned.end());
    std::vector<Set> sets;
    std::vector<double> priority;
    for (const std::string_view text : texts) {
        sets.push_back(set_of(text, options));
        priority.push_back(static_cast<double>(text.size() % 3));
    }
    check_pairs(texts, sets, options);
    check_stars(texts, sets, priority, options);
    if (options.measure == Measure::jaccard) check_index(texts, sets, options, removed);
    return 0;
}
