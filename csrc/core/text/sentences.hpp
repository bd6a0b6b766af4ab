// Sentence segmentation: the offsets at which the sentences of a paragraph start.
//
// A sentence ends at . ! ? or an equivalent mark of another script, followed by optional closing
// quotes and brackets and by white space; the full stops of Chinese, Japanese, Hindi and others
// need no white space. A full stop does not end a sentence after a title, an abbreviation that
// requires a continuation, an initial or an enumerator. It does not end one before a lower-case
// word either, unless the word before it is too long for an abbreviation. After "B.V." or "Inc."
// the next word decides: the sentence ends if that word is a frequent sentence opener ("The",
// "However"). This follows Kiss and Strunk, Unsupervised Multilingual Sentence Boundary Detection,
// 2006, with fixed lists instead of learned ones; the treatment of lower case follows UAX #29.
// Thai, Lao, Khmer and Burmese separate clauses by spaces: a sentence ends at the first space after
// 240 bytes.
//
// A sentence longer than `most` bytes is cut: after ; or :, else after a comma, else at white
// space, else between two graphemes.
//
// Linear: each decision reads the word before, a few words after and the white space between them,
// and no white space is read twice.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

// About 400 tokens in any script: 1,600 letters of English, 530 of Chinese or Thai.
constexpr std::size_t kLongest = 1600;

// Append the byte offset of every sentence of text[begin, end); the first is `begin`. Each sentence
// starts at a character that is not white space. Stops before `scan` are ignored because they
// belong to the marker of a list item. Requires begin < end <= text.size(), begin <= scan, UTF-8
// (lone surrogates may be encoded as three bytes), and no white space at either end.
void sentence_starts(std::string_view text, std::size_t begin, std::size_t end, std::size_t scan,
                     std::size_t most, std::vector<std::size_t>& starts, StopToken& stop);

// Append `begin` and the offsets at which text[begin, end) is cut so that no piece is longer than
// `most` bytes, unless it is a single grapheme. Requires most >= 8.
void cut_long(std::string_view text, std::size_t begin, std::size_t end, std::size_t most,
              std::vector<std::size_t>& starts, StopToken& stop);

// The offset of the first character in text[at, end) that is not white space; `end` if there is
// none.
std::size_t skip_space(std::string_view text, std::size_t at, std::size_t end);

// The offset after the last character in text[begin, end) that is not white space; `begin` if there
// is none.
std::size_t trim_space(std::string_view text, std::size_t begin, std::size_t end);

}  // namespace ctxmem
