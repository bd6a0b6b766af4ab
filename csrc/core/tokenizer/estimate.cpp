#include "core/tokenizer/estimate.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

using Kind = std::uint8_t;

constexpr Kind kind(std::string_view name) {
    for (std::size_t i = 0; i < kKinds; ++i)
        if (kTextKinds[i] == name) return static_cast<Kind>(i);
    return kKinds;  // not a constant index: callers are constexpr and would not compile below
}

constexpr Kind kWords = kind("words"), kNames = kind("names"), kCapitals = kind("capitals"),
               kDigits = kind("digits"), kPunctuation = kind("punctuation"), kRules = kind("rules"),
               kNewlines = kind("newlines"), kIndents = kind("indents"), kLatin = kind("latin"),
               kVietnamese = kind("vietnamese"), kCombining = kind("combining"),
               kHebrewPoints = kind("hebrew_points"), kArabic = kind("arabic"),
               kArabicMarks = kind("arabic_marks"), kKana = kind("kana"),
               kTypographic = kind("typographic"), kSymbols = kind("symbols"),
               kEmoji = kind("emoji"), kSpaces = kind("spaces"),
               kDigitsOther = kind("digits_other"), kLetters = kind("letters"),
               kLettersFar = kind("letters_far"), kControls = kind("controls");

// Kinds of the basic plane by sixteen code points, which is where blocks of Unicode begin and end.
constexpr auto kBasicPlane = [] {
    struct Band {
        unsigned end;
        Kind kind;
    };
    constexpr Band bands[] = {
        {0x00A0, kControls},        {0x00C0, kTypographic},
        {0x0250, kLatin},           {0x0300, kind("phonetic")},
        {0x0370, kCombining},       {0x0400, kind("greek")},
        {0x0530, kind("cyrillic")}, {0x0590, kind("armenian")},
        {0x05D0, kHebrewPoints},    {0x0600, kind("hebrew")},
        {0x0700, kArabic},          {0x0750, kLetters},
        {0x0780, kArabic},          {0x08A0, kLetters},
        {0x0900, kArabicMarks},     {0x0980, kind("devanagari")},
        {0x0A00, kind("bengali")},  {0x0A80, kind("gurmukhi")},
        {0x0B00, kind("gujarati")}, {0x0B80, kind("oriya")},
        {0x0C00, kind("tamil")},    {0x0C80, kind("telugu")},
        {0x0D00, kind("kannada")},  {0x0D80, kind("malayalam")},
        {0x0E00, kind("sinhala")},  {0x0E80, kind("thai")},
        {0x0F00, kind("lao")},      {0x1000, kind("tibetan")},
        {0x10A0, kind("myanmar")},  {0x1100, kind("georgian")},
        {0x1200, kind("jamo")},     {0x13A0, kind("ethiopic")},
        {0x1780, kLetters},         {0x1800, kind("khmer")},
        {0x1AB0, kLetters},         {0x1B00, kCombining},
        {0x1C90, kLetters},         {0x1CC0, kind("georgian")},
        {0x1D00, kLetters},         {0x1DC0, kind("phonetic")},
        {0x1E00, kCombining},       {0x1EA0, kLatin},
        {0x1F00, kVietnamese},      {0x2000, kind("greek_old")},
        {0x2070, kTypographic},     {0x20A0, kSymbols},
        {0x20D0, kTypographic},  // currencies
        {0x2100, kCombining},       {0x2C00, kSymbols},
        {0x2C60, kLetters},         {0x2C80, kind("phonetic")},
        {0x2D00, kLetters},         {0x2D30, kind("georgian")},
        {0x2DE0, kLetters},         {0x2E00, kCombining},
        {0x2E80, kTypographic},     {0x3000, kind("han_rare")},
        {0x3040, kind("wide")},     {0x3100, kKana},
        {0x3130, kLetters},         {0x3190, kind("jamo")},
        {0x31F0, kSymbols},         {0x3200, kKana},
        {0x3400, kSymbols},         {0x4DC0, kind("han_rare")},
        {0x4E00, kSymbols},         {0xA000, kind("han")},
        {0xA720, kLetters},         {0xA800, kind("phonetic")},
        {0xA960, kLetters},         {0xA980, kind("jamo")},
        {0xAB30, kLetters},         {0xAB70, kind("phonetic")},
        {0xAC00, kLetters},         {0xD7B0, kind("hangul")},
        {0xD800, kind("jamo")},     {0xF900, kControls},  // private use
        {0xFB00, kind("han_rare")}, {0xFE00, kLetters},   // forms of letters for display
        {0xFE10, kEmoji},                                 // variation selectors
        {0xFE20, kind("wide")},     {0xFE30, kCombining},
        {0xFE70, kind("wide")},     {0xFF00, kLetters},
        {0x10000, kind("wide")},
    };
    std::array<Kind, 0x1000> kinds{};
    std::size_t band = 0;
    for (unsigned at = 0; at < kinds.size(); ++at) {
        while (at * 16 >= bands[band].end) ++band;
        kinds[at] = bands[band].kind;
    }
    return kinds;
}();

constexpr bool names_are_known() {
    for (const Kind kind : kBasicPlane)
        if (kind >= kKinds) return false;
    return kControls == kKinds - 1;
}
static_assert(names_are_known());

// The kind of a character beyond ASCII.
Kind kind_of(char32_t c) {
    const CharClass of = char_class(c);
    if (of == CharClass::space || of == CharClass::newline) return kSpaces;
    if (c >= 0x10000) {
        if (c >= 0x1F000 && c < 0x20000) return kEmoji;
        if (c >= 0x20000 && c < 0x40000) return kind("han_rare");
        if (c >= 0x1D400 && c < 0x1D800) return kind("math_letters");
        return c < 0xE0000 ? kLettersFar : kEmoji;  // tags of flags
    }
    if (of == CharClass::number && c > 0xFF) return kDigitsOther;
    const Kind found = kBasicPlane[c >> 4];
    if (found == kArabic && of == CharClass::mark) return kArabicMarks;
    return found;
}

bool decides(Kind kind) {
    return kind == kCombining || kind == kHebrewPoints || kind == kArabicMarks ||
           kind == kVietnamese || kind == kKana;
}

// What a byte adds to the sums of its piece: one field of twelve bits for each class.
constexpr unsigned kField = 12;
enum Field : unsigned { kLetter, kCapital, kDigit, kSpace, kBreak };

constexpr auto kSums = [] {
    const auto one = [](Field field) { return std::uint64_t{1} << field * kField; };
    std::array<std::uint64_t, 256> sums{};
    for (unsigned c = 0; c < 256; ++c) {
        if (c >= 'a' && c <= 'z') sums[c] = one(kLetter);
        if (c >= 'A' && c <= 'Z') sums[c] = one(kLetter) | one(kCapital);
        if (c >= '0' && c <= '9') sums[c] = one(kDigit);
        if (c == ' ' || (c >= '\t' && c <= '\r')) sums[c] = one(kSpace);
        if (c == '\n' || c == '\r') sums[c] |= one(kBreak);
    }
    return sums;
}();

// The kind of a piece of ASCII from the sums of its first bytes. Fewer than 2^12 are looked at, so
// that no field overflows: a longer piece goes on as it begins.
constexpr std::size_t kLooked = 4095;

Kind kind_of_ascii(std::string_view piece, std::uint64_t sums) {
    const auto number = [&](Field field) { return sums >> field * kField & ((1u << kField) - 1); };
    const std::uint64_t letters = number(kLetter);
    if (letters > 0) {
        const char first = piece[piece[0] == ' ' && piece.size() > 1];
        if (!((first | 0x20) >= 'a' && (first | 0x20) <= 'z')) return kNames;
        const std::uint64_t capitals = number(kCapital);
        if (capitals > 1) return capitals == letters ? kCapitals : kNames;
        return capitals == 0 || first <= 'Z' ? kWords : kNames;
    }
    if (number(kDigit) > 0) return kDigits;
    const std::size_t looked = std::min(piece.size(), kLooked);
    if (number(kSpace) == looked) return number(kBreak) > 0 ? kNewlines : kIndents;
    return looked - number(kSpace) > 3 ? kRules : kPunctuation;
}

// The kind of any piece. Adds its characters to `amounts` if it is not null.
Kind kind_of_piece(std::string_view piece, double* amounts) {
    std::uint64_t sums = 0;
    unsigned char bits = 0;
    const std::size_t looked = std::min(piece.size(), kLooked);
    for (std::size_t i = 0; i < looked; ++i) {
        const auto byte = static_cast<unsigned char>(piece[i]);
        sums += kSums[byte];
        bits |= byte;
    }
    for (std::size_t i = looked; i < piece.size(); ++i)
        bits |= static_cast<unsigned char>(piece[i]);
    if (bits < 0x80) {
        const Kind found = kind_of_ascii(piece, sums);
        if (amounts != nullptr) amounts[found * kAmounts + 2] += static_cast<double>(piece.size());
        return found;
    }
    std::uint32_t of_kind[kKinds] = {};
    std::uint32_t most = 0;
    Kind found = kControls;
    bool decided = false;
    for (std::size_t at = 0; at < piece.size();) {
        const CodePoint point = decode(piece, at);
        at += point.size;
        if (point.value < 0x80) {
            // ASCII inside such a piece is a space or a few letters: they count as plain words.
            if (amounts != nullptr) amounts[kWords * kAmounts + 2] += 1;
            continue;
        }
        const Kind own = kind_of(point.value);
        if (amounts != nullptr) amounts[own * kAmounts + 2] += 1;
        if (decided) continue;
        if (decides(own)) {
            found = own;
            decided = true;
        } else if (++of_kind[own] > most) {
            most = of_kind[own];
            found = own;
        }
    }
    return found;
}

}  // namespace

void text_amounts(const Bpe& o200k, const Bpe& cl100k, std::string_view text, double* amounts,
                  StopToken& stop) {
    assert(o200k.pattern() == Pattern::o200k && cl100k.pattern() == Pattern::cl100k);
    constexpr std::size_t kPortion = std::size_t{1} << 14;  // bytes: pieces that fit a cache
    std::fill(amounts, amounts + kKinds * kAmounts, 0.0);
    std::vector<PieceTokens> pieces;
    for (const bool first : {true, false}) {
        const Bpe& bpe = first ? o200k : cl100k;
        for (std::size_t at = 0; at < text.size();) {
            std::size_t begin = at;
            pieces.clear();
            bpe.count_pieces(text, at, std::min(at + kPortion, text.size()), pieces, stop);
            for (const PieceTokens& piece : pieces) {
                const std::string_view bytes = text.substr(begin, piece.end - begin);
                const Kind found = kind_of_piece(bytes, first ? amounts : nullptr);
                double* of = amounts + found * kAmounts;
                of[first ? 0 : 1] += static_cast<double>(piece.tokens);
                of[3] += first;
                begin = piece.end;
            }
        }
    }
}

void text_amounts(const Bpe* o200k, const Bpe* cl100k, std::span<const std::string_view> texts,
                  double* amounts, StopToken& stop) {
    if (o200k == nullptr || cl100k == nullptr || o200k->pattern() != Pattern::o200k ||
        cl100k->pattern() != Pattern::cl100k)
        throw std::invalid_argument(
            "expected counters of o200k_base and cl100k_base, in this order");
    for (const std::string_view text : texts) {
        stop.check(1000);
        text_amounts(*o200k, *cl100k, text, amounts, stop);
        amounts += kKinds * kAmounts;
    }
}

}  // namespace ctxmem
