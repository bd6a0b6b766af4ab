// Marks: the words, numbers and signs of a text that can make it differ from another.
//
// A mark has a family and a value, from the word lists (word_lists.hpp) or from its form. Two marks
// of one family with different values contradict each other: "may" and "must", 5 and 6. Words are
// looked up as written, then without an ending, then by the rules of their script: Arabic prefixes,
// compounds of number words, and, in scripts without spaces, the longest listed word at each
// character.
//
// Only the lists of languages that occur in the texts are used. A language is recognized by its
// short common words, the method that Grefenstette evaluates (Comparing two language identification
// schemes, JADT 1995).
//
// Reading is linear in the items: each takes a constant number of probes into the lists, at most 16
// for a character and a few hundred for a long word that might be a compound of number words.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dedup/difference.hpp"

namespace ctxmem {

// For each language, in the order of difference_words.hpp: whether its list is used.
using ActiveLanguages = std::array<bool, 16>;
ActiveLanguages active_languages(const ReadText& a, const ReadText& b);

struct Mark {
    std::uint32_t item;      // position in the row of the first item that it covers
    std::uint32_t from, to;  // folded characters
    std::uint16_t family;    // marks of one family are compared with each other
    std::uint8_t flags;      // kWordStrong, kWordPair, ...
    DifferenceKind kind;
    std::uint64_t value;  // equal values have the same meaning
};

// The marks of the items at positions [from, to) of a row (alignment.hpp), first those of words
// with spaces and signs, then those of scripts without spaces. If from == to: the words of such a
// script that the gap before `from` interrupts.
std::vector<Mark> read_marks(const ReadText& text, const std::vector<std::uint32_t>& row,
                             std::uint32_t from, std::uint32_t to, const ActiveLanguages& active,
                             StopToken& stop);

// The folded letters of a word, without a hyphen and line end inside it.
std::u32string letters_of(const ReadText& text, const ReadText::Item& item);

// The kind in which two words contradict each other by their parts, if they do: one is the other
// with a negating prefix, or they share an end or a beginning and the rest is contradictory. O(n)
// in the letters, with at most 2 * kMostTries pairs of probes.
std::optional<DifferenceKind> contradiction(std::u32string_view x, std::u32string_view y,
                                            const ActiveLanguages& active);

}  // namespace ctxmem
