// Base64 (RFC 4648, section 4), with its padding.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ctxmem {

constexpr std::uint8_t kNotBase64 = 0x80;
constexpr auto kBase64 = [] {
    std::array<std::uint8_t, 256> table{};
    for (auto& value : table) value = kNotBase64;
    const char* alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::uint8_t i = 0; i < 64; ++i) table[static_cast<unsigned char>(alphabet[i])] = i;
    return table;
}();

// Decode the base64 that begins at `at`, and move `at` behind it. Returns the number of bytes, 0 if
// there is none there. Requires room in `out` for three bytes more than are decoded.
inline std::size_t decode_base64_at(std::string_view text, std::size_t& at, char* out) {
    const char* begin = out;
    const auto peek = [&](std::size_t ahead) {
        return at + ahead < text.size() ? text[at + ahead] : '\0';
    };
    const auto sixtet = [&](std::size_t ahead) {
        return kBase64[static_cast<unsigned char>(peek(ahead))];
    };
    for (;;) {
        const std::uint8_t a = sixtet(0), b = sixtet(1), c = sixtet(2), d = sixtet(3);
        const std::uint32_t bits = std::uint32_t{a} << 18 | std::uint32_t{b} << 12 |
                                   std::uint32_t{c & 63u} << 6 | (d & 63u);
        if (((a | b) & kNotBase64) != 0) return static_cast<std::size_t>(out - begin);
        out[0] = static_cast<char>(bits >> 16);
        out[1] = static_cast<char>(bits >> 8);
        out[2] = static_cast<char>(bits);
        if (((c | d) & kNotBase64) == 0) {
            out += 3;
            at += 4;
            continue;
        }
        if (peek(3) != '=' || (c == kNotBase64 && peek(2) != '=')) return 0;
        at += 4;
        return static_cast<std::size_t>(out - begin) + (c == kNotBase64 ? 1 : 2);
    }
}

// The bytes of a text that is base64 from its first character to its last, else nothing.
inline std::optional<std::string> decode_base64(std::string_view text) {
    std::string bytes(text.size() / 4 * 3 + 3, '\0');
    std::size_t at = 0;
    bytes.resize(decode_base64_at(text, at, bytes.data()));
    if (at != text.size()) return {};
    return bytes;
}

}  // namespace ctxmem
