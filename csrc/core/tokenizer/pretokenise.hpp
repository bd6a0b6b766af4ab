// Pre-tokenising: where the pieces of cl100k_base and o200k_base begin and end.
//
// Both encodings cut a text into pieces by a regular expression, matched left to right, before any
// bytes are merged; each piece is encoded by itself. The expressions, as tiktoken 0.14 has them:
//
//   cl100k  '(?i:[sdmt]|ll|ve|re) | [^\r\n\p{L}\p{N}]?+\p{L}++ | \p{N}{1,3}+
//           | ?[^\s\p{L}\p{N}]++[\r\n]*+ | \s++$ | \s*[\r\n] | \s+(?!\S) | \s
//   o200k   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+
//           (?i:'s|'t|'re|'ve|'m|'ll|'d)?
//           | the same with the first class + and the second *
//           | \p{N}{1,3} | ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//
// piece_end follows them by hand, one piece at a time, for any text. piece_starts finds all pieces
// of up to 64 bytes of ASCII at once, with one bit a byte (as simdjson finds structure: Langdale
// and Lemire 2019). Both look only to the right of where a piece starts, so any start may be taken
// as the beginning of a text. No character is looked at more than a small constant number of times:
// linear in the text, whatever it holds.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ctxmem {

enum class Pattern { cl100k, o200k };

// The end of the piece that starts at `at`. Requires at < text.size(), `at` the start of a piece
// and `text` valid UTF-8; the result is above `at` and at most text.size().
std::size_t piece_end(Pattern pattern, std::string_view text, std::size_t at);

constexpr std::size_t kBlock = 64;

// Pieces of the ASCII at the beginning of a block of 64 bytes.
struct PieceStarts {
    std::uint64_t bits;   // bit i: a piece starts at byte i; bit 0 always; none above `certain`
    std::size_t certain;  // the last start, 0 to 63: every piece before it is whole
};

// The pieces that are certain whatever follows the block. `block` starts at the start of a piece
// and has 64 readable bytes, of which `size` belong to the text; `at_end` says that the text ends
// there, and then size < 64 and the end counts as a start. A result with certain == 0 means that
// the first piece must be found by piece_end: it is not ASCII, or may reach beyond the block.
PieceStarts piece_starts(Pattern pattern, const char* block, std::size_t size, bool at_end);

}  // namespace ctxmem
