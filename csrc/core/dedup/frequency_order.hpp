// Keys that order shingles from rare to frequent, and a partial sort by them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ctxmem {

// The count, then the hash's upper bits. Two shingles may share a key (2^-48); they then share a
// posting list, which costs a comparison and no more.
inline std::uint64_t rarity_key(std::uint64_t shingle, std::uint8_t count) {
    return std::uint64_t{count} << 48 | shingle >> 16;
}

// Puts the rarest keys of a set first. A histogram over counts, each split by the hash, finds the few
// keys to sort, and in which order their classes come: most counts are small, and those of a
// text with one copy are all 2.
class FrequencyOrder {
public:
    // Move the `first` smallest keys to the front, in order; the rest follows in any order.
    // Requires counts of 2 or more.
    void smallest_first(std::uint64_t* keys, std::size_t count, std::size_t first) {
        if (first == 0) return;
        std::uint32_t histogram[kClasses] = {};
        for (std::size_t i = 0; i < count; ++i) ++histogram[class_of(keys[i])];
        std::size_t last = 0;
        std::size_t below = histogram[0];
        while (below < first) below += histogram[++last];
        rare_.resize(count + 1);
        frequent_.resize(count + 1);
        std::size_t rare = 0;
        std::size_t frequent = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t key = keys[i];
            const bool is_rare = class_of(key) <= last;
            rare_[rare] = key;
            frequent_[frequent] = key;
            rare += is_rare;
            frequent += !is_rare;
        }
        // Each class to its place.
        std::uint32_t begin = 0;
        for (std::size_t c = 0; c <= last; ++c) {
            const std::uint32_t size = histogram[c];
            histogram[c] = begin;
            begin += size;
        }
        for (std::size_t i = 0; i < rare; ++i) keys[histogram[class_of(rare_[i])]++] = rare_[i];
        std::copy_n(frequent_.begin(), frequent, keys + rare);
        // Now histogram[c] is where class c ends.
        begin = 0;
        for (std::size_t c = 0; c <= last; begin = histogram[c++]) {
            const std::size_t end = histogram[c];
            if (end - begin < 2) continue;
            // Of the last class only those that are needed, which matters where it is large.
            const std::size_t wanted = std::min<std::size_t>(end, first);
            if (end - wanted > 32) std::nth_element(keys + begin, keys + wanted, keys + end);
            std::sort(keys + begin, keys + (end - wanted > 32 ? wanted : end));
        }
    }

private:
    // Sixteen classes for each count from 2 to 16, in the order of the keys, and one for the rest.
    static constexpr std::size_t kClasses = 241;
    static std::size_t class_of(std::uint64_t key) {
        return std::min<std::size_t>((key >> 44) - 32, kClasses - 1);
    }
    std::vector<std::uint64_t> rare_;
    std::vector<std::uint64_t> frequent_;
};

}  // namespace ctxmem
