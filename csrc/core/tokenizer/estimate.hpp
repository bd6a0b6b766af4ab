// Estimating the tokens of a text without a vocabulary.
//
// The text is cut into the same pieces that the encoding cuts it into (pretokenise.hpp). A piece is
// told by its kind (a word with a blank before it, digits, Han, ...) and its length in characters;
// a table fitted by fit_estimate.py holds the mean number of tokens of each. Tokens are a sum over
// pieces, so the means are the least-squares fit. Words of plain ASCII letters are dearer where
// every twentieth word or more has other letters too: such a text is not English. Linear.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"
#include "core/tokenizer/pretokenise.hpp"

namespace ctxmem {

constexpr std::size_t kPieceKinds = 34;
constexpr std::size_t kPieceLengths = 16;  // characters; longer pieces count in proportion
constexpr std::size_t kPieceCells = kPieceKinds * kPieceLengths;

// A cell of the table and how often it counts: 1, or length / kPieceLengths for longer pieces.
struct PieceCell {
    std::size_t index;  // kind * kPieceLengths + length - 1
    double weight;
    std::size_t end;  // of the piece, in the text
};

// The cell of every piece of valid UTF-8, in order.
std::vector<PieceCell> piece_cells(Pattern pattern, std::string_view text);

// The expected number of tokens of valid UTF-8; 0 for an empty text.
double estimate(Pattern pattern, std::string_view text, StopToken& stop = StopToken::none());

}  // namespace ctxmem
