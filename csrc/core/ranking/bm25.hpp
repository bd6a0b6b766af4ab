// BM25 of every text against every query.
//
// Robertson, Walker, Jones, Hancock-Beaulieu, Gatford 1994 (Okapi at TREC-3), with the idf of
// Lucene, log(1 + (N - df + .5) / (df + .5)), which is never negative. The collection is the texts
// themselves. One pass over the texts looks up only the queries' words: linear in the input.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

struct Bm25 {
    double k1 = 1.2;  // how fast repetition of a word saturates
    double b = 0.75;  // how much long texts are discounted
};

// Scores, row by row: texts.size() x queries.size(). A text or query without words scores 0.
std::vector<double> bm25(std::span<const std::string_view> texts,
                         std::span<const std::string_view> queries, const Bm25& parameters = {},
                         StopToken& stop = StopToken::none());

}  // namespace ctxmem
