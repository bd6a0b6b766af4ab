// The word alignment of two texts: the places at which their items differ.
//
// The common beginning and the common end are removed first. If the sentences that both texts
// contain come in a different order, those sentences are left out too. The rest is aligned by the
// greedy algorithm of Myers (An O(ND) difference algorithm and its variations, Algorithmica, 1986).
//
// O(n + d^2) expected time for n items and d edits, plus O(s log s) to compare s sentences, and
// O(d^2) memory. A pair that needs more than kMostEdits edits or more than the limit of steps
// (alignment.cpp) is not aligned: the result is then one hunk that contains the whole rest.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "core/dedup/difference.hpp"

namespace ctxmem {

// A place at which the texts differ: positions [begin, end) in the row of each side.
struct Hunk {
    std::array<std::uint32_t, 2> begin, end;

    std::uint32_t size(int side) const { return end[side] - begin[side]; }
};

struct Alignment {
    // Indices of the items that are compared, for each side, ascending.
    std::array<std::vector<std::uint32_t>, 2> row;
    std::vector<Hunk> hunks;  // in text order; each is non-empty on at least one side
    bool aligned = true;      // false: one hunk, whose two sides are compared as multisets
};

// No hunks where nothing differs.
Alignment align(const ReadText& a, const ReadText& b, StopToken& stop);

}  // namespace ctxmem
