// Classes of ASCII characters, whatever the locale.
#pragma once
#include <string_view>

namespace ctxmem {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_alpha(char c) { return is_lower(c) || is_upper(c); }

// text.starts_with(word), for loops over many words: nearly all differ in the first byte, and a
// comparison of it costs less than a call. Requires a word that is not empty.
inline bool opens(std::string_view text, std::string_view word) {
    return !text.empty() && text[0] == word[0] && text.starts_with(word);
}

}  // namespace ctxmem
