// The 64-bit hash of a word, the same wherever it is computed. Its functions are static, so that each
// CPU level has its own.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ctxmem {

constexpr std::uint64_t kWordHashFirst = 0x243F6A8885A308D3ull;       // digits of pi
constexpr std::uint64_t kWordHashMultiplier = 0xD6E8FEB86659FD93ull;  // odd, well spread bits
constexpr std::uint64_t kLowerCase =
    0x2020202020202020ull;              // or-ed in, it lower-cases ASCII letters
constexpr std::size_t kWordSlack = 16;  // what hash_word may read past a word

static inline std::uint64_t load_bytes(const char* at) {
    std::uint64_t block;
#if defined(_MSC_VER) && !defined(__clang__)
    block = *reinterpret_cast<const std::uint64_t __unaligned*>(at);
#else
    __builtin_memcpy(&block, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    block = __builtin_bswap64(block);
#endif
#endif
    return block;
}

static inline std::uint64_t mix_word(std::uint64_t hash, std::uint64_t block) {
    hash = (hash ^ block) * kWordHashMultiplier;
    return hash ^ (hash >> 32);
}

// Which bytes of two blocks belong to a word of this many bytes, at most 16.
struct KeptBytes {
    std::uint64_t first[17];
    std::uint64_t second[17];
};
constexpr KeptBytes kept_bytes() {
    KeptBytes kept{};
    for (std::size_t size = 1; size <= 16; ++size) {
        kept.first[size] = size <= 8 ? kept.first[size - 1] << 8 | 0xFF : ~std::uint64_t{0};
        kept.second[size] = size <= 8 ? 0 : kept.second[size - 1] << 8 | 0xFF;
    }
    return kept;
}
static constexpr KeptBytes kKept = kept_bytes();

// The bytes of a word by eights, of which the last but one and the last are mixed even if empty, so
// that nearly all words take one path without a branch. `fold` lower-cases.
// Reads up to 15 bytes past the word.
static inline std::uint64_t hash_word(const char* at, std::size_t size, std::uint64_t fold) {
    std::uint64_t hash = kWordHashFirst ^ size;
    while (size > 16) {
        hash = mix_word(hash, load_bytes(at) | fold);
        at += 8;
        size -= 8;
    }
    hash = mix_word(hash, (load_bytes(at) | fold) & kKept.first[size]);
    hash = (hash ^ ((load_bytes(at + 8) | fold) & kKept.second[size])) * kWordHashMultiplier;
    return hash ^ (hash >> 29);
}

}  // namespace ctxmem
