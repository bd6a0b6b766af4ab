// Runs the join and the overlaps over hand-written and random texts under the sanitizers, against
// the same questions asked pair by pair.
#undef NDEBUG
#include <cassert>
#include <random>
#include <set>
#include <stdexcept>
#include <string>

#include "core/overlap.hpp"
#include "core/setjoin.hpp"

using namespace ctxmem;

namespace {

using Views = std::vector<std::string_view>;

std::set<std::uint64_t> set_of(std::string_view text, const Likeness& likeness) {
    Arena arena;
    Shingler shingler(likeness.unit, likeness.ngram);
    const std::size_t size = shingler.append(text, arena);
    std::set<std::uint64_t> set(arena.data(), arena.data() + arena.size());
    assert(set.size() == size && size >= 1 && !set.contains(0));
    return set;
}

double similarity(const std::set<std::uint64_t>& a, const std::set<std::uint64_t>& b,
                  Measure measure) {
    std::size_t shared = 0;
    for (const auto hash : a) shared += b.contains(hash);
    const std::size_t base = measure == Measure::containment ? std::min(a.size(), b.size())
                                                             : a.size() + b.size() - shared;
    return static_cast<double>(shared) / static_cast<double>(base);
}

void agrees_with_brute_force(const Views& texts, const Likeness& likeness) {
    Pulse pulse;
    const Pairs pairs = near_duplicate_pairs(texts, likeness, pulse);
    std::vector<std::set<std::uint64_t>> sets;
    for (const auto text : texts) sets.push_back(set_of(text, likeness));
    std::size_t row = 0;
    const auto first = [&](std::size_t i) {
        std::size_t k = 0;
        while (sets[k] != sets[i]) ++k;
        return k;
    };
    for (std::size_t i = 0; i < texts.size(); ++i)
        for (std::size_t j = i + 1; j < texts.size(); ++j) {
            if (first(i) != i || (first(j) != j && first(j) != i)) continue;
            const double s = similarity(sets[i], sets[j], likeness.measure);
            if (s < likeness.threshold) continue;
            assert(row < pairs.left.size());
            assert(pairs.left[row] == static_cast<int>(i));
            assert(pairs.right[row] == static_cast<int>(j));
            assert(pairs.similarity[row] == s);
            ++row;
        }
    assert(row == pairs.left.size());
    const std::vector<double> priority(texts.size(), 0.0);
    const Stars stars = near_duplicate_stars(texts, priority, likeness, pulse);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto centre = static_cast<std::size_t>(stars.representative[i]);
        assert(centre <= i && stars.representative[centre] == stars.representative[i]);
        assert(stars.similarity[i] == similarity(sets[centre], sets[i], likeness.measure));
        assert(stars.similarity[i] >= likeness.threshold);
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
    Pulse pulse;
    std::mt19937 rng(7);
    for (int round = 0; round < 12; ++round) {
        const auto owned = random_texts(rng, 30, round % 2 ? 12 : 80, round % 3 ? 12 : 400);
        const Views texts(owned.begin(), owned.end());
        for (const double threshold : {0.05, 0.3, 0.5, 0.85, 1.0})
            for (const int ngram : {1, 3})
                for (const Unit unit : {Unit::word, Unit::character})
                    for (const Measure measure : {Measure::jaccard, Measure::containment})
                        agrees_with_brute_force(texts, {threshold, ngram, unit, measure});
    }
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

    assert(near_duplicate_pairs({}, {0.5, 3, Unit::word, Measure::jaccard}, pulse).left.empty());
    assert(throws([&] { near_duplicate_pairs({}, {0.0, 3, Unit::word, Measure::jaccard}, pulse); }));
    assert(throws([&] { near_duplicate_pairs({}, {0.5, 0, Unit::word, Measure::jaccard}, pulse); }));

    const Views windows{"abcdefgh", "efghijkl", "cde", "abcdefgh", "\xC3\xA9" "abcdefgh"};
    const std::vector<std::int32_t> source(windows.size(), 4);
    const Overlaps rows = text_overlaps(windows, source, 3, pulse);
    assert((rows.left == std::vector<std::int32_t>{0, 4, 4, 4}));
    assert((rows.right == std::vector<std::int32_t>{3, 0, 1, 2}));
    assert((rows.offset == std::vector<std::int64_t>{0, 1, 5, 3}));

    // A beat that throws ends the work and leaks nothing.
    const auto many = random_texts(rng, 20000, 60, 1000000);
    const Views flood(many.begin(), many.end());
    Pulse stop([] { throw std::invalid_argument("stop"); });
    assert(throws([&] { near_duplicate_pairs(flood, {0.3, 1, Unit::word, Measure::jaccard}, stop); }));
    return 0;
}
