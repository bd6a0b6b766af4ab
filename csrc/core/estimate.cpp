#include "core/estimate.hpp"

#include <algorithm>

#include "core/estimate_table.hpp"
#include "core/unicode.hpp"

namespace ctxmem {
namespace {

enum Kind : std::size_t {
    kWord,         // ASCII letters, no capital but the first
    kBlankWord,    // the same after a blank
    kOtherWord,    // the same after a tab or a symbol
    kCapitals,     // ASCII letters with further capitals
    kBlankCapitals,
    kDigits,
    kSymbols,       // ASCII, without a blank
    kBlankSymbols,
    kSpace,        // whitespace only
    kLatin,        // the scripts of words with letters beyond ASCII, by where most of them stand
    kGreekCyrillic,
    kHebrewArabic,
    kIndic,
    kSouthEast,    // Thai to Ethiopic
    kKana,
    kHan,
    kHangul,
    kOtherScript,
    kOtherSymbols,  // of the basic plane
    kAstral,       // everything above it: emoji, rare Han
};
static_assert(kAstral + 1 == kPieceKinds);

Kind script_of(char32_t c) {
    struct Band {
        char32_t end;
        Kind kind;
    };
    constexpr Band bands[] = {
        {0x370, kLatin},        {0x530, kGreekCyrillic}, {0x590, kOtherScript},
        {0x900, kHebrewArabic}, {0xE00, kIndic},         {0x1100, kSouthEast},
        {0x1200, kHangul},      {0x1400, kSouthEast},    {0x1E00, kOtherScript},
        {0x1F00, kLatin},       {0x2000, kGreekCyrillic}, {0x3040, kOtherScript},
        {0x3100, kKana},        {0x4E00, kOtherScript},  {0xA000, kHan},
        {0xAC00, kOtherScript}, {0xD7B0, kHangul},       {0x10000, kOtherScript},
    };
    for (const Band& band : bands)
        if (c < band.end) return band.kind;
    return kAstral;
}

Kind kind_of_ascii(std::string_view piece) {
    std::size_t letters = 0;
    std::size_t digits = 0;
    std::size_t spaces = 0;
    std::size_t later_capitals = 0;
    for (const char c : piece) {
        const bool upper = c >= 'A' && c <= 'Z';
        if (upper && letters > 0) ++later_capitals;
        letters += upper || (c >= 'a' && c <= 'z');
        digits += c >= '0' && c <= '9';
        spaces += c == ' ' || (c >= '\t' && c <= '\r');
    }
    const bool blank = piece[0] == ' ';
    if (letters > 0) {
        if (later_capitals > 0) return blank ? kBlankCapitals : kCapitals;
        const bool bare = (piece[0] | 0x20) >= 'a' && (piece[0] | 0x20) <= 'z';
        return bare ? kWord : blank ? kBlankWord : kOtherWord;
    }
    if (digits > 0) return kDigits;
    if (spaces == piece.size()) return kSpace;
    return blank ? kBlankSymbols : kSymbols;
}

}  // namespace

PieceCell cell_of(std::string_view piece) {
    std::size_t length = 0;
    std::size_t of_kind[kPieceKinds] = {};
    for (std::size_t at = 0; at < piece.size(); ++length) {
        const CodePoint point = decode(piece, at);
        at += point.size;
        if (point.value < 0x80) continue;
        const CharClass c = char_class(point.value);
        Kind kind = script_of(point.value);
        if (c == CharClass::space) kind = kSpace;
        else if (c == CharClass::other && kind != kAstral) kind = kOtherSymbols;
        ++of_kind[kind];
    }
    const std::size_t* most = std::max_element(of_kind, of_kind + kPieceKinds);
    const std::size_t kind =
        *most == 0 ? kind_of_ascii(piece) : static_cast<std::size_t>(most - of_kind);
    const std::size_t capped = std::min(length, kPieceLengths);
    return {kind * kPieceLengths + capped - 1,
            static_cast<double>(length) / static_cast<double>(capped)};
}

double estimate(Pattern pattern, std::string_view text) {
    const float* table = pattern == Pattern::o200k ? tables::kEstimateO200k
                                                   : tables::kEstimateCl100k;
    double total = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = piece_end(pattern, text, at);
        const PieceCell cell = cell_of(text.substr(at, end - at));
        total += cell.weight * static_cast<double>(table[cell.index]);
        at = end;
    }
    return total;
}

}  // namespace ctxmem
