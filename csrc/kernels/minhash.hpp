// MinHash (Broder 1997): for each of k functions, the least value it takes on a set of hashes.
//
// The functions are x -> a x + b modulo 2^32 with odd a: one multiplication and one addition a lane,
// and many lanes at once. On real pairs their error is that of theory (.036 at k = 128), and nothing
// cleverer was faster where |set| is about k. Included by level.cpp only.
static void minhash(const std::uint64_t* __restrict hashes, std::size_t count,
                    const std::uint32_t* __restrict a, const std::uint32_t* __restrict b,
                    std::size_t k, std::uint32_t* __restrict out) {
    // A tile of functions stays in registers while the hashes go by.
    constexpr std::size_t kTile = 64;
    for (std::size_t tile = 0; tile < k; tile += kTile) {
        std::uint32_t least[kTile];
        for (std::size_t i = 0; i < kTile; ++i) least[i] = 0xFFFFFFFFu;
        for (std::size_t j = 0; j < count; ++j) {
            const auto x = static_cast<std::uint32_t>(hashes[j] >> 32);
            for (std::size_t i = 0; i < kTile; ++i) {
                const std::uint32_t value = a[tile + i] * x + b[tile + i];
                least[i] = value < least[i] ? value : least[i];
            }
        }
        for (std::size_t i = 0; i < kTile; ++i) out[tile + i] = least[i];
    }
}
