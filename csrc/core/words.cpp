#include "core/words.hpp"

#include <array>

#include "core/unicode.hpp"

namespace ctxmem {
namespace {

constexpr std::uint64_t kSeed = 0x243F6A8885A308D3ull;        // digits of pi
constexpr std::uint64_t kMultiplier = 0xD6E8FEB86659FD93ull;  // odd, well spread bits

inline std::uint64_t add(std::uint64_t hash, char32_t c) {
    hash = (hash ^ c) * kMultiplier;
    return hash ^ (hash >> 32);
}

// The lower-cased character for ASCII word characters, 0 for ASCII separators.
constexpr std::array<unsigned char, 128> ascii_words() {
    std::array<unsigned char, 128> table{};
    for (unsigned char c = 0; c < 128; ++c) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) table[c] = c;
        if (c >= 'A' && c <= 'Z') table[c] = static_cast<unsigned char>(c + 32);
    }
    return table;
}
constexpr auto kAscii = ascii_words();

}  // namespace

void split_words(std::string_view utf8, std::vector<std::uint64_t>& out) {
    std::uint64_t hash = kSeed;
    bool inside = false;     // a word is open
    bool spaceless = false;  // the open word is a letter of a spaceless script: only marks extend it
    const auto close = [&] {
        if (inside) out.push_back(hash);
        hash = kSeed;
        inside = spaceless = false;
    };
    for (std::size_t at = 0; at < utf8.size();) {
        const auto lead = static_cast<unsigned char>(utf8[at]);
        if (lead < 0x80) {
            ++at;
            const unsigned char c = kAscii[lead];
            if (c == 0 || spaceless) close();
            if (c != 0) {
                hash = add(hash, c);
                inside = true;
            }
            continue;
        }
        const CodePoint point = decode(utf8, at);
        at += point.size;
        const std::uint8_t bits = class_byte(point.value);
        const auto kind = static_cast<CharClass>(bits & 7);
        const bool is_mark = kind == CharClass::mark;
        const bool is_word = (bits & 7) >= 1 && (bits & 7) <= 5;
        if (!is_word) {
            close();
            continue;
        }
        const bool alone = (bits & kSpaceless) != 0;
        if (alone || (spaceless && !is_mark)) close();
        hash = add(hash, lower_case(point.value));
        inside = true;
        spaceless = spaceless || alone;
    }
    close();
}

void split_characters(std::string_view utf8, std::vector<std::uint64_t>& out) {
    bool separated = false;  // something other than a word character came after the last one
    bool any = false;
    for (std::size_t at = 0; at < utf8.size();) {
        const CodePoint point = decode(utf8, at);
        at += point.size;
        const std::uint8_t kind = class_byte(point.value) & 7;
        if (kind < 1 || kind > 5) {
            separated = true;
            continue;
        }
        if (separated && any) out.push_back(add(kSeed, U' '));
        out.push_back(add(kSeed, lower_case(point.value)));
        any = true;
        separated = false;
    }
}

}  // namespace ctxmem
