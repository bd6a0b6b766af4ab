// What reading long lines for near-duplicates costs, in basic blocks that were
// run: four times the text costs about four times as much; it would be sixteen
// if the cost grew with the square. And what a query of a crowded index costs:
// not many times what reading the query costs.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "block_count.hpp"
#include "check.hpp"
#include "core/dedup/lsh_index.hpp"
#include "core/dedup/overlap.hpp"
#include "core/dedup/setjoin.hpp"

using namespace ctxmem;

namespace {

constexpr double kFourfold = 5;
constexpr double kCrowded = 15;
constexpr std::size_t kSize = 100'000;

std::string repeated(std::string_view unit, std::size_t size) {
    std::string text;
    while (text.size() < size) text += unit;
    return text;
}

double joining(std::string_view unit, std::size_t size, Unit of) {
    const std::string text = repeated(unit, size);
    const std::vector<std::string_view> texts{text, "a b c"};
    StopToken stop;
    return blocks_of([&] { near_duplicate_pairs(texts, {0.5, 3, of, Measure::jaccard}, 1, stop); });
}

double overlapping(std::string_view unit, std::size_t size) {
    const std::string text = repeated(unit, size), shorter = repeated(unit, size * 2 / 3);
    const std::vector<std::string_view> texts{text, shorter};
    const std::vector<std::int32_t> sources{0, 0};
    StopToken stop;
    return blocks_of([&] { text_overlaps(texts, sources, 5, stop); });
}

// Joining so many texts of the same few words in other orders: nearly all are different.
double shuffled(std::size_t count) {
    std::vector<std::string> owned;
    std::uint32_t random = 1;
    for (std::size_t i = 0; i < count; ++i) {
        std::string& text = owned.emplace_back();
        for (int word = 0; word < 12; ++word) {
            random = random * 1664525 + 1013904223;
            text += static_cast<char>('a' + random % 0xFFFF0000 / 0x15555556 % 12);
            text += ' ';
        }
    }
    const std::vector<std::string_view> texts(owned.begin(), owned.end());
    StopToken stop;
    return blocks_of([&] {
        near_duplicate_pairs(texts, {0.5, 3, Unit::word, Measure::jaccard}, 1, stop);
    });
}

// A query of an index of so many texts that share most of their words, and few
// of their shingles.
double querying(std::size_t indexed) {
    const auto record = [](std::size_t i) {
        return "id " + std::to_string(i) + " fee " + std::to_string(i % 97) +
               " tags a b by x since may";
    };
    std::vector<std::string> owned;
    for (std::size_t i = 0; i < indexed; ++i) owned.push_back(record(i));
    const std::vector<std::string_view> texts(owned.begin(), owned.end());
    const std::string asked = record(1'000'000);
    const std::vector<std::string_view> query{asked};
    StopToken stop;
    LshIndex index({0.5, 3, Unit::word, Measure::jaccard}, 128, 1);
    index.add(texts, stop);
    return blocks_of([&] { index.query(query, 10, stop); });
}

}  // namespace

int main() {
    int dear = 0;
    const auto compare = [&](const char* what, std::string_view unit, double once, double four) {
        std::printf("x%.2f, %s: [%.*s]\n", four / once, what, static_cast<int>(unit.size()),
                    unit.data());
        dear += four > kFourfold * once;
    };
    for (const std::string_view unit : {"word ", "x", "\xE4\xB8\xAD", " ", ". ", "\xCC\x81"}) {
        for (const Unit of : {Unit::word, Unit::character})
            compare("joined", unit, joining(unit, kSize, of), joining(unit, 4 * kSize, of));
        compare("overlapped", unit, overlapping(unit, kSize), overlapping(unit, 4 * kSize));
    }
    const double alone = querying(1), crowded = querying(4000);
    std::printf("%.0f blocks for a query of one text, %.0f of many\n", alone, crowded);
    CHECK(crowded < kCrowded * alone);
    const double some = shuffled(8'000), more = shuffled(32'000);
    std::printf("x%.2f, texts of the same few words\n", more / some);
    CHECK(more < kFourfold * some);
    CHECK(dear == 0);
    return 0;
}
