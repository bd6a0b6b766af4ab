// Rank features: the draft value of a span relative to all spans, its document, its chunk and its
// neighbours.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/ranking/span_columns.hpp"

namespace ctxmem {
namespace {

constexpr int kFar = 3;  // greatest distance of a neighbour, in spans

// For each document: the mean of its three greatest values, and its share of the total value.
struct DocumentDensity {
    Column best, share;
};

DocumentDensity documents_by(const SpanTable& table, std::span<const float> density, double all) {
    std::vector<std::array<double, 3>> leading(table.documents(), {0, 0, 0});
    std::vector<double> sums(table.documents(), 0.0), count(table.documents(), 0.0);
    for (std::size_t s = 0; s < density.size(); ++s) {
        const std::size_t d = table.document(s);
        sums[d] += density[s];
        count[d] += 1;
        double held = density[s];  // inserted into the three greatest values
        for (double& place : leading[d])
            if (held > place) std::swap(held, place);
    }
    DocumentDensity out{Column(table.documents()), Column(table.documents())};
    for (std::size_t d = 0; d < sums.size(); ++d) {
        const auto& [a, b, c] = leading[d];
        out.best[d] = static_cast<float>((a + b + c) / std::clamp(count[d], 1.0, 3.0));
        out.share[d] = static_cast<float>(all > 0 ? sums[d] / all : 0);
    }
    return out;
}

Column place_in_document(const SpanTable& table, std::span<const float> density) {
    std::vector<std::vector<float>> sorted(table.documents());
    for (std::size_t s = 0; s < density.size(); ++s)
        sorted[table.document(s)].push_back(density[s]);
    for (auto& values : sorted) std::sort(values.begin(), values.end(), std::greater<>());
    Column out(density.size());
    for (std::size_t s = 0; s < density.size(); ++s) {
        const auto& values = sorted[table.document(s)];
        const auto at =
            std::lower_bound(values.begin(), values.end(), density[s], std::greater<>());
        out[s] = 1.0f / (1.0f + static_cast<float>(at - values.begin()));
    }
    return out;
}

Column best_chunk(const SpanTable& table, std::span<const float> density, StopToken& stop) {
    Column out(density.size(), 0.0f);
    for (std::size_t c = 0; c < table.chunks(); ++c) {
        const auto from = static_cast<std::size_t>(table.input().chunk_first[c]);
        const auto to = static_cast<std::size_t>(table.input().chunk_last[c]);
        stop.check(10 + 2 * (to - from));
        double total = 0;
        for (std::size_t s = from; s < to; ++s) total += density[s];
        for (std::size_t s = from; s < to; ++s)
            out[s] = std::max(out[s], static_cast<float>(total / static_cast<double>(to - from)));
    }
    return out;
}

}  // namespace

void add_rank(const SpanTable& table, std::span<const float> density, Columns& columns,
              StopToken& stop) {
    double all = 0, squares = 0;
    float most = 0;
    for (const float value : density) {
        all += value;
        squares += static_cast<double>(value) * value;
        most = std::max(most, value);
    }
    const Column given(density.begin(), density.end());
    Column relative(given), heading(given);
    for (std::size_t s = 0; s < given.size(); ++s) {
        if (most > 0) relative[s] /= most;
        heading[s] = table.heading(s) == s ? 0 : given[table.heading(s)];
    }
    stop.check(50 * given.size());
    const DocumentDensity documents = documents_by(table, density, all);
    columns.add("density", given);
    columns.add("density_place", places(given));
    columns.add("density_relative", std::move(relative));
    columns.add("density_before", beside(table, given, -1));
    columns.add("density_after", beside(table, given, 1));
    columns.add("density_around", greatest_beside(table, given, kFar));
    columns.add("density_near", mean_beside(table, given, 2));
    columns.add("density_document", of_documents(table, documents.best));
    columns.add("density_document_place", of_documents(table, places(documents.best)));
    columns.add("density_document_share", of_documents(table, documents.share));
    columns.add("density_in_document", place_in_document(table, density));
    columns.add("density_within", within_documents(table, given));
    columns.add("density_heading", std::move(heading));
    columns.add("density_chunk", best_chunk(table, density, stop));
    columns.add("density_best", Column(given.size(), most));
    columns.add("density_mass", Column(given.size(), static_cast<float>(std::log1p(all))));
    columns.add("density_spread",
                Column(given.size(), static_cast<float>(squares > 0 ? all * all / squares : 0)));
}

}  // namespace ctxmem
