// GPT-2's letters for bytes (Radford et al. 2019): printable characters of Latin-1 are themselves,
// the other 68 bytes are U+0100 to U+0143 in their order.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/text/unicode.hpp"

namespace ctxmem {

constexpr std::array<char16_t, 256> kLetterOfByte = [] {
    std::array<char16_t, 256> letters{};
    char16_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
                               (byte >= 0xAE && byte <= 0xFF);
        letters[byte] = printable ? static_cast<char16_t>(byte) : next++;
    }
    return letters;
}();

constexpr std::array<std::int16_t, 0x144> kByteOfLetter = [] {
    std::array<std::int16_t, 0x144> bytes{};
    for (auto& byte : bytes) byte = -1;
    for (unsigned byte = 0; byte < 256; ++byte)
        bytes[kLetterOfByte[byte]] = static_cast<std::int16_t>(byte);
    return bytes;
}();

// The letter of a byte as UTF-8.
inline std::string letter_of_byte(unsigned char byte) {
    const char16_t letter = kLetterOfByte[byte];
    if (letter < 0x80) return {static_cast<char>(letter)};
    return {static_cast<char>(0xC0 | letter >> 6), static_cast<char>(0x80 | (letter & 0x3F))};
}

// The bytes that letters spell, or none if some character is no letter of a byte.
inline std::optional<std::string> bytes_of_letters(std::string_view letters) {
    std::string bytes;
    for (std::size_t at = 0; at < letters.size();) {
        const CodePoint letter = decode(letters, at);
        if (letter.value >= kByteOfLetter.size() || kByteOfLetter[letter.value] < 0) return {};
        bytes.push_back(static_cast<char>(kByteOfLetter[letter.value]));
        at += letter.size;
    }
    return bytes;
}

}  // namespace ctxmem
