// The lists of difference_words.hpp, looked up by word: one probe into a table that is filled once.
//
// A word is handed in as the hash of its folded characters; two different words collide with
// probability 2^-64 a pair. Constant time.
#pragma once
#include <cstdint>
#include <iterator>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "core/difference_words.hpp"

namespace ctxmem {

// As KINDS of generate_difference_words.py has them.
enum class WordKind : std::uint8_t {
    number, negation, modal, condition, quantifier, month, weekday, unit, opposite, mark, operator_,
    prefix, number_link, function, neutral, unit_sign, currency,
};
constexpr std::uint8_t kind_number(WordKind kind) { return static_cast<std::uint8_t>(kind); }

// Flags of an entry: it always counts; only where another of its kind is opposed; it is a stem; it
// is a run of its own.
constexpr std::uint8_t kWordStrong = 1, kWordPair = 2, kWordStem = 4, kWordWhole = 8;

constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    hash = (hash ^ value) * 0xD6E8FEB86659FD93ull;
    return hash ^ hash >> 32;
}

constexpr std::uint64_t hash_chars(std::u32string_view word) {
    std::uint64_t hash = 0x9E3779B97F4A7C15ull;
    for (const char32_t c : word) hash = mix(hash, c);
    return mix(hash, word.size());
}

class WordLists {
public:
    static const WordLists& get() {
        static const WordLists lists;
        return lists;
    }

    // The entries of a word: numbers into the columns of difference_words.hpp.
    std::span<const std::uint32_t> entries(std::uint64_t hash) const {
        std::size_t at = hash & kMask;
        while (slots_[at].first != slots_[at].last && slots_[at].hash != hash) at = (at + 1) & kMask;
        return std::span(numbers_).subspan(slots_[at].first, slots_[at].last - slots_[at].first);
    }

private:
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t first = 0, last = 0;  // none: free
    };
    static constexpr std::size_t kWords = std::size(tables::kWordAt);
    static constexpr std::size_t kMask = 16383;
    static_assert(2 * kWords < kMask, "the table would be too full");

    WordLists() : slots_(kMask + 1), numbers_(kWords) {
        std::iota(numbers_.begin(), numbers_.end(), 0u);
        for (std::size_t e = 0; e < kWords;) {
            std::size_t last = e + 1;  // one word's entries are side by side
            while (last < kWords && tables::kWordAt[last] == tables::kWordAt[e] &&
                   tables::kWordSize[last] == tables::kWordSize[e])
                ++last;
            const std::uint64_t hash =
                hash_chars({tables::kWordPool + tables::kWordAt[e], tables::kWordSize[e]});
            std::size_t at = hash & kMask;
            while (slots_[at].first != slots_[at].last) at = (at + 1) & kMask;
            slots_[at] = {hash, static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(last)};
            e = last;
        }
    }

    std::vector<Slot> slots_;
    std::vector<std::uint32_t> numbers_;  // of entries, ascending: what a span of them is a view of
};

inline std::span<const std::uint32_t> word_entries(std::uint64_t hash) { return WordLists::get().entries(hash); }

// The meaning of a word of a kind; 0 if it has none.
inline std::uint16_t word_entry(std::u32string_view word, WordKind kind) {
    for (const std::size_t e : word_entries(hash_chars(word)))
        if (tables::kWordKind[e] == kind_number(kind)) return tables::kWordValue[e];
    return 0;
}

}  // namespace ctxmem
