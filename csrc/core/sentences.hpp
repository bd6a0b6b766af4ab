// Sentences: where the sentences of a paragraph start.
//
// A sentence ends at . ! ? and their kin of other scripts, with the closing quotes and brackets
// after them, where white space follows; the full stops of Chinese, Japanese, Hindi and others need
// none. A full stop ends nothing after a title, an abbreviation that goes on, an initial or an
// enumerator, nor before a lower-case word, unless the word before it is long enough to be no
// abbreviation. Whether "B.V." or "Inc." ends a sentence is told by the word that follows: one of
// the usual openers ("The", "However") or not (the idea of Kiss and Strunk, Unsupervised
// Multilingual Sentence Boundary Detection, 2006, with fixed lists instead of learned ones; the
// treatment of lower case follows UAX #29). Thai, Lao, Khmer and Burmese put a space where a clause
// ends: there a sentence ends at a space once it has some length.
//
// What is still longer than `most` bytes is cut: behind ; or :, else behind a comma, else at
// white space, else between any two graphemes, never within one.
//
// Linear: a decision looks at the word before, a few words after and the white space between, and
// no white space is looked at twice.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace ctxmem {

// About 400 tokens in any script: 1,600 letters of English, 530 of Chinese or Thai.
constexpr std::size_t kLongest = 1600;

// Append the byte offset of every sentence of text[begin, end), the first being `begin`; each
// starts at a character that is no white space. Stops before `scan` end nothing: they belong to the
// marker of a list item. Requires begin < end <= text.size(), begin <= scan, UTF-8 (surrogates may
// stand as three bytes), and no white space at either end.
void sentence_starts(std::string_view text, std::size_t begin, std::size_t end, std::size_t scan,
                     std::size_t most, std::vector<std::size_t>& starts);

// Append `begin`, and the offsets at which text[begin, end) has to be cut so that no piece is longer
// than `most` bytes, single graphemes aside. Requires most >= 8.
void cut_long(std::string_view text, std::size_t begin, std::size_t end, std::size_t most,
              std::vector<std::size_t>& starts);

// The first offset from `at` on that is `end` or no white space.
std::size_t skip_space(std::string_view text, std::size_t at, std::size_t end);

// The last offset down to `begin` that follows a character other than white space, or `begin`.
std::size_t trim_space(std::string_view text, std::size_t begin, std::size_t end);

}  // namespace ctxmem
