// Posting lists: which sets have a key among their rarest shingles.
//
// The lists lie one after the other, each behind a head that says how long it is, so that reading a
// list costs one line of the cache and not three. A set refers to a list by where its head is.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/support/huge_page_array.hpp"

namespace ctxmem {

struct Posting {
    std::uint32_t rank;  // of the set
    std::uint32_t cap;   // no partner larger than this can share enough from here on
};

// A list in place. Its head holds {size, room}. Invariant: size <= room; entries ascend by rank.
class PostingList {
public:
    explicit PostingList(Posting* head) : head_(head) {}
    static PostingList make(Posting* head, std::uint32_t room) {
        *head = {0, room};
        return PostingList(head);
    }
    void append(Posting posting) { head_[++head_->rank] = posting; }
    std::size_t size() const { return head_->rank; }
    Posting* begin() const { return head_ + 1; }
    Posting* end() const { return head_ + 1 + head_->rank; }
    void truncate(const Posting* end) { head_->rank = static_cast<std::uint32_t>(end - begin()); }
    PostingList next() const { return PostingList(head_ + 1 + head_->cap); }

private:
    Posting* head_;
};

// Open addressing from keys to dense numbers. The table holds numbers only, the keys lie by number: a
// quarter of the memory, so more of it is in the cache.
class KeyNumbers {
public:
    static constexpr std::uint32_t kUnknown = 0xFFFFFFFFu;

    explicit KeyNumbers(std::size_t most)
        : slots_(std::bit_ceil(std::max<std::size_t>(16, 2 * most))),
          shift_(64 - std::countr_zero(slots_.size())) {
        keys_.reserve(most);
    }
    std::uint32_t insert(std::uint64_t key) {
        std::uint32_t& slot = slots_[place_of(key)];
        if (slot == 0) {
            keys_.push_back(key);
            slot = static_cast<std::uint32_t>(keys_.size());
        }
        return slot - 1;
    }
    std::uint32_t find(std::uint64_t key) const {
        return slots_[place_of(key)] - 1;  // kUnknown for an empty place
    }
    std::size_t size() const { return keys_.size(); }

private:
    std::size_t place_of(std::uint64_t key) const {
        std::size_t place = (key * 0xD6E8FEB86659FD93ull) >> shift_;
        while (slots_[place] != 0 && keys_[slots_[place] - 1] != key)
            place = (place + 1) & (slots_.size() - 1);
        return place;
    }

    HugePageArray<std::uint32_t> slots_;  // number + 1; 0 is empty
    std::vector<std::uint64_t> keys_;
    int shift_;
};

}  // namespace ctxmem
