// What speaks for a span: one row of numbers a span, for the forests that value it.
//
// The rows come in two rounds. The first is what is known of a span by itself and of where it
// stands: the evidence its chunks were returned with, BM25 (Robertson et al. 1994) and coverage of
// the query's terms in the span, around it and in its heading, and how long it is. What a text looks
// like (a table, a question, the top of a page) is left out: it told question sets apart, and not
// evidence from the rest. The second needs a drafted worth for every span: what the best spans name
// and the query does not, found in other documents (the second hop of a question), terms shared
// with the best spans (Rocchio 1971), and where the span stands among its neighbours and in its
// document by draft.
//
// Numbers are scaled within the query, so that no retriever's units reach the forests; what is not
// known is kMissing, below all that is. O(n log n) in the spans and linear in the text.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace ctxmem {

constexpr float kMissing = -1.0f;

// Evidence of one chunk, in this order; NaN where it has none.
enum Evidence : std::size_t {
    kConsensus,   // summed reciprocal ranks over the lists that returned it
    kLeading,     // the same, where only the first few ranks count for much
    kBestRank,    // 1 / (1 + best rank)
    kHits,        // how often it was returned
    kLists,       // share of the lists that returned it
    kScore,       // best given score, scaled within its list
    kMeanScore,   // mean of them
    kCosine,      // of its embedding to the query's
    kEvidence,    // how many there are
};

struct SpanInput {
    std::span<const std::string_view> stretches;  // texts without gaps
    // Spans, stretch by stretch; those of stretch t are first[t] .. first[t + 1].
    std::span<const std::int64_t> first, start, end;  // offsets in code points
    std::span<const std::uint8_t> kind, flags;        // SpanKind, SpanFlag
    std::span<const std::int32_t> need, block;        // as Outline has them
    std::span<const std::int32_t> document;           // of each stretch, 0, 1, ...
    std::span<const std::int64_t> place;              // of each stretch in its document
    std::span<const std::string_view> names;          // of each stretch's source, or empty
    // Chunks, each a run of spans.
    std::span<const std::int32_t> chunk_first, chunk_last;
    std::span<const double> evidence;  // chunks x kEvidence
    std::span<const std::string_view> queries;  // the query, then its variants
    // Vectors of unit length, or nothing: spans x width, queries x width.
    std::span<const float> vectors, query_vectors;
    std::size_t width = 0;
};

class SpanFeatures {
public:
    // Throws std::invalid_argument when sizes do not fit together.
    explicit SpanFeatures(const SpanInput& input);
    ~SpanFeatures();
    SpanFeatures(SpanFeatures&&) noexcept;

    static std::span<const std::string_view> draft_names();
    static std::span<const std::string_view> final_names();  // those of the draft first

    std::size_t spans() const;
    // The share of the text that stands in code, tables, records, entries' names and dialogue.
    double structured_share() const;
    // The numbers of one of draft_names(), one a span.
    const float* draft_column(std::size_t name) const;
    // The numbers of those of final_names() that are no draft_names(), column by column, given one
    // worth a span.
    std::vector<float> finals(std::span<const float> worth) const;

private:
    struct Drafted;
    std::unique_ptr<Drafted> drafted_;
};

}  // namespace ctxmem
