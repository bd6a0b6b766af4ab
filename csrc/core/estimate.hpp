// Estimating the tokens of a text without a vocabulary.
//
// The text is cut into the same pieces that the encoding cuts it into (pretokenise.hpp). A piece is
// told by its kind (a word with a blank before it, digits, Han, ...) and its length in characters; a
// table fitted by fit_estimate.py holds the mean number of tokens of each. Tokens are a sum over
// pieces, so the means are the least-squares fit. Linear, about 300 MB/s on ASCII.
#pragma once
#include <cstddef>
#include <string_view>

#include "core/pretokenise.hpp"

namespace ctxmem {

constexpr std::size_t kPieceKinds = 20;
constexpr std::size_t kPieceLengths = 16;  // characters; longer pieces count in proportion
constexpr std::size_t kPieceCells = kPieceKinds * kPieceLengths;

// A cell of the table and how often it counts: 1, or length / kPieceLengths for longer pieces.
struct PieceCell {
    std::size_t index;  // kind * kPieceLengths + length - 1
    double weight;
};

// Requires a piece that is not empty.
PieceCell cell_of(std::string_view piece);

// The expected number of tokens; 0 for an empty text. Requires valid UTF-8.
double estimate(Pattern pattern, std::string_view text);

}  // namespace ctxmem
