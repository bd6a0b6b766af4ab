// The counts of pieces seen lately, by their very bytes, so that no two are ever confused.
//
// Two direct-mapped tables: pieces of up to 15 bytes as 128-bit keys with the count in their free
// bits (1 MB, which fits a level-2 cache and answers for most of a usual text), and pieces of 16 to
// 32 bytes as their first and last sixteen bytes, which overlap (0.6 MB). A look-up is constant
// time; a newer piece replaces the one in its slot.
//
// A part cut from a piece may count otherwise than a piece of the same bytes does (a whole piece
// that is a token may count as one though no merges make it), so its key is another: the highest
// bit of its first byte is flipped, which is valid UTF-8 for no piece.
//
// Byte pairs look slots up themselves, with keys that they need anyway; other models use get().
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/tokenizer/vocabulary.hpp"

namespace ctxmem {

class PieceCache {
public:
    static constexpr std::size_t kLong = 32;      // bytes of the longest pieces that are kept
    static constexpr std::uint64_t kPart = 0x80;  // flips the key of a piece into that of a part

    // A key and, in its free bits, the count; an empty slot has size 0, which no piece has.
    BytesKey& short_slot(std::uint64_t hash) { return short_[hash >> (64 - kShortBits)]; }
    static bool holds(const BytesKey& slot, const BytesKey& key) {
        return ((slot.low ^ key.low) | ((slot.high ^ key.high) & ~kCountBits)) == 0;
    }
    static std::int64_t count_of(const BytesKey& slot) {
        return static_cast<std::int64_t>(slot.high >> 60);
    }
    // Requires at most 15 tokens, as 15 bytes are.
    static BytesKey slot_of(const BytesKey& key, std::int64_t tokens) {
        return {key.low, key.high | static_cast<std::uint64_t>(tokens) << 60};
    }

    struct LongSlot {
        BytesKey first, last;
        std::uint32_t size;
        std::uint32_t tokens;
        bool holds(const LongSlot& key) const {
            return ((first.low ^ key.first.low) | (first.high ^ key.first.high) |
                    (last.low ^ key.last.low) | (last.high ^ key.last.high) | (size ^ key.size)) ==
                   0;
        }
    };
    // Requires kPacked < size <= kLong.
    static LongSlot long_key(const char* bytes, std::size_t size, std::uint64_t mark) {
        LongSlot key{};
        std::memcpy(&key.first, bytes, 16);
        std::memcpy(&key.last, bytes + size - 16, 16);
        key.first.low ^= mark;
        key.size = static_cast<std::uint32_t>(size);
        return key;
    }
    LongSlot& long_slot(const LongSlot& key) {
        const std::uint64_t hash =
            (hash_of(key.first) ^ hash_of(key.last) >> 17 ^ key.size) * 0x9FB21C651E98DF25ull;
        return long_[hash >> (64 - kLongBits)];
    }

    // The count of a piece of 1 to kLong bytes: as kept, or as count() gives it.
    template <class Count>
    std::int64_t get(std::string_view piece, Count count) {
        if (piece.size() <= kPacked) {
            const BytesKey key = key_of(piece.data(), piece.size());
            BytesKey& slot = short_slot(hash_of(key));
            if (holds(slot, key)) return count_of(slot);
            const std::int64_t tokens = count();
            if (tokens < 16) slot = slot_of(key, tokens);  // a byte may be more than one token
            return tokens;
        }
        LongSlot key = long_key(piece.data(), piece.size(), 0);
        LongSlot& slot = long_slot(key);
        if (slot.holds(key)) return slot.tokens;
        const std::int64_t tokens = count();
        key.tokens = static_cast<std::uint32_t>(tokens);
        slot = key;
        return tokens;
    }

private:
    static constexpr unsigned kShortBits = 16;
    static constexpr unsigned kLongBits = 14;
    static constexpr std::uint64_t kCountBits = std::uint64_t{0xF} << 60;

    std::vector<BytesKey> short_ = std::vector<BytesKey>(std::size_t{1} << kShortBits);
    std::vector<LongSlot> long_ = std::vector<LongSlot>(std::size_t{1} << kLongBits);
};

}  // namespace ctxmem
