// Near-duplicates of texts that come and go: MinHash, banded buckets, exact comparison.
//
// Each distinct set is a node, stored once with its shingles; texts are entries of a node, so a flood
// of copies costs a few bytes each. A node is in one bucket a band. A query compares its set with
// the nodes it shares a bucket with, so what it returns is exact and what it misses is what the bands
// miss: at the threshold, one pair in a hundred (band_plan).
// Two kinds of hashes are made of a text. Sets hold shingles hashed with a key of the index, drawn at
// random and kept in its state, so that nobody can choose texts that only seem to be alike. Signatures
// come from a seed, so that what the bands miss is the same in every process.
// Texts that many others are like, or that share buckets with many, cost a bounded time: kMostSteps
// nodes of a query's buckets are looked at, those of the smallest buckets first and of a bucket the
// oldest first; the `limit` of them that share most buckets, but from kLeastCompared to kMostCompared,
// are compared; and at most `limit` matches are returned. A near-duplicate shares most of its buckets, so it is missed only where nearly
// all of these are crowded. A query without a limit looks at all, and takes the time that this takes.
// Removal marks and forgets; when half of the nodes are gone the index is built anew from the rest,
// so every operation is constant amortised, besides the texts themselves and the answers.
//
// Reading from many threads at once is safe; a writer waits for the readers and they for it.
#pragma once
#include <cstdint>
#include <limits>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/dedup/band_buckets.hpp"
#include "core/dedup/similarity_options.hpp"
#include "core/dedup/minhash.hpp"
#include "core/dedup/bitmap_filter.hpp"
#include "core/support/secret.hpp"
#include "core/support/stop_token.hpp"
#include "core/dedup/shingles.hpp"
#include "core/dedup/groups.hpp"

namespace ctxmem {

class LshIndex {
public:
    struct Matches {
        std::vector<std::int64_t> start{0};  // of the rows of each query; one more at the end
        std::vector<std::int64_t> entry;
        std::vector<double> similarity;  // descending within a query, ties by entry
    };
    // All there is to know: the key, the sets and their buckets, and which set each entry has.
    struct State {
        WordKey key{};
        std::vector<std::uint32_t> sizes;
        std::vector<std::uint64_t> shingles;
        std::vector<std::uint64_t> band_keys;  // of each set, as many as there are bands
        std::vector<std::int64_t> entries;     // ascending
        std::vector<std::uint32_t> nodes;      // of each entry
    };

    // Throws std::invalid_argument for options out of range; the measure must be Jaccard.
    LshIndex(const SimilarityOptions& options, std::size_t k, std::uint64_t seed);

    // Enter texts; return their entry numbers, which ascend and are never given twice. All or none.
    std::vector<std::int64_t> add(std::span<const std::string_view> texts, StopToken& stop);

    // Throws std::out_of_range, before any is removed, for an entry that is not there or named twice.
    void remove(std::span<const std::int64_t> entries);

    static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

    // At most `limit` matches of each text, the most similar ones, then the first entered.
    Matches query(std::span<const std::string_view> texts, std::size_t limit,
                  StopToken& stop) const;

    State state() const;

    // Replace all entries. Throws std::invalid_argument if the parts do not fit together.
    void restore(const State& state, StopToken& stop);

    std::size_t size() const;

    // What texts look like to an index of these options: their sets, ascending, and their band keys.
    struct Readings {
        Arena sets;
        std::vector<std::size_t> start{0};
        std::vector<std::uint64_t> keys;
        std::size_t size() const { return start.size() - 1; }
        std::span<const std::uint64_t> set(std::size_t i) const {
            return {sets.data() + start[i], start[i + 1] - start[i]};
        }
    };
    // The costly part of `add` and `query`; it looks at no entry, so threads need not wait.
    Readings read(std::span<const std::string_view> texts, StopToken& stop) const;

    // As above, of texts that were read: those from `begin` to `end`; one, appended to `matches`.
    std::vector<std::int64_t> add(const Readings& readings, std::size_t begin, std::size_t end);
    void query(const Readings& readings, std::size_t i, std::size_t limit, Matches& matches,
               StopToken& stop) const;

private:
    static constexpr std::size_t kMostSteps = 2048;
    static constexpr std::size_t kLeastCompared = 128;
    static constexpr std::size_t kMostCompared = 512;

    struct Node {
        std::size_t begin;
        std::uint32_t size;
        std::uint32_t entries;  // 0: gone
        std::int64_t first;     // of the list of its entries, ascending; -1 for none
        std::int64_t last;
        std::uint64_t sum;
    };
    struct Row {
        double similarity;
        std::int64_t entry;
    };
    struct Entry {
        std::uint32_t node;
        std::int64_t previous;  // of the same node, -1 for none
        std::int64_t next;
    };
    // Everything that a rebuild builds anew.
    struct Tables {
        Arena shingles;
        std::vector<Node> nodes;
        std::vector<BitmapFilter> bitmaps;    // of each node
        std::vector<std::uint32_t> by_sum;    // chains of nodes with one sum: heads ...
        std::vector<std::uint32_t> next_sum;  // ... and links
        BandBuckets buckets;
        std::vector<std::uint64_t> band_keys;  // of each node, as many as there are bands
        std::size_t gone = 0;
    };

    std::uint32_t find_set(const Tables& tables, const std::uint64_t* set, std::size_t size) const;
    std::uint32_t enter_set(Tables& tables, const std::uint64_t* set, std::size_t size,
                            const std::uint64_t* keys) const;
    void link(const Tables& tables, std::uint32_t node, BandBuckets& buckets) const;
    SharedBuckets candidates(const std::uint64_t* keys, std::size_t limit) const;
    void append_best(std::vector<std::pair<double, std::uint32_t>>& nodes, std::size_t limit,
                     Matches& matches) const;
    void reserve(Tables& tables, std::size_t nodes, std::size_t shingles) const;
    void enter(std::int64_t entry, std::uint32_t node);
    void rebuild();

    SimilarityOptions options_;
    WordKey set_key_ = random_word_key();
    MinHash minhash_;
    BandPlan plan_;
    Tables tables_;
    std::unordered_map<std::int64_t, Entry> entries_;
    std::int64_t next_entry_ = 0;
    mutable std::shared_mutex mutex_;
};

// As near_duplicate_groups (setjoin.hpp), by MinHash instead of the join, in the memory of the
// representatives alone: each text goes to the first representative that it is found to be a
// near-duplicate of. Every similarity is exact; a member can be missed with the bands' probability.
Groups near_duplicate_groups_sketched(std::span<const std::string_view> texts,
                                      std::span<const double> priority,
                                      const SimilarityOptions& options, std::size_t k,
                                      std::uint64_t seed, std::size_t threads, StopToken& stop);

}  // namespace ctxmem
