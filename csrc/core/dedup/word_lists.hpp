// Look-up in the word lists (difference_words.hpp), by a word's folded characters.
//
// The hash table uses open addressing with linear probing and is filled once, on first use, with
// words that nobody outside chooses. A look-up takes constant time; a word whose hash is that of a
// listed word is compared with it.
#pragma once
#include <cstdint>
#include <iterator>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "core/dedup/difference_words.hpp"

namespace ctxmem {

// In the order of KINDS in generate_difference_words.py.
enum class WordKind : std::uint8_t {
    number,
    negation,
    modal,
    condition,
    quantifier,
    month,
    weekday,
    unit,
    opposite,
    mark,
    operator_,
    prefix,
    number_link,
    function,
    neutral,
    unit_sign,
    currency,
};
constexpr std::uint8_t kind_number(WordKind kind) { return static_cast<std::uint8_t>(kind); }

// Flags of an entry. Strong: it counts wherever only one text has it. Pair: it counts only if the
// other text has another word of its family at the same place. Stem: it may have an ending. Whole:
// it is not part of a longer run of letters, or, for a unit sign, it follows its number directly.
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

    static constexpr std::uint16_t kUnlisted = 0xFFFF;

    // Entries of one word: those of several languages, with several meanings.
    static constexpr std::size_t kMostEntries = [] {
        std::size_t most = 0;
        for (std::size_t e = 0, same = 0; e < std::size(tables::kWordAt); ++e) {
            const bool goes_on = e > 0 && tables::kWordAt[e] == tables::kWordAt[e - 1] &&
                                 tables::kWordSize[e] == tables::kWordSize[e - 1];
            same = goes_on ? same + 1 : 1;
            if (same > most) most = same;
        }
        return most;
    }();

    // The place of a word in the table; kUnlisted if no list has it.
    std::uint16_t place(std::u32string_view word) const {
        const std::uint64_t hash = hash_chars(word);
        std::size_t at = hash & kMask;
        for (; slots_[at].first != slots_[at].last; at = (at + 1) & kMask) {
            if (slots_[at].hash != hash || word_of(slots_[at].first) != word) continue;
            return static_cast<std::uint16_t>(at);
        }
        return kUnlisted;
    }

    // The entries of the word at a place: indices into the columns of difference_words.hpp.
    std::span<const std::uint32_t> entries(std::uint16_t place) const {
        if (place == kUnlisted) return {};
        const Slot& slot = slots_[place];
        return std::span(numbers_).subspan(slot.first, slot.last - slot.first);
    }

private:
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t first = 0, last = 0;  // a free slot has no entries
    };
    static constexpr std::size_t kWords = std::size(tables::kWordAt);
    static constexpr std::size_t kMask = 32767;
    // At least half of the slots are free, so every probe ends.
    static_assert(2 * kWords < kMask, "the table would be too full");
    static_assert(kMask < kUnlisted);

    WordLists() : slots_(kMask + 1), numbers_(kWords) {
        std::iota(numbers_.begin(), numbers_.end(), 0u);
        for (std::size_t e = 0; e < kWords;) {
            std::size_t last = e + 1;  // the entries of one word are adjacent
            while (last < kWords && tables::kWordAt[last] == tables::kWordAt[e] &&
                   tables::kWordSize[last] == tables::kWordSize[e])
                ++last;
            const std::uint64_t hash = hash_chars(word_of(e));
            std::size_t at = hash & kMask;
            while (slots_[at].first != slots_[at].last) at = (at + 1) & kMask;
            slots_[at] = {hash, static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(last)};
            e = last;
        }
    }

    static std::u32string_view word_of(std::size_t entry) {
        return {tables::kWordPool + tables::kWordAt[entry], tables::kWordSize[entry]};
    }

    std::vector<Slot> slots_;
    std::vector<std::uint32_t> numbers_;  // 0, 1, 2 ...: entries() returns views of it
};

inline std::span<const std::uint32_t> word_entries(std::u32string_view word) {
    const WordLists& lists = WordLists::get();
    return lists.entries(lists.place(word));
}

// The value of a word's entry of a kind; 0 if it has none.
inline std::uint16_t word_entry(std::u32string_view word, WordKind kind) {
    for (const std::size_t e : word_entries(word))
        if (tables::kWordKind[e] == kind_number(kind)) return tables::kWordValue[e];
    return 0;
}

}  // namespace ctxmem
