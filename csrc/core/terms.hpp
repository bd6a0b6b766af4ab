// Terms: the words of a text as relevance compares them, told apart by dense numbers.
//
// A term is a word as words.hpp cuts it, lower-cased, and for ASCII words without the commonest
// English endings (a plural's s, -ing, -ed, -ly, -ion ...: a light form of Porter, An algorithm for
// suffix stripping, 1980), so that "terminates" meets "termination". Digits keep all they have.
// Each carries what its word looked like: a capital at its head, a digit in it, and whether it is
// one of some sixty English function words, which say nothing about relevance in any corpus.
// Linear in the text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ctxmem {

struct Term {
    std::uint32_t id;
    bool capital;   // its word begins with a capital letter
    bool digit;     // its word has a digit
    bool function;  // its word is a function word
};

class Terms {
public:
    // Append the terms of a text; equal words have equal ids, which ascend from 0 as they appear.
    void append(std::string_view utf8, std::vector<Term>& out);
    std::size_t size() const { return size_; }

private:
    // Hashes of stems by open addressing, never more than half full.
    static constexpr std::uint32_t kFree = ~std::uint32_t{0};
    static constexpr std::size_t kFewest = 1024;
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t number = kFree;
    };

    void close(std::vector<Term>& out);
    std::uint32_t number_of(std::uint64_t hash);
    std::size_t free_or_same(std::uint64_t hash) const;
    void grow();

    std::vector<Slot> slots_;
    std::uint32_t size_ = 0;
    std::vector<char> word_;  // the open word, lower-cased
    bool capital_ = false;
    bool digit_ = false;
    bool ascii_ = true;
};

// How many bytes of a lower-cased ASCII word are its stem; at least 3, or all of a shorter word.
std::size_t stem_size(std::string_view word);

}  // namespace ctxmem
