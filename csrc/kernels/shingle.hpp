// Word n-gram hashing: one 64-bit hash per window of n word hashes.
//
// A polynomial over 2^64 with an odd multiplier, finished by a xor-shift: the windows do not share
// state, so the loop over windows vectorises. Included by level.cpp only.
static void shingle(const std::uint64_t* __restrict words, std::size_t count, int n,
                    std::uint64_t* __restrict out) {
    constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15ull;  // odd: 2^64 / golden ratio
    const std::size_t windows = count - static_cast<std::size_t>(n) + 1;
    for (std::size_t i = 0; i < windows; ++i) out[i] = words[i] * kMultiplier;
    for (int k = 1; k < n; ++k)
        for (std::size_t i = 0; i < windows; ++i) {
            const std::uint64_t h = out[i] ^ words[i + k];
            out[i] = (h ^ (h >> 29)) * kMultiplier;
        }
    for (std::size_t i = 0; i < windows; ++i) out[i] ^= out[i] >> 32;
}
