// The sets of texts, equal ones folded: the nodes that a join compares.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"
#include "core/dedup/shingles.hpp"

namespace ctxmem {

constexpr std::uint32_t kNone = 0xFFFFFFFFu;

// The set of a text, in an arena.
struct Slice {
    std::uint64_t* shingles;
    std::uint32_t size;  // distinct shingles of the text
    std::uint32_t kept;  // of those, the ones that may be in another set; they come first
};

// Invariant: the slices lie in the arenas.
struct TextSets {
    std::vector<Arena> arenas;
    std::vector<Slice> slices;        // of each node
    std::vector<std::int32_t> first;  // node -> its first text
    std::vector<std::uint32_t> of;    // text -> node
};

// Nodes are numbered in the order of their first texts. Linear in the texts.
// Throws std::invalid_argument for a text of 2^31 shingles or more, or for ngram < 1.
TextSets sets_of_texts(std::span<const std::string_view> texts, Unit unit, int ngram,
                       std::size_t threads, StopToken& stop, const WordKey& key = process_key());

}  // namespace ctxmem
