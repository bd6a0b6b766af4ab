#include "core/stars.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <unordered_map>

#include "kernels/kernels.hpp"

namespace ctxmem {
namespace {

// The distinct n-grams of every text, in one arena; set i is grams[start[i] .. start[i + 1]).
struct Sets {
    std::vector<std::uint64_t> grams;
    std::vector<std::size_t> start{0};
    std::span<std::uint64_t> operator[](std::size_t i) {
        return {grams.data() + start[i], start[i + 1] - start[i]};
    }
    std::size_t size() const { return start.size() - 1; }
};

// Keeps the first of equal n-grams. One open-addressed table serves all texts: an entry belongs to
// the text whose number it carries, so nothing is cleared between them.
class Distinct {
public:
    void append(const std::vector<std::uint64_t>& grams, std::vector<std::uint64_t>& out) {
        if (grams.size() * 2 > entries_.size()) {
            std::size_t places = 1024;
            while (places < grams.size() * 2) places *= 2;
            entries_.assign(places, {});
            text_ = 0;
        }
        ++text_;
        const std::size_t mask = entries_.size() - 1;
        for (const std::uint64_t gram : grams) {
            std::size_t place = gram & mask;
            while (entries_[place].text == text_ && entries_[place].gram != gram)
                place = (place + 1) & mask;
            if (entries_[place].text == text_) continue;
            entries_[place] = {gram, text_};
            out.push_back(gram);
        }
    }

private:
    struct Entry {
        std::uint64_t gram = 0;
        std::uint64_t text = 0;  // counts from 1, so that 0 is empty
    };
    std::vector<Entry> entries_;
    std::uint64_t text_ = 0;
};

std::uint64_t whole(std::span<const std::uint64_t> words) {
    std::uint64_t hash = words.size();
    for (const std::uint64_t word : words) hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    return hash ^ (hash >> 32);
}

Sets shingle_sets(const WordView& texts, int n) {
    Sets sets;
    sets.grams.reserve(texts.words.size());
    sets.start.reserve(texts.size() + 1);
    Distinct distinct;
    std::vector<std::uint64_t> grams;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto words = texts[i];
        if (words.size() >= static_cast<std::size_t>(n)) {
            grams.resize(words.size() - static_cast<std::size_t>(n) + 1);
            kernels().shingle(words.data(), words.size(), n, grams.data());
        } else {
            grams.assign(words.empty() ? 0 : 1, whole(words));
        }
        distinct.append(grams, sets.grams);
        sets.start.push_back(sets.grams.size());
    }
    return sets;
}

// In how many texts an n-gram stands, counted by hash: never too few, too many where two collide.
// So 1 means that no other text has it, and as an order of rarity it is the same for all texts.
class Frequency {
public:
    explicit Frequency(const std::vector<std::uint64_t>& grams) {
        std::size_t places = 1024;
        while (places < grams.size() * 4 && places < (std::size_t{1} << 26)) places *= 2;
        counts_.assign(places, 0);
        for (const std::uint64_t gram : grams) ++counts_[place(gram)];
    }
    std::uint32_t operator()(std::uint64_t gram) const { return counts_[place(gram)]; }

private:
    std::size_t place(std::uint64_t gram) const { return (gram >> 20) & (counts_.size() - 1); }
    std::vector<std::uint32_t> counts_;
};

// Both ascending.
double jaccard(std::span<const std::uint64_t> a, std::span<const std::uint64_t> b) {
    std::size_t common = 0;
    for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
        const std::uint64_t x = a[i], y = b[j];
        common += x == y;
        i += x <= y;
        j += y <= x;
    }
    return static_cast<double>(common) / static_cast<double>(a.size() + b.size() - common);
}

}  // namespace

Stars near_duplicate_stars(const WordView& texts, std::span<const std::int32_t> order,
                           double threshold, int n) {
    if (!(threshold > 0 && threshold <= 1))
        throw std::invalid_argument("threshold must be above 0 and at most 1");
    if (n < 1) throw std::invalid_argument("n must be at least 1");
    for (const std::int32_t i : order)
        if (i < 0 || static_cast<std::size_t>(i) >= texts.size())
            throw std::out_of_range("order names a text that is not there");
    Sets sets = shingle_sets(texts, n);
    const Frequency frequency(sets.grams);

    Stars stars;
    stars.representative.resize(texts.size());
    std::iota(stars.representative.begin(), stars.representative.end(), 0);
    stars.similarity.assign(texts.size(), 1.0);
    std::vector<std::int32_t> stars_in_order;
    // Of a prefix n-gram: positions in stars_in_order, ascending, so that the earliest comes first.
    std::unordered_map<std::uint64_t, std::vector<std::int32_t>> holders;
    std::vector<std::int32_t> candidates;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> shared;  // with others: (frequency, n-gram)
    for (const std::int32_t text : order) {
        const auto i = static_cast<std::size_t>(text);
        const auto set = sets[i];
        if (set.empty()) continue;
        // A partner shares at least t * |set| n-grams with this set. The epsilon keeps products such
        // as 0.7 * 10 from being rounded up to 8, which would ask for one too many.
        const double size = static_cast<double>(set.size());
        const auto least = static_cast<std::size_t>(std::ceil(threshold * size - 1e-9));
        shared.clear();
        for (const std::uint64_t gram : set)
            if (const std::uint32_t count = frequency(gram); count > 1) shared.emplace_back(count, gram);
        if (shared.size() < least) continue;
        // So one of the rarest |shared| - least + 1 of them is among the partner's rarest, too.
        const std::size_t prefix = shared.size() - std::max<std::size_t>(least, 1) + 1;
        if (prefix < shared.size())
            std::nth_element(shared.begin(), shared.begin() + static_cast<std::ptrdiff_t>(prefix),
                             shared.end());
        std::sort(set.begin(), set.end());
        candidates.clear();
        for (std::size_t p = 0; p < prefix; ++p)
            if (const auto found = holders.find(shared[p].second); found != holders.end())
                candidates.insert(candidates.end(), found->second.begin(), found->second.end());
        std::sort(candidates.begin(), candidates.end());
        candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
        bool joined = false;
        for (const std::int32_t candidate : candidates) {
            const std::int32_t star = stars_in_order[static_cast<std::size_t>(candidate)];
            const auto other = sets[static_cast<std::size_t>(star)];
            const double smaller = static_cast<double>(std::min(set.size(), other.size()));
            if (smaller < threshold * static_cast<double>(std::max(set.size(), other.size()))) continue;
            const double similarity = jaccard(set, other);
            if (similarity < threshold) continue;
            stars.representative[i] = star;
            stars.similarity[i] = similarity;
            joined = true;
            break;
        }
        if (joined) continue;
        for (std::size_t p = 0; p < prefix; ++p)
            holders[shared[p].second].push_back(static_cast<std::int32_t>(stars_in_order.size()));
        stars_in_order.push_back(text);
    }
    return stars;
}

}  // namespace ctxmem
