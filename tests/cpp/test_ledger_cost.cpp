// What finding statements costs, in basic blocks that were run: four times the text costs about four
// times as much, whatever it is made of; it would be sixteen if the cost grew with the square.
#include <cstdio>
#include <string>
#include <vector>

#include "block_count.hpp"
#include "check.hpp"
#include "core/ledger/statements.hpp"

using namespace ctxmem;

namespace {

constexpr double kFourfold = 4.6;
constexpr double kBlocks = 2000;  // of a byte

double cost(const std::string& unit, std::size_t size, bool replies) {
    std::string text;
    while (text.size() < size) text += unit;
    return blocks_of([&] { find_statements(text, replies, false); });
}

}  // namespace

int main() {
    const std::vector<std::string> units = {
        "i will ", "no ", "never push. ", "the port is 8443 ", "<a>", "Hi ", "never ", "\"", "?",
        "```\n", "- ", "\n", "# x\n", "From: a\n", "must not\n\n", "here is the mail:\n",
        "we go with A instead of B because C, ", "tried it, it failed; ", "a", "\xC3\xA9"};
    int dear = 0;
    for (const bool replies : {false, true})
        for (const std::string& unit : units) {
            const double once = cost(unit, 50'000, replies), four = cost(unit, 200'000, replies);
            const double factor = four / once, each = four / 200'000;
            std::printf("x%.2f, %.0f blocks a byte: %s\n", factor, each, unit.c_str());
            dear += factor > kFourfold || each > kBlocks;
        }
    CHECK(dear == 0);
    return 0;
}
