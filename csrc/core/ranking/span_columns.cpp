#include "core/ranking/span_columns.hpp"

#include <algorithm>
#include <cmath>

namespace ctxmem {

Column places(std::span<const float> values) {
    // Spans of one chunk share its numbers, and most spans have no query term, so equal numbers
    // are side by side: runs of them are sorted.
    struct Run {
        float value;
        std::uint32_t count;
    };
    std::vector<Run> runs;
    for (const float value : values) {
        if (runs.empty() || runs.back().value != value) runs.push_back({value, 0});
        ++runs.back().count;
    }
    std::vector<Run> sorted(runs);
    std::sort(sorted.begin(), sorted.end(),
              [](const Run& a, const Run& b) { return a.value > b.value; });
    // One run for each number; its count becomes that of the greater numbers.
    std::size_t distinct = 0;
    std::uint32_t greater = 0;
    for (std::size_t k = 0; k < sorted.size();) {
        const float value = sorted[k].value;
        std::uint32_t count = 0;
        do count += sorted[k++].count;
        while (k < sorted.size() && sorted[k].value == value);
        sorted[distinct++] = {value, greater};
        greater += count;
    }
    sorted.resize(distinct);
    Column out;
    out.reserve(values.size());
    for (const Run& run : runs) {
        const auto at = std::lower_bound(sorted.begin(), sorted.end(), run.value,
                                         [](const Run& a, float value) { return a.value > value; });
        const bool known = run.value > kMissing && at != sorted.end();
        const float place = known ? 1.0f / (1.0f + static_cast<float>(at->count)) : kMissing;
        out.insert(out.end(), run.count, place);
    }
    return out;
}

Column scaled(std::span<const double> values) {
    double most = 0;
    for (const double value : values) most = std::max(most, value);
    Column out(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        out[i] =
            static_cast<float>(most > 0 && values[i] > kMissing ? values[i] / most : values[i]);
    return out;
}

Column spread(std::span<const double> values) {
    double low = 0, high = 0;
    bool any = false;
    for (const double value : values) {
        if (std::isnan(value)) continue;
        low = any ? std::min(low, value) : value;
        high = any ? std::max(high, value) : value;
        any = true;
    }
    Column out(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        out[i] = std::isnan(values[i]) ? kMissing
                 : high > low          ? static_cast<float>((values[i] - low) / (high - low))
                                       : 1.0f;
    return out;
}

Column of_documents(const SpanTable& table, const Column& values) {
    Column out(table.spans());
    for (std::size_t s = 0; s < out.size(); ++s) out[s] = values[table.document(s)];
    return out;
}

Column within_documents(const SpanTable& table, const Column& values) {
    Column most(table.documents(), 0.0f);
    for (std::size_t s = 0; s < values.size(); ++s)
        most[table.document(s)] = std::max(most[table.document(s)], values[s]);
    Column out(values.size());
    for (std::size_t s = 0; s < values.size(); ++s) {
        const float best = most[table.document(s)];
        out[s] = values[s] > 0 ? values[s] / best : values[s];
    }
    return out;
}

namespace {

// Call visit(other, distance) for the other spans of the merged text that are at most `reach` spans
// away.
template <class Visit>
void each_beside(const SpanTable& table, std::size_t span, int reach, Visit&& visit) {
    const auto far = static_cast<std::size_t>(reach);
    const std::size_t from = std::max(table.first_beside(span), span > far ? span - far : 0);
    const std::size_t to = std::min(table.last_beside(span), span + far + 1);
    for (std::size_t other = from; other < to; ++other)
        if (other != span) visit(other, other > span ? other - span : span - other);
}

}  // namespace

Column greatest_beside(const SpanTable& table, std::span<const float> values, int reach) {
    Column out(values.size(), 0.0f);
    for (std::size_t s = 0; s < values.size(); ++s)
        each_beside(table, s, reach, [&](std::size_t other, std::size_t) {
            out[s] = std::max(out[s], values[other]);
        });
    return out;
}

Column mean_beside(const SpanTable& table, std::span<const float> values, int reach) {
    Column out(values.size());
    for (std::size_t s = 0; s < values.size(); ++s) {
        double sum = values[s], weight = 1;
        each_beside(table, s, reach, [&](std::size_t other, std::size_t distance) {
            const double near = 1.0 / (1.0 + static_cast<double>(distance));
            sum += near * values[other];
            weight += near;
        });
        out[s] = static_cast<float>(sum / weight);
    }
    return out;
}

Column beside(const SpanTable& table, std::span<const float> values, int step) {
    Column out(values.size(), 0.0f);
    for (std::size_t s = 0; s < values.size(); ++s) {
        const std::size_t other = s + static_cast<std::size_t>(step);
        if (other >= table.first_beside(s) && other < table.last_beside(s)) out[s] = values[other];
    }
    return out;
}

}  // namespace ctxmem
