// Token counts by content key, bounded: CLOCK eviction (Corbato 1968) over a fixed array of slots.
//
// One hash index (open addressing, linear probing, never more than half full) points into a ring of
// slots. A look-up sets the slot's mark; an insertion into a full ring moves the hand past marked
// slots, clearing them, and replaces the first unmarked one. Both are constant time, amortised; no
// allocation after construction. Keys are 128-bit content hashes, compared whole.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace ctxmem {

struct ContentKey {
    std::uint64_t low;
    std::uint64_t high;
    bool operator==(const ContentKey& other) const {
        return low == other.low && high == other.high;
    }
};

class CountTable {
public:
    // Throws std::invalid_argument unless 1 <= capacity <= 2^28.
    explicit CountTable(std::size_t capacity) {
        if (capacity < 1 || capacity > (std::size_t{1} << 28))
            throw std::invalid_argument("capacity must be between 1 and 2**28");
        slots_.reserve(capacity);
        capacity_ = capacity;
        std::size_t places = 4;
        while (places < 2 * capacity) places *= 2;
        index_.assign(places, kEmpty);
    }

    std::size_t size() const { return slots_.size(); }
    std::size_t capacity() const { return capacity_; }

    // The stored count, or -1.
    std::int64_t find(const ContentKey& key) {
        const std::uint32_t slot = index_[place_of(key)];
        if (slot == kEmpty) return -1;
        slots_[slot].marked = true;
        return slots_[slot].count;
    }

    void insert(const ContentKey& key, std::int64_t count) {
        const std::size_t place = place_of(key);
        if (index_[place] != kEmpty) {
            slots_[index_[place]].count = count;
            return;
        }
        if (slots_.size() < capacity_) {
            index_[place] = static_cast<std::uint32_t>(slots_.size());
            slots_.push_back({key, count, false});
            return;
        }
        while (slots_[hand_].marked) {
            slots_[hand_].marked = false;
            advance();
        }
        erase(place_of(slots_[hand_].key));
        slots_[hand_] = {key, count, false};
        index_[place_of(key)] =
            static_cast<std::uint32_t>(hand_);  // erase may have moved its place
        advance();
    }

private:
    struct Slot {
        ContentKey key;
        std::int64_t count;
        bool marked;  // looked up since the hand last passed
    };
    static constexpr std::uint32_t kEmpty = 0xFFFFFFFFu;

    std::size_t mask() const { return index_.size() - 1; }
    std::size_t home_of(const ContentKey& key) const { return key.low & mask(); }

    // Where the key is in the index, or the empty place where it would.
    std::size_t place_of(const ContentKey& key) const {
        std::size_t place = home_of(key);
        while (index_[place] != kEmpty && !(slots_[index_[place]].key == key))
            place = (place + 1) & mask();
        return place;
    }

    // Empty a place and close the gap, so that no probe sequence is broken (Knuth, TAOCP 6.4 R).
    void erase(std::size_t place) {
        std::size_t gap = place;
        for (std::size_t next = (gap + 1) & mask(); index_[next] != kEmpty;
             next = (next + 1) & mask()) {
            const std::size_t home = home_of(slots_[index_[next]].key);
            const bool reachable = ((next - home) & mask()) >= ((next - gap) & mask());
            if (!reachable) continue;
            index_[gap] = index_[next];
            gap = next;
        }
        index_[gap] = kEmpty;
    }

    void advance() { hand_ = hand_ + 1 == slots_.size() ? 0 : hand_ + 1; }

    std::size_t capacity_ = 0;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> index_;
    std::size_t hand_ = 0;
};

}  // namespace ctxmem
