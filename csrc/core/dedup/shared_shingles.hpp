// Which groups of texts cannot hold near-duplicates, because no two of their texts share a shingle.
//
// Most windows of a trace are such groups of a few short texts, for which the exact join
// (setjoin.hpp) spends nearly all of its time on what it sets up. Linear in the texts.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

// For each text whether its group has two texts with a common shingle of `ngram` words. A group is
// a run of texts with equal numbers.
// Throws std::invalid_argument unless ngram >= 1 and there are as many numbers as texts.
std::vector<std::uint8_t> share_shingles(std::span<const std::string_view> texts,
                                         std::span<const std::int32_t> group, int ngram,
                                         StopToken& stop);

}  // namespace ctxmem
