// The fill under the sanitizers: random spans, demands and limits. What is spent must be what the
// choice costs, within the limit; folded spans must be stood for by kept ones of other stretches.
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/span_fill.hpp"
#include "check.hpp"

namespace {

std::uint64_t state = 5;
std::int64_t random_below(std::int64_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(below));
}

struct Case {
    std::vector<std::string> texts;
    std::vector<std::string_view> views;
    std::vector<std::int64_t> first{0}, start, end, tokens, overhead;
    std::vector<std::uint8_t> kind, demand;
    std::vector<std::int32_t> document;
    std::vector<double> worth;

    Case() {
        const char* parts[] = {"the fee is due on the first day of each month ",
                               "the fee is not due on the first day of each month ",
                               "a ", "\xE6\x9D\xB1\xE4\xBA\xAC ", "\xED\xA0\xBD", "12.5% ", "isn't "};
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
                kind.push_back(static_cast<std::uint8_t>(random_below(7)));
                demand.push_back(static_cast<std::uint8_t>(random_below(8) < 6 ? 0 : random_below(3)));
                worth.push_back(static_cast<double>(random_below(100)) / 100);
            }
            texts.push_back(text);
            first.push_back(static_cast<std::int64_t>(start.size()));
            overhead.push_back(3);
            document.push_back(static_cast<std::int32_t>(texts.size()) - 1);
        }
        for (const std::string& text : texts) views.push_back(text);
    }

    ctxmem::FillInput input(std::int64_t limit) const {
        ctxmem::FillInput in;
        in.stretches = views;
        in.first = first;
        in.start = start;
        in.end = end;
        in.kind = kind;
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

void check(const Case& given, std::int64_t limit, double least, double alike) {
    ctxmem::FillInput in = given.input(limit);
    in.least = least;
    in.alike = alike;
    in.query = "a word of the harbour, 30 \xC3\x9F";
    const ctxmem::Fill fill = ctxmem::fill_spans(in);
    std::int64_t cost = 0;
    double value = 0;
    for (std::size_t t = 0; t < given.texts.size(); ++t) {
        int runs = 0;
        for (std::int64_t k = given.first[t]; k < given.first[t + 1]; ++k) {
            const auto s = static_cast<std::size_t>(k);
            if (given.demand[s] == 2) CHECK(!fill.kept[s]);
            if (given.demand[s] == 1) CHECK(fill.kept[s]);
            if (const std::int32_t other = fill.stands_for_it[s]; other >= 0) {
                CHECK(!fill.kept[s] && fill.kept[static_cast<std::size_t>(other)]);
                CHECK(other < given.first[t] || other >= given.first[t + 1]);
                CHECK(alike <= 1);
            }
            if (!fill.kept[s]) continue;
            cost += given.tokens[s];
            value += given.worth[s] * static_cast<double>(given.tokens[s]);
            runs += k == given.first[t] || !fill.kept[s - 1];
        }
        if (runs > 0) cost += 3 + 2 * (runs - 1);
    }
    CHECK(cost == fill.spent);
    CHECK(fill.spent <= limit || !fill.pins_fit);
    CHECK(value - fill.value < 1e-9 && fill.value - value < 1e-9);
    CHECK(fill.bound >= fill.value && fill.left >= 0 && fill.left <= 1 && fill.price >= 0);
}

template <class Spoil>
void refused(Spoil&& spoil) {
    const std::vector<std::string_view> texts{"a b"};
    const std::vector<std::int64_t> first{0, 1}, start{0}, end{3}, tokens{2}, overhead{1};
    const std::vector<std::uint8_t> kind{0}, demand{0};
    const std::vector<std::int32_t> document{0};
    const std::vector<double> worth{0.5};
    ctxmem::FillInput in{texts, first, start, end, kind, tokens, document, overhead, 1, worth, demand};
    in.limit = 9;
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
    const std::vector<std::int32_t> none{-1};
    refused([&](ctxmem::FillInput& in) { in.worth = nan; });
    refused([&](ctxmem::FillInput& in) { in.tokens = negative; });
    refused([&](ctxmem::FillInput& in) { in.first = backwards; });
    refused([&](ctxmem::FillInput& in) { in.first = far; });
    refused([&](ctxmem::FillInput& in) { in.document = none; });
    refused([&](ctxmem::FillInput& in) { in.demand = {}; });
    return 0;
}
