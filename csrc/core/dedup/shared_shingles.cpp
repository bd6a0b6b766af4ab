#include "core/dedup/shared_shingles.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "core/dedup/shingles.hpp"

namespace ctxmem {
namespace {

// Whether a hash is there twice: open addressing, an empty slot is 0, which no shingle is.
bool has_repeat(std::span<const std::uint64_t> hashes, std::vector<std::uint64_t>& slots) {
    const std::size_t places = std::bit_ceil(2 * hashes.size() + 1);
    const int shift = 64 - std::countr_zero(places);
    slots.assign(places, 0);
    for (const std::uint64_t hash : hashes) {
        std::size_t place = hash >> shift;
        while (slots[place] != 0 && slots[place] != hash) place = (place + 1) & (places - 1);
        if (slots[place] == hash) return true;
        slots[place] = hash;
    }
    return false;
}

}  // namespace

std::vector<std::uint8_t> share_shingles(std::span<const std::string_view> texts,
                                         std::span<const std::int32_t> group, int ngram,
                                         StopToken& stop) {
    if (group.size() != texts.size())
        throw std::invalid_argument("expected as many groups as texts");
    Shingler shingler(Unit::word, ngram);
    Arena sets;  // of one group: each without repeats, so that a repeat is of two texts
    std::vector<std::uint64_t> slots;
    std::vector<std::uint8_t> shared(texts.size(), 0);
    for (std::size_t begin = 0, end = 0; begin < texts.size(); begin = end) {
        sets.truncate(0);
        for (end = begin; end < texts.size() && group[end] == group[begin]; ++end) {
            stop.check(4 * texts[end].size());
            shingler.append(texts[end], sets);
        }
        if (end - begin > 1 && has_repeat({sets.data(), sets.size()}, slots))
            std::fill(shared.begin() + static_cast<std::ptrdiff_t>(begin),
                      shared.begin() + static_cast<std::ptrdiff_t>(end), std::uint8_t{1});
    }
    return shared;
}

}  // namespace ctxmem
