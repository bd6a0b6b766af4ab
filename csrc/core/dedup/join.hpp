// The join of sets: the near-duplicates of one set after the other. Steps 2 to 4 of setjoin.hpp.
//
// Nodes that may have a partner are numbered by rank, small sets first.
//
// A list of the sets that share one shingle is long where texts have few different words, and each
// pair of its sets is a candidate. Such a list is split by a further shingle of each set, if that
// leaves fewer candidates than it costs: two sets that share enough have their first l common
// shingles among the first |A| - t|A| + l of either (l-prefixes: Wang, Li and Feng 2012). So only
// sets with two common shingles meet, and where lists are still long, with three or four.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/support/huge_page_array.hpp"
#include "core/dedup/similarity_options.hpp"
#include "core/dedup/bitmap_filter.hpp"
#include "core/dedup/postings.hpp"
#include "core/support/stop_token.hpp"
#include "core/dedup/text_sets.hpp"

namespace ctxmem {

// A set of the hashes of one node, to compare many others with.
class Lookup {
public:
    void fill(const std::uint64_t* hashes, std::size_t count);
    std::uint32_t overlap(const std::uint64_t* hashes, std::size_t count) const;

private:
    std::vector<std::uint64_t> slots_;
    int shift_ = 0;
};

class Join {
public:
    // Reorders the sets and shortens them to what matters; they must outlive the join.
    Join(TextSets& sets, const SimilarityOptions& options, std::size_t threads, StopToken& stop);

    std::size_t size() const { return members_.size(); }
    std::uint32_t node(std::uint32_t rank) const { return members_[rank].node; }
    std::uint32_t rank(std::uint32_t node) const { return ranks_[node]; }  // or kNone

    // No later probe finds this rank.
    void forget(std::uint32_t rank) { gone_[rank] = true; }

    // Steps taken by all probes so far.
    std::uint64_t visits() const { return visits_; }

    // Call found(other rank, similarity) for every rank >= from, not forgotten and not x itself, that
    // is a near-duplicate of x.
    template <class Found>
    void probe(std::uint32_t x, std::uint32_t from, Found&& found);

private:
    struct Member {
        std::uint32_t node;
        std::uint32_t size;
        std::uint32_t singles = 0;  // shingles counted once; they come before all others
        std::uint32_t prefix = 0;   // of the listed shingles, those of the prefix; they come first
        std::uint32_t listed = 0;
        const std::uint64_t* keys = nullptr;  // of the listed shingles, until the lists are built
        std::size_t lists = 0;                // the first of its lists
    };
    struct Listing {
        std::uint64_t key;
        std::uint32_t rank;
        std::uint32_t at;  // of the listed shingles of the member
    };

    void drop_singles(std::size_t threads);
    std::vector<Arena> order_shingles(std::size_t threads);
    void order_members();
    void build_lists(std::size_t threads);
    void build_part(std::vector<Listing>& listings, std::size_t begin);
    void split_long_lists();
    bool split(std::span<const Listing> list, std::uint32_t common);
    void add_list(std::span<const Listing> list, std::uint32_t common);
    bool alive(const Slice& slice) const;

    std::uint32_t cap_at(std::uint32_t size, std::uint32_t position) const;
    std::uint32_t first_of_size(std::uint32_t size) const;
    PostingList list(std::uint32_t at) { return PostingList(&postings_[at]); }
    template <class Compare>
    void scan(PostingList list, std::uint32_t from, std::uint32_t cap, std::uint32_t size,
              Compare&& compare);
    double compare_whole(std::uint32_t x, std::uint32_t y);
    double similarity(std::uint32_t shared, const Slice& left, const Slice& right) const;
    const BitmapFilter& bitmap_of(std::uint32_t rank);

    TextSets& sets_;
    const double threshold_;
    const double reach_;  // (1 + t) / t
    const bool containment_;
    StopToken& stop_;
    std::vector<Member> members_;         // by rank
    std::vector<std::uint32_t> ranks_;    // node -> rank, or kNone
    std::vector<std::uint32_t> sizes_;    // rank -> size, ascending
    HugePageArray<std::uint32_t> lists_;  // of all members; kNone where no other member is listed
    // The parts of lists that were split, by rank: those of x are further_[further_first_[x]] and on.
    struct Further {
        std::uint32_t rank;
        std::uint32_t list;
        std::uint32_t position;  // of the last of its shingles, less the common ones before it
    };
    std::vector<Further> further_;
    std::vector<std::size_t> further_first_;
    std::size_t used_ = 0;             // of the postings
    std::size_t splits_left_ = 0;      // entries of parts that may still be made
    HugePageArray<Posting> postings_;  // for containment, each list is followed by that of the
                                       // larger sets, which have the key past their prefix
    std::vector<std::uint32_t> seen_;  // rank -> the last probe that compared it
    std::vector<std::uint8_t> gone_;
    Lookup lookup_;
    bool lookup_filled_ = false;
    HugePageArray<BitmapFilter> bitmaps_;  // by rank; filled in on first use
    std::vector<std::uint8_t> has_bitmap_;
    std::uint64_t visits_ = 0;
};

// How much of a set of this size a partner must share at least; never more than the exact bound.
std::uint32_t least_overlap(double threshold, std::uint32_t size);

template <class Found>
void Join::probe(std::uint32_t x, std::uint32_t from, Found&& found) {
    const Member& member = members_[x];
    const std::uint32_t size = member.size;
    lookup_filled_ = false;
    const auto compare = [&](std::uint32_t y) {
        if (seen_[y] == x || y == x) return;
        seen_[y] = x;
        const double similarity = compare_whole(x, y);
        if (similarity >= threshold_) found(y, similarity);
    };
    const std::uint32_t* lists = lists_.data() + member.lists;
    if (!containment_) {
        const std::uint32_t low = first_of_size(least_overlap(threshold_, size));
        for (std::uint32_t i = 0; i < member.prefix; ++i)
            if (lists[i] != kNone) prefetch(&postings_[lists[i]]);
        for (std::uint32_t i = 0; i < member.prefix; ++i) {
            if (lists[i] == kNone) continue;
            const std::uint32_t cap = cap_at(size, member.singles + i);
            scan(list(lists[i]), std::max(from, low), cap, size, compare);
        }
        if (further_.empty()) return;
        for (std::size_t i = further_first_[x]; i < further_first_[x + 1]; ++i) {
            const std::uint32_t cap = cap_at(size, further_[i].position);
            scan(list(further_[i].list), std::max(from, low), cap, size, compare);
        }
        return;
    }
    // The smaller set of a pair shares a shingle of its prefix, the larger one any shingle.
    const std::uint32_t larger = std::max(from, first_of_size(size));
    for (std::uint32_t i = 0; i < member.listed; ++i) {
        if (lists[i] == kNone) continue;
        const bool in_prefix = i < member.prefix;
        scan(list(lists[i]), from, in_prefix ? kNone : size, size, compare);
        if (in_prefix) scan(list(lists[i]).next(), larger, kNone, size, compare);
    }
}

// Call compare(rank) for the entries from rank `from` on, of sizes up to `cap`, that admit a partner
// of size `size`. Forgotten entries are swept out when they are half of the list, so a list is walked
// over its dead only once.
template <class Compare>
void Join::scan(PostingList list, std::uint32_t from, std::uint32_t cap, std::uint32_t size,
                Compare&& compare) {
    Posting* const begin = list.begin();
    Posting* const end = list.end();
    Posting* at = begin;
    if (from > 0 && end - begin > 8)
        at = std::lower_bound(begin, end, from, [](const Posting& entry, std::uint32_t rank) {
            return entry.rank < rank;
        });
    std::size_t dead = 0;
    Posting* const start = at;
    for (; at < end && sizes_[at->rank] <= cap; ++at) {
        if (gone_[at->rank]) {
            ++dead;
        } else if (at->rank >= from && size <= at->cap) {
            compare(at->rank);
        }
    }
    const auto visited = static_cast<std::uint64_t>(at - start);
    stop_.check(visited);
    visits_ += visited;
    if (dead > 16 && 2 * dead > static_cast<std::size_t>(end - begin))
        list.truncate(std::remove_if(begin, end,
                                     [&](const Posting& entry) { return gone_[entry.rank] != 0; }));
}

}  // namespace ctxmem
