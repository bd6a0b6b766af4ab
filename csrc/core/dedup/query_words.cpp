#include "core/dedup/query_words.hpp"

#include <algorithm>

namespace ctxmem {

QueryWords::QueryWords(std::string_view query) { words(query, query_); }

const std::vector<std::uint32_t>& QueryWords::words(std::string_view text,
                                                    std::vector<std::uint32_t>& out) {
    terms_.clear();
    out.clear();
    known_.append(text, terms_);
    for (const Term& term : terms_)
        if (!term.function && !term.extra) out.push_back(term.id);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

bool QueryWords::set_apart(std::string_view text, std::string_view other) {
    if (query_.empty()) return false;
    words(text, mine_);
    words(other, theirs_);
    const auto within = [](const std::vector<std::uint32_t>& set, std::uint32_t word) {
        return std::binary_search(set.begin(), set.end(), word);
    };
    std::size_t differing = 0, in_query = 0;
    for (const std::uint32_t word : mine_) {
        if (within(theirs_, word)) continue;
        ++differing;
        in_query += within(query_, word);
    }
    return 2 * in_query > differing;
}

}  // namespace ctxmem
