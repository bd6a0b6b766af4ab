// What a text is made of, for estimating its tokens in a vocabulary that is not at hand.
//
// Vocabularies differ mostly by kind of text: one has few tokens of Thai, another splits every
// digit. So a text is divided into kinds (plain words, digits, Han, ...), and of each kind four
// amounts are taken: its tokens in o200k_base and in cl100k_base, which are counted exactly, its
// characters and its pieces (pretokenise.hpp). An estimate is a sum of weighted amounts;
// ctxmem/weights/estimate-1.json has the weights. Two passes of counting, and a table look-up for
// each character that is not ASCII: linear.
//
// Tokens and pieces belong to a piece, and with it to one kind: that of most of its letters, except
// that a combining mark, a point, a letter of Vietnamese or kana decides for the whole piece,
// because it says what text it is. Characters belong to their own kind.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "core/support/stop_token.hpp"
#include "core/tokenizer/bpe.hpp"

namespace ctxmem {

// The names are the keys of stored calibrations (ctxmem/tokens/calibration.py).
inline constexpr std::array<std::string_view, 52> kTextKinds = {
    // ASCII
    "words",        // letters, no capital but the first
    "names",        // letters behind a symbol, or with capitals inside
    "capitals",     // two letters or more, capitals only
    "digits",       //
    "punctuation",  // up to three symbols
    "rules",        // four symbols or more
    "newlines",     // whitespace with a line break
    "indents",      // whitespace without one
    // Alphabets
    "latin", "vietnamese", "phonetic", "combining", "greek", "greek_old", "cyrillic", "armenian",
    "hebrew", "hebrew_points", "arabic", "arabic_marks", "georgian", "ethiopic",
    // South and South-East Asia
    "devanagari", "bengali", "gurmukhi", "gujarati", "oriya", "tamil", "telugu", "kannada",
    "malayalam", "sinhala", "thai", "lao", "tibetan", "myanmar", "khmer",
    // East Asia
    "kana", "han", "han_rare", "hangul", "jamo",
    // Others
    "wide",          // punctuation and letters of full width
    "typographic",   // quotation marks, dashes, signs of Latin-1
    "symbols",       // arrows, operators, boxes
    "emoji",         //
    "math_letters",  //
    "spaces",        // whitespace beyond ASCII
    "digits_other",  // digits and numbers beyond ASCII
    "letters",       // of any other script of the basic plane
    "letters_far",   // of any other script beyond it
    "controls"};

constexpr std::size_t kKinds = kTextKinds.size();
constexpr std::size_t kAmounts = 4;  // tokens of o200k_base and cl100k_base, characters, pieces

// amounts[kind * kAmounts + amount] of valid UTF-8. Requires the patterns of the two encodings.
void text_amounts(const Bpe& o200k, const Bpe& cl100k, std::string_view text, double* amounts,
                  StopToken& stop = StopToken::none());

// The same of many texts, one after another. Throws std::invalid_argument unless the counters are
// those of the two encodings.
void text_amounts(const Bpe* o200k, const Bpe* cl100k, std::span<const std::string_view> texts,
                  double* amounts, StopToken& stop = StopToken::none());

}  // namespace ctxmem
