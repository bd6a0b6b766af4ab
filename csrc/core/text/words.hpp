// Words for near-duplicates and BM25: what counts as the same word wherever texts are compared.
//
// A word is a maximal run of letters, marks and numbers, lower-cased; a letter of a script written
// without spaces (Han, kana, Thai, Lao, Khmer, Myanmar) is a word of its own, with its marks.
// Everything else separates. A word is handed on as a keyed 64-bit hash of its lower-cased UTF-8: two
// different words collide with probability 2^-64 a pair, also where somebody chose them who does not
// know the key. Linear in the text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/support/secret.hpp"

namespace ctxmem {

// The most words that a text of this many bytes can have.
constexpr std::size_t most_words(std::size_t bytes) { return bytes / 2 + 1; }

// Write the hash of every word of `utf8` to `out`, in text order; return how many. Requires room for
// most_words(utf8.size()).
std::size_t split_words(std::string_view utf8, std::uint64_t* out,
                        const WordKey& key = process_key());

// The same, appended to a vector.
void split_words(std::string_view utf8, std::vector<std::uint64_t>& out,
                 const WordKey& key = process_key());

// Append a 64-bit number for every character of the words of `utf8`, lower-cased, and one for a space
// wherever something separated two words. Letters of spaceless scripts that touch stay together.
void split_characters(std::string_view utf8, std::vector<std::uint64_t>& out,
                      const WordKey& key = process_key());

}  // namespace ctxmem
