// The tokens of a byte-pair vocabulary: bytes -> token, straight from the bytes of a file.
//
// A token of at most 15 bytes is packed with its length into 128 bits and compared whole; longer
// ones, 5 % of o200k, lie in one string. The hash table follows Swiss tables (Kulukundis 2017): one
// tag byte a place, sixteen compared at once, so that most misses cost one look at 256 kB of tags;
// what is known of a token lies in one place of 32 bytes, so that a hit costs one cache line more.
// Look-ups are constant time but for hashing the bytes; o200k takes 9 MB.
//
// Packed vocabularies come with the package (generate_vocabularies.py writes them). Ranks are
// 0, 1, 2..., and the first 256 tokens are the single bytes; every other token is stored as its
// last merge, two tokens of lower rank, in five planes of bytes, which compress well in a wheel and
// are read as they are. Numbers are little-endian:
//
//   at    bytes
//   0     8      "CTXMBPE" and the version, 1
//   8     4      n, the number of tokens; at most 2^20
//   12    32     SHA-256 of the published .tiktoken file, whose lines can be rebuilt
//   44    256    the bytes that tokens 0 to 255 are
//   300   5 m    m = n - 256, the number of merges. Bits 0-7 of the left token of each merge; bits
//                0-7 of the right; bits 8-15 of the left; bits 8-15 of the right; bits 16-19 of the
//                left, with those of the right above them
//   ...   4      CRC-32 (as in zlib) of all before
#pragma once
#include <array>
#include <atomic>
#include <bit>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/support/huge_page_array.hpp"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define CTXMEM_SSE2 1
#endif

namespace ctxmem {

static_assert(std::endian::native == std::endian::little, "keys are packed little-endian");

// Up to 15 bytes and their number. `high` holds the number in bits 56-59; bits 60-63 are free.
struct BytesKey {
    std::uint64_t low;
    std::uint64_t high;
    bool operator==(const BytesKey& other) const { return low == other.low && high == other.high; }
};
constexpr std::size_t kPacked = 15;    // bytes that a key holds
constexpr std::size_t kReadable = 16;  // bytes that key_of_readable reads

namespace detail {
struct Mask {
    std::uint64_t low, high;
};
constexpr auto kMasks = [] {
    std::array<Mask, 16> masks{};
    for (unsigned n = 0; n < 16; ++n)
        masks[n] = {n >= 8 ? ~0ull : (1ull << 8 * n) - 1, n <= 8 ? 0 : (1ull << 8 * (n - 8)) - 1};
    return masks;
}();

inline std::uint64_t load64(const char* bytes) {
    std::uint64_t word;
    std::memcpy(&word, bytes, 8);
    return word;
}

// Up to 8 bytes as a number; no byte beyond them is read.
inline std::uint64_t load_up_to_8(const char* bytes, std::size_t size) {
    if (size == 8) return load64(bytes);
    if (size >= 4) {
        std::uint32_t first, last;
        std::memcpy(&first, bytes, 4);
        std::memcpy(&last, bytes + size - 4, 4);
        return first | std::uint64_t{last} << 8 * (size - 4);
    }
    if (size == 0) return 0;
    const auto byte = [&](std::size_t i) {
        return std::uint64_t{static_cast<unsigned char>(bytes[i])};
    };
    return byte(0) | byte(size / 2) << 8 * (size / 2) | byte(size - 1) << 8 * (size - 1);
}
}  // namespace detail

// Of a byte of UTF-8: whether it continues a character, and how many bytes the one it begins has.
inline bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }
inline std::size_t character_size(char lead) {
    const auto byte = static_cast<unsigned char>(lead);
    return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// The key of `size` bytes. Requires size <= kPacked and kReadable bytes at `bytes`.
inline BytesKey key_of_readable(const char* bytes, std::size_t size) {
    BytesKey key;
    std::memcpy(&key, bytes, 16);
    key.low &= detail::kMasks[size].low;
    key.high = (key.high & detail::kMasks[size].high) | std::uint64_t{size} << 56;
    return key;
}

// The same for bytes that end with their memory; without a copy of variable size, which is a call.
inline BytesKey key_of(const char* bytes, std::size_t size) {
    const std::uint64_t number = std::uint64_t{size} << 56;
    if (size <= 8) return {detail::load_up_to_8(bytes, size), number};
    return {detail::load64(bytes), detail::load64(bytes + size - 8) >> 8 * (16 - size) | number};
}

// Good in its upper 40 bits, which is where users take their bits from.
inline std::uint64_t hash_of(const BytesKey& key) {
    return key.low * 0x9E3779B97F4A7C15ull + (key.high ^ key.low >> 32) * 0xD6E8FEB86659FD93ull;
}

// Where a token lies in the table. Its rank is in its Entry.
using Token = std::uint32_t;
constexpr Token kNoToken = 0xFFFFFFFFu;
using Rank = std::uint32_t;
constexpr Rank kNoRank = 0xFFFFFFFFu;

class Vocabulary {
public:
    struct Entry {
        BytesKey key;  // of a token of more than kPacked bytes: where they are; high is 0
        Rank rank;
        std::uint32_t size;  // in bytes
        // For the counter: how the token is made, once found out. Zero at first.
        mutable std::atomic<std::uint64_t> made;
    };

    static constexpr Rank kRanks = Rank{1} << 28;  // ranks are below

    // How a token is made, as one word for Entry::made: two tokens, and above them the kind.
    static constexpr unsigned kTokenBits = 30;
    static constexpr std::uint64_t kMerged = 3;  // the kind of a token that its last merge makes

    // A packed vocabulary, or lines of base64(token), a space, and its rank, ranks ascending or
    // not. In a packed one it is known from the start how tokens are made.
    // Throws std::invalid_argument on a damaged line, a token or rank given twice, a token of more
    // than 255 bytes, a rank of 2^28 or more, or unless every single byte is a token; and on packed
    // data of another version, size or checksum, or with a token made of a later one.
    explicit Vocabulary(std::string_view file);

    // Tokens in the order of their ranks, which are 0, 1, 2...
    // Throws std::invalid_argument on a token that is empty, has more than 255 bytes or is given
    // twice, on more tokens than ranks, or unless every single byte is a token.
    explicit Vocabulary(std::span<const std::string_view> tokens);

    std::size_t size() const { return size_; }
    std::size_t longest() const { return longest_; }

    const Entry& operator[](Token token) const { return entries_[token]; }

    // Tokens are below this; where there is none, the size of the Entry is 0.
    std::size_t places() const { return mask_ + 1; }

    Token find(const BytesKey& key) const { return find(key, hash_of(key)); }

    Token find(const BytesKey& key, std::uint64_t hash) const {
        return probe(hash, [&](const Entry& entry) { return entry.key == key; });
    }

    // Any bytes, by their address.
    Token find(const char* bytes, std::size_t size) const {
        return size <= kPacked ? find(key_of(bytes, size)) : find_long(bytes, size);
    }

    // The same where kReadable bytes may be read at the address.
    Token find_readable(const char* bytes, std::size_t size) const {
        return size <= kPacked ? find(key_of_readable(bytes, size)) : find_long(bytes, size);
    }

    // The bytes of a token; valid as long as the vocabulary.
    std::string_view bytes(Token token) const {
        const Entry& entry = entries_[token];
        if (entry.size <= kPacked) return {reinterpret_cast<const char*>(&entry.key), entry.size};
        return {long_bytes_.data() + entry.key.low, entry.size};
    }

    // What lengths tokens with the given first three bytes have: one bit each from 3 to 30; bit 31
    // says that there are longer ones, up to longest_after. Others may be among them: the table is
    // hashed.
    std::uint32_t lengths_after(const char* bytes) const { return lengths_after_[prefix(bytes)]; }
    std::size_t longest_after(const char* bytes) const { return longest_after_[prefix(bytes)]; }

    // Tokens seldom begin or end inside a character of several bytes and go beyond it (800 of o200k
    // do). Whether one begins inside a character that ends with byte `x` and goes on with `y`; and
    // whether one ends inside a character that begins with `y`, and has `x` before it.
    bool torn_at_begin(char x, char y) const { return torn_at_begin_[two_bytes(x, y)]; }
    bool torn_at_end(char x, char y) const { return torn_at_end_[two_bytes(x, y)]; }

private:
    static constexpr std::size_t kGroup = 16;
    static constexpr std::size_t kPrefixes = 1 << 16;

    static std::size_t prefix(const char* bytes) {
        // Put together by hand: gcc copies three bytes in two stores, and a load of both waits.
        std::uint32_t three = 0;
        for (unsigned i = 0; i < 3; ++i)
            three |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << 8 * i;
        return three * 0x9E3779B1u >> 16;
    }

    static std::size_t two_bytes(char x, char y) {
        return static_cast<unsigned char>(x) | std::size_t{static_cast<unsigned char>(y)} << 8;
    }

    static std::uint8_t tag_of(std::uint64_t hash) {
        return static_cast<std::uint8_t>(hash >> 32 | 0x80);
    }

    // One bit for each of the sixteen tags at `at` that equals `tag`.
    unsigned equal_tags(std::size_t at, std::uint8_t tag) const {
#ifdef CTXMEM_SSE2
        const __m128i tags = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags_.data() + at));
        return static_cast<unsigned>(
            _mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8(static_cast<char>(tag)))));
#else
        unsigned bits = 0;
        for (unsigned i = 0; i < kGroup; ++i) bits |= unsigned{tags_[at + i] == tag} << i;
        return bits;
#endif
    }

    template <class Same>
    Token probe(std::uint64_t hash, Same same) const {
        const std::uint8_t tag = tag_of(hash);
        for (std::size_t at = hash >> shift_;; at = (at + kGroup) & mask_) {
            for (unsigned hits = equal_tags(at, tag); hits != 0; hits &= hits - 1) {
                const std::size_t place = (at + std::countr_zero(hits)) & mask_;
                if (same(entries_[place])) return static_cast<Token>(place);
            }
            // The table is never full, so an empty place ends every search.
            if (equal_tags(at, 0) != 0) return kNoToken;
        }
    }

    struct Line;
    void read_lines(std::string_view file);
    void read_packed(std::string_view data);
    template <class Note>
    void fill(std::span<const Line> lines, const char* bytes, Note note);
    void make_room(std::size_t tokens);
    void note_lengths(const char* bytes, std::uint32_t size);
    Token find_long(const char* bytes, std::size_t size) const;
    void note_torn(std::string_view bytes);
    Token insert(std::uint64_t hash, const BytesKey& key, Rank rank, std::uint32_t size);

    std::vector<std::uint8_t> tags_;  // 0 is empty; the first sixteen are repeated at the end
    // Entries exist where there is a tag, and nowhere else, so that most of their memory is first
    // written when it is needed. They begin at a cache line, so that none lies in two.
    HugePageArray<unsigned char> memory_;
    Entry* entries_ = nullptr;
    std::string long_bytes_;
    std::vector<std::uint32_t> lengths_after_;
    std::vector<std::uint8_t> longest_after_;
    std::bitset<65536> torn_at_begin_, torn_at_end_;
    std::size_t size_ = 0;
    std::size_t mask_ = 0;
    unsigned shift_ = 0;
    std::size_t longest_ = 0;
};

}  // namespace ctxmem
