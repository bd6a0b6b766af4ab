// Byte strings to numbers: the vocabulary of a tokenizer file while it is read, and what must be
// found by its whole text afterwards. Open addressing with linear probing, at most half full; the
// bytes lie in one string. Expected constant time but for hashing the bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/tokenizer/vocabulary.hpp"

namespace ctxmem {

class StringIndex {
public:
    static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

    explicit StringIndex(std::size_t expected = 0) {
        std::size_t places = 16;
        while (places < 2 * expected) places *= 2;
        places_.assign(places, 0);
        entries_.reserve(expected);
    }

    // Keep `value` for `key`, in place of an earlier one. True if the key is new.
    // Throws std::invalid_argument above 4 GB of keys.
    bool set(std::string_view key, std::uint32_t value) {
        const std::uint64_t hash = hash_of_bytes(key);
        if (Entry* known = find_entry(key, hash)) {
            known->value = value;
            return false;
        }
        if (bytes_.size() + key.size() >= kNone)
            throw std::invalid_argument("a vocabulary of more than 4 GB");
        if (2 * (entries_.size() + 1) > places_.size()) grow();
        entries_.push_back({static_cast<std::uint32_t>(bytes_.size()),
                            static_cast<std::uint32_t>(key.size()), value});
        bytes_.append(key);
        place(hash, static_cast<std::uint32_t>(entries_.size()));
        return true;
    }

    std::uint32_t find(std::string_view key) const {
        const Entry* entry = const_cast<StringIndex*>(this)->find_entry(key, hash_of_bytes(key));
        return entry == nullptr ? kNone : entry->value;
    }

private:
    struct Entry {
        std::uint32_t offset, size, value;
    };

    static std::uint64_t hash_of_bytes(std::string_view key) {
        std::uint64_t hash = key.size() * 0x9FB21C651E98DF25ull;
        const char* at = key.data();
        std::size_t left = key.size();
        for (; left > 8; left -= 8, at += 8) hash = mixed(hash ^ detail::load64(at));
        return mixed(hash ^ detail::load_up_to_8(at, left));
    }

    static std::uint64_t mixed(std::uint64_t word) {
        word *= 0x9E3779B97F4A7C15ull;
        word ^= word >> 32;
        return word * 0xD6E8FEB86659FD93ull;
    }

    std::string_view key_of_entry(const Entry& entry) const {
        return {bytes_.data() + entry.offset, entry.size};
    }

    // A place holds the upper half of the hash and the number of the entry, from 1 on.
    Entry* find_entry(std::string_view key, std::uint64_t hash) {
        const std::size_t mask = places_.size() - 1;
        for (std::size_t at = hash >> 20 & mask; places_[at] != 0; at = (at + 1) & mask) {
            if (places_[at] >> 32 != hash >> 32) continue;
            Entry& entry = entries_[(places_[at] & 0xFFFFFFFFu) - 1];
            if (key_of_entry(entry) == key) return &entry;
        }
        return nullptr;
    }

    void place(std::uint64_t hash, std::uint32_t number) {
        const std::size_t mask = places_.size() - 1;
        std::size_t at = hash >> 20 & mask;
        while (places_[at] != 0) at = (at + 1) & mask;
        places_[at] = hash >> 32 << 32 | number;
    }

    void grow() {
        places_.assign(2 * places_.size(), 0);
        for (std::uint32_t i = 0; i < entries_.size(); ++i)
            place(hash_of_bytes(key_of_entry(entries_[i])), i + 1);
    }

    std::vector<std::uint64_t> places_;
    std::vector<Entry> entries_;
    std::string bytes_;
};

}  // namespace ctxmem
