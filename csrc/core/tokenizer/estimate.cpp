#include "core/tokenizer/estimate.hpp"

#include <algorithm>

#include "core/tokenizer/estimate_table.hpp"
#include "core/text/unicode.hpp"

namespace ctxmem {
namespace {

enum Kind : std::size_t {
    kWord,         // ASCII letters, no capital but the first
    kBlankWord,    // the same after a blank
    kOtherWord,    // the same after a tab or a symbol
    kForeignWord,  // these three in a text that is not English
    kForeignBlankWord,
    kForeignOtherWord,
    kCapitals,  // ASCII letters with further capitals
    kBlankCapitals,
    kDigits,
    kSymbols,  // ASCII, without a blank
    kBlankSymbols,
    kSpace,  // whitespace only
    kLatin,  // words with letters beyond ASCII, by the script that most of them are of
    kGreek,
    kCyrillic,
    kHebrew,
    kArabic,
    kDevanagari,
    kBengali,
    kGurmukhi,   // and Gujarati
    kTamil,      // and Odia
    kTelugu,     // and Kannada
    kMalayalam,  // and Sinhala
    kThai,       // and Lao
    kMyanmar,    // and Tibetan
    kGeorgian,
    kEthiopic,
    kKhmer,
    kKana,
    kHan,
    kHangul,
    kOtherScript,
    kOtherSymbols,  // of the basic plane
    kAstral,        // everything above it: emoji, rare Han
};
static_assert(kAstral + 1 == kPieceKinds);
constexpr std::size_t kToForeign = kForeignWord - kWord;

Kind script_of(char32_t c) {
    struct Band {
        char32_t end;
        Kind kind;
    };
    constexpr Band bands[] = {
        {0x370, kLatin},        {0x400, kGreek},         {0x530, kCyrillic},
        {0x590, kOtherScript},  {0x600, kHebrew},        {0x900, kArabic},
        {0x980, kDevanagari},   {0xA00, kBengali},       {0xB00, kGurmukhi},
        {0xC00, kTamil},        {0xD00, kTelugu},        {0xE00, kMalayalam},
        {0xF00, kThai},         {0x10A0, kMyanmar},      {0x1100, kGeorgian},
        {0x1200, kHangul},      {0x1400, kEthiopic},     {0x1780, kOtherScript},
        {0x1800, kKhmer},       {0x1E00, kOtherScript},  {0x1F00, kLatin},
        {0x2000, kGreek},       {0x3040, kOtherScript},  {0x3100, kKana},
        {0x4E00, kOtherScript}, {0xA000, kHan},          {0xAC00, kOtherScript},
        {0xD7B0, kHangul},      {0x10000, kOtherScript},
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

// The kind and length of a piece of an English text.
PieceCell cell_of(std::string_view piece) {
    std::size_t length = 0;
    std::size_t of_kind[kPieceKinds] = {};
    for (std::size_t at = 0; at < piece.size(); ++length) {
        const CodePoint point = decode(piece, at);
        at += point.size;
        if (point.value < 0x80) continue;
        const CharClass c = char_class(point.value);
        Kind kind = script_of(point.value);
        if (c == CharClass::space)
            kind = kSpace;
        else if (c == CharClass::other && kind != kAstral)
            kind = kOtherSymbols;
        ++of_kind[kind];
    }
    const std::size_t* most = std::max_element(of_kind, of_kind + kPieceKinds);
    const std::size_t kind =
        *most == 0 ? kind_of_ascii(piece) : static_cast<std::size_t>(most - of_kind);
    const std::size_t capped = std::min(length, kPieceLengths);
    return {kind * kPieceLengths + capped - 1,
            static_cast<double>(length) / static_cast<double>(capped), 0};
}

// Call visit(cell) for each piece of the text, as if it were English; return whether it is not.
template <class Visit>
bool for_each_cell(Pattern pattern, std::string_view text, StopToken& stop, Visit visit) {
    std::size_t plain = 0;
    std::size_t latin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = piece_end(pattern, text, at);
        stop.check(20 + 2 * (end - at));
        PieceCell cell = cell_of(text.substr(at, end - at));
        cell.end = at = end;
        const std::size_t kind = cell.index / kPieceLengths;
        plain += kind < kForeignWord;
        latin += kind == kLatin;
        visit(cell);
    }
    return latin * 20 > plain;
}

}  // namespace

std::vector<PieceCell> piece_cells(Pattern pattern, std::string_view text) {
    std::vector<PieceCell> cells;
    const bool foreign = for_each_cell(pattern, text, StopToken::none(),
                                       [&](const PieceCell& cell) { cells.push_back(cell); });
    if (foreign)
        for (PieceCell& cell : cells)
            if (cell.index / kPieceLengths < kForeignWord) cell.index += kToForeign * kPieceLengths;
    return cells;
}

double estimate(Pattern pattern, std::string_view text, StopToken& stop) {
    const float* table =
        pattern == Pattern::o200k ? tables::kEstimateO200k : tables::kEstimateCl100k;
    double total = 0;
    double more = 0;  // what plain words cost more if the text is not English
    const bool foreign = for_each_cell(pattern, text, stop, [&](const PieceCell& cell) {
        const double tokens = cell.weight * static_cast<double>(table[cell.index]);
        total += tokens;
        if (cell.index / kPieceLengths < kForeignWord)
            more +=
                cell.weight * static_cast<double>(table[cell.index + kToForeign * kPieceLengths]) -
                tokens;
    });
    return foreign ? total + more : total;
}

}  // namespace ctxmem
