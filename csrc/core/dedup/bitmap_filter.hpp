// A bound on what two sets share, from 64 bytes of each (bitmap filter: Sandes, Teodoro and Melo 2020).
//
// A bit for each of 512 classes of hashes says whether the set has an odd number of them. Where the
// bits of two sets differ, one has a hash that the other has not; so they differ in as many hashes at
// least. For sets of up to some hundreds it costs a hundredth of a comparison.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ctxmem {

struct BitmapFilter {
    std::uint64_t words[8];

    static BitmapFilter of(std::span<const std::uint64_t> hashes) {
        BitmapFilter bitmaps{};
        for (const std::uint64_t hash : hashes)
            bitmaps.words[hash >> 6 & 7] ^= std::uint64_t{1} << (hash & 63);
        return bitmaps;
    }

    // The most hashes that two sets of these sizes can share.
    static std::uint32_t most_shared(const BitmapFilter& a, std::uint32_t a_size,
                                     const BitmapFilter& b, std::uint32_t b_size) {
        int differ = 0;
        for (std::size_t i = 0; i < 8; ++i) differ += std::popcount(a.words[i] ^ b.words[i]);
        return (a_size + b_size - static_cast<std::uint32_t>(differ)) / 2;
    }
};

}  // namespace ctxmem
