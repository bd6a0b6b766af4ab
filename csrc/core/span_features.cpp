#include "core/span_features.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "core/spans.hpp"
#include "core/terms.hpp"

namespace ctxmem {
namespace {

using Column = std::vector<float>;

constexpr std::array<std::string_view, 57> kDraftNames = {
    // evidence of the chunks that hold the span
    "consensus", "consensus_sum", "consensus_place", "hits", "lists", "best_rank", "score",
    "score_mean", "score_place", "cosine", "cosine_place",
    // vectors of the span itself
    "span_cosine", "span_cosine_place", "variant_cosine",
    // words of the query
    "bm25", "bm25_place", "bm25_variants", "bm25_variants_place", "bm25_chunk", "bm25_before",
    "bm25_after", "bm25_around", "bm25_document", "bm25_document_place", "coverage",
    "coverage_variants", "coverage_around", "coverage_heading", "coverage_opening",
    "opening_in_query", "rarest_match", "pairs", "matches",
    // shape
    "terms", "characters", "digits", "capitals", "question", "is_heading", "is_item", "is_table",
    "is_code", "place_in_stretch", "place_in_chunk", "opens_document", "place_in_document",
    // document and query
    "document_consensus", "document_consensus_place", "document_chunks", "documents", "spans",
    "query_terms", "matched_spans", "consensus_drop", "lists_known", "unmatched_share",
    "span_share"};

constexpr std::array<std::string_view, 24> kFinalNames = {
    "worth", "worth_place", "worth_relative", "worth_before", "worth_after", "worth_around",
    "worth_document", "worth_in_document", "worth_document_place", "worth_heading", "worth_chunk",
    "bridge", "bridge_relative", "named_in_opening", "named_here", "opening_named", "feedback",
    "feedback_elsewhere", "complement", "near_best", "near_best_elsewhere", "worth_mass",
    "worth_spread", "names_query_opening"};

constexpr std::size_t kOpening = 24;  // terms of a document's first span that may name it
constexpr std::size_t kBridges = 5;   // best spans that lead to others
constexpr std::size_t kFeedback = 8;  // best spans whose terms and vectors are looked for
constexpr int kAround = 2;            // spans before and after that are looked at together
constexpr double kK1 = 1.2, kB = 0.75;

// 1 / (1 + how many are greater): equal numbers have equal places.
Column places(const Column& values) {
    Column sorted(values);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    Column out(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto at = std::lower_bound(sorted.begin(), sorted.end(), values[i], std::greater<>());
        out[i] = values[i] <= kMissing ? kMissing
                                       : 1.0f / (1.0f + static_cast<float>(at - sorted.begin()));
    }
    return out;
}

// Divide by the greatest, where there is one above 0; what is missing stays so.
void scale(Column& values) {
    float most = 0;
    for (const float value : values) most = std::max(most, value);
    if (most > 0)
        for (float& value : values)
            if (value > kMissing) value /= most;
}

// Stretch what is known to 0 .. 1; where all are equal, to 1.
void spread(Column& values) {
    float low = 0, high = 0;
    bool any = false;
    for (const float value : values) {
        if (std::isnan(value)) continue;
        low = any ? std::min(low, value) : value;
        high = any ? std::max(high, value) : value;
        any = true;
    }
    for (float& value : values)
        value = std::isnan(value) ? kMissing : high > low ? (value - low) / (high - low) : 1.0f;
}

}  // namespace

class SpanFeatures::Table {
public:
    explicit Table(const SpanInput& input) : in_(input), spans_(input.start.size()) {
        check();
        read_terms();
        weigh_terms();
        add_evidence();
        add_vectors();
        add_words();
        add_shape();
        add_documents();
    }

    std::size_t spans() const { return spans_; }
    const Column& column(std::size_t k) const { return columns_[k]; }
    std::vector<float> finals(std::span<const float> worth) const;

private:
    void check() const;
    void read_terms();
    void weigh_terms();
    void add_evidence();
    void add_vectors();
    void add_words();
    void add_shape();
    void add_documents();
    Column bm25(std::size_t query) const;
    Column coverage(std::size_t query, int around) const;
    Column cosines(std::size_t query) const;

    std::span<const Term> terms(std::size_t span) const {
        return {terms_.data() + term_first_[span], terms_.data() + term_first_[span + 1]};
    }
    std::size_t stretch(std::size_t span) const { return stretch_of_[span]; }
    std::size_t document(std::size_t span) const {
        return static_cast<std::size_t>(in_.document[stretch_of_[span]]);
    }
    bool together(std::size_t a, std::size_t b) const {
        return b < spans_ && stretch_of_[a] == stretch_of_[b];
    }
    // The value of the span `step` away in the same stretch, or `otherwise`.
    template <class Values>
    float neighbour(const Values& values, std::size_t span, int step, float otherwise) const {
        const std::size_t other = span + static_cast<std::size_t>(step);
        return together(span, other) ? static_cast<float>(values[other]) : otherwise;
    }
    Column& add() { return columns_.emplace_back(spans_, 0.0f); }
    void add(Column&& column) { columns_.push_back(std::move(column)); }

    const SpanInput in_;
    std::size_t spans_;
    std::size_t documents_ = 0;
    std::vector<std::uint32_t> stretch_of_;
    std::vector<std::uint32_t> heading_;  // the heading above a span, itself if there is none
    std::vector<std::uint32_t> opening_;  // of each document: the span it begins with
    std::vector<Term> terms_;
    std::vector<std::uint32_t> term_first_;
    std::vector<std::uint32_t> question_mark_, capitals_, digits_, bytes_;
    std::vector<std::vector<Term>> queries_;  // distinct terms that are no function words
    std::size_t vocabulary_ = 0;
    std::vector<float> weight_;  // of each term: log(1 + (n - df + .5) / (df + .5))
    std::vector<std::uint32_t> frequency_;  // in how many spans a term is
    std::vector<std::uint8_t> in_query_;    // by term: 1 in the query, 2 in a variant
    std::vector<Column> columns_;
    Column chunk_consensus_;
};

void SpanFeatures::Table::check() const {
    const std::size_t stretches = in_.stretches.size();
    if (in_.first.size() != stretches + 1 || in_.document.size() != stretches ||
        in_.place.size() != stretches || in_.end.size() != spans_ || in_.kind.size() != spans_ ||
        in_.chunk_first.size() != in_.chunk_last.size() ||
        in_.evidence.size() != in_.chunk_first.size() * kEvidence ||
        in_.vectors.size() != (in_.width > 0 ? spans_ * in_.width : 0) ||
        in_.query_vectors.size() % std::max<std::size_t>(1, in_.width) != 0 ||
        in_.first[0] != 0 || in_.first[stretches] != static_cast<std::int64_t>(spans_))
        throw std::invalid_argument("span features: the arrays do not belong together");
    for (std::size_t t = 0; t < stretches; ++t) {
        if (in_.first[t] > in_.first[t + 1] || in_.document[t] < 0)
            throw std::invalid_argument("span features: stretches out of order");
        std::int64_t before = 0;
        for (auto s = in_.first[t]; s < in_.first[t + 1]; ++s) {
            const auto at = static_cast<std::size_t>(s);
            if (in_.start[at] < before || in_.end[at] < in_.start[at])
                throw std::invalid_argument("span features: spans out of order");
            before = in_.end[at];
        }
    }
    for (std::size_t c = 0; c < in_.chunk_first.size(); ++c)
        if (in_.chunk_first[c] < 0 || in_.chunk_first[c] > in_.chunk_last[c] ||
            in_.chunk_last[c] > static_cast<std::int64_t>(spans_))
            throw std::invalid_argument("span features: a chunk beyond the spans");
}

void SpanFeatures::Table::read_terms() {
    Terms known;
    stretch_of_.resize(spans_);
    heading_.resize(spans_);
    term_first_.assign(1, 0);
    question_mark_.resize(spans_);
    capitals_.resize(spans_);
    digits_.resize(spans_);
    bytes_.resize(spans_);
    for (std::size_t t = 0; t < in_.stretches.size(); ++t) {
        const std::string_view text = in_.stretches[t];
        documents_ = std::max(documents_, static_cast<std::size_t>(in_.document[t]) + 1);
        std::size_t byte = 0;
        std::int64_t character = 0;
        const auto advance = [&](std::int64_t to) {
            while (character < to && byte < text.size()) {
                ++byte;
                while (byte < text.size() && (static_cast<unsigned char>(text[byte]) & 0xC0) == 0x80)
                    ++byte;
                ++character;
            }
            return byte;
        };
        std::uint32_t heading = 0;
        bool headed = false;
        for (auto at = static_cast<std::size_t>(in_.first[t]);
             at < static_cast<std::size_t>(in_.first[t + 1]); ++at) {
            const std::size_t from = advance(in_.start[at]);
            const std::string_view span = text.substr(from, advance(in_.end[at]) - from);
            stretch_of_[at] = static_cast<std::uint32_t>(t);
            known.append(span, terms_);
            term_first_.push_back(static_cast<std::uint32_t>(terms_.size()));
            for (const Term& term : terms(at)) {
                capitals_[at] += term.capital;
                digits_[at] += term.digit;
            }
            question_mark_[at] = span.find('?') != std::string_view::npos;
            bytes_[at] = static_cast<std::uint32_t>(span.size());
            if (in_.kind[at] == static_cast<std::uint8_t>(SpanKind::heading)) {
                heading = static_cast<std::uint32_t>(at);
                headed = true;
            }
            heading_[at] = headed ? heading : static_cast<std::uint32_t>(at);
        }
    }
    for (const std::string_view query : in_.queries) {
        std::vector<Term> found, kept;
        known.append(query, found);
        std::sort(found.begin(), found.end(), [](const Term& a, const Term& b) { return a.id < b.id; });
        for (const Term& term : found)
            if (!term.function && (kept.empty() || kept.back().id != term.id)) kept.push_back(term);
        queries_.push_back(std::move(kept));
    }
    vocabulary_ = known.size();
    in_query_.resize(vocabulary_);
    for (std::size_t q = 0; q < queries_.size(); ++q)
        for (const Term& term : queries_[q])
            in_query_[term.id] = static_cast<std::uint8_t>(in_query_[term.id] | (q == 0 ? 1 : 2));
    opening_.assign(documents_, 0);
    std::vector<std::int64_t> begins(documents_, INT64_MAX);
    for (std::size_t t = 0; t < in_.stretches.size(); ++t) {
        const auto d = static_cast<std::size_t>(in_.document[t]);
        if (in_.first[t] < in_.first[t + 1] && in_.place[t] < begins[d]) {
            begins[d] = in_.place[t];
            opening_[d] = static_cast<std::uint32_t>(in_.first[t]);
        }
    }
}

void SpanFeatures::Table::weigh_terms() {
    std::vector<std::uint32_t> seen(vocabulary_, 0);
    frequency_.assign(vocabulary_, 0);
    for (std::size_t s = 0; s < spans_; ++s)
        for (const Term& term : terms(s))
            if (seen[term.id] != s + 1) {
                seen[term.id] = static_cast<std::uint32_t>(s + 1);
                ++frequency_[term.id];
            }
    const auto n = static_cast<double>(spans_);
    weight_.resize(vocabulary_);
    for (std::size_t v = 0; v < vocabulary_; ++v)
        weight_[v] = static_cast<float>(
            std::log(1 + (n - frequency_[v] + .5) / (frequency_[v] + .5)));
}

void SpanFeatures::Table::add_evidence() {
    const std::size_t chunks = in_.chunk_first.size();
    const auto evidence = [&](std::size_t kind) {
        Column out(chunks);
        for (std::size_t c = 0; c < chunks; ++c)
            out[c] = static_cast<float>(in_.evidence[c * kEvidence + kind]);
        return out;
    };
    // The greatest over the chunks that hold a span; missing where all of them lack it.
    const auto most = [&](const Column& of_chunk) {
        Column out(spans_, kMissing);
        for (std::size_t c = 0; c < chunks; ++c)
            for (auto s = in_.chunk_first[c]; s < in_.chunk_last[c]; ++s) {
                float& value = out[static_cast<std::size_t>(s)];
                if (!std::isnan(of_chunk[c])) value = std::max(value, of_chunk[c]);
            }
        return out;
    };
    const auto sum = [&](const Column& of_chunk) {
        Column out(spans_, kMissing);
        for (std::size_t c = 0; c < chunks; ++c)
            for (auto s = in_.chunk_first[c]; s < in_.chunk_last[c]; ++s) {
                float& value = out[static_cast<std::size_t>(s)];
                if (!std::isnan(of_chunk[c])) value = std::max(value, 0.0f) + of_chunk[c];
            }
        return out;
    };
    chunk_consensus_ = evidence(kConsensus);
    Column consensus = most(chunk_consensus_);
    scale(consensus);
    Column consensus_sum = sum(chunk_consensus_);
    scale(consensus_sum);
    Column place = places(consensus_sum);
    add(std::move(consensus));
    add(std::move(consensus_sum));
    add(std::move(place));
    Column hits = sum(evidence(kHits));
    for (float& value : hits)
        if (value > kMissing) value = std::log1p(value);
    add(std::move(hits));
    add(most(evidence(kLists)));
    add(most(evidence(kBestRank)));
    Column score = most(evidence(kScore));
    Column score_place = places(score);
    add(std::move(score));
    add(most(evidence(kMeanScore)));
    add(std::move(score_place));
    Column of_chunk = evidence(kCosine);
    spread(of_chunk);  // what is missing is now kMissing, and the greatest of it stays so
    Column cosine = most(of_chunk);
    Column cosine_place = places(cosine);
    add(std::move(cosine));
    add(std::move(cosine_place));
}

Column SpanFeatures::Table::cosines(std::size_t query) const {
    const float* target = in_.query_vectors.data() + query * in_.width;
    Column out(spans_);
    for (std::size_t s = 0; s < spans_; ++s) {
        const float* vector = in_.vectors.data() + s * in_.width;
        float sum = 0;
        for (std::size_t k = 0; k < in_.width; ++k) sum += vector[k] * target[k];
        out[s] = sum;
    }
    return out;
}

void SpanFeatures::Table::add_vectors() {
    const std::size_t queries = in_.width > 0 && !in_.vectors.empty()
                                    ? in_.query_vectors.size() / in_.width : 0;
    if (queries == 0) {
        for (int k = 0; k < 3; ++k) add(Column(spans_, kMissing));
        return;
    }
    Column query = cosines(0);
    spread(query);
    Column place = places(query);
    Column variants(spans_, kMissing);
    for (std::size_t q = 1; q < queries; ++q) {
        Column one = cosines(q);
        spread(one);
        for (std::size_t s = 0; s < spans_; ++s) variants[s] = std::max(variants[s], one[s]);
    }
    add(std::move(query));
    add(std::move(place));
    add(std::move(variants));
}

Column SpanFeatures::Table::bm25(std::size_t query) const {
    const double mean = std::max(1.0, static_cast<double>(terms_.size()) /
                                          std::max<double>(1, static_cast<double>(spans_)));
    std::vector<std::uint8_t> wanted(vocabulary_, 0);
    for (const Term& term : queries_[query]) wanted[term.id] = 1;
    std::vector<std::uint32_t> count(vocabulary_, 0);
    std::vector<std::uint32_t> met;
    Column out(spans_, 0.0f);
    for (std::size_t s = 0; s < spans_; ++s) {
        met.clear();
        for (const Term& term : terms(s))
            if (wanted[term.id] && count[term.id]++ == 0) met.push_back(term.id);
        const double length = static_cast<double>(terms(s).size());
        double score = 0;
        for (const std::uint32_t id : met) {
            const double f = count[id];
            score += weight_[id] * f * (kK1 + 1) / (f + kK1 * (1 - kB + kB * length / mean));
            count[id] = 0;
        }
        out[s] = static_cast<float>(score);
    }
    return out;
}

// The share of a query's weight that the spans up to `around` away have together.
Column SpanFeatures::Table::coverage(std::size_t query, int around) const {
    Column out(spans_, kMissing);
    double whole = 0;
    for (const Term& term : queries_[query]) whole += weight_[term.id];
    if (whole <= 0) return out;
    std::vector<std::uint8_t> wanted(vocabulary_, 0);
    for (const Term& term : queries_[query]) wanted[term.id] = 1;
    std::vector<std::uint32_t> seen(vocabulary_, 0);
    for (std::size_t s = 0; s < spans_; ++s) {
        double found = 0;
        for (int step = -around; step <= around; ++step) {
            const std::size_t other = s + static_cast<std::size_t>(step);
            if (!together(s, other)) continue;
            for (const Term& term : terms(other))
                if (wanted[term.id] && seen[term.id] != s + 1) {
                    seen[term.id] = static_cast<std::uint32_t>(s + 1);
                    found += weight_[term.id];
                }
        }
        out[s] = static_cast<float>(found / whole);
    }
    return out;
}

void SpanFeatures::Table::add_words() {
    if (queries_.empty() || queries_[0].empty()) {
        for (int k = 0; k < 19; ++k) add(Column(spans_, kMissing));
        return;
    }
    Column query = bm25(0);
    scale(query);
    Column variants(query);
    Column coverage_variants = coverage(0, 0);
    for (std::size_t q = 1; q < queries_.size(); ++q) {
        Column one = bm25(q);
        scale(one);
        const Column covered = coverage(q, 0);
        for (std::size_t s = 0; s < spans_; ++s) {
            variants[s] = std::max(variants[s], one[s]);
            coverage_variants[s] = std::max(coverage_variants[s], covered[s]);
        }
    }
    Column of_chunk(spans_, 0.0f), before(spans_), after(spans_), around(spans_), by_document(spans_);
    for (std::size_t c = 0; c < in_.chunk_first.size(); ++c) {
        const auto from = static_cast<std::size_t>(in_.chunk_first[c]);
        const auto to = static_cast<std::size_t>(in_.chunk_last[c]);
        double total = 0;
        for (std::size_t s = from; s < to; ++s) total += variants[s];
        const auto share = static_cast<float>(total / std::sqrt(1.0 + static_cast<double>(to - from)));
        for (std::size_t s = from; s < to; ++s) of_chunk[s] = std::max(of_chunk[s], share);
    }
    scale(of_chunk);
    Column of_document(documents_, 0.0f);
    for (std::size_t s = 0; s < spans_; ++s) {
        before[s] = neighbour(variants, s, -1, 0);
        after[s] = neighbour(variants, s, 1, 0);
        for (int step = -kAround; step <= kAround; ++step)
            around[s] += neighbour(variants, s, step, 0) / static_cast<float>(1 + std::abs(step));
        float& best = of_document[document(s)];
        best = std::max(best, variants[s]);
    }
    const Column document_places = places(of_document);
    Column document_place(spans_);
    for (std::size_t s = 0; s < spans_; ++s) {
        by_document[s] = of_document[document(s)];
        document_place[s] = document_places[document(s)];
    }
    const Column covered = coverage(0, 0);
    Column heading(spans_), opening(spans_), opening_in_query(spans_), rarest(spans_), pairs(spans_),
        matches(spans_);
    float rarest_of_query = 0;
    for (const Term& term : queries_[0]) rarest_of_query = std::max(rarest_of_query, weight_[term.id]);
    Column named(documents_);
    for (std::size_t d = 0; d < documents_; ++d) {
        double whole = 0, asked = 0;
        std::size_t taken = 0;
        for (const Term& term : terms(opening_[d])) {
            if (++taken > kOpening) break;
            if (term.function) continue;
            whole += weight_[term.id];
            if (in_query_[term.id] & 1) asked += weight_[term.id];
        }
        named[d] = whole > 0 ? static_cast<float>(asked / whole) : 0;
    }
    for (std::size_t s = 0; s < spans_; ++s) {
        heading[s] = heading_[s] == s ? 0 : covered[heading_[s]];
        opening[s] = covered[opening_[document(s)]];
        opening_in_query[s] = named[document(s)];
        std::uint32_t previous = UINT32_MAX;
        float best = 0, count = 0, adjacent = 0;
        for (const Term& term : terms(s)) {
            if (term.function) continue;
            const bool asked = in_query_[term.id] & 1;
            if (asked) {
                best = std::max(best, weight_[term.id]);
                count += 1;
                if (previous != UINT32_MAX && previous != term.id) adjacent += 1;
            }
            previous = asked ? term.id : UINT32_MAX;
        }
        rarest[s] = rarest_of_query > 0 ? best / rarest_of_query : 0;
        pairs[s] = adjacent;
        matches[s] = count;
    }
    Column query_places = places(query), variant_places = places(variants);
    Column covered_around = coverage(0, kAround);
    add(std::move(query));
    add(std::move(query_places));
    add(std::move(variants));
    add(std::move(variant_places));
    add(std::move(of_chunk));
    add(std::move(before));
    add(std::move(after));
    add(std::move(around));
    add(std::move(by_document));
    add(std::move(document_place));
    add(Column(covered));
    add(std::move(coverage_variants));
    add(std::move(covered_around));
    add(std::move(heading));
    add(std::move(opening));
    add(std::move(opening_in_query));
    add(std::move(rarest));
    add(std::move(pairs));
    add(std::move(matches));
}

void SpanFeatures::Table::add_shape() {
    Column& count = add();
    Column& characters = add();
    Column& digits = add();
    Column& capitals = add();
    Column& question = add();
    const std::size_t kinds = columns_.size();
    for (int k = 0; k < 4; ++k) add();
    add(Column(spans_));
    add(Column(spans_));
    add(Column(spans_));
    add(Column(spans_));
    // References into columns_ may have moved while it grew.
    const std::size_t at = kinds - 5;
    (void)count, (void)characters, (void)digits, (void)capitals, (void)question;
    Column in_chunk(spans_, 1.0f);
    for (std::size_t c = 0; c < in_.chunk_first.size(); ++c) {
        const auto from = static_cast<std::size_t>(in_.chunk_first[c]);
        const auto to = static_cast<std::size_t>(in_.chunk_last[c]);
        for (std::size_t s = from; s < to; ++s)
            in_chunk[s] = std::min(in_chunk[s], static_cast<float>(s - from) /
                                                    static_cast<float>(std::max<std::size_t>(1, to - from)));
    }
    for (std::size_t s = 0; s < spans_; ++s) {
        const auto words = static_cast<float>(terms(s).size());
        const auto first = static_cast<std::size_t>(in_.first[stretch(s)]);
        const auto last = static_cast<std::size_t>(in_.first[stretch(s) + 1]);
        const auto kind = static_cast<SpanKind>(in_.kind[s]);
        columns_[at][s] = std::log1p(words);
        columns_[at + 1][s] = std::log1p(static_cast<float>(bytes_[s]));
        columns_[at + 2][s] = words > 0 ? static_cast<float>(digits_[s]) / words : 0;
        columns_[at + 3][s] = words > 0 ? static_cast<float>(capitals_[s]) / words : 0;
        columns_[at + 4][s] = static_cast<float>(question_mark_[s]);
        columns_[at + 5][s] = kind == SpanKind::heading;
        columns_[at + 6][s] = kind == SpanKind::list_item;
        columns_[at + 7][s] = kind == SpanKind::table_row;
        columns_[at + 8][s] = kind == SpanKind::code || kind == SpanKind::json;
        columns_[at + 9][s] = static_cast<float>(s - first) / static_cast<float>(last - first);
        columns_[at + 10][s] = in_chunk[s];
        columns_[at + 11][s] = opening_[document(s)] == s;
        columns_[at + 12][s] = std::log1p(static_cast<float>(std::max<std::int64_t>(
                                   0, in_.place[stretch(s)] + in_.start[s])) / 1000.0f);
    }
}

void SpanFeatures::Table::add_documents() {
    const std::size_t chunks = in_.chunk_first.size();
    Column consensus(documents_, kMissing), count(documents_, 0.0f);
    std::vector<float> sorted;
    float lists = 0;
    for (std::size_t c = 0; c < chunks; ++c) {
        if (in_.chunk_first[c] == in_.chunk_last[c]) continue;
        const std::size_t d = document(static_cast<std::size_t>(in_.chunk_first[c]));
        count[d] += 1;
        if (std::isnan(chunk_consensus_[c])) continue;
        consensus[d] = std::max(consensus[d], chunk_consensus_[c]);
        sorted.push_back(chunk_consensus_[c]);
        lists = 1;
    }
    scale(consensus);
    const Column place = places(consensus);
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    // How much of the best chunk's consensus the tenth best has: 1 where the lists disagree.
    const float drop = sorted.size() > 1
                           ? sorted[std::min<std::size_t>(9, sorted.size() - 1)] / sorted[0]
                           : kMissing;
    float matched = 0, unmatched = kMissing;
    if (!queries_.empty() && !queries_[0].empty()) {
        double whole = 0, nowhere = 0;
        for (const Term& term : queries_[0]) {
            whole += 1;
            if (frequency_[term.id] == 0) nowhere += 1;
        }
        unmatched = static_cast<float>(nowhere / whole);
        for (std::size_t s = 0; s < spans_; ++s)
            for (const Term& term : terms(s))
                if (in_query_[term.id] & 1) {
                    matched += 1;
                    break;
                }
    }
    const auto all = static_cast<float>(std::max<std::size_t>(1, spans_));
    for (int k = 0; k < 11; ++k) add();
    Column* at = &columns_[columns_.size() - 11];
    for (std::size_t s = 0; s < spans_; ++s) {
        const std::size_t d = document(s);
        at[0][s] = consensus[d];
        at[1][s] = place[d];
        at[2][s] = chunks > 0 ? count[d] / static_cast<float>(chunks) : 0;
        at[3][s] = std::log1p(static_cast<float>(documents_));
        at[4][s] = std::log1p(all);
        at[5][s] = queries_.empty() ? 0 : static_cast<float>(queries_[0].size());
        at[6][s] = matched / all;
        at[7][s] = drop;
        at[8][s] = lists;
        at[9][s] = unmatched;
        at[10][s] = static_cast<float>(terms(s).size()) /
                    static_cast<float>(std::max<std::size_t>(1, terms_.size())) * all;
    }
}

std::vector<float> SpanFeatures::Table::finals(std::span<const float> worth) const {
    if (worth.size() != spans_)
        throw std::invalid_argument("span features: one worth a span is expected");
    std::array<Column, kFinalNames.size()> made;
    for (Column& column : made) column.assign(spans_, 0.0f);
    std::vector<std::uint32_t> order(spans_);
    std::iota(order.begin(), order.end(), 0u);
    const std::size_t top = std::min(spans_, kFeedback);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                      [&](std::uint32_t a, std::uint32_t b) {
                          return worth[a] != worth[b] ? worth[a] > worth[b] : a < b;
                      });
    const std::span<const std::uint32_t> best(order.data(), top);
    const std::size_t bridges = std::min(top, kBridges);
    const float most = spans_ > 0 && worth[order[0]] > 0 ? worth[order[0]] : 1.0f;

    // By draft, among neighbours and in the document.
    const Column worths(worth.begin(), worth.end());
    made[1] = places(worths);
    std::vector<std::array<float, 3>> leading(documents_, std::array<float, 3>{0, 0, 0});
    std::vector<std::vector<float>> of_document(documents_);
    double mass = 0, squares = 0;
    for (std::size_t s = 0; s < spans_; ++s) {
        of_document[document(s)].push_back(worth[s]);
        mass += worth[s];
        squares += static_cast<double>(worth[s]) * worth[s];
    }
    Column document_worth(documents_, 0.0f);
    for (std::size_t d = 0; d < documents_; ++d) {
        auto& values = of_document[d];
        std::sort(values.begin(), values.end(), std::greater<>());
        const std::size_t n = std::min<std::size_t>(3, values.size());
        for (std::size_t k = 0; k < n; ++k) document_worth[d] += values[k] / static_cast<float>(n);
    }
    const Column document_places = places(document_worth);
    Column chunk_worth(spans_, 0.0f);
    for (std::size_t c = 0; c < in_.chunk_first.size(); ++c) {
        const auto from = static_cast<std::size_t>(in_.chunk_first[c]);
        const auto to = static_cast<std::size_t>(in_.chunk_last[c]);
        float total = 0;
        for (std::size_t s = from; s < to; ++s) total += worth[s];
        for (std::size_t s = from; s < to; ++s)
            chunk_worth[s] = std::max(chunk_worth[s], total / static_cast<float>(to - from));
    }
    for (std::size_t s = 0; s < spans_; ++s) {
        const std::size_t d = document(s);
        made[0][s] = worth[s];
        made[2][s] = worth[s] / most;
        made[3][s] = neighbour(worth, s, -1, 0);
        made[4][s] = neighbour(worth, s, 1, 0);
        for (int step = -3; step <= 3; ++step)
            if (step != 0) made[5][s] = std::max(made[5][s], neighbour(worth, s, step, 0));
        made[6][s] = document_worth[d];
        const auto& values = of_document[d];
        made[7][s] = 1.0f / (1.0f + static_cast<float>(std::lower_bound(values.begin(), values.end(), worth[s], std::greater<>()) - values.begin()));
        made[8][s] = document_places[d];
        made[9][s] = heading_[s] == s ? 0 : worth[heading_[s]];
        made[10][s] = chunk_worth[s];
        made[21][s] = std::log1p(static_cast<float>(mass));
        made[22][s] = mass > 0 ? static_cast<float>(mass * mass / squares) : 0;
    }

    // What the best spans name and the query does not, in other documents.
    const auto rare = static_cast<std::uint32_t>(
        std::max(1.0, 0.1 * static_cast<double>(spans_)));
    std::vector<std::uint32_t> seen(vocabulary_, 0);
    std::vector<float> feedback(vocabulary_, 0.0f);
    std::vector<std::uint8_t> in_best(vocabulary_), counted(vocabulary_);
    std::vector<std::uint32_t> stamp(vocabulary_, 0);
    std::uint32_t now = 0;
    Column opening_named(documents_, 0.0f), named_in_opening(documents_, 0.0f),
        names_query(documents_, 0.0f);
    float bridge_most = 0;
    for (std::size_t rank = 0; rank < bridges; ++rank) {
        const std::uint32_t from = best[rank];
        std::fill(in_best.begin(), in_best.end(), std::uint8_t{0});
        for (const Term& term : terms(from))
            if (!term.function) in_best[term.id] = 1;
        for (std::size_t s = 0; s < spans_; ++s) {
            if (document(s) == document(from)) continue;
            ++now;
            float shared = 0;
            for (const Term& term : terms(s))
                if (in_best[term.id] && !(in_query_[term.id] & 1) && frequency_[term.id] <= rare &&
                    stamp[term.id] != now) {
                    stamp[term.id] = now;
                    shared += weight_[term.id];
                }
            made[11][s] = std::max(made[11][s], shared);
            bridge_most = std::max(bridge_most, shared);
        }
        // Runs of capitalised terms are names; those of length 2 and more are looked for in order.
        for (std::size_t d = 0; d < documents_; ++d) {
            if (d == document(from)) continue;
            const std::span<const Term> opening = terms(opening_[d]);
            const std::size_t size = std::min(opening.size(), kOpening);
            double whole = 0, met = 0;
            float longest = 0;
            ++now;
            for (std::size_t k = 0; k < size; ++k) {
                const Term& term = opening[k];
                if (term.function || stamp[term.id] == now) continue;
                stamp[term.id] = now;
                whole += weight_[term.id];
                if (in_best[term.id]) met += weight_[term.id];
            }
            const std::span<const Term> named = terms(from);
            for (std::size_t a = 0; a < named.size(); ++a) {
                if (!named[a].capital) continue;
                for (std::size_t b = 0; b < size; ++b) {
                    if (opening[b].id != named[a].id) continue;
                    std::size_t run = 0;
                    float weight = 0;
                    bool beyond = false;  // some of it is not in the query
                    while (a + run < named.size() && b + run < size &&
                           named[a + run].id == opening[b + run].id &&
                           (named[a + run].capital || named[a + run].function || named[a + run].digit)) {
                        if (!named[a + run].function) weight += weight_[named[a + run].id];
                        beyond = beyond || !(in_query_[named[a + run].id] & 1);
                        ++run;
                    }
                    if (run >= 2 && beyond) longest = std::max(longest, weight);
                }
            }
            named_in_opening[d] = std::max(named_in_opening[d], longest);
            if (whole > 0)
                opening_named[d] = std::max(opening_named[d], static_cast<float>(met / whole));
        }
    }
    if (bridge_most > 0)
        for (std::size_t s = 0; s < spans_; ++s) made[12][s] = made[11][s] / bridge_most;

    // Terms of the best spans, weighted by their worth, beyond those of the query.
    const auto rocchio = [&](bool elsewhere, Column& out) {
        // Elsewhere: only of spans of other documents; by document, since few hold the best.
        std::vector<std::size_t> sources;
        if (elsewhere)
            for (const std::uint32_t from : best)
                if (std::find(sources.begin(), sources.end(), document(from)) == sources.end())
                    sources.push_back(document(from));
        const std::size_t rounds = elsewhere ? sources.size() + 1 : 1;
        for (std::size_t round = 0; round < rounds; ++round) {
            const bool one = elsewhere && round < sources.size();
            std::fill(feedback.begin(), feedback.end(), 0.0f);
            for (const std::uint32_t from : best) {
                if (one && document(from) == sources[round]) continue;
                ++now;
                for (const Term& term : terms(from))
                    if (!term.function && !(in_query_[term.id] & 1) && stamp[term.id] != now) {
                        stamp[term.id] = now;
                        feedback[term.id] += worth[from] * weight_[term.id];
                    }
            }
            for (std::size_t s = 0; s < spans_; ++s) {
                if (elsewhere) {
                    const bool mine = std::find(sources.begin(), sources.end(), document(s)) != sources.end();
                    if (one ? document(s) != sources[round] : mine) continue;
                }
                ++now;
                float sum = 0;
                const bool itself = std::find(best.begin(), best.end(), static_cast<std::uint32_t>(s)) != best.end();
                for (const Term& term : terms(s))
                    if (stamp[term.id] != now) {
                        stamp[term.id] = now;
                        float weight = feedback[term.id];
                        if (itself && !elsewhere && weight > 0)
                            weight = std::max(0.0f, weight - worth[s] * weight_[term.id]);
                        sum += weight;
                    }
                out[s] = sum / std::sqrt(4.0f + static_cast<float>(terms(s).size()));
            }
        }
        scale(out);
    };
    rocchio(false, made[16]);
    rocchio(true, made[17]);

    // Terms of the query that the three best spans lack.
    std::fill(in_best.begin(), in_best.end(), std::uint8_t{0});
    for (std::size_t rank = 0; rank < std::min<std::size_t>(3, top); ++rank)
        for (const Term& term : terms(best[rank])) in_best[term.id] = 1;
    double lacking = 0;
    if (!queries_.empty())
        for (const Term& term : queries_[0])
            if (!in_best[term.id]) lacking += weight_[term.id];
    for (std::size_t s = 0; s < spans_; ++s) {
        const std::size_t d = document(s);
        made[13][s] = named_in_opening[d];
        made[15][s] = opening_named[d];
        if (lacking > 0) {
            ++now;
            double found = 0;
            for (const Term& term : terms(s))
                if ((in_query_[term.id] & 1) && !in_best[term.id] && stamp[term.id] != now) {
                    stamp[term.id] = now;
                    found += weight_[term.id];
                }
            made[18][s] = static_cast<float>(found / lacking);
        }
        // The span names what another document, one of the query's, opens with.
        ++now;
    }
    // Names of the openings of the best documents that stand in this span.
    std::vector<std::size_t> leaders;
    for (const std::uint32_t from : best)
        if (leaders.size() < 3 &&
            std::find(leaders.begin(), leaders.end(), document(from)) == leaders.end())
            leaders.push_back(document(from));
    for (const std::size_t d : leaders) {
        std::fill(in_best.begin(), in_best.end(), std::uint8_t{0});
        double whole = 0;
        std::size_t taken = 0;
        for (const Term& term : terms(opening_[d])) {
            if (++taken > 8) break;
            if (!term.function && !in_best[term.id]) {
                in_best[term.id] = 1;
                whole += weight_[term.id];
            }
        }
        if (whole <= 0) continue;
        for (std::size_t s = 0; s < spans_; ++s) {
            if (document(s) == d) continue;
            ++now;
            double found = 0;
            for (const Term& term : terms(s))
                if (in_best[term.id] && stamp[term.id] != now) {
                    stamp[term.id] = now;
                    found += weight_[term.id];
                }
            made[14][s] = std::max(made[14][s], static_cast<float>(found / whole));
        }
    }

    if (in_.width > 0 && !in_.vectors.empty()) {
        Column near(spans_, 0.0f), elsewhere(spans_, 0.0f);
        double total = 0;
        for (const std::uint32_t from : best) total += worth[from];
        for (std::size_t s = 0; s < spans_; ++s) {
            const float* vector = in_.vectors.data() + s * in_.width;
            double sum = 0;
            float most_elsewhere = 0;
            for (const std::uint32_t from : best) {
                const float* other = in_.vectors.data() + from * in_.width;
                float cosine = 0;
                for (std::size_t k = 0; k < in_.width; ++k) cosine += vector[k] * other[k];
                if (from != s) sum += static_cast<double>(cosine) * worth[from];
                if (document(s) != document(from)) most_elsewhere = std::max(most_elsewhere, cosine);
            }
            near[s] = total > 0 ? static_cast<float>(sum / total) : 0;
            elsewhere[s] = most_elsewhere;
        }
        spread(near);
        spread(elsewhere);
        made[19] = std::move(near);
        made[20] = std::move(elsewhere);
    } else {
        made[19].assign(spans_, kMissing);
        made[20].assign(spans_, kMissing);
    }
    for (std::size_t s = 0; s < spans_; ++s) made[23][s] = names_query[document(s)];

    std::vector<float> all;
    all.reserve(spans_ * made.size());
    for (const Column& column : made) all.insert(all.end(), column.begin(), column.end());
    return all;
}

SpanFeatures::SpanFeatures(const SpanInput& input) : table_(std::make_unique<Table>(input)) {}
SpanFeatures::~SpanFeatures() = default;
SpanFeatures::SpanFeatures(SpanFeatures&&) noexcept = default;

std::span<const std::string_view> SpanFeatures::draft_names() { return kDraftNames; }
std::span<const std::string_view> SpanFeatures::final_names() {
    static const std::vector<std::string_view> names = [] {
        std::vector<std::string_view> all(kDraftNames.begin(), kDraftNames.end());
        all.insert(all.end(), kFinalNames.begin(), kFinalNames.end());
        return all;
    }();
    return names;
}

std::size_t SpanFeatures::spans() const { return table_->spans(); }
const float* SpanFeatures::draft_column(std::size_t k) const { return table_->column(k).data(); }
std::vector<float> SpanFeatures::finals(std::span<const float> worth) const {
    return table_->finals(worth);
}

}  // namespace ctxmem
