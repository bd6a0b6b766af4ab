// The selection under the sanitizers, with random units, demands, limits and needs, including cycles.
// The reported cost must be that of the choice and within the limit. A kept unit must be kept with
// the units that it needs. A folded unit must have a kept duplicate in another merged text.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/outline.hpp"
#include "core/solver/selection.hpp"
#include "check.hpp"

namespace {

std::uint64_t state = 5;

ctxmem::SelectionResult select(const ctxmem::SelectionInput& in) {
    return ctxmem::select(in, ctxmem::StopToken::none());
}

std::int64_t random_below(std::int64_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(below));
}

// The columns that a SelectionInput has views of.
struct Columns {
    std::vector<std::string_view> views;
    std::vector<std::int64_t> first{0}, start, end, tokens, overhead;
    std::vector<std::uint8_t> flags, requirement;
    std::vector<std::int32_t> need, also;
    std::vector<double> density;

    ctxmem::SelectionInput input(std::int64_t limit) const {
        ctxmem::SelectionInput in;
        in.texts = views;
        in.first = first;
        in.start = start;
        in.end = end;
        in.flags = flags;
        in.need = need;
        in.also = also;
        in.tokens = tokens;
        in.overhead = overhead;
        in.again = 2;
        in.density = density;
        in.requirement = requirement;
        in.limit = limit;
        return in;
    }
};

struct Case : Columns {
    std::vector<std::string> texts;
    std::vector<std::uint8_t> seen_flags;  // those by which units are selected

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
                requirement.push_back(
                    static_cast<std::uint8_t>(random_below(8) < 6 ? 0 : random_below(3)));
                density.push_back(static_cast<double>(random_below(100)) / 100);
            }
            texts.push_back(text);
            first.push_back(static_cast<std::int64_t>(start.size()));
            overhead.push_back(3);
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
        seen_flags = flags;
        const std::vector<bool> shown = content();
        for (std::size_t s = 0; s < shown.size(); ++s)
            if (shown[s] && requirement[s] != 2) return;
        for (std::uint8_t& flag : seen_flags) flag &= ctxmem::kHidden;  // labels are text here
    }

    bool has(std::size_t s, unsigned flag) const { return (seen_flags[s] & flag) != 0; }
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
            value[s] = density[s] * static_cast<double>(tokens[s]);
            const std::vector<bool> needed = closure(s);
            for (std::size_t k = 0; k < start.size(); ++k)
                if (needed[k] && k != s) best[k] = std::max(best[k], density[s]);
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
void check_needs(const Case& given, const ctxmem::SelectionResult& fill, std::size_t s) {
    if (given.requirement[s] == 1) return;
    CHECK(!given.has(s, ctxmem::kHidden));
    const std::vector<bool> content = given.content();
    bool introduces = false, names = false;
    for (std::size_t k = 0; k < given.start.size(); ++k) {
        if (!fill.kept[k]) continue;
        introduces = introduces || (content[k] && given.need[k] == static_cast<std::int32_t>(s));
        const bool names_it = content[k] && !given.has(k, ctxmem::kLabel);
        names = names || (given.closure(k)[s] && (names_it || given.requirement[k] == 1));
    }
    const bool pinned =
        std::find(given.requirement.begin(), given.requirement.end(), 1) != given.requirement.end();
    CHECK(introduces || pinned || !content[s] || !given.has(s, ctxmem::kLeadIn));
    CHECK(names || !content[s] || !given.has(s, ctxmem::kLabel));
    const auto kept = [&](std::int32_t k) {
        return k == ctxmem::kNoSpan || fill.kept[static_cast<std::size_t>(k)];
    };
    CHECK(kept(given.need[s]));
    CHECK(kept(given.also[s]) || given.ring(s));
}

void check(const Case& given, std::int64_t limit, double min_density, double alike) {
    ctxmem::SelectionInput in = given.input(limit);
    in.min_density = min_density;
    in.alike = alike;
    in.query = "a word of the harbour, 30 \xC3\x9F";
    const ctxmem::SelectionResult fill = select(in);
    const std::vector<double> values = given.values();
    std::int64_t cost = 0;
    double value = 0;
    for (std::size_t t = 0; t < given.texts.size(); ++t) {
        int runs = 0;
        for (std::int64_t k = given.first[t]; k < given.first[t + 1]; ++k) {
            const auto s = static_cast<std::size_t>(k);
            if (given.requirement[s] == 2) CHECK(!fill.kept[s]);
            if (given.requirement[s] == 1) CHECK(fill.kept[s]);
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
    CHECK(fill.spent <= limit || fill.outcome == ctxmem::Outcome::over_required);
    // A second version of a kept unit has a reduced value, and a repeat that is needed has none.
    CHECK(fill.value < value + 1e-9 && fill.value > (alike > 1 ? 1.0 : 0.0) * value - 1e-9);
    CHECK(fill.bound >= fill.value && fill.price >= 0);
    CHECK(fill.total > fill.value - 1e-9);
}

Columns one_unit() {
    Columns columns;
    columns.views = {"a b"};
    columns.first = {0, 1};
    columns.start = {0};
    columns.end = {3};
    columns.tokens = {2};
    columns.overhead = {1};
    columns.flags = columns.requirement = {0};
    columns.need = columns.also = {ctxmem::kNoSpan};
    columns.density = {0.5};
    return columns;
}

template <class Spoil>
void refused(Spoil&& spoil) {
    const Columns columns = one_unit();
    ctxmem::SelectionInput in = columns.input(9);
    CHECK(select(in).kept[0] == 1);
    spoil(in);
    bool threw = false;
    try {
        select(in);
    } catch (const std::invalid_argument&) {
        threw = true;
    }
    CHECK(threw);
}

}  // namespace

int main() {
    for (int round = 0; round < 6000; ++round) {
        const Case given;
        check(given, random_below(60), random_below(2) ? 0.0 : 0.3, random_below(2) ? 0.35 : 2.0);
    }
    const std::vector<double> nan{std::numeric_limits<double>::quiet_NaN()};
    const std::vector<std::int64_t> negative{-1}, backwards{1, 0}, far{0, 9};
    const std::vector<std::int32_t> beyond{1}, below_none{-2};
    const std::vector<std::int64_t> members{7}, bundle{0, 1}, descending{0, 2, 1};
    refused([&](ctxmem::SelectionInput& in) { in.density = nan; });
    refused([&](ctxmem::SelectionInput& in) { in.tokens = negative; });
    refused([&](ctxmem::SelectionInput& in) { in.first = backwards; });
    refused([&](ctxmem::SelectionInput& in) { in.first = far; });
    refused([&](ctxmem::SelectionInput& in) { in.requirement = {}; });
    refused([&](ctxmem::SelectionInput& in) { in.flags = {}; });
    refused([&](ctxmem::SelectionInput& in) { in.need = beyond; });
    refused([&](ctxmem::SelectionInput& in) { in.also = below_none; });
    refused([&](ctxmem::SelectionInput& in) {
        in.bundle_first = bundle;
        in.bundle_members = members;
    });
    refused([&](ctxmem::SelectionInput& in) { in.bundle_first = descending; });
    refused([&](ctxmem::SelectionInput& in) { in.required_bundle = beyond; });
    refused([&](ctxmem::SelectionInput& in) { in.required = beyond; });
    refused([&](ctxmem::SelectionInput& in) { in.parent = beyond; });
    refused([&](ctxmem::SelectionInput& in) { in.option_set = in.option = beyond; });
    return 0;
}
