// UTF-8, character classes and lower case, shared by the counter and by words.
//
// The tables are generated (generate_unicode_tables.py) and looked up in two stages: block of 128
// code points, then the character. Both look-ups are constant time; the tables take 66 kB.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/text/unicode_tables.hpp"

namespace ctxmem {

// What the pre-tokenisers of cl100k_base and o200k_base distinguish.
enum class CharClass : std::uint8_t {
    other = 0,    // punctuation, symbols, controls, unassigned
    upper = 1,    // Lu, Lt
    lower = 2,    // Ll
    letter = 3,   // Lm, Lo: letters without case
    mark = 4,     // M
    number = 5,   // N
    space = 6,    // \s except the two below
    newline = 7,  // \r and \n
};

constexpr std::uint8_t kSpaceless = 8;  // flag: a letter of a script without spaces between words

struct CodePoint {
    char32_t value;
    std::uint32_t size;  // bytes read, 1 to 4
};

// Decode the code point at `at`. Requires at < text.size() and valid UTF-8, as CPython's UTF-8 views
// are; a truncated tail is read as far as it goes, never beyond.
inline CodePoint decode(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) return {lead, 1};
    const std::size_t left = text.size() - at;
    const char* bytes = text.data() + at;
    char tail[4];
    if (left < 4) {
        for (std::size_t i = 0; i < 4; ++i) tail[i] = i < left ? bytes[i] : '\0';
        bytes = tail;
    }
    const auto byte = [&](std::size_t i) -> char32_t {
        return static_cast<unsigned char>(bytes[i]) & 0x3Fu;
    };
    const auto capped = [&](std::uint32_t size) {
        return size < left ? size : static_cast<std::uint32_t>(left);
    };
    if (lead < 0xE0) return {(lead & 0x1Fu) << 6 | byte(1), capped(2)};
    if (lead < 0xF0) return {(lead & 0x0Fu) << 12 | byte(1) << 6 | byte(2), capped(3)};
    return {(lead & 0x07u) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3), capped(4)};
}

// The class with its flags, as it is in the table.
inline std::uint8_t class_byte(char32_t c) {
    return c < 0x110000 ? tables::kClassBlocks[tables::kClassIndex[c >> 7] * 128u + (c & 127u)] : 0;
}

inline CharClass char_class(char32_t c) { return static_cast<CharClass>(class_byte(c) & 7); }

inline char32_t lower_case(char32_t c) {
    if (c >= 0x110000) return c;
    const std::int32_t delta =
        tables::kLowerBlocks[tables::kLowerIndex[c >> 7] * 128u + (c & 127u)];
    return static_cast<char32_t>(static_cast<std::int32_t>(c) + delta);
}

// Append a code point as UTF-8.
inline void append_utf8(char32_t c, std::vector<char>& out) {
    const auto push = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (c < 0x80) {
        push(c);
    } else if (c < 0x800) {
        push(0xC0 | c >> 6);
        push(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        push(0xE0 | c >> 12);
        push(0x80 | (c >> 6 & 0x3F));
        push(0x80 | (c & 0x3F));
    } else {
        push(0xF0 | c >> 18);
        push(0x80 | (c >> 12 & 0x3F));
        push(0x80 | (c >> 6 & 0x3F));
        push(0x80 | (c & 0x3F));
    }
}

}  // namespace ctxmem
