#include "core/ranking/span_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/text/code_points.hpp"
#include "core/text/outline.hpp"

namespace ctxmem {
namespace {

constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kBytesOfTerm = 4;  // low estimate of bytes per term, separators included

SpanInput without_extra_texts(SpanInput input) {
    const std::size_t texts = input.first.empty() ? 0 : input.first.size() - 1;
    input.merged_texts = input.merged_texts.first(std::min(input.merged_texts.size(), texts));
    return input;
}

}  // namespace

SpanTable::SpanTable(const SpanInput& input, StopToken& stop) : in_(without_extra_texts(input)) {
    check();
    Terms known;
    make_room();
    for (std::size_t t = 0; t < in_.merged_texts.size(); ++t) read_merged_text(t, known, stop);
    read_names(known);
    read_queries(known);
    drop_extras(known.size());
    index_terms(known.size(), stop);
    index_names();
    find_openings();
    index_openings();
    definition_question_ = DefinitionQuestion(known, in_.queries);
}

void SpanTable::check() const {
    const std::size_t merged_texts = in_.merged_texts.size();
    if (in_.first.size() != merged_texts + 1 || in_.document.size() != merged_texts ||
        in_.place.size() != merged_texts || in_.end.size() != spans() ||
        in_.kind.size() != spans() || in_.flags.size() != spans() || in_.need.size() != spans() ||
        in_.block.size() != spans() || (!in_.names.empty() && in_.names.size() != merged_texts) ||
        in_.chunk_first.size() != in_.chunk_last.size() ||
        in_.retrieval.size() != in_.chunk_first.size() * kRetrieval || in_.first[0] != 0 ||
        in_.first[merged_texts] != static_cast<std::int64_t>(spans()))
        throw std::invalid_argument("span features: the arrays have inconsistent lengths");
    if (in_.vectors.size() != spans() * in_.width ||
        (in_.width > 0 && in_.query_vectors.size() % in_.width != 0))
        throw std::invalid_argument(
            "span features: expected one vector per span, as wide as a query's");
    for (std::size_t t = 0; t < merged_texts; ++t) {
        // Documents are numbered in the order of their first text, so there are at most as many
        // documents as texts.
        if (in_.first[t] > in_.first[t + 1] || in_.document[t] < 0 ||
            static_cast<std::size_t>(in_.document[t]) >= merged_texts)
            throw std::invalid_argument("span features: the merged texts are out of order");
        std::int64_t before = 0;
        for (std::size_t s = first_of(t); s < first_of(t + 1); ++s) {
            if (in_.start[s] < before || in_.end[s] < in_.start[s])
                throw std::invalid_argument("span features: the spans are out of order");
            before = in_.end[s];
        }
    }
    for (std::size_t s = 0; s < spans(); ++s)
        if (in_.need[s] < -1 || in_.need[s] >= static_cast<std::int64_t>(spans()) ||
            in_.block[s] < 0 || in_.block[s] >= static_cast<std::int64_t>(spans()))
            throw std::invalid_argument("span features: a unit needs a unit that does not exist");
    for (std::size_t c = 0; c < chunks(); ++c)
        if (in_.chunk_first[c] < 0 || in_.chunk_first[c] > in_.chunk_last[c] ||
            in_.chunk_last[c] > static_cast<std::int64_t>(spans()))
            throw std::invalid_argument("span features: a chunk refers to spans that do not exist");
}

void SpanTable::make_room() {
    std::size_t bytes = 0;
    for (const std::string_view merged_text : in_.merged_texts) bytes += merged_text.size();
    terms_.reserve(bytes / kBytesOfTerm);
    for (auto* column :
         {&term_first_, &distinct_first_, &bytes_, &length_, &heading_, &text_of_, &document_of_})
        column->reserve(spans() + 1);
}

void SpanTable::read_merged_text(std::size_t merged_text, Terms& known, StopToken& stop) {
    if (first_of(merged_text) == first_of(merged_text + 1)) return;
    CodePointReader reader(in_.merged_texts[merged_text], in_.end[first_of(merged_text + 1) - 1]);
    std::uint32_t heading = kNever;
    for (std::size_t s = first_of(merged_text); s < first_of(merged_text + 1); ++s) {
        const std::string_view text = reader.between(in_.start[s], in_.end[s]);
        stop.check(100 + 10 * text.size());
        known.append(text, terms_);
        term_first_.push_back(static_cast<std::uint32_t>(terms_.size()));
        const std::span<const Term> found = terms(s);
        length_.push_back(static_cast<std::uint32_t>(std::count_if(
            found.begin(), found.end(), [](const Term& term) { return !term.extra; })));
        all_length_ += length_.back();
        bytes_.push_back(static_cast<std::uint32_t>(text.size()));
        const auto at = static_cast<std::uint32_t>(s);
        if (in_.kind[s] == static_cast<std::uint8_t>(SpanKind::heading)) heading = at;
        heading_.push_back(heading == kNever ? at : heading);
        text_of_.push_back(static_cast<std::uint32_t>(merged_text));
        document_of_.push_back(static_cast<std::uint32_t>(in_.document[merged_text]));
    }
}

void SpanTable::read_names(Terms& known) {
    std::vector<Term> found;
    for (std::size_t t = 0; t < in_.names.size(); ++t) {
        if (first_of(t) == first_of(t + 1)) continue;  // the name of an empty text is ignored
        found.clear();
        known.append(in_.names[t], found);
        for (const Term& term : found)
            names_.emplace_back(term.id, static_cast<std::uint32_t>(in_.document[t]));
    }
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
}

void SpanTable::index_names() {
    named_first_.assign(vocabulary() + 1, 0);
    for (const auto& [term, document] : names_) ++named_first_[term + 1];
    for (std::size_t v = 0; v < vocabulary(); ++v) named_first_[v + 1] += named_first_[v];
    for (const auto& [term, document] : names_) named_.push_back(document);
}

void SpanTable::read_queries(Terms& known) {
    // A part or the whole of an identifier is a query term only if the adjacent word of the same
    // identifier occurs in no text; otherwise the identifier would count twice.
    const std::size_t in_texts = known.size();
    const auto unmet = [&](const Term& word) { return word.id >= in_texts; };
    std::vector<Term> found;
    std::vector<std::uint32_t> last;  // the last query that had each term
    for (std::size_t q = 0; q < in_.queries.size(); ++q) {
        found.clear();
        known.append(in_.queries[q], found);
        last.resize(known.size(), kNever);
        std::vector<std::uint32_t>& kept = queries_.emplace_back();
        bool before = false;
        std::size_t after = 0;
        for (std::size_t t = 0; t < found.size(); ++t) {
            const Term& term = found[t];
            if (!term.extra) before = unmet(term);
            for (after = std::max(after, t); after < found.size() && found[after].extra;) ++after;
            const bool asked =
                !term.extra || before || (after < found.size() && unmet(found[after]));
            if (term.function || !asked || last[term.id] == q) continue;
            last[term.id] = static_cast<std::uint32_t>(q);
            kept.push_back(term.id);
        }
    }
    asked_.assign(known.size(), 0);
    if (!queries_.empty())
        for (const std::uint32_t term : queries_[0]) asked_[term] = 1;
}

// Drop the parts and wholes of identifiers that no query contains; they would count words twice.
void SpanTable::drop_extras(std::size_t vocabulary) {
    std::vector<std::uint8_t> wanted(vocabulary, 0);
    for (const std::vector<std::uint32_t>& query : queries_)
        for (const std::uint32_t term : query) wanted[term] = 1;
    std::size_t kept = 0, at = 0;
    for (std::size_t s = 0; s < spans(); ++s) {
        for (; at < term_first_[s + 1]; ++at)
            if (!terms_[at].extra || wanted[terms_[at].id] != 0) terms_[kept++] = terms_[at];
        term_first_[s + 1] = static_cast<std::uint32_t>(kept);
    }
    terms_.resize(kept);
}

void SpanTable::index_terms(std::size_t vocabulary, StopToken& stop) {
    function_.assign(vocabulary, 0);
    posting_first_.assign(vocabulary + 1, 0);
    std::vector<std::uint32_t> last(vocabulary, kNever);  // the last span that had each term
    distinct_.reserve(terms_.size());
    for (std::size_t s = 0; s < spans(); ++s) {
        stop.check(10 + 5 * terms(s).size());
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
    for (std::size_t s = 0; s < spans(); ++s) {
        stop.check(10 + 10 * terms(s).size());
        for (const Term& term : terms(s)) {
            const auto span = static_cast<std::uint32_t>(s);
            std::uint32_t& at = next[term.id];
            if (at > posting_first_[term.id] && postings_[at - 1].where == span)
                ++postings_[at - 1].count;
            else
                postings_[at++] = {span, 1};
        }
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
        if (in_.start[s] == in_.end[s]) continue;  // an empty unit: the name of a source
        std::uint32_t& opening = opening_[document_of_[s]];
        if (opening == kNever || place(s) < place(opening)) opening = static_cast<std::uint32_t>(s);
    }
    // A document without spans: any value is valid since no span refers to it.
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
