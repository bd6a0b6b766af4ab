// The spans to be scored with their terms, headings, neighbours and documents, and an inverted
// index from terms to spans.
//
// With the index, finding all spans with a term takes time linear in their number, so every feature
// is computed in time linear in the text. The table is built in linear time too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/ranking/definition_question.hpp"
#include "core/ranking/span_features.hpp"
#include "core/ranking/terms.hpp"

namespace ctxmem {

constexpr std::size_t kOpening = 24;  // first terms of a document, which may contain its name

class SpanTable {
public:
    // An occurrence of a term: a span and its count, or a document and the position in its opening.
    struct Posting {
        std::uint32_t where, count;
    };

    // Throws std::invalid_argument if the sizes are inconsistent. Keeps views of the input.
    SpanTable(const SpanInput& input, StopToken& stop);

    const SpanInput& input() const { return in_; }
    std::size_t spans() const { return in_.start.size(); }
    std::size_t chunks() const { return in_.chunk_first.size(); }
    std::size_t documents() const { return opening_.size(); }
    std::size_t vocabulary() const { return weight_.size(); }

    std::size_t document(std::size_t span) const { return document_of_[span]; }
    std::size_t first_beside(std::size_t span) const { return first_of(text_of_[span]); }
    std::size_t last_beside(std::size_t span) const { return first_of(text_of_[span] + 1u); }
    // The offset of a span in its document, in code points.
    std::int64_t place(std::size_t span) const {
        return in_.place[text_of_[span]] + in_.start[span];
    }
    // The nearest heading at or above a span; the span itself if there is none.
    std::size_t heading(std::size_t span) const { return heading_[span]; }
    // The first terms of a document, which may contain its name.
    std::span<const Term> opening_terms(std::size_t document) const;

    // All terms of a span in order; and its distinct terms.
    std::span<const Term> terms(std::size_t span) const {
        return {terms_.data() + term_first_[span], terms_.data() + term_first_[span + 1]};
    }
    std::span<const std::uint32_t> distinct(std::size_t span) const {
        return {distinct_.data() + distinct_first_[span],
                distinct_.data() + distinct_first_[span + 1]};
    }
    // The number of terms of a span, and of all spans, without the parts and wholes of identifiers,
    // which repeat other terms.
    std::uint32_t length(std::size_t span) const { return length_[span]; }
    std::size_t all_length() const { return all_length_; }
    std::uint32_t bytes(std::size_t span) const { return bytes_[span]; }

    // The spans with a term, in order; the documents whose opening has it, with the first position.
    std::span<const Posting> postings(std::uint32_t term) const {
        return {postings_.data() + posting_first_[term],
                postings_.data() + posting_first_[term + 1]};
    }
    std::span<const Posting> openings_with(std::uint32_t term) const {
        return {opened_.data() + opened_first_[term], opened_.data() + opened_first_[term + 1]};
    }
    // The documents whose name has a term.
    std::span<const std::uint32_t> named_with(std::uint32_t term) const {
        return {named_.data() + named_first_[term], named_.data() + named_first_[term + 1]};
    }
    bool in_name(std::uint32_t term) const { return !named_with(term).empty(); }
    // The BM25 weight log(1 + (n - df + .5) / (df + .5)); 0 for function words.
    double weight(std::uint32_t term) const { return weight_[term]; }

    // The distinct terms of each query without function words, in order of appearance.
    const std::vector<std::vector<std::uint32_t>>& queries() const { return queries_; }
    bool asked(std::uint32_t term) const { return asked_[term] != 0; }  // in queries()[0]
    bool has_query() const { return !queries_.empty() && !queries_[0].empty(); }
    const DefinitionQuestion& definition_question() const { return definition_question_; }

private:
    std::size_t first_of(std::size_t merged_text) const {
        return static_cast<std::size_t>(in_.first[merged_text]);
    }
    void check() const;
    void make_room();
    void read_merged_text(std::size_t merged_text, Terms& known, StopToken& stop);
    void read_names(Terms& known);
    void index_names();
    void read_queries(Terms& known);
    void drop_extras(std::size_t vocabulary);
    void index_terms(std::size_t vocabulary, StopToken& stop);
    void find_openings();
    void index_openings();

    const SpanInput in_;
    std::vector<std::uint32_t> text_of_, document_of_, heading_, bytes_, length_;
    std::size_t all_length_ = 0;
    std::vector<Term> terms_;
    std::vector<std::uint32_t> distinct_;
    std::vector<Posting> postings_, opened_;
    // Offsets into the four arrays above: the rows of i are first[i] .. first[i + 1].
    std::vector<std::uint32_t> term_first_{0}, distinct_first_{0}, posting_first_, opened_first_;
    std::vector<std::uint32_t> named_, named_first_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> names_;  // term, document
    std::vector<std::uint32_t> opening_;
    std::vector<std::uint8_t> function_, asked_;
    std::vector<double> weight_;
    std::vector<std::vector<std::uint32_t>> queries_;
    DefinitionQuestion definition_question_;
};

}  // namespace ctxmem
