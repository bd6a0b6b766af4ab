// The words of a query, and whether two versions of a text differ mainly in them.
//
// Texts made from a template differ in a name and little else. Folding them loses the one that was
// asked about, so such texts are kept apart; of two wordings of one text, in which words of the
// query changed among many, one is enough. Words are compared as terms.hpp makes them; function
// words do not count. O(n log n) in the words of the texts.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/terms.hpp"

namespace ctxmem {

class AskedWords {
public:
    explicit AskedWords(std::string_view query);
    // Whether more than half of the words that `text` has and `other` lacks are of the query.
    bool set_apart(std::string_view text, std::string_view other);

private:
    // The terms of a text but function words, sorted, each once.
    const std::vector<std::uint32_t>& words(std::string_view text, std::vector<std::uint32_t>& out);

    Terms known_;
    std::vector<Term> terms_;
    std::vector<std::uint32_t> query_, mine_, theirs_;
};

}  // namespace ctxmem
