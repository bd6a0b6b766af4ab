// Lexical features: query terms in a span, around it and in its heading.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ranking/span_columns.hpp"

namespace ctxmem {
namespace {

constexpr int kAround = 2;              // spans before and after that are taken together
constexpr double kK1 = 1.2, kB = 0.75;  // the usual values (Robertson et al. 1994)

using Query = std::span<const std::uint32_t>;

std::vector<double> bm25(const SpanTable& table, Query query, StopToken& stop) {
    const double mean =
        std::max(1.0, static_cast<double>(table.all_length()) /
                          static_cast<double>(std::max<std::size_t>(1, table.spans())));
    std::vector<double> out(table.spans(), 0.0);
    for (const std::uint32_t term : query) {
        stop.check(5 * table.postings(term).size());
        for (const auto& [span, count] : table.postings(term)) {
            const auto length = static_cast<double>(table.length(span));
            out[span] += table.weight(term) * count * (kK1 + 1) /
                         (count + kK1 * (1 - kB + kB * length / mean));
        }
    }
    return out;
}

// The share of the query's weight that a span and the spans up to `reach` away contain together.
// Query terms that no span contains are ignored because they do not discriminate between spans.
Column coverage(const SpanTable& table, Query query, std::size_t reach, StopToken& stop) {
    double whole = 0;
    for (const std::uint32_t term : query)
        if (!table.postings(term).empty()) whole += table.weight(term);
    if (whole <= 0) return Column(table.spans(), query.empty() ? kMissing : 0.0f);
    std::vector<double> found(table.spans(), 0.0);
    for (const std::uint32_t term : query) {
        stop.check(10 * table.postings(term).size());
        std::size_t next = 0;  // spans before it are done: postings ascend and their ranges overlap
        for (const auto& [span, count] : table.postings(term)) {
            const std::size_t from =
                std::max(table.first_beside(span), span > reach ? span - reach : std::size_t{0});
            const std::size_t to = std::min(table.last_beside(span), span + reach + 1);
            for (next = std::max(next, from); next < to; ++next) found[next] += table.weight(term);
        }
    }
    Column out(table.spans());
    for (std::size_t s = 0; s < out.size(); ++s) out[s] = static_cast<float>(found[s] / whole);
    return out;
}

// The share of the weight of a span's terms that is in the query.
template <class Terms>
float named_share(const SpanTable& table, const Terms& terms) {
    double whole = 0, asked = 0;
    for (const std::uint32_t term : terms) {
        whole += table.weight(term);
        if (table.asked(term)) asked += table.weight(term);
    }
    return whole > 0 ? static_cast<float>(asked / whole) : 0;
}

// For each span, the best score of a chunk that contains it; a chunk is scored by its spans.
Column of_chunks(const SpanTable& table, const Column& values, StopToken& stop) {
    std::vector<double> out(table.spans(), 0.0);
    for (std::size_t c = 0; c < table.chunks(); ++c) {
        const auto from = static_cast<std::size_t>(table.input().chunk_first[c]);
        const auto to = static_cast<std::size_t>(table.input().chunk_last[c]);
        stop.check(10 + 2 * (to - from));
        double total = 0;
        for (std::size_t s = from; s < to; ++s) total += values[s];
        const double share = total / std::sqrt(1.0 + static_cast<double>(to - from));
        for (std::size_t s = from; s < to; ++s) out[s] = std::max(out[s], share);
    }
    return scaled(out);
}

void add_matches(const SpanTable& table, Columns& columns, StopToken& stop) {
    double rarest_asked = 0, present = 0, absent = 0;
    for (const std::uint32_t term : table.queries()[0]) {
        (table.postings(term).empty() ? absent : present) += 1;
        if (!table.postings(term).empty())
            rarest_asked = std::max(rarest_asked, table.weight(term));
    }
    Column rarest(table.spans()), pairs(table.spans()), matches(table.spans()),
        focus(table.spans());
    double matched = 0;
    for (std::size_t s = 0; s < table.spans(); ++s) {
        stop.check(20 + 10 * table.terms(s).size());
        double best = 0;
        std::uint32_t before = std::numeric_limits<std::uint32_t>::max();
        for (const Term& term : table.terms(s)) {
            const bool asked = table.asked(term.id);
            // Parts and wholes of identifiers do not separate two words.
            if (term.function || (term.extra && !asked)) continue;
            // Two adjacent query words, ignoring function words.
            if (asked && before != std::numeric_limits<std::uint32_t>::max() && before != term.id)
                pairs[s] += 1;
            matches[s] += asked;
            if (asked) best = std::max(best, table.weight(term.id));
            before = asked ? term.id : std::numeric_limits<std::uint32_t>::max();
        }
        matched += matches[s] > 0;
        rarest[s] = rarest_asked > 0 ? static_cast<float>(best / rarest_asked) : 0;
        focus[s] = named_share(table, table.distinct(s));
    }
    const auto all = static_cast<double>(std::max<std::size_t>(1, table.spans()));
    columns.add("rarest_match", std::move(rarest));
    columns.add("pairs", std::move(pairs));
    columns.add("matches", std::move(matches));
    columns.add("focus", std::move(focus));
    columns.add("matched_spans", Column(table.spans(), static_cast<float>(matched / all)));
    columns.add("unmatched_share",
                Column(table.spans(), static_cast<float>(absent / (absent + present))));
    columns.add("query_terms", Column(table.spans(), static_cast<float>(absent + present)));
}

// The lexical columns without a query: all values are missing.
void add_nothing(const SpanTable& table, Columns& columns) {
    for (const std::string_view name :
         {"bm25_place", "bm25", "bm25_variants_place", "bm25_chunk", "bm25_before", "bm25_after",
          "bm25_around", "bm25_variants", "coverage_around", "coverage_heading", "coverage",
          "coverage_variants", "rarest_match", "pairs", "matches", "focus", "matched_spans",
          "unmatched_share", "query_terms"})
        columns.add(name, Column(table.spans(), kMissing));
}

}  // namespace

void add_words(const SpanTable& table, Columns& columns, StopToken& stop) {
    if (!table.has_query()) return add_nothing(table, columns);
    const std::size_t spans = table.spans();
    Column query = scaled(bm25(table, table.queries()[0], stop));
    Column covered = coverage(table, table.queries()[0], 0, stop);
    Column variants(query), covered_variants(covered);
    for (std::size_t q = 1; q < table.queries().size(); ++q) {
        stop.check(5 * spans);
        const Column one = scaled(bm25(table, table.queries()[q], stop));
        const Column covered_one = coverage(table, table.queries()[q], 0, stop);
        for (std::size_t s = 0; s < spans; ++s) {
            variants[s] = std::max(variants[s], one[s]);
            covered_variants[s] = std::max(covered_variants[s], covered_one[s]);
        }
    }
    Column heading(spans);
    for (std::size_t s = 0; s < spans; ++s)
        heading[s] = table.heading(s) == s ? 0 : covered[table.heading(s)];
    columns.add("bm25_place", places(query));
    columns.add("bm25", std::move(query));
    columns.add("bm25_variants_place", places(variants));
    columns.add("bm25_chunk", of_chunks(table, variants, stop));
    columns.add("bm25_before", beside(table, variants, -1));
    columns.add("bm25_after", beside(table, variants, 1));
    columns.add("bm25_around", mean_beside(table, variants, kAround));
    columns.add("bm25_variants", std::move(variants));
    columns.add("coverage_around", coverage(table, table.queries()[0], kAround, stop));
    columns.add("coverage_heading", std::move(heading));
    columns.add("coverage", std::move(covered));
    columns.add("coverage_variants", std::move(covered_variants));
    add_matches(table, columns, stop);
}

}  // namespace ctxmem
