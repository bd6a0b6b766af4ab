// Retrieval features: ranks and scores of the chunks that contain a span, and cosines of the span's
// own vector.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ranking/span_columns.hpp"

namespace ctxmem {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

std::vector<double> of_chunks(const SpanTable& table, Evidence kind) {
    std::vector<double> out(table.chunks());
    for (std::size_t c = 0; c < out.size(); ++c) {
        out[c] = table.input().retrieval[c * kRetrieval + kind];
        if (!std::isfinite(out[c])) out[c] = kUnknown;
    }
    return out;
}

template <class Visit>
void each_held(const SpanTable& table, StopToken& stop, Visit&& visit) {
    for (std::size_t c = 0; c < table.chunks(); ++c) {
        const auto first = static_cast<std::size_t>(table.input().chunk_first[c]);
        const auto last = static_cast<std::size_t>(table.input().chunk_last[c]);
        stop.check(5 + 2 * (last - first));
        for (std::size_t s = first; s < last; ++s) visit(c, s);
    }
}

// The maximum, or the sum, over the chunks that contain a span; kMissing if no chunk has a number.
std::vector<double> most(const SpanTable& table, std::span<const double> of_chunk,
                         StopToken& stop) {
    std::vector<double> out(table.spans(), kMissing);
    each_held(table, stop, [&](std::size_t chunk, std::size_t span) {
        if (!std::isnan(of_chunk[chunk])) out[span] = std::max(out[span], of_chunk[chunk]);
    });
    return out;
}

std::vector<double> sum(const SpanTable& table, std::span<const double> of_chunk, StopToken& stop) {
    std::vector<double> out(table.spans(), kMissing);
    each_held(table, stop, [&](std::size_t chunk, std::size_t span) {
        if (!std::isnan(of_chunk[chunk])) out[span] = std::max(out[span], 0.0) + of_chunk[chunk];
    });
    return out;
}

Column narrow(std::span<const double> values) { return {values.begin(), values.end()}; }

// Features of documents by their best chunk, and the concentration of consensus on few chunks and
// documents.
void add_documents(const SpanTable& table, std::span<const double> consensus, Columns& columns) {
    std::vector<double> best(table.documents(), kMissing), count(table.documents(), 0.0);
    std::vector<double> known;
    for (std::size_t c = 0; c < table.chunks(); ++c) {
        if (table.input().chunk_first[c] == table.input().chunk_last[c]) continue;
        const std::size_t d =
            table.document(static_cast<std::size_t>(table.input().chunk_first[c]));
        count[d] += 1;
        if (std::isnan(consensus[c])) continue;
        best[d] = std::max(best[d], consensus[c]);
        known.push_back(consensus[c]);
    }
    std::sort(known.begin(), known.end(), std::greater<>());
    // Consensus of the tenth-best chunk divided by that of the best: near 1 if the lists disagree.
    const double drop = known.size() > 1 && known[0] > 0
                            ? known[std::min<std::size_t>(9, known.size() - 1)] / known[0]
                            : kMissing;
    // Effective number of documents, (sum of x)^2 / sum of x^2, divided by their number: near 1 if
    // consensus is spread evenly over all documents.
    double total = 0, squares = 0;
    for (const double value : best) {
        if (value <= 0) continue;
        total += value;
        squares += value * value;
    }
    const double even =
        squares > 0 ? total * total / squares / static_cast<double>(best.size()) : kMissing;
    for (double& value : count)
        value /= static_cast<double>(std::max<std::size_t>(1, table.chunks()));
    const Column of_document = scaled(best);
    columns.add("document_consensus", of_documents(table, of_document));
    columns.add("document_consensus_place", of_documents(table, places(of_document)));
    columns.add("document_chunks", of_documents(table, narrow(count)));
    columns.add("consensus_drop", Column(table.spans(), static_cast<float>(drop)));
    columns.add("consensus_even", Column(table.spans(), static_cast<float>(even)));
}

std::vector<double> cosines(const SpanTable& table, std::size_t query, StopToken& stop) {
    const std::size_t width = table.input().width;
    const float* target = table.input().query_vectors.data() + query * width;
    std::vector<double> out(table.spans());
    for (std::size_t s = 0; s < out.size(); ++s) {
        const float* vector = table.input().vectors.data() + s * width;
        stop.check(5 + width / 8);
        float sum = 0;
        for (std::size_t k = 0; k < width; ++k) sum += vector[k] * target[k];
        out[s] = sum;
    }
    return out;
}

void add_vectors(const SpanTable& table, Columns& columns, StopToken& stop) {
    const SpanInput& in = table.input();
    const std::size_t queries =
        in.width > 0 && !in.vectors.empty() ? in.query_vectors.size() / in.width : 0;
    Column query(table.spans(), kMissing), variants(query), around(query);
    if (queries > 0) {
        query = spread(cosines(table, 0, stop));
        around = mean_beside(table, query, 1);
    }
    for (std::size_t q = 1; q < queries; ++q) {
        const Column one = spread(cosines(table, q, stop));
        for (std::size_t s = 0; s < one.size(); ++s) variants[s] = std::max(variants[s], one[s]);
    }
    columns.add("span_cosine_place", places(query));
    columns.add("span_cosine", std::move(query));
    columns.add("span_cosine_around", std::move(around));
    columns.add("variant_cosine", std::move(variants));
}

}  // namespace

void add_rank_fusion(const SpanTable& table, Columns& columns, StopToken& stop) {
    const std::vector<double> consensus = of_chunks(table, kConsensus);
    const Column votes = scaled(sum(table, consensus, stop));
    columns.add("consensus", scaled(most(table, consensus, stop)));
    columns.add("consensus_place", places(votes));
    columns.add("consensus_sum", votes);
    columns.add("leading", scaled(sum(table, of_chunks(table, kLeading), stop)));
    columns.add("best_rank", narrow(most(table, of_chunks(table, kBestRank), stop)));
    Column hits = narrow(sum(table, of_chunks(table, kHits), stop));
    for (float& value : hits) value = value > kMissing ? std::log1p(value) : kMissing;
    columns.add("hits", std::move(hits));
    columns.add("lists", narrow(most(table, of_chunks(table, kLists), stop)));
    const Column score = narrow(most(table, of_chunks(table, kScore), stop));
    columns.add("score_place", places(score));
    columns.add("score", score);
    columns.add("score_mean", narrow(most(table, of_chunks(table, kMeanScore), stop)));
    // Rescale to 0 .. 1 before taking maxima: a raw cosine can be negative, as kMissing is.
    Column of_chunk = spread(of_chunks(table, kCosine));
    const Column cosine =
        narrow(most(table, std::vector<double>(of_chunk.begin(), of_chunk.end()), stop));
    columns.add("cosine_place", places(cosine));
    columns.add("cosine", cosine);
    add_vectors(table, columns, stop);
    add_documents(table, consensus, columns);
}

}  // namespace ctxmem
