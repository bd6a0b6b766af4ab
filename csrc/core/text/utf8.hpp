// Whether bytes from outside are UTF-8 (RFC 3629): no overlong forms, no surrogates. Linear.
#pragma once
#include <cstddef>
#include <string_view>

#include "core/text/unicode.hpp"

namespace ctxmem {

inline bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || size > text.size() - at) return false;
        for (std::size_t i = 1; i < size; ++i)
            if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return false;
        const char32_t c = decode(text, at).value;
        if ((size == 3 && c < 0x800) || (size == 4 && (c < 0x10000 || c >= 0x110000))) return false;
        if (c >= 0xD800 && c < 0xE000) return false;
        at += size;
    }
    return true;
}

}  // namespace ctxmem
