// What reading long lines for near-duplicates costs, in basic blocks that were run: four times the
// text costs about four times as much; it would be sixteen if the cost grew with the square.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "block_count.hpp"
#include "check.hpp"
#include "core/dedup/overlap.hpp"
#include "core/dedup/setjoin.hpp"

using namespace ctxmem;

namespace {

constexpr double kFourfold = 5;
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
    return blocks_of([&] {
        near_duplicate_pairs(texts, {0.5, 3, of, Measure::jaccard}, 1, stop);
    });
}

double overlapping(std::string_view unit, std::size_t size) {
    const std::string text = repeated(unit, size), shorter = repeated(unit, size * 2 / 3);
    const std::vector<std::string_view> texts{text, shorter};
    const std::vector<std::int32_t> sources{0, 0};
    StopToken stop;
    return blocks_of([&] { text_overlaps(texts, sources, 5, stop); });
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
    CHECK(dear == 0);
    return 0;
}
