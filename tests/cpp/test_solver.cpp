// The solver core without Python, under ASan and UBSan: against brute force, and at the limits.
#undef NDEBUG
#include <cassert>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "core/knapsack.hpp"

using namespace ctxmem;

namespace {

struct Instance {
    std::vector<std::int64_t> starts{0}, tokens, values;
    std::vector<char> mandatory;
    std::int64_t budget = 0;

    Packing solve(const Limits& limits = {}, double time_s = 0) const {
        const std::size_t count = mandatory.size();
        const std::unique_ptr<bool[]> must(new bool[count + 1]);
        for (std::size_t c = 0; c < count; ++c) must[c] = mandatory[c] != 0;
        Watch watch(time_s);
        return solve_knapsack({starts.data(), tokens.data(), values.data(), must.get(), count},
                              budget, limits, watch);
    }
};

Instance random_instance(std::mt19937_64& rng, int classes, std::int64_t top_tokens,
                         std::int64_t top_value, std::int64_t budget) {
    Instance instance;
    instance.budget = budget;
    for (int c = 0; c < classes; ++c) {
        for (auto o = rng() % 4; o > 0; --o) {
            instance.tokens.push_back(static_cast<std::int64_t>(rng() % top_tokens));
            instance.values.push_back(static_cast<std::int64_t>(rng() % top_value));
        }
        instance.starts.push_back(static_cast<std::int64_t>(instance.tokens.size()));
        instance.mandatory.push_back(rng() % 8 == 0);
    }
    return instance;
}

// The best value from class c on, or -1.
std::int64_t brute_force(const Instance& in, std::size_t c, std::int64_t room) {
    if (room < 0) return -1;
    if (c == in.mandatory.size()) return 0;
    std::int64_t best = in.mandatory[c] ? -1 : brute_force(in, c + 1, room);
    for (auto i = in.starts[c]; i < in.starts[c + 1]; ++i) {
        const std::int64_t rest = brute_force(in, c + 1, room - in.tokens[i]);
        if (rest >= 0) best = std::max(best, rest + in.values[i]);
    }
    return best;
}

void equals_brute_force() {
    std::mt19937_64 rng(1);
    for (int i = 0; i < 2000; ++i) {
        const Instance in = random_instance(rng, static_cast<int>(rng() % 7), 20, 20,
                                            static_cast<std::int64_t>(rng() % 60));
        const Packing packing = in.solve();
        const std::int64_t expected = brute_force(in, 0, in.budget);
        assert((packing.proof == Proof::kInfeasible) == (expected < 0));
        if (expected < 0) continue;
        assert(packing.proof == Proof::kOptimal);
        assert(packing.value == expected && packing.upper_bound == expected);
    }
}

void holds_at_the_limits() {
    std::mt19937_64 rng(2);
    for (const int bits : {10, 24, 31, 40})
        for (const int value_bits : {1, 20, 40, 50}) {
            const Instance in =
                random_instance(rng, 500, std::int64_t{1} << bits, std::int64_t{1} << value_bits,
                                std::int64_t{1} << 31);
            const Packing packing = in.solve({2000, 0}, 1.0);
            if (packing.proof != Proof::kInfeasible) assert(packing.value <= packing.upper_bound);
        }
}

}  // namespace

int main() {
    equals_brute_force();
    holds_at_the_limits();
}
