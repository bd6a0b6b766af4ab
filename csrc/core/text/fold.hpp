// Folding: the characters of a text in the form in which texts are compared, each with the byte
// that it came from.
//
// Case, composed and decomposed accents, ligatures, full-width forms, quotes, dashes and the digits
// of other scripts are unified. Soft hyphens and zero-width characters are removed. The tables are
// generated (generate_fold_tables.py) from Unicode's case folding and compatibility decomposition
// (Unicode Standard Annex 15). Hangul is composed by arithmetic (The Unicode Standard, section
// 3.12), so that a syllable is one character; a sign and the combining stroke that negates it are
// composed too, before they are folded. O(n) in the bytes. Any bytes are accepted; those that
// are not UTF-8 are kept.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"
#include "core/text/fold_tables.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem {

struct Folded {
    std::vector<char32_t> chars;
    std::vector<std::uint32_t> at;  // the byte at which each character began, and the size

    explicit Folded(std::string_view utf8, StopToken& stop = StopToken::none()) {
        // Most texts begin with ASCII, which a plain loop folds faster.
        std::size_t ascii = 0;
        while (ascii < utf8.size() && static_cast<unsigned char>(utf8[ascii]) < 0x80) ++ascii;
        if (ascii > 0 && utf8.substr(ascii).starts_with(kStroke)) --ascii;
        chars.reserve(utf8.size());
        at.reserve(utf8.size() + 1);
        chars.resize(ascii);
        at.resize(ascii);
        for (std::size_t from = 0; from < ascii; from += kPortion) {
            stop.check(kPortion);
            for (std::size_t i = from; i < std::min(from + kPortion, ascii); ++i) {
                chars[i] = lowered(utf8[i]);
                at[i] = static_cast<std::uint32_t>(i);
            }
        }
        for (std::size_t i = ascii; i < utf8.size();) {
            stop.check(3);
            const bool ascii_char = static_cast<unsigned char>(utf8[i]) < 0x80;
            if (ascii_char && !is_struck(utf8, i + 1)) {
                push(lowered(utf8[i]), i);
                ++i;
                continue;
            }
            const CodePoint point = decode(utf8, i);
            const char32_t struck = is_struck(utf8, i + point.size) ? struck_sign(point.value) : 0;
            add(struck ? struck : point.value, i);
            i += point.size + (struck ? kStroke.size() : 0);
        }
        at.push_back(static_cast<std::uint32_t>(utf8.size()));
    }

    std::size_t size() const { return chars.size(); }
    char32_t operator[](std::size_t i) const { return i < chars.size() ? chars[i] : 0; }

    // The bytes from which the characters came. Requires from < to <= size().
    std::string_view slice(std::string_view utf8, std::size_t from, std::size_t to) const {
        std::size_t end = to;
        // A source character such as a ligature becomes several; the slice has all or none of it.
        while (end < chars.size() && at[end] == at[to - 1]) ++end;
        return utf8.substr(at[from], at[end] - at[from]);
    }

private:
    static constexpr std::size_t kPortion = 16384;           // bytes between two reports of work
    static constexpr std::string_view kStroke = "\xCC\xB8";  // U+0338
    static constexpr char32_t kL = 0x1100, kV = 0x1161, kT = 0x11A7, kS = 0xAC00;
    static constexpr char32_t kLs = 19, kVs = 21, kTs = 28;

    static char32_t lowered(char ascii) {
        const auto byte = static_cast<unsigned char>(ascii);
        const bool capital = byte >= 'A' && byte <= 'Z';
        return byte == '`' ? U'\'' : static_cast<char32_t>(byte + (capital ? 32 : 0));
    }

    static bool is_struck(std::string_view utf8, std::size_t behind) {
        return behind + 1 < utf8.size() && utf8[behind] == kStroke[0] &&
               utf8[behind + 1] == kStroke[1];
    }

    // What the combining stroke makes of a sign, 0 if that is no sign of its own.
    static char32_t struck_sign(char32_t c) {
        const auto from = std::begin(tables::kStruckFrom), end = std::end(tables::kStruckFrom);
        const auto place = std::lower_bound(from, end, c);
        return place != end && *place == c ? tables::kStruckTo[place - from] : 0;
    }

    void push(char32_t c, std::size_t byte) {
        chars.push_back(c);
        at.push_back(static_cast<std::uint32_t>(byte));
    }

    void add(char32_t c, std::size_t byte) {
        const std::uint16_t place =
            c < 0x110000 ? tables::kFoldBlocks[tables::kFoldIndex[c >> 7] * 128u + (c & 127u)] : 0;
        if (place == 0) return compose(c, byte);
        for (auto i = tables::kFoldStart[place]; i < tables::kFoldStart[place + 1]; ++i)
            compose(tables::kFoldPool[i], byte);
    }

    void compose(char32_t c, std::size_t byte) {
        if (!chars.empty() && c >= kV && c < kT + kTs) {
            char32_t& last = chars.back();
            if (c < kV + kVs && last >= kL && last < kL + kLs) {
                last = kS + ((last - kL) * kVs + (c - kV)) * kTs;
                return;
            }
            if (c > kT && last >= kS && last < kS + kLs * kVs * kTs && (last - kS) % kTs == 0) {
                last += c - kT;
                return;
            }
        }
        push(c, byte);
    }
};

}  // namespace ctxmem
