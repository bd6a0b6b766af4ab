// The buckets of an index: which nodes have a band key.
//
// A bucket is for all keys with the same lower bits, so its size says at once how crowded it is; each
// entry has the upper bits of its key. The entries of a bucket lie side by side in a block of a power
// of two, since reading a list of links would miss the cache at each step. A bucket that outgrows its
// block gets one of twice the size, and the old one is given to another bucket: an entry is constant
// amortised.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/support/huge_page_array.hpp"

namespace ctxmem {

class BandBuckets {
public:
    struct Entry {
        std::uint32_t node;
        std::uint32_t check;  // the upper half of its key
    };

    // With more entries than this, a block could begin beyond what a bucket can refer to.
    static constexpr std::size_t kMostEntries = std::size_t{1} << 31;

    BandBuckets() : BandBuckets(0) {}

    // Of this many buckets, rounded up to a power of two.
    explicit BandBuckets(std::size_t buckets)
        : buckets_(std::bit_ceil(std::max<std::size_t>(16, buckets))) {
        std::fill(std::begin(free_), std::end(free_), kNothing);
    }

    std::size_t size() const { return buckets_.size(); }

    // Throws std::bad_alloc; then the entry is not added.
    void add(std::uint64_t key, std::uint32_t node) {
        Bucket& bucket = bucket_of(key);
        if (std::has_single_bit(bucket.size) || bucket.size == 0) make_room(bucket);
        entries_[first_of(bucket) + bucket.size++] = {node, check_of(key)};
    }

    // The entries of the bucket of a key, in the order in which they were added.
    std::span<const Entry> of(std::uint64_t key) const {
        const Bucket& bucket = buckets_[key & (buckets_.size() - 1)];
        return {entries_.data() + first_of(bucket), bucket.size};
    }

    static std::uint32_t check_of(std::uint64_t key) {
        return static_cast<std::uint32_t>(key >> 32);
    }

private:
    static constexpr std::uint32_t kNothing = 0xFFFFFFFFu;

    // Invariant: its block has bit_ceil(size) entries and at least two, or none where size is 0.
    struct Bucket {
        std::uint32_t block;  // its first entry, in pairs
        std::uint32_t size;
    };

    Bucket& bucket_of(std::uint64_t key) { return buckets_[key & (buckets_.size() - 1)]; }
    static std::size_t first_of(const Bucket& bucket) { return std::size_t{2} * bucket.block; }

    // Called where size is 0 or a power of two: give it a block for twice as many.
    void make_room(Bucket& bucket) {
        if (bucket.size == 1) return;  // the smallest block is for two
        const std::size_t room = std::max<std::size_t>(2, std::size_t{2} * bucket.size);
        const std::uint32_t block = take(room);
        if (bucket.size > 0) {
            const Entry* const old = entries_.data() + first_of(bucket);
            std::copy_n(old, bucket.size, entries_.data() + std::size_t{2} * block);
            give_back(bucket.block, bucket.size);
        }
        bucket.block = block;
    }

    std::uint32_t take(std::size_t room) {
        std::uint32_t& free = free_[std::countr_zero(room)];
        if (free != kNothing) {
            const std::uint32_t block = free;
            free = entries_[std::size_t{2} * block].node;
            return block;
        }
        if (used_ + room > entries_.size()) entries_.grow(used_ + used_ / 2 + room + 64);
        const auto block = static_cast<std::uint32_t>(used_ / 2);
        used_ += room;
        return block;
    }

    void give_back(std::uint32_t block, std::size_t room) {
        std::uint32_t& free = free_[std::countr_zero(room)];
        entries_[std::size_t{2} * block].node = free;
        free = block;
    }

    HugePageArray<Bucket> buckets_;
    HugePageArray<Entry> entries_;
    // Of the entries. Blocks of buckets take less than twice the entries added, those given back less
    // than the former: so a block begins at less than 2^33, which is less than 2^32 pairs.
    std::size_t used_ = 0;
    std::uint32_t free_[34];  // by the logarithm of the size: the blocks given back, linked
};

// How many buckets each of the nodes shares with a query.
class SharedBuckets {
public:
    struct Count {
        std::uint32_t buckets;
        std::uint32_t node;
    };

    explicit SharedBuckets(std::span<const std::uint32_t> nodes) {
        const std::size_t places = std::bit_ceil(std::max<std::size_t>(16, 2 * nodes.size()));
        const int shift = 64 - std::countr_zero(places);
        std::vector<std::uint32_t> slots(places, 0);  // the number of a count, plus 1
        for (const std::uint32_t node : nodes) {
            std::size_t place = (node + 1) * 0x9E3779B97F4A7C15ull >> shift;
            while (slots[place] != 0 && counts_[slots[place] - 1].node != node)
                place = (place + 1) & (places - 1);
            if (slots[place] == 0) {
                counts_.push_back({0, node});
                slots[place] = static_cast<std::uint32_t>(counts_.size());
            }
            ++counts_[slots[place] - 1].buckets;
        }
    }

    // Keep the `most` nodes that share most buckets, ties by node, in any order.
    void keep(std::size_t most) {
        if (counts_.size() <= most) return;
        std::nth_element(counts_.begin(), counts_.begin() + static_cast<std::ptrdiff_t>(most),
                         counts_.end(), [](const Count& a, const Count& b) {
                             return a.buckets != b.buckets ? a.buckets > b.buckets
                                                           : a.node < b.node;
                         });
        counts_.resize(most);
    }

    std::span<const Count> counts() const { return counts_; }

private:
    std::vector<Count> counts_;
};

}  // namespace ctxmem
