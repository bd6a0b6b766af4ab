// Runs the join and the overlaps over hand-written and random texts under the
// sanitizers, against the same questions asked pair by pair.
#undef NDEBUG
#include <algorithm>
#include <cassert>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "core/dedup/band_buckets.hpp"
#include "core/dedup/lsh_index.hpp"
#include "core/dedup/overlap.hpp"
#include "core/dedup/setjoin.hpp"
#include "core/dedup/shared_shingles.hpp"

using namespace ctxmem;

namespace {

using Views = std::vector<std::string_view>;
constexpr auto kEvery = std::numeric_limits<std::size_t>::max();

std::set<std::uint64_t> set_of(std::string_view text, const SimilarityOptions& options) {
    Arena arena;
    Shingler shingler(options.unit, options.ngram);
    const std::size_t size = shingler.append(text, arena);
    std::set<std::uint64_t> set(arena.data(), arena.data() + arena.size());
    assert(set.size() == size && size >= 1 && !set.contains(0));
    return set;
}

// Groups are runs of equal numbers; each is asked for a shingle that two of its
// texts have.
void shares_as_brute_force_says(const Views& texts, std::mt19937& rng, int ngram) {
    StopToken stop;
    std::vector<std::int32_t> group(texts.size());
    for (std::size_t i = 1; i < texts.size(); ++i) group[i] = group[i - 1] + (rng() % 3 == 0);
    const std::vector<std::uint8_t> shared = share_shingles(texts, group, ngram, stop);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        bool expected = false;
        std::set<std::uint64_t> seen;
        for (std::size_t j = 0; j < texts.size(); ++j) {
            if (group[j] != group[i]) continue;
            for (const auto hash : set_of(texts[j], {0.5, ngram, Unit::word, Measure::jaccard}))
                expected |= !seen.insert(hash).second;
        }
        assert(shared[i] == expected);
    }
}

// Buckets against lists by the lower bits of the key, and counts against a
// sort.
void buckets_hold_what_was_added(std::mt19937& rng, std::size_t buckets, std::size_t entries) {
    BandBuckets made(buckets);
    std::map<std::uint64_t, std::vector<std::pair<std::uint32_t, std::uint32_t>>> model;
    std::vector<std::uint64_t> keys;
    for (std::size_t i = 0; i < entries; ++i) {
        // A few crowded buckets, and many of an entry or two.
        const std::uint64_t low = rng() % 3 == 0 ? rng() % 3 : rng();
        keys.push_back(std::uint64_t{rng()} << 32 | low);
        made.add(keys.back(), static_cast<std::uint32_t>(i));
        model[keys.back() & (made.size() - 1)].emplace_back(i, keys.back() >> 32);
    }
    for (const std::uint64_t key : keys) {
        const auto& expected = model[key & (made.size() - 1)];
        const auto actual = made.of(key);
        assert(expected.size() == actual.size());
        for (std::size_t i = 0; i < actual.size(); ++i)
            assert(expected[i] == std::pair(actual[i].node, actual[i].check));
    }
    assert(made.of(0).size() == model[0].size());
}

void shared_buckets_are_counted(std::mt19937& rng, std::size_t found, std::size_t most) {
    std::vector<std::uint32_t> nodes;
    std::map<std::uint32_t, std::uint32_t> counted;
    for (std::size_t i = 0; i < found; ++i) {
        nodes.push_back(static_cast<std::uint32_t>(rng() % (found / 3 + 1)));
        ++counted[nodes.back()];
    }
    std::vector<std::pair<std::int64_t, std::uint32_t>> expected;  // minus the buckets, node
    for (const auto& [node, buckets] : counted) expected.emplace_back(-std::int64_t{buckets}, node);
    std::sort(expected.begin(), expected.end());
    expected.resize(std::min(most, expected.size()));
    SharedBuckets shared(nodes);
    shared.keep(most);
    std::vector<std::pair<std::int64_t, std::uint32_t>> actual;
    for (const auto& [buckets, node] : shared.counts())
        actual.emplace_back(-std::int64_t{buckets}, node);
    std::sort(actual.begin(), actual.end());
    assert(expected == actual);
}

double similarity(const std::set<std::uint64_t>& a, const std::set<std::uint64_t>& b,
                  Measure measure) {
    std::size_t shared = 0;
    for (const auto hash : a) shared += b.contains(hash);
    const std::size_t base = measure == Measure::containment ? std::min(a.size(), b.size())
                                                             : a.size() + b.size() - shared;
    return static_cast<double>(shared) / static_cast<double>(base);
}

void agrees_with_brute_force(const Views& texts, const SimilarityOptions& options) {
    StopToken stop;
    const Pairs pairs = near_duplicate_pairs(texts, options, 1, stop);
    std::vector<std::set<std::uint64_t>> sets;
    for (const auto text : texts) sets.push_back(set_of(text, options));
    std::size_t row = 0;
    std::map<std::set<std::uint64_t>, std::size_t> first_with;
    std::vector<std::size_t> firsts;
    for (std::size_t i = 0; i < texts.size(); ++i)
        firsts.push_back(first_with.try_emplace(sets[i], i).first->second);
    const auto first = [&](std::size_t i) { return firsts[i]; };
    for (std::size_t i = 0; i < texts.size(); ++i)
        for (std::size_t j = i + 1; j < texts.size(); ++j) {
            if (first(i) != i || (first(j) != j && first(j) != i)) continue;
            const double s = similarity(sets[i], sets[j], options.measure);
            if (s < options.threshold) continue;
            assert(row < pairs.left.size());
            assert(pairs.left[row] == static_cast<int>(i));
            assert(pairs.right[row] == static_cast<int>(j));
            assert(pairs.similarity[row] == s);
            ++row;
        }
    assert(row == pairs.left.size());
    const std::vector<double> priority(texts.size(), 0.0);
    const Groups groups = near_duplicate_groups(texts, priority, options, 1, stop);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto centre = static_cast<std::size_t>(groups.representative[i]);
        assert(centre <= i && groups.representative[centre] == groups.representative[i]);
        assert(groups.similarity[i] == similarity(sets[centre], sets[i], options.measure));
        assert(groups.similarity[i] >= options.threshold);
        for (std::size_t k = 0; k < centre; ++k)  // the first that it could go to
            assert(groups.representative[k] != static_cast<std::int32_t>(k) ||
                   similarity(sets[k], sets[i], options.measure) < options.threshold);
    }
}

std::vector<std::string> random_texts(std::mt19937& rng, int count, int words, int vocabulary) {
    std::vector<std::string> texts;
    for (int i = 0; i < count; ++i) {
        std::string text;
        for (int w = static_cast<int>(rng() % (words + 1)); w > 0; --w)
            text += "w" + std::to_string(rng() % vocabulary) + (rng() % 9 ? " " : "\xE4\xB8\xAD, ");
        texts.push_back(text);
        if (rng() % 3 == 0) texts.push_back(text + " tail" + std::to_string(rng() % 5));
    }
    return texts;
}

template <class Call>
bool throws(Call&& call) {
    try {
        call();
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

}  // namespace

int main() {
    StopToken stop;
    std::mt19937 rng(7);
    for (int round = 0; round < 6; ++round) {
        const auto owned = random_texts(rng, 30, round % 2 ? 12 : 80, round % 3 ? 12 : 400);
        const Views texts(owned.begin(), owned.end());
        for (const double threshold : {0.05, 0.5, 0.85})
            for (const int ngram : {1, 3})
                for (const Unit unit : {Unit::word, Unit::character})
                    for (const Measure measure : {Measure::jaccard, Measure::containment})
                        agrees_with_brute_force(texts, {threshold, ngram, unit, measure});
        for (const int ngram : {1, 3}) shares_as_brute_force_says(texts, rng, ngram);
    }
    // So few words that lists are split, up to sets with four shingles in common.
    for (const int words : {5, 8, 12}) {
        const auto owned = random_texts(rng, 500, words, 5);
        const Views texts(owned.begin(), owned.end());
        for (const double threshold : {0.1, 0.4, 0.7})
            agrees_with_brute_force(texts, {threshold, 2, Unit::word, Measure::jaccard});
    }
    assert(share_shingles({}, {}, 3, stop).empty());
    assert(throws([&] { share_shingles(Views{"a"}, {}, 3, stop); }));
    // A text of more shingles than the bitmap takes, with and without repeats.
    std::string distinct, repeated;
    for (int i = 0; i < 9000; ++i) {
        distinct += "w" + std::to_string(i) + " ";
        repeated += i % 7 ? "again " : "and ";
    }
    agrees_with_brute_force(Views{distinct, repeated, distinct, "again and again", ""},
                            {0.5, 3, Unit::word, Measure::containment});
    // Bytes that CPython would not hand over must still not be read past the end.
    agrees_with_brute_force(Views{"\xE4\xB8", "\xF0\x9F", "\xC3", "a\xF0"},
                            {0.5, 2, Unit::character, Measure::jaccard});

    assert(near_duplicate_pairs({}, {0.5, 3, Unit::word, Measure::jaccard}, 1, stop).left.empty());
    assert(throws([&] {
        near_duplicate_pairs({}, {0.0, 3, Unit::word, Measure::jaccard}, 1, stop);
    }));
    assert(throws([&] {
        near_duplicate_pairs({}, {0.5, 0, Unit::word, Measure::jaccard}, 1, stop);
    }));

    const Views windows{"abcdefgh", "efghijkl", "cde", "abcdefgh",
                        "\xC3\xA9"
                        "abcdefgh"};
    const std::vector<std::int32_t> source(windows.size(), 4);
    const Overlaps rows = text_overlaps(windows, source, 3, stop);
    assert((rows.left == std::vector<std::int32_t>{0, 4, 4, 4}));
    assert((rows.right == std::vector<std::int32_t>{3, 0, 1, 2}));
    assert((rows.offset == std::vector<std::int64_t>{0, 1, 5, 3}));

    for (const std::size_t size : {0, 1, 2, 3, 40, 5000}) {
        for (const std::size_t buckets : {0, 100, 4096})
            buckets_hold_what_was_added(rng, buckets, size);
        for (const std::size_t most : {1, 7, 512}) shared_buckets_are_counted(rng, size, most);
    }

    // The index: as many texts out as in, equal sets found, and a state that
    // makes it again.
    const SimilarityOptions near{0.5, 2, Unit::word, Measure::jaccard};
    LshIndex index(near, 64, 1);
    for (int round = 0; round < 30; ++round) {
        const auto owned = random_texts(rng, 40, 20, 30);
        const Views texts(owned.begin(), owned.end());
        const auto added = index.add(texts, stop);
        const auto matches = index.query(texts, kEvery, stop);
        for (std::size_t i = 0; i < texts.size(); ++i) {
            bool found = false;
            for (auto row = matches.start[i]; row < matches.start[i + 1]; ++row)
                found |= matches.entry[row] == added[i] && matches.similarity[row] == 1.0;
            assert(found);
        }
        LshIndex again(near, 64, 1);
        again.restore(index.state(), stop);
        const auto same = again.query(texts, kEvery, stop);
        assert(same.start == matches.start && same.entry == matches.entry);
        const std::size_t before = index.size();
        index.remove(std::span(added).first(added.size() - 2));
        assert(index.size() == before - added.size() + 2);
        bool refused = false;
        try {
            index.remove(std::span(added).last(3));
        } catch (const std::out_of_range&) {
            refused = true;
        }
        assert(refused && index.size() == before - added.size() + 2);
    }

    // Many read the index while one writes: what stays is always found.
    LshIndex shared(near, 64, 1);
    const auto stable = random_texts(rng, 30, 20, 300);
    const auto passing = random_texts(rng, 30, 20, 300);
    const Views stays(stable.begin(), stable.end());
    const Views passes(passing.begin(), passing.end());
    const auto entries = shared.add(stays, stop);
    {
        std::vector<std::jthread> readers;
        for (int reader = 0; reader < 3; ++reader)
            readers.emplace_back([&] {
                StopToken own;
                for (int round = 0; round < 40; ++round) {
                    const auto found = shared.query(stays, kEvery, own);
                    for (std::size_t i = 0; i < stays.size(); ++i)
                        assert(std::count(found.entry.begin() + found.start[i],
                                          found.entry.begin() + found.start[i + 1],
                                          entries[i]) == 1);
                }
            });
        for (int round = 0; round < 40; ++round) shared.remove(shared.add(passes, stop));
    }
    assert(shared.size() == stays.size());

    // Threads change nothing. So many shingles that they are dealt out to parts.
    const auto spread = random_texts(rng, 9000, 240, 30000);
    const Views large(spread.begin(), spread.end());
    const std::vector<double> alike(large.size(), 0.0);
    for (const Measure measure : {Measure::jaccard, Measure::containment}) {
        const SimilarityOptions options{0.6, 2, Unit::word, measure};
        const Groups one = near_duplicate_groups(large, alike, options, 1, stop);
        const Groups three = near_duplicate_groups(large, alike, options, 3, stop);
        assert(one.representative == three.representative && one.similarity == three.similarity);
    }
    const auto first = Views(large.begin(), large.begin() + 2000);
    const SimilarityOptions sketchy{0.6, 2, Unit::word, Measure::jaccard};
    const auto sketch = [&](std::size_t threads) {
        return near_duplicate_groups_sketched(first, std::span(alike).first(first.size()), sketchy,
                                             64, 1, threads, stop)
            .representative;
    };
    assert(sketch(1) == sketch(3));

    // A cancellation ends the work, on every thread, and leaks nothing.
    const auto many = random_texts(rng, 10000, 60, 1000000);
    const Views flood(many.begin(), many.end());
    StopToken cancelled([] { throw std::invalid_argument("stop"); });
    for (const std::size_t threads : {1, 3})
        assert(throws([&] {
            near_duplicate_pairs(flood, {0.3, 1, Unit::word, Measure::jaccard}, threads, cancelled);
        }));
    const SimilarityOptions three_words{0.5, 3, Unit::word, Measure::jaccard};
    assert(throws([&] { near_duplicate_pairs({}, three_words, 0, cancelled); }));
    return 0;
}
