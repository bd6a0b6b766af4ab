// Near-duplicates as stars: an exact set-similarity join against representatives only.
//
// Texts are taken in order of priority. Each joins the earliest representative whose Jaccard similarity
// with it, over sets of word n-grams, reaches the threshold; a text that joins none becomes a
// representative. So every member is within the threshold of its representative, and there are no
// chains. A text with too few n-grams that any other has is dismissed unread; for the others,
// candidates come from a prefix filter over n-grams ordered by rarity (Chaudhuri, Ganti, Kaushik
// 2006; Bayardo, Ma, Srikant 2007): two sets that are similar enough share one of their rarest few.
// Every candidate is verified on the whole sets. A flood of alike texts has one representative and
// stays linear.
//
// A text of fewer than n words is one n-gram, all its words; a text without words is alike to none.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/words.hpp"

namespace ctxmem {

struct Stars {
    std::vector<std::int32_t> representative;  // index of a text; itself for a representative
    std::vector<double> similarity;            // to the representative, 1 for itself
};

// `order` lists every text once, best first. Throws std::invalid_argument unless
// 0 < threshold <= 1 and n >= 1, and std::out_of_range for an entry of `order` that is no text.
Stars near_duplicate_stars(const WordView& texts, std::span<const std::int32_t> order,
                           double threshold, int n);

}  // namespace ctxmem
