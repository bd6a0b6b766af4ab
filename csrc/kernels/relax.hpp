// One option of one class in the dense knapsack table: best[i] = max(best[i], from[i] + gain).
//
// The caller passes `best` shifted by the tokens of the option. The arrays do not overlap, so the
// loop vectorises. Included by level.cpp only.
static void relax32(const std::int32_t* __restrict from, std::size_t count, std::int32_t gain,
                    std::int32_t* __restrict best) {
    for (std::size_t i = 0; i < count; ++i) {
        const std::int32_t value = from[i] + gain;
        best[i] = best[i] < value ? value : best[i];
    }
}

static void relax64(const std::int64_t* __restrict from, std::size_t count, std::int64_t gain,
                    std::int64_t* __restrict best) {
    for (std::size_t i = 0; i < count; ++i) {
        const std::int64_t value = from[i] + gain;
        best[i] = best[i] < value ? value : best[i];
    }
}
