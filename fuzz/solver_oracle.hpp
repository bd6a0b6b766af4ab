// Packings by trying everything: what the solver's fuzz target and its test compare with. Exponential.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "core/solver/packing.hpp"

namespace fuzz {

using namespace ctxmem;

// Classes of options of a knapsack.
struct Instance {
    std::vector<std::int64_t> starts{0}, tokens, values;
    std::vector<char> mandatory;
    std::int64_t budget = 0;

    Packing solve(const Limits& limits = {}, double time_s = 0) const {
        const std::size_t count = mandatory.size();
        const std::unique_ptr<bool[]> must(new bool[count + 1]);
        for (std::size_t c = 0; c < count; ++c) must[c] = mandatory[c] != 0;
        StopToken stop(Deadline::after(time_s));
        return solve_knapsack({starts.data(), tokens.data(), values.data(), must.get(), count},
                              budget, limits, stop);
    }
};

// The best value from class c on, or -1.
inline std::int64_t brute_force(const Instance& in, std::size_t c, std::int64_t room) {
    if (room < 0) return -1;
    if (c == in.mandatory.size()) return 0;
    std::int64_t best = in.mandatory[c] ? -1 : brute_force(in, c + 1, room);
    for (auto i = in.starts[c]; i < in.starts[c + 1]; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const std::int64_t rest = brute_force(in, c + 1, room - in.tokens[at]);
        if (rest >= 0) best = std::max(best, rest + in.values[at]);
    }
    return best;
}

inline constexpr std::int64_t kForbidden = std::numeric_limits<std::int64_t>::min();

// The value of a choice of options, or kForbidden.
inline std::int64_t evaluate(const Problem& p, const std::vector<std::int32_t>& chosen) {
    const std::size_t n = p.items();
    const auto in = [&](std::int64_t i) { return chosen[static_cast<std::size_t>(i)] >= 0; };
    std::int64_t value = 0;
    std::int64_t total = 0;
    std::vector<std::int64_t> tokens(p.parent.size(), 0);
    std::vector<char> open(p.parent.size(), 0);
    std::vector<char> covered(p.concepts.size(), 0);
    const auto pay = [&](std::int64_t section, std::int64_t amount, bool opens) {
        for (; section >= 0; section = p.parent[static_cast<std::size_t>(section)]) {
            tokens[static_cast<std::size_t>(section)] += amount;
            if (opens) open[static_cast<std::size_t>(section)] = 1;
        }
        total += amount;
    };
    for (std::size_t i = 0; i < n; ++i) {
        if (p.pin[i] != Problem::kFree && chosen[i] < 0) return kForbidden;
        if (p.pin[i] >= 0 && chosen[i] != p.pin[i]) return kForbidden;
        if (chosen[i] < 0) continue;
        const auto at = static_cast<std::size_t>(p.starts[i] + chosen[i]);
        pay(p.section[i], p.tokens[at] + p.separator, true);
        value += p.values[at];
        for (auto k = p.covers.begin(at); k != p.covers.end(at); ++k) {
            char& seen = covered[static_cast<std::size_t>(*k)];
            if (!seen) value += p.concepts[static_cast<std::size_t>(*k)];
            seen = 1;
        }
    }
    for (std::size_t e = 0; e < p.needs.size(); e += 2)
        if (in(p.needs[e]) && !in(p.needs[e + 1])) return kForbidden;
    for (std::size_t g = 0; g < p.groups.count(); ++g)
        if (std::count_if(p.groups.begin(g), p.groups.end(g), in) > 1) return kForbidden;
    for (std::size_t g = 0; g < p.together.count(); ++g) {
        const auto together = std::count_if(p.together.begin(g), p.together.end(g), in);
        if (together != 0 && together != p.together.end(g) - p.together.begin(g)) return kForbidden;
    }
    for (std::size_t s = 0; s < p.parent.size(); ++s)
        if (open[s] && p.header[s] > 0)
            pay(static_cast<std::int64_t>(s), p.header[s] + p.separator, false);
    for (std::size_t s = 0; s < p.parent.size(); ++s)
        if (tokens[s] < p.minimum[s] || tokens[s] > p.maximum[s]) return kForbidden;
    if (total > p.budget) return kForbidden;
    for (std::size_t r = 0; r < p.redundancy.size(); r += 3)
        if (in(p.redundancy[r]) && in(p.redundancy[r + 1])) value -= p.redundancy[r + 2];
    for (std::size_t k = 0; k < p.prefix.size(); ++k) {
        if (chosen[static_cast<std::size_t>(p.prefix[k])] != 0) break;
        value += p.bonus[k];
    }
    return value;
}

inline std::int64_t best_of(const Problem& p, std::vector<std::int32_t>& chosen, std::size_t item) {
    if (item == p.items()) return evaluate(p, chosen);
    std::int64_t best = kForbidden;
    for (std::int64_t o = -1; o < p.starts[item + 1] - p.starts[item]; ++o) {
        chosen[item] = static_cast<std::int32_t>(o);
        best = std::max(best, best_of(p, chosen, item + 1));
    }
    return best;
}

}  // namespace fuzz
