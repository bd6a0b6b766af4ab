// Pre-tokenising: where the pieces of the patterns that most models use begin and end.
//
// These vocabularies cut a text into pieces by a regular expression, matched left to right, before
// any bytes are merged; each piece is encoded by itself. Three families of expressions, which
// differ in details that Pattern states:
//
//   gpt2    's|'t|'re|'ve|'m|'ll|'d | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+
//   cl100k  (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3}
//           | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//   o200k   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+
//           (?i:'s|'t|'re|'ve|'m|'ll|'d)?
//           | the same with the first class + and the second *
//           | \p{N}{1,3} | ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//
// tiktoken 0.14 writes cl100k with possessive quantifiers and with \s++$ before \s*[\r\n], which
// makes a difference: whitespace at the end of the text is one piece, whatever newlines it holds.
//
// piece_end follows them by hand, one piece at a time, for any text. piece_starts finds all pieces
// of up to 64 bytes of ASCII at once, with one bit a byte (as simdjson finds structure: Langdale
// and Lemire 2019). Both look only to the right of where a piece starts, so any start may be taken
// as the beginning of a text. No character is looked at more than a small constant number of times:
// linear in the text, whatever it holds.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ctxmem {

// Whose regular expressions: Oniguruma in Hugging Face `tokenizers`, Rust's regex and fancy-regex in
// tiktoken. Both have the categories of Unicode 16; they differ in syntax and in \w.
enum class Engine : std::uint8_t { onig, rust };

struct Pattern {
    enum class Family : std::uint8_t { gpt2, cl100k, o200k };

    Family family = Family::cl100k;
    std::uint8_t digits = 3;   // the most numbers of a piece; 0: any number
    bool contractions = true;  // 's and the like belong to the word before them, or are pieces
    bool slash = false;        // slashes after symbols and newlines belong to them
    bool marks = false;        // a mark counts as a letter; cl100k only
    bool whole_end = false;    // whitespace at the end of the text is one piece; cl100k only

    bool operator==(const Pattern&) const = default;

    static const Pattern gpt2, cl100k, o200k, llama3, qwen2, qwen3_5, tekken;
};

inline constexpr Pattern Pattern::gpt2{Family::gpt2, 0};
inline constexpr Pattern Pattern::cl100k{.whole_end = true};
inline constexpr Pattern Pattern::o200k{Family::o200k, 3, true, true};
inline constexpr Pattern Pattern::llama3{};
inline constexpr Pattern Pattern::qwen2{.digits = 1};
inline constexpr Pattern Pattern::qwen3_5{.digits = 1, .marks = true};
inline constexpr Pattern Pattern::tekken{Family::o200k, 1, false, true};

// The pattern that a regular expression is, in any of the spellings in which it is published.
std::optional<Pattern> known_pattern(std::string_view regex, Engine engine);

// Whether counts add up at a border of this kind: the left text ends in \r or \n; the right one
// holds a non-space, has no \r or \n in the whitespace before it, and does not start with '/'.
//
// Pieces are found from left to right without a look behind, so two things are enough. (1) No piece
// of the whole spans the border. In cl100k and o200k a newline is taken only by symbols with the
// newlines (and slashes) after them and by \s*[\r\n]+ (or \s++$), never by a word's first
// character. Behind a newline the former goes on only with \r, \n or '/', of which the right text
// has none in front; the latter ends at the last newline of the whitespace, the border, and \s++$
// does not match as a non-space follows. (2) The pieces of the left text alone are those it has in
// the whole: its last whitespace ends in a newline, so \s*[\r\n]+ (or \s++$) takes all of it in
// both. The gpt2 family has no alternative for newlines, and "\n\n" before a letter is two pieces.
constexpr bool additive(Pattern pattern) { return pattern.family != Pattern::Family::gpt2; }

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
