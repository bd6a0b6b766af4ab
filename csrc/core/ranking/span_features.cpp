#include "core/ranking/span_features.hpp"

#include <stdexcept>

#include "core/text/outline.hpp"
#include "core/ranking/definitions.hpp"
#include "core/ranking/span_columns.hpp"
#include "core/ranking/span_table.hpp"

namespace ctxmem {
namespace {

std::vector<float> one_after_another(const Columns& columns) {
    std::vector<float> all;
    for (const Column& column : columns.values) all.insert(all.end(), column.begin(), column.end());
    return all;
}

}  // namespace

struct SpanFeatures::Drafted {
    SpanTable table;
    Columns columns;

    Drafted(const SpanInput& input, StopToken& stop) : table(input, stop) {
        add_rank_fusion(table, columns, stop);
        add_words(table, columns, stop);
        add_context(table, columns, stop);
        add_size(table, columns);
    }

    Columns finals(std::span<const float> density, StopToken& stop) const {
        if (density.size() != table.spans())
            throw std::invalid_argument("span features: expected one value per span");
        Columns made;
        add_rank(table, density, made, stop);
        add_multihop(table, density, made, stop);
        return made;
    }

    // The features of an empty input, of which only the names are used.
    static const Drafted& empty() {
        static const std::int64_t zero = 0;
        static const std::string_view query = "name";
        static const Drafted drafted(
            [] {
                SpanInput input;
                input.first = {&zero, 1};
                input.queries = {&query, 1};
                return input;
            }(),
            StopToken::none());
        return drafted;
    }
};

SpanFeatures::SpanFeatures(const SpanInput& input, StopToken& stop)
    : drafted_(std::make_unique<Drafted>(input, stop)) {}
SpanFeatures::~SpanFeatures() = default;
SpanFeatures::SpanFeatures(SpanFeatures&&) noexcept = default;

std::span<const std::string_view> SpanFeatures::draft_names() {
    return Drafted::empty().columns.names;
}

std::span<const std::string_view> SpanFeatures::final_names() {
    static const std::vector<std::string_view> names = [] {
        std::vector<std::string_view> all = Drafted::empty().columns.names;
        const Columns made = Drafted::empty().finals({}, StopToken::none());
        all.insert(all.end(), made.names.begin(), made.names.end());
        return all;
    }();
    return names;
}

std::size_t SpanFeatures::spans() const { return drafted_->table.spans(); }

double SpanFeatures::structured_share() const {
    const SpanTable& table = drafted_->table;
    double all = 0, structured = 0;
    for (std::size_t s = 0; s < table.spans(); ++s) {
        all += table.bytes(s);
        switch (static_cast<SpanKind>(table.input().kind[s])) {
            case SpanKind::table_row:
            case SpanKind::code:
            case SpanKind::record:
            case SpanKind::name:
            case SpanKind::header:
            case SpanKind::fence:
            case SpanKind::turn: structured += table.bytes(s); break;
            default: break;
        }
    }
    return all > 0 ? structured / all : 0;
}

std::vector<float> SpanFeatures::definitions(StopToken& stop) const {
    return ctxmem::definitions(drafted_->table, stop);
}

const float* SpanFeatures::draft_column(std::size_t name) const {
    return drafted_->columns.values[name].data();
}

std::vector<float> SpanFeatures::draft() const { return one_after_another(drafted_->columns); }

std::vector<float> SpanFeatures::finals(std::span<const float> density, StopToken& stop) const {
    return one_after_another(drafted_->finals(density, stop));
}

}  // namespace ctxmem
