// The fill under the sanitizers, with random units, demands, limits and needs, including cycles.
// The reported cost must be that of the choice and within the limit. A kept unit must be kept with
// the units that it needs. A folded unit must have a kept duplicate in another merged text.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/outline.hpp"
#include "core/solver/span_fill.hpp"
#include "check.hpp"

namespace {

std::uint64_t state = 5;
std::int64_t random_below(std::int64_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(below));
}

// The columns that a FillInput has views of.
struct Columns {
    std::vector<std::string_view> views;
    std::vector<std::int64_t> first{0}, start, end, tokens, overhead;
    std::vector<std::uint8_t> kind, flags, demand;
    std::vector<std::int32_t> need, also, document;
    std::vector<double> worth;

    ctxmem::FillInput input(std::int64_t limit) const {
        ctxmem::FillInput in;
        in.merged_texts = views;
        in.first = first;
        in.start = start;
        in.end = end;
        in.kind = kind;
        in.flags = flags;
        in.need = need;
        in.also = also;
        in.tokens = tokens;
        in.document = document;
        in.overhead = overhead;
        in.again = 2;
        in.worth = worth;
        in.demand = demand;
        in.limit = limit;
        return in;
    }
};

struct Case : Columns {
    std::vector<std::string> texts;

    Case() {
        const char* parts[] = {"the fee is due on the first day of each month ",
                               "the fee is not due on the first day of each month ",
                               "a ",
                               "\xE6\x9D\xB1\xE4\xBA\xAC ",
                               "\xED\xA0\xBD",
                               "12.5% ",
                               "isn't "};
        for (std::int64_t t = random_below(6); t > 0; --t) {
            std::string text;
            std::int64_t at = 0;
            for (std::int64_t s = random_below(6); s > 0; --s) {
                const std::string_view part = parts[random_below(7)];
                text += part;
                start.push_back(at);
                for (const char c : part) at += (c & 0xC0) != 0x80;
                end.push_back(at);
                tokens.push_back(random_below(9));
                kind.push_back(static_cast<std::uint8_t>(random_below(13)));
                demand.push_back(
                    static_cast<std::uint8_t>(random_below(8) < 6 ? 0 : random_below(3)));
                worth.push_back(static_cast<double>(random_below(100)) / 100);
            }
            texts.push_back(text);
            first.push_back(static_cast<std::int64_t>(start.size()));
            overhead.push_back(3);
            document.push_back(static_cast<std::int32_t>(texts.size()) - 1);
        }
        for (const std::string& text : texts) views.push_back(text);
        // A third of the cases has no needs; a needed unit is not hidden.
        const auto n = static_cast<std::int64_t>(start.size());
        const bool tied = random_below(3) > 0;
        for (std::int64_t k = 0; k < n; ++k)
            for (std::vector<std::int32_t>* column : {&need, &also})
                column->push_back(static_cast<std::int32_t>(
                    tied && random_below(2) ? random_below(n) : ctxmem::kNoSpan));
        constexpr std::uint8_t kFlags[] = {0,
                                           0,
                                           ctxmem::kLabel,
                                           ctxmem::kLeadIn,
                                           ctxmem::kFiller,
                                           ctxmem::kHidden,
                                           ctxmem::kLabel | ctxmem::kHidden};
        for (std::int64_t k = 0; k < n; ++k) {
            flags.push_back(kFlags[random_below(7)]);
            const auto row = static_cast<std::int32_t>(k);
            const auto needs = [&](const auto& column) {
                return std::find(column.begin(), column.end(), row) != column.end();
            };
            if (needs(need) || needs(also))
                flags.back() &= static_cast<std::uint8_t>(~unsigned{ctxmem::kHidden});
        }
    }

    bool has(std::size_t s, unsigned flag) const { return (flags[s] & flag) != 0; }
    // A unit and the units that it needs, directly or indirectly.
    std::vector<bool> closure(std::size_t s) const {
        std::vector<bool> found(start.size(), false);
        std::vector<std::size_t> open{s};
        while (!open.empty()) {
            const std::size_t at = open.back();
            open.pop_back();
            if (found[at]) continue;
            found[at] = true;
            for (const std::int32_t other : {need[at], also[at]})
                if (other != ctxmem::kNoSpan) open.push_back(static_cast<std::size_t>(other));
        }
        return found;
    }
    // The units with content. Labels and lead-ins have it only if a unit below them has.
    std::vector<bool> content() const {
        const unsigned nothing = ctxmem::kFiller | ctxmem::kHidden;
        const unsigned above = ctxmem::kLabel | ctxmem::kLeadIn;
        std::vector<bool> shown(start.size());
        for (std::size_t s = 0; s < start.size(); ++s) shown[s] = !has(s, nothing | above);
        for (std::size_t round = 0; round < start.size(); ++round)
            for (std::size_t s = 0; s < start.size(); ++s)
                if (const auto k = static_cast<std::size_t>(need[s]);
                    need[s] >= 0 && shown[s] && has(k, above) && !has(k, nothing))
                    shown[k] = true;
        const std::vector<bool> below = shown;
        for (std::size_t s = 0; s < start.size(); ++s) {
            if (!below[s] || has(s, ctxmem::kLabel)) continue;
            const std::vector<bool> needed = closure(s);
            for (std::size_t k = 0; k < start.size(); ++k)
                if (needed[k] && has(k, ctxmem::kLabel) && !has(k, nothing)) shown[k] = true;
        }
        return shown;
    }
    // A needed unit has at least half of the density of the best unit that needs it.
    std::vector<double> values() const {
        const std::vector<bool> shown = content();
        std::vector<double> value(start.size(), 0.0), best(start.size(), 0.0);
        for (std::size_t s = 0; s < start.size(); ++s) {
            if (has(s, ctxmem::kLabel) || !shown[s]) continue;
            value[s] = worth[s] * static_cast<double>(tokens[s]);
            const std::vector<bool> needed = closure(s);
            for (std::size_t k = 0; k < start.size(); ++k)
                if (needed[k] && k != s) best[k] = std::max(best[k], worth[s]);
        }
        for (std::size_t s = 0; s < start.size(); ++s)
            if (shown[s])
                value[s] = std::max(value[s], best[s] / 2 * static_cast<double>(tokens[s]));
        return value;
    }
    // Whether a unit is in a ring of units that need each other. Only a ring may be split.
    bool ring(std::size_t s) const {
        std::int32_t at = also[s];
        for (std::size_t k = 0; k < start.size() && at >= 0; ++k) {
            if (static_cast<std::size_t>(at) == s) return true;
            at = also[static_cast<std::size_t>(at)];
        }
        return false;
    }
};

// A kept unit is kept with the units that it needs, unless it is pinned.
void check_needs(const Case& given, const ctxmem::Fill& fill, std::size_t s) {
    if (given.demand[s] == 1) return;
    CHECK(!given.has(s, ctxmem::kHidden));
    const std::vector<bool> content = given.content();
    bool introduces = false, names = false;
    for (std::size_t k = 0; k < given.start.size(); ++k) {
        if (!fill.kept[k]) continue;
        introduces = introduces || (content[k] && given.need[k] == static_cast<std::int32_t>(s));
        const bool names_it = content[k] && !given.has(k, ctxmem::kLabel);
        names = names || (given.closure(k)[s] && (names_it || given.demand[k] == 1));
    }
    const bool pinned =
        std::find(given.demand.begin(), given.demand.end(), 1) != given.demand.end();
    CHECK(introduces || pinned || !content[s] || !given.has(s, ctxmem::kLeadIn));
    CHECK(names || !content[s] || !given.has(s, ctxmem::kLabel));
    const auto kept = [&](std::int32_t k) {
        return k == ctxmem::kNoSpan || fill.kept[static_cast<std::size_t>(k)];
    };
    CHECK(kept(given.need[s]));
    CHECK(kept(given.also[s]) || given.ring(s));
}

void check(const Case& given, std::int64_t limit, double least, double alike) {
    ctxmem::FillInput in = given.input(limit);
    in.least = least;
    in.alike = alike;
    in.query = "a word of the harbour, 30 \xC3\x9F";
    const ctxmem::Fill fill = ctxmem::fill_spans(in);
    const std::vector<double> values = given.values();
    std::int64_t cost = 0;
    double value = 0;
    for (std::size_t t = 0; t < given.texts.size(); ++t) {
        int runs = 0;
        for (std::int64_t k = given.first[t]; k < given.first[t + 1]; ++k) {
            const auto s = static_cast<std::size_t>(k);
            if (given.demand[s] == 2) CHECK(!fill.kept[s]);
            if (given.demand[s] == 1) CHECK(fill.kept[s]);
            if (const std::int32_t other = fill.duplicate_of[s]; other >= 0) {
                CHECK(!fill.kept[s] && fill.kept[static_cast<std::size_t>(other)]);
                CHECK(other < given.first[t] || other >= given.first[t + 1]);
                CHECK(alike <= 1);
            }
            if (!fill.kept[s]) continue;
            cost += given.tokens[s];
            value += values[s];
            check_needs(given, fill, s);
            runs += k == given.first[t] || !fill.kept[s - 1];
        }
        if (runs > 0) cost += 3 + 2 * (runs - 1);
    }
    CHECK(cost == fill.spent);
    CHECK(fill.spent <= limit || !fill.pins_fit);
    // A second version of a kept unit has a reduced value, at least 0.4 of its own.
    CHECK(fill.value < value + 1e-9 && fill.value > (alike > 1 ? 1.0 : 0.4) * value - 1e-9);
    CHECK(fill.bound >= fill.value && fill.left >= 0 && fill.left <= 1 && fill.price >= 0);
}

Columns one_unit() {
    Columns columns;
    columns.views = {"a b"};
    columns.first = {0, 1};
    columns.start = {0};
    columns.end = {3};
    columns.tokens = {2};
    columns.overhead = {1};
    columns.kind = columns.flags = columns.demand = {0};
    columns.document = {0};
    columns.need = columns.also = {ctxmem::kNoSpan};
    columns.worth = {0.5};
    return columns;
}

template <class Spoil>
void refused(Spoil&& spoil) {
    const Columns columns = one_unit();
    ctxmem::FillInput in = columns.input(9);
    CHECK(ctxmem::fill_spans(in).kept[0] == 1);
    spoil(in);
    bool threw = false;
    try {
        ctxmem::fill_spans(in);
    } catch (const std::invalid_argument&) {
        threw = true;
    }
    CHECK(threw);
}

}  // namespace

int main() {
    for (int round = 0; round < 20000; ++round) {
        const Case given;
        check(given, random_below(60), random_below(2) ? 0.0 : 0.3, random_below(2) ? 0.35 : 2.0);
    }
    const std::vector<double> nan{std::numeric_limits<double>::quiet_NaN()};
    const std::vector<std::int64_t> negative{-1}, backwards{1, 0}, far{0, 9};
    const std::vector<std::int32_t> none{-1}, beyond{1}, below_none{-2};
    refused([&](ctxmem::FillInput& in) { in.worth = nan; });
    refused([&](ctxmem::FillInput& in) { in.tokens = negative; });
    refused([&](ctxmem::FillInput& in) { in.first = backwards; });
    refused([&](ctxmem::FillInput& in) { in.first = far; });
    refused([&](ctxmem::FillInput& in) { in.document = none; });
    refused([&](ctxmem::FillInput& in) { in.demand = {}; });
    refused([&](ctxmem::FillInput& in) { in.flags = {}; });
    refused([&](ctxmem::FillInput& in) { in.need = beyond; });
    refused([&](ctxmem::FillInput& in) { in.also = below_none; });
    return 0;
}
