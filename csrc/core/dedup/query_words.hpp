// The words of a query, and whether two versions of a text differ mainly in these words.
//
// Texts made from one template differ only in a name or a few words. Merging them as duplicates may
// drop the one that the query is about, so such texts are kept separate. Two wordings of the same
// text, which differ in many other words too, are merged. Words are compared as terms (terms.hpp);
// function words are ignored. O(n log n) in the words of the texts.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/ranking/terms.hpp"

namespace ctxmem {

class QueryWords {
public:
    explicit QueryWords(std::string_view query);
    // Whether more than half of the words that occur in `text` but not in `other` are query words.
    bool set_apart(std::string_view text, std::string_view other);

private:
    // The distinct terms of a text without function words, sorted.
    const std::vector<std::uint32_t>& words(std::string_view text, std::vector<std::uint32_t>& out);

    Terms known_;
    std::vector<Term> terms_;
    std::vector<std::uint32_t> query_, mine_, theirs_;
};

}  // namespace ctxmem
