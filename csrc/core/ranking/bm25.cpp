#include "core/ranking/bm25.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/text/words.hpp"

namespace ctxmem {
namespace {

// The distinct words of all queries, ascending, so that a word is found by its rank.
struct Vocabulary {
    std::vector<std::uint64_t> words;
    std::vector<std::vector<std::uint32_t>> of_query;

    explicit Vocabulary(std::span<const std::string_view> queries) {
        std::vector<std::vector<std::uint64_t>> split(queries.size());
        for (std::size_t q = 0; q < queries.size(); ++q) {
            split_words(queries[q], split[q]);
            std::sort(split[q].begin(), split[q].end());
            split[q].erase(std::unique(split[q].begin(), split[q].end()), split[q].end());
            words.insert(words.end(), split[q].begin(), split[q].end());
        }
        std::sort(words.begin(), words.end());
        words.erase(std::unique(words.begin(), words.end()), words.end());
        of_query.resize(queries.size());
        for (std::size_t q = 0; q < queries.size(); ++q)
            for (const std::uint64_t word : split[q])
                of_query[q].push_back(static_cast<std::uint32_t>(
                    std::lower_bound(words.begin(), words.end(), word) - words.begin()));
    }
};

// Membership by the low bits of the hash: most words of a text are in no query, and a filter of
// 2 kB turns them away without a search.
struct Filter {
    std::vector<std::uint64_t> bits = std::vector<std::uint64_t>(256);
    void add(std::uint64_t word) { bits[(word >> 6) & 255] |= 1ull << (word & 63); }
    bool may_hold(std::uint64_t word) const { return bits[(word >> 6) & 255] >> (word & 63) & 1; }
};

}  // namespace

std::vector<double> bm25(std::span<const std::string_view> texts,
                         std::span<const std::string_view> queries, const Bm25& parameters,
                         StopToken& stop) {
    const Vocabulary vocabulary(queries);
    const std::size_t size = vocabulary.words.size();
    Filter filter;
    for (const std::uint64_t word : vocabulary.words) filter.add(word);

    struct Posting {
        std::uint32_t text, word, frequency;
    };
    std::vector<Posting> postings;
    std::vector<std::uint32_t> frequency(size), documents(size);
    std::vector<double> length(texts.size());
    std::vector<std::uint64_t> words;
    double total = 0;
    for (std::size_t t = 0; t < texts.size(); ++t) {
        stop.check(100 + 4 * texts[t].size());
        words.clear();
        split_words(texts[t], words);
        length[t] = static_cast<double>(words.size());
        total += length[t];
        const std::size_t first = postings.size();
        for (const std::uint64_t word : words) {
            if (!filter.may_hold(word)) continue;
            const auto at =
                std::lower_bound(vocabulary.words.begin(), vocabulary.words.end(), word);
            if (at == vocabulary.words.end() || *at != word) continue;
            const auto rank = static_cast<std::uint32_t>(at - vocabulary.words.begin());
            if (frequency[rank]++ == 0)
                postings.push_back({static_cast<std::uint32_t>(t), rank, 0});
        }
        for (std::size_t p = first; p < postings.size(); ++p) {
            postings[p].frequency = frequency[postings[p].word];
            frequency[postings[p].word] = 0;
            ++documents[postings[p].word];
        }
    }

    const double n = static_cast<double>(texts.size());
    const double mean = total > 0 ? total / n : 1;
    std::vector<double> weight(size);
    for (std::size_t w = 0; w < size; ++w)
        weight[w] = std::log(1 + (n - documents[w] + .5) / (documents[w] + .5));
    std::vector<std::vector<std::uint32_t>> queries_of(size);
    for (std::size_t q = 0; q < queries.size(); ++q)
        for (const std::uint32_t word : vocabulary.of_query[q])
            queries_of[word].push_back(static_cast<std::uint32_t>(q));

    std::vector<double> scores(texts.size() * queries.size());
    for (const Posting& posting : postings) {
        stop.check(5 + 2 * queries_of[posting.word].size());
        const double f = posting.frequency;
        const double norm = 1 - parameters.b + parameters.b * length[posting.text] / mean;
        const double score =
            weight[posting.word] * f * (parameters.k1 + 1) / (f + parameters.k1 * norm);
        for (const std::uint32_t q : queries_of[posting.word])
            scores[posting.text * queries.size() + q] += score;
    }
    return scores;
}

}  // namespace ctxmem
