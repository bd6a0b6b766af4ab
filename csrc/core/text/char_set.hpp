// Sets of code points: what a class of a regular expression accepts.
//
// A CharSet is ranges in order, for the algebra of classes; it is made when a pattern is compiled.
// A CharTest answers whether a character belongs to a set: a bit a character for ASCII, and above it
// two stages, blocks of 256 code points and a bit each, equal blocks once. Constant time; 9 kB for a
// set and 32 bytes for each block that is unlike the others.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/text/category_tables.hpp"

namespace ctxmem {

using tables::CharRange;

constexpr char32_t kLastCodePoint = 0x10FFFF;

class CharSet {
public:
    CharSet() = default;
    CharSet(std::initializer_list<CharRange> ranges);
    explicit CharSet(std::span<const CharRange> ranges);

    static CharSet all() { return {{0, kLastCodePoint}}; }
    // Of a name as \p{...} has it: a category, its first letter, or a script. Empty for an unknown
    // name; no category or script that has a name is empty.
    static CharSet named(std::string_view name);
    static CharSet space();

    const std::vector<CharRange>& ranges() const { return ranges_; }
    bool empty() const { return ranges_.empty(); }
    bool contains(char32_t c) const;
    CharSet inverse() const;
    CharSet operator|(const CharSet& other) const;
    CharSet operator&(const CharSet& other) const;
    CharSet operator-(const CharSet& other) const { return *this & other.inverse(); }
    bool operator==(const CharSet& other) const;

private:
    std::vector<CharRange> ranges_;  // ascending, none touches the next
};

class CharTest {
public:
    explicit CharTest(const CharSet& set);

    bool operator()(char32_t c) const {
        if (c < 128) return ascii_[c >> 6] >> (c & 63) & 1;
        if (c > kLastCodePoint) return false;
        return blocks_[index_[c >> 8] * 4u + (c >> 6 & 3)] >> (c & 63) & 1;
    }

private:
    std::uint64_t ascii_[2] = {};
    std::vector<std::uint16_t> index_;
    std::vector<std::uint64_t> blocks_;
};

}  // namespace ctxmem
