// Span features: the input of the gradient-boosted trees that predict the value of each span.
//
// Features are computed in two rounds. The first round uses the span and its context: the ranks and
// scores of its chunks, BM25 (Robertson et al. 1994) and coverage of the query terms in the span,
// around it and in its labels, its kind, and its length. The second round also uses a draft value
// of every span: terms and names of the top spans that are not in the query and occur in other
// documents (the second hop of a question), terms shared with the top spans (Rocchio 1971), and the
// rank of the span among its neighbours and in its document.
//
// Numbers are normalised within the query, so that the scales of retrievers do not reach the trees.
// A missing number is kMissing, which is less than every known number. O(n log n) in the spans and
// linear in the text.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/support/stop_token.hpp"

namespace ctxmem {

constexpr float kMissing = -1.0f;

// Retrieval features of one chunk, in this order; NaN if unknown.
enum Evidence : std::size_t {
    kConsensus,  // sum of reciprocal ranks over the lists that returned the chunk
    kLeading,    // the same with a constant that favours the first few ranks
    kBestRank,   // 1 / (1 + best rank)
    kHits,       // number of results that are the chunk
    kLists,      // share of the lists that returned the chunk
    kScore,      // best score, scaled within its list
    kMeanScore,  // mean of these scores
    kCosine,     // cosine of the embeddings of chunk and query
    kRetrieval,  // number of features
};

struct SpanInput {
    // Each without gaps. Those after the texts of `first` are ignored: they are not on the shortlist.
    std::span<const std::string_view> merged_texts;
    // Spans, ordered by merged text; the spans of text t are first[t] .. first[t + 1].
    std::span<const std::int64_t> first, start, end;  // start, end: offsets in code points
    std::span<const std::uint8_t> kind, flags;        // SpanKind, SpanFlag
    std::span<const std::int32_t> need, block;        // as in Outline
    std::span<const std::int32_t> document;           // number of each text's document: 0, 1, ...
    std::span<const std::int64_t> place;              // offset of each text in its document
    std::span<const std::string_view> names;          // name of each text's source; or no names
    // Chunks: each is a range of spans, chunk_first .. chunk_last.
    std::span<const std::int32_t> chunk_first, chunk_last;
    std::span<const double> retrieval;          // chunks x kRetrieval
    std::span<const std::string_view> queries;  // the query, then its variants
    // Unit vectors, spans x width and queries x width; or empty.
    std::span<const float> vectors, query_vectors;
    std::size_t width = 0;
};

class SpanFeatures {
public:
    // Throws std::invalid_argument if the sizes are inconsistent.
    explicit SpanFeatures(const SpanInput& input, StopToken& stop = StopToken::none());
    ~SpanFeatures();
    SpanFeatures(SpanFeatures&&) noexcept;

    static std::span<const std::string_view> draft_names();
    static std::span<const std::string_view> final_names();  // begins with draft_names()

    std::size_t spans() const;
    // The share of the text, in bytes, in code, tables, records, names of entries and dialogue.
    double structured_share() const;
    // How sure it is that each span says what the question's subject is (definitions.hpp); empty
    // for other questions.
    std::vector<float> definitions(StopToken& stop = StopToken::none()) const;
    // The column of one feature of draft_names(), one number per span.
    const float* draft_column(std::size_t name) const;
    // The columns of all features of draft_names(), one after another.
    std::vector<float> draft() const;
    // The columns of the features of final_names() that are not in draft_names(), one after
    // another, given one draft value per span.
    std::vector<float> finals(std::span<const float> density,
                              StopToken& stop = StopToken::none()) const;

private:
    struct Drafted;
    std::unique_ptr<Drafted> drafted_;
};

}  // namespace ctxmem
