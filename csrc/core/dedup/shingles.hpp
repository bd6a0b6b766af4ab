// A text as a set of 64-bit shingle hashes: what near-duplicates compare.
//
// A shingle is n words in a row, or n characters in a row of the text's words written with one space
// wherever something separated them. Exceptions, so that every text has a set and no two unlike texts
// share one by accident:
// - a text of fewer than n words (characters) has one shingle, the whole of it; it equals texts of
//   the same few words and nothing else;
// - a text without any word ("", "***") has one shingle, its bytes; it equals the same bytes only.
// Repeats within a text count once (Broder, On the resemblance and containment of documents, 1997).
// Linear in the text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/huge_page_array.hpp"
#include "core/support/secret.hpp"

namespace ctxmem {

enum class Unit { word, character };

// The sets of many texts, one after the other.
class Arena {
public:
    std::size_t size() const { return size_; }
    const std::uint64_t* data() const { return values_.data(); }
    std::uint64_t* data() { return values_.data(); }
    std::size_t left() const { return values_.size() - size_; }  // room without growing

    // Where the next `count` values go; they belong to the arena once `take` is called.
    std::uint64_t* room(std::size_t count) {
        const std::size_t wanted = size_ + count;
        if (wanted > values_.size()) values_.grow(wanted + wanted / 2 + 1024);
        return values_.data() + size_;
    }
    void take(std::size_t count) { size_ += count; }
    void truncate(std::size_t size) { size_ = size; }

private:
    HugePageArray<std::uint64_t> values_;
    std::size_t size_ = 0;
};

class Shingler {
public:
    // Throws std::invalid_argument unless n >= 1.
    Shingler(Unit unit, int n, const WordKey& key = process_key());

    // Append the set of `text` to `sets`: distinct hashes, none of them 0, in an order that the same
    // sequence of words always has. Return how many, at least 1.
    // Throws std::invalid_argument for a text of 2^31 shingles or more.
    std::size_t append(std::string_view text, Arena& sets);

    // The same hashes without a promise that they are distinct, where that makes no difference.
    std::size_t append_with_repeats(std::string_view text, Arena& hashes);

    // The room that `append` may take in `sets`.
    std::size_t most(std::string_view text) const;

private:
    std::size_t distinct(std::uint64_t* hashes, std::size_t count);
    std::size_t distinct_by_table(std::uint64_t* hashes, std::size_t count);

    Unit unit_;
    int n_;
    WordKey key_;
    std::vector<std::uint64_t> units_;
    std::vector<std::uint64_t> seen_;        // bitmap over hashes
    std::vector<std::uint32_t> suspicious_;  // positions whose bit was set before
    std::vector<std::uint32_t> slots_;       // of a table over all hashes
};

// The hashes of all windows of n words, in text order and with repeats; none for a text of fewer
// words. Throws std::invalid_argument unless n >= 1.
std::vector<std::uint64_t> word_shingles(std::string_view text, int n, const WordKey& key);

}  // namespace ctxmem
