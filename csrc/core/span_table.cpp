#include "core/span_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/code_points.hpp"
#include "core/spans.hpp"

namespace ctxmem {
namespace {

constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kBytesOfTerm = 4;  // few texts have shorter words, with what is between them

}  // namespace

SpanTable::SpanTable(const SpanInput& input) : in_(input) {
    check();
    Terms known;
    make_room();
    for (std::size_t t = 0; t < in_.stretches.size(); ++t) read_stretch(t, known);
    read_queries(known);
    index_terms(known.size());
    find_openings();
    index_openings();
}

void SpanTable::check() const {
    const std::size_t stretches = in_.stretches.size();
    if (in_.first.size() != stretches + 1 || in_.document.size() != stretches ||
        in_.place.size() != stretches || in_.end.size() != spans() || in_.kind.size() != spans() ||
        in_.chunk_first.size() != in_.chunk_last.size() ||
        in_.evidence.size() != in_.chunk_first.size() * kEvidence || in_.first[0] != 0 ||
        in_.first[stretches] != static_cast<std::int64_t>(spans()))
        throw std::invalid_argument("span features: the arrays do not belong together");
    if (in_.vectors.size() != spans() * in_.width ||
        (in_.width > 0 && in_.query_vectors.size() % in_.width != 0))
        throw std::invalid_argument("span features: expected a vector a span, as wide as a query's");
    for (std::size_t t = 0; t < stretches; ++t) {
        // A document is numbered when its first stretch is, so there are no more than those.
        if (in_.first[t] > in_.first[t + 1] || in_.document[t] < 0 ||
            static_cast<std::size_t>(in_.document[t]) >= stretches)
            throw std::invalid_argument("span features: stretches out of order");
        std::int64_t before = 0;
        for (std::size_t s = first_of(t); s < first_of(t + 1); ++s) {
            if (in_.start[s] < before || in_.end[s] < in_.start[s])
                throw std::invalid_argument("span features: spans out of order");
            before = in_.end[s];
        }
    }
    for (std::size_t c = 0; c < chunks(); ++c)
        if (in_.chunk_first[c] < 0 || in_.chunk_first[c] > in_.chunk_last[c] ||
            in_.chunk_last[c] > static_cast<std::int64_t>(spans()))
            throw std::invalid_argument("span features: a chunk beyond the spans");
}

void SpanTable::make_room() {
    std::size_t bytes = 0;
    for (const std::string_view stretch : in_.stretches) bytes += stretch.size();
    terms_.reserve(bytes / kBytesOfTerm);
    for (auto* column : {&term_first_, &distinct_first_, &bytes_, &heading_, &stretch_of_,
                         &document_of_})
        column->reserve(spans() + 1);
}

void SpanTable::read_stretch(std::size_t stretch, Terms& known) {
    if (first_of(stretch) == first_of(stretch + 1)) return;
    CodePointReader reader(in_.stretches[stretch], in_.end[first_of(stretch + 1) - 1]);
    std::uint32_t heading = kNever;
    for (std::size_t s = first_of(stretch); s < first_of(stretch + 1); ++s) {
        const std::string_view text = reader.between(in_.start[s], in_.end[s]);
        known.append(text, terms_);
        term_first_.push_back(static_cast<std::uint32_t>(terms_.size()));
        bytes_.push_back(static_cast<std::uint32_t>(text.size()));
        const auto at = static_cast<std::uint32_t>(s);
        if (in_.kind[s] == static_cast<std::uint8_t>(SpanKind::heading)) heading = at;
        heading_.push_back(heading == kNever ? at : heading);
        stretch_of_.push_back(static_cast<std::uint32_t>(stretch));
        document_of_.push_back(static_cast<std::uint32_t>(in_.document[stretch]));
    }
}

void SpanTable::read_queries(Terms& known) {
    std::vector<Term> found;
    for (const std::string_view query : in_.queries) {
        found.clear();
        known.append(query, found);
        std::vector<std::uint32_t>& kept = queries_.emplace_back();
        for (const Term& term : found)
            if (!term.function && std::find(kept.begin(), kept.end(), term.id) == kept.end())
                kept.push_back(term.id);
    }
    asked_.assign(known.size(), 0);
    if (!queries_.empty())
        for (const std::uint32_t term : queries_[0]) asked_[term] = 1;
}

void SpanTable::index_terms(std::size_t vocabulary) {
    function_.assign(vocabulary, 0);
    posting_first_.assign(vocabulary + 1, 0);
    std::vector<std::uint32_t> last(vocabulary, kNever);  // the span that a term was last seen in
    for (std::size_t s = 0; s < spans(); ++s) {
        for (const Term& term : terms(s)) {
            function_[term.id] = function_[term.id] || term.function;
            if (last[term.id] == s) continue;
            last[term.id] = static_cast<std::uint32_t>(s);
            distinct_.push_back(term.id);
            ++posting_first_[term.id + 1];
        }
        distinct_first_.push_back(static_cast<std::uint32_t>(distinct_.size()));
    }
    for (std::size_t v = 0; v < vocabulary; ++v) posting_first_[v + 1] += posting_first_[v];
    postings_.resize(distinct_.size());
    std::vector<std::uint32_t> next(posting_first_.begin(), posting_first_.end());
    for (std::size_t s = 0; s < spans(); ++s)
        for (const Term& term : terms(s)) {
            const auto span = static_cast<std::uint32_t>(s);
            std::uint32_t& at = next[term.id];
            if (at > posting_first_[term.id] && postings_[at - 1].where == span)
                ++postings_[at - 1].count;
            else
                postings_[at++] = {span, 1};
        }
    const auto n = static_cast<double>(spans());
    weight_.resize(vocabulary);
    for (std::size_t v = 0; v < vocabulary; ++v) {
        const auto df = static_cast<double>(postings(static_cast<std::uint32_t>(v)).size());
        weight_[v] = function_[v] ? 0 : std::log(1 + (n - df + .5) / (df + .5));
    }
}

void SpanTable::find_openings() {
    std::size_t documents = 0;
    for (const std::uint32_t d : document_of_)
        documents = std::max<std::size_t>(documents, d + std::size_t{1});
    opening_.assign(documents, kNever);
    for (std::size_t s = 0; s < spans(); ++s) {
        std::uint32_t& opening = opening_[document_of_[s]];
        if (opening == kNever || place(s) < place(opening)) opening = static_cast<std::uint32_t>(s);
    }
    // A document of which there is no span: any span will do, none refers to it.
    for (std::uint32_t& opening : opening_)
        if (opening == kNever) opening = 0;
}

std::span<const Term> SpanTable::opening_terms(std::size_t document) const {
    const std::span<const Term> all = terms(opening_[document]);
    return all.first(std::min(all.size(), kOpening));
}

void SpanTable::index_openings() {
    std::vector<std::uint32_t> last(vocabulary(), kNever);
    opened_first_.assign(vocabulary() + 1, 0);
    const auto each = [&](auto&& visit) {
        std::fill(last.begin(), last.end(), kNever);
        for (std::size_t d = 0; d < documents(); ++d) {
            const std::span<const Term> opening = opening_terms(d);
            for (std::size_t k = 0; k < opening.size(); ++k) {
                if (last[opening[k].id] == d || function_[opening[k].id]) continue;
                last[opening[k].id] = static_cast<std::uint32_t>(d);
                visit(opening[k].id, static_cast<std::uint32_t>(d), static_cast<std::uint32_t>(k));
            }
        }
    };
    each([&](std::uint32_t term, std::uint32_t, std::uint32_t) { ++opened_first_[term + 1]; });
    for (std::size_t v = 0; v < vocabulary(); ++v) opened_first_[v + 1] += opened_first_[v];
    opened_.resize(opened_first_.back());
    std::vector<std::uint32_t> next(opened_first_.begin(), opened_first_.end() - 1);
    each([&](std::uint32_t term, std::uint32_t document, std::uint32_t position) {
        opened_[next[term]++] = {document, position};
    });
}

}  // namespace ctxmem
