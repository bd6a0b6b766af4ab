// Between which adjacent characters a merge can reach across: where a long piece may be cut.
//
// If no token of the vocabulary covers bytes on both sides of a border within a piece, no merge
// ever joins them. Merges on one side then neither see nor change what is on the other, so the
// piece has the tokens of its two parts. Most pairs of Chinese characters are not within any token
// (o200k knows 21,000 pairs of the hundreds of millions there are), so pieces of dozens of
// characters fall into parts of one to four, which repeat within a language as words do and are
// found in a cache.
//
// The pairs are kept in a bitmap by hash, one bit each (Bloom 1970, with one hash): a pair that
// shares another's bit counts as joined, which costs a cut and never a wrong one. A token occurs in
// valid UTF-8 only as the end of a character (maybe none), whole characters, and the beginning of
// one (maybe none); where it reaches from one character to the next it contains
//   - both whole: the pair is noted;
//   - the first one's end only, or the second one's beginning only (some hundred tokens): noted by
//     the one that is whole and the adjacent byte of the other. A table by the two bytes at the
//     border says whether such tokens are to be looked for.
// ASCII next to ASCII counts as joined: words of a few letters are encoded whole.
//
// Noting is linear in the bytes of the vocabulary (4 ms for o200k), a look-up constant; 72 kB.
#pragma once
#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/tokenizer/vocabulary.hpp"

namespace ctxmem {

class CharacterPairs {
public:
    CharacterPairs() : bits_(std::size_t{1} << (kBits - 6)) {}

    // Every token of the vocabulary is to be noted, in any order, before the first look-up.
    void note(std::string_view token);

    // The first border between characters of piece[at, size), behind `at`, that no token reaches
    // across; `size` if there is none. Requires valid UTF-8 and that a character begins at `at`.
    std::size_t next_cut(const char* piece, std::size_t at, std::size_t size) const {
        std::size_t width = width_at(piece, at, size);
        std::uint32_t left = load(piece + at, width, size - at);
        for (at += width; at < size; at += width) {
            if (left < 0x80 && size - at > 8) {
                std::uint64_t eight = 0;
                std::memcpy(&eight, piece + at, 8);
                if ((eight & 0x8080808080808080ull) == 0) {
                    left = static_cast<std::uint32_t>(eight >> 56);
                    width = 8;
                    continue;
                }
            }
            width = width_at(piece, at, size);
            const std::uint32_t right = load(piece + at, width, size - at);
            if (!may_join(left, right, piece[at - 1], piece[at])) return at;
            left = right;
        }
        return size;
    }

private:
    static constexpr unsigned kBits = 19;

    static std::size_t width_at(const char* piece, std::size_t at, std::size_t size) {
        return std::min(character_size(piece[at]), size - at);
    }
    // A character by its bytes; `left` bytes may be read.
    static std::uint32_t load(const char* bytes, std::size_t width, std::size_t left) {
        constexpr std::array<std::uint32_t, 5> kMasks = {0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF};
        std::uint32_t character = 0;
        if (left < 4) {
            std::memcpy(&character, bytes, width);
            return character;
        }
        std::memcpy(&character, bytes, 4);
        return character & kMasks[width];
    }

    static std::size_t index(std::uint32_t left, std::uint32_t right) {
        return (left * 0x9E3779B1u ^ (right * 0x85EBCA6Bu + (right >> 16))) * 0xC2B2AE35u >>
               (32 - kBits);
    }
    static std::size_t two_bytes(char x, char y) {
        return static_cast<unsigned char>(x) | std::size_t{static_cast<unsigned char>(y)} << 8;
    }
    // Parts of characters have numbers that no character has as its bytes.
    static std::uint32_t ending_in(char byte) { return 0xFFFFFF00u | static_cast<unsigned char>(byte); }
    static std::uint32_t beginning_with(char byte) { return 0xFEFFFF00u | static_cast<unsigned char>(byte); }

    bool test(std::uint32_t left, std::uint32_t right) const {
        const std::size_t i = index(left, right);
        return bits_[i / 64] >> i % 64 & 1;
    }
    void set(std::uint32_t left, std::uint32_t right) {
        const std::size_t i = index(left, right);
        bits_[i / 64] |= std::uint64_t{1} << i % 64;
    }

    // `x` and `y` are the bytes at the border.
    bool may_join(std::uint32_t left, std::uint32_t right, char x, char y) const {
        if ((left | right) < 0x80 || test(left, right)) return true;
        if (!torn_[two_bytes(x, y)]) return false;
        return test(ending_in(x), right) || test(left, beginning_with(y)) ||
               test(ending_in(x), beginning_with(y));
    }

    std::vector<std::uint64_t> bits_;
    std::bitset<65536> torn_;
};

inline void CharacterPairs::note(std::string_view token) {
    char any = 0;
    for (const char byte : token) any |= byte;
    if (any >= 0) return;  // ASCII
    std::size_t at = 0;
    while (at < token.size() && is_continuation(token[at])) ++at;
    std::uint32_t left = at > 0 ? ending_in(token[at - 1]) : 0;
    bool whole = at == 0;  // whether `left` is a whole character
    for (bool first = at == 0; at < token.size(); first = false) {
        const std::size_t width = character_size(token[at]);
        const bool ends = width <= token.size() - at;
        const std::uint32_t right =
            ends ? load(token.data() + at, width, token.size() - at) : beginning_with(token[at]);
        if (!first) {
            if (!whole || !ends) torn_.set(two_bytes(token[at - 1], token[at]));
            if ((left | right) >= 0x80) set(left, right);
        }
        if (!ends) return;
        left = right;
        whole = true;
        at += width;
    }
}

}  // namespace ctxmem
