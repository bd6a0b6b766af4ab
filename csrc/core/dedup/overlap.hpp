// Overlap and containment of texts of one source: sliding windows, and passages inside passages.
//
// For every text `right`, at most one row:
// - it is the same as an earlier text: that text, offset 0;
// - it is contained in a longer one: the longest that holds it (ties: the first text), and where;
// - it begins at `offset` of another and goes on after its end: the one with the longest overlap
//   (ties: the first text).
// A text that has a row of the first two kinds is never a `left`: what it overlaps with, its holder
// overlaps with or holds. Overlaps and contained texts are of at least `min_chars` code points, and
// offsets count code points, as Python does.
//
// Every window is found by a rolling hash (Karp and Rabin 1987, modulo 2^61 - 1) and then compared
// character by character. One row a text, because the pairs can be quadratic: 100,000 chunks that
// begin and end with the same header overlap each with each. Expected time linear in the characters,
// times log2(length / min_chars) at the places where some text could begin. Texts that no place can
// concern are left out first, by a key of their first bytes.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

struct Overlaps {
    std::vector<std::int32_t> left;
    std::vector<std::int32_t> right;
    std::vector<std::int64_t> offset;  // of right's first character in left
};

// Rows ascend by left, then right. `source` has one number a text: only equal ones are compared.
// Throws std::invalid_argument unless min_chars >= 1 and there are as many sources as texts.
Overlaps text_overlaps(std::span<const std::string_view> texts,
                       std::span<const std::int32_t> source, std::int64_t min_chars,
                       StopToken& stop);

}  // namespace ctxmem
