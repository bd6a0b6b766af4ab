// Exact near-duplicates: which texts share at least a given part of their shingles.
//
// The steps, each linear in the shingles unless said otherwise:
// 1. texts become sets of shingle hashes (shingles.hpp); equal sets become one node, so that copies
//    cost nothing later (text_sets.hpp);
// 2. a table of counters gives an upper bound of the number of sets that contain a shingle
//    (df_counter.hpp). A shingle that one set contains joins nothing; a set with too few other
//    shingles to reach the threshold needs no further step;
// 3. the rest is ordered from rare to frequent. Two sets that are similar enough share one of the
//    first |A| - t|A| + 1 shingles of that order (prefix filter: Chaudhuri et al. 2006, Bayardo et
//    al. 2007), and at positions that leave enough to come (position filter: PPJoin, Xiao et al.
//    2008; both sides' positions as a bound on the partner's size: Mann and Augsten 2014);
// 4. a pair found so is compared whole, unless bitmaps of 512 bits show that it differs
//    (bitmap filter: Sandes, Teodoro and Melo 2020).
// The candidates of step 3 are few on text; sets made to be alike but not alike enough can still make
// them quadratic, which no exact method avoids. The search for groups then
// stops and starts anew by MinHash (lsh_index.hpp), in linear time, and its result is not `exact`.
// Steps 1 and 2 and the lists of step 3 are spread over threads, which changes nothing in the result;
// what is found decides what is looked for next, so finding is done by one.
//
// The result is exact up to collisions of 64-bit hashes (2^-64 for two shingles), which are keyed, so
// that collisions cannot be made without the key. The key changes nothing in an exact result, but it does in how
// long the join takes, and so in whether it gives up; a caller who needs that to be reproducible makes
// the key from a digest of the texts. For Jaccard the
// similarity is |A and B| / |A or B|, for containment |A and B| / min(|A|, |B|), both as doubles, and
// a pair counts when that double is >= the threshold.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/dedup/similarity_options.hpp"
#include "core/support/secret.hpp"
#include "core/support/stop_token.hpp"
#include "core/dedup/groups.hpp"

namespace ctxmem {

struct Pairs {
    std::vector<std::int32_t> left;  // left < right; rows ascend by left, then right
    std::vector<std::int32_t> right;
    std::vector<double> similarity;
};

// Every pair of near-duplicates, with texts of the same set folded: each is paired with the first of
// them, and only that first text is paired with others.
// Throws std::invalid_argument for a SimilarityOptions out of range or more than 2^31 - 1 texts.
Pairs near_duplicate_pairs(std::span<const std::string_view> texts,
                           const SimilarityOptions& options, std::size_t threads, StopToken& stop);

// Groups without chains: texts are taken by priority, the highest first, ties by index; one that is
// not taken yet becomes a representative and takes every such text that is a near-duplicate of it.
// Linear on floods of near-identical texts, where the pairs would be quadratic.
// Requires as many priorities as texts, none NaN. Throws as near_duplicate_pairs.
Groups near_duplicate_groups(std::span<const std::string_view> texts,
                             std::span<const double> priority, const SimilarityOptions& options,
                             std::size_t threads, StopToken& stop,
                             const WordKey& key = process_key());

}  // namespace ctxmem
