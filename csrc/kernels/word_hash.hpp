// The keyed 64-bit hash of a word, the same wherever it is computed with one key. Its functions are
// static, so that each CPU level has its own.
//
// Two blocks of eight bytes, each hidden by a secret word, are multiplied, and the halves of the
// product are combined (the folded multiplication of wyhash, Wang Yi 2019). Whoever does not know the
// key cannot choose words of equal hash, nor words whose hashes share their upper bits.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace ctxmem {

// Secret words. core/support/secret.hpp makes them.
struct WordKey {
    std::uint64_t words[4];
};

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

// The lower half of a product combined with the upper half.
static inline std::uint64_t fold_product(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#elif defined(_MSC_VER) && defined(_M_X64)
    std::uint64_t high;
    const std::uint64_t low = _umul128(a, b, &high);
    return low ^ high;
#else
    return a * b ^ __umulh(a, b);
#endif
}

// The hash of a word that continues a hash, as of a character or of a token.
static inline std::uint64_t mix_word(std::uint64_t hash, std::uint64_t block, const WordKey& key) {
    return fold_product(block ^ key.words[1], hash ^ key.words[2]);
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

// The bytes of a word by sixteens, of which the last are mixed even if some are empty, so that nearly
// all words take one path without a branch. `fold` lower-cases. Reads up to 15 bytes past the word.
static inline std::uint64_t hash_word(const char* at, std::size_t size, std::uint64_t fold,
                                      const WordKey& key) {
    std::uint64_t hash = key.words[0] + size;
    while (size > 16) {
        const std::uint64_t first = load_bytes(at) | fold;
        const std::uint64_t second = load_bytes(at + 8) | fold;
        hash = fold_product(first ^ key.words[1], second ^ hash) + key.words[3];
        at += 16;
        size -= 16;
    }
    const std::uint64_t first = (load_bytes(at) | fold) & kKept.first[size];
    const std::uint64_t second = (load_bytes(at + 8) | fold) & kKept.second[size];
    hash = fold_product(first ^ key.words[2], second ^ hash);
    return hash ^ (hash >> 29);
}

}  // namespace ctxmem
